//! Three brokers as one cluster: every record is acknowledged by two, so one of them may die at any moment.

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::broker::{Broker, BrokerError, Jars};
use super::place::Place;

/// How long the brokers may take until each has caught up with the others.
const IN_SYNC_WITHIN: Duration = Duration::from_secs(120);

/// Brokers that belong together. Dropped, they are killed.
pub struct Cluster {
    brokers: Vec<Broker>,
}

impl Cluster {
    /// Starts a cluster in fresh folders inside `parent`, and waits until all its brokers answer.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(jars: &Jars, parent: &Path, places: Vec<Place>) -> Result<Self, BrokerError> {
        let brokers = places.into_iter().map(|place| Broker::prepare(jars, parent, place)).collect::<Result<_, _>>()?;
        let mut cluster = Self { brokers };
        // None of them answers before a majority is there.
        cluster.brokers.iter_mut().try_for_each(Broker::spawn)?;
        cluster.brokers.iter_mut().try_for_each(Broker::wait_until_ready)?;
        Ok(cluster)
    }

    /// One of the brokers, from 0.
    pub fn broker(&mut self, index: usize) -> Option<&mut Broker> {
        self.brokers.get_mut(index)
    }

    /// How many brokers there are.
    pub fn size(&self) -> usize {
        self.brokers.len()
    }

    /// `host:port` of every broker, with commas.
    pub fn bootstrap_servers(&self) -> String {
        let servers: Vec<String> = self.brokers.iter().map(Broker::bootstrap_servers).collect();
        servers.join(",")
    }

    /// Waits until every copy of every partition has caught up, as an operator does between two restarts.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_until_in_sync(&self) -> Result<(), BrokerError> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("reconnect.backoff.max.ms", "200")
            .set("log_level", "0")
            .create()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        let began = Instant::now();
        while began.elapsed() < IN_SYNC_WITHIN {
            let in_sync =
                client.fetch_metadata(None, Duration::from_secs(2)).is_ok_and(|all| {
                    all.brokers().len() == self.brokers.len()
                        && all.topics().iter().flat_map(|topic| topic.partitions()).all(|partition| {
                            partition.leader() >= 0 && partition.isr().len() == partition.replicas().len()
                        })
                });
            if in_sync {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(BrokerError::Behind)
    }
}
