//! Ritz pairs `(μ, u)` with their residuals `‖Au − μu‖`, and what is asked of an eigensolver.
//!
//! For symmetric A an eigenvalue lies within the residual of μ = `u·Au`, whatever found the pair.

use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use crate::numeric::gaussian::gaussian_row;
use crate::numeric::real::Real;
use crate::numeric::vectors::{add_combination, combine, largest_magnitude, norm, project};
use crate::spectrum::operator::SymmetricOperator;

/// Which end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Which {
    /// largest algebraic
    LargestAlgebraic,
    /// largest in magnitude
    LargestMagnitude,
    /// smallest algebraic
    SmallestAlgebraic,
}

impl Which {
    /// Positions of `values`, the wanted ones first.
    pub(crate) fn order(self, values: &Array1<f64>) -> Vec<usize> {
        let mut order = (0..values.len()).collect::<Vec<_>>();
        order.sort_by(|&a, &b| self.rank(values[b]).total_cmp(&self.rank(values[a])));
        order
    }

    /// The larger, the more wanted.
    pub(crate) fn rank(self, value: f64) -> f64 {
        match self {
            Self::LargestAlgebraic => value,
            Self::LargestMagnitude => value.abs(),
            Self::SmallestAlgebraic => -value,
        }
    }

    /// The values of a rank: one, or two of opposite sign.
    pub(crate) fn of_rank(self, rank: f64) -> Vec<f64> {
        match self {
            Self::LargestAlgebraic => vec![rank],
            Self::LargestMagnitude => vec![rank, -rank],
            Self::SmallestAlgebraic => vec![-rank],
        }
    }
}

/// What is asked of an eigensolver.
#[derive(Clone, Copy, Debug)]
pub struct EigenRequest {
    /// d, pairs
    pub dim: usize,
    /// which end of the spectrum
    pub which: Which,
    /// residual over the [scale](RitzPairs::scale) of the pairs at which one counts as converged
    pub residual_tolerance: f64,
    /// most that the probability may be of returning while a wanted pair is missing; 1: none is looked for
    pub miss_probability: f64,
    /// directions kept before a restart
    pub max_subspace: usize,
    /// matrix-vector products after which the solve gives up
    pub max_products: usize,
    /// of the first direction
    pub seed: u64,
}

/// Probability of a missing pair that the stages allow: far below other errors, and products grow with its logarithm only.
pub const MISS_PROBABILITY: f64 = 1e-3;

/// Residuals, over ‖A‖ and the epsilon of R, that are rounding of a product with A.
const ROUNDING: f64 = 16.0;

/// [`RitzPairs::scale`] of pairs with that largest |μ|.
pub(crate) fn scale<R: Real>(largest: f64, norm: f64) -> f64 {
    if largest > rounding::<R>(norm) { largest } else { norm }
}

/// The residual at which a pair counts as converged, among pairs with that largest |μ|: `tolerance` times their
/// [scale](RitzPairs::scale). Beside a far larger ‖A‖ that may be below the `rounding` of a product, which no solver can reach.
pub(crate) fn limit<R: Real>(tolerance: f64, largest: f64, norm: f64, rounding: f64) -> f64 {
    (tolerance * scale::<R>(largest, norm)).max(rounding.min(tolerance * norm))
}

/// The size of rounding in a product with a matrix of that norm.
pub fn rounding<R: Real>(norm: f64) -> f64 {
    ROUNDING * R::epsilon().wide() * norm
}

/// Ritz pairs, the wanted first, with what they cost. Nothing here is promised to have converged: ask.
#[derive(Clone, Debug)]
pub struct RitzPairs<R> {
    /// signed Rayleigh quotients `u·Au`, (d,)
    pub values: Array1<f64>,
    /// orthonormal rows, (d, p)
    pub vectors: Array2<R>,
    /// `‖Au − μu‖`, confirmed by products made for it, (d,)
    pub residuals: Array1<f64>,
    /// products of the iteration
    pub n_products: usize,
    /// products that confirmed the residuals
    pub n_check_products: usize,
    /// largest |Ritz value| met, at most ‖A‖
    pub norm: f64,
    /// residuals that are rounding of products with A, as far as known
    pub(crate) rounding: f64,
    /// most that the probability is of a wanted pair being missing; 1 where none was looked for
    pub miss_probability: f64,
}

