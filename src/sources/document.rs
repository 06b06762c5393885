//! One JSON document, read strictly: bounded depth, and every repeated key remembered with its place.
//!
//! `serde_json` keeps the last of two equal keys, other readers keep the first. Whoever writes
//! `{"action":"cancel","action":"deprovision"}` would be read differently by two services, so such an element is
//! refused. The place decides which elements are: a repeated key inside one element leaves its neighbours alone.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::carrier::Element;
use super::verdict::{Reject, RejectCode};

/// Deepest nesting that is read. Real records of the formats here stay below 12.
pub(super) const DEPTH_MAX: usize = 100;

/// Most repeated keys that are remembered one by one; with more, the record is refused as a whole.
pub(super) const REPEATED_MAX: usize = 256;

/// Characters of a key that its place shows.
const KEY_SHOWN: usize = 64;

/// Longest place as a text, in characters: it stands in headers of dead letters, once for each element that it spoils.
const PLACE_SHOWN: usize = 256;

/// A parsed document.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Its value; of a repeated key, the first.
    pub(super) root: Value,
    /// Where a key stands that its object already has.
    pub(super) repeated: Vec<Place>,
}

/// The value as the text that it has to be.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(bytes).map_err(|error| {
        Reject::new(RejectCode::InvalidUtf8, format!("the value is not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// The refusal of a value that is nested deeper than is read, however it came about.
pub(super) fn is_too_deep(root: &Value) -> Option<Reject> {
    fn fits(value: &Value, levels: usize) -> bool {
        match (value, levels.checked_sub(1)) {
            (Value::Array(items), Some(levels)) => items.iter().all(|item| fits(item, levels)),
            (Value::Object(members), Some(levels)) => members.values().all(|member| fits(member, levels)),
            (Value::Array(_) | Value::Object(_), None) => false,
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => true,
        }
    }
    let detail = || format!("nested more than {DEPTH_MAX} levels deep");
    (!fits(root, DEPTH_MAX)).then(|| Reject::new(RejectCode::TooDeep, detail()))
}

/// Takes every member that is null out of its object.
pub(super) fn leave_nulls_out(root: &mut Value) {
    match root {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(leave_nulls_out);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_nulls_out),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Parses exactly one document.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, Reject> {
    let text = utf8(bytes)?;
    let found = Found::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Node { found: &found, path: Path::Root, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|root| deserializer.end().map(|()| root));
    match (parsed, found.fault.get()) {
        (parsed, Some(Fault::TooDeep)) => {
            let place = parsed.err().map(|error| format!(" at line {}, column {}", error.line(), error.column()));
            let detail = format!("nested more than {DEPTH_MAX} levels deep{}", place.unwrap_or_default());
            Err(Reject::new(RejectCode::TooDeep, detail))
        }
        (_, Some(Fault::TooManyRepeated)) => {
            Err(Reject::new(RejectCode::DuplicateKey, format!("more than {REPEATED_MAX} keys stand more than once")))
        }
        // The parser's message quotes nothing of the document.
        (Err(error), None) => Err(Reject::new(
            RejectCode::MalformedJson,
            format!("{} at line {}, column {}", category(&error), error.line(), error.column()),
        )),
        (Ok(root), None) => Ok(Document { root, repeated: found.repeated.into_inner() }),
    }
}

fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the document ends early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            "not one JSON document"
        }
    }
}

impl Document {
    /// For each element the repeated key that spoils it: one inside it, or one in the wrapping that it shares with
    /// others and that stands inside none of them.
    pub(super) fn repeated_for(&self, elements: &[&Element<'_>]) -> Vec<Option<&Place>> {
        let in_wrapping: Vec<&Place> = self
            .repeated
            .iter()
            .filter(|place| !elements.iter().any(|element| place.is_within(&element.path)))
            .collect();
        elements
            .iter()
            .map(|element| {
                self.repeated
                    .iter()
                    .find(|place| place.is_within(&element.path))
                    .or_else(|| in_wrapping.iter().copied().find(|place| place.is_within(&element.scope)))
            })
            .collect()
    }
}

/// Where something stands in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    /// What is longer than any key that means something is kept only so far that it differs from all of those: one long
    /// key around many repeated ones would be copied for each.
    fn key(name: &str) -> Self {
        Self::Key(name.chars().take(KEY_SHOWN + 1).collect())
    }
}

