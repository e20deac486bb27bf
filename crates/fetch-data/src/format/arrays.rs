//! The user's own arrays: X (N, D) and y (N,).

use std::path::Path;

use ndarray::{Array1, Array2, ArrayD, Dimension, Ix1, Ix2};
use pipeline::progress::Progress;
use records::OwnFiles;
use store::npy::{self, AnyArray, Element};
use store::npz;
use store::rows::Rows;

use crate::error::FetchError;
use crate::split::{Images, Labels, Split, Splits};

/// The largest class that is no mistake.
const LARGEST_CLASS: i64 = 1_000_000;
/// Rows that are looked through at once.
const ROWS_AT_ONCE: usize = 4096;

/// Reads and checks both splits; paths are relative to `base`.
pub fn read(files: &OwnFiles, base: &Path) -> Result<Splits, FetchError> {
    let train = read_split(&base.join(&files.train_x), &base.join(&files.train_y))?;
    let (found, features) = train.shape();
    if features == 0 {
        return Err(FetchError::NoFeatures { file: named(&files.train_x) });
    }
    if found < 2 {
        return Err(FetchError::TooFew { file: named(&files.train_x), found });
    }
    let test = match (&files.test_x, &files.test_y) {
        (Some(x), Some(y)) => {
            let test = read_split(&base.join(x), &base.join(y))?;
            check_alike((&train, &files.train_y), (&test, x, y))?;
            Some(test)
        }
        _ => None,
    };
    Ok(Splits { train, test })
}

fn named(path: &Path) -> String {
    path.display().to_string()
}

/// Both splits need labels of one kind and as many features.
fn check_alike(
    (train, train_y): (&Split, &Path),
    (test, test_x, test_y): (&Split, &Path, &Path),
) -> Result<(), FetchError> {
    let (found, needed) = (test.labels.kind(), train.labels.kind());
    if found != needed {
        return Err(FetchError::Kinds { test: named(test_y), found, train: named(train_y), needed });
    }
    let (found, needed) = (test.shape().1, train.shape().1);
    if found != needed {
        return Err(FetchError::Features { file: named(test_x), found, needed });
    }
    Ok(())
}

fn read_split(x: &Path, y: &Path) -> Result<Split, FetchError> {
    let split = Split { images: read_images(x)?, labels: read_labels(y)? };
    let (labels, samples) = (split.labels.len(), split.shape().0);
    if labels != samples {
        return Err(FetchError::Lengths { labels_file: named(y), labels, images_file: named(x), samples });
    }
    Ok(split)
}

fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "npz")
}

/// X (N, D) of a `.npy` file, which may be larger than memory, or of an archive.
fn read_images(path: &Path) -> Result<Images, FetchError> {
    let images = if is_npz(path) { images_of_archive(path)? } else { images_of_file(path)? };
    match &images {
        Images::U8(_) => {}
        Images::F32(x) => check_finite(x, path, |v| v.is_finite())?,
        Images::F64(x) => check_finite(x, path, |v| v.is_finite())?,
    }
    Ok(images)
}

fn images_of_archive(path: &Path) -> Result<Images, FetchError> {
    Ok(match npz::read(path, "x")? {
        AnyArray::U8(a) => Images::U8(Rows::Memory(matrix(a, path)?)),
        AnyArray::F32(a) => Images::F32(Rows::Memory(matrix(a, path)?)),
        AnyArray::F64(a) => Images::F64(Rows::Memory(matrix(a, path)?)),
        other @ AnyArray::I64(_) => return Err(wrong_type(path, other.dtype())),
    })
}

fn images_of_file(path: &Path) -> Result<Images, FetchError> {
    let (shape, dtype) = npy::peek(path)?;
    if shape.len() != 2 {
        return Err(wrong_shape(path, shape));
    }
    Ok(match dtype.as_str() {
        "|u1" => Images::U8(Rows::open(path)?),
        "<f4" => Images::F32(Rows::open(path)?),
        "<f8" => Images::F64(Rows::open(path)?),
        other => return Err(wrong_type(path, other)),
    })
}

fn matrix<T>(array: ArrayD<T>, path: &Path) -> Result<Array2<T>, FetchError> {
    with_axes::<T, Ix2>(array).map_err(|shape| wrong_shape(path, shape))
}

/// The array with as many axes as `D`, or its shape.
fn with_axes<T, D: Dimension>(array: ArrayD<T>) -> Result<ndarray::Array<T, D>, Vec<usize>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality().map_err(|_| shape)
}

fn wrong_type(path: &Path, found: &str) -> FetchError {
    let hint = "convert it in NumPy: X.astype('<f4')";
    FetchError::Type { file: named(path), found: found.to_owned(), needed: "u8, f32 or f64 is needed", hint }
}

fn wrong_shape(path: &Path, found: Vec<usize>) -> FetchError {
    let hint = "flatten each sample: X.reshape(len(X), -1)";
    FetchError::Shape { file: named(path), found, needed: "(N, D)", hint }
}

