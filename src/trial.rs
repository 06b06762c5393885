//! What trying needs and the service does not: a real Apache Kafka, started from its jars.

pub mod broker;
pub mod cast;
pub mod cluster;
pub mod place;

pub use broker::{Broker, BrokerError, Jars};
pub use cluster::Cluster;
pub use place::{Door, INSIDE, Place};

use std::io::Write;

/// The jars for a test that needs a real Kafka, and one line in the record of such tests. Without jars or Java the
/// line says that the test was skipped, on stderr as well.
///
/// # Panics
/// When the test cannot run and the variable `CI` is set: there a skipped test is a failure.
#[expect(clippy::disallowed_methods, reason = "switches of the tests, no settings")]
pub fn jars_for(test: &str) -> Option<Jars> {
    let found = Jars::find();
    let line = match &found {
        Ok(jars) => format!("real Kafka {}: {test}", jars.version()),
        Err(why) => format!("skipped: {test}: {why}"),
    };
    eprintln!("{line}");
    if let Ok(record) = std::env::var("KAFKA_TESTS_LOG") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&record);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("KAFKA_TESTS_LOG={record} cannot be written: {error}"));
    }
    match found {
        Ok(jars) => Some(jars),
        Err(why) => {
            assert!(std::env::var("CI").is_err(), "{test} needs a real Kafka, and CI may not skip it: {why}");
            None
        }
    }
}
