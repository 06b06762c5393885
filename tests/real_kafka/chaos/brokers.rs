//! Three brokers, one of them killed in turn and restarted; three instances, restarted one after the other.

use heroku_deprovisioner::trial::{Cluster, Place, jars_for};
use rand::RngExt;

use super::super::bench::{self, Bench, signal};
use super::company::{Company, Supervised, until, until_all_ended};
use super::{between, chance, rounds, verdict};

const BROKERS: usize = 3;

#[test]
fn one_broker_of_three_killed_in_turn() {
    const FAULT: &str = "SIGKILL of one broker of three, in turn";
    let Some(jars) = jars_for("one_broker_of_three_killed_in_turn") else { return };
    let mut chance = chance(FAULT);
    let places = Place::together(&vec![Vec::new(); BROKERS]).unwrap();
    let mut cluster = Cluster::start(&jars, bench::folder(), places).unwrap();
    let mut company = Company::found(Bench::at(&cluster.bootstrap_servers()));
    let mut instances = ["one", "two"].map(|name| Supervised::start_directly(&company, name));
    let times = rounds(1, 8 * BROKERS);
    let first = chance.random_range(0..BROKERS);
    for round in 0..times {
        let sent = company.sent();
        company.leave(2);
        if chance.random_bool(0.7) {
            until("removals are under way, or over", &company, &mut instances, || {
                company.sent() > sent || company.all_ended()
            });
        }
        std::thread::sleep(between(&mut chance, 0, 300));
        let broker = (first + round) % BROKERS;
        let down = between(&mut chance, 0, 6000);
        println!(
            "round {}: broker {} is killed, and started again {} ms later",
            round + 1,
            broker + 1,
            down.as_millis()
        );
        cluster.broker(broker).unwrap().kill().unwrap();
        company.leave(1);
        if chance.random_bool(0.3) {
            // Two brokers are enough for everything.
            until_all_ended(&company, &mut instances);
        }
        std::thread::sleep(down);
        cluster.broker(broker).unwrap().start_again().unwrap();
        cluster.wait_until_in_sync().unwrap();
    }
    until_all_ended(&company, &mut instances);
    verdict::judge(FAULT, times, &company);
    instances.into_iter().for_each(Supervised::stop);
}

#[test]
fn three_instances_restarted_one_after_the_other() {
    const FAULT: &str = "rolling restart of three instances";
    let Some(bench) = Bench::new("three_instances_restarted_one_after_the_other") else { return };
    let mut chance = chance(FAULT);
    let mut company = Company::found(bench);
    let mut instances = ["one", "two", "three"].map(|name| Supervised::start_directly(&company, name));
    let times = rounds(1, 20);
    let mut killed = 0;
    for _ in 0..times {
        for supervised in &mut instances {
            company.leave(1);
            std::thread::sleep(between(&mut chance, 0, 1500));
            let instance = supervised.instance();
            if chance.random_bool(0.2) {
                killed += 1;
                instance.kill();
            } else {
                signal(&instance.child, "TERM");
                let status = instance.until_ended();
                assert_eq!(status.code(), Some(0), "{status}: {}", instance.told());
            }
            supervised.start_again(&company, None);
        }
        if chance.random_bool(0.3) {
            until_all_ended(&company, &mut instances);
        }
    }
    until_all_ended(&company, &mut instances);
    println!("{killed} of {} restarts by SIGKILL, the others by SIGTERM", times * instances.len());
    verdict::judge(FAULT, times, &company);
    instances.into_iter().for_each(Supervised::stop);
}
