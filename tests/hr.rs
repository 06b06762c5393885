//! Records of HR systems that differ from the samples in one place: what is decided then, and why some are refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use heroku_deprovisioner::model::event::{Action, Boundary, PersonEvent};
use heroku_deprovisioner::sources::{Format, Reading, Record, RejectCode, Rules, Verdict, read};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is to come of an element.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Comes {
    Of(Action),
    Ignored,
    Refused(RejectCode),
}

use Comes::{Ignored, Of, Refused};

/// A member that is not there.
const ABSENT: Option<Value> = None;

fn arrived_at() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn rules(format: &str) -> Rules {
    Rules { format: Format::from_name(format).unwrap(), ..Rules::auto() }
}

fn sample(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `value` with what stands at the JSON pointer replaced, or removed.
fn with(mut value: Value, pointer: &str, replacement: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (value.pointer_mut(parent).unwrap(), replacement) {
        (Value::Object(map), Some(replacement)) => drop(map.insert(name.to_owned(), replacement)),
        (Value::Object(map), None) => drop(map.remove(name).unwrap()),
        (Value::Array(items), Some(replacement)) => items[name.parse::<usize>().unwrap()] = replacement,
        (other, _) => panic!("{pointer} leads to {other}"),
    }
    value
}

fn readings(value: &Value, rules: &Rules) -> Vec<Reading> {
    let bytes = value.to_string();
    read(&Record { value: Some(bytes.as_bytes()), arrived_at: Some(arrived_at()), ..Record::default() }, rules)
}

fn first(value: &Value, rules: &Rules) -> Verdict {
    readings(value, rules).remove(0).verdict
}

fn event(value: &Value, rules: &Rules) -> PersonEvent {
    match first(value, rules) {
        Verdict::Event(event) => *event,
        other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
    }
}

fn comes_of(verdict: &Verdict) -> Comes {
    match verdict {
        Verdict::Event(event) => Of(event.action),
        Verdict::Ignore { .. } => Ignored,
        Verdict::Reject(reject) => Refused(reject.code),
    }
}

/// The first element of the sample, with one member changed at a time.
fn check(format: &str, file: &str, cases: &[(&str, Option<Value>, Comes)]) {
    for (pointer, replacement, comes) in cases {
        let changed = with(sample(file), pointer, replacement.clone());
        let verdict = first(&changed, &rules(format));
        assert_eq!(comes_of(&verdict), *comes, "{file} {pointer} {replacement:?}: {verdict:?}");
    }
}

use RejectCode::{Ambiguous, InvalidAddress, InvalidValue, MissingField, MissingSubject, UnknownVersion, WrongType};

#[test]
fn bamboohr() {
    let at = |name: &str| format!("/employees/0/{name}");
    check(
        "bamboohr",
        "bamboohr-01-field-based-updated.json",
        &[
            (&at("id"), Some(json!(1182)), Of(Action::Deprovision)),
            (&at("id"), Some(json!("")), Refused(InvalidValue)),
            (&at("id"), Some(json!(11.82)), Refused(WrongType)),
            (&at("action"), Some(json!("Created")), Ignored),
            (&at("changedFields"), Some(json!(["Work Email"])), Ignored),
            (&at("changedFields"), Some(json!(["Employment Status: Date"])), Of(Action::Deprovision)),
            (&at("changedFields"), Some(json!("Employment Status")), Refused(WrongType)),
            (&at("fields/Employment Status"), Some(json!("Resigned")), Ignored),
            (&at("fields/Employment Status"), Some(json!("")), Ignored),
            (&at("fields/Employment Status"), ABSENT, Refused(MissingField)),
            (&at("fields/Employment Status: Date"), Some(json!("0000-00-00")), Refused(InvalidValue)),
            (&at("fields/Employment Status: Date"), Some(json!("06/30/2026")), Refused(InvalidValue)),
            (&at("fields/Employment Status: Date"), Some(json!("")), Refused(MissingField)),
            (&at("fields/Work Email"), Some(json!("")), Of(Action::Deprovision)),
            (&at("fields/Work Email"), Some(json!("a@b, c@d")), Refused(InvalidAddress)),
            (&at("fields/Work Email"), Some(json!(["a@larkspur.example"])), Refused(WrongType)),
            (&at("timestamp"), Some(json!("yesterday")), Refused(InvalidValue)),
        ],
    );
    check(
        "bamboohr",
        "bamboohr-02-event-based-updated.json",
        &[
            ("/data/changedFields", Some(json!(["firstName"])), Ignored),
            ("/type", Some(json!("employee.created")), Ignored),
            ("/type", Some(json!("employee.deleted")), Of(Action::IdentityUpdate)),
        ],
    );
}

#[test]
fn workday() {
    let at = |name: &str| format!("/Report_Entry/0/{name}");
    check(
        "workday",
        "workday-01-raas-report.json",
        &[
            (&at("Active_Status"), Some(json!("False")), Of(Action::Deprovision)),
            (&at("Active_Status"), Some(json!(false)), Of(Action::Deprovision)),
            (&at("Active_Status"), Some(json!("1")), Ignored),
            (&at("Active_Status"), Some(json!("Terminated")), Refused(InvalidValue)),
            (&at("Active_Status"), Some(json!("")), Refused(MissingField)),
            (&at("Termination_Date"), Some(json!("")), Ignored),
            (&at("Termination_Date"), ABSENT, Refused(MissingField)),
            (&at("Termination_Date"), Some(json!("05/29/2026")), Refused(InvalidValue)),
            (&at("Employee_ID"), ABSENT, Refused(MissingField)),
            (&at("Email_Work"), Some(json!("kofi")), Refused(InvalidAddress)),
            (&at("Rescinded"), Some(json!("1")), Refused(Ambiguous)),
            (&at("Worker_Type"), Some(json!(7)), Of(Action::Deprovision)),
        ],
    );
    let rescinded = |name: &str| format!("/Report_Entry/0/{name}");
    check(
        "workday",
        "workday-03-raas-rescinded.json",
        &[
            (&rescinded("Rescinded"), Some(json!("0")), Ignored),
            (&rescinded("Rescinded_Moment"), Some(json!("")), Of(Action::Cancel)),
            (&rescinded("Active_Status"), Some(json!("0")), Refused(Ambiguous)),
            (&rescinded("Termination_Date"), Some(json!("2026-06-30")), Refused(Ambiguous)),
        ],
    );
    let (ids, status) =
        ("/wd:Worker/wd:Worker_Reference/wd:ID", "/wd:Worker/wd:Worker_Data/wd:Employment_Data/wd:Worker_Status_Data");
    let id = |kind: &str| json!({ "@wd:type": kind, "$": "21001" });
    check(
        "workday",
        "workday-02-get-workers-terminated.json",
        &[
            (ids, Some(id("Employee_ID")), Of(Action::Deprovision)),
            (ids, Some(id("WID")), Refused(MissingSubject)),
            (ids, Some(json!([id("Employee_ID"), id("Contingent_Worker_ID")])), Refused(MissingSubject)),
            (ids, Some(json!([id("Employee_ID"), id("Employee_ID")])), Refused(Ambiguous)),
            (&format!("{status}/wd:Terminated"), Some(json!("0")), Ignored),
            (&format!("{status}/wd:Terminated"), ABSENT, Refused(MissingField)),
            (&format!("{status}/wd:Termination_Date"), ABSENT, Ignored),
        ],
    );
    let response = json!({ "wd:Get_Workers_Response": { "wd:Response_Data":
        sample("workday-02-get-workers-terminated.json") } });
    let of_response = readings(&response, &Rules::auto()).remove(0);
    assert_eq!(of_response.element, "wd:Get_Workers_Response.wd:Response_Data.wd:Worker[0]");
    assert_eq!(of_response.verdict, first(&sample("workday-02-get-workers-terminated.json"), &rules("workday")));
}

/// A report says how things are, so it is as old as its record, whatever day it names.
#[test]
fn what_says_how_somebody_stands_is_as_old_as_its_record() {
    for file in
        ["workday-01-raas-report.json", "workday-02-get-workers-terminated.json", "workday-03-raas-rescinded.json"]
    {
        let said = event(&sample(file), &rules("workday"));
        assert_eq!((said.occurred_at, said.level), (arrived_at(), said.action != Action::Cancel), "{file}");
        let bytes = sample(file).to_string();
        let timeless = read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules("workday"));
        assert_eq!(comes_of(&timeless[0].verdict), Refused(MissingField), "{file}");
    }
}

