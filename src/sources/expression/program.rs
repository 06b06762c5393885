//! CEL in a mapping: what it may say, so that it ends soon whatever a record holds, and what it may tell of the record
//! when it fails, which is nothing.
//!
//! CEL has no loops but its macros (`exists`, `map`, …). One of them inside another would take time, and with `+` memory,
//! without bound: refused. So is a pattern that comes from the record. What is left is at most as many steps as the
//! text has for each item of a list of an element, and elements have a limit.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelInt, CelString};
use cel::{Context, Env, ExecutionError, Value as CelValue};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Fault;
use crate::sources::carrier::Around;
use crate::sources::verdict::{Reject, RejectCode};

/// Most values that an element may hold where CEL is used, those inside others included.
const VALUES_MAX: usize = 2_000;

/// Longest sum of its texts and names, in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting of an expression: evaluating it takes stack.
const DEPTH_MAX: usize = 48;

/// The same of what stands around the elements; it is made known anew to each of them.
const AROUND_VALUES_MAX: usize = 200;
const AROUND_BYTES_MAX: usize = 8 * 1024;

/// The name of the element.
const EVENT: &str = "event";

/// The name of the record around it; what the elements were taken from is null there.
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
pub(super) struct Program(Arc<cel::Program>);

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
        let inspection = Inspection { text, source: program.source_info() };
        inspection.expression(program.expression(), &mut Vec::new(), Loops::None, DEPTH_MAX)?;
        Ok(Self(Arc::new(program)))
    }

    /// What it gives for an element. `place` names it in a refusal.
    pub(super) fn evaluate(&self, scope: &Scope, place: &str) -> Result<Value, Reject> {
        let refused = |code, why: String| Reject::new(code, format!("`{place}` {why}"));
        match self.0.execute(&scope.0) {
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
            ExecutionError::NoSuchKey(name) if self.0.source_info().source.contains(name.as_str()) => {
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

/// An element as CEL sees it.
pub(super) struct Scope(Context<'static, 'static>);

impl Scope {
    /// Makes an element and what stands around it known to CEL, if they are not too large.
    pub(super) fn of(element: &Value, around: Option<Around<'_>>) -> Result<Self, Reject> {
        let too_large = |what: &str, values: usize, bytes: usize| {
            let detail = format!("{what} of more than {values} values or {bytes} bytes is not given to CEL");
            Err(Reject::new(RejectCode::TooLarge, detail))
        };
        let mut room = Room { values: VALUES_MAX, bytes: BYTES_MAX, without: None };
        if !room.holds(element) {
            return too_large("an element", VALUES_MAX, BYTES_MAX);
        }
        let Around { record, inner } = around.unwrap_or(Around { record: &Value::Null, inner: element });
        let mut room = Room { values: AROUND_VALUES_MAX, bytes: AROUND_BYTES_MAX, without: Some(inner) };
        if !room.holds(record) {
            return too_large("what stands around the elements,", AROUND_VALUES_MAX, AROUND_BYTES_MAX);
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        let known = |value: &Value, without| cel::to_value(Numbers { value, without }).unwrap_or(CelValue::Null);
        context.add_variable_from_value(EVENT, known(element, None));
        context.add_variable_from_value(RECORD, known(record, Some(inner)));
        Ok(Self(context))
    }
}

struct Room<'a> {
    values: usize,
    bytes: usize,
    /// Not counted.
    without: Option<&'a Value>,
}

impl Room<'_> {
    fn holds(&mut self, value: &Value) -> bool {
        if self.without.is_some_and(|without| std::ptr::eq(without, value)) {
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
struct Numbers<'a> {
    value: &'a Value,
    /// Null instead.
    without: Option<&'a Value>,
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, without } = *self;
        if without.is_some_and(|without| std::ptr::eq(without, value)) {
            return serializer.serialize_unit();
        }
        match value {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => number.serialize(serializer),
            },
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Numbers { value: item, without })?;
                }
                list.end()
            }
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(name, &Numbers { value: member, without })?;
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
}

/// Where in an expression one is, as far as macros go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loops {
    None,
    Inside,
}

impl Inspection<'_> {
    fn expression(&self, it: &IdedExpr, names: &mut Vec<String>, loops: Loops, depth: usize) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.fault(it, format!("is nested more than {DEPTH_MAX} levels deep")));
        };
        let mut inner = |it: &IdedExpr| self.expression(it, names, loops, depth);
        match &it.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.known(it, name, names),
            Expr::Select(select) => inner(&select.operand),
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
                let literal = |it: &IdedExpr| matches!(it.expr, Expr::Literal(LiteralValue::String(_)));
                if call.func_name == "matches" && !call.args.last().is_some_and(literal) {
                    return Err(self.call(it, call, "takes the pattern of matches(…) from the record".to_owned()));
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

    fn known(&self, it: &IdedExpr, name: &str, names: &[String]) -> Result<(), Fault> {
        if [EVENT, RECORD].contains(&name) || names.iter().any(|known| known == name) {
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
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: &str) -> (usize, String) {
        let fault = Program::compile(text).err().unwrap_or_else(|| panic!("{text} compiles"));
        (fault.at, fault.message)
    }

    fn value(text: &str, element: &Value) -> Result<Value, Reject> {
        Program::compile(text).unwrap().evaluate(&Scope::of(element, None)?, "mapping.id")
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
        ] {
            let (found, said) = fault(text);
            assert!(said.starts_with(message), "{text}: {said}");
            assert_eq!(found, at, "{text}");
        }
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
                    let _ = program.evaluate(&Scope::of(&json!({ "a": 1 }), None).unwrap(), "id");
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
            "date(event.text, '%Y')",
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
        let record = json!({ "sent": 1, "list": vec![json!({ "a": "x" }); AROUND_VALUES_MAX] });
        let around = Some(Around { record: &record, inner: &record["list"] });
        let value = |text: &str| {
            let scope = Scope::of(&record["list"][0], around).unwrap();
            Program::compile(text).unwrap().evaluate(&scope, "id").unwrap()
        };
        assert_eq!(value("event.a + string(record.sent)"), json!("x1"));
        assert_eq!(value("record.list"), Value::Null);
        let around = Some(Around { record: &record, inner: &record["sent"] });
        assert_eq!(Scope::of(&record["list"][0], around).err().unwrap().code, RejectCode::TooLarge);
    }

    #[test]
    fn a_large_element_is_refused() {
        let many = json!({ "list": vec![0; VALUES_MAX] });
        let long = json!({ "text": "x".repeat(BYTES_MAX + 1) });
        for element in [many, long] {
            assert_eq!(value("1", &element).unwrap_err().code, RejectCode::TooLarge);
        }
        assert!(value("size(event.list)", &json!({ "list": vec![0; VALUES_MAX - 2] })).is_ok());
    }
}
