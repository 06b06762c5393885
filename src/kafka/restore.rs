//! Rebuilding what the worker knows: the state topic read to its true end, and the position compared with what the
//! group and the events topic say.
//!
//! "To its end" is the trap. A reader of committed records stops at the first open transaction and calls that the end,
//! although committed records may lie behind it. So the end is taken from a client that sees everything, after the
//! predecessor's transaction was aborted, and the reading starts only when the committed end has arrived there.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::context::Plain;
use super::names::{PARTITION, TopicNames};
use super::scan::{self, Next, ScanError};
use super::settings::{KafkaSettings, TRANSACTION_TIMEOUT};
use super::writer::ANSWER_WITHIN;
use crate::model::CommandId;
use crate::model::command::{Act, Command};
use crate::wire::read_command;

/// Key of the worker's position in the state topic.
pub const POSITION_KEY: &str = "pos";

/// How long the committed end may lag behind the true end before it counts as stuck.
const LAG_MAX: Duration = TRANSACTION_TIMEOUT.saturating_mul(2);

/// What the log holds.
#[derive(Debug)]
pub struct Restored {
    /// The latest value of each key of the state topic, without the position.
    pub records: Vec<(String, Vec<u8>)>,
    /// Offset of the first event that is not yet accepted.
    pub position: i64,
    /// What somebody should know, each a sentence.
    pub notes: Vec<String>,
    /// Something was lost, and somebody accepted it: the new position is to be committed at once.
    pub accepted: bool,
    /// First offset of the state topic; goes along with every position, so that a later loss of its records shows.
    pub state_from: i64,
}

/// Why the worker must not run. Nothing was written.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Kafka did not answer, or not in time; trying again may help.
    #[error("the state cannot be restored")]
    Kafka(#[source] KafkaError),
    /// The partition is not ours any more; poll.
    #[error("partition {PARTITION} of the events topic is not assigned to this instance")]
    NotAssigned,
    /// A topic could not be read to its end.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Committed records are hidden behind a transaction that nobody ends.
    #[error(
        "{topic} is readable to offset {readable} only, but ends at {end}, and nothing moves: a transaction hangs \
         (see `kafka-transactions.sh find-hanging`), or its commit markers were lost in a crash of all replicas; \
         writing on could hide records whose commit had succeeded"
    )]
    Hanging {
        /// A topic that the worker writes.
        topic: String,
        /// The committed end.
        readable: i64,
        /// The true end.
        end: i64,
    },
    /// The group's offset is held by a transaction that nobody ends.
    #[error(
        "the offset of group {group} on {topic} cannot be read for {seconds} s, and everything else can: a transaction hangs \
         (see `kafka-transactions.sh find-hanging`), or its commit markers were lost in a crash of all replicas"
    )]
    HangingOffset {
        /// The worker's group.
        group: String,
        /// The events topic.
        topic: String,
        /// How long it was tried, in seconds.
        seconds: u64,
    },
    /// The state is older than what the group committed, or missing while other topics show that it existed.
    #[error(
        "{why}: the state was lost ({topic} ends at offset {end}); restore the topic from a backup, or accept the loss \
         with `heroku-deprovisioner state accept`"
    )]
    StateLost {
        /// The state topic.
        topic: String,
        /// Its end.
        end: i64,
        /// How it shows.
        why: String,
    },
    /// Events were deleted before they were accepted.
    #[error(
        "{topic} begins at offset {low}, but only what lies before {position} was accepted: the events between were \
         deleted unread; raise retention.ms of the topic, accept the loss with `heroku-deprovisioner state accept`, and \
         have them published again"
    )]
    Gap {
        /// The events topic.
        topic: String,
        /// Its first offset.
        low: i64,
        /// Where reading should go on.
        position: i64,
    },
    /// The events topic is shorter than what was accepted from it.
    #[error(
        "{topic} ends at offset {high}, but events up to {position} were accepted: the topic was truncated or made \
         anew; restore it, or accept the loss with `heroku-deprovisioner state accept`"
    )]
    Truncated {
        /// The events topic.
        topic: String,
        /// Its end.
        high: i64,
        /// Where reading should go on.
        position: i64,
    },
    /// The position record is not readable.
    #[error("the record `{POSITION_KEY}` in {topic} cannot be read; it was written by a newer release or not by us")]
    Position {
        /// The state topic.
        topic: String,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
}

