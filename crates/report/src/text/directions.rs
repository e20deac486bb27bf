//! Directions, planes and settings in words.

use records::Which;

use crate::read::bound::Setting;
use crate::read::eigen::Basis;
use crate::text::numbers::{count, short};

/// A basis in words.
pub fn named(basis: Basis) -> &'static str {
    match basis {
        Basis::Eigenvectors(_) => "Hessian",
        Basis::Given => "given",
        Basis::Random => "random",
        Basis::Filter => "filter-normalised",
    }
}

/// `directions` by the place that they have in the basis: `top 2 Hessian directions`.
pub fn placed(basis: Basis, directions: &str) -> String {
    match basis {
        Basis::Eigenvectors(Which::LargestAlgebraic) => format!("top {directions}"),
        Basis::Eigenvectors(Which::LargestMagnitude) => format!("top {directions} by magnitude"),
        Basis::Eigenvectors(Which::SmallestAlgebraic) => format!("bottom {directions}"),
        Basis::Given => format!("first {directions}"),
        Basis::Random | Basis::Filter => directions.to_owned(),
    }
}

/// The eigenvalue that comes first, in words.
pub fn first_of(which: Which) -> &'static str {
    match which {
        Which::LargestAlgebraic => "largest eigenvalue",
        Which::LargestMagnitude => "eigenvalue of largest magnitude",
        Which::SmallestAlgebraic => "smallest eigenvalue",
    }
}

/// The two directions of a landscape, in words.
pub fn plane(of: Basis) -> String {
    let two = placed(of, &format!("two {} directions", named(of)));
    if matches!(of, Basis::Eigenvectors(_) | Basis::Given) { format!("the {two}") } else { two }
}

/// Directions, σ and draws of a setting.
pub fn describe(s: &Setting) -> String {
    format!("{} ({})", described_directions(s), count(s.found.draws, "draw"))
}

/// How far the draws of a setting go.
pub fn spread(s: &Setting) -> String {
    if s.found.deviations.is_empty() {
        format!("σ = {}", short(s.found.sigma))
    } else {
        "the posterior's width".into()
    }
}

/// Directions and σ of a setting.
pub fn described_directions(s: &Setting) -> String {
    let direction = format!("{} direction", named(s.basis));
    format!("{} at {}", count(s.found.dim, &direction), spread(s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures;

    #[test]
    fn directions_are_named_by_their_basis() {
        let eigenvectors = |which| plane(Basis::Eigenvectors(which));
        assert_eq!(eigenvectors(Which::LargestAlgebraic), "the top two Hessian directions");
        assert_eq!(eigenvectors(Which::LargestMagnitude), "the top two Hessian directions by magnitude");
        assert_eq!(eigenvectors(Which::SmallestAlgebraic), "the bottom two Hessian directions");
        assert_eq!(plane(Basis::Given), "the first two given directions");
        assert_eq!(plane(Basis::Random), "two random directions");
        assert_eq!(plane(Basis::Filter), "two filter-normalised directions");
    }

    #[test]
    fn settings_are_described_by_their_directions() {
        let mut s = fixtures::setting();
        assert_eq!(described_directions(&s), "1 Hessian direction at σ = 1");
        (s.basis, s.found.dim, s.found.sigma) = (Basis::Random, 2, 0.5);
        assert_eq!(described_directions(&s), "2 random directions at σ = 0.5");
        s.basis = Basis::Filter;
        assert_eq!(describe(&s), "2 filter-normalised directions at σ = 0.5 (8 draws)");
    }
}
