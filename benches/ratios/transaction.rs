//! One turn of the worker committed, beside a bare transaction with the same records and the same group offset.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use heroku_deprovisioner::kafka::{Batch, Change, Log};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use crate::stage::{Stage, until};
use crate::table::{Goal, Row, Table, median};

const RECORDS: usize = 10;
const RECORD_BYTES: usize = 300;
const TRANSACTIONS: usize = 200;
const ROUNDS: usize = 6;
const BARE_TOPIC: &str = "bare-state";
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn bench(stage: &Stage, table: &mut Table) -> anyhow::Result<()> {
    let mut ours = Ours::open(stage)?;
    let bare = Bare::open(stage)?;
    let records = records();
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    // The first round connects and warms up, and counts for nothing.
    for round in 0..=ROUNDS {
        for number in 0..TRANSACTIONS {
            let position = i64::try_from(round * TRANSACTIONS + number)?;
            let (one, other) = (bare.commit(&records, position)?, ours.commit(&records)?);
            if round > 0 {
                bare_times.push(one);
                our_times.push(other);
            }
        }
    }
    let (bare, ours) = (median(bare_times), median(our_times));
    table.add(Row {
        name: "transaction of 10 records",
        value: format!("{:.2} ms", ours * 1000.0),
        baseline: format!("{:.2} ms bare", bare * 1000.0),
        ratio: ours / bare,
        goal: Goal::AtMost(1.5),
    });
    Ok(())
}

/// Keys, and values that no compression makes small.
fn records() -> Vec<(String, Vec<u8>)> {
    let mut dice = StdRng::seed_from_u64(1);
    (0..RECORDS).map(|number| (format!("case/{number}"), (0..RECORD_BYTES).map(|_| dice.random()).collect())).collect()
}

/// The worker's side of Kafka, as the worker uses it.
struct Ours {
    log: Log,
}

impl Ours {
    fn open(stage: &Stage) -> anyhow::Result<Self> {
        let names = stage.topics("transaction.")?;
        let mut log = Log::join(&stage.kafka(), &names, "bench", || {})?;
        until("the partition is ours", || Ok(log.poll(Duration::from_millis(50))?.change == Some(Change::Assigned)))?;
        log.restore()?;
        Ok(Self { log })
    }

    fn commit(&mut self, records: &[(String, Vec<u8>)]) -> anyhow::Result<f64> {
        let state = records.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let batch = Batch { label: "result", state, ..Batch::default() };
        let began = Instant::now();
        self.log.commit(&batch)?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// The least that a service which reads, works and writes exactly once does.
struct Bare<'a> {
    runtime: &'a Runtime,
    producer: FutureProducer,
    member: BaseConsumer,
}

impl<'a> Bare<'a> {
    fn open(stage: &'a Stage) -> anyhow::Result<Self> {
        stage.broker.create_topic(BARE_TOPIC, 1)?;
        let member: BaseConsumer =
            stage.bare().set("group.id", "bare-transactions").set("enable.auto.commit", "false").create()?;
        member.subscribe(&[BARE_TOPIC])?;
        until("the bare member has joined", || {
            drop(member.poll(Duration::from_millis(50)));
            Ok(member.assignment()?.count() > 0)
        })?;
        let producer: FutureProducer =
            stage.bare().set("transactional.id", "bare-transactions").set("linger.ms", "0").create()?;
        producer.init_transactions(ANSWER_WITHIN)?;
        Ok(Self { runtime: &stage.runtime, producer, member })
    }

    fn commit(&self, records: &[(String, Vec<u8>)], position: i64) -> anyhow::Result<f64> {
        let began = Instant::now();
        self.producer.begin_transaction()?;
        let mut reports = Vec::new();
        for (key, value) in records {
            match self.producer.send_result(FutureRecord::to(BARE_TOPIC).partition(0).key(key).payload(value)) {
                Ok(report) => reports.push(report),
                Err((failure, _)) => bail!(failure),
            }
        }
        // `flush` would look every 100 ms only, and the baseline is to be the fastest loop there is.
        for report in self.runtime.block_on(try_join_all(reports))? {
            report.map_err(|(failure, _)| failure)?;
        }
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(BARE_TOPIC, 0, Offset::Offset(position))?;
        let member = self.member.group_metadata().context("the bare member left its group")?;
        self.producer.send_offsets_to_transaction(&offsets, &member, ANSWER_WITHIN)?;
        self.producer.commit_transaction(ANSWER_WITHIN)?;
        Ok(began.elapsed().as_secs_f64())
    }
}
