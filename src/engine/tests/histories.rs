//! Random histories: people leave, come back and move their dates, told by two sources late, twice and out of order; Heroku
//! fails with and without effect, teams go dark, commits are lost or end unknown, the process dies. Whatever the order,
//! the sentences of [`History::judge`] and [`History::end`] stay true.
//!
//! `HISTORIES=100000 SEED=1 cargo test --release --no-default-features --lib histories` plays more of them; a failure names
//! its seed, and `HISTORIES=1 SEED=<seed>` plays that one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::story::{ME, Story, email, minutes};
use crate::engine::fixtures::policy;
use crate::engine::policy::Policy;
use crate::model::command::Act;
use crate::model::event::Action;
use crate::model::outcome::{CaseResult, Outcome, OutcomeKind};
use crate::model::world::Reply;
use crate::model::{CaseId, Removal};

/// Played by `cargo test`, where the engine is not optimised.
const HISTORIES: u64 = 40;
const STEPS: usize = 40;
const PEOPLE: std::ops::RangeInclusive<u8> = 1..=6;
const PROTECTED: u8 = 6;
const PER_HOUR: u32 = 2;
const SOURCES: [&str; 2] = ["hr", "okta"];

/// What a source said.
#[derive(Debug, Clone)]
struct Word {
    system: &'static str,
    person: u8,
    id: String,
    action: Action,
    effective: Option<Timestamp>,
    stated: Timestamp,
}

struct History {
    chance: StdRng,
    story: Story,
    /// All that lies in the events topic, and how much of it is committed as read.
    events: Vec<Word>,
    read: usize,
    /// When somebody lost something first.
    begun: BTreeMap<u8, Timestamp>,
    judged: usize,
    crashes: usize,
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how many to play is no setting of the service")]
fn histories() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("HISTORIES").unwrap_or(HISTORIES);
    let first = number("SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 16);
    println!("{count} histories from seed {first} on");
    let (mut inputs, mut crashes) = (0, 0);
    for seed in (0..count).map(|step| first.wrapping_add(step)) {
        let played = std::panic::catch_unwind(|| History::new(seed).play());
        let Ok(played) = played else { panic!("the history of seed {seed} failed: HISTORIES=1 SEED={seed}") };
        inputs += played.0;
        crashes += played.1;
    }
    println!("on average {} events and {:.1} crashes", inputs as u64 / count, crashes as f64 / count as f64);
}

impl History {
    fn new(seed: u64) -> Self {
        let policy =
            Policy { max_people_per_hour: PER_HOUR, protected: BTreeSet::from([email(PROTECTED)]), ..policy() };
        let mut story = Story::new(policy);
        let mut chance = StdRng::seed_from_u64(seed);
        let mut members = vec![(ME, "admin"), (9, "admin")];
        members.extend(PEOPLE.map(|person| (person, if chance.random_bool(0.3) { "admin" } else { "member" })));
        story.heroku.members.insert(1, members);
        story.heroku.members.insert(2, vec![(ME, "admin"), (1, "admin"), (2, "member"), (PROTECTED, "member")]);
        story.heroku.apps.insert(1, (1, PEOPLE.collect()));
        story.heroku.apps.insert(2, (2, PEOPLE.filter(|_| chance.random_bool(0.5)).collect()));
        Self { chance, story, events: Vec::new(), read: 0, begun: BTreeMap::new(), judged: 0, crashes: 0 }
    }

    fn play(mut self) -> (usize, usize) {
        for _ in 0..STEPS {
            self.step();
            self.judge();
        }
        self.end();
        (self.events.len(), self.crashes)
    }

