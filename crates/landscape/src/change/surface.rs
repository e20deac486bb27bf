//! The surface itself: `L_k(θ)` and its squared change `(L_{k+s}(θ) − L_k(θ))²` at given θ.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::change::prefix::PrefixMean;
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink};

/// `L_k` and `(L_{k+s} − L_k)²` at given θ and prefix sizes: a landscape, if the θ lie on a lattice.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// `L_k(θ_t)`, (m, T), loss
    pub loss: Array2<f64>,
    /// `(L_{k+s} − L_k)²`, (m, T), loss²
    pub change: Array2<f64>,
}

struct PointState<'a> {
    prefix: PrefixMean,
    wanted: &'a [usize],
    found: Vec<(f64, f64)>,
}

impl LossSink for PointState<'_> {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        for increment in losses.iter().filter_map(|&loss| self.prefix.push(loss)) {
            if self.wanted.get(self.found.len()) == Some(&increment.k) {
                self.found.push((increment.mean, increment.change * increment.change));
            }
        }
    }
}

/// The landscape at the points `theta` (T, d) for the prefix sizes `wanted`: ascending, multiples of `step`, each with k + s ≤ N.
pub fn landscape<R: Real>(
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    wanted: &[usize],
    done: &mut impl FnMut(usize),
) -> Landscape {
    let new = |_| PointState { prefix: PrefixMean::new(step), wanted, found: vec![] };
    let mut states = (0..theta.nrows()).map(new).collect::<Vec<_>>();
    draws.evaluate(theta, &mut states, &mut |states: &mut [PointState], range: Range<usize>| {
        done(range.len() * states.len());
    });
    let shape = (wanted.len(), states.len());
    Landscape {
        loss: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].0),
        change: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].1),
    }
}
