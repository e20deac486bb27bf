//! The samples in their stored order: raw values, normalised block by block.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};
use team::Team;

use crate::numeric::real::Real;

/// Raw rows of one type, wherever they lie: an array, or a file that is read block by block.
pub trait RowSource<T>: Send + Sync {
    /// (N, D)
    fn dim(&self) -> (usize, usize);
    /// Shows the rows of `range` (B, D) to `see`.
    fn with(&self, range: Range<usize>, see: &mut dyn FnMut(ArrayView2<T>));
}

impl<T: Send + Sync> RowSource<T> for Array2<T> {
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
    U8(Arc<dyn RowSource<u8>>),
    /// single precision
    F32(Arc<dyn RowSource<f32>>),
    /// double precision
    F64(Arc<dyn RowSource<f64>>),
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
    scale: f64,
    /// mean and deviation of each channel, which are equal parts of a row
    channels: Arc<[(f64, f64)]>,
    /// who sums over them
    team: Arc<dyn Team>,
}

/// A mean of more than so many standard deviations is taken off in f64: in f32 the difference would lose over a decimal digit.
const FAR: f64 = 16.0;

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
        Self::by_channel(inputs, targets, scale, &[(mean, std)])
    }

    /// The same with mean and deviation of each channel; a row has one channel after the other, (C, H, W).
    ///
    /// # Panics
    /// If the numbers of inputs and targets differ, or a row has no such channels.
    pub fn by_channel(inputs: Inputs, targets: Targets, scale: f64, channels: &[(f64, f64)]) -> Self {
        let samples = Self { inputs, targets, scale, channels: channels.into(), team: team::alone() };
        assert_eq!(samples.shape().0, samples.targets.len(), "as many targets as inputs");
        assert_eq!(samples.n_features() % channels.len(), 0, "channels of one size");
        samples
    }

    /// The first `n` of them, or all if there are fewer; the inputs are shared.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        Self { targets: self.targets.select(0..n.min(self.len())), ..self.clone() }
    }

    /// The same, with sums over them shared by the processes of `team`: each has all targets, and reads the inputs of its part.
    #[must_use]
    pub fn shared_by(self, team: &Arc<dyn Team>) -> Self {
        Self { team: Arc::clone(team), ..self }
    }

    /// The same, to be kept.
    pub fn shared_team(&self) -> &Arc<dyn Team> {
        &self.team
    }

    /// Who sums over them.
    pub fn team(&self) -> &dyn Team {
        &*self.team
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
    #[inline(never)]
    fn normalise<R: Real>(&self, range: Range<usize>, x: &mut ArrayViewMut2<R>) {
        let is_far = self.channels.iter().any(|(mean, std)| (mean / std).abs() > FAR);
        match &self.inputs {
            Inputs::U8(raw) if is_far => raw.with(range, &mut |raw| self.scale_wide(raw, x)),
            Inputs::F32(raw) if is_far => raw.with(range, &mut |raw| self.scale_wide(raw, x)),
            Inputs::U8(raw) => raw.with(range, &mut |raw| self.scale(raw, x, R::byte)),
            Inputs::F32(raw) => raw.with(range, &mut |raw| self.scale(raw, x, |v| R::narrow(f64::from(v)))),
            Inputs::F64(raw) => raw.with(range, &mut |raw| self.scale_wide(raw, x)),
        }
    }

    /// In the precision of the products, for raw values that it represents.
    fn scale<T: Copy, R: Real>(&self, raw: ArrayView2<T>, x: &mut ArrayViewMut2<R>, real: impl Fn(T) -> R) {
        self.each_channel(raw, x, |(mean, std), raw, x| {
            let factor = R::narrow(1.0 / (self.scale * std));
            let shift = R::narrow(-mean / std);
            Zip::from(x).and(raw).for_each(|x, &v| *x = real(v) * factor + shift);
        });
    }

    /// In f64, and narrowed last: values far from 0 keep the digits in which they differ.
    fn scale_wide<T: Copy + Into<f64>, R: Real>(&self, raw: ArrayView2<T>, x: &mut ArrayViewMut2<R>) {
        self.each_channel(raw, x, |(mean, std), raw, x| {
            let (scale, deviations) = (1.0 / self.scale, 1.0 / std);
            Zip::from(x).and(raw).for_each(|x, &v| *x = R::narrow((v.into() * scale - mean) * deviations));
        });
    }

    /// Shows the columns of each channel, of `raw` and of `x`, with its mean and deviation.
    fn each_channel<T, R>(
        &self,
        raw: ArrayView2<T>,
        x: &mut ArrayViewMut2<R>,
        see: impl Fn((f64, f64), ArrayView2<T>, ArrayViewMut2<R>),
    ) {
        let width = raw.ncols() / self.channels.len();
        for (c, &of_channel) in self.channels.iter().enumerate() {
            let columns = s![.., c * width..(c + 1) * width];
            see(of_channel, raw.slice(columns), x.slice_mut(columns));
        }
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

    /// cases.md A4: keras #7340, scikit-learn #12333, elasticdl #1952, ai2cm/fv3net #1111. Before, the inputs became multiples of 8.
    #[test]
    fn values_far_from_zero_keep_the_digits_in_which_they_differ() {
        let offsets = array![[-1.25, 0.5], [0.3, 2.0]];
        let block = |inputs, mean, std| {
            let samples = Samples::new(inputs, Targets::Classes(vec![0, 1]), (1.0, mean, std));
            samples.block::<f32>(0..2).x
        };
        // Unix times: what f64 keeps at 1.7e9 is 2.4e-7, f32 rounds to 128.
        let found = block(Inputs::F64(Arc::new(&offsets + 1.7e9)), 1.7e9, 1.0);
        assert!((found.mapv(f64::from) - &offsets).iter().all(|d| d.abs() < 5e-7), "{found}");
        // Pressures in Pa as f32: raw values are exact multiples of 1/128; their normalised difference has 24 bits.
        let raw = array![[101_320.5_f32, 101_327.75], [101_324.0, 101_330.25]];
        let expected = raw.mapv(|v| (f64::from(v) - 101_325.37) / 2.3);
        let found = block(Inputs::F32(Arc::new(raw)), 101_325.37, 2.3);
        let off = found.mapv(f64::from) - expected;
        assert!(off.iter().all(|d| d.abs() < 2.0 * f64::from(f32::EPSILON)), "{off}");
    }

    #[test]
    fn channels_have_their_own_mean_and_deviation() {
        let raw = array![[0_u8, 255, 51, 102], [17, 34, 68, 0]];
        let targets = Targets::Classes(vec![0, 1]);
        let samples =
            Samples::by_channel(Inputs::U8(Arc::new(raw)), targets, 255.0, &[(0.5, 0.25), (0.2, 0.1)]);
        let expected = array![
            [-2.0, 2.0, 0.0, 2.0],
            [(17.0 / 255.0 - 0.5) * 4.0, (34.0 / 255.0 - 0.5) * 4.0, (68.0 / 255.0 - 0.2) * 10.0, -2.0]
        ];
        let found = samples.first(2).block::<f64>(0..2).x;
        assert!((&found - &expected).iter().all(|e| e.abs() < 1e-14), "{found}"); // a few roundings
        assert_eq!(found, samples.rows::<f64>(&[0, 1]).x);
    }

    #[test]
    fn values_near_zero_are_normalised_in_the_precision_of_the_products() {
        let raw = array![[0_u8, 200], [17, 255]];
        let (scale, mean, std) = (255.0, 0.1307, 0.3081);
        let (factor, shift) = (f32::narrow(1.0 / (scale * std)), f32::narrow(-mean / std));
        let expected = raw.mapv(|v| f32::from(v) * factor + shift);
        let samples =
            Samples::new(Inputs::U8(Arc::new(raw)), Targets::Classes(vec![0, 1]), (scale, mean, std));
        assert_eq!(samples.block::<f32>(0..2).x, expected);
    }
}
