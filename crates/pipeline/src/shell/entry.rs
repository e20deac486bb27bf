//! From the command line to the exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::FromArgMatches;
use records::{Member, Section, stages};
use serde_json::json;
use team::{Order, Team};
use tracing::Level;

use crate::config::Pipeline;
use crate::log::{error_json, print_json, report, start_log};
use crate::progress::Progress;
use crate::shell::check::{check, wait_for_inputs};
use crate::shell::command::{self, Arguments};
use crate::shell::dry_run::dry_run;
use crate::shell::left_over::tidy;
use crate::shell::make::{make, up_to_date};
use crate::shell::shared::Shared;
use crate::shell::stage::Stage;
use crate::shell::state::State;
use crate::shell::subject::{Begins, Subject};
use crate::shell::together;
use crate::{Error, Result};

/// `main` of a stage binary.
pub fn main<S: Stage>() -> ExitCode {
    let command = command::of::<S>();
    let arguments = Arguments::from_arg_matches(&command.clone().get_matches()).expect("clap checked them");
    begin_log(&arguments);
    store::manifest::advise(
        command::make_options(&arguments.pipeline, &arguments.artifacts),
        arguments.artifacts.clone(),
    );
    store::hash::watch(show_hashing);
    match command::print_help_files(command, &arguments) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return failed::<S>(&arguments, &error).into(),
    }
    begin::<S>(&arguments).unwrap_or_else(|error| failed::<S>(&arguments, &error).into())
}

fn begin<S: Stage>(arguments: &Arguments) -> Result<ExitCode> {
    // A limit of the size of files (ulimit -f) is then an error of the file that met it; without a handler the process ends.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map_err(|e| Error::fault("cannot watch signals", e))?;
    // What only looks is one process, whoever starts it.
    if arguments.check {
        return run::<S>(arguments, &team::alone());
    }
    together::start_threads::<S>()?;
    if arguments.dry_run {
        return run::<S>(arguments, &team::alone());
    }
    let joined = together::join(arguments.ranks)?;
    Ok(of_team::<S>(arguments, &joined.team))
}

/// What this process does among those that were started together. Where one fails, all end: the others would wait for it.
fn of_team<S: Stage>(arguments: &Arguments, team: &Arc<dyn Team>) -> ExitCode {
    let work = || {
        if team.leads() {
            together::compare::<S>(&**team)?;
            let code = run::<S>(arguments, team)?;
            team.order(&Order::END);
            return Ok(code);
        }
        together::assist::<S>(arguments, team).map(|()| ExitCode::SUCCESS)
    };
    if team.is_alone() {
        return work().unwrap_or_else(|error| failed::<S>(arguments, &error).into());
    }
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => return code,
        Ok(Err(error)) => failed::<S>(arguments, &error),
        Err(_) => 101, // a panic has said what it had to
    };
    team.abort(code)
}

/// Says what went wrong; gives the exit code.
fn failed<S: Stage>(arguments: &Arguments, error: &Error) -> u8 {
    if arguments.json {
        print_json(&error_json(S::Params::STAGE, arguments.experiment(), error));
    }
    report(S::Params::STAGE, error);
    error.exit_code()
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

fn run<S: Stage>(arguments: &Arguments, team: &Arc<dyn Team>) -> Result<ExitCode> {
    let asked = SystemTime::now();
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&stages::names())?;
    let params: S::Params = pipeline.section(arguments.experiment())?;
    let begins = Begins::of::<S>(&pipeline, arguments.experiment(), asked)?;
    check_whole(&pipeline, arguments, &begins.members)?;
    let cache = arguments.cache.open()?;
    if S::row().reads_of(begins.kind).is_none() {
        return Ok(nothing_to_do::<S>(arguments));
    }
    if arguments.dry_run {
        return dry_run::<S>(arguments, (&pipeline, &begins), params);
    }
    if arguments.check {
        return check::<S>(arguments, &begins, &params);
    }
    wait_for_inputs::<S>(arguments, &begins, &params);
    let subject = Subject::<S>::open(arguments, &begins, params)?;
    if subject.state() == State::Fresh {
        tidy(&subject);
        return up_to_date(arguments, &subject);
    }
    make(arguments, subject, Shared::new(cache), team)
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
