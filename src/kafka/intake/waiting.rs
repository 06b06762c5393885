//! Records that need something from outside which is not at hand: a schema, the key that a token names, or the addresses
//! of people. Their partition stands still, at that record, until it is known. The source's other partitions, and other sources, go on.
//!
//! Whatever fails in between, no record is passed over: what a partition that stands still delivers all the same is
//! dropped, and it is taken up again at the very record that waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tracing::info;

use super::{Figures, IntakeSource};
use crate::clock;
use crate::lookup::{Answers, Errand};
use crate::registry::Lookup;
use crate::sources::schema::Schema;
use crate::sources::token::{Compact, KeySet};
use crate::sources::{self, Record, Rules, SchemaId};
use crate::trouble::Trouble;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// So long after a record was written the registry that is asked may still not know its schema.
const REGISTERED_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// A source and the number of a partition of its topic.
type Place = (usize, i32);

/// What a record needs from outside to be read.
#[derive(Debug)]
pub(super) enum Need {
    /// A schema of the source's registry.
    Schema(SchemaId),
    /// The key of that name of the source's issuer.
    Key(String),
    /// What the source's look-up says about people.
    People(Errand),
}

/// The answer to a [`Need`].
#[derive(Debug)]
pub(super) enum Found {
    Schema(Arc<Schema>),
    Keys(Arc<KeySet>),
    People(Arc<Answers>),
}

/// A need of one record.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) need: Need,
    /// When the record was written.
    pub(super) written_at: Option<Timestamp>,
    /// When it was first looked at here.
    pub(super) seen_at: Timestamp,
}

/// What is known of a record that has waited.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When it was first looked at here.
    pub(super) at: Timestamp,
    /// What was said about the people in it.
    pub(super) people: Option<Arc<Answers>>,
}

impl Need {
    /// What a record needs to be read; `None` = it can be read, or refused, as it is.
    pub(super) fn of(record: &Record<'_>, source: &IntakeSource, rules: &Rules) -> Option<Self> {
        if source.registry.is_some() {
            return sources::schema_of(record, rules).map(Self::Schema);
        }
        source.keys.as_ref()?;
        Compact::of(record.value?)?.needs_key(&rules.tokens.trust).map(Self::Key)
    }
}

impl Wanted {
    /// What to read the record by; `None` = that is not known yet.
    pub(super) fn look_up(&self, source: &IntakeSource) -> Option<Found> {
        match &self.need {
            Need::Schema(id) => match source.registry.as_ref()?.look_up(*id) {
                Lookup::Known(schema) => Some(Found::Schema(schema)),
                Lookup::Unknown if self.is_new() => None,
                Lookup::Unknown => Some(Found::Schema(Arc::new(Schema::unknown(*id)))),
                Lookup::Waiting => None,
            },
            Need::Key(kid) => source.keys.as_ref()?.keys(kid, self.written_at, self.seen_at).map(Found::Keys),
            Need::People(errand) => errand.answers().map(Found::People),
        }
    }

    /// Why there is no answer; `None` = there will be one in a moment.
    fn trouble(&self, source: &IntakeSource) -> Option<Trouble> {
        match &self.need {
            Need::Schema(_) => source.registry.as_ref()?.trouble(),
            Need::Key(_) => source.keys.as_ref()?.trouble(),
            Need::People(errand) => errand.trouble(),
        }
    }

    fn is_new(&self) -> bool {
        let age = self.written_at.map(|at| clock::now().duration_since(at));
        age.is_some_and(|age| SignedDuration::ZERO <= age && age < REGISTERED_WITHIN)
    }
}

/// The partitions that stand still.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    still: BTreeMap<Place, (i64, Wanted)>,
    /// The records with which partitions went on: an issuer has no such key only if its keys were read since a record was
    /// first looked at, and what was said about people counts for that record.
    seen: BTreeMap<Place, (i64, Seen)>,
}

impl Waiting {
    /// Whether no partition stands still.
    pub(super) fn is_empty(&self) -> bool {
        self.still.is_empty()
    }

    /// Whether a partition stands still.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.still.contains_key(&place)
    }

    /// What is known of a record, if it has waited.
    pub(super) fn seen(&self, place: Place, offset: i64) -> Option<Seen> {
        self.seen.get(&place).filter(|(known, _)| *known == offset).map(|(_, seen)| seen.clone())
    }

    /// Lets a partition stand still at `offset`.
    pub(super) fn add<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        (source, partition): Place,
        topic: &str,
        offset: i64,
        wanted: Wanted,
    ) {
        self.still.insert((source, partition), (offset, wanted));
        if let Err(failure) = consumer.pause(&list(topic, partition)) {
            info!("{topic}[{partition}] does not stand still: {failure}");
        }
    }

    /// Forgets a partition that is not ours any more.
    pub(super) fn remove(&mut self, place: Place) {
        self.still.remove(&place);
        self.seen.remove(&place);
    }

    /// Takes up again what can be read by now, and shows what the others wait for.
    pub(super) fn take_up<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        sources: &[IntakeSource],
        figures: &Figures,
    ) {
        let waits =
            |source: &&IntakeSource| source.registry.is_some() || source.keys.is_some() || source.directory.is_some();
        let may_wait = sources.iter().filter(waits);
        let mut shown: BTreeMap<&str, Option<Trouble>> =
            may_wait.map(|source| (source.rules.name.as_str(), None)).collect();
        let seen = &mut self.seen;
        self.still.retain(|(index, partition), (offset, wanted)| {
            let (source, partition) = (&sources[*index], *partition);
            let Some(found) = wanted.look_up(source) else {
                if let Some(trouble) = wanted.trouble(source) {
                    shown.insert(&source.rules.name, Some(trouble));
                }
                return true;
            };
            let people = match found {
                Found::People(answers) => Some(answers),
                Found::Schema(_) | Found::Keys(_) => None,
            };
            let again = resume(consumer, &source.topic, partition, *offset);
            match &again {
                Ok(()) => drop(seen.insert((*index, partition), (*offset, Seen { at: wanted.seen_at, people }))),
                Err(failure) => info!("{}[{partition}] cannot go on yet: {failure}", source.topic),
            }
            again.is_err()
        });
        for (source, trouble) in shown {
            figures.set_waiting(source, trouble);
        }
    }
}

fn resume<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32, offset: i64) -> KafkaResult<()> {
    consumer.seek(topic, partition, Offset::Offset(offset), ANSWER_WITHIN)?;
    consumer.resume(&list(topic, partition))
}

fn list(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}
