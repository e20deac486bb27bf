//! What `montecarlo` would cost: the losses of every setting, landscape and sweep.

use experiment::cost::{Workload, part, product_seconds};
use landscape::Real;
use pipeline::Result;
use pipeline::shell::cost::{Cost, Part, PlanContext};
use records::montecarlo::{Sigma, Source};
use records::{Eigen, MonteCarlo, Sweep};

/// Cost of `montecarlo`.
pub fn of<R: Real>(params: &MonteCarlo, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let n = work.shape.n;
    for left_out in params.grids.iter().filter_map(|g| g.left_out(n, params.step)) {
        tracing::warn!("{left_out}");
    }
    let mut parts = vec![];
    for s in &params.settings {
        let what = format!("{}: losses of {} draws at {n} samples", s.name, params.draws);
        parts.push(losses(&work, params, s.dim, params.draws, (params.draws * n) as f64, what));
    }
    let directions =
        params.settings.iter().filter(|s| s.sigma == Sigma::Of(Source::PosteriorGaussNewton)).map(|s| s.dim);
    let n_products = directions.sum::<usize>() as f64;
    if n_products > 0.0 {
        let (flops, each) = (work.flops_of_product(), product_seconds(&work.hessian(0)));
        let what = format!("{n_products} Gauss-Newton products over {n} samples");
        parts.push(part(what, n_products * n as f64 * flops, n_products * n as f64 * each));
    }
    for g in &params.grids {
        let points = g.points * g.points;
        let what = format!("landscape {}: losses of {points} points at {n} samples", g.name);
        parts.push(losses(&work, params, 2, points, (points * n) as f64, what));
    }
    if let Some(sweep) = &params.sweep {
        parts.push(of_sweep(&work, params, sweep, ctx)?);
    }
    let memory = memory_bytes(&work, params);
    Ok(work.finish(parts, memory))
}

/// So many losses, `draws` draws in `dim` directions at a time.
fn losses<R: Real>(
    work: &Workload<R>,
    params: &MonteCarlo,
    dim: usize,
    draws: usize,
    count: f64,
    what: String,
) -> Part {
    let each = work.draw_seconds(dim, draws, params.step, params.weights_mib << 20);
    part(what, count * work.flops_of_draw(dim), count * each)
}

fn of_sweep<R: Real>(
    work: &Workload<R>,
    params: &MonteCarlo,
    sweep: &Sweep,
    ctx: &PlanContext,
) -> Result<Part> {
    let dim = match sweep.dim {
        Some(dim) => dim,
        None => ctx.section::<Eigen>()?.dim,
    };
    let runs = sweep.sigmas.len() * sweep.methods.len();
    let what =
        format!("sweep: {runs} times the losses of {} draws at {} samples", sweep.draws, sweep.n_samples);
    let count = (runs * sweep.draws * sweep.n_samples.min(work.shape.n)) as f64;
    Ok(losses(work, params, dim, sweep.draws, count, what))
}

/// Of inputs, perturbed weights, the basis, which is packed too, and the sums over draws.
fn memory_bytes<R: Real>(work: &Workload<R>, params: &MonteCarlo) -> f64 {
    let (n, draws) = (work.shape.n as f64, params.draws as f64);
    let perturbed = Workload::<R>::bytes(work.weights().1 * draws).min((params.weights_mib << 20) as f64);
    let dim = params.settings.iter().map(|s| s.dim).max().unwrap_or(0).max(2) as f64;
    let sums = 8.0 * (4.0 * n / params.step as f64 + 4096.0 * draws);
    work.shape.inputs_bytes(work.shape.n)
        + perturbed
        + Workload::<R>::bytes(2.0 * dim * work.network.n_params() as f64)
        + sums
}
