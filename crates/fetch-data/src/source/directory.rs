//! A folder with the files of a data set: plain or packed, under the names that people meet.

use std::path::Path;

use catalogue::{Entry, File};
use store::regular;

use super::error::SourceError;
use super::verify::{LONGEST, verify};

/// The unpacked bytes of all files in `dir`.
pub fn read(entry: &Entry, dir: &Path) -> Result<Vec<Vec<u8>>, SourceError> {
    entry.files.iter().map(|file| read_file(entry, file, dir)).collect()
}

/// The first of the possible files that has the right bytes; otherwise what is wrong with the first that is there.
fn read_file(entry: &Entry, file: &File, dir: &Path) -> Result<Vec<u8>, SourceError> {
    let mut reasons = vec![];
    for path in names(file).iter().map(|name| dir.join(name)).filter(|path| path.exists()) {
        let read = regular::read(&path, LONGEST).map_err(|error| SourceError::Unreadable { path, error });
        match read.and_then(|bytes| verify(entry, file, bytes)) {
            Ok(bytes) => return Ok(bytes),
            Err(reason) => reasons.push(reason),
        }
    }
    let absent = || SourceError::Absent { path: dir.join(file.name) };
    Err(reasons.into_iter().next().unwrap_or_else(absent))
}

/// Names under which a file is looked for: its own, and that of archives with a dot before `idx`; each plain and as .gz.
fn names(file: &File) -> Vec<String> {
    let dotted = file.name.replacen("-idx", ".idx", 1);
    let mut names = vec![file.name.to_owned(), format!("{}.gz", file.name)];
    if dotted != file.name {
        names.extend([format!("{dotted}.gz"), dotted]);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub::{self, packed};

    #[test]
    fn packed_and_plain_files_are_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        stub::write_packed(&entry, &bytes, dir.path());
        assert_eq!(read(&entry, dir.path()).unwrap(), bytes);
        std::fs::write(dir.path().join(entry.files[3].name), &bytes[3]).unwrap();
        assert_eq!(read(&entry, dir.path()).unwrap(), bytes);
        std::fs::write(dir.path().join(entry.files[3].name), b"damaged, but the packed one is whole")
            .unwrap();
        assert_eq!(read(&entry, dir.path()).unwrap(), bytes);
    }

    /// cases.md E2: davidMcneil/mnist #2, python-mnist #19 and others.
    #[test]
    fn files_with_a_dot_before_idx_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        for (i, (file, bytes)) in entry.files.iter().zip(&bytes).enumerate() {
            let dotted = file.name.replace("-idx", ".idx");
            let (name, bytes) =
                if i % 2 == 0 { (dotted, bytes.clone()) } else { (format!("{dotted}.gz"), packed(bytes)) };
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        assert_eq!(read(&entry, dir.path()).unwrap(), bytes);
    }

    /// cases.md E2: the browser unpacks a .gz and keeps its name; and the reverse.
    #[test]
    fn the_bytes_say_whether_a_file_is_packed() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        for (i, (file, bytes)) in entry.files.iter().zip(&bytes).enumerate() {
            let (ending, bytes) = if i % 2 == 0 { (".gz", bytes.clone()) } else { ("", packed(bytes)) };
            std::fs::write(dir.path().join(format!("{}{ending}", file.name)), bytes).unwrap();
        }
        assert_eq!(read(&entry, dir.path()).unwrap(), bytes);
    }

    /// A link of a hostile package or a shared folder.
    #[test]
    fn a_link_to_a_device_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, _) = stub::tiny();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join(entry.files[0].name)).unwrap();
        assert!(read(&entry, dir.path()).unwrap_err().to_string().contains("a file is needed"));
    }

    #[test]
    fn the_reason_is_of_a_file_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, _) = stub::tiny();
        let message = || read(&entry, dir.path()).unwrap_err().to_string();
        assert!(message().contains("train-images-idx3-ubyte: no such file"), "{}", message());
        std::fs::write(dir.path().join("train-images.idx3-ubyte.gz"), b"short").unwrap();
        assert!(message().contains("train-images-idx3-ubyte: magic number"), "{}", message());
    }
}
