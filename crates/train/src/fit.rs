//! Mini-batch training from the first weights to w*.

use anyhow::Result;
use landscape::network::initialisation::first_weights;
use landscape::passes::gradient::sample_losses;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Network, Real, Samples};
use ndarray::Array1;
use pipeline::Failure;
use pipeline::shell::StageContext;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::{Optimizer, Train};

/// An epoch whose mean loss is so many times that before training has diverged, though still finite.
const DIVERGED: f64 = 10.0;

/// Columns of the history: losses, accuracies as fractions. Row 0 and the columns of `train_` in later rows are
/// means over the mini-batches of the epoch while the weights move, except that row 0 is before training.
pub const HISTORY_COLUMNS: [&str; 5] =
    ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"];

/// Where training stopped, and how it got there.
pub struct Fitted<R> {
    /// w*, (p,)
    pub w: Array1<R>,
    /// a row of [`HISTORY_COLUMNS`] per epoch
    pub history: Vec<[f64; 5]>,
    /// (epoch, w)
    pub checkpoints: Vec<(usize, Array1<R>)>,
}

impl<R> Fitted<R> {
    /// Weights that were trained elsewhere.
    pub fn brought(w: Array1<R>) -> Self {
        Self { w, history: vec![], checkpoints: vec![] }
    }
}

/// Trains from the first weights for as many epochs, or steps, as asked for.
pub fn fit<R: Real>(
    params: &Train,
    ctx: &StageContext,
    network: &Network,
    train: &Samples,
    test: Option<&Samples>,
) -> Result<Fitted<R>> {
    let mut w = first_weights::<R>(network, params.initialisation, params.seed);
    let mut stepper = Stepper::new(params.optimizer, network.n_params());
    let (mut history, mut checkpoints) = (vec![], vec![]);
    let mut order = (0..train.len()).collect::<Vec<_>>();
    // Layers have taken streams 1 to L.
    let mut rng = ChaCha20Rng::seed_from_u64(params.seed);
    let first = evaluate_aloud(ctx, network, &w, train);
    history.push(history_row(0, first, network, &w, test));
    let epochs = params.samples_of_epochs(train.len());
    let progress = ctx.progress(epochs.iter().sum(), "train: samples");
    for (number, n) in (1..).zip(epochs) {
        order.shuffle(&mut rng);
        let rows = &order[..n];
        let found =
            epoch(network, &mut w, &mut stepper, train, rows, params.batch_size, &mut |n| progress.add(n));
        if !found.loss.is_finite() || found.loss > DIVERGED * first.0 {
            return Err(diverged(params, number, found.loss));
        }
        let row = history_row(number, (found.loss, Some(found.accuracy)), network, &w, test);
        tracing::debug!("train: epoch {number}: loss {:.3e}, test loss {:.3e}", row[1], row[3]);
        history.push(row);
        if params.checkpoint_epochs.contains(&number) {
            checkpoints.push((number, w.clone()));
        }
    }
    Ok(Fitted { w, history, checkpoints })
}

fn history_row<R: Real>(
    epoch: usize,
    (loss, accuracy): (f64, Option<f64>),
    network: &Network,
    w: &Array1<R>,
    test: Option<&Samples>,
) -> [f64; 5] {
    let (test_loss, test_accuracy) = test.map(|test| evaluate(network, w, test, &|_| ())).unzip();
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    [epoch as f64, loss, known(accuracy), known(test_loss), known(test_accuracy.flatten())]
}

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

fn evaluate<R: Real>(
    network: &Network,
    w: &Array1<R>,
    samples: &Samples,
    done: &(impl Fn(usize) + Sync),
) -> (f64, Option<f64>) {
    let (losses, correct) = sample_losses(network, &w.view(), samples, done);
    let n = samples.len() as f64;
    (losses.sum() / n, correct.map(|c| c as f64 / n))
}

/// Training that left the finite numbers, or weights that were never there.
pub fn diverged(params: &Train, epoch: usize, loss: f64) -> anyhow::Error {
    let (Optimizer::Adam { learning_rate, .. } | Optimizer::Sgd { learning_rate, .. }) = params.optimizer;
    Failure::not_converged(
        format!("training diverged: loss {loss} in epoch {epoch} at learning rate {learning_rate}"),
        format!(
            "lower train.optimizer.learning_rate, to {} say; check fetch-data.normalisation",
            learning_rate / 10.0
        ),
    )
    .into()
}
