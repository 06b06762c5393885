//! Security event tokens (RFC 8417): RISC and CAEP events, and the provisioning events of SCIM. [`super::token`] has
//! checked the signature before anything here is read.
//!
//! `jti` is the id of the event, so a token that is sent again says nothing new. Who caused it is never looked at.

mod subject;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::carrier::Element;
use super::members::{self, ITEMS_MAX, Members, TEXT_MAX};
use super::scim::{Manner, Said, of_names_at_most};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, not_ours};
use crate::model::event::{Action, IdentityChange, PersonEvent, SourceRef};
use subject::Named;

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Set, "set", recognises, read);

const SYSTEM: &str = "set";
const SECEVENT: &str = "https://schemas.openid.net/secevent/";
const SCIM: &str = "urn:ietf:params:scim:event:";
const CHANGED: &str = "risc/event-type/identifier-changed";
const RECYCLED: &str = "risc/event-type/identifier-recycled";

/// How far the issuer's clock may be ahead of ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Longest `reason`, in characters.
const REASON_MAX: usize = 64;

/// What is decided, as `docs/sources/set.md` lists it. SCIM events with data are decided by it; everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("risc/event-type/account-purged", Action::Deprovision),
    ("risc/event-type/account-disabled", Action::Suspend),
    ("risc/event-type/account-enabled", Action::Cancel),
    (CHANGED, Action::IdentityUpdate),
    (RECYCLED, Action::IdentityUpdate),
    ("prov:delete", Action::Deprovision),
    ("prov:deactivate", Action::Deprovision),
    ("prov:activate", Action::Cancel),
];

fn recognises(value: &Value) -> bool {
    let has_text = |name: &str| value.get(name).is_some_and(Value::is_string);
    has_text("iss") && has_text("jti") && value.get("events").is_some_and(Value::is_object)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, recognises) {
        return vec![reading];
    }
    token(element, rules).unwrap_or_else(|reject| vec![Reading::reject(element.place(), reject)])
}

/// One reading for each of its events; mostly there is one.
fn token(element: &Element<'_>, rules: &Rules) -> Result<Vec<Reading>, Reject> {
    let claims = Members::of(element.value, "")?;
    let issued_at = acceptable(&claims, element.arrived_at, rules)?;
    let events = claims.object("events")?;
    let path = element.path.key("events");
    let count = events.names().count();
    if count == 0 || count > ITEMS_MAX {
        return Err(claims.invalid("events", &format!("has not 1 to {ITEMS_MAX} members")));
    }
    Ok(events
        .names()
        .enumerate()
        .map(|(index, uri)| {
            let (place, index) = match count {
                1 => (path.clone(), None),
                _ => (path.key(&name(uri)), u32::try_from(index).ok()),
            };
            let verdict = Claims { claims: &claims, issued_at, rules }.event(&events, uri, index);
            Reading { element: element.name(&place), verdict: verdict.unwrap_or_else(Verdict::Reject) }
        })
        .collect())
}

