//! The configuration: read once, checked before anything else happens, then passed on as a value.
//!
//! Three layers, the later over the earlier: the defaults in [`keys`], one TOML file, variables. A file or a variable
//! that holds an unknown key, a wrong value or a secret in the wrong place is refused, all mistakes at once, each with
//! its place and remedy.

mod duration;
mod environment;
pub mod keys;
mod lookup;
mod problem;
mod properties;
mod secret;
mod settings;
pub mod shape;
pub mod show;
mod source;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Deserialize;

pub use self::duration::{DurationError, parse_duration};
pub use self::environment::{Environment, VARIABLE_PREFIX};
pub use self::lookup::{Credentials, Lookup, LookupKind};
use self::problem::Text;
pub use self::problem::{ConfigError, Layer, Place, Problem, Spot};
pub use self::secret::{Secret, SecretError};
use self::settings::Layers;
pub use self::settings::{Setting, Settings, Step};
pub use self::source::{OnSuspended, Source, StartAt};
use crate::model::outcome::Mode;
use crate::model::{AddressRules, Email, ascii_domain};
use crate::telemetry::{LogFormat, LogSettings};

/// Where the file is looked for when nobody names one, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["heroku-deprovisioner.toml", "/etc/heroku-deprovisioner/config.toml"];

/// Name of the built-in source that reads the `requests` topic.
pub const OPERATOR_SOURCE: &str = "operator";

/// Name of the cluster that holds the service's own topics, in outcomes and metrics.
pub const OWN_CLUSTER: &str = "default";

/// The effective configuration. `docs/configuration.md` says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of the format.
    pub config_version: u32,
    /// The mode of the installation.
    pub mode: Mode,
    /// Heroku.
    pub heroku: Heroku,
    /// The cluster with the service's own topics.
    pub kafka: Kafka,
    /// Further clusters, by name.
    #[serde(default)]
    pub kafka_clusters: BTreeMap<String, Cluster>,
    /// Schema registries, by name.
    #[serde(default)]
    pub schema_registries: BTreeMap<String, SchemaRegistry>,
    /// Directories that are asked for addresses, by name.
    #[serde(default)]
    pub lookups: BTreeMap<String, Lookup>,
    /// What is read.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Rules for single teams, by team name.
    #[serde(default)]
    pub teams: BTreeMap<String, TeamRule>,
    /// Who may be removed, and who never.
    pub people: People,
    /// The promise.
    pub deadlines: Deadlines,
    /// What holds cases.
    pub guards: Guards,
    /// What the service holds at most.
    pub limits: Limits,
    /// Refused records.
    pub dead_letters: DeadLetters,
    /// The HTTP server.
    pub http: Http,
    /// The log.
    pub log: Log,
    /// This process.
    pub instance: Instance,
    /// How it ends.
    pub shutdown: Shutdown,
    /// Timing that nobody needs to change outside a test.
    pub advanced: Advanced,
    #[serde(skip)]
    settings: Settings,
}

/// Section `heroku`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heroku {
    /// Whom the token must belong to.
    pub account: Option<Email>,
    token_file: Option<PathBuf>,
    /// The token.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// The API, without a slash at the end.
    #[serde(deserialize_with = "without_slash")]
    pub api_url: String,
    /// Enterprise account whose teams are expected.
    pub enterprise_account: Option<String>,
    /// Further teams expected, by name.
    pub expected_teams: Vec<String>,
    /// Whether app access may be found by `/teams/{team}/permissions`.
    pub use_permissions_endpoint: bool,
    /// Teams left alone.
    #[serde(default)]
    pub excluded_teams: Vec<ExcludedTeam>,
}

/// A team left alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedTeam {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Section `kafka`.
#[derive(Debug, Clone, Deserialize)]
pub struct Kafka {
    /// How to reach the cluster.
    #[serde(flatten)]
    pub cluster: Cluster,
    /// Beginning of the names of topics, groups and transactional ids.
    pub prefix: String,
    /// Whether missing topics are created at the start.
    pub create_topics: bool,
    /// Replicas of those; -1 = the broker's default.
    pub replication_factor: i32,
}

/// How to reach one Kafka cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct Cluster {
    /// Brokers.
    pub bootstrap_servers: String,
    /// librdkafka's `security.protocol`.
    pub security_protocol: String,
    /// librdkafka's `sasl.mechanism`.
    pub sasl_mechanism: Option<String>,
    sasl_username_file: Option<PathBuf>,
    sasl_password_file: Option<PathBuf>,
    /// The user name, with SASL.
    #[serde(skip)]
    pub sasl_username: Option<Secret>,
    /// The password, with SASL.
    #[serde(skip)]
    pub sasl_password: Option<Secret>,
    /// Any other librdkafka property.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// One entry of `schema_registries`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaRegistry {
    /// Where it is, without a slash at the end.
    #[serde(deserialize_with = "without_slash")]
    pub url: String,
    username_file: Option<PathBuf>,
    password_file: Option<PathBuf>,
    /// The user name; not configured = it asks for none.
    #[serde(skip)]
    pub username: Option<Secret>,
    /// The password.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// Who alone may vouch for it; absent = whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Time for one answer.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: SignedDuration,
}

