//! `Δ_k = E_θ (L_{k+s} − L_k)²` by Monte Carlo, for all prefixes k from one pass over the samples per draw.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};
use team::Team;

use crate::change::interval::{self, Components, Estimate, TwoPhases};
use crate::change::prefix::prefix_sizes;
use crate::change::sample_sums::{DrawState, SampleSums};
use crate::change::sampling::Sampling;
use crate::numeric::orders::{Task, order};
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink, TAKEN_AT_ONCE};

/// Δ_k for every prefix size from one pass per draw, with what draws and samples say of its uncertainty.
#[derive(Clone, Debug)]
pub struct MonteCarlo {
    /// k, samples, (n,)
    pub prefix_sizes: Vec<usize>,
    /// `Δ_k = mean_t D_k(θ_t)²`, (n,), loss²
    pub delta: Array1<f64>,
    /// standard error of that mean over the draws, (n,), loss²
    pub standard_error: Array1<f64>,
    /// `S²(θ_t)`: variance of ℓ_i over the samples (N − 1), (T,), loss²
    pub loss_variance: Array1<f64>,
    /// `L_N(θ_t)`, (T,), loss
    pub mean_loss: Array1<f64>,
    /// mean over the draws of `(i−1)/i (ℓ_i − L_{i−1})²` for samples 2 to N, (N − 1,), loss²; its mean is that of S²
    pub deviation: Array1<f64>,
    /// standard error of each over the draws, (N − 1,), loss²
    pub deviation_error: Array1<f64>,
    /// mean of ℓ_i over the draws, (N,), loss
    pub sample_loss: Array1<f64>,
    /// variance of ℓ_i over the draws (T − 1), (N,), loss²; of weighted draws it has no meaning
    pub sample_variance: Array1<f64>,
    /// S² of the first n samples for each pilot size n, (m, T), loss²
    pub pilot_variance: Array2<f64>,
}

/// A Monte-Carlo estimate that takes draws in as many parts as it needs.
///
/// Memory is O(T + N), and sixteen times N for [`Sampling::Sobol`]: the values of one block of samples are kept at a time. Where
/// several processes share the samples, each has the sums of its own, until they are asked for.
pub struct MonteCarloRun {
    /// of the samples of this process
    own: SampleSums,
    /// where several share the samples: they, and where the part of each begins
    shared: Option<(Arc<dyn Team>, Vec<usize>)>,
    n_samples: usize,
    sizes: Vec<usize>,
    loss_variance: Vec<f64>,
    mean_loss: Vec<f64>,
    /// (T, m), flat
    pilot_variance: Vec<f64>,
}

impl MonteCarloRun {
    /// Nothing drawn yet. `pilot_sizes`: ascending numbers of samples, from 2 to `n_samples`.
    pub fn new(n_samples: usize, step: usize, sampling: Sampling, pilot_sizes: &[usize]) -> Self {
        Self {
            own: SampleSums::new(0..n_samples, step, sampling, pilot_sizes),
            shared: None,
            n_samples,
            sizes: prefix_sizes(n_samples, step),
            loss_variance: vec![],
            mean_loss: vec![],
            pilot_variance: vec![],
        }
    }

    /// The same for draws such as `draws` alone, whose samples several processes may share.
    pub fn over<R: Real>(draws: &Draws<R>, step: usize, sampling: Sampling, pilot_sizes: &[usize]) -> Self {
        let n_samples = draws.samples.len();
        let whole = Self::new(n_samples, step, sampling, pilot_sizes);
        let team = draws.samples.shared_team();
        if team.is_alone() {
            return whole;
        }
        let cuts = draws.cuts();
        order::<R>(&**team, Task::NewRun, &[n_samples, step, sampling as usize, pilot_sizes.len()]);
        team.tell(&cuts.iter().chain(pilot_sizes).map(|&k| k as u64).collect::<Vec<_>>());
        Self { own: whole.own.like(cuts[0]..cuts[1]), shared: Some((Arc::clone(team), cuts)), ..whole }
    }

    /// The next draws `theta` (T, d), whole groups of its sampling. `done` is told of sample-draw pairs.
    pub fn add<R: Real>(&mut self, draws: &Draws<R>, theta: ArrayView2<f64>, done: &mut impl FnMut(usize)) {
        self.add_weighted(draws, theta, &vec![1.0; theta.nrows()], done);
    }

