//! How seconds and memory of each stage grow with N, over finished experiments that differ in nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline::{Failure, Result, verify};
use serde::Serialize;
use store::manifest::Manifest;

/// One stage at every N.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// of the pipeline
    pub stage: String,
    /// N, ascending
    pub n_samples: Vec<usize>,
    /// from start to manifest
    pub seconds: Vec<f64>,
    /// largest resident set, MiB
    pub peak_memory_mib: Vec<Option<u64>>,
    /// slope of ln seconds over ln N, by least squares
    pub exponent: f64,
}

/// Every stage of the experiments `samples-…` of a folder; training costs by the epoch and is left out.
pub fn read(folder: &Path) -> Result<Vec<Growth>> {
    let mut runs = BTreeMap::new();
    for (path, name) in verify::entries(folder)? {
        if let Some(n) = name.strip_prefix("samples-").and_then(|n| n.parse::<usize>().ok()) {
            runs.insert(n, path);
        }
    }
    if runs.len() < 2 {
        let found =
            format!("{}: {} experiments samples-<N>, but two are needed", folder.display(), runs.len());
        return Err(Failure::input(found, "run `make scale`").into());
    }
    ["fetch-data", "eigen", "montecarlo", "bound", "spectrum", "report"]
        .into_iter()
        .map(|stage| {
            let manifests = runs.values().map(|dir| Manifest::read(dir, stage));
            let manifests = manifests.collect::<Result<Vec<_>, _>>()?;
            let n_samples = runs.keys().copied().collect::<Vec<_>>();
            let seconds = manifests.iter().map(|m| m.run.wall_seconds).collect::<Vec<_>>();
            let peak = |m: &Manifest| m.run.peak_memory_bytes.map(|bytes| bytes >> 20);
            let exponent = exponent(&n_samples, &seconds);
            Ok(Growth {
                stage: stage.to_owned(),
                n_samples,
                seconds,
                peak_memory_mib: manifests.iter().map(peak).collect(),
                exponent,
            })
        })
        .collect()
}

/// Slope of ln y over ln x, by least squares.
fn exponent(x: &[usize], y: &[f64]) -> f64 {
    let (x, y) = (x.iter().map(|&x| (x as f64).ln()), y.iter().map(|y| y.ln()));
    let points = x.zip(y).collect::<Vec<_>>();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    points.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// One line for each stage.
pub fn print(growth: &[Growth]) {
    for g in growth {
        let each = g.n_samples.iter().zip(&g.seconds).zip(&g.peak_memory_mib);
        let each = each
            .map(|((n, s), m)| format!("{n}: {s:.1} s, {} MiB", m.map_or("?".to_owned(), |m| m.to_string())));
        eprintln!("{:<12} exponent {:.3}   {}", g.stage, g.exponent, each.collect::<Vec<_>>().join("   "));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_exponent_of_a_power_law_is_its_power() {
        let n = [60_000, 200_000, 2_000_000];
        let seconds = n.map(|n| 3e-7 * (n as f64).powf(1.3));
        // Rounding of logarithms around ten.
        assert!((super::exponent(&n, &seconds) - 1.3).abs() <= 1e-13);
    }
}
