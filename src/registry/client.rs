//! The three requests that reading needs: `/schemas/ids/{id}` or `/schemas/guids/{guid}`, and for what a schema refers to
//! `/subjects/{subject}/versions/{version}`.

use jiff::SignedDuration;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use thiserror::Error;

use crate::config::SchemaRegistry;
use crate::sources::SchemaId;
use crate::sources::schema::{Reference, SchemaKind, SchemaText};
use crate::web::{self, ClientError};

/// Longest answer, and longest schema with all that it refers to.
const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// Most schemas that one refers to, directly or not.
const REFERENCES_MAX: usize = 100;

/// No wait that a registry asks for is longer.
const RETRY_AFTER_MAX: u64 = 60;

const MEDIA_TYPES: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// What the API calls a subject, a version and a schema that are not there.
const NOT_THERE: [i64; 3] = [40401, 40402, 40403];

/// Why there is no client.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The address is none.
    #[error("`schema_registries.{name}.url` is no address")]
    Url {
        /// The registry.
        name: String,
    },
    /// There can be none.
    #[error("no client can be made for schema registry {name}; see `schema_registries.{name}.ca_file`")]
    Client {
        /// The registry.
        name: String,
        /// Why.
        #[source]
        source: ClientError,
    },
}

/// Why a schema was not told.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry does not know it.
    Unknown,
    /// It knows it, and it can never be used.
    Unusable(String),
    /// No usable answer.
    NoAnswer {
        why: String,
        /// How long it asked to be left alone.
        asked: Option<SignedDuration>,
    },
}

pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    settings: SchemaRegistry,
}

/// A schema, as the API tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    schema: String,
    schema_type: Option<String>,
    references: Option<Vec<Referred>>,
}

#[derive(Deserialize)]
struct Referred {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Problem {
    error_code: i64,
}

impl Client {
    pub(super) fn new(name: &str, settings: &SchemaRegistry) -> Result<Self, RegistryError> {
        let no_address = || RegistryError::Url { name: name.to_owned() };
        let base = Url::parse(&settings.url).map_err(|_| no_address())?;
        if base.cannot_be_a_base() {
            return Err(no_address());
        }
        let timeout = settings.timeout.unsigned_abs();
        let http = web::client(timeout, settings.ca_file.as_deref())
            .map_err(|source| RegistryError::Client { name: name.to_owned(), source })?;
        Ok(Self { http, base, settings: settings.clone() })
    }

    /// A schema with all that it refers to.
    pub(super) async fn schema(&self, id: SchemaId) -> Result<SchemaText, Failure> {
        let told = match id {
            SchemaId::Number(number) => self.told(&["schemas", "ids", &number.to_string()]).await?,
            SchemaId::Guid(guid) => self.told(&["schemas", "guids", &guid.to_string()]).await?,
        };
        let kind = match told.schema_type.as_deref() {
            None | Some("AVRO") => SchemaKind::Avro,
            Some("JSON") => SchemaKind::Json,
            Some("PROTOBUF") => SchemaKind::Protobuf,
            Some(_) => return Err(Failure::Unusable("its kind is not AVRO, JSON or PROTOBUF".to_owned())),
        };
        // What JSON Schema refers to decides nothing here: values are not held against it.
        let referred = if kind == SchemaKind::Json { Vec::new() } else { told.references.unwrap_or_default() };
        let references = self.references(referred, told.schema.len()).await?;
        Ok(SchemaText { kind, text: told.schema, references })
    }

