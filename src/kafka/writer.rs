//! The worker's transactional producer, and one transaction of it.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::Producer;
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, warn};

use super::delivery::{Deliveries, Target, headers};
use super::log::{Batch, CommitError, OutgoingRecord};
use super::names::{PARTITION, TopicNames};
use super::native;
use super::settings::{COMMIT_WITHOUT_RETRY, KafkaSettings, TRANSACTION_TIMEOUT};
use crate::crash;

/// How long a broker may take to answer one question.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long librdkafka may take to send a position: twice as long as the slowest change of a leader that was seen.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// How long the end of a transaction may take. After that the coordinator has aborted it, or will not say.
const END_WITHIN: Duration = TRANSACTION_TIMEOUT.saturating_add(ANSWER_WITHIN);

/// An initialised transactional producer. Whoever opens one fences every earlier one of the same transactional id.
pub(super) struct Writer {
    deliveries: Deliveries,
    /// A request that ends a transaction may have been sent twice, and the first copy may still be on its way.
    suspect: bool,
    /// When it was opened or committed last.
    used: Instant,
}

impl Writer {
    /// Creates the producer and initialises it: what a predecessor left open is aborted when this returns.
    pub(super) fn open(settings: &KafkaSettings, names: &TopicNames) -> KafkaResult<Self> {
        let deliveries = Deliveries::new(&settings.writer(names))?;
        // A client without a connection waits 500 ms in its first blocking call; this opens one.
        deliveries.producer().client().fetch_metadata(Some(&names.state), ANSWER_WITHIN)?;
        let patience = Instant::now();
        loop {
            match deliveries.producer().init_transactions(TRANSACTION_TIMEOUT) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && patience.elapsed() < TRANSACTION_TIMEOUT =>
                {
                    debug!("init_transactions again: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        deliveries.take_troubled();
        Ok(Self { deliveries, suspect: false, used: Instant::now() })
    }

    /// Whether another producer must take over before the next transaction.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// How long it has written nothing. In a short time no broker dies and comes back.
    pub(super) fn idle_for(&self) -> Duration {
        self.used.elapsed()
    }

    /// Writes one batch and the position in one transaction. After an error this writer must not be used again.
    pub(super) fn commit<C: ConsumerContext>(
        &mut self,
        names: &TopicNames,
        member: &BaseConsumer<C>,
        batch: &Batch,
        state_from: i64,
    ) -> Result<(), CommitError> {
        self.deliveries.producer().begin_transaction().map_err(CommitError::Unknown)?;
        match self.fill(names, member, batch, state_from) {
            Ok(()) => self.end(batch),
            Err(error) => Err(self.abandon(error)),
        }
    }

    fn fill<C: ConsumerContext>(
        &mut self,
        names: &TopicNames,
        member: &BaseConsumer<C>,
        batch: &Batch,
        state_from: i64,
    ) -> Result<(), CommitError> {
        let state = || Target { topic: &names.state, partition: Some(PARTITION) };
        for (key, value) in &batch.state {
            self.deliveries.send(state(), Some(key.as_bytes()), value.as_deref(), None);
        }
        let position = super::restore::position_value(batch.position, state_from);
        self.deliveries.send(state(), Some(super::restore::POSITION_KEY.as_bytes()), Some(&position), None);
        self.send_all(&names.outcomes, &batch.outcomes);
        self.send_all(&names.dead_letters, &batch.dead_letters);
        // All delivered before the next call: a commit that still has to flush costs another 100 ms, and so does a
        // position that is sent first.
        self.deliveries.settle(TRANSACTION_TIMEOUT * 2).map_err(CommitError::Unknown)?;
        crash::point(&format!("{}-inside", batch.label));

        let metadata = native::fencing_metadata(member).ok_or(CommitError::NoMember)?;
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&names.events, PARTITION, Offset::Offset(batch.position))
            .map_err(CommitError::Unknown)?;
        let producer = Arc::clone(self.deliveries.producer());
        let calls = answered(SILENCE_MAX, move || {
            repeat_while_retriable("send_offsets", || {
                producer.send_offsets_to_transaction(&offsets, &metadata, Timeout::Never)
            })
        });
        calls.ok_or(CommitError::Silent)?.map(drop).map_err(CommitError::Unknown)
    }

    fn send_all(&mut self, topic: &str, records: &[OutgoingRecord]) {
        for record in records {
            let target = Target { topic, partition: None };
            self.deliveries.send(target, record.key.as_deref(), record.value.as_deref(), headers(&record.headers));
        }
    }

    fn end(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let began = Instant::now();
        let producer = Arc::clone(self.deliveries.producer());
        let calls = answered(END_WITHIN, move || {
            repeat_while_retriable("commit", || producer.commit_transaction(Timeout::Never))
        });
        match calls.ok_or(CommitError::NoEnd)? {
            Ok(calls) => {
                crash::point(&format!("{}-committed", batch.label));
                let troubled = self.deliveries.take_troubled();
                let took = began.elapsed();
                self.used = Instant::now();
                self.suspect = calls > 1 || troubled || took > COMMIT_WITHOUT_RETRY;
                if self.suspect {
                    debug!(calls, troubled, "commit took {took:?}: another producer takes over");
                }
                Ok(())
            }
            Err(error) => Err(self.abandon(CommitError::Unknown(error))),
        }
    }

    /// Aborts if Kafka lets us. Only then is it known that nothing of the batch will ever be seen.
    fn abandon(&mut self, error: CommitError) -> CommitError {
        let cause = match error {
            CommitError::NoMember => None,
            CommitError::Unknown(cause) => Some(cause),
            // After a silence the call is still on, and would let no other one in.
            CommitError::Silent
            | CommitError::NoEnd
            | CommitError::Aborted(_)
            | CommitError::NotRestored
            | CommitError::Writer(_)
            | CommitError::Unsettled(_) => return error,
        };
        if self.deliveries.producer().client().fatal_error().is_none() {
            let producer = Arc::clone(self.deliveries.producer());
            let aborted = answered(ANSWER_WITHIN, move || {
                repeat_while_retriable("abort", || producer.abort_transaction(Timeout::Never))
            });
            match (aborted, cause) {
                (Some(Ok(_)) | None, None) => return CommitError::NoMember,
                (Some(Ok(_)), Some(cause)) => return CommitError::Aborted(cause),
                (Some(Err(failure)), None) => return CommitError::Unknown(failure),
                (Some(Err(failure)), Some(cause)) => {
                    warn!("abort failed as well: {failure}");
                    return CommitError::Unknown(cause);
                }
                // Without brokers there is nothing to wait for; the next producer aborts what is left open.
                (None, Some(cause)) => return CommitError::Unknown(cause),
            }
        }
        cause.map_or(CommitError::NoMember, CommitError::Unknown)
    }
}

/// Waits for a call, but not for ever: without a coordinator it does not return, and while one moves away from a dying
/// broker, librdkafka has been seen to forget its own request. What still comes of it is fenced by the next producer.
fn answered<T: Send + 'static>(within: Duration, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        // Nobody waits any more when it took too long.
        let _ = send.send(call());
    });
    receive.recv_timeout(within).ok()
}

/// Calls until the result is final, as librdkafka asks for: the same call again, never another one. Returns the number
/// of calls.
fn repeat_while_retriable(what: &str, mut call: impl FnMut() -> KafkaResult<()>) -> KafkaResult<u32> {
    let began = Instant::now();
    let mut calls = 1;
    loop {
        match call() {
            Ok(()) => return Ok(calls),
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && !error.is_fatal() && began.elapsed() < TRANSACTION_TIMEOUT =>
            {
                debug!("{what} again: {error}");
                calls += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
