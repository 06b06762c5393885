use serde_json::json;

use super::*;
use crate::sources::{Record as Kafka, read};

fn rules(table: Value) -> Rules {
    let mut whole = json!({ "name": "public.employee", "id": "employee_id", "emails": ["work_email"] });
    for (key, value) in table.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let tables = vec![serde_json::from_value(whole).unwrap()];
    let tenant = Some("larkspur".to_owned());
    Rules { name: "hr-db".to_owned(), format: Format::Debezium, tenant, tables, ..Rules::auto() }
}

/// Status and date.
fn both() -> Rules {
    rules(json!({ "status": "status", "left": ["TERMINATED"], "date": "last_day", "date_as": "days" }))
}

fn row(status: &str, last_day: Option<i64>) -> Value {
    json!({ "employee_id": 7, "work_email": "a@larkspur.example", "status": status, "last_day": last_day })
}

fn envelope(op: &str, before: Value, after: Value) -> Value {
    json!({
        "op": op, "before": before, "after": after,
        "source": { "schema": "public", "table": "employee", "ts_ms": 1_780_063_391_500_i64, "lsn": 24_023_128 },
    })
}

fn verdict(record: &Value, rules: &Rules) -> Verdict {
    let bytes = record.to_string();
    read(&Kafka { value: Some(bytes.as_bytes()), ..Kafka::default() }, rules).remove(0).verdict
}

/// The decision in a word, and when it takes effect.
fn said(record: &Value, rules: &Rules) -> String {
    match verdict(record, rules) {
        Verdict::Event(event) => {
            let at = event.effective_at(&rules.zone).unwrap();
            format!("{}{} {at}", if event.level { "is " } else { "" }, event.action.as_str())
        }
        Verdict::Ignore { .. } => "ignore".to_owned(),
        Verdict::Reject(reject) => format!("{}: {}", reject.code.as_str(), reject.detail),
    }
}

/// Why a record is ignored.
fn why(record: &Value, rules: &Rules) -> String {
    let Verdict::Ignore { reason, .. } = verdict(record, rules) else { panic!("{record}") };
    reason.into_owned()
}

/// 2026-05-29, and the 30th of the next month.
const MAY: i64 = 20_602;
const JUNE: i64 = 20_634;
const COMMIT: &str = "2026-05-29T14:03:11.5Z";

#[test]
fn the_documented_decisions_are_the_ones_taken() {
    let documented = crate::sources::documented(include_str!("../../../docs/sources/debezium.md"));
    let decision = |says: &Says| match says {
        Says::Happened(action) | Says::Is(action) => action.as_str(),
        Says::Nothing(_) => "ignore",
    };
    let taken: Vec<_> = CASES.iter().map(|(_, name, says)| (*name, decision(says))).collect();
    assert_eq!(documented, taken);
}

#[test]
fn only_a_change_of_the_row_says_something() {
    let rules = both();
    for (before, after, is) in [
        (row("ACTIVE", None), row("TERMINATED", None), format!("deprovision {COMMIT}")),
        (row("ACTIVE", None), row("TERMINATED", Some(MAY)), "deprovision 2026-05-30T00:00:00Z".to_owned()),
        (row("ACTIVE", Some(JUNE)), row("TERMINATED", Some(JUNE)), "deprovision 2026-07-01T00:00:00Z".to_owned()),
        (row("TERMINATED", Some(JUNE)), row("TERMINATED", Some(MAY)), "deprovision 2026-05-30T00:00:00Z".to_owned()),
        (row("ACTIVE", None), row("ACTIVE", Some(JUNE)), "schedule 2026-07-01T00:00:00Z".to_owned()),
        (row("ACTIVE", Some(JUNE)), row("ACTIVE", Some(JUNE + 1)), "schedule 2026-07-02T00:00:00Z".to_owned()),
        (row("ACTIVE", Some(JUNE)), row("ACTIVE", None), format!("cancel {COMMIT}")),
        (row("TERMINATED", None), row("ACTIVE", None), format!("cancel {COMMIT}")),
        (row("TERMINATED", Some(MAY)), row("TERMINATED", Some(MAY)), "ignore".to_owned()),
        (row("ACTIVE", None), row("ON_LEAVE", None), "ignore".to_owned()),
        // Who left before anything that this service knows is not refused at each touch.
        (row("TERMINATED", Some(9_000)), row("TERMINATED", Some(9_000)), "ignore".to_owned()),
    ] {
        assert_eq!(said(&envelope("u", before.clone(), after.clone()), &rules), is, "{before} {after}");
    }
}

