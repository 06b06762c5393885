//! Every key of the configuration: its type, unit, default and meaning. `config show --defaults`,
//! docs/configuration.md, the check of a file and the default values all come from this one table.

use Fallback::{Absent, HostName, Required, Value};
use Kind::{Many, One, Secret};

use super::environment::VARIABLE_PREFIX;
use super::shape::{Kind, Shape};
use crate::sources::token::ALGORITHMS;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands. `*` is a name that the operator chooses, `[]` one entry of a list of tables.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it counts, where the type does not say it.
    pub unit: Option<&'static str>,
    /// What holds without it.
    pub default: Fallback,
    /// One line.
    pub doc: &'static str,
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It must be there.
    Required,
    /// This value, as TOML.
    Value(&'static str),
    /// The name of the machine.
    HostName,
    /// Nothing; this is what follows.
    Absent(&'static str),
}

impl Fallback {
    /// What stands in the documentation.
    pub fn text(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Value(text) => text,
            Self::HostName => "host name",
            Self::Absent(meaning) => meaning,
        }
    }
}

impl Key {
    /// The variable that sets it. `NAME` stands for a name that the operator chooses. `None` = it stands in a list whose
    /// entries have no names, which is set as a whole.
    pub fn variable(&self) -> Option<String> {
        let mut lists = self.path.match_indices("[]").map(|(at, brackets)| &self.path[..at + brackets.len()]);
        lists.all(has_names).then(|| variable(self.path))
    }

    /// The table that it stands in; empty = the top.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its own name.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// Whether each entry of a list of tables has a name of its own, by which a variable can mean it.
pub(super) fn has_names(list: &str) -> bool {
    KEYS.iter().any(|key| key.section() == list && key.name() == "name")
}

/// The variable of a key.
pub fn variable(path: &str) -> String {
    let name = path.replace("[]", ".NAME").replace('*', "NAME").replace('.', "__");
    format!("{VARIABLE_PREFIX}{}", name.to_uppercase())
}

const MODE: Kind = One(Shape::Choice(&["observe", "enforce"]));
const WORDS: Kind = One(Shape::Choice(&["deprovision", "schedule", "suspend", "cancel", "identity_update", "ignore"]));
const SECURITY: Kind = One(Shape::Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]));
const MECHANISM: Kind = One(Shape::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]));

const fn key(path: &'static str, kind: Kind, unit: Option<&'static str>, default: Fallback, doc: &'static str) -> Key {
    Key { path, kind, unit, default, doc }
}

const fn whole(min: i64, max: i64) -> Kind {
    One(Shape::Whole { min, max })
}

