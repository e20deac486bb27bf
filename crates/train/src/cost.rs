//! What `train` would cost: its epochs, then one pass for the losses and the gradient at w*.

use anyhow::Result;
use experiment::cost::{Workload, part};
use landscape::Real;
use pipeline::shell::cost::{Cost, PlanContext};
use records::Train;

/// Cost of `train`.
pub fn of<R: Real>(params: &Train, ctx: &PlanContext) -> Result<Cost> {
    let work = Workload::<R>::new(ctx)?;
    let (first, rest) = work.weights();
    let (n, n_test) = (work.shape.n as f64, work.shape.n_test as f64);
    let epochs = if params.weights.is_some() { 0.0 } else { params.epochs as f64 };
    let each = work.step_seconds(params);
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
        work.shape.inputs_bytes(work.shape.n) + Workload::<R>::bytes(8.0 * work.network.n_params() as f64);
    Ok(work.finish(parts, memory))
}
