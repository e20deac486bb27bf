//! How much of the gradient lies in the directions.

use anyhow::Result;
use ndarray::Array1;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::eigen::Basis;
use crate::read::spectrum::Spectrum;
use crate::text::directions::{named, placed};
use crate::text::numbers::percent;

pub fn gradient_share(b: &Spectrum, basis: Basis) -> Result<Figure> {
    let d = b.gradient_share.len();
    let ranked = |values: Array1<f64>| {
        values.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect::<Vec<_>>()
    };
    let mut lines = vec![line("full gradient", ranked(b.gradient_share.clone()), Style::Solid, 0)];
    let batch = b.batch_share.mean_axis(ndarray::Axis(0));
    if let Some(mean) = &batch {
        lines.push(line(
            &format!("mini-batches of {}, mean", b.batch_size),
            ranked(mean.clone()),
            Style::Dashed,
            1,
        ));
    }
    let random = Array1::from_shape_fn(d, |i| (i + 1) as f64 / b.n_params as f64);
    lines.push(line("a random direction, expected", ranked(random), Style::Dashed, 2));
    let panel = Panel {
        title: "Share of the gradient in these directions".into(),
        x_label: "directions".into(),
        y_label: "share of ‖∇L‖²".into(),
        rises: true,
        lines,
        ..Panel::default()
    };
    let sentence = share_sentence(basis, d, b.gradient_share[d - 1], batch.map(|m| m[d - 1]), b.n_params);
    let caption = format!(
        "How much of the gradient lies in the {}.",
        placed(basis, &format!("{} directions", named(basis)))
    );
    figure("gradient-share", Section::Spectrum, caption, sentence, &[panel])
}

/// The share of the first `d` directions in the full gradient, and in that of mini-batches where they were measured.
fn share_sentence(basis: Basis, d: usize, full: f64, batch: Option<f64>, n_params: usize) -> String {
    let batches =
        batch.map_or(String::new(), |m| format!(" and {} of a mini-batch's on average", percent(m)));
    let name = named(basis);
    let (directions, hold, them) = match d {
        1 => (format!("{name} direction"), "holds", "it"),
        d => (format!("{d} {name} directions"), "hold", "they"),
    };
    format!(
        "The {} {hold} {} of the squared gradient norm at w*{batches}; of a random vector {them} would hold {}.",
        placed(basis, &directions),
        percent(full),
        percent(d as f64 / n_params as f64)
    )
}

#[cfg(test)]
mod tests {
    use records::Which;

    use super::*;

    #[test]
    fn the_share_of_the_gradient_names_mini_batches_where_there_are_some() {
        let both = share_sentence(Basis::Eigenvectors(Which::LargestAlgebraic), 10, 0.5, Some(0.25), 1000);
        assert!(
            both.starts_with("The top 10 Hessian directions hold 50 %")
                && both.contains("and 25 % of a mini-batch's"),
            "{both}"
        );
        let one = share_sentence(Basis::Given, 1, 0.5, None, 1000);
        assert!(
            one.starts_with("The first given direction holds 50 %") && !one.contains("mini-batch"),
            "{one}"
        );
        assert!(one.ends_with("it would hold 0.1 %."), "{one}");
    }
}