/// All keys, in the order in which they are shown.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("config_version", whole(1, 1), None, Required, "Version of this format."),
    key("mode", MODE, None, Value("\"observe\""), "`observe` plans, `enforce` removes. The strictest of here, source and team decides."),

    key("heroku.account", One(Shape::Address), None, Absent("none; `enforce` needs it"), "Address of the Heroku account that acts. The service refuses to start as anyone else."),
    key("heroku.token_file", One(Shape::Path), None, Absent("none"), "File that holds the account's token; read again when it changes."),
    key("heroku.token", Secret { file_key: "token_file" }, None, Absent("none"), "The token itself, as a variable only."),
    key("heroku.api_url", One(Shape::Url), None, Value("\"https://api.heroku.com\""), "Heroku's API. `http` is accepted for this machine only."),
    key("heroku.enterprise_account", One(Shape::Name), None, Absent("none"), "Enterprise account whose list of teams says which teams are expected."),
    key("heroku.expected_teams", Many(Shape::Name), None, Value("[]"), "Further teams expected. A case does not close while one of them is unread."),
    key("heroku.use_permissions_endpoint", One(Shape::Flag), None, Value("true"), "Find app access by one list for each team where that list is complete."),
    key("heroku.excluded_teams[].name", One(Shape::Name), None, Required, "A team that is left alone, and named as such in every outcome."),
    key("heroku.excluded_teams[].reason", One(Shape::Text), None, Required, "Why; it stands in every outcome."),

    key("kafka.bootstrap_servers", One(Shape::Servers), None, Required, "Brokers of the cluster that holds the service's own topics."),
    key("kafka.security_protocol", SECURITY, None, Value("\"PLAINTEXT\""), "How the brokers are spoken to."),
    key("kafka.sasl_mechanism", MECHANISM, None, Absent("none; SASL needs it"), "How the service logs in."),
    key("kafka.sasl_username_file", One(Shape::Path), None, Absent("none"), "File that holds the user name."),
    key("kafka.sasl_password_file", One(Shape::Path), None, Absent("none"), "File that holds the password."),
    key("kafka.sasl_username", Secret { file_key: "sasl_username_file" }, None, Absent("none"), "The user name itself, as a variable only."),
    key("kafka.sasl_password", Secret { file_key: "sasl_password_file" }, None, Absent("none"), "The password itself, as a variable only."),
    key("kafka.prefix", One(Shape::Prefix), None, Value("\"heroku-deprovisioner.\""), "What the names of the service's topics, groups and transactional ids begin with."),
    key("kafka.create_topics", One(Shape::Flag), None, Value("false"), "Create missing topics at the start. Otherwise `check --emit topics` prints them."),
    key("kafka.replication_factor", whole(-1, 15), Some("replicas"), Value("-1"), "Replicas of topics that the service creates; -1 = the broker's default."),
    key("kafka.properties.*", One(Shape::Property), None, Absent("librdkafka's"), "Any other librdkafka property. Secrets and what correctness hangs on are refused."),

    key("kafka_clusters.*.bootstrap_servers", One(Shape::Servers), None, Required, "Brokers of a further cluster, for sources that live there."),
    key("kafka_clusters.*.security_protocol", SECURITY, None, Value("\"PLAINTEXT\""), "How its brokers are spoken to."),
    key("kafka_clusters.*.sasl_mechanism", MECHANISM, None, Absent("none; SASL needs it"), "How the service logs in there."),
    key("kafka_clusters.*.sasl_username_file", One(Shape::Path), None, Absent("none"), "File that holds the user name."),
    key("kafka_clusters.*.sasl_password_file", One(Shape::Path), None, Absent("none"), "File that holds the password."),
    key("kafka_clusters.*.sasl_username", Secret { file_key: "sasl_username_file" }, None, Absent("none"), "The user name itself, as a variable only."),
    key("kafka_clusters.*.sasl_password", Secret { file_key: "sasl_password_file" }, None, Absent("none"), "The password itself, as a variable only."),
    key("kafka_clusters.*.properties.*", One(Shape::Property), None, Absent("librdkafka's"), "Any other librdkafka property for that cluster."),

    key("schema_registries.*.url", One(Shape::BaseUrl), None, Required, "A schema registry with Confluent's API, for sources whose values are framed for it."),
    key("schema_registries.*.username_file", One(Shape::Path), None, Absent("none"), "File that holds the user name, or the API key."),
    key("schema_registries.*.password_file", One(Shape::Path), None, Absent("none"), "File that holds the password, or the API secret."),
    key("schema_registries.*.username", Secret { file_key: "username_file" }, None, Absent("none"), "The user name itself, as a variable only."),
    key("schema_registries.*.password", Secret { file_key: "password_file" }, None, Absent("none"), "The password itself, as a variable only."),
    key("schema_registries.*.ca_file", One(Shape::Path), None, Absent("the system's"), "Certificates (PEM) of the authorities that alone may vouch for it."),
    key("schema_registries.*.timeout", One(Shape::Duration), None, Value("\"5s\""), "Time for one answer."),

    key("lookups.*.kind", One(Shape::Choice(&["scim", "okta", "graph", "google"])), None, Required, "What the directory speaks."),
    key("lookups.*.url", One(Shape::ServiceUrl), None, Required, "Where it is; `http` is accepted for this machine only."),
    key("lookups.*.token_file", One(Shape::Path), None, Absent("none"), "File that holds the token; read anew for each request."),
    key("lookups.*.token", Secret { file_key: "token_file" }, None, Absent("none"), "The token itself, as a variable only."),
    key("lookups.*.tenant", One(Shape::Name), None, Absent("none"), "`graph`: id of the tenant, to get tokens as an application instead of `token_file`."),
    key("lookups.*.client_id", One(Shape::Name), None, Absent("none"), "`graph`: id of that application."),
    key("lookups.*.client_secret_file", One(Shape::Path), None, Absent("none"), "`graph`: file that holds its secret."),
    key("lookups.*.client_secret", Secret { file_key: "client_secret_file" }, None, Absent("none"), "`graph`: the secret itself, as a variable only."),
    key("lookups.*.login_url", One(Shape::ServiceUrl), None, Value("\"https://login.microsoftonline.com\""), "`graph`: who gives the tokens."),
    key("lookups.*.ca_file", One(Shape::Path), None, Absent("the system's"), "Certificates (PEM) of the authorities that alone may vouch for it."),
    key("lookups.*.timeout", One(Shape::Duration), None, Value("\"5s\""), "Time for one answer."),

    key("sources[].name", One(Shape::Name), None, Required, "Name of the source in outcomes, metrics and logs; `operator` is taken."),
    key("sources[].topic", One(Shape::Topic), None, Required, "The topic to read."),
    key("sources[].cluster", One(Shape::Name), None, Absent("the one in `kafka`"), "Name of the cluster in `kafka_clusters` that holds the topic."),
    key("sources[].format", One(Shape::Format), None, Required, "How its records are read: the name of a page in docs/sources."),
    key("sources[].schema_registry", One(Shape::Name), None, Absent("values are plain"), "Name of the registry in `schema_registries` that its values are framed for."),
    key("sources[].lookup", One(Shape::Name), None, Absent("nobody is asked"), "Name of the directory in `lookups` that knows the addresses of ids without one."),
    key("sources[].tenant", One(Shape::Text), None, Required, "The organisation's account at the source. A record that names another one is refused."),
    key("sources[].types", Many(Shape::Text), None, Value("[]"), "CloudEvents types accepted besides the canonical one."),
    key("sources[].start_at", One(Shape::StartAt), None, Absent("now − `max_event_age`"), "Where reading begins at the very first start; `latest` never holds for a partition that comes later."),
    key("sources[].max_event_age", One(Shape::Duration), None, Value("\"7d\""), "Older events are held instead of carried out."),
    key("sources[].silent_after", One(Shape::Duration), None, Absent("never"), "Without a record for so long the source counts as silent, which `/statusz` and a metric say."),
    key("sources[].mode", MODE, None, Absent("that of the top"), "May only be stricter than the mode at the top."),
    key("sources[].zone", One(Shape::Zone), None, Value("\"UTC\""), "Time zone of dates that name none."),
    key("sources[].boundary", One(Shape::Choice(&["end_of_day", "start_of_day"])), None, Value("\"end_of_day\""), "Which end of a date counts; `end_of_day` = the last day is worked."),
    key("sources[].on_suspended", One(Shape::Choice(&["ignore", "hold", "remove"])), None, Value("\"hold\""), "What follows from a suspended account."),
    key("sources[].sample", One(Shape::Path), None, Absent("none"), "A record of your own feed; for formats that are not confirmed, whose plans are held otherwise."),
    key("sources[].sample_says", One(Shape::Text), None, Absent("none"), "What the sample must be read as: a decision, and an address or an id."),

    key("sources[].issuer", One(Shape::Text), None, Absent("none; `set` needs it"), "What `iss` of a security event token must be."),
    key("sources[].audience", One(Shape::Text), None, Absent("none; signed tokens need it"), "What `aud` of a security event token must be or hold."),
    key("sources[].jwks_url", One(Shape::PageUrl), None, Absent("none"), "Where the issuer's keys are; `http` is accepted for this machine only."),
    key("sources[].jwks_file", One(Shape::Path), None, Absent("none"), "File that holds the issuer's keys, instead of `jwks_url`."),
    key("sources[].algorithms", Many(Shape::Choice(ALGORITHMS)), None, Value("[\"RS256\", \"ES256\"]"), "Signatures that count."),
    key("sources[].pre_verified", One(Shape::Flag), None, Value("false"), "The records are claims of tokens that somebody has checked: whoever writes the topic is believed."),
    key("sources[].external_id", One(Shape::Choice(&["opaque", "address", "employee_id"])), None, Value("\"opaque\""), "What SCIM's `externalId` is."),

    key("sources[].mapping.elements", One(Shape::Pointer), None, Absent("the whole value"), "JSON Pointer to the list of elements."),
    key("sources[].mapping.id", One(Shape::Expression), None, Required, "What the feed calls the person: a pointer such as `/employee/id`, or CEL on `event`."),
    key("sources[].mapping.emails", Many(Shape::Expression), None, Value("[]"), "The person's addresses; each of them gives one, several or none."),
    key("sources[].mapping.employee_id", One(Shape::Expression), None, Absent("none"), "HR's number of the person, for the outcome."),
    key("sources[].mapping.engagement_id", One(Shape::Expression), None, Absent("none"), "Which employment it is about, where a person may have several."),
    key("sources[].mapping.action", One(Shape::Expression), None, Absent("`rules` decide"), "What decides: its values stand in `actions`, or are actions themselves."),
    key("sources[].mapping.actions.*", WORDS, None, Absent("goes by `otherwise`"), "What that value of `action` means."),
    key("sources[].mapping.rules[].when", One(Shape::Expression), None, Required, "CEL that gives true or false; the first that is true decides."),
    key("sources[].mapping.rules[].then", WORDS, None, Required, "What that means."),
    key("sources[].mapping.otherwise", One(Shape::Choice(&["refuse", "ignore"])), None, Value("\"refuse\""), "What becomes of an element that the mapping does not name."),
    key("sources[].mapping.level", One(Shape::Flag), None, Value("false"), "The feed states what is, again and again; only what differs from before is news."),
    key("sources[].mapping.effective", One(Shape::Expression), None, Absent("that of the event"), "When it takes effect: a date or a time. A `schedule` needs it."),
    key("sources[].mapping.time", One(Shape::Expression), None, Absent("the record's own time"), "When the feed says that it happened; the newest statement wins."),
    key("sources[].mapping.sequence", One(Shape::Expression), None, Absent("none"), "The feed's own position, for statements of the same time."),
    key("sources[].mapping.event_id", One(Shape::Expression), None, Absent("action, id and time"), "The feed's own id of the event; a repeated one changes nothing."),
    key("sources[].mapping.event_type", One(Shape::Expression), None, Absent("the value of `action`, or the rule"), "What the feed calls the event, for the outcome."),
    key("sources[].mapping.tenant", One(Shape::Expression), None, Absent("not looked at"), "The tenant that the record names; another one than the source's is refused."),
    key("sources[].mapping.system", One(Shape::Name), None, Absent("name of the source"), "Beginning of the person keys; the same for feeds that use the same ids."),
    key("sources[].mapping.tests[].record", One(Shape::Text), None, Required, "A record of the feed."),
    key("sources[].mapping.tests[].says", Many(Shape::Text), None, Required, "What each element must be read as: a decision, then address, id or time."),

    key("sources[].tables[].name", One(Shape::Text), None, Required, "`schema.table`, `database.table` or `table`; rows of others are ignored."),
    key("sources[].tables[].id", One(Shape::Text), None, Required, "The column that says who it is, for good."),
    key("sources[].tables[].emails", Many(Shape::Text), None, Value("[]"), "Columns with the person's addresses."),
    key("sources[].tables[].status", One(Shape::Text), None, Absent("`date` decides"), "The column that says whether somebody is employed."),
    key("sources[].tables[].left", Many(Shape::Text), None, Value("[]"), "Its values that mean left."),
    key("sources[].tables[].date", One(Shape::Text), None, Absent("`status` decides"), "The column of the last day."),
    key("sources[].tables[].date_as", One(Shape::Choice(&["days", "millis", "micros", "nanos"])), None, Absent("the schema says it"), "What a number in it counts, from 1970-01-01 on."),
    key("sources[].tables[].system", One(Shape::Name), None, Absent("name of the source"), "Beginning of the person keys; the same for feeds that use the same ids."),

    key("teams.*.mode", MODE, None, Required, "Mode for one Heroku team; may only be stricter than the mode at the top."),

    key("people.company_domains", Many(Shape::Domain), None, Required, "Only people with an address in one of these domains are ever removed."),
    key("people.protected", Many(Shape::Address), None, Value("[]"), "People who are never removed, whatever an event says."),
    key("people.plus_tags", One(Shape::Flag), None, Value("false"), "In the company's domains, `kofi+heroku@` is an address of whoever has `kofi@`."),
    key("people.aliases.*", One(Shape::Address), None, Absent("each address is itself alone"), "The address that counts for this one: both are one person's."),
    key("people.same_domains.*", One(Shape::Domain), None, Absent("each domain is itself alone"), "The company's domain that counts for this one: the same name before the `@` is the same address."),

    key("deadlines.normal", One(Shape::Duration), None, Value("\"24h\""), "Time for an ordinary case, from the later of effective and received."),
    key("deadlines.urgent", One(Shape::Duration), None, Value("\"1h\""), "Time for an urgent one."),

    key("guards.max_people_per_hour", whole(0, 1_000_000), Some("people"), Value("10"), "More in an hour are held; 0 holds everybody."),
    key("guards.max_people_per_day", whole(0, 1_000_000), Some("people"), Value("25"), "More in 24 hours are held, more of one source at once until approved; 0 holds everybody."),
    key("guards.max_percent_of_team", whole(0, 100), Some("% of the members"), Value("20"), "More of one team in 24 hours are held, at least 2 people pass; 0 holds everybody, 100 nobody."),
    key("guards.min_human_admins", whole(1, 1000), Some("people"), Value("1"), "Human admins that stay in every team."),
    key("guards.on_reappeared", One(Shape::Choice(&["report", "remove"])), None, Value("\"report\""), "What becomes of access that is back after the end of a case; `remove` removes it once more."),
    key("guards.hold_owner", One(Shape::Text), None, Absent("nobody"), "Who looks after held cases; stands in each hold."),

    key("limits.open_cases", whole(1, 1_000_000), Some("cases"), Value("10000"), "With as many open cases no event is read until some have ended."),

    key("dead_letters.payload", One(Shape::Choice(&["full", "reference"])), None, Value("\"full\""), "Whether a dead letter holds the refused record, or its place and digest only."),

    key("http.listen", One(Shape::Listen), None, Value("\"0.0.0.0:8080\""), "Where health, status and metrics are served."),

    key("log.format", One(Shape::Choice(&["text", "json"])), None, Value("\"text\""), "How log lines are written."),
    key("log.level", One(Shape::LogFilter), None, Value("\"info\""), "What is logged, in the syntax of `RUST_LOG`, which wins."),

    key("instance.name", One(Shape::Name), None, HostName, "Name of this instance; keep it over a restart, so that Kafka knows it again."),

    key("shutdown.grace", One(Shape::Duration), None, Value("\"30s\""), "Time for what is in flight after SIGTERM."),

    key("advanced.read_lag", One(Shape::Duration), None, Value("\"15s\""), "How long Heroku may still list what it has removed, before that counts as still there."),
    key("advanced.hold_recheck", One(Shape::Duration), None, Value("\"60s\""), "How often the world is read again for what is held."),
    key("advanced.proof_patience", One(Shape::Duration), None, Value("\"10s\""), "How long a proof waits while other removals from the same list still go out."),
    key("advanced.account_probe", One(Shape::Duration), None, Value("\"30s\""), "How often the account is tried while Heroku refuses it as a whole."),
    key("advanced.circuit_probe", One(Shape::Duration), None, Value("\"60s\""), "How often a removal is tried while removals fail one after the other."),
    key("advanced.jwks_pause", One(Shape::Duration), None, Value("\"30s\""), "The least time between two readings of an issuer's keys."),
    key("advanced.session_timeout", One(Shape::Duration), None, Value("\"10s\""), "Silence after which Kafka gives an instance's work to another one."),
];

