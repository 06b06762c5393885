//! `explain`: offline, and without a configuration unless a source is named. Only the schema registry of a source is asked,
//! when a record names a schema of it, and its look-up, when a record names somebody by an id alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::{look_up, schema};
use crate::cli::ExplainArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::exit::Exit;
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
        Some(config) => answer_with(&question, |readings| asides(readings, config, &rules.name))?,
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

/// What a source's look-up and the installation's own rules for addresses add.
fn asides(readings: &mut [Reading], config: &Config, source: &str) -> anyhow::Result<Vec<Aside>> {
    let looked_up = look_up::complete_by(readings, config, source)?;
    let policy = service::policy(config);
    let aside = |(reading, looked_up): (&Reading, _)| {
        let Verdict::Event(event) = &reading.verdict else { return Aside { looked_up, matched_by: None } };
        let change = event.identity_change.iter().flat_map(|change| [&change.from, &change.to]);
        let counts = event.subject.work_addresses().chain(change).filter(|email| policy.is_company(email));
        let matched_by = counts.map(|email| policy.addresses.canonical(email).into_owned()).collect();
        Aside { looked_up, matched_by: Some(matched_by) }
    };
    Ok(readings.iter().zip(looked_up).map(aside).collect())
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
