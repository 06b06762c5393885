//! Reading one partition from its beginning to an end that is known beforehand.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use super::context::Plain;
use super::writer::ANSWER_WITHIN;

/// A read that stands still for so long is given up.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Pause before a partition's leader is asked for again.
const LEADER_RETRY: Duration = Duration::from_millis(100);

/// Why a partition could not be read to its end.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The broker did not answer.
    #[error("{topic} cannot be read")]
    Kafka {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
    /// Nothing arrived any more.
    #[error("{topic}: stuck at offset {position}, before its end {target}")]
    Standstill {
        /// The topic.
        topic: String,
        /// Where it stopped; -1 = nothing was read.
        position: i64,
        /// Where it should have arrived.
        target: i64,
    },
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next record, please.
    Continue,
    /// Enough.
    Stop,
}

/// The first offset of a partition and the one after its last, as this client may see them. A client that heard of the
/// partition while it had no leader remembers that, and by itself asks nobody again for minutes; so it is made to ask.
pub(super) fn watermarks(client: &BaseConsumer<Plain>, topic: &str, partition: i32) -> KafkaResult<(i64, i64)> {
    let began = Instant::now();
    loop {
        match client.fetch_watermarks(topic, partition, ANSWER_WITHIN) {
            Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition,
            )) if began.elapsed() < ANSWER_WITHIN => {
                client.fetch_metadata(Some(topic), ANSWER_WITHIN)?;
                std::thread::sleep(LEADER_RETRY);
            }
            answer => return answer,
        }
    }
}

/// Reads a partition until `target`, an offset that the reader is known to be able to reach.
pub(super) fn read_to(
    reader: &BaseConsumer<Plain>,
    topic: &str,
    partition: i32,
    target: i64,
    each: impl FnMut(&BorrowedMessage<'_>) -> Next,
) -> Result<(), ScanError> {
    let failed = |source| ScanError::Kafka { topic: topic.to_owned(), source };
    let (low, _) = watermarks(reader, topic, partition).map_err(failed)?;
    // Nothing to read. Asking for the position would never answer: it stays invalid when no record is left.
    if low >= target {
        return Ok(());
    }
    read_from(reader, topic, partition, low, target, each)
}

/// The same from an offset that is there, before `target`.
pub(super) fn read_from(
    reader: &BaseConsumer<Plain>,
    topic: &str,
    partition: i32,
    first: i64,
    target: i64,
    each: impl FnMut(&BorrowedMessage<'_>) -> Next,
) -> Result<(), ScanError> {
    let failed = |source| ScanError::Kafka { topic: topic.to_owned(), source };
    assign(reader, topic, partition, Offset::Offset(first)).map_err(failed)?;
    let result = read_assigned(reader, topic, target, each);
    reader.unassign().map_err(failed)?;
    result
}

/// Assigns one partition by hand.
pub(super) fn assign(reader: &BaseConsumer<Plain>, topic: &str, partition: i32, offset: Offset) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset)?;
    reader.assign(&list)
}

fn read_assigned(
    reader: &BaseConsumer<Plain>,
    topic: &str,
    target: i64,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> Next,
) -> Result<(), ScanError> {
    let failed = |source| ScanError::Kafka { topic: topic.to_owned(), source };
    let mut at_end = false;
    let mut moved = Instant::now();
    loop {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                moved = Instant::now();
                if each(&record) == Next::Stop {
                    return Ok(());
                }
                continue;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => at_end = true,
            Some(Err(error)) if is_final(reader, &error) => return Err(failed(error)),
            Some(Err(_)) | None => {}
        }
        // At its end the position has passed the transaction markers, which are never delivered.
        let position = position(reader).map_err(failed)?;
        if at_end && position.is_some_and(|position| position >= target) {
            return Ok(());
        }
        if moved.elapsed() > STANDSTILL {
            return Err(ScanError::Standstill { topic: topic.to_owned(), position: position.unwrap_or(-1), target });
        }
    }
}

/// Whether a consumer cannot go on. Every other error is information: librdkafka reconnects by itself.
pub(super) fn is_final(reader: &BaseConsumer<Plain>, error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || reader.client().fatal_error().is_some()
        || error.rdkafka_error_code().is_some_and(|code| {
            [
                RDKafkaErrorCode::UnknownTopicOrPartition,
                RDKafkaErrorCode::TopicAuthorizationFailed,
                RDKafkaErrorCode::BadMessage,
                RDKafkaErrorCode::BadCompression,
            ]
            .contains(&code)
        })
}

/// The position of a consumer that has one partition. The list is copied and dropped at once: one that lives when its
/// consumer is dropped would block it for ever.
pub(super) fn position(reader: &BaseConsumer<Plain>) -> KafkaResult<Option<i64>> {
    let list = reader.position()?;
    Ok(list.elements().first().and_then(|element| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    }))
}
