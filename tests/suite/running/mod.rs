//! What runs, where and when: make, the command line, launchers, caches, going on.

mod cache;
mod command_line;
mod going_on;
mod make;
mod mpi;
mod rerun;
mod slurm;
mod webdav;
