//! What people order through the commands topic. The topic's ACL decides who may: a command says who it claims to be
//! from, and nothing proves it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CaseId, CommandId, PlanId};

/// The version of [`Command`] that is written and read.
pub const COMMAND_VERSION: u32 = 1;

/// One record of the commands topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// [`COMMAND_VERSION`].
    pub schema_version: u32,
    /// Random.
    pub id: CommandId,
    /// When it was given, by the clock of whoever gave it.
    pub at: Timestamp,
    /// Whoever gave it says that they are this.
    pub claimed_by: String,
    /// Whether that was proven. Never, so far: Kafka hands no identity on.
    pub authenticated: bool,
    /// Why, in their words.
    pub why: String,
    /// What is ordered.
    #[serde(flatten)]
    pub act: Act,
}

/// What can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Act {
    /// Start no removal until [`Act::Resume`].
    Pause,
    /// Start removals again.
    Resume,
    /// Let these held cases go on with exactly the plan that was seen.
    Approve {
        /// Which.
        cases: Vec<CaseId>,
        /// The plan that was seen; another one is held again.
        plan: PlanId,
    },
    /// Open a new, enforcing case for each of these planned ones.
    Enforce {
        /// Which.
        cases: Vec<CaseId>,
    },
    /// End these open cases as cancelled. What is gone is not given back.
    Cancel {
        /// Which.
        cases: Vec<CaseId>,
    },
    /// Look at these open cases now instead of later.
    Retry {
        /// Which.
        cases: Vec<CaseId>,
    },
    /// A dead letter was put through the configuration again. Only for the record: the events were written by whoever
    /// gave the command.
    ReplayDeadLetter {
        /// Partition of the dead-letters topic.
        partition: i32,
        /// Offset in it.
        offset: i64,
    },
    /// The state may be used although something is missing.
    AcceptState {
        /// The refusal that is accepted, word for word.
        refusal: String,
    },
}

/// A pause that nobody has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whoever ordered it says that they are this.
    pub by: String,
    /// Why, in their words.
    pub why: String,
    /// When it was ordered.
    pub at: Timestamp,
}

/// Whether removals may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// They may.
    Running,
    /// Somebody paused them.
    Paused(Pause),
    /// Nobody knows: what was ordered has not been read to its end lately. Then none is sent.
    OutOfDate,
}

impl Pause {
    /// As a command ordered it.
    pub fn of(command: &Command) -> Self {
        Self { by: command.claimed_by.clone(), why: command.why.clone(), at: command.at }
    }
}

impl Act {
    /// All of them, as they stand in records.
    pub const NAMES: [&str; 8] =
        ["pause", "resume", "approve", "enforce", "cancel", "retry", "replay_dead_letter", "accept_state"];

    /// As it stands in records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Approve { .. } => "approve",
            Self::Enforce { .. } => "enforce",
            Self::Cancel { .. } => "cancel",
            Self::Retry { .. } => "retry",
            Self::ReplayDeadLetter { .. } => "replay_dead_letter",
            Self::AcceptState { .. } => "accept_state",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_one_flat_object() {
        let text = json!({
            "schema_version": 1, "id": "0190a8c4-0000-4000-8000-000000000001", "at": "2026-06-01T09:00:00Z",
            "claimed_by": "ops", "authenticated": false, "why": "all of sales left", "command": "approve",
            "cases": ["0190a8c4-0000-4000-8000-000000000002"], "plan": "0190a8c4-0000-4000-8000-000000000003",
        });
        let command: Command = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(command.act.as_str(), "approve");
        assert!(Act::NAMES.contains(&command.act.as_str()));
        assert_eq!(serde_json::to_value(&command).unwrap(), text);
    }
}
