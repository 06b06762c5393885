//! The canonical event: one statement of one source about one person. Every source adapter produces exactly this,
//! so nothing behind the adapters ever sees a vendor's JSON. `proto/` and `deploy/schemas/` mirror it field for field.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Email, SubjectKey};

/// The CloudEvents `type` of a canonical event.
pub const PERSON_EVENT_TYPE: &str = "heroku-deprovisioner.person.v1";

/// The only `schema_version` understood.
pub const SCHEMA_VERSION: u32 = 1;

/// Where a source states what is, a day of leaving that passed longer ago than this is history, not news: departures are
/// entered some days late, and tables keep the days of those who left long ago and of earlier employments.
pub const NEWS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The person has left.
    Deprovision,
    /// The account is blocked for the time being.
    Suspend,
    /// The person will leave.
    Schedule,
    /// The person stays after all, or is back.
    Cancel,
    /// Addresses or logins changed.
    IdentityUpdate,
}

impl Action {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deprovision => "deprovision",
            Self::Suspend => "suspend",
            Self::Schedule => "schedule",
            Self::Cancel => "cancel",
            Self::IdentityUpdate => "identity_update",
        }
    }
}

/// One statement about one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonEvent {
    /// Always [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What the source says.
    pub action: Action,
    /// When the source says that it happened: the ordering key.
    pub occurred_at: Timestamp,
    /// When the source or a bridge wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// The source's own position, comparable within person and source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// When it takes effect; absent = `occurred_at`, and of a `schedule` a day that the source does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Who is meant.
    pub subject: Subject,
    /// Where it comes from; with system and tenant, `event_id` and `element` are the deduplication key.
    pub source: SourceRef,
    /// Who caused it; for the audit only, never a subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// A code such as `resignation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On `cancel`: which event; absent = whatever is pending for the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancels: Option<Cancels>,
    /// On `identity_update`: the old and the new address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_change: Option<IdentityChange>,
    /// The source's correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// A test event: decided and logged, never acted on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub synthetic: bool,
    /// False when something is missing: the address, which must come from what is known of the person, or the day.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub resolved: bool,
    /// Jumps the queue; the deadline is the urgent one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub urgent: bool,
    /// It states what is, as a row of a table or a nightly export does, not that anything happened. The same statement
    /// again changes nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub level: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl PersonEvent {
    /// A statement that says nothing but this; it is resolved if the subject has an address.
    pub fn new(action: Action, occurred_at: Timestamp, subject: Subject, source: SourceRef) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            action,
            occurred_at,
            recorded_at: None,
            sequence: None,
            effective: None,
            resolved: !subject.emails.is_empty(),
            subject,
            source,
            actor: None,
            reason: None,
            cancels: None,
            identity_change: None,
            correlation_id: None,
            synthetic: false,
            urgent: false,
            level: false,
        }
    }
}

/// When a statement takes effect: a moment or a civil date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effective {
    /// The exact moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The civil date, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<jiff::civil::Date>,
    /// IANA zone of the date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Which end of the date counts; absent = the end of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// What the time means; for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

/// Which end of a date counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// 00:00 of the following day: the last day is worked.
    EndOfDay,
    /// 00:00 of that day.
    StartOfDay,
}

/// What an effective time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The time of the event.
    EventTime,
    /// The contract's end.
    TerminationDate,
    /// The last working day.
    LastDayOfWork,
}

/// Exactly one person, as one source names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// `system:tenant:id`, stable; also the record key on the events topic.
    pub person_key: SubjectKey,
    /// Addresses; may be empty.
    #[serde(default)]
    pub emails: Vec<Address>,
    /// User names; never used as addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<String>,
    /// HR's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employee_id: Option<String>,
    /// What other systems call the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
    /// Employee, contractor …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_type: Option<WorkerType>,
    /// This employment, for rehires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement_id: Option<String>,
    /// Never used to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

impl Subject {
    /// Somebody of whom nothing but the key is known.
    pub fn new(person_key: SubjectKey) -> Self {
        Self {
            person_key,
            emails: Vec::new(),
            logins: Vec::new(),
            employee_id: None,
            external_ids: Vec::new(),
            worker_type: None,
            engagement_id: None,
            display_name: None,
        }
    }

    /// The addresses by which they may be found: all but their personal ones.
    pub fn work_addresses(&self) -> impl Iterator<Item = &Email> {
        self.emails.iter().filter(|address| address.kind != AddressKind::Personal).map(|address| &address.value)
    }
}

/// One address of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub value: Email,
    /// What kind it is.
    pub kind: AddressKind,
    /// Whether the source calls it the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// The company's.
    Work,
    /// The person's own.
    Personal,
    /// Another name of a work address.
    Alias,
    /// An old one.
    Previous,
    /// The source does not say.
    Unknown,
}

