//! What it costs to read a record of each format, beside what it costs to parse the same bytes into a tree.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use heroku_deprovisioner::sources::record_file::RecordFile;
use heroku_deprovisioner::sources::schema::{Schema, SchemaKind, SchemaText};
use heroku_deprovisioner::sources::{Format, Reading, Record, Rules, Verdict, read, read_by};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::sample::{Sample, samples};
use crate::table::{Goal, Row, Table, median};

const ROUNDS: usize = 9;
/// How long one round of one record is to take.
const ROUND: Duration = Duration::from_millis(10);

/// For each format the sample with an event, and what of it has to be other words so that it says nothing about leaving.
const RECORDS: [(&str, &[(&str, &str)]); 22] = [
    ("cloudevents-01-structured-canonical.json", &[("com.example.offboarding.person.v1", "com.example.other.v1")]),
    ("okta-01-event-hook-deactivate.json", &[("\"user.lifecycle.deactivate", "\"user.session.start")]),
    ("entra-02-eventhub-delete.json", &[("\"Delete user\"", "\"Update group\"")]),
    ("google-01-activity-suspend.json", &[("SUSPEND_USER", "CHANGE_FIRST_NAME")]),
    ("keycloak-01-admin-update-disabled.json", &[("\"USER\"", "\"GROUP\"")]),
    ("auth0-01-event-stream-user-deleted.json", &[("user.deleted", "organization.created")]),
    ("jumpcloud-01-user-delete.json", &[("user_delete", "user_login")]),
    ("onelogin-01-webhook-array.json", &[("\"event_type_id\": 17", "\"event_type_id\": 5")]),
    ("pingone-01-user-deleted.json", &[("USER.DELETED", "USER.ACCESS")]),
    ("bamboohr-01-field-based-updated.json", &[("\"Updated\"", "\"Created\"")]),
    ("workday-01-raas-report.json", &[("2026-05-29", ""), ("2026-06-30", ""), ("\"0\"", "\"1\"")]),
    ("personio-01-employment-terminated.json", &[("employment.terminated", "employment.updated")]),
    ("hibob-01-employee-left.json", &[("employee.left", "employee.updated")]),
    ("gusto-01-employee-terminated.json", &[("employee.terminated", "employee.created")]),
    ("merge-01-employee-changed.json", &[("Employee.changed", "Team.changed")]),
    ("adp-01-work-assignment-terminate.json", &[("worker.workAssignment.terminate", "worker.photo.change")]),
    ("ukg-01-termination-event.json", &[("EmployeeTerminationEvent", "EmployeePhoneEvent")]),
    (
        "successfactors-01-termination-xml.record.json",
        &[("AssignmentInformation.Termination", "PersonalInformation.Change")],
    ),
    ("set-01-risc-account-purged.json", &[("account-purged", "credential-compromise")]),
    ("scim-05-user-resource-inactive.json", &[("2.0:User", "2.0:Group")]),
    ("debezium-01-update-terminated.json", &[("\"TERMINATED\"", "\"ACTIVE\""), ("20602", "null")]),
    (MAPPING, &[("contract.ended", "phone.changed")]),
];

/// Stands for the record on the page of mappings.
const MAPPING: &str = "mapping.md";
const MAPPING_PAGE: &str = include_str!("../../docs/sources/mapping.md");
const PROTO: &str = include_str!("../../proto/heroku_deprovisioner/v1/person_event.proto");

/// A record to be read, and its bytes to be parsed.
struct Contest<'a> {
    read: &'a dyn Fn() -> Vec<Reading>,
    parse: &'a dyn Fn(),
}

