//! Means, bands and probabilities at any number of samples.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::draws::{Draws, ends, quantile};
use super::law::Law;
use super::measured::Measured;
use super::{Ask, LIMIT, Quantity};

/// A forecast at any n.
pub struct Predictor<'a> {
    pub draws: &'a Draws,
    /// factor on the bands of logarithms
    pub widening: f64,
    pub ask: &'a Ask<'a>,
    /// size, samples
    pub smallest: f64,
    /// size, samples
    pub largest: f64,
    /// mean over replicas at the largest size
    pub last_mean: f64,
    /// upper end of that mean, which none beyond the largest size is above; infinite where the curve rises
    pub ceiling: f64,
}

impl<'a> Predictor<'a> {
    /// `monotone`: no rise was found among the measured sizes.
    pub fn new(
        measured: &Measured,
        draws: &'a Draws,
        widening: f64,
        monotone: bool,
        ask: &'a Ask<'a>,
    ) -> Self {
        let (sizes, means) = (measured.samples(), measured.means());
        let last = sizes.len() - 1;
        let ceiling = if monotone { upper_end(measured, draws, ask.confidence) } else { f64::INFINITY };
        let (smallest, largest, last_mean) = (sizes[0], sizes[last], means[last]);
        Self { draws, widening, ask, smallest, largest, last_mean, ceiling }
    }

    /// Samples beyond which nothing is forecast.
    pub fn limit(&self) -> f64 {
        LIMIT * self.largest
    }

    /// What the weighted mean of the forms comes down to as n grows.
    pub fn floor(&self) -> f64 {
        self.draws.forms.iter().map(|f| f.weight * f.law.floor()).sum()
    }

    /// Mean over seeds.
    pub fn mean(&self, n: f64) -> f64 {
        self.possible(self.draws.log_mean(n).exp().min(self.ceiling_at(n)))
    }

    /// What no mean at n is above.
    fn ceiling_at(&self, n: f64) -> f64 {
        if n < self.largest { f64::INFINITY } else { self.ceiling }
    }

    /// ln of the mean at n by the law of a draw, its distance from the middle multiplied; `middles` are [`Self::middles`].
    ///
    /// Where the curve is monotone, no draw beyond the largest size is above itself there: no law rises, but a wider distance from
    /// a middle that falls could.
    fn log_widened(&self, law: &Law, n: f64, middles: [f64; 2]) -> f64 {
        let at = |n: f64, middle: f64| middle + self.widening * (law.log_at(n) - middle);
        if n < self.largest || self.ceiling.is_infinite() {
            return at(n, middles[0]);
        }
        at(n, middles[0]).min(at(self.largest, middles[1]))
    }

    /// [`Draws::log_mean`] at n and at the largest size.
    fn middles(&self, n: f64) -> [f64; 2] {
        [n, self.largest].map(|n| self.draws.log_mean(n))
    }

    /// No error is above 1.
    fn possible(&self, value: f64) -> f64 {
        if self.ask.quantity == Quantity::Error { value.min(1.0) } else { value.min(f64::MAX) }
    }

    /// ln of the mean over seeds in every draw, with the scale of its spread over seeds, and its weight.
    fn log_draws(&self, n: f64) -> Vec<((f64, f64), f64)> {
        let (middles, ceiling) = (self.middles(n), self.ceiling_at(n).ln());
        self.draws.mixture(|law, draw| (self.log_widened(law, n, middles).min(ceiling), draw.scale))
    }

    /// Both ends of the band of the mean over seeds.
    pub fn mean_band(&self, n: f64) -> [f64; 2] {
        let mut values = self.log_draws(n).into_iter().map(|((log, _), w)| (log, w)).collect::<Vec<_>>();
        self.ends().map(|q| self.possible(quantile(&mut values, q).exp()))
    }

    fn ends(&self) -> [f64; 2] {
        ends(self.ask.confidence)
    }

    /// Standard deviation of the logarithm of what one run measures on test samples of its own, given its mean over seeds.
    ///
    /// Errors are binomial: `(1 − e)/(e M)`. The relative variance of a mean loss grows as the loss falls, as that of an
    /// error does, since ever fewer samples have most of it: that at the largest size, times loss there over loss.
    fn run_deviation(&self, log_mean: f64, scale: f64) -> f64 {
        let mean = self.possible(log_mean.exp()).max(f64::MIN_POSITIVE);
        let test = match self.ask.quantity {
            Quantity::Error => (1.0 - mean) / (mean * self.ask.n_test as f64),
            Quantity::Loss => self.ask.run_test_variance * self.last_mean / mean,
        };
        (test + (self.draws.noise.late_spread * scale).powi(2)).sqrt()
    }

    /// Probability that one run on n samples measures at most `value`.
    pub fn probability(&self, n: f64, value: f64) -> f64 {
        let runs = self.runs(n);
        below(&runs, value.ln())
    }

    /// (ln mean, deviation, weight) of every draw.
    fn runs(&self, n: f64) -> Vec<(f64, f64, f64)> {
        let draws = self.log_draws(n).into_iter();
        draws.map(|((log, scale), weight)| (log, self.run_deviation(log, scale), weight)).collect()
    }

    /// Both ends of the band of what one run measures.
    pub fn run_band(&self, n: f64) -> [f64; 2] {
        let runs = self.runs(n);
        let reach = |run: &(f64, f64, f64), side: f64| run.0 + side * 12.0 * run.1;
        let low = runs.iter().map(|r| reach(r, -1.0)).fold(f64::INFINITY, f64::min);
        let high = runs.iter().map(|r| reach(r, 1.0)).fold(f64::NEG_INFINITY, f64::max);
        self.ends().map(|q| {
            let (mut left, mut right) = (low, high);
            // Forty halvings leave 1e-12 of the range.
            for _ in 0..40 {
                let middle = f64::midpoint(left, right);
                if below(&runs, middle) < q { left = middle } else { right = middle }
            }
            self.possible(f64::midpoint(left, right).exp())
        })
    }

    /// Both ends of the band of a function of the means over seeds at two sizes.
    pub fn change_band(&self, from: f64, to: f64, of: impl Fn(f64, f64) -> f64) -> [f64; 2] {
        let (before, after) = (self.middles(from), self.middles(to));
        let mut values = self.draws.mixture(|law, _| {
            let [from, to] = [self.log_widened(law, from, before), self.log_widened(law, to, after)];
            of(self.possible(from.exp()), self.possible(to.exp()))
        });
        self.ends().map(|q| quantile(&mut values, q))
    }
}

/// Upper end of the mean at the largest size, as it was measured: seeds and test samples, by Student's t.
fn upper_end(measured: &Measured, draws: &Draws, confidence: f64) -> f64 {
    let last = measured.sizes.len() - 1;
    let deviation = measured.covariance(draws.noise.spread)[[last, last]].sqrt();
    let t = StudentsT::new(0.0, 1.0, draws.noise.freedom).expect("degrees of freedom above 0");
    measured.means()[last] * (t.inverse_cdf(f64::midpoint(1.0, confidence)) * deviation).exp()
}

/// Weight of the normal distributions (mean, deviation, weight) below `value`.
fn below(runs: &[(f64, f64, f64)], value: f64) -> f64 {
    let normal = Normal::standard();
    runs.iter().map(|(mean, deviation, weight)| weight * normal.cdf((value - mean) / deviation)).sum()
}
