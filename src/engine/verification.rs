//! After the end of a case Heroku is looked at twice more: a quarter of an hour and a day later. One scan serves all the
//! cases that are due. Access that is back is told, and removed again where the policy says so, once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Engine;
use super::case::{Case, Founded, Opening, case_id};
use super::closing::outcome_id;
use super::plan::{Leaver, grants_in, ownerships};
use super::policy::OnReappeared;
use super::revocation::{NOT_VISIBLE, Progress};
use crate::model::event::{Action, SourceRef};
use crate::model::outcome::{
    AccessAfter, AccessLook, CaseResult, CoveragePart, Mode, Outcome, OutcomeKind, OutcomeRecord, PersonPart,
    SeenGrant, Settled,
};
use crate::model::world::{Scan, Wanted};
use crate::model::{AccountId, CaseId, Email, Grant, GrantId, PersonId};

/// How long after the end of a case each look is due.
const LOOKS: [SignedDuration; 2] = [SignedDuration::from_mins(15), SignedDuration::from_hours(24)];

/// Scans that only look again are no closer together than this; one costs as much as that of a new case.
const APART: SignedDuration = SignedDuration::from_mins(15);

/// System and event type of the statement that access is back.
const AGAIN: &str = "access.reappeared";

/// What is kept of an ended case to look for the person again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The accounts it was bound to.
    pub accounts: BTreeMap<AccountId, Email>,
    /// What was known to stay.
    pub stays: BTreeSet<GrantId>,
    /// Why the case was opened.
    pub founded: Founded,
    /// Looks that were had.
    pub looks: u32,
    /// When the next one is due.
    pub due: Timestamp,
}

impl Watch {
    /// The watch over a case that ends now; `None` = nothing was proven that could be looked at again.
    pub(super) fn over(case: &Case, result: CaseResult, now: Timestamp) -> Option<Box<Self>> {
        let proven =
            matches!(result, CaseResult::Removed | CaseResult::RemovedWithResiduals | CaseResult::NothingToRemove);
        let remains = |progress| matches!(progress, Progress::Settled { how: Settled::Remains, .. });
        // What nobody has approved is not removed by itself later either.
        let released = case.barred.is_none();
        (proven && released && case.mode == Some(Mode::Enforce)).then(|| {
            Box::new(Self {
                accounts: case.accounts.clone(),
                stays: case
                    .revocations
                    .iter()
                    // What was not shown at the end may be shown again.
                    .filter(|known| remains(known.progress) && known.reason.as_deref() != Some(NOT_VISIBLE))
                    .map(|known| known.grant.id)
                    .collect(),
                founded: Founded::of(case),
                looks: 0,
                due: now.saturating_add(LOOKS[0]).unwrap_or(Timestamp::MAX),
            })
        })
    }
}

impl Engine {
    /// Ended cases whose look is due, if it is time for one.
    pub(super) fn due_looks(&self, now: Timestamp) -> Vec<CaseId> {
        let due = |watch: &Watch| watch.due <= now;
        let watched = self.digests.values().filter(|digest| digest.watch.as_deref().is_some_and(due));
        watched.map(|digest| digest.id).collect()
    }

    /// Whether a scan may be begun for looks alone.
    pub(super) fn may_look(&self, now: Timestamp) -> bool {
        self.looked.saturating_add(APART).unwrap_or(Timestamp::MAX) <= now
    }

    /// Adds whom the looks are for.
    pub(super) fn look_for(&self, cases: &[CaseId], wanted: &mut Wanted) {
        for digest in cases.iter().filter_map(|id| self.digests.get(id)) {
            if let Some(known) = self.identities.people.get(&digest.person) {
                wanted.addresses.extend(self.policy.addresses.canonical_all(&known.addresses).into_owned());
            }
            wanted.accounts.extend(digest.watch.iter().flat_map(|watch| watch.accounts.keys().copied()));
        }
    }

    /// Looks for the person of an ended case in a scan.
    pub(super) fn look_again(&mut self, now: Timestamp, id: CaseId, scan: &Scan, coverage: &CoveragePart) {
        let Some(digest) = self.digests.get_mut(&id) else { return };
        let (person, closed_at) = (digest.person, digest.closed_at);
        let Some(mut watch) = digest.watch.take() else { return };
        self.touch_case(id);
        if self.needs_no_look(now, person, &watch) {
            return;
        }
        let known = &self.identities.people[&person];
        let rules = &*self.policy.addresses;
        let addresses = rules.canonical_all(&known.addresses);
        let leaver = Leaver { case: id, accounts: &watch.accounts, addresses, rules };
        let lists = scan.lists.iter().filter_map(|(list, read)| Some((*list, read.as_ref().ok()?)));
        let all = lists
            .flat_map(|(list, read)| grants_in(&leaver, list, read, &self.catalogue))
            .chain(ownerships(&leaver, scan))
            .filter(|grant| !watch.stays.contains(&grant.id) && !grant.email.is_pseudo_owner())
            .map(|grant| (grant.id, grant));
        let (others, seen): (BTreeMap<GrantId, Grant>, BTreeMap<GrantId, Grant>) =
            all.partition(|(_, grant)| leaver.is_bound_to_another(grant));
        watch.looks = watch.looks.saturating_add(1);
        let again = if seen.is_empty() { None } else { self.remove_again(now, id, person, &watch) };
        let next = LOOKS.get(watch.looks as usize).filter(|_| again.is_none());
        let next = next.map(|wait| closed_at.saturating_add(*wait).unwrap_or(Timestamp::MAX).max(now));
        let unclear = !others.is_empty();
        self.tell_look(now, id, &watch, seen.into_values().collect(), unclear, coverage, next, again);
        if let (Some(due), Some(digest)) = (next, self.digests.get_mut(&id)) {
            digest.watch = Some(Box::new(Watch { due, ..*watch }));
        }
    }

