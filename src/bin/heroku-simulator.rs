//! A faithful Heroku for trying and testing, as a program of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use heroku_deprovisioner::simulator::generator::{self, Size};
use heroku_deprovisioner::simulator::rate_limit::RateLimit;
use heroku_deprovisioner::simulator::{Options, Simulator, World, server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A faithful Heroku Platform API v3 for trying and testing: teams, apps, people and who may reach what.
///
/// Point a client at the printed address instead of `https://api.heroku.com`. Without --world it invents a company from
/// the seed; the account of the token is an admin of each team.
#[derive(Debug, Parser)]
#[command(name = "heroku-simulator", version, after_long_help = after_help())]
struct Arguments {
    /// Address to listen on; port 0 takes a free one. The control endpoints need no token: keep it off public networks.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Teams of the invented company.
    #[arg(long, value_name = "N", default_value_t = 6)]
    teams: u32,
    /// Apps in each team.
    #[arg(long, value_name = "N", default_value_t = 7)]
    apps_per_team: u32,
    /// Employees; a few outside people come on top.
    #[arg(long, value_name = "N", default_value_t = 60)]
    people: u32,
    /// Equal seeds give equal companies.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Time from a request to its answer. Requests do not wait for each other.
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// A token of the account offboarding-bot@larkspur.example, with the scope `global`.
    #[arg(long, value_name = "T", default_value = "HRKU-simulator")]
    token: String,
    /// A world as JSON, instead of an invented one; --token and the sizes then mean nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["teams", "apps_per_team", "people", "seed", "token"])]
    world: Option<PathBuf>,
    /// Request tokens of each account when nothing was asked yet.
    #[arg(long, value_name = "N", default_value_t = RateLimit::default().capacity)]
    rate_limit: u32,
    /// Request tokens that come back in a minute.
    #[arg(long, value_name = "N", default_value_t = RateLimit::default().refill_per_minute)]
    refill_per_minute: u32,
}

fn after_help() -> String {
    let mut text = "Control endpoints, for tests and people (no token, not recorded, free):\n".to_owned();
    for line in server::ENDPOINTS.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text.push_str(
        "\nEvery switch and fault, with an example of each: docs/simulator.md\n\n\
        Try it:\n  heroku-simulator --listen 127.0.0.1:5000 &\n  \
        curl -H 'Authorization: Bearer HRKU-simulator' -H 'Accept: application/vnd.heroku+json; version=3' \\\n       \
        http://127.0.0.1:5000/teams\n",
    );
    text
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heroku-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> Result<()> {
    let world = world(arguments)?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", arguments.listen))?;
    let options = Options {
        latency: Duration::from_millis(arguments.latency_ms),
        rate_limit: RateLimit { capacity: arguments.rate_limit, refill_per_minute: arguments.refill_per_minute },
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let simulator = Simulator::start(world, options, listener)?;
    println!("listening on {}", simulator.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

fn world(arguments: &Arguments) -> Result<World> {
    let Some(path) = &arguments.world else {
        let size = Size { teams: arguments.teams, apps_per_team: arguments.apps_per_team, people: arguments.people };
        return Ok(generator::generate(arguments.seed, size, &arguments.token));
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the world file {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a world", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_its_help_names_every_control_endpoint() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for path in ["world", "happen", "requests", "faults", "switches", "rate-limit", "release", "health"] {
            assert!(help.contains(&format!("/_simulator/{path}")), "{path}");
        }
    }
}
