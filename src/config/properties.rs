//! The librdkafka properties that an operator may set: all but secrets and what correctness hangs on.

/// Why a property is refused, and what to do instead.
struct Refused {
    name: &'static str,
    why: &'static str,
    remedy: &'static str,
}

const fn secret(name: &'static str, remedy: &'static str) -> Refused {
    Refused { name, why: "is a secret, and secrets have no place in the configuration", remedy }
}

const fn ours(name: &'static str, remedy: &'static str) -> Refused {
    Refused { name, why: "has a key of its own", remedy }
}

const fn fixed(name: &'static str, remedy: &'static str) -> Refused {
    Refused { name, why: "is fixed, because no case may be lost or doubled", remedy }
}

const REMOVE: &str = "remove the line";

const REFUSED: &[Refused] = &[
    secret("sasl.username", "use `sasl_username_file`"),
    secret("sasl.password", "use `sasl_password_file`"),
    secret("sasl.jaas.config", "use `sasl_mechanism`, `sasl_username_file` and `sasl_password_file`"),
    secret("ssl.key.password", "use a key file without a password that this service alone may read"),
    secret("ssl.key.pem", "use `ssl.key.location`"),
    secret("ssl.keystore.password", "use `ssl.certificate.location` and `ssl.key.location`"),
    secret("ssl.keystore.key", "use `ssl.key.location`"),
    secret("ssl.truststore.password", "use `ssl.ca.location` with a PEM file, which needs none"),
    secret("sasl.oauthbearer.client.secret", "use `sasl_mechanism` = \"SCRAM-SHA-512\" or \"PLAIN\""),
    secret("sasl.oauthbearer.config", "use `sasl_mechanism` = \"SCRAM-SHA-512\" or \"PLAIN\""),
    ours("bootstrap.servers", "use `bootstrap_servers`"),
    ours("metadata.broker.list", "use `bootstrap_servers`"),
    ours("security.protocol", "use `security_protocol`"),
    ours("sasl.mechanism", "use `sasl_mechanism`"),
    ours("sasl.mechanisms", "use `sasl_mechanism`"),
    ours("group.id", "use `kafka.prefix`, which every group begins with"),
    ours("group.instance.id", "use `instance.name`"),
    ours("client.id", "use `instance.name`"),
    ours("transactional.id", "use `kafka.prefix`, which every transactional id begins with"),
    ours("auto.offset.reset", "use `sources[].start_at`"),
    ours("session.timeout.ms", "use `advanced.session_timeout`"),
    ours("allow.auto.create.topics", "use `kafka.create_topics`"),
    fixed("enable.auto.commit", REMOVE),
    fixed("auto.commit.enable", REMOVE),
    fixed("auto.commit.interval.ms", REMOVE),
    fixed("enable.auto.offset.store", REMOVE),
    fixed("offset.store.method", REMOVE),
    fixed("isolation.level", REMOVE),
    fixed("enable.idempotence", REMOVE),
    fixed("enable.gapless.guarantee", REMOVE),
    fixed("acks", REMOVE),
    fixed("request.required.acks", REMOVE),
    fixed("max.in.flight", REMOVE),
    fixed("max.in.flight.requests.per.connection", REMOVE),
    fixed("retries", REMOVE),
    fixed("message.send.max.retries", REMOVE),
    fixed("message.timeout.ms", REMOVE),
    fixed("delivery.timeout.ms", REMOVE),
    fixed("transaction.timeout.ms", REMOVE),
    fixed("linger.ms", REMOVE),
    fixed("queue.buffering.max.ms", REMOVE),
    fixed("message.max.bytes", REMOVE),
    fixed("max.request.size", REMOVE),
    fixed("partitioner", REMOVE),
    fixed("partition.assignment.strategy", REMOVE),
    fixed("group.protocol", REMOVE),
    fixed("heartbeat.interval.ms", REMOVE),
    fixed("max.poll.interval.ms", REMOVE),
    fixed("enable.partition.eof", REMOVE),
    fixed("check.crcs", REMOVE),
    Refused {
        name: "enable.ssl.certificate.verification",
        why: "would let anybody be the broker",
        remedy: "name the brokers' authority with `ssl.ca.location`",
    },
    Refused { name: "plugin.library.paths", why: "would load foreign code into this service", remedy: REMOVE },
];

