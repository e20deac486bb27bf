//! Progress of a loop: a bar on a terminal, plain lines in a log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::log::{is_live, plain};

/// Between two lines of a log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How many items a loop has.
#[derive(Clone, Copy)]
enum Length {
    Known(u64),
    /// a limit that the loop is expected to end before: no time left can be told
    AtMost(u64),
    Unknown,
}

/// Whether `make`, whose flags these are, runs several stages at once: their bars would overwrite each other, so there are lines.
fn several_jobs(flags: &str) -> bool {
    flags.split(' ').any(|flag| flag == "-j" || flag.starts_with("--jobserver"))
}

/// Counts finished items of one loop; shared between threads.
pub struct Progress {
    label: String,
    length: Length,
    done: AtomicU64,
    begun: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// A loop over `total` items that the user knows as `label`.
    pub fn new(total: usize, label: &str) -> Self {
        Self::of(Length::Known(total as u64), label)
    }

    /// A loop that ends by itself, after `most` items at the latest.
    pub fn at_most(most: usize, label: &str) -> Self {
        Self::of(Length::AtMost(most as u64), label)
    }

    /// A loop that does not know how many items will come.
    pub fn open(label: &str) -> Self {
        Self::of(Length::Unknown, label)
    }

    fn of(length: Length, label: &str) -> Self {
        let label = plain(label);
        let flags = std::env::var("MAKEFLAGS").unwrap_or_default();
        let draws = is_live(&std::io::stderr()) && tracing::enabled!(tracing::Level::INFO);
        let bar = (draws && !several_jobs(&flags)).then(|| {
            let (bar, template) = match length {
                Length::Known(total) => {
                    (ProgressBar::new(total), "{msg} {wide_bar} {human_pos}/{human_len} {rate}, {eta} left")
                }
                Length::AtMost(most) => {
                    (ProgressBar::new(most), "{spinner} {msg} {human_pos}, {rate}, at most {human_len}")
                }
                Length::Unknown => (ProgressBar::no_length(), "{spinner} {msg} {human_pos}, {rate}"),
            };
            let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let _ = write!(text, "{:.1}/s", state.per_sec());
            };
            let style = ProgressStyle::with_template(template).expect("a valid template");
            bar.with_style(style.with_key("rate", rate)).with_message(label.clone())
        });
        let now = Instant::now();
        Self { label, length, done: AtomicU64::new(0), begun: now, bar, last_line: Mutex::new(now) }
    }

    /// How many items are finished.
    pub fn done(&self) -> usize {
        usize::try_from(self.done.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// `n` more items are finished.
    pub fn add(&self, n: usize) {
        self.add_at(n, Instant::now());
    }

    fn add_at(&self, n: usize, now: Instant) {
        let done = self.done.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if now.saturating_duration_since(*last) >= LOG_EVERY {
            *last = now;
            let elapsed = now.saturating_duration_since(self.begun).as_secs_f64();
            let (label, rate) = (&self.label, done as f64 / elapsed);
            match self.length {
                Length::Known(total) if done > 0 => {
                    let left = total.saturating_sub(done) as f64 / rate;
                    tracing::info!("{label}: {done} of {total}, {rate:.1}/s, {left:.0} s left");
                }
                Length::AtMost(most) => tracing::info!("{label}: {done}, {rate:.1}/s, at most {most}"),
                _ => tracing::info!("{label}: {done}, {rate:.1}/s"),
            }
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

    /// The lines that a log gets of a loop that finishes 5 items a second, by a clock of its own, in 25 seconds.
    fn lines_of(mut progress: Progress) -> Vec<String> {
        let text = Text::default();
        let writer = text.clone();
        let format = tracing_subscriber::fmt().without_time().with_level(false).with_target(false);
        let subscriber = format.with_writer(move || writer.clone()).finish();
        progress.bar = None; // as without a terminal
        tracing::subscriber::with_default(subscriber, || {
            for second in 1..=25 {
                progress.add_at(5, progress.begun + Duration::from_secs(second));
            }
        });
        let text = String::from_utf8(text.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_log_gets_a_line_per_interval_with_rate_and_time_left() {
        assert_eq!(
            lines_of(Progress::new(1000, "train: samples")),
            [
                "train: samples: 50 of 1000, 5.0/s, 190 s left",
                "train: samples: 100 of 1000, 5.0/s, 180 s left"
            ]
        );
    }

    #[test]
    fn no_time_left_is_told_where_the_length_is_not_known() {
        assert_eq!(
            lines_of(Progress::at_most(1000, "eigen: products")),
            ["eigen: products: 50, 5.0/s, at most 1000", "eigen: products: 100, 5.0/s, at most 1000"]
        );
        assert_eq!(
            lines_of(Progress::open("fetch-data: bytes")),
            ["fetch-data: bytes: 50, 5.0/s", "fetch-data: bytes: 100, 5.0/s"]
        );
    }

    /// cases.md E8: as GNU make 4.3 and 4.4 write their flags.
    #[test]
    fn stages_beside_each_other_draw_no_bars() {
        for flags in ["-j", " -j4 --jobserver-auth=3,4", "s -j2 --jobserver-auth=fifo:/tmp/GMfifo7 -- Q=-q"] {
            assert!(several_jobs(flags), "{flags}");
        }
        for flags in ["", "s", " --no-print-directory", "-j1", "rR --no-print-directory -- LAUNCH=srun"] {
            assert!(!several_jobs(flags), "{flags}");
        }
    }
}
