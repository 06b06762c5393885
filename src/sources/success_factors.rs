//! SAP SuccessFactors' event notifications, which are XML: an `ExternalEvent` of one type about one or several rows. The
//! subject is the `userId` among a row's keys; `publishedBy` did it and is never meant.

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::Element;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Meaning, Rules, dates, meaning, not_ours};
use crate::model::event::{Action, Actor, ActorKind, Boundary, PersonEvent, SourceRef};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::SuccessFactors, "success_factors", recognises, read)
    .unconfirmed("that effectiveStartDate is the first day of the row of a termination");

const SYSTEM: &str = "success_factors";

/// The types that mean something here, as `docs/sources/success_factors.md` lists them. Every other one is ignored.
pub const MEANINGS: &[(&str, Action)] =
    &[("com.successfactors.Employment.AssignmentInformation.Termination", Action::Deprovision)];

const ROOT: &str = "ExternalEvent";
const META: &str = "externalEventMeta";

fn recognises(value: &Value) -> bool {
    value.get(ROOT).is_some_and(|event| event.get(META).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    notification(element, rules).unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// One reading for each row.
fn notification(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let root = Members::of(element.value, "")?.object(ROOT)?;
    let meta = root.object(META)?;
    let Some(row) = meaning(MEANINGS, meta.required_str("type", TEXT_MAX)?) else {
        return Ok(vec![Reading::ignore(element.place(), "an event that is not about leaving")]);
    };
    let events = root.object("events")?;
    let path = element.path.key(ROOT).key("events").key("event");
    let readings = events.one_or_more("event")?.enumerate().map(|(index, (event, place))| Reading {
        element: element.name(&path.index(index)),
        verdict: Members::of(event, &place)
            .and_then(|event| departure(&event, &meta, row, index, rules))
            .unwrap_or_else(Verdict::Reject),
    });
    let readings: Vec<_> = readings.collect();
    if readings.is_empty() { Err(events.missing("event")) } else { Ok(readings) }
}

fn departure(
    event: &Members<'_>,
    meta: &Members<'_>,
    (kind, action): Meaning,
    index: usize,
    rules: &Rules,
) -> Result<Verdict, Reject> {
    const ENTITY: &str = "entityType";
    if event.required_str(ENTITY, TEXT_MAX)? != "EmpJob" {
        return Err(event.invalid(ENTITY, "is not EmpJob: what its date means is not known"));
    }
    let tenant = rules.agreed_tenant(None, "")?;
    let subject = members::known_as(SYSTEM, &tenant, "user_id", user(&event.object("entityKeys")?)?)?;
    let source = SourceRef {
        element: u32::try_from(index).ok(),
        ..SourceRef::new(SYSTEM, &tenant, kind, meta.required_text("externalEventId", TEXT_MAX)?)
    };
    // The row that begins is that of somebody who is no longer employed: no day is added.
    const STARTS: &str = "effectiveStartDate";
    let day = dates::day(event, STARTS, Boundary::StartOfDay, rules)?.ok_or_else(|| event.missing(STARTS))?;
    let at = dates::since_1970(meta, "publishedAt", Timestamp::from_millisecond)?;
    let actor = meta.text_if_fit("publishedBy").map(|by| Actor {
        kind: ActorKind::Unknown,
        id: Some(by),
        email: None,
        name: None,
    });
    let said = PersonEvent::new(action, at, subject, source);
    Ok(Verdict::event(PersonEvent { effective: Some(day.effective), actor, ..said }))
}

/// The value of the one key `userId`.
fn user<'a>(keys: &Members<'a>) -> Result<&'a str, Reject> {
    let mut found = None;
    for (key, place) in keys.one_or_more("entityKey")? {
        let key = Members::of(key, &place)?;
        if key.required_str("name", TEXT_MAX)? != "userId" {
            continue;
        }
        if found.is_some() {
            return Err(Reject::new(RejectCode::Ambiguous, format!("`{place}` is a second `userId`")));
        }
        found = Some(key.required_str("value", TEXT_MAX)?);
    }
    found.ok_or_else(|| Reject::new(RejectCode::MissingSubject, "the keys hold no `userId`; who did it is never meant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/success_factors.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }
}
