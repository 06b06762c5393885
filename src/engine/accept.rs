//! An event arrives: it opens a case, joins one, ends one, or only teaches a name.

use jiff::Timestamp;

use super::Engine;
use super::case::{Case, Dated, Digest, Opening, Phase, case_id, cause};
use super::identity::Recognised;
use super::policy::OnSuspended;
use super::statements::engagement_key;
use crate::model::event::{Action, Normalised, PersonEvent, SourceRef};
use crate::model::outcome::{AccessAfter, CaseResult, HoldReason, Mode};
use crate::model::{CaseId, PersonId};

/// An event that says something new, and the case that it founds if it founds one.
struct Arrival<'a> {
    now: Timestamp,
    id: CaseId,
    person: PersonId,
    normalised: &'a Normalised,
}

impl Engine {
    pub(super) fn accept(&mut self, now: Timestamp, normalised: Normalised) {
        let event = &normalised.event;
        let source = self.policy.sources.get(&normalised.origin.source);
        let on_suspended = source.map_or(OnSuspended::Hold, |source| source.on_suspended);
        let effective = event.effective_at(source.map_or(&jiff::tz::TimeZone::UTC, |source| &source.zone));
        if self.identities.is_history(event, effective) {
            return;
        }
        let found = self.identities.recognise(event, effective, &self.policy);
        self.learn(now, &normalised, &found);
        let id = case_id(&event.source);
        let nothing_new = found.duplicate || found.stale || found.unchanged;
        if nothing_new || self.cases.contains_key(&id) || self.digests.contains_key(&id) {
            return;
        }
        let it = Arrival { now, id, person: found.person, normalised: &normalised };
        // An unknown date stays unknown, whatever the other employments say.
        let effective = effective.and(found.leaves_at);
        if let Some((by, why)) = found.overruled {
            self.open(&it, effective.unwrap_or(normalised.origin.received_at));
            if let Some(case) = self.cases.get_mut(&id) {
                case.cause.contradicted_by.push(by);
            }
            self.close(now, id, CaseResult::Cancelled, AccessAfter::Unknown, &format!("Cancelled: {why}."));
            return;
        }
        match (event.action, on_suspended) {
            (Action::IdentityUpdate, _) | (Action::Suspend, OnSuspended::Ignore) => {}
            (Action::Cancel, _) => self.contradict(now, found.person, &normalised),
            (Action::Suspend, OnSuspended::Hold) => self.suspended(&it, effective),
            (Action::Suspend, OnSuspended::Remove) | (Action::Schedule | Action::Deprovision, _) => match effective {
                None => self.leaves_undated(&it),
                Some(at) if self.is_ordered_off(&it, at) => {}
                Some(at) if at > now => self.schedule(&it, at),
                Some(at) => self.leaves_now(&it, at),
            },
        }
        if found.disputed {
            let detail = "an address in the event is another person's by now, as sources told; \
                          somebody hired again under a new id looks the same";
            self.park(now, id, HoldReason::AccountChanged, detail);
        }
    }

    /// Takes what the event says of names. They are learned from what is old as well.
    fn learn(&mut self, now: Timestamp, normalised: &Normalised, found: &Recognised) {
        if let Some(person) = self.identities.people.get_mut(&found.person) {
            person.heard = person.heard.max(Some(normalised.origin.received_at));
        }
        self.touch_person(found.person);
        for alias in &found.new_aliases {
            self.touch_alias(alias);
        }
        for loser in &found.dispossessed {
            self.touch_person(*loser);
            for case in self.open_cases_of(*loser) {
                let detail = "one of the person's addresses now belongs to somebody else";
                self.park(now, case, HoldReason::AccountChanged, detail);
            }
        }
        for gone in &found.merged {
            self.merge(*gone, found.person);
        }
        self.share_addresses(now, found.person);
        if !found.merged.is_empty() {
            self.hear_both(now, found.person);
        }
    }

