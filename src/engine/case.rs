//! One person's offboarding, from the event that opened it to its one terminal result.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::Person;
use super::plan::Leaver;
use super::revocation::{Progress, Revocation};
use super::verification::Watch;
use crate::model::event::{Action, Normalised, SourceRef};
use crate::model::outcome::{AccessAfter, CaseResult, CausePart, CoveragePart, GuardVerdict, Hold, HoldReason, Mode};
use crate::model::world::Evidence;
use crate::model::{
    AccountId, AddressRules, CaseId, CommandId, Email, Grant, GrantId, PersonId, SubjectKey, Surface, TeamId, ids,
};

/// An open case, as the state topic holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// UUIDv5 of source, tenant, event id and element.
    pub id: CaseId,
    /// Who.
    pub person: PersonId,
    /// What their sources call them.
    pub subject_keys: BTreeSet<SubjectKey>,
    /// Their addresses in company domains.
    pub addresses: BTreeSet<Email>,
    /// Heroku accounts bound to the case, with the address that found each. Bound once.
    pub accounts: BTreeMap<AccountId, Email>,
    /// What the event asks for.
    pub action: Action,
    /// Why.
    pub cause: CausePart,
    /// The employment that ends, where the source names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<String>,
    /// The event's own time.
    pub event_at: Timestamp,
    /// The time of the newest statement that the person leaves.
    pub stated_at: Timestamp,
    /// When the departure takes effect.
    pub effective_at: Timestamp,
    /// What each source (`system:tenant`) said of this day last.
    #[serde(default)]
    pub dates: BTreeMap<String, Dated>,
    /// When the intake read it.
    pub received_at: Timestamp,
    /// By when everything should be gone and proven.
    pub deadline: Timestamp,
    /// Whether the deadline was missed and said so.
    pub overdue: bool,
    /// Jumps the queue.
    pub urgent: bool,
    /// A test event: planned, never acted on.
    pub synthetic: bool,
    /// Trace context of the source record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Where it stands.
    pub phase: Phase,
    /// Read when the plan was made, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The plan: every grant found, with its decision and what became of it.
    pub revocations: Vec<Revocation>,
    /// Evidence that the settled ones point at.
    pub proofs: Vec<Evidence>,
    /// Members of the teams that the person is in, as the last scan counted them.
    #[serde(default)]
    pub team_sizes: BTreeMap<TeamId, u32>,
    /// What the last scan looked at.
    pub coverage: CoveragePart,
    /// Apps that the person could read.
    pub reachable_apps: BTreeSet<String>,
    /// Why nothing is done until somebody acts or a newer event comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<(HoldReason, String)>,
    /// Why nothing is removed until somebody approves the plan, which is made all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barred: Option<(HoldReason, String)>,
    /// What stops it for the moment, with the figures; looked at anew each turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<(HoldReason, String)>,
    /// Set by somebody who saw the plan: neither caps nor age hold what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What it waits for, as last told.
    pub holds: Vec<Hold>,
    /// What the guards saw last.
    pub verdicts: Vec<GuardVerdict>,
    /// Outcomes written of each kind that may occur more than once.
    pub ordinal: u32,
    /// Scans that did not settle the coverage.
    pub scans: u32,
    /// Set by a newer statement to the contrary: nothing more is started, and the case ends as cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<SourceRef>,
    /// The order to end it; absent where a statement ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Ended>,
}

/// Somebody ordered the end of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, by the clock of the worker that took the order.
    pub at: Timestamp,
    /// Who claims to have given it, and why.
    pub by: String,
}

/// A day that a source names for a departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// The day.
    pub at: Timestamp,
    /// When the source said so, by its own time.
    pub stated: Timestamp,
    /// Whether it sets the day: the source spoke first, or it said that the day has come. Others are noted.
    pub counts: bool,
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Phase {
    /// Waits for something that no scan can tell.
    Parked,
    /// The departure takes effect later.
    Scheduled {
        /// When.
        due: Timestamp,
    },
    /// Needs a scan that begins no earlier than `due`.
    Scanning {
        /// The earliest moment.
        due: Timestamp,
    },
    /// The plan is made; grants are on their way out.
    Working,
}

