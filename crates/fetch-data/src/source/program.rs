//! Programs of the system that download and unpack packages.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pipeline::progress::Progress;

use super::error::SourceError;

/// Between two looks at what a program has written.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A folder for the archive of a package, which is removed with it.
pub fn temporary_folder() -> Result<tempfile::TempDir, SourceError> {
    tempfile::tempdir().map_err(|error| SourceError::Temporary { dir: std::env::temp_dir(), error })
}

/// Runs a program in `dir`; `progress` counts the bytes that appear there.
pub fn run(dir: &Path, program: &str, arguments: &[&str], progress: &Progress) -> Result<(), SourceError> {
    let before = bytes_below(dir);
    let started = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("npm_config_cache", dir.join(".npm")) // where npm writes while it downloads
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut started = started.map_err(|error| SourceError::Start { program: program.to_owned(), error })?;
    let mut stderr = started.stderr.take().expect("it is piped");
    let listener = std::thread::spawn(move || {
        let mut said = vec![];
        stderr.read_to_end(&mut said).map(|_| String::from_utf8_lossy(&said).into_owned())
    });
    let mut seen = 0;
    let status = loop {
        let status = started.try_wait()?;
        let there = bytes_below(dir).saturating_sub(before);
        // Files come and go: what has been counted stays so.
        progress.add(there.saturating_sub(seen));
        seen = seen.max(there);
        match status {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let said = listener.join().expect("it does not panic")?;
    if status.success() {
        return Ok(());
    }
    let said = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it printed nothing").to_owned();
    let command = [&[program], arguments].concat().join(" ");
    Err(SourceError::Program { command, said, advice: "" })
}

/// Bytes of all files in `dir` and below; one that vanishes meanwhile counts as none.
fn bytes_below(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => usize::try_from(found.len()).unwrap_or(0),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The file in `dir` that a program has left there.
pub fn file_with_ending(dir: &Path, ending: &'static str) -> Result<PathBuf, SourceError> {
    let entries = std::fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    let found = entries.into_iter().map(|e| e.path()).find(|p| p.to_string_lossy().ends_with(ending));
    found.ok_or(SourceError::NoArchive { ending })
}

/// Counts the bytes of a package that is being unpacked.
pub fn unpacking(package: &str) -> Progress {
    Progress::open(&format!("fetch-data: {package}: bytes unpacked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_a_program_writes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("before"), [0; 7]).unwrap();
        let progress = Progress::open("test");
        let write = "head -c 1000 /dev/zero > below/a; head -c 24 /dev/zero > b";
        run(dir.path(), "sh", &["-c", write], &progress).unwrap();
        assert_eq!((bytes_below(dir.path()), progress.done()), (1031, 1024));
    }

    #[test]
    fn a_program_that_fails_or_is_absent_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let message = |program: &str, arguments: &[&str]| {
            run(dir.path(), program, arguments, &Progress::open("test")).unwrap_err().to_string()
        };
        let failed = message("sh", &["-c", "echo first >&2; echo 'E: no such package' >&2; exit 100"]);
        assert!(failed.starts_with("`sh -c") && failed.ends_with("failed: E: no such package"), "{failed}");
        assert!(message("false", &[]).contains("`false` failed: it printed nothing"));
        assert!(message("no-such-program", &[]).contains("`no-such-program` cannot be started"));
    }
}
