//! One setting of (basis, d, σ): the Δ_k curve over its draws.

use std::ops::Range;

use landscape::Real;
use landscape::change::delta::{MonteCarlo, MonteCarloRun};
use ndarray::{Array1, Array2, Ix2, s};
use pipeline::log::percent;
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::montecarlo::{SettingFact, Sigma};
use records::{BasisName, Setting};
use store::arrays;

use crate::posterior::deviations;
use crate::rounds::{Plan, Stops, Taken, second_order};
use crate::{Trained, directions, pilot_sizes};

/// Whether the second-order model can be the control variate of a setting: where the directions are those of its slopes and
/// curvatures, and the draws those of its σ.
fn has_control(setting: &Setting, brings_draws: bool) -> bool {
    setting.basis == BasisName::Hessian && !brings_draws
}

/// Names the settings for which `control_variate` does nothing; `brought`: whether each brings its draws.
pub fn uncontrolled(settings: &[Setting], brought: impl Iterator<Item = bool>) -> Option<String> {
    let without = settings.iter().zip(brought).filter(|&(s, brought)| !has_control(s, brought));
    let names = without.map(|(s, _)| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let why = "is estimated without it, as it needs basis: hessian and draws of this stage";
    (!names.is_empty()).then(|| format!("montecarlo.control_variate: V of {names} {why}"))
}

/// One Δ_k curve; returns what the manifest says of it.
pub fn run<R: Real>(
    params: &records::MonteCarlo,
    ctx: &mut StageContext,
    trained: &Trained<R>,
    setting: &Setting,
    own: Option<Array2<f64>>,
) -> Result<SettingFact> {
    let basis = directions(ctx, &trained.network, setting.basis, setting.dim)?;
    let n_samples = trained.samples.len();
    let controlled = params.control_variate && has_control(setting, own.is_some());
    // Draws of a file count as independent.
    let sampling = if own.is_some() { records::Sampling::Plain } else { params.sampling };
    let deviations = deviations(ctx, trained, setting, &basis)?;
    let control = controlled.then(|| second_order(ctx, n_samples, setting.dim, &deviations)).transpose()?;
    let plan = Plan {
        sampling,
        sigma: setting.sigma.value(),
        deviations,
        draws: own.as_ref().map_or(params.draws, Array2::nrows),
        relative_error: params.relative_error.filter(|_| own.is_none()),
        control,
    };
    let progress = ctx.progress(plan.draws * n_samples, &format!("montecarlo: {}: losses", setting.name));
    let draws = trained.draws(&basis, &trained.samples);
    let mut run = MonteCarloRun::over(&draws, trained.step, plan.sampling, &pilot_sizes(params, n_samples));
    let stops = Stops { ctx, of: format!("setting-{}", setting.name) };
    let next = |range: Range<usize>| match &own {
        Some(theta) => theta.slice(s![range, ..]).to_owned(),
        None => plan.drawn(params.seed, setting.dim, range),
    };
    let taken = plan.take(&draws, &mut run, &next, &stops, &mut |n| progress.add(n))?;
    drop(progress);
    let found = run.finish();
    refuse_infinite(&found, setting)?;
    if let Some(wanted) = plan.relative_error.filter(|&wanted| taken.relative_error > wanted) {
        ctx.warn(format!(
            "montecarlo: {}: V has a standard error of {:.2} % after {} draws, {} was asked for; raise montecarlo.draws",
            setting.name,
            100.0 * taken.relative_error,
            plan.draws,
            percent(wanted)
        ));
    }
    write_setting(ctx, &setting.name, &found, &taken)?;
    Ok(SettingFact {
        name: setting.name.clone(),
        basis: setting.basis,
        dim: setting.dim,
        sigma: plan.sigma,
        deviations: plan.deviations,
        draws: found.loss_variance.len(),
        sampling,
        relative_error: taken.relative_error,
        control_mean: taken.control.map(|(_, mean)| mean),
        losses: None,
        has_derivatives: false,
        eigenvalues: vec![],
    })
}

pub fn write_setting(ctx: &mut StageContext, name: &str, found: &MonteCarlo, taken: &Taken) -> Result<()> {
    let out = &mut ctx.outputs;
    let mut write = |file: &str, array: &Array1<f64>, unit: &str, meaning: &str| {
        out.write(&format!("{name}/{file}.npy"), array, unit, meaning)
    };
    write("delta", &found.delta, "loss^2", "Delta_k, (n,)")?;
    write("standard_error", &found.standard_error, "loss^2", "of Delta_k over the draws, (n,)")?;
    write("loss_variance", &found.loss_variance, "loss^2", "S^2(theta_t), (T,)")?;
    write("mean_loss", &found.mean_loss, "loss", "L_N(theta_t), (T,)")?;
    let meaning = "mean over the draws of (i-1)/i (l_i - L_{i-1})^2 for samples 2 to N, (N - 1,)";
    write("deviation", &found.deviation, "loss^2", meaning)?;
    write("deviation_error", &found.deviation_error, "loss^2", "of it over the draws, (N - 1,)")?;
    write("sample_loss", &found.sample_loss, "loss", "mean of l_i over the draws, (N,)")?;
    write("sample_variance", &found.sample_variance, "loss^2", "variance of l_i over the draws, (N,)")?;
    if let Some((control, _)) = &taken.control {
        write("control", control, "loss^2", "S^2 of the second-order model at theta_t, (T,)")?;
    }
    if let Some(theta) = &taken.theta {
        out.write(&format!("{name}/theta.npy"), theta, "parameter units", "draws, (T, d)")?;
    }
    let meaning = "S^2 of the first n samples for each pilot size n, (m, T)";
    Ok(out.write(&format!("{name}/pilot_variance.npy"), &found.pilot_variance, "loss^2", meaning)?)
}

/// Draws of another program, (T, d), where the setting names such.
pub fn own_draws(ctx: &StageContext, setting: &Setting) -> Result<Option<Array2<f64>>> {
    let Some(path) = setting.theta.as_ref().map(|path| ctx.resolve(path)) else { return Ok(None) };
    let (name, dim) = (path.display().to_string(), setting.dim);
    let theta = experiment::to_real::<f64, Ix2>(arrays::read(&path, "theta")?, &name)?;
    if theta.ncols() != dim || theta.nrows() < 2 {
        let shape = theta.shape();
        let message = format!("{name}: shape {shape:?}; (T, {dim}) with at least two rows is needed");
        return Err(Failure::input(message, "a row is one draw of theta, with sigma already in it").into());
    }
    if let Sigma::Same(sigma) = setting.sigma
        && let Some(why) = other_width(&name, &theta, sigma)
    {
        ctx.warn(format!("montecarlo: {why}"));
    }
    Ok(Some(theta))
}

/// Draws of the user that are not as wide as the σ beside them: further apart than chance makes it, and by more than a quarter.
fn other_width(name: &str, theta: &Array2<f64>, sigma: f64) -> Option<String> {
    let n = theta.len() as f64;
    let width = (theta.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    let ratio = width / sigma;
    let is_other = !(0.8..=1.25).contains(&ratio) && (ratio - 1.0).abs() > 5.0 / (2.0 * n).sqrt();
    is_other.then(|| {
        format!(
            "{name}: the draws have a standard deviation of {width:.3e}, but sigma is {sigma}: the theories are computed at sigma; if \
             the draws are right, set sigma: {width:.4e}"
        )
    })
}

/// The error of V is of the order of V, and its square is summed.
fn refuse_vanishing(found: &MonteCarlo, setting: &Setting) -> Result<()> {
    let v = found.loss_variance.mean().unwrap_or(0.0);
    if v == 0.0 || (v * f64::EPSILON).powi(2) >= f64::MIN_POSITIVE {
        return Ok(());
    }
    let message = format!(
        "{}: the losses have a variance of {v:.1e}, whose square is 0 in f64: V would have no error",
        setting.name
    );
    let hint = match setting.losses {
        Some(_) => "multiply the losses by a power of ten, which multiplies a tolerance by its square",
        None => "raise sigma: at these weights and this sigma, all losses are 0 for practical purposes",
    };
    Err(Failure::not_converged(message, hint).into())
}

pub fn refuse_infinite(found: &MonteCarlo, setting: &Setting) -> Result<()> {
    // S² is a sum of other squares: it can overflow where every Δ_k is still finite. The error of V takes their squares.
    let power = |v: &f64| (found.loss_variance.len() as f64 * v).powi(2);
    let squares =
        found.delta.iter().chain(&found.loss_variance).chain(&found.deviation).chain(&found.pilot_variance);
    let mut all = squares.map(power).chain(found.mean_loss.iter().copied());
    if all.all(f64::is_finite) {
        return refuse_vanishing(found, setting);
    }
    let Setting { name, sigma, losses, .. } = setting;
    let message = format!("{name}: losses or powers of their variance are not finite at sigma {sigma}");
    let hint = match losses {
        Some(_) => {
            "divide the losses by their largest, which divides a tolerance by its square; or lower sigma where they are computed"
        }
        None => "lower sigma, or set montecarlo.precision: f64",
    };
    Err(Failure::not_converged(message, hint).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was ignored without a word on a random basis.
    #[test]
    fn settings_without_a_control_variate_are_named() {
        let settings = [("a", BasisName::Hessian), ("b", BasisName::Random), ("c", BasisName::Hessian)];
        let settings = settings.map(|(name, basis)| Setting {
            name: name.to_owned(),
            basis,
            dim: 2,
            sigma: Sigma::Same(1.0),
            theta: None,
            losses: None,
            values: None,
            slopes: None,
            curvatures: None,
            eigenvalues: None,
        });
        let said = |brought: [bool; 3]| uncontrolled(&settings, brought.into_iter());
        assert!(said([false, false, true]).unwrap().contains("V of b, c is estimated without it"));
        assert_eq!(uncontrolled(&settings[..1], [false].into_iter()), None);
    }
}
