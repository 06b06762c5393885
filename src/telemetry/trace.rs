//! One event followed from the source record to the outcome record. Each function opens the span of one step;
//! between processes, and across a restart, the trace context travels as a W3C `traceparent` string: in the headers of
//! the source record, in the normalised event, in the case, in the headers of the outcome record.
//!
//! A `traceparent` comes from whoever may write a source topic. It is read strictly: what is not a valid one is
//! dropped and never handed on.

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Span, debug, info_span};
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

use crate::model::CaseId;
use crate::model::outcome::OutcomeKind;

/// The header that carries a trace context, on records and on requests.
pub const TRACEPARENT: &str = "traceparent";

/// Reading one source record: the consumer's end. Open it only for a record that says something or is refused;
/// a span for every record that concerns nobody would bury the others.
pub fn intake_span(topic: &str, partition: i32, offset: i64, parent: Option<&str>) -> Span {
    let span = info_span!(
        "process",
        otel.name = %format_args!("process {topic}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = topic,
        messaging.destination.partition.id = %partition,
        messaging.kafka.offset = offset,
    );
    adopt(&span, parent);
    span
}

/// Handing a record for `topic` to the producer. What goes along with it is [`traceparent`] of this span.
pub fn send_span(topic: &str, parent: Option<&str>) -> Span {
    let span = info_span!(
        "send",
        otel.name = %format_args!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = topic,
    );
    adopt(&span, parent);
    span
}

/// Publishing one outcome of one case. What goes into its `traceparent` header is [`traceparent`] of this span.
pub fn outcome_span(topic: &str, kind: OutcomeKind, case: CaseId, parent: Option<&str>) -> Span {
    let span = info_span!(
        "send",
        otel.name = %format_args!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = topic,
        outcome.kind = kind.as_str(),
        case_id = %case,
    );
    adopt(&span, parent);
    span
}

/// One step of the worker for one case: `accept` or `revoke`. Every log line inside carries its `case_id`. `parent` is the context kept in the case, so that a restart does not cut the trace.
pub fn case_span(case: CaseId, step: &'static str, parent: Option<&str>) -> Span {
    let span = info_span!(
        "case",
        otel.name = %format_args!("case {step}"),
        otel.kind = "internal",
        case_id = %case,
        case.step = step,
    );
    adopt(&span, parent);
    span
}

/// One request to Heroku; `url_template` is its path with names for the ids, such as `/teams/{team}/members/{member}`.
/// End it with [`heroku_answered`]. Without `parent` it belongs to the span it is opened in.
pub fn heroku_span(method: &'static str, url_template: &'static str, server: &str, parent: Option<&str>) -> Span {
    let span = info_span!(
        "heroku",
        otel.name = %format_args!("{method} {url_template}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        url.template = url_template,
        server.address = server,
        error.type = Empty,
        heroku.request_id = Empty,
    );
    adopt(&span, parent);
    span
}

/// Writes Heroku's answer into its span. `error` says why no whole answer came (`timeout`, `connection` …). A 404 counts
/// as no error: it is how Heroku says that an access is gone already.
pub fn heroku_answered(span: &Span, status: Option<u16>, request_id: Option<&str>, error: Option<&str>) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if let Some(id) = request_id {
        span.record("heroku.request_id", id);
    }
    let failed = status.filter(|status| *status >= 400 && *status != 404).map(|status| status.to_string());
    if let Some(why) = error.or(failed.as_deref()) {
        span.record("error.type", why);
        span.record("otel.status_code", "ERROR");
    }
}

/// The trace context to hand on from within `span`: its own; or, when spans are not exported, the `parent`'s, so that the
/// trace is passed through. `None` when there is neither. It is written anew: the parser passes over white space and
/// whatever a later version may add, and not all of that may stand in a header of a request.
pub fn traceparent(span: &Span, parent: Option<&str>) -> Option<String> {
    let own = span.context().span().span_context().clone();
    if own.is_valid() { Some(render(&own)) } else { parent.and_then(parse).map(|remote| render(&remote)) }
}

/// [`traceparent`] of the span that is entered now.
pub fn current_traceparent(parent: Option<&str>) -> Option<String> {
    traceparent(&Span::current(), parent)
}

/// A remote context from a `traceparent` header; `None` when it is not a valid one.
pub fn parse(text: &str) -> Option<SpanContext> {
    struct Header<'a>(&'a str);
    impl Extractor for Header<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == TRACEPARENT).then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec![TRACEPARENT]
        }
    }
    let context = TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &Header(text));
    let remote = context.span().span_context().clone();
    remote.is_valid().then_some(remote)
}

fn render(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Makes the remote context the span's parent. It must run before the span is first entered.
fn adopt(span: &Span, parent: Option<&str>) {
    let Some(remote) = parent.and_then(parse) else { return };
    match span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote)) {
        Ok(()) => {}
        // Spans are not exported; `traceparent` passes the parent through.
        Err(SetParentError::LayerNotFound | SetParentError::SpanDisabled) => {}
        Err(SetParentError::AlreadyStarted) => debug!("A span was started before its parent was known"),
    }
}
