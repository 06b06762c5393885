//! Source topics in, canonical events out. Every instance runs one intake for each cluster that has sources.
//!
//! Wanted: no record is skipped, and one that cannot be read does not stop the next. Design: what a batch of records
//! says is produced and acknowledged before the offsets behind the batch are committed. Accepted: after a crash a
//! batch is read again, and events come twice; the worker knows them by their ids.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::context;
use super::delivery::{Deliveries, Target, headers};
use super::names::{PARTITION, TopicNames};
use super::settings::KafkaSettings;
use super::writer::ANSWER_WITHIN;
use crate::clock;
use crate::config::StartAt;
use crate::model::event::{Authenticity, Normalised, Origin, PersonEvent};
use crate::sources::{Header, Record, Rules, Verdict, read};
use crate::status::{SourceStatus, Status};
use crate::telemetry::{Metrics, trace};
use crate::wire::{Keep, Refused, dead_letter};

/// Records that are produced and acknowledged together.
const BATCH_MAX: usize = 2_000;

/// How long a batch may stay open while records keep coming.
const BATCH_FOR: Duration = Duration::from_millis(50);

/// How long nothing may come before the loop looks whether it is to stop.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// How long no acknowledgement may come before a batch is read again with a new producer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How often figures are published.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// What an intake needs.
pub struct Settings {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// How to reach it.
    pub source_cluster: KafkaSettings,
    /// How to reach ours.
    pub own_cluster: KafkaSettings,
    /// Our topics.
    pub topics: TopicNames,
    /// Name of this instance.
    pub instance: String,
    /// The sources on it.
    pub sources: Vec<Source>,
    /// How much of a refused record goes to the dead letters.
    pub keep: Keep,
    /// Where it counts.
    pub metrics: Metrics,
    /// Where it shows its figures.
    pub status: watch::Sender<Status>,
}

/// One source.
pub struct Source {
    /// Its topic.
    pub topic: String,
    /// How its records are read.
    pub rules: Rules,
    /// Where reading begins when the group has no offset yet.
    pub start_at: StartAt,
}

