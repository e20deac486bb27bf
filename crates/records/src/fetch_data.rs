//! What `fetch-data` is told and what it records.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::arrays;

pub use catalogue::{Dataset, Normalisation};

use crate::section::{Section, Unfit};
use crate::units::Samples;

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

/// Which of the two labels of a record is the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// the second, of many classes
    Fine,
    /// the first, of few classes
    Coarse,
}

/// The user's own arrays.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFiles {
    /// X (N, D) of bool, u8, f32 or f64; further axes are joined. A `.npy` or IDX file, plain or .gz; or an `.npz`, of which
    /// `x` is read, or the array that the path names: `data.npz[x_train]`. Or a `.bin` of records as CIFAR's: one or two bytes of
    /// labels, then the bytes of an image of the shape `image`, [3, 32, 32] by default; `train_y` is the same file.
    pub train_x: PathBuf,
    /// y: integers or bool (N,) are classes from 0, floats (N,) or (N, C) are targets. A file as for X; of an `.npz`, `y`.
    pub train_y: PathBuf,
    /// The same for the test split, if there is one.
    pub test_x: Option<PathBuf>,
    /// The same for the test split, if there is one.
    pub test_y: Option<PathBuf>,
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
    /// A directory with the files of the data set, plain or gzipped, for the source `directory`.
    pub directory: Option<PathBuf>,
    /// URLs of directories with the gzipped files of the data set, tried in order; empty: those known to work.
    pub mirrors: Vec<String>,
    /// Seconds until an unanswered mirror is given up.
    #[schemars(range(max = 86_400))]
    pub timeout_seconds: u64,
    /// The user's own arrays, for `dataset: files`.
    pub files: Option<OwnFiles>,
    /// Only samples of the first so many classes are kept, of both splits, and the network has so many outputs; null: all, and
    /// an output for each class up to the largest.
    #[schemars(range(min = 2))]
    pub classes: Option<usize>,
    /// The first so many samples of the order are kept; null: all.
    #[schemars(range(min = 2))]
    pub n_samples: Option<Samples>,
    /// The order in which samples arrive.
    pub order: SampleOrder,
    /// Row numbers, for `order: given`.
    pub order_file: Option<PathBuf>,
    /// Seed of `order: shuffled`, and of the split of `digits`.
    pub seed: u64,
    /// Samples kept aside as test split where the data set has none (`digits`).
    pub n_test: Samples,
    /// How raw values become inputs; null: as belongs to the data set. The user's own files need it.
    pub normalisation: Option<Normalisation>,
    /// Shape [channels, height, width] of a sample, for convolutions and pools; null: as the data set has it, or as the axes of
    /// X say: (N, C, H, W), or (N, H, W) for one channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(max = 65_536)))]
    pub image: Option<[usize; 3]>,
    /// Of records with two labels (`cifar-100`): which is the class; null: the fine one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

impl FetchData {
    /// What decides which samples there are, and their order: not how many are kept, or where they are fetched.
    pub(crate) fn source(&self) -> impl PartialEq + use<> {
        let (sources, mirrors) = (vec![], vec![]);
        let own =
            Self { n_samples: None, directory: None, timeout_seconds: 0, sources, mirrors, ..self.clone() };
        serde_json::to_value(own).expect("plain JSON")
    }

    /// Whether anything is drawn from `seed`.
    pub(crate) fn draws(&self) -> bool {
        let splits = self.n_test > 0 && self.dataset.entry().is_some_and(|entry| entry.n_test == 0);
        self.order == SampleOrder::Shuffled || splits
    }

    /// Shape of an image of the user's own records; `None` where X is an array.
    pub fn records(&self) -> Option<[usize; 3]> {
        let x = &self.files.as_ref()?.train_x;
        let name = x.to_str()?.trim_end_matches(".gz");
        Path::new(name).extension().is_some_and(|e| e == "bin").then(|| self.image.unwrap_or([3, 32, 32]))
    }

    /// How many training samples there are at most, from the headers of files below `base`; `None` where it is not known.
    pub fn most_samples(&self, base: &Path) -> Option<Samples> {
        let all = self.all_samples(base);
        all.map_or(self.n_samples, |all| Some(self.n_samples.unwrap_or(all).min(all)))
    }

