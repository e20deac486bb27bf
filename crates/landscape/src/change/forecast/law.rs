//! The forms that a learning curve may have, and their fit in logarithms.

use ndarray::Array2;

use crate::numeric::vectors::cholesky;

/// What a learning curve is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum FormName {
    /// b n^−c
    Power,
    /// a + b n^−c: data stop helping
    PowerWithFloor,
    /// b (n + s)^−c: data help little before there are some s of them
    ShiftedPower,
    /// a + b e^(−n/s): data stop helping soon
    ExponentialWithFloor,
}

/// All forms.
pub const FORMS: [FormName; 4] =
    [FormName::Power, FormName::PowerWithFloor, FormName::ShiftedPower, FormName::ExponentialWithFloor];

impl FormName {
    /// Numbers that are fitted.
    pub fn n_parameters(self) -> usize {
        match self {
            Self::Power => 2,
            _ => 3,
        }
    }
}

/// A form with its numbers; N is the largest size of the ladder, `n/N` is x.
///
/// `f = e^β x^−c`, `e^β (ρ + x^−c)`, `e^β (ρ + x)^−c` or `e^β (ρ + e^−cx)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// which
    pub form: FormName,
    /// N
    pub largest: f64,
    /// β
    pub log_scale: f64,
    /// ρ; 0 of a power law alone
    pub ratio: f64,
    /// c
    pub exponent: f64,
}

/// ln f(x) − β
fn log_shape(form: FormName, log_x: f64, c: f64, ratio: f64) -> f64 {
    match form {
        FormName::Power => -c * log_x,
        FormName::PowerWithFloor => (ratio + (-c * log_x).exp()).ln(),
        FormName::ShiftedPower => -c * (ratio + log_x.exp()).ln(),
        FormName::ExponentialWithFloor => (ratio + (-c * log_x.exp()).exp()).ln(),
    }
}

impl Law {
    /// ln f(n)
    pub fn log_at(&self, n: f64) -> f64 {
        self.log_scale + log_shape(self.form, (n / self.largest).ln(), self.exponent, self.ratio)
    }

    /// a, what no data remove
    pub fn floor(&self) -> f64 {
        match self.form {
            FormName::Power | FormName::ShiftedPower => 0.0,
            _ => self.log_scale.exp() * self.ratio,
        }
    }

    /// s, samples
    pub fn shift(&self) -> f64 {
        match self.form {
            FormName::Power | FormName::PowerWithFloor => 0.0,
            FormName::ShiftedPower => self.ratio * self.largest,
            FormName::ExponentialWithFloor => self.largest / self.exponent,
        }
    }

    /// c of a power
    pub fn power(&self) -> f64 {
        if self.form == FormName::ExponentialWithFloor { 0.0 } else { self.exponent }
    }

    /// b, in the unit of f
    pub fn scale(&self) -> f64 {
        self.log_scale.exp() * self.largest.powf(self.power())
    }
}

/// Exponents of powers: below 0.02 a law is flat, above 3 a few sizes tell it from nothing else.
const EXPONENTS: (f64, f64) = (0.02, 3.0);
/// Exponents and floors of the first search.
const SEARCHED: (usize, usize) = (24, 14);
/// The most steps of a search from the best point of the grid.
const STEPS: usize = 40;

/// One point of a search: ln c, the share of the floor or of the shift, and the misfit there.
type Candidate = (f64, f64, f64);

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Square of the distance of two vectors.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Generalised least squares of logarithms at fixed sizes with one covariance, for many sets of values.
///
/// With `Σ = C Cᵀ`, vectors are multiplied by C⁻¹, after which their errors are independent and of size 1.
pub struct Fitter {
    largest: f64,
    /// ln(n/N) of each size
    log_sizes: Vec<f64>,
    /// C, (K, K) lower triangle
    factor: Array2<f64>,
    /// C⁻¹ (1, …, 1)ᵀ
    ones: Vec<f64>,
    /// of each form but the first: ln c, the share, and the logarithms as `centred` has them
    grids: [Vec<(f64, f64, Vec<f64>)>; FORMS.len() - 1],
}

