//! `bound`: what theory says of Δ_k, how it compares with Monte Carlo, and the sufficient sample size K.

mod compare;
mod curves;
mod measured;
mod pilot;
mod sweep;

use std::process::ExitCode;

use landscape::change::decay;
use landscape::change::interval::{self, Estimate};
use landscape::change::prefix::{order_average, order_factor};
use landscape::change::sufficient::of_curve;
use landscape::change::theory::FixedBasis;
use ndarray::Array1;
use pipeline::Result;
use pipeline::shell::{Stage, StageContext};
use records::bound::{
    Gap, Pilots, SettingTheory, Sufficient, SufficientRow, Theory, TheoryDocument, Tolerance, Uncertain,
};
use records::montecarlo::{Facts, SettingFact};
use records::{BasisName, Bound, name_of};

use crate::curves::{Curve, Projections, Shared, curves_of, take_samples};
use crate::measured::Measured;
use crate::pilot::Question;

struct BoundStage;

impl Stage for BoundStage {
    type Params = Bound;
    const ABOUT: &'static str =
        "Computes the theory curves, their ratio to Monte Carlo, and K per tolerance and method";
    const CODE: &'static str = env!("CODE");

    fn run(params: &Bound, ctx: &mut StageContext) -> Result<String> {
        run(params, ctx)
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<BoundStage>()
}

/// The theories of a setting on the Hessian basis.
struct Theories {
    /// over steps of s samples: those of Δ_k
    curves: FixedBasis,
    /// over steps of one sample, where s is another: they say how sure V is
    single: Option<FixedBasis>,
}

fn run(params: &Bound, ctx: &mut StageContext) -> Result<String> {
    let montecarlo: Facts = ctx.inputs.facts()?;
    let shared = Shared::read(ctx, &montecarlo)?;
    let question =
        Question { tolerances: &params.tolerances, confidence: params.confidence, step: shared.step };
    if let Some(why) = SufficientRow::few_samples(shared.n_samples) {
        ctx.warn(format!("bound: {why}"));
    }
    let fixed = fixed_basis_theories(ctx, &shared, &montecarlo.settings)?;
    let (mut theories, mut rows, mut pilots) = (vec![], vec![], vec![]);
    for (setting, fixed) in montecarlo.settings.into_iter().zip(fixed) {
        let measured = Measured::read(&ctx.inputs, setting)?;
        let (dim, sigma) = (measured.setting.dim, measured.setting.sigma);
        let curves = fixed
            .as_ref()
            .map_or(vec![], |f| curves_of(&shared, dim, sigma, &measured.setting.deviations, &f.curves));
        let laws = fixed.as_ref().map_or(vec![], Theories::laws);
        write_curves(ctx, &shared, &measured, &curves)?;
        let gap = fixed.as_ref().and_then(|f| gap(&measured, &f.curves));
        theories.push(describe(params, &shared, &measured, &curves, gap));
        rows.extend(sufficient_rows(ctx, params, &shared, &measured, &curves, &laws));
        pilots.extend(question.within(&measured, &montecarlo.pilot_sizes));
        for pilot in &params.pilots {
            pilots.push(question.retrained(ctx, pilot, &measured)?);
        }
    }
    // The first setting in the last line, each other one before it.
    let lines = theories.iter().map(|s| line(&s.name, &rows)).collect::<Vec<_>>();
    for other in &lines[1..] {
        tracing::info!("bound: {}: {other}", ctx.experiment);
    }
    let confidence = params.confidence;
    ctx.outputs.document(&TheoryDocument { confidence, settings: theories })?;
    ctx.outputs.document(&Sufficient { n_samples: shared.n_samples, step: shared.step, rows })?;
    ctx.outputs.document(&Pilots { confidence, pilots })?;
    if let Some(recorded) = &montecarlo.sweep
        && let Some(findings) = sweep::sweep(ctx, &shared, recorded, confidence)?
    {
        ctx.outputs.document(&findings)?;
    }
    Ok(lines.into_iter().next().unwrap_or_default())
}

/// Per setting the theories of the basis of the per-sample projections; `None` for a setting without such.
fn fixed_basis_theories(
    ctx: &StageContext,
    shared: &Shared,
    settings: &[SettingFact],
) -> Result<Vec<Option<Theories>>> {
    let theory = |s: &SettingFact| {
        let of_step = |step| FixedBasis::new(s.dim, s.sigma, step).along(&s.deviations);
        (s.basis == BasisName::Hessian || s.has_derivatives).then(|| Theories {
            curves: of_step(shared.step),
            single: (shared.step != 1).then(|| of_step(1)),
        })
    };
    let mut theories = settings.iter().map(theory).collect::<Vec<_>>();
    // Settings on the Hessian basis share its projections; given ones have their own.
    for (setting, theories) in settings.iter().zip(&mut theories).filter(|(s, _)| s.has_derivatives) {
        let mut own = theories.iter_mut().flat_map(Theories::parts).collect::<Vec<_>>();
        take_samples(ctx, &Projections::given(&setting.name), shared.n_samples, &mut own)?;
    }
    let of_basis = settings.iter().zip(&mut theories).filter(|(s, _)| s.basis == BasisName::Hessian);
    let mut of_basis = of_basis.flat_map(|(_, t)| t).flat_map(Theories::parts).collect::<Vec<_>>();
    if !of_basis.is_empty() {
        take_samples(ctx, &Projections::of_eigen(), shared.n_samples, &mut of_basis)?;
    }
    Ok(theories)
}

impl Theories {
    /// All of them.
    fn parts(&mut self) -> impl Iterator<Item = &mut FixedBasis> {
        std::iter::once(&mut self.curves).chain(&mut self.single)
    }