/// What is kept of a closed case, so that a repeated event opens no second one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The case.
    pub id: CaseId,
    /// Who.
    pub person: PersonId,
    /// How it ended.
    pub result: CaseResult,
    /// What access is left.
    pub access_after: AccessAfter,
    /// One sentence.
    pub summary: String,
    /// When.
    pub closed_at: Timestamp,
    /// When the departure took effect.
    pub effective_at: Timestamp,
    /// The newest statement of it, by its source's own time; absent in records of older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_at: Option<Timestamp>,
    /// Why it was opened, as long as a plan of it may still be enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Box<Founded>>,
    /// The days of a departure that somebody ordered not to be carried out, and when they did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ordered_off: BTreeMap<Timestamp, Timestamp>,
    /// What is looked for again, as long as a look is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Box<Watch>>,
}

impl Digest {
    /// Whether it found access that it left because of observe mode, and nobody has ordered yet that it be removed.
    pub fn is_waiting_plan(&self) -> bool {
        self.planned.is_some() && self.access_after != AccessAfter::None
    }
}

/// Why a case was opened, as far as another one may be founded on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Founded {
    /// Why it was opened.
    pub cause: CausePart,
    /// The employment that ends, where the source names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<String>,
    /// The event's own time.
    pub event_at: Timestamp,
    /// Who said which day of the departure. A witness that only suspends the person says none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dates: BTreeMap<String, Dated>,
}

impl Founded {
    /// What the case goes back to.
    pub(super) fn of(case: &Case) -> Self {
        let (cause, engagement) = (case.cause.clone(), case.engagement.clone());
        Self { cause, engagement, event_at: case.event_at, dates: case.dates.clone() }
    }

    /// Whose statements it rests on, as a person's statements are kept.
    pub(super) fn sources(&self) -> BTreeSet<String> {
        let founder = format!("{}:{}", self.cause.system, self.cause.tenant);
        self.dates.keys().cloned().chain([founder]).chain(self.engagement.clone()).collect()
    }

    /// What speaks against it by now.
    pub(super) fn refuted<'a>(&self, person: &'a Person, now: Timestamp) -> Option<(&'a SourceRef, &'static str)> {
        person.remains_because(self.engagement.as_deref(), self.event_at, now)
    }
}

/// Somebody saw the plan and said go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The command.
    pub command: CommandId,
    /// Who claims to have given it.
    pub claimed_by: String,
    /// What it holds for; whatever else is found waits.
    pub grants: BTreeSet<GrantId>,
}

/// The case id that an event founds.
pub fn case_id(source: &SourceRef) -> CaseId {
    let element = source.element.unwrap_or(0).to_string();
    CaseId(ids::computed(&["case", &source.system, &source.tenant, &source.event_id, &element]))
}

/// The part of an audit record that says why.
pub fn cause(normalised: &Normalised) -> CausePart {
    let Normalised { event, origin, .. } = normalised;
    CausePart {
        kind: event.action.as_str().to_owned(),
        source: origin.source.clone(),
        authenticity: origin.authenticity,
        system: event.source.system.clone(),
        tenant: event.source.tenant.clone(),
        event_type: event.source.event_type.clone(),
        event_id: event.source.event_id.clone(),
        cluster: origin.cluster.clone(),
        topic: origin.topic.clone(),
        partition: origin.partition,
        offset: origin.offset,
        element: origin.element.clone(),
        record_sha256: origin.record_sha256.clone(),
        reason: event.reason.clone(),
        claimed_by: event
            .actor
            .as_ref()
            .and_then(|actor| actor.email.as_ref().or(actor.id.as_ref()).or(actor.name.as_ref()).cloned()),
        looked_up: origin.looked_up.clone(),
        also_stated_by: Vec::new(),
        contradicted_by: Vec::new(),
    }
}

/// What a case is opened with.
pub(super) struct Opening {
    pub(super) id: CaseId,
    pub(super) action: Action,
    pub(super) cause: CausePart,
    pub(super) engagement: Option<String>,
    pub(super) event_at: Timestamp,
    pub(super) effective_at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) deadline: Timestamp,
    pub(super) urgent: bool,
    pub(super) synthetic: bool,
    pub(super) traceparent: Option<String>,
}

