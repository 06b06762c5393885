//! Auth0: event streams, which are CloudEvents about a user, and log streams, whose entries name the administrator first.
//! In a log entry `user_id` and `auth` are who did it; the user stands in the path of the request.

use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, FOREIGN_TYPE, Format, Rules};
use crate::model::event::{Action, Address, AddressKind, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Auth0, "auth0", recognises, read)
    .unconfirmed("the members of `data.object` of an event stream")
    .unwrapping(unwrap);

const SYSTEM: &str = "auth0";

/// What is decided, as `docs/sources/auth0.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("user.deleted", Action::Deprovision), ("sdu", Action::Deprovision), ("sapi", Action::Deprovision)];

/// Path of a user in the management API.
const USERS: &str = "/api/v2/users/";

fn is_entry(value: &Value) -> bool {
    ["log_id", "date", "type"].iter().all(|name| value.get(name).is_some_and(Value::is_string))
}

/// The data of a `user.…` event; its ids look like no other system's.
fn is_user(value: &Value) -> bool {
    let id = value.get("object").and_then(|object| object.get("user_id")).and_then(Value::as_str);
    id.is_some_and(|id| id.contains('|'))
}

fn recognises(value: &Value) -> bool {
    is_entry(value) || is_user(value) || value.get("log_id").is_some() && value.get("data").is_some_and(is_entry)
}

/// A log stream wraps each entry once more.
fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    match element.value.get("data") {
        Some(data) if !is_entry(element.value) && element.value.get("log_id").is_some() => {
            let path = element.path.key("data");
            vec![element.within(Envelope::Own { source: None }, path, data)]
        }
        Some(_) | None => vec![element],
    }
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    let verdict = match element.cloud_event() {
        Some(event) if !is_entry(element.value) => {
            if !event.r#type.starts_with("user.") && !event.r#type.starts_with("com.auth0.user.") {
                return vec![Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE)];
            }
            let (kind, source) = (event.r#type.trim_start_matches("com.auth0."), event.source);
            event.readable().and_then(|()| user_event(element, kind, source, rules))
        }
        Some(_) | None => entry(element, rules),
    };
    let place = match (element.cloud_event(), &verdict) {
        (Some(_), Ok(Verdict::Event(_))) if is_user(element.value) => element.name(&element.path.key("object")),
        _ => element.place(),
    };
    vec![Reading { element: place, verdict: verdict.unwrap_or_else(Verdict::Reject) }]
}

fn user_event(element: &Element<'_>, kind: &str, source: &str, rules: &Rules) -> Result<Verdict, Reject> {
    let Some((_, action)) = MEANINGS.iter().find(|(known, _)| *known == kind) else {
        return Ok(Verdict::Ignore { reason: "an event that is not about leaving".into(), about: None });
    };
    let tenant = tenant(source.strip_prefix("urn:auth0:"), rules)?;
    let event = element.cloud_event().ok_or_else(|| Reject::new(RejectCode::Unrecognised, "no CloudEvent"))?;
    let user = Members::of(element.value, "")?.object("object")?;
    let id = user.required_str("user_id", TEXT_MAX)?;
    let email = user.is_present("email").then(|| user.required_email("email")).transpose()?;
    let mut subject = members::known_as(SYSTEM, &tenant, "user_id", id)?;
    subject.emails.extend(email.map(|value| Address { value, kind: AddressKind::Work, primary: None }));
    let source = SourceRef::new(SYSTEM, &tenant, kind, event.id.to_owned());
    let at = event.time.ok_or_else(|| Reject::new(RejectCode::MissingField, "`time` of the CloudEvent is missing"))?;
    Ok(Verdict::Event(Box::new(PersonEvent::new(*action, at, subject, source))))
}

