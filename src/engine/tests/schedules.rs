//! Departures ahead, and changes of mind.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::story::{ME, Story, at, email, minutes};
use crate::engine::case::Phase;
use crate::engine::fixtures::{event, policy};
use crate::engine::policy::{Policy, SourcePolicy};
use crate::engine::{Effect, Input};
use crate::model::command::Act;
use crate::model::event::Action;
use crate::model::outcome::{CaseResult, HoldReason, Mode, OutcomeKind};

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[test]
fn a_departure_ahead_waits_for_its_day_across_restarts() {
    let mut story = Story::new(policy());
    let day = story.now + DAY * 3;
    story.says(1, "e1", Action::Schedule, Some(day));
    for _ in 0..5 {
        story.passes(DAY / 2);
        story.dies();
        assert!(story.heroku.removals.is_empty());
    }
    assert_eq!(story.told(OutcomeKind::CaseScheduled), 1);
    story.passes(DAY);
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(story.outcomes.iter().filter(|it| it.kind == OutcomeKind::GrantRevoked).all(|it| it.at >= day));
    assert_eq!(story.told(OutcomeKind::CaseOverdue), 0);
}

#[test]
fn the_newest_date_counts_whatever_the_order_of_arrival() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("hr", 1, "third", Action::Schedule, Some(now + DAY * 4), now + minutes(3));
    story.tells("hr", 1, "first", Action::Schedule, Some(now + DAY), now + minutes(1));
    story.tells("hr", 1, "second", Action::Schedule, Some(now + DAY * 2), now + minutes(2));
    story.passes(DAY * 3);
    assert!(story.heroku.removals.is_empty());
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_date_moved_twice_then_rescinded_then_gone_after_all() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.says(1, "e1", Action::Schedule, Some(now + DAY));
    story.passes(minutes(1));
    story.says(1, "e2", Action::Schedule, Some(now + DAY * 5));
    story.dies();
    story.passes(minutes(1));
    story.says(1, "e2", Action::Schedule, Some(now + DAY * 5));
    story.says(1, "e3", Action::Schedule, Some(now + DAY * 2));
    story.passes(DAY);
    story.says(1, "e4", Action::Cancel, None);
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
    story.says(1, "e5", Action::Deprovision, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_departure_that_comes_early_ends_the_same_case() {
    let mut story = Story::new(policy());
    story.says(1, "e1", Action::Schedule, Some(story.now + DAY * 9));
    story.passes(minutes(5));
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.told(OutcomeKind::CaseOpened), 1);
}

