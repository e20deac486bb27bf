//! Replicas, variants and numbers of classes side by side.

use records::family::{Ladder, MemberResult};

use crate::figures::figure::{Figure, Section};
use crate::figures::training::polished;
use crate::plot::panel::{Panel, Style, axes, delta_axes, geometric, line, ranked};
use crate::read::bound::law;
use crate::read::family::{Family, ReadLadder, replicated};
use crate::read::unit::Unit;
use crate::text::fact::{Fact, fact, number, spread};
use crate::text::numbers::{count, grouped};
use crate::text::{paper, verdicts};

/// Figure 1: the mean over replicas, with its spread.
pub fn spectrum(ladders: &[Ladder], compare: bool, unit: &Unit) -> Figure {
    let band = ladders[0].last().eigenvalues.iter().enumerate();
    let band = band.filter_map(|(i, s)| Some((i as f64 + 1.0, s.mean - s.deviation?, s.mean + s.deviation?)));
    let mut panel = Panel {
        band: band.collect(),
        ..axes("Eigenvalues of H(w*)", "rank", &format!("eigenvalue ({})", unit.eigenvalue))
    };
    let mut facts = vec![];
    for (i, ladder) in ladders.iter().enumerate() {
        let (k, n, values) = (ladder.last().k, ladder.last().replicas, &ladder.last().eigenvalues);
        let label = ladder.label(&format!("{} samples, mean of {n}", grouped(k)));
        panel.lines.push(line(&label, ranked(values.iter().map(|s| s.mean)), Style::Solid, i));
        let of = |rank: usize| {
            let label = ladder.label(&format!("λ{rank} over {}", count(n, "network")));
            spread(label, values[rank - 1], &unit.eigenvalue)
        };
        facts.push(of(1));
        facts.extend((values.len() > 1).then(|| of(values.len())));
    }
    if compare {
        let points = ranked(paper::EIGENVALUES);
        panel.lines.push(line("the paper, mean of 50 networks", points, Style::Dashed, ladders.len()));
        facts.extend([1, 10].map(|rank| {
            fact(format!("λ{rank} of the paper"), paper::EIGENVALUES[rank - 1], &unit.eigenvalue)
        }));
    }
    let deviation = if replicated(ladders) { "; ± is the standard deviation over replicas" } else { "" };
    let caption = format!(
        "Signed Ritz values, mean over replicas{}; the band is one standard deviation{deviation}.",
        paper::figure("1", compare)
    );
    Figure::of("mean-spectrum", Section::Spectrum, caption, &[panel]).with(facts)
}

/// Outliers of networks trained on different numbers of classes.
pub fn classes(members: &[MemberResult]) -> Figure {
    let found = members.iter().filter_map(|m| Some((m.n_classes as f64, m.outliers?.0 as f64)));
    let equal = members.iter().map(|m| (m.n_classes as f64, m.n_classes as f64 - 1.0));
    let panel = Panel {
        lines: vec![
            line("outliers", found.collect(), Style::Points, 0),
            line("C − 1", equal.collect(), Style::Dashed, 1),
        ],
        ..axes("Outliers of networks trained on C classes", "classes C", "eigenvalues above the largest gap")
    };
    let of = |m: &MemberResult| {
        let label = |what: &str| format!("{what} with {} classes", m.n_classes);
        match m.outliers {
            Some((n, ratio)) => {
                vec![number(label("outliers"), n), fact(label("factor of the gap"), ratio, "")]
            }
            None => vec![fact(label("outliers"), f64::NAN, "")],
        }
    };
    let caption = "Outliers against the number of classes, each network trained on those classes alone.";
    let figure = Figure::of("outliers-by-class", Section::Spectrum, caption, &[panel]);
    figure.with(members.iter().flat_map(of))
}

