//! Somebody whom Okta names by an id alone: while Okta cannot be asked, their partition stands still and nothing else
//! does; once it answers, their access goes, and the record of it says who told the address.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::OutgoingRecord;
use heroku_deprovisioner::kafka::reader::find;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, TOMAS, assert_all_gone, closed, until, world};

const ID: &str = "00u8p1r1yaR4m4n0h801";
/// Nobody at Heroku.
const WILMA: &str = "wilma.berg@larkspur.example";

/// Okta, when it is there.
struct Okta {
    url: String,
    there: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

fn okta() -> Okta {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let okta = Okta { url, there: Arc::default(), asked: Arc::default() };
    let (there, asked) = (Arc::clone(&okta.there), Arc::clone(&okta.asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
            let user = json!({"id": ID, "status": "DEPROVISIONED", "profile": {"login": "praman", "email": PRIYA}});
            let right = request.starts_with(&format!("get /api/v1/users/{} ", ID.to_lowercase()))
                && request.contains("authorization: ssws t0ken\r\n");
            let (status, body) = match (there.load(Ordering::SeqCst), right) {
                (false, _) => ("503 Service Unavailable", String::new()),
                (true, true) => ("200 OK", user.to_string()),
                (true, false) => ("404 Not Found", "{\"errorCode\":\"E0000007\"}".to_owned()),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
            asked.fetch_add(1, Ordering::SeqCst);
        }
    });
    okta
}

/// A deactivation, as a poller of the System Log writes it.
fn deactivated(key: &str, id: &str, login: &str) -> OutgoingRecord {
    let event = json!({
        "uuid": format!("event-{login}"), "published": clock::now().to_string(), "eventType": "user.lifecycle.deactivate",
        "outcome": {"result": "SUCCESS"}, "target": [{"type": "User", "id": id, "alternateId": login}],
        "actor": {"type": "User", "id": "00u00000000000000adm", "alternateId": "it.ops@larkspur.example"},
    });
    OutgoingRecord { key: Some(key.into()), value: Some(event.to_string().into()), headers: Vec::new() }
}

#[test]
fn a_directory_that_is_away_is_waited_for_and_then_the_access_goes() {
    let okta = okta();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t0ken\n").unwrap();
    let play = Play::begin_with(
        world(),
        json!([]),
        &format!(
            "\n[[sources]]\nname = \"okta\"\ntopic = \"t.directory\"\nformat = \"okta\"\ntenant = \"larkspur.okta.com\"\n\
             start_at = \"earliest\"\nlookup = \"okta\"\n[lookups.okta]\nkind = \"okta\"\nurl = \"{}\"\n\
             token_file = \"{}\"\n",
            okta.url,
            token.display()
        ),
    );
    let waits_for = |play: &Play| {
        let sources = play.status().sources;
        sources.into_iter().find(|source| source.name == "okta").and_then(|source| source.waiting_because)
    };
    let letters = |play: &Play| find(&play.kafka, &play.names.dead_letters, |_| true).unwrap().len();
    let tomas = deactivated("a", "00u000000000000tomas", TOMAS);
    play.say_on("t.directory", &[deactivated("a", ID, "praman"), tomas]);
    let why = "look-up okta: it answers 503 Service Unavailable";
    until("what is waited for is shown", || waits_for(&play).as_deref() == Some(why));
    until("it is asked again", || okta.asked.load(Ordering::SeqCst) >= 3);

    // Some of these lie in the other partition, which goes on.
    let others: Vec<_> = ["b", "c", "d", "e", "f", "g", "h", "i"]
        .map(|key| deactivated(key, "00u000000000000wilma", WILMA))
        .into_iter()
        .collect();
    play.say_on("t.directory", &others);
    play.until_closed(1);
    let play = play.restart();
    until("it waits after a restart too", || waits_for(&play).as_deref() == Some(why));
    let outcomes = play.outcomes();
    let about: Vec<_> = closed(&outcomes).iter().map(|case| case.person.addresses[0].expose().to_owned()).collect();
    assert_eq!(about, [WILMA], "what lies behind it in its partition waits");
    assert_eq!(letters(&play), 0);

    okta.there.store(true, Ordering::SeqCst);
    play.until_closed(3);
    until("nothing is waited for", || waits_for(&play).is_none());
    assert_eq!(letters(&play), 0);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA, TOMAS]);
    for case in closed(&outcomes) {
        let told = case.person.addresses.iter().any(|address| address.expose() == PRIYA).then_some("okta");
        assert_eq!(case.cause.looked_up.as_deref(), told, "{:?}", case.cause);
    }
}
