//! What the tests of the whole service share: a small company on a simulated Heroku, two people who leave it, and what
//! must be true afterwards, by Heroku's own account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::{KafkaSettings, OutgoingRecord, TopicNames};
use heroku_deprovisioner::model::CommandId;
use heroku_deprovisioner::model::command::{Act, COMMAND_VERSION, Command};
use heroku_deprovisioner::model::outcome::{
    CaseClosed, CaseResult, GrantRevoked, Outcome, OutcomeKind, OutcomeRecord, Settled,
};
use heroku_deprovisioner::simulator::journal::Recorded;
use heroku_deprovisioner::simulator::{Simulator, World};
use heroku_deprovisioner::wire;
use serde_json::json;

pub(crate) const TOKEN: &str = "HRKU-tests-0000";
pub(crate) const BOT: &str = "offboarding-bot@larkspur.example";
pub(crate) const PRIYA: &str = "priya.raman@larkspur.example";
pub(crate) const TOMAS: &str = "tomas.oliveira@larkspur.example";
pub(crate) const LEAVERS: [&str; 2] = [PRIYA, TOMAS];
/// What the leavers have together; each takes one request.
pub(crate) const GRANTS: usize = 11;

const PATIENCE: Duration = Duration::from_secs(240);
const HUMAN: &str = "ana.silva@larkspur.example";
/// Same surname as a leaver, and the same access.
const NAMESAKE: &str = "anil.raman@larkspur.example";

/// Five expected teams, of which the leavers are in three.
pub(crate) fn world() -> World {
    let mut world = World::new(3).with_token(TOKEN, BOT).with_enterprise("larkspur").with_enterprise_member(
        "larkspur",
        BOT,
        &["view", "create", "manage", "billing"],
    );
    for team in ["payments", "ledger", "search", "mobile"] {
        world.add_team(team, Some("larkspur"));
    }
    world.add_team("storefront", None);
    for team in ["payments", "ledger", "search", "mobile", "storefront"] {
        world.add_member(team, BOT, "admin");
        world.add_member(team, HUMAN, "admin");
        world.add_member(team, NAMESAKE, "member");
        world.add_app(&format!("{team}-api"), team);
    }
    for person in LEAVERS {
        for team in ["payments", "ledger"] {
            world.add_member(team, person, "member");
        }
    }
    for person in [PRIYA, TOMAS, NAMESAKE] {
        for app in ["payments-api", "ledger-api"] {
            world.add_collaborator(app, person, &["view", "deploy"]);
        }
    }
    world
        .with_space("vault", "payments")
        .with_space_access("vault", PRIYA)
        .with_space_access("vault", NAMESAKE)
        .with_invitation("storefront", PRIYA, "member")
        .with_enterprise_member("larkspur", PRIYA, &["view"])
}

/// Enforcing, with waits that a test can wait for. `{prefix}leavers` is the source.
pub(crate) fn configuration(bootstrap_servers: &str, prefix: &str, heroku: &str, instance: &str) -> String {
    format!(
        r#"config_version = 1
mode = "enforce"

[heroku]
account = "{BOT}"
api_url = "{heroku}"
enterprise_account = "larkspur"
expected_teams = ["storefront"]

[kafka]
bootstrap_servers = "{bootstrap_servers}"
prefix = "{prefix}"
create_topics = true

[[sources]]
name = "hr"
topic = "{prefix}leavers"
format = "canonical"
tenant = "larkspur"
start_at = "earliest"

[people]
company_domains = ["larkspur.example"]

[guards]
max_percent_of_team = 100
max_people_per_hour = 1000
max_people_per_day = 1000

[instance]
name = "{instance}"

[advanced]
hold_recheck = "1s"
proof_patience = "1s"
account_probe = "1s"
circuit_probe = "1s"
session_timeout = "6s"
"#
    )
}

/// HR says that somebody has left.
pub(crate) fn leaves(address: &str) -> OutgoingRecord {
    record(&statement(address).to_string())
}

/// What somebody orders on the commands topic.
pub(crate) fn orders(act: Act) -> OutgoingRecord {
    let command = Command {
        schema_version: COMMAND_VERSION,
        id: CommandId("0190a8c4-0000-4000-8000-000000000001".parse().unwrap()),
        at: clock::now(),
        claimed_by: "ops".to_owned(),
        authenticated: false,
        why: "a test".to_owned(),
        act,
    };
    wire::command(&command).into()
}

/// What HR says when somebody has left, to be spoiled.
pub(crate) fn statement(address: &str) -> serde_json::Value {
    let now = clock::now().to_string();
    let key = format!("hr:larkspur:{address}");
    json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": now,
        "subject": {"person_key": key, "emails": [{"value": address, "kind": "work"}]},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left",
                   "event_id": format!("left-{address}")},
    })
}

pub(crate) fn record(value: &str) -> OutgoingRecord {
    OutgoingRecord { key: Some(b"hr".to_vec()), value: Some(value.as_bytes().to_vec()), headers: Vec::new() }
}

/// Asks again and again; a machine may be slow, so only the outcome counts.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every audit record that a reader of committed records sees.
pub(crate) fn outcomes(kafka: &KafkaSettings, names: &TopicNames) -> Vec<OutcomeRecord> {
    let records = find(kafka, &names.outcomes, |_| true).unwrap();
    records.iter().map(|record| wire::read_outcome(record.value.as_deref().unwrap()).unwrap()).collect()
}