    /// The same for draws of a [`Proposal`](crate::change::sampling::Proposal), with their weights.
    pub fn add_weighted<R: Real>(
        &mut self,
        draws: &Draws<R>,
        theta: ArrayView2<f64>,
        weights: &[f64],
        done: &mut impl FnMut(usize),
    ) {
        let before = self.n_draws();
        if let Some((team, _)) = &self.shared {
            draws.order(Task::Draws, theta, &[before]);
            team.tell(weights);
            let states = self.own.add_shared(draws, theta, (before, weights));
            self.end_draws(states);
            return done(theta.nrows() * self.n_samples);
        }
        let mut states = self.own.next_draws(before, weights);
        draws.evaluate(theta, &mut states, &mut |states: &mut [DrawState], range: Range<usize>| {
            self.own.add_block(states, &range);
            done(range.len() * states.len());
        });
        self.end_draws(states);
    }

    /// The next draw by its losses ℓ_i(w* + Pθ_t) of all samples in their order, (N,).
    ///
    /// # Panics
    /// If there are not as many as samples.
    pub fn add_row(&mut self, losses: &[f64]) {
        self.add_weighted_row(losses, 1.0);
    }

    /// The same with the weight of the draw.
    ///
    /// # Panics
    /// As [`Self::add_row`].
    pub fn add_weighted_row(&mut self, losses: &[f64], weight: f64) {
        assert_eq!(losses.len(), self.own.samples.len(), "a loss for each sample");
        let mut states = self.own.next_draws(self.n_draws(), &[weight]);
        for (i, block) in losses.chunks(TAKEN_AT_ONCE).enumerate() {
            let begin = i * TAKEN_AT_ONCE;
            states[0].take(begin, block);
            self.own.add_block(&states, &(begin..begin + block.len()));
        }
        self.end_draws(states);
    }

    fn end_draws(&mut self, states: Vec<DrawState>) {
        for state in states {
            self.loss_variance.push(state.weight * state.moments.variance());
            self.mean_loss.push(state.weight * state.moments.mean());
            self.pilot_variance.extend(state.pilots);
        }
    }

