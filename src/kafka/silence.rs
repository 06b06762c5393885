//! That no broker answers, told with whom was asked: librdkafka says neither.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::settings::KafkaSettings;

/// No broker answered.
#[derive(Debug, Error)]
#[error("no broker of {servers} could be reached or logged in to; `heroku-deprovisioner check` says more")]
pub struct Silence {
    servers: String,
}

impl Silence {
    /// When `error` is nothing but that.
    pub(super) fn of(settings: &KafkaSettings, error: &KafkaError) -> Option<Self> {
        let silent = [
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::Resolve,
            RDKafkaErrorCode::OperationTimedOut,
        ];
        let code = error.rdkafka_error_code()?;
        silent.contains(&code).then(|| Self { servers: settings.bootstrap_servers().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    #[test]
    fn whoever_was_asked_is_named_and_a_refusal_is_no_silence() {
        let text = "config_version = 1\n[kafka]\nbootstrap_servers = \"b-1:9092,b-2:9092\"\n[people]\ncompany_domains = [\"larkspur.example\"]\n";
        let config = Config::parse("x.toml", text, &Environment::default()).unwrap();
        let settings = KafkaSettings::of(&config.kafka.cluster, &config.advanced).unwrap();
        let of = |code| Silence::of(&settings, &KafkaError::MetadataFetch(code)).map(|silence| silence.to_string());
        assert_eq!(
            of(RDKafkaErrorCode::BrokerTransportFailure).as_deref(),
            Some(
                "no broker of b-1:9092,b-2:9092 could be reached or logged in to; `heroku-deprovisioner check` says more"
            )
        );
        assert_eq!(of(RDKafkaErrorCode::TopicAuthorizationFailed), None);
    }
}
