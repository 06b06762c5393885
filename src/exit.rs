//! What the exit code of a command says.

use std::fmt;
use std::process::ExitCode;

use crate::config::{ConfigError, SecretError};

/// Exit codes. From 64 on they are those of `sysexits.h`. As the context of an error it decides the code:
/// `error.context(Exit::Unreachable)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; nothing is left to do.
    Done = 0,
    /// It failed, or `check` found something.
    Failed = 1,
    /// The command line is wrong. The parser of arguments uses it too.
    Usage = 2,
    /// Access remains: `plan --detailed-exitcode` found some, or the case ended with some.
    AccessRemains = 3,
    /// A guard holds the case.
    Held = 4,
    /// The input cannot be read.
    BadInput = 65,
    /// Kafka or Heroku cannot be reached.
    Unreachable = 69,
    /// Still running when the time of `--wait` was over.
    StillRunning = 75,
    /// Kafka or Heroku refuses: no permission.
    NoPermission = 77,
    /// The configuration is wrong.
    Configuration = 78,
}

/// For the end of `--help`.
pub const EXIT_CODES_HELP: &str = "\
Exit codes:
   0  done, nothing left            65  bad input
   1  failed, or a check found      69  Kafka or Heroku unreachable
      something                     75  still running after --wait
   2  usage                         77  no permission
   3  access remains                78  configuration
   4  held";

impl Exit {
    /// The code that an error ends the process with.
    pub fn of(error: &anyhow::Error) -> Self {
        let configuration = || {
            let mistaken = error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<SecretError>());
            mistaken.then_some(Self::Configuration)
        };
        error.downcast_ref::<Self>().copied().or_else(configuration).unwrap_or(Self::Failed)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::AccessRemains => "access remains",
            Self::Held => "held",
            Self::BadInput => "bad input",
            Self::Unreachable => "unreachable",
            Self::StillRunning => "still running",
            Self::NoPermission => "no permission",
            Self::Configuration => "configuration",
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_context_decides_then_the_kind_of_error() {
        let io = || Err::<(), _>(std::io::Error::other("refused"));
        let error = io().context(Exit::Unreachable).context("while reading the topics").unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Unreachable);
        assert_eq!(format!("{error:#}"), "while reading the topics: unreachable: refused");
        assert_eq!(Exit::of(&io().context("x").unwrap_err()), Exit::Failed);
        let error = anyhow::Error::new(ConfigError { problems: Vec::new() }).context("x");
        assert_eq!(Exit::of(&error), Exit::Configuration);
    }
}
