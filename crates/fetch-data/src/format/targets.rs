//! y of the user: integers are classes (N,), floats are targets (N,) or (N, C).

use std::path::Path;

use ndarray::{Array1, Array2, ArrayD, Axis, Ix2};
use store::arrays::{self, Kind};
use store::npy::AnyArray;

use crate::error::FetchError;
use crate::split::Labels;

/// Columns of the labels of QMNIST, of which the first is the class: the others say who wrote it, and where.
const QMNIST_COLUMNS: usize = 8;

/// y of a file.
pub fn read(path: &Path) -> Result<Labels, FetchError> {
    let (_, dtype) = arrays::peek(path, "y")?;
    if matches!(dtype.trim_start_matches(['<', '>', '|']).as_bytes(), [b'S' | b'U' | b'O', ..]) {
        let needed = "integers (classes) or floats (targets) are needed";
        let hint = "number the classes: numpy.unique(y, return_inverse=True)[1]; targets: y.astype('<f8')"
            .to_owned();
        return Err(FetchError::Type { file: named(path), found: dtype, needed, hint });
    }
    match arrays::read(path, "y")? {
        AnyArray::U8(classes) => classes_of(classes.mapv(i64::from), path),
        AnyArray::I64(classes) => classes_of(classes, path),
        AnyArray::F32(values) => targets_of(values.mapv(f64::from), path),
        AnyArray::F64(values) => targets_of(values, path),
    }
}

fn named(path: &Path) -> String {
    path.display().to_string()
}

/// Rows and columns of y, where a row or a column of numbers is one target for each sample.
fn matrix<T: Clone>(array: ArrayD<T>, path: &Path, needed: &'static str) -> Result<Array2<T>, FetchError> {
    let found = array.shape().to_vec();
    let long = found.iter().filter(|&&length| length != 1).count();
    let array = match found.len() {
        0 => None,
        _ if long <= 1 => Some(Array1::from_iter(array).insert_axis(Axis(1))),
        _ => array.into_dimensionality::<Ix2>().ok(),
    };
    let hint =
        if found.is_empty() { "one number a sample" } else { "a row for each sample: y.reshape(len(y), -1)" };
    let hint = hint.to_owned();
    array.ok_or(FetchError::Shape { file: named(path), found, needed, hint })
}

fn classes_of(classes: ArrayD<i64>, path: &Path) -> Result<Labels, FetchError> {
    let classes = matrix(classes, path, "(N,), a class for each sample,")?;
    let columns = classes.ncols();
    if columns == QMNIST_COLUMNS && arrays::kind(path)? == Kind::Idx {
        tracing::info!("fetch-data: {}: column 0 of {columns} is the class, as in QMNIST", path.display());
    } else if columns > 1 {
        return Err(columns_of_integers(&classes, path));
    }
    let classes = classes.column(0).to_owned();
    match classes.iter().position(|&y| y < 0) {
        None => Ok(Labels::Classes(classes)),
        Some(row) => Err(FetchError::Class { file: named(path), row, class: classes[row] }),
    }
}

fn columns_of_integers(classes: &Array2<i64>, path: &Path) -> FetchError {
    let (file, found) = (named(path), classes.shape().to_vec());
    if is_one_hot(classes, 1) {
        return FetchError::OneHot { file, found };
    }
    let (needed, hint) = (
        "(N,), a class for each sample,",
        "keep the column of the class; columns that are all targets are floats: y.astype('<f8')".to_owned(),
    );
    FetchError::Shape { file, found, needed, hint }
}

fn targets_of(values: ArrayD<f64>, path: &Path) -> Result<Labels, FetchError> {
    let values = matrix(values, path, "(N,) or (N, C)")?;
    if values.ncols() == 0 {
        let (needed, hint) = ("(N,) or (N, C)", "y has at least one column".to_owned());
        return Err(FetchError::Shape { file: named(path), found: values.shape().to_vec(), needed, hint });
    }
    if values.ncols() > 1 && is_one_hot(&values, 1.0) {
        return Err(FetchError::OneHot { file: named(path), found: values.shape().to_vec() });
    }
    let missing = values.indexed_iter().find(|(_, v)| !v.is_finite());
    let Some(((row, column), _)) = missing else { return Ok(Labels::Values(values)) };
    let at = if values.ncols() == 1 { format!("row {row}") } else { format!("row {row}, column {column}") };
    Err(FetchError::NotFinite { file: named(path), at })
}

/// Whether each row has a single 1 and is 0 elsewhere.
fn is_one_hot<T: Copy + Default + PartialEq>(y: &Array2<T>, one: T) -> bool {
    let is_one_hot = |row: ndarray::ArrayView1<T>| {
        let ones = row.iter().filter(|&&v| v == one).count();
        ones == 1 && row.iter().all(|&v| v == one || v == T::default())
    };
    y.nrows() > 0 && y.outer_iter().all(is_one_hot)
}
