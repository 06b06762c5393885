//! More than the service may hold at once: it waits on Kafka, in sight, and nothing of it is lost.

use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::model::CaseId;
use heroku_deprovisioner::model::command::Act;
use heroku_deprovisioner::model::outcome::{CaseResult, OutcomeKind, OutcomeRecord};
use serde_json::json;

use super::play::Play;
use super::stage::{closed, leaves, orders, until, world};

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
