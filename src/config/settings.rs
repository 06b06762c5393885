//! Layers into one set of settings: the file, over it the variables, under both the defaults. Every value remembers
//! where it comes from, and every mistake is collected instead of stopping at the first.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::environment::{Environment, VARIABLE_PREFIX};
use super::keys::{self, Fallback, Found, KEYS, Key};
use super::problem::{Layer, Place, Problem, Text};
use super::properties::check as check_property;
use super::shape::{Kind, Shape};

/// The effective settings, without secrets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: BTreeMap<Path, Setting>,
    tables: BTreeMap<Path, Table>,
}

/// One effective value.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub place: Place,
}

/// A table whose name the operator chose, or an entry of a list of tables.
#[derive(Debug, Clone)]
struct Table {
    section: &'static str,
    place: Place,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// An entry of a list of tables, counted from 0.
    Entry(usize),
    /// A name.
    Name(String),
}

/// What the layers give: the settings, the secrets found in variables by the path of their key, and what is wrong.
pub(super) struct Layers {
    pub(super) settings: Settings,
    pub(super) secrets: BTreeMap<String, SecretString>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Reads the file's text, if there is a file, then the variables, then fills in the defaults.
    pub(super) fn read(file: Option<Text<'_>>, environment: &Environment) -> Self {
        let mut layers = Self { settings: Settings::default(), secrets: BTreeMap::new(), problems: Vec::new() };
        let label = match &file {
            Some(text) => text.layer.clone(),
            None => Layer::File("no configuration file".to_owned()),
        };
        if let Some(text) = file {
            let (table, errors) = DeTable::parse_recoverable(text.body);
            for error in errors {
                let span = error.span().unwrap_or(0..0);
                // Only the place: the rest of the line may hold a secret.
                layers.problem(text.place(span.start..span.start), format!("no valid TOML: {}", error.message()), None);
            }
            // What else is missing or wrong in it cannot be told.
            if !layers.problems.is_empty() {
                return layers;
            }
            layers.table(&text, table.get_ref(), "", &Path::default());
        }
        for (name, value) in environment.settings() {
            layers.variable(name, value);
        }
        layers.complete(&label, environment);
        layers
    }

    fn problem(&mut self, place: Place, message: String, remedy: Option<String>) {
        self.problems.push(Problem { place, message, remedy });
    }

    fn table(&mut self, text: &Text<'_>, table: &DeTable<'_>, section: &str, path: &Path) {
        for (name, value) in table.iter() {
            let place = text.place(name.span());
            let path = path.name(name.get_ref());
            match keys::find(section, name.get_ref()) {
                None => {
                    let remedy = match keys::find("", name.get_ref()) {
                        Some((Found::Leaf(_), _)) if !section.is_empty() => {
                            Some(format!("`{}` stands at the top of the file, above the first [table]", name.get_ref()))
                        }
                        _ => keys::nearest(section, name.get_ref()).map(|near| format!("did you mean `{near}`?")),
                    };
                    self.problem(place, format!("unknown key `{path}`"), remedy);
                }
                Some((Found::Leaf(key), _)) => self.leaf(text, key, place, value, path),
                Some((Found::Section(section), free)) => {
                    let DeValue::Table(inner) = value.get_ref() else {
                        let message = format!("`{path}` is a table, found {}", kind_of(value.get_ref()));
                        self.problem(text.place(value.span()), message, Some(format!("write it as [{path}]")));
                        continue;
                    };
                    // A table of an entry has defaults and required keys of its own once it is written.
                    if free || section.contains("[]") {
                        self.settings.tables.insert(path.clone(), Table { section, place });
                    }
                    self.table(text, inner, section, &path);
                }
                Some((Found::List(section), _)) => self.list(text, value, section, &path),
            }
        }
    }