fn entry(element: &Element<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let ignored = |reason: &'static str| Ok(Verdict::Ignore { reason: reason.into(), about: None });
    let entry = Members::of(element.value, "")?;
    let kind = entry.required_str("type", TEXT_MAX)?;
    let request = |name: &str| -> Result<Members<'_>, Reject> { entry.object("details")?.object(name) };
    let id = match kind {
        "sdu" => {
            let body = request("request")?.object("body");
            body.and_then(|body| body.required_text("user_id", TEXT_MAX)).or_else(|_| path_of(&entry))?
        }
        "sapi" => {
            let call = request("request")?;
            if !call.required_str("method", TEXT_MAX)?.eq_ignore_ascii_case("delete") {
                return ignored("a call that deletes nobody");
            }
            match path_of(&entry) {
                Ok(id) => id,
                Err(_) => return ignored("a call that deletes something else than a user"),
            }
        }
        _ => return ignored("an event that is not about leaving"),
    };
    if kind == "sapi" && !matches!(request("response")?.optional_u32("statusCode")?, Some(200..300)) {
        return ignored("its status code is not 2xx: it did not happen");
    }
    let tenant = tenant(entry.optional_str("tenant_name", TEXT_MAX)?, rules)?;
    let source = SourceRef::new(SYSTEM, &tenant, kind, entry.required_text("log_id", TEXT_MAX)?);
    let event = PersonEvent::new(
        Action::Deprovision,
        entry.required_time("date")?,
        members::known_as(SYSTEM, &tenant, "user_id", &id)?,
        source,
    );
    Ok(Verdict::Event(Box::new(event)))
}

/// The user's id, which stands percent-encoded in the path of the request and nowhere else.
fn path_of(entry: &Members<'_>) -> Result<String, Reject> {
    let request = entry.object("details")?.object("request")?;
    let path = request.required_str("path", TEXT_MAX)?;
    let id = path.strip_prefix(USERS).filter(|id| !id.is_empty() && !id.contains('/'));
    let id = id.ok_or_else(|| Reject::new(RejectCode::MissingSubject, "the path of the request names no user"))?;
    decoded(id).ok_or_else(|| request.invalid("path", "is not percent-encoded text"))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// The domain of the tenant, or its name: the configured one, which the record must agree with if it names one.
fn tenant(named: Option<&str>, rules: &Rules) -> Result<String, Reject> {
    let label = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    match (&rules.tenant, named) {
        (Some(ours), Some(named)) if label(ours) != label(named) => {
            Err(Reject::new(RejectCode::OtherTenant, "it names another Auth0 tenant than the source's `tenant`"))
        }
        (Some(ours), _) => Ok(ours.clone()),
        (None, named) => Ok(named.unwrap_or("unknown").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::{Record, read};

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/auth0.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn a_deletion_names_the_user_in_its_body_or_in_its_path() {
        let rules = Rules { format: Format::Auth0, ..Rules::auto() };
        let said = |request: Value| {
            let entry = json!({
                "log_id": "9002", "date": "2026-05-30T05:00:00.210Z", "type": "sdu", "user_id": "auth0|admin",
                "details": { "request": request },
            });
            let bytes = entry.to_string();
            match read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules).remove(0).verdict {
                Verdict::Event(event) => event.subject.external_ids[0].value.clone(),
                Verdict::Ignore { reason, .. } => reason.into_owned(),
                Verdict::Reject(reject) => reject.code.as_str().to_owned(),
            }
        };
        let path = "/api/v2/users/auth0%7C66f0";
        assert_eq!(said(json!({ "path": "/api/v2/users", "body": { "user_id": "auth0|77a1" } })), "auth0|77a1");
        for body in [json!({}), json!({ "user_id": null }), Value::Null, json!([])] {
            assert_eq!(said(json!({ "path": path, "body": body })), "auth0|66f0", "{body}");
        }
        assert_eq!(said(json!({ "path": path })), "auth0|66f0");
        assert_eq!(said(json!({ "path": "/api/v2/users" })), "missing_subject");
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decoded("auth0%7C66f0").as_deref(), Some("auth0|66f0"));
        assert_eq!(decoded("a%257C").as_deref(), Some("a%7C"));
        for wrong in ["a%", "a%7", "a%zz", "a%ff", "a%0a"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
