//! What stops a removal, looked at immediately before its intent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::case::{Case, Phase};
use super::record::{Begun, TeamWindow};
use super::revocation::Revocation;
use crate::model::outcome::{GuardVerdict, HoldReason};
use crate::model::world::{Account, Entries, ListRead, Member, User};
use crate::model::{AccountId, AddressRules, CaseId, Email, GrantId, PersonId, Surface};

/// What stops the work on a case, in the order in which [`Engine::stopped_by`] asks.
pub(super) const ASKED: [HoldReason; 4] =
    [HoldReason::Paused, HoldReason::PlanChanged, HoldReason::LimitReached, HoldReason::CircuitOpen];

/// So many of the grants that nobody has approved are named.
const NAMED: usize = 5;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// So many people of a team may go within a day, however small it is.
const TEAM_LEAST: u64 = 2;

/// Whether somebody who began then still counts; older entries are swept once an hour.
fn is_counted(now: Timestamp, begun: Timestamp) -> bool {
    now.duration_since(begun) < DAY
}

/// The role that may manage a team's people.
const ADMIN: &str = "admin";

/// A role that Heroku's schema names for a team and nothing describes: taken for an admin's in whoever leaves, and for
/// nobody's in whoever stays.
const OWNER: &str = "owner";

/// Everybody whose departure is under way: they do not count as admins that a team keeps.
#[derive(Debug, Default)]
pub(super) struct Leavers {
    accounts: BTreeSet<AccountId>,
    addresses: BTreeSet<Email>,
    rules: Arc<AddressRules>,
}

impl Leavers {
    fn hold(&self, user: &User) -> bool {
        user.account.is_some_and(|account| self.accounts.contains(&account))
            || self.addresses.contains(&*self.rules.canonical(&user.email))
    }
}

/// Human admins that stay in a team once every leaver is gone, not counting ourselves. Invitees are in no members list.
fn admins_staying(read: &ListRead, me: &Account, leavers: &Leavers) -> usize {
    let Entries::Team { members, .. } = &read.entries else { return 0 };
    let stays = |member: &&Member| {
        member.role.as_deref() == Some(ADMIN)
            && member.user.account != Some(me.id)
            && !leavers.rules.same(&member.user.email, &me.email)
            && !member.user.email.is_pseudo_owner()
            && !leavers.hold(&member.user)
    };
    members.iter().filter(stays).count()
}

/// The figures, when the removal would leave the team with fewer human admins than it must keep.
pub(super) fn below_floor(
    revocation: &Revocation,
    case: &Case,
    read: &ListRead,
    me: &Account,
    leavers: &Leavers,
    least: u32,
) -> Option<String> {
    let leaver = case.leaver(&leavers.rules);
    if revocation.grant.surface != Surface::TeamMembership || !is_admin(read, |user| leaver.is(user)) {
        return None;
    }
    let stay = admins_staying(read, me, leavers);
    let team = revocation.grant.parent.name();
    (stay < least as usize)
        .then(|| format!("team {team} would keep {stay} human admins, limit {least} (guards.min_human_admins)"))
}

/// Whether the person stands in the list as admin.
fn is_admin(read: &ListRead, is_person: impl Fn(&User) -> bool) -> bool {
    match &read.entries {
        Entries::Team { members, .. } => {
            let manages = |member: &&Member| matches!(member.role.as_deref(), Some(ADMIN | OWNER));
            members.iter().filter(manages).any(|member| is_person(&member.user))
        }
        Entries::App(_) | Entries::Space(_) | Entries::Enterprise(_) => false,
    }
}

impl Engine {
    pub(super) fn leavers(&self) -> Leavers {
        let mut leavers = Leavers { rules: Arc::clone(&self.policy.addresses), ..Leavers::default() };
        for case in self.cases.values().filter(|case| !matches!(case.phase, Phase::Scheduled { .. })) {
            leavers.accounts.extend(case.accounts.keys().copied());
            leavers.addresses.extend(leavers.rules.canonical_all(&case.addresses).into_owned());
        }
        leavers
    }

    /// What keeps the case from the next removal, apart from what holds single grants of it.
    pub(super) fn stopped_by(&self, now: Timestamp, id: CaseId) -> Option<(HoldReason, String)> {
        let case = self.cases.get(&id)?;
        if let Some(pause) = &self.orders.paused {
            return Some((HoldReason::Paused, format!("stopped by {}: {}", pause.by, pause.why)));
        }
        let unapproved = case.unapproved();
        if !unapproved.is_empty() {
            let named = unapproved
                .iter()
                .take(NAMED)
                .map(|grant| format!("{} of {}", grant.surface.as_str(), grant.parent.name()));
            let (count, named) = (unapproved.len(), named.collect::<Vec<_>>().join(", "));
            let rest = if count > NAMED { " and others" } else { "" };
            return Some((HoldReason::PlanChanged, format!("{count} more than approved: {named}{rest}")));
        }
        if !case.started()
            && case.approval.is_none()
            && let Some(figures) = self.clock_in_doubt(now).or_else(|| self.limit_reached(now, case.person))
        {
            return Some((HoldReason::LimitReached, figures));
        }
        // A team may come to light only when the rest is on its way.
        if case.approval.is_none()
            && let Some(figures) = self.team_share_reached(now, case)
        {
            return Some((HoldReason::LimitReached, figures));
        }
        self.circuit.figures().map(|figures| (HoldReason::CircuitOpen, figures))
    }

