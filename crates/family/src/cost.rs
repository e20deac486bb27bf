//! What `family` would cost: the losses of every member but the largest over the largest one's samples, in f32.

use experiment::cost::{Workload, part};
use pipeline::Result;
use pipeline::shell::cost::{Cost, PlanContext};
use records::{Family, MonteCarlo};

/// Cost of `family`.
pub fn of(params: &Family, ctx: &PlanContext) -> Result<Cost> {
    let members = params.members();
    let planned = members.iter().map(|member| {
        let ctx = ctx.member(&member.name);
        let montecarlo: MonteCarlo = ctx.section()?;
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
                + 4.0 * (2 * dim * work.network.n_params()) as f64
                + weights.min((montecarlo.weights_mib << 20) as f64),
        );
    }
    let (work, montecarlo) = planned.into_iter().next().expect("a family has members");
    let dim = montecarlo.settings[0].dim;
    let each = work.draw_seconds(dim, params.draws, montecarlo.step, montecarlo.weights_mib << 20)
        / work.flops_of_draw(dim);
    let what = format!(
        "losses of {} draws at each of {evaluated} members, over the largest one's samples",
        params.draws
    );
    Ok(work.finish(vec![part(what, flops, flops * each)], memory))
}
