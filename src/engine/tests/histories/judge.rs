//! The sentences that stay true whatever happens (`docs/histories.md`), checked while a history is played. Nothing here
//! asks the engine: it looks at what was said, at what left, at what was told, and at Heroku.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::lists::place;
use super::play::Said;
use super::setup::Setup;
use super::step::OBSERVING;
use super::truth::{Human, Humans, Leave, may_be_removed};
use super::wire::Hit;
use super::world::{Heroku, LAG_MAX, ME, PROTECTED, Place, World, target};
use crate::engine::Input;
use crate::model::event::Action;
use crate::model::outcome::{CaseResult, Outcome, OutcomeKind, OutcomeRecord};
use crate::model::world::{ListId, ListRead, Unread};
use crate::model::{CaseId, CommandId, GrantId, IntentId, OutcomeId, PersonId, Removal};

/// A sentence that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) oracle: &'static str,
    pub(super) text: String,
}

impl Violation {
    /// The sentence, and in which way it breaks.
    pub(super) fn kind(&self) -> String {
        let words = self.text.split_whitespace().filter(|word| word.len() > 3 && word.chars().all(char::is_alphabetic));
        format!("{}: {}", self.oracle, words.take(4).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.text)
    }
}

pub(super) fn broken<T>(oracle: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { oracle, text: text.into() })
}

pub(super) const REASON: &str = "nobody is removed without a standing authentic reason";
pub(super) const FLOOR: &str = "no protected, own, last-admin or pseudo-owner access is removed";
pub(super) const INTENT: &str = "no DELETE leaves without an intent committed before";
pub(super) const ONE_END: &str = "a case has one terminal outcome";
pub(super) const TRUTH: &str = "the outcome equals the truth";
pub(super) const CAPS: &str = "no cap is passed in any window";
pub(super) const ENDS: &str = "every leaver reaches an end once faults stop";
pub(super) const BUDGET: &str = "no more calls than the budget";
pub(super) const GONE: &str = "what an outcome calls gone is gone";
pub(super) const COVERAGE: &str = "a closed case had full coverage";
pub(super) const STOP: &str = "nothing is removed against an order";
pub(super) const PANIC: &str = "the engine does not panic";

/// A list that an intent rests on may be 30 s old and show what was 20 s before; the request takes up to 30 s more, and as
/// much again when it is sent late.
const STALE: SignedDuration = SignedDuration::from_secs(130);

/// What a removal that leaves is judged by.
pub(super) struct Intends<'h> {
    pub(super) setup: &'h Setup,
    pub(super) heroku: &'h Heroku,
    pub(super) events: &'h [Said],
    pub(super) state: &'h BTreeMap<String, Vec<u8>>,
    pub(super) now: Timestamp,
    pub(super) case: CaseId,
    pub(super) grant: GrantId,
    pub(super) intent: IntentId,
    pub(super) removal: Removal,
}

/// What is known of a case from its records and its orders.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) person: Option<PersonId>,
    /// Place of the event that founded it.
    pub(super) founder: usize,
    pub(super) opened: Timestamp,
    pub(super) closed: Option<(Timestamp, CaseResult)>,
    pub(super) leave: Leave,
    /// Grants that an approval holds for.
    pub(super) approved: Option<BTreeSet<GrantId>>,
    pub(super) cancelled: bool,
    pub(super) revoked: BTreeSet<GrantId>,
    bound: BTreeMap<u8, u8>,
}

/// An order that a turn has obeyed; it counts once the turn is committed.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Approved(BTreeSet<CaseId>, BTreeSet<GrantId>),
    Enforced(CommandId, Vec<CaseId>),
    Cancelled(Vec<CaseId>),
    Paused(bool),
}

