//! The configuration: read once, checked before anything else happens, then passed on as a value.
//!
//! Three layers, the later over the earlier: the defaults in [`keys`], one TOML file, variables. A file or a variable
//! that holds an unknown key, a wrong value or a secret in the wrong place is refused, all mistakes at once, each with
//! its place and remedy.

mod duration;
mod environment;
pub mod keys;
mod problem;
mod properties;
mod secret;
mod settings;
pub mod shape;
pub mod show;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;

pub use self::duration::{DurationError, parse_duration};
pub use self::environment::{Environment, VARIABLE_PREFIX};
use self::problem::Text;
pub use self::problem::{ConfigError, Layer, Place, Problem, Spot};
pub use self::secret::{Secret, SecretError};
use self::settings::Layers;
pub use self::settings::{Setting, Settings, Step};
use crate::model::event::Boundary;
use crate::model::outcome::Mode;
use crate::model::{AddressRules, Email, ascii_domain};
use crate::sources::debezium::Table;
use crate::sources::mapping::Mapping;
use crate::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use crate::sources::{ExternalIdIs, Format, Framing, Rules};
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

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Its cluster in `kafka_clusters`; absent = `kafka`.
    pub cluster: Option<String>,
    /// How its records are read.
    pub format: Format,
    /// Its registry in `schema_registries`; absent = its values are not framed.
    pub schema_registry: Option<String>,
    /// The organisation's account at the source.
    pub tenant: String,
    /// CloudEvents types accepted besides the canonical one.
    pub types: Vec<String>,
    /// Where reading begins at the very first start; absent = now − `max_event_age`.
    pub start_at: Option<StartAt>,
    /// Older events are held.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_event_age: SignedDuration,
    /// Mode of this source; absent = the installation's.
    pub mode: Option<Mode>,
    /// IANA time zone of dates that name none.
    pub zone: String,
    /// Which end of a date counts.
    pub boundary: Boundary,
    /// What follows from a suspended account.
    pub on_suspended: OnSuspended,
    /// A record of the operator's own feed; it was read as expected when the configuration was.
    pub sample: Option<PathBuf>,
    /// What it must be read as.
    pub sample_says: Option<String>,
    /// What `iss` of a token must be.
    pub issuer: Option<String>,
    /// What `aud` of a token must be or hold.
    pub audience: Option<String>,
    /// Where the issuer's keys are.
    pub jwks_url: Option<String>,
    /// The same, as a file.
    pub jwks_file: Option<PathBuf>,
    /// Signatures that count.
    pub algorithms: Vec<Algorithm>,
    /// Whether the records are claims that somebody has checked.
    pub pre_verified: bool,
    /// What SCIM's `externalId` is.
    pub external_id: ExternalIdIs,
    /// What its records mean, where no format says it.
    pub mapping: Option<Mapping>,
    /// What the columns of its tables mean.
    #[serde(default)]
    pub tables: Vec<Table>,
}

/// Where reading begins at the very first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record there is.
    Earliest,
    /// With the next record.
    Latest,
    /// With the first record of that time or later.
    Time(Timestamp),
}

/// What follows from a suspended account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSuspended {
    /// Nothing.
    Ignore,
    /// A case that is held.
    Hold,
    /// Removes as if the person had left.
    Remove,
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

impl Source {
    /// How the records of this source are to be read.
    pub fn rules(&self) -> Rules {
        Rules {
            name: self.name.clone(),
            format: self.format,
            framing: if self.schema_registry.is_some() { Framing::Confluent } else { Framing::Plain },
            tenant: Some(self.tenant.clone()),
            types: self.types.clone(),
            zone: self.time_zone(),
            boundary: self.boundary,
            tokens: TokenRules {
                issuer: self.issuer.clone(),
                audience: self.audience.clone(),
                trust: match (self.format, self.pre_verified) {
                    (Format::Set, false) => self.signed(KeySet::default()),
                    // Whoever may write the topic is believed.
                    _ => Trust::PreVerified,
                },
            },
            external_id: self.external_id,
            mapping: self.mapping.clone(),
            tables: self.tables.clone(),
        }
    }

