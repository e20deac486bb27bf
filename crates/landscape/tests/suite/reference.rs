//! The slow reference: one sample, one unit and one weight at a time, along `w + t v`, with the first two derivatives in t.
//! Every pass is held against it, for every activation and loss, off the defaults: several blocks, any depth, both targets.
//!
//! `d/dt ℓ = ∇ℓ·v` and `d²/dt² ℓ = v·∇²ℓ v`; mixed entries follow from `(u+v)·H(u+v)`.

use std::ops::{Add, Mul};
use std::sync::Arc;

use landscape::numeric::gaussian::gaussian_rows;
use landscape::numeric::sums::BLOCK_ROWS;
use landscape::numeric::vectors::largest_magnitude;
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::draws::{Draws, LossSink};
use landscape::passes::gradient::{full_gradient, sample_losses};
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::{Activation, Image, Inputs, Kind, Layer, Loss, Network, Samples, Targets};
use ndarray::{Array1, Array2, ArrayView1, array};
use strum::VariantArray;

/// A value that depends on t, with its first and second derivative at t = 0.
#[derive(Clone, Copy)]
struct Jet {
    value: f64,
    slope: f64,
    bend: f64,
}

impl Jet {
    fn constant(value: f64) -> Self {
        Self { value, slope: 0.0, bend: 0.0 }
    }

    /// `f(self)` from `(f, f', f'')` at its value.
    fn chain(self, (f, f1, f2): (f64, f64, f64)) -> Self {
        Self { value: f, slope: f1 * self.slope, bend: f1 * self.bend + f2 * self.slope * self.slope }
    }

    fn exp(self) -> Self {
        let e = self.value.exp();
        self.chain((e, e, e))
    }

    fn ln(self) -> Self {
        let x = self.value;
        self.chain((x.ln(), 1.0 / x, -1.0 / (x * x)))
    }

    fn inverse(self) -> Self {
        let x = self.value;
        self.chain((1.0 / x, -1.0 / (x * x), 2.0 / (x * x * x)))
    }
}

impl Add for Jet {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self { value: self.value + o.value, slope: self.slope + o.slope, bend: self.bend + o.bend }
    }
}

impl Mul for Jet {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self {
            value: self.value * o.value,
            slope: self.slope * o.value + self.value * o.slope,
            bend: self.bend * o.value + 2.0 * self.slope * o.slope + self.value * o.bend,
        }
    }
}

fn phi(activation: Activation, z: Jet) -> Jet {
    let (one, minus) = (Jet::constant(1.0), Jet::constant(-1.0));
    match activation {
        Activation::Relu => {
            if z.value > 0.0 {
                z
            } else {
                Jet::constant(0.0)
            }
        }
        Activation::Identity => z,
        Activation::Softplus => (one + z.exp()).ln(),
        Activation::Sigmoid => (one + (minus * z).exp()).inverse(),
        // 1 − 2 / (exp 2z + 1)
        Activation::Tanh => one + Jet::constant(-2.0) * ((z + z).exp() + one).inverse(),
        Activation::Gelu => {
            let x = z.value;
            let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let normal = 0.5 * (1.0 + libm::erf(x / 2.0_f64.sqrt()));
            z * z.chain((normal, density, -x * density))
        }
    }
}

/// z_l of h_{l−1}, both in PyTorch's order (C, H, W), by the definitions of the layers.
fn layer(network: &Network, l: usize, parameter: &dyn Fn(usize) -> Jet, h: &[Jet]) -> Vec<Jet> {
    let (below, above) = (network.image(l - 1), network.image(l));
    let (weights, bias) = network.offsets(l);
    let at = |c: usize, y: usize, x: usize| h[(c * below.height + y) * below.width + x];
    let squares = |size: usize, c, y: usize, x: usize| {
        (0..size * size).map(move |i| at(c, y * size + i / size, x * size + i % size))
    };
    let mut z = vec![];
    for (c, y, x) in (0..above.channels)
        .flat_map(|c| (0..above.height).flat_map(move |y| (0..above.width).map(move |x| (c, y, x))))
    {
        let bias = if network.layer(l).bias { parameter(bias.start + c) } else { Jet::constant(0.0) };
        z.push(match network.layer(l).kind {
            Kind::Linear { .. } => {
                let terms =
                    h.iter().enumerate().map(|(j, &h)| parameter(weights.start + c * below.len() + j) * h);
                terms.fold(bias, Add::add)
            }
            Kind::Conv { kernel, padding, stride, .. } => {
                let mut sum = bias;
                for (i, a, b) in (0..below.channels)
                    .flat_map(|i| (0..kernel).flat_map(move |a| (0..kernel).map(move |b| (i, a, b))))
                {
                    let (y, x) = (y * stride + a, x * stride + b);
                    let inside = (padding..below.height + padding).contains(&y)
                        && (padding..below.width + padding).contains(&x);
                    if inside {
                        let w =
                            parameter(weights.start + ((c * below.channels + i) * kernel + a) * kernel + b);
                        sum = sum + w * at(i, y - padding, x - padding);
                    }
                }
                sum
            }
            Kind::AveragePool { size } => {
                let share = Jet::constant(1.0 / (size * size) as f64);
                squares(size, c, y, x).fold(Jet::constant(0.0), Add::add) * share
            }
            Kind::MaxPool { size } => {
                squares(size, c, y, x).reduce(|m, h| if h.value > m.value { h } else { m }).unwrap()
            }
        });
    }
    z
}

