//! Whether f32 can tell the samples apart: numbers far from 0 lose the digits in which they differ.

use landscape::numeric::samples::Targets;
use landscape::{Real, Samples};
use ndarray::{ArrayView2, Axis};

/// Samples that are looked at.
const LOOKED_AT: usize = 4096;
/// Rounding that is harmless, in standard deviations.
const HARMLESS: f64 = 0.01;
/// What an f32 is rounded by at most, relative to itself.
const HALF_UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Features and targets that a network in f32 gets rounded by more than a hundredth of their deviation.
pub fn warnings<R: Real>(samples: &Samples) -> Vec<String> {
    if R::epsilon().wide() < 1e-10 {
        return vec![];
    }
    let block = samples.block::<f64>(0..samples.len().min(LOOKED_AT));
    // What a type represents exactly has lost nothing on the way from the file.
    let features = lost(block.x.view(), |v| (v - f32::narrow(v).wide()).abs());
    let targets = match &block.targets {
        Targets::Classes(_) => None,
        // The outputs are f32, near the targets.
        Targets::Values(y) => lost(y.view(), |v| v.abs() * HALF_UNIT),
    };
    let said = |(column, error, deviation): (usize, f64, f64), what: &str, advice: &str| {
        format!(
            "fetch-data: {what} {column} varies by {deviation:.2e}, and f32 rounds it by {error:.2e}: {advice}, \
             or set precision: f64 in train, eigen and montecarlo"
        )
    };
    let features = features.map(|found| {
        said(found, "feature", "take its mean off before saving, or by fetch-data.normalisation")
    });
    let targets = targets.map(|found| said(found, "target", "take its mean off before saving"));
    features.into_iter().chain(targets).collect()
}

/// Weights that are another network once f32 has rounded them: their loss as it is computed, and in f64.
pub fn of_weights(name: &str, loss: f64, in_f64: f64) -> Option<String> {
    ((loss - in_f64).abs() > HARMLESS * in_f64.abs()).then(|| {
        format!(
            "{name}: the loss is {loss:.4e} in f32, where these f64 weights are rounded, and {in_f64:.4e} in f64: \
             set precision: f64 in train, eigen and montecarlo"
        )
    })
}

/// The first column that loses too much by `error`: its number, that error, and its standard deviation.
fn lost(columns: ArrayView2<f64>, error: impl Fn(f64) -> f64) -> Option<(usize, f64, f64)> {
    let found = |(number, column): (usize, ndarray::ArrayView1<f64>)| {
        let error = column.iter().map(|&v| error(v)).fold(0.0, f64::max);
        let deviation = column.std(0.0);
        (deviation > 0.0 && error > HARMLESS * deviation).then_some((number, error, deviation))
    };
    columns.axis_iter(Axis(1)).enumerate().find_map(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::Inputs;
    use ndarray::{Array2, array};
    use std::sync::Arc;

    fn samples(x: Array2<f64>, y: Array2<f64>, mean: f64) -> Samples {
        Samples::new(Inputs::F64(Arc::new(x)), Targets::Values(y), (1.0, mean, 1.0))
    }

    /// cases.md A4, for weights.
    #[test]
    fn weights_that_f32_changes_are_said() {
        assert!(of_weights("w.npz", 0.51, 0.5).unwrap().contains("5.1000e-1 in f32"));
        assert_eq!(of_weights("w.npz", 0.504, 0.5), None);
        assert_eq!(of_weights("w.npz", 0.0, 0.0), None);
    }

    /// cases.md A4: keras #7340, ai2cm/fv3net #1111, where no mean is taken off; and targets far from 0.
    #[test]
    fn what_f32_cannot_tell_apart_is_said() {
        let (near, far) = (
            array![[0.1, -1.0], [1.0, 0.0], [-2.0, 0.7]],
            array![[1.0, 1e8], [0.0, 1e8 + 1.0], [2.0, 1e8 - 3.0]],
        );
        let said = warnings::<f32>(&samples(far.clone(), near.clone(), 0.0));
        assert!(
            said.len() == 1 && said[0].contains("feature 1 varies by 1.70e0, and f32 rounds it by 3.00e0"),
            "{said:?}"
        );
        let said = warnings::<f32>(&samples(near.clone(), far.clone(), 0.0));
        assert!(said.len() == 1 && said[0].contains("target 1 varies by"), "{said:?}");
        assert!(warnings::<f64>(&samples(far.clone(), far.clone(), 0.0)).is_empty());
        assert!(warnings::<f32>(&samples(near.clone(), near.clone(), 0.0)).is_empty());
        // One mean of all features takes it off the far one in f64, and puts the near one far away.
        let column = far.slice(ndarray::s![.., 1..]).to_owned();
        assert!(warnings::<f32>(&samples(column, near.clone(), 1e8)).is_empty());
        assert!(warnings::<f32>(&samples(far, near, 1e8))[0].contains("feature 0 varies by"));
    }
}