impl RestoreError {
    /// Whether a person may order the worker to go on all the same.
    pub fn is_acceptable(&self) -> bool {
        match self {
            Self::StateLost { .. } | Self::Gap { .. } | Self::Truncated { .. } => true,
            // Writing on could hide records whose commit had succeeded.
            Self::Hanging { .. } | Self::HangingOffset { .. } => false,
            Self::Kafka(_) | Self::NotAssigned | Self::Scan(_) | Self::Position { .. } => false,
        }
    }
}

/// Why the worker would refuse the state as it is now; `None` = it would not.
///
/// # Errors
/// When that cannot be found out.
pub fn refusal(settings: &KafkaSettings, names: &TopicNames) -> Result<Option<RestoreError>, RestoreError> {
    let restorer = Restorer::connect(settings, names).map_err(RestoreError::Kafka)?;
    // Not a member: it names the group whose offset is asked for, and joins nothing.
    let outsider: BaseConsumer<Plain> =
        settings.reader(&names.worker_group).create_with_context(Plain).map_err(RestoreError::Kafka)?;
    let read = restorer.settled(names, LAG_MAX).and_then(|()| restorer.read_state(&names.state));
    let mut latest = match read {
        Err(why @ RestoreError::Hanging { .. }) => return Ok(Some(why)),
        read => read?,
    };
    match restorer.position(names, &outsider, &mut latest) {
        Ok(_) => Ok(None),
        Err(why @ (RestoreError::Kafka(_) | RestoreError::Scan(_) | RestoreError::NotAssigned)) => Err(why),
        Err(why) => Ok(Some(why)),
    }
}

/// The position as it stands in the state topic.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    v: Version,
    events: i64,
    /// First offset of the state topic itself. Compaction leaves it at 0; whatever raises it deletes records.
    #[serde(default, skip_serializing_if = "is_zero")]
    state_from: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The format's version; only 1 exists.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
#[derive(Clone, Copy)]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == 1 { Ok(Self) } else { Err(format!("version {version} is unknown")) }
    }
}

impl From<Version> for u32 {
    fn from(Version: Version) -> Self {
        1
    }
}

/// The value of the position record.
pub(super) fn position_value(events: i64, state_from: i64) -> Vec<u8> {
    serde_json::to_vec(&Position { v: Version, events, state_from }).expect("two numbers always serialise")
}

/// The two clients that a restore needs, kept connected so that a takeover does not wait for connections.
pub(super) struct Restorer {
    /// Sees the true end.
    probe: BaseConsumer<Plain>,
    /// Sees what is committed.
    reader: BaseConsumer<Plain>,
    /// Since when the group's offset is asked for in vain.
    in_vain_since: Cell<Option<Instant>>,
}

impl Restorer {
    pub(super) fn connect(settings: &KafkaSettings, names: &TopicNames) -> KafkaResult<Self> {
        let probe: BaseConsumer<Plain> = settings.probe().create_with_context(Plain)?;
        let reader: BaseConsumer<Plain> =
            settings.reader(&format!("{}.restore", names.worker_group)).create_with_context(Plain)?;
        probe.fetch_metadata(Some(&names.state), ANSWER_WITHIN)?;
        reader.fetch_metadata(Some(&names.state), ANSWER_WITHIN)?;
        Ok(Self { probe, reader, in_vain_since: Cell::new(None) })
    }

    /// Reads the state and the position. To be called after `init_transactions`, which ends what a predecessor left.
    pub(super) fn restore<C: ConsumerContext>(
        &self,
        names: &TopicNames,
        member: &BaseConsumer<C>,
    ) -> Result<Restored, RestoreError> {
        self.settled(names, LAG_MAX)?;
        let mut latest = self.read_state(&names.state)?;
        let (state_from, _) = self.watermarks(&names.state, PARTITION).map_err(RestoreError::Kafka)?;
        match self.position(names, member, &mut latest) {
            Ok((position, notes)) => {
                Ok(Restored { records: latest.into_iter().collect(), position, notes, accepted: false, state_from })
            }
            Err(why) if why.is_acceptable() => {
                let Some(command) = self.acceptance(names, &why.to_string())? else { return Err(why) };
                let (position, _) = self.watermarks(&names.events, PARTITION).map_err(RestoreError::Kafka)?;
                let notes = vec![format!("Accepted by command {command}, and begun at offset {position}: {why}.")];
                Ok(Restored { records: latest.into_iter().collect(), position, notes, accepted: true, state_from })
            }
            Err(why) => Err(why),
        }
    }

