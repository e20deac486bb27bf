//! How draws of θ are taken: independent, in antithetic pairs, or as replicates of a scrambled Sobol sequence.
//!
//! Each draw is a function of (sampling, seed, t) alone. Draws of one *group* depend on each other, groups do not: a mean
//! over draws has the standard error of the mean over its groups.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::numeric::gaussian::gaussian_row;

/// Independently Owen-scrambled sequences (Burley 2020) of [`Sampling::Sobol`]: 15 degrees of freedom for the standard error.
pub const REPLICATES: usize = 16;

/// How draws of θ are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Sampling {
    /// independent Gaussian draws
    Plain,
    /// pairs θ, −θ
    Antithetic,
    /// 16 scrambled Sobol sequences through the inverse normal distribution function
    Sobol,
}

impl Sampling {
    /// Directions and draws that [`Sampling::Sobol`] has, by its library: 256, and 2¹⁶ for each replicate.
    pub const SOBOL_LIMITS: (usize, usize) = (256, REPLICATES << 16);

    /// Draws that there are.
    pub fn most_draws(self) -> usize {
        if self == Self::Sobol { Self::SOBOL_LIMITS.1 } else { usize::MAX }
    }

    /// Draws come in multiples of this.
    pub fn multiple(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Antithetic => 2,
            Self::Sobol => REPLICATES,
        }
    }

    /// How many independent groups `n_draws` draws form.
    pub fn n_groups(self, n_draws: usize) -> usize {
        match self {
            Self::Plain => n_draws,
            Self::Antithetic => n_draws / 2,
            Self::Sobol => REPLICATES,
        }
    }

    /// The group of draw t. A replicate takes every sixteenth draw, so that more draws make its sequence longer.
    pub fn group(self, t: usize) -> usize {
        match self {
            Self::Plain => t,
            Self::Antithetic => t / 2,
            Self::Sobol => t % REPLICATES,
        }
    }

    /// Mean of a value per draw over each group, (G,). All groups have the same number of draws.
    pub fn group_means(self, values: &[f64]) -> Vec<f64> {
        let n_groups = self.n_groups(values.len());
        let mut means = vec![0.0; n_groups];
        for (t, value) in values.iter().enumerate() {
            means[self.group(t)] += value;
        }
        let size = (values.len() / n_groups) as f64;
        means.iter().map(|sum| sum / size).collect()
    }

    /// The standard normal draws of `range`, rows (T, d).
    pub fn standard_normal(self, seed: u64, range: Range<usize>, dim: usize) -> Array2<f64> {
        let mut rows = Array2::zeros((range.len(), dim));
        let scrambles = scrambles(seed);
        for (t, mut row) in range.zip(rows.outer_iter_mut()) {
            row.assign(&match self {
                Self::Plain => gaussian_row(seed, t, dim),
                Self::Antithetic => gaussian_row(seed, t / 2, dim) * if t % 2 == 0 { 1.0 } else { -1.0 },
                Self::Sobol => sobol_row(&scrambles, t, dim),
            });
        }
        rows
    }
}

/// Draws that are taken wider than they are weighed: importance sampling for a quantity that grows with |θ|, whose mean over
/// θ ~ N(0, σ² I) rare far draws would decide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// s: draws are sσz with z standard normal
    pub scale: f64,
}

impl Proposal {
    /// Draws as they are weighed, with weights of 1.
    pub const NONE: Self = Self { scale: 1.0 };
    /// Largest variance s² of a proposal.
    const WIDEST: f64 = 2.0;

    /// The proposal nearest to the best one among `N(0, s²σ² I)`, by the cross-entropy method (Rubinstein & Kroese 2004, section
    /// 3.2): `s² = E[S² |z|²] / (d E[S²])`, never below 1. `values`: S² at the rows of `z` (T, d), which are standard normal.
    pub fn of(values: &[f64], z: ArrayView2<f64>) -> Self {
        let total: f64 = values.iter().sum();
        let weighted = values.iter().zip(z.outer_iter()).map(|(value, z)| value * z.dot(&z)).sum::<f64>();
        let variance = weighted / (z.ncols() as f64 * total);
        Self { scale: if variance > 1.0 { variance.min(Self::WIDEST).sqrt() } else { 1.0 } }
    }

    /// Density of `N(0, σ² I)` over that of the proposal at sσz, for each row of `z` (T, d): `s^d exp(−(s² − 1) |z|²/2)`. Its mean
    /// is 1.
    pub fn weights(self, z: ArrayView2<f64>) -> Vec<f64> {
        let (log, excess) = (z.ncols() as f64 * self.scale.ln(), (self.scale * self.scale - 1.0) / 2.0);
        z.outer_iter().map(|z| (log - excess * z.dot(&z)).exp()).collect()
    }
}

/// θ of standard normal `z` (T, d): σ times it, and times the deviation of each direction where it has its own.
pub fn spread(z: Array2<f64>, sigma: f64, deviations: &[f64]) -> Array2<f64> {
    let theta = z * sigma;
    if deviations.is_empty() { theta } else { theta * ArrayView1::from(deviations) }
}

/// A seed per replicate, from streams of `seed` that no draw of [`Sampling::Plain`] takes.
fn scrambles(seed: u64) -> [u32; REPLICATES] {
    std::array::from_fn(|replicate| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX - replicate as u64);
        rng.next_u32()
    })
}

