//! Data that arrive, and where the rules stop.

use anyhow::Result;
use records::stream::{RuleStops, Stops};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::stream::Stream;
use crate::text::fact::{Fact, fact, number};
use crate::text::numbers::{count, percent, short};
use crate::text::unit::Unit;

fn tolerance(stops: &Stops) -> (f64, String) {
    (stops.tolerance, format!("tolerance {}", short(stops.tolerance)))
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
        ],
        levels: vec![tolerance(stops)],
        ..axes("One run, as its samples arrive", "samples that have come", &format!("Δ ({})", unit.squared))
    };
    let caption = format!(
        "What the rules see as the samples arrive, {} at a time; limits at {}. A stop is false if Δ is not below {} {} where it happens; rates have 95 % intervals.",
        stops.batch,
        percent(stops.confidence),
        short(stops.tolerance),
        unit.squared
    );
    let facts = std::iter::once(number("runs", stops.seeds)).chain(stops.rules.iter().flat_map(rule));
    Ok(Figure::of("stream", Section::Arriving, caption, &[panel])?.with(facts))
}

/// How often one rule stopped, and how often falsely.
fn rule(r: &RuleStops) -> Vec<Fact> {
    let of = |what: &str| format!("{}: {what}", r.rule);
    let mut facts = vec![number(of("runs stopped"), r.stopped)];
    if r.stopped > 0 {
        let known = |v: Option<f64>| v.unwrap_or(f64::NAN);
        facts.extend([
            number(of("of them falsely"), r.false_stops),
            fact(of("rate of false stops"), known(r.false_stop_rate), "fraction")
                .within(known(r.low), known(r.high)),
            fact(of("median of the stops"), known(r.median_k), "samples"),
        ]);
    }
    facts
}

/// Where each run stopped.
pub fn stops(found: &Stream, unit: &Unit) -> Result<Figure> {
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
    let ratio = |r: &RuleStops| {
        let label = format!("{}: median of Δ at the stop over the tolerance", r.rule);
        fact(label, r.median_truth.unwrap_or(f64::NAN) / found.stops.tolerance, "")
    };
    let caption = "Each point is one run; Δ is measured over the samples that had not come, with draws of its own. Above the line a stop is false.";
    let figure = Figure::of("stream-stops", Section::Arriving, caption, &[panel])?;
    Ok(figure.with(found.stops.rules.iter().map(ratio)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_never_stopped_has_no_rate() {
        let mut found = RuleStops {
            rule: "once".into(),
            stopped: 3,
            false_stops: 1,
            false_stop_rate: Some(0.25),
            low: Some(0.125),
            high: Some(0.5),
            median_k: Some(12_345.0),
            median_truth: Some(3e-4),
            largest_truth: Some(5e-4),
        };
        let known = |r: &RuleStops| rule(r).iter().map(Fact::text).collect::<Vec<_>>();
        assert_eq!(known(&found), ["3", "1", "25 % [12.5 %, 50 %]", "12,345"]);
        found.stopped = 0;
        assert_eq!(known(&found), ["0"]);
    }
}
