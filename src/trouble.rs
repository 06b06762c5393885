//! Why something outside that is waited for gives no answer: for people, wherever they look.

use jiff::Timestamp;

use crate::clock;

/// A failure that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// The last failure.
    pub why: String,
}

impl Trouble {
    /// The trouble that there was goes on in this way; or it begins.
    pub fn after(before: Option<&Self>, why: String) -> Self {
        Self { since: before.map_or_else(clock::now, |before| before.since), why }
    }
}
