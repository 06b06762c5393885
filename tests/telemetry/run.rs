//! What a run of the service tells, compared with docs/telemetry.md.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Parser as _;
use heroku_deprovisioner::cli::Cli;
use heroku_deprovisioner::commands;
use heroku_deprovisioner::config::Environment;
use heroku_deprovisioner::telemetry::{LogFormat, LogSettings, init};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::{Exported, exported, is_child, log_lines};

/// The demo, which is the intake, the worker and the client of Heroku as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_the_service_makes_the_spans_of_the_documentation() {
    if is_child() {
        let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let guard = init(&settings, Some("instance-7")).unwrap();
        let cli = Cli::parse_from(["heroku-deprovisioner", "demo", "--seed", "7"]);
        let demo = move || commands::run(cli, &Environment::default(), &mut std::io::sink()).unwrap();
        // It has a runtime of its own.
        std::thread::spawn(demo).join().unwrap();
        return guard.shutdown(Duration::from_secs(20)).await;
    }
    let Exported { stderr, spans, .. } =
        exported("run::a_run_of_the_service_makes_the_spans_of_the_documentation").await;

    let documentation = include_str!("../../docs/telemetry.md");
    let (_, rows) = documentation.split_once("| Span | Kind | When |").unwrap();
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let in_general = |span: &Span| {
        let (verb, object) = span.name.split_once(' ').unwrap();
        match (verb, object.rsplit_once('.')) {
            ("process", _) => "process <source topic>".to_owned(),
            ("send", Some((_, topic))) => format!("send <prefix>{topic}"),
            ("GET" | "DELETE" | "PATCH", _) => format!("{verb} /…"),
            _ => span.name.clone(),
        }
    };
    assert_eq!(
        spans.iter().map(in_general).collect::<BTreeSet<_>>(),
        documented.into_iter().map(str::to_owned).collect()
    );

    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
    let way = |span: &Span| {
        let up = |span: &&Span| by_id.get(span.parent_span_id.as_slice()).copied();
        let way = std::iter::successors(Some(span), |span| up(span).filter(|parent| parent.trace_id == span.trace_id));
        way.map(in_general).collect::<Vec<_>>().join(" < ")
    };
    let event = "case accept < send <prefix>events < process <source topic>";
    let removals = spans.iter().filter(|span| span.name.starts_with("DELETE") || span.name.starts_with("PATCH"));
    let ways: BTreeSet<String> = removals.map(way).collect();
    let expected = ["DELETE", "PATCH"].map(|verb| format!("{verb} /… < case revoke < {event}"));
    assert_eq!(ways, expected.into());
    let told: BTreeSet<String> = spans.iter().filter(|span| span.name.ends_with(".outcomes")).map(way).collect();
    assert_eq!(told, [format!("send <prefix>outcomes < {event}")].into());

    let lines = log_lines(&stderr);
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "Removal answered").collect();
    assert_eq!(answered.len(), spans.iter().filter(|span| span.name == "case revoke").count());
    assert!(answered.iter().all(|line| line["case_id"].is_string()), "{answered:#?}");
}
