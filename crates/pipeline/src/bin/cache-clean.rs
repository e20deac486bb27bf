//! `cache-clean`: makes room in the folder of a cache that machines share.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pipeline::log::{count, print_text, report, start_log};
use pipeline::{Failure, Result};

/// Removes finished stages from the folder of a cache: those not used for long, then those used longest ago
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The cache, file:///PATH
    #[arg(long, env = "CACHE", value_name = "ADDRESS", hide_env_values = true)]
    cache: String,
    /// Keeps what was used in so many days
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// Keeps no more than so many GiB
    #[arg(long, default_value_t = 100.0)]
    gib: f64,
}

fn main() -> ExitCode {
    start_log(tracing::Level::INFO);
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report("cache-clean", &error),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let Some(dir) = arguments.cache.strip_prefix("file://").map(Path::new).filter(|dir| dir.is_absolute())
    else {
        let message = format!("{:?} is no folder, file:///PATH", arguments.cache);
        return Err(Failure::config(message, "a server makes room by itself: see its own settings").into());
    };
    if arguments.gib.is_nan() {
        return Err(Failure::config("GIB=nan: a number of GiB is needed", "give one, as GIB=100").into());
    }
    let day = 24 * 3600;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a size
    let most = (arguments.gib.max(0.0) * f64::from(1 << 30)) as u64;
    let done = cache::clean(dir, Duration::from_secs(arguments.days.saturating_mul(day)), most)?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    print_text(&format!(
        "cache-clean: {}: {} removed, {}; {} left, {}",
        dir.display(),
        count(done.removed, "stage"),
        megabytes(done.removed_bytes),
        count(done.left, "stage"),
        megabytes(done.left_bytes)
    ));
    Ok(())
}
