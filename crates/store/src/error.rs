//! What can be wrong with a file, with the advice that goes with it.

use std::path::{Path, PathBuf};

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with a file: which one, what was found, what is needed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses: disk full, no permission.
    #[error("cannot {doing} {}: {source}", path.display())]
    System {
        /// such as `write`
        doing: &'static str,
        /// which file or folder
        path: PathBuf,
        /// the reason of the system
        source: std::io::Error,
    },
    /// A file that is needed cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// which file
        path: PathBuf,
        /// the reason of the system
        source: std::io::Error,
        /// what to do
        hint: &'static str,
    },
    /// The file is of another format.
    #[error("{name}: not {format} ({reason})")]
    Format {
        /// which file
        name: String,
        /// what is needed, such as `a .npy file`
        format: &'static str,
        /// of the library that read it
        reason: String,
        /// what to do
        hint: &'static str,
    },
    /// An array has numbers of another type.
    #[error("{name}: contains {found}, but {needed} is needed")]
    Type {
        /// which array
        name: String,
        /// its type
        found: String,
        /// the type that is needed
        needed: &'static str,
        /// what to do
        hint: String,
    },
    /// An unsigned integer is beyond a signed one of 64 bits.
    #[error("{name}: contains {value}, beyond an integer of 63 bits")]
    TooLarge {
        /// which array
        name: String,
        /// the first such number
        value: u64,
    },
    /// An array has another number of axes.
    #[error("{name}: shape {shape:?} has {} axes, but {needed} are needed", shape.len())]
    Axes {
        /// which array
        name: String,
        /// its shape
        shape: Vec<usize>,
        /// axes that are needed
        needed: String,
    },
    /// The file ends before its last number.
    #[error("{name}: cut short: shape {shape:?} needs {needs}")]
    CutShort {
        /// which array
        name: String,
        /// its shape, as its header says
        shape: Vec<usize>,
        /// what that takes
        needs: String,
    },
    /// A packed array would fill the memory.
    #[error("{name}: would unpack {packed} bytes to {bytes}, more than a packed array may")]
    Bomb {
        /// which array
        name: String,
        /// bytes of its numbers, as its header says
        bytes: u64,
        /// bytes in the file
        packed: u64,
    },
    /// An archive has no such array.
    #[error("{}: no array {array:?}; it contains {found}", path.display())]
    NoArray {
        /// the archive
        path: PathBuf,
        /// the array that is needed
        array: String,
        /// the names that are there
        found: String,
    },
    /// Something about a finished stage: its manifest, its files.
    #[error("{message}")]
    Stage {
        /// which file, what was found, what is needed
        message: String,
        /// what to do
        hint: String,
    },
    /// The numbers that were written are not as many as the shape says: a fault of the program.
    #[error("{}: shape {shape:?}, but {written} numbers", path.display())]
    Count {
        /// the file
        path: PathBuf,
        /// its shape
        shape: Vec<usize>,
        /// how many numbers it got
        written: usize,
    },
    /// A document cannot be written as JSON: a fault of the program.
    #[error("{what}: {source}")]
    Json {
        /// the file or the fact
        what: String,
        /// the reason
        source: serde_json::Error,
    },
}

impl Error {
    /// What to do about it; `None` for a fault of the machine or of the program.
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::System { .. } | Self::Count { .. } | Self::Json { .. } => return None,
            Self::Unreadable { hint, .. } | Self::Format { hint, .. } => hint,
            Self::Type { hint, .. } | Self::Stage { hint, .. } => hint,
            Self::TooLarge { .. } => "is it a mark for a missing value? Remove those rows first",
            Self::Axes { .. } => "reshape it in NumPy before numpy.save",
            Self::CutShort { .. } => "write or fetch the file again",
            Self::Bomb { .. } => {
                "if you trust it, save it unpacked: numpy.save(\"x.npy\", array); its rows are then read some at a time"
            }
            Self::NoArray { .. } => {
                "name the one that is meant: FILE.npz[NAME]; or save all of them again, this one under the name that is looked for"
            }
        })
    }

    /// What `doing` to the file at `path` met, for `map_err`.
    pub fn system(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::System { doing, path, source }
    }

    pub(crate) fn stage(message: String, hint: String) -> Self {
        Self::Stage { message, hint }
    }
}
