//! Data that arrive, and where the rules stop.

use pipeline::Result;
use records::stream::Stops;

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::stream::Stream;
use crate::read::unit::Unit;
use crate::text::numbers::{count, given, percent, short};

fn tolerance(stops: &Stops) -> (f64, String) {
    (stops.tolerance, format!("tolerance {}", given(stops.tolerance)))
}

/// What the rules see in one run.
pub fn trajectory(found: &Stream, unit: &Unit) -> Result<Figure> {
    let stops = &found.stops;
    let panel = Panel {
        log_y: true,
        lines: vec![
            line("one noisy value", found.trajectory("delta_once")?, Style::Points, 0),
            line("upper limit, samples at hand", found.trajectory("delta_upper")?, Style::Solid, 1),
            line("the same for all looks", found.trajectory("anytime_delta_upper")?, Style::Dashed, 2),
            line("upper limit, fresh samples", found.trajectory("fresh_delta_upper")?, Style::Dashed, 3),
            line("fresh samples of one arrival", found.trajectory("fresh_delta")?, Style::Points, 4),
        ],
        levels: vec![tolerance(stops)],
        ..axes("One run, as its samples arrive", "samples that have come", &format!("Δ ({})", unit.squared))
    };
    let enough = (1.0 - stops.confidence).recip();
    let product = found.trajectory("log_evidence")?.into_iter().map(|(k, log)| (k, log.exp())).collect();
    let evidence = Panel {
        log_y: true,
        lines: vec![line("betting", product, Style::Solid, 4)],
        levels: vec![(enough, format!("enough: {}", short(enough)))],
        ..axes("Evidence that Δ is below the tolerance", "samples that have come", "product of the bets")
    };
    let caption = format!(
        "What the first run shows as its samples arrive, {} at a time; limits at {}. Evidence is the product of bets that Δ is below the tolerance, each on samples that training had not seen.",
        stops.batch,
        percent(stops.confidence),
    );
    Ok(Figure::of("stream", Section::Arriving, caption, &[panel, evidence]))
}

/// Where each run stopped.
pub fn stops(found: &Stream, unit: &Unit) -> Figure {
    let of = |rule: usize| {
        let (k, truth) = (found.sizes.column(rule), found.truths.column(rule));
        k.iter().copied().zip(truth.iter().copied()).filter(|p| p.0.is_finite()).collect::<Vec<_>>()
    };
    let lines = found.stops.rules.iter().enumerate().map(|(i, r)| line(&r.rule, of(i), Style::Points, i));
    let title = format!("Where {} stopped, and Δ there", count(found.stops.seeds, "run"));
    let panel = Panel {
        log_y: true,
        lines: lines.collect(),
        levels: vec![tolerance(&found.stops)],
        ..axes(&title, "samples that had come", &format!("Δ at the stop ({})", unit.squared))
    };
    let caption = "Each point is one run; Δ is measured over the samples that had not come, with draws of its own. Above the line a stop is false.";
    Figure::of("stream-stops", Section::Arriving, caption, &[panel])
}
