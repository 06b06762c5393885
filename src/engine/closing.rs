//! What is told: the progress of a case, each grant proven gone, and the one terminal record.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Engine;
use super::case::{Case, Digest, Founded, Phase};
use super::revocation::{IN_OBSERVED_TEAM, NOT_VISIBLE, Progress, Revocation};
use super::verification::Watch;
use crate::model::ids::computed;
use crate::model::outcome::{
    AccessAfter, CaseClosed, CaseProgress, CaseResult, Decision, FollowUp, GrantRevoked, Hold, HoldReason, Mode,
    Outcome, OutcomeKind, OutcomeRecord, PersonPart, Residual, Settled, TimesPart,
};
use crate::model::world::Evidence;
use crate::model::{CaseId, GrantId, OutcomeId};

impl Engine {
    pub(super) fn tell_opened(&mut self, now: Timestamp, id: CaseId) {
        let case = &self.cases[&id];
        let summary = format!("Opened by {} of source {}.", case.cause.event_type, case.cause.source);
        self.tell_progress(now, id, OutcomeKind::CaseOpened, &summary);
    }

    pub(super) fn tell_scheduled(&mut self, now: Timestamp, id: CaseId) {
        let summary = format!("Scheduled: the departure takes effect at {}.", self.cases[&id].effective_at);
        self.tell_progress(now, id, OutcomeKind::CaseScheduled, &summary);
    }

