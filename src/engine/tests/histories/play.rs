//! One history: an engine, its log, and a Heroku, taken through steps in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::judge::{Intends, Judge, Looks, Order as Obeyed, Violation};
use super::setup::Setup;
use super::step::{Change, NAMES_BY_ADDRESS, OBSERVING, Order, Plan, Point, SOURCES, STATES_WHAT_IS, Step, When, Word};
use super::tally::Tally;
use super::wire::{Asked, Wire};
use super::world::{HIRED, Heroku, LEFT_OVER, RENAMED, address};
use crate::engine::case::{Case, Phase};
use crate::engine::plan::plan_id;
use crate::engine::revocation::Progress;
use crate::engine::{Effect, Engine, Input, Turn};
use crate::model::command::{Act, COMMAND_VERSION, Command};
use crate::model::event::{
    Action, Address, AddressKind, Authenticity, Boundary, Effective, IdentityChange, Normalised, Origin, PersonEvent,
    SCHEMA_VERSION, SourceRef, Subject,
};
use crate::model::outcome::{ExecutedBy, HoldReason, OutcomeRecord};
use crate::model::{CaseId, CommandId, GrantId, PlanId, SubjectKey};

/// When histories begin.
const START: &str = "2026-06-01T12:00:00Z";

/// The engine doubts a clock that jumps by five minutes.
const STRIDE: SignedDuration = SignedDuration::from_secs(290);

/// What people see of a plan: its cases, the grants that would go, and its id.
pub(super) type SeenPlan = (BTreeSet<CaseId>, BTreeSet<GrantId>, PlanId);

/// An element of the events topic.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) word: Word,
    pub(super) event: PersonEvent,
    pub(super) received: Timestamp,
    /// When an engine heard it whose turn was committed.
    pub(super) heard: Option<Timestamp>,
}

pub(super) struct History {
    pub(super) setup: Setup,
    pub(super) engine: Engine,
    pub(super) epoch: u64,
    pub(super) heroku: Heroku,
    pub(super) wire: Wire,
    pub(super) now: Timestamp,
    /// The events topic, and how much of it is committed as read.
    pub(super) events: Vec<Said>,
    position: usize,
    heard: usize,
    /// The commands topic.
    orders: Vec<Command>,
    pub(super) state: BTreeMap<String, Vec<u8>>,
    pub(super) outcomes: Vec<OutcomeRecord>,
    /// The plan of each case when it was held first.
    first_plans: BTreeMap<CaseId, SeenPlan>,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    /// What happened, for the story of a failure.
    pub(super) diary: Option<Vec<String>>,
}

impl History {
    pub(super) fn new(setup: Setup) -> Self {
        let now: Timestamp = START.parse().expect("a constant");
        let heroku = setup.heroku(now);
        let wire = Wire::new(setup.seed, now, setup.pool, setup.sight.clone());
        let engine = Engine::new(setup.policy.clone(), ExecutedBy::default());
        Self {
            engine,
            epoch: 0,
            heroku,
            wire,
            now,
            events: Vec::new(),
            position: 0,
            heard: 0,
            orders: Vec::new(),
            state: BTreeMap::new(),
            outcomes: Vec::new(),
            first_plans: BTreeMap::new(),
            judge: Judge::default(),
            tally: Tally::default(),
            diary: None,
            setup,
        }
    }

