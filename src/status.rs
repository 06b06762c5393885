//! The snapshot that the worker publishes: all that `/statusz`, `/readyz` and the gauges show.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::command::Standing;
use crate::model::outcome::{HoldReason, Mode};

/// What the service is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the service.
    pub version: String,
    /// Name of this instance.
    pub instance: String,
    /// When this process started.
    pub started_at: Timestamp,
    /// Whether removals are sent, unless a source or a team says otherwise.
    pub mode: Mode,
    /// What this instance is.
    pub role: Role,
    /// The state was read to its end: true only while `role` is active.
    pub restored: bool,
    /// Why the events partition is refused, with the remedy; absent = it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether removals may be sent, or somebody paused them.
    pub removals: Standing,
    /// The bus.
    pub kafka: KafkaStatus,
    /// Heroku.
    pub heroku: HerokuStatus,
    /// The cases; of a standby all zero, because it holds none.
    pub cases: CasesStatus,
    /// The sources, as this instance sees them.
    pub sources: Vec<SourceStatus>,
}

/// What an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It has not joined the worker's group yet.
    Starting,
    /// It shares the intake; another instance is the worker.
    Standby,
    /// It is the worker.
    Active,
}

impl Role {
    /// All, for the metric's label.
    pub const ALL: [Self; 3] = [Self::Starting, Self::Standby, Self::Active];

    /// As it stands in `/statusz` and in the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Active => "active",
        }
    }
}

/// The bus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KafkaStatus {
    /// The intake's consumers are in their groups.
    pub intake_joined: bool,
    /// Offset up to which events are accepted; absent = this instance is not the worker, or has not committed it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

/// Heroku.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HerokuStatus {
    /// The account that the service acts as.
    pub account: String,
    /// Why nothing is removed although somebody should be: the token is refused, the account suspended …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Calls left by Heroku's own count; absent = not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_remaining: Option<u32>,
    /// Expected teams that the last scan could not read completely.
    pub unread_teams: Vec<String>,
}

/// The cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CasesStatus {
    /// Not ended.
    pub open: u64,
    /// With as many open no event is read (`limits.open_cases`).
    #[serde(default)]
    pub limit: u64,
    /// Since when no event is read for that; absent = events are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_since: Option<Timestamp>,
    /// Of those, the ones that wait, by reason. A case with two reasons counts under both.
    pub held: BTreeMap<HoldReason, u64>,
    /// Of the open ones, those past their deadline.
    pub overdue: u64,
    /// When the event of the oldest open case was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_open_since: Option<Timestamp>,
    /// Ended, and still remembered.
    pub closed_recently: u64,
    /// Of those, the ones that only made a plan (observe mode).
    pub planned: u64,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// When this instance last read a record of it; absent = not since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_record_at: Option<Timestamp>,
    /// Since when this instance has partitions of it; absent = it has none, and others read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Timestamp>,
    /// Since when it says nothing, for longer than its `silent_after`; absent = it speaks, or others read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// Since when records of it wait, because its topic cannot be had, or its schema registry, whoever has its issuer's keys, or
    /// its look-up gives no answer; absent = records are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_because: Option<String>,
    /// Records read since the start.
    pub records: u64,
    /// Elements of them, by decision.
    pub elements: BTreeMap<String, u64>,
}

impl Status {
    /// What there is to say before anything has happened.
    pub fn starting(instance: &str, account: &str, mode: Mode, now: Timestamp) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: instance.to_owned(),
            started_at: now,
            mode,
            role: Role::Starting,
            restored: false,
            refused: None,
            removals: Standing::OutOfDate,
            kafka: KafkaStatus::default(),
            heroku: HerokuStatus { account: account.to_owned(), ..HerokuStatus::default() },
            cases: CasesStatus::default(),
            sources: Vec::new(),
        }
    }

    /// What is missing until this instance can do its part; empty = ready. Heroku is not among it: a restart
    /// would not mend it, and a probe that fails would block the rollout that does.
    pub fn not_ready_because(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.kafka.intake_joined {
            missing.push("the intake has not joined its consumer group".to_owned());
        }
        match (self.role, &self.refused) {
            (Role::Starting, _) => missing.push("the worker has not joined its consumer group".to_owned()),
            (Role::Active, Some(why)) => missing.push(format!("the events partition is refused: {why}")),
            (Role::Active, None) if !self.restored => missing.push("the state is being restored".to_owned()),
            (Role::Active, None) | (Role::Standby, _) => {}
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(role: Role) -> Status {
        let mut status = Status::starting("a", "bot@larkspur.example", Mode::Observe, Timestamp::UNIX_EPOCH);
        status.kafka.intake_joined = true;
        status.role = role;
        status
    }

    #[test]
    fn a_standby_is_ready_and_the_worker_only_with_its_state() {
        assert!(joined(Role::Standby).not_ready_because().is_empty());
        assert_eq!(joined(Role::Active).not_ready_because(), ["the state is being restored"]);
        assert!(Status { restored: true, ..joined(Role::Active) }.not_ready_because().is_empty());
        assert_eq!(joined(Role::Starting).not_ready_because().len(), 1);
        let unjoined = Status { kafka: KafkaStatus::default(), ..joined(Role::Standby) };
        assert_eq!(unjoined.not_ready_because(), ["the intake has not joined its consumer group"]);
    }

    #[test]
    fn heroku_makes_it_never_unready() {
        let mut status = Status { restored: true, ..joined(Role::Active) };
        status.heroku.stopped = Some("401: the token is refused".to_owned());
        assert!(status.not_ready_because().is_empty());
    }

    #[test]
    fn a_refused_partition_says_why() {
        let status = Status { refused: Some("state was lost".to_owned()), ..joined(Role::Active) };
        assert_eq!(status.not_ready_because(), ["the events partition is refused: state was lost"]);
    }

    #[test]
    fn hold_reasons_are_keys_of_the_json() {
        let mut status = joined(Role::Active);
        status.cases.held.insert(HoldReason::LastHumanAdmin, 2);
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["cases"]["held"]["last_human_admin"], 2);
        assert_eq!(json["role"], "active");
        assert_eq!(serde_json::from_value::<Status>(json).unwrap(), status);
    }
}
