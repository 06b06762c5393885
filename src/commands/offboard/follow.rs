//! Following one order to the end of its case, by what the worker commits to its state topic: case and outcome become
//! visible together, and the state also tells when an order has joined a case that was open before.

use std::time::{Duration, Instant};

use crate::commands::cases::is_held;
use crate::commands::kafka_access::{decode, failure};
use crate::engine::case::{Case, Digest, case_id};
use crate::engine::record::StateRecord;
use crate::engine::revocation::Progress;
use crate::kafka::Follower;
use crate::model::CaseId;
use crate::model::event::{PersonEvent, SourceRef};
use crate::model::outcome::{Decision, HoldReason};

/// How it ended, or stood when the time was over.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The case is closed.
    Closed(Digest),
    /// Nothing moves until a human or the world changes something.
    Held {
        /// The case.
        case: CaseId,
        /// Why.
        reasons: Vec<HoldReason>,
    },
    /// The time was over.
    StillRunning {
        /// The case, if the service has taken the order.
        case: Option<CaseId>,
    },
}

/// Follows until the case ends, stands still, or the time is over.
pub(super) fn follow(
    follower: &Follower,
    event: &PersonEvent,
    until: Instant,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<End> {
    let mut watch = Watch::of(event);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(End::StillRunning { case: watch.case });
        }
        let Some(record) = follower.next(left.min(Duration::from_millis(200))).map_err(failure)? else { continue };
        let (Some(key), Some(value)) = (record.key, record.value) else { continue };
        let Some(record) = decode(&String::from_utf8_lossy(&key), &value)? else { continue };
        if let Some(end) = watch.see(record, tell) {
            return Ok(end);
        }
    }
}

/// What is known of the order's case.
#[derive(Debug)]
struct Watch {
    source: SourceRef,
    /// The case that the order would open.
    own: CaseId,
    /// The case that it opened or joined.
    case: Option<CaseId>,
    holds: Vec<HoldReason>,
    gone: usize,
}

impl Watch {
    fn of(event: &PersonEvent) -> Self {
        Self { source: event.source.clone(), own: case_id(&event.source), case: None, holds: Vec::new(), gone: 0 }
    }

    fn see(&mut self, record: StateRecord, tell: &mut dyn FnMut(&str)) -> Option<End> {
        match record {
            StateRecord::Case(case) if self.is_ours(&case) => {
                self.tell_news(&case, tell);
                stands_still(&case).then(|| End::Held { case: case.id, reasons: self.holds.clone() })
            }
            StateRecord::Digest(digest) if digest.id == self.case.unwrap_or(self.own) => Some(End::Closed(digest)),
            StateRecord::Case(_)
            | StateRecord::Digest(_)
            | StateRecord::Person(_)
            | StateRecord::Alias(..)
            | StateRecord::Windows(_)
            | StateRecord::Circuit(_)
            | StateRecord::Orders(_) => None,
        }
    }

    fn is_ours(&self, case: &Case) -> bool {
        case.id == self.own || case.cause.also_stated_by.contains(&self.source)
    }

    fn tell_news(&mut self, case: &Case, tell: &mut dyn FnMut(&str)) {
        if self.case.replace(case.id) != Some(case.id) && case.id != self.own {
            tell(&format!("the person has an open case, which the order joins: {}", case.id));
        }
        for hold in case.holds.iter().filter(|hold| !self.holds.contains(&hold.reason)) {
            tell(&format!("held: {}: {}", hold.reason.as_str(), hold.detail));
        }
        if case.holds.is_empty() && !self.holds.is_empty() {
            tell("goes on");
        }
        self.holds = case.holds.iter().map(|hold| hold.reason).collect();
        let gone = case
            .revocations
            .iter()
            .filter(|known| matches!(known.progress, Progress::Settled { .. }) && known.decision == Decision::Revoke)
            .count();
        if gone > self.gone {
            tell(&format!("{gone} of {} grants are proven gone", case.revocations.len()));
            self.gone = gone;
        }
    }
}

/// Whether a held case has nothing left that moves by itself.
fn stands_still(case: &Case) -> bool {
    let moves = case.revocations.iter().any(|known| known.is_pending() && known.decision == Decision::Revoke);
    is_held(case) && (case.parked.is_some() || case.barred.is_some() || case.limited.is_some() || !moves)
}
