//! Means and spreads over replicas, per variant and prefix size, and the power law of the learning curve.

use landscape::change::learning_curve::{Flattening, PowerLaw};
use landscape::change::prefix::order_factor;
use records::Family;
use serde::Serialize;

use crate::members::MemberResult;

/// Mean over replicas, with the standard deviation over them (null for one replica).
#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    pub mean: f64,
    pub deviation: Option<f64>,
}

/// All replicas of one variant at one prefix size.
#[derive(Serialize)]
pub struct Rung {
    pub k: usize,
    pub replicas: usize,
    pub train_loss: Spread,
    pub test_loss: Option<Spread>,
    pub test_accuracy: Option<Spread>,
    pub gradient_norm: Spread,
    pub variance: Spread,
    pub delta_seen: Spread,
    pub delta_fresh: Option<Spread>,
    pub overlap: Option<Spread>,
    /// by rank
    pub eigenvalues: Vec<Spread>,
    /// mean cosine by rank; empty at the largest
    pub cosines: Vec<f64>,
    /// K by the closed form at each tolerance, as this many samples predict it
    pub sufficient: Vec<(f64, Spread)>,
}

/// The power law of the test loss.
#[derive(Serialize)]
pub struct Fit {
    pub floor: f64,
    pub scale: f64,
    pub exponent: f64,
    /// over the fits of single replicas
    pub exponent_deviation: Option<f64>,
    /// root mean square of the residuals over the loss
    pub relative_residual: f64,
    /// `at`, `everywhere` or `never`
    pub flattening: &'static str,
    /// samples from which a doubling takes less than `flat_gain` off the test loss
    pub flat_k: Option<f64>,
    /// V (1/k − 1/(k+s)) there, V of the largest rung, nats²
    pub delta_at_flat: Option<f64>,
}

/// One variant over its prefix sizes.
#[derive(Serialize)]
pub struct Curve {
    pub variant: Option<String>,
    pub setting: String,
    pub step: usize,
    pub flat_gain: f64,
    pub rungs: Vec<Rung>,
    /// null with fewer than three prefix sizes or without a test split
    pub fit: Option<Fit>,
    /// V of each theory at the largest rung, mean over replicas
    pub theory_variances: Vec<(String, f64)>,
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let values = values.collect::<Vec<_>>();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (!values.is_empty()).then(|| Spread { mean, deviation: (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()) })
}

/// The curve of every variant.
pub fn of(params: &Family, members: &[MemberResult]) -> Vec<Curve> {
    let mut variants = members.iter().map(|m| m.member.variant.clone()).collect::<Vec<_>>();
    variants.dedup();
    let curve = |variant: Option<String>| {
        let own = members.iter().filter(|m| m.member.variant == variant).collect::<Vec<_>>();
        let mut sizes = own.iter().map(|m| m.n_samples).collect::<Vec<_>>();
        sizes.sort_unstable();
        sizes.dedup();
        let rungs = sizes.iter().map(|&k| rung(k, &own)).collect::<Vec<_>>();
        let largest =
            own.iter().filter(|m| m.n_samples == sizes[sizes.len() - 1]).copied().collect::<Vec<_>>();
        let names = largest[0].theory_variances.iter().enumerate();
        let mean = |i: usize| largest.iter().filter_map(move |m| m.theory_variances.get(i)).map(|t| t.1);
        Curve {
            fit: fit(params, &own, &rungs),
            setting: own[0].setting.clone(),
            step: own[0].step,
            flat_gain: params.flat_gain,
            theory_variances: names.filter_map(|(i, t)| Some((t.0.clone(), spread(mean(i))?.mean))).collect(),
            variant,
            rungs,
        }
    };
    variants.into_iter().map(curve).collect()
}

