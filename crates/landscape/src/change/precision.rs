//! V to a requested precision from few losses: how many samples and draws it takes, found from what the first of them say.
//!
//! `Var V̂ = a/T + b/n + c/(Tn)` for T draws at n samples: a is the variance of S²(θ) over θ, b that of a sample's mean squared
//! deviation, c the interaction ([`interval`](crate::change::interval) has the model). To have each draw meet each sample is a
//! waste: few draws, T', already rank the samples well. So V is estimated in two phases (double sampling with regression,
//! Cochran 1977, chapter 12): T' draws at many samples, n', and T draws at the first n of these. The samples then leave
//!
//! `W/n' + R/n`, `R = b (c/T') / (b + c/T')`, `W = b − R`,
//!
//! instead of `b/n`, and the losses are `n' T' + n T`. For a variance `v = v₁ + v₂` the cheapest are `n' = W/v₂`,
//! `n = 2R/v₁` and `T = 2a/v₁`; how v is divided, and T', are found by a search.
//!
//! Draws are taken wider than they are weighed ([`Proposal`]), as S² grows with |θ|. A first batch, which takes no part in the
//! result, says how wide, and then a, b and c. A part of the plan's draws is taken; while the interval is
//! too wide, more draws follow at the same samples, or where these are too few, all begins anew with more (two-stage sampling,
//! Stein 1945, gone on with until the interval is short: Chow & Robbins 1965).

use std::ops::Range;

use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::change::delta::MonteCarloRun;
use crate::change::interval::{Components, Estimate, TwoPhases};
use crate::change::sampling::{Proposal, Sampling};

/// The parts of `Var V̂ = a/T + R/n + W/n'`, loss⁴.
#[derive(Clone, Copy, Debug)]
struct Parts {
    /// a
    draws: f64,
    /// R: of the samples, what the first phase does not explain
    residual: f64,
    /// W: what it does
    shared: f64,
}

/// T' draws at n' samples, and T draws at the first n of them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Plan {
    /// n'
    pub many_samples: usize,
    /// T'
    pub few_draws: usize,
    /// n
    pub samples: usize,
    /// T
    pub draws: usize,
}

impl Plan {
    /// Losses: n' T' + n T.
    fn cost(self) -> f64 {
        self.many_samples as f64 * self.few_draws as f64 + self.samples as f64 * self.draws as f64
    }
}

/// Numbers of draws of the first phase among which the cheapest is taken.
const FEW_DRAWS: [usize; 5] = [32, 64, 128, 256, 512];
/// Ways to divide the variance between the phases among which the cheapest is taken.
const DIVISIONS: usize = 100;
/// Where samples are all used up, draws are taken until they add this fraction to the variance that the samples leave.
const DRAWS_BESIDE_ALL_SAMPLES: f64 = 0.1;
/// Fewest samples at all draws: what a regression on a skewed quantity needs.
const LEAST_SAMPLES: usize = 500;
/// Fewest draws: what Student's t and the skewness of a mean need.
const LEAST_DRAWS: usize = 32;

impl Parts {
    /// What is left to the two phases where the first has `few_draws` draws.
    fn of(components: &Components, few_draws: usize) -> Self {
        let noise = components.interaction / few_draws as f64;
        let b = components.samples;
        let residual = if noise > 0.0 { b * noise / (b + noise) } else { 0.0 };
        Self { draws: components.draws, residual, shared: b - residual }
    }