/// What one name in a table is.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// A key.
    Leaf(&'static Key),
    /// A table; its path in the table of keys.
    Section(&'static str),
    /// A list of tables; the path of its entries.
    List(&'static str),
}

/// Looks up `name` in the table at `section`; the flag says whether it is a name that the operator chooses.
pub fn find(section: &str, name: &str) -> Option<(Found, bool)> {
    let named = join(section, name);
    let free = join(section, "*");
    KEYS.iter()
        .find_map(|key| under(key, &named).map(|found| (found, false)))
        .or_else(|| KEYS.iter().find_map(|key| under(key, &free).map(|found| (found, true))))
}

/// Names that may stand in the table at `section`.
pub fn names(section: &str) -> Vec<&'static str> {
    let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix(prefix.as_str()))
        .map(|rest| rest.split(['.', '[']).next().unwrap_or(rest))
        .filter(|name| *name != "*")
        .collect();
    names.dedup();
    names
}

/// The nearest right key to `name` in the table at `section`: one of that table, else one of the same name elsewhere.
pub fn nearest(section: &str, name: &str) -> Option<String> {
    const NEAR: f64 = 0.7;
    let near = |known: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase().replace('-', "_"), known);
    let best = |candidates: Vec<(&'static str, String)>| {
        candidates
            .into_iter()
            .map(|(known, shown)| (near(known), shown))
            .filter(|(score, _)| *score >= NEAR)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, shown)| shown)
    };
    best(names(section).into_iter().map(|known| (known, known.to_owned())).collect())
        .or_else(|| best(KEYS.iter().map(|key| (key.name(), key.path.to_owned())).collect()))
}

