//! Avro's binary encoding, by the schema that a value was written with.
//!
//! A reader of our own: the one at hand takes a value that ends early for one whose rest is null, keeps the last of two
//! equal keys of a map, passes over what stands behind the value, and bounds neither depth nor the whole.
//!
//! | Avro | here |
//! | --- | --- |
//! | record, map | object; a key that a map has twice is refused like one in JSON |
//! | union | the value alone, without the name of its branch |
//! | enum | the symbol |
//! | bytes, fixed, duration | base64 |
//! | decimal | the exact number as a text: `"1234.50"` |
//! | date | `"2026-05-29"` |
//! | time-millis, time-micros | `"14:03:11.902"` |
//! | timestamp-millis, -micros, -nanos | `"2026-05-29T14:03:11.902Z"` |
//! | local-timestamp-… | the same without `Z` |
//! | uuid | its text |
//!
//! A date or time that no calendar has (years beyond 9999) stays the number that it is.

mod parse;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::{SchemaText, base64, varint, zigzag};
use crate::sources::VALUE_BYTES_MAX;
use crate::sources::document::{DEPTH_MAX, Document, Path, Place, REPEATED_MAX};
use crate::sources::verdict::{Reject, RejectCode};

/// Longest decimal that is read, in bytes: 38 digits, as many as databases have.
const DECIMAL_BYTES_MAX: usize = 16;

/// A schema: its types, which name each other by index, because they may contain themselves.
#[derive(Debug)]
pub(super) struct Avro {
    types: Vec<Type>,
    root: usize,
}

#[derive(Debug)]
enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<(String, usize)>),
    Date,
    /// Time of day, in so many units a second.
    Time(i64),
    /// A moment, in so many units a second.
    Timestamp(i64),
    /// The same without a zone.
    LocalTimestamp(i64),
    /// With so many digits behind the point; of that length, or `None` = as long as it says.
    Decimal {
        scale: usize,
        length: Option<usize>,
    },
    /// In 16 bytes.
    Uuid,
}

impl Avro {
    /// Reads the schema. What is wrong with it is a phrase that quotes only the schema.
    pub(super) fn compile(schema: &SchemaText) -> Result<Self, String> {
        parse::parse(schema)
    }

    pub(super) fn decode(&self, body: &[u8]) -> Result<Document, Reject> {
        let mut reader = Reader { types: &self.types, rest: body, room: VALUE_BYTES_MAX, repeated: Vec::new() };
        let root = reader.value(self.root, &Path::Root, 0)?;
        if !reader.rest.is_empty() {
            let detail = format!("{} bytes are left behind the value that the schema describes", reader.rest.len());
            return Err(Reject::new(RejectCode::Undecodable, detail));
        }
        Ok(Document { root, repeated: reader.repeated })
    }
}

