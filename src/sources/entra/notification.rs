//! Change notifications: that a user object changed or is gone, and no word of who it is. The address must come from what
//! is known of the object id. `clientState` is a shared secret and is never read.

use serde_json::Value;

use super::{SYSTEM, object_id, tenant};
use crate::model::event::{Action, PersonEvent, SCHEMA_VERSION, SourceRef, Subject};
use crate::sources::Rules;
use crate::sources::carrier::Element;
use crate::sources::members::{self, Members, TEXT_MAX};
use crate::sources::verdict::{Reading, Reject, RejectCode, Verdict};

pub(super) fn recognises(value: &Value) -> bool {
    let has_text = |name: &str| value.get(name).is_some_and(Value::is_string);
    has_text("subscriptionId") && (has_text("changeType") || has_text("lifecycleEvent"))
}

pub(super) fn read(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let ignored = |why: &'static str| Ok(vec![Reading::ignore(element.place(), why)]);
    let it = Members::of(element.value, "")?;
    if it.is_present("lifecycleEvent") {
        return ignored("about the subscription itself: notifications were or will be lost; renew it");
    }
    let data = it.object("resourceData")?;
    if data
        .optional_str("@odata.type", TEXT_MAX)?
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("#Microsoft.Graph.User"))
    {
        return ignored("about something that is not a user");
    }
    let change = it.required_str("changeType", TEXT_MAX)?;
    let action = match change {
        "deleted" => Action::Deprovision,
        // A deletion that can be undone, a blocked account or a telephone number: it does not say.
        "updated" => Action::IdentityUpdate,
        "created" => return ignored("a new account, not a departure"),
        _ => return Err(it.invalid("changeType", "is not one of the known words")),
    };
    let tenant = tenant(it.optional_str("tenantId", TEXT_MAX)?, rules)?;
    let id = data.required_str("id", TEXT_MAX)?;
    let occurred_at = match (data.optional_time("eventTime")?, element.arrived_at) {
        (Some(at), _) | (None, Some(at)) => at,
        (None, None) => {
            let why = "it holds no time, and when it arrived is not known";
            return Err(Reject::new(RejectCode::MissingField, why));
        }
    };
    let number = data.optional_u64("sequenceNumber")?;
    let event_id = match (it.text_if_fit("id"), number) {
        (Some(id), _) => id,
        (None, Some(number)) => format!("{change}:{id}:{number}"),
        (None, None) => format!("{change}:{id}:{occurred_at}"),
    };
    let event = PersonEvent {
        schema_version: SCHEMA_VERSION,
        action,
        occurred_at,
        recorded_at: None,
        sequence: None,
        effective: None,
        subject: Subject {
            person_key: members::person_key(SYSTEM, &tenant, id)?,
            emails: Vec::new(),
            logins: Vec::new(),
            employee_id: None,
            external_ids: vec![object_id(&tenant, id)],
            worker_type: None,
            engagement_id: None,
            display_name: None,
        },
        source: SourceRef {
            system: SYSTEM.to_owned(),
            tenant,
            event_type: format!("notification.{change}"),
            event_id,
            element: None,
        },
        actor: None,
        reason: None,
        cancels: None,
        identity_change: None,
        correlation_id: None,
        synthetic: false,
        resolved: false,
        urgent: false,
    };
    Ok(vec![Reading { element: element.place(), verdict: Verdict::Event(Box::new(event)) }])
}
