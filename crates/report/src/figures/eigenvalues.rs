//! Eigenvalues of H(w*) and of each H_k.

use anyhow::Result;
use ndarray::Axis;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::text::findings;
use crate::text::numbers::count;
use crate::text::paper::PAPER_EIGENVALUES;

pub fn spectrum(e: &Experiment, compare: bool) -> Result<Figure> {
    let values = &e.eigenpairs.eigenvalues;
    let ranked =
        |values: &[f64]| values.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect::<Vec<_>>();
    let (name, title, one, values_of) = match e.eigenpairs.basis {
        Basis::Given => (
            "rayleigh-quotients",
            "Rayleigh quotients of H(w*)",
            "uᵀHu",
            "Rayleigh quotients uᵀHu of the given directions with",
        ),
        basis if basis.is_of_the_paper() => {
            ("figure-1", "Eigenvalues of H(w*)", "eigenvalue", "Figure 1: signed Ritz values of")
        }
        _ => ("eigenvalues", "Eigenvalues of H(w*)", "eigenvalue", "Signed Ritz values of"),
    };
    let compare = compare && e.eigenpairs.basis.is_of_the_paper();
    let mut lines = vec![line("this network", ranked(&values.to_vec()), Style::Solid, 0)];
    if compare {
        lines.push(line("the paper, mean of 50 networks", ranked(&PAPER_EIGENVALUES), Style::Dashed, 1));
    }
    let panel = Panel {
        title: title.into(),
        x_label: "rank".into(),
        y_label: format!("{one} (nats per squared parameter unit)"),
        lines,
        ..Panel::default()
    };
    let sentence = findings::spectrum(&e.eigenpairs, compare.then_some(&e.model));
    let caption = format!("{values_of} the Hessian over all {}.", count(e.data.n_samples, "sample"));
    figure(name, Section::Spectrum, caption, sentence, &[panel])
}

pub fn prefix_spectrum(e: &Experiment) -> Result<Figure> {
    let lines = e.eigenpairs.prefix_eigenvalues.axis_iter(Axis(1)).enumerate().map(|(i, values)| {
        let points = e.eigenpairs.prefix_sizes.iter().map(|&k| k as f64).zip(values.iter().copied());
        line(&format!("λ{}", i + 1), points.collect(), Style::Solid, i)
    });
    let panel = Panel {
        title: "Eigenvalues of each H_k".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "eigenvalue".into(),
        log_x: true,
        lines: lines.collect(),
        ..Panel::default()
    };
    let sentence = findings::prefix_spectrum(&e.eigenpairs);
    figure(
        "prefix-eigenvalues",
        Section::Spectrum,
        "Eigenvalues solved for at each prefix size.".into(),
        sentence,
        &[panel],
    )
}
