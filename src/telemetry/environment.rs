//! What the environment says about telemetry. The OpenTelemetry SDK reads its own variables; only whether to
//! export at all, the log filter and the colour are decided here.

/// The environment's answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Environment {
    /// `RUST_LOG`, when it is set and not empty.
    pub(super) log_filter: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub(super) no_colour: bool,
    /// Spans are exported.
    pub(super) traces: bool,
    /// Metrics are exported, besides being served at `/metrics`.
    pub(super) metrics: bool,
}

impl Environment {
    /// Reads the process's environment.
    pub(super) fn read() -> Self {
        #[expect(clippy::disallowed_methods, reason = "RUST_LOG, NO_COLOR and OTEL_* are no settings of ours")]
        Self::from(|name| std::env::var(name).ok())
    }

    /// Reads variables by name. An empty one counts as not set, as OpenTelemetry's specification asks.
    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exports = |signal: &str| {
            !disabled
                && set(&format!("OTEL_{signal}_EXPORTER")).is_none_or(|exporter| exporter != "none")
                && (set("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
                    || set(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some())
        };
        Self {
            log_filter: set("RUST_LOG"),
            no_colour: set("NO_COLOR").is_some(),
            traces: exports("TRACES"),
            metrics: exports("METRICS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::from(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn exports_only_when_an_endpoint_is_named() {
        let exports = |variables: &[(&str, &str)]| {
            let environment = read(variables);
            (environment.traces, environment.metrics)
        };
        assert_eq!(exports(&[]), (false, false));
        assert_eq!(exports(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), (false, false));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(exports(&[endpoint]), (true, true));
        assert_eq!(exports(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/v1/traces")]), (true, false));
        assert_eq!(exports(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:4318/v1/metrics")]), (false, true));
        assert_eq!(exports(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), (false, true));
        assert_eq!(exports(&[endpoint, ("OTEL_METRICS_EXPORTER", "otlp")]), (true, true));
        assert_eq!(exports(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), (false, false));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert_eq!(read(&[("RUST_LOG", ""), ("NO_COLOR", "")]), Environment::default());
        assert!(read(&[("NO_COLOR", "1")]).no_colour);
    }
}
