//! BambooHR's webhooks: field-based ones say what the fields of an employee hold now, event-based ones only which of them
//! changed. The names of the fields are BambooHR's own in English; an account may choose others.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::dates;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Meaning, Rules, meaning, one_reading};
use crate::model::event::{Action, Boundary, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Bamboohr, "bamboohr", recognises, read)
    .unconfirmed("the names of the fields, which are settings of the account")
    .unwrapping(unwrap);

const SYSTEM: &str = "bamboohr";

/// What is decided, as `docs/sources/bamboohr.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    TERMINATED,
    EMPLOYED,
    DELETED,
    ("employee.updated", Action::IdentityUpdate),
    ("employee.deleted", Action::IdentityUpdate),
];

const TERMINATED: Meaning = ("updated.terminated", Action::Deprovision);
const EMPLOYED: Meaning = ("updated.employed", Action::Cancel);
// Its fields are empty, and it may have been somebody who stood there twice.
const DELETED: Meaning = ("deleted", Action::IdentityUpdate);

const LIST: &str = "employees";
const STATUS: &str = "Employment Status";
const STATUS_DATE: &str = "Employment Status: Date";

/// What must have changed for an event-based webhook to matter, by the API's names.
const DECISIVE: [&str; 4] = ["status", "employmentStatus", "employmentStatusDate", "terminationDate"];

/// Most fields that may have changed at once.
const FIELDS_MAX: usize = 500;

fn is_employee(value: &Value) -> bool {
    ["id", "action", "changedFields", "fields"].iter().all(|name| value.get(name).is_some())
}

fn is_event(value: &Value) -> bool {
    let has = |name: &str| value.get("data").is_some_and(|data| data.get(name).is_some());
    value.get("type").is_some_and(Value::is_string) && has("companyId") && has("employeeId")
}

fn recognises(value: &Value) -> bool {
    let of_list = |list: &Value| list.as_array().is_some_and(|items| items.iter().any(is_employee));
    is_employee(value) || is_event(value) || value.get(LIST).is_some_and(of_list)
}

fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    let Some(items) = element.value.get(LIST).and_then(Value::as_array) else { return vec![element] };
    let path = element.path.key(LIST);
    element.each(&Envelope::Own { source: None }, &path, items)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |it| {
        if is_event(element.value) { event(it, rules) } else { employee(it, rules) }
    })
}

/// A field-based webhook about one employee.
fn employee(employee: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let who = Who { id: employee.required_id("id")?, tenant: rules.agreed_tenant(None, "")? };
    let at = dates::time(employee, "timestamp", rules)?;
    match employee.required_str("action", TEXT_MAX)? {
        "Deleted" => Ok(Verdict::event(who.said(DELETED, at)?)),
        "Updated" if has_changed(employee, &[STATUS, STATUS_DATE])? => {
            employment(&employee.object("fields")?, &who, at, rules)
        }
        _ => Ok(Verdict::ignored("the employment status did not change")),
    }
}

fn employment(fields: &Members<'_>, who: &Who, at: Timestamp, rules: &Rules) -> Result<Verdict, Reject> {
    fields.required(STATUS)?;
    let Some(status) = fields.filled_str(STATUS)? else {
        return Ok(Verdict::ignored("no employment status"));
    };
    let mut said = if status == "Terminated" {
        let day = dates::day(fields, STATUS_DATE, rules.boundary, rules)?;
        let day = day.ok_or_else(|| fields.missing(STATUS_DATE))?;
        PersonEvent { effective: Some(day.effective), ..who.said(TERMINATED, at)? }
    } else {
        let since = dates::day(fields, STATUS_DATE, Boundary::StartOfDay, rules)?;
        if since.is_some_and(|since| since.at > at) {
            // Who comes back on a later day leaves all the same.
            return Ok(Verdict::ignored("an employment status of a day to come"));
        }
        who.said(EMPLOYED, at)?
    };
    said.subject.employee_id = fields.filled_str("Employee #")?.map(ToOwned::to_owned);
    said.subject.emails.extend(fields.filled_work_email("Work Email")?);
    said.resolved = !said.subject.emails.is_empty();
    Ok(Verdict::event(said))
}

/// An event-based webhook.
fn event(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let (kind, data) = (event.required_str("type", TEXT_MAX)?, event.object("data")?);
    let Some(row) = meaning(MEANINGS, kind) else {
        return Ok(Verdict::ignored("an event that is not about leaving"));
    };
    if kind == "employee.updated" && !has_changed(&data, &DECISIVE)? {
        return Ok(Verdict::ignored("the employment status did not change"));
    }
    let tenant = rules.agreed_tenant(Some(&data.required_id("companyId")?), "data.companyId")?;
    let who = Who { id: data.required_id("employeeId")?, tenant };
    Ok(Verdict::event(who.said(row, dates::time(event, "timestamp", rules)?)?))
}

/// Whether one of `names` is among the fields that changed.
fn has_changed(members: &Members<'_>, names: &[&str]) -> Result<bool, Reject> {
    let mut found = false;
    for (field, place) in members.items("changedFields", FIELDS_MAX)? {
        found |= names.contains(&members::text(field, &place, TEXT_MAX)?);
    }
    Ok(found)
}

struct Who {
    id: String,
    tenant: String,
}

impl Who {
    /// What a row of the table says of them.
    fn said(&self, (row, action): Meaning, at: Timestamp) -> Result<PersonEvent, Reject> {
        let Self { id, tenant } = self;
        // A webhook has no id of its own.
        let source = SourceRef::new(SYSTEM, tenant, row, members::event_id(&[row, id, &at.to_string()])?);
        Ok(PersonEvent::new(action, at, members::known_as(SYSTEM, tenant, "employee_id", id)?, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/bamboohr.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
