//! `--check`: whether the results of a stage are up to date, and why not.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use records::Section;
use serde_json::{Value, json};
use store::manifest::Manifest;

use crate::Result;
use crate::log::print_json;
use crate::shell::command::Arguments;
use crate::shell::left_over::tidy;
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

/// The state, without running: another process may hold the lock, and stages before this one may be missing.
pub(crate) fn find<S: Stage>(arguments: &Arguments, begins: &Begins, params: S::Params) -> Result<Found> {
    let (state, subject) = state_of::<S>(arguments, begins, params)?;
    let mut found = Found { state, cache: None };
    if let Some(subject) = subject {
        if found.state == State::Fresh {
            tidy(&subject);
        } else {
            found.cache = Shared::new(arguments.cache.open()?).expects(&subject);
        }
    }
    Ok(found)
}

/// The state, and what decides the results, where that is known.
fn state_of<S: Stage>(
    arguments: &Arguments,
    begins: &Begins,
    params: S::Params,
) -> Result<(State, Option<Subject<S>>)> {
    let dir = arguments.artifacts.join(arguments.experiment());
    if lock::is_running(&dir, S::Params::STAGE) {
        return Ok((State::Running, None));
    }
    let waits = waits::<S>(arguments, begins, &params);
    let made = Manifest::find(&dir, S::Params::STAGE).ok().flatten().is_some();
    // Its identity is not known before that of what it reads.
    if !waits.is_empty() {
        return Ok((if made { State::Stale(waits) } else { State::Missing(waits) }, None));
    }
    let subject = Subject::<S>::open(arguments, begins, params)?;
    Ok((subject.state(), Some(subject)))
}

/// What the stage waits for: stages before it that have not finished.
fn waits<S: Stage>(arguments: &Arguments, begins: &Begins, params: &S::Params) -> Vec<String> {
    let dir = arguments.artifacts.join(arguments.experiment());
    let is_missing = |dir: &Path, stage: &str| Manifest::find(dir, stage).ok().flatten().is_none();
    let own = S::row().reads(begins.kind).iter().filter(|stage| is_missing(&dir, stage));
    let own = own.map(|stage| format!("{stage} has not finished"));
    let others = params.experiments().into_iter();
    let others = others.filter(|(other, stage)| is_missing(&arguments.artifacts.join(other), stage));
    let others = others.map(|(other, stage)| format!("{stage} of {other} has not finished"));
    let members = &begins.members;
    let unready = |m: &&records::Member| {
        S::row().reads_of_members.iter().any(|stage| is_missing(&dir.join(&m.name), stage))
    };
    let n = members.iter().filter(unready).count();
    let of_members = (n > 0).then(|| format!("{n} of {} members have not finished", members.len()));
    own.chain(others).chain(of_members).collect()
}

/// Looks for the inputs of the stage for as long as `--latency` says.
pub(crate) fn wait_for_inputs<S: Stage>(arguments: &Arguments, begins: &Begins, params: &S::Params) {
    look(arguments, || {
        waits::<S>(arguments, begins, params).is_empty() && are_whole::<S>(arguments, begins, params)
    });
}

/// Whether all files of the inputs are seen: a machine may see a manifest before an array beside it.
fn are_whole<S: Stage>(arguments: &Arguments, begins: &Begins, params: &S::Params) -> bool {
    let dir = arguments.artifacts.join(arguments.experiment());
    let is_whole = |dir: &Path, stage: &str| {
        let manifest = Manifest::find(dir, stage).ok().flatten();
        manifest.is_none_or(|m| m.outputs.keys().all(|file| dir.join(stage).join(file).is_file()))
    };
    S::row().reads(begins.kind).iter().all(|stage| is_whole(&dir, stage))
        && params.experiments().iter().all(|(other, stage)| is_whole(&arguments.artifacts.join(other), stage))
        && begins.members.iter().all(|member| {
            S::row().reads_of_members.iter().all(|stage| is_whole(&dir.join(&member.name), stage))
        })
}

/// Looks until it is `seen`, or for as long as `--latency` says.
fn look(arguments: &Arguments, seen: impl Fn() -> bool) {
    let (begun, latency) = (Instant::now(), Duration::from_secs(arguments.latency));
    while !seen() && begun.elapsed() < latency {
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
    let mut found = find()?;
    // Files of the user are hashed each time.
    if found.state != State::Fresh && arguments.latency > 0 {
        let state = || state_of::<S>(arguments, begins, params.clone()).map(|(state, _)| state);
        look(arguments, || state().is_ok_and(|state| state == State::Fresh));
        found = find()?;
    }
    let Found { state, cache } = found;
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