    /// The sums of all samples: those of the other processes are gathered.
    fn sums(&self) -> Cow<'_, SampleSums> {
        let Some((team, cuts)) = &self.shared else { return Cow::Borrowed(&self.own) };
        order::<f64>(&**team, Task::State, &[]);
        let mut whole = self.own.like(0..self.n_samples);
        for rank in 0..team.size() {
            let mut part = self.own.clone();
            if rank > 0 {
                part = self.own.like(cuts[rank]..cuts[rank + 1]);
                part.receive(&**team, rank);
            }
            whole.exchange(&mut part, |mut whole, part| whole.assign(&part));
        }
        Cow::Owned(whole)
    }

    /// Joins all sums over the draws so far, flat and by name, to `first`: they are what [`Self::go_on`] takes.
    pub fn fold_state<T>(&self, first: T, join: impl Fn(T, &'static str, &[f64]) -> T) -> T {
        let sums = self.sums();
        let of_draws = [
            ("loss_variance", &self.loss_variance[..]),
            ("mean_loss", &self.mean_loss),
            ("pilot_variance", &self.pilot_variance),
        ];
        let all = sums.arrays().into_iter().chain(of_draws);
        all.fold(first, |joined, (name, values)| join(joined, name, values))
    }

    /// Goes on after `draws` draws whose sums are given by name and length, as [`Self::fold_state`] has them; `None`, and nothing
    /// is changed, where one is not there.
    #[must_use]
    pub fn go_on<'a>(
        &mut self,
        draws: usize,
        given: impl Fn(&'static str, usize) -> Option<&'a [f64]>,
    ) -> Option<()> {
        let mut whole = self.own.like(0..self.n_samples);
        let names = whole.arrays().map(|(name, _)| name);
        for (name, mut to) in names.into_iter().zip(whole.arrays_mut()) {
            let from = given(name, to.len())?;
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        let loss_variance = given("loss_variance", draws)?.to_vec();
        let mean_loss = given("mean_loss", draws)?.to_vec();
        let pilot_variance = given("pilot_variance", draws * self.own.pilot_sizes.len())?.to_vec();
        (self.loss_variance, self.mean_loss, self.pilot_variance) =
            (loss_variance, mean_loss, pilot_variance);
        let Some((team, cuts)) = &self.shared else {
            self.own = whole;
            return Some(());
        };
        order::<f64>(&**team, Task::GoOn, &[]);
        for rank in (0..team.size()).rev() {
            let mut part = self.own.like(cuts[rank]..cuts[rank + 1]);
            whole.exchange(&mut part, |whole, mut part| part.assign(&whole));
            if rank > 0 {
                part.send(&**team, rank);
            } else {
                self.own = part;
            }
        }
        Some(())
    }

    /// `S²(θ_t)` of the draws so far, (T,), loss².
    pub fn loss_variance(&self) -> &[f64] {
        &self.loss_variance
    }

    /// V with its error from all draws so far, two groups at least, and the parts of its variance.
    pub fn variance(&self) -> (Estimate, Components) {
        let t = self.n_draws();
        let groups = self.sampling().group_means(&self.loss_variance);
        let (deviation, error) = self.sums().deviation.finish(t);
        let (deviation, error) = (deviation.to_vec(), error.to_vec());
        let components = interval::components(&groups, &deviation, &error, t);
        (interval::of_variance(&groups, &deviation, &error, None), components)
    }

    /// V from these draws and the few draws of `many`, of whose samples these are the first.
    pub fn in_two_phases(&self, many: &Self) -> (Estimate, TwoPhases) {
        let groups = self.sampling().group_means(&self.loss_variance);
        interval::in_two_phases(&groups, &self.deviations(), &many.deviations())
    }

    /// V over the square of the mean perturbed loss L̄, with its error, and L̄, in the same way.
    pub fn ratio(&self, many: &Self) -> (Estimate, f64) {
        let variances = self.sampling().group_means(&self.loss_variance);
        let losses = self.sampling().group_means(&self.mean_loss);
        let (all, few) = (self.sample_losses(), many.sample_losses());
        let loss = interval::in_two_phases(&losses, &all, &few).0.value;
        let v = self.in_two_phases(many).0.value;
        let influences = |s: &[f64], l: &[f64]| interval::ratio_influences((v, loss), s, l);
        let estimate = interval::in_two_phases(
            &influences(&variances, &losses),
            &influences(&self.deviations(), &all[1..]),
            &influences(&many.deviations(), &few[1..]),
        );
        (Estimate { value: v / (loss * loss), ..estimate.0 }, loss)
    }

    /// `(i−1)/i (ℓ_i − L_{i−1})²` of samples 2 to N, mean over the draws, (N − 1,), loss².
    fn deviations(&self) -> Vec<f64> {
        self.sums().deviation.finish(self.n_draws()).0.to_vec()
    }

    /// ℓ_i, mean over the draws, (N,), loss.
    fn sample_losses(&self) -> Vec<f64> {
        self.sums().loss.iter().map(|sum| sum / self.n_draws() as f64).collect()
    }

    /// How the draws are taken.
    pub fn sampling(&self) -> Sampling {
        self.own.change.sampling
    }

    /// T so far.
    pub fn n_draws(&self) -> usize {
        self.loss_variance.len()
    }

    /// The samples of each draw.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The estimate from all draws so far, two groups at least.
    pub fn finish(self) -> MonteCarlo {
        let t = self.n_draws();
        let sums = self.sums();
        let (delta, standard_error) = sums.change.finish(t);
        let (deviation, deviation_error) = sums.deviation.finish(t);
        let pilots = self.pilot_variance.clone();
        let by_draw = Array2::from_shape_vec((t, self.own.pilot_sizes.len()), pilots);
        let draws = t as f64;
        let variance = |((square, sum), origin): ((&f64, &f64), &f64)| {
            ((square - (sum - draws * origin).powi(2) / draws) / (draws - 1.0)).max(0.0)
        };
        let of_samples = sums.squares.iter().zip(&sums.loss).zip(&sums.origin);
        let sample_variance = of_samples.map(variance).collect();
        let sample_loss = sums.loss.iter().map(|sum| sum / t as f64).collect();
        drop(sums);
        MonteCarlo {
            sample_variance,
            prefix_sizes: self.sizes,
            delta,
            standard_error,
            loss_variance: self.loss_variance.into(),
            mean_loss: self.mean_loss.into(),
            deviation,
            deviation_error,
            sample_loss,
            pilot_variance: by_draw.expect("m values a draw").t().as_standard_layout().into_owned(),
        }
    }
}

/// Monte-Carlo estimate of `Δ_k = E_θ (L_{k+s} − L_k)²` over the independent draws `theta` (T, d), for all k at once.
pub fn monte_carlo<R: Real>(
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    done: &mut impl FnMut(usize),
) -> MonteCarlo {
    let mut run = MonteCarloRun::over(draws, step, Sampling::Plain, &[]);
    run.add(draws, theta, done);
    run.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_of_each_sample_is_that_of_its_losses() {
        let loss = |t: usize, i: usize| 1e3 + ((t * 7 + i * i) as f64 * 0.9).sin();
        let (draws, n) = (9, 5);
        let mut run = MonteCarloRun::new(n, 1, Sampling::Plain, &[]);
        for t in 0..draws {
            run.add_row(&(0..n).map(|i| loss(t, i)).collect::<Vec<_>>());
        }
        for (i, found) in run.finish().sample_variance.iter().enumerate() {
            let expected = Array1::from_shape_fn(draws, |t| loss(t, i) - 1e3).var(1.0);
            // Losses of 1000 are known to 1e-13, and so is their deviation.
            assert!((found - expected).abs() <= 1e-12 * expected.sqrt(), "{found} {expected}");
        }
    }
}
