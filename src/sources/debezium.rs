//! Debezium: changes of the rows of an HR table, in its envelope, unwrapped, or as CloudEvents. What counts is the change
//! of a row, not that it was touched; `docs/sources/debezium.md` has the table.

mod row;
mod table;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::Element;
use super::document::Place;
use super::mapping::in_order;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, not_ours};
use crate::model::event::{Action, IdentityChange, PersonEvent, SourceRef, Subject};

use row::{Day, Level, Row};
pub use table::Table;

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Debezium, "debezium", recognises, read);

/// What can become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Left,
    Dated,
    Undone,
    Passed,
    Renamed,
    Same,
    Unchanged,
    IsLeft,
    IsDated,
    IsStaying,
    SnapshotAhead,
    SnapshotStaying,
    Snapshot,
    Deleted,
}

/// What that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Something happened.
    Happened(Action),
    /// Something is so, and may have been so before.
    Is(Action),
    /// Nothing about leaving, because.
    Nothing(&'static str),
}

/// The cases, as `docs/sources/debezium.md` lists them.
const CASES: [(Case, &str, Says); 14] = [
    (Case::Left, "status becomes one of left", Says::Happened(Action::Deprovision)),
    (Case::Dated, "date appears or moves", Says::Happened(Action::Schedule)),
    (Case::Undone, "neither left nor a date that counts any more", Says::Happened(Action::Cancel)),
    (Case::Passed, "not left, and a date that has passed", Says::Nothing("active, although the date has passed")),
    (Case::Renamed, "address changes, and the rest means the same", Says::Happened(Action::IdentityUpdate)),
    (
        Case::Same,
        "status or date changes, and means the same",
        Says::Nothing("the status or the date changed, and means the same"),
    ),
    (Case::Unchanged, "none of these columns changes", Says::Nothing("none of the mapped columns changed")),
    (Case::IsLeft, "no before, left", Says::Is(Action::Deprovision)),
    (Case::IsDated, "no before, a date that counts", Says::Is(Action::Schedule)),
    (Case::IsStaying, "no before, neither left nor a date that counts", Says::Is(Action::Cancel)),
    (Case::SnapshotAhead, "snapshot, a date ahead of it", Says::Is(Action::Schedule)),
    (Case::SnapshotStaying, "snapshot, neither left nor a date of the last week or later", Says::Is(Action::Cancel)),
    (Case::Snapshot, "snapshot, left", Says::Nothing("a snapshot shows who had left before it, not who leaves")),
    (
        Case::Deleted,
        "delete",
        Says::Nothing("a row was deleted, which is no departure: retention and clean-ups delete rows"),
    ),
];

/// What the connector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Change,
    Snapshot,
    Delete,
    /// Truncations and messages.
    Other,
}

/// Attributes of the rows that ExtractNewRecordState leaves behind.
const MARKS: [&str; 2] = ["__deleted", "__op"];

fn recognises(value: &Value) -> bool {
    is_envelope(value) || MARKS.iter().any(|name| value.get(name).is_some_and(Value::is_string))
}

fn is_envelope(value: &Value) -> bool {
    let holds = |name: &str| value.get(name).is_some();
    // As CloudEvents the data holds the rows alone.
    let rows_alone = value.as_object().is_some_and(|members| members.len() == 2);
    holds("before") && holds("after") && (rows_alone || holds("op") && holds("source"))
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    // A row without marks is known by the configuration alone.
    let recognises: fn(&Value) -> bool = if rules.format == Format::Debezium { |_| true } else { recognises };
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    let (place, verdict) = match Record::of(element) {
        Ok(record) => (record.place.clone(), record.verdict(rules)),
        Err(reject) => (element.path.clone(), Err(reject)),
    };
    vec![Reading { element: element.name(&place), verdict: verdict.unwrap_or_else(Verdict::Reject) }]
}

fn ignored(reason: &'static str) -> Verdict {
    Verdict::Ignore { reason: reason.into(), about: None }
}

/// One record, whatever its form.
struct Record<'a> {
    element: &'a Element<'a>,
    operation: Operation,
    /// Where the row stands that speaks.
    place: Place,
    before: Option<Row<'a>>,
    /// The row as it is, or was before it was deleted.
    row: Option<Row<'a>>,
    /// Its position and time.
    source: Source<'a>,
}

