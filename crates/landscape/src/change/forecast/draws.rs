//! How sure a fitted curve is: a parametric bootstrap of every form.
//!
//! Each draw takes a fitted law for the truth, adds the noise that the means have, and fits again (Efron & Tibshirani
//! 1993, chapter 6). Two replicas at five sizes cannot be resampled, as a bootstrap over replicas would have to; their
//! pooled spread can be drawn from, and its own uncertainty with it: each draw has a spread `s √(ν/χ²_ν)`, which gives
//! the noise the tails of Student's t. The error of the test samples is drawn with its covariance over the sizes, as all
//! sizes are tested on the same.

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::law::{FORMS, Fitter, FormName, Law};
use super::measured::{Measured, Noise};
use crate::numeric::vectors::cholesky;

/// Seed of all draws: any number will do, and the same ladder has the same bands always.
const SEED: u64 = 18;
/// Fewer sizes have no unique law with a floor.
pub const LEAST_SIZES: usize = 3;
/// Sizes from which residuals alone say how noisy a ladder without replicas is: two degrees of freedom are left.
pub const LEAST_WITHOUT_REPLICAS: usize = 5;

/// Forms of less weight are not fitted to the draws: they move no end of a band.
const LEAST_WEIGHT: f64 = 1e-3;

/// A form with its fit and its weight.
#[derive(Clone, Copy, Debug)]
pub struct Fitted {
    pub law: Law,
    /// Akaike weight; those of all forms add up to 1
    pub weight: f64,
    /// χ² = rᵀΣ⁻¹r of the residuals of the logarithms of the means
    pub chi_squared: f64,
}

/// One draw.
pub struct Draw {
    /// the laws of all forms that were fitted to it
    laws: [Law; FORMS.len()],
    /// (K,) noise of the logarithms of the means, of all sizes
    noise: Vec<f64>,
    /// √(ν/χ²_ν)
    pub scale: f64,
}

/// All forms, with draws of each.
pub struct Draws {
    pub forms: [Fitted; FORMS.len()],
    pub noise: Noise,
    /// standard deviation, relative, of what the best form leaves beyond noise at each size; 0 where it leaves no more
    pub misfit: f64,
    /// probability of a misfit of this size by chance; `None` where the forms use up all sizes
    pub misfit_probability: Option<f64>,
    all: Vec<Draw>,
}

/// A value of the mixture of all draws of all forms, with its weight.
pub type Weighted = (f64, f64);

impl Draws {
    /// Fits the first `n_fitted` sizes and draws `n_draws` times; `None` where nothing says how noisy they are.
    pub fn new(measured: &Measured, n_fitted: usize, n_draws: usize) -> Option<Self> {
        let own = measured.up_to(n_fitted);
        if n_fitted < LEAST_SIZES {
            return None;
        }
        let noise = match own.noise() {
            Some(noise) => noise,
            None => residual_noise(&own)?,
        };
        let sizes = own.samples();
        let logs = own.logs();
        let fitted = |misfit: f64| {
            let own_errors = Array2::from_diag_elem(n_fitted, misfit * misfit);
            let fitter = Fitter::new(&sizes, &(own.covariance(noise.spread) + own_errors));
            let forms = weighed(&fitter, &logs);
            (fitter, forms)
        };
        let free = n_fitted as f64 - FormName::PowerWithFloor.n_parameters() as f64;
        let unexplained = least_chi_squared(&fitted(0.0).1);
        let misfit_probability = (free > 0.0 && own.noise().is_some()).then(|| {
            let f = FisherSnedecor::new(free, noise.freedom).expect("degrees of freedom above 0");
            f.sf(unexplained / free)
        });
        let misfit = if free > 0.0 && unexplained > free {
            root(|misfit| least_chi_squared(&fitted(misfit).1) > free)
        } else {
            0.0
        };
        let (fitter, forms) = fitted(misfit);
        let factor = cholesky(&measured.test_covariance);
        let draws = (0..n_draws).map(|t| {
            let (noise, scale) = drawn(t, measured, &noise, &factor, misfit);
            let refit = |form: &Fitted| {
                if form.weight < LEAST_WEIGHT {
                    return form.law;
                }
                let logs = sizes.iter().zip(&noise).map(|(n, e)| form.law.log_at(*n) + e).collect::<Vec<_>>();
                fitter.fit(form.law.form, &logs)
            };
            Draw { laws: forms.each_ref().map(refit), noise, scale }
        });
        let all = draws.collect();
        Some(Self { forms, noise, misfit, misfit_probability, all })
    }

    /// ln of the weighted mean of the forms at n.
    pub fn log_mean(&self, n: f64) -> f64 {
        self.forms.iter().map(|f| f.weight * f.law.log_at(n).exp()).sum::<f64>().ln()
    }

    /// ln of what is measured at the size of number `k` of the ladder on the same test samples.
    pub fn measured_at(&self, n: f64, k: usize) -> Vec<Weighted> {
        // The band takes the error of a draw's fit for that of the fit, mirrored; the noise that they share is mirrored too.
        self.mixture(|law, draw| law.log_at(n) - draw.noise[k])
    }

