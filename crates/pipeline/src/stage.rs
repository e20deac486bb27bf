//! The shell of a stage: command line, logs, signals, the question "is it up to date?", and exit codes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use clap::FromArgMatches;
use serde_json::{Value, json};
use tracing::Level;

use crate::artifact::{Inputs, Outputs, fingerprint, remove_dir};
use crate::command::{self, Arguments};
use crate::config::{Pipeline, Section};
use crate::failure::Failure;
use crate::family::Member;
use crate::manifest::{Code, FORMAT, Manifest, Run, hash_path};
use crate::params::sections;
use crate::plan::{Cost, PlanContext, duration};
use crate::progress::Progress;
use crate::state::{Now, State};

/// One stage of the pipeline: what its binary is.
pub trait Stage {
    /// Its section of `pipeline.yaml`.
    type Params: Section;
    /// First lines of `--help`.
    const ABOUT: &'static str;
    /// Stages whose results it reads.
    const READS: &'static [&'static str];
    /// Stages of a family whose results it reads instead where the experiment is a family; `None`: it is no stage of families.
    const READS_OF_FAMILY: Option<&'static [&'static str]> = None;
    /// Stages of each member that it reads where the experiment is a family.
    const READS_OF_MEMBERS: &'static [&'static str] = &[];

    /// Prepares the numeric library, if the stage uses one, and says which it is.
    fn numeric_library() -> Option<String> {
        None
    }

    /// What a run would cost, for `--dry-run`; results of earlier stages need not be there.
    fn cost(_params: &Self::Params, _ctx: &PlanContext) -> Result<Cost> {
        Ok(Cost::default())
    }

    /// Reads, computes, writes; returns the one line with numbers that the user sees.
    fn run(params: &Self::Params, ctx: &mut StageContext) -> Result<String>;
}

/// What a running stage can reach.
pub struct StageContext {
    /// the experiment's name
    pub experiment: String,
    /// folder of `pipeline.yaml`, to which the paths in it are relative
    pub base: PathBuf,
    /// folder of all artifacts
    pub artifacts: PathBuf,
    /// results of earlier stages
    pub inputs: Inputs,
    /// the members, with their results, where the experiment is a family
    pub members: Vec<(Member, Inputs)>,
    /// results of this one
    pub outputs: Outputs,
}

impl StageContext {
    /// A path of `pipeline.yaml`, which is relative to that file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The results of a stage of another experiment, one of [`Section::experiments`].
    pub fn other(&self, experiment: &str, stage: &'static str) -> Result<Inputs> {
        Inputs::open(&self.artifacts.join(experiment), &[stage])
    }

    /// A loop over `total` items that the user knows as `label`.
    pub fn progress(&self, total: usize, label: &str) -> Progress {
        Progress::new(total, label)
    }

    /// A loop that ends by itself, after `most` items at the latest.
    pub fn progress_at_most(&self, most: usize, label: &str) -> Progress {
        Progress::at_most(most, label)
    }
}

/// `main` of a stage binary.
pub fn main<S: Stage>() -> ExitCode {
    let command = command::of::<S>();
    let arguments = Arguments::from_arg_matches(&command.clone().get_matches()).expect("clap checked them");
    begin_log(&arguments);
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

/// One line on stdout, for programs.
#[allow(clippy::print_stdout)] // this is what --json promises
fn print_json(value: &Value) {
    println!("{value}");
}

fn error_json(stage: &str, experiment: &str, error: &anyhow::Error) -> Value {
    let failure = error.chain().find_map(|e| e.downcast_ref::<Failure>());
    json!({
        "stage": stage,
        "experiment": experiment,
        "status": "error",
        "error": format!("{error:#}"),
        "hint": failure.map(|f| &f.hint),
        "exit_code": failure.map_or(1, |f| f.kind.exit_code()),
    })
}

/// Prints the error and its cure once; gives the exit code.
pub fn report(stage: &str, error: &anyhow::Error) -> ExitCode {
    tracing::error!("{stage}: {error:#}");
    match error.chain().find_map(|e| e.downcast_ref::<Failure>()) {
        Some(failure) => {
            tracing::error!("hint: {}", failure.hint);
            ExitCode::from(failure.kind.exit_code())
        }
        None => ExitCode::FAILURE,
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

/// Messages from `level` up go to stderr, a line each; errors begin with `error:`, in red on a terminal unless
/// `NO_COLOR` is set.
pub fn start_log(level: Level) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        .event_format(Plain)
        .init();
}

/// `error: …` and `warning: …`; plain text otherwise.
struct Plain;

impl<S, N> tracing_subscriber::fmt::FormatEvent<S, N> for Plain
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: tracing_subscriber::fmt::format::Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        ctx.field_format().format_fields(tracing_subscriber::fmt::format::Writer::new(&mut text), event)?;
        let (colour, prefix) = match *event.metadata().level() {
            Level::ERROR if text.starts_with("hint:") => ("", ""),
            Level::ERROR => ("\x1b[1;31m", "error: "),
            Level::WARN => ("\x1b[1;33m", "warning: "),
            _ => ("", ""),
        };
        if writer.has_ansi_escapes() && !colour.is_empty() {
            return writeln!(writer, "{colour}{prefix}\x1b[0m{text}");
        }
        writeln!(writer, "{prefix}{text}")
    }
}

