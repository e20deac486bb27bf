//! The surface itself: `L_k(θ)` and its squared change `(L_{k+s}(θ) − L_k(θ))²` at given θ.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::change::prefix::PrefixMean;
use crate::numeric::orders::Task;
use crate::numeric::real::Real;
use crate::passes::draws::{Draws, LossSink, Relayed};

/// `L_k` and `(L_{k+s} − L_k)²` at given θ and prefix sizes: a landscape, if the θ lie on a lattice.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// `L_k(θ_t)`, (m, T), loss
    pub loss: Array2<f64>,
    /// `(L_{k+s} − L_k)²`, (m, T), loss²
    pub change: Array2<f64>,
}

#[derive(Clone)]
struct PointState<'a> {
    step: usize,
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

impl Relayed for PointState<'_> {
    fn len_after(&self, rows: usize) -> usize {
        2 + 2 * self.wanted.partition_point(|k| k + self.step <= rows)
    }

    fn numbers(&self) -> Vec<f64> {
        let found = self.found.iter().flat_map(|&(mean, square)| [mean, square]);
        self.prefix.state().into_iter().chain(found).collect()
    }

    fn go_on(&mut self, rows: usize, numbers: &[f64]) {
        self.prefix = PrefixMean::at(self.step, rows, [numbers[0], numbers[1]]);
        self.found = numbers[2..].as_chunks().0.iter().map(|&[mean, square]| (mean, square)).collect();
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
    let mut states = states(theta.nrows(), step, wanted);
    let team = draws.samples.team();
    if team.is_alone() {
        draws.evaluate(theta, &mut states, &mut |states: &mut [PointState], range: Range<usize>| {
            done(range.len() * states.len());
        });
    } else {
        draws.order(Task::Landscape, theta, &[step, wanted.len()]);
        team.tell(&wanted.iter().map(|&k| k as u64).collect::<Vec<_>>());
        draws.relay(theta, &mut states, &mut |_, _| ());
        done(theta.nrows() * draws.samples.len());
    }
    let shape = (wanted.len(), states.len());
    Landscape {
        loss: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].0),
        change: Array2::from_shape_fn(shape, |(m, t)| states[t].found[m].1),
    }
}

/// What each process but the first does for [`landscape`].
pub(crate) fn landscape_of_part<R: Real>(
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    wanted: &[usize],
) {
    draws.relay(theta, &mut states(theta.nrows(), step, wanted), &mut |_, _| ());
}

fn states(n: usize, step: usize, wanted: &[usize]) -> Vec<PointState<'_>> {
    vec![PointState { step, prefix: PrefixMean::new(step), wanted, found: vec![] }; n]
}
