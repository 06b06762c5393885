use serde_json::json;

use super::*;

fn fault(text: &str) -> (usize, String) {
    let fault = Program::compile(text).err().unwrap_or_else(|| panic!("{text} compiles"));
    (fault.at, fault.message)
}

fn value(text: &str, element: &Value) -> Result<Value, Reject> {
    Program::compile(text).unwrap().evaluate(element, None, "mapping.id")
}

#[test]
fn what_is_not_known_is_found_at_its_place() {
    for (text, at, message) in [
        ("event.a ==", 10, "is no CEL: "),
        ("size(event.a) > 0 &&\n  evnt.b == 1", 23, "names \"evnt\", which is not known"),
        ("'ü' + )", 7, "is no CEL: "),
        ("'ü' + x", 7, "names \"x\", which is not known"),
        ("event.a.substring(1)", 8, "calls \"substring\", which is not known"),
        ("event.a.matches(event.b)", 8, "takes the pattern of matches(…) from the record"),
        ("event.a.exists(x, x.matches('^b'))", 20, "calls matches(…) inside a macro"),
        ("event.a.matches('(b')", 8, "gives matches(…) a pattern that is none"),
        ("date(event.a, 'DD.MM.YYYY')", 0, "gives date(…) a form that no date has"),
        ("date(event.a, '%d.%m.%q')", 0, "gives date(…) a form that no date has"),
        ("date(event.a, '%m/%Y')", 0, "gives date(…) a form that no date has"),
        ("date(event.a)", 0, "gives date 1 of its 2 arguments"),
        ("1 + millis(event.a, 1)", 4, "gives millis 2 of its 1 argument"),
        ("event.a.lower(1)", 8, "gives lower 2 of its 1 argument"),
    ] {
        let (found, said) = fault(text);
        assert!(said.starts_with(message), "{text}: {said}");
        assert_eq!(found, at, "{text}");
    }
}

#[test]
fn forms_of_dates_that_sources_write_are_known() {
    for form in [
        "%d.%m.%Y",
        "%-d.%-m.%Y",
        "%m/%d/%y",
        "%Y%m%d",
        "%e %b %Y",
        "%B %d, %Y",
        "%A %d %B %Y",
        "%Y-%m-%dT%H:%M:%S%z",
        "%Y-%m-%d %H:%M:%S%.f",
        "%F",
        "%D",
        "%d/%b/%Y %I:%M %p",
        "%Y-%j",
        "%d.%m.%Y %T",
    ] {
        assert!(Program::compile(&format!("date(event.a, '{form}')")).is_ok(), "{form}");
    }
    assert!(Program::compile("date(event.a, event.form)").is_ok());
    assert!(Program::compile("event.a.lower() == lower(event.b)").is_ok());
    assert!(Program::compile(r"event.a.matches('^[a-z]+\\d{2}$')").is_ok());
}

#[test]
fn what_could_run_long_does_not_compile() {
    let chained = "[event.a].map(x, x + x).map(x, x + x)";
    for text in ["event.a.exists(x, event.b.exists(y, x == y))", chained] {
        assert!(fault(text).1.starts_with("has a macro inside another one"), "{text}");
    }
    assert!(Program::compile("event.a.exists(x, x == 1) || event.b.all(x, x > 1)").is_ok());
}

