//! `Δ_k = E_θ (L_{k+s} − L_k)²` by Monte Carlo, for all prefixes k from one pass over the samples per draw.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, s};

use crate::change::interval::{self, Components, Estimate, TwoPhases};
use crate::change::prefix::{Moments, PrefixMean, prefix_sizes};
use crate::change::sampling::{REPLICATES, Sampling};
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink};

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

/// Losses of a row that are taken at once: what they add to stays in the cache.
const ROW_BLOCK: usize = 4096;

/// One draw on its way through the samples.
struct DrawState<'a> {
    /// number of the draw
    t: usize,
    /// what everything of it is multiplied with
    weight: f64,
    prefix: PrefixMean,
    moments: Moments,
    /// D² of the prefixes that the last block of samples completed
    squares: Vec<f64>,
    /// what each sample of the last block added to the sum of squared deviations
    added: Vec<f64>,
    /// the losses of the last block
    losses: Vec<f64>,
    pilot_sizes: &'a [usize],
    /// S² at the pilot sizes so far
    pilots: Vec<f64>,
}

impl LossSink for DrawState<'_> {
    fn take(&mut self, first: usize, losses: &[f64]) {
        self.squares.clear();
        self.added.clear();
        self.losses.clear();
        let weight = self.weight;
        self.losses.extend(losses.iter().map(|loss| weight * loss));
        for (i, &loss) in losses.iter().enumerate() {
            self.added.push(weight * self.moments.push(loss));
            self.squares.extend(self.prefix.push(loss).map(|i| weight * (i.change * i.change)));
            if self.pilot_sizes.get(self.pilots.len()) == Some(&(first + i + 1)) {
                self.pilots.push(weight * self.moments.variance());
            }
        }
    }
}

/// Means over the draws of many values at once, with the standard error that their groups give.
struct Means {
    sampling: Sampling,
    sum: Vec<f64>,
    /// of the means of groups that are whole
    sum_of_squares: Vec<f64>,
    /// the first half of a pair, or a row for each replicate
    open: Array2<f64>,
}

impl Means {
    fn new(sampling: Sampling, n: usize) -> Self {
        let open = match sampling {
            Sampling::Plain => 0,
            Sampling::Antithetic => 1,
            Sampling::Sobol => REPLICATES,
        };
        Self { sampling, sum: vec![0.0; n], sum_of_squares: vec![0.0; n], open: Array2::zeros((open, n)) }
    }

    /// The values of draw t from place `begin` on. Draws of a pair follow each other.
    fn add(&mut self, t: usize, begin: usize, values: &[f64]) {
        let range = begin..begin + values.len();
        let (sum, squares) = (&mut self.sum[range.clone()], &mut self.sum_of_squares[range.clone()]);
        let mut whole = |i: usize, mean: f64| squares[i] += mean * mean;
        match (self.sampling, t % 2) {
            (Sampling::Plain, _) => (0..values.len()).for_each(|i| whole(i, values[i])),
            (Sampling::Antithetic, 0) => {
                self.open.slice_mut(s![0, range]).iter_mut().zip(values).for_each(|(open, v)| *open = *v);
            }
            (Sampling::Antithetic, _) => {
                let first = self.open.slice(s![0, range]);
                (0..values.len()).for_each(|i| whole(i, f64::midpoint(first[i], values[i])));
            }
            (Sampling::Sobol, _) => {
                let mut own = self.open.slice_mut(s![t % REPLICATES, range]);
                own.iter_mut().zip(values).for_each(|(own, v)| *own += v);
            }
        }
        sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
    }

    /// Means and standard errors after `t` draws.
    fn finish(&self, t: usize) -> (Array1<f64>, Array1<f64>) {
        let mean = self.sum.iter().map(|sum| sum / t as f64).collect::<Array1<f64>>();
        let groups = self.sampling.n_groups(t) as f64;
        let size = t as f64 / groups;
        let squares = |i: usize| match self.sampling {
            Sampling::Sobol => self.open.column(i).iter().map(|own| (own / size).powi(2)).sum(),
            _ => self.sum_of_squares[i],
        };
        let error = (0..mean.len()).map(|i| {
            let variance = (squares(i) / groups - mean[i] * mean[i]).max(0.0) * groups / (groups - 1.0);
            (variance / groups).sqrt()
        });
        let error = error.collect();
        (mean, error)
    }
}

