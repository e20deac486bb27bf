//! Landscapes: L_k and its change on a grid over two directions.

use landscape::Real;
use landscape::change::surface::{Landscape, landscape};
use landscape::passes::draws::Draws;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use pipeline::Result;
use pipeline::progress::Progress;
use pipeline::shell::StageContext;
use records::Grid;
use store::checkpoint::Checkpoint;

use crate::rounds::draws_of_a_turn;
use crate::{Trained, directions};

/// One landscape.
pub fn run<R: Real>(ctx: &mut StageContext, trained: &Trained<R>, grid: &Grid) -> Result<()> {
    let basis = directions(ctx, &trained.network, grid.basis, 2)?;
    let sizes = grid.sizes(trained.samples.len(), trained.step);
    let g = grid.points;
    let axis = Array1::linspace(-grid.extent, grid.extent, g);
    let theta = Array2::from_shape_fn((g * g, 2), |(t, j)| axis[if j == 0 { t / g } else { t % g }]);
    let progress = ctx
        .progress(theta.nrows() * trained.samples.len(), &format!("montecarlo: grid {}: losses", grid.name));
    let draws = trained.draws(&basis, &trained.samples);
    let Landscape { loss, change } =
        points(ctx, grid, &draws, theta.view(), trained.step, &sizes, &progress)?;
    drop(progress);
    let surface =
        |flat: Array2<f64>| flat.into_shape_with_order((sizes.len(), g, g)).expect("(sizes, g·g) values");
    let path = |file: &str| format!("grid_{}/{file}.npy", grid.name);

    let out = &mut ctx.outputs;
    out.write(&path("axis"), &axis, "parameter units", "coordinates along both axes, (G,)")?;
    out.write_sizes(&path("prefix_sizes"), &sizes, "samples", "prefix sizes of the surfaces, (m,)")?;
    out.write(&path("loss"), &surface(loss), "loss", "L_k, (m, G, G)")?;
    Ok(out.write(&path("change"), &surface(change), "loss^2", "(L_{k+s} - L_k)^2, (m, G, G)")?)
}

/// The landscape at all points, some of them at a time: it may stop between.
fn points<R: Real>(
    ctx: &StageContext,
    grid: &Grid,
    draws: &Draws<R>,
    theta: ArrayView2<f64>,
    step: usize,
    sizes: &[usize],
    progress: &Progress,
) -> Result<Landscape> {
    let of = format!("grid-{}", grid.name);
    let empty = || Array2::zeros((sizes.len(), 0));
    let read = |saved: &Checkpoint| {
        let shape = (sizes.len(), saved.facts::<usize>()?);
        let array = |name| Array2::from_shape_vec(shape, saved.array(name, shape.0 * shape.1)?.to_vec()).ok();
        Some(Landscape { loss: array("loss")?, change: array("change")? })
    };
    let mut found = ctx.resume(&of, read).unwrap_or_else(|| Landscape { loss: empty(), change: empty() });
    progress.add(found.loss.ncols() * draws.samples.len());
    let state = |found: &Landscape| {
        let saved = Checkpoint::new(&found.loss.ncols());
        saved.with("loss", found.loss.iter().copied()).with("change", found.change.iter().copied())
    };
    while found.loss.ncols() < theta.nrows() {
        let begin = found.loss.ncols();
        let end = (begin + draws_of_a_turn(draws)).min(theta.nrows());
        let more = landscape(draws, theta.slice(s![begin..end, ..]), step, sizes, &mut |n| progress.add(n));
        found.loss =
            concatenate(Axis(1), &[found.loss.view(), more.loss.view()]).expect("a row for each size");
        found.change =
            concatenate(Axis(1), &[found.change.view(), more.change.view()]).expect("a row for each size");
        ctx.may_stop(&of, format_args!("point {end} of {} of a landscape", theta.nrows()), || state(&found))?;
    }
    ctx.ended(&of, state(&found));
    let standard = |array: Array2<f64>| array.as_standard_layout().into_owned();
    Ok(Landscape { loss: standard(found.loss), change: standard(found.change) })
}