fn check_finite<T: Element>(
    x: &Rows<T>,
    path: &Path,
    is_finite: impl Fn(&T) -> bool,
) -> Result<(), FetchError> {
    let n = x.dim().0;
    let progress = Progress::new(n, "fetch-data: samples looked through");
    for begin in (0..n).step_by(ROWS_AT_ONCE) {
        progress.add(ROWS_AT_ONCE.min(n - begin));
        let found = x.with(begin..(begin + ROWS_AT_ONCE).min(n), |rows| {
            rows.indexed_iter().find(|(_, v)| !is_finite(v)).map(|(at, _)| at)
        })?;
        if let Some((row, column)) = found {
            let at = format!("row {}, column {column}", begin + row);
            return Err(FetchError::NotFinite { file: named(path), at });
        }
    }
    Ok(())
}

/// y (N,): integers are classes, floats are targets.
fn read_labels(path: &Path) -> Result<Labels, FetchError> {
    let array = if is_npz(path) { npz::read(path, "y")? } else { npy::read_any(path)? };
    match array {
        AnyArray::U8(classes) => classes_of(classes.mapv(i64::from), path),
        AnyArray::I64(classes) => classes_of(classes, path),
        AnyArray::F32(values) => targets_of(values.mapv(f64::from), path),
        AnyArray::F64(values) => targets_of(values, path),
    }
}

fn vector<T>(array: ArrayD<T>, path: &Path) -> Result<Array1<T>, FetchError> {
    with_axes::<T, Ix1>(array).map_err(|found| FetchError::Shape {
        file: named(path),
        found,
        needed: "(N,)",
        hint: "numpy.ravel it",
    })
}

fn classes_of(classes: ArrayD<i64>, path: &Path) -> Result<Labels, FetchError> {
    let classes = vector(classes, path)?;
    match classes.iter().position(|y| !(0..=LARGEST_CLASS).contains(y)) {
        None => Ok(Labels::Classes(classes)),
        Some(row) => Err(FetchError::Class { file: named(path), row, class: classes[row] }),
    }
}

fn targets_of(values: ArrayD<f64>, path: &Path) -> Result<Labels, FetchError> {
    let values = vector(values, path)?;
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(Labels::Values(values)),
        Some(row) => Err(FetchError::NotFinite { file: named(path), at: format!("row {row}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn split(&self) -> Result<Split, String> {
            read_split(&self.0.path().join("x.npy"), &self.0.path().join("y.npy")).map_err(|e| e.to_string())
        }
        fn x<D: ndarray::Dimension, T: npy::Element>(&self, x: &ndarray::Array<T, D>) -> &Self {
            store::rows::write(&self.0.path().join("x.npy"), x).unwrap();
            self
        }
        fn y<T: npy::Element>(&self, y: &Array1<T>) -> &Self {
            store::rows::write(&self.0.path().join("y.npy"), y).unwrap();
            self
        }
    }

    #[test]
    fn types_are_kept_and_faults_named() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let good = dir.x(&array![[1.0_f32, 2.0], [3.0, 4.0]]).y(&array![1_i64, 0]).split().unwrap();
        assert!(matches!((&good.images, &good.labels), (Images::F32(_), Labels::Classes(_))));
        assert_eq!(good.classes_of(&[0, 1]).collect::<Vec<_>>(), [1, 0]);
        assert!(matches!(dir.y(&array![0.5_f32, 1.0]).split().unwrap().labels, Labels::Values(_)));

        let fault = |dir: &Dir| dir.split().map(|_| ()).unwrap_err();
        assert!(fault(dir.y(&array![1_i64, -2])).contains("row 1 is class -2"));
        assert!(fault(dir.y(&array![1_u8])).contains("1 labels, but"));
        assert!(fault(dir.y(&array![1.0, f64::NAN])).contains("row 1 is not finite"));
        assert!(fault(dir.x(&array![[1.0, f64::INFINITY]])).contains("row 0, column 1 is not finite"));
        assert!(fault(dir.x(&array![[1_i64, 2]])).contains("contains <i8; u8, f32 or f64"));
        assert!(fault(dir.x(&Array3::<u8>::zeros((2, 2, 2)))).contains("shape [2, 2, 2]; (N, D)"));
    }

    /// cases.md C3: aica-agent #307, osprey #92.
    #[test]
    fn samples_without_features_are_refused() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.x(&Array2::<f32>::zeros((3, 0))).y(&array![0_i64, 1, 0]);
        let files = OwnFiles { train_x: "x.npy".into(), train_y: "y.npy".into(), test_x: None, test_y: None };
        let message = read(&files, dir.0.path()).map(|_| ()).unwrap_err().to_string();
        assert_eq!(message, "x.npy: 0 features");
    }

    #[test]
    fn an_archive_contains_x_and_y() {
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
