//! From the source topics to the events topic, in every instance.
//!
//! * An offset is committed only after every event and dead letter made from the records before it was acknowledged.
//!   So nothing is lost; after a crash or a rebalance some elements come twice, and the worker knows them again.
//! * One bad element becomes one dead letter; its neighbours and the next record go on.
//! * A partition that was taken away is not committed any more: its next owner may be further already.
//! * A record that needs a schema, a key or people's addresses which are not at hand is neither passed over nor refused:
//!   its partition waits (`waiting`).

mod figures;
mod missing;
mod reading;
mod start;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message, Offset, TopicPartitionList};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub use self::figures::{Figures, SourceFigures};
use self::missing::Missing;
use self::reading::Desk;
use self::start::{Places, Starts};
use self::waiting::Waiting;
use super::context;
use super::delivery::Deliveries;
use super::names::TopicNames;
use super::native;
use super::rejoin::Rejoins;
use super::settings::KafkaSettings;
use crate::clock;
use crate::config::{OPERATOR_SOURCE, Source, StartAt};
use crate::jwks::Keyring;
use crate::lookup::Directory;
use crate::registry::Registry;
use crate::sources::{Format, Rules};
use crate::telemetry::Metrics;
use crate::wire::Keep;

/// How often offsets are committed while records keep coming. What lies between two commits may come twice.
const COMMIT_EVERY: Duration = Duration::from_millis(500);

/// After it could not be found out where a partition goes on.
const MEND_AGAIN: Duration = Duration::from_secs(1);
/// How long one poll waits when there is nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// A producer that hears nothing for so long is given up; its records are read again.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(60);
/// Pause before everything is set up anew after a failure.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long leaving the group may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// The intake of one cluster. One thread runs it.
pub struct Intake {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// The cluster that the sources lie on.
    pub source_settings: KafkaSettings,
    /// The cluster with our own topics.
    pub own_settings: KafkaSettings,
    /// Our own names.
    pub names: TopicNames,
    /// Name of this instance.
    pub instance: String,
    /// What is read.
    pub sources: Vec<IntakeSource>,
    /// How much of a refused record goes into its dead letter.
    pub keep: Keep,
    /// Where to count.
    pub metrics: Metrics,
    /// What happened so far, for whoever wants to know.
    pub figures: Arc<Figures>,
}

/// One source topic.
#[derive(Debug, Clone)]
pub struct IntakeSource {
    /// The topic.
    pub topic: String,
    /// How its records are read.
    pub rules: Rules,
    /// Where the schemas of its values are, if they are framed.
    pub registry: Option<Registry>,
    /// The issuer's keys, where signatures are checked.
    pub keys: Option<Keyring>,
    /// Who is asked for the addresses of people whom it names by an id alone.
    pub directory: Option<Directory>,
    /// Where reading begins when the group has no offset yet.
    pub start: StartAt,
    /// The same, instead of `latest`, for a partition of a topic that the group reads already.
    pub late: StartAt,
}