#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) paused: bool,
    /// Whether the source that only observed enforces.
    pub(super) source_enforces: bool,
    /// The clock was set not long ago.
    pub(super) clock_doubted_until: Timestamp,
    orders: Vec<Order>,
    pub(super) humans: Humans,
    pub(super) cases: BTreeMap<CaseId, Known>,
    /// New case to the planned one.
    enforced: BTreeMap<CaseId, CaseId>,
    /// New case to the ended one whose access is back.
    again: BTreeMap<CaseId, CaseId>,
    told: BTreeSet<OutcomeId>,
    pub(super) intents: BTreeMap<IntentId, (CaseId, GrantId)>,
    /// Who began when, and who as a member of which team.
    begun: BTreeMap<usize, Timestamp>,
    begun_of_team: BTreeMap<u8, BTreeMap<usize, Timestamp>>,
    /// Who goes on after a day, since when: they are counted anew.
    goes_on: BTreeMap<usize, Timestamp>,
    /// Who began by an approval, whatever the caps say.
    freed: BTreeSet<usize>,
    /// The last complete and true reading of each place that reached an engine, by the moment it began.
    pub(super) read: BTreeMap<Place, Timestamp>,
}

impl Judge {
    pub(super) fn obeyed(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// The turn was lost, and what it obeyed with it.
    pub(super) fn forgets(&mut self, paused: bool) {
        self.orders.clear();
        self.paused = paused;
    }

    /// The turn is committed.
    pub(super) fn commits(&mut self, events: &[Said]) {
        self.humans.hear(events);
        for (gone, into) in std::mem::take(&mut self.humans.merged) {
            for begun in self.begun_of_team.values_mut().chain([&mut self.begun, &mut self.goes_on]) {
                if let Some(at) = begun.remove(&gone) {
                    let known = begun.entry(into).or_insert(at);
                    *known = at.max(*known);
                }
            }
            if self.freed.remove(&gone) {
                self.freed.insert(into);
            }
        }
        for order in std::mem::take(&mut self.orders) {
            match order {
                Order::Approved(cases, grants) => {
                    for id in cases {
                        let known = self.cases.entry(id).or_default();
                        known.leave.approved = true;
                        known.approved = Some(grants.clone());
                    }
                }
                Order::Enforced(command, cases) => {
                    for old in cases {
                        if self.cases.contains_key(&old) {
                            self.enforced.insert(enforced_case(command, old), old);
                        }
                    }
                }
                Order::Cancelled(cases) => {
                    for id in cases {
                        self.cases.entry(id).or_default().cancelled = true;
                    }
                }
                Order::Paused(paused) => self.paused = paused,
            }
        }
    }

    /// What reaches the engine.
    pub(super) fn learns(&mut self, input: &Input) {
        let mut note = |list: ListId, read: &Result<ListRead, Unread>| {
            let Ok(read) = read else { return };
            if read.evidence.iter().all(|evidence| evidence.complete && evidence.control) {
                let known = self.read.entry(place(list)).or_insert(read.began);
                *known = read.began.max(*known);
            }
        };
        match input {
            Input::Scanned(scan) => scan.lists.iter().for_each(|(list, read)| note(*list, read)),
            Input::Lists(lists) => lists.iter().for_each(|(list, read)| note(*list, read)),
            Input::Event(_)
            | Input::Command { .. }
            | Input::CommandRefused { .. }
            | Input::Account(_)
            | Input::AccountStopped(_)
            | Input::ScanFailed
            | Input::Answered { .. } => {}
        }
    }

    pub(super) fn human(&self, case: CaseId) -> Option<&Human> {
        self.cases.get(&case).map(|known| self.humans.of(known.founder))
    }

    /// A removal leaves.
    pub(super) fn intends(&mut self, at: &Intends) -> Result<(), Violation> {
        let Intends { now, case, grant, intent, removal, .. } = *at;
        let committed = at.state.get(&format!("case/{case}")).map(|value| String::from_utf8_lossy(value));
        if !committed.is_some_and(|text| text.contains(&intent.to_string())) {
            return broken(INTENT, format!("no committed record names intent {intent} of {removal:?}"));
        }
        if self.intents.insert(intent, (case, grant)).is_some() {
            return broken(INTENT, format!("intent {intent} was used twice"));
        }
        let Some(known) = self.cases.get(&case) else {
            return broken(INTENT, format!("case {case} was never opened"));
        };
        let hit = target(removal);
        if known.closed.is_some() {
            return broken(ONE_END, format!("case {case} has ended and removes p{} from {}", hit.account, hit.place));
        }
        if self.paused {
            return broken(STOP, format!("p{} is removed from {} during a pause", hit.account, hit.place));
        }
        if known.cancelled {
            return broken(
                STOP,
                format!("p{} is removed from {} though the case was cancelled", hit.account, hit.place),
            );
        }
        if known.approved.as_ref().is_some_and(|grants| !grants.contains(&grant)) {
            return broken(STOP, format!("p{} is removed from {}, which nobody approved", hit.account, hit.place));
        }
        self.is_the_right_one(at)?;
        self.leaves_an_admin(at)?;
        self.keeps_the_caps(at)?;
        let known = self.cases.get_mut(&case).expect("looked up above");
        known.leave.started.get_or_insert(now);
        Ok(())
    }

    fn is_the_right_one(&mut self, at: &Intends) -> Result<(), Violation> {
        let Intends { setup, heroku, events, now, case, .. } = *at;
        let hit = target(at.removal);
        self.cases.get_mut(&case).expect("looked up before").leave.source_enforces = self.source_enforces;
        let known = &self.cases[&case];
        let human = self.humans.of(known.founder);
        if !may_be_removed(setup, human, events, now, known.leave) {
            let words: Vec<String> = human.words.iter().map(|place| events[*place].word.to_string()).collect();
            return broken(REASON, format!("p{} is removed from {}; heard: {words:?}", hit.account, hit.place));
        }
        let world = heroku.now();
        let of_team = match hit.place {
            Place::Team(team) | Place::Invitation(team) => team,
            Place::App(app) => world.apps[&app],
            Place::Space(space) => world.spaces[&space],
            Place::Enterprise => 0,
        };
        if of_team > 0 && setup.observed(of_team) {
            return broken(
                FLOOR,
                format!("p{} is removed from {}, whose team is only observed", hit.account, hit.place),
            );
        }
        // Who is protected is known by the address alone: under a new name that no source has told of, nobody knows them.
        let mut protected = heroku.between(now - LAG_MAX, now).map(|world| world.address_of(PROTECTED) == PROTECTED);
        let known_protected = protected.all(|it| it) || human.addresses.contains(&PROTECTED);
        let untouchable = hit.account == ME || hit.account == super::world::PSEUDO;
        let theirs = match hit.place {
            // An invitation is to an address, whoever's account carries it.
            Place::Invitation(_) => world.find(hit.place, hit.account).is_some_and(|sent| sent.address == PROTECTED),
            Place::Team(_) | Place::App(_) | Place::Space(_) | Place::Enterprise => hit.account == PROTECTED,
        };
        if untouchable || (theirs && known_protected) {
            return broken(FLOOR, format!("p{} is removed from {}", hit.account, hit.place));
        }
        // The account carried one of the person's addresses at some time since the case was opened.
        let carried = |world: &World| match hit.place {
            Place::Invitation(_) => world.find(hit.place, hit.account).map(|known| known.address),
            Place::Team(_) | Place::App(_) | Place::Space(_) | Place::Enterprise => Some(world.address_of(hit.account)),
        };
        let theirs = |world: &World| carried(world).filter(|number| human.addresses.contains(number));
        // A case about access that is back goes on with the accounts of the one before.
        let bound_since =
            self.again.get(&case).and_then(|old| self.cases.get(old)).map_or(known.opened, |old| old.opened);
        let Some(by) = heroku.between(bound_since - LAG_MAX, now).filter_map(theirs).last() else {
            let text = format!("p{} is removed from {} and never had an address of the person", hit.account, hit.place);
            return broken(REASON, text);
        };
        if matches!(hit.place, Place::Invitation(_)) {
            return Ok(());
        }
        let bound = *self.cases.get_mut(&case).expect("as above").bound.entry(by).or_insert(hit.account);
        if bound != hit.account {
            let text = format!("address {by} led to p{bound} before, and now p{} is removed", hit.account);
            return broken(REASON, text);
        }
        Ok(())
    }

    /// Numbers of the addresses of those whose departure is under way.
    fn leavers(&self, setup: &Setup, events: &[Said], now: Timestamp) -> BTreeSet<u8> {
        let open =
            self.cases.values().filter(|known| known.closed.is_none() && known.person.is_some() && !known.cancelled);
        let leaving = open.map(|known| (known, self.humans.of(known.founder))).filter(|(known, human)| {
            let founder = &events[known.founder];
            let says = |it: &Said| it.word.action != Action::Suspend;
            let last = super::truth::newest(human, events, founder.word.source, says);
            let begun = [Some(founder), last].map(|it| it.and_then(super::truth::effective));
            // Somebody took the word back, and another source names a day.
            let put_off = last.is_some_and(|last| super::truth::is_put_off(human, events, last, now));
            !put_off
                && begun.iter().all(|at| at.is_some_and(|at| at <= now))
                && founder.word.source != OBSERVING
                && may_be_removed(setup, human, events, now, known.leave)
        });
        leaving.flat_map(|(_, human)| human.addresses.iter().copied()).collect()
    }

    fn leaves_an_admin(&self, at: &Intends) -> Result<(), Violation> {
        let Intends { setup, heroku, events, now, .. } = *at;
        let hit = target(at.removal);
        let Place::Team(team) = hit.place else { return Ok(()) };
        let least = setup.policy.min_human_admins as usize;
        let leavers = self.leavers(setup, events, now);
        // A day that only a clock says to have come has not come yet.
        if now < self.clock_doubted_until {
            return Ok(());
        }
        let short = |world: &World| {
            let is_admin = world.admins(team).any(|account| account == hit.account);
            let staying =
                world.admins(team).filter(|it| *it != hit.account && !leavers.contains(&world.address_of(*it)));
            is_admin && staying.count() < least
        };
        if heroku.between(now - STALE, now).all(short) {
            let text = format!("p{} is removed from team t{team}, which keeps fewer than {least} admins", hit.account);
            return broken(FLOOR, text);
        }
        Ok(())
    }

    fn keeps_the_caps(&mut self, at: &Intends) -> Result<(), Violation> {
        let Intends { setup, heroku, now, case, .. } = *at;
        let known = &self.cases[&case];
        let person = self.humans.number_of(known.founder);
        let (free, started) = (known.approved.is_some(), known.leave.started.is_some());
        let world = heroku.now();
        let within = |at: Timestamp, span: SignedDuration| now.duration_since(at) < span;
        let day = SignedDuration::from_hours(24);
        // What is swept after a day is swept once an hour.
        let counted = |at: &Timestamp| within(*at, day + SignedDuration::from_hours(1));
        // Who began anew in the hour in which the first beginning may or may not have been swept: it is now.
        if !self.begun.get(&person).is_some_and(counted)
            && let Some(again) = self.goes_on.remove(&person)
        {
            self.begun.insert(person, again);
        }
        if !started && !self.begun.get(&person).is_some_and(counted) {
            for (span, cap) in [
                (SignedDuration::from_hours(1), setup.policy.max_people_per_hour),
                (day, setup.policy.max_people_per_day),
            ] {
                let begun = self.begun.values().filter(|at| within(**at, span)).count();
                if begun >= cap as usize && !free {
                    return broken(CAPS, format!("{} people begin within {} h, cap {cap}", begun + 1, span.as_hours()));
                }
            }
        }
        if !self.begun.get(&person).is_some_and(|at| within(*at, day)) {
            self.goes_on.entry(person).or_insert(now);
        }
        if !self.begun.get(&person).is_some_and(counted) {
            self.goes_on.remove(&person);
            self.begun.insert(person, now);
            if free {
                self.freed.insert(person);
            }
        }
        // Counted once a membership goes, as from when the person began: the engine may have known the team since then.
        let began = self.begun.get(&person).copied().unwrap_or(now);
        let hit = target(at.removal);
        if let Place::Team(team) = hit.place
            && world.find(hit.place, hit.account).is_some()
        {
            let of_team = self.begun_of_team.entry(team).or_default();
            if of_team.get(&person).is_some_and(counted) {
                return Ok(());
            }
            // Whoever begins by an approval in the same turn may have come after this person.
            let before = |(other, at): &(&usize, &Timestamp)| {
                within(**at, day) && (**at < began || **at == began && !self.freed.contains(*other))
            };
            let gone = of_team.iter().filter(before).count();
            let percent = setup.policy.max_percent_of_team as usize;
            let limit = ((heroku.largest[&team] + gone) * percent / 100).max(2);
            if percent < 100 && gone >= limit && !free && !self.freed.contains(&person) {
                return broken(CAPS, format!("{} people of team t{team} within a day, limit {limit}", gone + 1));
            }
            of_team.insert(person, began);
        }
        Ok(())
    }

    /// A removal reaches Heroku.
    pub(super) fn hit(&self, heroku: &Heroku, hit: Hit) -> Result<(), Violation> {
        if !self.intents.contains_key(&hit.intent) {
            return broken(INTENT, format!("{:?} reached Heroku without an intent", hit.removal));
        }
        let at = target(hit.removal);
        if let (Place::Team(team), true) = (at.place, hit.admin) {
            let taken = heroku.admin_taken.get(&team);
            let by_others = taken.is_some_and(|taken| hit.at.duration_since(*taken) < STALE);
            let of_late = |world: &World| world.find(at.place, at.account).is_some_and(|known| known.role != "admin");
            let just_made = heroku.between(hit.at - STALE, hit.at).any(of_late);
            if heroku.now().admins(team).count() == 0 && !by_others && !just_made {
                return broken(FLOOR, format!("p{} was the last human admin of team t{team}", at.account));
            }
        }
        Ok(())
    }

    /// Which cases a look has opened, before anything is told of them.
    pub(super) fn opens_again(&mut self, records: &[OutcomeRecord]) {
        for record in records {
            if let Outcome::Look(look) = &record.data
                && let Some(case) = look.opened_case
            {
                self.again.insert(case, record.case);
            }
        }
    }

    /// A record is visible to everybody.
    pub(super) fn told(&mut self, events: &[Said], record: &OutcomeRecord) -> Result<(), Violation> {
        let id = record.case;
        if !self.told.insert(record.id) {
            return broken(ONE_END, format!("record {} was told twice", record.id));
        }
        let closed = self.cases.get(&id).is_some_and(|known| known.closed.is_some());
        let opens = record.kind == OutcomeKind::CaseOpened;
        if closed && (record.kind.as_str().starts_with("case.") || record.kind == OutcomeKind::GrantRevoked) {
            return broken(ONE_END, format!("{:?} of case {id} after its end", record.kind));
        }
        if opens {
            let enforced = self.enforced.get(&id).copied();
            let old = enforced.or_else(|| self.again.get(&id).copied());
            let leave = old.map_or(Leave::default(), |old| self.cases[&old].leave);
            let source = |said: &Said| crate::engine::case::case_id(&said.event.source) == id;
            let founder = match old {
                Some(old) => self.cases[&old].founder,
                None => match (0..events.len()).find(|place| source(&events[*place]) && self.humans.heard_of(*place)) {
                    Some(place) => place,
                    None => return broken(REASON, format!("case {id} was opened by nobody's word")),
                },
            };
            let known = self.cases.entry(id).or_default();
            if known.person.is_some() {
                return broken(ONE_END, format!("case {id} was opened twice"));
            }
            known.person = Some(record.person);
            known.founder = founder;
            known.opened = record.at;
            known.leave = Leave { enforced: leave.enforced || enforced.is_some(), started: None, ..leave };
        } else if self.cases.get(&id).is_none_or(|known| known.person.is_none()) {
            return broken(TRUTH, format!("{:?} of a case that was never opened", record.kind));
        }
        Ok(())
    }

    /// What a record claims, held against Heroku.
    pub(super) fn claims(&mut self, history: &Looks, record: &OutcomeRecord) -> Result<(), Violation> {
        match &record.data {
            Outcome::Revoked(revoked) => self.is_gone(history, record, revoked),
            Outcome::Closed(closed) => {
                self.closes(history, record, closed)?;
                let known = self.cases.get_mut(&record.case).expect("told first");
                known.closed = Some((record.at, closed.result));
                Ok(())
            }
            Outcome::Look(look) => self.looks_again(history, record, look),
            Outcome::Progress(_) => Ok(()),
        }
    }
}

/// What a claim is held against.
pub(super) struct Looks<'h> {
    pub(super) setup: &'h Setup,
    pub(super) heroku: &'h Heroku,
    pub(super) events: &'h [Said],
    pub(super) now: Timestamp,
}

fn enforced_case(command: CommandId, old: CaseId) -> CaseId {
    crate::engine::case::case_id(&crate::model::event::SourceRef {
        system: "commands".to_owned(),
        tenant: old.to_string(),
        event_type: "enforce".to_owned(),
        event_id: command.to_string(),
        element: None,
    })
}
