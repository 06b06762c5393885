//! The members of a JSON object, taken strictly: another type than the expected one is refused, never converted, and
//! each refusal names the place.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::verdict::{Reject, RejectCode};
use crate::model::event::{Address, AddressKind, ExternalId, Subject};
use crate::model::{Email, SubjectKey};

/// Longest text, in characters, where the format sets no other limit.
pub(super) const TEXT_MAX: usize = 256;

/// Most items of a list.
pub(super) const ITEMS_MAX: usize = 50;

/// Times outside these years are mistakes of unit or of typing, and "never" in disguise.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// An object, and where it stands in the element.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Members<'a> {
    /// The members of what stands at `place`.
    pub(super) fn of(value: &'a Value, place: &str) -> Result<Self, Reject> {
        match value {
            Value::Object(map) => Ok(Self { map, place: place.to_owned() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(wrong_type(place, "an object"))
            }
        }
    }

    /// Where a member stands.
    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// Whether a member is there and not null.
    pub(super) fn is_present(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// The members' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.map.keys().map(String::as_str)
    }

    /// How a name is spelled here, where letter case does not count; two spellings of one name are refused.
    pub(super) fn spelled<'n>(&self, name: &'n str) -> Result<&'n str, Reject>
    where
        'a: 'n,
    {
        let mut found = self.names().filter(|known| known.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some(spelling), None) => Ok(spelling),
            (Some(_), Some(_)) => {
                Err(Reject::new(RejectCode::Ambiguous, format!("`{}` is there in two spellings", self.place(name))))
            }
            (None, _) => Ok(name),
        }
    }

    /// A member as it is.
    pub(super) fn required(&self, name: &str) -> Result<&'a Value, Reject> {
        self.map.get(name).ok_or_else(|| self.missing(name))
    }

    /// That a member is missing.
    pub(super) fn missing(&self, name: &str) -> Reject {
        Reject::new(RejectCode::MissingField, format!("`{}` is missing", self.place(name)))
    }

    /// That a member has a value that is not allowed.
    pub(super) fn invalid(&self, name: &str, why: &str) -> Reject {
        Reject::new(RejectCode::InvalidValue, format!("`{}` {why}", self.place(name)))
    }

    /// A member that is an object.
    pub(super) fn object(&self, name: &str) -> Result<Members<'a>, Reject> {
        Members::of(self.required(name)?, &self.place(name))
    }

    /// A member that is an object, if it is there.
    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Members<'a>>, Reject> {
        self.map.get(name).map(|value| Members::of(value, &self.place(name))).transpose()
    }

    /// A member that is a list, if it is there, each item with its place.
    pub(super) fn items(
        &self,
        name: &str,
        most: usize,
    ) -> Result<impl Iterator<Item = (&'a Value, String)> + use<'a>, Reject> {
        let place = self.place(name);
        let items = match self.map.get(name) {
            None => &[],
            Some(Value::Array(items)) if items.len() > most => {
                return Err(Reject::new(RejectCode::TooLong, format!("`{place}` has more than {most} items")));
            }
            Some(Value::Array(items)) => items.as_slice(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                return Err(wrong_type(&place, "a list"));
            }
        };
        Ok(items.iter().enumerate().map(move |(index, item)| (item, format!("{place}[{index}]"))))
    }

    /// A member that is one or several: renderings of XML as JSON make a list only of what stands more than once.
    pub(super) fn one_or_more(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = (&'a Value, String)> + use<'a>, Reject> {
        let place = self.place(name);
        let items = match self.map.get(name) {
            None => &[],
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if items.len() > ITEMS_MAX {
            return Err(Reject::new(RejectCode::TooLong, format!("`{place}` has more than {ITEMS_MAX} items")));
        }
        Ok(items.iter().enumerate().map(move |(index, item)| (item, format!("{place}[{index}]"))))
    }

    /// A member that is a text.
    pub(super) fn required_str(&self, name: &str, most: usize) -> Result<&'a str, Reject> {
        text(self.required(name)?, &self.place(name), most)
    }

    /// A member that is a text, if it is there.
    pub(super) fn optional_str(&self, name: &str, most: usize) -> Result<Option<&'a str>, Reject> {
        self.map.get(name).map(|value| text(value, &self.place(name), most)).transpose()
    }

    /// A member that is a text, owned.
    pub(super) fn required_text(&self, name: &str, most: usize) -> Result<String, Reject> {
        self.required_str(name, most).map(ToOwned::to_owned)
    }

    /// A member that is a text, if it is there, owned.
    pub(super) fn optional_text(&self, name: &str, most: usize) -> Result<Option<String>, Reject> {
        Ok(self.optional_str(name, most)?.map(ToOwned::to_owned))
    }

    /// A member that is a text, if it is there and not blank: many exports write an empty text for what they do not have.
    pub(super) fn filled_str(&self, name: &str) -> Result<Option<&'a str>, Reject> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(blank)) if blank.trim().is_empty() => Ok(None),
            Some(value) => text(value, &self.place(name), TEXT_MAX).map(Some),
        }
    }

    /// A member that is an id: a text, or a whole number, which is the same one without its quotation marks.
    pub(super) fn required_id(&self, name: &str) -> Result<String, Reject> {
        let value = self.required(name)?;
        match value.as_u64() {
            Some(number) => Ok(number.to_string()),
            None => text(value, &self.place(name), TEXT_MAX).map(ToOwned::to_owned),
        }
    }

    /// A member that nobody needs: dropped unless it is a fit text.
    pub(super) fn text_if_fit(&self, name: &str) -> Option<String> {
        self.optional_text(name, TEXT_MAX).ok().flatten()
    }

    /// A member that is one of a closed set of words.
    pub(super) fn optional_word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Reject> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        text(value, &self.place(name), TEXT_MAX)?;
        serde_json::from_value(value.clone()).map(Some).map_err(|_| self.invalid(name, "is not one of the known words"))
    }

    /// A member that is one of a closed set of words.
    pub(super) fn required_word<T: DeserializeOwned>(&self, name: &str) -> Result<T, Reject> {
        self.optional_word(name)?.ok_or_else(|| self.missing(name))
    }

    /// A member that is true or false, if it is there.
    pub(super) fn optional_bool(&self, name: &str) -> Result<Option<bool>, Reject> {
        self.map
            .get(name)
            .map(|value| value.as_bool().ok_or_else(|| wrong_type(&self.place(name), "true or false")))
            .transpose()
    }

    /// A member that is a whole number from 0 to 2³²−1, if it is there.
    pub(super) fn optional_u32(&self, name: &str) -> Result<Option<u32>, Reject> {
        let Some(number) = self.optional_u64(name)? else { return Ok(None) };
        u32::try_from(number).map(Some).map_err(|_| self.invalid(name, "is too large"))
    }

    /// A member that is a whole number from 0 to 2⁶⁴−1, if it is there.
    pub(super) fn optional_u64(&self, name: &str) -> Result<Option<u64>, Reject> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| wrong_type(&self.place(name), "a whole number"))
    }

    /// A member that is a moment.
    pub(super) fn required_time(&self, name: &str) -> Result<Timestamp, Reject> {
        self.optional_time(name)?.ok_or_else(|| self.missing(name))
    }

    /// A member that is a moment, if it is there.
    pub(super) fn optional_time(&self, name: &str) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.optional_str(name, TEXT_MAX)? else { return Ok(None) };
        let time = rfc3339(text).ok_or_else(|| self.invalid(name, "is not an RFC 3339 time with its offset"))?;
        self.plausible(name, time).map(Some)
    }

    /// A member that is a moment in seconds since 1970, if it is there. A fraction does not count.
    pub(super) fn optional_seconds(&self, name: &str) -> Result<Option<Timestamp>, Reject> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| wrong_type(&self.place(name), "a number of seconds"))?;
        // What does not fit is cut to the largest number, which is no time.
        let time = Timestamp::from_second(number as i64).ok();
        let time = time.ok_or_else(|| self.invalid(name, "is not a time in seconds"))?;
        self.plausible(name, time).map(Some)
    }

    /// Refuses a moment outside the plausible years.
    pub(super) fn plausible(&self, name: &str, time: Timestamp) -> Result<Timestamp, Reject> {
        plausible_at(&self.place(name), time)
    }

    /// A member that is a civil date, if it is there.
    pub(super) fn optional_date(&self, name: &str) -> Result<Option<Date>, Reject> {
        let Some(text) = self.optional_str(name, TEXT_MAX)? else { return Ok(None) };
        date(text).map(Some).ok_or_else(|| self.invalid(name, "is not a date YYYY-MM-DD"))
    }

    /// A work address, if the member is there and not blank.
    pub(super) fn filled_work_email(&self, name: &str) -> Result<Option<Address>, Reject> {
        let Some(_) = self.filled_str(name)? else { return Ok(None) };
        Ok(Some(Address { value: self.required_email(name)?, kind: AddressKind::Work, primary: None }))
    }

    /// A member that is an address.
    pub(super) fn required_email(&self, name: &str) -> Result<Email, Reject> {
        email(self.required(name)?, &self.place(name))
    }
}

