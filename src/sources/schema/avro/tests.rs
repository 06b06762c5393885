use apache_avro::types::Value as Written;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::json;

use super::*;
use crate::sources::schema::{Reference, SchemaKind};

fn text(schema: &Value) -> SchemaText {
    SchemaText { kind: SchemaKind::Avro, text: schema.to_string(), references: Vec::new() }
}

fn compiled(schema: &Value) -> Avro {
    Avro::compile(&text(schema)).unwrap()
}

/// What somebody else's writer makes of a value.
fn written(schema: &Value, value: Written) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(&schema.to_string()).unwrap();
    let writer = GenericDatumWriter::builder(&schema).target_block_size(8).build().unwrap();
    writer.write_value_to_vec(value).unwrap()
}

fn there_and_back(schema: &Value, value: Written) -> Value {
    let document = compiled(schema).decode(&written(schema, value)).unwrap();
    assert!(document.repeated.is_empty());
    document.root
}

fn refusal(schema: &Value, body: &[u8]) -> (RejectCode, String) {
    let reject = compiled(schema).decode(body).unwrap_err();
    (reject.code, reject.detail)
}

fn wrong(schema: &Value) -> String {
    Avro::compile(&text(schema)).unwrap_err()
}

/// A tree of people, whose type names itself.
fn team() -> Value {
    json!({"type": "record", "name": "Person", "namespace": "a.b", "fields": [
        {"name": "name", "type": "string"},
        {"name": "mail", "type": ["null", "string"], "default": null},
        {"name": "reports", "type": {"type": "array", "items": "Person"}},
    ]})
}

#[test]
fn what_another_writer_wrote_is_read() {
    let schema = json!({"type": "record", "name": "Left", "fields": [
        {"name": "nothing", "type": "null"},
        {"name": "yes", "type": "boolean"},
        {"name": "int", "type": "int"},
        {"name": "long", "type": "long"},
        {"name": "float", "type": "float"},
        {"name": "double", "type": {"type": "double"}},
        {"name": "bytes", "type": "bytes"},
        {"name": "fixed", "type": {"type": "fixed", "name": "Two", "size": 2}},
        {"name": "again", "type": "Two"},
        {"name": "text", "type": {"type": "string", "avro.java.string": "String"}},
        {"name": "enum", "type": {"type": "enum", "name": "Action", "symbols": ["suspend", "deprovision"]}},
        {"name": "list", "type": {"type": "array", "items": "int"}},
        {"name": "map", "type": {"type": "map", "values": "long"}},
        {"name": "union", "type": ["null", "string"]},
    ]});
    let field = |name: &str, value| (name.to_owned(), value);
    let value = Written::Record(vec![
        field("nothing", Written::Null),
        field("yes", Written::Boolean(true)),
        field("int", Written::Int(-7)),
        field("long", Written::Long(i64::MIN)),
        field("float", Written::Float(0.5)),
        field("double", Written::Double(-1.25)),
        field("bytes", Written::Bytes(vec![0xff, 0xef])),
        field("fixed", Written::Fixed(2, vec![1, 2])),
        field("again", Written::Fixed(2, vec![3, 4])),
        field("text", Written::String("Zoë".to_owned())),
        field("enum", Written::Enum(1, "deprovision".to_owned())),
        field("list", Written::Array((0..20).map(Written::Int).collect())),
        field("map", Written::Map([("a".to_owned(), Written::Long(1))].into_iter().collect())),
        field("union", Written::Union(1, Box::new(Written::String("x".to_owned())))),
    ]);
    assert_eq!(
        there_and_back(&schema, value),
        json!({
            "nothing": null, "yes": true, "int": -7, "long": i64::MIN, "float": 0.5, "double": -1.25, "bytes": "/+8=",
            "fixed": "AQI=", "again": "AwQ=", "text": "Zoë", "enum": "deprovision",
            "list": (0..20).collect::<Vec<_>>(), "map": {"a": 1}, "union": "x",
        })
    );
}

