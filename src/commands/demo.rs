//! `demo`: the main job in front of a simulated Heroku, and then Heroku's own count of what happened.

mod instance;
mod report;

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;

use self::instance::Instance;
use crate::cli::DemoArgs;
use crate::config::Environment;
use crate::exit::Exit;
use crate::kafka::reader::{Follower, Since};
use crate::kafka::send::send;
use crate::kafka::{Embedded, KafkaSettings, TopicNames};
use crate::model::outcome::{HoldReason, Outcome, OutcomeKind, OutcomeRecord};
use crate::simulator::faults::{Fault, Hold, Rule, When};
use crate::simulator::{Options, Simulator};
use crate::trial::{Broker, Jars, cast};
use crate::{clock, wire};

/// The demo's token; the simulator knows no other.
const TOKEN: &str = "HRKU-demo-0000";

/// Prefix of the demo's topics.
const PREFIX: &str = "heroku-deprovisioner.";

/// The demo gives up when it takes longer: something is wrong then.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker to play on.
enum Stage {
    /// In this process; it has no crash safety.
    Embedded(Embedded),
    /// Apache Kafka in a process of its own, with its folder.
    Kafka(Broker, std::path::PathBuf),
}

/// What the play has shown.
pub(super) struct Played {
    pub(super) outcomes: Vec<OutcomeRecord>,
    pub(super) dead_letters: usize,
    pub(super) kills: usize,
    pub(super) took: Duration,
}

