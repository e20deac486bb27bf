//! What lies in the folder of all results: the folders of stages, and what does not belong there.

use std::path::{Component, Path, PathBuf};

use records::stages;
use records::verified::{Fault, FaultKind, Verified};
use store::artifact::NEW;

use crate::failure::Failure;
use crate::shell::lock;
use crate::{Error, Result};

/// Files beside the folders of the experiments: lists of `params`, pages of `report`, and the record of `verify`.
const BESIDE: [&str; 5] = ["experiments.mk", "params.checked", "index.html", "compare.html", Verified::FILE];
/// Its results are no artifacts of a stage.
const BENCH: &str = "bench";

/// The results of one stage of one experiment.
pub struct StageFolder {
    /// `<experiment>`, or `<family>/<member>`
    pub experiment: String,
    /// its name
    pub stage: &'static str,
    /// folder of the experiment
    pub dir: PathBuf,
}

impl StageFolder {
    /// `<experiment>/<stage>`
    pub fn name(&self) -> String {
        format!("{}/{}", self.experiment, self.stage)
    }

    /// Whether another process is making these results.
    pub fn is_running(&self) -> bool {
        lock::is_running(&self.dir, self.stage)
    }
}

/// What a folder of results contains.
#[derive(Default)]
pub struct Found {
    /// stages that are not at work
    pub stages: Vec<StageFolder>,
    /// `<experiment>/<stage>` of the others
    pub running: Vec<String>,
    /// what does not belong there
    pub faults: Vec<Fault>,
    /// folders of results of other pipeline files
    pub nested: Vec<PathBuf>,
}

/// The folders of `asked`, experiments or members of families; of everything if there are none.
pub fn walk(artifacts: &Path, asked: &[String]) -> Result<Found> {
    let mut found = Found::default();
    for name in asked {
        let dir = artifacts.join(name);
        let is_within = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_within || !dir.is_dir() {
            let message = format!("{}: no results of {name}", artifacts.display());
            return Err(Failure::input(message, format!("run `make {name}` first, or leave it out")).into());
        }
        found.experiment(&dir, name)?;
    }
    if !asked.is_empty() {
        return Ok(found);
    }
    if !artifacts.is_dir() {
        let message = format!("{}: no such folder", artifacts.display());
        return Err(
            Failure::input(message, "run `make` first, or name the folder: make verify A=FOLDER").into()
        );
    }
    for (path, name) in entries(artifacts)? {
        if !path.is_dir() {
            if !BESIDE.contains(&name.as_str()) {
                found.stranger(&path, None, name.starts_with('.'));
            }
        } else if path.join("experiments.mk").exists() {
            found.nested.push(path);
        } else if name != BENCH {
            if is_experiment(&path)? {
                found.experiment(&path, &name)?;
            } else {
                found.stranger(&path, None, false);
            }
        }
    }
    Ok(found)
}

impl Found {
    /// The folder of an experiment, of a family, or of a member.
    fn experiment(&mut self, dir: &Path, experiment: &str) -> Result<()> {
        for (path, name) in entries(dir)? {
            if name == "params" {
                self.params(&path)?;
            } else if let Some(&stage) = stages::names().iter().find(|stage| **stage == name) {
                let folder = StageFolder { experiment: experiment.to_owned(), stage, dir: dir.to_owned() };
                if folder.is_running() {
                    self.running.push(folder.name());
                } else {
                    self.stages.push(folder);
                }
            } else if let Some((stage, stays)) = work_file(&name) {
                if !stays && !lock::is_running(dir, stage) {
                    self.stranger(&path, Some(format!("{experiment}/{stage}")), true);
                }
            // A link to a folder is a stranger: what it leads to may be results that are kept elsewhere.
            } else if !experiment.contains('/')
                && path.is_dir()
                && !path.is_symlink()
                && is_experiment(&path)?
            {
                self.experiment(&path, &format!("{experiment}/{name}"))?;
            } else {
                self.stranger(&path, None, false);
            }
        }
        Ok(())
    }

    /// The sections that `params` writes for `make`.
    fn params(&mut self, dir: &Path) -> Result<()> {
        for (path, name) in entries(dir)? {
            if !name.strip_suffix(".yaml").is_some_and(|stage| stages::names().contains(&stage)) {
                self.stranger(&path, None, name.starts_with(NEW));
            }
        }
        Ok(())
    }

    fn stranger(&mut self, path: &Path, stage: Option<String>, is_left_over: bool) {
        let (kind, reason) = if is_left_over {
            (FaultKind::LeftOver, "of a run that was killed")
        } else {
            (FaultKind::Foreign, "no stage writes it")
        };
        self.faults.push(Fault { kind, path: path.display().to_string(), stage, reason: reason.to_owned() });
    }
}

/// The stage of `.<stage>.lock`, `.<stage>.checkpoint`, `.<stage>.partial` or `.<stage>.old`, which may have a number, and whether it belongs there where no
/// stage is at work, as the first two do.
fn work_file(name: &str) -> Option<(&'static str, bool)> {
    let (stage, ending) = name.strip_prefix('.')?.rsplit_once('.')?;
    let stage = stages::names().into_iter().find(|known| *known == stage)?;
    let stays = matches!(ending, "lock" | "checkpoint");
    let goes = ending == "partial" || ending.starts_with("old");
    (stays || goes).then_some((stage, stays))
}

/// Whether a folder contains something of a stage, or of a member whose folder does.
fn is_experiment(dir: &Path) -> Result<bool> {
    let known = |name: &str| name == "params" || stages::names().contains(&name) || work_file(name).is_some();
    let of_member = |path: &Path| {
        path.is_dir() && !path.is_symlink() && entries(path).is_ok_and(|all| all.iter().any(|e| known(&e.1)))
    };
    Ok(entries(dir)?.iter().any(|(path, name)| known(name) || of_member(path)))
}

/// Paths and names in a folder, by name.
pub fn entries(dir: &Path) -> Result<Vec<(PathBuf, String)>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
    };
    let listing =
        std::fs::read_dir(dir).and_then(|listing| listing.map(entry).collect::<Result<Vec<_>, _>>());
    let mut all = listing.map_err(|e| Error::fault(format!("cannot list {}", dir.display()), e))?;
    all.sort();
    Ok(all)
}