#[test]
fn personio_and_hibob() {
    check(
        "personio",
        "personio-01-employment-terminated.json",
        &[
            ("/event_name", Some(json!("employment.started")), Of(Action::Cancel)),
            ("/event_name", Some(json!("employment.updated")), Ignored),
            ("/payload/person", ABSENT, Refused(MissingField)),
            ("/payload/id", ABSENT, Refused(MissingField)),
            ("/occurred_at", Some(json!("2026-05-29T22:00:00")), Refused(InvalidValue)),
        ],
    );
    let ended = event(&sample("personio-01-employment-terminated.json"), &rules("personio"));
    assert_eq!(ended.subject.engagement_id.as_deref(), Some("e-55120"));
    check(
        "hibob",
        "hibob-01-employee-left.json",
        &[
            ("/type", Some(json!("employee.inactivated")), Of(Action::Suspend)),
            ("/type", Some(json!("employee.joined")), Of(Action::Cancel)),
            ("/type", Some(json!("employee.deleted")), Ignored),
            ("/version", Some(json!("v1")), Refused(UnknownVersion)),
            ("/data/employeeId", Some(json!(true)), Refused(WrongType)),
        ],
    );
    let zone = jiff::tz::TimeZone::get("Asia/Jerusalem").unwrap();
    let there = event(&sample("hibob-01-employee-left.json"), &Rules { zone, ..rules("hibob") });
    assert_eq!(there.occurred_at.to_string(), "2026-05-28T21:00:03.915906Z");
}

