//! One source record: read it, and send what comes of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use tracing::{info, warn};

use super::figures::SourceFigures;
use super::waiting::{Found, Need, Seen, Wanted};
use super::{Intake, IntakeSource};
use crate::clock;
use crate::kafka::delivery::{Deliveries, Target, headers};
use crate::kafka::digest;
use crate::kafka::names::PARTITION;
use crate::lookup::{End, complete};
use crate::model::event::{Normalised, Origin};
use crate::sources::{self, Header, Reading, Record, Rules, Verdict};
use crate::telemetry::trace::{self, TRACEPARENT};
use crate::wire::{Keep, Refused, dead_letter, event_record};

/// Name of an ignored element in figures and metrics.
const IGNORE: &str = "ignore";
const NEEDS_LOOKUP: &str = "needs_lookup";
const REJECT: &str = "reject";

/// Reads the records of all sources of one intake, and counts.
pub(super) struct Desk<'a> {
    intake: &'a Intake,
    /// How the records of each source are read, with the newest keys.
    rules: Vec<Rules>,
    /// Since the last report, for each source.
    counts: Vec<SourceFigures>,
    /// The source of the record before: records come in runs.
    last: usize,
    /// Events, and dead letters, that were sent since what is sent was acknowledged.
    sent: (u64, u64),
}

impl<'a> Desk<'a> {
    pub(super) fn new(intake: &'a Intake) -> Self {
        Self {
            intake,
            rules: intake.sources.iter().map(|source| source.rules.clone()).collect(),
            counts: vec![SourceFigures::default(); intake.sources.len()],
            last: 0,
            sent: (0, 0),
        }
    }

    /// Index of the source that a topic belongs to.
    pub(super) fn source_of(&self, topic: &str) -> Option<usize> {
        self.intake.sources.iter().position(|source| source.topic == topic)
    }

    /// Index of the source that a record belongs to.
    pub(super) fn source_of_record(&mut self, record: &BorrowedMessage<'_>) -> Option<usize> {
        let topic = record.topic();
        if self.intake.sources.get(self.last).is_none_or(|source| source.topic != topic) {
            self.last = self.source_of(topic)?;
        }
        Some(self.last)
    }

    /// Reads a record of a source and hands what comes of it to the producer; or, when something that it needs is not at
    /// hand, does nothing and says what to wait for. `seen` is what is known of it if it has waited.
    pub(super) fn read(
        &mut self,
        index: usize,
        record: &BorrowedMessage<'_>,
        seen: Option<Seen>,
        producer: &mut Deliveries,
    ) -> Result<(), Wanted> {
        let topic = record.topic();
        let source = &self.intake.sources[index];
        let headers: Vec<Header<'_>> = record
            .headers()
            .map(|headers| headers.iter().map(|header| (header.key, header.value)).collect())
            .unwrap_or_default();
        let millis = record.timestamp().to_millis();
        let arrived_at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let raw = Record { key: record.key(), value: record.payload(), headers: &headers, arrived_at };
        let rules = &mut self.rules[index];
        let wants = |need| {
            let seen_at = seen.as_ref().map_or_else(clock::now, |seen| seen.at);
            Wanted { need, written_at: arrived_at, seen_at }
        };
        let found = match Need::of(&raw, source, rules) {
            Some(need) => {
                let wanted = wants(need);
                Some(wanted.look_up(source).ok_or(wanted)?)
            }
            None => None,
        };
        let mut readings = match found {
            Some(Found::Schema(schema)) => sources::read_by(&schema, &raw, rules),
            Some(Found::Keys(keys)) => {
                rules.tokens.trust.with_keys(keys);
                sources::read(&raw, rules)
            }
            Some(Found::People(_)) | None => sources::read(&raw, rules),
        };
        let mut looked_up = BTreeSet::new();
        if let Some(directory) = &source.directory {
            let answers = seen.as_ref().and_then(|seen| seen.people.as_deref());
            match complete(&mut readings, directory, answers) {
                Ok(ends) => {
                    for (element, end) in ends {
                        self.intake.metrics.looked_up(&source.rules.name, end.as_str());
                        looked_up.extend((end == End::Found).then_some(element));
                    }
                }
                Err(questions) => return Err(wants(Need::People(directory.ask_for(questions)))),
            }
        }
        let counts = &mut self.counts[index];
        counts.records += 1;
        let mut says_something = false;
        for reading in &readings {
            let decision = decision(reading);
            says_something |= decision != IGNORE;
            *counts.elements.entry(decision).or_default() += 1;
        }
        if says_something {
            let place = Place { topic, partition: record.partition(), offset: record.offset() };
            self.write(source, place, &raw, (readings, looked_up), producer);
        }
        Ok(())
    }

