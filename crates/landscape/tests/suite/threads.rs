//! Threads, processes, caches and the parts in which work is done change no byte.

use std::sync::Arc;

use landscape::change::delta::{MonteCarloRun, monte_carlo};
use landscape::change::sampling::Sampling;
use landscape::change::surface::landscape;
use landscape::network::initialisation::{Initialisation, first_weights};
use landscape::numeric::blas::use_one_thread;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::numeric::sums::{BLOCK_ROWS, PARAMETERS_AT_ONCE};
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::draws::Draws;
use landscape::passes::gradient::{batch_gradient, full_gradient, sample_losses};
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::serve::serve;
use landscape::spectrum::subspace::random_basis;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::{Optimizer, Stepper};
use landscape::{Activation, Image, Inputs, Kind, Layer, Loss, Network, Real, Samples, Targets};
use ndarray::{Array1, Array2, s};
use team::Order;
use team::pretended::on_ranks;

/// More parameters than one task updates, three blocks of samples of which one is short, more directions than one pass takes.
struct Subject {
    network: Network,
    samples: Samples,
    w: Array1<f32>,
    directions: Array2<f32>,
}

const ADAM: Optimizer = Optimizer::Adam { learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

impl Subject {
    fn new() -> Self {
        let network = Network::new(&[60, 300, 120, 5], Activation::Tanh, Loss::SoftmaxCrossEntropy);
        Self::of(network, 2 * BLOCK_ROWS + 77)
    }

    /// Convolutions wide enough that a block has fewer samples than one of vectors, more than a mini-batch's part.
    fn of_images() -> Self {
        let conv = |filters, stride| Layer {
            kind: Kind::Conv { filters, kernel: 3, padding: 1, stride },
            activation: Activation::Relu,
            bias: true,
        };
        let pool = Layer { kind: Kind::MaxPool { size: 2 }, activation: Activation::Identity, bias: false };
        let layers = vec![conv(18, 1), pool, conv(20, 2), Layer::linear(5, Activation::Identity)];
        let input = Image { channels: 3, height: 34, width: 36 };
        let network = Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).expect("fits");
        assert!(network.block_rows() < BLOCK_ROWS / 8, "{}", network.block_rows());
        Self::of(network, 2 * 32 + 9)
    }

    fn of(network: Network, n: usize) -> Self {
        use_one_thread();
        assert!(network.n_params() > PARAMETERS_AT_ONCE || n < BLOCK_ROWS);
        let classes = Targets::Classes((0..n).map(|i| [2, 0, 4, 1, 3, 0][i % 6]).collect());
        let x = gaussian_rows(1, n, network.widths()[0]).mapv(f32::narrow);
        let samples = Samples::new(Inputs::F32(Arc::new(x)), classes, (1.0, 0.0, 1.0));
        let w = first_weights(&network, Initialisation::Glorot, 2);
        let directions = random_basis(3, 5, network.n_params());
        Self { network, samples, w, directions }
    }

    /// Every pass over `samples`, one after the other, as bits.
    fn bits(&self, samples: &Samples, cache_bytes: usize) -> Vec<(&'static str, Vec<u64>)> {
        let (network, n) = (&self.network, samples.len());
        let sum = HessianSum::new(network, self.w.view(), samples, cache_bytes);
        let product = |range, kind| sum.product(range, self.directions.view(), kind).mapv(f64::from);
        let mut curvature = vec![vec![]; n];
        sample_derivatives(&sum, self.directions.view(), &mut |first, some| {
            for (i, own) in some.curvature.outer_iter().enumerate() {
                let values = own.iter().chain(some.slope.row(i)).chain([&some.loss[i]]).copied();
                curvature[first + i] = values.collect::<Vec<f64>>();
            }
            Ok::<_, ()>(())
        })
        .expect("nothing fails");
        let mut w = self.w.clone();
        let mut stepper = Stepper::new(ADAM, w.len());
        let rows = (0..n).rev().collect::<Vec<_>>();
        epoch(network, &mut w, &mut stepper, samples, &rows, 200, &mut |_| ());
        let basis = self.directions.view();
        let draws = Draws { network, w: self.w.view(), basis, samples, weights_bytes: 1 };
        let few = samples.first(n / 2);
        let drawn =
            monte_carlo(&Draws { samples: &few, ..draws }, gaussian_rows(4, 70, 5).view(), 1, &mut |_| ());
        let points = landscape(&draws, gaussian_rows(5, 9, 5).view(), 2, &[2, 8, n / 4 * 2], &mut |_| ());
        let (losses, correct) = sample_losses(network, &self.w.view(), samples, &|_| ());
        let bits = |values: &mut dyn Iterator<Item = f64>| values.map(f64::to_bits).collect::<Vec<_>>();
        let mut found = vec![
            ("product with all samples", bits(&mut product(0..n, SecondOrder::Hessian).into_iter())),
            // Cut inside of the first block and inside of the last.
            ("product with some samples", bits(&mut product(5..n - 7, SecondOrder::GaussNewton).into_iter())),
            ("product with the last samples", bits(&mut product(n - 3..n, SecondOrder::Hessian).into_iter())),
            ("curvature", bits(&mut curvature.into_iter().flatten())),
            ("gradient", bits(&mut full_gradient(network, &self.w.view(), samples, &|_| ()).into_iter())),
            ("losses", bits(&mut losses.into_iter().chain(correct.map(|n| n as f64)))),
            ("epoch", bits(&mut w.into_iter().map(f64::from))),
            ("delta", bits(&mut drawn.delta.into_iter())),
            ("loss variance", bits(&mut drawn.loss_variance.into_iter())),
            ("landscape", bits(&mut points.loss.into_iter().chain(points.change))),
        ];
        for sampling in [Sampling::Plain, Sampling::Antithetic, Sampling::Sobol] {
            found.push(("draws that went on", bits(&mut drawn_in_two(&draws, sampling))));
        }
        found
    }
}

