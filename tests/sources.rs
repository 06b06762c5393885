//! Records that are wrong, hostile or odd: what is refused and why, and what must never come out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use heroku_deprovisioner::model::Email;
use heroku_deprovisioner::model::event::{Action, PersonEvent};
use heroku_deprovisioner::sources::explain::{Decision, Readable, explain};
use heroku_deprovisioner::sources::{
    ELEMENTS_MAX, Format, Header, Reading, Record, RejectCode, Rules, VALUE_BYTES_MAX, Verdict, read,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const OUR_TYPE: &str = heroku_deprovisioner::model::event::PERSON_EVENT_TYPE;

fn okta() -> Rules {
    Rules { format: Format::Okta, tenant: Some("larkspur.okta.com".to_owned()), ..Rules::auto() }
}

fn canonical() -> Rules {
    Rules { format: Format::Canonical, tenant: Some("larkspur".to_owned()), ..Rules::auto() }
}

fn read_bytes(value: &[u8], rules: &Rules) -> Vec<Reading> {
    read(&Record { value: Some(value), ..Record::default() }, rules)
}

fn read_json(value: &Value, rules: &Rules) -> Vec<Reading> {
    read_bytes(value.to_string().as_bytes(), rules)
}

fn only(mut readings: Vec<Reading>) -> Reading {
    assert_eq!(readings.len(), 1, "{readings:?}");
    readings.remove(0)
}

fn event(reading: Reading) -> PersonEvent {
    match reading.verdict {
        Verdict::Event(event) => *event,
        other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
    }
}

fn code(reading: &Reading) -> Option<RejectCode> {
    match &reading.verdict {
        Verdict::Reject(reject) => Some(reject.code),
        Verdict::Event(_) | Verdict::Ignore { .. } => None,
    }
}

fn is_ignored(reading: &Reading) -> bool {
    matches!(reading.verdict, Verdict::Ignore { .. })
}

fn log_event() -> Value {
    json!({
        "actor": { "id": "00uactor", "type": "User", "alternateId": "admin@larkspur.example", "displayName": "Admin" },
        "eventType": "user.lifecycle.deactivate",
        "outcome": { "result": "SUCCESS", "reason": null },
        "published": "2026-05-29T14:03:11.902Z",
        "transaction": { "type": "WEB", "id": "tx-1" },
        "uuid": "7a1df5c6-5b66-11f1-9c1f-4b1d6b4f6a01",
        "target": [
            { "id": "0ua1", "type": "AppUser", "alternateId": "other@larkspur.example", "displayName": "Other" },
            { "id": "00u1", "type": "User", "alternateId": "Priya.Raman@larkspur.example", "displayName": "Priya Raman" }
        ]
    })
}

fn person() -> Value {
    json!({
        "schema_version": 1,
        "action": "deprovision",
        "occurred_at": "2026-05-29T14:03:11Z",
        "subject": {
            "person_key": "hr:larkspur:1182",
            "emails": [{ "value": "priya.raman@larkspur.example", "kind": "work" }]
        },
        "source": { "system": "hr", "tenant": "larkspur", "event_type": "left", "event_id": "e-1" }
    })
}

/// `value` with what stands at the JSON pointer replaced, or removed by `None`.
fn with(mut value: Value, pointer: &str, replacement: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    match (parent, replacement) {
        (Value::Object(map), Some(replacement)) => {
            map.insert(name.to_owned(), replacement);
        }
        (Value::Object(map), None) => {
            map.remove(name).unwrap();
        }
        (Value::Array(items), Some(replacement)) => items[name.parse::<usize>().unwrap()] = replacement,
        (other, _) => panic!("{pointer} leads to {other}"),
    }
    value
}

fn cloud_event(data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "urn:x", "type": OUR_TYPE, "data": data })
}

fn event_hook(events: &[Value]) -> Value {
    json!({
        "eventType": "com.okta.event_hook",
        "source": "https://larkspur.okta.com/api/v1/eventHooks/who9",
        "data": { "events": events }
    })
}

// --- Okta ---

#[test]
fn the_subject_of_a_log_event_is_its_user_and_never_its_actor() {
    let read = event(only(read_json(&log_event(), &okta())));
    assert_eq!(read.subject.person_key.0, "okta:larkspur.okta.com:00u1");
    assert_eq!(read.subject.emails.len(), 1);
    assert_eq!(read.subject.emails[0].value.expose(), "priya.raman@larkspur.example");
    assert_eq!(read.source.tenant, "larkspur.okta.com");
    assert_eq!(read.source.element, None);
    assert_eq!(read.correlation_id.as_deref(), Some("tx-1"));
    assert!(read.resolved);

    let nobody = with(log_event(), "/target/1/type", Some(json!("AppUser")));
    assert_eq!(code(&only(read_json(&nobody, &okta()))), Some(RejectCode::MissingSubject));
    assert_eq!(code(&only(read_json(&with(log_event(), "/target", None), &okta()))), Some(RejectCode::MissingSubject));
}

