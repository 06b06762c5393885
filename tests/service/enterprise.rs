//! A Heroku that takes whoever leaves an enterprise account out of its teams as well, also where the service would not.

use heroku_deprovisioner::model::Surface;
use heroku_deprovisioner::model::outcome::{CaseResult, HoldReason, Outcome};
use heroku_deprovisioner::simulator::{Simulator, World};
use serde_json::{Value, json};

use super::play::Play;
use super::stage::{PRIYA, TOMAS, assert_all_gone, assert_honest, closed, leaves, left, removals, until, world};

/// What must stay while one membership of the enterprise account's teams does.
const KEPT: [&str; 2] = ["member of search", "in enterprise account larkspur"];

fn happen(world: &mut World, change: Value) {
    world.happen(&serde_json::from_value(change).unwrap(), jiff::Timestamp::UNIX_EPOCH).unwrap();
}

/// Priya is also in `search`, a team of the enterprise account, in this role.
fn cascading(role: &str) -> World {
    let mut world = world().with_switches(|switches| switches.cascade_enterprise_to_teams = true);
    world.add_member("search", PRIYA, role);
    world
}

fn asked_the_enterprise(simulator: &Simulator) -> bool {
    removals(simulator).iter().any(|request| request.path.starts_with("/enterprise-accounts/"))
}

#[test]
fn the_last_human_admin_of_a_team_stays_in_the_enterprise_account() {
    let mut world = cascading("admin");
    happen(&mut world, json!({"remove_member": {"team": "search", "email": "ana.silva@larkspur.example"}}));
    let play = Play::begin(world, json!([]));
    play.say(&[leaves(PRIYA)]);
    until("the rest is gone", || {
        assert!(!asked_the_enterprise(&play.simulator), "the team would lose its last admin with it");
        left(&play.simulator, PRIYA) == KEPT
    });
    let is_held = || {
        play.outcomes().iter().any(|record| match &record.data {
            Outcome::Progress(progress) => progress.holds.iter().any(|it| it.reason == HoldReason::LastHumanAdmin),
            Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Look(_) => false,
        })
    };
    until("the case is held", is_held);
    let reads = |play: &Play| play.simulator.requests().iter().filter(|it| it.path.ends_with("/members")).count();
    let before = reads(&play);
    until("it looks again", || reads(&play) >= before + 4);
    assert_eq!(left(&play.simulator, PRIYA), KEPT);
    assert_eq!(closed(&play.outcomes()).len(), 0);

    play.simulator
        .with_world(|world| happen(world, json!({"put_member": {"team": "search", "email": TOMAS, "role": "admin"}})));
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

#[test]
fn whoever_keeps_a_team_in_observe_mode_stays_in_the_enterprise_account() {
    let play = Play::begin_with(cascading("member"), json!([]), "\n[teams.search]\nmode = \"observe\"\n");
    play.say(&[leaves(PRIYA)]);
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_honest(&simulator, &outcomes, &[PRIYA]);
    assert!(!asked_the_enterprise(&simulator));
    assert_eq!(left(&simulator, PRIYA), KEPT);
    let case = closed(&outcomes)[0];
    assert_eq!(case.result, CaseResult::RemovedWithResiduals);
    let kept: Vec<Surface> = case.residuals.iter().map(|residual| residual.surface).collect();
    assert!(kept.contains(&Surface::TeamMembership) && kept.contains(&Surface::EnterpriseMembership), "{kept:?}");
}
