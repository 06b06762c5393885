//! A Kafka inside this process, for trying: librdkafka's mock cluster. It speaks the protocol, keeps nothing on disk,
//! and its transactions are a facade (aborted records are visible, transactional offsets are not stored, nobody is
//! fenced), so it shows the way of the data and proves nothing about crashes.

use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, Producer};

use super::context::Plain;
use super::names::{PARTITION, TopicNames};
use super::native;
use super::settings::KafkaSettings;

/// One broker in this process. It lives as long as this value.
pub struct Embedded {
    /// The client that the mock cluster hangs on; it is used for nothing else.
    host: BaseProducer<Plain>,
}

impl Embedded {
    /// Starts the broker.
    ///
    /// # Errors
    /// When no port can be bound on the loopback interface.
    pub fn start() -> KafkaResult<Self> {
        let mut config = rdkafka::ClientConfig::new();
        config.set("test.mock.num.brokers", "1");
        let host: BaseProducer<Plain> = config.create_with_context(Plain)?;
        native::join_at_once(host.client());
        Ok(Self { host })
    }

    /// How to reach it.
    ///
    /// # Panics
    /// Never: the cluster exists as long as its host.
    pub fn settings(&self) -> KafkaSettings {
        let cluster = self.host.client().mock_cluster().expect("the host was created with a mock cluster");
        KafkaSettings::plaintext(&cluster.bootstrap_servers())
    }

    /// Creates the service's own topics. The mock cluster has no Admin API.
    ///
    /// # Errors
    /// When the mock cluster refuses.
    pub fn create_topics(&self, names: &TopicNames) -> KafkaResult<()> {
        for topic in
            [&names.events, &names.state, &names.commands, &names.outcomes, &names.dead_letters, &names.requests]
        {
            self.create_topic(topic, PARTITION + 1)?;
        }
        Ok(())
    }

    /// Creates one topic.
    ///
    /// # Errors
    /// When the mock cluster refuses.
    ///
    /// # Panics
    /// Never: the cluster exists as long as its host.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> KafkaResult<()> {
        let cluster = self.host.client().mock_cluster().expect("the host was created with a mock cluster");
        cluster.create_topic(topic, partitions, 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::kafka::delivery::{Deliveries, Target};
    use crate::kafka::{Batch, Change, Log, topics};

    #[test]
    fn the_log_works_on_the_embedded_broker() {
        let broker = Embedded::start().unwrap();
        let names = TopicNames::new("t.");
        broker.create_topics(&names).unwrap();
        let settings = broker.settings();
        assert_eq!(topics::prepare(&settings, &names, topics::Creation::Forbidden).unwrap().len(), 6);

        let mut producer = Deliveries::new(&settings.producer()).unwrap();
        producer.send(Target { topic: &names.events, partition: None }, Some(b"okta:t:1"), Some(b"{}"), None);
        producer.settle(Duration::from_secs(30)).unwrap();

        let mut log = Log::join(&settings, &names, "one", || {}).unwrap();
        let patience = Instant::now();
        while log.poll(Duration::from_millis(100)).unwrap().change != Some(Change::Assigned) {
            assert!(patience.elapsed() < Duration::from_secs(60), "never assigned");
        }
        assert_eq!(log.restore().unwrap().position, 0);
        let record = loop {
            if let Some(record) = log.poll(Duration::from_millis(100)).unwrap().records.pop() {
                break record;
            }
            assert!(patience.elapsed() < Duration::from_secs(60), "no record");
        };
        assert_eq!((record.offset, record.key.as_str()), (0, "okta:t:1"));
        let state = vec![("person/1".to_owned(), Some(b"x".to_vec()))];
        log.commit(&Batch { label: "accept", position: 1, state, ..Batch::default() }).unwrap();

        let restored = log.restore().unwrap();
        assert_eq!(restored.position, 1);
        assert_eq!(restored.records, [("person/1".to_owned(), b"x".to_vec())]);
        log.leave(Duration::from_secs(10));
    }
}
