//! Values framed for a schema registry, by schemas that hold one of everything; and schemas themselves.

use std::sync::OnceLock;

use heroku_deprovisioner::sources::schema::{Reference, Schema, SchemaKind, SchemaText};
use heroku_deprovisioner::sources::{Format, Framing, Record, Rules, SchemaId, Verdict, read, read_by, schema_of};

use super::super::allocation::measured;
use super::{Headed, assert_plain};

/// What one byte may cost: Avro and Protobuf say in one what JSON says in many.
const BYTES_PER_BYTE: usize = 1_024;

const AVRO: &str = include_str!("framed/schema.avsc");
const PROTOBUF: &str = include_str!("framed/schema.proto");

fn schemas() -> &'static [Schema; 3] {
    static SCHEMAS: OnceLock<[Schema; 3]> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        [(SchemaKind::Avro, AVRO), (SchemaKind::Protobuf, PROTOBUF), (SchemaKind::Json, "{}")].map(|(kind, text)| {
            let schema = Schema::compile(&SchemaText { kind, text: text.to_owned(), references: Vec::new() });
            assert_eq!(schema.refuses(), None);
            schema
        })
    })
}

/// A record with its headers. The schema that it names is one of three, whatever its id.
pub(super) fn framed(input: &[u8]) {
    let schemas = schemas();
    let Headed { head, body } = Headed::of(input);
    let record = Record { value: Some(body), headers: &head, ..Record::default() };
    for format in [Format::Canonical, Format::Keycloak] {
        let rules = Rules { format, framing: Framing::Confluent, ..Rules::auto() };
        let (readings, peak) = measured(|| match schema_of(&record, &rules) {
            Some(SchemaId::Number(number)) => read_by(&schemas[number as usize % 3], &record, &rules),
            Some(SchemaId::Guid(guid)) => read_by(&schemas[usize::from(guid.as_bytes()[0]) % 3], &record, &rules),
            None => read(&record, &rules),
        });
        assert!(peak <= (1 << 20) + BYTES_PER_BYTE * input.len(), "{} bytes took {peak}", input.len());
        assert!(!readings.is_empty());
        for reading in readings {
            assert_plain("the element", &reading.element);
            if let Verdict::Reject(reject) = reading.verdict {
                assert_plain("the detail", &reject.detail);
            }
        }
    }
}

/// A schema in each kind, alone and as what another one refers to, and what it makes of a few bytes.
pub(super) fn schema(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for kind in [SchemaKind::Avro, SchemaKind::Protobuf] {
        let alone = SchemaText { kind, text: text.to_owned(), references: Vec::new() };
        let references = vec![Reference { name: "hr".to_owned(), text: text.to_owned() }];
        let referring = SchemaText { kind, text: "import \"hr\";".to_owned(), references };
        for schema in [Schema::compile(&alone), Schema::compile(&referring)] {
            let rules = Rules { framing: Framing::Confluent, ..Rules::auto() };
            let value = b"\0\0\0\0\x01\0\x02\x02a\x08\x01\x12\x01\x01\0\0";
            let readings = read_by(&schema, &Record { value: Some(value), ..Record::default() }, &rules);
            assert!(!readings.is_empty());
        }
    }
}
