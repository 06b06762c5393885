//! The sample records, each read as it ought to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use heroku_deprovisioner::sources::explain::{Answer, Decision, Holds, Question, Readable, answer, explain};
use heroku_deprovisioner::sources::record_file::{RecordFile, SUFFIX};
use heroku_deprovisioner::sources::{Format, Reading, Rules, Verdict, read};
use jiff::Timestamp;

/// When the samples are read.
const NOW: &str = "2026-06-01T12:00:00Z";

struct Expected {
    file: &'static str,
    format: Format,
    tenant: &'static str,
    rows: &'static [Row],
}

struct Row {
    element: &'static str,
    decision: Decision,
    addresses: &'static [&'static str],
    ids: &'static [(&'static str, &'static str)],
    effective_at: Option<&'static str>,
}

const OKTA: &str = "larkspur.okta.com";
const TYPE: &str = "com.example.offboarding.person.v1";

const GRETA_HR: &[(&str, &str)] = &[("employee_id", "1182"), ("person_key", "bamboohr:40218:1182")];
const GRETA_OKTA: &[(&str, &str)] =
    &[("okta_user_id", "00u8gretaL1ndqv1st08"), ("person_key", "okta:larkspur.okta.com:00u8gretaL1ndqv1st08")];
const PRIYA_OKTA: &[(&str, &str)] =
    &[("okta_user_id", "00u8p1r1yaR4m4n0h801"), ("person_key", "okta:larkspur.okta.com:00u8p1r1yaR4m4n0h801")];
const TOMAS_OKTA: &[(&str, &str)] =
    &[("okta_user_id", "00u8t0mas0l1ve1ra0h8"), ("person_key", "okta:larkspur.okta.com:00u8t0mas0l1ve1ra0h8")];

const SAMPLES: &[Expected] = &[
    Expected {
        file: "okta-01-event-hook-deactivate.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[Row {
            element: "data.events[0]",
            decision: Decision::Deprovision,
            addresses: &["priya.raman@larkspur.example"],
            ids: PRIYA_OKTA,
            effective_at: Some("2026-05-29T14:03:11.902Z"),
        }],
    },
    Expected {
        file: "okta-02-event-hook-mixed-batch.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[
            Row { element: "data.events[0]", decision: Decision::Ignore, addresses: &[], ids: &[], effective_at: None },
            Row {
                element: "data.events[1]",
                decision: Decision::Suspend,
                addresses: &["tomas.oliveira@larkspur.example"],
                ids: TOMAS_OKTA,
                effective_at: Some("2026-05-30T08:15:12.640Z"),
            },
            Row {
                element: "data.events[2]",
                decision: Decision::Ignore,
                addresses: &["wen.zhao@larkspur.example"],
                ids: &[("okta_user_id", "00u8wenzha00000000h8")],
                effective_at: None,
            },
            Row {
                element: "data.events[3]",
                decision: Decision::Deprovision,
                addresses: &["greta.lindqvist@larkspur.example"],
                ids: GRETA_OKTA,
                effective_at: Some("2026-05-30T08:15:41.870Z"),
            },
        ],
    },
    Expected {
        file: "okta-03-eventbridge-unsuspend.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[Row {
            element: "detail",
            decision: Decision::Cancel,
            addresses: &["tomas.oliveira@larkspur.example"],
            ids: TOMAS_OKTA,
            effective_at: Some("2026-05-31T06:40:07.215Z"),
        }],
    },
    Expected {
        file: "okta-04-systemlog-app-unassigned.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[Row {
            element: "",
            decision: Decision::Ignore,
            addresses: &["kofi.mensah@larkspur.example"],
            ids: &[("okta_user_id", "00u8k0f1mensah0000h8")],
            effective_at: None,
        }],
    },
    Expected {
        file: "okta-05-systemlog-deactivate-failure.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[Row {
            element: "",
            decision: Decision::Ignore,
            addresses: &["aoife.byrne@larkspur.example"],
            ids: &[("okta_user_id", "00u8aoifeByrne0000h8")],
            effective_at: None,
        }],
    },
    Expected {
        file: "cloudevents-01-structured-canonical.json",
        format: Format::Canonical,
        tenant: OKTA,
        rows: &[Row {
            element: "data",
            decision: Decision::Deprovision,
            addresses: &["priya.raman@larkspur.example", "p.raman@larkspur.example"],
            ids: &[
                ("employee_id", "10466"),
                ("login", "priya.raman"),
                ("okta_user_id", "00u8p1r1yaR4m4n0h801"),
                ("person_key", "okta:larkspur:00u8p1r1yaR4m4n0h801"),
            ],
            effective_at: Some("2026-05-29T14:03:11Z"),
        }],
    },
    Expected {
        file: "cloudevents-02-structured-okta-wrapped.json",
        format: Format::Okta,
        tenant: OKTA,
        rows: &[Row {
            element: "data",
            decision: Decision::Deprovision,
            addresses: &["greta.lindqvist@larkspur.example"],
            ids: GRETA_OKTA,
            effective_at: Some("2026-05-30T08:15:41.870Z"),
        }],
    },
    Expected {
        file: "cloudevents-03-binary.record.json",
        format: Format::Canonical,
        tenant: "40218",
        rows: &[Row {
            element: "value",
            decision: Decision::Schedule,
            addresses: &["greta.lindqvist@larkspur.example"],
            ids: GRETA_HR,
            effective_at: Some("2026-06-30T22:00:00Z"),
        }],
    },
    Expected {
        file: "cloudevents-04-batch-array.json",
        format: Format::Canonical,
        tenant: "40218",
        rows: &[
            Row {
                element: "[0].data",
                decision: Decision::Cancel,
                addresses: &["greta.lindqvist@larkspur.example"],
                ids: GRETA_HR,
                effective_at: Some("2026-05-30T07:05:00Z"),
            },
            Row { element: "[1]", decision: Decision::Ignore, addresses: &[], ids: &[], effective_at: None },
        ],
    },
];

