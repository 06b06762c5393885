//! What people order through the commands topic. Nobody proves who they are there, so an order can only stop, end, or
//! let go on what an authentic event has begun.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Engine;
use super::case::{Approval, Case, Ended, Opening, Phase, case_id};
use super::plan::plan_id;
use super::revocation::Progress;
use crate::model::command::{Act, Command, Pause};
use crate::model::event::{Action, SourceRef};
use crate::model::outcome::{AccessAfter, CaseResult, HoldReason};
use crate::model::{CaseId, PlanId};

/// System of a statement that is a command.
const COMMANDS: &str = "commands";

impl Engine {
    /// Offset of the commands topic that is read next; `None` = none was read yet.
    pub fn commands_position(&self) -> Option<i64> {
        self.orders.next
    }

    /// The pause that the state remembers.
    pub fn paused(&self) -> Option<&Pause> {
        self.orders.paused.as_ref()
    }

    /// Moves past a command. `false` = the state has seen it.
    pub(super) fn hear(&mut self, offset: i64) -> bool {
        let is_news = self.orders.next.is_none_or(|next| next <= offset);
        if is_news {
            self.orders.next = Some(offset.saturating_add(1));
            self.touch_orders();
        }
        is_news
    }

    pub(super) fn obey(&mut self, now: Timestamp, command: &Command) {
        match &command.act {
            Act::Pause => self.orders.paused = Some(Pause::of(command)),
            Act::Resume => self.orders.paused = None,
            Act::Approve { cases, plan } => self.approve(now, command, cases, *plan),
            Act::Enforce { cases } => cases.iter().for_each(|id| self.enforce(now, command, *id)),
            Act::Cancel { cases } => cases.iter().for_each(|id| self.cancel(now, command, *id)),
            Act::Retry { cases } => cases.iter().for_each(|id| self.retry(now, *id)),
            // The first is carried out by whoever gave it, the second before there is an engine.
            Act::ReplayDeadLetter { .. } | Act::AcceptState { .. } => {}
        }
    }

    fn approve(&mut self, now: Timestamp, command: &Command, ids: &[CaseId], seen: PlanId) {
        let ids: BTreeSet<CaseId> = ids.iter().copied().collect();
        let plan = plan_id(ids.iter().filter_map(|id| self.cases.get(id)));
        let open = ids.iter().filter(|id| self.cases.contains_key(id)).count();
        if plan != seen || open != ids.len() {
            let (all, by) = (ids.len(), &command.claimed_by);
            let why = format!("{by} approved plan {seen}; it is now {plan}, {open} of {all} cases are open.");
            ids.into_iter().for_each(|id| self.tell_not_approved(now, id, &why));
            return;
        }
        for id in ids {
            let case = self.cases.get_mut(&id).expect("all of them are open");
            let pending = case.revocations.iter().filter(|known| known.is_pending());
            case.approval = Some(Approval {
                command: command.id,
                claimed_by: command.claimed_by.clone(),
                grants: pending.map(|known| known.grant.id).collect(),
            });
            // What an approval does not release, a pause say, goes on stopping the case.
            let limited = case.limited.take_if(|(reason, _)| reason.is_released_by_approval());
            let released = case.barred.take().or(limited).map(|(reason, _)| reason);
            if matches!(case.phase, Phase::Working) {
                case.phase = Phase::Scanning { due: now };
            }
            self.touch_case(id);
            let figures = format!("approved by {}: {} (command {})", command.claimed_by, command.why, command.id);
            self.verdict(now, id, released.unwrap_or(HoldReason::LimitReached), false, figures);
        }
    }

    /// A plan made while observing becomes a case that removes, unless the person stays after all.
    fn enforce(&mut self, now: Timestamp, command: &Command, old: CaseId) {
        let Some(digest) = self.digests.get(&old) else { return };
        let (person, effective) = (digest.person, digest.effective_at);
        // Who is being removed already needs no second case; the plan stays for later.
        if !self.open_cases_of(person).is_empty() {
            return;
        }
        let Some(planned) = self.digests.get_mut(&old).and_then(|digest| digest.planned.take()) else { return };
        self.touch_case(old);
        let known = &self.identities.people[&person];
        let refuted = planned.refuted(known, now).map(|(by, why)| (by.clone(), why));
        // The day may have been put off since the plan was made.
        let day = known.newest_of(&planned.sources()).and_then(|it| it.leaves_at).filter(|day| *day > now);
        let mut cause = planned.cause;
        cause.contradicted_by.extend(refuted.iter().map(|(by, _)| by.clone()));
        let stated = statement(command, &old.to_string());
        let id = case_id(&stated);
        cause.also_stated_by.push(stated);
        cause.kind = command.act.as_str().to_owned();
        cause.reason = Some(command.why.clone());
        cause.claimed_by = Some(command.claimed_by.clone());
        let known = &self.identities.people[&person];
        let opening = Opening {
            id,
            action: Action::Deprovision,
            cause,
            engagement: planned.engagement,
            event_at: planned.event_at,
            effective_at: effective,
            received_at: now,
            deadline: now.saturating_add(self.policy.deadline).unwrap_or(Timestamp::MAX),
            urgent: false,
            synthetic: false,
            traceparent: None,
        };
        let mut case = Case::open(known, opening, now);
        case.dates.extend(planned.dates);
        let nowhere = case.addresses.is_empty();
        self.cases.insert(id, case);
        self.touch_case(id);
        self.tell_opened(now, id);
        if let Some((_, why)) = refuted {
            self.close(now, id, CaseResult::Cancelled, AccessAfter::Unknown, &format!("Cancelled: {why}."));
        } else if nowhere {
            self.park(now, id, HoldReason::UnresolvedPerson, "no address of this person is known any more");
        } else if !self.refuse_if_untouchable(now, id)
            && let Some(day) = day
        {
            self.put_off(now, id, day);
        }
    }

    fn cancel(&mut self, now: Timestamp, command: &Command, id: CaseId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let stated = statement(command, "");
        case.cause.contradicted_by.push(stated.clone());
        case.cancel(stated);
        let by = format!("{}: {}", command.claimed_by, command.why);
        case.ended_by = Some(Ended { at: now, by: by.clone() });
        self.touch_case(id);
        if !self.cases[&id].started() {
            let summary = format!("Cancelled by {by}");
            self.close(now, id, CaseResult::Cancelled, AccessAfter::Unknown, &summary);
        }
    }

    /// Looks now instead of later. What the case is bound to stays: an order must not lead it to another person.
    fn retry(&mut self, now: Timestamp, id: CaseId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        match &mut case.phase {
            Phase::Scanning { due } => *due = now,
            Phase::Working => case.phase = Phase::Scanning { due: now },
            Phase::Parked | Phase::Scheduled { .. } => {}
        }
        for revocation in &mut case.revocations {
            if let Progress::Waiting { due, .. } = &mut revocation.progress {
                *due = (*due).min(now);
            }
        }
        self.touch_case(id);
        self.review_holds(now, id);
    }
}

/// The command as a statement among those of the sources.
fn statement(command: &Command, about: &str) -> SourceRef {
    SourceRef {
        system: COMMANDS.to_owned(),
        tenant: about.to_owned(),
        event_type: command.act.as_str().to_owned(),
        event_id: command.id.to_string(),
        element: None,
    }
}