#[test]
fn logical_types_are_texts_for_people() {
    let shown = |kind: &str, logical: &str, value| {
        there_and_back(&json!({"type": kind, "logicalType": logical, "precision": 9, "scale": 2}), value)
    };
    assert_eq!(shown("int", "date", Written::Date(20_602)), "2026-05-29");
    assert_eq!(shown("int", "date", Written::Date(-1)), "1969-12-31");
    // PostgreSQL's infinity, as Debezium writes it.
    assert_eq!(shown("int", "date", Written::Date(i32::MAX)), i32::MAX);
    assert_eq!(shown("int", "time-millis", Written::TimeMillis(50_591_902)), "14:03:11.902");
    assert_eq!(shown("int", "time-millis", Written::TimeMillis(86_400_000)), 86_400_000);
    assert_eq!(shown("long", "time-micros", Written::TimeMicros(1)), "00:00:00.000001");
    let millis = 1_780_063_391_902;
    assert_eq!(shown("long", "timestamp-millis", Written::TimestampMillis(millis)), "2026-05-29T14:03:11.902Z");
    assert_eq!(shown("long", "timestamp-millis", Written::TimestampMillis(-1)), "1969-12-31T23:59:59.999Z");
    assert_eq!(shown("long", "timestamp-millis", Written::TimestampMillis(i64::MAX)), i64::MAX);
    assert_eq!(shown("long", "timestamp-micros", Written::TimestampMicros(millis * 1_000)), "2026-05-29T14:03:11.902Z");
    assert_eq!(shown("long", "timestamp-nanos", Written::TimestampNanos(1)), "1970-01-01T00:00:00.000000001Z");
    let local = Written::LocalTimestampMillis(millis);
    assert_eq!(shown("long", "local-timestamp-millis", local), "2026-05-29T14:03:11.902");
    assert_eq!(shown("bytes", "decimal", Written::Decimal(vec![0x01, 0xe2, 0x3a].into())), "1234.50");
    assert_eq!(shown("bytes", "decimal", Written::Decimal(vec![0xff].into())), "-0.01");
    let uuid = Uuid::from_bytes([7; 16]);
    assert_eq!(shown("string", "uuid", Written::Uuid(uuid)), uuid.to_string());
    let fixed = json!({"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"});
    assert_eq!(there_and_back(&fixed, Written::Uuid(uuid)), uuid.to_string());
    // One that does not fit its type, or is nobody's, is passed over.
    assert_eq!(shown("string", "date", Written::String("x".to_owned())), "x");
    assert_eq!(shown("int", "shoe-size", Written::Int(44)), 44);
}

