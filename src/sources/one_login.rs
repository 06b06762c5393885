//! OneLogin's events, as its webhook delivers them: an array of flat objects. The subject is `user_id`; `actor_user_id` did
//! it and is never meant. `user_name` is a display name and leads to nobody.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Rules, one_reading};
use crate::model::event::{Action, Actor, ActorKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::OneLogin, "one_login", recognises, read);

const SYSTEM: &str = "one_login";

/// The types that mean something here, as `docs/sources/one_login.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("17", Action::Deprovision), ("551", Action::Suspend), ("16", Action::Cancel)];

fn recognises(value: &Value) -> bool {
    ["event_type_id", "event_timestamp", "account_id"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let kind = event.required_id("event_type_id")?;
    let Some((_, action)) = MEANINGS.iter().find(|(known, _)| *known == kind) else {
        return Ok(Verdict::Ignore { reason: "an event that is not about leaving".into(), about: None });
    };
    let tenant = rules.agreed_tenant(Some(&event.required_id("account_id")?), "account_id")?;
    let id = event.required_id("user_id")?;
    let subject =
        Subject { display_name: event.text_if_fit("user_name"), ..members::known_as(SYSTEM, &tenant, "user_id", &id)? };
    let event_type = format!("event_type_id {kind}");
    let source = SourceRef::new(SYSTEM, &tenant, &event_type, event.required_text("uuid", TEXT_MAX)?);
    let actor = Actor {
        kind: ActorKind::User,
        id: event.required_id("actor_user_id").ok(),
        email: None,
        name: event.text_if_fit("actor_user_name"),
    };
    let said = PersonEvent::new(*action, time(event)?, subject, source);
    Ok(Verdict::Event(Box::new(PersonEvent { actor: Some(actor), ..said })))
}

/// `2026-05-29 14:03:11 UTC`, or RFC 3339.
fn time(event: &Members<'_>) -> Result<Timestamp, Reject> {
    const NAME: &str = "event_timestamp";
    let text = event.required_str(NAME, TEXT_MAX)?;
    let Some(civil) = text.strip_suffix(" UTC") else { return event.required_time(NAME) };
    let parsed = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", civil).ok();
    let time = parsed.and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil).ok());
    event.plausible(NAME, time.ok_or_else(|| event.invalid(NAME, "is no time such as `2026-05-29 14:03:11 UTC`"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/one_login.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
