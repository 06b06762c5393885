//! The circuit breaker on failures. Removals that fail one after the other say that something is wrong that more of them
//! do not mend: then all wait, one is tried each minute, and the first that succeeds lets the others go on.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::GrantId;

/// So many grants that failed one after the other open the circuit.
const IN_A_ROW: usize = 5;

/// How many grants are looked back upon.
const LAST: usize = 50;

/// So many failures among them open it as well: 20 %.
const AMONG_LAST: usize = LAST / 5;

/// How the last removals went. A grant counts once, as it went last: one that Heroku never lets go opens nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Oldest first.
    recent: VecDeque<Tried>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Tried {
    grant: GrantId,
    failed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    since: Timestamp,
    why: String,
    probe_due: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<GrantId>,
}

impl Circuit {
    /// Takes how a removal went. `true` = the state changed in a way that must survive a restart.
    pub(super) fn note(&mut self, now: Timestamp, grant: GrantId, failed: bool, probe_every: SignedDuration) -> bool {
        let mattered = self.failures() > 0 || failed;
        self.recent.retain(|tried| tried.grant != grant);
        self.recent.push_back(Tried { grant, failed });
        if self.recent.len() > LAST {
            self.recent.pop_front();
        }
        match &self.open {
            Some(open) if !failed && open.probe == Some(grant) => *self = Self::default(),
            Some(_) => {}
            None => {
                self.open =
                    self.reason().map(|why| Open { since: now, why, probe_due: after(now, probe_every), probe: None })
            }
        }
        mattered
    }

    /// The figures, while it is open.
    pub(super) fn figures(&self) -> Option<String> {
        self.open.as_ref().map(|open| format!("{}, since {:.0}; one is tried each minute", open.why, open.since))
    }

    /// Whether it is open, and a removal may be tried all the same.
    pub(super) fn wants_probe(&self, now: Timestamp) -> bool {
        self.open.as_ref().is_some_and(|open| open.probe_due <= now)
    }

    /// This is the removal that is tried.
    pub(super) fn probe(&mut self, now: Timestamp, grant: GrantId, probe_every: SignedDuration) {
        if let Some(open) = &mut self.open {
            open.probe = Some(grant);
            open.probe_due = after(now, probe_every);
        }
    }

    fn failures(&self) -> usize {
        self.recent.iter().filter(|tried| tried.failed).count()
    }

    fn reason(&self) -> Option<String> {
        let row = self.recent.iter().rev().take_while(|tried| tried.failed).count();
        if row >= IN_A_ROW {
            return Some(format!("{row} removals failed in a row, limit {IN_A_ROW}"));
        }
        let (failed, of) = (self.failures(), self.recent.len());
        (failed >= AMONG_LAST)
            .then(|| format!("{failed} of the last {of} removals failed, limit {AMONG_LAST} of {LAST}"))
    }
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn grant(number: usize) -> GrantId {
        GrantId(Uuid::from_u128(number as u128))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    fn tried(went: impl IntoIterator<Item = bool>) -> Circuit {
        let mut circuit = Circuit::default();
        for (number, ok) in went.into_iter().enumerate() {
            circuit.note(at(0), grant(number), !ok, MINUTE);
        }
        circuit
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_it() {
        assert_eq!(tried([true, false, false, false, false, true]).figures(), None);
        let opened = tried([true, false, false, false, false, false]).figures().unwrap();
        assert_eq!(opened, "5 removals failed in a row, limit 5, since 2026-05-28T20:26:40Z; one is tried each minute");
    }

    #[test]
    fn the_tenth_failure_of_the_last_fifty_opens_it() {
        let one_in_five = |count: usize| (0..count).map(|number| number % 5 != 0);
        assert_eq!(tried(one_in_five(45)).figures(), None);
        let opened = tried(one_in_five(46)).figures().unwrap();
        assert!(opened.starts_with("10 of the last 46 removals failed, limit 10 of 50"), "{opened}");
        assert_eq!(tried((0..400).map(|number| number % 6 != 0)).figures(), None, "only the last fifty count");
    }

    #[test]
    fn one_grant_that_never_goes_opens_nothing() {
        let mut circuit = Circuit::default();
        for _ in 0..100 {
            circuit.note(at(0), grant(1), true, MINUTE);
        }
        assert_eq!(circuit.figures(), None);
    }

    #[test]
    fn only_a_probe_that_succeeds_closes_it() {
        let mut circuit = tried([false; 5]);
        assert!(!circuit.wants_probe(at(59)) && circuit.wants_probe(at(60)));
        circuit.note(at(1), grant(7), false, MINUTE);
        assert!(circuit.figures().is_some(), "an answer to what was on the wire before");
        circuit.probe(at(60), grant(8), MINUTE);
        assert!(!circuit.wants_probe(at(119)) && circuit.wants_probe(at(120)));
        circuit.note(at(61), grant(8), true, MINUTE);
        assert!(circuit.figures().is_some());
        circuit.probe(at(120), grant(9), MINUTE);
        circuit.note(at(121), grant(9), false, MINUTE);
        assert_eq!(circuit, Circuit::default());
    }
}
