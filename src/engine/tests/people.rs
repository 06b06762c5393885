//! Two names turn out to be one person's.

use jiff::SignedDuration;

use super::story::{Story, email, minutes};
use crate::engine::fixtures::{event, policy};
use crate::model::event::{Action, IdentityChange, PersonEvent};
use crate::model::outcome::{CaseResult, HoldReason};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What `hr` says of number 7, which is its own id of person 1.
fn hr(story: &Story, id: &str, action: Action, address: Option<u8>) -> PersonEvent {
    let mut event = event("hr:larkspur:7", id, email(1).expose());
    event.action = action;
    event.occurred_at = story.now;
    if address.is_none() {
        event.subject.emails.clear();
    }
    event
}

#[test]
fn what_one_source_said_of_somebody_counts_once_the_address_tells_who_it_is() {
    let mut story = Story::new(policy());
    story.tells("okta", 1, "e1", Action::Schedule, Some(story.now + DAY), story.now);
    story.passes(minutes(1));
    story.hears(hr(&story, "e2", Action::Cancel, None));
    story.dies_after_a_turn();
    assert!(story.results().is_empty());
    story.hears(hr(&story, "e3", Action::IdentityUpdate, Some(1)));
    story.dies_after_a_turn();
    assert_eq!(story.results(), [CaseResult::Cancelled]);
    assert_eq!(story.closed()[0].cause.contradicted_by[0].event_id, "e2");
    // They are one from now on, under either name.
    story.hears(hr(&story, "e4", Action::Deprovision, None));
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Cancelled, CaseResult::Removed]);
    assert_eq!(story.closed()[1].person.subject_keys.len(), 2);
}

#[test]
fn a_person_without_an_address_finds_the_access_of_the_one_they_turn_out_to_be() {
    let mut story = Story::new(policy());
    story.tells("okta", 1, "e1", Action::IdentityUpdate, None, story.now);
    story.hears(hr(&story, "e2", Action::Deprovision, None));
    story.passes(minutes(1));
    assert!(story.reasons().contains(&HoldReason::UnresolvedPerson));
    story.hears(hr(&story, "e3", Action::IdentityUpdate, Some(1)));
    story.passes(minutes(1));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.closed()[0].person.subject_keys.len(), 2);
}

#[test]
fn a_test_event_makes_nobody_one() {
    let mut story = Story::new(policy());
    story.tells("okta", 1, "e1", Action::Schedule, Some(story.now + DAY), story.now);
    story.passes(minutes(1));
    story.hears(hr(&story, "e2", Action::Cancel, None));
    story.hears(PersonEvent { synthetic: true, ..hr(&story, "e3", Action::IdentityUpdate, Some(1)) });
    story.passes(minutes(1));
    assert!(story.results().is_empty());
}

/// What `okta` says of its number 1, with this address.
fn okta(story: &Story, id: &str, action: Action, address: u8) -> PersonEvent {
    let mut event = event("okta:larkspur:1", id, email(address).expose());
    (event.action, event.occurred_at) = (action, story.now);
    event
}

