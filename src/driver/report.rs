//! What the worker tells: outcome records on their way out, metrics, and the status snapshot.

use std::time::{Duration, Instant};

use super::Worker;
use crate::kafka::{Batch, CommitError, OutgoingRecord, TopicNames};
use crate::model::outcome::{Outcome, OutcomeKind, OutcomeRecord};
use crate::status::{CasesStatus, Role};
use crate::telemetry::trace::{outcome_span, traceparent};
use crate::telemetry::{Metrics, TransactionEnd};
use crate::wire;

/// How often the status is made anew while nothing else asks for it.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// The record of an outcome, with the trace context of its own span.
pub(super) fn outgoing(topics: &TopicNames, record: &OutcomeRecord) -> OutgoingRecord {
    let parent = record.traceparent.as_deref();
    let span = outcome_span(&topics.outcomes, record.kind, record.case, parent);
    let context = traceparent(&span, parent);
    wire::outcome(&OutcomeRecord { traceparent: context, ..record.clone() }).into()
}

/// How the transaction of a batch ended that is not known to be committed; `None` = none was begun.
pub(super) fn end_of(why: &CommitError) -> Option<TransactionEnd> {
    match why {
        CommitError::NotRestored | CommitError::Writer(_) | CommitError::Unsettled(_) => None,
        CommitError::NoMember | CommitError::Aborted(_) | CommitError::Silent => Some(TransactionEnd::Aborted),
        CommitError::Unknown(_) | CommitError::NoEnd => Some(TransactionEnd::Lost),
    }
}

/// Counts the records of a batch that is committed.
pub(super) fn count_sent(metrics: &Metrics, topics: &TopicNames, batch: &Batch) {
    // The position stands in every transaction.
    metrics.records_sent(&topics.state, count(batch.state.len() + 1));
    metrics.records_sent(&topics.outcomes, count(batch.outcomes.len()));
    metrics.records_sent(&topics.dead_letters, count(batch.dead_letters.len()));
}

/// Counts and logs outcomes that are committed.
pub(super) fn tell(metrics: &Metrics, outcomes: &[OutcomeRecord]) {
    for record in outcomes {
        metrics.outcome(record.kind);
        match &record.data {
            Outcome::Closed(closed) => {
                let since = u64::try_from(closed.times.seconds_from_received).unwrap_or(0);
                metrics.case_closed(closed.result, Duration::from_secs(since));
                tracing::info!(case_id = %record.case, result = closed.result.as_str(), "{}", closed.summary);
            }
            Outcome::Look(look) if record.kind == OutcomeKind::AccessReappeared => {
                tracing::warn!(case_id = %record.case, kind = record.kind.as_str(), "{}", look.summary);
            }
            Outcome::Look(look) => {
                tracing::info!(case_id = %record.case, kind = record.kind.as_str(), "{}", look.summary);
            }
            Outcome::Progress(progress) => {
                tracing::info!(case_id = %record.case, kind = record.kind.as_str(), "{}", progress.summary);
            }
            Outcome::Revoked(revoked) => {
                let (surface, parent) = (revoked.grant.surface.as_str(), revoked.grant.parent.name());
                tracing::info!(case_id = %record.case, surface, "Access to {parent} is gone, proven");
            }
        }
    }
}

impl Worker {
    /// Publishes a snapshot, at most a few times a second.
    pub(super) fn report(&mut self, role: Role) {
        let now = Instant::now();
        let same_role = self.status.borrow().role == role;
        if same_role && self.reported.is_some_and(|last| now.duration_since(last) < REPORT_EVERY) {
            return;
        }
        self.reported = Some(now);
        let census = self.engine.as_ref().map(crate::engine::Engine::census);
        let standing = self.standing();
        let committed = self.committed;
        let (full_since, limit) = (self.full_since, count(self.settings.policy.max_open_cases));
        let (refused, remaining, assigned) = (self.refused.clone(), self.gate.remaining(), self.log.is_assigned());
        self.status.send_modify(|status| {
            status.role = if assigned { Role::Active } else { role };
            status.restored = census.is_some();
            status.refused = refused;
            status.removals = standing;
            status.heroku.budget_remaining = remaining;
            let Some(census) = census else {
                // Whoever is the worker now says it.
                status.cases = CasesStatus::default();
                status.kafka.position = None;
                status.heroku.stopped = None;
                status.heroku.unread_teams.clear();
                return;
            };
            status.kafka.position = committed;
            status.heroku.stopped = census.stopped;
            status.heroku.unread_teams = census.unread;
            status.cases = CasesStatus {
                open: count(census.open),
                limit,
                full_since,
                held: census.held.into_iter().map(|(reason, cases)| (reason, count(cases))).collect(),
                overdue: count(census.overdue),
                oldest_open_since: census.oldest,
                closed_recently: count(census.closed),
                planned: count(census.planned),
            };
        });
    }
}

fn count(cases: usize) -> u64 {
    u64::try_from(cases).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn only_what_may_be_committed_after_all_is_lost() {
        let cause = || KafkaError::Canceled;
        assert_eq!(end_of(&CommitError::Aborted(cause())), Some(TransactionEnd::Aborted));
        assert_eq!(end_of(&CommitError::Silent), Some(TransactionEnd::Aborted));
        assert_eq!(end_of(&CommitError::Unknown(cause())), Some(TransactionEnd::Lost));
        assert_eq!(end_of(&CommitError::NoEnd), Some(TransactionEnd::Lost));
        assert_eq!(end_of(&CommitError::Writer(cause())), None, "nothing was begun");
    }
}
