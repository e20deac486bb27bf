//! What the stages with products would cost: floating-point operations by count, time by running their kernels for a
//! moment on made-up samples of the right shape, so that nothing need have run before.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use landscape::change::delta::monte_carlo;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::draws::Draws;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::prefixes::prefix_pairs;
use landscape::spectrum::subspace::random_basis;
use landscape::training::epoch::epoch;
use landscape::training::optimizer::Stepper;
use landscape::{Inputs, Mlp, Real, Samples, Targets};
use ndarray::{Array1, Array2};
use pipeline::shell::cost::{Cost, Part, PlanContext};
use records::{Family, FetchData, OwnFiles, fetch_data};
use store::{npy, npz, rows};

/// Samples that a calibration runs on: enough for a block of every kernel, short on any machine.
const SAMPLES: usize = 2048;
/// Draws that a calibration evaluates: enough to keep some threads busy.
const DRAWS: usize = 64;

/// N, D, C and the test samples of an experiment, before or after `fetch-data` has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    n: usize,
    n_test: usize,
    features: usize,
    /// 0: regression
    classes: usize,
    /// of a stored input
    value_bytes: usize,
}

impl Shape {
    fn of(ctx: &PlanContext) -> Result<Self> {
        let section: FetchData = ctx.section()?;
        if let Some(manifest) = ctx.manifest("fetch-data")
            && manifest.params == serde_json::to_value(&section)?
        {
            let facts: fetch_data::Facts = manifest.facts().context("facts of fetch-data")?;
            let images = manifest.outputs.get("train_images.npy").and_then(|o| o.dtype.as_deref());
            let value_bytes = value_bytes(images.unwrap_or_default());
            return Ok(Self {
                n: facts.n_samples,
                n_test: facts.n_test,
                features: facts.n_features,
                classes: facts.n_classes,
                value_bytes,
            });
        }
        let mut shape = match (section.dataset.entry(), &section.files) {
            (Some(entry), _) => {
                let (n, n_test) = entry.sizes(section.n_test);
                Self { n, n_test, features: entry.features, classes: entry.classes, value_bytes: 1 }
            }
            (None, files) => Self::of_files(files.as_ref().expect("checked with the section"), ctx)?,
        };
        shape.n = section.n_samples.unwrap_or(shape.n).min(shape.n);
        Ok(shape)
    }

    /// Of the user's own files, whose labels and test split are not looked at.
    fn of_files(files: &OwnFiles, ctx: &PlanContext) -> Result<Self> {
        let path = ctx.resolve(&files.train_x);
        let (shape, dtype) = if path.extension().is_some_and(|e| e == "npz") {
            let x = npz::read(&path, "x")?;
            (x.shape().to_vec(), x.dtype().to_owned())
        } else {
            npy::peek(&path)?
        };
        let (n, features) = (shape.first().copied(), shape.get(1).copied());
        let value_bytes = value_bytes(&dtype);
        // As many classes as usual: the last layer costs little beside the first.
        Ok(Self { n: n.unwrap_or(0), n_test: 0, features: features.unwrap_or(1), classes: 10, value_bytes })
    }

    /// Memory of `n` raw inputs; those of a large file stay there.
    fn inputs_bytes(&self, n: usize) -> f64 {
        let bytes = n * self.features * self.value_bytes;
        if bytes > rows::RESIDENT_BYTES { 0.0 } else { bytes as f64 }
    }
}

/// Bytes of a number of a type as NumPy writes it, such as `<f4`.
fn value_bytes(dtype: &str) -> usize {
    dtype.get(2..).and_then(|n| n.parse().ok()).unwrap_or(size_of::<f64>())
}

/// The network of an experiment on made-up samples.
struct Workload<R> {
    shape: Shape,
    mlp: Mlp,
    w: Array1<R>,
    /// at most [`SAMPLES`]
    samples: Samples,
    begun: Instant,
}

