//! What is due: reads to ask for, removals to intend, cases to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, Digest, Phase};
use super::forgetting::PERSON_KEPT;
use super::guards::{ASKED, Leavers, below_floor};
use super::policy::IN_FLIGHT_MAX;
use super::revocation::{Progress, Revocation};
use super::{Candidate, Effect, Engine};
use crate::model::ids::computed;
use crate::model::outcome::{Decision, HoldReason, Mode};
use crate::model::world::{Account, ListId, ListRead, Reply, Wanted};
use crate::model::{CaseId, GrantId, IntentId, Surface};

/// Removals looked at ahead of the ones on the wire, so that no list is read long before its turn.
const CANDIDATES_MAX: usize = 8 * IN_FLIGHT_MAX;

/// How often the account is asked for while all is well. One call of 4,500 an hour.
const ACCOUNT_LOOK: SignedDuration = SignedDuration::from_mins(10);

/// Between two turns lie milliseconds. More than this, or less than nothing, and the clock was set.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_mins(5);
const CLOCK_BACK: SignedDuration = SignedDuration::from_secs(-5);

/// How long a clock must go on steadily after it was set.
const CLOCK_STEADY: SignedDuration = SignedDuration::from_mins(15);

/// How long a closed case answers for a repeated event.
const DIGEST_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a plan waits to be enforced: as long as people are known of whom nobody speaks.
const PLAN_KEPT: SignedDuration = PERSON_KEPT;

/// Lists to read, each with the name of its parent and whether an urgent case waits for it.
type Reads = BTreeMap<ListId, (String, bool)>;

/// What is next for a grant that is to go.
enum Step {
    /// Nothing for now.
    Rest,
    /// It leaves soon, so that a proof from its list may wait for it.
    Soon,
    /// Its list is read.
    Read,
    /// It is held, with the figures of its team.
    BelowFloor(String),
    /// It may be intended.
    Go,
}

/// What a step depends on besides its grant.
struct Around<'a> {
    case: &'a Case,
    /// Nothing of the case is begun.
    halted: bool,
    /// Later surfaces wait for this one.
    gate: Option<Surface>,
    /// Enough is looked at ahead.
    full: bool,
    me: &'a Account,
    leavers: &'a Leavers,
}

impl Engine {
    /// Does everything that is due at `now`. Calling it early, late or twice is harmless.
    pub fn advance(&mut self, now: Timestamp) {
        self.watch_the_clock(now);
        self.sweep(now);
        self.begin_what_is_due(now);
        self.mark_overdue(now);
        self.candidates.clear();
        if self.draining {
            return;
        }
        if self.ask_account(now) {
            return;
        }
        self.start_scan(now);
        self.hold_crowds(now);
        self.collect_work(now);
        for id in self.cases.keys().copied().collect::<Vec<_>>() {
            self.review_holds(now, id);
            self.close_if_done(now, id);
        }
    }

    /// Removals that could be intended now: how many of urgent cases, how many of the others.
    pub fn ready(&self) -> (usize, usize) {
        let free = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        let urgent = self.candidates.iter().filter(|candidate| candidate.urgent).count().min(free);
        let normal = self.candidates.len() - self.candidates.iter().filter(|candidate| candidate.urgent).count();
        (urgent, normal.min(free - urgent))
    }

