//! Where a value stands in an element, or how it is computed from it: a JSON Pointer, or CEL. The operator writes it in
//! the configuration, and it is understood when that is read, never later.

mod program;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use self::program::Program;
use super::carrier::Around;
use super::members::{self, TEXT_MAX};
use super::verdict::{Reject, RejectCode};

/// Longest text of an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Begins a pointer into what stands around the elements, as against the element itself.
const OF_THE_RECORD: &str = "record:";

/// A JSON Pointer into the element (`/employee/id`) or into the record around it (`record:/sent_at`), or else CEL, where
/// `event` is the element and `record` what stands around it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Expression {
    text: String,
    how: How,
}

#[derive(Clone)]
enum How {
    Pointer { of: Of, pointer: String },
    Cel(Program),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Element,
    Record,
}

/// What is wrong with the text of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What, as a fragment that reads after the key's name.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: usize,
    /// What to do.
    pub remedy: Option<String>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is neither a pointer nor CEL, or could run too long.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::at(TEXT_BYTES_MAX, format!("is longer than {TEXT_BYTES_MAX} bytes")));
        }
        let (of, rest) = match text.strip_prefix(OF_THE_RECORD) {
            Some(rest) => (Of::Record, rest),
            None => (Of::Element, text),
        };
        let how = if of == Of::Record || rest.starts_with('/') {
            pointer_fault(rest).map_or(Ok(()), |mut fault| {
                fault.at += text.len() - rest.len();
                Err(fault)
            })?;
            How::Pointer { of, pointer: rest.to_owned() }
        } else {
            How::Cel(Program::compile(text)?)
        };
        Ok(Self { text: text.to_owned(), how })
    }

    /// As it stands in the configuration.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Fault {
    fn at(at: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, remedy: None }
    }

    fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// What is wrong with a text that must be a JSON Pointer (RFC 6901).
pub fn pointer_fault(text: &str) -> Option<Fault> {
    if !text.starts_with('/') {
        return Some(
            Fault::at(0, "is no JSON Pointer").with_remedy("a pointer begins with `/`, as in \"/employee/id\""),
        );
    }
    let escape = text.match_indices('~').find(|(at, _)| !matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')));
    let remedy = "in a pointer `~` is written `~0`, and a `/` in a name `~1`";
    escape.map(|(at, _)| Fault::at(at, "is no JSON Pointer").with_remedy(remedy))
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).map_err(|fault| fault.message)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// What expressions are evaluated on.
pub(super) struct Scope<'a> {
    element: &'a Value,
    around: Option<Around<'a>>,
}

impl<'a> Scope<'a> {
    /// An element and what stands around it.
    pub(super) fn new(element: &'a Value, around: Option<Around<'a>>) -> Self {
        Self { element, around }
    }

    /// The value; `None` = nothing is there, or null. CEL that asks for what is not there is like a pointer to it.
    fn value(&self, it: Asked<'_>) -> Result<Option<Cow<'a, Value>>, Reject> {
        let found = match &it.expression.how {
            How::Pointer { of, pointer } => self.root(*of).pointer(pointer).map(Cow::Borrowed),
            How::Cel(program) => match self.computed(program, it) {
                Err(reject) if reject.code == RejectCode::MissingField => None,
                computed => Some(Cow::Owned(computed?)),
            },
        };
        Ok(found.filter(|value| !value.is_null()))
    }

    fn computed(&self, program: &Program, it: Asked<'_>) -> Result<Value, Reject> {
        program.evaluate(self.element, self.around, &it.place())
    }

    fn root(&self, of: Of) -> &'a Value {
        match of {
            Of::Element => self.element,
            Of::Record => self.around.map_or(self.element, |around| around.record),
        }
    }

    /// A text or a whole number, as a text. What is empty counts as not there.
    pub(super) fn text(&self, it: Asked<'_>) -> Result<Option<String>, Reject> {
        let Some(value) = self.value(it)? else { return Ok(None) };
        scalar(&value, &it.place())
    }

    /// The same, or true or false: what a table of words is asked about.
    pub(super) fn word(&self, it: Asked<'_>) -> Result<Option<String>, Reject> {
        match self.value(it)?.as_deref() {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(value) => scalar(value, &it.place()),
        }
    }

    /// Texts: one, or a list of them.
    pub(super) fn texts(&self, it: Asked<'_>) -> Result<Vec<String>, Reject> {
        let place = it.place();
        match self.value(it)?.as_deref() {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() > members::ITEMS_MAX => {
                let detail = format!("`{place}` has more than {} items", members::ITEMS_MAX);
                Err(Reject::new(RejectCode::TooLong, detail))
            }
            Some(Value::Array(items)) => {
                let texts = items.iter().enumerate().map(|(index, item)| scalar(item, &format!("{place}/{index}")));
                texts.filter_map(Result::transpose).collect()
            }
            Some(value) => Ok(scalar(value, &place)?.into_iter().collect()),
        }
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, it: Asked<'_>) -> Result<bool, Reject> {
        match self.value(it)?.as_deref() {
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(another_type(&it.place(), "true or false", value)),
            None => Err(self.missing(it)),
        }
    }