#[test]
fn without_before_a_row_states_what_is() {
    let rules = both();
    for op in ["c", "u"] {
        for (after, is) in [
            (row("TERMINATED", None), format!("is deprovision {COMMIT}")),
            (row("ACTIVE", None), format!("is cancel {COMMIT}")),
            (row("TERMINATED", Some(MAY)), "is deprovision 2026-05-30T00:00:00Z".to_owned()),
            (row("ACTIVE", Some(JUNE)), "is schedule 2026-07-01T00:00:00Z".to_owned()),
        ] {
            assert_eq!(said(&envelope(op, Value::Null, after.clone()), &rules), is, "{op} {after}");
        }
    }
}

#[test]
fn a_snapshot_or_a_deleted_row_removes_nobody() {
    let rules = both();
    for (after, is) in [
        (row("TERMINATED", None), "ignore"),
        (row("TERMINATED", Some(9_000)), "ignore"),
        (row("TERMINATED", Some(MAY - 1)), "ignore"),
        (row("ACTIVE", Some(MAY - 1)), "ignore"),
        (row("ACTIVE", None), "is cancel 2026-05-29T14:03:11.5Z"),
        (row("ACTIVE", Some(JUNE)), "is schedule 2026-07-01T00:00:00Z"),
        (row("TERMINATED", Some(JUNE)), "is schedule 2026-07-01T00:00:00Z"),
    ] {
        assert_eq!(said(&envelope("r", Value::Null, after.clone()), &rules), is, "{after}");
    }
    // As the default replica identity fills it.
    let filled = json!({ "employee_id": 7, "work_email": "", "status": "", "last_day": 0 });
    for before in [row("ACTIVE", None), row("TERMINATED", None), filled.clone()] {
        assert_eq!(said(&envelope("d", before, Value::Null), &rules), "ignore");
    }
    let blocked =
        self::rules(json!({ "status": "enabled", "left": ["false", ""], "date": "last_day", "date_as": "days" }));
    let mut filled = filled;
    filled["enabled"] = json!(false);
    assert_eq!(said(&envelope("d", filled, Value::Null), &blocked), "ignore");
    for record in [Value::Null, json!({ "schema": null, "payload": null })] {
        assert_eq!(said(&record, &rules), "ignore", "{record}");
    }
    assert_eq!(said(&envelope("t", Value::Null, Value::Null), &rules), "ignore");
}

