//! What the user can get wrong or meet, as a message, a hint and an exit code.

use std::fmt;
use std::path::Path;

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

/// The error and its causes in one line; a cause that the message before it ends with is not said again.
pub fn words(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.ends_with(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// The exit code of an error and what to do about it, if the user can do something.
pub fn cure(error: &anyhow::Error) -> (u8, Option<&str>) {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return (failure.kind.exit_code(), Some(&failure.hint));
        }
        if let Some(hint) = cause.downcast_ref::<store::Error>().and_then(store::Error::hint) {
            return (Kind::Input.exit_code(), Some(hint));
        }
    }
    (1, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let source = std::io::Error::other("no such file");
        let store = store::Error::Unreadable { path: "x.npy".into(), source, hint: "check it" };
        assert_eq!(words(&anyhow::Error::from(store)), "x.npy: no such file");
        let told = anyhow::Error::from(std::io::Error::other("disk full")).context("cannot write x");
        assert_eq!(words(&told), "cannot write x: disk full");
    }
}
