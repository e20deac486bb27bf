//! Whether an eigenvalue is missing among converged pairs: a copy of a repeated one, which a single start cannot find.
//!
//! Lanczos runs in the complement of the pairs from a random start v. A Ritz value beyond the smallest one in hand proves
//! that a pair is missing, and gives it. That none is missing is a matter of probability. The next direction is q(A) v for
//! a polynomial q with all zeros among Ritz values that were met, and has length 1. An eigenvalue λ beyond them has |q(λ)|
//! above that at a limit τ in between, so its eigenvector has at most 1/|q(τ)| in common with v; for a start that is
//! uniform on the sphere in n dimensions the probability of that is at most √(2n/π) / |q(τ)| (Hochstenbach 2013, after
//! Kuczyński & Woźniakowski 1992). It holds for all steps at once, so the search may end at the first that is enough.

use ndarray::{Array1, Array2, Axis, concatenate, s};

use crate::numeric::real::Real;
use crate::numeric::vectors::{
    add_combination, combine, gram, largest_magnitude, norm, orthonormalise, symmetric_eigen,
};
use crate::spectrum::krylov::{Factorisation, Projected};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{self, EigenRequest, RitzPairs};

/// Random streams of this seed from here on are starts of the search: beyond those of the directions.
const FIRST_STREAM: usize = usize::MAX / 2;

/// What a run in the complement has found.
enum Look<R> {
    /// values and orthonormal rows of pairs that are missing
    Missing(Array1<f64>, Array2<R>),
    /// nothing; the probability that there is something
    Nothing(f64),
}

/// Puts what is missing among the converged `pairs` in the place of the least wanted, until nothing is missing but with
/// the probability asked for, or the products are spent. Pairs that changed are refined, from d products of their own; whether
/// any has.
pub(crate) fn find_missing<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    pairs: &mut RitzPairs<R>,
    done: &mut impl FnMut(usize),
) -> bool {
    let mut changed = false;
    for round in 1_usize.. {
        // Over all rounds these add up to what is allowed.
        let allowed = request.miss_probability / (round * (round + 1)) as f64;
        match look(a, request, pairs, FIRST_STREAM + round, allowed, done) {
            Look::Missing(values, vectors) => {
                merge(request, pairs, &values, &vectors);
                changed = true;
            }
            Look::Nothing(probability) => {
                // Earlier rounds could have ended in error too, had they not proved the contrary.
                let enough = probability <= allowed && probability > 0.0;
                pairs.miss_probability = if enough { request.miss_probability } else { probability };
                break;
            }
        }
    }
    if changed {
        refine(a, request, pairs, done);
    }
    changed
}

/// Rayleigh-Ritz on the span of the pairs, with true residuals; while one is above the tolerance, those join the span.
///
/// Pairs that were found apart are not Ritz pairs of their joint span, and the scale is less where copies of a small value
/// have taken the place of a large one.
fn refine<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    pairs: &mut RitzPairs<R>,
    done: &mut impl FnMut(usize),
) {
    let mut basis = std::mem::replace(&mut pairs.vectors, Array2::zeros((0, 0)));
    let mut products = a.apply(basis.view());
    pairs.n_check_products += basis.nrows();
    loop {
        let t = gram(basis.view(), products.view());
        let (values, y) = symmetric_eigen(&((&t + &t.t()) / 2.0));
        let order = &request.which.order(&values)[..request.dim];
        let (values, y) = (values.select(Axis(0), order), y.select(Axis(1), order));
        pairs.vectors = combine(y.view(), basis.view());
        let image = combine(y.view(), products.view());
        let mut residuals = image.clone();
        add_combination(&mut residuals, Array2::from_diag(&-&values).view(), pairs.vectors.view());
        pairs.residuals = residuals.outer_iter().map(|r| norm(r)).collect();
        pairs.values = values;
        let limit = pairs.limit(request.residual_tolerance);
        let open = (0..request.dim).filter(|&i| pairs.residuals[i] > limit).collect::<Vec<_>>();
        if open.is_empty() || pairs.n_products >= request.max_products {
            return;
        }
        // No room: the pairs in hand go on alone.
        if basis.nrows() + open.len() > (4 * request.dim).max(request.max_subspace) {
            (basis, products) = (pairs.vectors.clone(), image);
        }
        let known = basis.nrows();
        basis = concatenate![Axis(0), basis, residuals.select(Axis(0), &open)];
        let all = orthonormalise(basis.view_mut(), known, 1e-3);
        if all == known {
            // The residuals lie in the span, where Rayleigh-Ritz leaves nothing but rounding.
            pairs.rounding = pairs.rounding.max(largest_magnitude(&pairs.residuals));
            return;
        }
        basis = basis.slice(s![..all, ..]).to_owned();
        products = concatenate![Axis(0), products, a.apply(basis.slice(s![known.., ..]))];
        pairs.n_products += all - known;
        done(all - known);
    }
}

