//! One run: an order of the samples, first weights and draws of its own; the three rules look on.

use std::collections::VecDeque;

use landscape::change::fresh::{SeenAndFresh, limit, upper_limit};
use landscape::change::prefix::{Moments, order_factor};
use landscape::network::initialisation::first_weights;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::passes::draws::{Draws, LossSink};
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::ritz::{EigenRequest, Which};
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::{Stream, Train};

/// The rules, in the order of every array.
///
/// `first-crossing`: one noisy value of Δ is below the tolerance. The others hold an upper limit against it: `limit` that of V
/// over the samples at hand, as if it were looked at once; `limit-anytime` the same with the doubt shared among all looks;
/// `limit-fresh` one over samples that training had not seen.
pub const RULES: [&str; 4] = ["first-crossing", "limit", "limit-anytime", "limit-fresh"];

/// The rule that ends a run.
pub const ENDS: usize = 2;

/// Columns of the trajectory: Δ values in loss², V in loss².
pub const COLUMNS: [&str; 8] = [
    "k",
    "delta_once",
    "variance",
    "variance_upper",
    "delta_upper",
    "anytime_delta_upper",
    "fresh_delta_upper",
    "train_loss",
];

/// Confidence of look j = 1, 2, …, such that all looks together err no more often than one: the doubt of look j is that of one
/// times `6/(π j)²`, and these sum to 1 (union bound).
fn confidence_of_look(confidence: f64, look: usize) -> f64 {
    1.0 - (1.0 - confidence) * 6.0 / (std::f64::consts::PI * look as f64).powi(2)
}

/// Memory for perturbed weights; far more than small networks need.
const WEIGHTS_BYTES: usize = 320 << 20;

/// What all runs share.
pub struct Subject<'a> {
    pub params: &'a Stream,
    pub train: &'a Train,
    pub network: &'a Network,
    pub samples: &'a Samples,
}

/// Where a rule stopped.
pub struct Stop {
    /// samples that had come
    pub k: usize,
    /// Δ there, loss²
    pub truth: f64,
}

/// A run in progress, and what came of it.
pub struct Run<'a, R> {
    subject: &'a Subject<'a>,
    samples: Samples,
    seed: u64,
    w: Array1<R>,
    stepper: Stepper<R>,
    rng: ChaCha20Rng,
    /// θ of the rules, (T, d)
    theta: Array2<f64>,
    basis: Array2<R>,
    /// samples behind the basis
    basis_k: usize,
    /// mean over the draws of (ℓ_i − L_k)² of the newest samples, before they were trained on
    window: VecDeque<f64>,
    /// by rule
    pub stops: Vec<Option<Stop>>,
    /// a row of [`COLUMNS`] an arrival
    pub trajectory: Vec<[f64; 8]>,
    /// where the rule that ends it stopped, or at the end of the samples, (p,)
    pub w_stop: Array1<R>,
}

/// The losses of one draw, as they come.
#[derive(Default)]
struct Losses(Vec<f64>);

impl LossSink for Losses {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        self.0.extend_from_slice(losses);
    }
}

impl<'a, R: Real> Run<'a, R> {
    /// Before anything has come. Order, first weights and draws follow from `seed`.
    pub fn new(subject: &'a Subject<'a>, seed: u64) -> Self {
        let p = subject.params;
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut order = (0..subject.samples.len()).collect::<Vec<_>>();
        order.shuffle(&mut rng);
        let samples = experiment::gather::<R>(subject.samples, &order);
        let w = first_weights::<R>(subject.network, subject.train.initialisation, seed);
        Self {
            subject,
            samples,
            seed,
            w_stop: w.clone(),
            stepper: Stepper::new(subject.train.optimizer, subject.network.n_params()),
            w,
            rng,
            theta: gaussian_rows(seed.wrapping_add(1 << 32), p.draws, p.dim) * p.sigma,
            basis: Array2::zeros((0, subject.network.n_params())),
            basis_k: 0,
            window: VecDeque::new(),
            stops: RULES.iter().map(|_| None).collect(),
            trajectory: vec![],
        }
    }

    /// Lets samples arrive until every rule has stopped or none are left.
    pub fn finish(mut self) -> Self {
        let p = self.subject.params;
        let mut k = p.first;
        self.train(k, p.first_epochs);
        while k + p.batch <= self.samples.len() && self.stops.iter().any(Option::is_none) {
            self.refresh_basis(k);
            self.look(k);
            k += p.batch;
            let loss = self.train(k, p.epochs);
            if let Some(row) = self.trajectory.last_mut() {
                row[7] = loss;
            }
        }
        if self.stops[ENDS].is_none() {
            self.w_stop.assign(&self.w);
        }
        self
    }

    /// Passes over the first k samples; the mean loss of the last.
    fn train(&mut self, k: usize, epochs: usize) -> f64 {
        let subject = self.subject;
        let mut rows = (0..k).collect::<Vec<_>>();
        let mut loss = f64::NAN;
        for _ in 0..epochs {
            rows.shuffle(&mut self.rng);
            let batch = subject.train.batch_size;
            loss = epoch(
                subject.network,
                &mut self.w,
                &mut self.stepper,
                &self.samples,
                &rows,
                batch,
                &mut |_| (),
            )
            .loss;
        }
        loss
    }

