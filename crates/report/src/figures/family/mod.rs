//! What the members of a family show together.

pub mod beside;
pub mod forecast;
pub mod ladder;
pub mod members;

use super::figure::Figure;
use crate::read::family::{Family, ReadLadder};

/// All figures of a family.
pub fn draw(family: &Family, compare: bool) -> Vec<Figure> {
    let Family { ladders, members, unit, .. } = family;
    let mut figures = forecast::all(family);
    figures.push(members::spectrum(ladders, compare, unit));
    if ladders.iter().any(|l| l.rungs.len() > 1) {
        if ladders.iter().any(|l| l.last().test_loss.is_some()) {
            figures.push(ladder::learning_curve(family));
        }
        figures.push(ladder::angles(ladders));
        figures.push(ladder::retrained(ladders, unit));
        figures.push(ladder::sufficient(family).with(beside::facts(&family.forecasts, unit)));
    }
    if members.iter().any(|m| m.n_classes != members[0].n_classes) {
        figures.push(members::classes(members));
    }
    if ladders.len() > 1 {
        figures.push(members::variants(family));
        figures.push(members::change_at_minimiser(family));
    }
    figures
}
