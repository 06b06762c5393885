//! The keys of those who sign tokens: read from the web or from a file, kept for a while, read again when a token needs it.
//!
//! * Whoever reads records never waits here: the answer is the keys, or *later*.
//! * A key that is not there is not yet wrong: it may be new. It is wrong once the keys were read since the token came.
//! * Keys that cannot be read are unknown, not empty. There are no redirects and no retries but the next attempt, and none
//!   comes sooner than the pause.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::clock;
use crate::config::Source;
use crate::sources::Format;
use crate::sources::token::{KEY_SET_BYTES_MAX, KeySet, KeySetError};
use crate::trouble::Trouble;
use crate::web::{self, ClientError};

/// How long keys count once they were read: so long a withdrawn key may still be believed.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How far a broker's or a producer's clock may be behind ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(1);

/// For the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The keys of one source's issuer. Clones share them.
#[derive(Debug, Clone)]
pub struct Keyring(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The source's name.
    source: String,
    reader: Reader,
    runtime: Handle,
    /// The least time between the beginnings of two readings.
    pause: SignedDuration,
    state: Mutex<State>,
}

/// Where keys are.
#[derive(Debug)]
enum At {
    File(PathBuf),
    Url(String),
}

#[derive(Debug)]
struct Reader {
    at: At,
    http: reqwest::Client,
}

#[derive(Debug, Default)]
struct State {
    /// With the beginning of the reading that they come from.
    keys: Option<(Arc<KeySet>, Timestamp)>,
    /// The beginning of the last reading, whatever came of it.
    tried_at: Option<Timestamp>,
    reading: bool,
    /// The last reading failed.
    trouble: Option<Trouble>,
}

/// Why keys could not be read.
#[derive(Debug, Error)]
pub enum KeysUnread {
    /// TLS cannot be set up.
    #[error("no HTTP client; is a bundle of CA certificates installed (package ca-certificates)?")]
    Client(#[source] ClientError),
    /// No answer, or not all of it.
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    /// An answer of another kind.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The file is not there, or not for us.
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    /// Longer than any key set.
    #[error("longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// Something else than keys.
    #[error(transparent)]
    NoKeys(#[from] KeySetError),
}

/// The keys of a source, read at once: for a command, which may wait. `None` = it needs none.
///
/// # Errors
/// When they cannot be read.
pub async fn read_once(source: &Source) -> Result<Option<KeySet>, KeysUnread> {
    match At::of(source) {
        Some(at) => Reader::new(at)?.read().await.map(Some),
        None => Ok(None),
    }
}

impl Keyring {
    /// The keys of a configured source; `None` = it needs none.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn of(source: &Source, pause: SignedDuration, runtime: Handle) -> Result<Option<Self>, KeysUnread> {
        let Some(at) = At::of(source) else { return Ok(None) };
        Self::new(source.name.clone(), at, pause, runtime).map(Some)
    }

    fn new(source: String, at: At, pause: SignedDuration, runtime: Handle) -> Result<Self, KeysUnread> {
        let (reader, state) = (Reader::new(at)?, Mutex::default());
        Ok(Self(Arc::new(Inner { source, reader, runtime, pause, state })))
    }

    /// The keys to check a token with that names the key `kid`; `None` = later. The token came at `arrived_at`, as its
    /// record says, and was first looked at at `seen_at`.
    pub fn keys(&self, kid: &str, arrived_at: Option<Timestamp>, seen_at: Timestamp) -> Option<Arc<KeySet>> {
        let now = clock::now();
        let mut state = self.0.state();
        if let Some((keys, read_at)) = &state.keys
            && now.duration_since(*read_at) < FRESH_FOR
        {
            let since_it_came = *read_at >= seen_at
                || arrived_at.is_some_and(|arrived_at| read_at.duration_since(arrived_at) >= CLOCK_SKEW);
            if keys.has(kid) || since_it_came {
                return Some(Arc::clone(keys));
            }
        }
        let rested = state.tried_at.is_none_or(|tried_at| now.duration_since(tried_at) >= self.0.pause);
        if rested && !state.reading {
            state.reading = true;
            state.tried_at = Some(now);
            let inner = Arc::clone(&self.0);
            self.0.runtime.spawn(async move { inner.read_anew(now).await });
        }
        None
    }

    /// Why they cannot be read; `None` = they can be, or were not needed.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.state().trouble.clone()
    }
}

