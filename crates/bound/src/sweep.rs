//! Over σ: which sampling method knows V soonest, and where each theory holds.

use landscape::change::control_variate::adjusted;
use landscape::change::interval::{self, Estimate};
use landscape::change::theory::FixedBasis;
use ndarray::{Array2, Axis, Ix2};
use pipeline::Result;
use pipeline::shell::StageContext;
use records::bound::{AtSigma, Holds, MethodAtSigma, SweepFindings, TheoryAtSigma};
use records::montecarlo::SweepFact;
use records::{Sampling, name_of};

use crate::compare::compare;
use crate::curves::{Curve, Projections, Shared, curves_of, take_samples};

/// A theory holds where its V is within this fraction of the measured one.
const HOLDS_WITHIN: f64 = 0.1;
/// K is called known when it is within this fraction.
const K_WITHIN: f64 = 0.05;

/// What the sweep of `montecarlo` says, or `None` if no loss ever changed in it: without a V nothing can be held against it.
pub fn sweep(
    ctx: &StageContext,
    shared: &Shared,
    recorded: &SweepFact,
    confidence: f64,
) -> Result<Option<SweepFindings>> {
    let read = |file: &str| ctx.inputs.read::<f64, Ix2>("montecarlo", &format!("sweep/{file}.npy"));
    let (delta, error) = (read("delta")?, read("standard_error")?);
    let by_method = recorded.methods.iter().map(|&sampling| {
        let name = name_of(sampling);
        Ok((sampling, read(&format!("{name}/loss_variance"))?, read(&format!("{name}/control"))?, name))
    });
    let by_method = by_method.collect::<Result<Vec<_>>>()?;
    let own = shared.first(recorded.n_samples);
    let mut theories = recorded
        .sigmas
        .iter()
        .map(|&sigma| FixedBasis::new(recorded.dim, sigma, shared.step))
        .collect::<Vec<_>>();
    take_samples(
        ctx,
        &Projections::of_eigen(),
        recorded.n_samples,
        &mut theories.iter_mut().collect::<Vec<_>>(),
    )?;

    let at = |(row, (&sigma, theory)): (usize, (&f64, &FixedBasis))| {
        let mean = theory.variances().second_order;
        let methods = by_method.iter().flat_map(|(sampling, variance, control, name)| {
            estimates(*sampling, variance, control, row, mean, name)
        });
        let methods = compare_methods(&methods.collect::<Vec<_>>(), recorded.draws, confidence);
        let best = methods
            .iter()
            .min_by(|a, b| a.relative_error.total_cmp(&b.relative_error))
            .expect("plain at least")
            .clone();
        if best.variance == 0.0 {
            return None;
        }
        let curves = curves_of(&own, recorded.dim, sigma, &[], theory);
        let theories = curves.iter().map(|curve| {
            beside(
                &own,
                curve,
                &delta.index_axis(Axis(0), row).to_vec(),
                &error.row(row).to_vec(),
                best.variance,
            )
        });
        Some(AtSigma {
            sigma,
            variance: best.variance,
            relative_error: best.relative_error,
            reference: best.method,
            theories: theories.collect::<Option<_>>()?,
            methods,
        })
    };
    let sigmas = recorded.sigmas.iter().zip(&theories).enumerate().filter_map(at).collect::<Vec<_>>();
    Ok((!sigmas.is_empty()).then(|| SweepFindings {
        n_samples: recorded.n_samples,
        dim: recorded.dim,
        draws: recorded.draws,
        confidence,
        theories: holds(&sigmas),
        sigmas,
    }))
}

/// V at one σ by one method, without and with the control variate of mean `mean`.
fn estimates(
    sampling: Sampling,
    variance: &Array2<f64>,
    control: &Array2<f64>,
    row: usize,
    mean: f64,
    name: &str,
) -> [(String, usize, Estimate); 2] {
    let groups = |of: &Array2<f64>| sampling.group_means(&of.row(row).to_vec());
    let (plain, control) = (groups(variance), groups(control));
    let with = adjusted(&plain, &control, mean);
    [
        (name.to_owned(), plain.len(), interval::of_draws(&plain, 0.0)),
        (format!("{name}+control"), with.len(), interval::of_draws(&with, 1.0)),
    ]
}

/// Every method beside plain draws, which are among them. All took `draws` draws.
fn compare_methods(
    estimates: &[(String, usize, Estimate)],
    draws: usize,
    confidence: f64,
) -> Vec<MethodAtSigma> {
    let plain = estimates.iter().find(|e| e.0 == "plain").expect("checked with the parameters").2.error();
    let one = |(name, groups, estimate): &(String, usize, Estimate)| {
        let relative_error = estimate.error() / estimate.value;
        MethodAtSigma {
            method: name.clone(),
            variance: estimate.value,
            relative_error,
            groups: *groups,
            efficiency: (plain / estimate.error()).powi(2),
            draws_for_k: interval::draws_for(K_WITHIN, relative_error, draws, confidence),
        }
    };
    estimates.iter().map(one).collect()
}

