//! The one call that changes anything.

use reqwest::Method;

use super::client::{ACCEPT_INVITATIONS, Answered, Ask, Client};
use super::error::{AccountStopped, CallError, error_id};
use super::path::Path;
use crate::clock;
use crate::crash;
use crate::engine::budget::Lane;
use crate::model::Removal;
use crate::model::world::{Answer, Reply};

/// What clears a person's access to a space: there is no DELETE for it.
const NO_PERMISSIONS: &str = r#"{"permissions":[]}"#;

impl Client {
    /// Sends one removal, at most once. It uses one token that the caller has taken with
    /// [`Gate::try_reserve`](super::Gate::try_reserve), also when it is not sent.
    ///
    /// It is not sent when `may_leave`, asked last, says no, nor after Heroku has answered 429 to something else meanwhile.
    /// Only setting up a new connection can delay it further, by seconds at most.
    ///
    /// An unpaid bill or a suspension may be that of the one resource. `/account` is then asked, in `lane`, and when it
    /// knows of no such thing the reply is [`Reply::Forbidden`].
    pub async fn remove(
        &self,
        removal: &Removal,
        may_leave: impl FnOnce() -> bool,
        lane: Lane,
        traceparent: Option<&str>,
    ) -> Answer {
        let path = Path::removal(removal);
        let ask = match removal {
            Removal::Member { .. } | Removal::Collaborator { .. } | Removal::EnterpriseMember { .. } => {
                Ask::change(Method::DELETE, &path, None)
            }
            // As official clients do for all that lies under a team's invitations.
            Removal::Invitation { .. } => {
                Ask { accept: ACCEPT_INVITATIONS, ..Ask::change(Method::DELETE, &path, None) }
            }
            Removal::SpaceAccess { .. } => Ask::change(Method::PATCH, &path, Some(NO_PERMISSIONS)),
        };
        let permit = self.gate().reserved();
        crash::point("removal-unsent");
        if !may_leave() {
            return unsent();
        }
        let Some(flight) = permit.depart() else { return unsent() };
        let sent_at = clock::now();
        let result = self.send_once(&ask, flight, traceparent).await;
        crash::point("removal-answered");
        let mut answer = Answer { sent_at: Some(sent_at), ..unsent() };
        match result {
            Ok(answered) => {
                answer.status = Some(answered.status.as_u16());
                answer.error_id = (!answered.status.is_success()).then(|| error_id(&answered.body)).flatten();
                answer.request_ids = answered.request_ids();
                answer.retry_after_s =
                    answered.retry_after().map(|wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX));
                answer.reply = self.reply(&answered, lane).await;
            }
            // An answer too long to be one of Heroku's: as good as none.
            Err(_) => answer.reply = Reply::NoAnswer,
        }
        answer
    }

    async fn reply(&self, answered: &Answered, lane: Lane) -> Reply {
        if answered.status.is_success() {
            return Reply::Done;
        }
        let Some(error) = answered.as_error() else { return Reply::Done };

        match &error {
            CallError::Stopped(AccountStopped::Suspended | AccountStopped::Delinquent) => {
                return match self.judge(error, lane).await {
                    Ok(_) => Reply::Forbidden,
                    Err(_) => Reply::AccountStopped,
                };
            }
            CallError::Stopped(_) => Reply::AccountStopped,
            CallError::Forbidden => Reply::Forbidden,
            CallError::NotFound => Reply::NotFound,
            CallError::RateLimited { .. } => Reply::RateLimited,
            CallError::Unavailable { .. } | CallError::Conflict { .. } => Reply::Unavailable,
            CallError::Gone
            | CallError::InvalidParams { .. }
            | CallError::BadRequest { .. }
            | CallError::Redirected { .. }
            | CallError::UnexpectedStatus { .. } => Reply::Refused,
            // None of these comes from a status.
            CallError::Timeout
            | CallError::Unreachable(_)
            | CallError::Cut(_)
            | CallError::NotJson
            | CallError::Malformed { .. }
            | CallError::Truncated
            | CallError::RepeatedRange
            | CallError::TooManyPages { .. }
            | CallError::TooLong { .. } => Reply::NoAnswer,
        }
    }
}

fn unsent() -> Answer {
    Answer {
        reply: Reply::NotSent,
        status: None,
        error_id: None,
        request_ids: None,
        sent_at: None,
        answered_at: clock::now(),
        retry_after_s: None,
    }
}
