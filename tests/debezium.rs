//! Tables of a database as their operator describes them: in the configuration file, and on their page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "pages/described.rs"]
mod described;

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use heroku_deprovisioner::model::event::Action;
use heroku_deprovisioner::sources::schema::{Schema, SchemaKind, SchemaText};
use heroku_deprovisioner::sources::{Reading, Record, Rules, SchemaId, Verdict, read_by, schema_of};
use serde_json::{Value, json};

use described::{block, explained, parse};

const PAGE: &str = include_str!("../docs/sources/debezium.md");

const SOURCE: &str = r#"[[sources]]
name = "hr-db"
topic = "hr.public.employee"
format = "debezium"
tenant = "larkspur"
"#;

#[test]
fn the_page_shows_what_explain_prints() {
    assert_eq!(block(PAGE, "text"), explained(PAGE));
}

#[test]
fn a_table_that_says_nothing_of_leaving_is_refused() {
    let table = |columns: &str| format!("{SOURCE}[[sources.tables]]\nname = \"employee\"\nid = \"id\"\n{columns}");
    parse(&table("status = \"s\"\nleft = [\"T\"]\n")).unwrap();
    parse(&table("date = \"d\"\n")).unwrap();
    for (sources, told) in [
        (SOURCE.to_owned(), "`sources[0].format` is \"debezium\", and there are no [[sources.tables]]"),
        (
            table("").replace("debezium", "okta"),
            "`sources[0].format` is \"okta\", and [[sources.tables]] stand below it",
        ),
        (table(""), "x.toml:12:8: `sources[0].tables[0].name` has neither `status` nor `date`"),
        (table("status = \"s\"\n"), "x.toml:14:10: `sources[0].tables[0].status` is there, and `left` is missing"),
        (table("left = [\"T\"]\n"), "x.toml:14:1: `sources[0].tables[0].left` is there, and `status` is missing"),
        (
            format!("{}[[sources.tables]]\nname = \"employee\"\nid = \"id\"\ndate = \"d\"\n", table("date = \"d\"\n")),
            "x.toml:16:8: `sources[0].tables[1].name` stands here a second time",
        ),
    ] {
        let found = parse(&sources).unwrap_err();
        assert!(found.contains(told), "{sources}: {found}");
    }
}

/// The schema that Connect's Avro converter makes of an envelope; the last day as the connector writes it.
fn envelope(last_day: &Value) -> Value {
    let field = |name: &str, r#type: &str| json!({"name": name, "type": r#type});
    let maybe = |name: &str, r#type: Value| json!({"name": name, "type": ["null", r#type], "default": null});
    let row = json!({"type": "record", "name": "Value", "fields": [
        field("employee_id", "int"),
        maybe("work_email", json!("string")),
        maybe("full_name", json!("string")),
        field("status", "string"),
        maybe("termination_date", last_day.clone()),
    ], "connect.name": "hr.public.employee.Value"});
    let of_enum = json!({"type": "string", "connect.version": 1, "connect.default": "false",
        "connect.parameters": {"allowed": "true,first,last,false,incremental"}, "connect.name": "io.debezium.data.Enum"});
    let source = json!({"type": "record", "name": "Source", "namespace": "io.debezium.connector.postgresql", "fields": [
        field("version", "string"),
        field("connector", "string"),
        field("name", "string"),
        field("ts_ms", "long"),
        json!({"name": "snapshot", "type": [of_enum, "null"], "default": "false"}),
        field("db", "string"),
        maybe("sequence", json!("string")),
        field("schema", "string"),
        field("table", "string"),
        maybe("txId", json!("long")),
        maybe("lsn", json!("long")),
        maybe("xmin", json!("long")),
    ], "connect.name": "io.debezium.connector.postgresql.Source"});
    let block = json!({"type": "record", "name": "block", "namespace": "event", "fields": [
        field("id", "string"), field("total_order", "long"), field("data_collection_order", "long"),
    ], "connect.version": 1, "connect.name": "event.block"});
    json!({"type": "record", "name": "Envelope", "namespace": "hr.public.employee", "fields": [
        maybe("before", row),
        maybe("after", json!("Value")),
        json!({"name": "source", "type": source}),
        maybe("transaction", block),
        field("op", "string"),
        maybe("ts_ms", json!("long")),
    ], "connect.version": 2, "connect.name": "hr.public.employee.Envelope"})
}

