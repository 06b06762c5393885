//! `explain`: offline, and without a configuration unless a source is named. Only the schema registry of a source is asked,
//! when a record names a schema of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::schema;
use crate::cli::ExplainArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::sources::explain::{Holds, Question, Readable, answer, wanted};
use crate::sources::record_file::SUFFIX;
use crate::sources::{Rules, VALUE_BYTES_MAX};

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
    let answer = answer(&Question { schema: schema.as_deref(), ..question });
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

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
