//! One pass of mini-batches over the samples.

use ndarray::Array1;

use crate::network::architecture::Network;
use crate::numeric::real::Real;
use crate::numeric::samples::Samples;
use crate::passes::gradient::batch_gradient;
use crate::training::optimizer::Stepper;

/// Rows of a mini-batch that one task takes: two for the usual batch of 64.
const PART_ROWS: usize = 32;

/// What an epoch says of itself, while the weights moved.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// mean of the losses, loss
    pub loss: f64,
    /// fraction of samples classified right; 0 for targets that are not classes
    pub accuracy: f64,
}

/// Steps `w` (p,) through mini-batches of `batch_size` samples in the order `rows`: 6p flops a sample.
///
/// `done` is told of the rows of each batch. An infinite or undefined loss ends the epoch there and is its loss.
pub fn epoch<R: Real>(
    network: &Network,
    w: &mut Array1<R>,
    stepper: &mut Stepper<R>,
    samples: &Samples,
    rows: &[usize],
    batch_size: usize,
    done: &mut impl FnMut(usize),
) -> Epoch {
    let (mut loss, mut correct) = (0.0, 0);
    for rows in rows.chunks(batch_size) {
        let parts = rows.chunks(PART_ROWS).collect::<Vec<_>>();
        let batch = batch_gradient(network, &w.view(), samples, &parts);
        if !batch.loss.is_finite() {
            return Epoch { loss: batch.loss, accuracy: f64::NAN };
        }
        stepper.step(w, &batch.gradient, 1.0 / rows.len() as f64);
        loss += batch.loss;
        correct += batch.correct;
        done(rows.len());
    }
    let n = rows.len() as f64;
    Epoch { loss: loss / n, accuracy: correct as f64 / n }
}
