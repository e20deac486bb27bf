//! Cross-correlation of images whose channels lie last, without unfolding them: sums stay in registers.
//!
//! With channels last the k·c values under one row of a filter are contiguous, so an output is k dot products of that
//! length. A tile of M positions × V filters is held in registers: M·V multiply-adds for M + V loads, as in a matrix
//! product, but of an image that is read where it lies. Flops 2·k²·c·o a position; images and filters come from the
//! first two levels of cache.

// What is not inlined would not be compiled for the vector unit.
#![allow(clippy::inline_always)]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::numeric::real::Real;
use crate::numeric::simd::unit;

/// Vectors of filters of a tile, where there are 32 registers, and where there are 16.
const VECTORS: (usize, usize) = (3, 2);

/// Rows of an image whose products are added up before the sums leave the registers.
const ROWS: usize = 4;

/// Whether a tile of 8 positions × V vectors leaves registers for V weights and a pixel; else it has 6 positions.
/// What is left of a row is taken in fours, twos and ones.
const fn takes_eight<S: Simd>(vectors: usize) -> bool {
    8 * vectors + vectors < S::REGISTER_COUNT
}

/// Filters of k × k × c over an image of `height` × `width` × c, borders included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// H, with its border
    pub height: usize,
    /// W, with its border
    pub width: usize,
    /// c
    pub channels: usize,
    /// k
    pub kernel: usize,
    /// from one position to the next
    pub stride: usize,
    /// o
    pub filters: usize,
}

impl Correlation {
    /// The product of a matrix (rows, inner) and the transpose of one (columns, inner) as a correlation: of filters of one
    /// position, which are packed once, over a row of positions.
    pub fn product(rows: usize, inner: usize, columns: usize) -> Self {
        Self { height: 1, width: rows, channels: inner, kernel: 1, stride: 1, filters: columns }
    }

    /// Positions from top to bottom, and from left to right.
    pub fn positions(&self) -> (usize, usize) {
        ((self.height - self.kernel) / self.stride + 1, (self.width - self.kernel) / self.stride + 1)
    }

    /// k·c, the length of a row of a filter
    pub fn row(&self) -> usize {
        self.kernel * self.channels
    }

    /// Length of the filters, or of sums for each of their weights, as the kernels read them: panels of some vectors of filters,
    /// each (k, k·c, V), with room after the last filter that no output has.
    pub fn packed_len<R: Real>(&self) -> usize {
        self.filters.next_multiple_of(unit::<R>().0) * self.kernel * self.row()
    }

    /// First filter of each panel, and its vectors.
    fn panels(
        &self,
        lanes: usize,
        registers: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, usize)> + use<> {
        let most = if registers >= 32 { VECTORS.0 } else { VECTORS.1 };
        let vectors = self.filters.div_ceil(lanes);
        let count = vectors.div_ceil(most);
        let begin = move |i: usize| i * vectors / count;
        (0..count).map(move |i| (begin(i) * lanes, begin(i + 1) - begin(i)))
    }

    /// `weight(o, a, j)`: of filter o, value j of its row a.
    pub fn pack<R: Real>(&self, weight: impl Fn(usize, usize, usize) -> R) -> Vec<R> {
        let mut packed = vec![R::zero(); self.packed_len::<R>()];
        self.each(&mut packed, |value, (o, a, j)| *value = weight(o, a, j));
        packed
    }

    /// [`Self::pack`] of the transposed filters of a [`Self::product`], (inner, columns) in C order, into `packed`.
    #[inline(never)]
    pub fn pack_transposed<R: Real>(&self, filters: &[R], packed: &mut [R]) {
        assert_eq!((self.kernel, packed.len()), (1, self.packed_len::<R>()), "a product, packed");
        let (lanes, registers) = unit::<R>();
        let mut rest = packed;
        let panels = self.panels(lanes, registers).map(|(first, vectors)| {
            let width = vectors * lanes;
            (first, width, rest.split_off_mut(..width * self.channels).expect("a panel"))
        });
        panels.collect::<Vec<_>>().into_par_iter().for_each(|(first, width, panel)| {
            let end = (first + width).min(self.filters);
            for (to, from) in panel.chunks_exact_mut(width).zip(filters.chunks_exact(self.filters)) {
                to[..end - first].copy_from_slice(&from[first..end]);
            }
        });
    }

