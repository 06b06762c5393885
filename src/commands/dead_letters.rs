//! `dead-letters`: what was refused, why, and reading it again.

mod letter;
mod replay;

use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use serde_json::Value;

use self::letter::Letter;
use super::kafka_access::{OwnTopics, failure};
use super::page::{age, labelled, paragraph, table, time};
use crate::cli::{DeadLettersCommand, LetterPlace, LettersListArgs, LettersShowArgs};
use crate::clock;
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::kafka;

/// Runs `dead-letters`.
///
/// # Errors
/// When the configuration is wrong, Kafka cannot be read, or there is no such letter.
pub fn run(
    command: &DeadLettersCommand,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let topics = OwnTopics::of(&config)?;
    match command {
        DeadLettersCommand::List(args) => list(args, &topics, out),
        DeadLettersCommand::Show(args) => show(args, &topics, out),
        DeadLettersCommand::Replay(args) => replay::run(args, &config, &topics, environment, out),
    }
}

/// The letter at a place.
fn fetch(topics: &OwnTopics, place: LetterPlace) -> anyhow::Result<Letter> {
    let LetterPlace { partition, offset } = place;
    let topic = &topics.names.dead_letters;
    let record = kafka::record_at(&topics.settings, topic, partition, offset).map_err(failure)?;
    let record = record.ok_or_else(|| {
        anyhow!("{topic} holds nothing at {partition}:{offset}; `dead-letters list` shows what it holds")
            .context(Exit::Usage)
    })?;
    Ok(Letter::of(record))
}

fn list(args: &LettersListArgs, topics: &OwnTopics, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut letters = Vec::new();
    // A list needs no values, and together they may be many.
    kafka::find(&topics.settings, &topics.names.dead_letters, |record| {
        let letter = Letter::of(record.clone()).without_value();
        let wanted = args.source.as_ref().is_none_or(|source| letter.says("source") == source);
        if wanted && args.since.is_none_or(|since| letter.refused_at().is_some_and(|at| at >= since)) {
            letters.push(letter);
        }
        false
    })
    .map_err(failure)?;
    letters.sort_by_key(|letter| (letter.refused_at(), letter.place()));
    if args.json {
        let letters: Vec<Value> = letters.iter().map(|letter| letter.json(false)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&letters)?)?;
    } else if letters.is_empty() {
        write!(out, "{}", paragraph("No dead letters."))?;
    } else {
        let now = clock::now();
        let rows = letters.iter().map(|letter| {
            let since = letter.refused_at().map_or_else(String::new, |at| age(at, now));
            [letter.name(), since, letter.says("source").to_owned(), letter.says("reason").to_owned(), letter.origin()]
        });
        write!(out, "{}", table(["LETTER", "AGE", "SOURCE", "REASON", "FROM"], rows))?;
    }
    Ok(Exit::Done)
}

fn show(args: &LettersShowArgs, topics: &OwnTopics, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let letter = fetch(topics, args.letter)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&letter.json(args.value))?)?;
        return Ok(Exit::Done);
    }
    let mut page = labelled("Letter    ", &letter.name());
    page += &labelled("Refused   ", &letter.refused_at().map_or_else(|| "unknown".to_owned(), time));
    page += &labelled("Source    ", letter.says("source"));
    page += &labelled("From      ", &format!("{} on cluster {}", letter.origin(), letter.says("cluster")));
    let element = match letter.says("element") {
        "" => "the whole record",
        element => element,
    };
    page += &labelled("Element   ", element);
    page += &labelled("Reason    ", letter.says("reason"));
    page += &labelled("          ", letter.says("detail"));
    page += &labelled("Kept      ", &format!("{}, of {} bytes", letter.says("payload"), letter.says("value-bytes")));
    write!(out, "{page}")?;
    if args.value {
        match letter.value() {
            Some(value) => write!(out, "\n{}\n", String::from_utf8_lossy(value))?,
            None => write!(out, "\n{}", paragraph("No value was kept; it lies where the record came from."))?,
        }
    }
    Ok(Exit::Done)
}
