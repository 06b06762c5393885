//! Records that cannot be read yet, because it takes something from outside. Their partitions are paused, and go on behind
//! the last record that came before the pause; so nothing is read twice, and nothing out of order.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use rdkafka::TopicPartitionList;
use rdkafka::message::{Message, OwnedMessage};

use crate::clock;

/// By topic and partition.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<(String, i32), Partition>);

/// A partition that is paused.
pub(super) struct Partition {
    /// When its first record that waits was first looked at.
    pub(super) since: Timestamp,
    /// Never empty while it waits. More than one only if some were handed out before the pause was felt.
    pub(super) records: VecDeque<OwnedMessage>,
    place: (String, i32),
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn holds(&self, topic: &str, partition: i32) -> bool {
        self.0.contains_key(&(topic.to_owned(), partition))
    }

    pub(super) fn add(&mut self, record: OwnedMessage) {
        let place = (record.topic().to_owned(), record.partition());
        let fresh = || Partition { since: clock::now(), records: VecDeque::new(), place: place.clone() };
        self.0.entry(place.clone()).or_insert_with(fresh).records.push_back(record);
    }

    pub(super) fn forget(&mut self, topic: &str, partition: i32) {
        self.0.remove(&(topic.to_owned(), partition));
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Partition> + use<> {
        std::mem::take(&mut self.0).into_values()
    }

    pub(super) fn put_back(&mut self, partition: Partition) {
        self.0.insert(partition.place.clone(), partition);
    }
}

impl Partition {
    /// Its first record was read.
    pub(super) fn goes_on(&mut self) {
        self.records.pop_front();
        self.since = clock::now();
    }

    pub(super) fn list(&self) -> TopicPartitionList {
        list(&self.place.0, self.place.1)
    }
}

/// The partition of a record.
pub(super) fn partition_of(record: &impl Message) -> TopicPartitionList {
    list(record.topic(), record.partition())
}

fn list(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}
