//! `pause`, with a backlog, two instances, and Kafka going away: judged by what Heroku got.

use std::time::Duration;

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::model::command::Act;
use heroku_deprovisioner::simulator::World;
use jiff::Timestamp;
use serde_json::json;

use super::bench::Bench;
use super::service::{Instance, Scene};
use super::stage::{BOT, LEAVERS, TOKEN, assert_all_gone, orders, removals, until};

const PEOPLE: [&str; 5] = [
    "ada.kern@larkspur.example",
    "bo.lind@larkspur.example",
    "cy.marsh@larkspur.example",
    "di.north@larkspur.example",
    "ed.oakes@larkspur.example",
];
const APPS: usize = 40;
const BACKLOG: usize = PEOPLE.len() * APPS;

/// Most requests that Heroku gets at one time.
const IN_FLIGHT: usize = 8;

/// Heroku takes so long to answer a removal that a pause cannot be later than a few of them.
const LATENCY: Duration = Duration::from_millis(300);
const QUICK: Duration = Duration::from_millis(5);

/// Five people with forty apps each.
fn backlog() -> World {
    let powers = ["view", "create", "manage", "billing"];
    let mut world = World::new(3).with_token(TOKEN, BOT).with_enterprise("larkspur");
    world = world.with_enterprise_member("larkspur", BOT, &powers);
    for team in ["payments", "storefront"] {
        world.add_team(team, None);
        world.add_member(team, BOT, "admin");
        world.add_member(team, "ana.silva@larkspur.example", "admin");
    }
    for number in 0..APPS {
        let app = format!("payments-{number}");
        world.add_app(&app, "payments");
        for person in PEOPLE {
            world.add_collaborator(&app, person, &["view", "deploy"]);
        }
    }
    world
}

fn slow(scene: &Scene) {
    let delay = json!({"delay_ms": LATENCY.as_millis()});
    scene.set_faults(json!([{"when": {"method": "DELETE"}, "then": [delay]}]));
}

fn give(scene: &Scene, act: Act) -> Timestamp {
    send(scene.kafka(), &scene.names().commands, &[orders(act)]).unwrap();
    // Acknowledged, so it could be read before this moment.
    clock::now()
}

fn sent(scene: &Scene) -> usize {
    removals(&scene.simulator).len()
}

/// Removals that reached Heroku after a moment, and how long after it the last one did.
fn sent_after(scene: &Scene, moment: Timestamp) -> (usize, Duration) {
    let late: Vec<_> = removals(&scene.simulator).into_iter().filter(|request| request.at > moment).collect();
    let last = late.iter().map(|request| request.at.duration_since(moment).unsigned_abs()).max();
    (late.len(), last.unwrap_or_default())
}

fn settled(scene: &Scene) -> bool {
    removals(&scene.simulator).iter().all(|request| request.answered_at.is_some())
}

#[test]
fn after_a_pause_no_removal_starts_in_any_instance() {
    let Some(bench) = Bench::new("after_a_pause_no_removal_starts_in_any_instance") else { return };
    let scene = Scene::set_with(bench, backlog(), QUICK);
    slow(&scene);
    scene.say(&PEOPLE);
    let first = scene.start("first");
    let second = scene.start("second");
    until("removals are under way", || sent(&scene) >= IN_FLIGHT * 3);

    let readable = give(&scene, Act::Pause);
    until("both have read it", || [&first, &second].iter().all(|instance| instance.told().contains("Paused")));
    until("what was on the wire is answered", || settled(&scene));
    std::thread::sleep(LATENCY * 10);
    let (late, last) = sent_after(&scene, readable);
    println!(
        "pause with two instances and {BACKLOG} grants: {} sent before it could be read, {late} after, the last {} ms later",
        sent(&scene) - late,
        last.as_millis()
    );
    assert!(late <= IN_FLIGHT, "{late} removals started after the pause could be read");
    assert!(sent(&scene) < BACKLOG, "the backlog was too small to show anything");

    // A takeover is no way around it.
    let so_far = sent(&scene);
    let (mut dead, mut heir) = if first.told().contains("State restored") { (first, second) } else { (second, first) };
    dead.kill();
    heir.until_says("State restored");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(sent(&scene), so_far, "the heir sent something");

    scene.set_faults(json!([]));
    give(&scene, Act::Resume);
    scene.until_closed(PEOPLE.len(), &mut heir);
    assert_all_gone(&scene.simulator, &scene.outcomes(), &PEOPLE);
    scene.assert_intended();
    heir.stop();
}

#[test]
fn an_instance_that_cannot_read_commands_sends_none() {
    let Some(bench) = Bench::new("an_instance_that_cannot_read_commands_sends_none") else { return };
    let scene = Scene::set_with(bench, super::stage::world(), QUICK);
    let mut instance = scene.start("one");
    instance.until_says("nobody has paused");
    instance.until_says("State restored");
    // Everything else of Kafka works: nothing but the reading of commands can hold the removals back.
    scene.bench.delete_topic(&scene.names().commands);
    instance.until_says("cannot be read to its end");
    scene.say(&LEAVERS);
    until("the cases are open", || scene.outcomes().len() >= LEAVERS.len());
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(sent(&scene), 0, "it could have missed a pause");
    scene.bench.create_topic(&scene.names().commands, 1, &[]);
    scene.until_closed(LEAVERS.len(), &mut instance);
    assert_all_gone(&scene.simulator, &scene.outcomes(), &LEAVERS);
    instance.stop();
}

#[test]
fn an_instance_cut_off_from_kafka_sends_none() {
    let Some(bench) = Bench::with_own_broker("an_instance_cut_off_from_kafka_sends_none") else { return };
    let mut scene = Scene::set_with(bench, backlog(), QUICK);
    slow(&scene);
    scene.say(&PEOPLE);
    let mut instance: Instance = scene.start("one");
    until("removals are under way", || sent(&scene) >= IN_FLIGHT * 2);
    scene.bench.own_broker().stop().unwrap();
    let cut_off = clock::now();
    std::thread::sleep(Duration::from_secs(5));
    let after_5_s = sent(&scene);
    std::thread::sleep(Duration::from_secs(10));
    let (late, last) = sent_after(&scene, cut_off);
    println!("cut off from Kafka: {late} removals after that, the last {} ms later", last.as_millis());
    assert_eq!(sent(&scene), after_5_s, "sent after 5 s without Kafka");
    assert!(after_5_s < BACKLOG, "the backlog was too small to show anything");
    instance.until_says("cannot be read to its end");
    scene.set_faults(json!([]));
    scene.bench.own_broker().start_again().unwrap();
    scene.until_closed(PEOPLE.len(), &mut instance);
    assert_all_gone(&scene.simulator, &scene.outcomes(), &PEOPLE);
    instance.stop();
}
