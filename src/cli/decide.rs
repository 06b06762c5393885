//! What a person decides about cases.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use super::given::{GivenArgs, WaitArgs};
use crate::model::PlanId;

/// `cases approve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner cases approve 0b6f6a3e --reason 'HR-1182'
  heroku-deprovisioner cases approve --held --reason 'HR-1182: all of sales'
  heroku-deprovisioner cases approve --held --source hr --reason 'HR-1182'
  heroku-deprovisioner cases approve 0b6f6a3e --plan 5c1f… --reason 'HR-1182'

Shows the plan with its id and asks. --plan names the plan that you have seen:
then nobody is asked, and another plan is refused. A plan that changes before
the service takes the approval is held again.")]
pub struct ApproveArgs {
    /// The cases, by their ids or the beginnings of them
    #[arg(value_name = "CASE", required_unless_present = "held", value_parser = NonEmptyStringValueParser::new())]
    pub cases: Vec<String>,
    /// All that are held for something that an approval releases
    #[arg(long, conflicts_with = "cases")]
    pub held: bool,
    /// Of those, only the ones that go back to this source
    #[arg(long, value_name = "NAME", requires = "held")]
    pub source: Option<String>,
    /// The plan that was seen
    #[arg(long, value_name = "PLAN", conflicts_with = "held")]
    pub plan: Option<PlanId>,
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

/// `cases enforce`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner cases enforce 0b6f6a3e --reason 'HR-1182'
  heroku-deprovisioner cases enforce --since 2026-05-01T00:00:00Z \\
      --reason 'rehearsal over'

Opens a new, enforcing case for each planned one, also for what one left in a
team that observed. Everything is read afresh and counts against every cap. A
plan waits 400 days.")]
pub struct EnforceArgs {
    /// The planned cases, by their ids or the beginnings of them
    #[arg(value_name = "CASE", required_unless_present = "since", value_parser = NonEmptyStringValueParser::new())]
    pub cases: Vec<String>,
    /// All that were planned since then
    #[arg(long, value_name = "TIME", conflicts_with = "cases")]
    pub since: Option<Timestamp>,
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

/// `cases cancel`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heroku-deprovisioner cases cancel 0b6f6a3e --reason 'HR-1182: she stays'
  heroku-deprovisioner cases cancel --held --source okta \
      --reason 'INC-204: the feed was wrong'

What is gone is not given back.")]
pub struct CancelArgs {
    /// The open cases, by their ids or the beginnings of them
    #[arg(value_name = "CASE", required_unless_present = "held", value_parser = NonEmptyStringValueParser::new())]
    pub cases: Vec<String>,
    /// All that are held, for whatever reason; asks
    #[arg(long, conflicts_with = "cases")]
    pub held: bool,
    /// Of those, only the ones that go back to this source
    #[arg(long, value_name = "NAME", requires = "held")]
    pub source: Option<String>,
    /// Do not ask
    #[arg(long, short, requires = "held")]
    pub yes: bool,
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
    /// Whether to wait for the service.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `cases retry`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner cases retry 0b6f6a3e --reason 'second account closed'

Looks at the cases now instead of later. The accounts that they are bound to
stay.")]
pub struct RetryArgs {
    /// The open cases, by their ids or the beginnings of them
    #[arg(value_name = "CASE", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub cases: Vec<String>,
    /// Who gives it, and why.
    #[command(flatten)]
    pub given: GivenArgs,
    /// Whether to wait for the service.
    #[command(flatten)]
    pub wait: WaitArgs,
}
