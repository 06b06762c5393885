//! Passing over what is not about leaving, which is nearly the whole System Log, at the cost of skipping its JSON.
//!
//! Only the members that decide are looked at; the rest is skipped without being stored. Whatever is not plainly
//! irrelevant (a CloudEvent, an unexpected shape, a wrong type, a deciding key that stands twice) is left to the
//! full reading, so this can only ever say "ignore". What it does not see is a repeated key or deep nesting in a part
//! that decides nothing.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{NOT_ABOUT_LEAVING, event_hook, meaning};
use crate::sources::carrier::Delivery;
use crate::sources::members::TEXT_MAX;
use crate::sources::{ELEMENTS_MAX, Reading};

pub(super) fn pass_over(delivery: &Delivery<'_>, value: &[u8]) -> Option<Vec<Reading>> {
    if *delivery != Delivery::Plain {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let mut readings = Vec::new();
    if text.trim_ascii_start().starts_with('[') {
        let items: Items<Object<Glance<'_>>> = serde_json::from_str(text).ok()?;
        for (index, item) in items.0.iter().enumerate() {
            item.0.ignore(&format!("[{index}]"), &mut readings)?;
        }
    } else {
        let item: Object<Glance<'_>> = serde_json::from_str(text).ok()?;
        item.0.ignore("", &mut readings)?;
    }
    // No element at all is for the full reading to explain.
    (1..=ELEMENTS_MAX).contains(&readings.len()).then_some(readings)
}

/// The members that decide, of a bare LogEvent, an event hook or EventBridge.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, rename = "eventType")]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Object<Hook<'a>>>,
    #[serde(borrow)]
    detail: Option<Object<LogEvent<'a>>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    specversion: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    events: Items<Object<LogEvent<'a>>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow, rename = "eventType")]
    event_type: Text<'a>,
}

impl Glance<'_> {
    /// Adds one reading for each element, or gives up when one of them may matter.
    fn ignore(&self, place: &str, readings: &mut Vec<Reading>) -> Option<()> {
        let joint = if place.is_empty() { "" } else { "." };
        match self {
            Self { specversion: Some(_), .. } => None,
            Self { event_type: Some(hook), data: Some(data), detail: None, .. } if hook.0 == event_hook::EVENT_TYPE => {
                for (index, event) in data.0.events.0.iter().enumerate() {
                    event.0.event_type.is_irrelevant().then_some(())?;
                    readings.push(Reading::ignore(format!("{place}{joint}data.events[{index}]"), NOT_ABOUT_LEAVING));
                }
                Some(())
            }
            Self {
                event_type: None, detail: Some(detail), source: Some(_), detail_type: Some(_), data: None, ..
            } => {
                detail.0.event_type.is_irrelevant().then_some(())?;
                readings.push(Reading::ignore(format!("{place}{joint}detail"), NOT_ABOUT_LEAVING));
                Some(())
            }
            Self { event_type: Some(event_type), data: None, detail: None, .. } => {
                event_type.is_irrelevant().then_some(())?;
                readings.push(Reading::ignore(place.to_owned(), NOT_ABOUT_LEAVING));
                Some(())
            }
            Self { .. } => None,
        }
    }
}

/// A text, borrowed unless it holds an escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// A plain event type without a meaning here. A hook inside a hook is none.
    fn is_irrelevant(&self) -> bool {
        let is_plain = (1..=TEXT_MAX).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain && self.0 != event_hook::EVENT_TYPE && meaning(&self.0).is_none()
    }
}

/// A JSON object. A derived reader alone would also take a list, by position.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OfObject(PhantomData)).map(Self)
    }
}

/// A list of no more items than are read: a longer one is given up before it is stored.
struct Items<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfItems<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfItems<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {ELEMENTS_MAX} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == ELEMENTS_MAX {
                        return Err(A::Error::invalid_length(items.len() + 1, &self));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(OfItems(PhantomData)).map(Self)
    }
}
