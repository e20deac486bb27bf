//! Top eigenvalues of `H_k` for many prefixes k, each solved for to a residual of its own (`docs/method.md`, 1.7).
//!
//! One basis Q (m, p) travels through the prefixes together with the sums `Z_k = Σ_{i≤k} ∇²ℓ_i Q`. From k to k' only the
//! new samples are multiplied; Rayleigh-Ritz on `Q Zᵀ/k` gives Ritz pairs with *exact* residuals, as `H_k Q` is at
//! hand; where residuals are too large, as few combinations of them join Q as carry all but a fraction of the
//! tolerance (block Davidson without preconditioner, of the rank that the new samples ask for).
//!
//! Where `H_k` decouples, as for one-hot inputs, Q may lie in an invariant subspace that lacks a wanted pair, and residuals
//! never lead out of it. So each prefix ends with the same search for missing pairs as a solve.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::numeric::real::Real;
use crate::numeric::vectors::{
    add_combination, combine, combine_in_place, gram, largest_magnitude, norm, orthonormalise,
    symmetric_eigen,
};
use crate::passes::hvp::{HessianSum, SecondOrder};
use crate::spectrum::missing::find_missing;
use crate::spectrum::operator::PrefixHessian;
use crate::spectrum::ritz::{self, EigenRequest, RitzPairs};

/// Eigenvalues of prefixes, with their residuals.
#[derive(Clone, Debug)]
pub struct PrefixSpectrum {
    /// Ritz values of each `H_k`, the wanted first, (n, d)
    pub values: Array2<f64>,
    /// `‖H_k u − μu‖`, (n, d)
    pub residuals: Array2<f64>,
    /// most that the probability is of a wanted pair being missing, at each prefix; 1 where none was looked for
    pub miss_probabilities: Vec<f64>,
    /// products made, times the samples of each, over N: the cost in products with all samples
    pub n_products: f64,
}

/// A residual that did not come down.
#[derive(Debug, thiserror::Error)]
#[error(
    "{converged} of {wanted} Ritz pairs of the first {k} samples converged in {rounds} rounds; worst residual {worst:.1e} of the largest, needed {needed:.1e}"
)]
pub struct NotConverged {
    k: usize,
    converged: usize,
    wanted: usize,
    rounds: usize,
    worst: f64,
    needed: f64,
}

/// Rounds of enlarging the basis at one prefix before giving up.
const MAX_ROUNDS: usize = 200;
/// Fraction of the tolerance that the directions of a round may leave of each residual: on MNIST 0.9 takes two thirds of
/// the products that 0.3 does.
const LEFT_OVER: f64 = 0.9;

/// Solves for the top eigenvalues of `H_k` at one prefix after another, ascending, beginning from the Ritz vectors of some neighbour.
pub struct PrefixRun<'a, 'b, R> {
    sizes: &'a [usize],
    state: Travelling<'a, 'b, R>,
    /// of the prefixes so far
    spectrum: PrefixSpectrum,
}

impl<'a, 'b, R: Real> PrefixRun<'a, 'b, R> {
    /// No prefix yet. `start` has as many pairs as `request` asks for, or more.
    pub fn new(
        sum: &'a HessianSum<'b, R>,
        sizes: &'a [usize],
        request: &'a EigenRequest,
        start: &RitzPairs<R>,
    ) -> Self {
        let nothing = Array2::zeros((0, request.dim));
        // The neighbour's pairs and as many again: on MNIST twice that room saves a tenth of the products, and no time.
        let room = (2 * request.dim + 4).max(start.vectors.nrows());
        let mut state = Travelling {
            sum,
            request,
            k: 0,
            size: start.vectors.nrows(),
            norm: start.norm,
            basis: Array2::zeros((room, start.vectors.ncols())),
            products: Array2::zeros((room, start.vectors.ncols())),
            sample_products: 0,
        };
        state.basis.slice_mut(s![..state.size, ..]).assign(&start.vectors);
        let spectrum = PrefixSpectrum {
            values: nothing.clone(),
            residuals: nothing,
            miss_probabilities: vec![],
            n_products: 0.0,
        };
        Self { sizes, state, spectrum }
    }

