//! The worker's loop: wait for something, tell the engine, commit what it changed, then carry out what it asks for.
//!
//! Wanted: no request leaves before the turn that asks for it is committed; what is in memory is what the log says;
//! nothing in here waits for Heroku.
//!
//! Design: one thread owns the log and the engine. Requests run as tasks and come back as messages that carry the
//! epoch in which they were asked for. A commit that fails, or whose end is unknown, ends the epoch: the engine is
//! dropped and read back from the log, and messages of the old epoch are thrown away.
//!
//! Accepted: a process that is frozen between the look at the lease and the sending of a removal may, thawed after
//! its successor took over, repeat one DELETE within the request's time limit. It hits somebody only if they were
//! given the same access again in that window; only one of the two can commit a result.

mod carry;
mod refusal;
mod report;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::carry::Carrier;
use self::refusal::Refusal;
use crate::clock;
use crate::crash;
use crate::engine::budget::Lane;
use crate::engine::case::case_id;
use crate::engine::policy::Policy;
use crate::engine::{Effect, Engine, Input, Turn};
use crate::heroku::{Client, Gate, Scope};
use crate::kafka::{
    Batch, Change, Commands, CommitError, JoinError, KafkaSettings, Log, PollError, RECORDS_PER_POLL, RestoreError,
    Stop, TopicNames,
};
use crate::model::command::Standing;
use crate::model::event::Normalised;
use crate::model::outcome::{ExecutedBy, Mode};
use crate::model::{AccountId, Email};
use crate::status::{Role, Status};
use crate::telemetry::trace::{case_span, traceparent};
use crate::telemetry::{Metrics, TransactionEnd};
use crate::wire::{Keep, read_command};

/// How long nothing may happen before the engine looks at its clock.
const TICK: Duration = Duration::from_millis(50);

/// How long to wait before the log is read again after a failure.
const RESTORE_RETRY: Duration = Duration::from_secs(1);

/// How long to wait before a refused log is looked at again: it needs a human.
const REFUSED_RETRY: Duration = Duration::from_secs(30);

/// Everything that the worker needs.
pub struct Settings {
    /// How to reach the cluster.
    pub kafka: KafkaSettings,
    /// Our topics.
    pub topics: TopicNames,
    /// Name of this instance; a running twin is refused.
    pub instance: String,
    /// What the configuration demands.
    pub policy: Policy,
    /// Who carries it out, for the records.
    pub executed_by: ExecutedBy,
    /// The account that the token must act as; `None` = whichever it is.
    pub account: Option<Email>,
    /// What a scan covers.
    pub scope: Arc<Scope>,
    /// How much of a refused event goes to the dead letters.
    pub keep: Keep,
    /// How long a stop waits for removals on the wire.
    pub grace: Duration,
    /// Whether somebody paused.
    pub stop: Stop,
}

/// Why the worker ended.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// It could not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its consumer cannot go on.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The token acts as somebody else.
    #[error(
        "the token acts as another account ({found}) than heroku.account names; mount the token of that account, or name this one"
    )]
    WrongAccount {
        /// Its address, redacted.
        found: String,
        /// Its id.
        id: AccountId,
    },
}

/// What wakes the loop.
enum Message {
    /// There is something to poll.
    Kafka,
    /// A request came back.
    Answer { epoch: u64, input: Input },
}

/// The worker. [`Worker::run`] is its whole life.
pub struct Worker {
    settings: Settings,
    log: Log,
    client: Client,
    gate: Gate,
    runtime: Handle,
    metrics: Metrics,
    status: watch::Sender<Status>,
    send: Sender<Message>,
    receive: Receiver<Message>,

    engine: Option<Engine>,
    /// What people order, from where the engine's state has read it; present while the engine is.
    commands: Option<Commands>,
    epoch: u64,
    /// Behind the last event that was taken.
    position: i64,
    /// The position in the log; `None` = it must be written.
    committed: Option<i64>,
    restore_at: Option<Instant>,
    refused: Option<String>,
    reported: Option<Instant>,
    /// Since when there are too many open cases for another one.
    full_since: Option<Timestamp>,
}

