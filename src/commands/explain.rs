//! `explain`: offline, and without a configuration unless a source is named.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::cli::ExplainArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::sources::explain::{Holds, Question, Readable, answer};
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
    let mut rules = rules(args, config, environment)?;
    rules.types.extend(args.types.iter().cloned());
    let bytes =
        bytes(&args.file).context(Exit::BadInput).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let whole = args.record || args.file.to_string_lossy().ends_with(SUFFIX);
    let answer = answer(&Question {
        bytes: &bytes,
        holds: if whole { Holds::Record } else { Holds::Value },
        rules: &rules,
        now: args.now.unwrap_or_else(clock::now),
    });
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

fn rules(args: &ExplainArgs, config: Option<&Path>, environment: &Environment) -> anyhow::Result<Rules> {
    let Some(name) = &args.source else {
        let auto = Rules::auto();
        return Ok(Rules { format: args.format.unwrap_or(auto.format), ..auto });
    };
    let config = Config::load(config, environment)?;
    let Some(source) = config.sources.iter().find(|source| source.name == *name) else {
        let known: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!(anyhow::anyhow!("the configuration has no source {name:?}; it has: {known}").context(Exit::Usage));
    };
    Ok(source.rules_offline())
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
