//! `pause` and `resume`.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::give::{command, give};
use super::kafka_access::OwnTopics;
use super::page::paragraph;
use crate::cli::{GivenArgs, PauseArgs, ResumeArgs};
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::model::command::Act;

/// Runs `pause`.
///
/// # Errors
/// When the configuration is wrong, or Kafka does not take it.
pub fn pause(
    args: &PauseArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let says = "Paused: every instance can read it, and starts no removal from now on. Those on the wire, 8 at most, \
                finish. An instance that is cut off from Kafka stops by itself within 5 s. /statusz of each instance \
                shows `removals`; `resume` starts removals again.";
    order(&args.given, Act::Pause, says, file, environment, out)
}

/// Runs `resume`.
///
/// # Errors
/// When the configuration is wrong, or Kafka does not take it.
pub fn resume(
    args: &ResumeArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    order(&args.given, Act::Resume, "Resumed: removals are started again.", file, environment, out)
}

fn order(
    given: &GivenArgs,
    act: Act,
    says: &str,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let topics = OwnTopics::of(&config)?;
    let done = give(&topics, command(given, environment, act))?;
    if given.json {
        writeln!(out, "{}", json!({"offset": done.offset, "command": done.command}))?;
    } else {
        write!(out, "{}", paragraph(says))?;
    }
    Ok(Exit::Done)
}
