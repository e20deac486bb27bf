//! Eigenvalues of H(w*) and of each H_k.

use ndarray::Axis;

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line, ranked};
use crate::read::eigen::{Basis, Eigenpairs};
use crate::read::experiment::Experiment;
use crate::read::unit::Unit;
use crate::text::directions::first_of;
use crate::text::fact::{Fact, fact, number};
use crate::text::numbers::{count, grouped};
use crate::text::paper;

/// The eigenvalues over all samples, beside the paper's where `compare` and the directions are the paper's.
pub fn spectrum(e: &Experiment, pairs: &Eigenpairs, compare: bool) -> Figure {
    let (name, title, one, values_of) = match pairs.basis {
        Basis::Given => (
            "rayleigh-quotients",
            "Rayleigh quotients of H(w*)",
            "uᵀHu",
            "Rayleigh quotients uᵀHu of the given directions with",
        ),
        basis if basis.is_of_the_paper() => {
            ("figure-1", "Eigenvalues of H(w*)", "eigenvalue", "Signed Ritz values of")
        }
        _ => ("eigenvalues", "Eigenvalues of H(w*)", "eigenvalue", "Signed Ritz values of"),
    };
    let compare = compare && pairs.basis.is_of_the_paper();
    let mut panel = Panel {
        lines: vec![line("this network", ranked(pairs.eigenvalues.to_vec()), Style::Solid, 0)],
        ..axes(title, "rank", &format!("{one} ({})", e.unit.eigenvalue))
    };
    let of_paper = paper::figure("1", compare);
    let caption = format!("{values_of} the Hessian over all {}{of_paper}.", count(e.n_samples, "sample"));
    let facts = facts(pairs, &e.unit);
    if !compare {
        return Figure::of(name, Section::Spectrum, caption, &[panel]).with(facts);
    }
    panel.lines.push(line("the paper, mean of 50 networks", ranked(paper::EIGENVALUES), Style::Dashed, 1));
    let ratio = |(i, of): (usize, &str)| {
        let over = pairs.eigenvalues.get(i)? / paper::EIGENVALUES[i];
        Some([
            fact(format!("{of} eigenvalue of the paper"), paper::EIGENVALUES[i], &e.unit.eigenvalue),
            fact(format!("{of} eigenvalue here over that"), over, ""),
        ])
    };
    let ratios = [(0, "first"), (9, "tenth")].into_iter().filter_map(ratio).flatten();
    let figure = Figure::of(name, Section::Spectrum, caption, &[panel]);
    figure.saying(paper::SPECTRUM).with(facts).with(ratios)
}

fn facts(pairs: &Eigenpairs, unit: &Unit) -> Vec<Fact> {
    let values = &pairs.eigenvalues;
    let largest_residual = pairs.residuals.iter().fold(0.0_f64, |m, &r| m.max(r));
    let (first, last) = match pairs.basis {
        Basis::Given => (
            "Rayleigh quotient of the first direction".to_owned(),
            format!("Rayleigh quotient of direction {}", values.len()),
        ),
        _ => (first_of(pairs.which).to_owned(), format!("eigenvalue number {} of these", values.len())),
    };
    let mut facts = vec![fact(first, values[0], &unit.eigenvalue)];
    if values.len() > 1 {
        facts.push(fact(last, values[values.len() - 1], &unit.eigenvalue));
    }
    facts.push(fact("largest residual over the first", largest_residual / values[0].abs(), ""));
    if pairs.basis != Basis::Given {
        facts.push(number("Hessian-vector products", pairs.n_products));
    }
    facts
}

/// The eigenvalues of each prefix.
pub fn prefix_spectrum(pairs: &Eigenpairs, unit: &Unit) -> Figure {
    let lines = pairs.prefix_eigenvalues.axis_iter(Axis(1)).enumerate().map(|(i, values)| {
        let points = pairs.prefix_sizes.iter().map(|&k| k as f64).zip(values.iter().copied());
        line(&format!("λ{}", i + 1), points.collect(), Style::Solid, i)
    });
    let panel = Panel {
        log_x: true,
        lines: lines.collect(),
        ..axes("Eigenvalues of each H_k", "prefix size k (samples)", "eigenvalue")
    };
    let last = pairs.prefix_sizes.len() - 1;
    let at = |m: usize| {
        let label = format!("{} at k = {}", first_of(pairs.which), grouped(pairs.prefix_sizes[m]));
        fact(label, pairs.prefix_eigenvalues[[m, 0]], &unit.eigenvalue)
    };
    let ratio = pairs.prefix_eigenvalues[[0, 0]] / pairs.prefix_eigenvalues[[last, 0]];
    let caption = "Eigenvalues solved for at each prefix size.";
    let figure = Figure::of("prefix-eigenvalues", Section::Spectrum, caption, &[panel]);
    figure.with([at(0), at(last), fact("the first of these over the second", ratio, "")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::experiment;

    #[test]
    fn eigenvalues_stand_beside_those_of_the_paper() {
        let e = experiment();
        let mut pairs = experiment().trained.unwrap().eigenpairs;
        pairs.eigenvalues = ndarray::Array1::from_elem(10, 0.908);
        let of = |pairs: &Eigenpairs, compare| {
            let facts = spectrum(&e, pairs, compare).facts;
            facts.into_iter().map(|f| (f.label.clone(), f.text())).collect::<Vec<_>>()
        };
        assert_eq!(of(&pairs, false).len(), 4);
        let beside = of(&pairs, true);
        assert_eq!(beside[5], ("first eigenvalue here over that".to_owned(), "0.232".to_owned()));
        assert_eq!(beside[7], ("tenth eigenvalue here over that".to_owned(), "2".to_owned()));
        pairs.basis = Basis::Given;
        assert_eq!(of(&pairs, true)[1].0, "Rayleigh quotient of direction 10");
        assert_eq!(of(&pairs, true).len(), 3);
    }
}
