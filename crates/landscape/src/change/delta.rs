//! `Δ_k = E_θ (L_{k+s} − L_k)²` by Monte Carlo, for all prefixes k from one pass over the samples per draw.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, s};
use team::Team;

use crate::change::interval::{self, Components, Estimate, TwoPhases};
use crate::change::prefix::{Moments, PrefixMean, prefix_sizes};
use crate::change::sampling::{REPLICATES, Sampling};
use crate::numeric::orders::{Task, order};
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink, Relayed, TAKEN_AT_ONCE};

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

/// One draw on its way through the samples.
#[derive(Clone)]
pub(crate) struct DrawState {
    /// number of the draw
    t: usize,
    /// what everything of it is multiplied with
    weight: f64,
    step: usize,
    prefix: PrefixMean,
    moments: Moments,
    /// D² of the prefixes that the last block of samples completed
    squares: Vec<f64>,
    /// what each sample of the last block added to the sum of squared deviations
    added: Vec<f64>,
    /// the losses of the last block
    losses: Vec<f64>,
    pilot_sizes: Arc<[usize]>,
    /// S² at the pilot sizes so far
    pilots: Vec<f64>,
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
struct Means {
    sampling: Sampling,
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

/// Sums over the draws of what belongs to samples: those of one process.
#[derive(Clone)]
pub(crate) struct SampleSums {
    step: usize,
    pilot_sizes: Arc<[usize]>,
    samples: Range<usize>,
    change: Means,
    deviation: Means,
    /// ℓ_i
    loss: Vec<f64>,
    /// ℓ_i at the first draw, around which squares are summed
    origin: Vec<f64>,
    squares: Vec<f64>,
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

    fn next_draws(&self, before: usize, weights: &[f64]) -> Vec<DrawState> {
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
    fn add_block(&mut self, states: &[DrawState], range: &Range<usize>) {
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
    fn arrays(&self) -> [(&'static str, &[f64]); 9] {
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
    fn arrays_mut(&mut self) -> [ArrayViewMut2<'_, f64>; 9] {
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
    fn exchange(&mut self, part: &mut Self, copy: impl Fn(ArrayViewMut2<f64>, ArrayViewMut2<f64>)) {
        let places = |means: &Means| means.first..means.first + means.sum.len();
        let (change, deviation) = (places(&part.change), places(&part.deviation));
        let samples = part.samples.clone();
        for (i, (mut own, other)) in self.arrays_mut().into_iter().zip(part.arrays_mut()).enumerate() {
            let columns = [&change, &deviation, &samples][i / 3].clone();
            copy(own.slice_mut(s![.., columns]), other);
        }
    }

    /// Nothing drawn yet, for other samples.
    fn like(&self, samples: Range<usize>) -> Self {
        Self::new(samples, self.step, self.change.sampling, &self.pilot_sizes)
    }
}

/// How many prefixes the first `n` samples complete.
fn completed(n: usize, step: usize) -> usize {
    (n / step).saturating_sub(1)
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
