//! `completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Generator;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;

/// Prints the completions for one shell.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &CompletionsArgs, mut out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.set_bin_name("heroku-deprovisioner");
    command.build();
    args.shell.try_generate(&command, &mut out)?;
    Ok(Exit::Done)
}
