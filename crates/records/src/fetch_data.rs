//! Parameters of `fetch-data`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Section, Unfit, at_least, positive};

/// The embedded data set, beside `pipeline.yaml`.
pub const DIGITS: &str = "data/digits.csv.gz";

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
