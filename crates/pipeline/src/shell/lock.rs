//! One process at a time for a stage of an experiment.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;
use crate::failure::Failure;

/// So long a lock may be taken by those who only look: they have it for a moment.
const A_LOOK: Duration = Duration::from_secs(1);

fn path(experiment_dir: &Path, stage: &str) -> PathBuf {
    experiment_dir.join(format!(".{stage}.lock"))
}

/// The folder of the experiment, which is made where it is missing, for this process alone: two of one stage would write over each
/// other. `None`, with a warning, where the file system has no locks.
pub(crate) fn lock(experiment_dir: &Path, stage: &str) -> Result<Option<File>> {
    let path = path(experiment_dir, stage);
    let opened = std::fs::create_dir_all(experiment_dir).and_then(|()| open(&path));
    let (file, is_own) = opened.map_err(|error| Failure::cannot_write(experiment_dir, &error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if begun.elapsed() < A_LOOK => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::config(
                    format!("{}: another process is running {stage} for this experiment", path.display()),
                    "wait for it, or give another folder with --artifacts",
                )
                .into());
            }
            // NFS locks for one process alone only what that may write.
            Err(TryLockError::Error(error)) if !is_own => {
                return Err(Failure::config(
                    format!("cannot lock {}, which is another user's: {error}", path.display()),
                    "ask its owner for the right to write it: chmod g+w; or give a folder of your own: --artifacts DIR, make A=DIR",
                )
                .into());
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(
                    "{}: no locks here ({error}); do not start {stage} twice at once for this experiment",
                    path.display()
                );
                return Ok(None);
            }
        }
    }
}

/// The lock, if nobody has it now.
pub(crate) fn lock_if_free(experiment_dir: &Path, stage: &str) -> Option<File> {
    open(&path(experiment_dir, stage)).ok().map(|(file, _)| file).filter(|file| file.try_lock().is_ok())
}

/// Opens the file, or makes it; whether it may be written. That of another user need not be: a lock does not write.
fn open(path: &Path) -> std::io::Result<(File, bool)> {
    let made = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let made = made.map(|file| (file, true));
    made.or_else(|error| File::open(path).map(|file| (file, false)).map_err(|_| error))
}

/// Whether another process has the lock of the stage. Shared, so that those who look do not see each other; NFS grants no other lock
/// on a file that is opened for reading.
pub(crate) fn is_running(experiment_dir: &Path, stage: &str) -> bool {
    let file = File::open(path(experiment_dir, stage));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
