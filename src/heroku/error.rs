//! Why a call to Heroku gave no usable answer: one variant for each class that something different follows from.
//! Decided by status and error id, never by the message. No text holds a token, an address or a URL.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// Heroku refuses the account as a whole: no call can succeed until somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccountStopped {
    /// 401.
    #[error("heroku does not accept the token (401): put a valid one into its file")]
    Unauthorized,
    /// 402.
    #[error("the heroku account has an unpaid bill or no confirmed payment method (402)")]
    Delinquent,
    /// 403 `suspended`.
    #[error("the heroku account is suspended (403 suspended)")]
    Suspended,
    /// 403 `two_factor`.
    #[error("heroku demands a second factor (403 two_factor): use the token of an account meant for services")]
    TwoFactor,
    /// 403 `password_expired`.
    #[error("the password of the heroku account has expired (403 password_expired): set a new one")]
    PasswordExpired,
}

impl AccountStopped {
    /// As it stands in records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Delinquent => "delinquent",
            Self::Suspended => "suspended",
            Self::TwoFactor => "two_factor",
            Self::PasswordExpired => "password_expired",
        }
    }
}

/// Why a call gave no usable answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// 401, 402, and 403 with an id that speaks of the account.
    #[error(transparent)]
    Stopped(#[from] AccountStopped),
    /// 403 otherwise: not for this account, or not with this token's scope.
    #[error("heroku forbids it (403): the account needs admin rights there, the token the scope `global`")]
    Forbidden,
    /// 404: not there, or hidden from this account.
    #[error("heroku finds nothing there (404)")]
    NotFound,
    /// 409, 412, 423: the state changed meanwhile.
    #[error("the state at heroku changed meanwhile ({status})")]
    Conflict {
        /// The status.
        status: u16,
    },
    /// 410.
    #[error("heroku has withdrawn this endpoint (410)")]
    Gone,
    /// 422.
    #[error("heroku refuses the parameters or the state (422, id {id:?})")]
    InvalidParams {
        /// Its id: `invalid_params`, `verification_needed` …
        id: Option<String>,
    },
    /// 400, 406, 416 and every other 4xx: the request itself is wrong.
    #[error("heroku does not understand the request ({status}, id {id:?}); please report this as a bug")]
    BadRequest {
        /// The status.
        status: u16,
        /// Its id.
        id: Option<String>,
    },
    /// 429, again and again.
    #[error("heroku's rate limit is used up (429); something else uses the same account")]
    RateLimited {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 5xx and 408.
    #[error("heroku or a gateway before it failed ({status})")]
    Unavailable {
        /// The status.
        status: u16,
    },
    /// 3xx: not followed, because the token would go along.
    #[error("a redirect ({status}), which is not followed: heroku.api_url must name the API itself")]
    Redirected {
        /// The status.
        status: u16,
    },
    /// A 2xx or 1xx that answers no such request.
    #[error("an unexpected status ({status})")]
    UnexpectedStatus {
        /// The status.
        status: u16,
    },
    /// No whole answer in time.
    #[error("no whole answer in time")]
    Timeout,
    /// No connection, so nothing was sent.
    #[error("heroku cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The connection broke before the answer was whole.
    #[error("the connection broke before the answer was whole")]
    Cut(#[source] reqwest::Error),
    /// A body that is not JSON by its own account, such as a gateway's page.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON that is broken, or an entry that is not what it should be.
    #[error("the answer cannot be read (line {line}, column {column})")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A part of a list without a way to the rest.
    #[error("a part of a list without `Next-Range`")]
    Truncated,
    /// The same `Next-Range` twice: following it would never end.
    #[error("the same `Next-Range` twice")]
    RepeatedRange,
    /// More pages than any real list has.
    #[error("a list of more than {most} pages")]
    TooManyPages {
        /// The limit.
        most: u32,
    },
    /// A longer answer than any real list gives.
    #[error("an answer of more than {most} bytes")]
    TooLong {
        /// The limit.
        most: usize,
    },
}

impl CallError {
    /// What a reply with an error status means. `body` is read for its id alone.
    pub(super) fn of_status(status: u16, id: Option<String>, retry_after: Option<Duration>) -> Self {
        match (status, id.as_deref()) {
            (401, _) => AccountStopped::Unauthorized.into(),
            (402, _) => AccountStopped::Delinquent.into(),
            (403, Some("suspended")) => AccountStopped::Suspended.into(),
            (403, Some("two_factor")) => AccountStopped::TwoFactor.into(),
            (403, Some("password_expired")) => AccountStopped::PasswordExpired.into(),
            (403, _) => Self::Forbidden,
            (404, _) => Self::NotFound,
            (409 | 412 | 423, _) => Self::Conflict { status },
            (410, _) => Self::Gone,
            (422, _) => Self::InvalidParams { id },
            (429, _) => Self::RateLimited { retry_after },
            (408 | 500..=599, _) => Self::Unavailable { status },
            (300..=399, _) => Self::Redirected { status },
            (400..=499, _) => Self::BadRequest { status, id },
            (_, _) => Self::UnexpectedStatus { status },
        }
    }

    /// What went wrong on the wire. The URL is taken out: it stands in the span already.
    pub(super) fn of_wire(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Unreachable(error)
        } else {
            Self::Cut(error)
        }
    }

    /// As it stands in records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stopped(stop) => stop.code(),
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Gone => "gone",
            Self::InvalidParams { .. } => "invalid_params",
            Self::BadRequest { .. } => "bad_request",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::Redirected { .. } => "redirected",
            Self::UnexpectedStatus { .. } => "unexpected_status",
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Cut(_) => "cut",
            Self::NotJson => "not_json",
            Self::Malformed { .. } => "malformed",
            Self::Truncated => "truncated",
            Self::RepeatedRange => "repeated_range",
            Self::TooManyPages { .. } => "too_many_pages",
            Self::TooLong { .. } => "too_long",
        }
    }
}

