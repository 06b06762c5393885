//! One row from the first event to the last record, and what must be true of it by Heroku's own account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use heroku_deprovisioner::clock;
use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::engine::budget::Assumed;
use heroku_deprovisioner::engine::case::Case;
use heroku_deprovisioner::engine::policy::Timing;
use heroku_deprovisioner::engine::retry::RetryPolicy;
use heroku_deprovisioner::heroku::{Client, Gate, Settings, Token};
use heroku_deprovisioner::model::event::{Authenticity, Normalised, Origin};
use heroku_deprovisioner::model::outcome::{
    AccessAfter, CaseClosed, CaseResult, Decision, HoldReason, Outcome, OutcomeRecord, Settled,
};
use heroku_deprovisioner::model::{Email, Surface};
use heroku_deprovisioner::service;
use heroku_deprovisioner::simulator::state::{Owner, Role};
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use heroku_deprovisioner::sources::{Record, Verdict, read};
use jiff::SignedDuration;
use serde_json::json;

use super::company::{self, AOIFE, BREAK_GLASS, KOFI, LEAVERS, LONELY_TEAM, MAY_LOSE, NOAH, TOKEN, promote_successor};
use super::factors::Row;
use super::worker::Worker;

/// For one row; a machine may be slow, so only the outcome counts.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than the longest lag of a row, or what is gone would be removed again.
const READ_LAG: SignedDuration = SignedDuration::from_millis(700);

/// More do not fit into `PATIENCE` while the pauses double.
const IN_VAIN_MAX: usize = 6;

const CONFIGURATION: &str = r#"config_version = 1
mode = "enforce"
[heroku]
account = "offboarding-bot@larkspur.example"
enterprise_account = "larkspur"
expected_teams = ["storefront", "payroll"]
[kafka]
bootstrap_servers = "127.0.0.1:9"
[[sources]]
name = "hr"
topic = "leavers"
format = "canonical"
tenant = "larkspur"
[people]
company_domains = ["larkspur.example"]
protected = ["break-glass@larkspur.example"]
[guards]
max_people_per_hour = 100
max_people_per_day = 100
max_percent_of_team = 100
[instance]
name = "one"
"#;