/// The law of each variant, by Monte Carlo and by theory.
pub fn variants(family: &Family) -> Figure {
    let ladders = &family.ladders;
    let first = ladders.iter().map(|l| l.rungs[0].k).min().unwrap_or(1) as f64;
    let last = ladders.iter().map(|l| l.last().k).max().unwrap_or(1) as f64;
    let first = if last > first { first } else { last / 100.0 };
    let law = |v: f64, step: usize| geometric(first, last, |k| law(v, step, k));
    let mut panel = delta_axes("Δ_k, averaged over orders", &format!("Δ_k ({})", family.unit.squared));
    let mut facts = vec![];
    for (i, ladder) in ladders.iter().enumerate() {
        let (step, v) = (ladder.step, ladder.last().variance);
        panel.lines.push(line(&ladder.label("Monte Carlo"), law(v.mean, step), Style::Solid, i));
        facts.push(spread(ladder.label("V by Monte Carlo"), v, &family.unit.squared));
        for (name, theory) in &ladder.theory_variances {
            facts.push(fact(ladder.label(&format!("V by {name}")), *theory, &family.unit.squared));
            if name == "second-order" {
                let label = ladder.label("second-order theory");
                panel.lines.push(line(&label, law(*theory, step), Style::Dashed, i));
            }
        }
    }
    let caption = format!("The variants side by side ({}).", ladders[0].setting);
    let mut figure = Figure::of("variants", Section::Delta, caption, &[panel]).with(facts);
    for (member, polish) in family.members.iter().filter_map(|m| Some((m, m.polish.as_ref()?))) {
        let own = |f: Fact| Fact { label: format!("{}: {}", member.member.name, f.label), ..f };
        figure = figure
            .saying(format!("{}: {}", member.member.name, verdicts::polish(polish.status)))
            .with(polished(polish, &family.unit).map(own));
    }
    figure
}

/// How fast the mean loss at w* itself settles, in each variant at its largest size.
pub fn change_at_minimiser(family: &Family) -> Figure {
    let Family { ladders, members, changes, unit, .. } = family;
    let title = "Change of the mean loss at w*";
    let mut panels = [
        delta_axes(title, &format!("mean |L_(k+s) − L_k| ({})", unit.loss)),
        delta_axes("The same · k", &format!("mean |L_(k+s) − L_k| k ({} samples)", unit.loss)),
    ];
    let mut facts = vec![];
    for (colour, ladder) in ladders.iter().enumerate() {
        let own = |m: &MemberResult| m.member.variant == ladder.variant && m.n_samples == ladder.last().k;
        let replicas = members.iter().zip(changes.outer_iter()).filter(|(m, _)| own(m)).collect::<Vec<_>>();
        let Some((_, first)) = replicas.first() else { continue };
        let (n, name) = (replicas.len() as f64, ladder.variant.as_deref().unwrap_or_default());
        let mean = |i: usize| replicas.iter().map(|(_, change)| change[[i, 1]]).sum::<f64>() / n;
        let all = (0..first.nrows()).map(|i| (first[[i, 0]], mean(i)));
        let points = all.filter(|(k, change)| k.is_finite() && *change > 0.0).collect::<Vec<_>>();
        // Its law is c / k: the mean over the curve says it with the least noise.
        let c = points.iter().map(|(k, change)| k * change).sum::<f64>() / points.len() as f64;
        facts.push(fact(ladder.label("mean of k · |L_(k+s) − L_k|"), c, &format!("{} samples", unit.loss)));
        let times_k = points.iter().map(|&(k, change)| (k, k * change)).collect();
        panels[0].lines.push(line(name, points, Style::Solid, colour));
        panels[1].lines.push(line(name, times_k, Style::Solid, colour));
    }
    let caption = "Mean of |L_(k+s) − L_k| at w* itself, over random orders of the samples (Meshkov et al. 2024 draw it against k); right, times k.";
    Figure::of("change-at-minimiser", Section::Delta, caption, &panels).with(facts)
}

#[cfg(test)]
mod tests {
    use records::family::Spread;
    use records::train::PolishEnd;

