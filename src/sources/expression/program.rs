//! CEL in a mapping: what it may say, so that it ends soon whatever a record holds, and what it may tell of the record
//! when it fails, which is nothing.
//!
//! CEL has no loops but its macros (`exists`, `map`, …). One of them inside another would take time, and with `+` memory,
//! without bound: refused. So is a pattern that comes from the record, or is looked for item by item. What is left is at
//! most as many steps as the text has for each item of a list, and what the expression names of the record has a limit.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelInt, CelString};
use cel::{Context, Env, ExecutionError, Value as CelValue};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Fault;
use crate::sources::carrier::Around;
use crate::sources::verdict::{Reject, RejectCode};

/// Most values that an expression may be given, those inside others included.
const VALUES_MAX: usize = 1_000;

/// Longest sum of their texts and names, in bytes.
const BYTES_MAX: usize = 16 * 1024;

/// Deepest nesting of an expression: evaluating it takes stack.
const DEPTH_MAX: usize = 48;

/// The same inside a macro, where texts put together are put together for each item.
const LOOP_DEPTH_MAX: usize = 16;

/// The name of the element.
const EVENT: &str = "event";

/// The name of the record around it; what the elements were taken from is not there.
const RECORD: &str = "record";

/// What may be called; operators are not named by letters.
const FUNCTIONS: [&str; 18] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "has",
    "lower",
    "date",
    "days",
    "seconds",
    "millis",
    "micros",
];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let declared = [
        cel::add_overload!(env, fn lower: (CelString) -> CelString),
        cel::add_overload!(env, fn date: (CelString, CelString) -> Result<CelString>),
        cel::add_overload!(env, fn days: (CelInt) -> Result<CelString>),
        cel::add_overload!(env, fn seconds: (CelInt) -> Result<CelString>),
        cel::add_overload!(env, fn millis: (CelInt) -> Result<CelString>),
        cel::add_overload!(env, fn micros: (CelInt) -> Result<CelString>),
    ];
    debug_assert!(declared.iter().all(Result::is_ok), "the names are none of the standard library's");
    Arc::new(env)
});

/// A compiled expression.
#[derive(Clone)]
pub(super) struct Program {
    program: Arc<cel::Program>,
    named: Names,
}

impl Program {
    /// Compiles a text that is not too long.
    pub(super) fn compile(text: &str) -> Result<Self, Fault> {
        nesting(text)?;
        let program = ENV.compile(text).map_err(|errors| {
            let first = errors.errors.into_iter().next();
            let (at, message) = first.map_or((0, String::new()), |error| (offset(text, error.pos), error.msg));
            let message = message.trim_start_matches("Syntax error: ").lines().next().unwrap_or_default().to_owned();
            Fault::at(at, format!("is no CEL: {message}"))
                .with_remedy("a pointer begins with `/`; in CEL the element is called `event`, as in event.employee.id")
        })?;
        let nothing = || Named::Members(BTreeSet::new());
        let named = Names { event: nothing(), record: nothing() };
        let mut inspection = Inspection { text, source: program.source_info(), named };
        inspection.expression(program.expression(), &mut Vec::new(), Loops::None, DEPTH_MAX)?;
        Ok(Self { named: inspection.named, program: Arc::new(program) })
    }

    /// What it gives for an element. `place` names it in a refusal.
    pub(super) fn evaluate(&self, element: &Value, around: Option<Around<'_>>, place: &str) -> Result<Value, Reject> {
        let refused = |code, why: String| Reject::new(code, format!("`{place}` {why}"));
        let Some(context) = self.named.context(element, around) else {
            let why = format!("names more than {VALUES_MAX} values or {BYTES_MAX} bytes of the record");
            return Err(refused(RejectCode::TooLarge, why));
        };
        match self.program.execute(&context) {
            Ok(value) => value
                .json()
                .map_err(|_| refused(RejectCode::WrongType, "gives something that JSON does not have".to_owned())),
            Err(error) => {
                let code = match error {
                    ExecutionError::NoSuchKey(_) => RejectCode::MissingField,
                    ExecutionError::NoSuchOverload(_) => RejectCode::WrongType,
                    _ => RejectCode::InvalidValue,
                };
                Err(refused(code, self.why(&error)))
            }
        }
    }