impl<R: Real> RitzPairs<R> {
    /// Rayleigh quotients and true residuals of the orthonormal rows `vectors`, in their order.
    pub fn in_order(a: &impl SymmetricOperator<R>, vectors: Array2<R>, n_products: usize) -> Self {
        let products = a.apply(vectors.view());
        let n = vectors.nrows();
        let values =
            (0..n).map(|i| project(vectors.slice(s![i..=i, ..]), products.row(i))[0]).collect::<Array1<_>>();
        let residuals = (0..n).map(|i| {
            let mut r = products.row(i).to_owned();
            r.scaled_add(-R::narrow(values[i]), &vectors.row(i));
            norm(r.view())
        });
        let residuals = residuals.collect();
        let norm = largest_magnitude(&values);
        Self {
            values,
            vectors,
            residuals,
            n_products,
            n_check_products: n,
            norm,
            rounding: rounding::<R>(norm),
            miss_probability: 1.0,
        }
    }

    /// The same, the wanted first.
    pub fn measure(
        a: &impl SymmetricOperator<R>,
        vectors: Array2<R>,
        which: Which,
        n_products: usize,
    ) -> Self {
        let pairs = Self::in_order(a, vectors, n_products);
        let order = which.order(&pairs.values);
        Self {
            values: pairs.values.select(Axis(0), &order),
            vectors: pairs.vectors.select(Axis(0), &order),
            residuals: pairs.residuals.select(Axis(0), &order),
            ..pairs
        }
    }

    /// Adds to the residuals, in squares, the mean deviation of the `A u_i` from `μ_i u_i + y_i r`, where `r` is the
    /// `residual` of the iteration. One product with `Σ ±u_i / √d` measures it: over random signs its square has this mean.
    pub(crate) fn confirm(
        &mut self,
        a: &impl SymmetricOperator<R>,
        residual: ArrayView1<R>,
        y: &Array1<f64>,
        seed: u64,
    ) {
        let d = self.values.len();
        // A stream beyond those of the directions of this seed.
        let signs = gaussian_row(seed, usize::MAX, d).mapv(|z| z.signum() / (d as f64).sqrt());
        let u = combine(signs.view().insert_axis(Axis(1)), self.vectors.view());
        let mut deviation = a.apply(u.view());
        let mu = (&signs * &self.values).insert_axis(Axis(1));
        add_combination(&mut deviation, (-mu).view(), self.vectors.view());
        deviation.row_mut(0).scaled_add(R::narrow(-signs.dot(y)), &residual);
        let deviation = norm(deviation.row(0));
        self.residuals.mapv_inplace(|r| r.hypot(deviation));
        self.n_check_products += 1;
        // A mean square over the pairs.
        self.rounding = self.rounding.max(deviation * (d as f64).sqrt());
    }

    /// Largest |μ|.
    fn largest(&self) -> f64 {
        largest_magnitude(&self.values)
    }

    /// What residuals are compared with: the largest |μ|, or the norm of A where that is rounding, as at the smallest end of
    /// a singular matrix.
    pub fn scale(&self) -> f64 {
        scale::<R>(self.largest(), self.norm)
    }

    /// Largest residual over the [scale](Self::scale); 0 for the zero matrix.
    pub fn largest_relative_residual(&self) -> f64 {
        let worst = largest_magnitude(&self.residuals);
        if worst == 0.0 { 0.0 } else { worst / self.scale() }
    }

    /// The [rank](Which) above which no eigenvalue is missing, as far as the search for such goes: that of the least wanted
    /// pair, and what residuals and rounding leave open. None is missing at all where the pairs are all there are.
    pub fn border(&self, which: Which, residual_tolerance: f64) -> f64 {
        if self.vectors.nrows() == self.vectors.ncols() {
            return f64::NEG_INFINITY;
        }
        let smallest = self.values.iter().fold(f64::INFINITY, |least, &v| least.min(which.rank(v)));
        smallest + self.limit(residual_tolerance).max(rounding::<R>(self.norm))
    }

