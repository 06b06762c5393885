//! What is counted and measured, through the OpenTelemetry metrics API. `docs/telemetry.md` lists every metric; a test
//! compares. What is a figure of the moment (cases, roles, budget) is read from the status snapshot: see `http/gauges.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, MESSAGING_DESTINATION_NAME, MESSAGING_OPERATION_NAME,
    MESSAGING_SYSTEM, SERVER_ADDRESS, URL_TEMPLATE,
};
use opentelemetry_semantic_conventions::metric::{HTTP_CLIENT_REQUEST_DURATION, MESSAGING_CLIENT_SENT_MESSAGES};
use prometheus::TextEncoder;

use crate::model::Surface;
use crate::model::outcome::{CaseResult, OutcomeKind};
use crate::model::world::Reply;

/// Begins the name of every metric that is not one of OpenTelemetry's conventions.
pub const PREFIX: &str = "heroku_deprovisioner";

/// The instruments. Cheap to clone; every clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

struct Instruments {
    provider: SdkMeterProvider,
    registry: prometheus::Registry,
    records: Counter<u64>,
    elements: Counter<u64>,
    lookups: Counter<u64>,
    dead_letters: Counter<u64>,
    removals: Counter<u64>,
    outcomes: Counter<u64>,
    closed: Counter<u64>,
    sent: Counter<u64>,
    case_duration: Histogram<f64>,
    transaction_duration: Histogram<f64>,
    request_duration: Histogram<f64>,
    restore_duration: Gauge<f64>,
}

/// How a Kafka transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// The broker confirmed it.
    Committed,
    /// Nothing of it will ever be seen.
    Aborted,
    /// Whether it was committed is not known; the log is read again.
    Lost,
}

impl TransactionEnd {
    fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Lost => "lost",
        }
    }
}

/// The boundaries that OpenTelemetry advises for HTTP durations, in seconds, continued to Heroku's 30 s.
const REQUEST_SECONDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0];
/// From a broker in the same rack to one that lets a transaction time out.
const TRANSACTION_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// From a case that needs two calls to one that waits for people, past both default deadlines (1 h and 24 h).
const CASE_SECONDS: [f64; 12] =
    [1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0];

