//! Δ_k over the prefix size.

use std::fmt::Write;

use anyhow::Result;
use ndarray::Array1;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{DRAWN_POINTS, Style, delta_panel, line, thin};
use crate::read::bound::Setting;
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::text::directions::{describe, described_directions, named, placed};
use crate::text::findings;
use crate::text::numbers::{short, with_error};
use crate::text::paper::{PAPER_HESSIAN_CONSTANT, PAPER_RANDOM_CONSTANT, constant, no_difference};

/// Δ_k of the random directions, as σ and as d vary, and of those of the spectrum.
pub fn draw(e: &Experiment, compare: bool) -> Result<Vec<Figure>> {
    let mut figures = vec![];
    let random = e.settings.iter().filter(|s| s.basis == Basis::Random).collect::<Vec<_>>();
    // Figure 4 varies σ at the dimension that has most, figure 5 varies d at the σ that has most.
    let mut by_sigma = largest_group(&random, |s| s.dim as f64);
    by_sigma.sort_by(|a, b| a.sigma.total_cmp(&b.sigma));
    if by_sigma.len() > 1 {
        let title = "Figure 4: Δ_k in random directions, varying σ";
        figures.push(deltas(e, "figure-4", title, &by_sigma, compare)?);
    }
    let mut by_dim = largest_group(&random, |s| s.sigma);
    by_dim.sort_by_key(|s| s.dim);
    if by_dim.len() > 1 {
        let title = "Figure 5: Δ_k in random directions, varying d";
        figures.push(deltas(e, "figure-5", title, &by_dim, compare)?);
    }
    let basis = e.eigenpairs.basis;
    let of_spectrum = e.settings.iter().filter(|s| s.basis == basis).collect::<Vec<_>>();
    if !of_spectrum.is_empty() {
        let (name, number) =
            if basis.is_of_the_paper() { ("figure-8", "Figure 8: ") } else { ("delta-directions", "") };
        let title = format!("{number}Δ_k in the {}", placed(basis, &format!("{} directions", named(basis))));
        figures.push(deltas(e, name, &title, &of_spectrum, compare)?);
    }
    Ok(figures)
}

/// Δ_k and Δ_k k² of several settings, with the law of each.
fn deltas(e: &Experiment, name: &str, title: &str, settings: &[&Setting], compare: bool) -> Result<Figure> {
    let mut panels = [delta_panel("Δ_k", "Δ_k (nats²)"), delta_panel("Δ_k · k²", "Δ_k k² (nats² samples²)")];
    for (colour, s) in settings.iter().enumerate() {
        let label = format!("d = {}, σ = {}", s.dim, short(s.sigma));
        // One entry of the legend stands for the laws of all settings; the right panel has the colours of the left.
        let law_label = if colour + 1 == settings.len() { "average over orders" } else { "" };
        for (panel, power, label, law_label) in [(0, 0, label.as_str(), law_label), (1, 2, "", "")] {
            let at = |curve: &Array1<f64>| thin(&e.sizes, |i| curve[i] * (e.sizes[i] as f64).powi(power));
            panels[panel].lines.push(line(label, at(&s.delta), Style::Solid, colour));
            panels[panel].lines.push(line(law_label, at(&s.order_average), Style::Dashed, colour));
        }
    }
    let caption = format!(
        "{title}. Left Δ_k, right Δ_k·k²: flat where Δ_k decays as 1/k². Dashed: V(1/k − 1/(k+s)), the average over orders. Curves are means over {DRAWN_POINTS} geometric bins of k."
    );
    let mut sentence = delta_sentence(e, settings, compare);
    if compare && let Some(varied) = ["figure-4", "figure-5"].iter().position(|n| *n == name) {
        let key = |s: &Setting| if varied == 0 { s.sigma } else { s.dim as f64 };
        let mut known = settings.iter().map(|s| (key(s), s.variance)).collect::<Vec<_>>();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        sentence += " ";
        sentence += &no_difference(["σ", "d"][varied], known[0], known[known.len() - 1]);
    }
    figure(name, Section::Delta, caption, sentence, &panels)
}

