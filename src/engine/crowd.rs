//! More people of one source at once than may go in a day are no ordinary day: they wait for a person.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Engine;
use super::case::{Case, Phase};
use crate::model::CaseId;
use crate::model::outcome::{Decision, HoldReason, Mode};

impl Engine {
    /// Holds everybody of a source of which more people wait to begin than the day's cap lets go. Unlike those who
    /// reach a cap one by one, they do not go on with time: a feed that is wrong would remove a few each hour.
    pub(super) fn hold_crowds(&mut self, now: Timestamp) {
        let mut crowds: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
        for case in self.cases.values().filter(|case| waits_to_begin(case)) {
            crowds.entry(&case.cause.source).or_default().push(case);
        }
        let limit = self.policy.max_people_per_day;
        let mut held: Vec<(CaseId, String)> = Vec::new();
        for (source, crowd) in crowds {
            if limit == 0 || crowd.len() <= limit as usize {
                continue;
            }
            let people = crowd.len();
            let why = format!(
                "{people} people of source {source} wait at once, limit {limit} (guards.max_people_per_day); \
                 they go on only when approved"
            );
            held.extend(crowd.into_iter().filter(|case| case.barred.is_none()).map(|case| (case.id, why.clone())));
        }
        for (id, why) in held {
            self.bar(now, id, HoldReason::LimitReached, &why);
        }
    }
}

/// Whether its removals may begin now, or could but for the crowd that it is part of.
fn waits_to_begin(case: &Case) -> bool {
    let goes = |decision| decision == Decision::Revoke;
    case.mode == Some(Mode::Enforce)
        && case.parked.is_none()
        && !matches!(case.phase, Phase::Scheduled { .. })
        && case.approval.is_none()
        && case.cancelled_by.is_none()
        && !case.started()
        && case.barred.as_ref().is_none_or(|(reason, _)| *reason == HoldReason::LimitReached)
        && case.revocations.iter().any(|known| known.is_pending() && goes(known.decision))
}
