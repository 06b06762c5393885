//! What lists show, what they do not, and what no longer has one.

use super::story::{ME, Story, minutes};
use crate::engine::fixtures::policy;
use crate::engine::{Effect, Input};
use crate::model::TeamId;
use crate::model::command::Act;
use crate::model::outcome::{AccessAfter, CaseResult, HoldReason, Mode, OutcomeKind, Settled};
use crate::model::world::{ListId, Reply, Scan};

fn team(number: u8) -> ListId {
    ListId::Team(TeamId(super::story::uuid(2, number)))
}

/// Heroku refuses the removal of an invitation, and the list of the invitations as well.
#[test]
fn a_list_that_is_refused_proves_no_invitation_gone() {
    let mut story = Story::new(policy());
    story.heroku.invitations.insert(1, vec![1]);
    story.heroku.replies = vec![(Reply::Done, true), (Reply::Done, true), (Reply::Forbidden, false)];
    story.leaves(1);
    story.until_it_removes();
    story.heroku.closed.insert(1);
    story.passes(minutes(10));
    assert_eq!(story.results(), []);
    story.heroku.closed.clear();
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(story.heroku.invitations[&1].is_empty());
}

/// Review apps come and go.
#[test]
fn the_case_of_somebody_whose_app_was_deleted_ends() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    story.heroku.apps.clear();
    story.ordered(Act::Resume);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::RemovedWithResiduals]);
    let closed = story.closed()[0];
    assert_eq!(closed.access_after, AccessAfter::Remaining);
    assert_eq!(closed.residuals[0].reason, "parent_not_visible");
    let settled: Vec<_> = closed.grants.iter().filter_map(|grant| grant.settled).collect();
    assert_eq!(settled, [Settled::Revoked, Settled::Remains]);
}

/// Whoever took the service's account out of a team has not taken the leaver out.
#[test]
fn a_team_that_is_no_longer_shown_holds_the_case() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    let members = story.heroku.members.remove(&1).unwrap();
    story.heroku.members.insert(2, vec![(ME, "admin"), (9, "admin")]);
    story.ordered(Act::Resume);
    story.passes(minutes(10));
    assert_eq!(story.results(), []);
    assert_eq!(story.reasons(), [HoldReason::CoverageIncomplete].into());
    story.heroku.members.insert(1, members);
    story.passes(minutes(20));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// As many places as there are to look ahead from, all of them on lists that do not come.
#[test]
fn lists_that_cannot_be_read_keep_nobody_else_waiting() {
    let mut story = Story::new(policy());
    for app in 2..=70 {
        story.heroku.apps.insert(app, (1, vec![1]));
    }
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    let gone = |app: &u8| *app > 1;
    let hidden: Vec<u8> = story.heroku.apps.keys().copied().filter(gone).collect();
    hidden.iter().for_each(|app| drop(story.heroku.apps.remove(app)));
    story.heroku.members.get_mut(&1).unwrap().retain(|(person, _)| *person != 1);
    story.ordered(Act::Resume);
    story.leaves(2);
    while !story.results().contains(&CaseResult::Removed) {
        story.turn();
        story.now += minutes(1) / 240;
        assert!(story.now < "2026-06-01T12:02:00Z".parse().unwrap(), "{:?}", story.heroku.removals.len());
    }
    assert!(!story.heroku.members[&1].iter().any(|(person, _)| *person == 2));
}

/// A scan takes minutes; what was read since it passed a team counts.
#[test]
fn a_scan_that_ends_late_settles_nothing_that_a_younger_list_shows() {
    let mut story = Story::new(policy());
    story.heroku.members.get_mut(&1).unwrap().retain(|(person, _)| *person > 2);
    story.heroku.invitations.insert(1, vec![1]);
    story.heroku.replies = vec![(Reply::Done, false)];
    story.leaves(1);
    story.until_it_removes();
    story.leaves(2);
    story.engine.advance(story.now);
    let asked = story.engine.take_turn().effects;
    assert!(asked.iter().any(|effect| matches!(effect, Effect::Scan { .. })), "{asked:?}");
    let late: Scan = story.heroku.scan(story.now);
    // The invitation is accepted, and a list shows it before the scan ends.
    story.ordered(Act::Pause);
    story.heroku.invitations.insert(1, vec![]);
    story.heroku.members.get_mut(&1).unwrap().push((1, "member"));
    story.now += minutes(1);
    let list = story.heroku.list(team(1), story.now);
    story.engine.handle(story.now, Input::Lists([(team(1), list)].into()));
    story.engine.handle(story.now, Input::Scanned(Box::new(late)));
    story.passes(minutes(1));
    story.ordered(Act::Resume);
    story.passes(minutes(20));
    assert!(!story.heroku.members[&1].iter().any(|(person, _)| *person == 1), "{:?}", story.results());
}

/// A removal that was never sent is no reason to let the next surface go first.
#[test]
fn what_was_not_sent_keeps_its_place() {
    for reply in [Reply::RateLimited, Reply::AccountStopped, Reply::NotSent] {
        let mut story = Story::new(policy());
        story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin"), (1, "member")]);
        story.heroku.replies = vec![(reply.clone(), false)];
        story.leaves(1);
        story.passes(minutes(20));
        assert_eq!(story.results(), [CaseResult::Removed]);
        let kinds: Vec<_> = story.heroku.removals.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 3, "{reply:?}");
        assert!(kinds[0] == kinds[1] && kinds[1] != kinds[2], "{reply:?}: {:?}", story.heroku.removals);
    }
}

