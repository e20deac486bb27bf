//! `montecarlo`: Δ_k of every prefix for each setting of (basis, d, σ), and landscapes over two directions.

mod cost;
mod given;
mod rounds;
mod sweep;

use std::ops::Range;
use std::process::ExitCode;

use landscape::change::delta::{MonteCarlo, MonteCarloRun};
use landscape::change::prefix::prefix_sizes;
use landscape::change::surface::{Landscape, landscape};
use landscape::numeric::vectors::largest_magnitude;
use landscape::passes::draws::Draws;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::operator::{PrefixHessian, SymmetricOperator};
use landscape::spectrum::ritz::rounding;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Ix1, Ix2, concatenate, s};
use pipeline::log::{count, percent};
use pipeline::progress::Progress;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext, TeamContext};
use pipeline::{Failure, Result};
use records::montecarlo::{Facts, GridFact, SettingFact, Sigma, Source, SweepFact};
use records::{BasisName, Grid, Precision, Setting, Sweep, eigen};
use store::arrays;
use store::checkpoint::Checkpoint;
use store::npy::Element;

use crate::rounds::{Plan, Stops, Taken, draws_of_a_turn, second_order};

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
        settings.push(run_setting(params, ctx, &trained, setting, own)?);
    }
    for grid in &params.grids {
        run_grid(ctx, &trained, grid)?;
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

/// Whether the second-order model can be the control variate of a setting: where the directions are those of its slopes and
/// curvatures, and the draws those of its σ.
fn has_control(setting: &Setting, brings_draws: bool) -> bool {
    setting.basis == BasisName::Hessian && !brings_draws
}

/// Names the settings for which `control_variate` does nothing; `brought`: whether each brings its draws.
fn uncontrolled(settings: &[Setting], brought: impl Iterator<Item = bool>) -> Option<String> {
    let without = settings.iter().zip(brought).filter(|&(s, brought)| !has_control(s, brought));
    let names = without.map(|(s, _)| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let why = "is estimated without it, as it needs basis: hessian and draws of this stage";
    (!names.is_empty()).then(|| format!("montecarlo.control_variate: V of {names} {why}"))
}

/// One Δ_k curve; returns what the manifest says of it.
fn run_setting<R: Real>(
    params: &records::MonteCarlo,
    ctx: &mut StageContext,
    trained: &Trained<R>,
    setting: &Setting,
    own: Option<Array2<f64>>,
) -> Result<SettingFact> {
    let basis = directions(ctx, &trained.network, setting.basis, setting.dim)?;
    let n_samples = trained.samples.len();
    let controlled = params.control_variate && has_control(setting, own.is_some());
    // Draws of a file count as independent.
    let sampling = if own.is_some() { records::Sampling::Plain } else { params.sampling };
    let deviations = deviations(ctx, trained, setting, &basis)?;
    let control = controlled.then(|| second_order(ctx, n_samples, setting.dim, &deviations)).transpose()?;
    let plan = Plan {
        sampling,
        sigma: setting.sigma.value(),
        deviations,
        draws: own.as_ref().map_or(params.draws, Array2::nrows),
        relative_error: params.relative_error.filter(|_| own.is_none()),
        control,
    };
    let progress = ctx.progress(plan.draws * n_samples, &format!("montecarlo: {}: losses", setting.name));
    let draws = trained.draws(&basis, &trained.samples);
    let mut run = MonteCarloRun::over(&draws, trained.step, plan.sampling, &pilot_sizes(params, n_samples));
    let stops = Stops { ctx, of: format!("setting-{}", setting.name) };
    let next = |range: Range<usize>| match &own {
        Some(theta) => theta.slice(s![range, ..]).to_owned(),
        None => plan.drawn(params.seed, setting.dim, range),
    };
    let taken = plan.take(&draws, &mut run, &next, &stops, &mut |n| progress.add(n))?;
    drop(progress);
    let found = run.finish();
    refuse_infinite(&found, setting)?;
    if let Some(wanted) = plan.relative_error.filter(|&wanted| taken.relative_error > wanted) {
        ctx.warn(format!(
            "montecarlo: {}: V has a standard error of {:.2} % after {} draws, {} was asked for; raise montecarlo.draws",
            setting.name,
            100.0 * taken.relative_error,
            plan.draws,
            percent(wanted)
        ));
    }
    write_setting(ctx, &setting.name, &found, &taken)?;
    Ok(SettingFact {
        name: setting.name.clone(),
        basis: setting.basis,
        dim: setting.dim,
        sigma: plan.sigma,
        deviations: plan.deviations,
        draws: found.loss_variance.len(),
        sampling,
        relative_error: taken.relative_error,
        control_mean: taken.control.map(|(_, mean)| mean),
        losses: None,
        has_derivatives: false,
        eigenvalues: vec![],
    })
}

fn write_setting(ctx: &mut StageContext, name: &str, found: &MonteCarlo, taken: &Taken) -> Result<()> {
    let out = &mut ctx.outputs;
    let mut write = |file: &str, array: &Array1<f64>, unit: &str, meaning: &str| {
        out.write(&format!("{name}/{file}.npy"), array, unit, meaning)
    };
    write("delta", &found.delta, "loss^2", "Delta_k, (n,)")?;
    write("standard_error", &found.standard_error, "loss^2", "of Delta_k over the draws, (n,)")?;
    write("loss_variance", &found.loss_variance, "loss^2", "S^2(theta_t), (T,)")?;
    write("mean_loss", &found.mean_loss, "loss", "L_N(theta_t), (T,)")?;
    let meaning = "mean over the draws of (i-1)/i (l_i - L_{i-1})^2 for samples 2 to N, (N - 1,)";
    write("deviation", &found.deviation, "loss^2", meaning)?;
    write("deviation_error", &found.deviation_error, "loss^2", "of it over the draws, (N - 1,)")?;
    write("sample_loss", &found.sample_loss, "loss", "mean of l_i over the draws, (N,)")?;
    write("sample_variance", &found.sample_variance, "loss^2", "variance of l_i over the draws, (N,)")?;
    if let Some((control, _)) = &taken.control {
        write("control", control, "loss^2", "S^2 of the second-order model at theta_t, (T,)")?;
    }
    if let Some(theta) = &taken.theta {
        out.write(&format!("{name}/theta.npy"), theta, "parameter units", "draws, (T, d)")?;
    }
    let meaning = "S^2 of the first n samples for each pilot size n, (m, T)";
    Ok(out.write(&format!("{name}/pilot_variance.npy"), &found.pilot_variance, "loss^2", meaning)?)
}

/// 1/√(N λ_i) in the first directions, where the setting asks for them.
fn deviations<R: Real>(
    ctx: &StageContext,
    trained: &Trained<R>,
    setting: &Setting,
    basis: &Array2<R>,
) -> Result<Vec<f64>> {
    let first = |file: &str| -> Result<Vec<f64>> {
        let all = ctx.inputs.read::<f64, Ix1>("eigen", file)?;
        Ok(all.slice(s![..setting.dim]).to_vec())
    };
    let (values, of) = match setting.sigma {
        Sigma::Same(_) => return Ok(vec![]),
        Sigma::Of(Source::Posterior) => (first("eigenvalues.npy")?, "eigenvalue"),
        Sigma::Of(Source::PosteriorGaussNewton) => (gauss_newton(trained, basis), "Gauss-Newton quotient"),
    };
    // Curvature along a direction of the user is no eigenvalue, whatever its residual is.
    let is_solved = ctx.inputs.params::<records::Eigen>("eigen")?.basis.is_none();
    if is_solved {
        let (residuals, largest) = (first("residuals.npy")?, largest_magnitude(&values));
        let error = |i: usize| match setting.sigma {
            Sigma::Of(Source::PosteriorGaussNewton) => {
                // Part r/μ of the direction may be along the largest, and enters squared.
                rounding::<R>(largest).max(residuals[i].powi(2) / largest)
            }
            _ => residuals[i],
        };
        if let Some(i) = (0..setting.dim).find(|&i| error(i) > values[i].abs()) {
            return Err(unresolved(setting, of, i, values[i], error(i)).into());
        }
    }
    if let Some(place) = values.iter().position(|&value| value <= 0.0) {
        let message = format!(
            "montecarlo: {}: sigma: {}, but {of} {} is {:.2e}: along it the posterior has no width",
            setting.name,
            setting.sigma,
            place + 1,
            values[place]
        );
        let hint =
            format!("{}, or set train.polish, or give sigma as a number", fewer(place, "train longer"));
        return Err(Failure::not_converged(message, hint).into());
    }
    let n_samples = trained.samples.len() as f64;
    Ok(values.iter().map(|value| 1.0 / (n_samples * value).sqrt()).collect())
}

/// Advice to leave out the directions from `place` on, where there are others.
fn fewer(place: usize, otherwise: &str) -> String {
    if place == 0 { otherwise.to_owned() } else { format!("lower dim of that setting to {place}") }
}

fn unresolved(setting: &Setting, of: &str, place: usize, value: f64, error: f64) -> Failure {
    let message = format!(
        "montecarlo: {}: sigma: {}, but {of} {} is {value:.2e}, and may be wrong by {error:.2e}: neither its sign nor its size is known",
        setting.name,
        setting.sigma,
        place + 1,
    );
    let hint = format!(
        "{}, or set eigen.precision: f64 and lower eigen.residual_tolerance, or give sigma as a number",
        fewer(place, "train longer")
    );
    Failure::not_converged(message, hint)
}

/// `uᵢᵀ G uᵢ` for every row of `basis` (d, p), G the Gauss-Newton part of the Hessian over all samples: loss per squared parameter unit.
fn gauss_newton<R: Real>(trained: &Trained<R>, basis: &Array2<R>) -> Vec<f64> {
    // One product for each direction: nothing is worth keeping between them.
    let sum = HessianSum::new(&trained.network, trained.w.view(), &trained.samples, 0);
    let operator = PrefixHessian { sum: &sum, k: trained.samples.len(), kind: SecondOrder::GaussNewton };
    let products = operator.apply(basis.view());
    let dot =
        |(u, v): (ArrayView1<R>, ArrayView1<R>)| u.iter().zip(v).map(|(&a, &b)| a.wide() * b.wide()).sum();
    basis.outer_iter().zip(products.outer_iter()).map(dot).collect()
}

/// Draws of another program, (T, d), where the setting names such.
fn own_draws(ctx: &StageContext, setting: &Setting) -> Result<Option<Array2<f64>>> {
    let Some(path) = setting.theta.as_ref().map(|path| ctx.resolve(path)) else { return Ok(None) };
    let (name, dim) = (path.display().to_string(), setting.dim);
    let theta = experiment::to_real::<f64, Ix2>(arrays::read(&path, "theta")?, &name)?;
    if theta.ncols() != dim || theta.nrows() < 2 {
        let shape = theta.shape();
        let message = format!("{name}: shape {shape:?}; (T, {dim}) with at least two rows is needed");
        return Err(Failure::input(message, "a row is one draw of theta, with sigma already in it").into());
    }
    if let Sigma::Same(sigma) = setting.sigma
        && let Some(why) = other_width(&name, &theta, sigma)
    {
        ctx.warn(format!("montecarlo: {why}"));
    }
    Ok(Some(theta))
}

/// Draws of the user that are not as wide as the σ beside them: further apart than chance makes it, and by more than a quarter.
fn other_width(name: &str, theta: &Array2<f64>, sigma: f64) -> Option<String> {
    let n = theta.len() as f64;
    let width = (theta.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    let ratio = width / sigma;
    let is_other = !(0.8..=1.25).contains(&ratio) && (ratio - 1.0).abs() > 5.0 / (2.0 * n).sqrt();
    is_other.then(|| {
        format!(
            "{name}: the draws have a standard deviation of {width:.3e}, but sigma is {sigma}: the theories are computed at sigma; if \
             the draws are right, set sigma: {width:.4e}"
        )
    })
}

fn refuse_infinite(found: &MonteCarlo, setting: &Setting) -> Result<()> {
    // S² is a sum of other squares: it can overflow where every Δ_k is still finite. The error of V takes their squares.
    let power = |v: &f64| (found.loss_variance.len() as f64 * v).powi(2);
    let squares =
        found.delta.iter().chain(&found.loss_variance).chain(&found.deviation).chain(&found.pilot_variance);
    let mut all = squares.map(power).chain(found.mean_loss.iter().copied());
    if all.all(f64::is_finite) {
        return Ok(());
    }
    let Setting { name, sigma, losses, .. } = setting;
    let message = format!("{name}: losses or powers of their variance are not finite at sigma {sigma}");
    let hint = match losses {
        Some(_) => {
            "divide the losses by their largest, which divides a tolerance by its square; or lower sigma where they are computed"
        }
        None => "lower sigma, or set montecarlo.precision: f64",
    };
    Err(Failure::not_converged(message, hint).into())
}

/// One landscape.
fn run_grid<R: Real>(ctx: &mut StageContext, trained: &Trained<R>, grid: &Grid) -> Result<()> {
    let basis = directions(ctx, &trained.network, grid.basis, 2)?;
    let sizes = grid.sizes(trained.samples.len(), trained.step);
    let g = grid.points;
    let axis = Array1::linspace(-grid.extent, grid.extent, g);
    let theta = Array2::from_shape_fn((g * g, 2), |(t, j)| axis[if j == 0 { t / g } else { t % g }]);
    let progress = ctx
        .progress(theta.nrows() * trained.samples.len(), &format!("montecarlo: grid {}: losses", grid.name));
    let draws = trained.draws(&basis, &trained.samples);
    let Landscape { loss, change } =
        points(ctx, grid, &draws, theta.view(), trained.step, &sizes, &progress)?;
    drop(progress);
    let surface =
        |flat: Array2<f64>| flat.into_shape_with_order((sizes.len(), g, g)).expect("(sizes, g·g) values");
    let path = |file: &str| format!("grid_{}/{file}.npy", grid.name);

    let out = &mut ctx.outputs;
    out.write(&path("axis"), &axis, "parameter units", "coordinates along both axes, (G,)")?;
    out.write_sizes(&path("prefix_sizes"), &sizes, "samples", "prefix sizes of the surfaces, (m,)")?;
    out.write(&path("loss"), &surface(loss), "loss", "L_k, (m, G, G)")?;
    Ok(out.write(&path("change"), &surface(change), "loss^2", "(L_{k+s} - L_k)^2, (m, G, G)")?)
}

/// The landscape at all points, some of them at a time: it may stop between.
fn points<R: Real>(
    ctx: &StageContext,
    grid: &Grid,
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    sizes: &[usize],
    progress: &Progress,
) -> Result<Landscape> {
    let of = format!("grid-{}", grid.name);
    let empty = || Array2::zeros((sizes.len(), 0));
    let read = |saved: &Checkpoint| {
        let shape = (sizes.len(), saved.facts::<usize>()?);
        let array = |name| Array2::from_shape_vec(shape, saved.array(name, shape.0 * shape.1)?.to_vec()).ok();
        Some(Landscape { loss: array("loss")?, change: array("change")? })
    };
    let mut found = ctx.resume(&of, read).unwrap_or_else(|| Landscape { loss: empty(), change: empty() });
    progress.add(found.loss.ncols() * draws.samples.len());
    let state = |found: &Landscape| {
        let saved = Checkpoint::new(&found.loss.ncols());
        saved.with("loss", found.loss.iter().copied()).with("change", found.change.iter().copied())
    };
    while found.loss.ncols() < theta.nrows() {
        let begin = found.loss.ncols();
        let end = (begin + draws_of_a_turn(draws)).min(theta.nrows());
        let more = landscape(draws, theta.slice(s![begin..end, ..]), step, sizes, &mut |n| progress.add(n));
        found.loss =
            concatenate(Axis(1), &[found.loss.view(), more.loss.view()]).expect("a row for each size");
        found.change =
            concatenate(Axis(1), &[found.change.view(), more.change.view()]).expect("a row for each size");
        ctx.may_stop(&of, format_args!("point {end} of {} of a landscape", theta.nrows()), || state(&found))?;
    }
    ctx.ended(&of, state(&found));
    let standard = |array: Array2<f64>| array.as_standard_layout().into_owned();
    Ok(Landscape { loss: standard(found.loss), change: standard(found.change) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was ignored without a word on a random basis.
    #[test]
    fn settings_without_a_control_variate_are_named() {
        let settings = [("a", BasisName::Hessian), ("b", BasisName::Random), ("c", BasisName::Hessian)];
        let settings = settings.map(|(name, basis)| Setting {
            name: name.to_owned(),
            basis,
            dim: 2,
            sigma: Sigma::Same(1.0),
            theta: None,
            losses: None,
            values: None,
            slopes: None,
            curvatures: None,
            eigenvalues: None,
        });
        let said = |brought: [bool; 3]| uncontrolled(&settings, brought.into_iter());
        assert!(said([false, false, true]).unwrap().contains("V of b, c is estimated without it"));
        assert_eq!(uncontrolled(&settings[..1], [false].into_iter()), None);
    }
}