pub(crate) fn closed(outcomes: &[OutcomeRecord]) -> Vec<&CaseClosed> {
    let data = outcomes.iter().map(|record| &record.data);
    data.filter_map(|data| match data {
        Outcome::Closed(closed) => Some(closed.as_ref()),
        Outcome::Revoked(_) | Outcome::Progress(_) | Outcome::Look(_) => None,
    })
    .collect()
}

pub(crate) fn revoked(outcomes: &[OutcomeRecord]) -> Vec<&GrantRevoked> {
    let data = outcomes.iter().map(|record| &record.data);
    data.filter_map(|data| match data {
        Outcome::Revoked(revoked) => Some(revoked.as_ref()),
        Outcome::Closed(_) | Outcome::Progress(_) | Outcome::Look(_) => None,
    })
    .collect()
}

/// Requests that ask for a removal.
pub(crate) fn removals(simulator: &Simulator) -> Vec<Recorded> {
    simulator.requests().into_iter().filter(|request| request.method != "GET").collect()
}

/// Whatever the address still reaches on Heroku.
pub(crate) fn left(simulator: &Simulator, address: &str) -> Vec<String> {
    simulator.with_world(|world| {
        let Some(account) = world.account_at(address).map(|account| account.id) else { return Vec::new() };
        let mut left = Vec::new();
        for team in world.teams() {
            if team.members.get(&account).is_some() {
                left.push(format!("member of {}", team.name));
            }
            if team.invitations.live().any(|invitation| invitation.email == address) {
                left.push(format!("invited to {}", team.name));
            }
        }
        left.extend(
            world
                .apps()
                .filter(|app| app.collaborators.get(&account).is_some())
                .map(|app| format!("collaborator of {}", app.name)),
        );
        left.extend(
            world
                .spaces()
                .filter(|space| space.access.get(&account).is_some())
                .map(|space| format!("in {}", space.name)),
        );
        left.extend(
            world
                .enterprises()
                .filter(|enterprise| enterprise.members.get(&account).is_some())
                .map(|enterprise| format!("in enterprise account {}", enterprise.name)),
        );
        left
    })
}

/// What must be true at any time: nobody else was touched, nothing was told twice, and nothing is called gone that was
/// not taken away before its proof began.
pub(crate) fn assert_honest(simulator: &Simulator, outcomes: &[OutcomeRecord], leavers: &[&str]) {
    let requests = simulator.requests();
    for request in &requests {
        assert!(!request.destructive, "{request:?}");
        for removed in &request.removed {
            assert!(leavers.contains(&removed.email.as_str()), "somebody else was touched: {request:?}");
        }
    }
    let ids: BTreeSet<_> = outcomes.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), outcomes.len(), "an outcome was told twice: {}", kinds(outcomes));
    let mut ends = BTreeMap::new();
    for record in outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseClosed) {
        *ends.entry(record.case).or_insert(0) += 1;
    }
    assert!(ends.values().all(|ends| *ends == 1), "a case ended twice: {ends:?}");
    for revoked in revoked(outcomes) {
        let grant = &revoked.grant;
        let gone_before = revoked.proof.iter().map(|proof| proof.at).min().expect("a proof");
        let taken = requests.iter().any(|request| {
            request.effect_at.is_some_and(|at| at <= gone_before)
                && request.removed.iter().any(|it| it.surface == grant.surface && it.parent.id() == grant.parent.id())
        });
        assert!(taken, "called gone without having gone: {grant:?}");
    }
    for case in closed(outcomes) {
        for grant in &case.grants {
            match grant.settled {
                Some(Settled::Revoked) => {
                    assert!(
                        revoked(outcomes).iter().any(|it| it.grant.grant_id == grant.grant_id),
                        "not told: {grant:?}"
                    );
                    assert!(grant.proof.is_some(), "no proof: {grant:?}");
                }
                Some(Settled::AlreadyGone) => assert!(grant.proof.is_some(), "no proof: {grant:?}"),
                Some(Settled::Remains | Settled::Unknown) | None => {}
            }
        }
    }
}

/// What must be true in the end: besides, everybody's one case ended, and nothing is left.
pub(crate) fn assert_all_gone(simulator: &Simulator, outcomes: &[OutcomeRecord], leavers: &[&str]) {
    assert_honest(simulator, outcomes, leavers);
    for leaver in leavers {
        assert_eq!(left(simulator, leaver), Vec::<String>::new(), "{leaver}");
        let cases = closed(outcomes);
        let ends: Vec<_> =
            cases.iter().filter(|case| case.person.addresses.iter().any(|it| it.expose() == *leaver)).collect();
        assert_eq!(ends.len(), 1, "{leaver}: {}", kinds(outcomes));
        assert_eq!(ends[0].result, CaseResult::Removed, "{leaver}: {}", ends[0].summary);
    }
}

fn kinds(outcomes: &[OutcomeRecord]) -> String {
    let kinds: Vec<_> = outcomes.iter().map(|record| format!("{} {}", record.kind.as_str(), record.id)).collect();
    kinds.join(", ")
}
