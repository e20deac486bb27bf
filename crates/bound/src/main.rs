//! `bound`: what theory says of Δ_k, how it compares with Monte Carlo, and the sufficient sample size K.

mod compare;
mod documents;

use std::process::ExitCode;

use anyhow::Result;
use landscape::curvature::SampleDerivatives;
use landscape::decay::exponent;
use landscape::delta::order_average;
use landscape::sufficient::{
    SufficientSize, of_curve, of_order_average, order_average_size, student_interval,
};
use landscape::theory::{Theory as FixedBasis, theory_diagonal};
use ndarray::{Array1, Array2, Ix1, Ix2};
use pipeline::Failure;
use pipeline::params::{BasisName, Bound};
use pipeline::stage::{Stage, StageContext};
use rayon::prelude::*;
use serde::Deserialize;

use crate::compare::compare;
use crate::documents::{Row, SettingTheory, Sufficient, Theory, TheoryDocument};

struct BoundStage;

impl Stage for BoundStage {
    type Params = Bound;
    const ABOUT: &'static str =
        "Computes the theory curves, their ratio to Monte Carlo, and K per tolerance and method";
    const READS: &'static [&'static str] = &["eigen", "montecarlo"];

    fn run(params: &Bound, ctx: &mut StageContext) -> Result<String> {
        run(params, ctx)
    }
}

fn main() -> ExitCode {
    pipeline::stage::main::<BoundStage>()
}

/// A setting as `montecarlo` records it.
#[derive(Clone, Debug, Deserialize)]
struct Setting {
    name: String,
    basis: BasisName,
    dim: usize,
    sigma: f64,
    draws: usize,
}

/// What all settings share.
struct Shared {
    step: usize,
    /// prefix sizes of the Monte Carlo, (n,)
    sizes: Vec<usize>,
    n_samples: usize,
    /// increments of the top eigenvalues over pairs (k, k + s), with k
    eigenvalue_increments: Vec<(usize, Array1<f64>)>,
}

/// One setting with its measured curve.
struct Measured {
    setting: Setting,
    /// Δ_k, (n,)
    delta: Array1<f64>,
    /// of Δ_k, (n,)
    standard_error: Array1<f64>,
    /// S²(θ_t), (T,)
    loss_variance: Array1<f64>,
}

/// A theory at the prefix sizes where it is known.
struct Curve {
    name: &'static str,
    sizes: Vec<usize>,
    values: Array1<f64>,
    order_average_variance: Option<f64>,
}

fn run(params: &Bound, ctx: &mut StageContext) -> Result<String> {
    let settings: Vec<Setting> = ctx.inputs.fact("montecarlo", "settings")?;
    let shared = read_shared(ctx)?;
    let fixed = fixed_basis_theories(ctx, &shared, &settings)?;
    let (mut theories, mut rows) = (vec![], vec![]);
    for (setting, fixed) in settings.into_iter().zip(fixed) {
        let measured = read_setting(ctx, setting)?;
        let curves = fixed.map_or(vec![], |theory| curves_of(&shared, &measured.setting, &theory));
        write_curves(ctx, &shared, &measured, &curves)?;
        theories.push(describe(params, &shared, &measured, &curves));
        for &tolerance in &params.tolerances {
            rows.extend(sufficient_rows(params, &shared, &measured, &curves, tolerance)?);
        }
    }
    let summary = summary(&rows);
    let document = TheoryDocument { confidence: params.confidence, settings: theories };
    ctx.outputs.write_json("theory.json", &document, "V, exponent and ratio of each theory, per setting")?;
    let document = Sufficient { n_samples: shared.n_samples, step: shared.step, rows };
    ctx.outputs.write_json("sufficient.json", &document, "K per setting, tolerance and method")?;
    Ok(summary)
}

