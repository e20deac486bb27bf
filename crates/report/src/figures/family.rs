//! What the members of a family show together.

use std::fmt::Write;

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::family::{Fit, Flattening, Ladder, Member, Rung, Spread, replicated};
use crate::text::findings;
use crate::text::numbers::{count, grouped, grouped_f, percent, short, with_error};
use crate::text::paper::PAPER_EIGENVALUES;

pub fn spread(s: Spread) -> String {
    s.deviation.map_or_else(|| short(s.mean), |d| with_error(s.mean, d))
}

/// All figures of a family.
pub fn draw(ladders: &[Ladder], members: &[Member], compare: bool) -> Result<Vec<Figure>> {
    let mut figures = vec![spectrum(ladders, compare)?];
    if ladders.iter().any(|l| l.rungs.len() > 1) {
        if ladders.iter().any(|l| l.last().test_loss.is_some()) {
            figures.push(learning_curve(ladders)?);
        }
        figures.push(angles(ladders)?);
        figures.push(retrained(ladders)?);
        figures.push(sufficient(ladders)?);
    }
    if members.iter().any(|m| m.n_classes != members[0].n_classes) {
        figures.push(classes(members)?);
    }
    if ladders.len() > 1 {
        figures.push(variants(ladders, members)?);
    }
    Ok(figures)
}

/// Figure 1: the mean over replicas, with its spread.
pub fn spectrum(curves: &[Ladder], compare: bool) -> Result<Figure> {
    let mut lines = vec![];
    for (i, curve) in curves.iter().enumerate() {
        let last = curve.last();
        let points = |f: &dyn Fn(&Spread) -> f64| {
            last.eigenvalues.iter().enumerate().map(|(i, s)| (i as f64 + 1.0, f(s))).collect::<Vec<_>>()
        };
        let label = curve.label(&format!("{} samples, mean of {}", grouped(last.k), last.replicas));
        lines.push(line(&label, points(&|s| s.mean), Style::Solid, i));
    }
    if compare {
        let paper = PAPER_EIGENVALUES.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
        lines.push(line("the paper, mean of 50 networks", paper, Style::Dashed, curves.len()));
    }
    let first = curves[0].last();
    let band = first.eigenvalues.iter().enumerate();
    let band = band.filter_map(|(i, s)| Some((i as f64 + 1.0, s.mean - s.deviation?, s.mean + s.deviation?)));
    let panel = Panel {
        title: "Eigenvalues of H(w*)".into(),
        x_label: "rank".into(),
        y_label: "eigenvalue (nats per squared parameter unit)".into(),
        band: band.collect(),
        lines,
        ..Panel::default()
    };
    let of = |c: &Ladder| {
        let e = &c.last().eigenvalues;
        let networks = count(c.last().replicas, "network");
        let last = match e.as_slice() {
            [.., last] if e.len() > 1 => format!(" and λ{} = {}", e.len(), spread(*last)),
            _ => String::new(),
        };
        c.label(&format!("λ1 = {}{last} over {networks}", spread(e[0])))
    };
    let mut sentence = curves.iter().map(of).collect::<Vec<_>>().join("; ");
    if replicated(curves) {
        sentence += " (± is the standard deviation over replicas)";
    }
    sentence += ".";
    if compare {
        write!(sentence, " The paper printed {} to {}.", PAPER_EIGENVALUES[0], PAPER_EIGENVALUES[9])
            .expect("writing to a string");
    }
    let caption =
        "Figure 1: signed Ritz values, mean over replicas; the band is one standard deviation.".into();
    figure("mean-spectrum", Section::Spectrum, caption, sentence, &[panel])
}

/// Axes over the samples that networks were trained on.
fn over_samples(title: &str, y_label: &str) -> Panel {
    Panel {
        title: title.into(),
        x_label: "training samples k".into(),
        y_label: y_label.into(),
        log_x: true,
        ..Panel::default()
    }
}