    /// A suspension whose source's policy is to wait.
    fn suspended(&mut self, it: &Arrival<'_>, effective: Option<Timestamp>) {
        if self.join(it.person, it.normalised, None) {
            return;
        }
        self.open(it, effective.unwrap_or(it.normalised.origin.received_at));
        self.examine(it);
        let detail = "the source says suspended, which may be for a time only";
        self.bar(it.now, it.id, HoldReason::Suspended, detail);
    }

    /// A departure on a day that nobody knows. A day that was told before no longer holds.
    fn leaves_undated(&mut self, it: &Arrival<'_>) {
        self.drop_noted_days(it.person, it.normalised);
        let mut undated = self.movable_cases_of(it.person, it.normalised);
        undated.retain(|id| !self.replace_day(it.now, *id, it.normalised, None));
        if !self.join(it.person, it.normalised, None) {
            self.open(it, it.normalised.origin.received_at);
            undated.push(it.id);
        }
        for id in undated {
            self.park(it.now, id, HoldReason::UnknownDate, why_undated(&it.normalised.event));
        }
    }

    /// A departure whose day has come.
    fn leaves_now(&mut self, it: &Arrival<'_>, at: Timestamp) {
        if self.is_told_again(it, at) {
            return;
        }
        self.supersede(it.now, it.person, it.normalised);
        if !self.join(it.person, it.normalised, Some(at)) {
            self.open(it, at);
            self.examine(it);
        } else if self.doubted(it.normalised).is_none() {
            self.bring_forward(it.now, it.person, it.normalised, at);
        }
    }

    /// Whether a case that has ended answers for the departure: the same fact, told by another record.
    fn is_told_again(&self, it: &Arrival<'_>, at: Timestamp) -> bool {
        let acts = self.acts(it.normalised);
        // Whoever was said to stay since leaves anew, be it on the same day.
        let back = self.identities.people[&it.person].stays.as_ref().map(|stay| stay.at);
        let of_that_day = |digest: &&Digest| digest.person == it.person && digest.effective_at == at;
        let answers = |digest: &Digest| match digest.result {
            CaseResult::Removed | CaseResult::RemovedWithResiduals | CaseResult::NothingToRemove => true,
            // A plan is no answer to a source that enforces, nor is a refusal to one that knows an address.
            CaseResult::Planned | CaseResult::Refused => !acts,
            CaseResult::Cancelled => false,
        };
        let stands = |digest: &Digest| back <= Some(digest.stated_at.unwrap_or(digest.closed_at));
        self.digests.values().filter(of_that_day).any(|digest| answers(digest) && stands(digest))
    }

    /// Whether somebody ordered the end of a case for this departure, after whoever tells it now had spoken. Whoever says
    /// it anew is believed; what is said of a case that is open concerns that one.
    fn is_ordered_off(&self, it: &Arrival<'_>, at: Timestamp) -> bool {
        let of_person = self.digests.values().filter(|digest| digest.person == it.person);
        let stated = it.normalised.event.occurred_at;
        of_person.filter_map(|digest| digest.ordered_off.get(&at)).any(|ordered| *ordered >= stated)
            && self.standing_cases_of(it.person, it.normalised).is_empty()
    }

    /// A departure ahead. The source that spoke first may move its date until something was removed; what others say
    /// is noted.
    fn schedule(&mut self, it: &Arrival<'_>, at: Timestamp) {
        let Arrival { now, id, person, normalised } = *it;
        self.supersede(now, person, normalised);
        if self.standing_cases_of(person, normalised).is_empty() {
            self.open(it, at);
            self.examine(it);
            self.put_off(now, id, at);
            return;
        }
        let movable = self.movable_cases_of(person, normalised);
        self.join(person, normalised, Some(at));
        for open in movable {
            self.replace_day(now, open, normalised, Some(at));
        }
    }