fn read_shared(ctx: &StageContext) -> Result<Shared> {
    let inputs = &ctx.inputs;
    let step: usize = inputs.fact("montecarlo", "step")?;
    let eigen_step: usize = inputs.fact("eigen", "step")?;
    let prefixes = inputs.read_sizes("eigen", "prefix_sizes.npy")?;
    if step != eigen_step && !prefixes.is_empty() {
        return Err(Failure::config(
            format!("eigen.step is {eigen_step}, but montecarlo.step is {step}"),
            "the eigenvalue theory compares H_k with H_{k+s}: set both to the same step, or eigen.prefix_count to 0",
        )
        .into());
    }
    let values = inputs.read::<f64, Ix2>("eigen", "prefix_eigenvalues.npy")?;
    Ok(Shared {
        step,
        sizes: inputs.read_sizes("montecarlo", "prefix_sizes.npy")?,
        n_samples: inputs.fact("montecarlo", "n_samples")?,
        eigenvalue_increments: increments(&prefixes, &values, step),
    })
}

/// `λ⁽ⁱ⁾_{k+s} − λ⁽ⁱ⁾_k` for every k whose partner k + s is there too.
fn increments(prefixes: &[usize], values: &Array2<f64>, step: usize) -> Vec<(usize, Array1<f64>)> {
    let pair = |(row, &k): (usize, &usize)| {
        let next = prefixes.binary_search(&(k + step)).ok()?;
        Some((k, &values.row(next) - &values.row(row)))
    };
    prefixes.iter().enumerate().filter_map(pair).collect()
}

fn read_setting(ctx: &StageContext, setting: Setting) -> Result<Measured> {
    let read = |file: &str| ctx.inputs.read::<f64, Ix1>("montecarlo", &format!("{}/{file}", setting.name));
    Ok(Measured {
        delta: read("delta.npy")?,
        standard_error: read("standard_error.npy")?,
        loss_variance: read("loss_variance.npy")?,
        setting,
    })
}

/// Samples whose projections are in memory at once.
const ROWS_AT_ONCE: usize = 65_536;

/// Per setting the theories of the basis of the per-sample projections; `None` for a setting on another basis.
fn fixed_basis_theories(
    ctx: &StageContext,
    shared: &Shared,
    settings: &[Setting],
) -> Result<Vec<Option<FixedBasis>>> {
    let loss = ctx.inputs.rows::<f64>("eigen", "sample_loss.npy")?;
    let slope = ctx.inputs.rows::<f64>("eigen", "sample_slope.npy")?;
    let curvature = ctx.inputs.rows::<f64>("eigen", "sample_curvature.npy")?;
    let theory =
        |s: &Setting| (s.basis == BasisName::Hessian).then(|| FixedBasis::new(s.dim, s.sigma, shared.step));
    let mut theories = settings.iter().map(theory).collect::<Vec<_>>();
    for begin in (0..shared.n_samples).step_by(ROWS_AT_ONCE) {
        let rows = begin..(begin + ROWS_AT_ONCE).min(shared.n_samples);
        let samples = SampleDerivatives {
            loss: loss.read(rows.clone())?,
            slope: slope.read(rows.clone())?,
            curvature: curvature.read(rows)?,
        };
        theories.par_iter_mut().flatten().for_each(|theory| theory.take(&samples));
    }
    Ok(theories)
}

/// The four theories of a setting on the Hessian basis.
fn curves_of(shared: &Shared, setting: &Setting, theory: &FixedBasis) -> Vec<Curve> {
    let (dim, sigma) = (setting.dim, setting.sigma);
    let (curves, v) = (theory.curves(), theory.variances());
    let fixed = |name, values, v| Curve {
        name,
        sizes: shared.sizes.clone(),
        values,
        order_average_variance: Some(v),
    };
    let increments = &shared.eigenvalue_increments;
    let mut all = vec![
        fixed("diagonal", curves.diagonal, v.diagonal),
        fixed("quadratic", curves.quadratic, v.quadratic),
        fixed("second-order", curves.second_order, v.second_order),
    ];
    if !increments.is_empty() {
        let value = |delta: &Array1<f64>| theory_diagonal(delta.slice(ndarray::s![..dim]), sigma);
        all.push(Curve {
            name: "eigenvalue",
            sizes: increments.iter().map(|(k, _)| *k).collect(),
            values: increments.iter().map(|(_, delta)| value(delta)).collect(),
            order_average_variance: None,
        });
    }
    all
}

