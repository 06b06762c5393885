//! Events on their way to the worker, as they lie on the events topic.

use super::Message;
use crate::model::event::Normalised;

/// The record of one event, keyed by whom it is about.
pub fn event_record(normalised: &Normalised) -> Message {
    Message {
        key: normalised.event.subject.person_key.to_string(),
        headers: Vec::new(),
        value: serde_json::to_vec(normalised).expect("an event is texts, numbers and lists"),
    }
}
