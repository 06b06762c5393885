//! Whether Kafka refused somebody a right: then an administrator helps, and trying again does not.

use std::error::Error;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Whether `error`, or a cause of it, is Kafka's refusal of a right or of who we say we are.
pub fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<KafkaError>().is_some_and(denies) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn denies(error: &KafkaError) -> bool {
    let code = match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    };
    code.is_some_and(|code| {
        [
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::GroupAuthorizationFailed,
            RDKafkaErrorCode::ClusterAuthorizationFailed,
            RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
            RDKafkaErrorCode::SaslAuthenticationFailed,
            RDKafkaErrorCode::Authentication,
        ]
        .contains(&code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::ReadError;

    #[test]
    fn a_denial_is_found_behind_the_error_that_wraps_it() {
        let read = |code| ReadError::Kafka { topic: "t".to_owned(), source: KafkaError::MetadataFetch(code) };
        assert!(is_denied(&read(RDKafkaErrorCode::TopicAuthorizationFailed)));
        assert!(!is_denied(&read(RDKafkaErrorCode::BrokerTransportFailure)));
        assert!(!is_denied(&ReadError::Missing { topic: "t".to_owned() }));
    }
}