#[test]
fn every_sample_is_read_as_expected_by_its_configured_source() {
    for expected in SAMPLES {
        check(expected, &configured(expected));
    }
}

#[test]
fn every_sample_is_read_as_expected_when_nothing_is_configured() {
    for expected in SAMPLES {
        check(expected, &Rules::auto());
        check(expected, &Rules { types: vec![TYPE.to_owned()], ..Rules::auto() });
    }
}

#[test]
fn every_sample_in_the_folder_is_expected() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for file in files {
        assert!(SAMPLES.iter().any(|expected| expected.file == file), "{file} stands in no table");
    }
}

/// The intake passes over irrelevant records without reading them in full; it must come to the same events.
#[test]
fn the_intake_reads_what_explain_explains() {
    for expected in SAMPLES {
        let rules = configured(expected);
        let file = record(expected.file);
        let headers = file.headers();
        let readings = read(&file.record(&headers), &rules);
        let explained = explain(&file.record(&headers), &rules, now());
        assert_eq!(readings.len(), explained.rows.len(), "{}", expected.file);
        for (reading, row) in readings.iter().zip(&explained.rows) {
            assert_eq!(reading.element, row.element, "{}", expected.file);
            let is_event = matches!(reading.verdict, Verdict::Event(_));
            assert_eq!(is_event, row.effective_at.is_some(), "{} {}", expected.file, row.element);
        }
    }
}

#[test]
fn one_okta_event_has_one_identity_whatever_carries_it() {
    let source_of = |file: &str, place: &str| {
        let expected = SAMPLES.iter().find(|expected| expected.file == file).unwrap();
        let file = record(file);
        let headers = file.headers();
        let readings = read(&file.record(&headers), &configured(expected));
        let reading = readings.into_iter().find(|reading| reading.element == place).unwrap();
        let Reading { verdict: Verdict::Event(event), .. } = reading else { panic!("{place} is no event") };
        (event.source.system, event.source.tenant, event.source.event_id, event.source.element, event.subject)
    };
    assert_eq!(
        source_of("okta-02-event-hook-mixed-batch.json", "data.events[3]"),
        source_of("cloudevents-02-structured-okta-wrapped.json", "data"),
    );
}

#[test]
fn the_text_for_people_fits_eighty_columns() {
    for expected in SAMPLES {
        let text = explained(expected.file, &Rules::auto()).text();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", expected.file);
        }
    }
    let text = explained("okta-02-event-hook-mixed-batch.json", &Rules::auto()).text();
    assert_eq!(text, OKTA_02_AS_TEXT);
}

