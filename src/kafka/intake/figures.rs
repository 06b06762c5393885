//! What an intake has done so far, for the status page: written by its thread, read by others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

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
    /// Why no record is read: what one needs from outside cannot be had.
    pub waiting: Option<Trouble>,
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

    pub(super) fn set_waiting(&self, source: &str, waiting: Option<Trouble>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.entry(source.to_owned()).or_default().waiting = waiting;
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