/// Joins a table's path and a name.
pub fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn under(key: &'static Key, path: &str) -> Option<Found> {
    let rest = key.path.strip_prefix(path)?;
    let bytes = path.len();
    if rest.is_empty() {
        Some(Found::Leaf(key))
    } else if rest.starts_with("[]") {
        Some(Found::List(&key.path[..bytes + 2]))
    } else if rest.starts_with('.') {
        Some(Found::Section(&key.path[..bytes]))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_each_key_once_and_every_default_is_valid() {
        let mut paths: Vec<_> = KEYS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), KEYS.len());
        for key in KEYS {
            assert!(key.doc.ends_with('.') && key.doc.chars().count() <= 100, "{}: {}", key.path, key.doc);
        }
    }

    #[test]
    fn finds_keys_tables_and_lists() {
        assert!(matches!(find("", "mode"), Some((Found::Leaf(_), false))));
        assert!(matches!(find("", "guards"), Some((Found::Section("guards"), false))));
        assert!(matches!(find("", "sources"), Some((Found::List("sources[]"), false))));
        assert!(matches!(find("teams", "payments"), Some((Found::Section("teams.*"), true))));
        assert!(matches!(find("kafka.properties", "client.rack"), Some((Found::Leaf(_), true))));
        assert!(find("", "guard").is_none());
    }

    #[test]
    fn suggests_a_sibling_first_then_the_same_name_elsewhere() {
        assert_eq!(nearest("guards", "max_people_per_hou").as_deref(), Some("max_people_per_hour"));
        assert_eq!(nearest("heroku", "company-domains").as_deref(), Some("people.company_domains"));
        assert_eq!(nearest("", "xyzzy"), None);
    }
}
