//! What passes between the stages, one file per stage: its section of `pipeline.yaml` and every document and fact that it
//! writes, one type each. And the one list of stages, with what each of them reads.
//!
//! Defaults and their reasons are comments in `pipeline.yaml`.

pub mod answer;
pub mod bound;
pub mod eigen;
pub mod family;
pub mod fetch_data;
pub mod montecarlo;
pub mod network;
pub mod ranges;
pub mod report;
pub mod schema;
pub mod section;
pub mod spectrum;
pub mod stages;
pub mod stream;
pub mod train;
pub mod units;
pub mod verified;
pub mod whole;

pub use answer::Answer;
pub use bound::Bound;
pub use eigen::{BasisName, Eigen, Solver, Which};
pub use family::{Family, Member, Variant};
pub use fetch_data::{Dataset, FetchData, Normalisation, OwnFiles, SampleOrder, Source};
pub use montecarlo::{Grid, MonteCarlo, Sampling, Setting, Sweep};
pub use network::{Architecture, LayerKeys};
pub use report::{OwnTolerance, RelativeTolerance, Report};
pub use section::{Precision, Section, Unfit, name_of};
pub use spectrum::Spectrum;
pub use stream::Stream;
pub use train::{Activation, Initialisation, Loss, Optimizer, Polish, Train};
pub use whole::Whole;
