//! The worker's log: what is committed comes back, what is not does not, and what does not fit together is refused.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::bench::{self, Bench, until};
use super::stage::orders;
use heroku_deprovisioner::kafka::topics::{self, Creation, TopicsError};
use heroku_deprovisioner::kafka::{
    Batch, Change, CommitError, OutgoingRecord, PollError, RestoreError, TopicNames, refusal, send,
};
use heroku_deprovisioner::model::command::Act;

fn state(key: &str, value: &str) -> (String, Option<Vec<u8>>) {
    (key.to_owned(), Some(value.as_bytes().to_vec()))
}

fn outcome(text: &str) -> OutgoingRecord {
    OutgoingRecord {
        key: Some(b"person".to_vec()),
        value: Some(text.as_bytes().to_vec()),
        headers: vec![("ce_type".to_owned(), b"x".to_vec())],
    }
}

fn batch(position: i64, state: Vec<(String, Option<Vec<u8>>)>, outcomes: Vec<OutgoingRecord>) -> Batch {
    Batch { label: "accept", position, state, outcomes, ..Batch::default() }
}

fn owned(records: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    records.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn what_is_committed_comes_back() {
    let Some(bench) = Bench::new("what_is_committed_comes_back") else { return };
    bench.send(&bench.names.events, &[("okta:t:1", "one"), ("okta:t:2", "two")]);
    let mut log = bench.joined("a");
    let restored = log.restore().unwrap();
    assert_eq!((restored.position, restored.records.len()), (0, 0));
    assert_eq!(restored.notes, Vec::<String>::new(), "a first start is nothing to speak of");

    let mut records = Vec::new();
    until("both events", || {
        records.extend(log.poll(Duration::from_millis(100)).unwrap().records);
        records.len() == 2
    });
    assert_eq!(records[1].offset, 1);
    assert_eq!((records[1].key.as_str(), records[1].value.as_slice()), ("okta:t:2", &b"two"[..]));

    log.commit(&batch(1, vec![state("case/1", "a"), state("case/2", "b")], vec![outcome("opened")])).unwrap();
    log.commit(&batch(2, vec![state("case/1", "c"), ("case/2".to_owned(), None)], vec![outcome("closed")])).unwrap();
    let restored = log.restore().unwrap();
    assert_eq!(restored.records, owned(&[("case/1", "c")]));
    assert_eq!(restored.position, 2);
    assert_eq!(restored.notes, Vec::<String>::new());
    assert_eq!(bench.read(&bench.names.outcomes), ["opened", "closed"]);

    // After the restore reading goes on behind the position, not at its beginning.
    bench.send(&bench.names.events, &[("okta:t:3", "three")]);
    let mut records = Vec::new();
    until("the third event", || {
        records.extend(log.poll(Duration::from_millis(100)).unwrap().records);
        !records.is_empty()
    });
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [2]);
}

#[test]
fn nothing_is_delivered_or_committed_before_the_restore() {
    let Some(bench) = Bench::new("nothing_is_delivered_or_committed_before_the_restore") else { return };
    bench.send(&bench.names.events, &[("okta:t:1", "one")]);
    let mut log = bench.joined("a");
    for _ in 0..10 {
        assert!(log.poll(Duration::from_millis(50)).unwrap().records.is_empty());
    }
    assert!(matches!(log.commit(&batch(1, vec![], vec![])), Err(CommitError::NotRestored)));
    assert!(bench.read(&bench.names.state).is_empty());
}

#[test]
fn a_predecessors_open_transaction_hides_nothing() {
    let Some(bench) = Bench::new("a_predecessors_open_transaction_hides_nothing") else { return };
    let mut log = bench.joined("a");
    log.restore().unwrap();
    log.commit(&batch(0, vec![state("case/1", "before")], vec![])).unwrap();
    log.leave(Duration::from_secs(10));
    // It dies in the middle of a transaction; behind it lies a committed one.
    let _crashed = bench.open_transaction(&bench.names.transactional_id, &bench.names.state, "case/2", "never");
    bench.commit_transaction("somebody-else", &bench.names.state, &[("case/3", "behind")]);
    assert_eq!(bench.read_to_what_looks_like_the_end(&bench.names.state), 2, "the trap: case/1 and the position");

    let mut log = bench.joined("a");
    let restored = log.restore().unwrap();
    assert_eq!(restored.records, owned(&[("case/1", "before"), ("case/3", "behind")]));
}

