//! SHA-256 of bytes, files and folders.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::regular;

/// Is told of every mebibyte that was hashed.
pub type Tick = Box<dyn Fn()>;

/// Shows that a file of so many mebibytes is being hashed; `None`: nothing is shown.
type Watcher = fn(&Path, usize) -> Option<Tick>;

static WATCHER: OnceLock<Watcher> = OnceLock::new();

/// From now on `watcher` shows how the hashing of each file goes on. The first call decides.
pub fn watch(watcher: Watcher) {
    let _ = WATCHER.set(watcher);
}

/// SHA-256 in hexadecimal.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A hash of many bytes, which all threads compute: the SHA-256 of those of parts of 64 KiB.
pub fn of_parts(bytes: &[u8]) -> String {
    let parts = bytes.par_chunks(1 << 16).map(Sha256::digest).collect::<Vec<_>>();
    hex(&Sha256::digest(parts.concat()))
}

/// SHA-256 of bytes that come piece by piece.
#[derive(Default)]
pub struct Running(Sha256);

impl Running {
    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of a file, or of the files of a directory with their names, in hexadecimal.
pub fn of_path(path: &Path) -> Result<String> {
    let missing = |source: std::io::Error| Error::Unreadable {
        path: path.to_owned(),
        source,
        hint: "check the path: one in a pipeline file is relative to the folder of that file",
    };
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(missing)?.collect::<std::io::Result<Vec<_>>>();
        let mut entries = entries.map_err(missing)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut all = Sha256::new();
        for entry in entries.iter().filter(|e| e.path().is_file()) {
            all.update(entry.file_name().as_encoded_bytes());
            all.update(of_path(&entry.path())?);
        }
        return Ok(hex(&all.finalize()));
    }
    let mut file = regular::open(path).map_err(missing)?;
    let mebibytes = usize::try_from(file.metadata().map_err(missing)?.len() >> 20).unwrap_or(usize::MAX);
    let tick = WATCHER.get().and_then(|watcher| watcher(path, mebibytes));
    let mut hash = Running::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(missing)? {
            0 => return Ok(hash.finish()),
            n => hash.update(&buffer[..n]),
        }
        if let Some(tick) = &tick {
            tick();
        }
    }
}

/// Size, place and times of change of a file, or of the files of a directory; `missing` where it cannot be seen. The time of the last
/// change of any kind cannot be set: files may have one size and one time, as those of archives and stores that set it.
///
/// A cheap sign for `make` that a file may have changed; the hash then decides ([`of_path`]).
pub fn stamp(path: &Path) -> String {
    let of = |path: &Path| {
        std::fs::metadata(path).map_or("missing".to_owned(), |m| {
            let (modified, changed) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
            format!(
                "{} bytes, {}.{:09} s, {}.{:09} s, inode {}",
                m.len(),
                modified.0,
                modified.1,
                changed.0,
                changed.1,
                m.ino()
            )
        })
    };
    let Ok(entries) = std::fs::read_dir(path) else { return of(path) };
    let mut all = entries
        .flatten()
        .map(|entry| format!("{} {}", entry.file_name().display(), of(&entry.path())))
        .collect::<Vec<_>>();
    all.sort();
    all.join("; ")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut s, b| {
        write!(s, "{b:02x}").expect("writing to a string");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_parts_is_that_of_their_hashes() {
        let bytes = (0..200_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect::<Vec<_>>();
        let parts = bytes.chunks(65_536).map(of_bytes).collect::<String>();
        let parts = parts.as_bytes().as_chunks().0.iter().map(|[a, b]| {
            let digits = [*a, *b];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        });
        assert_eq!(of_parts(&bytes), of_bytes(&parts.collect::<Vec<_>>()));
        assert_ne!(of_parts(&bytes), of_parts(&bytes[1..]));
    }
}
