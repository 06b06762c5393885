//! The engine against a Heroku of a few lists, in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::fixtures::{event, policy};
use super::policy::Policy;
use super::{Effect, Engine, Input};
use crate::model::event::{Action, Authenticity, Normalised, Origin, PersonEvent};
use crate::model::outcome::{
    AccessAfter, CaseClosed, CaseResult, ExecutedBy, HoldReason, Mode, Outcome, OutcomeKind, OutcomeRecord,
};
use crate::model::world::{
    Account, Answer, App, Collaborator, Entries, Evidence, Invitation, ListId, ListRead, Member, Reply, Scan, Team,
    Unread, User,
};
use crate::model::{AccountId, AppId, CollaboratorId, Email, InvitationId, MembershipId, Removal, TeamId};

const START: &str = "2026-06-01T12:00:00Z";

fn uuid(kind: u8, number: u8) -> Uuid {
    Uuid::from_bytes([kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

fn user(number: u8) -> User {
    User { account: Some(AccountId(uuid(1, number))), email: email(number) }
}

fn email(number: u8) -> Email {
    Email::parse(&format!("p{number}@larkspur.example")).unwrap()
}

/// A Heroku that answers at once, unless told otherwise.
struct Heroku {
    members: BTreeMap<u8, Vec<(u8, &'static str)>>,
    invitations: BTreeMap<u8, Vec<u8>>,
    apps: BTreeMap<u8, (u8, Vec<u8>)>,
    owned: Vec<(u8, u8)>,
    /// Whose account carries whose address.
    renamed: BTreeMap<u8, u8>,
    removals: Vec<Removal>,
    /// Teams whose lists cannot be read.
    dark: BTreeSet<u8>,
    /// What the next removals are answered with instead of the truth; the effect happens only with the second.
    replies: Vec<(Reply, bool)>,
}

/// Number of the service's own account, admin of every team.
const ME: u8 = 200;

impl Heroku {
    fn new() -> Self {
        Self {
            members: BTreeMap::from([(1, vec![(ME, "admin"), (9, "admin"), (1, "member"), (2, "member")])]),
            invitations: BTreeMap::from([(1, vec![])]),
            apps: BTreeMap::from([(1, (1, vec![1, 2]))]),
            owned: Vec::new(),
            renamed: BTreeMap::new(),
            removals: Vec::new(),
            dark: BTreeSet::new(),
            replies: Vec::new(),
        }
    }

    fn user(&self, number: u8) -> User {
        User { email: email(*self.renamed.get(&number).unwrap_or(&number)), ..user(number) }
    }

    fn list(&self, list: ListId, at: Timestamp) -> Result<ListRead, Unread> {
        let evidence = |name: &str, items: usize| Evidence {
            list: name.to_owned(),
            at,
            pages: 1,
            items: u32::try_from(items).unwrap(),
            complete: true,
            control: true,
            body_sha256: String::new(),
        };
        match list {
            ListId::Team(team) => {
                let number = team.0.as_bytes()[15];
                if self.dark.contains(&number) {
                    return Err(Unread { what: format!("team t{number}"), why: "not_found".to_owned() });
                }
                let members: Vec<Member> = self.members[&number]
                    .iter()
                    .map(|(person, role)| Member {
                        membership: MembershipId(uuid(number + 10, *person)),
                        user: self.user(*person),
                        role: Some((*role).to_owned()),
                    })
                    .collect();
                let invited = self.invitations.get(&number).cloned().unwrap_or_default();
                let invitations: Vec<Invitation> = invited
                    .iter()
                    .map(|person| Invitation {
                        id: InvitationId(uuid(number + 40, *person)),
                        user: User { account: None, email: email(*person) },
                        role: None,
                    })
                    .collect();
                let evidence = vec![evidence("members", members.len()), evidence("invitations", invitations.len())];
                let entries = Entries::Team { members, invitations: Some(invitations) };
                Ok(ListRead { began: at, entries, evidence })
            }
            ListId::App(app) => {
                let number = app.0.as_bytes()[15];
                let people: Vec<Collaborator> = self.apps[&number]
                    .1
                    .iter()
                    .map(|person| Collaborator {
                        id: CollaboratorId(uuid(number + 70, *person)),
                        user: self.user(*person),
                        role: Some("collaborator".to_owned()),
                        permissions: vec!["deploy".to_owned()],
                    })
                    .collect();
                let evidence = vec![evidence("collaborators", people.len())];
                Ok(ListRead { began: at, entries: Entries::App(people), evidence })
            }
            ListId::Space(_) | ListId::Enterprise(_) => unreachable!("this world has none"),
        }
    }

    fn scan(&self, at: Timestamp) -> Scan {
        let team_lists = self.members.keys().map(|team| ListId::Team(TeamId(uuid(2, *team))));
        let app_lists = self.apps.keys().map(|app| ListId::App(AppId(uuid(3, *app))));
        let app = |number: u8, team: Option<u8>, owner: Option<u8>| App {
            id: AppId(uuid(3, number)),
            name: format!("a{number}"),
            team: team.map(|team| TeamId(uuid(2, team))),
            owner: owner.map(user),
        };
        Scan {
            began: at,
            teams: self
                .members
                .keys()
                .map(|team| Team { id: TeamId(uuid(2, *team)), name: format!("t{team}") })
                .collect(),
            enterprise_teams: Vec::new(),
            apps: self
                .apps
                .iter()
                .map(|(number, (team, _))| app(*number, Some(*team), None))
                .chain(self.owned.iter().map(|(number, owner)| app(*number, None, Some(*owner))))
                .collect(),
            spaces: Vec::new(),
            enterprises: Vec::new(),
            pipelines: Vec::new(),
            lists: team_lists.chain(app_lists).map(|list| (list, self.list(list, at))).collect(),
            not_read: Vec::new(),
        }
    }

    fn remove(&mut self, removal: Removal, at: Timestamp) -> Answer {
        self.removals.push(removal);
        let (reply, effect) = if self.replies.is_empty() { (Reply::Done, true) } else { self.replies.remove(0) };
        if effect {
            match removal {
                Removal::Member { team, membership } => {
                    let number = team.0.as_bytes()[15];
                    let person = membership.0.as_bytes()[15];
                    self.members.get_mut(&number).unwrap().retain(|(known, _)| *known != person);
                }
                Removal::Invitation { team, invitation } => {
                    let person = invitation.0.as_bytes()[15];
                    self.invitations.get_mut(&team.0.as_bytes()[15]).unwrap().retain(|known| *known != person);
                }
                Removal::Collaborator { app, collaborator } => {
                    let person = collaborator.0.as_bytes()[15];
                    self.apps.get_mut(&app.0.as_bytes()[15]).unwrap().1.retain(|known| *known != person);
                }
                Removal::SpaceAccess { .. } | Removal::EnterpriseMember { .. } => unreachable!("this world has none"),
            }
        }
        Answer {
            reply,
            status: Some(200),
            error_id: None,
            request_ids: None,
            sent_at: Some(at),
            answered_at: at,
            retry_after_s: None,
        }
    }
}

/// Engine, Heroku and a log.
struct Story {
    engine: Engine,
    heroku: Heroku,
    now: Timestamp,
    state: BTreeMap<String, Vec<u8>>,
    outcomes: Vec<OutcomeRecord>,
    policy: Policy,
    events: i64,
    /// How often each list was read on its own.
    reads: BTreeMap<ListId, u32>,
}

impl Story {
    fn new(policy: Policy) -> Self {
        let now = START.parse().unwrap();
        let engine = Engine::new(policy.clone(), ExecutedBy::default());
        Self {
            engine,
            heroku: Heroku::new(),
            now,
            state: BTreeMap::new(),
            outcomes: Vec::new(),
            policy,
            events: 0,
            reads: BTreeMap::new(),
        }
    }

    fn hears(&mut self, event: PersonEvent) {
        let offset = self.events;
        self.events += 1;
        let origin = Origin {
            source: "hr".to_owned(),
            cluster: "default".to_owned(),
            topic: "hr.leavers".to_owned(),
            partition: 0,
            offset,
            element: String::new(),
            record_sha256: String::new(),
            received_at: self.now,
            authenticity: Authenticity::TopicAcl,
        };
        let input = Input::Event(Box::new(Normalised { event, origin, traceparent: None }));
        self.engine.handle(self.now, input);
    }

    fn leaves(&mut self, person: u8) {
        let id = format!("left-{person}");
        let mut event = event(&format!("hr:larkspur:{person}"), &id, email(person).expose());
        event.occurred_at = self.now;
        self.hears(event);
    }

    /// One turn: commit, then carry out. Every removal must be named by a record committed before.
    fn turn(&mut self) {
        self.engine.advance(self.now);
        let (urgent, normal) = self.engine.ready();
        self.engine.intend(self.now, urgent, normal);
        let turn = self.engine.take_turn();
        for (key, value) in turn.state {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        self.outcomes.extend(turn.outcomes);
        for effect in turn.effects {
            let input = match effect {
                Effect::AskAccount => {
                    let me = user(ME);
                    Input::Account(Account { id: me.account.unwrap(), email: me.email })
                }
                Effect::Scan { .. } => Input::Scanned(Box::new(self.heroku.scan(self.now))),
                Effect::Read { lists, .. } => {
                    for list in lists.keys() {
                        *self.reads.entry(*list).or_default() += 1;
                    }
                    Input::Lists(lists.keys().map(|list| (*list, self.heroku.list(*list, self.now))).collect())
                }
                Effect::Remove { case, grant, intent, removal, .. } => {
                    let committed = String::from_utf8(self.state[&format!("case/{case}")].clone()).unwrap();
                    assert!(committed.contains(&intent.to_string()), "a removal without a committed intent");
                    Input::Answered { case, grant, intent, answer: self.heroku.remove(removal, self.now) }
                }
            };
            self.now += SignedDuration::from_millis(20);
            self.engine.handle(self.now, input);
        }
    }

    fn passes(&mut self, span: SignedDuration) {
        let end = self.now + span;
        let step = if span < SignedDuration::from_hours(1) { 250 } else { 20_000 };
        while self.now < end {
            self.turn();
            self.now += SignedDuration::from_millis(step);
        }
    }

    /// The process dies; what was committed is all that is left.
    fn dies(&mut self) {
        let records = self.state.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.engine = Engine::restore(self.policy.clone(), ExecutedBy::default(), records, self.now).unwrap();
    }

    fn closed(&self) -> Vec<&CaseClosed> {
        self.outcomes
            .iter()
            .filter_map(|record| match &record.data {
                Outcome::Closed(closed) => Some(closed.as_ref()),
                Outcome::Revoked(_) | Outcome::Progress(_) => None,
            })
            .collect()
    }

    fn told(&self, kind: OutcomeKind) -> usize {
        self.outcomes.iter().filter(|record| record.kind == kind).count()
    }

    fn reasons(&self) -> BTreeSet<HoldReason> {
        self.engine.census().held.into_keys().collect()
    }
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn a_leaver_loses_everything_and_nobody_else_anything() {
    let mut story = Story::new(policy());
    story.heroku.invitations.insert(1, vec![1]);
    story.leaves(1);
    story.passes(minutes(1));
    let closed = story.closed();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].result, closed[0].access_after), (CaseResult::Removed, AccessAfter::None));
    assert_eq!(closed[0].grants.len(), 3);
    assert!(closed[0].grants.iter().all(|grant| grant.proof.is_some()), "{:?}", closed[0].grants);
    assert_eq!(story.heroku.removals.len(), 3);
    assert!(matches!(story.heroku.removals[0], Removal::Invitation { .. }));
    assert!(matches!(story.heroku.removals[1], Removal::Collaborator { .. }));
    assert_eq!(story.heroku.members[&1], [(ME, "admin"), (9, "admin"), (2, "member")]);
    assert_eq!(story.heroku.apps[&1].1, [2]);
    assert_eq!(story.told(OutcomeKind::GrantRevoked), 3);
    assert_eq!(story.told(OutcomeKind::CaseOpened), 1);
}

#[test]
fn one_proof_of_a_list_serves_everybody_who_leaves_it() {
    let leavers = 20..32;
    let mut story = Story::new(Policy { max_people_per_hour: 100, max_people_per_day: 100, ..policy() });
    for person in leavers.clone() {
        story.heroku.members.get_mut(&1).unwrap().push((person, "member"));
        story.heroku.apps.get_mut(&1).unwrap().1.push(person);
    }
    for person in leavers.clone() {
        story.leaves(person);
    }
    story.passes(minutes(1));
    assert_eq!(story.closed().len(), leavers.len());
    // More than may be on the wire at once: some memberships are gone while others still wait for their app grants.
    assert_eq!(story.reads[&ListId::Team(TeamId(uuid(2, 1)))], 1);
    assert_eq!(story.reads[&ListId::App(AppId(uuid(3, 1)))], 1);
}

#[test]
fn a_repeated_event_opens_no_second_case() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.leaves(1);
    story.passes(minutes(1));
    story.leaves(1);
    story.dies();
    story.leaves(1);
    story.passes(minutes(1));
    assert_eq!(story.closed().len(), 1);
}

#[test]
fn observe_mode_asks_for_nothing_to_be_removed() {
    let mut story = Story::new(Policy { mode: Mode::Observe, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    assert_eq!(story.closed()[0].result, CaseResult::Planned);
    assert_eq!(story.closed()[0].access_after, AccessAfter::Remaining);
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn the_last_human_admin_stays_until_there_is_another() {
    let mut story = Story::new(policy());
    story.heroku.apps.insert(2, (1, vec![9]));
    story.leaves(9);
    story.passes(minutes(5));
    assert!(story.closed().is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LastHumanAdmin]));
    assert!(story.heroku.apps[&2].1.is_empty(), "everything else goes at once");
    assert_eq!(story.told(OutcomeKind::CaseHeld), 1);
    story.heroku.members.get_mut(&1).unwrap()[3].1 = "admin";
    story.passes(minutes(5));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    assert_eq!(story.told(OutcomeKind::CaseResumed), 1);
}

#[test]
fn two_admins_who_leave_together_do_not_count_for_each_other() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "admin"), (9, "admin")]);
    story.leaves(1);
    story.leaves(9);
    story.passes(minutes(5));
    assert_eq!(story.heroku.members[&1].len(), 3);
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LastHumanAdmin]));
}