fn avro_of(json: &Value) -> Avro {
    match json {
        Value::Null => Avro::Null,
        Value::Bool(flag) => Avro::Boolean(*flag),
        Value::Number(number) => match number.as_i64().unwrap() {
            long if i32::try_from(long).is_err() => Avro::Long(long),
            int => Avro::Int(int as i32),
        },
        Value::String(text) => Avro::String(text.clone()),
        Value::Array(items) => Avro::Array(items.iter().map(avro_of).collect()),
        Value::Object(members) => Avro::Map(members.iter().map(|(name, it)| (name.clone(), avro_of(it))).collect()),
    }
}

/// What a change of the sample's row says when it lies framed on the topic.
fn framed(last_day: &Value, before: bool, rules: &Rules) -> Vec<Reading> {
    let text = envelope(last_day).to_string();
    let mut change: Value =
        serde_json::from_slice(include_bytes!("samples/debezium-01-update-terminated.json")).unwrap();
    if !before {
        change["before"] = Value::Null;
    }
    let schema = apache_avro::Schema::parse_str(&text).unwrap();
    let value = avro_of(&change).resolve(&schema).unwrap();
    let body = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap();
    let value = [&[0, 0, 0, 0, 7][..], &body].concat();
    let record = Record { value: Some(&value), ..Record::default() };
    assert_eq!(schema_of(&record, rules), Some(SchemaId::Number(7)));
    let schema = SchemaText { kind: SchemaKind::Avro, text, references: Vec::new() };
    read_by(&Schema::compile(&schema), &record, rules)
}

/// As Kafka Connect writes it with Confluent's or Apicurio's Avro converter.
#[test]
fn an_envelope_in_avro_says_what_it_says_in_json() {
    let page = block(PAGE, "toml");
    let registry = "[schema_registries.main]\nurl = \"http://127.0.0.1:1\"\n";
    let rules = |page: &str| {
        let source = page.replace("format = \"debezium\"", "format = \"debezium\"\nschema_registry = \"main\"");
        parse(&format!("{source}{registry}")).unwrap().sources[0].rules()
    };
    let debeziums = json!({"type": "int", "connect.version": 1, "connect.name": "io.debezium.time.Date"});
    // With `time.precision.mode=connect`; it says itself what it counts.
    let connects = json!({"type": "int", "connect.version": 1, "logicalType": "date",
        "connect.name": "org.apache.kafka.connect.data.Date"});
    let undescribed = page.replace("date_as = \"days\"\n", "");
    for (last_day, page) in [(&debeziums, &page), (&connects, &page), (&connects, &undescribed)] {
        for before in [true, false] {
            let [Reading { element, verdict: Verdict::Event(event) }] = &framed(last_day, before, &rules(page))[..]
            else {
                panic!("{last_day}: no event");
            };
            assert_eq!((element.as_str(), event.action, event.level), ("after", Action::Deprovision, !before));
            assert_eq!(event.subject.emails[0].value.expose(), "kofi.mensah@larkspur.example");
            let day = event.effective.as_ref().and_then(|effective| effective.date).unwrap();
            assert_eq!(day.to_string(), "2026-05-29");
        }
    }
    // Debezium's own types are numbers in Avro, and a number is never guessed at.
    let [Reading { verdict: Verdict::Reject(reject), .. }] = &framed(&debeziums, true, &rules(&undescribed))[..] else {
        panic!("a number without `date_as` was read");
    };
    assert!(reject.detail.contains("date_as"), "{}", reject.detail);
}
