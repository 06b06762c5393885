//! A door for the fuzz targets (`tests/fuzz/`): replies of Heroku, read as the client reads them, without a connection.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use super::client::{Answered, number};
use super::error::{CallError, error_id};
use super::paging::Pages;
use super::wire::{self, OfTeam, Whole};
use crate::model::world::{Collaborator, EnterpriseMember, Invitation, Member, SpaceMember};

/// A reply that came whole.
#[derive(Debug)]
pub struct Reply(Answered);

impl Reply {
    /// `None` when no HTTP reply can look so.
    pub fn new(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Self> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(Self(Answered { status: StatusCode::from_u16(status).ok()?, headers: map, body: body.to_vec() }))
    }

    /// What an error status means.
    pub fn error(&self) -> Option<CallError> {
        self.0.as_error()
    }

    /// `id` of an error body.
    pub fn error_id(&self) -> Option<String> {
        error_id(&self.0.body)
    }

    /// `Request-Id`.
    pub fn request_ids(&self) -> Option<String> {
        self.0.request_ids()
    }

    /// `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after()
    }

    /// `RateLimit-Remaining` and `RateLimit-Multiplier`.
    pub fn rate_limit(&self) -> (Option<u32>, Option<f64>) {
        (number(&self.0.headers, "ratelimit-remaining"), number(&self.0.headers, "ratelimit-multiplier"))
    }

    /// The reply of `/account/rate-limits`.
    ///
    /// # Errors
    /// When it is not that.
    pub fn remaining(&self) -> Result<u32, CallError> {
        Ok(self.0.json::<wire::RateLimits>()?.remaining)
    }

    /// The reply of `/account`, as it would be shown.
    ///
    /// # Errors
    /// When it is not that.
    pub fn account(&self) -> Result<String, CallError> {
        Ok(format!("{:?}", self.0.json::<wire::Account>()?))
    }
}

/// The lists that are read.
pub const LISTS: &[&str] = &[
    "members",
    "invitations",
    "collaborators",
    "space-members",
    "enterprise-members",
    "named",
    "apps",
    "spaces",
    "pipelines",
    "permissions",
];

/// A list that is whole.
#[derive(Debug)]
pub struct Read {
    /// Its entries.
    pub entries: usize,
    /// How many of the pages it has.
    pub pages: usize,
    /// The entries, as they would be shown.
    pub shown: String,
}

/// Reads one of [`LISTS`] from its pages; `None` when they end before the list does.
///
/// # Errors
/// When the list cannot be read.
pub fn list(kind: &str, pages: &[Reply]) -> Option<Result<Read, CallError>> {
    match kind {
        "members" => whole::<Whole<Member>>(pages),
        "invitations" => whole::<Whole<OfTeam<Invitation>>>(pages),
        "collaborators" => whole::<Whole<Collaborator>>(pages),
        "space-members" => whole::<Whole<SpaceMember>>(pages),
        "enterprise-members" => whole::<Whole<EnterpriseMember>>(pages),
        "apps" => whole::<wire::App>(pages),
        "spaces" => whole::<wire::Space>(pages),
        "pipelines" => whole::<wire::Pipeline>(pages),
        "permissions" => whole::<wire::PermissionEntity>(pages),
        _ => whole::<wire::Named>(pages),
    }
}

fn whole<T: DeserializeOwned + Debug>(replies: &[Reply]) -> Option<Result<Read, CallError>> {
    let mut pages = Pages::<T>::none();
    for (before, Reply(reply)) in replies.iter().enumerate() {
        let taken = match reply.as_error() {
            Some(error) => Err(error),
            None => pages.take(reply),
        };
        match taken {
            Ok(Some(_)) => {}
            Ok(None) => {
                let read = pages.complete(Timestamp::UNIX_EPOCH, String::new());
                let evidence = read.evidence(true);
                let shown = format!("{:?} {evidence:?}", read.entries);
                return Some(Ok(Read { entries: read.entries.len(), pages: before + 1, shown }));
            }
            Err(error) => return Some(Err(error)),
        }
    }
    None
}
