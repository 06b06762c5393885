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
    /// The key at fault, and what is wrong with it, or what the record says instead.
    pub fn check(&self, rules: &Rules) -> Result<(), (&'static str, String)> {
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&self.record) {
            return Err(("record", format!("is no JSON: {error}")));
        }
        for said in &self.says {
            Decision::named(said.split_whitespace().next().unwrap_or_default()).map_err(|why| ("says", why))?;
        }
        let arrived_at = ARRIVES_AT.parse().ok();
        let record = Record { value: Some(self.record.as_bytes()), arrived_at, ..Record::default() };
        // Long after everything takes effect: what is stated counts, not what is still ahead.
        let answer = explain(&record, rules, Timestamp::MAX);
        let as_said = answer.rows.len() == self.says.len()
            && answer.rows.iter().zip(&self.says).all(|(row, said)| says(row, said));
        if as_said {
            Ok(())
        } else {
            Err(("says", format!("is not what the record says, which is:\n{}", answer.text())))
        }
    }
}

/// Whether an element says `said`: a decision, then any of its addresses and ids, and when it takes effect.
fn says(row: &Explanation, said: &str) -> bool {
    let mut words = said.split_whitespace();
    let holds = |word: &str| {
        row.names(word)
            || row.event_id.as_deref() == Some(word)
            || row.effective_at.map(to_the_millisecond).as_deref() == Some(word)
    };
    words.next().is_some_and(|word| word == row.stated().as_str()) && words.all(holds) && names_whom(row, said)
}

/// What could remove somebody must be tested with who that is.
fn names_whom(row: &Explanation, said: &str) -> bool {
    matches!(row.decision, Decision::Ignore | Decision::Reject) || said.split_whitespace().nth(1).is_some()
}