    fn step(&mut self) {
        match self.chance.random_range(0..100) {
            0..30 => self.somebody_is_spoken_of(),
            30..36 => {
                if let Some(word) = self.any_word() {
                    self.hear(word);
                }
            }
            36..46 => self.dies(),
            46..52 => self.loses_a_commit(),
            52..62 => {
                let replies = [Reply::Unavailable, Reply::NoAnswer, Reply::NotFound, Reply::RateLimited, Reply::Done];
                for _ in 0..self.chance.random_range(1..4) {
                    let reply = replies[self.chance.random_range(0..replies.len())].clone();
                    // A refusal for the rate has no effect; the others may have had one.
                    let effect = reply != Reply::RateLimited && self.chance.random_bool(0.5);
                    self.story.heroku.replies.push((reply, effect));
                }
            }
            62..66 => {
                self.story.heroku.dark.insert(self.chance.random_range(1..=2));
            }
            66..70 => self.story.heroku.dark.clear(),
            70..73 => self.order(Act::Pause),
            73..77 => self.order(Act::Resume),
            77..79 => {
                let cases: Vec<CaseId> = self.story.engine.cases.keys().copied().collect();
                self.order(Act::Retry { cases });
            }
            79..90 => self.turns(minutes(2)),
            90..97 => self.turns(minutes(40)),
            _ => self.turns(SignedDuration::from_hours(20)),
        }
    }

    fn somebody_is_spoken_of(&mut self) {
        let now = self.story.now;
        let id = format!("e{}", self.events.len());
        let ago = SignedDuration::from_secs(self.chance.random_range(0..600));
        let action = match self.chance.random_range(0..10) {
            0..6 => Action::Deprovision,
            6..8 => Action::Schedule,
            _ => Action::Cancel,
        };
        let ahead = SignedDuration::from_mins(self.chance.random_range(-60..60 * 30));
        let word = Word {
            system: SOURCES[self.chance.random_range(0..SOURCES.len())],
            person: self.chance.random_range(PEOPLE),
            id,
            effective: (action == Action::Schedule).then(|| now + ahead),
            action,
            stated: now - ago,
        };
        self.hear(word);
    }

    fn any_word(&mut self) -> Option<Word> {
        let count = self.events.len();
        (count > 0).then(|| self.events[self.chance.random_range(0..count)].clone())
    }

    fn hear(&mut self, word: Word) {
        self.say(&word);
        self.events.push(word);
    }

    fn say(&mut self, word: &Word) {
        self.story.tells(word.system, word.person, &word.id, word.action, word.effective, word.stated);
    }

    /// A command is committed at once: its topic is another one, and the state knows how far it was read.
    fn order(&mut self, act: Act) {
        self.story.ordered(act);
        self.turn();
    }

    fn turn(&mut self) {
        self.story.turn();
        self.read = self.events.len();
    }

    fn turns(&mut self, span: SignedDuration) {
        self.story.passes(span);
        self.read = self.events.len();
    }

    fn dies(&mut self) {
        self.crashes += 1;
        self.story.dies();
        for place in self.read..self.events.len() {
            let word = self.events[place].clone();
            self.say(&word);
        }
    }

    /// The turn is lost, or it is committed and nobody hears of it; in both cases nothing of it is carried out.
    fn loses_a_commit(&mut self) {
        let engine = &mut self.story.engine;
        engine.advance(self.story.now);
        let (urgent, normal) = engine.ready();
        engine.intend(self.story.now, urgent, normal);
        let turn = engine.take_turn();
        if self.chance.random_bool(0.5) {
            for (key, value) in turn.state {
                match value {
                    Some(value) => self.story.state.insert(key, value),
                    None => self.story.state.remove(&key),
                };
            }
            self.story.outcomes.extend(turn.outcomes);
            self.read = self.events.len();
        }
        self.dies();
    }

    /// The words that any source has said of somebody, and that were heard.
    fn said(&self, person: u8) -> impl Iterator<Item = &Word> {
        self.events.iter().filter(move |word| word.person == person)
    }