/// ℓ of sample `i` at `w + t v`.
fn loss(
    network: &Network,
    w: ArrayView1<f64>,
    v: ArrayView1<f64>,
    x: ArrayView1<f64>,
    targets: &Targets,
    i: usize,
) -> Jet {
    let parameter = |j: usize| Jet { value: w[j], slope: v[j], bend: 0.0 };
    let mut h = x.iter().map(|&x| Jet::constant(x)).collect::<Vec<_>>();
    for l in 1..=network.depth() {
        h = layer(network, l, &parameter, &h)
            .into_iter()
            .map(|z| phi(network.layer(l).activation, z))
            .collect();
    }
    let minus_y = |c: usize| Jet::constant(-targets.value(i, c));
    match network.loss {
        Loss::SoftmaxCrossEntropy => {
            let of_class = h.iter().enumerate().map(|(c, &f)| minus_y(c) * f);
            h.iter().map(|f| f.exp()).fold(Jet::constant(0.0), Add::add).ln()
                + of_class.fold(Jet::constant(0.0), Add::add)
        }
        Loss::SquaredError => {
            let square = |(c, &f): (usize, &Jet)| (f + minus_y(c)) * (f + minus_y(c)) * Jet::constant(0.5);
            h.iter().enumerate().map(square).fold(Jet::constant(0.0), Add::add)
        }
    }
}

struct Subject {
    network: Network,
    x: Array2<f64>,
    samples: Samples,
    w: Array1<f64>,
    /// u and v, (2, p)
    directions: Array2<f64>,
}

/// Every activation with every loss and its targets, in networks of one to three layers, and over images; three blocks.
fn subjects() -> Vec<Subject> {
    let n = 2 * BLOCK_ROWS + 7;
    let classes = || Targets::Classes((0..n).map(|i| [2, 0, 1, 1, 2, 0, 0][i % 7]).collect());
    let values = || Targets::Values(gaussian_rows(9, n, 3));
    let mut subjects = vec![];
    for &activation in Activation::VARIANTS {
        for &loss in Loss::VARIANTS {
            let of_values = (!loss.needs_classes()).then(values);
            for targets in std::iter::once(classes()).chain(of_values) {
                for layers in [&[5, 3][..], &[5, 4, 3], &[5, 4, 2, 3]] {
                    let network = Network::new(layers, activation, loss);
                    subjects.push(Subject::new(network, targets.clone()));
                }
            }
        }
        for layers in images(activation) {
            let input = Image { channels: 2, height: 6, width: 5 };
            let network = Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).unwrap();
            subjects.push(Subject::new(network, classes()));
        }
    }
    subjects
}

/// Networks over 2 × 6 × 5: every kind of layer, kernel, padding, stride and place of a pool, with and without biases.
fn images(activation: Activation) -> Vec<Vec<Layer>> {
    let conv = |filters, kernel, padding, stride, bias| {
        let kind = Kind::Conv { filters, kernel, padding, stride };
        Layer { kind, activation, bias }
    };
    let pool = |kind| Layer { kind, activation: Activation::Identity, bias: false };
    let (max, mean) = (pool(Kind::MaxPool { size: 2 }), pool(Kind::AveragePool { size: 2 }));
    let output = |bias| Layer { bias, ..Layer::linear(3, Activation::Identity) };
    vec![
        vec![conv(3, 3, 1, 1, true), conv(2, 2, 0, 1, true), output(true)],
        vec![conv(2, 3, 0, 2, false), Layer::linear(4, activation), output(false)],
        vec![
            max,
            conv(3, 2, 2, 3, true),
            mean,
            Layer { bias: false, ..Layer::linear(3, activation) },
            output(true),
        ],
        vec![
            conv(2, 1, 0, 1, true),
            Layer { activation, ..max },
            conv(3, 3, 2, 1, false),
            mean,
            output(true),
        ],
        vec![mean, Layer { activation, ..max }, output(true)],
    ]
}