/// A stage and an experiment, with everything that decides its results.
struct Subject<S: Stage> {
    experiment: String,
    artifacts: PathBuf,
    base: PathBuf,
    params: S::Params,
    params_json: Value,
    inputs: Inputs,
    members: Vec<(Member, Inputs)>,
    input_hashes: BTreeMap<String, String>,
    code: Code,
    fingerprint: String,
}

impl<S: Stage> Subject<S> {
    fn open(arguments: &Arguments, members: &[Member], params: S::Params) -> Result<Self> {
        let experiment = arguments.experiment().to_owned();
        let base = arguments.base();
        let dir = arguments.artifacts.join(&experiment);
        let inputs = Inputs::open(&dir, reads::<S>(members))?;
        let mut input_hashes = BTreeMap::new();
        let of_member = |member: &Member| {
            let inputs = Inputs::open(&dir.join(&member.name), S::READS_OF_MEMBERS)?;
            Ok((member.clone(), inputs))
        };
        let members = members.iter().map(of_member).collect::<Result<Vec<_>>>()?;
        for (member, inputs) in &members {
            for manifest in inputs.manifests() {
                input_hashes.insert(format!("{}/{}/", member.name, manifest.stage), manifest.content_hash());
            }
        }
        for manifest in inputs.manifests() {
            input_hashes.insert(format!("{}/", manifest.stage), manifest.content_hash());
        }
        for (other, stage) in params.experiments() {
            let manifest = Manifest::read(&arguments.artifacts.join(&other), stage)?;
            input_hashes.insert(format!("{other}/{stage}/"), manifest.content_hash());
        }
        for file in params.files() {
            input_hashes.insert(file.display().to_string(), hash_path(&base.join(&file))?);
        }
        let binary = std::env::current_exe().context("the program's own file")?;
        let code = Code { version: env!("CARGO_PKG_VERSION").to_owned(), binary_sha256: hash_path(&binary)? };
        let params_json = serde_json::to_value(&params)?;
        let fingerprint = fingerprint(S::Params::STAGE, &params_json, &code.binary_sha256, &input_hashes);
        Ok(Self {
            experiment,
            artifacts: arguments.artifacts.clone(),
            base,
            params,
            params_json,
            inputs,
            members,
            input_hashes,
            code,
            fingerprint,
        })
    }

    fn experiment_dir(&self) -> PathBuf {
        self.artifacts.join(&self.experiment)
    }

    /// The results beside parameters, inputs and code as they are now.
    fn state(&self) -> State {
        let now = Now {
            fingerprint: &self.fingerprint,
            params: &self.params_json,
            binary_sha256: &self.code.binary_sha256,
            inputs: &self.input_hashes,
        };
        // An unreadable manifest is as good as none: the stage runs again.
        let manifest = Manifest::find(&self.experiment_dir(), S::Params::STAGE).ok().flatten();
        State::of(manifest.as_ref(), &self.experiment_dir().join(S::Params::STAGE), &now)
    }
}

fn run<S: Stage>(arguments: &Arguments) -> Result<ExitCode> {
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&sections())?;
    let params: S::Params = pipeline.section(arguments.experiment())?;
    let members = members_of::<S>(&pipeline, arguments.experiment())?;
    if arguments.dry_run {
        return dry_run::<S>(arguments, (&pipeline, &members), params);
    }
    if arguments.check {
        return check::<S>(arguments, &members, params);
    }
    let subject = Subject::<S>::open(arguments, &members, params)?;
    if subject.state() == State::Fresh {
        return up_to_date(arguments, &subject);
    }
    make(arguments, subject)
}