    /// After each step.
    fn judge(&mut self) {
        for place in self.judged..self.story.heroku.removals.len() {
            let (removal, now) = (self.story.heroku.removals[place], self.story.heroku.removed_at[place]);
            let person = match removal {
                Removal::Member { membership, .. } => membership.0.as_bytes()[15],
                Removal::Collaborator { collaborator, .. } => collaborator.0.as_bytes()[15],
                Removal::Invitation { invitation, .. } => invitation.0.as_bytes()[15],
                Removal::SpaceAccess { .. } | Removal::EnterpriseMember { .. } => unreachable!("this world has none"),
            };
            assert!(PEOPLE.contains(&person), "somebody was removed of whom nobody spoke: {person}");
            assert_ne!(person, PROTECTED, "a protected person was removed");
            let left = |word: &&Word| word.action != Action::Cancel && word.effective.is_none_or(|at| at <= now);
            assert!(self.said(person).any(|word| left(&word)), "{person} was removed without a reason");
            self.begun.entry(person).or_insert(now);
        }
        self.judged = self.story.heroku.removals.len();

        for team in self.story.heroku.members.values() {
            let admins = team.iter().filter(|(person, role)| *role == "admin" && *person != ME);
            assert!(admins.count() > 0, "a team is left without a human admin");
        }
        for at in self.begun.values() {
            let within =
                self.begun.values().filter(|other| *other >= at && **other - *at < SignedDuration::from_mins(59));
            assert!(within.count() <= PER_HOUR as usize, "more people than the cap lets begin: {:?}", self.begun);
        }
        let mut ended = BTreeSet::new();
        for record in self.story.outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseClosed) {
            assert!(ended.insert(record.case), "case {} ended twice", record.case);
        }
        let mut told = BTreeSet::new();
        for record in &self.story.outcomes {
            assert!(told.insert(record.id), "one record was told twice: {record:?}");
        }
    }

    /// Once the faults are over.
    fn end(&mut self) {
        self.story.heroku.replies.clear();
        self.story.heroku.dark.clear();
        self.order(Act::Resume);
        self.turns(SignedDuration::from_hours(40));
        self.judge();
        let opened: BTreeSet<CaseId> = self.cases_told(OutcomeKind::CaseOpened);
        let closed = self.cases_told(OutcomeKind::CaseClosed);
        let open: BTreeSet<CaseId> = self.story.engine.cases.keys().copied().collect();
        assert_eq!(opened, closed.union(&open).copied().collect(), "a case is neither open nor ended");
        for person in PEOPLE.filter(|person| *person != PROTECTED) {
            let newest = self.said(person).max_by_key(|word| word.stated);
            if newest.is_none_or(|word| word.action != Action::Deprovision) {
                continue;
            }
            let has_access = self.has_access(person);
            let waits = self.story.engine.cases.values().any(|case| case.addresses.contains(&email(person)));
            assert!(
                !has_access || waits,
                "{person} has access, and no case is open: {:#?}",
                self.said(person).collect::<Vec<_>>()
            );
        }
        for case in self.story.engine.cases.values() {
            assert!(!case.holds.is_empty(), "case {} is open and waits for nothing: {case:?}", case.id);
        }
        for record in &self.story.outcomes {
            if let Outcome::Closed(closed) = &record.data {
                let gone = matches!(
                    closed.result,
                    CaseResult::NothingToRemove | CaseResult::Removed | CaseResult::RemovedWithResiduals
                );
                assert!(closed.coverage.complete || !gone, "a case ended that had not seen all");
            }
        }
    }

    fn cases_told(&self, kind: OutcomeKind) -> BTreeSet<CaseId> {
        self.story.outcomes.iter().filter(|record| record.kind == kind).map(|record| record.case).collect()
    }

    fn has_access(&self, person: u8) -> bool {
        let heroku = &self.story.heroku;
        heroku.members.values().flatten().any(|(known, _)| *known == person)
            || heroku.apps.values().any(|(_, people)| people.contains(&person))
    }
}
