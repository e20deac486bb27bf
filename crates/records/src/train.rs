//! What `train` is told and what it records.

use std::path::PathBuf;

pub use landscape::network::activation::Activation;
pub use landscape::network::initialisation::Initialisation;
pub use landscape::network::loss::Loss;
pub use landscape::training::optimizer::Optimizer;
pub use landscape::training::polish::PolishEnd;
pub use landscape::training::stop::StopEnd;
use landscape::training::stop::StopRules;
use landscape::{Layer, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::{self, Architecture, LayerKeys};
use crate::ranges::{fraction, positive};
use crate::section::{Precision, Section, Unfit};
use crate::units::{LossValue, Samples};

/// From where training stopped to a minimiser of the loss over all samples, in f64.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Polish {
    /// ‖∇L_N‖ to reach, loss per parameter unit.
    #[schemars(transform = positive)]
    pub gradient_norm: f64,
    /// A most negative eigenvalue above −this counts as rounding, loss per squared parameter unit.
    #[schemars(transform = positive)]
    pub curvature: f64,
    /// Hessian-vector products of the Newton steps after which it gives up.
    #[schemars(range(min = 1))]
    pub max_products: usize,
    /// Products of each search for the most negative eigenvalue.
    #[schemars(range(min = 1))]
    pub eigen_products: usize,
    /// Memory in MiB within which activations are kept between the products of one step.
    pub primal_cache_mib: usize,
}

/// When training ends before its epochs do: at the first of these rules that is met.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// ‖∇L‖ over the samples that are trained on, below which training ends, loss per parameter unit.
    #[serde(default)]
    #[schemars(transform = positive)]
    pub gradient_norm: Option<f64>,
    /// Fraction of the samples that is held out: drawn from `seed`, and not trained on. They count in N. w* has the weights
    /// of the epoch with the smallest held-out loss.
    #[serde(default)]
    #[schemars(transform = fraction)]
    pub validation: Option<f64>,
    /// Epochs in a row without a smaller held-out loss, after which training ends.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub patience: Option<usize>,
}

impl Stop {
    /// The rules as training takes them.
    pub fn rules(&self) -> StopRules {
        StopRules { gradient_norm: self.gradient_norm, patience: self.patience }
    }
}

/// Parameters of `train`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Widths of the hidden layers, all of them linear; input and output follow from the data. Empty: softmax regression.
    #[schemars(inner(range(min = 1)))]
    pub hidden: Vec<usize>,
    /// The hidden layers from input to output, in the place of `hidden`: convolutions, pools and linear layers. Convolutions
    /// and pools need images: `fetch-data.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerKeys>>,
    /// Whether the output layer has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub output_bias: bool,
    /// After every hidden layer that names no other.
    pub activation: Activation,
    /// The per-sample loss.
    pub loss: Loss,
    /// Type of the products.
    pub precision: Precision,
    /// How the weights step.
    pub optimizer: Optimizer,
    /// Samples per step.
    #[schemars(range(min = 1))]
    pub batch_size: Samples,
    /// Passes over the samples; with `steps`, as many as these take.
    pub epochs: usize,
    /// Steps of the optimizer in all, instead of `epochs`: the members of a ladder are then trained alike. null: `epochs` passes.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub steps: Option<usize>,
    /// An earlier end, so that the members of a ladder are trained until the same point; `epochs` are then the most. null: none.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Epochs after which the weights are kept in `checkpoints.npy`; those after an earlier end are left out.
    #[schemars(inner(range(min = 1)))]
    pub checkpoint_epochs: Vec<usize>,
    /// How the weights begin.
    pub initialisation: Initialisation,
    /// Seed of weights and of the order of the batches.
    pub seed: u64,
    /// Weights trained elsewhere, instead of training: a `.safetensors` or `.npz` with W1, b1, W2, … or the names of a
    /// PyTorch `state_dict`; a flat `.npy` (p,); or a directory with W1.npy, b1.npy, …
    pub weights: Option<PathBuf>,
    /// Names of the layers in that file from input to output, such as `embed` for `embed.weight` and `embed.bias`; null: as
    /// their shapes and names say, which is refused where more than one order fits.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub weights_layers: Option<Vec<String>>,
    /// To a minimiser after training; null: w* is where training stopped.
    pub polish: Option<Polish>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_yes(value: &bool) -> bool {
    *value
}

