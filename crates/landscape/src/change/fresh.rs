//! Samples that training has not seen: what they do to the surface, and a limit on it while data arrive.
//!
//! At a point that was trained on the first k samples the next ones are not drawn from the same pool: their losses have
//! another mean and another variance, so the closed form of one pool (`docs/method.md`, 1.2) does not apply and this one does.

use ndarray::{ArrayView2, Axis};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

use crate::change::prefix::Moments;
use crate::passes::draws::LossSink;

/// Moments of the losses of one draw over the seen samples and over the others.
#[derive(Clone, Debug)]
pub struct SeenAndFresh {
    /// how many of the first samples training has seen
    pub k: usize,
    /// of ℓ_i, i ≤ k
    pub seen: Moments,
    /// of ℓ_i, i > k
    pub fresh: Moments,
}

impl SeenAndFresh {
    /// Nothing yet.
    pub fn new(k: usize) -> Self {
        Self { k, seen: Moments::default(), fresh: Moments::default() }
    }

    /// `E (L_{k+s} − L_k)²` over which s of the `n_fresh` others come next, each choice as likely, loss².
    ///
    /// `L_{k+s} − L_k = (b − L_k) s/(k+s)` with b the mean of the s new losses, which has mean m and variance
    /// `S²/s · (1 − s/n_fresh)`; hence `(s/(k+s))² (S²/s (1 − s/n_fresh) + (m − L_k)²)`.
    pub fn expected_square(&self, step: usize, n_fresh: usize) -> f64 {
        let (k, s) = (self.k as f64, step as f64);
        let variance = if n_fresh > 1 { self.fresh.variance() } else { 0.0 };
        let gap = self.fresh.mean() - self.seen.mean();
        (s / (k + s)).powi(2) * (variance / s * (1.0 - s / n_fresh as f64) + gap * gap)
    }
}

impl LossSink for SeenAndFresh {
    fn take(&mut self, first: usize, losses: &[f64]) {
        for (i, &loss) in losses.iter().enumerate() {
            (if first + i < self.k { &mut self.seen } else { &mut self.fresh }).push(loss);
        }
    }
}

/// V with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Limited {
    /// V, loss²
    pub variance: f64,
    /// over samples and draws, loss²
    pub standard_error: f64,
    /// one-sided upper confidence limit of V, loss²
    pub upper: f64,
    /// variance of the means of draws, loss⁴
    pub of_draws: f64,
    /// variance of the means of samples, loss⁴
    pub of_samples: f64,
}

impl Limited {
    /// `c²`: the squared coefficient of variation of the mean of such squares over other draws and samples, so many of each.
    ///
    /// The interaction is counted twice, which errs to the safe side.
    pub fn spread(&self, draws: usize, samples: usize) -> f64 {
        (self.of_draws / draws as f64 + self.of_samples / samples as f64) / self.variance.powi(2)
    }
}

/// Mean of `squares` (T, n), the squared deviation of each loss at each draw, with a one-sided upper limit.
///
/// Draws and samples are both random: `SE² = Var(row means)/T + Var(column means)/n`, which counts the interaction twice
/// and so errs to the safe side. V is a mean of squares, hence skew, and low where its SE is low: it is taken as a multiple of
/// χ² with `ν = 2 V²/SE²` (Satterthwaite 1946), which gives the limit `V ν/χ²_ν(1 − confidence)`; Student's t in place of the
/// normal quantile, with the smaller of T and n less one, widens it for the SE being an estimate itself.
///
/// Not the upper end of [`crate::change::interval`], which serves V at full size: on skew losses from few samples that covers too
/// rarely. Of 1,000 tables of log-normal values it held V in 91.7 % for 40 draws and 60 samples and in 90.7 % for 20 and 20, at 95 %;
/// this limit in 93.1 and 93.0 %. Nor is Hall's cubic made for the confidence of a late look, which is near 1.
pub fn limit(squares: ArrayView2<f64>, confidence: f64) -> Limited {
    let (t, n) = squares.dim();
    let rows = squares.mean_axis(Axis(1)).expect("at least two samples");
    let columns = squares.mean_axis(Axis(0)).expect("at least two draws");
    let variance = rows.mean().expect("at least two draws");
    let (of_draws, of_samples) = (rows.var(1.0), columns.var(1.0));
    let standard_error = (of_draws / t as f64 + of_samples / n as f64).sqrt();
    let upper = upper_limit(variance, standard_error, t.min(n), confidence);
    Limited { variance, standard_error, upper, of_draws, of_samples }
}

