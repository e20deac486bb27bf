//! Every kernel on inputs small enough for daily work: `cargo bench -p landscape`, or `cargo bench -p landscape -- draws`.
//! The table beside sgemm, on MNIST, is `make bench`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use landscape::change::delta::monte_carlo;
use landscape::numeric::gaussian::{gaussian_rows, rounded_gaussian_rows};
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::draws::Draws;
use landscape::passes::gradient::full_gradient;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::ritz::{EigenRequest, Which};
use landscape::spectrum::subspace::random_basis;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::{Optimizer, Stepper};
use landscape::{Activation, Inputs, Loss, Network, Real, Samples, Targets};
use ndarray::Array1;

/// Draws of θ: four groups or more.
const T: usize = 256;
/// Samples: two leaves of the tree of sums.
const N: usize = 2048;

struct Subject {
    network: Network,
    samples: Samples,
    w: Array1<f32>,
}

impl Subject {
    /// The network of `mnist` at random weights, on random samples: the same work as on real ones.
    fn new() -> Self {
        landscape::numeric::blas::use_one_thread();
        let network = Network::new(&[784, 256, 256, 10], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let x = rounded_gaussian_rows::<f32>(1, N, 784);
        let classes = (0..N).map(|i| [3, 1, 4, 9, 5, 2, 6, 8, 7, 0][i % 10]).collect();
        let samples = Samples::new(Inputs::F32(Arc::new(x)), Targets::Classes(classes), (1.0, 0.0, 1.0));
        let w = 0.05 * gaussian_rows(2, 1, network.n_params()).row(0).mapv(f32::narrow);
        Self { network, samples, w }
    }
}

fn products(c: &mut Criterion) {
    let s = Subject::new();
    let sum = HessianSum::new(&s.network, s.w.view(), &s.samples, usize::MAX);
    let mut group = c.benchmark_group("products");
    for vectors in [1, 10] {
        let v = random_basis::<f32>(3, vectors, s.network.n_params());
        group.throughput(Throughput::Elements((N * vectors) as u64));
        for (name, kind) in [("hessian", SecondOrder::Hessian), ("gauss-newton", SecondOrder::GaussNewton)] {
            group.bench_function(format!("{name}, {vectors} at once"), |b| {
                b.iter(|| sum.product(0..N, black_box(v.view()), kind));
            });
        }
    }
    group.bench_function("gradient", |b| {
        b.iter(|| full_gradient(&s.network, black_box(&s.w.view()), &s.samples, &|_| ()));
    });
    group.finish();
}

fn curvature(c: &mut Criterion) {
    let s = Subject::new();
    let sum = HessianSum::new(&s.network, s.w.view(), &s.samples, usize::MAX);
    let basis = random_basis::<f32>(3, 10, s.network.n_params());
    c.bench_function("curvature, d = 10", |b| {
        b.iter(|| sample_derivatives(&sum, black_box(basis.view()), &mut |_, _| Ok::<_, ()>(())));
    });
}

fn solve(c: &mut Criterion) {
    let s = Subject::new();
    let sum = HessianSum::new(&s.network, s.w.view(), &s.samples, usize::MAX);
    let hessian = PrefixHessian { sum: &sum, k: N, kind: SecondOrder::Hessian };
    // Forty products whatever the spectrum is: random weights have no outliers to converge to.
    let request = EigenRequest {
        dim: 10,
        which: Which::LargestAlgebraic,
        residual_tolerance: 0.0,
        miss_probability: 1.0,
        max_subspace: 40,
        max_products: 40,
        seed: 3,
    };
    c.bench_function("lanczos, 40 products", |b| b.iter(|| lanczos(&hessian, &request, &mut |_| ())));
}

fn draws(c: &mut Criterion) {
    let s = Subject::new();
    let mut group = c.benchmark_group("draws");
    group.throughput(Throughput::Elements((N * T) as u64));
    for d in [2, 10, 256] {
        let basis = random_basis::<f32>(3, d, s.network.n_params());
        let theta = gaussian_rows(4, T, d) * 0.1;
        let draws = Draws {
            network: &s.network,
            w: s.w.view(),
            basis: basis.view(),
            samples: &s.samples,
            weights_bytes: 320 << 20,
        };
        group.bench_function(format!("d = {d}, T = {T}"), |b| {
            b.iter(|| monte_carlo(black_box(&draws), theta.view(), 1, &mut |_| ()));
        });
    }
    group.finish();
}

fn training(c: &mut Criterion) {
    let s = Subject::new();
    let rows = (0..N).collect::<Vec<_>>();
    let adam = Optimizer::Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let (mut w, mut stepper) = (s.w.clone(), Stepper::new(adam, s.w.len()));
    c.bench_function("epoch, batch 64, Adam", |b| {
        b.iter(|| epoch(&s.network, &mut w, &mut stepper, &s.samples, &rows, 64, &mut |_| ()));
    });
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10);
    targets = products, curvature, solve, draws, training
}
criterion_main!(kernels);
