//! The HTTP face: sockets, delays, cut lines and the control endpoints. What is answered is decided in
//! [`super::exchange`].

mod control;
mod line;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::exchange::{Answer, Asked, Heroku};
use super::faults::{Cut, Faults, Hold, Rule};
use super::journal::{Recorded, Status, Unanswered};
use super::rate_limit::RateLimit;
use super::state::World;
use crate::clock;
pub use control::ENDPOINTS;
use line::{Lines, Scissors};

/// How long a shutdown waits for answers that are on their way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How a simulator runs, apart from its world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Time from a request's arrival to its answer; half of it passes before the effect. Requests do not wait for
    /// each other.
    pub latency: Duration,
    /// Request tokens of each account.
    pub rate_limit: RateLimit,
}

/// A running simulator. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    heroku: Mutex<Heroku>,
    options: Options,
    /// Counts releases; a held request waits for the next one.
    releases: watch::Sender<u64>,
}

impl Simulator {
    /// Serves `world` on `listener`. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(world: World, options: Options, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let heroku = Mutex::new(Heroku::new(world, options.rate_limit));
        let shared = Arc::new(Shared { heroku, options, releases: watch::Sender::new(0) });
        let (stop, mut stopped) = watch::channel(false);
        let router = Router::new()
            .nest("/_simulator", control::router())
            .fallback(api)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Scissors>();
        let serving = tokio::spawn(async move {
            let until = async move {
                // An error means that the handle is gone: stop as well.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            axum::serve(Lines(listener), router).with_graceful_shutdown(until).await
        });
        Ok(Self { shared, address, stop, serving })
    }

    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_local(world: World, options: Options) -> io::Result<Self> {
        Self::start(world, options, TcpListener::bind("127.0.0.1:0").await?)
    }

    /// Where it listens, such as `http://127.0.0.1:4000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.heroku().journal.records().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.heroku().journal.clear();
    }

    /// Looks at the world or changes it; no request is served meanwhile.
    pub fn with_world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut self.shared.heroku().world)
    }

    /// Replaces the fault rules.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        self.shared.heroku().faults = Faults::new(rules);
    }

    /// Lets go of every request and answer that is held.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Leaves an account with so many request tokens, as if other automation had used the rest.
    ///
    /// # Panics
    /// When there is no such account.
    pub fn drain_to(&self, email: &str, remaining: u32) {
        let mut heroku = self.shared.heroku();
        let account = heroku.world.account_at(email).expect("the world has this account").id;
        heroku.pools.drain(account, remaining, clock::now());
    }

    /// Stops: lets go of what is held, finishes what is on its way, closes every connection.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.shared.release();
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, &mut self.serving).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn heroku(&self) -> MutexGuard<'_, Heroku> {
        self.heroku.lock().expect("no holder of the world panics")
    }

    fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }
}

/// Waits for a release after `releases` was subscribed, or until the time is over. Whoever holds something subscribes
/// before it can be seen that it is held, so that a release right afterwards is not missed.
async fn hold(hold: Hold, mut releases: watch::Receiver<u64>) {
    let released = async {
        // An error means that the simulator is gone.
        let _ = releases.changed().await;
    };
    match hold.ms {
        Some(ms) => {
            let _ = tokio::time::timeout(Duration::from_millis(ms), released).await;
        }
        None => released.await,
    }
}

/// Everything that is not a control endpoint.
async fn api(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked(&method, &uri, &headers, &body);
    // In a task of its own: a client that hangs up does not undo what it asked for.
    let exchange = tokio::spawn(async move { exchange(&shared, &asked, &scissors).await });
    match exchange.await {
        Ok(answer) => response(answer),
        Err(_) => response(Answer { status: 500, headers: Vec::new(), body: Vec::new() }),
    }
}

/// One request from its arrival to its answer.
async fn exchange(shared: &Shared, asked: &Asked, scissors: &Scissors) -> Answer {
    let since_arrival = shared.releases.subscribe();
    let (sequence, verdict) = shared.heroku().arrive(asked, clock::now());
    pause(shared.options.latency / 2).await;
    pause(Duration::from_millis(verdict.delay_ms)).await;
    if let Some(time) = verdict.hold_request {
        hold(time, since_arrival).await;
    }
    let cut_answer = Answer { status: 500, headers: Vec::new(), body: Vec::new() };
    if verdict.cut_before_effect {
        scissors.cut();
        shared.heroku().journal.close(sequence, Status::Without(Unanswered::Cut), clock::now());
        return cut_answer;
    }
    let since_effect = shared.releases.subscribe();
    let answer = shared.heroku().serve(asked, sequence, &verdict, clock::now());
    if let Some(time) = verdict.hold_answer {
        hold(time, since_effect).await;
    }
    pause(shared.options.latency - shared.options.latency / 2).await;
    let status = match verdict.cut {
        None => Status::Code(answer.status),
        Some(_) => Status::Without(Unanswered::Cut),
    };
    shared.heroku().journal.close(sequence, status, clock::now());
    match verdict.cut {
        None => answer,
        Some(Cut::BeforeAnswer) => {
            scissors.cut();
            cut_answer
        }
        Some(Cut::InBody) => {
            scissors.cut_last(answer.body.len().div_ceil(2));
            answer
        }
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn asked(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Asked {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Asked {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        authorization: text(header::AUTHORIZATION),
        accept: text(header::ACCEPT),
        range: text(header::RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
        if_match: text(header::IF_MATCH),
        request_id: text(HeaderName::from_static("request-id")),
        traceparent: text(HeaderName::from_static("traceparent")),
        user_agent: text(header::USER_AGENT),
        body: body.to_vec(),
    }
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            // The later of two wins: a fault's own header stands behind the usual ones.
            response.headers_mut().insert(name, value);
        }
    }
    response
}