    use super::*;
    use crate::read::fixtures::{self, family, member, nats, one, unfitted};

    fn known(figure: &Figure) -> Vec<String> {
        figure.facts.iter().map(|f| format!("{}: {}", f.label, f.text())).collect()
    }

    #[test]
    fn members_without_a_gap_have_no_number() {
        let found = MemberResult { outliers: Some((9, 3.0)), ..member("a", None) };
        let none = MemberResult { n_classes: 2, ..member("b", None) };
        let facts = known(&classes(&[found, none]));
        assert_eq!(
            facts,
            [
                "outliers with 10 classes: 9",
                "factor of the gap with 10 classes: 3",
                "outliers with 2 classes: none"
            ]
        );
    }

    #[test]
    fn a_spectrum_over_replicas_names_variants_and_the_paper_where_asked() {
        let mut wide = unfitted();
        assert_eq!(known(&spectrum(&[unfitted()], false, &nats())), ["λ1 over 1 network: 2"]);
        wide.rungs[0].replicas = 3;
        wide.rungs[0].eigenvalues = vec![Spread { mean: 4.0, deviation: Some(0.5) }, one(1.0)];
        wide.variant = Some("wide".into());
        let both = spectrum(&[wide, unfitted()], true, &nats());
        assert!(both.caption.ends_with("± is the standard deviation over replicas."));
        assert_eq!(
            known(&both),
            [
                "wide: λ1 over 3 networks: 4.00 ± 0.50",
                "wide: λ2 over 3 networks: 1",
                "λ1 over 1 network: 2",
                "λ1 of the paper: 3.909",
                "λ10 of the paper: 0.454"
            ]
        );
    }

    #[test]
    fn variants_have_v_by_each_theory_and_what_a_polish_did() {
        let mut flat = Ladder { variant: Some("flat".into()), ..unfitted() };
        let sharp = Ladder { variant: Some("sharp".into()), ..unfitted() };
        flat.theory_variances = vec![("quadratic".into(), 3.0), ("second-order".into(), 1.5)];
        let members = vec![member("a/1", Some(fixtures::polished(PolishEnd::Reached))), member("a/2", None)];
        let figure = variants(&family(vec![flat, sharp], members));
        let facts = known(&figure);
        assert_eq!(
            facts[..3],
            ["flat: V by Monte Carlo: 1", "flat: V by quadratic: 3", "flat: V by second-order: 1.5"]
        );
        assert!(facts.len() == 15 && facts[4] == "a/1: steps: 36", "{facts:?}");
        assert!(figure.verdict.starts_with("a/1: The polish reached") && !figure.verdict.contains("a/2"));
        assert!(figure.csv.contains("flat: second-order") && !figure.csv.contains("sharp: second-order"));
    }

    #[test]
    fn the_change_at_the_minimiser_is_the_mean_over_replicas() {
        let of = |name: &str| Ladder { variant: Some(name.into()), ..unfitted() };
        let own = |name: &str, variant: &str| {
            let mut member = member(name, None);
            member.member.variant = Some(variant.into());
            member
        };
        let members = vec![own("a/1", "flat"), own("a/2", "flat"), own("a/3", "sharp")];
        let mut family = family(vec![of("flat"), of("sharp")], members);
        let nan = f64::NAN;
        family.changes = ndarray::array![
            [[1.0, 2.0], [10.0, 0.3], [100.0, 0.02]],
            [[1.0, 4.0], [10.0, 0.3], [100.0, 0.04]],
            [[1.0, 1.0], [10.0, 0.1], [nan, nan]]
        ];
        let figure = change_at_minimiser(&family);
        assert_eq!(
            known(&figure),
            ["flat: mean of k · |L_(k+s) − L_k|: 3", "sharp: mean of k · |L_(k+s) − L_k|: 1"]
        );
        assert!(figure.csv.contains("flat,10,0.3"), "{}", figure.csv);
    }
}
