//! Schemas of framed values: what a registry tells becomes something that decodes, and what it decodes is the same tree as
//! JSON gives, within the same limits, so that no format knows how its records were written. Pure: fetching is the
//! registry's.
//!
//! * **JSON Schema**: the body is JSON and is read as such. It is not held against the schema: what decides is
//!   checked by the format, member by member.
//! * **Avro**: by the schema it was written with, in `avro`.
//! * **Protobuf**: by the message that the indexes in the frame point to, in `protobuf`.

mod avro;
mod protobuf;

use serde_json::Value;

use self::avro::Avro;
use self::protobuf::Protobuf;
use super::document::Document;
use super::framing::{Frame, SchemaId};
use super::verdict::{Reject, RejectCode};

/// The kinds of schema that registries with Confluent's API hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// Avro; in the API the default.
    Avro,
    /// JSON Schema.
    Json,
    /// Protobuf.
    Protobuf,
}

/// A schema as the registry tells it.
#[derive(Debug, Clone)]
pub struct SchemaText {
    /// What it is written in.
    pub kind: SchemaKind,
    /// The schema.
    pub text: String,
    /// The schemas that it names, each behind those that it names itself.
    pub references: Vec<Reference>,
}

/// A schema that another one names.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What the other one calls it: a file to import, or a full name.
    pub name: String,
    /// The schema.
    pub text: String,
}

/// A schema, ready to decode by.
#[derive(Debug)]
pub struct Schema(Kind);

#[derive(Debug)]
enum Kind {
    Json,
    Avro(Avro),
    Protobuf(Protobuf),
    /// Every value that names it is refused.
    Unusable(Reject),
}

/// A body that was decoded, or the text that it is.
pub(super) enum Decoded<'a> {
    Text(&'a [u8]),
    Document(Document),
}

impl Schema {
    /// Makes a schema ready. One that cannot be used is one that refuses what names it: it stays so for good, as the
    /// schema of an id never changes.
    pub fn compile(schema: &SchemaText) -> Self {
        let compiled = match schema.kind {
            SchemaKind::Json => Ok(Kind::Json),
            SchemaKind::Avro => Avro::compile(schema).map(Kind::Avro),
            SchemaKind::Protobuf => Protobuf::compile(schema).map(Kind::Protobuf),
        };
        Self(compiled.unwrap_or_else(|why| Kind::Unusable(Reject::new(RejectCode::UnusableSchema, why))))
    }

    /// Stands for a schema that the registry does not know.
    pub fn unknown(id: SchemaId) -> Self {
        let why = format!("the registry knows no schema {id}; see that it is the one that the producer registers with");
        Self(Kind::Unusable(Reject::new(RejectCode::UnknownSchema, why)))
    }

    /// Stands for a schema that the registry tells and that cannot be used.
    pub fn unusable(why: impl Into<String>) -> Self {
        Self(Kind::Unusable(Reject::new(RejectCode::UnusableSchema, why)))
    }

    /// Why what names it is refused; `None` = it decodes.
    pub fn refuses(&self) -> Option<&Reject> {
        match &self.0 {
            Kind::Unusable(reject) => Some(reject),
            Kind::Json | Kind::Avro(_) | Kind::Protobuf(_) => None,
        }
    }

    pub(super) fn decode<'a>(&self, frame: &Frame<'a>) -> Result<Decoded<'a>, Reject> {
        match &self.0 {
            Kind::Json => Ok(Decoded::Text(frame.body)),
            Kind::Avro(avro) => avro.decode(frame.body).map(Decoded::Document),
            Kind::Protobuf(protobuf) => protobuf.decode(frame).map(Decoded::Document),
            Kind::Unusable(reject) => Err(reject.clone()),
        }
    }
}

/// Whole numbers as both encodings write them: seven bits a byte, the lowest first; signs as the lowest bit.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Bytes have no form of their own in JSON: they become base64 with its padding, as in Protobuf's JSON.
fn base64(bytes: &[u8]) -> Value {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| number << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let shown = digit <= chunk.len();
            text.push(if shown { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_they_end() {
        assert_eq!(varint(b"\x00\x07"), Some((0, b"\x07".as_slice())));
        assert_eq!(varint(b"\xac\x02"), Some((300, b"".as_slice())));
        assert_eq!(varint(&[&[0xff; 9], [0x01].as_slice()].concat()), Some((u64::MAX, b"".as_slice())));
        for bad in [&[][..], &[0x80], &[0xff; 10], &[&[0xff; 9], [0x02].as_slice()].concat()] {
            assert_eq!(varint(bad), None, "{bad:?}");
        }
        for (number, signed) in [(0, 0), (1, -1), (2, 1), (u64::MAX, i64::MIN), (u64::MAX - 1, i64::MAX)] {
            assert_eq!(zigzag(number), signed);
        }
    }

    #[test]
    fn bytes_become_base64() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xef", "/+8=")]
        {
            assert_eq!(base64(bytes), text);
        }
    }
}