/// Why an intake ended by itself.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// A client cannot be made.
    #[error("a Kafka client for the sources on cluster {cluster} could not be made from the settings")]
    Settings {
        /// The cluster's name in the configuration.
        cluster: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
    /// Thrown out of the group again and again by a member of the same name.
    #[error("another instance runs under the name {instance:?}; give every instance its own name")]
    NameTaken {
        /// The name.
        instance: String,
    },
    /// librdkafka gave up again and again.
    #[error("the consumer of the sources on cluster {cluster} cannot go on")]
    Fatal {
        /// The cluster's name in the configuration.
        cluster: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
}

/// Why the clients are made anew.
enum Failure {
    Settings(KafkaError),
    /// The group threw us out for good.
    Fatal(KafkaError),
    /// Something sent was not acknowledged.
    Unsent {
        topic: Option<String>,
        source: KafkaError,
    },
}

impl IntakeSource {
    /// A configured source, with its registry, its issuer's keys and its directory if it has them.
    pub fn of(
        source: &Source,
        registry: Option<Registry>,
        keys: Option<Keyring>,
        directory: Option<Directory>,
        now: jiff::Timestamp,
    ) -> Self {
        let late = StartAt::Time(now - source.max_event_age);
        let start = source.start_at.unwrap_or(late);
        Self { topic: source.topic.clone(), rules: source.rules(), registry, keys, directory, start, late }
    }

    /// The built-in source: what was ordered by hand.
    pub fn operator(names: &TopicNames) -> Self {
        let rules = Rules { name: OPERATOR_SOURCE.to_owned(), format: Format::Canonical, ..Rules::auto() };
        let topic = names.requests.clone();
        let start = StartAt::Earliest;
        Self { topic, rules, registry: None, keys: None, directory: None, start, late: start }
    }
}

impl Intake {
    /// Works until it is told to stop. Blocks; outages are waited out.
    ///
    /// # Errors
    /// When no client can be made, or another instance has the same name.
    pub fn run(self, stop: &CancellationToken) -> Result<(), IntakeError> {
        let mut rejoins = Rejoins::default();
        let mut rest = Duration::ZERO;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let ended = self.work(stop);
            self.figures.set_joined(false);
            match ended {
                Ok(()) => break,
                Err(Failure::Settings(source)) => {
                    return Err(IntakeError::Settings { cluster: self.cluster, source });
                }
                Err(Failure::Fatal(failure)) => {
                    if !rejoins.again(Instant::now()) {
                        return Err(match failure.rdkafka_error_code() {
                            Some(RDKafkaErrorCode::FencedInstanceId) => {
                                IntakeError::NameTaken { instance: self.instance }
                            }
                            Some(_) | None => IntakeError::Fatal { cluster: self.cluster, source: failure },
                        });
                    }
                    warn!("Intake of cluster {}: thrown out, joining again: {failure}", self.cluster);
                }
                Err(Failure::Unsent { topic, source }) => {
                    rest = rest_after(rest, began.elapsed());
                    error!(
                        "Intake of cluster {}: not acknowledged by topic {}; what was not committed is read again in {} s: {source}",
                        self.cluster,
                        topic.as_deref().unwrap_or("(no answer)"),
                        rest.as_secs(),
                    );
                    pause(stop, rest);
                    continue;
                }
            }
            pause(stop, PAUSE);
        }
        Ok(())
    }

    fn work(&self, stop: &CancellationToken) -> Result<(), Failure> {
        let producer = Deliveries::new(&self.own_settings.intake_producer()).map_err(Failure::Settings)?;
        let topics: Vec<&str> = self.sources.iter().map(|source| source.topic.as_str()).collect();
        let member = Member { starts: Starts::of(self), changes: Mutex::default() };
        let consumer: BaseConsumer<Member> = self
            .source_settings
            .intake(&self.names, &self.instance)
            .create_with_context(member)
            .map_err(Failure::Settings)?;
        consumer.subscribe(&topics).map_err(Failure::Settings)?;
        let mut shift = Shift {
            intake: self,
            desk: Desk::new(self),
            consumer,
            producer,
            ours: Ours::default(),
            committed_at: Instant::now(),
            doubtful: Places::new(),
            mend_at: Instant::now(),
            missing: Missing::default(),
        };
        let result = shift.run(stop);
        // Closing waits for brokers; the next client of the same name need not wait for that.
        std::thread::spawn(move || drop((shift.consumer, shift.producer)));
        result
    }
}

/// The life of one pair of clients.
struct Shift<'a> {
    intake: &'a Intake,
    desk: Desk<'a>,
    consumer: BaseConsumer<Member>,
    producer: Deliveries,
    ours: Ours,
    committed_at: Instant,
    /// Partitions that may stand still without a valid offset: librdkafka says so once, and rdkafka not of which.
    doubtful: Places,
    /// When they are put right.
    mend_at: Instant,
    missing: Missing,
}

/// The partitions that are ours.
#[derive(Default)]
struct Ours {
    /// Next offset of each.
    positions: BTreeMap<(usize, i32), i64>,
    /// Those that stand still.
    waiting: Waiting,
    /// Some position is not committed yet.
    uncommitted: bool,
}

impl Ours {
    /// Takes up what the callback noted during the last polls.
    fn take(&mut self, changes: Vec<Change>, desk: &Desk<'_>) {
        for change in changes {
            match change {
                Change::Began { topic, partition, offset } => {
                    if let Some(source) = desk.source_of(&topic) {
                        self.positions.insert((source, partition), offset);
                        self.uncommitted = true;
                    }
                }
                Change::Gone { topic, partition } => {
                    if let Some(source) = desk.source_of(&topic) {
                        self.positions.remove(&(source, partition));
                        self.waiting.remove((source, partition));
                    }
                }
                Change::CommitFailed => self.uncommitted = true,
            }
        }
    }
}

