//! Evidence that Δ has fallen below a tolerance, gathered over looks at data that arrive: a product of bets.
//!
//! At each look a value `Y ≥ 0` comes in, with mean Δ/tolerance whatever happened before. A bet pays
//! `E = exp(−λY) / M(λ)`, with M the largest mean of `exp(−λY)` that is possible as long as Δ is not below the tolerance. So
//! `E` has then a mean of at most 1, the product of the bets is a supermartingale, and it ever reaches 1/α with probability at
//! most α (Ville 1939; Waudby-Smith & Ramdas 2024). It may be looked at as often as one likes.
//!
//! M follows from the squared coefficient of variation `c²` alone, without an upper bound of Y or a normal distribution:
//! the parabola through `exp(−λy)` at 0 that touches it at `1 + c²` lies above it for all `y ≥ 0`, since the difference is
//! `y (y − 1 − c²)²` times a third derivative, which is negative. Its mean for `E Y = 1` and `E Y² = 1 + c²` is
//! `M(λ) = (c² + exp(−λ(1 + c²))) / (1 + c²)`, which a variable of two values reaches (Bennett 1962).

/// A bet on one value, fixed before the value is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bet {
    /// λ ≥ 0; 0: no bet
    pub stake: f64,
    /// c², the squared coefficient of variation of the value, at most
    pub spread: f64,
}

impl Bet {
    /// The bet whose evidence grows fastest if the value has the mean `expected`, in units of the tolerance.
    ///
    /// The maximum of `−λ·expected − log M(λ)` is at `λ = log((1 + c² − expected) / (expected c²)) / (1 + c²)`; no bet where
    /// `expected` is not below 1. A poor expectation costs evidence, never validity.
    pub fn on(expected: f64, spread: f64) -> Self {
        let possible = expected > 0.0 && expected < 1.0 && spread > 0.0 && spread.is_finite();
        let stake = if possible {
            ((1.0 + spread - expected) / (expected * spread)).ln() / (1.0 + spread)
        } else {
            0.0
        };
        Self { stake, spread }
    }

    /// `log E` of a value in units of the tolerance.
    pub fn log_evidence(&self, value: f64) -> f64 {
        if self.stake <= 0.0 {
            return 0.0;
        }
        let largest_mean = (self.spread + (-self.stake * (1.0 + self.spread)).exp()) / (1.0 + self.spread);
        -self.stake * value - largest_mean.ln()
    }
}

/// The product of the bets, as its logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    log: f64,
}

impl Evidence {
    /// One more look.
    pub fn take(&mut self, bet: Bet, value: f64) {
        self.log += bet.log_evidence(value);
    }

    /// Its logarithm.
    pub fn log(&self) -> f64 {
        self.log
    }