    /// The cheapest plan of this variance with at most `most` samples; where these leave more variance than that, the plan with
    /// which draws add little to it.
    fn cheapest(&self, few_draws: usize, variance: f64, most: usize) -> Plan {
        let least = LEAST_SAMPLES.min(most);
        let variance =
            variance.max((self.shared + self.residual) / most as f64 * (1.0 + DRAWS_BESIDE_ALL_SAMPLES));
        if variance <= 0.0 {
            return Plan { many_samples: least, few_draws, samples: least, draws: LEAST_DRAWS };
        }
        let plan = |i: usize| {
            let second = variance * i as f64 / DIVISIONS as f64;
            let many_samples = whole(self.shared / (variance - second)).clamp(least, most);
            let samples = whole(2.0 * self.residual / second).clamp(least, many_samples);
            // What is left by the samples as they were rounded and limited.
            let left = variance - self.shared / many_samples as f64 - self.residual / samples as f64;
            let draws = if left > 0.0 { whole(self.draws / left).max(LEAST_DRAWS) } else { usize::MAX };
            Plan { many_samples, few_draws, samples, draws }
        };
        let plans = (1..DIVISIONS).map(plan);
        plans.min_by(|a, b| a.cost().total_cmp(&b.cost())).expect("some divisions")
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
    /// losses to evaluate at most, but for the last few draws that make a group whole
    pub most_losses: f64,
}

/// Losses of a network, or of a model, at samples in a random order.
pub trait LossSource {
    /// N, the samples there are.
    fn n_samples(&self) -> usize;

    /// Feeds `run`, which is over the first n samples, with the draws of `range` by its sampling and the proposal; returns the
    /// standard normal z of these, (T, d). The order of the samples is the same for all runs of at most as many as the one before.
    fn add(&mut self, run: &mut MonteCarloRun, proposal: Proposal, range: Range<usize>) -> Array2<f64>;
}

/// One look at the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Round {
    /// n', n, T' and the draws T so far
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub plan: Plan,
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
    /// the sampling has no more draws
    Draws,
}

/// V with what it took.
pub struct Found {
    /// few draws at many samples
    pub many: MonteCarloRun,
    /// all draws at the first of them
    pub run: MonteCarloRun,
    /// of V
    pub estimate: Estimate,
    /// how wide the draws of both are
    pub proposal: Proposal,
    /// of the variance of V̂, by the first batch
    pub components: Components,
    /// the first batch, and each look after it
    pub rounds: Vec<Round>,
    /// why it ended
    pub end: End,
}

impl Found {
    /// V over the square of the mean perturbed loss L̄, with its error, and L̄.
    pub fn ratio(&self) -> (Estimate, f64) {
        self.run.ratio(&self.many)
    }
}

/// The share of the chance of an error that an interval has when it is looked at again and again until it is short enough. An
/// estimate that errs low also seems surer, so it is stopped at more often; by simulation this makes up for it.
const SHARE_OF_ERROR: f64 = 0.7;

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
/// Draws grow by at least and at most these factors between two looks.
const GROWTH: (f64, f64) = (1.1, 1.3);
/// More samples are taken, for which all begins anew, where those at hand alone have more than this share of the variance.
const TOO_FEW: f64 = 0.8;
/// Draws are enough where their variance is below this share of that of the samples.
const LITTLE: f64 = 0.25;

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
    let mut search = Search { source, request, proposal: Proposal::NONE, rounds: vec![] };
    let (components, mut plan) = search.first_plan()?;
    loop {
        let mut many = search.start(plan.many_samples);
        search.add(&mut many, plan.few_draws);
        let mut run = search.start(plan.samples);
        let begun = (plan.many_samples, plan.samples);
        let mut spent = plan.many_samples * plan.few_draws;
        plan = loop {
            let (estimate, phases) = search.look(&mut run, &many, plan, spent)?;
            spent = 0;
            match search.next(plan, &estimate, &phases) {
                Ok(next) if (next.many_samples, next.samples) == begun => plan = next,
                Ok(anew) => break anew,
                Err(end) => {
                    let Search { proposal, rounds, .. } = search;
                    return Ok(Found { many, run, estimate, proposal, components, rounds, end });
                }
            }
        };
    }
}

/// Rounded up.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative; what is too large is a limit
fn whole(number: f64) -> usize {
    number.ceil() as usize
}

struct Search<'a, S> {
    source: &'a mut S,
    request: &'a Request,
    proposal: Proposal,
    rounds: Vec<Round>,
}

