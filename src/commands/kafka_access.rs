//! The service's own topics, as a command reads and writes them.

use anyhow::Context;

use crate::config::Config;
use crate::engine::record::StateRecord;
use crate::exit::Exit;
use crate::kafka::{self, KafkaSettings, TopicNames};

/// The cluster and the names on it.
pub(super) struct OwnTopics {
    pub(super) settings: KafkaSettings,
    pub(super) names: TopicNames,
}

impl OwnTopics {
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let settings = KafkaSettings::of(&config.kafka.cluster, &config.advanced)?;
        Ok(Self { settings, names: TopicNames::new(&config.kafka.prefix) })
    }

    /// Everything that the worker knows, as it is committed now.
    pub(super) fn state(&self) -> anyhow::Result<Vec<StateRecord>> {
        let latest = kafka::latest(&self.settings, &self.names.state).map_err(failure)?;
        latest.iter().filter_map(|(key, value)| decode(key, value).transpose()).collect()
    }
}

/// One record of the state topic; `None` for the position, which is the worker's business.
pub(super) fn decode(key: &str, value: &[u8]) -> anyhow::Result<Option<StateRecord>> {
    if key == kafka::POSITION_KEY {
        return Ok(None);
    }
    StateRecord::decode(key, value).map(Some).context(Exit::BadInput)
}

/// A failure of Kafka, with its exit code.
pub(super) fn failure(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    let code = if kafka::is_denied(&error) { Exit::NoPermission } else { Exit::Unreachable };
    anyhow::Error::from(error).context(code)
}
