//! The audit log: a record of Event Hubs, whole or split, and Graph's `directoryAudit`, which is the inner part of it.

use jiff::Timestamp;
use serde_json::Value;

use super::{SYSTEM, known_by, tenant};
use crate::model::Email;
use crate::model::event::{
    Action, Actor, ActorKind, Address, AddressKind, IdentityChange, PersonEvent, SourceRef, Subject,
};
use crate::sources::carrier::Element;
use crate::sources::members::{self, Members, TEXT_MAX};
use crate::sources::verdict::{Reading, Reject, RejectCode, Verdict};
use crate::sources::{ELEMENTS_MAX, Rules};

/// What an activity means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A statement about the person.
    States(Action),
    /// What changed decides.
    ByItsChanges,
}

/// The activities that mean something here, as `docs/sources/entra.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Meaning)] = &[
    ("Delete user", Meaning::States(Action::Deprovision)),
    ("Hard Delete user", Meaning::States(Action::Deprovision)),
    ("Disable account", Meaning::States(Action::Suspend)),
    ("Enable account", Meaning::States(Action::Cancel)),
    ("Restore user", Meaning::States(Action::Cancel)),
    ("Update user", Meaning::ByItsChanges),
];

const NOT_ABOUT_LEAVING: &str = "an activity that is not about leaving";

pub(super) fn recognises(value: &Value) -> bool {
    let has_text = |value: &Value, name: &str| value.get(name).is_some_and(Value::is_string);
    let is_inner = |value: &Value| has_text(value, "activityDisplayName");
    is_inner(value) || (has_text(value, "category") && has_text(value, "operationName"))
}

pub(super) fn read(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let ignored = |why: &'static str| Ok(vec![Reading::ignore(element.place(), why)]);
    let outer = Members::of(element.value, "")?;
    let hub = !outer.is_present("activityDisplayName");
    if hub && !matches!(outer.required_str("category", TEXT_MAX)?, "AuditLogs" | "Audit") {
        return ignored("a category other than the audit log");
    }
    let audit = if hub { outer.object("properties")? } else { outer.clone() };
    let activity = audit.required_str("activityDisplayName", TEXT_MAX)?;
    let Some((_, meaning)) = MEANINGS.iter().find(|(name, _)| *name == activity) else {
        return ignored(NOT_ABOUT_LEAVING);
    };
    if audit.optional_str("category", TEXT_MAX)?.is_some_and(|category| category != "UserManagement") {
        return ignored(NOT_ABOUT_LEAVING);
    }
    if !succeeded(&outer, &audit)? {
        return ignored("its result is not success: it did not happen");
    }
    let tenant = tenant(outer.optional_str("tenantId", TEXT_MAX)?, rules)?;
    let occurred_at = match audit.optional_time("activityDateTime")? {
        Some(at) => at,
        None => outer.required_time("time")?,
    };
    let entry = Entry {
        meaning: *meaning,
        occurred_at,
        source: SourceRef::new(SYSTEM, &tenant, activity, audit.required_text("id", TEXT_MAX)?),
        actor: actor(&audit),
        correlation_id: audit.text_if_fit("correlationId"),
    };
    let users = users(&audit)?;
    if users.is_empty() {
        return Err(Reject::new(
            RejectCode::MissingSubject,
            "`targetResources` names no `User`; who did it (`initiatedBy`) is never meant",
        ));
    }
    let one = users.len() == 1;
    let inner = if hub { element.path.key("properties") } else { element.path.clone() };
    Ok(users
        .iter()
        .zip(0..)
        .map(|((index, user), ordinal)| {
            let place = inner.key("targetResources").index(*index);
            Reading {
                element: if one { element.place() } else { element.name(&place) },
                verdict: entry.about(user, (!one).then_some(ordinal)).unwrap_or_else(Verdict::Reject),
            }
        })
        .collect())
}

/// `"success"`; a number 0 and `resultType: "Success"` are documented too.
fn succeeded(outer: &Members<'_>, audit: &Members<'_>) -> Result<bool, Reject> {
    if audit.is_present("result") {
        let result = audit.required("result")?;
        return Ok(
            result.as_str().is_some_and(|text| text.eq_ignore_ascii_case("success")) || result.as_u64() == Some(0)
        );
    }
    Ok(outer.required_str("resultType", TEXT_MAX)?.eq_ignore_ascii_case("success"))
}