/// The limit of [`limit`] from V, its standard error and the smaller number of draws or samples, loss².
pub fn upper_limit(variance: f64, standard_error: f64, n: usize, confidence: f64) -> f64 {
    let relative = standard_error / variance;
    if relative.is_nan() || relative <= 0.0 {
        return variance; // every square is the same
    }
    let freedom = 2.0 / (relative * relative);
    let chi = ChiSquared::new(freedom).expect("above 0").inverse_cdf(1.0 - confidence);
    let student = StudentsT::new(0.0, 1.0, n as f64 - 1.0).expect("at least two").inverse_cdf(confidence);
    let normal = Normal::standard().inverse_cdf(confidence);
    variance * freedom / chi * ((student - normal) * relative).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn the_expectation_is_the_mean_over_all_choices_of_the_next_samples() {
        let (seen, fresh) = ([0.3, 1.1, 0.2], [2.0, 0.7, 5.5, 0.1, 1.9]);
        let l_k = seen.iter().sum::<f64>() / 3.0;
        let mut found = SeenAndFresh::new(3);
        found.take(0, &seen[..2]);
        found.take(2, &[seen[2], fresh[0], fresh[1]]);
        found.take(5, &fresh[2..]);
        for step in 1..=5_usize {
            let (mut sum, mut count) = (0.0, 0.0);
            for chosen in (0..32_u32).filter(|c| c.count_ones() as usize == step) {
                let new: f64 = (0..5).filter(|i| chosen >> i & 1 == 1).map(|i| fresh[i]).sum();
                let change = (l_k * 3.0 + new) / (3 + step) as f64 - l_k;
                sum += change * change;
                count += 1.0;
            }
            // Ten additions of one sign.
            let found = found.expected_square(step, 5);
            assert!((found / (sum / count) - 1.0).abs() <= 1e-13, "step {step}: {found} {}", sum / count);
        }
    }

    #[test]
    fn the_limit_covers_as_often_as_it_says() {
        type Case<'a> = (&'a dyn Fn(f64, f64, f64) -> f64, f64);
        // Squares of a_t + b_i + c_ti with normal effects, whose mean is the sum of the variances; and log-normal ones, as
        // skew as losses far from the minimum, where no limit from so few is exact.
        let squares = |a: f64, b: f64, c: f64| (0.3 * a + b + 0.5 * c).powi(2);
        let skew = |a: f64, b: f64, c: f64| (0.5 * a + 0.8 * b + 0.3 * c).exp();
        let cases: [Case; 2] =
            [(&squares, 0.09 + 1.0 + 0.25), (&skew, ((0.25 + 0.64 + 0.09) / 2.0_f64).exp())];
        for (value, exact) in cases {
            let covered = (0..1000).filter(|&seed| {
                let normal = crate::numeric::gaussian::gaussian_rows(seed, 42, 60);
                let squares = Array2::from_shape_fn((40, 60), |(t, i)| {
                    value(normal[[40, t]], normal[[41, i]], normal[[t, i]])
                });
                limit(squares.view(), 0.95).upper >= exact
            });
            // Binomial(1000, 0.95): 950 with deviation 6.9; not below by four of them, and not all either.
            let covered = covered.count();
            assert!((922..=985).contains(&covered), "{covered} of 1000");
        }
    }

    #[test]
    fn squares_that_are_all_the_same_leave_no_doubt() {
        let found = limit(Array2::from_elem((3, 4), 2.0).view(), 0.95);
        assert!((found.upper - 2.0).abs() <= 1e-15 && found.standard_error <= 1e-15, "{found:?}");
    }

    #[test]
    fn the_spread_is_that_of_means_over_other_draws_and_samples() {
        // a_t + b_i + c_ti with variances 0.04, 0.36 and 0.16 around 2: the mean over 8 draws and 5 samples has the variance
        // 0.04/8 + 0.36/5 + 0.16/40; the interaction is counted twice, once over 30 draws and once over 400 samples.
        let normal = crate::numeric::gaussian::gaussian_rows(5, 32, 400);
        let squares = Array2::from_shape_fn((30, 400), |(t, i)| {
            2.0 + 0.2 * normal[[30, t]] + 0.6 * normal[[31, i]] + 0.4 * normal[[t, i]]
        });
        let found = limit(squares.view(), 0.95).spread(8, 5);
        let exact = ((0.04 + 0.16 / 400.0) / 8.0 + (0.36 + 0.16 / 30.0) / 5.0) / 4.0;
        // A variance of 400 values is known to √(2/399) = 7 %, that of 30 to 26 % but it is a fifteenth of the whole.
        assert!((found / exact - 1.0).abs() <= 0.25, "{found} {exact}");
        // Of the same table, twice the draws and samples halve it.
        let all = limit(squares.view(), 0.95);
        assert!((all.spread(16, 10) / found - 0.5).abs() <= 1e-14);
        assert!((all.spread(30, 400) / (all.standard_error / all.variance).powi(2) - 1.0).abs() <= 1e-14);
    }
}
