//! The worker's side of Kafka: events in, state and outcomes out, position and memory always of one piece.
//!
//! One thread owns a [`Log`]. It polls; after [`Change::Assigned`] it restores; then it commits one [`Batch`] per turn
//! and acts on it only after `Ok`. After any other result its memory is void: it restores again. Answers that belong
//! to the time before are to be dropped by the caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tracing::{debug, error, info, warn};

use super::context;
use super::names::{PARTITION, TopicNames};
use super::rejoin::Rejoins;
use super::restore::{RestoreError, Restored, Restorer};
use super::settings::KafkaSettings;
use super::writer::{ANSWER_WITHIN, Writer};
use crate::crash;
use crate::wire;

/// Most records that one poll returns.
pub const RECORDS_PER_POLL: usize = 500;

/// How long a poll waits for one more event after an event: people who leave together are accepted in one transaction
/// and served by one scan, instead of the first of them by a scan of their own.
const GATHER: Duration = Duration::from_millis(20);

/// A broker that dies after it said that a commit succeeded may have forgotten, when it is back, to end it on every
/// partition; the client need not notice. It is not back sooner than this, so after a longer time that is looked at before
/// the next transaction, which would end it, with an abort as well.
const IDLE: Duration = Duration::from_millis(500);

/// How long the last transaction may take to be ended everywhere.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Events that trickle in are gathered no longer than this.
const GATHER_MAX: Duration = Duration::from_millis(100);

/// The worker's consumer and producer.
pub struct Log {
    settings: KafkaSettings,
    names: TopicNames,
    instance: String,
    wake: Wake,
    member: BaseConsumer<Membership>,
    rejoins: Rejoins,
    restorer: Restorer,
    /// Present from a restore until the next change, or the next commit that did not succeed.
    writer: Option<Writer>,
    /// First offset of the state topic, as of the last restore.
    state_from: i64,
    assigned: bool,
    /// The partition is not paused.
    flowing: bool,
    /// Offset of the next event to take.
    next: i64,
}

type Wake = Arc<dyn Fn() + Send + Sync>;

/// What happened to the ownership of the events partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is ours, paused; restore.
    Assigned,
    /// It was given up in order.
    Revoked,
    /// It was taken away: somebody else may be working already.
    Lost,
}

/// One record of the events topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its offset; the position after it is one more.
    pub offset: i64,
    /// Its key; empty when it has none or it is no text.
    pub key: String,
    /// Its value; empty when it has none.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What one poll brought.
#[derive(Debug, Default)]
pub struct Polled {
    /// The latest change of ownership. Whatever was in memory before is void.
    pub change: Option<Change>,
    /// Events, in order.
    pub records: Vec<EventRecord>,
}

/// One turn of the worker.
#[derive(Debug, Default)]
pub struct Batch {
    /// `accept`, `intent` or `result`: names the crash points.
    pub label: &'static str,
    /// Offset of the first event that is not accepted by this batch or an earlier one.
    pub position: i64,
    /// New values of the state topic; `None` deletes the key.
    pub state: Vec<(String, Option<Vec<u8>>)>,
    /// Audit records.
    pub outcomes: Vec<OutgoingRecord>,
    /// Events that could not be understood.
    pub dead_letters: Vec<OutgoingRecord>,
}

/// A record on its way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl From<wire::Message> for OutgoingRecord {
    fn from(message: wire::Message) -> Self {
        Self {
            key: Some(message.key.into_bytes()),
            value: Some(message.value),
            headers: message.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(),
        }
    }
}

