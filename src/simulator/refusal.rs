//! Every way in which this Heroku says no.

use serde::Serialize;
use thiserror::Error;

/// Where Heroku's documentation of an error lives.
const DOCUMENTATION: &str = "https://devcenter.heroku.com/articles/platform-api-reference";

/// A refusal, by what the caller learns.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// 400: the request cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no token, or one that is unknown, revoked or expired.
    #[error("Invalid credentials provided.")]
    Unauthorized,
    /// 402: the account owes money.
    #[error("This account is delinquent with payment and cannot perform this action.")]
    Delinquent,
    /// 403: visible, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// 403: the token's scope is too small.
    #[error("The scope of this OAuth authorization does not allow access to this resource")]
    Scope,
    /// 403: the account is suspended.
    #[error("Your account has been suspended.")]
    Suspended,
    /// 403: a second factor is asked for.
    #[error("A second authentication factor is required.")]
    TwoFactor,
    /// 404: it does not exist, or this caller may not know that it does.
    #[error("Couldn't find that {0}.")]
    NotFound(&'static str),
    /// 404: no such path or verb.
    #[error(
        "The requested API endpoint was not found. Are you using the right HTTP verb (i.e. `GET` vs. `POST`), and did you specify your intended version with the `Accept` header?"
    )]
    NoSuchEndpoint,
    /// 406: no `Accept` header that asks for version 3.
    #[error("The `Accept` header of a request must ask for `application/vnd.heroku+json; version=3`.")]
    NotAcceptable,
    /// 409: it clashes with the present state.
    #[error("{0}")]
    Conflict(String),
    /// 410: the endpoint was withdrawn.
    #[error("This endpoint is no longer available.")]
    Gone,
    /// 412: `If-Match` named another version.
    #[error("The resource has changed since the version that `If-Match` names.")]
    PreconditionFailed,
    /// 416: no such order, or an unsupported range.
    #[error("Requested range order is not allowed, please try `id` or another specified in `Accept-Ranges`.")]
    RangeNotSatisfiable,
    /// 422: a parameter or the state forbids it.
    #[error("{0}")]
    InvalidParams(String),
    /// 429: the account's tokens are used up.
    #[error("Your account reached the API rate limit\nPlease wait a few minutes before making new requests")]
    RateLimited,
    /// 500.
    #[error("Internal server error.")]
    Internal,
    /// 503.
    #[error("Heroku API is temporarily unavailable.\nFor more information, visit: https://status.heroku.com")]
    Unavailable,
}

impl Refusal {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Unauthorized => 401,
            Self::Delinquent => 402,
            Self::Forbidden(_) | Self::Scope | Self::Suspended | Self::TwoFactor => 403,
            Self::NotFound(_) | Self::NoSuchEndpoint => 404,
            Self::NotAcceptable => 406,
            Self::Conflict(_) => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::RangeNotSatisfiable => 416,
            Self::InvalidParams(_) => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// Heroku's error id.
    pub fn id(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Delinquent => "delinquent",
            Self::Forbidden(_) | Self::Scope => "forbidden",
            Self::Suspended => "suspended",
            Self::TwoFactor => "two_factor",
            Self::NotFound(_) | Self::NoSuchEndpoint => "not_found",
            Self::NotAcceptable => "not_acceptable",
            Self::Conflict(_) => "conflict",
            Self::Gone => "gone",
            Self::PreconditionFailed => "precondition_failed",
            Self::RangeNotSatisfiable => "requested_range_not_satisfiable",
            Self::InvalidParams(_) => "invalid_params",
            Self::RateLimited => "rate_limit",
            Self::Internal => "internal_server_error",
            Self::Unavailable => "service_unavailable",
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Vec<u8> {
        let url = match self {
            Self::RateLimited => Some(format!("{DOCUMENTATION}#rate-limits")),
            Self::NoSuchEndpoint | Self::NotAcceptable => Some(DOCUMENTATION.to_owned()),
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Delinquent
            | Self::Forbidden(_)
            | Self::Scope
            | Self::Suspended
            | Self::TwoFactor
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Gone
            | Self::PreconditionFailed
            | Self::RangeNotSatisfiable
            | Self::InvalidParams(_)
            | Self::Internal
            | Self::Unavailable => None,
        };
        let resource = if let Self::NotFound(what) = self { Some(*what) } else { None };
        let body = Body { id: self.id(), message: self.to_string(), resource, url };
        serde_json::to_vec(&body).expect("strings serialise")
    }
}

#[derive(Serialize)]
struct Body {
    id: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}
