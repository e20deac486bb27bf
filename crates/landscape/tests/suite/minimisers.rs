//! Polish, density, trace and ends of the spectrum against the dense Hessian of a small network, diagonalised by LAPACK.
//! The products behind that Hessian are held against JAX in `fixtures.rs`.

use std::sync::Arc;

use landscape::numeric::gaussian::gaussian_rows;
use landscape::numeric::vectors::symmetric_eigen;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::{PrefixHessian, SymmetricOperator};
use landscape::spectrum::ritz::{EigenRequest, Which};
use landscape::spectrum::slq::quadrature;
use landscape::spectrum::trace::hutch_pp;
use landscape::training::polish::{MeanLoss, PolishEnd, Request, polish};
use landscape::{Activation, Inputs, Loss, Network, Samples, Targets};
use ndarray::{Array1, Array2, ArrayView1};

/// 60 samples of 4 features; each input stands there with two labels, so that no weights fit. The loss has no minimum: the
/// tanh saturate, and it falls a little further as the weights grow.
fn subject() -> (Network, Samples, Array1<f64>) {
    let network = Network::new(&[4, 3, 3], Activation::Tanh, Loss::SoftmaxCrossEntropy);
    let half = gaussian_rows(1, 30, 4);
    let x = ndarray::concatenate![ndarray::Axis(0), half, half];
    let y = (0..60).map(|i| if i < 30 { i % 3 } else { (i * i + 1) % 3 }).collect();
    let samples = Samples::new(Inputs::F64(Arc::new(x)), Targets::Classes(y), (1.0, 0.0, 1.0));
    let w = gaussian_rows(2, 1, network.n_params()).row(0).mapv(|z| 0.5 * z);
    (network, samples, w)
}

fn dense(network: &Network, samples: &Samples, w: ArrayView1<f64>) -> (Array2<f64>, Array1<f64>) {
    let sum = HessianSum::new(network, w, samples, usize::MAX);
    let hessian = PrefixHessian { sum: &sum, k: samples.len(), kind: SecondOrder::Hessian };
    let h = hessian.apply(Array2::eye(w.len()).view());
    let h = (&h + &h.t()) / 2.0;
    let (values, _) = symmetric_eigen(&h);
    (h, values)
}

/// 60 inputs with the outputs of a teacher of the same widths: the loss is 0 at the teacher, a finite minimum.
fn taught() -> (Network, Samples, Array1<f64>, Array1<f64>) {
    let network = Network::new(&[4, 3, 3], Activation::Tanh, Loss::SquaredError);
    let x = gaussian_rows(1, 60, 4);
    let teacher = gaussian_rows(2, 1, network.n_params()).row(0).to_owned();
    let y = landscape::passes::primal::outputs(&network, &teacher.view(), x.view());
    let samples = Samples::new(Inputs::F64(Arc::new(x)), Targets::Values(y), (1.0, 0.0, 1.0));
    let start = &teacher + &(gaussian_rows(3, 1, network.n_params()).row(0).mapv(|z| 0.7 * z));
    (network, samples, teacher, start)
}

const REQUEST: Request =
    Request { gradient_norm: 1e-9, curvature: 1e-7, max_products: 20_000, eigen_products: 27, seed: 3 };

