//! Whether a learning curve has the shape that a power law can have: it falls, ever more slowly.
//!
//! About one curve in seven of LCDB 1.1 (Yan et al. 2025) does not. Each rise and each bend is a contrast of the means,
//! compared with its standard error by Student's t; all comparisons of a curve together err in [`LEVEL`] of the cases.

use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::measured::{Measured, Noise};

/// Probability that noise alone makes any comparison of a curve fail.
pub const LEVEL: f64 = 0.01;

/// What is wrong with a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum FaultName {
    /// it rises
    Rises,
    /// it falls faster and faster
    Concave,
    /// neither form passes through the means
    Misfit,
}

/// Where a shape is not that of a power law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Fault {
    /// what
    pub name: FaultName,
    /// smallest size that shows it, samples
    pub from: usize,
    /// largest size that shows it, samples
    pub to: usize,
}

impl Fault {
    /// What is wrong with this quantity, as a warning.
    pub fn warning(self, what: &str) -> String {
        let Self { name, from, to } = self;
        let how = match name {
            FaultName::Rises => "rises with more samples",
            FaultName::Concave => "falls faster and faster",
            FaultName::Misfit => "is followed by none of the fitted forms",
        };
        format!("the {what} {how} from {from} to {to} samples, beyond noise: do not trust its forecast")
    }
}

/// Rises and bends beyond noise.
///
/// A rise is `ln m_{j+1} − ln m_j > 0`; a bend is a slope `(m_{j+1} − m_j) / (k_{j+1} − k_j)` that is above the next one.
pub fn faults(measured: &Measured, noise: &Noise) -> Vec<Fault> {
    let (n, means, sizes) = (measured.sizes.len(), measured.means(), measured.samples());
    let relative = measured.covariance(noise.spread);
    let limit = limit(2 * n - 3, noise.freedom);
    let beyond = |contrast: &[(usize, f64)]| {
        let value = contrast.iter().map(|(i, c)| c * means[*i]).sum::<f64>();
        let variance = contrast.iter().flat_map(|(i, c)| contrast.iter().map(move |(j, d)| (*i, *j, c * d)));
        let variance = variance.map(|(i, j, c)| c * means[i] * means[j] * relative[[i, j]]).sum::<f64>();
        value > limit * variance.sqrt()
    };
    // To first order the difference of logarithms is that of the means, each over itself.
    let rises = |j: &usize| {
        let value = (means[j + 1] / means[*j]).ln();
        let variance = relative[[*j, *j]] + relative[[j + 1, j + 1]] - 2.0 * relative[[*j, j + 1]];
        value > limit * variance.sqrt()
    };
    let bends = |j: &usize| {
        let slopes = [1.0 / (sizes[j + 1] - sizes[*j]), 1.0 / (sizes[j + 2] - sizes[j + 1])];
        beyond(&[(*j, -slopes[0]), (j + 1, slopes[0] + slopes[1]), (j + 2, -slopes[1])])
    };
    let fault =
        |name, from: usize, to: usize| Fault { name, from: measured.sizes[from], to: measured.sizes[to] };
    let rising = (0..n - 1).filter(rises).map(|j| fault(FaultName::Rises, j, j + 1));
    let bent = (0..n.saturating_sub(2)).filter(bends).map(|j| fault(FaultName::Concave, j, j + 2));
    rising.chain(bent).collect()
}

/// Standard errors that none of so many comparisons exceeds by chance but with probability [`LEVEL`] (Bonferroni).
fn limit(comparisons: usize, freedom: f64) -> f64 {
    let t = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom above 0");
    t.inverse_cdf(1.0 - LEVEL / comparisons.max(1) as f64)
}

