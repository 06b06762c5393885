//! `deploy/schemas/` accepts what the Rust types write and refuses what they cannot read, member for member.

use std::collections::{BTreeMap, BTreeSet};

use heroku_deprovisioner::model::event::{
    Action, ActorKind, AddressKind, Authenticity, Basis, Boundary, PersonEvent, WorkerType,
};
use heroku_deprovisioner::model::outcome::{
    AccessAfter, AccessLook, CaseClosed, CaseProgress, CaseResult, Decision, GrantRevoked, HoldReason, Mode, Outcome,
    Settled,
};
use heroku_deprovisioner::model::world::Reply;
use heroku_deprovisioner::model::{Parent, Surface};
use heroku_deprovisioner::sources::{Format, Record, Rules, Verdict, read};
use jsonschema::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::protobuf::{message, pool};
use crate::{records, text};

/// Schema file and the message that mirrors it.
pub(crate) const SCHEMAS: [(&str, &str); 5] = [
    ("person.v1", "PersonEvent"),
    ("case.closed.v1", "CaseClosed"),
    ("case.progress.v1", "CaseProgress"),
    ("grant.revoked.v1", "GrantRevoked"),
    ("access.look.v1", "AccessLook"),
];

#[test]
fn what_the_types_write_is_accepted() {
    for record in records::examples() {
        match record.data {
            Outcome::Closed(data) => accepts("case.closed.v1", &json(&data)),
            Outcome::Revoked(data) => accepts("grant.revoked.v1", &json(&data)),
            Outcome::Look(data) => accepts("access.look.v1", &json(&data)),
            Outcome::Progress(data) => accepts("case.progress.v1", &json(&data)),
        }
    }
    for (name, full, minimal) in outcomes() {
        accepts(name, &full);
        accepts(name, &minimal);
    }
    for event in [records::full_event(), records::full_event_with_date(), records::minimal_event()] {
        accepts("person.v1", &json(&event));
    }
}

#[test]
fn a_member_is_required_exactly_when_the_types_require_it() {
    for (name, full, _) in outcomes() {
        let (schema, reads) = (validator(name), reader(name));
        let mut refused = 0;
        for (place, without) in each_without_a_member(&full) {
            let written = reads(&without).is_some_and(|again| again == without);
            // A list that is always written may be left out on reading only where the types say so; nowhere yet.
            assert_eq!(schema.is_valid(&without), written, "{name} without {place}");
            refused += usize::from(!written);
        }
        assert!(refused > 20, "{name}: only {refused} members are required");
    }
}

#[test]
fn a_member_that_nobody_knows_is_refused_in_outcomes_and_passed_over_in_events() {
    for (name, full, _) in outcomes() {
        let schema = validator(name);
        for (place, more) in each_with_a_stranger(&full) {
            assert!(!schema.is_valid(&more), "{name} with a stranger at {place}");
        }
    }
    let schema = validator("person.v1");
    for (place, more) in each_with_a_stranger(&json(&records::full_event())) {
        assert!(schema.is_valid(&more) && reader_accepts(&more), "an event with a stranger at {place}");
    }
}

#[test]
fn an_event_fits_the_schema_exactly_when_the_reader_takes_it() {
    let schema = validator("person.v1");
    let mut seen = BTreeMap::new();
    let mut compare = |what: String, event: &Value| {
        let (fits, taken) = (schema.is_valid(event), reader_accepts(event));
        assert_eq!(fits, taken, "{what}: the schema says {fits}, the reader {taken}: {event}");
        *seen.entry(fits).or_insert(0) += 1;
    };
    for full in [records::full_event(), records::full_event_with_date(), records::minimal_event()] {
        let full = json(&full);
        for (place, without) in each_without_a_member(&full) {
            compare(format!("without {place}"), &without);
        }
        for wrong in
            [json!(null), json!(7), json!("?"), json!(""), json!("x".repeat(300)), json!([]), json!({}), json!(true)]
        {
            for (place, changed) in each_replaced(&full, &wrong) {
                // Whether a zone exists is more than a schema can say.
                if wrong == "?" && place.ends_with("/timezone") {
                    continue;
                }
                compare(format!("{wrong} at {place}"), &changed);
            }
        }
    }
    let mut both = json(&records::full_event());
    both["effective"]["date"] = json!("2026-06-30");
    compare("a moment and a date".to_owned(), &both);
    for action in ["deprovision", "suspend", "schedule", "cancel", "identity_update"] {
        for resolved in [None, Some(true), Some(false)] {
            let mut event = json(&records::minimal_event());
            event["action"] = json!(action);
            if let Some(resolved) = resolved {
                event["resolved"] = json!(resolved);
            }
            compare(format!("{action}, resolved {resolved:?}"), &event);
        }
    }
    assert!(seen.values().all(|count| *count > 20), "{seen:?}");
}

