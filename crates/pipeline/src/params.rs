//! The sections of `pipeline.yaml`, one type per stage. Defaults and their reasons are comments in that file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Section, Unfit};

/// Stages in the order in which they run.
pub const STAGES: [&str; 8] =
    ["fetch-data", "train", "eigen", "montecarlo", "bound", "spectrum", "stream", "report"];

/// What a section may be called: a stage, or the join of a family.
pub fn sections() -> Vec<&'static str> {
    [&STAGES[..], &["family"]].concat()
}

/// The embedded data set, beside `pipeline.yaml`.
pub const DIGITS: &str = "data/digits.csv.gz";

fn positive(key: &str, x: f64) -> Result<(), Unfit> {
    Unfit::unless(x.is_finite() && x > 0.0, key, || format!("{x}; a finite number above 0 is needed"))
}

fn at_least(key: &str, x: usize, least: usize) -> Result<(), Unfit> {
    Unfit::unless(x >= least, key, || format!("{x}; at least {least} is needed"))
}

fn unique_names<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Unfit> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let plain = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !name.starts_with('.');
        Unfit::unless(plain, key, || {
            format!("name {name:?}; letters, digits, `-`, `_` and `.` are allowed, as it names a folder")
        })?;
        Unfit::unless(seen.insert(name), key, || {
            format!("name {name:?} stands twice; each needs its own folder")
        })?;
    }
    Ok(())
}

/// Floating-point type of the large products. Losses, sums and dot products are `f64` in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits
    F32,
    /// 64 bits
    F64,
}

/// Which data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    /// The 1,797 embedded digits of 8 × 8 pixels.
    Digits,
    /// MNIST, 60,000 + 10,000 images of 28 × 28 pixels.
    Mnist,
    /// Fashion-MNIST, the same sizes.
    FashionMnist,
    /// The user's own files.
    Files,
}

/// Where the bytes of a known data set are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `data/<set>/` beside `pipeline.yaml`
    Cache,
    /// `directory`
    Directory,
    /// `mirrors`
    Https,
    /// the npm package
    Npm,
    /// the Debian package
    Debian,
}

/// The user's own arrays.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFiles {
    /// `.npy` (N, D) u8, f32 or f64; or `.npz` that holds it under `x`.
    pub train_x: PathBuf,
    /// `.npy` (N,), integers (classes) or floats (targets); or `.npz` that holds it under `y`.
    pub train_y: PathBuf,
    /// The same for the test split, if there is one.
    pub test_x: Option<PathBuf>,
    /// The same for the test split, if there is one.
    pub test_y: Option<PathBuf>,
}

/// How raw values become network inputs: `(raw / scale − mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Raw value that becomes 1, such as 255 for bytes.
    pub scale: f64,
    /// Subtracted after scaling.
    pub mean: f64,
    /// Divided by, last.
    pub std: f64,
}

/// The order in which samples arrive; it gives a prefix its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleOrder {
    /// As in the file.
    File,
    /// Drawn once from `seed`.
    Shuffled,
    /// From the `.npy` file `order_file`, (N,) integers: row numbers of the file.
    Given,
}

/// Parameters of `fetch-data`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FetchData {
    /// Which data set.
    pub dataset: Dataset,
    /// Where it is looked for, in this order.
    pub sources: Vec<Source>,
    /// A directory with the four IDX files, plain or gzipped, for the source `directory`.
    pub directory: Option<PathBuf>,
    /// URLs of directories with the four gzipped IDX files, tried in order; empty: those known to work.
    pub mirrors: Vec<String>,
    /// Seconds until an unanswered mirror is given up.
    pub timeout_seconds: u64,
    /// The user's own arrays, for `dataset: files`.
    pub files: Option<OwnFiles>,
    /// Only samples of the first so many classes are kept, of both splits; null: all.
    pub classes: Option<usize>,
    /// The first so many samples of the order are kept; null: all.
    pub n_samples: Option<usize>,
    /// The order in which samples arrive.
    pub order: SampleOrder,
    /// Row numbers, for `order: given`.
    pub order_file: Option<PathBuf>,
    /// Seed of `order: shuffled`, and of the split of `digits`.
    pub seed: u64,
    /// Samples kept aside as test split where the data set has none (`digits`).
    pub n_test: usize,
    /// How raw values become inputs.
    pub normalisation: Normalisation,
}

