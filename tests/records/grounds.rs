//! What decided stands where `explain` says: another value there is another reading.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use heroku_deprovisioner::sources::Rules;
use heroku_deprovisioner::sources::explain::{Decision, Explanation, explain};
use heroku_deprovisioner::sources::record_file::RecordFile;
use heroku_deprovisioner::sources::token::{TokenRules, Trust};
use serde_json::{Value, json};

use super::sample::samples;
use super::{explained, now, unconfigured};

#[test]
fn another_value_where_something_was_decided_is_another_reading() {
    for expected in &samples() {
        for rules in [expected.rules(), unconfigured()] {
            let file = expected.record();
            for (index, row) in explained(&expected.file, &rules).rows.iter().enumerate() {
                let by = &row.decided_by;
                assert_eq!(
                    row.decision == Decision::Reject,
                    by.decision.is_empty(),
                    "{} {}",
                    expected.file,
                    row.element
                );
                for (paths, part) in [
                    (&by.decision, decision as fn(&Explanation) -> String),
                    (&by.addresses, |row| format!("{:?}", row.subject.addresses)),
                    (&by.effective_at, |row| format!("{:?}", row.effective_at)),
                ] {
                    for path in paths {
                        let differs = |file| part_of(file, &rules, index, part) != Some(part(row));
                        assert!(
                            altered(&file, path).iter().any(differs),
                            "{} {}: {path} decides nothing",
                            expected.file,
                            row.element
                        );
                    }
                }
            }
        }
    }
}

fn decision(row: &Explanation) -> String {
    format!("{:?} {:?} {}", row.decision, row.kind, row.reason)
}

fn part_of(file: &RecordFile, rules: &Rules, index: usize, part: fn(&Explanation) -> String) -> Option<String> {
    // What is changed is not signed any more.
    let tokens = TokenRules { trust: Trust::PreVerified, ..rules.tokens.clone() };
    let headers = file.headers();
    let answer = explain(&file.record(&headers), &Rules { tokens, ..rules.clone() }, now());
    answer.rows.get(index).map(part)
}

/// The record with other values at a path, which must be there.
fn altered(file: &RecordFile, path: &str) -> Vec<RecordFile> {
    let with_value = |value: Vec<u8>| RecordFile { value: Some(value), ..file.clone() };
    let Some(value) = &file.value else {
        assert_eq!(path, "value");
        return vec![with_value(b"{}".to_vec())];
    };
    if let Some(name) = path.strip_prefix("header ") {
        let mut file = file.clone();
        file.headers.iter_mut().find(|(known, _)| known == name).unwrap().1 = Some(b"x".to_vec());
        return vec![file];
    }
    let text = std::str::from_utf8(value).unwrap();
    if text.starts_with('<') {
        let (_, name) = path.rsplit_once('.').unwrap();
        let (before, rest) =
            text.split_once(&format!("<{name}>")).or_else(|| text.split_once(&format!(":{name}>"))).unwrap();
        let (_, after) = rest.split_once("</").unwrap();
        let name = &text[before.len()..text.len() - rest.len()];
        return ["x", "2096-01-01"]
            .map(|other| with_value(format!("{before}{name}{other}</{after}").into_bytes()))
            .to_vec();
    }
    let is_binary = file.headers.iter().any(|(name, _)| name == "ce_specversion");
    let path = if is_binary { path.strip_prefix("value.").unwrap() } else { path };
    let root: Value = match text.split('.').nth(1) {
        Some(claims) if text.starts_with("ey") => {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap())
        }
        _ => serde_json::from_str(text),
    }
    .unwrap();
    let mut altered = Vec::new();
    alter(&root, &steps(path), &mut |root| altered.push(with_value(root.unwrap().to_string().into_bytes())));
    assert!(!altered.is_empty(), "{path} leads nowhere in {text}");
    altered
}

/// A path as `explain` writes it, in pieces: names, and positions in lists.
fn steps(path: &str) -> Vec<Value> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let mut found = serde_json::Deserializer::from_str(inner).into_iter();
            steps.push(found.next().unwrap().unwrap());
            rest = inner[found.byte_offset()..].strip_prefix(']').unwrap();
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(json!(name[..end]));
            rest = &name[end..];
        }
    }
    steps
}

/// Hands on what `value` is with each other value at the end of the way, of which `None` is none.
fn alter(value: &Value, way: &[Value], then: &mut dyn FnMut(Option<Value>)) {
    match (way, value) {
        ([step, rest @ ..], Value::Object(members)) => {
            let name = step.as_str().unwrap();
            let Some(member) = members.get(name) else { return };
            let mut with = |other| {
                let mut members = members.clone();
                match other {
                    Some(other) => members.insert(name.to_owned(), other),
                    None => members.remove(name),
                };
                then(Some(Value::Object(members)));
            };
            alter(member, rest, &mut with);
        }
        ([step, rest @ ..], Value::Array(items)) => {
            let index = usize::try_from(step.as_u64().unwrap()).unwrap();
            let mut with = |other: Option<Value>| {
                let mut items = items.clone();
                items.splice(index..=index, other);
                then(Some(Value::Array(items)));
            };
            alter(&items[index], rest, &mut with);
        }
        ([_, ..], Value::String(text)) => {
            let inner = serde_json::from_str(text).unwrap();
            alter(&inner, way, &mut |other| then(other.map(|other| Value::from(other.to_string()))));
        }
        ([_, ..], _) => {}
        ([], _) => {
            then(None);
            others(value).into_iter().for_each(|other| then(Some(other)));
        }
    }
}

fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) => vec![json!(number.as_u64().unwrap() * 2 + 1)],
        Value::String(text) => {
            let later = text.strip_prefix("20").map(|rest| format!("20{}{}", 96, rest.get(2..).unwrap_or_default()));
            let other = match text.as_str() {
                "[true]" => "[false]",
                "[false]" => "[true]",
                "True" | "true" => "False",
                "False" | "false" => "True",
                "1" => "0",
                "0" => "1",
                _ => "x",
            };
            [later.as_deref(), Some(other)].into_iter().flatten().map(|other| json!(other)).collect()
        }
        Value::Array(_) | Value::Object(_) | Value::Null => Vec::new(),
    }
}
