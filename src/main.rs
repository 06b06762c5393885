//! The command line: parse, run, turn an error into an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use heroku_deprovisioner::cli::Cli;
use heroku_deprovisioner::commands;
use heroku_deprovisioner::config::Environment;
use heroku_deprovisioner::exit::Exit;

fn main() -> ExitCode {
    let mut out = anstream::stdout();
    let ran = commands::run(Cli::parse(), &Environment::of_process(), &mut out);
    match ran.and_then(|exit| Ok(out.flush().map(|()| exit)?)) {
        Ok(exit) => exit.into(),
        Err(error) if commands::is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            Exit::of(&error).into()
        }
    }
}
