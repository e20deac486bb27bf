//! `eigen`: the dominant directions of the Hessian at w*, what each sample does in them, and the eigenvalues of prefixes.

mod cost;

use std::process::ExitCode;

use experiment::recorded::{Recorded, solved};
use landscape::numeric::vectors::largest_magnitude;
use landscape::passes::curvature::sample_derivatives;
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::PrefixHessian;
use landscape::spectrum::power::power_iteration;
use landscape::spectrum::prefixes::{NotConverged, PrefixRun, PrefixSpectrum, prefix_pairs};
use landscape::spectrum::ritz::{EigenRequest, MISS_PROBABILITY, RitzPairs};
use landscape::spectrum::subspace::{filter_normalised_basis, orthonormality_error, random_basis};
use landscape::{Network, Real};
use ndarray::{Array1, Ix2};
use pipeline::log::number;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext, TeamContext};
use pipeline::{Failure, Result};
use records::eigen::{Bases, Facts};
use records::{Eigen, Precision, Solver, name_of};
use store::arrays;
use store::checkpoint::Checkpoint;
use store::npy::Element;

struct EigenStage;

impl Stage for EigenStage {
    type Params = Eigen;
    const ABOUT: &'static str =
        "Finds the Hessian's dominant directions at w* and each sample's slope and curvature in them";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Eigen, ctx: &PlanContext) -> Result<Cost> {
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &Eigen, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }

    fn assist(_params: &Eigen, ctx: &TeamContext) -> Result<()> {
        let samples = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
        landscape::serve::serve(&experiment::network(&ctx.inputs)?, &samples);
        Ok(())
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<EigenStage>()
}

fn run<R: Real + Element>(params: &Eigen, ctx: &mut StageContext) -> Result<String> {
    let samples = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
    let network = experiment::network(&ctx.inputs)?;
    let w = experiment::w_star::<R>(&ctx.inputs, &network)?;
    let sum = HessianSum::new(&network, w.view(), &samples, params.primal_cache_mib << 20);
    let request = request(params, &network)?;

    let pairs = match &params.basis {
        Some(path) => own_basis(&ctx.resolve(path), &sum)?,
        None => solve(params, ctx, &sum, &request)?,
    };
    write_pairs(ctx, &pairs)?;
    let random_dim = random_dim(params, ctx, &network);
    write_random_bases(params, ctx, &network, &w, random_dim)?;

    // Last comes what cannot stop and go on.
    let prefix = prefixes(params, ctx, &sum, &request, &pairs)?;
    write_derivatives(ctx, &sum, &pairs)?;
    let solver = name_of(params.solver);
    ctx.outputs.facts(&Facts {
        dim: pairs.values.len(),
        step: params.step,
        n_products: pairs.n_products,
        n_check_products: pairs.n_check_products,
        largest_relative_residual: pairs.largest_relative_residual(),
        basis_origin: params.basis.as_ref().map_or(solver, |path| path.display().to_string()),
        miss_probability: (pairs.miss_probability < 1.0).then_some(pairs.miss_probability),
        bases: Bases { filter: random_dim, hessian: pairs.values.len(), random: random_dim },
        n_prefix_products: prefix.n_products,
    })?;
    Ok(format!(
        "{} {} from {} to {}, largest residual {:.1e} of the first, {} products; {} prefixes in {:.0} more",
        pairs.values.len(),
        if params.basis.is_some() { "Rayleigh quotients of the given directions" } else { "eigenvalues" },
        number(pairs.values[0], 4),
        number(pairs.values[pairs.values.len() - 1], 4),
        pairs.largest_relative_residual(),
        pairs.n_products + pairs.n_check_products,
        prefix.values.nrows(),
        prefix.n_products,
    ))
}

/// An error where the network has fewer parameters than pairs are asked for.
fn check_dim(params: &Eigen, network: &Network) -> Result<()> {
    let (dim, p) = (params.dim, network.n_params());
    if dim > p {
        let message = format!("eigen.dim: {dim} pairs, but the network has {p} parameters");
        return Err(Failure::config(message, "lower eigen.dim").into());
    }
    Ok(())
}

