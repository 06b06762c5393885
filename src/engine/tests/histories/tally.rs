//! What histories were made of.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::outcome::{Outcome, OutcomeRecord};

/// Counts of one history, or of many.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) histories: u64,
    pub(super) inputs: u64,
    pub(super) turns: u64,
    pub(super) people: usize,
    pub(super) crashes: u64,
    pub(super) takeovers: u64,
    pub(super) orders: u64,
    pub(super) removals: u64,
    outcomes: BTreeMap<&'static str, u64>,
    results: BTreeMap<&'static str, u64>,
    holds: BTreeMap<&'static str, u64>,
    /// Inputs, people, crashes and removals of each history, for the distribution.
    spread: [BTreeMap<u64, u64>; 4],
}

const SPREAD: [&str; 4] = ["engine inputs", "people", "crashes", "removals sent"];

impl Tally {
    pub(super) fn note_outcomes(&mut self, records: &[OutcomeRecord]) {
        for record in records {
            *self.outcomes.entry(record.kind.as_str()).or_default() += 1;
            match &record.data {
                Outcome::Closed(closed) => *self.results.entry(closed.result.as_str()).or_default() += 1,
                Outcome::Progress(progress) => {
                    for hold in &progress.holds {
                        *self.holds.entry(hold.reason.as_str()).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        self.histories = 1;
        let mine = [self.inputs, self.people as u64, self.crashes, self.removals];
        for (spread, value) in self.spread.iter_mut().zip(mine) {
            spread.insert(value, 1);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.inputs += other.inputs;
        self.turns += other.turns;
        self.people += other.people;
        self.crashes += other.crashes;
        self.takeovers += other.takeovers;
        self.orders += other.orders;
        self.removals += other.removals;
        for (mine, theirs) in [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.results, &other.results),
            (&mut self.holds, &other.holds),
        ] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
        for (mine, theirs) in self.spread.iter_mut().zip(&other.spread) {
            for (value, count) in theirs {
                *mine.entry(*value).or_default() += count;
            }
        }
    }
}

/// The smallest value that `percent` of all are not above.
fn quantile(spread: &BTreeMap<u64, u64>, percent: u64) -> u64 {
    let all: u64 = spread.values().sum();
    let mut below = 0;
    for (value, count) in spread {
        below += count;
        if below * 100 >= all * percent {
            return *value;
        }
    }
    0
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.histories.max(1) as f64;
        writeln!(
            f,
            "{:>16} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "per history", "average", "least", "10 %", "half", "90 %", "most"
        )?;
        for (name, spread) in SPREAD.iter().zip(&self.spread) {
            let sum: u64 = spread.iter().map(|(value, count)| value * count).sum();
            let at = |percent| quantile(spread, percent);
            let least = spread.keys().next().copied().unwrap_or(0);
            writeln!(
                f,
                "{name:>16} {:>8.1} {least:>6} {:>6} {:>6} {:>6} {:>6}",
                sum as f64 / count,
                at(10),
                at(50),
                at(90),
                at(100)
            )?;
        }
        let each = |value: u64| value as f64 / count;
        writeln!(
            f,
            "turns {:.0}, takeovers {:.2}, orders {:.2} in each",
            each(self.turns),
            each(self.takeovers),
            each(self.orders)
        )?;
        for (title, counts) in [("records", &self.outcomes), ("results", &self.results), ("holds", &self.holds)] {
            let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            writeln!(f, "{title}: {}", all.join(", "))?;
        }
        Ok(())
    }
}
