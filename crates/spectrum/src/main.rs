//! `spectrum`: what the Hessian at w* looks like beyond its top eigenvalues.

mod cost;

use std::process::ExitCode;

use experiment::recorded::{Recorded, solved};
use landscape::numeric::vectors::{largest_magnitude, norm, project};
use landscape::passes::gradient::{batch_gradient, full_gradient};
use landscape::passes::hvp::{HessianSum, SecondOrder};
use landscape::spectrum::angles::{outliers, overlap, principal_cosines};
use landscape::spectrum::lanczos::lanczos;
use landscape::spectrum::operator::{PrefixHessian, SymmetricOperator};
use landscape::spectrum::prefixes::prefix_pairs;
use landscape::spectrum::ritz::{EigenRequest, MISS_PROBABILITY, RitzPairs, Which};
use landscape::spectrum::slq::quadrature;
use landscape::spectrum::subspace::random_basis;
use landscape::spectrum::trace::hutch_pp;
use landscape::{Network, Real, Samples, Targets};
use ndarray::{Array1, Array2, ArrayView1, s};
use pipeline::Result;
use pipeline::log::{number, percent};
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Journal, Stage, StageContext, TeamContext};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::spectrum::{DensityFact, Facts, OutlierCount, Outliers, TraceFact};
use records::{Precision, Spectrum, eigen};
use store::npy::Element;

struct SpectrumStage;

impl Stage for SpectrumStage {
    type Params = Spectrum;
    const ABOUT: &'static str = "Estimates the density and the trace of the Hessian at w*, its ends, its outliers, and the gradient's share in them";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Spectrum, ctx: &PlanContext) -> Result<Cost> {
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &Spectrum, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }

    fn assist(params: &Spectrum, ctx: &TeamContext) -> Result<()> {
        let samples = first(params, &experiment::train_samples(&ctx.inputs)?).shared_by(&ctx.team);
        landscape::serve::serve(&experiment::network(&ctx.inputs)?, &samples);
        Ok(())
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<SpectrumStage>()
}

/// The samples of the Hessian.
fn first(params: &Spectrum, all: &Samples) -> Samples {
    params.n_samples.map_or_else(|| all.clone(), |n| all.first(n))
}

/// What every part looks at.
struct Question<'a, R> {
    params: &'a Spectrum,
    network: &'a Network,
    w: &'a Array1<R>,
    sum: &'a HessianSum<'a, R>,
    /// all products with the Hessian
    journal: &'a Journal,
}

impl<'a, R: Real> Question<'a, R> {
    /// The Hessian over all samples.
    fn hessian(&self) -> Recorded<'a, PrefixHessian<'a, 'a, R>> {
        Recorded::new(PrefixHessian { sum: self.sum, k: self.n(), kind: SecondOrder::Hessian }, self.journal)
    }

    fn n(&self) -> usize {
        self.sum.samples.len()
    }
}

fn run<R: Real + Element>(params: &Spectrum, ctx: &mut StageContext) -> Result<String> {
    let all = experiment::train_samples(&ctx.inputs)?;
    let samples = first(params, &all).shared_by(&ctx.team);
    let network = experiment::network(&ctx.inputs)?;
    let w = experiment::w_star::<R>(&ctx.inputs, &network)?;
    let cache: usize = ctx.inputs.params::<records::Eigen>("eigen")?.primal_cache_mib << 20;
    let sum = HessianSum::new(&network, w.view(), &samples, cache);
    let journal = ctx.journal("products");
    let question = Question { params, network: &network, w: &w, sum: &sum, journal: &journal };

    warn_of_rounding(&question, ctx, &all)?;
    let mut said = vec![format!("Hessian over {} samples", samples.len())];
    let density = density(&question, ctx)?;
    said.extend(density.as_ref().map(|d| format!("{} x {} density products", d.probes, d.steps)));
    let trace = trace(&question, ctx)?;
    said.extend(trace.as_ref().map(|t| format!("trace {} +- {:.1e}", number(t.value, 4), t.standard_error)));
    said.extend(ends(&question, ctx)?);
    let gradient_batch_size = params.gradient_batch_size.min(all.len());
    said.push(gradient_share(params, ctx, &network, &all, gradient_batch_size)?);
    ctx.outputs.facts(&Facts {
        n_samples: samples.len(),
        n_params: network.n_params(),
        density,
        trace,
        gradient_batch_size,
    })?;
    Ok(said.join("; "))
}

