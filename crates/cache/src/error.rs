//! What can go wrong with a cache. Only an address that is none is a mistake of the user; the rest costs time, not results.

use std::path::PathBuf;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a cache.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address names neither a folder nor a server.
    #[error("{found:?} is no cache: file:///PATH, http://HOST/PATH or https://HOST/PATH is needed")]
    Address {
        /// as it was given
        found: String,
        /// what was probably meant
        hint: String,
    },
    /// The cache does not answer, or refuses.
    #[error("{place}: {reason}")]
    Away {
        /// the folder or server
        place: String,
        /// what it said
        reason: String,
    },
    /// What the cache has is not what it should be.
    #[error("{place}: {name}: {reason}")]
    Damaged {
        /// the folder or server
        place: String,
        /// which entry or file
        name: String,
        /// what is wrong with it
        reason: String,
    },
    /// A file on this side cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Here {
        /// such as `write`
        doing: &'static str,
        /// which file
        path: PathBuf,
        /// the reason of the system
        source: std::io::Error,
    },
}

impl Error {
    /// What `doing` to the file at `path` met, for `map_err`.
    pub(crate) fn here(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Here { doing, path, source }
    }
}
