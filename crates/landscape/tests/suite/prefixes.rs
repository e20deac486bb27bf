//! Eigenvalues of prefixes where the Hessian decouples: one-hot inputs without bias, whose `H_k` is block-diagonal, so that
//! residuals never lead from one level of the input to another. The answers are those of the blocks.

use std::sync::Arc;

use landscape::numeric::gaussian::gaussian_row;
use landscape::numeric::vectors::symmetric_eigen;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::prefixes::{PrefixRun, prefix_spectrum};
use landscape::spectrum::ritz::{EigenRequest, MISS_PROBABILITY, Which};
use landscape::{Activation, Image, Inputs, Layer, Loss, Network, Real, Samples, Targets};
use ndarray::{Array1, Array2};

const N_CLASSES: usize = 3;

/// Levels of one categorical input, in the order of the samples.
struct OneHot {
    levels: Vec<usize>,
    n_levels: usize,
    loss: Loss,
    /// (classes, levels), flat
    w: Array1<f64>,
}

impl OneHot {
    fn new(levels: Vec<usize>, loss: Loss) -> Self {
        let n_levels = levels.iter().max().unwrap() + 1;
        Self { levels, n_levels, loss, w: gaussian_row(3, 0, N_CLASSES * n_levels) }
    }

    fn network(&self) -> Network {
        let layers = vec![Layer { bias: false, ..Layer::linear(N_CLASSES, Activation::Identity) }];
        let input = Image { channels: 1, height: 1, width: self.n_levels };
        Network::of_layers(input, layers, self.loss).expect("fits")
    }

    fn samples(&self) -> Samples {
        let mut x = Array2::zeros((self.levels.len(), self.n_levels));
        for (i, &level) in self.levels.iter().enumerate() {
            x[[i, level]] = 1.0;
        }
        let classes = Targets::Classes((0..self.levels.len()).map(|i| [0, 1, 2][i * i % 3]).collect());
        Samples::new(Inputs::F64(Arc::new(x)), classes, (1.0, 0.0, 1.0))
    }

    /// Of each level its share of the first k samples, times the Hessian of the loss in the outputs.
    fn eigenvalues(&self, k: usize) -> Vec<f64> {
        let block = |level: usize| {
            let share = self.levels[..k].iter().filter(|&&l| l == level).count() as f64 / k as f64;
            if self.loss == Loss::SquaredError {
                return vec![share; N_CLASSES];
            }
            let e = (0..N_CLASSES).map(|c| self.w[c * self.n_levels + level].exp()).collect::<Array1<f64>>();
            let p = &e / e.sum();
            let outer = p.view().insert_axis(ndarray::Axis(1)).dot(&p.view().insert_axis(ndarray::Axis(0)));
            (symmetric_eigen(&(Array2::from_diag(&p) - outer)).0 * share).to_vec()
        };
        (0..self.n_levels).flat_map(block).collect()
    }

    fn assert_found<R: Real>(&self, sizes: &[usize], dim: usize, which: Which) {
        let (network, samples, w) = (self.network(), self.samples(), self.w.mapv(R::narrow));
        let sum = HessianSum::new(&network, w.view(), &samples, 0);
        let request = EigenRequest {
            dim,
            which,
            residual_tolerance: 1e-3,
            miss_probability: MISS_PROBABILITY,
            max_subspace: 4 * dim,
            max_products: 1000,
            seed: 1,
        };
        let whole = PrefixHessian { sum: &sum, k: samples.len(), kind: SecondOrder::Hessian };
        let start = lanczos(&whole, &request, &mut |_| ());
        let found = prefix_spectrum(&sum, sizes, &request, &start).unwrap();
        assert!(found.miss_probabilities.iter().all(|&p| p <= MISS_PROBABILITY));
        for (row, &k) in sizes.iter().enumerate() {
            let mut exact = self.eigenvalues(k);
            exact.sort_by(f64::total_cmp);
            if which == Which::LargestAlgebraic {
                exact.reverse();
            }
            let norm = exact.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            for (i, exact) in exact[..dim].iter().enumerate() {
                // Weyl: the residual, and the margin of the search.
                let off = (found.values[[row, i]] - exact).abs();
                assert!(off <= 2e-3 * norm, "k {k} {which:?}: {} for {exact} at {i}", found.values.row(row));
            }
        }
        // The same bytes from any stop.
        for stop in 1..sizes.len() {
            let mut first = PrefixRun::new(&sum, sizes, &request, &start);
            while first.n_ready() < stop {
                first.solve_next().unwrap();
            }
            let (state, products) = first.state();
            let mut rest = PrefixRun::new(&sum, sizes, &request, &start);
            let saved = |name| state.iter().find(|s| s.0 == name).map(|s| &s.1[..]);
            rest.go_on(products, saved).expect("its own state");
            while rest.solve_next().unwrap() {}
            let rest = rest.finish();
            assert_eq!((&rest.values, &rest.residuals), (&found.values, &found.residuals));
            assert!(rest.n_products.to_bits() == found.n_products.to_bits());
        }
    }
}

#[test]
fn no_eigenvalue_is_missed_where_the_hessian_decouples() {
    let sorted = [vec![0; 40], vec![1; 20], vec![2; 60]].concat();
    let late = [vec![0; 5], vec![2; 40], vec![0; 45], vec![1; 45]].concat();
    let shuffled = (0..400).map(|i| i * i * 7 % 1009 % 8).collect();
    for levels in [sorted, late, shuffled] {
        for loss in [Loss::SquaredError, Loss::SoftmaxCrossEntropy] {
            let subject = OneHot::new(levels.clone(), loss);
            let n = levels.len();
            let sizes = [n / 60, n / 20, n / 4, n / 4 + 1, n / 2, n - 1];
            for dim in [1, 2, 4, 7] {
                for which in [Which::LargestAlgebraic, Which::SmallestAlgebraic] {
                    subject.assert_found::<f64>(&sizes, dim, which);
                    subject.assert_found::<f32>(&sizes, dim, which);
                }
            }
        }
    }
}