/// Samples over which rounding is measured.
const ROUNDING_SAMPLES: usize = 2048;

/// Names rounding that is more than the eigenvalues may be off by: near a loss of 0, f32 loses most of 1 - p.
fn warn_of_rounding<R: Real>(question: &Question<R>, ctx: &mut StageContext, all: &Samples) -> Result<()> {
    let p = question.params;
    let has_products = p.probes > 0 || p.trace_probes > 0 || p.largest > 0 || p.smallest > 0;
    if p.precision == Precision::F64 || !has_products {
        return Ok(());
    }
    let few = all.first(all.len().min(ROUNDING_SAMPLES));
    let w = experiment::w_star::<f64>(&ctx.inputs, question.network)?;
    let v = random_basis::<f64>(p.seed, 1, question.network.n_params());
    let exact = product(question.network, &w, &few, &v);
    let found = product(question.network, question.w, &few, &v.mapv(R::narrow)).mapv(Real::wide);
    let rounding = norm((&found - &exact).row(0)) / norm(exact.row(0)).max(f64::MIN_POSITIVE);
    if rounding > p.residual_tolerance {
        ctx.warn(format!(
            "spectrum: {} of a Hessian-vector product is rounding in f32, more than spectrum.residual_tolerance ({}): density, trace and \
             eigenvalues are off by as much; set spectrum.precision: f64",
            percent_of(rounding),
            percent(p.residual_tolerance)
        ));
    }
    Ok(())
}

/// A measured share, to two digits.
fn percent_of(share: f64) -> String {
    format!("{} %", number(100.0 * share, 2))
}

/// H v over all of these samples, for the row v (1, p).
fn product<R: Real>(network: &Network, w: &Array1<R>, samples: &Samples, v: &Array2<R>) -> Array2<R> {
    let sum = HessianSum::new(network, w.view(), samples, 0);
    PrefixHessian { sum: &sum, k: samples.len(), kind: SecondOrder::Hessian }.apply(v.view())
}

/// Its key for the number type of the products.
const PRECISION: Option<&str> = Some("spectrum.precision");

const CURVATURE: &str = "loss / parameter unit^2";

/// A range of eigenvalues whose density, its inverse, has a meaning in f64.
const MEANINGFUL: f64 = 1e-200;

/// What the width of the kernel is a share of: the range of the Ritz values; where all are equal, their size, and 1 where that is 0.
fn spread((low, high): (f64, f64)) -> f64 {
    [high - low, high.abs()].into_iter().find(|&size| size > MEANINGFUL).unwrap_or(1.0)
}

/// The density by stochastic Lanczos quadrature.
fn density<R: Real>(question: &Question<R>, ctx: &mut StageContext) -> Result<Option<DensityFact>> {
    let p = question.params;
    if p.probes == 0 {
        return Ok(None);
    }
    let progress = ctx.progress(p.probes * p.steps, "spectrum: density: products");
    let hessian = question.hessian();
    let found =
        solved(PRECISION, || quadrature(&hessian, p.probes, p.steps, p.seed, &mut |n| progress.add(n)))?;
    drop(progress);
    // Padding after the end of a Krylov space weighs nothing.
    let real = found.nodes.iter().zip(&found.weights).filter(|(_, w)| **w > 0.0).map(|(x, _)| *x);
    let (low, high) = real.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    let width = p.kernel_width * spread((low, high));
    let grid = Array1::linspace(low - 5.0 * width, high + 5.0 * width, p.grid_points);
    let values = found.density(&grid, width);
    let negative = found.mean_of(|x| f64::from(u8::from(x < -width)));
    let mean = found.mean_of(|x| x);
    let out = &mut ctx.outputs;
    out.write("nodes.npy", &found.nodes, CURVATURE, "Ritz values of each probe, (probes, steps)")?;
    out.write("weights.npy", &found.weights, "1", "their weights, (probes, steps)")?;
    out.write("grid.npy", &grid, CURVATURE, "where the density is given, (G,)")?;
    let meaning = "smoothed density of the eigenvalues, (G,)";
    out.write("density.npy", &values, "parameter unit^2 / loss", meaning)?;
    let of_several = |error: f64| (p.probes > 1).then_some(error);
    Ok(Some(DensityFact {
        probes: p.probes,
        steps: found.nodes.ncols(),
        kernel_deviation: width,
        mean: mean.0,
        mean_standard_error: of_several(mean.1),
        fraction_below_minus_kernel: negative.0,
        fraction_standard_error: of_several(negative.1),
    }))
}

