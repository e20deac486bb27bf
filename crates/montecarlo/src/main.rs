//! `montecarlo`: Δ_k of every prefix for each setting of (basis, d, σ), and landscapes over two directions.

mod cost;
mod sweep;
mod take;

use std::process::ExitCode;

use anyhow::Result;
use landscape::change::delta::{MonteCarlo, MonteCarloRun};
use landscape::change::prefix::prefix_sizes;
use landscape::change::surface::{Landscape, landscape};
use landscape::passes::draws::Draws;
use landscape::{Mlp, Real, Samples};
use ndarray::{Array1, Array2, Array3, Ix2, s};
use pipeline::Failure;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext};
use records::montecarlo::{Facts, GridFact, SettingFact, SweepFact};
use records::{Grid, Precision, Setting, Sweep, eigen};
use store::npy;
use store::npy::Element;

use crate::take::{Plan, Taken, drawn, from_file, second_order};

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
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &records::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<MonteCarloStage>()
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
        self.draws_over(basis, &self.samples)
    }

    fn draws_over<'a>(&'a self, basis: &'a Array2<R>, samples: &'a Samples) -> Draws<'a, R> {
        Draws {
            mlp: &self.mlp,
            w: self.w.view(),
            basis: basis.view(),
            samples,
            weights_bytes: self.weights_bytes,
        }
    }
}

fn run<R: Real + Element>(params: &records::MonteCarlo, ctx: &mut StageContext) -> Result<String> {
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
        settings.push(run_setting(params, ctx, &subject, i, setting)?);
    }
    for (i, grid) in params.grids.iter().enumerate() {
        run_grid(ctx, &subject, i, grid)?;
        let Grid { name, basis, points, extent, .. } = grid.clone();
        grids.push(GridFact { name, basis, points, extent });
    }
    let sweep = params.sweep.as_ref().map(|sweep| run_sweep(params, ctx, &subject, sweep)).transpose()?;
    let line = format!(
        "{} settings and {} landscapes over {} prefixes of {n_samples} samples",
        settings.len(),
        grids.len(),
        sizes.len()
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
    subject: &Subject<R>,
    sweep: &Sweep,
) -> Result<SweepFact> {
    let dim = sweep.dim.map_or_else(|| Ok(ctx.inputs.facts::<eigen::Facts>()?.dim), anyhow::Ok)?;
    let basis = directions(ctx, &subject.mlp, records::BasisName::Hessian, dim, "sweep")?;
    let samples = subject.samples.first(sweep.n_samples);
    sweep::run(ctx, sweep, &subject.draws_over(&basis, &samples), params.step, params.seed)
}

