//! The body of an Okta event hook: several LogEvents in one delivery.

use serde_json::Value;

use crate::sources::carrier::{Element, Envelope};
use crate::sources::members::wrong_type;

/// The `eventType` of the envelope.
pub(super) const EVENT_TYPE: &str = "com.okta.event_hook";

pub(super) fn recognises(value: &Value) -> bool {
    value.get("eventType").and_then(Value::as_str) == Some(EVENT_TYPE)
}

/// One element for each LogEvent. The envelope's id names the delivery and not an event: it is passed over.
pub(super) fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    if !recognises(element.value) {
        return vec![element];
    }
    let Some(Value::Array(events)) = element.value.get("data").and_then(|data| data.get("events")) else {
        return vec![element.refused(wrong_type("data.events", "a list"))];
    };
    let source = element.value.get("source").and_then(Value::as_str);
    let list = element.path.key("data").key("events");
    element.each(&Envelope::Own { source }, &list, events)
}
