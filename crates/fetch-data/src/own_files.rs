//! The user's own arrays: X (N, D) and y (N,).

use std::path::Path;

use anyhow::Result;
use ndarray::{Array2, ArrayD, Ix1, Ix2};
use pipeline::Failure;
use pipeline::progress::Progress;
use records::OwnFiles;
use store::npy::{AnyArray, Element};
use store::rows::Rows;
use store::{npy, npz};

use crate::{Images, Labels, Raw, Split, classes};

/// Reads and checks both splits; paths are relative to `base`.
pub fn read(files: &OwnFiles, base: &Path) -> Result<Raw> {
    let train = read_split(&base.join(&files.train_x), &base.join(&files.train_y))?;
    let test = match (&files.test_x, &files.test_y) {
        (Some(x), Some(y)) => Some(read_split(&base.join(x), &base.join(y))?),
        _ => None,
    };
    if train.shape().0 < 2 {
        let message = format!("{}: {} samples", files.train_x.display(), train.shape().0);
        return Err(Failure::input(message, "at least two are needed").into());
    }
    if let (Some(test), Some(path)) = (&test, &files.test_y)
        && std::mem::discriminant(&test.labels) != std::mem::discriminant(&train.labels)
    {
        let kind = |labels: &Labels| match labels {
            Labels::Classes(_) => "integers (classes)",
            Labels::Values(_) => "floats (targets)",
        };
        let (found, needed) = (kind(&test.labels), kind(&train.labels));
        let message =
            format!("{}: holds {found}, but {} holds {needed}", path.display(), files.train_y.display());
        return Err(Failure::input(message, "store both alike: y.astype('<i8') for classes").into());
    }
    if let (Some(test), Some(path)) = (&test, &files.test_x) {
        let (found, needed) = (test.shape().1, train.shape().1);
        if found != needed {
            let message =
                format!("{}: {found} features, but the training split has {needed}", path.display());
            return Err(Failure::input(message, "both splits need the same features").into());
        }
    }
    let source = format!("{}, {}", files.train_x.display(), files.train_y.display());
    Ok(Raw { train, test, source, attribution: "the user's own files" })
}

fn read_split(x: &Path, y: &Path) -> Result<Split> {
    let images = read_images(x)?;
    let labels = match read_array(y, "y")? {
        AnyArray::F32(values) => values_of(values.mapv(f64::from), y)?,
        AnyArray::F64(values) => values_of(values, y)?,
        integers => Labels::Classes(classes(&integers, &y.display().to_string())?),
    };
    let split = Split { images, labels };
    let n_labels = match &split.labels {
        Labels::Classes(y) => y.len(),
        Labels::Values(y) => y.len(),
    };
    if n_labels != split.shape().0 {
        return Err(Failure::input(
            format!(
                "{}: {n_labels} labels, but {} has {} samples",
                y.display(),
                x.display(),
                split.shape().0
            ),
            "row i of y belongs to row i of X",
        )
        .into());
    }
    Ok(split)
}

fn read_array(path: &Path, key: &str) -> Result<AnyArray> {
    if path.extension().is_some_and(|e| e == "npz") {
        Ok(npz::read(path, key)?)
    } else {
        Ok(npy::read_any(path)?)
    }
}

/// X (N, D) of a `.npy` file, which may be larger than memory, or of an archive.
fn read_images(path: &Path) -> Result<Images> {
    let images = if path.extension().is_some_and(|e| e == "npz") {
        match npz::read(path, "x")? {
            AnyArray::U8(a) => Images::U8(Rows::Memory(matrix(a, path)?)),
            AnyArray::F32(a) => Images::F32(Rows::Memory(matrix(a, path)?)),
            AnyArray::F64(a) => Images::F64(Rows::Memory(matrix(a, path)?)),
            other @ AnyArray::I64(_) => return Err(wrong_type(path, other.dtype())),
        }
    } else {
        let (shape, dtype) = npy::peek(path)?;
        if shape.len() != 2 {
            return Err(wrong_shape(path, &shape));
        }
        match dtype.as_str() {
            "|u1" => Images::U8(Rows::open(path)?),
            "<f4" => Images::F32(Rows::open(path)?),
            "<f8" => Images::F64(Rows::open(path)?),
            other => return Err(wrong_type(path, other)),
        }
    };
    match &images {
        Images::U8(_) => {}
        Images::F32(x) => finite(x, path, |v| v.is_finite())?,
        Images::F64(x) => finite(x, path, |v| v.is_finite())?,
    }
    Ok(images)
}