impl<R: Real> Workload<R> {
    fn new(ctx: &PlanContext) -> Result<Self> {
        let begun = Instant::now();
        let shape = Shape::of(ctx)?;
        let train: records::Train = ctx.section()?;
        let widths = [&[shape.features], &train.hidden[..], &[shape.classes.max(1)]].concat();
        let mlp = Mlp::new(&widths, train.activation, train.loss);
        let n = shape.n.clamp(1, SAMPLES);
        let raw = gaussian_rows(1, n, shape.features).mapv(f32::narrow);
        let targets = if shape.classes == 0 {
            Targets::Values(Array2::zeros((n, 1)))
        } else {
            Targets::Classes((0..n).map(|i| u32::try_from(i % shape.classes).unwrap_or(0)).collect())
        };
        let samples = Samples::new(Inputs::F32(Arc::new(raw)), targets, (1.0, 0.0, 1.0));
        let w = gaussian_rows(2, 1, mlp.n_params()).row(0).mapv(|v| R::narrow(0.03 * v));
        Ok(Self { shape, mlp, w, samples, begun })
    }

    /// Weights without biases: of the first layer, and of the others.
    fn weights(&self) -> (f64, f64) {
        let of = |l: usize| (self.mlp.layers()[l] * self.mlp.layers()[l - 1]) as f64;
        (of(1), (2..=self.mlp.depth()).map(of).sum())
    }

    /// Flops of the losses of one draw at one sample (`docs/method.md`, 1.6).
    fn flops_of_draw(&self, dim: usize) -> f64 {
        2.0 * (dim as f64 + 1.0) * self.mlp.layers()[1] as f64 + 2.0 * self.weights().1
    }

    /// Flops of a gradient step at one sample.
    fn flops_of_step(&self) -> f64 {
        let (first, rest) = self.weights();
        4.0 * first + 6.0 * rest
    }

    /// Flops of a Hessian-vector product at one sample (`docs/method.md`, 1.5).
    fn flops_of_product(&self) -> f64 {
        let (first, rest) = self.weights();
        4.0 * first + 12.0 * rest
    }

    fn bytes(numbers: f64) -> f64 {
        numbers * size_of::<R>() as f64
    }

    fn finish(self, parts: Vec<Part>, memory_bytes: f64) -> Cost {
        let calibration_seconds = self.begun.elapsed().as_secs_f64();
        // The program, its libraries and their buffers.
        Cost { parts, memory_bytes: Some(memory_bytes + 40.0 * 1_048_576.0), calibration_seconds }
    }
}

/// Seconds of one call, the faster of two: the first warms caches and threads.
fn seconds(mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    let first = once();
    once().min(first)
}

fn part(what: String, flops: f64, seconds: f64) -> Part {
    Part { what, flops, seconds: Some(seconds) }
}

/// Seconds of a gradient step of training, per sample.
fn step_seconds<R: Real>(work: &Workload<R>, train: &records::Train) -> f64 {
    let rows = (0..work.samples.len()).collect::<Vec<_>>();
    let mut w = work.w.clone();
    let mut stepper = Stepper::new(train.optimizer, work.mlp.n_params());
    let once = seconds(|| {
        epoch(&work.mlp, &mut w, &mut stepper, &work.samples, &rows, train.batch_size, &mut |_| ());
    });
    once / work.samples.len() as f64
}

/// Seconds of a Hessian-vector product, per sample.
fn product_seconds<R: Real>(sum: &HessianSum<R>) -> f64 {
    let one = random_basis::<R>(3, 1, sum.mlp.n_params());
    let count = sum.samples.len();
    let once = seconds(|| {
        sum.product(0..count, one.view(), SecondOrder::Hessian);
    });
    once / count as f64
}

/// Bytes of activations that are kept for `n` samples.
fn cached_bytes<R: Real>(sum: &HessianSum<R>, n: f64, limit_mib: usize) -> f64 {
    (sum.primal_bytes() as f64 / sum.samples.len() as f64 * n).min((limit_mib << 20) as f64)
}

