//! All tests that run whole pipelines, as one program: what is slow is shared, and both cores have work until the end.
//!
//! `cargo test --release -p pipeline-tests rerun::` runs those of one file.

mod answer;
mod browser;
mod cache;
mod command_line;
mod convolutions;
mod corpora;
mod errors;
mod families;
// It needs /proc, prlimit, setpriv and LD_PRELOAD.
#[cfg(target_os = "linux")]
mod file_systems;
mod given;
mod going_on;
mod hostile;
mod make;
mod mpi;
mod own_data;
mod properties;
mod python;
mod rerun;
mod results;
mod slurm;
// The same.
#[cfg(target_os = "linux")]
mod soak;
mod supply_chain;
mod uncertainty;
mod verify;
