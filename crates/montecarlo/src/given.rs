//! Losses that another program computed, (T, N): Δ_k, V and K need nothing else of a model.

use std::path::{Path, PathBuf};

use landscape::change::delta::MonteCarloRun;
use landscape::change::prefix::prefix_sizes;
use ndarray::{Array2, ArrayD, ArrayView2};
use pipeline::log::count;
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::montecarlo::{Facts, SettingFact};
use records::{MonteCarlo, Sampling, Setting};
use store::arrays::{self, Kind};
use store::rows::Rows;

use crate::pilot_sizes;
use crate::rounds::{Stops, Taken, relative_error};
use crate::setting::{own_draws, refuse_infinite, write_setting};

/// How far the two halves of a curvature may be apart, as a fraction of its largest entry: rounding of f32, many times.
const ASYMMETRY: f64 = 1e-3;

/// Losses (T, N), as they are stored.
enum Losses {
    F32(Rows<f32>),
    F64(Rows<f64>),
}

/// One setting, checked, before any work.
struct Given<'a> {
    setting: &'a Setting,
    /// path of the losses, for messages
    name: String,
    losses: Losses,
    /// (T, d)
    theta: Option<Array2<f64>>,
    /// (d,), loss per squared parameter unit; empty where they are not given
    eigenvalues: Vec<f64>,
}

/// All settings of an experiment whose losses are given.
pub fn run(params: &MonteCarlo, ctx: &mut StageContext) -> Result<String> {
    let given = params.settings.iter().map(|s| Given::open(ctx, s)).collect::<Result<Vec<_>>>()?;
    let n_samples = given[0].shape().1;
    for other in &given {
        check_shape(other, &given[0], params.step)?;
    }
    let sizes = prefix_sizes(n_samples, params.step);
    let meaning = "prefix sizes k: Delta_k compares k with k + s";
    ctx.outputs.write_sizes("prefix_sizes.npy", &sizes, "samples", meaning)?;
    let settings = given.iter().map(|g| g.run(params, ctx)).collect::<Result<Vec<_>>>()?;
    let line = format!(
        "{} of given losses over {} of {n_samples} samples",
        count(settings.len(), "setting"),
        count(sizes.len(), "prefix size")
    );
    ctx.outputs.facts(&Facts {
        sweep: None,
        step: params.step,
        pilot_sizes: pilot_sizes(params, n_samples),
        n_samples,
        settings,
        grids: vec![],
    })?;
    Ok(line)
}

fn check_shape(given: &Given, first: &Given, step: usize) -> Result<()> {
    let (draws, n) = given.shape();
    let name = &given.name;
    let refuse = |message: String, hint: &str| Err(Failure::input(message, hint).into());
    if draws < 2 {
        return refuse(
            format!("{name}: shape {:?}: {draws} draws", [draws, n]),
            "a row for each draw: at least two are needed, and some hundred for an interval",
        );
    }
    if n / step < 2 {
        return refuse(
            format!("{name}: shape {:?}: {n} samples, but montecarlo.step is {step}", [draws, n]),
            "at least two steps are needed: a column for each sample, or a smaller montecarlo.step",
        );
    }
    if n != first.shape().1 {
        let message = format!("{name}: {n} samples, but {} has {}", first.name, first.shape().1);
        return refuse(message, "settings of one experiment are over the same samples");
    }
    match &given.theta {
        Some(theta) if theta.nrows() != draws => refuse(
            format!("{name}: {draws} draws, but theta of {:?} has {}", given.setting.name, theta.nrows()),
            "row t of the losses is at row t of theta; losses are (T, N)",
        ),
        _ => Ok(()),
    }
}

impl<'a> Given<'a> {
    fn open(ctx: &StageContext, setting: &'a Setting) -> Result<Self> {
        let path = ctx.resolve(setting.losses.as_ref().expect("checked with the section"));
        let name = path.display().to_string();
        let (shape, dtype) = arrays::peek(&path, "losses")?;
        if shape.len() != 2 {
            let hint = "a row for each draw, a column for each sample: (T, N)";
            return Err(Failure::input(format!("{name}: shape {shape:?}; (T, N) is needed"), hint).into());
        }
        let losses = match (arrays::kind(&path)?, dtype.as_str()) {
            (Kind::Npy, "<f4") => Losses::F32(Rows::open(&path)?),
            (Kind::Npy, "<f8") => Losses::F64(Rows::open(&path)?),
            (_, "<f4" | ">f4" | "<f8" | ">f8") => {
                let array = experiment::to_real::<f64, ndarray::Ix2>(arrays::read(&path, "losses")?, &name)?;
                Losses::F64(Rows::Memory(array))
            }
            _ => {
                let hint = "convert them in NumPy: losses.astype('<f8')";
                return Err(Failure::input(format!("{name}: {dtype}; f32 or f64 is needed"), hint).into());
            }
        };
        let eigenvalues = match &setting.eigenvalues {
            Some(path) => {
                read_finite(&ctx.resolve(path), "eigenvalues", &[setting.dim])?.into_raw_vec_and_offset().0
            }
            None => vec![],
        };
        Ok(Self { setting, name, losses, theta: own_draws(ctx, setting)?, eigenvalues })
    }

