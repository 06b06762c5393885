//! What people order.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::story::{Story, email, minutes, user};
use crate::engine::case::case_id;
use crate::engine::fixtures::{event, policy};
use crate::engine::plan::plan_id;
use crate::engine::policy::Policy;
use crate::model::command::Act;
use crate::model::event::{Action, IdentityChange};
use crate::model::outcome::{CaseResult, HoldReason, Mode, OutcomeKind};
use crate::model::{CaseId, PlanId};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn case_of(person: u8) -> CaseId {
    case_id(&event(&format!("hr:larkspur:{person}"), &format!("left-{person}"), email(person).expose()).source)
}

fn plan_of(story: &Story, people: &[u8]) -> PlanId {
    plan_id(people.iter().map(|person| &story.engine.cases[&case_of(*person)]))
}

#[test]
fn a_pause_stops_everything_also_after_a_restart() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    story.dies();
    story.passes(minutes(1));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::Paused]));
    story.ordered(Act::Resume);
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_pause_in_the_middle_lets_only_what_is_on_the_wire_end() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.until_it_removes();
    story.ordered(Act::Pause);
    story.passes(minutes(5));
    assert_eq!(story.heroku.removals.len(), 1);
}

#[test]
fn an_order_is_obeyed_once() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.ordered(Act::Resume);
    story.turn();
    story.dies();
    assert_eq!(story.engine.commands_position(), Some(2));
    story.orders = 0;
    story.ordered(Act::Pause);
    assert!(story.engine.paused().is_none());
}

#[test]
fn one_approval_releases_all_who_wait_for_the_caps() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.leaves(2);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
    let plan = plan_of(&story, &[1, 2]);
    story.ordered(Act::Approve { cases: vec![case_of(1), case_of(2)], plan });
    story.dies_after_a_turn();
    story.passes(minutes(2));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
    let guards = &story.closed()[0].guards;
    assert!(guards.iter().any(|verdict| verdict.figures.contains("approved by ops")), "{guards:?}");
}

#[test]
fn an_approval_of_another_plan_releases_nobody() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Approve { cases: vec![case_of(1)], plan: plan_of(&story, &[]) });
    story.passes(minutes(2));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.told(OutcomeKind::CaseHeld), 2);
}

#[test]
fn what_was_found_after_the_approval_waits_for_another() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    let plan = plan_of(&story, &[1]);
    story.heroku.apps.insert(2, (1, vec![1]));
    story.ordered(Act::Approve { cases: vec![case_of(1)], plan });
    story.passes(minutes(2));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::PlanChanged]));
    let plan = plan_of(&story, &[1]);
    story.ordered(Act::Approve { cases: vec![case_of(1)], plan });
    story.passes(minutes(2));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// One record may tell of several, under one event id.
#[test]
fn one_order_enforces_the_plans_of_each_person_in_a_record() {
    let mut story = Story::new(policy());
    story.policy.mode = Mode::Observe;
    story.dies();
    let ids: Vec<CaseId> = [1, 2]
        .map(|person| {
            let mut left = event(&format!("hr:larkspur:{person}"), "batch", email(person).expose());
            left.source.element = Some(u32::from(person));
            story.hears(left.clone());
            case_id(&left.source)
        })
        .into();
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Planned, CaseResult::Planned]);
    story.policy.mode = Mode::Enforce;
    story.dies();
    story.ordered(Act::Enforce { cases: ids });
    story.passes(minutes(5));
    assert_eq!(story.results()[2..], [CaseResult::Removed, CaseResult::Removed]);
}

/// Whoever had set the day of a plan may move it once it is enforced.
#[test]
fn a_plan_that_is_enforced_keeps_who_set_its_day() {
    let mut story = Story::new(policy());
    story.policy.mode = Mode::Observe;
    story.dies();
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Schedule, Some(now + minutes(500)), now - minutes(15));
    story.tells("okta", 1, "e2", Action::Deprovision, None, now);
    story.passes(minutes(1));
    let cases = story.closed().iter().map(|closed| closed.case_id).collect();
    story.policy.mode = Mode::Enforce;
    story.dies();
    story.ordered(Act::Pause);
    story.ordered(Act::Enforce { cases });
    story.passes(minutes(1));
    story.tells("okta", 1, "e3", Action::Schedule, Some(now + minutes(900)), now + minutes(1));
    story.ordered(Act::Resume);
    story.passes(minutes(20));
    assert!(story.heroku.removals.is_empty());
    story.passes(minutes(600));
    assert_eq!(story.results(), [CaseResult::Planned, CaseResult::Removed]);
}

