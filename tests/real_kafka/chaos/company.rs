//! A company of which a few leave in every round, on a simulated Heroku that has more requests to give than the real one.

use std::time::{Duration, Instant};

use heroku_deprovisioner::model::outcome::Outcome;
use heroku_deprovisioner::simulator::rate_limit::RateLimit;
use heroku_deprovisioner::simulator::{Options, World};

use super::super::bench::Bench;
use super::super::service::{Instance, Scene, Start};
use super::super::stage::{BOT, TOKEN, closed, removals};

/// How many could leave.
const PEOPLE: usize = 240;
/// What each has: two memberships, two apps.
pub(crate) const GRANTS_EACH: usize = 4;

/// A busy machine is slow; only what happens counts.
const PATIENCE: Duration = Duration::from_secs(300);

fn world() -> World {
    let powers = ["view", "create", "manage", "billing"];
    let mut world = World::new(3).with_token(TOKEN, BOT).with_enterprise("larkspur");
    world = world.with_enterprise_member("larkspur", BOT, &powers);
    for (team, enterprise) in [("payments", Some("larkspur")), ("storefront", None)] {
        world.add_team(team, enterprise);
        world.add_member(team, BOT, "admin");
        world.add_member(team, "ana.silva@larkspur.example", "admin");
        world.add_app(&format!("{team}-api"), team);
        for person in 0..PEOPLE {
            world.add_member(team, &leaver(person), "member");
            world.add_collaborator(&format!("{team}-api"), &leaver(person), &["view", "deploy"]);
        }
    }
    world
}

fn leaver(number: usize) -> String {
    format!("leaver{number:03}@larkspur.example")
}

/// The scene of one fault, and who has left so far.
pub(crate) struct Company {
    pub(crate) scene: Scene,
    pub(crate) gone: Vec<String>,
}

impl Company {
    pub(crate) fn found(bench: Bench) -> Self {
        let rate_limit = RateLimit { capacity: 50_000, refill_per_minute: 6_000 };
        let options = Options { latency: Duration::from_millis(25), rate_limit };
        Self { scene: Scene::set_up(bench, world(), options), gone: Vec::new() }
    }

    /// So many people leave.
    pub(crate) fn leave(&mut self, count: usize) {
        let leaving: Vec<String> = (self.gone.len()..).take(count).map(leaver).collect();
        assert!(self.gone.len() + count < PEOPLE, "nobody is left to leave");
        self.scene.say(&leaving.iter().map(String::as_str).collect::<Vec<_>>());
        self.gone.extend(leaving);
    }

    pub(crate) fn sent(&self) -> usize {
        removals(&self.scene.simulator).len()
    }

    pub(crate) fn ended(&self) -> usize {
        closed(&self.scene.outcomes()).len()
    }

    /// Which of these instances wrote last.
    pub(crate) fn active(&self, names: &[&str]) -> usize {
        let outcomes = self.scene.outcomes();
        let writers = outcomes.iter().filter_map(|record| match &record.data {
            Outcome::Revoked(revoked) => Some((record.at, &revoked.executed_by.instance)),
            Outcome::Closed(closed) => Some((record.at, &closed.executed_by.instance)),
            Outcome::Progress(_) | Outcome::Look(_) => None,
        });
        let last = writers.max_by_key(|(at, _)| *at);
        last.and_then(|(_, name)| names.iter().position(|it| it == name)).unwrap_or(0)
    }

    pub(crate) fn all_ended(&self) -> bool {
        self.ended() >= self.gone.len()
    }
}

/// An instance that is started again when it ends by itself, as every platform does it.
pub(crate) struct Supervised {
    name: &'static str,
    servers: String,
    heroku: String,
    instance: Option<Instance>,
    pub(crate) restarts: usize,
}

impl Supervised {
    pub(crate) fn start(company: &Company, name: &'static str, servers: &str, heroku: &str) -> Self {
        let (servers, heroku) = (servers.to_owned(), heroku.to_owned());
        let mut supervised = Self { name, servers, heroku, instance: None, restarts: 0 };
        supervised.start_again(company, None);
        supervised
    }

    /// Without any detour.
    pub(crate) fn start_directly(company: &Company, name: &'static str) -> Self {
        Self::start(company, name, company.scene.bench.bootstrap_servers(), &company.scene.simulator.url())
    }

    pub(crate) fn start_again(&mut self, company: &Company, crash_at: Option<&str>) {
        let start = Start { servers: Some(&self.servers), heroku: Some(&self.heroku), crash_at, more: "" };
        self.instance = Some(company.scene.start_with(self.name, &start));
    }

    pub(crate) fn instance(&mut self) -> &mut Instance {
        self.instance.as_mut().expect("it was started")
    }

    /// What it said since it was started first.
    pub(crate) fn told(&self) -> String {
        self.instance.as_ref().expect("it was started").told()
    }

    /// Looks whether it has ended.
    pub(crate) fn look_after(&mut self, company: &Company) {
        if let Some(status) = self.instance().child.try_wait().unwrap() {
            println!("{} ended by itself ({status}) and is started again", self.name);
            self.restarts += 1;
            assert!(self.restarts < 50, "it ends again and again: {}", self.told());
            self.start_again(company, None);
        }
    }

    pub(crate) fn stop(mut self) {
        self.instance.take().expect("it was started").stop();
    }
}

/// Asks again and again while the instances are looked after.
pub(crate) fn until(what: &str, company: &Company, instances: &mut [Supervised], mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        for instance in instances.iter_mut() {
            instance.look_after(company);
        }
        if began.elapsed() > PATIENCE {
            let told: Vec<String> = instances.iter().map(|it| format!("--- {}\n{}", it.name, it.told())).collect();
            panic!("never happened: {what}\n{}", told.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn until_all_ended(company: &Company, instances: &mut [Supervised]) {
    until("every case ends", company, instances, || company.all_ended());
}
