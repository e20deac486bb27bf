//! `params`: checks all of `pipeline.yaml` and writes each section, resolved, to
//! `artifacts/<experiment>/params/<stage>.yaml`, but only where it changed. `make` compares the times of these
//! files, so an edit of one section reruns one stage. Below a section stand the files that it names, with size and time:
//! a file of the user that changed reruns its stage too.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use pipeline::config::{Pipeline, Section, to_yaml};
use pipeline::manifest::stamp;
use pipeline::params::{Bound, Eigen, FetchData, MonteCarlo, Report, STAGES, Train};
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
    pipeline.check_sections(&STAGES)?;
    for experiment in pipeline.experiments() {
        let dir = arguments.artifacts.join(&experiment).join("params");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let base = arguments.pipeline.parent().unwrap_or(Path::new(""));
        let dir = (dir.as_path(), base);
        update::<FetchData>(&pipeline, &experiment, dir)?;
        update::<Train>(&pipeline, &experiment, dir)?;
        update::<Eigen>(&pipeline, &experiment, dir)?;
        update::<MonteCarlo>(&pipeline, &experiment, dir)?;
        update::<Bound>(&pipeline, &experiment, dir)?;
        update::<Report>(&pipeline, &experiment, dir)?;
    }
    Ok(())
}

fn update<S: Section>(pipeline: &Pipeline, experiment: &str, (dir, base): (&Path, &Path)) -> Result<()> {
    let section = pipeline.section::<S>(experiment)?;
    let mut text = to_yaml(&section)?;
    for file in section.files() {
        writeln!(text, "# {}: {}", file.display(), stamp(&base.join(&file)))?;
    }
    let path = dir.join(format!("{}.yaml", S::STAGE));
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
