//! How many samples are enough: K where the law meets each tolerance.

use records::bound::{Exponent, SufficientRow};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, delta_axes, geometric, line, thin};
use crate::read::bound::{Setting, law};
use crate::read::experiment::Experiment;
use crate::read::unit::Unit;
use crate::text::directions::describe;
use crate::text::fact::{Fact, fact};
use crate::text::numbers::percent;
use crate::text::own::tolerance;
use crate::text::verdicts::decay;

/// Measured curve, law and tolerances of the answer.
pub fn sufficient(e: &Experiment, answer: &Setting) -> Figure {
    let rows = e.rows_of(&answer.found.name, "order-average").collect::<Vec<_>>();
    let reach = rows.iter().filter_map(|r| r.k).max().unwrap_or(0).max(e.n_samples) as f64 * 1.5;
    let law = geometric(e.sizes[0] as f64, reach, |k| law(answer.found.v.variance, e.step, k));
    let marks = rows.iter().filter_map(|r| r.k.map(|k| (k as f64, r.tolerance))).collect();
    let interval = |r: &&SufficientRow| {
        let ends = [r.low?, r.high?].map(|k| (k as f64, r.tolerance));
        Some(line("K", ends.to_vec(), Style::Solid, 2))
    };
    let mut panel = Panel {
        lines: vec![
            line("measured, one order", thin(&e.sizes, |i| answer.delta[i]), Style::Solid, 0),
            line("average over orders, V(1/k − 1/(k+s))", law, Style::Dashed, 1),
            line("K", marks, Style::Points, 2),
        ],
        levels: rows.iter().map(|r| (r.tolerance, format!("tolerance {}", tolerance(r, &e.unit)))).collect(),
        ..delta_axes("How many samples are enough", &format!("Δ_k ({})", e.unit.squared))
    };
    panel.lines.extend(rows.iter().filter_map(interval));
    let caption = format!(
        "K: Δ_k of {}, the law of its average over orders, and where that meets each tolerance, with its {} interval over samples and draws.",
        describe(answer),
        percent(e.confidence)
    );
    let figure = Figure::of("sufficient", Section::Answer, caption, &[panel]);
    figure
        .saying(decay(answer.found.exponent.as_ref()))
        .with([variance("V", answer, &e.unit)])
        .with(answer.found.exponent.as_ref().map(exponent))
}

/// V of a setting.
pub fn variance(label: &str, s: &Setting, unit: &Unit) -> Fact {
    fact(label, s.found.v.variance, &unit.squared).with_error(s.found.v.variance_standard_error)
}

/// The fitted exponent of the measured Δ_k.
pub fn exponent(e: &Exponent) -> Fact {
    fact("decay exponent of Δ_k", e.value, "").within(e.low, e.high)
}
