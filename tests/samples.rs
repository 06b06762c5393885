//! The sample records, each read as it ought to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use heroku_deprovisioner::sources::debezium::Table;
use heroku_deprovisioner::sources::explain::{Answer, Holds, Question, Readable, answer, explain};
use heroku_deprovisioner::sources::record_file::{RecordFile, SUFFIX};
use heroku_deprovisioner::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use heroku_deprovisioner::sources::{Format, Reading, Rules, Verdict, read};
use jiff::{SignedDuration, Timestamp};

/// When the samples are read.
const NOW: &str = "2026-06-01T12:00:00Z";

/// The table of what each sample says.
const INDEX: &str = "index.md";

/// What `tests/samples/index.md` says of a record.
struct Expected {
    file: String,
    format: Format,
    tenant: String,
    rows: Vec<Row>,
}

struct Row {
    element: String,
    decision: String,
    addresses: Vec<String>,
    ids: Vec<(String, String)>,
    effective_at: Option<String>,
}

const TYPE: &str = "com.example.offboarding.person.v1";

/// Reads the table.
fn samples() -> Vec<Expected> {
    let page = std::fs::read_to_string(folder().join(INDEX)).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut samples: Vec<Expected> = Vec::new();
    for line in rows {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, file, format, tenant, element, decision, addresses, ids, effective, _] = cells[..] else {
            panic!("{INDEX}: {line}");
        };
        if !file.is_empty() {
            samples.push(Expected {
                file: file.to_owned(),
                format: Format::from_name(format).unwrap_or_else(|| panic!("{INDEX}: {line}")),
                tenant: tenant.to_owned(),
                rows: Vec::new(),
            });
        }
        let list = |cell: &str| cell.split(", ").filter(|it| !it.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        samples.last_mut().expect("the first row names a file").rows.push(Row {
            element: element.to_owned(),
            decision: decision.to_owned(),
            addresses: list(addresses),
            ids: list(ids)
                .iter()
                .map(|id| id.split_once(' ').unwrap())
                .map(|(name, id)| (name.to_owned(), id.replace('¦', "|")))
                .collect(),
            effective_at: Some(effective.to_owned()).filter(|at| !at.is_empty()),
        });
    }
    samples
}

#[test]
fn every_sample_is_read_as_expected_by_its_configured_source() {
    for expected in &samples() {
        check(expected, &configured(expected));
    }
}

#[test]
fn every_sample_is_read_as_expected_when_nothing_is_configured() {
    for expected in &samples() {
        let rules = Rules { tables: tables(), ..Rules::auto() };
        check(expected, &rules);
        check(expected, &Rules { types: vec![TYPE.to_owned()], ..rules });
    }
}

#[test]
fn every_sample_in_the_folder_is_expected() {
    let samples = samples();
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for file in files.filter(|file| file != INDEX) {
        assert!(samples.iter().any(|expected| expected.file == file), "{file} stands in no table");
    }
}

/// The intake passes over irrelevant records without reading them in full; it must come to the same events.
#[test]
fn the_intake_reads_what_explain_explains() {
    for expected in &samples() {
        let rules = configured(expected);
        let file = record(&expected.file);
        let headers = file.headers();
        let readings = read(&file.record(&headers), &rules);
        let explained = explain(&file.record(&headers), &rules, now());
        assert_eq!(readings.len(), explained.rows.len(), "{}", expected.file);
        for (reading, row) in readings.iter().zip(&explained.rows) {
            assert_eq!(reading.element, row.element, "{}", expected.file);
            let is_event = matches!(reading.verdict, Verdict::Event(_));
            assert_eq!(is_event, row.kind.is_some(), "{} {}", expected.file, row.element);
        }
    }
}

