//! The rules that say when enough samples have come: what each sees at a look, and when it stops.

use std::collections::VecDeque;

use landscape::change::betting::{Bet, Evidence};
use landscape::change::fresh::{Limited, limit, upper_limit};
use landscape::change::learning_curve::PowerLaw;
use landscape::change::prefix::{Moments, order_factor};
use landscape::passes::predictions::{Predictions, kappa};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use records::Stream;

/// The rules, in the order of every array.
///
/// `first-crossing`: one noisy value of Δ is below the tolerance. The next three have an upper limit below it: `limit` that of V
/// over the samples at hand, as if it were looked at once; `limit-anytime` the same with the doubt shared among all looks;
/// `limit-fresh` one over samples that training had not seen; `limit-spending` that of `limit`, with the doubt shared among those
/// looks where the looks before make a stop plausible. `betting`: samples that training had not seen give enough evidence that Δ
/// is below the tolerance. The last two do not look at Δ: `agreement` at the classes that successive networks give the test
/// samples, `predicted-gain` at the learning curve so far.
pub const RULES: [&str; 8] = [
    "first-crossing",
    "limit",
    "limit-anytime",
    "limit-fresh",
    "limit-spending",
    "betting",
    "agreement",
    "predicted-gain",
];

/// The rule that ends a run.
pub const ENDS: usize = 5;

/// Columns of a trajectory: Δ values in loss², V in loss², losses; NaN where there is no value.
pub const COLUMNS: [&str; 17] = [
    "k",
    "delta_once",
    "variance",
    "variance_upper",
    "delta_upper",
    "anytime_delta_upper",
    "fresh_delta_upper",
    "spending_delta_upper",
    "fresh_delta",
    "spread",
    "stake",
    "log_evidence",
    "kappa",
    "arrival_loss",
    "predicted_gain",
    "test_loss",
    "train_loss",
];

/// Column of the loss of training, which comes after the look.
pub const TRAIN_LOSS: usize = 16;
/// Column of the loss over the test samples.
pub const TEST_LOSS: usize = 15;

/// Confidence of look j = 1, 2, …, such that all looks together err no more often than one: the doubt of look j is that of one
/// times `6/(π j)²`, and these sum to 1 (union bound).
fn confidence_of_look(confidence: f64, look: usize) -> f64 {
    1.0 - (1.0 - confidence) * 6.0 / (std::f64::consts::PI * look as f64).powi(2)
}

/// What there is to see at k samples, when the next s have come and training has not seen them.
pub struct Look {
    /// samples that training has seen
    pub k: usize,
    /// losses at the draws of this look, (T, k + s)
    pub losses: Array2<f64>,
    /// mean loss of the s new samples at w
    pub arrival_loss: f64,
    /// over the test samples, if there are any
    pub test: Option<Predictions>,
}

/// What one run's rules remember from look to look.
pub struct Rules<'a> {
    params: &'a Stream,
    looks: usize,
    /// mean over the draws of (ℓ_i − L_k)² of the newest samples, before they were trained on
    window: VecDeque<f64>,
    /// Δ over the samples at hand at the looks before, in units of the tolerance
    deltas: VecDeque<f64>,
    /// looks that a part of the doubt was spent on
    spent: usize,
    /// c² of the look to come
    spread: f64,
    evidence: Evidence,
    /// classes of the test samples at the look before
    classes: Option<Vec<usize>>,
    /// the newest values of kappa
    agreement: VecDeque<f64>,
    /// (k, loss of the samples that came next)
    curve: Vec<(f64, f64)>,
}

/// What the rules made of a look.
pub struct Verdict {
    /// a row of [`COLUMNS`]
    pub row: [f64; COLUMNS.len()],
    /// which rules would stop here
    pub stops: [bool; RULES.len()],
}

impl<'a> Rules<'a> {
    /// Before the first look.
    pub fn new(params: &'a Stream) -> Self {
        Self {
            params,
            looks: 0,
            window: VecDeque::new(),
            deltas: VecDeque::new(),
            spent: 0,
            spread: f64::NAN,
            evidence: Evidence::default(),
            classes: None,
            agreement: VecDeque::new(),
            curve: vec![],
        }
    }