/// One entry of `teams`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamRule {
    /// Mode of this team.
    pub mode: Mode,
}

/// Section `people`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Domains of the company, in lower case; at least one.
    pub company_domains: Vec<String>,
    /// Whether a `+` and what follows it says nothing in the company's domains.
    pub plus_tags: bool,
    /// Another address of somebody, to the one that counts.
    #[serde(default)]
    pub aliases: BTreeMap<String, Email>,
    /// Another domain with the same names, to the one that counts.
    #[serde(default)]
    pub same_domains: BTreeMap<String, String>,
    /// Never removed.
    pub protected: Vec<Email>,
}

impl People {
    /// The company's domains, as DNS knows them.
    pub fn domains(&self) -> BTreeSet<String> {
        self.company_domains.iter().filter_map(|domain| ascii_domain(domain)).collect()
    }

    /// Which addresses are the same one.
    pub fn address_rules(&self) -> AddressRules {
        let ascii = |(one, other): (&String, &String)| Some((ascii_domain(one)?, ascii_domain(other)?));
        AddressRules {
            aliases: self.aliases.iter().map(|(one, other)| (Email::as_reported(one), other.clone())).collect(),
            same_domains: self.same_domains.iter().filter_map(ascii).collect(),
            tagged: if self.plus_tags { self.domains() } else { BTreeSet::new() },
        }
    }
}

/// Section `deadlines`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// Ordinary cases.
    #[serde(deserialize_with = "duration::deserialize")]
    pub normal: SignedDuration,
    /// Urgent ones.
    #[serde(deserialize_with = "duration::deserialize")]
    pub urgent: SignedDuration,
}

/// Section `guards`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// People in an hour.
    pub max_people_per_hour: u32,
    /// People in 24 hours.
    pub max_people_per_day: u32,
    /// How much of one team may be removed within 24 hours, in percent of its members.
    pub max_percent_of_team: u32,
    /// Human admins that stay in every team.
    pub min_human_admins: u32,
    /// What becomes of access that is back after the end of a case.
    pub on_reappeared: OnReappeared,
    /// Who looks after held cases.
    pub hold_owner: Option<String>,
}

/// Section `limits`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open cases with which no more events are read.
    pub open_cases: u32,
}

/// What becomes of access that is back after the end of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReappeared {
    /// It is told.
    Report,
    /// It is told, and removed once more.
    Remove,
}

/// Section `dead_letters`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// What they hold.
    pub payload: Payload,
}

/// What a dead letter holds of the refused record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The record itself.
    Full,
    /// Its place and digest.
    Reference,
}

/// Section `http`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address of the server.
    pub listen: SocketAddr,
}

/// Section `log`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`, which wins over it.
    pub level: String,
}

/// Section `instance`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Static member id in the consumer groups, and the name in outcomes.
    pub name: String,
}

/// Section `shutdown`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// Time for what is in flight.
    #[serde(deserialize_with = "duration::deserialize")]
    pub grace: SignedDuration,
}

/// Section `advanced`: for tests and the demo, which cannot wait as long as a real installation should.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advanced {
    /// How long Heroku may still list what it has removed.
    #[serde(deserialize_with = "duration::deserialize")]
    pub read_lag: SignedDuration,
    /// How often the world is read again for what is held.
    #[serde(deserialize_with = "duration::deserialize")]
    pub hold_recheck: SignedDuration,
    /// How long a proof waits while other removals from the same list still go out.
    #[serde(deserialize_with = "duration::deserialize")]
    pub proof_patience: SignedDuration,
    /// How often the account is tried while Heroku refuses it as a whole.
    #[serde(deserialize_with = "duration::deserialize")]
    pub account_probe: SignedDuration,
    /// How often a removal is tried while removals fail one after the other.
    #[serde(deserialize_with = "duration::deserialize")]
    pub circuit_probe: SignedDuration,
    /// The least time between two readings of an issuer's keys.
    #[serde(deserialize_with = "duration::deserialize")]
    pub jwks_pause: SignedDuration,
    /// Silence after which Kafka gives an instance's work to another one.
    #[serde(deserialize_with = "duration::deserialize")]
    pub session_timeout: SignedDuration,
}

