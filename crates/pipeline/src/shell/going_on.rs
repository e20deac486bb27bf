//! Stopping where a loop of a stage may stop, and going on from there: by SIGTERM, SIGUSR1 or a limit of time.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store::artifact::{aside, remove_dir, replace};
use store::checkpoint::{Checkpoint, Unfit};

use crate::failure::Failure;
use crate::{Error, Result};

/// The file of a checkpoint that says what it is of: the hash of parameters, inputs and code, and a line for each BLAS.
const ABOUT: &str = "about";

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
    /// of this run
    blas: Option<String>,
    /// those of earlier runs that had the same identity
    earlier_blas: Vec<String>,
    waiting: Mutex<Waiting>,
    /// the user knows that the work goes on
    is_said: AtomicBool,
}

/// What the next write of a checkpoint writes too.
struct Waiting {
    /// when the last was written
    written: Instant,
    /// how long that took
    took: Duration,
    /// what ended since then
    ended: Vec<Ended>,
}

/// The last word of a loop, or of a journal.
enum Ended {
    Loop(String, Checkpoint),
    Journal(store::journal::Journal),
}

impl Checkpoints {
    pub(crate) fn new(dir: PathBuf, identity: String, stop: Arc<Stop>, blas: Option<String>) -> Self {
        let waiting = Mutex::new(Waiting { written: Instant::now(), took: Duration::ZERO, ended: vec![] });
        let about = std::fs::read_to_string(dir.join(ABOUT)).unwrap_or_default();
        let earlier = about.strip_prefix(&identity).unwrap_or_default();
        let earlier_blas = earlier.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Self { dir, identity, stop, blas, earlier_blas, waiting, is_said: AtomicBool::new(false) }
    }

    /// Whether what is in the folder `dir` belongs to these parameters, inputs and code.
    pub(crate) fn are_of(dir: &Path, identity: &str) -> bool {
        std::fs::read_to_string(dir.join(ABOUT)).is_ok_and(|about| about.starts_with(identity))
    }

    /// All BLAS that the work was done with, the first first.
    pub(crate) fn blas(&self) -> Option<String> {
        let goes_on = self.is_said.load(Ordering::SeqCst);
        let earlier = self.earlier_blas.iter().filter(|_| goes_on);
        let mut all = earlier.chain(&self.blas).cloned().collect::<Vec<_>>();
        all.dedup();
        (!all.is_empty()).then(|| all.join(", then "))
    }

    /// From now on the stage can stop, and where the folder is seen, it can already.
    fn arm(&self) -> bool {
        self.stop.armed.store(true, Ordering::SeqCst);
        let made = std::fs::create_dir_all(&self.dir).map_err(Error::from).and_then(|()| self.write_about());
        if let Err(error) = &made {
            tracing::warn!("{}: {error}; the stage cannot stop and go on", self.dir.display());
            self.stop.armed.store(false, Ordering::SeqCst);
        }
        made.is_ok()
    }

