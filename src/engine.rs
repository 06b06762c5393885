//! The decisions: inputs in, effects out. Pure: no I/O, no clock, no randomness of its own.
//!
//! * The state is a fold of what was committed. [`Engine::handle`] and [`Engine::advance`] change it and collect a
//!   [`Turn`]; the driver commits the turn's records in one transaction and only then carries out its effects. When
//!   the commit fails the driver drops the engine and restores it from the log: there is no code that takes back.
//! * A removal leaves only after the turn that holds its intent was committed; an outcome is visible only with the
//!   state that it follows from.
//! * Calling [`Engine::advance`] early, late or twice is harmless.
//! * What is not persisted (lists read, scans under way, the account's health) is asked for again after a restart.

mod accept;

pub mod budget;
pub mod case;
mod census;
pub mod circuit;
mod closing;
pub mod coverage;
mod crowd;
mod findings;
mod forgetting;
mod guards;
pub mod identity;
mod merging;
mod naming;
mod orders;
pub mod plan;
pub mod policy;
pub mod record;
pub mod rehearsal;
pub mod retry;
pub mod revocation;
pub mod statements;
pub mod verification;
mod work;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use census::{CaseLine, Census};

use self::case::{Case, Digest};
use self::circuit::Circuit;
use self::identity::Identities;
use self::plan::Catalogue;
use self::policy::Policy;
use self::record::{
    CIRCUIT_KEY, ORDERS_KEY, Orders, RecordError, StateRecord, WINDOWS_KEY, Windows, alias_key, case_key, person_key,
};
use crate::model::command::Command;
use crate::model::event::Normalised;
use crate::model::outcome::{ExecutedBy, OutcomeRecord};
use crate::model::world::{Account, Answer, ListId, ListRead, ListsRead, Scan, Wanted};
use crate::model::{AccountId, CaseId, GrantId, IntentId, PersonId, Removal, Surface};

/// All that can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An event was read from the events topic.
    Event(Box<Normalised>),
    /// A command was read from the commands topic.
    Command {
        /// Its offset; commands that the state has seen are passed over.
        offset: i64,
        /// What is ordered.
        command: Command,
    },
    /// A record of the commands topic cannot be read; it is passed over.
    CommandRefused {
        /// Its offset.
        offset: i64,
    },
    /// Heroku said which account we are.
    Account(Account),
    /// Heroku refuses the account as a whole; why, as a code.
    AccountStopped(String),
    /// A scan ended.
    Scanned(Box<Scan>),
    /// A scan ended without a result, for a reason other than a refused account.
    ScanFailed,
    /// Some lists were read, or not.
    Lists(ListsRead),
    /// A removal was answered, or was not.
    Answered {
        /// The case.
        case: CaseId,
        /// The grant.
        grant: GrantId,
        /// The intent that it answers.
        intent: IntentId,
        /// The answer.
        answer: Answer,
    },
}

/// All that can be asked for. Carried out only after the turn's records are committed.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask Heroku who we are.
    AskAccount,
    /// Read everything visible; answered by [`Input::Scanned`], [`Input::ScanFailed`] or [`Input::AccountStopped`].
    Scan {
        /// Whom it looks for.
        wanted: Wanted,
        /// Whether an urgent case waits for it.
        urgent: bool,
    },
    /// Read these lists; answered by [`Input::Lists`] or [`Input::AccountStopped`].
    Read {
        /// Each with the name of its parent, which the invitations list needs.
        lists: BTreeMap<ListId, String>,
        /// Whether an urgent case waits for it.
        urgent: bool,
    },
    /// Send this removal; answered by [`Input::Answered`].
    Remove {
        /// The case.
        case: CaseId,
        /// The grant.
        grant: GrantId,
        /// The committed intent.
        intent: IntentId,
        /// The request.
        removal: Removal,
        /// Where the grant lives, for the metrics.
        surface: Surface,
        /// Whether its budget token came from the reserve.
        urgent: bool,
        /// Trace context of the source record.
        traceparent: Option<String>,
    },
}

