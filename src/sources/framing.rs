//! How a value lies on its topic: plain, or framed for a schema registry. Only Confluent's framing is taken off, and only
//! where the source names a registry. Everything else is refused with what to configure: a value that is read in
//! another way than it was written may say anything.
//!
//! ```text
//! prefix   value  = 00 | schema id, 4 bytes | [message indexes] | body
//! headers  header `__value_schema_id` = 00 | schema id, 4 bytes | [message indexes]
//!                                   or  01 | schema guid, 16 bytes | [message indexes]
//!          value  = body
//! ```
//!
//! Message indexes are there for Protobuf alone. Which it is only the schema says.

use std::fmt;

use uuid::Uuid;

use super::Header;
use super::verdict::{Reject, RejectCode};

/// The header in which newer clients name the schema of the value.
const HEADER: &str = "__value_schema_id";

/// What the headers of Apicurio's own framing begin with.
const APICURIO: &str = "apicurio.value.";

/// First byte, length, and the second byte of what AWS Glue writes: plain or compressed.
const GLUE: (u8, usize, [u8; 2]) = (3, 18, [0, 5]);

/// How the values of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// They are what they say.
    Plain,
    /// They name a schema, in Confluent's way.
    Confluent,
}

/// What a record calls the schema of its value. It goes into the path of a request to the registry, which a number and
/// a UUID cannot break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaId {
    /// The registry's number.
    Number(u32),
    /// The same in every registry.
    Guid(Uuid),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Guid(guid) => write!(f, "{guid}"),
        }
    }
}

/// A value with its framing taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed<'a> {
    /// There was none.
    Plain(&'a [u8]),
    /// It names a schema.
    Schema(Frame<'a>),
}

/// What a framed value consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) schema: SchemaId,
    /// What stands behind the id in the header; `None` = the id stood before the value, and so do indexes.
    pub(super) behind_id: Option<&'a [u8]>,
    pub(super) body: &'a [u8],
}

/// Takes the framing off that the source is configured for, and refuses any other.
pub(super) fn take_off<'a>(framing: Framing, headers: &[Header<'a>], value: &'a [u8]) -> Result<Framed<'a>, Reject> {
    match framing {
        Framing::Plain => plain(headers, value).map(|()| Framed::Plain(value)),
        Framing::Confluent => confluent(headers, value).map(Framed::Schema),
    }
}

fn unexpected(detail: &str) -> Reject {
    Reject::new(RejectCode::UnexpectedFraming, detail)
}

/// A text is plain whatever the headers say: the header form leaves JSON as it is.
fn plain(headers: &[Header<'_>], value: &[u8]) -> Result<(), Reject> {
    if is_text(value) {
        return Ok(());
    }
    foreign(headers, value)?;
    if value.first() == Some(&0) {
        return Err(unexpected(
            "the value begins with byte 0, as with a schema registry; name that registry in `schema_registry` of the source",
        ));
    }
    if headers.iter().any(|(name, _)| *name == HEADER) {
        return Err(unexpected(
            "header `__value_schema_id` names a schema; name its registry in `schema_registry` of the source",
        ));
    }
    Ok(())
}

fn confluent<'a>(headers: &[Header<'a>], value: &'a [u8]) -> Result<Frame<'a>, Reject> {
    let mut named = headers.iter().filter(|(name, _)| *name == HEADER);
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => {
            Err(Reject::new(RejectCode::DuplicateHeader, format!("header `{HEADER}` stands more than once")))
        }
        (Some((_, id)), None) => {
            let (schema, behind) = in_header(id.unwrap_or_default())?;
            Ok(Frame { schema, behind_id: Some(behind), body: value })
        }
        (None, _) => in_front(headers, value),
    }
}

fn in_header(id: &[u8]) -> Result<(SchemaId, &[u8]), Reject> {
    let broken = || unexpected("header `__value_schema_id` is neither byte 0 with 4 bytes nor byte 1 with 16 bytes");
    match id.split_first() {
        Some((0, rest)) => number(rest).ok_or_else(broken).and_then(|(id, behind)| Ok((sensible(id)?, behind))),
        Some((1, rest)) => {
            let (guid, behind) = rest.split_first_chunk::<16>().ok_or_else(broken)?;
            Ok((SchemaId::Guid(Uuid::from_bytes(*guid)), behind))
        }
        Some(_) | None => Err(broken()),
    }
}