/// What the connector says of the change itself, under the names of the form at hand.
#[derive(Default)]
struct Source<'a> {
    /// In the order of preference: `schema.table`, `db.table`.
    tables: Vec<String>,
    time: Option<(&'static str, &'a Value)>,
    position: Option<String>,
}

impl<'a> Record<'a> {
    fn of(element: &'a Element<'a>) -> Result<Self, Reject> {
        let path = &element.path;
        if element.value.is_null() {
            let (source, place) = (Source::default(), path.clone());
            return Ok(Self { element, operation: Operation::Delete, place, before: None, row: None, source });
        }
        let members = Members::of(element.value, "")?;
        if is_envelope(element.value) { Self::envelope(element, &members) } else { Self::unwrapped(element, &members) }
    }

    fn envelope(element: &'a Element<'a>, members: &Members<'a>) -> Result<Self, Reject> {
        // Debezium's own CloudEvents have all but the rows as attributes.
        let around = Members::of(element.record(), "")?;
        let operation = match (members.optional_str("op", TEXT_MAX)?, around.optional_str("iodebeziumop", TEXT_MAX)?) {
            (Some(word), _) | (None, Some(word)) => Operation::named(word),
            (None, None) => return Err(members.missing("op")),
        };
        let source = match members.optional_object("source")? {
            Some(source) => Source::of(&source, &Names::ENVELOPE),
            None => Source::of(&around, &Names::CLOUD_EVENT),
        };
        let row = |name: &'static str| -> Result<Option<Row<'a>>, Reject> {
            if !members.is_present(name) {
                return Ok(None);
            }
            Ok(Some(Row::new(members.object(name)?, element.record(), Some(name))))
        };
        let (before, after) = (row("before")?, row("after")?);
        let speaks = if operation == Operation::Delete { "before" } else { "after" };
        let place = element.path.key(speaks);
        let (before, row) = if operation == Operation::Delete { (None, before) } else { (before, after) };
        Ok(Self { element, operation, place, before, row, source })
    }

    fn unwrapped(element: &'a Element<'a>, members: &Members<'a>) -> Result<Self, Reject> {
        let deleted = match members.optional_str("__deleted", TEXT_MAX)? {
            Some("true") => true,
            Some("false") | None => false,
            Some(_) => return Err(members.invalid("__deleted", "is neither \"true\" nor \"false\"")),
        };
        let named = if members.is_present("__op") { members.optional_str("__op", TEXT_MAX)? } else { None };
        // Null when false.
        let snapshot = members.text_if_fit("__source_snapshot").is_some_and(|text| text != "false");
        let operation = match named.map_or(Operation::Change, Operation::named) {
            _ if deleted => Operation::Delete,
            Operation::Change if snapshot => Operation::Snapshot,
            named => named,
        };
        let row = Some(Row::new(members.clone(), element.record(), None));
        let source = Source::of(members, &Names::UNWRAPPED);
        Ok(Self { element, operation, place: element.path.clone(), before: None, row, source })
    }