/// What one turn changed: to be committed together, then carried out.
#[derive(Debug, Default)]
pub struct Turn {
    /// Records of the state topic; `None` deletes the key.
    pub state: Vec<(String, Option<Vec<u8>>)>,
    /// Audit records.
    pub outcomes: Vec<OutcomeRecord>,
    /// What to do once it is committed.
    pub effects: Vec<Effect>,
    /// `accept`, `intent`, `result` or `timer`: the first of these that the turn holds; for metrics and tests.
    pub label: &'static str,
}

/// A removal that may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    case: CaseId,
    grant: GrantId,
    urgent: bool,
}

/// Heroku refuses the account as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stop {
    since: Timestamp,
    why: String,
    probe_due: Timestamp,
}

/// The whole state of the worker.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    executed_by: ExecutedBy,

    // Persisted.
    identities: Identities,
    cases: BTreeMap<CaseId, Case>,
    digests: BTreeMap<CaseId, Digest>,
    windows: Windows,
    circuit: Circuit,
    orders: Orders,

    // Not persisted.
    me: Option<Account>,
    account_due: Timestamp,
    stop: Option<Stop>,
    draining: bool,
    catalogue: Catalogue,
    protected_accounts: BTreeSet<AccountId>,
    lists: BTreeMap<ListId, ListRead>,
    reading: BTreeSet<ListId>,
    list_failures: BTreeMap<ListId, (u32, Timestamp)>,
    vanished: BTreeSet<ListId>,
    scanning: Option<BTreeSet<CaseId>>,
    scan_asked: Timestamp,
    scan_failures: u32,
    looked: Timestamp,
    in_flight: BTreeMap<IntentId, (CaseId, GrantId)>,
    candidates: Vec<Candidate>,
    swept: Timestamp,
    turned: Timestamp,
    doubted_until: Timestamp,

    // The turn being collected.
    dirty: BTreeSet<String>,
    outcomes: Vec<OutcomeRecord>,
    effects: Vec<Effect>,
    label: Option<&'static str>,
}

impl Engine {
    /// An engine that knows nobody.
    pub fn new(policy: Policy, executed_by: ExecutedBy) -> Self {
        Self {
            policy,
            executed_by,
            identities: Identities::default(),
            cases: BTreeMap::new(),
            digests: BTreeMap::new(),
            windows: Windows::default(),
            circuit: Circuit::default(),
            orders: Orders::default(),
            me: None,
            account_due: Timestamp::MIN,
            stop: None,
            draining: false,
            catalogue: Catalogue::default(),
            protected_accounts: BTreeSet::new(),
            lists: BTreeMap::new(),
            reading: BTreeSet::new(),
            list_failures: BTreeMap::new(),
            vanished: BTreeSet::new(),
            scanning: None,
            scan_asked: Timestamp::MIN,
            scan_failures: 0,
            looked: Timestamp::MIN,
            in_flight: BTreeMap::new(),
            candidates: Vec::new(),
            swept: Timestamp::MIN,
            turned: Timestamp::MIN,
            doubted_until: Timestamp::MIN,
            dirty: BTreeSet::new(),
            outcomes: Vec::new(),
            effects: Vec::new(),
            label: None,
        }
    }

