//! What in a record its readings rest on, found by trying: each value is changed in turn and the record read again. What
//! makes it another reading is named. So no format has to say it, none can say it wrongly, and the intake does none of it.

use std::cell::Cell;

use serde::Serialize;
use serde_json::Value;

use super::carrier::Delivery;
use super::document::{Document, Place};
use super::verdict::{Reading, RejectCode, Verdict};
use super::{FOREIGN_TYPE, Format, Record, Rules, Told, Tree, read_document};
use crate::model::Email;
use crate::model::event::{PERSON_EVENT_TYPE, PersonEvent};

/// Most values that are read, counted anew in each reading. What is found until then is true, and may not be all.
const VALUES_MAX: usize = 10_000_000;

/// Stands in no format for an object or a list: what is looked into is refused then, as what decides is read strictly.
const NO_CONTAINER: Value = Value::Bool(true);

/// The header that holds the type of a binary CloudEvent.
const TYPE_HEADER: &str = "header ce_type";

/// The places in a record, from its root, that a reading rests on: with another value there it would be another one. A
/// text that holds JSON is gone into as if it were that JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Grounds {
    /// That it is this decision. Of a refusal nothing: its reason names the place.
    pub decision: Vec<String>,
    /// That these are the addresses.
    pub addresses: Vec<String>,
    /// That it takes effect then.
    pub effective_at: Vec<String>,
}

/// What all readings of a record rest on, in their order.
pub(super) fn of(record: &Record<'_>, tree: &Tree<'_>, told: &[Told], rules: &Rules) -> Vec<Grounds> {
    let left = Cell::new(VALUES_MAX);
    let trial = Trial { record, delivery: &tree.delivery, rules, left: &left };
    told.iter().flat_map(|told| trial.of(told, &tree.document)).collect()
}

struct Trial<'a> {
    record: &'a Record<'a>,
    delivery: &'a Delivery<'a>,
    rules: &'a Rules,
    /// How many values may still be read.
    left: &'a Cell<usize>,
}

impl Trial<'_> {
    fn of(&self, told: &Told, document: &Document) -> Vec<Grounds> {
        let alone = told.path.alone(&document.root);
        // Once it is changed it may not look like its format any more.
        let known = Rules { format: told.format.unwrap_or(self.rules.format), ..self.rules.clone() };
        let agreeing = [&known, self.rules].into_iter().map(|rules| Trial { rules, ..*self }).find_map(|trial| {
            let was = trial.read(alone.clone(), self.delivery);
            let readings: Vec<_> = was.iter().flat_map(|it| &it.readings).collect();
            let agrees = |(one, other): (&&Reading, &Reading)| trial.change(one, other) == Change::None;
            (readings.len() == told.readings.len() && readings.iter().zip(&told.readings).all(agrees))
                .then_some((trial, was))
        });
        let mut found: Vec<Found> = told.readings.iter().map(|_| Found::default()).collect();
        if let Some((trial, was)) = agreeing
            && told.readings.iter().any(|reading| !matches!(reading.verdict, Verdict::Reject(_)))
        {
            trial.try_all(&was, &alone, told.format, &mut found);
        }
        found.into_iter().zip(&told.readings).map(|(found, reading)| self.grounds(found, reading, told)).collect()
    }

    fn read(&self, root: Value, delivery: &Delivery<'_>) -> Vec<Told> {
        let document = Document { root, repeated: Vec::new() };
        read_document(self.record, delivery, &document, None, self.rules).unwrap_or_default()
    }

    fn try_all(&self, was: &[Told], root: &Value, format: Option<Format>, found: &mut [Found]) {
        let was = each(was);
        let mut note = |place: &Place, now: &[Told]| {
            let now = each(now);
            let now = match now[..] {
                // Nobody of several is told of any more.
                [whole @ (_, Reading { verdict: Verdict::Ignore { .. } | Verdict::Reject(_), .. })] => {
                    vec![whole; was.len()]
                }
                _ => now,
            };
            // What is not taken out of its wrappings as before is not the same element any more.
            if now.len() != was.len() || now.iter().zip(&was).any(|((now, _), (was, _))| now != was) {
                return true;
            }
            let each = found.iter_mut().zip(&was).zip(&now);
            each.fold(false, |any, ((found, (_, was)), (_, now))| found.note(place, self.change(was, now)) || any)
        };
        if let Delivery::Binary(attributes) = self.delivery {
            for name in ["x", PERSON_EVENT_TYPE] {
                let now = self.read(root.clone(), &Delivery::Binary(attributes.with_type(name)));
                note(&type_header(), &now);
            }
        }
        let ways = Ways { words: words(format, self.rules), size: size(root), left: self.left };
        ways.vary(root, &Place::default(), &mut |place, changed| note(place, &self.read(changed, self.delivery)));
    }

    fn change(&self, was: &Reading, now: &Reading) -> Change {
        match (&was.verdict, &now.verdict) {
            (Verdict::Event(was), Verdict::Event(now)) if was.action == now.action => {
                let addresses = addresses(was) != addresses(now);
                let effective_at = was.effective_at(&self.rules.zone) != now.effective_at(&self.rules.zone);
                if addresses || effective_at { Change::Parts { addresses, effective_at } } else { Change::None }
            }
            (Verdict::Ignore { reason: was, .. }, Verdict::Ignore { reason: now, .. }) if was == now => Change::None,
            (Verdict::Reject(_), Verdict::Reject(_)) => Change::None,
            (_, Verdict::Reject(reject)) if reject.code != RejectCode::UnknownAction => Change::Refused,
            _ => Change::Decision,
        }
    }

    fn grounds(&self, found: Found, reading: &Reading, told: &Told) -> Grounds {
        let binary = matches!(self.delivery, Delivery::Binary(_));
        let spelled = |places: Vec<Place>| {
            let inmost = |place: &Place| !places.iter().any(|other| other != place && other.is_within(place));
            let spelled = |place: &Place| match place.among(&told.path).spelled() {
                _ if *place == type_header() => TYPE_HEADER.to_owned(),
                place if binary => format!("value.{place}"),
                place => place,
            };
            places.iter().filter(|place| inmost(place)).map(spelled).collect()
        };
        let decision = match &reading.verdict {
            Verdict::Reject(_) => Vec::new(),
            Verdict::Ignore { reason, .. } if reason == FOREIGN_TYPE && !binary => {
                let joint = if reading.element.is_empty() { "" } else { "." };
                vec![format!("{}{joint}type", reading.element)]
            }
            Verdict::Ignore { .. } | Verdict::Event(_) if !found.decision.is_empty() => spelled(found.decision),
            Verdict::Ignore { .. } if !found.needed.is_empty() => spelled(found.needed),
            Verdict::Ignore { .. } | Verdict::Event(_) => vec![reading.element.clone()],
        };
        Grounds { decision, addresses: spelled(found.addresses), effective_at: spelled(found.effective_at) }
    }
}

