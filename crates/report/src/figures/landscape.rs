//! The loss surface over a plane, and its squared change.

use std::fmt::Write;

use ndarray::{ArrayView2, Axis};

use crate::figures::figure::{Figure, Section};
use crate::plot::surface::{self, Surface, extremes, inner_extrema};
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::read::montecarlo::Grid;
use crate::text::directions::plane;
use crate::text::fact::{Fact, fact, number};
use crate::text::numbers::{count, grouped};
use crate::text::paper;

/// A figure per prefix size that was asked for by number, and one for the last: the first and the last carry the
/// paper's numbers. The sizes between them are for the slider.
pub fn landscapes(e: &Experiment, grid: &Grid, compare: bool) -> Vec<Figure> {
    let numbers = match (grid.name.as_str(), grid.basis) {
        ("random", Basis::Random) => Some(["2", "3"]),
        ("hessian", basis) if basis.is_of_the_paper() => Some(["6", "7"]),
        _ => None,
    };
    let last = grid.sizes.len() - 1;
    let first = grid.asked.iter().min();
    let one = |(m, k): (usize, &usize)| {
        let number = match numbers {
            Some(n) if m == last => Some(n[1]),
            Some(n) if first == Some(k) => Some(n[0]),
            _ => None,
        };
        let figure = landscape(e, grid, m, number, compare);
        match number {
            Some(number) if compare => figure.saying(paper::landscape(number)),
            _ => figure,
        }
    };
    let pictured = |(m, k): &(usize, &usize)| *m == last || grid.asked.contains(k);
    grid.sizes.iter().enumerate().filter(pictured).map(one).collect()
}

/// The surface at one prefix size, by its `number` in the paper where it has one.
fn landscape(e: &Experiment, grid: &Grid, m: usize, number: Option<&str>, compare: bool) -> Figure {
    let k = grid.sizes[m];
    let (loss, change) = (grid.loss.index_axis(Axis(0), m), grid.change.index_axis(Axis(0), m));
    let surface = |title: String, heights| Surface { title, axis: &grid.axis, heights };
    let svg = surface::svg(&[
        surface(format!("L_k ({}), k = {}", e.unit.loss, grouped(k)), loss),
        surface(format!("(L_{{k+s}} − L_k)² ({})", e.unit.squared), change),
    ]);
    let caption = format!(
        "The loss surface over {} at k = {} and its squared change with {}{}.",
        plane(grid.basis),
        grouped(k),
        count(e.step, "more sample"),
        paper::figure(number.unwrap_or_default(), compare && number.is_some())
    );
    Figure {
        name: number.map_or_else(|| format!("landscape-{}-{k}", grid.name), |n| format!("figure-{n}")),
        alt: caption.clone(),
        verdict: String::new(),
        facts: facts(e, grid, m),
        caption,
        svg,
        data: None,
        csv: csv(grid, loss, change),
        section: Section::Landscape,
        grid: Some(grid.name.clone()),
    }
}

/// What is measured over the plane, beside the smallest k and random directions.
fn facts(e: &Experiment, grid: &Grid, m: usize) -> Vec<Fact> {
    let largest_change = |grid: &Grid, m: usize| extremes(grid.change.index_axis(Axis(0), m)).1;
    let loss = |m: usize| grid.loss.index_axis(Axis(0), m);
    let ((low, high), change) = (extremes(loss(m)), largest_change(grid, m));
    let of_plane = |m: usize, at: &str| {
        [
            fact(format!("mean L_k over the plane{at}"), loss(m).mean().unwrap_or(f64::NAN), &e.unit.loss),
            number(format!("local extrema inside the plane{at}"), inner_extrema(loss(m))),
        ]
    };
    let mut facts = vec![
        fact("smallest L_k over the plane", low, &e.unit.loss),
        fact("largest L_k over the plane", high, &e.unit.loss),
        fact("largest change of L_k", change.sqrt(), &e.unit.loss),
        fact("largest squared change", change, &e.unit.squared),
    ];
    facts.extend(of_plane(m, ""));
    if m > 0 {
        facts.extend(of_plane(0, " at the smallest k"));
        facts.push(fact(
            "largest squared change over that at the smallest k",
            change / largest_change(grid, 0),
            "",
        ));
    }
    let other =
        e.grids.iter().find(|g| g.basis == Basis::Random && g.name == "random" && g.name != grid.name);
    let same = other.and_then(|g| Some((g, g.sizes.iter().position(|k| *k == grid.sizes[m])?)));
    facts.extend(same.map(|(random, at)| {
        let ratio = change / largest_change(random, at);
        fact("largest squared change over that in random directions at the same k", ratio, "")
    }));
    facts
}

fn csv(grid: &Grid, loss: ArrayView2<f64>, change: ArrayView2<f64>) -> String {
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
            fixtures::grid("hessian", e.trained.as_ref().unwrap().eigenpairs.basis),
            fixtures::grid("filter", Basis::Filter),
        ];
        e.grids[1].asked.push(50);
        let of = |i: usize, compare| landscapes(&e, &e.grids[i], compare);
        let names = |i| of(i, true).into_iter().map(|f| f.name).collect::<Vec<_>>();
        assert_eq!(names(0), ["figure-2", "figure-3"]);
        assert_eq!(names(1), ["figure-6", "landscape-hessian-50", "figure-7"]);
        assert_eq!(names(2), ["landscape-filter-10", "landscape-filter-90"]);
        let first = &of(1, true)[0];
        assert_eq!(
            first.caption,
            "The loss surface over the top two Hessian directions at k = 10 and its squared change with 1 more sample (figure 6 of the paper)."
        );
        assert!(first.verdict.starts_with("The paper shows a more structured surface"));
        let known = first.facts.iter().map(Fact::text).collect::<Vec<_>>();
        // The change is the same in all directions here.
        assert_eq!(known, ["0", "4", "0.5", "0.25", "2", "0", "1"]);
        assert_eq!(of(1, true)[2].facts.len(), 10);
        assert!(of(1, true)[1].verdict.is_empty() && of(1, false)[0].verdict.is_empty());
        assert!(of(2, true)[0].caption.starts_with("The loss surface over two filter-normalised directions"));
    }
}
