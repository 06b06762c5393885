//! Audit records: what the outcomes topic carries as CloudEvents `data`. `proto/` and `deploy/schemas/` mirror them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Authenticity, SourceRef};
pub use super::hold::HoldReason;
use super::world::{Evidence, Reply, Unread};
use super::{AccountId, CaseId, Email, GrantId, IntentId, OutcomeId, Parent, PersonId, SubjectKey, Surface};

/// The CloudEvents `source` of every outcome.
pub const OUTCOME_SOURCE: &str = "urn:heroku-deprovisioner";

/// What an outcome record says, by its CloudEvents `type` (`heroku-deprovisioner.<kind>.v1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// `case.closed`: the one terminal record of a case.
    Closed(Box<CaseClosed>),
    /// `grant.revoked`: one grant was removed and proven gone.
    Revoked(Box<GrantRevoked>),
    /// `access.verified`, `access.reappeared`: a look after the end of a case.
    Look(Box<AccessLook>),
    /// `case.opened`, `case.scheduled`, `case.held`, `case.resumed`, `case.overdue`.
    Progress(Box<CaseProgress>),
}

/// One record for the outcomes topic, ready to be wrapped in a CloudEvent.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRecord {
    /// Computed; readers may drop repeats by it.
    pub id: OutcomeId,
    /// Its kind.
    pub kind: OutcomeKind,
    /// The record key and `partitionkey`.
    pub person: PersonId,
    /// The CloudEvents `subject`.
    pub case: CaseId,
    /// When it was decided.
    pub at: Timestamp,
    /// W3C trace context of the source record.
    pub traceparent: Option<String>,
    /// The data.
    pub data: Outcome,
}

/// Kinds of outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// A case was accepted.
    CaseOpened,
    /// A guard stopped a case or one of its grants.
    CaseHeld,
    /// What held it no longer does.
    CaseResumed,
    /// The departure takes effect later; told again when the date moves.
    CaseScheduled,
    /// The deadline passed.
    CaseOverdue,
    /// The case ended.
    CaseClosed,
    /// One grant is gone, proven.
    GrantRevoked,
    /// Looked again after the end of the case: no access that was not known to stay.
    AccessVerified,
    /// Looked again after the end of the case: access is back.
    AccessReappeared,
}

impl OutcomeKind {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::CaseOpened,
        Self::CaseScheduled,
        Self::CaseHeld,
        Self::CaseResumed,
        Self::CaseOverdue,
        Self::CaseClosed,
        Self::GrantRevoked,
        Self::AccessVerified,
        Self::AccessReappeared,
    ];

    /// The middle of the CloudEvents type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CaseOpened => "case.opened",
            Self::CaseHeld => "case.held",
            Self::CaseResumed => "case.resumed",
            Self::CaseScheduled => "case.scheduled",
            Self::CaseOverdue => "case.overdue",
            Self::CaseClosed => "case.closed",
            Self::GrantRevoked => "grant.revoked",
            Self::AccessVerified => "access.verified",
            Self::AccessReappeared => "access.reappeared",
        }
    }

    /// The CloudEvents type.
    pub fn event_type(self) -> String {
        format!("heroku-deprovisioner.{}.v1", self.as_str())
    }
}

/// How a case ended: the first that holds, in the order of the declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseResult {
    /// A newer statement ended it.
    Cancelled,
    /// Protected, ourselves, the pseudo-owner, or no address in a company domain; nothing was attempted.
    Refused,
    /// Observe mode: this is what would go.
    Planned,
    /// Complete scan, full coverage, no grant.
    NothingToRemove,
    /// All that can go is gone and proven; something stays that no call of ours can remove.
    RemovedWithResiduals,
    /// Nothing stays.
    Removed,
}

impl CaseResult {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Planned => "planned",
            Self::NothingToRemove => "nothing_to_remove",
            Self::RemovedWithResiduals => "removed_with_residuals",
            Self::Removed => "removed",
        }
    }
}

/// What access the person has when the case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessAfter {
    /// None that was looked at.
    None,
    /// Some, named in `residuals` or `grants`.
    Remaining,
    /// Not looked at, or not completely.
    Unknown,
}

