//! The service as the demo runs it: in this process, or as a process that can be killed.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{PREFIX, Stage, TOKEN};
use crate::config::{Config, Environment, VARIABLE_PREFIX};
use crate::kafka::reader::{Follower, Since};
use crate::kafka::{KafkaSettings, TopicNames};
use crate::service::{self, ServiceError, Topics};
use crate::simulator::generator::{COMPANY_DOMAIN, ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT};
use crate::telemetry::Metrics;
use crate::trial::cast;

/// Neither outlives the demo, however that ends.
pub(super) enum Instance {
    Here(Option<JoinHandle<Result<(), ServiceError>>>, DropGuard),
    There(Process),
}

pub(super) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to kill when it was stopped in order.
        let _ = self.0.kill();
    }
}

impl Instance {
    pub(super) fn start(
        stage: &Stage,
        kafka: &KafkaSettings,
        heroku: &str,
        _environment: &Environment,
    ) -> anyhow::Result<Self> {
        let text = configuration(kafka.bootstrap_servers(), heroku);
        let token = format!("{VARIABLE_PREFIX}HEROKU__TOKEN");
        match stage {
            Stage::Embedded(_) => {
                let config =
                    Config::parse("the demo's configuration", &text, &Environment::of([(token.as_str(), TOKEN)]))?;
                let stop = CancellationToken::new();
                let ended = stop.clone();
                let service =
                    tokio::spawn(
                        async move { service::run(&config, Topics::Given, None, Metrics::default(), ended).await },
                    );
                Ok(Self::Here(Some(service), stop.drop_guard()))
            }
            Stage::Kafka(_, folder) => {
                let file = folder.join("heroku-deprovisioner.toml");
                std::fs::write(&file, text)?;
                let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("service.log"))?;
                let child = Command::new(std::env::current_exe()?)
                    .args(["serve", "--listen", "127.0.0.1:0", "--config"])
                    .arg(file)
                    .env(token, TOKEN)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(log)
                    .spawn()
                    .context("the service cannot be started")?;
                Ok(Self::There(Process(child)))
            }
        }
    }

    /// Waits until the service has made its topics.
    pub(super) fn until_topics(
        &mut self,
        kafka: &KafkaSettings,
        names: &TopicNames,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while Follower::open(kafka, &names.dead_letters, Since::Beginning).is_err()
            || Follower::open(kafka, &names.outcomes, Since::Beginning).is_err()
        {
            self.check()?;
            if began.elapsed() > patience {
                bail!("the service did not create its topics");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Says so when the service has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Here(service, _) => {
                if service.as_ref().is_some_and(JoinHandle::is_finished)
                    && let Some(service) = service.take()
                {
                    futures(service)??;
                    bail!("the service ended by itself");
                }
            }
            Self::There(process) => {
                if let Some(status) = process.0.try_wait()? {
                    bail!("the service ended by itself: {status}");
                }
            }
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Here(..) => bail!("a service in this process cannot be killed without it"),
            Self::There(process) => {
                process.0.kill()?;
                process.0.wait()?;
                Ok(())
            }
        }
    }

    /// Stops it in order.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Here(service, stop) => {
                drop(stop);
                service.map_or(Ok(()), |service| Ok(futures(service)??))
            }
            Self::There(mut process) => {
                let asked = Command::new("kill").arg("-TERM").arg(process.0.id().to_string()).status()?;
                if !asked.success() {
                    process.0.kill()?;
                }
                let status = process.0.wait()?;
                if !status.success() {
                    bail!("the service did not stop in order: {status}");
                }
                Ok(())
            }
        }
    }
}

fn futures<T>(task: JoinHandle<T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Handle::current().block_on(task)?)
}

/// Enforcing, with waits short enough for somebody who watches.
fn configuration(brokers: &str, heroku: &str) -> String {
    let (okta, hr) = (cast::OKTA_TOPIC, cast::HR_TOPIC);
    format!(
        r#"config_version = 1
mode = "enforce"

[heroku]
account = "{SERVICE_ACCOUNT}"
api_url = "{heroku}"
enterprise_account = "{ENTERPRISE_ACCOUNT}"

[kafka]
bootstrap_servers = "{brokers}"
prefix = "{PREFIX}"
create_topics = true

[[sources]]
name = "okta"
topic = "{okta}"
format = "okta"
tenant = "larkspur.okta.com"
start_at = "earliest"

[[sources]]
name = "hr"
topic = "{hr}"
format = "canonical"
tenant = "larkspur"
start_at = "earliest"

[people]
company_domains = ["{COMPANY_DOMAIN}"]
protected = ["break-glass@{COMPANY_DOMAIN}"]

[guards]
max_percent_of_team = 50            # several leave one small team at once

[instance]
name = "demo"

[advanced]
hold_recheck = "1s"
proof_patience = "1s"
session_timeout = "6s"
"#
    )
}
