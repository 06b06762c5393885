//! OneLogin's events, as its webhook delivers them: an array of flat objects. The subject is `user_id`; `actor_user_id` did
//! it and is never meant. `user_name` is a display name and leads to nobody.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::{Delivery, Element};
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, not_ours};
use crate::model::event::{Action, Actor, ActorKind, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter {
    format: Format::OneLogin,
    name: "one_login",
    unconfirmed: None,
    recognises,
    pass_over: |_: &Delivery<'_>, _| None,
    unwrap: |element| vec![element],
    read,
};

const SYSTEM: &str = "one_login";

/// The types that mean something here, as `docs/sources/one_login.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("17", Action::Deprovision), ("551", Action::Suspend), ("16", Action::Cancel)];

fn recognises(value: &Value) -> bool {
    ["event_type_id", "event_timestamp", "account_id"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    let verdict = Members::of(element.value, "").and_then(|event| classify(&event, rules));
    vec![Reading { element: element.place(), verdict: verdict.unwrap_or_else(Verdict::Reject) }]
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let kind = number(event, "event_type_id")?;
    let Some((_, action)) = MEANINGS.iter().find(|(known, _)| *known == kind) else {
        return Ok(Verdict::Ignore { reason: "an event that is not about leaving".into(), about: None });
    };
    let tenant = number(event, "account_id")?;
    if rules.tenant.as_ref().is_some_and(|ours| *ours != tenant) {
        return Err(Reject::new(RejectCode::OtherTenant, "`account_id` is not the source's `tenant`"));
    }
    let id = number(event, "user_id")?;
    let subject =
        Subject { display_name: event.text_if_fit("user_name"), ..members::known_as(SYSTEM, &tenant, "user_id", &id)? };
    let source = SourceRef {
        system: SYSTEM.to_owned(),
        tenant,
        event_type: format!("event_type_id {kind}"),
        event_id: event.required_text("uuid", TEXT_MAX)?,
        element: None,
    };
    let actor = Actor {
        kind: ActorKind::User,
        id: number(event, "actor_user_id").ok(),
        email: None,
        name: event.text_if_fit("actor_user_name"),
    };
    let said = PersonEvent::new(*action, time(event)?, subject, source);
    Ok(Verdict::Event(Box::new(PersonEvent { actor: Some(actor), ..said })))
}

/// A whole number, which OneLogin writes as one or as a text.
fn number(event: &Members<'_>, name: &str) -> Result<String, Reject> {
    let value = event.required(name)?;
    let text = match value.as_u64() {
        Some(number) => number.to_string(),
        None => members::text(value, &event.place(name), TEXT_MAX)?.to_owned(),
    };
    if text.bytes().all(|byte| byte.is_ascii_digit()) { Ok(text) } else { Err(event.invalid(name, "is not a number")) }
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
