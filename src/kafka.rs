//! Everything that knows Kafka. The rest of the service sees records, positions and batches.
//!
//! What must hold, whatever dies and whenever:
//!
//! * The committed position of `events` means *durably accepted*: it moves only in a transaction that also holds the
//!   trace of every record before it ([`log`]).
//! * Memory is the fold of committed records. A commit that failed or whose end is unknown costs the worker its
//!   memory: it is rebuilt from the log, never repaired.
//! * Two fences stand in every transaction: the transactional id, which the next owner's `init_transactions` takes
//!   away, and the group generation, which the broker checks when the position is sent. Each alone has a hole: the
//!   broker checks membership, not who owns the partition; and until the next owner has initialised, the id fences
//!   nobody.
//! * `pos` in the state topic is the truth about the position; the group's offset is a copy to compare with.
//! * The intake is no transaction: it may repeat an element, never lose one. The worker recognises the repetition.
//!
//! The log is used by one thread only. The rebalance callback runs inside that thread's own poll, and no transaction is
//! ever open across a poll, so a callback never meets one. [`commands`], [`stop`] and each [`intake`] have threads of
//! their own.

pub mod commands;
pub mod embedded;
pub mod examine;
pub mod intake;
pub mod log;
pub mod names;
pub mod reader;
pub mod send;
pub mod settings;
pub mod stop;
pub mod topics;

mod context;
mod delivery;
mod denial;
mod digest;
mod native;
mod rejoin;
mod restore;
mod scan;
mod silence;
mod writer;

pub use commands::Commands;
pub use denial::is_denied;
pub use digest::record_sha256;
pub use embedded::Embedded;
pub use intake::{Intake, IntakeError, IntakeSource};
pub use log::{
    Batch, Change, CommitError, EventRecord, JoinError, Log, OutgoingRecord, PollError, Polled, RECORDS_PER_POLL,
};
pub use names::TopicNames;
pub use reader::{Follower, ReadError, Since, TopicRecord, find, latest, record_at};
pub use restore::{POSITION_KEY, RestoreError, Restored, refusal};
pub use scan::ScanError;
pub use send::{SendError, send};
pub use settings::KafkaSettings;
pub use silence::Silence;
pub use stop::{Stop, StopReader};
