//! The commands topic as the worker reads it: from the offset that its state has seen, on a thread of its own, so that
//! the turn never waits for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

use super::names::TopicNames;
use super::reader::{Follower, ReadError, Since, TopicRecord};
use super::settings::KafkaSettings;

/// Records that lie ready at most; the thread waits until the worker has taken them.
const READY_MAX: usize = 64;
/// How long one look at the topic waits.
const LOOK: Duration = Duration::from_millis(100);
/// Pause before reading begins anew after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// The commands from an offset on. Dropped, it stops reading.
pub struct Commands {
    records: Receiver<TopicRecord>,
    _reading: DropGuard,
}

/// The thread's part.
struct Reading {
    settings: KafkaSettings,
    topic: String,
    records: SyncSender<TopicRecord>,
    end: CancellationToken,
}

impl Commands {
    /// Reads from `position` on, or everything that is there. `wake` is called when there is something to take.
    /// Outages are waited out.
    pub fn follow(
        settings: &KafkaSettings,
        names: &TopicNames,
        position: Option<i64>,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let (sender, records) = sync_channel(READY_MAX);
        let end = CancellationToken::new();
        let reading =
            Reading { settings: settings.clone(), topic: names.commands.clone(), records: sender, end: end.clone() };
        std::thread::spawn(move || {
            let mut position = position;
            while !reading.end.is_cancelled() {
                if let Err(why) = reading.read(&mut position, &wake) {
                    warn!("Commands cannot be read, trying again: {why}");
                    std::thread::sleep(PAUSE);
                }
            }
        });
        Self { records, _reading: end.drop_guard() }
    }

    /// What lies ready, in order.
    pub fn take(&self) -> Vec<TopicRecord> {
        self.records.try_iter().take(READY_MAX).collect()
    }
}

impl Reading {
    fn read(&self, position: &mut Option<i64>, wake: &impl Fn()) -> Result<(), ReadError> {
        let since = position.map_or(Since::Beginning, Since::Offset);
        let follower = Follower::open(&self.settings, &self.topic, since)?;
        if let Some(position) = *position
            && follower.end() < position
        {
            error!(
                "{} ends at offset {}, but commands up to {position} were seen: the topic was made anew, and what is \
                 ordered is passed over until its offsets are past that; begin again under a new kafka.prefix",
                self.topic,
                follower.end()
            );
        }
        while !self.end.is_cancelled() {
            let Some(record) = follower.next(LOOK)? else { continue };
            let next = record.offset + 1;
            if self.records.send(record).is_err() {
                return Ok(());
            }
            *position = Some(next);
            wake();
        }
        Ok(())
    }
}
