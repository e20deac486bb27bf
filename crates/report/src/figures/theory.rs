//! Theory beside Monte Carlo.

use records::bound::Theory;

use crate::figures::figure::{Figure, Section};
use crate::plot::colours::of_theory;
use crate::plot::panel::{Panel, Style, delta_axes, line, thin};
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::text::directions::{describe, spread};
use crate::text::fact::{Fact, fact, number};
use crate::text::paper;
use crate::text::verdicts::bound;

/// Figure 9: each theory of a setting over its Monte Carlo curve.
pub fn theory(e: &Experiment, s: &Setting, compare: bool) -> Figure {
    let edge = |sign: f64| thin(&e.sizes, |i| s.edge(i, sign));
    let mut panel = Panel {
        lines: vec![line("measured, one order", thin(&e.sizes, |i| s.delta[i]), Style::Solid, 0)],
        band: edge(-1.0).into_iter().zip(edge(1.0)).map(|(l, h)| (l.0, l.1, h.1)).collect(),
        ..delta_axes(
            &format!("Theory and measurement, d = {}, {}", s.found.dim, spread(s)),
            &format!("Δ_k ({})", e.unit.squared),
        )
    };
    for (theory, curve) in s.theories() {
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Dashed };
        let points = thin(&curve.sizes, |i| curve.values[i]);
        panel.lines.push(line(&theory.name, points, style, of_theory(&theory.name)));
    }
    let caption = format!(
        "Theory and measurement for {}{}; the band is ±1.96 standard errors over the draws.",
        describe(s),
        paper::figure("9", compare)
    );
    let mut figure = Figure::of("figure-9", Section::Theory, caption, &[panel]);
    for theory in &s.found.theories {
        figure = figure.saying(bound(theory)).with(facts(theory));
    }
    figure = figure.with(gap(e, s));
    let criterion = compare && s.found.theories.iter().any(|t| t.name == "eigenvalue");
    if criterion { figure.saying(paper::CRITERION) } else { figure }
}

/// The gap between test and training loss, and what the posterior says of it.
fn gap(e: &Experiment, s: &Setting) -> Vec<Fact> {
    let Some(found) = s.found.gap else { return vec![] };
    let model = e.trained.as_ref().map(|trained| &trained.model.facts);
    let measured = model.and_then(|m| Some(m.test_loss? - m.train_loss));
    let of =
        |what: &str, value: f64| fact(format!("test loss less training loss, {what}"), value, &e.unit.loss);
    let by_posterior = [
        of("by the trace of the posterior", found.by_trace),
        of("by the draws from the posterior", found.by_draws),
    ];
    measured.map(|gap| of("measured", gap)).into_iter().chain(by_posterior).collect()
}

/// Theory over Monte Carlo.
fn facts(theory: &Theory) -> [Fact; 4] {
    let (name, c) = (&theory.name, &theory.comparison);
    [
        number(format!("{name}: prefix sizes compared"), c.n_compared),
        fact(format!("{name}: fraction of them above"), c.fraction_above, "fraction"),
        fact(format!("{name}: geometric mean of the ratio"), c.geometric_mean_ratio, ""),
        fact(format!("{name}: smallest ratio"), c.smallest_ratio, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures;
    use records::bound::Gap;

    #[test]
    fn the_criterion_of_the_paper_is_recalled_where_it_was_computed() {
        let e = fixtures::experiment();
        let with = |name: &str, compare| theory(&e, &fixtures::with_theory(name, 1.0), compare);
        assert!(with("eigenvalue", true).verdict.ends_with(paper::CRITERION));
        for without in [with("eigenvalue", false), with("quadratic", true)] {
            assert!(without.verdict.ends_with("an upper bound here."), "{}", without.verdict);
        }
        let known = with("quadratic", true).facts.iter().map(Fact::text).collect::<Vec<_>>();
        assert_eq!(known, ["59,999", "100 %", "2", "0.5"]);
        let mut s = fixtures::with_theory("quadratic", 1.0);
        s.found.gap = Some(Gap { by_draws: 0.5, by_trace: 0.25 });
        let mut e = fixtures::experiment();
        let model = &mut e.trained.as_mut().unwrap().model.facts;
        (model.train_loss, model.test_loss) = (0.125, Some(1.125));
        let known = theory(&e, &s, false).facts.iter().skip(4).map(Fact::text).collect::<Vec<_>>();
        assert_eq!(known, ["1", "0.25", "0.5"]);
    }
}