/// Each page under `docs/sources` shows what `explain` prints for a sample.
#[test]
fn the_pages_show_what_explain_prints() {
    let okta = include_str!("../docs/sources/okta.md");
    assert_eq!(block(okta, "text"), explained("okta-01-event-hook-deactivate.json", &Rules::auto()).text());
    let canonical = include_str!("../docs/sources/canonical.md");
    let bytes = block(canonical, "json").into_bytes();
    let question = Question { bytes: &bytes, holds: Holds::Value, rules: &Rules::auto(), now: now() };
    assert_eq!(block(canonical, "text"), answer(&question).text());
}

/// The first fenced block of a language.
fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

const OKTA_02_AS_TEXT: &str = "\
data.events[0]: ignore
  why        an event type that is not about leaving

data.events[1]: suspend
  address    tomas.oliveira@larkspur.example
  id         okta_user_id 00u8t0mas0l1ve1ra0h8
  id         person_key okta:larkspur.okta.com:00u8t0mas0l1ve1ra0h8
  effective  2026-05-30T08:15:12.640Z
  event      1a73cc90-5bff-11f1-8c33-d54f7a70c102
  why        user.lifecycle.suspend: the account is blocked for the time being;
             the source's on_suspended decides

data.events[2]: ignore
  address    wen.zhao@larkspur.example
  id         okta_user_id 00u8wenzha00000000h8
  id         person_key okta:larkspur.okta.com:00u8wenzha00000000h8
  event      21f0be34-5bff-11f1-8c33-d54f7a70c103
  why        an event type that is not about leaving

data.events[3]: deprovision
  address    greta.lindqvist@larkspur.example
  id         okta_user_id 00u8gretaL1ndqv1st08
  id         person_key okta:larkspur.okta.com:00u8gretaL1ndqv1st08
  effective  2026-05-30T08:15:41.870Z
  event      2c9d81aa-5bff-11f1-8c33-d54f7a70c104
  why        user.lifecycle.delete.initiated: the person has left
";

fn check(expected: &Expected, rules: &Rules) {
    let answer = explained(expected.file, rules);
    let file = expected.file;
    assert_eq!(answer.rows.len(), expected.rows.len(), "{file}: {:#?}", answer.rows);
    for (row, expected) in answer.rows.iter().zip(expected.rows) {
        let place = format!("{file} {}", row.element);
        assert_eq!(row.element, expected.element, "{place}");
        assert_eq!(row.decision, expected.decision, "{place}: {}", row.reason);
        let addresses: Vec<_> = row.subject.addresses.iter().map(|address| address.expose()).collect();
        assert_eq!(addresses, expected.addresses, "{place}");
        for (name, id) in expected.ids {
            // Without configuration EventBridge names only a part of the tenant.
            if !(*name == "person_key" && rules.tenant.is_none() && row.element == "detail") {
                assert_eq!(row.subject.ids.get(*name).map(String::as_str), Some(*id), "{place}: {name}");
            }
        }
        let json: serde_json::Value = serde_json::to_value(row).unwrap();
        assert_eq!(json["effective_at"].as_str(), expected.effective_at, "{place}");
        assert_eq!(row.event_id.is_some(), !row.subject.ids.is_empty(), "{place}");
    }
    assert_eq!(answer.readable(), Readable::Yes, "{file}");
}

fn configured(expected: &Expected) -> Rules {
    let types = match expected.format {
        Format::Canonical => vec![TYPE.to_owned()],
        Format::Okta | Format::Auto => Vec::new(),
    };
    Rules { format: expected.format, tenant: Some(expected.tenant.to_owned()), types, ..Rules::auto() }
}

fn explained(file: &str, rules: &Rules) -> Answer {
    let holds = if file.ends_with(SUFFIX) { Holds::Record } else { Holds::Value };
    answer(&Question { bytes: &bytes(file), holds, rules, now: now() })
}

fn record(file: &str) -> RecordFile {
    let bytes = bytes(file);
    if file.ends_with(SUFFIX) {
        return RecordFile::parse(&bytes).unwrap();
    }
    RecordFile { value: Some(bytes), ..RecordFile::default() }
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}
