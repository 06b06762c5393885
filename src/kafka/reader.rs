//! Reading our own topics from outside the worker: the latest value of each key, and whatever comes next. Both see
//! committed records only.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tracing::debug;

use super::context::Plain;
use super::scan::{self, Next, ScanError};
use super::settings::KafkaSettings;
use super::silence::Silence;
use super::writer::ANSWER_WITHIN;

/// Named in requests to the broker; nothing is ever committed for it, so no group comes into being.
const GROUP: &str = "reader";

/// Why a topic cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The broker did not answer, or refused.
    #[error("topic {topic} cannot be read")]
    Kafka {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
    /// No broker answered.
    #[error(transparent)]
    Silent(#[from] Silence),
    /// It is not there.
    #[error("topic {topic} does not exist")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// Its end was not reached.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// A record of one of our topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was written, by the clock of whoever wrote it or of the broker; absent = unknown.
    pub written_at: Option<Timestamp>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl TopicRecord {
    /// The value of the header called `name`, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// The latest value of each key in a compacted topic, as it is now. Keys that are no text are left out.
///
/// # Errors
/// When the topic cannot be read to its end.
pub fn latest(settings: &KafkaSettings, topic: &str) -> Result<BTreeMap<String, Vec<u8>>, ReadError> {
    let mut latest = BTreeMap::new();
    visit(settings, topic, |record| {
        if let Some(key) = record.key().and_then(|key| std::str::from_utf8(key).ok()) {
            match record.payload() {
                Some(value) => latest.insert(key.to_owned(), value.to_vec()),
                None => latest.remove(key),
            };
        }
    })?;
    Ok(latest)
}

/// Those records of a topic, as it is now, that `choose` wants by their key and headers.
///
/// # Errors
/// When the topic cannot be read to its end.
pub fn find(
    settings: &KafkaSettings,
    topic: &str,
    mut choose: impl FnMut(&TopicRecord) -> bool,
) -> Result<Vec<TopicRecord>, ReadError> {
    let mut found = Vec::new();
    visit(settings, topic, |record| {
        let record = topic_record(record);
        if choose(&record) {
            found.push(record);
        }
    })?;
    Ok(found)
}

/// The record at a place, committed; `None` when there is none, or none any more.
///
/// # Errors
/// When the topic is not there or the partition cannot be read.
pub fn record_at(
    settings: &KafkaSettings,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<TopicRecord>, ReadError> {
    let reader = open(settings, topic)?;
    if !partitions(settings, &reader, topic)?.contains(&partition) {
        return Ok(None);
    }
    let (low, high) = scan::watermarks(&reader, topic, partition).map_err(|source| failed(topic, source))?;
    if !(low..high).contains(&offset) {
        return Ok(None);
    }
    let mut found = None;
    scan::read_from(&reader, topic, partition, offset, high, |record| {
        found = (record.offset() == offset).then(|| topic_record(record));
        Next::Stop
    })?;
    Ok(found)
}

fn visit(settings: &KafkaSettings, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Result<(), ReadError> {
    let reader = open(settings, topic)?;
    for partition in partitions(settings, &reader, topic)? {
        // For somebody who only looks, what is committed now is enough: an open transaction does not stop it.
        let (_, end) = scan::watermarks(&reader, topic, partition).map_err(|source| failed(topic, source))?;
        scan::read_to(&reader, topic, partition, end, |record| {
            each(record);
            Next::Continue
        })?;
    }
    Ok(())
}

/// Where a [`Follower`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// With the oldest record.
    Beginning,
    /// With the first record that is written after [`Follower::open`] has returned, or just before.
    Now,
    /// With the record at this offset, in a topic of one partition; with the oldest when it is gone.
    Offset(i64),
}

/// Follows a topic, all partitions of it.
pub struct Follower {
    reader: BaseConsumer<Plain>,
    topic: String,
    end: i64,
}

impl Follower {
    /// Begins to follow.
    ///
    /// # Errors
    /// When the topic is not there or no broker answers.
    pub fn open(settings: &KafkaSettings, topic: &str, since: Since) -> Result<Self, ReadError> {
        let reader = open(settings, topic)?;
        let mut list = TopicPartitionList::new();
        let mut end = 0;
        for partition in partitions(settings, &reader, topic)? {
            let (low, high) = scan::watermarks(&reader, topic, partition).map_err(|source| failed(topic, source))?;
            let offset = match since {
                Since::Beginning => low,
                Since::Now => high,
                Since::Offset(offset) => offset.max(low),
            };
            end = end.max(high);
            list.add_partition_offset(topic, partition, Offset::Offset(offset))
                .map_err(|source| failed(topic, source))?;
        }
        reader.assign(&list).map_err(|source| failed(topic, source))?;
        Ok(Self { reader, topic: topic.to_owned(), end })
    }

    /// Where the longest partition ended when this began.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// The next record; `None` when there was none within `wait`.
    ///
    /// # Errors
    /// When reading cannot go on. Outages are not errors.
    pub fn next(&self, wait: Duration) -> Result<Option<TopicRecord>, ReadError> {
        match self.reader.poll(wait) {
            Some(Ok(record)) => Ok(Some(topic_record(&record))),
            Some(Err(error)) if scan::is_final(&self.reader, &error) => Err(failed(&self.topic, error)),
            Some(Err(KafkaError::PartitionEOF(_))) | None => Ok(None),
            Some(Err(error)) => {
                debug!("Reading {}: {error}", self.topic);
                Ok(None)
            }
        }
    }
}

fn open(settings: &KafkaSettings, topic: &str) -> Result<BaseConsumer<Plain>, ReadError> {
    settings.reader(GROUP).create_with_context(Plain).map_err(|source| failed(topic, source))
}

fn partitions(settings: &KafkaSettings, reader: &BaseConsumer<Plain>, topic: &str) -> Result<Vec<i32>, ReadError> {
    let metadata = reader
        .fetch_metadata(Some(topic), ANSWER_WITHIN)
        .map_err(|source| Silence::of(settings, &source).map_or_else(|| failed(topic, source), ReadError::Silent))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map(|found| (found.error().map(RDKafkaErrorCode::from), found.partitions())) {
        Some((None, partitions)) => Ok(partitions.iter().map(|partition| partition.id()).collect()),
        None | Some((Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic), _)) => {
            Err(ReadError::Missing { topic: topic.to_owned() })
        }
        Some((Some(code), _)) => Err(failed(topic, KafkaError::MetadataFetch(code))),
    }
}

fn failed(topic: &str, source: KafkaError) -> ReadError {
    ReadError::Kafka { topic: topic.to_owned(), source }
}

fn topic_record(record: &BorrowedMessage<'_>) -> TopicRecord {
    let headers = record.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    TopicRecord {
        partition: record.partition(),
        offset: record.offset(),
        written_at: record.timestamp().to_millis().and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        key: record.key().map(<[u8]>::to_vec),
        value: record.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