/// A removal is answered, and before its proof the person's address turns out to be somebody else's.
#[test]
fn a_case_that_waits_with_a_removal_on_its_way_can_be_cancelled() {
    for by_order in [true, false] {
        let mut story = Story::new(policy());
        story.leaves(1);
        story.until_it_removes();
        let mut hired = event("hr:larkspur:8", "hired", email(1).expose());
        (hired.action, hired.occurred_at) = (Action::Cancel, story.now);
        story.hears(hired);
        story.passes(minutes(5));
        assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
        if by_order {
            story.ordered(Act::Cancel { cases: vec![case_of(1)] });
        } else {
            story.tells("okta", 9, "other", Action::Cancel, None, story.now);
            let mut stays = event("hr:larkspur:1", "stays", "p1@mail.example");
            (stays.action, stays.occurred_at) = (Action::Cancel, story.now);
            story.hears(stays);
        }
        let removals = story.heroku.removals.len();
        story.passes(minutes(5));
        assert_eq!(story.results(), [CaseResult::Cancelled], "{by_order}");
        assert_eq!(story.closed()[0].summary.contains("ordered by ops"), by_order, "{}", story.closed()[0].summary);
        assert_eq!(story.heroku.removals.len(), removals);
    }
}

#[test]
fn an_old_event_makes_its_plan_and_waits_for_an_approval() {
    let mut story = Story::new(policy());
    let mut old = event("hr:larkspur:1", "left-1", email(1).expose());
    old.occurred_at = story.now - minutes(60 * 24 * 8);
    story.hears(old);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::EventTooOld]));
    let plan = plan_of(&story, &[1]);
    story.ordered(Act::Approve { cases: vec![case_of(1)], plan });
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn planned_people_are_enforced_later_and_the_caps_hold() {
    let mut story = Story::new(Policy { mode: Mode::Observe, max_people_per_hour: 1, ..policy() });
    story.leaves(1);
    story.leaves(2);
    story.passes(minutes(2));
    assert_eq!(story.results(), [CaseResult::Planned, CaseResult::Planned]);
    story.policy.mode = Mode::Enforce;
    story.dies();
    story.ordered(Act::Enforce { cases: vec![case_of(1), case_of(2)] });
    story.passes(minutes(5));
    assert_eq!(story.results()[2..], [CaseResult::Removed]);
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
    assert_eq!(story.closed()[2].cause.kind, "enforce");
    story.passes(minutes(60));
    assert_eq!(story.results().len(), 4);
    // Twice is once.
    story.ordered(Act::Enforce { cases: vec![case_of(1)] });
    story.passes(minutes(5));
    assert_eq!(story.results().len(), 4);
}