/// The trace by Hutch++.
fn trace<R: Real>(question: &Question<R>, ctx: &StageContext) -> Result<Option<TraceFact>> {
    let p = question.params;
    if p.trace_probes == 0 {
        return Ok(None);
    }
    let progress = ctx.progress(2 * p.trace_sketch + p.trace_probes, "spectrum: trace: products");
    let seed = p.seed.wrapping_add(1);
    let hessian = question.hessian();
    let found = solved(PRECISION, || {
        hutch_pp(&hessian, p.trace_sketch, p.trace_probes, seed, &mut |n| progress.add(n))
    })?;
    let (value, standard_error) = (found.value, found.standard_error);
    Ok(Some(TraceFact { value, standard_error, n_products: found.n_products }))
}

/// The top or the bottom of the spectrum over the first k samples of `sum`.
fn solve<R: Real>(
    (p, journal): (&Spectrum, &Journal),
    sum: &HessianSum<R>,
    k: usize,
    which: Which,
    dim: usize,
) -> Result<RitzPairs<R>> {
    let hessian = Recorded::new(PrefixHessian { sum, k, kind: SecondOrder::Hessian }, journal);
    let dim = dim.min(sum.network.n_params());
    let request = EigenRequest {
        dim,
        which,
        residual_tolerance: p.residual_tolerance,
        miss_probability: MISS_PROBABILITY,
        max_subspace: (3 * dim).max(40),
        max_products: p.max_products,
        seed: p.seed.wrapping_add(2),
    };
    solved(PRECISION, || lanczos(&hessian, &request, &mut |_| ()))
}

/// Solves that did not get as far as they should: of which pairs, and how far.
#[derive(Default)]
struct Doubts {
    /// the search for missing pairs ended early: with which probability of one
    may_miss: Vec<(String, f64)>,
    /// the largest residual is above the tolerance, relative to the largest eigenvalue
    open: Vec<(String, f64)>,
    /// a solve had products left, so that rounding is in the way
    rounded: bool,
}

impl Doubts {
    fn note<R: Real>(&mut self, p: &Spectrum, of: impl Into<String>, pairs: &RitzPairs<R>) {
        let of = of.into();
        if pairs.n_converged(p.residual_tolerance) < pairs.values.len() {
            self.open.push((of.clone(), pairs.largest_relative_residual()));
            self.rounded |= pairs.n_products < p.max_products;
        }
        if pairs.miss_probability > MISS_PROBABILITY {
            self.may_miss.push((of, pairs.miss_probability));
        }
    }