fn rung(k: usize, of_variant: &[&MemberResult]) -> Rung {
    let own = of_variant.iter().filter(|m| m.n_samples == k).copied().collect::<Vec<_>>();
    let over = |f: &dyn Fn(&MemberResult) -> Option<f64>| spread(own.iter().filter_map(|m| f(m)));
    let always = |f: &dyn Fn(&MemberResult) -> f64| over(&|m| Some(f(m))).expect("at least one replica");
    let d = own.iter().map(|m| m.eigenvalues.len()).max().unwrap_or(0);
    let angles = own.iter().map(|m| m.cosines.len()).max().unwrap_or(0);
    let tolerances = own[0].sufficient.iter().enumerate();
    Rung {
        k,
        replicas: own.len(),
        train_loss: always(&|m| m.train_loss),
        test_loss: over(&|m| m.test_loss),
        test_accuracy: over(&|m| m.test_accuracy),
        gradient_norm: always(&|m| m.gradient_norm),
        variance: always(&|m| m.variance),
        delta_seen: always(&|m| m.delta_seen),
        delta_fresh: over(&|m| m.delta_fresh),
        overlap: over(&|m| m.overlap),
        eigenvalues: (0..d).filter_map(|i| over(&|m| m.eigenvalues.get(i).copied())).collect(),
        cosines: (0..angles).filter_map(|i| over(&|m| m.cosines.get(i).copied())).map(|s| s.mean).collect(),
        sufficient: tolerances
            .filter_map(|(i, row)| {
                Some((row.tolerance, over(&|m| m.sufficient.get(i)?.k.map(|k| k as f64))?))
            })
            .collect(),
    }
}

/// Fits the means over replicas, weighted by 1/loss² so that every rung counts by its relative residual.
fn fit(params: &Family, members: &[&MemberResult], rungs: &[Rung]) -> Option<Fit> {
    let points = rungs.iter().filter_map(|r| Some((r.k as f64, r.test_loss?.mean))).collect::<Vec<_>>();
    let weights = |points: &[(f64, f64)]| points.iter().map(|p| p.1.powi(-2)).collect::<Vec<_>>();
    let law = PowerLaw::fit(&points, &weights(&points))?;
    let replicas = members.iter().map(|m| m.member.replica).max().unwrap_or(1);
    let single = (1..=replicas).filter_map(|r| {
        let own = members.iter().filter(|m| m.member.replica == r);
        let points = own.filter_map(|m| Some((m.n_samples as f64, m.test_loss?))).collect::<Vec<_>>();
        PowerLaw::fit(&points, &weights(&points)).map(|l| l.exponent)
    });
    let (flattening, flat_k) = match law.flattens(params.flat_gain) {
        Flattening::At(k) => ("at", Some(k)),
        Flattening::Everywhere => ("everywhere", None),
        Flattening::Never => ("never", None),
    };
    let (largest, step) = (&rungs[rungs.len() - 1], members[0].step);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of samples, rounded
    let delta_at = |k: f64| largest.variance.mean * order_factor((k.round() as usize).max(1), step);
    let mean_square =
        points.iter().map(|&(k, y)| (law.at(k) / y - 1.0).powi(2)).sum::<f64>() / points.len() as f64;
    Some(Fit {
        floor: law.floor,
        scale: law.scale,
        exponent: law.exponent,
        exponent_deviation: spread(single).and_then(|s| s.deviation),
        relative_residual: mean_square.sqrt(),
        flattening,
        flat_k,
        delta_at_flat: flat_k.map(delta_at),
    })
}

impl Curve {
    /// What the user sees of it when the stage ends.
    pub fn line(&self) -> String {
        let last = &self.rungs[self.rungs.len() - 1];
        let name = self.variant.as_ref().map_or(String::new(), |v| format!("{v}: "));
        let test = last.test_loss.map_or(String::new(), |t| format!(", test loss {:.4}", t.mean));
        let fit = self.fit.as_ref().map_or(String::new(), |f| {
            let flat = f.flat_k.map_or(f.flattening.to_owned(), |k| format!("at {k:.0} samples"));
            format!(", loss - {:.3} ~ k^-{:.2}, flat {flat}", f.floor, f.exponent)
        });
        format!("{name}{} sizes to {}, V {:.4}{test}{fit}", self.rungs.len(), last.k, last.variance.mean)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_mean_and_deviation() {
        let found = spread([1.0, 2.0, 6.0].into_iter()).unwrap();
        // (4 + 1 + 9) / 2 = 7
        assert_eq!((found.mean, found.deviation.unwrap()), (3.0, 7.0_f64.sqrt()));
        assert_eq!(spread([5.0].into_iter()).unwrap().deviation, None);
        assert!(spread(std::iter::empty()).is_none());
    }
}
