//! A tolerance for which no K can be counted.

use landscape::change::sufficient::Uncountable;
use pipeline::Failure;
use records::bound::Tolerance;

/// K of `method`, or of a pilot, cannot be counted.
pub fn too_small(error: &Uncountable, setting: &str, method: &str, tolerance: Tolerance) -> pipeline::Error {
    let (key, given) = match tolerance.relative {
        None => ("tolerances", tolerance.value),
        Some(r) => ("relative_tolerances", r),
    };
    let message = format!("bound.{key}: {given:e}: {setting}, {method}: {error}");
    Failure::config(message, "raise the tolerance, or lower sigma of that setting").into()
}