/// Seconds of the losses of one of `draws` draws in `dim` directions, per sample: the products of the samples with the
/// directions, which few draws of a calibration pay for alone, are shared by all of them.
fn draw_seconds<R: Real>(
    work: &Workload<R>,
    dim: usize,
    draws: usize,
    step: usize,
    weights_bytes: usize,
) -> f64 {
    let basis = random_basis::<R>(5, dim, work.mlp.n_params());
    let theta = gaussian_rows(6, DRAWS, dim) * 0.1;
    let subject = Draws {
        mlp: &work.mlp,
        w: work.w.view(),
        basis: basis.view(),
        samples: &work.samples,
        weights_bytes,
    };
    let step = step.min(work.samples.len() / 3).max(1);
    let once = seconds(|| {
        monte_carlo(&subject, theta.view(), step, &mut |_| ());
    });
    let shared = 2.0 * (dim as f64 + 1.0) * work.weights().0;
    let flops = |draws: usize| shared + draws as f64 * work.flops_of_draw(dim);
    once / work.samples.len() as f64 * flops(draws) / flops(DRAWS) / draws as f64
}

/// Cost of `train`.
pub fn train<R: Real>(params: &records::Train, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let (first, rest) = work.weights();
    let (n, n_test) = (work.shape.n as f64, work.shape.n_test as f64);
    let epochs = if params.weights.is_some() { 0.0 } else { params.epochs as f64 };
    let each = step_seconds(&work, params);
    let parts = vec![
        part(
            format!("{epochs} epochs over {n} samples"),
            epochs * n * work.flops_of_step(),
            epochs * n * each,
        ),
        // A forward pass is a third of a step.
        part(
            "losses and the gradient at w*".to_owned(),
            (epochs * n_test + 2.0 * n) * 2.0 * (first + rest),
            (epochs * n_test + 2.0 * n) * each / 3.0,
        ),
    ];
    let memory =
        work.shape.inputs_bytes(work.shape.n) + Workload::<R>::bytes(8.0 * work.mlp.n_params() as f64);
    Ok(work.finish(parts, memory))
}

/// Products over all N samples for `dim` eigenpairs, when no earlier run tells: what the digits and MNIST took.
const PRODUCTS_PER_PAIR: f64 = 4.0;
/// The same for the eigenvalues of one prefix, which starts from those of its neighbour.
const PRODUCTS_PER_PAIR_OF_PREFIX: f64 = 2.0;

