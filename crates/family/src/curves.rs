//! Means and spreads over replicas, per variant and prefix size, and the power law of the learning curve.

use landscape::change::learning_curve::{self, PowerLaw};
use landscape::change::prefix::order_factor;
use pipeline::log::number;
use records::family::{Fit, Flattening, Ladder, LittleGain, Rung, Spread};
use records::{Family, name_of};

use crate::members::{Found, Variant};

/// Mean and deviation; `None` of nothing.
fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let values = values.collect::<Vec<_>>();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (!values.is_empty()).then(|| Spread { mean, deviation: (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()) })
}

/// The ladder of a variant.
pub fn of(params: &Family, variant: &Variant) -> Ladder {
    let rungs = variant.rungs.iter().map(|own| rung(own)).collect::<Vec<_>>();
    let (first, largest) = (&variant.members[0].result, &variant.rungs[rungs.len() - 1]);
    let names = largest[0].result.theory_variances.iter().enumerate();
    let mean = |i: usize| largest.iter().filter_map(move |m| m.result.theory_variances.get(i)).map(|t| t.1);
    Ladder {
        variant: variant.name.clone(),
        fit: fit(params, &variant.members, &rungs),
        setting: first.setting.clone(),
        step: first.step,
        flat_gain: params.flat_gain,
        theory_variances: names.filter_map(|(i, t)| Some((t.0.clone(), spread(mean(i))?.mean))).collect(),
        rungs,
    }
}

/// What the replicas of one size found.
fn rung(own: &[&Found]) -> Rung {
    let over = |f: &dyn Fn(&Found) -> Option<f64>| spread(own.iter().filter_map(|m| f(m)));
    let always = |f: &dyn Fn(&Found) -> f64| over(&|m| Some(f(m))).expect("at least one replica");
    let d = own.iter().map(|m| m.eigenvalues.len()).max().unwrap_or(0);
    let angles = own.iter().map(|m| m.cosines.len()).max().unwrap_or(0);
    Rung {
        k: own[0].result.n_samples,
        replicas: own.len(),
        train_loss: always(&|m| m.result.train_loss),
        test_loss: over(&|m| m.result.test_loss),
        test_accuracy: over(&|m| m.result.test_accuracy),
        gradient_norm: always(&|m| m.result.gradient_norm),
        variance: always(&|m| m.result.variance),
        delta_seen: always(&|m| m.result.delta_seen),
        delta_fresh: over(&|m| m.result.delta_fresh),
        overlap: over(&|m| m.result.overlap),
        eigenvalues: (0..d).filter_map(|i| over(&|m| m.eigenvalues.get(i).copied())).collect(),
        cosines: (0..angles).filter_map(|i| over(&|m| m.cosines.get(i).copied())).map(|s| s.mean).collect(),
        sufficient: sufficient(own),
    }
}

/// K at each tolerance, over the replicas of one size; a tolerance without K is left out.
pub fn sufficient(members: &[&Found]) -> Vec<(f64, Spread)> {
    let tolerances = members[0].result.sufficient.iter().enumerate();
    let ks = |i: usize| members.iter().filter_map(move |m| m.result.sufficient.get(i)?.k.map(|k| k as f64));
    tolerances.filter_map(|(i, row)| Some((row.tolerance, spread(ks(i))?))).collect()
}

/// Fits the means over replicas, weighted by 1/loss² so that every rung counts by its relative residual.
fn fit(params: &Family, members: &[&Found], rungs: &[Rung]) -> Option<Fit> {
    let points = rungs.iter().filter_map(|r| Some((r.k as f64, r.test_loss?.mean))).collect::<Vec<_>>();
    let weights = |points: &[(f64, f64)]| points.iter().map(|p| p.1.powi(-2)).collect::<Vec<_>>();
    let law = PowerLaw::fit(&points, &weights(&points))?;
    let replicas = members.iter().map(|m| m.result.member.replica).max().unwrap_or(1);
    let single = (1..=replicas).filter_map(|r| {
        let own = members.iter().filter(|m| m.result.member.replica == r);
        let points =
            own.filter_map(|m| Some((m.result.n_samples as f64, m.result.test_loss?))).collect::<Vec<_>>();
        PowerLaw::fit(&points, &weights(&points)).map(|l| l.exponent)
    });
    let (flattening, flat_k) = match law.flattens(params.flat_gain) {
        learning_curve::Flattening::At(k) => (Flattening::At, Some(k)),
        learning_curve::Flattening::Everywhere => (Flattening::Everywhere, None),
        learning_curve::Flattening::Never => (Flattening::Never, None),
    };
    let (largest, step) = (&rungs[rungs.len() - 1], members[0].result.step);
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

/// What the user sees of a ladder when the stage ends; where its test loss is forecast, the forecast says where it is flat.
pub fn line(ladder: &Ladder, gain: Option<LittleGain>) -> String {
    let last = &ladder.rungs[ladder.rungs.len() - 1];
    let name = ladder.variant.as_ref().map_or(String::new(), |v| format!("{v}: "));
    let test = last.test_loss.map_or(String::new(), |t| format!(", test loss {}", number(t.mean, 4)));
    let fit = ladder.fit.as_ref().map_or(String::new(), |f| {
        let by_law = (name_of(f.flattening), f.flat_k);
        let (status, k) = gain.map_or(by_law, |g| (name_of(g.status), g.n.map(|n| n as f64)));
        let flat = k.map_or(status, |k| format!("at {k:.0} samples"));
        format!(", loss - {} ~ k^-{:.2}, flat {flat}", number(f.floor, 3), f.exponent)
    });
    let v = number(last.variance.mean, 4);
    format!("{name}{} sizes to {}, V {v}{test}{fit}", ladder.rungs.len(), last.k)
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
