//! Logs, traces and metrics: what an operator sees of a running service. `docs/telemetry.md` is the reader's side of it.
//!
//! * Logs go to stderr, always; stdout belongs to a command's data.
//! * Traces and metrics leave over OTLP (http/protobuf) when the environment names an endpoint, see `telemetry::environment`.
//!   Metrics can be scraped either way, from [`Metrics::render`].
//! * Without an endpoint no span gets an OpenTelemetry context. A trace context that arrived with a record is then
//!   handed on unchanged, so this service is never the hole in somebody's trace.

mod environment;
mod export;
mod logs;
mod metrics;
pub mod trace;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{Metadata, warn};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use environment::Environment;
pub use logs::Logs;
pub use metrics::{Metrics, PREFIX, TransactionEnd};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people: time, level, sentence, fields.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How log lines are written.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`, which wins over it.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `[log] level` is not in the syntax of `RUST_LOG`.
    #[error("`log.level` is not a filter such as `info` or `info,heroku_deprovisioner::kafka=debug`")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    /// An OTLP exporter cannot be built from the variables that name its endpoint.
    #[error("cannot export {signal} over OTLP; check the OTEL_EXPORTER_OTLP_* variables")]
    Exporter {
        /// `traces` or `metrics`.
        signal: &'static str,
        /// What the exporter says.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The registry behind `/metrics` refused the exporter.
    #[error("cannot collect metrics for /metrics")]
    Registry(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// Something in this process logs already.
    #[error("telemetry is set up already in this process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// What keeps telemetry going; hand it back with [`Guard::shutdown`] before the process ends, or the last spans are lost.
#[derive(Debug)]
#[must_use = "spans still queued are lost unless `shutdown` is called"]
pub struct Guard {
    tracer: Option<SdkTracerProvider>,
    metrics: Metrics,
}

/// Sets up logs, traces and metrics for the whole process. `instance` becomes `service.instance.id`.
///
/// # Errors
/// When the log level or an OTLP variable cannot be understood, or when it is called a second time.
pub fn init(settings: &LogSettings, instance: Option<&str>) -> Result<Guard, TelemetryError> {
    let environment = Environment::read();
    let resource = export::resource(instance);
    let metrics = export::metrics(resource.clone(), environment.metrics)?;
    let tracer = match environment.traces {
        true => Some(export::tracer(resource)?),
        false => None,
    };

    let (filter, misread) = log_filter(&settings.level, environment.log_filter.as_deref())?;
    let colour = !environment.no_colour && std::io::stderr().is_terminal();
    Registry::default()
        .with(logs_layer(Logs::new(settings.format, std::io::stderr).with_colour(colour), filter))
        .with(tracer.as_ref().map(traces_layer))
        .try_init()
        .map_err(TelemetryError::Twice)?;
    if let Some(misread) = misread {
        warn!(error = %misread, "RUST_LOG is not a filter; logging as the configuration says");
    }
    Ok(Guard { tracer, metrics })
}

impl Guard {
    /// The instruments; cheap to clone, to be passed to whoever counts.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends what is still queued, for at most `limit`. Whether a collector took the last spans cannot be known:
    /// the SDK answers "done" also when they were lost.
    pub async fn shutdown(self, limit: Duration) {
        let (done, finished) = tokio::sync::oneshot::channel();
        // A thread of its own instead of a blocking task: with a collector that hangs this takes as long as the
        // export timeout, and a runtime waits for its blocking tasks when it is dropped.
        std::thread::spawn(move || {
            if let Some(tracer) = self.tracer {
                report("spans", tracer.shutdown_with_timeout(limit));
            }
            report("metrics", self.metrics.shutdown(limit));
            // Nobody listens any more when the limit has passed.
            done.send(()).ok();
        });
        if tokio::time::timeout(limit, finished).await.is_err() {
            warn!("The OTLP collector did not take the last spans and metrics within {} s", limit.as_secs());
        }
    }
}

/// Logs as a layer. Its filter lets our own spans through whatever the level of the lines is: a warning about a case
/// needs the `case_id` of the span around it.
pub fn logs_layer<S, W>(logs: Logs<W>, filter: EnvFilter) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> tracing_subscriber::fmt::MakeWriter<'writer> + 'static,
{
    logs.with_filter(filter.or(filter_fn(is_own_span).with_max_level_hint(LevelFilter::INFO)))
}

/// Traces as a layer: our own spans and nothing of what the libraries open (the exporter's own requests above all).
pub fn traces_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(filter_fn(is_own_span).with_max_level_hint(LevelFilter::INFO))
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= LevelFilter::INFO
        && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// What libraries say below a warning is seldom about offboarding: librdkafka tells of every connection.
const QUIET_LIBRARIES: &str = "librdkafka=warn,rdkafka=warn,opentelemetry=warn,hyper=warn,reqwest=warn,h2=warn";

/// The filter for log lines, and what was wrong with `RUST_LOG` if it could not be read.
fn log_filter(
    level: &str,
    rust_log: Option<&str>,
) -> Result<(EnvFilter, Option<tracing_subscriber::filter::ParseError>), TelemetryError> {
    // Whoever sets RUST_LOG gets exactly what it says.
    let misread = match rust_log.map(EnvFilter::try_new) {
        Some(Ok(filter)) => return Ok((filter, None)),
        Some(Err(error)) => Some(error),
        None => None,
    };
    // Of two directives for one target the later wins, so a level that names a library overrules its silence.
    let filter = EnvFilter::try_new(format!("{QUIET_LIBRARIES},{level}")).map_err(TelemetryError::Level)?;
    Ok((filter, misread))
}

fn report(what: &str, result: opentelemetry_sdk::error::OTelSdkResult) {
    if let Err(error) = result {
        warn!(%error, "The last {what} may not have reached the OTLP collector");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_wins_and_a_wrong_one_is_reported() {
        let shown = |level: &str, rust_log: Option<&str>| {
            let (filter, misread) = log_filter(level, rust_log).unwrap();
            (filter.to_string(), misread.is_some())
        };
        assert_eq!(shown("info", Some("debug")), ("debug".to_owned(), false));
        let (fallback, misread) = shown("warn", Some("a=b=c"));
        assert!(fallback.contains("librdkafka=warn") && fallback.ends_with("warn") && misread, "{fallback}");
        assert!(matches!(log_filter("a=b=c", None), Err(TelemetryError::Level(_))));
    }

    #[test]
    fn a_level_that_names_a_library_overrules_its_silence() {
        let (filter, _) = log_filter("info,librdkafka=debug", None).unwrap();
        let shown = filter.to_string();
        assert!(shown.contains("librdkafka=debug") && !shown.contains("librdkafka=warn"), "{shown}");
    }
}
