//! What is wrong, breaks or means harm.

mod corpora;
mod errors;
// It needs /proc, prlimit, setpriv and LD_PRELOAD.
#[cfg(target_os = "linux")]
mod file_systems;
mod hostile;
mod properties;
// The same.
#[cfg(target_os = "linux")]
mod soak;
mod supply_chain;
mod verify;
