//! A cache in a folder that machines share.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use store::regular;

use crate::place::{Content, Place};

/// How the name of a file begins that is not whole yet.
pub(crate) const TEMPORARY: &str = ".writing-";

/// A folder that must exist: one that was mounted elsewhere is not silently made again here.
pub(crate) struct Folder {
    dir: PathBuf,
    name: String,
}

impl Folder {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), name: format!("file://{}", dir.display()) }
    }

    fn exists(&self) -> Result<(), String> {
        match self.dir.metadata() {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err("not a folder".to_owned()),
            Err(e) => Err(format!("{e}; make the folder once, mkdir -p {}, or mount it", self.dir.display())),
        }
    }
}

impl Place for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, key: &str, _bytes: u64) -> Result<Option<Box<dyn Read>>, String> {
        self.exists()?;
        match regular::open(&self.dir.join(key)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("cannot read {key}: {e}")),
        }
    }

    fn has(&self, key: &str, bytes: u64) -> Result<bool, String> {
        Ok(self.dir.join(key).metadata().is_ok_and(|found| found.is_file() && found.len() == bytes))
    }

    /// In one step, for whomever the umask allows: a file of another name, which then takes the place of the key.
    fn put(&self, key: &str, content: Content, _bytes: u64) -> Result<(), String> {
        self.exists()?;
        let path = self.dir.join(key);
        let write = || {
            let below = path.parent().expect("a key lies below the folder");
            std::fs::create_dir_all(below)?;
            let mut builder = tempfile::Builder::new();
            builder.prefix(TEMPORARY).permissions(Permissions::from_mode(0o666));
            let mut file = builder.tempfile_in(below)?;
            match content {
                Content::File(from) => std::io::copy(&mut File::open(from)?, file.as_file_mut()).map(|_| ()),
                Content::Bytes(bytes) => file.write_all(bytes),
            }?;
            file.persist(&path).map(|_| ()).map_err(|e| e.error)
        };
        write().map_err(|e| format!("cannot write {key}: {e}"))
    }

    fn used(&self, key: &str) {
        // A courtesy to `clean`, which removes first what was not used for long. Of another user's file, whoever may write it can set
        // both times to now, and no other.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let both = Timestamps { last_access: now, last_modification: now };
        let _ = utimensat(CWD, self.dir.join(key), &both, AtFlags::empty());
    }
}
