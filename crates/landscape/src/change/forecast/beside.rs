//! The forecast at sizes that another question names, such as K, and the size from which on twice the samples buy little.

use super::predictor::Predictor;
use super::steps::{SEARCHED, Steps, whole};
use super::{Doubling, Row, doubling, row};

/// Where a size lies on the ladder and beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Place {
    /// below the smallest size, where nothing was measured
    Below,
    /// among the sizes
    Within,
    /// beyond the largest
    Beyond,
    /// so far that twice as many are beyond the limit of the forecast
    TooFar,
}

/// The forecast at one size.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct AtSize {
    /// samples
    pub n: usize,
    /// where that is
    pub place: Place,
    /// null below the ladder, and too far beyond it
    pub row: Option<Row>,
    /// what twice as many change; null as `row`
    pub doubling: Option<Doubling>,
}

/// From which size on twice the samples take less than a fraction off the mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct LittleGain {
    /// of the mean
    pub fraction: f64,
    /// whether there is such a size
    pub status: GainStatus,
    /// samples; null where it is not `at`
    pub n: Option<usize>,
    /// where the lower end of the gain's interval is below the fraction for good; null where it never is
    pub low: Option<usize>,
    /// the same of the upper end
    pub high: Option<usize>,
}

/// Whether there is a size from which on twice the samples buy little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum GainStatus {
    /// at `n`
    At,
    /// from the smallest size on
    Everywhere,
    /// not within the limit of the forecast
    Never,
}

/// The forecast at `n` samples.
pub fn at(predictor: &Predictor, n: usize) -> AtSize {
    let samples = n as f64;
    let place = if samples < predictor.smallest {
        Place::Below
    } else if samples <= predictor.largest {
        Place::Within
    } else if 2.0 * samples <= predictor.limit() {
        Place::Beyond
    } else {
        Place::TooFar
    };
    let known = matches!(place, Place::Within | Place::Beyond);
    let (row, doubling) = known.then(|| (row(predictor, n), doubling(predictor, samples))).unzip();
    AtSize { n, place, row, doubling }
}

/// From where on twice the samples take less than `fraction` off the mean.
pub fn little_gain(predictor: &Predictor, fraction: f64) -> LittleGain {
    let gain = |n: f64| 1.0 - predictor.mean(2.0 * n) / predictor.mean(n);
    let ends = |n: f64| predictor.change_band(n, 2.0 * n, |from, to| 1.0 - to / from);
    let (status, n) = for_good(predictor, |n| gain(n) < fraction);
    let [low, high] = [0, 1].map(|end| for_good(predictor, |n| ends(n)[end] < fraction).1);
    LittleGain { fraction, status, n: n.filter(|_| status == GainStatus::At), low, high }
}

/// The smallest size from which on `holds` up to half of the limit, beyond which no doubling is forecast.
fn for_good(predictor: &Predictor, holds: impl Fn(f64) -> bool) -> (GainStatus, Option<usize>) {
    let steps = Steps { smallest: predictor.smallest, last: predictor.limit() / 2.0 };
    match (0..=SEARCHED).rev().find(|&i| !holds(steps.at(i))) {
        None => (GainStatus::Everywhere, Some(whole(steps.smallest))),
        Some(SEARCHED) => (GainStatus::Never, None),
        Some(i) => (GainStatus::At, Some(steps.first_between(i, holds))),
    }
}
