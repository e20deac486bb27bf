//! How sure V is: its standard error over draws and over samples, and the intervals that follow.
//!
//! `V̂ = mean_t S²(θ_t)` is a mean over two crossed sets, draws and samples: each draw meets every sample. With
//! `q_ti = (i−1)/i · (ℓ_i(θ_t) − L_{i−1}(θ_t))²`, the squared recursive residuals (Brown, Durbin & Evans 1975), it is an exact
//! mean over both, `V̂ = mean_t mean_{i≥2} q_ti`, and every q_ti has mean S² whatever the distribution. In the crossed
//! random-effects model (Cornfield & Tukey 1956; the U-statistic view is Hoeffding's) then
//!
//! `Var V̂ = A/T + B/N − C/(TN)`, A = Var_t(mean_i q), B = Var_i(mean_t q), C the interaction that A and B both hold.
//!
//! All three need one number per draw and two per sample. Unbiased, deterministic, without resampling; a two-way (pigeonhole)
//! bootstrap (Owen 2007) estimates the same with the interaction counted three times, at thousands of times the work.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::change::prefix::Moments;

/// A positive quantity with what draws and samples say of its error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// V, or a ratio with V
    pub value: f64,
    /// standard error over the draws, the samples held fixed
    pub draws_error: f64,
    /// what the choice of the samples adds
    pub samples_error: f64,
    /// degrees of freedom of the two together (Satterthwaite 1946)
    pub freedom: f64,
    /// skewness of the distribution of the estimate itself
    pub skewness: f64,
}

/// What one of the two crossed sets does to an estimate.
#[derive(Clone, Copy, Default)]
struct Part {
    /// variance of the estimate
    variance: f64,
    /// degrees of freedom of that
    freedom: f64,
    /// cube root of the third cumulant of the estimate, in its unit: the cumulant itself may be beyond what f64 can represent
    third_root: f64,
}

impl Part {
    /// The part of a mean of `values`, of which `spent` + 1 numbers were fitted.
    fn of_mean(values: &[f64], spent: f64) -> Self {
        let n = values.len() as f64;
        let freedom = (n - 1.0 - spent).max(1.0);
        let mean = values.iter().sum::<f64>() / n;
        let scale = values.iter().map(|v| (v - mean).abs()).fold(f64::MIN_POSITIVE, f64::max);
        let power = |k: i32| values.iter().map(|v| ((v - mean) / scale).powi(k)).sum::<f64>();
        let third_root = scale * (power(3) / freedom / (n * n)).cbrt();
        Self { variance: scale * (power(2) / freedom / n) * scale, freedom, third_root }
    }

    /// The same without a part of its variance that has no skewness, as the mean over many draws has none. Estimates of
    /// variances may fall below 0; the variances do not. Nor is the skewness of a mean, as a sample shows it, ever above 1.
    fn reduced_to(self, variance: f64) -> Self {
        let variance = variance.min(self.variance).max(0.0);
        let most = variance.sqrt();
        Self { variance, third_root: self.third_root.clamp(-most, most), ..self }
    }

    /// Of the sum of two independent estimates.
    fn and(self, other: Self) -> Self {
        let variance = self.variance + other.variance;
        // Shares of it: the square of a variance may be beyond what f64 can represent.
        let spread = |p: Self| (p.variance / variance).powi(2) / p.freedom.max(1.0);
        Self {
            variance,
            freedom: if variance > 0.0 { 1.0 / (spread(self) + spread(other)) } else { 1.0 },
            third_root: {
                let largest = self.third_root.abs().max(other.third_root.abs()).max(f64::MIN_POSITIVE);
                largest * ((self.third_root / largest).powi(3) + (other.third_root / largest).powi(3)).cbrt()
            },
        }
    }
}

impl Estimate {
    fn new(value: f64, draws: Part, samples: Part) -> Self {
        let Part { variance, freedom, third_root } = draws.and(samples);
        Self {
            value,
            draws_error: draws.variance.sqrt(),
            samples_error: samples.variance.sqrt(),
            freedom,
            skewness: if variance > 0.0 { (third_root / variance.sqrt()).powi(3) } else { 0.0 },
        }
    }

    /// Standard error over samples and draws.
    pub fn error(&self) -> f64 {
        self.draws_error.hypot(self.samples_error)
    }

