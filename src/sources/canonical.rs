//! The canonical event as a source format: what a bridge publishes that already speaks our language.

use serde_json::Value;

use super::carrier::Element;
use super::members::{self, ITEMS_MAX, Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, FOREIGN_TYPE, Format, Rules};
use crate::model::SubjectKey;
use crate::model::event::{
    Action, Actor, Address, Cancels, Effective, ExternalId, IdentityChange, PersonEvent, SCHEMA_VERSION, SourceRef,
    Subject,
};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Canonical, "canonical", recognises, read);

/// Longest `reason`: a code, not prose.
const REASON_MAX: usize = 64;

fn recognises(value: &Value) -> bool {
    ["schema_version", "action", "subject", "source"].iter().all(|name| value.get(name).is_some())
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(event) = element.cloud_event() {
        // Only with `Format::Auto` does the shape of the data alone bring an event here.
        if rules.format != Format::Auto && !rules.accepts_type(event.r#type) {
            return vec![Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE)];
        }
        if let Err(reject) = event.readable() {
            return vec![Reading::reject(element.place(), reject)];
        }
    }
    let verdict = match person_event(element.value, rules) {
        Ok(event) => Verdict::Event(Box::new(event)),
        Err(reject) => Verdict::Reject(reject),
    };
    vec![Reading { element: element.place(), verdict }]
}

/// Reads one canonical event. Members that are not known are passed over.
fn person_event(value: &Value, rules: &Rules) -> Result<PersonEvent, Reject> {
    let event = Members::of(value, "")?;
    if event.required("schema_version")?.as_u64() != Some(u64::from(SCHEMA_VERSION)) {
        return Err(Reject::new(RejectCode::UnknownVersion, format!("`schema_version` is not {SCHEMA_VERSION}")));
    }
    let action = match event.required_word("action") {
        Err(Reject { code: RejectCode::InvalidValue, detail }) => {
            return Err(Reject::new(RejectCode::UnknownAction, detail));
        }
        other => other?,
    };
    let source = source(&event.object("source")?, rules)?;
    let subject = subject(&event.object("subject")?)?;
    let effective =
        event.optional_object("effective")?.map(|effective| read_effective(&effective, rules)).transpose()?;
    let stated_as_resolved = event.optional_bool("resolved")?.unwrap_or(true);
    let is_undated = action == Action::Schedule && effective.is_none();
    if is_undated && stated_as_resolved {
        return Err(event.missing("effective"));
    }
    let identity_change = event
        .optional_object("identity_change")?
        .map(|change| Ok(IdentityChange { from: change.required_email("from")?, to: change.required_email("to")? }))
        .transpose()?;
    let tells_an_address = identity_change.is_some() || !subject.emails.is_empty();
    if action == Action::IdentityUpdate && !tells_an_address && stated_as_resolved {
        return Err(event.missing("identity_change"));
    }
    let read = PersonEvent {
        schema_version: SCHEMA_VERSION,
        action,
        occurred_at: event.required_time("occurred_at")?,
        recorded_at: event.optional_time("recorded_at")?,
        sequence: event.optional_text("sequence", TEXT_MAX)?,
        effective,
        resolved: stated_as_resolved && (!subject.emails.is_empty() || identity_change.is_some()),
        subject,
        source,
        actor: event.optional_object("actor")?.map(|actor| read_actor(&actor)).transpose()?,
        reason: event.optional_text("reason", REASON_MAX)?,
        cancels: event
            .optional_object("cancels")?
            .map(|cancels| Ok(Cancels { event_id: cancels.required_text("event_id", TEXT_MAX)? }))
            .transpose()?,
        identity_change,
        correlation_id: event.optional_text("correlation_id", TEXT_MAX)?,
        synthetic: event.optional_bool("synthetic")?.unwrap_or(false),
        urgent: event.optional_bool("urgent")?.unwrap_or(false),
        level: event.optional_bool("level")?.unwrap_or(false),
    };
    if !is_undated {
        let moment = read.effective_at(&rules.zone).ok_or_else(|| {
            event.invalid("effective", "has no moment: the time zone is not known, or the date is out of range")
        })?;
        event.plausible("effective", moment)?;
    }
    Ok(read)
}

fn source(source: &Members<'_>, rules: &Rules) -> Result<SourceRef, Reject> {
    let tenant = rules.agreed_tenant(Some(source.required_str("tenant", TEXT_MAX)?), &source.place("tenant"))?;
    Ok(SourceRef {
        system: source.required_text("system", TEXT_MAX)?,
        tenant,
        event_type: source.required_text("event_type", TEXT_MAX)?,
        event_id: source.required_text("event_id", TEXT_MAX)?,
        element: source.optional_u32("element")?,
    })
}

fn subject(subject: &Members<'_>) -> Result<Subject, Reject> {
    let emails = subject
        .items("emails", ITEMS_MAX)?
        .map(|(value, place)| {
            let address = Members::of(value, &place)?;
            Ok(Address {
                value: address.required_email("value")?,
                kind: address.required_word("kind")?,
                primary: address.optional_bool("primary")?,
            })
        })
        .collect::<Result<_, Reject>>()?;
    let logins = subject
        .items("logins", ITEMS_MAX)?
        .map(|(value, place)| members::text(value, &place, TEXT_MAX).map(ToOwned::to_owned))
        .collect::<Result<_, Reject>>()?;
    let external_ids = subject
        .items("external_ids", ITEMS_MAX)?
        .map(|(value, place)| {
            let id = Members::of(value, &place)?;
            Ok(ExternalId {
                system: id.required_text("system", TEXT_MAX)?,
                tenant: id.optional_text("tenant", TEXT_MAX)?,
                r#type: id.required_text("type", TEXT_MAX)?,
                value: id.required_text("value", TEXT_MAX)?,
            })
        })
        .collect::<Result<_, Reject>>()?;
    Ok(Subject {
        person_key: SubjectKey(subject.required_text("person_key", TEXT_MAX)?),
        emails,
        logins,
        employee_id: subject.optional_text("employee_id", TEXT_MAX)?,
        external_ids,
        worker_type: subject.optional_word("worker_type")?,
        engagement_id: subject.optional_text("engagement_id", TEXT_MAX)?,
        display_name: subject.optional_text("display_name", TEXT_MAX)?,
    })
}

/// A date leaves here with its zone and boundary, so that whoever reads the event later needs no configuration.
fn read_effective(effective: &Members<'_>, rules: &Rules) -> Result<Effective, Reject> {
    let at = effective.optional_time("at")?;
    let date = effective.optional_date("date")?;
    let zone = effective.optional_text("timezone", TEXT_MAX)?;
    let boundary = effective.optional_word("boundary")?;
    let basis = effective.optional_word("basis")?;
    match (at, date) {
        (Some(_), Some(_)) => Err(effective.invalid("date", "stands beside `at`; only one may")),
        (None, None) => Err(effective.missing("at")),
        (Some(_), None) => Ok(Effective { at, date, timezone: zone, boundary, basis }),
        (None, Some(_)) => Ok(Effective {
            at,
            date,
            timezone: zone.or_else(|| rules.zone.iana_name().map(ToOwned::to_owned)),
            boundary: boundary.or(Some(rules.boundary)),
            basis,
        }),
    }
}

fn read_actor(actor: &Members<'_>) -> Result<Actor, Reject> {
    Ok(Actor {
        kind: actor.required_word("kind")?,
        id: actor.optional_text("id", TEXT_MAX)?,
        email: actor.optional_text("email", TEXT_MAX)?,
        name: actor.optional_text("name", TEXT_MAX)?,
    })
}
