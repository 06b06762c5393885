//! The intake: every element arrives at least once, whatever is beside it and whatever is stopped.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use heroku_deprovisioner::config::StartAt;
use heroku_deprovisioner::kafka::intake::Figures;
use heroku_deprovisioner::kafka::{
    Follower, Intake, IntakeError, IntakeSource, OutgoingRecord, Since, TopicRecord, send,
};
use heroku_deprovisioner::model::event::Normalised;
use heroku_deprovisioner::sources::{Format, Rules};
use heroku_deprovisioner::telemetry::Metrics;
use heroku_deprovisioner::trial::{Cluster, Place, jars_for};
use heroku_deprovisioner::wire::Keep;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::bench::{self, Bench, until};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn leaver(number: usize) -> String {
    format!(
        r#"{{"schema_version":1,"action":"deprovision","occurred_at":"2026-05-28T18:42:00Z",
        "subject":{{"person_key":"hr:acme:{number}","emails":[{{"value":"p{number}@acme.example","kind":"work"}}]}},
        "source":{{"system":"hr","tenant":"acme","event_type":"left","event_id":"e{number}"}}}}"#
    )
}

fn record(value: &str) -> OutgoingRecord {
    OutgoingRecord {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![
            ("traceparent".to_owned(), TRACEPARENT.as_bytes().to_vec()),
            ("Authorization".to_owned(), b"Bearer secret".to_vec()),
        ],
    }
}

/// An intake of one topic, on its own thread.
struct Running {
    stop: CancellationToken,
    figures: Arc<Figures>,
    log: NamedTempFile,
    thread: JoinHandle<Result<(), IntakeError>>,
}

impl Running {
    fn start(bench: &Bench, topic: &str, instance: &str, start: StartAt) -> Self {
        let rules = Rules {
            name: "hr".to_owned(),
            format: Format::Canonical,
            tenant: Some("acme".to_owned()),
            ..Rules::auto()
        };
        let figures = Arc::new(Figures::default());
        let intake = Intake {
            cluster: "default".to_owned(),
            source_settings: bench.settings.clone(),
            own_settings: bench.settings.clone(),
            names: bench.names.clone(),
            instance: instance.to_owned(),
            sources: vec![IntakeSource {
                topic: topic.to_owned(),
                rules,
                registry: None,
                keys: None,
                directory: None,
                start,
                late: StartAt::Earliest,
            }],
            keep: Keep::Record,
            metrics: Metrics::default(),
            figures: Arc::clone(&figures),
        };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let log = NamedTempFile::new_in(bench::folder()).unwrap();
        let lines = Arc::new(log.reopen().unwrap());
        let thread = std::thread::spawn(move || {
            let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(lines).finish();
            tracing::subscriber::with_default(lines, || intake.run(&stopping))
        });
        let running = Self { stop, figures, log, thread };
        until("the intake has joined", || {
            std::thread::sleep(Duration::from_millis(20));
            running.figures.joined()
        });
        running
    }

    fn told(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    fn until_says(&self, what: &str) {
        until(&format!("the log says {what:?}"), || {
            std::thread::sleep(Duration::from_millis(20));
            self.told().contains(what)
        });
    }

    fn stop(self) {
        self.stop.cancel();
        self.thread.join().unwrap().unwrap();
    }
}

/// The topic's records, as they come.
struct Watch {
    follower: Follower,
    seen: Vec<TopicRecord>,
}

impl Watch {
    fn new(bench: &Bench, topic: &str) -> Self {
        Self { follower: Follower::open(&bench.settings, topic, Since::Beginning).unwrap(), seen: Vec::new() }
    }

    /// Reads on until `enough` says so.
    fn until(&mut self, what: &str, enough: impl Fn(&[TopicRecord]) -> bool) {
        until(what, || {
            self.seen.extend(self.follower.next(Duration::from_millis(100)).unwrap());
            enough(&self.seen)
        });
    }

