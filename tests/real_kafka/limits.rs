//! A worker that is full: its events rest on a real Kafka, it stays in its group, and its memory does not grow.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::kafka::{Batch, OutgoingRecord};
use heroku_deprovisioner::model::outcome::OutcomeKind;
use serde_json::json;

use super::bench::Bench;
use super::service::{Scene, Start};
use super::stage::{outcomes, until, world};

#[test]
fn events_rest_and_flow_again() {
    let Some(bench) = Bench::new("events_rest_and_flow_again") else { return };
    let mut log = bench.joined("one");
    log.restore().unwrap();
    let events: Vec<(String, String)> = (0..10).map(|number| (format!("k{number}"), format!("v{number}"))).collect();
    let events: Vec<(&str, &str)> = events.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    bench.send(&bench.names.events, &events);
    let mut taken = Vec::new();
    until("three are there", || {
        let polled = log.poll_at_most(Duration::from_millis(100), 3 - taken.len()).unwrap();
        taken.extend(polled.records.into_iter().map(|record| record.offset));
        taken.len() == 3
    });
    assert_eq!(taken, [0, 1, 2]);

    // Longer than a member may be silent.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let polled = log.poll_at_most(Duration::from_millis(100), 0).unwrap();
        assert_eq!((polled.records.len(), polled.change), (0, None));
    }
    log.commit(&Batch { label: "accept", position: 3, ..Batch::default() }).unwrap();

    until("the others are there", || {
        let polled = log.poll_at_most(Duration::from_millis(100), 100).unwrap();
        taken.extend(polled.records.into_iter().map(|record| record.offset));
        taken.len() == 10
    });
    assert_eq!(taken, (0..10).collect::<Vec<i64>>(), "none twice, none left out");
}

const OPEN: usize = 1_000;
/// What the process may grow by: the consumers' queues, and what `OPEN` cases take. Without the limit it would be three
/// times as much.
const GROWTH_MAX: u64 = 48 * 1024 * 1024;

#[test]
fn at_twenty_times_the_limit_the_memory_does_not_grow() {
    let Some(bench) = Bench::new("at_twenty_times_the_limit_the_memory_does_not_grow") else { return };
    let scene = Scene::set_with(bench, world(), Duration::from_millis(1));
    // Heroku is away, so that no case can end.
    scene.set_faults(json!([{"when": {"path": "/teams"}, "then": [{"error": "service_unavailable"}]}]));
    let more = format!("\n[limits]\nopen_cases = {OPEN}\n");
    let mut instance = scene.start_with("one", &Start { more: &more, ..Start::default() });
    instance.until_says("State restored");
    std::thread::sleep(Duration::from_secs(2));
    let before = resident(&instance.child);

    let leavers: Vec<String> = (0..20 * OPEN).map(|number| format!("leaver-{number}@larkspur.example")).collect();
    for some in leavers.chunks(2_000) {
        scene.say(&some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    instance.until_says("No event is read until");
    let mut most = 0;
    let events = scene.names().events.clone();
    until("the intake has passed everything on", || {
        most = most.max(resident(&instance.child).saturating_sub(before));
        assert!(instance.child.try_wait().unwrap().is_none(), "{}", instance.told());
        scene.bench.high_watermark(&events) >= i64::try_from(leavers.len()).unwrap()
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        most = most.max(resident(&instance.child).saturating_sub(before));
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("grew by {} MiB from {} MiB", most / 1024 / 1024, before / 1024 / 1024);
    assert!(most < GROWTH_MAX, "grew by {most} bytes from {before}");
    let outcomes = outcomes(scene.kafka(), scene.names());
    let opened = outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseOpened).count();
    assert_eq!(opened, OPEN, "nothing more was taken");
    instance.stop();
}

/// Bytes of a process that lie in memory.
fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What the intake of one cluster may hold of records on their way in, and of what came of them on its way out.
const INTAKE_MAX: u64 = 160 * 1024 * 1024;

#[test]
fn a_flood_of_large_garbage_passes_through_without_piling_up() {
    let Some(bench) = Bench::new("a_flood_of_large_garbage_passes_through_without_piling_up") else { return };
    let scene = Scene::set_with(bench, world(), Duration::from_millis(1));
    // Nothing that could be compressed.
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    });
    let garbage = OutgoingRecord { value: Some(noise.take(1_000_000).collect()), ..OutgoingRecord::default() };
    let count = 500;
    for _ in 0..count / 50 {
        send(scene.kafka(), &format!("{}leavers", scene.bench.prefix), &vec![garbage.clone(); 50]).unwrap();
    }
    let mut instance = scene.start("one");
    let letters = scene.names().dead_letters.clone();
    let mut most = 0;
    until("each is a dead letter", || {
        assert!(instance.child.try_wait().unwrap().is_none(), "{}", instance.told());
        most = most.max(resident(&instance.child));
        scene.bench.high_watermark(&letters) >= count
    });
    println!("{} MiB at most", most / 1024 / 1024);
    assert!(most < INTAKE_MAX, "{most} bytes");
    instance.stop();
}