#[test]
fn one_okta_event_has_one_identity_whatever_carries_it() {
    let samples = samples();
    let source_of = |file: &str, place: &str| {
        let expected = samples.iter().find(|expected| expected.file == file).unwrap();
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
    for expected in &samples() {
        let text = explained(&expected.file, &Rules::auto()).text();
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
    for (page, sample) in [
        (include_str!("../docs/sources/okta.md"), "okta-01-event-hook-deactivate.json"),
        (include_str!("../docs/sources/entra.md"), "entra-02-eventhub-delete.json"),
        (include_str!("../docs/sources/google.md"), "google-01-activity-suspend.json"),
        (include_str!("../docs/sources/keycloak.md"), "keycloak-01-admin-update-disabled.json"),
        (include_str!("../docs/sources/auth0.md"), "auth0-01-event-stream-user-deleted.json"),
        (include_str!("../docs/sources/jump_cloud.md"), "jumpcloud-01-user-delete.json"),
        (include_str!("../docs/sources/one_login.md"), "onelogin-01-webhook-array.json"),
        (include_str!("../docs/sources/ping_one.md"), "pingone-01-user-deleted.json"),
        (include_str!("../docs/sources/bamboohr.md"), "bamboohr-01-field-based-updated.json"),
        (include_str!("../docs/sources/workday.md"), "workday-01-raas-report.json"),
        (include_str!("../docs/sources/personio.md"), "personio-01-employment-terminated.json"),
        (include_str!("../docs/sources/hibob.md"), "hibob-01-employee-left.json"),
        (include_str!("../docs/sources/gusto.md"), "gusto-01-employee-terminated.json"),
        (include_str!("../docs/sources/merge.md"), "merge-01-employee-changed.json"),
        (include_str!("../docs/sources/adp.md"), "adp-01-work-assignment-terminate.json"),
        (include_str!("../docs/sources/ukg.md"), "ukg-01-termination-event.json"),
        (include_str!("../docs/sources/success_factors.md"), "successfactors-01-termination-xml.record.json"),
        (include_str!("../docs/sources/set.md"), "set-01-risc-account-purged.json"),
        (include_str!("../docs/sources/scim.md"), "scim-05-user-resource-inactive.json"),
    ] {
        assert_eq!(block(page, "text"), explained(sample, &Rules::auto()).text(), "{sample}");
    }
    let canonical = include_str!("../docs/sources/canonical.md");
    let bytes = block(canonical, "json").into_bytes();
    let question = Question { bytes: &bytes, holds: Holds::Value, rules: &Rules::auto(), schema: None, now: now() };
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
    let answer = explained(&expected.file, rules);
    let file = &expected.file;
    assert_eq!(answer.rows.len(), expected.rows.len(), "{file}: {:#?}", answer.rows);
    for (row, expected) in answer.rows.iter().zip(&expected.rows) {
        let place = format!("{file} {}", row.element);
        assert_eq!(row.element, expected.element, "{place}");
        let json: serde_json::Value = serde_json::to_value(row).unwrap();
        assert_eq!(json["decision"], expected.decision, "{place}: {}", row.reason);
        let addresses: Vec<_> = row.subject.addresses.iter().map(|address| address.expose()).collect();
        assert_eq!(addresses, expected.addresses, "{place}");
        for (name, id) in &expected.ids {
            // Without configuration EventBridge names only a part of the tenant.
            if !(name == "person_key" && rules.tenant.is_none() && row.element == "detail") {
                assert_eq!(row.subject.ids.get(name), Some(id), "{place}: {name}");
            }
        }
        assert_eq!(json["effective_at"].as_str(), expected.effective_at.as_deref(), "{place}");
        assert_eq!(row.event_id.is_some(), !row.subject.ids.is_empty(), "{place}");
    }
    assert_eq!(answer.readable(), Readable::Yes, "{file}");
}

fn configured(expected: &Expected) -> Rules {
    let types = if expected.format == Format::Canonical { vec![TYPE.to_owned()] } else { Vec::new() };
    let tokens = if expected.format == Format::Set { tokens(&expected.file) } else { TokenRules::unchecked() };
    Rules {
        format: expected.format,
        tenant: Some(expected.tenant.clone()),
        types,
        tokens,
        tables: tables(),
        ..Rules::auto()
    }
}

/// What the tokens must hold. One of them is signed.
fn tokens(file: &str) -> TokenRules {
    let (issuer, audience) = match file.starts_with("scim") {
        true => ("https://scim.larkspur.example", "https://scim.larkspur.example/Feeds/98d52461fa5b"),
        false => ("https://idp.larkspur.example/", "https://offboarding.larkspur.example/set"),
    };
    let trust = match file.ends_with(SUFFIX) {
        true => Trust::Signed {
            algorithms: vec![Algorithm::ES256],
            keys: Arc::new(KeySet::parse(include_bytes!("keys/set-jwks.json")).unwrap()),
            age_max: SignedDuration::from_hours(7 * 24),
        },
        false => Trust::PreVerified,
    };
    TokenRules { issuer: Some(issuer.to_owned()), audience: Some(audience.to_owned()), trust }
}

/// What the columns of the samples mean: no record says that.
fn tables() -> Vec<Table> {
    let table = serde_json::json!({
        "name": "public.employee", "system": "hr", "id": "employee_id", "emails": ["work_email"],
        "status": "status", "left": ["TERMINATED"], "date": "termination_date", "date_as": "days",
    });
    vec![serde_json::from_value(table).unwrap()]
}

fn explained(file: &str, rules: &Rules) -> Answer {
    let holds = if file.ends_with(SUFFIX) { Holds::Record } else { Holds::Value };
    answer(&Question { bytes: &bytes(file), holds, rules, schema: None, now: now() })
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