fn request(params: &Eigen, network: &Network) -> Result<EigenRequest> {
    check_dim(params, network)?;
    Ok(EigenRequest {
        dim: params.dim,
        which: params.which,
        residual_tolerance: params.residual_tolerance,
        miss_probability: MISS_PROBABILITY,
        max_subspace: params.max_subspace.unwrap_or((4 * params.dim).max(20)),
        max_products: params.max_products,
        seed: params.seed,
    })
}

fn solve<R: Real>(
    params: &Eigen,
    ctx: &StageContext,
    sum: &HessianSum<R>,
    request: &EigenRequest,
) -> Result<RitzPairs<R>> {
    let hessian = PrefixHessian { sum, k: sum.samples.len(), kind: SecondOrder::Hessian };
    let progress = ctx.progress_at_most(params.max_products, "eigen: Hessian-vector products");
    let mut step = |n| progress.add(n);
    let journal = ctx.journal("solve");
    let hessian = Recorded::new(hessian, &journal);
    let pairs = solved(PRECISION, || match params.solver {
        Solver::Lanczos => lanczos(&hessian, request, &mut step),
        Solver::Power => power_iteration(&hessian, request, &mut step),
    })?;
    journal.end();
    drop(progress);
    let converged = pairs.n_converged(params.residual_tolerance);
    if converged < params.dim {
        let message = format!(
            "{converged} of {} Ritz pairs converged in {} products; worst residual {:.1e} of the largest eigenvalue, needed {:.1e}",
            params.dim,
            pairs.n_products,
            pairs.largest_relative_residual(),
            params.residual_tolerance,
        );
        let all_spent = pairs.n_products >= params.max_products;
        return Err(Failure::not_converged(message, advice(all_spent, params.precision)).into());
    }
    if params.solver == Solver::Lanczos && pairs.miss_probability > MISS_PROBABILITY {
        ctx.warn(experiment::may_miss("eigen", "over all samples", pairs.miss_probability));
    }
    warn_unresolved(params, ctx, &pairs);
    Ok(pairs)
}

/// Names the pairs whose eigenvalue may be anything within the residual, 0 among it.
fn warn_unresolved<R: Real>(params: &Eigen, ctx: &StageContext, pairs: &RitzPairs<R>) {
    let unresolved = pairs.unresolved();
    let Some(&first) = unresolved.first() else { return };
    let numbers = unresolved.iter().map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(", ");
    let better = match params.precision {
        Precision::F32 => "set eigen.precision: f64, or lower eigen.dim",
        Precision::F64 => "lower eigen.dim",
    };
    ctx.warn(format!(
        "eigen: the residual is above |mu| for pairs {numbers} (from 1), as {:.1e} beside {:.1e}: neither sign nor size of these eigenvalues is known; {better}; a lower eigen.residual_tolerance helps where they are not 0",
        pairs.residuals[first], pairs.values[first]
    ));
}

/// What to do where pairs did not converge: more products help only where all were spent, otherwise rounding is in the way.
fn advice(all_spent: bool, precision: Precision) -> &'static str {
    match (all_spent, precision) {
        (true, Precision::F32) => {
            "raise eigen.max_products or eigen.residual_tolerance, or set eigen.precision: f64; nothing was written"
        }
        (true, Precision::F64) => "raise eigen.max_products or eigen.residual_tolerance; nothing was written",
        (false, Precision::F32) => {
            "rounding of the products is in the way: set eigen.precision: f64, or raise eigen.residual_tolerance; nothing was written"
        }
        (false, Precision::F64) => {
            "rounding of the products is in the way: raise eigen.residual_tolerance, or lower eigen.dim; nothing was written"
        }
    }
}

