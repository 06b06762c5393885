//! Cases for people's eyes, and as JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Known, Register};
use crate::cli::CaseState;
use crate::commands::page::{age, counted, labelled, paragraph, table, time};
use crate::commands::plan::view::place;
use crate::engine::revocation::Revocation;
use crate::model::outcome::{
    AccessAfter, CaseClosed, CaseResult, CausePart, CoveragePart, Decision, GrantPart, Hold, Mode, Settled,
};
use crate::model::{CaseId, Email, PersonId};

/// Characters of an id that are enough to tell cases apart in a list.
const SHORT_ID: usize = 8;

/// One case.
#[derive(Debug, Serialize)]
pub(super) struct CaseView {
    case_id: CaseId,
    state: &'static str,
    person_id: PersonId,
    addresses: Vec<Email>,
    /// Until when an address was in use that the person left behind, or that is somebody else's by now.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    until: BTreeMap<Email, Timestamp>,
    #[serde(flatten)]
    stage: Stage,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Stage {
    Open(Box<OpenView>),
    Closed(Box<ClosedView>),
}

#[derive(Debug, Serialize)]
struct OpenView {
    received_at: Timestamp,
    effective_at: Timestamp,
    deadline: Timestamp,
    overdue: bool,
    urgent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    cause: CausePart,
    holds: Vec<Hold>,
    grants: Vec<GrantPart>,
    coverage: CoveragePart,
}

#[derive(Debug, Serialize)]
struct ClosedView {
    closed_at: Timestamp,
    result: CaseResult,
    access_after: AccessAfter,
    summary: String,
    /// The data of `case.closed`; absent in lists, and when the outcomes topic holds it no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Box<CaseClosed>>,
}

impl CaseView {
    pub(super) fn of(case: &Known, register: &Register, record: Option<Box<CaseClosed>>) -> Self {
        let known = register.people.get(&case.person());
        let until = known.map(|person| person.until.clone()).unwrap_or_default();
        let mut addresses: Vec<Email> =
            known.map(|person| person.addresses.iter().cloned().collect()).unwrap_or_default();
        let stage = match case {
            Known::Open(case) => {
                addresses.extend(case.addresses.iter().cloned());
                Stage::Open(Box::new(OpenView {
                    received_at: case.received_at,
                    effective_at: case.effective_at,
                    deadline: case.deadline,
                    overdue: case.overdue,
                    urgent: case.urgent,
                    mode: case.mode,
                    cause: case.cause.clone(),
                    holds: case.holds.clone(),
                    grants: case.revocations.iter().map(Revocation::part).collect(),
                    coverage: case.coverage.clone(),
                }))
            }
            Known::Closed(digest) => Stage::Closed(Box::new(ClosedView {
                closed_at: digest.closed_at,
                result: digest.result,
                access_after: digest.access_after,
                summary: digest.summary.clone(),
                record,
            })),
        };
        addresses.sort();
        addresses.dedup();
        let state = match case.state() {
            CaseState::Open => "open",
            CaseState::Held => "held",
            CaseState::Closed => "closed",
        };
        Self { case_id: case.id(), state, person_id: case.person(), addresses, until, stage }
    }

    /// The whole case, in 80 columns.
    pub(super) fn page(&self, now: Timestamp) -> String {
        let mut page = labelled("Case      ", &format!("{} ({})", self.case_id, self.state));
        page += &labelled("Person    ", &self.who());
        for (email, at) in &self.until {
            let whose = if self.addresses.contains(email) { "left behind" } else { "somebody else's" };
            page += &labelled("          ", &format!("{} {whose} since {}", email.expose(), time(*at)));
        }
        match &self.stage {
            Stage::Open(it) => it.write(&mut page, now),
            Stage::Closed(it) => it.write(&mut page),
        }
        page
    }

    fn who(&self) -> String {
        if self.addresses.is_empty() {
            return format!("{} (no address known)", self.person_id);
        }
        self.addresses.iter().map(Email::expose).collect::<Vec<_>>().join(", ")
    }

    /// What a list says of it.
    fn line(&self) -> String {
        match &self.stage {
            Stage::Closed(it) => match it.result {
                // These say it by their names.
                CaseResult::NothingToRemove | CaseResult::RemovedWithResiduals | CaseResult::Removed => {
                    it.result.as_str().to_owned()
                }
                CaseResult::Cancelled | CaseResult::Refused | CaseResult::Planned => {
                    format!("{}, access {}", it.result.as_str(), it.access_after.as_str())
                }
            },
            Stage::Open(it) => {
                let reasons: Vec<&str> = it.holds.iter().map(|hold| hold.reason.as_str()).collect();
                let left = it.grants.iter().filter(|grant| is_pending(grant)).count();
                let mut line = match (reasons.is_empty(), it.mode) {
                    (false, _) => reasons.join(", "),
                    (true, None) => "waits for the scan".to_owned(),
                    (true, Some(_)) => format!("{} to go", counted(left, "grant")),
                };
                if it.overdue {
                    line += ", OVERDUE";
                }
                line
            }
        }
    }

