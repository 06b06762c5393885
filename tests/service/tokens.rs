//! Security event tokens from end to end: forgeries become dead letters and nothing is asked of Heroku; while the issuer's
//! keys cannot be read nothing is decided; a token that is sent again changes nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::model::event::Authenticity;
use heroku_deprovisioner::model::outcome::OutcomeKind;
use serde_json::json;

use super::forgeries::{Keys, forgeries};
use super::issuer::{AUDIENCE, ISSUER, Issuer, claims};
use super::play::Play;
use super::stage::{PRIYA, TOMAS, assert_all_gone, closed, leaves, record, until, world};

/// The issuer's key set on the web, when it is there.
struct Web {
    url: String,
    there: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

fn publish(jwks: String) -> Web {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let web = Web { url, there: Arc::default(), asked: Arc::default() };
    let (there, asked) = (Arc::clone(&web.there), Arc::clone(&web.asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let status = if there.load(Ordering::SeqCst) { "200 OK" } else { "503 Service Unavailable" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{jwks}", jwks.len());
            let _ = stream.write_all(answer.as_bytes());
            asked.fetch_add(1, Ordering::SeqCst);
        }
    });
    web
}

/// Reasons of the dead letters so far.
fn refused(play: &Play) -> Vec<String> {
    let letters = find(&play.kafka, &play.names.dead_letters, |_| true).unwrap();
    letters.iter().map(|letter| letter.header("dlq-reason").unwrap_or_default().to_owned()).collect()
}

#[test]
fn no_forgery_reaches_heroku_and_keys_that_are_away_are_waited_for() {
    let issuer = Issuer::new();
    let web = publish(issuer.jwks());
    let play = Play::begin_with(
        world(),
        json!([]),
        &format!(
            "jwks_pause = \"200ms\"\n\n[[sources]]\nname = \"risc\"\ntopic = \"t.tokens\"\nformat = \"set\"\n\
             tenant = \"larkspur\"\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_url = \"{}\"\n\
             algorithms = [\"ES256\"]\nstart_at = \"earliest\"\n",
            web.url
        ),
    );
    let requests = |play: &Play| -> Vec<String> { play.simulator.requests().into_iter().map(|it| it.path).collect() };
    let of_the_account = |path: &String| path.starts_with("/account");

    // What keys do not decide is refused without them; the rest waits.
    let (mut without, mut with): (Vec<_>, Vec<_>) =
        forgeries(&issuer, PRIYA, clock::now()).into_iter().partition(|(_, _, _, keys)| *keys == Keys::Needless);
    without.sort_by_key(|(_, _, reason, _)| *reason);
    with.sort_by_key(|(_, _, reason, _)| *reason);
    let reasons = |forged: &[super::forgeries::Forgery]| -> Vec<String> {
        forged.iter().map(|(_, _, reason, _)| (*reason).to_owned()).collect()
    };
    let records = |forged: &[super::forgeries::Forgery]| -> Vec<_> {
        forged.iter().map(|(_, value, _, _)| record(value)).collect()
    };
    play.say_on("t.tokens", &records(&without));
    play.say_on("t.tokens", &records(&with));
    until("keys were asked for twice", || web.asked.load(Ordering::SeqCst) > 2);
    assert_eq!(refused(&play), reasons(&without), "nothing is refused because keys are away");
    let waits_for = |play: &Play| {
        let sources = play.status().sources;
        sources.into_iter().find(|source| source.name == "risc").and_then(|source| source.waiting_because)
    };
    let why = "the issuer's keys cannot be read: the answer has status 503";
    until("what is waited for is shown", || waits_for(&play).as_deref() == Some(why));

    // Another source goes on meanwhile; and a restart loses nothing of what waits.
    assert!(requests(&play).iter().all(of_the_account), "{:?}", requests(&play));
    play.say(&[leaves(TOMAS)]);
    play.until_closed(1);
    let play = play.restart();
    let (before, asked) = (requests(&play).len(), web.asked.load(Ordering::SeqCst));
    until("keys are asked for again", || web.asked.load(Ordering::SeqCst) > asked);
    assert_eq!(refused(&play), reasons(&without));

    web.there.store(true, Ordering::SeqCst);
    let asked = web.asked.load(Ordering::SeqCst);
    let all = reasons(&without).into_iter().chain(reasons(&with)).collect::<Vec<_>>();
    until("all forgeries are refused", || refused(&play).len() == all.len());
    assert_eq!(refused(&play), all);
    // A key that is not there is looked for once more, though its token is looked at again and again.
    let asked = web.asked.load(Ordering::SeqCst) - asked;
    assert!(asked <= 2 * (with.len() + 1), "keys were asked for {asked} times");
    until("nothing is waited for", || waits_for(&play).is_none());
    assert!(requests(&play)[before..].iter().all(of_the_account), "{:?}", &requests(&play)[before..]);

    // A genuine one, again and again.
    let token = record(&issuer.token(&claims("genuine", PRIYA, clock::now())));
    play.say_on("t.tokens", &[token.clone(), token.clone()]);
    play.until_closed(2);
    play.say_on("t.tokens", &[token]);
    let read = || play.status().sources.iter().find(|source| source.name == "risc").map(|source| source.records);
    until("all tokens are read since the restart", || read() == Some(with.len() as u64 + 3));
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA, TOMAS]);
    assert_eq!(outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseOpened).count(), 2);
    let verified = closed(&outcomes).iter().filter(|case| case.cause.authenticity == Authenticity::JwsVerified).count();
    assert_eq!(verified, 1);
}
