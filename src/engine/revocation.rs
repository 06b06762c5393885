//! One grant on its way out: waiting, intended, attempted, settled.
//!
//! A reply of Heroku never settles a grant: it makes it *attempted*. Only a complete list that was begun after the
//! answer settles it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Timing;
use super::retry::RetryPolicy;
use crate::model::outcome::{AttemptPart, Decision, GrantPart, Settled};
use crate::model::world::{Answer, ListId, Reply};
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
    /// Whether the apps were looked for because of which somebody stays in a team's list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apps_sought: bool,
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

/// What a complete list says of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing that was not known.
    Nothing,
    /// Something to remember.
    Noted,
    /// It is not there.
    Gone(Settled),
    /// It is there although Heroku said that it is done.
    StillThere {
        /// By an app alone, as was not known before.
        as_collaborator: bool,
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

    /// Leaves it because nothing shows it any more.
    pub(super) fn leave_unseen(&mut self) {
        self.leave(Decision::Report, NOT_VISIBLE);
    }

    /// A list came without the part that would prove it; whether that changed anything.
    pub(super) fn wait_for_another_list(&mut self, now: Timestamp, wait: SignedDuration) -> bool {
        let Progress::Attempted { answered, due } = self.progress else { return false };
        if due > now {
            return false;
        }
        let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.progress = Progress::Attempted { answered, due };
        true
    }

    fn new(grant: Grant, decision: Decision, reason: Option<String>, progress: Progress) -> Self {
        Self {
            grant,
            decision,
            reason,
            progress,
            attempts: Vec::new(),
            forgotten: 0,
            failures: 0,
            told: None,
            apps_sought: false,
        }
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

    /// Takes the answer to the request that is on the wire. Nothing is settled by it.
    pub(super) fn on_answer(&mut self, now: Timestamp, answer: Answer, retry: RetryPolicy) {
        let (answered, reply) = (answer.answered_at, answer.reply.clone());
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.sent_at = answer.sent_at;
            attempt.answered_at = Some(answered);
            attempt.reply = Some(answer.reply);
            attempt.status = answer.status;
            attempt.error_id = answer.error_id;
            attempt.request_ids = answer.request_ids;
        }
        let asked = answer.retry_after_s.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
        match reply {
            Reply::Done | Reply::NotFound => self.progress = Progress::Attempted { answered, due: now },
            Reply::RateLimited => self.waits_longer(now, retry, asked, Timestamp::MIN),
            // It may have had its effect: look before trying again.
            Reply::Unavailable | Reply::NoAnswer | Reply::Forbidden | Reply::Refused => {
                self.waits_longer(now, retry, asked, answered);
            }
            Reply::AccountStopped | Reply::NotSent => {
                self.progress = Progress::Waiting { due: now, read_after: Timestamp::MIN };
            }
        }
    }

    /// Waits after a failure, longer each time.
    fn waits_longer(
        &mut self,
        now: Timestamp,
        retry: RetryPolicy,
        asked: Option<SignedDuration>,
        read_after: Timestamp,
    ) {
        self.failures = self.failures.saturating_add(1);
        let seed = u64::from_le_bytes(self.grant.id.0.as_bytes()[..8].try_into().expect("a UUID has 16 bytes"));
        let due = now.saturating_add(retry.delay(self.failures, seed, asked)).unwrap_or(Timestamp::MAX);
        self.progress = Progress::Waiting { due, read_after };
    }

    /// Takes what its parent list shows, which was begun at `began`; `proven` = when it was last proven gone.
    pub(super) fn on_list(
        &mut self,
        now: Timestamp,
        began: Timestamp,
        shown: Option<Grant>,
        proven: Option<Timestamp>,
        timing: &Timing,
    ) -> Seen {
        match (self.progress, shown) {
            (Progress::Attempted { answered, .. }, None) if answered < began => Seen::Gone(Settled::Revoked),
            (Progress::Attempted { answered, .. }, Some(grant)) if answered < began => {
                self.grant.removal = grant.removal;
                // By when it was asked for: a long list, or one that waited for the budget, comes later.
                if began.duration_since(answered) < timing.read_lag {
                    let wait = (timing.read_lag / 8).max(SignedDuration::from_millis(10));
                    let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                    self.progress = Progress::Attempted { answered, due };
                    return Seen::Noted;
                }
                // Heroku said that it is done, and it is not.
                let as_collaborator = grant.is_of_collaborator() && !std::mem::replace(&mut self.apps_sought, true);
                self.waits_longer(now, timing.removal_retry, None, answered);
                Seen::StillThere { as_collaborator }
            }
            (Progress::Waiting { read_after, .. }, None) if read_after <= began => {
                Seen::Gone(if self.was_sent() { Settled::Revoked } else { Settled::AlreadyGone })
            }
            (Progress::Waiting { .. }, Some(grant)) if self.grant.removal != grant.removal => {
                self.grant.removal = grant.removal;
                Seen::Noted
            }
            (Progress::Settled { how: Settled::Revoked | Settled::AlreadyGone, .. }, Some(grant))
                if proven.is_some_and(|at| at < began) =>
            {
                // Back again while the case is open: given anew, or the list lags.
                self.grant.removal = grant.removal;
                let due = now.saturating_add(timing.read_lag).unwrap_or(Timestamp::MAX);
                self.progress = Progress::Waiting { due, read_after: due };
                Seen::Noted
            }
            (
                Progress::Attempted { .. }
                | Progress::Waiting { .. }
                | Progress::Intended { .. }
                | Progress::Settled { .. },
                _,
            ) => Seen::Nothing,
        }
    }

    /// The proof that it rests on, among those of its case.
    pub(super) fn proof(&self) -> Option<u32> {
        match self.progress {
            Progress::Settled { proof, .. } => proof,
            Progress::Waiting { .. } | Progress::Intended { .. } | Progress::Attempted { .. } => None,
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
