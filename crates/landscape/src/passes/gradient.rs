//! Losses and the gradient of their mean.

use std::ops::Range;

use ndarray::{Array1, ArrayView1, Axis};
use rayon::prelude::*;

use crate::network::architecture::Network;
use crate::network::loss::Loss;
use crate::numeric::orders::{Task, order, tell};
use crate::numeric::parts::{Parts, cuts};
use crate::numeric::real::Real;
use crate::numeric::samples::{Batch, Samples, Targets};
use crate::numeric::sums::{PARAMETERS_AT_ONCE, blocks_of, sum};
use crate::passes::affine;
use crate::passes::primal::{Primal, outputs};

/// `Σ_i ∇ℓ_i(w)` over the rows of a block: `∂/∂W_l = δ_lᵀ G(h_{l−1})`, `∂/∂b_l = Σ δ_l`. (p,), arranged.
#[inline(never)]
fn block_gradient<R: Real>(network: &Network, primal: &Primal<R>) -> Array1<R> {
    let mut gradient = Array1::zeros(network.n_params());
    for l in network.affine_layers() {
        let (weights, bias) = network.offsets(l);
        let delta = &primal.adjoint[l - 1];
        let (w_part, mut b_part) =
            gradient.slice_mut(ndarray::s![weights.start..bias.end]).split_at(Axis(0), weights.len());
        let mut w_part = w_part.into_shape_with_order(network.weight_shape(l)).expect("length of the range");
        affine::outer(network, l, R::zero(), &delta.view(), &primal.input_of(l), &mut w_part);
        b_part.assign(&affine::bias_sum(network, l, delta));
    }
    gradient
}

/// Sum of the losses, how many rows are classified right, and `Σ_i ∇ℓ_i(w)` (p,) over a batch.
pub struct BatchGradient<R> {
    /// loss
    pub loss: f64,
    /// rows whose class comes first
    pub correct: usize,
    /// (p,)
    pub gradient: Array1<R>,
}

/// Loss and gradient of the rows of `batches`, each a part of one mini-batch, in parallel and in a fixed tree.
pub fn batch_gradient<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    parts: &[&[usize]],
) -> BatchGradient<R> {
    let w = network.arranged(*w);
    let part = |rows: &&[usize]| one_gradient(network, &w.view(), samples.rows(rows));
    let mut batch = sum(parts, &part, &|a: &mut BatchGradient<R>, b: BatchGradient<R>| {
        a.loss += b.loss;
        a.correct += b.correct;
        add(&mut a.gradient, &b.gradient);
    })
    .expect("a mini-batch has rows");
    batch.gradient = network.restored(batch.gradient);
    batch
}

/// `a += b` (p,), in parallel: the other threads of a step would wait for it.
fn add<R: Real>(a: &mut Array1<R>, b: &Array1<R>) {
    a.axis_chunks_iter_mut(Axis(0), PARAMETERS_AT_ONCE)
        .into_par_iter()
        .zip(b.axis_chunks_iter(Axis(0), PARAMETERS_AT_ONCE).into_par_iter())
        .for_each(|(mut a, b)| a += &b);
}

fn one_gradient<R: Real>(network: &Network, w: &ArrayView1<R>, batch: Batch<R>) -> BatchGradient<R> {
    let primal = Primal::new(network, w, batch);
    let losses = network.loss.values(primal.outputs.view(), &primal.targets);
    BatchGradient {
        loss: losses.iter().sum(),
        correct: count_correct(&primal),
        gradient: block_gradient(network, &primal),
    }
}

fn count_correct<R: Real>(primal: &Primal<R>) -> usize {
    (0..primal.n_rows())
        .filter(|&i| Loss::is_correct(primal.outputs.view(), &primal.targets, i) == Some(true))
        .count()
}

/// `∇L(w)` over all samples, (p,), loss per parameter unit; `done` is told how many more samples are.
pub fn full_gradient<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> Array1<f64> {
    order::<R>(samples.team(), Task::Gradient, &[]);
    tell(samples.team(), w);
    let total = gradient_of_part(network, w, samples, done).expect("the first process has the sum");
    network.restored(total) / samples.len() as f64
}

