//! `dead-letters replay`: a refused record through the configuration as it is now, and what it says to the events topic,
//! exactly as the intake would write it.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use serde_json::json;

use super::fetch;
use super::letter::Letter;
use crate::cli::LettersReplayArgs;
use crate::clock;
use crate::commands::give::{command, give};
use crate::commands::kafka_access::{OwnTopics, failure};
use crate::commands::page::paragraph;
use crate::commands::schema;
use crate::config::{Cluster, Config, Environment, OPERATOR_SOURCE};
use crate::engine::case::case_id;
use crate::exit::Exit;
use crate::jwks;
use crate::kafka::{self, IntakeSource, KafkaSettings, OutgoingRecord, TopicRecord, record_sha256};
use crate::model::command::Act;
use crate::model::event::{Normalised, Origin};
use crate::sources::{self, Header, Reading, Record, Rules, Verdict};
use crate::telemetry::trace::TRACEPARENT;
use crate::wire;

pub(super) fn run(
    args: &LettersReplayArgs,
    config: &Config,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let letter = fetch(topics, args.letter)?;
    let (rules, cluster) = rules(config, topics, &letter)?;
    let record = match letter.record() {
        Some(record) => record,
        None => original(config, cluster, &letter)?,
    };
    let digest = record_sha256(record.value.as_deref().unwrap_or_default());
    if digest != letter.says("record-sha256") {
        bail!(
            "what lies at {} is not the record that was refused: its SHA-256 is another; have its system publish it again",
            letter.origin()
        );
    }
    let outcome = read(config, &letter, &record, &rules, &digest)?;
    if !outcome.events.is_empty() {
        // The command first: it records who ordered what follows, so that nothing follows without it.
        let act = Act::ReplayDeadLetter { partition: args.letter.partition, offset: args.letter.offset };
        give(topics, command(&args.given, environment, act))?;
        let records: Vec<OutgoingRecord> =
            outcome.events.iter().map(|normalised| wire::event_record(normalised).into()).collect();
        kafka::send(&topics.settings, &topics.names.events, &records)
            .map_err(failure)
            .context("the order is on record, what the record says may not have been taken in; replay it again")?;
    }
    outcome.say(args.given.json, out)
}

/// How the letter's source is read, and which cluster it is on.
fn rules<'c>(config: &'c Config, topics: &OwnTopics, letter: &Letter) -> anyhow::Result<(Rules, &'c Cluster)> {
    let name = letter.says("source");
    if name == OPERATOR_SOURCE {
        return Ok((IntakeSource::operator(&topics.names).rules, &config.kafka.cluster));
    }
    match config.sources.iter().find(|source| source.name == name) {
        Some(source) => {
            let mut rules = source.rules();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let keys = runtime.block_on(jwks::read_once(source));
            let keys = keys.map_err(anyhow::Error::from).context("the issuer's keys cannot be read");
            if let Some(keys) = keys.context(Exit::Unreachable)? {
                rules.tokens.trust.with_keys(Arc::new(keys));
            }
            Ok((rules, config.cluster_of(source).1))
        }
        None if [&topics.names.events, &topics.names.commands].iter().any(|topic| *topic == letter.says("topic")) => {
            Err(anyhow!(
                "the record is from {}, a topic that the service alone reads: order or publish again what it meant",
                letter.says("topic")
            )
            .context(Exit::Usage))
        }
        None => {
            Err(anyhow!("the configuration has no source {name:?}; run this with the one that does")
                .context(Exit::Usage))
        }
    }
}

/// The refused record from where it came.
fn original(config: &Config, cluster: &Cluster, letter: &Letter) -> anyhow::Result<TopicRecord> {
    let (topic, partition, offset) = (letter.says("topic"), letter.number("partition"), letter.number("offset"));
    let (Some(partition), Some(offset)) = (partition, offset) else {
        return Err(anyhow!("the letter does not say where its record lies").context(Exit::BadInput));
    };
    let settings = KafkaSettings::of(cluster, &config.advanced)?;
    kafka::record_at(&settings, topic, partition, offset).map_err(failure)?.ok_or_else(|| {
        anyhow!(
            "only a reference was kept, and {} holds the record no more; have its system publish it again",
            letter.origin()
        )
    })
}

/// What came of it.
#[derive(Debug, Default)]
struct Replayed {
    events: Vec<Normalised>,
    /// Reasons for passing elements over.
    ignored: Vec<String>,
    /// Codes and details.
    refused: Vec<String>,
}

/// Reads the record, and takes of it what the letter is about; other elements were taken in at the time.
fn read(
    config: &Config,
    letter: &Letter,
    record: &TopicRecord,
    rules: &Rules,
    digest: &str,
) -> anyhow::Result<Replayed> {
    let headers: Vec<Header<'_>> =
        record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
    let raw = Record {
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
        arrived_at: record.written_at,
    };
    let schema = match sources::schema_of(&raw, rules) {
        Some(id) => schema::ask(config, &rules.name, id)?,
        None => None,
    };
    let readings = match schema {
        Some(schema) => sources::read_by(&schema, &raw, rules),
        None => sources::read(&raw, rules),
    };
    let element = letter.says("element");
    let is_meant = |reading: &Reading| element.is_empty() || reading.element == element;
    // Read in another way now, it may have other elements. A repeated one is known to the worker.
    let all = !readings.iter().any(is_meant);
    let mut replayed = Replayed::default();
    for reading in readings.into_iter().filter(|reading| all || is_meant(reading)) {
        match reading.verdict {
            Verdict::Ignore { reason, .. } => replayed.ignored.push(reason.into_owned()),
            Verdict::Reject(reject) => replayed.refused.push(format!("{}: {}", reject.code.as_str(), reject.detail)),
            Verdict::Event(event) => {
                let origin = Origin {
                    source: rules.name.clone(),
                    cluster: letter.says("cluster").to_owned(),
                    topic: letter.says("topic").to_owned(),
                    partition: record.partition,
                    offset: record.offset,
                    element: reading.element,
                    record_sha256: digest.to_owned(),
                    received_at: clock::now(),
                    authenticity: rules.tokens.trust.authenticity(),
                    looked_up: None,
                };
                let traceparent = record.header(TRACEPARENT).map(str::to_owned);
                replayed.events.push(Normalised { event: *event, origin, traceparent });
            }
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn say(&self, json: bool, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let cases: Vec<String> =
            self.events.iter().map(|normalised| case_id(&normalised.event.source).to_string()).collect();
        if json {
            writeln!(out, "{}", json!({"cases": cases, "ignored": self.ignored, "refused": self.refused}))?;
        } else {
            for (normalised, case) in self.events.iter().zip(&cases) {
                let kind = normalised.event.action.as_str();
                write!(
                    out,
                    "{}",
                    paragraph(&format!("Taken in: {kind}; the case is {case}, unless the person has an open one."))
                )?;
            }
            for reason in &self.ignored {
                write!(out, "{}", paragraph(&format!("Passed over: {reason}.")))?;
            }
            for reason in &self.refused {
                write!(out, "{}", paragraph(&format!("Refused again: {reason}.")))?;
            }
        }
        Ok(if self.refused.is_empty() { Exit::Done } else { Exit::BadInput })
    }
}
