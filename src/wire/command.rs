//! Records of the commands topic to bytes and back.

use serde::Deserialize;
use thiserror::Error;

use super::Message;
use crate::model::command::{Act, COMMAND_VERSION, Command};

/// The key of every command: all stand in one partition, in the order in which they were given.
const KEY: &str = "command";

/// Longest value that is read: a few thousand cases fit.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Longest reason, in bytes.
const WHY_MAX: usize = 1024;
/// Longest name of whoever gave it, in bytes.
const CLAIMED_BY_MAX: usize = 256;

/// Why a record of the commands topic cannot be read. No text holds a value of the record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// A record without a value.
    #[error("the record has no value")]
    Empty,
    /// Too long.
    #[error("{bytes} bytes, where {COMMAND_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or without the members that every command has.
    #[error("not a JSON object with `schema_version` and `command`: {category} at line {line} column {column}")]
    Malformed {
        /// What kind of mistake.
        category: &'static str,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Written by another release.
    #[error("schema_version {0}, where {COMMAND_VERSION} is read")]
    Version(u32),
    /// A command that this version does not know.
    #[error("no command known to this version; they are {}", Act::NAMES.join(", "))]
    Unknown,
    /// A member is missing or of the wrong type.
    #[error("the members are not those of `{0}`")]
    Members(&'static str),
    /// A text that is too long, or that no line of a log may hold.
    #[error("`{member}` is empty, longer than {max} bytes, or holds control characters")]
    Text {
        /// Which.
        member: &'static str,
        /// Its limit.
        max: usize,
    },
    /// A proof that nobody gave.
    #[error("`authenticated` is true, and nothing proves it")]
    Authenticated,
    /// A command about no case.
    #[error("`cases` is empty")]
    NoCases,
}

impl CommandError {
    /// As it stands in dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::Malformed { .. } => "malformed_json",
            Self::TooLong { .. } => "too_large",
            Self::Version(_) => "unknown_version",
            Self::Unknown => "unknown_command",
            Self::Members(_) | Self::Text { .. } | Self::Authenticated | Self::NoCases => "invalid_value",
        }
    }
}

/// What is looked at first, so that the refusal says the right thing.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
    command: String,
}

/// The record of one command.
pub fn command(command: &Command) -> Message {
    Message {
        key: KEY.to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        value: serde_json::to_vec(command).expect("a command is texts, numbers and lists"),
    }
}

/// Reads what [`command`] wrote. Members that are not known are passed over.
///
/// # Errors
/// When it is no command of this version, or beyond a limit.
pub fn read_command(value: Option<&[u8]>) -> Result<Command, CommandError> {
    let value = value.ok_or(CommandError::Empty)?;
    if value.len() > COMMAND_BYTES_MAX {
        return Err(CommandError::TooLong { bytes: value.len() });
    }
    let head: Head = serde_json::from_slice(value).map_err(|why| malformed(&why))?;
    if head.schema_version != COMMAND_VERSION {
        return Err(CommandError::Version(head.schema_version));
    }
    let name = Act::NAMES.into_iter().find(|name| *name == head.command).ok_or(CommandError::Unknown)?;
    let command: Command = serde_json::from_slice(value).map_err(|_| CommandError::Members(name))?;
    check(&command)?;
    Ok(command)
}

/// What a command must keep to, whoever writes it.
///
/// # Errors
/// When the service would refuse it.
pub fn check(command: &Command) -> Result<(), CommandError> {
    line("why", &command.why, WHY_MAX)?;
    line("claimed_by", &command.claimed_by, CLAIMED_BY_MAX)?;
    if command.authenticated {
        return Err(CommandError::Authenticated);
    }
    match &command.act {
        Act::Approve { cases, .. } | Act::Enforce { cases } | Act::Cancel { cases } | Act::Retry { cases } => {
            if cases.is_empty() { Err(CommandError::NoCases) } else { Ok(()) }
        }
        Act::Pause | Act::Resume | Act::ReplayDeadLetter { .. } | Act::AcceptState { .. } => Ok(()),
    }
}

fn line(member: &'static str, text: &str, max: usize) -> Result<(), CommandError> {
    let fits = !text.trim().is_empty() && text.len() <= max && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(CommandError::Text { member, max }) }
}

/// serde_json's text may quote the value; its place does not.
fn malformed(why: &serde_json::Error) -> CommandError {
    let category = match why.classify() {
        serde_json::error::Category::Io => "input",
        serde_json::error::Category::Syntax => "syntax",
        serde_json::error::Category::Data => "data",
        serde_json::error::Category::Eof => "end of input",
    };
    CommandError::Malformed { category, line: why.line(), column: why.column() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn approval() -> Value {
        json!({
            "schema_version": 1, "id": "0190a8c4-0000-4000-8000-000000000001", "at": "2026-06-01T09:00:00Z",
            "claimed_by": "ops", "authenticated": false, "why": "all of sales left", "command": "approve",
            "cases": ["0190a8c4-0000-4000-8000-000000000002"], "plan": "0190a8c4-0000-4000-8000-000000000003",
        })
    }

    fn with(member: &str, value: Value) -> Result<Command, CommandError> {
        let mut command = approval();
        command[member] = value;
        read(&command)
    }

    fn read(value: &Value) -> Result<Command, CommandError> {
        read_command(Some(value.to_string().as_bytes()))
    }

    #[test]
    fn what_is_written_is_read() {
        let approve = read(&approval()).unwrap();
        let message = command(&approve);
        assert_eq!((message.key.as_str(), message.header("content-type")), ("command", Some("application/json")));
        assert_eq!(read_command(Some(&message.value)), Ok(approve));
    }

    #[test]
    fn a_member_of_a_newer_writer_is_passed_over() {
        assert_eq!(with("shift", json!("night")), read(&approval()));
    }

    #[test]
    fn what_is_no_command_of_ours_is_refused_and_says_why() {
        for (result, code) in [
            (read_command(None), "malformed_json"),
            (read_command(Some(b"{\"command\":\"pause\"")), "malformed_json"),
            (read_command(Some(b"[]")), "malformed_json"),
            (read(&json!({"command": "pause"})), "malformed_json"),
            (with("schema_version", json!(2)), "unknown_version"),
            (with("command", json!("erase")), "unknown_command"),
            (with("plan", Value::Null), "invalid_value"),
            (with("cases", json!([])), "invalid_value"),
            (with("cases", json!(["*"])), "invalid_value"),
            (with("at", json!("yesterday")), "invalid_value"),
            (with("why", json!(" ")), "invalid_value"),
            (with("why", json!("x".repeat(WHY_MAX + 1))), "invalid_value"),
            (with("claimed_by", json!("ops\nERROR all is well")), "invalid_value"),
            (with("authenticated", json!(true)), "invalid_value"),
            (with("why", json!("x".repeat(COMMAND_BYTES_MAX))), "too_large"),
        ] {
            assert_eq!(result.as_ref().map_err(CommandError::code), Err(code), "{result:?}");
        }
    }

    #[test]
    fn a_refusal_quotes_nothing() {
        for result in [with("command", json!("priya@larkspur.example")), with("cases", json!("priya@larkspur.example"))]
        {
            assert!(!result.unwrap_err().to_string().contains("priya"));
        }
    }

    #[test]
    fn every_command_fits_its_limit() {
        let case = "0190a8c4-0000-4000-8000-000000000002";
        assert!(with("cases", json!(vec![case; 5000])).is_ok());
    }
}
