//! The requests: a GET for a person, without redirects and without retries, and before it, for Microsoft Graph, the
//! POST that gets a token.

use std::error::Error as _;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;

use super::{Answer, Api, PersonRef, Place};
use crate::config::{Credentials, Lookup, Secret, SecretError};
use crate::web::{self, ClientError};

/// Longest answer.
pub(super) const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Most addresses of one person; the event must still fit into a record.
const ADDRESSES_MAX: usize = 400;

/// No wait that a directory asks for is longer.
const RETRY_AFTER_MAX: u64 = 600;

/// A token is not used for the last part of its life.
const TOKEN_SPARE: Duration = Duration::from_mins(2);

/// Why there is no client.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The address is none.
    #[error("`lookups.{name}.{key}` is no address")]
    Url {
        /// The look-up.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// There can be none.
    #[error("no client can be made for look-up {name}; see `lookups.{name}.ca_file`")]
    Client {
        /// The look-up.
        name: String,
        /// Why.
        #[source]
        source: ClientError,
    },
}

/// No usable answer: nothing is known of the person.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// Without the id, an address or a token.
    pub(super) why: String,
    /// How long it asked to be left alone.
    pub(super) asked: Option<SignedDuration>,
}

pub(super) struct Client {
    http: reqwest::Client,
    api: &'static Api,
    base: Url,
    timeout: Duration,
    login: Login,
}

/// Where a token comes from.
enum Login {
    Held(Secret),
    Fetched(Box<Application>),
}

/// Who gets tokens for itself.
struct Application {
    /// Where.
    page: Url,
    client_id: String,
    client_secret: Secret,
    scope: String,
    /// The last one, and until when it counts.
    token: Mutex<Option<(SecretString, Instant)>>,
}

/// A token, as RFC 6749 tells it.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: u64,
}

