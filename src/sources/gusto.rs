//! Gusto's webhooks. A termination that was recorded, one that has taken effect and one that was taken back are events of
//! their own; none of them holds a date or an address.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, dates, meaning, one_reading};
use crate::model::event::{Action, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Gusto, "gusto", recognises, read);

const SYSTEM: &str = "gusto";

/// The events that mean something here, as `docs/sources/gusto.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("employee.terminated", Action::Schedule),
    ("employee.terminated_effective", Action::Deprovision),
    ("employee.termination_effective", Action::Deprovision),
    ("employee.termination_cancelled", Action::Cancel),
    ("employee.rehire_effective", Action::Cancel),
];

fn recognises(value: &Value) -> bool {
    ["event_type", "resource_uuid", "entity_type", "entity_uuid"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let Some((kind, action)) = meaning(MEANINGS, event.required_str("event_type", TEXT_MAX)?) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    if event.required_str("entity_type", TEXT_MAX)? != "Employee" {
        return Err(Reject::new(RejectCode::MissingSubject, "`entity_type` is not Employee"));
    }
    let company = event.required_str("resource_uuid", TEXT_MAX)?;
    let tenant = rules.agreed_tenant(Some(company), "resource_uuid")?;
    let employee = event.required_str("entity_uuid", TEXT_MAX)?;
    let subject = members::known_as(SYSTEM, &tenant, "employee_uuid", employee)?;
    let source = SourceRef::new(SYSTEM, &tenant, kind, event.required_text("uuid", TEXT_MAX)?);
    let at = dates::since_1970(event, "timestamp", Timestamp::from_second)?;
    // Of a termination that was recorded the day is not told: without an `effective` it is held until the day has come.
    Ok(Verdict::event(PersonEvent::new(action, at, subject, source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/gusto.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
