//! The per-sample loss of the outputs f: its value, gradient and Hessian in f. A new loss function goes here.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut3, Axis, Zip};

use crate::numeric::real::Real;
use crate::numeric::samples::Targets;
use crate::numeric::simd::vectorised;

/// The per-sample loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Loss {
    /// −log softmax(f)_y, in nats
    SoftmaxCrossEntropy,
    /// ½‖f − y‖²; classes as one-hot targets
    SquaredError,
}

/// What a loss is measured in: a power of a base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossUnit {
    base: &'static str,
    exponent: u32,
}

impl LossUnit {
    /// The unit of the loss to the power `n`: `nats` and `nats^2`, or `target^2` and `target^4`.
    pub fn to(self, n: u32) -> String {
        match self.exponent * n {
            1 => self.base.to_owned(),
            exponent => format!("{}^{exponent}", self.base),
        }
    }
}

impl Loss {
    /// What its values are measured in: nats, or squared units of the target.
    pub fn unit(self) -> LossUnit {
        match self {
            Self::SoftmaxCrossEntropy => LossUnit { base: "nats", exponent: 1 },
            Self::SquaredError => LossUnit { base: "target", exponent: 2 },
        }
    }

    /// ℓ(f, y) as text.
    pub fn formula(self) -> &'static str {
        match self {
            Self::SoftmaxCrossEntropy => "−log softmax(f)_y",
            Self::SquaredError => "½‖f − y‖²",
        }
    }

    /// Whether it is defined for classes only.
    pub fn needs_classes(self) -> bool {
        match self {
            Self::SoftmaxCrossEntropy => true,
            Self::SquaredError => false,
        }
    }

    /// What the same outputs for every sample cost on average: equal scores for the C classes, or the mean of the `targets`.
    pub fn of_constant(self, n_outputs: usize, targets: &Targets) -> f64 {
        match self {
            Self::SoftmaxCrossEntropy => (n_outputs as f64).ln(),
            Self::SquaredError => {
                let n = targets.len() as f64;
                let of_output = |c: usize| {
                    let mean = (0..targets.len()).map(|i| targets.value(i, c)).sum::<f64>() / n;
                    (0..targets.len()).map(|i| (targets.value(i, c) - mean).powi(2)).sum::<f64>() / n
                };
                0.5 * (0..n_outputs).map(of_output).sum::<f64>()
            }
        }
    }

    /// Value for every row of the outputs `f` (B, C), in the [`Loss::unit`].
    #[inline(never)]
    pub fn values<R: Real>(self, f: ArrayView2<R>, targets: &Targets) -> Vec<f64> {
        match self {
            Self::SoftmaxCrossEntropy => cross_entropies(f, targets),
            Self::SquaredError => {
                let of_row = |(i, f): (usize, ArrayView1<R>)| {
                    let square = |(c, &f): (usize, &R)| error(f, targets, i, c).powi(2);
                    0.5 * f.iter().enumerate().map(square).sum::<R>().wide()
                };
                f.outer_iter().enumerate().map(of_row).collect()
            }
        }
    }

    /// `δ_L = ∇_f ℓ` for every row: softmax(f) − onehot(y), or f − y. (B, C)
    #[inline(never)]
    pub fn gradient<R: Real>(self, f: ArrayView2<R>, targets: &Targets) -> Array2<R> {
        match self {
            Self::SoftmaxCrossEntropy => {
                let mut delta = softmax(f);
                for (i, mut row) in delta.outer_iter_mut().enumerate() {
                    let y = class(targets, i);
                    // 1 − p_y as the sum of the others keeps its digits where p_y is near 1.
                    row[y] = R::zero();
                    row[y] = -row.sum();
                }
                delta
            }
            Self::SquaredError => Array2::from_shape_fn(f.dim(), |(i, c)| error(f[[i, c]], targets, i, c)),
        }
    }

    /// What [`Loss::apply_hessian`] needs to know of the outputs `f` (B, C) and their targets: softmax(f), or nothing.
    pub fn hessian_factor<R: Real>(self, f: ArrayView2<R>, _targets: &Targets) -> Array2<R> {
        match self {
            Self::SoftmaxCrossEntropy => softmax(f),
            Self::SquaredError => Array2::zeros((0, 0)),
        }
    }

    /// `∇²_f ℓ · t` in place, for d tangents `t` (B, d, C) of the outputs: `p∘t − p (p·t)`, or t itself.
    ///
    /// `p` is the [`Loss::hessian_factor`] of the outputs.
    #[inline(never)]
    pub fn apply_hessian<R: Real>(self, p: ArrayView2<R>, mut t: ArrayViewMut3<R>) {
        match self {
            Self::SoftmaxCrossEntropy => {
                Zip::from(t.outer_iter_mut()).and(p.rows()).for_each(|mut tangents, p| {
                    for mut t in tangents.outer_iter_mut() {
                        let mean = p.dot(&t);
                        Zip::from(&mut t).and(p).for_each(|t, &p| *t = p * (*t - mean));
                    }
                });
            }
            Self::SquaredError => {}
        }
    }

    /// Whether row `i` of the outputs puts the class first; `None` for targets that are not classes.
    pub fn is_correct<R: Real>(f: ArrayView2<R>, targets: &Targets, i: usize) -> Option<bool> {
        let Targets::Classes(classes) = targets else { return None };
        Some(predicted_class(f, i) == classes[i] as usize)
    }
}

