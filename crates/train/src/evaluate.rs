//! The loss and the accuracy of weights over samples.

use landscape::passes::gradient::mean_loss;
use landscape::{Network, Real, Samples};
use ndarray::Array1;
use pipeline::shell::StageContext;

/// Mean loss, and the fraction classified right (`None` for regression); the user sees how far it is.
pub fn evaluate_aloud<R: Real>(
    ctx: &StageContext,
    network: &Network,
    w: &Array1<R>,
    samples: &Samples,
) -> (f64, Option<f64>) {
    let progress = ctx.progress(samples.len(), "train: losses");
    evaluate(network, w, samples, &|n| progress.add(n))
}

/// Mean loss, and the fraction classified right (`None` for regression).
pub fn evaluate<R: Real>(
    network: &Network,
    w: &Array1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> (f64, Option<f64>) {
    let (loss, correct) = mean_loss(network, &w.view(), samples, done);
    (loss, correct.map(|c| c as f64 / samples.len() as f64))
}
