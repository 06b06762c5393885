//! UKG Pro's webhooks, which hold ids alone: of the employee and of the company that employs them.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Rules, dates, meaning, one_reading};
use crate::model::event::{Action, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter =
    Adapter::new(Format::Ukg, "ukg", recognises, read).unconfirmed("the name of the event of a termination");

const SYSTEM: &str = "ukg";

/// The events that mean something here, as `docs/sources/ukg.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] = &[("EmployeeTerminationEvent", Action::Schedule)];

fn recognises(value: &Value) -> bool {
    let payload = value.get("Payload");
    ["EventId", "EventTime", "EventType"].iter().all(|name| value.get(name).is_some())
        && payload.is_some_and(|payload| payload.get("CoId").is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let Some((kind, action)) = meaning(MEANINGS, event.required_str("EventType", TEXT_MAX)?) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    let tenant = rules.agreed_tenant(Some(event.required_str("Tenant", TEXT_MAX)?), "Tenant")?;
    let payload = event.object("Payload")?;
    // Whoever works for two companies of the tenant has an id in each.
    let employee =
        members::event_id(&[payload.required_str("CoId", TEXT_MAX)?, payload.required_str("EeId", TEXT_MAX)?])?;
    let subject = members::known_as(SYSTEM, &tenant, "employee_id", &employee)?;
    let source = SourceRef::new(SYSTEM, &tenant, kind, event.required_id("EventId")?);
    // The day stands behind UKG's API: without an `effective` the case is held.
    Ok(Verdict::event(PersonEvent::new(action, dates::time(event, "EventTime", rules)?, subject, source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/ukg.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