    /// The residual at which a pair counts as converged.
    pub(crate) fn limit(&self, residual_tolerance: f64) -> f64 {
        limit::<R>(residual_tolerance, self.largest(), self.norm, self.rounding)
    }

    /// Places of the pairs whose residual is above |μ|: the sign and the size of those eigenvalues are not known.
    pub fn unresolved(&self) -> Vec<usize> {
        (0..self.values.len()).filter(|&i| self.residuals[i] > self.values[i].abs()).collect()
    }

    /// How many pairs meet the tolerance.
    pub fn n_converged(&self, residual_tolerance: f64) -> usize {
        let limit = self.limit(residual_tolerance);
        self.residuals.iter().filter(|&&r| r <= limit).count()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::spectrum::lanczos::lanczos;
    use crate::spectrum::operator::{Dense, with_eigenvalues};

    #[test]
    fn eigenvalues_below_the_rounding_of_products_are_unresolved() {
        let values = [vec![1e12; 3], vec![1.5; 9], vec![0.5; 6]].concat();
        let a = with_eigenvalues(&values, 1);
        let a = (&a + &a.t()) / 2.0;
        let request = |residual_tolerance| EigenRequest {
            dim: 6,
            which: Which::LargestAlgebraic,
            residual_tolerance,
            miss_probability: MISS_PROBABILITY,
            max_subspace: 20,
            max_products: 1000,
            seed: 1,
        };
        let rounded = lanczos(&Dense(a.mapv(f32::narrow)), &request(1e-4), &mut |_| ());
        assert_eq!((rounded.n_converged(1e-4), rounded.unresolved()), (6, vec![3, 4, 5]));
        // 1e12 has digits of 1e-4 in f64.
        let found = lanczos(&Dense(a), &request(1e-14), &mut |_| ());
        assert_eq!(found.unresolved(), [0; 0], "{} {}", found.values, found.residuals);
        assert!(found.values.iter().skip(3).all(|v| (v - 1.5).abs() <= 1e-2), "{}", found.values);
    }

    #[test]
    fn one_product_confirms_the_residuals_exactly_where_deviations_are_orthogonal() {
        // A u_i = μ_i u_i + ε u_{3+i}, so ‖Σ ±ε u_{3+i}‖ / √3 is ε whatever the signs.
        let (d, epsilon, own) = (3, 1e-3, [2e-3, 0.0, 1e-4]);
        let values = Array1::from(vec![7.0, -2.0, 0.5]);
        let mut a = Array2::zeros((2 * d + 1, 2 * d + 1));
        for i in 0..d {
            a[[i, i]] = values[i];
            (a[[i, d + i]], a[[d + i, i]]) = (epsilon, epsilon);
            (a[[i, 2 * d]], a[[2 * d, i]]) = (own[i], own[i]);
        }
        // The iteration knows of own_i u_6, its y_i r; of ε it knows nothing.
        let vectors = Array2::eye(2 * d + 1).slice(s![..d, ..]).to_owned();
        let (residual, y) = (Array2::<f64>::eye(2 * d + 1).row(2 * d).to_owned(), Array1::from(own.to_vec()));
        for seed in 0..8 {
            let (vectors, values, residuals) = (vectors.clone(), values.clone(), y.clone());
            let mut pairs = RitzPairs {
                values,
                vectors,
                residuals,
                n_products: 0,
                n_check_products: 0,
                norm: 7.0,
                rounding: 0.0,
                miss_probability: 1.0,
            };
            pairs.confirm(&Dense(a.clone()), residual.view(), &y, seed);
            let direct = RitzPairs::in_order(&Dense(a.clone()), pairs.vectors.clone(), 0);
            // Differences of products of size 7 that leave 1e-3.
            let off = (&pairs.residuals / &direct.residuals - 1.0).mapv(f64::abs);
            assert!(off.iter().all(|&e| e <= 1e-11), "{} {}", pairs.residuals, direct.residuals);
            assert_eq!(pairs.n_check_products, 1);
        }
    }
}
