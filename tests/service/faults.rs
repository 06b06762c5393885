//! A Heroku that misbehaves: nobody else is touched, nothing is called gone that is there, and no case is lost.

use heroku_deprovisioner::model::Surface;
use heroku_deprovisioner::model::outcome::{HoldReason, Outcome, OutcomeRecord};
use heroku_deprovisioner::simulator::switches::ListName;
use serde_json::{Value, json};

use super::play::Play;
use super::stage::{
    BOT, GRANTS, LEAVERS, PRIYA, assert_all_gone, assert_honest, closed, leaves, left, removals, revoked, until, world,
};

/// Both leave while the fault stands; it passes, and everything ends well. Every rule of the fault must have touched
/// something. Returns how many removals were sent.
fn survives(faults: Value) -> usize {
    let names: Vec<String> =
        faults.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect();
    let play = Play::begin(world(), faults);
    play.say(&LEAVERS.map(leaves));
    play.until_closed(LEAVERS.len());
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &LEAVERS);
    for name in names {
        assert!(simulator.requests().iter().any(|request| request.faults.contains(&name)), "{name} touched nothing");
    }
    removals(&simulator).len()
}

/// Removals are asked for by `DELETE`, and in a space by `PATCH`.
fn on_removals(name: &str, skip: u64, times: u64, then: Value) -> Value {
    json!([{"name": name, "when": {"method": "DELETE", "skip": skip, "times": times}, "then": [then]}])
}

fn on_members(name: &str, times: u64, then: Value) -> Value {
    json!([{"name": name, "when": {"path": "/teams/*/members", "times": times}, "then": [then]}])
}

fn is_held(outcomes: &[OutcomeRecord], reason: HoldReason) -> bool {
    outcomes.iter().any(|record| match &record.data {
        Outcome::Progress(progress) => progress.holds.iter().any(|hold| hold.reason == reason),
        Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Look(_) => false,
    })
}

#[test]
fn without_a_fault_each_grant_takes_one_request() {
    assert_eq!(survives(json!([])), GRANTS);
}

#[test]
fn reads_that_are_429_are_waited_out() {
    assert_eq!(
        survives(json!([{"name": "429", "when": {"skip": 2, "times": 3}, "then": [{"error": "rate_limit"}]}])),
        GRANTS
    );
}

#[test]
fn removals_that_are_429_are_sent_again() {
    assert_eq!(survives(on_removals("429", 1, 1, json!({"error": "rate_limit"}))), GRANTS + 1);
}

#[test]
fn reads_that_are_500_are_read_again() {
    assert_eq!(survives(on_members("500", 4, json!({"error": "internal_server_error"}))), GRANTS);
}

#[test]
fn removals_that_are_500_are_sent_again() {
    assert_eq!(survives(on_removals("500", 1, 1, json!({"error": "internal_server_error"}))), GRANTS + 1);
}

#[test]
fn a_removal_that_took_effect_and_is_502_is_not_sent_again() {
    assert_eq!(survives(on_removals("502", 1, 1, json!({"answer_after_effect": {"status": 502}}))), GRANTS);
}

#[test]
fn a_web_page_with_503_is_no_answer() {
    let page = || json!({"answer": {"status": 503, "body": {"html": ""}}});
    survives(json!([
        {"name": "reads", "when": {"method": "GET", "skip": 3, "times": 4}, "then": [page()]},
        {"name": "removals", "when": {"method": "DELETE", "skip": 1, "times": 1}, "then": [page()]}]));
}

#[test]
fn a_web_page_with_200_is_no_list() {
    assert_eq!(survives(on_members("page", 4, json!("html200"))), GRANTS);
}

#[test]
fn a_truncated_page_is_no_list() {
    assert_eq!(survives(on_members("truncated", 4, json!("truncated_body"))), GRANTS);
}

#[test]
fn a_page_that_repeats_is_no_list() {
    assert_eq!(survives(on_members("repeated", 8, json!("repeated_next_range"))), GRANTS);
}

/// One entry on a page, and pages spoiled by this fault.
fn survives_on_small_pages(faults: Value) {
    let mut world = world();
    let lists = [ListName::TeamMembers, ListName::Collaborators, ListName::Teams];
    world.switches.page_sizes = lists.into_iter().map(|list| (list, 1)).collect();
    let play = Play::begin(world, faults);
    play.say(&LEAVERS.map(leaves));
    play.until_closed(LEAVERS.len());
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &LEAVERS);
}

#[test]
fn small_pages_are_read_to_the_last() {
    survives_on_small_pages(json!([]));
}

#[test]
fn a_page_that_names_no_next_one_is_not_the_last() {
    survives_on_small_pages(on_members("lost", 12, json!("lost_next_range")));
}

#[test]
fn a_removal_cut_before_its_effect_is_sent_again() {
    assert_eq!(survives(on_removals("cut", 1, 1, json!("cut_before_effect"))), GRANTS + 1);
}

#[test]
fn a_removal_cut_after_its_effect_is_not_sent_again() {
    assert_eq!(survives(on_removals("cut", 1, 1, json!("cut_after_effect"))), GRANTS);
}

#[test]
fn a_list_cut_in_its_body_is_no_list() {
    assert_eq!(survives(on_members("cut", 4, json!("cut_in_body"))), GRANTS);
}

