//! `cases`: what the worker knows, read from its state topic, and what people decide about it; the worker itself is not
//! asked.

mod decide;
mod view;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{anyhow, bail};
use jiff::Timestamp;

use self::view::CaseView;
use super::kafka_access::{OwnTopics, failure};
use super::order;
use crate::cli::{CaseState, CasesCommand, CasesListArgs, CasesShowArgs};
use crate::clock;
use crate::config::{Config, Environment};
use crate::engine::case::{Case, Digest, Phase};
use crate::engine::identity::Person;
use crate::engine::record::StateRecord;
use crate::exit::Exit;
use crate::kafka;
use crate::model::outcome::{CaseClosed, Outcome, OutcomeKind};
use crate::model::{AddressRules, CaseId, Email, PersonId};
use crate::wire::read_outcome;

/// Runs `cases`.
///
/// # Errors
/// When the configuration is wrong, Kafka cannot be read, or there is no such case.
pub fn run(
    command: &CasesCommand,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let topics = OwnTopics::of(&config)?;
    match command {
        CasesCommand::List(args) => list(args, &topics, &config.people.address_rules(), out),
        CasesCommand::Show(args) => show(args, &topics, out),
        CasesCommand::Approve(args) => decide::approve(args, &topics, environment, out),
        CasesCommand::Enforce(args) => decide::enforce(args, &topics, environment, out),
        CasesCommand::Cancel(args) => decide::cancel(args, &topics, environment, out),
        CasesCommand::Retry(args) => decide::retry(args, &topics, environment, out),
    }
}

/// A case as the state topic holds it.
#[derive(Debug)]
enum Known {
    Open(Box<Case>),
    Closed(Digest),
}

/// All cases, with the people that they are about.
#[derive(Debug, Default)]
struct Register {
    people: BTreeMap<PersonId, Person>,
    cases: BTreeMap<CaseId, Known>,
}

impl Register {
    fn read(topics: &OwnTopics) -> anyhow::Result<Self> {
        Ok(Self::of(topics.state()?))
    }

    fn of(records: Vec<StateRecord>) -> Self {
        let mut register = Self::default();
        for record in records {
            match record {
                StateRecord::Person(person) => {
                    register.people.insert(person.id, *person);
                }
                StateRecord::Case(case) => {
                    register.cases.insert(case.id, Known::Open(case));
                }
                StateRecord::Digest(digest) => {
                    register.cases.insert(digest.id, Known::Closed(digest));
                }
                StateRecord::Alias(..) | StateRecord::Windows(_) | StateRecord::Circuit(_) | StateRecord::Orders(_) => {
                }
            }
        }
        register
    }

    /// Those that are asked for, the oldest first; closed ones behind the others.
    fn chosen(&self, args: &CasesListArgs, rules: &AddressRules) -> anyhow::Result<Vec<&Known>> {
        let address = args.person.as_deref().map(order::address).transpose()?;
        let mut chosen: Vec<&Known> = self
            .cases
            .values()
            .filter(|case| args.state.is_none_or(|state| case.state() == state))
            .filter(|case| address.as_ref().is_none_or(|address| self.is_about(case, address, rules)))
            .collect();
        chosen.sort_by_key(|case| (case.state() == CaseState::Closed, case.since(), case.id()));
        Ok(chosen)
    }

    fn is_about(&self, case: &Known, address: &Email, rules: &AddressRules) -> bool {
        let named = match case {
            Known::Open(case) => rules.holds(&case.addresses, address),
            Known::Closed(_) => false,
        };
        named || self.people.get(&case.person()).is_some_and(|person| rules.holds(&person.addresses, address))
    }

    /// The one whose id begins like this.
    fn find(&self, prefix: &str) -> anyhow::Result<&Known> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let mut fitting = self.cases.values().filter(|case| case.id().to_string().starts_with(&prefix));
        match (fitting.next(), fitting.next()) {
            (Some(case), None) => Ok(case),
            (None, _) => bail!("no case has an id that begins with {prefix:?}; closed cases are known for 30 days"),
            (Some(one), Some(other)) => {
                let why = format!("{prefix:?} begins the ids of several cases: {}, {} …", one.id(), other.id());
                Err(anyhow!(why).context(Exit::Usage))
            }
        }
    }
}

impl Known {
    fn id(&self) -> CaseId {
        match self {
            Self::Open(case) => case.id,
            Self::Closed(digest) => digest.id,
        }
    }

    fn person(&self) -> PersonId {
        match self {
            Self::Open(case) => case.person,
            Self::Closed(digest) => digest.person,
        }
    }

    fn state(&self) -> CaseState {
        match self {
            Self::Open(case) if is_held(case) => CaseState::Held,
            Self::Open(_) => CaseState::Open,
            Self::Closed(_) => CaseState::Closed,
        }
    }

    /// When it was received, or closed.
    fn since(&self) -> Timestamp {
        match self {
            Self::Open(case) => case.received_at,
            Self::Closed(digest) => digest.closed_at,
        }
    }
}

pub(super) fn is_held(case: &Case) -> bool {
    !case.holds.is_empty() || matches!(case.phase, Phase::Parked)
}

fn list(args: &CasesListArgs, topics: &OwnTopics, rules: &AddressRules, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let register = Register::read(topics)?;
    let views: Vec<CaseView> =
        register.chosen(args, rules)?.into_iter().map(|case| CaseView::of(case, &register, None)).collect();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&views)?)?;
    } else {
        write!(out, "{}", view::list(&views, clock::now()))?;
    }
    Ok(Exit::Done)
}

fn show(args: &CasesShowArgs, topics: &OwnTopics, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let register = Register::read(topics)?;
    let case = register.find(&args.case)?;
    let closed = match case {
        Known::Open(_) => None,
        Known::Closed(digest) => closing_record(topics, digest.id)?,
    };
    let view = CaseView::of(case, &register, closed);
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&view)?)?;
    } else {
        write!(out, "{}", view.page(clock::now()))?;
    }
    Ok(Exit::Done)
}

/// The terminal record of a case, while the outcomes topic still holds it.
fn closing_record(topics: &OwnTopics, case: CaseId) -> anyhow::Result<Option<Box<CaseClosed>>> {
    let (case, kind) = (case.to_string(), OutcomeKind::CaseClosed.event_type());
    let found = kafka::find(&topics.settings, &topics.names.outcomes, |record| {
        record.header("ce_subject") == Some(&case) && record.header("ce_type") == Some(&kind)
    })
    .map_err(failure)?;
    let Some(value) = found.into_iter().find_map(|record| record.value) else { return Ok(None) };
    match read_outcome(&value)?.data {
        Outcome::Closed(closed) => Ok(Some(closed)),
        Outcome::Progress(_) | Outcome::Revoked(_) | Outcome::Look(_) => Ok(None),
    }
}
