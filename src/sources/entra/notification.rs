//! Change notifications: that a user object changed or is gone, and no word of who it is. The address must come from what
//! is known of the object id. `clientState` is a shared secret and is never read.

use serde_json::Value;

use super::{SYSTEM, known_by, tenant};
use crate::model::event::{Action, PersonEvent, SourceRef};
use crate::sources::Rules;
use crate::sources::carrier::Element;
use crate::sources::members::{Members, TEXT_MAX};
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
    let subject = known_by(id, &tenant)?;
    let event_type = format!("notification.{change}");
    let source = SourceRef::new(SYSTEM, &tenant, &event_type, event_id);
    let event = PersonEvent::new(action, occurred_at, subject, source);
    Ok(vec![Reading { element: element.place(), verdict: Verdict::Event(Box::new(event)) }])
}
