//! What the cost models of the stages share: the shape of an experiment, flops of the kernels by count, and their time by
//! running them for a moment on made-up samples of that shape, so that nothing need have run before.

use std::sync::Arc;
use std::time::Instant;

use landscape::change::delta::monte_carlo;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::passes::draws::Draws;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::subspace::random_basis;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Inputs, Network, Real, Samples, Targets};
use ndarray::{Array1, Array2};
use pipeline::Result;
use pipeline::shell::cost::{Cost, Part, PlanContext};
use records::{FetchData, OwnFiles, fetch_data};
use store::{arrays, rows};

/// Samples that a calibration runs on, at most: enough for a block of every kernel.
const SAMPLES: usize = 2048;
/// Operations of one product of a calibration, about: a second on any machine. Convolutions take fewer samples for it.
const OPERATIONS: f64 = 2e10;
/// Draws that a calibration evaluates: enough to keep some threads busy.
const DRAWS: usize = 64;

/// N, D, C and the test samples of an experiment, before or after `fetch-data` has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// N, training samples
    pub n: usize,
    /// test samples
    pub n_test: usize,
    /// [C, H, W]; [D, 1, 1] where a sample is no image
    pub image: [usize; 3],
    /// C; 0: regression
    pub classes: usize,
    /// of the network: a class or a target each
    pub outputs: usize,
    /// of a stored input
    value_bytes: usize,
}

impl Shape {
    fn of(ctx: &PlanContext) -> Result<Self> {
        let section: FetchData = ctx.section()?;
        if let Some(manifest) = ctx.manifest("fetch-data")
            && manifest.params == serde_json::to_value(&section)?
        {
            let facts: fetch_data::Facts = manifest.facts()?;
            let images = manifest.outputs.get("train_images.npy").and_then(|o| o.dtype.as_deref());
            let value_bytes = value_bytes(images.unwrap_or_default());
            return Ok(Self {
                n: facts.n_samples,
                n_test: facts.n_test,
                image: facts.image(),
                classes: facts.n_classes,
                outputs: facts.n_outputs(),
                value_bytes,
            });
        }
        let mut shape = match (section.dataset.entry(), &section.files) {
            (None, Some(_)) if section.records().is_some() => {
                let image = section.records().unwrap_or_default();
                // As many samples as are known before the file is read: none.
                let n = section.n_samples.unwrap_or(0);
                Self { n, n_test: 0, image, classes: 10, outputs: 10, value_bytes: 1 }
            }
            (Some(entry), _) => {
                let (n, n_test) = entry.sizes(section.n_test);
                let classes = section.classes.unwrap_or(entry.classes);
                Self { n, n_test, image: entry.image, classes, outputs: classes, value_bytes: 1 }
            }
            (None, files) => Self::of_files(files.as_ref().expect("checked with the section"), ctx)?,
        };
        shape.image = section.image(ctx.base)?.unwrap_or(shape.image);
        shape.n = section.n_samples.unwrap_or(shape.n).min(shape.n);
        Ok(shape)
    }

    /// Of the user's own files, by the header of X and of y; the test split is not looked at.
    fn of_files(files: &OwnFiles, ctx: &PlanContext) -> Result<Self> {
        let (x, x_dtype) = arrays::peek(&ctx.resolve(&files.train_x), "x")?;
        let (y, y_dtype) = arrays::peek(&ctx.resolve(&files.train_y), "y")?;
        let is_regression = y_dtype.trim_start_matches(['<', '>']).starts_with('f');
        // As many classes as usual: the last layer costs little beside the first.
        let (classes, outputs) = if is_regression { (0, y.get(1).copied().unwrap_or(1)) } else { (10, 10) };
        Ok(Self {
            n: x.first().copied().unwrap_or(0),
            n_test: 0,
            image: [x.iter().skip(1).product(), 1, 1],
            classes,
            outputs,
            value_bytes: value_bytes(&x_dtype),
        })
    }

    /// Memory of `n` raw inputs, in bytes; those of a large file stay there.
    pub fn inputs_bytes(&self, n: usize) -> f64 {
        let bytes = n * self.image.iter().product::<usize>() * self.value_bytes;
        if bytes > rows::RESIDENT_BYTES { 0.0 } else { bytes as f64 }
    }
}