    fn warn(&self, p: &Spectrum, ctx: &StageContext) {
        let names =
            |list: &[(String, f64)]| list.iter().map(|(of, _)| of.clone()).collect::<Vec<_>>().join(", ");
        let worst = |list: &[(String, f64)]| largest_magnitude(list.iter().map(|(_, value)| value));
        if !self.open.is_empty() {
            let precise = p.precision == Precision::F32;
            let cure = match (self.rounded, precise) {
                (true, true) => "rounding is in the way: set spectrum.precision: f64",
                (true, false) => "rounding is in the way: raise spectrum.residual_tolerance",
                (false, _) => "raise spectrum.max_products",
            };
            ctx.warn(format!(
                "spectrum: residuals of {} are up to {} of the largest eigenvalue, where spectrum.residual_tolerance asks for {}; {cure}",
                names(&self.open),
                percent_of(worst(&self.open)),
                percent(p.residual_tolerance)
            ));
        }
        if !self.may_miss.is_empty() {
            ctx.warn(experiment::may_miss("spectrum", &names(&self.may_miss), worst(&self.may_miss)));
        }
    }
}

fn count<R: Real>(
    p: &Spectrum,
    pairs: &RitzPairs<R>,
    samples: &Samples,
    k: usize,
    overlap: Option<f64>,
) -> OutlierCount {
    let [values, residuals] = [&pairs.values, &pairs.residuals].map(|a| a.as_slice().expect("one axis"));
    let gap = outliers(values, residuals, pairs.border(Which::LargestAlgebraic, p.residual_tolerance));
    let n_classes = match samples.targets() {
        Targets::Classes(classes) => classes[..k].iter().collect::<std::collections::BTreeSet<_>>().len(),
        Targets::Values(_) => 0,
    };
    OutlierCount {
        n_samples: k,
        n_classes,
        outliers: gap.map(|g| g.count),
        gap_ratio: gap.map(|g| g.ratio),
        largest: pairs.values[0],
        largest_relative_residual: pairs.largest_relative_residual(),
        n_products: pairs.n_products + pairs.n_check_products,
        overlap,
    }
}

/// Both ends of the spectrum, and the outliers against k and against the number of classes.
fn ends<R: Real>(question: &Question<R>, ctx: &mut StageContext) -> Result<Option<String>> {
    let p = question.params;
    let asked = (p, question.journal);
    let (mut said, mut doubts) = (vec![], Doubts::default());
    if p.smallest > 0 {
        let pairs = solve(asked, question.sum, question.n(), Which::SmallestAlgebraic, p.smallest)?;
        doubts.note(p, "smallest", &pairs);
        let out = &mut ctx.outputs;
        out.write("smallest.npy", &pairs.values, CURVATURE, "smallest Ritz values, ascending")?;
        out.write("smallest_residuals.npy", &pairs.residuals, CURVATURE, "their residuals")?;
        said.push(format!("smallest {:.3e} +- {:.1e}", pairs.values[0], pairs.residuals[0]));
    }
    if p.largest == 0 {
        doubts.warn(p, ctx);
        return Ok((!said.is_empty()).then(|| said.join(", ")));
    }
    let top = solve(asked, question.sum, question.n(), Which::LargestAlgebraic, p.largest)?;
    doubts.note(p, "largest", &top);
    let out = &mut ctx.outputs;
    out.write("largest.npy", &top.values, CURVATURE, "largest Ritz values, descending")?;
    out.write("largest_residuals.npy", &top.residuals, CURVATURE, "their residuals")?;
    let whole = count(p, &top, question.sum.samples, question.n(), Some(1.0));
    let found = whole.outliers.zip(whole.gap_ratio);
    said.push(found.map_or("no gap".into(), |(n, r)| format!("{n} outliers (gap {r:.2})")));

    let d = ctx.inputs.facts::<eigen::Facts>()?.dim.min(top.vectors.nrows());
    let sizes = prefix_pairs(question.n() + 1, 1, p.prefix_smallest, p.prefix_count);
    let progress = ctx.progress(sizes.len() + p.class_counts.len(), "spectrum: outliers");
    let (mut by_k, mut by_class) = (vec![], vec![]);
    for (k, _) in sizes.into_iter().filter(|(k, _)| *k < question.n()) {
        let pairs = solve(asked, question.sum, k, Which::LargestAlgebraic, p.largest)?;
        doubts.note(p, format!("largest over {k} samples"), &pairs);
        let cosines = principal_cosines(pairs.vectors.slice(s![..d, ..]), top.vectors.slice(s![..d, ..]));
        by_k.push(count(p, &pairs, question.sum.samples, k, Some(overlap(&cosines))));
        progress.add(1);
    }
    by_k.push(whole);
    if let Targets::Classes(classes) = question.sum.samples.targets() {
        for &c in &p.class_counts {
            let rows = (0..classes.len()).filter(|&i| (classes[i] as usize) < c).collect::<Vec<_>>();
            if rows.is_empty() {
                continue;
            }
            let some = experiment::gather::<R>(question.sum.samples, &rows);
            let sum = HessianSum::new(question.network, question.w.view(), &some, 0);
            let pairs = solve(asked, &sum, some.len(), Which::LargestAlgebraic, p.largest)?;
            doubts.note(p, format!("largest over {c} classes"), &pairs);
            by_class.push(count(p, &pairs, &some, some.len(), None));
            progress.add(1);
        }
    }
    drop(progress);
    doubts.warn(p, ctx);
    ctx.outputs.document(&Outliers { dim: d, by_prefix: by_k, by_class })?;
    Ok(Some(said.join(", ")))
}