    /// The same for somebody who looks at a record: nobody is asked, so signatures are checked with keys from a file only.
    pub fn rules_offline(&self) -> Rules {
        let mut rules = self.rules();
        if matches!(rules.tokens.trust, Trust::Signed { .. }) {
            let keys = self.jwks_file.as_ref().and_then(|file| KeySet::parse(&std::fs::read(file).ok()?).ok());
            rules.tokens.trust = keys.map_or(Trust::Unchecked, |keys| self.signed(keys));
        }
        rules
    }

    fn signed(&self, keys: KeySet) -> Trust {
        let (algorithms, age_max) = (self.algorithms.clone(), self.max_event_age);
        Trust::Signed { algorithms, keys: Arc::new(keys), age_max }
    }

    /// What of its format nothing confirms, a sample of the operator's own included.
    pub fn unconfirmed(&self) -> Option<&'static str> {
        self.format.unconfirmed().filter(|_| self.sample.is_none())
    }

    /// The zone of dates that name none.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.zone).expect("the zone was looked up when the configuration was read")
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

impl<'de> Deserialize<'de> for StartAt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => time.parse().map(Self::Time).map_err(serde::de::Error::custom),
        }
    }
}

fn without_slash<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|url| url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const LEAST: &str = r#"config_version = 1
[kafka]
bootstrap_servers = "broker-1:9092"
[people]
company_domains = ["larkspur.example"]
"#;

    const SOURCE: &str = r#"