    /// One more look.
    pub fn see(&mut self, look: Look) -> Verdict {
        self.looks += 1;
        let p = self.params;
        let (k, t) = (look.k, look.losses.nrows());
        let factor = order_factor(k, p.batch);
        let once = mean_squared_change(look.losses.view(), k);
        let squares = squared_distances(look.losses.view(), k);
        let (seen, fresh) = squares.view().split_at(Axis(1), k);

        // V of the samples at hand (N − 1 in the denominator).
        let unbiased = k as f64 / (k as f64 - 1.0);
        let of_seen = limit((&seen * unbiased).view(), p.confidence);
        let at =
            |confidence| upper_limit(of_seen.variance, of_seen.standard_error, t.min(k), confidence) * factor;
        let (upper, anytime) = (of_seen.upper * factor, at(confidence_of_look(p.confidence, self.looks)));
        let fresh_upper = self.fresh_limit(fresh, &of_seen) * factor;

        let (plausible, bet) = self.expect();
        let spending = plausible.map_or(f64::INFINITY, at);
        let fresh_delta = fresh.mean().expect("samples") * factor;
        self.evidence.take(bet, fresh_delta / p.tolerance);
        self.remember(&of_seen, k);

        let test_loss = look.test.as_ref().map_or(f64::NAN, |test| test.loss);
        let kappa = self.agree(look.test);
        let gain = self.gain(k, look.arrival_loss);
        let row = [
            k as f64,
            once,
            of_seen.variance,
            of_seen.upper,
            upper,
            anytime,
            fresh_upper,
            spending,
            fresh_delta,
            bet.spread,
            bet.stake,
            self.evidence.log(),
            kappa,
            look.arrival_loss,
            gain,
            test_loss,
            f64::NAN,
        ];
        let below = |delta: f64| delta < p.tolerance;
        let stops = [
            below(once),
            below(upper),
            below(anytime),
            below(fresh_upper),
            below(spending),
            self.evidence.suffices(p.confidence),
            self.agrees(),
            gain < p.gain.fraction,
        ];
        Verdict { row, stops }
    }

    /// What the next looks are told of this one.
    fn remember(&mut self, of_seen: &Limited, k: usize) {
        let p = self.params;
        self.spread = of_seen.spread(p.draws, p.batch);
        self.deltas.push_back(of_seen.variance * order_factor(k, p.batch) / p.tolerance);
        keep_newest(&mut self.deltas, p.plausible.arrivals);
    }

    /// The confidence of `limit-spending` at this look, where the looks before make a stop plausible, and the bet. Both depend on the
    /// looks before alone: this one has other draws.
    fn expect(&mut self) -> (Option<f64>, Bet) {
        // Δ in units of the tolerance; NaN before there is one.
        let expected = self.deltas.iter().sum::<f64>() / self.deltas.len() as f64;
        let plausible = expected < self.params.plausible.fraction;
        self.spent += usize::from(plausible);
        let confidence = plausible.then(|| confidence_of_look(self.params.confidence, self.spent));
        (confidence, Bet::on(expected, self.spread))
    }

    /// The upper limit of V over samples that training had not seen; none until the window is full. The draws' share of the
    /// error is that of V over the samples at hand.
    fn fresh_limit(&mut self, fresh: ArrayView2<f64>, of_seen: &Limited) -> f64 {
        let p = self.params;
        let t = fresh.nrows();
        self.window.extend(fresh.mean_axis(Axis(0)).expect("at least two draws"));
        keep_newest(&mut self.window, p.window);
        let n = self.window.len();
        if n < p.window {
            return f64::INFINITY;
        }
        let moments = self.window.iter().copied().collect::<Moments>();
        let of_draws = (of_seen.of_draws / t as f64).sqrt() / of_seen.variance * moments.mean();
        let error = (of_draws.powi(2) + moments.variance() / n as f64).sqrt();
        upper_limit(moments.mean(), error, t.min(n), p.confidence)
    }

    /// Kappa of the classes now and at the look before.
    fn agree(&mut self, test: Option<Predictions>) -> f64 {
        let now = test.and_then(|test| test.classes);
        let value = match (&self.classes, &now) {
            (Some(before), Some(now)) => kappa(before, now),
            _ => f64::NAN,
        };
        self.classes = now;
        self.agreement.push_back(value);
        keep_newest(&mut self.agreement, self.params.agreement.arrivals);
        value
    }

    fn agrees(&self) -> bool {
        let needed = self.params.agreement;
        let n = self.agreement.len();
        n == needed.arrivals && self.agreement.iter().sum::<f64>() / n as f64 >= needed.kappa
    }