#[test]
fn beside_a_status_a_date_that_has_passed_counts_as_the_page_says() {
    let rules = both();
    // The week is full at the moment of the change.
    let (lately, earlier, long_ago) = (MAY - 1, MAY - 7, MAY - 8);
    let (no, due, stays) = ("ignore", "schedule 2026-05-29T00:00:00Z", "cancel 2026-05-29T14:03:11.5Z");
    for (before, within_the_week, longer_ago) in [
        (row("TERMINATED", None), stays, stays),
        (row("TERMINATED", Some(long_ago)), stays, stays),
        (row("TERMINATED", Some(JUNE)), stays, stays),
        (row("ACTIVE", None), due, no),
        (row("ACTIVE", Some(JUNE)), due, stays),
        (row("ACTIVE", Some(earlier)), no, no),
        (row("ACTIVE", Some(long_ago - 1)), due, no),
    ] {
        for (day, is) in [(lately, within_the_week), (long_ago, longer_ago)] {
            assert_eq!(said(&envelope("u", before.clone(), row("ACTIVE", Some(day))), &rules), is, "{before} {day}");
        }
    }
    for (op, day, is) in [
        ("u", lately, "is schedule 2026-05-29T00:00:00Z"),
        ("u", earlier, "is schedule 2026-05-23T00:00:00Z"),
        ("u", long_ago, "is cancel 2026-05-22T00:00:00Z"),
        ("r", lately, "ignore"),
        ("r", earlier, "ignore"),
        ("r", long_ago, "is cancel 2026-05-22T00:00:00Z"),
    ] {
        assert_eq!(said(&envelope(op, Value::Null, row("ACTIVE", Some(day))), &rules), is, "{op} {day}");
    }
    // The status is what it was, and a day that passed is moved to one to come.
    let put_off = envelope("u", row("ACTIVE", Some(lately)), row("ACTIVE", Some(JUNE)));
    assert_eq!(said(&put_off, &rules), "schedule 2026-07-01T00:00:00Z");
    let corrected = envelope("u", row("ACTIVE", Some(earlier)), row("ACTIVE", Some(lately)));
    assert_eq!(why(&corrected, &rules), "active, although the date has passed");
}

#[test]
fn where_a_date_stands_alone_it_says_that_they_have_left() {
    let rules = rules(json!({ "date": "last_day", "date_as": "days" }));
    let long_ago = row("", Some(MAY - 8));
    assert_eq!(said(&envelope("u", row("", None), long_ago.clone()), &rules), "schedule 2026-05-22T00:00:00Z");
    assert_eq!(said(&envelope("u", Value::Null, long_ago.clone()), &rules), "is schedule 2026-05-22T00:00:00Z");
    assert_eq!(said(&envelope("r", Value::Null, long_ago), &rules), "ignore");
    assert_eq!(said(&envelope("r", Value::Null, row("", Some(MAY - 1))), &rules), "ignore");
}

#[test]
fn a_column_of_fixed_length_is_filled_up_with_blanks() {
    let padded = rules(
        json!({ "status": "status", "left": ["TERMINATED", "RETIRED   "], "date": "last_day", "date_as": "days" }),
    );
    for left in ["TERMINATED", "TERMINATED  ", "RETIRED", "RETIRED     "] {
        let change = envelope("u", row("ACTIVE      ", None), row(left, None));
        assert_eq!(said(&change, &padded), format!("deprovision {COMMIT}"), "{left:?}");
    }
    for (other, status) in [(" TERMINATED", "ACTIVE"), ("            ", "ACTIVE"), ("ON_LEAVE    ", "ACTIVE      ")] {
        let change = envelope("u", row(status, None), row(other, None));
        assert_eq!(why(&change, &padded), "the status or the date changed, and means the same", "{other:?}");
    }
    assert_eq!(
        why(&envelope("u", row("ACTIVE", None), row("ACTIVE", None)), &padded),
        "none of the mapped columns changed"
    );
}

#[test]
fn a_changed_address_is_told_also_beside_what_means_the_same() {
    for (before, after) in
        [(row("ACTIVE", None), row("ON_LEAVE", None)), (row("ACTIVE", Some(MAY - 8)), row("ACTIVE", Some(MAY - 9)))]
    {
        let mut after = after;
        after["work_email"] = json!("b@larkspur.example");
        assert_eq!(said(&envelope("u", before, after), &both()), format!("identity_update {COMMIT}"));
    }
}

#[test]
fn a_changed_address_is_told() {
    let mut after = row("ACTIVE", None);
    after["work_email"] = json!("b@larkspur.example");
    let Verdict::Event(event) = verdict(&envelope("u", row("ACTIVE", None), after), &both()) else { panic!() };
    let change = event.identity_change.unwrap();
    assert_eq!((change.from.expose(), change.to.expose()), ("a@larkspur.example", "b@larkspur.example"));
}

