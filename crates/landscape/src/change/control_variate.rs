//! The second-order model as control variate of V: a twin of S²(θ) that costs nothing to evaluate and whose mean is known.
//!
//! At θ the second-order model of a sample's loss is `c_i + g_i·θ + ½ θᵀh_iθ = f_i · z(θ)`, so its variance over the samples is
//! `M(θ) = zᵀ C z` with C the covariance of the `f_i`, and `E_θ M` is the order average of the theory `second-order`. Then
//! `mean_t (S²(θ_t) − β (M(θ_t) − E M))` has the mean V for every β, and the variance that M does not explain for the best.

use ndarray::{Array1, Array2, ArrayView1, s};

use crate::passes::curvature::SampleDerivatives;

/// Covariance of per-sample loss, slope and curvature in the first d directions of a basis.
#[derive(Clone, Debug)]
pub struct SecondOrderVariance {
    dim: usize,
    n: usize,
    /// the first sample, which the sums are taken around
    origin: Option<Array1<f64>>,
    sum: Array1<f64>,
    products: Array2<f64>,
}

impl SecondOrderVariance {
    /// No samples yet.
    pub fn new(dim: usize) -> Self {
        let width = 1 + dim + dim * (dim + 1) / 2;
        let (sum, products) = (Array1::zeros(width), Array2::zeros((width, width)));
        Self { dim, n: 0, origin: None, sum, products }
    }

    /// The next samples, with at least `dim` directions.
    pub fn take(&mut self, samples: &SampleDerivatives) {
        let (rows, d) = (samples.loss.len(), self.dim);
        let mut features = Array2::zeros((rows, self.sum.len()));
        features.column_mut(0).assign(&samples.loss);
        features.slice_mut(s![.., 1..=d]).assign(&samples.slope.slice(s![.., ..d]));
        for (place, (a, b)) in pairs(d).enumerate() {
            features.column_mut(1 + d + place).assign(&samples.curvature.slice(s![.., a, b]));
        }
        if rows == 0 {
            return;
        }
        let origin = self.origin.get_or_insert_with(|| features.row(0).to_owned());
        features -= &*origin;
        self.n += rows;
        self.sum += &features.sum_axis(ndarray::Axis(0));
        self.products += &features.t().dot(&features);
    }

    /// C / (N − 1), with the rows and columns of `(c, g_a, h_ab for a ≤ b)`.
    fn covariance(&self) -> Array2<f64> {
        let n = self.n as f64;
        let column = self.sum.view().insert_axis(ndarray::Axis(1));
        (&self.products - &(&column * &self.sum / n)) / (n - 1.0)
    }

    /// `M(θ_t)` for rows of `theta` (T, d), loss².
    pub fn at(&self, theta: ndarray::ArrayView2<f64>) -> Array1<f64> {
        let covariance = self.covariance();
        let monomials = |theta: ArrayView1<f64>| {
            let second = pairs(self.dim).map(|(a, b)| theta[a] * theta[b] * if a == b { 0.5 } else { 1.0 });
            std::iter::once(1.0).chain(theta.iter().copied()).chain(second).collect::<Array1<f64>>()
        };
        theta.outer_iter().map(monomials).map(|z| z.dot(&covariance.dot(&z))).collect()
    }

    /// `E_θ M` for θ ~ N(0, σ² I): V of the theory `second-order`.
    pub fn mean(&self, sigma: f64) -> f64 {
        let (c, d, s2) = (self.covariance(), self.dim, sigma * sigma);
        let place = |wanted: (usize, usize)| 1 + d + pairs(d).position(|pair| pair == wanted).expect("a ≤ b");
        let diagonal = (0..d).map(|a| place((a, a))).collect::<Vec<_>>();
        let slopes: f64 = (1..=d).map(|a| c[[a, a]]).sum();
        let with_loss: f64 = diagonal.iter().map(|&a| c[[0, a]]).sum();
        let trace: f64 =
            diagonal.iter().flat_map(|&a| diagonal.iter().map(move |&b| (a, b))).map(|i| c[i]).sum();
        let squares: f64 = pairs(d)
            .enumerate()
            .map(|(i, (a, b))| c[[1 + d + i, 1 + d + i]] * if a == b { 1.0 } else { 2.0 })
            .sum();
        c[[0, 0]] + s2 * (slopes + with_loss) + s2 * s2 / 4.0 * (2.0 * squares + trace)
    }
}

