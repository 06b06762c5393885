//! What Heroku answered, and what follows: grants are found, settled by proof, or tried again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::case::{Case, Phase};
use super::coverage::coverage;
use super::plan::{Binding, Catalogue, bind, grants_in, ownerships, reachable_apps, users, users_of};
use super::policy::{PLAN_GRANTS_MAX, Policy};
use super::revocation::{IN_OBSERVED_TEAM, NOT_VISIBLE, Progress, Revocation, Seen};
use super::{Engine, Stop};
use crate::model::outcome::{AccessAfter, CaseResult, Decision, HoldReason, Mode, Settled};
use crate::model::world::{Answer, Entries, Evidence, ListId, ListRead, ListsRead, Reply, Scan, Unread, User};
use crate::model::{CaseId, Grant, GrantId, IntentId, Parent, Surface, TeamId};

impl Engine {
    pub(super) fn account_stopped(&mut self, now: Timestamp, why: String) {
        let probe_due = now.saturating_add(self.policy.timing.account_probe).unwrap_or(Timestamp::MAX);
        let since = self.stop.as_ref().map_or(now, |stop| stop.since);
        self.stop = Some(Stop { since, why, probe_due });
    }

    pub(super) fn on_scan_failed(&mut self, now: Timestamp) {
        self.scan_failures += 1;
        let wait = self.policy.timing.read_retry.delay(self.scan_failures, 0, None);
        for id in self.scanning.take().unwrap_or_default() {
            if let Some(Case { phase: Phase::Scanning { due }, .. }) = self.cases.get_mut(&id) {
                *due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            }
        }
    }

    pub(super) fn on_scan(&mut self, now: Timestamp, scan: &Scan) {
        self.note("result");
        if scan.began < self.scan_asked {
            return; // One that was given up: it looked for others.
        }
        self.scan_failures = 0;
        self.catalogue.learn(scan);
        self.spare_the_protected(now, users(scan));
        let served = self.scanning.take().unwrap_or_default();
        let coverage = coverage(scan, &self.policy);
        for id in served {
            if self.digests.contains_key(&id) {
                self.look_again(now, id, scan, &coverage);
                continue;
            }
            let Some(case) = self.cases.get(&id).filter(|case| matches!(case.phase, Phase::Scanning { .. })) else {
                continue;
            };
            match bind(case, &self.policy.addresses, scan) {
                Binding::Ambiguous(email) => {
                    let detail = format!("several Heroku accounts carry the address {email}");
                    self.look_again_held(now, id, HoldReason::AmbiguousAccount, &detail);
                    continue;
                }
                Binding::Changed(email) => {
                    let detail = format!("the address {email} now leads to another Heroku account than at first");
                    self.look_again_held(now, id, HoldReason::AccountChanged, &detail);
                    continue;
                }
                Binding::Accounts(accounts) => {
                    let case = self.cases.get_mut(&id).expect("looked up above");
                    case.accounts = accounts;
                    let accounts = &case.accounts;
                    let ours = self.me.as_ref().is_some_and(|me| accounts.contains_key(&me.id));
                    if ours || accounts.keys().any(|account| self.protected_accounts.contains(account)) {
                        let who =
                            if ours { "the service's own account" } else { "a protected account (people.protected)" };
                        if case.started() {
                            let detail = format!("the person's address leads to {who} by now");
                            self.park(now, id, HoldReason::AccountChanged, &detail);
                        } else {
                            let summary = format!("Refused: the person's address leads to {who}.");
                            self.close(now, id, CaseResult::Refused, AccessAfter::Unknown, &summary);
                        }
                        continue;
                    }
                    case.parked = None;
                }
            }
            self.plan(now, id, scan, &coverage);
        }
        for (list, read) in &scan.lists {
            if let Ok(read) = read {
                self.absorb(now, *list, read);
            }
        }
    }