#[test]
fn a_transaction_that_nobody_ends_is_refused_not_skipped() {
    let Some(bench) = Bench::new("a_transaction_that_nobody_ends_is_refused_not_skipped") else { return };
    let mut log = bench.joined("a");
    log.restore().unwrap();
    log.commit(&batch(0, vec![state("case/1", "before")], vec![])).unwrap();
    // Of another transactional id, so that no initialisation of ours ends it. It is aborted by its timeout in the end,
    // here before the restore gives up.
    let _stranger = bench.open_transaction("stranger", &bench.names.state, "case/2", "never");
    bench.commit_transaction("somebody-else", &bench.names.state, &[("case/3", "behind")]);
    let restored = log.restore().unwrap();
    assert_eq!(restored.records, owned(&[("case/1", "before"), ("case/3", "behind")]), "waited for, then read whole");
}

#[test]
fn whoever_initialises_later_fences_the_earlier_one() {
    let Some(bench) = Bench::new("whoever_initialises_later_fences_the_earlier_one") else { return };
    let mut log = bench.joined("a");
    log.restore().unwrap();
    log.commit(&batch(0, vec![state("case/1", "mine")], vec![outcome("mine")])).unwrap();
    bench.commit_transaction(&bench.names.transactional_id, &bench.names.state, &[("case/1", "theirs")]);

    let refused = log.commit(&batch(0, vec![state("case/1", "zombie")], vec![outcome("zombie")])).unwrap_err();
    assert!(matches!(refused, CommitError::Unknown(_) | CommitError::Aborted(_)), "{refused:?}");
    assert!(matches!(log.commit(&batch(0, vec![], vec![])), Err(CommitError::NotRestored)), "memory is void");
    assert_eq!(log.restore().unwrap().records, owned(&[("case/1", "theirs")]));
    assert_eq!(bench.read(&bench.names.outcomes), ["mine"]);
    log.commit(&batch(0, vec![state("case/1", "mine again")], vec![])).unwrap();
}

#[test]
fn a_standby_takes_over_what_the_first_left() {
    let Some(bench) = Bench::new("a_standby_takes_over_what_the_first_left") else { return };
    let mut first = bench.joined("a");
    first.restore().unwrap();
    let mut second = bench.log("b");
    for _ in 0..20 {
        assert_eq!(second.poll(Duration::from_millis(50)).unwrap().change, None, "one partition, one owner");
        first.poll(Duration::from_millis(50)).unwrap();
    }
    first.commit(&batch(0, vec![state("case/1", "x")], vec![])).unwrap();
    first.leave(Duration::from_secs(10));
    until("the standby has it", || second.poll(Duration::from_millis(100)).unwrap().change == Some(Change::Assigned));
    assert_eq!(second.restore().unwrap().records, owned(&[("case/1", "x")]));
}

#[test]
fn two_instances_of_one_name_do_not_fight_for_ever() {
    let Some(bench) = Bench::new("two_instances_of_one_name_do_not_fight_for_ever") else { return };
    let mut first = bench.joined("same");
    first.restore().unwrap();
    let mut second = bench.log("same");
    let mut told = None;
    let mut lost = false;
    until("one of them is told", || {
        for log in [&mut first, &mut second] {
            match log.poll(Duration::from_millis(50)) {
                Ok(polled) => lost |= polled.change == Some(Change::Lost),
                Err(error) => told = Some(error),
            }
        }
        told.is_some()
    });
    assert!(matches!(&told, Some(PollError::NameTaken { instance }) if instance == "same"), "{told:?}");
    assert!(lost, "whoever was thrown out has lost the partition");
}