#[test]
fn closed_lists_hold_the_words_of_the_types() {
    let types = [
        ("action", words::<Action>()),
        ("boundary", words::<Boundary>()),
        ("basis", words::<Basis>()),
        ("worker_type", words::<WorkerType>()),
        ("Actor.kind", words::<ActorKind>()),
        ("Address.kind", words::<AddressKind>()),
        ("authenticity", words::<Authenticity>()),
        ("result", words::<CaseResult>()),
        ("access_after", words::<AccessAfter>()),
        ("access", words::<AccessAfter>()),
        ("mode", words::<Mode>()),
        ("Hold.reason", words::<HoldReason>()),
        ("guard", words::<HoldReason>()),
        ("decision", words::<Decision>()),
        ("settled", words::<Settled>()),
        ("surface", words::<Surface>()),
        ("reply", words::<Reply>()),
        ("Parent.type", words_of(serde_json::from_value::<Parent>(json!({"type": "?"})).unwrap_err())),
    ];
    let mut checked = BTreeSet::new();
    for (name, _) in SCHEMAS {
        for (object, members) in objects(&schema(name)) {
            for (member, rule) in members["properties"].as_object().unwrap() {
                let Some(listed) = rule["enum"].as_array() else { continue };
                let (kind, expected) = types
                    .iter()
                    .find(|(place, _)| *place == member || *place == format!("{object}.{member}"))
                    .unwrap_or_else(|| panic!("{name}: {object}.{member} is a closed list of no type"));
                assert_eq!(
                    listed.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>(),
                    *expected,
                    "{object}.{member}"
                );
                checked.insert(*kind);
            }
        }
    }
    assert_eq!(checked.len(), types.len(), "every closed list stands in a schema: {checked:?}");
}

#[test]
fn messages_say_the_same_as_the_schemas() {
    let comments = comments();
    for (name, root) in SCHEMAS {
        for (object, members) in objects(&schema(name)) {
            let message = message(if object.is_empty() { root } else { &object });
            assert_eq!(comments[message.full_name()], members["description"].as_str().unwrap());
            let properties = members["properties"].as_object().unwrap();
            let fields: BTreeSet<_> = message.fields().map(|field| field.name().to_owned()).collect();
            assert_eq!(fields, properties.keys().cloned().collect(), "{name}: {object}");
            for field in message.fields() {
                let rule = &properties[field.name()];
                let mut expected = rule["description"].as_str().unwrap().to_owned();
                if let Some(words) = rule["enum"].as_array() {
                    let words: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
                    expected.push_str(&format!(" One of: {}.", words.join(", ")));
                }
                assert_eq!(comments[field.full_name()], expected);
                let required = members["required"].as_array().is_some_and(|all| all.contains(&json!(field.name())));
                let presence = field.field_descriptor_proto().proto3_optional();
                assert_eq!(presence, !required && !field.is_list(), "{}", field.full_name());
            }
        }
    }
}

#[test]
fn a_part_that_stands_in_several_schemas_is_the_same_in_all() {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut repeated = 0;
    for (name, _) in SCHEMAS.into_iter().filter(|(name, _)| *name != "person.v1") {
        for (object, part) in objects(&schema(name)).into_iter().filter(|(object, _)| !object.is_empty()) {
            if let Some(before) = known.insert(object.clone(), part.clone()) {
                assert_eq!(before, part, "{object}");
                repeated += 1;
            }
        }
    }
    assert!(repeated > 5);
}

#[test]
fn every_schema_is_one_itself_and_named_after_its_file() {
    for (name, _) in SCHEMAS {
        let schema = schema(name);
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], format!("urn:heroku-deprovisioner:schema:{name}"));
    }
}

/// A schema file.
pub(crate) fn schema(name: &str) -> Value {
    serde_json::from_str(&text(&format!("deploy/schemas/{name}.schema.json"))).unwrap()
}