    fn list(&mut self, text: &Text<'_>, value: &Spanned<DeValue<'_>>, section: &'static str, path: &Path) {
        // A list replaces that of a weaker layer as a whole.
        self.settings.values.retain(|known, _| !known.0.starts_with(&path.0));
        self.settings.tables.retain(|known, _| !known.0.starts_with(&path.0));
        let remedy = Some(format!("write each entry as [[{path}]]"));
        let DeValue::Array(entries) = value.get_ref() else {
            let message = format!("`{path}` is a list of tables, found {}", kind_of(value.get_ref()));
            return self.problem(text.place(value.span()), message, remedy);
        };
        for (index, entry) in entries.iter().enumerate() {
            let path = path.entry(index);
            let place = text.place(entry.span());
            if let DeValue::Table(inner) = entry.get_ref() {
                self.settings.tables.insert(path.clone(), Table { section, place });
                self.table(text, inner, section, &path);
            } else {
                let message = format!("`{path}` is a table, found {}", kind_of(entry.get_ref()));
                self.problem(place, message, remedy.clone());
            }
        }
    }

    fn leaf(&mut self, text: &Text<'_>, key: &'static Key, name: Place, value: &Spanned<DeValue<'_>>, path: Path) {
        let place = text.place(value.span());
        let shape = match key.kind {
            Kind::Secret { file_key } => {
                let remedy = format!("use `{}`, or the variable {}", path.sibling(file_key), path.variable());
                return self.problem(
                    name,
                    format!("`{path}` is a secret, and secrets have no place in the configuration"),
                    Some(remedy),
                );
            }
            Kind::One(shape) => shape,
            Kind::Many(shape) => {
                let DeValue::Array(items) = value.get_ref() else {
                    let message = format!("`{path}` wants a {}, found {}", key.kind.name(), kind_of(value.get_ref()));
                    return self.problem(place, message, Some("write it in brackets: [\"…\"]".to_owned()));
                };
                let items: Vec<_> =
                    items.iter().filter_map(|item| self.one(text, shape, name.clone(), item, &path)).collect();
                return self.set(path, Setting { key, value: Value::Array(items), place: name });
            }
        };
        if let Some(value) = self.one(text, shape, name, value, &path) {
            self.set(path, Setting { key, value, place });
        }
    }

    /// One value of a text, checked.
    fn one(
        &mut self,
        text: &Text<'_>,
        shape: Shape,
        name: Place,
        value: &Spanned<DeValue<'_>>,
        path: &Path,
    ) -> Option<Value> {
        if let DeValue::String(written) = value.get_ref()
            && let Some(fault) = shape.fault(written)
        {
            let place = text.place_within(value.span(), written, fault.at);
            self.problem(place, format!("`{path}` {}", fault.message), fault.remedy);
            return None;
        }
        let read = match one_value(shape, value.get_ref()) {
            Ok(read) => read,
            Err(message) => {
                self.problem(text.place(value.span()), format!("`{path}` {message}"), None);
                return None;
            }
        };
        if matches!(shape, Shape::Property)
            && let Err((message, remedy)) = check_property(path.last(), read.as_str().unwrap_or_default())
        {
            self.problem(name, format!("`{path}` {message}"), remedy);
            return None;
        }
        Some(read)
    }

    fn set(&mut self, path: Path, setting: Setting) {
        self.settings.values.insert(path, setting);
    }

    /// One variable, over what the file says.
    fn variable(&mut self, name: &str, value: &str) {
        let full = format!("{VARIABLE_PREFIX}{name}");
        let layer = Layer::Variable(full.clone());
        let place = Place::whole(layer.clone());
        let (found, path) = match self.resolve(name) {
            Ok(resolved) => resolved,
            Err((message, remedy)) => return self.problem(place, message, remedy),
        };
        match found {
            Found::Leaf(key) => match key.kind {
                Kind::Secret { .. } => {
                    self.secrets.insert(path.to_string(), SecretString::from(value.trim()));
                }
                Kind::Many(shape) if !value.trim_start().starts_with('[') => {
                    let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
                    for item in &items {
                        if let Err(message) = shape.check(item) {
                            self.problem(place.clone(), format!("`{path}` {message}"), None);
                        }
                    }
                    let value = Value::Array(items.into_iter().map(|item| Value::String(item.to_owned())).collect());
                    self.set(path, Setting { key, value, place });
                }
                Kind::Many(_) => self.structured(&layer, value, found, path),
                Kind::One(shape) => {
                    let property = matches!(shape, Shape::Property);
                    let checked = shape
                        .check(value)
                        .map_err(|message| (message, None))
                        .and_then(|()| if property { check_property(path.last(), value) } else { Ok(()) });
                    if let Err((message, remedy)) = checked {
                        return self.problem(place, format!("`{path}` {message}"), remedy);
                    }
                    self.set(path, Setting { key, value: typed(shape, value), place });
                }
            },
            Found::Section(_) | Found::List(_) => self.structured(&layer, value, found, path),
        }
    }

