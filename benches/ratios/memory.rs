//! Resident memory of an idle `serve`, beside a process that holds one consumer and one transactional producer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use heroku_deprovisioner::simulator::generator::{ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT};
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};

use crate::service::{TOKEN, configuration};
use crate::stage::{self, Stage, until};
use crate::table::{Goal, Row, Table};

/// First argument of the process that is the baseline.
pub(crate) const BARE_CLIENTS: &str = "bare-clients";

const BARE_TOPIC: &str = "bare-memory";
/// Until what a start needs has been given back.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn bench(stage: &Stage, table: &mut Table) -> anyhow::Result<()> {
    let (ours, bare) = (serve(stage)?, clients(stage)?);
    table.add(Row {
        name: "memory of an idle serve",
        value: format!("{:.1} MiB", ours / MIB),
        baseline: format!("{:.1} MiB bare clients", bare / MIB),
        ratio: ours / bare,
        goal: Goal::None,
    });
    Ok(())
}

const MIB: f64 = 1024.0 * 1024.0;

fn serve(stage: &Stage) -> anyhow::Result<f64> {
    let prefix = "memory.";
    stage.topics(prefix)?;
    stage.broker.create_topic(&format!("{prefix}hr"), 1)?;
    let _inside = stage.runtime.enter();
    let world = World::new(1)
        .with_token(TOKEN, SERVICE_ACCOUNT)
        .with_enterprise(ENTERPRISE_ACCOUNT)
        .with_enterprise_member(ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT, &["view", "manage"]);
    let simulator = stage.runtime.block_on(Simulator::start_local(world, Options::default()))?;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory.toml");
    std::fs::write(&file, configuration(&stage.broker.bootstrap_servers(), &simulator.url(), prefix, true))?;
    let mut process = Process(
        Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(file)
            .env("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    until("the service knows who it is", || {
        if let Some(status) = process.0.try_wait()? {
            bail!("the service ended by itself: {status}");
        }
        Ok(simulator.requests().iter().any(|request| request.answered_at.is_some()))
    })?;
    std::thread::sleep(SETTLE);
    resident(&process.0)
}

fn clients(stage: &Stage) -> anyhow::Result<f64> {
    stage.broker.create_topic(BARE_TOPIC, 1)?;
    let mut process = Process(
        Command::new(std::env::current_exe()?)
            .args([BARE_CLIENTS, &stage.broker.bootstrap_servers()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let said = process.0.stdout.take().context("no pipe")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    std::thread::sleep(SETTLE);
    resident(&process.0)
}

/// The baseline: joins, becomes ready, and waits to be killed.
pub(crate) fn bare_clients(servers: &str) -> anyhow::Result<()> {
    let consumer: BaseConsumer = stage::bare(servers).set("group.id", BARE_TOPIC).create()?;
    consumer.subscribe(&[BARE_TOPIC])?;
    let producer: BaseProducer = stage::bare(servers).set("transactional.id", BARE_TOPIC).create()?;
    producer.init_transactions(Duration::from_secs(30))?;
    let mut ready = false;
    loop {
        drop(consumer.poll(Duration::from_millis(100)));
        producer.poll(Duration::ZERO);
        if !ready && consumer.assignment()?.count() > 0 {
            println!("ready");
            ready = true;
        }
    }
}

/// Bytes of a process that lie in memory.
fn resident(process: &Child) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// Killed when it is not needed any more.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