#[test]
fn the_polish_ends_at_the_teacher() {
    let (network, samples, teacher, start) = taught();
    let objective = MeanLoss { network: &network, samples: &samples, cache_bytes: usize::MAX };
    let found = polish(&objective, start.clone(), &REQUEST, &mut |_| ());
    assert_eq!(found.status, PolishEnd::Reached, "{:?}", found.path.last());
    let (_, before) = dense(&network, &samples, start.view());
    let (_, after) = dense(&network, &samples, found.w.view());
    // A Ritz value lies above the smallest eigenvalue by at most its residual; rounding of two programs beside it.
    for (ritz, exact) in [(found.before, before[0]), (found.after, after[0])] {
        assert!((-1e-12..=ritz.residual + 1e-12).contains(&(ritz.value - exact)), "{ritz:?} {exact}");
        // The search ends at a residual of 1e-3 of the value.
        assert!(ritz.residual <= 1e-3 * ritz.value.abs() * (1.0 + 1e-9), "{ritz:?}");
    }
    assert!(before[0] < -1e-3, "the start is no minimum: {}", before[0]);
    let (_, at_teacher) = dense(&network, &samples, teacher.view());
    assert!(after[0] > 0.0, "the end is a minimum: {}", after[0]);
    // The spectrum of the teacher's own Hessian, whatever order the hidden units took: w is off by at most ‖∇L‖ / λ_min.
    let off = 10.0 * REQUEST.gradient_norm / at_teacher[0];
    assert!((&after - &at_teacher).iter().all(|e| e.abs() <= off), "{after} {at_teacher} {off:.1e}");
    let gradient = landscape::passes::gradient::full_gradient(&network, &found.w.view(), &samples, &|_| ());
    assert!(gradient.dot(&gradient).sqrt() <= REQUEST.gradient_norm);
    // Half of off² λ_max at most.
    assert!(found.path[found.path.len() - 1].value <= 10.0 * off * off, "{:?}", found.path.last());
}

#[test]
fn a_minimum_at_infinity_is_not_called_reached() {
    let (network, samples, w) = subject();
    let objective = MeanLoss { network: &network, samples: &samples, cache_bytes: usize::MAX };
    let request = Request { max_products: 4000, ..REQUEST };
    let found = polish(&objective, w.clone(), &request, &mut |_| ());
    assert_eq!(found.status, PolishEnd::Spent);
    let norm = |w: &Array1<f64>| w.dot(w).sqrt();
    assert!(norm(&found.w) > 10.0 * norm(&w), "{} {}", norm(&w), norm(&found.w));
    assert!(found.path.windows(2).all(|p| p[1].value <= p[0].value), "the loss never rises");
}

#[test]
fn density_trace_and_ends_are_those_of_the_dense_hessian() {
    let (network, samples, w) = subject();
    let (h, exact) = dense(&network, &samples, w.view());
    let sum = HessianSum::new(&network, w.view(), &samples, usize::MAX);
    let hessian = PrefixHessian { sum: &sum, k: samples.len(), kind: SecondOrder::Hessian };

    let trace = hutch_pp(&hessian, 6, 30, 4, &mut |_| ());
    assert!(
        (trace.value - h.diag().sum()).abs() <= 4.0 * trace.standard_error,
        "{trace:?} {}",
        h.diag().sum()
    );
    assert!(trace.standard_error < 0.2 * h.diag().sum().abs(), "{trace:?}");

    // Mean of x, x² and of a step between bulk and top: tr f(H)/p, within 4 standard errors over 200 probes.
    let quadrature = quadrature(&hessian, 200, 20, 5, &mut |_| ());
    let p = exact.len() as f64;
    let middle = 0.5 * exact[exact.len() - 1];
    let functions: [&dyn Fn(f64) -> f64; 3] = [&|x| x, &|x| x * x, &|x| f64::from(u8::from(x > middle))];
    for f in functions {
        let (mean, error) = quadrature.mean_of(f);
        let exact = exact.iter().map(|&x| f(x)).sum::<f64>() / p;
        assert!((mean - exact).abs() <= 4.0 * error, "{mean} {exact} {error}");
    }

    for which in [Which::LargestAlgebraic, Which::SmallestAlgebraic] {
        let request = EigenRequest {
            dim: 3,
            which,
            residual_tolerance: 1e-9,
            miss_probability: 1.0,
            max_subspace: 27,
            max_products: 200,
            seed: 6,
        };
        let pairs = lanczos(&hessian, &request, &mut |_| ());
        for (i, (value, residual)) in pairs.values.iter().zip(&pairs.residuals).enumerate() {
            let position = if which == Which::SmallestAlgebraic { i } else { exact.len() - 1 - i };
            // The residual bounds the error; rounding of the two programs beside it.
            assert!(
                (value - exact[position]).abs() <= residual + 1e-12,
                "{which:?} {i}: {value} {}",
                exact[position]
            );
        }
    }
}
