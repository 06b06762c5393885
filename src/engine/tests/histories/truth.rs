//! What follows from what the sources said, worked out apart from the engine: who is who, who stays, who has left.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::play::{Said, is_departure};
use super::setup::Setup;
use super::step::{OBSERVING, SOURCES, When};
use super::world::address;
use crate::engine::policy::OnSuspended;
use crate::model::event::Action;

/// What a source calls somebody.
type Key = (u8, String);

/// One human, as far as their sources tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Human {
    keys: BTreeSet<Key>,
    /// What they were called, and until when.
    former: BTreeMap<Key, Timestamp>,
    /// Numbers of their addresses.
    pub(super) addresses: BTreeSet<u8>,
    lost: BTreeSet<u8>,
    /// Since when an address of theirs is left behind.
    until: BTreeMap<u8, Timestamp>,
    /// Places of what was said of them, each event once.
    pub(super) words: Vec<usize>,
    /// Places of what was said again by a source that states what is, or for the first time as if it had always been so.
    repeats: Vec<usize>,
    /// What the source that states what is said last, when, and whether they are suspended by it.
    row: Option<(Timestamp, Row, bool)>,
}

/// What a source says of somebody that states what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Stays,
    /// None = nobody knows on which day.
    Leaves(Option<Timestamp>),
}

/// Everybody of whom something was heard.
#[derive(Debug, Default)]
pub(super) struct Humans {
    pub(super) all: Vec<Human>,
    by_key: BTreeMap<Key, usize>,
    /// Who was called so before somebody else was, each until when.
    before: BTreeMap<Key, Vec<(Timestamp, usize)>>,
    by_address: BTreeMap<u8, usize>,
    of_event: BTreeMap<usize, usize>,
    /// Who turned out to be whom, since the judge looked last.
    pub(super) merged: Vec<(usize, usize)>,
    /// How much of the topic is in it.
    heard: usize,
}

/// What a case adds to what was said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leave {
    /// Somebody approved its plan.
    pub(super) approved: bool,
    /// Somebody ordered that its plan be enforced.
    pub(super) enforced: bool,
    /// The source that only observed enforces by now.
    pub(super) source_enforces: bool,
    /// When its first removal was intended.
    pub(super) started: Option<Timestamp>,
}

impl Humans {
    /// Takes in what was heard since.
    pub(super) fn hear(&mut self, events: &[Said]) {
        while let Some(said) = events.get(self.heard).filter(|said| said.heard.is_some()) {
            if !self.is_history(said) {
                let human = self.recognise(events, said);
                self.of_event.insert(self.heard, human);
                let human = &mut self.all[human];
                if human.heard(events).all(|known| known.word.id != said.word.id) {
                    if human.takes(said) { &mut human.words } else { &mut human.repeats }.push(self.heard);
                }
            }
            self.heard += 1;
        }
    }

    /// The row of somebody who left before anything was heard of them.
    fn is_history(&self, said: &Said) -> bool {
        let known = self.called(&key_of(said), said.event.occurred_at).is_some();
        said.event.level && said.word.action == Action::Deprovision && !known && !names_a_day(said)
    }

    pub(super) fn of(&self, event: usize) -> &Human {
        &self.all[self.of_event[&event]]
    }

    /// Whether the event was taken for news of somebody, and not for history.
    pub(super) fn heard_of(&self, event: usize) -> bool {
        self.of_event.contains_key(&event)
    }

    pub(super) fn number_of(&self, event: usize) -> usize {
        self.of_event[&event]
    }

    /// No source calls one human by two ids.
    fn may_be(&self, human: usize, key: &Key) -> bool {
        let human = &self.all[human];
        let names = human.keys.iter().chain(human.former.keys());
        human.keys.contains(key) || names.into_iter().all(|known| known.0 != key.0)
    }

    /// Who is meant by a name in what is said at that time.
    fn called(&self, key: &Key, at: Timestamp) -> Option<usize> {
        let before = self.before.get(key).into_iter().flatten().filter(|(until, _)| at <= *until).min();
        let now = self.by_key.get(key).filter(|human| self.all[**human].keys.contains(key));
        before.map(|(_, human)| *human).or(now.copied())
    }

    fn retire(&mut self, human: usize, key: &Key, at: Timestamp) {
        if self.all[human].keys.remove(key) {
            self.all[human].former.insert(key.clone(), at);
            self.before.entry(key.clone()).or_default().push((at, human));
        }
    }