/// Refuses a moment outside the plausible years.
pub(super) fn plausible_at(place: &str, time: Timestamp) -> Result<Timestamp, Reject> {
    if YEARS.contains(&jiff::tz::TimeZone::UTC.to_datetime(time).year()) {
        return Ok(time);
    }
    let detail = format!("`{place}` lies outside the years {} to {}", YEARS.start(), YEARS.end());
    Err(Reject::new(RejectCode::InvalidValue, detail))
}

/// A text that is not empty, not too long and free of characters that act on what surrounds them.
pub(super) fn text<'a>(value: &'a Value, place: &str, most: usize) -> Result<&'a str, Reject> {
    let Value::String(text) = value else { return Err(wrong_type(place, "a text")) };
    if text.is_empty() {
        return Err(Reject::new(RejectCode::InvalidValue, format!("`{place}` is empty; leave it out instead")));
    }
    if text.chars().count() > most {
        return Err(Reject::new(RejectCode::TooLong, format!("`{place}` has more than {most} characters")));
    }
    if text.chars().any(acts_on_its_surroundings) {
        return Err(Reject::new(RejectCode::ControlCharacter, format!("`{place}` holds a control character")));
    }
    Ok(text)
}

/// The key of a person: `system:tenant:id`.
pub(super) fn person_key(system: &str, tenant: &str, id: &str) -> Result<SubjectKey, Reject> {
    let key = format!("{system}:{tenant}:{id}");
    if key.chars().count() > TEXT_MAX {
        return Err(Reject::new(RejectCode::TooLong, "tenant and id are too long for a person key"));
    }
    Ok(SubjectKey(key))
}

