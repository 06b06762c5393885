//! The doctor on a real broker: it says what is so, and leaves no trace that the service could stumble over.

use std::process::{Command, Output};
use std::time::Duration;

use heroku_deprovisioner::kafka::Batch;
use serde_json::Value;

use super::bench::{Bench, until};

/// `check --json` with this broker and prefix, a source on `topic`, and a Heroku that nobody can reach.
fn check(bench: &Bench, prefix: &str, topic: &str) -> (Option<i32>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "config_version = 1\n[heroku]\napi_url = \"http://127.0.0.1:1\"\n[kafka]\nbootstrap_servers = \"{}\"\n\
         prefix = \"{prefix}\"\ncreate_topics = false\n[schema_registries.main]\nurl = \"http://127.0.0.1:1\"\n\
         [lookups.it]\nkind = \"scim\"\nurl = \"http://127.0.0.1:1\"\n[people]\ncompany_domains = [\"larkspur.example\"]\n\
         [[sources]]\nname = \"hr\"\ntopic = \"{topic}\"\nformat = \"canonical\"\ntenant = \"larkspur\"\n",
        bench.bootstrap_servers()
    );
    std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"))
        .args(["check", "--json"])
        .current_dir(folder.path())
        .env_clear()
        .env("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", "t0ken")
        .output()
        .unwrap();
    let findings = serde_json::from_slice(&output.stdout);
    (output.status.code(), findings.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

/// What was found about this, each with its verdict.
fn about<'a>(findings: &'a [Value], about: &str) -> Vec<(&'a str, &'a str)> {
    let text = |finding: &'a Value, member: &str| finding[member].as_str().unwrap();
    let found = findings.iter().filter(|finding| text(finding, "about").starts_with(about));
    found.map(|finding| (text(finding, "verdict"), text(finding, "what"))).collect()
}

#[test]
fn check_tries_every_right_and_disturbs_nobody() {
    let Some(bench) = Bench::new("check_tries_every_right_and_disturbs_nobody") else { return };
    let source = format!("{}leavers", bench.prefix);
    bench.create_topic(&source, 3, &[]);
    let mut log = bench.joined("active");
    log.restore().unwrap();

    let (code, findings) = check(&bench, &bench.prefix, &source);
    assert_eq!(about(&findings, "kafka").len(), 1, "{findings:#?}");
    let rights = about(&findings, "rights");
    assert_eq!(rights.len(), 8, "{rights:?}");
    assert!(rights.iter().all(|(verdict, _)| *verdict == "good"), "{rights:?}");
    let topics = about(&findings, "topic ");
    assert_eq!(topics.iter().filter(|(verdict, _)| *verdict == "good").count(), 6, "{topics:?}");
    assert!(topics.iter().any(|(verdict, what)| *verdict == "doubtful" && what.contains("has 1 replicas")));
    assert_eq!(about(&findings, "source hr"), [("good", format!("topic {source} can be read, 3 partitions").as_str())]);
    let registry = about(&findings, "schema registry main");
    assert!(registry.len() == 1 && registry[0].0 == "wrong", "{registry:?}");
    assert!(registry[0].1.starts_with("http://127.0.0.1:1: "), "{registry:?}");
    let directory = about(&findings, "look-up it");
    assert!(directory.len() == 1 && directory[0].0 == "wrong", "{directory:?}");
    assert!(directory[0].1.starts_with("http://127.0.0.1:1: "), "{directory:?}");
    assert_eq!(
        about(&findings, "heroku"),
        [("wrong", "no Heroku token: set heroku.token_file, or the variable HEROKU_API_KEY")]
    );
    assert_eq!(code, Some(1));

    // The aborted transaction is nobody's record, and the active worker was not thrown out by it.
    assert_eq!(bench.read(&bench.names.state), Vec::<String>::new());
    assert_eq!(bench.read(&bench.names.outcomes), Vec::<String>::new());
    let state = vec![("case/1".to_owned(), Some(b"1".to_vec()))];
    log.commit(&Batch { label: "accept", state, ..Batch::default() }).unwrap();
    until("the member is still in its group", || {
        log.poll(Duration::from_millis(100)).unwrap();
        log.is_assigned()
    });
}

#[test]
fn check_names_what_is_missing() {
    let Some(bench) = Bench::new("check_names_what_is_missing") else { return };
    let prefix = format!("{}other.", bench.prefix);
    bench.create_topic(&format!("{prefix}state"), 2, &[("cleanup.policy", "compact")]);
    let (code, findings) = check(&bench, &prefix, "nowhere");
    assert_eq!(code, Some(1));
    let topics = about(&findings, "topic ");
    assert_eq!(topics.len(), 6, "{topics:?}");
    assert!(topics.iter().all(|(verdict, _)| *verdict == "wrong"), "{topics:?}");
    assert!(topics.iter().any(|(_, what)| what.contains("has 2 partitions, and must have exactly 1")), "{topics:?}");
    assert_eq!(about(&findings, "rights").len(), 1);
    assert_eq!(about(&findings, "source hr"), [("wrong", "topic nowhere does not exist")]);
    let remedies: Vec<&str> = findings.iter().filter_map(|finding| finding["remedy"].as_str()).collect();
    assert!(remedies.iter().any(|remedy| remedy.contains("check --emit topics")), "{remedies:?}");
}