#[test]
fn whoever_came_back_since_the_plan_is_not_enforced() {
    let mut story = Story::new(Policy { mode: Mode::Observe, ..policy() });
    story.leaves(1);
    story.passes(minutes(2));
    story.says(1, "back", Action::Cancel, None);
    story.policy.mode = Mode::Enforce;
    story.passes(minutes(1));
    story.dies();
    story.ordered(Act::Enforce { cases: vec![case_of(1)] });
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Planned, CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn a_plan_whose_day_was_put_off_since_is_enforced_on_that_day() {
    let mut story = Story::new(Policy { mode: Mode::Observe, ..policy() });
    story.leaves(1);
    story.passes(minutes(2));
    story.policy.mode = Mode::Enforce;
    story.dies();
    let later = story.now + minutes(60);
    story.says(1, "later", Action::Schedule, Some(later));
    story.passes(minutes(1));
    let scheduled = *story.engine.cases.keys().next().unwrap();
    story.ordered(Act::Cancel { cases: vec![scheduled] });
    story.ordered(Act::Enforce { cases: vec![case_of(1)] });
    story.passes(minutes(30));
    assert!(story.heroku.removals.is_empty());
    story.passes(minutes(60));
    assert_eq!(story.results(), [CaseResult::Planned, CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_cancelled_case_removes_nothing() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Cancel { cases: vec![case_of(1)] });
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.closed()[0].summary.contains("ops"));
}

/// The same departure, told by a record of its own that was written before the order.
#[test]
fn whom_an_order_has_spared_a_repeat_does_not_remove() {
    for ahead in [minutes(0), DAY] {
        let mut story = Story::new(policy());
        let (told, day) = (story.now, story.now + ahead);
        story.ordered(Act::Pause);
        story.tells("okta", 1, "left", Action::Deprovision, Some(day), told);
        story.passes(minutes(2));
        let cases = story.engine.cases.keys().copied().collect();
        story.ordered(Act::Cancel { cases });
        story.ordered(Act::Resume);
        story.passes(minutes(2));
        story.tells("okta", 1, "left, again", Action::Deprovision, Some(day), told);
        story.passes(DAY * 2);
        assert_eq!((story.results(), story.heroku.removals.len()), (vec![CaseResult::Cancelled], 0));
        // Whoever says so anew is believed.
        story.tells("okta", 1, "left indeed", Action::Deprovision, Some(day), story.now);
        story.passes(minutes(5));
        assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
    }
}

/// An order about what only observes, or about a test, says nothing of the removal.
#[test]
fn an_order_about_a_test_spares_nobody() {
    let mut story = Story::new(policy());
    let (told, day) = (story.now, story.now + DAY);
    let mut test = event("okta:larkspur:1", "test", email(1).expose());
    (test.action, test.synthetic, test.occurred_at) = (Action::Schedule, true, told);
    test.effective = Some(super::story::at(day));
    story.hears(test);
    story.passes(minutes(2));
    story.ordered(Act::Cancel { cases: story.engine.cases.keys().copied().collect() });
    story.passes(minutes(2));
    story.tells("hr", 1, "left", Action::Schedule, Some(day), told);
    story.passes(DAY + minutes(10));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

/// A day that was ordered off once may be the one to which another source puts its own off.
#[test]
fn an_order_keeps_no_source_from_moving_its_own_day() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Schedule, Some(now + DAY), now);
    story.passes(minutes(1));
    story.ordered(Act::Cancel { cases: story.engine.cases.keys().copied().collect() });
    story.tells("okta", 1, "e2", Action::Deprovision, Some(now), now - minutes(40));
    story.tells("okta", 1, "e3", Action::Schedule, Some(now + DAY), now - minutes(20));
    story.passes(minutes(30));
    assert!(story.heroku.removals.is_empty());
    story.passes(DAY);
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

/// What is said after the order counts, although the case ends later.
#[test]
fn what_is_said_between_an_order_and_the_end_of_its_case_counts() {
    let mut story = Story::new(policy());
    let day = story.now;
    story.tells("hr", 1, "left", Action::Deprovision, Some(day), day);
    story.until_it_removes();
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.ordered(Act::Cancel { cases: story.engine.cases.keys().copied().collect() });
    story.turn();
    let anew = story.now;
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    story.tells("hr", 1, "left indeed", Action::Deprovision, Some(day), anew);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

/// A pause that comes later does not let the caps go, nor does an approval the pause.
#[test]
fn a_record_keeps_the_figures_of_a_guard_that_another_hides() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Pause);
    story.passes(minutes(1));
    let plan = plan_of(&story, &[1]);
    story.ordered(Act::Approve { cases: vec![case_of(1)], plan });
    story.passes(minutes(1));
    assert_eq!(story.reasons(), [HoldReason::Paused].into());
    story.ordered(Act::Cancel { cases: vec![case_of(1)] });
    story.turn();
    let guards = story.closed()[0].guards.clone();
    let of = |guard| guards.iter().find(|verdict| verdict.guard == guard).unwrap();
    assert!(of(HoldReason::Paused).held);
    let limit = of(HoldReason::LimitReached);
    assert!(!limit.held && limit.figures.contains("limit 0") && limit.figures.contains("approved by ops"), "{limit:?}");
}

#[test]
fn a_cap_that_only_a_pause_hides_stands_in_the_record_as_it_held() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Pause);
    story.passes(minutes(1));
    story.ordered(Act::Cancel { cases: vec![case_of(1)] });
    story.turn();
    let guards = story.closed()[0].guards.clone();
    assert!(guards.iter().all(|verdict| verdict.held), "{guards:?}");
}

#[test]
fn a_pause_that_has_ended_is_no_longer_on_record_as_holding() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Resume);
    story.passes(minutes(1));
    story.ordered(Act::Cancel { cases: vec![case_of(1)] });
    story.turn();
    let held: Vec<_> = story.closed()[0].guards.iter().map(|verdict| (verdict.guard, verdict.held)).collect();
    assert_eq!(held, [(HoldReason::Paused, false), (HoldReason::LimitReached, true)]);
}