impl Inner {
    async fn read_anew(&self, began: Timestamp) {
        let read = self.reader.read().await;
        let mut state = self.state();
        state.reading = false;
        match read {
            Ok(keys) => {
                info!(source = self.source, "The issuer's keys were read");
                state.keys = Some((Arc::new(keys), began));
                state.trouble = None;
            }
            Err(why) => {
                let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}")).unwrap_or_default();
                let why = format!("the issuer's keys cannot be read: {why}{cause}");
                if state.trouble.is_none() {
                    warn!(source = self.source, "Tokens wait, and it is tried again: {why}");
                }
                state.trouble = Some(Trouble::after(state.trouble.as_ref(), why));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl At {
    fn of(source: &Source) -> Option<Self> {
        match (source.format, source.pre_verified, &source.jwks_url, &source.jwks_file) {
            (Format::Set, false, Some(url), _) => Some(Self::Url(url.clone())),
            (Format::Set, false, None, Some(file)) => Some(Self::File(file.clone())),
            _ => None,
        }
    }
}

impl Reader {
    fn new(at: At) -> Result<Self, KeysUnread> {
        let http = web::client(TIMEOUT, None).map_err(KeysUnread::Client)?;
        Ok(Self { at, http })
    }

    async fn read(&self) -> Result<KeySet, KeysUnread> {
        let bytes = match &self.at {
            At::File(path) => tokio::fs::read(path).await.map_err(KeysUnread::File)?,
            At::Url(url) => self.fetch(url).await?,
        };
        if bytes.len() > KEY_SET_BYTES_MAX {
            return Err(KeysUnread::TooLong);
        }
        Ok(KeySet::parse(&bytes)?)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, KeysUnread> {
        // The address may hold a secret.
        let failed = |error: reqwest::Error| KeysUnread::Http(error.without_url());
        let mut response = self.http.get(url).send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(KeysUnread::Status(response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > KEY_SET_BYTES_MAX {
                return Err(KeysUnread::TooLong);
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const KID: &str = "larkspur-idp-2026-05";
    const SET: &str = include_str!("../tests/keys/set-jwks.json");

    /// A server that gives these answers, one for each connection, the last again and again; and how often it was asked.
    fn serve(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, asked) = (format!("http://{}/jwks", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let number = count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answers[number.min(answers.len() - 1)].as_bytes());
            }
        });
        (url, asked)
    }

    fn answer(status: &str, more: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn ring(url: String, pause: SignedDuration) -> Keyring {
        Keyring::new("risc".to_owned(), At::Url(url), pause, Handle::current()).unwrap()
    }

    /// Waits until the reading that was begun has ended.
    async fn settled(ring: &Keyring) {
        while ring.0.state().reading {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keys_are_read_once_for_many_tokens() {
        let (url, asked) = serve(vec![answer("200 OK", "", SET)]);
        let ring = ring(url, SignedDuration::ZERO);
        assert!(ring.keys(KID, None, clock::now()).is_none(), "nobody waits for the first reading");
        settled(&ring).await;
        for _ in 0..3 {
            assert!(ring.keys(KID, None, clock::now()).unwrap().has(KID));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_key_set_leaves_the_keys_unknown() {
        for wrong in [
            answer("503 Service Unavailable", "", SET),
            answer("302 Found", "location: /other\r\n", ""),
            answer("200 OK", "", "<html>"),
            answer("200 OK", "", "{\"keys\":[]}"),
            answer("200 OK", "", &" ".repeat(KEY_SET_BYTES_MAX + 1)),
            String::new(),
        ] {
            let (url, asked) = serve(vec![wrong.clone(), answer("200 OK", "", SET)]);
            let ring = ring(url, SignedDuration::ZERO);
            let seen_at = clock::now();
            assert!(ring.keys(KID, None, seen_at).is_none());
            settled(&ring).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "no retry and no redirect: {wrong}");
            let trouble = ring.trouble().unwrap();
            assert!(trouble.why.starts_with("the issuer's keys cannot be read: "), "{trouble:?}");
            assert!(!trouble.why.contains("127.0.0.1"), "the address may hold a secret: {trouble:?}");
            assert!(ring.keys(KID, None, seen_at).is_none(), "{wrong}");
            settled(&ring).await;
            assert!(ring.keys(KID, None, seen_at).is_some(), "the next attempt: {wrong}");
            assert_eq!(ring.trouble(), None);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_is_not_there_is_looked_for_once_more_and_no_sooner_than_the_pause() {
        let (url, asked) = serve(vec![answer("200 OK", "", SET)]);
        let patient = ring(url.clone(), SignedDuration::from_hours(1));
        assert!(patient.keys(KID, None, clock::now()).is_none());
        settled(&patient).await;
        let (came, seen_at) = (Some(clock::now()), clock::now());
        assert!(patient.keys("new", came, seen_at).is_none(), "it may be newer than the keys");
        assert!(patient.keys(KID, came, seen_at).is_some(), "other tokens go on");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "within the pause");
        let long_ago = came.map(|came| came - SignedDuration::from_mins(2));
        assert!(!patient.keys("new", long_ago, seen_at).unwrap().has("new"), "the keys were read since it came");

        let ring = ring(url, SignedDuration::ZERO);
        assert!(ring.keys("new", came, seen_at).is_none());
        settled(&ring).await;
        assert!(!ring.keys("new", came, seen_at).unwrap().has("new"), "read since it was seen");
    }
}
