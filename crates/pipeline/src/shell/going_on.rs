//! Stopping where a loop of a stage may stop, and going on from there: by SIGTERM, SIGUSR1 or a limit of time.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use store::artifact::remove_dir;
use store::checkpoint::{Checkpoint, Unfit};

use crate::failure::Failure;

/// No more than that is lost where a run ends without a word.
const AT_MOST_LOST: Duration = Duration::from_secs(60);

/// Whether the stage is asked to stop.
pub(crate) struct Stop {
    /// the signal; 0 for none
    signal: AtomicI32,
    /// there are loops that can stop
    armed: AtomicBool,
    limit: Option<(Instant, Duration)>,
}

impl Stop {
    /// Nothing is asked; `after` is the limit from now on.
    pub(crate) fn new(after: Option<Duration>) -> Arc<Self> {
        let limit = after.map(|after| (Instant::now(), after));
        Arc::new(Self { signal: AtomicI32::new(0), armed: AtomicBool::new(false), limit })
    }

    /// Asks the stage to stop where it may; false where it has no such point, or was asked before.
    pub(crate) fn ask(&self, signal: i32) -> bool {
        self.armed.load(Ordering::SeqCst) && self.signal.swap(signal, Ordering::SeqCst) == 0
    }

    /// Why it should stop now.
    fn reason(&self) -> Option<String> {
        match self.signal.load(Ordering::SeqCst) {
            0 => {
                let (begun, after) = self.limit?;
                (begun.elapsed() >= after)
                    .then(|| format!("after {} s, as --stop-after says", after.as_secs()))
            }
            signal => Some(format!("by signal {signal}")),
        }
    }
}

/// The checkpoints of a stage: a file for each of its loops, in a folder that its results replace.
pub(crate) struct Checkpoints {
    dir: PathBuf,
    /// of parameters, inputs and code
    identity: String,
    stop: Arc<Stop>,
    waiting: Mutex<Waiting>,
    /// the user knows that the work goes on
    is_said: AtomicBool,
}

/// What the next write of a checkpoint writes too.
struct Waiting {
    /// when the last was written
    written: Instant,
    /// loops that ended since then
    ended: Vec<(String, Checkpoint)>,
}

impl Checkpoints {
    pub(crate) fn new(dir: PathBuf, identity: String, stop: Arc<Stop>) -> Self {
        let waiting = Mutex::new(Waiting { written: Instant::now(), ended: vec![] });
        Self { dir, identity, stop, waiting, is_said: AtomicBool::new(false) }
    }

    /// How far an earlier run came with a loop, as `read` finds it.
    pub(crate) fn resume<T>(&self, of: &str, read: impl FnOnce(&Checkpoint) -> Option<T>) -> Option<T> {
        // From now on the stage can stop, and where the folder is seen, it can already.
        self.stop.armed.store(true, Ordering::SeqCst);
        if let Err(error) = std::fs::create_dir_all(&self.dir) {
            tracing::warn!("cannot create {}: {error}; the stage cannot stop and go on", self.dir.display());
            self.stop.armed.store(false, Ordering::SeqCst);
            return None;
        }
        let path = self.path(of);
        let not_its = || Unfit::Damaged(format!("not what is saved of {of}"));
        let found = Checkpoint::read(&path, &self.identity);
        let found = found.and_then(|found| found.map(|c| read(&c).ok_or_else(not_its)).transpose());
        let found = found.unwrap_or_else(|unfit| {
            tracing::warn!("{}: {unfit}; it is ignored, and this work begins anew", path.display());
            None
        });
        if found.is_some() && !self.is_said.swap(true, Ordering::SeqCst) {
            tracing::info!("goes on where an earlier run stopped: {}", self.dir.display());
        }
        found
    }

    /// A point where the loop may stop; `far` says how far it is, in words.
    pub(crate) fn may_stop(
        &self,
        of: &str,
        far: impl Display,
        state: impl FnOnce() -> Checkpoint,
    ) -> Result<()> {
        let reason = self.stop.reason();
        let mut waiting = self.waiting.lock().expect("nothing panics while it is held");
        if reason.is_none() && waiting.written.elapsed() < AT_MOST_LOST {
            return Ok(());
        }
        let written = self.write(&mut waiting, (of, &state()));
        match (reason, written) {
            (Some(reason), Ok(())) => {
                let message = format!("stopped {reason}, at {far}; what is done is kept");
                Err(Failure::stopped(message, "run the same command again: it goes on from there").into())
            }
            (Some(_), Err(error)) => Err(error.into()),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => {
                tracing::warn!("{error}; the stage goes on without a checkpoint");
                Ok(())
            }
        }
    }

    /// The end of a loop: what it found is kept with the next checkpoint of another.
    pub(crate) fn ended(&self, of: &str, state: Checkpoint) {
        self.waiting.lock().expect("nothing panics while it is held").ended.push((of.to_owned(), state));
    }

    fn write(&self, waiting: &mut Waiting, (of, state): (&str, &Checkpoint)) -> store::Result<()> {
        // Once in a minute, whether or not the disk has room.
        waiting.written = Instant::now();
        state.write(&self.path(of), &self.identity)?;
        for (of, state) in &waiting.ended {
            state.write(&self.path(of), &self.identity)?;
        }
        waiting.ended.clear();
        Ok(())
    }

    /// Removes all of them: the results are there, or cannot be reached from here.
    pub(crate) fn remove(&self) -> store::Result<()> {
        remove_dir(&self.dir)
    }

    fn path(&self, of: &str) -> PathBuf {
        self.dir.join(format!("{}.safetensors", of.replace('/', "-")))
    }
}