#[test]
fn a_lost_answer_is_looked_after_and_counts_once() {
    let mut story = Story::new(policy());
    story.heroku.replies = vec![(Reply::NoAnswer, true), (Reply::NoAnswer, false)];
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    // The first had its effect and is not repeated; the second had none and is.
    assert_eq!(story.heroku.removals.len(), 3);
}

#[test]
fn done_without_effect_is_no_proof() {
    let mut story = Story::new(policy());
    story.heroku.replies = vec![(Reply::Done, false), (Reply::NotFound, false)];
    story.leaves(1);
    story.passes(minutes(5));
    let closed = story.closed();
    assert_eq!(closed[0].result, CaseResult::Removed);
    assert_eq!(story.heroku.removals.len(), 4);
    assert!(!story.heroku.apps[&1].1.contains(&1));
}

#[test]
fn a_crash_after_an_intent_repeats_nothing_that_had_its_effect() {
    let mut story = Story::new(policy());
    story.leaves(1);
    while story.heroku.removals.is_empty() {
        story.turn();
    }
    story.dies();
    story.passes(minutes(2));
    assert_eq!(story.closed().len(), 1);
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    assert_eq!(story.heroku.removals.len(), 2);
}

#[test]
fn an_unread_team_keeps_the_case_open_and_the_rest_goes() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(2, vec![(ME, "admin"), (1, "member")]);
    story.heroku.dark.insert(2);
    story.leaves(1);
    story.passes(minutes(5));
    assert!(story.closed().is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::CoverageIncomplete]));
    assert!(!story.heroku.members[&1].contains(&(1, "member")));
    story.heroku.dark.clear();
    story.passes(minutes(10));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    assert!(!story.heroku.members[&2].contains(&(1, "member")));
}