    fn verdict(&self, rules: &Rules) -> Result<Verdict, Reject> {
        if self.operation == Operation::Other {
            return Ok(ignored("a truncation or a message, which is about no row"));
        }
        let Some(row) = &self.row else {
            return match self.operation {
                Operation::Delete => Ok(ignored("the row is gone, and nothing of it is told")),
                Operation::Change | Operation::Snapshot | Operation::Other => {
                    Err(Reject::new(RejectCode::MissingField, "`after` is missing"))
                }
            };
        };
        let Some(table) = self.table(rules)? else {
            return Ok(ignored("a table that no [[sources.tables]] names"));
        };
        let occurred_at = self.occurred_at()?;
        let (case, level) = self.case(row, table, rules, occurred_at)?;
        let (said, says) = case.meaning();
        let (action, is_level) = match says {
            Says::Happened(action) => (action, false),
            Says::Is(action) => (action, true),
            Says::Nothing(why) => return Ok(ignored(why)),
        };
        let tenant = rules.agreed_tenant(None, "")?;
        let system = table.system.as_ref().unwrap_or(&rules.name);
        let id = row.id(table)?;
        let emails = row.emails(table)?;
        let former = self.before.as_ref().filter(|_| case == Case::Renamed).and_then(|row| row.emails(table).ok());
        let identity_change = former.and_then(|former| {
            Some(IdentityChange { from: former.into_iter().next()?.value, to: emails.first()?.value.clone() })
        });
        let subject = Subject { emails, ..members::known_as(system, &tenant, "id", &id)? };
        let position = self.source.position.clone();
        let at = position.clone().unwrap_or_else(|| occurred_at.to_string());
        let event_type = format!("{}: {said}", table.name);
        let source = SourceRef::new(system, &tenant, &event_type, format!("{}:{id}:{at}", table.name));
        // Who is back or is called something else is so at once, whatever date their row still holds. Who stands there as
        // staying with the day that they were to leave on says nothing new.
        let dated = is_level || matches!(action, Action::Deprovision | Action::Schedule);
        let effective = level.date.filter(|_| dated).map(|date| date.effective(rules.boundary, rules));
        let event = PersonEvent::new(action, occurred_at, subject, source);
        Ok(Verdict::Event(Box::new(PersonEvent {
            effective,
            sequence: position,
            identity_change,
            level: is_level,
            ..event
        })))
    }

    fn case(
        &self,
        row: &Row<'_>,
        table: &Table,
        rules: &Rules,
        occurred_at: Timestamp,
    ) -> Result<(Case, Level), Reject> {
        let before = self.before.as_ref();
        let level = row.level(table, before, rules);
        match self.operation {
            // Columns of a deleted row may be filled with defaults, and none of those is a plausible date.
            Operation::Delete => {
                let left = level.ok().filter(|level| level.left && level.date.is_some());
                return Ok(left.map_or((Case::Deleted, Level::default()), |level| (Case::IsLeft, level)));
            }
            // Nor does it matter what cannot be read of rows that nobody touched.
            Operation::Snapshot => {
                let level = level.unwrap_or(Level { left: true, date: None });
                let case = match level.day(occurred_at, rules) {
                    Day::Ahead => Case::SnapshotAhead,
                    // Without a status a date that has passed says that they have left.
                    _ if level.left || table.status.is_none() && level.date.is_some() => Case::Snapshot,
                    Day::None | Day::LongPassed => Case::SnapshotStaying,
                    Day::Passed => Case::Passed,
                };
                return Ok((case, level));
            }
            Operation::Change | Operation::Other => {}
        }
        // Beside a status a date that has passed says little; where it stands alone it says that they have left.
        let day = |level: &Level| match level.day(occurred_at, rules) {
            Day::Passed | Day::LongPassed if table.status.is_none() => Day::Ahead,
            day => day,
        };
        let Some(before) = before else {
            let level = level?;
            let case = match day(&level) {
                _ if level.left => Case::IsLeft,
                Day::Ahead | Day::Passed => Case::IsDated,
                Day::None | Day::LongPassed => Case::IsStaying,
            };
            return Ok((case, level));
        };
        let (case, level) = if row.decides_as(before, table)? {
            (Case::Unchanged, Level::default())
        } else {
            let (level, was) = (level?, before.level(table, None, rules)?);
            let case = if was == level { Case::Same } else { changed(was.left, day(&was), level.left, day(&level)) };
            (case, level)
        };
        let (_, says) = case.meaning();
        if matches!(says, Says::Nothing(_)) {
            let now = row.emails(table)?;
            if !now.is_empty() && before.emails(table).ok().as_ref() != Some(&now) {
                return Ok((Case::Renamed, level));
            }
        }
        Ok((case, level))
    }