/// The objects that a schema describes, by name; the outermost one has none.
pub(crate) fn objects(schema: &Value) -> Vec<(String, Value)> {
    let mut objects = vec![(String::new(), schema.clone())];
    let parts = schema["$defs"].as_object().unwrap();
    objects.extend(parts.iter().map(|(name, part)| (name.clone(), part.clone())));
    objects
}

fn outcomes() -> [(&'static str, Value, Value); 4] {
    [
        ("case.closed.v1", json(&records::full_closed()), json(&records::minimal_closed())),
        ("case.progress.v1", json(&records::full_progress()), json(&records::minimal_progress())),
        ("grant.revoked.v1", json(&records::full_revoked()), json(&records::minimal_revoked())),
        ("access.look.v1", json(&records::full_look()), json(&records::minimal_look())),
    ]
}

fn validator(name: &str) -> Validator {
    jsonschema::options().should_validate_formats(true).build(&schema(name)).unwrap()
}

fn accepts(name: &str, value: &Value) {
    let schema = validator(name);
    let errors: Vec<_> = schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
}

/// Reads a value by the type that the schema describes and writes it again.
fn reader(name: &str) -> fn(&Value) -> Option<Value> {
    fn again<T: DeserializeOwned + Serialize>(value: &Value) -> Option<Value> {
        serde_json::from_value::<T>(value.clone()).ok().map(|value| json(&value))
    }
    match name {
        "case.closed.v1" => again::<CaseClosed>,
        "case.progress.v1" => again::<CaseProgress>,
        "grant.revoked.v1" => again::<GrantRevoked>,
        "access.look.v1" => again::<AccessLook>,
        _ => again::<PersonEvent>,
    }
}

/// Whether the service's own reader of canonical events takes it for one.
fn reader_accepts(event: &Value) -> bool {
    let value = event.to_string();
    let rules = Rules { format: Format::Canonical, ..Rules::auto() };
    let readings = read(&Record { value: Some(value.as_bytes()), ..Record::default() }, &rules);
    assert!(!readings.is_empty());
    readings.iter().all(|reading| matches!(reading.verdict, Verdict::Event(_)))
}

fn each_without_a_member(value: &Value) -> Vec<(String, Value)> {
    each(value, |object, member| {
        object.as_object_mut().unwrap().remove(member);
    })
}

fn each_replaced(value: &Value, by: &Value) -> Vec<(String, Value)> {
    each(value, |object, member| object[member] = by.clone())
}

fn each_with_a_stranger(value: &Value) -> Vec<(String, Value)> {
    each(value, |object, _| object["mood"] = json!("calm"))
}

/// Every way to change one member of one object, at any depth.
fn each(value: &Value, change: impl Fn(&mut Value, &str)) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    members_of(value, String::new(), &mut places);
    places
        .into_iter()
        .map(|(object, member)| {
            let mut changed = value.clone();
            change(changed.pointer_mut(&object).unwrap(), &member);
            (format!("{object}/{member}"), changed)
        })
        .collect()
}

fn members_of(value: &Value, place: String, places: &mut Vec<(String, String)>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        places.push((place.clone(), name.clone()));
        members_of(member, format!("{place}/{name}"), places);
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        members_of(item, format!("{place}/{index}"), places);
    }
}

/// The words that a closed type accepts, as its own error message lists them.
fn words<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>("\"?\"") else { panic!("not a closed list") };
    words_of(error)
}

fn words_of(error: serde_json::Error) -> Vec<String> {
    let error = error.to_string();
    let (_, expected) = error.split_once("expected").expect("serde names what it expects");
    expected.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// The comment before each message and field, as one line.
fn comments() -> BTreeMap<String, String> {
    let mut comments = BTreeMap::new();
    for message in pool().all_messages() {
        let file = message.parent_file();
        let file = file.file_descriptor_proto();
        let comment = |path: &[i32]| {
            let locations = &file.source_code_info.as_ref().unwrap().location;
            let location = locations.iter().find(|location| location.path == path).unwrap();
            location.leading_comments().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        comments.insert(message.full_name().to_owned(), comment(message.path()));
        for field in message.fields() {
            comments.insert(field.full_name().to_owned(), comment(field.path()));
        }
    }
    comments
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}
