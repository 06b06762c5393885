//! From an event to the answer of the last removal, in round trips to Heroku: how many times in a row the service waits.

use std::time::Duration;

use anyhow::{Context, ensure};
use heroku_deprovisioner::simulator::World;
use heroku_deprovisioner::simulator::generator::{ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT};

use crate::service::{Running, TOKEN};
use crate::stage::Stage;
use crate::table::{Goal, Row, Table, median};

const LATENCY: Duration = Duration::from_millis(100);
const TEAMS: [&str; 2] = ["payments", "storefront"];
const APPS_PER_TEAM: usize = 4;
/// A membership and every app, in each team.
const GRANTS: usize = TEAMS.len() * (1 + APPS_PER_TEAM);
const ROUNDS: usize = 7;

pub(crate) fn bench(stage: &Stage, table: &mut Table) -> anyhow::Result<()> {
    let people: Vec<String> = (0..=ROUNDS).map(|number| format!("leaver-{number}@larkspur.example")).collect();
    let running = Running::start(stage, "reaction.", world(&people), LATENCY, true)?;
    let mut times = Vec::new();
    // The first one opens connections, and counts for nothing.
    for (round, person) in people.iter().enumerate() {
        running.simulator.clear_requests();
        let began = running.offboard(std::slice::from_ref(person))?;
        let requests = running.simulator.requests();
        let removed: usize = requests.iter().map(|request| request.removed.len()).sum();
        ensure!(removed == GRANTS, "{removed} grants are gone");
        let removals = requests.iter().filter(|request| !request.removed.is_empty());
        let last = removals.filter_map(|request| request.answered_at).max().context("no removal was answered")?;
        if round > 0 {
            let took = last.duration_since(began).as_secs_f64();
            println!("  round {round}: {:.0} ms", took * 1000.0);
            times.push(took);
        }
    }
    running.stop()?;
    let took = median(times);
    table.add(Row {
        name: "event to last removal answered",
        value: format!("{:.0} ms", took * 1000.0),
        baseline: format!("{} ms a round trip", LATENCY.as_millis()),
        ratio: took / LATENCY.as_secs_f64(),
        goal: Goal::AtMost(12.0),
    });
    Ok(())
}

fn world(people: &[String]) -> World {
    let mut world = World::new(1)
        .with_token(TOKEN, SERVICE_ACCOUNT)
        .with_enterprise(ENTERPRISE_ACCOUNT)
        .with_enterprise_member(ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT, &["view", "manage"]);
    for team in TEAMS {
        world = world
            .with_enterprise_team(team, ENTERPRISE_ACCOUNT)
            .with_member(team, SERVICE_ACCOUNT, "admin")
            .with_member(team, "stays@larkspur.example", "admin");
        for person in people {
            world.add_member(team, person, "member");
        }
        for number in 0..APPS_PER_TEAM {
            let app = format!("{team}-{number}");
            world.add_app(&app, team);
            for person in people {
                world.add_collaborator(&app, person, &["view", "deploy"]);
            }
        }
    }
    world
}
