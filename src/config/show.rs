//! The configuration for people's eyes: the effective one as TOML, and the table of keys as text and as Markdown.

use std::fmt::Write;

use super::Config;
use super::keys::{Fallback, KEYS, Key};
use super::problem::Layer;
use super::settings::{Path, Step, toml_key};

pub use super::validate::remarks;

/// The effective configuration as TOML, each value with the layer that it comes from. Secrets are left out: they are
/// no settings, only their files are.
pub fn effective(config: &Config) -> String {
    let mut text = String::new();
    let mut section = None;
    for (path, setting) in config.settings().iter() {
        let header = header(path);
        if section.as_ref() != Some(&(header.clone(), parents(path).to_vec())) {
            if section.is_some() && !header.is_empty() {
                text.push('\n');
            }
            if !header.is_empty() {
                text.push_str(&header);
                text.push('\n');
            }
            section = Some((header, parents(path).to_vec()));
        }
        let line = format!("{} = {}", toml_key(path.last()), setting.value);
        let from = match &setting.place.layer {
            Layer::Default => "default".to_owned(),
            Layer::File(name) => match &setting.place.spot {
                Some(spot) => format!("{name}:{}", spot.line),
                None => name.clone(),
            },
            Layer::Variable(name) => name.clone(),
        };
        let _ = writeln!(text, "{line:<42}  # {from}");
    }
    text
}

/// Every key with its type, default, variable and meaning, in 80 columns.
pub fn table_of_keys() -> String {
    let mut text = String::new();
    for key in KEYS {
        let _ = writeln!(text, "{}", key.path);
        for line in wrapped(&format!("{}, {}", kind(key), default_sentence(key)), 74) {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(variable) = key.variable() {
            let _ = writeln!(text, "    {variable}");
        }
        for line in wrapped(key.doc, 74) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// Every key as a JSON array of objects.
pub fn keys_as_json() -> serde_json::Value {
    KEYS.iter()
        .map(|key| {
            serde_json::json!({
                "key": key.path,
                "type": key.kind.name(),
                "unit": key.unit,
                "default": key.default.text(),
                "required": key.default == Fallback::Required,
                "variable": key.variable(),
                "doc": key.doc,
            })
        })
        .collect()
}

/// The effective configuration as a JSON array of objects.
pub fn effective_as_json(config: &Config) -> serde_json::Value {
    config
        .settings()
        .iter()
        .map(|(path, setting)| {
            serde_json::json!({
                "key": path.to_string(),
                "value": setting.value,
                "from": setting.place.to_string(),
            })
        })
        .collect()
}

/// Every key as Markdown tables, one for each section; docs/configuration.md carries exactly this text.
pub fn keys_as_markdown() -> String {
    let mut text = String::new();
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = match key.section() {
                "" => "At the top".to_owned(),
                name if name.ends_with("[]") => format!("`[[{}]]`", name.replace("[]", "")),
                name => format!("`[{}]`", name.replace("[]", "").replace('*', "NAME")),
            };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}### {title}\n");
            let _ = writeln!(text, "| key | type | default | meaning |\n| --- | --- | --- | --- |");
        }
        let default = match key.default {
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Required => "**required**".to_owned(),
            Fallback::HostName | Fallback::Absent(_) => key.default.text().to_owned(),
        };
        let name = key.name().replace('*', "NAME");
        let variable = key.variable().map(|variable| format!("<br>`{variable}`")).unwrap_or_default();
        let _ = writeln!(text, "| `{name}` | {} | {default} | {}{variable} |", kind(key), key.doc);
    }
    text
}

fn kind(key: &Key) -> String {
    match key.unit {
        Some(unit) => format!("{} of {unit}", key.kind.name()),
        None => key.kind.name(),
    }
}

fn default_sentence(key: &Key) -> String {
    match key.default {
        Fallback::Required => "required".to_owned(),
        Fallback::Value(_) | Fallback::HostName | Fallback::Absent(_) => format!("default {}", key.default.text()),
    }
}

fn parents(path: &Path) -> &[Step] {
    &path.0[..path.0.len() - 1]
}

fn header(path: &Path) -> String {
    let parents = parents(path);
    let names: Vec<String> = parents
        .iter()
        .filter_map(|step| match step {
            Step::Name(name) => Some(toml_key(name)),
            Step::Entry(_) => None,
        })
        .collect();
    match parents.last() {
        None => String::new(),
        Some(Step::Entry(_)) => format!("[[{}]]", names.join(".")),
        Some(Step::Name(_)) => format!("[{}]", names.join(".")),
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
