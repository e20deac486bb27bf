//! From the command line to the exit code.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::FromArgMatches;
use records::{Member, Section, stages};
use serde_json::json;
use tracing::Level;

use crate::config::Pipeline;
use crate::log::{error_json, print_json, report, start_log};
use crate::progress::Progress;
use crate::shell::check::check;
use crate::shell::command::{self, Arguments};
use crate::shell::dry_run::dry_run;
use crate::shell::make::{make, up_to_date};
use crate::shell::shared::Shared;
use crate::shell::stage::Stage;
use crate::shell::state::State;
use crate::shell::subject::{Begins, Subject};

/// `main` of a stage binary.
pub fn main<S: Stage>() -> ExitCode {
    let command = command::of::<S>();
    let arguments = Arguments::from_arg_matches(&command.clone().get_matches()).expect("clap checked them");
    begin_log(&arguments);
    store::hash::watch(show_hashing);
    let name = S::Params::STAGE;
    let done = match command::print_help_files(command, &arguments) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => run::<S>(&arguments),
        Err(error) => Err(error),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            if arguments.json {
                print_json(&error_json(name, arguments.experiment(), &error));
            }
            report(name, &error)
        }
    }
}

fn begin_log(arguments: &Arguments) {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => Level::ERROR,
        (_, 0) => Level::INFO,
        (_, 1) => Level::DEBUG,
        _ => Level::TRACE,
    };
    start_log(level);
}

fn run<S: Stage>(arguments: &Arguments) -> Result<ExitCode> {
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&stages::names())?;
    let params: S::Params = pipeline.section(arguments.experiment())?;
    let begins = Begins::of::<S>(&pipeline, arguments.experiment())?;
    check_whole(&pipeline, arguments, &begins.members)?;
    let cache = arguments.cache.open()?;
    if S::row().reads_of(begins.kind).is_none() {
        return Ok(nothing_to_do::<S>(arguments));
    }
    if arguments.dry_run {
        return dry_run::<S>(arguments, (&pipeline, &begins), params);
    }
    if arguments.check {
        return check::<S>(arguments, &begins, params);
    }
    let subject = Subject::<S>::open(arguments, &begins, params)?;
    if subject.state() == State::Fresh {
        return up_to_date(arguments, &subject);
    }
    make(arguments, subject, Shared::new(cache))
}

/// Says that the losses are given, so that this stage has nothing to do.
fn nothing_to_do<S: Stage>(arguments: &Arguments) -> ExitCode {
    let (name, experiment) = (S::Params::STAGE, arguments.experiment());
    if arguments.json {
        print_json(&json!({"stage": name, "experiment": experiment, "status": "nothing to do"}));
    }
    tracing::info!("{name}: {experiment}: nothing to do: its losses are given (montecarlo.settings)");
    ExitCode::SUCCESS
}

/// Checks the experiment, or every member of the family that it is, as a whole.
fn check_whole(pipeline: &Pipeline, arguments: &Arguments, members: &[Member]) -> Result<()> {
    let (experiment, base) = (arguments.experiment(), arguments.base());
    if members.is_empty() {
        return pipeline.check_whole(experiment, &base);
    }
    members.iter().try_for_each(|m| pipeline.check_whole(&format!("{experiment}/{}", m.name), &base))
}

/// A bar for the hashing of a file that takes about a second or more; for others it would only flicker.
fn show_hashing(path: &Path, mebibytes: usize) -> Option<Box<dyn Fn()>> {
    (mebibytes >= 512).then(|| {
        let progress = Progress::new(mebibytes, &format!("checking {} (MiB)", path.display()));
        Box::new(move || progress.add(1)) as Box<dyn Fn()>
    })
}
