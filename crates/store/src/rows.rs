//! Arrays that are read and written some rows at a time: they may be larger than memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ndarray::{Array, Array2, ArrayBase, ArrayD, ArrayView2, Data, Dimension, Ix2, IxDyn, s};
use npyz::WriterBuilder;

use crate::error::{Error, Result};
use crate::header::Header;
use crate::npy::{
    Element, at_once, check_type, cut_short, into_dimension, length_of, little_endian, open, read,
};

/// Writes an array in C order.
pub fn write<T: Element, S: Data<Elem = T>, D: Dimension>(
    path: &Path,
    array: &ArrayBase<S, D>,
) -> Result<()> {
    let mut writer = RowWriter::create(path, array.shape())?;
    writer.append(array)?;
    writer.finish()
}

/// An array on disk of which a few rows are read at a time, from any thread: it may be larger than memory.
///
/// Read, not mapped: a map of 2,000,000 images left 1,560 MiB resident in `eigen` where this leaves 65, was faster by less
/// than 1 %, and turns a failing disk into a signal where this gives an error.
#[derive(Debug)]
pub struct RowFile<T> {
    file: File,
    name: String,
    /// where the numbers begin, bytes
    begin: u64,
    shape: Vec<usize>,
    element: PhantomData<T>,
}

impl<T: Element> RowFile<T> {
    /// Opens a `.npy` file that must hold `T` in C order; `None` for one in Fortran order, whose rows are scattered.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let name = path.display().to_string();
        let mut reader = open(path)?;
        let header = Header::read(&mut reader, &name)?;
        check_type::<T>(&header, &name)?;
        if header.is_fortran {
            return Ok(None);
        }
        let found = length_of(&reader, path)?;
        let begin = header.length as u64;
        let needed = begin + (header.count() * size_of::<T>()) as u64;
        let (shape, file) = (header.shape, reader.into_inner());
        if found < needed {
            return Err(cut_short(&name, &shape, &format!("{needed} bytes; the file has {found}")));
        }
        Ok(Some(Self { file, name, begin, shape, element: PhantomData }))
    }

    /// Lengths of the axes; the first counts rows.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// With the axes after the first joined, (N, D).
    fn joined(self) -> Self {
        Self { shape: vec![self.shape[0], self.shape[1..].iter().product()], ..self }
    }

    /// The rows of `range`: as many axes as the whole.
    pub fn read<D: Dimension>(&self, range: Range<usize>) -> Result<Array<T, D>> {
        let mut shape = self.shape.clone();
        shape[0] = range.len();
        let mut values = vec![T::zeroed(); shape.iter().product()];
        let per_row = self.shape[1..].iter().product::<usize>() * size_of::<T>();
        self.file
            .read_exact_at(bytemuck::cast_slice_mut(&mut values), self.begin + (range.start * per_row) as u64)
            .map_err(Error::system("read", Path::new(&self.name)))?;
        into_dimension(ArrayD::from_shape_vec(IxDyn(&shape), values).expect("as many values"), &self.name)
    }
}

/// Arrays up to so many bytes are kept in memory; of larger ones rows are read when they are needed.
pub const RESIDENT_BYTES: usize = 256 << 20;

/// Rows of an array (N, D): in memory, or in a file that may be larger than memory.
#[derive(Debug)]
pub enum Rows<T> {
    /// all of them
    Memory(Array2<T>),
    /// (N, D) on disk
    File(RowFile<T>),
}

impl<T: Element> Rows<T> {
    /// Opens a `.npy` file that must hold `T`, with the axes after the first joined.
    pub fn open(path: &Path) -> Result<Self> {
        match RowFile::open(path)? {
            Some(file)
                if file.shape.len() >= 2
                    && file.shape.iter().product::<usize>() * size_of::<T>() > RESIDENT_BYTES =>
            {
                Ok(Self::File(file.joined()))
            }
            _ => Ok(Self::Memory(joined(read(path)?, &path.display().to_string())?)),
        }
    }

