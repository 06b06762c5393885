use serde_json::json;

use super::*;
use crate::model::event::Boundary;
use crate::sources::{Record, read};

/// A mapping with what the others share; `more` stands over it.
fn rules(more: Value) -> Rules {
    let mut mapping = json!({
        "id": "/id", "emails": ["/mail"], "time": "/at", "action": "/type", "otherwise": "refuse",
        "actions": { "left": "deprovision", "leaves": "schedule", "hello": "ignore", "true": "suspend" },
        "effective": "/last_day",
    });
    for (key, value) in more.as_object().unwrap() {
        mapping[key] = value.clone();
    }
    mapping.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let mapping = serde_json::from_value(mapping).unwrap();
    let tenant = Some("larkspur".to_owned());
    Rules { name: "feed".to_owned(), format: Format::Mapping, tenant, mapping: Some(mapping), ..Rules::auto() }
}

fn readings(record: &Value, rules: &Rules) -> Vec<Reading> {
    read(&Record { value: Some(record.to_string().as_bytes()), ..Record::default() }, rules)
}

fn event(record: &Value, rules: &Rules) -> PersonEvent {
    match readings(record, rules).remove(0).verdict {
        Verdict::Event(event) => *event,
        other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
    }
}

fn refusal(record: &Value, rules: &Rules) -> Reject {
    match readings(record, rules).remove(0).verdict {
        Verdict::Reject(reject) => reject,
        other @ (Verdict::Ignore { .. } | Verdict::Event(_)) => panic!("{other:?}"),
    }
}

fn leaver() -> Value {
    json!({ "id": 7, "mail": "a@larkspur.example", "at": "2026-05-29T14:03:11Z", "type": "left", "last_day": null })
}

fn with(member: &str, value: Value) -> Value {
    let mut record = leaver();
    record[member] = value;
    record
}

#[test]
fn the_words_of_the_feed_are_the_words_of_the_table() {
    let rules = rules(json!({}));
    let said = event(&leaver(), &rules);
    assert_eq!((said.action, said.source.event_type.as_str()), (Action::Deprovision, "left"));
    assert_eq!(said.subject.person_key.0, "feed:larkspur:7");
    assert_eq!(said.source.event_id, "deprovision:7:2026-05-29T14:03:11Z");
    assert!(!said.level && event(&leaver(), &self::rules(json!({ "level": true }))).level);
    assert_eq!(event(&with("type", json!(true)), &rules).action, Action::Suspend);
    let ignored = &readings(&with("type", json!("hello")), &rules)[0].verdict;
    assert!(matches!(ignored, Verdict::Ignore { .. }));
}

#[test]
fn what_decides_is_never_guessed() {
    let rules = rules(json!({ "tenant": "/org", "event_id": "/uuid" }));
    let whole = |member: &str, value: Value| {
        let mut record = with(member, value);
        for (name, text) in [("org", "larkspur"), ("uuid", "e1")] {
            if member != name {
                record[name] = text.into();
            }
        }
        record
    };
    assert_eq!(event(&whole("x", json!(1)), &rules).source.event_id, "e1");
    for (member, value, code, detail) in [
        (
            "type",
            json!("LEFT"),
            RejectCode::UnknownAction,
            "`/type` has a value that [sources.mapping.actions] does not list",
        ),
        ("type", json!(null), RejectCode::UnknownAction, "`/type` is null"),
        ("type", json!({}), RejectCode::WrongType, "`/type` is an object, not a text or a whole number"),
        ("id", json!(true), RejectCode::WrongType, "`/id` is true or false, not a text or a whole number"),
        ("id", json!(""), RejectCode::MissingField, "`/id` is an empty text"),
        ("mail", json!("a, b@larkspur.example"), RejectCode::InvalidAddress, "`/mail`: "),
        ("at", json!(1_780_063_391), RejectCode::InvalidValue, "`/at` is not an RFC 3339 time"),
        ("at", json!("1970-01-01T00:00:01Z"), RejectCode::InvalidValue, "`/at` lies outside the years"),
        ("last_day", json!("29.05.2026"), RejectCode::InvalidValue, "`/last_day` is neither a date"),
        ("last_day", json!("9999-12-31"), RejectCode::InvalidValue, "`/last_day` lies outside the years"),
        ("last_day", json!("0000-00-00"), RejectCode::InvalidValue, "`/last_day` is neither a date"),
        ("org", json!("other"), RejectCode::OtherTenant, "`/org` is not the source's `tenant`"),
        ("org", json!(null), RejectCode::MissingField, "`/org` is null"),
        ("uuid", json!(null), RejectCode::MissingField, "`/uuid` is null"),
    ] {
        let reject = refusal(&whole(member, value), &rules);
        assert!(reject.code == code && reject.detail.starts_with(detail), "{member}: {reject:?}");
    }
}

