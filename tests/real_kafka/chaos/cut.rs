//! One of two instances is cut off, from the brokers or from Heroku, in the ways in which networks fail: nothing arrives,
//! only answers get lost, lines are refused, everything is late.

use std::time::Duration;

use heroku_deprovisioner::trial::{Broker, Place, jars_for};
use rand::RngExt;

use super::super::bench::{self, Bench};
use super::company::{Company, Supervised, until, until_all_ended};
use super::proxy::{Course, Proxy};
use super::{between, chance, rounds, verdict};

/// How a line fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Nothing arrives; later it does.
    Held,
    /// What is asked arrives, the answers are gone.
    AnswersLost,
    /// What is asked is gone.
    QuestionsLost,
    /// Lines break, new ones are refused.
    Refused,
    /// Everything comes late.
    Late,
}

const FAULTS: [Fault; 5] = [Fault::AnswersLost, Fault::Held, Fault::Refused, Fault::QuestionsLost, Fault::Late];

/// What stands between one instance and one neighbour.
impl Fault {
    fn strike(self, proxy: &Proxy) {
        match self {
            Self::Held => proxy.set(Course::Hold, Course::Hold),
            Self::AnswersLost => proxy.set(Course::Pass, Course::Lose),
            Self::QuestionsLost => proxy.set(Course::Lose, Course::Pass),
            Self::Refused => proxy.cut(),
            Self::Late => {
                proxy.set(Course::Delay(Duration::from_millis(150)), Course::Delay(Duration::from_millis(150)));
            }
        }
    }
}

#[test]
fn an_instance_cut_off_from_the_brokers_loses_and_doubles_nothing() {
    play("an_instance_cut_off_from_the_brokers_loses_and_doubles_nothing", Neighbour::Brokers);
}

#[test]
fn an_instance_cut_off_from_heroku_loses_and_doubles_nothing() {
    play("an_instance_cut_off_from_heroku_loses_and_doubles_nothing", Neighbour::Heroku);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    Brokers,
    Heroku,
}

fn play(test: &str, neighbour: Neighbour) {
    let Some(jars) = jars_for(test) else { return };
    let fault = match neighbour {
        Neighbour::Brokers => "an instance is cut off from the brokers",
        Neighbour::Heroku => "an instance is cut off from Heroku",
    };
    let mut chance = chance(fault);
    let proxies = [Proxy::open(), Proxy::open()];
    let doors = [("ONE", proxies[0].port()), ("TWO", proxies[1].port())];
    let mut broker = Broker::prepare(&jars, bench::folder(), Place::alone_behind(&doors).unwrap()).unwrap();
    broker.start_again().unwrap();
    let mut company = Company::found(Bench::at(&broker.bootstrap_servers()));
    let heroku = company.scene.simulator.url();
    let names = ["one", "two"];
    let mut instances: Vec<Supervised> = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let told = format!("127.0.0.1:{}", proxies[index].port());
        let (servers, url) = match neighbour {
            Neighbour::Brokers => {
                proxies[index].lead_to(broker.door(doors[index].0).unwrap().port);
                (told, heroku.clone())
            }
            Neighbour::Heroku => {
                proxies[index].lead_to(heroku.rsplit(':').next().unwrap().parse().unwrap());
                (broker.bootstrap_servers(), format!("http://{told}"))
            }
        };
        instances.push(Supervised::start(&company, name, &servers, &url));
    }

    let times = rounds(1, 20);
    let first = chance.random_range(0..FAULTS.len());
    let longest = match neighbour {
        _ if times == 1 => 4000,
        Neighbour::Brokers => 14_000,
        // A request to Heroku is given up after 30 s; what was held until then arrives all the same.
        Neighbour::Heroku => 40_000,
    };
    for round in 0..times {
        let sent = company.sent();
        company.leave(2);
        until("removals are under way, or over", &company, &mut instances, || {
            company.sent() > sent || company.all_ended()
        });
        std::thread::sleep(between(&mut chance, 0, 200));
        let cut = company.active(&names);
        let how = FAULTS[(first + round) % FAULTS.len()];
        how.strike(&proxies[cut]);
        // Longer than a session, so that the other one takes over, or shorter.
        let most = if chance.random_bool(0.5) { 4000 } else { longest };
        let lasts = between(&mut chance, 100, most);
        println!(
            "round {}: {} is cut off from {neighbour:?} for {} ms: {how:?}",
            round + 1,
            names[cut],
            lasts.as_millis()
        );
        company.leave(1);
        std::thread::sleep(lasts);
        if neighbour == Neighbour::Brokers && lasts > Duration::from_secs(7) && chance.random_bool(0.5) {
            // The heir ends everything while the other is still cut off.
            until_all_ended(&company, &mut instances);
        }
        proxies[cut].heal();
        until_all_ended(&company, &mut instances);
    }
    verdict::judge(fault, times, &company);
    let restarts: usize = instances.iter().map(|instance| instance.restarts).sum();
    println!("{restarts} times an instance ended by itself and was started again");
    instances.into_iter().for_each(Supervised::stop);
}