#[test]
fn who_and_when_and_in_which_order() {
    let Verdict::Event(event) = verdict(&envelope("u", row("ACTIVE", None), row("TERMINATED", None)), &both()) else {
        panic!()
    };
    assert_eq!(event.subject.person_key.0, "hr-db:larkspur:7");
    assert_eq!(event.source.event_id, "public.employee:7:00000000000024023128");
    assert_eq!(event.sequence.as_deref(), Some("00000000000024023128"));
    let mut maria = envelope("u", row("ACTIVE", None), row("TERMINATED", None));
    maria["source"] =
        json!({ "db": "public", "table": "employee", "ts_ms": 1_780_063_391_000_i64, "file": "bin.3", "pos": 154 });
    let Verdict::Event(event) = verdict(&maria, &both()) else { panic!() };
    assert_eq!(event.sequence.as_deref(), Some("bin.3:00000000000000000154"));
    maria["source"]["table"] = json!("salary");
    assert_eq!(said(&maria, &both()), "ignore");
}

#[test]
fn dates_are_read_by_their_type_and_never_guessed() {
    let with = |last_day: Value, table: Value| {
        let mut after = row("ACTIVE", None);
        after["last_day"] = last_day;
        said(&envelope("u", row("ACTIVE", None), after), &rules(table))
    };
    let plain = |last_day| with(last_day, json!({ "date": "last_day" }));
    assert_eq!(plain(json!("2026-06-30")), "schedule 2026-07-01T00:00:00Z");
    assert_eq!(plain(json!("2026-06-30Z")), "schedule 2026-07-01T00:00:00Z");
    assert_eq!(plain(json!("2026-06-30T17:00:00+02:00")), "schedule 2026-06-30T15:00:00Z");
    // Midnight in Berlin, as a column with zone is written.
    let berlin =
        Rules { zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(), ..rules(json!({ "date": "last_day" })) };
    let mut after = row("ACTIVE", None);
    after["last_day"] = json!("2026-06-29T22:00:00.000000Z");
    assert_eq!(said(&envelope("u", row("ACTIVE", None), after), &berlin), "schedule 2026-06-30T22:00:00Z");
    assert!(plain(json!(JUNE)).starts_with("invalid_value: `after.last_day` is a number, and nothing says of what"));
    assert!(plain(json!(true)).starts_with("wrong_type: `after.last_day` is true or false"));
    for (count, unit, is) in [
        (JUNE, "days", "schedule 2026-07-01T00:00:00Z"),
        (1_782_777_600_000, "millis", "schedule 2026-07-01T00:00:00Z"),
        (1_782_838_800_000, "millis", "schedule 2026-06-30T17:00:00Z"),
        (1_782_838_800_000_000, "micros", "schedule 2026-06-30T17:00:00Z"),
        (1_782_838_800_000_000_000, "nanos", "schedule 2026-06-30T17:00:00Z"),
        (-2_147_472_692, "days", "ignore"),
        (2_932_896, "days", "ignore"),
        (0, "days", "invalid_value: `after.last_day` lies before the year 2000"),
        (1_782_777_600, "millis", "invalid_value: `after.last_day` lies before the year 2000"),
        (i64::MAX, "days", "invalid_value: `after.last_day` is out of range"),
    ] {
        assert_eq!(with(json!(count), json!({ "date": "last_day", "date_as": unit })), is, "{count} {unit}");
    }
}

