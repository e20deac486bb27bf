//! Trace of a matrix that is known by its products: Hutch++ (Meyer, Musco, Musco & Woodruff 2021).

use ndarray::{Array1, Array2};

use crate::numeric::gaussian::rounded_gaussian_rows;
use crate::numeric::real::Real;
use crate::numeric::vectors::{orthogonalise, orthonormalise, project};
use crate::spectrum::operator::SymmetricOperator;

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// tr A
    pub value: f64,
    /// over the probes; the part inside the sketch is exact
    pub standard_error: f64,
    /// matrix-vector products
    pub n_products: usize,
}

/// `tr A = tr(Q A Qᵀ) + E g'ᵀ A g'` with Q an orthonormal basis of `A S`, S random (`n_sketch` rows), and g' a random
/// sign vector made orthogonal to Q: the outliers are summed exactly, so only the bulk is estimated.
///
/// 2 `n_sketch` + `n_probes` products.
///
/// # Panics
/// With fewer than two probes, from which no error follows.
pub fn hutch_pp<R: Real>(
    a: &impl SymmetricOperator<R>,
    n_sketch: usize,
    n_probes: usize,
    seed: u64,
    done: &mut impl FnMut(usize),
) -> Trace {
    assert!(n_probes >= 2, "at least two probes");
    let p = a.size();
    let signs = rounded_gaussian_rows::<R>(seed, n_sketch + n_probes, p).mapv(R::signum);
    let (sketch, probes) = signs.view().split_at(ndarray::Axis(0), n_sketch);
    let (mut q, mut inside) = (Array2::zeros((0, p)), 0.0);
    if n_sketch > 0 {
        // Directions that depend on the others to rounding add nothing.
        q = a.apply(sketch);
        let rank = orthonormalise(q.view_mut(), 0, 10.0 * R::epsilon().wide());
        q.slice_collapse(ndarray::s![..rank, ..]);
        done(n_sketch);
        inside = row_products(&q, &a.apply(q.view())).sum();
        done(q.nrows());
    }
    let mut outside = probes.to_owned();
    for mut row in outside.outer_iter_mut() {
        orthogonalise(row.view_mut(), q.view());
    }
    let values = row_products(&outside, &a.apply(outside.view()));
    done(n_probes);
    Trace {
        value: inside + values.mean().expect("at least two probes"),
        standard_error: values.std(1.0) / (n_probes as f64).sqrt(),
        n_products: n_sketch + q.nrows() + n_probes,
    }
}

/// Dot product of each pair of rows.
fn row_products<R: Real>(a: &Array2<R>, b: &Array2<R>) -> Array1<f64> {
    let pairs = a.outer_iter().zip(b.outer_iter());
    pairs.map(|(a, b)| project(a.insert_axis(ndarray::Axis(0)), b)[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::operator::{Dense, with_eigenvalues};

    #[test]
    fn a_sketch_as_wide_as_the_rank_is_exact() {
        let mut values = vec![30.0, 7.0, -4.0, 1.0, 0.5];
        values.resize(40, 0.0);
        let found = hutch_pp(&Dense(with_eigenvalues(&values, 3)), 5, 3, 1, &mut |_| ());
        // Rounding of the sketch, amplified by its condition of about 1e3.
        assert!((found.value - 34.5).abs() <= 1e-9 && found.standard_error <= 1e-9, "{found:?}");
        assert_eq!(found.n_products, 13);
    }

    #[test]
    fn the_standard_error_covers_and_the_sketch_lowers_it() {
        // Ten outliers over a bulk with both signs, as a Hessian has it.
        let values = Array1::from_shape_fn(120, |i| {
            if i < 10 { 20.0 / (i + 1) as f64 } else { 0.02 * ((i * 37 % 100) as f64 - 30.0) / 70.0 }
        });
        let (a, exact) = (Dense(with_eigenvalues(&values.to_vec(), 3)), values.sum());
        let (mut covered, mut with, mut without) = (0, 0.0, 0.0);
        for seed in 0..200 {
            let found = hutch_pp(&a, 20, 20, seed, &mut |_| ());
            covered += usize::from((found.value - exact).abs() <= 2.093 * found.standard_error);
            with += found.standard_error / 200.0;
            without += hutch_pp(&a, 0, 60, seed, &mut |_| ()).standard_error / 200.0;
        }
        // 95 % intervals of Student's t with 19 degrees of freedom: 190 of 200 with deviation 3.1; four of them.
        assert!((178..=200).contains(&covered), "{covered}");
        assert!(with < 0.1 * without, "{with} {without}");
    }
}
