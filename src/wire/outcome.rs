//! Outcome records to bytes and back.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;

use super::Message;
use super::envelope::{Envelope, SPEC_VERSION};
use crate::model::outcome::{OUTCOME_SOURCE, Outcome, OutcomeKind, OutcomeRecord};

/// Why a record of the outcomes topic cannot be read.
#[derive(Debug, Error)]
pub enum WireError {
    /// Not JSON, or an attribute is missing.
    #[error("not a CloudEvent in structured JSON with the attributes of an outcome")]
    Envelope(#[source] serde_json::Error),
    /// Another version of CloudEvents.
    #[error("CloudEvents {0:?}, where {SPEC_VERSION:?} is read")]
    SpecVersion(String),
    /// Written by somebody else.
    #[error("source {0:?}, where outcomes come from {OUTCOME_SOURCE:?}")]
    Source(String),
    /// A kind that this version does not know.
    #[error("type {0:?} is no kind of outcome known to this version")]
    Type(String),
    /// An id that is not a UUID.
    #[error("attribute {attribute:?} is not a UUID")]
    Id {
        /// Which one.
        attribute: &'static str,
        /// What is wrong with it.
        source: uuid::Error,
    },
    /// The data is not what the type promises.
    #[error("the data is not that of {}", kind.event_type())]
    Data {
        /// What the type promises.
        kind: OutcomeKind,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The record of one outcome, keyed by the person: all of one person stand in one partition, in order.
pub fn outcome(record: &OutcomeRecord) -> Message {
    debug_assert!(agrees(record.kind, &record.data), "{:?} carries the data of another kind", record.kind);
    let person = record.person.to_string();
    let envelope = Envelope {
        specversion: SPEC_VERSION.to_owned(),
        id: record.id.to_string(),
        source: OUTCOME_SOURCE.to_owned(),
        r#type: record.kind.event_type(),
        subject: record.case.to_string(),
        time: record.at,
        datacontenttype: "application/json".to_owned(),
        partitionkey: person.clone(),
        traceparent: record.traceparent.clone(),
        data: &record.data,
    };
    envelope.message(person)
}

/// Reads what [`outcome`] wrote. The `type` decides what the data must be; members that are not known are passed
/// over, so that a reader survives a newer writer.
///
/// # Errors
/// When it is not an outcome, or of a kind or shape that this version does not know.
pub fn read_outcome(value: &[u8]) -> Result<OutcomeRecord, WireError> {
    let envelope: Envelope<&RawValue> = serde_json::from_slice(value).map_err(WireError::Envelope)?;
    if envelope.specversion != SPEC_VERSION {
        return Err(WireError::SpecVersion(envelope.specversion));
    }
    if envelope.source != OUTCOME_SOURCE {
        return Err(WireError::Source(envelope.source));
    }
    let Some(kind) = OutcomeKind::ALL.into_iter().find(|kind| kind.event_type() == envelope.r#type) else {
        return Err(WireError::Type(envelope.r#type));
    };
    let data = match kind {
        OutcomeKind::CaseClosed => Outcome::Closed(data(kind, envelope.data)?),
        OutcomeKind::GrantRevoked => Outcome::Revoked(data(kind, envelope.data)?),
        OutcomeKind::AccessVerified | OutcomeKind::AccessReappeared => Outcome::Look(data(kind, envelope.data)?),
        OutcomeKind::CaseOpened
        | OutcomeKind::CaseScheduled
        | OutcomeKind::CaseHeld
        | OutcomeKind::CaseResumed
        | OutcomeKind::CaseOverdue => Outcome::Progress(data(kind, envelope.data)?),
    };
    Ok(OutcomeRecord {
        id: id("id", &envelope.id)?,
        kind,
        person: id("partitionkey", &envelope.partitionkey)?,
        case: id("subject", &envelope.subject)?,
        at: envelope.time,
        traceparent: envelope.traceparent,
        data,
    })
}

fn data<D: DeserializeOwned>(kind: OutcomeKind, data: &RawValue) -> Result<D, WireError> {
    serde_json::from_str(data.get()).map_err(|source| WireError::Data { kind, source })
}

fn id<I: std::str::FromStr<Err = uuid::Error>>(attribute: &'static str, text: &str) -> Result<I, WireError> {
    text.parse().map_err(|source| WireError::Id { attribute, source })
}

fn agrees(kind: OutcomeKind, data: &Outcome) -> bool {
    match kind {
        OutcomeKind::CaseClosed => matches!(data, Outcome::Closed(_)),
        OutcomeKind::GrantRevoked => matches!(data, Outcome::Revoked(_)),
        OutcomeKind::AccessVerified | OutcomeKind::AccessReappeared => matches!(data, Outcome::Look(_)),
        OutcomeKind::CaseOpened
        | OutcomeKind::CaseScheduled
        | OutcomeKind::CaseHeld
        | OutcomeKind::CaseResumed
        | OutcomeKind::CaseOverdue => {
            matches!(data, Outcome::Progress(_))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{CaseId, OutcomeId, PersonId};

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";

    fn held() -> OutcomeRecord {
        let person = "0c6f8a52-52c2-5d5c-9a51-3c0a6e0b1f11".parse::<PersonId>().unwrap();
        let case = "5b1f7c52-2f34-5d1e-8f0e-9f3f6f0b2d22".parse::<CaseId>().unwrap();
        OutcomeRecord {
            id: "b3f6c5a0-7f3e-5b0a-8a4c-1d2e3f405162".parse::<OutcomeId>().unwrap(),
            kind: OutcomeKind::CaseHeld,
            person,
            case,
            at: "2026-05-29T14:03:20Z".parse().unwrap(),
            traceparent: Some(TRACE.to_owned()),
            data: Outcome::Progress(
                serde_json::from_value(json!({
                    "case_id": case,
                    "summary": "waits: the last human admin of payments",
                    "person": {"person_id": person, "subject_keys": [], "addresses": [], "heroku_account_ids": []},
                    "cause": {
                        "kind": "deprovision", "source": "okta", "authenticity": "topic_acl", "system": "okta",
                        "tenant": "larkspur.okta.com", "event_type": "user.lifecycle.deactivate", "event_id": "1",
                        "cluster": "main", "topic": "okta.system-log", "partition": 0, "offset": 7,
                        "element": "data.events[0]", "record_sha256": "00"
                    },
                    "deadline": "2026-05-30T14:03:13Z"
                }))
                .unwrap(),
            ),
        }
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        for kind in [OutcomeKind::CaseOpened, OutcomeKind::CaseHeld, OutcomeKind::CaseResumed, OutcomeKind::CaseOverdue]
        {
            let record = OutcomeRecord { kind, ..held() };
            assert_eq!(read_outcome(&outcome(&record).value).unwrap(), record);
        }
    }

    #[test]
    fn attributes_stand_in_the_value_and_in_the_headers() {
        let message = outcome(&held());
        let value: Value = serde_json::from_slice(&message.value).unwrap();
        assert_eq!(message.key, "0c6f8a52-52c2-5d5c-9a51-3c0a6e0b1f11");
        assert_eq!(value["partitionkey"], message.key);
        assert_eq!(value["subject"], "5b1f7c52-2f34-5d1e-8f0e-9f3f6f0b2d22");
        assert_eq!(value["type"], "heroku-deprovisioner.case.held.v1");
        assert_eq!(message.header("content-type"), Some("application/cloudevents+json; charset=UTF-8"));
        assert_eq!(message.header("traceparent"), Some(TRACE));
        let mut attributes = 0;
        for (name, header) in &message.headers {
            let Some(attribute) = name.strip_prefix("ce_") else { continue };
            assert_eq!(value[attribute], *header, "{attribute}");
            attributes += 1;
        }
        assert_eq!(attributes, 7);
    }

    #[test]
    fn without_a_trace_nothing_speaks_of_one() {
        let message = outcome(&OutcomeRecord { traceparent: None, ..held() });
        assert_eq!(message.header("traceparent"), None);
        assert!(!message.text().contains("traceparent"));
    }

    #[test]
    fn the_type_decides_and_not_the_shape_of_the_data() {
        let changed = |attribute: &str, to: Value| {
            let mut value: Value = serde_json::from_slice(&outcome(&held()).value).unwrap();
            value[attribute] = to;
            read_outcome(value.to_string().as_bytes()).unwrap_err()
        };
        let closed = changed("type", json!("heroku-deprovisioner.case.closed.v1"));
        assert!(matches!(closed, WireError::Data { kind: OutcomeKind::CaseClosed, .. }), "{closed}");
        assert!(matches!(changed("type", json!("heroku-deprovisioner.case.held.v2")), WireError::Type(_)));
        assert!(matches!(changed("specversion", json!("0.3")), WireError::SpecVersion(_)));
        assert!(matches!(changed("source", json!("urn:somebody-else")), WireError::Source(_)));
        assert!(matches!(changed("subject", json!("1")), WireError::Id { attribute: "subject", .. }));
        assert!(matches!(changed("time", json!(null)), WireError::Envelope(_)));
    }

    #[test]
    fn members_of_a_newer_writer_are_passed_over() {
        let mut value: Value = serde_json::from_slice(&outcome(&held()).value).unwrap();
        value["sequence"] = json!("7");
        value["data"]["mood"] = json!("calm");
        assert_eq!(read_outcome(value.to_string().as_bytes()).unwrap(), held());
    }
}
