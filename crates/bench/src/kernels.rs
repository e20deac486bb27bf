//! What is measured, and how many flops it counts for: p₁ multiply-adds of the first layer, p₂ of the rest, n₁ its width.

use std::sync::Arc;
use std::time::Instant;

use landscape::change::delta::monte_carlo;
use landscape::change::surface::landscape;
use landscape::network::initialisation::{Initialisation, first_weights};
use landscape::numeric::blas;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::draws::Draws;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::prefixes::prefix_spectrum;
use landscape::spectrum::ritz::{EigenRequest, Which};
use landscape::spectrum::subspace::random_basis;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::{Optimizer, Stepper};
use landscape::{Activation, Image, Inputs, Kind, Layer, Loss, Network, Real, Samples, Targets};
use ndarray::{Array1, Array2, s};
use pipeline::{Failure, Result};
use store::artifact;

use crate::measure::{Row, measure};

/// Samples of the setting of the paper's figures.
const PAPER: usize = 9_984;

/// A finished experiment, and which rows are wanted.
pub struct Bench {
    network: Network,
    samples: Samples,
    w: Array1<f32>,
    basis: Array2<f32>,
    only: String,
}

/// Flops per second of a product of two 2048 × 2048 matrices in single precision on `threads` threads of BLAS itself, in 1e9.
pub fn sgemm_gflops(threads: usize) -> f64 {
    const SIZE: usize = 2048;
    blas::use_threads(threads);
    let a = Array2::from_elem((SIZE, SIZE), 0.5_f32);
    let b = Array2::from_elem((SIZE, SIZE), 0.25_f32);
    let mut c = Array2::zeros((SIZE, SIZE));
    let flops = 2.0 * (SIZE as f64).powi(3);
    let row = measure("sgemm", SIZE, 12, flops, || {
        ndarray::linalg::general_mat_mul(1.0, &a, &b, 0.0, &mut c);
    });
    blas::use_one_thread();
    row.flops / row.seconds / 1e9
}

impl Bench {
    /// The network, samples and basis of an experiment.
    pub fn read(inputs: &artifact::Inputs, only: &str) -> Result<Self> {
        let network = experiment::network(inputs)?;
        let samples = experiment::train_samples(inputs)?;
        if samples.len() < PAPER {
            let found = format!("{} samples, but the bench needs {PAPER}", samples.len());
            return Err(Failure::input(found, "name another experiment").into());
        }
        let w = experiment::w_star(inputs, &network)?;
        let basis = experiment::basis(inputs, "basis.npy", &network)?;
        Ok(Self { network, samples, w, basis, only: only.to_owned() })
    }