pub fn learning_curve(curves: &[Ladder]) -> Result<Figure> {
    let mut loss = Panel { log_y: true, ..over_samples("Test loss", "loss (nats)") };
    let mut accuracy = Panel { rises: true, ..over_samples("Test accuracy", "fraction classified right") };
    let mut sentences = vec![];
    for (i, curve) in curves.iter().enumerate() {
        loss.lines.push(line(
            &curve.label("measured"),
            curve.line(|r| Some(r.test_loss?.mean)),
            Style::Points,
            i,
        ));
        accuracy.lines.push(line(
            &curve.label("measured"),
            curve.line(|r| Some(r.test_accuracy?.mean)),
            Style::Solid,
            i,
        ));
        if i == 0 {
            let band = |r: &Rung| {
                let s = r.test_loss?;
                Some((r.k as f64, s.mean - s.deviation?, s.mean + s.deviation?))
            };
            loss.band = curve.rungs.iter().filter_map(band).collect();
        }
        let Some(fit) = &curve.fit else { continue };
        let (first, last) = (curve.rungs[0].k as f64, 2.0 * curve.last().k as f64);
        let law = (0..=60).map(|i| first * (last / first).powf(f64::from(i) / 60.0));
        let law = law.map(|k| (k, fit.floor + fit.scale * k.powf(-fit.exponent))).collect();
        loss.lines.push(line(&curve.label("a + b k^−c"), law, Style::Dashed, i + 1));
        sentences.push(curve.label(&fit_sentence(curve, fit)));
    }
    if sentences.is_empty() {
        sentences.push("A power law needs three prefix sizes.".into());
    }
    let caption = "Learning curve: networks trained on k samples, tested on the same test split.".into();
    let mut panels = vec![loss];
    if accuracy.lines.iter().any(|l| !l.points.is_empty()) {
        panels.push(accuracy);
    }
    figure("learning-curve", Section::Model, caption, sentences.join(" "), &panels)
}

fn fit_sentence(curve: &Ladder, fit: &Fit) -> String {
    let spread =
        fit.exponent_deviation.map_or(String::new(), |d| format!("exponent ± {} over replicas, ", short(d)));
    let gain = short(100.0 * curve.flat_gain);
    let last = curve.last().k as f64;
    let flat = match curve.flat_from() {
        Some(k) if k > last => format!(
            "a doubling takes less than {gain} % off only from about {} samples on, beyond those measured",
            grouped_f(k)
        ),
        Some(k) => format!("a doubling takes less than {gain} % off from about {} samples on", grouped_f(k)),
        None if fit.flattening == Flattening::Never => {
            format!("the fitted floor is 0, so by this law a doubling always takes more than {gain} % off")
        }
        None => format!("a doubling takes less than {gain} % off at every size measured"),
    };
    format!(
        "The test loss is {} + {} k^−{} ({spread}residual {}); {flat}.",
        short(fit.floor),
        short(fit.scale),
        short(fit.exponent),
        percent(fit.relative_residual)
    )
}

pub fn angles(curves: &[Ladder]) -> Result<Figure> {
    let mut overlap = Panel { rises: true, ..over_samples("Overlap of P_k and P_N", "mean squared cosine") };
    let mut each = Panel {
        title: "Principal angles".into(),
        x_label: "rank".into(),
        y_label: "angle (degrees)".into(),
        rises: true,
        ..Panel::default()
    };
    for (i, curve) in curves.iter().enumerate() {
        overlap.lines.push(line(
            &curve.label("mean over replicas"),
            curve.line(|r| Some(r.overlap?.mean)),
            Style::Solid,
            i,
        ));
        for rung in curve.rungs.iter().filter(|r| !r.cosines.is_empty()) {
            let points =
                rung.cosines.iter().enumerate().map(|(j, c)| (j as f64 + 1.0, c.acos().to_degrees()));
            each.lines.push(line(
                &curve.label(&format!("k = {}", grouped(rung.k))),
                points.collect(),
                Style::Solid,
                each.lines.len(),
            ));
        }
    }
    let caption =
        "Principal angles between the dominant subspaces P_k and P_N, each at its own minimiser.".into();
    figure("angles", Section::Spectrum, caption, overlap_sentence(curves), &[overlap, each])
}