impl Section for FetchData {
    const STAGE: &'static str = "fetch-data";

    fn check(&self) -> Result<(), Unfit> {
        positive("normalisation.scale", self.normalisation.scale)?;
        positive("normalisation.std", self.normalisation.std)?;
        Unfit::unless(self.normalisation.mean.is_finite(), "normalisation.mean", || "not finite".into())?;
        if let Some(n) = self.n_samples {
            at_least("n_samples", n, 2)?;
        }
        if let Some(n) = self.classes {
            at_least("classes", n, 2)?;
        }
        let own = self.dataset == Dataset::Files;
        Unfit::unless(own == self.files.is_some(), "files", || {
            "goes with `dataset: files`, and only with it".into()
        })?;
        if let Some(files) = &self.files {
            Unfit::unless(files.test_x.is_some() == files.test_y.is_some(), "files.test_x", || {
                "a test split needs both test_x and test_y".into()
            })?;
        }
        Unfit::unless((self.order == SampleOrder::Given) == self.order_file.is_some(), "order_file", || {
            "goes with `order: given`, and only with it".into()
        })?;
        let known = matches!(self.dataset, Dataset::Mnist | Dataset::FashionMnist);
        Unfit::unless(!known || !self.sources.is_empty(), "sources", || {
            "empty; at least one of cache, directory, https, npm, debian is needed".into()
        })?;
        let needs = self.sources.contains(&Source::Directory);
        Unfit::unless(!needs || self.directory.is_some(), "directory", || {
            "null, but `sources` names `directory`; give the path or take it from `sources`".into()
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let own = self.files.iter().flat_map(|f| {
            [Some(&f.train_x), Some(&f.train_y), f.test_x.as_ref(), f.test_y.as_ref()].into_iter().flatten()
        });
        let digits = (self.dataset == Dataset::Digits).then(|| PathBuf::from(DIGITS));
        own.chain(&self.order_file).cloned().chain(digits).collect()
    }
}

/// The function after every layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(z, 0)
    Relu,
    /// tanh z
    Tanh,
    /// z Φ(z), exact (erf)
    Gelu,
    /// log(1 + exp z)
    Softplus,
    /// 1 / (1 + exp −z)
    Sigmoid,
    /// z
    Identity,
}

/// The per-sample loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// −log softmax(f)_y, in nats
    SoftmaxCrossEntropy,
    /// ½‖f − y‖²; classes as one-hot targets
    SquaredError,
}

/// How the weights step.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Kingma & Ba 2015
    Adam {
        /// step length
        learning_rate: f64,
        /// decay of the first moment
        beta1: f64,
        /// decay of the second moment
        beta2: f64,
        /// added to the root of the second moment
        epsilon: f64,
    },
    /// stochastic gradient descent
    Sgd {
        /// step length
        learning_rate: f64,
        /// 0: none
        momentum: f64,
    },
}

/// Distribution of the weights before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// W and b uniform in ±1/√fan-in, as `torch.nn.Linear` does.
    FanInUniform,
    /// W ~ N(0, 2/fan-in), b = 0 (He et al. 2015).
    He,
    /// W uniform in ±√(6/(fan-in + fan-out)), b = 0 (Glorot & Bengio 2010).
    Glorot,
}

/// From where training stopped to a minimiser of the loss over all samples, in f64.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Polish {
    /// ‖∇L_N‖ to reach, nats per parameter unit.
    pub gradient_norm: f64,
    /// A most negative eigenvalue above −this counts as rounding, nats per squared parameter unit.
    pub curvature: f64,
    /// Hessian-vector products of the Newton steps after which it gives up.
    pub max_products: usize,
    /// Products of each search for the most negative eigenvalue.
    pub eigen_products: usize,
    /// Memory in MiB within which activations are kept between the products of one step.
    pub primal_cache_mib: usize,
}

