//! From where training stopped to a minimiser: trust-region Newton-CG (Steihaug 1983; Nocedal & Wright 2006, algorithms
//! 4.1 and 7.2), with an escape along the most negative eigenvector where the gradient vanishes at a saddle.

use std::cell::OnceCell;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::network::architecture::Network;
use crate::numeric::samples::Samples;
use crate::passes::gradient::{full_gradient, mean_loss};
use crate::passes::hvp::{HessianSum, SecondOrder};
use crate::spectrum::lanczos::lanczos;
use crate::spectrum::operator::{PrefixHessian, SymmetricOperator};
use crate::spectrum::ritz::{EigenRequest, Which};

/// A function that can be minimised by its gradient and its Hessian's products.
pub trait Objective {
    /// Its value at `w` (p,).
    fn value(&self, w: ArrayView1<f64>) -> f64;
    /// Its gradient at `w`, (p,).
    fn gradient(&self, w: ArrayView1<f64>) -> Array1<f64>;
    /// Hands the products with its Hessian at `w` to `f`: rows (b, p) to rows (b, p).
    fn with_hessian(&self, w: ArrayView1<f64>, f: &mut dyn FnMut(&Products));
}

/// Products of a symmetric matrix with rows (b, p).
pub struct Products<'a> {
    size: usize,
    apply: &'a dyn Fn(ArrayView2<f64>) -> Array2<f64>,
}

impl<'a> Products<'a> {
    /// Products of a matrix with `size` rows, as `apply` gives them.
    pub fn new(size: usize, apply: &'a dyn Fn(ArrayView2<f64>) -> Array2<f64>) -> Self {
        Self { size, apply }
    }
}

impl SymmetricOperator<f64> for Products<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&self, v: ArrayView2<f64>) -> Array2<f64> {
        (self.apply)(v)
    }
}

/// `L_N(w)`, the mean loss over all samples, in f64.
pub struct MeanLoss<'a> {
    /// the network
    pub network: &'a Network,
    /// all of them count alike
    pub samples: &'a Samples,
    /// memory for the activations at w, kept between the products of one step
    pub cache_bytes: usize,
}

impl Objective for MeanLoss<'_> {
    fn value(&self, w: ArrayView1<f64>) -> f64 {
        mean_loss(self.network, &w, self.samples, &|_| ()).0
    }

    fn gradient(&self, w: ArrayView1<f64>) -> Array1<f64> {
        full_gradient(self.network, &w, self.samples, &|_| ())
    }

    fn with_hessian(&self, w: ArrayView1<f64>, f: &mut dyn FnMut(&Products)) {
        // Linearised for the first product: whoever knows all products already asks for none.
        let sum = OnceCell::new();
        let apply = |v: ArrayView2<f64>| {
            let sum = sum.get_or_init(|| HessianSum::new(self.network, w, self.samples, self.cache_bytes));
            PrefixHessian { sum, k: self.samples.len(), kind: SecondOrder::Hessian }.apply(v)
        };
        f(&Products::new(w.len(), &apply));
    }
}

/// What is asked of [`polish`].
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// ‖∇L‖ at which it may stop, loss per parameter unit
    pub gradient_norm: f64,
    /// a most negative eigenvalue above −this counts as rounding, loss per squared parameter unit
    pub curvature: f64,
    /// Hessian-vector products of all steps after which it gives up
    pub max_products: usize,
    /// products of each search for the most negative eigenvalue
    pub eigen_products: usize,
    /// of the first direction of that search
    pub seed: u64,
}

/// How a polish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum PolishEnd {
    /// gradient and curvature are as asked
    Reached,
    /// all products are spent
    #[cfg_attr(feature = "serde", serde(rename = "products spent"))]
    Spent,
    /// no step lowers the value: a kink of ReLU, or the limit of f64
    Stalled,
}

/// One point of the path.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Hessian-vector products so far
    pub n_products: usize,
    /// L, loss
    pub value: f64,
    /// ‖∇L‖, loss per parameter unit
    pub gradient_norm: f64,
    /// radius of the region in which the model is trusted, parameter units
    pub radius: f64,
    /// whether negative curvature was met on the way to this point
    pub negative_curvature: bool,
}

/// The most negative eigenvalue as far as the search found it: an upper bound that is off by at most the residual.
#[derive(Clone, Copy, Debug)]
pub struct Curvature {
    /// the smallest Ritz value, loss per squared parameter unit
    pub value: f64,
    /// of its Ritz pair
    pub residual: f64,
}

