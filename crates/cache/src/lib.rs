//! A cache of finished stages that machines share: a folder, or a server that knows GET, PUT and HEAD.
//!
//! `ac/<identity>` is the [`Entry`] of a stage: its manifest, and the size of each file. `cas/<sha256>` are the files, whatever
//! stage wrote them. The entry is written last, so that what it names is there. Nothing that a cache sends is trusted:
//! every entry and every file is checked before it is used.
//!
//! Lowest first: [`error`] < `entry` < `place` < `folder`, `server` < `cache`; `clean`.

mod cache;
mod clean;
mod entry;
pub mod error;
mod folder;
mod place;
mod server;

pub use cache::{Cache, Mode};
pub use clean::{Cleaned, clean};
pub use entry::{Entry, Wanted};
pub use error::Error;
