//! An offboarding ordered by hand, as the canonical event that stands for it.

use anyhow::anyhow;
use jiff::Timestamp;

use crate::config::{Environment, OPERATOR_SOURCE, OWN_CLUSTER};
use crate::exit::Exit;
use crate::model::event::{
    Action, Actor, ActorKind, Address, AddressKind, Authenticity, Normalised, Origin, PersonEvent, SourceRef, Subject,
};
use crate::model::ids::computed;
use crate::model::{Email, SubjectKey};
use crate::sources::{Format, Record, Rules, Verdict, read};
use crate::wire::{self, Message};

/// The source's name of the event.
const EVENT_TYPE: &str = "offboard";

/// Reads an address from the command line.
pub(super) fn address(text: &str) -> anyhow::Result<Email> {
    // What was typed may be shown to who typed it.
    Email::parse(text).map_err(|why| anyhow!("{text:?}: {why}").context(Exit::Usage))
}

/// The statement that the person with this address has left, as of now. Ordering twice is two events: the second one
/// joins the case of the first while that is open.
pub(super) fn event(address: &Email, now: Timestamp) -> PersonEvent {
    let event_id = computed(&["order", address.expose(), &now.to_string()]).to_string();
    let subject = Subject {
        emails: vec![Address { value: address.clone(), kind: AddressKind::Work, primary: None }],
        ..Subject::new(SubjectKey(format!("{OPERATOR_SOURCE}:{OPERATOR_SOURCE}:{}", address.expose())))
    };
    let source = SourceRef::new(OPERATOR_SOURCE, OPERATOR_SOURCE, EVENT_TYPE, event_id);
    PersonEvent::new(Action::Deprovision, now, subject, source)
}

/// Who ordered it, as the system calls them. Nobody has proven it: whoever may write the topic may claim anything.
pub(super) fn claimed_actor(environment: &Environment) -> Option<Actor> {
    Some(Actor { kind: ActorKind::User, id: Some(user(environment)?.to_owned()), email: None, name: None })
}

/// The user of this machine.
pub(super) fn user(environment: &Environment) -> Option<&str> {
    ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| environment.get(name))
}

/// The record for the requests topic. It is read first as the service will read it, so that no order ends as a dead
/// letter.
pub(super) fn record(event: &PersonEvent) -> anyhow::Result<Message> {
    let message = wire::person_event(event, None);
    let headers: Vec<(&str, Option<&[u8]>)> =
        message.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
    let record =
        Record { value: Some(&message.value), headers: &headers, key: Some(message.key.as_bytes()), arrived_at: None };
    for reading in read(&record, &rules()) {
        match reading.verdict {
            Verdict::Event(_) => {}
            Verdict::Ignore { reason, .. } => return Err(anyhow!("the service would ignore the order: {reason}")),
            Verdict::Reject(reject) => {
                return Err(anyhow!("the service would refuse the order: {}", reject.detail).context(Exit::Usage));
            }
        }
    }
    Ok(message)
}

/// As the intake will pass it on, for a rehearsal.
pub(super) fn rehearsed(event: PersonEvent, topic: &str, now: Timestamp) -> Normalised {
    let origin = Origin {
        source: OPERATOR_SOURCE.to_owned(),
        cluster: OWN_CLUSTER.to_owned(),
        topic: topic.to_owned(),
        partition: 0,
        offset: 0,
        element: String::new(),
        record_sha256: String::new(),
        received_at: now,
        authenticity: Authenticity::TopicAcl,
        looked_up: None,
    };
    Normalised { event, origin, traceparent: None }
}

fn rules() -> Rules {
    Rules {
        name: OPERATOR_SOURCE.to_owned(),
        format: Format::Canonical,
        tenant: Some(OPERATOR_SOURCE.to_owned()),
        ..Rules::auto()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(reason: &str) -> PersonEvent {
        let address = address("Priya.Raman@larkspur.example").unwrap();
        let mut event = event(&address, "2026-06-01T12:00:00Z".parse().unwrap());
        event.reason = Some(reason.to_owned());
        event.actor = claimed_actor(&Environment::of([("USER", "mara")]));
        event
    }

    #[test]
    fn the_service_reads_the_order_as_it_was_meant() {
        let event = order("HR-1182");
        let message = record(&event).unwrap();
        assert_eq!(message.key, "priya.raman@larkspur.example");
        let record = Record { value: Some(&message.value), ..Record::default() };
        let readings = read(&record, &rules());
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].verdict, Verdict::Event(Box::new(event)));
    }

    #[test]
    fn what_the_service_would_refuse_is_not_sent() {
        for reason in ["x".repeat(65).as_str(), "left\r\nyesterday"] {
            let error = record(&order(reason)).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Usage);
            assert!(format!("{error:#}").contains("`reason`"), "{error:#}");
        }
        assert_eq!(Exit::of(&address("priya").unwrap_err()), Exit::Usage);
    }

    #[test]
    fn two_orders_are_two_events() {
        let address = address("a@larkspur.example").unwrap();
        let id = |at: &str| event(&address, at.parse().unwrap()).source.event_id;
        assert_ne!(id("2026-06-01T12:00:00Z"), id("2026-06-01T12:00:01Z"));
        assert_eq!(id("2026-06-01T12:00:00Z"), id("2026-06-01T12:00:00Z"));
    }
}