    /// Shows every packed value with its (o, a, j).
    pub fn each<R: Real>(&self, packed: &mut [R], mut see: impl FnMut(&mut R, (usize, usize, usize))) {
        assert_eq!(packed.len(), self.packed_len::<R>(), "packed values");
        let (row, (lanes, registers)) = (self.row(), unit::<R>());
        for (first, vectors) in self.panels(lanes, registers) {
            let width = vectors * lanes;
            let begin = first * self.kernel * row;
            let values = packed[begin..begin + width * self.kernel * row].chunks_exact_mut(width);
            for (at, values) in values.enumerate() {
                for (o, value) in values.iter_mut().enumerate().take(self.filters.saturating_sub(first)) {
                    see(value, (first + o, at / row, at % row));
                }
            }
        }
    }

    /// `out[y, x, o] = Σ_{a, j} image[y·s + a, x·s·c + j] w[o, a, j]`, or that added to it. (positions, o)
    #[inline(never)]
    pub fn correlate<R: Real>(&self, image: &[R], filters: &[R], out: &mut [R], add: bool) {
        self.check(image, filters, out);
        let finish = |_: &mut [R]| ();
        pulp::Arch::new().dispatch(Correlate { of: self, image, filters, out, add, finish });
    }

    /// The outputs, each as `finish` leaves it, which sees some at a time while they are near.
    pub fn correlate_and_finish<R: Real>(
        &self,
        image: &[R],
        filters: &[R],
        out: &mut [R],
        finish: impl Fn(&mut [R]),
    ) {
        self.check(image, filters, out);
        pulp::Arch::new().dispatch(Correlate { of: self, image, filters, out, add: false, finish });
    }

    fn check<R: Real>(&self, image: &[R], filters: &[R], out: &[R]) {
        let (rows, columns) = self.positions();
        assert_eq!(image.len(), self.height * self.width * self.channels, "image");
        assert_eq!(filters.len(), self.packed_len::<R>(), "packed filters");
        assert_eq!(out.len(), rows * columns * self.filters, "positions by filters");
    }

    /// `sums[o, a, j] += Σ_{y, x} delta[y, x, o] image[y·s + a, x·s·c + j]`. `delta`: (positions, o), and [`Self::slack`] more.
    #[inline(never)]
    pub fn correlate_weights<R: Real>(&self, image: &[R], delta: &[R], sums: &mut [R]) {
        let (rows, columns) = self.positions();
        assert_eq!(image.len(), self.height * self.width * self.channels, "image");
        assert_eq!(delta.len(), rows * columns * self.filters + self.slack::<R>(), "positions by filters");
        assert_eq!(sums.len(), self.packed_len::<R>(), "packed sums");
        pulp::Arch::new().dispatch(CorrelateWeights { of: self, image, delta, sums });
    }

    /// Values that may be read after the last filter of the last position.
    pub fn slack<R: Real>(&self) -> usize {
        let lanes = unit::<R>().0;
        self.filters.next_multiple_of(lanes) - self.filters
    }
}

struct Correlate<'a, R, F> {
    of: &'a Correlation,
    image: &'a [R],
    filters: &'a [R],
    out: &'a mut [R],
    add: bool,
    /// sees outputs once they are stored
    finish: F,
}

impl<R: Real, F: Fn(&mut [R])> WithSimd for Correlate<'_, R, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // The last panel first: it alone writes beyond its filters, into those of the next position. Then upwards, as memory is
        // read ahead.
        let mut panels = self.of.panels(R::lanes::<S>(), S::REGISTER_COUNT);
        for (first, vectors) in panels.next_back().into_iter().chain(panels) {
            match vectors {
                1 => self.panel::<S, 1>(simd, first),
                2 => self.panel::<S, 2>(simd, first),
                _ => self.panel::<S, 3>(simd, first),
            }
        }
    }
}