    /// Everything that is there now.
    fn drain(&mut self) -> &[TopicRecord] {
        while let Some(record) = self.follower.next(Duration::from_secs(1)).unwrap() {
            self.seen.push(record);
        }
        &self.seen
    }
}

fn events(records: &[TopicRecord]) -> Vec<Normalised> {
    records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
}

fn ids(records: &[TopicRecord]) -> BTreeSet<String> {
    events(records).into_iter().map(|normalised| normalised.event.source.event_id).collect()
}

fn expected(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(|number| format!("e{number}")).collect()
}

fn source_topic(bench: &Bench, partitions: i32) -> String {
    let topic = format!("{}source", bench.prefix);
    bench.create_topic(&topic, partitions, &[]);
    topic
}

#[test]
fn a_poison_record_sinks_nobody() {
    let Some(bench) = Bench::new("a_poison_record_sinks_nobody") else { return };
    let topic = source_topic(&bench, 1);
    let mixed = format!("[{},{{\"schema_version\":1}},{}]", leaver(1), leaver(2));
    send(&bench.settings, &topic, &[record("{\"schema_version\":"), record(&mixed), record(&leaver(3))]).unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);

    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("three events", |seen| seen.len() >= 3);
    let found = events(watch.drain());
    assert_eq!(found.len(), 3);
    assert_eq!(watch.seen[0].key.as_deref(), Some(b"hr:acme:1".as_slice()));
    let origins: Vec<_> = found.iter().map(|event| (event.origin.offset, event.origin.element.as_str())).collect();
    assert_eq!(origins, [(1, "[0]"), (1, "[2]"), (2, "")]);
    assert_eq!(found[0].origin.topic, topic);
    assert_eq!(found[0].origin.record_sha256.len(), 64);
    assert_eq!(found[0].traceparent.as_deref(), Some(TRACEPARENT), "no exporter here: passed through");

    let mut letters = Watch::new(&bench, &bench.names.dead_letters);
    letters.until("two dead letters", |seen| seen.len() >= 2);
    assert_eq!(letters.drain().len(), 2);
    let header = |letter: usize, name: &str| {
        let found = letters.seen[letter].headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap())
    };
    assert_eq!(letters.seen[0].value.as_deref(), Some(b"{\"schema_version\":".as_slice()));
    assert_eq!(letters.seen[0].key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(header(0, "dlq-reason").as_deref(), Some("malformed_json"));
    assert_eq!(header(0, "dlq-offset").as_deref(), Some("0"));
    assert_eq!(header(0, "Authorization"), None);
    assert_eq!(header(1, "dlq-element").as_deref(), Some("[1]"));
    until("the figures", || intake.figures.sources().get("hr").is_some_and(|figures| figures.records == 3));
    let figures = intake.figures.sources().remove("hr").unwrap();
    assert_eq!((figures.elements["deprovision"], figures.elements["reject"]), (3, 2));
    assert!(figures.last_record_at.is_some());
    intake.stop();
}

#[test]
fn a_stop_and_a_second_instance_lose_nothing() {
    let Some(bench) = Bench::new("a_stop_and_a_second_instance_lose_nothing") else { return };
    let topic = source_topic(&bench, 4);
    let publish = |numbers: std::ops::Range<usize>| {
        let records: Vec<_> = numbers
            .map(|number| OutgoingRecord { key: Some(format!("{number}").into_bytes()), ..record(&leaver(number)) })
            .collect();
        send(&bench.settings, &topic, &records).unwrap();
    };
    let mut watch = Watch::new(&bench, &bench.names.events);
    publish(0..100);
    let first = Running::start(&bench, &topic, "a", StartAt::Earliest);
    watch.until("the first hundred", |seen| ids(seen) == expected(0..100));
    first.stop();
    assert_eq!(watch.drain().len(), 100, "after a clean stop and before the next start nothing is repeated");

    publish(100..200);
    let first = Running::start(&bench, &topic, "a", StartAt::Earliest);
    watch.until("the second hundred", |seen| ids(seen) == expected(0..200));
    assert_eq!(watch.drain().len(), 200, "read on where it was stopped");

    let second = Running::start(&bench, &topic, "b", StartAt::Earliest);
    publish(200..300);
    watch.until("both have read", |seen| ids(seen) == expected(0..300));
    first.stop();
    publish(300..400);
    watch.until("the other one goes on alone", |seen| ids(seen) == expected(0..400));
    second.stop();
}

