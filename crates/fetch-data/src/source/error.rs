//! Why one source did not give the files of a data set.

use std::path::PathBuf;

/// A reason, which is listed with those of the other sources if none of them has the files.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// a file that is not there
    #[error("{}: no such file, nor packed as .gz, nor with a dot before `idx`", path.display())]
    Absent {
        /// under its usual name
        path: PathBuf,
    },
    /// a file that is there and cannot be read
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// under the name that it has
        path: PathBuf,
        /// the cause
        error: std::io::Error,
    },
    /// a .gz that ends too soon or is damaged
    #[error("{file}: not a whole gzip file, or too long a one: {error}")]
    Packed {
        /// its name
        file: String,
        /// the cause
        error: std::io::Error,
    },
    /// bytes of another structure
    #[error("{file}: {fault}")]
    Structure {
        /// its name
        file: &'static str,
        /// what is wrong
        fault: String,
    },
    /// the right structure, but other bytes
    #[error("{file}: SHA-256 {found}, but {needed} is needed; refused")]
    OtherBytes {
        /// its name
        file: &'static str,
        /// its hash
        found: String,
        /// the hash of the catalogue
        needed: &'static str,
    },
    /// a source that does not know the data set
    #[error("has no package there")]
    NoPackage,
    /// a mirror that did not answer with the file
    #[error("{url}: {error}")]
    Http {
        /// of the file
        url: String,
        /// the cause
        error: Box<ureq::Error>,
    },
    /// none of the mirrors gave all files
    #[error("{}", .0.join("; "))]
    Mirrors(Vec<String>),
    /// no room for the archive of a package
    #[error("no temporary folder in {}: {error}; TMPDIR names another place", dir.display())]
    Temporary {
        /// the folder for temporary files
        dir: PathBuf,
        /// the cause
        error: std::io::Error,
    },
    /// a program that is not installed
    #[error("`{program}` cannot be started: {error}")]
    Start {
        /// its name
        program: String,
        /// the cause
        error: std::io::Error,
    },
    /// a program that failed
    #[error("{advice}`{command}` failed: {said}")]
    Program {
        /// with its arguments
        command: String,
        /// the last line that it printed
        said: String,
        /// what the user can do first, or nothing
        advice: &'static str,
    },
    /// a program that succeeded without the file it was called for
    #[error("no {ending} file came")]
    NoArchive {
        /// of its name
        ending: &'static str,
    },
    /// an archive without a file that it should contain
    #[error("{archive}: does not contain {file}")]
    NotInArchive {
        /// its name
        archive: String,
        /// of the data set
        file: &'static str,
    },
    /// something else of the system
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