    /// Learns which accounts carry a protected address, and lets go of whom one of them was bound to before.
    fn spare_the_protected<'a>(&mut self, now: Timestamp, seen: impl Iterator<Item = &'a User>) {
        let protected = seen.filter(|user| self.policy.protects(&user.email));
        let mut news = false;
        for account in protected.filter_map(|user| user.account) {
            news |= self.protected_accounts.insert(account);
        }
        let bound = |case: &&Case| case.accounts.keys().any(|account| self.protected_accounts.contains(account));
        let spared: Vec<CaseId> =
            if news { self.cases.values().filter(bound).map(|case| case.id).collect() } else { Vec::new() };
        for id in spared {
            if self.cases[&id].started() {
                let detail = "the person's Heroku account carries a protected address by now";
                self.park(now, id, HoldReason::AccountChanged, detail);
            } else {
                let summary = "Refused: the person's account carries a protected address (people.protected).";
                self.close(now, id, CaseResult::Refused, AccessAfter::Unknown, summary);
            }
        }
    }

    fn look_again_held(&mut self, now: Timestamp, id: CaseId, reason: HoldReason, detail: &str) {
        self.park(now, id, reason, detail);
        let due = now.saturating_add(self.policy.timing.hold_recheck).unwrap_or(Timestamp::MAX);
        if let Some(case) = self.cases.get_mut(&id) {
            case.phase = Phase::Scanning { due };
        }
    }

    fn plan(&mut self, now: Timestamp, id: CaseId, scan: &Scan, coverage: &crate::model::outcome::CoveragePart) {
        let case = &self.cases[&id];
        let mode = case.mode.unwrap_or_else(|| {
            if case.synthetic { Mode::Observe } else { self.policy.source_mode(&case.cause.source) }
        });
        let leaver = case.leaver(&self.policy.addresses);
        let lists = scan.lists.iter().filter_map(|(list, read)| Some((*list, read.as_ref().ok()?)));
        let mut grants: Vec<Grant> =
            lists.flat_map(|(list, read)| grants_in(&leaver, list, read, &self.catalogue)).collect();
        grants.extend(ownerships(&leaver, scan));
        let mut seen = BTreeSet::new();
        grants.retain(|grant| seen.insert(grant.id));
        if grants.len() > PLAN_GRANTS_MAX {
            let detail = format!("{} grants found, limit {PLAN_GRANTS_MAX}", grants.len());
            self.park(now, id, HoldReason::PlanTooLarge, &detail);
            return;
        }
        let apps = reachable_apps(grants.iter(), scan);
        let recheck = self.policy.timing.hold_recheck;
        let policy = &self.policy;
        let case = self.cases.get_mut(&id).expect("looked up above");
        case.mode = Some(mode);
        case.coverage = coverage.clone();
        case.reachable_apps.extend(apps);
        // A team that is unread this time was still counted when it was read.
        case.team_sizes.extend(team_sizes(&grants, scan));
        for grant in grants {
            let known = case.revocations.iter_mut().find(|known| known.grant.id == grant.id);
            let decided = || decide(policy, &self.catalogue, mode, grant, now);
            match known {
                None => case.revocations.push(decided()),
                // What was not shown for a while is shown again.
                Some(known) if known.reason.as_deref() == Some(NOT_VISIBLE) => *known = decided(),
                Some(_) => {}
            }
        }
        leave_what_is_not_shown(case, policy, scan, &self.vanished);
        leave_enterprises_of_observed_teams(case, scan);
        case.phase = if case.coverage.complete {
            Phase::Working
        } else {
            case.scans = case.scans.saturating_add(1);
            let wait = recheck.saturating_mul(i32::try_from(case.scans.min(5)).unwrap_or(5));
            Phase::Scanning { due: now.saturating_add(wait).unwrap_or(Timestamp::MAX) }
        };
        self.touch_case(id);
        if mode == Mode::Observe {
            self.close_planned(now, id);
        }
    }

    pub(super) fn on_lists(&mut self, now: Timestamp, lists: ListsRead) {
        self.note("result");
        for (list, read) in lists {
            self.reading.remove(&list);
            match read {
                Ok(read) if read.is_usable() => {
                    self.spare_the_protected(now, users_of(&read));
                    self.absorb(now, list, &read);
                }
                Ok(_) | Err(_) => {
                    if read.is_err_and(|unread| unread.why == "not_found") {
                        self.vanished.insert(list);
                        self.look_where_it_is(now, list);
                    }
                    let failures = self.list_failures.get(&list).map_or(1, |(failures, _)| failures + 1);
                    let wait = self.policy.timing.read_retry.delay(failures, 0, None);
                    let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                    self.list_failures.insert(list, (failures, due));
                }
            }
        }
    }

    /// What a list belongs to is not found: a scan tells whether it is still shown at all.
    fn look_where_it_is(&mut self, now: Timestamp, list: ListId) {
        let due = now.saturating_add(self.policy.timing.hold_recheck).unwrap_or(Timestamp::MAX);
        let pending = |known: &Revocation| known.is_pending() && !known.is_intended() && known.list() == Some(list);
        let waits = |case: &&mut Case| matches!(case.phase, Phase::Working) && case.revocations.iter().any(pending);
        let ids: Vec<CaseId> = self
            .cases
            .values_mut()
            .filter(waits)
            .map(|case| {
                if case.cancelled_by.is_none() {
                    case.phase = Phase::Scanning { due };
                } else {
                    // Nothing waits for it any more but the end.
                    case.revocations.iter_mut().filter(|it| pending(it)).for_each(Revocation::leave_unseen);
                }
                case.id
            })
            .collect();
        ids.into_iter().for_each(|id| self.touch_case(id));
    }

    /// A complete list settles what it shows gone, and finds what it shows new.
    fn absorb(&mut self, now: Timestamp, list: ListId, read: &ListRead) {
        if !read.is_usable() {
            return;
        }
        self.list_failures.remove(&list);
        self.vanished.remove(&list);
        // One of a clock that was set back since is older than it looks.
        let known = self.lists.get(&list).filter(|known| known.began > read.began && known.began <= now).cloned();
        // A scan takes long, and may end when a younger list is known: that one counts.
        let read = known.as_ref().unwrap_or(read);
        self.lists.insert(list, read.clone());
        let ids: Vec<CaseId> = self.cases.values().filter(|case| case.may_remove()).map(|case| case.id).collect();
        for id in ids {
            let case = &self.cases[&id];
            let present: BTreeMap<GrantId, Grant> =
                grants_in(&case.leaver(&self.policy.addresses), list, read, &self.catalogue)
                    .into_iter()
                    .map(|grant| (grant.id, grant))
                    .collect();
            let concerned = !present.is_empty() || case.revocations.iter().any(|known| known.list() == Some(list));
            if concerned {
                self.compare(now, id, list, read, present);
            }
        }
    }

    fn compare(
        &mut self,
        now: Timestamp,
        id: CaseId,
        list: ListId,
        read: &ListRead,
        mut present: BTreeMap<GrantId, Grant>,
    ) {
        let timing = self.policy.timing;
        let case = self.cases.get_mut(&id).expect("listed by absorb");
        let mut changed = false;
        let mut revoked = Vec::new();
        let mut came_to_nothing = Vec::new();
        for index in 0..case.revocations.len() {
            let known = &mut case.revocations[index];
            if known.list() != Some(list) {
                continue;
            }
            if !shows(read, known.grant.surface) {
                changed |= known.wait_for_another_list(now, timing.hold_recheck);
                continue;
            }
            let grant = known.grant.id;
            let proven = known.proof().and_then(|proof| case.proofs.get(proof as usize)).map(|proof| proof.at);
            match known.on_list(now, read.began, present.remove(&grant), proven, &timing) {
                Seen::Nothing => continue,
                Seen::Noted => {}
                Seen::Gone(how) => {
                    let proof = prove(case, index, read);
                    case.revocations[index].progress = Progress::Settled { how, proof };
                    revoked.extend((how == Settled::Revoked).then_some(grant));
                }
                Seen::StillThere { as_collaborator } => {
                    if as_collaborator {
                        look_for_hidden_apps(case, now);
                    }
                    if case.role_behind(&case.revocations[index].grant).is_none() {
                        came_to_nothing.push(grant);
                    }
                }
            }
            changed = true;
        }
        changed |= self.adopt(now, id, read, present);
        if changed {
            self.touch_case(id);
        }
        for grant in revoked {
            self.tell_revoked(now, id, grant);
        }
        for grant in came_to_nothing {
            self.note_result(now, grant, true);
        }
    }

    /// Takes in what was found only now: an invitation that was accepted meanwhile, a grant that took the place of
    /// another. Whether there was any.
    fn adopt(&mut self, now: Timestamp, id: CaseId, read: &ListRead, found: BTreeMap<GrantId, Grant>) -> bool {
        let case = self.cases.get_mut(&id).expect("listed by absorb");
        let mut changed = false;
        for grant in found.into_values() {
            // Ownerships stand in lists too, and no list takes them away.
            if case.revocations.iter().any(|known| known.grant.id == grant.id) {
                continue;
            }
            if grant.account.is_some_and(|account| !case.accounts.contains_key(&account)) {
                // Whose account it is, one list cannot tell: another may show the address at somebody else's. A scan
                // sees all of them, and binds or holds.
                if matches!(case.phase, Phase::Working) {
                    case.phase = Phase::Scanning { due: now };
                    changed = true;
                }
                continue;
            }
            if let (Surface::TeamMembership, Some(team), Entries::Team { members, .. }) =
                (grant.surface, grant.parent.team(), &read.entries)
            {
                case.team_sizes.insert(team, u32::try_from(members.len()).unwrap_or(u32::MAX));
            }
            if grant.is_of_collaborator() {
                look_for_hidden_apps(case, now);
            }
            let mut decided = decide(&self.policy, &self.catalogue, Mode::Enforce, grant, now);
            if decided.grant.surface == Surface::EnterpriseMembership && case.revocations.iter().any(is_observed) {
                decided.leave(Decision::Keep, IN_OBSERVED_TEAM);
            }
            case.revocations.push(decided);
            changed = true;
        }
        changed
    }

    pub(super) fn on_answer(&mut self, now: Timestamp, id: CaseId, grant: GrantId, intent: IntentId, answer: Answer) {
        if self.in_flight.remove(&intent).is_none() {
            return; // Of an engine before this one; its list is read instead.
        }
        if answer.reply == Reply::AccountStopped {
            self.account_stopped(now, answer.error_id.clone().unwrap_or_else(|| "unauthorized".to_owned()));
        }
        let timing = self.policy.timing;
        let Some(case) = self.cases.get_mut(&id) else { return };
        let overdue = case.overdue;
        let named = case.revocations.iter().find(|known| known.grant.id == grant);
        let for_a_role = named.is_some_and(|known| case.role_behind(&known.grant).is_some());
        let Some(revocation) = case
            .revocations
            .iter_mut()
            .find(|known| known.grant.id == grant && known.progress == Progress::Intended { intent })
        else {
            return;
        };
        let failure = match answer.reply {
            Reply::Done | Reply::NotFound => Some(false),
            // What somebody has for their role goes with it, and its refusal says nothing of the others.
            Reply::Refused if for_a_role => None,
            Reply::Unavailable | Reply::NoAnswer | Reply::Forbidden | Reply::Refused => Some(true),
            // Of the rate, of the account, of us: they have their own ways to wait.
            Reply::RateLimited | Reply::AccountStopped | Reply::NotSent => None,
        };
        revocation.on_answer(now, answer, if overdue { timing.overdue_retry } else { timing.removal_retry });
        self.touch_case(id);
        if let Some(failed) = failure {
            self.note_result(now, grant, failed);
        }
    }
}