    /// The same, of which no row is read before it is needed.
    pub fn on_disk(path: &Path) -> Result<Self> {
        match RowFile::open(path)? {
            Some(file) if file.shape.len() >= 2 => Ok(Self::File(file.joined())),
            _ => Self::open(path),
        }
    }

    /// (N, D)
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::Memory(array) => array.dim(),
            Self::File(file) => (file.shape[0], file.shape[1]),
        }
    }

    /// Shows the rows of `range` (B, D) to `see`.
    pub fn with<O>(&self, range: Range<usize>, see: impl FnOnce(ArrayView2<T>) -> O) -> Result<O> {
        Ok(match self {
            Self::Memory(array) => see(array.slice(s![range, ..])),
            Self::File(file) => see(file.read::<Ix2>(range)?.view()),
        })
    }
}

/// The array (N, ...) as (N, D), the values of each row in C order; `name` is for errors.
pub fn joined<T: Clone>(array: ArrayD<T>, name: &str) -> Result<Array2<T>> {
    let Some((&rows, rest)) = array.shape().split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return into_dimension(array, name);
    };
    let shape = (rows, rest.iter().product::<usize>());
    let values = array.as_standard_layout().into_owned();
    Ok(values.into_shape_with_order(shape).expect("as many values"))
}

/// An array on its way to disk, some rows at a time.
pub struct RowWriter<T: Element> {
    out: BufWriter<File>,
    path: PathBuf,
    shape: Vec<usize>,
    /// where the numbers begin, bytes
    begin: u64,
    /// numbers written
    written: usize,
    element: PhantomData<T>,
}

impl<T: Element> RowWriter<T> {
    /// Begins a file for an array of `shape`.
    pub fn create(path: &Path, shape: &[usize]) -> Result<Self> {
        let file = File::create(path).map_err(Error::system("write", path))?;
        let lengths = shape.iter().map(|&n| n as u64).collect::<Vec<_>>();
        // npyz writes the header; numbers it would write one by one: 7.0 s of user time for two million images, not 2.1.
        let mut header = vec![];
        npyz::WriteOptions::<T>::new()
            .default_dtype()
            .shape(&lengths)
            .writer(&mut header)
            .begin_nd()
            .map_err(Error::system("write", path))?;
        let begin = header.len() as u64;
        let bytes = shape.iter().product::<usize>().saturating_mul(size_of::<T>()) as u64;
        let mut out = BufWriter::with_capacity(at_once(begin.saturating_add(bytes)), file);
        out.write_all(&header).map_err(Error::system("write", path))?;
        Ok(Self {
            out,
            path: path.to_owned(),
            shape: shape.to_vec(),
            begin,
            written: 0,
            element: PhantomData,
        })
    }

    /// The next rows.
    pub fn append<S: Data<Elem = T>, D: Dimension>(&mut self, rows: &ArrayBase<S, D>) -> Result<()> {
        little_endian(&self.path.display().to_string())?;
        let rows = rows.as_standard_layout();
        self.written += rows.len();
        self.out
            .write_all(bytemuck::cast_slice(rows.as_slice().expect("standard layout")))
            .map_err(Error::system("write", &self.path))
    }

    /// The rows from number `first` on: parts may come in any order, each row once. Not for a file that [`Self::append`] writes.
    pub fn put<S: Data<Elem = T>, D: Dimension>(
        &mut self,
        first: usize,
        rows: &ArrayBase<S, D>,
    ) -> Result<()> {
        little_endian(&self.path.display().to_string())?;
        let rows = rows.as_standard_layout();
        self.written += rows.len();
        let per_row = self.shape[1..].iter().product::<usize>() * size_of::<T>();
        let bytes = bytemuck::cast_slice(rows.as_slice().expect("standard layout"));
        let place = self.begin + (first * per_row) as u64;
        self.out.get_ref().write_all_at(bytes, place).map_err(Error::system("write", &self.path))
    }

