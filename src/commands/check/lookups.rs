//! The look-ups of `check`: whether each answers and takes its token.

use super::{Finding, chain};
use crate::config::Config;
use crate::lookup::Directory;

pub(super) fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = config.lookups.iter().map(|(name, settings)| {
        let about = format!("look-up {name}");
        let directory = match Directory::new(name, settings, runtime.handle().clone()) {
            Ok(directory) => directory,
            Err(why) => return Finding::wrong(&about, chain(&why), "mend the file, or name the right one"),
        };
        match runtime.block_on(directory.probe()) {
            Ok(()) => Finding::good(&about, format!("{} answers", settings.url)),
            Err(why) => {
                let what = format!("{}: {why}", settings.url);
                Finding::wrong(&about, what, "until it answers, records that name somebody by an id alone wait")
            }
        }
    });
    Ok(found.collect())
}
