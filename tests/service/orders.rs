//! What people order reaches the service, and what nobody can read does not stop it.

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::engine::budget::{Assumed, Lane};
use heroku_deprovisioner::heroku::Gate;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::model::command::{Act, Standing};
use heroku_deprovisioner::model::outcome::OutcomeKind;
use heroku_deprovisioner::model::world::Reply;
use heroku_deprovisioner::model::{MembershipId, Removal, TeamId};
use heroku_deprovisioner::service;
use heroku_deprovisioner::simulator::{Options, Simulator};
use heroku_deprovisioner::telemetry::Metrics;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, TOKEN, assert_all_gone, configuration, leaves, orders, record, removals, until, world};

#[test]
fn a_pause_stops_removals_until_it_is_ended() {
    let play = Play::begin(world(), json!([]));
    send(&play.kafka, &play.names.commands, &[orders(Act::Pause)]).unwrap();
    until("the status says paused", || matches!(play.status().removals, Standing::Paused(_)));
    let Standing::Paused(pause) = play.status().removals else { panic!("resumed by itself") };
    assert_eq!((pause.by.as_str(), pause.why.as_str()), ("ops", "a test"));
    play.say(&[leaves(PRIYA)]);
    let opened = || play.outcomes().iter().any(|record| record.kind == OutcomeKind::CaseOpened);
    until("the case is opened: reading goes on", opened);
    // Long enough to read everything and to begin.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(removals(&play.simulator).len(), 0);

    send(&play.kafka, &play.names.commands, &[orders(Act::Resume)]).unwrap();
    play.until_closed(1);
    until("the status says running", || play.status().removals == Standing::Running);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}

#[test]
fn a_removal_that_may_not_leave_is_no_request() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let simulator = runtime.block_on(Simulator::start_local(world(), Options::default())).unwrap();
    let text = configuration("127.0.0.1:1", "t.", &simulator.url(), "one");
    let environment = Environment::of([("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)]);
    let config = Config::parse("the test's configuration", &text, &environment).unwrap();
    let gate = Gate::new(Assumed::default());
    let token = service::token(&config).unwrap();
    let client = runtime.block_on(async { service::client(&config, token, gate.clone(), Metrics::default()) }).unwrap();
    let id: uuid::Uuid = "0190a8c4-0000-4000-8000-000000000001".parse().unwrap();
    let removal = Removal::Member { team: TeamId(id), membership: MembershipId(id) };
    let remove = |may_leave: bool| {
        assert_eq!(gate.try_reserve(Lane::Normal, 1), 1);
        runtime.block_on(client.remove(&removal, || may_leave, Lane::Normal, None)).reply
    };
    assert_eq!((remove(false), removals(&simulator).len()), (Reply::NotSent, 0));
    assert_eq!((remove(true), removals(&simulator).len()), (Reply::NotFound, 1));
}

#[test]
fn a_command_that_nobody_can_read_becomes_a_dead_letter_and_the_next_one_counts() {
    let play = Play::begin(world(), json!([]));
    let poison = [record("{"), record(&json!({"schema_version": 9, "command": "pause"}).to_string())];
    send(&play.kafka, &play.names.commands, &poison).unwrap();
    let letters = || find(&play.kafka, &play.names.dead_letters, |_| true).unwrap();
    until("both are refused", || letters().len() >= poison.len());
    let letters = letters();
    let said = |name: &str| letters.iter().map(|letter| letter.header(name).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(said("dlq-source"), ["commands", "commands"]);
    assert_eq!(said("dlq-reason"), ["malformed_json", "unknown_version"]);
    assert_eq!(said("dlq-offset"), ["0", "1"]);
    send(&play.kafka, &play.names.commands, &[orders(Act::Pause), orders(Act::Resume)]).unwrap();
    play.say(&[leaves(PRIYA)]);
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert_all_gone(&simulator, &outcomes, &[PRIYA]);
}