impl<R: Real, F: Fn(&mut [R])> Correlate<'_, R, F> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, first: usize) {
        if takes_eight::<S>(V) {
            self.rows::<S, 8, V>(simd, first);
        } else {
            self.rows::<S, 6, V>(simd, first);
        }
    }

    #[inline(always)]
    fn rows<S: Simd, const M: usize, const V: usize>(&mut self, simd: S, first: usize) {
        let (rows, columns) = self.of.positions();
        let (begin, count) = (first * self.of.kernel * self.of.row(), self.of.kernel * self.of.row());
        let weights = &self.filters[begin..begin + count * V * R::lanes::<S>()];
        let (weights, _) = R::vectors::<S>(weights);
        for y in 0..rows {
            let mut x = 0;
            while x + M <= columns {
                self.tile::<S, M, V>(simd, weights, (y, x), first);
                x += M;
            }
            if x + 4 <= columns {
                self.tile::<S, 4, V>(simd, weights, (y, x), first);
                x += 4;
            }
            if x + 2 <= columns {
                self.tile::<S, 2, V>(simd, weights, (y, x), first);
                x += 2;
            }
            if x < columns {
                self.tile::<S, 1, V>(simd, weights, (y, x), first);
            }
        }
    }

    /// The filters of one panel at M positions from x on.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        weights: &[R::Vector<S>],
        (y, x): (usize, usize),
        first: usize,
    ) {
        let of = self.of;
        let (row, step) = (of.row(), of.stride * of.channels);
        let place = ((y * of.positions().1 + x) * of.filters + first, of.filters);
        let zero = R::splat(simd, R::zero());
        let mut sums = if self.add { self.load::<S, M, V>(place) } else { [[zero; V]; M] };
        for (a, weights) in weights.chunks_exact(row * V).enumerate() {
            let begin = ((y * of.stride + a) * of.width + x * of.stride) * of.channels;
            let pixels: [&[R]; M] =
                std::array::from_fn(|m| &self.image[begin + m * step..begin + m * step + row]);
            for (j, w) in weights.chunks_exact(V).enumerate().take(row) {
                for m in 0..M {
                    let pixel = R::splat(simd, pixels[m][j]);
                    for v in 0..V {
                        sums[m][v] = R::multiply_add(simd, pixel, w[v], sums[m][v]);
                    }
                }
            }
        }
        self.store::<S, M, V>(place, &sums);
    }

    /// V vectors for each of M positions, `step` values apart. What lies beyond the output is 0.
    #[inline(always)]
    fn load<S: Simd, const M: usize, const V: usize>(
        &self,
        (begin, step): (usize, usize),
    ) -> [[R::Vector<S>; V]; M] {
        let width = V * R::lanes::<S>();
        std::array::from_fn(|m| {
            let begin = begin + m * step;
            if let Some(values) = self.out.get(begin..begin + width) {
                let (vectors, _) = R::vectors::<S>(values);
                return std::array::from_fn(|v| vectors[v]);
            }
            let mut values = [R::zero(); MOST];
            let rest = &self.out[begin..];
            values[..rest.len()].copy_from_slice(rest);
            let (vectors, _) = R::vectors::<S>(&values[..width]);
            std::array::from_fn(|v| vectors[v])
        })
    }

    /// The same back; what would lie beyond the output is dropped.
    #[inline(always)]
    fn store<S: Simd, const M: usize, const V: usize>(
        &mut self,
        (begin, step): (usize, usize),
        sums: &[[R::Vector<S>; V]; M],
    ) {
        let width = V * R::lanes::<S>();
        for (m, sums) in sums.iter().enumerate() {
            let begin = begin + m * step;
            if let Some(values) = self.out.get_mut(begin..begin + width) {
                R::vectors_mut::<S>(values).0.copy_from_slice(sums);
                (self.finish)(values);
                continue;
            }
            let mut values = [R::zero(); MOST];
            R::vectors_mut::<S>(&mut values[..width]).0.copy_from_slice(sums);
            let rest = &mut self.out[begin..];
            rest.copy_from_slice(&values[..rest.len()]);
            (self.finish)(rest);
        }
    }
}

