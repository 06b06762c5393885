//! Secrets: named in the configuration, held in files or variables, read again whenever they are needed.

use std::path::PathBuf;

use secrecy::SecretString;
use thiserror::Error;

/// Where one secret comes from. Reading it twice gives what its file holds now, so that a rotated secret is seen.
#[derive(Debug, Clone)]
pub struct Secret {
    key: String,
    file: Option<PathBuf>,
    value: Option<SecretString>,
}

/// Why a secret is not at hand.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Neither file nor variable.
    #[error("no `{key}`: set `{key}_file`, or the variable {variable}")]
    Missing {
        /// The key.
        key: String,
        /// Its variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("{path} (`{key}_file`) cannot be read", path = path.display())]
    Unreadable {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds nothing but white space.
    #[error("{path} (`{key}_file`) is empty", path = path.display())]
    Empty {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    pub(super) fn new(key: &str, file: Option<PathBuf>, value: Option<SecretString>) -> Self {
        Self { key: key.to_owned(), file, value }
    }

    /// Whether a file or a variable is named; it may still be unreadable.
    pub fn is_configured(&self) -> bool {
        self.file.is_some() || self.value.is_some()
    }

    /// The file to watch for a new value; `None` when a variable holds it.
    pub fn file(&self) -> Option<&std::path::Path> {
        if self.value.is_some() { None } else { self.file.as_deref() }
    }

    /// The secret as it is now, without the white space around it. A variable wins over a file.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read or is empty.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let Some(path) = &self.file else {
            return Err(SecretError::Missing { key: self.key.clone(), variable: super::keys::variable(&self.key) });
        };
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::Unreadable {
            key: self.key.clone(),
            path: path.clone(),
            source,
        })?;
        match text.trim() {
            "" => Err(SecretError::Empty { key: self.key.clone(), path: path.clone() }),
            secret => Ok(SecretString::from(secret)),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_rotated_file_is_seen_and_a_variable_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first\n").unwrap();
        let secret = Secret::new("heroku.token", Some(path.clone()), None);
        assert_eq!(secret.read().unwrap().expose_secret(), "first");
        std::fs::write(&path, "second\n").unwrap();
        assert_eq!(secret.read().unwrap().expose_secret(), "second");
        let secret = Secret::new("heroku.token", Some(path), Some("third".into()));
        assert_eq!((secret.read().unwrap().expose_secret(), secret.file()), ("third", None));
    }

    #[test]
    fn errors_name_the_key_and_never_the_secret() {
        let missing = Secret::new("heroku.token", None, None).read().unwrap_err().to_string();
        assert_eq!(
            missing,
            "no `heroku.token`: set `heroku.token_file`, or the variable HEROKU_DEPROVISIONER__HEROKU__TOKEN"
        );
        let unreadable = Secret::new("heroku.token", Some("/nowhere/token".into()), None).read().unwrap_err();
        assert_eq!(unreadable.to_string(), "/nowhere/token (`heroku.token_file`) cannot be read");
        let shown = format!("{:?}", Secret::new("heroku.token", None, Some("s3cret".into())));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