    /// A variable whose value is a table or a list in TOML.
    fn structured(&mut self, layer: &Layer, value: &str, found: Found, path: Path) {
        let text = Text { layer: layer.clone(), body: value };
        let (parsed, errors) = DeValue::parse_recoverable(value);
        if let Some(error) = errors.first() {
            let span = error.span().unwrap_or(0..0);
            let message = format!("`{path}` is no valid TOML: {}", error.message());
            return self.problem(text.place(span.start..span.start), message, None);
        }
        match (found, parsed.get_ref()) {
            (Found::Leaf(key), _) => self.leaf(&text, key, text.place(parsed.span()), &parsed, path),
            (Found::List(section), _) => self.list(&text, &parsed, section, &path),
            (Found::Section(section), DeValue::Table(inner)) => self.table(&text, inner, section, &path),
            (Found::Section(_), other) => {
                let message = format!("`{path}` is a table, found {}", kind_of(other));
                self.problem(text.place(parsed.span()), message, Some("write it as {key = value, …}".to_owned()));
            }
        }
    }

    /// Finds the key that a variable means: static names without regard to case, chosen names among those that the
    /// file defines, because a variable cannot spell them all.
    fn resolve(&self, name: &str) -> Result<(Found, Path), (String, Option<String>)> {
        let mut section: &str = "";
        let mut path = Path::default();
        let mut steps = name.split("__").peekable();
        while let Some(step) = steps.next() {
            let folded = step.to_lowercase();
            let Some((found, free)) = keys::find(section, &folded) else {
                let rest: Vec<&str> = steps.collect();
                let remedy = keys::nearest(section, &folded).map(|near| {
                    let near = if near.contains('.') { near } else { keys::join(section, &near) };
                    let whole = [&[keys::variable(&near).as_str()], rest.as_slice()].concat().join("__");
                    format!("did you mean {whole}?")
                });
                return Err((format!("unknown key `{}`", path.name(&folded)), remedy));
            };
            let last = steps.peek().is_none();
            match found {
                Found::Leaf(_) if last => {
                    let own = if free { folded.replace('_', ".") } else { folded };
                    return Ok((found, path.name(&own)));
                }
                Found::Leaf(_) => return Err((format!("`{}` is no table", path.name(&folded)), None)),
                Found::Section(inner) => {
                    path = if free { self.chosen(&path, step)? } else { path.name(&folded) };
                    section = inner;
                }
                Found::List(inner) => {
                    path = path.name(&folded);
                    section = inner;
                    if !last && let Some(entry) = steps.next() {
                        path = self.entry(&path, entry)?;
                        if steps.peek().is_none() {
                            return Err((
                                format!("`{path}` is a whole entry"),
                                Some("name one of its keys".to_owned()),
                            ));
                        }
                    }
                }
            }
            if last {
                return Ok((found, path));
            }
        }
        Err(("names no key".to_owned(), None))
    }

    fn chosen(&self, parent: &Path, written: &str) -> Result<Path, (String, Option<String>)> {
        let known = self.settings.tables.keys().filter(|path| path.0.len() == parent.0.len() + 1);
        let known: Vec<&Path> = known.filter(|path| path.0.starts_with(&parent.0)).collect();
        match known.iter().find(|path| same_name(path.last(), written)) {
            Some(path) => Ok((*path).clone()),
            None => Err((
                format!("no `{parent}` of the name {written:?} in the file"),
                Some(format!("define it there, or set all in {}", parent.variable())),
            )),
        }
    }

