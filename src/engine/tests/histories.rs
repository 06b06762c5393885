//! Random histories: the engine against a Heroku of a few lists, in virtual time. People leave, come back and move their
//! dates, told late, twice and out of order; Heroku fails, lies and lags; others change the same teams; people give
//! orders; commits are lost or end unknown; the process dies, and its requests arrive all the same. Whatever the order,
//! the sentences of `docs/histories.md` stay true.
//!
//! A seed names a setup and its steps. What fails is shrunk to the steps that it takes, told as sentences. Seeds that
//! ever failed are kept in `histories/seeds` and played first.

mod chance;
mod claims;
mod generate;
mod judge;
mod lists;
mod play;
mod setup;
mod shrink;
mod step;
mod tally;
mod truth;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::judge::Violation;
use self::setup::Setup;
use self::tally::Tally;

/// Played by `cargo test`, where the engine is not optimised.
const HISTORIES: u64 = 40;

/// Seeds that failed once, with what broke.
const SEEDS: &str = include_str!("histories/seeds");

/// Seeds taken at once by a thread.
const CHUNK: u64 = 64;

fn play(setup: &Setup) -> Result<Tally, Violation> {
    shrink::play(setup, &generate::steps(setup))
}

#[expect(clippy::disallowed_methods, reason = "how many to play is no setting of the service")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

/// Histories of each kind of failure, and the smallest seed among them.
type Failures = BTreeMap<String, (u64, u64, Violation)>;

#[test]
fn histories() {
    let count = setting("HISTORIES").unwrap_or(HISTORIES);
    let first = setting("SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 16);
    let threads = setting("THREADS").unwrap_or(2).max(1);
    // With GOON=1 all are played, and one story is told of each way to fail.
    let goes_on = setting("GOON").is_some();
    println!("{count} histories, seeds {first} to {}", first.wrapping_add(count - 1));
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (all, failed) = (Mutex::new(Tally::default()), Mutex::new(Failures::new()));
    let one_thread = || {
        let mut mine = Tally::default();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= count || stop.load(Ordering::Relaxed) {
                break;
            }
            for seed in (start..(start + CHUNK).min(count)).map(|step| first.wrapping_add(step)) {
                match play(&Setup::of(seed)) {
                    Ok(tally) => mine.add(&tally),
                    Err(violation) => {
                        stop.fetch_or(!goes_on, Ordering::Relaxed);
                        let mut failed = failed.lock().expect("no thread panics with it");
                        let known = failed.entry(violation.kind()).or_insert((0, seed, violation.clone()));
                        known.0 += 1;
                        if seed < known.1 {
                            (known.1, known.2) = (seed, violation);
                        }
                    }
                }
            }
        }
        all.lock().expect("no thread panics with it").add(&mine);
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one_thread))));
    let (all, failed) = (all.into_inner(), failed.into_inner());
    let (all, failed) = (all.expect("every thread has ended"), failed.expect("every thread has ended"));
    print!("{all}");
    let mut stories: Vec<String> = Vec::new();
    for (kind, (times, seed, violation)) in &failed {
        println!("{times} times: {kind}");
        // With SHORT=1 the seed alone.
        stories.push(match setting("SHORT") {
            None => shrink::story(&Setup::of(*seed), violation),
            Some(_) => format!("History {seed} breaks a sentence: {violation}"),
        });
    }
    assert!(stories.is_empty(), "after {} histories\n{}", all.histories, stories.join("\n\n"));
}

#[test]
fn seeds_that_failed_once_pass() {
    let seeds = SEEDS.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| !word.starts_with('#'));
    for seed in seeds.map(|word| word.parse::<u64>().expect("a seed")) {
        let setup = Setup::of(seed);
        // Most failed before any source of a history stated what is.
        let without = setup.states_what_is.then(|| setup.clone().without_tables());
        for setup in without.into_iter().chain([setup]) {
            if let Err(violation) = play(&setup) {
                panic!("{}", shrink::story(&setup, &violation));
            }
        }
    }
}