#[test]
fn only_what_succeeded_counts() {
    for result in ["FAILURE", "SKIPPED", "DENY", "UNKNOWN", "success", "DEFERRED"] {
        let failed = with(log_event(), "/outcome/result", Some(json!(result)));
        assert!(is_ignored(&only(read_json(&failed, &okta()))), "{result}");
    }
    for (pointer, replacement) in [("/outcome", None), ("/outcome/result", None), ("/outcome", Some(Value::Null))] {
        let unclear = with(log_event(), pointer, replacement);
        assert!(code(&only(read_json(&unclear, &okta()))).is_some(), "{pointer}");
    }
}

#[test]
fn event_types_are_compared_whole() {
    for event_type in [
        "user.mfa.factor.deactivate",
        "policy.lifecycle.deactivate",
        "group.lifecycle.delete",
        "device.lifecycle.deactivate",
        "user.lifecycle.deactivate.x",
        "USER.LIFECYCLE.DEACTIVATE",
        "user.lifecycle.deactivate ",
    ] {
        let other = with(log_event(), "/eventType", Some(json!(event_type)));
        assert!(is_ignored(&only(read_json(&other, &okta()))), "{event_type}");
    }
}

#[test]
fn a_login_that_is_no_address_needs_a_look_up_and_one_that_pretends_to_be_is_refused() {
    for login in [json!("priya.raman"), json!("unknown"), Value::Null] {
        let read = event(only(read_json(&with(log_event(), "/target/1/alternateId", Some(login.clone())), &okta())));
        assert!(!read.resolved && read.subject.emails.is_empty(), "{login}");
        let logins: &[&str] = if login == json!("priya.raman") { &["priya.raman"] } else { &[] };
        assert_eq!(read.subject.logins, logins);
    }
    for login in [
        "priy\u{430}.raman@larkspur.example",
        "../../teams/x@larkspur.example",
        "a%2fb@larkspur.example",
        "a?b@larkspur.example",
        "a\r\nb@larkspur.example",
        "a@b@larkspur.example",
        "@@@",
    ] {
        let refused = only(read_json(&with(log_event(), "/target/1/alternateId", Some(json!(login))), &okta()));
        assert_eq!(code(&refused), Some(RejectCode::InvalidAddress), "{login:?}");
        let Verdict::Reject(reject) = refused.verdict else { unreachable!() };
        assert!(reject.detail.starts_with("`target[1].alternateId`"), "{}", reject.detail);
        assert!(!reject.detail.contains(login), "{}", reject.detail);
    }
}

#[test]
fn a_profile_change_says_that_something_changed_and_not_what() {
    let changed = with(log_event(), "/eventType", Some(json!("user.account.update_profile")));
    let read = event(only(read_json(&changed, &okta())));
    assert_eq!((read.action, read.resolved), (Action::IdentityUpdate, false));
    let bytes = changed.to_string();
    let record = Record { value: Some(bytes.as_bytes()), ..Record::default() };
    let row = explain(&record, &okta(), "2026-06-01T12:00:00Z".parse().unwrap()).rows.remove(0);
    assert_eq!((row.decision, row.kind), (Decision::NeedsLookup, Some(Decision::IdentityUpdate)));
}

#[test]
fn several_users_of_one_event_are_one_element_each() {
    let second = json!({ "id": "00u2", "type": "User", "alternateId": "wen.zhao@larkspur.example" });
    let bad = json!({ "id": "00u3", "type": "User", "alternateId": "a?b@larkspur.example" });
    let mut several = log_event();
    several["target"].as_array_mut().unwrap().extend([second, bad]);
    let readings = read_json(&event_hook(&[several]), &okta());
    let places: Vec<_> = readings.iter().map(|reading| reading.element.as_str()).collect();
    assert_eq!(places, ["data.events[0].target[1]", "data.events[0].target[2]", "data.events[0].target[3]"]);
    assert_eq!(code(&readings[2]), Some(RejectCode::InvalidAddress));
    let ids: Vec<_> = readings
        .into_iter()
        .take(2)
        .map(event)
        .map(|event| (event.source.element, event.subject.person_key.0))
        .collect();
    assert_eq!(
        ids,
        [(Some(0), "okta:larkspur.okta.com:00u1".to_owned()), (Some(1), "okta:larkspur.okta.com:00u2".to_owned())]
    );
}

#[test]
fn another_organisations_log_is_refused() {
    let hook = |source: &str| with(event_hook(&[log_event()]), "/source", Some(json!(source)));
    for source in ["https://marigold.okta.com/api", "https://larkspur.oktapreview.com/api", "larkspur.okta.com", ""] {
        assert_eq!(code(&only(read_json(&hook(source), &okta()))), Some(RejectCode::OtherTenant), "{source}");
    }
    let bridged = |source: &str| json!({ "detail-type": "x", "source": source, "detail": log_event() });
    assert_eq!(
        event(only(read_json(&bridged("aws.partner/okta.com/larkspur/hr"), &okta()))).source.tenant,
        "larkspur.okta.com"
    );
    for source in ["aws.partner/okta.com/marigold/hr", "aws.partner/okta.com/", "aws.s3"] {
        assert_eq!(code(&only(read_json(&bridged(source), &okta()))), Some(RejectCode::OtherTenant), "{source}");
    }
    let wrapped = |source: &str| {
        with(with(cloud_event(&log_event()), "/source", Some(json!(source))), "/type", Some(json!("com.okta.x")))
    };
    assert_eq!(code(&only(read_json(&wrapped("https://marigold.okta.com"), &okta()))), Some(RejectCode::OtherTenant));
    // A bridge's own name says nothing about the organisation.
    event(only(read_json(&wrapped("urn:bridge:7"), &okta())));
}