    /// Names removals in intents, as many as the budget granted. They leave once the turn is committed.
    pub fn intend(&mut self, now: Timestamp, mut urgent: usize, mut normal: usize) {
        for candidate in std::mem::take(&mut self.candidates) {
            let left = if candidate.urgent { &mut urgent } else { &mut normal };
            if *left == 0 {
                continue;
            }
            if let Some(stopped) = self.stopped_by(now, candidate.case) {
                if self.may_probe(now, &stopped) {
                    self.circuit.probe(now, candidate.grant, self.policy.timing.circuit_probe);
                    self.touch_circuit();
                } else {
                    self.limit(now, candidate.case, Some(stopped));
                    continue;
                }
            }
            *left -= 1;
            let case = self.cases.get_mut(&candidate.case).expect("candidates are of open cases");
            let (traceparent, grants) = (case.traceparent.clone(), case.revocations.len());
            let Some(revocation) = case.revocations.iter_mut().find(|known| known.grant.id == candidate.grant) else {
                continue;
            };
            let Some(removal) = revocation.grant.removal else { continue };
            let surface = revocation.grant.surface;
            let ordinal = (revocation.failures, revocation.tries(), now.as_nanosecond());
            let intent = IntentId(computed(&["intent", &candidate.grant.to_string(), &format!("{ordinal:?}")]));
            revocation.intend(intent, now, grants);
            self.in_flight.insert(intent, (candidate.case, candidate.grant));
            self.count_begun(now, candidate.case);
            self.touch_case(candidate.case);
            self.note("intent");
            self.effects.push(Effect::Remove {
                case: candidate.case,
                grant: candidate.grant,
                intent,
                removal,
                surface,
                urgent: candidate.urgent,
                traceparent,
            });
        }
    }

    /// Asks who we are while that is unknown or refused. True = nothing else can be done.
    fn ask_account(&mut self, now: Timestamp) -> bool {
        let probe = self.policy.timing.account_probe;
        let later = now.saturating_add(probe).unwrap_or(Timestamp::MAX);
        if let Some(stop) = &mut self.stop {
            if stop.probe_due <= now {
                stop.probe_due = later;
                self.effects.push(Effect::AskAccount);
            }
            return true;
        }
        if self.account_due <= now {
            // Also while it is known: the token may be exchanged for that of another account.
            self.account_due = if self.me.is_none() { later } else { next_look(now) };
            self.effects.push(Effect::AskAccount);
        }
        self.me.is_none()
    }

    /// One scan at a time; it serves every case that needs one when it begins.
    fn start_scan(&mut self, now: Timestamp) {
        if self.scanning.is_some() {
            return;
        }
        let due = |phase: &Phase| matches!(phase, Phase::Scanning { due } if *due <= now);
        let looks = self.due_looks(now);
        let for_looks_alone = !self.cases.values().any(|case| due(&case.phase));
        if for_looks_alone && (looks.is_empty() || !self.may_look(now)) {
            return;
        }
        // Those that only wait for the world to change ride along: the scan costs the same.
        let served: Vec<_> = self.cases.values().filter(|case| matches!(case.phase, Phase::Scanning { .. })).collect();
        let rules = Arc::clone(&self.policy.addresses);
        let mut wanted = Wanted { rules: Arc::clone(&rules), ..Wanted::default() };
        wanted.addresses.extend(self.policy.protected.iter().cloned());
        for case in &served {
            wanted.addresses.extend(rules.canonical_all(&case.addresses).into_owned());
            wanted.accounts.extend(case.accounts.keys().copied());
        }
        let urgent = served.iter().any(|case| case.urgent);
        let served: BTreeSet<CaseId> = served.iter().map(|case| case.id).chain(looks.iter().copied()).collect();
        self.look_for(&looks, &mut wanted);
        if !looks.is_empty() {
            self.looked = now;
        }
        self.scanning = Some(served);
        self.scan_asked = now;
        self.effects.push(Effect::Scan { wanted, urgent });
    }