    /// Rebuilds the state from the records of the state topic. The answer to an intent that is still open will never
    /// come: its parent list is read before it is tried again.
    ///
    /// # Errors
    /// When a record cannot be read: the engine must not run on half of what it knew.
    pub fn restore<'a>(
        policy: Policy,
        executed_by: ExecutedBy,
        records: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now: Timestamp,
    ) -> Result<Self, RecordError> {
        let mut engine = Self::new(policy, executed_by);
        for (key, value) in records {
            match StateRecord::decode(key, value)? {
                StateRecord::Person(person) => {
                    engine.identities.people.insert(person.id, *person);
                }
                StateRecord::Alias(alias, person) => {
                    engine.identities.aliases.insert(alias, person);
                }
                StateRecord::Case(case) => {
                    engine.cases.insert(case.id, *case);
                }
                StateRecord::Digest(digest) => {
                    engine.digests.insert(digest.id, digest);
                }
                StateRecord::Windows(windows) => engine.windows = windows,
                StateRecord::Circuit(circuit) => engine.circuit = circuit,
                StateRecord::Orders(orders) => engine.orders = orders,
            }
        }
        for case in engine.cases.values_mut() {
            for revocation in &mut case.revocations {
                revocation.answer_is_lost(now);
                if let Some(list) = revocation.list() {
                    engine.catalogue.learn_grant(list, &revocation.grant.parent);
                }
            }
        }
        Ok(engine)
    }

    /// Takes one input. Call [`Self::advance`] after the last one of a turn.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Event(normalised) => {
                self.note("accept");
                self.accept(now, *normalised);
            }
            Input::Command { offset, command } => {
                self.note("accept");
                if self.hear(offset) {
                    self.obey(now, &command);
                }
            }
            Input::CommandRefused { offset } => {
                self.hear(offset);
            }
            Input::Account(account) => {
                if self.me.is_none() {
                    self.account_due = work::next_look(now);
                }
                self.me = Some(account);
                self.stop = None;
            }
            Input::AccountStopped(why) => {
                self.reading.clear();
                self.scanning = None;
                self.account_stopped(now, why);
            }
            Input::Scanned(scan) => self.on_scan(now, &scan),
            Input::ScanFailed => self.on_scan_failed(now),
            Input::Lists(lists) => self.on_lists(now, lists),
            Input::Answered { case, grant, intent, answer } => {
                self.note("result");
                self.on_answer(now, case, grant, intent, answer);
            }
        }
    }

    /// Starts nothing more: what is on the wire may still be answered.
    pub fn drain(&mut self) {
        self.draining = true;
        self.candidates.clear();
    }

    /// Removals on the wire.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes what the turn changed.
    pub fn take_turn(&mut self) -> Turn {
        let state = std::mem::take(&mut self.dirty).into_iter().map(|key| self.encode(key)).collect();
        Turn {
            state,
            outcomes: std::mem::take(&mut self.outcomes),
            effects: std::mem::take(&mut self.effects),
            label: self.label.take().unwrap_or("timer"),
        }
    }

    fn encode(&self, key: String) -> (String, Option<Vec<u8>>) {
        let record = match key.split_once('/') {
            Some(("person", id)) => parsed::<PersonId>(id)
                .and_then(|id| self.identities.people.get(&id))
                .map(|person| StateRecord::Person(Box::new(person.clone()))),
            Some(("alias", alias)) => {
                self.identities.aliases.get(alias).map(|person| StateRecord::Alias(alias.to_owned(), *person))
            }
            Some(("case", id)) => parsed::<CaseId>(id).and_then(|id| {
                let open = self.cases.get(&id).map(|case| StateRecord::Case(Box::new(case.clone())));
                open.or_else(|| self.digests.get(&id).map(|digest| StateRecord::Digest(digest.clone())))
            }),
            Some(_) | None if key == CIRCUIT_KEY => Some(StateRecord::Circuit(self.circuit.clone())),
            Some(_) | None if key == ORDERS_KEY => Some(StateRecord::Orders(self.orders.clone())),
            Some(_) | None => Some(StateRecord::Windows(self.windows.clone())),
        };
        match record {
            Some(record) => {
                let (key, value) = record.encode();
                (key, Some(value))
            }
            None => (key, None),
        }
    }

    /// Keeps the strongest label of the turn: accept, then intent, then result.
    fn note(&mut self, label: &'static str) {
        let rank = |label: &str| ["accept", "intent", "result"].iter().position(|known| *known == label);
        if self.label.is_none_or(|known| rank(label) < rank(known)) {
            self.label = Some(label);
        }
    }

    fn touch_case(&mut self, id: CaseId) {
        self.dirty.insert(case_key(id));
    }

    fn touch_person(&mut self, id: PersonId) {
        self.dirty.insert(person_key(id));
    }

    fn touch_alias(&mut self, alias: &str) {
        self.dirty.insert(alias_key(alias));
    }

    fn touch_orders(&mut self) {
        self.dirty.insert(ORDERS_KEY.to_owned());
    }

    fn touch_circuit(&mut self) {
        self.dirty.insert(CIRCUIT_KEY.to_owned());
    }

    fn touch_windows(&mut self) {
        self.dirty.insert(WINDOWS_KEY.to_owned());
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
