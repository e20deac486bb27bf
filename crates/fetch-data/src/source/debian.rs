//! A package of Debian: as it is installed, or fetched by `apt-get download`, which needs no root.

use std::path::Path;
use std::process::Command;

use catalogue::{Debian, Entry};
use pipeline::progress::Progress;

use super::directory;
use super::error::SourceError;
use super::program::{file_with_ending, run, temporary_folder, unpacking};

/// The files of the package; `apt_get` is the program to call.
pub fn fetch(entry: &Entry, apt_get: &str) -> Result<Vec<Vec<u8>>, SourceError> {
    let origin = entry.origins.debian.ok_or(SourceError::NoPackage)?;
    let installed = Path::new("/").join(origin.folder);
    if installed.is_dir() {
        return directory::read(entry, &installed);
    }
    let temporary = temporary_folder()?;
    let dir = temporary.path();
    if download(dir, apt_get, origin).is_err() {
        update(dir, apt_get)?;
        download(dir, apt_get, origin)?;
    }
    let archive = file_with_ending(dir, ".deb")?;
    run(dir, "dpkg-deb", &["-x", &archive.display().to_string(), "."], &unpacking(origin.package))?;
    directory::read(entry, &dir.join(origin.folder))
}

fn download(dir: &Path, apt_get: &str, origin: Debian) -> Result<(), SourceError> {
    let label = format!("fetch-data: {}: bytes", origin.package);
    let length = length_of(dir, apt_get, origin.package);
    let progress = length.map_or_else(|| Progress::open(&label), |n| Progress::new(n, &label));
    run(dir, apt_get, &["download", "-qq", origin.package], &progress)
}

/// Without package lists there is nothing to download; only root can fetch them.
fn update(dir: &Path, apt_get: &str) -> Result<(), SourceError> {
    let progress = Progress::open("fetch-data: apt-get update: bytes");
    run(dir, apt_get, &["update", "-qq"], &progress).map_err(|error| match error {
        SourceError::Program { command, said, .. } => {
            SourceError::Program { command, said, advice: "run `apt-get update` as root first: " }
        }
        other => other,
    })
}

/// Bytes of the file that `apt-get download` would fetch; `None` where it does not say.
fn length_of(dir: &Path, apt_get: &str, package: &str) -> Option<usize> {
    let asked =
        Command::new(apt_get).args(["--print-uris", "-qq", "download", package]).current_dir(dir).output();
    length_in(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

/// Of the line `'address' name length hash`.
fn length_in(uris: &str) -> Option<usize> {
    uris.lines().find(|line| line.starts_with('\''))?.split(' ').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub;

    #[test]
    fn the_length_of_a_package_is_read() {
        let line = "'https://example.org/d.deb' d_1_all.deb 30000000 SHA256:0a\n";
        assert_eq!(length_in(line), Some(30_000_000));
        assert_eq!(length_in("E: no such package"), None);
    }

    /// Without package lists the first download fails; `update` brings them.
    #[test]
    fn a_package_is_unpacked_and_a_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        let failing = stub::script(dir.path(), "echo 'E: no such package' >&2; exit 100");
        let message = fetch(&entry, &failing).unwrap_err().to_string();
        assert!(message.contains("run `apt-get update` as root first"), "{message}");
        assert!(message.contains("update -qq` failed: E: no such package"), "{message}");

        if Command::new("dpkg-deb").arg("--version").output().is_err() {
            let allowed = std::env::var_os("PLATEAU_ALLOW_SKIPS").is_some_and(|v| v == "1");
            assert!(
                allowed,
                "dpkg-deb is missing: install dpkg, or set PLATEAU_ALLOW_SKIPS=1 to skip what needs it"
            );
            eprintln!("SKIPPED: no dpkg-deb, so no package was unpacked");
            return;
        }
        let made = dir.path().join("made");
        stub::write_packed(&entry, &bytes, &made.join("usr/share/no-such-data-set"));
        std::fs::create_dir(made.join("DEBIAN")).unwrap();
        let control = "Package: stub\nVersion: 1\nArchitecture: all\nMaintainer: test <t@example.org>\nDescription: test\n";
        std::fs::write(made.join("DEBIAN/control"), control).unwrap();
        let text = format!(
            "case $1 in\nupdate) touch lists;;\n--print-uris) ;;\ndownload) [ -e lists ] && dpkg-deb --build '{}' stub_1_all.deb >/dev/null;;\nesac",
            made.display()
        );
        assert_eq!(fetch(&entry, &stub::script(dir.path(), &text)).unwrap(), bytes);
    }
}