impl Train {
    /// What decides the losses at given weights.
    pub(crate) fn function(&self) -> impl PartialEq + use<> {
        serde_json::json!([self.hidden, self.layers, self.output_bias, self.activation, self.loss])
    }

    /// The hidden layers, and the output layer with so many units.
    fn all_layers(&self, n_outputs: usize) -> Result<Vec<Layer>, Unfit> {
        let mut layers = match &self.layers {
            None => self.hidden.iter().map(|&n| Layer::linear(n, self.activation)).collect(),
            Some(layers) => {
                let layers = layers.iter().enumerate();
                let layers = layers.map(|(i, keys)| keys.layer(&format!("layers[{i}]"), self.activation));
                layers.collect::<Result<Vec<_>, _>>()?
            }
        };
        layers.push(Layer { bias: self.output_bias, ..Layer::linear(n_outputs, Activation::Identity) });
        Ok(layers)
    }

    /// How many samples each epoch takes, of `n_samples`: all, but for the last one where `steps` end within it.
    pub fn samples_of_epochs(&self, n_samples: Samples) -> Vec<Samples> {
        let Some(steps) = self.steps else { return vec![n_samples; self.epochs] };
        let of_epoch = n_samples.div_ceil(self.batch_size);
        let mut epochs = vec![n_samples; steps / of_epoch];
        let rest = (steps % of_epoch * self.batch_size).min(n_samples);
        epochs.extend((rest > 0).then_some(rest));
        epochs
    }

    /// How many of `n_samples` samples are held out where a stop asks for some: at least one, but one is left to train on.
    pub fn n_held_out(&self, n_samples: Samples) -> Samples {
        let held_out = |share: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // a share of a number of samples
            let wanted = (share * n_samples as f64).round() as usize;
            wanted.max(1).min(n_samples.saturating_sub(1))
        };
        self.stop.and_then(|stop| stop.validation).map_or(0, held_out)
    }

    /// The network over samples of a shape [C, H, W].
    ///
    /// # Errors
    /// If a layer does not fit the image below it.
    pub fn network(&self, image: [usize; 3], n_outputs: usize) -> Result<Network, Unfit> {
        network::network(image, self.all_layers(n_outputs)?, self.loss)
    }

    fn check_stop(&self) -> Result<(), Unfit> {
        let Some(stop) = self.stop else { return Ok(()) };
        Unfit::unless(stop.gradient_norm.is_some() || stop.validation.is_some(), "stop", || {
            "has no rule; gradient_norm, or validation with patience is needed, such as {validation: 0.1, patience: 5}".into()
        })?;
        Unfit::unless(stop.validation.is_some() == stop.patience.is_some(), "stop.patience", || {
            "goes with `validation`, and only with it".into()
        })?;
        Unfit::unless(self.weights.is_none(), "stop", || {
            "is about training, but `weights` are trained already; leave one of the two out".into()
        })?;
        Unfit::unless(self.steps.is_none(), "stop", || {
            "goes with `epochs`, which are then the most; leave out `steps`".into()
        })?;
        Unfit::unless(stop.validation.is_none() || self.polish.is_none(), "stop.validation", || {
            "takes samples out, but `polish` goes on over all of them; leave one of the two out".into()
        })
    }
}

impl Section for Train {
    const STAGE: &'static str = "train";