    /// Whether it is enough: the product is at least 1/(1 − confidence).
    pub fn suffices(&self, confidence: f64) -> bool {
        self.log >= -(-confidence).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::prefix::Moments;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// Mean of E for values y with probabilities p.
    fn mean_evidence(bet: Bet, values: &[(f64, f64)]) -> f64 {
        values.iter().map(|&(y, p)| p * bet.log_evidence(y).exp()).sum()
    }

    #[test]
    fn a_bet_pays_at_most_one_on_average_and_the_two_point_variable_reaches_it() {
        for spread in [0.02, 0.3, 4.0] {
            for stake in [0.01, 0.7, 5.0] {
                let bet = Bet { stake, spread };
                let worst = [(0.0, spread / (1.0 + spread)), (1.0 + spread, 1.0 / (1.0 + spread))];
                assert!((mean_evidence(bet, &worst) - 1.0).abs() <= 1e-14);
                // Gamma with this mean and spread: E exp(−λY) = (1 + λc²)^(−1/c²). Larger means pay less.
                let gamma = (-(stake * spread).ln_1p() / spread).exp() * bet.log_evidence(0.0).exp();
                assert!(gamma < 1.0, "{bet:?}: {gamma}");
                let larger = worst.map(|(y, p)| (1.3 * y, p));
                assert!(mean_evidence(bet, &larger) < 1.0);
                // A spread that is too small would not do.
                let small = Bet { spread: spread / 2.0, ..bet };
                assert!(mean_evidence(small, &worst) > 1.0);
            }
        }
    }

    #[test]
    fn the_stake_is_the_one_that_grows_fastest() {
        for (expected, spread) in [(0.9, 0.05), (0.5, 0.05), (0.7, 2.0)] {
            let bet = Bet::on(expected, spread);
            for other in [0.9 * bet.stake, 1.1 * bet.stake] {
                let other = Bet { stake: other, ..bet };
                assert!(bet.log_evidence(expected) > other.log_evidence(expected), "{bet:?}");
            }
            assert!(bet.log_evidence(expected) > 0.0);
        }
        for (expected, spread) in [(1.0, 0.1), (1.5, 0.1), (f64::NAN, 0.1), (0.5, f64::NAN), (0.5, 0.0)] {
            assert_eq!(Bet::on(expected, spread).log_evidence(0.3).to_bits(), 0);
        }
    }

    /// A stream whose next 32 samples have a mean of `delta(look)` times the tolerance at every look; the look at which the
    /// evidence suffices. Expectation and spread of the bets are those of all samples so far.
    fn stopping_look(
        seed: u64,
        value: fn(f64) -> f64,
        delta: &dyn Fn(usize) -> f64,
        looks: usize,
    ) -> Option<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sample = || {
            let normal: f64 = StandardNormal.sample(&mut rng);
            value(normal)
        };
        let mut seen = Moments::default();
        (0..64).for_each(|_| _ = seen.push(sample()));
        let mut evidence = Evidence::default();
        (1..=looks).find(|&look| {
            let spread = seen.variance() / seen.mean().powi(2) / 32.0;
            let bet = Bet::on(seen.mean() * delta(look), spread);
            let mean = (0..32).map(|_| sample()).inspect(|&x| _ = seen.push(x)).sum::<f64>() / 32.0;
            evidence.take(bet, mean * delta(look));
            evidence.suffices(0.95)
        })
    }

    /// Squares of normal values, mean 1 and c² = 2; log-normal values with c² = 1.7 and with c² = 8.5, whose largest of a
    /// thousand is 30 times the mean.
    const VALUES: [fn(f64) -> f64; 3] = [|z| z * z, |z| (z - 0.5).exp(), |z| (1.5 * z - 1.125).exp()];

    #[test]
    fn of_many_looks_at_the_tolerance_itself_at_most_one_run_in_twenty_stops() {
        for (i, value) in VALUES.into_iter().enumerate() {
            let stops = (0..1000).filter(|&seed| stopping_look(seed, value, &|_| 1.0, 200).is_some()).count();
            // Binomial(1000, 0.05): 50 with deviation 6.9, and four of them.
            assert!(stops <= 77, "values {i}: {stops} of 1000");
        }
    }

    #[test]
    fn falling_as_one_over_k_squared_it_stops_late_enough_and_soon() {
        // Look j is at k = 64 + 32 j; Δ falls through the tolerance at k = 800, look 23.
        let delta = |look: usize| (800.0 / (64.0 + 32.0 * look as f64)).powi(2);
        for (i, value) in VALUES.into_iter().enumerate() {
            let mut looks = (0..1000)
                .map(|seed| stopping_look(seed, value, &delta, 200).unwrap_or(usize::MAX))
                .collect::<Vec<_>>();
            looks.sort_unstable();
            let early = looks.iter().filter(|&&look| look <= 23).count();
            assert!(early <= 77, "values {i}: {early} of 1000");
            // At a third more samples, where Δ is half the tolerance, most have stopped, also with heavy tails.
            assert!(looks[500] <= 36, "values {i}: median {}", looks[500]);
        }
    }
}
