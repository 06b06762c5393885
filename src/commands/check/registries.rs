//! The schema registries of `check`: whether each answers and takes the credentials.

use super::{Finding, chain};
use crate::config::Config;
use crate::registry::Registry;

pub(super) fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = config.schema_registries.iter().map(|(name, settings)| {
        let about = format!("schema registry {name}");
        let registry = match Registry::new(name, settings, runtime.handle().clone()) {
            Ok(registry) => registry,
            Err(why) => return Finding::wrong(&about, chain(&why), "mend the file, or name the right one"),
        };
        match runtime.block_on(registry.probe()) {
            Ok(()) => Finding::good(&about, format!("{} answers", settings.url)),
            Err(why) => {
                let what = format!("{}: {why}", settings.url);
                Finding::wrong(&about, what, "until it answers, the sources whose values it describes wait")
            }
        }
    });
    Ok(found.collect())
}
