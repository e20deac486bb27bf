//! What decides when training ends, where `train.stop` asks for it: looks after each epoch, and the best weights so far.

use experiment::gather;
use landscape::passes::gradient::full_gradient;
use landscape::training::stop::{Look, StopEnd, StopRules, best};
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::Train;
use records::train::Stopped;
use store::checkpoint::Checkpoint;

use crate::evaluate::evaluate;
use crate::saved::{narrow, wide};

/// Columns that a stop adds to the history: after the epoch; NaN where no rule asks for it.
pub const WATCHED_COLUMNS: [&str; 2] = ["validation_loss", "gradient_norm"];
/// The stream of `train.seed` that draws the held-out samples: batches have 0, layers the next.
const HELD_OUT_STREAM: u64 = u64::MAX;

/// How a training with a stop ended.
pub struct Watched {
    pub stopped: Stopped,
    /// (epochs + 1, 2), as [`WATCHED_COLUMNS`]
    pub columns: Array2<f64>,
}

/// Looks at the weights after each epoch; without a stop, at nothing.
pub struct Watch<'a, R> {
    rules: Option<StopRules>,
    network: &'a Network,
    /// rows that are trained on, ascending
    rows: Vec<usize>,
    /// those rows, where their gradient is asked for
    trained: Option<Samples>,
    held_out: Option<Samples>,
    looks: Vec<Look>,
    /// weights with the smallest held-out loss, (p,); (0,) without held-out samples
    best: Array1<R>,
}

impl<'a, R: Real> Watch<'a, R> {
    pub fn new(params: &Train, network: &'a Network, train: &Samples) -> Self {
        let (rows, held_out) = apart(params, train.len());
        let asks = params.stop.is_some_and(|stop| stop.gradient_norm.is_some());
        let trained = if held_out.is_empty() { train.clone() } else { gather::<R>(train, &rows) };
        Self {
            rules: params.stop.map(|stop| stop.rules()),
            network,
            rows,
            trained: asks.then_some(trained),
            held_out: (!held_out.is_empty()).then(|| gather::<R>(train, &held_out)),
            looks: vec![],
            best: Array1::zeros(0),
        }
    }

    /// Rows that are trained on, ascending.
    pub fn trained_rows(&self) -> &[usize] {
        &self.rows
    }

    /// Looks at `w` (p,) after an epoch, or before the first.
    pub fn look(&mut self, w: &Array1<R>) {
        if self.rules.is_none() {
            return;
        }
        let norm = |samples: &Samples| {
            let gradient = full_gradient(self.network, &w.view(), samples, &|_| ());
            gradient.dot(&gradient).sqrt()
        };
        let loss = |samples: &Samples| evaluate(self.network, w, samples, &|_| ()).0;
        self.looks.push(Look {
            validation_loss: self.held_out.as_ref().map_or(f64::NAN, loss),
            gradient_norm: self.trained.as_ref().map_or(f64::NAN, norm),
        });
        if self.held_out.is_some() && best(&self.looks) == self.looks.len() - 1 {
            self.best.clone_from(w);
        }
    }

    /// The rule that is met; `None`: training goes on.
    pub fn met(&self) -> Option<StopEnd> {
        self.rules?.met(&self.looks)
    }

    /// With all that [`Self::go_on`] needs.
    pub fn save(&self, checkpoint: Checkpoint) -> Checkpoint {
        let looks = self.looks.iter().flat_map(|l| [l.validation_loss, l.gradient_norm]);
        checkpoint.with("looks", looks).with("best", wide(&self.best))
    }

    /// Takes up what was saved after so many epochs, of p parameters; `None` where it is of something else.
    pub fn go_on(&mut self, saved: &Checkpoint, epochs: usize, p: usize) -> Option<()> {
        let n_looks = if self.rules.is_some() { epochs + 1 } else { 0 };
        let looks = saved.array("looks", 2 * n_looks)?;
        let best = saved.array("best", if self.held_out.is_some() { p } else { 0 })?;
        let look = |&[validation_loss, gradient_norm]: &[f64; 2]| Look { validation_loss, gradient_norm };
        self.looks = looks.as_chunks().0.iter().map(look).collect();
        self.best = narrow(best);
        Some(())
    }

