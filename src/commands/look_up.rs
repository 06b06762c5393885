//! Whom one record names by an id alone, asked of its source's look-up.

use anyhow::{Context, anyhow};

use crate::config::Config;
use crate::exit::Exit;
use crate::lookup::{Directory, End, complete};
use crate::sources::Reading;

/// Adds the addresses that the look-up of a source tells, and says of each reading what came of it, if it was asked.
pub(super) fn complete_by(
    readings: &mut [Reading],
    config: &Config,
    source: &str,
) -> anyhow::Result<Vec<Option<String>>> {
    let mut said = vec![None; readings.len()];
    let source = config.sources.iter().find(|known| known.name == source);
    let name = source.and_then(|source| source.lookup.as_ref());
    let Some((name, settings)) = name.and_then(|name| config.lookups.get_key_value(name)) else { return Ok(said) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = Directory::new(name, settings, runtime.handle().clone()).context(Exit::Configuration)?;
    let ends = match complete(readings, &directory, None) {
        Ok(ends) => ends,
        Err(questions) => {
            let answers = runtime.block_on(directory.ask(questions.into_keys()));
            let answers = answers.map_err(|why| anyhow!("look-up {name}: {why}").context(Exit::Unreachable))?;
            complete(readings, &directory, Some(&answers)).expect("every question has its answer")
        }
    };
    for (place, end) in ends {
        said[place] = Some(match end {
            End::Found => format!("look-up {name} told the address"),
            End::NoAddress => format!("look-up {name} knows no address of them"),
            End::Nobody => format!("look-up {name} knows nobody of that id"),
            End::NotAsked => format!("look-up {name} was not asked: the record holds no id of its form"),
        });
    }
    Ok(said)
}
