//! Calls to Heroku for a hundred people who leave at once, as the simulator counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::ensure;
use heroku_deprovisioner::model::AccountId;
use heroku_deprovisioner::simulator::World;
use heroku_deprovisioner::simulator::generator::{Size, generate};
use heroku_deprovisioner::simulator::journal::Recorded;
use heroku_deprovisioner::simulator::state::Role;

use crate::service::{Running, TOKEN};
use crate::stage::Stage;
use crate::table::{Goal, Row, Table};

const COMPANY: Size = Size { teams: 20, apps_per_team: 50, people: 600 };
const LEAVERS: usize = 100;
/// Of a usual call to Heroku. Without it a run would be over before anything could be put together.
const LATENCY: Duration = Duration::from_millis(100);

pub(crate) fn bench(stage: &Stage, table: &mut Table) -> anyhow::Result<()> {
    let quick = Row { name: "calls, with /permissions", goal: Goal::AtMost(1.5), ..count(stage, true)? };
    table.add(quick);
    let slow = Row { name: "calls, without /permissions", ..count(stage, false)? };
    table.add(slow);
    Ok(())
}

fn count(stage: &Stage, quick: bool) -> anyhow::Result<Row> {
    let world = generate(1, COMPANY, TOKEN);
    let leavers = leavers(&world);
    ensure!(leavers.len() == LEAVERS, "only {} people to choose from", leavers.len());
    let running = Running::start(stage, &format!("calls-{quick}."), world, LATENCY, quick)?;
    running.simulator.clear_requests();
    running.offboard(&leavers)?;
    let requests = running.simulator.requests();
    running.stop()?;

    let removed: Vec<_> = requests.iter().flat_map(|request| &request.removed).collect();
    let parents: BTreeSet<String> = removed.iter().map(|removed| removed.parent.id()).collect();
    let people: BTreeSet<&str> = removed.iter().map(|removed| removed.email.as_str()).collect();
    ensure!(people.len() == LEAVERS, "{} people lost access", people.len());
    for (what, count) in by_kind(&requests) {
        println!("  {count:>6}  {what}");
    }
    let least = removed.len() + parents.len();
    Ok(Row {
        name: "",
        value: format!("{} calls", requests.len()),
        baseline: format!("{} grants + {} parents", removed.len(), parents.len()),
        ratio: requests.len() as f64 / least as f64,
        goal: Goal::None,
    })
}

/// People with about ten grants each who manage no team: an admin would wait for a successor who never comes.
fn leavers(world: &World) -> Vec<String> {
    let mut grants: BTreeMap<AccountId, usize> = BTreeMap::new();
    let mut admins: BTreeSet<AccountId> = BTreeSet::new();
    for team in world.teams() {
        for member in team.members.live() {
            *grants.entry(member.account).or_default() += 1;
            if member.role == Role::Admin {
                admins.insert(member.account);
            }
        }
    }
    let on_apps = world.apps().flat_map(|app| app.collaborators.live().map(|entry| entry.account));
    let on_spaces = world.spaces().flat_map(|space| space.access.live().map(|entry| entry.account));
    let of_enterprises = world.enterprises().flat_map(|it| it.members.live().map(|entry| entry.account));
    for account in on_apps.chain(on_spaces).chain(of_enterprises) {
        *grants.entry(account).or_default() += 1;
    }
    grants
        .into_iter()
        .filter(|(account, count)| (7..=13).contains(count) && !admins.contains(account))
        .filter_map(|(account, _)| Some(world.account(account)?.email.clone()))
        .filter(|email| email.ends_with("@larkspur.example"))
        .take(LEAVERS)
        .collect()
}

/// How many calls of each kind, the ids left out.
fn by_kind(requests: &[Recorded]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for request in requests {
        let path = request.path.split('?').next().unwrap_or_default();
        let steps = path.split('/').skip(1).enumerate().map(|(place, step)| if place % 2 == 0 { step } else { "…" });
        let kind = format!("{:<6} /{}", request.method, steps.collect::<Vec<_>>().join("/"));
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}
