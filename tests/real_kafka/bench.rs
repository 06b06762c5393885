//! A prefix of its own on a real Kafka, with what a test needs to prepare and to look at it from outside.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use heroku_deprovisioner::kafka::topics::{self, Creation};
use heroku_deprovisioner::kafka::{Change, KafkaSettings, Log, TopicNames};
use heroku_deprovisioner::trial::{Broker, jars_for};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) prefix: String,
    pub(crate) names: TopicNames,
    pub(crate) settings: KafkaSettings,
    own: Option<Broker>,
}

impl Bench {
    /// `None` when there is no real Kafka here; that has been said already.
    pub(crate) fn new(test: &str) -> Option<Self> {
        Self::make(test, None, &[])
    }

    /// With other settings of the state topic.
    pub(crate) fn with_state(test: &str, config: &[(&str, &str)]) -> Option<Self> {
        Self::make(test, None, config)
    }

    /// On a broker that nobody else uses.
    pub(crate) fn with_own_broker(test: &str) -> Option<Self> {
        let broker = Broker::start(&jars_for(test)?, folder()).unwrap();
        Self::make(test, Some(broker), &[])
    }

    /// On brokers that the test keeps.
    pub(crate) fn at(servers: &str) -> Self {
        Self::prepare(servers, None, &[])
    }

    fn make(test: &str, own: Option<Broker>, state: &[(&str, &str)]) -> Option<Self> {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        let jars = jars_for(test)?;
        let servers = match &own {
            Some(broker) => broker.bootstrap_servers(),
            None => SHARED.get_or_init(|| Broker::start(&jars, folder()).unwrap()).bootstrap_servers(),
        };
        Some(Self::prepare(&servers, own, state))
    }

    fn prepare(servers: &str, own: Option<Broker>, state: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("t{}.", COUNT.fetch_add(1, Ordering::Relaxed));
        let names = TopicNames::new(&prefix);
        let bench = Self { names, settings: settings(servers), prefix, own };
        if !state.is_empty() {
            bench.create_topic(&bench.names.state, 1, state);
        }
        topics::prepare(&bench.settings, &bench.names, Creation::Allowed { replicas: -1 }).unwrap();
        bench
    }

    pub(crate) fn own_broker(&mut self) -> &mut Broker {
        self.own.as_mut().expect("a bench with its own broker")
    }

    pub(crate) fn bootstrap_servers(&self) -> &str {
        self.settings.bootstrap_servers()
    }

    pub(crate) fn log(&self, instance: &str) -> Log {
        Log::join(&self.settings, &self.names, instance, || {}).unwrap()
    }

    /// A log that has got the partition.
    pub(crate) fn joined(&self, instance: &str) -> Log {
        joined(&self.settings, &self.names, instance)
    }

    pub(crate) fn send(&self, topic: &str, records: &[(&str, &str)]) {
        let producer: BaseProducer = self.client().create().unwrap();
        for (key, value) in records {
            producer.send(BaseRecord::to(topic).key(*key).payload(*value)).unwrap();
        }
        producer.flush(ANSWER).unwrap();
    }

    /// One record to a partition.
    pub(crate) fn send_to(&self, topic: &str, partition: i32, value: &str) {
        let producer: BaseProducer = self.client().create().unwrap();
        producer.send(BaseRecord::to(topic).partition(partition).key("k").payload(value)).unwrap();
        producer.flush(ANSWER).unwrap();
    }

