//! Look-ups: directories that may know the addresses of people whom events name by an id alone.
//!
//! What an answer is worth:
//!
//! * A whole user, with the very id that was asked for: their addresses. They are kept for some minutes, for the next
//!   event about the same person.
//! * 404 in the directory's own words: it knows nobody of that id. That counts for the record that asked, and is not kept.
//! * Anything else says nothing about the person: no connection, 401, 403, 429, 5xx, HTML, a redirect, the 404 of a proxy
//!   or of a wrong path, another person's record. The directory is asked again, less and less often, and the record waits.

mod client;
mod completion;
mod google;
mod graph;
mod okta;
mod scim;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{info, warn};

pub use self::client::LookupError;
use self::client::{Client, NoAnswer};
pub use self::completion::{End, complete};
use crate::config::{Lookup, LookupKind};
use crate::engine::retry::RetryPolicy;
use crate::model::Email;
use crate::model::event::{Address, AddressKind, Subject};
use crate::trouble::Trouble;

/// When a directory that gave no usable answer is asked again.
const RETRY: RetryPolicy = RetryPolicy { first: SignedDuration::from_secs(1), most: SignedDuration::from_secs(30) };

/// How many requests are under way at once.
const AT_ONCE: usize = 4;

/// How long the addresses of a person count, and of how many people they are kept.
const KEPT_FOR: Duration = Duration::from_mins(5);
const KEPT_MAX: usize = 1_000;

/// Longest login that is taken over, in characters.
const LOGIN_MAX: usize = 256;

/// One directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    name: String,
    api: &'static Api,
    client: Client,
    runtime: Handle,
    at_once: Semaphore,
    kept: Mutex<BTreeMap<PersonRef, (Told, Instant)>>,
    /// So long it asked to be left alone.
    quiet_until: Mutex<Option<Instant>>,
}

/// What one kind of directory is asked, and how it answers.
struct Api {
    /// System and type by which events name its ids.
    names: (&'static str, &'static str),
    /// Whether a text is an id that it may be asked for: a closed list of characters, and a length.
    is_id: fn(&str) -> bool,
    /// How a token stands in a request.
    scheme: &'static str,
    accept: &'static str,
    /// Where a person is looked for; each next one when the one before knows nobody. The id is the last step.
    places: &'static [Place],
    /// What an answer tells of the person who was asked for.
    read: fn(&[u8], &str) -> Result<Answer, &'static str>,
    /// Whether the body of a 404 is its word that it knows nobody.
    knows_nobody: fn(&[u8]) -> bool,
    /// A question that needs the same right and no id.
    probe: Place,
    /// The member that the answer to it has.
    probe_has: &'static str,
}

/// A path below the directory's address, and a query.
struct Place {
    steps: &'static [&'static str],
    query: &'static [(&'static str, &'static str)],
}

/// An id that a directory may be asked for. Only [`Directory::question`] makes one, and it looks at every character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonRef(String);

/// What a directory says about an id.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The person, as it knows them.
    Person(Told),
    /// It knows nobody.
    Nobody,
}

/// What a directory tells of a person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// Addresses; one that is not plain is left out.
    pub emails: Vec<Address>,
    /// User names.
    pub logins: Vec<String>,
}

/// The answers to all questions of one record.
pub type Answers = BTreeMap<PersonRef, Answer>;

impl Api {
    fn of(kind: LookupKind) -> &'static Self {
        match kind {
            LookupKind::Scim => &scim::API,
            LookupKind::Okta => &okta::API,
            LookupKind::Graph => &graph::API,
            LookupKind::Google => &google::API,
        }
    }
}

impl Told {
    /// Adds an address, unless it is there already, or is none.
    fn address(&mut self, text: &str, kind: AddressKind, primary: Option<bool>) {
        let Ok(value) = Email::parse(text) else { return };
        if !self.emails.iter().any(|known| known.value == value) {
            self.emails.push(Address { value, kind, primary });
        }
    }

    /// Adds a user name.
    fn login(&mut self, text: Option<String>) {
        let plain = |text: &String| text.chars().count() <= LOGIN_MAX && !text.chars().any(char::is_control);
        self.logins.extend(text.filter(|text| !text.is_empty()).filter(plain));
    }
}

