//! Workday: the rows of a report (RaaS), and workers as `Get_Workers` describes them. Both say how somebody stands now, not
//! what happened, so a statement is as old as its record.

mod report;
mod worker;

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::dates::Day;
use super::members::{self, Members};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Meaning, Rules, one_reading};
use crate::model::event::{Action, Effective, PersonEvent, SourceRef, Subject};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Workday, "workday", recognises, read)
    .unconfirmed("the names of the report's columns, and how Get_Workers was turned into JSON")
    .unwrapping(unwrap);

const SYSTEM: &str = "workday";

/// What is decided, as `docs/sources/workday.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[LEFT, LEAVES, RESCINDED];

const LEFT: Meaning = ("terminated", Action::Deprovision);
const LEAVES: Meaning = ("terminating", Action::Schedule);
const RESCINDED: Meaning = ("rescinded", Action::Cancel);

const REPORT: &str = "Report_Entry";

fn recognises(value: &Value) -> bool {
    let of_report = |rows: &Value| rows.as_array().is_some_and(|rows| rows.iter().any(report::recognises));
    report::recognises(value)
        || worker::recognises(value)
        || value.get(REPORT).is_some_and(of_report)
        || worker::list(value).is_some()
}

fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    let envelope = Envelope::Own { source: None };
    if let Some(rows) = element.value.get(REPORT).and_then(Value::as_array) {
        let path = element.path.key(REPORT);
        return element.each(&envelope, &path, rows);
    }
    let Some((way, workers)) = worker::list(element.value) else { return vec![element] };
    let path = way.iter().fold(element.path.clone(), |path, name| path.key(name));
    element.each(&envelope, &path, workers)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(element, rules, recognises, |it| {
        let arrived_at = element.arrived_at.ok_or_else(|| {
            let why = "it holds no time, and when it arrived is not known";
            Reject::new(RejectCode::MissingField, why)
        })?;
        let tenant = rules.agreed_tenant(None, "")?;
        if worker::recognises(element.value) {
            worker::read(it, &tenant, arrived_at, rules)
        } else {
            report::read(it, &tenant, arrived_at, rules)
        }
    })
}

/// How somebody stands, and since when or until when.
struct Standing {
    active: bool,
    leaves: Option<Day>,
    /// That a termination was taken back, and when.
    rescinded: Option<Timestamp>,
}

impl Standing {
    fn verdict(self, subject: Subject, tenant: &str, arrived_at: Timestamp) -> Result<Verdict, Reject> {
        let ((row, action), effective) = match self {
            Self { rescinded: Some(at), active: true, leaves: None } => (
                RESCINDED,
                // Not the time of the statement: a report that came between the two would make it old.
                Effective { at: Some(at), date: None, timezone: None, boundary: None, basis: None },
            ),
            Self { rescinded: Some(_), .. } => {
                let why = "it is rescinded, and there is a termination all the same";
                return Err(Reject::new(RejectCode::Ambiguous, why));
            }
            Self { active: false, leaves: Some(day), .. } => (LEFT, day.effective),
            Self { active: true, leaves: Some(day), .. } if day.at > arrived_at => (LEAVES, day.effective),
            Self { active: true, leaves: Some(_), .. } => {
                return Ok(Verdict::ignored("active, although the termination date has passed"));
            }
            Self { active: true, leaves: None, .. } => {
                return Ok(Verdict::ignored("active, without a termination date"));
            }
            Self { active: false, leaves: None, .. } => {
                return Ok(Verdict::ignored("not active, without a termination date: hired for a day to come"));
            }
        };
        let id =
            members::event_id(&[row, subject.employee_id.as_deref().unwrap_or_default(), &arrived_at.to_string()])?;
        let source = SourceRef::new(SYSTEM, tenant, row, id);
        let event = PersonEvent::new(action, arrived_at, subject, source);
        // That a termination was taken back is told as something that happened.
        let level = row != RESCINDED.0;
        Ok(Verdict::event(PersonEvent { effective: Some(effective), level, ..event }))
    }
}

/// A yes or no, which reports and renderings of XML write in several ways.
fn flag(members: &Members<'_>, name: &str) -> Result<Option<bool>, Reject> {
    if let Ok(known) = members.optional_bool(name) {
        return Ok(known);
    }
    match members.filled_str(name)? {
        None => Ok(None),
        Some("1" | "true" | "True" | "TRUE") => Ok(Some(true)),
        Some("0" | "false" | "False" | "FALSE") => Ok(Some(false)),
        Some(_) => Err(members.invalid(name, "is none of 0, 1, true and false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/workday.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
