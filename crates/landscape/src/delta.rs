//! Δ_k: by Monte Carlo for all prefixes from one pass, its average over orders, and the four theories.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

use crate::Real;
use crate::curvature::SampleDerivatives;
use crate::draws::{Draws, LossSink};
use crate::prefix::{Moments, PrefixMean, order_factor, prefix_sizes};

/// Δ_k for every prefix size from one pass per draw, with what the draws say of its uncertainty.
#[derive(Clone, Debug)]
pub struct MonteCarlo {
    /// k, samples, (n,)
    pub prefix_sizes: Vec<usize>,
    /// `Δ_k = mean_t D_k(θ_t)²`, (n,), nats²
    pub delta: Array1<f64>,
    /// standard error of that mean over the draws, (n,), nats²
    pub standard_error: Array1<f64>,
    /// `S²(θ_t)`: variance of ℓ_i over the samples (N − 1), (T,), nats²
    pub loss_variance: Array1<f64>,
    /// `L_N(θ_t)`, (T,), nats
    pub mean_loss: Array1<f64>,
}

/// One draw on its way through the samples.
struct DrawState {
    prefix: PrefixMean,
    moments: Moments,
    /// D² of the prefixes that the last block of samples completed
    squares: Vec<f64>,
}

impl LossSink for DrawState {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        self.squares.clear();
        for &loss in losses {
            self.moments.push(loss);
            self.squares.extend(self.prefix.push(loss).map(|i| i.change * i.change));
        }
    }
}

/// Monte-Carlo estimate of `Δ_k = E_θ (L_{k+s} − L_k)²` over the draws `theta` (T, d), for all k at once.
///
/// Memory is O(T + N): squares of one block of samples are kept at a time. `done` is told of sample-draw pairs.
pub fn monte_carlo<R: Real>(
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    done: &mut impl FnMut(usize),
) -> MonteCarlo {
    let sizes = prefix_sizes(draws.samples.len(), step);
    let (mut sum, mut sum_of_squares) =
        (Array1::<f64>::zeros(sizes.len()), Array1::<f64>::zeros(sizes.len()));
    let new = |_| DrawState { prefix: PrefixMean::new(step), moments: Moments::default(), squares: vec![] };
    let mut states = (0..theta.nrows()).map(new).collect::<Vec<_>>();
    draws.evaluate(theta, &mut states, &mut |states: &mut [DrawState], range: Range<usize>| {
        // Prefix k is completed by sample k + s: the first of this block follows from where it ends.
        let completed = states[0].squares.len();
        let begin = (range.end / step).saturating_sub(1).min(sizes.len()) - completed;
        for state in states.iter() {
            for (i, &square) in state.squares.iter().enumerate() {
                sum[begin + i] += square;
                sum_of_squares[begin + i] += square * square;
            }
        }
        done(range.len() * states.len());
    });
    let t = theta.nrows() as f64;
    let delta = sum / t;
    let standard_error = (0..sizes.len()).map(|i| {
        let variance = (sum_of_squares[i] / t - delta[i] * delta[i]).max(0.0) * t / (t - 1.0);
        (variance / t).sqrt()
    });
    MonteCarlo {
        standard_error: standard_error.collect(),
        prefix_sizes: sizes,
        delta,
        loss_variance: states.iter().map(|s| s.moments.variance()).collect(),
        mean_loss: states.iter().map(|s| s.moments.mean()).collect(),
    }
}

/// `L_k` and `(L_{k+s} − L_k)²` at given θ and prefix sizes: a landscape, if the θ lie on a lattice.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// `L_k(θ_t)`, (m, T), nats
    pub loss: Array2<f64>,
    /// `(L_{k+s} − L_k)²`, (m, T), nats²
    pub change: Array2<f64>,
}

struct PointState<'a> {
    prefix: PrefixMean,
    wanted: &'a [usize],
    found: Vec<(f64, f64)>,
}