#[test]
fn where_the_first_start_began_is_kept() {
    let Some(bench) = Bench::new("where_the_first_start_began_is_kept") else { return };
    let topic = source_topic(&bench, 1);
    send(&bench.settings, &topic, &[record(&leaver(1))]).unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Latest);
    // Joined comes before assigned; the offset is committed soon after.
    until("the beginning is committed", || bench.group_offset(&bench.names.intake_group, &topic) == Some(1));
    intake.stop();
    // Written while nobody read: not "the next record" any more for one who would begin at the end now.
    send(&bench.settings, &topic, &[record(&leaver(2))]).unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Latest);
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the second record", |seen| !seen.is_empty());
    assert_eq!(ids(watch.drain()), expected([2]));
    intake.stop();
}

/// It would be "the next record" to whoever sees the partition for the first time.
#[test]
fn what_was_written_to_a_partition_before_it_was_seen_is_read() {
    let Some(bench) = Bench::new("what_was_written_to_a_partition_before_it_was_seen_is_read") else { return };
    let topic = source_topic(&bench, 1);
    send(&bench.settings, &topic, &[record(&leaver(1))]).unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Latest);
    until("the beginning is committed", || bench.group_offset(&bench.names.intake_group, &topic) == Some(1));
    intake.stop();
    bench.add_partitions(&topic, 2);
    bench.send_to(&topic, 1, &leaver(2));
    let intake = Running::start(&bench, &topic, "a", StartAt::Latest);
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the record in the new partition", |seen| !seen.is_empty());
    assert_eq!(ids(watch.drain()), expected([2]));
    intake.stop();
}

#[test]
fn a_time_finds_its_record() {
    let Some(bench) = Bench::new("a_time_finds_its_record") else { return };
    let topic = source_topic(&bench, 1);
    // Of today: the broker deletes what is older than a week, every five minutes.
    let ago = |minutes: i64| heroku_deprovisioner::clock::now() - jiff::SignedDuration::from_mins(minutes);
    let at = |minutes: i64| ago(minutes).as_millisecond();
    bench.send_at(&topic, &[(at(30), &leaver(1)), (at(20), &leaver(2)), (at(10), &leaver(3))]);
    let time = ago(25);
    let intake = Running::start(&bench, &topic, "a", StartAt::Time(time));
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the younger records", |seen| seen.len() >= 2);
    assert_eq!(ids(watch.drain()), expected([2, 3]));
    intake.stop();
}

#[test]
fn records_deleted_unread_do_not_stop_the_others() {
    let Some(bench) = Bench::new("records_deleted_unread_do_not_stop_the_others") else { return };
    let topic = source_topic(&bench, 1);
    send(&bench.settings, &topic, &[record(&leaver(1))]).unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the first", |seen| ids(seen) == expected([1]));
    until("its offset", || bench.group_offset(&bench.names.intake_group, &topic) == Some(1));
    intake.stop();
    send(&bench.settings, &topic, &[record(&leaver(2)), record(&leaver(3))]).unwrap();
    bench.delete_before(&topic, 2);
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);
    watch.until("what is left", |seen| ids(seen) == expected([1, 3]));
    intake.stop();
}

#[test]
fn an_outage_of_the_bus_is_waited_out() {
    let Some(mut bench) = Bench::with_own_broker("an_outage_of_the_bus_is_waited_out") else { return };
    let topic = source_topic(&bench, 1);
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);
    send(&bench.settings, &topic, &[record(&leaver(1))]).unwrap();
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the first", |seen| ids(seen) == expected([1]));
    bench.own_broker().stop().unwrap();
    std::thread::sleep(Duration::from_secs(5));
    bench.own_broker().start_again().unwrap();
    send(&bench.settings, &topic, &[record(&leaver(2))]).unwrap();
    watch.until("the second", |seen| ids(seen) == expected([1, 2]));
    intake.stop();
}

