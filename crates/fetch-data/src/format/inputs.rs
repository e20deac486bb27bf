//! X of the user, (N, D).

use std::path::Path;

use pipeline::progress::Progress;
use store::arrays::{self, Kind};
use store::npy::{AnyArray, Element};
use store::rows::{self, Rows};

use crate::error::FetchError;
use crate::split::Images;

/// Rows that are looked through at once.
const ROWS_AT_ONCE: usize = 4096;

/// X of a file, which may be larger than memory if it is a `.npy`. Axes after the second are joined, and that is said.
pub fn read(path: &Path) -> Result<Images, FetchError> {
    let (shape, dtype) = arrays::peek(path, "x")?;
    // The columns of a table with names are no axis: to reshape it would not help.
    if dtype.starts_with('[') {
        return Err(wrong_type(path, dtype));
    }
    if shape.len() < 2 {
        let (file, needed) = (path.display().to_string(), "(N, D)");
        let hint = "a row for each sample: X.reshape(len(X), -1)".to_owned();
        return Err(FetchError::Shape { file, found: shape, needed, hint });
    }
    let images = match (arrays::kind(path)?, dtype.as_str()) {
        (Kind::Npy, "|u1") => Images::U8(Rows::open(path)?),
        (Kind::Npy, "<f4") => Images::F32(Rows::open(path)?),
        (Kind::Npy, "<f8") => Images::F64(Rows::open(path)?),
        (_, "|u1" | "|b1" | "<f4" | ">f4" | "<f8" | ">f8") => in_memory(arrays::read(path, "x")?, path)?,
        _ => return Err(wrong_type(path, dtype)),
    };
    if shape.len() > 2 {
        let features = shape[1..].iter().product::<usize>();
        tracing::info!(
            "fetch-data: {}: shape {shape:?} is read as {:?}, the values of each sample as X.reshape(len(X), -1) orders them",
            path.display(),
            [shape[0], features]
        );
    }
    match &images {
        Images::U8(_) => {}
        Images::F32(x) => check_finite(x, path, |v| v.is_finite())?,
        Images::F64(x) => check_finite(x, path, |v| v.is_finite())?,
    }
    Ok(images)
}

fn in_memory(array: AnyArray, path: &Path) -> Result<Images, FetchError> {
    let name = path.display().to_string();
    Ok(match array {
        AnyArray::U8(a) => Images::U8(Rows::Memory(rows::joined(a, &name)?)),
        AnyArray::F32(a) => Images::F32(Rows::Memory(rows::joined(a, &name)?)),
        AnyArray::F64(a) => Images::F64(Rows::Memory(rows::joined(a, &name)?)),
        AnyArray::I64(_) => return Err(wrong_type(path, array.dtype().to_owned())),
    })
}

fn wrong_type(path: &Path, found: String) -> FetchError {
    let hint = match found.trim_start_matches(['<', '>', '|']).as_bytes() {
        [b'S' | b'U', ..] => {
            "numbers that were saved as text: X.astype('<f8'); make numbers of anything else first, a column for each category"
        }
        [b'i' | b'u', b'1' | b'2'] | [b'f', b'2'] => "convert it in NumPy: X.astype('<f4')",
        [b'c', ..] => {
            "give the real and the imaginary part a column each: numpy.concatenate([X.real, X.imag], axis=1)"
        }
        [b'V', ..] => {
            "numbers of a type that NumPy does not know, such as bfloat16: save X.astype('<f4') where it has its type"
        }
        [b'[', ..] => {
            "columns with names: from numpy.lib.recfunctions import structured_to_unstructured; structured_to_unstructured(X).astype('<f8')"
        }
        // f4 has 24 bits: times, counts and identifiers need more.
        _ => "convert it in NumPy: X.astype('<f8')",
    };
    let (file, needed, hint) =
        (path.display().to_string(), "bool, u8, f32 or f64 is needed", hint.to_owned());
    FetchError::Type { file, found, needed, hint }
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
            return Err(FetchError::NotFinite { file: path.display().to_string(), at });
        }
    }
    Ok(())
}
