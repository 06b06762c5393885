//! Log lines, as text for people or as one JSON object a line. A line carries the fields of all spans around it, so
//! whatever is said within a case's span says which case (`case_id`), and the ids of the trace if there is one.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;

/// Writes log lines to a writer.
#[derive(Debug)]
pub struct Logs<W> {
    format: LogFormat,
    colour: bool,
    writer: W,
}

impl<W> Logs<W> {
    /// Log lines without colour.
    pub fn new(format: LogFormat, writer: W) -> Self {
        Self { format, colour: false, writer }
    }

    /// The same, with colour in text lines when `colour` is set.
    #[must_use]
    pub fn with_colour(self, colour: bool) -> Self {
        Self { colour, ..self }
    }
}

impl<S, W> Layer<S> for Logs<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer.0.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        // What concerns only the exported span.
        fields.0.retain(|(name, _)| !name.starts_with("otel."));
        event.record(&mut fields);

        let message = fields.take("message").map(plain).unwrap_or_default();
        // Lines of libraries that write to the `log` crate (rdkafka does) name their target in a field.
        let target = fields.take("log.target").map_or(Cow::Borrowed(event.metadata().target()), |it| plain(it).into());
        fields.0.retain(|(name, _)| !name.starts_with("log."));

        let trace = opentelemetry::Context::map_current(|current| current.span().span_context().clone());
        let line = Line {
            time: format!("{:.3}", crate::clock::now()),
            level: *event.metadata().level(),
            target: &target,
            message: &message,
            fields: &fields,
            trace: trace.is_valid().then_some(&trace),
        };
        let text = match self.format {
            LogFormat::Text => line.text(self.colour),
            LogFormat::Json => line.json(),
        };
        // A log that cannot be written has nowhere to complain.
        self.writer.make_writer_for(event.metadata()).write_all(text.as_bytes()).ok();
    }
}

struct Line<'a> {
    time: String,
    level: Level,
    target: &'a str,
    message: &'a str,
    fields: &'a Fields,
    trace: Option<&'a SpanContext>,
}

impl Line<'_> {
    /// Time, level, target, message, then the fields in their order, then the ids of the trace.
    fn json(&self) -> String {
        let head = [
            ("timestamp", json!(self.time)),
            ("level", json!(self.level.as_str())),
            ("target", json!(self.target)),
            ("message", json!(self.message)),
        ];
        let trace = self
            .trace
            .map(|it| [("trace_id", json!(it.trace_id().to_string())), ("span_id", json!(it.span_id().to_string()))]);
        // A field of a reserved name would make two of one key, and a reader may take either.
        let reserved = |name: &str| {
            head.iter().any(|(key, _)| *key == name) || (trace.is_some() && matches!(name, "trace_id" | "span_id"))
        };
        let fields = self.fields.0.iter().filter(|(name, _)| !reserved(name));

        let mut line = String::from("{");
        for (name, value) in head.iter().chain(fields).chain(trace.iter().flatten()) {
            if line.len() > 1 {
                line.push(',');
            }
            push(&mut line, format_args!("{}:{value}", Value::from(*name)));
        }
        line.push_str("}\n");
        line
    }

    /// `2026-11-23T09:00:00.000Z  INFO A sentence case_id=…`
    fn text(&self, colour: bool) -> String {
        let (dim, level) = match colour {
            true => (Style::new().dimmed(), colour_of(self.level)),
            false => (Style::new(), Style::new()),
        };
        let mut line = format!("{dim}{}{dim:#} {level}{:>5}{level:#} ", self.time, self.level.as_str());
        push_escaped(&mut line, self.message);
        for (name, value) in &self.fields.0 {
            push(&mut line, format_args!(" {dim}{name}={dim:#}"));
            match value {
                Value::String(text) if text.is_empty() || text.contains([' ', '"', '=']) => {
                    push(&mut line, format_args!("{text:?}"));
                }
                Value::String(text) => push_escaped(&mut line, text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    push(&mut line, format_args!("{value}"));
                }
            }
        }
        if let Some(trace) = self.trace {
            push(&mut line, format_args!(" {dim}trace_id={dim:#}{}", trace.trace_id()));
        }
        line.push('\n');
        line
    }
}

fn colour_of(level: Level) -> Style {
    let colour = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    colour.on_default()
}

/// Fields in the order in which they were first named; the inner value of a name hides the outer one.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(place).1)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    /// With all its causes: the text of an error of ours does not repeat them.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            push(&mut text, format_args!(": {error}"));
            cause = error.source();
        }
        self.set(field.name(), text.into());
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Control characters are written as escapes: a record must not be able to forge a line or to steer a terminal.
fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

fn push(line: &mut String, text: fmt::Arguments<'_>) {
    line.write_fmt(text).expect("a String takes what is written to it");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{EnvFilter, Registry};

    use super::*;
    use crate::model::{CaseId, Email};
    use crate::telemetry::{logs_layer, trace};

    /// What `work` logs, as one string.
    fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let logs = Logs::new(format, Written(Arc::clone(&written)));
        let subscriber = Registry::default().with(logs_layer(logs, EnvFilter::new(filter)));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    #[derive(Clone)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn case() -> CaseId {
        "018f4a4e-0000-5000-8000-000000000001".parse().unwrap()
    }

    #[test]
    fn a_line_inside_a_case_carries_its_id_even_when_spans_are_below_the_level() {
        let line = logged(LogFormat::Json, "warn", || {
            trace::case_span(case(), "revoke", None).in_scope(|| {
                tracing::info!("not wanted");
                tracing::warn!(attempt = 2, "Heroku is busy");
            });
        });
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["case_id"], case().to_string());
        assert_eq!(
            (&line["message"], &line["attempt"], &line["level"]),
            (&json!("Heroku is busy"), &json!(2), &json!("WARN"))
        );
        assert_eq!(line["otel.name"], Value::Null);
    }

    #[test]
    fn a_field_cannot_take_a_reserved_name_and_the_inner_value_wins() {
        let line = logged(LogFormat::Json, "info", || {
            tracing::info_span!("outer", place = "outer", level = "SPOOF").in_scope(|| {
                tracing::info!(place = "inner", "Said");
            });
        });
        assert_eq!(line.matches("\"level\"").count(), 1, "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["place"], &line["level"]), (&json!("inner"), &json!("INFO")));
    }

    #[test]
    fn text_cannot_be_split_or_coloured_by_what_a_record_says() {
        let line = logged(LogFormat::Text, "info", || {
            tracing::info!(reason = "a b\n\u{1b}[31m", plain = "x\ry", "Refused\nERROR forged");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!line.contains(['\u{1b}', '\r']), "{line}");
        assert!(line.contains(r#"INFO Refused\nERROR forged reason="a b\n\u{1b}[31m" plain=x\ry"#), "{line}");
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read topic `x`")]
        struct Outer(#[source] fmt::Error);
        let error = Outer(fmt::Error);
        let line = logged(LogFormat::Text, "info", || {
            tracing::info!(error = &error as &(dyn std::error::Error + 'static), "Failed");
        });
        let cause = fmt::Error.to_string();
        assert!(line.contains(&format!("cannot read topic `x`: {cause}")), "{line}");
    }

    #[test]
    fn an_address_is_never_written_whole() {
        let email = Email::parse("priya.raman@larkspur.example").unwrap();
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, "info", || {
                tracing::info_span!("case", who = %email).in_scope(|| {
                    tracing::info!(%email, again = ?email, "Looking for {email}");
                });
            });
            assert!(line.contains("p…@larkspur.example") && !line.contains("priya"), "{line}");
        }
    }
}
