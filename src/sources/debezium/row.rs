//! One row: who it is about, and what it says of their leaving.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::table::{DateAs, Table};
use crate::model::Email;
use crate::model::event::{Address, AddressKind, NEWS};
use crate::sources::Rules;
use crate::sources::dates::{self, MomentOrDate};
use crate::sources::expression::{another_type, scalar};
use crate::sources::members::Members;
use crate::sources::verdict::{Reject, RejectCode};

/// What stands for a large value that did not change.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// PostgreSQL's `infinity` as a number of days.
const INFINITY_DAYS: i64 = -2_147_472_692;

/// Dates beyond are ways to write "never".
const YEAR_MAX: i16 = 2100;

/// Dates before are defaults and mistakes, not departures that are still to be acted on.
const YEAR_MIN: i16 = 2000;

/// What a row says of somebody's leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Level {
    /// The status is one of those that mean left.
    pub(super) left: bool,
    /// The last day.
    pub(super) date: Option<MomentOrDate>,
}

/// How the last day lies to the moment at which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    None,
    Ahead,
    /// Within the last week: it may have been entered late.
    Passed,
    /// A contract, or an employment, of earlier times.
    LongPassed,
}

impl Level {
    pub(super) fn day(&self, told_at: Timestamp, rules: &Rules) -> Day {
        let Some(date) = self.date else { return Day::None };
        match date.at(rules.boundary, rules) {
            Some(at) if told_at.duration_since(at) > NEWS => Day::LongPassed,
            Some(at) if at <= told_at => Day::Passed,
            Some(_) | None => Day::Ahead,
        }
    }
}

/// A row, and what is known of its columns' types.
pub(super) struct Row<'a> {
    columns: Members<'a>,
    record: &'a Value,
    /// Its name in the envelope.
    name: Option<&'static str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: Members<'a>, record: &'a Value, name: Option<&'static str>) -> Self {
        Self { columns, record, name }
    }

    /// The id of whoever it is about.
    pub(super) fn id(&self, table: &Table) -> Result<String, Reject> {
        let value = self.columns.required(&table.id)?;
        scalar(value, &self.columns.place(&table.id))?.ok_or_else(|| self.columns.missing(&table.id))
    }

    /// Their addresses.
    pub(super) fn emails(&self, table: &Table) -> Result<Vec<Address>, Reject> {
        let mut found = Vec::new();
        for column in &table.emails {
            let place = self.columns.place(column);
            let value = self.columns.required(column)?;
            let Some(text) = scalar(value, &place)?.filter(|text| text != UNAVAILABLE) else { continue };
            let value = Email::parse(&text)
                .map_err(|error| Reject::new(RejectCode::InvalidAddress, format!("`{place}`: {error}")))?;
            found.push(Address { value, kind: AddressKind::Work, primary: None });
        }
        Ok(found)
    }

    /// Whether the columns that decide are the same in both: then it matters not what they hold.
    pub(super) fn decides_as(&self, before: &Self, table: &Table) -> Result<bool, Reject> {
        let mut deciding = table.status.iter().chain(&table.date);
        deciding.try_fold(true, |same, column| {
            let (now, then) = (self.column(column, Some(before))?.0, before.column(column, None)?.0);
            Ok(same && now == then)
        })
    }

    /// What it says. A large value that did not change stands in `before` only.
    pub(super) fn level(&self, table: &Table, before: Option<&Self>, rules: &Rules) -> Result<Level, Reject> {
        let left = match &table.status {
            Some(column) => {
                let (value, place) = self.column(column, before)?;
                let said = match value {
                    Value::Bool(flag) => Some(flag.to_string()),
                    value => scalar(value, &place)?,
                };
                said.is_some_and(|said| table.left.iter().any(|left| unpadded(left) == unpadded(&said)))
            }
            None => false,
        };
        let date = match &table.date {
            Some(column) => {
                let (value, place) = self.column(column, before)?;
                self.date(value, &place, column, table, rules)?
            }
            None => None,
        };
        Ok(Level { left, date })
    }

    fn column(&self, column: &str, before: Option<&Self>) -> Result<(&'a Value, String), Reject> {
        let place = self.columns.place(column);
        let value = self.columns.required(column)?;
        if value.as_str() != Some(UNAVAILABLE) {
            return Ok((value, place));
        }
        match before {
            Some(before) => before.column(column, None),
            None => {
                let detail = format!("`{place}` is not told because it did not change; set REPLICA IDENTITY FULL");
                Err(Reject::new(RejectCode::MissingField, detail))
            }
        }
    }

    fn date(
        &self,
        value: &Value,
        place: &str,
        column: &str,
        table: &Table,
        rules: &Rules,
    ) -> Result<Option<MomentOrDate>, Reject> {
        let invalid = |why: &str| Reject::new(RejectCode::InvalidValue, format!("`{place}` {why}"));
        let found = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => {
                let found = dates::moment_or_date(text, &rules.zone);
                found.ok_or_else(|| invalid("is neither a date nor an RFC 3339 time"))?
            }
            Value::Number(number) => {
                let count = number.as_i64().ok_or_else(|| another_type(place, "a whole number", value))?;
                let unit = self.type_of(column).or(table.date_as).ok_or_else(|| {
                    invalid("is a number, and nothing says of what; set `date_as` of its [[sources.tables]]")
                })?;
                if (unit, count) == (DateAs::Days, INFINITY_DAYS) {
                    return Ok(None);
                }
                counted(count, unit, &rules.zone).ok_or_else(|| invalid("is out of range"))?
            }
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(another_type(place, "a date", value)),
        };
        match found.year() {
            year if year > YEAR_MAX => Ok(None),
            year if year < YEAR_MIN => Err(invalid(&format!("lies before the year {YEAR_MIN}"))),
            _ => Ok(Some(found)),
        }
    }

    /// What the schema beside the payload says that the numbers of a column are.
    fn type_of(&self, column: &str) -> Option<DateAs> {
        let schema = self.record.get("schema").or_else(|| self.record.pointer("/data/schema"))?;
        let field = |schema: &'a Value, name: &str| {
            schema.get("fields")?.as_array()?.iter().find(|field| field.get("field").is_some_and(|it| it == name))
        };
        let columns = match self.name {
            Some(name) => field(schema, name)?,
            None => schema,
        };
        DateAs::of_type(field(columns, column)?.get("name")?.as_str()?)
    }
}

/// A text as it was before a column of fixed length (`CHAR(n)`) filled it up with blanks.
fn unpadded(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// A count since 1970-01-01. Columns of these types know no zone: what they count is a clock on the wall.
fn counted(count: i64, unit: DateAs, zone: &TimeZone) -> Option<MomentOrDate> {
    let moment = match unit {
        DateAs::Days => {
            let date = Date::constant(1970, 1, 1).checked_add(Span::new().try_days(count).ok()?).ok()?;
            return Some(MomentOrDate::Date(date));
        }
        DateAs::Millis => Timestamp::from_millisecond(count).ok()?,
        DateAs::Micros => Timestamp::from_microsecond(count).ok()?,
        DateAs::Nanos => Timestamp::from_nanosecond(i128::from(count)).ok()?,
    };
    let wall = TimeZone::UTC.to_datetime(moment);
    if wall.time() == jiff::civil::Time::midnight() {
        return Some(MomentOrDate::Date(wall.date()));
    }
    zone.to_timestamp(wall).ok().map(MomentOrDate::Moment)
}