    pub(super) fn play(&mut self, steps: &[Step]) -> Result<Tally, Violation> {
        for (number, step) in steps.iter().enumerate() {
            self.note(|| format!("step {}", number + 1));
            self.step(step)?;
        }
        self.end()?;
        self.tally.people = self.events.iter().map(|said| said.word.subject).collect::<BTreeSet<_>>().len();
        self.tally.note_outcomes(&self.outcomes);
        Ok(std::mem::take(&mut self.tally))
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(diary) = &mut self.diary {
            diary.push(format!("{now:.1}  {}", line()));
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Violation> {
        match step {
            Step::Say(word) => {
                let event = self.event(word);
                self.says(word.clone(), event);
                self.turn()
            }
            Step::Again(back) => {
                let place = self.events.len().checked_sub(1 + usize::from(*back));
                if let Some(Said { word, event, .. }) = place.map(|place| self.events[place].clone()) {
                    self.says(word, event);
                }
                self.turn()
            }
            Step::Order(order) => {
                if let Some(act) = self.act(*order) {
                    self.order(act);
                }
                self.turn()
            }
            Step::Pass(seconds) => self.pass(SignedDuration::from_secs(i64::from(*seconds))),
            Step::Turn => self.turn(),
            Step::Die { point, down } => self.die(*point, *down),
            Step::Takeover { late } => {
                self.turn()?;
                self.tally.takeovers += 1;
                self.wire.abandon(self.now, *late);
                self.restore();
                self.turn()
            }
            Step::Fault { fault, times } => {
                for _ in 0..*times {
                    self.wire.fault(fault);
                }
                Ok(())
            }
            Step::Change(change) => {
                self.others(*change);
                Ok(())
            }
            Step::Mood(mood) => {
                self.wire.mood(self.now, *mood);
                Ok(())
            }
            Step::Enforces => {
                let name = SOURCES[usize::from(OBSERVING)];
                self.setup.policy.sources.get_mut(name).expect("it has settings").mode = None;
                self.judge.source_enforces = true;
                self.die(Point::AfterSending, 1)
            }
            Step::Clock(seconds) => {
                // Heroku and the requests live by the same clock; what is under way comes back after a jump ahead.
                self.now += SignedDuration::from_secs(i64::from((*seconds).max(0)));
                self.judge.clock_doubted_until = self.now + SignedDuration::from_mins(25);
                self.turn()
            }
        }
    }

    fn says(&mut self, word: Word, event: PersonEvent) {
        self.events.push(Said { word, event, received: self.now, heard: None });
    }

    fn event(&self, word: &Word) -> PersonEvent {
        let system = SOURCES[usize::from(word.source)];
        // A feed that knows people by address alone tells of a new one at once: whoever has the old name after that is
        // somebody else.
        let at_once = self.setup.names_by_address && word.source == NAMES_BY_ADDRESS && word.replaces > 0;
        let ago = if at_once { 0 } else { word.ago };
        let stated = self.now - SignedDuration::from_secs(i64::from(ago));
        let dated = |at, date: Option<(u8, bool)>| Effective {
            at,
            date: date.map(|(days, _)| {
                let today = jiff::tz::TimeZone::UTC.to_datetime(self.now).date();
                today.saturating_add(jiff::Span::new().days(i64::from(days)))
            }),
            timezone: date.filter(|(_, stockholm)| *stockholm).map(|_| "Europe/Stockholm".to_owned()),
            boundary: date.map(|_| Boundary::EndOfDay),
            basis: None,
        };
        let effective = match word.when {
            When::AsStated => None,
            When::InMinutes(minutes) => {
                Some(dated(Some(self.now + SignedDuration::from_mins(i64::from(minutes))), None))
            }
            When::OnDay { days, stockholm } => Some(dated(None, Some((days, stockholm)))),
            When::Nowhere => {
                Some(Effective { timezone: Some("Mars/Olympus".to_owned()), ..dated(None, Some((1, false))) })
            }
        };
        let mut emails = Vec::new();
        if word.address > 0 {
            emails.push(Address { value: address(word.address).clone(), kind: AddressKind::Work, primary: None });
        }
        PersonEvent {
            schema_version: SCHEMA_VERSION,
            action: word.action,
            occurred_at: stated,
            recorded_at: None,
            sequence: None,
            effective,
            subject: Subject {
                person_key: SubjectKey(format!("{system}:larkspur:{}", word.name(self.setup.names_by_address))),
                emails,
                logins: Vec::new(),
                employee_id: None,
                external_ids: Vec::new(),
                worker_type: None,
                engagement_id: None,
                display_name: None,
            },
            source: SourceRef {
                system: system.to_owned(),
                tenant: "larkspur".to_owned(),
                event_type: word.action.as_str().to_owned(),
                event_id: format!("e{}", word.id),
                element: None,
            },
            actor: None,
            reason: None,
            cancels: None,
            identity_change: (word.replaces > 0)
                .then(|| IdentityChange { from: address(word.replaces).clone(), to: address(word.address).clone() }),
            correlation_id: None,
            synthetic: word.synthetic,
            resolved: word.address > 0,
            urgent: word.urgent,
            level: self.setup.states_what_is && word.source == STATES_WHAT_IS,
        }
    }

    fn order(&mut self, act: Act) {
        let number = self.orders.len();
        self.orders.push(Command {
            schema_version: COMMAND_VERSION,
            id: CommandId(uuid::Uuid::from_u128(0x9000_0000 + number as u128)),
            at: self.now,
            claimed_by: "ops".to_owned(),
            authenticated: false,
            why: "tested".to_owned(),
            act,
        });
        self.tally.orders += 1;
    }

    /// What somebody who looks at the cases now would order.
    fn act(&self, order: Order) -> Option<Act> {
        let nth = |cases: Vec<CaseId>, which: u8| (!cases.is_empty()).then(|| cases[usize::from(which) % cases.len()]);
        let open = || self.engine.cases.keys().copied().collect::<Vec<_>>();
        let held = || {
            let released = |case: &&Case| case.holds.iter().any(|hold| hold.reason.is_released_by_approval());
            self.engine.cases.values().filter(released).map(|case| case.id).collect::<Vec<_>>()
        };
        Some(match order {
            Order::Pause => Act::Pause,
            Order::Resume => Act::Resume,
            Order::Approve { which, plan } => {
                let case = nth(held(), which)?;
                let (cases, _, plan) = match plan {
                    Plan::Current => self.seen(BTreeSet::from([case])),
                    Plan::OfAll => self.seen(held().into_iter().collect()),
                    Plan::Stale => self.first_plans.get(&case)?.clone(),
                };
                Act::Approve { cases: cases.into_iter().collect(), plan }
            }
            Order::Enforce(which) => {
                let plans = self.engine.digests.values().filter(|digest| digest.is_waiting_plan());
                Act::Enforce { cases: vec![nth(plans.map(|digest| digest.id).collect(), which)?] }
            }
            Order::Cancel(which) => Act::Cancel { cases: vec![nth(open(), which)?] },
            Order::Retry(which) => Act::Retry { cases: vec![nth(open(), which)?] },
        })
    }

    fn seen(&self, cases: BTreeSet<CaseId>) -> SeenPlan {
        let known = || cases.iter().filter_map(|id| self.engine.cases.get(id));
        let pending = known().flat_map(|case| case.revocations.iter().filter(|it| it.is_pending()));
        (cases.clone(), pending.map(|it| it.grant.id).collect(), plan_id(known()))
    }

    fn others(&mut self, change: Change) {
        let (now, heroku) = (self.now, &mut self.heroku);
        match change {
            Change::Give(place, account, role) => heroku.give(now, place, account, role),
            Change::Take(place, account) => heroku.take(now, place, account),
            Change::Role(team, account, role) => heroku.set_role(now, team, account, role),
            Change::Accept(team, account) => heroku.accept(now, team, account),
            Change::Rename(account) => {
                let renamed = heroku.now().renamed.contains_key(&account);
                heroku.rename(now, account, if renamed { account } else { account + RENAMED });
            }
            Change::Recycle(account) => {
                heroku.rename(now, account, account + LEFT_OVER);
                heroku.rename(now, account + HIRED, account);
            }
            Change::Double(account) => heroku.rename(now, account + HIRED, account),
        }
    }

    /// Lets time pass: each moment at which anything is due gets a turn, and none is far from the one before.
    fn pass(&mut self, span: SignedDuration) -> Result<(), Violation> {
        let end = self.now + span;
        loop {
            self.turn()?;
            if self.now >= end {
                return Ok(());
            }
            self.now = self.next_due().min(end);
        }
    }

    fn next_due(&self) -> Timestamp {
        let (engine, now) = (&self.engine, self.now);
        let mut next = now + STRIDE;
        let mut due = |at: Timestamp| {
            if at > now && at < next {
                next = at;
            }
        };
        let timing = engine.policy.timing;
        self.wire.next(now).into_iter().for_each(&mut due);
        for case in engine.cases.values() {
            match case.phase {
                Phase::Scheduled { due: at } | Phase::Scanning { due: at } => due(at),
                Phase::Parked | Phase::Working => {}
            }
            for revocation in &case.revocations {
                match revocation.progress {
                    Progress::Waiting { due: at, .. } => due(at),
                    Progress::Attempted { answered, due: at } => {
                        due(at);
                        due(answered + timing.proof_patience);
                    }
                    Progress::Intended { .. } | Progress::Settled { .. } => {}
                }
            }
            if !case.overdue {
                due(case.deadline + SignedDuration::from_millis(1));
            }
        }
        engine.list_failures.values().for_each(|(_, at)| due(*at));
        engine.digests.values().filter_map(|digest| digest.watch.as_ref()).for_each(|watch| due(watch.due));
        if engine.circuit.figures().is_some() {
            due(now + SignedDuration::from_secs(20));
        }
        due(engine.account_due);
        due(engine.doubted_until);
        if let Some(stop) = &engine.stop {
            due(stop.probe_due);
        }
        if let Some(first) = engine.candidates.first() {
            due(self.wire.token_at(now, first.urgent).max(now + SignedDuration::from_millis(100)));
        }
        next.max(now + SignedDuration::from_millis(1))
    }

    /// Hands everything to the engine that has come, and takes its turn.
    fn prepare(&mut self) -> Result<Turn, Violation> {
        let now = self.now;
        let (hits, delivered) = self.wire.run(now, &mut self.heroku);
        for hit in hits {
            self.judge.hit(&self.heroku, hit)?;
        }
        for one in delivered {
            if one.epoch == self.epoch {
                self.judge.learns(&one.input);
                self.engine.handle(now, one.input);
                self.tally.inputs += 1;
            }
        }
        while self.heard < self.events.len() {
            let offset = self.heard;
            let said = &self.events[offset];
            let source = said.event.source.system.clone();
            let origin = Origin {
                topic: source.clone(),
                source,
                cluster: "default".to_owned(),
                partition: 0,
                offset: offset as i64,
                element: String::new(),
                record_sha256: String::new(),
                received_at: said.received,
                authenticity: Authenticity::TopicAcl,
                looked_up: None,
            };
            let input = Normalised { event: said.event.clone(), origin, traceparent: None };
            self.engine.handle(now, Input::Event(Box::new(input)));
            self.tally.inputs += 1;
            self.heard += 1;
        }
        let next = self.engine.commands_position().map_or(0, |next| usize::try_from(next).expect("an offset"));
        for offset in next..self.orders.len() {
            let command = self.orders[offset].clone();
            self.obeys(&command);
            self.engine.handle(now, Input::Command { offset: offset as i64, command });
            self.tally.inputs += 1;
        }
        self.engine.advance(now);
        let (urgent, normal) = self.engine.ready();
        let (granted_urgent, granted_normal) = self.wire.reserve(now, urgent, normal);
        let blocked = granted_urgent + granted_normal < urgent + normal;
        let waiting = if blocked { self.engine.candidates.clone() } else { Vec::new() };
        self.engine.intend(now, granted_urgent, granted_normal);
        let turn = self.engine.take_turn();
        let removals = turn.effects.iter().filter(|effect| matches!(effect, Effect::Remove { .. })).count();
        self.wire.give_back(now, (granted_urgent + granted_normal).saturating_sub(removals));
        if blocked {
            self.engine.candidates = waiting;
        }
        Ok(turn)
    }

    /// What an order is worth, by what its giver saw.
    fn obeys(&mut self, command: &Command) {
        match &command.act {
            Act::Approve { cases, plan } => {
                let all_open = cases.iter().all(|id| self.engine.cases.contains_key(id));
                let (cases, grants, current) = self.seen(cases.iter().copied().collect());
                if all_open && current == *plan {
                    self.judge.obeyed(Obeyed::Approved(cases, grants));
                }
            }
            Act::Enforce { cases } => self.judge.obeyed(Obeyed::Enforced(command.id, cases.clone())),
            Act::Cancel { cases } => self.judge.obeyed(Obeyed::Cancelled(cases.clone())),
            Act::Pause => self.judge.obeyed(Obeyed::Paused(true)),
            Act::Resume => self.judge.obeyed(Obeyed::Paused(false)),
            Act::Retry { .. } | Act::ReplayDeadLetter { .. } | Act::AcceptState { .. } => {}
        }
    }

    fn commit(&mut self, turn: &mut Turn) -> Result<(), Violation> {
        for (key, value) in std::mem::take(&mut turn.state) {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        for said in &mut self.events[self.position..self.heard] {
            said.heard = Some(self.now);
        }
        self.position = self.heard;
        self.judge.commits(&self.events);
        for record in &turn.outcomes {
            self.note(|| super::shrink::line(record));
        }
        self.judge.opens_again(&turn.outcomes);
        for record in &turn.outcomes {
            self.judge.told(&self.events, record)?;
        }
        let looks = Looks { setup: &self.setup, heroku: &self.heroku, events: &self.events, now: self.now };
        for record in &turn.outcomes {
            self.judge.claims(&looks, record)?;
        }
        self.outcomes.append(&mut turn.outcomes);
        for case in self.engine.cases.values() {
            if !case.holds.is_empty() && !self.first_plans.contains_key(&case.id) {
                let seen = self.seen(BTreeSet::from([case.id]));
                self.first_plans.insert(case.id, seen);
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), Violation> {
        let mut turn = self.prepare()?;
        self.commit(&mut turn)?;
        self.tally.turns += 1;
        for effect in turn.effects {
            match effect {
                Effect::AskAccount => self.wire.ask(Asked::Account, self.heroku.now(), self.epoch, true),
                Effect::Scan { wanted, urgent } => {
                    self.wire.ask(Asked::Scan(wanted), self.heroku.now(), self.epoch, urgent)
                }
                Effect::Read { lists, urgent } => {
                    self.wire.ask(Asked::Read(lists.into_keys().collect()), self.heroku.now(), self.epoch, urgent);
                }
                Effect::Remove { case, grant, intent, removal, .. } => {
                    self.tally.removals += 1;
                    self.note(|| {
                        let hit = super::world::target(removal);
                        format!("case {:.4} removes p{} from {}", case.to_string(), hit.account, hit.place)
                    });
                    self.judge.intends(&Intends {
                        setup: &self.setup,
                        heroku: &self.heroku,
                        events: &self.events,
                        state: &self.state,
                        now: self.now,
                        case,
                        grant,
                        intent,
                        removal,
                    })?;
                    self.wire.remove(self.now, Asked::Remove { case, grant, intent, removal }, self.epoch);
                }
            }
        }
        Ok(())
    }

    fn die(&mut self, point: Point, down: u32) -> Result<(), Violation> {
        match point {
            Point::BeforeCommit => {
                let _lost = self.prepare()?;
            }
            Point::AfterCommit => {
                let mut turn = self.prepare()?;
                self.commit(&mut turn)?;
            }
            Point::AfterSending => self.turn()?,
        }
        self.tally.crashes += 1;
        self.wire.abandon(self.now, 0);
        self.now += SignedDuration::from_secs(i64::from(down));
        self.restore();
        Ok(())
    }

    fn restore(&mut self) {
        let records = self.state.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        let restored = Engine::restore(self.setup.policy.clone(), ExecutedBy::default(), records, self.now);
        self.engine = restored.expect("the engine reads what it wrote");
        self.epoch += 1;
        self.heard = self.position;
        let paused = self.paused_by_committed_orders();
        self.judge.forgets(paused);
    }

    /// By the orders that a committed turn has obeyed.
    fn paused_by_committed_orders(&self) -> bool {
        let next = self.engine.commands_position().map_or(0, |next| usize::try_from(next).expect("an offset"));
        let last = self.orders[..next].iter().rev().find(|order| matches!(order.act, Act::Pause | Act::Resume));
        last.is_some_and(|order| order.act == Act::Pause)
    }

    /// When time alone lets an open case go on; `None` = no case waits for that.
    fn waits_for_time(&self) -> Option<Timestamp> {
        let hour = self.now + SignedDuration::from_hours(1);
        let waits = |case: &Case| match case.phase {
            Phase::Scheduled { due } => Some(due),
            Phase::Scanning { due } if case.parked.is_none() => Some(due),
            _ if case.holds.is_empty() => Some(self.now),
            Phase::Parked | Phase::Scanning { .. } | Phase::Working => {
                let passes = |reason| matches!(reason, HoldReason::LimitReached | HoldReason::CircuitOpen);
                (case.barred.is_none() && case.holds.iter().any(|hold| passes(hold.reason))).then_some(hour)
            }
        };
        // A cap of none at all never lets anybody go; a plan is not approved by waiting.
        self.engine.cases.values().filter_map(waits).min()
    }

    /// Once the faults are over: nobody waits without a reason.
    fn end(&mut self) -> Result<(), Violation> {
        self.wire.calm();
        for team in super::world::TEAMS {
            if !self.heroku.now().sees(team) {
                self.heroku.give(self.now, super::world::Place::Team(team), super::world::ME, "admin");
            }
        }
        self.note(|| "the faults are over".to_owned());
        self.order(Act::Resume);
        self.pass(SignedDuration::from_mins(50))?;
        // Not everybody is released who is one of a crowd; who is not waits with a reason.
        let approval = self.act(Order::Approve { which: 0, plan: Plan::OfAll });
        approval.filter(|_| self.setup.seed.is_multiple_of(2)).into_iter().for_each(|it| self.order(it));
        // Some histories go on until everything that ended was looked at again.
        let until = self.now + SignedDuration::from_hours(if self.setup.seed.is_multiple_of(4) { 26 } else { 0 });
        // Dates lie at most two days ahead, and the caps let two people go in a day.
        for _ in 0..24 {
            let waits = self.waits_for_time();
            if waits.is_none() && self.now >= until {
                break;
            }
            // Between two moments that matter the service is down: it is a clock that goes on which must not jump.
            let next = waits.unwrap_or(until).max(self.now);
            let away = next.duration_since(self.now).as_secs().clamp(0, 6 * 3600);
            self.die(Point::AfterSending, u32::try_from(away).expect("hours"))?;
            self.tally.crashes -= 1;
            self.pass(SignedDuration::from_mins(40))?;
        }
        let mut judge = std::mem::take(&mut self.judge);
        judge.end(self)
    }
}

/// Whether a word's day comes by an event that says that somebody leaves.
pub(super) fn is_departure(action: Action) -> bool {
    matches!(action, Action::Deprovision | Action::Schedule)
}