impl From<serde_json::Error> for CallError {
    /// Only the place: serde's own text quotes what it found.
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }
}

/// The `id` of an error body, if it is one of Heroku's: whatever else a body says goes into no record.
pub(super) fn error_id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        id: String,
    }
    const LONGEST: usize = 64;
    let Body { id } = serde_json::from_slice(body).ok()?;
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    (plain && (1..=LONGEST).contains(&id.len())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_id_decide() {
        for (status, id, code) in [
            (401, Some("unauthorized"), "unauthorized"),
            (402, Some("delinquent"), "delinquent"),
            (403, Some("forbidden"), "forbidden"),
            (403, None, "forbidden"),
            (403, Some("suspended"), "suspended"),
            (403, Some("two_factor"), "two_factor"),
            (403, Some("password_expired"), "password_expired"),
            (404, Some("not_found"), "not_found"),
            (406, Some("not_acceptable"), "bad_request"),
            (408, None, "unavailable"),
            (409, Some("conflict"), "conflict"),
            (410, Some("gone"), "gone"),
            (412, None, "conflict"),
            (416, Some("requested_range_not_satisfiable"), "bad_request"),
            (422, Some("verification_needed"), "invalid_params"),
            (423, None, "conflict"),
            (429, Some("rate_limit"), "rate_limited"),
            (302, None, "redirected"),
            (204, None, "unexpected_status"),
            (500, None, "unavailable"),
            (503, Some("service_unavailable"), "unavailable"),
        ] {
            assert_eq!(CallError::of_status(status, id.map(str::to_owned), None).code(), code, "{status} {id:?}");
        }
    }

    #[test]
    fn only_an_id_of_herokus_shape_is_kept() {
        assert_eq!(
            error_id(br#"{"id":"not_found","message":"Couldn't find that app."}"#).as_deref(),
            Some("not_found")
        );
        for body in [&b"<html>"[..], b"", br#"{"id":"mara@larkspur.example"}"#, br#"{"id":""}"#, br#"{"id":7}"#] {
            assert_eq!(error_id(body), None);
        }
    }
}