/// Most numbers in the vectors of a tile: three of 16.
const MOST: usize = 48;

struct CorrelateWeights<'a, R> {
    of: &'a Correlation,
    image: &'a [R],
    delta: &'a [R],
    sums: &'a mut [R],
}

impl<R: Real> WithSimd for CorrelateWeights<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for (first, vectors) in self.of.panels(R::lanes::<S>(), S::REGISTER_COUNT) {
            match vectors {
                1 => self.panel::<S, 1>(simd, first),
                2 => self.panel::<S, 2>(simd, first),
                _ => self.panel::<S, 3>(simd, first),
            }
        }
    }
}

impl<R: Real> CorrelateWeights<'_, R> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, first: usize) {
        if takes_eight::<S>(V) {
            self.values::<S, 8, V>(simd, first);
        } else {
            self.values::<S, 6, V>(simd, first);
        }
    }

    #[inline(always)]
    fn values<S: Simd, const M: usize, const V: usize>(&mut self, simd: S, first: usize) {
        let (rows, row) = (self.of.positions().0, self.of.row());
        let width = V * R::lanes::<S>();
        for top in (0..rows).step_by(ROWS) {
            let rows = top..(top + ROWS).min(rows);
            for a in 0..self.of.kernel {
                let begin = (first * self.of.kernel + a * width) * row;
                let mut j = 0;
                while j + M <= row {
                    self.tile::<S, M, V>(simd, begin + j * width, rows.clone(), (a, j), first);
                    j += M;
                }
                if j + 4 <= row {
                    self.tile::<S, 4, V>(simd, begin + j * width, rows.clone(), (a, j), first);
                    j += 4;
                }
                if j + 2 <= row {
                    self.tile::<S, 2, V>(simd, begin + j * width, rows.clone(), (a, j), first);
                    j += 2;
                }
                if j < row {
                    self.tile::<S, 1, V>(simd, begin + j * width, rows.clone(), (a, j), first);
                }
            }
        }
    }

    /// M values from j on of row `a` of the filters of one panel, over some rows of positions.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        place: usize,
        rows: std::ops::Range<usize>,
        (a, j): (usize, usize),
        first: usize,
    ) {
        let of = self.of;
        let (columns, width) = (of.positions().1, V * R::lanes::<S>());
        let (held, _) = R::vectors_mut::<S>(&mut self.sums[place..place + M * width]);
        let mut sums: [[R::Vector<S>; V]; M] =
            std::array::from_fn(|m| std::array::from_fn(|v| held[m * V + v]));
        for y in rows {
            let mut pixel = ((y * of.stride + a) * of.width) * of.channels + j;
            let mut at = y * columns * of.filters + first;
            for _ in 0..columns {
                let values: &[R; M] = self.image[pixel..pixel + M].try_into().expect("M values");
                let (delta, _) = R::vectors::<S>(&self.delta[at..at + width]);
                let delta: &[R::Vector<S>; V] = delta.try_into().expect("V vectors");
                for m in 0..M {
                    let value = R::splat(simd, values[m]);
                    for v in 0..V {
                        sums[m][v] = R::multiply_add(simd, value, delta[v], sums[m][v]);
                    }
                }
                pixel += of.stride * of.channels;
                at += of.filters;
            }
        }
        for (held, sums) in held.chunks_exact_mut(V).zip(&sums) {
            held.copy_from_slice(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::gaussian::gaussian_rows;

    fn values<R: Real>(seed: u64, n: usize) -> Vec<R> {
        gaussian_rows(seed, 1, n).iter().map(|&v| R::narrow(v)).collect()
    }

    /// Each output by its definition, in f64; sums of k²c (or of all positions) products, so as many roundings at most.
    fn check<R: Real>(of: Correlation) {
        let (rows, columns) = of.positions();
        let (k, c, o) = (of.kernel, of.channels, of.filters);
        let image = values::<R>(1, of.height * of.width * c);
        let weights = values::<R>(2, o * k * k * c);
        let before = values::<R>(3, rows * columns * o);
        let delta = values::<R>(4, rows * columns * o);
        let pixel = |y: usize, x: usize, a: usize, j: usize| {
            image[((y * of.stride + a) * of.width + x * of.stride) * c + j].wide()
        };
        let filters = of.pack(|o, a, j| weights[(o * k + a) * k * c + j]);
        let near = |found: R, expected: f64, terms: usize, what: &str| {
            let bound = R::epsilon().wide() * terms as f64 * 8.0;
            assert!((found.wide() - expected).abs() <= bound, "{what}: {found} {expected} {of:?}");
        };
        for add in [false, true] {
            let mut out = before.clone();
            of.correlate(&image, &filters, &mut out, add);
            for (at, found) in out.iter().enumerate() {
                let (y, x, f) = (at / o / columns, at / o % columns, at % o);
                let mut expected = if add { before[at].wide() } else { 0.0 };
                for (a, j) in (0..k).flat_map(|a| (0..k * c).map(move |j| (a, j))) {
                    expected += pixel(y, x, a, j) * weights[(f * k + a) * k * c + j].wide();
                }
                near(*found, expected, k * k * c + 1, "outputs");
            }
        }
        let (mut plain, mut finished) = (before.clone(), before.clone());
        of.correlate(&image, &filters, &mut plain, false);
        of.correlate_and_finish(&image, &filters, &mut finished, |z| z.iter_mut().for_each(|z| *z = *z + *z));
        assert!(
            plain.iter().zip(&finished).all(|(&plain, &finished)| finished == plain + plain),
            "once each"
        );
        let mut padded = delta.clone();
        padded.resize(delta.len() + of.slack::<R>(), R::nan());
        let mut sums = filters.clone();
        of.correlate_weights(&image, &padded, &mut sums);
        of.each(&mut sums, |found, (f, a, j)| {
            let mut expected = weights[(f * k + a) * k * c + j].wide();
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                expected += pixel(y, x, a, j) * delta[(y * columns + x) * o + f].wide();
            }
            near(*found, expected, rows * columns + 1, "weights");
        });
    }

    /// Filters that come transposed, into room that is not clean: the same packed values, and the same product.
    #[test]
    fn transposed_filters_are_packed_as_others() {
        for columns in [1, 16, 17, 48, 70, 131] {
            let of = Correlation::product(11, 5, columns);
            let transposed = values::<f32>(1, 5 * columns);
            let packed = of.pack(|o, _, j| transposed[j * columns + o]);
            let mut room = vec![f32::NAN; packed.len()];
            of.pack_transposed(&transposed, &mut room);
            let x = values::<f32>(2, 11 * 5);
            let product = |filters: &[f32]| {
                let mut out = vec![0.0; 11 * columns];
                of.correlate(&x, filters, &mut out, false);
                out
            };
            assert_eq!(product(&room), product(&packed), "{columns}");
        }
    }

    #[test]
    fn correlations_are_those_of_the_definition() {
        for (height, width) in [(1, 1), (4, 5), (9, 19)] {
            for kernel in [1, 2, 3, 5].into_iter().filter(|&k| k <= height.min(width)) {
                for stride in [1, 2, 3] {
                    for (channels, filters) in [(1, 1), (3, 6), (2, 17), (5, 42), (4, 70)] {
                        let of = Correlation { height, width, channels, kernel, stride, filters };
                        check::<f32>(of);
                        check::<f64>(of);
                    }
                }
            }
        }
    }
}
