//! `state accept`: the worker refuses state that does not fit; a person may order it to go on all the same.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use serde_json::json;

use super::ask;
use super::give::{command, give};
use super::kafka_access::{OwnTopics, failure};
use super::page::paragraph;
use crate::cli::{StateAcceptArgs, StateCommand};
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::kafka::{RestoreError, refusal};
use crate::model::command::Act;

/// How often the state is looked at while its restore is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs `state`.
///
/// # Errors
/// When the configuration is wrong, Kafka does not answer, or the refusal is one that nobody can accept.
pub fn run(
    command: &StateCommand,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let topics = OwnTopics::of(&config)?;
    match command {
        StateCommand::Accept(args) => accept(args, &topics, environment, out),
    }
}

fn accept(
    args: &StateAcceptArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    ask::possible(args.yes)?;
    let Some(refusal) = standing(topics)? else {
        write!(out, "{}", paragraph("The state fits; there is nothing to accept."))?;
        return Ok(Exit::Done);
    };
    let page = paragraph(&format!("The service refuses: {refusal}"))
        + &paragraph(
            "Accepted, it begins where the events topic still begins. What it knew and is lost stays lost: cases \
             that were under way, and who was removed in the last day. What the topic still holds is looked at again.",
        );
    if args.given.json {
        anstream::eprint!("{page}");
    } else {
        write!(out, "{page}")?;
    }
    ask::confirm("Accept this loss, on the record?", args.yes)?;
    let done = give(topics, command(&args.given, environment, Act::AcceptState { refusal }))?;
    let restored = if args.wait.wait {
        Some(gone(topics, Duration::try_from(args.wait.wait_at_most).unwrap_or(Duration::ZERO))?)
    } else {
        None
    };
    if args.given.json {
        writeln!(out, "{}", json!({"offset": done.offset, "restored": restored, "command": done.command}))?;
    } else {
        write!(
            out,
            "{}",
            paragraph(match restored {
                None => "Accepted; the worker looks again within 30 s.",
                Some(true) => "Accepted, and the worker goes on.",
                Some(false) => "Accepted, but the worker does not go on yet; /readyz of the active instance says why.",
            })
        )?;
    }
    Ok(if restored == Some(false) { Exit::StillRunning } else { Exit::Done })
}

/// The refusal that stands, if it can be accepted.
fn standing(topics: &OwnTopics) -> anyhow::Result<Option<String>> {
    match refusal(&topics.settings, &topics.names) {
        Ok(None) => Ok(None),
        Ok(Some(why)) if why.is_acceptable() => Ok(Some(why.to_string())),
        Ok(Some(why)) => bail!("nobody can accept this: {why}"),
        Err(RestoreError::Kafka(why)) => Err(failure(why)),
        Err(why) => Err(anyhow!(why).context(Exit::Unreachable)),
    }
}

/// Whether the refusal has gone within that time.
fn gone(topics: &OwnTopics, within: Duration) -> anyhow::Result<bool> {
    let until = Instant::now() + within;
    loop {
        if standing(topics)?.is_none() {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
