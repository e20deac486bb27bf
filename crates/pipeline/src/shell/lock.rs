//! One process at a time for a stage of an experiment.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Failure;

/// Where the lock is.
pub(crate) fn path(experiment_dir: &Path, stage: &str) -> PathBuf {
    experiment_dir.join(format!(".{stage}.lock"))
}

/// Two processes of one stage and experiment would write over each other.
pub(crate) fn lock(experiment_dir: &Path, stage: &str) -> Result<File> {
    let path = path(experiment_dir, stage);
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::config(
            format!("{}: another process is running {stage} for this experiment", path.display()),
            "wait for it, or give another folder with --artifacts",
        )
        .into()),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
