//! Sources that misbehave: what cannot be read goes to the dead letters, the next record goes on, and nothing that a
//! source says is ever in a request to Heroku.

use heroku_deprovisioner::kafka::OutgoingRecord;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::simulator::Simulator;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, assert_all_gone, leaves, record, statement, world};

/// Stands in every poisoned value.
const MARK: &str = "zq7";

/// Requests are made of fixed words, ids and names that Heroku gave.
fn assert_clean(simulator: &Simulator) {
    for request in simulator.requests() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
        assert!(request.path.bytes().all(plain), "{}", request.path);
        let texts = [Some(request.path), request.request_id, request.traceparent, request.user_agent];
        assert!(texts.iter().flatten().all(|text| !text.contains(MARK)), "{texts:?}");
    }
}

/// A statement about a leaver whose address is spoiled.
fn with_address(address: &str) -> OutgoingRecord {
    let mut statement = statement(PRIYA);
    statement["subject"]["emails"][0]["value"] = json!(address);
    record(&statement.to_string())
}

#[test]
fn poison_becomes_a_dead_letter_and_the_next_record_goes_on() {
    let deep = format!("{}{MARK}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let mut long = statement(PRIYA);
    long["subject"]["display_name"] = json!(MARK.repeat(5 * 1024 * 1024 / MARK.len()));
    long["subject"]["emails"][0]["value"] = json!(format!("{MARK}/@larkspur.example"));
    let poison = [
        with_address(&format!("../../{MARK}@larkspur.example")),
        with_address(&format!("{MARK}%2f..%2faccount@larkspur.example")),
        with_address(&format!("{MARK}?a=b@larkspur.example")),
        with_address(&format!("{MARK}\r\nX-Evil: 1@larkspur.example")),
        // A Cyrillic letter that looks like the `i` of a leaver.
        with_address("pr\u{456}ya.raman@larkspur.example"),
        // A letter of full width, and one with its dot in a mark of its own.
        with_address("\u{ff50}riya.raman@larkspur.example"),
        with_address("pri\u{307}ya.raman@larkspur.example"),
        with_address(&format!("{}@larkspur.example", MARK.repeat(100))),
        with_address(""),
        record(&deep),
        record(&"[".repeat(10_000)),
        record(&long.to_string()),
        record("\u{0}"),
    ];
    let play = Play::begin(world(), json!([]));
    play.say(&poison);
    play.say(&[leaves(PRIYA)]);
    play.until_closed(1);
    let letters = find(&play.kafka, &play.names.dead_letters, |_| true).unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.header("dlq-reason").unwrap_or_default()).collect();
    assert_eq!(letters.len(), poison.len(), "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
    assert_clean(&simulator);
}

#[test]
fn what_a_source_says_about_a_real_leaver_is_in_no_request() {
    let poison = format!("../{MARK}%2f?a=b#{MARK}");
    let mut event = statement(PRIYA);
    event["subject"]["person_key"] = json!(format!("hr:larkspur:{poison}"));
    event["subject"]["employee_id"] = json!(poison);
    event["source"]["event_id"] = json!(poison);
    event["source"]["event_type"] = json!(poison);
    event["correlation_id"] = json!(poison);
    let mut said = record(&event.to_string());
    said.key = Some(poison.clone().into_bytes());
    said.headers = vec![("traceparent".to_owned(), format!("00-{MARK}\r\nX-Evil: 1").into_bytes())];
    let play = Play::begin(world(), json!([]));
    play.say(&[said]);
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
    assert_clean(&simulator);
}
