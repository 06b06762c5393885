//! A worker as `Get_Workers` describes them, in the JSON that common converters make of that XML: names keep their prefix,
//! an attribute begins with `@`, and the text beside attributes is `$`.

use jiff::Timestamp;
use serde_json::Value;

use super::{SYSTEM, Standing, flag};
use crate::model::event::{Address, ExternalId, Subject, WorkerType};
use crate::sources::members::{self, Members, TEXT_MAX};
use crate::sources::verdict::{Reject, RejectCode, Verdict};
use crate::sources::{Rules, dates};

const WORKER: &str = "wd:Worker";
const DATA: &str = "wd:Worker_Data";
const TERMINATED: &str = "wd:Terminated";

/// The way to the workers of a response.
const RESPONSE: [&str; 3] = ["wd:Get_Workers_Response", "wd:Response_Data", WORKER];

pub(super) fn recognises(value: &Value) -> bool {
    value.get(WORKER).unwrap_or(value).get(DATA).is_some()
}

/// The workers of a response, and the way to them.
pub(super) fn list(value: &Value) -> Option<(&'static [&'static str], &[Value])> {
    let workers = RESPONSE.iter().try_fold(value, |value, name| value.get(name))?;
    Some((&RESPONSE, workers.as_array().map_or(std::slice::from_ref(workers), Vec::as_slice)))
}

pub(super) fn read(
    element: &Members<'_>,
    tenant: &str,
    arrived_at: Timestamp,
    rules: &Rules,
) -> Result<Verdict, Reject> {
    let worker = element.optional_object(WORKER)?.unwrap_or_else(|| element.clone());
    let data = worker.object(DATA)?;
    let status = data.object("wd:Employment_Data")?.object("wd:Worker_Status_Data")?;
    let standing = Standing {
        active: !flag(&status, TERMINATED)?.ok_or_else(|| status.missing(TERMINATED))?,
        leaves: dates::day(&status, "wd:Termination_Date", rules.boundary, rules)?,
        rescinded: None,
    };
    let subject = subject(&worker, &data, tenant)?;
    standing.verdict(subject, tenant, arrived_at)
}

fn subject(worker: &Members<'_>, data: &Members<'_>, tenant: &str) -> Result<Subject, Reject> {
    let ids = worker.object("wd:Worker_Reference")?;
    let employee = id_of_type(&ids, "Employee_ID")?;
    let contingent = id_of_type(&ids, "Contingent_Worker_ID")?;
    let (id, worker_type) = match (employee, contingent) {
        (Some(id), None) => (id, WorkerType::Employee),
        (None, Some(id)) => (id, WorkerType::Contractor),
        (None, None) => return Err(missing_subject("has neither an Employee_ID nor a Contingent_Worker_ID")),
        (Some(_), Some(_)) => return Err(missing_subject("has both an Employee_ID and a Contingent_Worker_ID")),
    };
    let wid = id_of_type(&ids, "WID")?.map(|value| ExternalId {
        system: SYSTEM.to_owned(),
        tenant: Some(tenant.to_owned()),
        r#type: "wid".to_owned(),
        value,
    });
    Ok(Subject {
        emails: emails(data)?,
        logins: data.filled_str("wd:User_ID")?.map(ToOwned::to_owned).into_iter().collect(),
        external_ids: wid.into_iter().collect(),
        worker_type: Some(worker_type),
        display_name: worker.text_if_fit("wd:Worker_Descriptor"),
        employee_id: Some(id.clone()),
        ..Subject::new(members::person_key(SYSTEM, tenant, &id)?)
    })
}

fn missing_subject(why: &str) -> Reject {
    Reject::new(RejectCode::MissingSubject, format!("`wd:Worker_Reference` {why}"))
}

fn id_of_type(ids: &Members<'_>, kind: &str) -> Result<Option<String>, Reject> {
    let mut found = None;
    for (id, place) in ids.one_or_more("wd:ID")? {
        let id = Members::of(id, &place)?;
        if id.required_str("@wd:type", TEXT_MAX)? != kind {
            continue;
        }
        if found.is_some() {
            return Err(Reject::new(RejectCode::Ambiguous, format!("`{place}` is a second id of its type")));
        }
        found = Some(id.required_text("$", TEXT_MAX)?);
    }
    Ok(found)
}

fn emails(data: &Members<'_>) -> Result<Vec<Address>, Reject> {
    let mut found = Vec::new();
    let Some(personal) = data.optional_object("wd:Personal_Data")? else { return Ok(found) };
    let Some(contact) = personal.optional_object("wd:Contact_Data")? else { return Ok(found) };
    for (address, place) in contact.one_or_more("wd:Email_Address_Data")? {
        let address = Members::of(address, &place)?;
        if is_for_work(&address)? {
            found.extend(address.filled_work_email("wd:Email_Address")?);
        }
    }
    Ok(found)
}

fn is_for_work(address: &Members<'_>) -> Result<bool, Reject> {
    for (usage, place) in address.one_or_more("wd:Usage_Data")? {
        for (kind, place) in Members::of(usage, &place)?.one_or_more("wd:Type_Data")? {
            let reference = Members::of(kind, &place)?.object("wd:Type_Reference")?;
            if reference.filled_str("@wd:Descriptor")? == Some("Work") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
