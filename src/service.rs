//! One instance, wired from its configuration: the intake, the worker, and what they say over HTTP.

mod feed;

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
use crate::config::{Config, OPERATOR_SOURCE, OWN_CLUSTER, OnReappeared, OnSuspended, Payload, SecretError, Source};
use crate::driver::{self, Worker, WorkerError};
use crate::engine::budget::Assumed;
use crate::engine::policy::{self, Policy, SourcePolicy, Timing};
use crate::heroku::{self, Client, Gate, Scope, Token, TokenError};
use crate::http::{self, Status};
use crate::jwks::{Keyring, KeysUnread};
use crate::kafka::intake::{Figures, Intake, IntakeError, IntakeSource, SourceFigures};
use crate::kafka::topics::{self, Creation, TopicsError};
use crate::kafka::{JoinError, KafkaSettings, Stop, TopicNames};
use crate::lookup::{Directory, LookupError};
use crate::model::outcome::ExecutedBy;
use crate::registry::{Registry, RegistryError};
use crate::telemetry::Metrics;
use crate::wire::Keep;

use feed::Feed;

/// How often the figures of the intakes are shown.
const SHOW_EVERY: Duration = Duration::from_millis(250);

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
    /// The issuers' keys cannot be fetched.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
    /// Our topics are missing or not as they must be.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The worker could not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The worker ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The client of a schema registry cannot be made.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No client for a look-up.
    #[error(transparent)]
    Lookup(#[from] LookupError),
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

    let (stop_reader, pauses) = Stop::read_by(&kafka, &names);
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
        stop: pauses,
    };
    // Whatever ends first ends the others.
    let end = stop.child_token();
    let (intakes, figures) = start_intakes(config, &kafka, &names, &metrics, &end)?;
    let reading_pauses = {
        let end = end.clone();
        tokio::task::spawn_blocking(move || {
            let _ended = end.clone().drop_guard();
            stop_reader.run(&end);
        })
    };
    let of = |source: &Source| Feed::new(&source.name, &source.topic, source.silent_after);
    let mut shown: Vec<Feed> = config.sources.iter().map(of).collect();
    shown.push(Feed::new(OPERATOR_SOURCE, &names.requests, None));
    tokio::spawn(show_intakes(shown, figures, status.clone(), end.clone()));
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
    reading_pauses.await.map_err(|_| ServiceError::Bug)?;
    for intake in intakes {
        intake.await.map_err(|_| ServiceError::Bug)??;
    }
    if let Some(http) = http {
        // Requests under way may hang; the state does not depend on them.
        let _ = tokio::time::timeout(Duration::from_secs(2), http).await;
    }
    info!("Stopped");
    worked?
}

/// An intake on its thread.
type Running = JoinHandle<Result<(), IntakeError>>;

/// One intake for each cluster that has sources; ours always has one, `requests`.
fn start_intakes(
    config: &Config,
    own: &KafkaSettings,
    names: &TopicNames,
    metrics: &Metrics,
    end: &CancellationToken,
) -> Result<(Vec<Running>, Vec<Arc<Figures>>), ServiceError> {
    let operator = vec![IntakeSource::operator(names)];
    let registries = registries(config)?;
    let directories = directories(config)?;
    let mut clusters = BTreeMap::from([(OWN_CLUSTER.to_owned(), (own.clone(), operator))]);
    for source in &config.sources {
        let (name, cluster) = config.cluster_of(source);
        if !clusters.contains_key(name) {
            let settings = KafkaSettings::of(cluster, &config.advanced)?;
            clusters.insert(name.to_owned(), (settings, Vec::new()));
        }
        if let Some((_, sources)) = clusters.get_mut(name) {
            let registry = source.schema_registry.as_ref().and_then(|name| registries.get(name)).cloned();
            let runtime = tokio::runtime::Handle::current();
            let keys = Keyring::of(source, config.advanced.jwks_pause, runtime)?;
            let directory = source.lookup.as_ref().and_then(|name| directories.get(name)).cloned();
            sources.push(IntakeSource::of(source, registry, keys, directory, clock::now()));
        }
    }
    let mut running = Vec::new();
    let mut figures = Vec::new();
    for (cluster, (source_settings, sources)) in clusters {
        let intake = Intake {
            cluster,
            source_settings,
            own_settings: own.clone(),
            names: names.clone(),
            instance: config.instance.name.clone(),
            sources,
            keep: keep(config),
            metrics: metrics.clone(),
            figures: Arc::default(),
        };
        figures.push(Arc::clone(&intake.figures));
        let end = end.clone();
        running.push(tokio::task::spawn_blocking(move || {
            let _ended = end.clone().drop_guard();
            intake.run(&end)
        }));
    }
    Ok((running, figures))
}

