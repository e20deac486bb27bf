//! The four theory curves of a setting.

use landscape::change::theory::{FixedBasis, theory_diagonal};
use landscape::passes::curvature::SampleDerivatives;
use ndarray::{Array1, ArrayView1, Ix2};
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use rayon::prelude::*;
use records::bound::Comparison;
use records::{eigen, montecarlo};
use store::artifact::Inputs;

use crate::compare::compare;

/// What all settings share.
pub struct Shared {
    pub step: usize,
    /// prefix sizes of the Monte Carlo, (n,)
    pub sizes: Vec<usize>,
    pub n_samples: usize,
    /// increments of the top eigenvalues over pairs (k, k + s), with k
    pub eigenvalue_increments: Vec<(usize, Array1<f64>)>,
}

/// A theory at the prefix sizes where it is known.
pub struct Curve {
    pub name: &'static str,
    pub sizes: Vec<usize>,
    pub values: Array1<f64>,
    pub order_average_variance: Option<f64>,
}

impl Curve {
    /// The curve beside that of Monte Carlo, `delta` ± `error` at every prefix size, (n,).
    pub fn beside(&self, step: usize, delta: ArrayView1<f64>, error: ArrayView1<f64>) -> Option<Comparison> {
        let at = |of: ArrayView1<f64>| self.sizes.iter().map(|k| of[k / step - 1]).collect::<Vec<_>>();
        compare(&self.values.to_vec(), &at(delta), &at(error))
    }
}

impl Shared {
    pub fn read(ctx: &StageContext, montecarlo: &montecarlo::Facts) -> Result<Self> {
        let montecarlo::Facts { step, n_samples, .. } = *montecarlo;
        let is_given = montecarlo.settings.iter().any(|s| s.losses.is_some());
        let eigenvalue_increments = if is_given { vec![] } else { increments(&ctx.inputs, step)? };
        let sizes = ctx.inputs.read_sizes("montecarlo", "prefix_sizes.npy")?;
        Ok(Self { step, sizes, n_samples, eigenvalue_increments })
    }

    /// The same of the first `n` samples.
    pub fn first(&self, n: usize) -> Self {
        let inside = |k: usize| k + self.step <= n;
        let increments = self.eigenvalue_increments.iter().filter(|(k, _)| inside(*k));
        Self {
            step: self.step,
            sizes: self.sizes.iter().copied().filter(|&k| inside(k)).collect(),
            n_samples: n,
            eigenvalue_increments: increments.cloned().collect(),
        }
    }
}

/// `λ⁽ⁱ⁾_{k+s} − λ⁽ⁱ⁾_k` for every k whose partner k + s is there too.
fn increments(inputs: &Inputs, step: usize) -> Result<Vec<(usize, Array1<f64>)>> {
    let eigen_step = inputs.facts::<eigen::Facts>()?.step;
    let prefixes = inputs.read_sizes("eigen", "prefix_sizes.npy")?;
    if step != eigen_step && !prefixes.is_empty() {
        let message = format!("eigen.step is {eigen_step}, but montecarlo.step is {step}");
        let hint = "the eigenvalue theory compares H_k with H_{k+s}: set both to the same step, or eigen.prefix_count to 0";
        return Err(Failure::config(message, hint).into());
    }
    let values = inputs.read::<f64, Ix2>("eigen", "prefix_eigenvalues.npy")?;
    let pair = |(row, &k): (usize, &usize)| {
        let next = prefixes.binary_search(&(k + step)).ok()?;
        Some((k, &values.row(next) - &values.row(row)))
    };
    Ok(prefixes.iter().enumerate().filter_map(pair).collect())
}

/// Samples whose projections are in memory at once.
const ROWS_AT_ONCE: usize = 65_536;

/// Where the projections of each sample are: a stage, and its files of losses, slopes and curvatures.
pub struct Projections {
    stage: &'static str,
    files: [String; 3],
}

impl Projections {
    /// Those of the Hessian basis.
    pub fn of_eigen() -> Self {
        let files = ["sample_loss.npy", "sample_slope.npy", "sample_curvature.npy"].map(str::to_owned);
        Self { stage: "eigen", files }
    }

    /// Those that were given with the losses of a setting.
    pub fn given(setting: &str) -> Self {
        let files = ["values", "slopes", "curvatures"].map(|file| format!("{setting}/{file}.npy"));
        Self { stage: "montecarlo", files }
    }
}

/// Shows the projections of the first `n_samples` samples to every theory.
pub fn take_samples(
    ctx: &StageContext,
    of: &Projections,
    n_samples: usize,
    theories: &mut [&mut FixedBasis],
) -> Result<()> {
    let loss = ctx.inputs.rows::<f64>(of.stage, &of.files[0])?;
    let slope = ctx.inputs.rows::<f64>(of.stage, &of.files[1])?;
    let curvature = ctx.inputs.rows::<f64>(of.stage, &of.files[2])?;
    let progress = ctx.progress(n_samples, "bound: theories: samples");
    for begin in (0..n_samples).step_by(ROWS_AT_ONCE) {
        let rows = begin..(begin + ROWS_AT_ONCE).min(n_samples);
        let n_rows = rows.len();
        let samples = SampleDerivatives {
            loss: loss.read(rows.clone())?,
            slope: slope.read(rows.clone())?,
            curvature: curvature.read(rows)?,
        };
        theories.par_iter_mut().for_each(|theory| theory.take(&samples));
        progress.add(n_rows);
    }
    Ok(())
}

/// The four theories of the Hessian basis at one σ, and the `deviations` of each direction where these are their own.
pub fn curves_of(
    shared: &Shared,
    dim: usize,
    sigma: f64,
    deviations: &[f64],
    theory: &FixedBasis,
) -> Vec<Curve> {
    let fixed = theory.curves().clone().named().into_iter().zip(theory.variances().named());
    let fixed = fixed.map(|((name, values), (_, v))| Curve {
        name,
        sizes: shared.sizes.clone(),
        values: values.into(),
        order_average_variance: Some(v),
    });
    let mut all = fixed.collect::<Vec<_>>();
    let increments = &shared.eigenvalue_increments;
    if !increments.is_empty() {
        // λ_i of the coordinates in units of their deviations s_i is s_i² λ_i.
        let square = |i: usize| deviations.get(i).map_or(1.0, |s| s * s);
        let value = |delta: &Array1<f64>| {
            let in_units = (0..dim).map(|i| square(i) * delta[i]).collect::<Array1<f64>>();
            theory_diagonal(in_units.view(), sigma)
        };
        all.push(Curve {
            name: "eigenvalue",
            sizes: increments.iter().map(|(k, _)| *k).collect(),
            values: increments.iter().map(|(_, delta)| value(delta)).collect(),
            order_average_variance: None,
        });
    }
    all
}