/// `‖P g‖² / ‖g‖²` for the first 1, 2, …, d directions; NaN where the gradient is 0.
fn shares(basis: &Array2<f64>, gradient: ArrayView1<f64>) -> Array1<f64> {
    let inside = project(basis.view(), gradient).mapv(|x| x * x);
    let whole = project(gradient.insert_axis(ndarray::Axis(0)), gradient)[0];
    let mut sum = 0.0;
    inside.mapv(|x| {
        sum += x;
        sum / whole
    })
}

/// Share of the gradient in the directions of `eigen`: of the full one, and of mini-batches of `batch_size` samples
/// (Gur-Ari et al. 2018). In f64: at a minimum that was polished, f32 has nothing but rounding.
fn gradient_share(
    p: &Spectrum,
    ctx: &mut StageContext,
    network: &Network,
    all: &Samples,
    batch_size: usize,
) -> Result<String> {
    let w = experiment::w_star::<f64>(&ctx.inputs, network)?;
    let basis = experiment::basis::<f64>(&ctx.inputs, "basis.npy", network)?;
    let w = w.view();
    let progress = ctx.progress(all.len(), "spectrum: gradient");
    let full = full_gradient(network, &w, all, &|n| progress.add(n));
    drop(progress);
    let full = shares(&basis, full.view());
    let meaning = "of the full gradient in the first 1..d directions, (d,)";
    ctx.outputs.write("gradient_share.npy", &full, "1", meaning)?;
    let mut rows = (0..all.len()).collect::<Vec<_>>();
    let mut rng = ChaCha20Rng::seed_from_u64(p.seed.wrapping_add(3));
    let mut batches = Array2::zeros((p.gradient_batches, basis.nrows()));
    for mut share in batches.outer_iter_mut() {
        let (batch, _) = rows.partial_shuffle(&mut rng, batch_size);
        let gradient = batch_gradient(network, &w, all, &[&*batch]).gradient;
        share.assign(&shares(&basis, gradient.view()));
    }
    ctx.outputs.write("batch_gradient_share.npy", &batches, "1", "of mini-batch gradients, (batches, d)")?;
    let d = basis.nrows();
    Ok(if full[d - 1].is_finite() {
        format!("{:.1} % of the gradient in the {d} directions of eigen", 100.0 * full[d - 1])
    } else {
        "the gradient is 0, so no share of it lies in the directions of eigen".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The density of a network whose Hessian is 0 was infinite at every point.
    #[test]
    fn a_spectrum_of_one_value_has_a_kernel() {
        assert!((spread((-1.0, 3.0)) - 4.0).abs() <= 0.0);
        assert!((spread((2.0, 2.0)) - 2.0).abs() <= 0.0);
        assert!((spread((0.0, 0.0)) - 1.0).abs() <= 0.0 && (spread((-1e-310, 1e-310)) - 1.0).abs() <= 0.0);
    }
}
