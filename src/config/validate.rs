//! What no single value shows: whether the settings fit together.

use std::collections::BTreeMap;
use std::path::Path;

use super::problem::{Layer, Place, Problem};
use super::shape::Shape;
use super::{Cluster, Config, LookupKind, OPERATOR_SOURCE, OWN_CLUSTER, Source};
use crate::model::outcome::Mode;
use crate::model::{Email, ascii_domain};
use crate::sources::explain::Holds;
use crate::sources::record_file::SUFFIX;
use crate::sources::token::KeySet;
use crate::sources::{Format, Framing, Rules, own_sample};

/// The topics that the service owns, by what follows the prefix.
const OWN_TOPICS: [&str; 6] = ["events", "state", "commands", "outcomes", "dead-letters", "requests"];

/// Adds what does not fit together.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let mut checks = Checks { config, problems };
    checks.account();
    checks.clusters();
    checks.schema_registries();
    checks.lookups();
    checks.sources();
    checks.teams();
    checks.people();
    checks.times();
}

/// What deserves a word although nothing is wrong.
pub fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    if config.heroku.enterprise_account.is_none() && config.heroku.expected_teams.is_empty() {
        remarks.push(
            "neither `heroku.enterprise_account` nor `heroku.expected_teams` is set: a team that the account was \
             never added to stays unnoticed, and every outcome says so"
                .to_owned(),
        );
    }
    if config.sources.is_empty() {
        remarks.push("no [[sources]]: only offboardings ordered by hand are carried out".to_owned());
    }
    let domains = config.people.domains();
    for (alias, meant) in &config.people.aliases {
        if !domains.contains(Email::as_reported(alias).domain()) {
            remarks.push(format!(
                "`people.aliases` names {alias:?}, which is outside the company: whoever has it counts as {:?}",
                meant.expose()
            ));
        }
    }
    for (name, registry) in &config.schema_registries {
        if Shape::Url.check(&registry.url).is_err() && registry.url.starts_with("http://") {
            remarks.push(format!(
                "schema registry {name:?} is asked without TLS: whoever stands between decides how records are read"
            ));
        }
    }
    if config.mode == Mode::Observe {
        remarks.push("mode is \"observe\": cases are planned, nothing is removed".to_owned());
    }
    remarks.extend(config.sources.iter().filter_map(|source| {
        let what = source.unconfirmed()?;
        Some(format!(
            "source {:?}: nothing confirms {what}; its plans wait for an approval until `sample` proves it",
            source.name
        ))
    }));
    remarks.extend(config.sources.iter().filter_map(|source| {
        let name = source.lookup.as_ref()?;
        let hopeless = config.lookups.get(name)?.kind.knows_no_id_of(source.format);
        hopeless.then(|| {
            let (source, format) = (&source.name, source.format.as_str());
            format!("source {source:?}: look-up {name:?} is of another kind, and can be asked for no id of {format}")
        })
    }));
    remarks.extend(config.sources.iter().filter_map(|source| {
        let untested = source.mapping.as_ref()?.tests.is_empty();
        untested.then(|| format!("source {:?}: its mapping has no test", source.name))
    }));
    let sources = config.sources.iter().filter(|source| source.mode == Some(Mode::Enforce));
    let teams = config.teams.iter().filter(|(_, rule)| rule.mode == Mode::Enforce);
    let sources = sources.map(|source| format!("source {:?}", source.name));
    let teams = teams.map(|(name, _)| format!("team {name:?}"));
    if config.mode == Mode::Observe {
        remarks.extend(
            sources.chain(teams).map(|who| format!("{who} is set to enforce, and the mode at the top is stricter")),
        );
    }
    for (name, guard) in [
        ("guards.max_people_per_hour", config.guards.max_people_per_hour),
        ("guards.max_people_per_day", config.guards.max_people_per_day),
        ("guards.max_percent_of_team", config.guards.max_percent_of_team),
    ] {
        if guard == 0 {
            remarks.push(format!("`{name}` is 0: every case is held"));
        }
    }
    remarks
}

