//! Over the samples that networks were trained on.

use records::family::{Fit, Ladder, Rung};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, geometric, line, ranked};
use crate::read::family::{Family, ReadLadder};
use crate::read::unit::Unit;
use crate::text::fact::{Fact, fact, spread};
use crate::text::numbers::{given, grouped, whole};
use crate::text::verdicts::flat;

fn over_samples(title: &str, y_label: &str) -> Panel {
    Panel { log_x: true, ..axes(title, "training samples k", y_label) }
}

/// Test loss with its power law, and test accuracy.
pub fn learning_curve(family: &Family) -> Figure {
    let Family { ladders, unit, .. } = family;
    let mut loss = Panel { log_y: true, ..over_samples("Test loss", &format!("loss ({})", unit.loss)) };
    let mut accuracy = over_samples("Test accuracy", "fraction classified right");
    let band = |r: &Rung| {
        let s = r.test_loss?;
        Some((r.k as f64, s.mean - s.deviation?, s.mean + s.deviation?))
    };
    loss.band = ladders[0].rungs.iter().filter_map(band).collect();
    for (i, ladder) in ladders.iter().enumerate() {
        let (measured, label) = (ladder.line(|r| Some(r.test_loss?.mean)), ladder.label("measured"));
        loss.lines.push(line(&label, measured, Style::Points, i));
        let right = ladder.line(|r| Some(r.test_accuracy?.mean));
        accuracy.lines.push(line(&label, right, Style::Solid, i));
        if let Some(fit) = &ladder.fit {
            let (first, last) = (ladder.rungs[0].k as f64, 2.0 * ladder.last().k as f64);
            let law = geometric(first, last, |k| fit.floor + fit.scale * k.powf(-fit.exponent));
            loss.lines.push(line(&ladder.label("a + b k^−c"), law, Style::Dashed, i + 1));
        }
    }
    let mut panels = vec![loss];
    if accuracy.lines.iter().any(|l| !l.points.is_empty()) {
        panels.push(accuracy);
    }
    let caption = "Learning curve: networks trained on k samples, tested on the same test split.";
    let mut figure = Figure::of("learning-curve", Section::Model, caption, &panels);
    for (ladder, found) in family.flat() {
        figure = figure.saying(ladder.label(&flat(ladder, found.as_ref(), unit)));
        figure = figure.with(ladder.fit.iter().flat_map(|fit| power_law(ladder, fit, unit)));
        let from = found.and_then(|found| found.at).map(|(n, _)| n.round());
        figure = figure.with(from.map(|n| fact(ladder.label("flat from"), n, "samples")));
    }
    figure
}

/// The test loss as a + b k^−c.
fn power_law(ladder: &Ladder, fit: &Fit, unit: &Unit) -> Vec<Fact> {
    let of = |what: &str| ladder.label(what);
    let exponent = fact(of("exponent c"), fit.exponent, "");
    vec![
        fact(of("floor a of the test loss"), fit.floor, &unit.loss),
        fact(of("scale b"), fit.scale, &unit.loss),
        fit.exponent_deviation.map_or(exponent.clone(), |d| exponent.with_error(d)),
        fact(of("residual"), fit.relative_residual, "fraction"),
    ]
}

/// Angles between the dominant subspaces of the retrained networks and those of the largest.
pub fn angles(ladders: &[Ladder]) -> Figure {
    let mut overlap = over_samples("Overlap of P_k and P_N", "mean squared cosine");
    let mut each = axes("Principal angles", "rank", "angle (degrees)");
    for (i, ladder) in ladders.iter().enumerate() {
        let points = ladder.line(|r| Some(r.overlap?.mean));
        overlap.lines.push(line(&ladder.label("mean over replicas"), points, Style::Solid, i));
        for rung in ladder.rungs.iter().filter(|r| !r.cosines.is_empty()) {
            let points = ranked(rung.cosines.iter().map(|c| c.acos().to_degrees()));
            let label = ladder.label(&format!("k = {}", grouped(rung.k)));
            each.lines.push(line(&label, points, Style::Solid, each.lines.len()));
        }
    }
    let of = |l: &Ladder, r: &Rung| {
        let label = l.label(&format!("overlap at k = {}", grouped(r.k)));
        Some(spread(label, r.overlap?, "mean squared cosine"))
    };
    let facts = ladders.iter().flat_map(|l| l.rungs.iter().filter_map(move |r| of(l, r))).collect::<Vec<_>>();
    let caption = "Principal angles between the dominant subspaces P_k and P_N of the same seed, each at its own minimiser.";
    let figure = Figure::of("angles", Section::Spectrum, caption, &[overlap, each]);
    if facts.is_empty() {
        figure.saying("No overlap: the retrained networks have other layers than the largest, as their samples miss classes.")
    } else {
        figure.with(facts)
    }
}

/// Δ_k where each prefix has its own minimiser and directions.
pub fn retrained(ladders: &[Ladder], unit: &Unit) -> Figure {
    let mut panel = Panel {
        log_y: true,
        ..over_samples("Δ_k at retrained minimisers", &format!("Δ_k ({})", unit.squared))
    };
    for (i, ladder) in ladders.iter().enumerate() {
        let curves = [
            ("retrained, samples to come", ladder.line(|r| Some(r.delta_fresh?.mean)), Style::Points),
            ("retrained, its own samples", ladder.line(|r| Some(r.delta_seen.mean)), Style::Solid),
            ("at the minimiser of all samples", ladder.line(|r| Some(ladder.law(r.k))), Style::Dashed),
        ];
        for (j, (label, points, style)) in curves.into_iter().enumerate() {
            panel.lines.push(line(&ladder.label(label), points, style, 3 * i + j));
        }
    }
    let ratio = |l: &Ladder, r: &Rung| {
        let label = format!("Δ_k for samples to come, retrained, over the law at k = {}", grouped(r.k));
        Some(fact(l.label(&label), r.delta_fresh?.mean / l.law(r.k), ""))
    };
    let facts = ladders.iter().flat_map(|l| l.rungs.iter().filter_map(move |r| ratio(l, r)));
    let caption = "Δ_k where each prefix has its own minimiser and directions: over the samples that come next, and by the law of its own. The law is that at the network trained on all samples.";
    Figure::of("retrained", Section::Delta, caption, &[panel]).with(facts)
}

