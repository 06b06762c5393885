//! Somebody with two employments leaves when the last of them ends.

use jiff::{SignedDuration, Timestamp};

use super::story::{Story, at, email, minutes};
use crate::engine::fixtures::{event, policy};
use crate::model::event::Action;
use crate::model::outcome::CaseResult;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The source says `action` of one employment of person 1.
fn says(story: &mut Story, engagement: &str, action: Action, effective: Option<Timestamp>, stated: Timestamp) {
    let id = format!("{engagement}-{action:?}-{stated}");
    let mut event = event("hr:larkspur:1", &id, email(1).expose());
    event.action = action;
    event.occurred_at = stated;
    event.effective = effective.map(at);
    event.subject.engagement_id = Some(engagement.to_owned());
    story.hears(event);
}

#[test]
fn the_end_of_one_employment_removes_nothing_while_another_goes_on() {
    let mut story = Story::new(policy());
    let now = story.now;
    says(&mut story, "employee", Action::Cancel, None, now);
    says(&mut story, "contract", Action::Deprovision, None, now + minutes(1));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert_eq!(story.closed()[0].summary, "Cancelled: another engagement of the person goes on.");
    assert!(story.closed()[0].cause.contradicted_by[0].event_id.starts_with("employee"));
    story.dies();
    let now = story.now;
    says(&mut story, "employee", Action::Deprovision, None, now);
    story.passes(minutes(5));
    assert_eq!(story.results()[1..], [CaseResult::Removed]);
}

#[test]
fn the_other_employment_may_become_known_later() {
    let mut story = Story::new(policy());
    let now = story.now;
    says(&mut story, "contract", Action::Schedule, Some(now + DAY), now);
    story.passes(minutes(1));
    says(&mut story, "employee", Action::Cancel, None, now - minutes(5));
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert!(story.heroku.removals.is_empty());
}

/// The other one's end was told meanwhile, and it is late that the first goes on.
#[test]
fn an_employment_that_goes_on_after_all_is_enough() {
    for leaves_all in [false, true] {
        let mut story = Story::new(policy());
        let now = story.now;
        says(&mut story, "contract", Action::Schedule, Some(now + DAY), now);
        says(&mut story, "employee", Action::Schedule, Some(now + DAY), now + minutes(3));
        if leaves_all {
            story.tells("okta", 1, "left", Action::Schedule, Some(now + DAY), now + minutes(4));
        }
        story.passes(minutes(5));
        says(&mut story, "contract", Action::Cancel, None, now + minutes(2));
        story.passes(DAY * 2);
        let end = if leaves_all { CaseResult::Removed } else { CaseResult::Cancelled };
        assert_eq!(story.results(), [end]);
    }
}

#[test]
fn whoever_leaves_two_employments_goes_with_the_last() {
    for contract_first in [true, false] {
        let mut story = Story::new(policy());
        let now = story.now;
        let ends = [("contract", now + DAY * 3), ("employee", now + DAY)];
        says(&mut story, "contract", Action::Cancel, None, now - DAY);
        says(&mut story, "employee", Action::Cancel, None, now - DAY);
        let order = if contract_first { [0, 1] } else { [1, 0] };
        for place in order {
            says(&mut story, ends[place].0, Action::Schedule, Some(ends[place].1), now);
            story.passes(minutes(1));
        }
        story.passes(DAY * 2);
        story.dies();
        assert!(story.heroku.removals.is_empty());
        story.passes(DAY * 2);
        assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
    }
}

#[test]
fn whoever_leaves_without_a_word_of_which_employment_leaves_all() {
    let mut story = Story::new(policy());
    let now = story.now;
    says(&mut story, "employee", Action::Cancel, None, now - minutes(5));
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}