    /// The source tells of a new name.
    fn rename(&mut self, human: usize, old: &Key, new: Key, at: Timestamp, disputed: bool) {
        let is_over = |key: &Key| self.all[human].former.get(key).is_some_and(|until| at <= *until);
        let is_known = self.all[human].keys.contains(&new) || is_over(&new);
        if !is_over(old) {
            self.retire(human, old, at);
        }
        if is_known || disputed {
            return;
        }
        if let Some(other) = self.called(&new, Timestamp::MAX).filter(|other| *other != human) {
            self.retire(other, &new, at);
        }
        self.by_key.insert(new.clone(), human);
        self.all[human].keys.insert(new);
    }

    /// Two known by different names are one, once a source gives the one the other's address.
    fn merge_owner(&mut self, number: u8, into: usize) {
        let Some(gone) = self.by_address.get(&number).copied().filter(|owner| *owner != into) else { return };
        let alike = self.all[into].keys.iter().all(|key| self.may_be(gone, key));
        if alike && !self.all[into].lost.contains(&number) {
            self.merge(gone, into);
        }
    }

    fn merge(&mut self, gone: usize, into: usize) {
        let other = std::mem::take(&mut self.all[gone]);
        let uses = |human: &Human, number: u8| human.addresses.contains(&number) && !human.until.contains_key(&number);
        let left = other.until.iter().filter(|(number, _)| !uses(&self.all[into], **number));
        let left: Vec<(u8, Timestamp)> = left.map(|(number, at)| (*number, *at)).collect();
        self.all[into].until.retain(|number, _| !uses(&other, *number));
        self.all[into].until.extend(left);
        let Human { keys, former, addresses, lost, words, until: _, repeats, row } = other;
        let before = self.before.values_mut().flatten().map(|(_, human)| human);
        let all = self.by_key.values_mut().chain(self.by_address.values_mut()).chain(self.of_event.values_mut());
        let all = all.chain(before);
        all.filter(|human| **human == gone).for_each(|human| *human = into);
        let human = &mut self.all[into];
        human.keys.extend(keys);
        human.former.extend(former);
        human.addresses.extend(addresses);
        human.lost.extend(lost);
        human.lost.retain(|number| !human.addresses.contains(number));
        human.words.extend(words);
        human.words.sort_unstable();
        human.repeats.extend(repeats);
        // One of them at most has a row.
        human.row = human.row.or(row);
        self.merged.push((gone, into));
    }

    fn recognise(&mut self, events: &[Said], said: &Said) -> usize {
        let word = &said.word;
        let key = &key_of(said);
        let at = said.event.occurred_at;
        let company = |number: u8| number > 0 && address(number).domain() == "larkspur.example";
        let stated = [word.address].into_iter().filter(|number| company(*number));
        let former = [word.replaces].into_iter().filter(|number| company(*number));
        let by_address = stated
            .clone()
            .chain(former.clone())
            .filter_map(|number| self.by_address.get(&number).copied())
            .find(|human| self.may_be(*human, key));
        let by_key = self.called(key, at);
        let human = by_key.or(by_address).unwrap_or_else(|| {
            self.all.push(Human::default());
            self.all.len() - 1
        });
        let late = !self.all[human].keys.contains(key) && self.all[human].former.contains_key(key);
        if !late {
            self.all[human].keys.insert(key.clone());
        }
        if by_key.is_none() {
            self.by_key.insert(key.clone(), human);
        }
        let new_key = new_key(said);
        if let Some(new) = &new_key
            && !self.all[human].keys.contains(new)
            && !self.all[human].former.contains_key(new)
            && let Some(early) = self.called(new, at)
        {
            let words = self.all[early].heard(events).filter(|it| !it.word.synthetic);
            let later = words.map(|it| it.event.occurred_at).min().is_some_and(|first| at < first);
            let mut elsewhere = self.all[early].keys.iter().filter(|known| known.0 != new.0);
            if later && elsewhere.all(|known| self.may_be(human, known)) {
                self.merge(early, human);
            }
        }
        let alike = |them: &Self, owner: usize| match late {
            true => them.all[human].keys.iter().all(|known| them.may_be(owner, known)),
            false => them.may_be(owner, key),
        };
        let mut disputed = false;
        for number in stated.clone().filter(|_| !word.synthetic) {
            self.merge_owner(number, human);
        }
        for number in stated.chain(former) {
            match self.by_address.get(&number).copied() {
                Some(owner) if owner != human && !alike(self, owner) => {
                    let newest = self.all[owner]
                        .heard(events)
                        .filter(|it| !it.word.synthetic)
                        .map(|it| it.event.occurred_at)
                        .max();
                    let until = self.all[owner].until.get(&number).copied().or(newest);
                    let old_news = until.is_some_and(|until| said.event.occurred_at < until);
                    if number == word.replaces {
                        continue;
                    }
                    let left_behind = said.event.level && word.action == Action::Deprovision;
                    if self.all[human].lost.contains(&number) || old_news || left_behind || word.synthetic {
                        disputed = true;
                        continue;
                    }
                    let names: Vec<Key> =
                        self.all[owner].keys.iter().filter(|it| is_called_by(it, number)).cloned().collect();
                    names.iter().for_each(|name| self.retire(owner, name, at));
                    self.all[owner].addresses.remove(&number);
                    self.all[owner].lost.insert(number);
                    self.all[owner].until.insert(number, said.event.occurred_at);
                    self.by_address.insert(number, human);
                }
                Some(_) | None if number == word.replaces && self.all[human].lost.contains(&number) => continue,
                // Somebody else's still, with whom nothing says that they are one.
                Some(owner) if owner != human => {
                    disputed |= number != word.replaces;
                    continue;
                }
                Some(_) => {}
                None => {
                    self.by_address.insert(number, human);
                }
            }
            let human = &mut self.all[human];
            human.addresses.insert(number);
            if word.synthetic {
                continue;
            }
            let stated = said.event.occurred_at;
            let until = human.until.get(&number).copied().unwrap_or(stated).max(stated);
            if number == word.replaces {
                human.until.insert(number, until);
            } else if human.until.get(&number).is_some_and(|until| *until < stated) {
                human.until.remove(&number);
            }
        }
        if let Some(new) = new_key {
            self.rename(human, key, new, at, disputed);
        }
        human
    }
}

