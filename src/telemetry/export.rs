//! The way out for traces and metrics: OTLP when the environment names an endpoint, and `/metrics` always.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_semantic_conventions::attribute::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};

use super::{Metrics, TelemetryError};

/// Who we are, for every span and metric: what `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say comes first.
pub(super) fn resource(instance: Option<&str>) -> Resource {
    let named = Resource::builder().build();
    let says = |key: &'static str| named.get(&Key::from_static_str(key)).map(|value| value.to_string());
    let mut ours = Vec::new();
    // The SDK fills in `unknown_service…` when nobody named the service.
    if says(SERVICE_NAME).is_none_or(|name| name.starts_with("unknown_service")) {
        ours.push(KeyValue::new(SERVICE_NAME, env!("CARGO_PKG_NAME")));
    }
    if says(SERVICE_VERSION).is_none() {
        ours.push(KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")));
    }
    if let Some(instance) = instance
        && says(SERVICE_INSTANCE_ID).is_none()
    {
        ours.push(KeyValue::new(SERVICE_INSTANCE_ID, instance.to_owned()));
    }
    Resource::builder().with_attributes(ours).build()
}

/// A tracer provider that exports in batches, from a thread of its own.
pub(super) fn tracer(resource: Resource) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .build()
        .map_err(|source| TelemetryError::Exporter { signal: "traces", source })?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The instruments, readable at `/metrics` and, with `otlp`, exported at an interval.
pub(super) fn metrics(resource: Resource, otlp: bool) -> Result<Metrics, TelemetryError> {
    let registry = prometheus::Registry::new();
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(TelemetryError::Registry)?;
    let mut provider = SdkMeterProvider::builder().with_resource(resource).with_reader(scraped);
    if otlp {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_http()
            .build()
            .map_err(|source| TelemetryError::Exporter { signal: "metrics", source })?;
        provider = provider.with_periodic_exporter(exporter);
    }
    Ok(Metrics::new(provider.build(), registry))
}
