//! What a stage is, and what it can reach while it runs.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use records::stages::{self, Row};
use records::{Member, Section};
use store::artifact::{Inputs, Outputs};
use store::checkpoint::Checkpoint;
use team::{Order, Team};

use crate::log::plain;
use crate::progress::Progress;
use crate::shell::cost::{Cost, PlanContext};
use crate::shell::going_on::{Checkpoints, Journal};
use crate::{Error, Result};

/// One stage of the pipeline: what its binary is.
pub trait Stage {
    /// Its section of `pipeline.yaml`.
    type Params: Section;
    /// First lines of `--help`.
    const ABOUT: &'static str;
    /// Hash of the sources of each part of its code, in JSON: `env!("CODE")`, from its build script.
    const CODE: &'static str;

    /// Its row in the list of stages: what it reads.
    fn row() -> &'static Row {
        stages::row_of(Self::Params::STAGE)
    }

    /// Prepares the numeric library, if the stage uses one, and says which it is.
    fn numeric_library() -> Option<String> {
        None
    }

    /// What a run would cost, for `--dry-run`; results of earlier stages need not be there.
    fn cost(_params: &Self::Params, _ctx: &PlanContext) -> Result<Cost> {
        Ok(Cost::default())
    }

    /// Brings up to date what lies outside of its folder, after its results came from a cache.
    fn after_cache(_artifacts: &Path) -> Result<()> {
        Ok(())
    }

    /// Reads, computes, writes; returns the one line with numbers that the user sees. Of several processes the first does it.
    fn run(params: &Self::Params, ctx: &mut StageContext) -> Result<String>;

    /// What the other processes do meanwhile, until the first orders the end. A stage that does not share its work waits.
    fn assist(_params: &Self::Params, ctx: &TeamContext) -> Result<()> {
        ctx.wait()
    }
}

/// What a process that assists the first can reach.
pub struct TeamContext {
    /// results of earlier stages, of which the first checks the hashes
    pub inputs: Inputs,
    /// this process among the others
    pub team: Arc<dyn Team>,
}

impl TeamContext {
    /// Waits for the end.
    pub fn wait(&self) -> Result<()> {
        let order = self.team.next_order();
        if order != Order::END {
            return Err(Error::fault(
                "an order for work that this stage does not share",
                format!("{order:?}"),
            ));
        }
        Ok(())
    }
}

/// What a running stage can reach.
pub struct StageContext {
    /// the experiment's name
    pub experiment: String,
    /// folder of `pipeline.yaml`, to which the paths in it are relative
    pub base: PathBuf,
    /// folder of all artifacts
    pub artifacts: PathBuf,
    /// results of earlier stages
    pub inputs: Inputs,
    /// the members, with their results, where the experiment is a family
    pub members: Vec<(Member, Inputs)>,
    /// results of this one
    pub outputs: Outputs,
    /// the processes that share the work, of which this is the first; it may be alone
    pub team: Arc<dyn Team>,
    /// what may make the results wrong, or other than was asked for
    pub(crate) warnings: Mutex<Vec<String>>,
    /// how far its loops came
    pub(crate) checkpoints: Arc<Checkpoints>,
}

impl StageContext {
    /// A path of `pipeline.yaml`, which is relative to that file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The results of a stage of another experiment, one of [`Section::experiments`].
    pub fn other(&self, experiment: &str, stage: &'static str) -> Result<Inputs> {
        Ok(Inputs::open(&self.artifacts.join(experiment), &[stage])?)
    }

    /// Says in the log what may make the results wrong, or other than was asked for, and keeps it with them: the report shows it.
    /// `message` begins with the stage or with the key, as `eigen.random_dim: …`.
    pub fn warn(&self, message: impl Into<String>) {
        let message = plain(&message.into());
        tracing::warn!("{message}");
        self.warnings.lock().expect("nothing panics while it is held").push(message);
    }

    /// All of them, in their order.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("nothing panics while it is held").clone()
    }

    /// How far an earlier run, which was stopped, came with the loop `of`: what `read` makes of its checkpoint. From here on the
    /// stage can stop.
    pub fn resume<T>(&self, of: &str, read: impl FnOnce(&Checkpoint) -> Option<T>) -> Option<T> {
        self.checkpoints.resume(of, read)
    }

    /// A point where the loop `of` may stop, `far` in words: with a checkpoint and an error, where the stage is asked to stop;
    /// with a checkpoint alone, where the last is older than a minute.
    pub fn may_stop(&self, of: &str, far: impl Display, state: impl FnOnce() -> Checkpoint) -> Result<()> {
        self.checkpoints.may_stop(of, far, state)
    }

    /// What an earlier run, which was stopped, has found out for the work `of`. From here on the stage can stop.
    pub fn journal(&self, of: &str) -> Journal {
        self.checkpoints.journal(of)
    }

    /// The end of the loop `of`: what it found need not be found again where the stage stops later.
    pub fn ended(&self, of: &str, state: Checkpoint) {
        self.checkpoints.ended(of, state);
    }

    /// A loop over `total` items that the user knows as `label`.
    pub fn progress(&self, total: usize, label: &str) -> Progress {
        Progress::new(total, label)
    }

    /// A loop that ends by itself, after `most` items at the latest.
    pub fn progress_at_most(&self, most: usize, label: &str) -> Progress {
        Progress::at_most(most, label)
    }
}
