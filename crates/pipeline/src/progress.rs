//! Progress of a loop: a bar on a terminal, plain lines in a log.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines of a log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Counts finished items of one loop; shared between threads.
pub struct Progress {
    label: String,
    total: u64,
    done: AtomicU64,
    begun: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// A loop over `total` items that the user knows as `label`.
    pub fn new(total: usize, label: &str) -> Self {
        let total = total as u64;
        let bar = (std::io::stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO)).then(|| {
            let style = ProgressStyle::with_template(
                "{msg} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left",
            )
            .expect("a valid template");
            ProgressBar::new(total).with_style(style).with_message(label.to_owned())
        });
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            begun: now,
            bar,
            last_line: Mutex::new(now),
        }
    }

    /// `n` more items are finished.
    pub fn add(&self, n: usize) {
        let done = self.done.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.elapsed() >= LOG_EVERY {
            *last = Instant::now();
            let elapsed = self.begun.elapsed().as_secs_f64();
            let left = elapsed / done as f64 * self.total.saturating_sub(done) as f64;
            tracing::info!(
                "{}: {done} of {}, {:.1}/s, {left:.0} s left",
                self.label,
                self.total,
                done as f64 / elapsed
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