fn in_front<'a>(headers: &[Header<'_>], value: &'a [u8]) -> Result<Frame<'a>, Reject> {
    foreign(headers, value)?;
    match value.split_first() {
        Some((0, rest)) => {
            let (id, body) =
                number(rest).ok_or_else(|| unexpected("the value ends within the schema id that stands before it"))?;
            Ok(Frame { schema: sensible(id)?, behind_id: None, body })
        }
        Some(_) | None => Err(unexpected(
            "the value names no schema, neither before it nor in header `__value_schema_id`; for plain JSON leave \
             `schema_registry` out of the source",
        )),
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk::<4>().map(|(id, rest)| (u32::from_be_bytes(*id), rest))
}

/// Registries count from 1. Four zeros are the beginning of an id of eight bytes.
fn sensible(id: u32) -> Result<SchemaId, Reject> {
    if id == 0 {
        return Err(unexpected(
            "the schema id is 0; Apicurio's serializers write 8 bytes unless they are set to ids of 4 bytes \
             (`Legacy4ByteIdHandler`, in newer ones `Default4ByteIdHandler`, of the `contentId`)",
        ));
    }
    Ok(SchemaId::Number(id))
}

/// Framings that are not read.
fn foreign(headers: &[Header<'_>], value: &[u8]) -> Result<(), Reject> {
    let (version, length, compressions) = GLUE;
    if value.len() >= length && value[0] == version && compressions.contains(&value[1]) {
        return Err(unexpected(
            "the value is framed for AWS Glue's schema registry, which is not read; publish plain JSON, or serialize \
             with a registry that has Confluent's API",
        ));
    }
    if headers.iter().any(|(name, _)| name.starts_with(APICURIO)) {
        return Err(unexpected(
            "headers `apicurio.value.…` name a schema in Apicurio's own way, which is not read; set its serializer to \
             ids of 4 bytes before the value, without headers",
        ));
    }
    Ok(())
}

/// Whether this can only be JSON.
pub(super) fn is_text(value: &[u8]) -> bool {
    matches!(value.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: Uuid = Uuid::from_bytes([7; 16]);

    fn taken<'a>(
        framing: Framing,
        headers: &[Header<'a>],
        value: &'a [u8],
    ) -> Result<Framed<'a>, (RejectCode, String)> {
        take_off(framing, headers, value).map_err(|reject| (reject.code, reject.detail))
    }

    fn refusal(framing: Framing, headers: &[Header<'_>], value: &[u8]) -> String {
        let (code, detail) = taken(framing, headers, value).unwrap_err();
        assert_eq!(code, RejectCode::UnexpectedFraming, "{detail}");
        detail
    }

    #[test]
    fn an_id_stands_before_the_value_or_in_a_header() {
        let of = |schema, behind_id, body| Ok(Framed::Schema(Frame { schema, behind_id, body }));
        let number = SchemaId::Number(258);
        assert_eq!(taken(Framing::Confluent, &[], b"\0\0\0\x01\x02{}"), of(number, None, b"{}"));
        assert_eq!(taken(Framing::Confluent, &[], b"\0\0\0\x01\x02"), of(number, None, b""));
        let header: &[u8] = b"\0\0\0\x01\x02\x02\x04";
        let headers = [("__value_schema_id", Some(header)), ("__key_schema_id", Some(b"\0"))];
        assert_eq!(taken(Framing::Confluent, &headers, b"\0\0"), of(number, Some(b"\x02\x04"), b"\0\0"));
        let guid: Vec<u8> = [1].into_iter().chain([7; 16]).collect();
        let headers = [("__value_schema_id", Some(guid.as_slice()))];
        assert_eq!(taken(Framing::Confluent, &headers, b"{}"), of(SchemaId::Guid(GUID), Some(b""), b"{}"));
    }

    #[test]
    fn a_framed_value_of_a_plain_source_says_what_to_configure() {
        let id: &[u8] = b"\0\0\0\0\x01";
        for (headers, value) in [
            (vec![], b"\0\0\0\0\x01{}".as_slice()),
            (vec![], b"\0"),
            (vec![("__value_schema_id", Some(id))], b"\x02a"),
            (vec![("__value_schema_id", Some(id))], b""),
        ] {
            let detail = refusal(Framing::Plain, &headers, value);
            assert!(detail.contains("name") && detail.contains("`schema_registry` of the source"), "{detail}");
        }
    }

    #[test]
    fn text_is_plain_whatever_the_headers_say() {
        let headers: [Header<'_>; 1] = [("__value_schema_id", Some(b"\0\0\0\0\x01"))];
        for value in [b"{}".as_slice(), b" \n[]", b"\t{"] {
            assert_eq!(taken(Framing::Plain, &headers, value), Ok(Framed::Plain(value)));
        }
        for value in [b"".as_slice(), b"<a/>", b"eyJ", b"\x03", b"\x03\x00short"] {
            assert_eq!(taken(Framing::Plain, &[], value), Ok(Framed::Plain(value)));
        }
    }

    #[test]
    fn a_plain_value_of_a_framed_source_says_what_to_configure() {
        for value in [b"{\"a\":1}".as_slice(), b"", b"\x02a"] {
            assert!(refusal(Framing::Confluent, &[], value).contains("leave `schema_registry` out"));
        }
        for value in [b"\0".as_slice(), b"\0\0\0\x01"] {
            assert!(refusal(Framing::Confluent, &[], value).contains("ends within the schema id"));
        }
    }

    #[test]
    fn other_framings_are_named() {
        let glue = |compression: u8| [vec![3, compression], vec![9; 16], b"body".to_vec()].concat();
        for framing in [Framing::Plain, Framing::Confluent] {
            for value in [glue(0), glue(5)] {
                assert!(refusal(framing, &[], &value).contains("AWS Glue"));
            }
            let headers: [Header<'_>; 1] = [("apicurio.value.globalId", Some(b"\0\0\0\0\0\0\0\x01"))];
            assert!(refusal(framing, &headers, b"\x02a").contains("Apicurio's own way"));
        }
        assert!(refusal(Framing::Confluent, &[], b"\0\0\0\0\0\0\0\0\x01{}").contains("8 bytes"));
    }

    #[test]
    fn a_header_that_is_no_id_is_refused() {
        for id in [b"".as_slice(), b"\0\0\0\x01", b"\x01\x01", b"\x02\0\0\0\x01", b"\0\0\0\0\0"] {
            refusal(Framing::Confluent, &[("__value_schema_id", Some(id))], b"{}");
        }
        refusal(Framing::Confluent, &[("__value_schema_id", None)], b"{}");
        let id: Header<'_> = ("__value_schema_id", Some(b"\0\0\0\0\x01"));
        assert_eq!(taken(Framing::Confluent, &[id, id], b"{}").unwrap_err().0, RejectCode::DuplicateHeader);
    }
}
