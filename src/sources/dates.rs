//! Dates and times as HR systems write them. The last day of somebody is a date: it has no time and mostly no zone, so the
//! rules of the source say where it is read and that it is worked to its end.

use jiff::civil::{self, Date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::members::{self, Members, TEXT_MAX, rfc3339};
use super::verdict::Reject;
use crate::model::event::{Basis, Boundary, Effective};

/// "Never", in many exports.
const NEVER: Date = civil::date(9999, 12, 31);

/// At a fixed offset all days are of one length.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The day of a termination.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Day {
    /// As an event says it.
    pub(super) effective: Effective,
    /// The same as a moment.
    pub(super) at: Timestamp,
}

/// When somebody leaves, as sources that know days write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MomentOrDate {
    Moment(Timestamp),
    /// A day that the zone of the rules makes a moment.
    Date(Date),
    /// A day at an offset of its own.
    DateAt {
        date: Date,
        begins: Timestamp,
    },
}

/// Reads one, as the rules of a source do in their zone; `None` = it is neither.
///
/// | written | meant |
/// | --- | --- |
/// | `2026-06-30` | the day in the zone of the rules |
/// | `2026-06-30T00:00:00`, with `Z` or without | the same: midnight UTC is what programs make of a date |
/// | `2026-06-30-07:00`, `2026-06-30T00:00:00-07:00` | the day at its own offset |
/// | `2026-06-29T22:00:00Z`, in `Europe/Berlin` | the day that begins then in the zone of the rules |
/// | `2026-06-30T17:00:00-07:00` | that moment |
pub(super) fn moment_or_date(text: &str, zone: &TimeZone) -> Option<MomentOrDate> {
    let (date, rest) = text.split_at_checked(10)?;
    let date = members::date(date)?;
    match offset_of_midnight(rest) {
        Some("" | "Z" | "+00:00") => Some(MomentOrDate::Date(date)),
        Some(offset) => {
            let begins = rfc3339(&format!("{date}T00:00:00{offset}"))?;
            Some(MomentOrDate::DateAt { date, begins })
        }
        None => {
            let at = rfc3339(text)?;
            Some(day_begun_at(at, zone).map_or(MomentOrDate::Moment(at), MomentOrDate::Date))
        }
    }
}

/// The day that begins at a moment: what is written in UTC was perhaps midnight in a table of dates with zone.
fn day_begun_at(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    let date = zone.to_datetime(at).date();
    (zone.to_timestamp(date.at(0, 0, 0, 0)).ok()? == at).then_some(date)
}

impl MomentOrDate {
    /// The date, as far as it is one.
    fn date(self) -> Option<Date> {
        match self {
            Self::Moment(_) => None,
            Self::Date(date) | Self::DateAt { date, .. } => Some(date),
        }
    }

    /// Its year; of a moment, in UTC.
    pub(super) fn year(self) -> i16 {
        match self {
            Self::Moment(at) => TimeZone::UTC.to_datetime(at).year(),
            Self::Date(date) | Self::DateAt { date, .. } => date.year(),
        }
    }

    /// When that is; `None` = out of range.
    pub(super) fn at(self, boundary: Boundary, rules: &Rules) -> Option<Timestamp> {
        match (self, boundary) {
            (Self::Moment(at), _) | (Self::DateAt { begins: at, .. }, Boundary::StartOfDay) => Some(at),
            (Self::DateAt { begins, .. }, Boundary::EndOfDay) => begins.checked_add(DAY).ok(),
            (Self::Date(date), Boundary::StartOfDay) => rules.zone.to_timestamp(date.at(0, 0, 0, 0)).ok(),
            (Self::Date(date), Boundary::EndOfDay) => {
                rules.zone.to_timestamp(date.tomorrow().ok()?.at(0, 0, 0, 0)).ok()
            }
        }
    }