/// All that a run says which stopped after its first draws and went on as another.
fn drawn_in_two(draws: &Draws<f32>, sampling: Sampling) -> impl Iterator<Item = f64> {
    let n = draws.samples.len();
    let new = || MonteCarloRun::over(draws, 3, sampling, &[5, n / 2]);
    let theta = gaussian_rows(6, 64, 5);
    let mut first = new();
    first.add(draws, theta.slice(s![..32, ..]), &mut |_| ());
    let saved =
        first.fold_state(vec![], |saved, name, values| [saved, vec![(name, values.to_vec())]].concat());
    let mut next = new();
    let given = |name: &'static str, len: usize| {
        saved.iter().find(|(of, values)| *of == name && values.len() == len).map(|(_, values)| &values[..])
    };
    next.go_on(32, given).expect("all is there");
    next.add(draws, theta.slice(s![32.., ..]), &mut |_| ());
    let (v, _) = next.variance();
    let found = next.finish();
    let of_draws = found.loss_variance.into_iter().chain(found.mean_loss).chain(found.pilot_variance);
    let of_samples = found.delta.into_iter().chain(found.standard_error).chain(found.deviation);
    let of_samples = of_samples.chain(found.deviation_error).chain(found.sample_loss);
    of_draws.chain(of_samples).chain(found.sample_variance).chain([v.value])
}

#[test]
fn every_pass_has_the_same_bytes_on_any_number_of_threads_and_ranks_with_or_without_a_cache() {
    let all = [1, 2, 3, 4, 7].map(|ranks| [(ranks, 1), (ranks, 2)]);
    same_bytes(&Subject::new(), all.as_flattened());
    same_bytes(&Subject::of_images(), &[(3, 2), (7, 1)]);
}

fn same_bytes(subject: &Subject, ranks_and_threads: &[(usize, usize)]) {
    let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let expected = pool(1).install(|| subject.bits(&subject.samples, 0));
    let compare = |found: &[(&str, Vec<u64>)], of: String| {
        assert_eq!(found.len(), expected.len());
        for ((what, found), (_, expected)) in found.iter().zip(&expected) {
            assert!(found == expected, "{what}: other bytes on {of}");
        }
    };
    for (threads, cache_bytes) in [(1, usize::MAX), (2, 0), (3, usize::MAX)] {
        let found = pool(threads).install(|| subject.bits(&subject.samples, cache_bytes));
        compare(&found, format!("{threads} threads, cache {cache_bytes}"));
    }
    for &(ranks, threads) in ranks_and_threads {
        let found = on_ranks(ranks, |team| {
            let samples = subject.samples.clone().shared_by(&team);
            pool(threads).install(|| {
                if !team.leads() {
                    serve(&subject.network, &samples);
                    return vec![];
                }
                let found = subject.bits(&samples, if threads == 1 { 0 } else { usize::MAX });
                team.order(&Order::END);
                found
            })
        });
        compare(&found[0], format!("{ranks} ranks with {threads} threads"));
    }
}

/// Gradients and steps of many parameters are made in parts: all of them, each once.
#[test]
fn parts_of_many_parameters_join_without_a_seam() {
    let subject = Subject::new();
    let (n, w) = (subject.samples.len(), subject.w.mapv(f64::from));
    let rows = (0..n).collect::<Vec<_>>();
    let parts = rows.chunks(100).collect::<Vec<_>>();
    let found = batch_gradient(&subject.network, &w.view(), &subject.samples, &parts).gradient / n as f64;
    let whole = full_gradient(&subject.network, &w.view(), &subject.samples, &|_| ());
    let scale = whole.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    // The same 845 terms in another order.
    assert!((&found - &whole).iter().all(|e| e.abs() <= 1e-12 * scale));
    // The first step of Adam moves every parameter by the rate, against its gradient.
    let mut moved = w.clone();
    Stepper::new(ADAM, w.len()).step(&mut moved, &whole, 1.0);
    for ((moved, w), g) in moved.iter().zip(&w).zip(&whole) {
        let expected = -1e-2 * g / (g.abs() + 1e-8);
        assert!((moved - w - expected).abs() <= 1e-15, "{moved} {w} {g}");
    }
}
