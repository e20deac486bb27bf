//! `report`: one self-contained page per experiment and an index over all; every figure as SVG and PNG, every plotted
//! number as CSV.

mod export;
mod figures;
mod page;
mod plot;
mod read;
mod text;

use std::path::Path;
use std::process::ExitCode;

use pipeline::Result;
use pipeline::log::count;
use pipeline::shell::{Stage, StageContext};
use records::Report;

use crate::export::curve::Curve;
use crate::export::{markdown, summary, vtk};
use crate::page::overview;
use crate::read::experiment::Experiment;
use crate::read::family::Family;

struct ReportStage;

impl Stage for ReportStage {
    type Params = Report;
    const ABOUT: &'static str = "Draws the figures and writes the page that answers the question";
    const CODE: &'static str = env!("CODE");

    fn after_cache(artifacts: &Path) -> Result<()> {
        overview::rewrite(artifacts)
    }

    fn run(params: &Report, ctx: &mut StageContext) -> Result<String> {
        if ctx.members.is_empty() { experiment(params, ctx) } else { family(params, ctx) }
    }
}

fn main() -> ExitCode {
    // `report --index artifacts`, which `make clean-<experiment>` calls: the pages over all experiments alone.
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    match arguments.as_slice() {
        [flag, artifacts] if flag == "--index" => {
            pipeline::log::start_log(tracing::Level::INFO);
            match overview::rewrite(Path::new(artifacts)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => pipeline::log::report("report", &error),
            }
        }
        _ => pipeline::shell::main::<ReportStage>(),
    }
}

fn experiment(params: &Report, ctx: &mut StageContext) -> Result<String> {
    let experiment = Experiment::read(ctx)?;
    let asked = |name: &str| params.answer.as_deref().is_none_or(|answer| answer == name);
    let answer = experiment.settings.iter().find(|s| asked(&s.found.name));
    let answer = answer.expect("report.answer is checked with the whole experiment");
    let own = experiment.own_row(&answer.found.name, params.tolerance);
    let own = own.expect("report.tolerance is checked with the whole experiment");
    let figures = figures::experiment::draw(&experiment, answer, params.compare_with_paper)?;
    figures::figure::write(params, ctx, &figures)?;
    let summary = summary::of(params, &experiment, answer, own, &figures);
    let html = page::experiment::html(params, &summary, &experiment, answer, own, &figures)?;
    let curve = Curve::of(&experiment, answer, &experiment.name);
    let out = &mut ctx.outputs;
    for setting in &experiment.settings {
        let csv = figures::delta::full_curve(&experiment, setting);
        out.write_bytes(
            &format!("curves/{}.csv", setting.found.name),
            csv.as_bytes(),
            "Delta_k at every prefix size",
        )?;
    }
    out.write_bytes("index.html", html.as_bytes(), "the report")?;
    out.document(&summary)?;
    out.write_bytes("summary.md", markdown::summary(&summary).as_bytes(), "the answer in Markdown")?;
    out.document(&curve)?;
    for grid in &experiment.grids {
        let file = format!("surfaces/{}.vts", grid.name);
        out.write_bytes(&file, vtk::structured_grid(grid).as_bytes(), "landscape for ParaView")?;
    }
    write_answer(ctx, &summary.headline, &summary.warnings)?;
    if !params.alone {
        overview::write(&ctx.artifacts, summary, Some(curve))?;
    }
    Ok(format!("{}, index.html of {:.1} MB", count(figures.len(), "figure"), html.len() as f64 / 1e6))
}

/// Writes the answer in one line, with which `make <experiment>` ends; where there are warnings, with the first of them.
fn write_answer(ctx: &mut StageContext, answer: &str, warnings: &[String]) -> Result<()> {
    let answer = match warnings {
        [] => answer.to_owned(),
        [first] => format!("{answer} Warning: {first}."),
        [first, rest @ ..] => {
            format!("{answer} Warning: {first}. The page has {} more.", count(rest.len(), "warning"))
        }
    };
    Ok(ctx.outputs.write_bytes("answer.txt", format!("{answer}\n").as_bytes(), "the answer in one line")?)
}

fn family(params: &Report, ctx: &mut StageContext) -> Result<String> {
    let family = Family::read(&ctx.inputs)?;
    let figures = figures::family::draw(&family, params.compare_with_paper);
    figures::figure::write(params, ctx, &figures)?;
    let answer = page::family::answer(&family);
    let summary = summary::of_family(params, &ctx.experiment, answer, &family, &figures);
    let html = page::family::html(params, &summary, &family, &figures)?;
    ctx.outputs.write_bytes("index.html", html.as_bytes(), "the report")?;
    ctx.outputs.document(&summary)?;
    // The answer says faults of a curve itself.
    let said =
        family.forecasts.iter().flat_map(|f| f.faults().map(|(what, fault)| f.label(&fault.warning(what))));
    let said = said.collect::<Vec<_>>();
    let warnings = summary.warnings.iter().filter(|w| !said.contains(w)).cloned().collect::<Vec<_>>();
    write_answer(ctx, &format!("{} {}", summary.headline, summary.answer.join(" ")), &warnings)?;
    if !params.alone {
        overview::write(&ctx.artifacts, summary, None)?;
    }
    Ok(format!("{}, {}", count(family.members.len(), "member"), count(figures.len(), "figure")))
}
