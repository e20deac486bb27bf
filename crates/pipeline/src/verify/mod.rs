//! `verify`: every file of every stage beside its manifest. Lowest first: `walk` < `check` < `repair`.

mod check;
mod repair;
mod walk;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, SystemTime};

use records::verified::{FORMAT, StageVerified, Verification, Verified};
use store::artifact::replace;

use crate::Result;
use crate::verify::walk::Found;
pub use crate::verify::walk::entries;

/// Where a command of `make` has to look, beside its defaults.
pub struct Where<'a> {
    /// the pipeline file
    pub pipeline: &'a Path,
    /// folder of all results
    pub artifacts: &'a Path,
    /// stages of the pipeline file, as `experiment/stage` and `family/member/stage`
    pub stages: &'a [String],
}

/// Verifies the results of the experiments `asked` for, all if that is empty; says which folders it leaves to another run.
pub fn verify(places: &Where, asked: &[String]) -> Result<Verification> {
    let begun = Instant::now();
    let found = walk::walk(places.artifacts, asked)?;
    for dir in &found.nested {
        tracing::info!(
            "verify: {}: results of another pipeline file: make verify A={0} PIPELINE=FILE",
            dir.display()
        );
    }
    let Found { stages, mut faults, mut running, .. } = found;
    let checked = check::all(&stages)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut verified = BTreeMap::new();
    for (stage, checked) in stages.iter().zip(checked) {
        let Some(checked) = checked else {
            running.push(stage.name());
            continue;
        };
        let line = StageVerified {
            at: now,
            manifest: checked.manifest,
            files: checked.files,
            bytes: checked.bytes,
            faults: checked.faults.len(),
        };
        verified.insert(stage.name(), line);
        faults.extend(checked.faults);
    }
    faults.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Verification {
        format: FORMAT,
        good: faults.is_empty(),
        files: verified.values().map(|stage| stage.files).sum(),
        bytes: verified.values().map(|stage| stage.bytes).sum(),
        seconds: begun.elapsed().as_secs_f64(),
        repair: repair::commands(&faults, places),
        remove: repair::removal(&faults),
        stages: verified,
        running,
        faults,
    })
}

/// When each stage was last verified; nothing where that cannot be read.
pub fn last(artifacts: &Path) -> Option<Verified> {
    let text = std::fs::read(artifacts.join(Verified::FILE)).ok()?;
    serde_json::from_slice::<Verified>(&text).ok().filter(|last| last.format == FORMAT)
}

/// Notes when the stages were verified, and forgets those whose results are gone.
pub fn note(artifacts: &Path, run: &Verification) -> Result<()> {
    let mut stages = last(artifacts).map(|last| last.stages).unwrap_or_default();
    stages.retain(|name, _| artifacts.join(name).is_dir());
    stages.extend(run.stages.clone());
    let mut text = serde_json::to_vec_pretty(&Verified { format: FORMAT, stages })?;
    text.push(b'\n');
    Ok(replace(&artifacts.join(Verified::FILE), &text)?)
}