/// Parameters of `train`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Widths of the hidden layers; input and output follow from the data. Empty: softmax regression.
    pub hidden: Vec<usize>,
    /// After every layer but the last.
    pub activation: Activation,
    /// The per-sample loss.
    pub loss: Loss,
    /// Type of the products.
    pub precision: Precision,
    /// How the weights step.
    pub optimizer: Optimizer,
    /// Samples per step.
    pub batch_size: usize,
    /// Passes over the samples.
    pub epochs: usize,
    /// Epochs after which the weights are kept in `checkpoints.npy`.
    pub checkpoint_epochs: Vec<usize>,
    /// How the weights begin.
    pub initialisation: Initialisation,
    /// Seed of weights and of the order of the batches.
    pub seed: u64,
    /// Weights trained elsewhere, instead of training: a `.safetensors` or `.npz` with W1, b1, W2, … or the names of a
    /// PyTorch `state_dict`; a flat `.npy` (p,); or a directory with W1.npy, b1.npy, …
    pub weights: Option<PathBuf>,
    /// To a minimiser after training; null: w* is where training stopped.
    pub polish: Option<Polish>,
}

impl Section for Train {
    const STAGE: &'static str = "train";

    fn check(&self) -> Result<(), Unfit> {
        for &width in &self.hidden {
            at_least("hidden", width, 1)?;
        }
        at_least("batch_size", self.batch_size, 1)?;
        let fraction = |key: &str, x: f64| {
            Unfit::unless((0.0..1.0).contains(&x), key, || format!("{x}; a number in [0, 1) is needed"))
        };
        match self.optimizer {
            Optimizer::Adam { learning_rate, beta1, beta2, epsilon } => {
                positive("optimizer.learning_rate", learning_rate)?;
                fraction("optimizer.beta1", beta1)?;
                fraction("optimizer.beta2", beta2)?;
                positive("optimizer.epsilon", epsilon)?;
            }
            Optimizer::Sgd { learning_rate, momentum } => {
                positive("optimizer.learning_rate", learning_rate)?;
                fraction("optimizer.momentum", momentum)?;
            }
        }
        if let Some(polish) = &self.polish {
            positive("polish.gradient_norm", polish.gradient_norm)?;
            positive("polish.curvature", polish.curvature)?;
            at_least("polish.max_products", polish.max_products, 1)?;
            at_least("polish.eigen_products", polish.eigen_products, 1)?;
        }
        for &epoch in &self.checkpoint_epochs {
            Unfit::unless((1..=self.epochs).contains(&epoch), "checkpoint_epochs", || {
                format!("{epoch}; epochs count from 1 to {}", self.epochs)
            })?;
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.weights.iter().cloned().collect()
    }
}

/// Which end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// largest algebraic
    LargestAlgebraic,
    /// largest in magnitude
    LargestMagnitude,
    /// smallest algebraic
    SmallestAlgebraic,
}

/// The eigensolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// thick-restart Lanczos with full reorthogonalisation
    Lanczos,
    /// deflated power iteration, the method of the paper
    Power,
}

/// Parameters of `eigen`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Eigen {
    /// Dimension d of the subspace: how many eigenpairs.
    pub dim: usize,
    /// Which end of the spectrum.
    pub which: Which,
    /// The eigensolver.
    pub solver: Solver,
    /// Residual ‖Hu − μu‖ over |μ_1| at which a pair counts as converged.
    pub residual_tolerance: f64,
    /// Directions that Lanczos keeps before it restarts; null: max(4 dim, 20).
    pub max_subspace: Option<usize>,
    /// Hessian-vector products after which the solve gives up.
    pub max_products: usize,
    /// Seed of the first direction and of the random bases.
    pub seed: u64,
    /// Type of the products.
    pub precision: Precision,
    /// A basis to use instead of solving: `.npy` (d, p) with orthonormal rows.
    pub basis: Option<PathBuf>,
    /// Rows of the random and of the filter-normalised basis; 0: none.
    pub random_dim: usize,
    /// Step s between the two Hessians of the `eigenvalue` theory; that of `montecarlo`.
    pub step: usize,
    /// How many prefix sizes get their own eigenvalues, in geometric steps from `prefix_smallest` to N; 0: none.
    pub prefix_count: usize,
    /// The smallest of those prefix sizes, in samples.
    pub prefix_smallest: usize,
    /// Residual over |μ_1| for the eigenvalues of prefixes.
    pub prefix_residual_tolerance: f64,
    /// Memory in MiB within which activations at w* are kept between products.
    pub primal_cache_mib: usize,
}