#[test]
fn a_departure_whose_day_nobody_tells_waits_for_the_word_that_it_has_come() {
    let mut story = Story::new(policy());
    story.says(1, "recorded", Action::Schedule, None);
    story.says(2, "recorded too", Action::Schedule, None);
    story.passes(DAY * 20);
    assert!(story.heroku.removals.is_empty());
    story.says(1, "effective", Action::Deprovision, None);
    story.says(2, "taken back", Action::Cancel, None);
    story.passes(minutes(5));
    let mut results = story.results();
    results.sort();
    assert_eq!(results, [CaseResult::Cancelled, CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_clock_that_jumps_begins_no_departure() {
    let mut story = Story::new(policy());
    let day = story.now + DAY;
    story.says(1, "e1", Action::Schedule, Some(day));
    story.passes(minutes(1));
    let before = story.now;
    story.now = day + minutes(1);
    story.passes(minutes(1));
    story.now = before;
    story.passes(minutes(30));
    assert!(story.heroku.removals.is_empty());
    let waits = |phase| matches!(phase, Phase::Scheduled { .. });
    assert!(story.engine.cases.values().all(|case| waits(case.phase)), "nor is any plan made");
    story.passes(DAY);
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Whoever began an hour ago by the clock alone began a minute ago.
#[test]
fn a_clock_that_is_set_ahead_frees_no_cap() {
    let mut story = Story::new(Policy { max_people_per_hour: 1, ..policy() });
    story.leaves(1);
    story.leaves(2);
    story.passes(minutes(2));
    story.now += minutes(61);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
    let held: Vec<_> = story.engine.cases.values().flat_map(|case| &case.holds).collect();
    assert!(held[0].detail.contains("the clock was set"), "{held:?}");
    story.passes(minutes(6));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
}

/// What is kept of ended cases and of caps is not old because a clock says so.
#[test]
fn a_clock_that_jumps_forgets_nothing() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.passes(minutes(61));
    let before = story.now;
    story.now += DAY * 60;
    story.turn();
    story.now = before;
    story.passes(minutes(1));
    story.leaves(2);
    story.passes(minutes(20));
    assert_eq!((story.engine.digests.len(), story.engine.windows.begun.len()), (2, 2));
}

/// A list that was read while the clock was ahead is not fresh for the rest of the day.
#[test]
fn a_list_of_a_clock_that_was_ahead_is_read_again() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    let before = story.now;
    story.now += DAY;
    let cases = story.engine.cases.keys().copied().collect();
    story.ordered(Act::Retry { cases });
    story.passes(minutes(1));
    story.now = before;
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "admin"), (2, "member")]);
    story.ordered(Act::Resume);
    story.passes(minutes(17));
    assert!(story.heroku.members[&1].iter().any(|(known, _)| *known == 1), "they are the last human admin");
    assert_eq!(story.reasons(), [HoldReason::LastHumanAdmin].into());
    // What was read since is the newest.
    story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin"), (1, "admin"), (2, "member")]);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_scan_that_began_by_a_clock_set_back_since_it_was_asked_for_counts() {
    let mut story = Story::new(policy());
    story.passes(minutes(1));
    story.leaves(1);
    story.engine.advance(story.now);
    let asked = story.engine.take_turn().effects;
    assert!(asked.iter().any(|effect| matches!(effect, Effect::Scan { .. })), "{asked:?}");
    story.now -= minutes(60);
    story.engine.advance(story.now);
    let scan = story.heroku.scan(story.now);
    story.engine.handle(story.now, Input::Scanned(Box::new(scan)));
    story.passes(minutes(20));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn whoever_is_back_by_a_later_word_is_not_removed_by_an_earlier_one() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("hr", 1, "back", Action::Cancel, None, now);
    story.passes(minutes(1));
    // Another source's word, told late.
    story.tells("okta", 1, "left", Action::Deprovision, None, now - minutes(10));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
}

/// Two sources name a day; the second one no longer knows it when the first takes its own back.
#[test]
fn a_day_that_its_source_no_longer_knows_is_nobodys_day() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("okta", 1, "e1", Action::Schedule, Some(now + DAY), now - minutes(60));
    story.tells("hr", 1, "e2", Action::Schedule, Some(now + DAY * 2), now - minutes(50));
    story.tells("hr", 1, "e3", Action::Schedule, None, now);
    story.tells("okta", 1, "e4", Action::Cancel, None, now - minutes(40));
    story.dies_after_a_turn();
    story.passes(DAY * 3);
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), [HoldReason::UnknownDate].into());
}

#[test]
fn whoever_was_back_leaves_again_be_it_on_the_same_day() {
    let mut story = Story::new(policy());
    let day = story.now - minutes(60);
    story.says(1, "e1", Action::Deprovision, Some(day));
    story.passes(minutes(5));
    story.says(1, "e2", Action::Cancel, None);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(5));
    story.says(1, "e3", Action::Deprovision, Some(day));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
    assert!(!story.heroku.apps[&1].1.contains(&1));
}

#[test]
fn one_fact_told_by_two_records_is_one_case() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Deprovision, None, now);
    story.passes(minutes(5));
    story.tells("okta", 1, "o1", Action::Deprovision, None, now);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_stay_in_the_middle_stops_what_has_not_begun() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.until_it_removes();
    story.says(1, "back", Action::Cancel, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert_eq!(story.heroku.removals.len(), 1);
    assert!(story.closed()[0].summary.contains("1 grant removed before"));
}

#[test]
fn a_departure_after_a_return_is_not_lost_in_the_case_that_the_return_ends() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.until_it_removes();
    story.says(1, "back", Action::Cancel, None);
    story.now += minutes(1);
    story.says(1, "gone", Action::Deprovision, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn a_stay_older_than_the_newest_departure_ends_nothing() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Deprovision, None, now);
    story.tells("okta", 1, "o1", Action::Deprovision, None, now + minutes(10));
    story.tells("hr", 1, "back", Action::Cancel, None, now + minutes(5));
    story.passes(minutes(20));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::LimitReached]));
}

