//! The engine against a Heroku of a few lists, in virtual time.

mod addresses;
mod circuit;
mod engagements;
mod histories;
mod levels;
mod names;
mod orders;
mod people;
mod reads;
mod schedules;
mod story;
mod verification;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use self::story::{ME, Story, email, minutes, user, uuid};
use super::fixtures::{event, policy};
use super::plan::plan_id;
use super::policy::{OnSuspended, PLAN_GRANTS_MAX, Policy};
use super::record::StateRecord;
use crate::model::command::Act;
use crate::model::event::Action;
use crate::model::outcome::{AccessAfter, CaseResult, HoldReason, Mode, OutcomeKind};
use crate::model::world::{Evidence, ListId, ListRead, Reply};
use crate::model::{AppId, IntentId, Removal, TeamId};

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
fn an_app_that_lists_people_for_their_role_is_asked_once_while_the_role_is_held() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "admin")]);
    // The app names its team's admin, and says so whenever the entry is to be removed.
    story.heroku.replies = vec![(Reply::Refused, false)];
    story.leaves(1);
    story.passes(minutes(50));
    assert_eq!(story.heroku.removals.len(), 1, "{:?}", story.heroku.removals);
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LastHumanAdmin]));
    story.heroku.members.get_mut(&1).unwrap().push((9, "admin"));
    story.passes(minutes(5));
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
    assert!(story.heroku.apps[&1].1.iter().all(|person| *person != 1));
}

#[test]
fn a_removal_that_failed_is_tried_again_although_a_role_is_held() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "admin")]);
    story.heroku.replies = vec![(Reply::Unavailable, false), (Reply::NoAnswer, false)];
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.heroku.removals.len(), 3);
    assert_eq!(story.heroku.apps[&1].1, [2]);
}

