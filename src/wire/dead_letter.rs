//! What becomes of a record, or an element of one, that cannot be read. Key, value and headers stay as they were, so
//! that it can be published again once the cause is mended; what is said about it stands in headers of its own.

use jiff::Timestamp;

/// Longest value that is kept whole: with key and headers it fits a topic that has Kafka's default limit of 1 MiB.
pub const DEAD_LETTER_VALUE_MAX: usize = 768 * 1024;

/// Longest key, and longest headers together, that are kept.
const KEY_AND_HEADERS_MAX: usize = 64 * 1024;

/// What all headers of ours begin with. Headers of the source that do so too are not kept: nobody else may speak here.
pub const DEAD_LETTER_HEADER: &str = "dlq-";

/// Headers that carry somebody's credentials when a bridge has copied them from an HTTP request.
const SECRETS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// A refused record: where it lies and why it was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The configured source.
    pub source: &'a str,
    /// The cluster's name in the configuration.
    pub cluster: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Which element of it; empty = all of it.
    pub element: &'a str,
    /// The code of the refusal.
    pub reason: &'a str,
    /// What is wrong, without any value of the record.
    pub detail: &'a str,
    /// When it was refused.
    pub at: Timestamp,
    /// SHA-256 of the value, lower-case hex.
    pub record_sha256: &'a str,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// How much of a refused record goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Key, value and headers.
    Record,
    /// Nothing but place and digest, for topics whose readers must not see what sources write.
    Reference,
}

/// A record for the dead-letters topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The refused record's key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, followed by ours.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Makes the dead letter of a refused record.
pub fn dead_letter(refused: &Refused<'_>, keep: Keep) -> DeadLetter {
    let (payload, key, value, mut headers) = match keep {
        Keep::Reference => ("reference", None, None, Vec::new()),
        Keep::Record => {
            let whole = refused.value.is_none_or(|value| value.len() <= DEAD_LETTER_VALUE_MAX);
            let value = refused.value.map(|value| value[..value.len().min(DEAD_LETTER_VALUE_MAX)].to_vec());
            let key = refused.key.filter(|key| key.len() <= KEY_AND_HEADERS_MAX).map(<[u8]>::to_vec);
            (if whole { "full" } else { "cut" }, key, value, kept_headers(refused.headers))
        }
    };
    let length = refused.value.map_or(0, <[u8]>::len).to_string();
    let (partition, offset, at) = (refused.partition.to_string(), refused.offset.to_string(), refused.at.to_string());
    let ours = [
        ("reason", refused.reason),
        ("detail", refused.detail),
        ("source", refused.source),
        ("cluster", refused.cluster),
        ("topic", refused.topic),
        ("partition", &partition),
        ("offset", &offset),
        ("element", refused.element),
        ("time", &at),
        ("record-sha256", refused.record_sha256),
        ("value-bytes", &length),
        ("payload", payload),
    ];
    headers.extend(ours.map(|(name, value)| (format!("{DEAD_LETTER_HEADER}{name}"), value.as_bytes().to_vec())));
    DeadLetter { key, value, headers }
}

/// All headers but secrets, as far as there is room; a null becomes an empty value.
fn kept_headers(headers: &[(&str, Option<&[u8]>)]) -> Vec<(String, Vec<u8>)> {
    let mut room = KEY_AND_HEADERS_MAX;
    let mut kept = Vec::new();
    for (name, value) in headers {
        let folded = name.to_ascii_lowercase();
        if folded.starts_with(DEAD_LETTER_HEADER) || SECRETS.contains(&folded.as_str()) {
            continue;
        }
        let value = value.unwrap_or_default();
        let Some(left) = room.checked_sub(name.len() + value.len()) else { continue };
        room = left;
        kept.push(((*name).to_owned(), value.to_vec()));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = b"{\"eventType\":";

    fn refused<'a>(headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Refused<'a> {
        Refused {
            source: "okta",
            cluster: "default",
            topic: "okta.system-log",
            partition: 3,
            offset: 918_204,
            element: "",
            reason: "malformed_json",
            detail: "not one JSON document",
            at: "2026-05-29T14:03:13.207Z".parse().unwrap(),
            record_sha256: "5f70",
            key: Some(b"k"),
            value: Some(VALUE),
            headers,
        }
    }

    fn header<'a>(letter: &'a DeadLetter, name: &str) -> Vec<&'a str> {
        let values = letter.headers.iter().filter(|(header, _)| header == name);
        values.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn the_record_stays_as_it_was_and_says_why_it_is_here() {
        let letter = dead_letter(&refused(&[("traceparent", Some(b"00-0a-b9-01")), ("x", None)]), Keep::Record);
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(b"k".as_slice()), Some(VALUE)));
        for (name, value) in [
            ("traceparent", "00-0a-b9-01"),
            ("x", ""),
            ("dlq-reason", "malformed_json"),
            ("dlq-topic", "okta.system-log"),
            ("dlq-partition", "3"),
            ("dlq-offset", "918204"),
            ("dlq-time", "2026-05-29T14:03:13.207Z"),
            ("dlq-value-bytes", "13"),
            ("dlq-payload", "full"),
        ] {
            assert_eq!(header(&letter, name), [value], "{name}");
        }
    }

    #[test]
    fn a_reference_holds_nothing_of_the_record_but_its_place_and_digest() {
        let letter = dead_letter(&refused(&[("subject", Some(b"priya.raman@larkspur.example"))]), Keep::Reference);
        assert_eq!((&letter.key, &letter.value), (&None, &None));
        assert!(letter.headers.iter().all(|(name, _)| name.starts_with("dlq-")), "{:?}", letter.headers);
        assert_eq!(header(&letter, "dlq-record-sha256"), ["5f70"]);
        assert_eq!(header(&letter, "dlq-payload"), ["reference"]);
    }

    #[test]
    fn secrets_and_forged_headers_are_left_out() {
        let headers =
            [("Authorization", Some(b"Bearer x".as_slice())), ("DLQ-Reason", Some(b"fine")), ("a", Some(b"b"))];
        let letter = dead_letter(&refused(&headers), Keep::Record);
        assert_eq!(letter.headers[0], ("a".to_owned(), b"b".to_vec()));
        assert!(!letter.headers.iter().any(|(name, _)| name == "Authorization" || name == "DLQ-Reason"));
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_letter_says_so() {
        let value = vec![b'x'; DEAD_LETTER_VALUE_MAX + 1];
        let key = vec![b'k'; KEY_AND_HEADERS_MAX + 1];
        let long = [("long", Some(key.as_slice())), ("short", Some(b"s".as_slice()))];
        let letter = dead_letter(&Refused { value: Some(&value), key: Some(&key), ..refused(&long) }, Keep::Record);
        assert_eq!(letter.value.as_ref().map(Vec::len), Some(DEAD_LETTER_VALUE_MAX));
        assert_eq!(letter.key, None);
        assert_eq!(letter.headers[0].0, "short");
        assert_eq!(header(&letter, "dlq-payload"), ["cut"]);
        assert_eq!(header(&letter, "dlq-value-bytes"), [value.len().to_string()]);
    }

    #[test]
    fn a_tombstone_stays_one() {
        let letter = dead_letter(&Refused { value: None, ..refused(&[]) }, Keep::Record);
        assert_eq!(letter.value, None);
        assert_eq!(header(&letter, "dlq-value-bytes"), ["0"]);
    }
}
