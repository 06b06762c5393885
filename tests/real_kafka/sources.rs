//! A source that cannot be read, and a topic that does not take what comes of one: told to people, and gone on with by itself.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use heroku_deprovisioner::kafka::{OutgoingRecord, send};
use serde_json::Value;

use super::bench::Bench;
use super::registry::status_of;
use super::service::{Scene, Start};
use super::stage::{LEAVERS, PRIYA, until, world};

/// Nobody's partition stands still for it, and nobody falls silent: it would not be seen.
#[test]
fn a_source_without_a_topic_is_told_and_read_once_it_is_there() {
    let Some(bench) = Bench::new("a_source_without_a_topic_is_told_and_read_once_it_is_there") else { return };
    let scene = Scene::set_with(bench, world(), Duration::from_millis(10));
    let topic = format!("{}leavers", scene.bench.prefix);
    scene.bench.delete_topic(&topic);
    let more = "[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n";
    let mut instance = scene.start_with("a", &Start { more, ..Start::default() });
    let because = || status_of(&instance, "hr")["waiting_because"].clone();
    instance.until_says("Answering on ");
    until("the status says so", || because().as_str().is_some_and(|why| why.contains(&topic)));
    instance.until_says(&format!("Source hr waits: topic {topic} "));
    scene.bench.create_topic(&topic, 1, &[]);
    scene.say(&[PRIYA]);
    until("it is not waited for any more", || because() == Value::Null);
    scene.until_closed(1, &mut instance);
    instance.stop();
}

/// One record that Kafka does not take makes the intake send again what came before it.
#[test]
fn a_letter_that_is_not_taken_floods_nobody() {
    let Some(bench) = Bench::new("a_letter_that_is_not_taken_floods_nobody") else { return };
    let scene = Scene::set_with(bench, world(), Duration::from_millis(10));
    let (topic, letters) = (format!("{}leavers", scene.bench.prefix), &scene.names().dead_letters);
    scene.bench.alter_topic(letters, "max.message.bytes", "1000");
    scene.say(&LEAVERS);
    send(scene.kafka(), &topic, &[OutgoingRecord { key: None, value: Some(noise(5_000)), headers: Vec::new() }])
        .unwrap();
    let instance = scene.start("a");
    instance.until_says("not acknowledged");
    std::thread::sleep(Duration::from_secs(20));
    let told = instance.told();
    let line = told.lines().find(|line| line.contains("not acknowledged")).unwrap();
    assert!(line.contains(letters), "{line}");
    let copies = scene.bench.read(&scene.names().events).len() / LEAVERS.len();
    assert!(copies <= 7, "{copies} copies of each leaver");
    scene.bench.alter_topic(letters, "max.message.bytes", "100000");
    let group = &scene.names().intake_group;
    until("it goes on", || scene.bench.group_offset(group, &topic) == Some(3));
    assert_eq!(scene.bench.read(letters).len(), 1);
    instance.stop();
}

/// Bytes that no compression makes fewer.
fn noise(count: usize) -> Vec<u8> {
    let byte = |index: usize| {
        let mut hasher = DefaultHasher::new();
        index.hash(&mut hasher);
        hasher.finish().to_le_bytes()[0]
    };
    (0..count).map(byte).collect()
}