impl<S: LossSource> Search<'_, S> {
    /// What the first batch says, and the plan that follows. It is taken twice: how wide the draws should be is found first.
    fn first_plan(&mut self) -> Result<(Components, Plan), NotFinite> {
        let (run, z) = self.first_batch()?;
        self.proposal = Proposal::of(run.loss_variance(), z.view());
        let (estimate, components) = self.first_batch()?.0.variance();
        let variance = self.needed(estimate.value);
        let of = |few: usize| self.affordable(&Parts::of(&components, few), few, variance);
        let cheapest = FEW_DRAWS.map(of).into_iter().min_by(|a, b| a.cost().total_cmp(&b.cost()));
        Ok((components, cheapest.expect("some numbers of draws")))
    }

    /// Each draw at each sample of the first batch, with z.
    fn first_batch(&mut self) -> Result<(MonteCarloRun, Array2<f64>), NotFinite> {
        let (samples, draws) = self.request.first;
        let samples = samples.min(self.source.n_samples());
        let mut run = self.start(samples);
        let z = self.add(&mut run, draws);
        let estimate = run.variance().0;
        finite(&estimate)?;
        let draws = run.n_draws();
        self.rounds.push(Round {
            plan: Plan { many_samples: samples, few_draws: draws, samples, draws },
            losses: samples * draws,
            half_width: half_width(&estimate, self.request.confidence),
        });
        Ok((run, z))
    }

    /// Var V̂ that the request needs where V is `v`, as far as it can be planned.
    fn needed(&self, v: f64) -> f64 {
        let t = StudentsT::new(0.0, 1.0, PLANNED_FREEDOM).expect("positive degrees of freedom");
        let t = t.inverse_cdf(f64::midpoint(1.0, nominal(self.request.confidence)));
        (self.request.half_width * v / t).powi(2) / MARGIN
    }

    /// The cheapest plan of this variance, or of the smallest for which there are losses enough, at its first look.
    fn affordable(&self, parts: &Parts, few_draws: usize, mut variance: f64) -> Plan {
        let most = self.source.n_samples();
        loop {
            let plan = parts.cheapest(few_draws, variance, most);
            let draws = whole(FIRST_LOOK * plan.draws as f64).max(few_draws);
            let plan = Plan { draws: draws.min(self.request.sampling.most_draws()), ..plan };
            let excess = plan.cost() / self.left();
            if excess <= 1.0 || variance <= 0.0 || plan.draws <= few_draws {
                return plan;
            }
            // The cost goes with the inverse square of the variance, or of the samples.
            variance *= excess.abs().sqrt().max(1.05);
        }
    }

    /// Losses that may still be evaluated.
    fn left(&self) -> f64 {
        (self.request.most_losses - self.rounds.iter().map(|r| r.losses as f64).sum::<f64>()).max(1.0)
    }

    /// A run over the first `samples`.
    fn start(&self, samples: usize) -> MonteCarloRun {
        MonteCarloRun::new(samples, 1, self.request.sampling, &[])
    }

    /// Takes draws until there are as many, in whole groups; returns z of those that it took.
    fn add(&mut self, run: &mut MonteCarloRun, draws: usize) -> Array2<f64> {
        let draws = draws.max(LEAST_DRAWS).next_multiple_of(run.sampling().multiple());
        self.source.add(run, self.proposal, run.n_draws()..draws.max(run.n_draws()))
    }

    /// Takes draws until the plan has its number of them, and looks at the interval. `spent`: losses of the first phase, if it
    /// is new.
    fn look(
        &mut self,
        run: &mut MonteCarloRun,
        many: &MonteCarloRun,
        plan: Plan,
        spent: usize,
    ) -> Result<(Estimate, TwoPhases), NotFinite> {
        let more = self.add(run, plan.draws).nrows();
        let (estimate, phases) = run.in_two_phases(many);
        finite(&estimate)?;
        self.rounds.push(Round {
            plan: Plan { draws: run.n_draws(), few_draws: many.n_draws(), ..plan },
            losses: spent + more * run.n_samples(),
            half_width: half_width(&estimate, self.request.confidence),
        });
        Ok((estimate, phases))
    }

    /// What to do after a look: the next plan, or the end.
    fn next(&self, plan: Plan, estimate: &Estimate, phases: &TwoPhases) -> Result<Plan, End> {
        if half_width(estimate, self.request.confidence) <= self.request.half_width {
            return Err(End::Precise);
        }
        let (all, variance) = (self.source.n_samples(), self.needed(estimate.value));
        let parts = Parts {
            draws: estimate.draws_error.powi(2) * plan.draws as f64,
            residual: phases.residual,
            shared: phases.shared,
        };
        let of_samples = estimate.samples_error.powi(2);
        let more = |draws: f64| {
            let (least, most) = (GROWTH.0 * plan.draws as f64, GROWTH.1 * plan.draws as f64);
            Plan { draws: whole(draws.clamp(least, most)).min(self.request.sampling.most_draws()), ..plan }
        };
        let larger = parts.cheapest(plan.few_draws, variance, all);
        // More draws cannot make up for what the samples leave, or for their skewness.
        let short = of_samples >= variance || estimate.draws_error.powi(2) < LITTLE * of_samples;
        let least = |old: usize| if short { whole(GROWTH.1 * old as f64) } else { old };
        let samples = larger.samples.max(least(plan.samples)).min(all);
        let many_samples = larger.many_samples.max(least(plan.many_samples)).max(samples).min(all);
        let grows = |new: usize, old: usize| new as f64 > GROWTH.0 * old as f64;
        let has_more = grows(many_samples, plan.many_samples) || grows(samples, plan.samples);
        let next = if (short || of_samples > TOO_FEW * variance) && has_more {
            Plan { many_samples, samples, ..plan }
        } else if !short {
            more(parts.draws / (variance - of_samples))
        } else if larger.draws > plan.draws {
            more(larger.draws as f64)
        } else {
            return Err(End::AllSamples);
        };
        let same = (next.many_samples, next.samples) == (plan.many_samples, plan.samples);
        if same && next.draws <= plan.draws {
            return Err(End::Draws);
        }
        let begun = if same { plan.cost() } else { 0.0 };
        if next.cost() - begun > self.left() { Err(End::Losses) } else { Ok(next) }
    }
}