impl Client {
    pub(super) fn new(name: &str, settings: &Lookup, api: &'static Api) -> Result<Self, LookupError> {
        let address = |key: &'static str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| !url.cannot_be_a_base());
            url.ok_or_else(|| LookupError::Url { name: name.to_owned(), key })
        };
        let base = address("url", &settings.url)?;
        let login = match settings.credentials().expect("loading refuses a look-up without credentials") {
            Credentials::Token(token) => Login::Held(token),
            Credentials::Application { login_url, tenant, client_id, client_secret } => {
                let page = below(&address("login_url", &login_url)?, &[&tenant, "oauth2", "v2.0", "token"]);
                let scope = format!("{}/.default", settings.url);
                let token = Mutex::default();
                Login::Fetched(Box::new(Application { page, client_id, client_secret, scope, token }))
            }
        };
        let timeout = settings.timeout.unsigned_abs();
        let http = web::client(timeout, settings.ca_file.as_deref())
            .map_err(|source| LookupError::Client { name: name.to_owned(), source })?;
        Ok(Self { http, api, base, timeout, login })
    }

    /// What the directory says about an id.
    pub(super) async fn ask(&self, id: &PersonRef) -> Result<Answer, NoAnswer> {
        for place in self.api.places {
            let Some(body) = self.get(place, Some(id)).await? else { continue };
            let answer = (self.api.read)(&body, &id.0).map_err(no_answer)?;
            return match answer {
                Answer::Person(told) if told.emails.len() > ADDRESSES_MAX => {
                    Err(no_answer(&format!("it tells more than {ADDRESSES_MAX} addresses of one person")))
                }
                answer => Ok(answer),
            };
        }
        Ok(Answer::Nobody)
    }

    /// Whether it answers, and takes the token.
    pub(super) async fn probe(&self) -> Result<(), NoAnswer> {
        let body = self.get(&self.api.probe, None).await?.unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let is_it =
            if self.api.probe_has.is_empty() { value.is_array() } else { value.get(self.api.probe_has).is_some() };
        if is_it { Ok(()) } else { Err(no_answer("it answers, but not as the directory that `kind` names; see `url`")) }
    }

    /// One request. `None` = the directory's own word that it knows nobody.
    async fn get(&self, place: &Place, id: Option<&PersonRef>) -> Result<Option<Vec<u8>>, NoAnswer> {
        let steps: Vec<&str> = place.steps.iter().copied().chain(id.map(|id| id.0.as_str())).collect();
        let mut url = below(&self.base, &steps);
        if !place.query.is_empty() {
            url.query_pairs_mut().extend_pairs(place.query);
        }
        let request =
            self.http.get(url).header(ACCEPT, self.api.accept).header(AUTHORIZATION, self.authorization().await?);
        let (status, asked, body) = self.answer(request).await?;
        if status == StatusCode::OK {
            return Ok(Some(body));
        }
        if status == StatusCode::NOT_FOUND && id.is_some() && (self.api.knows_nobody)(&body) {
            return Ok(None);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.forget_token().await;
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; see its token",
            StatusCode::FORBIDDEN => "; see what its token may read",
            StatusCode::NOT_FOUND => ", and not in its own words; see `url`",
            _ => "",
        };
        Err(NoAnswer { why: format!("it answers {status}{hint}"), asked })
    }

    /// Status, wait that is asked for, and body, whole and not too long.
    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Option<SignedDuration>, Vec<u8>), NoAnswer> {
        let mut response = request.send().await.map_err(|error| self.unreached(error))?;
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let asked = asked.map(|seconds: u64| SignedDuration::from_secs(seconds.min(RETRY_AFTER_MAX).cast_signed()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreached(error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                let why = format!("it answers {status} with more than {ANSWER_BYTES_MAX} bytes");
                return Err(NoAnswer { why, asked });
            }
        }
        Ok((status, asked, body))
    }

    async fn authorization(&self) -> Result<HeaderValue, NoAnswer> {
        let token = match &self.login {
            Login::Held(secret) => secret.read().map_err(|error| unread(&error))?,
            Login::Fetched(application) => self.token_of(application).await?,
        };
        let text = SecretString::from(format!("{} {}", self.api.scheme, token.expose_secret()));
        let mut value = HeaderValue::from_str(text.expose_secret())
            .map_err(|_| no_answer("its token holds a character that no request may hold"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The token that an application has, or else a new one.
    async fn token_of(&self, application: &Application) -> Result<SecretString, NoAnswer> {
        let mut held = application.token.lock().await;
        if let Some((token, until)) = &*held
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let granted = self.log_in(application).await?;
        let life = Duration::from_secs(granted.expires_in).saturating_sub(TOKEN_SPARE);
        let until = Instant::now().checked_add(life).unwrap_or_else(Instant::now);
        *held = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }

    async fn log_in(&self, application: &Application) -> Result<Granted, NoAnswer> {
        let Application { page, client_id, client_secret, scope, .. } = application;
        let client_secret = client_secret.read().map_err(|error| unread(&error))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret.expose_secret()),
            ("scope", scope),
        ];
        let mut body = page.clone();
        body.query_pairs_mut().extend_pairs(form);
        let body = body.query().unwrap_or_default().to_owned();
        let request = self.http.post(page.clone()).header(ACCEPT, "application/json");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let failed = |why: &str| format!("no token from `login_url`: {why}");
        let (status, asked, body) =
            self.answer(request).await.map_err(|no_answer| NoAnswer { why: failed(&no_answer.why), ..no_answer })?;
        if status != StatusCode::OK {
            let hint = if status.is_client_error() { "; see `tenant`, `client_id` and its secret" } else { "" };
            return Err(NoAnswer { why: failed(&format!("it answers {status}{hint}")), asked });
        }
        serde_json::from_slice(&body).map_err(|_| no_answer(&failed("it answers, but not with one")))
    }

    async fn forget_token(&self) {
        if let Login::Fetched(application) = &self.login {
            *application.token.lock().await = None;
        }
    }

    fn unreached(&self, error: reqwest::Error) -> NoAnswer {
        no_answer(&web::no_answer(error, self.timeout))
    }
}

/// An address with more steps of a path, each escaped as one.
fn below(base: &Url, steps: &[&str]) -> Url {
    let mut url = base.clone();
    // `new` has seen that the address has a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(steps);
    }
    url
}

fn unread(error: &SecretError) -> NoAnswer {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    no_answer(&format!("{error}{cause}"))
}

fn no_answer(why: &str) -> NoAnswer {
    NoAnswer { why: why.to_owned(), asked: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_read_says_why() {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = SecretError::Unreadable { key: "lookups.it.token".to_owned(), path: "/run/token".into(), source };
        assert_eq!(unread(&error).why, "/run/token (`lookups.it.token_file`) cannot be read: permission denied");
    }
}
