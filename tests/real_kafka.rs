//! Everything that only a real Apache Kafka can show. One broker for the file, its own topics for each test.
#![cfg(all(feature = "service", feature = "simulator"))]

#[path = "real_kafka/bench.rs"]
mod bench;
#[path = "real_kafka/chaos.rs"]
mod chaos;
#[path = "real_kafka/check.rs"]
mod check;
#[path = "real_kafka/formats.rs"]
mod formats;
#[path = "real_kafka/intake.rs"]
mod intake;
#[path = "tokens/issuer.rs"]
mod issuer;
#[path = "real_kafka/limits.rs"]
mod limits;
#[path = "real_kafka/log.rs"]
mod log;
#[path = "real_kafka/pause.rs"]
mod pause;
#[path = "real_kafka/registry.rs"]
mod registry;
#[path = "real_kafka/service.rs"]
mod service;
#[path = "real_kafka/sources.rs"]
mod sources;
#[path = "service/stage.rs"]
mod stage;