/// The most that one plan may hold, each grant refused again and again: it still fits into one record of the state topic.
#[test]
fn the_largest_case_stays_a_record_that_can_be_committed() {
    const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
    let mut story = Story::new(policy());
    story.leaves(1);
    while story.engine.cases.values().all(|case| case.revocations.is_empty()) {
        story.turn();
    }
    let mut case = story.engine.cases.values().next().unwrap().clone();
    let mut refused = case.revocations[0].clone();
    for number in 0..40 {
        refused.intend(IntentId(uuid(1, number)), story.now, PLAN_GRANTS_MAX);
        let attempt = refused.attempts.last_mut().unwrap();
        (attempt.sent_at, attempt.answered_at) = (Some(story.now), Some(story.now));
        (attempt.reply, attempt.status) = (Some(Reply::Unavailable), Some(503));
        attempt.error_id = Some("service_unavailable".to_owned());
        attempt.request_ids = Some("01234567-89ab-cdef-0123-456789abcdef,".repeat(4));
    }
    assert_eq!((refused.attempts.len(), refused.tries()), (1, 40));
    case.revocations = vec![refused; PLAN_GRANTS_MAX];
    let ListRead { evidence, .. } = story.heroku.list(ListId::Team(TeamId(uuid(2, 1))), story.now).unwrap();
    case.proofs = vec![Evidence { body_sha256: "0".repeat(64), ..evidence[0].clone() }; PLAN_GRANTS_MAX];
    let (_, value) = StateRecord::Case(Box::new(case)).encode();
    assert!(value.len() < RECORD_BYTES_MAX * 3 / 4, "{} bytes", value.len());
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
fn a_list_that_takes_long_to_read_may_lag_all_the_same() {
    let mut story = Story::new(policy());
    story.heroku.apps.clear();
    story.heroku.replies = vec![(Reply::Done, false)];
    story.heroku.slow = story.policy.timing.read_lag + SignedDuration::from_secs(1);
    story.leaves(1);
    while story.reads.is_empty() {
        story.turn();
    }
    story.passes(SignedDuration::from_secs(4));
    assert_eq!(story.heroku.removals.len(), 1, "the list was asked for right after the answer");
    story.passes(minutes(5));
    assert_eq!(story.heroku.removals.len(), 2, "one asked for later is believed");
    assert_eq!(story.closed()[0].result, CaseResult::Removed);
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
    story.until_it_removes();
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
    let held = story.engine.cases.values().next().unwrap();
    assert_eq!(held.holds[0].detail, "1 people in 1 h, limit 1 (guards.max_people_per_hour): 1 by hr");
    story.dies();
    story.passes(minutes(5));
    assert_eq!(story.closed().len(), 1, "the window survives a restart");
    story.passes(minutes(60));
    assert_eq!(story.closed().len(), 2);
}

#[test]
fn a_cap_on_the_share_of_a_team_holds_the_third_of_a_small_one() {
    let mut story = Story::new(Policy { max_percent_of_team: 20, ..policy() });
    for person in [3, 4] {
        story.heroku.members.get_mut(&1).unwrap().push((person, "member"));
    }
    for person in [1, 2, 3] {
        story.leaves(person);
    }
    story.passes(minutes(5));
    story.dies();
    story.passes(minutes(5));
    assert_eq!(story.closed().len(), 2);
    let held = story.told(OutcomeKind::CaseHeld);
    assert_eq!((held, story.reasons()), (1, BTreeSet::from([HoldReason::LimitReached])));
    story.passes(minutes(24 * 60));
    assert_eq!(story.closed().len(), 3);
}

#[test]
fn the_share_of_a_team_is_that_of_its_members_before_the_first_went() {
    let mut story = Story::new(Policy { max_percent_of_team: 20, ..policy() });
    (20..36).for_each(|person| story.heroku.members.get_mut(&1).unwrap().push((person, "member")));
    (20..36).for_each(|person| story.leaves(person));
    story.passes(minutes(5));
    assert_eq!((story.heroku.members[&1].len(), story.closed().len()), (16, 4), "a fifth of twenty");
    story.ordered(Act::Retry { cases: story.engine.cases.keys().copied().collect() });
    story.passes(minutes(5));
    assert_eq!(story.closed().len(), 4);
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
fn an_account_that_gets_a_protected_address_later_is_spared() {
    let protected = BTreeSet::from([email(1)]);
    let mut story = Story::new(Policy { protected, max_people_per_hour: 1, ..policy() });
    // For now the protected person's account carries another address, which an event names.
    story.heroku.renamed.insert(1, 3);
    story.leaves(2);
    story.passes(minutes(1));
    story.leaves(3);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
    story.passes(minutes(50));
    story.heroku.renamed.remove(&1);
    story.passes(minutes(15));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Refused]);
    assert_eq!(story.closed()[1].person.heroku_account_ids, [user(1).account.unwrap()]);
    assert!(story.heroku.apps[&1].1.contains(&1));
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
fn a_suspension_waits_and_a_departure_replaces_it() {
    let mut story = Story::new(policy());
    story.says(1, "suspended", Action::Suspend, None);
    story.passes(minutes(5));
    assert!(story.closed().is_empty() && story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::Suspended]));
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_suspension_removes_where_the_source_is_set_so() {
    let mut policy = policy();
    policy.sources.get_mut("hr").unwrap().on_suspended = OnSuspended::Remove;
    let mut story = Story::new(policy);
    story.says(1, "suspended", Action::Suspend, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
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
    story.until_it_removes();
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

#[test]
fn what_nothing_confirms_waits_for_an_approval_also_when_the_address_comes_later() {
    let mut policy = policy();
    policy.sources.get_mut("hr").unwrap().unconfirmed = Some("the shape");
    let mut story = Story::new(policy);
    let mut left = event("hr:larkspur:1", "left-1", email(1).expose());
    left.occurred_at = story.now;
    left.subject.emails.clear();
    left.resolved = false;
    story.hears(left);
    story.passes(minutes(1));
    let both = BTreeSet::from([HoldReason::FormatUnconfirmed, HoldReason::UnresolvedPerson]);
    assert_eq!(story.reasons(), both);
    let mut named = event("hr:larkspur:1", "named", email(1).expose());
    named.action = Action::IdentityUpdate;
    story.hears(named);
    story.passes(minutes(5));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::FormatUnconfirmed]));
    let case = *story.engine.cases.keys().next().unwrap();
    let plan = plan_id(story.engine.cases.values());
    story.ordered(Act::Approve { cases: vec![case], plan });
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}
