//! What theory says of Δ_k: three readings of Theorem 1 in one fixed basis, for every prefix and on average over orders.

use ndarray::{Array1, ArrayView1, ArrayView2, s};

use crate::change::prefix::{Moments, PrefixMean};
use crate::passes::curvature::SampleDerivatives;

/// `σ⁴/4 (2Σδ_i² + (Σδ_i)²)` (Theorem 1 as printed): δ_i the change of the i-th eigenvalue, or of the i-th diagonal entry.
pub fn theory_diagonal(increments: ArrayView1<f64>, sigma: f64) -> f64 {
    let squares = increments.dot(&increments);
    sigma.powi(4) / 4.0 * (2.0 * squares + increments.sum().powi(2))
}

/// `σ⁴/4 (2‖A‖_F² + (tr A)²)` (Theorem 1 as its proof, A.1, derives it) for symmetric `a` (d, d).
pub fn theory_quadratic(a: ArrayView2<f64>, sigma: f64) -> f64 {
    let frobenius: f64 = a.iter().map(|x| x * x).sum();
    sigma.powi(4) / 4.0 * (2.0 * frobenius + a.diag().sum().powi(2))
}

/// `quadratic + σ²‖g‖² + c² + c σ² tr A`: exact for `c + g·θ + ½ θᵀAθ`, θ ~ N(0, σ² I).
pub fn theory_second_order(c: f64, g: ArrayView1<f64>, a: ArrayView2<f64>, sigma: f64) -> f64 {
    theory_quadratic(a, sigma) + sigma.powi(2) * g.dot(&g) + c * c + c * sigma.powi(2) * a.diag().sum()
}

/// The theories for every prefix, from running means of per-sample projections (`docs/method.md`, 1.3).
#[derive(Clone, Debug)]
pub struct TheoryCurves {
    /// Theorem 1 with Λ taken as diagonal in one fixed basis, (n,), loss²
    pub diagonal: Array1<f64>,
    /// Theorem 1 as its proof derives it, (n,), loss²
    pub quadratic: Array1<f64>,
    /// without Assumptions 1 and 2, (n,), loss²
    pub second_order: Array1<f64>,
}

/// V of the order average `V (1/k − 1/(k+s))` for the theories of one fixed basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheoryVariances {
    /// of `diagonal`
    pub diagonal: f64,
    /// of `quadratic`
    pub quadratic: f64,
    /// of `second-order`
    pub second_order: f64,
}

/// The three theories of one fixed basis, fed with the samples in their order; keeps O(n + d²) numbers.
#[derive(Clone, Debug)]
pub struct FixedBasis {
    dim: usize,
    sigma: f64,
    /// of θ along each direction in units of σ; empty: 1 along all
    deviations: Vec<f64>,
    /// prefix means of `(c_i, g_i, h_i)`, flat
    running: Vec<PrefixMean>,
    /// variances of the same
    moments: Vec<Moments>,
    trace: Moments,
    /// of c_i + tr h_i, for the covariance of the two
    loss_and_trace: Moments,
    increments: Vec<f64>,
    curves: [Vec<f64>; 3],
}

impl FixedBasis {
    /// For the first `dim` directions, θ ~ N(0, σ² I) and steps of `step` samples.
    pub fn new(dim: usize, sigma: f64, step: usize) -> Self {
        let width = 1 + dim + dim * dim;
        Self {
            dim,
            sigma,
            deviations: vec![],
            running: vec![PrefixMean::new(step); width],
            moments: vec![Moments::default(); width],
            trace: Moments::default(),
            loss_and_trace: Moments::default(),
            increments: vec![0.0; width],
            curves: [vec![], vec![], vec![]],
        }
    }

    /// The same for `θ_i ~ N(0, σ² s_i²)` with `deviations` s (d,).
    #[must_use]
    pub fn along(self, deviations: &[f64]) -> Self {
        Self { deviations: deviations.to_vec(), ..self }
    }

    /// The next samples, with at least `dim` directions.
    pub fn take(&mut self, samples: &SampleDerivatives) {
        let in_units = (!self.deviations.is_empty()).then(|| samples.in_units_of(&self.deviations));
        let samples = in_units.as_ref().unwrap_or(samples);
        (0..samples.loss.len()).for_each(|i| self.take_one(samples, i));
    }