/// A Monte-Carlo estimate that takes draws in as many parts as it needs.
///
/// Memory is O(T + N), and sixteen times N for [`Sampling::Sobol`]: the values of one block of samples are kept at a time.
pub struct MonteCarloRun {
    step: usize,
    n_samples: usize,
    sizes: Vec<usize>,
    pilot_sizes: Vec<usize>,
    change: Means,
    deviation: Means,
    sample_loss: Vec<f64>,
    /// ℓ_i at the first draw, around which squares are summed
    origin: Vec<f64>,
    sample_squares: Vec<f64>,
    loss_variance: Vec<f64>,
    mean_loss: Vec<f64>,
    /// (T, m), flat
    pilot_variance: Vec<f64>,
}

impl MonteCarloRun {
    /// Nothing drawn yet. `pilot_sizes`: ascending numbers of samples, from 2 to `n_samples`.
    pub fn new(n_samples: usize, step: usize, sampling: Sampling, pilot_sizes: &[usize]) -> Self {
        let sizes = prefix_sizes(n_samples, step);
        Self {
            step,
            n_samples,
            pilot_sizes: pilot_sizes.to_vec(),
            change: Means::new(sampling, sizes.len()),
            deviation: Means::new(sampling, n_samples - 1),
            sample_loss: vec![0.0; n_samples],
            origin: vec![0.0; n_samples],
            sample_squares: vec![0.0; n_samples],
            loss_variance: vec![],
            mean_loss: vec![],
            pilot_variance: vec![],
            sizes,
        }
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
        let pilot_sizes = self.pilot_sizes.clone();
        let mut states = self.next_draws(weights, &pilot_sizes);
        draws.evaluate(theta, &mut states, &mut |states: &mut [DrawState], range: Range<usize>| {
            self.add_block(states, &range);
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
        assert_eq!(losses.len(), self.n_samples, "a loss for each sample");
        let pilot_sizes = self.pilot_sizes.clone();
        let mut states = self.next_draws(&[weight], &pilot_sizes);
        for (i, block) in losses.chunks(ROW_BLOCK).enumerate() {
            let begin = i * ROW_BLOCK;
            states[0].take(begin, block);
            self.add_block(&states, &(begin..begin + block.len()));
        }
        self.end_draws(states);
    }

    fn next_draws<'a>(&self, weights: &[f64], pilot_sizes: &'a [usize]) -> Vec<DrawState<'a>> {
        let before = self.n_draws();
        let new = |(t, &weight)| DrawState {
            t: before + t,
            weight,
            prefix: PrefixMean::new(self.step),
            moments: Moments::default(),
            squares: vec![],
            added: vec![],
            losses: vec![],
            pilot_sizes,
            pilots: vec![],
        };
        weights.iter().enumerate().map(new).collect()
    }

    /// What the draws in hand say of the samples of `range`.
    fn add_block(&mut self, states: &[DrawState], range: &Range<usize>) {
        // Prefix k is completed by sample k + s: the first of this block follows from where it ends.
        let completed = states[0].squares.len();
        let begin = (range.end / self.step).saturating_sub(1).min(self.sizes.len()) - completed;
        // The first sample of all adds nothing and has no place among the deviations.
        let skipped = usize::from(range.start == 0);
        for state in states {
            self.change.add(state.t, begin, &state.squares);
            self.deviation.add(state.t, range.start + skipped - 1, &state.added[skipped..]);
            let own = &mut self.sample_loss[range.clone()];
            own.iter_mut().zip(&state.losses).for_each(|(sum, loss)| *sum += loss);
            let origin = &mut self.origin[range.clone()];
            if state.t == 0 {
                origin.copy_from_slice(&state.losses);
            }
            let squares = self.sample_squares[range.clone()].iter_mut().zip(&state.losses).zip(origin);
            squares.for_each(|((sum, loss), origin)| *sum += (loss - *origin) * (loss - *origin));
        }
    }

    fn end_draws(&mut self, states: Vec<DrawState>) {
        for state in states {
            self.loss_variance.push(state.weight * state.moments.variance());
            self.mean_loss.push(state.weight * state.moments.mean());
            self.pilot_variance.extend(state.pilots);
        }
    }

