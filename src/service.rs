//! One instance, wired from its configuration: the intake, the worker, and what they say over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::clock;
use crate::config::{Config, OPERATOR_SOURCE, OWN_CLUSTER, OnSuspended, Payload, SecretError, Source, StartAt};
use crate::driver::{self, Worker, WorkerError};
use crate::engine::budget::Assumed;
use crate::engine::policy::{self, Policy, SourcePolicy, Timing};
use crate::heroku::{self, Client, Gate, Scope, Token, TokenError};
use crate::http::{self, Status};
use crate::kafka::topics::{self, Creation, TopicsError};
use crate::kafka::{Intake, IntakeError, JoinError, KafkaSettings, TopicNames, intake};
use crate::model::outcome::ExecutedBy;
use crate::sources::{Format, Rules};
use crate::telemetry::Metrics;
use crate::wire::Keep;

/// Why an instance could not start, or ended.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// A secret of the configuration cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The Heroku client cannot be built.
    #[error(transparent)]
    Client(#[from] heroku::SettingsError),
    /// Our topics are missing or not as they must be.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The worker could not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The worker ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The intake could not start.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A part of the service panicked: a bug; the state is safe on Kafka.
    #[error("a part of the service ended by a bug; its state is on Kafka, start it again")]
    Bug,
}

/// Who looks after the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topics {
    /// Looked at, and created where `kafka.create_topics` allows it.
    Prepare,
    /// They are there: a broker without an administration interface, made for trying.
    Given,
}

/// Runs one instance until `stop`, then stops in order.
///
/// # Errors
/// When a part of it cannot start or cannot go on.
pub async fn run(
    config: &Config,
    topics: Topics,
    listener: Option<TcpListener>,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), ServiceError> {
    let names = TopicNames::new(&config.kafka.prefix);
    let kafka = KafkaSettings::of(&config.kafka.cluster, &config.advanced)?;
    let token = token(config)?;
    let fingerprint = token.current().fingerprint().to_owned();
    if topics == Topics::Prepare {
        let creation = match config.kafka.create_topics {
            true => Creation::Allowed { replicas: config.kafka.replication_factor },
            false => Creation::Forbidden,
        };
        let (kafka, names) = (kafka.clone(), names.clone());
        blocking(move || topics::prepare(&kafka, &names, creation)).await??;
    }
    let gate = Gate::new(Assumed::default());
    let client = client(config, token, gate.clone(), metrics.clone())?;
    let account = config.heroku.account.clone();
    let told = account.as_ref().map(ToString::to_string).unwrap_or_default();
    let (status, watched) = watch::channel(Status::starting(&config.instance.name, &told, config.mode, clock::now()));

    let settings = driver::Settings {
        kafka: kafka.clone(),
        topics: names.clone(),
        instance: config.instance.name.clone(),
        policy: policy(config),
        executed_by: ExecutedBy {
            heroku_account: config.heroku.account.as_ref().map_or_else(String::new, |email| email.expose().to_owned()),
            token_fingerprint: fingerprint,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_digest: config.digest(),
            instance: config.instance.name.clone(),
        },
        account,
        scope: Arc::new(scope(config)),
        keep: keep(config),
        grace: config.shutdown.grace.unsigned_abs(),
    };
    // Whatever ends first ends the others.
    let end = stop.child_token();
    let intake = start_intakes(config, &kafka, &names, &metrics, &status, &end)?;
    let worker = {
        let (runtime, metrics, status, end) =
            (tokio::runtime::Handle::current(), metrics.clone(), status.clone(), end.clone());
        blocking(move || -> Result<(), ServiceError> {
            let _ended = end.clone().drop_guard();
            let worker = Worker::join(settings, client, gate, runtime, metrics, status)?;
            Ok(worker.run(&end)?)
        })
    };
    let http = listener.map(|listener| {
        let (watched, metrics, end) = (watched.clone(), metrics.clone(), end.clone());
        tokio::spawn(async move {
            if let Err(why) = http::serve(listener, watched, metrics, end).await {
                error!("The HTTP endpoints ended: {why}");
            }
        })
    });
    let worked = worker.await;
    end.cancel();
    for intake in intake {
        intake.await.map_err(|_| ServiceError::Bug)??;
    }
    if let Some(http) = http {
        // Requests under way may hang; the state does not depend on them.
        let _ = tokio::time::timeout(Duration::from_secs(2), http).await;
    }
    info!("Stopped");
    worked?
}

