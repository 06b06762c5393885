//! `pause`, as every instance reads it: past the worker and its queues, and only trusted while it is fresh.
//!
//! Wanted: no removal is sent once a pause can be read; none is sent by an instance that could have missed one.
//!
//! Design: one thread reads the commands topic from its beginning, everything in it, committed or not. Each second it
//! asks for the topic's end. When its position has reached that end, it had seen all that was there at the moment of
//! the question, and it says so with that moment. Whoever asks compares the moment with the clock, so a reader that
//! is stuck, frozen or dead counts as out of date without doing anything for it.
//!
//! Accepted: a pause takes as long to arrive as one fetch, and a removal that has been handed to the connection by
//! then is not called back.

use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::context::Plain;
use super::names::{PARTITION, TopicNames};
use super::scan;
use super::settings::KafkaSettings;
use crate::model::command::{Act, Pause, Standing};
use crate::wire::read_command;

/// Older than this, what is known of the topic's end proves nothing.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// How often the end is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long one look at the topic waits.
const LOOK: Duration = Duration::from_millis(100);
/// Pause before reading begins anew after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether removals may be sent, to be asked anywhere at any time.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Seen>);

/// What was read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    /// By the last command that pauses or resumes.
    pause: Option<Pause>,
    /// Then the topic held nothing that was not read; `None` = its end was never reached.
    complete_at: Option<Instant>,
}

/// The thread's part of [`Stop`]: its whole life is [`StopReader::run`].
#[derive(Debug)]
pub struct StopReader {
    settings: KafkaSettings,
    topic: String,
    seen: watch::Sender<Seen>,
    /// As it was last told in the log.
    told: Standing,
}

impl Stop {
    /// A reader and what it says. Until it has reached the end of the topic, nothing may be sent.
    pub fn read_by(settings: &KafkaSettings, names: &TopicNames) -> (StopReader, Self) {
        let (seen, watched) = watch::channel(Seen::default());
        let reader =
            StopReader { settings: settings.clone(), topic: names.commands.clone(), seen, told: Standing::OutOfDate };
        (reader, Self(watched))
    }

    /// What holds now.
    pub fn standing(&self) -> Standing {
        standing(&self.0.borrow(), Instant::now())
    }

    /// Whether a removal may be sent now.
    pub fn allows(&self) -> bool {
        self.standing() == Standing::Running
    }
}

fn standing(seen: &Seen, now: Instant) -> Standing {
    let fresh = seen.complete_at.is_some_and(|at| now.duration_since(at) < FRESH_FOR);
    match (&seen.pause, fresh) {
        (_, false) => Standing::OutOfDate,
        (Some(pause), true) => Standing::Paused(pause.clone()),
        (None, true) => Standing::Running,
    }
}