fn finite(estimate: &Estimate) -> Result<(), NotFinite> {
    if estimate.value.is_finite() && estimate.error().is_finite() { Ok(()) } else { Err(NotFinite) }
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

        fn add(&mut self, run: &mut MonteCarloRun, proposal: Proposal, range: Range<usize>) -> Array2<f64> {
            let n = run.n_samples();
            let normal = run.sampling().standard_normal(self.seed, range, DIM);
            let theta = &normal * (self.sigma * proposal.scale);
            for (theta, weight) in theta.axis_iter(Axis(0)).zip(proposal.weights(normal.view())) {
                let mut z = Array1::ones(DIM + 2);
                z.slice_mut(ndarray::s![1..=DIM]).assign(&theta);
                z[DIM + 1] = 0.5 * theta.dot(&theta);
                let losses = z.dot(&self.features.slice(ndarray::s![.., ..n]));
                run.add_weighted_row(losses.as_slice().unwrap(), weight);
            }
            normal
        }
    }

    fn request(half_width: f64, sampling: Sampling) -> Request {
        Request { half_width, confidence: 0.95, first: (200, 256), sampling, most_losses: 1e9 }
    }

    #[test]
    fn the_cheapest_plan_has_its_variance_and_no_other_is_cheaper() {
        let variance_of = |parts: &Parts, plan: Plan| {
            parts.draws / plan.draws as f64
                + parts.residual / plan.samples as f64
                + parts.shared / plan.many_samples as f64
        };
        for (a, b, c) in [(4.0, 9.0, 50.0), (0.6, 20.0, 900.0), (50.0, 1.0, 0.0)] {
            let parts = Parts::of(&Components { draws: a, samples: b, interaction: c }, 64);
            let variance = 1e-3;
            let plan = parts.cheapest(64, variance, 1_000_000);
            assert!(variance_of(&parts, plan) <= variance, "{plan:?}");
            for many in (1..200).map(|i| 500 * i) {
                for samples in (1..40).map(|i| LEAST_SAMPLES * i).filter(|&n| n <= many) {
                    let left = variance - parts.shared / many as f64 - parts.residual / samples as f64;
                    let draws = if left > 0.0 { whole(parts.draws / left) } else { continue };
                    let other = Plan { many_samples: many, few_draws: 64, samples, draws };
                    // The division of the variance is searched in steps of a hundredth.
                    assert!(other.cost() >= 0.98 * plan.cost(), "{plan:?} {other:?}");
                }
            }
        }
        // Too few samples for the variance: all of them, and draws that add a tenth.
        let parts = Parts { draws: 4.0, residual: 0.0, shared: 9.0 };
        let plan = parts.cheapest(64, 1e-3, 1000);
        assert_eq!((plan.many_samples, plan.draws), (1000, whole(4.0 / 9e-4)));
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
        model.add(&mut run, Proposal::NONE, 0..4000);
        let (estimate, found) = run.variance();
        // Heavy-tailed: the variance of u² over 4,000 draws is known to about a tenth.
        assert!((found.draws / a - 1.0).abs() < 0.3, "{found:?} {a}");
        assert!((estimate.value / model.v() - 1.0).abs() < 0.1);
        // The parts add up to what the estimate says of itself.
        let (n, t) = (3999.0, 4000.0);
        let variance = found.draws / t + found.samples / n + found.interaction / (n * t);
        assert!((variance.sqrt() / estimate.error() - 1.0).abs() < 1e-9);
    }

    /// Fraction of `repeats` whose interval has V in it, and mean losses.
    fn coverage(repeats: u64, request: &Request, sigma: f64, skewed: bool) -> (f64, f64) {
        let (mut covered, mut losses) = (0, 0);
        for seed in 0..repeats {
            let mut model = Model::new(20_000, sigma, skewed, seed);
            let found = measure(&mut model, request).unwrap();
            let last = found.rounds.last().unwrap();
            assert!(
                found.end == End::Precise && last.half_width <= request.half_width,
                "{:?} {last:?}",
                found.end
            );
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
            eprintln!("{what}: {:.1} % of 300, {:.2} million losses", 100.0 * found, losses / 1e6);
            // Binomial(300, 0.95) has a standard deviation of 1.3 %: three of them.
            assert!((0.912..=0.988).contains(&found), "{what}: {found} {losses}");
        }
    }

    #[test]
    fn it_ends_where_samples_or_losses_do() {
        // 300 samples alone leave more than ± 10 %.
        let found = measure(&mut Model::new(300, 0.3, false, 1), &request(0.1, Sampling::Sobol)).unwrap();
        assert_eq!((found.end, found.many.n_samples()), (End::AllSamples, 300));
        assert!(
            found.estimate.draws_error < 0.6 * found.estimate.samples_error,
            "draws enough that samples decide"
        );
        // Three samples, of which two say nothing of an interaction.
        let found = measure(&mut Model::new(3, 0.3, false, 1), &request(0.1, Sampling::Sobol)).unwrap();
        assert_eq!(found.end, End::AllSamples);
        let few = Request { most_losses: 3e5, ..request(0.02, Sampling::Sobol) };
        let found = measure(&mut Model::new(20_000, 0.7, false, 1), &few).unwrap();
        let losses = found.rounds.iter().map(|r| r.losses).sum::<usize>();
        assert!(found.end == End::Losses && losses as f64 <= 3.1e5, "{losses}");
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