/// The one source has given the address to somebody new; the other, which knows them not, still has it in an old profile.
#[test]
fn an_address_that_was_recycled_is_given_back_by_nobody() {
    let mut story = Story::new(policy());
    story.tells("hr", 1, "e1", Action::Cancel, None, story.now);
    story.hears(okta(&story, "e2", Action::Cancel, 1));
    story.passes(minutes(1));
    story.hears(hr(&story, "e3", Action::Cancel, Some(1)));
    story.passes(minutes(1));
    story.hears(okta(&story, "e4", Action::Deprovision, 1));
    story.passes(minutes(5));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
    // Whoever has it now leaves with it.
    story.hears(hr(&story, "e5", Action::Deprovision, Some(1)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Of two people, whom their source tells apart, one event names the addresses of both.
#[test]
fn two_addresses_in_one_event_make_nobody_lose_both() {
    let mut story = Story::new(policy());
    story.tells("hr", 1, "e1", Action::Cancel, None, story.now);
    story.tells("hr", 2, "e2", Action::Cancel, None, story.now);
    story.passes(minutes(1));
    let mut both = okta(&story, "e3", Action::Deprovision, 1);
    both.subject.emails.extend(okta(&story, "e3", Action::Deprovision, 2).subject.emails);
    story.hears(both);
    story.passes(minutes(5));
    assert!(story.heroku.removals.is_empty());
    assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
}

/// The old address in a change of names is another one's by now.
#[test]
fn an_address_that_was_left_behind_is_not_taken_back() {
    let mut story = Story::new(policy());
    story.heroku.renamed.insert(1, 3);
    story.tells("hr", 2, "e1", Action::Cancel, None, story.now);
    story.hears(okta(&story, "e2", Action::Cancel, 3));
    let identity_change = Some(IdentityChange { from: email(2), to: email(3) });
    story.hears(PersonEvent { identity_change, ..okta(&story, "e3", Action::IdentityUpdate, 3) });
    story.passes(minutes(1));
    story.hears(okta(&story, "e4", Action::Deprovision, 3));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(story.heroku.members[&1].iter().any(|(known, _)| *known == 2));
    assert!(!story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

#[test]
fn a_test_event_gives_nobody_an_address() {
    let mut story = Story::new(policy());
    story.tells("hr", 1, "e1", Action::Cancel, None, story.now);
    story.hears(okta(&story, "e2", Action::Cancel, 2));
    story.hears(PersonEvent { synthetic: true, ..okta(&story, "e3", Action::Cancel, 1) });
    story.passes(minutes(1));
    story.hears(okta(&story, "e4", Action::Deprovision, 2));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

#[test]
fn a_stay_that_came_between_two_sources_takes_the_earlier_ones_day() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("okta", 1, "e1", Action::Schedule, Some(now + DAY), now);
    story.tells("payroll", 1, "e2", Action::Schedule, Some(now + DAY * 3), now + minutes(2));
    story.passes(minutes(3));
    story.hears(PersonEvent { occurred_at: now + minutes(1), ..hr(&story, "e3", Action::Cancel, None) });
    story.hears(hr(&story, "e4", Action::IdentityUpdate, Some(1)));
    story.dies_after_a_turn();
    story.passes(DAY * 2);
    assert!(story.heroku.removals.is_empty());
    story.passes(DAY * 2);
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.closed()[0].cause.contradicted_by[0].event_id, "e3");
}

/// Of persons, and of names that lead to them.
fn known(story: &Story) -> Vec<&str> {
    let of_people = |key: &&str| key.starts_with("person/") || key.starts_with("alias/");
    story.state.keys().map(String::as_str).filter(of_people).collect()
}

/// The clock goes on by so many days at once, and is believed an hour later.
fn years_pass(story: &mut Story, days: i32) {
    story.passes(minutes(1));
    story.now += DAY * days;
    story.passes(minutes(120));
    story.dies();
}

#[test]
fn whoever_nobody_speaks_of_for_long_is_forgotten_with_all_their_names() {
    let mut story = Story::new(policy());
    story.tells("okta", 1, "e1", Action::IdentityUpdate, None, story.now);
    story.hears(hr(&story, "e2", Action::Cancel, None));
    story.hears(hr(&story, "e3", Action::IdentityUpdate, Some(1)));
    years_pass(&mut story, 399);
    assert!(known(&story).len() > 3, "one of them is a redirect");
    years_pass(&mut story, 2);
    assert!(known(&story).is_empty() && story.engine.identities.people.is_empty(), "{:?}", known(&story));
    // Spoken of again they are somebody new.
    story.says(1, "e4", Action::Deprovision, None);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.closed()[0].person.subject_keys.len(), 1);
}

#[test]
fn nobody_of_whom_a_case_is_open_is_forgotten() {
    let mut story = Story::new(policy());
    story.says(1, "e1", Action::Suspend, None);
    story.says(2, "e2", Action::Cancel, None);
    years_pass(&mut story, 401);
    let addresses = |story: &Story| known(story).iter().filter(|key| key.contains("address")).count();
    assert_eq!((known(&story).len(), addresses(&story)), (3, 1), "{:?}", known(&story));
    assert_eq!(story.reasons(), [HoldReason::Suspended].into());
}

/// What an older release wrote says nothing of when: its time begins now.
#[test]
fn whoever_was_written_without_a_time_is_kept_from_now_on() {
    let mut story = Story::new(policy());
    story.says(2, "e2", Action::Cancel, None);
    story.turn();
    for value in story.state.values_mut() {
        let mut record: serde_json::Value = serde_json::from_slice(value).unwrap();
        record.as_object_mut().unwrap().remove("heard");
        *value = serde_json::to_vec(&record).unwrap();
    }
    story.dies();
    story.now += DAY * 500;
    story.passes(minutes(120));
    assert_eq!(known(&story).len(), 3);
    years_pass(&mut story, 401);
    assert!(known(&story).is_empty());
}
