//! `--check`: whether the results of a stage are up to date, and why not.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use records::Section;
use serde_json::{Value, json};
use store::manifest::Manifest;

use crate::log::print_json;
use crate::shell::command::Arguments;
use crate::shell::lock;
use crate::shell::shared::{Expected, Shared};
use crate::shell::stage::Stage;
use crate::shell::state::State;
use crate::shell::subject::{Begins, Subject};

/// What there is, without running.
pub(crate) struct Found {
    pub(crate) state: State,
    /// whether the cache has what a run would make; `None` where there is no cache, or nothing to ask it for
    pub(crate) cache: Option<Expected>,
}

impl Found {
    fn without_cache(state: State) -> Self {
        Self { state, cache: None }
    }
}

/// The state, without running: another process may hold the lock, and stages before this one may be missing.
pub(crate) fn find<S: Stage>(arguments: &Arguments, begins: &Begins, params: S::Params) -> Result<Found> {
    let dir = arguments.artifacts.join(arguments.experiment());
    if lock::is_running(&dir, S::Params::STAGE) {
        return Ok(Found::without_cache(State::Running));
    }
    let waits = waits::<S>(&dir, begins);
    let made = Manifest::find(&dir, S::Params::STAGE).ok().flatten().is_some();
    // Its identity is not known before that of what it reads.
    if !waits.is_empty() {
        let state = if made { State::Stale(waits) } else { State::Missing(waits) };
        return Ok(Found::without_cache(state));
    }
    let subject = Subject::<S>::open(arguments, begins, params)?;
    let state = subject.state();
    let mut shared = Shared::new(arguments.cache.open()?);
    let cache = if state == State::Fresh { None } else { shared.expects(&subject) };
    Ok(Found { state, cache })
}

/// What the stage waits for: stages before it that have not finished.
fn waits<S: Stage>(dir: &Path, begins: &Begins) -> Vec<String> {
    let members = &begins.members;
    let unfinished = |stage: &&&str| Manifest::find(dir, stage).ok().flatten().is_none();
    let waits =
        S::row().reads(begins.kind).iter().filter(unfinished).map(|s| format!("{s} has not finished"));
    let unready = |m: &&records::Member| {
        let of = |stage: &&str| Manifest::find(&dir.join(&m.name), stage).ok().flatten().is_none();
        S::row().reads_of_members.iter().any(of)
    };
    let n = members.iter().filter(unready).count();
    let of_members = (n > 0).then(|| format!("{n} of {} members have not finished", members.len()));
    waits.chain(of_members).collect()
}

/// Looks for the inputs of the stage for as long as `--latency` says.
pub(crate) fn wait_for_inputs<S: Stage>(arguments: &Arguments, begins: &Begins) {
    let dir = arguments.artifacts.join(arguments.experiment());
    let _ = look(arguments, || Ok(waits::<S>(&dir, begins)), Vec::is_empty);
}

/// Looks until it is `seen`, or for as long as `--latency` says.
fn look<T>(arguments: &Arguments, at: impl Fn() -> Result<T>, seen: impl Fn(&T) -> bool) -> Result<T> {
    let (begun, latency) = (Instant::now(), Duration::from_secs(arguments.latency));
    loop {
        let found = at()?;
        if seen(&found) || begun.elapsed() >= latency {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
        // NFS asks its server again what is in a folder that is listed.
        let _ = std::fs::read_dir(arguments.artifacts.join(arguments.experiment())).map(Iterator::count);
    }
}

/// Says the state; exit code 0 if the results are up to date, else 1.
pub(crate) fn check<S: Stage>(
    arguments: &Arguments,
    begins: &Begins,
    params: &S::Params,
) -> Result<ExitCode> {
    let find = || find::<S>(arguments, begins, params.clone());
    let Found { state, cache } = look(arguments, find, |found| found.state == State::Fresh)?;
    let (name, experiment) = (S::Params::STAGE, arguments.experiment());
    let dir = arguments.artifacts.join(experiment);
    let made = Manifest::find(&dir, name).ok().flatten().filter(|_| state == State::Fresh);
    let note = match cache {
        Some(Expected::Hit) => Some("in the cache".to_owned()),
        _ => made.and_then(|m| other_kernel(m.run.blas.as_deref(), S::numeric_library().as_deref())),
    };
    if arguments.json {
        let mut line = json!({"stage": name, "experiment": experiment, "reads": S::row().reads(begins.kind)});
        let Value::Object(state) = serde_json::to_value(&state)? else { unreachable!("a tagged enum") };
        line.as_object_mut().expect("an object").extend(state);
        line["note"] = json!(note);
        line["cache"] = json!(cache);
        print_json(&line);
    } else {
        let note = note.map_or(String::new(), |note| format!(" ({note})"));
        tracing::info!("{name}: {experiment}: {}{note}", state.words());
    }
    Ok(if state == State::Fresh { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to say of results that another BLAS kernel made: rounding differs, but they need not be made again.
pub(crate) fn other_kernel(made: Option<&str>, here: Option<&str>) -> Option<String> {
    let (made, here) = (made?, here?);
    (made != here).then(|| format!("made with {made}, here {here}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kernel_is_named_and_the_same_is_not() {
        assert_eq!(other_kernel(Some("OpenBLAS 0.3, Zen"), Some("OpenBLAS 0.3, Zen")), None);
        let note = other_kernel(Some("OpenBLAS 0.3, Zen"), Some("OpenBLAS 0.3, Haswell")).unwrap();
        assert_eq!(note, "made with OpenBLAS 0.3, Zen, here OpenBLAS 0.3, Haswell");
        assert_eq!(other_kernel(None, Some("OpenBLAS")), None);
    }
}
