//! More than the service may hold at once: it waits on Kafka, in sight, and nothing of it is lost.

use heroku_deprovisioner::kafka::OutgoingRecord;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::model::CaseId;
use heroku_deprovisioner::model::command::Act;
use heroku_deprovisioner::model::outcome::{CaseResult, OutcomeKind, OutcomeRecord};
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, closed, leaves, orders, record, removals, statement, until, world};

const OPEN: usize = 5;

/// The most cases that were open at once, as the records tell it.
fn most_open(outcomes: &[OutcomeRecord]) -> usize {
    let (mut open, mut most) = (0, 0);
    for record in outcomes {
        match record.kind {
            OutcomeKind::CaseOpened => open += 1,
            OutcomeKind::CaseClosed => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    most
}

fn opened(outcomes: &[OutcomeRecord]) -> Vec<CaseId> {
    let opened = outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseOpened);
    opened.map(|record| record.case).collect()
}

#[test]
fn ten_times_the_open_cases_wait_on_kafka_and_all_end() {
    // Heroku is away, so that no case can end.
    let away = json!([{"when": {"path": "/teams"}, "then": [{"error": "service_unavailable"}]}]);
    let play = Play::begin_with(world(), away, &format!("\n[limits]\nopen_cases = {OPEN}\n"));
    let leavers: Vec<String> = (0..10 * OPEN).map(|number| format!("leaver-{number}@larkspur.example")).collect();
    play.say(&leavers.iter().map(|leaver| leaves(leaver)).collect::<Vec<_>>());
    until("no more events are read", || play.status().cases.full_since.is_some());
    let status = play.status();
    assert_eq!((status.cases.open, status.cases.limit), (OPEN as u64, OPEN as u64));
    assert_eq!(status.kafka.position, Some(OPEN as i64), "the others wait where they are");
    assert!(status.not_ready_because().is_empty(), "a restart would not mend it");

    // Orders pass: somebody frees a place, and one more event is taken.
    let cancel = Act::Cancel { cases: vec![opened(&play.outcomes())[0]] };
    send(&play.kafka, &play.names.commands, &[orders(cancel)]).unwrap();
    until("the next event is read", || opened(&play.outcomes()).len() == OPEN + 1);
    until("it is full again", || play.status().cases.full_since.is_some());
    assert_eq!(play.status().cases.open, OPEN as u64);

    play.set_faults(json!([]));
    play.until_closed(leavers.len());
    until("events are read again", || play.status().cases.full_since.is_none());
    let (_, outcomes) = play.end();
    let results: Vec<CaseResult> = closed(&outcomes).iter().map(|case| case.result).collect();
    let nothing = results.iter().filter(|result| **result == CaseResult::NothingToRemove).count();
    assert_eq!((results.len(), nothing), (leavers.len(), leavers.len() - 1));
    assert_eq!(most_open(&outcomes), OPEN);
}

#[test]
fn what_is_far_above_a_limit_is_a_dead_letter_that_names_it() {
    let with = |extra: &str| record(&statement(PRIYA).to_string().replacen('{', &format!("{{\"extra\":{extra},"), 1));
    let garbage: Vec<u8> = (1..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let framed = [&[0], garbage.as_slice()].concat();
    let cases = [
        (with(&format!("\"{}\"", "x".repeat(7 * 1024 * 1024))), "too_large", "1048576 are read at most"),
        (
            with(&format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))),
            "too_deep",
            "more than 100 levels deep at line 1",
        ),
        (record(&format!("[{}1]", "1,".repeat(50_000))), "too_many_elements", "more than 5000 elements; the first one"),
        (with(&"9".repeat(100_000)), "malformed_json", "at line 1, column "),
        (OutgoingRecord { value: Some(framed), ..record("") }, "unexpected_framing", "name that registry"),
        (OutgoingRecord { value: Some(garbage), ..record("") }, "invalid_utf8", "not UTF-8 from byte "),
        (record(&format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_560))), "duplicate_key", "more than 256 keys"),
    ];
    let play = Play::begin(world(), json!([]));
    let (before, behind) = ("before@larkspur.example", "behind@larkspur.example");
    play.say(&[leaves(before)]);
    for (record, _, _) in &cases {
        play.say(std::slice::from_ref(record));
    }
    play.say(&[leaves(behind)]);
    play.until_closed(2);
    let letters = find(&play.kafka, &play.names.dead_letters, |_| true).unwrap();
    for (letter, (_, reason, detail)) in letters.iter().zip(&cases) {
        let told = letter.header("dlq-detail").unwrap_or_default();
        assert_eq!(letter.header("dlq-reason"), Some(*reason), "{told}");
        assert!(told.contains(detail), "{told}");
    }
    assert_eq!(letters.len(), cases.len());
    let (simulator, outcomes) = play.end();
    let ended: Vec<_> = closed(&outcomes).iter().map(|case| case.result).collect();
    assert_eq!(ended, [CaseResult::NothingToRemove; 2]);
    assert_eq!(removals(&simulator).len(), 0);
}
