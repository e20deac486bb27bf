//! What `spectrum` would cost. Each solve is counted with the most products that it may take.

use experiment::cost::{Workload, cached_bytes, part, product_seconds};
use landscape::Real;
use landscape::spectrum::prefixes::prefix_pairs;
use pipeline::Result;
use pipeline::shell::cost::{Cost, PlanContext};
use records::{Eigen, Spectrum};

/// Cost of `spectrum`.
pub fn of<R: Real>(params: &Spectrum, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let eigen: Eigen = ctx.section()?;
    let n = params.n_samples.unwrap_or(work.shape.n).min(work.shape.n);
    let (samples, p) = (n as f64, work.network.n_params());
    let sum = work.hessian(eigen.primal_cache_mib);
    let each = product_seconds(&sum);
    let cached = cached_bytes(&sum, samples, eigen.primal_cache_mib);
    drop(sum);
    let products = |what: String, count: f64| {
        part(what, count * samples * work.flops_of_product(), count * samples * each)
    };
    let steps = params.steps.min(p);
    let trace = if params.trace_probes == 0 { 0 } else { 2 * params.trace_sketch + params.trace_probes };
    let ends = usize::from(params.largest > 0) + usize::from(params.smallest > 0);
    let ends = ends * params.max_products;
    let outliers = outlier_solves(params, n, work.shape.classes) * params.max_products as f64;
    let gradients =
        (work.shape.n + params.gradient_batches * params.gradient_batch_size.min(work.shape.n)) as f64;
    let parts = vec![
        products(
            format!("density: {} x {steps} products over {n} samples", params.probes),
            (params.probes * steps) as f64,
        ),
        products(format!("trace: {trace} products"), trace as f64),
        products(format!("ends: at most {ends} products"), ends as f64),
        products(format!("outliers: at most {outliers:.0} products' worth"), outliers),
        // A gradient is a step of training without the step.
        part(
            format!("gradients of {gradients} samples"),
            gradients * work.flops_of_step(),
            gradients * work.step_seconds(&ctx.section()?),
        ),
    ];
    let of_solve = (3 * params.largest.max(params.smallest)).max(40);
    let vectors = (params.probes * (steps + 1)).max(of_solve + params.largest) + eigen.dim;
    let memory = work.shape.inputs_bytes(work.shape.n) + cached + Workload::<R>::bytes((vectors * p) as f64);
    Ok(work.finish(parts, memory))
}

/// Solves for outliers by prefix and by class, in solves over all `n` samples.
fn outlier_solves(params: &Spectrum, n: usize, classes: usize) -> f64 {
    if params.largest == 0 {
        return 0.0;
    }
    // The last of the prefixes is all samples, which the upper end counts.
    let prefixes = prefix_pairs(n + 1, 1, params.prefix_smallest, params.prefix_count);
    let shares = prefixes.iter().map(|&(k, _)| k).filter(|&k| k < n).map(|k| k as f64 / n as f64);
    let by_class = params.class_counts.iter().map(|&c| (c as f64 / classes.max(1) as f64).min(1.0));
    shares.chain(by_class).sum()
}
