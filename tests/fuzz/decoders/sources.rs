//! What source systems write: carriers, the canonical event, Okta's System Log.

use std::sync::Arc;

use heroku_deprovisioner::model::Email;
use heroku_deprovisioner::model::event::{Action, Boundary, PersonEvent};
use heroku_deprovisioner::sources::explain::{COLUMNS, Decision, Holds, Question, answer, explain};
use heroku_deprovisioner::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use heroku_deprovisioner::sources::{ELEMENTS_MAX, Format, Reading, Record, RejectCode, Rules, Verdict, read};
use heroku_deprovisioner::wire::{DEAD_LETTER_VALUE_MAX, Keep, Refused, dead_letter, person_event};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use super::super::allocation::bounded;
use super::{Headed, assert_plain, worker};

/// Longest text of an event, in characters.
const TEXT_MAX: usize = 256;

/// Longest explanation of a refusal, in bytes: it stands in a header of the dead letter.
const DETAIL_MAX: usize = 8 * 1024;

const TENANT: &str = "larkspur.okta.com";

/// A record with its headers, read by every format.
pub(super) fn envelope(input: &[u8]) {
    let Headed { head, body } = Headed::of(input);
    let record = Record { value: Some(body), headers: &head, arrived_at: Some(worker::now()), ..Record::default() };
    let types = vec!["com.example.offboarding.person.v1".to_owned()];
    let okta = Rules { format: Format::Okta, ..Rules::auto() };
    readings(&record, input.len(), &Rules { tenant: Some(TENANT.to_owned()), ..okta.clone() });
    readings(&record, input.len(), &Rules { types: types.clone(), ..okta });
    readings(&record, input.len(), &Rules { types, ..Rules::auto() });
    let keys = KeySet::parse(include_bytes!("../../keys/set-jwks.json")).unwrap();
    let trust =
        Trust::Signed { algorithms: vec![Algorithm::ES256], keys: Arc::new(keys), age_max: SignedDuration::MAX };
    let tokens = TokenRules { trust, ..TokenRules::unchecked() };
    readings(&record, input.len(), &Rules { format: Format::Set, tokens, ..Rules::auto() });
    readings(&record, input.len(), &described(Format::Mapping));
    readings(&record, input.len(), &described(Format::Debezium));
    for format in Format::names().filter_map(Format::from_name) {
        readings(&record, input.len(), &Rules { format, ..Rules::auto() });
    }
}

/// Rules for formats that the configuration describes: as much of them as there is.
fn described(format: Format) -> Rules {
    let mapping = serde_json::json!({
        "id": "/employee_id", "emails": ["/work_email", "event.mails.map(m, m.kind == 'work', m.value)"],
        "time": "millis(event.__source_ts_ms)", "effective": "/termination_date", "tenant": "record:/db",
        "rules": [
            { "when": "event.status.matches('^T') && event.mails.exists(m, m.size() > 1)", "then": "deprovision" },
            { "when": "has(event.status)", "then": "suspend" },
        ],
        "otherwise": "refuse",
    });
    let table = serde_json::json!({
        "name": "public.employee", "id": "employee_id", "emails": ["work_email"],
        "status": "status", "left": ["TERMINATED"], "date": "termination_date", "date_as": "days",
    });
    Rules {
        format,
        mapping: Some(serde_json::from_value(mapping).expect("it is right")),
        tables: vec![serde_json::from_value(table).expect("it is right")],
        ..Rules::auto()
    }
}

/// The canonical event without a wrapping.
pub(super) fn canonical(input: &[u8]) {
    let record = Record { value: Some(input), ..Record::default() };
    let rules = Rules { format: Format::Canonical, boundary: Boundary::StartOfDay, ..Rules::auto() };
    readings(&record, input.len(), &rules);
    let rules = Rules { tenant: Some("40218".to_owned()), ..rules };
    for reading in readings(&record, input.len(), &rules) {
        if let Verdict::Event(event) = reading.verdict {
            assert_eq!(event.source.tenant, "40218");
        }
    }
}