impl Human {
    /// All that was said of them.
    fn heard<'e>(&self, events: &'e [Said]) -> impl Iterator<Item = &'e Said> {
        self.words.iter().chain(&self.repeats).map(|place| &events[*place])
    }

    /// Takes in what is said by a source that may state what is; whether it is news.
    fn takes(&mut self, said: &Said) -> bool {
        if !said.event.level || said.word.synthetic || said.word.action == Action::IdentityUpdate {
            return true;
        }
        let (stated, known) = (said.event.occurred_at, self.row.map(|(_, row, _)| row));
        if self.row.is_some_and(|(at, ..)| stated < at) {
            return true; // And dead.
        }
        let suspends = said.word.action == Action::Suspend;
        let suspended = self.row.is_some_and(|(.., suspended)| suspended);
        let row = match said.word.action {
            Action::Cancel | Action::IdentityUpdate => Row::Stays,
            Action::Suspend => known.unwrap_or(Row::Leaves(Some(stated))),
            Action::Deprovision | Action::Schedule => Row::Leaves(effective(said)),
        };
        self.row = Some((stated, row, suspends));
        match (said.word.action, known) {
            (_, Some(_)) if suspends != suspended => true,
            // Left, and not since when.
            (Action::Deprovision, Some(Row::Leaves(Some(day)))) if said.word.when == When::AsStated => day > stated,
            (_, Some(known)) => known != row,
            (_, None) => names_a_day(said) || row == Row::Leaves(None),
        }
    }
}

/// Whether it is said on which day, and that is no history.
fn names_a_day(said: &Said) -> bool {
    let lately = |day: Timestamp| said.event.occurred_at.duration_since(day) <= SignedDuration::from_hours(7 * 24);
    said.word.when != When::AsStated && effective(said).is_some_and(lately)
}

fn key_of(said: &Said) -> Key {
    (said.word.source, said.event.subject.person_key.0.clone())
}

/// Whether the name is the address.
fn is_called_by(key: &Key, number: u8) -> bool {
    key.1.strip_suffix(address(number).expose()).is_some_and(|space| space.ends_with(':'))
}

/// What somebody is called after a change of the address that is their name.
fn new_key(said: &Said) -> Option<Key> {
    let (word, key) = (&said.word, key_of(said));
    let changes = word.replaces > 0 && word.replaces != word.address && !word.synthetic;
    let space = key.1.strip_suffix(address(word.replaces).expose())?;
    let to = address(word.address).expose();
    (changes && is_called_by(&key, word.replaces)).then(|| (key.0, format!("{space}{to}")))
}

/// When the departure that a word tells of takes effect.
pub(super) fn effective(said: &Said) -> Option<Timestamp> {
    said.event.effective_at(&jiff::tz::TimeZone::UTC)
}

pub(super) fn is_too_old(said: &Said) -> bool {
    said.received.duration_since(said.event.occurred_at) > SignedDuration::from_hours(24 * 7)
}

fn on_suspended(setup: &Setup, source: u8) -> OnSuspended {
    setup.policy.sources[SOURCES[usize::from(source)]].on_suspended
}

/// Whether a source said later that the human stays.
pub(super) fn is_overruled(human: &Human, events: &[Said], stated: Timestamp) -> bool {
    // A word that its own source has taken back since counts no more.
    (0..SOURCES.len() as u8)
        .filter_map(|source| newest(human, events, source, |_| true))
        .any(|it| it.word.action == Action::Cancel && it.event.occurred_at > stated)
}

