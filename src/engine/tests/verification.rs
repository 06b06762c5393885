//! Heroku is looked at again after the end of a case.

use jiff::SignedDuration;

use super::story::{ME, Story, email, minutes};
use crate::engine::case::case_id;
use crate::engine::fixtures::{event, policy};
use crate::engine::policy::{OnReappeared, OnSuspended, Policy, SourcePolicy};
use crate::model::Surface;
use crate::model::command::Act;
use crate::model::event::Action;
use crate::model::outcome::{AccessAfter, AccessLook, CaseResult, Mode, Outcome, OutcomeKind};

const DAY: SignedDuration = SignedDuration::from_hours(25);

fn looks(story: &Story) -> Vec<&AccessLook> {
    let data = story.outcomes.iter().map(|record| &record.data);
    data.filter_map(|data| if let Outcome::Look(look) = data { Some(look.as_ref()) } else { None }).collect()
}

#[test]
fn two_looks_follow_each_case_and_one_scan_serves_all() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.leaves(2);
    story.passes(minutes(14));
    assert_eq!((story.closed().len(), looks(&story).len()), (2, 0));
    let before = story.scans;
    story.passes(minutes(20));
    assert_eq!((looks(&story).len(), story.scans - before), (2, 1));
    story.dies();
    story.passes(DAY);
    story.passes(DAY);
    let seen: Vec<_> = looks(&story).iter().map(|look| (look.look, look.access, look.seen.len())).collect();
    assert_eq!(
        seen,
        [(1, AccessAfter::None, 0), (1, AccessAfter::None, 0), (2, AccessAfter::None, 0), (2, AccessAfter::None, 0)]
    );
    assert_eq!(story.scans - before, 2);
    assert_eq!(story.told(OutcomeKind::AccessVerified), 4);
}

#[test]
fn access_that_is_back_is_told_and_left() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.invitations.insert(1, vec![1]);
    story.passes(minutes(20));
    let told = looks(&story)[0];
    assert_eq!((told.access, told.opened_case), (AccessAfter::Remaining, None));
    assert_eq!(told.seen[0].surface, Surface::TeamInvitation);
    assert_eq!(told.seen[0].granted_by, Some(email(9)));
    assert!(told.summary.contains("access is back: t1"), "{}", told.summary);
    let removals = story.heroku.removals.len();
    story.passes(DAY);
    assert_eq!(story.heroku.removals.len(), removals);
    assert_eq!(story.told(OutcomeKind::AccessReappeared), 2);
}

#[test]
fn access_that_is_back_is_removed_once_where_the_policy_says_so() {
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
    assert_eq!(looks(&story)[0].opened_case, Some(story.closed()[1].case_id));
    assert_eq!(story.closed()[1].cause.kind, "access.reappeared");
    // Somebody gives it back each time: that is told, and no more.
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    let removals = story.heroku.removals.len();
    story.passes(DAY);
    story.passes(DAY);
    assert_eq!((story.closed().len(), story.heroku.removals.len()), (2, removals));
    assert_eq!(story.told(OutcomeKind::AccessReappeared), 3);
}

/// One source had named a day to come, another one said that they had left; now that one puts it off.
#[test]
fn a_day_that_is_put_off_stops_what_removes_again() {
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Schedule, Some(now + minutes(500)), now - minutes(15));
    story.tells("okta", 1, "e2", Action::Deprovision, None, now);
    story.passes(minutes(5));
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.ordered(Act::Pause);
    story.passes(minutes(20));
    assert_eq!(story.told(OutcomeKind::CaseOpened), 2);
    story.tells("okta", 1, "e3", Action::Schedule, Some(now + minutes(900)), now + minutes(2));
    story.ordered(Act::Resume);
    story.passes(minutes(20));
    assert!(story.heroku.apps[&1].1.contains(&1));
    story.passes(minutes(600));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
}

#[test]
fn somebody_who_is_back_is_not_looked_at() {
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    story.leaves(1);
    story.passes(minutes(5));
    let mut back = event("hr:larkspur:1", "back", email(1).expose());
    back.action = Action::Cancel;
    back.occurred_at = story.now;
    story.hears(back);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(DAY);
    assert!(looks(&story).is_empty());
    assert!(story.heroku.apps[&1].1.contains(&1));
}

