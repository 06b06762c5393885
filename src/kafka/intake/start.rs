//! Where reading begins: with the group's offset, and at the very first start where the configuration says. A partition that
//! came to its topic later never begins with "the next record": what it holds nobody has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{error, info, warn};

use super::Intake;
use crate::config::StartAt;
use crate::kafka::names::{PARTITION, TopicNames};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where the sources of an intake begin.
pub(super) struct Starts {
    /// Of each topic: at the very first start, and what stands for "the next record" later on.
    topics: BTreeMap<String, (StartAt, StartAt)>,
    names: TopicNames,
}

impl Starts {
    pub(super) fn of(intake: &Intake) -> Self {
        let topics = intake.sources.iter().map(|source| (source.topic.clone(), (source.start, source.late)));
        Self { topics: topics.collect(), names: intake.names.clone() }
    }
}

/// A partition and the offset at which it begins.
pub(super) type Beginning = (String, i32, i64);

/// Partitions with the offsets to begin at.
pub(super) struct Beginnings {
    /// All of them, ready to be assigned.
    pub(super) list: TopicPartitionList,
    /// Those of which the group has no offset yet. To be committed soon: otherwise "the next record" would be another
    /// one after a restart.
    pub(super) began: Vec<Beginning>,
}

/// Partitions by topic and number.
pub(super) type Places = BTreeSet<(String, i32)>;

/// Decides where each of the partitions begins. When the group's offsets cannot be had, librdkafka looks for them
/// later, and [`mend`] begins those that have none.
pub(super) fn beginnings<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    starts: &Starts,
    given: &TopicPartitionList,
) -> KafkaResult<Beginnings> {
    let mut list = TopicPartitionList::new();
    let mut began = Vec::new();
    let partitions = places(given);
    let committed = committed(consumer, &partitions);
    for (topic, partition) in partitions {
        let place = (topic, partition);
        let offset = match committed.as_ref().map(|offsets| offsets.get(&place)) {
            Ok(Some(offset)) => Offset::Offset(*offset),
            Ok(None) => match first(consumer, starts, &place) {
                Ok(offset) => {
                    began.push((place.0.clone(), place.1, offset));
                    Offset::Offset(offset)
                }
                Err(failure) => {
                    warn!("Where {}[{}] begins cannot be found out yet: {failure}", place.0, place.1);
                    Offset::Stored
                }
            },
            Err(failure) => {
                info!("The group's offset of {}[{}] is not known yet: {failure}", place.0, place.1);
                Offset::Stored
            }
        };
        list.add_partition_offset(&place.0, place.1, offset)?;
    }
    Ok(Beginnings { list, began })
}

/// Puts right what may have no valid offset, and takes it out of `doubtful`: begins what was never begun, and goes on with
/// the oldest record where records were deleted before they were read. What goes on already (`known`: its next offset) is not
/// begun anew. Returns where each goes on.
pub(super) fn mend<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    starts: &Starts,
    doubtful: &mut Places,
    known: impl Fn(&(String, i32)) -> Option<i64>,
) -> Vec<Beginning> {
    match held(consumer) {
        Ok(held) => doubtful.retain(|place| held.contains(place)),
        Err(failure) => {
            warn!("The assignment of the intake is not known: {failure}");
            return Vec::new();
        }
    }
    let places: Vec<_> = doubtful.iter().cloned().collect();
    let committed = match committed(consumer, &places) {
        Ok(committed) => committed,
        Err(failure) => {
            warn!("The offsets of the intake are not known: {failure}");
            return Vec::new();
        }
    };
    let mut begun = Vec::new();
    for place in places {
        let (topic, partition) = (&place.0, place.1);
        let offset = match known(&place).or_else(|| committed.get(&place).copied()) {
            None => first(consumer, starts, &place),
            Some(next) => consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN).map(|(low, high)| {
                let offset = goes_on(next, low, high);
                if offset == next {
                    info!("{topic}[{partition}] goes on at offset {next} (it holds {low} to {high})");
                } else {
                    error!(
                        "{topic}[{partition}] holds offsets {low} to {high}, and the next to read was {next}: \
                         records were deleted unread; going on with the oldest"
                    );
                }
                offset
            }),
        };
        let sought = offset.and_then(|offset| {
            // Given anew, because a partition whose offset was refused takes no seek.
            let mut anew = TopicPartitionList::new();
            anew.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            consumer.incremental_unassign(&anew)?;
            consumer.incremental_assign(&anew)?;
            Ok(offset)
        });
        match sought {
            Ok(offset) => {
                doubtful.remove(&place);
                begun.push((place.0, partition, offset));
            }
            Err(failure) => warn!("{topic}[{partition}] cannot go on yet: {failure}"),
        }
    }
    begun
}

