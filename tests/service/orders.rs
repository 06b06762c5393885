//! What people order reaches the service, and what nobody can read does not stop it.

use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::model::command::{Act, Standing};
use heroku_deprovisioner::model::outcome::OutcomeKind;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, assert_all_gone, leaves, orders, record, removals, until, world};

#[test]
fn a_pause_stops_removals_until_it_is_ended() {
    let play = Play::begin(world(), json!([]));
    send(&play.kafka, &play.names.commands, &[orders(Act::Pause)]).unwrap();
    until("the status says paused", || matches!(play.status().removals, Standing::Paused(_)));
    let Standing::Paused(pause) = play.status().removals else { panic!("resumed by itself") };
    assert_eq!((pause.by.as_str(), pause.why.as_str()), ("ops", "a test"));
    play.say(&[leaves(PRIYA)]);
    let opened = || play.outcomes().iter().any(|record| record.kind == OutcomeKind::CaseOpened);
    until("the case is opened: reading goes on", opened);
    // Long enough to read everything and to begin.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(removals(&play.simulator).len(), 0);

    send(&play.kafka, &play.names.commands, &[orders(Act::Resume)]).unwrap();
    play.until_closed(1);
    assert_eq!(play.status().removals, Standing::Running);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

#[test]
fn a_command_that_nobody_can_read_becomes_a_dead_letter_and_the_next_one_counts() {
    let play = Play::begin(world(), json!([]));
    let poison = [record("{"), record(&json!({"schema_version": 9, "command": "pause"}).to_string())];
    send(&play.kafka, &play.names.commands, &poison).unwrap();
    let letters = || find(&play.kafka, &play.names.dead_letters, |_| true).unwrap();
    until("both are refused", || letters().len() >= poison.len());
    let letters = letters();
    let said = |name: &str| letters.iter().map(|letter| letter.header(name).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(said("dlq-source"), ["commands", "commands"]);
    assert_eq!(said("dlq-reason"), ["malformed", "unknown_version"]);
    assert_eq!(said("dlq-offset"), ["0", "1"]);
    send(&play.kafka, &play.names.commands, &[orders(Act::Pause), orders(Act::Resume)]).unwrap();
    play.say(&[leaves(PRIYA)]);
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}
