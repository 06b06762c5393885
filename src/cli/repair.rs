//! What a person repairs: refused records, and state that does not fit.

use std::str::FromStr;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::given::{GivenArgs, WaitArgs};

/// `dead-letters`: look at refused records, and read them again
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List the refused records
    List(LettersListArgs),
    /// Show why a record was refused, and where in it
    Show(LettersShowArgs),
    /// Read a refused record again, as it is configured now
    Replay(LettersReplayArgs),
}

/// Where a dead letter lies: `PARTITION:OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterPlace {
    /// Partition of the dead-letters topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

impl FromStr for LetterPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = text.split_once(':').and_then(|(partition, offset)| {
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (partition >= 0 && offset >= 0).then_some(Self { partition, offset })
        });
        place.ok_or_else(|| "a letter is named PARTITION:OFFSET, as `dead-letters list` shows it".to_owned())
    }
}

/// `dead-letters list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner dead-letters list
  heroku-deprovisioner dead-letters list --source okta --json")]
pub struct LettersListArgs {
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only those refused since then
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `dead-letters show`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner dead-letters show 0:17

The value is printed with --value only: it may hold personal data.")]
pub struct LettersShowArgs {
    /// The letter, as `dead-letters list` names it
    #[arg(value_name = "LETTER")]
    pub letter: LetterPlace,
    /// Print the value that was kept, too
    #[arg(long)]
    pub value: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `dead-letters replay`
#[derive(Debug, Args)]
#[command(override_usage = "heroku-deprovisioner dead-letters replay --reason <TEXT> <LETTER>")]
#[command(after_help = "\
Example:
  heroku-deprovisioner dead-letters replay 0:17 --reason 'tenant corrected'

Reads the record as its source is configured here and now, and writes what it
says to the events topic, as the service would have. Where only a reference
was kept, the record is read from its own topic. Exits 65 when it is refused
again.")]
pub struct LettersReplayArgs {
    /// The letter, as `dead-letters list` names it
    #[arg(value_name = "LETTER")]
    pub letter: LetterPlace,
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
}

/// `state`: decide about state that does not fit
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Let the service go on although something of its state is lost
    Accept(StateAcceptArgs),
}

/// `state accept`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner state accept --reason 'INC-207: no backup'

Prints the refusal and asks. Accepted, the service begins where the events
topic still begins: what was lost before that stays lost, and what it still
holds is looked at again. A hanging transaction cannot be accepted.")]
pub struct StateAcceptArgs {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
    /// Whether to wait for the service.
    #[command(flatten)]
    pub wait: WaitArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_by_partition_and_offset() {
        assert_eq!("0:17".parse(), Ok(LetterPlace { partition: 0, offset: 17 }));
        for wrong in ["17", "0:", ":1", "-1:1", "0:-1", "0:1:2", "a:b"] {
            assert!(wrong.parse::<LetterPlace>().is_err(), "{wrong}");
        }
    }
}