impl Worker {
    /// Joins the group; another instance may be the active one for as long as it lives.
    ///
    /// # Errors
    /// When Kafka refuses the settings or does not answer.
    pub fn join(
        settings: Settings,
        client: Client,
        gate: Gate,
        runtime: Handle,
        metrics: Metrics,
        status: watch::Sender<Status>,
    ) -> Result<Self, JoinError> {
        let (send, receive) = channel();
        let wake = send.clone();
        let log = Log::join(&settings.kafka, &settings.topics, &settings.instance, move || {
            // The loop has ended when nobody receives; nothing to wake then.
            let _ = wake.send(Message::Kafka);
        })?;
        status.send_modify(|status| status.role = Role::Standby);
        Ok(Self {
            settings,
            log,
            client,
            gate,
            runtime,
            metrics,
            status,
            send,
            receive,
            engine: None,
            commands: None,
            epoch: 0,
            position: 0,
            committed: None,
            restore_at: None,
            refused: None,
            reported: None,
            full_since: None,
        })
    }

    /// Works until `stop`: then nothing more is started, what is on the wire is waited for, and the group is left.
    ///
    /// # Errors
    /// When it cannot go on; all it knew is in the log.
    pub fn run(mut self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let mut stopping: Option<Instant> = None;
        let ended = loop {
            if stop.is_cancelled() && stopping.is_none() {
                stopping = Some(Instant::now());
                if let Some(engine) = &mut self.engine {
                    engine.drain();
                }
                info!("Stopping: no new removal is started");
            }
            if let Some(since) = stopping {
                let on_the_wire = self.engine.as_ref().map_or(0, Engine::in_flight);
                if on_the_wire == 0 || since.elapsed() >= self.settings.grace {
                    if on_the_wire > 0 {
                        warn!("{on_the_wire} removals were not answered in time; the next start looks at their lists");
                    }
                    break Ok(());
                }
            }
            let inputs = self.wait();
            if let Err(end) = self.turn(inputs, stopping.is_some()) {
                break Err(end);
            }
            self.report(ended_role(self.engine.is_some()));
        };
        let left = self.settings.grace.saturating_sub(stopping.map_or(Duration::ZERO, |since| since.elapsed()));
        self.log.leave(left.max(Duration::from_secs(1)));
        ended
    }

    /// Waits for a message, at most a tick, and takes all that are there.
    fn wait(&mut self) -> Vec<Input> {
        let first = self.receive.recv_timeout(TICK).ok();
        let mut inputs = Vec::new();
        for message in first.into_iter().chain(self.receive.try_iter()) {
            match message {
                Message::Kafka => {}
                Message::Answer { epoch, input } if epoch == self.epoch => inputs.push(input),
                Message::Answer { .. } => {}
            }
        }
        inputs
    }

    fn turn(&mut self, inputs: Vec<Input>, stopping: bool) -> Result<(), WorkerError> {
        let room = self.room();
        let polled = self.log.poll_at_most(Duration::ZERO, room)?;
        if let Some(change) = polled.change {
            self.end_epoch();
            self.refused = None;
            self.restore_at = (change == Change::Assigned && !stopping).then(Instant::now);
        }
        if self.restore_at.is_some_and(|due| due <= Instant::now()) && !stopping {
            self.restore();
            return Ok(());
        }
        if self.engine.is_none() {
            return Ok(());
        }
        let mut refusals = Vec::new();
        let now = clock::now();
        for input in inputs {
            if let Input::Answered { .. } = &input {
                crash::point("answered");
            }
            if let Input::Account(account) = &input {
                self.check_account(account.id, &account.email)?;
            }
            self.handle(now, input);
        }
        for record in polled.records {
            self.position = record.offset + 1;
            match serde_json::from_slice::<Normalised>(&record.value) {
                Ok(mut normalised) => {
                    let case = case_id(&normalised.event.source);
                    let span = case_span(case, "accept", normalised.traceparent.as_deref());
                    normalised.traceparent = traceparent(&span, normalised.traceparent.as_deref());
                    span.in_scope(|| self.handle(now, Input::Event(Box::new(normalised))));
                }
                Err(why) => refusals.push(self.refuse_event(&record, &why)),
            }
        }
        for record in self.commands.as_ref().map(Commands::take).unwrap_or_default() {
            let offset = record.offset;
            match read_command(record.value.as_deref()) {
                Ok(command) => {
                    info!(offset, "Command taken: {}", command.act.as_str());
                    self.handle(now, Input::Command { offset, command });
                }
                Err(why) => {
                    refusals.push(self.refuse_command(&record, &why));
                    self.handle(now, Input::CommandRefused { offset });
                }
            }
        }
        let may_remove = self.standing() == Standing::Running;
        let Some(engine) = &mut self.engine else { return Ok(()) };
        engine.advance(now);
        let (urgent, normal) = if may_remove { engine.ready() } else { (0, 0) };
        let granted_urgent = self.gate.try_reserve(Lane::Urgent, urgent);
        let granted_normal = self.gate.try_reserve(Lane::Normal, normal);
        engine.intend(now, granted_urgent, granted_normal);
        let turn = engine.take_turn();
        let removals = turn.effects.iter().filter(|effect| matches!(effect, Effect::Remove { .. })).count();
        let left = granted_urgent + granted_normal - removals.min(granted_urgent + granted_normal);
        if left > 0 {
            self.gate.give_back(left);
        }
        self.commit_and_carry_out(turn, refusals);
        Ok(())
    }