impl StopReader {
    /// Reads until `end`. Outages are waited out.
    pub fn run(mut self, end: &CancellationToken) {
        while !end.is_cancelled() {
            if let Err(why) = self.read(end) {
                info!("{} is read anew: {why}", self.topic);
                self.tell();
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// One reading from the beginning on.
    fn read(&mut self, end: &CancellationToken) -> KafkaResult<()> {
        let reader: BaseConsumer<Plain> = self.settings.uncommitted_reader("stop").create_with_context(Plain)?;
        let (low, _) = reader.fetch_watermarks(&self.topic, PARTITION, ANSWER_WITHIN)?;
        scan::assign(&reader, &self.topic, PARTITION, Offset::Offset(low))?;
        let mut pause = None;
        let mut caught_up = false;
        let mut next = low;
        let mut asked: Option<Instant> = None;
        let mut goal: Option<Goal> = None;
        while !end.is_cancelled() {
            if asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
                // Before the question: what is written while it is on its way need not be in the answer.
                let at = Instant::now();
                asked = Some(at);
                match reader.fetch_watermarks(&self.topic, PARTITION, ANSWER_WITHIN) {
                    Ok((_, high)) if high < next => {
                        warn!("{} ends at offset {high}, before {next}: read from its beginning", self.topic);
                        return Ok(());
                    }
                    Ok((low, high)) => goal = Some(Goal { at, low, high }),
                    Err(why) => debug!("The end of {} is not known: {why}", self.topic),
                }
            }
            match reader.poll(LOOK) {
                Some(Ok(record)) => {
                    next = record.offset() + 1;
                    if let Some(found) = order(&record) {
                        pause = found;
                        // A pause counts at once. A resume may be an old one, until this reading has seen everything.
                        if pause.is_some() || caught_up {
                            self.seen.send_modify(|seen| seen.pause.clone_from(&pause));
                        }
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Markers of transactions are passed here; they are never delivered.
                    next = scan::position(&reader)?.map_or(next, |position| position.max(next));
                }
                Some(Err(why)) if scan::is_final(&reader, &why) => return Err(why),
                Some(Err(why)) => debug!("Reading {}: {why}", self.topic),
                None => {}
            }
            if let Some(reached) = goal.take_if(|goal| next.max(goal.low) >= goal.high) {
                caught_up = true;
                self.seen.send_replace(Seen { pause: pause.clone(), complete_at: Some(reached.at) });
            }
            self.tell();
        }
        Ok(())
    }

    /// One line for each change.
    fn tell(&mut self) {
        let standing = standing(&self.seen.borrow(), Instant::now());
        if standing == self.told {
            return;
        }
        match (&standing, &self.told) {
            (Standing::Paused(pause), _) => {
                warn!(ordered_at = %pause.at, "Paused: no removal is sent; /statusz says by whom and why");
            }
            (Standing::OutOfDate, _) => {
                error!("{} cannot be read to its end: no removal is sent, somebody may have paused", self.topic);
            }
            (Standing::Running, Standing::Paused(_)) => info!("Resumed: removals are sent again"),
            (Standing::Running, Standing::OutOfDate | Standing::Running) => {
                info!("{} is read to its end: nobody has paused, removals may be sent", self.topic);
            }
        }
        self.told = standing;
    }
}

/// The end of the topic as it was at a moment.
struct Goal {
    at: Instant,
    /// Before it there is nothing any more.
    low: i64,
    high: i64,
}

/// What a record says about pausing; `None` = nothing. A record that nobody can read says nothing.
fn order(record: &BorrowedMessage<'_>) -> Option<Option<Pause>> {
    let command = read_command(record.payload()).ok()?;
    match &command.act {
        Act::Pause => Some(Some(Pause::of(&command))),
        Act::Resume => Some(None),
        Act::Approve { .. }
        | Act::Enforce { .. }
        | Act::Cancel { .. }
        | Act::Retry { .. }
        | Act::ReplayDeadLetter { .. }
        | Act::AcceptState { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause() -> Pause {
        Pause { by: "mara".to_owned(), why: "HR-1".to_owned(), at: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_was_read_counts_for_five_seconds() {
        let at = Instant::now();
        let seen = Seen { pause: None, complete_at: Some(at) };
        assert_eq!(standing(&seen, at + FRESH_FOR - Duration::from_millis(1)), Standing::Running);
        assert_eq!(standing(&seen, at + FRESH_FOR), Standing::OutOfDate);
        let seen = Seen { pause: Some(pause()), complete_at: Some(at) };
        assert_eq!(standing(&seen, at), Standing::Paused(pause()));
    }

    #[test]
    fn before_the_end_was_reached_nothing_may_be_sent() {
        assert_eq!(standing(&Seen::default(), Instant::now()), Standing::OutOfDate);
        let (reader, stop) = Stop::read_by(&KafkaSettings::plaintext("127.0.0.1:9"), &TopicNames::new("t."));
        assert!(!stop.allows());
        reader.seen.send_replace(Seen { pause: None, complete_at: Some(Instant::now()) });
        assert!(stop.allows());
        drop(reader);
        assert!(stop.allows(), "what was seen outlives the reader, for as long as it is fresh");
    }
}
