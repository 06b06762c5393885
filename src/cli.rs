//! The command line as data: what can be written, and what its help says.

mod decide;
mod given;
mod identities;
mod repair;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use jiff::{SignedDuration, Timestamp};

pub use self::decide::{ApproveArgs, CancelArgs, EnforceArgs, RetryArgs};
pub use self::given::{GivenArgs, PauseArgs, ResumeArgs, WaitArgs};
pub use self::identities::{IdentitiesCommand, ImportArgs};
pub use self::repair::{
    DeadLettersCommand, LetterPlace, LettersListArgs, LettersReplayArgs, LettersShowArgs, StateAcceptArgs, StateCommand,
};
use crate::config::parse_duration;
use crate::exit::EXIT_CODES_HELP;
use crate::sources::Format;

/// Removes people who left from Heroku teams and apps, proves it, and writes the audit record
#[derive(Debug, Parser)]
#[command(name = "heroku-deprovisioner", version, max_term_width = 80, after_help = EXIT_CODES_HELP)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Configuration file [default: ./heroku-deprovisioner.toml, then
    /// /etc/heroku-deprovisioner/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "HEROKU_DEPROVISIONER_CONFIG", value_hint = ValueHint::FilePath)]
    #[arg(hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do. A command stands here once it exists: its variant, and its arm in [`crate::commands::run`].
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(ServeArgs),
    /// Do the main job in one process, with a simulated Heroku
    #[cfg(feature = "simulator")]
    Demo(DemoArgs),
    /// Show what would be removed; reads only
    Plan(PlanArgs),
    /// Order the removal of one person
    Offboard(OffboardArgs),
    /// Show how a record would be read; no Kafka, no Heroku
    Explain(ExplainArgs),
    /// List the formats that are read, and what each needs
    Sources(SourcesArgs),
    /// List and show cases, and decide about them
    #[command(subcommand)]
    Cases(CasesCommand),
    /// Start no removal until `resume`
    Pause(PauseArgs),
    /// Start removals again
    Resume(ResumeArgs),
    /// Look at refused records, and read them again
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Tell which address belongs to which id
    #[command(subcommand)]
    Identities(IdentitiesCommand),
    /// Decide about state that does not fit
    #[command(subcommand)]
    State(StateCommand),
    /// Test brokers, topics, rights, token and teams; changes nothing
    Check(CheckArgs),
    /// Check or show the configuration, offline
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for each command
    Man(ManArgs),
}

/// `serve`: run the service
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner serve --config /etc/heroku-deprovisioner/config.toml

