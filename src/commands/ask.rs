//! Asking whoever sits at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{anyhow, bail};

use crate::exit::Exit;

/// Refuses early when a question would be needed and nobody is there to answer it.
pub(super) fn possible(yes: bool) -> anyhow::Result<()> {
    if yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(anyhow!("nobody can be asked: standard input is no terminal; add --yes to order without a question")
        .context(Exit::Usage))
}

/// Asks, unless `yes` says that nobody need be asked.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    possible(yes)?;
    anstream::eprint!("\n{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was ordered"),
    }
}