    fn check(&self) -> Result<(), Unfit> {
        self.check_stop()?;
        Unfit::unless(self.weights.is_some() || self.weights_layers.is_none(), "weights_layers", || {
            "goes with `weights`, and only with it".into()
        })?;
        self.all_layers(1)?;
        Unfit::unless(
            self.steps.is_none() || self.checkpoint_epochs.is_empty(),
            "checkpoint_epochs",
            || "epochs are counted where `steps` are not given; leave one of the two out".into(),
        )?;
        let beyond = self.checkpoint_epochs.iter().find(|&&epoch| epoch > self.epochs);
        beyond.map_or(Ok(()), |epoch| {
            Err(Unfit::new("checkpoint_epochs", format!("{epoch}; epochs count from 1 to {}", self.epochs)))
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.weights.iter().cloned().collect()
    }
}

/// Facts of `train`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// of `loss_history.npy`
    pub history_columns: Vec<String>,
    /// epochs of the rows of `checkpoints.npy`
    pub checkpoint_epochs: Vec<usize>,
    /// of the stop, if there was one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stopped>,
    /// of the polish, if there was one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polish: Option<Polished>,
    /// layers, and the shape of the samples
    pub network: Architecture,
    /// after the hidden layers that name no other
    pub activation: Activation,
    /// per sample
    pub loss: Loss,
    /// p
    pub n_params: usize,
    /// of w*
    pub layout: Vec<Placed>,
    /// at w*
    pub train_loss: LossValue,
    /// fraction; null for regression
    pub train_accuracy: Option<f64>,
    /// null without a test split
    pub test_loss: Option<LossValue>,
    /// fraction
    pub test_accuracy: Option<f64>,
    /// ‖∇L_N(w*)‖, loss per parameter unit
    pub gradient_norm: f64,
    /// `trained`, or the file of the weights
    pub origin: String,
    /// names of the layers in that file, from input to output; empty where it names none
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brought_layers: Vec<String>,
    /// of a network with squared error
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "train";
}

/// How a training with a stop ended.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Stopped {
    /// the rule that ended it, or `limit`
    pub by: StopEnd,
    /// that were trained
    pub epochs: usize,
    /// whose weights w* has: the last, or that with the smallest held-out loss
    pub best_epoch: usize,
    /// trained on
    pub n_trained: Samples,
    /// of N, not trained on; 0 without a held-out share
    pub n_held_out: Samples,
    /// ‖∇L‖ over the samples that were trained on after that epoch, loss per parameter unit; null where no rule asks for it
    pub gradient_norm: Option<f64>,
    /// mean over the held-out samples after that epoch; null without them
    pub validation_loss: Option<LossValue>,
}

/// How well outputs fit their targets; the loss ½‖f − y‖² is in squared units of the target.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Fit {
    /// root of the mean of (f − y)² over samples and outputs, in units of the target
    pub train_rmse: f64,
    /// 1 − the sum of (f − y)² over that of the mean target as answer; null where all targets are the same
    pub train_r_squared: Option<f64>,
    /// the same on the test split; null without one
    pub test_rmse: Option<f64>,
    /// the same on the test split, against its own mean
    pub test_r_squared: Option<f64>,
}

/// Where an array lies in w*.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Placed {
    /// `W1`, `b1`, `W2`, …
    pub name: String,
    /// lengths of its axes
    pub shape: Vec<usize>,
    /// place of its first number
    pub offset: usize,
}

/// What a polish changed. Gradient norms in loss per parameter unit, eigenvalues in loss per squared parameter unit.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Polished {
    /// how it ended
    pub status: PolishEnd,
    /// of `polish_path.npy`
    pub path_columns: Vec<String>,
    /// the goal
    pub gradient_norm_wanted: f64,
    /// Newton steps
    pub n_steps: usize,
    /// Hessian-vector products
    pub n_products: usize,
    /// moves along the most negative eigenvector
    pub n_escapes: usize,
    /// steps that met negative curvature
    pub negative_curvature_steps: usize,
    /// ‖w* − w_trained‖, parameter units
    pub distance: f64,
    /// L_N where training stopped
    pub loss_before: LossValue,
    /// L_N(w*)
    pub loss_after: LossValue,
    /// where training stopped
    pub gradient_norm_before: f64,
    /// at w*
    pub gradient_norm_after: f64,
    /// where training stopped
    pub smallest_eigenvalue_before: f64,
    /// of that
    pub smallest_eigenvalue_before_residual: f64,
    /// at w*
    pub smallest_eigenvalue_after: f64,
    /// of that
    pub smallest_eigenvalue_after_residual: f64,
}