/// A LogEvent as it is, in an event hook, and in EventBridge: it says the same in each.
pub(super) fn okta(input: &[u8]) {
    let rules = Rules { format: Format::Okta, tenant: Some(TENANT.to_owned()), ..Rules::auto() };
    let bare = readings(&Record { value: Some(input), ..Record::default() }, input.len(), &rules);
    let is_log_event = bare.iter().all(|reading| reading.element.is_empty() || reading.element.starts_with("target["));
    let names_somebody = bare.iter().any(|reading| matches!(reading.verdict, Verdict::Event(_)));
    let Ok(document) = serde_json::from_slice::<&RawValue>(input) else { return };
    if !is_log_event || !names_somebody {
        return;
    }
    let hook = format!(
        r#"{{"eventType":"com.okta.event_hook","source":"https://{TENANT}/api/v1/eventHooks/who9","data":{{"events":[{}]}}}}"#,
        document.get()
    );
    let bridge = format!(
        r#"{{"detail-type":"SystemLog","source":"aws.partner/okta.com/larkspur/bus","detail":{}}}"#,
        document.get()
    );
    for (carrier, place) in [(hook, "data.events[0]"), (bridge, "detail")] {
        let record = Record { value: Some(carrier.as_bytes()), ..Record::default() };
        let carried = readings(&record, carrier.len(), &rules);
        // The carrier takes two levels of the depth that is read.
        let too_deep = |reading: &Reading| matches!(&reading.verdict, Verdict::Reject(reject) if reject.code == RejectCode::TooDeep);
        if carried.iter().any(too_deep) {
            continue;
        }
        assert_eq!(carried.len(), bare.len());
        for (carried, bare) in carried.iter().zip(&bare) {
            assert_eq!(carried.verdict, bare.verdict, "in {place}");
            assert!(carried.element.starts_with(place), "{} is not in {place}", carried.element);
        }
    }
}

/// What is XML, or ought to be: no format that is JSON takes it, and the prefix of its names says nothing.
pub(super) fn xml(input: &[u8]) {
    let rules = Rules { format: Format::SuccessFactors, ..Rules::auto() };
    let record = Record { value: Some(input), ..Record::default() };
    let said = readings(&record, input.len(), &rules);
    if !input.trim_ascii_start().starts_with(b"<") {
        // Bytes that no text begins with may be framed for a schema registry, which says so first.
        let other = [RejectCode::UnsupportedEncoding, RejectCode::UnexpectedFraming];
        assert!(matches!(codes(&said)[..], [Some(code)] if other.contains(&code)), "{said:?}");
        return;
    }
    let okta = Rules { format: Format::Okta, ..Rules::auto() };
    assert_eq!(codes(&readings(&record, input.len(), &okta)), [Some(RejectCode::UnsupportedEncoding)]);
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.contains("ns3:") && codes(&said).iter().all(Option::is_none) {
        let other = text.replace("ns3:", "evt:");
        let again = readings(&Record { value: Some(other.as_bytes()), ..Record::default() }, other.len(), &rules);
        assert_eq!(again.len(), said.len());
        assert_eq!(codes(&again), codes(&said));
    }
}

fn codes(readings: &[Reading]) -> Vec<Option<RejectCode>> {
    let code = |reading: &Reading| match &reading.verdict {
        Verdict::Reject(reject) => Some(reject.code),
        Verdict::Event(_) | Verdict::Ignore { .. } => None,
    };
    readings.iter().map(code).collect()
}

fn readings(record: &Record<'_>, bytes: usize, rules: &Rules) -> Vec<Reading> {
    let readings = bounded(bytes, || read(record, rules));
    assert!((1..=ELEMENTS_MAX).contains(&readings.len()), "{} readings", readings.len());
    for reading in &readings {
        assert_plain("the element", &reading.element);
        assert!(reading.element.len() <= DETAIL_MAX, "a place of {} bytes", reading.element.len());
        match &reading.verdict {
            Verdict::Event(event) => said(event, rules),
            Verdict::Ignore { reason, about } => {
                assert_plain("the reason", reason);
                for email in about.iter().flat_map(|about| &about.subject.emails) {
                    address(&email.value);
                }
            }
            Verdict::Reject(reject) => {
                assert_plain("the detail", &reject.detail);
                assert!(reject.detail.len() <= DETAIL_MAX, "a detail of {} bytes", reject.detail.len());
            }
        }
    }
    refused(record, &readings);
    explained(record, rules, &readings);
    decided(record, rules);
    readings
}

