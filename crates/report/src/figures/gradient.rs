//! How much of the gradient lies in the directions.

use ndarray::{Array1, Array2, Axis};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line, ranked};
use crate::read::eigen::Basis;
use crate::read::spectrum::Spectrum;
use crate::text::directions::{named, placed};
use crate::text::fact::fact;

/// Cumulative share of the squared gradient norm in the directions of `basis`; a gradient of 0 has none.
pub fn gradient_share(s: &Spectrum, basis: Basis) -> Figure {
    let d = s.gradient_share.len();
    let random = |i: usize| (i + 1) as f64 / s.facts.n_params as f64;
    let full = Some(&s.gradient_share).filter(|share| share[d - 1].is_finite());
    let of_full = |share: &Array1<f64>| line("full gradient", ranked(share.to_vec()), Style::Solid, 0);
    let mut lines = full.map(of_full).into_iter().collect::<Vec<_>>();
    let batch = mean_of_some(&s.batch_share);
    if let Some(mean) = &batch {
        let label = format!("mini-batches of {}, mean", s.facts.gradient_batch_size);
        lines.push(line(&label, ranked(mean.to_vec()), Style::Dashed, 1));
    }
    lines.push(line("a random direction, expected", ranked((0..d).map(random)), Style::Dashed, 2));
    let panel = Panel {
        lines,
        ..axes("Share of the gradient in these directions", "directions", "share of ‖∇L‖²")
    };
    let all = |n: String| placed(basis, &format!("{n}{} directions", named(basis)));
    let caption = format!("How much of the gradient lies in the {}.", all(String::new()));
    let of = all(format!("{d} "));
    let facts = [
        full.map(|share| fact(format!("share of the {of} in ‖∇L‖² at w*"), share[d - 1], "fraction")),
        batch.map(|mean| fact("the same of a mini-batch, mean", mean[d - 1], "fraction")),
        Some(fact("the same of a random vector, expected", random(d - 1), "fraction")),
    ];
    Figure::of("gradient-share", Section::Spectrum, caption, &[panel]).with(facts.into_iter().flatten())
}

/// The mean over the mini-batches that have a gradient, if there are any.
fn mean_of_some(shares: &Array2<f64>) -> Option<Array1<f64>> {
    let some =
        (0..shares.nrows()).filter(|&i| shares.row(i).iter().all(|x| x.is_finite())).collect::<Vec<_>>();
    shares.select(Axis(0), &some).mean_axis(Axis(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::nothing_else;
    use crate::text::fact::Fact;

    #[test]
    fn mini_batches_have_a_share_where_there_are_some() {
        let mut s = nothing_else();
        let known = |s: &Spectrum| {
            let facts = gradient_share(s, Basis::Given).facts;
            facts.iter().map(Fact::text).collect::<Vec<_>>()
        };
        assert_eq!(known(&s), ["50 %", "10 %"]);
        s.batch_share = ndarray::array![[0.25], [0.75]];
        assert_eq!(known(&s), ["50 %", "50 %", "10 %"]);
    }

    /// Losses that are exactly 0: the page had "NaN %".
    #[test]
    fn a_gradient_of_0_has_no_share() {
        let mut s = nothing_else();
        s.gradient_share.fill(f64::NAN);
        s.batch_share = ndarray::array![[f64::NAN], [0.75]];
        let known = |s: &Spectrum| {
            let facts = gradient_share(s, Basis::Given).facts;
            facts.iter().map(Fact::text).collect::<Vec<_>>()
        };
        assert_eq!(known(&s), ["75 %", "10 %"]);
        s.batch_share.fill(f64::NAN);
        assert_eq!(known(&s), ["10 %"]);
    }
}
