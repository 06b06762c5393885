//! A source that states what is, again and again: only what differs from its statement before is news.

use jiff::{SignedDuration, Timestamp};

use super::story::{Story, at, email, minutes};
use crate::engine::fixtures::{event, policy};
use crate::engine::policy::{OnReappeared, Policy};
use crate::model::command::Act;
use crate::model::event::Action;
use crate::model::outcome::{CaseResult, HoldReason, OutcomeKind};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The table of the database says, a minute before it may do so again, that person 1 stays, has left, or leaves.
fn shows(story: &mut Story, action: Action, day: Option<Timestamp>) {
    let mut event = event("db:larkspur:1", &format!("row-{}", story.now), email(1).expose());
    event.action = action;
    event.occurred_at = story.now;
    event.effective = day.map(at);
    event.level = true;
    story.hears(event);
    story.passes(minutes(1));
    // It is remembered by the state, not by the process.
    story.dies();
}

#[test]
fn who_is_told_to_stay_every_night_is_removed_all_the_same_by_somebody_else() {
    let mut story = Story::new(policy());
    shows(&mut story, Action::Cancel, None);
    let day = story.now + DAY;
    story.says(1, "hr", Action::Schedule, Some(day));
    for _ in 0..3 {
        shows(&mut story, Action::Cancel, None);
    }
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_change_from_staying_to_left_removes_once() {
    let mut story = Story::new(policy());
    shows(&mut story, Action::Cancel, None);
    for _ in 0..3 {
        shows(&mut story, Action::Deprovision, None);
    }
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn of_somebody_new_it_is_not_known_whether_they_left_now() {
    let mut story = Story::new(policy());
    for _ in 0..2 {
        shows(&mut story, Action::Deprovision, None);
    }
    story.passes(minutes(10));
    assert!(story.results().is_empty() && story.heroku.removals.is_empty());
    shows(&mut story, Action::Cancel, None);
    shows(&mut story, Action::Deprovision, None);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

#[test]
fn a_day_that_is_named_counts_and_is_taken_back_by_its_absence() {
    let mut story = Story::new(policy());
    let day = story.now + DAY;
    for _ in 0..2 {
        shows(&mut story, Action::Schedule, Some(day));
    }
    shows(&mut story, Action::Cancel, None);
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
}

/// Whoever is to leave on a day that nobody knows does not stay, and is told of once.
#[test]
fn a_day_that_is_missing_is_a_change_in_both_directions() {
    for stays_before in [true, false] {
        let mut story = Story::new(policy());
        if stays_before {
            shows(&mut story, Action::Cancel, None);
        }
        shows(&mut story, Action::Schedule, None);
        assert_eq!(story.reasons(), [HoldReason::UnknownDate].into(), "{stays_before}");
        shows(&mut story, Action::Schedule, None);
        shows(&mut story, Action::Cancel, None);
        assert_eq!(story.results(), [CaseResult::Cancelled]);
        shows(&mut story, Action::Schedule, None);
        let day = story.now + DAY;
        shows(&mut story, Action::Schedule, Some(day));
        story.passes(DAY * 2);
        assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Cancelled, CaseResult::Removed]);
    }
}

/// The status of a row may not follow its day for long, and the row is written all the same.
#[test]
fn a_row_that_still_says_active_after_its_day_takes_nothing_back() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..policy() });
    shows(&mut story, Action::Cancel, None);
    let day = story.now + DAY;
    shows(&mut story, Action::Schedule, Some(day));
    story.passes(DAY * 2);
    assert_eq!(story.reasons(), [HoldReason::LimitReached].into());
    for _ in 0..2 {
        shows(&mut story, Action::Cancel, Some(day));
        assert!(story.results().is_empty());
    }
    // Somebody who had left and is active is back, whatever day the row still holds.
    shows(&mut story, Action::Deprovision, Some(day));
    shows(&mut story, Action::Cancel, Some(day));
    assert_eq!(story.results(), [CaseResult::Cancelled]);

    // Nor does it say that they may have their access again.
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    let day = story.now + minutes(2);
    shows(&mut story, Action::Schedule, Some(day));
    story.passes(minutes(5));
    shows(&mut story, Action::Cancel, Some(day));
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
}

