//! Framed records on a real Kafka with a real schema registry: leavers by Avro, Protobuf and JSON Schema to the end of
//! their cases, and a registry that dies in between.

use std::time::Duration;

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::{OutgoingRecord, send};
use heroku_deprovisioner::trial::registry::API;
use heroku_deprovisioner::trial::{Broker, Registry, jars_for, registry_for};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, folder};
use super::chaos::proxy::Proxy;
use super::service::{Instance, Scene, Start};
use super::stage::{PRIYA, TOMAS, closed, leaves, left, statement, until, world};

const PROTO: &str = include_str!("../../proto/heroku_deprovisioner/v1/person_event.proto");

/// Somebody without any access.
const STRANGER: &str = "ana.costa@larkspur.example";

/// The ids that a registry gives, in the order in which [`register`] registers.
const SUBJECT: u32 = 1;
const AVRO: u32 = 2;
const JSON: u32 = 3;
const PROTOBUF: u32 = 4;
const AVRO_AGAIN: u32 = 5;
/// Nobody registers this one.
const NOBODYS: u32 = 4_711;

fn subject_schema() -> Value {
    json!({"type": "record", "name": "Subject", "namespace": "hr", "fields": [
        {"name": "person_key", "type": "string"},
        {"name": "emails", "type": {"type": "array", "items": {"type": "record", "name": "Address", "fields": [
            {"name": "value", "type": "string"}, {"name": "kind", "type": "string"}]}}},
    ]})
}

/// The canonical event in Avro: its subject is a schema of its own, its time a number of milliseconds.
fn event_schema(doc: &str) -> Value {
    json!({"type": "record", "name": "PersonEvent", "namespace": "hr", "doc": doc, "fields": [
        {"name": "schema_version", "type": "int"},
        {"name": "action", "type": {"type": "enum", "name": "Action", "symbols": ["cancel", "deprovision"]}},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "subject", "type": "Subject"},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
            {"name": "system", "type": "string"}, {"name": "tenant", "type": "string"},
            {"name": "event_type", "type": "string"}, {"name": "event_id", "type": "string"}]}},
        {"name": "reason", "type": ["null", "string"], "default": null},
    ]})
}

