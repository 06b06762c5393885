//! What leaves the process: spans and metrics over OTLP, log lines, and trace contexts that pass through.
#![cfg(feature = "service")]

#[cfg(feature = "simulator")]
#[path = "telemetry/run.rs"]
mod run;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use heroku_deprovisioner::model::outcome::OutcomeKind;
use heroku_deprovisioner::model::{CaseId, Email};
use heroku_deprovisioner::telemetry::{LogFormat, LogSettings, init, trace};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_semantic_conventions::attribute;
use prost::Message;
use tokio::sync::mpsc;

const SOURCE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CASE: &str = "018f4a4e-0000-5000-8000-000000000001";

fn case() -> CaseId {
    CASE.parse().unwrap()
}

/// Set in the process that the test starts: the test binary itself, running one test. Telemetry is set up once in a
/// process, and reads variables that a test cannot set for itself.
const CHILD: &str = "TELEMETRY_TEST_CHILD";

#[expect(clippy::disallowed_methods, reason = "a test tells its child process from itself")]
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn child(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in
        ["RUST_LOG", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "127.0.0.1").envs(variables.iter().copied());
    command
}

/// One event on its way: what the intake, the worker and the client of Heroku do with the spans. Prints what would
/// stand in the headers of the outcome record.
async fn follow_one_event() {
    let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
    let guard = init(&settings, Some("instance-7")).unwrap();
    let metrics = guard.metrics();
    metrics.records_read("okta", 1);

    let intake = trace::intake_span("okta.system-log", 3, 4711, Some(SOURCE));
    let sent = intake.in_scope(|| {
        let send = trace::send_span("heroku-deprovisioner.events", None);
        trace::traceparent(&send, Some(SOURCE))
    });
    // From here on only the string is known, as after a restart.
    let accept = trace::case_span(case(), "accept", sent.as_deref());
    let kept = accept.in_scope(|| trace::current_traceparent(sent.as_deref()));
    trace::case_span(case(), "revoke", kept.as_deref()).in_scope(|| {
        let request = trace::heroku_span("DELETE", "/teams/{team}/members/{member}", "api.heroku.com", None);
        request
            .in_scope(|| tracing::warn!(who = %Email::parse("priya.raman@larkspur.example").unwrap(), "Asking again"));
        trace::heroku_answered(&request, Some(503), Some("req-1"), None);
    });
    let outcome =
        trace::outcome_span("heroku-deprovisioner.outcomes", OutcomeKind::CaseClosed, case(), kept.as_deref());
    println!("outcome: {}", trace::traceparent(&outcome, kept.as_deref()).unwrap());
    drop((intake, accept, outcome));
    guard.shutdown(Duration::from_secs(20)).await;
}

/// An OTLP collector: its address, and what it receives, by path.
async fn collector() -> (String, mpsc::UnboundedReceiver<(&'static str, Bytes)>) {
    let (received, receiver) = mpsc::unbounded_channel();
    let take = |path: &'static str| {
        post(move |State(received): State<mpsc::UnboundedSender<_>>, body: Bytes| async move {
            received.send((path, body)).ok();
            StatusCode::OK
        })
    };
    let router = axum::Router::new()
        .route("/v1/traces", take("/v1/traces"))
        .route("/v1/metrics", take("/v1/metrics"))
        .with_state(received);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (address, receiver)
}

/// What a run of a test in a process of its own has told.
struct Exported {
    stdout: String,
    stderr: String,
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
    metrics: Vec<String>,
}