impl AccessAfter {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Remaining => "remaining",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether removals are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Plans only.
    #[default]
    Observe,
    /// Plans and removes.
    Enforce,
}

impl Mode {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What a plan decides about one grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Remove it.
    Revoke,
    /// Leave it: excluded, or its team is in observe mode.
    Keep,
    /// A guard waits.
    Hold,
    /// No API can do it.
    Report,
}

impl Decision {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Keep => "keep",
            Self::Hold => "hold",
            Self::Report => "report",
        }
    }
}

/// How a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// We asked for its removal and a complete list shows it gone.
    Revoked,
    /// A complete list showed it gone before we asked.
    AlreadyGone,
    /// It stays.
    Remains,
    /// Not looked at again.
    Unknown,
}

/// Who the case is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonPart {
    /// Our id.
    pub person_id: PersonId,
    /// What sources call them.
    pub subject_keys: Vec<SubjectKey>,
    /// Known addresses in a company domain.
    pub addresses: Vec<Email>,
    /// Heroku accounts bound to the case.
    pub heroku_account_ids: Vec<AccountId>,
    /// The address or id that found them on Heroku; absent = not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched_by: Vec<Email>,
}

/// What opened the case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CausePart {
    /// `deprovision`, `suspend` …
    pub kind: String,
    /// The configured source.
    pub source: String,
    /// How authentic the statement is.
    pub authenticity: Authenticity,
    /// The source's system and tenant.
    pub system: String,
    /// Its tenant.
    pub tenant: String,
    /// The source's name of the event.
    pub event_type: String,
    /// The source's id of the event.
    pub event_id: String,
    /// Kafka cluster, by its name in the configuration.
    pub cluster: String,
    /// Topic of the source record.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Place of the element in the record; empty = the whole value.
    pub element: String,
    /// SHA-256 of the record's value.
    pub record_sha256: String,
    /// Why the person leaves, as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who caused the statement, as the source says; never checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    /// The look-up that told the addresses, by its name in the configuration; absent = none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_up: Option<String>,
    /// Other statements of the same fact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_stated_by: Vec<SourceRef>,
    /// Statements to the contrary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted_by: Vec<SourceRef>,
}

/// When what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimesPart {
    /// When the departure takes effect.
    pub effective_at: Timestamp,
    /// The event's own time.
    pub event_at: Timestamp,
    /// When the intake read it.
    pub received_at: Timestamp,
    /// When the last removal was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_removal_at: Option<Timestamp>,
    /// When the last proof began; absent = nothing was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// From `effective_at` to the record.
    pub seconds_from_effective: i64,
    /// From `received_at` to the record.
    pub seconds_from_received: i64,
    /// By when every access was to be gone.
    pub deadline: Timestamp,
    /// Whether it was kept.
    pub deadline_met: bool,
}

/// One request on its way, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPart {
    /// The intent that named it.
    pub intent_id: IntentId,
    /// When the intent was decided; it was committed before anything was sent.
    pub intended_at: Timestamp,
    /// When the request was sent; absent = not known to have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When the answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// What followed from it; absent = the answer was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Heroku's error id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// `Request-Id` of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_ids: Option<String>,
}

/// One grant in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantPart {
    /// Its id.
    pub grant_id: GrantId,
    /// Where it lives.
    pub surface: Surface,
    /// What it is on.
    pub parent: Parent,
    /// Role or permissions before.
    pub before: String,
    /// What the plan decided.
    pub decision: Decision,
    /// How it ended; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// Why, when the decision is not `revoke`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every intent, with what came of it.
    pub attempts: Vec<AttemptPart>,
    /// Index into `proofs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<u32>,
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CoveragePart {
    /// Every expected team, and every list of it, was read completely.
    pub complete: bool,
    /// `enterprise_account_and_expected_teams`, or `visible_teams` when neither is configured.
    pub expected_from: String,
    /// Names of the teams expected.
    pub teams_expected: Vec<String>,
    /// Names of the teams read.
    pub teams_read: Vec<String>,
    /// What was not, and why.
    pub not_read: Vec<Unread>,
    /// Excluded by configuration, with the reason.
    pub excluded: Vec<Unread>,
    /// What no API shows.
    pub not_visible_by_api: Vec<String>,
}

