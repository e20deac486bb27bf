//! Eigenvalues above the largest gap.

use records::spectrum::{OutlierCount, Outliers};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::text::fact::{Fact, fact, number};
use crate::text::numbers::grouped;

/// Outliers against k, and against the number of classes where that was varied.
pub fn outliers(found: &Outliers) -> Figure {
    let panel = |title: &str, x_label: &str, counts: &[OutlierCount], x: fn(&OutlierCount) -> usize| {
        let points = |y: fn(&OutlierCount) -> Option<usize>| {
            counts.iter().filter_map(|c| Some((x(c) as f64, y(c)? as f64))).collect()
        };
        Panel {
            lines: vec![
                line("outliers", points(|c| c.outliers), Style::Solid, 0),
                line("classes", points(|c| Some(c.n_classes)), Style::Dashed, 1),
            ],
            ..axes(title, x_label, "eigenvalues above the largest gap")
        }
    };
    let over_k = panel("Outliers against k", "prefix size k (samples)", &found.by_prefix, |c| c.n_samples);
    let mut panels = vec![Panel { log_x: true, ..over_k }];
    if !found.by_class.is_empty() {
        let title = "Outliers against the number of classes";
        panels.push(panel(title, "classes among the samples", &found.by_class, |c| c.n_classes));
    }
    let caption = "Outliers of the Hessian at one w*: eigenvalues above the largest ratio of neighbours. A ratio below 2 is a weak gap, and the count says little; at 1 or below no gap exceeds the residuals.";
    Figure::of("outliers", Section::Spectrum, caption, &panels).with(facts(found))
}

/// Outliers of all samples with their gap, and how far the top directions of the smallest k overlap with those.
fn facts(found: &Outliers) -> Vec<Fact> {
    let Some(last) = found.by_prefix.last() else { return vec![] };
    let at = format!("at k = {}", grouped(last.n_samples));
    let some = |n: Option<usize>| n.map_or(f64::NAN, |n| n as f64);
    let mut facts = vec![
        fact(format!("eigenvalues above the largest gap {at}"), some(last.outliers), ""),
        fact("least factor between neighbours at that gap", last.gap_ratio.unwrap_or(f64::NAN), ""),
        number("classes", last.n_classes),
    ];
    let first = found.by_prefix.first().and_then(|c| Some((c.n_samples, c.overlap.filter(|o| *o < 1.0)?)));
    facts.extend(first.map(|(k, overlap)| {
        let of = format!("overlap of the top {} at k = {} with those {at}", found.dim, grouped(k));
        fact(of, overlap, "mean squared cosine")
    }));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_without_a_gap_have_no_number() {
        let at = |n_samples: usize, outliers: Option<usize>, overlap| {
            let gap_ratio = outliers.map(|_| 3.0);
            let (largest, largest_relative_residual) = (2.0, 1e-4);
            OutlierCount {
                n_samples,
                n_classes: 10,
                outliers,
                gap_ratio,
                largest,
                largest_relative_residual,
                n_products: 16,
                overlap,
            }
        };
        let known = |outliers, overlap| {
            let by_prefix = vec![at(100, Some(1), overlap), at(2000, outliers, Some(1.0))];
            let facts = facts(&Outliers { dim: 3, by_prefix, by_class: vec![] });
            facts.into_iter().map(|f| (f.text(), f.label)).collect::<Vec<_>>()
        };
        let texts = |found: &[(String, String)]| found.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&known(None, None)), ["none", "none", "10"]);
        assert_eq!(texts(&known(Some(9), Some(1.0))), ["9", "3", "10"]);
        let overlap = known(Some(9), Some(0.75)).pop().unwrap();
        assert_eq!(
            overlap,
            ("0.75".to_owned(), "overlap of the top 3 at k = 100 with those at k = 2,000".to_owned())
        );
    }
}
