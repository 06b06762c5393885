//! What an intake has done so far, for the status page: written by its thread, read by others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing::{info, warn};

use crate::trouble::Trouble;

/// Figures of all sources of one intake.
#[derive(Debug, Default)]
pub struct Figures {
    joined: AtomicBool,
    sources: Mutex<BTreeMap<String, SourceFigures>>,
}

/// Figures of one source, since the start of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFigures {
    /// Records read.
    pub records: u64,
    /// Elements of them, by decision.
    pub elements: BTreeMap<&'static str, u64>,
    /// When the last record was read.
    pub last_record_at: Option<Timestamp>,
    /// Since when this instance has partitions of it; without any it cannot know whether somebody speaks.
    pub held_since: Option<Timestamp>,
    /// Why no record is read: what one needs from outside cannot be had.
    pub waiting: Option<Trouble>,
    /// Why nothing of it can be read: its topic is not there, or is not shown to us.
    pub missing: Option<Trouble>,
}

impl Figures {
    /// Whether the consumer is in its group.
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// The figures of each source of which something is known, by name.
    pub fn sources(&self) -> BTreeMap<String, SourceFigures> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// Takes down of which sources this instance has partitions now.
    pub(super) fn set_held<'a>(&self, held: impl Iterator<Item = &'a str>, now: Timestamp) {
        let held: BTreeSet<&str> = held.collect();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, figures) in sources.iter_mut().filter(|(name, _)| !held.contains(name.as_str())) {
            figures.held_since = None;
        }
        for name in held {
            sources.entry(name.to_owned()).or_default().held_since.get_or_insert(now);
        }
    }

    pub(super) fn set_waiting(&self, source: &str, waiting: Option<Trouble>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.entry(source.to_owned()).or_default().waiting = waiting;
    }

    /// Notes why the topic of a source cannot be read, or that it can; told when that changes.
    pub(super) fn set_missing(&self, source: &str, why: Option<String>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = &mut sources.entry(source.to_owned()).or_default().missing;
        match (&*missing, &why) {
            (None, Some(why)) => warn!(source, "Source {source} waits: {why}"),
            (Some(_), None) => info!(source, "Source {source} waits no more: its topic is there"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        *missing = why.map(|why| Trouble::after(missing.as_ref(), why));
    }

    pub(super) fn add(&self, source: &str, more: &SourceFigures) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = sources.entry(source.to_owned()).or_default();
        figures.records += more.records;
        for (decision, count) in &more.elements {
            *figures.elements.entry(decision).or_default() += count;
        }
        figures.last_record_at = more.last_record_at.or(figures.last_record_at);
    }
}
