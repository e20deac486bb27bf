//! `--dry-run`: what would run, and what it would cost.

use std::fmt::Write;
use std::process::ExitCode;

use records::Section;
use serde_json::json;

use crate::Result;
use crate::config::Pipeline;
use crate::log::{print_json, print_text};
use crate::shell::check::{Found, find};
use crate::shell::command::Arguments;
use crate::shell::cost::{Cost, PlanContext, duration};
use crate::shell::shared::Expected;
use crate::shell::stage::Stage;
use crate::shell::state::State;
use crate::shell::subject::Begins;

/// `--dry-run`: what would run, and what it would cost.
pub(crate) fn dry_run<S: Stage>(
    arguments: &Arguments,
    (pipeline, begins): (&Pipeline, &Begins),
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
    let Found { state, cache } = find::<S>(arguments, begins, params)?;
    let would_run = !matches!(state, State::Fresh | State::Running);
    let threads = rayon::current_num_threads();
    let writes = experiment_dir.join(name);
    if arguments.json {
        print_json(&json!({
            "stage": name,
            "experiment": experiment,
            "would_run": would_run,
            "state": state.words(),
            "cache": cache,
            "reads": S::row().reads(begins.kind),
            "writes": writes,
            "threads": threads,
            "flops": cost.flops(),
            "memory_bytes": cost.memory_bytes,
            "seconds": cost.seconds(),
            "parts": cost.parts,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let verdict = match (would_run, cache) {
        (false, _) => "would not run",
        (true, Some(Expected::Hit)) => "would be taken from the cache",
        (true, Some(Expected::Miss)) => "would run, since it is not in the cache",
        (true, Some(Expected::Unknown) | None) => "would run",
    };
    let mut text = format!("{name}: {experiment}: {verdict} ({})\n", state.words());
    let reads = S::row().reads(begins.kind);
    let reads = if reads.is_empty() { "no other stage".to_owned() } else { reads.join(", ") };
    writeln!(text, "  reads   {reads}")?;
    writeln!(text, "  writes  {}", writes.display())?;
    write_cost(&mut text, &cost, threads)?;
    print_text(&text);
    Ok(ExitCode::SUCCESS)
}

/// Work, memory and time, a line each.
fn write_cost(text: &mut String, cost: &Cost, threads: usize) -> std::fmt::Result {
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
    write!(text, "  time    {total}")
}