impl Section for Eigen {
    const STAGE: &'static str = "eigen";

    fn check(&self) -> Result<(), Unfit> {
        at_least("dim", self.dim, 1)?;
        at_least("step", self.step, 1)?;
        at_least("prefix_smallest", self.prefix_smallest, 1)?;
        positive("residual_tolerance", self.residual_tolerance)?;
        positive("prefix_residual_tolerance", self.prefix_residual_tolerance)?;
        if let Some(m) = self.max_subspace {
            Unfit::unless(m > self.dim + 1, "max_subspace", || {
                format!("{m}; more than dim + 1 = {} is needed, 4 x dim is a usual choice", self.dim + 1)
            })?;
        }
        Unfit::unless(
            self.solver == Solver::Lanczos || self.which == Which::LargestMagnitude,
            "solver",
            || {
                "power iteration finds the largest magnitude; set `which: largest-magnitude`, or `solver: lanczos`".into()
            },
        )?;
        Unfit::unless(self.max_products >= self.dim, "max_products", || {
            format!(
                "{}; Lanczos yields at most one Ritz pair per product, so at least dim = {} is needed",
                self.max_products, self.dim
            )
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.basis.iter().cloned().collect()
    }
}

/// A basis that `eigen` wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BasisName {
    /// `basis.npy`: the eigenvectors, or the user's basis
    Hessian,
    /// `basis_random.npy`: orthonormal, uniformly random
    Random,
    /// `basis_filter.npy`: filter-normalised (Li et al. 2018), not orthonormal
    Filter,
}

impl BasisName {
    /// The artifact of `eigen` that holds it.
    pub fn file(self) -> &'static str {
        match self {
            Self::Hessian => "basis.npy",
            Self::Random => "basis_random.npy",
            Self::Filter => "basis_filter.npy",
        }
    }
}

/// How draws of θ are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// independent Gaussian draws
    Plain,
    /// pairs θ, −θ
    Antithetic,
    /// 16 scrambled Sobol sequences through the inverse normal distribution function
    Sobol,
}

impl Sampling {
    /// Draws come in multiples of this.
    pub fn multiple(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Antithetic => 2,
            Self::Sobol => 16,
        }
    }
}

/// Monte Carlo of V over a grid of σ by every sampling method, in the first directions of the Hessian basis.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The first so many directions, d; null: all.
    pub dim: Option<usize>,
    /// Standard deviations σ of θ, ascending, in parameter units.
    pub sigmas: Vec<f64>,
    /// The first so many samples take part, or all if there are fewer.
    pub n_samples: usize,
    /// Draws T per σ and method.
    pub draws: usize,
    /// Methods compared at each σ; `plain` is what the others and the theories are held against.
    pub methods: Vec<Sampling>,
}

impl Sweep {
    fn check(&self) -> Result<(), Unfit> {
        at_least("sweep.dim", self.dim.unwrap_or(1), 1)?;
        at_least("sweep.sigmas", self.sigmas.len(), 2)?;
        for &sigma in &self.sigmas {
            positive("sweep.sigmas", sigma)?;
        }
        Unfit::unless(self.sigmas.is_sorted_by(|a, b| a < b), "sweep.sigmas", || {
            "not ascending: the radius where a theory fails is looked for between neighbours".into()
        })?;
        at_least("sweep.n_samples", self.n_samples, 2)?;
        Unfit::unless(self.methods.contains(&Sampling::Plain), "sweep.methods", || {
            "`plain` is missing: the other methods and the theories are held against it".into()
        })?;
        for (i, method) in self.methods.iter().enumerate() {
            Unfit::unless(!self.methods[..i].contains(method), "sweep.methods", || {
                format!("{method:?} stands twice")
            })?;
            check_draws("sweep.draws", self.draws, *method, self.dim.unwrap_or(1))?;
        }
        Ok(())
    }
}