    /// How many prefixes are ready.
    pub fn n_ready(&self) -> usize {
        self.spectrum.values.nrows()
    }

    /// Solves for the next prefix; false where there is none.
    pub fn solve_next(&mut self) -> Result<bool, NotConverged> {
        let Some(&k) = self.sizes.get(self.n_ready()) else { return Ok(false) };
        self.state.extend_to(k);
        let pairs = self.state.solve()?;
        let spectrum = &mut self.spectrum;
        spectrum.values.push_row(pairs.values.view()).expect("d values");
        spectrum.residuals.push_row(pairs.residuals.view()).expect("d residuals");
        spectrum.miss_probabilities.push(pairs.miss_probability);
        spectrum.n_products = self.state.sample_products as f64 / self.state.sum.samples.len() as f64;
        Ok(true)
    }

    /// All that the next prefix depends on, by name: Q and Z, rows in use, (m, p) flat, and what was found, (n, d) flat and (n,); and the
    /// number of products of a sample.
    pub fn state(&self) -> ([(&'static str, Vec<f64>); 5], usize) {
        let wide =
            |rows: &Array2<R>| rows.slice(s![..self.state.size, ..]).iter().map(|x| x.wide()).collect();
        let flat = |rows: &Array2<f64>| rows.iter().copied().collect();
        let arrays = [
            ("basis", wide(&self.state.basis)),
            ("products", wide(&self.state.products)),
            ("values", flat(&self.spectrum.values)),
            ("residuals", flat(&self.spectrum.residuals)),
            ("miss_probabilities", self.spectrum.miss_probabilities.clone()),
        ];
        (arrays, self.state.sample_products)
    }

    /// Goes on from what [`Self::state`] gave, as `given` has it by name; `None`, and nothing is changed, where that does not fit.
    #[must_use]
    pub fn go_on<'c>(
        &mut self,
        sample_products: usize,
        given: impl Fn(&'static str) -> Option<&'c [f64]>,
    ) -> Option<()> {
        let (room, p) = self.state.basis.dim();
        let rows = |name, width: usize| {
            let flat = given(name)?;
            ArrayView2::from_shape((flat.len() / width, width), flat).ok()
        };
        let (basis, products) = (rows("basis", p)?, rows("products", p)?);
        let d = self.state.request.dim;
        let (values, residuals) = (rows("values", d)?, rows("residuals", d)?);
        let miss_probabilities = given("miss_probabilities")?.to_vec();
        let (size, n) = (basis.nrows(), values.nrows());
        let fits = size <= room
            && products.nrows() == size
            && residuals.nrows() == n
            && miss_probabilities.len() == n;
        let k = *self.sizes.get(n.checked_sub(1)?)?;
        fits.then(|| {
            let state = &mut self.state;
            for (own, saved) in [(&mut state.basis, basis), (&mut state.products, products)] {
                own.slice_mut(s![..size, ..]).zip_mut_with(&saved, |own, &x| *own = R::narrow(x));
            }
            (state.k, state.size, state.sample_products) = (k, size, sample_products);
            let n_products = sample_products as f64 / state.sum.samples.len() as f64;
            let (values, residuals) = (values.to_owned(), residuals.to_owned());
            self.spectrum = PrefixSpectrum { values, residuals, miss_probabilities, n_products };
        })
    }

    /// What was found at the prefixes that are ready.
    pub fn finish(self) -> PrefixSpectrum {
        self.spectrum
    }
}

/// Solves for the top eigenvalues of `H_k` at every k of `sizes` (ascending).
pub fn prefix_spectrum<R: Real>(
    sum: &HessianSum<R>,
    sizes: &[usize],
    request: &EigenRequest,
    start: &RitzPairs<R>,
) -> Result<PrefixSpectrum, NotConverged> {
    let mut run = PrefixRun::new(sum, sizes, request, start);
    while run.solve_next()? {}
    Ok(run.finish())
}

struct Travelling<'a, 'b, R> {
    sum: &'a HessianSum<'b, R>,
    request: &'a EigenRequest,
    k: usize,
    /// m, rows of Q and Z in use
    size: usize,
    /// largest |eigenvalue| of some neighbour
    norm: f64,
    /// Q (room, p), the first m rows orthonormal
    basis: Array2<R>,
    /// Z = Σ_{i≤k} ∇²ℓ_i Q, (room, p)
    products: Array2<R>,
    sample_products: usize,
}

impl<R: Real> Travelling<'_, '_, R> {
    /// Adds the samples up to `k` to Z.
    fn extend_to(&mut self, k: usize) {
        self.add_products(self.k..k, 0..self.size);
        self.k = k;
    }

    /// Adds the products of some samples with some rows of Q to Z.
    fn add_products(&mut self, samples: Range<usize>, rows: Range<usize>) {
        self.sample_products += samples.len() * rows.len();
        let rows = s![rows, ..];
        let mut products = self.products.slice_mut(rows);
        self.sum.add_product(samples, self.basis.slice(rows), SecondOrder::Hessian, &mut products);
    }

    /// The d wanted pairs: what the search finds beside the basis joins it.
    fn solve(&mut self) -> Result<RitzPairs<R>, NotConverged> {
        let mut pairs = self.converge()?;
        if self.request.miss_probability >= 1.0 {
            return Ok(pairs);
        }
        let hessian = PrefixHessian { sum: self.sum, k: self.k, kind: SecondOrder::Hessian };
        // Starts of its own: the basis may contain what those of another prefix led to, and nothing else of an eigenspace.
        let request = EigenRequest { seed: self.request.seed.wrapping_add(self.k as u64), ..*self.request };
        let changed = find_missing(&hessian, &request, &mut pairs, &mut |_| ());
        self.sample_products += self.k * (pairs.n_products + pairs.n_check_products);
        if !changed {
            return Ok(pairs);
        }
        self.make_room(&self.rayleigh_ritz().1, pairs.vectors.nrows());
        self.enlarge(pairs.vectors);
        Ok(RitzPairs { miss_probability: pairs.miss_probability, ..self.converge()? })
    }

    /// The d most wanted Ritz pairs of the basis, once all residuals are small enough.
    fn converge(&mut self) -> Result<RitzPairs<R>, NotConverged> {
        let mut failure = None;
        for rounds in 0..MAX_ROUNDS {
            let (values, y) = self.rayleigh_ritz();
            let d = self.request.dim.min(values.len());
            let wanted = (values.slice(s![..d]).to_owned(), y.slice(s![.., ..d]).to_owned());
            let residuals = self.residuals(&wanted.0, &wanted.1);
            let norms = residuals.outer_iter().map(|r| norm(r)).collect::<Array1<f64>>();
            let (largest, norm) = (largest_magnitude(&wanted.0), self.norm.max(largest_magnitude(&values)));
            let rounding = ritz::rounding::<R>(norm);
            let limit = ritz::limit::<R>(self.request.residual_tolerance, largest, norm, rounding);
            let open = (0..d).filter(|&i| norms[i] > limit).collect::<Vec<_>>();
            if open.is_empty() && d == self.request.dim {
                drop(residuals);
                let vectors = combine(wanted.1.view(), self.basis.slice(s![..self.size, ..]));
                return Ok(RitzPairs {
                    values: wanted.0,
                    vectors,
                    residuals: norms,
                    n_products: 0,
                    n_check_products: 0,
                    norm,
                    rounding,
                    miss_probability: 1.0,
                });
            }
            failure = Some(NotConverged {
                k: self.k,
                converged: d - open.len(),
                wanted: self.request.dim,
                rounds: rounds + 1,
                worst: largest_magnitude(&norms) / largest,
                needed: self.request.residual_tolerance,
            });
            let directions = leading(residuals, &open, LEFT_OVER * limit);
            self.make_room(&y, directions.nrows());
            self.enlarge(directions);
        }
        Err(failure.expect("at least one round"))
    }

    /// Ritz values, the wanted first, with their columns y.
    fn rayleigh_ritz(&self) -> (Array1<f64>, Array2<f64>) {
        let used = s![..self.size, ..];
        let t = gram(self.basis.slice(used), self.products.slice(used)) / self.k as f64;
        let (values, y) = symmetric_eigen(&((&t + &t.t()) / 2.0));
        let order = self.request.which.order(&values);
        (values.select(Axis(0), &order), y.select(Axis(1), &order))
    }

    /// `H_k u − μu` for the columns of `y`.
    fn residuals(&self, values: &Array1<f64>, y: &Array2<f64>) -> Array2<R> {
        let used = s![..self.size, ..];
        let mut residuals = combine((y / self.k as f64).view(), self.products.slice(used));
        add_combination(&mut residuals, (-(y * values)).view(), self.basis.slice(used));
        residuals
    }

    /// Keeps the better half of the Ritz vectors if `n` more directions would be too many.
    fn make_room(&mut self, y: &Array2<f64>, n: usize) {
        let (room, d) = (self.basis.nrows(), self.request.dim);
        if self.size + n > room {
            let keep = (room - n).min(d + (room - d) / 2).min(y.ncols());
            for rows in [&mut self.basis, &mut self.products] {
                combine_in_place(y.slice(s![.., ..keep]), rows.slice_mut(s![..self.size, ..]));
            }
            self.size = keep;
        }
    }

    fn enlarge(&mut self, directions: Array2<R>) {
        let (old, end) = (self.size, self.size + directions.nrows());
        self.basis.slice_mut(s![old..end, ..]).assign(&directions);
        drop(directions); // d rows of a large network are as much as a product takes
        // A residual that lies in the others' span to three digits adds nothing but rounding.
        self.size = orthonormalise(self.basis.slice_mut(s![..end, ..]), old, 1e-3);
        self.products.slice_mut(s![old..self.size, ..]).fill(R::zero());
        self.add_products(0..self.k, old..self.size);
    }
}

/// As few combinations of those `rows` (n, p) that are `open` as leave of each of them at most the length `left_over`
/// outside their span: the leading right singular vectors, times their singular values.
fn leading<R: Real>(rows: Array2<R>, open: &[usize], left_over: f64) -> Array2<R> {
    let squares = gram(rows.view(), rows.view()).select(Axis(0), open).select(Axis(1), open);
    let (squares, y) = symmetric_eigen(&squares);
    // Ascending: of row i, Σ_j λ_j y_ij² is left out over the j that are left out.
    let mut left = Array1::<f64>::zeros(open.len());
    let dropped = (0..open.len())
        .take_while(|&j| {
            left.zip_mut_with(&y.column(j), |left, y| *left += squares[j].max(0.0) * y * y);
            left.iter().all(|&left| left <= left_over * left_over)
        })
        .count();
    let mut of_all = Array2::zeros((rows.nrows(), open.len() - dropped));
    for (&row, y) in open.iter().zip(y.slice(s![.., dropped..]).outer_iter()) {
        of_all.row_mut(row).assign(&y);
    }
    combine(of_all.view(), rows.view())
}

/// The multiple of `step` next to `k`, at least one step.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rounded, between 1 and N
fn nearest_multiple(k: f64, step: usize) -> usize {
    ((k / step as f64).round() as usize).max(1) * step
}

/// Pairs (k, k + s) for k in geometric steps from `smallest` to the largest with k + s ≤ n: ascending, without repeats,
/// every k a multiple of s.
pub fn prefix_pairs(n_samples: usize, step: usize, smallest: usize, count: usize) -> Vec<(usize, usize)> {
    let largest = (n_samples / step).saturating_sub(1) * step;
    let smallest = smallest.max(step).min(largest);
    if count == 0 || largest == 0 {
        return vec![];
    }
    let ratio = largest as f64 / smallest as f64;
    let mut pairs = (0..count)
        .map(|i| smallest as f64 * ratio.powf(if count == 1 { 1.0 } else { i as f64 / (count as f64 - 1.0) }))
        .map(|k| nearest_multiple(k, step))
        .map(|k| (k.min(largest), k.min(largest) + step))
        .collect::<Vec<_>>();
    pairs.dedup();
    pairs
}