/// The partitions that are ours.
pub(super) fn held<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> KafkaResult<Places> {
    // Copied at once: a list that lives when its consumer is dropped would block it for ever.
    Ok(places(&consumer.assignment()?).into_iter().collect())
}

/// Where a partition goes on that holds `low` to `high`. There is something to do also if that is where it was: librdkafka
/// stops reading a log that was cut below the next offset, and by now the log may have grown beyond it again.
fn goes_on(next: i64, low: i64, high: i64) -> i64 {
    if (low..=high).contains(&next) { next } else { low }
}

/// Where a partition begins of which the group has no offset.
fn first<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    starts: &Starts,
    (topic, partition): &(String, i32),
) -> KafkaResult<i64> {
    let (start, late) = starts.topics.get(topic).copied().unwrap_or((StartAt::Earliest, StartAt::Earliest));
    let read_before = is_read(consumer, topic)?;
    let start = if read_before && start == StartAt::Latest { late } else { start };
    let (low, high) = consumer.fetch_watermarks(topic, *partition, ANSWER_WITHIN)?;
    let offset = match start {
        StartAt::Earliest => low,
        StartAt::Latest => high,
        StartAt::Time(time) => {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, *partition, Offset::Offset(time.as_millisecond()))?;
            let found = offsets(&consumer.offsets_for_times(list, ANSWER_WITHIN)?);
            // None: no record is so young.
            found.into_values().next().unwrap_or(high)
        }
    };
    let begins = format!("{topic}[{partition}] begins at offset {offset} ({start:?}; it holds {low} to {high})");
    if read_before {
        warn!("A new partition, or one whose offset was lost: {begins}");
    } else {
        info!("First start: {begins}");
    }
    // The service reads its own topic of requests from its first start on.
    let TopicNames { requests, events, intake_group, .. } = &starts.names;
    let any = |(_, high)| high > 0;
    if topic == requests && consumer.fetch_watermarks(events, PARTITION, ANSWER_WITHIN).is_ok_and(any) {
        warn!(
            "Group {intake_group} has no offset of {requests} although {events} has had records: its offsets expired or \
             were deleted; sources without an offset begin as at a first start"
        );
    }
    Ok(offset)
}

/// Whether the group has an offset of any partition of a topic.
fn is_read<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> KafkaResult<bool> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let places: Vec<_> = partitions.map(|partition| (topic.to_owned(), partition.id())).collect();
    Ok(!committed(consumer, &places)?.is_empty())
}

fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[(String, i32)],
) -> KafkaResult<BTreeMap<(String, i32), i64>> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list = consumer.committed_offsets(list, ANSWER_WITHIN)?;
    // What is not told is not what is not there.
    list.elements().iter().try_for_each(|element| element.error())?;
    Ok(offsets(&list))
}

fn places(list: &TopicPartitionList) -> Vec<(String, i32)> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

fn offsets(list: &TopicPartitionList) -> BTreeMap<(String, i32), i64> {
    let known = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    };
    let elements = list.elements();
    elements
        .iter()
        .filter_map(|element| Some(((element.topic().to_owned(), element.partition()), known(element.offset())?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_held_is_gone_on_with_and_otherwise_the_oldest() {
        for (next, low, high, expected) in [(5, 0, 9, 5), (9, 0, 9, 9), (5, 5, 9, 5), (10, 3, 9, 3), (2, 3, 9, 3)] {
            assert_eq!(goes_on(next, low, high), expected, "{next} in {low} to {high}");
        }
    }
}