    /// The interval of this coverage: Student's t, corrected for skewness by Hall's cubic (Hall 1992).
    ///
    /// With g the skewness of the estimate, `Q(S) = S + g S²/3 + g² S³/27 + g/6` of the studentised error S is symmetric to
    /// the order that matters; its inverse is `S = 3/g (∛(1 + g (Q − g/6)) − 1)`. Uncorrected intervals of a variance are too
    /// short above: an estimate that missed the rare large values is small and looks sure. Never below 0.
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        let t = StudentsT::new(0.0, 1.0, self.freedom).expect("positive degrees of freedom");
        let t = t.inverse_cdf(f64::midpoint(1.0, confidence));
        let g = self.skewness;
        let studentised = |q: f64| {
            if g.abs() < 1e-6 { q } else { 3.0 / g * ((1.0 + g * (q - g / 6.0)).cbrt() - 1.0) }
        };
        let end = |q: f64| (self.value - self.error() * studentised(q)).max(0.0);
        (end(t), end(-t))
    }
}

/// Mean and variance (n − 1).
fn moments(values: &[f64]) -> Moments {
    values.iter().copied().collect()
}

/// V with its two-way error.
///
/// - `groups`: (G,) mean of S² over each independent group of draws, loss²
/// - `deviation`: (N − 1,) mean over the draws of q_ti for samples 2 to N; `deviation_error`: standard error of each
///   over the groups
/// - `control`: what replaces `groups` where a control variate has made them quieter, with the coefficients it took
pub fn of_variance(
    groups: &[f64],
    deviation: &[f64],
    deviation_error: &[f64],
    control: Option<(&[f64], f64)>,
) -> Estimate {
    let (quiet, spent) = control.unwrap_or((groups, 0.0));
    let with_interaction = Part::of_mean(deviation, 0.0);
    let added = added_by_samples(groups, deviation, deviation_error);
    let samples = with_interaction.reduced_to(added);
    Estimate::new(quiet.iter().sum::<f64>() / groups.len() as f64, Part::of_mean(quiet, spent), samples)
}

/// `B/N − C/(TN)`: what the choice of the samples adds to Var V̂, without bias, so below 0 at times.
fn added_by_samples(groups: &[f64], deviation: &[f64], deviation_error: &[f64]) -> f64 {
    let (g, n) = (groups.len() as f64, deviation.len() as f64);
    Part::of_mean(deviation, 0.0).variance - interaction(groups, deviation, deviation_error) / (n * g)
}

/// C of one group and sample, without bias.
fn interaction(groups: &[f64], deviation: &[f64], deviation_error: &[f64]) -> f64 {
    // One deviation has no variance over the samples to hold an interaction.
    if deviation.len() < 2 {
        return 0.0;
    }
    let (g, n) = (groups.len() as f64, deviation.len() as f64);
    let raw = moments(groups).variance();
    let within = g * deviation_error.iter().map(|e| e * e).collect::<Moments>().mean();
    (within - raw) * n / (n - 1.0)
}

/// The parts of `Var V̂ = a/T + b/n + c/(Tn)`, loss⁴.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Components {
    /// a: of S²(θ) over the draws, per draw
    pub draws: f64,
    /// b: of the mean over the draws of a sample's squared deviation, per sample
    pub samples: f64,
    /// c: of both together, per draw and sample
    pub interaction: f64,
}

/// The parts of Var V̂ for other numbers of draws and samples: `groups`, `deviation` and `deviation_error` as for [`of_variance`],
/// from `n_draws` draws.
///
/// Parts whose estimates fall below 0 are 0. For replicates, whose variance falls faster than with the inverse of their
/// draws, those of the draws are what they were at `n_draws`: too large for more.
pub fn components(groups: &[f64], deviation: &[f64], deviation_error: &[f64], n_draws: usize) -> Components {
    let (g, n) = (groups.len() as f64, deviation.len() as f64);
    let per_group = n_draws as f64 / g;
    let interaction = interaction(groups, deviation, deviation_error).max(0.0);
    let raw = moments(groups).variance();
    let samples = n * added_by_samples(groups, deviation, deviation_error);
    Components {
        draws: (raw - interaction / n).max(0.0) * per_group,
        samples: samples.max(0.0),
        interaction: interaction * per_group,
    }
}

/// What the samples leave of the variance of an estimate in two phases, per sample, loss⁴.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoPhases {
    /// of a sample that has all draws: what few draws do not explain
    pub residual: f64,
    /// of a sample that has few draws: what they do
    pub shared: f64,
}

