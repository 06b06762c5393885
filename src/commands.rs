//! The public modules are the commands. Each takes its arguments and what it needs of the outside, writes its result to
//! `out` and returns the exit code; progress and questions go to standard error. The private ones are what several of
//! them share: the Heroku account, the topics, an order, a question at the terminal, a page of text.

mod access;
mod ask;
pub mod cases;
pub mod check;
pub mod completions;
pub mod config;
pub mod dead_letters;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod explain;
mod give;
pub mod identities;
mod kafka_access;
mod look_up;
pub mod man;
pub mod offboard;
mod order;
mod page;
pub mod pause;
pub mod plan;
mod schema;
pub mod serve;
pub mod sources;
pub mod state;

use std::io::Write;

use crate::cli::{Cli, Command};
use crate::config::Environment;
use crate::exit::Exit;

/// Runs the command that was written.
///
/// # Errors
/// When it could not do its work; [`Exit::of`] gives the exit code.
pub fn run(cli: Cli, environment: &Environment, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Cli { config, command } = cli;
    let file = config.as_deref();
    match command {
        Command::Serve(args) => serve::run(&args, file, environment),
        #[cfg(feature = "simulator")]
        Command::Demo(args) => demo::run(&args, environment, out),
        Command::Plan(args) => plan::run(&args, file, environment, out),
        Command::Offboard(args) => offboard::run(&args, file, environment, out),
        Command::Explain(args) => explain::run(&args, file, environment, out),
        Command::Sources(args) => sources::run(&args, out),
        Command::Cases(command) => cases::run(&command, file, environment, out),
        Command::Pause(args) => pause::pause(&args, file, environment, out),
        Command::Resume(args) => pause::resume(&args, file, environment, out),
        Command::DeadLetters(command) => dead_letters::run(&command, file, environment, out),
        Command::Identities(command) => identities::run(&command, file, environment, out),
        Command::State(command) => state::run(&command, file, environment, out),
        Command::Check(args) => check::run(&args, file, environment, out),
        Command::Config(command) => config::run(&command, file, environment, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, out),
    }
}

/// Whether an error says no more than that nobody reads our output any longer, as with `| head`.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
