//! Sources whose topic is not there, or is not shown to us: no partition of them is anybody's, so none falls silent. They are
//! looked for while this instance holds none of theirs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use tracing::info;

use super::{Figures, IntakeSource};

const LOOK_EVERY: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// When topics were last looked for.
#[derive(Debug, Default)]
pub(super) struct Missing {
    looked_at: Option<Instant>,
}

impl Missing {
    /// Notes which sources have no topic; `held` are those that have one.
    pub(super) fn look<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        sources: &[IntakeSource],
        held: &BTreeSet<usize>,
        figures: &Figures,
    ) {
        let due = self.looked_at.is_none_or(|looked_at| looked_at.elapsed() >= LOOK_EVERY);
        if due {
            self.looked_at = Some(Instant::now());
        }
        for (index, source) in sources.iter().enumerate() {
            if held.contains(&index) {
                figures.set_missing(&source.rules.name, None);
            } else if due {
                match why_missing(consumer, &source.topic) {
                    Ok(why) => figures.set_missing(&source.rules.name, why),
                    Err(failure) => {
                        // Brokers that do not answer about one topic do not about the next.
                        info!("Topic {} cannot be looked for: {failure}", source.topic);
                        return;
                    }
                }
            }
        }
    }
}

/// Why a topic cannot be read; `None` = it is there.
fn why_missing<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> KafkaResult<Option<String>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN)?;
    let code = metadata.topics().iter().find_map(|found| found.error().map(RDKafkaErrorCode::from));
    Ok(match code {
        Some(
            code @ (RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::TopicAuthorizationFailed),
        ) => Some(format!("topic {topic} does not exist, or may not be described: {code}")),
        Some(_) | None => None,
    })
}