    /// The cases whose date this source may move: those that it has dated, of which nothing was removed yet.
    fn movable_cases_of(&self, person: PersonId, normalised: &Normalised) -> Vec<CaseId> {
        let mut standing = self.standing_cases_of(person, normalised);
        standing.retain(|id| {
            let case = &self.cases[id];
            let stated = normalised.event.occurred_at;
            let dated = case.dates.get(&source_of(normalised)).filter(|date| date.counts && date.stated <= stated);
            dated.is_some() && !case.started()
        });
        standing
    }

    /// A day that was only noted does not hold either once its source knows none.
    fn drop_noted_days(&mut self, person: PersonId, normalised: &Normalised) {
        let (source, stated) = (source_of(normalised), normalised.event.occurred_at);
        for id in self.standing_cases_of(person, normalised) {
            let case = self.cases.get_mut(&id).expect("open cases are listed from the same map");
            if case.dates.get(&source).is_some_and(|date| !date.counts && date.stated <= stated) {
                case.dates.remove(&source);
                self.touch_case(id);
            }
        }
    }

    /// The source takes its word about the day back, and may give a new one. `false` = no source knows a day now.
    fn replace_day(&mut self, now: Timestamp, id: CaseId, normalised: &Normalised, at: Option<Timestamp>) -> bool {
        let Some(case) = self.cases.get_mut(&id) else { return false };
        let stated = normalised.event.occurred_at;
        case.dates.remove(&source_of(normalised));
        case.dates.extend(at.map(|at| (source_of(normalised), Dated { at, stated, counts: true })));
        self.settle_day(now, id)
    }

    /// The earliest day counts that a source has set which may; without any, the earliest that was noted.
    fn settle_day(&mut self, now: Timestamp, id: CaseId) -> bool {
        let Some(case) = self.cases.get_mut(&id) else { return false };
        if case.dates.values().all(|date| !date.counts) {
            case.dates.values_mut().for_each(|date| date.counts = true);
        }
        let earliest = case.dates.values().filter(|date| date.counts).map(|date| date.at).min();
        if let Some(at) = earliest.filter(|at| *at != case.effective_at) {
            if at > now {
                self.put_off(now, id, at);
            } else {
                self.set_day(id, at);
            }
        }
        self.touch_case(id);
        earliest.is_some()
    }