    fn write(
        &mut self,
        source: &IntakeSource,
        place: Place<'_>,
        raw: &Record<'_>,
        (readings, looked_up): (Vec<Reading>, BTreeSet<usize>),
        producer: &mut Deliveries,
    ) {
        let parent = raw.headers.iter().find(|(name, _)| *name == TRACEPARENT).and_then(|(_, value)| *value);
        let parent = parent.and_then(|value| std::str::from_utf8(value).ok());
        let span = trace::intake_span(place.topic, place.partition, place.offset, parent);
        let _entered = span.enter();
        let received_at = clock::now();
        let record_sha256 = digest::record_sha256(raw.value.unwrap_or_default());
        // A record with a thousand bad elements is kept once, not a thousand times.
        let mut keep = self.intake.keep;
        for (index, reading) in readings.into_iter().enumerate() {
            match reading.verdict {
                Verdict::Ignore { .. } => {}
                Verdict::Event(event) => {
                    let origin = Origin {
                        source: source.rules.name.clone(),
                        cluster: self.intake.cluster.clone(),
                        topic: place.topic.to_owned(),
                        partition: place.partition,
                        offset: place.offset,
                        element: reading.element,
                        record_sha256: record_sha256.clone(),
                        received_at,
                        authenticity: source.rules.tokens.trust.authenticity(),
                        looked_up: source
                            .directory
                            .as_ref()
                            .filter(|_| looked_up.contains(&index))
                            .map(|directory| directory.name().to_owned()),
                    };
                    let send = trace::send_span(&self.intake.names.events, None);
                    let traceparent = trace::traceparent(&send, parent);
                    let normalised = Normalised { event: *event, origin, traceparent };
                    let message = event_record(&normalised);
                    info!(
                        source = source.rules.name,
                        event_id = normalised.event.source.event_id,
                        "Event of kind {} taken in",
                        normalised.event.action.as_str()
                    );
                    let target = Target { topic: &self.intake.names.events, partition: Some(PARTITION) };
                    producer.send(target, Some(message.key.as_bytes()), Some(&message.value), None);
                    self.sent.0 += 1;
                }
                Verdict::Reject(reject) => {
                    let refused = Refused {
                        source: &source.rules.name,
                        cluster: &self.intake.cluster,
                        topic: place.topic,
                        partition: place.partition,
                        offset: place.offset,
                        element: &reading.element,
                        reason: reject.code.as_str(),
                        detail: &reject.detail,
                        at: received_at,
                        record_sha256: &record_sha256,
                        key: raw.key,
                        value: raw.value,
                        headers: raw.headers,
                    };
                    let letter = dead_letter(&refused, keep);
                    keep = Keep::Reference;
                    warn!(
                        source = source.rules.name,
                        "Record {}[{}] at offset {} refused: {}",
                        place.topic,
                        place.partition,
                        place.offset,
                        reject.code.as_str()
                    );
                    let target = Target { topic: &self.intake.names.dead_letters, partition: None };
                    let headers = headers(&letter.headers);
                    producer.send(target, letter.key.as_deref(), letter.value.as_deref(), headers);
                    self.sent.1 += 1;
                }
            }
        }
    }

    /// Counts what was sent, once all of it is acknowledged.
    pub(super) fn acknowledged(&mut self) {
        let (events, letters) = std::mem::take(&mut self.sent);
        let Intake { names, metrics, .. } = self.intake;
        metrics.records_sent(&names.events, events);
        metrics.records_sent(&names.dead_letters, letters);
    }

    /// Adds what was counted to the figures and the metrics.
    pub(super) fn report(&mut self) {
        for (source, counts) in self.intake.sources.iter().zip(&mut self.counts) {
            if counts.records == 0 {
                continue;
            }
            let name = source.rules.name.as_str();
            self.intake.metrics.records_read(name, counts.records);
            for (decision, count) in &counts.elements {
                self.intake.metrics.elements_decided(name, decision, *count);
                if *decision == REJECT {
                    self.intake.metrics.dead_letters(name, *count);
                }
            }
            counts.last_record_at = Some(clock::now());
            self.intake.figures.add(name, counts);
            *counts = SourceFigures::default();
        }
    }
}

/// Where a record lies.
#[derive(Clone, Copy)]
struct Place<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

fn decision(reading: &Reading) -> &'static str {
    match &reading.verdict {
        Verdict::Event(event) if event.resolved => event.action.as_str(),
        Verdict::Event(_) => NEEDS_LOOKUP,
        Verdict::Ignore { .. } => IGNORE,
        Verdict::Reject(_) => REJECT,
    }
}
