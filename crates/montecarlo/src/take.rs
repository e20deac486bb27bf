//! Draws of one setting, until V is known well enough.

use anyhow::Result;
use landscape::Real;
use landscape::change::control_variate::{SecondOrderVariance, adjusted};
use landscape::change::delta::MonteCarloRun;
use landscape::change::interval;
use landscape::change::sampling::{Sampling, spread};
use landscape::passes::curvature::SampleDerivatives;
use landscape::passes::draws::Draws;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use pipeline::shell::StageContext;

/// Draws of the first round, where a round is followed by a look at the error of V; each round doubles the draws.
const FIRST_ROUND: usize = 128;
/// Samples whose projections are in memory at once.
const ROWS_AT_ONCE: usize = 65_536;

/// Where draws come from, and when there are enough.
pub struct Plan {
    /// of the draws
    pub sampling: Sampling,
    /// σ
    pub sigma: f64,
    /// of each direction in units of σ, where it has its own
    pub deviations: Vec<f64>,
    /// all there are, or all there may be
    pub draws: usize,
    /// error of V over V that suffices
    pub relative_error: Option<f64>,
    /// the control variate
    pub control: Option<SecondOrderVariance>,
}

/// Draws that were taken, and what the control variate says at them.
pub struct Taken {
    /// (T, d), where they are known
    pub theta: Option<Array2<f64>>,
    /// M(θ_t), (T,), and its mean over θ
    pub control: Option<(Array1<f64>, f64)>,
    /// standard error of V over the draws, as a fraction of V
    pub relative_error: f64,
}

impl Plan {
    /// Feeds `run` with draws of `next(range)` until the error suffices or all are taken.
    pub fn take<R: Real>(
        &self,
        draws: &Draws<R>,
        run: &mut MonteCarloRun,
        next: &impl Fn(std::ops::Range<usize>) -> Array2<f64>,
        done: &mut impl FnMut(usize),
    ) -> Result<Taken> {
        let mut theta = Array2::zeros((0, draws.basis.nrows()));
        loop {
            let taken = theta.nrows();
            let round = if self.relative_error.is_some() { taken.max(FIRST_ROUND) } else { self.draws };
            let round = round.min(self.draws - taken);
            let more = next(taken..taken + round);
            run.add(draws, more.view(), done);
            theta = concatenate(Axis(0), &[theta.view(), more.view()])?;
            let control =
                self.control.as_ref().map(|c| (c.at(self.in_units(&theta).view()), c.mean(self.sigma)));
            let relative_error = relative_error(self.sampling, run.loss_variance(), control.as_ref());
            let enough = self.relative_error.is_some_and(|wanted| relative_error <= wanted);
            if enough || theta.nrows() == self.draws {
                return Ok(Taken { theta: Some(theta), control, relative_error });
            }
        }
    }
}

impl Plan {
    /// θ (T, d) in the units of its directions, as the control variate is.
    fn in_units(&self, theta: &Array2<f64>) -> Array2<f64> {
        if self.deviations.is_empty() { theta.clone() } else { theta / &ArrayView1::from(&self.deviations) }
    }
}

/// Standard error of V over the draws, as a fraction of V.
pub fn relative_error(
    sampling: Sampling,
    loss_variance: &[f64],
    control: Option<&(Array1<f64>, f64)>,
) -> f64 {
    let groups = sampling.group_means(loss_variance);
    let estimate = match control {
        None => interval::of_draws(&groups, 0.0),
        Some((control, mean)) => {
            let control = sampling.group_means(control.as_slice().expect("one axis"));
            interval::of_draws(&adjusted(&groups, &control, *mean), 1.0)
        }
    };
    // A loss that never changes is known exactly.
    if estimate.error() > 0.0 { estimate.error() / estimate.value } else { 0.0 }
}

/// The second-order model of the first `n_samples` samples in the first `dim` directions of the Hessian basis, in units of
/// `deviations` where these are their own.
pub fn second_order(
    ctx: &StageContext,
    n_samples: usize,
    dim: usize,
    deviations: &[f64],
) -> Result<SecondOrderVariance> {
    let loss = ctx.inputs.rows::<f64>("eigen", "sample_loss.npy")?;
    let slope = ctx.inputs.rows::<f64>("eigen", "sample_slope.npy")?;
    let curvature = ctx.inputs.rows::<f64>("eigen", "sample_curvature.npy")?;
    let mut control = SecondOrderVariance::new(dim);
    for begin in (0..n_samples).step_by(ROWS_AT_ONCE) {
        let rows = begin..(begin + ROWS_AT_ONCE).min(n_samples);
        let samples = SampleDerivatives {
            loss: loss.read(rows.clone())?,
            slope: slope.read(rows.clone())?,
            curvature: curvature.read(rows)?,
        };
        control.take(&if deviations.is_empty() { samples } else { samples.in_units_of(deviations) });
    }
    Ok(control)
}

/// The draws of `range`, (T, d).
pub fn drawn(plan: &Plan, seed: u64, dim: usize) -> impl Fn(std::ops::Range<usize>) -> Array2<f64> + '_ {
    move |range| spread(plan.sampling.standard_normal(seed, range, dim), plan.sigma, &plan.deviations)
}

/// Draws that a file holds.
pub fn from_file(theta: ArrayView2<'_, f64>) -> impl Fn(std::ops::Range<usize>) -> Array2<f64> + '_ {
    move |range| theta.slice(s![range, ..]).to_owned()
}