    fn since(&self) -> Timestamp {
        match &self.stage {
            Stage::Open(it) => it.received_at,
            Stage::Closed(it) => it.closed_at,
        }
    }
}

impl OpenView {
    fn write(&self, page: &mut String, now: Timestamp) {
        write_cause(page, &self.cause);
        let late = if self.overdue { ", OVERDUE" } else { "" };
        let urgent = if self.urgent { ", urgent" } else { "" };
        *page += &labelled("Received  ", &format!("{} ({} ago)", time(self.received_at), age(self.received_at, now)));
        *page += &labelled("Deadline  ", &format!("{}{urgent}{late}", time(self.deadline)));
        if let Some(mode) = self.mode {
            *page += &labelled("Mode      ", mode.as_str());
        }
        for hold in &self.holds {
            *page += &labelled("Held      ", &format!("{} for {}", hold.reason.as_str(), age(hold.since, now)));
            *page += &labelled("          ", &hold.detail);
            *page += &labelled("          ", &format!("to go on: {}", hold.remedy));
            if let Some(owner) = &hold.owner {
                *page += &labelled("          ", &format!("looked after by {owner}"));
            }
        }
        write_grants(page, &self.grants);
    }
}

impl ClosedView {
    fn write(&self, page: &mut String) {
        *page += &labelled("Closed    ", &time(self.closed_at));
        *page += &labelled("Result    ", &format!("{}: {}", self.result.as_str(), self.summary));
        *page += &labelled("Access    ", self.access_after.as_str());
        let Some(record) = &self.record else {
            *page += &paragraph("The outcomes topic holds its case.closed record no more.");
            return;
        };
        write_cause(page, &record.cause);
        let met = if record.times.deadline_met { "met" } else { "MISSED" };
        *page += &labelled("Received  ", &time(record.times.received_at));
        *page += &labelled("Deadline  ", &format!("{}, {met}", time(record.times.deadline)));
        write_grants(page, &record.grants);
        for residual in &record.residuals {
            *page += &labelled("Stays     ", &format!("{}: {}", place(&residual.parent), residual.remedy));
        }
        for follow_up in &record.follow_ups {
            let what = format!("{}: {}", follow_up.advice.replace('_', " "), follow_up.apps.join(", "));
            *page += &labelled("Then      ", &what);
        }
        let by = &record.executed_by;
        *page += &labelled("By        ", &format!("{} ({}, {})", by.heroku_account, by.instance, by.version));
    }
}

fn write_cause(page: &mut String, cause: &CausePart) {
    let text = format!("{} by {} ({} {})", cause.kind, cause.source, cause.event_type, cause.event_id);
    *page += &labelled("Cause     ", &text);
    let place = format!("{} partition {} offset {}", cause.topic, cause.partition, cause.offset);
    *page += &labelled("          ", &place);
}

fn write_grants(page: &mut String, grants: &[GrantPart]) {
    if grants.is_empty() {
        return;
    }
    page.push('\n');
    let rows = grants.iter().map(|grant| {
        [grant.surface.as_str().replace('_', " "), place(&grant.parent), grant.before.clone(), standing(grant)]
    });
    *page += &table(["WHAT", "ON", "AS", "IS"], rows);
}

fn is_pending(grant: &GrantPart) -> bool {
    grant.settled.is_none() && matches!(grant.decision, Decision::Revoke | Decision::Hold)
}

fn standing(grant: &GrantPart) -> String {
    let why = grant.reason.as_deref().unwrap_or_default().replace('_', " ");
    match (grant.settled, grant.decision) {
        (Some(Settled::Revoked), _) => "removed".to_owned(),
        (Some(Settled::AlreadyGone), _) => "gone already".to_owned(),
        (Some(Settled::Unknown), _) => "unknown".to_owned(),
        (Some(Settled::Remains), Decision::Revoke) => "planned".to_owned(),
        (Some(Settled::Remains), Decision::Keep | Decision::Report | Decision::Hold) => format!("stays: {why}"),
        (None, Decision::Hold) => format!("waits: {why}"),
        (None, Decision::Revoke | Decision::Keep | Decision::Report) => match grant.attempts.len() {
            0 => "to go".to_owned(),
            attempts => format!("to go, {} made", counted(attempts, "attempt")),
        },
    }
}

/// Cases, one a row, in 80 columns.
pub(super) fn list(cases: &[CaseView], now: Timestamp) -> String {
    if cases.is_empty() {
        return paragraph("No cases.");
    }
    let rows = cases.iter().map(|case| {
        let id: String = case.case_id.to_string().chars().take(SHORT_ID).collect();
        let who = case.addresses.first().map_or_else(|| "no address".to_owned(), |email| email.expose().to_owned());
        [id, who, case.state.to_owned(), age(case.since(), now), case.line()]
    });
    table(["CASE", "PERSON", "STATE", "AGE", "WHAT"], rows)
}
