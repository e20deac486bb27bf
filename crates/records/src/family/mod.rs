//! What `family` is told and what it writes.

mod documents;
mod params;

pub use documents::{Curves, Fit, Flattening, Ladder, MemberResult, MemberSize, Members, Rung, Spread};
pub use params::{Family, Member, Variant};