impl Config {
    /// Reads `file`, or the first of [`DEFAULT_FILES`] that exists, or no file at all, then the variables.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let Some(path) = find(file) else {
            if environment.settings().next().is_none() {
                return Err(no_file());
            }
            return Self::from_layers(None, environment);
        };
        let layer = Layer::File(path.display().to_string());
        match std::fs::read_to_string(&path) {
            Ok(body) => Self::from_layers(Some(Text { layer, body: &body }), environment),
            Err(error) => {
                let message = format!("the configuration file cannot be read: {error}");
                Err(ConfigError { problems: vec![Problem { place: Place::whole(layer), message, remedy: None }] })
            }
        }
    }

    /// Whether [`Self::load`] would find anything to read.
    pub fn is_given(file: Option<&Path>, environment: &Environment) -> bool {
        find(file).is_some() || environment.settings().next().is_some()
    }

    /// Reads a text as if it stood in a file called `name`, then the variables.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        Self::from_layers(Some(Text { layer: Layer::File(name.to_owned()), body: text }), environment)
    }

    fn from_layers(file: Option<Text<'_>>, environment: &Environment) -> Result<Self, ConfigError> {
        let Layers { settings, secrets, mut problems } = Layers::read(file, environment);
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let mut config = Self::deserialize(settings.to_table()).map_err(|error| {
            let message = format!("{} (the table of keys should have refused this before)", error.message());
            let place = Place::whole(Layer::File("configuration".to_owned()));
            ConfigError { problems: vec![Problem { place, message, remedy: None }] }
        })?;
        config.settings = settings;
        let secret =
            |path: &str, file: &Option<PathBuf>| Some(Secret::new(path, file.clone(), secrets.get(path).cloned()));
        config.heroku.token = secret("heroku.token", &config.heroku.token_file);
        let further = config
            .kafka_clusters
            .iter_mut()
            .map(|(name, cluster)| (format!("kafka_clusters.{}", settings::toml_key(name)), cluster));
        for (path, cluster) in further.chain([("kafka".to_owned(), &mut config.kafka.cluster)]) {
            cluster.sasl_username = secret(&format!("{path}.sasl_username"), &cluster.sasl_username_file);
            cluster.sasl_password = secret(&format!("{path}.sasl_password"), &cluster.sasl_password_file);
        }
        for (name, registry) in &mut config.schema_registries {
            let path = format!("schema_registries.{}", settings::toml_key(name));
            registry.username = secret(&format!("{path}.username"), &registry.username_file);
            registry.password = secret(&format!("{path}.password"), &registry.password_file);
        }
        for (name, lookup) in &mut config.lookups {
            let path = format!("lookups.{}", settings::toml_key(name));
            lookup.take_secrets(|key, file| secret(&format!("{path}.{key}"), file));
        }
        validate::check(&config, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// Every setting with the layer that it comes from; no secret is among them.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// First 12 hex digits of the SHA-256 of the effective settings. Secrets do not count, nor does the name of the
    /// instance: all instances of one deployment have the same digest.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        for (path, setting) in self.settings.iter().filter(|(_, setting)| setting.key.path != "instance.name") {
            text.push_str(&format!("{path} = {}\n", setting.value));
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The cluster that a source lives on, with its name.
    pub fn cluster_of<'c>(&'c self, source: &'c Source) -> (&'c str, &'c Cluster) {
        source
            .cluster
            .as_deref()
            .and_then(|name| Some((name, self.kafka_clusters.get(name)?)))
            .unwrap_or((OWN_CLUSTER, &self.kafka.cluster))
    }
}

/// The file that was named, or else the first that is there.
fn find(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists()))
}

fn no_file() -> ConfigError {
    let place = Place::whole(Layer::File(DEFAULT_FILES.join(", ")));
    let message = "no configuration file".to_owned();
    let remedy = "name one with --config or HEROKU_DEPROVISIONER_CONFIG; config.example.toml is one to start from";
    ConfigError { problems: vec![Problem { place, message, remedy: Some(remedy.to_owned()) }] }
}

impl Log {
    /// What the log is set up with.
    pub fn settings(&self) -> LogSettings {
        LogSettings { format: self.format, level: self.level.clone() }
    }
}

impl Cluster {
    /// The settings that every client of this cluster starts from. The secrets are read anew at each call.
    ///
    /// # Errors
    /// When SASL is on and a secret is not at hand.
    pub fn client(&self) -> Result<rdkafka::ClientConfig, SecretError> {
        use secrecy::ExposeSecret;
        let mut client = rdkafka::ClientConfig::new();
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set("bootstrap.servers", &self.bootstrap_servers).set("security.protocol", &self.security_protocol);
        if self.uses_sasl() {
            if let Some(mechanism) = &self.sasl_mechanism {
                client.set("sasl.mechanism", mechanism);
            }
            for (name, secret) in [("sasl.username", &self.sasl_username), ("sasl.password", &self.sasl_password)] {
                if let Some(secret) = secret {
                    client.set(name, secret.read()?.expose_secret());
                }
            }
        }
        Ok(client)
    }

    fn uses_sasl(&self) -> bool {
        self.security_protocol.starts_with("SASL")
    }
}

impl SchemaRegistry {
    /// User name and password, as they are now; `None` = it asks for none.
    ///
    /// # Errors
    /// When one of them is not at hand.
    pub fn credentials(&self) -> Result<Option<(SecretString, SecretString)>, SecretError> {
        match (&self.username, &self.password) {
            (Some(username), Some(password)) if username.is_configured() || password.is_configured() => {
                Ok(Some((username.read()?, password.read()?)))
            }
            _ => Ok(None),
        }
    }
}

fn without_slash<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|url| url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
