//! The Heroku account that a command acts as.

use std::path::Path;

use anyhow::{Context, anyhow};

use crate::config::{Config, Environment};
use crate::engine::budget::{Assumed, Lane};
use crate::exit::Exit;
use crate::heroku::{CallError, Client, Gate, Token};
use crate::model::Email;
use crate::model::world::Account;
use crate::service;
use crate::telemetry::Metrics;

/// The variable of Heroku's own command line that names another API.
const HEROKU_API_URL: &str = "HEROKU_API_URL";

/// Whether a token may be taken from where nobody put it for this service.
#[derive(Clone, Copy)]
pub(super) enum Ambient<'e> {
    /// `HEROKU_API_KEY` serves when the configuration names no token.
    Allowed(&'e Environment),
    /// The configured token or none.
    Refused,
}

/// A client that only reads, and whose eyes it sees with.
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) account: Account,
    /// Where the token comes from, for people.
    pub(super) token_from: &'static str,
}

impl Access {
    /// Asks Heroku whom the token belongs to. The configured token must be that of the configured account.
    pub(super) async fn gain(config: &Config, ambient: Ambient<'_>) -> anyhow::Result<Self> {
        let (token, token_from) = token(config, ambient)?;
        let client = service::client(config, token, Gate::new(Assumed::default()), Metrics::default())
            .context(Exit::Configuration)?;
        let account = client.account(Lane::Urgent).await.map_err(failure)?;
        Ok(Self { client, account, token_from })
    }

    /// What is wrong with the account, if the configuration wants another one.
    pub(super) fn mistaken(&self, config: &Config) -> Option<String> {
        let wanted = config.heroku.account.as_ref().filter(|wanted| **wanted != self.account.email)?;
        Some(format!(
            "the token ({}) belongs to {}; heroku.account is {}",
            self.token_from,
            self.account.email.expose(),
            wanted.expose()
        ))
    }
}

/// The configuration; without any, what `HEROKU_API_KEY` and the addresses asked about allow.
pub(super) fn configuration(
    file: Option<&Path>,
    environment: &Environment,
    addresses: &[Email],
) -> anyhow::Result<(Config, Vec<String>)> {
    if Config::is_given(file, environment) || environment.heroku_api_key().is_none() {
        return Ok((Config::load(file, environment)?, Vec::new()));
    }
    let domains: std::collections::BTreeSet<&str> = addresses.iter().map(Email::domain).collect();
    let domains: Vec<&str> = domains.into_iter().collect();
    // A key that must be set, and that nothing here uses.
    let mut text = "config_version = 1\n[kafka]\nbootstrap_servers = \"unused:9092\"\n".to_owned();
    text.push_str(&format!("[people]\ncompany_domains = {domains:?}\n"));
    if let Some(url) = environment.get(HEROKU_API_URL) {
        text.push_str(&format!("[heroku]\napi_url = {url:?}\n"));
    }
    let config = Config::parse("HEROKU_API_KEY and the addresses", &text, &Environment::default())?;
    let note = format!(
        "No configuration file: every default holds, and the company's domain is taken to be {}.",
        domains.join(", ")
    );
    Ok((config, vec![note]))
}

fn token(config: &Config, ambient: Ambient<'_>) -> anyhow::Result<(Token, &'static str)> {
    if config.heroku.token.as_ref().is_some_and(|token| token.is_configured()) {
        return Ok((service::token(config).context(Exit::Configuration)?, "configured token"));
    }
    let key = match ambient {
        Ambient::Allowed(environment) => environment.heroku_api_key(),
        Ambient::Refused => None,
    };
    match (key, ambient) {
        (Some(key), _) => Ok((Token::fixed(key).context(Exit::Configuration)?, "HEROKU_API_KEY")),
        (None, Ambient::Allowed(_)) => {
            Err(anyhow!("no Heroku token: set heroku.token_file, or the variable HEROKU_API_KEY")
                .context(Exit::Configuration))
        }
        (None, Ambient::Refused) => Err(anyhow!("no Heroku token: set heroku.token_file").context(Exit::Configuration)),
    }
}

/// A call to Heroku that gave no answer, with its exit code.
pub(super) fn failure(error: impl Into<CallError>) -> anyhow::Error {
    let error = error.into();
    let code = match &error {
        CallError::Stopped(_) | CallError::Forbidden => Exit::NoPermission,
        CallError::NotFound
        | CallError::Conflict { .. }
        | CallError::Gone
        | CallError::InvalidParams { .. }
        | CallError::BadRequest { .. }
        | CallError::RateLimited { .. }
        | CallError::Unavailable { .. }
        | CallError::Redirected { .. }
        | CallError::UnexpectedStatus { .. }
        | CallError::Timeout
        | CallError::Unreachable(_)
        | CallError::Cut(_)
        | CallError::NotJson
        | CallError::Malformed { .. }
        | CallError::Truncated
        | CallError::RepeatedRange
        | CallError::TooManyPages { .. }
        | CallError::TooLong { .. } => Exit::Unreachable,
    };
    anyhow::Error::from(error).context(code)
}