#[test]
fn a_refused_token_stops_everything_and_says_why_until_it_works_again() {
    let refused = json!([{"name": "401", "when": {"method": "DELETE", "skip": 1}, "then": [{"error": "unauthorized"}]},
        {"name": "401", "when": {"path": "/account"}, "then": [{"error": "unauthorized"}]}]);
    // The token works until the first removal.
    let play = Play::begin(world(), json!([{"when": {"method": "DELETE", "times": 1}, "then": [{"hold_answer": {}}]}]));
    play.say(&LEAVERS.map(leaves));
    until("a removal is on the wire", || !removals(&play.simulator).is_empty());
    play.set_faults(refused);
    play.simulator.release();
    until("the service says that it has stopped", || play.status().heroku.stopped.is_some());
    let why = play.status().heroku.stopped.unwrap();
    assert!(why.contains("unauthorized"), "{why}");
    assert_eq!(closed(&play.outcomes()).len(), 0);

    // Nothing that would remove is sent any more; only whether the token works again is asked.
    until("what was on the wire is answered", || removals(&play.simulator).iter().all(|it| it.answered_at.is_some()));
    let sent = removals(&play.simulator).len();
    let asked = play.simulator.requests().len();
    until("it asks whether the token works", || {
        play.simulator.requests().iter().skip(asked).filter(|it| it.path == "/account").count() >= 2
    });
    assert_eq!(removals(&play.simulator).len(), sent);
    assert_honest(&play.simulator, &play.outcomes(), &LEAVERS);

    play.set_faults(json!([]));
    play.until_closed(LEAVERS.len());
    until("the status is clean again", || play.status().heroku.stopped.is_none());
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &LEAVERS);
}

#[test]
fn a_parent_that_is_404_is_not_gone() {
    let hidden = json!([{"name": "404", "when": {"path": "/teams/*/members"}, "then": [{"error": "not_found"}]}]);
    let play = Play::begin(world(), hidden);
    play.say(&[leaves(PRIYA)]);
    until("the case is held", || is_held(&play.outcomes(), HoldReason::CoverageIncomplete));
    // Some more scans.
    let scans = |play: &Play| play.simulator.requests().iter().filter(|it| it.path == "/teams").count();
    let before = scans(&play);
    until("it looks again", || scans(&play) >= before + 2);
    let outcomes = play.outcomes();
    assert_eq!(closed(&outcomes).len(), 0);
    assert!(revoked(&outcomes).iter().all(|it| it.grant.surface != Surface::TeamMembership));
    assert!(left(&play.simulator, PRIYA).contains(&"member of payments".to_owned()));

    play.set_faults(json!([]));
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

#[test]
fn a_parent_that_is_404_for_removals_keeps_the_case_open() {
    let hidden = json!([{"name": "404", "when": {"method": "DELETE", "path": "/teams/*/members/*"},
        "then": [{"error": "not_found"}]}]);
    let play = Play::begin(world(), hidden);
    play.say(&[leaves(PRIYA)]);
    until("removals are answered", || {
        removals(&play.simulator).iter().any(|it| it.faults.contains(&"404".to_owned()) && it.answered_at.is_some())
    });
    let reads = |play: &Play| play.simulator.requests().iter().filter(|it| it.path.ends_with("/members")).count();
    let before = reads(&play);
    until("it looks at the lists", || reads(&play) >= before + 2);
    assert_eq!(closed(&play.outcomes()).len(), 0);
    assert_honest(&play.simulator, &play.outcomes(), &[PRIYA]);
    play.set_faults(json!([]));
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

#[test]
fn one_invisible_team_of_five_keeps_the_case_open() {
    let mut world = world();
    world.add_member("mobile", PRIYA, "member");
    let bot = world.account_at(BOT).unwrap().id;
    let happen = |world: &mut heroku_deprovisioner::simulator::World, change: Value| {
        world.happen(&serde_json::from_value(change).unwrap(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    };
    happen(&mut world, json!({"remove_member": {"team": "mobile", "email": BOT}}));
    assert!(world.team("mobile").unwrap().members.get(&bot).is_none());
    let play = Play::begin(world, json!([]));
    play.say(&[leaves(PRIYA)]);
    until("what is visible is gone", || left(&play.simulator, PRIYA) == ["member of mobile"]);
    until("the case is held", || is_held(&play.outcomes(), HoldReason::CoverageIncomplete));
    let status = || play.status().heroku.unread_teams;
    until("the status names the team", || status().iter().any(|team| team.contains("mobile")));
    let scans = |play: &Play| play.simulator.requests().iter().filter(|it| it.path == "/teams").count();
    let before = scans(&play);
    until("it looks again", || scans(&play) >= before + 2);
    assert_eq!(closed(&play.outcomes()).len(), 0);

    play.simulator.with_world(|world| {
        happen(world, json!({"put_member": {"team": "mobile", "email": BOT, "role": "admin"}}));
    });
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

/// Heroku shows a team's invitations to its admins alone, and refuses them to others as if there were none.
#[test]
fn an_invitation_where_the_account_is_no_admin_keeps_the_case_open() {
    let set_role = |world: &mut heroku_deprovisioner::simulator::World, role: &str| {
        let change = json!({"put_member": {"team": "storefront", "email": BOT, "role": role}});
        world.happen(&serde_json::from_value(change).unwrap(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    };
    let mut world = world();
    set_role(&mut world, "member");
    let play = Play::begin(world, json!([]));
    play.say(&[leaves(PRIYA)]);
    until("what can be seen is gone", || left(&play.simulator, PRIYA) == ["invited to storefront"]);
    until("the case is held", || is_held(&play.outcomes(), HoldReason::CoverageIncomplete));
    let unread = || play.status().heroku.unread_teams;
    until("the status names the team", || unread() == ["team storefront (not_admin)"]);
    let scans = |play: &Play| play.simulator.requests().iter().filter(|it| it.path == "/teams").count();
    let before = scans(&play);
    until("it looks again", || scans(&play) >= before + 2);
    assert_eq!(closed(&play.outcomes()).len(), 0);

    play.simulator.with_world(|world| set_role(world, "admin"));
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}