    /// The top directions of `H_k(w)`, if the samples have grown enough since they were last found.
    fn refresh_basis(&mut self, k: usize) {
        let p = self.subject.params;
        if (k as f64) < self.basis_k as f64 * p.basis_growth {
            return;
        }
        let sum = HessianSum::new(self.subject.network, self.w.view(), &self.samples, 0);
        let hessian = PrefixHessian { sum: &sum, k, kind: SecondOrder::Hessian };
        let request = EigenRequest {
            dim: p.dim,
            which: Which::LargestAlgebraic,
            residual_tolerance: p.residual_tolerance,
            miss_probability: 1.0,
            max_subspace: (4 * p.dim).max(20),
            max_products: (20 * p.dim).max(200),
            seed: self.seed,
        };
        self.basis = lanczos(&hessian, &request, &mut |_| ()).vectors;
        self.basis_k = k;
    }

    fn draws<'b>(&'b self, samples: &'b Samples) -> Draws<'b, R> {
        Draws {
            network: self.subject.network,
            w: self.w.view(),
            basis: self.basis.view(),
            samples,
            weights_bytes: WEIGHTS_BYTES,
        }
    }

    /// At k samples, when the next batch has come and has not been trained on: what the rules see.
    fn look(&mut self, k: usize) {
        let p = self.subject.params;
        let (t, s) = (p.draws, p.batch);
        let seen_and_next = self.samples.first(k + s);
        let mut losses = (0..t).map(|_| Losses::default()).collect::<Vec<_>>();
        self.draws(&seen_and_next).evaluate(self.theta.view(), &mut losses, &mut |_, _| ());
        let means = losses.iter().map(|l| l.0[..k].iter().sum::<f64>() / k as f64).collect::<Array1<f64>>();
        let squares = Array2::from_shape_fn((t, k + s), |(t, i)| (losses[t].0[i] - means[t]).powi(2));
        let (seen, fresh) = squares.view().split_at(Axis(1), k);

        // The one noisy value: (L_{k+s} − L_k)² of the batch that came, mean over the draws.
        let change = |t: usize| {
            let next = losses[t].0[k..].iter().sum::<f64>() / s as f64;
            ((next - means[t]) * s as f64 / (k + s) as f64).powi(2)
        };
        let once = (0..t).map(change).sum::<f64>() / t as f64;

        // V of the samples at hand (N − 1 in the denominator).
        let unbiased = k as f64 / (k as f64 - 1.0);
        let variance = limit((&seen * unbiased).view(), p.confidence);
        let factor = order_factor(k, s);
        let look = confidence_of_look(p.confidence, self.trajectory.len() + 1);
        let anytime = upper_limit(variance.variance, variance.standard_error, t.min(k), look);

        // V of samples that training had not seen, over the window; the draws' share of the error is that of V itself.
        self.window.extend(fresh.mean_axis(Axis(0)).expect("at least two draws"));
        while self.window.len() > p.window {
            self.window.pop_front();
        }
        let mut moments = Moments::default();
        for &x in &self.window {
            moments.push(x);
        }
        let rows = seen.mean_axis(Axis(1)).expect("at least two samples");
        let of_draws = rows.std(1.0) / (t as f64).sqrt() / variance.variance * moments.mean();
        let n = self.window.len();
        let fresh_error = (of_draws.powi(2) + moments.variance() / n as f64).sqrt();
        let full = n == p.window;
        let fresh_upper = if full {
            upper_limit(moments.mean(), fresh_error, t.min(n), p.confidence) * factor
        } else {
            f64::INFINITY
        };

        let seen_by_rules = [once, variance.upper * factor, anytime * factor, fresh_upper];
        self.trajectory.push([
            k as f64,
            once,
            variance.variance,
            variance.upper,
            seen_by_rules[1],
            seen_by_rules[2],
            seen_by_rules[3],
            f64::NAN,
        ]);
        if seen_by_rules.iter().zip(&self.stops).any(|(delta, stop)| stop.is_none() && *delta < p.tolerance) {
            let truth = self.truth(k);
            for (rule, (stop, delta)) in self.stops.iter_mut().zip(seen_by_rules).enumerate() {
                if stop.is_none() && delta < p.tolerance {
                    *stop = Some(Stop { k, truth });
                    if rule == ENDS {
                        self.w_stop.assign(&self.w);
                    }
                }
            }
        }
    }

    /// `E_θ E (L_{k+s} − L_k)²` over the samples that have not come, with draws of its own, loss².
    fn truth(&self, k: usize) -> f64 {
        let p = self.subject.params;
        let theta = gaussian_rows(self.seed.wrapping_add(2 << 32), p.truth_draws, p.dim) * p.sigma;
        let mut sinks = (0..p.truth_draws).map(|_| SeenAndFresh::new(k)).collect::<Vec<_>>();
        self.draws(&self.samples).evaluate(theta.view(), &mut sinks, &mut |_, _| ());
        let n_fresh = self.samples.len() - k;
        sinks.iter().map(|s| s.expected_square(p.batch, n_fresh)).sum::<f64>() / p.truth_draws as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doubt_of_all_looks_is_that_of_one() {
        let doubt: f64 = (1..=100_000).map(|look| 1.0 - confidence_of_look(0.95, look)).sum();
        // The rest of the sum beyond j is 6/π² · 0.05/j.
        assert!(doubt < 0.05 && doubt > 0.05 - 1e-6, "{doubt}");
    }
}