    /// How training ended, and the best weights where no small gradient ended it: they are w* then; `None` without a stop.
    pub fn end(self) -> Option<(Watched, Option<Array1<R>>)> {
        self.rules?;
        let by = self.met().unwrap_or(StopEnd::Limit);
        let epochs = self.looks.len() - 1;
        let takes_best = self.held_out.is_some() && by != StopEnd::GradientNorm;
        let best_epoch = if takes_best { best(&self.looks) } else { epochs };
        let look = self.looks[best_epoch];
        let stopped = Stopped {
            by,
            epochs,
            best_epoch,
            n_trained: self.rows.len(),
            n_held_out: self.held_out.as_ref().map_or(0, Samples::len),
            gradient_norm: self.trained.is_some().then_some(look.gradient_norm),
            validation_loss: self.held_out.is_some().then_some(look.validation_loss),
        };
        let columns = Array2::from_shape_fn((self.looks.len(), WATCHED_COLUMNS.len()), |(i, c)| {
            [self.looks[i].validation_loss, self.looks[i].gradient_norm][c]
        });
        Some((Watched { stopped, columns }, takes_best.then_some(self.best)))
    }
}

/// Rows that are trained on, and those that are held out, each ascending.
fn apart(params: &Train, n_samples: usize) -> (Vec<usize>, Vec<usize>) {
    let mut rows = (0..n_samples).collect::<Vec<_>>();
    let n_held_out = params.n_held_out(n_samples);
    if n_held_out == 0 {
        return (rows, vec![]);
    }
    let mut rng = ChaCha20Rng::seed_from_u64(params.seed);
    rng.set_stream(HELD_OUT_STREAM);
    rows.shuffle(&mut rng);
    let mut held_out = rows.split_off(n_samples - n_held_out);
    rows.sort_unstable();
    held_out.sort_unstable();
    (rows, held_out)
}