fn delta_sentence(e: &Experiment, settings: &[&Setting], compare: bool) -> String {
    let v = |s: &&Setting| {
        let v = with_error(s.variance, s.variance_standard_error);
        format!("{v} for {}", describe(s))
    };
    let mut text = format!(
        "V = mean variance of the loss over samples (nats²): {}. ",
        settings.iter().map(v).collect::<Vec<_>>().join("; ")
    );
    let of = match settings {
        [_] => String::new(),
        _ => format!(" of {}", described_directions(settings[0])),
    };
    text += &findings::exponent(settings[0].exponent.as_ref(), &of, e.confidence, compare);
    if compare {
        for s in settings {
            let paper = match s.basis {
                basis if basis.is_of_the_paper() && s.dim == 1 && s.sigma.to_bits() == 1.0_f64.to_bits() => {
                    PAPER_HESSIAN_CONSTANT
                }
                Basis::Random if s.sigma <= 1.0 => PAPER_RANDOM_CONSTANT,
                _ => continue,
            };
            text += " ";
            text += &constant(&described_directions(s), plateau(e, s), paper);
        }
        text += " The authors' Monte Carlo perturbs one direction only, whatever d is, and draws the samples in a new order at each evaluation.";
    }
    text
}

/// Mean of Δ_k (k/64)² over the second half of the prefix sizes.
fn plateau(e: &Experiment, s: &Setting) -> f64 {
    let half = e.sizes.len() / 2;
    let values = (half..e.sizes.len()).map(|i| s.delta[i] * (e.sizes[i] as f64 / 64.0).powi(2));
    values.sum::<f64>() / (e.sizes.len() - half) as f64
}

/// The largest group of settings with one value of `key`.
fn largest_group<'a>(settings: &[&'a Setting], key: fn(&Setting) -> f64) -> Vec<&'a Setting> {
    let group = |of: &Setting| {
        settings.iter().filter(|s| key(s).to_bits() == key(of).to_bits()).copied().collect::<Vec<_>>()
    };
    settings.iter().map(|s| group(s)).max_by_key(Vec::len).unwrap_or_default()
}

/// Δ_k at every prefix size, with error and law.
pub fn full_curve(e: &Experiment, s: &Setting) -> String {
    let mut text = "k,delta,standard_error,order_average\n".to_owned();
    for (i, k) in e.sizes.iter().enumerate() {
        writeln!(text, "{k},{},{},{}", s.delta[i], s.standard_error[i], s.order_average[i])
            .expect("writing to a string");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::bound::Exponent;
    use crate::read::fixtures;

    #[test]
    fn the_paper_stands_beside_the_settings_it_has_alone() {
        let e = fixtures::experiment();
        let hessian = &e.settings[0];
        let own = delta_sentence(&e, &[hessian], false);
        assert!(own.starts_with("V = mean variance of the loss over samples (nats²): 1.00 ± 0.10 for 1 Hessian direction at σ = 1 (8 draws). There are too few"), "{own}");
        assert!(!own.contains("paper"), "{own}");
        let random = |dim, sigma| Setting { basis: Basis::Random, dim, sigma, ..fixtures::setting() };
        let said = |s: &Setting| delta_sentence(&e, &[s], true);
        // Δ_k (k/64)² is 1/64² k/(k + 1), which is 2.4e-4.
        assert!(
            said(hessian).contains("on the plateau of 1 Hessian direction at σ = 1, below the paper's 2.47"),
            "{}",
            said(hessian)
        );
        assert!(
            said(&random(2, 0.5))
                .contains("on the plateau of 2 random directions at σ = 0.5, above the paper's 1.1e-4")
        );
        for without in [
            random(2, 2.0),
            Setting { dim: 2, ..fixtures::setting() },
            Setting { sigma: 0.5, ..fixtures::setting() },
        ] {
            let said = said(&without);
            assert!(
                !said.contains("plateau")
                    && said.contains("The authors' Monte Carlo perturbs one direction only"),
                "{said}"
            );
        }
        let fitted =
            Setting { exponent: Some(Exponent { value: -2.0, low: -2.1, high: -1.9 }), ..random(2, 1.0) };
        let several = delta_sentence(&e, &[&fitted, hessian], false);
        assert!(several.contains("; 1.00 ± 0.10 for 1 Hessian direction at σ = 1 (8 draws). The measured Δ_k of 2 random directions at σ = 1 decays"), "{several}");
    }
}