/// The sizes between which the training loss falls beyond the spread over replicas: the sign of small members that were
/// trained too little. Without replicas, a fall of more than a tenth from the first to the last.
///
/// - `values`: (K) of each replica, loss
pub fn falls(sizes: &[usize], values: &[Vec<f64>]) -> Option<(usize, usize)> {
    let measured = Measured {
        sizes: sizes.to_vec(),
        values: values.to_vec(),
        test_covariance: Array2::zeros((sizes.len(), sizes.len())),
        within_spread: vec![],
    };
    let (means, last) = (measured.means(), sizes.len() - 1);
    if last == 0 || means.iter().any(|m| *m <= 0.0) {
        return None;
    }
    let Some(noise) = measured.noise() else {
        return (means[last] < 0.9 * means[0]).then(|| (sizes[0], sizes[last]));
    };
    let limit = limit(last + 1, noise.freedom);
    let fall = |&(i, j): &(usize, usize)| {
        let error = noise.spread * (1.0 / values[i].len() as f64 + 1.0 / values[j].len() as f64).sqrt();
        (means[i] / means[j]).ln() > limit * error
    };
    let pairs = std::iter::once((0, last)).chain((0..last).map(|i| (i, i + 1)));
    pairs.filter(fall).map(|(i, j)| (sizes[i], sizes[j])).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(means: &[f64], relative_spread: f64) -> Measured {
        let spread = |m: &f64| [-1.0, 0.0, 1.0].map(|z| m * (1.0 + z * relative_spread)).to_vec();
        Measured {
            sizes: (0..means.len()).map(|i| 100 << i).collect(),
            values: means.iter().map(spread).collect(),
            test_covariance: Array2::from_elem((means.len(), means.len()), 0.04),
            within_spread: vec![],
        }
    }

    fn found(means: &[f64], spread: f64) -> Vec<Fault> {
        let measured = of(means, spread);
        faults(&measured, &measured.noise().unwrap())
    }

    #[test]
    fn rises_and_bends_are_found_beyond_noise_alone() {
        assert!(found(&[1.0, 0.6, 0.4, 0.3], 0.02).is_empty());
        let rising = Fault { name: FaultName::Rises, from: 200, to: 400 };
        assert!(found(&[1.0, 0.6, 0.8, 0.3], 0.02).contains(&rising));
        assert!(found(&[1.0, 0.6, 0.8, 0.3], 0.3).is_empty(), "within the noise");
        // Slopes −0.001, −0.0005, then −0.001: faster again.
        let bent = Fault { name: FaultName::Concave, from: 200, to: 800 };
        assert_eq!(found(&[1.0, 0.9, 0.8, 0.4], 0.01), [bent]);
    }

    #[test]
    fn what_is_wrong_is_said_with_sizes() {
        let fault = Fault { name: FaultName::Rises, from: 100, to: 200 };
        assert_eq!(
            fault.warning("test error"),
            "the test error rises with more samples from 100 to 200 samples, beyond noise: do not trust its forecast"
        );
    }

    #[test]
    fn noise_alone_rarely_is_a_fault() {
        // Independent means of a flat curve: (K − 1) rises and (K − 2) bends at once, at one per cent.
        let normal = crate::numeric::gaussian::gaussian_rows(3, 2000, 15);
        let faulty = normal.outer_iter().filter(|z| {
            let values = (0..5).map(|k| (0..3).map(|r| 1.0 + 0.05 * z[3 * k + r]).collect()).collect();
            let measured = Measured { values, test_covariance: Array2::zeros((5, 5)), ..of(&[1.0; 5], 0.1) };
            !faults(&measured, &measured.noise().unwrap()).is_empty()
        });
        let count = faulty.count();
        // 20 are expected at most; five standard deviations more.
        assert!((1..=42).contains(&count), "{count} of 2000");
    }

    #[test]
    fn a_training_loss_that_falls_is_seen() {
        let sizes = [100, 200, 400];
        let values = |means: [f64; 3]| of(&means, 0.05).values;
        assert_eq!(falls(&sizes, &values([0.5, 0.4, 0.3])), Some((100, 400)));
        assert_eq!(falls(&sizes, &values([0.3, 0.31, 0.33])), None);
        assert_eq!(falls(&sizes, &values([0.3, 0.2, 0.33])), Some((100, 200)));
        assert_eq!(falls(&sizes, &[vec![0.5], vec![0.6], vec![0.44]]), Some((100, 400)));
        assert_eq!(falls(&sizes, &[vec![0.5], vec![0.4], vec![0.46]]), None);
    }
}