impl Subject {
    fn new(network: Network, targets: Targets) -> Self {
        let x = gaussian_rows(1, targets.len(), network.widths()[0]);
        let samples = Samples::new(Inputs::F64(Arc::new(x.clone())), targets, (1.0, 0.0, 1.0));
        let w = gaussian_rows(2, 1, network.n_params()).row(0).to_owned();
        let directions = gaussian_rows(3, 2, network.n_params());
        Self { network, x, samples, w, directions }
    }

    /// ℓ_i at `w + t v`, for all samples.
    fn along(&self, w: ArrayView1<f64>, v: ArrayView1<f64>) -> Vec<Jet> {
        let of = |(i, x)| loss(&self.network, w, v, x, self.samples.targets(), i);
        self.x.outer_iter().enumerate().map(of).collect()
    }

    /// Rounding of a hundred terms in two orders, over the largest entry.
    #[track_caller]
    fn close(&self, found: impl IntoIterator<Item = f64>, expected: &[f64]) {
        let found = found.into_iter().collect::<Vec<_>>();
        assert_eq!(found.len(), expected.len());
        let scale = largest_magnitude(expected);
        let off = largest_magnitude(&found.iter().zip(expected).map(|(a, b)| a - b).collect::<Vec<_>>());
        assert!(off <= 1e-12 * scale, "{:?}: off by {off:.1e} of {scale:.1e}", self.network);
    }
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.sum()
}

#[test]
fn losses_gradients_and_products_are_those_of_the_reference() {
    for s in subjects() {
        let (n, v) = (s.samples.len(), s.directions.row(1));
        let jets = s.along(s.w.view(), v);
        let values = jets.iter().map(|j| j.value).collect::<Vec<_>>();
        s.close(sample_losses(&s.network, &s.w.view(), &s.samples, &|_| ()).0, &values);
        let gradient = full_gradient(&s.network, &s.w.view(), &s.samples, &|_| ());
        // Terms of both signs: relative to what is summed.
        let size = |of: fn(&Jet) -> f64| sum(jets.iter().map(|j| of(j).abs()));
        let slope = sum(jets.iter().map(|j| j.slope));
        assert!((gradient.dot(&v) * n as f64 - slope).abs() <= 1e-12 * size(|j| j.slope), "{:?}", s.network);
        let hessian = HessianSum::new(&s.network, s.w.view(), &s.samples, usize::MAX);
        // From inside of the first block into the last.
        let range = 5..n - 3;
        let bend = sum(jets[range.clone()].iter().map(|j| j.bend));
        let product = hessian.product(range, s.directions.view(), SecondOrder::Hessian);
        assert!((product.row(1).dot(&v) - bend).abs() <= 1e-12 * size(|j| j.bend), "{:?}", s.network);
    }
}

#[test]
fn projections_of_each_sample_are_those_of_the_reference() {
    for s in subjects() {
        let (u, v) = (s.directions.row(0), s.directions.row(1));
        let [of_u, of_v, of_both] =
            [u.to_owned(), v.to_owned(), &u + &v].map(|d| s.along(s.w.view(), d.view()));
        let hessian = HessianSum::new(&s.network, s.w.view(), &s.samples, 0);
        let (mut slopes, mut curvatures) = (vec![], vec![]);
        sample_derivatives(&hessian, s.directions.view(), &mut |_, some| {
            slopes.extend(some.slope.iter().copied());
            curvatures.extend(some.curvature.iter().copied());
            Ok::<_, ()>(())
        })
        .unwrap();
        let pairs = of_u.iter().zip(&of_v);
        s.close(slopes, &pairs.clone().flat_map(|(u, v)| [u.slope, v.slope]).collect::<Vec<_>>());
        let expected = pairs.zip(&of_both).flat_map(|((u, v), both)| {
            let mixed = (both.bend - u.bend - v.bend) / 2.0;
            [u.bend, mixed, mixed, v.bend]
        });
        s.close(curvatures, &expected.collect::<Vec<_>>());
    }
}

struct Keep(Vec<f64>);

impl LossSink for Keep {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        self.0.extend(losses);
    }
}

#[test]
fn losses_at_draws_are_those_of_the_reference() {
    let theta = array![[0.3, -0.1], [0.0, 0.0], [-1.0, 0.7]];
    for s in subjects() {
        let basis = s.directions.view();
        let draws =
            Draws { network: &s.network, w: s.w.view(), basis, samples: &s.samples, weights_bytes: 1 };
        let mut sinks = [Keep(vec![]), Keep(vec![]), Keep(vec![])];
        draws.evaluate(theta.view(), &mut sinks, &mut |_, _| ());
        for (theta, found) in theta.outer_iter().zip(sinks) {
            let there = &s.w + &theta.dot(&s.directions);
            let expected = s.along(there.view(), basis.row(0)).iter().map(|j| j.value).collect::<Vec<_>>();
            s.close(found.0, &expected);
        }
    }
}
