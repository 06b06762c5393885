//! One request, from the gate to a whole answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::error::{AccountStopped, CallError, error_id};
use super::gate::{Flight, Gate};
use super::path::Path;
use super::token::{Reading, Token};
use super::wire;
use crate::engine::budget::Lane;
use crate::model::AccountId;
use crate::model::world::Account;
use crate::telemetry::Metrics;
use crate::telemetry::trace::{TRACEPARENT, current_traceparent, heroku_answered, heroku_span};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A read is tried this often while Heroku answers 429. The gate decides how long to wait in between.
const REFUSALS_MAX: u32 = 4;

/// The longest error body, or answer to a removal, that is looked at.
const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;

/// The longest `Request-Id` that is kept: Heroku joins several ids.
const REQUEST_ID_BYTES_MAX: usize = 512;

/// The media type of version 3 of the API.
pub(super) const ACCEPT_V3: &str = "application/vnd.heroku+json; version=3";

/// The same, for the list of invitations: official clients ask for this variant.
pub(super) const ACCEPT_INVITATIONS: &str = "application/vnd.heroku+json; version=3.team-invitations";

/// How to reach Heroku.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API, such as `https://api.heroku.com`.
    pub base_url: String,
    /// The token.
    pub token: Token,
    /// `User-Agent`.
    pub user_agent: String,
    /// For one request, from the connection to the last byte of the answer.
    pub request_timeout: Duration,
    /// Reads on the wire at once.
    pub parallel_reads: usize,
    /// Where each request is measured.
    pub metrics: Option<Metrics>,
}

impl Settings {
    /// The settings of production.
    pub fn new(base_url: impl Into<String>, token: Token) -> Self {
        Self {
            base_url: base_url.into(),
            token,
            user_agent: concat!("heroku-deprovisioner/", env!("CARGO_PKG_VERSION")).to_owned(),
            request_timeout: Duration::from_secs(30),
            parallel_reads: 16,
            metrics: None,
        }
    }
}

/// Why no client can be made.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// No HTTP address.
    #[error("heroku.api_url is no http or https address")]
    BaseUrl,
    /// TLS cannot be set up.
    #[error("no HTTP client; is a bundle of CA certificates installed (package ca-certificates)?")]
    Http(#[source] reqwest::Error),
}

