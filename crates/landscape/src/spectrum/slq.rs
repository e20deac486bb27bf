//! Spectral density by stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017; Ghorbani, Krishnan & Xiao 2019).
//!
//! For a random unit vector u, m Lanczos steps give nodes x_j and weights τ_j with `Σ_j τ_j q(x_j) = uᵀ q(A) u` for every
//! polynomial q of degree below 2m, and `E_u uᵀ q(A) u = tr q(A) / p`: the density of the eigenvalues, seen through q.

use ndarray::{Array1, Array2, Array3, Axis, s};

use crate::numeric::gaussian::gaussian_rows;
use crate::numeric::real::Real;
use crate::numeric::vectors::{norm, orthogonalise, symmetric_eigen};
use crate::spectrum::operator::SymmetricOperator;

/// Nodes and weights of every probe.
#[derive(Clone, Debug)]
pub struct Quadrature {
    /// Ritz values, (probes, steps)
    pub nodes: Array2<f64>,
    /// of each node; those of a probe sum to 1, (probes, steps). A probe whose Krylov space ended has zeros at its end.
    pub weights: Array2<f64>,
}

/// The quadrature of `n_probes` random directions with `n_steps` products each, with full reorthogonalisation.
///
/// All probes advance together, so the products share the primal pass. Memory: probes · steps · p numbers.
///
/// # Panics
/// Without probes or steps.
pub fn quadrature<R: Real>(
    a: &impl SymmetricOperator<R>,
    n_probes: usize,
    n_steps: usize,
    seed: u64,
    done: &mut impl FnMut(usize),
) -> Quadrature {
    assert!(n_probes > 0 && n_steps > 0, "at least one probe and one step");
    let (p, m) = (a.size(), n_steps.min(a.size()));
    let mut v = Array3::<R>::zeros((n_probes, m + 1, p));
    for (mut v, start) in v.outer_iter_mut().zip(gaussian_rows(seed, n_probes, p).outer_iter()) {
        let start = start.mapv(R::narrow);
        let length = R::narrow(norm(start.view()));
        v.row_mut(0).assign(&start.mapv(|x| x / length));
    }
    let mut t = Array3::<f64>::zeros((n_probes, m, m));
    // Steps after which the Krylov space of a probe was whole.
    let mut ended = vec![m; n_probes];
    for j in 0..m {
        let mut w = a.apply(v.index_axis(Axis(1), j));
        done(n_probes);
        for (i, ended) in ended.iter_mut().enumerate() {
            if j >= *ended {
                continue;
            }
            let h = orthogonalise(w.row_mut(i), v.slice(s![i, ..=j, ..]));
            t[[i, j, j]] = h[j];
            let beta = norm(w.row(i));
            let scale = t.index_axis(Axis(0), i).iter().fold(0.0_f64, |s, x| s.max(x.abs()));
            if beta <= R::epsilon().wide() * scale * (j + 1) as f64 {
                *ended = j + 1;
            } else if j + 1 < m {
                (t[[i, j + 1, j]], t[[i, j, j + 1]]) = (beta, beta);
                v.slice_mut(s![i, j + 1, ..]).assign(&w.row(i).mapv(|x| x / R::narrow(beta)));
            }
        }
    }
    let mut found = Quadrature { nodes: Array2::zeros((n_probes, m)), weights: Array2::zeros((n_probes, m)) };
    for (i, &n) in ended.iter().enumerate() {
        let (values, y) = symmetric_eigen(&t.slice(s![i, ..n, ..n]).to_owned());
        found.nodes.slice_mut(s![i, ..n]).assign(&values);
        found.weights.slice_mut(s![i, ..n]).assign(&y.row(0).mapv(|x| x * x));
    }
    found
}