/// What each process has to do for [`full_gradient`]: the first gets the sum, arranged.
#[inline(never)]
pub(crate) fn gradient_of_part<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> Option<Array1<f64>> {
    let w = network.arranged(*w);
    let block = |range: &Range<usize>| {
        let primal = Primal::new(network, &w.view(), samples.block(range.clone()));
        let gradient = block_gradient(network, &primal);
        done(range.len());
        gradient.mapv(R::wide)
    };
    let add = |a: &mut Array1<f64>, b: Array1<f64>| *a += &b;
    let blocks = blocks_of(0..samples.len(), network.block_rows());
    let parts = Parts::new(samples.team(), &blocks, &part_cuts(network, samples));
    parts.join(parts.partial_sums(&block, &add), &add, || Array1::zeros(network.n_params()))
}

/// Where the parts of the processes begin, as sums over `samples` have them.
pub(crate) fn part_cuts(network: &Network, samples: &Samples) -> Vec<usize> {
    cuts(samples.len(), network.block_rows(), samples.team().size())
}

/// The mean of `ℓ_i(w)` over all samples, and how many are classified right (`None` for targets that are not classes);
/// `done` is told how many more samples are.
pub fn mean_loss<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> (f64, Option<usize>) {
    let (losses, correct) = sample_losses(network, w, samples, done);
    (losses.sum() / samples.len() as f64, correct)
}

/// `ℓ_i(w)` of all samples, and how many are classified right (`None` for targets that are not classes);
/// `done` is told how many more samples are.
pub fn sample_losses<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> (Array1<f64>, Option<usize>) {
    order::<R>(samples.team(), Task::Losses, &[]);
    tell(samples.team(), w);
    losses_of_part(network, w, samples, done).expect("the first process gathers them")
}

/// What each process has to do for [`sample_losses`]: the first gathers them.
pub(crate) fn losses_of_part<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> Option<(Array1<f64>, Option<usize>)> {
    let (team, cuts) = (samples.team(), part_cuts(network, samples));
    let own = each_loss_of(cuts[team.rank()]..cuts[team.rank() + 1], network, w, samples, done);
    let mut n_right = [own.iter().filter(|(_, right)| *right == Some(true)).count() as u64];
    let mut losses = own.into_iter().map(|(loss, _)| loss).collect::<Vec<_>>();
    if !team.leads() {
        team.send_values(0, &losses);
        team.send_values(0, &n_right);
        return None;
    }
    losses.resize(samples.len(), 0.0);
    for from in 1..team.size() {
        let mut of_other = [0];
        team.receive_values(from, &mut losses[cuts[from]..cuts[from + 1]]);
        team.receive_values(from, &mut of_other);
        n_right[0] += of_other[0];
    }
    let is_known = matches!(samples.targets(), Targets::Classes(_));
    let correct = is_known.then(|| usize::try_from(n_right[0]).expect("not more than samples"));
    Some((losses.into(), correct))
}

/// `ℓ_i(w)` of each sample, and whether it is classified right (`None` for targets that are not classes), (N).
pub fn each_loss<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
) -> Vec<(f64, Option<bool>)> {
    each_loss_of(0..samples.len(), network, w, samples, &|_| ())
}

/// The same of those in `range`.
#[inline(never)]
fn each_loss_of<R: Real>(
    range: Range<usize>,
    network: &Network,
    w: &ArrayView1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> Vec<(f64, Option<bool>)> {
    let parts = blocks_of(range, network.block_rows())
        .into_par_iter()
        .map(|range| {
            let batch = samples.block::<R>(range.clone());
            let f = outputs(network, w, batch.x.view());
            let losses = network.loss.values(f.view(), &batch.targets);
            let right = (0..f.nrows()).map(|i| Loss::is_correct(f.view(), &batch.targets, i));
            let both = losses.into_iter().zip(right).collect::<Vec<_>>();
            done(range.len());
            both
        })
        .collect::<Vec<_>>();
    parts.into_iter().flatten().collect()
}
