//! What a ladder measured of one quantity, and how sure that is.

use ndarray::{Array2, s};

/// One quantity, test loss or test error, at each size of a ladder.
#[derive(Clone, Debug)]
pub struct Measured {
    /// (K,) samples, ascending
    pub sizes: Vec<usize>,
    /// (K) of each replica; means are above 0
    pub values: Vec<Vec<f64>>,
    /// (K, K) covariance of the means over replicas by the choice of the test samples, each over its mean: `Cov(m_j, m_k) / (m_j m_k)`
    pub test_covariance: Array2<f64>,
    /// (K,) variance of one replica by the choice of its own test samples over the square of the mean, where each
    /// replica has other test samples: the spread over replicas contains it. Empty where all have the same.
    pub within_spread: Vec<f64>,
}

/// Noise of the logarithms of the means.
#[derive(Clone, Debug)]
pub struct Noise {
    /// standard deviation of one run over seeds, over all sizes
    pub spread: f64,
    /// the same over the larger half of the sizes, where that is more
    pub late_spread: f64,
    /// degrees of freedom of the spread
    pub freedom: f64,
}

/// The least share of a measured spread that is left when the test error within it is taken off: both are estimates.
const LEAST_SHARE: f64 = 0.1;

impl Measured {
    /// (K,) means over replicas
    pub fn means(&self) -> Vec<f64> {
        self.values.iter().map(|v| v.iter().sum::<f64>() / v.len() as f64).collect()
    }

    /// (K,) sizes as the laws take them
    pub fn samples(&self) -> Vec<f64> {
        self.sizes.iter().map(|&n| n as f64).collect()
    }

    /// Logarithms of [`Self::means`].
    pub fn logs(&self) -> Vec<f64> {
        self.means().into_iter().map(f64::ln).collect()
    }

    /// The first `n` sizes alone.
    #[must_use]
    pub fn up_to(&self, n: usize) -> Self {
        Self {
            sizes: self.sizes[..n].to_vec(),
            values: self.values[..n].to_vec(),
            test_covariance: self.test_covariance.slice(s![..n, ..n]).to_owned(),
            within_spread: self.within_spread.iter().take(n).copied().collect(),
        }
    }

    /// Variance over replicas of one size over the square of the mean, as (sum of squares, sum that the test samples
    /// explain, degrees of freedom).
    fn squares(&self, k: usize) -> (f64, f64, f64) {
        let (values, n) = (&self.values[k], self.values[k].len() as f64);
        let mean = values.iter().sum::<f64>() / n;
        let sum = values.iter().map(|v| (v / mean - 1.0).powi(2)).sum();
        (sum, self.within_spread.get(k).unwrap_or(&0.0) * (n - 1.0), n - 1.0)
    }

    /// Pooled standard deviation over seeds, relative, with its degrees of freedom; `None` without replicas.
    fn pooled(&self, first: usize) -> Option<(f64, f64)> {
        let parts = (first..self.sizes.len()).map(|k| self.squares(k));
        let (sum, test, freedom) = parts.fold((0.0, 0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1, s.2 + p.2));
        (freedom > 0.0).then(|| (((sum - test).max(LEAST_SHARE * sum) / freedom).sqrt(), freedom))
    }

    /// Of the logarithms of the means, (K, K), with this spread of one run over seeds.
    pub fn covariance(&self, spread: f64) -> Array2<f64> {
        let mut all = self.test_covariance.clone();
        for (k, values) in self.values.iter().enumerate() {
            all[[k, k]] += spread * spread / values.len() as f64;
        }
        all
    }

    /// Spread by the replicas; `None` where no size has two.
    pub fn noise(&self) -> Option<Noise> {
        let (spread, freedom) = self.pooled(0)?;
        let late = self.pooled(self.sizes.len() / 2).map_or(spread, |p| p.0);
        Some(Noise::new(spread, late, freedom))
    }
}

impl Noise {
    /// Of a spread over all sizes, and over the larger half.
    pub fn new(spread: f64, late_spread: f64, freedom: f64) -> Self {
        // Replicas that agree to the last digit have the rounding of a test loss in f32 as their spread.
        let spread = spread.max(1e-7);
        Self { spread, late_spread: late_spread.max(spread), freedom }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn noise_is_pooled_and_test_error_is_shared() {
        let measured = Measured {
            sizes: vec![10, 20],
            values: vec![vec![0.9, 1.1], vec![0.4, 0.6]],
            test_covariance: array![[0.05, 0.01], [0.01, 0.02]],
            within_spread: vec![],
        };
        let noise = measured.noise().unwrap();
        // Relative squares: 2 · 0.1², 2 · 0.2²; two degrees of freedom. The larger half has 0.08 with one.
        assert!(
            (noise.spread - 0.05_f64.sqrt()).abs() <= 1e-15
                && (noise.late_spread - 0.08_f64.sqrt()).abs() <= 1e-15
        );
        let covariance = measured.covariance(noise.spread);
        assert!((covariance - array![[0.075, 0.01], [0.01, 0.045]]).iter().all(|d: &f64| d.abs() <= 1e-15));
        assert!(noise.freedom >= 2.0, "{noise:?}");
        // Half of the spread is that of the test samples.
        let other = Measured { within_spread: vec![0.025; 2], ..measured.clone() };
        assert!((other.noise().unwrap().spread - 0.025_f64.sqrt()).abs() <= 1e-15);
        assert!(measured.up_to(1).noise().unwrap().freedom <= 1.0);
        assert!(Measured { values: vec![vec![1.0], vec![0.5]], ..measured }.noise().is_none());
    }
}