struct Checks<'c> {
    config: &'c Config,
    problems: &'c mut Vec<Problem>,
}

impl Checks<'_> {
    /// Adds a problem at the place of the first of `paths` that is set.
    fn problem(&mut self, paths: &[&str], message: String, remedy: &str) {
        let place = paths.iter().find_map(|path| self.config.settings.place(path)).cloned();
        let place = place.unwrap_or_else(|| Place::whole(Layer::File("configuration".to_owned())));
        self.problems.push(Problem { place, message, remedy: Some(remedy.to_owned()) });
    }

    fn account(&mut self) {
        if self.config.mode == Mode::Enforce && self.config.heroku.account.is_none() {
            self.problem(
                &["mode"],
                "`mode` is \"enforce\", and `heroku.account` is missing".to_owned(),
                "name the account that the token belongs to, so that the service can refuse to act as another one",
            );
        }
    }

    fn clusters(&mut self) {
        let config = self.config;
        self.cluster("kafka", &config.kafka.cluster);
        for (name, cluster) in &config.kafka_clusters {
            if let Err(message) = Shape::Name.check(name) {
                self.problem(&[], format!("the name of [kafka_clusters.{name:?}] {message}"), "choose another name");
            }
            self.cluster(&format!("kafka_clusters.{}", super::settings::toml_key(name)), cluster);
        }
        if config.kafka_clusters.contains_key(OWN_CLUSTER) {
            self.problem(
                &["kafka_clusters.default.bootstrap_servers"],
                format!("`kafka_clusters.{OWN_CLUSTER}` has the name that outcomes give to the cluster in `kafka`"),
                "choose another name",
            );
        }
        if config.kafka.replication_factor == 0 {
            self.problem(
                &["kafka.replication_factor"],
                "`kafka.replication_factor` must not be 0".to_owned(),
                "write -1 for the broker's default",
            );
        }
    }

    fn cluster(&mut self, path: &str, cluster: &Cluster) {
        let at = |name: &str| format!("{path}.{name}");
        if cluster.uses_sasl() {
            if cluster.sasl_mechanism.is_none() {
                self.problem(
                    &[&at("security_protocol")],
                    format!("`{path}.security_protocol` wants SASL, and `{path}.sasl_mechanism` is missing"),
                    "set it to \"SCRAM-SHA-512\", \"SCRAM-SHA-256\" or \"PLAIN\"",
                );
            }
        } else if let Some(name) = ["sasl_mechanism", "sasl_username_file", "sasl_password_file"]
            .into_iter()
            .find(|name| self.config.settings.place(&at(name)).is_some())
        {
            self.problem(
                &[&at(name)],
                format!(
                    "`{path}.{name}` has no effect while `{path}.security_protocol` is {:?}",
                    cluster.security_protocol
                ),
                "set `security_protocol` to \"SASL_SSL\"",
            );
        }
    }

    fn schema_registries(&mut self) {
        for (name, registry) in &self.config.schema_registries {
            let at = |key: &str| format!("schema_registries.{}.{key}", super::settings::toml_key(name));
            if let Err(message) = Shape::Name.check(name) {
                let message = format!("the name of [schema_registries.{name:?}] {message}");
                self.problem(&[], message, "choose another name");
            }
            let is_local = Shape::Url.check(&registry.url).is_ok();
            if registry.url.starts_with("http://") {
                let secrets = ["username_file", "password_file"].map(at);
                let file = secrets.iter().find(|path| self.config.settings.place(path).is_some());
                let any_secret =
                    [&registry.username, &registry.password].into_iter().flatten().any(|secret| secret.is_configured());
                if !is_local && any_secret {
                    let what = file.cloned().unwrap_or_else(|| at("password"));
                    let message = format!("`{what}` would go over the network in the clear");
                    self.problem(&[&what, &at("url")], message, "give `url` with https://");
                }
                if registry.ca_file.is_some() {
                    let message = format!("`{}` has no effect without https", at("ca_file"));
                    self.problem(&[&at("ca_file")], message, "give `url` with https://");
                }
            }
            if registry.timeout.is_zero() {
                let message = format!("`{}` must be more than nothing", at("timeout"));
                self.problem(&[&at("timeout")], message, "write it as \"5s\"");
            }
        }
    }

    fn lookups(&mut self) {
        for (name, lookup) in &self.config.lookups {
            let at = |key: &str| format!("lookups.{}.{key}", super::settings::toml_key(name));
            if let Err(message) = Shape::Name.check(name) {
                self.problem(&[], format!("the name of [lookups.{name:?}] {message}"), "choose another name");
            }
            let given = |key: &&str| self.config.settings.place(&at(key)).is_some();
            let of_an_application =
                ["tenant", "client_id", "client_secret_file"].into_iter().find(given).map(ToOwned::to_owned);
            if lookup.credentials().is_none() {
                let (message, remedy) = match (lookup.kind, &of_an_application) {
                    (LookupKind::Graph, Some(key)) => (
                        format!("`{}` is there, and not all that an application needs, or a token besides", at(key)),
                        "set `tenant`, `client_id` and `client_secret_file`, or `token_file` alone",
                    ),
                    (LookupKind::Graph, None) => (
                        format!("nothing says by which token `lookups.{name}` is asked"),
                        "set `tenant`, `client_id` and `client_secret_file`, or `token_file`",
                    ),
                    _ => (format!("`{}` is missing", at("token_file")), "name the file that holds the token"),
                };
                self.problem(&[&at("kind")], message, remedy);
            } else if let (true, Some(key)) = (lookup.kind != LookupKind::Graph, of_an_application) {
                let message = format!("`{}` has no effect while `{}` is not \"graph\"", at(&key), at("kind"));
                self.problem(&[&at(&key)], message, "leave it out");
            }
            if lookup.ca_file.is_some() && lookup.url.starts_with("http://") {
                let message = format!("`{}` has no effect without https", at("ca_file"));
                self.problem(&[&at("ca_file")], message, "give `url` with https://");
            }
            if lookup.timeout.is_zero() {
                let message = format!("`{}` must be more than nothing", at("timeout"));
                self.problem(&[&at("timeout")], message, "write it as \"5s\"");
            }
        }
    }

    fn sources(&mut self) {
        let config = self.config;
        let mut names = BTreeMap::new();
        let mut topics = BTreeMap::new();
        for (index, source) in config.sources.iter().enumerate() {
            let at = |name: &str| format!("sources[{index}].{name}");
            if source.name == OPERATOR_SOURCE {
                self.problem(
                    &[&at("name")],
                    format!("`{}` is {OPERATOR_SOURCE:?}, the built-in source of the requests topic", at("name")),
                    "choose another name",
                );
            }
            if let Some(first) = names.insert(&source.name, index) {
                self.problem(
                    &[&at("name")],
                    format!("`{}` is {:?}, as is `sources[{first}].name`", at("name"), source.name),
                    "give each source its own name",
                );
            }
            if let Some(name) = source.cluster.as_ref().filter(|name| !config.kafka_clusters.contains_key(*name)) {
                self.problem(
                    &[&at("cluster")],
                    format!("`{}` is {name:?}, and there is no [kafka_clusters.{name}]", at("cluster")),
                    "define it, or leave the key out for the cluster in [kafka]",
                );
            }
            let unknown = |name: &&String| !config.schema_registries.contains_key(*name);
            if let Some(name) = source.schema_registry.as_ref().filter(unknown) {
                self.problem(
                    &[&at("schema_registry")],
                    format!("`{}` is {name:?}, and there is no [schema_registries.{name}]", at("schema_registry")),
                    "define it, or leave the key out when the values are plain",
                );
            }
            if let Some(name) = source.lookup.as_ref().filter(|name| !config.lookups.contains_key(*name)) {
                self.problem(
                    &[&at("lookup")],
                    format!("`{}` is {name:?}, and there is no [lookups.{name}]", at("lookup")),
                    "define it, or leave the key out: then nobody is asked",
                );
            }
            if let Some(first) = topics.insert((&source.cluster, &source.topic), index) {
                self.problem(
                    &[&at("topic")],
                    format!("`{}` is {:?}, as is `sources[{first}].topic`", at("topic"), source.topic),
                    "a topic is read by one source only",
                );
            }
            match (&source.sample, &source.sample_says) {
                (Some(sample), Some(says)) => {
                    if let Err((path, message, remedy)) = sample_is_read_as(sample, says, &source.rules_offline()) {
                        self.problem(&[&at(path)], format!("`{}` {message}", at(path)), remedy);
                    }
                }
                (Some(_), None) => self.problem(
                    &[&at("sample")],
                    format!("`{}` is there, and `{}` is missing", at("sample"), at("sample_says")),
                    "say what it must be read as, such as \"deprovision priya@larkspur.example\"",
                ),
                (None, Some(_)) => self.problem(
                    &[&at("sample_says")],
                    format!("`{}` is there, and `{}` is missing", at("sample_says"), at("sample")),
                    "name the file",
                ),
                (None, None) => {}
            }
            self.tokens(index, source);
            self.mapping(index, source);
            self.tables(index, source);
            let own = source.topic.strip_prefix(&config.kafka.prefix).filter(|rest| OWN_TOPICS.contains(rest));
            if source.cluster.is_none() && own.is_some() {
                self.problem(
                    &[&at("topic")],
                    format!("`{}` is {:?}, a topic of this service itself", at("topic"), source.topic),
                    "name the topic of the source",
                );
            }
        }
    }

    /// Whether a source of tokens says whom to believe, and no other one does.
    fn tokens(&mut self, index: usize, source: &Source) {
        let at = |name: &str| format!("sources[{index}].{name}");
        let given = [
            ("issuer", source.issuer.is_some()),
            ("audience", source.audience.is_some()),
            ("jwks_url", source.jwks_url.is_some()),
            ("jwks_file", source.jwks_file.is_some()),
            ("pre_verified", source.pre_verified),
        ];
        let mut given = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
        if source.format != Format::Set {
            if let Some(name) = given.next() {
                let format = source.format.as_str();
                let message = format!("`{}` has no effect while `{}` is {format:?}", at(name), at("format"));
                self.problem(&[&at(name)], message, "it is for security event tokens, `format = \"set\"`");
            }
            return;
        }
        let mut missing = |name: &str, remedy: &str| {
            let message = format!("`{}` is missing: the format is \"set\"", at(name));
            self.problem(&[&at("format")], message, remedy);
        };
        if source.issuer.is_none() {
            missing("issuer", "name the one whose tokens count, as it stands in their `iss`");
        }
        if !source.pre_verified && source.audience.is_none() {
            missing("audience", "name whom the tokens are meant for, as it stands in their `aud`");
        }
        if !source.pre_verified && source.schema_registry.is_some() {
            let message =
                format!("`{}` has no effect: a signed token is text, and has no schema", at("schema_registry"));
            self.problem(&[&at("schema_registry")], message, "leave it out");
        }
        if source.tenant.contains(':') {
            let message = format!("`{}` holds a colon, which separates the parts of a person's key", at("tenant"));
            self.problem(&[&at("tenant")], message, "write the host of the issuer");
        }
        match (source.pre_verified, &source.jwks_url, &source.jwks_file) {
            (true, None, None) | (false, Some(_), None) => {}
            (true, _, _) => {
                let name = if source.jwks_url.is_some() { "jwks_url" } else { "jwks_file" };
                let message = format!("`{}` has no effect while `{}` is true", at(name), at("pre_verified"));
                self.problem(&[&at(name)], message, "choose: the service checks signatures, or somebody else did");
            }
            (false, Some(_), Some(_)) => {
                let message = format!("both `{}` and `{}` are there", at("jwks_url"), at("jwks_file"));
                self.problem(&[&at("jwks_file")], message, "choose one");
            }
            (false, None, None) => {
                let message = format!("nothing says where the keys of `sources[{index}]` are");
                let remedy = "set `jwks_url` or `jwks_file`, or `pre_verified` if somebody else checks the tokens";
                self.problem(&[&at("format")], message, remedy);
            }
            (false, None, Some(file)) => {
                let read = std::fs::read(file).map_err(|error| error.to_string());
                let read = read.and_then(|bytes| KeySet::parse(&bytes).map_err(|error| error.to_string()));
                if let Err(why) = read {
                    let message = format!("`{}` cannot be used: {why}", at("jwks_file"));
                    self.problem(&[&at("jwks_file")], message, "write the issuer's keys there as a JSON Web Key Set");
                }
            }
        }
        if source.algorithms.is_empty() {
            let message = format!("`{}` is empty: no token counts", at("algorithms"));
            self.problem(&[&at("algorithms")], message, "name the one that the issuer signs with");
        }
    }

    fn mapping(&mut self, index: usize, source: &Source) {
        let at = |name: &str| format!("sources[{index}].{name}");
        let mapping = match (&source.mapping, source.format) {
            (None, Format::Mapping) => {
                return self.problem(
                    &[&at("format")],
                    format!("`{}` is \"mapping\", and there is no [sources.mapping]", at("format")),
                    "docs/sources/mapping.md shows how to write one",
                );
            }
            (None, _) => return,
            (Some(_), format) if format != Format::Mapping => {
                return self.problem(
                    &[&at("format")],
                    format!("`{}` is {:?}, and a [sources.mapping] stands below it", at("format"), format.as_str()),
                    "a mapping is for the format \"mapping\" only",
                );
            }
            (Some(mapping), _) => mapping,
        };
        if let Some((key, message, remedy)) = mapping.misfit() {
            let key = at(&format!("mapping.{key}"));
            return self.problem(&[&key], format!("`{key}` {message}"), remedy);
        }
        for (number, test) in mapping.tests.iter().enumerate() {
            if let Err((key, message)) = test.check(&source.rules()) {
                let key = at(&format!("mapping.tests[{number}].{key}"));
                self.problem(&[&key], format!("`{key}` {message}"), "mend the mapping, or the test");
            }
        }
    }

    fn tables(&mut self, index: usize, source: &Source) {
        let at = |name: &str| format!("sources[{index}].{name}");
        let reads_tables = source.format == Format::Debezium;
        if reads_tables && source.tables.is_empty() {
            self.problem(
                &[&at("format")],
                format!("`{}` is \"debezium\", and there are no [[sources.tables]]", at("format")),
                "docs/sources/debezium.md shows how to name the columns",
            );
        } else if !reads_tables && !source.tables.is_empty() {
            self.problem(
                &[&at("format")],
                format!("`{}` is {:?}, and [[sources.tables]] stand below it", at("format"), source.format.as_str()),
                "they are for the format \"debezium\" only",
            );
        }
        for (number, table) in source.tables.iter().enumerate() {
            let known = source.tables[..number].iter().any(|known| known.name == table.name);
            let twice = known.then_some(("name", "stands here a second time", "list each table once"));
            if let Some((key, message, remedy)) = table.misfit().or(twice) {
                let key = at(&format!("tables[{number}].{key}"));
                self.problem(&[&key], format!("`{key}` {message}"), remedy);
            }
        }
    }

    fn teams(&mut self) {
        let config = self.config;
        let mut names = BTreeMap::new();
        for (index, team) in config.heroku.excluded_teams.iter().enumerate() {
            let at = format!("heroku.excluded_teams[{index}].name");
            if config.heroku.expected_teams.contains(&team.name) {
                self.problem(
                    &[&at],
                    format!("`{at}` is {:?}, and `heroku.expected_teams` names it too", team.name),
                    "a team is either expected or excluded",
                );
            }
            if names.insert(&team.name, ()).is_some() {
                self.problem(&[&at], format!("`{at}` is {:?} a second time", team.name), "remove one of them");
            }
        }
    }

    fn people(&mut self) {
        let people = &self.config.people;
        if people.company_domains.is_empty() {
            self.problem(
                &["people.company_domains"],
                "`people.company_domains` is empty".to_owned(),
                "name the domains of the company: nobody else is ever removed",
            );
        }
        let (rules, domains) = (people.address_rules(), people.domains());
        let ours = "name an address in one of `people.company_domains`, to which no other rule applies";
        for (alias, meant) in &people.aliases {
            let at = format!("people.aliases.{}", super::settings::toml_key(alias));
            if let Err(message) = Shape::Address.check(alias) {
                self.problem(&[&at], format!("the name of `{at}` {message}"), "write it as \"a@larkspur.example\"");
            }
            if *rules.canonical(meant) != *meant {
                self.problem(&[&at], format!("`{at}` leads on: another rule applies to {:?}", meant.expose()), ours);
            } else if !domains.contains(meant.domain()) {
                self.problem(&[&at], format!("`{at}` leads out of the company: {:?}", meant.expose()), ours);
            }
        }
        let ours = "name one of `people.company_domains`, to which no other rule applies";
        for (domain, meant) in &people.same_domains {
            let at = format!("people.same_domains.{}", super::settings::toml_key(domain));
            if let Err(message) = Shape::Domain.check(domain) {
                self.problem(&[&at], format!("the name of `{at}` {message}"), "write it as \"larkspur.example\"");
            }
            let meant = ascii_domain(meant).unwrap_or_default();
            if rules.same_domains.contains_key(&meant) {
                self.problem(&[&at], format!("`{at}` leads on: another rule applies to {meant:?}"), ours);
            } else if !domains.contains(&meant) {
                self.problem(&[&at], format!("`{at}` leads out of the company: {meant:?}"), ours);
            }
        }
    }

    fn times(&mut self) {
        let config = self.config;
        let zero = [
            ("deadlines.normal", config.deadlines.normal),
            ("deadlines.urgent", config.deadlines.urgent),
            ("shutdown.grace", config.shutdown.grace),
            ("advanced.hold_recheck", config.advanced.hold_recheck),
            ("advanced.account_probe", config.advanced.account_probe),
            ("advanced.circuit_probe", config.advanced.circuit_probe),
            ("advanced.jwks_pause", config.advanced.jwks_pause),
            ("advanced.session_timeout", config.advanced.session_timeout),
        ];
        for (path, _) in zero.iter().filter(|(_, time)| time.is_zero()) {
            self.problem(&[path], format!("`{path}` must be more than nothing"), "write it as \"30s\" or \"24h\"");
        }
        if config.deadlines.urgent > config.deadlines.normal {
            self.problem(
                &["deadlines.urgent", "deadlines.normal"],
                "`deadlines.urgent` is longer than `deadlines.normal`".to_owned(),
                "make it the shorter one",
            );
        }
    }
}

/// Reads the operator's own record as the source would; the key at fault, what is wrong with it, and what to do.
/// Checking asks no registry, so the sample of a framed source is its decoded JSON.
fn sample_is_read_as(sample: &Path, says: &str, rules: &Rules) -> Result<(), (&'static str, String, &'static str)> {
    let rules = &Rules { framing: Framing::Plain, ..rules.clone() };
    let bytes = std::fs::read(sample).map_err(|error| {
        let tried = std::path::absolute(sample).unwrap_or_else(|_| sample.to_owned());
        let message = format!("cannot be read: {}: {error}", tried.display());
        ("sample", message, "save one record of your own topic there; a relative path begins at the working directory")
    })?;
    let holds = if sample.to_string_lossy().ends_with(SUFFIX) { Holds::Record } else { Holds::Value };
    let remedy = "if that is what the record means, write a decision from it, and an address or id beside it; \
                  if not, leave the sample out: its format is read wrongly here";
    own_sample::proves(&bytes, holds, rules, says).map_err(|message| ("sample_says", message, remedy))
}
