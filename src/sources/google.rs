//! Google Workspace: activities of the Admin SDK's Reports API.
//!
//! The subject is the parameter `USER_EMAIL`; the actor is never meant. The record holds no id of the person, so the
//! primary address is their key.

use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, ELEMENTS_MAX, Format, Rules, not_ours};
use crate::model::Email;
use crate::model::event::{
    Action, Actor, ActorKind, Address, AddressKind, IdentityChange, PersonEvent, SourceRef, Subject,
};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Google, "google", recognises, read).unwrapping(unwrap);

const SYSTEM: &str = "google";
const ACTIVITY: &str = "admin#reports#activity";
const ACTIVITIES: &str = "admin#reports#activities";

/// The events of the application `admin` that mean something here, as `docs/sources/google.md` lists them. Every other one
/// is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("DELETE_USER", Action::Deprovision),
    ("ARCHIVE_USER", Action::Deprovision),
    ("SUSPEND_USER", Action::Suspend),
    ("UNDELETE_USER", Action::Cancel),
    ("UNARCHIVE_USER", Action::Cancel),
    ("UNSUSPEND_USER", Action::Cancel),
    ("RENAME_USER", Action::IdentityUpdate),
];

fn is(value: &Value, kind: &str) -> bool {
    value.get("kind").and_then(Value::as_str) == Some(kind)
}

fn recognises(value: &Value) -> bool {
    is(value, ACTIVITY) || is(value, ACTIVITIES)
}

/// One element for each activity of a list.
fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    if !is(element.value, ACTIVITIES) {
        return vec![element];
    }
    let Some(Value::Array(items)) = element.value.get("items") else {
        // A page without activities has no `items`.
        return Vec::new();
    };
    let path = element.path.key("items");
    element.each(&Envelope::Own { source: None }, &path, items)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    activity(element, rules).unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// One reading for each event of an activity. Some shippers split the list and leave one event in its place.
fn activity(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let activity = Members::of(element.value, "")?;
    let path = element.path.key("events");
    let events = activity.required("events")?;
    let events: Vec<(Option<usize>, Members<'_>, String)> = match events {
        Value::Object(_) => vec![(None, Members::of(events, "events")?, element.name(&path))],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => activity
            .items("events", ELEMENTS_MAX)?
            .enumerate()
            .map(|(index, (event, place))| {
                Ok((Some(index), Members::of(event, &place)?, element.name(&path.index(index))))
            })
            .collect::<Result<_, Reject>>()?,
    };
    if events.is_empty() {
        return Ok(vec![Reading::ignore(element.name(&path), "an activity without an event")]);
    }
    Ok(events
        .into_iter()
        .map(|(index, event, place)| Reading {
            element: place,
            verdict: classify(&activity, &event, index, rules).unwrap_or_else(Verdict::Reject),
        })
        .collect())
}

fn classify(
    activity: &Members<'_>,
    event: &Members<'_>,
    index: Option<usize>,
    rules: &Rules,
) -> Result<Verdict, Reject> {
    let ignored = |reason: &'static str| Ok(Verdict::Ignore { reason: reason.into(), about: None });
    let id = activity.object("id")?;
    let application = id.required_str("applicationName", TEXT_MAX)?;
    let name = event.required_str("name", TEXT_MAX)?;
    if application != "admin" || event.optional_str("type", TEXT_MAX)? != Some("USER_SETTINGS") {
        return ignored("not an event of user settings in the admin console");
    }
    let Some((_, action)) = MEANINGS.iter().find(|(known, _)| *known == name) else {
        return ignored("an event that is not about leaving");
    };
    let customer = id.required_str("customerId", TEXT_MAX)?;
    rules.agreed_tenant(Some(customer), "id.customerId")?;
    let time = id.required_str("time", TEXT_MAX)?;
    let email = parameter(event, "USER_EMAIL")?.ok_or_else(|| {
        Reject::new(RejectCode::MissingSubject, "no parameter `USER_EMAIL`; the actor is never meant")
    })?;
    let subject = Subject {
        emails: vec![Address { value: email.clone(), kind: AddressKind::Work, primary: Some(true) }],
        ..Subject::new(members::person_key(SYSTEM, customer, email.expose())?)
    };
    let mut event_id = format!("{customer}:{application}:{time}:{}", qualifier(&id)?);
    if index.is_none() {
        // Split off: its neighbours have the same id and no place.
        event_id = format!("{event_id}:{name}:{}", email.expose());
    }
    let element = index.and_then(|index| u32::try_from(index).ok());
    let source = SourceRef { element, ..SourceRef::new(SYSTEM, customer, name, event_id) };
    let occurred_at = id.required_time("time")?;
    let mut said = PersonEvent { actor: actor(activity), ..PersonEvent::new(*action, occurred_at, subject, source) };
    if *action == Action::IdentityUpdate {
        let to = parameter(event, "NEW_VALUE")?
            .ok_or_else(|| Reject::new(RejectCode::MissingField, "no parameter `NEW_VALUE`"))?;
        said.identity_change = Some(IdentityChange { from: email, to });
    }
    Ok(Verdict::Event(Box::new(said)))
}

/// A number of 64 bits, which Google writes as a text and shippers as a number.
fn qualifier(id: &Members<'_>) -> Result<String, Reject> {
    const NAME: &str = "uniqueQualifier";
    match id.required(NAME)? {
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            id.required_text(NAME, TEXT_MAX)
        }
    }
}

/// The address that a parameter holds. The same parameter twice is refused: which one counts would be a guess.
fn parameter(event: &Members<'_>, wanted: &str) -> Result<Option<Email>, Reject> {
    let mut found = None;
    for (parameter, place) in event.items("parameters", ELEMENTS_MAX)? {
        let parameter = Members::of(parameter, &place)?;
        if parameter.required_str("name", TEXT_MAX)? != wanted {
            continue;
        }
        if found.replace(parameter.required_email("value")?).is_some() {
            return Err(Reject::new(RejectCode::Ambiguous, format!("parameter `{wanted}` stands more than once")));
        }
    }
    Ok(found)
}

/// Who did it; for the audit alone, so what does not fit is left out.
fn actor(activity: &Members<'_>) -> Option<Actor> {
    let actor = activity.optional_object("actor").ok().flatten()?;
    let kind = match actor.optional_str("callerType", TEXT_MAX) {
        Ok(Some("USER")) => ActorKind::User,
        Ok(Some("KEY")) => ActorKind::App,
        Ok(_) | Err(_) => ActorKind::Unknown,
    };
    Some(Actor { kind, id: actor.text_if_fit("profileId"), email: actor.text_if_fit("email"), name: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/google.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