/// (a, b) with a ≤ b < d.
fn pairs(d: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..d).flat_map(move |a| (a..d).map(move |b| (a, b)))
}

/// Means of groups with what the control explains taken off, (G,): `y_g − β (m_g − mean)`, β by least squares over the groups.
///
/// One coefficient is spent. β from the same groups shifts the mean by a term of order 1/G of its error.
pub fn adjusted(groups: &[f64], control: &[f64], mean: f64) -> Vec<f64> {
    let n = groups.len() as f64;
    let (y, m) = (groups.iter().sum::<f64>() / n, control.iter().sum::<f64>() / n);
    let covariance: f64 = groups.iter().zip(control).map(|(a, b)| (a - y) * (b - m)).sum();
    let variance: f64 = control.iter().map(|b| (b - m) * (b - m)).sum();
    let beta = if variance > 0.0 { covariance / variance } else { 0.0 };
    groups.iter().zip(control).map(|(y, m)| y - beta * (m - mean)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::theory::FixedBasis;
    use ndarray::{Array3, Axis};

    fn samples(n: usize, d: usize) -> SampleDerivatives {
        let wave = |i: usize| ((i * i + 3) as f64 * 0.57).sin();
        SampleDerivatives {
            loss: Array1::from_shape_fn(n, |i| 5.0 + wave(i)),
            slope: Array2::from_shape_fn((n, d), |(i, a)| wave(3 * i + a + 70)),
            curvature: Array3::from_shape_fn((n, d, d), |(i, a, b)| {
                wave(11 * i + 5 * a.max(b) + a.min(b)) + f64::from(u8::from(a == b))
            }),
        }
    }

    fn control(samples: &SampleDerivatives, dim: usize) -> SecondOrderVariance {
        let mut control = SecondOrderVariance::new(dim);
        // In two parts, as a file is read.
        for rows in [0..4, 4..samples.loss.len()] {
            control.take(&SampleDerivatives {
                loss: samples.loss.slice(s![rows.clone()]).to_owned(),
                slope: samples.slope.slice(s![rows.clone(), ..]).to_owned(),
                curvature: samples.curvature.slice(s![rows, .., ..]).to_owned(),
            });
        }
        control
    }

    #[test]
    fn it_is_the_variance_of_the_second_order_model() {
        // One direction more than is used.
        let (samples, d) = (samples(13, 4), 3);
        let theta = Array2::from_shape_fn((5, d), |(t, a)| ((t * 3 + a) as f64 * 1.3).cos());
        let found = control(&samples, d).at(theta.view());
        for (theta, found) in theta.outer_iter().zip(found) {
            let losses = (0..13).map(|i| {
                let h = samples.curvature.slice(s![i, ..d, ..d]);
                samples.loss[i]
                    + samples.slope.slice(s![i, ..d]).dot(&theta)
                    + 0.5 * theta.dot(&h.dot(&theta))
            });
            let expected = losses.collect::<Array1<f64>>().var_axis(Axis(0), 1.0).into_scalar();
            // Squares of losses near 5 around the first of them: a few roundings.
            assert!((found / expected - 1.0).abs() <= 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn its_mean_is_the_order_average_of_the_theory() {
        let (samples, d, sigma) = (samples(13, 4), 3, 0.7);
        let mut theory = FixedBasis::new(d, sigma, 1);
        theory.take(&samples);
        let (found, expected) = (control(&samples, d).mean(sigma), theory.variances().second_order);
        assert!((found / expected - 1.0).abs() <= 1e-12, "{found} {expected}");
    }

    #[test]
    fn what_is_linear_in_the_control_is_taken_off_whole() {
        let control = [1.0, 2.5, -0.5, 4.0];
        let groups = control.map(|m| 3.0 + 2.0 * m);
        for value in adjusted(&groups, &control, 1.0) {
            assert!((value - 5.0).abs() <= 1e-14, "{value}");
        }
        // A control that says nothing changes nothing.
        let constant = adjusted(&groups, &[7.0; 4], 7.0);
        assert!(constant.iter().zip(groups).all(|(a, b)| (a - b).abs() <= f64::EPSILON));
    }
}
