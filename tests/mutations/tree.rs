//! A record as a tree that can be wrong: members may repeat, and everything may stand where something else belongs.

use std::fmt::Write as _;

use quick_xml::events::Event;

use super::mutation::Mutator;

/// What a member may become.
const OTHER_TYPES: [&str; 9] = ["null", "true", "false", "0", "-1.5", "\"\"", "\"x\"", "[]", "{}"];

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Text(String),
    /// A number, `true`, `false` or `null`, as it is written.
    Word(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// The way to a value: places in lists and objects.
type Path = Vec<usize>;

impl Tree {
    /// `None` when it is neither JSON nor XML.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<serde_json::Value>(value) {
            Ok(json) => Some(Self::of(json)),
            Err(_) => Self::of_xml(std::str::from_utf8(value).ok()?),
        }
    }

    fn of(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect()),
            serde_json::Value::Object(members) => {
                Self::Object(members.into_iter().map(|(name, member)| (name, Self::of(member))).collect())
            }
            word => Self::Word(word.to_string()),
        }
    }

    /// Elements are members, by their names with attributes; an element that holds text alone is that text.
    fn of_xml(text: &str) -> Option<Self> {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut open: Vec<(String, Vec<(String, Self)>, String)> = vec![(String::new(), Vec::new(), String::new())];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    open.push((start.to_string(), Vec::new(), String::new()));
                }
                Event::Text(text) => open.last_mut()?.2.push_str(&text),
                Event::End(_) => {
                    let (name, members, text) = open.pop()?;
                    let value = if members.is_empty() { Self::Text(text) } else { Self::Object(members) };
                    open.last_mut()?.1.push((name, value));
                }
                Event::Eof => break,
                _ => return None,
            }
        }
        let (_, members, _) = open.pop()?;
        if members.is_empty() { None } else { Some(Self::Object(members)) }
    }

    pub(crate) fn json(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }

    fn write_json(&self, into: &mut String) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Text(text) => into.push_str(&quoted(text)),
            Self::Word(word) => into.push_str(word),
            Self::List(items) => {
                into.push('[');
                for (number, item) in items.iter().enumerate() {
                    into.push_str(if number == 0 { "" } else { "," });
                    item.write_json(into);
                }
                into.push(']');
            }
            Self::Object(members) => {
                into.push('{');
                for (number, (name, member)) in members.iter().enumerate() {
                    let _ = write!(into, "{}{}:", if number == 0 { "" } else { "," }, quoted(name));
                    member.write_json(into);
                }
                into.push('}');
            }
        }
    }

    pub(crate) fn xml(&self) -> String {
        match self {
            Self::Text(text) | Self::Word(text) => quick_xml::escape::escape(text.as_str()).into_owned(),
            Self::List(items) => items.iter().map(Self::xml).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, member)| {
                    let tag = name.split_whitespace().next().unwrap_or("x");
                    format!("<{name}>{}</{tag}>", member.xml())
                })
                .collect(),
        }
    }

    /// Hands every object to `change`, the outer ones first.
    pub(crate) fn each_object(&mut self, change: &mut impl FnMut(&mut Vec<(String, Self)>)) {
        match self {
            Self::Text(_) | Self::Word(_) => {}
            Self::List(items) => items.iter_mut().for_each(|item| item.each_object(change)),
            Self::Object(members) => {
                change(members);
                members.iter_mut().for_each(|(_, member)| member.each_object(change));
            }
        }
    }

    /// Changes it once or twice. What is `kept` by its name stays as it is, where it is, and is put nowhere else.
    pub(crate) fn change(&mut self, by: &mut Mutator, kept: &dyn Fn(&str) -> bool) {
        for _ in 0..=by.below(2) {
            let mut paths = Vec::new();
            self.paths(&mut Vec::new(), kept, &mut paths);
            if let Some(path) = paths.get(by.below(paths.len())).cloned() {
                self.change_at(&path, &paths, by);
            }
        }
    }

    fn change_at(&mut self, path: &Path, paths: &[Path], by: &mut Mutator) {
        let other = &paths[by.below(paths.len())];
        match by.below(8) {
            0 => self.remove(path),
            1 => {
                let word = OTHER_TYPES[by.below(OTHER_TYPES.len())];
                *self.at(path) = Self::read(word.as_bytes()).expect("JSON");
            }
            // Twice the same name, or the same item.
            2 => {
                let value = self.at(other).clone();
                self.repeat(path, value);
            }
            3 => {
                let value = self.at(path).clone();
                self.repeat(path, value);
            }
            4 if !path.starts_with(other) && !other.starts_with(path) => {
                let (one, two) = (self.at(path).clone(), self.at(other).clone());
                *self.at(path) = two;
                *self.at(other) = one;
            }
            5 => {
                let value = self.at(path).clone();
                *self.at(path) = if by.below(2) == 0 {
                    Self::List(vec![value])
                } else {
                    Self::Object(vec![("value".to_owned(), value)])
                };
            }
            // By the name of another member.
            6 => {
                let Some(name) = self.name(other).cloned() else { return };
                if let Some(own) = self.name(path) {
                    *own = name;
                }
            }
            // A text in the place of another one.
            _ => {
                if let Self::Text(text) = self.at(other).clone() {
                    *self.at(path) = Self::Text(text);
                }
            }
        }
    }

    fn paths(&self, here: &mut Path, kept: &dyn Fn(&str) -> bool, found: &mut Vec<Path>) {
        let mut go = |place: usize, inner: &Self| {
            here.push(place);
            found.push(here.clone());
            inner.paths(here, kept, found);
            here.pop();
        };
        match self {
            Self::Text(_) | Self::Word(_) => {}
            Self::List(items) => items.iter().enumerate().for_each(|(place, item)| go(place, item)),
            Self::Object(members) => {
                let ours = members.iter().enumerate().filter(|(_, (name, _))| !kept(name));
                ours.for_each(|(place, (_, member))| go(place, member));
            }
        }
    }

    fn at(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |tree, place| match tree {
            Self::List(items) => &mut items[*place],
            Self::Object(members) => &mut members[*place].1,
            Self::Text(_) | Self::Word(_) => unreachable!("paths lead to what is there"),
        })
    }

    fn name(&mut self, path: &Path) -> Option<&mut String> {
        let (last, parent) = path.split_last()?;
        match self.at(parent) {
            Self::Object(members) => Some(&mut members[*last].0),
            Self::Text(_) | Self::Word(_) | Self::List(_) => None,
        }
    }

    fn remove(&mut self, path: &Path) {
        let Some((last, parent)) = path.split_last() else { return };
        match self.at(parent) {
            Self::List(items) => drop(items.remove(*last)),
            Self::Object(members) => drop(members.remove(*last)),
            Self::Text(_) | Self::Word(_) => {}
        }
    }

    fn repeat(&mut self, path: &Path, value: Self) {
        let Some((last, parent)) = path.split_last() else { return };
        match self.at(parent) {
            Self::List(items) => items.insert(*last, value),
            Self::Object(members) => {
                let name = members[*last].0.clone();
                members.insert(*last, (name, value));
            }
            Self::Text(_) | Self::Word(_) => {}
        }
    }
}
