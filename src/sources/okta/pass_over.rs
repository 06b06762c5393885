//! Passing over what is not about leaving, which is nearly the whole System Log, at the cost of skipping its JSON.
//!
//! Only the members that decide are looked at; the rest is skipped without being stored. Whatever is not plainly
//! irrelevant (an unexpected shape, a wrong type, a deciding key that stands twice) is left to the full reading, so
//! this can only ever say "ignore", and only where the full reading says so too.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{event_hook, is_relevant};
use crate::sources::carrier::Delivery;
use crate::sources::{ELEMENTS_MAX, Reading, Rules};

const REASON: &str = "an event type that is not about leaving";

pub(super) fn pass_over(delivery: &Delivery<'_>, value: &[u8], rules: &Rules) -> Option<Vec<Reading>> {
    let text = std::str::from_utf8(value).ok()?;
    let binary = match delivery {
        Delivery::Plain => false,
        // Whether its type is accepted is for the full reading to say.
        Delivery::Structured => return None,
        Delivery::Binary(_) if !rules.types.is_empty() => return None,
        Delivery::Binary(_) => true,
    };
    let mut readings = Vec::new();
    if text.trim_ascii_start().starts_with('[') {
        let items: Vec<Object<Glance<'_>>> = serde_json::from_str(text).ok()?;
        if items.is_empty() || binary {
            return None;
        }
        for (index, item) in items.iter().enumerate() {
            item.0.collect(&format!("[{index}]"), rules, &mut readings)?;
        }
    } else {
        let item: Object<Glance<'_>> = serde_json::from_str(text).ok()?;
        item.0.collect(if binary { "value" } else { "" }, rules, &mut readings)?;
    }
    (readings.len() <= ELEMENTS_MAX).then_some(readings)
}

/// The members that decide, of any carrier.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, rename = "eventType")]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Object<Data<'a>>>,
    #[serde(borrow)]
    detail: Option<Object<Event<'a>>>,
    source: Option<Text<'a>>,
    specversion: Option<IgnoredAny>,
}
