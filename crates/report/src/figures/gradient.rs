//! How much of the gradient lies in the directions.

use ndarray::Axis;

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line, ranked};
use crate::read::eigen::Basis;
use crate::read::spectrum::Spectrum;
use crate::text::directions::{named, placed};
use crate::text::fact::fact;

/// Cumulative share of the squared gradient norm in the directions of `basis`.
pub fn gradient_share(s: &Spectrum, basis: Basis) -> Figure {
    let d = s.gradient_share.len();
    let random = |i: usize| (i + 1) as f64 / s.facts.n_params as f64;
    let mut lines = vec![line("full gradient", ranked(s.gradient_share.to_vec()), Style::Solid, 0)];
    let batch = s.batch_share.mean_axis(Axis(0));
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
        Some(fact(format!("share of the {of} in ‖∇L‖² at w*"), s.gradient_share[d - 1], "fraction")),
        batch.map(|mean| fact("the same of a mini-batch, mean", mean[d - 1], "fraction")),
        Some(fact("the same of a random vector, expected", random(d - 1), "fraction")),
    ];
    Figure::of("gradient-share", Section::Spectrum, caption, &[panel]).with(facts.into_iter().flatten())
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
}
