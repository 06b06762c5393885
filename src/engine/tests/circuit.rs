//! Heroku fails: everything waits, one removal is tried each minute, nothing waits for ever.

use std::collections::BTreeSet;

use super::story::{Story, minutes};
use crate::engine::fixtures::policy;
use crate::engine::policy::Policy;
use crate::model::outcome::{CaseResult, HoldReason, OutcomeKind};
use crate::model::world::Reply;

/// Twenty people of one team and one app; all leave.
fn twenty_leave() -> Story {
    let mut story = Story::new(Policy { max_people_per_hour: 100, max_people_per_day: 100, ..policy() });
    for person in 20..40 {
        story.heroku.members.get_mut(&1).unwrap().push((person, "member"));
        story.heroku.apps.get_mut(&1).unwrap().1.push(person);
    }
    (20..40).for_each(|person| story.leaves(person));
    story
}

#[test]
fn failures_in_a_row_stop_all_and_one_success_lets_them_go_on() {
    let mut story = twenty_leave();
    story.heroku.replies = vec![(Reply::Unavailable, false); 12];
    story.passes(minutes(1));
    let before = story.heroku.removals.len();
    assert!((5..=13).contains(&before), "no more than were on the wire, and one probe: {before}");
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::CircuitOpen]));
    assert!(story.closed().is_empty());
    story.dies();
    story.passes(minutes(4));
    let probes = story.heroku.removals.len() - before;
    assert!((1..=5).contains(&probes), "{probes}");
    story.passes(minutes(20));
    assert_eq!(story.closed().len(), 20);
    assert!(story.closed().iter().all(|closed| closed.result == CaseResult::Removed));
    assert!(story.told(OutcomeKind::CaseResumed) > 0);
}

#[test]
fn entries_that_come_from_a_role_do_not_count() {
    let mut story = twenty_leave();
    // An app names its team's members, and refuses to remove them for as long as they are in it.
    story.heroku.roles_show = true;
    story.passes(minutes(5));
    assert_eq!(story.told(OutcomeKind::CaseHeld), 0, "{:?}", story.reasons());
    assert_eq!(story.closed().len(), 20);
}

#[test]
fn it_is_tried_again_however_long_it_lasts() {
    let mut story = twenty_leave();
    story.heroku.replies = vec![(Reply::Forbidden, false); 10_000];
    story.passes(minutes(59));
    let first = story.heroku.removals.len();
    assert!((50..80).contains(&first), "{first}");
    story.heroku.replies.clear();
    story.passes(minutes(30));
    assert_eq!(story.closed().len(), 20);
}

#[test]
fn a_few_grants_that_never_go_do_not_keep_the_others() {
    let mut story = twenty_leave();
    story.heroku.stubborn = BTreeSet::from([20, 21, 22, 23, 24, 25]);
    story.passes(minutes(60));
    assert_eq!(story.closed().len(), 14);
}

#[test]
fn the_probe_obeys_the_other_guards() {
    let mut story = twenty_leave();
    story.heroku.replies = vec![(Reply::Unavailable, false); 1_000];
    story.passes(minutes(2));
    assert_eq!(story.reasons(), BTreeSet::from([HoldReason::CircuitOpen]));
    story.ordered(crate::model::command::Act::Pause);
    story.turn();
    let sent = story.heroku.removals.len();
    story.passes(minutes(10));
    assert_eq!(story.heroku.removals.len(), sent);
}