impl Shift<'_> {
    fn run(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        while !stop.is_cancelled() {
            let busy = self.producer.has_outstanding();
            let rest = COMMIT_EVERY.saturating_sub(self.committed_at.elapsed());
            let wait = match (busy, self.ours.uncommitted) {
                (true, _) => Duration::ZERO,
                (false, true) => IDLE.min(rest),
                (false, false) => IDLE,
            };
            let idle = self.turn(wait, stop)?;
            if !self.doubtful.is_empty() && self.mend_at <= Instant::now() {
                self.mend();
            }
            if (idle && busy) || self.committed_at.elapsed() >= COMMIT_EVERY {
                self.commit(CommitMode::Async)?;
            }
            if idle {
                self.intake.figures.set_joined(native::generation(&self.consumer).is_some());
                self.note_held();
            }
        }
        self.commit(CommitMode::Sync)?;
        self.leave();
        Ok(())
    }

    /// Takes records until there is none, or it is time to commit. `true` = there is none.
    fn turn(&mut self, wait: Duration, stop: &CancellationToken) -> Result<bool, Failure> {
        let mut wait = wait;
        let until = self.committed_at + COMMIT_EVERY;
        let mut current: Option<((usize, i32), i64)> = None;
        let mut count = 0_u32;
        let idle = loop {
            let failure = match self.consumer.poll(wait) {
                Some(Ok(record)) => {
                    if !self.ours.waiting.is_empty() {
                        self.ours.positions.extend(current.take());
                        // A partition that was taken away and given back begins anew: what waited of it comes again.
                        self.ours.take(self.consumer.context().take_changes(), &self.desk);
                    }
                    let place = self.desk.source_of_record(&record).map(|source| (source, record.partition()));
                    if let Some(place) = place.filter(|place| !self.ours.waiting.holds(*place)) {
                        let seen = self.ours.waiting.seen(place, record.offset());
                        match self.desk.read(place.0, &record, seen, &mut self.producer) {
                            Ok(()) => {
                                if let Some((before, next)) = current
                                    && before != place
                                {
                                    self.ours.positions.insert(before, next);
                                }
                                current = Some((place, record.offset() + 1));
                            }
                            Err(wanted) => {
                                self.ours.positions.extend(current.take());
                                // What went before must not be taken for an end of this waiting.
                                self.ours.take(self.consumer.context().take_changes(), &self.desk);
                                let (topic, offset) = (record.topic(), record.offset());
                                self.ours.waiting.add(&self.consumer, place, topic, offset, wanted);
                            }
                        }
                    }
                    None
                }
                Some(Err(failure)) => Some(failure),
                None => break true,
            };
            if let Some(failure) = failure {
                self.note(failure)?;
            }
            wait = Duration::ZERO;
            count += 1;
            // Reading the clock for each record would cost as much as passing over it.
            if count.is_multiple_of(256) && (Instant::now() >= until || stop.is_cancelled()) {
                break false;
            }
        };
        if let Some((place, next)) = current {
            self.ours.positions.insert(place, next);
        }
        self.ours.uncommitted |= count > 0;
        if idle || !self.ours.waiting.is_empty() {
            self.ours.take(self.consumer.context().take_changes(), &self.desk);
        }
        self.ours.waiting.take_up(&self.consumer, &self.intake.sources, &self.intake.figures);
        self.desk.report();
        Ok(idle)
    }

    fn commit(&mut self, mode: CommitMode) -> Result<(), Failure> {
        if let Err(source) = self.producer.settle(SEND_WITHIN * 2) {
            return Err(Failure::Unsent { topic: self.producer.failed_topic().map(str::to_owned), source });
        }
        self.desk.acknowledged();
        self.committed_at = Instant::now();
        if !self.ours.uncommitted || self.ours.positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for ((source, partition), offset) in &self.ours.positions {
            let topic = &self.intake.sources[*source].topic;
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(Failure::Settings)?;
        }
        match self.consumer.commit(&list, mode) {
            Ok(()) => self.ours.uncommitted = false,
            // The next turn tries again.
            Err(failure) => info!("Offsets of the sources on {} not committed: {failure}", self.intake.cluster),
        }
        Ok(())
    }

    /// The sources of which partitions are ours, and those that nobody can have partitions of.
    fn note_held(&mut self) {
        let Ok(list) = self.consumer.assignment() else { return };
        let Intake { sources, figures, .. } = self.intake;
        let elements = list.elements();
        let held: BTreeSet<_> = elements.iter().filter_map(|element| self.desk.source_of(element.topic())).collect();
        figures.set_held(held.iter().map(|source| sources[*source].rules.name.as_str()), clock::now());
        self.missing.look(&self.consumer, sources, &held, figures);
    }

    fn note(&mut self, failure: KafkaError) -> Result<(), Failure> {
        if let Some((code, _)) = self.consumer.client().fatal_error() {
            return Err(Failure::Fatal(KafkaError::MessageConsumptionFatal(code)));
        }
        if matches!(failure, KafkaError::MessageConsumptionFatal(_)) {
            return Err(Failure::Fatal(failure));
        }
        if failure.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            // Put right only when it is noted how far the others have been read.
            self.mend_at = Instant::now();
            match start::held(&self.consumer) {
                Ok(held) => self.doubtful.extend(held),
                Err(failure) => warn!("The assignment of the intake is not known: {failure}"),
            }
        } else {
            info!("Reading the sources on {}: {failure}", self.intake.cluster);
        }
        Ok(())
    }

    /// Goes on where there is no valid offset; what cannot be found out now is asked for again.
    fn mend(&mut self) {
        self.ours.take(self.consumer.context().take_changes(), &self.desk);
        let known = |(topic, partition): &(String, i32)| {
            self.ours.positions.get(&(self.desk.source_of(topic)?, *partition)).copied()
        };
        let begun = start::mend(&self.consumer, &self.consumer.context().starts, &mut self.doubtful, known);
        for (topic, partition, offset) in begun {
            if let Some(source) = self.desk.source_of(&topic) {
                self.ours.positions.insert((source, partition), offset);
                self.ours.uncommitted = true;
            }
        }
        self.mend_at = Instant::now() + MEND_AGAIN;
    }

    fn leave(&mut self) {
        self.consumer.unsubscribe();
        let began = Instant::now();
        // Only the number is taken: a list that lives when its consumer is dropped would block it for ever.
        let assigned = |consumer: &BaseConsumer<Member>| consumer.assignment().map_or(0, |list| list.count());
        while assigned(&self.consumer) > 0 && began.elapsed() < LEAVE_WITHIN {
            // What still arrives is not committed, so whoever comes next reads it.
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }
}