/// Why the worker could not join.
#[derive(Debug, Error)]
pub enum JoinError {
    /// A setting is not understood by librdkafka.
    #[error("a Kafka client could not be made from the settings")]
    Settings(#[source] KafkaError),
    /// No broker answered, or the topics are not there.
    #[error("Kafka at {bootstrap_servers} did not answer")]
    Unreachable {
        /// The addresses tried.
        bootstrap_servers: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
}

/// Why the worker's consumer cannot go on.
#[derive(Debug, Error)]
pub enum PollError {
    /// Two running instances carry the same name and have thrown each other out several times.
    #[error("another instance runs under the name {instance:?}; give every instance its own name")]
    NameTaken {
        /// The name.
        instance: String,
    },
    /// The next event is not on the topic any more.
    #[error("the next event to read is not on the topic any more: it was deleted before it was accepted")]
    Gap,
    /// librdkafka gave up.
    #[error("the consumer of the events topic cannot go on")]
    Fatal(#[source] KafkaError),
}

/// Why a batch is not, or not known to be, committed. The memory of the worker is void; restore.
#[derive(Debug, Error)]
pub enum CommitError {
    /// No restore has succeeded since the last change or failure.
    #[error("nothing may be committed before the state is restored")]
    NotRestored,
    /// This instance is not a member of the group, so nothing would fence it. The next poll says more.
    #[error("this instance is not a member of the worker's group")]
    NoMember,
    /// Nothing of the batch will ever be visible.
    #[error("the transaction was aborted")]
    Aborted(#[source] KafkaError),
    /// Only the log knows whether the batch is committed.
    #[error("the end of the transaction is not known")]
    Unknown(#[source] KafkaError),
    /// librdkafka does not come back from a call. Nothing of the batch is committed, or will be.
    #[error("no answer to the position of the transaction")]
    Silent,
    /// librdkafka does not come back from the commit. Only the log knows whether the batch is committed.
    #[error("no answer to the end of the transaction")]
    NoEnd,
    /// A new producer was needed and could not be opened. Nothing was written.
    #[error("no producer for the next transaction")]
    Writer(#[source] KafkaError),
    /// What was committed before cannot be read. Nothing was written: that could hide it.
    #[error("an earlier transaction is not ended everywhere")]
    Unsettled(#[source] RestoreError),
}

impl Log {
    /// Joins the worker's group under the name of this instance. `wake` is called, from a thread of librdkafka, when
    /// there is something to poll after there was nothing.
    ///
    /// # Errors
    /// When the settings are refused or no broker answers.
    pub fn join(
        settings: &KafkaSettings,
        names: &TopicNames,
        instance: &str,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, JoinError> {
        let unreachable =
            |source| JoinError::Unreachable { bootstrap_servers: settings.bootstrap_servers().to_owned(), source };
        let restorer = Restorer::connect(settings, names).map_err(unreachable)?;
        let wake: Wake = Arc::new(wake);
        let member = Membership::join(settings, names, instance, &wake).map_err(JoinError::Settings)?;
        Ok(Self {
            settings: settings.clone(),
            names: names.clone(),
            instance: instance.to_owned(),
            wake,
            member,
            rejoins: Rejoins::default(),
            restorer,
            writer: None,
            state_from: 0,
            assigned: false,
            flowing: false,
            next: 0,
        })
    }

    /// Whether the events partition is ours.
    pub fn is_assigned(&self) -> bool {
        self.assigned
    }

    /// Waits for something, at most `wait`, and after an event a moment longer for the next. To be called at least
    /// every few minutes, whatever else happens.
    ///
    /// # Errors
    /// Only when the consumer cannot go on. Outages are not errors; librdkafka reconnects.
    pub fn poll(&mut self, wait: Duration) -> Result<Polled, PollError> {
        self.poll_at_most(wait, RECORDS_PER_POLL)
    }

    /// The same, but it takes `most` events. With 0 the partition rests: nothing of it is fetched or kept, and this
    /// instance stays a member of the group.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn poll_at_most(&mut self, wait: Duration, most: usize) -> Result<Polled, PollError> {
        self.let_flow(most > 0);
        let most = most.clamp(1, RECORDS_PER_POLL);
        let mut polled = Polled::default();
        let mut wait = wait;
        let mut gathering: Option<Instant> = None;
        while polled.records.len() < most {
            let failure = match self.member.poll(wait) {
                // Between the assignment and the end of the restore nothing may be taken, nor while it rests: what
                // was on its way then comes again.
                Some(Ok(record)) if self.writer.is_some() && self.flowing => {
                    self.next = record.offset() + 1;
                    polled.records.push(event_record(&record));
                    gathering.get_or_insert_with(Instant::now);
                    None
                }
                Some(Ok(record)) => {
                    debug!(offset = record.offset(), "Record left out");
                    None
                }
                Some(Err(failure)) => Some(failure),
                None => break,
            };
            if let Some(failure) = failure {
                self.note(failure)?;
            }
            wait = gathering.map_or(Duration::ZERO, |since| GATHER_MAX.saturating_sub(since.elapsed()).min(GATHER));
        }
        polled.change = self.member.context().take_change();
        if let Some(change) = polled.change {
            info!("Partition {PARTITION} of {}: {change:?}", self.names.events);
            self.assigned = change == Change::Assigned;
            self.writer = None;
            // They belong to the time before; the next owner, maybe we, reads them again.
            polled.records.clear();
        }
        if !polled.records.is_empty() {
            crash::point("polled");
        }
        Ok(polled)
    }

    /// Lets the events flow, or rest. A failure is tried again at the next poll.
    fn let_flow(&mut self, flow: bool) {
        if self.writer.is_none() || self.flowing == flow {
            return;
        }
        let changed = match flow {
            true => self.flow_from(self.next),
            false => self.member.pause(&self.partition()),
        };
        match changed {
            Ok(()) => self.flowing = flow,
            Err(failure) => debug!("{failure}"),
        }
    }

    fn flow_from(&self, offset: i64) -> KafkaResult<()> {
        self.member.seek(&self.names.events, PARTITION, Offset::Offset(offset), ANSWER_WITHIN)?;
        self.member.resume(&self.partition())
    }

    fn note(&mut self, failure: KafkaError) -> Result<(), PollError> {
        let fatal = self.member.client().fatal_error().map(|(code, _)| code);
        let is_fatal = fatal.is_some() || matches!(failure, KafkaError::MessageConsumptionFatal(_));
        if failure.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            return Err(PollError::Gap);
        }
        if !is_fatal {
            info!("Reading {}: {failure}", self.names.events);
            return Ok(());
        }
        if !self.rejoins.again(Instant::now()) {
            let fenced = fatal.or(failure.rdkafka_error_code()) == Some(RDKafkaErrorCode::FencedInstanceId);
            let instance = self.instance.clone();
            return Err(if fenced { PollError::NameTaken { instance } } else { PollError::Fatal(failure) });
        }
        warn!("Thrown out of group {}, joining again: {failure}", self.names.worker_group);
        self.writer = None;
        let member = Membership::join(&self.settings, &self.names, &self.instance, &self.wake);
        let former = std::mem::replace(&mut self.member, member.map_err(PollError::Fatal)?);
        // Closing waits for brokers.
        std::thread::spawn(move || drop(former));
        if self.assigned {
            self.member.context().changed(Change::Lost);
        }
        Ok(())
    }

    /// Takes the log over: fences and ends whatever another owner left, reads the state to its end, and lets the
    /// events flow from the position on.
    ///
    /// # Errors
    /// When the state cannot be read or does not fit the other topics. Nothing is written then.
    pub fn restore(&mut self) -> Result<Restored, RestoreError> {
        if !self.assigned {
            return Err(RestoreError::NotAssigned);
        }
        self.abandon();
        let began = Instant::now();
        let writer = Writer::open(&self.settings, &self.names).map_err(RestoreError::Kafka)?;
        let restored = self.restorer.restore(&self.names, &self.member)?;
        self.flow_from(restored.position).map_err(RestoreError::Kafka)?;
        (self.flowing, self.next) = (true, restored.position);
        self.writer = Some(writer);
        self.state_from = restored.state_from;
        info!(
            records = restored.records.len(),
            position = restored.position,
            "State restored in {} ms",
            began.elapsed().as_millis()
        );
        Ok(restored)
    }

    /// Commits one batch: all of it and the position, or nothing.
    ///
    /// # Errors
    /// When the batch is not known to be committed: forget everything and [`Self::restore`].
    pub fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let result = self.try_commit(batch);
        if let Err(failure) = &result {
            debug!("{failure}: {batch:?}", batch = batch.label);
            self.abandon();
        }
        result
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let Some(writer) = &mut self.writer else { return Err(CommitError::NotRestored) };
        let (suspect, idle_for) = (writer.is_suspect(), writer.idle_for());
        if suspect {
            // The old one goes first: never two of one transactional id. Initialising the new one fences whatever
            // the old one still has on its way.
            self.writer = None;
            self.writer = Some(Writer::open(&self.settings, &self.names).map_err(CommitError::Writer)?);
        }
        if suspect || idle_for > IDLE {
            self.restorer.settled(&self.names, SETTLED_WITHIN).map_err(CommitError::Unsettled)?;
        }
        let Some(writer) = &mut self.writer else { return Err(CommitError::NotRestored) };
        writer.commit(&self.names, &self.member, batch, self.state_from)
    }

    /// Drops the producer and stops the flow of events.
    fn abandon(&mut self) {
        self.writer = None;
        self.flowing = false;
        if let Err(failure) = self.member.pause(&self.partition()) {
            // Not ours any more; the next poll says so.
            debug!("{failure}");
        }
    }

    fn partition(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.names.events, PARTITION);
        list
    }

    /// Leaves in order, within `within`. All state is in Kafka, so nothing depends on it.
    pub fn leave(mut self, within: Duration) {
        let began = Instant::now();
        self.writer = None;
        self.member.unsubscribe();
        while self.assigned && began.elapsed() < within {
            if self.poll(Duration::from_millis(50)).is_err() {
                break;
            }
        }
        // Closing a client waits for brokers, and has been seen to hang.
        let closing = std::thread::spawn(move || drop(self));
        while !closing.is_finished() && began.elapsed() < within {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn event_record(record: &BorrowedMessage<'_>) -> EventRecord {
    let headers = record.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    EventRecord {
        offset: record.offset(),
        key: record.key().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default().to_owned(),
        value: record.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

/// Takes part in the group. The callback runs inside [`Log::poll`], on its thread.
struct Membership {
    topic: String,
    change: Mutex<Option<Change>>,
}

impl Membership {
    fn join(
        settings: &KafkaSettings,
        names: &TopicNames,
        instance: &str,
        wake: &Wake,
    ) -> KafkaResult<BaseConsumer<Self>> {
        let membership = Self { topic: names.events.clone(), change: Mutex::default() };
        let mut member: BaseConsumer<Self> = settings.worker(names, instance).create_with_context(membership)?;
        let wake = Arc::clone(wake);
        member.set_nonempty_callback(move || wake());
        member.subscribe(&[&names.events])?;
        Ok(member)
    }

    fn take_change(&self) -> Option<Change> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn changed(&self, change: Change) {
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for element in given.elements() {
            // Any explicit offset: the position comes from the state, and asking for the group's would wait for a
            // predecessor's open transaction.
            list.add_partition_offset(element.topic(), element.partition(), Offset::Beginning)?;
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list)?,
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list)?,
        }
        if list.count() > 0 {
            // In the same callback, so that nothing is delivered before the restore.
            consumer.pause(&list)?;
        }
        Ok(())
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, taken: &TopicPartitionList) -> KafkaResult<()> {
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(taken),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        }
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let ours = !list.elements_for_topic(&self.topic).is_empty();
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let lost = consumer.assignment_lost();
        let result = if assigned { self.assign(consumer, list) } else { self.revoke(consumer, list) };
        if let Err(failure) = result {
            error!("The assignment of {} could not be applied: {failure}", self.topic);
        }
        if ours {
            self.changed(match (assigned, lost) {
                (true, _) => Change::Assigned,
                (false, true) => Change::Lost,
                (false, false) => Change::Revoked,
            });
        }
    }
}