    /// All sums over the draws so far, flat, by name: what [`Self::go_on`] takes.
    pub fn state(&self) -> [(&'static str, &[f64]); 12] {
        [
            ("change.sum", &self.change.sum),
            ("change.sum_of_squares", &self.change.sum_of_squares),
            ("change.open", self.change.open.as_slice().expect("C order")),
            ("deviation.sum", &self.deviation.sum),
            ("deviation.sum_of_squares", &self.deviation.sum_of_squares),
            ("deviation.open", self.deviation.open.as_slice().expect("C order")),
            ("sample_loss", &self.sample_loss),
            ("origin", &self.origin),
            ("sample_squares", &self.sample_squares),
            ("loss_variance", &self.loss_variance),
            ("mean_loss", &self.mean_loss),
            ("pilot_variance", &self.pilot_variance),
        ]
    }

    /// Goes on after `draws` draws whose sums are given by name and length, as [`Self::state`] has them; `None`, and nothing is
    /// changed, where one is not there.
    #[must_use]
    pub fn go_on<'a>(
        &mut self,
        draws: usize,
        given: impl Fn(&'static str, usize) -> Option<&'a [f64]>,
    ) -> Option<()> {
        let lengths = self.state().map(|(name, values)| match name {
            "loss_variance" | "mean_loss" => (name, draws),
            "pilot_variance" => (name, draws * self.pilot_sizes.len()),
            _ => (name, values.len()),
        });
        let found = lengths.into_iter().map(|(name, len)| given(name, len)).collect::<Option<Vec<_>>>()?;
        let into = |open: &mut Array2<f64>, values: &[f64]| {
            open.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        };
        self.change.sum = found[0].to_vec();
        self.change.sum_of_squares = found[1].to_vec();
        into(&mut self.change.open, found[2]);
        self.deviation.sum = found[3].to_vec();
        self.deviation.sum_of_squares = found[4].to_vec();
        into(&mut self.deviation.open, found[5]);
        self.sample_loss = found[6].to_vec();
        self.origin = found[7].to_vec();
        self.sample_squares = found[8].to_vec();
        self.loss_variance = found[9].to_vec();
        self.mean_loss = found[10].to_vec();
        self.pilot_variance = found[11].to_vec();
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
        let (deviation, error) = self.deviation.finish(t);
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
        let phases = interval::Ratio { v, loss };
        let estimate = interval::in_two_phases(
            &phases.influences(&variances, &losses),
            &phases.influences(&self.deviations(), &all[1..]),
            &phases.influences(&many.deviations(), &few[1..]),
        );
        (Estimate { value: v / (loss * loss), ..estimate.0 }, loss)
    }

    /// `(i−1)/i (ℓ_i − L_{i−1})²` of samples 2 to N, mean over the draws, (N − 1,), loss².
    fn deviations(&self) -> Vec<f64> {
        self.deviation.finish(self.n_draws()).0.to_vec()
    }

    /// ℓ_i, mean over the draws, (N,), loss.
    fn sample_losses(&self) -> Vec<f64> {
        self.sample_loss.iter().map(|sum| sum / self.n_draws() as f64).collect()
    }

    /// How the draws are taken.
    pub fn sampling(&self) -> Sampling {
        self.change.sampling
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
        let (delta, standard_error) = self.change.finish(t);
        let (deviation, deviation_error) = self.deviation.finish(t);
        let by_draw = Array2::from_shape_vec((t, self.pilot_sizes.len()), self.pilot_variance);
        let draws = t as f64;
        let variance = |((square, sum), origin): ((&f64, &f64), &f64)| {
            ((square - (sum - draws * origin).powi(2) / draws) / (draws - 1.0)).max(0.0)
        };
        let sums = self.sample_squares.iter().zip(&self.sample_loss).zip(&self.origin);
        MonteCarlo {
            sample_variance: sums.map(variance).collect(),
            prefix_sizes: self.sizes,
            delta,
            standard_error,
            loss_variance: self.loss_variance.into(),
            mean_loss: self.mean_loss.into(),
            deviation,
            deviation_error,
            sample_loss: Array1::from(self.sample_loss) / t as f64,
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
    let mut run = MonteCarloRun::new(draws.samples.len(), step, Sampling::Plain, &[]);
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

    #[test]
    fn means_have_the_error_of_their_groups() {
        let value = |t: usize, i: usize| ((t * 7 + i * i) as f64 * 0.9).sin() + 2.0;
        let (draws, n) = (64, 5);
        for sampling in [Sampling::Plain, Sampling::Antithetic, Sampling::Sobol] {
            let mut means = Means::new(sampling, n);
            // Two chunks of draws, each in two blocks of places, as the engine feeds them.
            for chunk in [0..32, 32..draws] {
                for places in [0..2, 2..n] {
                    for t in chunk.clone() {
                        let values = places.clone().map(|i| value(t, i)).collect::<Vec<_>>();
                        means.add(t, places.start, &values);
                    }
                }
            }
            let (mean, error) = means.finish(draws);
            for i in 0..n {
                let groups = sampling.group_means(&(0..draws).map(|t| value(t, i)).collect::<Vec<_>>());
                let groups = Array1::from(groups);
                let expected = groups.std(1.0) / (groups.len() as f64).sqrt();
                // Squares are summed before the mean's is taken off: a few digits of the 16.
                assert!((mean[i] - groups.mean().unwrap()).abs() <= 1e-14 * mean[i], "{sampling:?}");
                assert!((error[i] / expected - 1.0).abs() <= 1e-10, "{sampling:?}: {} {expected}", error[i]);
            }
        }
    }
}
