//! What ends a program: for the user a message, a hint and an exit code.

use std::fmt;
use std::path::Path;

/// The result of anything that a stage does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What ends a program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// what the user can get wrong or meet
    #[error(transparent)]
    Failure(#[from] Failure),
    /// what is wrong with a file
    #[error(transparent)]
    File(#[from] store::Error),
    /// a fault of the program or of the machine, without a cure that is known
    #[error("{0}")]
    Fault(String),
    /// an error of one part of the work
    #[error("{part}: {error}")]
    Of {
        /// such as `process 3`
        part: String,
        /// what ended it
        error: Box<Error>,
    },
}

impl Error {
    /// A fault of the program or of the machine, as in `cannot watch signals: …`.
    pub fn fault(doing: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Fault(format!("{doing}: {reason}"))
    }

    /// The error, as that of one part of the work.
    #[must_use]
    pub fn of(self, part: impl Into<String>) -> Self {
        Self::Of { part: part.into(), error: Box::new(self) }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failure(failure) => failure.kind.exit_code(),
            Self::File(error) if error.hint().is_some() => Kind::Input.exit_code(),
            Self::File(_) | Self::Fault(_) => Kind::Machine.exit_code(),
            Self::Of { error, .. } => error.exit_code(),
        }
    }

    /// What to do about it, if the user can do something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Failure(failure) => Some(&failure.hint),
            Self::File(error) => error.hint(),
            Self::Fault(_) => None,
            Self::Of { error, .. } => error.hint(),
        }
    }
}

/// What only shows with the data, as an image that is too small for the layers.
impl From<records::Unfit> for Error {
    fn from(unfit: records::Unfit) -> Self {
        let hint = "every key has a comment in the repository's pipeline.yaml";
        Failure::config(unfit.to_string(), hint).into()
    }
}

/// Errors that say all there is to say.
macro_rules! faults {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Fault(error.to_string())
            }
        }
    )*};
}

faults!(cache::Error, fmt::Error, serde_json::Error, serde_yaml::Error, std::io::Error);

/// Exit codes of every stage, as printed by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done, or already up to date
  1    a fault of the program or of the machine (disk full, ...)
  2    usage or configuration
  3    bad or missing input
  4    not converged (training diverged, Ritz pairs missing)
  75   stopped by SIGTERM, SIGUSR1 or --stop-after; what is done is kept, and the same command goes on from there
  130  interrupted (SIGINT); 143, 138 the same by SIGTERM, SIGUSR1, before there was anything to keep; nothing half-written is left";

/// The kinds of failure that have an exit code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine, or a limit of it: exit code 1.
    Machine,
    /// The command line or `pipeline.yaml`: exit code 2.
    Config,
    /// A file that is missing, damaged or of the wrong shape: exit code 3.
    Input,
    /// A computation that did not reach what was asked: exit code 4.
    NotConverged,
    /// Asked to stop, with a checkpoint from which the same command goes on: exit code 75, `EX_TEMPFAIL` of sysexits.
    Stopped,
}

impl Kind {
    /// Exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Machine => 1,
            Self::Config => 2,
            Self::Input => 3,
            Self::NotConverged => 4,
            Self::Stopped => 75,
        }
    }
}

/// An error for the user: which file or key, what was found, what is needed; and what to do.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// Which file or key, what was found, what is needed.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Failure {
    /// A fault of the command line or of `pipeline.yaml`.
    pub fn config(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Config, message: message.into(), hint: hint.into() }
    }

    /// Where nothing can be made in the folder `dir`.
    pub fn cannot_write(dir: &Path, error: &impl fmt::Display) -> Self {
        Self::config(
            format!("cannot write in {}: {error}", dir.display()),
            "is the disk full, or the folder another user's? Its owner can let a group write there: chmod -R g+w; or give a folder of \
             your own: --artifacts DIR, make A=DIR",
        )
    }

    /// A fault or a limit of the machine that the user can do something about.
    pub fn machine(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Machine, message: message.into(), hint: hint.into() }
    }

    /// A missing or bad input.
    pub fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Input, message: message.into(), hint: hint.into() }
    }

    /// A computation that did not reach what was asked of it.
    pub fn not_converged(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::NotConverged, message: message.into(), hint: hint.into() }
    }

    /// Stopped where it was asked to; the same command goes on.
    pub fn stopped(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Stopped, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_part_keeps_the_cure_and_the_exit_code() {
        let missing = std::io::Error::other("no such file");
        let store = store::Error::Unreadable { path: "x.npy".into(), source: missing, hint: "check it" };
        let error = Error::from(store).of("process 3");
        assert_eq!(error.to_string(), "process 3: x.npy: no such file");
        assert_eq!((error.exit_code(), error.hint()), (3, Some("check it")));
        let error = Error::fault("cannot watch signals", "no memory");
        assert_eq!((error.to_string().as_str(), error.exit_code()), ("cannot watch signals: no memory", 1));
    }
}