#[allow(clippy::cast_possible_truncation)] // within SOBOL_LIMITS
fn sobol_row(scrambles: &[u32; REPLICATES], t: usize, dim: usize) -> Array1<f64> {
    let normal = Normal::standard();
    // Points are multiples of 2⁻²⁴ in [0, 1): the middle of their cell is never 0.
    let middle = 2.0_f64.powi(-25);
    let (point, scramble) = ((t / REPLICATES) as u32, scrambles[t % REPLICATES]);
    let at = |j| f64::from(sobol_burley::sample(point, j as u32, scramble)) + middle;
    (0..dim).map(|j| normal.inverse_cdf(at(j))).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use super::*;
    use crate::change::prefix::Moments;
    use ndarray::s;
    use strum::VariantArray;

    #[test]
    fn a_draw_depends_on_method_seed_and_number_alone() {
        for &sampling in Sampling::VARIANTS {
            let (some, many) =
                (sampling.standard_normal(7, 32..64, 5), sampling.standard_normal(7, 0..96, 5));
            assert_eq!(some, many.slice(s![32..64, ..]), "{sampling:?}");
            assert_ne!(many, sampling.standard_normal(8, 0..96, 5));
        }
        let plain = crate::numeric::gaussian::gaussian_rows(7, 9, 5);
        assert_eq!(Sampling::Plain.standard_normal(7, 0..9, 5), plain);
    }

    #[test]
    fn pairs_cancel_and_groups_partition() {
        let pairs = Sampling::Antithetic.standard_normal(3, 0..8, 4);
        assert!((0..4).all(|j| pairs.row(2 * j) == -&pairs.row(2 * j + 1)));
        let values = (0..64).map(|t| f64::from(t) * 0.1).collect::<Vec<_>>();
        assert_eq!(Sampling::Plain.group_means(&values), values);
        assert_eq!(Sampling::Antithetic.group_means(&values)[5], f64::midpoint(1.0, 1.1));
        // Draws 3, 19, 35 and 51.
        assert!((Sampling::Sobol.group_means(&values)[3] - 2.7).abs() < 1e-12);
    }

    /// Mean and standard error over groups of f over `n_draws` draws.
    fn estimate(sampling: Sampling, n_draws: usize, f: impl Fn(ArrayView1<f64>) -> f64) -> (f64, f64) {
        let draws = sampling.standard_normal(11, 0..n_draws, 6);
        let values = draws.outer_iter().map(f).collect::<Vec<_>>();
        let moments = sampling.group_means(&values).into_iter().collect::<Moments>();
        (moments.mean(), moments.standard_error())
    }

    #[test]
    fn all_methods_are_standard_normal() {
        type Case = (&'static str, fn(ArrayView1<f64>) -> f64, f64);
        // E z_1² z_2² = 1, E exp(z_1/2) = e^{1/8}, E z_1⁴ = 3: four standard errors, of 16 groups t_{15} gives one in 900.
        for &sampling in Sampling::VARIANTS {
            let cases: [Case; 3] = [
                ("product of squares", |z| z[0] * z[0] * z[1] * z[1], 1.0),
                ("exponential", |z| (z[0] / 2.0).exp(), 0.125_f64.exp()),
                ("fourth power", |z| z[5].powi(4), 3.0),
            ];
            for (what, f, expected) in cases {
                let (mean, error) = estimate(sampling, 8192, f);
                assert!((mean - expected).abs() <= 4.0 * error, "{sampling:?} {what}: {mean} ± {error}");
                assert!(error < 0.1 * expected, "{sampling:?} {what}: {error}");
            }
        }
    }

    #[test]
    fn a_proposal_has_the_same_mean_and_less_variance() {
        // E exp(|z|²/8) = (1 − 1/4)^{−d/2}; its best proposal has the variance 1/(1 − 1/4) = 4/3, and is exact.
        let value = |z: ArrayView1<f64>| (z.dot(&z) / 8.0).exp();
        let z = Sampling::Plain.standard_normal(5, 0..20_000, 6);
        let values = z.outer_iter().map(value).collect::<Vec<_>>();
        let found = Proposal::of(&values, z.view());
        assert!((found.scale.powi(2) - 4.0 / 3.0).abs() < 0.05, "{found:?}");
        let best = Proposal { scale: (4.0_f64 / 3.0).sqrt() };
        let exact = 0.75_f64.powi(-3);
        for (weight, z) in best.weights(z.view()).iter().zip(z.outer_iter()) {
            assert!((weight * value((&z * best.scale).view()) / exact - 1.0).abs() <= 1e-12);
        }
        assert_eq!(Proposal::of(&[1.0, 0.0], z.slice(s![..2, ..])).weights(z.slice(s![..2, ..])).len(), 2);
        assert!(Proposal::NONE.weights(z.view()).iter().all(|&w| w == 1.0));
        // What falls with |z| is left as it is.
        let falls = z.outer_iter().map(|z| 1.0 / value(z)).collect::<Vec<_>>();
        assert_eq!(Proposal::of(&falls, z.view()), Proposal::NONE);
    }

    #[test]
    fn methods_beat_plain_draws_where_they_should() {
        let error = |sampling, f: fn(ArrayView1<f64>) -> f64| estimate(sampling, 4096, f).1;
        // Odd functions cancel in pairs exactly; smooth sums of one variable each are what Sobol points do best.
        let odd = |z: ArrayView1<f64>| z[0] + z[1].powi(3);
        let smooth = |z: ArrayView1<f64>| z.iter().map(|x| x * x).sum();
        assert!(error(Sampling::Antithetic, odd) == 0.0);
        assert!(error(Sampling::Sobol, smooth) < 0.2 * error(Sampling::Plain, smooth));
        // Even functions gain nothing from pairs: half as many groups, each as variable as one draw.
        let ratio = error(Sampling::Antithetic, smooth) / error(Sampling::Plain, smooth);
        assert!((1.3..1.55).contains(&ratio), "{ratio}");
    }
}