/// When it was issued, if it comes from whom and goes to whom it must, and is fresh.
fn acceptable(claims: &Members<'_>, arrived_at: Option<Timestamp>, rules: &Rules) -> Result<Timestamp, Reject> {
    let untrusted = |why: &str| Err(Reject::new(RejectCode::Untrusted, why));
    let issuer = claims.required_str("iss", TEXT_MAX)?;
    if rules.tokens.issuer.as_deref().is_some_and(|ours| ours != issuer) {
        return untrusted("`iss` is not the source's `issuer`");
    }
    if let Some(ours) = &rules.tokens.audience {
        let meant = match claims.required("aud")? {
            Value::String(one) => one == ours,
            Value::Array(several) => several.iter().any(|one| one.as_str() == Some(ours)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        if !meant {
            return untrusted("`aud` does not name the source's `audience`");
        }
    }
    // They make it a token of another kind, such as one that somebody logs in with.
    if let Some(name) = claims.names().find(|name| matches!(*name, "sub" | "exp")) {
        return untrusted(&format!("`{name}` is there, which no security event token holds"));
    }
    let issued_at = claims.optional_seconds("iat")?.ok_or_else(|| claims.missing("iat"))?;
    if let (Some(age_max), Some(arrived_at)) = (rules.tokens.trust.age_max(), arrived_at) {
        let age = arrived_at.duration_since(issued_at);
        if age > age_max {
            return Err(Reject::new(RejectCode::Expired, "`iat` lies too far before the record"));
        }
        if age < -CLOCK_SKEW {
            return untrusted("`iat` lies after the record");
        }
    }
    Ok(issued_at)
}

/// A token that is to be believed.
struct Claims<'a> {
    claims: &'a Members<'a>,
    issued_at: Timestamp,
    rules: &'a Rules,
}

impl Claims<'_> {
    fn event(&self, events: &Members<'_>, uri: &str, element: Option<u32>) -> Result<Verdict, Reject> {
        let ignored = |reason: &'static str| Ok(Verdict::Ignore { reason: reason.into(), about: None });
        let name = name(uri);
        let mut said = Said::default();
        let action = match name.as_str() {
            "prov:patch:full" => {
                said = Said::of_patch(&events.object(uri)?.object("data")?)?;
                said.action(Manner::Change)
            }
            "prov:put:full" | "prov:create:full" => {
                said = Said::of_resource(&events.object(uri)?.object("data")?)?;
                let action = said.action(Manner::State);
                // Many accounts are made before their people come.
                if name == "prov:create:full" && action == Some(Action::Deprovision) {
                    return ignored("a new account, not a departure");
                }
                action
            }
            // It says which attributes changed, and not to what.
            "prov:patch:notice" | "prov:put:notice" => {
                names_active(&events.object(uri)?)?.then_some(Action::IdentityUpdate)
            }
            _ => MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, action)| *action),
        };
        let Some(action) = action else { return ignored("an event that is not about leaving") };
        let payload = events.object(uri)?;
        let Some(Named { tenant, mut subject }) = self.subject(&payload, said)? else {
            return ignored("about something that is not a user");
        };
        let event_id = self.claims.required_text("jti", TEXT_MAX)?;
        let mut identity_change = None;
        if name == CHANGED || name == RECYCLED {
            let Some(from) = subject.emails.first().map(|address| address.value.clone()) else {
                return ignored("about an identifier that is not an address");
            };
            let to = if name == CHANGED { payload.required_email("new-value")? } else { from.clone() };
            if name == RECYCLED {
                // Somebody else, of whom nothing is known but that the address is theirs now.
                subject.person_key =
                    members::person_key("set_email", &tenant, &format!("{}#{event_id}", from.expose()))?;
            }
            identity_change = Some(IdentityChange { from, to });
        }
        let source = SourceRef { element, ..SourceRef::new(SYSTEM, &tenant, uri, event_id) };
        let event = PersonEvent {
            reason: payload.text_if_fit("reason").filter(|reason| reason.chars().count() <= REASON_MAX),
            correlation_id: self.claims.text_if_fit("txn"),
            identity_change,
            ..PersonEvent::new(action, self.occurred_at(&payload)?, subject, source)
        };
        Ok(Verdict::Event(Box::new(of_names_at_most(event))))
    }

    /// `sub_id`, or the `subject` within the event that older transmitters write.
    fn subject(&self, payload: &Members<'_>, said: Said) -> Result<Option<Named>, Reject> {
        let issuer = self.claims.required_str("iss", TEXT_MAX)?;
        let (outer, inner) = (self.claims.required("sub_id").ok(), payload.required("subject").ok());
        let (value, place) = match (outer, inner) {
            (Some(outer), Some(inner)) if outer != inner => {
                let why = "`sub_id` and the `subject` of the event differ";
                return Err(Reject::new(RejectCode::Ambiguous, why));
            }
            (Some(outer), _) => (outer, "sub_id"),
            (None, Some(inner)) => (inner, "subject"),
            (None, None) => {
                let why = "neither `sub_id` nor a `subject` is there";
                return Err(Reject::new(RejectCode::MissingSubject, why));
            }
        };
        subject::read(value, place, issuer, said, self.rules)
    }

    /// When it happened, as far as that is said apart from when it was told.
    fn occurred_at(&self, payload: &Members<'_>) -> Result<Timestamp, Reject> {
        match payload.optional_seconds("event_timestamp")? {
            Some(at) => Ok(at),
            None => Ok(self.claims.optional_seconds("toe")?.unwrap_or(self.issued_at)),
        }
    }
}

/// An event without what all of its kind begin with. The first implementations of SCIM events write `SCIM` in capitals.
fn name(uri: &str) -> String {
    match (uri.strip_prefix(SECEVENT), uri.get(..SCIM.len())) {
        (Some(name), _) => name.to_owned(),
        (None, Some(start)) if start.eq_ignore_ascii_case(SCIM) => uri[SCIM.len()..].to_ascii_lowercase(),
        (None, _) => uri.to_owned(),
    }
}

fn names_active(payload: &Members<'_>) -> Result<bool, Reject> {
    let mut named = false;
    for (attribute, place) in payload.items("attributes", ITEMS_MAX)? {
        named |= members::text(attribute, &place, TEXT_MAX)?.eq_ignore_ascii_case("active");
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::{Record, read};

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/set.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn a_new_account_that_is_not_active_yet_is_no_departure() {
        let rules = Rules { format: Format::Set, ..Rules::auto() };
        let said = |event: &str, active: bool| {
            let user = json!({"userName": "kim@larkspur.example", "active": active, "emails": [{"value": "kim@larkspur.example", "type": "work"}]});
            let mut events = json!({});
            events[format!("{SCIM}{event}")] = json!({ "data": user });
            let token = json!({
                "iss": "https://idp.larkspur.example/", "jti": "e5a1", "iat": 1_780_063_391,
                "sub_id": {"format": "scim", "uri": "/Users/2b2f"}, "events": events,
            });
            let bytes = token.to_string();
            match read(&Record { value: Some(bytes.as_bytes()), ..Record::default() }, &rules).remove(0).verdict {
                Verdict::Event(event) => event.action.as_str().to_owned(),
                Verdict::Ignore { reason, .. } => reason.into_owned(),
                Verdict::Reject(reject) => panic!("{}", reject.detail),
            }
        };
        assert_eq!(said("prov:create:full", false), "a new account, not a departure");
        assert_eq!(said("prov:create:full", true), "identity_update");
        assert_eq!(said("prov:put:full", false), "deprovision");
    }

    #[test]
    fn scim_in_capitals_is_the_same_event() {
        assert_eq!(name("urn:ietf:params:SCIM:event:prov:Delete"), "prov:delete");
        assert_eq!(
            name("https://schemas.openid.net/secevent/risc/event-type/account-purged"),
            "risc/event-type/account-purged"
        );
        assert_eq!(name("urn:é"), "urn:é");
    }
}