/// The test starts itself a second time as a child, which becomes the zombie.
#[test]
fn a_thawed_zombie_commits_nothing() {
    const PREFIX: &str = "ZOMBIE_PREFIX";
    const SERVERS: &str = "ZOMBIE_BOOTSTRAP_SERVERS";
    const NAME: &str = "a_thawed_zombie_commits_nothing";
    const PATH: &str = "log::a_thawed_zombie_commits_nothing";
    #[expect(clippy::disallowed_methods, reason = "how the child learns its role")]
    if let (Ok(prefix), Ok(servers)) = (std::env::var(PREFIX), std::env::var(SERVERS)) {
        let mut log = bench::joined(&bench::settings(&servers), &TopicNames::new(&prefix), "zombie");
        log.restore().unwrap();
        log.commit(&batch(0, vec![state("case/1", "alive")], vec![outcome("alive")])).unwrap();
        println!("\nready");
        std::io::stdin().lock().lines().next().unwrap().unwrap();
        let result = log.commit(&batch(0, vec![state("case/1", "zombie")], vec![outcome("zombie")]));
        println!("\nthe zombie's commit failed: {}", result.is_err());
        return;
    }

    let Some(bench) = Bench::new(NAME) else { return };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", PATH, "--nocapture"])
        .env(PREFIX, &bench.prefix)
        .env(SERVERS, bench.bootstrap_servers())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ready"), "the child came up");

    bench::signal(&child, "STOP");
    let mut heir = bench.joined("heir");
    assert_eq!(heir.restore().unwrap().records, owned(&[("case/1", "alive")]));
    heir.commit(&batch(0, vec![state("case/1", "heir")], vec![outcome("heir")])).unwrap();
    bench::signal(&child, "CONT");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(lines.any(|line| line == "the zombie's commit failed: true"));
    assert!(child.wait().unwrap().success());

    heir.commit(&batch(0, vec![state("case/2", "heir")], vec![outcome("heir again")])).unwrap();
    assert_eq!(heir.restore().unwrap().records, owned(&[("case/1", "heir"), ("case/2", "heir")]));
    assert_eq!(bench.read(&bench.names.outcomes), ["alive", "heir", "heir again"]);
}