[[sources]]
name = "okta"
topic = "okta.system-log"
format = "okta"
tenant = "larkspur.okta.com"
"#;

    fn set(more: &str) -> String {
        SOURCE.replace("format = \"okta\"", "format = \"set\"") + more
    }

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse("x.toml", text, &Environment::default())
    }

    fn errors(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    fn with<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Result<Config, ConfigError> {
        Config::parse("x.toml", text, &Environment::of(variables))
    }

    #[test]
    fn the_least_configuration_observes_with_every_default() {
        let config = parse(LEAST).unwrap();
        assert_eq!((config.mode, config.guards.max_people_per_hour), (Mode::Observe, 10));
        assert_eq!(config.heroku.api_url, "https://api.heroku.com");
        assert_eq!(config.deadlines.normal, SignedDuration::from_hours(24));
        assert_eq!(config.kafka.prefix, "heroku-deprovisioner.");
        assert!(config.kafka.cluster.properties.is_empty() && config.sources.is_empty());
    }

    #[test]
    fn the_example_loads_and_names_every_key_that_is_no_test_of_patience() {
        let example = include_str!("../config.example.toml");
        let config = parse(example).unwrap();
        assert_eq!(config.sources.len(), 2);
        let (cluster, _) = config.cluster_of(&config.sources[1]);
        assert_eq!(cluster, "hr");
        for key in keys::KEYS.iter().filter(|key| {
            !key.path.starts_with("advanced.") && key.name() != "*" && !matches!(key.kind, shape::Kind::Secret { .. })
        }) {
            let named = example.lines().any(|line| {
                line.trim_start_matches(['#', ' ']).strip_prefix(key.name()).is_some_and(|rest| rest.starts_with(" = "))
            });
            assert!(named, "{} is not in config.example.toml", key.path);
        }
    }

    #[test]
    fn a_format_that_nothing_confirms_is_proven_by_a_sample() {
        let source = SOURCE.replace(
            "\"okta\"\ntenant = \"larkspur.okta.com\"",
            "\"jump_cloud\"\ntenant = \"1234abcdef123456789abc01\"",
        );
        let config = parse(&format!("{LEAST}{source}")).unwrap();
        assert!(config.sources[0].unconfirmed().is_some());
        assert!(show::remarks(&config).iter().any(|remark| remark.contains("nothing confirms")));
        let sample = "sample = \"tests/samples/jumpcloud-01-user-delete.json\"\nsample_says = \"deprovision praman\"\n";
        let config = parse(&format!("{LEAST}{source}{sample}")).unwrap();
        assert_eq!(config.sources[0].unconfirmed(), None);
    }

    #[test]
    fn a_source_is_read_by_its_own_rules() {
        let rules = parse(include_str!("../config.example.toml")).unwrap().sources[1].rules();
        assert_eq!(
            (rules.name.as_str(), rules.format, rules.tenant.as_deref()),
            ("hr", Format::Canonical, Some("larkspur"))
        );
        assert_eq!(rules.zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(rules.types, ["com.example.offboarding.person.v1"]);
        for name in Format::names().filter(|name| !["debezium", "mapping"].contains(name)) {
            let tokens = if name == "set" { "\nissuer = \"https://idp.example/\"\npre_verified = true" } else { "" };
            let format = format!("format = {name:?}{tokens}");
            let config = parse(&format!("{LEAST}{}", SOURCE.replace("format = \"okta\"", &format)));
            assert_eq!(config.unwrap().sources[0].format.as_str(), name);
        }
        let error = errors(&format!("{LEAST}{}", SOURCE.replace("format = \"okta\"", "format = \"auto\"")));
        assert!(
            error.contains("`sources[0].format` wants \"canonical\", \"okta\", ") && error.contains(", found \"auto\""),
            "{error}"
        );
    }

    #[test]
    fn a_source_is_framed_when_it_names_a_registry() {
        let registry = "[schema_registries.main]\nurl = \"https://registry.example/apis/ccompat/v7/\"\n";
        let file = format!("{LEAST}{SOURCE}schema_registry = \"main\"\n{registry}");
        let config = parse(&file).unwrap();
        assert_eq!(config.sources[0].rules().framing, Framing::Confluent);
        let found = &config.schema_registries["main"];
        assert_eq!((found.url.as_str(), found.timeout.as_secs()), ("https://registry.example/apis/ccompat/v7", 5));
        assert!(found.credentials().unwrap().is_none());
        assert_eq!(parse(&format!("{LEAST}{SOURCE}")).unwrap().sources[0].rules().framing, Framing::Plain);

        let secrets = [
            ("HEROKU_DEPROVISIONER__SCHEMA_REGISTRIES__MAIN__USERNAME", "us3r"),
            ("HEROKU_DEPROVISIONER__SCHEMA_REGISTRIES__MAIN__PASSWORD", "passw0rd"),
        ];
        let config = with(&file, secrets).unwrap();
        let (username, password) = config.schema_registries["main"].credentials().unwrap().unwrap();
        assert_eq!((username.expose_secret(), password.expose_secret()), ("us3r", "passw0rd"));
        assert!(!format!("{config:?}").contains("passw0rd"));
        let half = with(&file, [secrets[0]]).unwrap().schema_registries["main"].credentials().unwrap_err();
        assert!(half.to_string().starts_with("no `schema_registries.main.password`"), "{half}");
        let error = errors(&format!("{file}password = \"passw0rd\"\n"));
        assert!(error.contains("use `schema_registries.main.password_file`") && !error.contains("passw0rd"), "{error}");
    }

    #[test]
    fn whatever_part_of_a_file_arrives_it_is_read_or_refused() {
        let example = include_str!("../config.example.toml");
        for end in (0..example.len()).step_by(11).filter(|end| example.is_char_boundary(*end)) {
            let _ = parse(&example[..end]).map_err(|error| error.to_string());
            let _ = parse(&example[end..]).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn an_unknown_key_gets_line_column_caret_and_the_nearest_right_key() {
        assert_eq!(
            errors(&format!("{LEAST}[guards]\nmax_people_per_hou = 5\n")),
            "a mistake in the configuration\n\n\
             x.toml:7:1: unknown key `guards.max_people_per_hou`\n   \
             |\n 7 | max_people_per_hou …\n   | ^^^^^^^^^^^^^^^^^^\n   = did you mean `max_people_per_hour`?"
        );
    }

    #[test]
    fn a_wrong_type_gets_line_column_and_caret() {
        assert_eq!(
            errors(&format!("{LEAST}[guards]\nmax_people_per_hour = \"five\"\n")),
            "a mistake in the configuration\n\n\
             x.toml:7:23: `guards.max_people_per_hour` wants a whole number, found text\n   \
             |\n 7 | max_people_per_hour = \"five\"\n   |                       ^^^^^^"
        );
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let error = parse("mode = \"delete\"\nmod = 1\n[deadlines]\nnormal = 24\n").unwrap_err();
        let messages: Vec<_> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`deadlines.normal` wants a duration, found a whole number",
                "unknown key `mod`",
                "`mode` wants \"observe\" or \"enforce\", found \"delete\"",
                "missing key `config_version`",
                "missing key `kafka.bootstrap_servers`",
                "missing key `people.company_domains`",
            ]
        );
    }

    #[test]
    fn a_secret_in_the_file_is_refused_with_the_right_key_and_never_shown() {
        let error = errors(&format!("{LEAST}[heroku]\ntoken = \"s3cret\"\n"));
        assert!(error.contains("x.toml:7:1: `heroku.token` is a secret"), "{error}");
        assert!(
            error.contains("use `heroku.token_file`, or the variable HEROKU_DEPROVISIONER__HEROKU__TOKEN"),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
        let error = errors(&LEAST.replace("[people]", "sasl_password = \"s3cret\"\n[people]"));
        assert!(error.contains("use `kafka.sasl_password_file`") && !error.contains("s3cret"), "{error}");
        let error = errors(&LEAST.replace("[people]", "properties = {\"sasl.password\" = \"s3cret\"}\n[people]"));
        assert!(error.contains("use `sasl_password_file`") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn broken_toml_shows_the_place_and_no_value() {
        let error = errors("config_version = 1\n[heroku]\ntoken = \"s3cret\n");
        assert!(error.contains("x.toml:3:") && error.contains("no valid TOML"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn properties_that_correctness_hangs_on_are_refused() {
        let error =
            errors(&LEAST.replace(
                "[people]",
                "[kafka.properties]\n\"group.id\" = \"x\"\n\"enable.auto.commit\" = true\n[people]",
            ));
        assert!(error.contains("x.toml:5:1: `kafka.properties.\"group.id\"` has a key of its own"), "{error}");
        assert!(error.contains("use `kafka.prefix`") && error.contains("is fixed, because"), "{error}");
    }

    #[test]
    fn a_variable_wins_over_the_file_and_its_mistakes_name_it() {
        let file = format!("{LEAST}[guards]\nmax_people_per_hour = 7\n");
        let config = with(&file, [("HEROKU_DEPROVISIONER__GUARDS__MAX_PEOPLE_PER_HOUR", "5")]).unwrap();
        assert_eq!(config.guards.max_people_per_hour, 5);
        for (name, value, message) in [
            (
                "GUARDS__MAX_PEOPLE_PER_HOUR",
                "five",
                "`guards.max_people_per_hour` wants a whole number, found \"five\"",
            ),
            ("GUARDS__MAX_PEOPLE", "5", "unknown key `guards.max_people`"),
            ("TEAMS__PAYMENTS__MODE", "observe", "no `teams` of the name \"PAYMENTS\" in the file"),
            ("SOURCES__OKTA__TOPIC", "x", "no entry of `sources` has the name \"OKTA\""),
            ("MODE__X", "x", "`mode` is no table"),
        ] {
            let name = format!("{VARIABLE_PREFIX}{name}");
            let error = with(&file, [(name.as_str(), value)]).unwrap_err();
            assert_eq!(error.problems[0].message, message);
            assert_eq!(error.problems[0].place.to_string(), format!("variable {name}"));
        }
    }

    #[test]
    fn variables_reach_lists_chosen_names_entries_and_whole_tables() {
        let file = format!("{LEAST}{SOURCE}[teams.web-legacy]\nmode = \"enforce\"\n");
        let config = with(
            &file,
            [
                ("HEROKU_DEPROVISIONER__PEOPLE__COMPANY_DOMAINS", "a.example, b.example"),
                ("HEROKU_DEPROVISIONER__HEROKU__EXPECTED_TEAMS", "[\"x\", \"y\"]"),
                ("HEROKU_DEPROVISIONER__TEAMS__WEB_LEGACY__MODE", "observe"),
                ("HEROKU_DEPROVISIONER__SOURCES__OKTA__TOPIC", "other"),
                ("HEROKU_DEPROVISIONER__KAFKA__PROPERTIES__CLIENT_RACK", "r1"),
            ],
        )
        .unwrap();
        assert_eq!(config.people.company_domains, ["a.example", "b.example"]);
        assert_eq!(config.heroku.expected_teams, ["x", "y"]);
        assert_eq!(config.teams["web-legacy"].mode, Mode::Observe);
        assert_eq!(config.sources[0].topic, "other");
        assert_eq!(config.kafka.cluster.properties["client.rack"], "r1");

        let all = r#"[{name = "hr", topic = "hr.leavers", format = "canonical", tenant = "larkspur"}]"#;
        let config = with(&file, [("HEROKU_DEPROVISIONER__SOURCES", all)]).unwrap();
        assert_eq!(config.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["hr"]);
        assert_eq!(config.sources[0].max_event_age, SignedDuration::from_hours(7 * 24));

        let error = with(&file, [("HEROKU_DEPROVISIONER__SOURCES", "[{nam = 1}]")]).unwrap_err().to_string();
        assert!(error.contains("variable HEROKU_DEPROVISIONER__SOURCES:1:3: unknown key `sources[0].nam`"), "{error}");
    }

    #[test]
    fn secrets_come_from_variables_and_reach_the_client_alone() {
        let file = LEAST.replace(
            "[people]",
            "security_protocol = \"SASL_SSL\"\nsasl_mechanism = \"PLAIN\"\n\"properties\" = {\"client.rack\" = \"r\"}\n[people]",
        );
        let config = with(
            &file,
            [
                ("HEROKU_DEPROVISIONER__HEROKU__TOKEN", "t0ken\n"),
                ("HEROKU_DEPROVISIONER__KAFKA__SASL_USERNAME", "us3r"),
                ("HEROKU_DEPROVISIONER__KAFKA__SASL_PASSWORD", "passw0rd"),
            ],
        )
        .unwrap();
        assert_eq!(config.heroku.token.as_ref().unwrap().read().unwrap().expose_secret(), "t0ken");
        let client = config.kafka.cluster.client().unwrap();
        assert_eq!((client.get("sasl.username"), client.get("sasl.password")), (Some("us3r"), Some("passw0rd")));
        assert_eq!((client.get("client.rack"), client.get("sasl.mechanism")), (Some("r"), Some("PLAIN")));
        let shown = format!("{config:?}{}{}", show::effective(&config), show::effective_as_json(&config));
        for secret in ["t0ken", "us3r", "passw0rd"] {
            assert!(!shown.contains(secret), "{secret}");
        }
        let missing = parse(&file).unwrap().kafka.cluster.client().unwrap_err().to_string();
        assert!(missing.starts_with("no `kafka.sasl_username`: set `kafka.sasl_username_file`"), "{missing}");
    }

    #[test]
    fn rules_about_addresses_lead_once_and_into_the_company() {
        let right = "[people.aliases]\n\"K.Mensah@mail.example\" = \"kofi@bücher.example\"\n\
             [people.same_domains]\n\"larkspur.io\" = \"bücher.example\"\n";
        let people =
            with(&format!("{}{right}", LEAST.replace("larkspur.example", "bücher.example")), []).unwrap().people;
        let (rules, kofi) = (people.address_rules(), Email::as_reported("kofi@xn--bcher-kva.example"));
        for same in ["k.mensah@mail.example", "kofi@larkspur.io", "kofi@bücher.example"] {
            assert_eq!(*rules.canonical(&Email::as_reported(same)), kofi, "{same}");
        }
        for (rules, message) in [
            (
                "[people.aliases]\n\"a\" = \"b@larkspur.example\"",
                ":7:7: the name of `people.aliases.a` is no mail address",
            ),
            (
                "[people.aliases]\n\"a@x.example\" = \"b@x.example\"",
                ":7:17: `people.aliases.\"a@x.example\"` leads out of the company: \"b@x.example\"",
            ),
            (
                "[people.aliases]\n\"a@x.example\" = \"b@x.example\"\n\"b@x.example\" = \"a@x.example\"",
                ":7:17: `people.aliases.\"a@x.example\"` leads on: another rule applies to \"b@x.example\"",
            ),
            (
                "plus_tags = true\n[people.aliases]\n\"a@x.example\" = \"b+1@larkspur.example\"",
                ":8:17: `people.aliases.\"a@x.example\"` leads on: another rule applies to \"b+1@larkspur.example\"",
            ),
            (
                "[people.same_domains]\n\"x.example\" = \"y.example\"",
                ":7:15: `people.same_domains.\"x.example\"` leads out of the company: \"y.example\"",
            ),
            (
                "[people.same_domains]\n\"larkspur.example\" = \"larkspur.example\"",
                ":7:22: `people.same_domains.\"larkspur.example\"` leads on",
            ),
            (
                "[people.same_domains]\n\"x\" = \"larkspur.example\"",
                ":7:7: the name of `people.same_domains.x` wants a domain",
            ),
        ] {
            let error = errors(&format!("{LEAST}{rules}\n"));
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused_at_their_place() {
        let twice = SOURCE.replace("okta.system-log", "other");
        for (text, problem) in [
            (
                LEAST.replace("[kafka]", "mode = \"enforce\"\n[kafka]"),
                "x.toml:2:8: `mode` is \"enforce\", and `heroku.account` is missing",
            ),
            (LEAST.replace("[\"larkspur.example\"]", "[]"), "x.toml:5:1: `people.company_domains` is empty"),
            (format!("{LEAST}{SOURCE}{twice}"), "x.toml:14:8: `sources[1].name` is \"okta\", as is `sources[0].name`"),
            (
                format!("{LEAST}{SOURCE}{}", SOURCE.replace("\"okta\"\ntopic", "\"two\"\ntopic")),
                "x.toml:15:9: `sources[1].topic` is \"okta.system-log\", as is `sources[0].topic`",
            ),
            (
                format!("{LEAST}{}", SOURCE.replace("\"okta\"\ntopic", "\"operator\"\ntopic")),
                "x.toml:8:8: `sources[0].name` is \"operator\", the built-in source",
            ),
            (
                format!("{LEAST}{SOURCE}cluster = \"hr\"\n"),
                "x.toml:12:11: `sources[0].cluster` is \"hr\", and there is no [kafka_clusters.hr]",
            ),
            (
                format!("{LEAST}{SOURCE}schema_registry = \"main\"\n"),
                "x.toml:12:19: `sources[0].schema_registry` is \"main\", and there is no [schema_registries.main]",
            ),
            (
                format!("{LEAST}[schema_registries.main]\nurl = \"http://registry:8081\"\npassword_file = \"p\"\n"),
                "x.toml:8:17: `schema_registries.main.password_file` would go over the network in the clear",
            ),
            (
                format!("{LEAST}[schema_registries.main]\nurl = \"http://registry:8081\"\nca_file = \"ca.pem\"\n"),
                "x.toml:8:11: `schema_registries.main.ca_file` has no effect without https",
            ),
            (
                format!("{LEAST}[schema_registries.main]\nurl = \"https://registry:8081\"\ntimeout = \"0s\"\n"),
                "x.toml:8:11: `schema_registries.main.timeout` must be more than nothing",
            ),
            (
                format!("{LEAST}{}", SOURCE.replace("okta.system-log", "heroku-deprovisioner.outcomes")),
                "x.toml:9:9: `sources[0].topic` is \"heroku-deprovisioner.outcomes\", a topic of this service itself",
            ),
            (
                format!("{LEAST}{SOURCE}sample = \"nowhere.json\"\n"),
                "x.toml:12:10: `sources[0].sample` is there, and `sources[0].sample_says` is missing",
            ),
            (
                format!("{LEAST}{SOURCE}sample = \"nowhere.json\"\nsample_says = \"deprovision a@x\"\n"),
                "x.toml:12:10: `sources[0].sample` cannot be read",
            ),
            (
                format!(
                    "{LEAST}{SOURCE}sample = \"tests/samples/okta-01-event-hook-deactivate.json\"\nsample_says = \"suspend priya.raman@larkspur.example\"\n"
                ),
                "x.toml:13:15: `sources[0].sample_says` is not what the sample says, which is:\ndata.events[0]: deprovision",
            ),
            (
                format!("{LEAST}{SOURCE}issuer = \"https://idp.example/\"\n"),
                "x.toml:12:10: `sources[0].issuer` has no effect while `sources[0].format` is \"okta\"",
            ),
            (format!("{LEAST}{}", set("")), "x.toml:10:10: `sources[0].issuer` is missing: the format is \"set\""),
            (
                format!("{LEAST}{}", set("issuer = \"x\"\njwks_url = \"https://idp.example/jwks\"\n")),
                "x.toml:10:10: `sources[0].audience` is missing: the format is \"set\"",
            ),
            (
                format!(
                    "{LEAST}{}schema_registry = \"main\"\n[schema_registries.main]\nurl = \"https://registry.example\"\n",
                    set("issuer = \"x\"\naudience = \"y\"\njwks_url = \"https://idp.example/jwks\"\n")
                ),
                "x.toml:15:19: `sources[0].schema_registry` has no effect: a signed token is text, and has no schema",
            ),
            (
                format!("{LEAST}{}", set("issuer = \"x\"\naudience = \"y\"\n")),
                "x.toml:10:10: nothing says where the keys of `sources[0]` are",
            ),
            (
                format!("{LEAST}{}", set("issuer = \"x\"\naudience = \"y\"\njwks_file = \"Cargo.toml\"\n")),
                "x.toml:14:13: `sources[0].jwks_file` cannot be used: no JSON Web Key Set",
            ),
            (
                format!(
                    "{LEAST}{}",
                    set("issuer = \"x\"\npre_verified = true\njwks_url = \"https://idp.example/jwks\"\n")
                ),
                "x.toml:14:12: `sources[0].jwks_url` has no effect while `sources[0].pre_verified` is true",
            ),
            (
                format!("{LEAST}{}", set("issuer = \"x\"\npre_verified = true\n").replace("larkspur.okta.com", "a:b")),
                "x.toml:11:10: `sources[0].tenant` holds a colon",
            ),
            (format!("{LEAST}[deadlines]\nurgent = \"25h\"\n"), "x.toml:7:10: `deadlines.urgent` is longer"),
            (
                format!(
                    "{LEAST}[heroku]\nexpected_teams = [\"a\"]\nexcluded_teams = [{{name = \"a\", reason = \"r\"}}]\n"
                ),
                "x.toml:8:27: `heroku.excluded_teams[0].name` is \"a\", and `heroku.expected_teams` names it too",
            ),
            (
                LEAST.replace("[people]", "security_protocol = \"SASL_SSL\"\n[people]"),
                "x.toml:4:21: `kafka.security_protocol` wants SASL",
            ),
            (
                LEAST.replace("[people]", "sasl_mechanism = \"PLAIN\"\n[people]"),
                "x.toml:4:18: `kafka.sasl_mechanism` has no effect",
            ),
        ] {
            let error = errors(&text);
            assert!(error.contains(problem), "{problem}\n--\n{error}");
        }
    }

    #[test]
    fn what_is_shown_is_toml_that_loads_to_the_same_configuration() {
        let config = parse(include_str!("../config.example.toml")).unwrap();
        let again = parse(&show::effective(&config)).unwrap();
        assert_eq!(config.digest(), again.digest());
        assert_eq!(show::effective(&config).lines().count(), show::effective(&again).lines().count());
    }

    #[test]
    fn the_digest_follows_settings_but_neither_secrets_nor_the_instance() {
        let plain = parse(LEAST).unwrap().digest();
        assert_eq!(plain.len(), 12);
        let same = [("HEROKU_DEPROVISIONER__HEROKU__TOKEN", "x"), ("HEROKU_DEPROVISIONER__INSTANCE__NAME", "b")];
        assert_eq!(with(LEAST, same).unwrap().digest(), plain);
        assert_ne!(with(LEAST, [("HEROKU_DEPROVISIONER__DEADLINES__NORMAL", "23h")]).unwrap().digest(), plain);
    }

    #[test]
    fn without_a_file_the_variables_must_hold_everything() {
        let environment = Environment::of([
            ("HEROKU_DEPROVISIONER__CONFIG_VERSION", "1"),
            ("HEROKU_DEPROVISIONER__KAFKA__BOOTSTRAP_SERVERS", "b:1"),
            ("HEROKU_DEPROVISIONER__PEOPLE__COMPANY_DOMAINS", "larkspur.example"),
        ]);
        assert!(Config::from_layers(None, &environment).is_ok());
        let error = Config::from_layers(None, &Environment::default()).unwrap_err();
        assert_eq!(
            error.problems[0].to_string().lines().next(),
            Some("no configuration file: missing key `config_version`")
        );
    }
}
