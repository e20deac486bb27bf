//! `sigma: posterior`: the width of the Laplace posterior along each direction, 1/√(N λ_i).

use landscape::Real;
use landscape::numeric::vectors::largest_magnitude;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::operator::{PrefixHessian, SymmetricOperator};
use landscape::spectrum::ritz::rounding;
use ndarray::{Array2, ArrayView1, Ix1, s};
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::Setting;
use records::montecarlo::{Sigma, Source};

use crate::Trained;

/// 1/√(N λ_i) in the first directions, where the setting asks for them.
pub fn deviations<R: Real>(
    ctx: &StageContext,
    trained: &Trained<R>,
    setting: &Setting,
    basis: &Array2<R>,
) -> Result<Vec<f64>> {
    let first = |file: &str| -> Result<Vec<f64>> {
        let all = ctx.inputs.read::<f64, Ix1>("eigen", file)?;
        Ok(all.slice(s![..setting.dim]).to_vec())
    };
    let (values, of) = match setting.sigma {
        Sigma::Same(_) => return Ok(vec![]),
        Sigma::Of(Source::Posterior) => (first("eigenvalues.npy")?, "eigenvalue"),
        Sigma::Of(Source::PosteriorGaussNewton) => (gauss_newton(trained, basis), "Gauss-Newton quotient"),
    };
    // Curvature along a direction of the user is no eigenvalue, whatever its residual is.
    let is_solved = ctx.inputs.params::<records::Eigen>("eigen")?.basis.is_none();
    if is_solved {
        let (residuals, largest) = (first("residuals.npy")?, largest_magnitude(&values));
        let error = |i: usize| match setting.sigma {
            Sigma::Of(Source::PosteriorGaussNewton) => {
                // Part r/μ of the direction may be along the largest, and enters squared.
                rounding::<R>(largest).max(residuals[i].powi(2) / largest)
            }
            _ => residuals[i],
        };
        if let Some(i) = (0..setting.dim).find(|&i| error(i) > values[i].abs()) {
            return Err(unresolved(setting, of, i, values[i], error(i)).into());
        }
    }
    if let Some(place) = values.iter().position(|&value| value <= 0.0) {
        let message = format!(
            "montecarlo: {}: sigma: {}, but {of} {} is {:.2e}: along it the posterior has no width",
            setting.name,
            setting.sigma,
            place + 1,
            values[place]
        );
        let hint =
            format!("{}, or set train.polish, or give sigma as a number", fewer(place, "train longer"));
        return Err(Failure::not_converged(message, hint).into());
    }
    let n_samples = trained.samples.len() as f64;
    Ok(values.iter().map(|value| 1.0 / (n_samples * value).sqrt()).collect())
}

/// Advice to leave out the directions from `place` on, where there are others.
fn fewer(place: usize, otherwise: &str) -> String {
    if place == 0 { otherwise.to_owned() } else { format!("lower dim of that setting to {place}") }
}

fn unresolved(setting: &Setting, of: &str, place: usize, value: f64, error: f64) -> Failure {
    let message = format!(
        "montecarlo: {}: sigma: {}, but {of} {} is {value:.2e}, and may be wrong by {error:.2e}: neither its sign nor its size is known",
        setting.name,
        setting.sigma,
        place + 1,
    );
    let hint = format!(
        "{}, or set eigen.precision: f64 and lower eigen.residual_tolerance, or give sigma as a number",
        fewer(place, "train longer")
    );
    Failure::not_converged(message, hint)
}

/// `uᵢᵀ G uᵢ` for every row of `basis` (d, p), G the Gauss-Newton part of the Hessian over all samples: loss per squared parameter unit.
fn gauss_newton<R: Real>(trained: &Trained<R>, basis: &Array2<R>) -> Vec<f64> {
    // One product for each direction: nothing is worth keeping between them.
    let sum = HessianSum::new(&trained.network, trained.w.view(), &trained.samples, 0);
    let operator = PrefixHessian { sum: &sum, k: trained.samples.len(), kind: SecondOrder::GaussNewton };
    let products = operator.apply(basis.view());
    let dot =
        |(u, v): (ArrayView1<R>, ArrayView1<R>)| u.iter().zip(v).map(|(&a, &b)| a.wide() * b.wide()).sum();
    basis.outer_iter().zip(products.outer_iter()).map(dot).collect()
}
