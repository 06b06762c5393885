//! The process's variables, read once and passed on as a value.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// What every variable of a configuration key begins with.
pub const VARIABLE_PREFIX: &str = "HEROKU_DEPROVISIONER__";

/// The variables and the name of the machine.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    host_name: Option<String>,
}

impl Environment {
    /// Those of this process. A variable that is not UTF-8 is left out; one that is empty counts as absent, because
    /// that is what `${NAME:-}` in a compose file produces.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let host_name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
        Self { variables, host_name }
    }

    /// These variables and no other.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { variables, host_name: None }
    }

    /// One variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// `HEROKU_API_KEY`, the token that Heroku's own command line uses. It serves `plan` and `check` only, which say
    /// whose it is; `serve` and `offboard` never pick up a token that nobody gave them.
    pub fn heroku_api_key(&self) -> Option<SecretString> {
        self.get("HEROKU_API_KEY").map(SecretString::from)
    }

    /// Name of the machine, or of the container.
    pub fn host_name(&self) -> &str {
        self.host_name.as_deref().or_else(|| self.get("HOSTNAME")).filter(|name| !name.is_empty()).unwrap_or("local")
    }

    /// The variables of configuration keys: what follows [`VARIABLE_PREFIX`], and the value.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(VARIABLE_PREFIX)?, value.as_str())))
            .filter(|(_, value)| !value.is_empty())
    }
}