impl Case {
    /// A case of which nothing is known but its cause. It needs a scan.
    pub(super) fn open(known: &Person, opening: Opening, now: Timestamp) -> Self {
        let dated_by = format!("{}:{}", opening.cause.system, opening.cause.tenant);
        Self {
            id: opening.id,
            person: known.id,
            subject_keys: known.subject_keys.clone(),
            addresses: known.addresses.clone(),
            accounts: BTreeMap::new(),
            action: opening.action,
            cause: opening.cause,
            engagement: opening.engagement,
            event_at: opening.event_at,
            stated_at: opening.event_at,
            effective_at: opening.effective_at,
            dates: BTreeMap::from([(
                dated_by,
                Dated { at: opening.effective_at, stated: opening.event_at, counts: true },
            )]),
            received_at: opening.received_at,
            deadline: opening.deadline,
            overdue: false,
            urgent: opening.urgent,
            synthetic: opening.synthetic,
            traceparent: opening.traceparent,
            phase: Phase::Scanning { due: now },
            mode: None,
            revocations: Vec::new(),
            proofs: Vec::new(),
            team_sizes: BTreeMap::new(),
            coverage: CoveragePart::default(),
            reachable_apps: BTreeSet::new(),
            parked: None,
            barred: None,
            limited: None,
            approval: None,
            holds: Vec::new(),
            verdicts: Vec::new(),
            ordinal: 0,
            scans: 0,
            cancelled_by: None,
            ended_by: None,
        }
    }

    /// Whether a removal was ever intended.
    pub fn started(&self) -> bool {
        self.revocations.iter().any(|revocation| !revocation.attempts.is_empty())
    }

    /// Starts nothing more. What has left is still proven, whatever else the case waited for.
    pub(super) fn cancel(&mut self, by: SourceRef) {
        self.cancelled_by = Some(by);
        if self.started() {
            self.parked = None;
            self.phase = Phase::Working;
        }
    }

    /// Whether its plan may be worked on: it enforces, and nothing holds it as a whole.
    pub fn may_remove(&self) -> bool {
        let waits = self.parked.is_some() || self.barred.is_some();
        self.mode == Some(Mode::Enforce) && !waits && !matches!(self.phase, Phase::Parked | Phase::Scheduled { .. })
    }

    /// Grants that are to go and that the approval, if there is one, does not hold for.
    pub fn unapproved(&self) -> Vec<&Grant> {
        let Some(approval) = &self.approval else { return Vec::new() };
        let pending = self.revocations.iter().filter(|known| known.is_pending()).map(|known| &known.grant);
        pending.filter(|grant| !approval.grants.contains(&grant.id)).collect()
    }

    /// Whom it is about.
    pub fn leaver<'a>(&'a self, rules: &'a AddressRules) -> Leaver<'a> {
        Leaver { case: self.id, accounts: &self.accounts, addresses: rules.canonical_all(&self.addresses), rules }
    }

    /// The person's role in the team of this app or space, while it is not gone. Heroku may list them there because of
    /// it, and then refuses to remove the entry for as long as they have it.
    pub fn role_behind(&self, grant: &Grant) -> Option<&Revocation> {
        let shows_roles = matches!(grant.surface, Surface::AppCollaboration | Surface::SpacePermission);
        self.revocations.iter().find(|other| {
            shows_roles
                && other.grant.surface == Surface::TeamMembership
                && other.grant.parent.team() == grant.parent.team()
                && !matches!(other.progress, Progress::Settled { .. })
        })
    }

    /// Whether it waits for `reason`.
    pub fn is_held_for(&self, reason: HoldReason) -> bool {
        self.holds.iter().any(|hold| hold.reason == reason)
    }

    /// Remembers evidence and says where it stands among the proofs.
    pub fn add_proof(&mut self, evidence: &Evidence) -> u32 {
        let index = self.proofs.iter().position(|known| known == evidence).unwrap_or_else(|| {
            self.proofs.push(evidence.clone());
            self.proofs.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }
}