/// The class with the largest of the outputs f (B, C) in row `i`, the first of equals.
pub fn predicted_class<R: Real>(f: ArrayView2<R>, i: usize) -> usize {
    let f = f.index_axis(Axis(0), i);
    (0..f.len()).fold(0, |best, c| if f[c] > f[best] { c } else { best })
}

/// Output `c` of row `i` less its target, taken off in f64: a target that the type of the products cannot represent is not
/// rounded before.
fn error<R: Real>(f: R, targets: &Targets, i: usize, c: usize) -> R {
    R::narrow(f.wide() - targets.value(i, c))
}

fn class(targets: &Targets, i: usize) -> usize {
    match targets {
        Targets::Classes(classes) => classes[i] as usize,
        Targets::Values(_) => panic!("cross-entropy needs classes"),
    }
}

/// Rows whose cross entropies are computed side by side.
const ROWS: usize = 16;

/// `log Σ_c exp f_c − f_y = (f_m − f_y) + log1p(Σ_{c≠m} exp(f_c − f_m))` of every row, f_m its maximum.
///
/// For a well-classified sample m = y, and what remains is `log1p` of a small sum: small losses keep their digits.
fn cross_entropies<R: Real>(f: ArrayView2<R>, targets: &Targets) -> Vec<f64> {
    let mut losses = Vec::with_capacity(f.nrows());
    let mut scores = vec![[R::zero(); ROWS]; f.ncols()];
    for (block, f) in f.axis_chunks_iter(Axis(0), ROWS).enumerate() {
        for (i, row) in f.outer_iter().enumerate() {
            scores.iter_mut().zip(row).for_each(|(scores, &f)| scores[i] = f);
        }
        let (largest, others) = vectorised(
            #[inline(always)]
            || sums_beside_largest(&scores),
        );
        losses.extend((0..f.nrows()).map(|i| {
            let y = class(targets, block * ROWS + i);
            (largest[i] - scores[y][i] + others[i].ln_1p()).wide()
        }));
    }
    losses
}

/// The largest score of each row, m, and `Σ exp(f_c − f_m)` over all classes but one that has it.
#[inline(always)]
#[allow(clippy::inline_always)] // or it would not be compiled for the vector unit
fn sums_beside_largest<R: Real>(scores: &[[R; ROWS]]) -> ([R; ROWS], [R; ROWS]) {
    let mut largest = [R::neg_infinity(); ROWS];
    for scores in scores {
        for i in 0..ROWS {
            largest[i] = if scores[i] > largest[i] { scores[i] } else { largest[i] };
        }
    }
    // Those that have it are counted: 1 would take the digits of a small sum.
    let (mut sums, mut ties) = ([R::zero(); ROWS], [-R::one(); ROWS]);
    for scores in scores {
        for i in 0..ROWS {
            let is_largest = scores[i] == largest[i];
            let e = (scores[i] - largest[i]).exp_of_negative();
            ties[i] += if is_largest { R::one() } else { R::zero() };
            sums[i] += if is_largest { R::zero() } else { e };
        }
    }
    for i in 0..ROWS {
        sums[i] += ties[i];
    }
    (largest, sums)
}

/// Softmax of every row, shifted by the maximum of that row.
fn softmax<R: Real>(f: ArrayView2<R>) -> Array2<R> {
    let mut p = f.to_owned();
    for mut row in p.outer_iter_mut() {
        let max = row.fold(R::neg_infinity(), |m, &v| m.max(v));
        row.mapv_inplace(|v| (v - max).exp());
        let sum = row.sum();
        row.mapv_inplace(|e| e / sum);
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn cross_entropy_keeps_its_digits_at_both_ends() {
        let targets = Targets::Classes(vec![0, 1, 2]);
        let f = array![[40.0, 0.0, 0.0], [40.0, 0.0, 0.0], [0.0, 0.0, 0.0_f64]];
        let found = Loss::SoftmaxCrossEntropy.values(f.view(), &targets);
        // log(1 + 2e⁻⁴⁰), 40 + log(1 + 2e⁻⁴⁰), log 3
        let expected = [2.0 * (-40.0_f64).exp(), 40.0, 3.0_f64.ln()];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 4.0 * f64::EPSILON * expected, "{found} {expected}");
        }
    }

    /// cases.md A4, for targets: f32 rounds 1e8 + 0.5 to 1e8.
    #[test]
    fn a_target_far_from_zero_is_not_rounded_before_the_difference() {
        let targets = Targets::Values(array![[1e8 + 0.5, -3.0]]);
        let f = array![[1e8_f32, -1.0]];
        assert_eq!(Loss::SquaredError.values(f.view(), &targets), [0.5 * (0.25 + 4.0)]);
        assert_eq!(Loss::SquaredError.gradient(f.view(), &targets), array![[-0.5, 2.0]]);
    }

    #[test]
    fn a_prediction_that_ties_goes_to_the_first_class() {
        let f = array![[1.0, 1.0], [0.0, 2.0_f64]];
        let targets = Targets::Classes(vec![1, 1]);
        assert_eq!(Loss::is_correct(f.view(), &targets, 0), Some(false));
        assert_eq!(Loss::is_correct(f.view(), &targets, 1), Some(true));
    }
}
