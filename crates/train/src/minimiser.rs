//! After training: to a minimiser, with what that changed.

use experiment::recorded::{Recorded, solved};
use landscape::training::polish::{self, MeanLoss, PolishEnd, Request, polish};
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2};
use pipeline::Result;
use pipeline::shell::StageContext;
use records::train::Polished;
use records::{Polish, Train, name_of};
use store::npy::Element;

/// Columns of `polish_path.npy`.
const PATH_COLUMNS: [&str; 5] = ["n_products", "loss", "gradient_norm", "radius", "negative_curvature"];

/// Polishes `w` in f64, whatever the precision of training; writes the path and what stood before. Returns w* and what changed.
pub fn polish_and_write<R: Real + Element>(
    request: &Polish,
    params: &Train,
    ctx: &mut StageContext,
    network: &Network,
    w: &Array1<R>,
    train: &Samples,
) -> Result<(Array1<f64>, Polished)> {
    let objective = MeanLoss { network, samples: train, cache_bytes: request.primal_cache_mib << 20 };
    let progress = ctx.progress_at_most(request.max_products, "train: polish: Hessian-vector products");
    let asked = Request {
        gradient_norm: request.gradient_norm,
        curvature: request.curvature,
        max_products: request.max_products,
        eigen_products: request.eigen_products,
        seed: params.seed,
    };
    let journal = ctx.journal("polish");
    let recorded = Recorded::new(objective, &journal);
    let found = solved(None, || polish(&recorded, w.mapv(R::wide), &asked, &mut |n| progress.add(n)))?;
    journal.end();
    drop(progress);

    write(ctx, w, &found)?;
    let polished = record(request, w, &found);
    if found.status != PolishEnd::Reached {
        ctx.warn(format!(
            "train: polish: {} at |grad| {:.1e}, smallest eigenvalue {:.1e}; {:.1e} was asked for",
            name_of(polished.status),
            polished.gradient_norm_after,
            found.after.value,
            request.gradient_norm
        ));
    }
    Ok((found.w, polished))
}

/// Where training stopped, and the path from there.
fn write<R: Real + Element>(ctx: &mut StageContext, w: &Array1<R>, found: &polish::Polished) -> Result<()> {
    let meaning = "parameters where training stopped, before the polish, (p,)";
    ctx.outputs.write("w_trained.npy", w, "parameter units", meaning)?;
    let path = found.path.iter().flat_map(|p| {
        [p.n_products as f64, p.value, p.gradient_norm, p.radius, f64::from(u8::from(p.negative_curvature))]
    });
    let path = Array2::from_shape_vec((found.path.len(), PATH_COLUMNS.len()), path.collect())
        .expect("a row for each step");
    let meaning = "a row a step; row 0 before the polish";
    Ok(ctx.outputs.write("polish_path.npy", &path, "see path_columns", meaning)?)
}

/// What the polish of `w` changed.
fn record<R: Real>(request: &Polish, w: &Array1<R>, found: &polish::Polished) -> Polished {
    let (first, last) = (found.path[0], found.path[found.path.len() - 1]);
    let moved = &found.w - &w.mapv(R::wide);
    Polished {
        status: found.status,
        path_columns: PATH_COLUMNS.map(str::to_owned).to_vec(),
        gradient_norm_wanted: request.gradient_norm,
        n_steps: found.path.len() - 1,
        n_products: last.n_products,
        n_escapes: found.n_escapes,
        negative_curvature_steps: found.path.iter().filter(|p| p.negative_curvature).count(),
        distance: moved.dot(&moved).sqrt(),
        loss_before: first.value,
        loss_after: last.value,
        gradient_norm_before: first.gradient_norm,
        gradient_norm_after: last.gradient_norm,
        smallest_eigenvalue_before: found.before.value,
        smallest_eigenvalue_before_residual: found.before.residual,
        smallest_eigenvalue_after: found.after.value,
        smallest_eigenvalue_after_residual: found.after.residual,
    }
}

/// What the user sees of it when the stage ends.
pub fn line(polished: &Polished) -> String {
    format!(
        "; polish {}: |grad| from {:.1e} to {:.1e}, smallest eigenvalue from {:.1e} to {:.1e}, {} products",
        name_of(polished.status),
        polished.gradient_norm_before,
        polished.gradient_norm_after,
        polished.smallest_eigenvalue_before,
        polished.smallest_eigenvalue_after,
        polished.n_products
    )
}
