//! Okta's System Log: which events say that somebody left, and whom they name.
//!
//! The subject is whoever stands in `target[]` as a `User`. The actor is the administrator who did it; there is no
//! way from a missing subject to the actor. Event types are compared whole: `user.mfa.factor.deactivate` removes a
//! telephone, not a person.

mod event_hook;
mod pass_over;
mod tenant;

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::{CloudEvent, Element};
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{About, Reading, Reject, RejectCode, Verdict};
use super::{Adapter, FOREIGN_TYPE, Format, Rules};
use crate::model::Email;
use crate::model::event::{Action, Actor, ActorKind, Address, AddressKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Okta, "okta", recognises, read)
    .unwrapping(event_hook::unwrap)
    .passing_over(pass_over::pass_over);

/// What an event type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A statement about the person.
    States(Action),
    /// Says that a profile changed, not what: the new state has to be looked up.
    ChangedSomehow,
    /// Looks as if it were about leaving, and is not; why.
    Ignored(&'static str),
}

/// The event types that mean something here, as `docs/sources/okta.md` lists them. Every other type is ignored.
pub const MEANINGS: &[(&str, Meaning)] = &[
    ("user.lifecycle.deactivate", Meaning::States(Action::Deprovision)),
    ("user.lifecycle.delete.initiated", Meaning::States(Action::Deprovision)),
    ("user.lifecycle.delete.completed", Meaning::States(Action::Deprovision)),
    ("user.lifecycle.suspend", Meaning::States(Action::Suspend)),
    ("user.lifecycle.unsuspend", Meaning::States(Action::Cancel)),
    ("user.lifecycle.reactivate", Meaning::States(Action::Cancel)),
    ("user.lifecycle.activate", Meaning::States(Action::Cancel)),
    ("user.account.update_profile", Meaning::ChangedSomehow),
    ("user.account.update_primary_email", Meaning::ChangedSomehow),
    ("user.lifecycle.create", Meaning::Ignored("a new account, not a departure")),
    ("user.account.update_user_type", Meaning::Ignored("another user type, not a departure")),
    (
        "application.user_membership.remove",
        Meaning::Ignored("the person lost one application, and is still with the organisation"),
    ),
];

/// What the type means; `None` = nothing here.
fn meaning(event_type: &str) -> Option<Meaning> {
    MEANINGS.iter().find(|(name, _)| *name == event_type).map(|(_, meaning)| *meaning)
}

const NOT_ABOUT_LEAVING: &str = "an event type that is not about leaving";

fn recognises(value: &Value) -> bool {
    let has_text = |name: &str| value.get(name).is_some_and(Value::is_string);
    event_hook::recognises(value) || (has_text("eventType") && has_text("published") && has_text("uuid"))
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(event) = element.cloud_event() {
        if is_foreign(event, element, rules) {
            return vec![Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE)];
        }
        if let Err(reject) = event.readable() {
            return vec![Reading::reject(element.place(), reject)];
        }
    }
    classify(element, rules).unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// Whether a CloudEvent is none of Okta's. Bridges choose its type freely, so unless types are configured the data
/// speaks for itself; what neither claims to be Okta's nor looks like it is somebody else's on a shared topic.
fn is_foreign(event: &CloudEvent<'_>, element: &Element<'_>, rules: &Rules) -> bool {
    if rules.format == Format::Okta && !rules.types.is_empty() {
        return !rules.accepts_type(event.r#type);
    }
    let is_only_wrapping = element.envelopes.len() == 1;
    let is_readable = event.readable().is_ok();
    is_only_wrapping
        && is_readable
        && !event.r#type.starts_with("com.okta.")
        && element.value.get("eventType").is_none()
}

/// Says what one LogEvent means.
fn classify(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let event = Members::of(element.value, "")?;
    let event_type = event.required_str("eventType", TEXT_MAX)?;
    // An event that says nothing about leaving is ignored whoever's it is.
    let tenant = tenant::of(element, rules.tenant.as_deref());
    let ignored = |reason: &'static str| {
        let about = tenant.as_ref().ok().and_then(|tenant| about(&event, tenant)).map(Box::new);
        Ok(vec![Reading { element: element.place(), verdict: Verdict::Ignore { reason: reason.into(), about } }])
    };
    let (action, resolvable) = match meaning(event_type) {
        Some(Meaning::States(action)) => (action, true),
        Some(Meaning::ChangedSomehow) => (Action::IdentityUpdate, false),
        Some(Meaning::Ignored(reason)) => return ignored(reason),
        None => return ignored(NOT_ABOUT_LEAVING),
    };
    if event.object("outcome")?.required_str("result", TEXT_MAX)? != "SUCCESS" {
        return ignored("its outcome is not SUCCESS: it did not happen");
    }
    let log_event = LogEvent {
        action,
        resolvable,
        occurred_at: event.required_time("published")?,
        source: SourceRef {
            system: "okta".to_owned(),
            tenant: tenant?.into_owned(),
            event_type: event_type.to_owned(),
            event_id: event.required_text("uuid", TEXT_MAX)?,
            element: None,
        },
        actor: actor(&event),
        correlation_id: event
            .optional_object("transaction")
            .ok()
            .flatten()
            .and_then(|transaction| transaction.text_if_fit("id")),
    };
    let users = users(&event)?;
    Ok(match users.as_slice() {
        [] => {
            return Err(Reject::new(RejectCode::MissingSubject, "`target` names no `User`; the actor is never meant"));
        }
        [user] => vec![Reading { element: element.place(), verdict: log_event.about(user, None) }],
        several => (0..)
            .zip(several)
            .map(|(ordinal, user)| {
                let place = element.name(&element.path.key("target").index(user.index));
                Reading { element: place, verdict: log_event.about(user, Some(ordinal)) }
            })
            .collect(),
    })
}

