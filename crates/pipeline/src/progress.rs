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
    every: Duration,
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
            every: LOG_EVERY,
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
        if last.elapsed() >= self.every {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Text {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_gets_no_more_than_a_line_per_interval_with_rate_and_time_left() {
        let text = Text::default();
        let writer = text.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let mut took = Duration::ZERO;
        tracing::subscriber::with_default(subscriber, || {
            let mut progress = Progress::new(1000, "train: samples");
            progress.bar = None; // as without a terminal
            progress.every = Duration::from_millis(20);
            let begun = Instant::now();
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(1));
                progress.add(5);
            }
            took = begun.elapsed();
        });
        let text = String::from_utf8(text.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().collect::<Vec<_>>();
        assert!(!lines.is_empty() && lines.len() as u128 <= took.as_millis() / 20, "{text}");
        for line in lines {
            assert!(
                line.contains("train: samples: ") && line.contains(" of 1000, ") && line.contains("/s, "),
                "{line}"
            );
            assert!(line.ends_with(" s left"), "{line}");
        }
    }
}