fn start_intakes(
    config: &Config,
    own: &KafkaSettings,
    names: &TopicNames,
    metrics: &Metrics,
    status: &watch::Sender<Status>,
    end: &CancellationToken,
) -> Result<Vec<JoinHandle<Result<(), IntakeError>>>, ServiceError> {
    let mut clusters: BTreeMap<String, (KafkaSettings, Vec<intake::Source>)> =
        BTreeMap::from([(OWN_CLUSTER.to_owned(), (own.clone(), vec![operator(names)]))]);
    for source in &config.sources {
        let (cluster, settings) = config.cluster_of(source);
        let entry = match clusters.get_mut(cluster) {
            Some(entry) => entry,
            None => {
                let settings = KafkaSettings::of(settings, &config.advanced)?;
                clusters.entry(cluster.to_owned()).or_insert((settings, Vec::new()))
            }
        };
        entry.1.push(intake::Source { topic: source.topic.clone(), rules: source.rules(), start_at: start_at(source) });
    }
    clusters
        .into_iter()
        .map(|(cluster, (settings, sources))| {
            let intake = Intake::join(intake::Settings {
                cluster,
                source_cluster: settings,
                own_cluster: own.clone(),
                topics: names.clone(),
                instance: config.instance.name.clone(),
                sources,
                keep: keep(config),
                metrics: metrics.clone(),
                status: status.clone(),
            })?;
            let end = end.clone();
            Ok(tokio::task::spawn_blocking(move || {
                let _ended = end.clone().drop_guard();
                intake.run(&end)
            }))
        })
        .collect()
}

/// Offboardings ordered by hand, on our own `requests` topic.
fn operator(names: &TopicNames) -> intake::Source {
    intake::Source {
        topic: names.requests.clone(),
        rules: Rules {
            name: OPERATOR_SOURCE.to_owned(),
            format: Format::Canonical,
            tenant: Some(OPERATOR_SOURCE.to_owned()),
            ..Rules::auto()
        },
        start_at: StartAt::Earliest,
    }
}

/// Where a source begins at its very first start: as configured, else as far back as its events may be acted on.
fn start_at(source: &Source) -> StartAt {
    source.start_at.unwrap_or_else(|| {
        let oldest = clock::now().saturating_sub(source.max_event_age).unwrap_or(jiff::Timestamp::MIN);
        info!("Source {} has no start_at: at its first start it is read from {oldest} on", source.name);
        StartAt::Time(oldest)
    })
}

/// The token of the configuration.
///
/// # Errors
/// When it cannot be read.
pub fn token(config: &Config) -> Result<Token, TokenError> {
    Token::configured(config.heroku.token.as_ref().expect("loading refuses a configuration without a token"))
}

/// The Heroku client of the configuration.
///
/// # Errors
/// When it cannot be built, for instance because the machine has no CA certificates.
pub fn client(config: &Config, token: Token, gate: Gate, metrics: Metrics) -> Result<Client, heroku::SettingsError> {
    let settings = heroku::Settings { metrics: Some(metrics), ..heroku::Settings::new(&config.heroku.api_url, token) };
    Client::new(settings, gate)
}

/// What a scan covers.
pub fn scope(config: &Config) -> Scope {
    Scope {
        excluded_teams: config.heroku.excluded_teams.iter().map(|team| team.name.clone()).collect(),
        enterprise_account: config.heroku.enterprise_account.clone(),
        use_permissions_endpoint: config.heroku.use_permissions_endpoint,
    }
}

fn keep(config: &Config) -> Keep {
    match config.dead_letters.payload {
        Payload::Full => Keep::Record,
        Payload::Reference => Keep::Reference,
    }
}

/// What the configuration demands of the engine.
pub fn policy(config: &Config) -> Policy {
    let mut sources: BTreeMap<String, SourcePolicy> = config
        .sources
        .iter()
        .map(|source| {
            let policy = SourcePolicy {
                mode: source.mode,
                max_event_age: Some(source.max_event_age),
                zone: source.time_zone(),
                on_suspended: match source.on_suspended {
                    OnSuspended::Ignore => policy::OnSuspended::Ignore,
                    OnSuspended::Hold => policy::OnSuspended::Hold,
                },
            };
            (source.name.clone(), policy)
        })
        .collect();
    let operator = SourcePolicy {
        mode: None,
        max_event_age: None,
        zone: jiff::tz::TimeZone::UTC,
        on_suspended: policy::OnSuspended::Hold,
    };
    sources.insert(OPERATOR_SOURCE.to_owned(), operator);
    Policy {
        mode: config.mode,
        sources,
        teams: config.teams.iter().map(|(name, rule)| (name.clone(), rule.mode)).collect(),
        company_domains: config.people.company_domains.iter().cloned().collect(),
        protected: config.people.protected.iter().cloned().collect(),
        deadline: config.deadlines.normal,
        deadline_urgent: config.deadlines.urgent,
        max_people_per_hour: config.guards.max_people_per_hour,
        max_people_per_day: config.guards.max_people_per_day,
        min_human_admins: config.guards.min_human_admins,
        enterprise_account: config.heroku.enterprise_account.clone(),
        expected_teams: config.heroku.expected_teams.clone(),
        excluded_teams: config
            .heroku
            .excluded_teams
            .iter()
            .map(|team| (team.name.clone(), team.reason.clone()))
            .collect(),
        timing: Timing {
            read_lag: config.advanced.read_lag,
            hold_recheck: config.advanced.hold_recheck,
            proof_patience: config.advanced.proof_patience,
            account_probe: config.advanced.account_probe,
            ..Timing::default()
        },
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ServiceError::Bug)
}