/// Cost of `eigen`. An earlier run with the same solver and tolerance tells how many products it takes.
pub fn eigen<R: Real>(params: &records::Eigen, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let (first, rest) = work.weights();
    let (n, d) = (work.shape.n as f64, params.dim as f64);
    let known = ctx.manifest("eigen").filter(|m| {
        let same =
            |key: &str, value: f64| m.params.get(key).and_then(serde_json::Value::as_f64) == Some(value);
        same("dim", d) && same("residual_tolerance", params.residual_tolerance)
    });
    let known = known.map(|m| m.facts::<records::eigen::Facts>()).transpose().context("facts of eigen")?;
    let products = known.as_ref().map_or(PRODUCTS_PER_PAIR * d, |f| f.n_products as f64) + 1.0;
    let pairs = prefix_pairs(work.shape.n, params.step, params.prefix_smallest, params.prefix_count);
    let guessed: f64 =
        pairs.iter().map(|&(k, next)| (k + next) as f64 / n * d * PRODUCTS_PER_PAIR_OF_PREFIX).sum();
    let prefix_products = known.as_ref().map_or(guessed, |f| f.n_prefix_products);
    let told = if known.is_some() { "as the last run took" } else { "by experience" };

    let sum = HessianSum::new(&work.mlp, work.w.view(), &work.samples, params.primal_cache_mib << 20);
    let count = work.samples.len();
    let each = product_seconds(&sum);
    let basis = random_basis::<R>(4, params.dim, work.mlp.n_params());
    let derivatives = seconds(|| {
        let nothing: Result<(), std::convert::Infallible> =
            sample_derivatives(&sum, basis.view(), &mut |_| Ok(()));
        nothing.expect("nothing can fail");
    }) / count as f64;
    let cached = cached_bytes(&sum, n, params.primal_cache_mib);
    drop(sum);
    let of_product = n * work.flops_of_product();
    let parts = vec![
        part(
            format!("{products:.0} Hessian-vector products over {n} samples ({told})"),
            products * of_product,
            products * n * each,
        ),
        part(
            format!("{prefix_products:.0} such products for {} prefixes ({told})", 2 * pairs.len()),
            prefix_products * of_product,
            prefix_products * n * each,
        ),
        part(
            format!("slopes and curvatures of {n} samples in {d} directions"),
            n * d * (2.0 * first + 6.0 * rest),
            n * derivatives,
        ),
    ];
    let kept = params.max_subspace.unwrap_or((4 * params.dim).max(20)) as f64;
    // Directions, the newest product and the pairs in whose complement they lie; pairs and one random basis; pairs, their basis with its products and residuals.
    let most = (kept + 2.0 + d).max(d + params.random_dim as f64).max(d + 2.0 * (2.0 * d + 4.0) + 2.0 * d);
    let vectors = most * work.mlp.n_params() as f64;
    let memory = work.shape.inputs_bytes(work.shape.n) + cached + Workload::<R>::bytes(vectors);
    Ok(work.finish(parts, memory))
}

/// Cost of `montecarlo`.
pub fn montecarlo<R: Real>(params: &records::MonteCarlo, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let (_, rest) = work.weights();
    let n = work.shape.n as f64;
    let cost_of = |dim: usize, draws: usize, what: String| {
        let each = draw_seconds(&work, dim, draws, params.step, params.weights_mib << 20);
        let losses = draws as f64 * n;
        part(what, losses * work.flops_of_draw(dim), losses * each)
    };
    for left_out in params.grids.iter().filter_map(|g| g.left_out(work.shape.n, params.step)) {
        tracing::warn!("{left_out}");
    }
    let mut parts = vec![];
    for s in &params.settings {
        let what = format!("{}: losses of {} draws at {n} samples", s.name, params.draws);
        parts.push(cost_of(s.dim, params.draws, what));
    }
    for g in &params.grids {
        let points = g.points * g.points;
        parts.push(cost_of(
            2,
            points,
            format!("landscape {}: losses of {points} points at {n} samples", g.name),
        ));
    }
    if let Some(sweep) = &params.sweep {
        let dim = match sweep.dim {
            Some(dim) => dim,
            None => ctx.section::<records::Eigen>()?.dim,
        };
        let runs = sweep.sigmas.len() * sweep.methods.len();
        let losses = (runs * sweep.draws) as f64 * n.min(sweep.n_samples as f64);
        parts.push(part(
            format!("sweep: {runs} times the losses of {} draws at {} samples", sweep.draws, sweep.n_samples),
            losses * work.flops_of_draw(dim),
            losses * draw_seconds(&work, dim, sweep.draws, params.step, params.weights_mib << 20),
        ));
    }
    let perturbed = Workload::<R>::bytes(rest * params.draws as f64).min((params.weights_mib << 20) as f64);
    let dim = params.settings.iter().map(|s| s.dim).max().unwrap_or(0).max(2) as f64;
    let sums = 8.0 * (4.0 * n / params.step as f64 + 4096.0 * params.draws as f64);
    let memory = work.shape.inputs_bytes(work.shape.n)
        + perturbed
        + Workload::<R>::bytes(dim * work.mlp.n_params() as f64)
        + sums;
    Ok(work.finish(parts, memory))
}

