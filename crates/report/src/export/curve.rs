//! `curve.json`: a Δ_k curve as the interactive chart draws it.

use records::bound::{SufficientRow, Theory};
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::plot::colours::of_theory;
use crate::plot::panel::thin;
use crate::read::bound::{Setting, TheoryCurve};
use crate::read::experiment::Experiment;
use crate::text::directions::named;
use crate::text::numbers::rounded;

/// One curve of the Δ_k chart. Prefix sizes in samples, Δ in loss².
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Curve {
    /// heading where several experiments are side by side
    pub title: String,
    /// its directions, in words: curves that differ in σ alone share it
    pub family: String,
    /// parameter units
    pub sigma: f64,
    pub n_samples: usize,
    pub step: usize,
    /// first and last prefix size measured
    pub first: usize,
    pub last: usize,
    /// V, loss², with the ends of its interval (0 where there is none)
    pub variance: f64,
    pub variance_low: f64,
    pub variance_high: f64,
    /// means over geometric bins
    pub k: Vec<f64>,
    pub delta: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub stairs: Stairs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theories: Vec<DrawnTheory>,
}

impl Document for Curve {
    const STAGE: &'static str = "report";
    const FILE: &'static str = "curve.json";
    const MEANING: &'static str = "the answer's Delta_k, for the comparison";
}

/// The prefix sizes whose Δ exceeds all later ones: they decide K by Definition 4 at every tolerance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Stairs {
    pub k: Vec<usize>,
    pub delta: Vec<f64>,
}

/// A theory at means over geometric bins.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DrawnTheory {
    pub name: String,
    /// of the palette
    pub colour: usize,
    pub k: Vec<f64>,
    pub delta: Vec<f64>,
}

impl Stairs {
    fn new(sizes: &[usize], delta: &[f64]) -> Self {
        let mut largest = f64::NEG_INFINITY;
        let mut steps = vec![];
        for (&k, &d) in sizes.iter().zip(delta).rev() {
            if d > largest {
                largest = d;
                steps.push((k, d));
            }
        }
        let (k, delta) = steps.into_iter().rev().unzip();
        Self { k, delta }
    }
}

fn columns(points: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    points.iter().map(|p| (rounded(p.0), rounded(p.1))).unzip()
}

impl Curve {
    /// The curve of a setting, with its theories.
    pub fn of(e: &Experiment, s: &Setting, title: &str) -> Self {
        let (k, delta) = columns(&thin(&e.sizes, |i| s.delta[i]));
        let edge = |sign: f64| columns(&thin(&e.sizes, |i| s.edge(i, sign))).1;
        let (variance_low, variance_high) = variance_interval(absolute(e, &s.found.name), e.step);
        let theory = |(t, curve): (&Theory, &TheoryCurve)| {
            let (k, delta) = columns(&thin(&curve.sizes, |i| curve.values[i]));
            DrawnTheory { name: t.name.clone(), colour: of_theory(&t.name), k, delta }
        };
        let posterior = if s.found.deviations.is_empty() { "" } else { ", posterior" };
        Self {
            title: title.to_owned(),
            family: format!("{}, d = {}{posterior}", named(s.basis), s.found.dim),
            sigma: s.found.sigma,
            n_samples: e.n_samples,
            step: e.step,
            first: e.sizes[0],
            last: e.sizes[e.sizes.len() - 1],
            variance: s.found.v.variance,
            variance_low,
            variance_high,
            low: edge(-1.0),
            high: edge(1.0),
            k,
            delta,
            stairs: Stairs::new(&e.sizes, &s.delta.to_vec()),
            theories: s.theories().map(theory).collect(),
        }
    }
}

/// K by the law, at the tolerances given in loss²: the interval of a relative one is that of V over the mean loss squared.
pub fn absolute<'a>(e: &'a Experiment, setting: &'a str) -> impl Iterator<Item = &'a SufficientRow> {
    e.rows_of(setting, "order-average").filter(|r| r.relative.is_none())
}

/// The interval of V that gave the intervals of K, from the largest K, whose rounding to a whole number of steps matters
/// least. K is the smallest k with `V < tolerance · k (k + s) / s`, so V lies between that at K − s and at K: `k²` is
/// the middle.
fn variance_interval<'a>(rows: impl Iterator<Item = &'a SufficientRow>, step: usize) -> (f64, f64) {
    let s = step as f64;
    let v = |tolerance: f64, k: usize| tolerance * (k as f64).powi(2) / s;
    let end =
        |row: &SufficientRow| Some((row.high?, v(row.tolerance, row.low?), v(row.tolerance, row.high?)));
    rows.filter_map(end).max_by_key(|e| e.0).map_or((0.0, 0.0), |e| (e.1, e.2))
}

#[cfg(test)]
mod tests {
    use records::bound::Status;

    use super::*;
    use crate::read::fixtures::row;

    #[test]
    fn stairs_are_what_no_later_value_reaches() {
        let stairs = Stairs::new(&[10, 20, 30, 40, 50], &[5.0, 1.0, 3.0, 1.0, 1.0]);
        assert_eq!(stairs, Stairs { k: vec![10, 30, 50], delta: vec![5.0, 3.0, 1.0] });
    }

    #[test]
    fn the_interval_of_v_gives_the_interval_of_k_back() {
        let row = |tolerance, low, high| SufficientRow {
            tolerance,
            ..row(Status::Reached, Some(1), Some((low, high)))
        };
        // V from 80 to 100, s = 1: k (k + 1) > V / tolerance
        let rows = [row(1e-2, 89, 100), row(1e-10, 894_427, 1_000_000)];
        let (low, high) = variance_interval(rows.iter(), 1);
        assert!((low / 80.0 - 1.0).abs() < 3e-6 && (high / 100.0 - 1.0).abs() < 3e-6, "{low} {high}");
        assert_eq!(variance_interval([].iter(), 1), (0.0, 0.0));
    }
}
