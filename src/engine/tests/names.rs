//! Feeds that know people by address alone, and what happens when one changes.

use jiff::Timestamp;

use super::story::{Story, email, minutes};
use crate::engine::fixtures::{event, policy};
use crate::model::Email;
use crate::model::event::{Action, IdentityChange, PersonEvent};
use crate::model::outcome::{CaseResult, HoldReason};

/// What a feed says at `at` of whom it knows by address number `name`.
fn says(name: u8, action: Action, at: Timestamp) -> PersonEvent {
    let address = email(name);
    let id = format!("{}-{at}-{name}", action.as_str());
    let mut event = event(&format!("set_email:larkspur:{}", address.expose()), &id, address.expose());
    (event.action, event.occurred_at) = (action, at);
    event
}

fn renames(from: u8, to: u8, at: Timestamp) -> PersonEvent {
    let identity_change = Some(IdentityChange { from: email(from), to: email(to) });
    PersonEvent { identity_change, ..says(from, Action::IdentityUpdate, at) }
}

fn hears(story: &mut Story, event: PersonEvent) {
    story.hears(event);
    story.dies_after_a_turn();
}

#[test]
fn whoever_leaves_by_a_new_name_is_found_by_the_old_one() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, renames(1, 3, now));
    hears(&mut story, renames(3, 4, now + minutes(1)));
    // Told again.
    hears(&mut story, renames(1, 3, now));
    hears(&mut story, says(4, Action::Deprovision, now + minutes(2)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.engine.identities.people.len(), 1);
    let (_, known) = story.engine.identities.people.first_key_value().unwrap();
    let named: Vec<&str> = known.subject_keys.iter().map(|key| key.0.as_str()).collect();
    assert_eq!(named, ["set_email:larkspur:p4@larkspur.example"]);
    assert_eq!(known.until[&email(1)], now);
}

