//! V to a requested precision at the least cost: how many samples and draws it takes, found from what the first of them say.
//!
//! `Var V̂ = a/T + b/n + c/(Tn)` for T draws at n samples: a is the variance of S²(θ) over θ, b that of a sample's mean squared
//! deviation, c the interaction ([`interval`](crate::change::interval) has the model). n T losses are the cost, so the
//! cheapest plan of variance v minimises n T subject to it:
//!
//! `T = a/v (1 + r)`, `n = b/v (1 + r)`, `r = √(1 + c v / (a b))`.
//!
//! A first batch, which takes no part in the result, gives a, b and c. A part of the plan's draws is taken; while the interval is
//! too wide, more draws follow at the same samples, or where these are too few, all begins anew with more (two-stage sampling,
//! Stein 1945, gone on with until the interval is short: Chow & Robbins 1965).

use std::ops::Range;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::change::delta::MonteCarloRun;
use crate::change::interval::Estimate;
use crate::change::sampling::Sampling;

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

/// Numbers of samples and draws, of which each draw meets each sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// n
    pub samples: f64,
    /// T
    pub draws: f64,
}

impl Plan {
    /// n T, losses.
    fn cost(self) -> f64 {
        self.samples * self.draws
    }
}

/// Where samples are all used up, draws are taken until they add this fraction to the variance that the samples leave.
const DRAWS_BESIDE_ALL_SAMPLES: f64 = 0.1;

impl Components {
    /// Var V̂ of a plan, loss⁴.
    pub fn variance(&self, plan: Plan) -> f64 {
        self.draws / plan.draws + self.samples / plan.samples + self.interaction / (plan.draws * plan.samples)
    }

    /// Draws at `samples` samples for this variance; `None` where no number of draws reaches it.
    fn draws_at(&self, samples: f64, variance: f64) -> Option<f64> {
        let left = variance - self.samples / samples;
        (left > 0.0).then(|| (self.draws + self.interaction / samples) / left)
    }

    /// The cheapest plan of this variance with at least `least` and at most `most` samples; where all samples leave more
    /// variance than that, the plan with which draws add little to it.
    fn cheapest(&self, variance: f64, least: usize, most: usize) -> Plan {
        if variance <= 0.0 {
            return Plan { samples: least.min(most) as f64, draws: 0.0 };
        }
        let product = self.draws * self.samples;
        let free = if product > 0.0 {
            self.samples / variance * (1.0 + (1.0 + self.interaction * variance / product).sqrt())
        } else {
            2.0 * self.samples / variance
        };
        let samples = free.ceil().clamp(least.min(most) as f64, most as f64);
        let floor = self.samples / samples * (1.0 + DRAWS_BESIDE_ALL_SAMPLES);
        let draws = self.draws_at(samples, variance.max(floor)).unwrap_or(0.0);
        Plan { samples, draws }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// half the width of the interval of V, as a fraction of V
    pub half_width: f64,
    /// coverage of the interval, as a fraction
    pub confidence: f64,
    /// samples and draws of the first batch
    pub first: (usize, usize),
    /// how draws are taken
    pub sampling: Sampling,
    /// losses to evaluate at most
    pub most_losses: f64,
}

/// Losses of a network, or of a model, at samples in a random order.
pub trait LossSource {
    /// N, the samples there are.
    fn n_samples(&self) -> usize;

    /// Feeds `run`, which is over the first n samples, with the draws of `range` by its sampling.
    fn add(&mut self, run: &mut MonteCarloRun, range: Range<usize>);
}

/// One look at the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Round {
    /// how the draws were taken
    pub sampling: Sampling,
    /// n
    pub samples: usize,
    /// T so far
    pub draws: usize,
    /// evaluated for this round
    pub losses: usize,
    /// half the width of the interval, as a fraction of V
    pub half_width: f64,
}

/// Why no more draws were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum End {
    /// the interval is as short as was asked for
    Precise,
    /// all samples are used, and they alone leave a longer interval
    AllSamples,
    /// the next round would evaluate more losses than allowed
    Losses,
}

/// V with what it took.
pub struct Found {
    /// the estimate, over the samples and draws of the last round
    pub run: MonteCarloRun,
    /// of V
    pub estimate: Estimate,
    /// of its variance, by the last round
    pub components: Components,
    /// each look, the first batches too
    pub rounds: Vec<Round>,
    /// why it ended
    pub end: End,
}

/// The share of the chance of an error that an interval has when it is looked at again and again until it is short enough. An
/// estimate that errs low also seems surer, so it is stopped at more often; by simulation this makes up for it.
const SHARE_OF_ERROR: f64 = 0.9;

/// The confidence of an interval that has this coverage after several looks.
pub fn nominal(confidence: f64) -> f64 {
    1.0 - SHARE_OF_ERROR * (1.0 - confidence)
}

