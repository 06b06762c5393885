//! What `/metrics` says of a run, compared with what lies on the topics.

use std::collections::{BTreeMap, BTreeSet};

use heroku_deprovisioner::kafka::reader::find;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, leaves, record, until, world};

/// The values of one counter, by the label that `label` names.
fn values(page: &str, name: &str, label: &str) -> BTreeMap<String, usize> {
    let of = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
        let (_, rest) = labels.split_once(&format!("{label}=\""))?;
        Some((rest.split_once('"')?.0.to_owned(), value.parse().ok()?))
    };
    page.lines().filter_map(of).collect()
}

#[test]
fn every_metric_is_counted_by_the_service_and_every_record_once() {
    let play = Play::begin(world(), json!([]));
    play.say(&[record("no JSON"), leaves(PRIYA)]);
    play.until_closed(1);

    let topics = [&play.names.events, &play.names.state, &play.names.outcomes, &play.names.dead_letters];
    let mut seen = (BTreeMap::new(), BTreeMap::new());
    until("what lies on the topics is what was counted", || {
        let lies = |topic: &String| find(&play.kafka, topic, |_| true).unwrap().len();
        let lying: BTreeMap<String, usize> = topics.iter().map(|topic| ((*topic).clone(), lies(topic))).collect();
        let counted = values(&play.metrics(), "messaging_client_sent_messages_total", "messaging_destination_name");
        seen = (lying, counted);
        seen.0 == seen.1
    });
    assert!(seen.0.values().all(|records| *records > 0), "{seen:?}");

    let page = play.metrics();
    let ends = values(&page, "heroku_deprovisioner_transaction_duration_seconds_count", "end");
    assert_eq!(ends.keys().collect::<Vec<_>>(), ["committed"], "{page}");

    let told: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ').map(|(name, _)| name)).collect();
    let documented =
        include_str!("../../docs/telemetry.md").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let missing: Vec<&str> = documented
        .filter(|name| name.contains('_') && !name.contains(|it: char| it.is_uppercase() || it == '<'))
        .filter(|name| !told.contains(name))
        .collect();
    assert_eq!(missing, ["heroku_deprovisioner_lookups_total"], "the source has no directory; the rest must be there");
    play.end();
}