/// The overlap at the smallest and the largest size that have one.
fn overlap_sentence(curves: &[Ladder]) -> String {
    let of = |c: &Ladder| {
        let one = |r: &Rung| Some(format!("{} at k = {}", spread(r.overlap?), grouped(r.k)));
        let told = c.rungs.iter().filter_map(one).collect::<Vec<_>>();
        match told.as_slice() {
            [] => None,
            [only] => Some(c.label(only)),
            [first, .., last] => Some(c.label(&format!("{first} and {last}"))),
        }
    };
    let told = curves.iter().filter_map(of).collect::<Vec<_>>();
    if told.is_empty() {
        return "No overlap: the retrained networks have other layers than the largest, as their samples miss classes.".to_owned();
    }
    format!(
        "Mean squared cosine between the dominant subspaces of the retrained networks and those of the largest one of the same seed: {}.",
        told.join("; ")
    )
}

pub fn retrained(curves: &[Ladder]) -> Result<Figure> {
    let mut panel = Panel { log_y: true, ..over_samples("Δ_k at retrained minimisers", "Δ_k (nats²)") };
    let mut sentences = vec![];
    for (i, curve) in curves.iter().enumerate() {
        let fixed = |r: &Rung| Some(curve.law(r.k));
        panel.lines.push(line(
            &curve.label("retrained, samples to come"),
            curve.line(|r| Some(r.delta_fresh?.mean)),
            Style::Points,
            3 * i,
        ));
        panel.lines.push(line(
            &curve.label("retrained, its own samples"),
            curve.line(|r| Some(r.delta_seen.mean)),
            Style::Solid,
            3 * i + 1,
        ));
        panel.lines.push(line(
            &curve.label("at the minimiser of all samples"),
            curve.line(fixed),
            Style::Dashed,
            3 * i + 2,
        ));
        sentences.extend(fresh_sentence(curve).map(|text| curve.label(&text)));
    }
    let caption = "Δ_k where each prefix has its own minimiser and directions: over the samples that come next, and by the law of its own.".into();
    figure("retrained", Section::Delta, caption, sentences.join(" "), &[panel])
}

/// Δ_k of the retrained networks over the law of the largest; none where there is a single size.
fn fresh_sentence(curve: &Ladder) -> Option<String> {
    let ratio =
        |r: &Rung| Some(format!("{} at k = {}", short(r.delta_fresh?.mean / curve.law(r.k)), grouped(r.k)));
    let ratios = curve.rungs.iter().filter_map(ratio).collect::<Vec<_>>().join(", ");
    (!ratios.is_empty()).then(|| {
        format!("Δ_k for samples to come, at the network retrained on k, over the law at the one trained on all: {ratios}.")
    })
}

pub fn sufficient(curves: &[Ladder]) -> Result<Figure> {
    let mut panel = Panel { log_y: true, ..over_samples("K as each size predicts it", "K (samples)") };
    let mut sentences = vec![];
    for curve in curves {
        for (j, (tolerance, _)) in curve.last().sufficient.iter().enumerate() {
            let label = curve.label(&format!("K at {}", short(*tolerance)));
            let of = |r: &Rung| r.sufficient.get(j).map(|s| s.1.mean);
            panel.lines.push(line(&label, curve.line(of), Style::Solid, panel.lines.len()));
        }
        if let Some(k) = curve.flat_from() {
            panel.levels.push((k, curve.label(&format!("learning curve flat: {}", grouped_f(k)))));
        }
        sentences.push(curve.label(&flat_sentence(curve)));
    }
    let caption =
        "K by the closed form from the networks of each size, beside where the learning curve is flat."
            .into();
    figure("k-and-learning-curve", Section::Answer, caption, sentences.join(" "), &[panel])
}

