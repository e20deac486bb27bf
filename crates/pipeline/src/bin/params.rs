//! `params`: checks all of `pipeline.yaml` and writes each section, resolved, to
//! `artifacts/<experiment>/params/<stage>.yaml`, but only where it changed. `make` compares the times of these
//! files, so an edit of one section reruns one stage. The members of families are listed in `artifacts/members.mk`, which
//! the Makefile includes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use pipeline::config::{Pipeline, Section, to_yaml};
use pipeline::family::Family;
use pipeline::params::{Bound, Eigen, FetchData, MonteCarlo, Report, Spectrum, Stream, Train, sections};
use pipeline::stage;

/// Checks pipeline.yaml and writes each resolved section where it changed
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Experiments and all their parameters
    #[arg(long, value_name = "FILE", default_value = "pipeline.yaml")]
    pipeline: PathBuf,
    /// Folder of all results
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
}

fn main() -> ExitCode {
    stage::start_log(tracing::Level::INFO);
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stage::report("params", &error),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&sections())?;
    let mut list = "# Members of the families, written by params.\n".to_owned();
    for experiment in pipeline.experiments() {
        let members = pipeline.members(&experiment)?;
        let names = members.iter().map(|m| format!("{experiment}/{}", m.name)).collect::<Vec<_>>();
        if names.is_empty() {
            update_all(&pipeline, &experiment, arguments)?;
            continue;
        }
        writeln!(list, "FAMILIES += {experiment}\nMEMBERS_OF_{experiment} := {}", names.join(" "))?;
        names.iter().try_for_each(|name| update_all(&pipeline, name, arguments))?;
        let dir = params_dir(arguments, &experiment)?;
        update::<Family>(&pipeline, &experiment, &dir)?;
        update::<Report>(&pipeline, &experiment, &dir)?;
    }
    write_changed(&arguments.artifacts.join("members.mk"), &list)
}

fn params_dir(arguments: &Arguments, experiment: &str) -> Result<PathBuf> {
    let dir = arguments.artifacts.join(experiment).join("params");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Every section of one experiment, or of one member of a family.
fn update_all(pipeline: &Pipeline, experiment: &str, arguments: &Arguments) -> Result<()> {
    let dir = params_dir(arguments, experiment)?;
    update::<FetchData>(pipeline, experiment, &dir)?;
    update::<Train>(pipeline, experiment, &dir)?;
    update::<Eigen>(pipeline, experiment, &dir)?;
    update::<MonteCarlo>(pipeline, experiment, &dir)?;
    update::<Bound>(pipeline, experiment, &dir)?;
    update::<Spectrum>(pipeline, experiment, &dir)?;
    update::<Stream>(pipeline, experiment, &dir)?;
    update::<Report>(pipeline, experiment, &dir)
}

fn update<S: Section>(pipeline: &Pipeline, experiment: &str, dir: &Path) -> Result<()> {
    write_changed(&dir.join(format!("{}.yaml", S::STAGE)), &to_yaml(&pipeline.section::<S>(experiment)?)?)
}

/// Writes `text` unless the file holds it already.
fn write_changed(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
