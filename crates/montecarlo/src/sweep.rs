//! V over a grid of σ by every sampling method, on a prefix of the samples.

use landscape::Real;
use landscape::change::delta::{MonteCarlo, MonteCarloRun};
use landscape::change::prefix::prefix_sizes;
use landscape::passes::draws::Draws;
use ndarray::Array2;
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::montecarlo::SweepFact;
use records::{Sampling, Sweep, name_of};

use crate::rounds::{Plan, Stops, second_order};

/// An error where the sweep cannot run over so many samples and directions.
pub fn check(sweep: &Sweep, n_samples: usize, dim: usize, step: usize) -> Result<()> {
    let n = sweep.n_samples.min(n_samples);
    if prefix_sizes(n, step).is_empty() {
        let message = format!("montecarlo.sweep.n_samples: {n} samples, but one step has {step}");
        return Err(Failure::config(message, "at least two steps are needed").into());
    }
    let most = Sampling::SOBOL_LIMITS.0;
    if dim > most && sweep.methods.contains(&Sampling::Sobol) {
        let message = format!("montecarlo.sweep: {dim} directions, but Sobol sequences have {most} at most");
        return Err(
            Failure::config(message, "set montecarlo.sweep.dim, or take sobol from its methods").into()
        );
    }
    Ok(())
}

/// Runs the sweep and writes it; returns what the manifest says of it. All σ share their standard normal draws, so that curves over σ are smooth.
///
/// `draws`: over the first samples, those of the sweep.
pub fn run<R: Real>(
    ctx: &mut StageContext,
    sweep: &Sweep,
    draws: &Draws<R>,
    step: usize,
    seed: u64,
) -> Result<SweepFact> {
    let (n, m) = (draws.samples.len(), sweep.sigmas.len());
    let (n_sizes, dim) = (prefix_sizes(n, step).len(), draws.basis.nrows());
    let control = second_order(ctx, n, dim, &[])?;
    let total = m * sweep.methods.len() * sweep.draws * n;
    let progress = ctx.progress(total, "montecarlo: sweep over sigma: losses");
    let (mut delta, mut delta_error) = (Array2::zeros((m, n_sizes)), Array2::zeros((m, n_sizes)));
    for &sampling in &sweep.methods {
        let name = name_of(sampling);
        let mut variances = Array2::zeros((m, sweep.draws));
        let mut controls = Array2::zeros((m, sweep.draws));
        for (row, &sigma) in sweep.sigmas.iter().enumerate() {
            let plan = Plan::all(sampling, sigma, sweep.draws);
            let stops = Stops { ctx, of: format!("sweep-{name}-{row}") };
            let (found, theta) = take(draws, &plan, step, seed, &stops, &mut |n| progress.add(n))?;
            variances.row_mut(row).assign(&found.loss_variance);
            controls.row_mut(row).assign(&control.at(theta.view()));
            if sampling == Sampling::Plain {
                delta.row_mut(row).assign(&found.delta);
                delta_error.row_mut(row).assign(&found.standard_error);
            }
        }
        let out = &mut ctx.outputs;
        out.write(&format!("sweep/{name}/loss_variance.npy"), &variances, "loss^2", "S^2(theta_t), (m, T)")?;
        let meaning = "S^2 of the second-order model, (m, T)";
        out.write(&format!("sweep/{name}/control.npy"), &controls, "loss^2", meaning)?;
    }
    drop(progress);
    let out = &mut ctx.outputs;
    out.write("sweep/delta.npy", &delta, "loss^2", "Delta_k of the plain draws, (m, n)")?;
    out.write("sweep/standard_error.npy", &delta_error, "loss^2", "of it over the draws, (m, n)")?;
    Ok(SweepFact {
        dim,
        sigmas: sweep.sigmas.clone(),
        n_samples: n,
        draws: sweep.draws,
        methods: sweep.methods.clone(),
    })
}

/// What all draws of a plan give, and where they are, (T, d).
fn take<R: Real>(
    draws: &Draws<R>,
    plan: &Plan,
    step: usize,
    seed: u64,
    stops: &Stops,
    done: &mut impl FnMut(usize),
) -> Result<(MonteCarlo, Array2<f64>)> {
    let mut run = MonteCarloRun::over(draws, step, plan.sampling, &[]);
    let next = |range| plan.drawn(seed, draws.basis.nrows(), range);
    let taken = plan.take(draws, &mut run, &next, stops, done)?;
    let found = run.finish();
    if found.loss_variance.iter().all(|v| v.is_finite()) {
        return Ok((found, taken.theta.expect("draws of our own are known")));
    }
    let message = format!("sweep: losses are not finite at sigma {}", plan.sigma);
    let hint = "take the largest from montecarlo.sweep.sigmas, or set montecarlo.precision: f64";
    Err(Failure::not_converged(message, hint).into())
}
