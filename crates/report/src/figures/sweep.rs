//! Theories and sampling methods over σ.

use records::bound::{AtSigma, Holds, MethodAtSigma, SweepFindings};

use crate::figures::figure::{Figure, Section};
use crate::plot::colours::of_theory;
use crate::plot::panel::{Line, Panel, Style, axes, line};
use crate::text::fact::{Fact, fact};
use crate::text::numbers::{count, grouped, short};

fn log_axes(title: &str, y_label: &str, lines: Vec<Line>) -> Panel {
    Panel { log_x: true, log_y: true, lines, ..axes(title, "σ (parameter units)", y_label) }
}

/// Where the theories leave Monte Carlo.
pub fn theories(sweep: &SweepFindings) -> Figure {
    let lines = sweep.theories.iter().enumerate().map(|(i, theory)| {
        let points = sweep.sigmas.iter().map(|s| (s.sigma, s.theories[i].ratio));
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Solid };
        line(&theory.name, points.collect(), style, of_theory(&theory.name))
    });
    let panel = Panel {
        levels: vec![(1.0, "Monte Carlo".into()), (0.9, String::new()), (1.1, String::new())],
        ..log_axes("Where theory holds", "theory over Monte Carlo", lines.collect())
    };
    let eigenvalue = if sweep.theories.iter().any(|t| t.name == "eigenvalue") {
        " eigenvalue: geometric mean over its prefix sizes."
    } else {
        ""
    };
    let caption = format!(
        "V of each theory over V by Monte Carlo, over σ ({}, the first {}); lines at ±10 %. Ends of ranges are interpolated.{eigenvalue}",
        count(sweep.dim, "direction"),
        count(sweep.n_samples, "sample")
    );
    let figure = Figure::of("theory-over-sigma", Section::Theory, caption, &[panel]);
    figure.with(sweep.theories.iter().flat_map(ranges))
}

/// The σ at which one theory is within 10 %, and above; a range that does not exist has no value.
fn ranges(theory: &Holds) -> Vec<Fact> {
    // Interpolated between few values of σ: two digits.
    let two = |v: f64| format!("{v:.1e}").parse().unwrap_or(v);
    let none = |label: &str| fact(format!("{}: {label}", theory.name), f64::NAN, "parameter units");
    let all = |label: &str, ranges: &[[f64; 2]]| {
        let one = |r: &[f64; 2]| none(label).within(two(r[0]), two(r[1]));
        if ranges.is_empty() { vec![none(label)] } else { ranges.iter().map(one).collect() }
    };
    let mut facts = all("σ within 10 % of Monte Carlo", &theory.within);
    facts.extend(all("σ above it on average", &theory.above));
    let everywhere = theory.above_everywhere.iter().map(|&s| [s, s]).collect::<Vec<_>>();
    facts.extend(all("σ above it at every prefix size compared", &everywhere).into_iter().map(|f| {
        match f.interval {
            Some([sigma, _]) => Fact { value: Some(sigma), interval: None, ..f },
            None => f,
        }
    }));
    facts
}

/// Which sampling method knows V soonest.
pub fn methods(sweep: &SweepFindings) -> Figure {
    let names = sweep.sigmas[0].methods.iter().map(|m| m.method.as_str()).collect::<Vec<_>>();
    let panel = |title: &str, label: &str, of: fn(&MethodAtSigma) -> f64| {
        let lines = names.iter().enumerate().map(|(i, name)| {
            let points = sweep.sigmas.iter().map(|s| (s.sigma, of(&s.methods[i])));
            let style = if name.ends_with("+control") { Style::Dashed } else { Style::Solid };
            line(name, points.collect(), style, i / 2)
        });
        log_axes(title, label, lines.collect())
    };
    let panels = [
        panel("Plain draws that one draw replaces", "variance of plain over that of the method", |m| {
            m.efficiency
        }),
        panel("Draws until K is within 5 %", "draws", |m| m.draws_for_k.max(1.0)),
    ];
    let caption = format!(
        "Sampling methods at equal work, from {} draws each on the first {} samples. The error of the draws alone; K grows as √V.",
        sweep.draws,
        grouped(sweep.n_samples)
    );
    let figure = Figure::of("sampling-methods", Section::Delta, caption, &panels);
    figure.with(draws_for_k(&sweep.sigmas))
}

/// The draws of plain sampling and of the method that needs fewest, at each σ that is a power of ten, or at the
/// smallest and the largest if none is.
fn draws_for_k(sigmas: &[AtSigma]) -> Vec<Fact> {
    let round = |s: &AtSigma| (s.sigma.log10() - s.sigma.log10().round()).abs() < 1e-9;
    let mut chosen = sigmas.iter().filter(|s| round(s)).collect::<Vec<_>>();
    if chosen.is_empty() {
        chosen.extend(sigmas.first().into_iter().chain(sigmas.last()));
    }
    let draws = |s: &AtSigma, m: &MethodAtSigma, fewest: &str| {
        let label = format!("until K is within 5 % at σ = {}, {}{fewest}", short(s.sigma), m.method);
        fact(label, m.draws_for_k.ceil(), "draws")
    };
    let of = |s: &AtSigma| {
        let best = s.methods.iter().min_by(|a, b| a.draws_for_k.total_cmp(&b.draws_for_k));
        let plain = s.methods.iter().find(|m| m.method == "plain").map(|m| draws(s, m, ""));
        let best = best.filter(|m| m.method != "plain").map(|m| draws(s, m, " (fewest)"));
        plain.into_iter().chain(best).collect::<Vec<_>>()
    };
    chosen.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::at_sigma;

    #[test]
    fn a_theory_has_a_fact_for_each_range_and_for_none() {
        let facts = ranges(&Holds {
            name: "quadratic".into(),
            within: vec![[0.1, 0.2049], [1.0, 2.0]],
            above: vec![],
            above_everywhere: vec![5.0, 10.0],
        });
        let known = facts.iter().map(Fact::text).collect::<Vec<_>>();
        assert_eq!(known, ["0.1 to 0.2", "1 to 2", "none", "5", "10"]);
        assert!(facts[2].label.contains("above it on average"), "{}", facts[2].label);
    }

    #[test]
    fn the_method_with_fewest_draws_is_named_where_one_needs_fewer() {
        let method = |(name, draws_for_k): (&str, f64)| MethodAtSigma {
            method: name.into(),
            variance: 1.0,
            relative_error: 0.1,
            groups: 8,
            efficiency: 1.0,
            draws_for_k,
        };
        let at = |sigma, sobol| AtSigma {
            methods: [("plain", 99.5), ("sobol", sobol)].map(method).into(),
            ..at_sigma(sigma, vec![])
        };
        let known = |sigmas: &[AtSigma]| {
            let facts = draws_for_k(sigmas).into_iter();
            facts
                .map(|f| format!("{}: {}", f.label.split("σ = ").nth(1).unwrap(), f.text()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            known(&[at(0.2, 9.0), at(1.0, 30.2), at(3.0, 8.0), at(10.0, 200.0)]),
            ["1, plain: 100", "1, sobol (fewest): 31", "10, plain: 100"]
        );
        assert_eq!(known(&[at(0.2, 9.0), at(0.3, 9.0), at(3.0, 8.0)]).len(), 4);
    }
}