    /// For the event. A date takes the zone and the boundary with it.
    pub(super) fn effective(self, boundary: Boundary, rules: &Rules) -> Effective {
        match self {
            Self::Moment(_) | Self::DateAt { .. } => {
                Effective { at: self.at(boundary, rules), date: None, timezone: None, boundary: None, basis: None }
            }
            Self::Date(date) => Effective {
                at: None,
                date: Some(date),
                timezone: rules.zone.iana_name().map(ToOwned::to_owned),
                boundary: Some(boundary),
                basis: None,
            },
        }
    }
}

/// The day that a member names, as [`moment_or_date`] reads it; `None` = it is absent, blank, or "never".
pub(super) fn day(members: &Members<'_>, name: &str, boundary: Boundary, rules: &Rules) -> Result<Option<Day>, Reject> {
    let Some(text) = members.filled_str(name)? else { return Ok(None) };
    let invalid = || members.invalid(name, "is neither a date YYYY-MM-DD nor a time with its offset");
    let found = moment_or_date(text, &rules.zone).ok_or_else(invalid)?;
    if found.date() == Some(NEVER) {
        return Ok(None);
    }
    let at = members.plausible(name, found.at(boundary, rules).ok_or_else(invalid)?)?;
    let effective = Effective { basis: Some(Basis::TerminationDate), ..found.effective(boundary, rules) };
    Ok(Some(Day { effective, at }))
}

/// The offset behind a date, or behind a date at midnight; `None` = behind another time.
fn offset_of_midnight(rest: &str) -> Option<&str> {
    let Some(time) = rest.strip_prefix('T') else { return Some(rest) };
    let rest = time.strip_prefix("00:00:00")?;
    let rest = rest.strip_prefix('.').map_or(rest, |fraction| fraction.trim_start_matches('0'));
    (!rest.starts_with(|digit: char| digit.is_ascii_digit())).then_some(rest)
}

/// A time: RFC 3339, also with an offset `+0000`. One without an offset is read in the zone of the rules.
pub(super) fn time(members: &Members<'_>, name: &str, rules: &Rules) -> Result<Timestamp, Reject> {
    let text = members.required_str(name, TEXT_MAX)?;
    let time = rfc3339(text).or_else(|| without_colon(text)).or_else(|| in_zone(text, &rules.zone));
    members.plausible(name, time.ok_or_else(|| members.invalid(name, "is not a time YYYY-MM-DDThh:mm:ss"))?)
}

