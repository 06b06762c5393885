//! `explain`: offline, and without a configuration unless a source is named. Only the schema registry of a source is asked,
//! when a record names a schema of it, and its look-up, when a record names somebody by an id alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::{look_up, schema};
use crate::cli::ExplainArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::engine::policy::{OnSuspended, Policy};
use crate::exit::Exit;
use crate::model::event::{Action, PersonEvent};
use crate::model::outcome::HoldReason;
use crate::service;
use crate::sources::explain::{Aside, Holds, Question, Readable, answer, answer_with, wanted};
use crate::sources::record_file::SUFFIX;
use crate::sources::{Reading, Rules, VALUE_BYTES_MAX, Verdict};

/// Most bytes that are read: a record as JSON may be several times as long as the longest value accepted.
const FILE_BYTES_MAX: u64 = 8 * VALUE_BYTES_MAX as u64;

/// Runs `explain`.
///
/// # Errors
/// When the file cannot be read, the source is unknown, or the configuration that it stands in is wrong.
pub fn run(
    args: &ExplainArgs,
    config: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let (config, mut rules) = rules(args, config, environment)?;
    rules.types.extend(args.types.iter().cloned());
    let bytes =
        bytes(&args.file).context(Exit::BadInput).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let whole = args.record || args.file.to_string_lossy().ends_with(SUFFIX);
    let question = Question {
        bytes: &bytes,
        holds: if whole { Holds::Record } else { Holds::Value },
        rules: &rules,
        schema: None,
        now: args.now.unwrap_or_else(clock::now),
    };
    let schema = match (&config, wanted(&question)) {
        (Some(config), Some(id)) => schema::ask(config, &rules.name, id)?,
        (Some(_) | None, _) => None,
    };
    let question = Question { schema: schema.as_deref(), ..question };
    let answer = match &config {
        Some(config) => answer_with(&question, |readings| asides(readings, config, &rules.name, question.now))?,
        None => answer(&question),
    };
    if args.json {
        writeln!(out, "{}", answer.json())?;
    } else {
        write!(out, "{}", answer.text())?;
    }
    Ok(match answer.readable() {
        Readable::Yes => Exit::Done,
        Readable::No => Exit::BadInput,
    })
}

fn rules(
    args: &ExplainArgs,
    config: Option<&Path>,
    environment: &Environment,
) -> anyhow::Result<(Option<Config>, Rules)> {
    let Some(name) = &args.source else {
        let auto = Rules::auto();
        return Ok((None, Rules { format: args.format.unwrap_or(auto.format), ..auto }));
    };
    let config = Config::load(config, environment)?;
    let Some(source) = config.sources.iter().find(|source| source.name == *name) else {
        let known: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!(anyhow::anyhow!("the configuration has no source {name:?}; it has: {known}").context(Exit::Usage));
    };
    let rules = source.rules_offline();
    Ok((Some(config), rules))
}

/// What a source's look-up, the installation's own rules for addresses, and its guards add.
fn asides(readings: &mut [Reading], config: &Config, source: &str, now: Timestamp) -> anyhow::Result<Vec<Aside>> {
    let looked_up = look_up::complete_by(readings, config, source)?;
    let policy = service::policy(config);
    let aside = |(reading, looked_up): (&Reading, _)| {
        let Verdict::Event(event) = &reading.verdict else { return Aside { looked_up, ..Aside::default() } };
        let change = event.identity_change.iter().flat_map(|change| [&change.from, &change.to]);
        let counts = event.subject.work_addresses().chain(change).filter(|email| policy.is_company(email));
        let matched_by = counts.map(|email| policy.addresses.canonical(email).into_owned()).collect();
        Aside { looked_up, matched_by: Some(matched_by), would: would_be(event, &policy, source, now) }
    };
    Ok(readings.iter().zip(looked_up).map(aside).collect())
}

/// What becomes of an event that alone its source, its age and its person keep from being carried out, when the service reads
/// it at `now`. What others have said of the person, and what Heroku says, is not known here.
fn would_be(event: &PersonEvent, policy: &Policy, source: &str, now: Timestamp) -> Option<String> {
    let rules = policy.sources.get(source)?;
    match (event.action, rules.on_suspended) {
        (Action::IdentityUpdate | Action::Cancel, _) => return None,
        (Action::Suspend, OnSuspended::Ignore) => return Some("ignored: on_suspended of the source".to_owned()),
        (Action::Suspend | Action::Schedule | Action::Deprovision, _) => {}
    }
    if event.subject.work_addresses().any(|email| policy.protects(email)) {
        return Some("refused: the person is protected (people.protected)".to_owned());
    }
    let mut held = Vec::new();
    let age = now.duration_since(event.occurred_at);
    if rules.unconfirmed.is_some() {
        held.push(HoldReason::FormatUnconfirmed);
    } else if rules.max_event_age.is_some_and(|limit| age > limit) {
        held.push(HoldReason::EventTooOld);
    }
    match (event.action, rules.on_suspended) {
        (Action::Suspend, OnSuspended::Hold) => held.push(HoldReason::Suspended),
        (Action::Suspend, OnSuspended::Remove) if held.is_empty() => {
            return Some("removed as if the person had left: on_suspended of the source".to_owned());
        }
        _ => {}
    }
    let reasons: Vec<&str> = held.into_iter().map(HoldReason::as_str).collect();
    (!reasons.is_empty()).then(|| format!("held: {}", reasons.join(", ")))
}

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
