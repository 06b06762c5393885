//! SIGKILL at every numbered step and at any moment, again and again while the same cases are under way, and SIGSTOP of the
//! active one of two for longer than a session.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::super::bench::{Bench, signal};
use super::company::{Company, Supervised, until, until_all_ended};
use super::{between, chance, rounds, verdict};

/// The steps at which the process can kill itself, in the order of one removal's life (src/crash.rs).
const STEPS: [&str; 12] = [
    "polled",
    "accept-inside",
    "accept-committed",
    "intent-inside",
    "intent-committed",
    "removal-unsent",
    "removal-answered",
    "answered",
    "result-inside",
    "result-committed",
    "timer-inside",
    "timer-committed",
];

/// Some turns never come, such as one in which only time has passed.
const WAIT_FOR_THE_STEP: Duration = Duration::from_secs(8);

#[test]
fn killed_at_every_step_and_at_any_moment() {
    const FAULT: &str = "SIGKILL at every step, and at any moment";
    let Some(bench) = Bench::new("killed_at_every_step_and_at_any_moment") else { return };
    let mut chance = chance(FAULT);
    let mut company = Company::found(bench);
    let times = rounds(4, 48);
    let mut steps: Vec<Option<&str>> = Vec::new();
    let mut one = [Supervised::start_directly(&company, "one")];
    let mut died = 0;
    for _ in 0..times {
        if steps.is_empty() {
            // Every step once, and as often without one; in a new order.
            steps = STEPS.into_iter().map(Some).chain(std::iter::repeat_n(None, STEPS.len() / 3)).collect();
            steps.shuffle(&mut chance);
        }
        let step = steps.pop().flatten();
        // Half of the time the cases of the round before are still under way.
        company.leave(chance.random_range(1..=3));
        one[0].instance().kill();
        died += usize::from(kill(&mut chance, &company, &mut one[0], step));
        one[0].start_again(&company, None);
        if chance.random_bool(0.5) {
            until_all_ended(&company, &mut one);
        }
    }
    until_all_ended(&company, &mut one);
    println!("{died} of {times} were killed at their step; the others never came there, and were killed outside of it");
    verdict::judge(FAULT, times, &company);
    let [one] = one;
    one.stop();
}

/// Starts the instance and has it killed; tells whether that was where it should be.
fn kill(chance: &mut StdRng, company: &Company, one: &mut Supervised, step: Option<&str>) -> bool {
    let Some(step) = step else {
        let after = between(chance, 0, 4000);
        println!("killed after {} ms", after.as_millis());
        one.start_again(company, None);
        std::thread::sleep(after);
        one.instance().kill();
        return true;
    };
    let at = format!("{step}@{}", [1, 1, 2, 3, 5].choose(chance).unwrap());
    println!("killed at {at}");
    one.start_again(company, Some(&at));
    let began = Instant::now();
    while began.elapsed() < WAIT_FOR_THE_STEP {
        if let Some(status) = one.instance().child.try_wait().unwrap() {
            assert_eq!(status.signal(), Some(9), "it ended by itself: {}", one.told());
            return true;
        }
        if company.all_ended() && began.elapsed() > WAIT_FOR_THE_STEP / 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    one.instance().kill();
    false
}

#[test]
fn frozen_for_longer_than_a_session() {
    const FAULT: &str = "SIGSTOP of the active instance, SIGCONT later";
    let Some(bench) = Bench::new("frozen_for_longer_than_a_session") else { return };
    let mut chance = chance(FAULT);
    let mut company = Company::found(bench);
    let names = ["one", "two"];
    let mut instances = names.map(|name| Supervised::start_directly(&company, name));
    let times = rounds(1, 12);
    for _ in 0..times {
        let sent = company.sent();
        company.leave(2);
        until("removals are under way, or over", &company, &mut instances, || {
            company.sent() > sent || company.all_ended()
        });
        std::thread::sleep(between(&mut chance, 0, 300));
        let frozen = company.active(&names);
        signal(&instances[frozen].instance().child, "STOP");
        company.leave(1);
        if chance.random_bool(0.7) {
            // The other one takes over and ends everything.
            until_all_ended(&company, &mut instances);
        } else {
            std::thread::sleep(between(&mut chance, 200, 9000));
        }
        signal(&instances[frozen].instance().child, "CONT");
        until_all_ended(&company, &mut instances);
    }
    verdict::judge(FAULT, times, &company);
    instances.into_iter().for_each(Supervised::stop);
}
