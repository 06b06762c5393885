//! HiBob's webhooks (v2), which hold the employee's id. `triggeredBy` is who did it, and never meant.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, dates, meaning, one_reading};
use crate::model::event::{Action, Actor, ActorKind, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Hibob, "hibob", recognises, read);

const SYSTEM: &str = "hibob";

/// The events that mean something here, as `docs/sources/hibob.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("employee.left", Action::Deprovision),
    ("employee.inactivated", Action::Suspend),
    ("employee.activated", Action::Cancel),
    ("employee.joined", Action::Cancel),
];

fn recognises(value: &Value) -> bool {
    ["companyId", "type", "triggeredAt", "version", "data"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    if event.required_str("version", TEXT_MAX)? != "v2" {
        return Err(Reject::new(RejectCode::UnknownVersion, "`version` is not v2"));
    }
    let Some((kind, action)) = meaning(MEANINGS, event.required_str("type", TEXT_MAX)?) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    let tenant = rules.agreed_tenant(Some(&event.required_id("companyId")?), "companyId")?;
    let employee = event.object("data")?.required_id("employeeId")?;
    let at = dates::time(event, "triggeredAt", rules)?;
    let subject = members::known_as(SYSTEM, &tenant, "employee_id", &employee)?;
    let id = members::event_id(&[kind, &employee, &at.to_string()])?;
    let said = PersonEvent::new(action, at, subject, SourceRef::new(SYSTEM, &tenant, kind, id));
    let actor = event.text_if_fit("triggeredBy").map(|by| {
        let kind = if by == "system" { ActorKind::System } else { ActorKind::User };
        Actor { kind, id: Some(by), email: None, name: None }
    });
    Ok(Verdict::event(PersonEvent { actor, ..said }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/hibob.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
