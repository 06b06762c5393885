//! ADP's event notifications: batches of events, of which each ends one assignment of one worker. `originator` and `actor`
//! are who did it, and never meant.

use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::members::{self, ITEMS_MAX, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Rules, dates, meaning, one_reading};
use crate::model::event::{Action, Address, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Adp, "adp", recognises, read)
    .unconfirmed("the names of the events, and where they hold the date and the address")
    .unwrapping(unwrap);

const SYSTEM: &str = "adp";

/// The events that mean something here, as `docs/sources/adp.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("worker.workAssignment.terminate", Action::Deprovision), ("worker.rehire", Action::Cancel)];

const LIST: &str = "events";

fn is_event(value: &Value) -> bool {
    value.get("eventNameCode").is_some() && value.get("data").is_some_and(|data| data.get("eventContext").is_some())
}

fn recognises(value: &Value) -> bool {
    let of_list = |list: &Value| list.as_array().is_some_and(|items| items.iter().any(is_event));
    is_event(value) || value.get(LIST).is_some_and(of_list)
}

fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    let Some(items) = element.value.get(LIST).and_then(Value::as_array) else { return vec![element] };
    let path = element.path.key(LIST);
    element.each(&Envelope::Own { source: None }, &path, items)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let name = event.object("eventNameCode")?.required_str("codeValue", TEXT_MAX)?;
    let Some((kind, action)) = meaning(MEANINGS, name) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    let tenant = rules.agreed_tenant(None, "")?;
    let data = event.object("data")?;
    let worker = data.object("eventContext")?.object("worker")?;
    // What the worker is after the event; `transform` is what was asked for.
    let after = match data.optional_object("output")? {
        Some(output) => Some(output),
        None => data.optional_object("transform")?,
    };
    let after = after.map(|after| after.object("worker")).transpose()?;
    let assignment = worker.optional_object("workAssignment")?;
    let subject = Subject {
        emails: after.as_ref().map(emails).transpose()?.unwrap_or_default(),
        engagement_id: assignment.map(|it| it.required_text("itemID", TEXT_MAX)).transpose()?,
        ..members::known_as(SYSTEM, &tenant, "associate_oid", worker.required_str("associateOID", TEXT_MAX)?)?
    };
    let source = SourceRef::new(SYSTEM, &tenant, kind, event.required_text("eventID", TEXT_MAX)?);
    let said = PersonEvent::new(action, event.required_time("creationDateTime")?, subject, source);
    let effective = match action {
        Action::Deprovision => {
            let ended = after.as_ref().map(|worker| worker.optional_object("workAssignment")).transpose()?.flatten();
            let day = match ended {
                Some(ended) => dates::day(&ended, "terminationDate", rules.boundary, rules)?,
                None => None,
            };
            let day = match day {
                Some(day) => day,
                None => dates::day(event, "effectiveDateTime", rules.boundary, rules)?
                    .ok_or_else(|| event.missing("effectiveDateTime"))?,
            };
            Some(day.effective)
        }
        Action::Cancel | Action::Suspend | Action::Schedule | Action::IdentityUpdate => None,
    };
    Ok(Verdict::event(PersonEvent { effective, ..said }))
}

/// Addresses at work; the worker's own stand below `person`.
fn emails(worker: &Members<'_>) -> Result<Vec<Address>, Reject> {
    let mut found = Vec::new();
    let Some(business) = worker.optional_object("businessCommunication")? else { return Ok(found) };
    for (email, place) in business.items("emails", ITEMS_MAX)? {
        found.extend(Members::of(email, &place)?.filled_work_email("emailUri")?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/adp.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
