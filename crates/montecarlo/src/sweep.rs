//! V over a grid of σ by every sampling method, on a prefix of the samples.

use landscape::Real;
use landscape::change::delta::MonteCarloRun;
use landscape::change::prefix::prefix_sizes;
use landscape::passes::draws::Draws;
use ndarray::{Array2, ArrayView2};
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::montecarlo::SweepFact;
use records::{Sampling, Sweep, name_of};

use crate::rounds::{Plan, Stops, drawn, second_order};

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
    let (sizes, dim) = (prefix_sizes(n, step), draws.basis.nrows());
    let control = second_order(ctx, n, dim, &[])?;
    let total = m * sweep.methods.len() * sweep.draws * n;
    let progress = ctx.progress(total, "montecarlo: sweep over sigma: losses");
    let mut delta = Array2::zeros((m, sizes.len()));
    let mut delta_error = Array2::zeros((m, sizes.len()));
    for &sampling in &sweep.methods {
        let (mut variances, mut controls) =
            (Array2::zeros((m, sweep.draws)), Array2::zeros((m, sweep.draws)));
        for (row, &sigma) in sweep.sigmas.iter().enumerate() {
            let mut run = MonteCarloRun::over(draws, step, sampling, &[]);
            let plan = Plan {
                sampling,
                sigma,
                deviations: vec![],
                draws: sweep.draws,
                relative_error: None,
                control: None,
            };
            let stops = Stops { ctx, of: format!("sweep-{}-{row}", name_of(sampling)) };
            let next = drawn(&plan, seed, dim);
            let taken = plan.take(draws, &mut run, &next, &stops, &mut |n| progress.add(n))?;
            let theta = taken.theta.expect("draws of our own are known");
            let found = run.finish();
            refuse_infinite(&found.loss_variance.view().insert_axis(ndarray::Axis(0)), sigma)?;
            variances.row_mut(row).assign(&found.loss_variance);
            controls.row_mut(row).assign(&control.at(theta.view()));
            if sampling == Sampling::Plain {
                delta.row_mut(row).assign(&found.delta);
                delta_error.row_mut(row).assign(&found.standard_error);
            }
        }
        let name = name_of(sampling);
        let out = &mut ctx.outputs;
        out.write(&format!("sweep/{name}/loss_variance.npy"), &variances, "loss^2", "S^2(theta_t), (m, T)")?;
        out.write(
            &format!("sweep/{name}/control.npy"),
            &controls,
            "loss^2",
            "S^2 of the second-order model, (m, T)",
        )?;
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

fn refuse_infinite(variances: &ArrayView2<f64>, sigma: f64) -> Result<()> {
    if variances.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Failure::not_converged(
        format!("montecarlo: sweep: losses are not finite at sigma {sigma}"),
        "take the largest from montecarlo.sweep.sigmas, or set montecarlo.precision: f64",
    )
    .into())
}
