//! `man`.

use std::io::Write;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, ManArgs};
use crate::exit::Exit;

/// Prints the manual page, or writes one page for each command.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &ManArgs, mut out: &mut dyn Write) -> anyhow::Result<Exit> {
    let command = Cli::command();
    match &args.folder {
        None => clap_mangen::Man::new(command).render(&mut out)?,
        Some(folder) => clap_mangen::generate_to(command, folder)
            .with_context(|| format!("the pages cannot be written to {}", folder.display()))?,
    }
    Ok(Exit::Done)
}
