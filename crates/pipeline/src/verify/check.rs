//! The files of stages beside their manifests, all at the same time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use records::stages::ROWS;
use records::verified::{Fault, FaultKind};
use store::artifact::fingerprint;
use store::hash;
use store::manifest::{Manifest, Output};

use crate::Result;
use crate::progress::Progress;
use crate::verify::walk::{StageFolder, entries};

/// What was found in the folder of a stage.
pub struct Checked {
    /// own hash of the manifest
    pub manifest: Option<String>,
    /// files that it names
    pub files: usize,
    /// bytes of those that were hashed
    pub bytes: u64,
    /// what is not as it should be
    pub faults: Vec<Fault>,
}

/// A file to hash.
struct Job<'a> {
    /// place of its stage
    stage: usize,
    path: PathBuf,
    output: &'a Output,
    bytes: u64,
}

/// Each stage; `None` for one that another process began or ended to make meanwhile.
pub fn all(stages: &[StageFolder]) -> Result<Vec<Option<Checked>>> {
    let manifests = stages.iter().map(|s| Manifest::find(&s.dir, s.stage)).collect::<Vec<_>>();
    let mut checked = vec![];
    let mut jobs = vec![];
    for (i, (stage, manifest)) in stages.iter().zip(&manifests).enumerate() {
        let manifest = manifest.as_ref();
        let mut faults = vec![];
        match manifest {
            Ok(Some(manifest)) => {
                faults.extend(of_manifest(stage, manifest));
                faults.extend(foreign(stage, manifest)?);
                faults.extend(list(i, stage, manifest, &mut jobs));
            }
            Ok(None) => faults.push(without_manifest(stage, None)),
            Err(error) => faults.push(without_manifest(stage, Some(error))),
        }
        let manifest = manifest.ok().and_then(Option::as_ref);
        checked.push(Checked {
            manifest: manifest.and_then(|m| m.sha256.clone()),
            files: manifest.map_or(0, |m| m.outputs.len()),
            bytes: 0,
            faults,
        });
    }
    for (stage, bytes, fault) in hash_all(stages, jobs) {
        checked[stage].bytes += bytes;
        checked[stage].faults.extend(fault);
    }
    Ok(stages.iter().zip(checked).map(|(stage, checked)| settled(stage, checked)).collect())
}

/// Adds the files of a stage, the `i`-th, to those to hash; the faults of those that are none.
fn list<'a>(i: usize, stage: &StageFolder, manifest: &'a Manifest, jobs: &mut Vec<Job<'a>>) -> Vec<Fault> {
    let mut faults = vec![];
    for (file, output) in &manifest.outputs {
        let path = stage.dir.join(stage.stage).join(file);
        match path.symlink_metadata() {
            Ok(there) if there.is_file() => jobs.push(Job { stage: i, path, output, bytes: there.len() }),
            there => faults.push(not_a_file(stage, &path, there)),
        }
    }
    faults
}

/// The stage, the bytes and the fault of each file.
fn hash_all(stages: &[StageFolder], mut jobs: Vec<Job>) -> Vec<(usize, u64, Option<Fault>)> {
    // The largest first, so that none of them is left for one thread at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.bytes));
    let mebibytes = |bytes: u64| usize::try_from(bytes >> 20).unwrap_or(usize::MAX);
    let progress = Progress::new(mebibytes(jobs.iter().map(|job| job.bytes).sum()), "verify: MiB");
    let hashed = jobs.par_iter().with_max_len(1).map(|job| {
        let fault = other_hash(&stages[job.stage], job);
        progress.add(mebibytes(job.bytes));
        (job.stage, job.bytes, fault)
    });
    hashed.collect()
}