/// K beside the flattening of the learning curve.
pub fn flat_sentence(curve: &Ladder) -> String {
    let sizes =
        |(tolerance, k): &(f64, Spread)| format!("K = {} at {} nats²", grouped_f(k.mean), short(*tolerance));
    let all = curve.last().sufficient.iter().map(sizes).collect::<Vec<_>>().join(", ");
    let Some(fit) = &curve.fit else {
        return format!("{all}; there is no power law of the test loss to set beside it.");
    };
    match (curve.flat_from(), fit.delta_at_flat) {
        (Some(k), Some(delta)) => format!(
            "{all}; the learning curve is flat from about {} samples on{}, where Δ is {} nats²: K says when it flattens only for a tolerance near that.",
            grouped_f(k),
            if k > curve.last().k as f64 { ", by its power law beyond those measured" } else { "" },
            short(delta)
        ),
        _ if fit.flattening == Flattening::Never => {
            format!(
                "{all}; by its power law the learning curve never becomes flat, so no K marks that point."
            )
        }
        _ => format!(
            "{all}; the learning curve is flat at every size measured, so no K marks where it becomes so."
        ),
    }
}

/// Outliers of networks trained on different numbers of classes.
pub fn classes(members: &[Member]) -> Result<Figure> {
    let found =
        members.iter().filter_map(|m| Some((m.n_classes as f64, m.outliers?.0 as f64))).collect::<Vec<_>>();
    let equal = members.iter().map(|m| (m.n_classes as f64, m.n_classes as f64 - 1.0)).collect();
    let panel = Panel {
        title: "Outliers of networks trained on C classes".into(),
        x_label: "classes C".into(),
        y_label: "eigenvalues above the largest gap".into(),
        rises: true,
        lines: vec![line("outliers", found, Style::Points, 0), line("C − 1", equal, Style::Dashed, 1)],
        ..Panel::default()
    };
    let sentence = classes_sentence(members);
    let caption =
        "Outliers against the number of classes, each network trained on those classes alone.".into();
    figure("outliers-by-class", Section::Spectrum, caption, sentence, &[panel])
}

/// The outliers of each member, and how large the gap below them is.
fn classes_sentence(members: &[Member]) -> String {
    let of = |m: &Member| match m.outliers {
        Some((n, ratio)) => format!("{n} with {} classes (gap {})", m.n_classes, short(ratio)),
        None => format!("no gap with {} classes", m.n_classes),
    };
    format!("Outliers: {}.", members.iter().map(of).collect::<Vec<_>>().join(", "))
}