/// The id of an event that has none of its own, made of what tells it from others.
pub(super) fn event_id(parts: &[&str]) -> Result<String, Reject> {
    let id = parts.join(":");
    if id.chars().count() > TEXT_MAX {
        return Err(Reject::new(RejectCode::TooLong, "an id is too long"));
    }
    Ok(id)
}

/// Somebody of whom only the id in the source system is known.
pub(super) fn known_as(system: &str, tenant: &str, kind: &str, id: &str) -> Result<Subject, Reject> {
    Ok(Subject {
        external_ids: vec![ExternalId {
            system: system.to_owned(),
            tenant: Some(tenant.to_owned()),
            r#type: kind.to_owned(),
            value: id.to_owned(),
        }],
        ..Subject::new(person_key(system, tenant, id)?)
    })
}

/// A text that is one address.
pub(super) fn email(value: &Value, place: &str) -> Result<Email, Reject> {
    let Value::String(text) = value else { return Err(wrong_type(place, "a text")) };
    Email::parse(text).map_err(|error| Reject::new(RejectCode::InvalidAddress, format!("`{place}`: {error}")))
}

pub(super) fn wrong_type(place: &str, expected: &str) -> Reject {
    let place = if place.is_empty() { "the element".to_owned() } else { format!("`{place}`") };
    Reject::new(RejectCode::WrongType, format!("{place} is not {expected}"))
}

/// Control characters, line separators, and the marks that reorder or hide the text around them.
fn acts_on_its_surroundings(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{061c}' | '\u{feff}'
        )
}

/// `YYYY-MM-DD` alone.
pub(super) fn date(text: &str) -> Option<Date> {
    matches_shape(text.as_bytes(), b"dddd-dd-dd").then(|| text.parse().ok()).flatten()
}

/// RFC 3339 alone: the parser behind it would also take other spellings of ISO 8601.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (head, tail) = bytes.split_at_checked(19)?;
    let tail = match tail.strip_prefix(b".") {
        None => tail,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            &fraction[digits..]
        }
    };
    let fits = matches_shape(head, b"dddd-dd-ddTdd:dd:dd") && (tail == b"Z" || matches_shape(tail, b"+dd:dd"));
    if fits { text.parse().ok() } else { None }
}

/// `d` stands for a digit, `+` for either sign, anything else for itself.
fn matches_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_3339_is_a_time() {
        for text in ["2026-05-29T14:03:11Z", "2026-05-29T14:03:11.902Z", "2026-05-29T22:00:04.1180342+02:00"] {
            assert!(rfc3339(text).is_some(), "{text}");
        }
        for text in [
            "2026-05-29",
            "2026-05-29T14:03:11",
            "2026-05-29 14:03:11Z",
            "2026-05-29T14:03Z",
            "20260529T140311Z",
            "2026-05-29T14:03:11.Z",
            "2026-05-29T14:03:11+0200",
            "2026-05-29T14:03:11+02:00[Europe/Berlin]",
            "2026-13-29T14:03:11Z",
            "+002026-05-29T14:03:11Z",
            "2026-05-2९T14:03:11Z",
            "1780063391",
            "",
        ] {
            assert!(rfc3339(text).is_none(), "{text}");
        }
    }

    #[test]
    fn times_of_the_wrong_unit_are_refused() {
        let value = serde_json::json!({ "a": "1970-01-21T14:27:43Z", "b": "9999-12-31T00:00:00Z" });
        let members = Members::of(&value, "").unwrap();
        assert_eq!(members.optional_time("a").unwrap_err().code, RejectCode::InvalidValue);
        assert_eq!(members.optional_time("b").unwrap_err().code, RejectCode::InvalidValue);
    }

    #[test]
    fn texts_that_act_on_their_surroundings_are_refused() {
        for text in ["a\r\nb", "a\0", "a\u{7f}", "\u{85}", "a\u{202e}b", "a\u{2028}b", "\u{feff}a"] {
            let value = serde_json::json!({ "id": text });
            let members = Members::of(&value, "").unwrap();
            assert_eq!(members.required_str("id", 9).unwrap_err().code, RejectCode::ControlCharacter, "{text:?}");
        }
        assert_eq!(text(&Value::from("äöü"), "id", 3), Ok("äöü"));
        assert_eq!(text(&Value::from("äöüß"), "id", 3).unwrap_err().code, RejectCode::TooLong);
        assert_eq!(text(&Value::from(""), "id", 3).unwrap_err().code, RejectCode::InvalidValue);
    }
}
