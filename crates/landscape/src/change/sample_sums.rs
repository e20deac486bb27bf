//! What is summed over the draws for each prefix and each sample, on one process or in parts on several.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, s};
use team::Team;

use crate::change::prefix::{Moments, PrefixMean};
use crate::change::sampling::{REPLICATES, Sampling};
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink, Relayed};

/// One draw on its way through the samples.
#[derive(Clone)]
pub(crate) struct DrawState {
    /// number of the draw
    t: usize,
    /// what everything of it is multiplied with
    pub(super) weight: f64,
    step: usize,
    prefix: PrefixMean,
    pub(super) moments: Moments,
    /// D² of the prefixes that the last block of samples completed
    squares: Vec<f64>,
    /// what each sample of the last block added to the sum of squared deviations
    added: Vec<f64>,
    /// the losses of the last block
    losses: Vec<f64>,
    pilot_sizes: Arc<[usize]>,
    /// S² at the pilot sizes so far
    pub(super) pilots: Vec<f64>,
}

impl LossSink for DrawState {
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

impl Relayed for DrawState {
    fn len_after(&self, rows: usize) -> usize {
        4 + self.pilot_sizes.partition_point(|&n| n <= rows)
    }

    fn numbers(&self) -> Vec<f64> {
        let (prefix, moments) = (self.prefix.state(), self.moments.state());
        prefix.into_iter().chain(moments).chain(self.pilots.iter().copied()).collect()
    }

    fn go_on(&mut self, rows: usize, numbers: &[f64]) {
        self.prefix = PrefixMean::at(self.step, rows, [numbers[0], numbers[1]]);
        self.moments = Moments::at(rows, [numbers[2], numbers[3]]);
        self.pilots = numbers[4..].to_vec();
    }
}

/// Means over the draws of many values at once, with the standard error that their groups give.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) sampling: Sampling,
    /// the first of the values, as they are counted over all samples
    first: usize,
    sum: Vec<f64>,
    /// of the means of groups that are whole
    sum_of_squares: Vec<f64>,
    /// the first half of a pair, or a row for each replicate
    open: Array2<f64>,
}

impl Means {
    fn new(sampling: Sampling, places: Range<usize>) -> Self {
        let (first, n) = (places.start, places.len());
        let open = match sampling {
            Sampling::Plain => 0,
            Sampling::Antithetic => 1,
            Sampling::Sobol => REPLICATES,
        };
        let open = Array2::zeros((open, n));
        Self { sampling, first, sum: vec![0.0; n], sum_of_squares: vec![0.0; n], open }
    }