/// On the stack that a thread of the intake has.
#[test]
fn no_text_is_too_deep_for_the_stack() {
    let length = 4_000;
    let texts = [
        "(".repeat(length),
        format!("{}1{}", "(".repeat(length / 2), ")".repeat(length / 2)),
        format!("{}true", "!".repeat(length)),
        format!("{}1", "-".repeat(length)),
        format!("event{}", ".a".repeat(length / 2)),
        format!("event{}", "[0]".repeat(length / 3)),
        format!("1{}", " + 1".repeat(length / 4)),
        format!("true{}", " && true".repeat(length / 8)),
        format!("{}1", "true ? 1 : ".repeat(length / 11)),
        format!("{}1{}", "[".repeat(length / 2), "]".repeat(length / 2)),
        format!("{}1{}", "size(".repeat(length / 6), ")".repeat(length / 6)),
    ];
    let run = move || {
        for text in &texts {
            if let Ok(program) = Program::compile(text) {
                let _ = program.evaluate(&json!({ "a": 1 }), None, "id");
            }
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn an_error_tells_nothing_of_the_record() {
    let element = json!({ "key": "s3cret", "text": "s3cret", "list": ["s3cret"] });
    for text in [
        "event[event.key]",
        "event.text + 1",
        "event.text < 1",
        "event.list[event.text]",
        "int(event.text)",
        "date(event.text, '%F')",
        "event.none",
        "event.list[3]",
        "-event.text",
        "event.text ? 1 : 2",
        "event.text.a",
    ] {
        let reject = value(text, &element).unwrap_err();
        assert!(!reject.detail.contains("s3cret"), "{}", reject.detail);
        assert!(reject.detail.starts_with("`mapping.id` "), "{}", reject.detail);
    }
    let reject = value("event.none", &element).unwrap_err();
    assert_eq!(reject.detail, "`mapping.id` asks for `none`, which is not there; ask has(…) first");
    assert_eq!(reject.code, RejectCode::MissingField);
}

#[test]
fn numbers_and_dates_are_as_people_write_them() {
    let element = json!({ "n": 1, "big": u64::MAX, "ms": 1_780_063_391_500_i64, "day": "29.05.2026", "w": "LEFT" });
    for (text, is) in [
        ("event.n + 1", json!(2)),
        ("event.big > 1", json!(true)),
        ("millis(event.ms)", json!("2026-05-29T14:03:11.5Z")),
        ("seconds(event.ms / 1000)", json!("2026-05-29T14:03:11Z")),
        ("micros(event.ms * 1000)", json!("2026-05-29T14:03:11.5Z")),
        ("days(20602)", json!("2026-05-29")),
        ("date(event.day, '%d.%m.%Y')", json!("2026-05-29")),
        ("date('', '%d.%m.%Y')", json!("")),
        ("lower(event.w)", json!("left")),
        ("has(event.x) ? event.x : null", json!(null)),
    ] {
        assert_eq!(value(text, &element), Ok(is), "{text}");
    }
}

#[test]
fn what_stands_around_is_known_without_the_elements() {
    let record = json!({ "sent": 1, "list": vec![json!({ "a": "x" }); VALUES_MAX] });
    let around = Some(Around { record: &record, inner: &record["list"] });
    let value = |text: &str| Program::compile(text).unwrap().evaluate(&record["list"][0], around, "id").unwrap();
    assert_eq!(value("event.a + string(record.sent)"), json!("x1"));
    assert_eq!(value("has(record.list)"), json!(false));
    assert_eq!(value("size(record)"), json!(1));
}

/// As by a pointer: null is nothing, in a member as in what is computed.
#[test]
fn a_member_that_is_null_is_not_there() {
    let element = json!({ "day": null, "inner": { "day": null, "a": 1 }, "list": [{ "day": null }, null] });
    for (text, is) in [
        ("has(event.day)", json!(false)),
        ("has(event.inner.day) || !has(event.inner.a)", json!(false)),
        ("has(event.day) ? event.day : 'x'", json!("x")),
        ("event.list.exists(it, it != null && has(it.day))", json!(false)),
        ("size(event.list)", json!(2)),
    ] {
        assert_eq!(value(text, &element), Ok(is), "{text}");
    }
    for text in ["date(event.day, '%d.%m.%Y')", "event.day", "event['day']", "event.inner.day == null"] {
        assert_eq!(value(text, &element).unwrap_err().code, RejectCode::MissingField, "{text}");
    }
}

/// What else the record holds costs nothing and is in nobody's way.
#[test]
fn what_is_named_is_bounded() {
    let element = json!({ "many": vec![0; VALUES_MAX], "long": "x".repeat(BYTES_MAX), "a": 1 });
    assert_eq!(value("event.a + 1", &element), Ok(json!(2)));
    assert_eq!(value("has(event.b)", &element), Ok(json!(false)));
    assert_eq!(value("[1].map(event, event + 1)", &element), Ok(json!([2])));
    for text in ["size(event.many)", "event.long", "event", "event['a']", "record.many"] {
        assert_eq!(value(text, &element).unwrap_err().code, RejectCode::TooLarge, "{text}");
    }
    assert!(value("size(event.many)", &json!({ "many": vec![0; VALUES_MAX - 1] })).is_ok());
}
