//! A row of a report. Its author names the columns; these names are the ones that the page asks for.

use jiff::Timestamp;
use serde_json::Value;

use super::{SYSTEM, Standing, flag};
use crate::model::event::{Subject, WorkerType};
use crate::sources::members::{self, Members};
use crate::sources::verdict::{Reject, Verdict};
use crate::sources::{Rules, dates};

const ID: &str = "Employee_ID";
const ACTIVE: &str = "Active_Status";
const LEAVES: &str = "Termination_Date";
const RESCINDED: &str = "Rescinded";
const RESCINDED_AT: &str = "Rescinded_Moment";

pub(super) fn recognises(value: &Value) -> bool {
    [ID, ACTIVE, LEAVES].iter().all(|name| value.get(name).is_some())
}

pub(super) fn read(row: &Members<'_>, tenant: &str, arrived_at: Timestamp, rules: &Rules) -> Result<Verdict, Reject> {
    // A column that is not there is not one that is blank.
    row.required(LEAVES)?;
    let standing = Standing {
        active: flag(row, ACTIVE)?.ok_or_else(|| row.missing(ACTIVE))?,
        leaves: dates::day(row, LEAVES, rules.boundary, rules)?,
        rescinded: match (flag(row, RESCINDED)?, row.filled_str(RESCINDED_AT)?) {
            (Some(true), Some(_)) => Some(dates::time(row, RESCINDED_AT, rules)?),
            (Some(true), None) => Some(arrived_at),
            (Some(false) | None, _) => None,
        },
    };
    let id = row.required_id(ID)?;
    let subject = Subject {
        emails: row.filled_work_email("Email_Work")?.into_iter().collect(),
        logins: row.filled_str("User_Name")?.map(ToOwned::to_owned).into_iter().collect(),
        worker_type: match row.text_if_fit("Worker_Type").as_deref() {
            Some("Employee") => Some(WorkerType::Employee),
            Some("Contingent Worker") => Some(WorkerType::Contractor),
            Some(_) | None => None,
        },
        display_name: row.text_if_fit("Worker"),
        employee_id: Some(id.clone()),
        ..Subject::new(members::person_key(SYSTEM, tenant, &id)?)
    };
    standing.verdict(subject, tenant, arrived_at)
}
