//! The arrays and facts of this stage.

use ndarray::Axis;
use pipeline::progress::Progress;
use pipeline::shell::StageContext;
use records::fetch_data::Facts;
use records::{Dataset, FetchData};
use store::artifact::Outputs;
use store::npy::Element;
use store::rows::Rows;

use crate::error::FetchError;
use crate::order::Chosen;
use crate::split::{Images, Labels, Split};

/// Rows that are written between two looks at the progress.
const ROWS_AT_ONCE: usize = 1024;

/// Both splits and the order.
pub fn arrays(ctx: &mut StageContext, train: &Split, chosen: &Chosen) -> Result<(), FetchError> {
    write_split(ctx, "train", train, &chosen.train)?;
    if let Some((test, rows)) = &chosen.test {
        write_split(ctx, "test", test, rows)?;
    }
    let meaning = "row number in the source of each sample, (N,)";
    Ok(ctx.outputs.write_sizes("sample_order.npy", &chosen.train, "row", meaning)?)
}

/// The facts; returns the line that the user sees.
pub fn facts(
    ctx: &mut StageContext,
    params: &FetchData,
    train: &Split,
    chosen: &Chosen,
) -> Result<String, FetchError> {
    let (source, attribution) = match (params.dataset, &params.files) {
        (Dataset::Known(entry), _) => (entry.identity(), entry.attribution),
        (Dataset::Files, files) => {
            let files = files.as_ref().expect("checked with the section");
            (format!("{}, {}", files.train_x.display(), files.train_y.display()), "the user's own files")
        }
    };
    let (n, n_test, n_classes) = (chosen.train.len(), chosen.n_test(), chosen.n_classes);
    let (n_features, n_targets) = (train.shape().1, train.labels.n_targets());
    let image = params.image(&ctx.base).map_err(|unfit| FetchError::Image { reason: unfit.reason })?;
    ctx.outputs.facts(&Facts {
        n_samples: n,
        n_test,
        n_features,
        image: image.filter(|image| image[1] * image[2] > 1),
        n_classes,
        n_targets,
        normalisation: params.normalisation(),
        source,
        attribution: attribution.to_owned(),
    })?;
    let kind = match (n_classes, n_targets) {
        (0, 1) => "regression".to_owned(),
        (0, _) => format!("regression of {n_targets} targets"),
        _ => format!("{n_classes} classes"),
    };
    Ok(format!("{n} + {n_test} samples of {n_features} features, {kind}"))
}

/// The rows `rows` of a split, in that order.
fn write_split(ctx: &mut StageContext, name: &str, split: &Split, rows: &[usize]) -> Result<(), FetchError> {
    let (images, labels) = (format!("{name}_images.npy"), format!("{name}_labels.npy"));
    let progress = ctx.progress(rows.len(), &format!("fetch-data: {name}: samples"));
    let out = &mut ctx.outputs;
    match &split.images {
        Images::U8(x) => write_rows(out, &images, x, rows, &progress)?,
        Images::F32(x) => write_rows(out, &images, x, rows, &progress)?,
        Images::F64(x) => write_rows(out, &images, x, rows, &progress)?,
    }
    drop(progress);
    match &split.labels {
        Labels::Classes(y) => {
            out.write(&labels, &y.select(Axis(0), rows), "class", "classes from 0, (N,)")?;
        }
        Labels::Values(y) if y.ncols() == 1 => {
            let y = y.column(0).select(Axis(0), rows);
            out.write(&labels, &y, "target", "regression targets, (N,)")?;
        }
        Labels::Values(y) => {
            out.write(&labels, &y.select(Axis(0), rows), "target", "regression targets, (N, C)")?;
        }
    }
    Ok(())
}

fn write_rows<T: Element>(
    out: &mut Outputs,
    file: &str,
    x: &Rows<T>,
    rows: &[usize],
    progress: &Progress,
) -> Result<(), FetchError> {
    let mut written = out.begin_rows::<T>(file, &[rows.len(), x.dim().1])?;
    for some in rows.chunks(ROWS_AT_ONCE) {
        for &i in some {
            x.with(i..i + 1, |row| written.append(&row))??;
        }
        progress.add(some.len());
    }
    Ok(out.end(written, "raw", "raw inputs, (N, D)")?)
}
