//! Faults while leavers go through, on a real Kafka, each judged by the same sentences (`chaos/verdict.rs`).
//!
//! `make test` plays a short form of each. `make chaos` plays the long one and prints the table; `make chaos ARGS=cut SEED=7`
//! plays one of them, with the moments of an earlier run.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[path = "chaos/brokers.rs"]
mod brokers;
#[path = "chaos/company.rs"]
mod company;
#[path = "chaos/cut.rs"]
mod cut;
#[path = "chaos/frames.rs"]
mod frames;
#[path = "chaos/kills.rs"]
mod kills;
#[path = "chaos/late.rs"]
mod late;
#[path = "chaos/markers.rs"]
mod markers;
#[path = "chaos/offsets.rs"]
mod offsets;
#[path = "chaos/proxy.rs"]
pub(crate) mod proxy;
#[path = "chaos/topics.rs"]
mod topics;
#[path = "chaos/verdict.rs"]
mod verdict;

/// How often a fault strikes: few times in `make test`, often in `make chaos`.
#[expect(clippy::disallowed_methods, reason = "how much to play is no setting of the service")]
fn rounds(few: usize, many: usize) -> usize {
    if std::env::var("CHAOS").is_ok_and(|length| length == "long") { many } else { few }
}

/// Chance of which the seed is told, so that a run can be repeated.
#[expect(clippy::disallowed_methods, reason = "the seed of a test is no setting of the service")]
fn chance(fault: &str) -> StdRng {
    let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    println!("{fault}: seed {seed}");
    StdRng::seed_from_u64(seed)
}

/// A moment between two, in milliseconds.
fn between(chance: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(chance.random_range(from..=to))
}