    /// The table of the row; when the record does not say which, the only one there is.
    fn table<'r>(&self, rules: &'r Rules) -> Result<Option<&'r Table>, Reject> {
        if rules.tables.is_empty() {
            return Err(Reject::new(
                RejectCode::Unrecognised,
                "the source has no [[sources.tables]] that says what its columns mean",
            ));
        }
        match (&self.source.tables[..], &rules.tables[..]) {
            ([], [only]) => Ok(Some(only)),
            ([], _) => Err(Reject::new(
                RejectCode::MissingField,
                "it does not say of which table it is, and the source has several; add `table` to `add.fields`",
            )),
            (names, tables) => Ok(tables.iter().find(|table| names.contains(&table.name))),
        }
    }

    /// When the change was committed.
    fn occurred_at(&self) -> Result<Timestamp, Reject> {
        let Some((name, value)) = self.source.time else {
            let missing = || Reject::new(RejectCode::MissingField, "it has no time of its own; add `source.ts_ms`");
            return self.element.arrived_at.ok_or_else(missing);
        };
        let millis = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let time = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let detail = || Reject::new(RejectCode::InvalidValue, format!("`{name}` is no time in milliseconds"));
        members::plausible_at(name, time.ok_or_else(detail)?)
    }
}

/// What became of a row that means something else than before.
fn changed(was_left: bool, was: Day, left: bool, is: Day) -> Case {
    match (was, is) {
        _ if left => Case::Left,
        (_, Day::Ahead) => Case::Dated,
        (_, Day::None) => Case::Undone,
        _ if was_left => Case::Undone,
        // Entered late, or moved to a day that has just passed.
        (Day::None | Day::Ahead | Day::LongPassed, Day::Passed) => Case::Dated,
        (Day::Ahead, Day::LongPassed) => Case::Undone,
        (Day::Passed, Day::Passed) | (Day::None | Day::Passed | Day::LongPassed, Day::LongPassed) => Case::Passed,
    }
}

impl Operation {
    fn named(word: &str) -> Self {
        match word {
            "c" | "u" => Self::Change,
            "r" => Self::Snapshot,
            "d" => Self::Delete,
            _ => Self::Other,
        }
    }
}

impl Case {
    /// Its name, and what it says.
    fn meaning(self) -> (&'static str, Says) {
        let row = CASES.iter().find(|row| row.0 == self).expect("every case stands in the table");
        (row.1, row.2)
    }
}

/// What the parts of a source are called.
struct Names {
    schema: &'static str,
    database: &'static str,
    table: &'static str,
    times: [&'static str; 2],
    positions: [&'static str; 4],
    log_file: &'static str,
}

impl Names {
    const ENVELOPE: Self = Self {
        schema: "schema",
        database: "db",
        table: "table",
        times: ["ts_ms", "ts_ms"],
        positions: ["lsn", "pos", "scn", "commit_lsn"],
        log_file: "file",
    };
    const CLOUD_EVENT: Self = Self {
        schema: "iodebeziumschema",
        database: "iodebeziumdb",
        table: "iodebeziumtable",
        times: ["iodebeziumtsms", "iodebeziumtsms"],
        positions: ["iodebeziumlsn", "iodebeziumpos", "iodebeziumscn", "iodebeziumcommitlsn"],
        log_file: "iodebeziumfile",
    };
    const UNWRAPPED: Self = Self {
        schema: "__source_schema",
        database: "__source_db",
        table: "__source_table",
        times: ["__source_ts_ms", "__ts_ms"],
        positions: ["__source_lsn", "__source_pos", "__source_scn", "__source_commit_lsn"],
        log_file: "__source_file",
    };
}

impl<'a> Source<'a> {
    fn of(members: &Members<'a>, names: &Names) -> Self {
        let text = |name: &str| members.text_if_fit(name);
        let tables = text(names.table).or_else(|| text("__table")).map_or_else(Vec::new, |table| {
            let within = [text(names.schema), text(names.database)].into_iter().flatten();
            within.map(|outer| format!("{outer}.{table}")).chain([table.clone()]).collect()
        });
        let held = |name: &&'static str| members.is_present(name);
        let time = names.times.iter().copied().find(|name| held(name));
        let time = time.and_then(|name| Some((name, members.required(name).ok()?)));
        let positions = names.positions.iter().filter(|name| held(name)).filter_map(|name| members.required(name).ok());
        let position = positions.filter_map(|value| match value {
            Value::String(text) => Some(text.clone()).filter(|text| text.len() <= TEXT_MAX),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let position = position.map(|position| in_order(&position)).next();
        let position = position.map(|position| match text(names.log_file) {
            Some(file) => format!("{file}:{position}"),
            None => position,
        });
        Self { tables, time, position: position.filter(|text| !text.chars().any(char::is_control)) }
    }
}