/// Cost of `spectrum`. Each solve is counted with the most products that it may take.
pub fn spectrum<R: Real>(params: &records::Spectrum, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let eigen: records::Eigen = ctx.section()?;
    let n = params.n_samples.unwrap_or(work.shape.n).min(work.shape.n);
    let (samples, p) = (n as f64, work.mlp.n_params() as f64);
    let sum = HessianSum::new(&work.mlp, work.w.view(), &work.samples, eigen.primal_cache_mib << 20);
    let each = product_seconds(&sum);
    let cached = cached_bytes(&sum, samples, eigen.primal_cache_mib);
    drop(sum);
    let products = |what: String, count: f64| {
        part(what, count * samples * work.flops_of_product(), count * samples * each)
    };
    let steps = params.steps.min(work.mlp.n_params());
    let trace = if params.trace_probes == 0 { 0 } else { 2 * params.trace_sketch + params.trace_probes };
    // The last of the prefixes is all samples, which the upper end counts.
    let prefixes = prefix_pairs(n + 1, 1, params.prefix_smallest, params.prefix_count);
    let shares = prefixes.iter().map(|&(k, _)| k).filter(|&k| k < n).map(|k| k as f64 / samples);
    let classes = work.shape.classes.max(1) as f64;
    let by_class = params.class_counts.iter().map(|&c| (c as f64 / classes).min(1.0));
    let ends = usize::from(params.largest > 0) + usize::from(params.smallest > 0);
    let counted = if params.largest > 0 { shares.chain(by_class).sum() } else { 0.0 };
    let most = params.max_products as f64;
    let batches = (params.gradient_batches * params.gradient_batch_size.min(work.shape.n)) as f64;
    let gradients = work.shape.n as f64 + batches;
    let parts = vec![
        products(
            format!("density: {} x {steps} products over {n} samples", params.probes),
            (params.probes * steps) as f64,
        ),
        products(format!("trace: {trace} products"), trace as f64),
        products(format!("ends: at most {} products", ends * params.max_products), ends as f64 * most),
        products(format!("outliers: at most {:.0} products' worth", counted * most), counted * most),
        // A gradient is a step of training without the step.
        part(
            format!("gradients of {gradients} samples"),
            gradients * work.flops_of_step(),
            gradients * step_seconds(&work, &ctx.section()?),
        ),
    ];
    let of_solve = (3 * params.largest.max(params.smallest)).max(40);
    let vectors = (params.probes * (steps + 1)).max(of_solve + params.largest) as f64;
    let memory = work.shape.inputs_bytes(work.shape.n)
        + cached
        + Workload::<R>::bytes((vectors + eigen.dim as f64) * p);
    Ok(work.finish(parts, memory))
}