impl Metrics {
    pub(super) fn new(provider: SdkMeterProvider, registry: prometheus::Registry) -> Self {
        let meter = provider.meter(PREFIX);
        let counter = |name: &'static str, unit: &'static str, says: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(says).build()
        };
        let seconds = |name: &'static str, boundaries: &[f64], says: &'static str| {
            meter.f64_histogram(name).with_unit("s").with_boundaries(boundaries.to_vec()).with_description(says).build()
        };
        Self(Arc::new(Instruments {
            records: counter("heroku_deprovisioner.records", "{record}", "Source records read"),
            elements: counter("heroku_deprovisioner.elements", "{element}", "Elements of source records, by decision"),
            lookups: counter(
                "heroku_deprovisioner.lookups",
                "{person}",
                "People whom a record names by an id alone, by what came of the look-up",
            ),
            dead_letters: counter(
                "heroku_deprovisioner.dead_letters",
                "{record}",
                "Elements and commands refused to the dead-letters topic",
            ),
            removals: counter("heroku_deprovisioner.removals", "{request}", "Removals sent to Heroku, by answer"),
            outcomes: counter("heroku_deprovisioner.outcomes", "{record}", "Outcome records committed, by kind"),
            closed: counter("heroku_deprovisioner.cases.closed", "{case}", "Cases that ended, by result"),
            sent: counter(MESSAGING_CLIENT_SENT_MESSAGES, "{message}", "Records produced and acknowledged"),
            case_duration: seconds(
                "heroku_deprovisioner.case.duration",
                &CASE_SECONDS,
                "From reading the event to the committed end of its case",
            ),
            transaction_duration: seconds(
                "heroku_deprovisioner.transaction.duration",
                &TRANSACTION_SECONDS,
                "Kafka transactions, from begin to the broker's answer",
            ),
            request_duration: seconds(
                HTTP_CLIENT_REQUEST_DURATION,
                &REQUEST_SECONDS,
                "Requests to Heroku, from sending to the end of the body",
            ),
            restore_duration: meter
                .f64_gauge("heroku_deprovisioner.restore.duration")
                .with_unit("s")
                .with_description("How long the last reading of the state topic took")
                .build(),
            provider,
            registry,
        }))
    }

    /// Counts records read from a source.
    pub fn records_read(&self, source: &str, count: u64) {
        self.0.records.add(count, &[text("source", source)]);
    }

    /// Counts elements of records. `decision` is one of those that `explain` prints.
    pub fn elements_decided(&self, source: &str, decision: &'static str, count: u64) {
        self.0.elements.add(count, &[text("source", source), fixed("decision", decision)]);
    }

    /// Counts people whom a record names by an id alone, by what came of the look-up.
    pub fn looked_up(&self, source: &str, end: &'static str) {
        self.0.lookups.add(1, &[text("source", source), fixed("end", end)]);
    }

    /// Counts refusals that went to the dead-letters topic.
    pub fn dead_letters(&self, source: &str, count: u64) {
        self.0.dead_letters.add(count, &[text("source", source)]);
    }

    /// Counts Heroku's answer to one removal.
    pub fn removal_answered(&self, surface: Surface, reply: &Reply) {
        self.0.removals.add(1, &[fixed("surface", surface.as_str()), fixed("reply", reply_class(reply))]);
    }

    /// Measures one request to Heroku. `error` says why no whole answer came.
    pub fn heroku_request(
        &self,
        method: &'static str,
        url_template: &'static str,
        server: &str,
        result: Result<u16, &'static str>,
        took: Duration,
    ) {
        let mut labels =
            vec![fixed(HTTP_REQUEST_METHOD, method), fixed(URL_TEMPLATE, url_template), text(SERVER_ADDRESS, server)];
        match result {
            Ok(status) => {
                labels.push(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
                if status >= 400 {
                    labels.push(KeyValue::new(ERROR_TYPE, status.to_string()));
                }
            }
            Err(why) => labels.push(fixed(ERROR_TYPE, why)),
        }
        self.0.request_duration.record(took.as_secs_f64(), &labels);
    }

    /// Measures one Kafka transaction; `label` says what for, such as `accept`, `intent` or `result`.
    pub fn transaction(&self, label: &'static str, end: TransactionEnd, took: Duration) {
        self.0
            .transaction_duration
            .record(took.as_secs_f64(), &[fixed("transaction", label), fixed("end", end.as_str())]);
    }

    /// Counts records that a broker acknowledged on `topic`.
    pub fn records_sent(&self, topic: &str, count: u64) {
        let labels = [
            fixed(MESSAGING_SYSTEM, "kafka"),
            fixed(MESSAGING_OPERATION_NAME, "send"),
            text(MESSAGING_DESTINATION_NAME, topic),
        ];
        self.0.sent.add(count, &labels);
    }

    /// Counts one committed outcome record.
    pub fn outcome(&self, kind: OutcomeKind) {
        self.0.outcomes.add(1, &[fixed("kind", kind.as_str())]);
    }

    /// Counts one case that ended, `since_received` after its event was read.
    pub fn case_closed(&self, result: CaseResult, since_received: Duration) {
        let labels = [fixed("result", result.as_str())];
        self.0.closed.add(1, &labels);
        self.0.case_duration.record(since_received.as_secs_f64(), &labels);
    }

    /// Notes how long reading the state topic took.
    pub fn restored(&self, took: Duration) {
        self.0.restore_duration.record(took.as_secs_f64(), &[]);
    }

    /// For instruments that are defined elsewhere: the gauges over the status snapshot.
    pub fn meter(&self) -> Meter {
        self.0.provider.meter(PREFIX)
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// When a metric cannot be written in that format.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    pub(super) fn shutdown(&self, limit: Duration) -> OTelSdkResult {
        self.0.provider.shutdown_with_timeout(limit)
    }
}

impl Default for Metrics {
    /// Metrics that nothing exports: for tests, and for commands that only need something to count into.
    fn default() -> Self {
        super::export::metrics(super::export::resource(None), false).expect("a new registry takes its first collector")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Heroku's answers by what follows from them; the same words as in the audit records.
fn reply_class(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done => "done",
        Reply::NotFound => "not_found",
        Reply::RateLimited => "rate_limited",
        Reply::Unavailable => "unavailable",
        Reply::NoAnswer => "no_answer",
        Reply::Forbidden => "forbidden",
        Reply::Refused => "refused",
        Reply::AccountStopped => "account_stopped",
        Reply::NotSent => "not_sent",
    }
}

fn text(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

fn fixed(key: &'static str, value: &'static str) -> KeyValue {
    KeyValue::new(key, value)
}