    fn entry(&self, list: &Path, written: &str) -> Result<Path, (String, Option<String>)> {
        let named = self.settings.values.iter().find(|(path, setting)| {
            path.0.starts_with(&list.0)
                && path.last() == "name"
                && setting.value.as_str().is_some_and(|name| same_name(name, written))
        });
        match named {
            Some((path, _)) => Ok(Path(path.0[..path.0.len() - 1].to_vec())),
            None => Err((
                format!("no entry of `{list}` has the name {written:?}"),
                Some(format!("define it in the file, or set all in {}", list.variable())),
            )),
        }
    }

    /// Fills in the defaults and names what is missing.
    fn complete(&mut self, file: &Layer, environment: &Environment) {
        let chosen: Vec<(Path, Table)> =
            self.settings.tables.iter().map(|(path, table)| (path.clone(), table.clone())).collect();
        for key in KEYS {
            let section = key.section();
            if section.contains(['*', '[']) {
                for (path, table) in &chosen {
                    // A table below a chosen one is written only where it has keys of its own.
                    if table.section == section {
                        self.complete_one(key, path.name(key.name()), table.place.clone(), environment);
                    }
                }
            } else if key.name() != "*" {
                let path = Path(key.path.split('.').map(|name| Step::Name(name.to_owned())).collect());
                self.complete_one(key, path, Place::whole(file.clone()), environment);
            }
        }
    }

    fn complete_one(&mut self, key: &'static Key, path: Path, place: Place, environment: &Environment) {
        if self.settings.values.contains_key(&path) || key.name() == "*" {
            return;
        }
        let value = match key.default {
            Fallback::Required => {
                // A value that was refused is not missing too.
                let refused = format!("`{path}` ");
                if !self.problems.iter().any(|problem| problem.message.starts_with(&refused)) {
                    let remedy = format!("{} Write `{} = …`, or set {}", key.doc, key.name(), path.variable());
                    self.problem(place, format!("missing key `{path}`"), Some(remedy));
                }
                return;
            }
            Fallback::Absent(_) => return,
            Fallback::HostName => Value::String(environment.host_name().to_owned()),
            Fallback::Value(text) => default_value(text),
        };
        self.set(path, Setting { key, value, place: Place::whole(Layer::Default) });
    }
}

impl Settings {
    /// Every value with the place that it comes from, in the order of the table of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Setting)> {
        let rank = |setting: &Setting| KEYS.iter().position(|key| key.path == setting.key.path);
        let mut all: Vec<_> = self.values.iter().collect();
        all.sort_by_key(|(path, setting)| {
            // All keys of one entry stay together.
            let place = |section: &str| KEYS.iter().position(|key| key.path.starts_with(section));
            let section = setting.key.section();
            let entry = path.0.iter().position(|step| matches!(step, Step::Entry(_)));
            let entry = entry.map(|at| Path(path.0[..=at].to_vec()));
            let outer = section.find("[]").map_or(section, |at| &section[..at + 2]);
            let table = Path(path.0[..path.0.len() - 1].to_vec());
            let first = if section.is_empty() { None } else { place(outer) };
            (first, entry, place(section), table, rank(setting), (*path).clone())
        });
        all.into_iter()
    }

    /// Where the value at `path` (`sources[0].topic`) comes from.
    pub(super) fn place(&self, path: &str) -> Option<&Place> {
        self.values.iter().find(|(known, _)| known.to_string() == path).map(|(_, setting)| &setting.place)
    }

    /// The settings as one table.
    pub(super) fn to_table(&self) -> toml::Table {
        let mut top = toml::Table::new();
        for path in self.tables.keys() {
            slot(&mut top, &path.0);
        }
        for (path, setting) in &self.values {
            let (own, parents) = path.0.split_last().expect("a value has a name");
            if let Step::Name(name) = own {
                slot(&mut top, parents).insert(name.clone(), setting.value.clone());
            }
        }
        top
    }
}

