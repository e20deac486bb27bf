//! Polish, density, trace and ends of the spectrum against the dense Hessian of a small network, diagonalised by LAPACK.
//! The products behind that Hessian are held against JAX in `fixtures.rs`.

use std::sync::Arc;

use landscape::hvp::{HessianSum, SecondOrder};
use landscape::lanczos::{EigenRequest, Which, lanczos};
use landscape::operator::{PrefixHessian, SymmetricOperator};
use landscape::polish::{MeanLoss, Request, Status, polish};
use landscape::slq::quadrature;
use landscape::subspace::gaussian_rows;
use landscape::trace::hutch_pp;
use landscape::vectors::symmetric_eigen;
use landscape::{Activation, Inputs, Loss, Mlp, Samples, Targets};
use ndarray::{Array1, Array2, ArrayView1};

/// 60 samples of 4 features; each input stands there with two labels, so that no weights fit and a minimum is finite.
fn subject() -> (Mlp, Samples, Array1<f64>) {
    let mlp = Mlp::new(&[4, 3, 3], Activation::Tanh, Loss::SoftmaxCrossEntropy);
    let half = gaussian_rows(1, 30, 4);
    let x = ndarray::concatenate![ndarray::Axis(0), half, half];
    let y = (0..60).map(|i| if i < 30 { i % 3 } else { (i * i + 1) % 3 }).collect();
    let samples = Samples::new(Inputs::F64(Arc::new(x)), Targets::Classes(y), (1.0, 0.0, 1.0));
    let w = gaussian_rows(2, 1, mlp.n_params()).row(0).mapv(|z| 0.5 * z);
    (mlp, samples, w)
}

fn dense(mlp: &Mlp, samples: &Samples, w: ArrayView1<f64>) -> (Array2<f64>, Array1<f64>) {
    let sum = HessianSum::new(mlp, w, samples, usize::MAX);
    let hessian = PrefixHessian { sum: &sum, k: samples.len(), kind: SecondOrder::Hessian };
    let h = hessian.apply(Array2::eye(w.len()).view());
    let h = (&h + &h.t()) / 2.0;
    let (values, _) = symmetric_eigen(&h);
    (h, values)
}

#[test]
fn the_polish_ends_at_a_minimum_of_the_dense_hessian() {
    let (mlp, samples, w) = subject();
    let request =
        Request { gradient_norm: 1e-8, curvature: 1e-7, max_products: 20_000, eigen_products: 27, seed: 3 };
    let objective = MeanLoss { mlp: &mlp, samples: &samples, cache_bytes: usize::MAX };
    let found = polish(&objective, w.clone(), &request, &mut |_| ());
    assert_eq!(found.status, Status::Reached, "{:?}", found.path.last());
    let (_, before) = dense(&mlp, &samples, w.view());
    let (_, after) = dense(&mlp, &samples, found.w.view());
    // 27 products are all of a matrix of 27 rows: the search is exact to rounding, a few hundred eps of ‖H‖ ~ 1.
    assert!((found.before.value - before[0]).abs() <= 1e-10, "{} {}", found.before.value, before[0]);
    assert!((found.after.value - after[0]).abs() <= 1e-8, "{} {}", found.after.value, after[0]);
    assert!(before[0] < -1e-3, "the start is no minimum: {}", before[0]);
    assert!(after[0] >= -request.curvature, "the end is one: {}", after[0]);
    let gradient = landscape::gradient::full_gradient(&mlp, &found.w.view(), &samples);
    assert!(gradient.dot(&gradient).sqrt() <= request.gradient_norm);
}

#[test]
fn density_trace_and_ends_are_those_of_the_dense_hessian() {
    let (mlp, samples, w) = subject();
    let (h, exact) = dense(&mlp, &samples, w.view());
    let sum = HessianSum::new(&mlp, w.view(), &samples, usize::MAX);
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