impl Place {
    /// The member of that name.
    pub(super) fn key(&self, name: &str) -> Self {
        self.then(Step::key(name))
    }

    /// The item at that index.
    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The member of that name, however long that is.
    pub(super) fn member(&self, name: &str) -> Self {
        self.then(Step::Key(name.to_owned()))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(super) fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// Which item of a list it is.
    pub(super) fn last_index(&self) -> Option<usize> {
        match self.0.last() {
            Some(Step::Index(index)) => Some(*index),
            Some(Step::Key(_)) | None => None,
        }
    }

    /// The document with what stands here, and of the lists on the way here nothing but that.
    pub(super) fn alone(&self, root: &Value) -> Value {
        fn alone(steps: &[Step], value: &Value) -> Value {
            match (steps, value) {
                ([Step::Key(way), rest @ ..], Value::Object(members)) => {
                    let only = |name: &String, member| if name == way { alone(rest, member) } else { member.clone() };
                    Value::Object(members.iter().map(|(name, member)| (name.clone(), only(name, member))).collect())
                }
                ([Step::Index(index), rest @ ..], Value::Array(items)) => {
                    Value::Array(items.get(*index).map(|item| alone(rest, item)).into_iter().collect())
                }
                _ => value.clone(),
            }
        }
        alone(&self.0, root)
    }

    /// A place of a document in which `item` stood alone, in that where it does not.
    pub(super) fn among(&self, item: &Self) -> Self {
        let mut steps = self.0.clone();
        for (step, way) in steps.iter_mut().zip(&item.0) {
            match (&step, way) {
                (Step::Index(_), Step::Index(_)) => *step = way.clone(),
                _ if step == way => {}
                _ => break,
            }
        }
        Self(steps)
    }

    /// As in `data.events[0]["Employment Status"]`: whole, and so that a program can follow it. What is quoted is a JSON
    /// text, of plain characters alone.
    pub(super) fn spelled(&self) -> String {
        let mut spelled = String::new();
        for step in &self.0 {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@$:".contains(&byte);
            match step {
                Step::Index(index) => spelled.push_str(&format!("[{index}]")),
                Step::Key(name) if name.bytes().all(plain) && !name.is_empty() => {
                    if !spelled.is_empty() {
                        spelled.push('.');
                    }
                    spelled.push_str(name);
                }
                Step::Key(name) => {
                    let escaped = |character: char| match character {
                        '"' | '\\' => format!("\\{character}"),
                        ' '..='~' => character.to_string(),
                        _ => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
                    };
                    spelled.push_str(&format!("[\"{}\"]", name.chars().map(escaped).collect::<String>()));
                }
            }
        }
        spelled
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

/// As in `data.events[0]`. Keys come from the record, so anything but plain characters is escaped, and long keys and long
/// ways are cut.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::new();
        for (position, step) in self.0.iter().enumerate() {
            let before = shown.len();
            match step {
                Step::Index(index) => write!(shown, "[{index}]")?,
                Step::Key(name) => {
                    if position > 0 {
                        shown.push('.');
                    }
                    for character in name.chars().take(KEY_SHOWN) {
                        if character.is_ascii_graphic() {
                            shown.push(character);
                        } else {
                            shown.extend(character.escape_unicode());
                        }
                    }
                }
            }
            if position > 0 && shown.len() > PLACE_SHOWN {
                shown.truncate(before);
                shown.push('…');
                break;
            }
        }
        f.write_str(&shown)
    }
}

/// The way down to a node, on the stack, so that places cost nothing until one is needed.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    pub(super) fn place(&self) -> Place {
        let mut place = Place::default();
        self.add_to(&mut place.0);
        place
    }

    fn add_to(&self, steps: &mut Vec<Step>) {
        match self {
            Self::Root => {}
            Self::Key(outer, name) => {
                outer.add_to(steps);
                steps.push(Step::key(name));
            }
            Self::Index(outer, index) => {
                outer.add_to(steps);
                steps.push(Step::Index(*index));
            }
        }
    }
}

