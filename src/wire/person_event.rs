//! Canonical events to bytes, for the topics on which this service itself is the source. They are read back like
//! those of anybody else, in `sources`.

use super::Message;
use super::envelope::{Envelope, SPEC_VERSION};
use crate::model::event::{PERSON_EVENT_TYPE, PersonEvent, SourceRef};

/// The record of one canonical event. Its key is the first address, so that all that is said about an address stands
/// in one partition, in order; without an address it is the subject key.
pub fn person_event(event: &PersonEvent, traceparent: Option<&str>) -> Message {
    let subject = &event.subject.person_key.0;
    let key = event.subject.emails.first().map_or_else(|| subject.clone(), |email| email.value.expose().to_owned());
    let envelope = Envelope {
        specversion: SPEC_VERSION.to_owned(),
        id: event_id(&event.source),
        source: source_urn(&event.source),
        r#type: PERSON_EVENT_TYPE.to_owned(),
        subject: subject.clone(),
        time: event.occurred_at,
        datacontenttype: "application/json".to_owned(),
        partitionkey: key.clone(),
        traceparent: traceparent.map(str::to_owned),
        data: event,
    };
    envelope.message(key)
}

/// `source` and `id` together name one event (CloudEvents 1.0), as system, tenant, event id and element do here.
fn event_id(source: &SourceRef) -> String {
    match source.element {
        Some(element) => format!("{}:{element}", source.event_id),
        None => source.event_id.clone(),
    }
}

/// A URN of system and tenant; whatever a URN may not hold as it is gets percent-encoded.
fn source_urn(source: &SourceRef) -> String {
    let mut urn = String::from("urn:heroku-deprovisioner:source");
    for part in [&source.system, &source.tenant] {
        urn.push(':');
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                urn.push(char::from(byte));
            } else {
                urn.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    urn
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event() -> PersonEvent {
        serde_json::from_value(json!({
            "schema_version": 1, "action": "deprovision", "occurred_at": "2026-05-29T14:03:11Z",
            "subject": {
                "person_key": "operator:larkspur:priya.raman@larkspur.example",
                "emails": [{"value": "Priya.Raman@larkspur.example", "kind": "work"}]
            },
            "source": {"system": "operator", "tenant": "larkspur/eu", "event_type": "offboard", "event_id": "7a1d"}
        }))
        .unwrap()
    }

    #[test]
    fn the_event_is_the_data_word_for_word() {
        let message = person_event(&event(), None);
        let value: Value = serde_json::from_slice(&message.value).unwrap();
        assert_eq!(serde_json::from_value::<PersonEvent>(value["data"].clone()).unwrap(), event());
        assert_eq!(value["type"], "heroku-deprovisioner.person.v1");
        assert_eq!(value["id"], "7a1d");
        assert_eq!(value["source"], "urn:heroku-deprovisioner:source:operator:larkspur%2Feu");
        assert_eq!(value["subject"], "operator:larkspur:priya.raman@larkspur.example");
        assert_eq!(value["time"], "2026-05-29T14:03:11Z");
        assert!(value.get("traceparent").is_none());
    }

    #[test]
    fn the_key_is_the_address_and_without_one_the_subject_key() {
        let mut event = event();
        let message = person_event(&event, None);
        assert_eq!(message.key, "priya.raman@larkspur.example");
        assert_eq!(message.header("ce_partitionkey"), Some("priya.raman@larkspur.example"));
        event.subject.emails.clear();
        assert_eq!(person_event(&event, None).key, "operator:larkspur:priya.raman@larkspur.example");
    }

    #[test]
    fn elements_of_one_event_are_different_events() {
        let mut event = event();
        event.source.element = Some(0);
        assert_eq!(person_event(&event, None).header("ce_id"), Some("7a1d:0"));
    }
}
