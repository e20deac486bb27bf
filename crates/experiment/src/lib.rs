//! What stages hand on to each other, as types of `landscape`: samples, network, w*, bases. The one place where the
//! files of `pipeline` become the arrays of `landscape`.

pub mod cost;
pub mod recorded;

use std::ops::Range;
use std::sync::Arc;

use landscape::numeric::samples::RowSource;
use landscape::{Inputs, Network, Real, Samples, Targets};
use ndarray::{Array1, Array2, ArrayD, ArrayView2, Axis, Dimension, Ix1, Ix2};
use pipeline::{Failure, Result};
use records::{Architecture, fetch_data, train};
use store::artifact;
use store::npy::{AnyArray, Element};
use store::rows;

/// The split `train` or `test` of `fetch-data`; `None` for a data set without a test split.
pub fn split(inputs: &artifact::Inputs, name: &str) -> Result<Option<Samples>> {
    let (images, labels) = (format!("{name}_images.npy"), format!("{name}_labels.npy"));
    if !inputs.has("fetch-data", &images) {
        return Ok(None);
    }
    let facts = inputs.facts::<fetch_data::Facts>()?;
    let targets = match inputs.read_any("fetch-data", &labels)? {
        AnyArray::F64(values) if values.ndim() == 1 => {
            Targets::Values(axes::<f64, Ix1>(values, &labels)?.insert_axis(Axis(1)))
        }
        AnyArray::F64(values) => Targets::Values(axes::<f64, Ix2>(values, &labels)?),
        AnyArray::I64(classes) => {
            let classes = axes::<i64, Ix1>(classes, &labels)?;
            let is_one = |&y: &i64| usize::try_from(y).is_ok_and(|y| y < facts.n_classes);
            if let Some(y) = classes.iter().find(|y| !is_one(y)) {
                return Err(unexpected(&labels, &format!("class {y} of {}, from 0", facts.n_classes)));
            }
            Targets::Classes(classes.into_iter().map(|y| u32::try_from(y).expect("a class")).collect())
        }
        other => return Err(unexpected(&labels, other.dtype())),
    };
    let raw = match inputs.dtype("fetch-data", &images) {
        Some("|u1") => Inputs::U8(rows(inputs, &images)?),
        Some("<f4") => Inputs::F32(rows(inputs, &images)?),
        Some("<f8") => Inputs::F64(rows(inputs, &images)?),
        other => return Err(unexpected(&images, other.unwrap_or("no array"))),
    };
    let n = facts.normalisation;
    Ok(Some(Samples::by_channel(raw, targets, n.scale, &n.channels())))
}

/// Rows of fetch-data as the kernels see them.
struct Stored<T>(rows::Rows<T>);

impl<T: Element> RowSource<T> for Stored<T> {
    fn dim(&self) -> (usize, usize) {
        self.0.dim()
    }

    fn with(&self, range: Range<usize>, see: &mut dyn FnMut(ArrayView2<T>)) {
        // The file was read as a whole when its hash was checked; that it cannot be read now is a fault of the machine.
        self.0.with(range, see).expect("a file that was readable");
    }
}

fn rows<T: Element>(inputs: &artifact::Inputs, file: &str) -> Result<Arc<dyn RowSource<T>>> {
    let path = inputs.verified("fetch-data", file)?;
    let rows =
        if inputs.are_checked_elsewhere() { rows::Rows::on_disk(&path) } else { rows::Rows::open(&path) };
    Ok(Arc::new(Stored(rows?)))
}

/// The training split, which every data set has.
pub fn train_samples(inputs: &artifact::Inputs) -> Result<Samples> {
    split(inputs, "train")?.ok_or_else(|| unexpected("train_images.npy", "nothing"))
}

fn axes<T, D: Dimension>(array: ArrayD<T>, file: &str) -> Result<ndarray::Array<T, D>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality().map_err(|_| unexpected(file, &format!("an array of shape {shape:?}")))
}

