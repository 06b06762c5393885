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

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
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
    Value::String(STANDARD.encode(bytes))
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

    mod by_record {
        use std::sync::Arc;

        use apache_avro::types::Value as Avro;
        use apache_avro::writer::datum::GenericDatumWriter;
        use jiff::SignedDuration;
        use serde_json::json;

        use super::super::*;
        use crate::sources::token::{Algorithm, TokenRules, Trust};
        use crate::sources::{Format, Framing, Header, Reading, Record, Rules, Verdict, read, read_by, schema_of};

        fn rules() -> Rules {
            Rules { format: Format::Canonical, framing: Framing::Confluent, ..Rules::auto() }
        }

        fn text(kind: SchemaKind, schema: &Value) -> SchemaText {
            SchemaText { kind, text: schema.to_string(), references: Vec::new() }
        }

        fn record_of(name: &str, fields: &[(&str, Value)]) -> Value {
            let fields: Vec<_> = fields.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
            json!({"type": "record", "name": name, "fields": fields})
        }

        /// A canonical event in Avro, which has to name what is not there.
        fn event() -> (SchemaText, Vec<u8>) {
            let maybe = json!(["null", "string"]);
            let address = record_of("Address", &[("value", json!("string")), ("kind", json!("string"))]);
            let subject = record_of(
                "Subject",
                &[("person_key", json!("string")), ("emails", json!({"type": "array", "items": address}))],
            );
            let names = ["system", "tenant", "event_type", "event_id"];
            let source = record_of("Source", &names.map(|name| (name, json!("string"))));
            let schema = record_of(
                "Event",
                &[
                    ("schema_version", json!("int")),
                    ("action", json!({"type": "enum", "name": "Action", "symbols": ["deprovision"]})),
                    ("occurred_at", json!({"type": "long", "logicalType": "timestamp-millis"})),
                    ("reason", maybe),
                    ("subject", subject),
                    ("source", source),
                ],
            );
            let members = |members: Vec<(&str, Avro)>| {
                Avro::Record(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            };
            let text_of = |text: &str| Avro::String(text.to_owned());
            let address = members(vec![("value", text_of("priya@larkspur.example")), ("kind", text_of("work"))]);
            let value = members(vec![
                ("schema_version", Avro::Int(1)),
                ("action", Avro::Enum(0, "deprovision".to_owned())),
                ("occurred_at", Avro::TimestampMillis(1_780_063_391_902)),
                ("reason", Avro::Union(0, Box::new(Avro::Null))),
                (
                    "subject",
                    members(vec![("person_key", text_of("hr:larkspur:1")), ("emails", Avro::Array(vec![address]))]),
                ),
                ("source", members(names.map(|name| (name, text_of("hr"))).to_vec())),
            ]);
            let compiled = apache_avro::Schema::parse_str(&schema.to_string()).unwrap();
            let body = GenericDatumWriter::builder(&compiled).build().unwrap().write_value_to_vec(value).unwrap();
            (text(SchemaKind::Avro, &schema), body)
        }

        fn only(mut readings: Vec<Reading>) -> Verdict {
            assert_eq!(readings.len(), 1, "{readings:?}");
            readings.remove(0).verdict
        }

        fn code(verdict: &Verdict) -> Option<RejectCode> {
            if let Verdict::Reject(reject) = verdict { Some(reject.code) } else { None }
        }

        #[test]
        fn a_format_does_not_know_how_its_records_were_written() {
            let (schema, body) = event();
            let value = [&b"\0\0\0\0\x07"[..], &body].concat();
            // The content type names what the value was before it was decoded.
            let headers: [Header<'_>; 5] = [
                ("ce_specversion", Some(b"1.0")),
                ("ce_id", Some(b"1")),
                ("ce_source", Some(b"urn:hr")),
                ("ce_type", Some(b"heroku-deprovisioner.person.v1")),
                ("content-type", Some(b"application/avro")),
            ];
            for headers in [&[][..], &headers] {
                let record = Record { value: Some(&value), headers, ..Record::default() };
                assert_eq!(schema_of(&record, &rules()), Some(SchemaId::Number(7)));
                let verdict = only(read_by(&Schema::compile(&schema), &record, &rules()));
                let Verdict::Event(event) = verdict else { panic!("{verdict:?}") };
                assert_eq!(event.occurred_at.to_string(), "2026-05-29T14:03:11.902Z");
                assert_eq!(event.reason, None);
                assert_eq!(event.subject.emails[0].value.expose(), "priya@larkspur.example");
            }
        }

        #[test]
        fn json_behind_an_id_is_read_as_it_stands() {
            let json = Schema::compile(&text(SchemaKind::Json, &json!({"type": "object"})));
            let value = b"\0\0\0\0\x07{\"action\":1,\"action\":2}";
            let record = Record { value: Some(value), ..Record::default() };
            assert_eq!(code(&only(read_by(&json, &record, &rules()))), Some(RejectCode::DuplicateKey));
        }

        /// Whoever may register a schema signs nothing by that.
        #[test]
        fn claims_behind_an_id_are_not_signed() {
            let trust = Trust::Signed {
                algorithms: vec![Algorithm::ES256],
                keys: Arc::default(),
                age_max: SignedDuration::from_hours(1),
            };
            let tokens = TokenRules { trust, ..TokenRules::unchecked() };
            let rules = Rules { format: Format::Set, tokens, ..rules() };
            let (avro, body) = event();
            let json = SchemaText { kind: SchemaKind::Json, ..avro.clone() };
            for (schema, body) in [(avro, body), (json, b"{\"iss\":\"https://idp.example/\"}".to_vec())] {
                let value = [&b"\0\0\0\0\x07"[..], &body].concat();
                let record = Record { value: Some(&value), ..Record::default() };
                let verdict = only(read_by(&Schema::compile(&schema), &record, &rules));
                assert_eq!(code(&verdict), Some(RejectCode::Untrusted), "{verdict:?}");
            }
        }

        #[test]
        fn what_cannot_be_decoded_is_refused_and_a_tombstone_is_not() {
            let (schema, _) = event();
            let record = Record { value: Some(b"\0\0\0\0\x07\x02"), ..Record::default() };
            let by = |schema: &Schema| code(&only(read_by(schema, &record, &rules())));
            assert_eq!(by(&Schema::compile(&schema)), Some(RejectCode::Undecodable));
            assert_eq!(by(&Schema::unknown(SchemaId::Number(7))), Some(RejectCode::UnknownSchema));
            let broken = SchemaText { text: "{".to_owned(), ..schema };
            assert_eq!(by(&Schema::compile(&broken)), Some(RejectCode::UnusableSchema));
            assert_eq!(code(&only(read(&record, &rules()))), Some(RejectCode::UnknownSchema), "nobody asked for it");

            let tombstone = Record::default();
            assert_eq!(schema_of(&tombstone, &rules()), None);
            assert!(matches!(only(read(&tombstone, &rules())), Verdict::Ignore { .. }));
            let plain = Record { value: Some(b"{}"), ..Record::default() };
            assert_eq!(schema_of(&plain, &rules()), None);
            assert_eq!(code(&only(read(&plain, &rules()))), Some(RejectCode::UnexpectedFraming));
        }
    }
}