fn wrong_type(path: &Path, found: &str) -> anyhow::Error {
    Failure::input(
        format!("{}: holds {found}; u8, f32 or f64 is needed", path.display()),
        "convert it in NumPy: X.astype('<f4')",
    )
    .into()
}

fn wrong_shape(path: &Path, shape: &[usize]) -> anyhow::Error {
    let message = format!("{}: shape {shape:?}; (N, D) is needed", path.display());
    Failure::input(message, "flatten each sample: X.reshape(len(X), -1)").into()
}

fn matrix<T>(array: ArrayD<T>, path: &Path) -> Result<Array2<T>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality::<Ix2>().map_err(|_| wrong_shape(path, &shape))
}

/// Rows that are looked through at once.
const ROWS_AT_ONCE: usize = 4096;

fn finite<T: Element>(x: &Rows<T>, path: &Path, is_finite: impl Fn(&T) -> bool) -> Result<()> {
    let n = x.dim().0;
    let progress = Progress::new(n, "fetch-data: samples looked through");
    for begin in (0..n).step_by(ROWS_AT_ONCE) {
        progress.add(ROWS_AT_ONCE.min(n - begin));
        let found = x.with(begin..(begin + ROWS_AT_ONCE).min(n), |rows| {
            rows.indexed_iter().find(|(_, v)| !is_finite(v)).map(|(at, _)| at)
        })?;
        if let Some((row, column)) = found {
            let message = format!("{}: row {}, column {column} is not finite", path.display(), begin + row);
            return Err(Failure::input(message, "remove or fill missing values first").into());
        }
    }
    Ok(())
}

fn values_of(values: ArrayD<f64>, path: &Path) -> Result<Labels> {
    let shape = values.shape().to_vec();
    let values = values.into_dimensionality::<Ix1>().map_err(|_| {
        Failure::input(format!("{}: shape {shape:?}; (N,) is needed", path.display()), "numpy.ravel it")
    })?;
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(Labels::Values(values)),
        Some(row) => {
            let message = format!("{}: row {row} is {}", path.display(), values[row]);
            Err(Failure::input(message, "remove or fill missing targets first").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array3, array};
    use store::rows;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn split(&self) -> Result<Split, String> {
            read_split(&self.0.path().join("x.npy"), &self.0.path().join("y.npy")).map_err(|e| e.to_string())
        }
        fn x<D: ndarray::Dimension, T: npy::Element>(&self, x: &ndarray::Array<T, D>) -> &Self {
            rows::write(&self.0.path().join("x.npy"), x).unwrap();
            self
        }
        fn y<T: npy::Element>(&self, y: &Array1<T>) -> &Self {
            rows::write(&self.0.path().join("y.npy"), y).unwrap();
            self
        }
    }

    #[test]
    fn types_are_kept_and_faults_named() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let good = dir.x(&array![[1.0_f32, 2.0], [3.0, 4.0]]).y(&array![1_i64, 0]).split().unwrap();
        assert!(matches!((&good.images, &good.labels), (Images::F32(_), Labels::Classes(_))));
        assert_eq!(good.n_classes(&[0, 1]), 2);
        assert!(matches!(dir.y(&array![0.5_f32, 1.0]).split().unwrap().labels, Labels::Values(_)));

        let fault = |dir: &Dir| dir.split().map(|_| ()).unwrap_err();
        assert!(fault(dir.y(&array![1_i64, -2])).contains("row 1 is class -2"));
        assert!(fault(dir.y(&array![1_u8])).contains("1 labels, but"));
        assert!(fault(dir.y(&array![1.0, f64::NAN])).contains("row 1 is NaN"));
        assert!(fault(dir.x(&array![[1.0, f64::INFINITY]])).contains("row 0, column 1 is not finite"));
        assert!(fault(dir.x(&array![[1_i64, 2]])).contains("holds <i8; u8, f32 or f64"));
        assert!(fault(dir.x(&Array3::<u8>::zeros((2, 2, 2)))).contains("shape [2, 2, 2]; (N, D)"));
    }

    #[test]
    fn an_archive_holds_x_and_y() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.npz");
        let arrays = [
            ("x".to_owned(), array![[1.0], [2.0]].into_dyn()),
            ("y".to_owned(), array![3.0, 4.0].into_dyn()),
        ];
        npz::write(&path, &arrays).unwrap();
        assert_eq!(read_split(&path, &path).unwrap().shape(), (2, 1));
        npz::write(&path, &arrays[..1]).unwrap();
        assert!(
            read_split(&path, &path)
                .map(|_| ())
                .unwrap_err()
                .to_string()
                .contains("no array \"y\"; it holds x")
        );
    }
}