#[test]
fn a_decimal_is_exact_and_bounded() {
    assert_eq!(decimal(&[], 0), "0");
    assert_eq!(decimal(&[], 2), "0.00");
    assert_eq!(decimal(&[0x80], 0), "-128");
    assert_eq!(decimal(&i128::MIN.to_be_bytes(), 1), "-17014118346046923173168730371588410572.8");
    let schema = json!({"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 0});
    assert_eq!(refusal(&schema, &[&[34][..], &[0; 17]].concat()).0, RejectCode::Undecodable);
}

#[test]
fn a_value_that_is_cut_off_anywhere_is_refused() {
    let schema = team();
    let person = |mail, reports| {
        Written::Record(vec![
            ("name".to_owned(), Written::String("Priya".to_owned())),
            ("mail".to_owned(), mail),
            ("reports".to_owned(), Written::Array(reports)),
        ])
    };
    let nobody = || Written::Union(0, Box::new(Written::Null));
    let body = written(&schema, person(nobody(), vec![person(nobody(), vec![])]));
    let avro = compiled(&schema);
    assert_eq!(avro.decode(&body).unwrap().root["reports"][0]["name"], "Priya");
    for end in 0..body.len() {
        assert_eq!(avro.decode(&body[..end]).unwrap_err().code, RejectCode::Undecodable, "{end}");
    }
    assert!(refusal(&schema, &[body.as_slice(), b"\0"].concat()).1.starts_with("1 bytes are left behind"));
}

#[test]
fn a_refusal_names_the_place_and_no_value() {
    let schema = team();
    let body = b"\x0aPriya\x00\x02\x0aPri\xffa";
    assert_eq!(refusal(&schema, body), (RejectCode::InvalidUtf8, "not UTF-8 at `reports[0].name`".to_owned()));
    let body = b"\x0aPriya\x04";
    assert!(refusal(&schema, body).1.starts_with("a branch that the union does not have at `mail`"));
}

#[test]
fn a_key_of_a_map_twice_is_remembered_like_one_in_json() {
    let schema = json!({"type": "map", "values": "string"});
    let document = compiled(&schema).decode(b"\x04\x02a\x021\x02a\x022\x00").unwrap();
    assert_eq!(document.root, json!({"a": "1"}));
    assert_eq!(document.repeated.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
    let many = [&[0x84, 0x04][..], &b"\x02a\x021".repeat(258), b"\0"].concat();
    assert_eq!(refusal(&schema, &many).0, RejectCode::DuplicateKey);
}

#[test]
fn depth_is_bounded_whatever_the_schema_says() {
    let chain = json!({"type": "record", "name": "Link", "fields": [{"name": "next", "type": ["null", "Link"]}]});
    let nested = |levels: usize| [vec![2; levels - 1], vec![0]].concat();
    assert!(compiled(&chain).decode(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(refusal(&chain, &nested(DEPTH_MAX + 1)).0, RejectCode::TooDeep);
    assert_eq!(refusal(&chain, &nested(1_000_000)).0, RejectCode::TooDeep);
    let endless = json!({"type": "record", "name": "Self", "fields": [{"name": "self", "type": "Self"}]});
    assert_eq!(refusal(&endless, b"").0, RejectCode::TooDeep);
}

#[test]
fn a_few_bytes_do_not_become_many() {
    // A count of 2^62 nulls, which take no bytes, in blocks without end.
    let block = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let nulls = json!({"type": "array", "items": "null"});
    assert_eq!(refusal(&nulls, &block.repeat(9)).0, RejectCode::TooLarge);
    let long = "x".repeat(5_000);
    let wide = json!({"type": "array", "items": {"type": "enum", "name": "E", "symbols": [long]}});
    assert_eq!(refusal(&wide, &[&[0x80, 0x08][..], &[0; 512]].concat()).0, RejectCode::TooLarge);
    let fields = json!({"type": "array", "items":
        {"type": "record", "name": "R", "fields": [{"name": long, "type": "null"}]}});
    assert_eq!(refusal(&fields, &block).0, RejectCode::TooLarge);
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    for number in [f64::NAN, f64::INFINITY] {
        assert_eq!(refusal(&json!("double"), &number.to_le_bytes()).0, RejectCode::Undecodable);
    }
    assert_eq!(refusal(&json!("int"), &[0xff, 0xff, 0xff, 0xff, 0x7f]).0, RejectCode::Undecodable);
    assert_eq!(refusal(&json!("boolean"), b"\x02").0, RejectCode::Undecodable);
}

#[test]
fn a_reference_gives_the_types_that_the_schema_names() {
    let address = json!({"type": "record", "name": "Address", "namespace": "hr", "fields": [
        {"name": "value", "type": "string"}]});
    let person = json!({"type": "record", "name": "Person", "namespace": "hr", "fields": [
        {"name": "mail", "type": "Address"}]});
    let schema = SchemaText {
        references: vec![Reference { name: "hr.Address".to_owned(), text: address.to_string() }],
        ..text(&person)
    };
    let read = Avro::compile(&schema).unwrap().decode(b"\x06a@b").unwrap();
    assert_eq!(read.root, json!({"mail": {"value": "a@b"}}));
    assert_eq!(wrong(&person), "the type \"Address\" is defined neither here nor in a reference");
}

#[test]
fn a_schema_that_is_none_says_what_is_wrong() {
    assert!(Avro::compile(&SchemaText { text: "{".to_owned(), ..text(&json!(1)) }).unwrap_err().contains("line 1"));
    assert!(Avro::compile(&SchemaText { text: "string".to_owned(), ..text(&json!(1)) }).is_ok());
    for (schema, what) in [
        (json!(1), "neither name nor object"),
        (json!({"type": 1}), "without `type`"),
        (json!({"type": "array"}), "without `items`"),
        (json!({"type": "record", "name": "R"}), "without `fields`"),
        (json!({"type": "fixed", "name": "F"}), "without `size`"),
        (json!({"type": "enum", "name": "E", "symbols": [1]}), "no text"),
        (json!(["null", ["null"]]), "a union within a union"),
        (json!({"type": "bytes", "logicalType": "decimal", "scale": -1}), "usable scale"),
        (
            json!(["null", {"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 1}]),
            "twice",
        ),
        (
            json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}),
            "twice in one record",
        ),
    ] {
        assert!(wrong(&schema).contains(what), "{schema}: {}", wrong(&schema));
    }
}