fn team_sizes(grants: &[Grant], scan: &Scan) -> BTreeMap<TeamId, u32> {
    let memberships = grants.iter().filter(|grant| grant.surface == Surface::TeamMembership);
    let sizes = memberships.filter_map(|grant| {
        let team = grant.parent.team()?;
        match &scan.lists.get(&ListId::Team(team))?.as_ref().ok()?.entries {
            Entries::Team { members, .. } => Some((team, u32::try_from(members.len()).unwrap_or(u32::MAX))),
            Entries::App(_) | Entries::Space(_) | Entries::Enterprise(_) => None,
        }
    });
    sizes.collect()
}

/// What the plan decides about a grant.
fn decide(policy: &Policy, catalogue: &Catalogue, mode: Mode, grant: Grant, now: Timestamp) -> Revocation {
    // A team's mode holds for its apps and spaces as well.
    let team = grant.parent.team().and_then(|team| catalogue.team_name(team));
    let observed_team = team.is_some_and(|name| policy.teams.get(name) == Some(&Mode::Observe));
    match (&grant.removal, grant.surface) {
        (_, _) if grant.email.is_pseudo_owner() => Revocation::stay(grant, Decision::Keep, "pseudo_owner"),
        (None, Surface::AppOwnership) => Revocation::stay(grant, Decision::Report, "owner_of_personal_app"),
        (None, Surface::PipelineOwnership) => Revocation::stay(grant, Decision::Report, "owner_of_pipeline"),
        (None, _) => Revocation::stay(grant, Decision::Report, "no_account_id"),
        (Some(_), _) if observed_team => Revocation::stay(grant, Decision::Keep, IN_OBSERVED_TEAM),
        (Some(_), _) if mode == Mode::Observe => {
            let mut planned = Revocation::stay(grant, Decision::Revoke, "");
            planned.reason = None;
            planned
        }
        (Some(_), _) => Revocation::revoke(grant, now),
    }
}

