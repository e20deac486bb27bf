//! One run: an order of the samples, first weights and draws of its own; the rules look on.

use landscape::change::fresh::SeenAndFresh;
use landscape::network::initialisation::first_weights;
use landscape::numeric::gaussian::{gaussian_row, gaussian_rows};
use landscape::passes::draws::{Draws, LossSink};
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::passes::predictions::Predictions;
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::ritz::{EigenRequest, Which};
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::{Stream, Train};

use crate::rules::{COLUMNS, ENDS, Look, RULES, Rules, TEST_LOSS, TRAIN_LOSS};

/// Memory for perturbed weights; far more than small networks need.
const WEIGHTS_BYTES: usize = 320 << 20;

/// What all runs share.
pub struct Setup<'a> {
    pub params: &'a Stream,
    pub train: &'a Train,
    pub network: &'a Network,
    pub samples: &'a Samples,
    /// those of the test split, if there is one
    pub test: Option<&'a Samples>,
}

/// Where a rule stopped.
pub struct Stop {
    /// samples that had come
    pub k: usize,
    /// Δ there, loss²
    pub truth: f64,
    /// over the test samples there; NaN without any
    pub test_loss: f64,
}

/// What came of a run.
pub struct Found<R> {
    /// by rule
    pub stops: [Option<Stop>; RULES.len()],
    /// a row of [`COLUMNS`] an arrival
    pub trajectory: Vec<[f64; COLUMNS.len()]>,
    /// where the rule that ends it stopped, or at the end of the samples, (p,)
    pub w_stop: Array1<R>,
    /// over the test samples, once all samples have come; NaN without any
    pub end_loss: f64,
}

/// A run in progress.
pub struct Run<'a, R> {
    setup: &'a Setup<'a>,
    samples: Samples,
    seed: u64,
    w: Array1<R>,
    stepper: Stepper<R>,
    rng: ChaCha20Rng,
    basis: Array2<R>,
    /// samples behind the basis
    basis_k: usize,
    rules: Rules<'a>,
    found: Found<R>,
}

/// The losses of one draw, as they come.
#[derive(Default)]
struct Losses(Vec<f64>);

impl LossSink for Losses {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        self.0.extend_from_slice(losses);
    }
}

impl<'a, R: Real> Run<'a, R> {
    /// Before anything has come. Order, first weights and draws follow from `seed`.
    pub fn new(setup: &'a Setup<'a>, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut order = (0..setup.samples.len()).collect::<Vec<_>>();
        order.shuffle(&mut rng);
        let samples = experiment::gather::<R>(setup.samples, &order);
        let w = first_weights::<R>(setup.network, setup.train.initialisation, seed);
        Self {
            setup,
            samples,
            seed,
            found: Found {
                stops: Default::default(),
                trajectory: vec![],
                w_stop: w.clone(),
                end_loss: f64::NAN,
            },
            stepper: Stepper::new(setup.train.optimizer, setup.network.n_params()),
            w,
            rng,
            basis: Array2::zeros((0, setup.network.n_params())),
            basis_k: 0,
            rules: Rules::new(setup.params),
        }
    }

    /// Lets samples arrive until none are left, whatever the rules say: what stopping costs is seen at the end.
    pub fn finish(mut self) -> Found<R> {
        let p = self.setup.params;
        let n = self.samples.len();
        let mut k = p.first;
        self.train(k, p.first_epochs);
        while k + p.batch <= n {
            self.refresh_basis(k);
            self.look(k);
            k += p.batch;
            let loss = self.train(k, p.epochs);
            if let Some(row) = self.found.trajectory.last_mut() {
                row[TRAIN_LOSS] = loss;
            }
        }
        if k < n {
            self.train(n, p.epochs);
        }
        self.found.end_loss = self.test().map_or(f64::NAN, |test| test.loss);
        if self.found.stops[ENDS].is_none() {
            self.found.w_stop.assign(&self.w);
        }
        self.found
    }

    /// The test samples at the parameters of now.
    fn test(&self) -> Option<Predictions> {
        let samples = self.setup.test?;
        Some(Predictions::new(self.setup.network, &self.w.view(), samples))
    }

