//! What the user can get wrong or meet in this stage.

use std::path::PathBuf;

use pipeline::Failure;

/// An error of this stage: which file or key, what was found, what is needed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// a set that could not be had
    #[error("{set} from none of its sources:\n  {reasons}")]
    NoSource {
        /// its name
        set: &'static str,
        /// a line for each source
        reasons: String,
        /// where its files would be found
        cache: PathBuf,
    },
    /// bytes with the known hash that its format does not take
    #[error("{file}: {found}")]
    Unexpected {
        /// its name
        file: &'static str,
        /// what is wrong
        found: String,
    },
    /// classes asked for where there are none
    #[error("fetch-data.classes: the labels are floats, so there are no classes")]
    ClassesOfFloats,
    /// classes that hardly any sample has
    #[error("fetch-data.classes: {classes}: {found} of {n} samples are of class 0 to {}", classes - 1)]
    NoneOfClasses {
        /// by the key
        classes: usize,
        /// samples of these classes
        found: usize,
        /// all there are
        n: usize,
    },
    /// more samples asked for than there are
    #[error("fetch-data.n_samples: {wanted} wanted, but there are {found}")]
    TooManySamples {
        /// by the key
        wanted: usize,
        /// in the order
        found: usize,
    },
    /// nearly all samples kept aside
    #[error("fetch-data.n_test: {n_test} of {n} samples")]
    TooManyForTest {
        /// by the key
        n_test: usize,
        /// all there are
        n: usize,
    },
    /// an order that is none
    #[error("{file}: {found}")]
    Order {
        /// its path
        file: String,
        /// what is wrong
        found: String,
    },
    /// an array of another type
    #[error("{file}: contains {found}; {needed}")]
    Type {
        /// its path
        file: String,
        /// the type that it has
        found: String,
        /// the types that are read
        needed: &'static str,
        /// what to do
        hint: String,
    },
    /// an array of another shape
    #[error("{file}: shape {found:?}; {needed} is needed")]
    Shape {
        /// its path
        file: String,
        /// lengths of its axes
        found: Vec<usize>,
        /// the shape that is read
        needed: &'static str,
        /// what to do
        hint: String,
    },
    /// classes as a column for each
    #[error("{file}: shape {found:?} with a single 1 in each row: one-hot classes, but (N,) is needed")]
    OneHot {
        /// its path
        file: String,
        /// lengths of its axes
        found: Vec<usize>,
    },
    /// a value that nothing can be computed with
    #[error("{file}: {at} is not finite")]
    NotFinite {
        /// its path
        file: String,
        /// row, and column where there are any
        at: String,
    },
    /// a class below 0
    #[error("{file}: row {row} is class {class}; classes count from 0")]
    Class {
        /// its path
        file: String,
        /// its row
        row: usize,
        /// the class there
        class: i64,
    },
    /// far more classes without a sample than with one
    #[error(
        "{file}: {present} different classes, but the largest is class {largest}: the others have no sample"
    )]
    Sparse {
        /// path of y
        file: String,
        /// the largest class
        largest: usize,
        /// classes with a sample
        present: usize,
    },
    /// X and y of unlike lengths
    #[error("{labels_file}: {labels} labels, but {images_file} has {samples} samples")]
    Lengths {
        /// path of y
        labels_file: String,
        /// length of y
        labels: usize,
        /// path of X
        images_file: String,
        /// rows of X
        samples: usize,
        /// what to do
        hint: &'static str,
    },
    /// classes in one split and targets in the other
    #[error("{test}: contains {found}, but {train} contains {needed}")]
    Kinds {
        /// path of y of the test split
        test: String,
        /// what it contains
        found: &'static str,
        /// path of y of the training split
        train: String,
        /// what it contains
        needed: &'static str,
    },
    /// splits of unlike targets
    #[error("{file}: {found} targets a sample, but the training split has {needed}")]
    Targets {
        /// path of y of the test split
        file: String,
        /// its columns
        found: usize,
        /// those of the training split
        needed: usize,
    },
    /// splits of unlike features
    #[error("{file}: {found} features, but the training split has {needed}")]
    Features {
        /// path of X of the test split
        file: String,
        /// its columns
        found: usize,
        /// those of the training split
        needed: usize,
    },
    /// another shape than the samples have
    #[error("fetch-data.image: {reason}")]
    Image {
        /// what was found and what is needed
        reason: String,
    },
    /// a file that is no whole number of records
    #[error("{file}: {found} bytes; {needed} are needed")]
    Records {
        /// path
        file: String,
        /// its bytes, unpacked
        found: usize,
        /// sizes of a record
        needed: String,
        /// what to do
        hint: &'static str,
    },
    /// samples of nothing
    #[error("{file}: 0 features")]
    NoFeatures {
        /// path of X
        file: String,
    },
    /// a test split without samples
    #[error("{file}: 0 samples")]
    EmptyTest {
        /// path of X
        file: String,
    },
    /// too few samples
    #[error("{file}: {found} samples")]
    TooFew {
        /// path of X
        file: String,
        /// its rows
        found: usize,
    },
    /// an artifact or an array that could not be read or written
    #[error(transparent)]
    Stored(#[from] store::Error),
}