/// The user's basis, with Rayleigh quotients and residuals of its rows in their own order.
fn own_basis<R: Real>(path: &std::path::Path, sum: &HessianSum<R>) -> Result<RitzPairs<R>> {
    let name = path.display().to_string();
    let basis = experiment::to_real::<R, Ix2>(arrays::read(path, "basis")?, &name)?;
    experiment::check_params(&name, basis.ncols(), sum.network)?;
    let error = orthonormality_error(basis.view());
    let allowed = 100.0 * R::epsilon().wide() * basis.nrows() as f64;
    if !error.is_finite() || error > allowed {
        let message = format!(
            "{name}: rows are not orthonormal: B B^T differs from I by {error:.1e}, at most {allowed:.1e} is allowed"
        );
        let hint = "orthonormalise it in f8, whatever type it has: numpy.linalg.qr(B.T.astype('f8'))[0].T";
        return Err(Failure::input(message, hint).into());
    }
    let hessian = PrefixHessian { sum, k: sum.samples.len(), kind: SecondOrder::Hessian };
    solved(PRECISION, || RitzPairs::in_order(&hessian, basis, 0))
}

/// Its key for the number type of the products.
const PRECISION: Option<&str> = Some("eigen.precision");

/// Unit of an eigenvalue.
const CURVATURE: &str = "loss / parameter unit^2";

fn write_pairs<R: Real + Element>(ctx: &mut StageContext, pairs: &RitzPairs<R>) -> Result<()> {
    let out = &mut ctx.outputs;
    out.write("basis.npy", &pairs.vectors, "parameter units", "orthonormal directions, (d, p)")?;
    out.write("eigenvalues.npy", &pairs.values, CURVATURE, "signed Rayleigh quotients, (d,)")?;
    Ok(out.write("residuals.npy", &pairs.residuals, CURVATURE, "norm of H u - mu u, (d,)")?)
}

/// Per-sample loss, slope and curvature, some blocks at a time: N·d² numbers may not fit into memory.
fn write_derivatives<R: Real>(
    ctx: &mut StageContext,
    sum: &HessianSum<R>,
    pairs: &RitzPairs<R>,
) -> Result<()> {
    let (n, d) = (sum.samples.len(), pairs.values.len());
    let progress = ctx.progress(n, "eigen: per-sample curvature");
    let out = &mut ctx.outputs;
    let mut loss = out.begin_rows::<f64>("sample_loss.npy", &[n])?;
    let mut slope = out.begin_rows::<f64>("sample_slope.npy", &[n, d])?;
    let mut curvature = out.begin_rows::<f64>("sample_curvature.npy", &[n, d, d])?;
    sample_derivatives(sum, pairs.vectors.view(), &mut |first, some| -> store::Result<()> {
        loss.put(first, &some.loss)?;
        slope.put(first, &some.slope)?;
        curvature.put(first, &some.curvature)?;
        progress.add(some.loss.len());
        Ok(())
    })?;
    drop(progress);
    out.end(loss, "loss", "loss of each sample at w*, (N,)")?;
    out.end(slope, "loss / parameter unit", "slope in the basis, (N, d)")?;
    Ok(out.end(curvature, CURVATURE, "curvature in the basis, (N, d, d)")?)
}

/// Rows of the random bases: as many as asked for, or as there are parameters.
fn random_dim(params: &Eigen, ctx: &StageContext, network: &Network) -> usize {
    let p = network.n_params();
    if params.random_dim > p {
        ctx.warn(format!(
            "eigen.random_dim: {} directions, but the network has {p} parameters: {p} are written",
            params.random_dim
        ));
    }
    params.random_dim.min(p)
}

fn write_random_bases<R: Real + Element>(
    params: &Eigen,
    ctx: &mut StageContext,
    network: &Network,
    w: &Array1<R>,
    r: usize,
) -> Result<()> {
    if r == 0 {
        return Ok(());
    }
    // The next seeds: the first direction of the solve has taken `seed` itself.
    let random = random_basis::<R>(params.seed.wrapping_add(1), r, network.n_params());
    let meaning = "orthonormal random directions, (r, p)";
    ctx.outputs.write("basis_random.npy", &random, "parameter units", meaning)?;
    drop(random);
    let filter = filter_normalised_basis(network, w.view(), params.seed.wrapping_add(2), r);
    let meaning = "filter-normalised random directions, (r, p)";
    Ok(ctx.outputs.write("basis_filter.npy", &filter, "parameter units", meaning)?)
}