/// Plays the row. Returns what is wrong; nothing, if all is well.
pub(crate) async fn play(row: Row) -> Vec<String> {
    let world = company::world(&row);
    let before = access(&world);
    let faults = serde_json::from_value(row.faults(&world)).unwrap();
    let simulator = Simulator::start_local(world, Options::default()).await.unwrap();
    simulator.set_faults(faults);
    let environment = Environment::of([("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)]);
    let config = Config::parse("the test's configuration", CONFIGURATION, &environment).unwrap();
    let mut policy = service::policy(&config);
    let quick = |first| RetryPolicy { first: SignedDuration::from_millis(first), most: SignedDuration::from_mins(1) };
    policy.timing = Timing {
        read_lag: READ_LAG,
        hold_recheck: SignedDuration::from_millis(200),
        proof_patience: SignedDuration::from_secs(1),
        removal_retry: quick(row.removal_retry_ms),
        read_retry: quick(50),
        account_probe: SignedDuration::from_millis(500),
        ..policy.timing
    };
    let mut scope = service::scope(&config);
    scope.use_permissions_endpoint = row.quick;
    let settings = Settings::new(simulator.url(), Token::fixed(TOKEN.into()).unwrap());
    let client = Client::new(settings, Gate::new(Assumed::default())).unwrap();
    let mut worker = Worker::new(policy, client, scope);

    let mut events = LEAVERS.iter().map(|addresses| leaves(addresses)).collect::<Vec<_>>();
    let mut restart = row.restart;
    let began = Instant::now();
    let mut wrong = Vec::new();
    let mut alone = true;
    loop {
        worker.turn(std::mem::take(&mut events)).await;
        if restart && worker.engine.in_flight() > 1 {
            worker.restart();
            restart = false;
        }
        let open = worker.open_cases();
        if alone && simulator.with_world(|world| only_the_last_admin_waits(&row, &open, &access(world))) {
            let holds = holds(&worker.outcomes);
            if holds != BTreeSet::from([HoldReason::LastHumanAdmin]) {
                wrong.push(format!("held for {holds:?}"));
            }
            simulator.with_world(promote_successor);
            alone = false;
        }
        if !alone && open.iter().all(|case| row.never_ends(&case.addresses)) {
            break;
        }
        if began.elapsed() > PATIENCE {
            return vec![format!("never ended: {}", told(&open))];
        }
    }
    wrong.extend(simulator.with_world(|world| judge_the_world(&row, &before, &access(world), &worker.outcomes)));
    wrong.extend(judge_the_requests(&row, &simulator, &worker));
    wrong
}

/// All have ended but those who cannot, and of what the last admin has only her role is left, and what comes with it.
fn only_the_last_admin_waits(row: &Row, open: &[Case], access: &Access) -> bool {
    let role = format!("team_membership {LONELY_TEAM} admin");
    let hers = |case: &&Case| case.addresses.iter().any(|address| address.expose() == AOIFE);
    let tried = |case: &Case| {
        let pending = case.revocations.iter().filter(|it| it.is_pending());
        pending
            .filter(|it| it.decision != Decision::Hold)
            .all(|it| it.grant.surface == Surface::AppCollaboration && !it.attempts.is_empty() && !it.is_intended())
    };
    open.iter().filter(hers).any(|case| case.is_held_for(HoldReason::LastHumanAdmin) && tried(case))
        && open.iter().filter(|case| !hers(case)).all(|case| row.never_ends(&case.addresses))
        && access.get(AOIFE).is_some_and(|left| *left == BTreeSet::from([role]))
}

/// What every open case waits for, for people.
fn told(open: &[Case]) -> String {
    let mut text = String::new();
    for case in open {
        let person: Vec<&str> = case.addresses.iter().map(Email::expose).collect();
        let _ = write!(text, "\n    {}: {:?}", person.join(", "), case.phase);
        for hold in &case.holds {
            let _ = write!(text, "\n      {}: {}", hold.reason.as_str(), hold.detail);
        }
        for it in case.revocations.iter().filter(|it| it.is_pending()) {
            let (surface, parent) = (it.grant.surface.as_str(), it.grant.parent.name());
            let last = it.attempts.last().map(|attempt| (attempt.status, attempt.error_id.clone()));
            let _ = write!(text, "\n      {surface} {parent}, {} attempts: {last:?}", it.attempts.len());
        }
    }
    text
}

/// Nobody else lost anything, and each record says what is so.
fn judge_the_world(row: &Row, before: &Access, after: &Access, outcomes: &[OutcomeRecord]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (person, had) in before.iter().filter(|(person, _)| !MAY_LOSE.map(str::to_lowercase).contains(*person)) {
        let has = after.get(person).cloned().unwrap_or_default();
        wrong.extend(had.difference(&has).map(|lost| format!("{person} lost {lost}")));
    }
    for addresses in LEAVERS {
        let left: BTreeSet<&String> = addresses.iter().filter_map(|address| after.get(*address)).flatten().collect();
        let cases = closed(outcomes);
        let own: Vec<&&CaseClosed> =
            cases.iter().filter(|it| it.person.addresses.iter().any(|known| known.expose() == addresses[0])).collect();
        let [case] = own[..] else {
            if own.is_empty() && row.never_ends(&BTreeSet::from([Email::parse(addresses[0]).unwrap()])) {
                if left.iter().map(|it| it.as_str()).ne(["space_permission vault create_apps"]) {
                    wrong.push(format!("{} is open with {left:?}", addresses[0]));
                }
                continue;
            }
            wrong.push(format!("{} has {} ends", addresses[0], own.len()));
            continue;
        };
        let expected = match addresses[0] {
            NOAH => (CaseResult::NothingToRemove, AccessAfter::None),
            BREAK_GLASS => (CaseResult::Refused, AccessAfter::Unknown),
            KOFI => (CaseResult::RemovedWithResiduals, AccessAfter::Remaining),
            _ => (CaseResult::Removed, AccessAfter::None),
        };
        if (case.result, case.access_after) != expected {
            wrong.push(format!("{}: {:?}, {:?}: {}", addresses[0], case.result, case.access_after, case.summary));
        }
        let truly = match case.access_after {
            AccessAfter::None => left.is_empty(),
            AccessAfter::Remaining => !left.is_empty(),
            AccessAfter::Unknown => true,
        };
        if !truly {
            wrong.push(format!("{}: {:?}, and Heroku says {left:?}", addresses[0], case.access_after));
        }
        for grant in &case.grants {
            let place = format!("{} {} ", grant.surface.as_str(), grant.parent.name());
            let there = left.iter().any(|access| access.starts_with(&place));
            let said = match grant.settled {
                Some(Settled::Revoked | Settled::AlreadyGone) => !there && grant.proof.is_some(),
                Some(Settled::Remains) => there,
                Some(Settled::Unknown) | None => false,
            };
            if !said {
                wrong.push(format!("{}: {place}is {:?}, and Heroku says {left:?}", addresses[0], grant.settled));
            }
        }
        // What they had and what their grants say is the same.
        let had = addresses.iter().filter_map(|address| before.get(*address)).flatten();
        let told: BTreeSet<String> =
            case.grants.iter().map(|it| format!("{} {} ", it.surface.as_str(), it.parent.name())).collect();
        if case.result != CaseResult::Refused {
            for access in had.filter(|access| !told.iter().any(|place| access.starts_with(place))) {
                wrong.push(format!("{}: had {access}, which no record names", addresses[0]));
            }
        }
    }
    wrong
}

/// Each request was intended, none was of a kind that is never sent, and few were sent in vain.
fn judge_the_requests(row: &Row, simulator: &Simulator, worker: &Worker) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut intended: BTreeMap<String, usize> = BTreeMap::new();
    for (method, path) in &worker.intended {
        *intended.entry(format!("{method} {path}")).or_default() += 1;
    }
    let mut sent: BTreeMap<String, Sent> = BTreeMap::new();
    let requests = simulator.requests();
    for request in &requests {
        let what = format!("{} {}", request.method, request.path);
        if request.destructive {
            wrong.push(format!("destructive: {what}"));
        }
        let others = request.removed.iter().filter(|removed| !MAY_LOSE.contains(&removed.email.as_str()));
        wrong.extend(others.map(|removed| format!("{what} took from {}", removed.email)));
        let too_many = request.status.code() == Some(429);
        if too_many && request.faults.is_empty() {
            wrong.push(format!("429 of our own making: {what}"));
        }
        if request.method == "GET" {
            continue;
        }
        match intended.get_mut(&what) {
            Some(left) if *left > 0 => *left -= 1,
            _ => wrong.push(format!("not intended: {what}")),
        }
        let sent = sent.entry(what).or_default();
        sent.again += usize::from(sent.took_away);
        sent.took_away |= request.changed;
        sent.in_vain += usize::from(!request.changed && !too_many);
    }
    for (what, sent) in sent {
        if sent.again > usize::from(row.may_ask_again()) {
            wrong.push(format!("{} times again after it had taken away: {what}", sent.again));
        }
        if sent.in_vain > IN_VAIN_MAX {
            wrong.push(format!("{} times in vain: {what}", sent.in_vain));
        }
    }
    wrong
}

/// What came of the requests of one kind to one path.
#[derive(Default)]
struct Sent {
    took_away: bool,
    again: usize,
    in_vain: usize,
}

fn closed(outcomes: &[OutcomeRecord]) -> Vec<&CaseClosed> {
    let data = outcomes.iter().filter_map(|record| match &record.data {
        Outcome::Closed(closed) => Some(closed.as_ref()),
        Outcome::Revoked(_) | Outcome::Progress(_) | Outcome::Look(_) => None,
    });
    data.collect()
}

/// Everything that any case was ever held for.
fn holds(outcomes: &[OutcomeRecord]) -> BTreeSet<HoldReason> {
    let progress = outcomes.iter().filter_map(|record| match &record.data {
        Outcome::Progress(progress) => Some(progress),
        Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Look(_) => None,
    });
    progress.flat_map(|progress| progress.holds.iter().map(|hold| hold.reason)).collect()
}

/// By address, in small letters: surface, place, and what kind of access.
type Access = BTreeMap<String, BTreeSet<String>>;

/// Everything that anybody reaches, as it is and not as lists show it.
fn access(world: &World) -> Access {
    let mut access = Access::new();
    let mut note = |email: &str, what: String| {
        access.entry(email.to_ascii_lowercase()).or_default().insert(what);
    };
    let email = |account| world.account(account).expect("accounts are never deleted").email.clone();
    for team in world.teams() {
        for member in team.members.live() {
            // Who also has a grant becomes `collaborator` when they lose their role, and that is no other person's loss.
            let role = member.role.as_str().unwrap_or_default();
            note(&email(member.account), format!("team_membership {} {role}", team.name));
        }
        for invitation in team.invitations.live() {
            let role = invitation.role.as_str().unwrap_or_default();
            note(&invitation.email, format!("team_invitation {} {role}", team.name));
        }
    }
    for app in world.apps() {
        for collaborator in app.collaborators.live() {
            let what = format!("app_collaboration {} {}", app.name, collaborator.permissions.join(","));
            note(&email(collaborator.account), what);
        }
        if let Owner::Account(owner) = app.owner {
            note(&email(owner), format!("app_ownership {} owner", app.name));
        }
    }
    for pipeline in world.pipelines() {
        if let Some(Owner::Account(owner)) = pipeline.owner {
            note(&email(owner), format!("pipeline_ownership {} owner", pipeline.name));
        }
    }
    for space in world.spaces() {
        for entry in space.access.live() {
            note(&email(entry.account), format!("space_permission {} {}", space.name, entry.permissions.join(",")));
        }
    }
    for enterprise in world.enterprises() {
        for member in enterprise.members.live() {
            let what = format!("enterprise_membership {} {}", enterprise.name, member.permissions.join(","));
            note(&email(member.account), what);
        }
    }
    let admins = world
        .team(LONELY_TEAM)
        .map_or(0, |team| team.members.live().filter(|member| member.role == Role::Admin).count());
    assert!(admins > 0, "a team without an admin");
    access
}

/// HR says that somebody has left, as the intake passes it on.
fn leaves(addresses: &[&str]) -> Normalised {
    let now = clock::now();
    let emails: Vec<_> = addresses.iter().map(|address| json!({"value": address, "kind": "work"})).collect();
    let key = format!("hr:larkspur:{}", addresses[0]);
    let statement = json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": now.to_string(),
        "subject": {"person_key": key, "emails": emails},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left",
                   "event_id": format!("left-{}", addresses[0])},
    })
    .to_string();
    let record = Record { value: Some(statement.as_bytes()), ..Record::default() };
    let environment = Environment::of([("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)]);
    let config = Config::parse("the test's configuration", CONFIGURATION, &environment).unwrap();
    let reading = read(&record, &config.sources[0].rules()).remove(0);
    let Verdict::Event(event) = reading.verdict else { panic!("not an event: {:?}", reading.verdict) };
    let origin = Origin {
        source: "hr".to_owned(),
        cluster: "own".to_owned(),
        topic: "leavers".to_owned(),
        partition: 0,
        offset: 0,
        element: String::new(),
        record_sha256: String::new(),
        received_at: now,
        authenticity: Authenticity::TopicAcl,
        looked_up: None,
    };
    Normalised { event: *event, origin, traceparent: None }
}