/// The state, without running: another process may hold the lock, and stages before this one may be missing.
fn state_of<S: Stage>(arguments: &Arguments, members: &[Member], params: S::Params) -> Result<State> {
    let dir = arguments.artifacts.join(arguments.experiment());
    let lock = File::open(lock_path(&dir, S::Params::STAGE));
    if lock.is_ok_and(|f| matches!(f.try_lock(), Err(std::fs::TryLockError::WouldBlock))) {
        return Ok(State::Running);
    }
    let unfinished = |stage: &&&str| Manifest::find(&dir, stage).ok().flatten().is_none();
    let waits = reads::<S>(members).iter().filter(unfinished).map(|s| format!("{s} has not finished"));
    let unready = |m: &&Member| {
        let of = |stage: &&str| Manifest::find(&dir.join(&m.name), stage).ok().flatten().is_none();
        S::READS_OF_MEMBERS.iter().any(of)
    };
    let n = members.iter().filter(unready).count();
    let of_members = (n > 0).then(|| format!("{n} of {} members have not finished", members.len()));
    let waits = waits.chain(of_members).collect::<Vec<_>>();
    let made = Manifest::find(&dir, S::Params::STAGE).ok().flatten().is_some();
    Ok(match (waits.is_empty(), made) {
        (true, _) => Subject::<S>::open(arguments, members, params)?.state(),
        (false, true) => State::Stale(waits),
        (false, false) => State::Missing(waits),
    })
}