    /// The values of draw t from place `begin` on. Draws of a pair follow each other.
    fn add(&mut self, t: usize, begin: usize, values: &[f64]) {
        let begin = begin - self.first;
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
    pub(super) fn finish(&self, t: usize) -> (Array1<f64>, Array1<f64>) {
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

/// Sums over the draws of what belongs to samples: those of one process.
#[derive(Clone)]
pub(crate) struct SampleSums {
    step: usize,
    pub(super) pilot_sizes: Arc<[usize]>,
    pub(super) samples: Range<usize>,
    pub(super) change: Means,
    pub(super) deviation: Means,
    /// ℓ_i
    pub(super) loss: Vec<f64>,
    /// ℓ_i at the first draw, around which squares are summed
    pub(super) origin: Vec<f64>,
    pub(super) squares: Vec<f64>,
}

impl SampleSums {
    /// Nothing drawn yet, for some of the samples.
    pub(crate) fn new(samples: Range<usize>, step: usize, sampling: Sampling, pilot_sizes: &[usize]) -> Self {
        let places = completed(samples.start, step)..completed(samples.end, step);
        // The first sample of all adds nothing and has no place among the deviations.
        let deviations = samples.start.max(1) - 1..samples.end.max(1) - 1;
        let n = samples.len();
        Self {
            step,
            pilot_sizes: pilot_sizes.into(),
            samples,
            change: Means::new(sampling, places),
            deviation: Means::new(sampling, deviations),
            loss: vec![0.0; n],
            origin: vec![0.0; n],
            squares: vec![0.0; n],
        }
    }

    /// More draws with their weights, of which the first is draw `before`, where several processes share the samples. Each process
    /// adds to its own sums; the first gets the states of all draws after all samples.
    pub(crate) fn add_shared<R: Real>(
        &mut self,
        draws: &Draws<R>,
        theta: ArrayView2<f64>,
        (before, weights): (usize, &[f64]),
    ) -> Vec<DrawState> {
        let mut states = self.next_draws(before, weights);
        draws.relay(theta, &mut states, &mut |states: &mut [DrawState], range: Range<usize>| {
            self.add_block(states, &range);
        });
        states
    }

    pub(super) fn next_draws(&self, before: usize, weights: &[f64]) -> Vec<DrawState> {
        let new = |(t, &weight)| DrawState {
            t: before + t,
            weight,
            step: self.step,
            prefix: PrefixMean::new(self.step),
            moments: Moments::default(),
            squares: vec![],
            added: vec![],
            losses: vec![],
            pilot_sizes: Arc::clone(&self.pilot_sizes),
            pilots: vec![],
        };
        weights.iter().enumerate().map(new).collect()
    }

    /// What the draws in hand say of the samples of `range`.
    pub(super) fn add_block(&mut self, states: &[DrawState], range: &Range<usize>) {
        // Prefix k is completed by sample k + s: the first of this block follows from where it ends.
        let begin = completed(range.end, self.step) - states[0].squares.len();
        let skipped = usize::from(range.start == 0);
        let own = range.start - self.samples.start..range.end - self.samples.start;
        for state in states {
            self.change.add(state.t, begin, &state.squares);
            self.deviation.add(state.t, range.start + skipped - 1, &state.added[skipped..]);
            let sums = &mut self.loss[own.clone()];
            sums.iter_mut().zip(&state.losses).for_each(|(sum, loss)| *sum += loss);
            let origin = &mut self.origin[own.clone()];
            if state.t == 0 {
                origin.copy_from_slice(&state.losses);
            }
            let squares = self.squares[own.clone()].iter_mut().zip(&state.losses).zip(origin);
            squares.for_each(|((sum, loss), origin)| *sum += (loss - *origin) * (loss - *origin));
        }
    }

    /// All sums by name, in C order.
    pub(super) fn arrays(&self) -> [(&'static str, &[f64]); 9] {
        [
            ("change.sum", &self.change.sum),
            ("change.sum_of_squares", &self.change.sum_of_squares),
            ("change.open", self.change.open.as_slice().expect("C order")),
            ("deviation.sum", &self.deviation.sum),
            ("deviation.sum_of_squares", &self.deviation.sum_of_squares),
            ("deviation.open", self.deviation.open.as_slice().expect("C order")),
            ("sample_loss", &self.loss),
            ("origin", &self.origin),
            ("sample_squares", &self.squares),
        ]
    }

    /// The same, with as many columns as places, to be overwritten.
    pub(super) fn arrays_mut(&mut self) -> [ArrayViewMut2<'_, f64>; 9] {
        fn row(values: &mut [f64]) -> ArrayViewMut2<'_, f64> {
            ArrayViewMut2::from_shape((1, values.len()), values).expect("one row")
        }
        [
            row(&mut self.change.sum),
            row(&mut self.change.sum_of_squares),
            self.change.open.view_mut(),
            row(&mut self.deviation.sum),
            row(&mut self.deviation.sum_of_squares),
            self.deviation.open.view_mut(),
            row(&mut self.loss),
            row(&mut self.origin),
            row(&mut self.squares),
        ]
    }

    /// Sends them to another process, which knows how many they are.
    pub(crate) fn send(&self, team: &dyn Team, to: usize) {
        self.arrays().iter().for_each(|(_, values)| team.send_values(to, values));
    }

    /// Receives them.
    pub(crate) fn receive(&mut self, team: &dyn Team, from: usize) {
        for mut array in self.arrays_mut() {
            team.receive_values(from, array.as_slice_mut().expect("C order"));
        }
    }

    /// Copies between these and those of `part`, whose samples are some of these: into the first array or into the second.
    pub(super) fn exchange(
        &mut self,
        part: &mut Self,
        copy: impl Fn(ArrayViewMut2<f64>, ArrayViewMut2<f64>),
    ) {
        let places = |means: &Means| means.first..means.first + means.sum.len();
        let (change, deviation) = (places(&part.change), places(&part.deviation));
        let samples = part.samples.clone();
        for (i, (mut own, other)) in self.arrays_mut().into_iter().zip(part.arrays_mut()).enumerate() {
            let columns = [&change, &deviation, &samples][i / 3].clone();
            copy(own.slice_mut(s![.., columns]), other);
        }
    }

    /// Nothing drawn yet, for other samples.
    pub(super) fn like(&self, samples: Range<usize>) -> Self {
        Self::new(samples, self.step, self.change.sampling, &self.pilot_sizes)
    }
}

/// How many prefixes the first `n` samples complete.
fn completed(n: usize, step: usize) -> usize {
    (n / step).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_the_error_of_their_groups() {
        let value = |t: usize, i: usize| ((t * 7 + i * i) as f64 * 0.9).sin() + 2.0;
        let (draws, n) = (64, 5);
        for sampling in [Sampling::Plain, Sampling::Antithetic, Sampling::Sobol] {
            let mut means = Means::new(sampling, 0..n);
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