async fn exported(test: &str) -> Exported {
    let (address, mut received) = collector().await;
    let mut command = child(test, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");

    let mut exported = Exported { stdout, stderr, spans: Vec::new(), resource: BTreeMap::new(), metrics: Vec::new() };
    while let Ok((path, body)) = received.try_recv() {
        if path == "/v1/traces" {
            for batch in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                exported.resource.extend(texts(&batch.resource.unwrap().attributes));
                exported.spans.extend(batch.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        } else {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            let scopes = request.resource_metrics.into_iter().flat_map(|batch| batch.scope_metrics);
            exported.metrics.extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        }
    }
    exported
}

fn log_lines(stderr: &str) -> Vec<serde_json::Value> {
    stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_is_one_trace_over_otlp_and_its_log_lines_say_so() {
    if is_child() {
        return follow_one_event().await;
    }
    let Exported { stdout, stderr, spans, resource, metrics } =
        exported("one_event_is_one_trace_over_otlp_and_its_log_lines_say_so").await;

    assert_eq!(resource["service.name"], "heroku-deprovisioner");
    assert_eq!(resource["service.instance.id"], "instance-7");
    assert!(metrics.contains(&"heroku_deprovisioner.records".to_owned()), "{metrics:?}");

    // From the source record to the outcome record, each the child of the one before.
    let span = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name:?} in {spans:#?}"))
    };
    let chain = [
        ("process okta.system-log", SpanKind::Consumer, None),
        ("send heroku-deprovisioner.events", SpanKind::Producer, Some("process okta.system-log")),
        ("case accept", SpanKind::Internal, Some("send heroku-deprovisioner.events")),
        ("case revoke", SpanKind::Internal, Some("case accept")),
        ("DELETE /teams/{team}/members/{member}", SpanKind::Client, Some("case revoke")),
        ("send heroku-deprovisioner.outcomes", SpanKind::Producer, Some("case accept")),
    ];
    assert_eq!(spans.len(), chain.len());
    for (name, kind, parent) in chain {
        let it = span(name);
        assert_eq!(hex(&it.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736", "{name}");
        assert_eq!(it.kind(), kind, "{name}");
        let expected = parent.map_or("00f067aa0ba902b7".to_owned(), |parent| hex(&span(parent).span_id));
        assert_eq!(hex(&it.parent_span_id), expected, "parent of {name}");
    }
    let outcome = hex(&span("send heroku-deprovisioner.outcomes").span_id);
    assert!(
        stdout.contains(&format!("outcome: 00-4bf92f3577b34da6a3ce929d0e0e4736-{outcome}-01")),
        "the outcome's header names its producer span: {stdout}"
    );

    conventions(span);

    let lines = log_lines(&stderr);
    let line = lines.iter().find(|line| line["message"] == "Asking again").unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["span_id"], hex(&span("DELETE /teams/{team}/members/{member}").span_id));
    assert_eq!(line["case_id"], CASE);
    assert_eq!(line["who"], "p…@larkspur.example");
    assert!(!stderr.contains("priya"), "{stderr}");
}

/// The attributes are those of OpenTelemetry's conventions, or are ours by intention.
fn conventions<'a>(span: impl Fn(&str) -> &'a Span) {
    let consumer = texts(&span("process okta.system-log").attributes);
    for (name, value) in [
        (attribute::MESSAGING_SYSTEM, "kafka"),
        (attribute::MESSAGING_OPERATION_NAME, "process"),
        (attribute::MESSAGING_OPERATION_TYPE, "process"),
        (attribute::MESSAGING_DESTINATION_NAME, "okta.system-log"),
        (attribute::MESSAGING_DESTINATION_PARTITION_ID, "3"),
        (attribute::MESSAGING_KAFKA_OFFSET, "4711"),
    ] {
        assert_eq!(consumer.get(name).map(String::as_str), Some(value), "{name}");
    }
    let request = span("DELETE /teams/{team}/members/{member}");
    let client = texts(&request.attributes);
    for (name, value) in [
        (attribute::HTTP_REQUEST_METHOD, "DELETE"),
        (attribute::HTTP_RESPONSE_STATUS_CODE, "503"),
        (attribute::URL_TEMPLATE, "/teams/{team}/members/{member}"),
        (attribute::SERVER_ADDRESS, "api.heroku.com"),
        (attribute::ERROR_TYPE, "503"),
    ] {
        assert_eq!(client.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(request.status.as_ref().unwrap().code, 2, "a 503 is an error");
    assert_eq!(texts(&span("case revoke").attributes)["case_id"], CASE);
}

#[tokio::test]
async fn without_an_endpoint_a_trace_context_passes_through_unchanged() {
    if is_child() {
        return follow_one_event().await;
    }
    let output =
        child("without_an_endpoint_a_trace_context_passes_through_unchanged", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")])
            .output()
            .unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains(&format!("outcome: {SOURCE}")), "{stdout}");
    let line = stderr.lines().find(|line| line.contains("Asking again")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((line["case_id"].as_str(), line.get("trace_id")), (Some(CASE), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    if is_child() {
        let guard = init(&LogSettings::default(), None).unwrap();
        guard.metrics().records_read("okta", 1);
        // Shorter than the five seconds for which the SDK waits for metrics, whatever it is told.
        return guard.shutdown(Duration::from_millis(200)).await;
    }
    // Connections wait in the listener's backlog, and nobody takes them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut command =
        child("a_collector_that_never_answers_does_not_hold_up_the_end", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("The OTLP collector did not take the last spans and metrics"), "{stderr}");
}

#[test]
fn what_is_no_trace_context_is_not_handed_on() {
    let span = trace::case_span(case(), "accept", None);
    assert_eq!(trace::traceparent(&span, Some(SOURCE)).as_deref(), Some(SOURCE));
    for text in [
        "",
        "x",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y",
    ] {
        assert_eq!(trace::traceparent(&span, Some(text)), None, "{text:?}");
    }
    assert_eq!(trace::current_traceparent(None), None);
    // Valid, and yet no request could carry it as it stands.
    let later = SOURCE.replacen("00-", "01-", 1);
    for text in [format!(" {SOURCE}\n"), format!("{SOURCE}\u{2028}"), format!("{later}-\r\nx: y")] {
        assert_eq!(trace::traceparent(&span, Some(&text)).as_deref(), Some(SOURCE), "{text:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), text(&it.value))).collect()
}
