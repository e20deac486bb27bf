//! `montecarlo`: Δ_k of every prefix for each setting of (basis, d, σ), and landscapes over two directions.

mod cost;
mod given;
mod grid;
mod posterior;
mod rounds;
mod setting;
mod sweep;

use std::process::ExitCode;

use landscape::change::prefix::prefix_sizes;
use landscape::passes::draws::Draws;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2, s};
use pipeline::log::count;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext, TeamContext};
use pipeline::{Failure, Result};
use records::montecarlo::{Facts, GridFact, SweepFact};
use records::{BasisName, Grid, Precision, Sweep, eigen};
use store::npy::Element;

use crate::setting::{own_draws, uncontrolled};

struct MonteCarloStage;

impl Stage for MonteCarloStage {
    type Params = records::MonteCarlo;
    const ABOUT: &'static str =
        "Measures how much the loss surface still changes: Delta_k for every prefix, and landscapes";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &records::MonteCarlo, ctx: &PlanContext) -> Result<Cost> {
        if params.is_given() {
            return Ok(Cost::default());
        }
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &records::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
        if params.is_given() {
            return given::run(params, ctx);
        }
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }

    fn assist(params: &records::MonteCarlo, ctx: &TeamContext) -> Result<()> {
        if params.is_given() {
            return ctx.wait();
        }
        let samples = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
        landscape::serve::serve(&experiment::network(&ctx.inputs)?, &samples);
        Ok(())
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<MonteCarloStage>()
}

/// What every setting and grid shares.
struct Trained<R> {
    network: Network,
    w: Array1<R>,
    samples: Samples,
    step: usize,
    weights_bytes: usize,
}

impl<R: Real> Trained<R> {
    fn draws<'a>(&'a self, basis: &'a Array2<R>, samples: &'a Samples) -> Draws<'a, R> {
        Draws {
            network: &self.network,
            w: self.w.view(),
            basis: basis.view(),
            samples,
            weights_bytes: self.weights_bytes,
        }
    }
}

fn run<R: Real + Element>(params: &records::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
    let samples = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
    let network = experiment::network(&ctx.inputs)?;
    let w = experiment::w_star::<R>(&ctx.inputs, &network)?;
    let sizes = prefix_sizes(samples.len(), params.step);
    if sizes.is_empty() {
        let message =
            format!("montecarlo.step: {} samples, but there are {} in all", params.step, samples.len());
        return Err(Failure::config(message, "at least two steps are needed; lower montecarlo.step").into());
    }
    let n_samples = samples.len();
    check_directions(params, ctx)?;
    if let Some(sweep) = &params.sweep {
        sweep::check(sweep, n_samples, sweep_dim(sweep, ctx)?, params.step)?;
    }
    let own = params.settings.iter().map(|s| own_draws(ctx, s)).collect::<Result<Vec<_>>>()?;
    for left_out in params.grids.iter().filter_map(|g| g.left_out(n_samples, params.step)) {
        ctx.warn(left_out);
    }
    let trained = Trained { network, w, samples, step: params.step, weights_bytes: params.weights_mib << 20 };

    let meaning = "prefix sizes k: Delta_k compares k with k + s";
    ctx.outputs.write_sizes("prefix_sizes.npy", &sizes, "samples", meaning)?;
    let brought = own.iter().map(Option::is_some);
    if params.control_variate
        && let Some(why) = uncontrolled(&params.settings, brought)
    {
        ctx.warn(why);
    }
    let (mut settings, mut grids) = (vec![], vec![]);
    for (setting, own) in params.settings.iter().zip(own) {
        settings.push(setting::run(params, ctx, &trained, setting, own)?);
    }
    for grid in &params.grids {
        grid::run(ctx, &trained, grid)?;
        let Grid { name, basis, points, extent, .. } = grid.clone();
        grids.push(GridFact { name, basis, points, extent });
    }
    let sweep = params.sweep.as_ref().map(|sweep| run_sweep(params, ctx, &trained, sweep)).transpose()?;
    let line = format!(
        "{} and {} over {} of {n_samples} samples",
        count(settings.len(), "setting"),
        count(grids.len(), "landscape"),
        count(sizes.len(), "prefix size")
    );
    ctx.outputs.facts(&Facts {
        sweep,
        step: params.step,
        pilot_sizes: pilot_sizes(params, n_samples),
        n_samples,
        settings,
        grids,
    })?;
    Ok(line)
}

/// The sweep over σ; returns what the manifest says of it.
fn run_sweep<R: Real>(
    params: &records::MonteCarlo,
    ctx: &mut StageContext,
    trained: &Trained<R>,
    sweep: &Sweep,
) -> Result<SweepFact> {
    let dim = sweep_dim(sweep, ctx)?;
    let basis = directions(ctx, &trained.network, BasisName::Hessian, dim)?;
    let samples = trained.samples.first(sweep.n_samples);
    sweep::run(ctx, sweep, &trained.draws(&basis, &samples), params.step, params.seed)
}

/// Directions of the sweep: so many, or all.
fn sweep_dim(sweep: &Sweep, ctx: &StageContext) -> Result<usize> {
    sweep.dim.map_or_else(|| Ok(ctx.inputs.facts::<eigen::Facts>()?.dim), Ok)
}

/// An error at the first setting, grid or sweep that needs more directions than `eigen` wrote.
fn check_directions(params: &records::MonteCarlo, ctx: &StageContext) -> Result<()> {
    let bases = ctx.inputs.facts::<eigen::Facts>()?.bases;
    let settings =
        params.settings.iter().enumerate().map(|(i, s)| (format!("settings[{i}]"), s.basis, s.dim));
    let grids = params.grids.iter().enumerate().map(|(i, g)| (format!("grids[{i}]"), g.basis, 2));
    let sweep = params.sweep.iter().filter_map(|s| Some(("sweep".to_owned(), BasisName::Hessian, s.dim?)));
    for (key, basis, dim) in settings.chain(grids).chain(sweep) {
        let has = match basis {
            BasisName::Hessian => bases.hessian,
            BasisName::Random => bases.random,
            BasisName::Filter => bases.filter,
            BasisName::Given => dim, // of given losses, which have no basis here
        };
        if dim > has {
            let message = format!("montecarlo.{key}: {dim} directions, but {} has {has}", basis.file());
            let hint = "lower it, or raise eigen.dim (Hessian) or eigen.random_dim (random, filter), or bring more rows in eigen.basis";
            return Err(Failure::config(message, hint).into());
        }
    }
    Ok(())
}

/// The first `dim` directions of a basis, which has as many.
fn directions<R: Real>(
    ctx: &StageContext,
    network: &Network,
    name: BasisName,
    dim: usize,
) -> Result<Array2<R>> {
    let basis = experiment::basis::<R>(&ctx.inputs, name.file(), network)?;
    Ok(basis.slice(s![..dim, ..]).to_owned())
}

/// Those below N.
fn pilot_sizes(params: &records::MonteCarlo, n_samples: usize) -> Vec<usize> {
    params.pilot_sizes.iter().copied().filter(|&n| n < n_samples).collect()
}
