//! The samples in their stored order: raw values, normalised block by block.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};

use crate::numeric::real::Real;

/// Raw rows of one type, wherever they lie: an array, or a file that is read block by block.
pub trait Rows<T>: Send + Sync {
    /// (N, D)
    fn dim(&self) -> (usize, usize);
    /// Shows the rows of `range` (B, D) to `see`.
    fn with(&self, range: Range<usize>, see: &mut dyn FnMut(ArrayView2<T>));
}

impl<T: Send + Sync> Rows<T> for Array2<T> {
    fn dim(&self) -> (usize, usize) {
        self.dim()
    }

    fn with(&self, range: Range<usize>, see: &mut dyn FnMut(ArrayView2<T>)) {
        see(self.slice(s![range, ..]));
    }
}

/// Raw inputs (N, D), as they are stored.
#[derive(Clone)]
pub enum Inputs {
    /// images as bytes: they stay bytes until a block is normalised
    U8(Arc<dyn Rows<u8>>),
    /// single precision
    F32(Arc<dyn Rows<f32>>),
    /// double precision
    F64(Arc<dyn Rows<f64>>),
}

/// What the network should say.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// (N,) classes from 0
    Classes(Vec<u32>),
    /// (N, C) values
    Values(Array2<f64>),
}

impl Targets {
    /// N
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.nrows(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of some samples.
    pub(crate) fn select(&self, rows: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(rows.map(|i| classes[i]).collect()),
            Self::Values(values) => Self::Values(values.select(Axis(0), &rows.collect::<Vec<_>>())),
        }
    }

    /// Target of row `i`, output `c`: the value, or 1 for the class and 0 elsewhere.
    pub fn value(&self, i: usize, c: usize) -> f64 {
        match self {
            Self::Classes(classes) => f64::from(u8::from(classes[i] as usize == c)),
            Self::Values(values) => values[[i, c]],
        }
    }
}

/// N samples in their stored order; a network input is `(raw / scale − mean) / std`.
#[derive(Clone)]
pub struct Samples {
    inputs: Inputs,
    targets: Targets,
    factor: f64,
    shift: f64,
}

/// Normalised rows with their targets.
#[derive(Clone, Debug)]
pub struct Batch<R> {
    /// (B, D)
    pub x: Array2<R>,
    /// (B,)
    pub targets: Targets,
}

impl Samples {
    /// Inputs with targets, and how raw values become network inputs: `(raw / scale − mean) / std`.
    ///
    /// # Panics
    /// If the numbers of inputs and targets differ.
    pub fn new(inputs: Inputs, targets: Targets, (scale, mean, std): (f64, f64, f64)) -> Self {
        let samples = Self { inputs, targets, factor: 1.0 / (scale * std), shift: -mean / std };
        assert_eq!(samples.shape().0, samples.targets.len(), "as many targets as inputs");
        samples
    }

    /// The first `n` of them, or all if there are fewer; the inputs are shared.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        Self { inputs: self.inputs.clone(), targets: self.targets.select(0..n.min(self.len())), ..*self }
    }

    /// N
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// D
    pub fn n_features(&self) -> usize {
        self.shape().1
    }

    /// What the network should say.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The samples of `range`, normalised.
    pub fn block<R: Real>(&self, range: Range<usize>) -> Batch<R> {
        let mut x = Array2::zeros((range.len(), self.n_features()));
        self.normalise(range.clone(), &mut x.view_mut());
        Batch { x, targets: self.targets.select(range) }
    }

    /// The samples of `rows`, in that order, normalised.
    pub fn rows<R: Real>(&self, rows: &[usize]) -> Batch<R> {
        let mut x = Array2::zeros((rows.len(), self.n_features()));
        for (&i, mut out) in rows.iter().zip(x.axis_chunks_iter_mut(Axis(0), 1)) {
            self.normalise(i..i + 1, &mut out);
        }
        Batch { x, targets: self.targets.select(rows.iter().copied()) }
    }

    /// The rows of `range` as network inputs, into `x` (B, D).
    fn normalise<R: Real>(&self, range: Range<usize>, x: &mut ArrayViewMut2<R>) {
        match &self.inputs {
            Inputs::U8(raw) => raw.with(range, &mut |raw| self.scale(raw, x, R::byte)),
            Inputs::F32(raw) => raw.with(range, &mut |raw| self.scale(raw, x, |v| R::narrow(f64::from(v)))),
            Inputs::F64(raw) => raw.with(range, &mut |raw| self.scale(raw, x, R::narrow)),
        }
    }

    fn scale<T: Copy, R: Real>(&self, raw: ArrayView2<T>, x: &mut ArrayViewMut2<R>, real: impl Fn(T) -> R) {
        let (factor, shift) = (R::narrow(self.factor), R::narrow(self.shift));
        Zip::from(x).and(raw).for_each(|x, &v| *x = real(v) * factor + shift);
    }

    /// (N, D) of the inputs, which may go on after the last target.
    fn shape(&self) -> (usize, usize) {
        match &self.inputs {
            Inputs::U8(raw) => raw.dim(),
            Inputs::F32(raw) => raw.dim(),
            Inputs::F64(raw) => raw.dim(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn blocks_and_rows_are_normalised_alike() {
        let raw = array![[0_u8, 255], [51, 102], [3, 4]];
        let samples =
            Samples::new(Inputs::U8(Arc::new(raw)), Targets::Classes(vec![2, 0, 1]), (255.0, 0.5, 0.25));
        let block = samples.block::<f64>(1..3);
        let rows = samples.rows::<f64>(&[1, 2]);
        assert_eq!(block.x, rows.x);
        assert_eq!(block.targets, Targets::Classes(vec![0, 1]));
        // (51/255 − 0.5) / 0.25 = −1.2; three roundings
        assert!((block.x[[0, 0]] + 1.2).abs() < 4.0 * f64::EPSILON);
    }
}
