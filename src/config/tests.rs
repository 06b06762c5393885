use secrecy::ExposeSecret;

use super::*;
use crate::sources::{Format, Framing};

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

fn lookup(kind: &str, more: &str) -> String {
    format!("{LEAST}[lookups.it]\nkind = {kind:?}\nurl = \"http://127.0.0.1/scim\"\n{more}")
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
    let example = include_str!("../../config.example.toml");
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
    let source = SOURCE
        .replace("\"okta\"\ntenant = \"larkspur.okta.com\"", "\"jump_cloud\"\ntenant = \"1234abcdef123456789abc01\"");
    let config = parse(&format!("{LEAST}{source}")).unwrap();
    assert!(config.sources[0].unconfirmed().is_some());
    assert!(show::remarks(&config).iter().any(|remark| remark.contains("nothing confirms")));
    let sample = "sample = \"tests/samples/jumpcloud-01-user-delete.json\"\nsample_says = \"deprovision praman\"\n";
    let config = parse(&format!("{LEAST}{source}{sample}")).unwrap();
    assert_eq!(config.sources[0].unconfirmed(), None);
}

#[test]
fn a_source_is_read_by_its_own_rules() {
    let rules = parse(include_str!("../../config.example.toml")).unwrap().sources[1].rules();
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
fn a_source_may_name_who_knows_its_people() {
    let file = format!("{LEAST}{SOURCE}lookup = \"it\"\n[lookups.it]\nkind = \"okta\"\nurl = \"https://a.example/\"\n");
    let token = ("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", "s3cret");
    let config = with(&file, [token]).unwrap();
    let found = &config.lookups["it"];
    assert_eq!((found.url.as_str(), found.timeout.as_secs()), ("https://a.example", 5));
    assert!(matches!(found.credentials(), Some(Credentials::Token(_))));
    assert!(!format!("{config:?}").contains("s3cret"));
    let error = errors(&format!("{file}token = \"s3cret\"\n"));
    assert!(error.contains("use `lookups.it.token_file`") && !error.contains("s3cret"), "{error}");

    let graph = file.replace("\"okta\"\nurl", "\"graph\"\ntenant = \"t\"\nclient_id = \"c\"\nurl");
    let secret = ("HEROKU_DEPROVISIONER__LOOKUPS__IT__CLIENT_SECRET", "s3cret");
    let config = with(&graph, [secret]).unwrap();
    let credentials = config.lookups["it"].credentials();
    let Some(Credentials::Application { login_url, tenant, .. }) = credentials else { panic!("{credentials:?}") };
    assert_eq!((login_url.as_str(), tenant.as_str()), ("https://login.microsoftonline.com", "t"));
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(with(&graph, [secret, token]).is_err(), "in two ways");
}

#[test]
fn whatever_part_of_a_file_arrives_it_is_read_or_refused() {
    let example = include_str!("../../config.example.toml");
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
    assert!(error.contains("use `heroku.token_file`, or the variable HEROKU_DEPROVISIONER__HEROKU__TOKEN"), "{error}");
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
    let error = errors(
        &LEAST.replace("[people]", "[kafka.properties]\n\"group.id\" = \"x\"\n\"enable.auto.commit\" = true\n[people]"),
    );
    assert!(error.contains("x.toml:5:1: `kafka.properties.\"group.id\"` has a key of its own"), "{error}");
    assert!(error.contains("use `kafka.prefix`") && error.contains("is fixed, because"), "{error}");
}

#[test]
fn a_variable_wins_over_the_file_and_its_mistakes_name_it() {
    let file = format!("{LEAST}[guards]\nmax_people_per_hour = 7\n");
    let config = with(&file, [("HEROKU_DEPROVISIONER__GUARDS__MAX_PEOPLE_PER_HOUR", "5")]).unwrap();
    assert_eq!(config.guards.max_people_per_hour, 5);
    for (name, value, message) in [
        ("GUARDS__MAX_PEOPLE_PER_HOUR", "five", "`guards.max_people_per_hour` wants a whole number, found \"five\""),
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
    let people = with(&format!("{}{right}", LEAST.replace("larkspur.example", "bücher.example")), []).unwrap().people;
    let (rules, kofi) = (people.address_rules(), Email::as_reported("kofi@xn--bcher-kva.example"));
    for same in ["k.mensah@mail.example", "kofi@larkspur.io", "kofi@bücher.example"] {
        assert_eq!(*rules.canonical(&Email::as_reported(same)), kofi, "{same}");
    }
    for (rules, message) in [
        ("[people.aliases]\n\"a\" = \"b@larkspur.example\"", ":7:7: the name of `people.aliases.a` is no mail address"),
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
            format!("{LEAST}{SOURCE}lookup = \"it\"\n"),
            "x.toml:12:10: `sources[0].lookup` is \"it\", and there is no [lookups.it]",
        ),
        (lookup("okta", ""), "x.toml:7:8: `lookups.it.token_file` is missing"),
        (lookup("graph", ""), "x.toml:7:8: nothing says by which token `lookups.it` is asked"),
        (
            lookup("graph", "client_id = \"c\"\n"),
            "x.toml:7:8: `lookups.it.client_id` is there, and not all that an application needs, or a token besides",
        ),
        (
            lookup("scim", "token_file = \"t\"\nclient_id = \"c\"\n"),
            "x.toml:10:13: `lookups.it.client_id` has no effect while `lookups.it.kind` is not \"graph\"",
        ),
        (
            lookup("scim", "token_file = \"t\"\nca_file = \"c\"\n"),
            "x.toml:10:11: `lookups.it.ca_file` has no effect without https",
        ),
        (
            lookup("scim", "token_file = \"t\"\ntimeout = \"0s\"\n"),
            "x.toml:10:11: `lookups.it.timeout` must be more than nothing",
        ),
        (
            lookup("scim", "token_file = \"t\"\n").replace("127.0.0.1", "idp.example"),
            "x.toml:8:7: `lookups.it.url` must begin with https://; http is for 127.0.0.1, [::1] and localhost only",
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
            &format!(
                "x.toml:12:10: `sources[0].sample` cannot be read: {}: No such file",
                std::env::current_dir().unwrap().join("nowhere.json").display()
            ),
        ),
        (
            format!("{LEAST}{SOURCE}sample = \"Cargo.toml\"\nsample_says = \"removed a@larkspur.example\"\n"),
            "x.toml:13:15: `sources[0].sample_says` names no decision: \"removed\" is none of deprovision, ",
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
            format!("{LEAST}{}", set("issuer = \"x\"\npre_verified = true\njwks_url = \"https://idp.example/jwks\"\n")),
            "x.toml:14:12: `sources[0].jwks_url` has no effect while `sources[0].pre_verified` is true",
        ),
        (
            format!("{LEAST}{}", set("issuer = \"x\"\npre_verified = true\n").replace("larkspur.okta.com", "a:b")),
            "x.toml:11:10: `sources[0].tenant` holds a colon",
        ),
        (format!("{LEAST}[deadlines]\nurgent = \"25h\"\n"), "x.toml:7:10: `deadlines.urgent` is longer"),
        (
            format!("{LEAST}[heroku]\nexpected_teams = [\"a\"]\nexcluded_teams = [{{name = \"a\", reason = \"r\"}}]\n"),
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

/// What stands behind it was not read, so nothing of it is missing.
#[test]
fn a_file_that_is_no_toml_is_told_alone() {
    let error = errors(&LEAST.replace("[people]", "replication_factor = 10_000,\n[people]").replace("company", "x"));
    assert!(error.starts_with("a mistake in the configuration\n\nx.toml:4:28: no valid TOML"), "{error}");
}

#[test]
fn a_remedy_can_be_followed() {
    for (text, remedy) in [
        (format!("{LEAST}mode = \"enforce\"\n"), "`mode` stands at the top of the file, above the first [table]"),
        (
            format!("{LEAST}{SOURCE}[sources.mapping]\nid = \"/id\"\n[[sources.mapping.rules]]\nthen = \"cancel\"\n"),
            "Write `when = …`, or set HEROKU_DEPROVISIONER__SOURCES__NAME__MAPPING__RULES\n",
        ),
    ] {
        let error = errors(&text) + "\n";
        assert!(error.contains(remedy), "{error}");
    }
    let variable = "HEROKU_DEPROVISIONER__SOURCES__OKTA__MAPPING__RULES__A__WHEN";
    let error = with(&format!("{LEAST}{SOURCE}"), [(variable, "true")]).unwrap_err().to_string();
    assert!(error.ends_with("set all in HEROKU_DEPROVISIONER__SOURCES__NAME__MAPPING__RULES"), "{error}");
}

#[test]
fn a_directory_of_another_vendor_is_remarked_upon() {
    let remarked = |kind: &str| {
        let source = format!("{SOURCE}lookup = \"it\"\n");
        let config = parse(&format!("{}{source}", lookup(kind, "token_file = \"t\"\n"))).unwrap();
        show::remarks(&config).iter().any(|remark| remark.contains("can be asked for no id of okta"))
    };
    assert!(remarked("google") && remarked("graph"));
    assert!(!remarked("okta") && !remarked("scim"));
}

#[test]
fn what_is_shown_is_toml_that_loads_to_the_same_configuration() {
    let config = parse(include_str!("../../config.example.toml")).unwrap();
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