/// A folder without a manifest, or with one that cannot be read.
fn without_manifest(stage: &StageFolder, error: Option<&store::Error>) -> Fault {
    let path = Manifest::path(&stage.dir, stage.stage);
    match error {
        None => fault(stage, FaultKind::Missing, &path, "the folder is there without it".to_owned()),
        Some(error) => {
            let reason = error.to_string().replacen(&format!("{}: ", path.display()), "", 1);
            fault(stage, FaultKind::Damaged, &path, reason)
        }
    }
}

/// What was found, unless the results were being replaced at that time.
fn settled(stage: &StageFolder, checked: Checked) -> Option<Checked> {
    let unchanged = || {
        let now = Manifest::find(&stage.dir, stage.stage).ok().flatten().and_then(|m| m.sha256);
        now == checked.manifest && !stage.is_running()
    };
    (checked.faults.is_empty() || unchanged()).then_some(checked)
}

fn fault(stage: &StageFolder, kind: FaultKind, path: &Path, reason: String) -> Fault {
    Fault { kind, path: path.display().to_string(), stage: Some(stage.name()), reason }
}

/// Parameters, code and inputs have the hash that decides whether the stage is up to date; the rest that of the manifest.
fn of_manifest(stage: &StageFolder, manifest: &Manifest) -> Option<Fault> {
    let Manifest { params, code, inputs, .. } = manifest;
    let reason = if manifest.sha256.is_none() {
        "without its own hash: of an earlier version, or changed after it was written"
    } else if manifest.stage != stage.stage
        || manifest.experiment != stage.experiment
            && ROWS.iter().any(|row| row.names_experiment && row.name == stage.stage)
    {
        "of another stage or experiment"
    } else if fingerprint(stage.stage, params, &code.parts, inputs) != manifest.fingerprint {
        "its fingerprint is not that of its parameters, code and inputs"
    } else {
        return None;
    };
    let path = Manifest::path(&stage.dir, stage.stage);
    Some(fault(stage, FaultKind::Damaged, &path, reason.to_owned()))
}

fn not_a_file(stage: &StageFolder, path: &Path, there: std::io::Result<std::fs::Metadata>) -> Fault {
    let (kind, reason) = match there {
        Ok(there) if there.is_symlink() => (FaultKind::Damaged, "a link; the stage wrote a file".to_owned()),
        Ok(_) => (FaultKind::Damaged, "no file".to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (FaultKind::Missing, "no such file".to_owned()),
        Err(e) => (FaultKind::Damaged, e.to_string()),
    };
    fault(stage, kind, path, reason)
}

fn other_hash(stage: &StageFolder, job: &Job) -> Option<Fault> {
    let needed = &job.output.sha256;
    let reason = match hash::of_path(&job.path) {
        Ok(found) if found == *needed => return None,
        Ok(found) => format!("SHA-256 {found:.12}…, but its manifest has {needed:.12}…"),
        Err(error) => error.to_string().replacen(&format!("{}: ", job.path.display()), "", 1),
    };
    Some(fault(stage, FaultKind::Damaged, &job.path, reason))
}

/// Whatever else lies in the folder. A link is not followed.
fn foreign(stage: &StageFolder, manifest: &Manifest) -> Result<Vec<Fault>> {
    let dir = stage.dir.join(stage.stage);
    let outputs = manifest.outputs.keys().map(|file| dir.join(file)).collect::<BTreeSet<_>>();
    let folders = outputs.iter().flat_map(|path| path.ancestors().skip(1).take_while(|a| *a != dir));
    let folders = folders.map(Path::to_owned).collect::<BTreeSet<_>>();
    let manifest = Manifest::path(&stage.dir, stage.stage);
    let mut open = vec![dir];
    let mut found = vec![];
    while let Some(dir) = open.pop() {
        for (path, _) in entries(&dir)? {
            if folders.contains(&path) && path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
                open.push(path);
            } else if !outputs.contains(&path) && path != manifest {
                found.push(fault(
                    stage,
                    FaultKind::Foreign,
                    &path,
                    "not among the files of its manifest".to_owned(),
                ));
            }
        }
    }
    Ok(found)
}
