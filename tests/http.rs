//! The endpoints, asked over a real socket.
#![cfg(feature = "service")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use heroku_deprovisioner::clock;
use heroku_deprovisioner::http::status::{KafkaStatus, Role, SourceStatus};
use heroku_deprovisioner::http::{self, Status};
use heroku_deprovisioner::model::Surface;
use heroku_deprovisioner::model::outcome::{CaseResult, HoldReason, Mode, OutcomeKind};
use heroku_deprovisioner::model::world::Reply;
use heroku_deprovisioner::telemetry::{Metrics, TransactionEnd};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Site {
    address: String,
    status: watch::Sender<Status>,
    metrics: Metrics,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (status, receiver) =
            watch::channel(Status::starting("instance-7", "bot@larkspur.example", Mode::Observe, clock::now()));
        let metrics = Metrics::default();
        let stop = CancellationToken::new();
        let served = tokio::spawn(http::serve(listener, receiver, metrics.clone(), stop.clone()));
        Self { address, status, metrics, stop, served }
    }

    /// Status code, content type and body of `GET path`.
    async fn get(&self, path: &str) -> (u16, String, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.address)).send().await.unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn it_is_alive_before_it_is_ready() {
    let site = Site::start().await;
    assert_eq!(site.get("/livez").await.0, 200);
    let (status, _, body) = site.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("consumer group"), "{body}");

    site.status.send_modify(|status| {
        status.kafka = KafkaStatus { intake_joined: true, position: None };
        status.role = Role::Standby;
    });
    for path in ["/readyz", "/healthz"] {
        assert_eq!(site.get(path).await.0, 200, "{path}");
    }

    site.status.send_modify(|status| status.role = Role::Active);
    assert_eq!(site.get("/readyz").await.2, "not ready: the state is being restored\n");
    site.status.send_modify(|status| {
        status.restored = true;
        status.heroku.stopped = Some("401: the token is refused".to_owned());
    });
    assert_eq!(site.get("/readyz").await.0, 200, "an outage at Heroku blocks no rollout");
}

#[tokio::test]
async fn the_index_names_every_endpoint_and_nothing_else_is_there() {
    let site = Site::start().await;
    let (_, _, index) = site.get("/").await;
    for path in ["/livez", "/readyz", "/healthz", "/statusz", "/metrics"] {
        assert!(index.contains(path), "{path}");
        assert_ne!(site.get(path).await.0, 404, "{path}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(format!("{}/other", site.address)).send().await.unwrap().status(), 404);
    assert_eq!(client.post(format!("{}/statusz", site.address)).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn statusz_is_the_snapshot_as_json() {
    let site = Site::start().await;
    site.status.send_modify(|status| status.cases.held.extend([(HoldReason::LastHumanAdmin, 2)]));
    let (status, content_type, body) = site.get("/statusz").await;
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    assert_eq!(serde_json::from_str::<Status>(&body).unwrap(), *site.status.borrow());
    assert!(body.contains("\"last_human_admin\": 2"), "{body}");
}

#[tokio::test]
async fn it_ends_when_told() {
    let site = Site::start().await;
    site.get("/livez").await;
    site.stop.cancel();
    site.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn metrics_show_the_snapshot_and_what_was_counted() {
    let site = Site::start().await;
    count_everything(&site);
    let (status, content_type, page) = site.get("/metrics").await;
    assert_eq!((status, content_type.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        r#"heroku_deprovisioner_cases_held{reason="last_human_admin"} 2"#,
        r#"heroku_deprovisioner_cases_held{reason="limit_reached"} 0"#,
        r#"heroku_deprovisioner_worker_role{role="active"} 1"#,
        r#"heroku_deprovisioner_worker_role{role="standby"} 0"#,
        r#"heroku_deprovisioner_removals_total{reply="done",surface="team_membership"} 1"#,
        r#"heroku_deprovisioner_elements_total{decision="ignore",source="okta"} 1"#,
        r#"heroku_deprovisioner_source_silent{source="okta"} 1"#,
        "heroku_deprovisioner_heroku_budget_remaining 4499",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains(r#"heroku_deprovisioner_source_silent{source="hr"}"#), "others read it");
    let oldest = page.lines().find_map(|line| line.strip_prefix("heroku_deprovisioner_case_oldest_age_seconds "));
    assert!(oldest.unwrap().parse::<f64>().unwrap() >= 7200.0, "computed at the scrape: {oldest:?}");
}

#[tokio::test]
async fn the_documentation_lists_exactly_the_metrics_that_exist() {
    let site = Site::start().await;
    count_everything(&site);
    let page = site.get("/metrics").await.2;
    let exported: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ').map(|(name, _)| name)).collect();

    let documentation = include_str!("../docs/telemetry.md");
    let documented: BTreeSet<&str> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
        .filter(|name| name.contains('_') && !name.contains(|it: char| it.is_uppercase()))
        .collect();
    assert_eq!(exported, documented);

    // An instrument that `count_everything` forgets would be missing on both sides.
    for source in [include_str!("../src/telemetry/metrics.rs"), include_str!("../src/http/gauges.rs")] {
        for name in source.split('"').filter(|text| text.starts_with("heroku_deprovisioner.")) {
            let name = name.replace('.', "_");
            assert!(
                ["", "_total", "_seconds"].iter().any(|suffix| exported.contains(format!("{name}{suffix}").as_str())),
                "{name} was not exported"
            );
        }
    }

    // The rules use metrics that exist.
    for word in documentation.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_')) {
        if word.starts_with("heroku_deprovisioner_") {
            let name = word.trim_end_matches("_bucket");
            assert!(exported.contains(name), "the documentation uses {word}, which does not exist");
        }
    }
}

/// Makes every instrument show itself.
fn count_everything(site: &Site) {
    let metrics = &site.metrics;
    metrics.records_read("okta", 1);
    metrics.elements_decided("okta", "ignore", 1);
    metrics.dead_letters("okta", 1);
    metrics.looked_up("okta", "found");
    metrics.removal_answered(Surface::TeamMembership, &Reply::Done);
    metrics.heroku_request("GET", "/teams", "api.heroku.com", Ok(200), Duration::from_millis(120));
    metrics.transaction("accept", TransactionEnd::Committed, Duration::from_millis(4));
    metrics.records_sent("heroku-deprovisioner.outcomes", 1);
    metrics.outcome(OutcomeKind::CaseClosed);
    metrics.case_closed(CaseResult::Removed, Duration::from_secs(12));
    metrics.restored(Duration::from_millis(80));
    site.status.send_modify(|status| {
        status.role = Role::Active;
        status.cases.open = 3;
        status.cases.held.insert(HoldReason::LastHumanAdmin, 2);
        status.cases.oldest_open_since = Some(clock::now() - Duration::from_secs(7200));
        status.heroku.budget_remaining = Some(4499);
        let okta = SourceStatus {
            name: "okta".to_owned(),
            topic: "okta.system-log".to_owned(),
            last_record_at: None,
            held_since: Some(clock::now()),
            silent_since: Some(clock::now()),
            waiting_since: None,
            waiting_because: None,
            records: 1,
            elements: BTreeMap::from([("ignore".to_owned(), 1)]),
        };
        let of_others = SourceStatus { name: "hr".to_owned(), held_since: None, silent_since: None, ..okta.clone() };
        status.sources = vec![okta, of_others];
    });
}