    /// Ends the file; an error if it did not get as many numbers as its shape says.
    pub fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(Error::system("write", &self.path))?;
        if self.written != self.shape.iter().product::<usize>() {
            return Err(Error::Count { path: self.path, shape: self.shape, written: self.written });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::{peek, read_any};
    use ndarray::{Ix1, array};

    #[test]
    fn an_array_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let a = array![[1.5_f64, -0.0, f64::MIN_POSITIVE], [3.0, 4.0, 1e300]];
        write(&path, &a).unwrap();
        assert_eq!(read::<f64, Ix2>(&path).unwrap(), a);
        // A transposed view has other strides, but the file is in C order.
        write(&path, &a.t()).unwrap();
        assert_eq!(read::<f64, Ix2>(&path).unwrap(), a.t());
        assert_eq!(peek(&path).unwrap(), (vec![3, 2], "<f8".to_owned()));
    }

    #[test]
    fn type_axes_and_length_are_checked_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write(&path, &Array2::<f32>::zeros((3, 2))).unwrap();
        let message = |e: Error| e.to_string();
        assert!(message(read::<f64, Ix2>(&path).unwrap_err()).contains("contains <f4, but <f8 is needed"));
        assert!(message(read::<f32, Ix1>(&path).unwrap_err()).contains("shape [3, 2] has 2 axes, but 1"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(
            message(read::<f32, Ix2>(&path).unwrap_err()).contains("cut short: shape [3, 2] needs 24 bytes")
        );
        std::fs::write(&path, b"hello").unwrap();
        assert!(message(read_any(&path).unwrap_err()).contains("not a .npy file"));
    }

    #[test]
    fn axes_after_the_first_are_joined_in_c_order() {
        let a = ndarray::Array3::from_shape_fn((2, 2, 3), |(i, j, k)| (100 * i + 10 * j + k) as f64);
        let found = joined(a.clone().into_dyn(), "x").unwrap();
        assert_eq!(found.row(1), array![100.0, 101.0, 102.0, 110.0, 111.0, 112.0]);
        // What NumPy reshapes in logical order, whatever lies in memory.
        let fortran = a.view().reversed_axes().as_standard_layout().into_owned().reversed_axes();
        assert_eq!(joined(fortran.into_dyn(), "x").unwrap(), found);
        assert!(
            joined(array![1.0].into_dyn(), "x").unwrap_err().to_string().contains("x: shape [1] has 1 axes")
        );
    }

    #[test]
    fn rows_come_back_one_block_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let a = Array2::from_shape_fn((5, 3), |(i, j)| (10 * i + j) as f64);
        let mut writer = RowWriter::create(&path, &[5, 3]).unwrap();
        writer.append(&a.slice(s![..2, ..])).unwrap();
        writer.append(&a.slice(s![2.., ..])).unwrap();
        writer.finish().unwrap();
        assert_eq!(read::<f64, Ix2>(&path).unwrap(), a);
        let rows = RowFile::<f64>::open(&path).unwrap().unwrap();
        assert_eq!(rows.shape(), [5, 3]);
        assert_eq!(rows.read::<Ix2>(1..4).unwrap(), a.slice(s![1..4, ..]));
        assert!(RowFile::<f32>::open(&path).unwrap_err().to_string().contains("contains <f8, but <f4"));
        let mut writer = RowWriter::create(&path, &[5, 3]).unwrap();
        writer.put(3, &a.slice(s![3.., ..])).unwrap();
        writer.put(0, &a.slice(s![..3, ..])).unwrap();
        writer.finish().unwrap();
        assert_eq!(read::<f64, Ix2>(&path).unwrap(), a);
        let (small, on_disk) = (Rows::<f64>::open(&path).unwrap(), Rows::<f64>::on_disk(&path).unwrap());
        assert!(matches!((&small, &on_disk), (Rows::Memory(_), Rows::File(_))));
        for rows in [small, on_disk] {
            assert_eq!(rows.with(1..4, |rows| rows.to_owned()).unwrap(), a.slice(s![1..4, ..]));
        }
        let mut short = RowWriter::create(&path, &[5, 3]).unwrap();
        short.append(&a.row(0)).unwrap();
        assert!(short.finish().unwrap_err().to_string().ends_with("shape [5, 3], but 3 numbers"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(RowFile::<f64>::open(&path).unwrap_err().to_string().contains("cut short"));
    }
}