/// Whether `draws` draws of `dim` coordinates can be taken this way: whole groups, at least four of them.
fn check_draws(key: &str, draws: usize, method: Sampling, dim: usize) -> Result<(), Unfit> {
    let multiple = method.multiple();
    at_least(key, draws, if method == Sampling::Sobol { multiple } else { 4 * multiple })?;
    Unfit::unless(draws.is_multiple_of(multiple), key, || {
        format!("{draws}; a multiple of {multiple} is needed for {method:?} draws")
    })?;
    Unfit::unless(method != Sampling::Sobol || (dim <= 256 && draws <= 16 << 16), key, || {
        format!(
            "{draws} draws in {dim} directions; Sobol sequences have up to 256 directions and {} draws",
            16 << 16
        )
    })
}

/// One Δ_k curve: which directions, how many, how far.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Folder of its artifacts.
    pub name: String,
    /// Whose directions.
    pub basis: BasisName,
    /// The first so many of them, d.
    pub dim: usize,
    /// Standard deviation σ of each coordinate of θ, in parameter units.
    pub sigma: f64,
    /// Draws of another program instead of our own: `.npy` (T, d).
    #[serde(default)]
    pub theta: Option<PathBuf>,
}

/// A landscape over two directions: points on a lattice instead of draws.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Folder of its artifacts, after `grid_`.
    pub name: String,
    /// Whose first two directions.
    pub basis: BasisName,
    /// Points along each axis.
    pub points: usize,
    /// The axes run from −extent to extent, in parameter units.
    pub extent: f64,
    /// Prefix sizes k whose surfaces are kept, in samples; multiples of `step`.
    /// The largest k with k + step ≤ N is always kept too.
    pub prefix_sizes: Vec<usize>,
    /// So many more, in geometric steps from `step` to that: the places of the slider in the report.
    #[serde(default)]
    pub prefix_count: usize,
}

/// Parameters of `montecarlo`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MonteCarlo {
    /// Step s in samples: Δ_k compares k with k + s.
    pub step: usize,
    /// Draws T of θ per setting, or the most there may be where `relative_error` is set.
    pub draws: usize,
    /// How they are taken.
    pub sampling: Sampling,
    /// Whether V is estimated with the second-order model as control variate, for settings on the Hessian basis.
    pub control_variate: bool,
    /// Standard error of V over the draws, as a fraction of V, at which no more are taken; null: take all.
    pub relative_error: Option<f64>,
    /// Draw t is a function of (seed, t).
    pub seed: u64,
    /// Numbers of samples n from which V and K at full size are predicted; those below N are used.
    pub pilot_sizes: Vec<usize>,
    /// A comparison of sampling methods and theories over σ; null: none.
    pub sweep: Option<Sweep>,
    /// Type of the products.
    pub precision: Precision,
    /// Memory in MiB for the perturbed weights of all layers but the first.
    pub weights_mib: usize,
    /// The Δ_k curves.
    pub settings: Vec<Setting>,
    /// The landscapes.
    pub grids: Vec<Grid>,
}

impl Section for MonteCarlo {
    const STAGE: &'static str = "montecarlo";

    fn check(&self) -> Result<(), Unfit> {
        at_least("step", self.step, 1)?;
        at_least("settings", self.settings.len(), 1)?;
        at_least("weights_mib", self.weights_mib, 1)?;
        if let Some(relative_error) = self.relative_error {
            positive("relative_error", relative_error)?;
        }
        for (i, &n) in self.pilot_sizes.iter().enumerate() {
            at_least("pilot_sizes", n, 3)?;
            Unfit::unless(i == 0 || n > self.pilot_sizes[i - 1], "pilot_sizes", || {
                format!("{n} after {}; ascending numbers of samples are needed", self.pilot_sizes[i - 1])
            })?;
        }
        if let Some(sweep) = &self.sweep {
            sweep.check()?;
        }
        unique_names("settings", self.settings.iter().map(|s| s.name.as_str()))?;
        unique_names("grids", self.grids.iter().map(|g| g.name.as_str()))?;
        for (i, setting) in self.settings.iter().enumerate() {
            at_least(&format!("settings[{i}].dim"), setting.dim, 1)?;
            positive(&format!("settings[{i}].sigma"), setting.sigma)?;
            check_draws("draws", self.draws, self.sampling, setting.dim)?;
        }
        for (i, grid) in self.grids.iter().enumerate() {
            at_least(&format!("grids[{i}].points"), grid.points, 2)?;
            positive(&format!("grids[{i}].extent"), grid.extent)?;
            for &k in &grid.prefix_sizes {
                Unfit::unless(k > 0 && k % self.step == 0, &format!("grids[{i}].prefix_sizes"), || {
                    format!("{k}; a multiple of step = {} above 0 is needed", self.step)
                })?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.settings.iter().filter_map(|s| s.theta.clone()).collect()
    }
}

/// Parameters of `bound`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Tolerances for Δ_k, in nats².
    pub tolerances: Vec<f64>,
    /// Tolerances for √Δ_k as a fraction of the mean perturbed loss of the setting.
    pub relative_tolerances: Vec<f64>,
    /// Coverage of every interval.
    pub confidence: f64,
    /// Experiments `<this one>-pilot-<n>` on the first n samples alone, whose own w* and basis predict V and K.
    pub pilots: Vec<String>,
}

impl Section for Bound {
    const STAGE: &'static str = "bound";

