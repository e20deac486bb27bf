//! `status`: the state of each experiment and stage, as a table. Each stage's own binary says how its results stand
//! (`--check --json`); what follows a stage that is not fresh will run again too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use pipeline::config::Pipeline;
use pipeline::log;
use pipeline::shell::command::{CacheArguments, Places};
use pipeline::shell::cost::duration;
use pipeline::verify;
use pipeline::{Error, Result};
use records::Report;
use records::stages::{self, Kind};
use records::verified::StageVerified;
use serde::Deserialize;
use store::manifest::Manifest;

/// Says how the results of each experiment and stage stand: fresh, stale because of what, missing, running
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    cache: CacheArguments,
    /// Only these experiments, with their members; none: all
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,
}

#[derive(Deserialize)]
struct Line {
    state: String,
    #[serde(default)]
    because: Vec<String>,
    reads: Vec<String>,
    /// what else there is to say: of fresh results what made them, of others that the cache has them
    #[serde(default)]
    note: Option<String>,
    /// what the cache said, if it was asked: `hit`, `miss` or `unknown`
    #[serde(default)]
    cache: Option<String>,
}

fn main() -> ExitCode {
    log::start_log(tracing::Level::INFO);
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log::report("status", &error),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let places = &arguments.places;
    let mut cache = arguments.cache.open()?.map(|_| &arguments.cache);
    let pipeline = Pipeline::read(&places.pipeline)?;
    pipeline.check_sections(&stages::names())?;
    let own = std::env::current_exe().map_err(|e| Error::fault("the program's own file", e))?;
    let binaries = own.parent().expect("a file is in a folder");
    let colours = log::has_colours(&std::io::stdout());
    let mut subjects = subjects(&pipeline)?;
    if let Some(name) = arguments.experiments.iter().find(|name| !subjects.iter().any(|s| is_of(&s.0, name)))
    {
        pipeline.section::<Report>(name)?; // says that there is none, and what there is
    }
    let asked = |subject: &str| arguments.experiments.iter().any(|name| is_of(subject, name));
    subjects.retain(|(subject, _)| arguments.experiments.is_empty() || asked(subject));
    let verified = verify::last(&places.artifacts);
    let width = subjects.iter().map(|(e, _)| e.chars().count()).max().unwrap_or(0);
    for (experiment, stages) in subjects {
        let mut states = BTreeMap::new();
        for stage in stages {
            let line = ask(&binaries.join(stage), (places, cache), &experiment)?;
            if line.cache.as_deref() == Some("unknown") {
                // Once, and not again after the same wait.
                tracing::warn!("the cache does not answer, or is damaged: it is not asked further");
                cache = None;
            }
            let words = words(&line, &states);
            let stage_verified =
                verified.as_ref().map(|all| all.stages.get(&format!("{experiment}/{stage}")));
            let manifest = || Manifest::find(&places.artifacts.join(&experiment), stage).ok().flatten();
            let when =
                stage_verified.map(|stage| when_verified(stage, manifest().and_then(|m| m.sha256), now()));
            let notes = line.note.clone().into_iter().chain(when).collect::<Vec<_>>().join("; ");
            let line = Line { note: (!notes.is_empty()).then_some(notes), ..line };
            let cell = coloured(&cell(&words, &line), colours);
            log::print_text(&format!("{experiment:<width$}  {stage:<10}  {cell}"));
            states.insert(stage.to_owned(), words);
        }
    }
    if verified.is_none() {
        tracing::info!("status: never verified; `make verify` compares every file with its manifest");
    }
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// When results whose manifest has the hash `manifest` were last verified, in words.
fn when_verified(last: Option<&StageVerified>, manifest: Option<String>, now: u64) -> String {
    match last.filter(|last| last.manifest == manifest) {
        None => "not verified".to_owned(),
        Some(last) => {
            let ago = duration(now.saturating_sub(last.at) as f64);
            match last.faults {
                0 => format!("verified {ago} ago"),
                n => format!("{} when verified {ago} ago", log::count(n, "fault")),
            }
        }
    }
}

/// Whether a subject is that experiment, or a member of it.
fn is_of(subject: &str, experiment: &str) -> bool {
    subject == experiment || subject.strip_prefix(experiment).is_some_and(|rest| rest.starts_with('/'))
}

/// Every experiment with its stages: of a family the members, with what the join reads, and then the join itself.
fn subjects(pipeline: &Pipeline) -> Result<Vec<(String, Vec<&'static str>)>> {
    let mut subjects: Vec<(String, Vec<&'static str>)> = vec![];
    for experiment in pipeline.experiments() {
        let members = pipeline.members(&experiment)?;
        for member in &members {
            subjects.push((format!("{experiment}/{}", member.name), stages::of_member()));
        }
        let stages = match pipeline.kind(&experiment)? {
            Kind::Samples => stages::of_experiment(),
            Kind::Losses => stages::of_losses(),
            Kind::Members => stages::of_family(),
        };
        subjects.push((experiment, stages));
    }
    Ok(subjects)
}

/// What the binary of a stage says of its results.
fn ask(binary: &Path, (places, cache): (&Places, Option<&CacheArguments>), experiment: &str) -> Result<Line> {
    let mut command = Command::new(binary);
    command.arg("--pipeline").arg(&places.pipeline).arg("--artifacts").arg(&places.artifacts);
    // By the environment, since an address may contain a password, which command lines show to everybody.
    command.env_remove("CACHE").env_remove("CACHE_MODE");
    if let Some((address, cache)) = cache.and_then(|cache| Some((cache.cache.as_ref()?, cache))) {
        let mode = cache.cache_mode.to_possible_value().expect("all are named");
        command.env("CACHE", address).env("CACHE_MODE", mode.get_name());
    }
    command.args(["--experiment", experiment, "--check", "--json", "--quiet"]);
    let output =
        command.output().map_err(|e| Error::fault(format!("cannot start {}", binary.display()), e))?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .map_err(|e| Error::fault(binary.display(), format!("{}: {e}", said.trim())))
}

/// The state in words, with what it inherits from the stages it reads.
fn words(line: &Line, before: &BTreeMap<String, String>) -> String {
    let mut because = line.because.clone();
    let follows = line.reads.iter().filter(|s| before.get(*s).is_some_and(|w| w != "fresh"));
    let follows =
        follows.filter(|s| !because.iter().any(|b| b.starts_with(s.as_str()))).cloned().collect::<Vec<_>>();
    let state = match line.state.as_str() {
        "fresh" if !follows.is_empty() => "stale",
        state => state,
    };
    if !follows.is_empty() && state == "stale" {
        because.push(format!("follows {}", follows.join(", ")));
    }
    if because.is_empty() { state.to_owned() } else { format!("{state}: {}", because.join("; ")) }
}

/// What stands in the table: the state, and the note, unless a stage before it gives it another state.
fn cell(words: &str, line: &Line) -> String {
    let is_own = !words.contains("follows ") && words.starts_with(&line.state);
    line.note.as_ref().filter(|_| is_own).map_or(words.to_owned(), |note| format!("{words} ({note})"))
}

fn coloured(words: &str, colours: bool) -> String {
    let code = match words.split([':', ' ']).next() {
        Some("fresh") => "32",
        Some("running") => "36",
        Some("stale") => "33",
        _ => "31",
    };
    if colours { format!("\x1b[{code}m{words}\x1b[0m") } else { words.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_stale_stage_is_stale() {
        let line = |state: &str, because: &[&str]| Line {
            state: state.into(),
            because: because.iter().map(|b| (*b).to_owned()).collect(),
            reads: vec!["train".into()],
            note: None,
            cache: None,
        };
        let fresh = BTreeMap::from([("train".to_owned(), "fresh".to_owned())]);
        let stale = BTreeMap::from([("train".to_owned(), "stale: epochs 3 -> 4".to_owned())]);
        assert_eq!(words(&line("fresh", &[]), &fresh), "fresh");
        assert_eq!(words(&line("fresh", &[]), &stale), "stale: follows train");
        assert_eq!(words(&line("stale", &["dim 1 -> 2"]), &stale), "stale: dim 1 -> 2; follows train");
        assert_eq!(
            words(&line("missing", &["train has not finished"]), &stale),
            "missing: train has not finished"
        );
        assert_eq!(words(&line("running", &[]), &stale), "running");
        let with = |state: &str, note: &str| Line { note: Some(note.into()), ..line(state, &[]) };
        assert_eq!(cell("fresh", &with("fresh", "made with Zen")), "fresh (made with Zen)");
        assert_eq!(cell("stale: follows train", &with("fresh", "made with Zen")), "stale: follows train");
        assert_eq!(cell("missing", &with("missing", "in the cache")), "missing (in the cache)");
        // With other results of train it has another identity.
        assert_eq!(cell("stale: follows train", &with("stale", "in the cache")), "stale: follows train");
    }

    #[test]
    fn results_are_verified_as_long_as_they_are_the_same() {
        let last =
            |faults| StageVerified { at: 1000, manifest: Some("a".into()), files: 1, bytes: 1, faults };
        let said = |faults, manifest: &str| when_verified(Some(&last(faults)), Some(manifest.into()), 1200);
        assert_eq!(said(0, "a"), "verified 3 min 20 s ago");
        assert_eq!(said(2, "a"), "2 faults when verified 3 min 20 s ago");
        assert_eq!(said(0, "b"), "not verified");
        assert_eq!(when_verified(None, Some("a".into()), 1200), "not verified");
    }
}