    /// The same without `n_samples`: how many there are to choose from.
    pub(crate) fn all_samples(&self, base: &Path) -> Option<Samples> {
        // So few that nothing can be done are refused by `fetch-data` too, which names the file.
        let of_file = |x: &Path| arrays::peek(x, "x").ok()?.0.first().copied().filter(|&n| n >= 2);
        match self.dataset.entry() {
            // So many kept aside are refused by `fetch-data`, which says what is possible.
            Some(entry) if entry.n_test == 0 && self.n_test + 2 > entry.n_train => None,
            Some(entry) => Some(entry.sizes(self.n_test).0),
            None => of_file(&base.join(&self.files.as_ref()?.train_x)),
        }
    }

    /// Whether the labels are floats, by the header of the user's file below `base`; false where it cannot be read.
    pub(crate) fn has_targets(&self, base: &Path) -> bool {
        let y = self.files.as_ref().map(|files| base.join(&files.train_y));
        y.is_some_and(|y| arrays::peek(&y, "y").is_ok_and(|(_, dtype)| dtype.contains('f')))
    }

    /// Outputs of the network, one for each class, where they are known before the labels are read.
    pub(crate) fn n_outputs(&self) -> Option<usize> {
        self.classes.or_else(|| self.dataset.entry().map(|entry| entry.classes))
    }

    /// Shape [C, H, W] of a sample, of the data set or from the header of X below `base`; [D, 1, 1] where it has none. `None`
    /// where it is not known.
    ///
    /// # Errors
    /// If `image` has other values than a sample, or X has them in another order.
    pub fn image(&self, base: &Path) -> Result<Option<[usize; 3]>, Unfit> {
        let own = self.files.as_ref().map(|files| &files.train_x);
        if let Some(image) = self.records() {
            return Ok(Some(image));
        }
        let axes = match (self.dataset.entry(), own) {
            (Some(entry), _) => Some(entry.image.to_vec()),
            (None, Some(x)) => {
                arrays::peek(&base.join(x), "x").ok().map(|(shape, _)| shape.into_iter().skip(1).collect())
            }
            (None, None) => None,
        };
        let Some(axes) = axes else { return Ok(self.image) };
        let features = axes.iter().product::<usize>();
        if let Some(image) = self.image {
            return Unfit::unless(image.iter().product::<usize>() == features, "image", || {
                format!(
                    "{image:?} has {} values, but a sample has {features}",
                    image.iter().product::<usize>()
                )
            })
            .and_then(|()| if own.is_some() { check_order(&axes, image) } else { Ok(()) })
            .map(|()| Some(image));
        }
        Ok(Some(match axes[..] {
            [height, width] => [1, height, width],
            [channels, height, width] if !has_channels_last([channels, height, width]) => {
                [channels, height, width]
            }
            _ => [features, 1, 1],
        }))
    }

    /// How raw values become inputs: as given, or as belongs to the data set.
    pub fn normalisation(&self) -> Normalisation {
        let of_set = || self.dataset.entry().map(|entry| entry.normalisation.clone());
        self.normalisation.clone().or_else(of_set).expect("checked with the section")
    }

    fn check_normalisation(&self) -> Result<(), Unfit> {
        let Some(normalisation) = &self.normalisation else { return Ok(()) };
        let (mean, std) = (normalisation.mean.numbers(), normalisation.std.numbers());
        let one_length = mean.len() == std.len() || mean.len() == 1 || std.len() == 1;
        Unfit::unless(one_length && !mean.is_empty() && !std.is_empty(), "normalisation", || {
            format!(
                "{} means and {} deviations; one of each for each channel is needed",
                mean.len(),
                std.len()
            )
        })?;
        let wrong = std.iter().find(|std| std.is_nan() || **std <= 0.0);
        wrong.map_or(Ok(()), |wrong| {
            Err(Unfit::new("normalisation.std", format!("{wrong}; a number above 0 is needed")))
        })
    }

    /// Whether the normalisation has as many channels as the images.
    ///
    /// # Errors
    /// If not.
    pub fn check_channels(&self, image: [usize; 3]) -> Result<(), Unfit> {
        let found = self.normalisation().channels().len();
        Unfit::unless(found == 1 || found == image[0], "normalisation", || {
            format!("{found} channels, but a sample has {} (image {image:?})", image[0])
        })
    }
}

/// An error where the axes of X, (H, W, C), contradict an image (C, H, W): its values would be scrambled without a word.
fn check_order(axes: &[usize], image: [usize; 3]) -> Result<(), Unfit> {
    let [first, second, last] = *axes else { return Ok(()) };
    let turned = image == [second, last, first];
    // One channel last has the same order as one channel first.
    let is_last = last > 1 && (last == image[0] || has_channels_last([first, second, last]));
    Unfit::unless(first == image[0] || !(turned || is_last), "image", || {
        if turned {
            return format!("{image:?} is [height, width, channels]; set it to [{first}, {second}, {last}]");
        }
        format!(
            "{image:?}, but the channels of X (N, {first}, {second}, {last}) are last: save X.transpose(0, 3, 1, 2)"
        )
    })
}