impl LossSink for PointState<'_> {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        for increment in losses.iter().filter_map(|&loss| self.prefix.push(loss)) {
            if self.wanted.get(self.found.len()) == Some(&increment.k) {
                self.found.push((increment.mean, increment.change * increment.change));
            }
        }
    }
}

/// The landscape at the points `theta` (T, d) for the prefix sizes `wanted`: ascending, multiples of `step`, each with k + s ≤ N.
pub fn landscape<R: Real>(
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    wanted: &[usize],
    done: &mut impl FnMut(usize),
) -> Landscape {
    let new = |_| PointState { prefix: PrefixMean::new(step), wanted, found: vec![] };
    let mut states = (0..theta.nrows()).map(new).collect::<Vec<_>>();
    draws.evaluate(theta, &mut states, &mut |states: &mut [PointState], range: Range<usize>| {
        done(range.len() * states.len());
    });
    let shape = (wanted.len(), states.len());
    Landscape {
        loss: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].0),
        change: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].1),
    }
}

/// `σ⁴/4 (2Σδ_i² + (Σδ_i)²)` (Theorem 1 as printed): δ_i the change of the i-th eigenvalue, or of the i-th diagonal entry.
pub fn theory_diagonal(increments: ArrayView1<f64>, sigma: f64) -> f64 {
    let squares = increments.dot(&increments);
    sigma.powi(4) / 4.0 * (2.0 * squares + increments.sum().powi(2))
}

/// `σ⁴/4 (2‖A‖_F² + (tr A)²)` (Theorem 1 as its proof, A.1, derives it) for symmetric `a` (d, d).
pub fn theory_quadratic(a: ArrayView2<f64>, sigma: f64) -> f64 {
    let frobenius: f64 = a.iter().map(|x| x * x).sum();
    sigma.powi(4) / 4.0 * (2.0 * frobenius + a.diag().sum().powi(2))
}

/// `quadratic + σ²‖g‖² + c² + c σ² tr A`: exact for `c + g·θ + ½ θᵀAθ`, θ ~ N(0, σ² I).
pub fn theory_second_order(c: f64, g: ArrayView1<f64>, a: ArrayView2<f64>, sigma: f64) -> f64 {
    theory_quadratic(a, sigma) + sigma.powi(2) * g.dot(&g) + c * c + c * sigma.powi(2) * a.diag().sum()
}

/// Theory for every prefix, from running means of per-sample projections (design 3.3).
#[derive(Clone, Debug)]
pub struct TheoryCurves {
    /// Theorem 1 with Λ taken as diagonal in one fixed basis, (n,), nats²
    pub diagonal: Array1<f64>,
    /// Theorem 1 as its proof derives it, (n,), nats²
    pub quadratic: Array1<f64>,
    /// without Assumptions 1 and 2, (n,), nats²
    pub second_order: Array1<f64>,
}

/// The three theory curves of one fixed basis for the first `dim` directions and each σ of `sigmas`.
pub fn theory_curves(
    samples: &SampleDerivatives,
    dim: usize,
    sigmas: &[f64],
    step: usize,
) -> Vec<TheoryCurves> {
    let n = prefix_sizes(samples.loss.len(), step).len();
    let empty = TheoryCurves {
        diagonal: Array1::zeros(n),
        quadratic: Array1::zeros(n),
        second_order: Array1::zeros(n),
    };
    let mut curves = vec![empty; sigmas.len()];
    let mut running = vec![PrefixMean::new(step); 1 + dim + dim * dim];
    let mut increments = vec![0.0; running.len()];
    let mut row = 0;
    for i in 0..samples.loss.len() {
        let mut complete = false;
        for ((running, increment), value) in
            running.iter_mut().zip(&mut increments).zip(projections(samples, dim, i))
        {
            if let Some(found) = running.push(value) {
                *increment = found.change;
                complete = true;
            }
        }
        if !complete {
            continue;
        }
        let g = ArrayView1::from(&increments[1..=dim]);
        let a = ArrayView2::from_shape((dim, dim), &increments[1 + dim..]).expect("d² values");
        for (curve, &sigma) in curves.iter_mut().zip(sigmas) {
            curve.diagonal[row] = theory_diagonal(a.diag(), sigma);
            curve.quadratic[row] = theory_quadratic(a, sigma);
            curve.second_order[row] = theory_second_order(increments[0], g, a, sigma);
        }
        row += 1;
    }
    curves
}

