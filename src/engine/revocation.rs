//! One grant on its way out: waiting, intended, attempted, settled.
//!
//! A reply of Heroku never settles a grant: it makes it *attempted*. Only a complete list that was begun after the
//! answer settles it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::outcome::{AttemptPart, Decision, GrantPart, Settled};
use crate::model::world::{ListId, Reply};
use crate::model::{Grant, IntentId, Removal};

/// Attempts of one grant that are kept; older ones are only counted.
const ATTEMPTS_KEPT: usize = 20;

/// Attempts of one case that are kept, but one for each grant. A case is one record, and 5,000 grants with 4 attempts each
/// would be longer than the 8 MiB that the state topic takes: it could never be committed again, nor anything with it.
const ATTEMPTS_OF_A_CASE: usize = 5_000;

/// Why a grant stays whose team only observes.
pub(super) const IN_OBSERVED_TEAM: &str = "team_in_observe_mode";

/// Why a grant stays whose app or team is no longer shown.
pub(super) const NOT_VISIBLE: &str = "parent_not_visible";

/// One grant of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revocation {
    /// The grant.
    pub grant: Grant,
    /// What the plan decided.
    pub decision: Decision,
    /// Why, when it is not `revoke`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it stands.
    pub progress: Progress,
    /// The latest intents.
    pub attempts: Vec<AttemptPart>,
    /// How many came before those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Attempts that there were when it was last told that the grant is gone: what comes back and goes again by itself
    /// is not told twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u32>,
}

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Progress {
    /// A removal may be intended no earlier than `due`, on a parent list that was begun after `read_after`.
    Waiting {
        /// The earliest moment.
        due: Timestamp,
        /// The parent list must be younger than this.
        read_after: Timestamp,
    },
    /// A committed intent names it; a request may be on the wire.
    Intended {
        /// The intent.
        intent: IntentId,
    },
    /// Answered; a list begun after `answered` decides, read no earlier than `due`.
    Attempted {
        /// When the answer came.
        answered: Timestamp,
        /// The earliest moment of the next look.
        due: Timestamp,
    },
    /// Ended; nothing follows.
    Settled {
        /// How.
        how: Settled,
        /// Index into the case's proofs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<u32>,
    },
}

impl Revocation {
    /// A grant that is to go.
    pub fn revoke(grant: Grant, now: Timestamp) -> Self {
        Self::new(grant, Decision::Revoke, None, Progress::Waiting { due: now, read_after: Timestamp::MIN })
    }

    /// A grant that stays, and why.
    pub fn stay(grant: Grant, decision: Decision, reason: &str) -> Self {
        Self::new(grant, decision, Some(reason.to_owned()), Progress::Settled { how: Settled::Remains, proof: None })
    }

    /// Leaves it after all.
    pub(super) fn leave(&mut self, decision: Decision, reason: &str) {
        self.decision = decision;
        self.reason = Some(reason.to_owned());
        self.progress = Progress::Settled { how: Settled::Remains, proof: None };
    }

    fn new(grant: Grant, decision: Decision, reason: Option<String>, progress: Progress) -> Self {
        Self { grant, decision, reason, progress, attempts: Vec::new(), forgotten: 0, failures: 0, told: None }
    }

    /// The list that shows the grant, for those that can be removed.
    pub fn list(&self) -> Option<ListId> {
        Some(match self.grant.removal? {
            Removal::Member { team, .. } | Removal::Invitation { team, .. } => ListId::Team(team),
            Removal::Collaborator { app, .. } => ListId::App(app),
            Removal::SpaceAccess { space, .. } => ListId::Space(space),
            Removal::EnterpriseMember { enterprise, .. } => ListId::Enterprise(enterprise),
        })
    }

    /// Whether it is to go and has not yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.decision, Decision::Revoke | Decision::Hold) && !matches!(self.progress, Progress::Settled { .. })
    }

    /// Whether a request may be on the wire.
    pub fn is_intended(&self) -> bool {
        matches!(self.progress, Progress::Intended { .. })
    }

    /// Whether Heroku has answered a request for it by what it thinks of the request.
    pub(super) fn was_answered(&self) -> bool {
        let answers = |reply: &Reply| !matches!(reply, Reply::RateLimited | Reply::AccountStopped | Reply::NotSent);
        self.forgotten > 0 || self.attempts.iter().any(|attempt| attempt.reply.as_ref().is_some_and(answers))
    }

    /// Whether a request for it may have been sent.
    pub(super) fn was_sent(&self) -> bool {
        self.forgotten > 0 || self.attempts.iter().any(|attempt| attempt.reply != Some(Reply::NotSent))
    }

    /// Intents so far.
    pub fn tries(&self) -> usize {
        self.forgotten as usize + self.attempts.len()
    }

    /// Notes an intent of a case with so many `grants`. The request may leave once it is committed.
    pub fn intend(&mut self, intent: IntentId, now: Timestamp, grants: usize) {
        self.progress = Progress::Intended { intent };
        self.attempts.push(AttemptPart {
            intent_id: intent,
            intended_at: now,
            sent_at: None,
            answered_at: None,
            reply: None,
            status: None,
            error_id: None,
            request_ids: None,
        });
        let kept = (ATTEMPTS_OF_A_CASE / grants.max(1)).clamp(1, ATTEMPTS_KEPT);
        if self.attempts.len() > kept {
            let forgotten = self.attempts.drain(..self.attempts.len() - kept).len();
            self.forgotten = self.forgotten.saturating_add(u32::try_from(forgotten).unwrap_or(u32::MAX));
        }
    }

    /// The answer of an intent that was open when the process ended will never come: look first, then go on.
    pub fn answer_is_lost(&mut self, now: Timestamp) {
        if self.is_intended() {
            self.progress = Progress::Waiting { due: now, read_after: now };
        }
    }

    /// For the record.
    pub fn part(&self) -> GrantPart {
        let (settled, proof) = match self.progress {
            Progress::Settled { how, proof } => (Some(how), proof),
            Progress::Waiting { .. } | Progress::Intended { .. } | Progress::Attempted { .. } => (None, None),
        };
        GrantPart {
            grant_id: self.grant.id,
            surface: self.grant.surface,
            parent: self.grant.parent.clone(),
            before: self.grant.before.clone(),
            decision: self.decision,
            settled,
            reason: self.reason.clone(),
            attempts: self.attempts.clone(),
            proof,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
