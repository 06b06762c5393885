//! `identities import`: tells the service which address belongs to which id, for sources whose records hold ids alone.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use super::kafka_access::{OwnTopics, failure};
use super::{ask, order};
use crate::cli::{IdentitiesCommand, ImportArgs};
use crate::clock;
use crate::config::{Config, Environment, OPERATOR_SOURCE};
use crate::engine::policy::Policy;
use crate::exit::Exit;
use crate::kafka::{self, OutgoingRecord};
use crate::model::event::{Action, Address, AddressKind, PersonEvent, SourceRef, Subject};
use crate::model::ids::computed;
use crate::model::{Email, SubjectKey};
use crate::service;

/// What the first line may say.
const HEADER: &str = "person_key,address";

/// The source's name of the events.
const EVENT_TYPE: &str = "identities.import";

/// Longest file, in bytes; half a million people.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Wrong lines that are shown.
const SHOWN: usize = 10;

/// Runs a command about identities.
///
/// # Errors
/// When a line of the file is wrong, or Kafka does not take what it says.
pub fn run(
    command: &IdentitiesCommand,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    match command {
        IdentitiesCommand::Import(args) => import(args, file, environment, out),
    }
}

fn import(
    args: &ImportArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let text = text(&args.file).context(Exit::BadInput).with_context(|| args.file.display().to_string())?;
    let rows = rows(&text, &service::policy(&config))
        .context(Exit::BadInput)
        .with_context(|| args.file.display().to_string())?;
    let mut records = Vec::with_capacity(rows.len());
    for (key, address) in &rows {
        records.push(OutgoingRecord::from(order::record(&event(key, address, clock::now()))?));
    }
    if args.dry_run {
        writeln!(out, "{} lines are right; nothing was sent", records.len())?;
        return Ok(Exit::Done);
    }
    ask::confirm(&format!("Tell the service {} addresses?", records.len()), args.yes)?;
    let topics = OwnTopics::of(&config)?;
    kafka::send(&topics.settings, &topics.names.requests, &records).map_err(failure)?;
    writeln!(out, "{} addresses told; cases that waited for one go on by themselves", records.len())?;
    Ok(Exit::Done)
}

fn text(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let from: Box<dyn Read> =
        if file == Path::new("-") { Box::new(std::io::stdin().lock()) } else { Box::new(std::fs::File::open(file)?) };
    from.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(anyhow!("has more than {FILE_BYTES_MAX} bytes; split it"));
    }
    Ok(text)
}

/// Every line, or what is wrong with the first few that are wrong: half an import helps nobody.
fn rows(text: &str, company: &Policy) -> anyhow::Result<Vec<(SubjectKey, Email)>> {
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines.filter(|(number, line)| !line.is_empty() && (*number > 1 || *line != HEADER)) {
        match row(line, company) {
            Ok(row) => rows.push(row),
            Err(why) => wrong.push(format!("line {number}: {why}")),
        }
    }
    if wrong.is_empty() && rows.is_empty() {
        wrong.push(format!("no line in it; each is {HEADER}, as in okta:larkspur.okta.com:00u1,a@larkspur.example"));
    }
    if wrong.is_empty() {
        return Ok(rows);
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    wrong.extend((more > 0).then(|| format!("and {more} more lines")));
    Err(anyhow!("nothing was sent\n{}", wrong.join("\n")))
}

fn row(line: &str, company: &Policy) -> Result<(SubjectKey, Email), String> {
    let mut columns = line.split(',').map(str::trim);
    let (Some(key), Some(address), None) = (columns.next(), columns.next(), columns.next()) else {
        return Err(format!("not two columns {HEADER}"));
    };
    if line.contains('"') {
        return Err("quotation marks are not read; leave them out".to_owned());
    }
    let parts: Vec<&str> = key.splitn(3, ':').collect();
    if parts.len() < 3 || parts.iter().any(|part| part.is_empty()) {
        return Err(format!("{key:?} is no system:tenant:id, as `explain` shows it (person_key)"));
    }
    let email = Email::parse(address).map_err(|why| format!("{address:?}: {why}"))?;
    if !company.is_company(&email) {
        return Err(format!("{address:?} is in none of people.company_domains"));
    }
    Ok((SubjectKey(key.to_owned()), email))
}

/// The statement that somebody known by this id has this address. Told twice, it is one event.
fn event(key: &SubjectKey, address: &Email, now: Timestamp) -> PersonEvent {
    let subject = Subject {
        emails: vec![Address { value: address.clone(), kind: AddressKind::Work, primary: None }],
        ..Subject::new(key.clone())
    };
    let event_id = computed(&["identity", &key.0, address.expose()]).to_string();
    let source = SourceRef::new(OPERATOR_SOURCE, OPERATOR_SOURCE, EVENT_TYPE, event_id);
    PersonEvent::new(Action::IdentityUpdate, now, subject, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::policy;

    fn read(text: &str) -> anyhow::Result<Vec<(SubjectKey, Email)>> {
        rows(text, &policy())
    }

    #[test]
    fn each_line_tells_one_address_and_the_service_reads_it_so() {
        let rows = read("person_key,address\n\nhibob:larkspur:333, Kofi@larkspur.example \r\n").unwrap();
        assert_eq!(rows.len(), 1);
        let told = event(&rows[0].0, &rows[0].1, "2026-06-01T12:00:00Z".parse().unwrap());
        assert_eq!(told.subject.person_key.0, "hibob:larkspur:333");
        assert!(told.resolved);
        assert_eq!(order::record(&told).unwrap().key, "kofi@larkspur.example");
        let again = event(&rows[0].0, &rows[0].1, "2026-07-01T12:00:00Z".parse().unwrap());
        assert_eq!(told.source.event_id, again.source.event_id);
    }

    #[test]
    fn one_wrong_line_stops_the_import_and_is_named() {
        for (line, why) in [
            ("hibob:larkspur:333", "not two columns"),
            ("hibob:larkspur:333,a@larkspur.example,x", "not two columns"),
            ("hibob:333,a@larkspur.example", "is no system:tenant:id"),
            ("hibob:larkspur:,a@larkspur.example", "is no system:tenant:id"),
            ("hibob:larkspur:333,a", "\"a\": "),
            ("hibob:larkspur:333,a@mail.example", "in none of people.company_domains"),
            ("\"hibob:larkspur:333\",a@larkspur.example", "quotation marks"),
        ] {
            let error = format!("{:#}", read(&format!("hibob:larkspur:1,b@larkspur.example\n{line}\n")).unwrap_err());
            assert!(error.contains("nothing was sent") && error.contains("line 2: ") && error.contains(why), "{error}");
        }
        assert!(format!("{:#}", read("").unwrap_err()).contains("no line in it"));
        let many = "x\n".repeat(30);
        assert!(format!("{:#}", read(&many).unwrap_err()).ends_with("and 20 more lines"));
    }
}
