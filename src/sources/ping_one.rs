//! PingOne's audit activities. The subject is the resource of type `USER`; `actors` did it and are never meant.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, ELEMENTS_MAX, Format, Rules, not_ours};
use crate::model::Email;
use crate::model::event::{Action, Actor, ActorKind, Address, AddressKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::PingOne, "ping_one", recognises, read);

const SYSTEM: &str = "ping_one";

/// The actions that mean something here, as `docs/sources/ping_one.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] = &[("USER.DELETED", Action::Deprovision)];

fn recognises(value: &Value) -> bool {
    let of = |outer: &str, inner: &str| value.get(outer).and_then(|it| it.get(inner)).is_some_and(Value::is_string);
    of("action", "type") && of("result", "status") && value.get("recordedAt").is_some()
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    activity(element, rules).unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// One reading for each user among the resources.
fn activity(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let ignored = |why: &'static str| Ok(vec![Reading::ignore(element.place(), why)]);
    let activity = Members::of(element.value, "")?;
    let kind = activity.object("action")?.required_str("type", TEXT_MAX)?;
    let Some((_, action)) = MEANINGS.iter().find(|(known, _)| *known == kind) else {
        return ignored("an action that is not about leaving");
    };
    if activity.object("result")?.required_str("status", TEXT_MAX)? != "SUCCESS" {
        return ignored("its result is not SUCCESS: it did not happen");
    }
    let (id, at) = (activity.required_text("id", TEXT_MAX)?, activity.required_time("recordedAt")?);
    let mut users = Vec::new();
    for (index, (resource, place)) in activity.items("resources", ELEMENTS_MAX)?.enumerate() {
        let resource = Members::of(resource, &place)?;
        if resource.required_str("type", TEXT_MAX)? == "USER" {
            users.push((index, resource));
        }
    }
    if users.is_empty() {
        return Err(Reject::new(RejectCode::MissingSubject, "`resources` names no `USER`; an actor is never meant"));
    }
    let read = |(index, user): (usize, Members<'_>)| Reading {
        element: element.name(&element.path.key("resources").index(index)),
        verdict: tenant(&user, rules)
            .and_then(|tenant| {
                let element = u32::try_from(index).ok();
                let source = SourceRef { element, ..SourceRef::new(SYSTEM, &tenant, kind, id.clone()) };
                let subject = subject(&user, &source.tenant)?;
                let event = PersonEvent { actor: actor(&activity), ..PersonEvent::new(*action, at, subject, source) };
                Ok(Verdict::Event(Box::new(event)))
            })
            .unwrap_or_else(Verdict::Reject),
    };
    Ok(users.into_iter().map(read).collect())
}

/// The environment, which the configured one must agree with.
fn tenant(user: &Members<'_>, rules: &Rules) -> Result<String, Reject> {
    rules.agreed_tenant(Some(user.object("environment")?.required_str("id", TEXT_MAX)?), "environment.id")
}

/// The name of a user is the user name, which often is an address and need not be one.
fn subject(user: &Members<'_>, tenant: &str) -> Result<Subject, Reject> {
    let id = user.required_str("id", TEXT_MAX)?;
    let name = user.filled_str("name")?.map(ToOwned::to_owned);
    let email = name.as_deref().and_then(|name| Email::parse(name).ok());
    Ok(Subject {
        emails: email.map(|value| Address { value, kind: AddressKind::Work, primary: None }).into_iter().collect(),
        logins: name.into_iter().collect(),
        ..members::known_as(SYSTEM, tenant, "user_id", id)?
    })
}

/// Who did it; for the audit alone, so what does not fit is left out.
fn actor(activity: &Members<'_>) -> Option<Actor> {
    let actors = activity.optional_object("actors").ok().flatten()?;
    let (kind, actor) = match actors.optional_object("user").ok().flatten() {
        Some(user) => (ActorKind::User, user),
        None => (ActorKind::App, actors.optional_object("client").ok().flatten()?),
    };
    Some(Actor { kind, id: actor.text_if_fit("id"), email: None, name: actor.text_if_fit("name") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::{Record, read};

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/ping_one.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn a_blank_name_is_absent() {
        let rules = Rules { format: Format::PingOne, ..Rules::auto() };
        for blank in [json!(""), Value::Null] {
            let user = json!({ "type": "USER", "id": "bbbb", "name": blank, "environment": { "id": "abc" } });
            let activity = json!({
                "id": "0c1d", "recordedAt": "2026-05-29T14:03:11.400Z", "action": { "type": "USER.DELETED" },
                "result": { "status": "SUCCESS" }, "resources": [user],
            });
            let bytes = activity.to_string();
            let verdict =
                read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules).remove(0).verdict;
            let Verdict::Event(event) = verdict else { panic!("{verdict:?}") };
            assert_eq!(event.subject.person_key.0, "ping_one:abc:bbbb");
            assert!(event.subject.emails.is_empty() && event.subject.logins.is_empty());
        }
    }
}