    fn collect_work(&mut self, now: Timestamp) {
        let Some(me) = self.me.clone() else { return };
        let leavers = self.leavers();
        let mut order: Vec<CaseId> = self.cases.values().filter(|case| case.may_remove()).map(|case| case.id).collect();
        order.sort_by_key(|id| (!self.cases[id].urgent, self.cases[id].received_at, *id));

        // What is not worked on is not stopped by anything that concerns the work alone.
        let idle = self.cases.values().filter(|case| !case.may_remove() && case.limited.is_some());
        for id in idle.map(|case| case.id).collect::<Vec<_>>() {
            self.limit(now, id, None);
        }

        let mut reads = Reads::new();
        let mut busy: BTreeSet<ListId> = BTreeSet::new();
        let mut ahead = 0;
        for id in &order {
            let stopped = self.stopped_by(now, *id);
            let limited = stopped.as_ref().is_some_and(|stopped| !self.may_probe(now, stopped));
            self.limit(now, *id, stopped);
            let case = &self.cases[id];
            let first = case.revocations.iter().filter(|known| holds_the_gate(known)).map(|known| known.grant.surface);
            let (halted, gate) = (limited || case.cancelled_by.is_some(), first.min());
            let mut floors: Vec<(GrantId, Option<String>)> = Vec::new();
            for known in case.revocations.iter().filter(|known| known.is_pending()) {
                let Some(list) = known.list() else { continue };
                let around = Around { case, halted, gate, full: ahead >= CANDIDATES_MAX, me: &me, leavers: &leavers };
                let step = self.next_step(now, known, list, &around);
                ahead += usize::from(matches!(step, Step::Read | Step::BelowFloor(_) | Step::Go));
                if matches!(step, Step::Soon | Step::Read | Step::Go) {
                    busy.insert(list);
                }
                match step {
                    Step::Rest | Step::Soon => {}
                    Step::Read => {
                        reads.insert(list, (known.grant.parent.name().to_owned(), case.urgent));
                    }
                    Step::BelowFloor(figures) => floors.push((known.grant.id, Some(figures))),
                    Step::Go => {
                        if known.decision == Decision::Hold {
                            floors.push((known.grant.id, None));
                        }
                        self.candidates.push(Candidate { case: *id, grant: known.grant.id, urgent: case.urgent });
                    }
                }
            }
            self.apply_floors(now, *id, floors);
        }
        if self.circuit.figures().is_some() {
            // One is enough, and not always the same.
            let mut candidates = std::mem::take(&mut self.candidates);
            candidates.sort_by_key(|candidate| self.failures(candidate));
            self.candidates = candidates;
            self.candidates.truncate(1);
        }
        self.add_due_proofs(now, &order, &busy, &mut reads);
        self.ask_for(now, reads);
    }

    /// What is next for a grant that is to go.
    fn next_step(&self, now: Timestamp, known: &Revocation, list: ListId, around: &Around<'_>) -> Step {
        let (due, read_after) = match known.progress {
            Progress::Waiting { due, read_after } => (due, read_after),
            Progress::Intended { .. } => return Step::Soon,
            Progress::Attempted { .. } | Progress::Settled { .. } => return Step::Rest,
        };
        let case = around.case;
        if around.halted
            || due > now
            || waits_for_a_role(known, case)
            || would_take_what_is_held(known, case, self.observes_teams())
        {
            return Step::Rest;
        }
        if around.gate.is_some_and(|gate| known.grant.surface > gate) {
            return Step::Soon;
        }
        let oldest = now.saturating_sub(self.policy.timing.freshness).unwrap_or(Timestamp::MIN);
        let fresh = |read: &&ListRead| (oldest..=now).contains(&read.began) && read.began >= read_after;
        let read = self.lists.get(&list).filter(fresh);
        // A list that cannot be read must not keep the places of those behind it.
        if read.is_none() && self.is_put_off(now, list) {
            return Step::Rest;
        }
        if around.full {
            return Step::Soon;
        }
        let Some(read) = read else { return Step::Read };
        below_floor(known, case, read, around.me, around.leavers, self.policy.min_human_admins)
            .map_or(Step::Go, Step::BelowFloor)
    }

    /// Adds the lists that prove what was attempted, unless more leaves from them soon.
    fn add_due_proofs(&self, now: Timestamp, order: &[CaseId], busy: &BTreeSet<ListId>, reads: &mut Reads) {
        for case in order.iter().map(|id| &self.cases[id]) {
            for known in &case.revocations {
                let (Some(list), Progress::Attempted { answered, due }) = (known.list(), known.progress) else {
                    continue;
                };
                let patient = answered.saturating_add(self.policy.timing.proof_patience).unwrap_or(Timestamp::MAX);
                if due <= now && (!busy.contains(&list) || patient <= now) {
                    reads.insert(list, (known.grant.parent.name().to_owned(), case.urgent));
                }
            }
        }
    }

