//! Folders of a stage at work, and what is left of them.

use std::path::{Path, PathBuf};

use records::Section;
use store::artifact::{old_ones, remove_dir};

use crate::shell::going_on::Checkpoints;
use crate::shell::lock::lock_if_free;
use crate::shell::stage::Stage;
use crate::shell::subject::Subject;

/// Where files gather, and where checkpoints are.
pub(crate) fn work_folders(experiment_dir: &Path, stage: &str) -> [PathBuf; 2] {
    ["partial", "checkpoint"].map(|ending| experiment_dir.join(format!(".{stage}.{ending}")))
}

/// Removes what a run that was killed has left beside results that are up to date: where files gathered, what was moved aside, and
/// checkpoints of these results.
pub(crate) fn tidy<S: Stage>(subject: &Subject<S>) {
    let dir = subject.experiment_dir();
    let [staging, kept] = work_folders(&dir, S::Params::STAGE);
    let mut left = old_ones(&staging);
    left.extend(staging.exists().then_some(staging));
    left.extend(Checkpoints::are_of(&kept, &subject.fingerprint).then_some(kept));
    if !left.is_empty()
        && let Some(_lock) = lock_if_free(&dir, S::Params::STAGE)
    {
        for folder in left {
            let _ = remove_dir(&folder);
        }
    }
}

/// Puts results back in their place, which a process that was killed had moved aside for new ones.
pub(crate) fn put_back(experiment_dir: &Path, stage: &str) {
    let (dir, [staging, _]) = (experiment_dir.join(stage), work_folders(experiment_dir, stage));
    let time = |path: &PathBuf| path.metadata().and_then(|found| found.modified()).ok();
    if !dir.exists()
        && let Some(old) = old_ones(&staging).into_iter().max_by_key(time)
    {
        // Or the stage runs again, as one that never ran.
        let _ = std::fs::rename(old, dir);
    }
}
