//! `check`: looks at everything that the service needs, and says what to do about what is missing.

mod emit;
mod heroku;
mod kafka;
mod keys;
mod lookups;
mod registries;

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::page::{labelled, paragraph};
use crate::cli::{CheckArgs, Emit};
use crate::config::{Config, Environment, show};
use crate::exit::Exit;

/// Runs `check`.
///
/// # Errors
/// When the configuration is wrong or the output cannot be written; what is found is no error of the command.
pub fn run(
    args: &CheckArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    match args.emit {
        Some(Emit::Topics) => write!(out, "{}", emit::topics(&config))?,
        Some(Emit::Acls) => write!(out, "{}", emit::acls(&config))?,
        None => {
            let mut findings = kafka::findings(&config)?;
            findings.extend(registries::findings(&config)?);
            findings.extend(keys::findings(&config)?);
            findings.extend(lookups::findings(&config)?);
            findings.extend(heroku::findings(&config, environment)?);
            findings.extend(show::remarks(&config).into_iter().map(|remark| Finding::doubt("configuration", remark)));
            if args.json {
                writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
            } else {
                write!(out, "{}", page(&findings))?;
            }
            return Ok(if findings.iter().any(|it| it.verdict == Verdict::Wrong) { Exit::Failed } else { Exit::Done });
        }
    }
    Ok(Exit::Done)
}

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    verdict: Verdict,
    /// `kafka`, `heroku`, `source okta` …
    about: String,
    /// What was found, as a sentence or a phrase.
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it must be.
    Good,
    /// It works, and deserves a thought.
    Doubtful,
    /// The service cannot do its work.
    Wrong,
}

impl Finding {
    fn good(about: &str, what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, about: about.to_owned(), what: what.into(), remedy: None }
    }

    fn doubt(about: &str, what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Doubtful, about: about.to_owned(), what: what.into(), remedy: None }
    }

    fn wrong(about: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, about: about.to_owned(), what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// An error with its causes, in one line. librdkafka's errors hold the text of their cause already.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}

fn page(findings: &[Finding]) -> String {
    let mut page = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => "✓ ",
            Verdict::Doubtful => "! ",
            Verdict::Wrong => "✗ ",
        };
        page += &labelled(mark, &format!("{}: {}", finding.about, finding.what));
        if let Some(remedy) = &finding.remedy {
            page += &labelled("  → ", remedy);
        }
    }
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    page.push('\n');
    page += &paragraph(&match (count(Verdict::Wrong), count(Verdict::Doubtful)) {
        (0, 0) => "Everything is as it must be.".to_owned(),
        (0, doubts) => format!("Nothing is wrong; {doubts} to think about."),
        (wrong, doubts) => format!("{wrong} wrong, {doubts} to think about."),
    });
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_repeats_of_its_cause_is_told_once() {
        use rdkafka::error::{KafkaError, RDKafkaErrorCode};
        let text = chain(&KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure));
        assert_eq!(text.matches("BrokerTransportFailure").count(), 1, "{text}");
        assert_eq!(chain(&KafkaError::Global(RDKafkaErrorCode::Resolve)).matches("Resolve").count(), 1);
    }

    #[test]
    fn a_page_marks_each_finding_and_counts_what_is_wrong() {
        let findings = [
            Finding::good("kafka", "3 brokers answer"),
            Finding::doubt("topic a.state", "1 replica"),
            Finding::wrong("heroku", "the token is not accepted", "put a valid one into its file"),
        ];
        assert_eq!(
            page(&findings),
            "✓ kafka: 3 brokers answer\n! topic a.state: 1 replica\n✗ heroku: the token is not accepted\n  → put a valid one into its file\n\n1 wrong, 1 to think about.\n"
        );
        assert!(page(&findings[..1]).ends_with("Everything is as it must be.\n"));
    }
}