/// The registries of the configuration, by name; all sources of one share its schemas.
///
/// # Errors
/// When a client cannot be made.
///
/// # Panics
/// Outside a tokio runtime, which their requests run on.
pub fn registries(config: &Config) -> Result<BTreeMap<String, Registry>, RegistryError> {
    let runtime = tokio::runtime::Handle::current();
    let registry = |(name, settings): (&String, _)| Ok((name.clone(), Registry::new(name, settings, runtime.clone())?));
    config.schema_registries.iter().map(registry).collect()
}

/// The directories of the configuration, by name; all sources of one share what it has told.
///
/// # Errors
/// When a client cannot be made.
///
/// # Panics
/// Outside a tokio runtime, which their requests run on.
pub fn directories(config: &Config) -> Result<BTreeMap<String, Directory>, LookupError> {
    let runtime = tokio::runtime::Handle::current();
    let directory =
        |(name, settings): (&String, _)| Ok((name.clone(), Directory::new(name, settings, runtime.clone())?));
    config.lookups.iter().map(directory).collect()
}

/// Shows the figures of the intakes in the status, a few times a second.
async fn show_intakes(
    mut feeds: Vec<Feed>,
    figures: Vec<Arc<Figures>>,
    status: watch::Sender<Status>,
    end: CancellationToken,
) {
    while tokio::time::timeout(SHOW_EVERY, end.cancelled()).await.is_err() {
        let joined = figures.iter().all(|figures| figures.joined());
        let read: BTreeMap<String, SourceFigures> = figures.iter().flat_map(|figures| figures.sources()).collect();
        let now = clock::now();
        let show = |feed: &mut Feed| {
            let figures = read.get(feed.name()).cloned().unwrap_or_default();
            feed.show(figures, now)
        };
        let sources = feeds.iter_mut().map(show).collect();
        status.send_modify(|status| {
            status.kafka.intake_joined = joined;
            status.sources = sources;
        });
    }
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
                    OnSuspended::Remove => policy::OnSuspended::Remove,
                },
                unconfirmed: source.unconfirmed(),
            };
            (source.name.clone(), policy)
        })
        .collect();
    let operator = SourcePolicy {
        mode: None,
        max_event_age: None,
        zone: jiff::tz::TimeZone::UTC,
        on_suspended: policy::OnSuspended::Hold,
        unconfirmed: None,
    };
    sources.insert(OPERATOR_SOURCE.to_owned(), operator);
    let addresses = Arc::new(config.people.address_rules());
    Policy {
        mode: config.mode,
        sources,
        teams: config.teams.iter().map(|(name, rule)| (name.clone(), rule.mode)).collect(),
        company_domains: config.people.domains(),
        protected: config.people.protected.iter().map(|email| addresses.canonical(email).into_owned()).collect(),
        addresses,
        deadline: config.deadlines.normal,
        deadline_urgent: config.deadlines.urgent,
        max_open_cases: usize::try_from(config.limits.open_cases).unwrap_or(usize::MAX),
        max_people_per_hour: config.guards.max_people_per_hour,
        max_people_per_day: config.guards.max_people_per_day,
        max_percent_of_team: config.guards.max_percent_of_team,
        min_human_admins: config.guards.min_human_admins,
        on_reappeared: match config.guards.on_reappeared {
            OnReappeared::Report => policy::OnReappeared::Report,
            OnReappeared::Remove => policy::OnReappeared::Remove,
        },
        hold_owner: config.guards.hold_owner.clone(),
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
            circuit_probe: config.advanced.circuit_probe,
            ..Timing::default()
        },
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ServiceError::Bug)
}