/// `(c_i, g_i, h_i)` flat.
fn projections(samples: &SampleDerivatives, dim: usize, i: usize) -> impl Iterator<Item = f64> {
    let slope = samples.slope.slice(s![i, ..dim]).into_iter().copied();
    let curvature = samples.curvature.slice(s![i, ..dim, ..dim]).into_iter().copied();
    std::iter::once(samples.loss[i]).chain(slope).chain(curvature)
}

/// V of the order average `V (1/k − 1/(k+s))` for the theories of one fixed basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheoryVariances {
    /// of `diagonal`
    pub diagonal: f64,
    /// of `quadratic`
    pub quadratic: f64,
    /// of `second-order`
    pub second_order: f64,
}

/// The order averages of the theories: `E_order` of a product of running-mean differences is the sample covariance of
/// the two times `(1/k − 1/(k+s))` (design 3.3).
pub fn theory_variances(samples: &SampleDerivatives, dim: usize, sigma: f64) -> TheoryVariances {
    let h = samples.curvature.slice(s![.., ..dim, ..dim]);
    let trace = |of: ArrayView2<f64>| of.diag().sum();
    let traces = h.outer_iter().map(trace).collect::<Array1<f64>>();
    let entries = entry_variances(h);
    let slopes: f64 = samples.slope.slice(s![.., ..dim]).axis_iter(Axis(1)).map(variance).sum();
    let quartic = |squares: f64| sigma.powi(4) / 4.0 * (2.0 * squares + variance(traces.view()));
    let quadratic = quartic(entries.sum());
    TheoryVariances {
        diagonal: quartic(entries.diag().sum()),
        quadratic,
        second_order: quadratic
            + sigma.powi(2) * slopes
            + variance(samples.loss.view())
            + sigma.powi(2) * covariance(samples.loss.view(), traces.view()),
    }
}

fn entry_variances(h: ArrayView3<f64>) -> Array2<f64> {
    let (_, d, _) = h.dim();
    let flat =
        (0..d * d).into_par_iter().map(|ij| variance(h.slice(s![.., ij / d, ij % d]))).collect::<Vec<_>>();
    Array2::from_shape_vec((d, d), flat).expect("d² values")
}

/// Sample variance (n − 1).
pub fn variance(x: ArrayView1<f64>) -> f64 {
    covariance(x, x)
}

/// Sample covariance (n − 1), in two passes.
pub fn covariance(x: ArrayView1<f64>, y: ArrayView1<f64>) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.sum() / n, y.sum() / n);
    x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (n - 1.0)
}

