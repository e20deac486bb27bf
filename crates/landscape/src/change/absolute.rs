//! The absolute change of the mean loss at one point, over orders of the samples.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

use crate::change::prefix::PrefixMean;

/// Mean of `|L_{k+s} − L_k|` over `orders` of the losses ℓ_i (N,) at one point, at each of `sizes`; in the unit of the loss.
///
/// Meshkov et al. (2024) draw it at w*. `sizes` ascend, are multiples of the step s, and k + s ≤ N. Costs N additions an order.
pub fn mean_absolute_change(
    losses: &[f64],
    step: usize,
    sizes: &[usize],
    orders: impl IntoIterator<Item = Vec<usize>>,
) -> Vec<f64> {
    let (mut sums, mut n_orders) = (vec![0.0; sizes.len()], 0.0);
    for order in orders {
        let (mut mean, mut at) = (PrefixMean::new(step), 0);
        for increment in order.into_iter().filter_map(|i| mean.push(losses[i])) {
            if sizes.get(at) == Some(&increment.k) {
                sums[at] += increment.change.abs();
                at += 1;
            }
        }
        n_orders += 1.0;
    }
    sums.into_iter().map(|sum| sum / n_orders).collect()
}

/// `count` random orders of `n` samples.
pub fn random_orders(n: usize, count: usize, seed: u64) -> impl Iterator<Item = Vec<usize>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(move |_| {
        let mut order = (0..n).collect::<Vec<_>>();
        order.shuffle(&mut rng);
        order
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::prefix::orders;

    /// Over all 24 orders of 0, 1, 3, 8: |L_2 − L_1| = |a − b| / 2, of mean 26 / 6 / 2; |L_4 − L_3| = |12 − 4 d| / 12 with d the
    /// last, of mean (12 + 8 + 0 + 20) / 12 / 4.
    #[test]
    fn all_orders_give_the_exact_mean() {
        let values = [0.0, 1.0, 3.0, 8.0];
        let found = mean_absolute_change(&values, 1, &[1, 3], orders(4));
        assert!((found[0] - 13.0 / 6.0).abs() < 1e-14 && (found[1] - 40.0 / 48.0).abs() < 1e-14, "{found:?}");
        // In steps of two: |(c + d) − (a + b)| / 4, of mean (10 + 6 + 4) / 3 / 4.
        let found = mean_absolute_change(&values, 2, &[2], orders(4));
        assert!((found[0] - 20.0 / 12.0).abs() < 1e-14, "{found:?}");
    }

    /// Losses of a normal distribution: E|L_{k+1} − L_k| = √(2/π) σ √(1/k − 1/(k+1)), where k is far below N.
    #[test]
    fn random_orders_give_the_mean_of_normal_losses() {
        let losses = crate::numeric::gaussian::gaussian_rows(3, 1, 20_000).into_raw_vec_and_offset().0;
        let found = mean_absolute_change(&losses, 1, &[10, 100], random_orders(20_000, 400, 1));
        for (found, k) in found.into_iter().zip([10.0, 100.0]) {
            let law = (2.0 / std::f64::consts::PI * (1.0 / k - 1.0 / (k + 1.0))).sqrt();
            // |x| has a deviation of 0.76 of its mean: five standard errors of 400.
            assert!((found / law - 1.0).abs() < 5.0 * 0.76 / 20.0, "{found} {law}");
        }
        let again = mean_absolute_change(&losses, 1, &[10], random_orders(20_000, 3, 9));
        assert_eq!(again, mean_absolute_change(&losses, 1, &[10], random_orders(20_000, 3, 9)));
    }
}