/// Whether axes look like (H, W, C), as Keras and Pillow keep them.
fn has_channels_last([first, _, last]: [usize; 3]) -> bool {
    matches!(last, 1 | 3 | 4) && !matches!(first, 1 | 3 | 4)
}

impl Section for FetchData {
    const STAGE: &'static str = "fetch-data";

    fn check(&self) -> Result<(), Unfit> {
        let entry = self.dataset.entry();
        Unfit::unless(entry.is_none() == self.files.is_some(), "files", || {
            "goes with `dataset: files`, and only with it".into()
        })?;
        Unfit::unless(entry.is_some() || self.normalisation.is_some(), "normalisation", || {
            "null, but nothing is known of your own files; {scale: 1, mean: 0, std: 1} takes them as they are"
                .into()
        })?;
        self.check_normalisation()?;
        let has_two = entry.is_some_and(|entry| entry.name == "cifar-100") || self.records().is_some();
        Unfit::unless(self.labels.is_none() || has_two, "labels", || {
            "is of records with two labels: cifar-100, or your own `.bin` files".into()
        })?;
        if let Some(files) = &self.files {
            Unfit::unless(files.test_x.is_some() == files.test_y.is_some(), "files.test_x", || {
                "a test split needs both test_x and test_y".into()
            })?;
        }
        Unfit::unless((self.order == SampleOrder::Given) == self.order_file.is_some(), "order_file", || {
            "goes with `order: given`, and only with it".into()
        })?;
        let fetched = entry.is_some_and(|entry| entry.origins.embedded.is_none());
        Unfit::unless(!fetched || !self.sources.is_empty(), "sources", || {
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
        own.chain(&self.order_file).cloned().collect()
    }
}

/// Facts of `fetch-data`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// N
    pub n_samples: Samples,
    /// of the test split; 0: none
    pub n_test: Samples,
    /// D
    pub n_features: usize,
    /// shape [C, H, W] of a sample, where it is known to have one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 3]>,
    /// 0: regression
    pub n_classes: usize,
    /// C, targets of a sample for regression; 1 for classes
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub n_targets: usize,
    /// how raw values become inputs
    pub normalisation: Normalisation,
    /// where the bytes come from: the same whatever the source of the same bytes
    pub source: String,
    /// whom to name
    pub attribution: String,
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Facts {
    /// Shape [C, H, W] of a sample; [D, 1, 1] where it has none.
    pub fn image(&self) -> [usize; 3] {
        self.image.unwrap_or([self.n_features, 1, 1])
    }

    /// Outputs of a network for these samples: one for each class, or for each target.
    pub fn n_outputs(&self) -> usize {
        if self.n_classes > 0 { self.n_classes } else { self.n_targets }
    }
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "fetch-data";
}

#[cfg(test)]
mod tests {
    use super::check_order;

    /// Values in the order (H, W, C) that were taken as (C, H, W): an accuracy at chance, and no warning.
    #[test]
    fn channels_that_are_last_are_refused() {
        let said = |axes: [usize; 3], image| check_order(&axes, image).map_err(|unfit| unfit.reason);
        for (axes, image) in [
            ([6, 6, 3], [3, 6, 6]),
            ([6, 6, 16], [16, 6, 6]),
            ([28, 20, 4], [4, 28, 20]),
            ([6, 6, 3], [1, 6, 18]),
        ] {
            let refused = said(axes, image).unwrap_err();
            assert!(refused.contains("are last: save X.transpose(0, 3, 1, 2)"), "{refused}");
            // What it advises is taken.
            assert_eq!(said([axes[2], axes[0], axes[1]], [axes[2], axes[0], axes[1]]), Ok(()));
        }
        let turned = said([3, 32, 20], [32, 20, 3]).unwrap_err();
        assert_eq!(turned, "[32, 20, 3] is [height, width, channels]; set it to [3, 32, 20]");
        for (axes, image) in [
            ([3, 3, 3], [3, 3, 3]),
            ([28, 28, 1], [1, 28, 28]),
            ([6, 6, 3], [6, 6, 3]),
            ([16, 4, 4], [16, 4, 4]),
        ] {
            assert_eq!(said(axes, image), Ok(()), "{axes:?}");
        }
        assert!(check_order(&[108], [3, 6, 6]).is_ok(), "flat ones say nothing of their order");
    }
}
