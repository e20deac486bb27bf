//! `report`: one self-contained page per experiment and an index over all; every figure as SVG and PNG, every plotted
//! number as CSV.

mod beyond;
mod chart;
mod compare;
mod confidence;
mod family;
mod figures;
mod gather;
mod live;
mod markdown;
mod page;
mod sentences;
mod summary;
mod surface;
mod vtk;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use pipeline::Failure;
use pipeline::shell::{Stage, StageContext};
use records::Report;

use crate::gather::Experiment;
use crate::live::Curve;

struct ReportStage;

impl Stage for ReportStage {
    type Params = Report;
    const ABOUT: &'static str = "Draws the figures and writes the page that answers the question";
    const CODE: &'static str = env!("CODE");

    fn run(params: &Report, ctx: &mut StageContext) -> Result<String> {
        if ctx.members.is_empty() { run(params, ctx) } else { family::run(params, ctx) }
    }
}

fn main() -> ExitCode {
    // `report --index artifacts`, which `make clean-<experiment>` calls: the pages over all experiments alone.
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    match arguments.as_slice() {
        [flag, artifacts] if flag == "--index" => {
            pipeline::log::start_log(tracing::Level::INFO);
            match compare::rewrite(Path::new(artifacts)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => pipeline::log::report("report", &error),
            }
        }
        _ => pipeline::shell::main::<ReportStage>(),
    }
}

fn run(params: &Report, ctx: &mut StageContext) -> Result<String> {
    let experiment = Experiment::read(ctx)?;
    let names = experiment.settings.iter().map(|s| s.name.as_str()).collect::<Vec<_>>();
    let Some(answer) = experiment.settings.iter().find(|s| s.name == params.answer) else {
        return Err(Failure::config(
            format!("report.answer: montecarlo has no setting {:?}", params.answer),
            format!("it has: {}", names.join(", ")),
        )
        .into());
    };
    let figures = figures::draw(&experiment, answer, params.compare_with_paper)?;
    write_figures(params, ctx, &figures)?;
    for setting in &experiment.settings {
        let csv = figures::full_curve(&experiment, setting);
        ctx.outputs.write_bytes(
            &format!("curves/{}.csv", setting.name),
            csv.as_bytes(),
            "Delta_k at every prefix size",
        )?;
    }
    let html = page::experiment(params, &experiment, answer, &figures);
    ctx.outputs.write_bytes("index.html", html.as_bytes(), "the report")?;
    let summary = summary::of(params, &experiment, answer);
    ctx.outputs.write_json("summary.json", &summary, "the report in numbers")?;
    ctx.outputs.write_bytes(
        "summary.md",
        markdown::summary(&summary).as_bytes(),
        "the answer in Markdown",
    )?;
    let curve = Curve::of(&experiment, answer, &experiment.name);
    ctx.outputs.write_json("curve.json", &curve, "the answer's Delta_k, for the comparison")?;
    for grid in &experiment.grids {
        let file = format!("surfaces/{}.vts", grid.name);
        ctx.outputs.write_bytes(&file, vtk::structured_grid(grid).as_bytes(), "landscape for ParaView")?;
    }
    compare::write(&ctx.artifacts, summary, Some(curve))?;
    Ok(format!("{} figures, index.html of {:.1} MB", figures.len(), html.len() as f64 / 1e6))
}

/// Every figure as SVG, PNG and CSV.
fn write_figures(params: &Report, ctx: &mut StageContext, figures: &[figures::Figure]) -> Result<()> {
    let progress = ctx.progress(figures.len(), "report: figures");
    for figure in figures {
        let name = &figure.name;
        let out = &mut ctx.outputs;
        out.write_bytes(&format!("figures/{name}.svg"), figure.svg.as_bytes(), &figure.alt)?;
        let png = chart::png(&figure.svg, params.png_scale)?;
        out.write_bytes(&format!("figures/{name}.png"), &png, &figure.alt)?;
        out.write_bytes(&format!("figures/{name}.csv"), figure.csv.as_bytes(), "every plotted number")?;
        progress.add(1);
    }
    Ok(())
}