/// What a search covers.
struct Range {
    /// smallest and largest ln c
    log_c: (f64, f64),
    /// the largest `ρ/(1 + ρ)`: of a floor in the value at N, of s in N + s
    share: f64,
}

fn range(form: FormName) -> Range {
    let of = |c: (f64, f64), share: f64| Range { log_c: (c.0.ln(), c.1.ln()), share };
    match form {
        FormName::ShiftedPower => of(EXPONENTS, 0.75),
        // N is 0.1 to 30 of the samples over which the rest falls to 1/e.
        FormName::ExponentialWithFloor => of((0.1, 30.0), 0.9999),
        _ => of(EXPONENTS, 0.9999),
    }
}

impl Range {
    /// Spacing of the first search in ln c and in the share.
    fn spacing(&self) -> (f64, f64) {
        let of = |length: f64, n: usize| length / (n - 1) as f64;
        (of(self.log_c.1 - self.log_c.0, SEARCHED.0), of(self.share, SEARCHED.1))
    }
}

impl Fitter {
    /// - `sizes`: (K,) samples, ascending;  `covariance`: (K, K) of the logarithms, of full rank
    pub fn new(sizes: &[f64], covariance: &Array2<f64>) -> Self {
        let largest = sizes[sizes.len() - 1];
        let mut fitter = Self {
            largest,
            log_sizes: sizes.iter().map(|n| (n / largest).ln()).collect(),
            factor: cholesky(covariance),
            ones: vec![],
            grids: Default::default(),
        };
        fitter.ones = fitter.whitened(&vec![1.0; sizes.len()]);
        fitter.grids = [FORMS[1], FORMS[2], FORMS[3]].map(|form| fitter.grid(form));
        fitter
    }

    fn grid(&self, form: FormName) -> Vec<(f64, f64, Vec<f64>)> {
        let range = range(form);
        let spacing = range.spacing();
        let all = (0..SEARCHED.0).flat_map(|i| (0..SEARCHED.1).map(move |j| (i, j)));
        let point = |(i, j)| {
            let (log_c, share) = (range.log_c.0 + spacing.0 * i as f64, spacing.1 * j as f64);
            (log_c, share, self.centred(&self.shape(form, log_c, share)).1)
        };
        all.map(point).collect()
    }

    /// ln f − β at each size; ρ is share / (1 − share).
    fn shape(&self, form: FormName, log_c: f64, share: f64) -> Vec<f64> {
        let (c, ratio) = (log_c.exp(), share / (1.0 - share));
        self.log_sizes.iter().map(|&x| log_shape(form, x, c, ratio)).collect()
    }

    /// C⁻¹ v
    fn whitened(&self, values: &[f64]) -> Vec<f64> {
        let mut white = Vec::<f64>::with_capacity(values.len());
        for (i, v) in values.iter().enumerate() {
            let known = white.iter().enumerate().map(|(j, u)| self.factor[[i, j]] * u).sum::<f64>();
            white.push((v - known) / self.factor[[i, i]]);
        }
        white
    }

    /// The mean `1ᵀΣ⁻¹v / 1ᵀΣ⁻¹1`, and C⁻¹ times the values without it.
    fn centred(&self, values: &[f64]) -> (f64, Vec<f64>) {
        let white = self.whitened(values);
        let mean = dot(&self.ones, &white) / dot(&self.ones, &self.ones);
        (mean, white.iter().zip(&self.ones).map(|(v, one)| v - mean * one).collect())
    }

    /// χ²: `rᵀΣ⁻¹r` of the logarithms of a law against `log_values`, (K,).
    pub fn chi_squared(&self, law: &Law, log_values: &[f64]) -> f64 {
        let n = self.log_sizes.iter().map(|x| self.largest * x.exp());
        let rest = n.zip(log_values).map(|(n, y)| y - law.log_at(n)).collect::<Vec<_>>();
        let white = self.whitened(&rest);
        dot(&white, &white)
    }

