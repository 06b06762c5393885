//! `sources`: the formats, what each needs and how far it is confirmed.

use std::io::Write;

use super::page::{labelled, paragraph, table};
use crate::cli::SourcesArgs;
use crate::exit::Exit;
use crate::sources::catalogue::{Description, catalogue};

/// Runs `sources`.
///
/// # Errors
/// When the result cannot be written.
pub fn run(args: &SourcesArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let known: Vec<Description> = catalogue().collect();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&known)?)?;
        return Ok(Exit::Done);
    }
    let rows = known.iter().map(|it| {
        let needs = [it.needs, if it.unconfirmed.is_some() { "a sample" } else { "" }];
        let needs: Vec<&str> = needs.into_iter().filter(|it| !it.is_empty()).collect();
        [it.format.to_owned(), it.reads.to_owned(), needs.join(", ")]
    });
    writeln!(out, "{}", table(["format", "reads", "needs"], rows))?;
    write!(
        out,
        "{}",
        paragraph("Every source needs name, topic, format and tenant; docs/sources has a page for each.")
    )?;
    for (what, means) in [
        (
            "addresses     ",
            "records name people by id: other sources tell the address, `identities import` or a look-up",
        ),
        ("a sample      ", "not all of its shape is confirmed: until `sample` proves it, an approval is waited for"),
        ("tables, keys  ", "`config show --defaults` says how they are written"),
    ] {
        write!(out, "{}", labelled(what, means))?;
    }
    let trust = "Whoever may write to a topic is believed; of signed tokens (`set`), whoever signed them is.";
    write!(out, "{}", paragraph(trust))?;
    Ok(Exit::Done)
}
