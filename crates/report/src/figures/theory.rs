//! Theory beside Monte Carlo.

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Style, delta_panel, line, thin};
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::text::directions::describe;
use crate::text::findings;
use crate::text::numbers::short;

pub fn theory(e: &Experiment, s: &Setting, compare: bool) -> Result<Figure> {
    let mut panel =
        delta_panel(&format!("Theory and Monte Carlo, d = {}, σ = {}", s.dim, short(s.sigma)), "Δ_k (nats²)");
    panel.lines.push(line("Monte Carlo", thin(&e.sizes, |i| s.delta[i]), Style::Solid, 0));
    let low = thin(&e.sizes, |i| s.delta[i] - 1.96 * s.standard_error[i]);
    let high = thin(&e.sizes, |i| s.delta[i] + 1.96 * s.standard_error[i]);
    panel.band = low.into_iter().zip(high).map(|(l, h)| (l.0, l.1, h.1)).collect();
    for (i, theory) in s.theories.iter().enumerate() {
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Dashed };
        panel.lines.push(line(&theory.name, thin(&theory.sizes, |i| theory.values[i]), style, i + 1));
    }
    let mut sentence =
        s.theories.iter().map(|t| findings::theory(&t.comparison)).collect::<Vec<_>>().join(" ");
    if compare && s.theories.iter().any(|t| t.name == "eigenvalue") {
        sentence += " The paper calls its criterion (eigenvalue) an upper bound at all k.";
    }
    let caption = format!(
        "Figure 9: theory and Monte Carlo for {}; the band is ±1.96 standard errors over the draws.",
        describe(s)
    );
    figure("figure-9", Section::Theory, caption, sentence, &[panel])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::bound::{Comparison, TheoryCurve};
    use crate::read::fixtures;

    #[test]
    fn the_criterion_of_the_paper_is_recalled_where_it_was_computed() {
        let e = fixtures::experiment();
        let with = |name: &str, compare| {
            let comparison = Comparison {
                name: name.into(),
                n_compared: 10,
                fraction_above: 1.0,
                smallest_ratio: 2.0,
                geometric_mean_ratio: 3.0,
                within_three_standard_errors: 0.0,
            };
            let theory = TheoryCurve {
                name: name.into(),
                sizes: e.sizes.clone(),
                values: 2.0 * &e.settings[0].delta,
                comparison,
            };
            super::theory(&e, &Setting { theories: vec![theory], ..fixtures::setting() }, compare)
                .unwrap()
                .sentence
        };
        let recalled = "The paper calls its criterion (eigenvalue) an upper bound at all k.";
        assert!(with("eigenvalue", true).ends_with(recalled), "{}", with("eigenvalue", true));
        for without in [with("eigenvalue", false), with("quadratic", true)] {
            assert!(!without.contains("The paper") && without.contains("an upper bound here"), "{without}");
        }
    }
}