/// Where it ended, and how it got there.
#[derive(Clone, Debug)]
pub struct Polished {
    /// (p,)
    pub w: Array1<f64>,
    /// the first is the start
    pub path: Vec<Point>,
    /// at the start
    pub before: Curvature,
    /// at the end
    pub after: Curvature,
    /// why it ended
    pub status: PolishEnd,
    /// moves along the most negative eigenvector at a vanishing gradient
    pub n_escapes: usize,
}

/// A step is taken if the value falls by more than this fraction of what the model said.
const ACCEPT: f64 = 1e-4;
/// Radius below which no step is tried, over the norm of w.
const SMALLEST_RADIUS: f64 = 1e-14;
/// Rounding of a mean loss, over its value: differences below it say nothing.
const VALUE_ROUNDING: f64 = 1e-14;

/// Minimises from `w` until gradient and curvature are as asked. `done` is told of the products made.
///
/// Each step minimises the quadratic model inside the trust region by conjugate gradients, to the accuracy
/// `min(½, √‖g‖) ‖g‖`; along negative curvature it goes to the border. Cost: the products, and one value and one gradient a step.
pub fn polish(
    objective: &impl Objective,
    w: Array1<f64>,
    request: &Request,
    done: &mut dyn FnMut(usize),
) -> Polished {
    let before = smallest(objective, w.view(), request, done).0;
    let mut walk = Walk::new(objective, w);
    let mut n_escapes = 0;
    let (status, after) = loop {
        let status = walk.descend(request, done);
        let (curvature, direction) = smallest(objective, walk.w.view(), request, done);
        if status != PolishEnd::Reached || curvature.value >= -request.curvature {
            break (status, curvature);
        }
        n_escapes += 1;
        if !walk.escape(&direction) {
            break (PolishEnd::Stalled, curvature);
        }
    };
    Polished { w: walk.w, path: walk.path, before, after, status, n_escapes }
}

/// The smallest Ritz pair at `w`.
fn smallest(
    objective: &impl Objective,
    w: ArrayView1<f64>,
    request: &Request,
    done: &mut dyn FnMut(usize),
) -> (Curvature, Array1<f64>) {
    let mut found = None;
    objective.with_hessian(w, &mut |hessian| {
        let request = EigenRequest {
            dim: 1,
            which: Which::SmallestAlgebraic,
            residual_tolerance: 1e-3,
            miss_probability: 1.0,
            max_subspace: request.eigen_products.max(20),
            max_products: request.eigen_products,
            seed: request.seed,
        };
        let pairs = lanczos(hessian, &request, &mut |n| done(n));
        let curvature = Curvature { value: pairs.values[0], residual: pairs.residuals[0] };
        found = Some((curvature, pairs.vectors.row(0).to_owned()));
    });
    found.expect("the objective has a Hessian")
}

/// The point in hand.
struct Walk<'a, O> {
    objective: &'a O,
    w: Array1<f64>,
    value: f64,
    gradient: Array1<f64>,
    radius: f64,
    n_products: usize,
    path: Vec<Point>,
}

fn length(v: &Array1<f64>) -> f64 {
    v.dot(v).sqrt()
}

impl<'a, O: Objective> Walk<'a, O> {
    fn new(objective: &'a O, w: Array1<f64>) -> Self {
        let (value, gradient) = (objective.value(w.view()), objective.gradient(w.view()));
        let radius = 0.1 * length(&w).max(1.0);
        let mut walk = Self { objective, w, value, gradient, radius, n_products: 0, path: vec![] };
        walk.record(false);
        walk
    }

    fn record(&mut self, negative_curvature: bool) {
        self.path.push(Point {
            n_products: self.n_products,
            value: self.value,
            gradient_norm: length(&self.gradient),
            radius: self.radius,
            negative_curvature,
        });
    }