#[test]
fn a_date_that_was_cancelled_and_set_again_counts() {
    let mut story = Story::new(policy());
    let day = story.now + DAY;
    story.says(1, "e1", Action::Schedule, Some(day));
    story.passes(minutes(1));
    story.says(1, "e2", Action::Cancel, None);
    story.passes(minutes(1));
    let stated = story.now;
    story.passes(DAY * 2);
    story.tells("hr", 1, "e3", Action::Schedule, Some(day), stated);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
}

#[test]
fn an_address_learned_before_the_day_does_not_bring_the_day() {
    let mut story = Story::new(policy());
    let mut nameless = event("hr:larkspur:1", "e1", email(1).expose());
    nameless.subject.emails.clear();
    nameless.action = Action::Schedule;
    nameless.occurred_at = story.now;
    nameless.effective = Some(at(story.now + DAY));
    story.hears(nameless);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::UnresolvedPerson]));
    story.says(1, "named", Action::IdentityUpdate, None);
    story.passes(minutes(60));
    assert!(story.heroku.removals.is_empty());
    story.passes(DAY);
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn the_promise_follows_a_departure_that_comes_early() {
    let mut story = Story::new(policy());
    story.says(1, "e1", Action::Schedule, Some(story.now + DAY * 9));
    story.passes(minutes(5));
    story.leaves(1);
    let promise = story.now + DAY;
    story.passes(minutes(5));
    assert_eq!(story.closed()[0].times.deadline, promise);
}

#[test]
fn a_new_date_moves_every_case_that_the_source_has_dated() {
    let mut policy = policy();
    let observing = SourcePolicy { mode: Some(Mode::Observe), ..policy.sources["hr"].clone() };
    policy.sources.insert("trial".to_owned(), observing);
    let mut story = Story::new(policy);
    let now = story.now;
    story.source = "trial";
    story.tells("trial", 1, "e1", Action::Schedule, Some(now + DAY), now);
    story.source = "hr";
    story.says(1, "e2", Action::Schedule, Some(now + DAY / 4));
    story.turn();
    // From now on the plan is a removal too, and both cases are meant by whatever is said.
    story.policy.sources.get_mut("trial").unwrap().mode = None;
    story.dies();
    story.says(1, "e3", Action::Deprovision, None);
    story.tells("hr", 1, "e4", Action::Schedule, Some(now + DAY * 2), now + minutes(1));
    story.passes(minutes(60));
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn a_test_that_comes_late_takes_no_newer_day_away() {
    let mut story = Story::new(policy());
    let now = story.now;
    let test = |id: &str, action, effective: Option<_>, stated| {
        let mut event = event("hr:larkspur:1", id, email(1).expose());
        (event.action, event.effective, event.occurred_at, event.synthetic) = (action, effective.map(at), stated, true);
        event
    };
    story.hears(test("e1", Action::Schedule, Some(now + DAY), now));
    story.hears(test("e2", Action::Deprovision, None, now - DAY));
    story.tells("hr", 1, "e0", Action::Cancel, None, now - minutes(40));
    story.turn();
    assert!(!story.reasons().contains(&HoldReason::UnknownDate));
}

#[test]
fn a_stay_that_another_source_does_not_share_puts_off_what_has_begun() {
    let mut story = Story::new(policy());
    story.heroku.stubborn.insert(1);
    let left = story.now;
    story.leaves(1);
    story.passes(minutes(1));
    let removals = story.heroku.removals.len();
    assert!(removals > 0);
    let now = story.now;
    story.tells("okta", 1, "e2", Action::Schedule, Some(now + DAY), now);
    story.tells("hr", 1, "e3", Action::Cancel, None, left);
    story.passes(DAY / 2);
    assert_eq!(story.heroku.removals.len(), removals);
}

#[test]
fn a_new_day_holds_also_for_a_case_that_waited_for_whom_the_address_leads_to() {
    let mut story = Story::new(policy());
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.get_mut(&1).unwrap().push((3, "member"));
    story.says(1, "e1", Action::Schedule, Some(story.now + minutes(1)));
    story.passes(minutes(5));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::AmbiguousAccount]));
    story.says(1, "e2", Action::Schedule, Some(story.now + DAY));
    story.heroku.renamed.clear();
    story.passes(DAY / 2);
    assert!(story.heroku.removals.is_empty() && story.reasons().is_empty());
    story.passes(DAY);
    assert_eq!(story.results(), [CaseResult::Removed]);
}
