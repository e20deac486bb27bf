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
    let epochs = if params.weights.is_some() { vec![] } else { params.samples_of_epochs(work.shape.n) };
    let (epochs, trained) = (epochs.len() as f64, epochs.iter().sum::<usize>() as f64);
    let each = work.step_seconds(params);
    let parts = vec![
        part(format!("{epochs} epochs over {n} samples"), trained * work.flops_of_step(), trained * each),
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
