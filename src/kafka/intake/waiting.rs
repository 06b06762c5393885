//! Records whose schema is not at hand: their partition stands still, at that record, until the registry has answered. The
//! source's other partitions, and other sources, go on.
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
use crate::registry::{Lookup, Registry, Trouble};
use crate::sources::SchemaId;
use crate::sources::schema::Schema;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// So long after a record was written the registry that is asked may still not know its schema.
const REGISTERED_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// The schema that a record needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) schema: SchemaId,
    /// When the record was written.
    pub(super) written_at: Option<Timestamp>,
}

impl Wanted {
    /// What to read the record by; `None` = that is not known yet.
    pub(super) fn look_up(&self, registry: &Registry) -> Option<Arc<Schema>> {
        match registry.look_up(self.schema) {
            Lookup::Known(schema) => Some(schema),
            Lookup::Unknown if self.is_new() => None,
            Lookup::Unknown => Some(Arc::new(Schema::unknown(self.schema))),
            Lookup::Waiting => None,
        }
    }

    fn is_new(&self) -> bool {
        let age = self.written_at.map(|at| clock::now().duration_since(at));
        age.is_some_and(|age| SignedDuration::ZERO <= age && age < REGISTERED_WITHIN)
    }
}

/// The partitions that stand still, by source and number.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<(usize, i32), (i64, Wanted)>);

impl Waiting {
    /// Lets a partition stand still at `offset`.
    pub(super) fn add<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        (source, partition): (usize, i32),
        topic: &str,
        offset: i64,
        wanted: Wanted,
    ) {
        self.0.insert((source, partition), (offset, wanted));
        if let Err(failure) = consumer.pause(&list(topic, partition)) {
            info!("{topic}[{partition}] does not stand still: {failure}");
        }
    }

    /// Whether a partition stands still.
    pub(super) fn holds(&self, place: (usize, i32)) -> bool {
        self.0.contains_key(&place)
    }

    /// Forgets a partition that is not ours any more.
    pub(super) fn remove(&mut self, place: (usize, i32)) {
        self.0.remove(&place);
    }

    /// Takes up again what can be read by now, and shows what the others wait for.
    pub(super) fn take_up<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        sources: &[IntakeSource],
        figures: &Figures,
    ) {
        let framed = sources.iter().filter(|source| source.registry.is_some());
        let mut shown: BTreeMap<&str, Option<Trouble>> =
            framed.map(|source| (source.rules.name.as_str(), None)).collect();
        self.0.retain(|(index, partition), (offset, wanted)| {
            let (source, partition) = (&sources[*index], *partition);
            let Some(registry) = &source.registry else { return false };
            if wanted.look_up(registry).is_none() {
                shown.insert(&source.rules.name, registry.trouble());
                return true;
            }
            let again = resume(consumer, &source.topic, partition, *offset);
            if let Err(failure) = &again {
                info!("{}[{partition}] cannot go on yet: {failure}", source.topic);
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
