//! Files alone: a pipe would never answer, and a device never end.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a file, or the file that a link leads to.
///
/// # Errors
/// Where it cannot be opened, or is a folder, a pipe, a socket or a device.
pub fn open(path: &Path) -> Result<File> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a folder; a file is needed"));
    }
    if !found.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "it is a pipe, a socket or a device; a file is needed",
        ));
    }
    File::open(path)
}

/// All bytes of a file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_or_never_answers_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = dir.path().join("x.npy");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [&pipe, &link, Path::new("/dev/zero")] {
            assert!(open(path).unwrap_err().to_string().contains("a device"), "{}", path.display());
            // The readers of arrays and the hash of inputs open their files here.
            for said in [crate::hash::of_path(path).unwrap_err(), crate::npy::read_any(path).unwrap_err()] {
                assert!(said.to_string().contains("a file is needed"), "{said}");
            }
        }
        assert!(open(dir.path()).unwrap_err().to_string().contains("a folder"));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap(), [7; 10]);
        assert!(read(&path, 9).unwrap_err().to_string().contains("more than 9 bytes"));
    }
}
