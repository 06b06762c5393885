//! Who belongs to one thing, with a memory of those who no longer do.
//!
//! Heroku's reads lag behind its writes. A roster therefore remembers what was removed and when, and shows a reader
//! what stood there a while ago.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// One entry of a roster.
pub trait Row {
    /// What tells entries apart.
    type Key: Ord + Copy;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// Since when it stands there.
    fn since(&self) -> Timestamp;
}

/// Entries by key, and those removed.
#[derive(Debug, Clone)]
pub struct Roster<R: Row> {
    live: BTreeMap<R::Key, R>,
    former: Vec<Former<R>>,
}

#[derive(Debug, Clone)]
struct Former<R> {
    row: R,
    removed_at: Timestamp,
}

impl<R: Row> Default for Roster<R> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), former: Vec::new() }
    }
}

impl<R: Row> Roster<R> {
    /// The entry under `key`, as it is, whatever reads may show.
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.live.get(key)
    }

    /// As [`Self::get`], to change it.
    pub fn get_mut(&mut self, key: &R::Key) -> Option<&mut R> {
        self.live.get_mut(key)
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, row: R) {
        self.live.insert(row.key(), row);
    }

    /// The entries as they are, whatever reads may show.
    pub fn live(&self) -> impl Iterator<Item = &R> {
        self.live.values()
    }

    /// The entries that a read shows at `now` when it lags by `lag`: not yet what was added since, still what was
    /// removed since.
    pub fn visible(&self, now: Timestamp, lag: SignedDuration) -> impl Iterator<Item = &R> {
        let added = move |row: &&R| lag.is_zero() || now.duration_since(row.since()) >= lag;
        let still_shown = move |former: &&Former<R>| {
            !lag.is_zero() && now.duration_since(former.removed_at) < lag && !self.live.contains_key(&former.row.key())
        };
        self.live.values().filter(added).chain(self.former.iter().filter(still_shown).map(|former| &former.row))
    }

    /// The last removed entry that fits: what a repeated DELETE may still name.
    pub fn last_former(&self, fits: impl Fn(&R) -> bool) -> Option<&R> {
        self.former.iter().rev().map(|former| &former.row).find(|row| fits(row))
    }
}

impl<R: Row + Clone> Roster<R> {
    /// Removes an entry and remembers it.
    pub fn remove(&mut self, key: &R::Key, now: Timestamp) -> Option<R> {
        let row = self.live.remove(key)?;
        self.former.push(Former { row: row.clone(), removed_at: now });
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Seat(u32, Timestamp);

    impl Row for Seat {
        type Key = u32;
        fn key(&self) -> u32 {
            self.0
        }
        fn since(&self) -> Timestamp {
            self.1
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shown(roster: &Roster<Seat>, second: i64, lag: i64) -> Vec<u32> {
        roster.visible(at(second), SignedDuration::from_secs(lag)).map(|seat| seat.0).collect()
    }

    #[test]
    fn a_lagging_read_shows_the_past() {
        let mut roster = Roster::default();
        roster.insert(Seat(1, at(0)));
        roster.insert(Seat(2, at(100)));
        roster.remove(&1, at(100));
        assert_eq!(shown(&roster, 104, 5), [1]);
        assert_eq!(shown(&roster, 105, 5), [2]);
        assert_eq!(shown(&roster, 100, 0), [2]);
    }

    #[test]
    fn an_entry_that_came_back_is_shown_once() {
        let mut roster = Roster::default();
        roster.insert(Seat(1, at(0)));
        roster.remove(&1, at(100));
        roster.insert(Seat(1, at(50)));
        assert_eq!(shown(&roster, 101, 5), [1]);
        assert_eq!(roster.last_former(|seat| seat.0 == 1), Some(&Seat(1, at(0))));
    }
}
