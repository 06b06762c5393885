//! The intake beside a bare poll loop: what it costs to look into each record of a source topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use heroku_deprovisioner::config::StartAt;
use heroku_deprovisioner::kafka::intake::Figures;
use heroku_deprovisioner::kafka::{Intake, IntakeSource, find};
use heroku_deprovisioner::model::event::Normalised;
use heroku_deprovisioner::sources::{Format, Rules};
use heroku_deprovisioner::telemetry::Metrics;
use heroku_deprovisioner::wire::Keep;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, until};
use crate::table::{Goal, Row, Table, median};

const TOPIC: &str = "okta.system-log";
const TENANT: &str = "larkspur.okta.com";
const PARTITIONS: i32 = 4;
const RECORDS_PER_PARTITION: i32 = 100_000;
const RECORDS: u64 = PARTITIONS as u64 * RECORDS_PER_PARTITION as u64;
/// One record in so many says that somebody left. The first and the last of each partition do.
const RELEVANT_EVERY: i32 = 100;
const RECORD_BYTES: usize = 1024;
const ROUNDS: usize = 7;

pub(crate) fn bench(stage: &Stage, table: &mut Table) -> anyhow::Result<()> {
    let relevant = publish(stage)?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    // The first round warms the page cache and counts for nothing.
    for round in 0..=ROUNDS {
        let (one, other) = (poll_loop(stage)?, intake(stage, round, relevant)?);
        if round > 0 {
            println!("  round {round}: poll loop {:>7.0} records/s, intake {:>7.0} records/s", rate(one), rate(other));
            bare.push(rate(one));
            ours.push(rate(other));
        }
    }
    let (bare, ours) = (median(bare), median(ours));
    table.add(Row {
        name: "intake of 1 KB Okta records",
        value: format!("{:.0} k records/s", ours / 1000.0),
        baseline: format!("{:.0} k polled/s", bare / 1000.0),
        ratio: ours / bare,
        goal: Goal::AtLeast(0.5),
    });
    Ok(())
}

fn rate(took: Duration) -> f64 {
    RECORDS as f64 / took.as_secs_f64()
}

/// Fills the source topic and returns how many records are relevant.
fn publish(stage: &Stage) -> anyhow::Result<usize> {
    stage.broker.create_topic(TOPIC, PARTITIONS)?;
    let producer: BaseProducer = stage.bare().set("linger.ms", "20").create()?;
    let mut relevant = 0;
    for number in 0..RECORDS_PER_PARTITION {
        for partition in 0..PARTITIONS {
            let leaves = number % RELEVANT_EVERY == 0 || number == RECORDS_PER_PARTITION - 1;
            relevant += usize::from(leaves);
            let value = log_event(number * PARTITIONS + partition, leaves);
            let mut record = BaseRecord::to(TOPIC).partition(partition).key("okta").payload(value.as_str());
            while let Err((failure, back)) = producer.send(record) {
                if failure != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    bail!(failure);
                }
                producer.poll(Duration::from_millis(10));
                record = back;
            }
        }
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(relevant)
}

/// A System Log event of exactly [`RECORD_BYTES`].
fn log_event(number: i32, leaves: bool) -> String {
    let kinds =
        ["user.session.start", "user.authentication.sso", "group.user_membership.add", "policy.evaluate_sign_on"];
    let kind = if leaves { "user.lifecycle.deactivate" } else { kinds[number as usize % kinds.len()] };
    let actor = r#"{"actor":{"id":"00u4r1c0adminQx7k0h8","type":"User","alternateId":"it.ops@larkspur.example","displayName":"Larkspur IT Ops","detailEntry":null},"client":{"userAgent":{"rawUserAgent":""#;
    let rest = format!(
        r#"","os":"Linux","browser":"FIREFOX"}},"zone":"null","device":"Computer","id":null,"ipAddress":"198.51.100.23","geographicalContext":{{"city":"Lisbon","country":"Portugal","geolocation":{{"lat":38.7,"lon":-9.1}}}}}},"displayMessage":"Something happened","eventType":"{kind}","outcome":{{"result":"SUCCESS","reason":null}},"published":"2026-05-29T14:03:11.902Z","severity":"INFO","transaction":{{"type":"WEB","id":"t{number:026}","detail":{{}}}},"uuid":"7a1df5c6-5b66-11f1-9c1f-{number:012x}","version":"0","target":[{{"id":"00u{number:017}","type":"User","alternateId":"p{number}@larkspur.example","displayName":"Somebody","detailEntry":null}}]}}"#
    );
    let agent = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/139.0 ".repeat(8);
    let room = RECORD_BYTES - actor.len() - rest.len();
    format!("{actor}{}{rest}", &agent[..room])
}

/// From the first to the last record of a loop that does nothing but poll.
fn poll_loop(stage: &Stage) -> anyhow::Result<Duration> {
    let consumer: BaseConsumer = stage.bare().set("group.id", "bare").set("enable.auto.commit", "false").create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut began = None;
    let (mut count, mut bytes) = (0, 0);
    while count < RECORDS {
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            began.get_or_insert_with(Instant::now);
            bytes += record?.payload().map_or(0, <[u8]>::len);
            count += 1;
        }
    }
    let took = began.map_or(Duration::ZERO, |began| began.elapsed());
    ensure!(bytes == RECORD_BYTES * RECORDS as usize, "not the same bytes: {bytes}");
    Ok(took)
}

/// From the first to the last record of the intake, joining and leaving left out. Both are relevant, so the events
/// made from them tell when they were read.
fn intake(stage: &Stage, round: usize, relevant: usize) -> anyhow::Result<Duration> {
    let names = stage.topics(&format!("intake-{round}."))?;
    let rules =
        Rules { name: "okta".to_owned(), format: Format::Okta, tenant: Some(TENANT.to_owned()), ..Rules::auto() };
    let figures = Arc::new(Figures::default());
    let intake = Intake {
        cluster: "default".to_owned(),
        source_settings: stage.kafka(),
        own_settings: stage.kafka(),
        names: names.clone(),
        instance: "bench".to_owned(),
        sources: vec![IntakeSource {
            topic: TOPIC.to_owned(),
            rules,
            registry: None,
            keys: None,
            directory: None,
            start: StartAt::Earliest,
            late: StartAt::Earliest,
        }],
        keep: Keep::Record,
        metrics: Metrics::default(),
        figures: Arc::clone(&figures),
    };
    let stop = CancellationToken::new();
    let running = std::thread::spawn({
        let stop = stop.clone();
        move || intake.run(&stop)
    });
    until("all records are read", || {
        let read = figures.sources().get("okta").map_or(0, |figures| figures.records);
        Ok(read >= RECORDS || running.is_finished())
    })?;
    stop.cancel();
    running.join().map_err(|_| anyhow!("the intake panicked"))??;
    ensure!(figures.sources()["okta"].records == RECORDS, "records were read twice");

    let mut read_at = Vec::new();
    for record in find(&stage.kafka(), &names.events, |_| true)? {
        let event: Normalised = serde_json::from_slice(record.value.as_deref().unwrap_or_default())?;
        read_at.push(event.origin.received_at);
    }
    ensure!(read_at.len() == relevant, "{} events from {relevant} relevant records", read_at.len());
    let (Some(first), Some(last)) = (read_at.iter().min(), read_at.iter().max()) else { bail!("no events") };
    Ok(last.duration_since(*first).unsigned_abs())
}