/// What another system calls the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalId {
    /// The system.
    pub system: String,
    /// Its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Which of its ids.
    pub r#type: String,
    /// The id.
    pub value: String,
}

/// How somebody is employed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerType {
    /// On the payroll.
    Employee,
    /// Not on the payroll.
    Contractor,
    /// Not a human.
    Service,
    /// The source does not say.
    Unknown,
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// The system, for instance `okta`.
    pub system: String,
    /// The organisation's account there.
    pub tenant: String,
    /// The system's own name of the event.
    pub event_type: String,
    /// The system's own id of the event.
    pub event_id: String,
    /// Which person of an event that names several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
}

impl SourceRef {
    /// An event that names one person.
    pub fn new(system: &str, tenant: &str, event_type: &str, event_id: String) -> Self {
        let (system, tenant) = (system.to_owned(), tenant.to_owned());
        Self { system, tenant, event_type: event_type.to_owned(), event_id, element: None }
    }
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// A person, an app, the system itself.
    pub kind: ActorKind,
    /// Id in the source system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What kind of actor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    User,
    /// A program.
    App,
    /// The source system itself.
    System,
    /// The source does not say.
    Unknown,
}

/// Which event a `cancel` takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancels {
    /// Its `source.event_id`.
    pub event_id: String,
}

/// A changed address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityChange {
    /// The old one.
    pub from: Email,
    /// The new one.
    pub to: Email,
}

/// Where on the bus an event was read, written beside it on the events topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The configured source.
    pub source: String,
    /// The Kafka cluster's name in the configuration.
    pub cluster: String,
    /// Topic of the source record.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Place of the element in the record, such as `data.events[0]`; empty = the whole value.
    pub element: String,
    /// SHA-256 of the record's value, lower-case hex.
    pub record_sha256: String,
    /// When the intake read it.
    pub received_at: Timestamp,
    /// How authentic the statement is.
    pub authenticity: Authenticity,
    /// The look-up that told the addresses, by its name in the configuration; absent = none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_up: Option<String>,
}

/// How authentic a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authenticity {
    /// Whoever may write the topic may say it.
    TopicAcl,
    /// A signature was checked.
    JwsVerified,
}

/// What lies on the events topic: one event with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalised {
    /// The statement.
    pub event: PersonEvent,
    /// Where it was read.
    pub origin: Origin,
    /// W3C trace context of the source record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl PersonEvent {
    /// When the statement takes effect. A date without a zone is read in `zone`, and its last day is worked.
    /// `None` when the zone is unknown, the date is out of range, or somebody will leave on a day that is not told.
    pub fn effective_at(&self, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
        let Some(effective) = &self.effective else {
            return (self.action != Action::Schedule).then_some(self.occurred_at);
        };
        if let Some(at) = effective.at {
            return Some(at);
        }
        let Some(date) = effective.date else { return Some(self.occurred_at) };
        let zone = match &effective.timezone {
            Some(name) => jiff::tz::TimeZone::get(name).ok()?,
            None => zone.clone(),
        };
        let day = match effective.boundary.unwrap_or(Boundary::EndOfDay) {
            Boundary::EndOfDay => date.tomorrow().ok()?,
            Boundary::StartOfDay => date,
        };
        zone.to_timestamp(day.at(0, 0, 0, 0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(effective: &str) -> PersonEvent {
        serde_json::from_str(&format!(
            r#"{{"schema_version":1,"action":"schedule","occurred_at":"2026-05-28T18:42:00Z","effective":{effective},
            "subject":{{"person_key":"bamboohr:40218:1182"}},
            "source":{{"system":"bamboohr","tenant":"40218","event_type":"employee.updated","event_id":"1"}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_date_ends_with_its_day_in_its_zone() {
        let at = |effective| event(effective).effective_at(&jiff::tz::TimeZone::UTC).unwrap().to_string();
        assert_eq!(at(r#"{"date":"2026-06-30","timezone":"Europe/Stockholm"}"#), "2026-06-30T22:00:00Z");
        assert_eq!(at(r#"{"date":"2026-06-30"}"#), "2026-07-01T00:00:00Z");
        assert_eq!(at(r#"{"date":"2026-06-30","boundary":"start_of_day"}"#), "2026-06-30T00:00:00Z");
        assert_eq!(
            event(r#"{"date":"2026-06-30","timezone":"Mars/Olympus"}"#).effective_at(&jiff::tz::TimeZone::UTC),
            None
        );
        let undated = PersonEvent { effective: None, ..event(r#"{"date":"2026-06-30"}"#) };
        assert_eq!(undated.effective_at(&jiff::tz::TimeZone::UTC), None, "nobody leaves at once who will leave");
    }
}
