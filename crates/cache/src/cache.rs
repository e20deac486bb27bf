//! Looking a stage up, taking its files, and putting them there.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use store::hash;
use store::manifest::Manifest;

use crate::entry::{Entry, MOST_BYTES, Wanted};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::place::{Content, Place};
use crate::server::{ANSWER, Server};

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 18;

/// What a cache is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// results are taken from it and put there
    #[default]
    ReadAndWrite,
    /// results are taken from it; nothing is written
    Read,
    /// results are put there; none is taken
    Write,
}

/// A cache that machines share.
pub struct Cache {
    place: Box<dyn Place>,
    mode: Mode,
}

impl Cache {
    /// The cache at `file:///path`, `http://…` or `https://…`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Address`] where it is none of these.
    pub fn at(address: &str, mode: Mode) -> Result<Self> {
        let bad = |hint: &str| Error::Address { found: without_user(address), hint: hint.to_owned() };
        let place: Box<dyn Place> = match address.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Box::new(Folder::new(Path::new(path))),
            Some(("file", _)) => {
                return Err(bad("a path begins at the root, so that there are three slashes"));
            }
            Some(("http" | "https", _)) => {
                Box::new(Server::new(address, ANSWER).ok_or_else(|| bad("check the name of the server"))?)
            }
            _ if address.starts_with('/') => return Err(bad(&format!("write file://{address}"))),
            _ => return Err(bad("give the environment variable CACHE or the flag --cache such an address")),
        };
        Ok(Self { place, mode })
    }

    /// Its address for people, without a password.
    pub fn name(&self) -> &str {
        self.place.name()
    }

    /// Whether results may be taken from it.
    pub fn is_read(&self) -> bool {
        self.mode != Mode::Write
    }

    /// Whether results may be put there.
    pub fn is_written(&self) -> bool {
        self.mode != Mode::Read
    }

    /// The entry of a stage, if the cache has one.
    ///
    /// # Errors
    /// [`Error::Away`], and [`Error::Damaged`] for an entry that is refused.
    pub fn find(&self, wanted: &Wanted) -> Result<Option<Entry>> {
        assert!(self.is_read(), "a cache that is only written is not asked");
        let key = format!("ac/{}", wanted.identity);
        let Some(found) = self.place.open(&key, 0).map_err(|e| self.away(e))? else { return Ok(None) };
        let mut text = vec![];
        found.take(MOST_BYTES).read_to_end(&mut text).map_err(|e| self.away(format!("{key}: {e}")))?;
        Entry::read(&text, wanted).map(Some).map_err(|reason| self.damaged(&key, reason))
    }

    /// Copies the files of an entry into the folder `dir`, and checks size and hash of each.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Damaged`] for a file that is missing or another, [`Error::Here`] for `dir`. Some files may
    /// then lie in `dir`.
    pub fn take(&self, entry: &Entry, wanted: &Wanted, dir: &Path) -> Result<()> {
        for (name, sha256, bytes) in entry.files() {
            self.take_file(&dir.join(name), sha256, bytes)?;
        }
        self.place.used(&format!("ac/{}", wanted.identity));
        Ok(())
    }

    /// Whether all files of an entry are there, by their sizes: a server may have removed one of them.
    pub fn is_whole(&self, entry: &Entry) -> bool {
        let is_there = |sha256: &str, bytes| self.place.has(&format!("cas/{sha256}"), bytes).unwrap_or(false);
        entry.files().into_iter().all(|(_, sha256, bytes)| is_there(sha256, bytes))
    }

    fn take_file(&self, path: &Path, sha256: &str, bytes: u64) -> Result<()> {
        let key = format!("cas/{sha256}");
        let found = self.place.open(&key, bytes).map_err(|e| self.away(e))?;
        let found = found.ok_or_else(|| self.damaged(&key, "is not there".to_owned()))?;
        let below = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(below).map_err(Error::here("create", below))?;
        let mut file = File::create_new(path).map_err(Error::here("create", path))?;
        // One byte more than there should be says that there are too many.
        let mut found = found.take(bytes.saturating_add(1));
        let (mut hash, mut length, mut chunk) = (hash::Running::default(), 0, vec![0; CHUNK]);
        loop {
            let n = match found.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.away(format!("{key}: {e}"))),
            };
            length += n as u64;
            hash.update(&chunk[..n]);
            file.write_all(&chunk[..n]).map_err(Error::here("write", path))?;
        }
        let (found, than) = (hash.finish(), if length > bytes { "more than " } else { "" });
        match length == bytes && found == sha256 {
            true => Ok(()),
            false if length != bytes => {
                Err(self.damaged(&key, format!("{than}{} bytes, but {bytes} are needed", length.min(bytes))))
            }
            false => Err(self.damaged(&key, format!("its SHA-256 is {found}"))),
        }
    }

    /// Puts a finished stage there: the files of `dir`, and then the entry. With `anew` also files that seem to be there,
    /// since one of them was found to be damaged.
    ///
    /// # Errors
    /// [`Error::Away`], also for a cache that is full or cannot be written; [`Error::Here`] for `dir`.
    pub fn put(&self, identity: &str, manifest: &Manifest, dir: &Path, anew: bool) -> Result<()> {
        assert!(self.is_written(), "nothing is put into a cache that is only read");
        let entry = Entry::of(identity, manifest, dir).map_err(Error::here("read", dir))?;
        // The smallest first: a server that refuses may do so before it has read a large one, and that looks like a fault.
        for (name, sha256, bytes) in entry.files() {
            let key = format!("cas/{sha256}");
            if !anew && self.place.has(&key, bytes).map_err(|e| self.away(e))? {
                self.place.used(&key);
                continue;
            }
            self.place.put(&key, Content::File(&dir.join(name)), bytes).map_err(|e| self.away(e))?;
        }
        let text = entry.text();
        let key = format!("ac/{identity}");
        self.place.put(&key, Content::Bytes(&text), text.len() as u64).map_err(|e| self.away(e))
    }

    fn away(&self, reason: String) -> Error {
        Error::Away { place: self.name().to_owned(), reason }
    }

    fn damaged(&self, name: &str, reason: String) -> Error {
        Error::Damaged { place: self.name().to_owned(), name: name.to_owned(), reason }
    }
}

/// An address without the name and the password that may stand before its host.
fn without_user(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let Some((_, host)) = rest.rsplit_once('@') else { return address.to_owned() };
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_about_an_address_has_a_password() {
        for address in
            ["htp://me:secret@host/", "me:secret@host", "https://me:secret@", "https:/me:sec@ret@host"]
        {
            let said = Cache::at(address, Mode::Read).map(drop).unwrap_err().to_string();
            assert!(said.contains("is no cache") && !said.contains("sec"), "{address}: {said}");
        }
        assert_eq!(without_user("s3://bucket"), "s3://bucket");
    }
}