/// The hour's cap held at first, the day's does now.
#[test]
fn a_hold_shows_the_cap_that_holds_now() {
    let mut story = a_crowd(Policy { max_people_per_hour: 1, max_people_per_day: 2, ..policy() }, 20..=21);
    story.passes(minutes(1));
    story.leaves(22);
    story.passes(minutes(5));
    let detail = |story: &Story| story.engine.cases.values().last().unwrap().holds[0].detail.clone();
    assert!(detail(&story).contains("max_people_per_hour"), "{}", detail(&story));
    story.passes(minutes(130));
    assert_eq!(story.results().len(), 2);
    assert!(detail(&story).contains("max_people_per_day"), "{}", detail(&story));
}

/// What was planned in a team that observes is enforced as any plan, as long after.
#[test]
fn a_plan_waits_longer_than_a_month_also_that_of_a_team() {
    for by_team in [false, true] {
        let mut story = Story::new(policy());
        if by_team {
            story.policy.teams.insert("t1".to_owned(), Mode::Observe);
            story.heroku.members.insert(2, vec![(super::story::ME, "admin"), (9, "admin"), (1, "member")]);
        } else {
            story.policy.mode = Mode::Observe;
        }
        story.dies();
        story.leaves(1);
        story.passes(minutes(5));
        let planned = if by_team { CaseResult::RemovedWithResiduals } else { CaseResult::Planned };
        assert_eq!(story.results(), [planned]);
        story.dies();
        story.now += DAY * 60;
        story.passes(minutes(20));
        assert_eq!(story.engine.census().planned, 1);
        story.policy.mode = Mode::Enforce;
        story.policy.teams.clear();
        story.dies();
        story.ordered(Act::Enforce { cases: vec![case_of(1)] });
        story.passes(minutes(20));
        assert_eq!(story.results(), [planned, CaseResult::Removed]);
        assert_eq!(story.engine.census().planned, 0);
    }
}

#[test]
fn a_retry_looks_at_once_and_binds_nobody_else() {
    let mut story = Story::new(policy());
    story.heroku.replies = vec![(crate::model::world::Reply::Unavailable, false)];
    story.leaves(1);
    story.until_it_removes();
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.insert(1, vec![(super::story::ME, "admin"), (9, "admin"), (3, "member")]);
    story.heroku.apps.insert(1, (1, vec![3]));
    story.passes(minutes(5));
    story.ordered(Act::Retry { cases: vec![case_of(1)] });
    story.passes(minutes(5));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::AccountChanged]));
    let accounts = &story.engine.cases[&case_of(1)].accounts;
    assert!(!accounts.contains_key(&user(3).account.unwrap()));
}

#[test]
fn an_account_that_a_later_list_shows_is_bound_too() {
    let mut story = Story::new(policy());
    story.heroku.renamed.insert(1, 77);
    story.heroku.invitations.insert(1, vec![1]);
    story.heroku.stubborn.insert(2);
    story.leaves(1);
    story.until_it_removes();
    // The address is on the account of p2 now, which the list of the team shows.
    story.heroku.renamed.insert(2, 1);
    story.passes(minutes(2));
    let bound = |story: &Story| story.engine.cases[&case_of(1)].accounts.keys().copied().collect::<Vec<_>>();
    assert_eq!(bound(&story), [user(2).account.unwrap()]);
    // Then on that of p1, whom nobody has bound.
    story.heroku.renamed.clear();
    story.ordered(Act::Retry { cases: vec![case_of(1)] });
    story.passes(minutes(2));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::AccountChanged]));
    assert!(story.heroku.apps[&1].1.contains(&1));
}

#[test]
fn two_accounts_with_one_address_are_held_also_when_only_a_list_shows_them() {
    let mut story = Story::new(policy());
    let mut renamed = event("hr:larkspur:1", "e0", email(1).expose());
    renamed.action = Action::IdentityUpdate;
    renamed.identity_change = Some(IdentityChange { from: email(1), to: email(77) });
    story.hears(renamed);
    story.heroku.renamed.insert(1, 77);
    story.heroku.stubborn.insert(1);
    story.leaves(1);
    story.until_it_removes();
    // Bound by the new address; now it is back at the old one, which another account carries too.
    story.heroku.renamed.clear();
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.get_mut(&1).unwrap().push((3, "member"));
    story.passes(minutes(5));
    assert!(story.heroku.members[&1].contains(&(3, "member")));
    assert!(story.reasons().contains(&HoldReason::AmbiguousAccount), "{:?}", story.reasons());
}

