//! Our own records: events, state, commands, outcomes.

use heroku_deprovisioner::engine::record::StateRecord;
use heroku_deprovisioner::engine::{Engine, Input};
use heroku_deprovisioner::model::event::Normalised;
use heroku_deprovisioner::model::outcome::{ExecutedBy, OutcomeRecord};
use heroku_deprovisioner::wire::{check_command, command as write_command, outcome as write_outcome};
use heroku_deprovisioner::wire::{event_record, read_command, read_outcome};

use super::super::allocation::bounded;
use super::{assert_plain, worker};

/// What lies on the events topic, as the worker reads it.
pub(super) fn event(input: &[u8]) {
    let Ok(normalised) = bounded(input.len(), || serde_json::from_slice::<Normalised>(input)) else { return };
    let written = event_record(&normalised);
    assert_eq!(serde_json::from_slice::<Normalised>(&written.value).unwrap(), normalised);
    let mut engine = worker::engine();
    engine.handle(worker::now(), Input::Event(Box::new(normalised.clone())));
    // Again, as after a crash of the intake.
    engine.handle(worker::now(), Input::Event(Box::new(normalised)));
    worker::go_on(engine);
}

/// Records of the state topic: a line with the key, a line with the value, and so on.
pub(super) fn state(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut records = Vec::new();
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        let Ok(key) = std::str::from_utf8(key) else { continue };
        match bounded(key.len() + value.len(), || StateRecord::decode(key, value)) {
            Ok(record) => {
                let (own_key, written) = record.encode();
                assert_eq!(own_key, key, "a record under a key that is not its own");
                assert_eq!(StateRecord::decode(key, &written).unwrap(), record);
                records.push((key, value));
            }
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
    if records.is_empty() {
        return;
    }
    let restored = Engine::restore(worker::policy(), ExecutedBy::default(), records, worker::now());
    worker::go_on(restored.expect("each record was read before"));
}

/// A record of the commands topic.
pub(super) fn command(input: &[u8]) {
    match bounded(input.len(), || read_command(Some(input))) {
        Ok(command) => {
            assert_plain("why", &command.why);
            assert_plain("claimed_by", &command.claimed_by);
            assert!(!command.authenticated);
            assert_eq!(check_command(&command), Ok(()));
            let written = write_command(&command);
            assert_eq!(read_command(Some(&written.value)).as_ref(), Ok(&command));
            let mut engine = worker::engine();
            engine.handle(worker::now(), Input::Command { offset: 0, command });
            worker::go_on(engine);
        }
        Err(why) => {
            assert_plain("the refusal", &why.to_string());
            assert!(why.to_string().len() < 256, "{why}");
        }
    }
}

/// A record of the outcomes topic.
pub(super) fn outcome(input: &[u8]) {
    match bounded(input.len(), || read_outcome(input)) {
        Ok(record) => {
            let written = write_outcome(&OutcomeRecord { traceparent: None, ..record.clone() });
            for (name, value) in &written.headers {
                assert_plain(name, value);
            }
            let whole = write_outcome(&record);
            assert_eq!(read_outcome(&whole.value).unwrap(), record);
        }
        Err(why) => assert_plain("the refusal", &why.to_string()),
    }
}
