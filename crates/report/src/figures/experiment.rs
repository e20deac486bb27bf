//! All figures of one experiment.

use pipeline::Result;

use crate::figures::figure::Figure;
use crate::figures::{
    delta, density, eigenvalues, gradient, landscape, outliers, pilot, stream, sufficient, sweep, theory,
    training,
};
use crate::read::bound::Setting;
use crate::read::experiment::{Experiment, Trained};
use crate::read::unit::Unit;

/// All figures that the artifacts allow.
pub fn draw(e: &Experiment, answer: &Setting, compare: bool) -> Result<Vec<Figure>> {
    let mut figures = vec![sufficient::sufficient(e, answer)];
    figures.extend(pilot::pilot(&e.pilots, &answer.found.name, e.n_samples, &e.unit));
    if let Some(trained) = &e.trained {
        if trained.model.history.nrows() > 1 {
            figures.push(training::history(&trained.model, &e.unit));
        }
        figures.push(eigenvalues::spectrum(e, &trained.eigenpairs, compare));
        if !trained.eigenpairs.prefix_sizes.is_empty() {
            figures.push(eigenvalues::prefix_spectrum(&trained.eigenpairs, &e.unit));
        }
    }
    for grid in &e.grids {
        figures.extend(landscape::landscapes(e, grid, compare));
    }
    figures.extend(delta::draw(e, compare));
    if !answer.found.theories.is_empty() {
        figures.push(theory::theory(e, answer, compare));
    }
    if let Some(found) = &e.sweep {
        figures.push(sweep::theories(found));
        figures.push(sweep::methods(found));
    }
    if let Some(trained) = &e.trained {
        figures.extend(of_network(trained, &e.unit));
    }
    if let Some(found) = &e.stream {
        figures.push(stream::trajectory(found, &e.unit)?);
        figures.push(stream::stops(found, &e.unit));
    }
    Ok(figures)
}

/// Polish, density, outliers and the share of the gradient.
fn of_network(trained: &Trained, unit: &Unit) -> Vec<Figure> {
    let Trained { model, spectrum, eigenpairs, .. } = trained;
    let mut figures = vec![];
    if let Some((facts, path)) = model.facts.polish.as_ref().zip(model.polish_path.as_ref()) {
        figures.push(training::polish(facts, path, unit));
    }
    if let Some((by, found)) = spectrum.facts.density.as_ref().zip(spectrum.density.as_ref()) {
        figures.push(density::density(spectrum, by, found, unit));
    }
    if let Some(found) = &spectrum.outliers {
        figures.push(outliers::outliers(found));
    }
    figures.push(gradient::gradient_share(spectrum, eigenpairs.basis));
    figures
}

#[cfg(test)]
mod tests {
    use records::Which;

    use super::*;
    use crate::figures::figure::Section;
    use crate::read::eigen::Basis;
    use crate::read::fixtures;

    #[test]
    fn only_the_directions_of_the_paper_have_its_figures() {
        let named = |basis| {
            let mut e = fixtures::experiment();
            let trained = e.trained.as_mut().unwrap();
            (trained.eigenpairs.basis, e.settings[0].basis) = (basis, basis);
            let figures = draw(&e, &e.settings[0], true).unwrap();
            let of = |section| figures.iter().find(|f| f.section == section).unwrap();
            let (spectrum, delta) = (of(Section::Spectrum), of(Section::Delta));
            assert_eq!(spectrum.verdict.contains("The paper printed"), spectrum.name == "figure-1");
            assert_eq!(delta.caption.contains("(figure 8 of the paper)"), delta.name == "figure-8");
            [spectrum.name.clone(), delta.name.clone()]
        };
        for which in [Which::LargestAlgebraic, Which::LargestMagnitude] {
            assert_eq!(named(Basis::Eigenvectors(which)), ["figure-1", "figure-8"]);
        }
        let smallest = named(Basis::Eigenvectors(Which::SmallestAlgebraic));
        assert_eq!(smallest, ["eigenvalues", "delta-directions"]);
        assert_eq!(named(Basis::Given), ["rayleigh-quotients", "delta-directions"]);
    }
}