    /// By a clock that was set ahead, whoever began lately would no longer count.
    fn clock_in_doubt(&self, now: Timestamp) -> Option<String> {
        let until = self.doubted_until;
        (now < until)
            .then(|| format!("the clock was set; nobody begins before {until}, when it has gone steadily again"))
    }

    /// The figures of the team of which too many would have gone within a day.
    fn team_share_reached(&self, now: Timestamp, case: &Case) -> Option<String> {
        let percent = self.policy.max_percent_of_team;
        if percent >= 100 {
            return None;
        }
        let none = TeamWindow::default();
        case.team_sizes.iter().find_map(|(team, size)| {
            let window = self.windows.teams.get(team).unwrap_or(&none);
            if window.begun.get(&case.person).is_some_and(|at| is_counted(now, *at)) {
                return None;
            }
            let gone = window.begun.values().filter(|at| is_counted(now, **at)).count();
            let members = u64::from(window.members.max(*size));
            let limit = if percent == 0 { 0 } else { (members * u64::from(percent) / 100).max(TEAM_LEAST) };
            let name = self.catalogue.team_name(*team).unwrap_or("?");
            (gone as u64 >= limit).then(|| {
                format!("{gone} of {members} people of team {name} in 24 h, limit {limit} (guards.max_percent_of_team)")
            })
        })
    }

    /// Counts somebody whose first removal is intended.
    pub(super) fn count_begun(&mut self, now: Timestamp, id: CaseId) {
        let Some(case) = self.cases.get(&id) else { return };
        let before = self.windows.clone();
        if !self.windows.begun.get(&case.person).is_some_and(|begun| is_counted(now, begun.at)) {
            self.windows.begun.insert(case.person, Begun { at: now, source: case.cause.source.clone() });
        }
        for (team, size) in &case.team_sizes {
            let window = self.windows.teams.entry(*team).or_default();
            window.members = window.members.max(*size);
            let at = window.begun.entry(case.person).or_insert(now);
            if !is_counted(now, *at) {
                *at = now;
            }
        }
        if before != self.windows {
            self.touch_windows();
        }
    }

    /// The figures of the cap that the person would pass; `None` = they may begin, or have begun within the day.
    pub(super) fn limit_reached(&self, now: Timestamp, person: PersonId) -> Option<String> {
        if self.windows.begun.get(&person).is_some_and(|begun| is_counted(now, begun.at)) {
            return None;
        }
        let within = |span: SignedDuration| {
            let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
            for begun in self.windows.begun.values().filter(|begun| now.duration_since(begun.at) < span) {
                *sources.entry(&begun.source).or_default() += 1;
            }
            sources
        };
        let caps = [
            ("1 h", SignedDuration::from_hours(1), self.policy.max_people_per_hour, "guards.max_people_per_hour"),
            ("24 h", DAY, self.policy.max_people_per_day, "guards.max_people_per_day"),
        ];
        caps.into_iter().find_map(|(span, length, limit, key)| {
            let sources = within(length);
            let people: usize = sources.values().sum();
            (people >= limit as usize).then(|| {
                let of = sources.iter().map(|(source, people)| format!("{people} by {source}")).collect::<Vec<_>>();
                let of = if of.is_empty() { String::new() } else { format!(": {}", of.join(", ")) };
                format!("{people} people in {span}, limit {limit} ({key}){of}")
            })
        })
    }

    /// Whether one removal of a case that waits for nothing but the circuit may go out, to see whether Heroku answers.
    pub(super) fn may_probe(&self, now: Timestamp, stopped: &(HoldReason, String)) -> bool {
        stopped.0 == HoldReason::CircuitOpen && self.circuit.wants_probe(now)
    }

    /// Takes how a removal went, for the circuit.
    pub(super) fn note_result(&mut self, now: Timestamp, grant: GrantId, failed: bool) {
        if self.circuit.note(now, grant, failed, self.policy.timing.circuit_probe) {
            self.touch_circuit();
        }
    }

    /// Keeps the newest verdict of each guard. One that lets go keeps the figures that had held the case.
    pub(super) fn verdict(&mut self, now: Timestamp, id: CaseId, guard: HoldReason, held: bool, mut figures: String) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let before =
            case.verdicts.iter().position(|known| known.guard == guard).map(|index| case.verdicts.remove(index));
        if let Some(before) = before.filter(|before| before.held && !held) {
            figures = format!("{}; {figures}", before.figures);
        }
        case.verdicts.push(GuardVerdict { guard, held, figures, at: now });
    }
}
