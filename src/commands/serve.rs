//! `serve`: the life of the process.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::cli::ServeArgs;
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::service::{self, ServiceError, Topics};
use crate::{shutdown, telemetry};

/// How long the end waits for spans and metrics to leave.
const TELEMETRY_GRACE: Duration = Duration::from_secs(3);

/// Runs `serve` until a signal.
///
/// # Errors
/// When the configuration is wrong, the port is taken, or the service cannot start or go on.
pub fn run(args: &ServeArgs, file: Option<&Path>, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let telemetry =
        telemetry::init(&config.log.settings(), Some(&config.instance.name)).context(Exit::Configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        let address = args.listen.unwrap_or(config.http.listen);
        let listener = TcpListener::bind(address).await.with_context(|| format!("http.listen {address}"))?;
        service::run(&config, Topics::Prepare, Some(listener), telemetry.metrics(), stop).await.map_err(exit)
    });
    runtime.block_on(telemetry.shutdown(TELEMETRY_GRACE));
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended.map(|()| Exit::Done)
}

/// The exit code of what ended the service.
fn exit(error: ServiceError) -> anyhow::Error {
    let code = match &error {
        ServiceError::Secret(_)
        | ServiceError::Token(_)
        | ServiceError::Client(_)
        | ServiceError::Registry(_)
        | ServiceError::Lookup(_)
        | ServiceError::Keys(_) => Exit::Configuration,
        ServiceError::Topics(_) | ServiceError::Join(_) | ServiceError::Intake(_) => Exit::Unreachable,
        ServiceError::Worker(crate::driver::WorkerError::WrongAccount { .. }) => Exit::Configuration,
        ServiceError::Worker(_) | ServiceError::Bug => Exit::Failed,
    };
    anyhow::Error::from(error).context(code)
}