    /// That something is not there, and how far the way to it goes.
    pub(super) fn missing(&self, it: Asked<'_>) -> Reject {
        let detail = match &it.expression.how {
            How::Cel(program) => match self.computed(program, it) {
                Err(reject) => return reject,
                Ok(_) => format!("`{}` gives null", it.place()),
            },
            How::Pointer { of, pointer } => {
                let ways = std::iter::successors(Some(pointer.as_str()), |way| Some(way.rsplit_once('/')?.0));
                let found = ways.map(|way| (way, self.root(*of).pointer(way))).find(|(_, found)| found.is_some());
                let (way, value) =
                    found.map_or(("", self.root(*of)), |(way, value)| (way, value.unwrap_or(&Value::Null)));
                let held = kind_of(value);
                let place = it.place();
                match (way, *of) {
                    (way, _) if way == pointer => format!("`{place}` is {held}"),
                    ("", Of::Element) => format!("`{place}` finds nothing: the element is {held} without it"),
                    ("", Of::Record) => format!("`{place}` finds nothing: the record is {held} without it"),
                    (way, _) => format!("`{place}` finds nothing: `{way}` is {held} without it"),
                }
            }
        };
        Reject::new(RejectCode::MissingField, detail)
    }
}

/// An expression, and the key that it is the value of.
#[derive(Clone, Copy)]
pub(super) struct Asked<'e> {
    /// The key, for messages.
    pub(super) key: &'e str,
    /// The expression.
    pub(super) expression: &'e Expression,
}

impl Asked<'_> {
    /// What is named in a refusal: the pointer, or the key that holds the CEL.
    pub(super) fn place(&self) -> String {
        match self.expression.how {
            How::Pointer { .. } => self.expression.text.clone(),
            How::Cel(_) => format!("mapping.{}", self.key),
        }
    }
}

/// A text or a whole number, as a text; `None` when it is empty.
pub(super) fn scalar(value: &Value, place: &str) -> Result<Option<String>, Reject> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(_) => members::text(value, place, TEXT_MAX).map(|text| Some(text.to_owned())),
        Value::Number(number) if !number.is_f64() => Ok(Some(number.to_string())),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(another_type(place, "a text or a whole number", value))
        }
    }
}

/// That something has another type than it must have.
pub(super) fn another_type(place: &str, wanted: &str, found: &Value) -> Reject {
    Reject::new(RejectCode::WrongType, format!("`{place}` is {}, not {wanted}", kind_of(found)))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        // What no whole number of 64 bits holds is read as one with a fraction.
        Value::Number(number) if number.as_f64().is_some_and(|it| number.is_f64() && it.abs() >= 1e18) => {
            "a number of too many digits"
        }
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(text) if text.is_empty() => "an empty text",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(expression: &str, element: &Value) -> Result<Option<String>, Reject> {
        let expression = Expression::parse(expression).unwrap();
        let record = json!({ "sent_at": "2026-05-29T14:03:11Z" });
        Scope::new(element, Some(Around { record: &record, inner: element }))
            .text(Asked { key: "id", expression: &expression })
    }

    #[test]
    fn a_pointer_finds_what_rfc_6901_says() {
        let element = json!({ "a": { "b/c": [{ "~": 7 }] }, "empty": "", "none": null });
        assert_eq!(text("/a/b~1c/0/~0", &element), Ok(Some("7".to_owned())));
        assert_eq!(text("record:/sent_at", &element), Ok(Some("2026-05-29T14:03:11Z".to_owned())));
        for nothing in ["/empty", "/none", "/b", "/a/b~1c/1", "/a/b~1c/00"] {
            assert_eq!(text(nothing, &element), Ok(None), "{nothing}");
        }
        assert_eq!(Expression::parse("/a~2").unwrap_err().at, 2);
        assert_eq!(Expression::parse("record:a").unwrap_err().at, 7);
    }

    #[test]
    fn a_refusal_names_the_place_and_the_type_and_no_value() {
        let element = json!({ "employee": { "id": ["s3cret"], "name": 1.5, "number": 1e22 }, "list": [] });
        let refused = |expression| text(expression, &element).unwrap_err().detail;
        assert_eq!(refused("/employee/id"), "`/employee/id` is a list, not a text or a whole number");
        assert_eq!(
            refused("/employee/name"),
            "`/employee/name` is a number with a fraction, not a text or a whole number"
        );
        assert!(refused("/employee/number").starts_with("`/employee/number` is a number of too many digits, not "));
        let missing = |text: &str| {
            let expression = Expression::parse(text).unwrap();
            Scope::new(&element, None).missing(Asked { key: "id", expression: &expression }).detail
        };
        assert_eq!(missing("/employee/key"), "`/employee/key` finds nothing: `/employee` is an object without it");
        assert_eq!(missing("/list/0/id"), "`/list/0/id` finds nothing: `/list` is a list without it");
        assert_eq!(missing("record:/x"), "`record:/x` finds nothing: the record is an object without it");
    }
}