/// The d most wanted of the pairs in hand and those found.
fn merge<R: Real>(
    request: &EigenRequest,
    pairs: &mut RitzPairs<R>,
    values: &Array1<f64>,
    vectors: &Array2<R>,
) {
    let all = concatenate![Axis(0), pairs.values, *values];
    let best = &request.which.order(&all)[..pairs.values.len()];
    pairs.vectors = concatenate![Axis(0), pairs.vectors, *vectors].select(Axis(0), best);
    pairs.values = all.select(Axis(0), best);
}

/// One run of Lanczos in the complement of the pairs.
fn look<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    pairs: &mut RitzPairs<R>,
    stream: usize,
    allowed: f64,
    done: &mut impl FnMut(usize),
) -> Look<R> {
    let n = a.size() - pairs.values.len();
    if n == 0 {
        return Look::Nothing(0.0);
    }
    let which = request.which;
    let limit = pairs.limit(request.residual_tolerance);
    let border = pairs.border(which, request.residual_tolerance);
    let mut polynomials = which.of_rank(border).into_iter().map(Polynomial::new).collect::<Vec<_>>();
    let m_max = request.max_subspace.max(request.dim + 2).min(n);
    let mut krylov = Factorisation::new(pairs.vectors.view(), m_max, request.seed, stream);
    while pairs.n_products < request.max_products {
        krylov.expand(a);
        pairs.n_products += 1;
        done(1);
        let found = krylov.eigen(which);
        pairs.norm = pairs.norm.max(krylov.norm);
        for q in &mut polynomials {
            q.expand(&krylov);
        }
        let wanted = found.order.iter().take(request.dim);
        let beyond = wanted.take_while(|&&i| which.rank(found.values[i]) > border).count();
        let (complete, invariant) = (krylov.m == n, krylov.invariant(&found));
        if beyond > 0 {
            // Half, for what is not orthogonal to the residuals of the pairs in hand.
            let own = ritz::limit::<R>(
                request.residual_tolerance,
                found.largest(beyond),
                pairs.norm,
                pairs.rounding,
            );
            let limit = limit.min(own) / 2.0;
            if complete || invariant || krylov.converged(&found, beyond, limit) {
                let (values, vectors) = krylov.into_wanted(&found, beyond);
                return Look::Missing(values, vectors);
            }
        } else if complete {
            return Look::Nothing(0.0);
        } else if invariant {
            return Look::Nothing(allowed); // a start without any part in an eigenspace has probability 0, but for rounding
        } else {
            let probability = polynomials.iter().map(|q| q.miss_probability(n)).sum::<f64>().min(1.0);
            if probability <= allowed || pairs.n_products >= request.max_products {
                return Look::Nothing(probability);
            }
        }
        if krylov.m == m_max {
            let wanted = beyond.clamp(1, m_max - 1);
            let keep = wanted + (m_max - wanted) / 2;
            for q in &mut polynomials {
                q.restart(&found, keep);
            }
            krylov.restart(&found, keep);
        }
        krylov.append_residual();
    }
    Look::Nothing(1.0)
}