    /// How many events may be taken now. Once there is no room for another case, none is taken until there is some for
    /// several: letting the events flow again costs a fetch.
    fn room(&mut self) -> usize {
        let Some(engine) = &self.engine else { return RECORDS_PER_POLL };
        let (room, limit) = (engine.room(), self.settings.policy.max_open_cases);
        match self.full_since {
            None if room == 0 => {
                self.full_since = Some(clock::now());
                warn!("No event is read until some of the open cases have ended: limit {limit} (limits.open_cases)");
            }
            Some(_) if room >= (limit / 20).max(1) => {
                self.full_since = None;
                info!("Events are read again: room for {room} of {limit} open cases (limits.open_cases)");
            }
            Some(_) | None => {}
        }
        if self.full_since.is_some() { 0 } else { room }
    }

    /// Whether removals may be sent: by what is on the commands topic now, and by what the state remembers of it.
    fn standing(&self) -> Standing {
        match self.settings.stop.standing() {
            Standing::Running => {
                self.engine.as_ref().and_then(Engine::paused).cloned().map_or(Standing::Running, Standing::Paused)
            }
            stopped @ (Standing::Paused(_) | Standing::OutOfDate) => stopped,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) {
        if let Input::Answered { case, answer, .. } = &input {
            info!(case_id = %case, reply = ?answer.reply, status = answer.status, "Removal answered");
        }
        if let Some(engine) = &mut self.engine {
            engine.handle(now, input);
        }
    }

    /// Refuses to act as anybody but the configured account.
    fn check_account(&self, id: AccountId, email: &Email) -> Result<(), WorkerError> {
        match &self.settings.account {
            Some(expected) if expected != email => Err(WorkerError::WrongAccount { found: email.to_string(), id }),
            Some(_) | None => Ok(()),
        }
    }

    fn commit_and_carry_out(&mut self, turn: Turn, refusals: Vec<Refusal>) {
        // The commit proves that we are the owner by when the broker made it, not by when we hear of it.
        let began = Instant::now();
        let moved = self.committed != Some(self.position);
        if !(turn.state.is_empty() && turn.outcomes.is_empty() && refusals.is_empty() && !moved) {
            let removals = turn.effects.iter().filter(|effect| matches!(effect, Effect::Remove { .. })).count();
            let batch = Batch {
                label: turn.label,
                position: self.position,
                state: turn.state,
                outcomes: turn.outcomes.iter().map(|record| report::outgoing(&self.settings.topics, record)).collect(),
                dead_letters: refusals.iter().map(|refusal| refusal.letter.clone()).collect(),
            };
            match self.log.commit(&batch) {
                Ok(()) => {
                    self.metrics.transaction(turn.label, TransactionEnd::Committed, began.elapsed());
                    self.committed = Some(self.position);
                    report::count_sent(&self.metrics, &self.settings.topics, &batch);
                    report::tell(&self.metrics, &turn.outcomes);
                    refusals.iter().for_each(|refusal| self.metrics.dead_letters(refusal.source, 1));
                }
                Err(why) => {
                    if let Some(end) = report::end_of(&why) {
                        self.metrics.transaction(turn.label, end, began.elapsed());
                    }
                    self.gate.give_back(removals);
                    self.rebuild(&why);
                    return;
                }
            }
        }
        let carrier = Carrier {
            runtime: &self.runtime,
            client: &self.client,
            scope: &self.settings.scope,
            metrics: &self.metrics,
            stop: &self.settings.stop,
            send: &self.send,
            owned_at: began,
        };
        turn.effects.into_iter().for_each(|effect| carrier.carry_out(self.epoch, effect));
    }

    fn rebuild(&mut self, why: &CommitError) {
        warn!("A turn was not committed, the state is read again: {}", chain(why));
        self.end_epoch();
        if self.log.is_assigned() {
            self.restore_at = Some(Instant::now() + Duration::from_millis(100));
        }
    }

    /// Forgets everything: it is in the log, and what is still on its way belongs to the past.
    fn end_epoch(&mut self) {
        self.epoch += 1;
        self.engine = None;
        self.full_since = None;
        self.commands = None;
        self.committed = None;
        self.restore_at = None;
    }

    fn restore(&mut self) {
        let began = Instant::now();
        let retry = |after: Duration| Some(Instant::now() + after);
        match self.log.restore() {
            Ok(restored) => {
                for note in &restored.notes {
                    warn!("{note}");
                }
                let records = restored.records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
                match Engine::restore(
                    self.settings.policy.clone(),
                    self.settings.executed_by.clone(),
                    records,
                    clock::now(),
                ) {
                    Ok(engine) => {
                        self.commands = Some(self.follow_commands(&engine));
                        self.engine = Some(engine);
                        self.position = restored.position;
                        // What somebody accepted is written down in the first turn, so that it is not asked for again.
                        self.committed = (!restored.accepted).then_some(restored.position);
                        self.restore_at = None;
                        self.refused = None;
                        self.metrics.restored(began.elapsed());
                        self.remind_of_plans();
                    }
                    Err(why) => {
                        error!("The state cannot be read: {}", chain(&why));
                        self.refused = Some(chain(&why));
                        self.restore_at = retry(REFUSED_RETRY);
                    }
                }
            }
            Err(why @ (RestoreError::Kafka(_) | RestoreError::NotAssigned | RestoreError::Scan(_))) => {
                warn!("The state could not be read, trying again: {}", chain(&why));
                self.restore_at = self.log.is_assigned().then(|| Instant::now() + RESTORE_RETRY);
            }
            Err(
                why @ (RestoreError::Hanging { .. }
                | RestoreError::HangingOffset { .. }
                | RestoreError::StateLost { .. }
                | RestoreError::Gap { .. }
                | RestoreError::Truncated { .. }
                | RestoreError::Position { .. }),
            ) => {
                error!("Nothing is done until somebody decides: {}", chain(&why));
                self.refused = Some(chain(&why));
                self.restore_at = retry(REFUSED_RETRY);
            }
        }
    }

    fn follow_commands(&self, engine: &Engine) -> Commands {
        let wake = self.send.clone();
        Commands::follow(&self.settings.kafka, &self.settings.topics, engine.commands_position(), move || {
            // The loop has ended when nobody receives; nothing to wake then.
            let _ = wake.send(Message::Kafka);
        })
    }

    /// Whoever observed first, and enforces now, still has people with access whom nobody will remove by himself.
    fn remind_of_plans(&self) {
        let planned = self.engine.as_ref().map_or(0, |engine| engine.census().planned);
        if planned > 0 && self.settings.policy.mode == Mode::Enforce {
            info!("{planned} planned cases had access on Heroku when they were made; `cases enforce` has it removed");
        }
    }
}

fn ended_role(active: bool) -> Role {
    if active { Role::Active } else { Role::Standby }
}

/// An error with everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