    /// Why it failed. Most errors quote values; what is told here stands in the configuration or is a type.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it is another crate's, and may grow")]
    fn why(&self, error: &ExecutionError) -> String {
        match error {
            ExecutionError::NoSuchKey(name) if self.program.source_info().source.contains(name.as_str()) => {
                format!("asks for `{name}`, which is not there; ask has(…) first")
            }
            ExecutionError::NoSuchKey(_) => "asks for a member that is not there; ask has(…) first".to_owned(),
            ExecutionError::NoSuchOverload(error) => error.to_string(),
            ExecutionError::FunctionError { function, .. } => format!("cannot compute {function}(…) of what it finds"),
            ExecutionError::IndexOutOfBounds(_) => "asks for an item that a list does not have".to_owned(),
            _ => "cannot be computed from what the record holds".to_owned(),
        }
    }
}

/// What of a value an expression names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Members(BTreeSet<String>),
    All,
}

impl Named {
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Members(names) => names.contains(name),
            Self::All => true,
        }
    }

    fn add(&mut self, name: &str) {
        match self {
            Self::Members(names) => {
                names.insert(name.to_owned());
            }
            Self::All => {}
        }
    }
}

/// What an expression names, of the element and of what stands around it.
#[derive(Clone)]
struct Names {
    event: Named,
    record: Named,
}

impl Names {
    fn of(&mut self, variable: &str) -> Option<&mut Named> {
        match variable {
            EVENT => Some(&mut self.event),
            RECORD => Some(&mut self.record),
            _ => None,
        }
    }

    /// Makes what is named known to CEL, if it is not too large.
    fn context(&self, element: &Value, around: Option<Around<'_>>) -> Option<Context<'static, 'static>> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        let Around { record, inner } = around.unwrap_or(Around { record: element, inner: &Value::Null });
        let mut room = Room { values: VALUES_MAX, bytes: BYTES_MAX, without: inner };
        for (variable, value, named) in [(EVENT, element, &self.event), (RECORD, record, &self.record)] {
            let part = Part { value, without: inner, named };
            let fits = match value {
                Value::Object(members) => part.members(members).all(|(name, it)| room.takes(name) && room.holds(it)),
                other => room.holds(other),
            };
            if !fits {
                return None;
            }
            context.add_variable_from_value(variable, cel::to_value(part).unwrap_or(CelValue::Null));
        }
        Some(context)
    }
}

struct Room<'a> {
    values: usize,
    bytes: usize,
    /// Not counted.
    without: &'a Value,
}

impl Room<'_> {
    fn holds(&mut self, value: &Value) -> bool {
        if std::ptr::eq(self.without, value) {
            return true;
        }
        let Some(values) = self.values.checked_sub(1) else { return false };
        self.values = values;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => self.takes(text),
            Value::Array(items) => items.iter().all(|item| self.holds(item)),
            Value::Object(members) => members.iter().all(|(name, member)| self.takes(name) && self.holds(member)),
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.bytes.checked_sub(text.len());
        self.bytes = rest.unwrap_or(0);
        rest.is_some()
    }
}

/// Numbers as people write them in CEL: `1` is an int there, also where JSON's own reader calls it unsigned.
struct Part<'a> {
    value: &'a Value,
    /// Left out.
    without: &'a Value,
    /// Members that are there; those inside them all are.
    named: &'a Named,
}

impl<'a> Part<'a> {
    /// What is null is not there, so that `has` says of it what a pointer finds.
    fn members(&self, all: &'a Map<String, Value>) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        let Self { without, named, .. } = *self;
        let is_there = move |value: &Value| !value.is_null() && !std::ptr::eq(without, value);
        all.iter().filter(move |(name, value)| named.holds(name) && is_there(value))
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, without, .. } = *self;
        if std::ptr::eq(without, value) {
            return serializer.serialize_unit();
        }
        let inside = |value| Part { value, without, named: &Named::All };
        match value {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => number.serialize(serializer),
            },
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&inside(item))?;
                }
                list.end()
            }
            Value::Object(members) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, member) in self.members(members) {
                    map.serialize_entry(name, &inside(member))?;
                }
                map.end()
            }
            plain @ (Value::Null | Value::Bool(_) | Value::String(_)) => plain.serialize(serializer),
        }
    }
}

