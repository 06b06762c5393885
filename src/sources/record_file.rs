//! A whole Kafka record as a file, for cases in which key, headers or exact bytes matter:
//!
//! ```json
//! {
//!   "key_utf8": "bamboohr:40218:1182",
//!   "headers": [{ "name": "content-type", "value_utf8": "application/json" }],
//!   "value_json": { "schema_version": 1 }
//! }
//! ```
//!
//! `key_utf8` is a text or null. A header has `value_utf8`, `value_base64`, or neither for a null. The value is
//! exactly one of `value_json`, `value_utf8`, `value_base64` and `value_null: true`.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{Header, Record};

/// How the names of such files end.
pub const SUFFIX: &str = ".record.json";

/// A record that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFile {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Why a file does not describe a record.
#[derive(Debug, Error)]
pub enum RecordFileError {
    /// Not the JSON that is expected.
    #[error("not a record file")]
    Shape(#[from] serde_json::Error),
    /// None or several of the value's spellings.
    #[error("a record file has exactly one of value_json, value_utf8, value_base64 and `value_null: true`")]
    Value,
    /// A header with two values.
    #[error("header {0:?} has both value_utf8 and value_base64")]
    HeaderValue(String),
    /// A text that is not base64.
    #[error("`{0}` is not base64 with padding")]
    Base64(&'static str),
}

impl RecordFile {
    /// Reads a file. The bytes of `value_json` stay as they stand there, repeated keys included.
    ///
    /// # Errors
    /// When the file does not describe exactly one record.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordFileError> {
        let file: File<'_> = serde_json::from_slice(bytes)?;
        let value = match (file.value_json, file.value_utf8, file.value_base64, file.value_null) {
            (Some(json), None, None, false) => Some(json.get().as_bytes().to_vec()),
            (None, Some(text), None, false) => Some(text.into_bytes()),
            (None, None, Some(text), false) => Some(base64(&text).ok_or(RecordFileError::Base64("value_base64"))?),
            (None, None, None, true) => None,
            _ => return Err(RecordFileError::Value),
        };
        let headers = file
            .headers
            .into_iter()
            .map(|header| {
                let value = match (header.value_utf8, header.value_base64) {
                    (Some(text), None) => Some(text.into_bytes()),
                    (None, Some(text)) => Some(base64(&text).ok_or(RecordFileError::Base64("headers"))?),
                    (None, None) => None,
                    (Some(_), Some(_)) => return Err(RecordFileError::HeaderValue(header.name)),
                };
                Ok((header.name, value))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { key: file.key_utf8.map(String::into_bytes), headers, value })
    }

    /// The headers as a record borrows them.
    pub fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
    }

    /// The record, with what [`Self::headers`] returned.
    pub fn record<'a>(&'a self, headers: &'a [Header<'a>]) -> Record<'a> {
        Record { key: self.key.as_deref(), value: self.value.as_deref(), headers, arrived_at: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    key_utf8: Option<String>,
    #[serde(default)]
    headers: Vec<FileHeader>,
    #[serde(borrow, default, deserialize_with = "present")]
    value_json: Option<&'a RawValue>,
    value_utf8: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    value_null: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHeader {
    name: String,
    value_utf8: Option<String>,
    value_base64: Option<String>,
}

/// `value_json: null` is the JSON document `null`, not an absent member.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Decodes RFC 4648 base64 with its padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(member: &str) -> Result<Option<Vec<u8>>, RecordFileError> {
        RecordFile::parse(format!("{{{member}}}").as_bytes()).map(|file| file.value)
    }

    #[test]
    fn the_value_is_exactly_one_of_its_spellings() {
        assert_eq!(value(r#""value_json":{"a": 1,"a": 2}"#).unwrap().unwrap(), br#"{"a": 1,"a": 2}"#);
        assert_eq!(value(r#""value_json":null"#).unwrap().unwrap(), b"null");
        assert_eq!(value(r#""value_utf8":"<a/>""#).unwrap().unwrap(), b"<a/>");
        assert_eq!(value(r#""value_base64":"/+8=""#).unwrap().unwrap(), [0xff, 0xef]);
        assert_eq!(value(r#""value_null":true"#).unwrap(), None);
        for member in ["", r#""value_null":false"#, r#""value_utf8":"a","value_null":true"#, r#""value_jsno":1"#] {
            assert!(value(member).is_err(), "{member}");
        }
    }

    #[test]
    fn base64_is_read_strictly() {
        for (text, bytes) in [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9vYg==", b"foob")]
        {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["Zg", "Zg=", "Z===", "Zh==", "Zm9v====", "Zm-_", "Zm9v\n"] {
            assert_eq!(base64(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_header_may_have_no_value() {
        let file =
            RecordFile::parse(br#"{"headers":[{"name":"a"},{"name":"a","value_base64":"Zg=="}],"value_null":true}"#);
        assert_eq!(file.unwrap().headers, [("a".to_owned(), None), ("a".to_owned(), Some(b"f".to_vec()))]);
    }
}
