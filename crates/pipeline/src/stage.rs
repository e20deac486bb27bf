//! The shell of a stage: command line, logs, signals, the question "is it up to date?", and exit codes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use tracing::Level;

use crate::artifact::{Inputs, Outputs, fingerprint, remove_dir};
use crate::config::{Pipeline, Section};
use crate::failure::{EXIT_CODES, Failure};
use crate::family::Member;
use crate::manifest::{Code, FORMAT, Manifest, Run, hash_path};
use crate::params::sections;
use crate::progress::Progress;

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

    /// A loop over `total` items that the user knows as `label`.
    pub fn progress(&self, total: usize, label: &str) -> Progress {
        Progress::new(total, label)
    }
}

#[derive(Parser)]
struct Arguments {
    /// Experiments and all their parameters
    #[arg(long, value_name = "FILE", default_value = "pipeline.yaml")]
    pipeline: PathBuf,
    /// Which experiment of that file
    #[arg(long, value_name = "NAME")]
    experiment: String,
    /// Folder of all results; this stage writes into DIR/NAME/<stage>/
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// Run nothing: exit with 0 if the results are up to date, with 1 if not
    #[arg(long)]
    check: bool,
    /// Errors only
    #[arg(short, long)]
    quiet: bool,
    /// More detail; twice for all
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
}

/// `main` of a stage binary.
pub fn main<S: Stage>() -> ExitCode {
    let name = S::Params::STAGE;
    let after = format!(
        "Example:\n  {name} --experiment digits\n\nReads {} of the experiment; all parameters are in its section of the pipeline file.\n\
         Threads: RAYON_NUM_THREADS, or one per core. Results do not depend on it.\n\n{EXIT_CODES}",
        if S::READS.is_empty() { "no other stage".to_owned() } else { S::READS.join(", ") }
    );
    let command =
        Arguments::command().name(name).version(env!("CARGO_PKG_VERSION")).about(S::ABOUT).after_help(after);
    let arguments = Arguments::from_arg_matches(&command.get_matches()).expect("clap checked them");
    begin_log(&arguments);
    match run::<S>(&arguments) {
        Ok(code) => code,
        Err(error) => report(name, &error),
    }
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

/// Messages from `level` up go to stderr, a line each; errors begin with `error:`.
pub fn start_log(level: Level) {
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).event_format(Plain).init();
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
        let prefix = match *event.metadata().level() {
            Level::ERROR if text.starts_with("hint:") => "",
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        writeln!(writer, "{prefix}{text}")
    }
}

fn run<S: Stage>(arguments: &Arguments) -> Result<ExitCode> {
    let begun = Instant::now();
    let name = S::Params::STAGE;
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    pipeline.check_sections(&sections())?;
    let params: S::Params = pipeline.section(&arguments.experiment)?;
    let base = arguments.pipeline.parent().unwrap_or(Path::new("")).to_owned();
    let experiment_dir = arguments.artifacts.join(&arguments.experiment);

    let members = members_read::<S>(&pipeline, &arguments.experiment)?;
    let reads = if members.is_empty() { S::READS } else { S::READS_OF_FAMILY.unwrap_or_default() };
    let inputs = Inputs::open(&experiment_dir, reads)?;
    let mut input_hashes = BTreeMap::new();
    let members = members.into_iter().map(|m| {
        let inputs = Inputs::open(&experiment_dir.join(&m.name), S::READS_OF_MEMBERS)?;
        for manifest in inputs.manifests() {
            input_hashes.insert(format!("{}/{}/", m.name, manifest.stage), manifest.content_hash());
        }
        Ok((m, inputs))
    });
    let members = members.collect::<Result<Vec<_>>>()?;
    for manifest in inputs.manifests() {
        input_hashes.insert(format!("{}/", manifest.stage), manifest.content_hash());
    }
    for file in params.files() {
        input_hashes.insert(file.display().to_string(), hash_path(&base.join(&file))?);
    }
    let binary = std::env::current_exe().context("the program's own file")?;
    let code = Code { version: env!("CARGO_PKG_VERSION").to_owned(), binary_sha256: hash_path(&binary)? };
    let params_json = serde_json::to_value(&params)?;
    let fingerprint = fingerprint(name, &params_json, &code.binary_sha256, &input_hashes);

    let dir = experiment_dir.join(name);
    let fresh = is_fresh(&experiment_dir, name, &fingerprint);
    if arguments.check {
        return Ok(if fresh { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if fresh {
        // `make` compares times: say that the results are as new as the inputs.
        let manifest = Manifest::path(&experiment_dir, name);
        let touched =
            File::options().write(true).open(&manifest).and_then(|f| f.set_modified(SystemTime::now()));
        touched.with_context(|| format!("cannot touch {}", manifest.display()))?;
        tracing::info!("{name}: {} is up to date", arguments.experiment);
        return Ok(ExitCode::SUCCESS);
    }

    std::fs::create_dir_all(&experiment_dir)
        .with_context(|| format!("cannot create {}", experiment_dir.display()))?;
    let _lock = lock(&experiment_dir, name)?;
    let staging = experiment_dir.join(format!(".{name}.partial"));
    clean_up_on_signal(staging.clone())?;
    let outputs = Outputs::new(staging.clone())?;
    let mut ctx = StageContext {
        experiment: arguments.experiment.clone(),
        base,
        artifacts: arguments.artifacts.clone(),
        inputs,
        members,
        outputs,
    };
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
        experiment: arguments.experiment.clone(),
        fingerprint,
        params: params_json,
        code,
        inputs: input_hashes,
        outputs: ctx.outputs.written.clone(),
        facts: ctx.outputs.facts.clone(),
        run,
    };
    ctx.outputs.finish(&manifest, &dir)?;
    tracing::info!("{name}: {}: {summary}, {:.1} s", arguments.experiment, begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// The members, where the experiment is a family; an error where the stage cannot do what it is asked for.
fn members_read<S: Stage>(pipeline: &Pipeline, experiment: &str) -> Result<Vec<Member>> {
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

/// Whether the stage finished with this fingerprint and all its files are still there.
fn is_fresh(experiment_dir: &Path, stage: &str, fingerprint: &str) -> bool {
    // An unreadable manifest is as good as none: the stage runs again.
    let Ok(Some(manifest)) = Manifest::find(experiment_dir, stage) else { return false };
    let dir = experiment_dir.join(stage);
    manifest.fingerprint == fingerprint && manifest.outputs.keys().all(|file| dir.join(file).is_file())
}

/// Two processes of one stage and experiment would write over each other.
fn lock(experiment_dir: &Path, stage: &str) -> Result<File> {
    let path = experiment_dir.join(format!(".{stage}.lock"));
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
            std::process::exit(128 + signal);
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
