//! What trying needs and the service does not: a real Apache Kafka, started from its jars, and a real schema registry.

pub mod broker;
pub mod cast;
pub mod cluster;
mod nursery;
pub mod place;
pub mod registry;

pub use broker::{Broker, BrokerError, Jars};
pub use cluster::Cluster;
pub use place::{Door, INSIDE, Place};
pub use registry::Registry;

use std::io::Write;

/// The jars for a test that needs a real Kafka, and one line in the record of such tests. Without jars or Java the
/// line says that the test was skipped, on stderr as well.
///
/// # Panics
/// When the test cannot run and the variable `CI` is set: there a skipped test is a failure.
pub fn jars_for(test: &str) -> Option<Jars> {
    match Jars::find() {
        Ok(jars) => {
            note(&format!("real Kafka {}: {test}", jars.version()));
            Some(jars)
        }
        Err(why) => skipped(test, &why),
    }
}

/// A registry for a test that needs one beside its Kafka; without one, as [`jars_for`].
///
/// # Panics
/// When the test cannot run and the variable `CI` is set.
pub fn registry_for(test: &str) -> Option<registry::Program> {
    registry::Program::find().map_or_else(|why| skipped(test, &why), Some)
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting")]
fn skipped<T>(test: &str, why: &dyn std::error::Error) -> Option<T> {
    note(&format!("skipped: {test}: {why}"));
    assert!(std::env::var("CI").is_err(), "{test} cannot run here, and CI may not skip it: {why}");
    None
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting")]
fn note(line: &str) {
    eprintln!("{line}");
    if let Ok(record) = std::env::var("KAFKA_TESTS_LOG") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&record);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("KAFKA_TESTS_LOG={record} cannot be written: {error}"));
    }
}
