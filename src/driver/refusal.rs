//! Records of our own topics that cannot be read: each becomes a dead letter, in the transaction that passes over it.

use tracing::warn;

use super::Worker;
use crate::clock;
use crate::config::OWN_CLUSTER;
use crate::kafka::names::PARTITION;
use crate::kafka::{EventRecord, OutgoingRecord, TopicRecord, record_sha256};
use crate::wire::{CommandError, Refused, dead_letter};

/// A dead letter on its way.
pub(super) struct Refusal {
    /// What it is counted under.
    pub(super) source: &'static str,
    pub(super) letter: OutgoingRecord,
}

/// A record and what is wrong with it.
struct Bad<'a> {
    source: &'static str,
    topic: &'a str,
    offset: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [(String, Vec<u8>)],
    reason: &'static str,
    detail: &'a str,
}

impl Worker {
    pub(super) fn refuse_event(&self, record: &EventRecord, why: &serde_json::Error) -> Refusal {
        // serde_json's text may quote the value; its place does not.
        let detail =
            format!("not an event of ours: {:?} at line {} column {}", why.classify(), why.line(), why.column());
        self.refuse(&Bad {
            source: "events",
            topic: &self.settings.topics.events,
            offset: record.offset,
            key: Some(record.key.as_bytes()),
            value: Some(&record.value),
            headers: &record.headers,
            reason: "malformed_json",
            detail: &detail,
        })
    }

    pub(super) fn refuse_command(&self, record: &TopicRecord, why: &CommandError) -> Refusal {
        self.refuse(&Bad {
            source: "commands",
            topic: &self.settings.topics.commands,
            offset: record.offset,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
            reason: why.code(),
            detail: &why.to_string(),
        })
    }

    fn refuse(&self, bad: &Bad<'_>) -> Refusal {
        warn!(offset = bad.offset, "A record of the {} topic was refused: {}", bad.source, bad.detail);
        let headers: Vec<(&str, Option<&[u8]>)> =
            bad.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
        let letter = dead_letter(
            &Refused {
                source: bad.source,
                cluster: OWN_CLUSTER,
                topic: bad.topic,
                partition: PARTITION,
                offset: bad.offset,
                element: "",
                reason: bad.reason,
                detail: bad.detail,
                at: clock::now(),
                record_sha256: &record_sha256(bad.value.unwrap_or_default()),
                key: bad.key,
                value: bad.value,
                headers: &headers,
            },
            self.settings.keep,
        );
        let letter = OutgoingRecord { key: letter.key, value: letter.value, headers: letter.headers };
        Refusal { source: bad.source, letter }
    }
}