#[test]
fn the_state_counts_when_the_group_knows_less() {
    let Some(bench) = Bench::new("the_state_counts_when_the_group_knows_less") else { return };
    bench.send(&bench.names.events, &[("k", "0"), ("k", "1"), ("k", "2")]);
    bench.send(&bench.names.state, &[("pos", r#"{"v":1,"events":2}"#)]);
    let mut log = bench.joined("a");
    let restored = log.restore().unwrap();
    assert_eq!((restored.position, restored.notes.len()), (2, 1), "{:?}", restored.notes);
    log.leave(Duration::from_secs(10));

    let bench = Bench::new("the_state_counts_when_the_group_knows_less").unwrap();
    bench.send(&bench.names.events, &[("k", "0"), ("k", "1"), ("k", "2")]);
    bench.send(&bench.names.state, &[("pos", r#"{"v":1,"events":2}"#)]);
    bench.commit_group_offset(1);
    let restored = bench.joined("a").restore().unwrap();
    assert_eq!((restored.position, restored.notes.len()), (2, 1), "{:?}", restored.notes);
}

#[test]
fn lost_state_is_refused() {
    let Some(bench) = Bench::new("lost_state_is_refused") else { return };
    // The group knows more than the state.
    bench.send(&bench.names.events, &[("k", "0"), ("k", "1"), ("k", "2")]);
    bench.send(&bench.names.state, &[("pos", r#"{"v":1,"events":2}"#)]);
    bench.commit_group_offset(3);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");

    // The group has a position, the state none.
    let bench = Bench::new("lost_state_is_refused").unwrap();
    bench.send(&bench.names.events, &[("k", "0")]);
    bench.commit_group_offset(1);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");

    // Outcomes were written, and nobody knows by whom.
    let bench = Bench::new("lost_state_is_refused").unwrap();
    bench.commit_transaction("earlier", &bench.names.outcomes, &[("person", "closed")]);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");

    // Cases, but no position.
    let bench = Bench::new("lost_state_is_refused").unwrap();
    bench.send(&bench.names.state, &[("case/1", "x")]);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");
}

#[test]
fn an_outcome_that_was_aborted_proves_no_lost_state() {
    let Some(bench) = Bench::new("an_outcome_that_was_aborted_proves_no_lost_state") else { return };
    bench.abort_transaction("earlier", &bench.names.outcomes, "person", "never");
    assert_eq!(bench.joined("a").restore().unwrap().position, 0);
}

#[test]
fn a_gap_in_the_events_is_refused() {
    let Some(bench) = Bench::new("a_gap_in_the_events_is_refused") else { return };
    bench.send(&bench.names.events, &[("k", "0"), ("k", "1"), ("k", "2")]);
    bench.send(&bench.names.state, &[("pos", r#"{"v":1,"events":1}"#)]);
    bench.delete_before(&bench.names.events, 2);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::Gap { low: 2, position: 1, .. }), "{refused:?}");

    // Only the acceptance of this very refusal counts, and it is written down with the first commit.
    let accept = |refusal: &str| {
        let order = orders(Act::AcceptState { refusal: refusal.to_owned() });
        send(&bench.settings, &bench.names.commands, &[order]).unwrap();
    };
    let told = refusal(&bench.settings, &bench.names).unwrap().expect("it is refused");
    assert_eq!(told.to_string(), refused.to_string(), "what a person accepts is what the worker says");
    accept("the events between were deleted unread");
    assert!(bench.joined("a").restore().is_err());
    accept(&told.to_string());
    let mut log = bench.joined("a");
    let restored = log.restore().unwrap();
    assert_eq!((restored.position, restored.accepted), (2, true));
    log.commit(&batch(2, Vec::new(), Vec::new())).unwrap();
    let restored = log.restore().unwrap();
    assert_eq!((restored.position, restored.accepted), (2, false));
    assert!(refusal(&bench.settings, &bench.names).unwrap().is_none());

    // On a first start nothing was accepted, so nothing is missing.
    let bench = Bench::new("a_gap_in_the_events_is_refused").unwrap();
    bench.send(&bench.names.events, &[("k", "0"), ("k", "1")]);
    bench.delete_before(&bench.names.events, 1);
    assert_eq!(bench.joined("a").restore().unwrap().position, 1);

    // The topic was made anew.
    let bench = Bench::new("a_gap_in_the_events_is_refused").unwrap();
    bench.send(&bench.names.events, &[("k", "0")]);
    bench.send(&bench.names.state, &[("pos", r#"{"v":1,"events":9}"#)]);
    let refused = bench.joined("a").restore().unwrap_err();
    assert!(matches!(refused, RestoreError::Truncated { high: 1, position: 9, .. }), "{refused:?}");
}

#[test]
fn a_state_topic_emptied_by_hand_ends_the_restore_instead_of_hanging_it() {
    let Some(bench) = Bench::new("a_state_topic_emptied_by_hand_ends_the_restore_instead_of_hanging_it") else {
        return;
    };
    // Otherwise a broker deletes nothing.
    bench.alter_topic(&bench.names.state, "cleanup.policy", "delete");
    let mut log = bench.joined("a");
    log.restore().unwrap();
    log.commit(&batch(0, vec![state("case/1", "x")], vec![])).unwrap();
    bench.delete_before(&bench.names.state, -1);
    let refused = log.restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");

    // A person may accept this loss, and it alone.
    let told = refusal(&bench.settings, &bench.names).unwrap().expect("it is refused").to_string();
    assert_eq!(told, refused.to_string());
    let order = orders(Act::AcceptState { refusal: told });
    send(&bench.settings, &bench.names.commands, &[order]).unwrap();
    assert!(log.restore().unwrap().accepted);
    log.commit(&batch(0, vec![state("case/2", "x")], vec![])).unwrap();
    assert!(!log.restore().unwrap().accepted);
    bench.delete_before(&bench.names.state, -1);
    let refused = log.restore().unwrap_err();
    assert!(matches!(refused, RestoreError::StateLost { .. }), "{refused:?}");
}

#[test]
fn a_compacted_state_restores_to_the_same() {
    let quick = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "1000"),
        ("delete.retention.ms", "1000"),
    ];
    let Some(bench) = Bench::with_state("a_compacted_state_restores_to_the_same", &quick) else { return };
    let mut log = bench.joined("a");
    log.restore().unwrap();
    for round in 0..50 {
        let states = (0..10).map(|case| state(&format!("case/{case}"), &format!("{round}"))).collect();
        log.commit(&batch(0, states, vec![])).unwrap();
    }
    log.commit(&batch(0, vec![("case/0".to_owned(), None)], vec![])).unwrap();
    until("the cleaner has been there", || {
        // A segment is closed only by a write.
        log.commit(&batch(0, vec![], vec![])).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        bench.read(&bench.names.state).len() < 100
    });
    let restored = log.restore().unwrap();
    let expected: Vec<_> = (1..10).map(|case| (format!("case/{case}"), b"49".to_vec())).collect();
    assert_eq!(restored.records, expected);
    assert_eq!(restored.position, 0);
}

#[test]
fn an_outage_in_the_middle_loses_and_doubles_nothing() {
    let Some(mut bench) = Bench::with_own_broker("an_outage_in_the_middle_loses_and_doubles_nothing") else { return };
    let mut log = bench.joined("a");
    log.restore().unwrap();
    log.commit(&batch(0, vec![state("case/1", "1")], vec![outcome("1")])).unwrap();
    bench.own_broker().stop().unwrap();
    let committing = std::thread::spawn(move || {
        let result = log.commit(&batch(0, vec![state("case/1", "2")], vec![outcome("2")]));
        (log, result)
    });
    std::thread::sleep(Duration::from_secs(5));
    bench.own_broker().start_again().unwrap();
    let (mut log, result) = committing.join().unwrap();
    until("the partition is ours again, if it was lost", || {
        log.poll(Duration::from_millis(100)).unwrap();
        log.is_assigned()
    });
    let restored = log.restore().unwrap().records;
    let committed = restored == owned(&[("case/1", "2")]);
    assert!(committed || restored == owned(&[("case/1", "1")]), "{restored:?}");
    assert!(committed || result.is_err(), "Ok means committed");
    log.commit(&batch(0, vec![state("case/1", "3")], vec![outcome("3")])).unwrap();
    let expected: &[&str] = if committed { &["1", "2", "3"] } else { &["1", "3"] };
    assert_eq!(bench.read(&bench.names.outcomes), expected);
}

#[test]
fn topics_are_made_once_and_wrong_ones_are_refused() {
    let Some(bench) = Bench::new("topics_are_made_once_and_wrong_ones_are_refused") else { return };
    let allowed = Creation::Allowed { replicas: -1 };
    let again = topics::prepare(&bench.settings, &bench.names, allowed).unwrap();
    assert!(again.iter().all(|topic| !topic.created && topic.partitions == 1));
    let looked = topics::inspect(&bench.settings, &bench.names).unwrap();
    let advice: Vec<_> = looked.iter().map(|(_, report)| &report.as_ref().unwrap().advice).collect();
    assert!(advice.iter().all(|advice| advice.len() == 2), "one replica, one in sync, nothing else: {advice:?}");

    let other = TopicNames::new(&format!("{}other.", bench.prefix));
    let missing = topics::prepare(&bench.settings, &other, Creation::Forbidden).unwrap_err();
    assert!(matches!(missing, TopicsError::Missing { name } if name == other.events));
    bench.create_topic(&other.state, 2, &[("cleanup.policy", "compact")]);
    let wrong = topics::prepare(&bench.settings, &other, allowed).unwrap_err();
    assert!(matches!(wrong, TopicsError::Partitions { found: 2, wanted: 1, .. }), "{wrong:?}");
}
