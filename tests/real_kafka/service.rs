//! The service as a process of its own, killed, frozen and cut off from Kafka at the worst moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use heroku_deprovisioner::engine::record::StateRecord;
use heroku_deprovisioner::kafka::reader::find;
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::kafka::{KafkaSettings, TopicNames};
use heroku_deprovisioner::model::outcome::OutcomeRecord;
use heroku_deprovisioner::model::{IntentId, Removal};
use heroku_deprovisioner::simulator::faults::Rule;
use heroku_deprovisioner::simulator::journal::Recorded;
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::bench::{Bench, signal};
use super::stage::{
    self, GRANTS, LEAVERS, PRIYA, TOKEN, TOMAS, assert_all_gone, assert_honest, closed, leaves, left, removals, until,
    world,
};

/// A prefix on Kafka, a Heroku and room for the instances of one test.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    pub(crate) simulator: Simulator,
    folder: TempDir,
    _runtime: Runtime,
}

/// One instance of the service.
pub(crate) struct Instance {
    pub(crate) child: Child,
    log: PathBuf,
}

/// How an instance is started, where it differs from the others.
#[derive(Default)]
pub(crate) struct Start<'a> {
    /// The brokers it knows.
    pub(crate) servers: Option<&'a str>,
    /// Where it takes Heroku to be.
    pub(crate) heroku: Option<&'a str>,
    /// The place at which it kills itself.
    pub(crate) crash_at: Option<&'a str>,
    /// More configuration.
    pub(crate) more: &'a str,
}

/// One intent as the state topic tells it.
#[derive(Debug, Clone)]
struct Intent {
    /// The request that it names.
    path: String,
    /// When the first record with it was written; it is committed, and was so a little later.
    written_at: Timestamp,
    /// Whether what came of the request was committed too.
    answered: bool,
}

impl Scene {
    fn set(bench: Bench) -> Self {
        Self::set_with(bench, world(), Duration::from_millis(10))
    }

    /// With another company, and a Heroku that takes so long for each answer.
    pub(crate) fn set_with(bench: Bench, world: World, latency: Duration) -> Self {
        Self::set_up(bench, world, Options { latency, ..Options::default() })
    }

