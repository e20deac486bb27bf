//! Data that arrive, and where the rules stop.

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::stream::{Rule, Stops, Stream};
use crate::text::numbers::{count, grouped, grouped_f, percent, short};

pub fn trajectory(found: &Stream) -> Result<Figure> {
    let panel = Panel {
        title: "One run, as its samples arrive".into(),
        x_label: "samples that have come".into(),
        y_label: "Δ (nats²)".into(),
        log_y: true,
        lines: vec![
            line("one noisy value", found.trajectory("delta_once")?, Style::Points, 0),
            line("upper limit, samples at hand", found.trajectory("delta_upper")?, Style::Solid, 1),
            line("the same for all looks", found.trajectory("anytime_delta_upper")?, Style::Dashed, 2),
            line("upper limit, fresh samples", found.trajectory("fresh_delta_upper")?, Style::Dashed, 3),
        ],
        levels: vec![(found.stops.tolerance, format!("tolerance {}", short(found.stops.tolerance)))],
        ..Panel::default()
    };
    let caption = format!(
        "What the rules see as the samples arrive, {} at a time; limits at {}.",
        found.stops.batch,
        percent(found.stops.confidence)
    );
    figure("stream", Section::Arriving, caption, stop_sentence(&found.stops), &[panel])
}

fn stop_sentence(stops: &Stops) -> String {
    let rule = |r: &Rule| match (r.false_stop_rate, r.low, r.high) {
        (Some(rate), Some(low), Some(high)) => format!(
            "{} stopped {} of {}, falsely {}: {} (95 % interval {} to {}), at {} samples in the median",
            r.name,
            grouped(r.stopped),
            count(stops.seeds, "run"),
            count(r.false_stops, "time"),
            percent(rate),
            percent(low),
            percent(high),
            grouped_f(r.median_k.unwrap_or(f64::NAN)),
        ),
        _ => format!("{} never stopped", r.name),
    };
    let rules = stops.rules.iter().map(rule).collect::<Vec<_>>().join("; ");
    format!("A stop is false if Δ is not below {} nats² where it happens. {rules}.", short(stops.tolerance))
}

pub fn stops(found: &Stream) -> Result<Figure> {
    let of = |rule: usize| {
        let (k, truth) = (found.sizes.column(rule), found.truths.column(rule));
        k.iter().copied().zip(truth.iter().copied()).filter(|p| p.0.is_finite()).collect::<Vec<_>>()
    };
    let lines = found.stops.rules.iter().enumerate().map(|(i, r)| line(&r.name, of(i), Style::Points, i));
    let panel = Panel {
        title: format!("Where {} stopped, and Δ there", count(found.stops.seeds, "run")),
        x_label: "samples that had come".into(),
        y_label: "Δ at the stop (nats²)".into(),
        log_y: true,
        lines: lines.collect(),
        levels: vec![(found.stops.tolerance, format!("tolerance {}", short(found.stops.tolerance)))],
        ..Panel::default()
    };
    let sentence = ratio_sentence(&found.stops);
    let caption =
        "Each point is one run; Δ is measured over the samples that had not come, with draws of its own."
            .into();
    figure("stream-stops", Section::Arriving, caption, sentence, &[panel])
}

/// Δ where each rule stopped, over the tolerance.
fn ratio_sentence(stops: &Stops) -> String {
    let ratio = |r: &Rule| r.median_truth.map(|t| format!("{}: {}", r.name, short(t / stops.tolerance)));
    let ratios = stops.rules.iter().filter_map(ratio).collect::<Vec<_>>();
    if ratios.is_empty() {
        return "No rule stopped in any run.".to_owned();
    }
    format!(
        "Δ at the stop over the tolerance, median: {}. Above the line a stop is false.",
        ratios.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stopped_and_rules_that_did_not_are_told_apart() {
        let rule = |name: &str, stopped, median: Option<(f64, f64)>| Rule {
            name: name.into(),
            stopped,
            false_stops: stopped / 3,
            false_stop_rate: median.map(|_| 0.25),
            low: median.map(|_| 0.125),
            high: median.map(|_| 0.5),
            median_k: median.map(|m| m.0),
            median_truth: median.map(|m| m.1),
        };
        let stops = |rules| Stops { seeds: 20, tolerance: 1e-4, confidence: 0.95, batch: 8, rules };

        let mixed = stops(vec![rule("once", 3, Some((12_345.0, 3e-4))), rule("patient", 0, None)]);
        assert_eq!(
            stop_sentence(&mixed),
            "A stop is false if Δ is not below 1e-4 nats² where it happens. once stopped 3 of 20 runs, falsely 1 time: \
             25 % (95 % interval 12.5 % to 50 %), at 12,345 samples in the median; patient never stopped."
        );
        assert_eq!(
            ratio_sentence(&mixed),
            "Δ at the stop over the tolerance, median: once: 3. Above the line a stop is false."
        );

        let none = stops(vec![rule("patient", 0, None)]);
        assert!(stop_sentence(&none).ends_with("patient never stopped."), "{}", stop_sentence(&none));
        assert_eq!(ratio_sentence(&none), "No rule stopped in any run.");
    }
}