/// What an owner of a team may do, Heroku does not say.
#[test]
fn an_owner_leaves_a_team_only_if_it_keeps_an_admin() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "owner"), (2, "owner")]);
    story.leaves(1);
    story.passes(minutes(10));
    assert_eq!(story.reasons(), [HoldReason::LastHumanAdmin].into());
    story.heroku.members.get_mut(&1).unwrap().push((9, "admin"));
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// One catalogue may leave out what its own list still shows.
#[test]
fn what_a_scan_leaves_out_is_removed_as_long_as_its_list_comes() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    story.ordered(Act::Retry { cases: story.engine.cases.keys().copied().collect() });
    story.engine.advance(story.now);
    let asked = story.engine.take_turn().effects;
    assert!(asked.iter().any(|effect| matches!(effect, Effect::Scan { .. })), "{asked:?}");
    let mut scan = story.heroku.scan(story.now);
    scan.apps.clear();
    scan.lists.retain(|list, _| matches!(list, ListId::Team(_)));
    story.engine.handle(story.now, Input::Scanned(Box::new(scan)));
    story.ordered(Act::Resume);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert!(!story.heroku.apps[&1].1.contains(&1));
}

/// An app that was away for a while is looked for again, and removed if the policy says so.
#[test]
fn an_app_that_is_shown_again_after_the_end_is_told() {
    let mut story = Story::new(policy());
    story.ordered(Act::Pause);
    story.leaves(1);
    story.passes(minutes(1));
    let apps = std::mem::take(&mut story.heroku.apps);
    story.ordered(Act::Resume);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::RemovedWithResiduals]);
    story.heroku.apps = apps;
    story.passes(minutes(20));
    assert_eq!(story.told(OutcomeKind::AccessReappeared), 1);
}

/// A refusal of the list must not be asked for again in each turn.
#[test]
fn invitations_that_are_refused_after_the_removal_are_asked_for_now_and_then() {
    let mut story = Story::new(policy());
    story.heroku.invitations.insert(1, vec![1]);
    story.leaves(1);
    story.until_it_removes();
    story.heroku.closed.insert(1);
    story.passes(minutes(30));
    assert_eq!(story.results(), []);
    assert!(story.reads[&team(1)] < 60, "{:?}", story.reads);
    story.heroku.closed.clear();
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
}

/// Somebody else takes the last admin out of the team; what that had held goes on.
#[test]
fn an_enterprise_account_waits_for_a_held_membership_and_no_longer() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (1, "admin")]);
    story.heroku.enterprise = vec![ME, 1];
    story.leaves(1);
    story.passes(minutes(5));
    assert_eq!(story.reasons(), [HoldReason::LastHumanAdmin].into());
    assert_eq!(story.heroku.enterprise, [ME, 1]);
    story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin")]);
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Removed]);
    assert_eq!(story.heroku.enterprise, [ME]);
}

/// Until every team was read nobody knows whether one of those that observe would lose somebody.
#[test]
fn an_enterprise_account_waits_for_unread_teams_while_any_observes() {
    for observes in [true, false] {
        let mut story = Story::new(policy());
        if observes {
            story.policy.teams.insert("t2".to_owned(), Mode::Observe);
            story.dies();
        }
        story.heroku.members.insert(2, vec![(ME, "admin"), (9, "admin"), (1, "member")]);
        story.heroku.dark.insert(2);
        story.heroku.enterprise = vec![ME, 1];
        story.leaves(1);
        story.passes(minutes(5));
        assert_eq!(story.reasons(), [HoldReason::CoverageIncomplete].into());
        assert_eq!(story.heroku.enterprise.contains(&1), observes);
        story.heroku.dark.clear();
        story.passes(minutes(10));
        let kept = story.heroku.enterprise.contains(&1) && story.heroku.members[&2].len() == 3;
        assert_eq!(kept, observes, "{:?}", story.results());
        assert_eq!(story.closed().len(), 1);
    }
}

#[test]
fn a_case_that_is_ended_in_the_middle_ends_also_without_its_app() {
    let mut story = Story::new(policy());
    story.leaves(1);
    story.until_it_removes();
    story.heroku.apps.clear();
    story.ordered(Act::Cancel { cases: story.engine.cases.keys().copied().collect() });
    story.passes(minutes(10));
    assert_eq!(story.results(), [CaseResult::Cancelled]);
}

/// What the person had before is what they had before the first removal.
#[test]
fn an_admin_who_stays_as_collaborator_was_an_admin() {
    let mut story = Story::new(policy());
    story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin"), (1, "admin")]);
    story.heroku.apps.clear();
    story.heroku.replies = vec![(Reply::Done, false)];
    story.leaves(1);
    story.until_it_removes();
    story.heroku.members.insert(1, vec![(ME, "admin"), (9, "admin"), (1, "collaborator")]);
    story.heroku.apps.insert(5, (1, vec![1]));
    story.passes(minutes(5));
    assert_eq!(story.results(), [CaseResult::Removed]);
    let grants: Vec<_> = story.closed()[0].grants.iter().map(|grant| grant.before.as_str()).collect();
    assert_eq!(grants, ["admin", "deploy"]);
}