#[test]
fn gusto_and_ukg_tell_no_day_of_what_is_only_recorded() {
    for (format, file) in [("gusto", "gusto-01-employee-terminated.json"), ("ukg", "ukg-01-termination-event.json")] {
        let recorded = event(&sample(file), &rules(format));
        assert_eq!((recorded.action, recorded.resolved), (Action::Schedule, false), "{file}");
        assert_eq!(recorded.effective_at(&jiff::tz::TimeZone::UTC), None, "{file}");
    }
    check(
        "gusto",
        "gusto-01-employee-terminated.json",
        &[
            ("/event_type", Some(json!("employee.terminated_effective")), Of(Action::Deprovision)),
            ("/event_type", Some(json!("employee.termination_cancelled")), Of(Action::Cancel)),
            ("/event_type", Some(json!("employee.rehired")), Ignored),
            ("/entity_type", Some(json!("Contractor")), Refused(MissingSubject)),
            ("/timestamp", Some(json!(1_780_063_391_000_u64)), Refused(InvalidValue)),
        ],
    );
    check(
        "ukg",
        "ukg-01-termination-event.json",
        &[
            ("/EventType", Some(json!("EmployeeUpdateEvent")), Ignored),
            ("/Payload/EeId", ABSENT, Refused(MissingField)),
            ("/Payload/CoId", Some(json!(7)), Refused(WrongType)),
        ],
    );
}

#[test]
fn merge() {
    check(
        "merge",
        "merge-01-employee-changed.json",
        &[
            ("/hook/event", Some(json!("Employee.added")), Of(Action::Deprovision)),
            ("/hook/event", Some(json!("Employee.removed")), Of(Action::IdentityUpdate)),
            ("/hook/event", Some(json!("TimeOff.changed")), Ignored),
            ("/data/remote_was_deleted", Some(json!(true)), Of(Action::IdentityUpdate)),
            ("/data/employment_status", Some(json!("ACTIVE")), Of(Action::Schedule)),
            ("/data/employment_status", Some(json!("PENDING")), Of(Action::Schedule)),
            ("/data/employment_status", Some(Value::Null), Of(Action::Schedule)),
            ("/data/employment_status", Some(json!(" ")), Of(Action::Schedule)),
            ("/data/employment_status", ABSENT, Of(Action::Schedule)),
            ("/data/employment_status", Some(json!("Terminated")), Refused(InvalidValue)),
            ("/data/employment_status", Some(json!("inactive")), Refused(InvalidValue)),
            ("/data/termination_date", Some(Value::Null), Of(Action::Suspend)),
            ("/data/work_email", Some(Value::Null), Of(Action::Deprovision)),
        ],
    );
    let no_work = with(sample("merge-01-employee-changed.json"), "/data/work_email", Some(Value::Null));
    assert_eq!(event(&no_work, &rules("merge")).subject.emails, [], "the personal address is nobody's here");
}

