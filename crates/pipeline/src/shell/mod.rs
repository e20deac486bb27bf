//! The shell of a stage: command line, logs, signals, the question "is it up to date?", and exit codes.
//!
//! A stage binary is one call of [`main`] with a type that implements [`Stage`]. Lowest first: `cost`, `going_on` < `stage` <
//! `command` < `state` < `subject` < `lock`, `shared` < `left_over` < `check` < `dry_run`, `make`, `together` < `entry`.

mod check;
pub mod command;
pub mod cost;
mod dry_run;
mod entry;
mod going_on;
mod left_over;
pub(crate) mod lock;
mod make;
mod shared;
mod stage;
mod state;
mod subject;
mod together;

pub use entry::main;
pub use going_on::{Journal, until_stopped};
pub use stage::{Stage, StageContext, TeamContext};