/// The first `dim` directions of a basis, or an error at `key` if it has fewer.
fn directions<R: Real>(
    ctx: &StageContext,
    mlp: &Mlp,
    name: records::BasisName,
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

/// Those below N.
fn pilot_sizes(params: &records::MonteCarlo, n_samples: usize) -> Vec<usize> {
    params.pilot_sizes.iter().copied().filter(|&n| n < n_samples).collect()
}

/// One Δ_k curve; returns what the manifest says of it.
fn run_setting<R: Real>(
    params: &records::MonteCarlo,
    ctx: &mut StageContext,
    subject: &Subject<R>,
    i: usize,
    setting: &Setting,
) -> Result<SettingFact> {
    let basis = directions(ctx, &subject.mlp, setting.basis, setting.dim, &format!("settings[{i}]"))?;
    let n_samples = subject.samples.len();
    let own = setting.theta.as_ref().map(|path| own_draws(&ctx.resolve(path), setting.dim)).transpose()?;
    let controlled = params.control_variate && setting.basis == records::BasisName::Hessian && own.is_none();
    // Draws of a file count as independent.
    let sampling = if own.is_some() { records::Sampling::Plain } else { params.sampling };
    let plan = Plan {
        sampling,
        sigma: setting.sigma,
        draws: own.as_ref().map_or(params.draws, Array2::nrows),
        relative_error: params.relative_error.filter(|_| own.is_none()),
        control: controlled.then(|| second_order(ctx, n_samples, setting.dim)).transpose()?,
    };
    let mut run = MonteCarloRun::new(n_samples, subject.step, plan.sampling, &pilot_sizes(params, n_samples));
    let progress = ctx.progress(plan.draws * n_samples, &format!("montecarlo: {}: losses", setting.name));
    let draws = subject.draws(&basis);
    let taken = if let Some(theta) = &own {
        plan.take(&draws, &mut run, &from_file(theta.view()), &mut |n| progress.add(n))
    } else {
        let next = drawn(plan.sampling, params.seed, setting.sigma, setting.dim);
        plan.take(&draws, &mut run, &next, &mut |n| progress.add(n))
    }?;
    drop(progress);
    let found = run.finish();
    refuse_infinite(&found, setting)?;
    if let Some(wanted) = plan.relative_error.filter(|&wanted| taken.relative_error > wanted) {
        tracing::warn!(
            "montecarlo: {}: V has a standard error of {:.2} % after {} draws, {:.2} % was asked for; raise montecarlo.draws",
            setting.name,
            100.0 * taken.relative_error,
            plan.draws,
            100.0 * wanted
        );
    }
    write_setting(ctx, &setting.name, &found, &taken)?;
    Ok(SettingFact {
        name: setting.name.clone(),
        basis: setting.basis,
        dim: setting.dim,
        sigma: setting.sigma,
        draws: taken.theta.nrows(),
        sampling,
        relative_error: taken.relative_error,
        control_mean: taken.control.map(|(_, mean)| mean),
    })
}

fn write_setting(ctx: &mut StageContext, name: &str, found: &MonteCarlo, taken: &Taken) -> Result<()> {
    let out = &mut ctx.outputs;
    let mut write = |file: &str, array: &Array1<f64>, unit: &str, meaning: &str| {
        out.write(&format!("{name}/{file}.npy"), array, unit, meaning)
    };
    write("delta", &found.delta, "nats^2", "Delta_k, (n,)")?;
    write("standard_error", &found.standard_error, "nats^2", "of Delta_k over the draws, (n,)")?;
    write("loss_variance", &found.loss_variance, "nats^2", "S^2(theta_t), (T,)")?;
    write("mean_loss", &found.mean_loss, "nats", "L_N(theta_t), (T,)")?;
    let meaning = "mean over the draws of (i-1)/i (l_i - L_{i-1})^2 for samples 2 to N, (N - 1,)";
    write("deviation", &found.deviation, "nats^2", meaning)?;
    write("deviation_error", &found.deviation_error, "nats^2", "of it over the draws, (N - 1,)")?;
    write("sample_loss", &found.sample_loss, "nats", "mean of l_i over the draws, (N,)")?;
    if let Some((control, _)) = &taken.control {
        write("control", control, "nats^2", "S^2 of the second-order model at theta_t, (T,)")?;
    }
    out.write(&format!("{name}/theta.npy"), &taken.theta, "parameter units", "draws, (T, d)")?;
    let meaning = "S^2 of the first n samples for each pilot size n, (m, T)";
    Ok(out.write(&format!("{name}/pilot_variance.npy"), &found.pilot_variance, "nats^2", meaning)?)
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
    Ok(out.write(
        &format!("{folder}/change.npy"),
        &surface(change)?,
        "nats^2",
        "(L_{k+s} - L_k)^2, (m, G, G)",
    )?)
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
    sizes.extend(geometric_sizes(subject.step, largest, grid.prefix_count));
    sizes.push(largest);
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

/// `count` multiples of `step` in geometric steps from `step` to `largest`; fewer where they meet.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between step and largest
fn geometric_sizes(step: usize, largest: usize, count: usize) -> Vec<usize> {
    let steps = (largest / step) as f64;
    let place = |i: usize| steps.powf(i as f64 / (count.max(2) - 1) as f64).round() as usize * step;
    let mut sizes = (0..count).map(place).collect::<Vec<_>>();
    sizes.dedup();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_slider_run_from_the_step_to_the_largest() {
        assert_eq!(geometric_sizes(1, 1000, 4), [1, 10, 100, 1000]);
        assert_eq!(geometric_sizes(64, 6400, 3), [64, 640, 6400]);
        assert_eq!(geometric_sizes(1, 3, 9), [1, 2, 3]);
        assert!(geometric_sizes(1, 1000, 0).is_empty());
    }
}
