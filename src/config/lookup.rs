//! Directories that are asked for the addresses of people whom events name by an id alone.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use super::secret::Secret;
use super::{duration, without_slash};
use crate::sources::Format;

/// What a directory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupKind {
    /// SCIM 2.0.
    Scim,
    /// Okta's Users API.
    Okta,
    /// Microsoft Graph.
    Graph,
    /// Google's Directory API.
    Google,
}

impl LookupKind {
    /// Whether ids of a format are another vendor's, so that none has the form that is asked for here.
    pub fn knows_no_id_of(self, format: Format) -> bool {
        use LookupKind::{Google, Graph, Okta};
        matches!(
            (format, self),
            (Format::Okta, Graph | Google) | (Format::Entra, Okta | Google) | (Format::Google, Okta | Graph)
        )
    }
}

/// One entry of `lookups`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// What it speaks.
    pub kind: LookupKind,
    /// Where it is, without a slash at the end.
    #[serde(deserialize_with = "without_slash")]
    pub url: String,
    token_file: Option<PathBuf>,
    #[serde(skip)]
    token: Option<Secret>,
    tenant: Option<String>,
    client_id: Option<String>,
    client_secret_file: Option<PathBuf>,
    #[serde(skip)]
    client_secret: Option<Secret>,
    #[serde(deserialize_with = "without_slash")]
    login_url: String,
    /// Who alone may vouch for it; absent = whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Time for one answer.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: SignedDuration,
}

/// By what a directory is asked.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A token that somebody else keeps fresh.
    Token(Secret),
    /// An application that gets its tokens itself.
    Application {
        /// Who gives them, without a slash at the end.
        login_url: String,
        /// The tenant.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
}

impl Lookup {
    /// Puts the secrets in, each made from its key and its file.
    pub(super) fn take_secrets(&mut self, secret: impl Fn(&str, &Option<PathBuf>) -> Option<Secret>) {
        self.token = secret("token", &self.token_file);
        self.client_secret = secret("client_secret", &self.client_secret_file);
    }

    /// By what it is asked; `None` = that is not said, or in two ways.
    pub fn credentials(&self) -> Option<Credentials> {
        let configured = |secret: &Option<Secret>| secret.clone().filter(Secret::is_configured);
        let application = (&self.tenant, &self.client_id, configured(&self.client_secret));
        match (configured(&self.token), application) {
            (Some(token), (None, None, None)) => Some(Credentials::Token(token)),
            // What has no effect elsewhere is told apart from what is missing.
            (Some(token), _) if self.kind != LookupKind::Graph => Some(Credentials::Token(token)),
            (None, (Some(tenant), Some(client_id), Some(client_secret))) if self.kind == LookupKind::Graph => {
                Some(Credentials::Application {
                    login_url: self.login_url.clone(),
                    tenant: tenant.clone(),
                    client_id: client_id.clone(),
                    client_secret,
                })
            }
            _ => None,
        }
    }
}
