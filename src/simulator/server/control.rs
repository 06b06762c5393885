//! The control endpoints under `/_simulator`: for tests and people, never for the client under test. They need no
//! token, cost nothing and are not recorded.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Shared;
use crate::clock;
use crate::simulator::faults::Faults;
use crate::simulator::journal::Recorded;
use crate::simulator::rate_limit::{Pools, RateLimit};
use crate::simulator::state::World;
use crate::simulator::switches::Switches;
use crate::simulator::world_change::WorldChange;

/// What a person reads who asks what there is.
pub const ENDPOINTS: &str = "\
GET    /_simulator/world         the whole world as JSON, as `--world` reads it
PUT    /_simulator/world         replace it
POST   /_simulator/happen        let somebody do something: {\"accept_invitation\": {\"team\": …, \"email\": …}}
GET    /_simulator/requests      the requests so far, oldest first; ?since=N leaves out those up to number N
DELETE /_simulator/requests      forget them
GET    /_simulator/faults        the fault rules, with how many requests fitted each
PUT    /_simulator/faults        replace them: [{\"when\": {…}, \"then\": [\"cut_after_effect\"]}]
DELETE /_simulator/faults        remove them all
GET    /_simulator/switches      how unknown behaviours are set
PUT    /_simulator/switches      set all; what is left out gets its default
PATCH  /_simulator/switches      set some; what is left out stays
PUT    /_simulator/rate-limit    {\"capacity\": 4500, \"refill_per_minute\": 75}; fills every pool
POST   /_simulator/release       let go of held requests and answers
GET    /_simulator/health        200 once it serves
";

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(async || ENDPOINTS))
        .route("/health", get(async || "ok\n"))
        .route("/world", get(read_world).put(replace_world))
        .route("/happen", post(happen))
        .route("/requests", get(read_requests).delete(forget_requests))
        .route("/faults", get(read_faults).put(replace_faults).delete(remove_faults))
        .route("/switches", get(read_switches).put(replace_switches).patch(set_switches))
        .route("/rate-limit", axum::routing::put(set_rate_limit))
        .route("/release", post(release))
        .fallback(async || (StatusCode::NOT_FOUND, ENDPOINTS))
        // A world of a thousand apps is larger than what axum takes by default.
        .layer(axum::extract::DefaultBodyLimit::disable())
}

type Body = axum::body::Bytes;
type Reply = Result<Response, (StatusCode, String)>;

async fn read_world(State(shared): State<Arc<Shared>>) -> Reply {
    let world = shared.heroku().world.clone();
    json(&world)
}

async fn replace_world(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    shared.heroku().world = parse::<World>(&body)?;
    done()
}

async fn happen(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    let change: WorldChange = parse(&body)?;
    let happened = shared.heroku().world.happen(&change, clock::now());
    happened.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")))?;
    done()
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn read_requests(State(shared): State<Arc<Shared>>, Query(after): Query<Since>) -> Reply {
    let heroku = shared.heroku();
    let records: Vec<&Recorded> = heroku.journal.records().filter(|record| record.sequence > after.since).collect();
    json(&records)
}

async fn forget_requests(State(shared): State<Arc<Shared>>) -> Reply {
    shared.heroku().journal.clear();
    done()
}

async fn read_faults(State(shared): State<Arc<Shared>>) -> Reply {
    json(&shared.heroku().faults)
}

async fn replace_faults(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    shared.heroku().faults = parse(&body)?;
    done()
}

async fn remove_faults(State(shared): State<Arc<Shared>>) -> Reply {
    shared.heroku().faults = Faults::default();
    done()
}

async fn read_switches(State(shared): State<Arc<Shared>>) -> Reply {
    json(&shared.heroku().world.switches)
}

async fn replace_switches(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    shared.heroku().world.switches = parse(&body)?;
    done()
}

async fn set_switches(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    let some: serde_json::Map<String, Value> = parse(&body)?;
    let mut heroku = shared.heroku();
    let mut all = serde_json::to_value(&heroku.world.switches).map_err(wrong)?;
    for (name, value) in some {
        all[name.as_str()] = value;
    }
    heroku.world.switches = serde_json::from_value::<Switches>(all).map_err(wrong)?;
    done()
}

async fn set_rate_limit(State(shared): State<Arc<Shared>>, body: Body) -> Reply {
    shared.heroku().pools = Pools::new(parse::<RateLimit>(&body)?);
    done()
}

async fn release(State(shared): State<Arc<Shared>>) -> Reply {
    shared.release();
    done()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(wrong)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: serde_json::Error) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, format!("{error}\n"))
}

fn json(value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).map_err(wrong)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[expect(clippy::unnecessary_wraps, reason = "the last expression of each handler")]
fn done() -> Reply {
    Ok(StatusCode::NO_CONTENT.into_response())
}
