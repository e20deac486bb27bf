//! `params`: checks all of `pipeline.yaml`, and tells `make` what is in it.
//!
//! It writes each section, resolved, to `artifacts/<experiment>/params/<stage>.yaml`, but only where it changed: `make`
//! compares the times of these files, so an edit of one section reruns one stage. Below a section stand the files that it
//! names, with size and time: a file of the user that changed reruns its stage too. `artifacts/experiments.mk`, which the
//! Makefile includes, lists the experiments, the members of families and the edges between experiments.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use pipeline::config::{Pipeline, suggest, to_yaml};
use pipeline::log;
use pipeline::shell::command::{Places, make_options};
use pipeline::{Error, Failure, Result};
use records::stages::Kind;
use records::{Answer, Report, Section, stages};
use store::artifact::{Inputs, remove_abandoned, replace};
use store::hash::stamp;
use store::manifest::Manifest;
use store::npz;

/// Checks pipeline.yaml and writes each resolved section where it changed
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Say that `make` knows no such target, and what was probably meant; nothing is written
    #[arg(long, value_name = "TARGET")]
    unknown: Option<String>,
    /// Print the answer of an experiment that is finished, as its last stage wrote it; nothing is written
    #[arg(long, value_name = "EXPERIMENT")]
    answer: Option<String>,
}

fn main() -> ExitCode {
    log::start_log(tracing::Level::INFO);
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log::report("params", &error),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let places = &arguments.places;
    store::manifest::advise(make_options(&places.pipeline, &places.artifacts), places.artifacts.clone());
    let pipeline = Pipeline::read(&places.pipeline)?;
    remove_abandoned(&places.artifacts);
    pipeline.check_sections(&stages::names())?;
    if let Some(target) = &arguments.unknown {
        return Err(unknown(&pipeline, target)?.into());
    }
    if let Some(experiment) = &arguments.answer {
        return answer(&pipeline, places, experiment);
    }
    let mut list =
        "# Experiments, members of families and edges between experiments, written by params.\nFAMILIES :=\nGIVEN :=\nALONE :=\n"
            .to_owned();
    writeln!(list, "EXPERIMENTS := {}", pipeline.experiments().join(" "))?;
    for experiment in pipeline.experiments() {
        let members = pipeline.members(&experiment)?;
        let names = members.iter().map(|m| format!("{experiment}/{}", m.name)).collect::<Vec<_>>();
        let base = places.pipeline.parent().unwrap_or(Path::new(""));
        let alone = names.is_empty().then_some(&experiment);
        alone.into_iter().chain(&names).try_for_each(|name| pipeline.check_whole(name, base))?;
        if names.is_empty() {
            if pipeline.kind(&experiment)? == Kind::Losses {
                writeln!(list, "GIVEN += {experiment}")?;
            } else if pipeline.section::<Answer>(&experiment)?.alone {
                writeln!(list, "ALONE += {experiment}")?;
            }
            update_all(&pipeline, &experiment, &stages::of_experiment(), places, &mut list)?;
            continue;
        }
        writeln!(list, "FAMILIES += {experiment}\nMEMBERS_OF_{experiment} := {}", names.join(" "))?;
        for name in &names {
            update_all(&pipeline, name, &stages::of_experiment(), places, &mut list)?;
        }
        update_all(&pipeline, &experiment, &stages::of_family(), places, &mut list)?;
    }
    write_changed(&places.artifacts.join("experiments.mk"), &list).map(drop)
}

/// Prints the line that answers the question, once its hash is found to be that of the manifest.
fn answer(pipeline: &Pipeline, places: &Places, experiment: &str) -> Result<()> {
    let is_alone =
        pipeline.kind(experiment)? == Kind::Samples && pipeline.section::<Answer>(experiment)?.alone;
    let stage = if is_alone { Answer::STAGE } else { Report::STAGE };
    let dir = places.artifacts.join(experiment);
    let path = Inputs::open(&dir, &[stage])?.verified(stage, "answer.txt")?;
    let text = std::fs::read_to_string(&path).map_err(|e| Error::fault("a file that can be read", e))?;
    let page = if is_alone { String::new() } else { format!(" Open {}/{stage}/index.html", dir.display()) };
    log::print_text(&format!("{experiment}: {}{page}", text.trim_end()));
    Ok(())
}