    pub(crate) fn set_up(bench: Bench, world: World, options: Options) -> Self {
        bench.create_topic(&source(&bench), 1, &[]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = runtime.block_on(Simulator::start_local(world, options)).unwrap();
        Self { bench, simulator, folder: TempDir::new().unwrap(), _runtime: runtime }
    }

    pub(crate) fn kafka(&self) -> &KafkaSettings {
        &self.bench.settings
    }

    pub(crate) fn names(&self) -> &TopicNames {
        &self.bench.names
    }

    pub(crate) fn start(&self, name: &str) -> Instance {
        self.start_with(name, &Start::default())
    }

    pub(crate) fn start_with(&self, name: &str, start: &Start<'_>) -> Instance {
        let file = self.folder.path().join(format!("{name}.toml"));
        let servers = start.servers.unwrap_or(self.bench.bootstrap_servers());
        let url = self.simulator.url();
        let text = stage::configuration(servers, &self.bench.prefix, start.heroku.unwrap_or(&url), name);
        fs::write(&file, text + start.more).unwrap();
        let log = self.folder.path().join(format!("{name}.log"));
        let out = File::options().append(true).create(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file);
        command.env("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN);
        if let Some(place) = start.crash_at {
            command.env("HEROKU_DEPROVISIONER_CRASH_AT", place);
        }
        let child = command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        Instance { child, log }
    }

    /// A command for people, with the configuration of an instance and something to read. Returns what it said.
    pub(crate) fn command(&self, instance: &str, words: &[&str], input: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
        command.args(words).arg("--config").arg(self.folder.path().join(format!("{instance}.toml")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }

    pub(crate) fn say(&self, leavers: &[&str]) {
        let records: Vec<_> = leavers.iter().map(|leaver| leaves(leaver)).collect();
        send(self.kafka(), &source(&self.bench), &records).unwrap();
    }

    pub(crate) fn set_faults(&self, faults: serde_json::Value) {
        let rules: Vec<Rule> = serde_json::from_value(faults).unwrap();
        self.simulator.set_faults(rules);
    }

    pub(crate) fn outcomes(&self) -> Vec<OutcomeRecord> {
        stage::outcomes(self.kafka(), self.names())
    }

    pub(crate) fn until_closed(&self, cases: usize, working: &mut Instance) {
        let began = Instant::now();
        until(&format!("{cases} cases end"), || {
            assert!(began.elapsed() < Duration::from_secs(230), "{cases} cases do not end: {}", working.told());
            assert!(working.child.try_wait().unwrap().is_none(), "the service ended by itself: {}", working.told());
            closed(&self.outcomes()).len() >= cases
        });
    }

    /// Requests that had their effect and whose answer is withheld.
    fn withheld(&self) -> usize {
        removals(&self.simulator).iter().filter(|it| it.effect_at.is_some() && it.answered_at.is_none()).count()
    }

    /// Every intent that was ever committed, from the whole history of the state topic.
    fn intents(&self) -> BTreeMap<IntentId, Intent> {
        let mut intents = BTreeMap::new();
        for record in find(self.kafka(), &self.names().state, |_| true).unwrap() {
            let key = String::from_utf8(record.key.unwrap()).unwrap();
            let Some(value) = record.value.filter(|_| key.starts_with("case/")) else { continue };
            // What somebody else wrote there names no removal of ours.
            let Ok(StateRecord::Case(case)) = StateRecord::decode(&key, &value) else { continue };
            for revocation in &case.revocations {
                let Some(removal) = &revocation.grant.removal else { continue };
                for attempt in &revocation.attempts {
                    let intent = intents.entry(attempt.intent_id).or_insert_with(|| Intent {
                        path: path(removal),
                        written_at: record.written_at.unwrap(),
                        answered: false,
                    });
                    intent.answered |= attempt.reply.is_some();
                }
            }
        }
        intents
    }

    /// Removals that Heroku got without an earlier committed intent of their own.
    pub(crate) fn unintended(&self) -> Vec<String> {
        let intents = self.intents();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut unintended = Vec::new();
        for request in removals(&self.simulator) {
            let so_far = seen.entry(request.path.clone()).or_default();
            *so_far += 1;
            let named = intents.values().filter(|it| it.path == request.path && it.written_at <= request.at).count();
            if named < *so_far {
                unintended.push(format!("removal number {so_far} with {named} earlier intents: {request:?}"));
            }
        }
        unintended
    }

    /// Every removal that Heroku got was named before by a committed intent, each by one of its own.
    pub(crate) fn assert_intended(&self) {
        assert_eq!(self.unintended(), Vec::<String>::new());
    }
}

impl Instance {
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn until_says(&self, what: &str) {
        until(&format!("the log says {what:?}"), || self.told().contains(what));
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the process ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    pub(crate) fn stop(self) {
        signal(&self.child, "TERM");
        self.until_stopped();
    }

    /// After a SIGTERM; a second one would end it at once.
    fn until_stopped(mut self) {
        let status = self.until_ended();
        assert_eq!(status.code(), Some(0), "{status}: {}", self.told());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Whatever it ends with: a test that fails leaves nothing behind, and one that passed has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn source(bench: &Bench) -> String {
    format!("{}leavers", bench.prefix)
}

fn path(removal: &Removal) -> String {
    match removal {
        Removal::Member { team, membership } => format!("/teams/{team}/members/{membership}"),
        Removal::Invitation { team, invitation } => format!("/teams/{team}/invitations/{invitation}"),
        Removal::Collaborator { app, collaborator } => format!("/apps/{app}/collaborators/{collaborator}"),
        Removal::SpaceAccess { space, account } => format!("/spaces/{space}/members/{account}"),
        Removal::EnterpriseMember { enterprise, account } => {
            format!("/enterprise-accounts/{enterprise}/members/{account}")
        }
    }
}

/// So many of each path.
fn count<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counted = BTreeMap::new();
    for path in paths {
        *counted.entry(path).or_default() += 1;
    }
    counted
}

/// One line of the crash table.
struct Row {
    point: &'static str,
    killed: bool,
    /// Removals that Heroku had got when the process died.
    sent_before: usize,
    /// Intents without a committed answer then.
    open: usize,
    /// Removals in the end.
    removals: usize,
    /// Of those, the ones that repeat another.
    extra: usize,
    /// No path was asked for more often than once, and once more for each intent that was open.
    extra_allowed: bool,
    ended: usize,
    left: usize,
}

impl Row {
    fn is_right(&self) -> bool {
        self.killed && self.extra_allowed && self.ended == LEAVERS.len() && self.left == 0
    }
}

/// Where the process is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// By itself, at a place in the code; `@2` and later: when some removals are behind it.
    At(&'static str),
    /// From outside, while Heroku withholds the answer to a removal that has taken effect.
    AnswerWithheld,
    /// From outside, while a removal is on its way; it arrives after its repetition.
    RequestWithheld,
}

/// In the order of one removal's life.
const KILLS: [(&str, Kill); 10] = [
    ("after poll", Kill::At("polled")),
    ("inside ACCEPT", Kill::At("accept-inside")),
    ("after ACCEPT", Kill::At("accept-committed")),
    ("inside INTENT", Kill::At("intent-inside@2")),
    ("after INTENT, before DELETE", Kill::At("intent-committed@2")),
    ("DELETE sent, not arrived", Kill::RequestWithheld),
    ("DELETE sent, answer lost", Kill::AnswerWithheld),
    ("after the answer", Kill::At("answered@3")),
    ("inside RESULT", Kill::At("result-inside@2")),
    ("after RESULT", Kill::At("result-committed@2")),
];

fn crash(test: &str, point: &'static str, kill: Kill) -> Option<Row> {
    let scene = Scene::set(Bench::new(test)?);
    let on_the_third = |fault: &str| {
        let then = json!({fault: {}});
        scene.set_faults(
            json!([{"name": "withheld", "when": {"method": "DELETE", "skip": 2, "times": 1}, "then": [then]}]),
        );
    };
    let withheld = || {
        let requests = removals(&scene.simulator);
        requests.into_iter().find(|it| it.answered_at.is_none() && it.faults.contains(&"withheld".to_owned()))
    };
    let place = match kill {
        Kill::At(place) => Some(place),
        Kill::AnswerWithheld => {
            on_the_third("hold_answer");
            None
        }
        Kill::RequestWithheld => {
            on_the_third("hold_request");
            None
        }
    };
    scene.say(&LEAVERS);
    let mut instance = scene.start_with("one", &Start { crash_at: place, ..Start::default() });
    match kill {
        Kill::At(_) => {}
        Kill::AnswerWithheld => {
            until("an answer is withheld", || withheld().is_some_and(|it| it.effect_at.is_some()));
            instance.child.kill().unwrap();
        }
        Kill::RequestWithheld => {
            until("a request is withheld", || withheld().is_some());
            instance.child.kill().unwrap();
        }
    }
    let status = instance.until_ended();
    scene.set_faults(json!([]));
    let sent_before = removals(&scene.simulator).len();
    let at_the_kill = scene.intents();
    let open = at_the_kill.values().filter(|intent| !intent.answered);
    let open = count(open.map(|intent| intent.path.as_str()));

    let mut instance = scene.start("one");
    if let (Kill::RequestWithheld, Some(first)) = (kill, withheld()) {
        until("it is sent again", || removals(&scene.simulator).iter().filter(|it| it.path == first.path).count() == 2);
    }
    scene.simulator.release();
    scene.until_closed(LEAVERS.len(), &mut instance);
    instance.stop();

    let outcomes = scene.outcomes();
    assert_honest(&scene.simulator, &outcomes, &LEAVERS);
    scene.assert_intended();
    let removals: Vec<Recorded> = removals(&scene.simulator);
    let sent = count(removals.iter().map(|request| request.path.as_str()));
    let allowed = |path: &str| 1 + open.get(path).copied().unwrap_or(0);
    Some(Row {
        point,
        killed: status.signal() == Some(9),
        sent_before,
        open: open.values().sum(),
        removals: removals.len(),
        extra: removals.len() - sent.len(),
        extra_allowed: sent.iter().all(|(path, times)| *times <= allowed(path)),
        ended: closed(&outcomes).len(),
        left: LEAVERS.iter().map(|leaver| left(&scene.simulator, leaver).len()).sum(),
    })
}

#[test]
fn a_kill_at_any_point_loses_and_doubles_nothing() {
    const NAME: &str = "a_kill_at_any_point_loses_and_doubles_nothing";
    let rows = Mutex::new(Vec::new());
    // Each waits most of its time, for Kafka and for its own process.
    std::thread::scope(|scope| {
        for part in KILLS.chunks(4) {
            let rows = &rows;
            scope.spawn(move || {
                for (point, kill) in part {
                    if let Some(row) = crash(NAME, point, *kill) {
                        rows.lock().unwrap().push(row);
                    }
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    if rows.is_empty() {
        return; // No real Kafka; that has been said.
    }
    rows.sort_by_key(|row| KILLS.iter().position(|(point, _)| *point == row.point));
    println!("kill -9 of the service, then a restart; {GRANTS} grants of {} people", LEAVERS.len());
    println!(
        "| killed                      | died | sent before | intents open | removals | extra | ended | left | verdict |"
    );
    println!(
        "| --------------------------- | ---- | ----------: | -----------: | -------: | ----: | ----: | ---: | ------- |"
    );
    for row in &rows {
        let Row { point, sent_before, open, removals, extra, ended, left, .. } = row;
        let died = if row.killed { "yes" } else { "NO" };
        let verdict = if row.is_right() { "right" } else { "WRONG" };
        println!(
            "| {point:<27} | {died:<4} | {sent_before:>11} | {open:>12} | {removals:>8} | {extra:>5} | {ended:>5} | {left:>4} | {verdict:<7} |"
        );
    }
    assert_eq!(rows.len(), KILLS.len());
    assert!(rows.iter().all(Row::is_right));
    let repeated = rows.iter().find(|row| row.point == "DELETE sent, not arrived").unwrap();
    assert_eq!(repeated.extra, 1, "the one kill after which a removal must be repeated");
}

#[test]
fn a_frozen_worker_that_thaws_commits_nothing() {
    let Some(bench) = Bench::new("a_frozen_worker_that_thaws_commits_nothing") else { return };
    let scene = Scene::set(bench);
    let frozen = scene.start("frozen");
    frozen.until_says("State restored");
    let mut heir = scene.start("heir");
    // It is frozen while it waits for an answer, with intents open.
    scene.set_faults(json!([{"when": {"method": "DELETE", "skip": 2, "times": 1}, "then": [{"hold_answer": {}}]}]));
    scene.say(&[PRIYA]);
    until("an answer is withheld", || scene.withheld() == 1);
    signal(&frozen.child, "STOP");
    scene.set_faults(json!([]));
    scene.until_closed(1, &mut heir);
    assert!(heir.told().contains("State restored"), "the heir took over");

    let history = |topic: &str| find(scene.kafka(), topic, |_| true).unwrap().len();
    let before = (history(&scene.names().state), history(&scene.names().outcomes));
    let sent_before = removals(&scene.simulator).len();
    scene.simulator.release();
    let read = frozen.told().len();
    signal(&frozen.child, "CONT");
    until("the thawed one has found out", || {
        let told = frozen.told();
        let since = &told[read..];
        since.contains("A turn was not committed") || since.contains("Thrown out") || since.contains("Lost")
    });
    // It finds out by the answer that it tries to commit, or by its heartbeat; whichever comes second is waited for too.
    std::thread::sleep(Duration::from_secs(3));
    let after = (history(&scene.names().state), history(&scene.names().outcomes));
    assert_eq!(before, after, "the zombie committed something: {}", frozen.told());
    assert_eq!(removals(&scene.simulator).len(), sent_before, "the zombie sent something");

    scene.say(&[TOMAS]);
    scene.until_closed(LEAVERS.len(), &mut heir);
    let outcomes = scene.outcomes();
    assert_all_gone(&scene.simulator, &outcomes, &LEAVERS);
    scene.assert_intended();
    for case in closed(&outcomes) {
        assert_eq!(case.executed_by.instance, "heir");
    }
    heir.stop();
    frozen.stop();
}

#[test]
fn a_standby_goes_on_where_a_killed_worker_stopped() {
    let Some(bench) = Bench::new("a_standby_goes_on_where_a_killed_worker_stopped") else { return };
    let scene = Scene::set(bench);
    let mut active = scene.start("active");
    active.until_says("State restored");
    let mut standby = scene.start("standby");
    standby.until_says("Answering on");
    scene.set_faults(json!([{"when": {"method": "DELETE", "skip": 2, "times": 1}, "then": [{"hold_answer": {}}]}]));
    scene.say(&LEAVERS);
    until("an answer is withheld", || scene.withheld() == 1);
    assert!(!standby.told().contains("State restored"), "one worker at a time");
    active.kill();
    let killed = Instant::now();
    scene.simulator.release();
    scene.set_faults(json!([]));
    standby.until_says("State restored");
    println!("killed; the standby had the state {} ms later", killed.elapsed().as_millis());
    scene.until_closed(LEAVERS.len(), &mut standby);
    let outcomes = scene.outcomes();
    assert_all_gone(&scene.simulator, &outcomes, &LEAVERS);
    scene.assert_intended();
    standby.stop();
}

#[test]
fn an_outage_of_kafka_longer_than_a_transaction_is_survived() {
    let Some(bench) = Bench::with_own_broker("an_outage_of_kafka_longer_than_a_transaction_is_survived") else {
        return;
    };
    let mut scene = Scene::set(bench);
    let mut instance = scene.start("one");
    scene.set_faults(json!([{"when": {"method": "DELETE", "skip": 2, "times": 1}, "then": [{"hold_answer": {}}]}]));
    scene.say(&LEAVERS);
    until("an answer is withheld", || scene.withheld() == 1);
    scene.bench.own_broker().stop().unwrap();
    // The answer comes while nobody can write it down.
    scene.simulator.release();
    scene.set_faults(json!([]));
    std::thread::sleep(Duration::from_secs(60));
    assert!(instance.child.try_wait().unwrap().is_none(), "it ended by itself: {}", instance.told());
    let during = removals(&scene.simulator).len();
    scene.bench.own_broker().start_again().unwrap();
    scene.until_closed(LEAVERS.len(), &mut instance);
    let outcomes = scene.outcomes();
    assert_all_gone(&scene.simulator, &outcomes, &LEAVERS);
    scene.assert_intended();
    assert!(during < GRANTS, "without Kafka nothing more is removed");
    assert!(instance.told().contains("A turn was not committed"), "it went on from the log");
    instance.stop();
}

#[test]
fn sigterm_finishes_what_is_on_the_wire_and_starts_no_more() {
    let Some(bench) = Bench::new("sigterm_finishes_what_is_on_the_wire_and_starts_no_more") else { return };
    let scene = Scene::set(bench);
    // Every answer waits, so no more leave than may leave at once.
    scene.set_faults(json!([{"when": {"method": "DELETE"}, "then": [{"hold_answer": {}}]}]));
    scene.say(&LEAVERS);
    let instance = scene.start("one");
    let intended = || scene.intents().len();
    until("all that may leave has left", || scene.withheld() > 0 && scene.withheld() == intended());
    let on_the_wire = removals(&scene.simulator).len();
    assert!(on_the_wire < GRANTS);
    signal(&instance.child, "TERM");
    instance.until_says("Stopping: no new removal is started");
    scene.set_faults(json!([]));
    scene.simulator.release();
    instance.until_stopped();
    assert_eq!(removals(&scene.simulator).len(), on_the_wire);
    let intents = scene.intents();
    assert_eq!(intents.len(), on_the_wire);
    assert!(intents.values().all(|intent| intent.answered), "each answer was written down: {intents:?}");
    assert_eq!(closed(&scene.outcomes()).len(), 0);
    let left_open: BTreeSet<String> = LEAVERS.iter().flat_map(|leaver| left(&scene.simulator, leaver)).collect();
    assert!(!left_open.is_empty());

    let mut instance = scene.start("one");
    scene.until_closed(LEAVERS.len(), &mut instance);
    assert_all_gone(&scene.simulator, &scene.outcomes(), &LEAVERS);
    assert_eq!(removals(&scene.simulator).len(), GRANTS, "nothing was sent twice");
    scene.assert_intended();
    instance.stop();
}