    /// V of each theory of a fixed basis, with its error over the samples.
    fn laws(&self) -> Vec<(String, Estimate)> {
        let single = self.single.as_ref().unwrap_or(&self.curves).curves().clone();
        let law = |((name, v), (_, curve)): ((&str, f64), (&str, Vec<f64>))| {
            let deviation = curve.iter().enumerate().map(|(i, delta)| delta / order_factor(i + 1, 1));
            (format!("{name}-average"), interval::of_theory(v, &deviation.collect::<Vec<_>>()))
        };
        self.curves.variances().named().into_iter().zip(single.named()).map(law).collect()
    }
}

fn write_curves(
    ctx: &mut StageContext,
    shared: &Shared,
    measured: &Measured,
    curves: &[Curve],
) -> Result<()> {
    let name = &measured.setting.name;
    let average = order_average(measured.variance().value, &shared.sizes, shared.step);
    let out = &mut ctx.outputs;
    out.write(&format!("{name}/order_average.npy"), &average, "loss^2", "V (1/k - 1/(k+s)), (n,)")?;
    for curve in curves {
        let file = curve.name.replace('-', "_");
        out.write(&format!("{name}/{file}.npy"), &curve.values, "loss^2", "theory for Delta_k")?;
        if curve.name == "eigenvalue" {
            let path = format!("{name}/eigenvalue_prefix_sizes.npy");
            out.write_sizes(&path, &curve.sizes, "samples", "where it is known, (q,)")?;
        }
    }
    Ok(())
}

/// What the posterior says of the gap between test and training loss.
fn gap(measured: &Measured, theory: &FixedBasis) -> Option<Gap> {
    (!measured.setting.deviations.is_empty())
        .then(|| Gap { by_draws: measured.functional_variance(), by_trace: theory.linear_variance() })
}

fn describe(
    params: &Bound,
    shared: &Shared,
    measured: &Measured,
    curves: &[Curve],
    gap: Option<Gap>,
) -> SettingTheory {
    let SettingFact { name, basis, dim, sigma, deviations, draws, sampling, control_mean, .. } =
        measured.setting.clone();
    let delta = measured.delta.as_slice().expect("one axis");
    SettingTheory {
        name,
        basis,
        dim,
        sigma,
        deviations,
        draws,
        sampling,
        control_variate: control_mean.is_some(),
        v: Uncertain::of(&measured.variance(), params.confidence),
        mean_loss: measured.mean_loss(),
        exponent: decay::exponent(&shared.sizes, delta, shared.step, params.confidence),
        gap,
        theories: curves.iter().filter_map(|curve| theory(shared, measured, curve)).collect(),
    }
}

/// A theory beside Monte Carlo, if there is anything to compare it with.
fn theory(shared: &Shared, measured: &Measured, curve: &Curve) -> Option<Theory> {
    let comparison = curve.beside(shared.step, measured.delta.view(), measured.standard_error.view())?;
    Some(Theory {
        name: curve.name.to_owned(),
        order_average_variance: curve.order_average_variance,
        comparison,
    })
}

/// K by every method at every tolerance.
fn sufficient_rows(
    ctx: &StageContext,
    params: &Bound,
    shared: &Shared,
    measured: &Measured,
    curves: &[Curve],
    laws: &[(String, Estimate)],
) -> Vec<SufficientRow> {
    let (variance, ratio) = (measured.variance(), measured.ratio());
    let name = &measured.setting.name;
    let places = (shared.step, shared.sizes[shared.sizes.len() - 1]);
    let curve = |method: &str, sizes: &[usize], values: &Array1<f64>, tolerance: Tolerance| {
        let size = of_curve(sizes, values.as_slice().expect("one axis"), tolerance.value);
        SufficientRow::new(name, method, tolerance, size)
    };
    let law = |method: &str, v: &Estimate, tolerance: Tolerance| {
        SufficientRow::of_order_average(name, method, tolerance, v, places, params.confidence)
    };
    let mut rows = vec![];
    for tolerance in Tolerance::all(&params.tolerances, &params.relative_tolerances, measured.mean_loss()) {
        rows.push(curve("monte-carlo", &shared.sizes, &measured.delta, tolerance));
        // Relative to the mean loss, V and that loss err together: their ratio is what the interval is of.
        let v = if tolerance.relative.is_none() { &variance } else { &ratio };
        let average = law("order-average", v, tolerance);
        average.uncounted(v).into_iter().for_each(|why| ctx.warn(format!("bound: {why}")));
        rows.push(average);
        rows.extend(curves.iter().map(|c| curve(c.name, &c.sizes, &c.values, tolerance)));
        for (method, v) in laws {
            // A theory has no mean loss of its own.
            let row = law(method, v, Tolerance { relative: None, ..tolerance });
            rows.push(SufficientRow { relative: tolerance.relative, ..row });
        }
    }
    rows
}

/// K of one setting, per tolerance.
fn line(setting: &str, rows: &[SufficientRow]) -> String {
    let of_setting = rows.iter().filter(|r| r.setting == setting && r.method == "order-average");
    let one = |r: &SufficientRow| {
        let status = name_of(r.status);
        let k = r.k.map_or_else(|| status.clone(), |k| format!("{k} ({status})"));
        format!("{} = {k}", r.name())
    };
    format!("{setting}: {}", of_setting.map(one).collect::<Vec<_>>().join(", "))
}