/// Whether somebody said after this word that the human stays, and it was said after that that they leave on a day ahead.
pub(super) fn is_put_off(human: &Human, events: &[Said], word: &Said, now: Timestamp) -> bool {
    let after = |stated: Timestamp, says: &dyn Fn(&Said) -> bool| {
        let said = human.words.iter().map(|place| &events[*place]);
        said.filter(|it| it.event.occurred_at > stated && says(it)).map(|it| it.event.occurred_at).min()
    };
    let stays = after(word.event.occurred_at, &|it| it.word.action == Action::Cancel);
    let ahead = |it: &Said| is_departure(it.word.action) && effective(it).is_none_or(|at| at > now);
    stays.is_some_and(|stays| after(stays, &ahead).is_some())
}

/// The newest thing that a source said about staying or leaving, among those that `counts` lets in.
pub(super) fn newest<'e>(
    human: &Human,
    events: &'e [Said],
    source: u8,
    counts: impl Fn(&Said) -> bool,
) -> Option<&'e Said> {
    // What comes after a newer word of its source is dead, whatever that one said.
    let alive = |place: &&usize| {
        let it = &events[**place];
        human.words.iter().chain(&human.repeats).map(|other| (*other, &events[*other])).all(|(other, known)| {
            other > **place
                || known.word.source != source
                || known.word.action == Action::IdentityUpdate
                || known.word.synthetic
                || known.event.occurred_at <= it.event.occurred_at
        })
    };
    let said = human.words.iter().filter(|place| events[**place].word.source == source).filter(alive);
    said.map(|place| &events[*place])
        .filter(|it| it.word.action != Action::IdentityUpdate && !it.word.synthetic && counts(it))
        .max_by_key(|it| it.event.occurred_at)
}

/// Whether what was heard, together with what people ordered, is a reason to remove the human at `now`: the newest word
/// of some source is that they have left, its day has come, and nobody said later that they stay.
pub(super) fn may_be_removed(setup: &Setup, human: &Human, events: &[Said], now: Timestamp, leave: Leave) -> bool {
    (0..SOURCES.len() as u8).any(|source| {
        let suspends = match on_suspended(setup, source) {
            OnSuspended::Remove => true,
            OnSuspended::Hold => leave.approved || leave.enforced,
            OnSuspended::Ignore => false,
        };
        let counts = |it: &Said| {
            let late = leave.started.is_some_and(|started| it.heard.is_some_and(|heard| heard >= started));
            let puts_off = is_departure(it.word.action) && effective(it).is_none_or(|at| at > now);
            // What is too old to found a removal says no less than the word before it.
            let too_old = is_too_old(it) && !leave.approved && !leave.enforced;
            if puts_off { !late } else { !(too_old && is_departure(it.word.action)) }
        };
        let departure = newest(human, events, source, |it| counts(it) && it.word.action != Action::Suspend);
        // A word that comes too late to stop what has begun still says that they leave.
        let confirmed = newest(human, events, source, |it| is_departure(it.word.action));
        let confirmed = confirmed.map_or(Timestamp::MIN, |it| it.event.occurred_at);
        let suspension =
            newest(human, events, source, counts).filter(|it| it.word.action == Action::Suspend && suspends);
        departure.filter(|it| is_departure(it.word.action)).into_iter().chain(suspension).any(|it| {
            // What has begun goes on while somebody says that they leave at all.
            let due = effective(it).is_some_and(|at| at <= now || leave.started.is_some());
            let released = !is_too_old(it) || leave.approved || leave.enforced;
            let enforces = source != OBSERVING || leave.source_enforces;
            due && released
                && enforces
                && !it.word.synthetic
                && !is_overruled(human, events, it.event.occurred_at.max(confirmed))
        })
    })
}

/// Whether the human must lose everything without anybody's help, by what was heard until `now`.
pub(super) fn must_be_removed(human: &Human, events: &[Said], now: Timestamp) -> Option<usize> {
    let stays = |it: &Said| it.word.action == Action::Cancel;
    let said = || human.words.iter().map(|place| &events[*place]);
    (0..SOURCES.len() as u8).filter(|source| *source != OBSERVING).find_map(|source| {
        let last = newest(human, events, source, |_| true)?;
        let stated = last.event.occurred_at;
        let unclear = said().any(|it| stays(it) && it.event.occurred_at >= stated)
            || said()
                .any(|it| it.word.source == source && it.word.id != last.word.id && it.event.occurred_at == stated);
        let leaves = is_departure(last.word.action)
            && effective(last).is_some_and(|at| at <= now)
            && !is_too_old(last)
            && !last.word.synthetic
            && !unclear;
        let place = human.words.iter().copied().find(|place| events[*place].word.id == last.word.id);
        place.filter(|_| leaves)
    })
}
