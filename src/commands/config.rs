//! `config validate` and `config show`: offline, and no secret is read.

use std::io::Write;
use std::path::Path;

use crate::cli::{ConfigCommand, ConfigShowArgs};
use crate::config::{Config, Environment, show};
use crate::exit::Exit;

/// Runs `config`.
///
/// # Errors
/// When the configuration is wrong, or the output cannot be written.
pub fn run(
    command: &ConfigCommand,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Validate => validate(&Config::load(file, environment)?, out),
        ConfigCommand::Show(ConfigShowArgs { defaults: true, markdown: true, .. }) => {
            write!(out, "{}", show::keys_as_markdown())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Show(ConfigShowArgs { defaults: true, json: true, .. }) => {
            writeln!(out, "{:#}", show::keys_as_json())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Show(ConfigShowArgs { defaults: true, .. }) => {
            write!(out, "{}", show::table_of_keys())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Show(args) => {
            let config = Config::load(file, environment)?;
            if args.json {
                writeln!(out, "{:#}", show::effective_as_json(&config))?;
            } else {
                write!(out, "{}", show::effective(&config))?;
            }
            Ok(Exit::Done)
        }
    }
}

fn validate(config: &Config, out: &mut dyn Write) -> anyhow::Result<Exit> {
    writeln!(out, "The configuration is valid (digest {}).", config.digest())?;
    for remark in show::remarks(config) {
        writeln!(out, "note: {remark}")?;
    }
    Ok(Exit::Done)
}