    /// Whoever is back has access rightly; of somebody with an open case, that case tells.
    fn needs_no_look(&self, now: Timestamp, person: PersonId, watch: &Watch) -> bool {
        let known = self.identities.people.get(&person);
        let stays = known.is_none_or(|known| watch.founded.refuted(known, now).is_some());
        stays || !self.open_cases_of(person).is_empty()
    }

    /// Opens a case of its own, founded on the same departure; never a second one.
    fn remove_again(&mut self, now: Timestamp, old: CaseId, person: PersonId, watch: &Watch) -> Option<CaseId> {
        let mut cause = watch.founded.cause.clone();
        let wanted = self.policy.on_reappeared == OnReappeared::Remove && cause.kind != AGAIN;
        let known = &self.identities.people[&person];
        // A day that was put off since, or one that nobody knows, is no reason to remove anything today.
        let wanted = wanted && known.has_left(&watch.founded.sources(), now);
        // An address that somebody else has by now may have taken the account with it.
        let wanted =
            wanted && watch.accounts.values().all(|email| self.policy.addresses.holds(&known.addresses, email));
        if !wanted || self.policy.source_mode(&cause.source) != Mode::Enforce {
            return None;
        }
        let stated = SourceRef {
            system: AGAIN.to_owned(),
            tenant: cause.event_id.clone(),
            event_type: AGAIN.to_owned(),
            event_id: old.to_string(),
            element: None,
        };
        let id = case_id(&stated);
        cause.kind = AGAIN.to_owned();
        cause.also_stated_by.push(stated);
        let opening = Opening {
            id,
            action: Action::Deprovision,
            cause,
            engagement: watch.founded.engagement.clone(),
            event_at: watch.founded.event_at,
            effective_at: self.digests[&old].effective_at,
            received_at: now,
            deadline: now.saturating_add(self.policy.deadline).unwrap_or(Timestamp::MAX),
            urgent: false,
            synthetic: false,
            traceparent: None,
        };
        let mut case = Case::open(known, opening, now);
        case.accounts.clone_from(&watch.accounts);
        // Whoever had set the day may still move it.
        case.dates.extend(watch.founded.dates.clone());
        self.cases.insert(id, case);
        self.touch_case(id);
        self.tell_opened(now, id);
        self.refuse_if_untouchable(now, id);
        Some(id)
    }

    #[expect(clippy::too_many_arguments, reason = "each is a field of the record")]
    fn tell_look(
        &mut self,
        now: Timestamp,
        id: CaseId,
        watch: &Watch,
        seen: Vec<Grant>,
        unclear: bool,
        coverage: &CoveragePart,
        next_look_at: Option<Timestamp>,
        opened: Option<CaseId>,
    ) {
        let person = self.digests[&id].person;
        let known = &self.identities.people[&person];
        let (kind, access, what) = if !seen.is_empty() {
            let parents: BTreeSet<&str> = seen.iter().map(|grant| grant.parent.name()).collect();
            let parents = parents.into_iter().collect::<Vec<_>>().join(", ");
            (OutcomeKind::AccessReappeared, AccessAfter::Remaining, format!("access is back: {parents}"))
        } else if coverage.complete && !watch.stays.is_empty() {
            (OutcomeKind::AccessVerified, AccessAfter::Remaining, "nothing but what was known to stay".to_owned())
        } else if unclear {
            let what = "another account carries the person's address by now".to_owned();
            (OutcomeKind::AccessVerified, AccessAfter::Unknown, what)
        } else if coverage.complete {
            (OutcomeKind::AccessVerified, AccessAfter::None, "there is still no access".to_owned())
        } else {
            let unread = coverage.not_read.len();
            (OutcomeKind::AccessVerified, AccessAfter::Unknown, format!("nothing seen, {unread} places unread"))
        };
        let outcome_kind = kind.as_str();
        let data = AccessLook {
            case_id: id,
            summary: format!("Looked again: {what}."),
            look: watch.looks,
            access,
            person: PersonPart {
                person_id: person,
                subject_keys: known.subject_keys.iter().cloned().collect(),
                addresses: known.addresses.iter().cloned().collect(),
                heroku_account_ids: watch.accounts.keys().copied().collect(),
                matched_by: watch.accounts.values().cloned().collect(),
            },
            seen: seen
                .into_iter()
                .map(|grant| SeenGrant {
                    surface: grant.surface,
                    parent: grant.parent,
                    role: grant.before,
                    granted_at: grant.granted.at,
                    granted_by: grant.granted.by,
                })
                .collect(),
            coverage: coverage.clone(),
            next_look_at,
            opened_case: opened,
            executed_by: self.executed_by.clone(),
        };
        self.outcomes.push(OutcomeRecord {
            id: outcome_id(id, outcome_kind, "", watch.looks),
            kind,
            person,
            case: id,
            at: now,
            traceparent: None,
            data: Outcome::Look(Box::new(data)),
        });
    }
}
