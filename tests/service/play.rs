//! One instance on a broker of its own.

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::kafka::send::send;
use heroku_deprovisioner::kafka::{Embedded, KafkaSettings, OutgoingRecord, TopicNames};
use heroku_deprovisioner::model::outcome::OutcomeRecord;
use heroku_deprovisioner::service::{self, ServiceError, Topics};
use heroku_deprovisioner::simulator::faults::Rule;
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use heroku_deprovisioner::status::Status;
use heroku_deprovisioner::telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::stage::{self, TOKEN, closed, until};

const PREFIX: &str = "t.";

pub(crate) struct Play {
    pub(crate) simulator: Simulator,
    pub(crate) names: TopicNames,
    pub(crate) kafka: KafkaSettings,
    config: Config,
    address: String,
    /// Before the runtime: a test that fails must not wait for a service that nobody stops.
    stop: DropGuard,
    service: JoinHandle<Result<(), ServiceError>>,
    runtime: Runtime,
    _broker: Embedded,
}

impl Play {
    /// Starts the service in front of this world and these faults (as JSON, see docs/simulator.md).
    pub(crate) fn begin(world: World, faults: serde_json::Value) -> Self {
        Self::begin_with(world, faults, "")
    }

    /// The same, with more configuration.
    pub(crate) fn begin_with(world: World, faults: serde_json::Value, more: &str) -> Self {
        let broker = Embedded::start().unwrap();
        let (names, kafka) = (TopicNames::new(PREFIX), broker.settings());
        broker.create_topics(&names).unwrap();
        for (source, partitions) in [("leavers", 1), ("tokens", 1), ("directory", 2)] {
            broker.create_topic(&format!("{PREFIX}{source}"), partitions).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let simulator = runtime.block_on(Simulator::start_local(world, Options::default())).unwrap();
        simulator.set_faults(rules(faults));
        let text = stage::configuration(kafka.bootstrap_servers(), PREFIX, &simulator.url(), "one") + more;
        let environment = Environment::of([("HEROKU_DEPROVISIONER__HEROKU__TOKEN", TOKEN)]);
        let config = Config::parse("the test's configuration", &text, &environment).unwrap();
        let (address, stop, service) = start(&runtime, config.clone());
        Self { simulator, names, kafka, config, address, stop, service, runtime, _broker: broker }
    }

    /// Stops the service in order, and starts it anew.
    pub(crate) fn restart(mut self) -> Self {
        drop(self.stop);
        self.runtime.block_on(self.service).unwrap().unwrap();
        (self.address, self.stop, self.service) = start(&self.runtime, self.config.clone());
        self
    }

    pub(crate) fn say(&self, records: &[OutgoingRecord]) {
        self.say_on(&format!("{PREFIX}leavers"), records);
    }

    pub(crate) fn say_on(&self, topic: &str, records: &[OutgoingRecord]) {
        send(&self.kafka, topic, records).unwrap();
    }

    pub(crate) fn set_faults(&self, faults: serde_json::Value) {
        self.simulator.set_faults(rules(faults));
    }

    pub(crate) fn outcomes(&self) -> Vec<OutcomeRecord> {
        stage::outcomes(&self.kafka, &self.names)
    }

    /// Waits until so many cases have ended.
    pub(crate) fn until_closed(&self, cases: usize) -> Vec<OutcomeRecord> {
        let mut outcomes = Vec::new();
        until(&format!("{cases} cases end"), || {
            assert!(!self.service.is_finished(), "the service ended by itself");
            outcomes = self.outcomes();
            closed(&outcomes).len() >= cases
        });
        outcomes
    }

    pub(crate) fn status(&self) -> Status {
        self.runtime.block_on(async { self.get("statusz").await.json().await.unwrap() })
    }

    pub(crate) fn metrics(&self) -> String {
        self.runtime.block_on(async { self.get("metrics").await.text().await.unwrap() })
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}/{path}", self.address)).await.unwrap()
    }

    /// Stops in order, and returns every outcome that was ever told.
    pub(crate) fn end(self) -> (Simulator, Vec<OutcomeRecord>) {
        drop(self.stop);
        self.runtime.block_on(self.service).unwrap().unwrap();
        let outcomes = stage::outcomes(&self.kafka, &self.names);
        self.runtime.shutdown_background();
        (self.simulator, outcomes)
    }
}

fn start(runtime: &Runtime, config: Config) -> (String, DropGuard, JoinHandle<Result<(), ServiceError>>) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let ended = stop.clone();
    let service = runtime
        .spawn(async move { service::run(&config, Topics::Given, Some(listener), Metrics::default(), ended).await });
    (address, stop.drop_guard(), service)
}

fn rules(faults: serde_json::Value) -> Vec<Rule> {
    serde_json::from_value(faults).unwrap()
}
