//! What every command that is given through the commands topic takes.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::SignedDuration;

use crate::config::parse_duration;

/// Who gives it, and why.
#[derive(Debug, Args)]
pub struct GivenArgs {
    /// Why, such as the number of a ticket
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Who gives it; nothing proves it [default: your name at this machine]
    #[arg(long = "as", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub claimed_by: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whether to wait for the service.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait until the service has taken it
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration, requires = "wait")]
    pub wait_at_most: SignedDuration,
}

/// `pause`: start no removal until `resume`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner pause --reason 'INC-204: HR sent the wrong file'

From the moment at which this can be read no instance starts a removal; those
on the wire, 8 at most, finish. Reading goes on, nothing is lost. An instance
that cannot read the commands topic stops by itself within 5 s.")]
pub struct PauseArgs {
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
}

/// `resume`: start removals again
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner resume --reason 'INC-204: file corrected'")]
pub struct ResumeArgs {
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
}