    /// What is referred to, each behind what it refers to itself.
    async fn references(&self, referred: Vec<Referred>, bytes: usize) -> Result<Vec<Reference>, Failure> {
        enum Step {
            Ask(Referred),
            Take(Reference),
        }
        let mut bytes = bytes;
        let mut asked: Vec<String> = Vec::new();
        let mut taken = Vec::new();
        let mut steps: Vec<Step> = referred.into_iter().rev().map(Step::Ask).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Take(reference) => taken.push(reference),
                Step::Ask(Referred { name, .. }) if asked.contains(&name) => {}
                Step::Ask(Referred { name, subject, version }) => {
                    let told = self.told(&["subjects", &subject, "versions", &version.to_string()]).await;
                    let told = told.map_err(|failure| match failure {
                        Failure::Unknown => Failure::Unusable(format!(
                            "it refers to version {version} of subject {subject:?}, which the registry does not know"
                        )),
                        other @ (Failure::Unusable(_) | Failure::NoAnswer { .. }) => other,
                    })?;
                    bytes += told.schema.len();
                    asked.push(name.clone());
                    if asked.len() > REFERENCES_MAX || bytes > SCHEMA_BYTES_MAX {
                        let why =
                            format!("it refers to more than {REFERENCES_MAX} schemas or {SCHEMA_BYTES_MAX} bytes");
                        return Err(Failure::Unusable(why));
                    }
                    steps.push(Step::Take(Reference { name, text: told.schema }));
                    steps.extend(told.references.unwrap_or_default().into_iter().rev().map(Step::Ask));
                }
            }
        }
        Ok(taken)
    }

    /// Whether it answers: its list of kinds is short, and every registry has it.
    pub(super) async fn probe(&self) -> Result<(), String> {
        let kinds = self.get(&["schemas", "types"]).await.and_then(|body| {
            serde_json::from_slice::<Vec<String>>(&body)
                .map_err(|_| no_answer("it answers, but not as a schema registry"))
        });
        match kinds {
            Ok(_) => Ok(()),
            Err(Failure::NoAnswer { why, .. } | Failure::Unusable(why)) => Err(why),
            Err(Failure::Unknown) => Err("404 Not Found".to_owned()),
        }
    }

    async fn told(&self, path: &[&str]) -> Result<Told, Failure> {
        let body = self.get(path).await?;
        serde_json::from_slice(&body).map_err(|_| no_answer("it answers, but not with a schema"))
    }

    /// One request, and a whole answer of success.
    async fn get(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        let mut url = self.base.clone();
        // `new` has seen that the address has a path. Each step of it is escaped here.
        if let Ok(mut steps) = url.path_segments_mut() {
            steps.pop_if_empty().extend(path);
        }
        let mut request = self.http.get(url).header(ACCEPT, MEDIA_TYPES);
        match self.settings.credentials() {
            Ok(Some((username, password))) => {
                request = request.basic_auth(username.expose_secret(), Some(password.expose_secret()));
            }
            Ok(None) => {}
            Err(why) => return Err(no_answer(&why.to_string())),
        }
        let mut response = request.send().await.map_err(|error| self.unreached(error))?;
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreached(error))? {
            body.extend_from_slice(&chunk);
            if body.len() > SCHEMA_BYTES_MAX && status.is_success() {
                return Err(Failure::Unusable(format!("it is longer than {SCHEMA_BYTES_MAX} bytes")));
            }
            if body.len() > SCHEMA_BYTES_MAX {
                break;
            }
        }
        if status == StatusCode::OK {
            return Ok(body);
        }
        let code = serde_json::from_slice::<Problem>(&body).ok().map(|problem| problem.error_code);
        if status == StatusCode::NOT_FOUND && code.is_some_and(|code| NOT_THERE.contains(&code)) {
            return Err(Failure::Unknown);
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; see its user name and password",
            StatusCode::NOT_FOUND => "; see `url`, which may lack a path such as /apis/ccompat/v7",
            _ => "",
        };
        let asked = asked.map(|seconds: u64| SignedDuration::from_secs(seconds.min(RETRY_AFTER_MAX).cast_signed()));
        Err(Failure::NoAnswer { why: format!("it answers {status}{hint}"), asked })
    }

    fn unreached(&self, error: reqwest::Error) -> Failure {
        no_answer(&web::no_answer(error, self.settings.timeout.unsigned_abs()))
    }
}

fn no_answer(why: &str) -> Failure {
    Failure::NoAnswer { why: why.to_owned(), asked: None }
}