/// Bytes of a number of a type as NumPy writes it, such as `<f4`.
fn value_bytes(dtype: &str) -> usize {
    dtype.get(2..).and_then(|n| n.parse().ok()).unwrap_or(size_of::<f64>())
}

/// The network of an experiment on made-up samples.
pub struct Workload<R> {
    /// of the experiment itself
    pub shape: Shape,
    /// its network
    pub network: Network,
    /// random, (p,)
    pub w: Array1<R>,
    /// made up, at most [`SAMPLES`]
    pub samples: Samples,
    begun: Instant,
}

impl<R: Real> Workload<R> {
    /// From the sections `fetch-data` and `train`. The calibration begins here.
    ///
    /// # Errors
    /// If a section or a file that it names cannot be read.
    pub fn new(ctx: &PlanContext) -> Result<Self> {
        let begun = Instant::now();
        let shape = Shape::of(ctx)?;
        let train: records::Train = ctx.section()?;
        let network = train.network(shape.image, shape.outputs)?;
        let n = shape.n.clamp(1, samples(&network));
        let raw = gaussian_rows(1, n, network.widths()[0]).mapv(f32::narrow);
        let targets = if shape.classes == 0 {
            Targets::Values(Array2::zeros((n, shape.outputs)))
        } else {
            Targets::Classes((0..n).map(|i| u32::try_from(i % shape.classes).unwrap_or(0)).collect())
        };
        let samples = Samples::new(Inputs::F32(Arc::new(raw)), targets, (1.0, 0.0, 1.0));
        let w = gaussian_rows(2, 1, network.n_params()).row(0).mapv(|v| R::narrow(0.03 * v));
        Ok(Self { shape, network, w, samples, begun })
    }

    /// Multiply-adds of a sample: of the first layer with weights, and of the others.
    pub fn weights(&self) -> (f64, f64) {
        let (first, rest) = self.network.multiply_adds();
        (first as f64, rest as f64)
    }

    /// Flops of the losses of one draw at one sample (`docs/method.md`, 1.6).
    pub fn flops_of_draw(&self, dim: usize) -> f64 {
        2.0 * (dim as f64 + 1.0) * self.network.widths()[self.network.first_affine()] as f64
            + 2.0 * self.weights().1
    }

    /// Flops of a gradient step at one sample.
    pub fn flops_of_step(&self) -> f64 {
        let (first, rest) = self.weights();
        4.0 * first + 6.0 * rest
    }

    /// Flops of a Hessian-vector product at one sample (`docs/method.md`, 1.5).
    pub fn flops_of_product(&self) -> f64 {
        flops_of_product(&self.network)
    }

    /// Seconds of a gradient step of training, per sample.
    pub fn step_seconds(&self, train: &records::Train) -> f64 {
        let rows = (0..self.samples.len()).collect::<Vec<_>>();
        let mut w = self.w.clone();
        let mut stepper = Stepper::new(train.optimizer, self.network.n_params());
        let once = seconds(|| {
            epoch(&self.network, &mut w, &mut stepper, &self.samples, &rows, train.batch_size, &mut |_| ());
        });
        once / self.samples.len() as f64
    }

    /// Seconds of the losses of one of `draws` draws in `dim` directions, per sample: the products of the samples with the
    /// directions, which few draws of a calibration pay for alone, are shared by all of them.
    pub fn draw_seconds(&self, dim: usize, draws: usize, step: usize, weights_bytes: usize) -> f64 {
        let basis = random_basis::<R>(5, dim, self.network.n_params());
        let theta = gaussian_rows(6, DRAWS, dim) * 0.1;
        let (network, samples) = (&self.network, &self.samples);
        let subject = Draws { network, w: self.w.view(), basis: basis.view(), samples, weights_bytes };
        let step = step.min(samples.len() / 3).max(1);
        let once = seconds(|| {
            monte_carlo(&subject, theta.view(), step, &mut |_| ());
        });
        let shared = 2.0 * (dim as f64 + 1.0) * self.weights().0;
        let flops = |draws: usize| shared + draws as f64 * self.flops_of_draw(dim);
        once / samples.len() as f64 * flops(draws) / flops(DRAWS) / draws as f64
    }