/// The users among the targets; groups, roles and applications stand there as well.
fn users<'a>(audit: &Members<'a>) -> Result<Vec<(usize, Members<'a>)>, Reject> {
    let mut users = Vec::new();
    for (index, (target, place)) in audit.items("targetResources", ELEMENTS_MAX)?.enumerate() {
        let target = Members::of(target, &place)?;
        // Graph spells it `Type` at times.
        let kind = if target.is_present("Type") { "Type" } else { "type" };
        if target.required_str(kind, TEXT_MAX)? == "User" {
            users.push((index, target));
        }
    }
    Ok(users)
}

/// What all users of one entry have in common.
struct Entry {
    meaning: Meaning,
    occurred_at: Timestamp,
    source: SourceRef,
    actor: Option<Actor>,
    correlation_id: Option<String>,
}

impl Entry {
    fn about(&self, user: &Members<'_>, ordinal: Option<u32>) -> Result<Verdict, Reject> {
        let changes = match self.meaning {
            Meaning::States(action) => Changes::of(action),
            Meaning::ByItsChanges => match Changes::read(user)? {
                Some(changes) => changes,
                None => {
                    let reason = "changes that are not about leaving".into();
                    return Ok(Verdict::Ignore { reason, about: None });
                }
            },
        };
        let subject = subject(user, &self.source.tenant)?;
        let source = SourceRef { element: ordinal, ..self.source.clone() };
        let event = PersonEvent::new(changes.action, self.occurred_at, subject, source);
        Ok(Verdict::Event(Box::new(PersonEvent {
            resolved: changes.resolved && event.resolved,
            actor: self.actor.clone(),
            identity_change: changes.identity,
            correlation_id: self.correlation_id.clone(),
            ..event
        })))
    }
}

/// What an `Update user` changed, as far as it is of interest.
struct Changes {
    action: Action,
    resolved: bool,
    identity: Option<IdentityChange>,
}

impl Changes {
    fn of(action: Action) -> Self {
        Self { action, resolved: true, identity: None }
    }

    /// The flag of the account decides before any change of names.
    fn read(user: &Members<'_>) -> Result<Option<Self>, Reject> {
        let mut names = None;
        for (property, place) in user.items("modifiedProperties", ELEMENTS_MAX)? {
            let property = Members::of(property, &place)?;
            match property.optional_str("displayName", TEXT_MAX)? {
                Some("AccountEnabled") => {
                    let (old, new) = (flag(&property, "oldValue")?, flag(&property, "newValue")?);
                    let new = new.ok_or_else(|| property.missing("newValue"))?;
                    if old != Some(new) {
                        return Ok(Some(Self::of(if new { Action::Cancel } else { Action::Suspend })));
                    }
                }
                Some("UserPrincipalName") => {
                    let (from, to) = (address(&property, "oldValue"), address(&property, "newValue"));
                    let identity = from.zip(to).map(|(from, to)| IdentityChange { from, to });
                    names = Some(Self { action: Action::IdentityUpdate, resolved: identity.is_some(), identity });
                }
                Some("Mail" | "ProxyAddresses") => {
                    let unknown = Self { action: Action::IdentityUpdate, resolved: false, identity: None };
                    names = names.or(Some(unknown));
                }
                Some(_) | None => {}
            }
        }
        Ok(names)
    }
}

/// The first thing in a changed value, which is JSON text in a text: `"[true]"`, `"\"a@b\""`.
fn changed(property: &Members<'_>, name: &str) -> Result<Option<Value>, Reject> {
    if !property.is_present(name) {
        return Ok(None);
    }
    let text = property.required(name)?.as_str().ok_or_else(|| property.invalid(name, "is not a text"))?;
    let value = serde_json::from_str(text).map_err(|_| property.invalid(name, "is not JSON in a text"))?;
    Ok(match value {
        Value::Array(items) => items.into_iter().next(),
        other => Some(other),
    })
}

fn flag(property: &Members<'_>, name: &str) -> Result<Option<bool>, Reject> {
    changed(property, name)?
        .map(|value| value.as_bool().ok_or_else(|| property.invalid(name, "is not true or false")))
        .transpose()
}

