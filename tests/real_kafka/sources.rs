//! A source that cannot be read: told to people, and gone on with by itself.

use std::time::Duration;

use serde_json::Value;

use super::bench::Bench;
use super::registry::status_of;
use super::service::{Scene, Start};
use super::stage::{PRIYA, until, world};

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