/// One Heroku account, as its token sees the world. Clones share connections, gate and token.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    token: Token,
    gate: Gate,
    reads: Semaphore,
    request_timeout: Duration,
    metrics: Option<Metrics>,
    /// Who we are, as told to the token with this fingerprint.
    known: Mutex<Option<(String, Account)>>,
    /// When `/account` last contradicted a reply that spoke of the account as a whole.
    cleared: tokio::sync::Mutex<Option<Instant>>,
    /// Whether somebody waits to ask what is left in the pool.
    looking: AtomicBool,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a Path,
    pub(super) accept: &'static str,
    pub(super) range: Option<HeaderValue>,
    pub(super) body: Option<&'static str>,
    pub(super) bytes_max: usize,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// A client behind `gate`.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(settings: Settings, gate: Gate) -> Result<Self, SettingsError> {
        let base = Url::parse(&settings.base_url).map_err(|_| SettingsError::BaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(SettingsError::BaseUrl);
        }
        let http = reqwest::Client::builder()
            .user_agent(settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(SettingsError::Http)?;
        Ok(Self(Arc::new(Inner {
            http,
            base,
            token: settings.token,
            gate,
            reads: Semaphore::new(settings.parallel_reads.max(1)),
            request_timeout: settings.request_timeout,
            metrics: settings.metrics,
            known: Mutex::new(None),
            cleared: tokio::sync::Mutex::new(None),
            looking: AtomicBool::new(false),
        })))
    }

    /// The gate before this account.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// First 12 hex digits of the SHA-256 of the token in use.
    pub fn token_fingerprint(&self) -> String {
        self.0.token.current().fingerprint().to_owned()
    }

    /// Who the token acts as.
    ///
    /// # Errors
    /// When Heroku gives no usable answer, or one by which the account is suspended or owes money.
    pub async fn account(&self, lane: Lane) -> Result<Account, CallError> {
        let (reading, account) = self.ask_account(lane).await?;
        if let Some(stop) = account.stopped() {
            return Err(stop.into());
        }
        let account = Account { id: AccountId(account.id), email: account.email };
        *self.known() = Some((reading.fingerprint().to_owned(), account.clone()));
        Ok(account)
    }

    /// Who the token acts as; asked only if this token was never asked about.
    pub(super) async fn me(&self, lane: Lane) -> Result<Account, CallError> {
        let fingerprint = self.token_fingerprint();
        let known =
            self.known().as_ref().filter(|(known, _)| *known == fingerprint).map(|(_, account)| account.clone());
        match known {
            Some(account) => Ok(account),
            None => self.account(lane).await,
        }
    }

    /// What is left in the pool. Heroku does not charge this call.
    ///
    /// # Errors
    /// When Heroku gives no usable answer.
    pub async fn rate_limit(&self) -> Result<u32, CallError> {
        let path = Path::RATE_LIMITS();
        let flight = self.0.gate.depart_free();
        let reading = self.0.token.current();
        let answered = self.exchange(&Ask::get(&path), &reading, Landing::ByBody(flight), None).await?;
        match answered.as_error() {
            None => Ok(answered.json::<wire::RateLimits>()?.remaining),
            Some(error) => Err(error),
        }
    }

    /// Whether a failure stops everything. A suspension or an unpaid bill may be that of one app or team alone; then
    /// `/account` still answers and speaks of no such thing, and the failure stays with the one resource.
    pub(super) async fn judge(&self, error: CallError, lane: Lane) -> Result<CallError, AccountStopped> {
        /// A whole catalogue of suspended apps asks once.
        const CLEARED_FOR: Duration = Duration::from_secs(30);
        let CallError::Stopped(stop) = error else { return Ok(error) };
        match stop {
            AccountStopped::Unauthorized | AccountStopped::TwoFactor | AccountStopped::PasswordExpired => Err(stop),
            AccountStopped::Suspended | AccountStopped::Delinquent => {
                let mut cleared = self.0.cleared.lock().await;
                if cleared.is_some_and(|at| at.elapsed() < CLEARED_FOR) {
                    return Ok(error);
                }
                match self.ask_account(lane).await {
                    Ok((_, account)) if account.stopped().is_none() => {
                        *cleared = Some(Instant::now());
                        Ok(error)
                    }
                    Ok(_) => Err(stop),
                    Err(CallError::Stopped(stop)) => Err(stop),
                    Err(_) => Err(stop),
                }
            }
        }
    }

    /// One read: waits for the gate, and repeats what Heroku refused for the rate limit or for a token that was
    /// changed meanwhile. 200 and 206 are success.
    pub(super) async fn read(&self, ask: &Ask<'_>, lane: Lane) -> Result<Answered, CallError> {
        let mut refusals = 0;
        let mut reading = self.0.token.current();
        let mut renewed = false;
        loop {
            let permit = self.0.gate.acquire(lane).await;
            // After the gate, so that a call that waits for the reserve keeps no place from an urgent one.
            let _place = self.0.reads.acquire().await.expect("the semaphore is never closed");
            let Some(flight) = permit.depart() else { continue };
            let answered = self.exchange(ask, &reading, Landing::ByHeaders(flight), None).await?;
            match answered.as_error() {
                None => return Ok(answered),
                Some(CallError::RateLimited { .. }) if refusals < REFUSALS_MAX => refusals += 1,
                Some(CallError::Stopped(AccountStopped::Unauthorized)) if !renewed => {
                    match self.0.token.instead_of(&reading) {
                        Some(other) => (reading, renewed) = (other, true),
                        None => return Err(AccountStopped::Unauthorized.into()),
                    }
                }
                Some(error) => return Err(error),
            }
        }
    }

    /// One removal, with a token that is reserved already; sent at most once.
    pub(super) async fn send_once(
        &self,
        ask: &Ask<'_>,
        flight: Flight,
        parent: Option<&str>,
    ) -> Result<Answered, CallError> {
        let reading = self.0.token.current();
        self.exchange(ask, &reading, Landing::ByHeaders(flight), parent).await
    }

    /// The path as it is sent, for evidence.
    pub(super) fn path_sent(&self, path: &Path) -> String {
        path.url(&self.0.base).path().to_owned()
    }

    async fn ask_account(&self, lane: Lane) -> Result<(Reading, wire::Account), CallError> {
        let path = Path::ACCOUNT();
        let answered = self.read(&Ask::get(&path), lane).await?;
        Ok((self.0.token.current(), answered.json()?))
    }

    /// Sends one request and waits for the whole answer, in a span of its own.
    async fn exchange(
        &self,
        ask: &Ask<'_>,
        token: &Reading,
        landing: Landing,
        parent: Option<&str>,
    ) -> Result<Answered, CallError> {
        let method: &'static str = match ask.method {
            Method::DELETE => "DELETE",
            Method::PATCH => "PATCH",
            _ => "GET",
        };
        let server = self.0.base.host_str().unwrap_or_default();
        let span = heroku_span(method, ask.path.template, server, parent);
        let began = Instant::now();
        let result = self.transfer(ask, token, landing, parent).instrument(span.clone()).await;
        let told = match &result {
            Ok(answered) => {
                let status = answered.status.as_u16();
                heroku_answered(&span, Some(status), answered.request_ids().as_deref(), None);
                Ok(status)
            }
            Err(error) => {
                heroku_answered(&span, None, None, Some(error.code()));
                Err(error.code())
            }
        };
        if let Some(metrics) = &self.0.metrics {
            metrics.heroku_request(method, ask.path.template, server, told, began.elapsed());
        }
        if told == Ok(StatusCode::TOO_MANY_REQUESTS.as_u16()) {
            self.look_into_the_pool();
        }
        result
    }

    /// After a 429 the gate takes the pool for empty, and ordinary work would wait until the whole reserve has come back
    /// by its reckoning: minutes. But not every 429 speaks of the pool, and a pool is not always empty when it does. So
    /// Heroku is asked, once the refusal is over; it does not charge the question. A 429 to that leads here again.
    fn look_into_the_pool(&self) {
        if self.0.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let client = self.clone();
        tokio::spawn(async move {
            client.0.gate.opened().await;
            // Before asking: the answer opens the gate, and a 429 to what leaves then needs a look of its own.
            client.0.looking.store(false, Ordering::Release);
            // The gate has heard what there was to hear; who else wants to know asks for themselves.
            let _ = client.rate_limit().await;
        });
    }

    async fn transfer(
        &self,
        ask: &Ask<'_>,
        token: &Reading,
        landing: Landing,
        parent: Option<&str>,
    ) -> Result<Answered, CallError> {
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", token.expose())).expect("a token is printable ASCII");
        authorization.set_sensitive(true);
        let mut request = self
            .0
            .http
            .request(ask.method.clone(), ask.path.url(&self.0.base))
            .timeout(self.0.request_timeout)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, ask.accept)
            .header(REQUEST_ID, random_uuid().to_string());
        if let Some(range) = &ask.range {
            request = request.header(RANGE, range);
        }
        if let Some(body) = ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        if let Some(context) = current_traceparent(parent) {
            request = request.header(TRACEPARENT, context);
        }
        let mut response = request.send().await.map_err(CallError::of_wire)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let landing = landing.by_headers(status, &headers);

        let bytes_max = if status.is_success() { ask.bytes_max } else { SMALL_BODY_BYTES_MAX };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(CallError::of_wire)? {
            if body.len() + chunk.len() > bytes_max {
                if status.is_success() {
                    return Err(CallError::TooLong { most: bytes_max });
                }
                // An error is an error, however long its page.
                break;
            }
            body.extend_from_slice(&chunk);
        }
        landing.by_body(&body);
        Ok(Answered { status, headers, body })
    }

    /// Nothing can stop half-way while this is held.
    fn known(&self) -> std::sync::MutexGuard<'_, Option<(String, Account)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Ask<'a> {
    /// One object.
    pub(super) fn get(path: &'a Path) -> Self {
        Self { method: Method::GET, path, accept: ACCEPT_V3, range: None, body: None, bytes_max: SMALL_BODY_BYTES_MAX }
    }

    /// A request that changes something.
    pub(super) fn change(method: Method, path: &'a Path, body: Option<&'static str>) -> Self {
        Self { method, body, ..Self::get(path) }
    }
}