/// Runs `demo`.
///
/// # Errors
/// When the broker or the service cannot start, or the play does not come to its end.
pub fn run(args: &DemoArgs, environment: &Environment, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let seed = args.seed.unwrap_or_else(|| u64::try_from(clock::now().as_millisecond()).unwrap_or(1) % 100_000);
    let stage = if args.kafka { kafka()? } else { Stage::Embedded(Embedded::start()?) };
    if !args.json {
        report::prologue(out, seed, stage.broker())?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let options = Options { latency: Duration::from_millis(10), ..Options::default() };
    let simulator = runtime.block_on(Simulator::start_local(cast::world(seed, TOKEN), options))?;
    let played = play(&stage, &simulator, environment)?;
    if args.json {
        for record in &played.outcomes {
            writeln!(out, "{}", wire::outcome(record).text())?;
        }
    } else {
        report::epilogue(out, &played, &simulator, seed, args.kafka)?;
    }
    let right = report::is_right(&played, &simulator);
    drop(stage);
    Ok(if right { Exit::Done } else { Exit::Failed })
}

fn kafka() -> anyhow::Result<Stage> {
    let jars = Jars::find().context("run `make kafka` once; it fetches the jars of Apache Kafka")?;
    let folder = std::env::temp_dir().join(format!("heroku-deprovisioner-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(Stage::Kafka(Broker::start(&jars, &folder)?, folder))
}

impl Stage {
    fn settings(&self) -> KafkaSettings {
        match self {
            Self::Embedded(broker) => broker.settings(),
            Self::Kafka(broker, _) => broker.settings(),
        }
    }

    fn broker(&self) -> String {
        match self {
            Self::Embedded(_) => "a broker inside this process, for trying: it survives no crash".to_owned(),
            Self::Kafka(broker, _) => format!("Apache Kafka {}, in a process of its own", broker.version()),
        }
    }

    /// Source topics and, where nobody else can, our own.
    fn prepare(&self, names: &TopicNames) -> anyhow::Result<()> {
        match self {
            Self::Embedded(broker) => {
                broker.create_topics(names)?;
                for topic in [cast::OKTA_TOPIC, cast::HR_TOPIC] {
                    broker.create_topic(topic, 2)?;
                }
            }
            Self::Kafka(broker, _) => {
                for topic in [cast::OKTA_TOPIC, cast::HR_TOPIC] {
                    broker.create_topic(topic, 2)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Self::Kafka(broker, folder) = self {
            // What remains of a demo is in the way of nobody.
            let _ = broker.kill();
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn play(stage: &Stage, simulator: &Simulator, environment: &Environment) -> anyhow::Result<Played> {
    let names = TopicNames::new(PREFIX);
    let kafka = stage.settings();
    stage.prepare(&names)?;
    let began = Instant::now();
    let crash = matches!(stage, Stage::Kafka(..));
    if crash {
        // The answer to the third removal is withheld; the service dies while it waits for it.
        simulator.set_faults(vec![Rule {
            name: "answer withheld".to_owned(),
            when: When { method: Some("DELETE".to_owned()), skip: 2, times: Some(1), ..When::default() },
            then: vec![Fault::HoldAnswer(Hold { ms: None })],
            fitted: 0,
        }]);
    }
    let mut instance = Instance::start(stage, &kafka, &simulator.url(), environment)?;
    instance.until_topics(&kafka, &names, PATIENCE)?;
    let heard = follow(&kafka, &names)?;
    let now = clock::now();
    send(&kafka, cast::OKTA_TOPIC, &cast::okta_records(now))?;
    send(&kafka, cast::HR_TOPIC, &cast::hr_records(now))?;

    let mut played = Played { outcomes: Vec::new(), dead_letters: 0, kills: 0, took: Duration::ZERO };
    let mut promoted = false;
    let told = Progress::new();
    while closed(&played) < cast::LEAVERS.len() || played.dead_letters == 0 {
        if began.elapsed() > PATIENCE {
            bail!(
                "the play did not end within {} s: {} of {} cases",
                PATIENCE.as_secs(),
                closed(&played),
                cast::LEAVERS.len()
            );
        }
        instance.check()?;
        if crash && played.kills == 0 && answer_withheld(simulator) {
            told.say("the service is killed with SIGKILL between a removal and its answer");
            instance.kill()?;
            simulator.release();
            simulator.set_faults(Vec::new());
            played.kills += 1;
            told.say("the service is started again");
            instance = Instance::start(stage, &kafka, &simulator.url(), environment)?;
        }
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok(Heard::Outcome(record)) => {
                told.outcome(&record);
                played.outcomes.push(*record);
            }
            Ok(Heard::DeadLetter) => {
                played.dead_letters += 1;
                told.say("a record that cannot be read went to the dead letters");
            }
            Err(_) => {
                if !promoted && closed(&played) + 1 == cast::LEAVERS.len() && is_held_for_admin(&played) {
                    told.say("somebody else becomes admin of payroll");
                    simulator.with_world(cast::promote_successor);
                    promoted = true;
                }
            }
        }
    }
    played.took = began.elapsed();
    instance.stop()?;
    // Whatever would come twice has come by now: everything is committed, and the service has left.
    while let Ok(more) = heard.recv_timeout(Duration::from_millis(500)) {
        if let Heard::Outcome(record) = more {
            played.outcomes.push(*record);
        }
    }
    Ok(played)
}

/// What the play listens to.
enum Heard {
    Outcome(Box<OutcomeRecord>),
    DeadLetter,
}

fn follow(kafka: &KafkaSettings, names: &TopicNames) -> anyhow::Result<Receiver<Heard>> {
    let (say, heard) = channel();
    let outcomes = Follower::open(kafka, &names.outcomes, Since::Beginning)?;
    let letters = Follower::open(kafka, &names.dead_letters, Since::Beginning)?;
    std::thread::spawn(move || {
        loop {
            let mut news = Vec::new();
            while let Ok(Some(record)) = outcomes.next(Duration::from_millis(20)) {
                let read = record.value.as_deref().map(wire::read_outcome);
                if let Some(Ok(outcome)) = read {
                    news.push(Heard::Outcome(Box::new(outcome)));
                }
            }
            while let Ok(Some(_)) = letters.next(Duration::from_millis(20)) {
                news.push(Heard::DeadLetter);
            }
            for one in news {
                if say.send(one).is_err() {
                    return;
                }
            }
        }
    });
    Ok(heard)
}

fn closed(played: &Played) -> usize {
    played.outcomes.iter().filter(|record| record.kind == OutcomeKind::CaseClosed).count()
}

fn is_held_for_admin(played: &Played) -> bool {
    played.outcomes.iter().any(|record| match &record.data {
        Outcome::Progress(progress) => progress.holds.iter().any(|hold| hold.reason == HoldReason::LastHumanAdmin),
        Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Look(_) => false,
    })
}

fn answer_withheld(simulator: &Simulator) -> bool {
    simulator.requests().iter().any(|request| {
        request.effect_at.is_some()
            && request.answered_at.is_none()
            && request.faults.iter().any(|it| it == "answer withheld")
    })
}

/// Lines on standard error while the play goes on, only for a terminal.
struct Progress {
    on: bool,
    began: Timestamp,
}

impl Progress {
    fn new() -> Self {
        Self { on: std::io::stderr().is_terminal(), began: clock::now() }
    }

    fn say(&self, what: &str) {
        if self.on {
            let after = clock::now().duration_since(self.began).as_secs_f32();
            anstream::eprintln!("  {after:5.1} s  {what}");
        }
    }

    fn outcome(&self, record: &OutcomeRecord) {
        let person = match &record.data {
            Outcome::Closed(closed) => report::name(&closed.person),
            Outcome::Progress(progress) => report::name(&progress.person),
            Outcome::Look(look) => report::name(&look.person),
            Outcome::Revoked(revoked) => return self.say(&format!("gone, proven: {}", report::grant(&revoked.grant))),
        };
        let summary = match &record.data {
            Outcome::Closed(closed) => &closed.summary,
            Outcome::Progress(progress) => &progress.summary,
            Outcome::Look(look) => &look.summary,
            Outcome::Revoked(_) => return,
        };
        self.say(&format!("{person}: {summary}"));
    }
}