/// The table at `steps`, made where it is missing.
fn slot<'t>(top: &'t mut toml::Table, steps: &[Step]) -> &'t mut toml::Table {
    let (Some(Step::Name(name)), rest) = (steps.first(), steps.get(1..).unwrap_or_default()) else { return top };
    if let Some(Step::Entry(index)) = rest.first() {
        let list = top.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
        let list = list.as_array_mut().expect("only lists of tables have entries");
        while list.len() <= *index {
            list.push(Value::Table(toml::Table::new()));
        }
        return slot(list[*index].as_table_mut().expect("entries are tables"), &rest[1..]);
    }
    let table = top.entry(name.clone()).or_insert_with(|| Value::Table(toml::Table::new()));
    slot(table.as_table_mut().expect("a name is a table or a value, never both"), rest)
}

/// One value of a TOML text, checked.
fn one_value(shape: Shape, found: &DeValue<'_>) -> Result<Value, String> {
    match (shape, found) {
        (Shape::Whole { .. }, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "is too large".to_owned())?;
            shape.check_whole(number).map(|()| Value::Integer(number))
        }
        (Shape::Flag, DeValue::Boolean(flag)) => Ok(Value::Boolean(*flag)),
        (Shape::Property, DeValue::Boolean(flag)) => Ok(Value::String(flag.to_string())),
        (Shape::Property, DeValue::Integer(number)) => Ok(Value::String(number.to_string())),
        (Shape::StartAt, DeValue::Datetime(time)) => {
            let time = time.to_string();
            shape.check(&time).map(|()| Value::String(time))
        }
        (_, DeValue::String(written)) if !matches!(shape, Shape::Whole { .. } | Shape::Flag) => {
            shape.check(written).map(|()| Value::String(written.to_string()))
        }
        _ => Err(format!("wants {}, found {}", shape.with_article(), kind_of(found))),
    }
}

/// The value of a variable, checked before, in its type.
fn typed(shape: Shape, text: &str) -> Value {
    let number = || text.parse().ok().filter(|_| matches!(shape, Shape::Whole { .. })).map(Value::Integer);
    let flag = || text.parse().ok().filter(|_| matches!(shape, Shape::Flag)).map(Value::Boolean);
    number().or_else(flag).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn default_value(text: &str) -> Value {
    let table: toml::Table = toml::from_str(&format!("x = {text}")).expect("a test reads every default");
    table["x"].clone()
}

fn same_name(known: &str, written: &str) -> bool {
    let fold = |text: &str| -> String {
        text.chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' })
            .collect()
    };
    fold(known) == fold(written)
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl Path {
    fn name(&self, name: &str) -> Self {
        self.with(Step::Name(name.to_owned()))
    }

    fn entry(&self, index: usize) -> Self {
        self.with(Step::Entry(index))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    fn sibling(&self, name: &str) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec()).name(name)
    }

    /// Its own name.
    pub fn last(&self) -> &str {
        match self.0.last() {
            Some(Step::Name(name)) => name,
            Some(Step::Entry(_)) | None => "",
        }
    }

    /// The variable that sets it, or else the innermost list of entries without names that it stands in.
    fn variable(&self) -> String {
        let mut list = String::new();
        let mut names = Vec::new();
        for step in &self.0 {
            match step {
                Step::Name(name) => {
                    list = keys::join(&list, name);
                    names.push(name.to_uppercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"));
                }
                Step::Entry(_) => {
                    list.push_str("[]");
                    if !keys::has_names(&list) {
                        break;
                    }
                    names.push("NAME".to_owned());
                }
            }
        }
        format!("{VARIABLE_PREFIX}{}", names.join("__"))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Entry(entry) => write!(f, "[{entry}]")?,
                Step::Name(name) => {
                    let dot = if index == 0 { "" } else { "." };
                    write!(f, "{dot}{}", toml_key(name))?;
                }
            }
        }
        Ok(())
    }
}

/// A name as TOML writes it: bare where it may be.
pub(super) fn toml_key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { format!("{name:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_satisfies_its_own_shape() {
        for key in KEYS {
            let (Fallback::Value(text), Kind::One(shape)) = (key.default, key.kind) else { continue };
            let check = match default_value(text) {
                Value::String(text) => shape.check(&text),
                Value::Integer(number) => shape.check_whole(number),
                Value::Boolean(flag) => shape.check(&flag.to_string()),
                other @ (Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_)) => {
                    Err(format!("{other:?}"))
                }
            };
            assert_eq!(check, Ok(()), "{}", key.path);
        }
    }
}