    fn take_one(&mut self, samples: &SampleDerivatives, i: usize) {
        let d = self.dim;
        let slope = samples.slope.slice(s![i, ..d]).into_iter().copied();
        let curvature = samples.curvature.slice(s![i, ..d, ..d]);
        let trace = curvature.diag().sum();
        self.trace.push(trace);
        self.loss_and_trace.push(samples.loss[i] + trace);
        let flat = std::iter::once(samples.loss[i]).chain(slope).chain(curvature.into_iter().copied());
        let mut complete = false;
        for (j, value) in flat.enumerate() {
            self.moments[j].push(value);
            if let Some(found) = self.running[j].push(value) {
                self.increments[j] = found.change;
                complete = true;
            }
        }
        if complete {
            let c = self.increments[0];
            let g = ArrayView1::from(&self.increments[1..=d]);
            let a = ArrayView2::from_shape((d, d), &self.increments[1 + d..]).expect("d² values");
            self.curves[0].push(theory_diagonal(a.diag(), self.sigma));
            self.curves[1].push(theory_quadratic(a, self.sigma));
            self.curves[2].push(theory_second_order(c, g, a, self.sigma));
        }
    }

    /// The curves over k = s, 2s, … of the samples taken.
    pub fn curves(&self) -> TheoryCurves {
        let [diagonal, quadratic, second_order] = self.curves.clone().map(Array1::from);
        TheoryCurves { diagonal, quadratic, second_order }
    }

    /// `σ² Σ_a s_a² Var_i g_ia`: variance over the samples and the draws of the linear part of ℓ_i, loss².
    ///
    /// Where s is the posterior's, `s_a² = 1/(N λ_a)`, it is `tr(H⁻¹ C)/N` in these directions, C the covariance of the slopes:
    /// the gap between test and training loss by Takeuchi's information criterion (1976).
    pub fn linear_variance(&self) -> f64 {
        self.sigma.powi(2) * self.moments[1..=self.dim].iter().map(Moments::variance).sum::<f64>()
    }

    /// The order averages of the theories: `E_order` of a product of running-mean differences is the sample covariance
    /// of the two times `(1/k − 1/(k+s))` (`docs/method.md`, 1.3).
    pub fn variances(&self) -> TheoryVariances {
        let (d, sigma) = (self.dim, self.sigma);
        let variances = self.moments.iter().map(Moments::variance).collect::<Vec<_>>();
        let (loss, entries) = (variances[0], &variances[1 + d..]);
        let trace = self.trace.variance();
        let loss_with_trace = (self.loss_and_trace.variance() - loss - trace) / 2.0;
        let quartic = |squares: f64| sigma.powi(4) / 4.0 * (2.0 * squares + trace);
        let quadratic = quartic(entries.iter().sum());
        TheoryVariances {
            diagonal: quartic(entries.iter().step_by(d + 1).sum()),
            quadratic,
            second_order: quadratic + self.linear_variance() + loss + sigma.powi(2) * loss_with_trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, Axis, array};
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::change::prefix::{order_factor, orders, prefix_sizes};

    #[test]
    fn theories_average_over_all_orders_to_their_closed_forms() {
        // d = 2, N = 5: all 120 orders of per-sample values, slopes and curvatures.
        let n = 5;
        let wave = |i: usize| ((i * i + 1) as f64 * 0.61).sin();
        let mut curvature =
            Array3::from_shape_fn((n, 2, 2), |(i, a, b)| wave(7 * i + 3 * a.max(b) + a.min(b)));
        curvature[[1, 0, 0]] += 2.0;
        let samples = SampleDerivatives {
            loss: Array1::from_shape_fn(n, |i| wave(i + 40)),
            slope: Array2::from_shape_fn((n, 2), |(i, a)| wave(2 * i + a + 90)),
            curvature,
        };
        let (sigma, step) = (0.7, 2);
        let mut mean = vec![[0.0; 3]; prefix_sizes(n, step).len()];
        for order in orders(n) {
            let reordered = SampleDerivatives {
                loss: samples.loss.select(Axis(0), &order),
                slope: samples.slope.select(Axis(0), &order),
                curvature: samples.curvature.select(Axis(0), &order),
            };
            let mut theory = FixedBasis::new(2, sigma, step);
            theory.take(&reordered);
            let curves = theory.curves();
            for (k, mean) in mean.iter_mut().enumerate() {
                let row = [curves.diagonal[k], curves.quadratic[k], curves.second_order[k]];
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / 120.0);
            }
        }
        let mut theory = FixedBasis::new(2, sigma, step);
        theory.take(&samples);
        let v = theory.variances();
        for (mean, k) in mean.iter().zip(prefix_sizes(n, step)) {
            for (found, v) in mean.iter().zip([v.diagonal, v.quadratic, v.second_order]) {
                let closed = v * order_factor(k, step);
                assert!((found / closed - 1.0).abs() <= 1e-12, "{found} {closed}");
            }
        }
    }