    /// A function of each law of all draws, with its weight.
    pub fn mixture<T>(&self, of: impl Fn(&Law, &Draw) -> T) -> Vec<(T, f64)> {
        let n = self.all.len() as f64;
        let forms = self.forms.iter().enumerate();
        forms
            .flat_map(|(i, f)| self.all.iter().map(move |d| (i, f.weight / n, d)))
            .map(|(i, weight, d)| (of(&d.laws[i], d), weight))
            .collect()
    }
}

/// All forms with Akaike weights `∝ exp(−(χ² + 2p)/2)` (Burnham & Anderson 2002, section 2.9).
///
/// The noise is known from replicas, so χ² takes the place of the log-likelihood. A correction for few sizes would be
/// infinite at five; it belongs to a noise that is fitted.
fn weighed(fitter: &Fitter, logs: &[f64]) -> [Fitted; FORMS.len()] {
    let fitted = FORMS.map(|name| {
        let law = fitter.fit(name, logs);
        Fitted { law, weight: 0.0, chi_squared: fitter.chi_squared(&law, logs) }
    });
    let criterion = |f: &Fitted| f.chi_squared + 2.0 * f.law.form.n_parameters() as f64;
    let least = fitted.iter().map(criterion).fold(f64::INFINITY, f64::min);
    let likelihood = |f: &Fitted| (-(criterion(f) - least) / 2.0).exp();
    let total = fitted.iter().map(likelihood).sum::<f64>();
    fitted.map(|f| Fitted { weight: likelihood(&f) / total, ..f })
}

/// The misfit, from 1e-6 to 3, from which on `beyond` no longer is: an error of its own at each size that makes the smallest
/// χ² its degrees of freedom, as that between studies of a meta-analysis (Paule & Mandel 1982).
fn root(beyond: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (1e-6_f64.ln(), 3.0_f64.ln());
    // Thirty halvings leave 1e-8 of the range.
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if beyond(middle.exp()) { low = middle } else { high = middle }
    }
    high.exp()
}

fn least_chi_squared(forms: &[Fitted]) -> f64 {
    forms.iter().map(|f| f.chi_squared).fold(f64::INFINITY, f64::min)
}

/// Noise by the residuals of the form with a floor, which a ladder without replicas has to take.
fn residual_noise(own: &Measured) -> Option<Noise> {
    let (sizes, n) = (own.samples(), own.sizes.len());
    if n < LEAST_WITHOUT_REPLICAS {
        return None;
    }
    let logs = own.logs();
    let law = Fitter::new(&sizes, &Array2::eye(n)).fit(FormName::PowerWithFloor, &logs);
    let freedom = n as f64 - FormName::PowerWithFloor.n_parameters() as f64;
    let sum = sizes.iter().zip(&logs).map(|(k, y)| (y - law.log_at(*k)).powi(2)).sum::<f64>();
    let spread = (sum / freedom).sqrt();
    Some(Noise::new(spread, spread, freedom))
}

/// Noise of the logarithms of all means, (K,), and the scale of the spread over seeds: a function of (SEED, t) alone.
fn drawn(t: usize, measured: &Measured, noise: &Noise, factor: &Array2<f64>, misfit: f64) -> (Vec<f64>, f64) {
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    rng.set_stream(t as u64);
    let k = measured.sizes.len();
    let chi = ChiSquared::new(noise.freedom).expect("degrees of freedom above 0").sample(&mut rng);
    let scale = (noise.freedom / chi).sqrt();
    let mut normal = |n: usize| -> Vec<f64> { (0..n).map(|_| StandardNormal.sample(&mut rng)).collect() };
    let (seeds, test, own) = (normal(k), normal(k), normal(k));
    let of = |i: usize| {
        let test = (0..=i).map(|j| factor[[i, j]] * test[j]).sum::<f64>();
        let seeds = noise.spread * scale * seeds[i] / (measured.values[i].len() as f64).sqrt();
        seeds + test + misfit * own[i]
    };
    ((0..k).map(of).collect(), scale)
}

/// Shares of the probability below both ends of a band of this coverage.
pub fn ends(confidence: f64) -> [f64; 2] {
    [(1.0 - confidence) / 2.0, f64::midpoint(1.0, confidence)]
}

/// The value below which this share of the weight lies.
pub fn quantile(values: &mut [Weighted], share: f64) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    let reached = values.iter().find(|(_, weight)| {
        sum += weight;
        sum >= share
    });
    reached.or(values.last()).expect("at least one draw").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_counts_weights() {
        let mut values = [(3.0, 0.5), (1.0, 0.25), (2.0, 0.25)];
        assert_eq!(
            [0.2, 0.3, 0.6, 1.0].map(|q| quantile(&mut values, q).to_bits()),
            [1.0, 2.0, 3.0, 3.0].map(f64::to_bits)
        );
    }
}
