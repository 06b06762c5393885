//! `docs/outcomes.md` and `docs/topics.md` say what is so: examples and tables come from the types and the schemas.
//!
//! Between `<!-- made from the types: NAME -->` and `<!-- end -->` stands what this test makes. When it differs, the whole page
//! as it should be is written beside the test's other files, and the failure prints the command that takes it over.

use std::fmt::Write as _;

use heroku_deprovisioner::model::outcome::HoldReason;
use heroku_deprovisioner::sources::RejectCode;
use heroku_deprovisioner::wire::{Keep, Message, Refused, dead_letter, outcome};
use serde_json::Value;

use crate::protobuf::message;
use crate::schemas::{SCHEMAS, objects, schema};
use crate::{file, records, text};

/// Widest line of an example.
const WIDTH: usize = 118;

#[test]
fn the_page_on_outcomes_is_made_from_the_types() {
    compare("docs/outcomes.md");
}

#[test]
fn every_closed_list_is_explained() {
    let page = text("docs/outcomes.md");
    let mut explained = 0;
    for (name, _) in SCHEMAS.into_iter().filter(|(name, _)| *name != "person.v1") {
        for (object, part) in objects(&schema(name)) {
            for (member, rule) in part["properties"].as_object().unwrap() {
                for word in rule["enum"].as_array().into_iter().flatten() {
                    let word = word.as_str().unwrap();
                    assert!(
                        page.contains(&format!("| `{word}` |")),
                        "{object}.{member}: `{word}` is explained nowhere"
                    );
                    explained += 1;
                }
            }
        }
    }
    assert!(explained > 50);
}

#[test]
fn every_reason_and_header_of_a_dead_letter_is_explained() {
    let page = text("docs/topics.md");
    for code in RejectCode::ALL {
        assert!(page.contains(&format!("| `{}` |", code.as_str())), "{}", code.as_str());
    }
    let refused = Refused {
        source: "",
        cluster: "",
        topic: "",
        partition: 0,
        offset: 0,
        element: "",
        reason: "",
        detail: "",
        at: jiff::Timestamp::UNIX_EPOCH,
        record_sha256: "",
        key: None,
        value: None,
        headers: &[],
    };
    for (header, _) in dead_letter(&refused, Keep::Record).headers {
        assert!(page.contains(&format!("| `{header}` |")), "{header}");
    }
}

fn compare(page: &str) {
    let found = text(page);
    let mut wanted = String::new();
    let mut within = false;
    for line in found.lines() {
        if let Some(name) = line.strip_prefix("<!-- made from the types: ").and_then(|rest| rest.strip_suffix(" -->")) {
            write!(wanted, "{line}\n{}\n<!-- end -->\n", part(name)).unwrap();
            within = true;
        } else if line == "<!-- end -->" {
            within = false;
        } else if !within {
            writeln!(wanted, "{line}").unwrap();
        }
    }
    if found != wanted {
        let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(page.replace('/', "-"));
        std::fs::write(&place, &wanted).unwrap();
        panic!("{page} is no longer so; take over what is: cp {} {}", place.display(), file(page).display());
    }
}

fn part(name: &str) -> String {
    match name.split_once(' ') {
        Some(("example", kind)) => example(kind),
        Some(("fields", object)) => fields(object),
        Some(("headers", kind)) => headers(kind),
        None if name == "holds" => holds(),
        Some(_) | None => panic!("nobody makes `{name}`"),
    }
}

fn record(kind: &str) -> Message {
    let example = records::examples().into_iter().find(|record| record.kind.as_str() == kind);
    outcome(&example.unwrap_or_else(|| panic!("no example of {kind}")))
}

fn example(kind: &str) -> String {
    format!("```json\n{}\n```", laid_out(record(kind).text(), 0, 0))
}

fn headers(kind: &str) -> String {
    let message = record(kind);
    let mut lines = format!("```text\nkey                {}\n", message.key);
    for (name, value) in &message.headers {
        writeln!(lines, "{name:<18} {value}").unwrap();
    }
    lines + "```"
}

fn holds() -> String {
    let mut table = "| reason | what lets it go on |\n| --- | --- |".to_owned();
    for reason in HoldReason::ALL {
        let name = reason.as_str();
        write!(table, "\n| `{name}` | {} ([runbook](runbook.md#{name})) |", reason.remedy()).unwrap();
    }
    table
}

