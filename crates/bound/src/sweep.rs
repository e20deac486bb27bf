//! Over σ: which sampling method knows V soonest, and where each theory holds.

use landscape::change::control_variate::adjusted;
use landscape::change::interval::{self, Estimate};
use landscape::change::theory::FixedBasis;
use ndarray::{Array2, Ix2};
use pipeline::Result;
use pipeline::shell::StageContext;
use records::bound::{AtSigma, Holds, MethodAtSigma, SweepFindings, TheoryAtSigma};
use records::montecarlo::SweepFact;
use records::{Sampling, name_of};

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
    let swept = Swept::read(ctx, shared, recorded)?;
    let rows = 0..recorded.sigmas.len();
    let sigmas = rows.filter_map(|row| swept.at(row, confidence)).collect::<Vec<_>>();
    Ok((!sigmas.is_empty()).then(|| SweepFindings {
        n_samples: recorded.n_samples,
        dim: recorded.dim,
        draws: recorded.draws,
        confidence,
        theories: holds(&sigmas),
        sigmas,
    }))
}

/// The arrays of the sweep, a row a σ, and the theories beside them.
struct Swept<'a> {
    recorded: &'a SweepFact,
    /// over the samples of the sweep
    shared: Shared,
    /// Δ_k of the plain draws and its error, (m, n)
    delta: Array2<f64>,
    error: Array2<f64>,
    methods: Vec<Method>,
    /// (m,)
    theories: Vec<FixedBasis>,
}

/// What one sampling method drew: S² and the control variate at each draw, (m, T).
struct Method {
    sampling: Sampling,
    variance: Array2<f64>,
    control: Array2<f64>,
}

impl<'a> Swept<'a> {
    fn read(ctx: &StageContext, shared: &Shared, recorded: &'a SweepFact) -> Result<Self> {
        let read = |file: &str| ctx.inputs.read::<f64, Ix2>("montecarlo", &format!("sweep/{file}.npy"));
        let method = |&sampling: &Sampling| -> Result<Method> {
            let of = |file: &str| read(&format!("{}/{file}", name_of(sampling)));
            Ok(Method { sampling, variance: of("loss_variance")?, control: of("control")? })
        };
        let theory = |&sigma| FixedBasis::new(recorded.dim, sigma, shared.step);
        let mut theories = recorded.sigmas.iter().map(theory).collect::<Vec<_>>();
        let mut all = theories.iter_mut().collect::<Vec<_>>();
        take_samples(ctx, &Projections::of_eigen(), recorded.n_samples, &mut all)?;
        Ok(Self {
            recorded,
            shared: shared.first(recorded.n_samples),
            delta: read("delta")?,
            error: read("standard_error")?,
            methods: recorded.methods.iter().map(method).collect::<Result<_>>()?,
            theories,
        })
    }

    /// At the σ of one row; `None` if no loss changed there.
    fn at(&self, row: usize, confidence: f64) -> Option<AtSigma> {
        let (sigma, theory) = (self.recorded.sigmas[row], &self.theories[row]);
        let mean = theory.variances().second_order;
        let estimates = self.methods.iter().flat_map(|m| m.estimates(row, mean)).collect::<Vec<_>>();
        let methods = compare_methods(&estimates, self.recorded.draws, confidence);
        let best = methods.iter().min_by(|a, b| a.relative_error.total_cmp(&b.relative_error));
        let best = best.expect("plain at least").clone();
        if best.variance == 0.0 {
            return None;
        }
        let curves = curves_of(&self.shared, self.recorded.dim, sigma, &[], theory);
        let theories = curves.iter().map(|curve| self.beside(curve, row, best.variance));
        Some(AtSigma {
            sigma,
            variance: best.variance,
            relative_error: best.relative_error,
            reference: best.method,
            theories: theories.collect::<Option<_>>()?,
            methods,
        })
    }

    /// One theory beside Monte Carlo.
    fn beside(&self, curve: &Curve, row: usize, variance: f64) -> Option<TheoryAtSigma> {
        let comparison = curve.beside(self.shared.step, self.delta.row(row), self.error.row(row))?;
        let ratio = curve.order_average_variance.map_or(comparison.geometric_mean_ratio, |v| v / variance);
        Some(TheoryAtSigma { name: curve.name.to_owned(), ratio, comparison })
    }
}

impl Method {
    /// V at one σ, without and with the control variate of mean `mean`.
    fn estimates(&self, row: usize, mean: f64) -> [(String, usize, Estimate); 2] {
        let groups = |of: &Array2<f64>| self.sampling.group_means(&of.row(row).to_vec());
        let (name, plain) = (name_of(self.sampling), groups(&self.variance));
        let with = adjusted(&plain, &groups(&self.control), mean);
        let control = (format!("{name}+control"), with.len(), interval::of_draws(&with, 1.0));
        [(name, plain.len(), interval::of_draws(&plain, 0.0)), control]
    }
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