fn type_header() -> Place {
    Place::default().member(TYPE_HEADER)
}

/// Each reading, and where its element stands.
fn each(told: &[Told]) -> Vec<(&Place, &Reading)> {
    told.iter().flat_map(|told| told.readings.iter().map(|reading| (&told.path, reading))).collect()
}

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// It is another decision.
    Decision,
    /// It is refused.
    Refused,
    /// The decision is the same.
    Parts {
        addresses: bool,
        effective_at: bool,
    },
}

fn addresses(event: &PersonEvent) -> Vec<&Email> {
    let new = event.identity_change.iter().flat_map(|change| [&change.from, &change.to]);
    event.subject.emails.iter().map(|address| &address.value).chain(new).collect()
}

/// The places of one reading.
#[derive(Default)]
struct Found {
    decision: Vec<Place>,
    /// Without them it would be refused.
    needed: Vec<Place>,
    addresses: Vec<Place>,
    effective_at: Vec<Place>,
}

impl Found {
    /// Whether anything changed.
    fn note(&mut self, place: &Place, change: Change) -> bool {
        let mut add = |places: fn(&mut Self) -> &mut Vec<Place>| {
            let places = places(self);
            if places.last() != Some(place) {
                places.push(place.clone());
            }
        };
        match change {
            Change::None => return false,
            Change::Decision => add(|it| &mut it.decision),
            Change::Refused => add(|it| &mut it.needed),
            Change::Parts { addresses, effective_at } => {
                if addresses {
                    add(|it| &mut it.addresses);
                }
                if effective_at {
                    add(|it| &mut it.effective_at);
                }
            }
        }
        true
    }
}

/// How many values there are.
fn size(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// How a record is changed.
struct Ways<'a> {
    words: Vec<String>,
    /// How many values it has, and how many may still be read.
    size: usize,
    left: &'a Cell<usize>,
}

/// What is done with a change of what stands at a place; whether it made a difference.
type Attempt<'a> = dyn FnMut(&Place, Value) -> bool + 'a;