/// How long to pause after something was not acknowledged: twice as long each time, because each time all that came before it
/// is sent again. What lasted for long in between is no repetition.
fn rest_after(before: Duration, lasted: Duration) -> Duration {
    if lasted > LONGEST_PAUSE { PAUSE } else { (before * 2).clamp(PAUSE, LONGEST_PAUSE) }
}

fn pause(stop: &CancellationToken, length: Duration) {
    let began = Instant::now();
    while began.elapsed() < length && !stop.is_cancelled() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the callbacks tell the loop.
enum Change {
    /// A partition begins where the configuration says, because the group has no offset of it.
    Began { topic: String, partition: i32, offset: i64 },
    /// A partition is not ours any more.
    Gone { topic: String, partition: i32 },
    /// An asynchronous commit failed.
    CommitFailed,
}

/// Takes part in the group. The callbacks run inside the loop's own poll.
struct Member {
    starts: Starts,
    changes: Mutex<Vec<Change>>,
}

impl Member {
    fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn changed(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<()> {
        // One that stood still when it was taken away may still be paused.
        consumer.resume(given)?;
        let beginnings = start::beginnings(consumer, &self.starts, given)?;
        for began in beginnings.began {
            self.changed(Change::Began { topic: began.0, partition: began.1, offset: began.2 });
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&beginnings.list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&beginnings.list),
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, taken: &TopicPartitionList) -> KafkaResult<()> {
        for element in taken.elements() {
            self.changed(Change::Gone { topic: element.topic().to_owned(), partition: element.partition() });
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(taken),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        }
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        debug!("Intake: {} partitions {}", list.count(), if assigned { "more" } else { "less" });
        let result = if assigned { self.assign(consumer, list) } else { self.revoke(consumer, list) };
        if let Err(failure) = result {
            error!("The assignment of the intake could not be applied: {failure}");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(failure) = result {
            info!("Offsets of the sources not committed, trying again: {failure}");
            self.changed(Change::CommitFailed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_rests_longer_and_after_a_while_begins_anew() {
        let mut rest = Duration::ZERO;
        let mut after = |lasted| {
            rest = rest_after(rest, Duration::from_secs(lasted));
            rest.as_secs()
        };
        let rests: Vec<_> = (0..8).map(|_| after(1)).collect();
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((after(61), after(1)), (1, 2));
    }
}