/// What all users of one LogEvent have in common.
struct LogEvent {
    action: Action,
    resolvable: bool,
    occurred_at: Timestamp,
    source: SourceRef,
    actor: Option<Actor>,
    correlation_id: Option<String>,
}

impl LogEvent {
    fn about(&self, user: &User<'_>, element: Option<u32>) -> Verdict {
        let subject = match subject(user, &self.source.tenant) {
            Ok(subject) => subject,
            Err(reject) => return Verdict::Reject(reject),
        };
        let source = SourceRef { element, ..self.source.clone() };
        let event = PersonEvent::new(self.action, self.occurred_at, subject, source);
        Verdict::Event(Box::new(PersonEvent {
            resolved: self.resolvable && event.resolved,
            actor: self.actor.clone(),
            correlation_id: self.correlation_id.clone(),
            ..event
        }))
    }
}

/// A target of type `User`.
struct User<'a> {
    index: usize,
    members: Members<'a>,
}

/// The users among the targets; other types may carry addresses as well, of accounts in other systems.
fn users<'a>(event: &Members<'a>) -> Result<Vec<User<'a>>, Reject> {
    let mut users = Vec::new();
    for (index, (target, place)) in event.items("target", super::ELEMENTS_MAX)?.enumerate() {
        let members = Members::of(target, &place)?;
        if members.required_str("type", TEXT_MAX)? == "User" {
            users.push(User { index, members });
        }
    }
    Ok(users)
}

fn subject(user: &User<'_>, tenant: &str) -> Result<Subject, Reject> {
    let user = &user.members;
    let id = user.required_str("id", TEXT_MAX)?;
    let (email, login) = login(user)?;
    Ok(Subject {
        emails: email.map(|value| Address { value, kind: AddressKind::Work, primary: None }).into_iter().collect(),
        logins: login.into_iter().collect(),
        display_name: user.text_if_fit("displayName"),
        ..members::known_as("okta", tenant, "user_id", id)?
    })
}

/// The login, as an address if it is one. A text with an `@` that is no plain address is refused rather than taken
/// for a mere user name: it may be an attempt to look like somebody.
fn login(user: &Members<'_>) -> Result<(Option<Email>, Option<String>), Reject> {
    const NAME: &str = "alternateId";
    if !user.is_present(NAME) {
        return Ok((None, None));
    }
    let value = user.required(NAME)?;
    if value.as_str().is_some_and(|text| text.contains('@')) {
        return Ok((Some(members::email(value, &user.place(NAME))?), None));
    }
    Ok((None, Some(user.required_text(NAME, TEXT_MAX)?).filter(|login| login != "unknown")))
}

/// Who did it; for the audit alone, so what does not fit is left out.
fn actor(event: &Members<'_>) -> Option<Actor> {
    let actor = event.optional_object("actor").ok().flatten()?;
    Some(Actor {
        kind: match actor.optional_str("type", TEXT_MAX) {
            Ok(Some("User")) => ActorKind::User,
            Ok(Some("SystemPrincipal")) => ActorKind::System,
            Ok(Some("PublicClientApp")) => ActorKind::App,
            Ok(_) | Err(_) => ActorKind::Unknown,
        },
        id: actor.text_if_fit("id"),
        email: actor.text_if_fit("alternateId").filter(|text| text.contains('@')),
        name: actor.text_if_fit("displayName"),
    })
}

/// Whom an ignored event names, if that is one person.
fn about(event: &Members<'_>, tenant: &str) -> Option<About> {
    let users = users(event).ok()?;
    let [user] = users.as_slice() else { return None };
    Some(About {
        subject: subject(user, tenant).ok()?,
        event_id: event.text_if_fit("uuid"),
        occurred_at: event.optional_time("published").ok().flatten(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/okta.md"));
        let taken: Vec<_> = MEANINGS
            .iter()
            .map(|(event_type, meaning)| match meaning {
                Meaning::States(action) => (*event_type, action.as_str()),
                Meaning::ChangedSomehow => (*event_type, "needs_lookup"),
                Meaning::Ignored(_) => (*event_type, "ignore"),
            })
            .collect();
        assert_eq!(documented, taken);
    }
}
