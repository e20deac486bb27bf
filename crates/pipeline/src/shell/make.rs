//! Running a stage: its results gather in a folder of their own, which takes its place at the end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime};

use records::Section;
use serde_json::{Value, json};
use store::artifact::{Outputs, remove_dir};
use store::manifest::{FORMAT, Manifest, Run};
use team::Team;

use crate::failure::Failure;
use crate::log::print_json;
use crate::shell::check::other_kernel;
use crate::shell::command::Arguments;
use crate::shell::going_on::{Checkpoints, Stop};
use crate::shell::left_over::{put_back, work_folders};
use crate::shell::lock::lock;
use crate::shell::shared::Shared;
use crate::shell::stage::{Stage, StageContext};
use crate::shell::state::State;
use crate::shell::subject::Subject;
use crate::shell::together::{begin, no_thread};
use crate::{Error, Result};

/// Whether the results are in place. It is held while they are put there: a signal that came between would remove them.
static PLACED: Mutex<bool> = Mutex::new(false);

/// Puts the results in the place of those before.
fn put_in_place(outputs: Outputs, manifest: &Manifest, dir: &Path, asked: SystemTime) -> Result<()> {
    let mut placed = PLACED.lock().expect("nothing panics while it is held");
    outputs.finish(manifest, dir, asked)?;
    *placed = true;
    Ok(())
}

/// Says that there is nothing to do.
pub(crate) fn up_to_date<S: Stage>(arguments: &Arguments, subject: &Subject<S>) -> Result<ExitCode> {
    let (name, experiment) = (S::Params::STAGE, &subject.experiment);
    // `make` compares times: say that the results are as new as the question. Where they are another user's, `make` asks again.
    let manifest = Manifest::path(&subject.experiment_dir(), name);
    let touched = File::options().write(true).open(&manifest).and_then(|f| f.set_modified(subject.asked));
    if let Err(error) = touched {
        tracing::debug!("cannot touch {}: {error}", manifest.display());
    }
    let Manifest { run: Run { summary, .. }, warnings, .. } =
        Manifest::read(&subject.experiment_dir(), name)?;
    if arguments.json {
        print_json(
            &json!({"stage": name, "experiment": experiment, "status": "up to date", "summary": summary, "warnings": warnings}),
        );
    }
    tracing::info!("{name}: {experiment} is up to date: {summary}");
    Ok(ExitCode::SUCCESS)
}

/// Runs the stage.
pub(crate) fn make<S: Stage>(
    arguments: &Arguments,
    subject: Subject<S>,
    mut shared: Shared,
    team: &Arc<dyn Team>,
) -> Result<ExitCode> {
    let begun = Instant::now();
    let name = S::Params::STAGE;
    let experiment_dir = subject.experiment_dir();
    let _lock = lock(&experiment_dir, name)?;
    put_back(&experiment_dir, name);
    // Another process may have made them since this one looked.
    if subject.state() == State::Fresh {
        return up_to_date(arguments, &subject);
    }
    let [staging, kept] = work_folders(&experiment_dir, name);
    let stop = Stop::new(arguments.stop_after.map(Duration::from_secs));
    end_on_signal(staging.clone(), Arc::clone(&stop))?;
    let checkpoints =
        Arc::new(Checkpoints::new(kept, subject.fingerprint.clone(), stop, S::numeric_library()));
    if let Some((outputs, manifest)) = shared.take(&subject, &staging)? {
        checkpoints.remove();
        return taken(arguments, &subject, (outputs, manifest), begun);
    }
    let (identity, dir, asked) = (subject.identity(), experiment_dir.join(name), subject.asked);
    let outputs = Outputs::new(staging.clone()).map_err(|e| Failure::cannot_write(&experiment_dir, &e))?;
    let (outputs, manifest) = compute(subject, outputs, team, &checkpoints, begun)
        .or_else(|error| remove_dir(&staging).map_err(Into::into).and(Err(error)))?;
    put_in_place(outputs, &manifest, &dir, asked)?;
    checkpoints.remove();
    let seconds = begun.elapsed().as_secs_f64();
    shared.put::<S>(&identity, &manifest, &dir);
    if arguments.json {
        print_json(&done("done", &manifest, &dir));
    }
    tracing::info!("{name}: {}: {}, {seconds:.1} s", manifest.experiment, manifest.run.summary);
    Ok(ExitCode::SUCCESS)
}