    /// An approval came and was not taken.
    pub(super) fn tell_not_approved(&mut self, now: Timestamp, id: CaseId, why: &str) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.ordinal = case.ordinal.saturating_add(1);
        self.touch_case(id);
        self.tell_progress(now, id, OutcomeKind::CaseHeld, &format!("Still held: {why}"));
    }

    pub(super) fn tell_overdue(&mut self, now: Timestamp, id: CaseId) {
        let summary =
            format!("Overdue: the deadline {} has passed; it goes on, more slowly.", self.cases[&id].deadline);
        self.tell_progress(now, id, OutcomeKind::CaseOverdue, &summary);
    }

    /// Compares what the case waits for with what was last told, and tells the difference.
    pub(super) fn review_holds(&mut self, now: Timestamp, id: CaseId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let wanted = waits_for(case);
        let same =
            |(hold, wanted): (&Hold, &(HoldReason, String))| (hold.reason, &hold.detail) == (wanted.0, &wanted.1);
        if case.holds.len() == wanted.len() && case.holds.iter().zip(&wanted).all(same) {
            return;
        }
        let news = wanted.iter().any(|(reason, _)| case.holds.iter().all(|hold| hold.reason != *reason));
        let gone = case.holds.iter().any(|hold| wanted.iter().all(|(reason, _)| hold.reason != *reason));
        let since = |reason| case.holds.iter().find(|hold| hold.reason == reason).map_or(now, |hold| hold.since);
        case.holds = wanted
            .into_iter()
            .map(|(reason, detail)| Hold {
                reason,
                detail,
                remedy: reason.remedy().to_owned(),
                owner: self.policy.hold_owner.clone(),
                since: since(reason),
            })
            .collect();
        self.touch_case(id);
        if !news && !gone {
            return; // Other figures alone are no news.
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.ordinal = case.ordinal.saturating_add(1);
        let holds = case.holds.clone();
        if news {
            let reasons: Vec<&str> = holds.iter().map(|hold| hold.reason.as_str()).collect();
            self.tell_progress(now, id, OutcomeKind::CaseHeld, &format!("Held: {}.", reasons.join(", ")));
        } else if holds.is_empty() {
            self.tell_progress(now, id, OutcomeKind::CaseResumed, "Resumed: nothing holds it any more.");
        }
    }

    pub(super) fn tell_revoked(&mut self, now: Timestamp, id: CaseId, grant: GrantId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(revocation) = case.revocations.iter_mut().find(|known| known.grant.id == grant) else { return };
        let ordinal = u32::try_from(revocation.tries()).unwrap_or(u32::MAX);
        if revocation.told.replace(ordinal) == Some(ordinal) {
            return;
        }
        let proof: Vec<Evidence> = match revocation.progress {
            Progress::Settled { proof: Some(index), .. } => {
                case.proofs.get(index as usize).cloned().into_iter().collect()
            }
            Progress::Settled { proof: None, .. }
            | Progress::Waiting { .. }
            | Progress::Intended { .. }
            | Progress::Attempted { .. } => Vec::new(),
        };
        let mut part = revocation.part();
        part.proof = None;
        let data = Outcome::Revoked(Box::new(GrantRevoked {
            case_id: id,
            person_id: case.person,
            grant: part,
            proof,
            executed_by: self.executed_by.clone(),
        }));
        self.tell(now, id, OutcomeKind::GrantRevoked, &grant.to_string(), ordinal, data);
    }

    /// Observe mode: the plan is the result.
    pub(super) fn close_planned(&mut self, now: Timestamp, id: CaseId) {
        let case = &self.cases[&id];
        let (access, found) = (access_after(case), case.revocations.len());
        let summary = match access {
            AccessAfter::None => "Planned: nothing was found that would go (observe mode).".to_owned(),
            AccessAfter::Remaining | AccessAfter::Unknown => {
                format!("Planned: {} found, none removed (observe mode).", grants(found))
            }
        };
        self.close(now, id, CaseResult::Planned, access, &summary);
    }

    pub(super) fn close_if_done(&mut self, now: Timestamp, id: CaseId) {
        let Some(case) = self.cases.get(&id) else { return };
        if case.cancelled_by.is_some() {
            let moving = |progress| matches!(progress, Progress::Intended { .. } | Progress::Attempted { .. });
            if !case.revocations.iter().any(|known| moving(known.progress)) {
                let gone = count(case, Settled::Revoked);
                let why = case.ended_by.as_ref().map_or_else(
                    || "a newer statement says that the person stays".to_owned(),
                    |ended| format!("ordered by {}", ended.by),
                );
                let summary =
                    format!("Cancelled in the middle: {why}; {} removed before are not given back.", grants(gone));
                self.close(now, id, CaseResult::Cancelled, access_after(case), &summary);
            }
            return;
        }
        let done = case.mode == Some(Mode::Enforce)
            && matches!(case.phase, Phase::Working)
            && !case.revocations.iter().any(Revocation::is_pending);
        if !done {
            return;
        }
        let gone = count(case, Settled::Revoked);
        let stays = count(case, Settled::Remains);
        let observed = case.revocations.iter().all(is_observed);
        let (result, summary) = if gone == 0 && stays == 0 {
            (
                CaseResult::NothingToRemove,
                "Nothing to remove: the person has no access on Heroku that can be seen.".to_owned(),
            )
        } else if gone == 0 && observed {
            (CaseResult::Planned, format!("Planned: {} found in teams that are in observe mode.", grants(stays)))
        } else if stays > 0 {
            (CaseResult::RemovedWithResiduals, format!("Removed {}; {stays} left that need a person.", grants(gone)))
        } else {
            (CaseResult::Removed, format!("Removed {}; nothing stays.", grants(gone)))
        };
        self.close(now, id, result, access_after(case), &summary);
    }

    pub(super) fn close(&mut self, now: Timestamp, id: CaseId, result: CaseResult, access: AccessAfter, summary: &str) {
        let Some(case) = self.cases.remove(&id) else { return };
        let answered = |known: &Revocation| known.attempts.iter().filter_map(|it| it.answered_at).max();
        let times = TimesPart {
            effective_at: case.effective_at,
            event_at: case.event_at,
            received_at: case.received_at,
            last_removal_at: case.revocations.iter().filter_map(answered).max(),
            verified_at: case.proofs.iter().map(|proof| proof.at).max(),
            seconds_from_effective: now.duration_since(case.effective_at).as_secs(),
            seconds_from_received: now.duration_since(case.received_at).as_secs(),
            deadline: case.deadline,
            deadline_met: now <= case.deadline,
        };
        let data = Outcome::Closed(Box::new(CaseClosed {
            case_id: id,
            result,
            access_after: access,
            summary: summary.to_owned(),
            mode: case.mode.unwrap_or_else(|| self.policy.source_mode(&case.cause.source)),
            synthetic: case.synthetic,
            person: person_part(&case),
            cause: case.cause.clone(),
            times,
            grants: case.revocations.iter().map(Revocation::part).collect(),
            proofs: case.proofs.clone(),
            coverage: case.coverage.clone(),
            residuals: residuals(&case),
            follow_ups: follow_ups(&case),
            guards: case.verdicts.clone(),
            executed_by: self.executed_by.clone(),
        }));
        let record = outcome(now, &case, OutcomeKind::CaseClosed, "", 0, data);
        self.outcomes.push(record);
        self.digests.insert(
            id,
            Digest {
                id,
                person: case.person,
                result,
                access_after: access,
                summary: summary.to_owned(),
                closed_at: now,
                effective_at: case.effective_at,
                stated_at: Some(case.stated_at),
                watch: Watch::over(&case, result, now),
                planned: (leaves_plan(&case, result) && !case.synthetic).then(|| Box::new(Founded::of(&case))),
                ordered_off: if self.case_acts(&case) { ordered_off(&case) } else { BTreeMap::new() },
            },
        );
        self.touch_case(id);
    }

    fn tell_progress(&mut self, now: Timestamp, id: CaseId, kind: OutcomeKind, summary: &str) {
        let case = &self.cases[&id];
        let data = Outcome::Progress(Box::new(CaseProgress {
            case_id: id,
            summary: summary.to_owned(),
            mode: case.mode,
            person: person_part(case),
            cause: case.cause.clone(),
            deadline: case.deadline,
            holds: case.holds.clone(),
        }));
        let ordinal = case.ordinal;
        self.tell(now, id, kind, "", ordinal, data);
    }

    fn tell(&mut self, now: Timestamp, id: CaseId, kind: OutcomeKind, grant: &str, ordinal: u32, data: Outcome) {
        let record = outcome(now, &self.cases[&id], kind, grant, ordinal, data);
        self.outcomes.push(record);
    }
}

