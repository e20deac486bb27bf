//! How many samples are enough: K where the law meets each tolerance.

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line, thin};
use crate::read::bound::{Setting, SufficientRow};
use crate::read::experiment::Experiment;
use crate::text::answer::tolerance;
use crate::text::directions::describe;
use crate::text::findings;
use crate::text::numbers::percent;

pub fn sufficient(e: &Experiment, answer: &Setting) -> Result<Figure> {
    let rows = e.rows_of(&answer.name, "order-average").collect::<Vec<_>>();
    let reach = rows.iter().filter_map(|r| r.k).max().unwrap_or(0).max(e.data.n_samples) as f64 * 1.5;
    let first = e.sizes[0] as f64;
    let law = (0..=60).map(|i| first * (reach / first).powf(f64::from(i) / 60.0));
    let step = e.step as f64;
    let law = law.map(|k| (k, answer.variance * step / (k * (k + step)))).collect();
    let marks = rows.iter().filter_map(|r| r.k.map(|k| (k as f64, r.tolerance))).collect();
    let interval = |r: &&SufficientRow| {
        let ends = [r.low?, r.high?].map(|k| (k as f64, r.tolerance));
        Some(line("", ends.to_vec(), Style::Solid, 2))
    };
    let mut panel = Panel {
        title: "How many samples are enough".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "Δ_k (nats²)".into(),
        log_x: true,
        log_y: true,
        lines: vec![
            line("measured, one order", thin(&e.sizes, |i| answer.delta[i]), Style::Solid, 0),
            line("average over orders, V(1/k − 1/(k+s))", law, Style::Dashed, 1),
            line("K", marks, Style::Points, 2),
        ],
        levels: rows.iter().map(|r| (r.tolerance, format!("tolerance {}", tolerance(r)))).collect(),
        ..Panel::default()
    };
    panel.lines.extend(rows.iter().filter_map(interval));
    let caption = format!(
        "K: Δ_k of {}, the law of its average over orders, and where that meets each tolerance, with its {} interval over samples and draws.",
        describe(answer),
        percent(e.confidence)
    );
    figure(
        "sufficient",
        Section::Answer,
        caption,
        findings::exponent(answer.exponent.as_ref(), "", e.confidence, false),
        &[panel],
    )
}