impl Directory {
    /// A directory of the configuration; nothing is asked yet.
    ///
    /// # Errors
    /// When its certificates cannot be read, or no client can be made.
    pub fn new(name: &str, settings: &Lookup, runtime: Handle) -> Result<Self, LookupError> {
        let api = Api::of(settings.kind);
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            api,
            client: Client::new(name, settings, api)?,
            runtime,
            at_once: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
            quiet_until: Mutex::default(),
        })))
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What to ask to learn the addresses of a person: the one id that they have in this directory, or else the one by
    /// which the source knows them. `None` = they have none that it may be asked for.
    pub fn question(&self, subject: &Subject) -> Option<PersonRef> {
        let (system, kind) = self.0.api.names;
        let mut ids = subject.external_ids.iter().filter(|id| id.system == system && id.r#type == kind);
        let id = match (ids.next(), ids.next()) {
            (Some(id), None) => id.value.as_str(),
            (None, _) => subject.person_key.0.splitn(3, ':').nth(2)?,
            // Which of them it is would be a guess.
            (Some(_), Some(_)) => return None,
        };
        (self.0.api.is_id)(id).then(|| PersonRef(id.to_owned()))
    }

    /// Begins to ask, and goes on until every question has its answer, or nobody wants it any more. `true` = the person is
    /// asked for anew, because something has changed.
    pub fn ask_for(&self, questions: BTreeMap<PersonRef, bool>) -> Errand {
        let progress = Arc::new(Progress::default());
        let (directory, seen) = (self.clone(), Arc::clone(&progress));
        let task = self.0.runtime.spawn(async move {
            let asked = questions.into_iter().map(|(id, anew)| {
                let (directory, progress) = (directory.clone(), Arc::clone(&seen));
                async move { directory.answer(id, anew, &progress).await }
            });
            let answers = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
            let _ = seen.answers.set(Arc::new(answers));
        });
        Errand { progress, task: task.abort_handle() }
    }

    /// Whether it answers, and takes the token.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), String> {
        self.0.client.probe().await.map_err(|no_answer| no_answer.why)
    }

    /// Asks every question once; for one that is answered by nothing usable, why.
    ///
    /// # Errors
    /// As [`probe`](Self::probe).
    pub async fn ask(&self, questions: impl IntoIterator<Item = PersonRef>) -> Result<Answers, String> {
        let mut answers = Answers::new();
        for id in questions {
            let answer = self.0.client.ask(&id).await.map_err(|no_answer| no_answer.why)?;
            answers.insert(id, answer);
        }
        Ok(answers)
    }

    async fn answer(&self, id: PersonRef, anew: bool, progress: &Progress) -> (PersonRef, Answer) {
        if let Some(told) = self.kept(&id).filter(|_| !anew) {
            return (id, Answer::Person(told));
        }
        let mut failures = 0;
        loop {
            let answer = {
                let _permit = self.0.at_once.acquire().await;
                // Nobody else is to ask meanwhile.
                while let Some(rest) = self.quiet_for() {
                    tokio::time::sleep(rest).await;
                }
                self.0.client.ask(&id).await
            };
            let NoAnswer { why, asked } = match answer {
                Ok(answer) => {
                    if let Answer::Person(told) = &answer {
                        self.keep(&id, told);
                    }
                    if progress.ends(failures > 0) {
                        info!("Look-up {} answers again", self.0.name);
                    }
                    return (id, answer);
                }
                Err(no_answer) => no_answer,
            };
            failures += 1;
            if progress.fails(format!("look-up {}: {why}", self.0.name), failures == 1) {
                warn!("Look-up {}: {why}; the record waits, and it is asked again", self.0.name);
            }
            if let Some(asked) = asked {
                *locked(&self.0.quiet_until) = Some(Instant::now() + asked.unsigned_abs());
            }
            tokio::time::sleep(RETRY.delay(failures, 0, asked).unsigned_abs()).await;
        }
    }

    fn kept(&self, id: &PersonRef) -> Option<Told> {
        locked(&self.0.kept).get(id).filter(|(_, at)| at.elapsed() < KEPT_FOR).map(|(told, _)| told.clone())
    }

    fn keep(&self, id: &PersonRef, told: &Told) {
        let mut kept = locked(&self.0.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(id.clone(), (told.clone(), Instant::now()));
    }

    /// How long it still is to be left alone.
    fn quiet_for(&self) -> Option<Duration> {
        let until = (*locked(&self.0.quiet_until))?;
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({})", self.0.name)
    }
}

/// The questions of one record, under way. Who drops it gives it up.
#[derive(Debug)]
pub struct Errand {
    progress: Arc<Progress>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Progress {
    answers: OnceLock<Arc<Answers>>,
    /// Why some of the questions have no answer, and how many.
    failing: Mutex<Option<(Trouble, usize)>>,
}

impl Errand {
    /// The answers, once all are there. Never blocks.
    pub fn answers(&self) -> Option<Arc<Answers>> {
        self.progress.answers.get().cloned()
    }

    /// Why they are not there; `None` = they will be in a moment.
    pub fn trouble(&self) -> Option<Trouble> {
        locked(&self.progress.failing).as_ref().map(|(trouble, _)| trouble.clone())
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Progress {
    /// Notes that a question got no answer, for the `first` time or once more; whether that is the first of all.
    fn fails(&self, why: String, first: bool) -> bool {
        let mut failing = locked(&self.failing);
        let before = failing.as_ref().map(|(trouble, _)| trouble);
        let trouble = Trouble::after(before, why);
        let others = failing.as_ref().map_or(0, |(_, failing)| *failing);
        *failing = Some((trouble, others + usize::from(first)));
        first && others == 0
    }

    /// Notes that a question has its answer, after it had `failed` or not; whether none fails any more that did.
    fn ends(&self, failed: bool) -> bool {
        let mut failing = locked(&self.failing);
        let Some((_, count)) = failing.as_mut().filter(|_| failed) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            *failing = None;
        }
        last
    }
}

/// Nothing can stop half-way while one of these is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
