//! A dead letter as its topic holds it: the refused record, and what is said about it in headers of ours.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kafka::TopicRecord;
use crate::wire::DEAD_LETTER_HEADER;

/// What headers of ours say, in the order of a person's questions.
const SAID: [&str; 12] = [
    "source",
    "reason",
    "detail",
    "element",
    "cluster",
    "topic",
    "partition",
    "offset",
    "time",
    "record-sha256",
    "value-bytes",
    "payload",
];

/// One dead letter.
#[derive(Debug)]
pub(super) struct Letter(TopicRecord);

impl Letter {
    pub(super) fn of(record: TopicRecord) -> Self {
        Self(record)
    }

    pub(super) fn without_value(self) -> Self {
        Self(TopicRecord { value: None, ..self.0 })
    }

    /// Partition and offset.
    pub(super) fn place(&self) -> (i32, i64) {
        (self.0.partition, self.0.offset)
    }

    /// As commands name it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.0.partition, self.0.offset)
    }

    /// What it says under a name; empty = nothing.
    pub(super) fn says(&self, name: &str) -> &str {
        self.0.header(&format!("{DEAD_LETTER_HEADER}{name}")).unwrap_or_default()
    }

    /// A number that it says.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.says(name).parse().ok()
    }

    pub(super) fn refused_at(&self) -> Option<Timestamp> {
        self.says("time").parse().ok().or(self.0.written_at)
    }

    /// Where the record came from.
    pub(super) fn origin(&self) -> String {
        format!("{}[{}]@{}", self.says("topic"), self.says("partition"), self.says("offset"))
    }

    /// The value that was kept; what is cut off is gone.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.0.value.as_deref().filter(|_| self.says("payload") != "reference")
    }

    /// The refused record, if all of it was kept: key, value, and the headers of its source.
    pub(super) fn record(&self) -> Option<TopicRecord> {
        if self.says("payload") != "full" {
            return None;
        }
        let theirs = |(name, _): &&(String, Vec<u8>)| !name.starts_with(DEAD_LETTER_HEADER);
        let headers = self.0.headers.iter().filter(theirs).cloned().collect();
        Some(TopicRecord {
            partition: self.number("partition")?,
            offset: self.number("offset")?,
            headers,
            ..self.0.clone()
        })
    }

    pub(super) fn json(&self, with_value: bool) -> Value {
        let mut letter = json!({"letter": self.name()});
        for name in SAID {
            letter[name.replace('-', "_")] = json!(self.says(name));
        }
        if with_value {
            letter["value"] = json!(self.value().map(String::from_utf8_lossy));
        }
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Keep, Refused, dead_letter};

    fn letter(keep: Keep) -> Letter {
        let refused = Refused {
            source: "hr",
            cluster: "default",
            topic: "hr.leavers",
            partition: 3,
            offset: 7,
            element: "[1]",
            reason: "missing",
            detail: "`action` is missing",
            at: "2026-06-01T12:00:00Z".parse().unwrap(),
            record_sha256: "5f70",
            key: Some(b"k"),
            value: Some(b"{}"),
            headers: &[("traceparent", Some(b"00"))],
        };
        let made = dead_letter(&refused, keep);
        Letter::of(TopicRecord {
            partition: 0,
            offset: 17,
            written_at: None,
            key: made.key,
            value: made.value,
            headers: made.headers,
        })
    }

    #[test]
    fn the_refused_record_comes_out_as_it_went_in() {
        let record = letter(Keep::Record).record().unwrap();
        assert_eq!((record.partition, record.offset), (3, 7));
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(b"k".as_slice()), Some(b"{}".as_slice())));
        assert_eq!(record.headers, [("traceparent".to_owned(), b"00".to_vec())]);
        assert!(letter(Keep::Reference).record().is_none());
    }

    #[test]
    fn every_thing_said_is_shown_and_the_value_only_when_asked() {
        let json = letter(Keep::Record).json(false);
        assert_eq!((json["letter"].as_str(), json["detail"].as_str()), (Some("0:17"), Some("`action` is missing")));
        assert!(SAID.iter().all(|name| !json[name.replace('-', "_")].is_null()));
        assert!(json.get("value").is_none());
        assert_eq!(letter(Keep::Record).json(true)["value"], "{}");
        assert_eq!(letter(Keep::Record).origin(), "hr.leavers[3]@7");
    }
}