/// The error for a target that is neither an experiment nor a stage.
fn unknown(pipeline: &Pipeline, target: &str) -> Result<Failure> {
    let mut known = pipeline.experiments();
    for experiment in pipeline.experiments() {
        known.extend(pipeline.members(&experiment)?.iter().map(|m| format!("{experiment}/{}", m.name)));
    }
    // `make -k` goes on although its list could not be made.
    if known.iter().any(|k| k == target) {
        let message = format!("{target}: not made, because of the error above");
        return Ok(Failure::config(message, "run make again when that is mended"));
    }
    let (experiment, stage) = target.rsplit_once('/').unwrap_or((target, ""));
    let names =
        if stage.is_empty() || known.iter().any(|k| k == experiment) { stages::names() } else { vec![] };
    let all = known.iter().map(String::as_str).chain(names.iter().copied());
    let word = if known.iter().any(|k| k == experiment) && !stage.is_empty() { stage } else { experiment };
    let question = suggest::question(word, all);
    let hint = format!(
        "{question}the experiments are: {}; `make help` lists what else there is",
        pipeline.experiments().join(", ")
    );
    Ok(Failure::config(format!("no experiment, stage or target {target:?}"), hint))
}

/// The sections of `stages` for one experiment, or for one member of a family.
fn update_all(
    pipeline: &Pipeline,
    experiment: &str,
    stages: &[&str],
    places: &Places,
    list: &mut String,
) -> Result<()> {
    macro_rules! update_one {
        ($section:ty) => {
            if stages.contains(&<$section>::STAGE) {
                update::<$section>(pipeline, experiment, places, list)?;
            }
        };
    }
    records::for_each_section!(update_one);
    Ok(())
}

fn update<S: Section>(
    pipeline: &Pipeline,
    experiment: &str,
    places: &Places,
    list: &mut String,
) -> Result<()> {
    let section = pipeline.section::<S>(experiment)?;
    let base = places.pipeline.parent().unwrap_or(Path::new(""));
    let mut text = to_yaml(&section)?;
    for file in section.files() {
        writeln!(text, "# {}: {}", file.display(), stamp(&base.join(npz::split(&file).0)))?;
    }
    for (other, stage) in section.experiments() {
        let manifest = |experiment: &str, stage: &str| format!("$(A)/{experiment}/{stage}/manifest.json");
        writeln!(list, "{}: {}", manifest(experiment, S::STAGE), manifest(&other, stage))?;
    }
    let dir = params_dir(places, experiment)?;
    let changed = write_changed(&dir.join(format!("{}.yaml", S::STAGE)), &text)?;
    ask_again(&places.artifacts.join(experiment), S::STAGE, changed);
    Ok(())
}

/// Makes a manifest older than all else, so that `make`, which looks at its time alone, asks the stage: where the section `changed`;
/// where the time has not come yet, as a clock that was ahead would hide each edit; where files are lost, or the manifest itself.
fn ask_again(experiment_dir: &Path, stage: &str, changed: bool) {
    let path = Manifest::path(experiment_dir, stage);
    let Ok(time) = path.metadata().and_then(|found| found.modified()) else { return };
    let is_whole = || {
        Manifest::find(experiment_dir, stage).is_ok_and(|found| {
            found.is_none_or(|m| m.outputs.keys().all(|file| experiment_dir.join(stage).join(file).is_file()))
        })
    };
    if changed || time > SystemTime::now() || !is_whole() {
        // Another user's stays: `make` sees a section that is newer.
        let _ = File::options().write(true).open(path).and_then(|f| f.set_modified(SystemTime::UNIX_EPOCH));
    }
}

fn params_dir(places: &Places, experiment: &str) -> Result<PathBuf> {
    let dir = places.artifacts.join(experiment).join("params");
    std::fs::create_dir_all(&dir).map_err(|e| Failure::cannot_write(&places.artifacts, &e))?;
    Ok(dir)
}

/// Writes `text` unless the file has it already; whether it did.
fn write_changed(path: &Path, text: &str) -> Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    replace(path, text.as_bytes()).map_err(|e| Failure::cannot_write(dir, &e))?;
    Ok(true)
}
