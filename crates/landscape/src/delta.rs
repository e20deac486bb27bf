//! Δ_k by Monte Carlo for all prefixes from one pass, landscapes, and the average of Δ_k over orders.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2};

use crate::Real;
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

/// The order average `V (1/k − 1/(k+s))` at each prefix size.
pub fn order_average(v: f64, sizes: &[usize], step: usize) -> Array1<f64> {
    sizes.iter().map(|&k| v * order_factor(k, step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix::orders;

    fn variance(values: &[f64]) -> f64 {
        let mut moments = Moments::default();
        for &v in values {
            moments.push(v);
        }
        moments.variance()
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
            let closed = order_average(variance(&values), &sizes, step);
            for (found, closed) in mean.iter().zip(&closed) {
                // 720 additions of one sign.
                assert!(
                    (found / closed - 1.0).abs() <= 720.0 * f64::EPSILON,
                    "step {step}: {found} {closed}"
                );
            }
        }
    }
}
