//! `montecarlo`: Δ_k of every prefix for each setting of (basis, d, σ), and landscapes over two directions.

use std::process::ExitCode;

use anyhow::Result;
use landscape::delta::{Landscape, MonteCarlo, landscape, monte_carlo};
use landscape::draws::Draws;
use landscape::prefix::prefix_sizes;
use landscape::subspace::gaussian_rows;
use landscape::{Mlp, Real, Samples};
use ndarray::{Array1, Array2, Array3, Ix2, s};
use pipeline::Failure;
use pipeline::npy::{self, Element};
use pipeline::params::{self, Grid, Precision, Setting};
use pipeline::stage::{Stage, StageContext};
use serde_json::json;

struct MonteCarloStage;

impl Stage for MonteCarloStage {
    type Params = params::MonteCarlo;
    const ABOUT: &'static str =
        "Measures how much the loss surface still changes: Delta_k for every prefix, and landscapes";
    const READS: &'static [&'static str] = &["fetch-data", "train", "eigen"];

    fn numeric_library() -> Option<String> {
        Some(landscape::blas::use_one_thread())
    }

    fn run(params: &params::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }
}

fn main() -> ExitCode {
    pipeline::stage::main::<MonteCarloStage>()
}

/// What every setting and grid shares.
struct Subject<R> {
    mlp: Mlp,
    w: Array1<R>,
    samples: Samples,
    step: usize,
    weights_bytes: usize,
}

impl<R: Real> Subject<R> {
    fn draws<'a>(&'a self, basis: &'a Array2<R>) -> Draws<'a, R> {
        Draws {
            mlp: &self.mlp,
            w: self.w.view(),
            basis: basis.view(),
            samples: &self.samples,
            weights_bytes: self.weights_bytes,
        }
    }
}

fn run<R: Real + Element>(params: &params::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
    let samples = experiment::train_samples(&ctx.inputs)?;
    let mlp = experiment::network(&ctx.inputs)?;
    let w = experiment::w_star::<R>(&ctx.inputs, &mlp)?;
    let sizes = prefix_sizes(samples.len(), params.step);
    if sizes.is_empty() {
        let message =
            format!("montecarlo.step: {} samples, but there are {} in all", params.step, samples.len());
        return Err(Failure::config(message, "at least two steps are needed; lower montecarlo.step").into());
    }
    let n_samples = samples.len();
    let subject = Subject { mlp, w, samples, step: params.step, weights_bytes: params.weights_mib << 20 };

    ctx.outputs.write_sizes(
        "prefix_sizes.npy",
        &sizes,
        "samples",
        "prefix sizes k: Delta_k compares k with k + s",
    )?;
    let (mut settings, mut grids) = (vec![], vec![]);
    for (i, setting) in params.settings.iter().enumerate() {
        let draws = run_setting(params, ctx, &subject, i, setting)?;
        let Setting { name, basis, dim, sigma, .. } = setting;
        settings.push(json!({"name": name, "basis": basis, "dim": dim, "sigma": sigma, "draws": draws}));
    }
    for (i, grid) in params.grids.iter().enumerate() {
        run_grid(ctx, &subject, i, grid)?;
        let Grid { name, basis, points, extent, .. } = grid;
        grids.push(json!({"name": name, "basis": basis, "points": points, "extent": extent}));
    }
    ctx.outputs.fact("step", params.step)?;
    ctx.outputs.fact("n_samples", n_samples)?;
    ctx.outputs.fact("settings", &settings)?;
    ctx.outputs.fact("grids", &grids)?;
    Ok(format!(
        "{} settings and {} landscapes over {} prefixes of {n_samples} samples",
        settings.len(),
        grids.len(),
        sizes.len()
    ))
}

/// The first `dim` directions of a basis, or an error at `key` if it has fewer.
fn directions<R: Real>(
    ctx: &StageContext,
    mlp: &Mlp,
    name: params::BasisName,
    dim: usize,
    key: &str,
) -> Result<Array2<R>> {
    let file = name.file();
    if !ctx.inputs.has("eigen", file) {
        let message = format!("montecarlo.{key}.basis: eigen has not written {file}");
        return Err(Failure::config(message, format!("set eigen.random_dim to {dim} or more")).into());
    }
    let basis = experiment::basis::<R>(&ctx.inputs, file, mlp)?;
    if basis.nrows() < dim {
        return Err(Failure::config(
            format!("montecarlo.{key}: {dim} directions, but {file} has {}", basis.nrows()),
            "lower it, or raise eigen.dim (Hessian) or eigen.random_dim (random, filter)",
        )
        .into());
    }
    Ok(basis.slice(s![..dim, ..]).to_owned())
}