#[test]
fn merge_says_how_somebody_stands() {
    let sample = sample("merge-01-employee-changed.json");
    // Merge knows of it at 09:30 on the 29th; the week before ends with that hour.
    for (kind, status, date, comes, dated) in [
        ("changed", json!("INACTIVE"), json!("2026-05-29"), Of(Action::Deprovision), true),
        ("changed", json!("INACTIVE"), json!("2019-03-01"), Of(Action::Deprovision), true),
        ("changed", json!("INACTIVE"), Value::Null, Of(Action::Suspend), false),
        ("added", json!("INACTIVE"), json!("2026-05-29"), Of(Action::Deprovision), true),
        ("added", json!("INACTIVE"), json!("2026-05-28"), Ignored, false),
        ("added", json!("INACTIVE"), Value::Null, Ignored, false),
        ("changed", json!("ACTIVE"), json!("2026-05-29"), Of(Action::Schedule), true),
        ("changed", json!("ACTIVE"), Value::Null, Of(Action::Cancel), false),
        ("added", json!("ACTIVE"), Value::Null, Of(Action::Cancel), false),
        ("changed", json!("PENDING"), Value::Null, Of(Action::Cancel), false),
        ("changed", json!("ACTIVE"), json!("2026-05-28"), Ignored, false),
        ("changed", json!("ACTIVE"), json!("2026-05-22"), Ignored, false),
        ("changed", json!("ACTIVE"), json!("2026-05-21"), Of(Action::Cancel), true),
        ("added", json!("ACTIVE"), json!("2019-03-01"), Of(Action::Cancel), true),
        ("changed", json!("Terminated"), Value::Null, Refused(InvalidValue), false),
        ("added", json!("Terminated"), json!("2019-03-01"), Refused(InvalidValue), false),
        ("changed", Value::Null, json!("2026-05-28"), Refused(InvalidValue), false),
        ("added", Value::Null, json!("2026-05-28"), Ignored, false),
        ("changed", Value::Null, Value::Null, Ignored, false),
        ("removed", json!("Terminated"), Value::Null, Of(Action::IdentityUpdate), false),
    ] {
        let said = with(sample.clone(), "/hook/event", Some(json!(format!("Employee.{kind}"))));
        let said = with(said, "/data/employment_status", Some(status.clone()));
        let said = with(said, "/data/termination_date", Some(date.clone()));
        let verdict = first(&said, &rules("merge"));
        assert_eq!(comes_of(&verdict), comes, "{kind} {status} {date}");
        match verdict {
            Verdict::Event(event) => {
                assert_eq!(event.effective.is_some(), dated, "{kind} {status} {date}");
                let level = kind != "removed" && event.action != Action::Suspend;
                assert_eq!(event.level, level, "{kind} {status} {date}");
            }
            Verdict::Reject(reject) => {
                assert!(reject.detail.starts_with("`data.employment_status` is "), "{}", reject.detail);
                assert!(!reject.detail.contains("Terminated"), "{}", reject.detail);
            }
            Verdict::Ignore { .. } => {}
        }
    }
}

#[test]
fn adp() {
    let at = |name: &str| format!("/events/0/{name}");
    let worker = |name: &str| format!("/events/0/data/output/worker/{name}");
    check(
        "adp",
        "adp-01-work-assignment-terminate.json",
        &[
            (&at("eventNameCode/codeValue"), Some(json!("worker.rehire")), Of(Action::Cancel)),
            (&at("eventNameCode/codeValue"), Some(json!("worker.legalName.change")), Ignored),
            (&at("data/eventContext/worker/associateOID"), ABSENT, Refused(MissingField)),
            (&at("effectiveDateTime"), ABSENT, Of(Action::Deprovision)),
            (&worker("workAssignment/terminationDate"), Some(json!("soon")), Refused(InvalidValue)),
            (&worker("businessCommunication/emails/0/emailUri"), Some(json!("mailto:")), Refused(InvalidAddress)),
        ],
    );
    let sample = sample("adp-01-work-assignment-terminate.json");
    let ends = event(&sample, &rules("adp"));
    assert_eq!(ends.subject.engagement_id.as_deref(), Some("32519210N"));
    assert!(!format!("{:?}", ends.subject).contains("G3ADMIN00000001"));
    let bare = with(with(sample, "/events/0/data/output", ABSENT), "/events/0/effectiveDateTime", ABSENT);
    assert_eq!(comes_of(&first(&bare, &rules("adp"))), Refused(MissingField), "no day at all");
}

const TERMINATION: &str = "successfactors-01-termination-xml.record.json";

fn notification() -> String {
    sample(TERMINATION)["value_utf8"].as_str().unwrap().to_owned()
}