    /// The Hessian over the samples, with at most so much memory for activations.
    pub fn hessian(&self, cache_mib: usize) -> HessianSum<'_, R> {
        HessianSum::new(&self.network, self.w.view(), &self.samples, cache_mib << 20)
    }

    /// Bytes of so many numbers of the precision.
    pub fn bytes(numbers: f64) -> f64 {
        numbers * size_of::<R>() as f64
    }

    /// The cost of a stage that needs `memory_bytes` beside the program itself. The calibration ends here.
    pub fn finish(self, mut parts: Vec<Part>, memory_bytes: f64) -> Cost {
        // Loops that are asked to do nothing.
        parts.retain(|part| part.flops > 0.0);
        let calibration_seconds = self.begun.elapsed().as_secs_f64();
        // The program, its libraries and their buffers.
        Cost { parts, memory_bytes: Some(memory_bytes + 40.0 * 1_048_576.0), calibration_seconds }
    }
}

fn flops_of_product(network: &Network) -> f64 {
    let (first, rest) = network.multiply_adds();
    4.0 * first as f64 + 12.0 * rest as f64
}

/// Samples for a calibration: two blocks at least.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most 2048
fn samples(network: &Network) -> usize {
    let affordable = (OPERATIONS / flops_of_product(network)).min(SAMPLES as f64) as usize;
    affordable.max(2 * network.block_rows()).min(SAMPLES)
}

/// Seconds of one call, the faster of two: the first warms caches and threads.
pub fn seconds(mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    let first = once();
    once().min(first)
}

/// A loop of a stage, calibrated.
pub fn part(what: String, flops: f64, seconds: f64) -> Part {
    Part { what, flops, seconds: Some(seconds) }
}

/// Seconds of a Hessian-vector product, per sample.
pub fn product_seconds<R: Real>(sum: &HessianSum<R>) -> f64 {
    let one = random_basis::<R>(3, 1, sum.network.n_params());
    let count = sum.samples.len();
    let once = seconds(|| {
        sum.product(0..count, one.view(), SecondOrder::Hessian);
    });
    once / count as f64
}

/// Products of a solve for `dim` pairs of p, when no earlier run tells, the search for missing pairs included.
///
/// Within a factor of two of what digits, MNIST, Fashion-MNIST and noise took for 1 to 40 pairs (23 to 74 for ten).
pub fn products_of_solve(dim: usize, p: usize) -> f64 {
    (14.0 + 3.0 * dim as f64).min(p as f64)
}

/// Bytes of activations that are kept for `n` samples.
pub fn cached_bytes<R: Real>(sum: &HessianSum<R>, n: f64, limit_mib: usize) -> f64 {
    (sum.primal_bytes() as f64 / sum.samples.len() as f64 * n).min((limit_mib << 20) as f64)
}

#[cfg(test)]
mod tests {
    use landscape::{Activation, Loss};

    use super::*;

    #[test]
    fn inputs_count_by_the_type_they_are_stored_in_unless_they_stay_on_disk() {
        assert_eq!(["|u1", "<f4", "<f8", ""].map(value_bytes), [1, 4, 8, 8]);
        let shape =
            Shape { n: 60_000, n_test: 0, image: [1, 28, 28], classes: 10, outputs: 10, value_bytes: 4 };
        let bytes = |n| format!("{:.0}", shape.inputs_bytes(n));
        assert_eq!((bytes(60_000), bytes(90_000)), ("188160000".to_owned(), "0".to_owned()));
    }

    /// 16 hours of work took nine minutes to foretell on a busy machine: five convolutions of 42 channels on 2,048 samples.
    #[test]
    fn a_calibration_is_short_for_large_networks_too() {
        let samples =
            |widths: &[usize]| samples(&Network::new(widths, Activation::Relu, Loss::SoftmaxCrossEntropy));
        assert_eq!(samples(&[784, 256, 256, 10]), SAMPLES);
        // 4 · 10⁶ + 12 · (10⁶ + 10⁴) operations a sample
        assert_eq!(samples(&[1000, 1000, 1000, 10]), 1240);
        assert_eq!(samples(&[10_000, 10_000, 10]), 2 * 384);
    }
}