#[test]
fn a_cap_on_people_holds_and_lets_go_when_the_window_has_passed() {
    let mut story = Story::new(Policy { max_people_per_hour: 1, ..policy() });
    story.leaves(1);
    story.leaves(2);
    story.passes(minutes(5));
    assert_eq!(story.closed().len(), 1);
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
    story.dies();
    story.passes(minutes(5));
    assert_eq!(story.closed().len(), 1, "the window survives a restart");
    story.passes(minutes(60));
    assert_eq!(story.closed().len(), 2);
}

#[test]
fn nobody_is_removed_while_the_caps_are_nought() {
    let mut story = Story::new(Policy { max_people_per_day: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(120));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
}

#[test]
fn the_protected_and_the_service_itself_are_refused() {
    let mut story = Story::new(Policy { protected: BTreeSet::from([email(1)]), ..policy() });
    story.leaves(1);
    story.leaves(ME);
    story.passes(minutes(1));
    assert!(story.closed().iter().all(|closed| closed.result == CaseResult::Refused));
    assert_eq!(story.closed().len(), 2);
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn somebody_unknown_to_heroku_has_nothing_to_remove() {
    let mut story = Story::new(policy());
    story.leaves(77);
    story.passes(minutes(1));
    assert_eq!(story.closed()[0].result, CaseResult::NothingToRemove);
    assert_eq!(story.closed()[0].access_after, AccessAfter::None);
}

#[test]
fn an_owned_app_is_reported_as_residual() {
    let mut story = Story::new(policy());
    story.heroku.owned = vec![(50, 1)];
    story.leaves(1);
    story.passes(minutes(1));
    assert_eq!(story.closed()[0].result, CaseResult::RemovedWithResiduals);
    assert_eq!(story.closed()[0].access_after, AccessAfter::Remaining);
    assert_eq!(story.closed()[0].residuals.len(), 1);
}

#[test]
fn a_newer_statement_to_the_contrary_ends_the_case() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    let mut back = event("hr:larkspur:1", "back-1", email(1).expose());
    back.action = Action::Cancel;
    back.occurred_at = story.now;
    story.hears(back);
    story.passes(minutes(1));
    assert_eq!(story.closed()[0].result, CaseResult::Cancelled);
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn kinds_that_are_not_acted_on_yet_hold() {
    let mut story = Story::new(policy());
    for (person, action) in [(1, Action::Suspend), (2, Action::Schedule)] {
        let mut event = event(&format!("hr:larkspur:{person}"), &format!("e{person}"), email(person).expose());
        event.action = action;
        event.occurred_at = story.now;
        story.hears(event);
    }
    story.passes(minutes(5));
    assert!(story.closed().is_empty() && story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::Suspended, HoldReason::UnsupportedKind]));
    story.leaves(1);
    story.passes(minutes(5));
    let results: Vec<_> = story.closed().iter().map(|closed| closed.result).collect();
    assert_eq!(results, [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_refused_account_stops_everything_until_it_works_again() {
    let mut story = Story::new(policy());
    story.heroku.replies = vec![(Reply::AccountStopped, false)];
    story.leaves(1);
    for _ in 0..6 {
        story.turn();
    }
    assert!(story.engine.census().stopped.is_some());
    assert_eq!(story.heroku.removals.len(), 1);
    story.passes(minutes(2));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
}

#[test]
fn a_missed_deadline_is_told_once_and_the_case_goes_on() {
    let mut story = Story::new(policy());
    story.heroku.dark.insert(1);
    story.leaves(1);
    story.passes(SignedDuration::from_hours(25));
    assert_eq!(story.told(OutcomeKind::CaseOverdue), 1);
    story.heroku.dark.clear();
    story.passes(SignedDuration::from_hours(2));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    assert!(!story.closed()[0].times.deadline_met);
}

#[test]
fn a_team_in_observe_mode_keeps_its_people_and_those_of_its_apps() {
    let mut story = Story::new(Policy { teams: BTreeMap::from([("t1".to_owned(), Mode::Observe)]), ..policy() });
    story.leaves(1);
    story.passes(minutes(5));
    assert!(story.heroku.removals.is_empty(), "{:?}", story.heroku.removals);
    assert_eq!(story.closed()[0].result, CaseResult::Planned);
    assert_eq!(story.closed()[0].residuals.len(), 2);
}

#[test]
fn an_address_that_changes_hands_costs_its_new_holder_nothing() {
    let mut story = Story::new(policy());
    story.heroku.replies = vec![(Reply::Unavailable, false)];
    story.leaves(1);
    while story.heroku.removals.is_empty() {
        story.turn();
    }
    // Person 3 is given the address of person 1, who is gone.
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin"), (3, "member")]);
    story.heroku.apps.insert(1, (1, vec![3]));
    story.passes(minutes(10));
    assert_eq!(story.heroku.members[&1].last(), Some(&(3, "member")));
    assert_eq!(story.heroku.apps[&1].1, [3]);
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::AccountChanged]));
}

#[test]
fn a_new_departure_replaces_one_that_was_too_old() {
    let mut story = Story::new(policy());
    let mut old = event("hr:larkspur:1", "old", email(1).expose());
    old.occurred_at = story.now - minutes(60 * 24 * 8);
    story.hears(old);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::EventTooOld]));
    story.leaves(1);
    story.passes(minutes(1));
    let results: Vec<CaseResult> = story.closed().iter().map(|closed| closed.result).collect();
    assert_eq!(results, [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn while_an_address_leads_to_two_accounts_nothing_is_removed() {
    let mut story = Story::new(policy());
    story.leaves(9);
    story.passes(minutes(2));
    story.heroku.renamed.insert(3, 9);
    story.heroku.members.get_mut(&1).unwrap().push((3, "member"));
    story.passes(minutes(2));
    story.heroku.members.get_mut(&1).unwrap()[3].1 = "admin";
    story.passes(minutes(5));
    assert!(story.heroku.members[&1].contains(&(9, "admin")) && story.heroku.removals.is_empty());
    assert!(story.reasons().contains(&HoldReason::AmbiguousAccount), "{:?}", story.reasons());
}