fn read_xml(text: &str, rules: &Rules) -> Vec<Reading> {
    read(&Record { value: Some(text.as_bytes()), ..Record::default() }, rules)
}

#[test]
fn success_factors() {
    let termination = "com.successfactors.Employment.AssignmentInformation.Termination";
    for (from, to, comes) in [
        ("ns3:", "x:", Of(Action::Deprovision)),
        (termination, "com.successfactors.Employment.AssignmentInformation.Hire", Ignored),
        ("<value>82117</value>", "<value></value>", Refused(InvalidValue)),
        ("<name>userId</name>", "<name>personId</name>", Refused(MissingSubject)),
        ("<name>seqNumber</name>", "<name>userId</name>", Refused(Ambiguous)),
        ("<value>82117</value>", "<value>82117</value><value>82094</value>", Refused(WrongType)),
        ("EmpJob", "EmpEmployment", Refused(InvalidValue)),
        ("2026-07-01", "", Refused(MissingField)),
        ("2026-07-01", "07/01/2026", Refused(InvalidValue)),
        ("2026-07-01", "2026-07-01</ns3:effectiveStartDate><ns3:effectiveStartDate>2026-06-01", Refused(WrongType)),
        ("1780063391244", "1780063391", Refused(InvalidValue)),
        ("82117", "82<!-- -->117", Refused(RejectCode::MalformedXml)),
        ("</ns3:ExternalEvent>", "", Refused(RejectCode::MalformedXml)),
    ] {
        let verdict = read_xml(&notification().replace(from, to), &rules("success_factors")).remove(0).verdict;
        assert_eq!(comes_of(&verdict), comes, "{from} {to}: {verdict:?}");
    }
    let xml = notification();
    let event = &xml[xml.find("<ns3:event>").unwrap()..xml.find("</ns3:events>").unwrap()];
    let two = xml.replace(event, &format!("{event}{}", event.replace("82117", "82118")));
    let said = read_xml(&two, &rules("success_factors"));
    let ids = said.iter().map(|reading| match &reading.verdict {
        Verdict::Event(event) => (reading.element.as_str(), event.subject.person_key.0.as_str(), event.source.element),
        other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
    });
    assert_eq!(
        ids.collect::<Vec<_>>(),
        [
            ("ExternalEvent.events.event[0]", "success_factors:unknown:82117", Some(0)),
            ("ExternalEvent.events.event[1]", "success_factors:unknown:82118", Some(1)),
        ]
    );
}

/// The date is the first day without the employment, whatever the boundary of the source.
#[test]
fn success_factors_adds_no_day() {
    for boundary in [Boundary::EndOfDay, Boundary::StartOfDay] {
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let rules = Rules { boundary, zone: zone.clone(), ..rules("success_factors") };
        let Verdict::Event(event) = read_xml(&notification(), &rules).remove(0).verdict else { panic!("no event") };
        assert_eq!(event.effective_at(&zone).unwrap().to_string(), "2026-06-30T22:00:00Z");
    }
}

#[test]
fn xml_and_json_are_not_taken_for_each_other() {
    for format in Format::names().filter(|name| *name != "success_factors") {
        let verdict = read_xml(&notification(), &rules(format)).remove(0).verdict;
        assert_eq!(comes_of(&verdict), Refused(RejectCode::UnsupportedEncoding), "{format}");
    }
    let json = sample("gusto-01-employee-terminated.json");
    assert_eq!(comes_of(&first(&json, &rules("success_factors"))), Refused(RejectCode::UnsupportedEncoding));
    assert_eq!(comes_of(&read_xml("<a/>", &Rules::auto()).remove(0).verdict), Refused(RejectCode::Unrecognised));
}

#[test]
fn a_record_of_another_tenant_is_refused() {
    for (format, file) in [
        ("bamboohr", "bamboohr-02-event-based-updated.json"),
        ("personio", "personio-01-employment-terminated.json"),
        ("hibob", "hibob-01-employee-left.json"),
        ("gusto", "gusto-01-employee-terminated.json"),
        ("merge", "merge-01-employee-changed.json"),
        ("ukg", "ukg-01-termination-event.json"),
    ] {
        let rules = Rules { tenant: Some("somebody-else".to_owned()), ..rules(format) };
        assert_eq!(comes_of(&first(&sample(file), &rules)), Refused(RejectCode::OtherTenant), "{file}");
    }
}
