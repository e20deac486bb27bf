//! `data/<set>/` beside `pipeline.yaml`: what was fetched once.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use catalogue::Entry;

/// The folder of a data set; `base` is that of `pipeline.yaml`.
pub fn folder(entry: &Entry, base: &Path) -> PathBuf {
    base.join("data").join(entry.name)
}

/// Whether all files are there under their own names.
pub fn is_complete(entry: &Entry, cache: &Path) -> bool {
    entry.files.iter().all(|file| cache.join(file.name).is_file())
}

/// Writes the files under their own names, each in one step, readable for whomever the umask allows.
pub fn store(entry: &Entry, files: &[Vec<u8>], cache: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(cache)?;
    for (file, bytes) in entry.files.iter().zip(files) {
        let readable = Permissions::from_mode(0o666);
        let mut temporary = tempfile::Builder::new().permissions(readable).tempfile_in(cache)?;
        temporary.write_all(bytes)?;
        temporary.persist(cache.join(file.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub;

    /// cases.md B7: Stebalien/tempfile #157, equinor/ert #9794 and others.
    #[test]
    fn stored_files_have_the_permissions_of_any_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        store(&entry, &bytes, dir.path()).unwrap();
        std::fs::write(dir.path().join("new"), b"").unwrap();
        let mode = |name: &str| dir.path().join(name).metadata().unwrap().permissions().mode();
        for file in entry.files {
            assert_eq!(mode(file.name), mode("new"), "{}", file.name);
        }
        assert!(is_complete(&entry, dir.path()));
        assert_eq!(dir.path().read_dir().unwrap().count(), 5, "nothing else is left");
    }
}