/// An app or a space that a complete scan does not show, and whose own list is not found, was deleted, or moved to where
/// we see nothing: no list will ever prove anything of it. A team may only have lost us, and counts as unread unless it is
/// excluded.
fn leave_what_is_not_shown(case: &mut Case, policy: &Policy, scan: &Scan, vanished: &BTreeSet<ListId>) {
    if !case.coverage.complete {
        return;
    }
    let mut unread = BTreeSet::new();
    let gone = |known: &Revocation| known.list().is_some_and(|list| vanished.contains(&list));
    let pending = case.revocations.iter_mut().filter(|known| known.is_pending() && !known.is_intended());
    for known in pending.filter(|known| gone(known)) {
        let (shown, of_people) = match &known.grant.parent {
            Parent::Team { id, .. } => (scan.teams.iter().any(|team| team.id == *id), true),
            Parent::Enterprise { id, .. } => (scan.enterprises.iter().any(|it| it.id == *id), true),
            Parent::App { id, .. } => (scan.apps.iter().any(|app| app.id == *id), false),
            Parent::Space { id, .. } => (scan.spaces.iter().any(|space| space.id == *id), false),
            Parent::Pipeline { .. } => (true, false),
        };
        let name = known.grant.parent.name();
        if !shown && of_people && !policy.excluded_teams.contains_key(name) {
            unread.insert(name.to_owned());
        } else if !shown {
            known.leave_unseen();
        }
    }
    let unread = unread.into_iter().map(|name| Unread { what: format!("team {name}"), why: "not_visible".to_owned() });
    case.coverage.not_read.extend(unread);
    case.coverage.complete = case.coverage.not_read.is_empty();
}