/// The order average `V (1/k − 1/(k+s))` at each prefix size.
pub fn order_average(v: f64, sizes: &[usize], step: usize) -> Array1<f64> {
    sizes.iter().map(|&k| v * order_factor(k, step)).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// Every order of `0..n`.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let shorter = orders(n - 1);
        let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[n - 1], &order[at..]].concat();
        shorter.iter().flat_map(|order| (0..n).map(move |at| insert(order, at))).collect()
    }

    fn squares(values: &[f64], order: &[usize], step: usize) -> Vec<f64> {
        let mut running = PrefixMean::new(step);
        order.iter().filter_map(|&i| running.push(values[i])).map(|i| i.change * i.change).collect()
    }

    #[test]
    fn the_order_average_is_the_mean_over_all_720_orders_of_six_samples() {
        let values = [0.3, -1.2, 2.5, 0.9, 7.0, -0.4];
        for step in [1, 2, 3] {
            let sizes = prefix_sizes(6, step);
            let all = orders(6);
            assert_eq!(all.len(), 720);
            let mut mean = vec![0.0; sizes.len()];
            for order in &all {
                squares(&values, order, step).iter().zip(&mut mean).for_each(|(d, m)| *m += d / 720.0);
            }
            let closed = order_average(variance(ArrayView1::from(&values)), &sizes, step);
            for (found, closed) in mean.iter().zip(&closed) {
                // 720 additions of one sign.
                assert!(
                    (found / closed - 1.0).abs() <= 720.0 * f64::EPSILON,
                    "step {step}: {found} {closed}"
                );
            }
        }
    }

    #[test]
    fn theories_average_over_all_orders_to_their_closed_forms() {
        // d = 2, N = 5: all 120 orders of per-sample values, slopes and curvatures.
        let n = 5;
        let wave = |i: usize| ((i * i + 1) as f64 * 0.61).sin();
        let mut curvature =
            Array3::from_shape_fn((n, 2, 2), |(i, a, b)| wave(7 * i + 3 * a.max(b) + a.min(b)));
        curvature[[1, 0, 0]] += 2.0;
        let samples = SampleDerivatives {
            loss: Array1::from_shape_fn(n, |i| wave(i + 40)),
            slope: Array2::from_shape_fn((n, 2), |(i, a)| wave(2 * i + a + 90)),
            curvature,
        };
        let (sigma, step) = (0.7, 2);
        let mut mean = vec![[0.0; 3]; prefix_sizes(n, step).len()];
        for order in orders(n) {
            let reordered = SampleDerivatives {
                loss: samples.loss.select(Axis(0), &order),
                slope: samples.slope.select(Axis(0), &order),
                curvature: samples.curvature.select(Axis(0), &order),
            };
            let curves = theory_curves(&reordered, 2, &[sigma], step).remove(0);
            for (k, mean) in mean.iter_mut().enumerate() {
                let row = [curves.diagonal[k], curves.quadratic[k], curves.second_order[k]];
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / 120.0);
            }
        }
        let v = theory_variances(&samples, 2, sigma);
        for (mean, k) in mean.iter().zip(prefix_sizes(n, step)) {
            for (found, v) in mean.iter().zip([v.diagonal, v.quadratic, v.second_order]) {
                let closed = v * order_factor(k, step);
                assert!((found / closed - 1.0).abs() <= 1e-12, "{found} {closed}");
            }
        }
    }

    #[test]
    fn theory_is_the_second_moment_of_a_quadratic_form() {
        let (c, g) = (0.4, array![0.5, -1.1, 0.2]);
        let a = array![[2.0, 0.7, 0.0], [0.7, -1.5, 0.3], [0.0, 0.3, 0.1]];
        let (sigma, draws) = (0.8, 40_000);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut second_order = Moments::default();
        let mut quadratic = Moments::default();
        for _ in 0..draws {
            let theta = Array1::from_shape_fn(3, |_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                sigma * z
            });
            let form = 0.5 * theta.dot(&a.dot(&theta));
            quadratic.push(form * form);
            second_order.push((c + g.dot(&theta) + form).powi(2));
        }
        let expected = [
            (quadratic, theory_quadratic(a.view(), sigma)),
            (second_order, theory_second_order(c, g.view(), a.view(), sigma)),
        ];
        for (moments, theory) in expected {
            // One look at one seed: four standard errors, here 3 % of the value; the diagonal alone is 15 % off.
            let standard_error = (moments.variance() / f64::from(draws)).sqrt();
            assert!(standard_error < 0.02 * theory, "{standard_error} {theory}");
            assert!((moments.mean() - theory).abs() <= 4.0 * standard_error, "{} {theory}", moments.mean());
        }
        let off = theory_diagonal(a.diag(), sigma) / theory_quadratic(a.view(), sigma);
        assert!(off < 0.9, "{off}");
    }
}
