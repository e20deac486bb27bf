//! Draws of one setting, until V is known well enough.

use landscape::Real;
use landscape::change::control_variate::{SecondOrderVariance, adjusted};
use landscape::change::delta::MonteCarloRun;
use landscape::change::interval;
use landscape::change::sampling::{Sampling, spread};
use landscape::passes::curvature::SampleDerivatives;
use landscape::passes::draws::Draws;
use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate};
use pipeline::Result;
use pipeline::shell::StageContext;
use std::ops::Range;
use store::checkpoint::Checkpoint;

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

/// Where the draws of one loop may stop and go on.
pub struct Stops<'a> {
    /// of the stage
    pub ctx: &'a StageContext,
    /// the name of the loop in its checkpoint
    pub of: String,
}

impl Stops<'_> {
    /// Draws that an earlier run, which was stopped, has taken: `run` goes on after them.
    pub fn resume(&self, run: &mut MonteCarloRun) -> usize {
        let go_on = |saved: &Checkpoint| {
            let draws = saved.facts()?;
            run.go_on(draws, |name, len| saved.array(name, len)).map(|()| draws)
        };
        self.ctx.resume(&self.of, go_on).unwrap_or(0)
    }

    /// A point where the loop over `draws` draws may stop.
    pub fn may_stop(&self, run: &MonteCarloRun, draws: usize) -> Result<()> {
        let far = format_args!("draw {} of {draws}", run.n_draws());
        self.ctx.may_stop(&self.of, far, || state(run))
    }

    /// The end of the loop.
    pub fn ended(&self, run: &MonteCarloRun) {
        self.ctx.ended(&self.of, state(run));
    }
}

impl Plan {
    /// So many draws at one σ.
    pub fn all(sampling: Sampling, sigma: f64, draws: usize) -> Self {
        Self { sampling, sigma, deviations: vec![], draws, relative_error: None, control: None }
    }

    /// The draws of `range`, (T, d).
    pub fn drawn(&self, seed: u64, dim: usize, range: Range<usize>) -> Array2<f64> {
        spread(self.sampling.standard_normal(seed, range, dim), self.sigma, &self.deviations)
    }

    /// Feeds `run` with draws of `next(range)` until the error suffices or all are taken.
    pub fn take<R: Real>(
        &self,
        draws: &Draws<R>,
        run: &mut MonteCarloRun,
        next: &impl Fn(Range<usize>) -> Array2<f64>,
        stops: &Stops,
        done: &mut impl FnMut(usize),
    ) -> Result<Taken> {
        let resumed = stops.resume(run);
        done(resumed * draws.samples.len());
        let (mut theta, mut round) = (next(0..resumed), 0);
        loop {
            round = if self.relative_error.is_some() { (2 * round).max(FIRST_ROUND) } else { self.draws };
            round = round.min(self.draws);
            while theta.nrows() < round {
                let taken = theta.nrows();
                let more = next(taken..(taken + draws_of_a_turn(draws)).min(round));
                run.add(draws, more.view(), done);
                theta = concatenate(Axis(0), &[theta.view(), more.view()]).expect("d columns each");
                stops.may_stop(run, self.draws)?;
            }
            // A stop after this round: its error did not suffice.
            if theta.nrows() > round {
                continue;
            }
            let control =
                self.control.as_ref().map(|c| (c.at(self.in_units(&theta).view()), c.mean(self.sigma)));
            let relative_error = relative_error(self.sampling, run.loss_variance(), control.as_ref());
            let enough = self.relative_error.is_some_and(|wanted| relative_error <= wanted);
            if enough || theta.nrows() == self.draws {
                stops.ended(run);
                return Ok(Taken { theta: Some(theta), control, relative_error });
            }
        }
    }

    /// θ (T, d) in the units of its directions, as the control variate is.
    fn in_units(&self, theta: &Array2<f64>) -> Array2<f64> {
        if self.deviations.is_empty() { theta.clone() } else { theta / &ArrayView1::from(&self.deviations) }
    }
}

/// Flops between two points where the draws may stop: most of a minute on a core. Fewer would repeat the work of the first layer,
/// which all draws of a turn share, too often.
const FLOPS_OF_A_TURN: f64 = 4e12;
/// Draws of a turn are a multiple of that: whole groups of every sampling, and of every pass.
const DRAWS_TOGETHER: usize = 64;

/// Draws between two points where they may stop.
pub fn draws_of_a_turn<R: Real>(draws: &Draws<R>) -> usize {
    let network = draws.network;
    let first = (draws.basis.nrows() + 1) * network.widths()[network.first_affine()];
    let per_draw = 2.0 * (first + network.multiply_adds().1) as f64 * draws.samples.len() as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small number of draws, not below 0
    let turns = (FLOPS_OF_A_TURN / per_draw / DRAWS_TOGETHER as f64).ceil().min(1e6) as usize;
    turns.max(1) * DRAWS_TOGETHER
}

fn state(run: &MonteCarloRun) -> Checkpoint {
    let none = Checkpoint::new(&run.n_draws());
    run.fold_state(none, |saved, name, sums| saved.with(name, sums.iter().copied()))
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
