//! Carrying out what the engine asks for: each effect is a task that ends in one message.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{Instrument as _, error, warn};

use super::Message;
use crate::clock;
use crate::engine::budget::Lane;
use crate::engine::{Effect, Input};
use crate::heroku::{AccountStopped, CallError, Client, Scope};
use crate::kafka::Stop;
use crate::model::world::{Answer, Reply, Unread};
use crate::telemetry::Metrics;
use crate::telemetry::trace::{self, case_span};

/// A removal starts within this time of the beginning of its intent's commit, or not at all: that commit proved that we
/// are the owner, and it proves it for no longer.
const LEASE: Duration = Duration::from_secs(10);

/// What it takes to carry something out.
pub(super) struct Carrier<'a> {
    pub(super) runtime: &'a Handle,
    pub(super) client: &'a Client,
    pub(super) scope: &'a Arc<Scope>,
    pub(super) metrics: &'a Metrics,
    pub(super) stop: &'a Stop,
    pub(super) send: &'a Sender<Message>,
    /// When the ownership was last begun to be proven.
    pub(super) owned_at: std::time::Instant,
}

impl Carrier<'_> {
    pub(super) fn carry_out(&self, epoch: u64, effect: Effect) {
        let (client, scope, metrics) = (self.client.clone(), Arc::clone(self.scope), self.metrics.clone());
        let (stop, send) = (self.stop.clone(), self.send.clone());
        let not_after = Instant::from_std(self.owned_at) + LEASE;
        let may_leave = move || Instant::now() < not_after && stop.allows();
        self.runtime.spawn(async move {
            let nothing = without_an_answer(&effect);
            let task = tokio::spawn(async move { perform(&client, &scope, &metrics, may_leave, effect).await });
            let input = task.await.unwrap_or_else(|_| {
                error!("A request to Heroku ended by a bug; it counts as not answered");
                nothing
            });
            if let Some(input) = input {
                // Nobody receives any more when the worker has ended; the log knows what was open.
                let _ = send.send(Message::Answer { epoch, input });
            }
        });
    }
}

/// What the engine hears of an effect that ended without telling what came of it.
fn without_an_answer(effect: &Effect) -> Option<Input> {
    match effect {
        Effect::AskAccount => None,
        Effect::Scan { .. } => Some(Input::ScanFailed),
        Effect::Read { lists, .. } => {
            let unread = |name: &String| Unread { what: name.clone(), why: "unavailable".to_owned() };
            Some(Input::Lists(lists.iter().map(|(list, name)| (*list, Err(unread(name)))).collect()))
        }
        Effect::Remove { case, grant, intent, .. } => {
            let answer = Answer {
                reply: Reply::NoAnswer,
                status: None,
                error_id: None,
                request_ids: None,
                sent_at: None,
                answered_at: clock::now(),
                retry_after_s: None,
            };
            Some(Input::Answered { case: *case, grant: *grant, intent: *intent, answer })
        }
    }
}

async fn perform(
    client: &Client,
    scope: &Scope,
    metrics: &Metrics,
    may_leave: impl FnOnce() -> bool,
    effect: Effect,
) -> Option<Input> {
    let stopped = |why: AccountStopped| {
        error!("Nothing is removed until somebody acts: {why}");
        Input::AccountStopped(why.code().to_owned())
    };
    match effect {
        Effect::AskAccount => match client.account(Lane::Urgent).await {
            Ok(account) => Some(Input::Account(account)),
            Err(CallError::Stopped(why)) => Some(stopped(why)),
            Err(why) => {
                warn!("Heroku did not say which account this is, asking again: {why}");
                None
            }
        },
        Effect::Scan { wanted, urgent } => Some(match client.scan(&wanted, scope, Lane::of(urgent)).await {
            Ok(scan) => Input::Scanned(Box::new(scan)),
            Err(why) => stopped(why),
        }),
        Effect::Read { lists, urgent } => Some(match client.read_lists(&lists, Lane::of(urgent)).await {
            Ok(lists) => Input::Lists(lists),
            Err(why) => stopped(why),
        }),
        Effect::Remove { case, grant, intent, removal, surface, urgent, traceparent } => {
            let lane = Lane::of(urgent);
            let span = case_span(case, "revoke", traceparent.as_deref());
            let context = trace::traceparent(&span, traceparent.as_deref());
            let answer = client.remove(&removal, may_leave, lane, context.as_deref()).instrument(span).await;
            metrics.removal_answered(surface, &answer.reply);
            Some(Input::Answered { case, grant, intent, answer })
        }
    }
}
