//! The CloudEvents attributes that our records carry, and the same as Kafka headers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CONTENT_TYPE, Message};

/// The only version of CloudEvents written and read.
pub(super) const SPEC_VERSION: &str = "1.0";

/// A CloudEvent around `data`; the members stand in the order in which a person reads them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<D> {
    pub(super) specversion: String,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) r#type: String,
    pub(super) subject: String,
    pub(super) time: Timestamp,
    pub(super) datacontenttype: String,
    pub(super) partitionkey: String,
    /// The trace in which the event began. It belongs to the event and is written once; the header of the same name
    /// belongs to the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) traceparent: Option<String>,
    pub(super) data: D,
}

impl<D: Serialize> Envelope<D> {
    /// The record under `key`. The attributes stand in `ce_` headers too, so that a reader can choose without
    /// parsing, and `traceparent` in the header where tracing libraries look for it.
    pub(super) fn message(&self, key: String) -> Message {
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("ce_specversion", self.specversion.clone()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.r#type.clone()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.to_string()),
            ("ce_partitionkey", self.partitionkey.clone()),
        ];
        headers.extend(self.traceparent.iter().map(|trace| ("traceparent", trace.clone())));
        let value = serde_json::to_vec(self).expect("every key is a string and no value refuses to be written");
        Message { key, headers, value }
    }
}