/// The mean of a quantity of samples over draws, in two phases: few draws at many samples, all draws at the first of these
/// (double sampling with regression, Cochran 1977, section 12.6).
///
/// - `groups`: (G,) its mean over the first samples for each independent group of draws
/// - `all_draws`: (n,) its mean over all draws for each of the first samples
/// - `few_draws`: (n',) the same over few draws, n' ≥ n, the first n of which are the same samples
///
/// `mean_n x + β (mean_n' p − mean_n p)` with β by least squares. The interaction of draws and samples is counted in both
/// parts, which errs to the safe side by a term of order 1/(Tn).
pub fn in_two_phases(groups: &[f64], all_draws: &[f64], few_draws: &[f64]) -> (Estimate, TwoPhases) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let same = &few_draws[..all_draws.len()];
    let (x, p) = (mean(all_draws), mean(same));
    let products =
        |f: &dyn Fn(f64, f64) -> f64| all_draws.iter().zip(same).map(|(a, b)| f(*a, *b)).sum::<f64>();
    let squares = products(&|_, b| (b - p) * (b - p));
    let beta = if squares > 0.0 { products(&|a, b| (a - x) * (b - p)) / squares } else { 0.0 };
    let residuals = all_draws.iter().zip(same).map(|(a, b)| a - beta * b).collect::<Vec<_>>();
    let explained = few_draws.iter().map(|b| beta * b).collect::<Vec<_>>();
    let (residual, shared) = (Part::of_mean(&residuals, 1.0), Part::of_mean(&explained, 0.0));
    let value = mean(groups) + beta * (mean(few_draws) - p);
    let per_sample = TwoPhases {
        residual: residual.variance * all_draws.len() as f64,
        shared: shared.variance * few_draws.len() as f64,
    };
    (Estimate::new(value, Part::of_mean(groups, 0.0), residual.and(shared)), per_sample)
}

/// A mean over draws alone, the samples held fixed: `groups` as above, `spent` coefficients fitted to them.
pub fn of_draws(groups: &[f64], spent: f64) -> Estimate {
    let mean = groups.iter().sum::<f64>() / groups.len() as f64;
    Estimate::new(mean, Part::of_mean(groups, spent), Part::default())
}

/// What each pair of a variance s and a loss l, whose means are V and the mean perturbed loss L̄, adds to the ratio `V / L̄²`: by
/// the delta method on `log V − 2 log L̄`, so `V/L̄² (s/V − 2 l/L̄)`, without the division by a V that may be 0.
pub(crate) fn ratio_influences((v, loss): (f64, f64), variances: &[f64], losses: &[f64]) -> Vec<f64> {
    let influence = |(s, l): (&f64, &f64)| (s - 2.0 * v * l / loss) / (loss * loss);
    variances.iter().zip(losses).map(influence).collect()
}

/// `V / L̄²`: K at a tolerance relative to the mean perturbed loss `L̄` depends on it alone.
///
/// - `groups`: (G,) means of S² and of L_N over each group of draws
/// - `deviation`: (N − 1,) as above; `sample_loss`: (N,) mean of each ℓ_i over the draws
///
/// The interaction is counted twice, which errs to the safe side by a term of order 1/(TN).
pub fn of_ratio(groups: (&[f64], &[f64]), deviation: &[f64], sample_loss: &[f64]) -> Estimate {
    let (v, loss) = (moments(groups.0).mean(), moments(groups.1).mean());
    let draws = Part::of_mean(&ratio_influences((v, loss), groups.0, groups.1), 0.0);
    let samples = Part::of_mean(&ratio_influences((v, loss), deviation, &sample_loss[1..]), 0.0);
    Estimate::new(v / (loss * loss), draws, samples)
}

/// V of a theory, whose θ is integrated out: its error is over the samples alone.
///
/// `deviation`: (N − 1,) the theory's Δ_k for a step of one sample over 1/k − 1/(k+1), which are its q_i.
pub fn of_theory(v: f64, deviation: &[f64]) -> Estimate {
    Estimate::new(v, Part::default(), Part::of_mean(deviation, 0.0))
}

