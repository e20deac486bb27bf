//! What the catalogue knows of one data set.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One data set.
pub struct Entry {
    /// As `fetch-data.dataset` names it; also the folder of its cache below `data/`.
    pub name: &'static str,
    /// One sentence for the schema of `pipeline.yaml`.
    pub about: &'static str,
    /// Samples of the training split.
    pub n_train: usize,
    /// Samples of its own test split; 0: none, and `fetch-data.n_test` samples are kept aside.
    pub n_test: usize,
    /// Shape of one sample: channels, height, width.
    pub image: [usize; 3],
    /// Classes of the labels, which count from 0.
    pub classes: usize,
    /// What makes network inputs of its raw values, unless `pipeline.yaml` says otherwise.
    pub normalisation: Normalisation,
    /// How its files are read.
    pub format: Format,
    /// Its files, in the order that the format asks for.
    pub files: &'static [File],
    /// Where its files can be had.
    pub origins: Origins,
    /// Authors and licence, which stay with the data.
    pub attribution: &'static str,
}

impl Entry {
    /// Samples for training and for testing, with `held_out` kept aside where it has no test split of its own.
    pub fn sizes(&self, held_out: usize) -> (usize, usize) {
        if self.n_test > 0 {
            return (self.n_train, self.n_test);
        }
        let held_out = held_out.min(self.n_train.saturating_sub(2));
        (self.n_train - held_out, held_out)
    }

    /// Values of one sample.
    pub fn features(&self) -> usize {
        self.image.iter().product()
    }

    /// What names its bytes: the same whatever the origin.
    pub fn identity(&self) -> String {
        format!("{}, {} SHA-256 {}", self.name, self.files[0].name, self.files[0].sha256)
    }
}

/// Names are unique.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One number for all channels of an image, or one for each.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum PerChannel {
    /// of all channels
    All(f64),
    /// of each channel, in their order
    Each(Cow<'static, [f64]>),
}

impl PerChannel {
    /// The numbers: one, or one for each channel.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Self::All(one) => std::slice::from_ref(one),
            Self::Each(all) => all,
        }
    }
}

/// How raw values become network inputs: `(raw / scale − mean) / std`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Raw value that becomes 1, such as 255 for bytes.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub scale: f64,
    /// Subtracted after scaling: a number, or a list with one for each channel of an image.
    pub mean: PerChannel,
    /// Divided by, last: above 0, a number or a list.
    pub std: PerChannel,
}

impl Normalisation {
    /// The same for all channels.
    pub const fn all(scale: f64, mean: f64, std: f64) -> Self {
        Self { scale, mean: PerChannel::All(mean), std: PerChannel::All(std) }
    }

    /// Mean and deviation of each channel: one pair where they are the same for all.
    pub fn channels(&self) -> Vec<(f64, f64)> {
        let (mean, std) = (self.mean.numbers(), self.std.numbers());
        let of = |numbers: &[f64], c: usize| numbers[c.min(numbers.len() - 1)];
        (0..mean.len().max(std.len())).map(|c| (of(mean, c), of(std, c))).collect()
    }
}

/// How the files of a data set are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Four IDX files of bytes: images and labels for training, then both for testing.
    Idx,
    /// One table, a sample a line: its values and its label, bytes with commas between them, without a header.
    Csv,
    /// Files of records of bytes: one or two labels, the last of which is the finest, then the values of the image; the last
    /// file is for testing.
    Records,
}

/// One file of a data set.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Name without `.gz`.
    pub name: &'static str,
    /// SHA-256 of its unpacked bytes, in hexadecimal.
    pub sha256: &'static str,
    /// Lengths of the axes of the array that it contains.
    pub shape: &'static [usize],
}

/// Where the files of a data set can be had.
#[derive(Clone, Copy, Debug)]
pub struct Origins {
    /// The gzipped file itself, inside the program: no other origin is asked.
    pub embedded: Option<&'static [u8]>,
    /// URLs of folders with the gzipped files, or with `archive`.
    pub mirrors: &'static [&'static str],
    /// Name of a `.tar.gz` that contains the files, where they are not alone.
    pub archive: Option<&'static str>,
    /// A package of the npm registry.
    pub npm: Option<Npm>,
    /// A package of Debian.
    pub debian: Option<Debian>,
}

/// A package of the npm registry that contains the files of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Npm {
    /// `name@version`; a published version stays as it is.
    pub package: &'static str,
    /// The folder of the files in its archive.
    pub folder: &'static str,
    /// Length of its archive, bytes.
    pub length: usize,
}

/// A package of Debian that contains the files of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Debian {
    /// Name of the package.
    pub package: &'static str,
    /// The folder that it installs, without the first slash.
    pub folder: &'static str,
}