    /// The law of this form that is nearest to the logarithms `log_values`, (K,).
    pub fn fit(&self, form: FormName, log_values: &[f64]) -> Law {
        match form {
            FormName::Power => self.fit_line(log_values),
            FormName::PowerWithFloor => self.fit_curve(form, &self.grids[0], log_values),
            FormName::ShiftedPower => self.fit_curve(form, &self.grids[1], log_values),
            FormName::ExponentialWithFloor => self.fit_curve(form, &self.grids[2], log_values),
        }
    }

    /// ln f = b − c ln(n/N): a straight line, whose slope is kept in the range of exponents.
    fn fit_line(&self, log_values: &[f64]) -> Law {
        let ((mean_x, x), (mean_y, y)) = (self.centred(&self.log_sizes), self.centred(log_values));
        let exponent = (-dot(&x, &y) / dot(&x, &x)).clamp(EXPONENTS.0, EXPONENTS.1);
        let log_scale = mean_y + exponent * mean_x;
        Law { form: FormName::Power, largest: self.largest, log_scale, ratio: 0.0, exponent }
    }

    /// The best point of the grid, then of ever finer grids around it; given c and the share, the best β is a mean.
    fn fit_curve(&self, form: FormName, grid: &[(f64, f64, Vec<f64>)], log_values: &[f64]) -> Law {
        let (mean_y, y) = self.centred(log_values);
        let coarse = || grid.iter().map(|(log_c, share, shape)| (*log_c, *share, distance(shape, &y)));
        let least = |a: &Candidate, b: &Candidate| a.2.total_cmp(&b.2);
        let best = coarse().min_by(least).expect("a grid has points");
        // A minimum at the end of the range may hide a lower one in a narrow valley inside.
        let (range, spacing) = (range(form), range(form).spacing());
        let inside =
            |c: &Candidate| c.0 < range.log_c.1 - spacing.0 / 2.0 && c.1 < range.share - spacing.1 / 2.0;
        let second = if inside(&best) { None } else { coarse().filter(inside).min_by(least) };
        let ends = std::iter::once(best).chain(second).map(|start| self.refined(form, start, &y));
        let (log_c, share, _) = ends.min_by(least).expect("at least one start");
        let log_scale = mean_y - self.centred(&self.shape(form, log_c, share)).0;
        Law { form, largest: self.largest, log_scale, ratio: share / (1.0 - share), exponent: log_c.exp() }
    }

    /// Levenberg and Marquardt's steps from the best point of the grid, within the range of the form.
    fn refined(&self, form: FormName, mut best: Candidate, y: &[f64]) -> Candidate {
        let range = range(form);
        let mut damping = 1e-3;
        for _ in 0..STEPS {
            let (a, g) = self.normal_equations(form, best, y);
            // A damping in the scale of each direction; a direction that leads nowhere has none.
            let (a00, a11) = (a[0] * (1.0 + damping) + 1e-300, a[2] * (1.0 + damping) + 1e-300);
            let determinant = a00 * a11 - a[1] * a[1];
            let step = ((a11 * g[0] - a[1] * g[1]) / determinant, (a00 * g[1] - a[1] * g[0]) / determinant);
            let log_c = (best.0 + step.0).clamp(range.log_c.0, range.log_c.1);
            let share = (best.1 + step.1).clamp(0.0, range.share);
            let misfit = distance(&self.centred(&self.shape(form, log_c, share)).1, y);
            if misfit < best.2 {
                let done = best.2 - misfit <= 1e-12 * best.2;
                (best, damping) = ((log_c, share, misfit), 0.2 * damping);
                if done {
                    break;
                }
            } else {
                damping *= 6.0;
                if damping > 1e8 {
                    break;
                }
            }
        }
        best
    }