pub fn variants(curves: &[Ladder], members: &[Member]) -> Result<Figure> {
    let first = curves.iter().map(|c| c.rungs[0].k).min().unwrap_or(1) as f64;
    let last = curves.iter().map(|c| c.last().k).max().unwrap_or(1) as f64;
    let first = if last > first { first } else { last / 100.0 };
    let at = |v: f64, step: f64| {
        let k = (0..=60).map(|i| first * (last / first).powf(f64::from(i) / 60.0));
        k.map(|k| (k, v * step / (k * (k + step)))).collect::<Vec<_>>()
    };
    let mut panel = Panel {
        title: "Δ_k, averaged over orders".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "Δ_k (nats²)".into(),
        log_x: true,
        log_y: true,
        ..Panel::default()
    };
    let mut sentences = vec![];
    for (i, curve) in curves.iter().enumerate() {
        let step = curve.step as f64;
        let v = curve.last().variance.mean;
        panel.lines.push(line(&curve.label("Monte Carlo"), at(v, step), Style::Solid, i));
        let mut text = format!("V = {} nats² by Monte Carlo", short(v));
        for (name, theory) in &curve.theory_variances {
            write!(text, ", {} by {name}", short(*theory)).expect("writing to a string");
            if name == "second-order" {
                panel.lines.push(line(
                    &curve.label("second-order theory"),
                    at(*theory, step),
                    Style::Dashed,
                    i,
                ));
            }
        }
        sentences.push(curve.label(&text) + ".");
    }
    sentences.extend(
        members.iter().filter_map(|m| Some(format!("{}: {}", m.name, findings::polish(m.polish.as_ref()?)))),
    );
    let caption = format!("The variants side by side ({}).", curves[0].setting);
    figure("variants", Section::Delta, caption, sentences.join(" "), &[panel])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{self, curve, member, one, rung, unfitted};

    #[test]
    fn members_without_a_gap_are_told_as_such() {
        let found = Member { outliers: Some((9, 3.0)), ..member("a", None) };
        let none = Member { n_classes: 2, ..member("b", None) };
        assert_eq!(
            classes_sentence(&[found, none]),
            "Outliers: 9 with 10 classes (gap 3), no gap with 2 classes."
        );
    }

    #[test]
    fn a_learning_curve_is_described_as_it_was_found() {
        let said = |c: &Ladder| fit_sentence(c, c.fit.as_ref().unwrap());
        let mut never = curve(Flattening::Never, None);
        assert_eq!(
            said(&never),
            "The test loss is 0 + 5.036 k^−0.373 (exponent ± 1.3e-3 over replicas, residual 3.18 %); \
             the fitted floor is 0, so by this law a doubling always takes more than 5 % off."
        );
        never.fit.as_mut().unwrap().exponent_deviation = None;
        assert!(said(&never).starts_with("The test loss is 0 + 5.036 k^−0.373 (residual 3.18 %);"));
        // A law that is flat from below the smallest size on is flat at every size that was measured.
        for everywhere in [curve(Flattening::Everywhere, None), curve(Flattening::At, Some(0.3))] {
            let text = said(&everywhere);
            assert!(text.ends_with("; a doubling takes less than 5 % off at every size measured."), "{text}");
        }
        let beyond = curve(Flattening::At, Some(22_725.0));
        assert!(said(&beyond).ends_with(
            "; a doubling takes less than 5 % off only from about 22,725 samples on, beyond those measured."
        ));
        let within = curve(Flattening::At, Some(700.0));
        assert!(said(&within).ends_with("; a doubling takes less than 5 % off from about 700 samples on."));

        let drawn = |c: Ladder| learning_curve(&[c]).unwrap();
        let named = drawn(Ladder { variant: Some("wide".into()), ..within });
        assert!(named.sentence.starts_with("wide: The test loss is"), "{}", named.sentence);
        let mut measured = unfitted();
        measured.rungs[0].test_loss = Some(one(0.5));
        let loss = drawn(Ladder { variant: None, ..measured });
        assert_eq!(loss.sentence, "A power law needs three prefix sizes.");
        assert!(loss.alt.ends_with("(Test loss)"), "{}", loss.alt);
        let mut classified = unfitted();
        classified.rungs[0].test_accuracy = Some(one(0.9));
        let both = drawn(classified).alt;
        assert!(both.ends_with("(Test loss; Test accuracy)"), "{both}");
    }

    #[test]
    fn k_stands_beside_the_learning_curve_in_words_that_fit() {
        let never = curve(Flattening::Never, None);
        assert_eq!(
            flat_sentence(&never),
            "K = 3,870 at 1e-4 nats²; by its power law the learning curve never becomes flat, so no K marks that point."
        );
        for everywhere in [curve(Flattening::Everywhere, None), curve(Flattening::At, Some(0.3))] {
            assert_eq!(
                flat_sentence(&everywhere),
                "K = 3,870 at 1e-4 nats²; the learning curve is flat at every size measured, so no K marks where it becomes so."
            );
            assert!(!sufficient(&[everywhere]).unwrap().svg.contains("learning curve flat"));
        }
        let mut within = curve(Flattening::At, Some(700.0));
        within.rungs[1].sufficient.push((1e-6, one(38_729.6)));
        assert_eq!(
            flat_sentence(&within),
            "K = 3,870 at 1e-4 nats², K = 38,730 at 1e-6 nats²; the learning curve is flat from about 700 samples on, \
             where Δ is 1.9e-7 nats²: K says when it flattens only for a tolerance near that."
        );
        assert!(
            flat_sentence(&curve(Flattening::At, Some(70_000.0)))
                .contains("from about 70,000 samples on, by its power law beyond those measured, where Δ")
        );
        let drawn = sufficient(&[within, Ladder { variant: Some("wide".into()), ..unfitted() }]).unwrap();
        assert!(drawn.svg.contains("learning curve flat: 700"), "{}", drawn.svg);
        assert!(drawn.sentence.ends_with("near that. wide: K = 3,870 at 1e-4 nats²; there is no power law of the test loss to set beside it."), "{}", drawn.sentence);
        assert_eq!(
            flat_sentence(&unfitted()),
            "K = 3,870 at 1e-4 nats²; there is no power law of the test loss to set beside it."
        );
    }

    #[test]
    fn retrained_networks_are_compared_where_there_are_some() {
        let mut c = unfitted();
        assert_eq!(fresh_sentence(&c), None);
        assert!(
            overlap_sentence(&[unfitted()])
                .starts_with("No overlap: the retrained networks have other layers")
        );
        // V = 1, s = 1: the law is 1/110 at k = 10, 1/420 at k = 20.
        let [ten, twenty] = [(10, 2.0 / 110.0, 0.25), (20, 0.5 / 420.0, 0.75)].map(|(k, delta, overlap)| {
            Rung { delta_fresh: Some(one(delta)), overlap: Some(one(overlap)), ..rung(k) }
        });
        c.rungs.insert(0, ten);
        assert!(overlap_sentence(std::slice::from_ref(&c)).ends_with("of the same seed: 0.25 at k = 10."));
        c.rungs.insert(1, twenty);
        c.variant = Some("wide".into());
        assert!(
            fresh_sentence(&c).unwrap().ends_with("at the one trained on all: 2 at k = 10, 0.5 at k = 20.")
        );
        assert!(
            overlap_sentence(&[c, unfitted()])
                .ends_with("the largest one of the same seed: wide: 0.25 at k = 10 and 0.75 at k = 20.")
        );
    }

    #[test]
    fn a_spectrum_over_replicas_names_variants_and_the_paper_where_asked() {
        let mut c = unfitted();
        let alone = spectrum(std::slice::from_ref(&c), false).unwrap().sentence;
        assert_eq!(alone, "λ1 = 2 over 1 network.");
        c.rungs[0].replicas = 3;
        c.rungs[0].eigenvalues = vec![Spread { mean: 4.0, deviation: Some(0.5) }, one(1.0)];
        c.variant = Some("wide".into());
        let other = Ladder { variant: Some("narrow".into()), ..unfitted() };
        assert_eq!(
            spectrum(&[c, other], true).unwrap().sentence,
            "wide: λ1 = 4.00 ± 0.50 and λ2 = 1 over 3 networks; narrow: λ1 = 2 over 1 network \
             (± is the standard deviation over replicas). The paper printed 3.909 to 0.454."
        );
    }

    #[test]
    fn variants_tell_v_by_each_theory_and_what_a_polish_did() {
        let mut flat = Ladder { variant: Some("flat".into()), ..unfitted() };
        let sharp = Ladder { variant: Some("sharp".into()), ..unfitted() };
        flat.theory_variances = vec![("quadratic".into(), 3.0), ("second-order".into(), 1.5)];
        let members = [member("a/1", Some(fixtures::polished_facts("reached"))), member("a/2", None)];
        let figure = variants(&[flat, sharp], &members).unwrap();
        assert!(
            figure.sentence.starts_with(
                "flat: V = 1 nats² by Monte Carlo, 3 by quadratic, 1.5 by second-order. sharp: V = 1 nats² by Monte Carlo. a/1: The polish reached"
            ),
            "{}",
            figure.sentence
        );
        assert!(!figure.sentence.contains("a/2"), "{}", figure.sentence);
        assert!(
            figure.csv.contains("flat: second-order theory,")
                && !figure.csv.contains("sharp: second-order theory,")
        );
    }
}