#[derive(Default)]
struct Found {
    repeated: RefCell<Vec<Place>>,
    fault: Cell<Option<Fault>>,
}

#[derive(Clone, Copy)]
enum Fault {
    TooDeep,
    TooManyRepeated,
}

struct Node<'f, 'p> {
    found: &'f Found,
    path: Path<'p>,
    depth: usize,
}

impl Node<'_, '_> {
    fn fault<E: serde::de::Error>(&self, fault: Fault) -> E {
        self.found.fault.set(Some(fault));
        E::custom("refused")
    }

    fn below<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth == DEPTH_MAX { Err(self.fault(Fault::TooDeep)) } else { Ok(self.depth + 1) }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut list = Vec::new();
        while let Some(item) =
            items.next_element_seed(Node { found: self.found, path: Path::Index(&self.path, list.len()), depth })?
        {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            let value = members.next_value_seed(Node { found: self.found, path, depth })?;
            if object.contains_key(&key) {
                let place = path.place();
                let mut repeated = self.found.repeated.borrow_mut();
                if repeated.len() == REPEATED_MAX {
                    self.found.fault.set(Some(Fault::TooManyRepeated));
                    return Err(A::Error::custom("refused"));
                }
                repeated.push(place);
            } else {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(text: &str) -> Vec<String> {
        parse(text.as_bytes()).unwrap().repeated.iter().map(ToString::to_string).collect()
    }

    fn refusal(text: &str) -> RejectCode {
        parse(text.as_bytes()).unwrap_err().code
    }

    #[test]
    fn a_repeated_key_is_found_wherever_it_stands_and_however_it_is_spelt() {
        assert_eq!(repeated(r#"{"a":1,"b":[{"c":1},{"c":1,"c":2}],"a":3}"#), ["b[1].c", "a"]);
        assert_eq!(repeated(r#"{"action":1,"\u0061ction":2}"#), ["action"]);
        assert!(repeated(r#"{"a":{"x":1},"b":{"x":1}}"#).is_empty());
        let many = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(REPEATED_MAX + 2));
        assert_eq!(refusal(&many), RejectCode::DuplicateKey);
    }

    #[test]
    fn depth_is_bounded_before_the_stack_is() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
            assert_eq!(refusal(&nested(DEPTH_MAX + 1)), RejectCode::TooDeep);
            assert_eq!(refusal(&nested(10_000)), RejectCode::TooDeep);
            assert_eq!(refusal(&open.repeat(10_000)), RejectCode::TooDeep);
        }
    }

    #[test]
    fn one_document_and_nothing_behind_it() {
        for text in ["", "{", "{} {}", "{}x", "[1,]", "{'a':1}", "nul", "\u{feff}{}", "1e999"] {
            assert_eq!(refusal(text), RejectCode::MalformedJson, "{text:?}");
        }
    }

    #[test]
    fn a_place_cannot_break_a_line() {
        assert_eq!(Place::default().key("a\r\nb").index(3).to_string(), "a\\u{d}\\u{a}b[3]");
    }

    #[test]
    fn a_place_is_short_however_long_the_way_and_its_keys() {
        let far = (0..DEPTH_MAX).fold(Place::default(), |place, _| place.key(&"\n".repeat(1_000)));
        assert!(far.to_string().ends_with('…'));
        assert!(far.to_string().len() < 2 * PLACE_SHOWN, "{far}");
        let (long, longer) = ("k".repeat(KEY_SHOWN), "k".repeat(KEY_SHOWN + 1));
        assert_ne!(Place::default().key(&long), Place::default().key(&longer));
    }
}