/// Cost of `stream`, if every run goes on until all samples have come.
pub fn stream<R: Real>(params: &records::Stream, ctx: &PlanContext) -> Result<Cost> {
    if params.seeds == 0 {
        return Ok(Cost::default());
    }
    let work = Workload::<R>::new(ctx)?;
    let train: records::Train = ctx.section()?;
    let (n, seeds, dim) = (work.shape.n, params.seeds as f64, params.dim.min(work.mlp.n_params()));
    let (mut trained, mut judged, mut solved) = (params.first_epochs * params.first, 0, 0.0);
    let (mut k, mut of_basis) = (params.first, 0.0);
    while k + params.batch <= n {
        if k as f64 >= of_basis * params.basis_growth {
            of_basis = k as f64;
            solved += k as f64;
        }
        judged += params.draws * (k + params.batch);
        k += params.batch;
        trained += params.epochs * k;
    }
    // The rules stop at four places at most, each with its truth.
    judged += 4 * params.truth_draws * n;
    let (trained, judged) = (seeds * trained as f64, seeds * judged as f64);
    let solved = seeds * solved * PRODUCTS_PER_PAIR * dim as f64;
    let sum = HessianSum::new(&work.mlp, work.w.view(), &work.samples, 0);
    let product = product_seconds(&sum);
    drop(sum);
    let parts = vec![
        part(
            format!("{seeds} runs: steps over {trained:.1e} samples at most"),
            trained * work.flops_of_step(),
            trained * step_seconds(&work, &train),
        ),
        part(
            format!("losses of {judged:.1e} draws and samples at most"),
            judged * work.flops_of_draw(dim),
            judged * draw_seconds(&work, dim, params.draws, params.batch, usize::MAX),
        ),
        part(
            format!("Hessian-vector products over {solved:.1e} samples at most (by experience)"),
            solved * work.flops_of_product(),
            solved * product,
        ),
    ];
    // Every run keeps the samples in its order and its parameters; those at work keep losses, a basis and draws too.
    let at_work = rayon::current_num_threads().min(params.seeds) as f64;
    let (features, p, rest) = (work.shape.features as f64, work.mlp.n_params() as f64, work.weights().1);
    let memory = seeds * (8.0 * n as f64 + Workload::<R>::bytes(n as f64 * features + 4.0 * p))
        + at_work * 16.0 * (params.draws * n) as f64
        + at_work
            * Workload::<R>::bytes((5 * dim) as f64 * p + rest * params.draws.max(params.truth_draws) as f64);
    Ok(work.finish(parts, memory))
}

/// Cost of `family`: the losses of every member but the largest over the largest one's samples, in f32.
pub fn family(params: &Family, ctx: &PlanContext) -> Result<Cost> {
    let members = params.members();
    let planned = members.iter().map(|member| {
        let ctx = ctx.member(&member.name);
        let montecarlo: records::MonteCarlo = ctx.section()?;
        Ok((Workload::<f32>::new(&ctx)?, montecarlo))
    });
    let planned = planned.collect::<Result<Vec<_>>>()?;
    let (mut flops, mut evaluated, mut memory) = (0.0, 0, 0.0_f64);
    for (member, (work, montecarlo)) in members.iter().zip(&planned) {
        let alike = members
            .iter()
            .zip(&planned)
            .filter(|(other, _)| (other.replica, &other.variant) == (member.replica, &member.variant));
        let largest = alike.map(|(_, (work, _))| work.shape.n).max().unwrap_or(0);
        if work.shape.n == largest {
            continue;
        }
        let dim = montecarlo.settings[0].dim;
        evaluated += 1;
        flops += (params.draws * largest) as f64 * work.flops_of_draw(dim);
        let weights = 4.0 * work.weights().1 * params.draws as f64;
        memory = memory.max(
            work.shape.inputs_bytes(largest)
                + 4.0 * (2 * dim * work.mlp.n_params()) as f64
                + weights.min((montecarlo.weights_mib << 20) as f64),
        );
    }
    let (work, montecarlo) = planned.into_iter().next().expect("a family has members");
    let dim = montecarlo.settings[0].dim;
    let each = draw_seconds(&work, dim, params.draws, montecarlo.step, montecarlo.weights_mib << 20)
        / work.flops_of_draw(dim);
    let what = format!(
        "losses of {} draws at each of {evaluated} members, over the largest one's samples",
        params.draws
    );
    Ok(work.finish(vec![part(what, flops, flops * each)], memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_count_by_the_type_they_are_stored_in_unless_they_stay_on_disk() {
        assert_eq!(["|u1", "<f4", "<f8", ""].map(value_bytes), [1, 4, 8, 8]);
        let shape = Shape { n: 60_000, n_test: 0, features: 784, classes: 10, value_bytes: 4 };
        let bytes = |n| format!("{:.0}", shape.inputs_bytes(n));
        assert_eq!((bytes(60_000), bytes(90_000)), ("188160000".to_owned(), "0".to_owned()));
    }
}
