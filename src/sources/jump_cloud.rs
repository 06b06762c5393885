//! JumpCloud's Directory Insights. The subject is the resource; `initiated_by` did it and is never meant.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, one_reading};
use crate::model::Email;
use crate::model::event::{Action, Actor, ActorKind, Address, AddressKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter =
    Adapter::new(Format::JumpCloud, "jump_cloud", recognises, read).unconfirmed("the members of `resource`");

const SYSTEM: &str = "jump_cloud";

/// The events that mean something here, as `docs/sources/jump_cloud.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("user_delete", Action::Deprovision), ("user_suspended", Action::Suspend), ("user_unsuspended", Action::Cancel)];

fn recognises(value: &Value) -> bool {
    ["event_type", "service", "organization"].iter().all(|name| value.get(name).is_some_and(Value::is_string))
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let ignored = |reason: &'static str| Ok(Verdict::Ignore { reason: reason.into(), about: None });
    let kind = event.required_str("event_type", TEXT_MAX)?;
    let meaning = MEANINGS.iter().find(|(known, _)| *known == kind);
    let (Some((_, action)), "directory") = (meaning, event.required_str("service", TEXT_MAX)?) else {
        return ignored("an event that is not about leaving");
    };
    if event.optional_bool("success")? == Some(false) {
        return ignored("`success` is false: it did not happen");
    }
    let tenant = rules.agreed_tenant(Some(event.required_str("organization", TEXT_MAX)?), "organization")?;
    let user = event.object("resource")?;
    if user.optional_str("type", TEXT_MAX)?.is_some_and(|kind| kind != "user") {
        return Err(Reject::new(RejectCode::MissingSubject, "`resource` is no user; who did it is never meant"));
    }
    let id = user.required_str("id", TEXT_MAX)?;
    let name = user.filled_str("username")?.map(ToOwned::to_owned);
    let email = name.as_deref().and_then(|name| Email::parse(name).ok());
    let subject = Subject {
        emails: email.map(|value| Address { value, kind: AddressKind::Work, primary: None }).into_iter().collect(),
        logins: name.into_iter().collect(),
        ..members::known_as(SYSTEM, &tenant, "user_id", id)?
    };
    let source = SourceRef::new(SYSTEM, &tenant, kind, event.required_text("id", TEXT_MAX)?);
    let actor = event.optional_object("initiated_by").ok().flatten().map(|by| Actor {
        kind: ActorKind::Unknown,
        id: by.text_if_fit("id"),
        email: by.text_if_fit("email"),
        name: None,
    });
    let said = PersonEvent::new(*action, event.required_time("timestamp")?, subject, source);
    Ok(Verdict::Event(Box::new(PersonEvent { actor, ..said })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::{Record, read};

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/jump_cloud.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn who_is_suspended_is_the_resource() {
        let rules = Rules { format: Format::JumpCloud, ..Rules::auto() };
        for (kind, said) in [
            ("user_delete", "deprovision"),
            ("user_suspended", "suspend"),
            ("user_unsuspended", "cancel"),
            ("schedule_create", "ignore"),
            ("user_update", "ignore"),
        ] {
            let event = json!({
                "id": "63c2", "event_type": kind, "service": "directory", "organization": "1234",
                "timestamp": "2026-05-29T14:03:11.495Z", "success": true,
                "initiated_by": { "id": "1234", "email": "ops.admin@larkspur.example", "type": "admin" },
                "resource": { "id": "5f00", "type": "user", "username": null },
            });
            let bytes = event.to_string();
            match read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules).remove(0).verdict {
                Verdict::Event(event) => {
                    assert_eq!(event.action.as_str(), said, "{kind}");
                    assert_eq!(event.subject.person_key.0, "jump_cloud:1234:5f00");
                    assert_eq!(event.subject.emails, []);
                }
                Verdict::Ignore { .. } => assert_eq!(said, "ignore", "{kind}"),
                Verdict::Reject(reject) => panic!("{kind}: {}", reject.detail),
            }
        }
    }
}
