//! The few calls into librdkafka that rdkafka does not wrap: the one file of the service's Kafka side with unsafe code.

use rdkafka::bindings;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};

/// Metadata that fences: that of a member with a generation. Without one (never joined, or thrown out) a broker
/// accepts a transactional offset from anybody, so there is nothing to return.
pub(super) fn fencing_metadata<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<ConsumerGroupMetadata> {
    // rdkafka hides the generation of the metadata it returns. It is read before and after: equal and not negative
    // means that the metadata in between carries it, for a generation never comes back.
    let before = generation(consumer)?;
    let metadata = consumer.group_metadata()?;
    (generation(consumer)? == before).then_some(metadata)
}

/// The group generation of a member; `None` when it is no member.
pub(super) fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    #[expect(unsafe_code, reason = "rdkafka shows the generation only through FFI")]
    // SAFETY: the client outlives the call; the metadata is ours until it is destroyed, exactly once, below.
    let generation = unsafe {
        let metadata = bindings::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = bindings::rd_kafka_consumer_group_metadata_generation_id(metadata);
        bindings::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    (generation >= 0).then_some(generation)
}

/// Lets the first member of a group on a mock cluster join at once; the default is a wait of 3 s.
pub(super) fn join_at_once<C: ClientContext>(client: &Client<C>) {
    #[expect(unsafe_code, reason = "rdkafka's MockCluster does not offer this switch")]
    // SAFETY: the handle belongs to the client, which outlives the call; null is checked.
    unsafe {
        let cluster = bindings::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            bindings::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}