SIGTERM starts no new removal, finishes what is in flight and exits 0 within
`shutdown.grace`.")]
pub struct ServeArgs {
    /// Serve health, status and metrics here instead of at `http.listen`
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// `demo`: the whole way in one process, with a simulated Heroku
#[cfg(feature = "simulator")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner demo
  heroku-deprovisioner demo --seed 7 --json | jq .type

Nothing outside this process is touched: Heroku is simulated, and without
--kafka so is the broker, which has no crash safety.")]
pub struct DemoArgs {
    /// Print the outcome records instead, one a line
    #[arg(long)]
    pub json: bool,
    /// Repeat the world of an earlier run [default: a new one, printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Play on a real Apache Kafka, started for it, and kill the service in between
    #[arg(long)]
    pub kafka: bool,
}

/// `plan`: show what would be removed; reads only
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner plan priya.raman@larkspur.example
  heroku-deprovisioner plan --json --detailed-exitcode a@larkspur.example

Without a token in the configuration HEROKU_API_KEY is used, and the account
that it belongs to is named. Then no configuration file is needed either;
without one HEROKU_API_URL is honoured, as by Heroku's own command line.")]
pub struct PlanArgs {
    /// Addresses of the people
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Exit with 3 when somebody has access, with 4 when that cannot be said;
    /// 0 = everything was read and nobody has
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `offboard`: order the removal of one person
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner offboard a@larkspur.example --reason 'HR-1182'
  heroku-deprovisioner offboard a@larkspur.example --reason 'HR-1182' \\
      --urgent --yes --wait

Shows the plan and asks, then writes the order to the requests topic. The
service carries it out, under the same guards as every other event. With --wait
the exit code tells how the case ended: 0 nothing is left, 3 access remains,
4 held, 75 still running.")]
pub struct OffboardArgs {
    /// Address of the person
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Why, such as the number of a ticket; at most 64 characters
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Go before everybody else, with the urgent deadline
    #[arg(long)]
    pub urgent: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Follow the case to its end
    #[arg(long)]
    pub wait: bool,
    /// How long to follow it
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration, requires = "wait")]
    pub wait_at_most: SignedDuration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sources`: list the formats that are read, and what each needs
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner sources --json | jq -r '.[].format'

`explain FILE` tells which of them reads a record that you have.")]
pub struct SourcesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `check`: test brokers, topics, rights, token and teams; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner check
  heroku-deprovisioner check --emit topics

Exits 1 when something was found. Without a token in the configuration
HEROKU_API_KEY is used, and the account that it belongs to is named.")]
pub struct CheckArgs {
    /// Print what an administrator must run, and check nothing
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "json")]
    pub emit: Option<Emit>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `check --emit` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// Commands that create the topics
    Topics,
    /// Commands that grant the rights
    Acls,
}

/// `explain`: show how a record would be read; no Kafka, no Heroku
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner explain --format okta event.json
  kcat -C -e -t okta.system-log -c 1 | heroku-deprovisioner explain --source okta -

With --record the input is one JSON object with `key_utf8`, `headers` and one
of `value_json`, `value_utf8`, `value_base64`, `value_null`; without it the
input is the record's value alone. A configuration is needed with --source
only; a value framed for the schema registry of that source is decoded by it, a
text is read as decoded; whom it names by an id alone its look-up is asked for.
`decided by`, `address at` and `day at` are the places in the record that it
was read so for; `matched by` are the addresses that count with the source's
configuration, and `would be` is what the service makes of it where it is not
carried out as it is: held, refused or ignored. Exits 65 when the record cannot
be read, and 69 when registry or look-up gives no answer.")]
pub struct ExplainArgs {
    /// Read it as this source of the configuration would
    #[arg(long, value_name = "NAME", conflicts_with = "format")]
    pub source: Option<String>,
    /// Read it in this format [default: recognised]
    #[arg(long, value_name = "NAME", value_parser = format)]
    pub format: Option<Format>,
    /// Accept this CloudEvents type besides our own; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// The input is a whole record with key and headers [default: for names
    /// that end in .record.json]
    #[arg(long)]
    pub record: bool,
    /// Decide as if it were this time, such as 2026-06-01T00:00:00Z [default:
    /// the time now]
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The record; - reads standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// `cases`: list and show cases, and decide about them
#[derive(Debug, Subcommand)]
pub enum CasesCommand {
    /// List the cases
    List(CasesListArgs),
    /// Show one case
    Show(CasesShowArgs),
    /// Let held cases go on with the plan that you have seen
    Approve(ApproveArgs),
    /// Carry out what was only planned
    Enforce(EnforceArgs),
    /// End open cases as cancelled
    Cancel(CancelArgs),
    /// Look at open cases now
    Retry(RetryArgs),
}

/// `cases list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner cases list --state held
  heroku-deprovisioner cases list --person a@larkspur.example --json")]
pub struct CasesListArgs {
    /// Only those of the person with this address
    #[arg(long, value_name = "ADDRESS")]
    pub person: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum, value_name = "STATE")]
    pub state: Option<CaseState>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// In which state a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaseState {
    /// Under way
    Open,
    /// Waiting for a human or for the world to change
    Held,
    /// Ended
    Closed,
}

/// `cases show`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner cases show 0b6f6a3e

A closed case is shown with its case.closed record, while the outcomes topic
holds it.")]
pub struct CasesShowArgs {
    /// The case's id, or as much of its beginning as no other has
    #[arg(value_name = "CASE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub case: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration; exits 78 when it is wrong
    #[command(after_help = "\
Examples:
  heroku-deprovisioner config validate --config config.toml
  HEROKU_DEPROVISIONER__MODE=enforce heroku-deprovisioner config validate

Neither Kafka nor Heroku is asked, and no secret is read.")]
    Validate,
    /// Show the effective configuration, each value with where it comes from
    #[command(after_help = "\
Examples:
  heroku-deprovisioner config show
  heroku-deprovisioner config show --defaults

Secrets are never shown. The output is a valid configuration file.")]
    Show(ConfigShowArgs),
}

/// `config show`
#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// List every key with its type, default and variable instead
    #[arg(long)]
    pub defaults: bool,
    /// With --defaults: print the tables of docs/configuration.md
    #[arg(long, requires = "defaults", conflicts_with = "json")]
    pub markdown: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner completions bash \\
      > /etc/bash_completion.d/heroku-deprovisioner")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner man | man -l -
  heroku-deprovisioner man --folder /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write one page for each command into this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
}

fn format(name: &str) -> Result<Format, String> {
    Format::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Format::names().collect();
        format!("the formats are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
        let args: [fn(clap::Command) -> clap::Command; 6] = [
            ServeArgs::augment_args,
            PlanArgs::augment_args,
            OffboardArgs::augment_args,
            CheckArgs::augment_args,
            ExplainArgs::augment_args,
            CasesCommand::augment_subcommands,
        ];
        for augment in args {
            augment(clap::Command::new("x")).debug_assert();
        }
        #[cfg(feature = "simulator")]
        DemoArgs::augment_args(clap::Command::new("x")).debug_assert();
    }

    #[test]
    fn help_fits_into_80_columns_and_gives_examples() {
        fn each(command: &mut clap::Command) {
            let help = command.clone().render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            if command.get_subcommands().next().is_none() {
                assert!(help.contains("Example"), "{} has no example", command.get_name());
            }
            command.get_subcommands_mut().for_each(each);
        }
        let mut cli = Cli::command();
        cli.build();
        each(&mut cli);
    }
}
