//! The loss surface over a plane, and its squared change.

use std::fmt::Write;

use anyhow::Result;
use ndarray::{ArrayView2, Axis};

use crate::figures::figure::{Figure, Section};
use crate::plot::surface::{self, Surface, extremes};
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::read::montecarlo::Grid;
use crate::text::directions::plane;
use crate::text::findings;
use crate::text::numbers::{count, grouped};
use crate::text::paper::{self, Plane};

/// A figure per prefix size that was asked for by number, and one for the last: the first and the last carry the
/// paper's numbers. The sizes between them are for the slider.
pub fn landscapes(e: &Experiment, grid: &Grid, compare: bool) -> Result<Vec<Figure>> {
    let numbers = match (grid.name.as_str(), grid.basis) {
        ("random", Basis::Random) => Some(["2", "3"]),
        ("hessian", basis) if basis.is_of_the_paper() => Some(["6", "7"]),
        _ => None,
    };
    let last = grid.sizes.len() - 1;
    let first = grid.asked.iter().min();
    let one = |(m, &k): (usize, &usize)| {
        let number = numbers.and_then(|n| {
            if m == last {
                Some(n[1])
            } else if first == Some(&k) {
                Some(n[0])
            } else {
                None
            }
        });
        let name = number.map_or_else(|| format!("landscape-{}-{k}", grid.name), |n| format!("figure-{n}"));
        let title = number.map_or_else(String::new, |n| format!("Figure {n}: "));
        let mut figure = landscape(e, grid, m, name, &title)?;
        if let (true, Some(number)) = (compare, number) {
            figure.sentence += " ";
            figure.sentence += &paper_landscape(e, grid, m, number);
        }
        Ok(figure)
    };
    let pictured = |(m, k): &(usize, &usize)| *m == last || grid.asked.contains(k);
    grid.sizes.iter().enumerate().filter(pictured).map(one).collect()
}

/// What the paper says of its figure 2, 3, 6 or 7, beside the same quantities here.
fn paper_landscape(e: &Experiment, grid: &Grid, m: usize, number: &str) -> String {
    let largest_change = |grid: &Grid, m: usize| extremes(grid.change.index_axis(Axis(0), m)).1;
    let loss = |m: usize| grid.loss.index_axis(Axis(0), m);
    let other = e.grids.iter().find(|g| g.basis == Basis::Random && g.name == "random");
    let of_random = other.and_then(|g| {
        let same = g.sizes.iter().position(|k| *k == grid.sizes[m])?;
        Some(largest_change(g, same))
    });
    let mean = |m: usize| loss(m).mean().unwrap_or(f64::NAN);
    let plane = Plane {
        inner_extrema: surface::inner_extrema(loss(m)),
        inner_extrema_of_first: surface::inner_extrema(loss(0)),
        mean_loss: mean(m),
        mean_loss_of_first: mean(0),
        largest_change: largest_change(grid, m),
        largest_change_of_first: largest_change(grid, 0),
        largest_change_of_random: of_random,
    };
    paper::paper_landscape(number, &plane)
}

fn landscape(e: &Experiment, grid: &Grid, m: usize, name: String, title: &str) -> Result<Figure> {
    let k = grid.sizes[m];
    let (loss, change) = (grid.loss.index_axis(Axis(0), m), grid.change.index_axis(Axis(0), m));
    let surface = |title: String, heights| Surface { title, axis: &grid.axis, heights };
    let svg = surface::svg(&[
        surface(format!("L_k (nats), k = {}", grouped(k)), loss),
        surface("(L_{k+s} − L_k)² (nats²)".to_owned(), change),
    ])?;
    let directions = plane(grid.basis);
    let the = if title.is_empty() { "The" } else { "the" };
    let caption = format!(
        "{title}{the} loss surface over {directions} at k = {} and its squared change with {}.",
        grouped(k),
        count(e.step, "more sample")
    );
    Ok(Figure {
        name,
        alt: caption.clone(),
        sentence: findings::landscape(k, e.step, extremes(loss), extremes(change)),
        caption,
        svg,
        csv: surface_csv(grid, loss, change),
        section: Section::Landscape,
        grid: Some(grid.name.clone()),
    })
}

fn surface_csv(grid: &Grid, loss: ArrayView2<f64>, change: ArrayView2<f64>) -> String {
    let mut text = "theta_1,theta_2,loss,squared_change\n".to_owned();
    for ((a, b), l) in loss.indexed_iter() {
        writeln!(text, "{},{},{l},{}", grid.axis[a], grid.axis[b], change[[a, b]])
            .expect("writing to a string");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures;

    #[test]
    fn the_first_and_the_last_landscape_have_the_numbers_of_the_paper() {
        let mut e = fixtures::experiment();
        e.grids = vec![
            fixtures::grid("random", Basis::Random),
            fixtures::grid("hessian", e.eigenpairs.basis),
            fixtures::grid("filter", Basis::Filter),
        ];
        e.grids[1].asked.push(50);
        let told = |i: usize, compare| {
            let figures = landscapes(&e, &e.grids[i], compare).unwrap();
            figures.into_iter().map(|f| (f.name, f.caption, f.sentence)).collect::<Vec<_>>()
        };
        let names = |i| told(i, true).into_iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(names(0), ["figure-2", "figure-3"]);
        assert_eq!(names(1), ["figure-6", "landscape-hessian-50", "figure-7"]);
        assert_eq!(names(2), ["landscape-filter-10", "landscape-filter-90"]);
        let (_, caption, sentence) = &told(1, true)[0];
        assert!(caption.starts_with("Figure 6: the loss surface over the top two Hessian directions at k = 10 and its squared change with 1 more sample."), "{caption}");
        assert!(sentence.contains("Over the plane L_k runs from 0 to 4 nats at k = 10; one more sample changes it by at most 0.5 nats (squared: 0.25 nats²). The paper shows a more structured surface"), "{sentence}");
        // The change is the same in all directions here.
        assert!(
            sentence.ends_with(
                "and its largest squared change is 1 times that in random directions at the same k."
            ),
            "{sentence}"
        );
        assert!(!told(1, true)[1].2.contains("The paper") && !told(1, false)[0].2.contains("The paper"));
        assert!(
            told(2, true)[0]
                .1
                .starts_with("The loss surface over two filter-normalised directions at k = 10")
        );
    }
}