#[test]
fn a_bad_element_leaves_its_neighbours_alone() {
    let bad = with(log_event(), "/uuid", Some(json!(7)));
    let readings = read_json(&event_hook(&[log_event(), bad, json!("text"), log_event()]), &okta());
    assert_eq!(
        readings.iter().map(code).collect::<Vec<_>>(),
        [None, Some(RejectCode::WrongType), Some(RejectCode::WrongType), None]
    );
    // A key that stands twice spoils the element in which it stands, the wrapping's spoils all of them.
    let good = log_event().to_string();
    let twice = good.replacen('{', r#"{"uuid":"x","#, 1);
    let text = event_hook(&[json!("@"), json!("#")]).to_string().replace("\"@\"", &twice).replace("\"#\"", &good);
    let readings = read_bytes(text.as_bytes(), &okta());
    assert_eq!(readings.iter().map(code).collect::<Vec<_>>(), [Some(RejectCode::DuplicateKey), None]);
    let text = text.replacen('{', r#"{"source":"https://larkspur.okta.com/","#, 1).replace(&twice, &good);
    let readings = read_bytes(text.as_bytes(), &okta());
    assert_eq!(
        readings.iter().map(code).collect::<Vec<_>>(),
        [Some(RejectCode::DuplicateKey), Some(RejectCode::DuplicateKey)]
    );
}

#[test]
fn a_second_event_type_cannot_hide_the_first() {
    let good = log_event().to_string();
    for (key, first) in [("eventType", "user.session.start"), ("event\\u0054ype", "user.session.start")] {
        let before = good.replacen('{', &format!(r#"{{"{key}":"{first}","#), 1);
        let after = format!(r#"{},"{key}":"{first}"}}"#, &good[..good.len() - 1]);
        for text in [before, after] {
            assert_eq!(code(&only(read_bytes(text.as_bytes(), &okta()))), Some(RejectCode::DuplicateKey), "{text}");
            let hook = event_hook(&[json!("@")]).to_string().replace("\"@\"", &text);
            assert_eq!(code(&only(read_bytes(hook.as_bytes(), &okta()))), Some(RejectCode::DuplicateKey), "{hook}");
        }
    }
}

#[test]
fn a_list_is_not_taken_for_an_object_by_position() {
    for text in [
        r#"["user.session.start"]"#,
        r#"[["user.session.start"]]"#,
        r#"[["user.session.start",null,null,null,null,null]]"#,
        r#"{"eventType":"com.okta.event_hook","data":{"events":[["user.session.start"]]}}"#,
        r#"{"detail-type":"","source":"","detail":["user.session.start"]}"#,
    ] {
        assert!(code(&only(read_bytes(text.as_bytes(), &okta()))).is_some(), "{text}");
    }
    let subject_by_position = with(person(), "/subject", Some(json!(["hr:larkspur:1", []])));
    assert_eq!(code(&only(read_json(&subject_by_position, &canonical()))), Some(RejectCode::WrongType));
}

#[test]
fn carriers_may_be_nested() {
    let wrapped = with(cloud_event(&event_hook(&[log_event()])), "/type", Some(json!("com.okta.event_hook")));
    let readings = read_json(&json!([log_event(), event_hook(&[log_event()]), wrapped]), &okta());
    let places: Vec<_> = readings.iter().map(|reading| reading.element.as_str()).collect();
    assert_eq!(places, ["[0]", "[1].data.events[0]", "[2].data.data.events[0]"]);
    assert!(readings.into_iter().map(event).all(|event| event.source.event_id.starts_with("7a1df5c6")));
}

#[test]
fn a_shared_topic_may_carry_others_cloud_events() {
    let other = json!({ "specversion": "1.0", "id": "1", "source": "urn:ci", "type": "build", "data": { "a": 1 } });
    let mut hidden = other.clone();
    hidden["data_base64"] = json!("AAAA");
    for rules in [okta(), canonical(), Rules::auto()] {
        assert!(is_ignored(&only(read_json(&other, &rules))), "{:?}", rules.format);
    }
    assert!(is_ignored(&only(read_json(&hidden, &canonical()))));
    hidden["type"] = json!(OUR_TYPE);
    assert_eq!(code(&only(read_json(&hidden, &canonical()))), Some(RejectCode::Ambiguous));
}

// --- canonical ---

#[test]
fn a_canonical_event_is_read_bare_and_in_each_kind_of_cloud_event() {
    let bytes = person().to_string();
    let binary: &[Header<'_>] = &[
        ("content-type", Some(b"application/json; charset=utf-8")),
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"1")),
        ("ce_source", Some(b"urn:x")),
        ("ce_type", Some(OUR_TYPE.as_bytes())),
    ];
    let expected = event(only(read_bytes(bytes.as_bytes(), &canonical())));
    let record = Record { value: Some(bytes.as_bytes()), headers: binary, ..Record::default() };
    let from_binary = only(read(&record, &canonical()));
    assert_eq!(from_binary.element, "value");
    assert_eq!(event(from_binary), expected);
    let structured = cloud_event(&person()).to_string();
    let headers: &[Header<'_>] = &[("Content-Type", Some(b"Application/CloudEvents+json")), ("ce_id", Some(b"1"))];
    let record = Record { value: Some(structured.as_bytes()), headers, ..Record::default() };
    assert_eq!(event(only(read(&record, &canonical()))), expected);
    let list = json!([person(), cloud_event(&person())]);
    let readings = read_json(&list, &canonical());
    assert_eq!(readings.iter().map(|reading| reading.element.as_str()).collect::<Vec<_>>(), ["[0]", "[1].data"]);

    for repeated in ["ce_id", "CE_ID", "ce_type", "content-type"] {
        let mut headers = binary.to_vec();
        headers.push((repeated, Some(b"1.0")));
        let record = Record { value: Some(bytes.as_bytes()), headers: &headers, ..Record::default() };
        assert_eq!(code(&only(read(&record, &canonical()))), Some(RejectCode::DuplicateHeader), "{repeated}");
    }
    // A binary event of another type need not even be JSON.
    let mut headers = binary.to_vec();
    headers[4] = ("ce_type", Some(b"com.example.build"));
    let record = Record { value: Some(b"\xff\xfe"), headers: &headers, ..Record::default() };
    assert!(is_ignored(&only(read(&record, &canonical()))));
    let record = Record { value: Some(b"\xff\xfe"), headers: binary, ..Record::default() };
    assert_eq!(code(&only(read(&record, &canonical()))), Some(RejectCode::InvalidUtf8));
    let record = Record { value: None, headers: binary, ..Record::default() };
    assert!(is_ignored(&only(read(&record, &canonical()))));
}

#[test]
fn a_canonical_event_is_read_strictly() {
    use RejectCode::*;
    let long = "x".repeat(257);
    let email = |value: Value| json!([{ "value": value, "kind": "work" }]);
    let many = Value::Array(vec![json!({ "value": "a@b.example", "kind": "work" }); 51]);
    for (pointer, replacement, expected, place) in [
        ("/schema_version", Some(json!(2)), UnknownVersion, "`schema_version`"),
        ("/schema_version", Some(json!("1")), UnknownVersion, "`schema_version`"),
        ("/schema_version", Some(json!(1.0)), UnknownVersion, "`schema_version`"),
        ("/schema_version", None, MissingField, "`schema_version`"),
        ("/action", Some(json!("Deprovision")), UnknownAction, "`action`"),
        ("/action", Some(json!("remove")), UnknownAction, "`action`"),
        ("/action", Some(json!(["deprovision"])), WrongType, "`action`"),
        ("/action", None, MissingField, "`action`"),
        ("/action", Some(json!("schedule")), MissingField, "`effective`"),
        ("/occurred_at", Some(json!("2026-05-29T14:03:11")), InvalidValue, "`occurred_at`"),
        ("/occurred_at", Some(json!(1_780_063_391)), WrongType, "`occurred_at`"),
        ("/occurred_at", Some(json!("2226-05-29T14:03:11Z")), InvalidValue, "`occurred_at`"),
        ("/occurred_at", None, MissingField, "`occurred_at`"),
        ("/effective", Some(Value::Null), WrongType, "`effective`"),
        ("/effective", Some(json!({})), MissingField, "`effective.at`"),
        ("/effective", Some(json!({ "date": "2026-06-30T00:00:00" })), InvalidValue, "`effective.date`"),
        ("/effective", Some(json!({ "date": "2026-02-30" })), InvalidValue, "`effective.date`"),
        ("/effective", Some(json!({ "date": "9999-12-31" })), InvalidValue, "`effective`"),
        ("/effective", Some(json!({ "date": "2026-06-30", "timezone": "Mars/Olympus" })), InvalidValue, "`effective`"),
        ("/effective", Some(json!({ "date": "2026-06-30", "boundary": "noon" })), InvalidValue, "`effective.boundary`"),
        (
            "/effective",
            Some(json!({ "date": "2026-06-30", "at": "2026-06-30T00:00:00Z" })),
            InvalidValue,
            "`effective.date`",
        ),
        ("/subject/person_key", Some(json!(7)), WrongType, "`subject.person_key`"),
        ("/subject/person_key", Some(json!("")), InvalidValue, "`subject.person_key`"),
        ("/subject/person_key", Some(json!(long)), TooLong, "`subject.person_key`"),
        ("/subject/person_key", Some(json!("hr:x:1\n")), ControlCharacter, "`subject.person_key`"),
        ("/subject/person_key", None, MissingField, "`subject.person_key`"),
        ("/subject/employee_id", Some(json!(1182)), WrongType, "`subject.employee_id`"),
        ("/subject/logins", Some(json!("priya")), WrongType, "`subject.logins`"),
        ("/subject/logins", Some(json!(["a\0"])), ControlCharacter, "`subject.logins[0]`"),
        ("/subject/emails", Some(many), TooLong, "`subject.emails`"),
        ("/subject/emails", Some(json!(["a@b.example"])), WrongType, "`subject.emails[0]`"),
        ("/subject/emails", Some(email(json!("priya"))), InvalidAddress, "`subject.emails[0].value`"),
        ("/subject/emails", Some(email(json!("a\r\n@b.example"))), InvalidAddress, "`subject.emails[0].value`"),
        ("/subject/emails", Some(email(json!("a/../b@c.example"))), InvalidAddress, "`subject.emails[0].value`"),
        ("/subject/emails", Some(email(json!("priy\u{430}@c.example"))), InvalidAddress, "`subject.emails[0].value`"),
        ("/subject/emails", Some(email(json!(1))), WrongType, "`subject.emails[0].value`"),
        ("/subject/emails", Some(json!([{ "value": "a@b.example" }])), MissingField, "`subject.emails[0].kind`"),
        (
            "/subject/external_ids",
            Some(json!([{ "system": "x", "value": "1" }])),
            MissingField,
            "`subject.external_ids[0].type`",
        ),
        ("/subject/worker_type", Some(json!("boss")), InvalidValue, "`subject.worker_type`"),
        ("/subject", Some(json!([])), WrongType, "`subject`"),
        ("/source/event_id", None, MissingField, "`source.event_id`"),
        ("/source/element", Some(json!(-1)), WrongType, "`source.element`"),
        ("/source/element", Some(json!("0")), WrongType, "`source.element`"),
        ("/source/tenant", Some(json!("marigold")), OtherTenant, "`source.tenant`"),
        ("/reason", Some(json!("x".repeat(65))), TooLong, "`reason`"),
        ("/synthetic", Some(json!("true")), WrongType, "`synthetic`"),
        ("/urgent", Some(json!(1)), WrongType, "`urgent`"),
        ("/actor", Some(json!({ "kind": "boss" })), InvalidValue, "`actor.kind`"),
        ("/identity_change", Some(json!({ "from": "a@b.example", "to": "x" })), InvalidAddress, "`identity_change.to`"),
    ] {
        let record = with(person(), pointer, replacement.clone());
        let Verdict::Reject(reject) = only(read_json(&record, &canonical())).verdict else {
            panic!("{pointer} {replacement:?} was not refused");
        };
        assert_eq!(reject.code, expected, "{pointer} {replacement:?}: {}", reject.detail);
        assert!(reject.detail.starts_with(place), "{pointer} {replacement:?}: {}", reject.detail);
    }
    assert_eq!(
        event(only(read_json(&with(person(), "/unheard_of", Some(json!([1]))), &canonical()))),
        event(only(read_json(&person(), &canonical())))
    );
}

#[test]
fn a_date_takes_zone_and_boundary_of_its_source_with_it() {
    let rules = Rules { zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(), ..canonical() };
    let dated = with(person(), "/effective", Some(json!({ "date": "2026-06-30" })));
    let read = event(only(read_json(&dated, &rules)));
    let elsewhere = jiff::tz::TimeZone::get("America/Los_Angeles").unwrap();
    assert_eq!(read.effective_at(&elsewhere).unwrap().to_string(), "2026-06-30T22:00:00Z");
}

#[test]
fn without_an_address_a_person_is_not_resolved() {
    let without = with(person(), "/subject/emails", None);
    assert!(!event(only(read_json(&without, &canonical()))).resolved);
    let said = with(person(), "/resolved", Some(json!(false)));
    assert!(!event(only(read_json(&said, &canonical()))).resolved);
    let later = with(without, "/effective", Some(json!({ "at": "2026-07-01T00:00:00Z" }))).to_string();
    let record = Record { value: Some(later.as_bytes()), ..Record::default() };
    let row = explain(&record, &canonical(), "2026-06-01T12:00:00Z".parse().unwrap()).rows.remove(0);
    assert_eq!((row.decision, row.kind), (Decision::NeedsLookup, Some(Decision::Schedule)));
}

#[test]
fn an_identity_update_tells_an_address() {
    let update = with(person(), "/action", Some(json!("identity_update")));
    assert_eq!(event(only(read_json(&update, &canonical()))).action, Action::IdentityUpdate);
    let nothing = with(update, "/subject/emails", None);
    let Verdict::Reject(reject) = only(read_json(&nothing, &canonical())).verdict else { panic!("it was not refused") };
    assert_eq!(reject.code, RejectCode::MissingField);
    assert!(reject.detail.starts_with("`identity_change`"), "{}", reject.detail);
}

#[test]
fn what_takes_effect_later_is_scheduled() {
    let later = with(person(), "/effective", Some(json!({ "at": "2026-06-01T12:00:00.001Z" }))).to_string();
    let record = Record { value: Some(later.as_bytes()), ..Record::default() };
    let decision_at = |now: &str| explain(&record, &canonical(), now.parse().unwrap()).rows[0].decision;
    assert_eq!(decision_at("2026-06-01T12:00:00Z"), Decision::Schedule);
    assert_eq!(decision_at("2026-06-01T12:00:00.001Z"), Decision::Deprovision);
    let announced = with(serde_json::from_str(&later).unwrap(), "/action", Some(json!("schedule"))).to_string();
    let record = Record { value: Some(announced.as_bytes()), ..Record::default() };
    let reason_at = |now: &str| explain(&record, &canonical(), now.parse().unwrap()).rows.remove(0).reason;
    assert_eq!(reason_at("2026-06-01T12:00:00Z"), "left: the person will leave; nothing is removed before then");
    assert_eq!(reason_at("2026-06-01T12:00:00.001Z"), "left: the person was to leave by now; it is due at once");
}

// --- any format ---

#[test]
fn limits_hold_for_the_whole_record() {
    for rules in [okta(), canonical(), Rules::auto()] {
        let refusal = |value: &[u8]| code(&only(read_bytes(value, &rules)));
        assert_eq!(refusal(&vec![b' '; VALUE_BYTES_MAX + 1]), Some(RejectCode::TooLarge));
        assert_eq!(refusal("[".repeat(10_000).as_bytes()), Some(RejectCode::TooDeep));
        assert_eq!(refusal("{\"a\":".repeat(10_000).as_bytes()), Some(RejectCode::TooDeep));
        assert_eq!(refusal("{\"data\":".repeat(10_000).as_bytes()), Some(RejectCode::TooDeep));
        let many = format!("[1{}]", ",1".repeat(ELEMENTS_MAX));
        assert_eq!(refusal(many.as_bytes()), Some(RejectCode::TooManyElements));
        assert_eq!(refusal(b"{\"a\":\"\xff\"}"), Some(RejectCode::InvalidUtf8));
        for text in ["", "{", "{}{}", "\u{feff}{}"] {
            assert_eq!(refusal(text.as_bytes()), Some(RejectCode::MalformedJson), "{text:?}");
        }
        for text in ["null", "1", "\"text\"", "{}"] {
            assert!(refusal(text.as_bytes()).is_some(), "{text:?}");
        }
        assert!(is_ignored(&only(read_bytes(b"[]", &rules))));
        assert!(is_ignored(&only(read(&Record::default(), &rules))));
    }
    let hook = event_hook(&vec![json!({ "eventType": "user.session.start" }); ELEMENTS_MAX + 1]);
    assert_eq!(code(&only(read_json(&hook, &okta()))), Some(RejectCode::TooManyElements));
    // Few elements, each of which names many people.
    let users: Vec<_> = (0..ELEMENTS_MAX / 2).map(|id| json!({ "type": "User", "id": id.to_string() })).collect();
    let mut event = log_event();
    event["target"] = json!(users);
    assert_eq!(read_json(&event_hook(&[event.clone(), event.clone()]), &okta()).len(), ELEMENTS_MAX);
    let three = event_hook(&[event.clone(), event.clone(), event]);
    assert_eq!(code(&only(read_json(&three, &okta()))), Some(RejectCode::TooManyElements));
}

/// What is read at its limit, and refused just above it and far above it, with the limit and the place.
#[test]
fn at_ten_times_a_limit_the_refusal_names_the_limit_and_the_place() {
    const DEPTH_MAX: usize = 100;
    let padded = |bytes: usize| {
        let text = person().to_string();
        format!("{text}{}", " ".repeat(bytes - text.len())).into_bytes()
    };
    let deep = |levels: usize| {
        let around = levels - 1; // The event itself is one.
        let nested = format!("{}1{}", "[".repeat(around), "]".repeat(around));
        with(person(), "/extra", Some(json!("DEEP"))).to_string().replace("\"DEEP\"", &nested).into_bytes()
    };
    let elements = |count: usize| {
        let small = vec![json!({"eventType": "a"}).to_string(); count];
        format!("[{}]", small.join(",")).into_bytes()
    };
    type Make<'m> = &'m dyn Fn(usize) -> Vec<u8>;
    let limits: [(usize, Make<'_>, RejectCode, &str); 3] = [
        (VALUE_BYTES_MAX, &padded, RejectCode::TooLarge, ""),
        (DEPTH_MAX, &deep, RejectCode::TooDeep, "at line 1, column "),
        (ELEMENTS_MAX, &elements, RejectCode::TooManyElements, "`[5000]`"),
    ];
    for (limit, make, refusal, place) in limits {
        let rules = if refusal == RejectCode::TooManyElements { okta() } else { canonical() };
        let at_it = read_bytes(&make(limit), &rules);
        assert!(at_it.iter().all(|reading| code(reading).is_none()), "{refusal:?} at its limit: {:?}", at_it[0]);
        for beyond in [limit + 1, 10 * limit] {
            let reading = only(read_bytes(&make(beyond), &rules));
            let Verdict::Reject(reject) = &reading.verdict else { panic!("{beyond}: {reading:?}") };
            assert_eq!(reject.code, refusal, "{beyond}");
            assert!(reject.detail.contains(&limit.to_string()), "{}", reject.detail);
            assert!(reject.detail.contains(place), "{}", reject.detail);
        }
    }
}

#[test]
fn what_stands_behind_too_many_empty_elements_is_refused_not_lost() {
    let empty = event_hook(&[]).to_string();
    let hidden = event_hook(&[log_event()]).to_string();
    let record = format!("[{}{hidden}]", format!("{empty},").repeat(ELEMENTS_MAX));
    assert!(record.len() < VALUE_BYTES_MAX);
    assert_eq!(code(&only(read_bytes(record.as_bytes(), &okta()))), Some(RejectCode::TooManyElements));
}

#[test]
fn numbers_and_objects_beyond_all_measure_harm_nobody() {
    let person = |change: &str| person().to_string().replacen('{', &format!("{{{change},"), 1);
    let keys: Vec<String> = (0..60_000).map(|number| format!("\"k{number}\":{number}")).collect();
    let digits = "9".repeat(100_000);
    for (change, refused) in [
        (keys.join(","), None),
        (format!("\"extra\":-0.{digits}"), None),
        (format!("\"extra\":{digits}"), Some(RejectCode::MalformedJson)),
        ("\"extra\":1e400".to_owned(), Some(RejectCode::MalformedJson)),
        ("\"extra\":18446744073709551616".to_owned(), None),
    ] {
        let reading = only(read_bytes(person(&change).as_bytes(), &canonical()));
        assert_eq!(code(&reading), refused, "{} …", &change[..change.len().min(40)]);
    }
    for version in ["1e0", "18446744073709551617", "-1", "1.0"] {
        let text = self::person().to_string().replace("\"schema_version\":1", &format!("\"schema_version\":{version}"));
        assert_eq!(
            code(&only(read_bytes(text.as_bytes(), &canonical()))),
            Some(RejectCode::UnknownVersion),
            "{version}"
        );
    }
}

#[test]
fn a_record_of_two_formats_is_refused_until_somebody_says_which() {
    let mut both = log_event();
    for (name, value) in person().as_object().unwrap() {
        both[name] = value.clone();
    }
    assert_eq!(code(&only(read_json(&both, &Rules::auto()))), Some(RejectCode::Ambiguous));
    assert_eq!(code(&only(read_json(&json!({ "hello": 1 }), &Rules::auto()))), Some(RejectCode::Unrecognised));
}

#[test]
fn a_refused_element_makes_the_record_unreadable() {
    let text = json!([log_event(), {}]).to_string();
    let record = Record { value: Some(text.as_bytes()), ..Record::default() };
    let answer = explain(&record, &okta(), "2026-06-01T12:00:00Z".parse().unwrap());
    assert_eq!(answer.readable(), Readable::No);
    let json: Value = serde_json::from_str(&answer.json()).unwrap();
    assert_eq!((&json[0]["decision"], &json[1]["decision"]), (&json!("deprovision"), &json!("reject")));
}

// --- whatever a record holds ---

const SAMPLES: &[&str] = &[
    include_str!("samples/okta-01-event-hook-deactivate.json"),
    include_str!("samples/okta-02-event-hook-mixed-batch.json"),
    include_str!("samples/okta-03-eventbridge-unsuspend.json"),
    include_str!("samples/okta-04-systemlog-app-unassigned.json"),
    include_str!("samples/okta-05-systemlog-deactivate-failure.json"),
    include_str!("samples/cloudevents-01-structured-canonical.json"),
    include_str!("samples/cloudevents-02-structured-okta-wrapped.json"),
    include_str!("samples/cloudevents-04-batch-array.json"),
    include_str!("samples/bamboohr-01-field-based-updated.json"),
    include_str!("samples/bamboohr-03-rescind-and-deleted.json"),
    include_str!("samples/workday-01-raas-report.json"),
    include_str!("samples/workday-02-get-workers-terminated.json"),
    include_str!("samples/hibob-01-employee-left.json"),
    include_str!("samples/merge-01-employee-changed.json"),
    include_str!("samples/adp-01-work-assignment-terminate.json"),
    include_str!("samples/set-03-risc-account-disabled-complex.json"),
    include_str!("samples/set-04-risc-identifier-changed.json"),
    include_str!("samples/set-07-caep-session-revoked.json"),
    include_str!("samples/scim-01-bulk-request.json"),
    include_str!("samples/scim-03-event-prov-patch-full.json"),
    include_str!("samples/scim-05-user-resource-inactive.json"),
];

/// Stands only in actor fields of the samples.
const ONLY_ACTORS: &[&str] = &["00u4r1c0adminQx7k0h8", "it.ops@larkspur.example", "Larkspur IT Ops", "G3ADMIN00000001"];

fn every_rules() -> Vec<Rules> {
    let types = vec!["com.example.offboarding.person.v1".to_owned()];
    vec![
        okta(),
        Rules { types: types.clone(), tenant: Some("larkspur.okta.com".to_owned()), ..canonical() },
        Rules { types: types.clone(), tenant: Some("40218".to_owned()), ..canonical() },
        Rules { types, ..Rules::auto() },
        Rules { format: Format::Set, tenant: Some("larkspur-prod".to_owned()), ..Rules::auto() },
        Rules { format: Format::Scim, tenant: Some("larkspur".to_owned()), ..Rules::auto() },
        Rules::auto(),
    ]
}

/// Checks what must hold of every reading, and that passing over a record and reading it in full agree.
fn check(value: &[u8], headers: &[Header<'_>]) {
    let arrived_at = "2026-06-01T12:00:00Z".parse().ok();
    let record = Record { value: Some(value), headers, arrived_at, ..Record::default() };
    for rules in every_rules() {
        let readings = read(&record, &rules);
        assert!(!readings.is_empty());
        let explained = explain(&record, &rules, "2026-06-01T12:00:00Z".parse().unwrap());
        assert!(explained.text().lines().all(|line| line.chars().count() <= 80));
        let events: Vec<_> = readings
            .into_iter()
            .filter_map(|reading| match reading.verdict {
                Verdict::Event(event) => Some((reading.element, event)),
                Verdict::Ignore { .. } | Verdict::Reject(_) => None,
            })
            .collect();
        let in_full: Vec<_> =
            explained.rows.iter().filter(|row| row.event_id.is_some() && row.kind.is_some()).collect();
        assert_eq!(
            events.iter().map(|(element, _)| element).collect::<Vec<_>>(),
            in_full.iter().map(|row| &row.element).collect::<Vec<_>>()
        );
        for (_, event) in &events {
            check_event(event, &rules);
        }
    }
}

fn check_event(event: &PersonEvent, rules: &Rules) {
    let mut whole = serde_json::to_value(event).unwrap();
    for text in texts(&whole) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    for address in &event.subject.emails {
        assert!(Email::parse(address.value.expose()).is_ok());
    }
    whole.as_object_mut().unwrap().remove("actor");
    for text in texts(&whole) {
        assert!(!ONLY_ACTORS.iter().any(|actor| text.contains(actor)), "{text}");
    }
    if let Some(tenant) = &rules.tenant {
        assert_eq!(&event.source.tenant, tenant);
    }
    let may_be_undated = event.action == Action::Schedule && !event.resolved;
    assert!(may_be_undated || event.effective_at(&rules.zone).is_some());
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => {
            map.iter().flat_map(|(name, value)| [vec![name.as_str()], texts(value)].concat()).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Every place of a document, as a JSON pointer.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    if !place.is_empty() {
        found.push(place.to_owned());
    }
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{place}/{index}"), found));
        }
        Value::Object(map) => map.iter().for_each(|(name, member)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            places(member, &format!("{place}/{name}"), found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(0)),
        Just(json!(-1.5)),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!("User")),
        Just(json!("SUCCESS")),
        Just(json!("user.lifecycle.deactivate")),
        Just(json!("a\r\nX-Evil: 1@larkspur.example")),
        Just(json!("\u{202e}x@larkspur.example")),
        Just(json!("../../account")),
        Just(json!("x".repeat(70_000))),
        Just(json!([{ "type": "User", "id": "00u\n", "alternateId": "a@b.example" }])),
        any::<String>().prop_map(Value::from),
    ]
}

#[test]
fn a_line_break_in_any_place_comes_out_of_none() {
    for sample in SAMPLES {
        let sample: Value = serde_json::from_str(sample).unwrap();
        let mut found = Vec::new();
        places(&sample, "", &mut found);
        // The later elements of a batch have the shape of the first.
        for place in
            found.iter().filter(|place| !place.starts_with("/data/events/") || place.starts_with("/data/events/3"))
        {
            let mut value = sample.clone();
            *value.pointer_mut(place).unwrap() = json!("a\r\nX-Evil: 1");
            check(value.to_string().as_bytes(), &[]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), name in "ce_[a-z]{2,11}|content-type") {
        check(&bytes, &[]);
        check(&bytes, &[(&name, Some(&bytes)), ("ce_specversion", Some(b"1.0"))]);
    }

    #[test]
    fn any_json_like_text_is_read(text in r#"([\[\]{},:"a1\\ ]|"eventType"|"data"|"events"|"detail"|null){0,60}"#) {
        check(text.as_bytes(), &[]);
    }

    #[test]
    fn no_mutation_of_a_sample_brings_out_an_actor_or_a_control_character(
        sample in 0..SAMPLES.len(),
        mutations in proptest::collection::vec((any::<proptest::sample::Index>(), proptest::option::of(hostile())), 1..4),
    ) {
        let mut value: Value = serde_json::from_str(SAMPLES[sample]).unwrap();
        for (index, replacement) in mutations {
            let mut found = Vec::new();
            places(&value, "", &mut found);
            let Some(place) = found.get(index.index(found.len().max(1))) else { break };
            let (parent, name) = place.rsplit_once('/').unwrap();
            match (value.pointer_mut(parent).unwrap(), replacement) {
                (Value::Object(map), None) => { map.remove(&name.replace("~1", "/").replace("~0", "~")); }
                (Value::Array(items), None) => { items.remove(name.parse().unwrap()); }
                (_, Some(replacement)) => *value.pointer_mut(place).unwrap() = replacement,
                (_, None) => {}
            }
        }
        check(value.to_string().as_bytes(), &[]);
    }

    #[test]
    fn no_change_of_a_byte_brings_out_an_actor_or_a_control_character(
        sample in 0..SAMPLES.len(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = SAMPLES[sample].as_bytes().to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        check(&bytes, &[]);
    }

    #[test]
    fn a_spoilt_neighbour_changes_nothing(place in any::<proptest::sample::Index>(), replacement in hostile()) {
        let mut value: Value = serde_json::from_str(SAMPLES[1]).unwrap();
        let rules = okta();
        let before = read_json(&value, &rules);
        let mut found = Vec::new();
        places(&value["data"]["events"][1].clone(), "", &mut found);
        let place = &found[place.index(found.len())];
        *value.pointer_mut(&format!("/data/events/1{place}")).unwrap() = replacement;
        let after = read_json(&value, &rules);
        let of = |readings: &[Reading], place: &str| readings.iter().find(|reading| reading.element == place).cloned();
        for place in ["data.events[0]", "data.events[2]", "data.events[3]"] {
            prop_assert_eq!(of(&after, place), of(&before, place));
        }
    }
}
