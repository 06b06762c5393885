//! A source as it is shown: its figures, and whether it has gone silent. Silence is told when it begins and when it ends.

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::kafka::intake::SourceFigures;
use crate::status::SourceStatus;

/// One source.
pub(super) struct Feed {
    name: String,
    topic: String,
    /// Longer than it ever pauses.
    silent_after: Option<SignedDuration>,
    /// It has been told that it is silent.
    silent: bool,
}

impl Feed {
    pub(super) fn new(name: &str, topic: &str, silent_after: Option<SignedDuration>) -> Self {
        Self { name: name.to_owned(), topic: topic.to_owned(), silent_after, silent: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its status at `now`.
    pub(super) fn show(&mut self, figures: SourceFigures, now: Timestamp) -> SourceStatus {
        let silent_since = self.silent_since(&figures, now);
        self.tell(silent_since);
        let waiting = figures.missing.or(figures.waiting);
        SourceStatus {
            name: self.name.clone(),
            topic: self.topic.clone(),
            last_record_at: figures.last_record_at,
            held_since: figures.held_since,
            silent_since,
            waiting_since: waiting.as_ref().map(|trouble| trouble.since),
            waiting_because: waiting.map(|trouble| trouble.why),
            records: figures.records,
            elements: figures.elements.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        }
    }

    /// Since when nothing has been read of it, if that is too long. What another instance reads is not known here: silence is
    /// counted from when partitions of the source came here at the earliest, and without any there is none. That nobody can have
    /// any is [missing](SourceFigures::missing).
    fn silent_since(&self, figures: &SourceFigures, now: Timestamp) -> Option<Timestamp> {
        let since = figures.held_since?.max(figures.last_record_at.unwrap_or(Timestamp::MIN));
        (now.duration_since(since) > self.silent_after?).then_some(since)
    }

    fn tell(&mut self, silent_since: Option<Timestamp>) {
        let name = &self.name;
        match (self.silent, silent_since) {
            (false, Some(since)) => warn!(source = %name, "Source {name} is silent: no record since {since}"),
            (true, None) => info!(source = %name, "Source {name} is not silent any more"),
            (false, None) | (true, Some(_)) => {}
        }
        self.silent = silent_since.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    fn figures(held: Option<i64>, read: Option<i64>) -> SourceFigures {
        SourceFigures { held_since: held.map(at), last_record_at: read.map(at), ..SourceFigures::default() }
    }

    #[test]
    fn a_source_is_silent_once_it_has_said_nothing_for_too_long() {
        let mut feed = Feed::new("hr", "hr.leavers", Some(SignedDuration::from_hours(48)));
        let mut silent = |held, read, now| feed.show(figures(held, read), at(now)).silent_since;
        // Nobody has said anything yet: counted from when this instance listens.
        assert_eq!(silent(Some(10), None, 58), None);
        assert_eq!(silent(Some(10), None, 59), Some(at(10)));
        // A record ends it, and the next silence begins with it.
        assert_eq!(silent(Some(10), Some(59), 59), None);
        assert_eq!(silent(Some(10), Some(59), 107), None);
        assert_eq!(silent(Some(10), Some(59), 108), Some(at(59)));
        // Its partitions went to another instance, and came back.
        assert_eq!(silent(None, Some(59), 109), None);
        assert_eq!(silent(Some(110), Some(59), 111), None);
        assert_eq!(silent(Some(110), Some(59), 159), Some(at(110)));
        // A clock that was set back makes nothing silent.
        assert_eq!(silent(Some(110), Some(159), 1), None);
        let mut patient = Feed::new("hr", "hr.leavers", None);
        assert_eq!(patient.show(figures(Some(0), None), at(10_000)).silent_since, None);
    }

    /// Once when it begins, once when it ends.
    #[test]
    fn silence_is_told_when_it_changes() {
        let mut feed = Feed::new("hr", "hr.leavers", Some(SignedDuration::from_hours(1)));
        let mut told = Vec::new();
        for (read, now) in [(0, 0), (0, 2), (0, 3), (4, 4), (4, 5), (4, 6)] {
            let before = feed.silent;
            feed.show(figures(Some(0), Some(read)), at(now));
            if feed.silent != before {
                told.push((now, feed.silent));
            }
        }
        assert_eq!(told, [(2, true), (4, false), (6, true)]);
    }
}
