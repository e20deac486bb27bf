//! `params`: checks all of `pipeline.yaml` and writes each section, resolved, to
//! `artifacts/<experiment>/params/<stage>.yaml`, but only where it changed. `make` compares the times of these
//! files, so an edit of one section reruns one stage. Below a section stand the files that it names, with size and time:
//! a file of the user that changed reruns its stage too. The members of families are listed in `artifacts/members.mk`,
//! which the Makefile includes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use pipeline::config::{Pipeline, to_yaml};
use pipeline::shell::command::Places;
use pipeline::shell::log;
use records::{
    Bound, Eigen, Family, FetchData, MonteCarlo, Report, Section, Spectrum, Stream, Train, stages,
};
use store::hash::stamp;

/// Checks pipeline.yaml and writes each resolved section where it changed
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    places: Places,
}

fn main() -> ExitCode {
    log::start_log(tracing::Level::INFO);
    match run(&Arguments::parse().places) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log::report("params", &error),
    }
}

fn run(arguments: &Places) -> Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&stages::names())?;
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
        let places = (dir.as_path(), base_of(arguments));
        update::<Family>(&pipeline, &experiment, places)?;
        update::<Report>(&pipeline, &experiment, places)?;
    }
    write_changed(&arguments.artifacts.join("members.mk"), &list)
}

/// The folder to which the paths in the pipeline file are relative.
fn base_of(arguments: &Places) -> &Path {
    arguments.pipeline.parent().unwrap_or(Path::new(""))
}

fn params_dir(arguments: &Places, experiment: &str) -> Result<PathBuf> {
    let dir = arguments.artifacts.join(experiment).join("params");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Every section of one experiment, or of one member of a family.
fn update_all(pipeline: &Pipeline, experiment: &str, arguments: &Places) -> Result<()> {
    let dir = params_dir(arguments, experiment)?;
    let places = (dir.as_path(), base_of(arguments));
    update::<FetchData>(pipeline, experiment, places)?;
    update::<Train>(pipeline, experiment, places)?;
    update::<Eigen>(pipeline, experiment, places)?;
    update::<MonteCarlo>(pipeline, experiment, places)?;
    update::<Bound>(pipeline, experiment, places)?;
    update::<Spectrum>(pipeline, experiment, places)?;
    update::<Stream>(pipeline, experiment, places)?;
    update::<Report>(pipeline, experiment, places)
}

fn update<S: Section>(pipeline: &Pipeline, experiment: &str, (dir, base): (&Path, &Path)) -> Result<()> {
    let section = pipeline.section::<S>(experiment)?;
    let mut text = to_yaml(&section)?;
    for file in section.files() {
        writeln!(text, "# {}: {}", file.display(), stamp(&base.join(&file)))?;
    }
    write_changed(&dir.join(format!("{}.yaml", S::STAGE)), &text)
}

/// Writes `text` unless the file holds it already.
fn write_changed(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