/// What passes over irrelevant records finds no less than what reads everything.
fn explained(record: &Record<'_>, rules: &Rules, readings: &[Reading]) {
    let answer = explain(record, rules, Timestamp::UNIX_EPOCH);
    let passed_over = readings.iter().all(|reading| matches!(reading.verdict, Verdict::Ignore { .. }));
    if passed_over {
        // Only a flaw in a part that decides nothing is not seen.
        let harmless = |decision| matches!(decision, Decision::Ignore | Decision::Reject);
        assert!(answer.rows.iter().all(|row| harmless(row.decision)), "passed over: {}", answer.json());
    } else {
        assert_eq!(answer.rows.len(), readings.len());
        for (row, reading) in answer.rows.iter().zip(readings) {
            assert_eq!(row.element, reading.element);
            let kind = match &reading.verdict {
                Verdict::Event(event) => Some(Decision::from(event.action)),
                Verdict::Ignore { .. } | Verdict::Reject(_) => None,
            };
            assert_eq!(row.kind.is_some(), kind.is_some());
        }
    }
    let few = answer.rows.len() <= 50;
    for line in few.then(|| answer.text()).iter().flat_map(|text| text.lines()) {
        assert_plain("an explanation", line);
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
}

/// What decided it is told in plain characters. That takes many readings, so not of each record, and of no long one.
fn decided(record: &Record<'_>, rules: &Rules) {
    let Some(bytes) = record.value.filter(|value| value.len() < 4_096 && value.len() % 64 == 0) else { return };
    let question = Question { bytes, holds: Holds::Value, rules, schema: None, now: Timestamp::UNIX_EPOCH };
    for row in answer(&question).rows {
        let by = row.decided_by;
        for place in by.decision.iter().chain(&by.addresses).chain(&by.effective_at) {
            assert_plain("a place", place);
        }
    }
}

/// A statement holds nothing but what its schema allows, and is the same after it was written and read.
fn said(event: &PersonEvent, rules: &Rules) {
    let years = Timestamp::from_second(946_684_800).unwrap()..Timestamp::from_second(4_133_980_800).unwrap();
    for at in [Some(event.occurred_at), event.recorded_at, event.effective_at(&rules.zone)].into_iter().flatten() {
        assert!(years.contains(&at), "{at}");
    }
    let may_be_undated = event.action == Action::Schedule && !event.resolved;
    assert!(may_be_undated || event.effective_at(&rules.zone).is_some());
    for email in &event.subject.emails {
        address(&email.value);
        assert_eq!(Email::parse(email.value.expose()).as_ref(), Ok(&email.value));
    }
    assert!(!event.resolved || !event.subject.emails.is_empty() || event.identity_change.is_some());

    let json = serde_json::to_value(event).unwrap();
    texts(&json, &mut |text| {
        assert_plain("a text", text);
        assert!((1..=TEXT_MAX).contains(&text.chars().count()), "a text of {} characters", text.chars().count());
    });
    let written = person_event(event, None);
    for (name, value) in &written.headers {
        assert_plain(name, value);
    }
    // As an attribute of a CloudEvent an id or a tenant may be too long to be read back.
    if written.headers.iter().all(|(_, value)| value.chars().count() <= TEXT_MAX) {
        let rules = Rules { format: Format::Canonical, ..rules.clone() };
        let readings = read(&Record { value: Some(&written.value), ..Record::default() }, &rules);
        let [Reading { verdict: Verdict::Event(again), .. }] = readings.as_slice() else {
            panic!("{} was read as {readings:?}", written.text());
        };
        assert_eq!(**again, *event);
    }
}

/// Printed, an address does not show who it is.
pub(super) fn address(email: &Email) {
    let shown = format!("{email} {email:?}");
    assert_plain("an address in a log", &shown);
    let (whole, domain) = (email.expose(), email.domain());
    let local = whole.len().saturating_sub(domain.len() + 1);
    if whole.contains('…') {
        return;
    }
    if local > 1 || domain.is_empty() && whole.chars().count() > 1 {
        assert!(!shown.contains(whole), "{shown}");
    }
}

/// The dead letter of each refusal fits its topic and forges nothing.
fn refused(record: &Record<'_>, readings: &[Reading]) {
    let rejects = readings.iter().filter_map(|reading| match &reading.verdict {
        Verdict::Reject(reject) => Some((reading, reject)),
        Verdict::Event(_) | Verdict::Ignore { .. } => None,
    });
    for (reading, reject) in rejects.take(4) {
        let letter = dead_letter(
            &Refused {
                source: "hr",
                cluster: "default",
                topic: "hr.leavers",
                partition: 0,
                offset: 7,
                element: &reading.element,
                reason: reject.code.as_str(),
                detail: &reject.detail,
                at: Timestamp::UNIX_EPOCH,
                record_sha256: "5f70",
                key: record.key,
                value: record.value,
                headers: record.headers,
            },
            Keep::Record,
        );
        assert!(letter.value.as_ref().is_none_or(|value| value.len() <= DEAD_LETTER_VALUE_MAX));
        let ours = letter.headers.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("dlq-"));
        assert_eq!(ours.count(), 12, "{:?}", letter.headers);
        let secret = |name: &String| name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("cookie");
        assert!(!letter.headers.iter().any(|(name, _)| secret(name)));
    }
}

fn texts(value: &serde_json::Value, check: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => check(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, check)),
        serde_json::Value::Object(members) => members.values().for_each(|member| texts(member, check)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