    fn check(&self) -> Result<(), Unfit> {
        at_least("tolerances", self.tolerances.len(), 1)?;
        for &tolerance in &self.tolerances {
            positive("tolerances", tolerance)?;
        }
        for &tolerance in &self.relative_tolerances {
            positive("relative_tolerances", tolerance)?;
        }
        Unfit::unless(self.confidence > 0.0 && self.confidence < 1.0, "confidence", || {
            format!("{}; a number between 0 and 1 is needed, usually 0.95", self.confidence)
        })
    }

    fn experiments(&self) -> Vec<(String, &'static str)> {
        self.pilots.iter().map(|pilot| (pilot.clone(), "montecarlo")).collect()
    }

    fn check_experiments(&self, experiment: &str, known: &[String]) -> Result<(), Unfit> {
        for (i, pilot) in self.pilots.iter().enumerate() {
            let key = format!("pilots[{i}]");
            let size = pilot.strip_prefix(&format!("{experiment}-pilot-"));
            Unfit::unless(size.is_some_and(|n| n.parse::<usize>().is_ok()), &key, || {
                format!(
                    "{pilot:?}; a name {experiment}-pilot-<samples> is needed, by which the Makefile orders them"
                )
            })?;
            Unfit::unless(known.contains(pilot), &key, || {
                format!("{pilot:?}; the file has no such experiment")
            })?;
            Unfit::unless(!self.pilots[..i].contains(pilot), &key, || format!("{pilot:?} stands twice"))?;
        }
        Ok(())
    }
}

/// Parameters of `spectrum`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrum {
    /// The Hessian is that of the first so many samples; null: all.
    pub n_samples: Option<usize>,
    /// Type of the products.
    pub precision: Precision,
    /// Seed of every random direction and batch.
    pub seed: u64,
    /// Probes of the density; 0: no density.
    pub probes: usize,
    /// Lanczos steps of each.
    pub steps: usize,
    /// Standard deviation of the kernel that smooths the density, over the range of the spectrum.
    pub kernel_width: f64,
    /// Points at which the density is written.
    pub grid_points: usize,
    /// Directions of the sketch of Hutch++, in which the trace is exact.
    pub trace_sketch: usize,
    /// Probes for the rest of the trace; 0: no trace.
    pub trace_probes: usize,
    /// Eigenvalues at the upper end, among which the outliers are counted; 0: none.
    pub largest: usize,
    /// Eigenvalues at the lower end; 0: none.
    pub smallest: usize,
    /// Residual over the largest eigenvalue at which a pair counts as converged.
    pub residual_tolerance: f64,
    /// Products of each solve, after which its residuals are told as they are.
    pub max_products: usize,
    /// Prefix sizes at which outliers are counted, in geometric steps to all samples; 0: none.
    pub prefix_count: usize,
    /// The smallest of them, samples.
    pub prefix_smallest: usize,
    /// Outliers are also counted over the samples of the first so many classes.
    pub class_counts: Vec<usize>,
    /// Mini-batches whose gradient is split into the top subspace and the rest; 0: the full gradient only.
    pub gradient_batches: usize,
    /// Samples of each.
    pub gradient_batch_size: usize,
}