    /// Newton steps until the gradient is small.
    fn descend(&mut self, request: &Request, done: &mut dyn FnMut(usize)) -> PolishEnd {
        loop {
            if length(&self.gradient) <= request.gradient_norm {
                return PolishEnd::Reached;
            }
            if self.n_products >= request.max_products {
                return PolishEnd::Spent;
            }
            let budget = request.max_products - self.n_products;
            // One linearisation serves every radius that is tried at this point.
            let (objective, w) = (self.objective, self.w.clone());
            let mut moved = false;
            objective.with_hessian(w.view(), &mut |hessian| {
                let mut left = budget;
                while !moved && left > 0 && self.radius > SMALLEST_RADIUS * length(&w).max(1.0) {
                    let model = steihaug(hessian, &self.gradient, self.radius, left);
                    done(model.n_products);
                    self.n_products += model.n_products;
                    left -= model.n_products.min(left);
                    moved = self.try_step(&model);
                }
            });
            if !moved {
                let spent = self.n_products >= request.max_products;
                return if spent { PolishEnd::Spent } else { PolishEnd::Stalled };
            }
        }
    }

    /// Takes the step if the value falls as the model says, and adapts the radius.
    fn try_step(&mut self, model: &ModelStep) -> bool {
        let there = &self.w + &model.step;
        let value = self.objective.value(there.view());
        let gradient = self.objective.gradient(there.view());
        let rounding = VALUE_ROUNDING * self.value.abs();
        // Where the model's reduction drowns in rounding, a smaller gradient is what can be told.
        let ratio = if model.reduction <= 10.0 * rounding && value <= self.value + rounding {
            f64::from(u8::from(length(&gradient) < length(&self.gradient)))
        } else {
            (self.value - value) / model.reduction
        };
        if ratio.is_nan() || ratio < 0.25 {
            self.radius = 0.25 * length(&model.step);
        } else if ratio > 0.75 && model.at_border {
            self.radius *= 2.0;
        }
        if ratio.is_nan() || ratio <= ACCEPT {
            return false;
        }
        (self.w, self.value, self.gradient) = (there, value, gradient);
        self.record(model.negative_curvature);
        true
    }

    /// Moves along ± `direction`, of negative curvature, by the longest of some steps that lowers the value.
    fn escape(&mut self, direction: &Array1<f64>) -> bool {
        let mut distance = 0.1 * length(&self.w).max(1.0);
        while distance > SMALLEST_RADIUS * length(&self.w).max(1.0) {
            for sign in [1.0, -1.0] {
                let there = &self.w + &(direction * (sign * distance));
                let value = self.objective.value(there.view());
                if value < self.value - VALUE_ROUNDING * self.value.abs() {
                    (self.value, self.radius) = (value, distance);
                    self.gradient = self.objective.gradient(there.view());
                    self.w = there;
                    self.record(true);
                    return true;
                }
            }
            distance *= 0.25;
        }
        false
    }
}

/// What conjugate gradients found inside the trust region.
struct ModelStep {
    step: Array1<f64>,
    /// by which the quadratic model falls, above 0
    reduction: f64,
    n_products: usize,
    at_border: bool,
    negative_curvature: bool,
}

/// Steihaug's conjugate gradients on `g·s + ½ s·Hs`, ‖s‖ ≤ `radius`.
fn steihaug(h: &Products, g: &Array1<f64>, radius: f64, max_products: usize) -> ModelStep {
    let norm = length(g);
    let accuracy = norm.sqrt().min(0.5) * norm;
    let mut s = Array1::<f64>::zeros(g.len());
    let mut hs = s.clone();
    let (mut r, mut d) = (g.clone(), -g);
    let mut n_products = 0;
    let (mut at_border, mut negative_curvature) = (false, false);
    while n_products < max_products && n_products < 2 * g.len() {
        let hd = h.apply(d.view().insert_axis(Axis(0))).index_axis_move(Axis(0), 0);
        n_products += 1;
        let (curvature, rr) = (d.dot(&hd), r.dot(&r));
        let alpha = rr / curvature;
        negative_curvature = curvature <= 0.0;
        if negative_curvature || length(&(&s + &(&d * alpha))) >= radius {
            let tau = to_border(&s, &d, radius);
            s.scaled_add(tau, &d);
            hs.scaled_add(tau, &hd);
            at_border = true;
            break;
        }
        s.scaled_add(alpha, &d);
        hs.scaled_add(alpha, &hd);
        r.scaled_add(alpha, &hd);
        let next = r.dot(&r);
        if next.sqrt() <= accuracy {
            break;
        }
        d = &d * (next / rr) - &r;
    }
    let reduction = -(g.dot(&s) + 0.5 * s.dot(&hs));
    ModelStep { step: s, reduction, n_products, at_border, negative_curvature }
}