#[test]
fn a_departure_ahead_has_a_date() {
    let rules = rules(json!({}));
    let mut record = with("type", json!("leaves"));
    assert_eq!(refusal(&record, &rules).detail, "`/last_day` is null");
    record["last_day"] = json!("2026-06-30");
    let berlin = Rules { zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(), ..rules.clone() };
    let at = |rules: &Rules, record: &Value| event(record, rules).effective_at(&rules.zone).unwrap().to_string();
    assert_eq!(at(&berlin, &record), "2026-06-30T22:00:00Z");
    for midnight in ["2026-06-30T00:00:00Z", "2026-06-30T00:00:00.000+00:00"] {
        record["last_day"] = json!(midnight);
        assert_eq!(at(&berlin, &record), "2026-06-30T22:00:00Z", "{midnight}");
    }
    record["last_day"] = json!("2026-06-30T00:00:00+05:00");
    assert_eq!(at(&berlin, &record), "2026-06-30T19:00:00Z", "the day is over there");
    let begins = Rules { boundary: Boundary::StartOfDay, ..berlin.clone() };
    assert_eq!(at(&begins, &record), "2026-06-29T19:00:00Z");
    record["last_day"] = json!("2026-06-30T00:00:01+05:00");
    assert_eq!(at(&berlin, &record), "2026-06-29T19:00:01Z");
}

#[test]
fn what_nobody_named_is_refused_unless_it_shall_be_ignored() {
    let lenient = rules(json!({ "otherwise": "ignore" }));
    for value in [json!("LEFT"), json!(null)] {
        let verdict = readings(&with("type", value), &lenient).remove(0).verdict;
        assert!(matches!(verdict, Verdict::Ignore { .. }), "{verdict:?}");
    }
    assert_eq!(refusal(&with("type", json!([])), &lenient).code, RejectCode::WrongType);
}

#[test]
fn the_first_condition_that_holds_decides() {
    let rules = rules(json!({ "action": null, "actions": null, "rules": [
        { "when": "event.type == 'left' && has(event.last_day) && event.last_day != null", "then": "schedule" },
        { "when": "event.type == 'left'", "then": "deprovision" },
    ] }));
    let said = event(&leaver(), &rules);
    assert_eq!((said.action, said.source.event_type.as_str()), (Action::Deprovision, "rule 2"));
    assert_eq!(event(&with("last_day", json!("2026-06-30")), &rules).action, Action::Schedule);
    assert_eq!(refusal(&with("type", json!("x")), &rules).code, RejectCode::UnknownAction);
    let mut record = leaver();
    record.as_object_mut().unwrap().remove("type");
    assert_eq!(refusal(&record, &rules).code, RejectCode::MissingField);
}

