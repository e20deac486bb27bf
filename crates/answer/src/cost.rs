//! What `answer` would cost: the losses of the first batches, and about as many as the requested precision takes.

use experiment::cost::{Workload, part};
use landscape::Real;
use pipeline::Result;
use pipeline::log::percent;
use pipeline::shell::cost::{Cost, PlanContext};
use records::{Answer, Eigen};

/// Losses for an interval of V of ± 5 % on MNIST and Fashion-MNIST at σ = 1, after the first batches (docs/method.md, section 2.1).
const LOSSES_AT_5_PERCENT: f64 = 0.9e6;

/// Samples of which some draws are taken at that precision: MNIST and Fashion-MNIST took 4,000 to 9,000.
const SAMPLES_AT_5_PERCENT: f64 = 1e4;

/// Draws at all samples, over their number, of which more add little to what the samples leave: 2 to 25 in most runs,
/// 23 on digits.
const DRAWS_PER_SAMPLE: f64 = 8.0;

/// Losses beyond the first batches until V is known to `half_width`, or as well as all `n` samples allow.
fn losses(half_width: f64, n: usize) -> f64 {
    let n = n as f64;
    // The cost goes with the inverse square of the variance.
    (LOSSES_AT_5_PERCENT * (0.05 / half_width).powi(4)).min(n * (DRAWS_PER_SAMPLE * n).max(256.0))
}

/// Cost of `answer`.
pub fn of<R: Real>(params: &Answer, ctx: &PlanContext) -> Result<Cost> {
    let Some(half_width) = params.half_width else { return Ok(Cost::default()) };
    let work = Workload::<R>::new(ctx)?;
    let dim = match params.dim {
        Some(dim) => dim,
        None => ctx.section::<Eigen>()?.dim,
    };
    let first = 2.0 * (params.first_samples.min(work.shape.n) * params.first_draws) as f64;
    let losses = (first + losses(half_width, work.shape.n)).min(params.max_losses);
    let draws = params.first_draws.max(1024);
    let each = work.draw_seconds(dim, draws, 1, params.weights_mib << 20);
    let what = format!(
        "about {losses:.1e} losses, until V is known to {}, or as well as all samples allow",
        percent(half_width)
    );
    // All samples, and a copy of those that take part.
    let samples = (SAMPLES_AT_5_PERCENT * (0.05 / half_width).powi(2)).min(work.shape.n as f64);
    let bytes = work.shape.inputs_bytes(work.shape.n) * (1.0 + samples / work.shape.n as f64)
        + ((params.weights_mib << 20) as f64)
        + Workload::<R>::bytes(dim as f64 * work.network.n_params() as f64);
    let part = part(what, losses * work.flops_of_draw(dim), losses * each);
    Ok(work.finish(vec![part], bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 samples cannot say V to ± 0.5 %: they took 7.2 million losses, where 100 million were foretold.
    #[test]
    fn no_more_losses_than_all_samples_can_use() {
        assert_eq!(losses(0.05, 60_000).to_string(), "900000");
        assert_eq!(losses(0.025, 60_000).to_string(), "14400000");
        assert_eq!([losses(0.005, 1000), losses(1e-9, 1000)].map(|l| l.to_string()), ["8000000", "8000000"]);
        assert_eq!(losses(0.005, 10).to_string(), "2560");
    }
}
