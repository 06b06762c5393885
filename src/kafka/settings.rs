//! Settings of one Kafka cluster, and the configuration of each client made from them.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;

use super::intake::SEND_WITHIN;
use super::names::TopicNames;
use crate::config::{Advanced, Cluster, SecretError};

/// A transaction that lives longer is aborted by the broker. Long enough for a change of leader (3–9 s); a takeover
/// does not wait for it, because the next owner aborts what it finds.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause before a request whose answer got lost with its connection is sent again; librdkafka varies it by a fifth. The
/// reconnecting itself makes no pause: a connection that was up for longer than its backoff is opened again at once.
const RETRY_BACKOFF_MS: u32 = 500;

/// A commit that took longer may have been sent twice, and the first copy may still be on its way: librdkafka does not
/// know KIP-890, so that copy would end the *next* transaction. The quickest repetition comes 400 ms after the loss.
pub const COMMIT_WITHOUT_RETRY: Duration = Duration::from_millis(300);

/// A member that is silent for so long is taken for dead. With the heartbeat, the join and the restore on top, another
/// instance has taken over within 15 s.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// How many heartbeats fit into a session. A member also learns at a heartbeat that somebody joined or left.
const HEARTBEATS_PER_SESSION: u32 = 10;

/// Longest time between two polls. A restore and a commit, each at its limit, stay far below it.
const MAX_POLL_INTERVAL_MS: u32 = 300_000;

/// What an intake holds of records that it has not looked at yet, and as much again of what it has sent and no broker has
/// acknowledged. A full queue makes it wait; with librdkafka's defaults (64 MiB and 1 GiB) a flood of large records that
/// cannot be read took 516 MiB.
const INTAKE_QUEUE_KIB: u32 = 32 * 1024;

/// Largest record that our own producers send; the topics `state` and `outcomes` take as much.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How to reach one cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    /// What every client of the cluster starts from.
    base: ClientConfig,
    session_timeout: Duration,
}

impl KafkaSettings {
    /// The settings of a configured cluster. Secrets are read now.
    ///
    /// # Errors
    /// When a secret is not at hand.
    pub fn of(cluster: &Cluster, advanced: &Advanced) -> Result<Self, SecretError> {
        let session_timeout = Duration::try_from(advanced.session_timeout).unwrap_or(SESSION_TIMEOUT);
        Ok(Self { base: cluster.client()?, session_timeout })
    }

    /// A cluster without encryption or password.
    pub fn plaintext(bootstrap_servers: &str) -> Self {
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", bootstrap_servers);
        Self { base, session_timeout: SESSION_TIMEOUT }
    }

    /// The same with another session timeout.
    #[must_use]
    pub fn with_session_timeout(mut self, session_timeout: Duration) -> Self {
        self.session_timeout = session_timeout;
        self
    }

    /// The same with one more property of librdkafka. What correctness hangs on is set later and wins.
    #[must_use]
    pub fn with_property(mut self, name: &str, value: &str) -> Self {
        self.base.set(name, value);
        self
    }

    /// The addresses of the brokers.
    pub fn bootstrap_servers(&self) -> &str {
        self.base.get("bootstrap.servers").unwrap_or_default()
    }

    fn base(&self) -> ClientConfig {
        let mut config = self.base.clone();
        config
            .set("allow.auto.create.topics", "false")
            // The default of 10 s brought clients back too late to keep their membership after an outage.
            .set("reconnect.backoff.max.ms", "1000");
        for (name, value) in [("socket.keepalive.enable", "true"), ("topic.metadata.refresh.interval.ms", "60000")] {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        }
        config
    }

    fn member(&self, group: &str, instance: &str) -> ClientConfig {
        let heartbeat = self.session_timeout / HEARTBEATS_PER_SESSION;
        let mut config = self.base();
        config
            .set("group.id", group)
            // Static membership: a restart within the session timeout causes no rebalance.
            .set("group.instance.id", instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", heartbeat.as_millis().to_string())
            .set("max.poll.interval.ms", MAX_POLL_INTERVAL_MS.to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true");
        config
    }

    /// The worker's consumer of `events`. An offset out of range means that records are lost: an error, not a reset.
    pub(super) fn worker(&self, names: &TopicNames, instance: &str) -> ClientConfig {
        let mut config = self.member(&names.worker_group, instance);
        config.set("auto.offset.reset", "error").set("queued.max.messages.kbytes", "16384");
        config
    }

    /// The worker's transactional producer.
    pub(super) fn writer(&self, names: &TopicNames) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", &names.transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("retry.backoff.ms", RETRY_BACKOFF_MS.to_string())
            .set("linger.ms", "0")
            // Set above the transaction timeout, it makes the creation of the client fail.
            .remove("socket.timeout.ms");
        config
    }

    /// An idempotent producer, as the intake and the commands use it.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            // Java's partitioner: a producer in another language puts the same key into the same partition.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5");
        config
    }

    /// The intake's producer: it gives up soon enough for the consumer beside it to stay in its group.
    pub(super) fn intake_producer(&self) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("message.timeout.ms", SEND_WITHIN.as_millis().to_string())
            .set("linger.ms", "1")
            .set("queue.buffering.max.kbytes", INTAKE_QUEUE_KIB.to_string());
        config
    }

    /// The intake's consumer of source topics. An offset out of range is an alarm, and where to begin at the first
    /// start differs by source: neither is left to a reset.
    pub(super) fn intake(&self, names: &TopicNames, instance: &str) -> ClientConfig {
        let mut config = self.member(&names.intake_group, instance);
        config
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", INTAKE_QUEUE_KIB.to_string())
            // With the default of 1 s a partition whose queue is full rests for so long, and the queue is empty long
            // before: the intake would stand still most of the time while it catches up.
            .set("fetch.queue.backoff.ms", "10");
        config
    }

    /// A consumer that is assigned by hand and never commits. It sees what is committed.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .set("check.crcs", "true");
        config
    }

    /// The same, but it sees everything, also what is not committed or taken back.
    pub(super) fn uncommitted_reader(&self, group: &str) -> ClientConfig {
        let mut config = self.reader(group);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// A client that sees the true end of a log, also behind an open transaction. It reads no records.
    pub(super) fn probe(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// For the Admin API.
    pub(super) fn admin(&self) -> ClientConfig {
        self.base()
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the properties: a password is one of them.
        write!(f, "KafkaSettings({})", self.bootstrap_servers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_correctness_hangs_on_beats_free_properties() {
        let settings = KafkaSettings::plaintext("127.0.0.1:9")
            .with_property("isolation.level", "read_uncommitted")
            .with_property("acks", "1")
            .with_property("client.rack", "a");
        let names = TopicNames::new("t.");
        assert_eq!(settings.worker(&names, "i").get("isolation.level"), Some("read_committed"));
        assert_eq!(settings.writer(&names).get("acks"), Some("all"));
        assert_eq!(settings.writer(&names).get("client.rack"), Some("a"));
    }

    #[test]
    fn a_password_is_not_in_the_debug_text() {
        let settings = KafkaSettings::plaintext("127.0.0.1:9").with_property("sasl.password", "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
