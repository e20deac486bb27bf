//! The number of samples that reaches a target, on average and with assurance.

use super::predictor::Predictor;
use super::steps::{SEARCHED, Steps, whole};

/// What a target needs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct TargetRow {
    /// probability that one run reaches it; null: the mean over seeds reaches it
    pub assurance: Option<f64>,
    /// whether so many samples are known to do
    pub status: TargetStatus,
    /// samples that are needed; null where it is unreachable
    pub n: Option<usize>,
    /// lower end of its interval; null with an assurance, which contains the uncertainty, and where fewer than n may do
    pub low: Option<usize>,
    /// upper end; null also where it is beyond the limit
    pub high: Option<usize>,
}

/// Whether a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum TargetStatus {
    /// by the smallest size of the ladder: n is that size, and fewer may do
    ReachedBySmallest,
    /// within the sizes of the ladder
    Reached,
    /// beyond the largest, within the limit
    Extrapolated,
    /// not: the floor of the fitted law is above it
    UnreachableFloor,
    /// not within the limit, beyond which no forecast is made
    UnreachableLimit,
}

/// Probabilities with which one run is asked to reach a target.
const ASSURANCES: [f64; 2] = [0.8, 0.95];

/// The rows of a target, a loss or an error that has to be reached from above.
pub fn rows(predictor: &Predictor, target: f64) -> Vec<TargetRow> {
    let mean = |n: f64| predictor.mean(n) <= target;
    let [low, high] = [0, 1].map(|end| move |n: f64| predictor.mean_band(n)[end] <= target);
    let average = row(predictor, target, None, first(predictor, mean));
    let low = if average.status == TargetStatus::ReachedBySmallest { None } else { first(predictor, low) };
    let average = TargetRow { low, high: first(predictor, high), ..average };
    let sure = ASSURANCES.map(|p| {
        let found = first(predictor, |n| predictor.probability(n, target) >= p);
        row(predictor, target, Some(p), found)
    });
    std::iter::once(average).chain(sure).collect()
}

fn row(predictor: &Predictor, target: f64, assurance: Option<f64>, n: Option<usize>) -> TargetRow {
    let status = match n {
        Some(n) if n as f64 <= predictor.smallest => TargetStatus::ReachedBySmallest,
        Some(n) if n as f64 <= predictor.largest => TargetStatus::Reached,
        Some(_) => TargetStatus::Extrapolated,
        None if predictor.floor() > target => TargetStatus::UnreachableFloor,
        None => TargetStatus::UnreachableLimit,
    };
    TargetRow { assurance, status, n, low: None, high: None }
}

/// The smallest number of samples, from the smallest size to the limit, at which `holds`; it is taken to stay so.
fn first(predictor: &Predictor, holds: impl Fn(f64) -> bool) -> Option<usize> {
    let steps = Steps { smallest: predictor.smallest, last: predictor.limit() };
    match (0..=SEARCHED).find(|&i| holds(steps.at(i)))? {
        0 => Some(whole(steps.smallest)),
        found => Some(steps.first_between(found - 1, holds)),
    }
}
