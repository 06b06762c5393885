//! Sending single records from outside the worker: an offboarding ordered by hand, the demo's source records.

use std::time::Duration;

use rdkafka::error::KafkaError;
use thiserror::Error;

use super::delivery::{Deliveries, Target, headers};
use super::log::OutgoingRecord;
use super::settings::KafkaSettings;

/// How long an acknowledgement may take.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Nothing is known to have arrived.
#[derive(Debug, Error)]
#[error("topic {topic} did not take the record")]
pub struct SendError {
    topic: String,
    #[source]
    source: KafkaError,
}

/// Sends records to one topic and waits until all in-sync replicas have them.
///
/// # Errors
/// When one of them was not acknowledged; others may have arrived.
pub fn send(settings: &KafkaSettings, topic: &str, records: &[OutgoingRecord]) -> Result<(), SendError> {
    let failed = |source| SendError { topic: topic.to_owned(), source };
    let mut config = settings.producer();
    config.set("message.timeout.ms", ACKNOWLEDGED_WITHIN.as_millis().to_string());
    let mut producer = Deliveries::new(&config).map_err(failed)?;
    for record in records {
        let target = Target { topic, partition: None };
        producer.send(target, record.key.as_deref(), record.value.as_deref(), headers(&record.headers));
    }
    producer.settle(ACKNOWLEDGED_WITHIN * 2).map_err(failed)
}
