//! The token of the Heroku account: held, never shown, and read again when its file changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::config::{Secret, SecretError};

/// How long a token counts as current before its file is looked at again. Mounted secrets are swapped by a symbolic
/// link, so the file is read, not its times.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Hex digits of the fingerprint.
const FINGERPRINT_DIGITS: usize = 12;

/// One token, shared by everything that calls Heroku.
#[derive(Debug, Clone)]
pub struct Token(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    current: Reading,
    origin: Origin,
    looked_at: Instant,
}

#[derive(Debug)]
enum Origin {
    Fixed,
    File(PathBuf),
}

/// A token as it was read.
#[derive(Debug, Clone)]
pub struct Reading {
    secret: SecretString,
    fingerprint: String,
}

/// Why a token cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is not at hand.
    #[error("no Heroku token")]
    Missing(#[source] SecretError),
    /// Its file cannot be read.
    #[error("the token file {path} cannot be read", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds something that no HTTP header may carry, or nothing.
    #[error("the Heroku token is empty or holds white space, control or non-ASCII characters: write the token alone")]
    Shape,
}

impl Token {
    /// The token in this file, read again whenever the file holds another one.
    ///
    /// # Errors
    /// When the file cannot be read or holds no token.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, TokenError> {
        let path = path.into();
        let current = read(&path)?;
        Ok(Self::new(current, Origin::File(path)))
    }

    /// This token, for good.
    ///
    /// # Errors
    /// When the text cannot be a token.
    pub fn fixed(secret: SecretString) -> Result<Self, TokenError> {
        Ok(Self::new(Reading::new(secret.expose_secret())?, Origin::Fixed))
    }

    /// The configured token: its file is watched; a variable is final.
    ///
    /// # Errors
    /// When there is none, or it cannot be read or used.
    pub fn configured(secret: &Secret) -> Result<Self, TokenError> {
        match secret.file() {
            Some(path) => Self::from_file(path),
            None => Self::fixed(secret.read().map_err(TokenError::Missing)?),
        }
    }

    /// The token as it is now.
    pub fn current(&self) -> Reading {
        let mut held = self.held();
        if held.looked_at.elapsed() >= LOOK_AGAIN_AFTER {
            held.look();
        }
        held.current.clone()
    }

    /// The token now, if it is another one than `refused`: Heroku did not accept that.
    pub fn instead_of(&self, refused: &Reading) -> Option<Reading> {
        let mut held = self.held();
        if held.current.fingerprint == refused.fingerprint {
            held.look();
        }
        (held.current.fingerprint != refused.fingerprint).then(|| held.current.clone())
    }

    fn new(current: Reading, origin: Origin) -> Self {
        Self(Arc::new(Mutex::new(Held { current, origin, looked_at: Instant::now() })))
    }

    /// A panic elsewhere leaves the token as it was.
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Reads the file again. What cannot be read changes nothing: the token in use may still be good.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        let Origin::File(path) = &self.origin else { return };
        match read(path) {
            Ok(reading) if reading.fingerprint != self.current.fingerprint => {
                info!(fingerprint = reading.fingerprint, "The Heroku token changed");
                self.current = reading;
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "The Heroku token could not be read again; the one at hand stays in use"),
        }
    }
}

impl Reading {
    fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Shape);
        }
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        let mut fingerprint = super::paging::hex(sum.as_ref());
        fingerprint.truncate(FINGERPRINT_DIGITS);
        Ok(Self { secret: SecretString::from(text), fingerprint })
    }

    /// First 12 hex digits of its SHA-256: names the token without telling it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The token itself, for the `Authorization` header.
    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

fn read(path: &std::path::Path) -> Result<Reading, TokenError> {
    let text = std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable { path: path.into(), source })?;
    Reading::new(SecretString::from(text).expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_the_token() {
        let token = Token::fixed("HRKU-s3cret\n".into()).unwrap();
        let reading = token.current();
        assert_eq!(reading.expose(), "HRKU-s3cret");
        assert_eq!(reading.fingerprint().len(), FINGERPRINT_DIGITS);
        let shown = format!("{token:?} {reading:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn refuses_what_no_header_may_carry() {
        for text in ["", " \n", "two words", "a\r\nX-Evil: 1", "naïve"] {
            assert!(matches!(Token::fixed(text.into()), Err(TokenError::Shape)), "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_seen_after_a_while_or_at_once_after_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first\n").unwrap();
        let token = Token::from_file(&path).unwrap();
        let first = token.current();
        assert!(token.instead_of(&first).is_none(), "the file still holds the refused one");

        std::fs::write(&path, "second\n").unwrap();
        assert_eq!(token.current().expose(), "first");
        assert_eq!(token.instead_of(&first).unwrap().expose(), "second");

        std::fs::write(&path, "third\n").unwrap();
        tokio::time::advance(LOOK_AGAIN_AFTER).await;
        assert_eq!(token.current().expose(), "third");

        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(LOOK_AGAIN_AFTER).await;
        assert_eq!(token.current().expose(), "third", "an unreadable file takes nothing away");
    }
}