#[test]
fn the_schema_beside_the_payload_says_what_a_number_is() {
    let column = json!({ "field": "last_day", "type": "int32", "name": "io.debezium.time.Date" });
    let rows = json!({ "field": "after", "type": "struct", "fields": [&column] });
    let record = json!({
        "schema": { "type": "struct", "fields": [rows] },
        "payload": envelope("u", Value::Null, row("ACTIVE", Some(JUNE))),
    });
    assert_eq!(said(&record, &rules(json!({ "date": "last_day" }))), "is schedule 2026-07-01T00:00:00Z");
    // Unwrapped, the row has the payload to itself, and no time.
    let mut record =
        json!({ "schema": { "type": "struct", "fields": [column] }, "payload": row("ACTIVE", Some(JUNE)) });
    let rules = rules(json!({ "date": "last_day" }));
    assert!(said(&record, &rules).starts_with("missing_field: it has no time of its own"));
    record["payload"]["__ts_ms"] = json!(1_780_063_391_500_i64);
    assert_eq!(said(&record, &rules), "is schedule 2026-07-01T00:00:00Z");
}

#[test]
fn a_cloud_event_has_the_operation_among_its_attributes() {
    let mut record = json!({
        "specversion": "1.0", "id": "1", "source": "/debezium/postgresql/hr", "type": "io.debezium.connector.postgresql.DataChangeEvent",
        "time": "2026-05-29T14:03:11Z", "iodebeziumop": "u", "iodebeziumtsms": "1780063391500", "iodebeziumlsn": "24023128",
        "iodebeziumschema": "public", "iodebeziumtable": "employee",
        "data": { "before": row("ACTIVE", None), "after": row("TERMINATED", None) },
    });
    assert_eq!(said(&record, &both()), format!("deprovision {COMMIT}"));
    record["data"] = json!({ "schema": { "type": "struct" }, "payload": record["data"] });
    assert_eq!(said(&record, &both()), format!("deprovision {COMMIT}"));
    record["iodebeziumop"] = json!("r");
    assert_eq!(said(&record, &both()), "ignore");
    record.as_object_mut().unwrap().remove("iodebeziumop");
    assert!(said(&record, &both()).starts_with("missing_field: `op`"));
}

#[test]
fn an_unwrapped_row_is_a_state() {
    let with = |marks: Value, row: Value| {
        let mut row = row;
        for (name, mark) in marks.as_object().unwrap() {
            row[name] = mark.clone();
        }
        row["__source_ts_ms"] = json!(1_780_063_391_500_i64);
        said(&row, &both())
    };
    let dated = "is deprovision 2026-05-30T00:00:00Z";
    assert_eq!(with(json!({}), row("TERMINATED", Some(MAY))), dated);
    assert_eq!(with(json!({ "__op": "u", "__deleted": "false" }), row("ACTIVE", None)), format!("is cancel {COMMIT}"));
    assert_eq!(with(json!({ "__deleted": "true" }), row("TERMINATED", Some(MAY))), dated);
    assert_eq!(with(json!({ "__deleted": "true" }), row("TERMINATED", None)), "ignore");
    assert_eq!(with(json!({ "__op": "r" }), row("TERMINATED", Some(MAY - 1))), "ignore");
    assert_eq!(with(json!({ "__source_snapshot": "last" }), row("TERMINATED", Some(MAY - 1))), "ignore");
    assert_eq!(with(json!({ "__source_snapshot": null }), row("TERMINATED", Some(MAY))), dated);
    assert!(with(json!({ "__deleted": "yes" }), row("ACTIVE", None)).starts_with("invalid_value: `__deleted`"));
}

#[test]
fn what_did_not_change_is_taken_from_before_or_refused() {
    let mut after = row("__debezium_unavailable_value", Some(MAY));
    assert_eq!(said(&envelope("u", row("TERMINATED", Some(MAY)), after.clone()), &both()), "ignore");
    let told = said(&envelope("u", Value::Null, after.clone()), &both());
    assert!(told.starts_with("missing_field: `after.status` is not told because it did not change"), "{told}");
    after.as_object_mut().unwrap().remove("status");
    assert!(said(&envelope("u", Value::Null, after), &both()).starts_with("missing_field: `after.status`"));
}