/// One Δ_k curve; returns the number of draws.
fn run_setting<R: Real>(
    params: &params::MonteCarlo,
    ctx: &mut StageContext,
    subject: &Subject<R>,
    i: usize,
    setting: &Setting,
) -> Result<usize> {
    let basis = directions(ctx, &subject.mlp, setting.basis, setting.dim, &format!("settings[{i}]"))?;
    let theta = match &setting.theta {
        Some(path) => own_draws(&ctx.resolve(path), setting.dim)?,
        None => gaussian_rows(params.seed, params.draws, setting.dim) * setting.sigma,
    };
    let n = theta.nrows();
    let progress = ctx.progress(n * subject.samples.len(), &format!("montecarlo: {}: losses", setting.name));
    let found = monte_carlo(&subject.draws(&basis), theta.view(), subject.step, &mut |n| progress.add(n));
    drop(progress);
    refuse_infinite(&found, setting)?;
    let name = &setting.name;
    let out = &mut ctx.outputs;
    out.write(&format!("{name}/theta.npy"), &theta, "parameter units", "draws, (T, d)")?;
    out.write(&format!("{name}/delta.npy"), &found.delta, "nats^2", "Delta_k, (n,)")?;
    out.write(
        &format!("{name}/standard_error.npy"),
        &found.standard_error,
        "nats^2",
        "of Delta_k over the draws, (n,)",
    )?;
    out.write(&format!("{name}/loss_variance.npy"), &found.loss_variance, "nats^2", "S^2(theta_t), (T,)")?;
    out.write(&format!("{name}/mean_loss.npy"), &found.mean_loss, "nats", "L_N(theta_t), (T,)")?;
    Ok(n)
}

/// Draws of another program.
fn own_draws(path: &std::path::Path, dim: usize) -> Result<Array2<f64>> {
    let name = path.display().to_string();
    let theta = experiment::to_real::<f64, Ix2>(npy::read_any(path)?, &name)?;
    if theta.ncols() != dim || theta.nrows() < 2 || !theta.iter().all(|v| v.is_finite()) {
        return Err(Failure::input(
            format!(
                "{name}: shape {:?}; (T, {dim}) with at least two rows of finite numbers is needed",
                theta.shape()
            ),
            "a row is one draw of theta, with sigma already in it",
        )
        .into());
    }
    Ok(theta)
}

fn refuse_infinite(found: &MonteCarlo, setting: &Setting) -> Result<()> {
    // S² is a sum of other squares: it can overflow where every Δ_k is still finite.
    let mut all =
        found.delta.iter().chain(&found.standard_error).chain(&found.loss_variance).chain(&found.mean_loss);
    if all.all(|d| d.is_finite()) {
        return Ok(());
    }
    Err(Failure::not_converged(
        format!("{}: losses or their variance are not finite at sigma {}", setting.name, setting.sigma),
        "lower sigma, or set montecarlo.precision: f64",
    )
    .into())
}

/// One landscape.
fn run_grid<R: Real>(ctx: &mut StageContext, subject: &Subject<R>, i: usize, grid: &Grid) -> Result<()> {
    let basis = directions(ctx, &subject.mlp, grid.basis, 2, &format!("grids[{i}]"))?;
    let sizes = grid_sizes(subject, i, grid)?;
    let g = grid.points;
    let axis = Array1::linspace(-grid.extent, grid.extent, g);
    let theta = Array2::from_shape_fn((g * g, 2), |(t, j)| axis[if j == 0 { t / g } else { t % g }]);
    let progress = ctx
        .progress(theta.nrows() * subject.samples.len(), &format!("montecarlo: grid {}: losses", grid.name));
    let found =
        landscape(&subject.draws(&basis), theta.view(), subject.step, &sizes, &mut |n| progress.add(n));
    drop(progress);
    let Landscape { loss, change } = found;
    let surface =
        |flat: Array2<f64>| -> Result<Array3<f64>> { Ok(flat.into_shape_with_order((sizes.len(), g, g))?) };
    let folder = format!("grid_{}", grid.name);

    let out = &mut ctx.outputs;
    out.write(&format!("{folder}/axis.npy"), &axis, "parameter units", "coordinates along both axes, (G,)")?;
    out.write_sizes(
        &format!("{folder}/prefix_sizes.npy"),
        &sizes,
        "samples",
        "prefix sizes of the surfaces, (m,)",
    )?;
    out.write(&format!("{folder}/loss.npy"), &surface(loss)?, "nats", "L_k, (m, G, G)")?;
    out.write(&format!("{folder}/change.npy"), &surface(change)?, "nats^2", "(L_{k+s} - L_k)^2, (m, G, G)")
}

/// The prefix sizes of a grid, ascending, with the largest that has an increment.
fn grid_sizes<R>(subject: &Subject<R>, i: usize, grid: &Grid) -> Result<Vec<usize>> {
    let all = prefix_sizes(subject.samples.len(), subject.step);
    let largest = all[all.len() - 1];
    let mut sizes = grid.prefix_sizes.clone();
    if let Some(k) = sizes.iter().find(|&&k| k > largest) {
        return Err(Failure::config(
            format!(
                "montecarlo.grids[{i}].prefix_sizes: {k}, but k + step may be at most {}",
                subject.samples.len()
            ),
            format!("the largest k is {largest}, and is always kept"),
        )
        .into());
    }
    sizes.push(largest);
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}