    /// Records to a partition, one every few milliseconds for as long as `more` gives one.
    pub(crate) fn send_steadily_to(&self, topic: &str, partition: i32, mut more: impl FnMut() -> Option<String>) {
        let producer: BaseProducer = self.client().create().unwrap();
        while let Some(value) = more() {
            producer.send(BaseRecord::to(topic).partition(partition).key("k").payload(&value)).unwrap();
            producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_millis(5));
        }
        producer.flush(ANSWER).unwrap();
    }

    pub(crate) fn send_tombstone(&self, topic: &str, key: &str) {
        let producer: BaseProducer = self.client().create().unwrap();
        producer.send(BaseRecord::<str, [u8]>::to(topic).key(key)).unwrap();
        producer.flush(ANSWER).unwrap();
    }

    /// Records with a time of their own, in milliseconds.
    pub(crate) fn send_at(&self, topic: &str, records: &[(i64, &str)]) {
        let producer: BaseProducer = self.client().create().unwrap();
        for (time, value) in records {
            producer.send(BaseRecord::to(topic).key("k").payload(*value).timestamp(*time)).unwrap();
        }
        producer.flush(ANSWER).unwrap();
    }

    /// One record of any bytes with a time of its own, in milliseconds.
    pub(crate) fn send_bytes_at(&self, topic: &str, time: i64, value: &[u8]) {
        let producer: BaseProducer = self.client().create().unwrap();
        producer.send(BaseRecord::<[u8], [u8]>::to(topic).payload(value).timestamp(time)).unwrap();
        producer.flush(ANSWER).unwrap();
    }

    /// A record in a batch that is compressed in this way.
    pub(crate) fn send_compressed(&self, topic: &str, compression: &str, value: &[u8]) {
        let producer: BaseProducer = self.client().set("compression.type", compression).create().unwrap();
        producer.send(BaseRecord::to(topic).key("k").payload(value)).unwrap();
        producer.flush(ANSWER).unwrap();
    }

    /// A group's offset of partition 0.
    pub(crate) fn group_offset(&self, group: &str, topic: &str) -> Option<i64> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        let list = consumer.committed_offsets(list, ANSWER).unwrap();
        match list.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// A transaction whose owner stops in the middle of it.
    pub(crate) fn open_transaction(&self, id: &str, topic: &str, key: &str, value: &str) -> BaseProducer {
        let producer: BaseProducer =
            self.client().set("transactional.id", id).set("transaction.timeout.ms", "10000").create().unwrap();
        producer.init_transactions(ANSWER).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(topic).key(key).payload(value)).unwrap();
        producer.flush(ANSWER).unwrap();
        producer
    }

    pub(crate) fn abort_transaction(&self, id: &str, topic: &str, key: &str, value: &str) {
        self.open_transaction(id, topic, key, value).abort_transaction(ANSWER).unwrap();
    }

    pub(crate) fn commit_transaction(&self, id: &str, topic: &str, records: &[(&str, &str)]) {
        let (first, rest) = records.split_first().unwrap();
        let producer = self.open_transaction(id, topic, first.0, first.1);
        for (key, value) in rest {
            producer.send(BaseRecord::to(topic).key(*key).payload(*value)).unwrap();
        }
        producer.commit_transaction(ANSWER).unwrap();
    }

    /// Commits the worker group's offset of the events topic from outside.
    pub(crate) fn commit_group_offset(&self, offset: i64) {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", &self.names.worker_group)
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.names.events, 0, Offset::Offset(offset)).unwrap();
        until("the offset is taken", || consumer.commit(&list, CommitMode::Sync).is_ok());
    }

    /// Deletes the records before an offset; -1 = all.
    pub(crate) fn delete_before(&self, topic: &str, offset: i64) {
        let mut list = TopicPartitionList::new();
        let end = if offset < 0 { Offset::End } else { Offset::Offset(offset) };
        list.add_partition_offset(topic, 0, end).unwrap();
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        wait(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// Forgets a group with its offsets, as brokers do after a week without members.
    pub(crate) fn delete_group(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        // A static member stays in its group for as long as a session lasts.
        until("the group is empty and gone", || {
            let results = wait(admin.delete_groups(&[group], &AdminOptions::new())).unwrap();
            let gone = results
                .iter()
                .all(|result| result.is_ok() || matches!(result, Err((_, RDKafkaErrorCode::GroupIdNotFound))));
            if !gone {
                std::thread::sleep(Duration::from_millis(200));
            }
            gone
        });
    }

    /// Sets one setting of a topic, and all others to the broker's.
    pub(crate) fn alter_topic(&self, topic: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        for result in wait(admin.alter_configs([&change], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
    }

    pub(crate) fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        for result in wait(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
    }

    /// With as many replicas as the brokers are set to.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) {
        self.create_topic_replicated(topic, partitions, -1, config);
    }

    /// With partitions that a single broker holds each; the brokers' numbers.
    pub(crate) fn create_topic_unreplicated(&self, topic: &str, partitions: i32) -> Vec<i32> {
        self.create_topic_replicated(topic, partitions, 1, &[("min.insync.replicas", "1")]);
        let watcher: BaseConsumer = self.client().create().unwrap();
        let metadata = watcher.fetch_metadata(Some(topic), ANSWER).unwrap();
        metadata.topics()[0].partitions().iter().map(MetadataPartition::leader).collect()
    }

    /// Gives a topic more partitions: so many in all.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let more = NewPartitions::new(topic, partitions);
        for result in wait(admin.create_partitions([&more], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
        self.until_led(topic, partitions);
    }

    fn create_topic_replicated(&self, topic: &str, partitions: i32, replicas: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas));
        new.config.extend(config);
        for result in wait(admin.create_topics([&new], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
        self.until_led(topic, partitions as usize);
    }

    fn until_led(&self, topic: &str, partitions: usize) {
        let watcher: BaseConsumer = self.client().create().unwrap();
        until("the topic has leaders", || {
            let metadata = watcher.fetch_metadata(Some(topic), ANSWER).unwrap();
            let found = metadata.topics()[0].partitions();
            found.len() == partitions && found.iter().all(|partition| partition.leader() >= 0)
        });
    }

    /// The values that a reader of committed records sees on partition 0, as text; a tombstone is empty.
    pub(crate) fn read(&self, topic: &str) -> Vec<String> {
        self.read_as(topic, "read_committed")
    }

    /// The same with what is not committed, or was taken back.
    pub(crate) fn read_everything(&self, topic: &str) -> Vec<String> {
        self.read_as(topic, "read_uncommitted")
    }

    fn read_as(&self, topic: &str, isolation: &str) -> Vec<String> {
        let reader = self.reader(isolation);
        let (_, end) = reader.fetch_watermarks(topic, 0, ANSWER).unwrap();
        let mut found = Vec::new();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        reader.assign(&list).unwrap();
        until("the end of the topic", || match reader.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                found.push(String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned());
                false
            }
            Some(Err(KafkaError::PartitionEOF(_))) => position(&reader).is_none_or(|position| position >= end),
            Some(Err(_)) | None => false,
        });
        found
    }

    /// How many records a reader of committed records has seen when it is told that this is the end.
    pub(crate) fn read_to_what_looks_like_the_end(&self, topic: &str) -> usize {
        let reader = self.reader("read_committed");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        reader.assign(&list).unwrap();
        let mut count = 0;
        until("what looks like the end", || match reader.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => {
                count += 1;
                false
            }
            Some(Err(KafkaError::PartitionEOF(_))) => true,
            Some(Err(_)) | None => false,
        });
        count
    }

    /// Offset behind the last record.
    pub(crate) fn high_watermark(&self, topic: &str) -> i64 {
        self.reader("read_committed").fetch_watermarks(topic, 0, ANSWER).unwrap().1
    }

    fn reader(&self, isolation: &str) -> BaseConsumer {
        self.client()
            .set("group.id", "outside")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .create()
            .unwrap()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers()).set("reconnect.backoff.max.ms", "500");
        config
    }
}

/// A short session, so that a takeover is quick.
pub(crate) fn settings(bootstrap_servers: &str) -> KafkaSettings {
    KafkaSettings::plaintext(bootstrap_servers).with_session_timeout(Duration::from_secs(2))
}

/// A log that has got the partition.
pub(crate) fn joined(settings: &KafkaSettings, names: &TopicNames, instance: &str) -> Log {
    let mut log = Log::join(settings, names, instance, || {}).unwrap();
    until("the partition is assigned", || {
        log.poll(Duration::from_millis(100)).unwrap().change == Some(Change::Assigned)
    });
    log
}

/// Asks again and again; a machine may be slow, so only the outcome counts.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "never happened: {what}");
    }
}

pub(crate) fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

fn position(reader: &BaseConsumer) -> Option<i64> {
    // Copied at once: a list that lives when its consumer is dropped blocks it for ever.
    let list = reader.position().unwrap();
    match list.elements().first()?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
