//! The HTTP client of services that are asked and waited for: schema registries, issuers of keys, directories.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Certificate;
use reqwest::redirect::Policy;
use thiserror::Error;

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The certificates cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificates are none, or TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] reqwest::Error),
}

/// A client that goes nowhere it was not sent, so that no redirect takes a token along, and sends nothing twice. `timeout`
/// is for a whole answer; with `ca_file` nobody else may vouch for the service.
///
/// # Errors
/// When the certificates cannot be used.
pub fn client(timeout: Duration, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    let mut http = reqwest::Client::builder()
        .user_agent(concat!("heroku-deprovisioner/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .timeout(timeout);
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| ClientError::CaFile { path: path.to_owned(), source })?;
        http = http.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
    }
    Ok(http.build()?)
}

/// Why there was no answer within `timeout`. Without the address, which may hold what no log may.
pub fn no_answer(error: reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {timeout:?}");
    }
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why.push_str(&format!(": {error}"));
        cause = error.source();
    }
    why
}