    /// Five convolutions of so many channels, ReLU after each but the last, over made-up images of 3 × 32 × 32.
    pub fn of_images(channels: usize, n_samples: usize, only: &str) -> Self {
        let conv = |activation| Layer {
            kind: Kind::Conv { filters: channels, kernel: 3, padding: 1, stride: 1 },
            activation,
            bias: true,
        };
        let mut layers = vec![conv(Activation::Relu); 4];
        layers.extend([conv(Activation::Identity), Layer::linear(10, Activation::Identity)]);
        let input = Image { channels: 3, height: 32, width: 32 };
        let network = Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).expect("kernels of 3 fit");
        let x = gaussian_rows(1, n_samples, network.widths()[0]).mapv(f32::narrow);
        let classes = (0..n_samples).map(|i| u32::try_from(i % 10).expect("below 10")).collect();
        let samples = Samples::new(Inputs::F32(Arc::new(x)), Targets::Classes(classes), (1.0, 0.0, 1.0));
        let w = first_weights(&network, Initialisation::FanInUniform, 2);
        let basis = random_basis(3, 10, network.n_params());
        Self { network, samples, w, basis, only: only.to_owned() }
    }

    /// Hands the rows of a convolutional network to `time`, named after `channels`.
    pub fn run_images(
        &self,
        channels: usize,
        draws: usize,
        time: &mut impl FnMut(&(dyn Fn() -> Row + Sync), bool),
    ) {
        let mut time = |name: &str, kernel: &(dyn Fn(&str) -> Row + Sync)| {
            let name = format!("conv C = {channels}: {name}");
            if name.contains(&self.only) {
                time(&|| kernel(&name), false);
            }
        };
        let sum = HessianSum::new(&self.network, self.w.view(), &self.samples, 4 << 30);
        time("product, 1 at once", &|name| self.products(name, &sum, 1, 3));
        time("products, 10 at once", &|name| self.products(name, &sum, 10, 1));
        time("curvature, d = 10", &|name| self.curvature(name, &sum, 1));
        time(&format!("draws, d = 10, T = {draws}"), &|name| self.draws(name, &self.samples, 10, draws));
        time("epoch, batch 64, Adam", &|name| self.training(name, 2));
    }

    /// Hands every wanted kernel to `time`, and whether one thread would take minutes for it; the large ones if `full`.
    pub fn run(&self, full: bool, time: &mut impl FnMut(&(dyn Fn() -> Row + Sync), bool)) {
        let mut time = |name: &str, large: bool, kernel: &(dyn Fn(&str) -> Row + Sync)| {
            if name.contains(&self.only) {
                time(&|| kernel(name), large);
            }
        };
        let paper = self.samples.first(PAPER);
        let sizes = if full { vec![&paper, &self.samples] } else { vec![&paper] };
        for samples in sizes {
            let sum = HessianSum::new(&self.network, self.w.view(), samples, 1 << 30);
            time("Hessian-vector product, 1 at once", false, &|name| self.products(name, &sum, 1, 15));
            time("Hessian-vector product, 10 at once", false, &|name| self.products(name, &sum, 10, 5));
        }
        let sum = HessianSum::new(&self.network, self.w.view(), &paper, 1 << 30);
        time("top-10 pairs, residual 1e-3", false, &|name| self.solve(name, &sum));
        let (which, apart) = if full { ("all prefixes", 64) } else { ("every eighth prefix", 512) };
        let name = format!("top-10 eigenvalues of {which}");
        time(&name, false, &|name| self.prefixes(name, &sum, apart));
        drop(sum);
        let sizes = if full { vec![(&paper, false), (&self.samples, true)] } else { vec![(&paper, false)] };
        for (samples, large) in sizes {
            let sum = HessianSum::new(&self.network, self.w.view(), samples, 1 << 30);
            time("per-sample curvature, d = 10", large, &|name| self.curvature(name, &sum, 5));
            drop(sum);
            time("draws, d = 10, T = 1024", large, &|name| self.draws(name, samples, 10, 1024));
            time("draws, d = 2, T = 1024", large, &|name| self.draws(name, samples, 2, 1024));
            let many = if full { 1024 } else { 128 };
            time(&format!("draws, d = 256, T = {many}"), large, &|name| self.draws(name, samples, 256, many));
            time("landscape, 41 x 41", large, &|name| self.grid(name, samples));
        }
        time("training epoch, batch 64, Adam", false, &|name| self.training(name, if full { 15 } else { 3 }));
    }

    fn weights(&self) -> (f64, f64) {
        let (p1, p2) = self.network.multiply_adds();
        (p1 as f64, p2 as f64)
    }

    /// 4p₁ + 12p₂ per sample and vector, the primal at hand.
    fn products(&self, name: &str, sum: &HessianSum<f32>, vectors: usize, repeats: usize) -> Row {
        let n = sum.samples.len();
        let (p1, p2) = self.weights();
        let v = random_basis::<f32>(9, vectors, self.network.n_params());
        let flops = (4.0 * p1 + 12.0 * p2) * (n * vectors) as f64;
        measure(name, n, if n > PAPER { 5 } else { repeats }, flops, || {
            sum.product(0..n, v.view(), SecondOrder::Hessian);
        })
    }

    fn request(&self, n: usize) -> EigenRequest {
        let dim = self.basis.nrows().min(10);
        EigenRequest {
            dim,
            which: Which::LargestAlgebraic,
            residual_tolerance: 1e-3,
            miss_probability: 1.0,
            max_subspace: 4 * dim,
            max_products: n,
            seed: 3,
        }
    }

    /// The products it makes, the one that confirms the residuals included.
    fn solve(&self, name: &str, sum: &HessianSum<f32>) -> Row {
        let n = sum.samples.len();
        let (p1, p2) = self.weights();
        let hessian = PrefixHessian { sum, k: n, kind: SecondOrder::Hessian };
        let mut pairs = lanczos(&hessian, &self.request(1000), &mut |_| ());
        let products = pairs.n_products + pairs.n_check_products;
        let flops = (4.0 * p1 + 12.0 * p2) * (n * products) as f64;
        let mut row = measure(name, n, 5, flops, || {
            pairs = lanczos(&hessian, &self.request(1000), &mut |_| ());
        });
        let v = random_basis::<f32>(9, 1, self.network.n_params());
        let one = measure("one", n, 15, 0.0, || {
            sum.product(0..n, v.view(), SecondOrder::Hessian);
        });
        let over = row.seconds / (products as f64 * one.seconds);
        row.note = format!(
            "{} + {} products, {over:.3} times the time of so many, residual {:.1e}",
            pairs.n_products,
            pairs.n_check_products,
            pairs.largest_relative_residual()
        );
        row
    }

    /// Top-10 eigenvalues at multiples of `apart`: how many full solves that costs.
    fn prefixes(&self, name: &str, sum: &HessianSum<f32>, apart: usize) -> Row {
        let n = sum.samples.len();
        let (p1, p2) = self.weights();
        let hessian = PrefixHessian { sum, k: n, kind: SecondOrder::Hessian };
        let sizes = (1..=n / apart).map(|i| apart * i).collect::<Vec<_>>();
        let begun = Instant::now();
        let pairs = lanczos(&hessian, &self.request(1000), &mut |_| ());
        let solve = begun.elapsed().as_secs_f64();
        let mut products = 0.0;
        let mut row = measure(name, n, 1, 0.0, || {
            let request = self.request(1000);
            let found = prefix_spectrum(sum, &sizes, &request, &pairs);
            products = found.map_or(f64::NAN, |f| f.n_products);
        });
        row.flops = (4.0 * p1 + 12.0 * p2) * n as f64 * products;
        let (count, over) = (sizes.len(), row.seconds / solve);
        row.note = format!("{count} prefixes, {products:.0} products, {over:.1} times the full solve");
        row
    }

    /// d(2p₁ + 6p₂) per sample.
    fn curvature(&self, name: &str, sum: &HessianSum<f32>, repeats: usize) -> Row {
        let (p1, p2) = self.weights();
        let (n, d) = (sum.samples.len(), self.basis.nrows());
        let flops = (2.0 * p1 + 6.0 * p2) * (n * d) as f64;
        measure(name, n, repeats, flops, || {
            sample_derivatives(sum, self.basis.view(), &mut |_, _| Ok::<_, ()>(())).expect("takes all");
        })
    }

    /// 2(d+1)n₁ + 2p₂ per sample and draw.
    fn draws(&self, name: &str, samples: &Samples, d: usize, draws: usize) -> Row {
        let n = samples.len();
        let basis = self.directions(d);
        let theta = gaussian_rows(4, draws, d) * 0.1;
        measure(name, n, 1, self.draw_flops(d) * (n * draws) as f64, || {
            monte_carlo(&self.at(samples, &basis), theta.view(), 1, &mut |_| ());
        })
    }

    /// The same on a lattice.
    fn grid(&self, name: &str, samples: &Samples) -> Row {
        let n = samples.len();
        let theta = Array2::from_shape_fn((41 * 41, 2), |(t, i)| ([t / 41, t % 41][i] as f64 - 20.0) / 20.0);
        let basis = self.directions(2);
        measure(name, n, 1, self.draw_flops(2) * (n * theta.nrows()) as f64, || {
            landscape(&self.at(samples, &basis), theta.view(), 1, &[n / 2], &mut |_| ());
        })
    }

    fn draw_flops(&self, d: usize) -> f64 {
        2.0 * ((d + 1) * self.network.widths()[self.network.first_affine()]) as f64 + 2.0 * self.weights().1
    }

    fn at<'a>(&'a self, samples: &'a Samples, basis: &'a Array2<f32>) -> Draws<'a, f32> {
        Draws {
            network: &self.network,
            w: self.w.view(),
            basis: basis.view(),
            samples,
            weights_bytes: 320 << 20,
        }
    }

    /// The first d rows of the basis, or random ones beyond it.
    fn directions(&self, d: usize) -> Array2<f32> {
        if d <= self.basis.nrows() {
            self.basis.slice(s![..d, ..]).to_owned()
        } else {
            random_basis(9, d, self.network.n_params())
        }
    }

    /// 6p per sample: batches of 64, Adam.
    fn training(&self, name: &str, repeats: usize) -> Row {
        let n = self.samples.len();
        let (p1, p2) = self.weights();
        let rows = (0..n).collect::<Vec<_>>();
        let adam = Optimizer::Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        let mut w = self.w.clone();
        let mut stepper = Stepper::new(adam, w.len());
        measure(name, n, repeats, 6.0 * (p1 + p2) * n as f64, || {
            epoch(&self.network, &mut w, &mut stepper, &self.samples, &rows, 64, &mut |_| ());
        })
    }
}