impl FetchError {
    /// What to do about it.
    fn hint(&self) -> String {
        let fixed = match self {
            Self::NoSource { cache, .. } => {
                return format!(
                    "put its files, plain or .gz, into a folder and name it: fetch-data: {{sources: [directory], directory: FOLDER}}; or copy them to {}",
                    cache.display()
                );
            }
            Self::Type { hint, .. } | Self::Shape { hint, .. } => hint,
            Self::OneHot { .. } => {
                "save the class of each sample: y.argmax(1); with loss: squared-error its targets are the same"
            }
            Self::Lengths { hint, .. } | Self::Records { hint, .. } => hint,
            Self::Sparse { .. } => {
                "number the classes without gaps: numpy.unique(y, return_inverse=True)[1]; for regression store the targets as floats: \
                 y.astype('<f8'); remove rows whose label means that there is none; or set fetch-data.classes to the number of classes"
            }
            Self::Unexpected { .. } => "its entry in the catalogue describes another file",
            Self::ClassesOfFloats => "set it to null, or store the labels as integers",
            Self::NoneOfClasses { .. } => {
                "classes count from 0; set it to null for all, or renumber the classes"
            }
            Self::TooManySamples { .. } => "lower it, or set it to null for all",
            Self::TooManyForTest { .. } => "leave at least two for training",
            Self::Order { .. } => "an order is a .npy (N,) of different row numbers of the source, from 0",
            Self::NotFinite { .. } => "remove or fill missing values first",
            Self::Class { .. } => {
                "number the classes: numpy.unique(y, return_inverse=True)[1]; for regression store the targets as floats: y.astype('<f8')"
            }
            Self::Kinds { .. } => "store both alike: y.astype('<i8') for classes",
            Self::Targets { .. } => "both splits need the same targets",
            Self::Features { .. } => "both splits need the same features",
            Self::Image { .. } => "give [channels, height, width] of one sample, or leave it null",
            Self::NoFeatures { .. } => "X is (N, D) with at least one column",
            Self::EmptyTest { .. } => "bring samples for testing, or leave test_x and test_y out",
            Self::TooFew { .. } => "at least two are needed",
            Self::Stored(_) => "",
        };
        fixed.to_owned()
    }
}

impl From<FetchError> for pipeline::Error {
    fn from(error: FetchError) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        match error {
            FetchError::Stored(error) => error.into(),
            FetchError::ClassesOfFloats
            | FetchError::NoneOfClasses { .. }
            | FetchError::TooManySamples { .. }
            | FetchError::TooManyForTest { .. } => Failure::config(message, hint).into(),
            _ => Failure::input(message, hint).into(),
        }
    }
}
