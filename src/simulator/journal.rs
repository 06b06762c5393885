//! What was asked, answered and changed: Heroku's own account of a run, for tests to judge by.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{AccountId, Parent, Surface};

/// One request, from its arrival on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place in the order of arrival, from 1.
    pub sequence: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// When its effect took place, or was found to be none; absent until then, and when it was cut off before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_at: Option<Timestamp>,
    /// When the answer was handed to the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Method.
    pub method: String,
    /// Path and query as they were sent, not decoded.
    pub path: String,
    /// Address of the account that the token acts as; absent for an unknown token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How it was answered.
    pub status: Status,
    /// The client's `Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The client's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether it changed the world.
    pub changed: bool,
    /// Access that it took away, including what went along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// It is one of the calls that no access removal may ever make. It was refused, except that a caller who removes
    /// their own access gets what the switches say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destructive: bool,
    /// Names of the fault rules that touched it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Status {
    /// With this HTTP status.
    Code(u16),
    /// Without a whole answer.
    Without(Unanswered),
}

impl Status {
    /// The HTTP status, if there was one.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Code(code) => Some(code),
            Self::Without(_) => None,
        }
    }
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// Not yet.
    Pending,
    /// A fault cut the connection.
    Cut,
}

/// One access that a person has lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Where it lived.
    pub surface: Surface,
    /// What it was on.
    pub parent: Parent,
    /// The person's address.
    pub email: String,
    /// The person's account; an invitation may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Role or permissions before.
    pub before: String,
}

/// Most requests that are kept; older ones are forgotten.
pub const RECORDS_MAX: usize = 500_000;

/// Requests in the order of their arrival.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    records: VecDeque<Recorded>,
    /// How many arrived before the first one kept.
    gone: u64,
}

impl Journal {
    /// The requests kept, the oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Recorded> {
        self.records.iter()
    }

    /// Forgets everything. Sequence numbers go on.
    pub fn clear(&mut self) {
        self.gone += u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        self.records.clear();
    }

    /// Records an arrival and numbers it.
    pub(super) fn open(&mut self, record: Recorded) -> u64 {
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
            self.gone += 1;
        }
        let sequence = self.gone + u64::try_from(self.records.len()).unwrap_or(u64::MAX) + 1;
        self.records.push_back(Recorded { sequence, ..record });
        sequence
    }

    /// Records what a request did.
    pub(super) fn take_effect(
        &mut self,
        sequence: u64,
        now: Timestamp,
        changed: bool,
        removed: &[Removed],
        destructive: bool,
    ) {
        if let Some(record) = self.find(sequence) {
            record.effect_at = Some(now);
            record.changed = changed;
            record.removed = removed.to_vec();
            record.destructive = destructive;
        }
    }

    /// Records how a request was answered.
    pub fn close(&mut self, sequence: u64, status: Status, now: Timestamp) {
        if let Some(record) = self.find(sequence) {
            record.status = status;
            record.answered_at = Some(now);
        }
    }

    /// The record of a request, unless it was forgotten meanwhile.
    fn find(&mut self, sequence: u64) -> Option<&mut Recorded> {
        let place = sequence.checked_sub(self.gone)?.checked_sub(1)?;
        self.records.get_mut(usize::try_from(place).ok()?)
    }
}
