//! What the service says about itself over HTTP: alive, ready, status, metrics. It reads a snapshot that the worker
//! publishes, so no request can hold anything up; and it changes nothing, so it needs no authentication.

mod gauges;

use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use crate::status;
pub use crate::status::Status;
use crate::telemetry::Metrics;

/// What `GET /` answers.
const INDEX: &str = "\
heroku-deprovisioner

/livez    the process answers
/readyz   configuration read, groups joined, state restored where it is ours (503 until then); also /healthz
/statusz  what it is doing, as JSON
/metrics  metrics in Prometheus's text format
";

/// Prometheus's text format, as its documentation spells it.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until `stop` is cancelled, then finishes the requests under way. The gauges over `status` exist from the
/// call on, so call it once per [`Metrics`].
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    status: watch::Receiver<Status>,
    metrics: Metrics,
    stop: CancellationToken,
) -> io::Result<()> {
    info!("Answering on http://{}", listener.local_addr()?);
    gauges::observe(&metrics.meter(), &status);
    axum::serve(listener, router(Site { status, metrics })).with_graceful_shutdown(stop.cancelled_owned()).await
}

#[derive(Clone)]
struct Site {
    status: watch::Receiver<Status>,
    metrics: Metrics,
}

fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route("/statusz", get(status_page))
        .route("/metrics", get(metrics_page))
        .with_state(site)
}

async fn ready(State(site): State<Site>) -> Response {
    let missing = site.status.borrow().not_ready_because();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join("; "))).into_response()
}

async fn status_page(State(site): State<Site>) -> Response {
    let status = site.status.borrow().clone();
    // Indented: people read it with curl, and scripts do not mind.
    answer("application/json", serde_json::to_string_pretty(&status))
}

async fn metrics_page(State(site): State<Site>) -> Response {
    answer(PROMETHEUS_TEXT, site.metrics.render())
}

fn answer(content_type: &'static str, body: Result<String, impl std::error::Error + 'static>) -> Response {
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(error) => {
            error!(error = &error as &(dyn std::error::Error + 'static), "A page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be written; the log says why\n").into_response()
        }
    }
}
