//! The whole service in this process, between a real Kafka and a simulated Heroku, with nothing to slow it down but the
//! simulator's latency: a bench measures the program, not the caps that somebody configured.

use std::time::Duration;

use anyhow::{Context, bail};
use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::kafka::{Follower, Since, TopicNames};
use heroku_deprovisioner::model::event::PERSON_EVENT_TYPE;
use heroku_deprovisioner::model::outcome::OutcomeKind;
use heroku_deprovisioner::service::{self, ServiceError, Topics};
use heroku_deprovisioner::simulator::generator::{COMPANY_DOMAIN, ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT};
use heroku_deprovisioner::simulator::rate_limit::RateLimit;
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use heroku_deprovisioner::telemetry::Metrics;
use heroku_deprovisioner::{clock, wire};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, until};

pub(crate) const TOKEN: &str = "HRKU-bench-0000";

/// So many that no benchmark waits for one.
const UNLIMITED: RateLimit = RateLimit { capacity: 1_000_000, refill_per_minute: 60_000 };

pub(crate) struct Running<'a> {
    stage: &'a Stage,
    pub(crate) simulator: Simulator,
    source: String,
    producer: BaseProducer,
    outcomes: Follower,
    service: JoinHandle<Result<(), ServiceError>>,
    stop: CancellationToken,
}

impl<'a> Running<'a> {
    /// Starts it under a prefix of its own and waits until it is at rest.
    pub(crate) fn start(
        stage: &'a Stage,
        prefix: &str,
        world: World,
        latency: Duration,
        quick: bool,
    ) -> anyhow::Result<Self> {
        let _inside = stage.runtime.enter();
        let names = stage.topics(prefix)?;
        let source = format!("{prefix}hr");
        stage.broker.create_topic(&source, 1)?;
        let options = Options { latency, rate_limit: UNLIMITED };
        let simulator = stage.runtime.block_on(Simulator::start_local(world, options))?;
        let text = configuration(&stage.broker.bootstrap_servers(), &simulator.url(), prefix, quick);
        let config = Config::parse("the benchmark's configuration", &text, &environment())?;
        let stop = CancellationToken::new();
        let service = tokio::spawn({
            let stop = stop.clone();
            async move { service::run(&config, Topics::Prepare, None, Metrics::default(), stop).await }
        });
        // Connected before the first event, so that no event waits for a connection.
        let producer: BaseProducer = stage.bare().set("linger.ms", "0").create()?;
        producer.client().fetch_metadata(Some(&source), Duration::from_secs(30))?;
        let outcomes = follow(stage, &names)?;
        let running = Self { stage, simulator, source, producer, outcomes, service, stop };
        until("the service knows who it is", || {
            running.check()?;
            Ok(running.simulator.requests().iter().any(|request| request.answered_at.is_some()))
        })?;
        Ok(running)
    }

    /// Says that these people left and waits until all their cases are closed. Returns the moment before the first of
    /// the events was sent.
    pub(crate) fn offboard(&self, people: &[String]) -> anyhow::Result<jiff::Timestamp> {
        let began = clock::now();
        for person in people {
            let event = left(person).to_string();
            self.producer
                .send(BaseRecord::to(&self.source).key(person).payload(&event))
                .map_err(|(failure, _)| failure)?;
        }
        self.producer.flush(Duration::from_secs(30))?;
        let mut closed = 0;
        until("all cases are closed", || {
            self.check()?;
            while let Some(record) = self.outcomes.next(Duration::from_millis(10))? {
                let outcome = wire::read_outcome(record.value.as_deref().context("an outcome without a value")?)?;
                closed += usize::from(outcome.kind == OutcomeKind::CaseClosed);
            }
            Ok(closed == people.len())
        })?;
        Ok(began)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.stage.runtime.block_on(self.service)??;
        self.stage.runtime.block_on(self.simulator.shutdown());
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.service.is_finished() {
            bail!("the service ended by itself");
        }
        Ok(())
    }
}

fn follow(stage: &Stage, names: &TopicNames) -> anyhow::Result<Follower> {
    Ok(Follower::open(&stage.kafka(), &names.outcomes, Since::Beginning)?)
}

/// The token, as the service finds it.
pub(crate) fn environment() -> Environment {
    Environment::of([("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)])
}

/// Enforcing, with caps that nobody reaches; everything else as it is by default.
pub(crate) fn configuration(brokers: &str, heroku: &str, prefix: &str, quick: bool) -> String {
    format!(
        r#"config_version = 1
mode = "enforce"

[heroku]
account = "{SERVICE_ACCOUNT}"
api_url = "{heroku}"
enterprise_account = "{ENTERPRISE_ACCOUNT}"
use_permissions_endpoint = {quick}

[kafka]
bootstrap_servers = "{brokers}"
prefix = "{prefix}"
create_topics = true

[[sources]]
name = "hr"
topic = "{prefix}hr"
format = "canonical"
tenant = "larkspur"
start_at = "earliest"

[people]
company_domains = ["{COMPANY_DOMAIN}"]

[guards]
max_people_per_hour = 1000
max_people_per_day = 1000
max_percent_of_team = 100

[instance]
name = "bench"
"#
    )
}

fn left(person: &str) -> Value {
    let (key, now) = (format!("hr:larkspur:{person}"), clock::now().to_string());
    json!({
        "specversion": "1.0", "id": format!("left-{person}"), "source": "urn:larkspur:hr", "type": PERSON_EVENT_TYPE,
        "subject": key, "time": now, "datacontenttype": "application/json",
        "data": {
            "schema_version": 1, "action": "deprovision", "occurred_at": now,
            "subject": {"person_key": key, "emails": [{"value": person, "kind": "work"}]},
            "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left",
                       "event_id": format!("left-{person}")},
            "reason": "resignation",
        },
    })
}
