//! The command line of a stage: flags, `--help`, completions and man page, all from one definition.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use cache::{Cache, Mode};
use clap::{ArgAction, Args, CommandFactory, Parser, ValueEnum};

use crate::Result;
use crate::failure::{EXIT_CODES, Failure};
use crate::log;
use crate::shell::stage::Stage;
use records::Section;
use records::stages::Kind;

/// Where the programs that are no stage look: all that they are told.
#[derive(Parser)]
pub struct Places {
    /// Experiments and all their parameters
    #[arg(long, value_name = "FILE", default_value = "pipeline.yaml")]
    pub pipeline: PathBuf,
    /// Folder of all results
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub artifacts: PathBuf,
}

/// The cache that machines share.
#[derive(Args, Clone)]
pub struct CacheArguments {
    /// Where machines share finished stages, which are taken from there instead of computed: file:///PATH, http://HOST/PATH or https://HOST/PATH
    #[arg(long, env = "CACHE", value_name = "ADDRESS", hide_env_values = true)]
    pub cache: Option<String>,
    /// What the cache is for: read, write, or read-write
    #[arg(long, env = "CACHE_MODE", value_name = "MODE", default_value = "read-write")]
    pub cache_mode: CacheMode,
}

/// What the cache is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CacheMode {
    /// results are taken from it, and put there
    ReadWrite,
    /// results are taken from it; it is not written
    Read,
    /// results are put there; none is taken
    Write,
}

impl CacheArguments {
    /// The cache, if one is given.
    pub fn open(&self) -> Result<Option<Cache>> {
        let mode = match self.cache_mode {
            CacheMode::ReadWrite => Mode::ReadAndWrite,
            CacheMode::Read => Mode::Read,
            CacheMode::Write => Mode::Write,
        };
        let Some(address) = self.cache.as_deref().filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        Cache::at(address, mode).map(Some).map_err(|error| match &error {
            cache::Error::Address { hint, .. } => Failure::config(error.to_string(), hint).into(),
            _ => error.into(),
        })
    }
}

/// What was typed.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Arguments {
    /// Experiments and all their parameters
    #[arg(long, value_name = "FILE", default_value = "pipeline.yaml")]
    pub pipeline: PathBuf,
    /// Which experiment of that file
    #[arg(long, value_name = "NAME", required_unless_present_any = ["man", "completions"])]
    pub experiment: Option<String>,
    /// Folder of all results; this stage writes into DIR/NAME/STAGE/
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub artifacts: PathBuf,
    /// Where finished stages are shared
    #[command(flatten)]
    pub cache: CacheArguments,
    /// Stop after so many seconds where the work can go on: the same command then does
    #[arg(long, env = "STOP_AFTER", value_name = "SECONDS")]
    pub stop_after: Option<u64>,
    /// Refuse to work unless so many processes share it, as `make RANKS=4` says
    #[arg(long, value_name = "NUMBER")]
    pub ranks: Option<usize>,
    /// Look so long for results that another machine has written: inputs, and with --check the results of the stage
    #[arg(long, value_name = "SECONDS", default_value_t = 0, overrides_with = "latency")]
    pub latency: u64,
    /// Run nothing: say whether the results are up to date and if not, why; exit with 0 if they are, with 1 if not
    #[arg(long)]
    pub check: bool,
    /// Run nothing: say what would run, its floating-point operations, its memory and, from a short calibration, its time
    #[arg(long, conflicts_with = "check")]
    pub dry_run: bool,
    /// One line of JSON on stdout at the end: status, seconds, facts; or the error
    #[arg(long)]
    pub json: bool,
    /// Errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// More detail; twice for all
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Print the man page (roff) and exit
    #[arg(long, hide = true)]
    pub man: bool,
    /// Print completions for a shell and exit
    #[arg(long, hide = true, value_name = "SHELL")]
    pub completions: Option<clap_complete::Shell>,
}

impl Arguments {
    /// The experiment: clap requires it wherever a stage runs.
    pub fn experiment(&self) -> &str {
        self.experiment.as_deref().unwrap_or_default()
    }

    /// The folder to which the paths in the pipeline file are relative.
    pub fn base(&self) -> PathBuf {
        self.pipeline.parent().unwrap_or(Path::new("")).to_owned()
    }
}

/// The command of a stage, with its help.
pub fn of<S: Stage>() -> clap::Command {
    let name = S::Params::STAGE;
    let reads = match S::row().reads(Kind::Samples) {
        [] => "Reads no other stage".to_owned(),
        stages => format!("Reads the results of {}", stages.join(", ")),
    };
    let after = format!(
        "Example:\n  {name} --experiment digits      # results in artifacts/digits/{name}/\n\n\
         {reads}. Its parameters are the section `{name}` of the pipeline file, with defaults and units beside each key; \
         there is no flag that changes a result.\n\
         Results: DIR/NAME/{name}/, described with unit and shape in its manifest.json and in docs/artifacts.md.\n\
         Units: losses in nats (squared-error: in squared units of the target), Delta_k in their square, prefix sizes and K in samples, weights and theta in parameter units, times in seconds.\n\
         Threads: RAYON_NUM_THREADS, else OMP_NUM_THREADS, else SLURM_CPUS_PER_TASK, else one per core; results do not depend on it. NO_COLOR: no colours.\n\n{EXIT_CODES}"
    );
    Arguments::command().name(name).version(env!("CARGO_PKG_VERSION")).about(S::ABOUT).after_help(after)
}

/// Prints man page or completions, if one of them is asked for; says whether it did.
pub fn print_help_files(mut command: clap::Command, arguments: &Arguments) -> Result<bool> {
    let mut text = vec![];
    if arguments.man {
        clap_mangen::Man::new(command).render(&mut text)?;
    } else if let Some(shell) = arguments.completions {
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut text);
    } else {
        return Ok(false);
    }
    log::print_bytes(&text);
    Ok(true)
}

/// What `make` has to be told, as ` A=elsewhere`; nothing for its defaults.
pub fn make_options(pipeline: &Path, artifacts: &Path) -> String {
    let mut options = String::new();
    for (name, path, default) in [("PIPELINE", pipeline, "pipeline.yaml"), ("A", artifacts, "artifacts")] {
        if path.as_os_str() != default {
            write!(options, " {}", quoted(&format!("{name}={}", path.display())))
                .expect("writing to a string");
        }
    }
    options
}

/// A word as a shell reads it, whatever is in it: characters that a terminal obeys are written as bash names them.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=+:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(char::is_control) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let escaped = word.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
}