#[test]
fn the_end_of_a_suspension_is_a_change_and_its_repeat_is_none() {
    let mut story = Story::new(policy());
    shows(&mut story, Action::Cancel, None);
    for _ in 0..2 {
        shows(&mut story, Action::Suspend, None);
        assert_eq!(story.reasons(), [HoldReason::Suspended].into());
    }
    shows(&mut story, Action::Cancel, None);
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    // What somebody has decided about it stays decided.
    shows(&mut story, Action::Suspend, None);
    let cases = story.engine.cases.keys().copied().collect();
    story.ordered(Act::Cancel { cases });
    shows(&mut story, Action::Suspend, None);
    assert_eq!(story.told(OutcomeKind::CaseOpened), 2);

    // Also of somebody who was seen as suspended first.
    let mut story = Story::new(policy());
    shows(&mut story, Action::Suspend, None);
    assert_eq!(story.told(OutcomeKind::CaseOpened), 0);
    shows(&mut story, Action::Deprovision, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Without what the table said before, nobody would know that "left" is news.
#[test]
fn whoever_stands_in_the_table_as_staying_is_not_forgotten() {
    let mut story = Story::new(policy());
    shows(&mut story, Action::Cancel, None);
    story.says(2, "e1", Action::Cancel, None);
    story.dies_after_a_turn();
    story.now += DAY * 401;
    story.passes(minutes(61));
    assert_eq!(story.engine.identities.people.len(), 1);
    shows(&mut story, Action::Deprovision, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Two rows of one moment, and the first of them comes again.
#[test]
fn a_record_that_comes_again_is_no_change() {
    let mut story = Story::new(policy());
    let row = |id: &str, action, story: &Story| {
        let mut event = event("db:larkspur:1", id, email(1).expose());
        (event.action, event.occurred_at, event.level) = (action, story.now, true);
        event
    };
    let first = row("e1", Action::Cancel, &story);
    story.hears(first.clone());
    story.hears(row("e2", Action::Deprovision, &story));
    story.hears(first);
    story.dies_after_a_turn();
    let earlier = story.now - minutes(5);
    story.tells("hr", 1, "e3", Action::Deprovision, None, earlier);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Somebody said in between that the person stays; the row that still says otherwise is no newer word.
#[test]
fn a_repeat_overrules_nobody() {
    let mut story = Story::new(policy());
    let day = story.now + DAY;
    shows(&mut story, Action::Schedule, Some(day));
    story.passes(minutes(1));
    story.says(1, "stays", Action::Cancel, None);
    shows(&mut story, Action::Schedule, Some(day));
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
}

/// What comes late says nothing, though only repeats came after it.
#[test]
fn a_late_row_is_old_beside_a_repeat() {
    let mut story = Story::new(policy());
    let row = |story: &mut Story, action, position: &str| {
        let mut event = event("db:larkspur:1", position, email(1).expose());
        (event.action, event.occurred_at, event.level) = (action, story.now, true);
        event.sequence = Some(position.to_owned());
        story.hears(event);
    };
    row(&mut story, Action::Cancel, "1");
    row(&mut story, Action::Cancel, "3");
    row(&mut story, Action::Deprovision, "2");
    story.passes(minutes(10));
    assert!(story.results().is_empty() && story.heroku.removals.is_empty());
}

#[test]
fn whoever_left_long_ago_is_history() {
    let mut story = Story::new(policy());
    let long_ago = story.now - DAY * 30;
    shows(&mut story, Action::Deprovision, Some(long_ago));
    assert!(story.results().is_empty() && story.told(OutcomeKind::CaseOpened) == 0);
    assert!(story.engine.identities.people.is_empty(), "their names may be somebody else's by now");
    let lately = story.now - DAY;
    let mut story = Story::new(policy());
    shows(&mut story, Action::Deprovision, Some(lately));
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// A table keeps the rows of those who left, with addresses that others have by now.
#[test]
fn a_row_of_somebody_who_left_takes_nobodys_address() {
    for day in [None, Some(-30), Some(-1)] {
        let mut story = Story::new(policy());
        let row = |id: &str, action, story: &Story| {
            let mut event = event(&format!("db:larkspur:{id}"), &format!("{id}-{}", story.now), email(1).expose());
            (event.action, event.occurred_at, event.level) = (action, story.now, true);
            event
        };
        story.hears(row("new", Action::Cancel, &story));
        story.passes(minutes(1));
        let mut old = row("old", Action::Deprovision, &story);
        old.effective = day.map(|day| at(story.now + DAY * day));
        story.hears(old);
        story.passes(minutes(10));
        assert!(story.heroku.removals.is_empty());
        story.hears(row("new", Action::Deprovision, &story));
        story.passes(minutes(10));
        assert!(!story.heroku.removals.is_empty(), "{day:?}");
    }
}

#[test]
fn an_employment_that_is_known_to_go_on_goes_on() {
    let mut story = Story::new(policy());
    let of = |engagement: &str, action, level, story: &Story| {
        let mut event = event("db:larkspur:1", engagement, email(1).expose());
        (event.action, event.occurred_at, event.level) = (action, story.now, level);
        event.subject.engagement_id = Some(engagement.to_owned());
        event
    };
    story.hears(of("employee", Action::Cancel, true, &story));
    story.passes(minutes(1));
    story.hears(of("contract", Action::Deprovision, false, &story));
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
}