/// Looks through an expression for what is not known here or could take long.
struct Inspection<'p> {
    text: &'p str,
    source: &'p SourceInfo,
    named: Names,
}

/// Where in an expression one is, as far as macros go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loops {
    None,
    Inside,
}

impl Inspection<'_> {
    fn expression(&mut self, it: &IdedExpr, names: &mut Vec<String>, loops: Loops, depth: usize) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.fault(it, format!("is nested more than {DEPTH_MAX} levels deep")));
        };
        let mut inner = |it: &IdedExpr| self.expression(it, names, loops, depth);
        match &it.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.known(it, name, names),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if !names.contains(name) && self.named.of(name).is_some() => {
                    self.named.of(name).into_iter().for_each(|named| named.add(&select.field));
                    Ok(())
                }
                _ => self.expression(&select.operand, names, loops, depth),
            },
            Expr::List(list) => list.elements.iter().try_for_each(inner),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => inner(&entry.key).and_then(|()| inner(&entry.value)),
                EntryExpr::StructField(field) => inner(&field.value),
            }),
            Expr::Struct(_) => Err(self.fault(it, "makes an object of a type that is not known".to_owned())),
            Expr::Call(call) => {
                if call.func_name.starts_with(char::is_alphabetic) && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    let fault = self.call(it, call, format!("calls {:?}, which is not known", call.func_name));
                    return Err(fault.with_remedy(format!("known are {}", FUNCTIONS.join(", "))));
                }
                let given = call.args.len() + usize::from(call.target.is_some());
                if let Some(wanted) = arguments_of(&call.func_name).filter(|wanted| *wanted != given) {
                    let plural = if wanted == 1 { "" } else { "s" };
                    let message = format!("gives {} {given} of its {wanted} argument{plural}", call.func_name);
                    return Err(self.call(it, call, message));
                }
                let literal = |it: &IdedExpr| match &it.expr {
                    Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
                    _ => None,
                };
                let last = call.args.last().and_then(literal);
                if call.func_name == "matches" && loops == Loops::Inside {
                    return Err(self.call(
                        it,
                        call,
                        "calls matches(…) inside a macro, which could take too long".to_owned(),
                    ));
                }
                match (call.func_name.as_str(), &last) {
                    ("matches", None) => {
                        return Err(self.call(it, call, "takes the pattern of matches(…) from the record".to_owned()));
                    }
                    ("matches", Some(pattern)) if !is_pattern(pattern) => {
                        return Err(self.call(it, call, "gives matches(…) a pattern that is none".to_owned()));
                    }
                    ("date", Some(form)) if !is_form_of_dates(form) => {
                        let fault = self.call(it, call, "gives date(…) a form that no date has".to_owned());
                        return Err(fault.with_remedy("write day, month and year as in \"%d.%m.%Y\""));
                    }
                    _ => {}
                }
                call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(inner)
            }
            Expr::Comprehension(each) => {
                if loops == Loops::Inside {
                    let fault = self.fault(it, "has a macro inside another one, which could take too long".to_owned());
                    return Err(
                        fault.with_remedy("exists, all, exists_one, map and filter may stand side by side only")
                    );
                }
                let depth = depth.min(LOOP_DEPTH_MAX);
                let before = names.len();
                self.expression(&each.iter_range, names, Loops::Inside, depth)?;
                names.extend([each.iter_var.clone(), each.accu_var.clone()]);
                names.extend(each.iter_var2.clone());
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.expression(part, names, Loops::Inside, depth)?;
                }
                names.truncate(before);
                Ok(())
            }
        }
    }

    fn known(&mut self, it: &IdedExpr, name: &str, names: &[String]) -> Result<(), Fault> {
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        if let Some(named) = self.named.of(name) {
            *named = Named::All;
            return Ok(());
        }
        let fault = self.fault(it, format!("names {name:?}, which is not known"));
        Err(fault.with_remedy(format!(
            "the element is called `event`, as in event.{name}; a text stands in quotes: '{name}'"
        )))
    }

    /// A call stands where its bracket opens; what is meant is its name.
    fn call(&self, it: &IdedExpr, call: &CallExpr, message: String) -> Fault {
        let fault = self.fault(it, message);
        let at = self.text[..fault.at].rfind(&call.func_name).unwrap_or(fault.at);
        Fault { at, ..fault }
    }

    fn fault(&self, it: &IdedExpr, message: String) -> Fault {
        let at = self.source.offset_for(it.id).map_or(0, |(start, _)| start as usize);
        Fault::at(self.text.floor_char_boundary(at), message)
    }
}