/// One theory beside Monte Carlo.
fn beside(
    shared: &Shared,
    curve: &Curve,
    delta: &[f64],
    error: &[f64],
    variance: f64,
) -> Option<TheoryAtSigma> {
    let rows = curve.rows(shared.step);
    let at = |of: &[f64]| rows.iter().map(|&row| of[row]).collect::<Vec<_>>();
    let comparison = compare(&curve.values.to_vec(), &at(delta), &at(error))?;
    let ratio = curve.order_average_variance.map_or(comparison.geometric_mean_ratio, |v| v / variance);
    Some(TheoryAtSigma { name: curve.name.to_owned(), ratio, comparison })
}

fn holds(sigmas: &[AtSigma]) -> Vec<Holds> {
    let names = sigmas[0].theories.iter().map(|t| t.name.clone());
    let one = |(i, name): (usize, String)| {
        let points = sigmas.iter().map(|s| (s.sigma.ln(), s.theories[i].ratio.ln())).collect::<Vec<_>>();
        let ranges = |low: f64, high: f64| {
            ranges_between(&points, low.ln(), high.ln()).into_iter().map(|r| r.map(f64::exp)).collect()
        };
        let everywhere = sigmas.iter().filter(|s| s.theories[i].comparison.fraction_above >= 1.0);
        Holds {
            name,
            within: ranges(1.0 - HOLDS_WITHIN, 1.0 + HOLDS_WITHIN),
            above: ranges(1.0, f64::INFINITY),
            above_everywhere: everywhere.map(|s| s.sigma).collect(),
        }
    };
    names.enumerate().map(one).collect()
}

/// Ranges of x where the line through the points lies in [low, high].
fn ranges_between(points: &[(f64, f64)], low: f64, high: f64) -> Vec<[f64; 2]> {
    let mut ranges: Vec<[f64; 2]> = vec![];
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        // Where along the segment, from 0 to 1, y passes a level; a level line has no such place.
        let place = |level: f64| (level - y0) / (y1 - y0);
        let (mut begin, mut end) = (0.0_f64, 1.0_f64);
        for (level, below) in [(low, true), (high, false)] {
            let outside = |y: f64| if below { y < level } else { y > level };
            match (outside(y0), outside(y1)) {
                (false, false) => {}
                (true, true) => end = -1.0,
                (true, false) => begin = begin.max(place(level)),
                (false, true) => end = end.min(place(level)),
            }
        }
        if begin > end {
            continue;
        }
        let range = [begin, end].map(|part| x0 + part * (x1 - x0));
        match ranges.last_mut() {
            Some(last) if range[0] - last[1] <= 1e-12 => last[1] = range[1],
            _ => ranges.push(range),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_interpolation() {
        let points = [(0.0, 0.0), (1.0, 0.0), (2.0, 2.0), (3.0, -2.0), (4.0, -2.0)];
        let close = |found: Vec<[f64; 2]>, expected: &[[f64; 2]]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (f, e) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((f - e).abs() < 1e-12, "{found:?}");
            }
        };
        close(ranges_between(&points, -1.0, 1.0), &[[0.0, 1.5], [2.25, 2.75]]);
        close(ranges_between(&points, 0.0, f64::INFINITY), &[[0.0, 2.5]]);
        close(ranges_between(&points, 3.0, 4.0), &[]);
        // Across the whole band within one segment.
        close(ranges_between(&points[2..4], 0.0, 1.0), &[[2.25, 2.5]]);
    }

    #[test]
    fn efficiency_counts_the_plain_draws_that_a_draw_replaces() {
        let estimate = |groups: &[f64]| interval::of_draws(groups, 0.0);
        let found = compare_methods(
            &[
                ("sobol".into(), 4, estimate(&[9.5, 10.5, 9.5, 10.5])),
                ("plain".into(), 4, estimate(&[8.0, 12.0, 8.0, 12.0])),
            ],
            64,
            0.95,
        );
        // A quarter of the error: sixteen times the work saved.
        assert!((found[0].efficiency - 16.0).abs() < 1e-9 && (found[1].efficiency - 1.0).abs() < 1e-12);
        // Error of plain 2·√(4/3)/√4 = 1.1547 of 10: 64 (1.959964 · 0.11547 / 0.1)² draws.
        assert!((found[1].draws_for_k - 64.0 * (1.959_964 * 1.154_700_5_f64).powi(2)).abs() < 1e-3);
    }
}
