//! Addresses that the operator's rules call the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::story::{Heroku, Story, email, minutes};
use crate::engine::fixtures::{event, policy};
use crate::engine::policy::Policy;
use crate::model::event::Action;
use crate::model::outcome::{CaseResult, HoldReason, OutcomeKind};
use crate::model::{AddressRules, Email};

/// `p2` is another address of whoever has `p1`.
fn rules() -> Policy {
    let aliases = BTreeMap::from([(email(2), email(1))]);
    let addresses = Arc::new(AddressRules { aliases, ..AddressRules::default() });
    Policy { addresses, ..policy() }
}

fn is_member(heroku: &Heroku, person: u8) -> bool {
    heroku.members[&1].iter().any(|(known, _)| *known == person)
}

/// Heroku knows one account, by the other address.
fn knows_only_the_other(story: &mut Story) {
    story.heroku.members.get_mut(&1).unwrap().retain(|(known, _)| *known != 1);
    story.heroku.apps.insert(1, (1, vec![2]));
}

#[test]
fn access_under_another_address_goes_too() {
    let mut story = Story::new(rules());
    knows_only_the_other(&mut story);
    // An invitation names no account.
    story.heroku.invitations.insert(1, vec![2]);
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!is_member(&story.heroku, 2) && story.heroku.apps[&1].1.is_empty());
    assert!(story.heroku.invitations[&1].is_empty());
    // The record says by which address the account was found, and what the source said.
    let closed = story.closed()[0];
    assert_eq!(
        (closed.person.addresses.as_slice(), closed.person.matched_by.as_slice()),
        ([email(1)].as_slice(), [email(2)].as_slice())
    );
}

#[test]
fn two_accounts_of_one_person_by_a_rule_hold() {
    let mut story = Story::new(rules());
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.reasons(), [HoldReason::AmbiguousAccount].into());
    assert!(story.heroku.removals.is_empty());
}

#[test]
fn a_protected_address_protects_those_that_are_the_same() {
    let mut story = Story::new(Policy { protected: BTreeSet::from([email(1)]), ..rules() });
    story.leaves(2);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Refused]);
    // Also where Heroku knows the account by the other one.
    let mut story = Story::new(Policy { protected: BTreeSet::from([email(1)]), ..rules() });
    knows_only_the_other(&mut story);
    story.heroku.renamed.insert(9, 2);
    story.leaves(9);
    story.passes(minutes(5));
    assert!(is_member(&story.heroku, 2) && is_member(&story.heroku, 9));
}

/// Whose account that is, nobody knows: it is not the one that was removed.
#[test]
fn another_account_under_another_address_is_not_access_that_is_back() {
    let mut story = Story::new(rules());
    story.heroku.members.get_mut(&1).unwrap().retain(|(known, _)| *known != 2);
    story.heroku.apps.insert(1, (1, vec![1]));
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    story.heroku.members.get_mut(&1).unwrap().push((2, "member"));
    story.passes(minutes(20));
    assert_eq!(story.told(OutcomeKind::AccessReappeared), 0);
}

#[test]
fn two_sources_that_use_one_each_speak_of_one_person() {
    let mut story = Story::new(rules());
    knows_only_the_other(&mut story);
    story.tells("okta", 2, "e1", Action::Cancel, None, story.now - minutes(3));
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.closed()[0].person.subject_keys.len(), 2);
    assert_eq!(story.engine.identities.people.len(), 1);
}

#[test]
fn a_rule_that_is_taken_away_joins_nobody_any_more() {
    let mut story = Story::new(rules());
    story.tells("okta", 2, "e1", Action::Cancel, None, story.now - minutes(3));
    story.turn();
    story.policy = policy();
    story.dies();
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!is_member(&story.heroku, 1) && is_member(&story.heroku, 2));
}

/// What was found by it stays found: an open case goes on with the account.
#[test]
fn an_open_case_goes_on_with_what_a_rule_has_found() {
    let mut story = Story::new(Policy { max_people_per_hour: 0, ..rules() });
    knows_only_the_other(&mut story);
    story.leaves(1);
    story.passes(minutes(1));
    assert_eq!(story.reasons(), [HoldReason::LimitReached].into());
    story.policy = policy();
    story.dies();
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!is_member(&story.heroku, 2));
}

#[test]
fn a_subdomain_and_a_tag_are_somebody_elses_without_a_rule() {
    for address in ["p1@it.larkspur.example", "p1@larkspur.example.org", "p1+heroku@larkspur.example"] {
        let mut story = Story::new(policy());
        let mut left = event("hr:larkspur:1", "e1", address);
        left.occurred_at = story.now;
        story.hears(left);
        story.passes(minutes(5));
        assert!(is_member(&story.heroku, 1), "{address}");
    }
    let tagged = BTreeSet::from(["larkspur.example".to_owned()]);
    let addresses = Arc::new(AddressRules { tagged, ..AddressRules::default() });
    let mut story = Story::new(Policy { addresses, ..policy() });
    let mut left = event("hr:larkspur:1", "e1", "p1+heroku@larkspur.example");
    left.occurred_at = story.now;
    story.hears(left);
    story.passes(minutes(5));
    assert!(!is_member(&story.heroku, 1));
    assert_eq!(story.closed()[0].person.addresses, [Email::as_reported("p1+heroku@larkspur.example")]);
}
