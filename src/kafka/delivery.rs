//! A producer whose sends are awaited together: so many sent, so many reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};

use super::context;

/// A producer with its delivery reports. It is used by one thread.
pub(super) struct Deliveries {
    producer: Arc<ThreadedProducer<Reports>>,
    reports: Receiver<Result<(), Refusal>>,
    troubled: Arc<AtomicBool>,
    outstanding: usize,
    failure: Option<KafkaError>,
    /// The topic of the record that failed.
    failed_topic: Option<String>,
}

/// Why a record was not taken, and by which topic.
type Refusal = (KafkaError, String);

/// Where a record goes.
pub(super) struct Target<'a> {
    pub(super) topic: &'a str,
    /// `None` = by the key.
    pub(super) partition: Option<i32>,
}

impl Deliveries {
    pub(super) fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let (sender, reports) = channel();
        let troubled = Arc::new(AtomicBool::new(false));
        let producer = Arc::new(config.create_with_context(Reports { sender, troubled: Arc::clone(&troubled) })?);
        Ok(Self { producer, reports, troubled, outstanding: 0, failure: None, failed_topic: None })
    }

    /// The producer, for the calls about transactions.
    pub(super) fn producer(&self) -> &Arc<ThreadedProducer<Reports>> {
        &self.producer
    }

    /// Whether an error of a connection was reported since the last call.
    pub(super) fn take_troubled(&self) -> bool {
        self.troubled.swap(false, Ordering::Relaxed)
    }

    /// Whether something sent is not reported yet.
    pub(super) fn has_outstanding(&self) -> bool {
        self.outstanding > 0
    }

    /// Hands a record to the producer. A failure is kept and returned by [`Self::settle`].
    pub(super) fn send(
        &mut self,
        target: Target<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Option<OwnedHeaders>,
    ) {
        if self.failure.is_some() {
            return;
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(target.topic);
        record.partition = target.partition;
        record.key = key;
        record.payload = value;
        record.headers = headers;
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.outstanding += 1;
                    return;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if self.outstanding > 0 => {
                    // One report frees one place.
                    self.receive(Duration::from_secs(1));
                    record = back;
                }
                Err((error, _)) => {
                    self.failed((error, target.topic.to_owned()));
                    return;
                }
            }
        }
    }

    /// Waits until everything sent is reported, and returns the first failure. After a silence of `silence_max` it
    /// gives up; reports are then still to come, so the producer must not be used again.
    pub(super) fn settle(&mut self, silence_max: Duration) -> KafkaResult<()> {
        while self.outstanding > 0 {
            if !self.receive(silence_max) {
                return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    fn receive(&mut self, wait: Duration) -> bool {
        let Ok(report) = self.reports.recv_timeout(wait) else { return false };
        self.outstanding -= 1;
        if let Err(refusal) = report {
            self.failed(refusal);
        }
        true
    }

    fn failed(&mut self, (error, topic): Refusal) {
        if self.failure.is_none() {
            self.failure = Some(error);
            self.failed_topic = Some(topic);
        }
    }

    /// Which topic it was that did not take a record, once [`Self::settle`] has failed; `None` = none said so in time.
    pub(super) fn failed_topic(&self) -> Option<&str> {
        self.failed_topic.as_deref()
    }
}

/// Passes delivery reports on.
pub(super) struct Reports {
    sender: Sender<Result<(), Refusal>>,
    troubled: Arc<AtomicBool>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubled.store(true, Ordering::Relaxed);
        context::log_error(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        let report = match result {
            Ok(_) => Ok(()),
            Err((error, record)) => Err((error.clone(), record.topic().to_owned())),
        };
        // The receiver is gone only when the producer is being dropped.
        let _ = self.sender.send(report);
    }
}

/// Headers from pairs.
pub(super) fn headers(pairs: &[(String, Vec<u8>)]) -> Option<OwnedHeaders> {
    if pairs.is_empty() {
        return None;
    }
    Some(pairs.iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (key, value)| {
        headers.insert(rdkafka::message::Header { key, value: Some(value.as_slice()) })
    }))
}