impl Section for Spectrum {
    const STAGE: &'static str = "spectrum";

    fn check(&self) -> Result<(), Unfit> {
        if let Some(n) = self.n_samples {
            at_least("n_samples", n, 1)?;
        }
        at_least("steps", self.steps, 1)?;
        positive("kernel_width", self.kernel_width)?;
        at_least("grid_points", self.grid_points, 2)?;
        Unfit::unless(self.trace_probes != 1, "trace_probes", || {
            "1; at least 2 are needed for a standard error, or 0 for no trace".into()
        })?;
        Unfit::unless(self.largest != 1, "largest", || {
            "1; at least 2 are needed to see a gap, or 0 for none".into()
        })?;
        positive("residual_tolerance", self.residual_tolerance)?;
        at_least("max_products", self.max_products, self.largest.max(self.smallest).max(1))?;
        at_least("prefix_smallest", self.prefix_smallest, 1)?;
        for &count in &self.class_counts {
            at_least("class_counts", count, 1)?;
        }
        at_least("gradient_batch_size", self.gradient_batch_size, 1)
    }
}

/// Parameters of `stream`: training while samples arrive.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Runs, each with an order of the samples, first weights and draws of its own; 0: the stage does nothing.
    pub seeds: usize,
    /// Of the first run; each has the next.
    pub seed: u64,
    /// Type of the products.
    pub precision: Precision,
    /// Samples that are there at the start.
    pub first: usize,
    /// Samples that arrive together: the step s.
    pub batch: usize,
    /// Passes over all samples that are there, at the start.
    pub first_epochs: usize,
    /// Passes over all samples that are there, after each arrival.
    pub epochs: usize,
    /// Directions: the top eigenvectors of the Hessian of the samples that are there.
    pub dim: usize,
    /// They are solved for again when the samples have grown by this factor.
    pub basis_growth: f64,
    /// Residual over the largest eigenvalue of that solve.
    pub residual_tolerance: f64,
    /// Standard deviation of each coordinate of θ, parameter units.
    pub sigma: f64,
    /// Draws of θ.
    pub draws: usize,
    /// Draws of θ, others, for the truth at a stop.
    pub truth_draws: usize,
    /// Δ below which the run may stop, nats².
    pub tolerance: f64,
    /// Of the upper limit, one-sided.
    pub confidence: f64,
    /// Newest samples, each judged before it was trained on, of the rule `limit-fresh`.
    pub window: usize,
}

impl Section for Stream {
    const STAGE: &'static str = "stream";

    fn check(&self) -> Result<(), Unfit> {
        at_least("first", self.first, 2)?;
        at_least("batch", self.batch, 1)?;
        at_least("epochs", self.epochs, 1)?;
        at_least("dim", self.dim, 1)?;
        at_least("draws", self.draws, 2)?;
        at_least("truth_draws", self.truth_draws, 1)?;
        at_least("window", self.window, 2)?;
        positive("sigma", self.sigma)?;
        positive("tolerance", self.tolerance)?;
        positive("residual_tolerance", self.residual_tolerance)?;
        Unfit::unless(self.basis_growth >= 1.0 && self.basis_growth.is_finite(), "basis_growth", || {
            format!("{}; at least 1 is needed: 1 solves at every arrival", self.basis_growth)
        })?;
        Unfit::unless(self.confidence > 0.5 && self.confidence < 1.0, "confidence", || {
            format!("{}; a number between 0.5 and 1 is needed, usually 0.95", self.confidence)
        })
    }
}

/// Parameters of `report`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// The setting whose K is the answer at the top; one of `montecarlo.settings`.
    pub answer: String,
    /// Whether the page sets its numbers beside those that the paper printed.
    pub compare_with_paper: bool,
    /// Pixels of the PNG per unit of the SVG.
    pub png_scale: f64,
}

impl Section for Report {
    const STAGE: &'static str = "report";

    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.png_scale > 0.0 && self.png_scale <= 10.0, "png_scale", || {
            format!("{}; a number above 0, at most 10, is needed: 2 gives sharp pictures", self.png_scale)
        })
    }
}