/// The members of one object, in the order in which they are written.
fn fields(object: &str) -> String {
    let part = SCHEMAS
        .into_iter()
        .flat_map(|(name, root)| {
            let named = move |object: String| if object.is_empty() { root.to_owned() } else { object };
            objects(&schema(name)).into_iter().map(move |(object, part)| (named(object), part))
        })
        .find_map(|(name, part)| (name == object).then_some(part))
        .unwrap_or_else(|| panic!("no schema has {object}"));
    let mut table = "| member | holds | always | |\n| --- | --- | --- | --- |".to_owned();
    for field in message(object).fields() {
        let rule = &part["properties"][field.name()];
        let always = part["required"].as_array().unwrap().contains(&field.name().into());
        let meaning = rule["description"].as_str().unwrap();
        let always = if always { "yes" } else { "no" };
        write!(table, "\n| `{}` | {} | {always} | {meaning} |", field.name(), holds_what(rule)).unwrap();
    }
    table
}

fn holds_what(rule: &Value) -> String {
    if let Some(part) = rule["$ref"].as_str() {
        let part = part.trim_start_matches("#/$defs/");
        return format!("[{part}](#{})", part.to_lowercase());
    }
    match (rule["type"].as_str(), rule["format"].as_str()) {
        (Some("array"), _) => format!("list of {}", holds_what(&rule["items"])),
        (Some("string"), Some("date-time")) => "time".to_owned(),
        (Some("string"), Some("uuid")) => "UUID".to_owned(),
        (Some("string"), _) if rule["enum"].is_array() => "word".to_owned(),
        (Some("string"), _) => "text".to_owned(),
        (Some("integer"), _) => "number".to_owned(),
        (Some("boolean"), _) => "true, false".to_owned(),
        (None, _) if rule["const"].is_boolean() => rule["const"].to_string(),
        other => panic!("{other:?}"),
    }
}

/// Compact JSON over several lines, its members in their order; what fits the rest of a line stays on one. `used` is
/// how much of the line is taken.
fn laid_out(json: &str, indent: usize, used: usize) -> String {
    let inline = spaced(json);
    let whole = indent == 0;
    if !json.starts_with(['{', '[']) || (!whole && used + inline.len() < WIDTH) {
        return inline;
    }
    let inner = " ".repeat(indent + 2);
    let lines: Vec<_> = parts(&json[1..json.len() - 1])
        .into_iter()
        .map(|part| {
            let (name, value) = if json.starts_with('{') { name_and_value(part) } else { (String::new(), part) };
            format!("{inner}{name}{}", laid_out(value, indent + 2, indent + 2 + name.len()))
        })
        .collect();
    format!("{}\n{}\n{}{}", &json[..1], lines.join(",\n"), " ".repeat(indent), &json[json.len() - 1..])
}

fn name_and_value(member: &str) -> (String, &str) {
    let (name, value) = member.split_once("\":").expect("a member has a name");
    (format!("{name}\": "), value)
}

/// Splits at the commas that stand in no text and no inner object or list.
fn parts(inside: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in outside_of_texts(inside) {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[begin..]);
    parts
}

fn spaced(json: &str) -> String {
    let mut spaced = String::new();
    let mut begin = 0;
    for (at, _) in outside_of_texts(json).filter(|(_, c)| [',', ':'].contains(c)) {
        write!(spaced, "{} ", &json[begin..=at]).unwrap();
        begin = at + 1;
    }
    spaced + &json[begin..]
}

fn outside_of_texts(json: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut in_text, mut escaped) = (false, false);
    json.char_indices().filter(move |(_, c)| {
        let outside = !in_text;
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        outside && *c != '"'
    })
}

#[test]
fn an_example_laid_out_is_the_same_json() {
    for record in records::examples() {
        let message = outcome(&record);
        let laid_out = laid_out(message.text(), 0, 0);
        assert!(laid_out.lines().all(|line| line.len() <= WIDTH + 1 || !line.contains(", \"")), "{laid_out}");
        let (compact, again): (Value, Value) =
            (serde_json::from_str(message.text()).unwrap(), serde_json::from_str(&laid_out).unwrap());
        assert_eq!(compact, again);
    }
}
