//! The sample records, each read as it ought to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use heroku_deprovisioner::sources::explain::{Answer, Explanation, Holds, Question, Readable, answer, explain};
use heroku_deprovisioner::sources::record_file::SUFFIX;
use heroku_deprovisioner::sources::{Format, Reading, Rules, Verdict, read};
use jiff::Timestamp;

#[path = "records/grounds.rs"]
mod grounds;
#[path = "records/sample.rs"]
mod sample;
#[path = "records/table.rs"]
mod table;

use sample::{INDEX, Sample, TYPE, folder, samples, tables};

/// When the samples are read.
const NOW: &str = "2026-06-01T12:00:00Z";

#[test]
fn every_sample_is_read_as_expected_by_its_configured_source() {
    for expected in &samples() {
        check(expected, &expected.rules());
    }
}

#[test]
fn every_sample_is_read_as_expected_when_nothing_is_configured() {
    for expected in &samples() {
        let rules = unconfigured();
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
        let rules = expected.rules();
        let file = expected.record();
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
        let file = expected.record();
        let headers = file.headers();
        let readings = read(&file.record(&headers), &expected.rules());
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
        let command = page.lines().find(|line| line.ends_with(&format!("{sample}` prints:"))).unwrap();
        let named = command.split_once("--now ").map(|(_, rest)| rest.split_once(' ').unwrap().0.parse().unwrap());
        // Without a time it is true on any day.
        let times = named.map_or_else(|| vec![now(), "2040-01-01T00:00:00Z".parse().unwrap()], |named| vec![named]);
        for now in times {
            assert_eq!(block(page, "text"), explained_at(sample, &Rules::auto(), now).text(), "{sample} at {now}");
        }
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
  decided by data.events[0].eventType

data.events[1]: suspend
  address    tomas.oliveira@larkspur.example
  id         okta_user_id 00u8t0mas0l1ve1ra0h8
  id         person_key okta:larkspur.okta.com:00u8t0mas0l1ve1ra0h8
  effective  2026-05-30T08:15:12.640Z
  event      1a73cc90-5bff-11f1-8c33-d54f7a70c102
  why        user.lifecycle.suspend: the account is blocked for the time being;
             the source's on_suspended decides
  decided by data.events[1].eventType, data.events[1].outcome.result
  address at data.events[1].target[0].alternateId
  day at     data.events[1].published

data.events[2]: ignore
  address    wen.zhao@larkspur.example
  id         okta_user_id 00u8wenzha00000000h8
  id         person_key okta:larkspur.okta.com:00u8wenzha00000000h8
  event      21f0be34-5bff-11f1-8c33-d54f7a70c103
  why        an event type that is not about leaving
  decided by data.events[2].eventType

data.events[3]: deprovision
  address    greta.lindqvist@larkspur.example
  id         okta_user_id 00u8gretaL1ndqv1st08
  id         person_key okta:larkspur.okta.com:00u8gretaL1ndqv1st08
  effective  2026-05-30T08:15:41.870Z
  event      2c9d81aa-5bff-11f1-8c33-d54f7a70c104
  why        user.lifecycle.delete.initiated: the person has left
  decided by data.events[3].eventType, data.events[3].outcome.result
  address at data.events[3].target[0].alternateId
  day at     data.events[3].published
";

fn check(expected: &Sample, rules: &Rules) {
    let answer = explained(&expected.file, rules);
    let file = &expected.file;
    assert_eq!(answer.rows.len(), expected.rows.len(), "{file}: {:#?}", answer.rows);
    for (row, expected) in answer.rows.iter().zip(&expected.rows) {
        if let Err(why) = reads_as(row, expected, rules) {
            panic!("{file} {}: {why}", row.element);
        }
    }
    assert_eq!(answer.readable(), Readable::Yes, "{file}");
}

/// Whether an element is read as its row of the index says.
fn reads_as(row: &Explanation, expected: &[String; 6], rules: &Rules) -> Result<(), String> {
    let [element, decision, addresses, ids, effective, decided_by] = expected;
    let json = serde_json::to_value(row).unwrap();
    let list = |cell: &str| cell.split(", ").filter(|it| !it.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let found: Vec<_> = row.subject.addresses.iter().map(|address| address.expose().to_owned()).collect();
    let same = |what: &str, found: &str, expected: &str| {
        if found == expected { Ok(()) } else { Err(format!("{what} {found:?}, not {expected:?}")) }
    };
    same("element", &row.element, element)?;
    same("decision", json["decision"].as_str().unwrap(), decision)?;
    same("addresses", &found.join(", "), &list(addresses).join(", "))?;
    for id in list(ids) {
        let (name, id) = id.split_once(' ').unwrap();
        // Without configuration EventBridge names only a part of the tenant.
        if !(name == "person_key" && rules.tenant.is_none() && row.element == "detail") {
            same(name, row.subject.ids.get(name).map_or("", String::as_str), &id.replace('¦', "|"))?;
        }
    }
    same("effective", json["effective_at"].as_str().unwrap_or_default(), effective)?;
    // Of a CloudEvent whose type is not accepted, the shape by which it is recognised decides as well.
    let by_shape = !rules.types.is_empty() || row.decided_by.decision.iter().any(|it| it.ends_with("schema_version"));
    if rules.format != Format::Auto || !by_shape {
        same("decided by", &row.decided_by.decision.join(", "), decided_by)?;
    }
    match row.event_id.is_none() == row.subject.ids.is_empty() {
        true => Ok(()),
        false => Err("whoever is named is named by an event with an id".to_owned()),
    }
}

fn unconfigured() -> Rules {
    Rules { tables: tables(), ..Rules::auto() }
}

fn explained(file: &str, rules: &Rules) -> Answer {
    explained_at(file, rules, now())
}

fn explained_at(file: &str, rules: &Rules, now: Timestamp) -> Answer {
    let holds = if file.ends_with(SUFFIX) { Holds::Record } else { Holds::Value };
    answer(&Question { bytes: &bytes(file), holds, rules, schema: None, now })
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}
