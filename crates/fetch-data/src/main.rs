//! `fetch-data`: samples from wherever they can be had, checked, in one stored order.

mod digits;
mod idx;
mod order;
mod own_files;
mod sources;

use std::process::ExitCode;

use anyhow::Result;
use ndarray::{Array1, Axis};
use pipeline::Failure;
use pipeline::progress::Progress;
use pipeline::shell::{Stage, StageContext};
use records::{Dataset, FetchData};
use store::artifact::Outputs;
use store::npy::{AnyArray, Element};
use store::rows::Rows;

struct FetchDataStage;

impl Stage for FetchDataStage {
    type Params = FetchData;
    const ABOUT: &'static str = "Fetches the samples, checks them and stores them in one fixed order";
    const CODE: &'static str = env!("CODE");

    fn run(params: &FetchData, ctx: &mut StageContext) -> Result<String> {
        run(params, ctx)
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<FetchDataStage>()
}

/// Raw inputs of one split, as they came.
pub enum Images {
    /// (N, D)
    U8(Rows<u8>),
    /// (N, D)
    F32(Rows<f32>),
    /// (N, D)
    F64(Rows<f64>),
}

/// What the network should say.
pub enum Labels {
    /// classes from 0, (N,)
    Classes(Array1<i64>),
    /// regression targets, (N,)
    Values(Array1<f64>),
}

/// One split.
pub struct Split {
    images: Images,
    labels: Labels,
}

/// A whole data set, before its order is decided.
pub struct Raw {
    train: Split,
    test: Option<Split>,
    /// what is told of where it comes from: the same whatever the source of the same bytes
    source: String,
    attribution: &'static str,
}

impl Split {
    /// (N, D)
    fn shape(&self) -> (usize, usize) {
        match &self.images {
            Images::U8(x) => x.dim(),
            Images::F32(x) => x.dim(),
            Images::F64(x) => x.dim(),
        }
    }

    /// Those of `rows` whose class is one of the first `classes`; all without such a number.
    fn of_classes(&self, rows: Vec<usize>, classes: Option<usize>) -> Result<Vec<usize>> {
        let Some(classes) = classes else { return Ok(rows) };
        let Labels::Classes(y) = &self.labels else {
            return Err(Failure::config(
                "fetch-data.classes: the labels are floats, so there are no classes",
                "set it to null, or store the labels as integers",
            )
            .into());
        };
        Ok(rows.into_iter().filter(|&i| usize::try_from(y[i]).is_ok_and(|y| y < classes)).collect())
    }

    /// Largest class of `rows` + 1, or 0 for regression.
    fn n_classes(&self, rows: &[usize]) -> usize {
        match &self.labels {
            Labels::Classes(y) => {
                rows.iter().map(|&i| y[i]).max().map_or(0, |y| usize::try_from(y).expect("not negative") + 1)
            }
            Labels::Values(_) => 0,
        }
    }
}

fn run(params: &FetchData, ctx: &mut StageContext) -> Result<String> {
    let raw = match params.dataset {
        Dataset::Digits => digits::read(&ctx.base.join(records::fetch_data::DIGITS))?,
        Dataset::Mnist => sources::fetch(&sources::MNIST, params, &ctx.base)?,
        Dataset::FashionMnist => sources::fetch(&sources::FASHION_MNIST, params, &ctx.base)?,
        Dataset::Files => {
            own_files::read(params.files.as_ref().expect("checked with the section"), &ctx.base)?
        }
    };
    let (n_source, n_features) = raw.train.shape();
    let (candidates, test) = match params.dataset {
        Dataset::Digits => {
            let (train, test) = digits::split(n_source, params.n_test, params.seed)?;
            (train, (!test.is_empty()).then_some((&raw.train, test)))
        }
        _ => ((0..n_source).collect(), raw.test.as_ref().map(|t| (t, (0..t.shape().0).collect()))),
    };
    let given = params.order_file.as_ref().map(|path| ctx.base.join(path));
    let mut order = order::decide(&params.order, candidates, given.as_deref(), params.seed)?;
    order = raw.train.of_classes(order, params.classes)?;
    let test =
        test.map(|(t, rows)| Ok::<_, anyhow::Error>((t, t.of_classes(rows, params.classes)?))).transpose()?;
    let n = params.n_samples.unwrap_or(order.len());
    if n > order.len() {
        let message = format!("fetch-data.n_samples: {n} wanted, but there are {}", order.len());
        return Err(Failure::config(message, "lower it, or set it to null for all").into());
    }
    order.truncate(n);
    let n_test = test.as_ref().map_or(0, |(_, rows)| rows.len());
    let n_classes = raw.train.n_classes(&order).max(test.as_ref().map_or(0, |(t, rows)| t.n_classes(rows)));

    write_split(ctx, "train", &raw.train, &order)?;
    if let Some((test, rows)) = &test {
        write_split(ctx, "test", test, rows)?;
    }
    let out = &mut ctx.outputs;
    out.write_sizes("sample_order.npy", &order, "row", "row number in the source of each sample, (N,)")?;
    out.fact("n_samples", n)?;
    out.fact("n_test", n_test)?;
    out.fact("n_features", n_features)?;
    out.fact("n_classes", n_classes)?;
    out.fact("normalisation", params.normalisation)?;
    out.fact("source", raw.source)?;
    out.fact("attribution", raw.attribution)?;
    let kind = if n_classes == 0 { "regression".to_owned() } else { format!("{n_classes} classes") };
    Ok(format!("{n} + {n_test} samples of {n_features} features, {kind}"))
}

/// The rows `rows` of a split, in that order.
fn write_split(ctx: &mut StageContext, name: &str, split: &Split, rows: &[usize]) -> Result<()> {
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
        Labels::Values(y) => {
            out.write(&labels, &y.select(Axis(0), rows), "target", "regression targets, (N,)")?;
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
) -> Result<()> {
    let mut written = out.begin_rows::<T>(file, &[rows.len(), x.dim().1])?;
    for some in rows.chunks(1024) {
        for &i in some {
            x.with(i..i + 1, |row| written.append(&row))??;
        }
        progress.add(some.len());
    }
    Ok(out.end(written, "raw", "raw inputs, (N, D)")?)
}

/// Classes as they are stored, or an error that names the first that is negative.
pub fn classes(array: &AnyArray, name: &str) -> Result<Array1<i64>> {
    let flat = match array {
        AnyArray::U8(y) => y.mapv(i64::from),
        AnyArray::I64(y) => y.clone(),
        other => {
            return Err(
                Failure::input(format!("{name}: holds {}", other.dtype()), "integers are needed").into()
            );
        }
    };
    let flat = flat.into_dimensionality::<ndarray::Ix1>().map_err(|_| {
        Failure::input(format!("{name}: shape {:?}; (N,) is needed", array.shape()), "numpy.ravel it")
    })?;
    match flat.iter().position(|&y| !(0..=1_000_000).contains(&y)) {
        None => Ok(flat),
        Some(i) => Err(Failure::input(
            format!("{name}: row {i} is class {}; classes count from 0", flat[i]),
            "renumber the classes; for regression store the targets as floats",
        )
        .into()),
    }
}
