//! What is deployed says what is so: versions agree, the compose file's configuration holds, and its cast is read the
//! way `deploy/compose/play-cast` tells it.
#![cfg(feature = "service")]

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::kafka::TopicNames;
use heroku_deprovisioner::kafka::topics::plan;
use heroku_deprovisioner::model::event::Action;
use heroku_deprovisioner::sources::{Record, RejectCode, Verdict, read};

#[test]
fn the_image_is_built_with_the_rust_that_the_package_asks_for() {
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(text("deploy/Dockerfile").contains(&format!("FROM rust:{rust}-bookworm")), "rust {rust}");
}

#[test]
fn the_compose_file_runs_the_kafka_that_is_tested() {
    let pom = text("tests/kafka/pom.xml");
    let (_, rest) = pom.split_once("<kafka.version>").unwrap();
    let (version, _) = rest.split_once('<').unwrap();
    let compose = text("docker-compose.yml");
    let images: Vec<_> = compose.lines().filter_map(|line| line.trim().strip_prefix("image: apache/kafka:")).collect();
    assert_eq!(images, [version, version]);
}

#[test]
fn the_page_on_topics_shows_what_is_created() {
    let page = text("docs/topics.md");
    for topic in plan(&TopicNames::new("")) {
        let start = format!("| `{}` |", topic.name);
        let row =
            page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row of {}", topic.name));
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let cleanup = match topic.config.get("retention.ms") {
            Some(time) => format!("delete, {} days", time.parse::<u64>().unwrap() / (24 * 60 * 60 * 1000)),
            None => topic.config["cleanup.policy"].clone(),
        };
        assert_eq!(cells[3], cleanup, "{}", topic.name);
        assert_eq!(cells[4], if topic.exactly { "exactly 1" } else { "any" }, "{}", topic.name);
    }
}

#[test]
fn the_cast_is_read_the_way_it_is_told() {
    let config = config();
    let mut leavers = Vec::new();
    let mut refused = Vec::new();
    let mut ignored = 0;
    for (source, value) in cast() {
        let source = config.sources.iter().find(|known| known.topic == source).expect("a source reads the topic");
        for reading in read(&Record { value: Some(value.as_bytes()), ..Record::default() }, &source.rules()) {
            match reading.verdict {
                Verdict::Event(event) => {
                    assert_eq!(event.action, Action::Deprovision);
                    leavers.push(event.subject.emails[0].value.expose().to_owned());
                }
                Verdict::Ignore { .. } => ignored += 1,
                Verdict::Reject(reject) => refused.push(reject.code),
            }
        }
    }
    let told = ["priya.raman", "jonas.weber", "ines.duarte", "break-glass", "tomas.oliveira", "greta.lindqvist"];
    assert_eq!(leavers, told.map(|name| format!("{name}@larkspur.example")));
    assert_eq!(refused, [RejectCode::MalformedJson]);
    assert_eq!(ignored, 4);
    let protected: Vec<_> = config.people.protected.iter().map(|address| address.expose()).collect();
    assert_eq!(protected, ["break-glass@larkspur.example"]);
}

#[test]
fn the_token_in_the_compose_file_is_the_simulated_accounts() {
    let token = text("deploy/compose/heroku-token");
    let world: serde_json::Value = serde_json::from_str(&text("deploy/compose/world.json")).unwrap();
    assert_eq!(world["tokens"][0]["token"], token.trim());
    assert_eq!(world["tokens"][0]["account"], config().heroku.account.unwrap().expose());
    assert!(text("docker-compose.yml").contains(&format!("Authorization: Bearer {}'", token.trim())));
}

fn config() -> Config {
    Config::parse("config.toml", &text("deploy/compose/config.toml"), &Environment::of([])).unwrap()
}

/// Topic and value of each record, with a time in place of the mark for it.
fn cast() -> Vec<(&'static str, String)> {
    let okta = text("deploy/compose/cast/okta.system-log.jsonl");
    let okta = okta.lines().map(|value| ("okta.system-log", value));
    let hr = text("deploy/compose/cast/hr.leavers.tsv");
    let hr = hr.lines().map(|line| ("hr.leavers", line.split_once('\t').unwrap().1));
    okta.chain(hr).map(|(topic, value)| (topic, value.replace("@NOW@", "2026-05-29T14:03:11Z"))).collect()
}

fn text(path: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"))
}