    /// Passes over the first k samples; the mean loss of the last.
    fn train(&mut self, k: usize, epochs: usize) -> f64 {
        let setup = self.setup;
        let mut rows = (0..k).collect::<Vec<_>>();
        let mut loss = f64::NAN;
        for _ in 0..epochs {
            rows.shuffle(&mut self.rng);
            let batch = setup.train.batch_size;
            loss = epoch(
                setup.network,
                &mut self.w,
                &mut self.stepper,
                &self.samples,
                &rows,
                batch,
                &mut |_| (),
            )
            .loss;
        }
        loss
    }

    /// The top directions of `H_k(w)`, if the samples have grown enough since they were last found.
    fn refresh_basis(&mut self, k: usize) {
        let p = self.setup.params;
        if (k as f64) < self.basis_k as f64 * p.basis_growth {
            return;
        }
        let sum = HessianSum::new(self.setup.network, self.w.view(), &self.samples, 0);
        let hessian = PrefixHessian { sum: &sum, k, kind: SecondOrder::Hessian };
        let request = EigenRequest {
            dim: p.dim,
            which: Which::LargestAlgebraic,
            residual_tolerance: p.residual_tolerance,
            miss_probability: 1.0,
            max_subspace: (4 * p.dim).max(20),
            max_products: (20 * p.dim).max(200),
            seed: self.seed,
        };
        self.basis = lanczos(&hessian, &request, &mut |_| ()).vectors;
        self.basis_k = k;
    }

    fn draws<'b>(&'b self, samples: &'b Samples) -> Draws<'b, R> {
        Draws {
            network: self.setup.network,
            w: self.w.view(),
            basis: self.basis.view(),
            samples,
            weights_bytes: WEIGHTS_BYTES,
        }
    }

    /// At k samples, when the next batch has come and has not been trained on: what the rules see.
    fn look(&mut self, k: usize) {
        let p = self.setup.params;
        let seen_and_next = self.samples.first(k + p.batch);
        let theta = self.theta();
        let mut losses = theta.outer_iter().map(|_| Losses::default()).collect::<Vec<_>>();
        self.draws(&seen_and_next).evaluate(theta.view(), &mut losses, &mut |_, _| ());
        let at_w = losses.pop().expect("a row of zeros").0;
        let arrival_loss = at_w[k..].iter().sum::<f64>() / p.batch as f64;
        let losses = Array2::from_shape_fn((p.draws, k + p.batch), |(t, i)| losses[t].0[i]);
        let verdict = self.rules.see(Look { k, losses, arrival_loss, test: self.test() });
        let new =
            |(rule, &stops): (usize, &bool)| (stops && self.found.stops[rule].is_none()).then_some(rule);
        let new = verdict.stops.iter().enumerate().filter_map(new).collect::<Vec<_>>();
        self.found.trajectory.push(verdict.row);
        if new.is_empty() {
            return;
        }
        let truth = self.truth(k);
        for rule in new {
            self.found.stops[rule] = Some(Stop { k, truth, test_loss: verdict.row[TEST_LOSS] });
            if rule == ENDS {
                self.found.w_stop.assign(&self.w);
            }
        }
    }

    /// θ of the look to come, others than at any look before; after them the origin, (T + 1, d).
    fn theta(&self) -> Array2<f64> {
        let p = self.setup.params;
        let first = self.found.trajectory.len() * p.draws;
        let mut theta = Array2::zeros((p.draws + 1, p.dim));
        for (t, mut row) in theta.outer_iter_mut().take(p.draws).enumerate() {
            row.assign(&(gaussian_row(self.seed.wrapping_add(1 << 32), first + t, p.dim) * p.sigma));
        }
        theta
    }

    /// `E_θ E (L_{k+s} − L_k)²` over the samples that have not come, with draws of its own, loss².
    fn truth(&self, k: usize) -> f64 {
        let p = self.setup.params;
        let theta = gaussian_rows(self.seed.wrapping_add(2 << 32), p.truth_draws, p.dim) * p.sigma;
        let mut sinks = (0..p.truth_draws).map(|_| SeenAndFresh::new(k)).collect::<Vec<_>>();
        self.draws(&self.samples).evaluate(theta.view(), &mut sinks, &mut |_, _| ());
        let n_fresh = self.samples.len() - k;
        sinks.iter().map(|s| s.expected_square(p.batch, n_fresh)).sum::<f64>() / p.truth_draws as f64
    }
}