impl Quadrature {
    /// The density at each point of `grid`, smoothed with a Gaussian of standard deviation `width`; it integrates to 1.
    pub fn density(&self, grid: &Array1<f64>, width: f64) -> Array1<f64> {
        let scale = 1.0 / (self.nodes.nrows() as f64 * width * (2.0 * std::f64::consts::PI).sqrt());
        let nodes = self.nodes.iter().zip(&self.weights);
        let at =
            |x: f64| nodes.clone().map(|(n, w)| w * (-0.5 * ((x - n) / width).powi(2)).exp()).sum::<f64>();
        grid.mapv(|x| scale * at(x))
    }

    /// Mean over the probes of `Σ_j τ_j f(x_j)`, an estimate of `tr f(A) / p`, with its standard error over the probes.
    pub fn mean_of(&self, f: impl Fn(f64) -> f64) -> (f64, f64) {
        let of_probe = self.nodes.outer_iter().zip(self.weights.outer_iter());
        let values = of_probe.map(|(x, w)| x.iter().zip(w).map(|(&x, w)| w * f(x)).sum::<f64>());
        let values = values.collect::<Array1<f64>>();
        let n = values.len() as f64;
        (
            values.mean().expect("at least one probe"),
            if n > 1.0 { values.std(1.0) / n.sqrt() } else { f64::NAN },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::operator::{Dense, with_eigenvalues};

    #[test]
    fn all_steps_give_the_measure_of_the_probe_itself() {
        let a = with_eigenvalues(&[-2.0, -0.1, 0.0, 0.3, 0.5, 1.0, 9.0], 5);
        let found = quadrature(&Dense(a.clone()), 3, 7, 11, &mut |_| ());
        let (exact, e) = symmetric_eigen(&a);
        for (i, start) in gaussian_rows(11, 3, 7).outer_iter().enumerate() {
            let u = &start / start.dot(&start).sqrt();
            for j in 0..7 {
                // Seven orthogonal steps: rounding grows with the condition of the Krylov basis, some 1e3 eps here.
                assert!((found.nodes[[i, j]] - exact[j]).abs() <= 1e-11, "{found:?}");
                assert!((found.weights[[i, j]] - e.column(j).dot(&u).powi(2)).abs() <= 1e-11, "{found:?}");
            }
        }
    }

    #[test]
    fn moments_below_twice_the_steps_are_exact_and_a_short_krylov_space_ends() {
        let a = with_eigenvalues(&[3.0, 3.0, 3.0, -1.0, 0.5, 0.0, 7.0, 2.0], 5);
        let found = quadrature(&Dense(a.clone()), 1, 3, 2, &mut |_| ());
        let u = gaussian_rows(2, 1, 8).row(0).to_owned();
        let u = &u / u.dot(&u).sqrt();
        let mut power = u.clone();
        for k in 0..6 {
            let (moment, _) = found.mean_of(|x| x.powi(k));
            // Powers up to 7⁵ of numbers with a few roundings each.
            assert!((moment - u.dot(&power)).abs() <= 1e-9, "degree {k}: {moment} {}", u.dot(&power));
            power = a.dot(&power);
        }
        // Two distinct eigenvalues: two nodes hold all the weight, whatever the number of steps.
        let a = with_eigenvalues(&[1.0, 1.0, 4.0, 4.0, 4.0], 5);
        let two = quadrature(&Dense(a), 2, 5, 3, &mut |_| ());
        assert!(two.weights.slice(s![.., 2..]).iter().all(|w| w.abs() <= 1e-12), "{two:?}");
        assert!((two.nodes[[0, 0]] - 1.0).abs() <= 1e-12 && (two.nodes[[1, 1]] - 4.0).abs() <= 1e-12);
    }

    #[test]
    fn a_density_integrates_to_one() {
        let a = with_eigenvalues(&[-1.0, 0.0, 0.2, 2.0, 5.0], 5);
        let found = quadrature(&Dense(a), 4, 5, 9, &mut |_| ());
        let grid = Array1::linspace(-3.0, 7.0, 2001);
        // The trapezoidal rule is exact to rounding for Gaussians 20 spacings wide that end inside the grid.
        let integral = found.density(&grid, 0.1).sum() * 0.005;
        assert!((integral - 1.0).abs() <= 1e-10, "{integral}");
    }
}