/// People 20 to 99 are members, and those leave whom `leave` names.
fn a_crowd(policy: Policy, leave: impl Iterator<Item = u8>) -> Story {
    let mut story = Story::new(policy);
    let members = story.heroku.members.get_mut(&1).unwrap();
    members.extend((20..=99).map(|person| (person, "member")));
    leave.for_each(|person| story.leaves(person));
    story
}

#[test]
fn a_crowd_waits_for_an_approval_however_long() {
    // 26 people; the day's limit is 25.
    let mut story = a_crowd(policy(), 20..=45);
    story.passes(DAY * 2);
    assert!(story.heroku.removals.is_empty());
    let held: Vec<CaseId> = story.engine.cases.keys().copied().collect();
    story.ordered(Act::Cancel { cases: held[1..].to_vec() });
    story.dies_after_a_turn();
    story.passes(DAY);
    assert!(story.heroku.removals.is_empty(), "who is left of a crowd waits all the same");
    story.leaves(46);
    story.passes(minutes(10));
    assert_eq!(story.heroku.removals.len(), 1, "who comes later is no part of it");
    let plan = plan_id(held[..1].iter().map(|id| &story.engine.cases[id]));
    story.ordered(Act::Approve { cases: held[..1].to_vec(), plan });
    story.passes(minutes(10));
    let removed = story.closed().into_iter().rfind(|closed| closed.case_id == held[0]).unwrap();
    assert_eq!(removed.result, CaseResult::Removed);
    let figures = &removed.guards.iter().find(|verdict| verdict.guard == HoldReason::LimitReached).unwrap().figures;
    assert!(figures.starts_with("26 people of source hr wait at once, limit 25"), "{figures}");
    assert!(figures.contains("; approved by ops: "), "{figures}");
}

/// The source was wrong about the day, not about the people.
#[test]
fn a_crowd_whose_days_are_put_off_leaves_one_by_one() {
    let mut story = a_crowd(policy(), 20..=45);
    story.passes(minutes(5));
    for person in 20..=45_u8 {
        let day = story.now + DAY * i32::from(person - 19);
        story.says(person, &format!("later-{person}"), Action::Schedule, Some(day));
    }
    story.passes(minutes(5));
    assert_eq!(story.reasons(), BTreeSet::new());
    story.passes(DAY * 3 + minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed; 3]);
}

/// A few others leave by another feed, which is as it always was.
#[test]
fn a_crowd_of_one_source_keeps_nobody_of_another() {
    let mut policy = policy();
    policy.sources.insert("okta".to_owned(), policy.sources["hr"].clone());
    let mut story = a_crowd(policy, 20..=60);
    story.source = "okta";
    story.tells("okta", 61, "left", Action::Deprovision, None, story.now);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.heroku.removals.len(), 1);
}

#[test]
fn people_who_leave_one_by_one_reach_the_cap_and_one_approval_releases_the_rest() {
    let crowd = 20..=99;
    let mut story = a_crowd(Policy { max_people_per_day: 100, ..policy() }, crowd.clone());
    story.passes(minutes(30));
    assert_eq!(story.results().len(), 10, "as many as guards.max_people_per_hour lets begin");
    assert_eq!(story.heroku.removals.len(), 10);
    let held: Vec<CaseId> = story.engine.lines().iter().filter(|line| line.held).map(|line| line.id).collect();
    assert_eq!(held.len(), crowd.count() - 10);
    let plan = plan_id(held.iter().map(|id| &story.engine.cases[id]));
    story.ordered(Act::Approve { cases: held, plan });
    story.dies_after_a_turn();
    story.passes(minutes(30));
    assert!(story.results().iter().all(|result| *result == CaseResult::Removed));
    assert_eq!(story.heroku.members[&1].len(), 4);
}

#[test]
fn the_plan_of_somebody_whose_removal_is_under_way_stays() {
    let mut story = Story::new(Policy { mode: Mode::Observe, max_people_per_hour: 0, ..policy() });
    story.leaves(1);
    story.passes(minutes(2));
    story.policy.mode = Mode::Enforce;
    story.dies();
    story.says(1, "again", Action::Deprovision, None);
    story.passes(minutes(1));
    story.ordered(Act::Enforce { cases: vec![case_of(1)] });
    story.passes(minutes(1));
    assert_eq!(story.engine.lines().len(), 1);
    assert_eq!(story.engine.census().planned, 1);
}
