//! Eigenvalues above the largest gap.

use std::fmt::Write;

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::spectrum::{Count, Outliers};
use crate::text::numbers::{count, grouped, short};

pub fn outliers(found: &Outliers) -> Result<Figure> {
    let points = |counts: &[Count], x: &dyn Fn(&Count) -> usize, y: &dyn Fn(&Count) -> Option<f64>| {
        counts.iter().filter_map(|c| Some((x(c) as f64, y(c)?))).collect::<Vec<_>>()
    };
    let n_outliers = |c: &Count| c.outliers.map(|n| n as f64);
    let mut panels = vec![Panel {
        title: "Outliers against k".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "eigenvalues above the largest gap".into(),
        log_x: true,
        rises: true,
        lines: vec![
            line("outliers", points(&found.by_prefix, &|c| c.n_samples, &n_outliers), Style::Solid, 0),
            line(
                "classes",
                points(&found.by_prefix, &|c| c.n_samples, &|c| Some(c.n_classes as f64)),
                Style::Dashed,
                1,
            ),
        ],
        ..Panel::default()
    }];
    if !found.by_class.is_empty() {
        panels.push(Panel {
            title: "Outliers against the number of classes".into(),
            x_label: "classes among the samples".into(),
            y_label: "eigenvalues above the largest gap".into(),
            rises: true,
            lines: vec![
                line("outliers", points(&found.by_class, &|c| c.n_classes, &n_outliers), Style::Solid, 0),
                line(
                    "classes",
                    points(&found.by_class, &|c| c.n_classes, &|c| Some(c.n_classes as f64)),
                    Style::Dashed,
                    1,
                ),
            ],
            ..Panel::default()
        });
    }
    let last = found.by_prefix.last();
    let whole = last.and_then(|c| Some(gap_sentence(c.n_samples, c.outliers?, c.gap_ratio?, c.n_classes)));
    let mut sentence = whole.unwrap_or_else(|| "There is no gap among the positive eigenvalues.".to_owned());
    let first = found.by_prefix.first().filter(|c| c.overlap.is_some_and(|o| o < 1.0));
    if let Some((first, last)) = first.zip(last) {
        let (top, those) = if found.dim == 1 {
            ("the top direction of".to_owned(), "overlaps with that")
        } else {
            (format!("the top {} directions of", found.dim), "overlap with those")
        };
        write!(
            sentence,
            " At this w* {top} k = {} {those} of k = {} by {} (mean squared cosine).",
            grouped(first.n_samples),
            grouped(last.n_samples),
            short(first.overlap.unwrap_or(f64::NAN))
        )
        .expect("writing to a string");
    }
    let caption =
        "Outliers of the Hessian at one w*: eigenvalues above the largest ratio of neighbours.".into();
    figure("outliers", Section::Spectrum, caption, sentence, &panels)
}

/// How many eigenvalues stand out, and how far.
fn gap_sentence(k: usize, n: usize, ratio: f64, n_classes: usize) -> String {
    let classes = if n_classes == 0 { "no classes".to_owned() } else { n_classes.to_string() + " classes" };
    if ratio <= 1.0 {
        return format!(
            "At k = {}, no gap between neighbours is larger than the residuals of the solve; there are {classes}.",
            grouped(k)
        );
    }
    let verdict = if ratio >= 2.0 { "a clear gap" } else { "a weak gap: the count says little" };
    let lie = if n == 1 { "lies" } else { "lie" };
    format!(
        "At k = {}, {} {lie} above the largest gap, where neighbours differ by a factor of at least {} ({verdict}); there are {classes}.",
        grouped(k),
        count(n, "eigenvalue"),
        short(ratio),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_are_told_with_their_gap() {
        let one = gap_sentence(2048, 1, 1.377, 10);
        assert!(one.starts_with("At k = 2,048, 1 eigenvalue lies above the largest gap, where neighbours differ by a factor of at least 1.377 (a weak gap"), "{one}");
        let nine = gap_sentence(2048, 9, 3.0, 0);
        assert!(
            nine.contains("9 eigenvalues lie above")
                && nine.ends_with("(a clear gap); there are no classes."),
            "{nine}"
        );
        let unresolved = gap_sentence(2048, 2, 0.9, 10);
        assert!(
            unresolved.starts_with("At k = 2,048, no gap between neighbours is larger than the residuals"),
            "{unresolved}"
        );
    }

    #[test]
    fn outliers_without_a_gap_say_so() {
        let at = |n_samples, outliers: Option<usize>, overlap| Count {
            n_samples,
            n_classes: 10,
            outliers,
            gap_ratio: outliers.map(|_| 3.0),
            largest: 2.0,
            overlap,
        };
        let found = |dim, outliers, overlap| Outliers {
            dim,
            by_prefix: vec![at(100, Some(1), overlap), at(200, outliers, Some(1.0))],
            by_class: vec![],
        };
        let said = |gap, overlap| outliers(&found(3, gap, overlap)).unwrap().sentence;
        assert_eq!(said(None, None), "There is no gap among the positive eigenvalues.");
        assert!(said(Some(9), Some(1.0)).ends_with("there are 10 classes."), "{}", said(Some(9), Some(1.0)));
        assert!(
            said(Some(9), Some(0.75))
                .contains("At this w* the top 3 directions of k = 100 overlap with those of k = 200 by 0.75")
        );
        let one = outliers(&found(1, None, Some(0.5))).unwrap().sentence;
        assert!(one.contains("the top direction of k = 100 overlaps with that of k = 200 by 0.5"), "{one}");
    }
}