    /// Says what the folder is of, and so whether it can be written.
    fn write_about(&self) -> Result<()> {
        let own = self.blas.iter().filter(|own| self.earlier_blas.last() != Some(own));
        let lines = std::iter::once(&self.identity).chain(&self.earlier_blas).chain(own);
        let about = lines.map(|line| format!("{line}\n")).collect::<String>();
        let write = || replace(&self.dir.join(ABOUT), about.as_bytes());
        match write() {
            Err(store::Error::System { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                self.copy()?;
                Ok(write()?)
            }
            written => Ok(written?),
        }
    }

    /// Puts a copy in the place of the folder, which is another user's.
    fn copy(&self) -> Result<()> {
        let copy = aside(&self.dir);
        let copied = || {
            std::fs::create_dir(&copy)?;
            for entry in std::fs::read_dir(&self.dir)? {
                let entry = entry?;
                std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
            }
            std::fs::rename(&self.dir, aside(&self.dir))?;
            std::fs::rename(&copy, &self.dir)
        };
        copied().or_else(|error: std::io::Error| {
            remove_dir(&copy)?;
            Err(error.into())
        })
    }

    fn say_that_it_goes_on(&self) {
        if self.is_said.swap(true, Ordering::SeqCst) {
            return;
        }
        tracing::info!("goes on where an earlier run stopped: {}", self.dir.display());
        if let (Some(last), Some(own)) = (self.earlier_blas.last(), &self.blas)
            && last != own
        {
            tracing::warn!(
                "what is done was computed with {last}, the rest with {own}: last digits are of neither alone"
            );
        }
    }

    /// What an earlier run has written down of the work `of`; the rest is written down from now on.
    pub(crate) fn journal(self: &Arc<Self>, of: &str) -> Journal {
        let can_stop = self.arm();
        let path = self.path(of).with_extension("journal");
        let mut file = store::journal::Journal::open(&path, &self.identity);
        if file.is_foreign() {
            tracing::warn!(
                "{}: {}; it is ignored, and this work begins anew",
                path.display(),
                Unfit::Foreign
            );
        }
        if file.has_more() {
            self.say_that_it_goes_on();
        }
        if !can_stop {
            file.close();
        }
        Journal { of: of.to_owned(), checkpoints: Arc::clone(self), file: RefCell::new(file) }
    }

    /// How far an earlier run came with a loop, as `read` finds it.
    pub(crate) fn resume<T>(&self, of: &str, read: impl FnOnce(&Checkpoint) -> Option<T>) -> Option<T> {
        if !self.arm() {
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
        if found.is_some() {
            self.say_that_it_goes_on();
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
        self.may_stop_by(far, || state().write(&self.path(of), &self.identity))
    }

    /// The same, where `write` writes how far it is: when the stage stops, and once in a minute.
    fn may_stop_by(&self, far: impl Display, write: impl FnOnce() -> store::Result<()>) -> Result<()> {
        let reason = self.stop.reason();
        let mut waiting = self.waiting.lock().expect("nothing panics while it is held");
        // What takes seconds to write is written more seldom.
        let apart = AT_MOST_LOST.max(10 * waiting.took);
        if reason.is_none() && waiting.written.elapsed() < apart {
            return Ok(());
        }
        let written = self.write(&mut waiting, write);
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
        self.waiting
            .lock()
            .expect("nothing panics while it is held")
            .ended
            .push(Ended::Loop(of.to_owned(), state));
    }

    fn write(&self, waiting: &mut Waiting, write: impl FnOnce() -> store::Result<()>) -> store::Result<()> {
        // Once in a minute, whether or not the disk has room.
        waiting.written = Instant::now();
        write()?;
        for ended in &mut waiting.ended {
            match ended {
                Ended::Loop(of, state) => state.write(&self.path(of), &self.identity)?,
                Ended::Journal(journal) => journal.write()?,
            }
        }
        waiting.ended.clear();
        waiting.took = waiting.written.elapsed();
        Ok(())
    }

    /// Removes all of them: the results are there, or cannot be reached from here.
    pub(crate) fn remove(&self) {
        if let Err(error) = remove_dir(&self.dir) {
            tracing::warn!("{error}; it is no longer needed");
        }
    }

    fn path(&self, of: &str) -> PathBuf {
        self.dir.join(format!("{}.safetensors", of.replace('/', "-")))
    }
}

/// What a computation that is always the same has asked for, and what it got: one that goes on asks again, and is answered from here
/// until it comes to where the earlier run stopped. So a solver need not know that it can stop.
pub struct Journal {
    of: String,
    checkpoints: Arc<Checkpoints>,
    file: RefCell<store::journal::Journal>,
}

/// So many bytes are kept in memory before they are written.
const ROOM: usize = 64 << 20;

impl Journal {
    /// The answer to a question, which is known by its hash: that of an earlier run, or what `answer` gives.
    ///
    /// Where the stage is asked to stop, it stops here: what is below [`until_stopped`] is left by unwinding.
    pub fn answer(&self, question: &str, answer: impl FnOnce() -> Vec<f64>) -> Vec<f64> {
        if let Some(known) = self.known(question) {
            return known;
        }
        let found = answer();
        let mut file = self.file.borrow_mut();
        file.push(question, &found);
        // Without waiting for the disk, which would cost more than a product.
        if file.waiting() > ROOM
            && let Err(error) = file.spill()
        {
            tracing::warn!(
                "{error}; {}: no room for what is done: a run that goes on begins it anew",
                self.of
            );
            file.close();
        }
        // A run that stopped here would begin anew, for ever where a job is queued again.
        if file.is_closed() {
            return found;
        }
        let far = format!("evaluation {} of {}", file.answers(), self.of);
        let stopped = self.checkpoints.may_stop_by(far, || file.write());
        if let Err(stop) = stopped {
            resume_unwind(Box::new(stop));
        }
        found
    }

    /// What an earlier run got.
    fn known(&self, question: &str) -> Option<Vec<f64>> {
        let mut file = self.file.borrow_mut();
        let had_more = file.has_more();
        let known = file.next(question);
        if known.is_none() && had_more {
            tracing::warn!(
                "{}: the first {} evaluations of an earlier run are used; the next is damaged, or of another question, as \
                 with another kernel of OpenBLAS: from there on they are computed again",
                self.of,
                file.answers()
            );
        }
        known
    }

    /// The end of the work: what is not written yet is written with the next checkpoint.
    pub fn end(self) {
        let mut waiting = self.checkpoints.waiting.lock().expect("nothing panics while it is held");
        waiting.ended.push(Ended::Journal(self.file.into_inner()));
    }
}

/// What `work` gives, or the error with which a [`Journal`] stops it.
pub fn until_stopped<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|thrown| match thrown.downcast::<Error>() {
        Ok(stop) => *stop,
        Err(panic) => resume_unwind(panic),
    })
}
