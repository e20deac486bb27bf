//! What theory says of Δ_k: three readings of Theorem 1 in one fixed basis, for every prefix and on average over orders.

use ndarray::{ArrayView1, ArrayView2, s};

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

/// Something of each theory of one fixed basis.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerTheory<T> {
    /// of Theorem 1 with Λ taken as diagonal in that basis
    pub diagonal: T,
    /// of Theorem 1 as its proof derives it
    pub quadratic: T,
    /// of the same without Assumptions 1 and 2
    pub second_order: T,
}

impl<T> PerTheory<T> {
    /// Each with its name.
    pub fn named(self) -> [(&'static str, T); 3] {
        [("diagonal", self.diagonal), ("quadratic", self.quadratic), ("second-order", self.second_order)]
    }
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
    curves: PerTheory<Vec<f64>>,
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
            curves: PerTheory::default(),
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
            self.curves.diagonal.push(theory_diagonal(a.diag(), self.sigma));
            self.curves.quadratic.push(theory_quadratic(a, self.sigma));
            self.curves.second_order.push(theory_second_order(c, g, a, self.sigma));
        }
    }

    /// Δ_k over k = s, 2s, … of the samples taken, from running means of their projections (`docs/method.md`, 1.3), (n,), loss².
    pub fn curves(&self) -> &PerTheory<Vec<f64>> {
        &self.curves
    }

    /// `σ² Σ_a s_a² Var_i g_ia`: variance over the samples and the draws of the linear part of ℓ_i, loss².
    ///
    /// Where s is the posterior's, `s_a² = 1/(N λ_a)`, it is `tr(H⁻¹ C)/N` in these directions, C the covariance of the slopes:
    /// the gap between test and training loss by Takeuchi's information criterion (1976).
    pub fn linear_variance(&self) -> f64 {
        self.sigma.powi(2) * self.moments[1..=self.dim].iter().map(Moments::variance).sum::<f64>()
    }

    /// V of the order average `V (1/k − 1/(k+s))` of each theory, loss²: `E_order` of a product of running-mean differences is the sample covariance
    /// of the two times `(1/k − 1/(k+s))` (`docs/method.md`, 1.3).
    pub fn variances(&self) -> PerTheory<f64> {
        let (d, sigma) = (self.dim, self.sigma);
        let variances = self.moments.iter().map(Moments::variance).collect::<Vec<_>>();
        let (loss, entries) = (variances[0], &variances[1 + d..]);
        let trace = self.trace.variance();
        let loss_with_trace = (self.loss_and_trace.variance() - loss - trace) / 2.0;
        let quartic = |squares: f64| sigma.powi(4) / 4.0 * (2.0 * squares + trace);
        let quadratic = quartic(entries.iter().sum());
        PerTheory {
            diagonal: quartic(entries.iter().step_by(d + 1).sum()),
            quadratic,
            second_order: quadratic + self.linear_variance() + loss + sigma.powi(2) * loss_with_trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, Axis, array};
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::change::prefix::{order_factor, orders, prefix_sizes};

    /// Values, slopes and curvatures of `n` samples in `d` directions.
    fn samples(n: usize, d: usize) -> SampleDerivatives {
        let wave = |i: usize| ((i * i + 1) as f64 * 0.61).sin();
        SampleDerivatives {
            loss: Array1::from_shape_fn(n, |i| wave(i + 40)),
            slope: Array2::from_shape_fn((n, d), |(i, a)| wave(2 * i + a + 90)),
            curvature: Array3::from_shape_fn((n, d, d), |(i, a, b)| wave(7 * i + 3 * a.max(b) + a.min(b))),
        }
    }

    #[test]
    fn theories_average_over_all_orders_to_their_closed_forms() {
        // d = 2, N = 5: all 120 orders of per-sample values, slopes and curvatures.
        let n = 5;
        let mut samples = samples(n, 2);
        samples.curvature[[1, 0, 0]] += 2.0;
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
            for (k, mean) in mean.iter_mut().enumerate() {
                let curves = theory.curves().clone().named();
                mean.iter_mut().zip(curves).for_each(|(m, (_, curve))| *m += curve[k] / 120.0);
            }
        }
        let mut theory = FixedBasis::new(2, sigma, step);
        theory.take(&samples);
        for (mean, k) in mean.iter().zip(prefix_sizes(n, step)) {
            for (found, (name, v)) in mean.iter().zip(theory.variances().named()) {
                let closed = v * order_factor(k, step);
                assert!((found / closed - 1.0).abs() <= 1e-12, "{name}: {found} {closed}");
            }
        }
    }

    /// In units of their deviations s, draws are standard normal: slopes are s_a g_a, curvatures s_a s_b h_ab.
    #[test]
    fn deviations_are_units_of_the_directions() {
        let samples = samples(7, 3);
        let v = |mut theory: FixedBasis| {
            theory.take(&samples);
            [theory.variances().second_order, theory.linear_variance()]
        };
        // In the second case of one direction alone: nothing moves along the other.
        for (dim, deviations) in [(2, [0.5, 0.5]), (1, [0.5, 0.0])] {
            let alike = v(FixedBasis::new(dim, 0.5, 1));
            let own = v(FixedBasis::new(2, 1.0, 1).along(&deviations));
            assert!(alike.iter().zip(own).all(|(a, b)| (a / b - 1.0).abs() <= 1e-14), "{alike:?} {own:?}");
        }
        let [_, linear] = v(FixedBasis::new(1, 0.5, 1));
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
            let standard_error = moments.standard_error();
            assert!(standard_error < 0.02 * theory, "{standard_error} {theory}");
            assert!((moments.mean() - theory).abs() <= 4.0 * standard_error, "{} {theory}", moments.mean());
        }
        let off = theory_diagonal(a.diag(), sigma) / theory_quadratic(a.view(), sigma);
        assert!(off < 0.9, "{off}");
    }
}
