//! Keycloak, as its Kafka event listeners write it: admin events, whose subject is the resource, and user events, whose
//! subject is the user. `authDetails` of an admin event is who did it, and never meant.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::Element;
use super::document;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, not_ours};
use crate::model::Email;
use crate::model::event::{Action, Actor, ActorKind, Address, AddressKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Keycloak, "keycloak", recognises, read);

const SYSTEM: &str = "keycloak";

/// What is decided, as `docs/sources/keycloak.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("admin DELETE", Action::Deprovision),
    ("admin UPDATE, enabled false", Action::Suspend),
    ("admin UPDATE, enabled true", Action::IdentityUpdate),
    ("user DELETE_ACCOUNT", Action::Deprovision),
];

fn has_text(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(Value::is_string)
}

fn is_admin_event(value: &Value) -> bool {
    ["operationType", "resourceType", "resourcePath"].iter().all(|name| has_text(value, name))
}

fn is_user_event(value: &Value) -> bool {
    has_text(value, "type") && has_text(value, "realmId") && value.get("time").is_some_and(Value::is_number)
}

fn recognises(value: &Value) -> bool {
    is_admin_event(value) || is_user_event(value)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    let verdict = Members::of(element.value, "").and_then(|event| {
        if is_admin_event(element.value) { admin_event(&event, rules) } else { user_event(&event, rules) }
    });
    vec![Reading { element: element.place(), verdict: verdict.unwrap_or_else(Verdict::Reject) }]
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a refusal could stand")]
fn ignored(reason: &'static str) -> Result<Verdict, Reject> {
    Ok(Verdict::Ignore { reason: reason.into(), about: None })
}

fn admin_event(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let operation = event.required_str("operationType", TEXT_MAX)?;
    // A partial import names the realm as the resource, and the user in the path.
    if !matches!(event.required_str("resourceType", TEXT_MAX)?, "USER" | "REALM") {
        return ignored("about something that is not a user");
    }
    let Some(id) = user_of(event.required_str("resourcePath", TEXT_MAX)?) else {
        return ignored("about a part of a user, or about no user");
    };
    if event.is_present("error") {
        return ignored("it holds an `error`: it did not happen");
    }
    let parsed = representation(event)?;
    let user = match &parsed {
        Some(value) => Some(Members::of(value, "representation")?),
        None => None,
    };
    let enabled = user.as_ref().map(|user| user.optional_bool("enabled")).transpose()?.flatten();
    let action = match (operation, enabled) {
        ("DELETE", _) => Action::Deprovision,
        ("UPDATE", Some(false)) => Action::Suspend,
        // Whether it was blocked before is not said; it may be any edit of an account that is still in use.
        ("UPDATE", Some(true)) => Action::IdentityUpdate,
        _ => return ignored("an operation that is not about leaving"),
    };
    let subject = subject(id, &tenant(event, rules)?, user.as_ref())?;
    let source = source(event, rules, &format!("admin.{operation}"), id)?;
    let actor = event.optional_object("authDetails").ok().flatten().map(|by| Actor {
        kind: ActorKind::Unknown,
        id: by.text_if_fit("userId").or_else(|| by.text_if_fit("clientId")),
        email: None,
        name: None,
    });
    Ok(Verdict::Event(Box::new(PersonEvent { actor, ..PersonEvent::new(action, time(event)?, subject, source) })))
}

fn user_event(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let kind = event.required_str("type", TEXT_MAX)?;
    if kind != "DELETE_ACCOUNT" {
        return ignored("an event that is not about leaving");
    }
    if event.is_present("error") {
        return ignored("it holds an `error`: it did not happen");
    }
    let id = event.required_str("userId", TEXT_MAX)?;
    let details = event.is_present("details").then(|| event.object("details")).transpose()?;
    let subject = subject(id, &tenant(event, rules)?, details.as_ref())?;
    let source = source(event, rules, &format!("user.{kind}"), id)?;
    Ok(Verdict::Event(Box::new(PersonEvent::new(Action::Deprovision, time(event)?, subject, source))))
}

/// The user's id, when the path names exactly a user; deeper paths are memberships, roles and resets.
fn user_of(path: &str) -> Option<&str> {
    let id = ["users/", "scim/v2/Users/"].iter().find_map(|prefix| path.strip_prefix(prefix))?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// The user as JSON text in a text; absent on deletes of older versions.
fn representation(event: &Members<'_>) -> Result<Option<Value>, Reject> {
    const NAME: &str = "representation";
    if !event.is_present(NAME) {
        return Ok(None);
    }
    let text = event.required(NAME)?.as_str().ok_or_else(|| event.invalid(NAME, "is not a text"))?;
    let parsed = document::parse(text.as_bytes())
        .map_err(|reject| Reject::new(reject.code, format!("`{NAME}`: {}", reject.detail)))?;
    match parsed.repeated.first() {
        Some(place) => Err(Reject::repeated(place)),
        None => Ok(Some(parsed.root)),
    }
}

fn subject(id: &str, tenant: &str, user: Option<&Members<'_>>) -> Result<Subject, Reject> {
    let email = user.map(|user| user.filled_work_email("email")).transpose()?.flatten();
    let username = user.map(|user| user.filled_str("username")).transpose()?.flatten();
    // The user name of many realms is the address.
    let work = |value| Address { value, kind: AddressKind::Work, primary: None };
    let email = email.or_else(|| Email::parse(username?).ok().map(work));
    let number = user.and_then(|user| user.optional_object("attributes").ok().flatten()).and_then(|attributes| {
        let value = attributes.required("employeeNumber").ok()?;
        let first = value.as_array().map_or(value, |items| items.first().unwrap_or(&Value::Null));
        members::text(first, "employeeNumber", TEXT_MAX).ok().map(ToOwned::to_owned)
    });
    Ok(Subject {
        emails: email.into_iter().collect(),
        logins: username.map(ToOwned::to_owned).into_iter().collect(),
        employee_id: number,
        ..members::known_as(SYSTEM, tenant, "user_id", id)?
    })
}

/// The realm: the configured name or id, which the record must agree with.
fn tenant(event: &Members<'_>, rules: &Rules) -> Result<String, Reject> {
    let id = event.required_str("realmId", TEXT_MAX)?;
    let name = event.filled_str("realmName")?;
    match &rules.tenant {
        Some(ours) if ours != id && Some(ours.as_str()) != name => {
            Err(Reject::new(RejectCode::OtherTenant, "neither `realmName` nor `realmId` is the source's `tenant`"))
        }
        Some(ours) => Ok(ours.clone()),
        None => Ok(name.unwrap_or(id).to_owned()),
    }
}

/// Older listeners write no id.
fn source(event: &Members<'_>, rules: &Rules, event_type: &str, user: &str) -> Result<SourceRef, Reject> {
    let event_id = match event.filled_str("id")? {
        Some(id) => id.to_owned(),
        None => format!("{event_type}:{user}:{}", time(event)?),
    };
    Ok(SourceRef::new(SYSTEM, &tenant(event, rules)?, event_type, event_id))
}

/// Milliseconds since 1970.
fn time(event: &Members<'_>) -> Result<Timestamp, Reject> {
    const NAME: &str = "time";
    let millis = event.optional_u64(NAME)?.ok_or_else(|| event.missing(NAME))?;
    let time = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    event.plausible(NAME, time.ok_or_else(|| event.invalid(NAME, "is not a time in milliseconds"))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::{Record, read};

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/keycloak.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn what_is_blank_is_absent() {
        let rules = Rules { format: Format::Keycloak, tenant: Some("r-1".to_owned()), ..Rules::auto() };
        let subject = |event: Value| {
            let bytes = event.to_string();
            match read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules).remove(0).verdict {
                Verdict::Event(event) => event.subject,
                other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
            }
        };
        let update = |user: &Value| {
            subject(json!({
                "id": null, "realmId": "r-1", "realmName": null, "time": 1_780_063_391_000_i64, "operationType": "UPDATE",
                "resourceType": "USER", "resourcePath": "users/2b7e", "representation": user.to_string(),
            }))
        };
        for blank in [json!(""), json!(" "), Value::Null] {
            let named = update(&json!({ "enabled": false, "email": blank, "username": "tomas@larkspur.example" }));
            assert_eq!(named.emails[0].value.expose(), "tomas@larkspur.example", "{blank}");
            let nameless = update(&json!({ "enabled": false, "email": "t@larkspur.example", "username": blank }));
            assert_eq!(nameless.emails[0].value.expose(), "t@larkspur.example", "{blank}");
            assert!(nameless.logins.is_empty(), "{blank}");
        }
        let deleted = json!({
            "realmId": "r-1", "time": 1_780_063_391_000_i64, "type": "DELETE_ACCOUNT", "userId": "2b7e", "details": null,
        });
        assert_eq!(subject(deleted).person_key.0, "keycloak:r-1:2b7e");
    }

    #[test]
    fn only_the_path_of_a_user_names_one() {
        assert_eq!(user_of("users/2b7e"), Some("2b7e"));
        assert_eq!(user_of("scim/v2/Users/2b7e"), Some("2b7e"));
        for path in ["users/2b7e/role-mappings", "users/", "groups/2b7e", "xusers/2b7e"] {
            assert_eq!(user_of(path), None, "{path}");
        }
    }
}