/// Eigenvalues of `H_k` at pairs k, k + s.
fn prefixes<R: Real>(
    params: &Eigen,
    ctx: &mut StageContext,
    sum: &HessianSum<R>,
    request: &EigenRequest,
    start: &RitzPairs<R>,
) -> Result<PrefixSpectrum> {
    let pairs = prefix_pairs(sum.samples.len(), params.step, params.prefix_smallest, params.prefix_count);
    let mut sizes = pairs.iter().flat_map(|&(k, next)| [k, next]).collect::<Vec<_>>();
    sizes.dedup();
    let request = EigenRequest {
        dim: start.values.len(),
        residual_tolerance: params.prefix_residual_tolerance,
        // As many as the basis that travels has: the search needs few steps.
        max_subspace: 2 * start.values.len() + 4,
        ..*request
    };
    let spectrum = solve_prefixes(ctx, PrefixRun::new(sum, &sizes, &request, start), sizes.len())?;
    let of = sizes.iter().zip(&spectrum.miss_probabilities).filter(|(_, miss)| **miss > MISS_PROBABILITY);
    let of = of.map(|(k, _)| k.to_string()).collect::<Vec<_>>();
    if !of.is_empty() {
        let worst = largest_magnitude(&spectrum.miss_probabilities);
        ctx.warn(experiment::may_miss("eigen", &format!("prefixes of {} samples", of.join(", ")), worst));
    }
    let out = &mut ctx.outputs;
    let meaning = "prefix sizes with eigenvalues of their own: pairs k, k + s";
    out.write_sizes("prefix_sizes.npy", &sizes, "samples", meaning)?;
    let meaning = "top Ritz values of each H_k, (n, d)";
    out.write("prefix_eigenvalues.npy", &spectrum.values, CURVATURE, meaning)?;
    out.write("prefix_residuals.npy", &spectrum.residuals, CURVATURE, "their residuals, (n, d)")?;
    Ok(spectrum)
}

/// Goes through the prefixes; it may stop after each.
fn solve_prefixes<R: Real>(
    ctx: &StageContext,
    mut run: PrefixRun<R>,
    n_prefixes: usize,
) -> Result<PrefixSpectrum> {
    const PREFIXES: &str = "prefixes";
    let state = |run: &PrefixRun<R>| {
        let (arrays, sample_products) = run.state();
        let state = Checkpoint::new(&sample_products);
        arrays.into_iter().fold(state, |state, (name, values)| state.with(name, values))
    };
    ctx.resume(PREFIXES, |saved| run.go_on(saved.facts()?, |name| saved.all(name)));
    let progress = ctx.progress(n_prefixes, "eigen: prefixes");
    progress.add(run.n_ready());
    let not_converged = |e: NotConverged| {
        let hint = "raise eigen.prefix_residual_tolerance or eigen.prefix_smallest, or set eigen.prefix_count: 0 to leave the prefixes out; nothing was written";
        Failure::not_converged(e.to_string(), hint)
    };
    while solved(PRECISION, || run.solve_next())?.map_err(not_converged)? {
        progress.add(1);
        let far = format_args!("prefix {} of {n_prefixes}", run.n_ready());
        ctx.may_stop(PREFIXES, far, || state(&run))?;
    }
    Ok(run.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_of_use_for_its_cause() {
        for all_spent in [false, true] {
            for precision in [Precision::F32, Precision::F64] {
                let said = advice(all_spent, precision);
                assert_eq!(said.contains("raise eigen.max_products"), all_spent, "{said}");
                assert_eq!(said.contains("set eigen.precision: f64"), precision == Precision::F32, "{said}");
            }
        }
    }
}
