//! What `stream` would cost: every run goes on until all samples have come.

use experiment::cost::{Workload, part, product_seconds};
use landscape::Real;
use pipeline::Result;
use pipeline::shell::cost::{Cost, PlanContext};
use records::{Stream, Train};

use crate::rules::{COLUMNS, RULES};

/// Products of a solve for each pair: what the digits and MNIST took without a search for copies.
const PRODUCTS_PER_PAIR: f64 = 4.0;

/// Cost of `stream`.
pub fn of<R: Real>(params: &Stream, ctx: &PlanContext) -> Result<Cost> {
    if params.seeds == 0 {
        return Ok(Cost::default());
    }
    let work = Workload::<R>::new(ctx)?;
    let train: Train = ctx.section()?;
    let (seeds, dim) = (params.seeds as f64, params.dim.min(work.network.n_params()));
    let run = OfRun::count(params, work.shape.n);
    let (trained, judged) = (seeds * run.trained as f64, seeds * run.judged as f64);
    let solved = seeds * run.solved as f64 * PRODUCTS_PER_PAIR * dim as f64;
    let parts = vec![
        part(
            format!("{seeds} runs: steps over {trained:.1e} samples"),
            trained * work.flops_of_step(),
            trained * work.step_seconds(&train),
        ),
        part(
            format!("losses of {judged:.1e} draws and samples at most"),
            judged * work.flops_of_draw(dim),
            judged * work.draw_seconds(dim, params.draws, params.batch, usize::MAX),
        ),
        part(
            format!("Hessian-vector products over {solved:.1e} samples at most (by experience)"),
            solved * work.flops_of_product(),
            solved * product_seconds(&work.hessian(0)),
        ),
    ];
    let memory = memory_bytes(&work, params, dim);
    Ok(work.finish(parts, memory))
}

/// What one run does at most.
struct OfRun {
    /// samples that a gradient step sees
    trained: usize,
    /// losses of a draw at a sample
    judged: usize,
    /// samples over which a basis is found
    solved: usize,
}

impl OfRun {
    fn count(params: &Stream, n: usize) -> Self {
        let mut run = Self { trained: params.first_epochs * params.first, judged: 0, solved: 0 };
        let (mut k, mut of_basis) = (params.first, 0.0);
        while k + params.batch <= n {
            if k as f64 >= of_basis * params.basis_growth {
                of_basis = k as f64;
                run.solved += k;
            }
            run.judged += (params.draws + 1) * (k + params.batch);
            k += params.batch;
            run.trained += params.epochs * k;
        }
        // Each rule stops once at most, with its truth.
        run.judged += RULES.len() * params.truth_draws * n;
        run
    }
}

/// Every run keeps the samples in its order, its parameters and what its rules saw; those at work keep a table of losses, the
/// copies that it is made from and into, a basis and draws too.
fn memory_bytes<R: Real>(work: &Workload<R>, params: &Stream, dim: usize) -> f64 {
    let at_work = rayon::current_num_threads().min(params.seeds) as f64;
    let (n, features, p) =
        (work.shape.n as f64, work.network.widths()[0] as f64, work.network.n_params() as f64);
    let perturbed = work.weights().1 * params.draws.max(params.truth_draws) as f64;
    let seen = (8 * COLUMNS.len()) as f64 * n / params.batch as f64;
    params.seeds as f64 * (8.0 * n + seen + Workload::<R>::bytes(n * features + 4.0 * p))
        + at_work * 32.0 * params.draws as f64 * n
        + at_work * Workload::<R>::bytes((5 * dim) as f64 * p + perturbed)
}