    /// Waits for the day.
    pub(super) fn put_off(&mut self, now: Timestamp, id: CaseId, at: Timestamp) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if !matches!(case.phase, Phase::Parked) {
            // Whom the address leads to is asked anew on that day.
            case.phase = Phase::Scheduled { due: at };
            case.parked = None;
        }
        // Who was one of a crowd today may be alone on that day.
        let crowd = case.barred.take_if(|(reason, _)| *reason == HoldReason::LimitReached);
        case.ordinal = case.ordinal.saturating_add(1);
        self.set_day(id, at);
        if crowd.is_some() {
            self.verdict(now, id, HoldReason::LimitReached, false, "its day was put off".to_owned());
        }
        self.review_holds(now, id);
        self.tell_scheduled(now, id);
    }

    /// The promise follows the day, also for a case that waits for something else meanwhile.
    fn set_day(&mut self, id: CaseId, at: Timestamp) {
        let (normal, urgent) = (self.policy.deadline, self.policy.deadline_urgent);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let allowed = if case.urgent { urgent } else { normal };
        case.effective_at = at;
        case.deadline = at.max(case.received_at).saturating_add(allowed).unwrap_or(Timestamp::MAX);
        self.touch_case(id);
    }

    /// A departure that was ahead is due: the same case goes on at once.
    fn bring_forward(&mut self, now: Timestamp, person: PersonId, normalised: &Normalised, at: Timestamp) {
        for id in self.standing_cases_of(person, normalised) {
            let case = self.cases.get_mut(&id).expect("open cases are listed from the same map");
            let stated = normalised.event.occurred_at;
            if case.dates.get(&source_of(normalised)).is_some_and(|known| known.stated > stated) {
                continue;
            }
            case.dates.insert(source_of(normalised), Dated { at, stated, counts: true });
            if matches!(case.phase, Phase::Scheduled { .. }) {
                case.phase = Phase::Scanning { due: now };
            }
            if case.effective_at > now {
                self.set_day(id, at);
            }
        }
    }

    pub(super) fn open_cases_of(&self, person: PersonId) -> Vec<CaseId> {
        self.cases.values().filter(|case| case.person == person).map(|case| case.id).collect()
    }

    /// Those that a newer statement can still join: not the ones that are ending because the person stays. What only
    /// plans and what removes do not meet: neither a test nor an observing source moves a removal, or swallows one.
    fn standing_cases_of(&self, person: PersonId, normalised: &Normalised) -> Vec<CaseId> {
        let acts = self.acts(normalised);
        let of_person = self.cases.values().filter(|case| case.person == person && case.cancelled_by.is_none());
        let alike = |case: &&Case| case.synthetic == normalised.event.synthetic && self.case_acts(case) == acts;
        of_person.filter(alike).map(|case| case.id).collect()
    }

    /// Whether somebody may be removed because of the event.
    fn acts(&self, Normalised { event, origin, .. }: &Normalised) -> bool {
        !event.synthetic && self.policy.source_mode(&origin.source) == Mode::Enforce
    }

    pub(super) fn case_acts(&self, case: &Case) -> bool {
        let mode = case.mode.unwrap_or_else(|| self.policy.source_mode(&case.cause.source));
        !case.synthetic && mode == Mode::Enforce
    }

    fn open(&mut self, it: &Arrival<'_>, effective: Timestamp) {
        let Arrival { now, id, person, normalised } = *it;
        let event = &normalised.event;
        let known = &self.identities.people[&person];
        let received = normalised.origin.received_at;
        let allowed = if event.urgent { self.policy.deadline_urgent } else { self.policy.deadline };
        let case = Case::open(
            known,
            Opening {
                id,
                action: event.action,
                cause: cause(normalised),
                engagement: engagement_key(event),
                event_at: event.occurred_at,
                effective_at: effective,
                received_at: received,
                deadline: effective.max(received).saturating_add(allowed).unwrap_or(Timestamp::MAX),
                urgent: event.urgent,
                synthetic: event.synthetic,
                traceparent: normalised.traceparent.clone(),
            },
            now,
        );
        self.cases.insert(id, case);
        self.touch_case(id);
        self.tell_opened(now, id);
    }

    /// What can be said of a fresh case without asking Heroku.
    fn examine(&mut self, it: &Arrival<'_>) {
        let Arrival { now, id, normalised, .. } = *it;
        let event = &normalised.event;
        let nowhere = self.cases[&id].addresses.is_empty();
        let mut stated = event.subject.work_addresses().peekable();
        // One that is somebody else's by now says nothing about whose company it is.
        if nowhere && stated.peek().is_some() && stated.all(|email| !self.policy.is_company(email)) {
            let summary = "Refused: none of the person's addresses is in a company domain.";
            self.close(now, id, CaseResult::Refused, AccessAfter::Unknown, summary);
            return;
        }
        if self.refuse_if_untouchable(now, id) {
            return;
        }
        // Also of somebody whose address is learned later.
        if let Some((reason, detail)) = self.doubted(normalised) {
            self.bar(now, id, reason, &detail);
        }
        if nowhere {
            self.park(now, id, HoldReason::UnresolvedPerson, "no address of this person is known");
        }
    }

    /// Why a plan must be approved before it is carried out.
    fn doubted(&self, normalised: &Normalised) -> Option<(HoldReason, String)> {
        let name = &normalised.origin.source;
        let source = self.policy.sources.get(name)?;
        if let Some(what) = source.unconfirmed {
            let detail = format!("nothing confirms {what}, and source {name} names no sample");
            return Some((HoldReason::FormatUnconfirmed, detail));
        }
        let limit = source.max_event_age?;
        let age = normalised.origin.received_at.duration_since(normalised.event.occurred_at);
        (age > limit).then(|| {
            let (hours, limit) = (age.as_hours(), limit.as_hours());
            let detail = format!(
                "the event was {hours} h old when it was read, limit {limit} h (max_event_age of source {name})"
            );
            (HoldReason::EventTooOld, detail)
        })
    }

    /// Ends the case of somebody whose address alone says that they are never removed.
    pub(super) fn refuse_if_untouchable(&mut self, now: Timestamp, id: CaseId) -> bool {
        let Some(summary) = self.names_untouchable(id) else { return false };
        self.close(now, id, CaseResult::Refused, AccessAfter::Unknown, summary);
        true
    }

    fn names_untouchable(&self, id: CaseId) -> Option<&'static str> {
        let addresses = &self.cases[&id].addresses;
        if addresses.iter().any(|email| self.policy.protects(email)) {
            Some("Refused: the person is protected (people.protected).")
        } else if addresses
            .iter()
            .any(|email| self.me.as_ref().is_some_and(|me| self.policy.addresses.same(&me.email, email)))
        {
            Some("Refused: this is the service's own account.")
        } else {
            None
        }
    }

    /// Addresses learned later help the person's open cases too.
    fn share_addresses(&mut self, now: Timestamp, person: PersonId) {
        let known = self.identities.people[&person].clone();
        for id in self.open_cases_of(person) {
            let case = self.cases.get_mut(&id).expect("open cases are listed from the same map");
            let before = (case.addresses.len(), case.subject_keys.len());
            case.addresses.extend(known.addresses.iter().cloned());
            case.subject_keys.extend(known.subject_keys.iter().cloned());
            if before == (case.addresses.len(), case.subject_keys.len()) {
                continue;
            }
            if self.cases[&id].started() {
                if self.names_untouchable(id).is_some() {
                    let detail = "one of the person's addresses is protected, or the service's own";
                    self.park(now, id, HoldReason::AccountChanged, detail);
                    continue;
                }
            } else if self.refuse_if_untouchable(now, id) {
                continue;
            }
            // A scan that is under way does not look for the new name.
            if let Some(scanning) = &mut self.scanning {
                scanning.remove(&id);
            }
            let case = self.cases.get_mut(&id).expect("it was not refused");
            let unresolved = case.parked.as_ref().is_some_and(|(reason, _)| *reason == HoldReason::UnresolvedPerson);
            if unresolved && !case.addresses.is_empty() {
                case.parked = None;
                case.phase = if case.effective_at > now {
                    Phase::Scheduled { due: case.effective_at }
                } else {
                    Phase::Scanning { due: now }
                };
            } else if matches!(case.phase, Phase::Working) {
                // A new address may lead to grants that the last scan did not look for.
                case.phase = Phase::Scanning { due: now };
            }
            self.touch_case(id);
        }
    }

    /// The person has a case that already does what the event asks for: the event is one more witness.
    fn join(&mut self, person: PersonId, normalised: &Normalised, at: Option<Timestamp>) -> bool {
        let Some(id) = self.standing_cases_of(person, normalised).into_iter().next() else { return false };
        let at = at.filter(|_| self.doubted(normalised).is_none());
        let case = self.cases.get_mut(&id).expect("open cases are listed from the same map");
        let event = &normalised.event;
        if !case.cause.also_stated_by.contains(&event.source) {
            case.cause.also_stated_by.push(event.source.clone());
        }
        if at.is_some() || event.action != Action::Suspend {
            case.stated_at = case.stated_at.max(event.occurred_at);
        }
        if let Some(at) = at {
            let date = case.dates.entry(source_of(normalised));
            let date = date.or_insert(Dated { at, stated: event.occurred_at, counts: false });
            // Tests come in any order.
            if date.stated <= event.occurred_at {
                (date.at, date.stated) = (at, event.occurred_at);
            }
        }
        if event.urgent && !case.urgent {
            case.urgent = true;
            let urgent = normalised.origin.received_at.saturating_add(self.policy.deadline_urgent);
            case.deadline = case.deadline.min(urgent.unwrap_or(Timestamp::MAX));
        }
        self.touch_case(id);
        true
    }

    /// A departure that is due replaces cases that only wait for one.
    fn supersede(&mut self, now: Timestamp, person: PersonId, normalised: &Normalised) {
        for id in self.open_cases_of(person) {
            let case = &self.cases[&id];
            if self.case_acts(case) != self.acts(normalised) {
                continue;
            }
            let undated = case.parked.as_ref().is_some_and(|(reason, _)| *reason == HoldReason::UnknownDate);
            // Who waits as one of a crowd waits for no other event.
            let barred = case.barred.as_ref().is_some_and(|(reason, _)| *reason != HoldReason::LimitReached);
            let waits = undated || (barred && !case.started());
            if waits {
                let summary = "Cancelled: a newer statement says that the person has left; its own case follows.";
                self.close(now, id, CaseResult::Cancelled, AccessAfter::Unknown, summary);
            }
        }
    }

    /// The person stays, or is back. Nothing is ever given back.
    fn contradict(&mut self, now: Timestamp, person: PersonId, normalised: &Normalised) {
        let event = &normalised.event;
        let leaves_all = self.identities.people[&person].leaves_all_after(event.occurred_at);
        for id in self.open_cases_of(person) {
            let case = self.cases.get_mut(&id).expect("open cases are listed from the same map");
            let cause = &case.cause;
            let stated = cause.also_stated_by.iter().map(|source| &source.event_id);
            let meant = event
                .cancels
                .as_ref()
                .is_none_or(|cancels| stated.chain([&cause.event_id]).any(|known| *known == cancels.event_id));
            // An employment that goes on is enough, whichever was spoken of last.
            let goes_on = event.subject.engagement_id.is_some() && case.engagement.is_some();
            if meant {
                let at = if goes_on && !leaves_all { Timestamp::MAX } else { event.occurred_at };
                self.speak_against(now, id, &event.source, at);
            }
        }
    }

    /// A source said at `at` that the person of a case stays.
    pub(super) fn speak_against(&mut self, now: Timestamp, id: CaseId, by: &SourceRef, at: Timestamp) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.cause.contradicted_by.push(by.clone());
        if at < case.stated_at {
            // Somebody says later that the person leaves; then their day counts, not that of whom this contradicts.
            case.dates.retain(|_, date| date.stated > at);
            if !self.settle_day(now, id) {
                self.park(now, id, HoldReason::UnknownDate, "whoever named a day has taken it back");
            }
            return;
        }
        case.cancel(by.clone());
        self.touch_case(id);
        if !self.cases[&id].started() {
            let summary = "Cancelled before anything was removed: a newer statement says that the person stays.";
            self.close(now, id, CaseResult::Cancelled, AccessAfter::Unknown, summary);
        }
    }

    /// Makes the plan and removes nothing until somebody approves it.
    pub(super) fn bar(&mut self, now: Timestamp, id: CaseId, reason: HoldReason, detail: &str) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.barred = Some((reason, detail.to_owned()));
            self.touch_case(id);
            self.verdict(now, id, reason, true, detail.to_owned());
            self.review_holds(now, id);
        }
    }

    /// Stops a case until somebody acts or a newer event comes.
    pub(super) fn park(&mut self, now: Timestamp, id: CaseId, reason: HoldReason, detail: &str) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.parked = Some((reason, detail.to_owned()));
            case.phase = Phase::Parked;
            self.touch_case(id);
            self.review_holds(now, id);
        }
    }
}

/// Why nobody knows when a departure takes effect.
fn why_undated(event: &PersonEvent) -> &'static str {
    match event.effective {
        Some(_) => "a date in a zone that is not known",
        None => "the source says that the person will leave, and not on which day",
    }
}

/// `system:tenant` of the source.
fn source_of(Normalised { event, .. }: &Normalised) -> String {
    format!("{}:{}", event.source.system, event.source.tenant)
}