fn address(property: &Members<'_>, name: &str) -> Option<Email> {
    changed(property, name).ok().flatten().and_then(|value| principal(value.as_str()?, "", name).ok()?.0)
}

fn subject(user: &Members<'_>, tenant: &str) -> Result<Subject, Reject> {
    let id = user.required_str("id", TEXT_MAX)?;
    let (email, login) = match user.filled_str("userPrincipalName")? {
        Some(name) => principal(name, id, &user.place("userPrincipalName"))?,
        None => (None, None),
    };
    Ok(Subject {
        emails: email.map(|value| Address { value, kind: AddressKind::Work, primary: None }).into_iter().collect(),
        logins: login.into_iter().collect(),
        display_name: user.text_if_fit("displayName"),
        ..known_by(id, tenant)?
    })
}

/// The principal name without what a deleted user's is prefixed with: the object id without hyphens.
pub(crate) fn without_own_id<'n>(name: &'n str, id: &str) -> &'n str {
    let id: String = id.chars().filter(|character| *character != '-').collect();
    let prefix = name.get(..id.len()).filter(|prefix| !id.is_empty() && prefix.eq_ignore_ascii_case(&id));
    prefix.map_or(name, |prefix| &name[prefix.len()..])
}

/// The principal name as an address, if it is one, else as a login. A guest's only looks like an address. Any other text with an `@` that is no plain address is refused:
/// it may be an attempt to look like somebody.
fn principal(name: &str, id: &str, place: &str) -> Result<(Option<Email>, Option<String>), Reject> {
    let name = without_own_id(name, id);
    let guest = name.to_ascii_uppercase().contains("#EXT#");
    if guest || !name.contains('@') {
        return Ok((None, Some(name.to_owned())));
    }
    Ok((Some(members::email(&Value::from(name), place)?), None))
}

/// Who did it; for the audit alone, so what does not fit is left out.
fn actor(audit: &Members<'_>) -> Option<Actor> {
    let by = audit.optional_object("initiatedBy").ok().flatten()?;
    let of = |name: &str| by.optional_object(name).ok().flatten();
    if let Some(user) = of("user") {
        let email = user.text_if_fit("userPrincipalName").filter(|text| text.contains('@'));
        return Some(Actor {
            kind: ActorKind::User,
            id: user.text_if_fit("id"),
            email,
            name: user.text_if_fit("displayName"),
        });
    }
    let app = of("app")?;
    let id = app.text_if_fit("servicePrincipalId").or_else(|| app.text_if_fit("appId"));
    Some(Actor { kind: ActorKind::App, id, email: None, name: app.text_if_fit("displayName") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_principal_name_is_absent() {
        for blank in [Value::from(""), Value::Null] {
            let user = serde_json::json!({ "type": "User", "id": "4c1d", "userPrincipalName": blank });
            let subject = subject(&Members::of(&user, "").unwrap(), "t").unwrap();
            assert_eq!((subject.person_key.0.as_str(), subject.emails.len()), ("entra:t:4c1d", 0));
            assert!(subject.logins.is_empty());
        }
    }

    #[test]
    fn a_principal_name_is_an_address_only_when_it_is_one() {
        let id = "4c1d0b6e-9b5a-4e4f-a6a3-1f0d7f9e2b32";
        for (name, expected) in [
            ("greta@larkspur.example", Some("greta@larkspur.example")),
            ("4c1d0b6e9b5a4e4fa6a31f0d7f9e2b32greta@larkspur.example", Some("greta@larkspur.example")),
            (
                "0000000000000000000000000000beefgreta@larkspur.example",
                Some("0000000000000000000000000000beefgreta@larkspur.example"),
            ),
            ("kim_agency.example#EXT#@larkspur.onmicrosoft.com", None),
            ("greta", None),
        ] {
            let (email, login) = principal(name, id, "it").unwrap();
            assert_eq!(email.as_ref().map(Email::expose), expected, "{name}");
            assert_eq!(login.is_none(), expected.is_some());
        }
        assert_eq!(principal("grеta@larkspur.example", id, "it").unwrap_err().code, RejectCode::InvalidAddress);
    }
}
