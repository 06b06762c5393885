//! `proto/` mirrors the JSON field for field: every value goes there and back and is the same.

use std::collections::BTreeSet;
use std::fmt::Debug;

use heroku_deprovisioner::model::event::PersonEvent;
use heroku_deprovisioner::model::outcome::Outcome;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{file, records, text};

const FILES: [&str; 2] = ["heroku_deprovisioner/v1/person_event.proto", "heroku_deprovisioner/v1/outcome.proto"];

#[test]
fn outcomes_go_to_protobuf_and_back() {
    for record in records::examples() {
        match record.data {
            Outcome::Closed(data) => there_and_back("CaseClosed", &*data),
            Outcome::Revoked(data) => there_and_back("GrantRevoked", &*data),
            Outcome::Look(data) => there_and_back("AccessLook", &*data),
            Outcome::Progress(data) => there_and_back("CaseProgress", &*data),
        }
    }
    for closed in [records::full_closed(), records::minimal_closed()] {
        there_and_back("CaseClosed", &closed);
    }
    for progress in [records::full_progress(), records::minimal_progress()] {
        there_and_back("CaseProgress", &progress);
    }
    for look in [records::full_look(), records::minimal_look()] {
        there_and_back("AccessLook", &look);
    }
    for revoked in [records::full_revoked(), records::minimal_revoked()] {
        there_and_back("GrantRevoked", &revoked);
    }
}

#[test]
fn events_go_to_protobuf_and_back() {
    there_and_back("PersonEvent", &records::full_event());
    there_and_back("PersonEvent", &records::full_event_with_date());
    there_and_back("PersonEvent", &records::minimal_event());
}

#[test]
fn the_sample_events_go_to_protobuf_and_back_word_for_word() {
    let samples = [
        ("tests/samples/cloudevents-01-structured-canonical.json", "/data"),
        ("tests/samples/cloudevents-03-binary.record.json", "/value_json"),
        ("tests/samples/cloudevents-04-batch-array.json", "/0/data"),
    ];
    for (sample, place) in samples {
        let sample: serde_json::Value = serde_json::from_str(&text(sample)).unwrap();
        let json = sample.pointer(place).unwrap();
        let event: PersonEvent = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), *json, "the sample is written as the types write it");
        there_and_back("PersonEvent", &event);
    }
}

#[test]
fn every_field_of_the_messages_is_a_member_of_the_json() {
    let unset = |name: &str, values: &[serde_json::Value]| {
        let mut set = BTreeSet::new();
        for value in values {
            collect_set(&parse(name, value), &mut set);
        }
        let mut all = BTreeSet::new();
        collect_all(&message(name), &mut all);
        all.difference(&set).cloned().collect::<Vec<_>>()
    };
    let nothing: [String; 0] = [];
    assert_eq!(unset("PersonEvent", &[json(&records::full_event()), json(&records::full_event_with_date())]), nothing);
    assert_eq!(unset("CaseClosed", &[json(&records::full_closed())]), nothing);
    assert_eq!(unset("CaseProgress", &[json(&records::full_progress())]), nothing);
    assert_eq!(unset("AccessLook", &[json(&records::full_look())]), nothing);
    assert_eq!(unset("GrantRevoked", &[json(&records::full_revoked())]), nothing);
}

#[test]
fn what_stands_in_no_message_is_noticed() {
    let mut value = json(&records::minimal_event());
    value["mood"] = "calm".into();
    let error = DynamicMessage::deserialize(message("PersonEvent"), value).unwrap_err().to_string();
    assert!(error.contains("mood"), "{error}");
}

/// JSON to a message, to bytes, to a message, to JSON: the same value and the same JSON.
fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let written = json(value);
    let bytes = parse(name, &written).encode_to_vec();
    let read = DynamicMessage::decode(message(name), bytes.as_slice()).unwrap();
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false).skip_default_fields(false);
    let back = read.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
    no_null(&back);
    let again: T = serde_json::from_value(back.clone()).unwrap();
    assert_eq!(again, *value);
    assert_eq!(without_empty_lists(back), without_empty_lists(written.clone()));
    assert_eq!(json(&again), written);
}

/// A message tells an empty list from an absent one no more than our types do.
fn without_empty_lists(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| member.as_array().is_none_or(|items| !items.is_empty()));
        for member in members.values_mut() {
            *member = without_empty_lists(member.take());
        }
    }
    for item in value.as_array_mut().into_iter().flatten() {
        *item = without_empty_lists(item.take());
    }
    value
}

fn no_null(value: &serde_json::Value) {
    assert!(!value.is_null(), "absent is absent, never null");
    value.as_object().into_iter().flat_map(|members| members.values()).for_each(no_null);
    value.as_array().into_iter().flatten().for_each(no_null);
}

fn parse(name: &str, value: &serde_json::Value) -> DynamicMessage {
    // Fields that the message does not know are refused: that is the default, and the test above relies on it.
    DynamicMessage::deserialize(message(name), value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn collect_set(message: &DynamicMessage, set: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        set.insert(field.full_name().to_owned());
        match value {
            Value::Message(inner) => collect_set(inner, set),
            Value::List(items) => items.iter().filter_map(Value::as_message).for_each(|item| collect_set(item, set)),
            _ => {}
        }
    }
    // A field without presence that holds zero or nothing is there all the same.
    for field in message.descriptor().fields() {
        if !field.supports_presence() && !field.is_list() {
            set.insert(field.full_name().to_owned());
        }
    }
}

fn collect_all(message: &MessageDescriptor, all: &mut BTreeSet<String>) {
    for field in message.fields() {
        if all.insert(field.full_name().to_owned())
            && let Some(inner) = field.kind().as_message()
        {
            collect_all(inner, all);
        }
    }
}

pub(crate) fn message(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(&format!("heroku_deprovisioner.v1.{name}")).unwrap()
}

pub(crate) fn pool() -> DescriptorPool {
    let mut compiler = protox::Compiler::new([file("proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true);
    for file in FILES {
        compiler.open_file(file).unwrap();
    }
    compiler.descriptor_pool()
}

fn json<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}