fn without_colon(text: &str) -> Option<Timestamp> {
    let (head, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    rfc3339(&format!("{head}:{minutes}"))
}

fn in_zone(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    rfc3339(&format!("{text}Z"))?;
    zone.to_timestamp(text.parse().ok()?).ok()
}

/// Seconds or milliseconds since 1970, as a whole number or as one in a text.
pub(super) fn since_1970(
    members: &Members<'_>,
    name: &str,
    unit: fn(i64) -> Result<Timestamp, jiff::Error>,
) -> Result<Timestamp, Reject> {
    let number = members.required_id(name)?.parse().ok().and_then(|number| unit(number).ok());
    members.plausible(name, number.ok_or_else(|| members.invalid(name, "is not a time since 1970"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::RejectCode;

    fn read(text: &str, rules: &Rules) -> Result<Option<Day>, Reject> {
        let value = serde_json::json!({ "left": text });
        day(&Members::of(&value, "").unwrap(), "left", rules.boundary, rules)
    }

    fn in_los_angeles() -> Rules {
        Rules { zone: TimeZone::get("America/Los_Angeles").unwrap(), ..Rules::auto() }
    }

    #[test]
    fn a_day_ends_in_its_own_zone_or_in_that_of_the_rules() {
        for (text, at) in [
            ("2026-06-30", "2026-07-01T07:00:00Z"),
            ("2026-06-30T00:00:00", "2026-07-01T07:00:00Z"),
            ("2026-06-30T00:00:00Z", "2026-07-01T07:00:00Z"),
            ("2026-06-30T00:00:00.000Z", "2026-07-01T07:00:00Z"),
            ("2026-06-30T00:00:00+00:00", "2026-07-01T07:00:00Z"),
            ("2026-06-30+02:00", "2026-06-30T22:00:00Z"),
            ("2026-06-30T00:00:00+02:00", "2026-06-30T22:00:00Z"),
            ("2026-06-30T17:00:00+02:00", "2026-06-30T15:00:00Z"),
            ("2026-06-30T00:00:01Z", "2026-06-30T00:00:01Z"),
            // Midnight in the zone of the rules, whatever offset it is written with.
            ("2026-06-30T07:00:00Z", "2026-07-01T07:00:00Z"),
            ("2026-06-30T07:00:00.000000Z", "2026-07-01T07:00:00Z"),
            ("2026-06-30T09:00:00+02:00", "2026-07-01T07:00:00Z"),
            ("2026-06-30T07:00:00.001Z", "2026-06-30T07:00:00.001Z"),
            ("2026-06-30T08:00:00Z", "2026-06-30T08:00:00Z"),
            ("2026-12-30T08:00:00Z", "2026-12-31T08:00:00Z"),
            // The clocks go forward in the night that follows.
            ("2026-03-07", "2026-03-08T08:00:00Z"),
            ("2026-03-08", "2026-03-09T07:00:00Z"),
        ] {
            assert_eq!(read(text, &in_los_angeles()).unwrap().unwrap().at, at.parse().unwrap(), "{text}");
        }
        let start = Rules { boundary: Boundary::StartOfDay, ..in_los_angeles() };
        assert_eq!(read("2026-06-30", &start).unwrap().unwrap().at, "2026-06-30T07:00:00Z".parse().unwrap());
        assert_eq!(read("2026-06-30-07:00", &start).unwrap().unwrap().at, "2026-06-30T07:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_day_may_begin_at_one() {
        let santiago = Rules { zone: TimeZone::get("America/Santiago").unwrap(), ..Rules::auto() };
        // The clocks go forward at midnight.
        for (text, at) in
            [("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"), ("2026-09-06T03:00:00Z", "2026-09-06T03:00:00Z")]
        {
            assert_eq!(read(text, &santiago).unwrap().unwrap().at, at.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn never_is_no_day_and_what_is_unclear_is_refused() {
        for none in ["", " ", "9999-12-31", "9999-12-31T00:00:00Z"] {
            assert_eq!(read(none, &Rules::auto()), Ok(None), "{none:?}");
        }
        for wrong in [
            "08/09/2026",
            "0000-00-00",
            "2026-06-31",
            "2026-6-30",
            "20260630",
            "2026-06-30T17:00:00",
            "2026-06-30 17:00:00Z",
            "2026-06-30x",
            "2026-06-30+99:00",
            "1970-01-01",
            "2100-12-31",
            "2026-06-3é",
        ] {
            assert_eq!(read(wrong, &Rules::auto()).unwrap_err().code, RejectCode::InvalidValue, "{wrong:?}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_read_in_the_zone_of_the_rules() {
        let read = |text: &str| {
            let value = serde_json::json!({ "at": text });
            time(&Members::of(&value, "").unwrap(), "at", &in_los_angeles())
        };
        for (text, at) in [
            ("2026-05-29T00:00:03.915906", "2026-05-29T07:00:03.915906Z"),
            ("2026-05-28T18:42:00+0000", "2026-05-28T18:42:00Z"),
            ("2026-05-28T18:42:00-0700", "2026-05-29T01:42:00Z"),
            ("2026-05-28T18:42:00+02:00", "2026-05-28T16:42:00Z"),
        ] {
            assert_eq!(read(text), Ok(at.parse().unwrap()), "{text}");
        }
        for wrong in ["2026-05-28", "2026-05-28 18:42:00", "2026-05-28T18:42", "2026-05-28T18:42:00+00", "1780063391"] {
            assert_eq!(read(wrong).unwrap_err().code, RejectCode::InvalidValue, "{wrong}");
        }
    }
}
