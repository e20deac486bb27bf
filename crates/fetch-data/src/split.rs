//! Samples as they came, before their order is decided.

use ndarray::{Array1, Array2};
use store::rows::Rows;

/// Raw inputs of one split, (N, D).
pub enum Images {
    /// bytes
    U8(Rows<u8>),
    /// single precision
    F32(Rows<f32>),
    /// double precision
    F64(Rows<f64>),
}

impl Images {
    /// What they are, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "bytes (integers or bool)",
            Self::F32(_) | Self::F64(_) => "floats",
        }
    }
}

/// What the network should predict.
pub enum Labels {
    /// classes from 0, (N,)
    Classes(Array1<i64>),
    /// regression targets, (N, C)
    Values(Array2<f64>),
}

impl Labels {
    /// N
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(y) => y.len(),
            Self::Values(y) => y.nrows(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// C, targets of a sample; 1 for classes.
    pub fn n_targets(&self) -> usize {
        match self {
            Self::Classes(_) => 1,
            Self::Values(y) => y.ncols(),
        }
    }

    /// What they are, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Classes(_) => "integers (classes)",
            Self::Values(_) => "floats (targets)",
        }
    }
}

/// Samples and what the network should predict for each.
pub struct Split {
    /// (N, D)
    pub images: Images,
    /// for each sample
    pub labels: Labels,
}

impl Split {
    /// (N, D)
    pub fn shape(&self) -> (usize, usize) {
        match &self.images {
            Images::U8(x) => x.dim(),
            Images::F32(x) => x.dim(),
            Images::F64(x) => x.dim(),
        }
    }

    /// The classes of `rows`; none for regression.
    pub fn classes_of(&self, rows: &[usize]) -> impl Iterator<Item = usize> {
        let classes = match &self.labels {
            Labels::Classes(y) => Some(y),
            Labels::Values(_) => None,
        };
        classes.into_iter().flat_map(|y| rows.iter().map(|&i| usize::try_from(y[i]).expect("not negative")))
    }
}

/// A whole data set.
pub struct Splits {
    /// the samples for training
    pub train: Split,
    /// the samples for testing, where it has them apart
    pub test: Option<Split>,
}
