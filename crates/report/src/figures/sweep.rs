//! Theories and sampling methods over σ.

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Line, Panel, Style, line};
use crate::read::bound::{AtSigma, Holds, Method, Sweep};
use crate::text::numbers::{count, grouped, short};

/// Where the theories leave Monte Carlo, and which method knows V soonest.
pub fn sweep(sweep: &Sweep) -> Result<Vec<Figure>> {
    Ok(vec![theories(sweep)?, methods(sweep)?])
}

fn log_panel(title: &str, y_label: &str, lines: Vec<Line>) -> Panel {
    Panel {
        title: title.into(),
        x_label: "σ (parameter units)".into(),
        y_label: y_label.into(),
        log_x: true,
        log_y: true,
        lines,
        ..Panel::default()
    }
}

pub fn theories(sweep: &Sweep) -> Result<Figure> {
    let lines = sweep.theories.iter().enumerate().map(|(i, theory)| {
        let points = sweep.sigmas.iter().map(|s| (s.sigma, s.theories[i].ratio));
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Solid };
        line(&theory.name, points.collect(), style, i + 1)
    });
    let mut panel = log_panel("Where theory holds", "theory over Monte Carlo", lines.collect());
    panel.levels = vec![(1.0, "Monte Carlo".into()), (0.9, String::new()), (1.1, String::new())];
    let sentence = sweep.theories.iter().map(holds).collect::<Vec<_>>().join(" ");
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
    figure("theory-over-sigma", Section::Theory, caption, sentence, &[panel])
}