fn unexpected(file: &str, found: &str) -> pipeline::Error {
    Failure::input(format!("fetch-data/{file}: contains {found}"), "run `make <experiment>/fetch-data` again")
        .into()
}

/// Some of the samples, in the order of `rows`, held in memory as network inputs.
pub fn gather<R: Real>(samples: &Samples, rows: &[usize]) -> Samples {
    let batch = samples.rows::<f64>(rows);
    // f64 inputs are rounded to R once more where R is f32, which the products do anyway.
    let inputs = if R::epsilon().wide() > 1e-10 {
        Inputs::F32(Arc::new(batch.x.mapv(f32::narrow)))
    } else {
        Inputs::F64(Arc::new(batch.x))
    };
    Samples::new(inputs, batch.targets, (1.0, 0.0, 1.0))
}

/// The network that `train` trained.
pub fn network(inputs: &artifact::Inputs) -> Result<Network> {
    let facts: train::Facts = inputs.facts()?;
    Ok(facts.network.network(facts.loss)?)
}

/// w* in the precision of the stage, (p,).
pub fn w_star<R: Real>(inputs: &artifact::Inputs, network: &Network) -> Result<Array1<R>> {
    let w = to_real::<R, Ix1>(inputs.read_any("train", "w_star.npy")?, "train/w_star.npy")?;
    check_params("train/w_star.npy", w.len(), network)?;
    Ok(w)
}

/// A basis that `eigen` wrote, in the precision of the stage, (d, p).
pub fn basis<R: Real>(inputs: &artifact::Inputs, file: &str, network: &Network) -> Result<Array2<R>> {
    let basis = to_real::<R, Ix2>(inputs.read_any("eigen", file)?, file)?;
    check_params(&format!("eigen/{file}"), basis.ncols(), network)?;
    Ok(basis)
}

/// A warning: `of` may lack wanted eigenvalues, as `max_products` of the stage ended the search for them.
pub fn may_miss(stage: &str, of: &str, probability: f64) -> String {
    format!(
        "{stage}: {of}: the products are spent before all pairs have converged and no copy of a repeated eigenvalue can be missing (probability at most {probability:.1e}); raise {stage}.max_products"
    )
}

/// An array of any floating type in the precision of the stage, all of it finite.
pub fn to_real<R: Real, D: Dimension>(array: AnyArray, file: &str) -> Result<ndarray::Array<R, D>> {
    if !matches!(array, AnyArray::F32(_) | AnyArray::F64(_)) {
        let hint = "save it as '<f4' or '<f8'";
        return Err(Failure::input(
            format!("{file}: contains {}, but floats are needed", array.dtype()),
            hint,
        )
        .into());
    }
    if let Some(place) = array.first(|v| !R::narrow(v).wide().is_finite()) {
        let hint = "finite numbers within the range of the stage's precision are needed";
        return Err(Failure::input(format!("{file}: {place}"), hint).into());
    }
    let shape = array.shape().to_vec();
    let needed = D::NDIM.unwrap_or_default();
    array.to_f64().mapv(R::narrow).into_dimensionality().map_err(|_| {
        let message = format!("{file}: shape {shape:?}, but {needed} axes are needed");
        Failure::input(message, "reshape it in NumPy before numpy.save").into()
    })
}

/// An error that names the file unless it has as many parameters as the network.
pub fn check_params(file: &str, found: usize, network: &Network) -> Result<()> {
    if found == network.n_params() {
        return Ok(());
    }
    Err(other_params(file, found, network, ""))
}

/// That error, with more advice than the order of the parameters.
pub fn other_params(file: &str, found: usize, network: &Network, more: &str) -> pipeline::Error {
    let (architecture, needed) = (Architecture::of(network), network.n_params());
    let layout = "layer by layer: W (out, in) row-major, then b; of a convolution (out, in, kh, kw); train.hidden or train.layers \
                  sets the layers between input and output";
    Failure::input(
        format!("{file}: {found} parameters, but the network {architecture} needs {needed}"),
        [layout, more].join(if more.is_empty() { "" } else { "; " }),
    )
    .into()
}
