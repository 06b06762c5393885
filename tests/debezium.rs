//! Tables of a database as their operator describes them: in the configuration file, and on their page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::sources::explain::{Holds, Question, answer};

const PAGE: &str = include_str!("../docs/sources/debezium.md");

const REST: &str = r#"config_version = 1
[kafka]
bootstrap_servers = "broker-1:9092"
[people]
company_domains = ["larkspur.example"]
"#;

const SOURCE: &str = r#"[[sources]]
name = "hr-db"
topic = "hr.public.employee"
format = "debezium"
tenant = "larkspur"
"#;

fn parse(sources: &str) -> Result<Config, String> {
    Config::parse("x.toml", &format!("{REST}{sources}"), &Environment::default()).map_err(|error| error.to_string())
}

/// The first fenced block of a language.
fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_page_shows_what_explain_prints() {
    let config = parse(&block(PAGE, "toml")).unwrap();
    let rules = config.sources[0].rules();
    let bytes = include_bytes!("samples/debezium-01-update-terminated.json");
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let answer = answer(&Question { bytes, holds: Holds::Value, rules: &rules, schema: None, now });
    assert_eq!(block(PAGE, "text"), answer.text());
}

#[test]
fn a_table_that_says_nothing_of_leaving_is_refused() {
    let table = |columns: &str| format!("{SOURCE}[[sources.tables]]\nname = \"employee\"\nid = \"id\"\n{columns}");
    parse(&table("status = \"s\"\nleft = [\"T\"]\n")).unwrap();
    parse(&table("date = \"d\"\n")).unwrap();
    for (sources, told) in [
        (SOURCE.to_owned(), "`sources[0].format` is \"debezium\", and there are no [[sources.tables]]"),
        (
            table("").replace("debezium", "okta"),
            "`sources[0].format` is \"okta\", and [[sources.tables]] stand below it",
        ),
        (table(""), "x.toml:12:8: `sources[0].tables[0].name` has neither `status` nor `date`"),
        (table("status = \"s\"\n"), "x.toml:14:10: `sources[0].tables[0].status` is there, and `left` is missing"),
        (table("left = [\"T\"]\n"), "x.toml:14:1: `sources[0].tables[0].left` is there, and `status` is missing"),
        (
            format!("{}[[sources.tables]]\nname = \"employee\"\nid = \"id\"\ndate = \"d\"\n", table("date = \"d\"\n")),
            "x.toml:16:8: `sources[0].tables[1].name` stands here a second time",
        ),
    ] {
        let found = parse(&sources).unwrap_err();
        assert!(found.contains(told), "{sources}: {found}");
    }
}
