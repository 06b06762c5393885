//! Personio's webhooks. They hold ids alone: of the person, and of the employment that begins or ends.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Rules, meaning, one_reading};
use crate::model::event::{Action, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Personio, "personio", recognises, read);

const SYSTEM: &str = "personio";

/// The events that mean something here, as `docs/sources/personio.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("employment.terminated", Action::Deprovision), ("employment.started", Action::Cancel)];

fn recognises(value: &Value) -> bool {
    ["company_id", "event_name", "occurred_at", "payload"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let Some((kind, action)) = meaning(MEANINGS, event.required_str("event_name", TEXT_MAX)?) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    let tenant = rules.agreed_tenant(Some(&event.required_id("company_id")?), "company_id")?;
    let payload = event.object("payload")?;
    let employment = payload.required_id("id")?;
    let person = payload.object("person")?.required_id("id")?;
    let at = event.required_time("occurred_at")?;
    let subject = Subject {
        engagement_id: Some(employment.clone()),
        ..members::known_as(SYSTEM, &tenant, "person_id", &person)?
    };
    // Sent again after an error, and without an id of its own.
    let id = members::event_id(&[kind, &employment, &at.to_string()])?;
    Ok(Verdict::event(PersonEvent::new(action, at, subject, SourceRef::new(SYSTEM, &tenant, kind, id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/personio.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