impl Answered {
    /// What an error status means; `None` for 200 and 206.
    pub(super) fn as_error(&self) -> Option<CallError> {
        match self.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => None,
            other => Some(CallError::of_status(other.as_u16(), error_id(&self.body), self.retry_after())),
        }
    }

    /// The body as what it should be.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, CallError> {
        if !self.is_json() {
            return Err(CallError::NotJson);
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// `Request-Id`: the ids of both sides, if they look like ids.
    pub(super) fn request_ids(&self) -> Option<String> {
        let text = self.headers.get(REQUEST_ID)?.to_str().ok()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_,; ".contains(&byte));
        (plain && text.len() <= REQUEST_ID_BYTES_MAX).then(|| text.to_owned())
    }

    /// `Retry-After`, in seconds; Heroku documents none, but a gateway may send it.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    fn is_json(&self) -> bool {
        let Some(kind) = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What tells the gate how much is left.
enum Landing {
    ByHeaders(Flight),
    ByBody(Flight),
    Done,
}

impl Landing {
    fn by_headers(self, status: StatusCode, headers: &HeaderMap) -> Self {
        match self {
            Self::ByHeaders(flight) | Self::ByBody(flight) if status == StatusCode::TOO_MANY_REQUESTS => {
                flight.refused(retry_after(headers));
                Self::Done
            }
            Self::ByHeaders(flight) => {
                flight.answered(number(headers, "ratelimit-remaining"), number(headers, "ratelimit-multiplier"));
                Self::Done
            }
            Self::ByBody(_) | Self::Done => self,
        }
    }

    fn by_body(self, body: &[u8]) {
        match self {
            Self::ByBody(flight) => {
                let remaining = serde_json::from_slice::<wire::RateLimits>(body).ok().map(|limits| limits.remaining);
                flight.answered(remaining, None);
            }
            Self::ByHeaders(_) | Self::Done => {}
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, RETRY_AFTER.as_str()).map(Duration::from_secs)
}

/// A header that is a number; `None` when it is absent or anything else.
pub(super) fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A random UUID (version 4).
fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    // The system's generator fails on no system that this runs on; an id of zeros would do no harm.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
