//! Several processes at one stage: whether they can work together, and what those beside the first do.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use records::Section;
use serde_json::Value;
use store::artifact::Inputs;
use store::hash;
use team::launched::{self, Joined};
use team::{Order, Team};

use crate::config::Pipeline;
use crate::failure::Failure;
use crate::shell::command::Arguments;
use crate::shell::stage::{Stage, TeamContext};
use crate::shell::subject::Begins;
use crate::{Error, Result};

/// The order to open the results of earlier stages, of which the hash follows.
const BEGIN: u64 = u64::MAX;
/// So long a process waits until it sees what the first has seen: file systems show a new file to other machines late.
const UNTIL_SEEN: Duration = Duration::from_secs(60);

/// Address space that a stage needs that computes, and each of its threads, MiB: with less, OpenBLAS tries for ever to get its buffers.
/// `train` of digits hung at 300, 400, 600 and 800 with 1, 2, 4 and 8 threads, and worked at 400, 500, 800 and 1,000.
const ADDRESSES: [u64; 2] = [300, 160];

/// Starts as many threads as the environment asks for, else one for each core.
pub(crate) fn start_threads<S: Stage>() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = launched::threads().unwrap_or(cores);
    let (needed, limit) = (ADDRESSES[0] + threads as u64 * ADDRESSES[1], address_limit());
    if let Some(limit) = limit.filter(|limit| S::numeric_library().is_some() && *limit < needed) {
        return Err(Failure::machine(
            format!(
                "the address space is limited to {limit} MiB; with {threads} threads {needed} MiB are needed"
            ),
            "raise the limit (ulimit -v), or ask for fewer threads: RAYON_NUM_THREADS=1",
        )
        .into());
    }
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    Ok(builder.build_global().map_err(|e| no_thread(&e))?)
}

/// The limit of the address space, MiB, where there is one and the system tells it.
fn address_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 20)
}

/// Where the system gives no thread.
pub(crate) fn no_thread(error: &impl Display) -> Failure {
    Failure::machine(
        format!("cannot start a thread: {error}"),
        "raise the number of processes that you may have (ulimit -u), or ask for fewer threads: RAYON_NUM_THREADS=1, with which a \
         stage has three in all",
    )
}

/// Joins the processes that were started together.
pub(crate) fn join(wanted: Option<usize>) -> Result<Joined> {
    Ok(launched::join(wanted).map_err(|refusal| Failure::config(refusal.to_string(), refusal.hint()))?)
}

/// What must be equal on all processes: numbers would differ where they sum with other instructions, or other code.
fn made_of<S: Stage>() -> [String; 2] {
    [hash::of_bytes(S::CODE.as_bytes()), S::numeric_library().unwrap_or_default()]
}

/// The first compares the others with itself.
pub(crate) fn compare<S: Stage>(team: &dyn Team) -> Result<()> {
    let own = made_of::<S>();
    for rank in 1..team.size() {
        let [code, library] = [0, 1].map(|_| team.receive_text(rank));
        if code != own[0] {
            let message = format!("process {rank} runs another build of {} than process 0", S::Params::STAGE);
            return Err(
                Failure::config(message, "start one program, in a folder that all machines share").into()
            );
        }
        if library != own[1] {
            let message = format!("process {rank} computes with {library}, process 0 with {}", own[1]);
            let hint = "take machines of one kind, or set OPENBLAS_CORETYPE=Haswell, say, for all of them";
            return Err(Failure::config(message, hint).into());
        }
    }
    Ok(())
}

/// The first begins: the others open what it has opened.
pub(crate) fn begin(team: &dyn Team, inputs: &Inputs, params: &Value) {
    if !team.is_alone() {
        team.order(&Order::new(BEGIN, &[]));
        let seen = identity(inputs, params);
        (1..team.size()).for_each(|rank| team.send_text(rank, &seen));
    }
}

/// Hashes of the parameters and of the manifests of the inputs.
fn identity(inputs: &Inputs, params: &Value) -> String {
    let params = hash::of_bytes(params.to_string().as_bytes());
    let inputs = inputs.manifests().map(store::manifest::Manifest::content_hash);
    std::iter::once(params).chain(inputs).collect::<Vec<_>>().join(" ")
}

/// What a process beside the first does, until the end.
pub(crate) fn assist<S: Stage>(arguments: &Arguments, team: &Arc<dyn Team>) -> Result<()> {
    ignore_signals()?;
    for text in made_of::<S>() {
        team.send_text(0, &text);
    }
    match team.next_order() {
        Order::END => return Ok(()), // there was nothing to compute
        order if order.task() == BEGIN => {}
        order => return Err(Error::fault("an unknown order", format!("{order:?}"))),
    }
    let (wanted, begun) = (team.receive_text(0), Instant::now());
    let (params, inputs) = loop {
        let found = params_and_inputs::<S>(arguments);
        let seen = found.as_ref().ok().map(|(params, inputs)| {
            Ok::<_, Error>(identity(inputs, &serde_json::to_value(params)?) == wanted)
        });
        match (seen.transpose()?, found) {
            (Some(true), Ok(found)) => break found,
            _ if begun.elapsed() < UNTIL_SEEN => std::thread::sleep(Duration::from_millis(200)),
            (_, Err(error)) => return Err(error),
            _ => {
                return Err(Error::Fault(format!(
                    "process {}: {} or {} is not what process 0 sees: was it edited, or is it shared?",
                    team.rank(),
                    arguments.pipeline.display(),
                    arguments.artifacts.join(arguments.experiment()).display()
                )));
            }
        }
    };
    S::assist(&params, &TeamContext { inputs: inputs.checked_elsewhere(), team: Arc::clone(team) })
        .map_err(|error| error.of(format!("process {}", team.rank())))
}

/// The section and the results of earlier stages, as this process sees them.
fn params_and_inputs<S: Stage>(arguments: &Arguments) -> Result<(S::Params, Inputs)> {
    let pipeline = Pipeline::read(&arguments.pipeline)?;
    let params = pipeline.section(arguments.experiment())?;
    let begins = Begins::of::<S>(&pipeline, arguments.experiment(), SystemTime::now())?;
    let dir = arguments.artifacts.join(arguments.experiment());
    Ok((params, Inputs::open(&dir, S::row().reads(begins.kind))?))
}

/// A launcher sends a signal to all: the first decides where to stop, and ends the others.
fn ignore_signals() -> Result<()> {
    use signal_hook::consts::{SIGTERM, SIGUSR1};
    let ignored = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGUSR1] {
        signal_hook::flag::register(signal, Arc::clone(&ignored))?;
    }
    Ok(())
}
