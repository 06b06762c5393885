//! Giving a command: one record on the commands topic, acknowledged, and read back as the service will read it.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::kafka_access::{OwnTopics, decode, failure};
use super::order;
use crate::cli::{GivenArgs, WaitArgs};
use crate::clock;
use crate::config::Environment;
use crate::exit::Exit;
use crate::kafka::{self, Follower, Since};
use crate::model::CommandId;
use crate::model::command::{Act, COMMAND_VERSION, Command};
use crate::wire;

/// How long an acknowledged record may take until it can be read.
const READABLE_WITHIN: Duration = Duration::from_secs(10);
/// How long one look at a topic waits.
const LOOK: Duration = Duration::from_millis(200);

/// A command that every instance can read.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) command: Command,
    /// Its offset in the commands topic.
    pub(super) offset: i64,
}

/// The command that was asked for, as somebody says who they are.
pub(super) fn command(given: &GivenArgs, environment: &Environment, act: Act) -> Command {
    let claimed_by = given.claimed_by.clone().unwrap_or_else(|| {
        let user = order::user(environment).unwrap_or("unknown");
        format!("{user}@{}", environment.host_name())
    });
    Command {
        schema_version: COMMAND_VERSION,
        id: random_id(),
        at: clock::now(),
        claimed_by,
        authenticated: false,
        why: given.reason.clone(),
        act,
    }
}

fn random_id() -> CommandId {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    CommandId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// Writes the command and waits until it can be read.
pub(super) fn give(topics: &OwnTopics, command: Command) -> anyhow::Result<Given> {
    let message = wire::command(&command);
    // What the service would refuse is not sent.
    wire::read_command(Some(&message.value)).context(Exit::Usage)?;
    let follower = Follower::open(&topics.settings, &topics.names.commands, Since::Now).map_err(failure)?;
    kafka::send(&topics.settings, &topics.names.commands, &[message.into()]).map_err(failure)?;
    let until = Instant::now() + READABLE_WITHIN;
    while Instant::now() < until {
        let Some(record) = follower.next(LOOK).map_err(failure).context("the command was given; reading it back")?
        else {
            continue;
        };
        if wire::read_command(record.value.as_deref()).is_ok_and(|found| found.id == command.id) {
            return Ok(Given { command, offset: record.offset });
        }
    }
    Err(anyhow!(
        "the command was given and acknowledged, and could not be read within {} s; see the brokers of topic {}",
        READABLE_WITHIN.as_secs(),
        topics.names.commands
    )
    .context(Exit::StillRunning))
}

/// Waits until the worker has taken the command: its state says so, together with what follows from it.
pub(super) fn taken(topics: &OwnTopics, given: &Given, wait: &WaitArgs) -> anyhow::Result<bool> {
    let until = Instant::now() + Duration::try_from(wait.wait_at_most).unwrap_or(Duration::ZERO);
    let follower = Follower::open(&topics.settings, &topics.names.state, Since::Now).map_err(failure)?;
    let reached = |position: Option<i64>| position.is_some_and(|position| position > given.offset);
    if topics.state()?.iter().any(|record| reached(record.commands_position())) {
        return Ok(true);
    }
    while Instant::now() < until {
        let Some(record) = follower.next(LOOK).map_err(failure)? else { continue };
        let (Some(key), Some(value)) = (record.key, record.value) else { continue };
        let Some(record) = decode(&String::from_utf8_lossy(&key), &value)? else { continue };
        if reached(record.commands_position()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(claimed_by: Option<&str>) -> GivenArgs {
        GivenArgs { reason: "INC-204".to_owned(), claimed_by: claimed_by.map(str::to_owned), json: false }
    }

    #[test]
    fn whoever_gives_it_is_the_user_at_this_machine_unless_they_say_otherwise() {
        let environment = Environment::of([("USER", "mara"), ("HOSTNAME", "laptop")]);
        assert_eq!(command(&given(None), &environment, Act::Pause).claimed_by, "mara@laptop");
        assert_eq!(command(&given(Some("on-call")), &environment, Act::Pause).claimed_by, "on-call");
        assert_eq!(command(&given(None), &Environment::default(), Act::Pause).claimed_by, "unknown@local");
    }

    #[test]
    fn no_two_commands_have_one_id() {
        let id = || command(&given(None), &Environment::default(), Act::Pause).id;
        assert_ne!(id(), id());
    }
}