#[test]
fn whatever_way_kafka_compresses_is_read() {
    let Some(bench) = Bench::new("whatever_way_kafka_compresses_is_read") else { return };
    let topic = source_topic(&bench, 1);
    for (number, compression) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        bench.send_compressed(&topic, compression, &leaver(number).into_bytes());
    }
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("one event of each", |seen| ids(seen) == expected(0..5));
    intake.stop();
}

#[test]
fn a_partition_whose_broker_is_down_at_the_first_start_is_read_once_it_is_back() {
    let test = "a_partition_whose_broker_is_down_at_the_first_start_is_read_once_it_is_back";
    let Some(jars) = jars_for(test) else { return };
    let places = Place::together(&vec![Vec::new(); 3]).unwrap();
    let mut cluster = Cluster::start(&jars, bench::folder(), places).unwrap();
    let bench = Bench::at(&cluster.bootstrap_servers());
    let topic = format!("{}source", bench.prefix);
    let holder = usize::try_from(bench.create_topic_unreplicated(&topic, 1)[0]).unwrap() - 1;
    send(&bench.settings, &topic, &[record(&leaver(1))]).unwrap();
    cluster.broker(holder).unwrap().kill().unwrap();
    let intake = Running::start(&bench, &topic, "a", StartAt::Earliest);
    // Long enough to be told, once, that there is no offset to begin at, and to fail at finding one.
    std::thread::sleep(Duration::from_secs(30));
    cluster.broker(holder).unwrap().start_again().unwrap();
    let mut watch = Watch::new(&bench, &bench.names.events);
    watch.until("the event", |seen| !seen.is_empty());
    assert_eq!(ids(&watch.seen), expected([1]));
    intake.stop();
}

/// "The next record" is found once: begun anew, it would be a later one.
#[test]
fn a_partition_that_has_begun_is_not_begun_anew_with_one_that_cannot_begin() {
    let test = "a_partition_that_has_begun_is_not_begun_anew_with_one_that_cannot_begin";
    let Some(jars) = jars_for(test) else { return };
    let places = Place::together(&vec![Vec::new(); 3]).unwrap();
    let mut cluster = Cluster::start(&jars, bench::folder(), places).unwrap();
    let bench = Bench::at(&cluster.bootstrap_servers());
    let topic = format!("{}source", bench.prefix);
    let holders = bench.create_topic_unreplicated(&topic, 2);
    assert_ne!(holders[0], holders[1]);
    let holder = usize::try_from(holders[1]).unwrap() - 1;
    cluster.broker(holder).unwrap().kill().unwrap();
    let (end, written) = (CancellationToken::new(), AtomicUsize::new(0));
    let next = || (!end.is_cancelled()).then(|| leaver(written.fetch_add(1, Ordering::Relaxed)));
    std::thread::scope(|scope| {
        let _ended = end.clone().drop_guard();
        let writing = scope.spawn(|| bench.send_steadily_to(&topic, 0, next));
        let intake = Running::start(&bench, &topic, "a", StartAt::Latest);
        intake.until_says("source[1] cannot go on yet");
        // Something is written after the beginning, however quick that was.
        std::thread::sleep(Duration::from_millis(500));
        end.cancel();
        writing.join().unwrap();
        cluster.broker(holder).unwrap().start_again().unwrap();
        let mut watch = Watch::new(&bench, &bench.names.events);
        let last = written.load(Ordering::Relaxed) - 1;
        watch.until("the last event", |seen| ids(seen).contains(&format!("e{last}")));
        let told = intake.told();
        let began: Vec<&str> = told.split("source[0] begins at offset ").skip(1).collect();
        assert_eq!(began.len(), 1, "{told}");
        let first = began[0].split_whitespace().next().unwrap().parse().unwrap();
        assert_eq!(ids(&watch.seen), expected(first..=last));
        intake.stop();
    });
}