#[test]
fn a_name_that_goes_on_to_somebody_else_is_somebody_else() {
    let mut story = Story::new(policy());
    story.heroku.renamed.extend([(1, 3), (2, 1)]);
    let now = story.now;
    hears(&mut story, says(1, Action::Cancel, now - minutes(9)));
    hears(&mut story, renames(1, 3, now));
    hears(&mut story, says(3, Action::Cancel, now + minutes(3)));
    // The one newly hired leaves; who had the address before does not.
    hears(&mut story, says(1, Action::Deprovision, now + minutes(2)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    let stays = |story: &Story, person| story.heroku.members[&1].iter().any(|(known, _)| *known == person);
    assert!(stays(&story, 1) && !stays(&story, 2));
    assert_eq!(story.engine.identities.people.len(), 2);
    hears(&mut story, says(3, Action::Deprovision, now + minutes(6)));
    story.passes(minutes(5));
    assert!(!stays(&story, 1));
    assert_eq!(story.closed()[1].person.addresses, [email(3)]);
}

/// Records come again, also when the name has gone on since.
#[test]
fn a_change_that_is_told_again_makes_nobody_one() {
    let mut story = Story::new(policy());
    let now = story.now;
    let change = renames(1, 3, now);
    hears(&mut story, change.clone());
    hears(&mut story, renames(3, 4, now + minutes(1)));
    hears(&mut story, says(3, Action::Cancel, now + minutes(2)));
    hears(&mut story, change);
    hears(&mut story, says(3, Action::Cancel, now + minutes(3)));
    assert_eq!(story.engine.identities.people.values().filter(|known| known.merged_into.is_none()).count(), 2);
}

/// The change is heard only after the address was given to somebody else.
#[test]
fn a_change_that_comes_late_still_tells_the_new_name() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, says(1, Action::Cancel, now - minutes(9)));
    story.tells("hr", 1, "e1", Action::Cancel, None, now - minutes(9));
    let mut hired = event("hr:larkspur:2", "e2", email(1).expose());
    (hired.action, hired.occurred_at) = (Action::Cancel, now + minutes(2));
    hears(&mut story, hired);
    hears(&mut story, renames(1, 3, now));
    story.heroku.renamed.extend([(1, 3), (2, 1)]);
    hears(&mut story, says(3, Action::Deprovision, now + minutes(3)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.closed()[0].person.addresses, [email(3)]);
    assert!(story.closed()[0].person.subject_keys.iter().any(|key| key.0 == "hr:larkspur:1"));
}

#[test]
fn what_comes_late_is_of_whom_the_name_was_then() {
    let mut story = Story::new(policy());
    story.heroku.renamed.extend([(1, 3), (2, 1)]);
    let now = story.now;
    hears(&mut story, renames(1, 3, now));
    hears(&mut story, says(1, Action::Cancel, now + minutes(1)));
    hears(&mut story, says(1, Action::Deprovision, now - minutes(1)));
    story.passes(minutes(5));
    assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn a_new_name_that_was_heard_before_the_change_is_the_same_persons() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, says(1, Action::Cancel, now - minutes(9)));
    hears(&mut story, says(3, Action::Deprovision, now + minutes(1)));
    hears(&mut story, renames(1, 3, now));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

#[test]
fn a_new_name_that_was_somebody_elses_before_leaves_them() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, says(2, Action::Cancel, now - minutes(9)));
    hears(&mut story, renames(1, 2, now));
    story.heroku.renamed.extend([(1, 2), (2, 4)]);
    hears(&mut story, says(2, Action::Deprovision, now + minutes(1)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
    assert!(story.heroku.members[&1].iter().any(|(known, _)| *known == 2));
    assert_eq!(story.engine.identities.people.values().filter(|known| known.subject_keys.is_empty()).count(), 1);
}

#[test]
fn a_test_event_renames_nobody() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, PersonEvent { synthetic: true, ..renames(1, 3, now) });
    hears(&mut story, says(3, Action::Deprovision, now + minutes(1)));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::NothingToRemove]);
    assert!(story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

#[test]
fn a_test_event_takes_no_address_from_its_owner() {
    let mut story = Story::new(policy());
    let now = story.now;
    story.tells("hr", 1, "e1", Action::Cancel, None, now - minutes(9));
    let claim = event("hr:larkspur:2", "e2", email(1).expose());
    hears(&mut story, PersonEvent { synthetic: true, occurred_at: now, ..claim });
    assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
    story.tells("hr", 1, "e3", Action::Deprovision, None, now + minutes(1));
    story.passes(minutes(5));
    assert!(!story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

/// Also where the name is no address of the company, which would have changed hands as such.
#[test]
fn what_comes_late_by_a_name_that_was_somebody_elses_is_said_of_them() {
    const PRIVATE: &str = "a@mail.example";
    let by_private = |action, at: Timestamp| {
        let event = event(&format!("set_email:larkspur:{PRIVATE}"), &format!("{action:?}-{at}"), PRIVATE);
        PersonEvent { action, occurred_at: at, ..event }
    };
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, by_private(Action::Cancel, now - minutes(9)));
    let change = IdentityChange { from: email(1), to: Email::as_reported(PRIVATE) };
    hears(&mut story, PersonEvent { identity_change: Some(change), ..says(1, Action::IdentityUpdate, now) });
    hears(&mut story, by_private(Action::Deprovision, now - minutes(5)));
    story.passes(minutes(5));
    assert!(story.heroku.removals.is_empty());
    hears(&mut story, by_private(Action::Deprovision, now + minutes(1)));
    story.passes(minutes(5));
    assert!(!story.heroku.members[&1].iter().any(|(known, _)| *known == 1));
}

/// An address that a rename brought is not given to somebody of whom an older event speaks.
#[test]
fn a_claim_from_before_a_rename_takes_nothing() {
    let mut story = Story::new(policy());
    let now = story.now;
    hears(&mut story, says(1, Action::Cancel, now - minutes(9)));
    hears(&mut story, renames(1, 3, now));
    let mut claim = event("set_email:larkspur:other", "claim", email(3).expose());
    (claim.action, claim.occurred_at) = (Action::Deprovision, now - minutes(1));
    hears(&mut story, claim);
    story.passes(minutes(5));
    assert_eq!(story.reasons(), [HoldReason::AccountChanged].into());
    let owner = story.engine.identities.aliases["mail::address:p3@larkspur.example"];
    assert!(story.engine.identities.people[&owner].addresses.contains(&email(1)));
}