fn outcome(now: Timestamp, case: &Case, kind: OutcomeKind, grant: &str, ordinal: u32, data: Outcome) -> OutcomeRecord {
    OutcomeRecord {
        id: outcome_id(case.id, kind.as_str(), grant, ordinal),
        kind,
        person: case.person,
        case: case.id,
        at: now,
        traceparent: case.traceparent.clone(),
        data,
    }
}

pub(super) fn outcome_id(case: CaseId, kind: &str, grant: &str, ordinal: u32) -> OutcomeId {
    OutcomeId(computed(&["outcome", &case.to_string(), kind, grant, &ordinal.to_string()]))
}

fn person_part(case: &Case) -> PersonPart {
    PersonPart {
        person_id: case.person,
        subject_keys: case.subject_keys.iter().cloned().collect(),
        addresses: case.addresses.iter().cloned().collect(),
        heroku_account_ids: case.accounts.keys().copied().collect(),
        matched_by: case.accounts.values().cloned().collect(),
    }
}

/// Everything that stops the case now, with the place or the figures.
pub(super) fn waits_for(case: &Case) -> Vec<(HoldReason, String)> {
    let mut waits: Vec<(HoldReason, String)> = case.parked.iter().chain(&case.barred).cloned().collect();
    if case.scans > 0 && !case.coverage.complete && case.mode == Some(Mode::Enforce) {
        let places: Vec<String> =
            case.coverage.not_read.iter().map(|unread| format!("{} ({})", unread.what, unread.why)).collect();
        waits.push((HoldReason::CoverageIncomplete, places.join(", ")));
    }
    let floors: Vec<&str> = case
        .revocations
        .iter()
        .filter(|known| known.decision == Decision::Hold && known.is_pending())
        .map(|known| known.grant.parent.name())
        .collect();
    if !floors.is_empty() {
        waits.push((HoldReason::LastHumanAdmin, format!("last human admin of {}", floors.join(", "))));
    }
    waits.extend(case.limited.clone());
    waits
}

fn count(case: &Case, wanted: Settled) -> usize {
    case.revocations
        .iter()
        .filter(|known| matches!(known.progress, Progress::Settled { how, .. } if how == wanted))
        .count()
}

pub(super) fn access_after(case: &Case) -> AccessAfter {
    let stays = case.revocations.iter().any(|known| match known.progress {
        Progress::Settled { how, .. } => how == Settled::Remains,
        Progress::Waiting { .. } | Progress::Intended { .. } | Progress::Attempted { .. } => true,
    });
    match (stays, case.coverage.complete) {
        (true, _) => AccessAfter::Remaining,
        (false, true) => AccessAfter::None,
        (false, false) => AccessAfter::Unknown,
    }
}

pub(super) fn residuals(case: &Case) -> Vec<Residual> {
    let remains = |known: &&Revocation| {
        matches!(known.progress, Progress::Settled { how: Settled::Remains, .. }) && known.decision != Decision::Revoke
    };
    case.revocations
        .iter()
        .filter(remains)
        .map(|known| {
            let reason = known.reason.clone().unwrap_or_default();
            let remedy = match reason.as_str() {
                "owner_of_personal_app" => "only the owner can transfer a personal app: sign in with the company mailbox, or ask Heroku support",
                "owner_of_pipeline" => "transfer the pipeline to a team (heroku pipelines:transfer)",
                IN_OBSERVED_TEAM => "set the team's mode to enforce, then run `heroku-deprovisioner cases enforce` for the case",
                NOT_VISIBLE => "look in Heroku's dashboard: it was deleted, or moved to where the service's account sees nothing",
                _ => "remove it by hand in Heroku's dashboard",
            };
            Residual {
                surface: known.grant.surface,
                parent: known.grant.parent.clone(),
                remedy: remedy.to_owned(),
                reason,
            }
        })
        .collect()
}

pub(super) fn follow_ups(case: &Case) -> Vec<FollowUp> {
    if case.reachable_apps.is_empty() {
        return Vec::new();
    }
    vec![FollowUp { advice: "rotate_config_vars".to_owned(), apps: case.reachable_apps.iter().cloned().collect() }]
}

/// Whether something was found that only observe mode keeps.
fn leaves_plan(case: &Case, result: CaseResult) -> bool {
    match result {
        CaseResult::Planned => true,
        CaseResult::RemovedWithResiduals => case.revocations.iter().any(is_observed),
        CaseResult::Removed | CaseResult::NothingToRemove | CaseResult::Refused | CaseResult::Cancelled => false,
    }
}

/// The days of the departure that somebody ordered not to be carried out, and when they did.
fn ordered_off(case: &Case) -> BTreeMap<Timestamp, Timestamp> {
    let days = case.dates.values().map(|date| date.at).chain([case.effective_at]);
    case.ended_by.iter().flat_map(|ended| days.clone().map(|day| (day, ended.at))).collect()
}

fn is_observed(known: &Revocation) -> bool {
    known.reason.as_deref() == Some(IN_OBSERVED_TEAM)
}

/// `1 grant`, `2 grants`.
fn grants(count: usize) -> String {
    if count == 1 { "1 grant".to_owned() } else { format!("{count} grants") }
}
