//! What `family` is told and what it writes.

mod documents;
mod params;

pub use documents::{Curve, Curves, Fit, Flattening, MemberResult, MemberSize, Members, Rung, Spread};
pub use params::{Family, Member, Variant};