struct Reader<'a> {
    types: &'a [Type],
    rest: &'a [u8],
    /// What may still come: as JSON it would have been refused for its length. An empty item takes no byte of the body.
    room: usize,
    repeated: Vec<Place>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, index: usize, path: &Path<'_>, depth: usize) -> Result<Value, Reject> {
        self.take_room(1, path)?;
        let types = self.types;
        Ok(match &types[index] {
            Type::Null => Value::Null,
            Type::Boolean => match self.bytes(1, path)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(undecodable("neither true nor false", path)),
            },
            Type::Int => Value::from(self.int(path)?),
            Type::Long => Value::from(self.long(path)?),
            Type::Float => number(f64::from(f32::from_le_bytes(self.array(path)?)), path)?,
            Type::Double => number(f64::from_le_bytes(self.array(path)?), path)?,
            Type::Bytes => {
                let bytes = self.counted(path)?;
                self.base64(bytes, path)?
            }
            Type::Fixed(length) => {
                let bytes = self.bytes(*length, path)?;
                self.base64(bytes, path)?
            }
            Type::String => Value::String(self.text(path)?),
            Type::Enum(symbols) => {
                let symbol = usize::try_from(self.int(path)?).ok().and_then(|at| symbols.get(at));
                let symbol = symbol.ok_or_else(|| undecodable("a symbol that the schema does not have", path))?;
                self.take_room(symbol.len(), path)?;
                Value::String(symbol.clone())
            }
            Type::Union(branches) => {
                let branch = usize::try_from(self.long(path)?).ok().and_then(|at| branches.get(at));
                let branch = branch.ok_or_else(|| undecodable("a branch that the union does not have", path))?;
                self.value(*branch, path, depth)?
            }
            Type::Record(fields) => {
                let depth = below(path, depth)?;
                let mut object = Map::new();
                for (name, field) in fields {
                    self.take_room(name.len(), path)?;
                    let value = self.value(*field, &Path::Key(path, name), depth)?;
                    object.insert(name.clone(), value);
                }
                Value::Object(object)
            }
            Type::Array(items) => {
                let depth = below(path, depth)?;
                let mut list = Vec::new();
                self.blocks(path, |reader| {
                    let value = reader.value(*items, &Path::Index(path, list.len()), depth)?;
                    list.push(value);
                    Ok(())
                })?;
                Value::Array(list)
            }
            Type::Map(values) => {
                let depth = below(path, depth)?;
                let mut object = Map::new();
                self.blocks(path, |reader| {
                    let key = reader.text(path)?;
                    let here = Path::Key(path, &key);
                    let value = reader.value(*values, &here, depth)?;
                    if !object.contains_key(&key) {
                        object.insert(key, value);
                    } else if reader.repeated.len() == REPEATED_MAX {
                        let detail = format!("more than {REPEATED_MAX} keys stand more than once");
                        return Err(Reject::new(RejectCode::DuplicateKey, detail));
                    } else {
                        reader.repeated.push(here.place());
                    }
                    Ok(())
                })?;
                Value::Object(object)
            }
            Type::Date => {
                let days = i64::from(self.int(path)?);
                let date = Span::new().try_days(days).and_then(|days| Date::constant(1970, 1, 1).checked_add(days));
                date.map_or_else(|_| Value::from(days), |date| Value::String(date.to_string()))
            }
            Type::Time(per_second) => {
                // Milliseconds are an int, microseconds a long, which to read is the same.
                let time = self.long(path)?;
                let shown = (0..86_400 * per_second).contains(&time).then(|| duration(time, *per_second));
                let shown = shown.and_then(|since| Time::midnight().checked_add(since).ok());
                shown.map_or_else(|| Value::from(time), |shown| Value::String(shown.to_string()))
            }
            Type::Timestamp(per_second) => {
                let moment = self.long(path)?;
                let shown = Timestamp::from_duration(duration(moment, *per_second));
                shown.map_or_else(|_| Value::from(moment), |shown| Value::String(shown.to_string()))
            }
            Type::LocalTimestamp(per_second) => {
                let moment = self.long(path)?;
                let shown = Timestamp::from_duration(duration(moment, *per_second));
                let shown = shown.map(|shown| TimeZone::UTC.to_datetime(shown).to_string());
                shown.map_or_else(|_| Value::from(moment), Value::String)
            }
            Type::Decimal { scale, length } => {
                let bytes = match length {
                    Some(length) => self.bytes(*length, path)?,
                    None => self.counted(path)?,
                };
                if bytes.len() > DECIMAL_BYTES_MAX {
                    return Err(undecodable("a decimal of more than 38 digits", path));
                }
                let text = decimal(bytes, *scale);
                self.take_room(text.len(), path)?;
                Value::String(text)
            }
            Type::Uuid => Value::String(Uuid::from_bytes(self.array(path)?).to_string()),
        })
    }

    /// Arrays and maps come in blocks, each with its count. A negative count is followed by the length of the block.
    fn blocks(&mut self, path: &Path<'_>, mut each: impl FnMut(&mut Self) -> Result<(), Reject>) -> Result<(), Reject> {
        loop {
            let count = self.long(path)?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long(path)?;
            }
            for _ in 0..count.unsigned_abs() {
                each(self)?;
            }
        }
    }

    fn long(&mut self, path: &Path<'_>) -> Result<i64, Reject> {
        let (number, rest) = varint(self.rest).ok_or_else(|| undecodable("no whole number", path))?;
        self.rest = rest;
        Ok(zigzag(number))
    }

    fn int(&mut self, path: &Path<'_>) -> Result<i32, Reject> {
        i32::try_from(self.long(path)?).map_err(|_| undecodable("a number of more than 32 bits", path))
    }

    fn bytes(&mut self, length: usize, path: &Path<'_>) -> Result<&'a [u8], Reject> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| undecodable("cut off", path))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, path: &Path<'_>) -> Result<[u8; N], Reject> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| undecodable("cut off", path))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn counted(&mut self, path: &Path<'_>) -> Result<&'a [u8], Reject> {
        let length = self.long(path)?;
        self.bytes(usize::try_from(length).map_err(|_| undecodable("of a negative length", path))?, path)
    }

    fn text(&mut self, path: &Path<'_>) -> Result<String, Reject> {
        let bytes = self.counted(path)?;
        self.take_room(bytes.len(), path)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Reject::new(RejectCode::InvalidUtf8, format!("not UTF-8 at `{}`", path.place())))
    }

    fn base64(&mut self, bytes: &[u8], path: &Path<'_>) -> Result<Value, Reject> {
        self.take_room(bytes.len().div_ceil(3) * 4, path)?;
        Ok(base64(bytes))
    }

    fn take_room(&mut self, bytes: usize, path: &Path<'_>) -> Result<(), Reject> {
        self.room = self.room.checked_sub(bytes).ok_or_else(|| {
            let place = path.place();
            Reject::new(RejectCode::TooLarge, format!("at `{place}` it is longer than {VALUE_BYTES_MAX} bytes decoded"))
        })?;
        Ok(())
    }
}

fn below(path: &Path<'_>, depth: usize) -> Result<usize, Reject> {
    if depth == DEPTH_MAX {
        let detail = format!("nested more than {DEPTH_MAX} levels deep at `{}`", path.place());
        return Err(Reject::new(RejectCode::TooDeep, detail));
    }
    Ok(depth + 1)
}

fn undecodable(what: &str, path: &Path<'_>) -> Reject {
    Reject::new(RejectCode::Undecodable, format!("{what} at `{}`: not what the schema describes", path.place()))
}

fn number(number: f64, path: &Path<'_>) -> Result<Value, Reject> {
    let number = Number::from_f64(number).ok_or_else(|| undecodable("infinite or not a number", path))?;
    Ok(Value::Number(number))
}

fn duration(units: i64, per_second: i64) -> SignedDuration {
    let nanoseconds = units.rem_euclid(per_second) * (1_000_000_000 / per_second);
    SignedDuration::from_secs(units.div_euclid(per_second)) + SignedDuration::from_nanos(nanoseconds)
}

/// A two's complement number, the highest byte first, at most 16 of them, with the point where the scale says.
fn decimal(bytes: &[u8], scale: usize) -> String {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1_i128 } else { 0 };
    let number = bytes.iter().fold(start, |number, byte| number << 8 | i128::from(*byte));
    let mut digits = number.unsigned_abs().to_string();
    if scale > 0 {
        digits = format!("{digits:0>width$}", width = scale + 1);
        digits.insert(digits.len() - scale, '.');
    }
    if negative { format!("-{digits}") } else { digits }
}

#[cfg(test)]
mod tests;