fn ranges(ranges: &[[f64; 2]]) -> String {
    // Interpolated between few values of σ: two digits.
    let two = |v: f64| short(format!("{v:.1e}").parse().unwrap_or(v));
    let one = |r: &[f64; 2]| match r.map(two) {
        [low, high] if low == high => format!("about {low}"),
        [low, high] => format!("from {low} to {high}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// In words: where one theory is within 10 %, and where above.
fn holds(theory: &Holds) -> String {
    let within = if theory.within.is_empty() {
        "is nowhere within 10 % of Monte Carlo".to_owned()
    } else {
        format!("is within 10 % of Monte Carlo at σ {}", ranges(&theory.within))
    };
    let above = if theory.above.is_empty() {
        "and nowhere above it".to_owned()
    } else {
        format!("and on average above it at σ {}", ranges(&theory.above))
    };
    let bound = match theory.above_everywhere.as_slice() {
        [] => "at no σ is it above at every prefix size".to_owned(),
        some => format!(
            "above at every prefix size compared at σ = {}",
            some.iter().map(|&s| short(s)).collect::<Vec<_>>().join(", ")
        ),
    };
    format!("{} {within} {above}; {bound}.", theory.name)
}

fn methods(sweep: &Sweep) -> Result<Figure> {
    let names = sweep.sigmas[0].methods.iter().map(|m| m.name.as_str()).collect::<Vec<_>>();
    let panel = |title: &str, label: &str, of: fn(&Method) -> f64| {
        let lines = names.iter().enumerate().map(|(i, name)| {
            let points = sweep.sigmas.iter().map(|s| (s.sigma, of(&s.methods[i])));
            let style = if name.ends_with("+control") { Style::Dashed } else { Style::Solid };
            line(name, points.collect(), style, i / 2)
        });
        log_panel(title, label, lines.collect())
    };
    let panels = [
        panel("Plain draws that one draw replaces", "variance of plain over that of the method", |m| {
            m.efficiency
        }),
        Panel { rises: true, ..panel("Draws until K is within 5 %", "draws", |m| m.draws_for_k) },
    ];
    let sentence = format!("Draws until K is within 5 %: {}.", told(&sweep.sigmas).join("; "));
    let caption = format!(
        "Sampling methods at equal work, from {} draws each on the first {} samples. The error of the draws alone; K grows as √V.",
        sweep.draws,
        grouped(sweep.n_samples)
    );
    figure("sampling-methods", Section::Delta, caption, sentence, &panels)
}

/// The fewest draws at each σ that is a power of ten, or at the smallest and the largest if none is.
fn told(sigmas: &[AtSigma]) -> Vec<String> {
    let round = |s: &AtSigma| (s.sigma.log10() - s.sigma.log10().round()).abs() < 1e-9;
    let mut chosen = sigmas.iter().filter(|s| round(s)).collect::<Vec<_>>();
    if chosen.is_empty() {
        chosen.extend(sigmas.first().into_iter().chain(sigmas.last()));
    }
    let fewest = chosen.into_iter().filter_map(|s| {
        let best = s.methods.iter().min_by(|a, b| a.draws_for_k.total_cmp(&b.draws_for_k))?;
        let plain = s.methods.iter().find(|m| m.name == "plain")?;
        Some(fewest_draws(s.sigma, &best.name, draws(best.draws_for_k), draws(plain.draws_for_k)))
    });
    fewest.collect()
}

/// The method that needs the fewest draws at one σ.
fn fewest_draws(sigma: f64, best: &str, fewest: usize, plain: usize) -> String {
    let at = format!("at σ = {}", short(sigma));
    if fewest == plain {
        format!("{at} plain sampling needs {}, and no method needs fewer", grouped(plain))
    } else {
        format!("{at} {best} needs fewest, {} where plain sampling needs {}", grouped(fewest), grouped(plain))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a positive number of draws
fn draws(needed: f64) -> usize {
    needed.ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theory_is_described_as_it_was_found() {
        let found = |within: &[[f64; 2]], above: &[[f64; 2]], everywhere: &[f64]| {
            holds(&Holds {
                name: "quadratic".into(),
                within: within.to_vec(),
                above: above.to_vec(),
                above_everywhere: everywhere.to_vec(),
            })
        };
        assert_eq!(
            found(&[[0.1, 0.2049]], &[[0.1534, 10.0]], &[5.0, 10.0]),
            "quadratic is within 10 % of Monte Carlo at σ from 0.1 to 0.2 and on average above it at σ from 0.15 to 10; above at every prefix size compared at σ = 5, 10."
        );
        let twice = found(&[[0.1, 0.2], [1.0, 2.0]], &[], &[]);
        assert!(twice.contains("at σ from 0.1 to 0.2 and from 1 to 2 and nowhere above it;"), "{twice}");
        let narrow = found(&[[0.0999, 0.1001]], &[], &[]);
        assert!(
            narrow.starts_with("quadratic is within 10 % of Monte Carlo at σ about 0.1 and nowhere"),
            "{narrow}"
        );
        let nowhere = found(&[], &[], &[]);
        assert!(nowhere.contains("nowhere within 10 %") && nowhere.contains("nowhere above"), "{nowhere}");
        assert!(nowhere.ends_with("at no σ is it above at every prefix size."), "{nowhere}");
    }

    #[test]
    fn the_method_with_fewest_draws_is_named_where_one_needs_fewer() {
        assert_eq!(
            fewest_draws(0.1, "sobol", 103, 1615),
            "at σ = 0.1 sobol needs fewest, 103 where plain sampling needs 1,615"
        );
        assert_eq!(
            fewest_draws(1e-3, "sobol", 1, 1),
            "at σ = 1e-3 plain sampling needs 1, and no method needs fewer"
        );
        let at = |sigma, sobol| AtSigma {
            sigma,
            variance: 1.0,
            methods: [("plain", 99.5), ("sobol", sobol)]
                .map(|(name, draws_for_k)| Method { name: name.into(), efficiency: 1.0, draws_for_k })
                .into(),
            theories: vec![],
        };
        assert_eq!(
            told(&[at(0.2, 9.0), at(1.0, 30.2), at(3.0, 8.0), at(10.0, 200.0)]),
            [
                "at σ = 1 sobol needs fewest, 31 where plain sampling needs 100",
                "at σ = 10 plain sampling needs 100, and no method needs fewer"
            ]
        );
        let ends = told(&[at(0.2, 9.0), at(0.3, 9.0), at(3.0, 8.0)]);
        assert!(
            ends.len() == 2
                && ends[0].starts_with("at σ = 0.2 sobol")
                && ends[1].starts_with("at σ = 3 sobol")
        );
    }
}