/// Values at one point of the polynomials q_j with v_j = q_j(A) v, for the rows v_j of V and the next direction.
struct Polynomial {
    point: f64,
    values: Vec<f64>,
}

impl Polynomial {
    fn new(point: f64) -> Self {
        Self { point, values: vec![1.0] }
    }

    /// `A v_m = Σ T_im v_i + β v_{m+1}`, read at the point.
    fn expand<R: Real>(&mut self, krylov: &Factorisation<R>) {
        let last = krylov.m - 1;
        let column = krylov.projected.slice(s![..=last, last]);
        let known = column.iter().zip(&self.values).map(|(t, q)| t * q).sum::<f64>();
        self.values.push((self.point * self.values[last] - known) / krylov.beta);
    }

    /// V becomes the first `keep` Ritz vectors; the next direction stays.
    fn restart(&mut self, found: &Projected, keep: usize) {
        let next = self.values.pop();
        let old = Array1::from(std::mem::take(&mut self.values));
        self.values = found.order[..keep].iter().map(|&i| found.y.column(i).dot(&old)).chain(next).collect();
    }

    /// That an eigenvalue lies at the point or beyond, in n dimensions.
    fn miss_probability(&self, n: usize) -> f64 {
        let next = self.values[self.values.len() - 1].abs();
        (2.0 * n as f64 / std::f64::consts::PI).sqrt() / next
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small seeds and sizes
mod tests {
    use strum::VariantArray;

    use super::*;
    use crate::numeric::gaussian::gaussian_row;
    use crate::spectrum::lanczos::lanczos;
    use crate::spectrum::operator::{Dense, with_eigenvalues};
    use crate::spectrum::ritz::{MISS_PROBABILITY, Which};
    use crate::spectrum::subspace::orthonormality_error;

    fn request(dim: usize, which: Which, residual_tolerance: f64, seed: u64) -> EigenRequest {
        EigenRequest {
            dim,
            which,
            residual_tolerance,
            miss_probability: MISS_PROBABILITY,
            max_subspace: (4 * dim).max(20),
            max_products: 4000,
            seed,
        }
    }

    fn dense<R: Real>(values: &[f64], seed: u64) -> Dense<R> {
        let a = with_eigenvalues(values, seed);
        Dense(((&a + &a.t()) / 2.0).mapv(R::narrow))
    }

    fn assert_finds<R: Real>(values: &[f64], request: &EigenRequest, matrix_seed: u64) -> RitzPairs<R> {
        let mut products = 0;
        let found = lanczos(&dense::<R>(values, matrix_seed), request, &mut |n| products += n);
        assert_eq!(found.n_products, products);
        assert_eq!(found.n_converged(request.residual_tolerance), request.dim, "{values:?} {request:?}");
        assert!(found.miss_probability <= MISS_PROBABILITY, "{request:?}");
        let error = orthonormality_error(found.vectors.view());
        assert!(error <= 100.0 * R::epsilon().wide() * request.dim as f64, "{error:.1e} {request:?}");
        let exact = Array1::from(values.to_vec());
        let order = request.which.order(&exact);
        // By Weyl's theorem: the residuals, and the margin of the search.
        let limit =
            2.0 * request.residual_tolerance * found.scale() + 64.0 * R::epsilon().wide() * found.norm;
        for (i, &value) in found.values.iter().enumerate() {
            let off = request.which.rank(value) - request.which.rank(exact[order[i]]);
            assert!(off.abs() <= limit, "{i}: {} of {values:?} {request:?}", found.values);
        }
        found
    }

    /// As many of each value as `copies`, the last of them to fill up n.
    fn repeated(n: usize, copies: usize) -> Vec<f64> {
        (0..n).map(|i| 10.0 * 0.7_f64.powi(i32::try_from((i / copies).min(12)).unwrap()) - 2.0).collect()
    }

    // The first start is an eigenvector: it and the basis of the matrix have the same seed.
    // spectra #144, ArnoldiMethod.jl #112, rARPACK #6, KrylovKit.jl #38 and #125: one of several copies was found.
    #[test]
    fn all_copies_of_repeated_eigenvalues_are_found() {
        for n in [5, 12, 60, 200] {
            for copies in (1..=12).filter(|&c| c <= n) {
                for (i, &which) in Which::VARIANTS.iter().enumerate() {
                    let dim = [1, 4, 10][(i + copies) % 3].min(n);
                    let (values, seed) = (repeated(n, copies), (n + copies) as u64);
                    assert_finds::<f64>(&values, &request(dim, which, 1e-8, seed), seed);
                    assert_finds::<f32>(&values, &request(dim, which, 1e-4, seed), seed);
                }
            }
        }
    }

    #[test]
    fn copies_of_opposite_sign_zero_identity_and_rank_one() {
        let signs = (0..50).map(|i| [3.0, -3.0, 1.0, 0.5, -0.2][i.min(30) % 5]).collect::<Vec<_>>();
        let mut singular = vec![0.0; 40];
        singular[..3].copy_from_slice(&[2.0, 1.5, 0.7]);
        let mut rank_one = vec![0.0; 30];
        rank_one[0] = 5.0;
        for values in [signs, vec![0.0; 20], vec![1.0; 20], singular, rank_one] {
            for &which in Which::VARIANTS {
                for dim in [1, 3, 10, values.len()] {
                    assert_finds::<f64>(&values, &request(dim, which, 1e-8, 1), 2);
                    assert_finds::<f32>(&values, &request(dim, which, 1e-4, 1), 2);
                }
            }
        }
    }

    // A tolerance times a tiny |μ| may be below the rounding of a product with a large ‖A‖: no residual gets there.
    #[test]
    fn tiny_wanted_values_beside_large_ones_converge() {
        for exponent in 0..16 {
            let tiny = 10.0_f64.powi(-exponent);
            let values = [[1.0, 0.9, 0.8], [3.0 * tiny, 2.0 * tiny, tiny], [tiny, 0.5 * tiny, 0.0], [0.0; 3]];
            let values = values.concat().iter().map(|v| 1e5 * v).collect::<Vec<_>>();
            let mirrored = values.iter().map(|v| -v).collect::<Vec<_>>();
            for dim in [1, 4, 6, 11] {
                for seed in 0..4 {
                    for (values, which) in
                        [(&values, Which::SmallestAlgebraic), (&mirrored, Which::LargestAlgebraic)]
                    {
                        assert_finds::<f64>(values, &request(dim, which, 1e-4, seed), 7);
                        assert_finds::<f32>(values, &request(dim, which, 1e-4, seed), 7);
                    }
                }
            }
        }
    }

    /// A matrix whose products carry far more rounding than its norm accounts for.
    struct Cancelling(Dense<f64>);

    impl SymmetricOperator<f64> for Cancelling {
        fn size(&self) -> usize {
            self.0.size()
        }

        fn apply(&self, v: ndarray::ArrayView2<f64>) -> Array2<f64> {
            let large = 1e6 * &v;
            self.0.apply(v) + &large - &large
        }
    }

    // The Hessian of a saturated softmax with inputs of 1,000: a norm of 0.4, and products wrong by 1e-12.
    #[test]
    fn tiny_wanted_values_converge_where_their_residuals_are_rounding() {
        let large = [0.37, 1.4e-2, 7.8e-4, 2.5e-4, 1.4e-5, 3.7e-7, 2e-8, 3e-9, 1e-9, 4e-10, 1e-10, 1e-11];
        let values = [&large[..], &[0.0; 6]].concat();
        for seed in 0..20 {
            for dim in [1, 4, 6, 8, 18] {
                for &which in Which::VARIANTS {
                    let request = request(dim, which, 1e-4, seed);
                    let found = lanczos(&Cancelling(dense(&values, 7)), &request, &mut |_| ());
                    assert_eq!(
                        found.n_converged(1e-4),
                        dim,
                        "{request:?} {} {}",
                        found.values,
                        found.residuals
                    );
                    let exact = Array1::from(values.clone());
                    let order = which.order(&exact);
                    // Rounding of 18 numbers of 1e6, a few times.
                    let off =
                        |(i, v): (usize, &f64)| (v - exact[order[i]]).abs() > 1e-4 * found.scale() + 1e-8;
                    assert_eq!(
                        found.values.iter().enumerate().position(off),
                        None,
                        "{request:?} {}",
                        found.values
                    );
                }
            }
        }
    }

    /// Distances from 0 spread over three decades on both sides, in groups of up to twelve that are `step` apart.
    fn grouped(seed: u64, step: f64) -> Vec<f64> {
        let draws = gaussian_row(seed, 0, 400);
        let n = 20 + (draws[0].abs() * 40.0).min(80.0).round() as usize;
        let mut values = vec![];
        for pair in draws.as_slice().unwrap()[1..].chunks_exact(2) {
            let copies = 1 + (pair[1].abs() * 6.0).min(11.0) as usize;
            values.extend((0..copies).map(|i| 10.0 * pair[0].powi(3) + i as f64 * step));
        }
        values.truncate(n);
        values
    }

    // Copies that replace larger values lower the scale, and those of a cluster are not orthogonal to the residuals of the
    // others: merged as they were found, some of these solves end above the tolerance.
    #[test]
    fn groups_of_equal_and_of_close_values_are_found_and_converge() {
        for seed in 0..300 {
            for step in [0.0, 1e-4] {
                let which = Which::VARIANTS[seed as usize % 3];
                let request = request(1 + seed as usize % 12, which, 1e-6, seed);
                assert_finds::<f64>(&grouped(seed, step), &request, seed + 1000);
            }
        }
    }

    #[test]
    fn without_copies_the_pairs_keep_their_bytes() {
        for &which in Which::VARIANTS {
            let values = (0..60).map(|i| (f64::from(i) / 30.0 - 0.97).powi(3)).collect::<Vec<_>>();
            let request = request(5, which, 1e-6, 3);
            let a = dense::<f32>(&values, 1);
            let plain = lanczos(&a, &EigenRequest { miss_probability: 1.0, ..request }, &mut |_| ());
            let found = lanczos(&a, &request, &mut |_| ());
            assert_eq!(
                (plain.values, plain.vectors, plain.residuals),
                (found.values, found.vectors, found.residuals)
            );
            assert!(found.n_products > plain.n_products);
        }
    }

    #[test]
    fn spent_products_are_no_certificate() {
        let request = EigenRequest { max_products: 16, ..request(4, Which::LargestAlgebraic, 1e-2, 1) };
        let found = lanczos(&dense::<f64>(&repeated(200, 3), 1), &request, &mut |_| ());
        assert_eq!(found.n_products, 16);
        assert!(found.miss_probability > MISS_PROBABILITY, "{found:?}");
    }

    #[test]
    fn a_loose_certificate_errs_no_more_often_than_it_says() {
        let values = [vec![2.0, 2.0], (0..98).map(|i| f64::from(i) / 98.0).collect::<Vec<_>>()].concat();
        let a = dense::<f64>(&values, 7);
        let allowed = 0.2;
        let missed = |seed: &u64| {
            let request = EigenRequest {
                miss_probability: allowed,
                ..request(2, Which::LargestAlgebraic, 1e-3, *seed)
            };
            lanczos(&a, &request, &mut |_| ()).values[1] < 1.9
        };
        let n = (0..400).filter(missed).count();
        assert!(n as f64 <= allowed * 400.0, "{n}");
    }
}
