//! Microsoft Entra ID: its audit log, from Event Hubs or Graph, and its change notifications, from Graph or Event Grid.
//!
//! The subject is whoever stands in `targetResources[]` as a `User`, or the object of the notification; who did it
//! (`initiatedBy`) is never meant.

mod audit;
mod notification;

use serde_json::Value;

use super::carrier::{CloudEvent, Element, Envelope};
use super::members;
use super::verdict::{Reading, Reject, RejectCode};
use super::{Adapter, FOREIGN_TYPE, Format, Rules};
use crate::model::event::Subject;

#[cfg(feature = "service")]
pub(crate) use audit::without_own_id;
pub use audit::{MEANINGS, Meaning};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Entra, "entra", recognises, read).unwrapping(unwrap);

/// Name of the system in keys and records.
const SYSTEM: &str = "entra";

/// Types of Event Grid's partner events.
const EVENT_GRID_PREFIX: &str = "Microsoft.Graph.";

/// Members under which Event Hubs and Graph send several elements.
const LISTS: [&str; 2] = ["records", "value"];

fn recognises(value: &Value) -> bool {
    let of_list = |list: &Value| list.as_array().is_some_and(|items| items.iter().any(is_one));
    is_one(value) || LISTS.iter().any(|name| value.get(name).is_some_and(of_list))
}

fn is_one(value: &Value) -> bool {
    audit::recognises(value) || notification::recognises(value)
}

/// One element for each record or notification.
fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    if is_one(element.value) {
        return vec![element];
    }
    let list = LISTS.iter().find_map(|name| Some((*name, element.value.get(name)?.as_array()?)));
    let Some((name, items)) = list else { return vec![element] };
    let path = element.path.key(name);
    element.each(&Envelope::Own { source: None }, &path, items)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(event) = element.cloud_event() {
        if is_foreign(event, element, rules) {
            return vec![Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE)];
        }
        if let Err(reject) = event.readable() {
            return vec![Reading::reject(element.place(), reject)];
        }
    }
    let read = if notification::recognises(element.value) {
        notification::read(element, rules)
    } else {
        audit::read(element, rules)
    };
    read.unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// Whether a CloudEvent is none of Microsoft's. Bridges choose its type freely, so unless types are configured the data
/// speaks for itself.
fn is_foreign(event: &CloudEvent<'_>, element: &Element<'_>, rules: &Rules) -> bool {
    if rules.format == Format::Entra && !rules.types.is_empty() {
        return !rules.accepts_type(event.r#type);
    }
    !event.r#type.starts_with(EVENT_GRID_PREFIX) && !is_one(element.value)
}

/// The tenant: the configured one, which the record must agree with if it names one.
fn tenant(named: Option<&str>, rules: &Rules) -> Result<String, Reject> {
    match (&rules.tenant, named) {
        (Some(ours), Some(named)) if !ours.eq_ignore_ascii_case(named) => {
            Err(Reject::new(RejectCode::OtherTenant, "`tenantId` is not the source's `tenant`"))
        }
        (Some(ours), _) => Ok(ours.clone()),
        (None, named) => Ok(named.unwrap_or("unknown").to_ascii_lowercase()),
    }
}

/// Somebody of whom the object id is known.
fn known_by(object_id: &str, tenant: &str) -> Result<Subject, Reject> {
    members::known_as(SYSTEM, tenant, "object_id", object_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/entra.md"));
        let mut taken: Vec<(&str, &str)> = Vec::new();
        for (activity, meaning) in MEANINGS {
            match meaning {
                Meaning::States(action) => taken.push((activity, action.as_str())),
                Meaning::ByItsChanges => {
                    let changes = ["suspend", "cancel", "identity_update", "needs_lookup", "ignore"];
                    taken.extend(changes.map(|decision| (*activity, decision)));
                }
            }
        }
        assert_eq!(documented, taken);
    }
}
