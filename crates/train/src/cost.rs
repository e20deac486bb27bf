//! What `train` would cost: its epochs, at most, with what a stop looks at, then the products of a polish, at most, and one pass
//! for the losses and the gradient at w*.

use experiment::cost::{Workload, cached_bytes, part, product_seconds};
use landscape::Real;
use pipeline::Result;
use pipeline::shell::cost::{Cost, Part, PlanContext};
use records::{Polish, Train};

/// Cost of `train`.
pub fn of<R: Real>(params: &Train, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let (first, rest) = work.weights();
    let (n, n_test) = (work.shape.n as f64, work.shape.n_test as f64);
    let n_held_out = params.n_held_out(work.shape.n);
    let n_trained = work.shape.n - n_held_out;
    let epochs = if params.weights.is_some() { vec![] } else { params.samples_of_epochs(n_trained) };
    let (epochs, trained) = (epochs.len() as f64, epochs.iter().sum::<usize>() as f64);
    let each = work.step_seconds(params);
    let mut parts = vec![
        part(
            format!("{epochs} epochs over {n_trained} samples"),
            trained * work.flops_of_step(),
            trained * each,
        ),
        // A forward pass is a third of a step.
        part(
            "losses and the gradient at w*".to_owned(),
            (epochs * n_test + 2.0 * n) * 2.0 * (first + rest),
            (epochs * n_test + 2.0 * n) * each / 3.0,
        ),
    ];
    let mut memory =
        work.shape.inputs_bytes(work.shape.n) + Workload::<R>::bytes(8.0 * work.network.n_params() as f64);
    if let Some(stop) = params.stop {
        // Before the first epoch, too.
        let looks = epochs + 1.0;
        let gradients = if stop.gradient_norm.is_some() { looks * n_trained as f64 } else { 0.0 };
        let losses = looks * n_held_out as f64;
        parts.push(part(
            "looks of train.stop, if no rule is met".to_owned(),
            gradients * work.flops_of_step() + losses * 2.0 * (first + rest),
            (gradients + losses / 3.0) * each,
        ));
        // Held-out samples, and the others beside them where their gradient is asked for, are in memory as network inputs.
        let gathered = match (n_held_out, stop.gradient_norm) {
            (0, _) => 0,
            (_, None) => n_held_out,
            (_, Some(_)) => work.shape.n,
        };
        memory += Workload::<R>::bytes((gathered * work.network.widths()[0]) as f64);
    }
    if let Some(request) = &params.polish {
        let (loop_of_products, bytes) = polish(request, ctx)?;
        parts.push(loop_of_products);
        memory += bytes;
    }
    Ok(work.finish(parts, memory))
}

/// Products of the polish, which is in f64 whatever the precision of training, with the bytes that it keeps.
///
/// Most polishes need two searches for the most negative eigenvalue, and a product takes longer than the steps around it.
fn polish(request: &Polish, ctx: &PlanContext) -> Result<(Part, f64)> {
    let work = Workload::<f64>::new(ctx)?;
    let n = work.shape.n as f64;
    let sum = work.hessian(request.primal_cache_mib);
    let each = product_seconds(&sum);
    let cached = cached_bytes(&sum, n, request.primal_cache_mib);
    drop(sum);
    let count = (request.max_products + 2 * request.eigen_products) as f64;
    let what = format!("polish: at most {count} Hessian-vector products over {n} samples");
    // Directions of a search, beside the vectors of a step.
    let vectors = (request.eigen_products.max(20) + 8) * work.network.n_params();
    Ok((
        part(what, count * n * work.flops_of_product(), count * n * each),
        cached + Workload::<f64>::bytes(vectors as f64),
    ))
}
