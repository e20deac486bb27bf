//! Seconds, flops and memory of one kernel.

use std::time::Instant;

use serde::Serialize;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// what was measured
    pub name: String,
    /// N
    pub n_samples: usize,
    /// smallest of the repeats
    pub seconds: f64,
    /// how often it was run
    pub repeats: usize,
    /// as counted in the documentation of the kernel; what it really does may be more
    pub flops: f64,
    /// of sgemm with as many threads, before and after this row, 1e9 flops per second
    pub sgemm_gflops: f64,
    /// flops per second over those of sgemm with as many threads
    pub ratio_to_sgemm: f64,
    /// of rayon
    pub threads: usize,
    /// largest resident memory while it ran, MiB; what other rows left in place counts too
    pub peak_memory_mib: Option<u64>,
    /// what this kernel alone can tell, such as a count of products
    pub note: String,
}

/// Runs `kernel` `repeats` times; `warm` more for caches and pages before that.
pub fn measure(name: &str, n_samples: usize, repeats: usize, flops: f64, mut kernel: impl FnMut()) -> Row {
    if repeats > 1 {
        kernel();
    }
    forget_peak();
    let seconds = (0..repeats).map(|_| {
        let begun = Instant::now();
        kernel();
        begun.elapsed().as_secs_f64()
    });
    Row {
        name: name.to_owned(),
        n_samples,
        seconds: seconds.fold(f64::INFINITY, f64::min),
        repeats,
        flops,
        sgemm_gflops: 0.0,   // known once sgemm
        ratio_to_sgemm: 0.0, // has run again
        threads: rayon::current_num_threads(),
        peak_memory_mib: peak(),
        note: String::new(),
    }
}

/// Forgets the largest resident memory so far, where Linux allows it.
fn forget_peak() {
    // Where it does not, `peak` tells the largest of the whole process, which is an upper bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident memory, MiB; unknown outside Linux.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib >> 10)
}