    /// `JᵀWJ` as its three entries and `JᵀW (y − shape)`, J by differences; a number that the fit would push out of its range is held.
    fn normal_equations(&self, form: FormName, at: Candidate, y: &[f64]) -> ([f64; 3], [f64; 2]) {
        let (range, h) = (range(form), 1e-6);
        // Inwards, as nothing is beyond the ends.
        let signs = [at.0 + h > range.log_c.1, at.1 + h > range.share].map(|end| if end { -h } else { h });
        let here = self.centred(&self.shape(form, at.0, at.1)).1;
        let slope = |log_c: f64, share: f64, h: f64| {
            let there = self.centred(&self.shape(form, log_c, share)).1;
            there.iter().zip(&here).map(|(a, b)| (a - b) / h).collect::<Vec<_>>()
        };
        let (u, v) = (slope(at.0 + signs[0], at.1, signs[0]), slope(at.0, at.1 + signs[1], signs[1]));
        let rest = y.iter().zip(&here).map(|(y, s)| y - s).collect::<Vec<_>>();
        let (mut a, mut g) = ([dot(&u, &u), dot(&u, &v), dot(&v, &v)], [dot(&u, &rest), dot(&v, &rest)]);
        let out =
            |at: f64, (low, high): (f64, f64), g: f64| (at <= low && g < 0.0) || (at >= high && g > 0.0);
        if out(at.0, range.log_c, g[0]) {
            (a[1], g[0]) = (0.0, 0.0);
        }
        if out(at.1, (0.0, range.share), g[1]) {
            (a[1], g[1]) = (0.0, 0.0);
        }
        (a, g)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_without_noise_is_found_again() {
        let sizes = [100.0, 200.0, 500.0, 1500.0, 4000.0];
        let diagonal = Array2::from_diag(&ndarray::array![1.0, 2.0, 1.0, 3.0, 1.0]);
        let covariance = diagonal + Array2::from_elem((5, 5), 0.5);
        let fitter = Fitter::new(&sizes, &covariance);
        for (a, b, c) in [(0.2, 30.0, 0.8), (0.0, 5.0, 0.35), (0.1, 900.0, 1.2)] {
            let f = |n: f64| a + b * n.powf(-c);
            let found = fitter.fit(FormName::PowerWithFloor, &sizes.map(|n| f(n).ln()));
            // Its slopes are differences over 1e-6.
            assert!(
                (found.floor() - a).abs() <= 1e-5 && (found.exponent / c - 1.0).abs() <= 1e-4,
                "{found:?}"
            );
            assert!((found.log_at(1e4) - f(1e4).ln()).abs() <= 1e-5, "{found:?}");
            assert!((found.scale() / b - 1.0).abs() <= 1e-3, "{found:?}");
        }
        let shifted = |n: f64| 40.0 * (n + 300.0).powf(-0.6);
        let found = fitter.fit(FormName::ShiftedPower, &sizes.map(|n| shifted(n).ln()));
        assert!(
            (found.log_at(4e4) - shifted(4e4).ln()).abs() <= 1e-3 && (found.shift() - 300.0).abs() <= 3.0
        );
        let exponential = |n: f64| 0.2 + 3.0 * (-n / 900.0).exp();
        let found = fitter.fit(FormName::ExponentialWithFloor, &sizes.map(|n| exponential(n).ln()));
        assert!((found.floor() - 0.2).abs() <= 1e-5 && (found.shift() - 900.0).abs() <= 0.1, "{found:?}");
        assert!((found.scale() - 3.0).abs() <= 1e-3 && found.power().abs() <= 0.0, "{found:?}");
        let found = fitter.fit(FormName::Power, &sizes.map(|n: f64| (5.0 * n.powf(-0.35)).ln()));
        assert!((found.exponent - 0.35).abs() <= 1e-12 && (found.scale() - 5.0).abs() <= 1e-10, "{found:?}");
    }

    #[test]
    fn no_law_rises() {
        let sizes = [10.0, 20.0, 40.0];
        let fitter = Fitter::new(&sizes, &Array2::eye(3));
        for form in FORMS {
            let found = fitter.fit(form, &[0.0, 1.0, 2.0]);
            assert!(found.log_at(400.0) <= found.log_at(40.0) && (found.log_at(20.0) - 1.0).abs() <= 0.05);
        }
    }
}
