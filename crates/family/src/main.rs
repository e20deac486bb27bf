//! `family`: joins the members of a family: mean spectrum, learning curve, angles between subspaces, Δ_k at retrained
//! minimisers, and K beside the point where the learning curve is flat.

mod cost;
mod curves;
mod forecast;
mod members;

use std::process::ExitCode;

use ndarray::{Array2, Array3};
use pipeline::Result;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext};
use records::Family;
use records::family::{Curves, Members};

use crate::members::{Found, Variant};

struct FamilyStage;

impl Stage for FamilyStage {
    type Params = Family;
    const ABOUT: &'static str =
        "Joins the members of a family: mean spectrum, learning curve, angles, K against flattening";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Family, ctx: &PlanContext) -> Result<Cost> {
        cost::of(params, ctx)
    }

    fn run(params: &Family, ctx: &mut StageContext) -> Result<String> {
        let members = members::read_all(params, ctx)?;
        write_arrays(ctx, &members)?;
        let variants = Variant::each(&members);
        let curves = variants.iter().map(|v| curves::of(params, v)).collect::<Vec<_>>();
        let forecasts = forecast::of(params, &variants);
        let gains = forecasts.forecasts.iter().map(|f| f.tolerance_of_gain.map(|found| found.gain));
        let lines = curves.iter().zip(gains).map(|(ladder, gain)| curves::line(ladder, gain));
        let line = format!("{} members: {}", members.len(), lines.collect::<Vec<_>>().join("; "));
        for forecast in &forecasts.forecasts {
            forecast.warnings.iter().for_each(|warning| ctx.warn(warning.as_str()));
        }
        ctx.outputs.document(&forecasts)?;
        ctx.outputs.document(&Curves { curves })?;
        ctx.outputs.document(&Members { members: members.into_iter().map(|m| m.result).collect() })?;
        Ok(line)
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<FamilyStage>()
}

/// Losses and errors of the test samples; none without any.
fn tested(member: &Found) -> (&[f64], &[f64]) {
    let tested = member.tested.as_ref();
    let wrong = tested.and_then(|t| t.wrong.as_deref());
    (tested.map_or(&[], |t| &t.losses), wrong.unwrap_or(&[]))
}

fn write_arrays(ctx: &mut StageContext, members: &[Found]) -> Result<()> {
    let padded = |of: &dyn Fn(&Found) -> &[f64]| {
        let d = members.iter().map(|m| of(m).len()).max().unwrap_or(0);
        Array2::from_shape_fn((members.len(), d), |(m, i)| {
            of(&members[m]).get(i).copied().unwrap_or(f64::NAN)
        })
    };
    let eigenvalues = padded(&|m| &m.eigenvalues);
    let cosines = padded(&|m| &m.cosines);
    let (losses, wrong) = (padded(&|m| tested(m).0), padded(&|m| tested(m).1));
    let n_sizes = members.iter().map(|m| m.changes.len()).max().unwrap_or(0);
    let changes = Array3::from_shape_fn((members.len(), n_sizes, 2), |(m, i, column)| {
        members[m].changes.get(i).map_or(f64::NAN, |&(k, change)| [k as f64, change][column])
    });
    let out = &mut ctx.outputs;
    let meaning = "top Ritz values of each member, (members, d)";
    out.write("eigenvalues.npy", &eigenvalues, "loss / parameter unit^2", meaning)?;
    let meaning = "k (samples) and the mean of |L_{k+s} - L_k| at w* over random orders, (members, sizes, 2)";
    out.write("change_at_minimiser.npy", &changes, "samples, loss", meaning)?;
    let meaning = "of each member at each of its test samples, (members, M)";
    out.write("test_loss.npy", &losses, "loss", meaning)?;
    let meaning = "1 where a member classifies a test sample wrong, else 0, (members, M)";
    out.write("test_wrong.npy", &wrong, "1", meaning)?;
    let meaning = "of the angles between P_k and P_N of the same replica, (members, d)";
    Ok(out.write("cosines.npy", &cosines, "1", meaning)?)
}