/// Registers all schemas, as their producers would; their ids must be those above.
fn register(registry: &Registry) {
    let client = reqwest::Client::new();
    let subject = [json!({"name": "hr.Subject", "subject": "subject", "version": 1})];
    let avro = |schema: Value, references: &[Value]| json!({"schema": schema.to_string(), "references": references});
    let json = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"});
    let schemas = [
        ("subject", avro(subject_schema(), &[]), SUBJECT),
        ("avro-value", avro(event_schema("first"), &subject), AVRO),
        ("json-value", json!({"schemaType": "JSON", "schema": json.to_string()}), JSON),
        ("protobuf-value", json!({"schemaType": "PROTOBUF", "schema": PROTO}), PROTOBUF),
        ("avro-value", avro(event_schema("second"), &subject), AVRO_AGAIN),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (subject, body, id) in schemas {
        let url = format!("{}/subjects/{subject}/versions", registry.url());
        let answer: Value =
            runtime.block_on(async { client.post(url).json(&body).send().await.unwrap().json().await.unwrap() });
        assert_eq!(answer, json!({"id": id}), "{subject}");
    }
}

fn framed(id: u32, body: &[u8]) -> OutgoingRecord {
    let value = [&[0][..], &id.to_be_bytes(), body].concat();
    OutgoingRecord { key: None, value: Some(value), headers: Vec::new() }
}

/// The same with the id in a header, as newer clients write it.
fn with_header(id: u32, body: Vec<u8>) -> OutgoingRecord {
    let header = [&[0][..], &id.to_be_bytes()].concat();
    OutgoingRecord { key: None, value: Some(body), headers: vec![("__value_schema_id".to_owned(), header)] }
}

fn avro_of(json: &Value) -> Avro {
    match json {
        Value::Null => Avro::Null,
        Value::Bool(flag) => Avro::Boolean(*flag),
        Value::Number(number) => Avro::Long(number.as_i64().unwrap()),
        Value::String(text) => Avro::String(text.clone()),
        Value::Array(items) => Avro::Array(items.iter().map(avro_of).collect()),
        Value::Object(members) => {
            Avro::Map(members.iter().map(|(name, member)| (name.clone(), avro_of(member))).collect())
        }
    }
}

fn avro_body(address: &str) -> Vec<u8> {
    let mut event = statement(address);
    event["occurred_at"] = json!(clock::now().as_millisecond());
    event["reason"] = Value::Null;
    let (schema, others) =
        apache_avro::Schema::parse_str_with_list(&event_schema("first").to_string(), [subject_schema().to_string()])
            .unwrap();
    let schemata: Vec<_> = others.iter().chain([&schema]).collect();
    let value = avro_of(&event).resolve_schemata(&schema, others.iter().collect()).unwrap();
    let writer = GenericDatumWriter::builder(&schema).schemata(schemata).unwrap().build().unwrap();
    writer.write_value_to_vec(value).unwrap()
}

/// Behind the index of the first message, in its long form.
fn protobuf_body(address: &str) -> Vec<u8> {
    let mut compiler = protox::Compiler::new(["proto"]).unwrap();
    compiler.open_file("heroku_deprovisioner/v1/person_event.proto").unwrap();
    let pool: DescriptorPool = compiler.descriptor_pool();
    let kind = pool.get_message_by_name("heroku_deprovisioner.v1.PersonEvent").unwrap();
    let message = DynamicMessage::deserialize(kind, statement(address)).unwrap();
    [vec![2, 0], message.encode_to_vec()].concat()
}

fn json_body(address: &str) -> Vec<u8> {
    statement(address).to_string().into_bytes()
}

/// What `/statusz` says of a source; nothing before it knows it.
pub(crate) fn status_of(instance: &Instance, source: &str) -> Value {
    let told = instance.told();
    let address = told.split("Answering on ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status: Value =
        runtime.block_on(async { reqwest::get(format!("{address}/statusz")).await.unwrap().json().await.unwrap() });
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|found| found["name"] == source).cloned().unwrap_or_default()
}

/// Source and reason of every dead letter.
fn letters(scene: &Scene) -> Vec<(String, String)> {
    let letters = find(scene.kafka(), &scene.names().dead_letters, |_| true).unwrap();
    let said = |letter: &heroku_deprovisioner::kafka::TopicRecord, name: &str| letter.header(name).unwrap().to_owned();
    letters.iter().map(|letter| (said(letter, "dlq-source"), said(letter, "dlq-reason"))).collect()
}

fn source(prefix: &str, name: &str, more: &str) -> String {
    format!(
        "[[sources]]\nname = \"{name}\"\ntopic = \"{prefix}{name}\"\nformat = \"canonical\"\ntenant = \"larkspur\"\n\
         start_at = \"earliest\"\n{more}\n"
    )
}

#[test]
fn framed_leavers_end_with_an_outcome_and_a_dead_registry_is_waited_for() {
    let test = "framed_leavers_end_with_an_outcome_and_a_dead_registry_is_waited_for";
    let (Some(bench), Some(program)) = (Bench::new(test), registry_for(test)) else { return };
    let files = TempDir::new().unwrap();
    let mut registry = Registry::start(&program, files.path()).unwrap();
    register(&registry);
    let proxy = Proxy::open();
    proxy.lead_to(registry.port());

    let scene = Scene::set_with(bench, world(), Duration::from_millis(10));
    let prefix = scene.bench.prefix.clone();
    let topic = |name: &str| format!("{prefix}{name}");
    for name in ["avro", "json", "protobuf"] {
        scene.bench.create_topic(&topic(name), 1, &[]);
    }
    let secure = "schema_registry = \"secure\"";
    let more = [
        source(&prefix, "avro", "schema_registry = \"main\""),
        source(&prefix, "json", secure),
        source(&prefix, "protobuf", secure),
        format!("[schema_registries.main]\nurl = \"http://127.0.0.1:{}{API}\"\ntimeout = \"2s\"\n", proxy.port()),
        format!(
            "[schema_registries.secure]\nurl = \"{}\"\nca_file = \"{}\"\n",
            registry.tls_url(),
            registry.authority().display()
        ),
    ]
    .concat();
    let mut instance = scene.start_with("a", &Start { more: &more, ..Start::default() });

    // Each kind to the end of a case, one of them named in the header; a tombstone says nothing.
    let say = |name: &str, records: &[OutgoingRecord]| send(scene.kafka(), &topic(name), records).unwrap();
    let tombstone = OutgoingRecord { key: Some(b"k".to_vec()), value: None, headers: Vec::new() };
    say("avro", &[tombstone, with_header(AVRO, avro_body(PRIYA))]);
    say("protobuf", &[framed(PROTOBUF, &protobuf_body(TOMAS))]);
    say("json", &[framed(JSON, &json_body(STRANGER))]);
    scene.until_closed(3, &mut instance);
    for leaver in [PRIYA, TOMAS] {
        assert_eq!(left(&scene.simulator, leaver), Vec::<String>::new());
    }
    let mut sources: Vec<String> = closed(&scene.outcomes()).iter().map(|closed| closed.cause.source.clone()).collect();
    sources.sort();
    assert_eq!(sources, ["avro", "json", "protobuf"]);

    // What is framed in another way is refused; so is, some time after it was written, an id that nobody registered.
    let glue = [&[3, 0][..], &[7; 16], b"{}"].concat();
    let plain = OutgoingRecord { key: None, value: Some(json_body(STRANGER)), headers: Vec::new() };
    say("json", &[plain, OutgoingRecord { key: None, value: Some(glue), headers: Vec::new() }]);
    let hour_ago = clock::now() - jiff::SignedDuration::from_hours(1);
    let nobodys = framed(NOBODYS, b"x").value.unwrap();
    scene.bench.send_bytes_at(&topic("json"), hour_ago.as_millisecond(), &nobodys);
    say("leavers", &[framed(AVRO, b"x")]);
    let refused = |source: &str, reason: &str| (source.to_owned(), reason.to_owned());
    let expected = [
        refused("hr", "unexpected_framing"),
        refused("json", "unexpected_framing"),
        refused("json", "unexpected_framing"),
        refused("json", "unknown_schema"),
    ];
    let sorted = || {
        let mut letters = letters(&scene);
        letters.sort();
        letters
    };
    until("four dead letters", || sorted().len() >= expected.len());
    assert_eq!(sorted(), expected);

    // The registry dies. What it has told is known; what it has not is waited for, and other sources go on.
    registry.kill().unwrap();
    proxy.cut();
    let more_people = ["a.one@larkspur.example", "a.two@larkspur.example", "a.three@larkspur.example"];
    say("avro", &[framed(AVRO, &avro_body(more_people[0]))]);
    scene.until_closed(4, &mut instance);
    say("avro", &[framed(AVRO_AGAIN, &avro_body(more_people[1])), framed(AVRO, &avro_body(more_people[2]))]);
    instance.until_says("Schema registry main: ");
    until("the status says so", || status_of(&instance, "avro")["waiting_since"].is_string());
    assert_eq!(status_of(&instance, "hr")["waiting_since"], Value::Null);
    send(scene.kafka(), &topic("leavers"), &[leaves("a.four@larkspur.example")]).unwrap();
    scene.until_closed(5, &mut instance);
    assert_eq!(status_of(&instance, "avro")["elements"]["deprovision"], 2, "neither read nor passed over");

    // Another one takes its place, with the same schemas.
    let again = Registry::start(&program, files.path()).unwrap();
    register(&again);
    proxy.lead_to(again.port());
    proxy.heal();
    scene.until_closed(7, &mut instance);
    instance.until_says("Schema registry main answers again");
    until("the status says so", || status_of(&instance, "avro")["waiting_since"].is_null());
    assert_eq!(sorted(), expected, "nothing was refused for it");
    instance.stop();
}

#[test]
fn sources_of_two_clusters_feed_one_worker() {
    let test = "sources_of_two_clusters_feed_one_worker";
    let Some(jars) = jars_for(test) else { return };
    let other = Broker::start(&jars, folder()).unwrap();
    let Some(bench) = Bench::new(test) else { return };
    let scene = Scene::set_with(bench, world(), Duration::from_millis(10));
    let prefix = scene.bench.prefix.clone();
    // The same name on both: the cluster tells them apart.
    let topic = format!("{prefix}leavers");
    other.create_topic(&topic, 1).unwrap();
    let more = format!(
        "{}[kafka_clusters.far]\nbootstrap_servers = \"{}\"\n",
        source(&prefix, "leavers", "cluster = \"far\""),
        other.bootstrap_servers()
    );
    let mut instance = scene.start_with("a", &Start { more: &more, ..Start::default() });
    send(scene.kafka(), &topic, &[leaves(PRIYA)]).unwrap();
    send(&other.settings(), &topic, &[leaves(TOMAS)]).unwrap();
    scene.until_closed(2, &mut instance);
    for leaver in [PRIYA, TOMAS] {
        assert_eq!(left(&scene.simulator, leaver), Vec::<String>::new());
    }
    let outcomes = scene.outcomes();
    let mut causes: Vec<(&str, &str)> =
        closed(&outcomes).iter().map(|closed| (closed.cause.source.as_str(), closed.cause.cluster.as_str())).collect();
    causes.sort_unstable();
    assert_eq!(causes, [("hr", "default"), ("leavers", "far")]);
    instance.stop();
}