    fn ask_for(&mut self, now: Timestamp, mut reads: Reads) {
        reads.retain(|list, _| !self.reading.contains(list) && !self.is_put_off(now, *list));
        if !reads.is_empty() {
            self.reading.extend(reads.keys().copied());
            let urgent = reads.values().any(|(_, urgent)| *urgent);
            let lists = reads.into_iter().map(|(list, (name, _))| (list, name)).collect();
            self.effects.push(Effect::Read { lists, urgent });
        }
    }

    fn observes_teams(&self) -> bool {
        self.policy.teams.values().any(|mode| *mode == Mode::Observe)
    }

    /// Whether a list could not be read lately.
    fn is_put_off(&self, now: Timestamp, list: ListId) -> bool {
        self.list_failures.get(&list).is_some_and(|(_, due)| *due > now)
    }

    fn failures(&self, candidate: &Candidate) -> u32 {
        let mut revocations = self.cases[&candidate.case].revocations.iter();
        revocations.find(|known| known.grant.id == candidate.grant).map_or(0, |known| known.failures)
    }

    pub(super) fn apply_floors(&mut self, now: Timestamp, id: CaseId, floors: Vec<(GrantId, Option<String>)>) {
        let recheck = now.saturating_add(self.policy.timing.hold_recheck).unwrap_or(Timestamp::MAX);
        for (grant, held) in floors {
            let case = self.cases.get_mut(&id).expect("the case was looked at above");
            let Some(revocation) = case.revocations.iter_mut().find(|known| known.grant.id == grant) else { continue };
            match held {
                Some(figures) => {
                    revocation.decision = Decision::Hold;
                    revocation.reason = Some(HoldReason::LastHumanAdmin.as_str().to_owned());
                    revocation.progress = Progress::Waiting { due: recheck, read_after: now };
                    self.verdict(now, id, HoldReason::LastHumanAdmin, true, figures);
                }
                None => {
                    revocation.decision = Decision::Revoke;
                    revocation.reason = None;
                    self.verdict(now, id, HoldReason::LastHumanAdmin, false, "somebody else is admin now".to_owned());
                }
            }
            self.touch_case(id);
        }
    }

    pub(super) fn limit(&mut self, now: Timestamp, id: CaseId, stopped: Option<(HoldReason, String)>) {
        let Some(case) = self.cases.get_mut(&id).filter(|case| case.limited != stopped) else { return };
        if let (Some((before, _)), Some((guard, _))) = (&case.limited, &stopped) {
            // The figures move with everybody who begins; once in a while is often enough.
            let lately = |at: Timestamp| now.duration_since(at) < self.policy.timing.hold_recheck;
            let told = case.verdicts.iter().any(|known| known.guard == *guard && lately(known.at));
            if before == guard && told {
                return;
            }
        }
        case.limited.clone_from(&stopped);
        // Guards are asked in order. One that comes before has let go; one behind it was not asked.
        let guard = stopped.as_ref().map(|(guard, _)| *guard);
        let barred = case.barred.as_ref().map(|(reason, _)| *reason);
        let passed = ASKED.into_iter().take_while(|asked| Some(*asked) != guard).filter(|asked| Some(*asked) != barred);
        let held = |asked: &HoldReason| case.verdicts.iter().any(|known| known.held && known.guard == *asked);
        let passed: Vec<HoldReason> = passed.filter(held).collect();
        self.touch_case(id);
        for guard in passed {
            self.verdict(now, id, guard, false, "lets it go on".to_owned());
        }
        if let Some((guard, figures)) = stopped {
            self.verdict(now, id, guard, true, figures);
        }
    }

    /// A clock that jumps is not believed for a while: no departure begins because of it.
    fn watch_the_clock(&mut self, now: Timestamp) {
        let passed = now.duration_since(self.turned);
        if self.turned != Timestamp::MIN && !(CLOCK_BACK..CLOCK_AHEAD).contains(&passed) {
            self.doubted_until = now.saturating_add(CLOCK_STEADY).unwrap_or(Timestamp::MAX);
            // The scan that is under way begins by the clock as it is now.
            self.scan_asked = self.scan_asked.min(now);
        }
        self.turned = now;
    }

