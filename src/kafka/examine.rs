//! Questions that `check` asks of a cluster: is it there, does it hold a topic, may we do what the service does. Nothing
//! asked here leaves a trace that a reader of committed records could see.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::util::Timeout;

use super::context::Plain;
use super::delivery::{Deliveries, Target};
use super::names::{PARTITION, TopicNames};
use super::settings::KafkaSettings;
use super::writer::ANSWER_WITHIN;

/// What follows the prefix in the transactional id of the examination. Not the worker's: initialising that one would
/// throw the active worker out.
const CHECK_ID: &str = "check";

/// The key of the tombstones in the aborted transaction.
const CHECK_KEY: &[u8] = b"check";

/// How long the records of the examination may take.
const SENT_WITHIN: Duration = Duration::from_secs(20);

/// One right that the service needs, and whether it has it.
#[derive(Debug)]
pub struct Right {
    /// What for, as a phrase.
    pub what: String,
    /// What Kafka said.
    pub answer: KafkaResult<()>,
}

/// How many brokers the cluster has.
///
/// # Errors
/// When none answers.
pub fn brokers(settings: &KafkaSettings) -> KafkaResult<usize> {
    let client: BaseConsumer<Plain> = settings.probe().create_with_context(Plain)?;
    // Of one topic that need not exist: a client without rights sees the brokers all the same.
    Ok(client.fetch_metadata(Some("__consumer_offsets"), ANSWER_WITHIN)?.brokers().len())
}

/// How many partitions a topic has; `None` when it does not exist.
///
/// # Errors
/// When no broker answers, or refuses.
pub fn partitions(settings: &KafkaSettings, topic: &str) -> KafkaResult<Option<usize>> {
    let client: BaseConsumer<Plain> = settings.probe().create_with_context(Plain)?;
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(Some(found.partitions().len())),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

/// Tries what the service does on its own cluster: a transaction over every topic that it writes, which is aborted,
/// a look at its groups, and reading what it reads. The topics must be there.
pub fn rights(settings: &KafkaSettings, names: &TopicNames) -> Vec<Right> {
    let written = [&names.events, &names.state, &names.outcomes, &names.dead_letters];
    let mut rights = vec![Right {
        what: format!("transactions under {}*, writing to {} topics", names.transactional_id, written.len()),
        answer: aborted_transaction(settings, names, &written.map(String::as_str)),
    }];
    for group in [&names.worker_group, &names.intake_group] {
        let answer = offset_of(settings, group, &names.events);
        rights.push(Right { what: format!("group {group}"), answer });
    }
    let read = [&names.events, &names.state, &names.commands, &names.outcomes, &names.requests];
    for topic in read {
        rights.push(Right { what: format!("reading {topic}"), answer: fetch(settings, names, topic) });
    }
    rights
}

/// Whether records of a topic may be fetched, and offsets kept for the group that reads it.
///
/// # Errors
/// When no broker answers, or refuses.
pub fn readable(settings: &KafkaSettings, names: &TopicNames, topic: &str) -> KafkaResult<()> {
    offset_of(settings, &names.intake_group, topic)?;
    fetch(settings, names, topic)
}

fn aborted_transaction(settings: &KafkaSettings, names: &TopicNames, topics: &[&str]) -> KafkaResult<()> {
    let mut config = settings.writer(names);
    config.set("transactional.id", format!("{}.{CHECK_ID}", names.transactional_id));
    config.set("message.timeout.ms", SENT_WITHIN.as_millis().to_string());
    let mut deliveries = Deliveries::new(&config)?;
    deliveries.producer().init_transactions(ANSWER_WITHIN)?;
    deliveries.producer().begin_transaction()?;
    for topic in topics {
        let target = Target { topic, partition: Some(PARTITION) };
        deliveries.send(target, Some(CHECK_KEY), None, None);
    }
    let sent = deliveries.settle(SENT_WITHIN);
    let aborted = deliveries.producer().abort_transaction(Timeout::After(ANSWER_WITHIN));
    sent.and(aborted)
}

fn offset_of(settings: &KafkaSettings, group: &str, topic: &str) -> KafkaResult<()> {
    let reader: BaseConsumer<Plain> = settings.reader(group).create_with_context(Plain)?;
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, PARTITION);
    reader.committed_offsets(list, ANSWER_WITHIN)?.elements().iter().try_for_each(|element| element.error())
}

/// Fetches from the end: an empty answer is as good as a record.
fn fetch(settings: &KafkaSettings, names: &TopicNames, topic: &str) -> KafkaResult<()> {
    // Assigned by hand, a consumer only names its group; it does not join.
    let reader: BaseConsumer<Plain> = settings.reader(&names.intake_group).create_with_context(Plain)?;
    super::scan::assign(&reader, topic, PARTITION, rdkafka::Offset::End)?;
    let began = std::time::Instant::now();
    loop {
        match reader.poll(Duration::from_millis(200)) {
            Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if super::scan::is_final(&reader, &error) => return Err(error),
            Some(Err(error)) if began.elapsed() > ANSWER_WITHIN => return Err(error),
            None if began.elapsed() > ANSWER_WITHIN => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            Some(Err(_)) | None => {}
        }
    }
}