/// Heroku may take whoever leaves an enterprise account out of its teams: not out of one that only observes.
fn leave_enterprises_of_observed_teams(case: &mut Case, scan: &Scan) {
    // Without the list of an account's teams, each may be one.
    let teams = &scan.enterprise_teams;
    let unclear = teams.is_empty() || scan.enterprises.len() > 1;
    let of_enterprise = |team: TeamId| unclear || teams.iter().any(|known| known.id == team);
    let observed = |known: &Revocation| is_observed(known) && known.grant.parent.team().is_some_and(of_enterprise);
    if case.revocations.iter().any(observed) {
        let enterprises = case.revocations.iter_mut().filter(|it| it.grant.surface == Surface::EnterpriseMembership);
        enterprises
            .filter(|known| known.is_pending() && known.attempts.is_empty())
            .for_each(|known| known.leave(Decision::Keep, IN_OBSERVED_TEAM));
    }
}

/// A membership that is kept because its team observes.
fn is_observed(known: &Revocation) -> bool {
    known.grant.surface == Surface::TeamMembership && known.reason.as_deref() == Some(IN_OBSERVED_TEAM)
}

/// Whether the read holds the list that shows such a grant: the invitations of a team may be refused.
fn shows(read: &ListRead, surface: Surface) -> bool {
    surface != Surface::TeamInvitation || !matches!(read.entries, Entries::Team { invitations: None, .. })
}

/// Somebody who only collaborates stands in a team's list because of an app: a scan finds which.
fn look_for_hidden_apps(case: &mut Case, now: Timestamp) {
    if matches!(case.phase, Phase::Working) {
        case.phase = Phase::Scanning { due: now };
    }
}

/// Keeps the evidence in the case; of a team's two lists an invitation rests on the second.
fn prove(case: &mut Case, index: usize, read: &ListRead) -> Option<u32> {
    let invitation = case.revocations[index].grant.surface == Surface::TeamInvitation;
    let proofs: Vec<u32> = read.evidence.iter().map(|evidence: &Evidence| case.add_proof(evidence)).collect();
    if invitation { proofs.last().copied() } else { proofs.first().copied() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::policy;
    use crate::model::{AppId, CollaboratorId, Email, Parent, Removal};

    #[test]
    fn a_teams_own_account_is_kept_whoever_it_is_taken_for() {
        let id = uuid::Uuid::from_u128(1);
        let grant = |email: &str| Grant {
            id: GrantId(id),
            surface: Surface::AppCollaboration,
            parent: Parent::App { id: AppId(id), name: "ledger".to_owned(), team: None },
            account: None,
            email: Email::as_reported(email),
            before: "owner".to_owned(),
            removal: Some(Removal::Collaborator { app: AppId(id), collaborator: CollaboratorId(id) }),
            granted: crate::model::world::Granted::default(),
        };
        let decided =
            |email| decide(&policy(), &Catalogue::default(), Mode::Enforce, grant(email), Timestamp::UNIX_EPOCH);
        assert_eq!(decided("larkspur@herokumanager.com").decision, Decision::Keep);
        assert_eq!(decided("larkspur@larkspur.example").decision, Decision::Revoke);
    }
}
