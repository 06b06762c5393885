//! A record beside a mapping, and what it must be read as.

use jiff::Timestamp;
use serde::Deserialize;

use crate::sources::explain::{Decision, Explanation, explain, to_the_millisecond};
use crate::sources::{Record, Rules};

/// When the record of a test comes, for mappings without `time`.
const ARRIVES_AT: &str = "2026-01-01T00:00:00Z";

/// A test of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    record: String,
    says: Vec<String>,
}

impl Example {
    /// Reads the record.
    ///
    /// # Errors
    /// What it says instead.
    pub fn check(&self, rules: &Rules) -> Result<(), String> {
        let arrived_at = ARRIVES_AT.parse().ok();
        let record = Record { value: Some(self.record.as_bytes()), arrived_at, ..Record::default() };
        // Long after everything takes effect: what is stated counts, not what is still ahead.
        let answer = explain(&record, rules, Timestamp::MAX);
        let as_said = answer.rows.len() == self.says.len()
            && answer.rows.iter().zip(&self.says).all(|(row, said)| says(row, said));
        if as_said { Ok(()) } else { Err(format!("is not what the record says, which is:\n{}", answer.text())) }
    }
}

/// Whether an element says `said`: a decision, then any of its addresses and ids, and when it takes effect.
fn says(row: &Explanation, said: &str) -> bool {
    let mut words = said.split_whitespace();
    let subject = &row.subject;
    let holds = |word: &str| {
        subject.addresses.iter().any(|address| address.expose() == word)
            || subject.ids.values().any(|id| id == word)
            || row.event_id.as_deref() == Some(word)
            || row.effective_at.map(to_the_millisecond).as_deref() == Some(word)
    };
    let stated = row.kind.unwrap_or(row.decision);
    words.next().is_some_and(|word| word == stated.as_str()) && words.all(holds) && names_whom(row, said)
}

/// What could remove somebody must be tested with who that is.
fn names_whom(row: &Explanation, said: &str) -> bool {
    matches!(row.decision, Decision::Ignore | Decision::Reject) || said.split_whitespace().nth(1).is_some()
}
