//! What pilots predict.

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::bound::{Pilot, PilotDocument};
use crate::text::numbers::{count, grouped, have, percent};

const RETRAINED: &str = "w* and basis of the pilot alone";

fn own_minimiser(pilot: &Pilot) -> bool {
    pilot.minimiser != "all-samples"
}

/// V predicted by the pilots of `setting`, beside V of all `n_samples`; `None` if there are no pilots.
pub fn pilot(document: &PilotDocument, setting: &str, n_samples: usize) -> Result<Option<Figure>> {
    let pilots = document.pilots.iter().filter(|p| p.setting == setting).collect::<Vec<_>>();
    let Some(first) = pilots.first() else { return Ok(None) };
    let points = |own: bool, of: fn(&Pilot) -> f64| {
        let chosen = pilots.iter().filter(|p| own_minimiser(p) == own);
        chosen.map(|p| (p.n_samples as f64, of(p))).collect::<Vec<_>>()
    };
    let interval = |p: &Pilot, colour| {
        let n = p.n_samples as f64;
        line("", vec![(n, p.low), (n, p.high)], Style::Solid, colour)
    };
    let full = first.full_variance;
    let smallest = pilots.iter().map(|p| p.n_samples).min().unwrap_or(1) as f64;
    let mut lines = vec![
        line("w* and basis of all samples", points(false, |p| p.variance), Style::Points, 0),
        line(RETRAINED, points(true, |p| p.variance), Style::Points, 1),
        line("V of all samples", vec![(smallest, full), (n_samples as f64, full)], Style::Dashed, 2),
    ];
    lines.retain(|l| !l.points.is_empty());
    lines.extend(pilots.iter().map(|p| interval(p, usize::from(own_minimiser(p)))));
    let panel = Panel {
        title: "What a pilot predicts".into(),
        x_label: "samples n of the pilot".into(),
        y_label: "V (nats²)".into(),
        log_x: true,
        lines,
        ..Panel::default()
    };
    let held = |own: bool| {
        let of = pilots.iter().filter(|p| own_minimiser(p) == own).collect::<Vec<_>>();
        (of.iter().filter(|p| p.holds).count(), of.len())
    };
    let sentence = pilot_sentence(held(false), held(true), document.confidence);
    let caption = format!(
        "Pilot: V of {setting} from the first n samples, with {} intervals over samples and draws, beside V of all {}.",
        percent(document.confidence),
        grouped(n_samples)
    );
    figure("pilot", Section::Answer, caption, sentence, &[panel]).map(Some)
}

/// How many pilots hold V of all samples, of how many: with w* of all samples, and with their own.
fn pilot_sentence(fixed: (usize, usize), own: (usize, usize), confidence: f64) -> String {
    let one = |(holds, of): (usize, usize), which: &str, why: &str| {
        let interval = percent(confidence);
        (of > 0).then(|| {
            let why = if holds < of { why } else { "" };
            let (of, have) = (count(of, "pilot"), have(holds));
            format!("Of {of} {which}, {have} the V of all samples in the {interval} interval{why}.")
        })
    };
    let other_point = ": w* is another point there, with a V of its own";
    [
        one(fixed, "with w* and basis of all samples", ""),
        one(own, "trained on the first n samples alone", other_point),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pilots_are_told_by_where_their_minimiser_is() {
        let fixed =
            "Of 3 pilots with w* and basis of all samples, 2 have the V of all samples in the 95 % interval.";
        let own = "Of 1 pilot trained on the first n samples alone, none has the V of all samples in the 95 % interval: w* is another point there, with a V of its own.";
        assert_eq!(pilot_sentence((2, 3), (0, 0), 0.95), fixed);
        assert_eq!(pilot_sentence((0, 0), (0, 1), 0.95), own);
        assert_eq!(pilot_sentence((2, 3), (0, 1), 0.95), format!("{fixed} {own}"));
        // No reason is given for what did not happen.
        assert_eq!(
            pilot_sentence((0, 0), (2, 2), 0.9),
            "Of 2 pilots trained on the first n samples alone, 2 have the V of all samples in the 90 % interval."
        );
    }
}