/// τ ≥ 0 with ‖s + τ d‖ = `radius`.
fn to_border(s: &Array1<f64>, d: &Array1<f64>, radius: f64) -> f64 {
    let (a, b, c) = (d.dot(d), s.dot(d), s.dot(s) - radius * radius);
    let root = (b * b - a * c).max(0.0).sqrt();
    // The form without cancellation for b > 0.
    if b > 0.0 { -c / (b + root) } else { (root - b) / a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    struct Quadratic {
        a: Array2<f64>,
        b: Array1<f64>,
    }

    impl Objective for Quadratic {
        fn value(&self, w: ArrayView1<f64>) -> f64 {
            0.5 * w.dot(&self.a.dot(&w)) - self.b.dot(&w)
        }
        fn gradient(&self, w: ArrayView1<f64>) -> Array1<f64> {
            self.a.dot(&w) - &self.b
        }
        fn with_hessian(&self, w: ArrayView1<f64>, f: &mut dyn FnMut(&Products)) {
            f(&Products::new(w.len(), &|v| v.dot(&self.a)));
        }
    }

    /// `x² + (y² − 1)²`: a saddle at 0 with eigenvalues 2 and −4, minima at (0, ±1) with 2 and 8.
    struct Saddle;

    impl Objective for Saddle {
        fn value(&self, w: ArrayView1<f64>) -> f64 {
            w[0].powi(2) + (w[1].powi(2) - 1.0).powi(2)
        }
        fn gradient(&self, w: ArrayView1<f64>) -> Array1<f64> {
            array![2.0 * w[0], 4.0 * w[1] * (w[1].powi(2) - 1.0)]
        }
        fn with_hessian(&self, w: ArrayView1<f64>, f: &mut dyn FnMut(&Products)) {
            let second = 12.0 * w[1].powi(2) - 4.0;
            f(&Products::new(2, &|v| &v * &array![2.0, second]));
        }
    }

    const REQUEST: Request =
        Request { gradient_norm: 1e-10, curvature: 1e-8, max_products: 500, eigen_products: 20, seed: 1 };

    #[test]
    fn a_convex_quadratic_is_solved() {
        let a = crate::spectrum::operator::with_eigenvalues(&[100.0, 30.0, 5.0, 1.0, 0.3, 0.1], 3);
        let x = array![1.0, -2.0, 0.5, 3.0, -1.0, 0.25];
        let objective = Quadratic { b: a.dot(&x), a };
        let found = polish(&objective, Array1::zeros(6), &REQUEST, &mut |_| ());
        assert_eq!((found.status, found.n_escapes), (PolishEnd::Reached, 0));
        // An error e of w leaves a gradient of at least 0.1 e.
        assert!(length(&(&found.w - &x)) <= 10.0 * REQUEST.gradient_norm, "{found:?}");
        assert!((found.after.value - 0.1).abs() <= 1e-10, "{:?}", found.after);
        assert!(found.path.windows(2).all(|p| p[1].value <= p[0].value + 1e-12));
    }

    #[test]
    fn a_saddle_is_left_from_its_very_point_and_from_beside_it() {
        for start in [array![0.0, 0.0], array![0.7, 1e-9], array![0.0, -0.2]] {
            let found = polish(&Saddle, start.clone(), &REQUEST, &mut |_| ());
            assert_eq!(found.status, PolishEnd::Reached, "{start}: {found:?}");
            assert!(
                (found.w[1].abs() - 1.0).abs() <= 1e-9 && found.w[0].abs() <= 1e-9,
                "{start}: {}",
                found.w
            );
            assert!((found.after.value - 2.0).abs() <= 1e-6, "{:?}", found.after);
            if start[0].abs() + start[1].abs() <= 0.0 {
                assert!((found.before.value + 4.0).abs() <= 1e-12 && found.n_escapes == 1);
            }
        }
    }

    #[test]
    fn a_function_without_a_minimum_is_not_called_reached() {
        let objective = Quadratic { a: array![[1.0, 0.0], [0.0, -1.0]], b: array![0.0, 1.0] };
        let found =
            polish(&objective, array![1.0, 0.0], &Request { max_products: 60, ..REQUEST }, &mut |_| ());
        assert_eq!(found.status, PolishEnd::Spent);
        assert!((found.after.value + 1.0).abs() <= 1e-12);
    }
}
