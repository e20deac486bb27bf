//! `verify`: every file of every experiment beside its manifest.

use std::process::ExitCode;

use clap::Parser;
use pipeline::Result;
use pipeline::config::Pipeline;
use pipeline::failure::Kind;
use pipeline::log::{self, count};
use pipeline::shell::command::Places;
use pipeline::verify::{self, Where};
use records::section::name_of;
use records::stages;
use records::verified::Verification;

/// Compares every file of every experiment with its manifest: damaged, missing, foreign, left over
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes:\n  0    every file is as its manifest says, and no other is there\n  2    usage or configuration\n  3    a file is damaged, missing, foreign or left over; what to run is printed"
)]
struct Arguments {
    #[command(flatten)]
    places: Places,
    /// One line of JSON on stdout at the end: each stage, each fault, what to run
    #[arg(long)]
    json: bool,
    /// Faults only
    #[arg(short, long)]
    quiet: bool,
    /// Only these experiments, with their members; none: all that lies in the folder
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start_log(if arguments.quiet { tracing::Level::WARN } else { tracing::Level::INFO });
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            if arguments.json {
                let (said, code) = (error.to_string(), error.exit_code());
                let line = serde_json::json!({"status": "error", "error": said, "hint": error.hint(), "exit_code": code});
                log::print_text(&line.to_string());
            }
            log::report("verify", &error)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Places { pipeline, artifacts } = &arguments.places;
    let stages = stages(&Pipeline::read(pipeline)?);
    let places = Where { pipeline, artifacts, stages: &stages };
    let found = verify::verify(&places, &arguments.experiments)?;
    if let Err(error) = verify::note(artifacts, &found) {
        tracing::warn!("verify: `make status` will not know of this: {error}");
    }
    if arguments.json {
        log::print_text(&serde_json::to_string(&found)?);
    }
    say(&found);
    Ok(if found.good { ExitCode::SUCCESS } else { ExitCode::from(Kind::Input.exit_code()) })
}

/// All stages that run, as their folders are named. A section that is wrong is no concern of this.
fn stages(pipeline: &Pipeline) -> Vec<String> {
    let of_subject = |subject: &String| {
        let kind = pipeline.kind(subject).unwrap_or(stages::Kind::Samples);
        let run = stages::ROWS.iter().filter(move |row| row.reads_of(kind).is_some());
        run.map(|row| format!("{subject}/{}", row.name)).collect::<Vec<_>>()
    };
    let of_experiment = |experiment: &String| {
        let members = pipeline.members(experiment).unwrap_or_default();
        let members = members.iter().map(|member| format!("{experiment}/{}", member.name));
        members.chain([experiment.clone()]).collect::<Vec<_>>()
    };
    pipeline.experiments().iter().flat_map(of_experiment).flat_map(|subject| of_subject(&subject)).collect()
}

fn say(found: &Verification) {
    for fault in &found.faults {
        tracing::error!(
            "verify: {}: {}: {}",
            fault.path,
            name_of(fault.kind).replace('-', " "),
            fault.reason
        );
    }
    for stage in &found.running {
        tracing::info!("verify: {stage}: left out, it is running");
    }
    let (files, megabytes) = (count(found.files, "file"), found.bytes as f64 / 1e6);
    let stages = count(found.stages.len(), "stage");
    let took = format!("{files} of {stages}, {megabytes:.0} MB, in {:.1} s", found.seconds);
    if found.good {
        tracing::info!("verify: {took}: each is as its manifest says");
        return;
    }
    tracing::error!("verify: {took}: {}", count(found.faults.len(), "fault"));
    for command in &found.repair {
        tracing::error!("hint: to make lost results again: {command}");
    }
    if let Some(command) = &found.remove {
        tracing::error!("hint: to remove what does not belong there: {command}");
    }
}