/// Half the width of the interval of this coverage over the value; 0 for a loss that never changes.
pub fn half_width(estimate: &Estimate, confidence: f64) -> f64 {
    let (low, high) = estimate.interval(nominal(confidence));
    if high > low { (high - low) / (2.0 * estimate.value) } else { 0.0 }
}

/// Degrees of freedom that a plan counts on: 16 replicates that have half of the variance.
const PLANNED_FREEDOM: f64 = 60.0;
/// Variances of a plan are below what is needed by this factor.
const MARGIN: f64 = 1.1;
/// The first look comes at this share of the draws of a plan: more can be added, too many cannot be taken back. Replicates
/// need fewer than a first batch lets expect, as their variance falls faster than with the inverse of their draws.
const FIRST_LOOK: f64 = 0.6;
/// Draws grow by at most this factor between two looks.
const GROWTH: f64 = 1.3;
/// And at least by this one.
const LEAST_GROWTH: f64 = 1.1;
/// More samples are taken, for which all begins anew, where those at hand alone have more than this share of the variance.
const TOO_FEW: f64 = 0.8;

/// Fewest draws of a plan: what Student's t and the skewness of a mean need.
const LEAST_DRAWS: usize = 32;

/// A loss, or the variance of the losses, is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("losses or their variance are not finite")]
pub struct NotFinite;

/// Measures V until its interval is as short as was asked for.
///
/// The result is that of the last round's samples and draws alone. Its interval is that of [`nominal`] confidence.
///
/// # Errors
/// [`NotFinite`].
pub fn measure(source: &mut impl LossSource, request: &Request) -> Result<Found, NotFinite> {
    let mut search = Search { source, request, rounds: vec![] };
    let mut plan = search.first_plan()?;
    let mut run = search.start(plan);
    plan.draws *= FIRST_LOOK;
    loop {
        let (estimate, components) = search.look(&mut run, plan)?;
        plan = match search.next(&run, &estimate, &components) {
            Ok(plan) => plan,
            Err(end) => return Ok(Found { run, estimate, components, rounds: search.rounds, end }),
        };
        if whole(plan.samples) > run.n_samples() {
            run = search.start(plan);
        }
    }
}

/// Rounded up.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // finite and not negative
fn whole(number: f64) -> usize {
    number.ceil() as usize
}

struct Search<'a, S> {
    source: &'a mut S,
    request: &'a Request,
    rounds: Vec<Round>,
}