    fn begin_what_is_due(&mut self, now: Timestamp) {
        if now < self.doubted_until {
            return;
        }
        let due = |phase: &Phase| matches!(phase, Phase::Scheduled { due } if *due <= now);
        let ids: Vec<CaseId> = self.cases.values().filter(|case| due(&case.phase)).map(|case| case.id).collect();
        for id in ids {
            self.cases.get_mut(&id).expect("just listed").phase = Phase::Scanning { due: now };
            self.touch_case(id);
        }
    }

    fn mark_overdue(&mut self, now: Timestamp) {
        let late: Vec<CaseId> =
            self.cases.values().filter(|case| !case.overdue && case.deadline < now).map(|case| case.id).collect();
        for id in late {
            self.cases.get_mut(&id).expect("just listed").overdue = true;
            self.touch_case(id);
            self.tell_overdue(now, id);
        }
    }

    /// Forgets what no longer answers for anything. Once an hour is often enough.
    fn sweep(&mut self, now: Timestamp) {
        // By a clock that was set ahead all of it would be old.
        let lately = SignedDuration::ZERO..SignedDuration::from_hours(1);
        if now < self.doubted_until || lately.contains(&now.duration_since(self.swept)) {
            return;
        }
        self.swept = now;
        let kept = |digest: &Digest| if digest.is_waiting_plan() { PLAN_KEPT } else { DIGEST_KEPT };
        let old = self.digests.values().filter(|digest| now.duration_since(digest.closed_at) > kept(digest));
        let old: Vec<CaseId> = old.map(|digest| digest.id).collect();
        for id in old {
            self.digests.remove(&id);
            self.touch_case(id);
        }
        let before = self.windows.begun.len();
        self.windows.begun.retain(|_, begun| now.duration_since(begun.at) < SignedDuration::from_hours(24));
        for team in self.windows.teams.values_mut() {
            team.begun.retain(|_, at| now.duration_since(*at) < SignedDuration::from_hours(24));
        }
        self.windows.teams.retain(|_, team| !team.begun.is_empty());
        if before != self.windows.begun.len() {
            self.touch_windows();
        }
        self.forget_people(now);
    }
}

/// When to make sure again that the token acts as the account that it is meant to.
pub(super) fn next_look(now: Timestamp) -> Timestamp {
    now.saturating_add(ACCOUNT_LOOK).unwrap_or(Timestamp::MAX)
}

/// An app that names a team's admins and members among its collaborators goes on doing so for as long as somebody has the
/// role, and Heroku refuses to remove such an entry. While the role is held, asking again would only use up the budget.
fn waits_for_a_role(revocation: &Revocation, case: &Case) -> bool {
    let Some(answer) = revocation.attempts.last().and_then(|attempt| attempt.reply.as_ref()) else { return false };
    matches!(answer, Reply::Done | Reply::NotFound | Reply::Refused)
        && case.role_behind(&revocation.grant).is_some_and(|role| role.decision == Decision::Hold)
}

/// A grant whose surface comes first keeps later ones back until it was tried once.
fn holds_the_gate(revocation: &Revocation) -> bool {
    revocation.decision == Decision::Revoke
        && matches!(revocation.progress, Progress::Waiting { .. } | Progress::Intended { .. })
        && !revocation.was_answered()
}

/// Heroku may take whoever leaves an enterprise account out of its teams: not while a membership there is held, or a team
/// is unread that may be one of those that observe.
fn would_take_what_is_held(revocation: &Revocation, case: &Case, some_observe: bool) -> bool {
    let held = |other: &Revocation| {
        other.grant.surface == Surface::TeamMembership && other.decision == Decision::Hold && other.is_pending()
    };
    let unseen = some_observe && !case.coverage.complete;
    revocation.grant.surface == Surface::EnterpriseMembership && (unseen || case.revocations.iter().any(held))
}