fn check<S: Stage>(arguments: &Arguments, members: &[Member], params: S::Params) -> Result<ExitCode> {
    let state = state_of::<S>(arguments, members, params)?;
    let (name, experiment) = (S::Params::STAGE, arguments.experiment());
    if arguments.json {
        let mut line = json!({"stage": name, "experiment": experiment, "reads": reads::<S>(members)});
        let Value::Object(state) = serde_json::to_value(&state)? else { unreachable!("a tagged enum") };
        line.as_object_mut().expect("an object").extend(state);
        print_json(&line);
    } else {
        tracing::info!("{name}: {experiment}: {}", state.words());
    }
    Ok(if state == State::Fresh { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `--dry-run`: what would run, and what it would cost.
fn dry_run<S: Stage>(
    arguments: &Arguments,
    (pipeline, members): (&Pipeline, &[Member]),
    params: S::Params,
) -> Result<ExitCode> {
    let (name, experiment) = (S::Params::STAGE, arguments.experiment());
    let experiment_dir = arguments.artifacts.join(experiment);
    let base = arguments.base();
    let context = PlanContext {
        pipeline,
        experiment: experiment.to_owned(),
        experiment_dir: experiment_dir.clone(),
        base: &base,
    };
    S::numeric_library();
    let cost = S::cost(&params, &context)?;
    let state = state_of::<S>(arguments, members, params)?;
    let would_run = !matches!(state, State::Fresh | State::Running);
    let threads = rayon::current_num_threads();
    let writes = experiment_dir.join(name);
    if arguments.json {
        print_json(&json!({
            "stage": name,
            "experiment": experiment,
            "would_run": would_run,
            "state": state.words(),
            "reads": reads::<S>(members),
            "writes": writes,
            "threads": threads,
            "flops": cost.flops(),
            "memory_bytes": cost.memory_bytes,
            "seconds": cost.seconds(),
            "parts": cost.parts,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let verdict = if would_run { "would run" } else { "would not run" };
    let mut text = format!("{name}: {experiment}: {verdict} ({})\n", state.words());
    let reads = reads::<S>(members);
    let reads = if reads.is_empty() { "no other stage".to_owned() } else { reads.join(", ") };
    writeln!(text, "  reads   {reads}")?;
    writeln!(text, "  writes  {}", writes.display())?;
    for part in &cost.parts {
        let time = part.seconds.map_or_else(|| "not calibrated".to_owned(), duration);
        writeln!(text, "  work    {}: {:.1e} flops, {time}", part.what, part.flops)?;
    }
    let memory = cost
        .memory_bytes
        .map_or_else(|| "not estimated".to_owned(), |bytes| format!("about {:.0} MiB", bytes / 1_048_576.0));
    writeln!(text, "  memory  {memory}")?;
    let total = cost.seconds().map_or_else(
        || "seconds; it was not calibrated".to_owned(),
        |s| {
            let calibration = duration(cost.calibration_seconds);
            format!("about {} on {threads} threads, from a calibration of {calibration}", duration(s))
        },
    );
    write!(text, "  time    {total}")?;
    print_text(&text);
    Ok(ExitCode::SUCCESS)
}

/// What a flag asked for; messages go to stderr.
#[allow(clippy::print_stdout)] // the result of --dry-run
fn print_text(text: &str) {
    println!("{text}");
}

fn up_to_date<S: Stage>(arguments: &Arguments, subject: &Subject<S>) -> Result<ExitCode> {
    let (name, experiment) = (S::Params::STAGE, &subject.experiment);
    // `make` compares times: say that the results are as new as the inputs.
    let manifest = Manifest::path(&subject.experiment_dir(), name);
    let touched = File::options().write(true).open(&manifest).and_then(|f| f.set_modified(SystemTime::now()));
    touched.with_context(|| format!("cannot touch {}", manifest.display()))?;
    if arguments.json {
        print_json(&json!({"stage": name, "experiment": experiment, "status": "up to date"}));
    }
    tracing::info!("{name}: {experiment} is up to date");
    Ok(ExitCode::SUCCESS)
}

fn make<S: Stage>(arguments: &Arguments, subject: Subject<S>) -> Result<ExitCode> {
    let begun = Instant::now();
    let name = S::Params::STAGE;
    let experiment_dir = subject.experiment_dir();
    std::fs::create_dir_all(&experiment_dir)
        .with_context(|| format!("cannot create {}", experiment_dir.display()))?;
    let _lock = lock(&experiment_dir, name)?;
    let staging = experiment_dir.join(format!(".{name}.partial"));
    clean_up_on_signal(staging.clone())?;
    let Subject {
        experiment,
        artifacts,
        base,
        params,
        params_json,
        inputs,
        members,
        input_hashes,
        code,
        fingerprint,
    } = subject;
    let outputs = Outputs::new(staging.clone())?;
    let mut ctx = StageContext { experiment: experiment.clone(), base, artifacts, inputs, members, outputs };
    let blas = S::numeric_library();
    let summary = match S::run(&params, &mut ctx) {
        Ok(summary) => summary,
        Err(error) => {
            remove_dir(&staging)?;
            return Err(error);
        }
    };
    let run = Run {
        threads: rayon::current_num_threads(),
        blas,
        wall_seconds: begun.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory_bytes(),
    };
    let manifest = Manifest {
        format: FORMAT,
        stage: name.to_owned(),
        experiment: experiment.clone(),
        fingerprint,
        params: params_json,
        code,
        inputs: input_hashes,
        outputs: ctx.outputs.written.clone(),
        facts: ctx.outputs.facts.clone(),
        run,
    };
    let dir = experiment_dir.join(name);
    ctx.outputs.finish(&manifest, &dir)?;
    if arguments.json {
        print_json(&json!({
            "stage": name,
            "experiment": experiment,
            "status": "done",
            "summary": summary,
            "results": dir,
            "seconds": manifest.run.wall_seconds,
            "peak_memory_bytes": manifest.run.peak_memory_bytes,
            "threads": manifest.run.threads,
            "facts": manifest.facts,
        }));
    }
    tracing::info!("{name}: {experiment}: {summary}, {:.1} s", begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// The stages of the experiment itself that a stage reads.
fn reads<S: Stage>(members: &[Member]) -> &'static [&'static str] {
    if members.is_empty() { S::READS } else { S::READS_OF_FAMILY.unwrap_or_default() }
}

/// The members, where the experiment is a family; an error where the stage cannot do what it is asked for.
fn members_of<S: Stage>(pipeline: &Pipeline, experiment: &str) -> Result<Vec<Member>> {
    let members = pipeline.members(experiment)?;
    let name = S::Params::STAGE;
    if !members.is_empty() && S::READS_OF_FAMILY.is_none() {
        let names = members.iter().map(|m| format!("{experiment}/{}", m.name)).collect::<Vec<_>>();
        let message = format!("{experiment} is a family of {}: {name} runs for each member", names.len());
        return Err(Failure::config(message, format!("name one of them: {}", names.join(", "))).into());
    }
    if members.is_empty() && S::READS.is_empty() && S::READS_OF_FAMILY.is_some() {
        let message = format!("{experiment} is no family, so there is nothing for {name} to join");
        return Err(
            Failure::config(message, "give it family.ladder, family.replicas or family.variants").into()
        );
    }
    Ok(members)
}

fn lock_path(experiment_dir: &Path, stage: &str) -> PathBuf {
    experiment_dir.join(format!(".{stage}.lock"))
}

/// Two processes of one stage and experiment would write over each other.
fn lock(experiment_dir: &Path, stage: &str) -> Result<File> {
    let path = lock_path(experiment_dir, stage);
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::config(
            format!("{}: another process is running {stage} for this experiment", path.display()),
            "wait for it, or give another folder with --artifacts",
        )
        .into()),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// SIGINT and SIGTERM remove what is half-written and exit with 130 or 143.
fn clean_up_on_signal(staging: PathBuf) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot watch signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Files may still be written while they are removed: try again until the folder is gone.
            for _ in 0..10 {
                if remove_dir(&staging).is_ok() && !staging.exists() {
                    break;
                }
            }
            tracing::error!("stopped by signal {signal}; earlier results are untouched");
            // At once: an ordinary exit has OpenBLAS free its buffers below threads that still compute in them.
            signal_hook::low_level::exit(128 + signal);
        }
    });
    Ok(())
}

/// `VmHWM` of this process, where the system tells it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
