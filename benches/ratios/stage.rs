//! What every benchmark stands on: one Apache Kafka, a runtime, a folder.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use heroku_deprovisioner::kafka::topics::{self, Creation};
use heroku_deprovisioner::kafka::{KafkaSettings, TopicNames};
use heroku_deprovisioner::trial::{Broker, Jars};
use rdkafka::ClientConfig;
use tokio::runtime::Runtime;

/// Something is wrong when a step takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) runtime: Runtime,
}

impl Stage {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let jars = Jars::find().context("run `make kafka` once; it fetches the jars of Apache Kafka")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let broker = Broker::start(&jars, Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        println!("one broker of Apache Kafka {} on this machine", broker.version());
        Ok(Self { broker, runtime })
    }

    pub(crate) fn kafka(&self) -> KafkaSettings {
        self.broker.settings()
    }

    /// A client as librdkafka makes it, with nothing but its defaults.
    pub(crate) fn bare(&self) -> ClientConfig {
        bare(&self.broker.bootstrap_servers())
    }

    /// The service's own topics under a prefix of their own.
    pub(crate) fn topics(&self, prefix: &str) -> anyhow::Result<TopicNames> {
        let names = TopicNames::new(prefix);
        topics::prepare(&self.kafka(), &names, Creation::Allowed { replicas: -1 })?;
        Ok(names)
    }
}

pub(crate) fn bare(bootstrap_servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers);
    config
}

/// Log lines are made and formatted, as in production, and go nowhere.
pub(crate) fn log_to_nowhere() {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(std::io::sink).init();
}

/// Asks again and again.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !done()? {
        if began.elapsed() > PATIENCE {
            bail!("never happened: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