/// How many arguments a function of ours takes, what it is called on included.
fn arguments_of(function: &str) -> Option<usize> {
    match function {
        "lower" | "days" | "seconds" | "millis" | "micros" => Some(1),
        "date" => Some(2),
        _ => None,
    }
}

/// Whether CEL's own `matches` takes a pattern.
fn is_pattern(pattern: &str) -> bool {
    static MATCHES: LazyLock<Option<cel::Program>> = LazyLock::new(|| ENV.compile("''.matches(pattern)").ok());
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.add_variable_from_value("pattern", pattern.to_owned());
    MATCHES.as_ref().is_some_and(|program| program.execute(&context).is_ok())
}

/// Whether a date that is written in this form is read from it again.
fn is_form_of_dates(form: &str) -> bool {
    let moment = Date::constant(2026, 5, 29).at(14, 3, 11, 0).in_tz("UTC");
    let written = moment.and_then(|moment| jiff::fmt::strtime::format(form, &moment));
    written.is_ok_and(|written| Date::strptime(form, written).is_ok_and(|date| date == Date::constant(2026, 5, 29)))
}

/// Refuses what its parser would need too much stack for.
fn nesting(text: &str) -> Result<(), Fault> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' | b'?' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Fault::at(at, format!("is nested more than {DEPTH_MAX} levels deep")));
        }
    }
    Ok(())
}

/// Line and column, counted from 1, as bytes.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let number = |it: isize| usize::try_from(it - 1).unwrap_or(0);
    let lines = text.split_inclusive('\n');
    let start: usize = lines.take(number(line)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(number(column)).map_or(rest.len(), |(at, _)| at)
}

fn lower(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_ascii_lowercase())
}

/// A civil date out of a text of another form. An empty text is no date, as everywhere.
fn date(text: &CelString<'_>, form: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    if text.inner().is_empty() {
        return Ok(CelString::from(String::new()));
    }
    let date = Date::strptime(form.inner(), text.inner());
    date.map(|date| CelString::from(date.to_string())).map_err(|_| failed("date"))
}

/// A civil date out of days since 1970-01-01.
fn days(count: &CelInt) -> Result<CelString<'static>, ExecutionError> {
    let span = jiff::Span::new().try_days(*count.inner()).map_err(|_| failed("days"))?;
    let date = Date::constant(1970, 1, 1).checked_add(span).map_err(|_| failed("days"))?;
    Ok(CelString::from(date.to_string()))
}

fn seconds(count: &CelInt) -> Result<CelString<'static>, ExecutionError> {
    moment("seconds", Timestamp::from_second(*count.inner()))
}

fn millis(count: &CelInt) -> Result<CelString<'static>, ExecutionError> {
    moment("millis", Timestamp::from_millisecond(*count.inner()))
}

fn micros(count: &CelInt) -> Result<CelString<'static>, ExecutionError> {
    moment("micros", Timestamp::from_microsecond(*count.inner()))
}

fn moment(function: &str, at: Result<Timestamp, jiff::Error>) -> Result<CelString<'static>, ExecutionError> {
    at.map(|at| CelString::from(at.to_string())).map_err(|_| failed(function))
}

fn failed(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, "out of range")
}

#[cfg(test)]
mod tests;