/// Access that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// Where it lives.
    pub surface: Surface,
    /// What it is on.
    pub parent: Parent,
    /// Why it stays.
    pub reason: String,
    /// What a person can do about it.
    pub remedy: String,
}

/// Advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// A code such as `rotate_config_vars`.
    pub advice: String,
    /// The apps it concerns.
    pub apps: Vec<String>,
}

/// The figures that a guard looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardVerdict {
    /// The hold reason it would give.
    pub guard: HoldReason,
    /// Whether it stopped something.
    pub held: bool,
    /// The figures, as a sentence.
    pub figures: String,
    /// When.
    pub at: Timestamp,
}

/// Who carried it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ExecutedBy {
    /// The Heroku account.
    pub heroku_account: String,
    /// First 12 hex digits of the SHA-256 of the token.
    pub token_fingerprint: String,
    /// Version of the service.
    pub version: String,
    /// SHA-256 of the effective configuration without secrets, first 12 hex digits.
    pub config_digest: String,
    /// Instance.
    pub instance: String,
}

/// `case.closed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseClosed {
    /// The case.
    pub case_id: CaseId,
    /// How it ended.
    pub result: CaseResult,
    /// What access is left: the one field to filter on.
    pub access_after: AccessAfter,
    /// One sentence.
    pub summary: String,
    /// Whether removals were sent.
    pub mode: Mode,
    /// A test event: nothing was asked of Heroku.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// Who.
    pub person: PersonPart,
    /// Why.
    pub cause: CausePart,
    /// When.
    pub times: TimesPart,
    /// What.
    pub grants: Vec<GrantPart>,
    /// Evidence that it is gone.
    pub proofs: Vec<Evidence>,
    /// What was looked at.
    pub coverage: CoveragePart,
    /// What stays, and the remedy.
    pub residuals: Vec<Residual>,
    /// Advice.
    pub follow_ups: Vec<FollowUp>,
    /// What the guards saw.
    pub guards: Vec<GuardVerdict>,
    /// Who carried it out.
    pub executed_by: ExecutedBy,
}

/// `grant.revoked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantRevoked {
    /// The case.
    pub case_id: CaseId,
    /// The person.
    pub person_id: PersonId,
    /// The grant.
    pub grant: GrantPart,
    /// Evidence that it is gone.
    pub proof: Vec<Evidence>,
    /// Who carried it out.
    pub executed_by: ExecutedBy,
}

/// `access.verified` and `access.reappeared`: what a look after the end of a case saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessLook {
    /// The case.
    pub case_id: CaseId,
    /// One sentence.
    pub summary: String,
    /// 1 = a quarter of an hour after the end of the case, 2 = a day after it.
    pub look: u32,
    /// What access there is now.
    pub access: AccessAfter,
    /// Who.
    pub person: PersonPart,
    /// Access that was not there when the case ended.
    pub seen: Vec<SeenGrant>,
    /// What was looked at.
    pub coverage: CoveragePart,
    /// When it is looked at again; absent = no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_look_at: Option<Timestamp>,
    /// The case that was opened to remove it again (`guards.on_reappeared`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_case: Option<CaseId>,
    /// Who looked.
    pub executed_by: ExecutedBy,
}

/// Access as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenGrant {
    /// Where it lives.
    pub surface: Surface,
    /// What it is on.
    pub parent: Parent,
    /// Role or permissions.
    pub role: String,
    /// When it was given, where Heroku says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<Timestamp>,
    /// Who gave it, where Heroku says it: only invitations do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_by: Option<Email>,
}

/// `case.opened`, `case.held`, `case.resumed`, `case.overdue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseProgress {
    /// The case.
    pub case_id: CaseId,
    /// One sentence.
    pub summary: String,
    /// Whether removals are sent; absent until the plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Who.
    pub person: PersonPart,
    /// Why.
    pub cause: CausePart,
    /// By when every access is to be gone.
    pub deadline: Timestamp,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

/// One thing that a case waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// From the closed list.
    pub reason: HoldReason,
    /// The figures, or the place.
    pub detail: String,
    /// What lets it go on.
    pub remedy: String,
    /// Who looks after it (`guards.hold_owner`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Since when.
    pub since: Timestamp,
}