    /// The fraction of its loss that twice the samples would take off, by a power law through the losses so far.
    fn gain(&mut self, k: usize, arrival_loss: f64) -> f64 {
        self.curve.push((k as f64, arrival_loss));
        if self.curve.len() < self.params.gain.arrivals {
            return f64::NAN;
        }
        let law = PowerLaw::fit(&self.curve, &vec![1.0; self.curve.len()]);
        law.map_or(f64::NAN, |law| 1.0 - law.at(2.0 * k as f64) / law.at(k as f64))
    }
}

/// Forgets all values but the last `n`.
fn keep_newest(values: &mut VecDeque<f64>, n: usize) {
    values.drain(..values.len().saturating_sub(n));
}

/// `(ℓ_i − L_k)²` of each of the `losses` (T, k + s), L_k the mean of the first k of its draw.
fn squared_distances(losses: ArrayView2<f64>, k: usize) -> Array2<f64> {
    let means = losses.slice(ndarray::s![.., ..k]).mean_axis(Axis(1)).expect("samples");
    Array2::from_shape_fn(losses.dim(), |(t, i)| (losses[[t, i]] - means[t]).powi(2))
}

/// The one noisy value of Δ: (L_{k+s} − L_k)² of the batch that came, mean over the draws; `losses` (T, k + s).
fn mean_squared_change(losses: ArrayView2<f64>, k: usize) -> f64 {
    let (seen, fresh) = losses.split_at(Axis(1), k);
    let share = fresh.ncols() as f64 / losses.ncols() as f64;
    let change = |(seen, fresh): (ArrayView1<f64>, ArrayView1<f64>)| {
        let apart = fresh.mean().expect("samples") - seen.mean().expect("samples");
        (apart * share).powi(2)
    };
    seen.outer_iter().zip(fresh.outer_iter()).map(change).sum::<f64>() / losses.nrows() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::numeric::gaussian::{gaussian_row, gaussian_rows};
    use rayon::prelude::*;
    use records::Precision;
    use records::stream::{Agreement, Gain, Plausible};

    /// A window of more samples than arrive is never full: `limit-fresh` did not stop, and nothing said why.
    #[test]
    fn a_window_that_is_never_full_is_named() {
        let p = params();
        // Of 64 + 4 · 32 + 31 samples, 128 arrive in whole batches.
        assert_eq!((p.n_arriving(223), p.never_full(223)), (128, None));
        assert!(p.never_full(191).unwrap().contains("128 samples, but only 96 arrive after the first 64"));
    }

    #[test]
    fn the_doubt_of_all_looks_is_that_of_one() {
        let doubt: f64 = (1..=100_000).map(|look| 1.0 - confidence_of_look(0.95, look)).sum();
        // The rest of the sum beyond j is 6/π² · 0.05/j.
        assert!(doubt < 0.05 && doubt > 0.05 - 1e-6, "{doubt}");
    }

    fn params() -> Stream {
        Stream {
            seeds: 1,
            seed: 0,
            precision: Precision::F64,
            first: 64,
            batch: 32,
            first_epochs: 0,
            epochs: 1,
            dim: 1,
            basis_growth: 1.5,
            residual_tolerance: 0.1,
            sigma: 1.0,
            draws: 16,
            truth_draws: 2,
            tolerance: 2e-3,
            confidence: 0.95,
            window: 128,
            plausible: Plausible { fraction: 0.9, arrivals: 4 },
            agreement: Agreement { kappa: 0.99, arrivals: 3 },
            gain: Gain { fraction: 0.05, arrivals: LOOKS + 1 },
        }
    }

    /// Samples whose loss at a draw is `g_t x_i`, scaled so that Δ is known at every look.
    struct Known {
        /// x, of variance 1
        sample: fn(f64) -> f64,
        /// Δ at a look, in units of the tolerance
        delta: fn(usize) -> f64,
    }

    const LOOKS: usize = 30;

    impl Known {
        /// The first look at which each rule stops one run.
        fn stops(&self, seed: u64) -> [Option<usize>; RULES.len()] {
            let p = params();
            let x = gaussian_row(seed, usize::MAX, p.first + LOOKS * p.batch).mapv(self.sample);
            let mut rules = Rules::new(&p);
            let mut stops = [None; RULES.len()];
            for look in 0..LOOKS {
                let k = p.first + look * p.batch;
                // Δ = E g² · scale² · (1/k − 1/(k+s)), with E g² = 1.25.
                let scale = ((self.delta)(look) * p.tolerance / order_factor(k, p.batch) / 1.25).sqrt();
                let g = gaussian_rows(seed + (1 << 40) + ((look as u64) << 20), p.draws, 1)
                    .mapv(|z| scale * (1.0 + 0.5 * z));
                let losses = Array2::from_shape_fn((p.draws, k + p.batch), |(t, i)| g[[t, 0]] * x[i]);
                let verdict = rules.see(Look { k, losses, arrival_loss: 1.0, test: None });
                for (stop, stops) in stops.iter_mut().zip(verdict.stops) {
                    *stop = stop.or_else(|| stops.then_some(look));
                }
            }
            stops
        }

        /// Of 300 runs, in how many the rule of a name stopped where Δ is not below the tolerance; and its median look, if most stopped.
        fn false_stops(self) -> impl Fn(&str) -> (usize, Option<usize>) {
            let runs = (0..300).into_par_iter().map(|seed| self.stops(seed)).collect::<Vec<_>>();
            let found = std::array::from_fn::<_, { RULES.len() }, _>(|rule| {
                let mut looks = runs.iter().filter_map(|run| run[rule]).collect::<Vec<_>>();
                looks.sort_unstable();
                (looks.iter().filter(|&&look| (self.delta)(look) >= 1.0).count(), looks.get(150).copied())
            });
            eprintln!("{:?}", RULES.iter().zip(&found).collect::<Vec<_>>());
            move |name| found[RULES.iter().position(|rule| *rule == name).unwrap()]
        }
    }

    /// x of a standard normal z: z itself; of kurtosis 5.9, as of a Laplace distribution; log-normal, of kurtosis 114.
    const SAMPLES: [fn(f64) -> f64; 3] = [
        |z| z,
        |z| z.signum() * z.abs().powf(1.5) / 1.595_769_121_605_731_f64.sqrt(),
        |z| (z.exp() - 0.5_f64.exp()) / 4.670_774_270_471_604_f64.sqrt(),
    ];

    /// Binomial(300, 0.05): 15 with deviation 3.8, and four of them.
    const MOST: usize = 30;

    #[test]
    fn at_the_tolerance_itself_at_most_one_run_in_twenty_stops() {
        for (i, sample) in SAMPLES.into_iter().enumerate() {
            let found = Known { sample, delta: |_| 1.0 }.false_stops();
            assert!(found("betting").0 <= MOST, "samples {i}");
            // A limit that does not allow for its looks errs more often than it says, and where the samples are so skew that a
            // first few hundred miss what decides V, no limit from them covers.
            assert!(found("limit").0 > MOST, "samples {i}");
            for name in ["limit-anytime", "limit-spending"] {
                assert_eq!(found(name).0 <= MOST, i < 2, "{name}, samples {i}");
            }
        }
    }

    #[test]
    fn a_delta_that_rises_again_does_not_deceive_them() {
        // Five looks at 0.85 of the tolerance, five at 1.1. That Δ does not rise is what a product of bets assumes.
        let delta = |look: usize| if (look / 5).is_multiple_of(2) { 0.85 } else { 1.1 };
        for (i, sample) in SAMPLES.into_iter().enumerate() {
            let found = Known { sample, delta }.false_stops();
            for name in ["limit-anytime", "limit-spending", "betting"] {
                assert!(found(name).0 <= MOST, "{name}, samples {i}");
            }
        }
    }

    #[test]
    fn falling_through_the_tolerance_they_stop_late_enough_and_before_the_union_bound() {
        // Δ falls as 1/k through the tolerance at k = 300, look 7.4.
        let delta = |look: usize| 300.0 / (64 + 32 * look) as f64;
        for (i, sample) in SAMPLES.into_iter().enumerate() {
            let found = Known { sample, delta }.false_stops();
            assert!(found("betting").0 <= MOST, "samples {i}");
            if i == 2 {
                continue;
            }
            let median = |name: &str| found(name).1.unwrap_or(LOOKS);
            assert!(found("limit-spending").0 <= MOST, "samples {i}");
            assert!(median("limit-spending") < median("betting"), "samples {i}");
            assert!(median("betting") < median("limit-anytime"), "samples {i}");
        }
    }
}
