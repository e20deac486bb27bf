//! Where a cache keeps bytes: under a key, `ac/…` or `cas/…`.

use std::io::Read;
use std::path::Path;

/// What is put under a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    File(&'a Path),
    Bytes(&'a [u8]),
}

/// A folder or a server. An error is the reason, in words, why the cache is away.
pub(crate) trait Place {
    /// Its name for people, without a password.
    fn name(&self) -> &str;
    /// The bytes of a key, of which about `bytes` are expected; `None` where there are none.
    fn open(&self, key: &str, bytes: u64) -> Result<Option<Box<dyn Read>>, String>;
    /// Whether so many bytes are there; a place may say no where it does not know.
    fn has(&self, key: &str, bytes: u64) -> Result<bool, String>;
    /// Puts them there, whole or not at all as far as the place can do that.
    fn put(&self, key: &str, content: Content, bytes: u64) -> Result<(), String>;
    /// Notes that a key was used, as far as the place can do that.
    fn used(&self, key: &str);
}
