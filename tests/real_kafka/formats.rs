//! One leaver through each format, on a real Kafka: from a record as the vendor writes it to the end of a case that names
//! the element.

#[path = "formats/feeds.rs"]
mod feeds;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::{OutgoingRecord, record_sha256, send};
use heroku_deprovisioner::model::outcome::{CaseClosed, CaseResult, HoldReason, Outcome};
use heroku_deprovisioner::simulator::World;
use heroku_deprovisioner::sources::Format;

use super::bench::Bench;
use super::issuer::{AUDIENCE, ISSUER, Issuer, claims};
use super::service::{Scene, Start};
use super::stage::{self, assert_honest, closed, left, until};
use feeds::{FEEDS, Feed};

/// A case of a departure without a day ends by the word of somebody who knows it.
const UNDATED: &str = "ukg";

/// Who acts in the samples, and whom else they speak of: with the access of the leavers.
const OTHERS: [&str; 6] = [
    "it.ops@larkspur.example",
    "ops.admin@larkspur.example",
    "workspace.admin@larkspur.example",
    "wen.zhao@larkspur.example",
    "kofi.mensah@larkspur.example",
    "greta.lindqvist@larkspur.example",
];

/// The company of the other tests, with somebody for each format.
fn world() -> World {
    let mut world = stage::world();
    let leavers: Vec<String> = FEEDS.iter().map(Feed::leaver).collect();
    for person in leavers.iter().map(String::as_str).chain(OTHERS) {
        world.add_member("mobile", person, "member");
        world.add_collaborator("search-api", person, &["view", "deploy"]);
    }
    world
}

/// The record of a feed. Security event tokens are signed by an issuer of the test's own.
fn record(feed: &Feed, issuer: &Issuer) -> OutgoingRecord {
    if feed.format == "set" {
        let token = issuer.token(&claims("formats", &feed.leaver(), clock::now()));
        return OutgoingRecord { key: None, value: Some(token.into_bytes()), headers: Vec::new() };
    }
    feed.record(clock::now())
}

#[test]
fn one_leaver_goes_through_each_format() {
    let test = "one_leaver_goes_through_each_format";
    let covered: BTreeSet<&str> = FEEDS.iter().map(|feed| feed.format).collect();
    assert_eq!(covered, Format::names().collect(), "each format has its leaver");
    let Some(bench) = Bench::new(test) else { return };
    let files = tempfile::tempdir().unwrap();
    let issuer = Issuer::new();
    let keys = files.path().join("jwks.json");
    std::fs::write(&keys, issuer.jwks()).unwrap();

    let scene = Scene::set_with(bench, world(), Duration::from_millis(1));
    let topic = |feed: &Feed| format!("{}{}", scene.bench.prefix, feed.format);
    let before = OTHERS.map(|other| left(&scene.simulator, other));
    let mut more = String::new();
    let mut people = String::new();
    let mut sent = Vec::new();
    for feed in &FEEDS {
        scene.bench.create_topic(&topic(feed), 1, &[]);
        more.push_str(&feed.source(&topic(feed)));
        if feed.format == "set" {
            let keys = keys.display();
            more.push_str(&format!("issuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_file = \"{keys}\"\n"));
        }
        if let Some(key) = feed.known_as {
            people.push_str(&format!("{key},{}\n", feed.leaver()));
        }
        let record = record(feed, &issuer);
        sent.push(record_sha256(record.value.as_deref().unwrap()));
        // Something that says nothing lies before it.
        let tombstone = OutgoingRecord { key: record.key.clone(), value: None, headers: Vec::new() };
        send(scene.kafka(), &topic(feed), &[tombstone, record]).unwrap();
    }
    let mut instance = scene.start_with("a", &Start { more: &more, ..Start::default() });
    let said = scene.command("a", &["identities", "import", "--yes", "-"], &people);
    assert!(said.contains("addresses told"), "{said}");

    // Nobody knows the day of one: the case waits, removes nothing, and ends by HR's word.
    let undated = FEEDS.iter().find(|feed| feed.format == UNDATED).unwrap().leaver();
    scene.until_closed(FEEDS.len() - 1, &mut instance);
    until("a departure without a day is held", || {
        scene.outcomes().iter().any(|outcome| match &outcome.data {
            Outcome::Progress(told) => {
                told.cause.source == UNDATED && told.holds.iter().any(|hold| hold.reason == HoldReason::UnknownDate)
            }
            Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Look(_) => false,
        })
    });
    assert_ne!(left(&scene.simulator, &undated), Vec::<String>::new());
    scene.say(&[&undated]);
    scene.until_closed(FEEDS.len() + 1, &mut instance);
    // A feed that has said all it had to say is silent from then on.
    instance.until_says("Source mapping is silent: no record since ");
    instance.stop();

    let outcomes = scene.outcomes();
    let leavers: Vec<String> = FEEDS.iter().map(Feed::leaver).collect();
    assert_honest(&scene.simulator, &outcomes, &leavers.iter().map(String::as_str).collect::<Vec<_>>());
    for feed in &FEEDS {
        assert_eq!(left(&scene.simulator, &feed.leaver()), Vec::<String>::new(), "{}", feed.format);
    }
    assert_eq!(OTHERS.map(|other| left(&scene.simulator, other)), before, "they stay");

    let mut table = format!("{:<16} {:<30} {:<12} result\n", "format", "element", "event");
    for (feed, sha256) in FEEDS.iter().zip(&sent) {
        let ended: Vec<&CaseClosed> =
            closed(&outcomes).into_iter().filter(|closed| closed.cause.source == feed.format).collect();
        let [ended] = ended[..] else { panic!("{}: {} cases ended", feed.format, ended.len()) };
        let cause = &ended.cause;
        table.push_str(&format!(
            "{:<16} {:<30} {:<12} {}\n",
            feed.format,
            if cause.element.is_empty() { "whole value" } else { &cause.element },
            cause.kind,
            ended.result.as_str()
        ));
        let place = (cause.topic.as_str(), cause.partition, cause.offset);
        assert_eq!(place, (topic(feed).as_str(), 0, 1), "{}", feed.format);
        assert_eq!((cause.element.as_str(), &cause.record_sha256), (feed.element, sha256), "{}", feed.format);
        let result = if feed.format == UNDATED { CaseResult::Cancelled } else { CaseResult::Removed };
        assert_eq!(ended.result, result, "{}: {}", feed.format, ended.summary);
        assert!(ended.person.addresses.iter().any(|it| it.expose() == feed.leaver()), "{}", feed.format);
    }
    // Past what the test harness keeps to itself of a test that passes.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
}