/// What looks wrong with how training ended.
pub fn warnings(params: &Train, stopped: &Stopped) -> Vec<String> {
    let goals = [
        stopped.gradient_norm.zip(params.stop.and_then(|stop| stop.gradient_norm)).map(|(found, goal)| {
            format!("the gradient norm is {found:.3e}, where stop.gradient_norm is {goal:e}")
        }),
        params.stop.and_then(|stop| stop.patience).map(|patience| {
            let best = stopped.best_epoch;
            format!("the held-out loss was smallest after epoch {best}, and stop.patience is {patience}")
        }),
    ];
    let goals = goals.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let limit = (stopped.by == StopEnd::Limit).then(|| {
        format!("all {} epochs passed before the stop: {goals}; raise train.epochs", stopped.epochs)
    });
    let untrained = (stopped.best_epoch == 0).then(|| {
        "the first weights are the best: no epoch lowered the held-out loss, or their gradient is below \
         stop.gradient_norm already; look at the learning rate and at the stop"
            .to_owned()
    });
    limit.into_iter().chain(untrained).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landscape::Inputs;
    use landscape::numeric::samples::Targets;
    use ndarray::array;
    use records::Precision;
    use records::train::{Activation, Initialisation, Loss, Optimizer, Stop};

    use super::*;

    const NONE: Stop = Stop { gradient_norm: None, validation: None, patience: None };

    fn params(stop: Stop) -> Train {
        Train {
            hidden: vec![],
            layers: None,
            output_bias: true,
            activation: Activation::Relu,
            loss: Loss::SquaredError,
            precision: Precision::F64,
            optimizer: Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0 },
            batch_size: 2,
            epochs: 9,
            steps: None,
            stop: Some(stop),
            checkpoint_epochs: vec![],
            initialisation: Initialisation::He,
            seed: 5,
            weights: None,
            weights_layers: None,
            polish: None,
        }
    }

    /// A share that is held out, with patience.
    fn share(of: f64, patience: usize) -> Stop {
        Stop { validation: Some(of), patience: Some(patience), ..NONE }
    }

    #[test]
    fn held_out_samples_are_a_share_that_is_not_trained_on() {
        let (rows, held_out) = apart(&params(share(0.25, 2)), 10);
        // 2.5 rounds to 3.
        assert_eq!((rows.len(), held_out.len()), (7, 3));
        let mut all = [rows.clone(), held_out.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert!(rows.is_sorted() && held_out.is_sorted() && held_out != [7, 8, 9], "{held_out:?}");
        assert_eq!(apart(&params(share(0.01, 2)), 10).1.len(), 1);
        assert_eq!(apart(&params(share(0.99, 2)), 2).0.len(), 1);
        // Nothing can be held out of one sample, nor of none, as in a plan that knows no samples yet.
        assert_eq!([1, 0].map(|n| params(share(0.5, 2)).n_held_out(n)), [0, 0]);
        assert_eq!(apart(&params(Stop { gradient_norm: Some(0.1), ..NONE }), 4), (vec![0, 1, 2, 3], vec![]));
    }

    /// One weight and a bias, `f = w x + b`, squared error: gradients by hand.
    #[test]
    fn looks_are_the_loss_held_out_and_the_gradient_of_the_rest() {
        let network = Network::new(&[1, 1], Activation::Relu, Loss::SquaredError);
        let x = array![[1.0], [2.0], [-1.0]];
        let targets = Targets::Values(array![[2.0], [0.0], [1.0]]);
        let samples = Samples::new(Inputs::F64(Arc::new(x)), targets, (1.0, 0.0, 1.0));
        let params = params(Stop { gradient_norm: Some(1e-3), ..share(0.4, 1) });
        let mut watch = Watch::<f64>::new(&params, &network, &samples);
        let held_out = (0..3).find(|i| !watch.trained_rows().contains(i)).unwrap();
        let residuals = |w: [f64; 2]| [w[0] + w[1] - 2.0, 2.0 * w[0] + w[1], -w[0] + w[1] - 1.0];
        let norm = |w: [f64; 2]| {
            let (e, x) = (residuals(w), [1.0, 2.0, -1.0]);
            let rows = watch.rows.clone();
            let mean = |of: &dyn Fn(usize) -> f64| rows.iter().map(|&i| of(i)).sum::<f64>() / 2.0;
            mean(&|i| e[i] * x[i]).hypot(mean(&|i| e[i]))
        };
        let points = [[0.5, -0.25], [0.25, 0.5], [3.0, -2.0]];
        let expected = points.map(|w| (residuals(w)[held_out].powi(2) / 2.0, norm(w)));
        let mut lowest = 0;
        for (i, w) in points.into_iter().enumerate() {
            watch.look(&Array1::from(w.to_vec()));
            let look = watch.looks[i];
            assert!((look.validation_loss - expected[i].0).abs() <= 1e-14, "{look:?} {expected:?}");
            assert!((look.gradient_norm - expected[i].1).abs() <= 1e-14, "{look:?} {expected:?}");
            if expected[i].0 < expected[lowest].0 {
                lowest = i;
            }
        }
        let (Watched { stopped, columns }, w) = watch.end().unwrap();
        assert_eq!((stopped.best_epoch, stopped.epochs, columns.dim()), (lowest, 2, (3, 2)));
        assert_eq!((stopped.n_trained, stopped.n_held_out), (2, 1));
        assert_eq!(w.unwrap().to_vec(), points[lowest]);
        assert_eq!(stopped.validation_loss.unwrap().to_bits(), columns[[lowest, 0]].to_bits());
    }

    #[test]
    fn a_limit_is_a_warning_with_what_was_asked() {
        let params = params(Stop { gradient_norm: Some(1e-3), ..share(0.4, 7) });
        let stopped = Stopped {
            by: StopEnd::Limit,
            epochs: 9,
            best_epoch: 4,
            n_trained: 6,
            n_held_out: 4,
            gradient_norm: Some(0.02),
            validation_loss: Some(1.0),
        };
        assert_eq!(
            warnings(&params, &stopped),
            [
                "all 9 epochs passed before the stop: the gradient norm is 2.000e-2, where stop.gradient_norm is 1e-3; \
              the held-out loss was smallest after epoch 4, and stop.patience is 7; raise train.epochs"
            ]
        );
        let ended = Stopped { by: StopEnd::Validation, ..stopped };
        assert!(warnings(&params, &ended).is_empty());
        assert!(warnings(&params, &Stopped { best_epoch: 0, ..ended })[0].starts_with("the first weights"));
    }
}