pub(crate) fn bench(table: &mut Table) -> anyhow::Result<()> {
    let samples = samples();
    println!(
        "  {:<26} {:>6} {:>9} {:>9} {:>6} {:>11} {:>9} {:>6}",
        "", "bytes", "event", "parsed", "ratio", "no event", "parsed", "ratio"
    );
    let (mut events, mut others) = (Vec::new(), Vec::new());
    let formats = Format::names().filter_map(Format::from_name);
    for (format, (file, irrelevant)) in formats.zip(RECORDS) {
        let (rules, record) = record(&samples, format, file)?;
        let value = record.value.clone().context("no tombstone")?;
        let mut text = String::from_utf8(value.clone())?;
        for (from, to) in irrelevant {
            ensure!(text.contains(from), "{file} holds no {from}");
            text = text.replace(from, to);
        }
        let event = json_or_xml(&rules, &record, &value, true)?;
        let other = json_or_xml(&rules, &record, text.as_bytes(), false)?;
        tell(format.as_str(), value.len(), event, Some(other));
        events.push(event.0 / event.1);
        others.push(other.0 / other.1);
    }
    for (name, framed) in [("canonical, Avro", avro()?), ("canonical, Protobuf", protobuf()?)] {
        tell(name, framed.0, framed.1, None);
    }
    for (name, ratios) in [("reading an event", events), ("passing over another record", others)] {
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        let baseline = "parsing into a tree".to_owned();
        table.add(Row { name, value: format!("worst {worst:.2}"), baseline, ratio: median(ratios), goal: Goal::None });
    }
    Ok(())
}

fn record(samples: &[Sample], format: Format, file: &str) -> anyhow::Result<(Rules, RecordFile)> {
    if file != MAPPING {
        let sample = samples.iter().find(|sample| sample.file == file).with_context(|| format!("no sample {file}"))?;
        ensure!(sample.format == format, "{file} is not of the format {}", format.as_str());
        return Ok((sample.rules(), sample.record()));
    }
    let (_, block) = MAPPING_PAGE.split_once("```json\n").context("no record on the page")?;
    let (text, _) = block.split_once("```").context("no end of the record")?;
    let mapping = serde_json::from_value(json!({
        "elements": "/changes", "id": "/employee/number", "emails": ["/employee/work_mail"], "action": "/kind",
        "actions": {"contract.ended": "deprovision", "phone.changed": "ignore"}, "time": "record:/sent_at",
        "effective": "/last_day", "event_id": "/uuid", "tenant": "record:/company", "otherwise": "refuse",
    }))?;
    let rules = Rules { format, tenant: Some("larkspur".to_owned()), mapping: Some(mapping), ..Rules::auto() };
    Ok((rules, RecordFile { value: Some(text.as_bytes().to_vec()), ..RecordFile::default() }))
}

/// JSON beside serde_json's tree; XML beside a walk over quick-xml's events, which builds none.
fn json_or_xml(rules: &Rules, record: &RecordFile, value: &[u8], event: bool) -> anyhow::Result<(f64, f64)> {
    let headers = record.headers();
    let arrived_at = Some("2026-06-01T12:00:00Z".parse()?);
    let record = Record { value: Some(value), arrived_at, ..record.record(&headers) };
    let parse = || {
        if rules.format != Format::SuccessFactors {
            drop(black_box(serde_json::from_slice::<Value>(black_box(value))));
            return;
        }
        let mut reader = quick_xml::Reader::from_reader(black_box(value));
        while !matches!(black_box(reader.read_event()), Ok(Event::Eof) | Err(_)) {}
    };
    measure(&Contest { read: &|| read(&record, rules), parse: &parse }, event)
}

/// Median times of both, in microseconds, each round of the one beside a round of the other.
fn measure(contest: &Contest<'_>, event: bool) -> anyhow::Result<(f64, f64)> {
    let readings = (contest.read)();
    let refused = readings.iter().find(|reading| matches!(reading.verdict, Verdict::Reject(_)));
    ensure!(refused.is_none(), "refused: {refused:?}");
    let says = readings.iter().any(|reading| matches!(reading.verdict, Verdict::Event(_)));
    ensure!(says == event, "not what it was made to say: {readings:?}");
    let read = || drop(black_box((contest.read)()));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (of_ours, of_theirs) = (times(&read), times(contest.parse));
    for _ in 0..ROUNDS {
        ours.push(round(&read, of_ours));
        theirs.push(round(contest.parse, of_theirs));
    }
    Ok((median(ours), median(theirs)))
}

/// How often a round repeats it.
fn times(work: &dyn Fn()) -> u32 {
    let mut times = 1;
    while round(work, times) * f64::from(times) < ROUND.as_secs_f64() * 1e6 {
        times *= 2;
    }
    times
}