    /// In units of their deviations s, draws are standard normal: slopes are s_a g_a, curvatures s_a s_b h_ab.
    #[test]
    fn deviations_are_units_of_the_directions() {
        let wave = |i: usize| ((i * i + 1) as f64 * 0.61).sin();
        let curvature = Array3::from_shape_fn((7, 3, 3), |(i, a, b)| wave(7 * i + 3 * a.max(b) + a.min(b)));
        let samples = SampleDerivatives {
            loss: Array1::from_shape_fn(7, |i| wave(i + 40)),
            slope: Array2::from_shape_fn((7, 3), |(i, a)| wave(2 * i + a + 90)),
            curvature,
        };
        let v = |theory: FixedBasis| {
            let mut theory = theory;
            theory.take(&samples);
            (theory.variances(), theory.linear_variance())
        };
        let (alike, linear) = v(FixedBasis::new(2, 0.5, 1));
        let (own, of_own) = v(FixedBasis::new(2, 1.0, 1).along(&[0.5, 0.5]));
        assert!(
            (alike.second_order / own.second_order - 1.0).abs() <= 1e-14
                && (linear / of_own - 1.0).abs() <= 1e-14
        );
        // Of one direction alone, in the third of which nothing moves.
        let (first, linear) = v(FixedBasis::new(1, 0.5, 1));
        let (own, of_own) = v(FixedBasis::new(2, 1.0, 1).along(&[0.5, 0.0]));
        assert!(
            (first.second_order / own.second_order - 1.0).abs() <= 1e-14
                && (linear / of_own - 1.0).abs() <= 1e-14
        );
        let expected = 0.25 * samples.slope.column(0).var_axis(Axis(0), 1.0).into_scalar();
        assert!((linear / expected - 1.0).abs() <= 1e-14, "{linear} {expected}");
    }

    #[test]
    fn theory_is_the_second_moment_of_a_quadratic_form() {
        let (c, g) = (0.4, array![0.5, -1.1, 0.2]);
        let a = array![[2.0, 0.7, 0.0], [0.7, -1.5, 0.3], [0.0, 0.3, 0.1]];
        let (sigma, draws) = (0.8, 40_000);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut second_order = Moments::default();
        let mut quadratic = Moments::default();
        for _ in 0..draws {
            let theta = Array1::from_shape_fn(3, |_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                sigma * z
            });
            let form = 0.5 * theta.dot(&a.dot(&theta));
            quadratic.push(form * form);
            second_order.push((c + g.dot(&theta) + form).powi(2));
        }
        let expected = [
            (quadratic, theory_quadratic(a.view(), sigma)),
            (second_order, theory_second_order(c, g.view(), a.view(), sigma)),
        ];
        for (moments, theory) in expected {
            // One look at one seed: four standard errors, here 3 % of the value; the diagonal alone is 15 % off.
            let standard_error = (moments.variance() / f64::from(draws)).sqrt();
            assert!(standard_error < 0.02 * theory, "{standard_error} {theory}");
            assert!((moments.mean() - theory).abs() <= 4.0 * standard_error, "{} {theory}", moments.mean());
        }
        let off = theory_diagonal(a.diag(), sigma) / theory_quadratic(a.view(), sigma);
        assert!(off < 0.9, "{off}");
    }
}
