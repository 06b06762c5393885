//! A look at the whole state, for status, metrics and lists.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Engine;
use super::case::Phase;
use crate::model::outcome::HoldReason;
use crate::model::{CaseId, PersonId};

/// How many cases stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Open cases.
    pub open: usize,
    /// Cases that wait, by reason; one case may wait for several things.
    pub held: BTreeMap<HoldReason, usize>,
    /// Open cases past their deadline.
    pub overdue: usize,
    /// When the oldest open case was received.
    pub oldest: Option<Timestamp>,
    /// Closed cases still remembered.
    pub closed: usize,
    /// Of those, the ones that only made a plan, and whose people still had access.
    pub planned: usize,
    /// What the last scans could not read.
    pub unread: Vec<String>,
    /// Why Heroku refuses the account.
    pub stopped: Option<String>,
    /// Removals on the wire.
    pub in_flight: usize,
}

/// One open case, in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseLine {
    /// The case.
    pub id: CaseId,
    /// Who.
    pub person: PersonId,
    /// Whether it waits for a human or for the world to change.
    pub held: bool,
    /// Grants still to go.
    pub pending: usize,
}

impl Engine {
    /// How many events may be taken before the open cases are as many as may be: each opens one at most. What people
    /// order is never put off, so more may be open than the limit says.
    pub fn room(&self) -> usize {
        self.policy.max_open_cases.saturating_sub(self.cases.len())
    }

    /// Counts.
    pub fn census(&self) -> Census {
        let mut held = BTreeMap::new();
        for hold in self.cases.values().flat_map(|case| &case.holds) {
            *held.entry(hold.reason).or_insert(0) += 1;
        }
        let unread: BTreeSet<String> = self
            .cases
            .values()
            .flat_map(|case| &case.coverage.not_read)
            .map(|unread| format!("{} ({})", unread.what, unread.why))
            .collect();
        Census {
            open: self.cases.len(),
            held,
            overdue: self.cases.values().filter(|case| case.overdue).count(),
            oldest: self.cases.values().map(|case| case.received_at).min(),
            closed: self.digests.len(),
            planned: self.digests.values().filter(|digest| digest.is_waiting_plan()).count(),
            unread: unread.into_iter().collect(),
            stopped: self.stop.as_ref().map(|stop| stop.why.clone()),
            in_flight: self.in_flight.len(),
        }
    }

    /// The open cases.
    pub fn lines(&self) -> Vec<CaseLine> {
        self.cases
            .values()
            .map(|case| CaseLine {
                id: case.id,
                person: case.person,
                held: !case.holds.is_empty() || matches!(case.phase, Phase::Parked),
                pending: case.revocations.iter().filter(|known| known.is_pending()).count(),
            })
            .collect()
    }
}