/// Names of the Java client, and what librdkafka calls the same thing.
const JAVA: &[(&str, Option<&str>)] = &[
    ("ssl.truststore.location", Some("ssl.ca.location")),
    ("ssl.truststore.certificates", Some("ssl.ca.pem")),
    ("ssl.truststore.type", None),
    ("ssl.keystore.type", None),
    ("ssl.keystore.certificate.chain", Some("ssl.certificate.location")),
    ("ssl.enabled.protocols", None),
    ("ssl.protocol", None),
    ("sasl.login.callback.handler.class", None),
    ("sasl.client.callback.handler.class", None),
    ("fetch.max.wait.ms", Some("fetch.wait.max.ms")),
    ("buffer.memory", Some("queue.buffering.max.kbytes")),
    ("send.buffer.bytes", Some("socket.send.buffer.bytes")),
    ("receive.buffer.bytes", Some("socket.receive.buffer.bytes")),
    ("socket.connection.setup.timeout.max.ms", Some("socket.connection.setup.timeout.ms")),
    ("max.poll.records", None),
    ("max.block.ms", None),
    ("default.api.timeout.ms", None),
    ("metrics.recording.level", None),
    ("interceptor.classes", None),
    ("key.serializer", None),
    ("value.serializer", None),
    ("key.deserializer", None),
    ("value.deserializer", None),
];

/// Checks one property by our rules and then by librdkafka's own.
///
/// # Errors
/// What is wrong, as a fragment that reads after the key's name, and what to do instead.
pub(super) fn check(name: &str, value: &str) -> Result<(), (String, Option<String>)> {
    if let Some(refused) = REFUSED.iter().find(|refused| refused.name == name) {
        return Err((refused.why.to_owned(), Some(refused.remedy.to_owned())));
    }
    match JAVA.iter().find(|(java, _)| *java == name) {
        Some((_, Some(ours))) => {
            return Err(("is a name of the Java client".to_owned(), Some(format!("librdkafka calls it `{ours}`"))));
        }
        Some((_, None)) => {
            return Err((
                "is a name of the Java client that has no counterpart here".to_owned(),
                Some(REMOVE.to_owned()),
            ));
        }
        None => {}
    }
    let Err(error) = rdkafka::ClientConfig::new().set(name, value).create_native_config() else { return Ok(()) };
    let why = if let rdkafka::error::KafkaError::ClientConfig(_, why, _, _) = error { why } else { error.to_string() };
    Err((format!("is refused by librdkafka: {why}"), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_properties_pass() {
        for (name, value) in
            [("client.rack", "euw1-az2"), ("socket.keepalive.enable", "true"), ("ssl.ca.location", "probe")]
        {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_correctness_hangs_on_is_refused() {
        for name in
            ["enable.auto.commit", "isolation.level", "transactional.id", "enable.idempotence", "acks", "group.id"]
        {
            let (why, remedy) = check(name, "1").unwrap_err();
            assert!(why.starts_with("is fixed") || why.starts_with("has a key"), "{name}: {why}");
            assert!(remedy.is_some(), "{name}");
        }
    }

    #[test]
    fn java_names_get_their_counterpart() {
        let (_, remedy) = check("ssl.truststore.location", "/x.jks").unwrap_err();
        assert_eq!(remedy.as_deref(), Some("librdkafka calls it `ssl.ca.location`"));
    }

    #[test]
    fn every_counterpart_exists_and_no_java_name_is_also_librdkafkas() {
        let exists = |name: &str| {
            let error = rdkafka::ClientConfig::new().set(name, "0").create_native_config().err();
            !error.is_some_and(|error| {
                let error = error.to_string();
                error.contains("No such configuration property") || error.contains("Java")
            })
        };
        for (java, ours) in JAVA {
            assert!(!exists(java), "{java} is a property of librdkafka");
            assert!(ours.is_none_or(exists), "{ours:?} is none");
        }
    }

    #[test]
    fn librdkafka_itself_refuses_the_rest() {
        assert!(check("socket.keepalive.enabled", "true").unwrap_err().0.contains("No such configuration property"));
        assert!(check("socket.timeout.ms", "soon").is_err());
    }
}
