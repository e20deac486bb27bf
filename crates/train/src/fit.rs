//! Mini-batch training from the first weights to w*.

use landscape::network::initialisation::first_weights;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Network, Real, Samples};
use ndarray::Array1;
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::{Optimizer, Train};
use serde::{Deserialize, Serialize};
use store::checkpoint::Checkpoint;

use crate::evaluate::{evaluate, evaluate_aloud};
use crate::saved::{narrow, wide};
use crate::watch::{Watch, Watched};

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
    /// with a stop: how it ended
    pub watched: Option<Watched>,
}

impl<R> Fitted<R> {
    /// Weights that were trained elsewhere.
    pub fn brought(w: Array1<R>) -> Self {
        Self { w, history: vec![], checkpoints: vec![], watched: None }
    }
}

/// The name of the loop in a checkpoint.
const FIT: &str = "fit";

/// How far training came.
#[derive(Deserialize, Serialize)]
struct Far {
    epochs: usize,
    steps: i32,
    /// epochs whose weights are kept
    kept: Vec<usize>,
}

/// Trains from the first weights for as many epochs, or steps, as asked for, or to a stop. It may stop after each epoch.
pub fn fit<R: Real>(
    params: &Train,
    ctx: &StageContext,
    network: &Network,
    train: &Samples,
    test: Option<&Samples>,
) -> Result<Fitted<R>> {
    let w = first_weights::<R>(network, params.initialisation, params.seed);
    let mut fitted = Fitted { w, history: vec![], checkpoints: vec![], watched: None };
    let mut stepper = Stepper::new(params.optimizer, network.n_params());
    let mut watch = Watch::<R>::new(params, network, train);
    let mut order = watch.trained_rows().to_vec();
    // Layers have taken streams 1 to L.
    let mut rng = ChaCha20Rng::seed_from_u64(params.seed);
    let first = evaluate_aloud(ctx, network, &fitted.w, train);
    fitted.history.push(history_row(0, first, network, &fitted.w, test));
    watch.look(&fitted.w);
    let epochs = params.samples_of_epochs(order.len());
    let n_epochs = epochs.len();
    let progress = ctx.progress(epochs.iter().sum(), "train: samples");
    let done = ctx.resume(FIT, |saved| go_on(saved, &mut fitted, &mut stepper, &mut watch)).unwrap_or(0);
    for (number, n) in (1..).zip(epochs) {
        // Of the epochs that are done, only the last can have met a rule.
        if number > done && watch.met().is_some() {
            break;
        }
        order.shuffle(&mut rng);
        if number <= done {
            progress.add(n);
            continue;
        }
        let (rows, batch) = (&order[..n], params.batch_size);
        let w = &mut fitted.w;
        let found = epoch(network, w, &mut stepper, train, rows, batch, &mut |n| progress.add(n));
        if !found.loss.is_finite() || found.loss > DIVERGED * first.0 {
            return Err(diverged(params, number, found.loss));
        }
        let row = history_row(number, (found.loss, Some(found.accuracy)), network, w, test);
        tracing::debug!("train: epoch {number}: loss {:.3e}, test loss {:.3e}", row[1], row[3]);
        fitted.history.push(row);
        watch.look(&fitted.w);
        if params.checkpoint_epochs.contains(&number) {
            fitted.checkpoints.push((number, fitted.w.clone()));
        }
        let far = format_args!("epoch {number} of {n_epochs}");
        ctx.may_stop(FIT, far, || state(&fitted, &stepper, &watch))?;
    }
    ctx.ended(FIT, state(&fitted, &stepper, &watch));
    if let Some((watched, best)) = watch.end() {
        fitted.w = best.unwrap_or(fitted.w);
        fitted.watched = Some(watched);
    }
    Ok(fitted)
}

/// All that the next epoch depends on, but the order of the samples, which follows from the seed.
fn state<R: Real>(fitted: &Fitted<R>, stepper: &Stepper<R>, watch: &Watch<R>) -> Checkpoint {
    let (first, second, steps) = stepper.state();
    let epochs = fitted.history.len() - 1;
    let far = Far { epochs, steps, kept: fitted.checkpoints.iter().map(|c| c.0).collect() };
    watch
        .save(Checkpoint::new(&far))
        .with("w", wide(&fitted.w))
        .with("first", wide(first))
        .with("second", wide(second))
        .with("history", fitted.history.iter().flatten().copied())
        .with("checkpoints", fitted.checkpoints.iter().flat_map(|c| wide(&c.1)))
}

/// Takes up what [`state`] saved; gives the epochs that are done.
fn go_on<R: Real>(
    saved: &Checkpoint,
    fitted: &mut Fitted<R>,
    stepper: &mut Stepper<R>,
    watch: &mut Watch<R>,
) -> Option<usize> {
    let far: Far = saved.facts()?;
    let (p, moments) = (fitted.w.len(), stepper.state().1.len());
    let (w, first) = (saved.array("w", p)?, saved.array("first", p)?);
    let second = saved.array("second", moments)?;
    let history = saved.array("history", (far.epochs + 1) * HISTORY_COLUMNS.len())?;
    let checkpoints = saved.array("checkpoints", far.kept.len() * p)?;
    watch.go_on(saved, far.epochs, p)?;
    stepper.go_on(narrow(first), narrow(second), far.steps);
    let history = history.as_chunks().0.to_vec();
    let checkpoints = far.kept.into_iter().zip(checkpoints.chunks(p).map(narrow)).collect();
    *fitted = Fitted { w: narrow(w), history, checkpoints, watched: None };
    Some(far.epochs)
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

/// Training that left the finite numbers, or weights that were never there.
pub fn diverged(params: &Train, epoch: usize, loss: f64) -> pipeline::Error {
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