/// Draws after which K is within `fraction` of its value at this confidence, if `draws` draws gave V this relative error.
///
/// K grows as √V, so its relative error is half that of V; `T (z · error / (2 · fraction))²` by the normal distribution. The
/// error of the samples is not in it.
pub fn draws_for(fraction: f64, relative_error: f64, draws: usize, confidence: f64) -> f64 {
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    draws as f64 * (z * relative_error / (2.0 * fraction)).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// q_ti of losses (T, N).
    fn residuals(losses: &Array2<f64>) -> Array2<f64> {
        let (t, n) = losses.dim();
        let mut q = Array2::zeros((t, n - 1));
        for (row, mut out) in losses.outer_iter().zip(q.outer_iter_mut()) {
            let mut moments = Moments::default();
            moments.push(row[0]);
            for i in 1..n {
                out[i - 1] = moments.push(row[i]);
            }
        }
        q
    }

    /// Means over the samples of each draw, and over the draws of each sample with their standard errors.
    fn margins(losses: &Array2<f64>) -> [Vec<f64>; 3] {
        let q = residuals(losses);
        let error = q.std_axis(Axis(0), 1.0) / (q.nrows() as f64).sqrt();
        let (groups, deviation) = (q.mean_axis(Axis(1)).unwrap(), q.mean_axis(Axis(0)).unwrap());
        [groups.to_vec(), deviation.to_vec(), error.to_vec()]
    }

    fn estimate(losses: &Array2<f64>) -> Estimate {
        let [groups, deviation, error] = margins(losses);
        of_variance(&groups, &deviation, &error, None)
    }

    #[test]
    fn without_skewness_the_interval_is_that_of_the_tables() {
        // Ten groups at ±1 around 10 and samples that say nothing: error √(10/9)/√10 = 1/3, t_{0.975} of 9 is 2.262157.
        let groups = [9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0];
        let found = of_variance(&groups, &[10.0; 7], &[0.0; 7], None);
        let (low, high) = found.interval(0.95);
        assert!((found.error() - 1.0 / 3.0).abs() <= 1e-15 && (found.freedom - 9.0).abs() <= 1e-12);
        assert!((low - (10.0 - 0.754_052)).abs() < 1e-6 && (high - (10.0 + 0.754_052)).abs() < 1e-6);
        // One coefficient spent: eight degrees of freedom, t = 2.306004, and a variance over eight.
        let spent = of_variance(&groups, &[10.0; 7], &[0.0; 7], Some((&groups, 1.0)));
        assert!((spent.interval(0.95).1 - (10.0 + 2.306_004 * 0.125_f64.sqrt())).abs() < 1e-6);
        // Skewed to the right: the upper arm is the longer one.
        let skewed = of_variance(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0], &[2.0; 7], &[0.0; 7], None);
        let (low, high) = skewed.interval(0.95);
        assert!(high - 2.0 > 2.0 * (2.0 - low) && low >= 0.0, "{low} {high}");
    }

    /// Few draws, made quiet by a control variate, and samples that are skewed and add almost nothing to what the draws do: the
    /// skewness of that nothing was counted whole, and intervals lay beside their V.
    #[test]
    fn the_interval_contains_its_estimate_where_samples_add_little() {
        let groups = [1.0, 2.0, 4.0, 9.0];
        let quiet = [4.0, 4.001, 4.0, 4.003];
        let deviation = (0..21).map(|i| if i == 20 { 64.0 } else { 1.0 }).collect::<Vec<_>>();
        for error in (0..40).map(f64::from) {
            let found = of_variance(&groups, &deviation, &[error; 21], Some((&quiet, 1.0)));
            assert!(found.skewness.abs() <= 1.5, "{error}: {found:?}");
            for confidence in [0.5, 0.8, 0.95, 0.99] {
                let (low, high) = found.interval(confidence);
                assert!(
                    low < found.value && found.value < high,
                    "{error} {confidence}: {low} {high} {found:?}"
                );
            }
        }
    }

    /// Losses in another unit: V and its error follow by the square, degrees of freedom and skewness stay.
    #[test]
    fn the_unit_of_the_loss_is_free() {
        let losses = Array2::from_shape_fn((6, 11), |(t, i)| ((t * 9 + i * i) as f64 * 0.7).sin().exp());
        let own = estimate(&losses);
        for unit in [1e-70, 1e-40, 1e-10, 1e10, 1e40, 1e70] {
            let found = estimate(&(&losses * unit));
            let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * b.abs(), "{unit} {a} {b}");
            near(found.value, own.value * unit * unit);
            near(found.error(), own.error() * unit * unit);
            near(found.freedom, own.freedom);
            near(found.skewness, own.skewness);
            near(found.interval(0.95).1, own.interval(0.95).1 * unit * unit);
        }
    }

    #[test]
    fn draws_for_a_precision_follow_the_square_root_law() {
        // V known to 10 %, so K to 5 % with one standard error: 1.959964 of them need 3.841 459 times the draws.
        assert!((draws_for(0.05, 0.1, 100, 0.95) - 384.145_9).abs() < 1e-3);
    }

    #[test]
    fn v_is_the_mean_variance_of_the_losses() {
        let losses = Array2::from_shape_fn((5, 9), |(t, i)| ((t * 9 + i * i) as f64 * 0.7).sin());
        let found = estimate(&losses);
        let v = losses.var_axis(Axis(1), 1.0).mean().unwrap();
        assert!((found.value - v).abs() <= 50.0 * f64::EPSILON * v);
    }

    /// The mean of the estimated variance over every choice of two draws and three samples from small populations is the
    /// variance of V̂ over those choices.
    #[test]
    fn the_error_is_right_over_all_choices_of_a_small_population() {
        // ℓ = β x with x of six equally likely values whose first five moments are those of a normal distribution: the
        // q_ti of a draw are then uncorrelated, and the formula is exact and not only asymptotic.
        let root = 3.0_f64.sqrt();
        let (beta, x) = ([0.6, 1.4], [-root, 0.0, 0.0, 0.0, 0.0, root]);
        let (mut values, mut errors) = (Moments::default(), Moments::default());
        for choice in 0..4 * 216 {
            let (draws, samples) = (choice % 4, choice / 4);
            let draws = [draws % 2, draws / 2];
            let samples = [samples % 6, samples / 6 % 6, samples / 36];
            let losses = Array2::from_shape_fn((2, 3), |(t, i)| beta[draws[t]] * x[samples[i]]);
            let [groups, deviation, error] = margins(&losses);
            // Without the guards against negative parts, which a mean over all choices must contain.
            let draws = Part::of_mean(&groups, 0.0).variance;
            errors.push(draws + added_by_samples(&groups, &deviation, &error));
            values.push(estimate(&losses).value);
        }
        let variance = values.variance() * 863.0 / 864.0;
        // 864 terms of order 1.
        assert!((errors.mean() / variance - 1.0).abs() <= 1e-12, "{} {variance}", errors.mean());
    }

    /// A model whose V is known: ℓ_i(θ) = c_i + g_i·θ + ½ h_i |θ|², samples independent of each other.
    struct Known {
        draws: usize,
        samples: usize,
        dim: usize,
        sigma: f64,
        /// one sample's (c, scale of g, h): standard normals in, values out
        sample: fn(&mut ChaCha8Rng) -> f64,
        /// variance of `sample`
        variance: f64,
    }

    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        StandardNormal.sample(rng)
    }

    impl Known {
        /// V: independent c, g, h of one variance: `v (1 + σ² d + σ⁴/4 (d² + 2d))`.
        fn v(&self) -> f64 {
            let (d, s) = (self.dim as f64, self.sigma * self.sigma);
            self.variance * (1.0 + s * d + s * s / 4.0 * (d * d + 2.0 * d))
        }

        fn losses(&self, rng: &mut ChaCha8Rng) -> Array2<f64> {
            let theta = Array2::from_shape_simple_fn((self.draws, self.dim), || self.sigma * normal(rng));
            let of_sample = Array2::from_shape_simple_fn((self.samples, self.dim + 2), || (self.sample)(rng));
            let mut features = Array2::ones((self.draws, self.dim + 2));
            for (theta, mut row) in theta.outer_iter().zip(features.outer_iter_mut()) {
                row.slice_mut(ndarray::s![1..=self.dim]).assign(&theta);
                row[self.dim + 1] = 0.5 * theta.dot(&theta);
            }
            features.dot(&of_sample.t())
        }

        /// Fraction of `repeats` whose 95 % interval holds V.
        fn coverage(&self, repeats: u64) -> f64 {
            let covered = (0..repeats).filter(|&seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let (low, high) = estimate(&self.losses(&mut rng)).interval(0.95);
                (low..=high).contains(&self.v())
            });
            covered.count() as f64 / repeats as f64
        }
    }

    #[test]
    fn the_interval_covers_a_known_v() {
        let light = Known { draws: 60, samples: 200, dim: 3, sigma: 0.6, sample: normal, variance: 1.0 };
        // Samples decide: many draws, a skewed distribution (exponential, variance 1).
        let skewed: fn(&mut ChaCha8Rng) -> f64 = |rng| rand_distr::Exp1.sample(rng);
        let samples = Known { draws: 150, samples: 800, sigma: 0.3, sample: skewed, ..light };
        // Draws decide: σ = 1 makes S²(θ) vary by more than its mean.
        let draws = Known { draws: 100, samples: 400, dim: 4, sigma: 1.0, ..light };
        for (name, model) in [("both", light), ("samples", samples), ("draws", draws)] {
            // Binomial(2000, 0.95) has a standard deviation of 0.5 %: 93 % to 97 % is four of them.
            let coverage = model.coverage(2000);
            assert!((0.93..=0.97).contains(&coverage), "{name}: {coverage}");
        }
    }
}