    /// (T, N)
    fn shape(&self) -> (usize, usize) {
        match &self.losses {
            Losses::F32(rows) => rows.dim(),
            Losses::F64(rows) => rows.dim(),
        }
    }

    fn run(&self, params: &MonteCarlo, ctx: &mut StageContext) -> Result<SettingFact> {
        let (setting, (draws, n)) = (self.setting, self.shape());
        let has_derivatives = self.copy_derivatives(ctx)?;
        let mut run = MonteCarloRun::new(n, params.step, Sampling::Plain, &pilot_sizes(params, n));
        let progress = ctx.progress(draws, &format!("montecarlo: {}: draws", setting.name));
        let stops = Stops { ctx, of: format!("setting-{}", setting.name) };
        let resumed = stops.resume(&mut run);
        progress.add(resumed);
        for t in resumed..draws {
            match &self.losses {
                Losses::F32(rows) => rows.with(t..t + 1, |row| self.take(t, row, &mut run))??,
                Losses::F64(rows) => rows.with(t..t + 1, |row| self.take(t, row, &mut run))??,
            }
            progress.add(1);
            stops.may_stop(&run, draws)?;
        }
        stops.ended(&run);
        drop(progress);
        let relative_error = relative_error(Sampling::Plain, run.loss_variance(), None);
        let found = run.finish();
        refuse_infinite(&found, setting)?;
        let taken = Taken { theta: self.theta.clone(), control: None, relative_error };
        write_setting(ctx, &setting.name, &found, &taken)?;
        Ok(SettingFact {
            name: setting.name.clone(),
            basis: setting.basis,
            dim: setting.dim,
            sigma: setting.sigma.value(),
            deviations: vec![],
            draws,
            sampling: Sampling::Plain,
            relative_error,
            control_mean: None,
            losses: setting.losses.as_ref().map(|path| path.display().to_string()),
            has_derivatives,
            eigenvalues: self.eigenvalues.clone(),
        })
    }

    /// Row t of the losses.
    fn take<T: Copy + Into<f64>>(&self, t: usize, row: ArrayView2<T>, run: &mut MonteCarloRun) -> Result<()> {
        let losses = row.iter().map(|&loss| loss.into()).collect::<Vec<f64>>();
        if let Some(column) = losses.iter().position(|loss| !loss.is_finite()) {
            let message = format!("{}: row {t}, column {column} is {}", self.name, losses[column]);
            let hint = "the loss of a sample at a draw has to be finite: leave the draw out, or lower sigma";
            return Err(Failure::input(message, hint).into());
        }
        run.add_row(&losses);
        Ok(())
    }

    /// Values, slopes and curvatures at w*, checked, among the results: `bound` reads them there.
    fn copy_derivatives(&self, ctx: &mut StageContext) -> Result<bool> {
        let Some(paths) = self.setting.derivatives() else { return Ok(false) };
        let (n, d) = (self.shape().1, self.setting.dim);
        let read =
            |path: &PathBuf, array: &str, shape: &[usize]| read_finite(&ctx.resolve(path), array, shape);
        let values = read(paths[0], "values", &[n])?;
        let slopes = read(paths[1], "slopes", &[n, d])?;
        let curvatures = read(paths[2], "curvatures", &[n, d, d])?;
        check_symmetry(&paths[2].display().to_string(), &curvatures)?;
        let mut write = |file: &str, array: &ArrayD<f64>, unit: &str, meaning: &str| {
            ctx.outputs.write(&format!("{}/{file}.npy", self.setting.name), array, unit, meaning)
        };
        write("values", &values, "loss", "l_i(w*), (N,)")?;
        write("slopes", &slopes, "loss per parameter unit", "P^T grad l_i(w*), (N, d)")?;
        let meaning = "P^T Hessian of l_i at w* P, (N, d, d)";
        write("curvatures", &curvatures, "loss per squared parameter unit", meaning)?;
        Ok(true)
    }
}

/// An array of finite numbers of that shape.
fn read_finite(path: &Path, array: &str, needed: &[usize]) -> Result<ArrayD<f64>> {
    let name = path.display().to_string();
    let found = experiment::to_real::<f64, ndarray::IxDyn>(arrays::read(path, array)?, &name)?;
    if found.shape() != needed {
        let message = format!("{name}: shape {:?}; {needed:?} is needed", found.shape());
        let hint =
            "d is `dim` of the setting; slopes and curvatures have a row for each sample of the losses";
        return Err(Failure::input(message, hint).into());
    }
    Ok(found)
}

/// The Hessian of a sample is symmetric: what is not is none.
fn check_symmetry(name: &str, curvatures: &ArrayD<f64>) -> Result<()> {
    for (i, h) in curvatures.outer_iter().enumerate() {
        let largest = h.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let d = h.shape()[0];
        let off =
            (0..d).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| (h[[a, b]] - h[[b, a]]).abs());
        if off.fold(0.0, f64::max) > ASYMMETRY * largest {
            let message = format!("{name}: row {i} is not symmetric");
            return Err(Failure::input(message, "each is P^T H P of one sample's Hessian H, (d, d)").into());
        }
    }
    Ok(())
}