/// Why an intake cannot start, or go on.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// A setting is not understood by librdkafka, or no broker answers.
    #[error("the intake of cluster {cluster} cannot start")]
    Start {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// librdkafka gave up.
    #[error("the intake of cluster {cluster} cannot go on")]
    Fatal {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
}

/// The intake of one cluster; it lives on one thread.
pub struct Intake {
    settings: Settings,
    consumer: BaseConsumer<Membership>,
    deliveries: Deliveries,
    figures: Vec<Figures>,
    reported: Option<Instant>,
}

#[derive(Default)]
struct Figures {
    records: u64,
    last: Option<Timestamp>,
    elements: BTreeMap<&'static str, u64>,
}

/// First and next offset of each partition in a batch.
type Span = BTreeMap<(String, i32), (i64, i64)>;

impl Intake {
    /// Joins the group of intakes.
    ///
    /// # Errors
    /// When a setting is refused.
    pub fn join(settings: Settings) -> Result<Self, IntakeError> {
        let start = |source| IntakeError::Start { cluster: settings.cluster.clone(), source };
        let starts = settings.sources.iter().map(|source| (source.topic.clone(), source.start_at)).collect();
        let membership = Membership { starts, joined: Mutex::new(false) };
        let config = settings.source_cluster.intake(&settings.topics, &settings.instance);
        let consumer: BaseConsumer<Membership> = config.create_with_context(membership).map_err(start)?;
        let topics: Vec<&str> = settings.sources.iter().map(|source| source.topic.as_str()).collect();
        consumer.subscribe(&topics).map_err(start)?;
        let deliveries = Deliveries::new(&settings.own_cluster.producer()).map_err(start)?;
        let figures = settings.sources.iter().map(|_| Figures::default()).collect();
        Ok(Self { settings, consumer, deliveries, figures, reported: None })
    }

    /// Reads until `stop`.
    ///
    /// # Errors
    /// When the consumer cannot go on.
    pub fn run(mut self, stop: &CancellationToken) -> Result<(), IntakeError> {
        while !stop.is_cancelled() {
            self.turn()?;
            self.report();
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    /// One batch: read, produce, wait for the acknowledgements, commit.
    fn turn(&mut self) -> Result<(), IntakeError> {
        let mut span = Span::new();
        let began = Instant::now();
        let mut count = 0;
        let mut wait = POLL_WAIT;
        // Whoever reads a slice of the batch borrows only the consumer.
        let Self { settings, consumer, deliveries, figures, .. } = self;
        while count < BATCH_MAX && began.elapsed() < BATCH_FOR.max(wait) {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    count += 1;
                    note(&mut span, &message);
                    take(settings, deliveries, figures, &message);
                }
                Some(Err(failure)) => {
                    let fatal = consumer.client().fatal_error().is_some();
                    if fatal || matches!(failure, KafkaError::MessageConsumptionFatal(_)) {
                        return Err(IntakeError::Fatal { cluster: settings.cluster.clone(), source: failure });
                    }
                    info!("Reading sources of cluster {}: {failure}", settings.cluster);
                }
                None => break,
            }
            wait = Duration::from_millis(1);
        }
        if count > 0 {
            self.finish(&span);
        }
        Ok(())
    }

    fn finish(&mut self, span: &Span) {
        match self.deliveries.settle(SILENCE_MAX) {
            Ok(()) => {
                let mut offsets = TopicPartitionList::new();
                for ((topic, partition), (_, next)) in span {
                    if let Err(why) = offsets.add_partition_offset(topic, *partition, Offset::Offset(*next)) {
                        debug!("{why}");
                    }
                }
                if let Err(why) = self.consumer.commit(&offsets, CommitMode::Async) {
                    // Read again after the next restart; the worker knows the events.
                    debug!("Offsets were not committed: {why}");
                }
            }
            Err(why) => {
                warn!("Events were not acknowledged, the batch is read again: {why}");
                match Deliveries::new(&self.settings.own_cluster.producer()) {
                    Ok(fresh) => self.deliveries = fresh,
                    Err(why) => error!("{why}"),
                }
                for ((topic, partition), (first, _)) in span {
                    if let Err(why) = self.consumer.seek(topic, *partition, Offset::Offset(*first), ANSWER_WITHIN) {
                        // Taken away meanwhile: its new owner starts from the committed offset.
                        debug!("{why}");
                    }
                }
            }
        }
    }

    fn report(&mut self) {
        let now = Instant::now();
        if self.reported.is_some_and(|last| now.duration_since(last) < REPORT_EVERY) {
            return;
        }
        self.reported = Some(now);
        let joined = *self.consumer.context().joined.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sources: Vec<SourceStatus> = self
            .settings
            .sources
            .iter()
            .zip(&self.figures)
            .map(|(source, figures)| SourceStatus {
                name: source.rules.name.clone(),
                topic: source.topic.clone(),
                last_record_at: figures.last,
                silent_after_s: None,
                records: figures.records,
                elements: figures.elements.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            })
            .collect();
        self.settings.status.send_modify(|status| {
            status.kafka.intake_joined |= joined;
            for source in sources {
                match status.sources.iter_mut().find(|known| known.name == source.name) {
                    Some(known) => *known = source,
                    None => status.sources.push(source),
                }
            }
        });
    }
}

fn note(span: &mut Span, message: &BorrowedMessage<'_>) {
    let (offset, next) = (message.offset(), message.offset() + 1);
    // Mostly the same partition as before, so the name is copied only when it is new.
    if let Some((_, (_, end))) =
        span.iter_mut().find(|((topic, partition), _)| topic == message.topic() && *partition == message.partition())
    {
        *end = next;
    } else {
        span.insert((message.topic().to_owned(), message.partition()), (offset, next));
    }
}

/// Reads one record and sends what it says.
fn take(settings: &Settings, deliveries: &mut Deliveries, figures: &mut [Figures], message: &BorrowedMessage<'_>) {
    let given: Vec<Header<'_>> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value)).collect())
        .unwrap_or_default();
    let record = Record { key: message.key(), value: message.payload(), headers: &given };
    for (source, figures) in settings.sources.iter().zip(figures) {
        if source.topic != message.topic() {
            continue;
        }
        let now = clock::now();
        figures.records += 1;
        figures.last = Some(now);
        settings.metrics.record_read(&source.rules.name);
        let mut place: Option<Place> = None;
        for reading in read(&record, &source.rules) {
            let decision = match &reading.verdict {
                Verdict::Event(event) => event.action.as_str(),
                Verdict::Ignore { .. } => "ignore",
                Verdict::Reject(_) => "reject",
            };
            *figures.elements.entry(decision).or_insert(0) += 1;
            settings.metrics.element_decided(&source.rules.name, decision);
            if matches!(reading.verdict, Verdict::Ignore { .. }) {
                continue;
            }
            let place = place.get_or_insert_with(|| Place::of(message, &record));
            match reading.verdict {
                Verdict::Event(event) => {
                    send(settings, deliveries, source, place, message, reading.element, *event, now)
                }
                Verdict::Reject(reject) => {
                    settings.metrics.dead_letter(&source.rules.name);
                    warn!(
                        source = source.rules.name,
                        topic = message.topic(),
                        partition = message.partition(),
                        offset = message.offset(),
                        "A record was refused to the dead letters: {}",
                        reject.code.as_str()
                    );
                    let letter = dead_letter(
                        &Refused {
                            source: &source.rules.name,
                            cluster: &settings.cluster,
                            topic: message.topic(),
                            partition: message.partition(),
                            offset: message.offset(),
                            element: &reading.element,
                            reason: reject.code.as_str(),
                            detail: &reject.detail,
                            at: now,
                            record_sha256: &place.sha256,
                            key: record.key,
                            value: record.value,
                            headers: &given,
                        },
                        settings.keep,
                    );
                    let target = Target { topic: &settings.topics.dead_letters, partition: None };
                    let (key, value) = (letter.key.as_deref(), letter.value.as_deref());
                    deliveries.send(target, key, value, headers(&letter.headers));
                }
                Verdict::Ignore { .. } => {}
            }
        }
    }
}

/// What is needed only of a record that says something.
struct Place {
    sha256: String,
    traceparent: Option<String>,
}

impl Place {
    fn of(message: &BorrowedMessage<'_>, record: &Record<'_>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, record.value.unwrap_or_default());
        let given = record.headers.iter().find(|(name, _)| *name == trace::TRACEPARENT).and_then(|(_, value)| *value);
        let parent = given.and_then(|value| std::str::from_utf8(value).ok());
        let span = trace::intake_span(message.topic(), message.partition(), message.offset(), parent);
        Self {
            sha256: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            traceparent: trace::traceparent(&span, parent),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one call, and a struct for it would only repeat the names")]
fn send(
    settings: &Settings,
    deliveries: &mut Deliveries,
    source: &Source,
    place: &Place,
    message: &BorrowedMessage<'_>,
    element: String,
    event: PersonEvent,
    now: Timestamp,
) {
    let key = event.subject.person_key.0.clone();
    let normalised = Normalised {
        event,
        origin: Origin {
            source: source.rules.name.clone(),
            cluster: settings.cluster.clone(),
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            element,
            record_sha256: place.sha256.clone(),
            received_at: now,
            authenticity: Authenticity::TopicAcl,
        },
        traceparent: place.traceparent.clone(),
    };
    let value = serde_json::to_vec(&normalised).expect("an event is plain data with text keys");
    let carried: Vec<(String, Vec<u8>)> =
        place.traceparent.iter().map(|context| (trace::TRACEPARENT.to_owned(), context.clone().into_bytes())).collect();
    let target = Target { topic: &settings.topics.events, partition: Some(PARTITION) };
    deliveries.send(target, Some(key.as_bytes()), Some(&value), headers(&carried));
}

/// Takes part in the group: a partition without an offset begins where its source says.
struct Membership {
    starts: BTreeMap<String, StartAt>,
    joined: Mutex<bool>,
}

impl Membership {
    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<()> {
        let begin = self.begin(consumer, given).unwrap_or_else(|why| {
            // The committed offset, or the oldest record: reading twice is harmless.
            warn!("The first offsets could not be looked up, reading on from the committed ones: {why}");
            given.clone()
        });
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&begin),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&begin),
        }
    }

    fn begin(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<TopicPartitionList> {
        let committed = consumer.committed_offsets(given.clone(), ANSWER_WITHIN)?;
        let mut begin = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let offset = match (element.offset(), self.starts.get(topic)) {
                (offset @ Offset::Offset(_), _) => offset,
                (_, Some(StartAt::Latest)) => Offset::End,
                (_, Some(StartAt::Time(at))) => {
                    let mut asked = TopicPartitionList::new();
                    asked.add_partition_offset(topic, partition, Offset::Offset(at.as_millisecond()))?;
                    let found = consumer.offsets_for_times(asked, ANSWER_WITHIN)?;
                    match found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
                        Some(offset @ Offset::Offset(_)) => offset,
                        Some(_) | None => Offset::End,
                    }
                }
                (_, Some(StartAt::Earliest) | None) => Offset::Beginning,
            };
            begin.add_partition_offset(topic, partition, offset)?;
        }
        Ok(begin)
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
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let result = if assigned {
            *self.joined.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
            self.assign(consumer, list)
        } else {
            match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
                RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
            }
        };
        if let Err(why) = result {
            error!("The assignment of the intake could not be applied: {why}");
        }
    }
}