    /// Where to go on, with what somebody should know.
    fn position<C: ConsumerContext>(
        &self,
        names: &TopicNames,
        member: &BaseConsumer<C>,
        latest: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(i64, Vec<String>), RestoreError> {
        let written = latest
            .remove(POSITION_KEY)
            .map(|value| serde_json::from_slice::<Position>(&value))
            .transpose()
            .map_err(|source| RestoreError::Position { topic: names.state.clone(), source })?;
        let known_from = written.as_ref().map_or(0, |position| position.state_from);
        let written = written.map(|position| position.events);
        let committed = self.committed_offset(names, member)?;
        let (low, high) = self.watermarks(&names.events, PARTITION).map_err(RestoreError::Kafka)?;

        // The end is named so that the acceptance of one loss does not pass for that of the next.
        let (from, end) = self.watermarks(&names.state, PARTITION).map_err(RestoreError::Kafka)?;
        let lost = |why: String| RestoreError::StateLost { topic: names.state.clone(), end, why };
        let mut notes = Vec::new();
        let position = match (written, committed) {
            (Some(position), Some(committed)) if committed > position => {
                return Err(lost(format!(
                    "the group has committed offset {committed} of {}, the state only {position}",
                    names.events
                )));
            }
            (Some(position), Some(committed)) => {
                if committed < position {
                    notes.push(format!(
                        "The group's offset of {} is {committed}, the state says {position}; the state counts.",
                        names.events
                    ));
                }
                position
            }
            (Some(position), None) => {
                notes.push(format!(
                    "The group has no offset of {}; the state says {position}, and that counts.",
                    names.events
                ));
                position
            }
            (None, Some(committed)) => {
                return Err(lost(format!(
                    "the group has committed offset {committed} of {}, the state knows no position",
                    names.events
                )));
            }
            (None, None) if !latest.is_empty() => {
                return Err(lost("it holds records, but no position".to_owned()));
            }
            (None, None) => match self.extent(&names.outcomes)? {
                Some(extent) => {
                    let outcomes = &names.outcomes;
                    return Err(lost(format!("{outcomes} holds records (its ends: {extent}), {} none", names.state)));
                }
                None => low,
            },
        };
        if from > known_from {
            return Err(lost(format!("the records of {} before offset {from} were deleted", names.state)));
        }
        if low > position {
            return Err(RestoreError::Gap { topic: names.events.clone(), low, position });
        }
        if high < position {
            return Err(RestoreError::Truncated { topic: names.events.clone(), high, position });
        }
        Ok((position, notes))
    }

    /// The group's offset of the events topic.
    fn committed_offset<C: ConsumerContext>(
        &self,
        names: &TopicNames,
        member: &BaseConsumer<C>,
    ) -> Result<Option<i64>, RestoreError> {
        let began = Instant::now();
        match committed_offset(member, &names.events) {
            Ok(offset) => {
                self.in_vain_since.set(None);
                Ok(offset)
            }
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => {
                let since = self.in_vain_since.get().unwrap_or(began);
                self.in_vain_since.set(Some(since));
                if since.elapsed() < LAG_MAX {
                    return Err(RestoreError::Kafka(error));
                }
                let (group, topic) = (names.worker_group.clone(), names.events.clone());
                Err(RestoreError::HangingOffset { group, topic, seconds: since.elapsed().as_secs() })
            }
            Err(error) => Err(RestoreError::Kafka(error)),
        }
    }

    /// The command that accepts this very refusal.
    fn acceptance(&self, names: &TopicNames, refusal: &str) -> Result<Option<CommandId>, RestoreError> {
        let (_, end) = scan::watermarks(&self.reader, &names.commands, PARTITION).map_err(RestoreError::Kafka)?;
        let mut found = None;
        scan::read_to(&self.reader, &names.commands, PARTITION, end, |record| {
            if let Ok(Command { id, act: Act::AcceptState { refusal: accepted }, .. }) = read_command(record.payload())
                && accepted == refusal
            {
                found = Some(id);
            }
            Next::Continue
        })?;
        Ok(found)
    }

    /// Whether all that was committed can be read, on every topic that the worker writes. Where it cannot, an older
    /// transaction is not ended, and the next one of ours would end it: by an abort, too.
    pub(super) fn settled(&self, names: &TopicNames, patience: Duration) -> Result<(), RestoreError> {
        let began = Instant::now();
        for topic in [&names.state, &names.outcomes, &names.dead_letters] {
            for partition in self.partitions(topic)? {
                self.readable_end(topic, partition, patience.saturating_sub(began.elapsed()))?;
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<Vec<i32>, RestoreError> {
        let metadata = self.probe.fetch_metadata(Some(topic), ANSWER_WITHIN).map_err(RestoreError::Kafka)?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        Ok(partitions.map(|partition| partition.id()).collect())
    }

    fn read_state(&self, topic: &str) -> Result<BTreeMap<String, Vec<u8>>, RestoreError> {
        let end = self.readable_end(topic, PARTITION, LAG_MAX)?;
        let mut latest = BTreeMap::new();
        scan::read_to(&self.reader, topic, PARTITION, end, |record| {
            let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            match record.payload() {
                Some(value) => latest.insert(key, value.to_vec()),
                None => latest.remove(&key),
            };
            Next::Continue
        })?;
        Ok(latest)
    }

    /// The true end, once everything before it can be read.
    fn readable_end(&self, topic: &str, partition: i32, patience: Duration) -> Result<i64, RestoreError> {
        let (_, end) = self.watermarks(topic, partition).map_err(RestoreError::Kafka)?;
        let began = Instant::now();
        loop {
            let (_, readable) = scan::watermarks(&self.reader, topic, partition).map_err(RestoreError::Kafka)?;
            if readable >= end {
                return Ok(end);
            }
            if began.elapsed() > patience {
                return Err(RestoreError::Hanging { topic: topic.to_owned(), readable, end });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ends of a topic's partitions; `None` = it holds no committed record. The ends alone do not tell: an aborted
    /// transaction moves them, too.
    fn extent(&self, topic: &str) -> Result<Option<String>, RestoreError> {
        let mut found = false;
        let mut ends = Vec::new();
        for partition in self.partitions(topic)? {
            let end = self.readable_end(topic, partition, LAG_MAX)?;
            ends.push(end.to_string());
            if found {
                continue;
            }
            scan::read_to(&self.reader, topic, partition, end, |_| {
                found = true;
                Next::Stop
            })?;
        }
        Ok(found.then(|| ends.join(" ")))
    }

    fn watermarks(&self, topic: &str, partition: i32) -> KafkaResult<(i64, i64)> {
        scan::watermarks(&self.probe, topic, partition)
    }
}

/// The group's offset of the events topic. Kafka answers only when no transaction holds it open, so this comes after
/// `init_transactions`.
fn committed_offset<C: ConsumerContext>(member: &BaseConsumer<C>, topic: &str) -> KafkaResult<Option<i64>> {
    let began = Instant::now();
    loop {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, PARTITION);
        match member.committed_offsets(list, ANSWER_WITHIN) {
            Ok(list) => {
                return Ok(list.elements().first().and_then(|element| match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
                }));
            }
            // Seen while the coordinator moves to another broker.
            Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NotCoordinator)) if began.elapsed() < ANSWER_WITHIN => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_written_as_documented_and_a_newer_one_is_refused() {
        assert_eq!(position_value(7, 0), br#"{"v":1,"events":7}"#);
        assert_eq!(position_value(7, 40), br#"{"v":1,"events":7,"state_from":40}"#);
        assert!(serde_json::from_slice::<Position>(br#"{"v":2,"events":7}"#).is_err());
    }
}
