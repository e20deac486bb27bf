//! What the first process of a team orders the others to do: the words for it. [`crate::serve`] does it.

use ndarray::{ArrayBase, Data, Dimension};
use strum::VariantArray;
use team::{Order, Team};

use crate::numeric::real::Real;

/// What is to be done; 0 is the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub(crate) enum Task {
    /// `Σ ∇ℓ_i(w)`; w follows
    Gradient = 1,
    /// `ℓ_i(w)`; w follows
    Losses,
    /// to linearise at w, which follows; bytes of the cache
    Linearise,
    /// a product with directions, which follow: range of samples, number of directions, which second derivative
    Product,
    /// loss, slope and curvature of each sample in directions, which follow: their number
    Derivatives,
    /// to begin sums over draws: see [`crate::change::delta`]
    NewRun,
    /// to go on with these sums from a state that follows
    GoOn,
    /// to take more draws, which follow
    Draws,
    /// to hand over the sums
    State,
    /// losses at points, which follow, for prefixes, which follow
    Landscape,
}

impl Task {
    /// The task of an order; `None` for the end.
    pub(crate) fn of(order: &Order) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|&task| task as u64 == order.task())
    }
}

/// Orders a task in the precision of `R`, which is number 0; `numbers` begin with number 1. Alone, nothing happens.
pub(crate) fn order<R: Real>(team: &dyn Team, task: Task, numbers: &[usize]) {
    let numbers = [&[size_of::<R>()], numbers].concat();
    team.order(&Order::new(task as u64, &numbers));
}

/// Tells the others an array, in C order.
pub(crate) fn tell<T: bytemuck::Pod, S: Data<Elem = T>, D: Dimension>(
    team: &dyn Team,
    array: &ArrayBase<S, D>,
) {
    if !team.is_alone() {
        team.tell(array.as_standard_layout().as_slice().expect("standard layout"));
    }
}