impl<S: LossSource> Search<'_, S> {
    /// The plan that the first batch suggests.
    fn first_plan(&mut self) -> Result<Plan, NotFinite> {
        let (samples, draws) = self.request.first;
        let first = Plan { samples: samples.min(self.source.n_samples()) as f64, draws: draws as f64 };
        let mut run = self.start(first);
        let (estimate, components) = self.look(&mut run, first)?;
        Ok(self.affordable(&components, self.needed(estimate.value), first))
    }

    /// A run over as many samples as the plan has.
    fn start(&self, plan: Plan) -> MonteCarloRun {
        MonteCarloRun::new(whole(plan.samples), 1, self.request.sampling, &[])
    }

    /// Var V̂ that the request needs where V is `v`, as far as it can be planned.
    fn needed(&self, v: f64) -> f64 {
        let t = StudentsT::new(0.0, 1.0, PLANNED_FREEDOM).expect("positive degrees of freedom");
        let t = t.inverse_cdf(f64::midpoint(1.0, nominal(self.request.confidence)));
        (self.request.half_width * v / t).powi(2) / MARGIN
    }

    /// The cheapest plan of this variance, or of the smallest for which there are losses enough.
    fn affordable(&self, components: &Components, mut variance: f64, first: Plan) -> Plan {
        loop {
            let plan = components.cheapest(variance, whole(first.samples), self.source.n_samples());
            let excess = plan.cost() / self.left();
            if excess <= 1.0 || plan.samples <= first.samples || variance <= 0.0 {
                return plan;
            }
            // The cost goes with the inverse square of the variance, or of the samples.
            variance *= excess.sqrt().max(1.05);
        }
    }

    /// Losses that may still be evaluated.
    fn left(&self) -> f64 {
        self.request.most_losses - self.rounds.iter().map(|r| r.losses as f64).sum::<f64>()
    }

    /// Takes draws until the plan has its number of them, and looks at the interval.
    fn look(&mut self, run: &mut MonteCarloRun, plan: Plan) -> Result<(Estimate, Components), NotFinite> {
        let sampling = run.sampling();
        let begin = run.n_draws();
        let draws = whole(plan.draws).max(LEAST_DRAWS).max(begin + 1).next_multiple_of(sampling.multiple());
        self.source.add(run, begin..draws);
        let (estimate, components) = run.variance();
        if !(estimate.value.is_finite() && estimate.error().is_finite()) {
            return Err(NotFinite);
        }
        self.rounds.push(Round {
            sampling,
            samples: run.n_samples(),
            draws,
            losses: (draws - begin) * run.n_samples(),
            half_width: half_width(&estimate, self.request.confidence),
        });
        Ok((estimate, components))
    }

    /// What to do after a look: the next plan, or the end.
    fn next(&self, run: &MonteCarloRun, estimate: &Estimate, components: &Components) -> Result<Plan, End> {
        let (wanted, found) = (self.request.half_width, half_width(estimate, self.request.confidence));
        if found <= wanted {
            return Err(End::Precise);
        }
        let (samples, all) = (run.n_samples(), self.source.n_samples());
        let (variance, drawn) = (self.needed(estimate.value), run.n_draws() as f64);
        let more = components.draws_at(samples as f64, variance);
        let of_samples = components.samples / samples as f64;
        let more = more.filter(|_| samples == all || of_samples <= TOO_FEW * variance);
        let plan = match more {
            Some(draws) => {
                Plan { samples: samples as f64, draws: draws.clamp(LEAST_GROWTH * drawn, GROWTH * drawn) }
            }
            None if samples < all => {
                let larger = components.cheapest(variance, samples + 1, all);
                Plan { draws: (FIRST_LOOK * larger.draws).min(GROWTH * drawn), ..larger }
            }
            None => return Err(End::AllSamples),
        };
        let cost = plan.cost() - more.map_or(0.0, |_| drawn * samples as f64);
        if cost > self.left() { Err(End::Losses) } else { Ok(plan) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Axis};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Exp1, StandardNormal};

    /// A model whose V is known: ℓ_i(θ) = c_i + g_i·θ + ½ h_i |θ|², all of them independent, of mean 0 and variance 1.
    struct Model {
        /// rows (1 + d + 1, N) of c, g and h
        features: Array2<f64>,
        sigma: f64,
        seed: u64,
    }

    const DIM: usize = 3;

    impl Model {
        fn new(n: usize, sigma: f64, skewed: bool, seed: u64) -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let features = Array2::from_shape_simple_fn((DIM + 2, n), || {
                if skewed {
                    let x: f64 = Exp1.sample(&mut rng);
                    x - 1.0
                } else {
                    StandardNormal.sample(&mut rng)
                }
            });
            Self { features, sigma, seed }
        }

        /// `1 + σ² d + σ⁴/4 (d² + 2d)`.
        fn v(&self) -> f64 {
            let (d, s) = (DIM as f64, self.sigma.powi(2));
            1.0 + s * d + s * s / 4.0 * (d * d + 2.0 * d)
        }
    }

    impl LossSource for Model {
        fn n_samples(&self) -> usize {
            self.features.ncols()
        }

        fn add(&mut self, run: &mut MonteCarloRun, range: Range<usize>) {
            let n = run.n_samples();
            let theta = run.sampling().standard_normal(self.seed, range, DIM) * self.sigma;
            for theta in theta.axis_iter(Axis(0)) {
                let mut z = Array1::ones(DIM + 2);
                z.slice_mut(ndarray::s![1..=DIM]).assign(&theta);
                z[DIM + 1] = 0.5 * theta.dot(&theta);
                let losses = z.dot(&self.features.slice(ndarray::s![.., ..n]));
                run.add_row(losses.as_slice().unwrap());
            }
        }
    }

    fn request(half_width: f64, sampling: Sampling) -> Request {
        Request { half_width, confidence: 0.95, first: (200, 256), sampling, most_losses: 1e9 }
    }

    #[test]
    fn the_cheapest_plan_has_its_variance_and_no_other_is_cheaper() {
        for (a, b, c) in [(4.0, 9.0, 0.5), (1e-3, 7.0, 20.0), (50.0, 0.1, 0.0)] {
            let parts = Components { draws: a, samples: b, interaction: c };
            let variance = 1e-3;
            let plan = parts.cheapest(variance, 2, 1_000_000);
            // Samples are rounded up, draws follow.
            assert!((parts.variance(plan) / variance - 1.0).abs() <= 1e-12, "{plan:?}");
            for factor in [0.5, 0.9, 1.1, 2.0] {
                let samples = (plan.samples * factor).ceil();
                let draws = parts.draws_at(samples, variance).unwrap_or(f64::INFINITY);
                assert!(samples * draws >= plan.cost() * (1.0 - 1e-3), "{plan:?} {samples} {draws}");
            }
        }
        // Too few samples for the variance: all of them, and draws that add a tenth.
        let parts = Components { draws: 4.0, samples: 9.0, interaction: 0.0 };
        let plan = parts.cheapest(1e-3, 2, 1000);
        assert!((plan.samples - 1000.0).abs() <= 0.0 && (parts.variance(plan) / 9e-3 - 1.1).abs() <= 1e-12);
    }

    /// Of the components of known models: `E (S² over θ)` has variance a, and so on.
    #[test]
    fn components_are_those_of_the_model() {
        // At d = 3: S²(θ) = 1 + |θ|² + |θ|⁴/4 exactly for infinitely many samples, u = |θ|²/σ² is χ² of 3 degrees of freedom with
        // moments 3, 15, 105, 945: a = Var(σ²u + σ⁴u²/4), here at σ = 0.7.
        let s2: f64 = 0.49;
        let (m1, m2, m3, m4) = (3.0, 15.0, 105.0, 945.0);
        let first = s2 * m1 + s2 * s2 / 4.0 * m2;
        let a = s2 * s2 * m2 + s2.powi(3) / 2.0 * m3 + s2.powi(4) / 16.0 * m4 - first * first;
        let mut model = Model::new(4000, 0.7, false, 3);
        let mut run = MonteCarloRun::new(4000, 1, Sampling::Plain, &[]);
        model.add(&mut run, 0..4000);
        let (estimate, found) = run.variance();
        // Heavy-tailed: the variance of u² over 4,000 draws is known to about a tenth.
        assert!((found.draws / a - 1.0).abs() < 0.3, "{found:?} {a}");
        assert!((estimate.value / model.v() - 1.0).abs() < 0.1);
        // The parts add up to what the estimate says of itself.
        let plan = Plan { samples: 3999.0, draws: 4000.0 };
        assert!((found.variance(plan).sqrt() / estimate.error() - 1.0).abs() < 1e-9);
    }

    /// Fraction of `repeats` whose interval has V in it, and mean losses.
    fn coverage(repeats: u64, request: &Request, sigma: f64, skewed: bool) -> (f64, f64) {
        let (mut covered, mut losses) = (0, 0);
        for seed in 0..repeats {
            let mut model = Model::new(20_000, sigma, skewed, seed);
            let found = measure(&mut model, request).unwrap();
            assert!(found.end == End::Precise && half_width(&found.estimate, 0.95) <= request.half_width);
            let (low, high) = found.estimate.interval(nominal(0.95));
            covered += usize::from((low..=high).contains(&model.v()));
            losses += found.rounds.iter().map(|r| r.losses).sum::<usize>();
        }
        (covered as f64 / repeats as f64, losses as f64 / repeats as f64)
    }

    #[test]
    fn intervals_that_were_stopped_when_short_cover() {
        for (what, half, sigma, skewed, sampling) in [
            ("draws and samples", 0.12, 0.7, false, Sampling::Sobol),
            ("skewed samples", 0.15, 0.3, true, Sampling::Sobol),
            ("independent draws", 0.15, 0.7, false, Sampling::Plain),
        ] {
            let (found, losses) = coverage(300, &request(half, sampling), sigma, skewed);
            // Binomial(300, 0.95) has a standard deviation of 1.3 %: three of them.
            assert!((0.912..=0.988).contains(&found), "{what}: {found} {losses}");
        }
        // Replicates need fewer losses for this smooth model.
        let losses = |sampling| coverage(10, &request(0.1, sampling), 0.7, false).1;
        assert!(losses(Sampling::Sobol) < 0.8 * losses(Sampling::Plain));
    }

    #[test]
    fn it_ends_where_samples_or_losses_do() {
        // 300 samples alone leave more than ± 10 %.
        let found = measure(&mut Model::new(300, 0.3, false, 1), &request(0.1, Sampling::Sobol)).unwrap();
        assert_eq!((found.end, found.run.n_samples()), (End::AllSamples, 300));
        let of_samples = found.components.samples / 300.0;
        assert!(found.estimate.error().powi(2) < 1.5 * of_samples, "draws enough that samples decide");
        let few = Request { most_losses: 2e5, ..request(0.02, Sampling::Sobol) };
        let found = measure(&mut Model::new(20_000, 0.7, false, 1), &few).unwrap();
        let losses = found.rounds.iter().map(|r| r.losses).sum::<usize>();
        assert!(found.end == End::Losses && losses as f64 <= 2.02e5, "{losses}");
        assert!(half_width(&found.estimate, 0.95) > 0.02);
    }

    #[test]
    fn losses_that_do_not_vary_or_are_not_finite_are_told() {
        let mut still = Model::new(200, 0.7, false, 1);
        still.features.fill(0.0);
        let found = measure(&mut still, &request(0.05, Sampling::Sobol)).unwrap();
        assert!(found.end == End::Precise && found.estimate.value.abs() <= 0.0);
        let mut broken = Model::new(200, 0.7, false, 1);
        broken.features[[0, 7]] = f64::INFINITY;
        assert_eq!(measure(&mut broken, &request(0.05, Sampling::Sobol)).err(), Some(NotFinite));
    }
}
