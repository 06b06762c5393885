//! Merge's webhooks about employees, which carry the employee as Merge knows them after a synchronisation: how somebody
//! stands, not what happened.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, Verdict};
use super::{Adapter, Format, Meaning, Rules, dates, one_reading};
use crate::model::event::{Action, NEWS, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Merge, "merge", recognises, read);

const SYSTEM: &str = "merge";

/// What is decided, as `docs/sources/merge.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[LEFT, LEAVES, INACTIVE, STAYS, REMOVED];

const LEFT: Meaning = ("employee.left", Action::Deprovision);
const LEAVES: Meaning = ("employee.leaving", Action::Schedule);
const INACTIVE: Meaning = ("employee.inactive", Action::Suspend);
const STAYS: Meaning = ("employee.active", Action::Cancel);
// A connection that was cut, or an employee who stood there twice, looks the same.
const REMOVED: Meaning = ("employee.removed", Action::IdentityUpdate);

fn recognises(value: &Value) -> bool {
    let text = |outer: &str, inner: &str| value.get(outer).and_then(|it| it.get(inner)).is_some_and(Value::is_string);
    text("hook", "event") && text("linked_account", "id") && value.get("data").is_some()
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |event| classify(event, rules))
}

fn classify(event: &Members<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let kind = event.object("hook")?.required_str("event", TEXT_MAX)?;
    if !matches!(kind, "Employee.added" | "Employee.changed" | "Employee.removed") {
        return Ok(Verdict::ignored("an event that is not about an employee"));
    }
    let account = event.object("linked_account")?.required_str("id", TEXT_MAX)?;
    let tenant = rules.agreed_tenant(Some(account), "linked_account.id")?;
    let employee = event.object("data")?;
    let at = employee.required_time("modified_at")?;
    let day = dates::day(&employee, "termination_date", rules.boundary, rules)?;
    let is_removed = kind == "Employee.removed" || employee.optional_bool("remote_was_deleted")? == Some(true);
    let lies_ahead = day.as_ref().is_some_and(|day| day.at > at);
    let (row, action) = match (&day, is_removed) {
        (_, true) => REMOVED,
        (day, false) => match (status(&employee)?, day) {
            // Also whoever left years ago arrives so, when Merge reads an account for the first time.
            (Some(Status::Inactive) | None, _) if kind == "Employee.added" && !lies_ahead => {
                return Ok(Verdict::ignored("new to Merge"));
            }
            (Some(Status::Inactive), Some(_)) => LEFT,
            (Some(Status::Inactive), None) => INACTIVE,
            (Some(Status::Employed) | None, Some(_)) if lies_ahead => LEAVES,
            (Some(Status::Employed), None) => STAYS,
            // The day of an earlier employment.
            (Some(Status::Employed), Some(day)) if at.duration_since(day.at) > NEWS => STAYS,
            (Some(Status::Employed), Some(_)) => {
                return Ok(Verdict::ignored("active, although the termination date has passed"));
            }
            (None, None) => return Ok(Verdict::ignored("neither a status nor a termination date")),
            (None, Some(_)) => {
                let why = "is missing beside a termination date that has passed: nothing says whether they left; \
                           Merge passes on what it cannot map";
                return Err(employee.invalid(STATUS, why));
            }
        },
    };
    let id = employee.required_str("id", TEXT_MAX)?;
    // The id of the hook is that of the subscription.
    let event_id = members::event_id(&[kind, id, &at.to_string()])?;
    let source = SourceRef::new(SYSTEM, &tenant, row, event_id);
    let said = PersonEvent::new(action, at, subject(&employee, id, &tenant)?, source);
    let effective = day.filter(|_| !is_removed).map(|day| day.effective);
    // Of somebody unknown who is inactive without a date nobody knows since when: that is held, and not passed over.
    let level = !is_removed && action != Action::Suspend;
    let resolved = said.resolved && !is_removed;
    Ok(Verdict::event(PersonEvent { effective, level, resolved, ..said }))
}

const STATUS: &str = "employment_status";

/// How somebody stands.
enum Status {
    Inactive,
    /// Also from a day to come.
    Employed,
}

/// As Merge has mapped it; `None` = it is not said.
fn status(employee: &Members<'_>) -> Result<Option<Status>, Reject> {
    Ok(Some(match employee.filled_str(STATUS)? {
        None => return Ok(None),
        Some("INACTIVE") => Status::Inactive,
        Some("ACTIVE" | "PENDING") => Status::Employed,
        Some(_) => {
            let why = "is none of ACTIVE, PENDING and INACTIVE: Merge passes on what it cannot map";
            return Err(employee.invalid(STATUS, why));
        }
    }))
}

fn subject(employee: &Members<'_>, id: &str, tenant: &str) -> Result<Subject, Reject> {
    Ok(Subject {
        emails: employee.filled_work_email("work_email")?.into_iter().collect(),
        logins: employee.filled_str("username")?.map(ToOwned::to_owned).into_iter().collect(),
        employee_id: employee.filled_str("employee_number")?.map(ToOwned::to_owned),
        display_name: employee.text_if_fit("display_full_name"),
        ..members::known_as(SYSTEM, tenant, "employee_id", id)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/merge.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