fn write_curves(
    ctx: &mut StageContext,
    shared: &Shared,
    measured: &Measured,
    curves: &[Curve],
) -> Result<()> {
    let name = &measured.setting.name;
    let average = order_average(variance_of(measured), &shared.sizes, shared.step);
    let out = &mut ctx.outputs;
    out.write(&format!("{name}/order_average.npy"), &average, "nats^2", "V (1/k - 1/(k+s)), (n,)")?;
    for curve in curves {
        let file = curve.name.replace('-', "_");
        out.write(&format!("{name}/{file}.npy"), &curve.values, "nats^2", "theory for Delta_k")?;
        if curve.name == "eigenvalue" {
            out.write_sizes(
                &format!("{name}/eigenvalue_prefix_sizes.npy"),
                &curve.sizes,
                "samples",
                "where it is known, (q,)",
            )?;
        }
    }
    Ok(())
}

/// V = mean_t S²(θ_t), nats².
fn variance_of(measured: &Measured) -> f64 {
    measured.loss_variance.mean().expect("at least two draws")
}

/// Standard error of V over the draws.
fn variance_error(measured: &Measured) -> f64 {
    let draws = measured.loss_variance.len() as f64;
    measured.loss_variance.std(1.0) / draws.sqrt()
}

fn describe(params: &Bound, shared: &Shared, measured: &Measured, curves: &[Curve]) -> SettingTheory {
    let Setting { name, basis, dim, sigma, draws } = measured.setting.clone();
    let delta = measured.delta.as_slice().expect("one axis");
    SettingTheory {
        name,
        basis,
        dim,
        sigma,
        draws,
        variance: variance_of(measured),
        variance_standard_error: variance_error(measured),
        exponent: exponent(&shared.sizes, delta, params.confidence).map(Into::into),
        theories: curves.iter().map(|curve| theory(shared, measured, curve)).collect(),
    }
}

fn theory(shared: &Shared, measured: &Measured, curve: &Curve) -> Theory {
    let rows = curve.sizes.iter().map(|k| k / shared.step - 1).collect::<Vec<_>>();
    let at = |array: &Array1<f64>| rows.iter().map(|&row| array[row]).collect::<Vec<_>>();
    let comparison = compare(&curve.values.to_vec(), &at(&measured.delta), &at(&measured.standard_error));
    Theory { name: curve.name, order_average_variance: curve.order_average_variance, comparison }
}

/// K by every method at one tolerance.
fn sufficient_rows(
    params: &Bound,
    shared: &Shared,
    measured: &Measured,
    curves: &[Curve],
    tolerance: f64,
) -> Result<Vec<Row>> {
    let row = |method: &str, size: SufficientSize| Row::new(&measured.setting.name, method, tolerance, size);
    let delta = measured.delta.as_slice().expect("one axis");
    let mut rows = vec![row("monte-carlo", of_curve(&shared.sizes, delta, tolerance))];

    let largest = shared.sizes[shared.sizes.len() - 1];
    let v = variance_of(measured);
    let (low, high) =
        student_interval(v, variance_error(measured), measured.loss_variance.len(), params.confidence);
    let end = |v: f64| order_average_size(v.max(0.0), shared.step, tolerance);
    let mut closed = row("order-average", of_order_average(v, shared.step, tolerance, largest));
    (closed.low, closed.high) = (Some(end(low)), Some(end(high)));
    if closed.high == Some(usize::MAX) {
        return Err(Failure::config(
            format!(
                "bound.tolerances: {tolerance:e} needs 2^52 samples or more of {}, whose V is {v:.1e} nats^2: not representable",
                measured.setting.name
            ),
            "raise the tolerance, or lower sigma of that setting",
        )
        .into());
    }
    rows.push(closed);

    let theory =
        |c: &Curve| row(c.name, of_curve(&c.sizes, c.values.as_slice().expect("one axis"), tolerance));
    rows.extend(curves.iter().map(theory));
    Ok(rows)
}

/// K of the first setting, per tolerance.
fn summary(rows: &[Row]) -> String {
    let first = &rows[0].setting;
    let of_first = rows.iter().filter(|r| r.setting == *first && r.method == "order-average");
    let one = |r: &Row| {
        let k = r.k.map_or_else(|| r.status.to_owned(), |k| format!("{k} ({})", r.status));
        format!("K({:.0e} nats^2) = {k}", r.tolerance)
    };
    format!("{first}: {}", of_first.map(one).collect::<Vec<_>>().join(", "))
}
