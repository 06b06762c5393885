//! The schema that one record names, asked of its source's registry.

use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::config::Config;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::sources::SchemaId;
use crate::sources::schema::Schema;

/// Asks for a schema; `None` when the source of that name has no registry.
pub(super) fn ask(config: &Config, source: &str, id: SchemaId) -> anyhow::Result<Option<Arc<Schema>>> {
    let source = config.sources.iter().find(|known| known.name == source);
    let name = source.and_then(|source| source.schema_registry.as_ref());
    let Some((name, settings)) = name.and_then(|name| config.schema_registries.get_key_value(name)) else {
        return Ok(None);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registry = Registry::new(name, settings, runtime.handle().clone()).context(Exit::Configuration)?;
    match runtime.block_on(registry.ask(id)) {
        Ok(schema) => Ok(Some(schema.unwrap_or_else(|| Arc::new(Schema::unknown(id))))),
        Err(why) => Err(anyhow!("schema registry {name}: {why}").context(Exit::Unreachable)),
    }
}