/// Microseconds for one.
fn round(work: &dyn Fn(), times: u32) -> f64 {
    let began = Instant::now();
    for _ in 0..times {
        work();
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn tell(name: &str, bytes: usize, event: (f64, f64), other: Option<(f64, f64)>) {
    let times = |(ours, theirs): (f64, f64)| format!("{ours:>6.1} µs {theirs:>6.1} µs {:>6.2}", ours / theirs);
    println!("  {name:<26} {bytes:>6} {}   {}", times(event), other.map_or(String::new(), times));
}

fn canonical() -> Value {
    json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": "2026-05-29T14:03:11Z",
        "subject": {"person_key": "hr:larkspur:1", "emails": [{"value": "kofi.mensah@larkspur.example", "kind": "work"}]},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left", "event_id": "1"},
    })
}

fn framed(schema: &SchemaText, body: &[u8], parse: &dyn Fn()) -> anyhow::Result<(usize, (f64, f64))> {
    let schema = Schema::compile(schema);
    let rules = Rules { format: Format::Canonical, tenant: Some("larkspur".to_owned()), ..Rules::auto() };
    let rules = Rules { framing: heroku_deprovisioner::sources::Framing::Confluent, ..rules };
    let value = [&[0, 0, 0, 0, 1], body].concat();
    let record = Record { value: Some(&value), ..Record::default() };
    Ok((value.len(), measure(&Contest { read: &|| read_by(&schema, &record, &rules), parse }, true)?))
}

/// Beside apache-avro, which makes a tree of its own.
fn avro() -> anyhow::Result<(usize, (f64, f64))> {
    let texts =
        |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({"name": name, "type": "string"})).collect() };
    let address = json!({"type": "record", "name": "Address", "fields": texts(&["value", "kind"])});
    let subject = json!({"type": "record", "name": "Subject", "fields": [
        {"name": "person_key", "type": "string"},
        {"name": "emails", "type": {"type": "array", "items": address}},
    ]});
    let source = texts(&["system", "tenant", "event_type", "event_id"]);
    let text = json!({"type": "record", "name": "PersonEvent", "fields": [
        {"name": "schema_version", "type": "int"},
        {"name": "action", "type": "string"},
        {"name": "occurred_at", "type": "string"},
        {"name": "subject", "type": subject},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": source}},
    ]})
    .to_string();
    let schema = apache_avro::Schema::parse_str(&text)?;
    let body =
        GenericDatumWriter::builder(&schema).build()?.write_value_to_vec(avro_of(&canonical()).resolve(&schema)?)?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    let parse = || drop(black_box(reader.read_value(&mut black_box(&body[..]))));
    framed(&SchemaText { kind: SchemaKind::Avro, text, references: Vec::new() }, &body, &parse)
}

fn avro_of(json: &Value) -> Avro {
    match json {
        Value::Null => Avro::Null,
        Value::Bool(flag) => Avro::Boolean(*flag),
        Value::Number(number) => Avro::Int(number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0)),
        Value::String(text) => Avro::String(text.clone()),
        Value::Array(items) => Avro::Array(items.iter().map(avro_of).collect()),
        Value::Object(members) => Avro::Map(members.iter().map(|(name, it)| (name.clone(), avro_of(it))).collect()),
    }
}

/// Beside prost-reflect, which makes a message of no known type as well.
fn protobuf() -> anyhow::Result<(usize, (f64, f64))> {
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/proto")])?;
    compiler.open_file("heroku_deprovisioner/v1/person_event.proto")?;
    let pool: DescriptorPool = compiler.descriptor_pool();
    let kind: MessageDescriptor =
        pool.get_message_by_name("heroku_deprovisioner.v1.PersonEvent").context("no such message")?;
    let body = DynamicMessage::deserialize(kind.clone(), canonical())?.encode_to_vec();
    let parse = || drop(black_box(DynamicMessage::decode(kind.clone(), black_box(&body[..]))));
    // The index of the first message stands before it.
    let value = [vec![0], body.clone()].concat();
    let schema = SchemaText { kind: SchemaKind::Protobuf, text: PROTO.to_owned(), references: Vec::new() };
    framed(&schema, &value, &parse)
}