impl Ways<'_> {
    /// Hands each change of `value`, which stands at `place`, to `attempt`.
    fn vary(&self, value: &Value, place: &Place, attempt: &mut Attempt<'_>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let place = place.member(name);
                    let with = |name: &str, other: Option<Value>| {
                        let kept = members.iter().filter(|(known, _)| known.as_str() != name);
                        let kept = kept.map(|(name, member)| (name.clone(), member.clone()));
                        Value::Object(kept.chain(other.map(|other| (name.to_owned(), other))).collect())
                    };
                    if !self.may_go_on() {
                        return;
                    }
                    attempt(&place, with(name, None));
                    // The names of security events are URIs, and members.
                    for word in self.words.iter().filter(|word| word.contains("://") && !members.contains_key(*word)) {
                        let Value::Object(mut renamed) = with(name, None) else { continue };
                        renamed.insert(word.clone(), member.clone());
                        attempt(&place, Value::Object(renamed));
                    }
                    self.within(member, &place, &mut |place, other| attempt(place, with(name, Some(other))));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.within(item, &place.index(index), &mut |place, other| {
                        let mut items = items.clone();
                        items[index] = other;
                        attempt(place, Value::Array(items))
                    });
                }
            }
            Value::String(text) => {
                let inner = serde_json::from_str(text).ok();
                if let Some(inner @ (Value::Object(_) | Value::Array(_) | Value::String(_))) = inner {
                    self.vary(&inner, place, &mut |place, other| attempt(place, Value::String(other.to_string())));
                }
                let others = other_texts(text).into_iter().chain(self.words.iter().cloned());
                self.each(place, others.filter(|other| other != text).map(Value::String), attempt);
            }
            Value::Bool(flag) => self.each(place, [Value::Bool(!flag)], attempt),
            // The next day, and a code of another class.
            Value::Number(number) => {
                let others = number.as_u64().map(|number| [number.saturating_add(1), number.saturating_mul(2)]);
                self.each(place, others.into_iter().flatten().map(Value::from), attempt);
            }
            Value::Null => {}
        }
    }

    /// The same and that it is null, for an object or a list only if it is looked into at all.
    fn within(&self, value: &Value, place: &Place, attempt: &mut Attempt<'_>) {
        let container = matches!(value, Value::Object(_) | Value::Array(_));
        let instead = if container { NO_CONTAINER } else { Value::Null };
        if self.may_go_on() && (attempt(place, instead) || !container) {
            self.vary(value, place, attempt);
        }
    }

    fn each(&self, place: &Place, others: impl IntoIterator<Item = Value>, attempt: &mut Attempt<'_>) {
        for other in others {
            if self.may_go_on() {
                attempt(place, other);
            }
        }
    }

    /// Whether the record may be read once more.
    fn may_go_on(&self) -> bool {
        let left = self.left.get().checked_sub(self.size);
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// Texts that say something else: long after and long before, the opposite, nothing, and what is no known word.
fn other_texts(text: &str) -> Vec<String> {
    let day = text.get(..10).is_some_and(|day| super::members::date(day).is_some());
    let years = ["2096", "2004"].into_iter().filter(|_| day).map(|year| format!("{year}{}", &text[4..]));
    let opposite = match text.to_ascii_lowercase().as_str() {
        "true" => Some("False"),
        "false" => Some("True"),
        "1" => Some("0"),
        "0" => Some("1"),
        _ => None,
    };
    years
        .chain(opposite.map(ToOwned::to_owned))
        .chain([String::new(), format!("{text}x"), format!("x{text}")])
        .collect()
}

/// Words that say something in a format, for what says nothing in it; those of the configuration included.
fn words(format: Option<Format>, rules: &Rules) -> Vec<String> {
    let known: &[&str] = match format {
        None | Some(Format::Auto | Format::Canonical) => &[PERSON_EVENT_TYPE],
        Some(Format::Okta) => &["user.lifecycle.deactivate", "SUCCESS"],
        Some(Format::Entra) => &["Delete user", "AuditLogs", "UserManagement", "success", "deleted", "created"],
        Some(Format::Google) => &["DELETE_USER", "admin"],
        Some(Format::Keycloak) => &["DELETE", "DELETE_ACCOUNT"],
        Some(Format::Auth0) => &["user.deleted", "sdu"],
        Some(Format::JumpCloud) => &["user_delete", "directory"],
        Some(Format::OneLogin) => &["17"],
        Some(Format::PingOne) => &["USER.DELETED", "SUCCESS"],
        Some(Format::Bamboohr) => &["Updated", "Deleted", "Employment Status", "status", "employee.deleted"],
        Some(Format::Workday) => &[],
        Some(Format::Personio) => &["employment.terminated"],
        Some(Format::Hibob) => &["employee.left"],
        Some(Format::Gusto) => &["employee.terminated"],
        Some(Format::Merge) => &["Employee.changed", "Employee.removed", "ACTIVE", "INACTIVE"],
        Some(Format::Adp) => &["worker.workAssignment.terminate"],
        Some(Format::Ukg) => &["EmployeeTerminationEvent"],
        Some(Format::SuccessFactors) => &["com.successfactors.Employment.AssignmentInformation.Termination"],
        Some(Format::Set) => &[
            "https://schemas.openid.net/secevent/risc/event-type/account-purged",
            "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
        ],
        Some(Format::Scim) => &["DELETE", "POST", "active"],
        Some(Format::Debezium) => {
            return rules.tables.iter().flat_map(super::debezium::Table::words).cloned().collect();
        }
        Some(Format::Mapping) => return rules.mapping.iter().flat_map(super::Mapping::words).collect(),
    };
    known.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::explain::{Holds, Question, answer};

    fn grounds(record: &Value, rules: &Rules) -> Vec<Grounds> {
        let bytes = record.to_string();
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let question = Question { bytes: bytes.as_bytes(), holds: Holds::Value, rules, schema: None, now };
        answer(&question).rows.into_iter().map(|row| row.decided_by).collect()
    }

    #[test]
    fn what_a_condition_looks_at_is_found_wherever_it_stands() {
        let mapping = json!({
            "elements": "/changes", "id": "/id", "emails": ["event.mails[1]"], "time": "record:/sent", "otherwise": "ignore",
            "rules": [{ "when": "event.kind == 'left' && record.live", "then": "deprovision" }],
        });
        let mapping = serde_json::from_value(mapping).unwrap();
        let rules = Rules { format: Format::Mapping, mapping: Some(mapping), ..Rules::auto() };
        let mails = ["a@larkspur.example", "b@larkspur.example"];
        let change = |kind: &str| json!({ "id": 7, "kind": kind, "mails": mails });
        let record =
            json!({ "live": true, "sent": "2026-05-29T14:03:11Z", "changes": [change("hello"), change("left")] });
        let texts = |places: &[&str]| places.iter().map(|&place| place.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            grounds(&record, &rules),
            [
                Grounds { decision: texts(&["changes[0].kind"]), ..Grounds::default() },
                Grounds {
                    decision: texts(&["changes[1].kind", "live"]),
                    addresses: texts(&["changes[1].mails[1]"]),
                    effective_at: texts(&["sent"]),
                },
            ]
        );
    }

    #[test]
    fn each_person_of_an_event_has_grounds_of_their_own() {
        let user = |id: &str| json!({ "id": id, "type": "User", "alternateId": format!("{id}@larkspur.example") });
        let group = json!({ "id": "g", "type": "UserGroup", "alternateId": "g@larkspur.example" });
        let mut event = json!({
            "eventType": "user.lifecycle.deactivate", "uuid": "u", "published": "2026-05-29T14:03:11Z",
            "outcome": { "result": "SUCCESS" }, "target": [user("a"), group, user("b")],
        });
        let found = grounds(&event, &Rules::auto());
        let addresses: Vec<_> = found.iter().map(|it| it.addresses.join(" ")).collect();
        assert_eq!(addresses, ["target[0].alternateId", "target[2].alternateId"]);
        assert!(found.iter().all(|it| it.decision == ["eventType", "outcome.result"]), "{found:?}");
        event["target"][0]["alternateId"] = json!("a b@larkspur.example");
        let refused = &grounds(&event, &Rules::auto())[0];
        assert_eq!(*refused, Grounds::default(), "the reason of a refusal names the place");
    }

    #[test]
    fn a_record_is_not_read_more_often_than_its_size_allows() {
        let record = json!({ "a": [1, 2, 3], "b": { "c": "d", "e": true } });
        let tries = |left: usize| {
            let left = Cell::new(left);
            let ways = Ways { words: Vec::new(), size: size(&record), left: &left };
            let mut tries = 0;
            ways.vary(&record, &Place::default(), &mut |_, _| {
                tries += 1;
                true
            });
            tries
        };
        assert_eq!((size(&record), tries(0), tries(3 * 8 + 7)), (8, 0, 3));
        assert!(tries(VALUES_MAX) > 10);
    }

    #[test]
    fn a_name_that_is_not_plain_is_quoted() {
        let place = Place::default().member("a.b").index(0).member("c\u{202e}\"d").member("e");
        assert_eq!(place.spelled(), r#"["a.b"][0]["c\u202e\"d"].e"#);
    }
}