#[test]
fn access_that_is_back_is_left_unless_the_newest_word_is_that_they_left() {
    // Another source set a later day, and the one that said "left" has taken it back.
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    let now = story.now;
    story.says(1, "e1", Action::Schedule, Some(now + minutes(700)));
    story.tells("okta", 1, "e2", Action::Deprovision, None, now - minutes(240));
    story.passes(minutes(1));
    story.tells("okta", 1, "e3", Action::Cancel, None, now - minutes(3));
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].opened_case), (AccessAfter::Remaining, None));

    // The day was put off when the removal was under way, and a suspension is no departure.
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    let now = story.now;
    story.heroku.stubborn.insert(1);
    story.leaves(1);
    story.until_it_removes();
    story.says(1, "e2", Action::Schedule, Some(now + minutes(700)));
    story.tells("okta", 1, "e3", Action::Suspend, None, story.now + minutes(1));
    story.heroku.stubborn.clear();
    story.passes(minutes(5));
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].opened_case), (AccessAfter::Remaining, None));

    // The day was put off, and an observing source that says "left" founds no removal.
    let mut rules = Policy { on_reappeared: OnReappeared::Remove, ..policy() };
    rules.sources.insert("trial".to_owned(), SourcePolicy { mode: Some(Mode::Observe), ..rules.sources["hr"].clone() });
    let mut story = Story::new(rules);
    story.leaves(1);
    story.passes(minutes(1));
    story.says(1, "later", Action::Schedule, Some(story.now + DAY));
    let later = event("hr:larkspur:1", "later", email(1).expose());
    story.ordered(Act::Cancel { cases: vec![case_id(&later.source)] });
    story.passes(minutes(1));
    story.source = "trial";
    story.tells("trial", 1, "left", Action::Deprovision, None, story.now);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].opened_case), (AccessAfter::Remaining, None));

    // A suspension that is ignored brings it no nearer.
    let mut rules = Policy { on_reappeared: OnReappeared::Remove, ..policy() };
    rules.sources.get_mut("hr").unwrap().on_suspended = OnSuspended::Ignore;
    let mut story = Story::new(rules);
    story.leaves(1);
    story.passes(minutes(1));
    story.says(1, "later", Action::Schedule, Some(story.now + DAY));
    let later = event("hr:larkspur:1", "later", email(1).expose());
    story.ordered(Act::Cancel { cases: vec![case_id(&later.source)] });
    story.says(1, "suspended", Action::Suspend, None);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].opened_case), (AccessAfter::Remaining, None));
}

#[test]
fn the_new_holder_of_an_address_and_what_was_known_to_stay_are_not_taken_for_them() {
    let mut story = Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    story.heroku.owned = vec![(50, 1)];
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.get_mut(&1).unwrap().push((3, "member"));
    story.passes(minutes(20));
    let told = looks(&story)[0];
    assert_eq!((told.access, told.seen.len(), told.opened_case), (AccessAfter::Remaining, 0, None));
    assert_eq!(story.told(OutcomeKind::AccessVerified), 1);
}

#[test]
fn access_that_is_back_is_removed_by_the_account_unless_the_address_is_somebody_elses_by_now() {
    let again = || Story::new(Policy { on_reappeared: OnReappeared::Remove, ..policy() });
    let mut story = again();
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.renamed.insert(1, 77);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!(story.results(), [CaseResult::Removed, CaseResult::Removed]);
    assert!(!story.heroku.apps[&1].1.contains(&1));

    let mut story = again();
    story.leaves(1);
    story.passes(minutes(5));
    let mut hired = event("hr:larkspur:50", "hired", email(1).expose());
    hired.action = Action::IdentityUpdate;
    hired.occurred_at = story.now;
    story.hears(hired);
    story.heroku.apps.get_mut(&1).unwrap().1.push(1);
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].opened_case), (AccessAfter::Remaining, None));
    assert!(story.heroku.apps[&1].1.contains(&1));
}

#[test]
fn another_account_with_the_address_makes_the_look_unknown() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.renamed.insert(3, 1);
    story.heroku.members.get_mut(&1).unwrap().push((3, "member"));
    story.passes(minutes(20));
    assert_eq!((looks(&story)[0].access, looks(&story)[0].seen.len()), (AccessAfter::Unknown, 0));
    assert!(looks(&story)[0].summary.contains("another account"), "{}", looks(&story)[0].summary);
}

#[test]
fn an_unread_team_makes_the_look_unknown() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.passes(minutes(5));
    story.heroku.members.insert(2, vec![(ME, "admin")]);
    story.heroku.dark.insert(2);
    story.passes(minutes(20));
    assert_eq!(looks(&story)[0].access, AccessAfter::Unknown);
    assert!(!looks(&story)[0].coverage.complete);
}
