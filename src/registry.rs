//! Schema registries, as readers of framed records see them: a schema is at hand, or the registry does not know it, or
//! nobody can say yet.
//!
//! What an answer is worth:
//!
//! * A schema is kept: that of an id never changes. One that cannot be used is kept as such.
//! * 404 with the registry's own code is its word that it does not know the schema. It counts for a few seconds, and for
//!   a record just written not at all: the registry that the producer registered with may be ahead of the one that is
//!   asked.
//! * Anything else says nothing about the schema: no connection, 401, 403, 429, 5xx, HTML, the 404 of a proxy or of a
//!   wrong path. Nothing of it is kept. The registry is asked again, less and less often, and whoever wants the schema
//!   waits. No record is refused for it.

mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio::runtime::Handle;
use tracing::{info, warn};

pub use self::client::RegistryError;
use self::client::{Client, Failure};
use crate::config::SchemaRegistry;
use crate::engine::retry::RetryPolicy;
use crate::sources::SchemaId;
use crate::sources::schema::Schema;
use crate::trouble::Trouble;

/// When a registry that gave no usable answer is asked again.
const RETRY: RetryPolicy = RetryPolicy { first: SignedDuration::from_secs(1), most: SignedDuration::from_secs(30) };

/// How long it counts that the registry does not know a schema.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// Most schemas that are kept; a topic has a handful. With more, somebody makes them up, and all are forgotten.
const SCHEMAS_MAX: usize = 1_000;

/// One registry, with the schemas that it has told. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    name: String,
    client: Client,
    runtime: Handle,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    schemas: BTreeMap<SchemaId, Arc<Schema>>,
    unknown: BTreeMap<SchemaId, Instant>,
    asked: BTreeSet<SchemaId>,
    trouble: Option<(Trouble, Instant)>,
    failures: u32,
}

/// What is known of a schema.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// It is at hand.
    Known(Arc<Schema>),
    /// The registry does not know it.
    Unknown,
    /// The registry is being asked, or will be.
    Waiting,
}

impl Registry {
    /// A registry of the configuration; nothing is asked yet.
    ///
    /// # Errors
    /// When its certificates cannot be read, or no client can be made.
    pub fn new(name: &str, settings: &SchemaRegistry, runtime: Handle) -> Result<Self, RegistryError> {
        let client = Client::new(name, settings)?;
        Ok(Self(Arc::new(Inner { name: name.to_owned(), client, runtime, held: Mutex::default() })))
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What is known of a schema. Never blocks: what is not known is asked for, and told at a later call.
    pub fn look_up(&self, id: SchemaId) -> Lookup {
        let mut held = self.held();
        if let Some(schema) = held.schemas.get(&id) {
            return Lookup::Known(Arc::clone(schema));
        }
        if held.unknown.get(&id).is_some_and(|at| at.elapsed() < UNKNOWN_FOR) {
            return Lookup::Unknown;
        }
        let now = Instant::now();
        let too_early = held.trouble.as_ref().is_some_and(|(_, again_at)| now < *again_at);
        if !too_early && held.asked.insert(id) {
            let registry = self.clone();
            self.0.runtime.spawn(async move {
                let answer = registry.0.client.schema(id).await;
                registry.take(id, answer);
            });
        }
        Lookup::Waiting
    }

    /// Asks for a schema, once. `None` = the registry does not know it.
    ///
    /// # Errors
    /// Why there is no usable answer.
    pub async fn ask(&self, id: SchemaId) -> Result<Option<Arc<Schema>>, String> {
        match self.0.client.schema(id).await {
            Ok(schema) => Ok(Some(Arc::new(Schema::compile(&schema)))),
            Err(Failure::Unusable(why)) => Ok(Some(Arc::new(Schema::unusable(why)))),
            Err(Failure::Unknown) => Ok(None),
            Err(Failure::NoAnswer { why, .. }) => Err(why),
        }
    }

    /// Whether it answers, and takes the credentials.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), String> {
        self.0.client.probe().await
    }

    /// Why it gives no answer; `None` = it does, or was not asked.
    pub fn trouble(&self) -> Option<Trouble> {
        self.held().trouble.as_ref().map(|(trouble, _)| trouble.clone())
    }

    fn take(&self, id: SchemaId, answer: Result<crate::sources::schema::SchemaText, Failure>) {
        // Compiled before anybody is kept waiting for the lock.
        let answer = match answer {
            Ok(schema) => Ok(Some(Schema::compile(&schema))),
            Err(Failure::Unusable(why)) => Ok(Some(Schema::unusable(why))),
            Err(Failure::Unknown) => Ok(None),
            Err(Failure::NoAnswer { why, asked }) => Err((why, asked)),
        };
        let name = &self.0.name;
        let mut held = self.held();
        held.asked.remove(&id);
        let schema = match answer {
            Ok(schema) => schema,
            Err((why, asked)) => {
                held.failures = held.failures.saturating_add(1);
                let wait = RETRY.delay(held.failures, 0, asked).unsigned_abs();
                let before = held.trouble.as_ref().map(|(trouble, _)| trouble);
                if before.is_none() {
                    warn!("Schema registry {name}: {why}; its sources wait, and it is asked again");
                }
                let trouble = Trouble::after(before, why);
                held.trouble = Some((trouble, Instant::now() + wait));
                return;
            }
        };
        held.failures = 0;
        if held.trouble.take().is_some() {
            info!("Schema registry {name} answers again");
        }
        if held.schemas.len() + held.unknown.len() >= SCHEMAS_MAX {
            held.schemas.clear();
            held.unknown.clear();
        }
        match schema {
            Some(schema) => {
                if let Some(reject) = schema.refuses() {
                    warn!("Schema {id} of registry {name} cannot be used: {}", reject.detail);
                }
                held.unknown.remove(&id);
                held.schemas.insert(id, Arc::new(schema));
            }
            None => {
                held.unknown.insert(id, Instant::now());
            }
        }
    }

    /// Nothing can stop half-way while this is held.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.0.name)
    }
}