/// K as each size predicts it, beside where the learning curve is flat.
pub fn sufficient(family: &Family) -> Figure {
    let unit = &family.unit;
    let mut panel = Panel { log_y: true, ..over_samples("K as each size predicts it", "K (samples)") };
    let mut facts = vec![];
    for (ladder, found) in family.flat() {
        for (j, (tolerance, k)) in ladder.last().sufficient.iter().enumerate() {
            let of = |r: &Rung| r.sufficient.get(j).map(|s| s.1.mean);
            let label = ladder.label(&format!("K at {}", given(*tolerance)));
            panel.lines.push(line(&label, ladder.line(of), Style::Solid, panel.lines.len()));
            facts.push(spread(format!("{label} {}", unit.squared), *k, "samples"));
        }
        if let Some((n, delta)) = found.and_then(|found| found.at) {
            panel.levels.push((n, ladder.label(&format!("learning curve flat: {}", whole(n)))));
            facts.push(fact(ladder.label("Δ_k where the learning curve is flat"), delta, &unit.squared));
        }
    }
    let caption =
        "K by the closed form from the networks of each size, beside where the learning curve is flat.";
    Figure::of("k-and-learning-curve", Section::Answer, caption, &[panel]).with(facts)
}

#[cfg(test)]
mod tests {
    use records::family::{Flattening, GainStatus, LittleGain, ToleranceOfGain};

    use super::*;
    use crate::read::fixtures::{curve, family, nats, one, rung, unfitted};

    fn of(ladders: Vec<Ladder>) -> Family {
        family(ladders, vec![])
    }

    fn known(figure: &Figure) -> Vec<String> {
        figure.facts.iter().map(Fact::text).collect()
    }

    #[test]
    fn a_learning_curve_has_its_law_and_the_panels_it_was_measured_for() {
        let fitted = curve(Flattening::At, Some(22_725.3));
        let figure = learning_curve(&of(vec![Ladder { variant: Some("wide".into()), ..fitted }]));
        assert_eq!(known(&figure), ["0", "5.036", "0.3730 ± 0.0013", "3.18 %", "22,725"]);
        assert!(figure.verdict.starts_with("wide: A doubling of the samples"), "{}", figure.verdict);
        assert!(figure.alt.ends_with("(Test loss)"), "{}", figure.alt);
        let mut classified = unfitted();
        classified.rungs[0].test_accuracy = Some(one(0.9));
        let both = learning_curve(&of(vec![classified]));
        assert!(both.alt.ends_with("(Test loss; Test accuracy)") && both.facts.is_empty());
    }

    #[test]
    fn k_stands_beside_the_learning_curve() {
        let within = curve(Flattening::At, Some(700.0));
        let figure = sufficient(&of(vec![within, Ladder { variant: Some("wide".into()), ..unfitted() }]));
        assert!(figure.svg.contains("learning curve flat: 700"), "{}", figure.svg);
        assert_eq!(known(&figure), ["3,870", "1.9e-7", "3,870"]);
        let everywhere = sufficient(&of(vec![curve(Flattening::At, Some(0.3))]));
        assert!(!everywhere.svg.contains("learning curve flat") && everywhere.facts.len() == 1);
    }

    #[test]
    fn a_forecast_says_where_the_curve_is_flat_in_every_figure() {
        let mut forecast = of(vec![curve(Flattening::At, Some(700.0))]);
        let gain =
            LittleGain { fraction: 0.05, status: GainStatus::At, n: Some(9690), low: Some(60), high: None };
        let found = ToleranceOfGain { gain, tolerance: Some(2e-9), low: None, high: None };
        forecast.forecasts[0].tolerance_of_gain = Some(found);
        let figures = [learning_curve(&forecast), sufficient(&forecast)];
        assert!(figures[0].verdict.contains("from about 9,690 samples on"), "{}", figures[0].verdict);
        assert_eq!(known(&figures[0]).last().unwrap(), "9,690");
        assert!(figures[1].svg.contains("learning curve flat: 9,690"));
        assert_eq!(known(&figures[1]), ["3,870", "2e-9"]);
    }

    #[test]
    fn retrained_networks_are_compared_where_there_are_some() {
        let mut ladder = unfitted();
        assert!(retrained(&[unfitted()], &nats()).facts.is_empty());
        assert!(angles(&[unfitted()]).verdict.starts_with("No overlap: the retrained"));
        // V = 1, s = 1: the law is 1/110 at k = 10, 1/420 at k = 20.
        for (i, (k, delta, overlap)) in
            [(10, 2.0 / 110.0, 0.25), (20, 0.5 / 420.0, 0.75)].into_iter().enumerate()
        {
            let fresh = Rung { delta_fresh: Some(one(delta)), overlap: Some(one(overlap)), ..rung(k) };
            ladder.rungs.insert(i, fresh);
        }
        assert_eq!(known(&retrained(std::slice::from_ref(&ladder), &nats())), ["2", "0.5"]);
        assert_eq!(known(&angles(&[ladder])), ["0.25", "0.75"]);
    }
}
