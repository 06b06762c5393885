//! A source as its operator describes it: in a configuration, and on the page of its format.

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::sources::explain::{Holds, Question, answer};

const REST: &str = r#"config_version = 1
[kafka]
bootstrap_servers = "broker-1:9092"
[people]
company_domains = ["larkspur.example"]
"#;

/// A configuration with these sources.
pub(crate) fn parse(sources: &str) -> Result<Config, String> {
    Config::parse("x.toml", &format!("{REST}{sources}"), &Environment::default()).map_err(|error| error.to_string())
}

/// The first fenced block of a language.
pub(crate) fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// What `explain` prints of a value, by the source that the page configures.
pub(crate) fn explained(page: &str, bytes: &[u8]) -> String {
    let config = parse(&block(page, "toml")).unwrap();
    let rules = config.sources[0].rules();
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    answer(&Question { bytes, holds: Holds::Value, rules: &rules, schema: None, now }).text()
}