/// A condition decides, so it must be able to; a value that is not there is not there, whoever asks for it.
#[test]
fn cel_that_asks_for_what_is_not_there() {
    let lenient = rules(json!({ "effective": "date(event.until, '%d.%m.%Y')", "emails": ["event.mails[0]"] }));
    let said = event(&leaver(), &lenient);
    assert!(said.effective.is_none() && said.subject.emails.is_empty());
    let detail = refusal(&with("type", json!("leaves")), &lenient).detail;
    assert_eq!(detail, "`mapping.effective` asks for `until`, which is not there; ask has(…) first");
    assert_eq!(refusal(&with("until", json!("2026-05-29")), &lenient).code, RejectCode::InvalidValue);
    let strict = rules(json!({ "action": null, "actions": null, "otherwise": "ignore", "rules": [
        { "when": "event.type == 'x'", "then": "cancel" }, { "when": "event.gone", "then": "deprovision" },
    ] }));
    let detail = refusal(&leaver(), &strict).detail;
    assert_eq!(detail, "`mapping.rules[1].when` asks for `gone`, which is not there; ask has(…) first");
}

#[test]
fn an_expression_may_give_the_action_itself() {
    let action = "event.type == 'left' ? 'deprovision' : 'nothing'";
    let rules = rules(json!({ "actions": null, "action": action }));
    assert_eq!(event(&leaver(), &rules).action, Action::Deprovision);
    assert_eq!(refusal(&with("type", json!("x")), &rules).detail, "`mapping.action` is no action");
}

#[test]
fn one_bad_element_leaves_its_neighbours_alone() {
    let rules = rules(json!({ "elements": "/data/people", "time": "record:/sent_at" }));
    let record =
        json!({ "sent_at": "2026-05-29T14:03:11Z", "data": { "people": [leaver(), 1, with("id", json!([]))] } });
    let readings = readings(&record, &rules);
    let places: Vec<_> = readings.iter().map(|reading| reading.element.as_str()).collect();
    assert_eq!(places, ["data.people[0]", "data.people[1]", "data.people[2]"]);
    assert!(matches!(readings[0].verdict, Verdict::Event(_)));
    assert!(readings[1..].iter().all(|reading| matches!(reading.verdict, Verdict::Reject(_))));
    let twice = br#"{"sent_at":"2026-05-29T14:03:11Z","data":{"people":[{"id":1,"id":2,"type":"left"},
        {"id":7,"mail":"a@larkspur.example","type":"left"}]}}"#;
    let readings = read(&Record { value: Some(twice), ..Record::default() }, &rules);
    assert!(matches!(&readings[0].verdict, Verdict::Reject(reject) if reject.code == RejectCode::DuplicateKey));
    assert!(matches!(readings[1].verdict, Verdict::Event(_)));
    for (record, detail) in [
        (json!({}), "`/data/people` (`elements`) finds nothing"),
        (json!({ "data": { "people": {} } }), "`/data/people` is an object, not a list"),
    ] {
        assert_eq!(refusal(&record, &rules).detail, detail);
    }
}

#[test]
fn a_cloud_event_is_around_its_data() {
    let rules = rules(json!({ "event_id": "record:/id", "time": "record:/time" }));
    let record = json!({
        "specversion": "1.0", "id": "ce-1", "type": "hr.left", "source": "/hr",
        "time": "2026-05-29T14:03:11Z", "data": leaver(),
    });
    assert_eq!(event(&record, &rules).source.event_id, "ce-1");
}

#[test]
fn addresses_come_one_by_one_or_as_lists() {
    let rules = rules(json!({ "emails": ["/mail", "/more", "event.id == 7 ? ['c@larkspur.example'] : []"] }));
    let record = with("more", json!(["a@larkspur.example", "b@larkspur.example"]));
    let said = event(&record, &rules);
    let addresses: Vec<_> = said.subject.emails.iter().map(|address| address.value.expose()).collect();
    assert_eq!(addresses, ["a@larkspur.example", "b@larkspur.example", "c@larkspur.example"]);
    assert!(!event(&with("mail", json!(null)), &self::rules(json!({}))).resolved);
}