/// What the stage writes, and its manifest.
fn compute<S: Stage>(
    subject: Subject<S>,
    outputs: Outputs,
    team: &Arc<dyn Team>,
    checkpoints: &Arc<Checkpoints>,
    begun: Instant,
) -> Result<(Outputs, Manifest)> {
    begin(&**team, &subject.inputs, &subject.params_json);
    let mut ctx = StageContext {
        experiment: subject.experiment.clone(),
        base: subject.base,
        artifacts: subject.artifacts,
        inputs: subject.inputs,
        members: subject.members,
        outputs,
        team: Arc::clone(team),
        warnings: Mutex::default(),
        checkpoints: Arc::clone(checkpoints),
    };
    let summary = S::run(&subject.params, &mut ctx)?;
    subject.own_files.check(S::Params::STAGE)?;
    ctx.inputs.check_unchanged()?;
    ctx.members.iter().try_for_each(|(_, inputs)| inputs.check_unchanged())?;
    let run = Run {
        threads: rayon::current_num_threads(),
        processes: team.size(),
        blas: checkpoints.blas(),
        wall_seconds: begun.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory_bytes(),
        summary,
    };
    let manifest = Manifest {
        format: FORMAT,
        stage: S::Params::STAGE.to_owned(),
        experiment: subject.experiment,
        fingerprint: subject.fingerprint,
        params: subject.params_json,
        code: subject.code,
        inputs: subject.input_hashes,
        outputs: ctx.outputs.written.clone(),
        facts: ctx.outputs.facts.clone(),
        warnings: ctx.warnings(),
        run,
        sha256: None,
    };
    Ok((ctx.outputs, manifest.sealed()))
}

/// Puts results from the cache in their place. What the run that made them had to say is said here too.
fn taken<S: Stage>(
    arguments: &Arguments,
    subject: &Subject<S>,
    (outputs, manifest): (Outputs, Manifest),
    begun: Instant,
) -> Result<ExitCode> {
    let (name, experiment) = (S::Params::STAGE, &subject.experiment);
    let dir = subject.experiment_dir().join(name);
    put_in_place(outputs, &manifest, &dir, subject.asked)?;
    S::after_cache(&subject.artifacts)?;
    for warning in &manifest.warnings {
        tracing::warn!("{warning}");
    }
    if arguments.json {
        print_json(&done("from the cache", &manifest, &dir));
    }
    let kernel = other_kernel(manifest.run.blas.as_deref(), S::numeric_library().as_deref());
    let kernel = kernel.map_or(String::new(), |kernel| format!(" ({kernel})"));
    let (summary, seconds) = (&manifest.run.summary, begun.elapsed().as_secs_f64());
    tracing::info!("{name}: {experiment}: from the cache{kernel}: {summary}, {seconds:.1} s");
    Ok(ExitCode::SUCCESS)
}

/// The line for programs of a stage that ran, or whose results were taken.
fn done(status: &str, manifest: &Manifest, results: &Path) -> Value {
    json!({
        "stage": manifest.stage,
        "experiment": manifest.experiment,
        "status": status,
        "summary": manifest.run.summary,
        "results": results,
        "seconds": manifest.run.wall_seconds,
        "peak_memory_bytes": manifest.run.peak_memory_bytes,
        "threads": manifest.run.threads,
        "processes": manifest.run.processes,
        "facts": manifest.facts,
        "warnings": manifest.warnings,
    })
}

/// So long a stage that is asked to stop may take to the next point where it can.
const TO_THE_NEXT_STOP: Duration = Duration::from_secs(20);

/// SIGTERM and SIGUSR1 ask the stage to stop where it can go on. SIGINT, a second signal, and a stage that cannot stop in time
/// remove what is half-written and exit with 128 and the number of the signal.
fn end_on_signal(staging: PathBuf, stop: Arc<Stop>) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1]);
    let mut signals = signals.map_err(|e| Error::fault("cannot watch signals", e))?;
    let watch = move || {
        for signal in signals.forever() {
            let to_the_end = staging.clone();
            let later = move || {
                std::thread::sleep(TO_THE_NEXT_STOP);
                end(&to_the_end, signal);
            };
            let waits = signal != SIGINT && stop.ask(signal) && Builder::new().spawn(later).is_ok();
            if !waits {
                end(&staging, signal);
            }
        }
    };
    Builder::new().spawn(watch).map_err(|e| no_thread(&e))?;
    Ok(())
}

/// Removes what is half-written, and exits.
fn end(staging: &Path, signal: i32) {
    // To the end of the process, so that nothing is put in place any more.
    let placed = PLACED.lock().expect("nothing panics while it is held");
    // Files may still be written while they are removed: try again until the folder is gone.
    for _ in 0..10 {
        if remove_dir(staging).is_ok() && !staging.exists() {
            break;
        }
    }
    let results = if *placed { "the results are in place" } else { "earlier results are untouched" };
    tracing::error!("stopped by signal {signal}; {results}");
    // At once: an ordinary exit has OpenBLAS free its buffers below threads that still compute in them.
    signal_hook::low_level::exit(128 + signal);
}

/// `VmHWM` of this process, where the system tells it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
