//! Our own records as they lie on a topic: CloudEvents 1.0 in structured JSON, commands, and dead letters. Pure: values
//! in, bytes and headers out, and back. What sources write is read in `sources`; what this service itself writes is here.

mod command;
mod dead_letter;
mod envelope;
mod event_record;
mod outcome;
mod person_event;

pub use command::{COMMAND_BYTES_MAX, CommandError, check as check_command, command, read_command};
pub use dead_letter::{DEAD_LETTER_HEADER, DEAD_LETTER_VALUE_MAX, DeadLetter, Keep, Refused, dead_letter};
pub use event_record::event_record;
pub use outcome::{WireError, outcome, read_outcome};
pub use person_event::person_event;

/// The `content-type` header of every CloudEvent that this module makes.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// One record, ready to be produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The record's key.
    pub key: String,
    /// Headers, in the order in which they are written; no name repeats.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub value: Vec<u8>,
}

impl Message {
    /// The value as text: one line of JSON.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.value).expect("serde_json writes UTF-8")
    }

    /// The value of the header called `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }
}
