//! What `bound` is told and what it writes.

mod documents;
mod params;
mod rows;

pub use documents::{
    AtSigma, Comparison, Exponent, Gap, Holds, MethodAtSigma, Pilot, Pilots, PredictedSize, SettingTheory,
    SizeInterval, Status, Sufficient, SufficientRow, SweepFindings, Theory, TheoryAtSigma, TheoryDocument,
    Uncertain,
};
pub use params::Bound;
pub use rows::Tolerance;
