//! `.npy` and `.npz` files: little-endian, C order, one array a file, as `numpy.load(allow_pickle=False)` reads them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ndarray::{Array, Array2, ArrayBase, ArrayD, ArrayView2, Data, Dimension, Ix2, IxDyn, s};
use npyz::{AutoSerialize, Deserialize, NpyHeader, Order, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Failure;

/// A number that an artifact can hold.
pub trait Element: AutoSerialize + Deserialize + bytemuck::Pod + Send + Sync {
    /// The type as NumPy writes it.
    const DTYPE: &'static str;
}
impl Element for f32 {
    const DTYPE: &'static str = "<f4";
}
impl Element for f64 {
    const DTYPE: &'static str = "<f8";
}
impl Element for i64 {
    const DTYPE: &'static str = "<i8";
}
impl Element for u8 {
    const DTYPE: &'static str = "|u1";
}

/// An array of any type that users bring or stages store.
#[derive(Clone, Debug)]
pub enum AnyArray {
    /// `|u1`
    U8(ArrayD<u8>),
    /// Any integer type wider than a byte, or signed.
    I64(ArrayD<i64>),
    /// `<f4`
    F32(ArrayD<f32>),
    /// `<f8`
    F64(ArrayD<f64>),
}

impl AnyArray {
    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::U8(a) => a.shape(),
            Self::I64(a) => a.shape(),
            Self::F32(a) => a.shape(),
            Self::F64(a) => a.shape(),
        }
    }

    /// The type as NumPy writes it.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::U8(_) => u8::DTYPE,
            Self::I64(_) => i64::DTYPE,
            Self::F32(_) => f32::DTYPE,
            Self::F64(_) => f64::DTYPE,
        }
    }

    /// Every value as `f64` (exact for all four types below 2⁵³).
    pub fn to_f64(&self) -> ArrayD<f64> {
        match self {
            Self::U8(a) => a.mapv(f64::from),
            Self::I64(a) => a.mapv(|x| x as f64),
            Self::F32(a) => a.mapv(f64::from),
            Self::F64(a) => a.clone(),
        }
    }
}

/// Shape and type of a `.npy` file, without its numbers.
pub fn peek(path: &Path) -> Result<(Vec<usize>, String)> {
    let mut reader = open(path)?;
    let header = header(&mut reader, &path.display().to_string())?;
    Ok((shape_of(header.shape()), type_of(&header)))
}

/// Reads a `.npy` file that must hold `T` with as many axes as `D`.
pub fn read<T: Element, D: Dimension>(path: &Path) -> Result<Array<T, D>> {
    let name = path.display().to_string();
    let mut reader = open(path)?;
    let header = header(&mut reader, &name)?;
    check_type::<T>(&header, &name)?;
    let array = body::<T>(&mut reader, &header, &name)?;
    into_dimension(array, &name)
}

fn check_type<T: Element>(header: &NpyHeader, name: &str) -> Result<()> {
    let (found, needed) = (type_of(header), T::DTYPE);
    if found == needed {
        return Ok(());
    }
    Err(Failure::input(
        format!("{name}: holds {found}, but {needed} is needed"),
        format!("convert it in NumPy: numpy.save(path, array.astype({needed:?}))"),
    )
    .into())
}

/// Reads a `.npy` file of any supported type.
pub fn read_any(path: &Path) -> Result<AnyArray> {
    read_any_from(&mut open(path)?, &path.display().to_string())
}

/// Reads one array of an `.npz` archive.
pub fn read_npz(path: &Path, array: &str) -> Result<AnyArray> {
    let mut archive = open_npz(path)?;
    let found = sorted_names(&archive)?.join(", ");
    let file = archive.by_name(&format!("{array}.npy"));
    let mut file = file.map_err(|_| {
        Failure::input(
            format!("{}: no array {array:?}; it holds {found}", path.display()),
            "save it with numpy.savez(path, name=array), without compression of names",
        )
    })?;
    read_any_from(&mut file, &format!("{}[{array}]", path.display()))
}

/// Names of the arrays in an `.npz` archive.
pub fn npz_names(path: &Path) -> Result<Vec<String>> {
    sorted_names(&open_npz(path)?)
}

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
        let header = header(&mut reader, &name)?;
        check_type::<T>(&header, &name)?;
        if header.order() != Order::C {
            return Ok(None);
        }
        let begin = reader.stream_position().with_context(|| format!("cannot read {name}"))?;
        let shape = shape_of(header.shape());
        let file = reader.into_inner();
        let found = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
        let needed = begin + (shape.iter().product::<usize>() * size_of::<T>()) as u64;
        if found < needed {
            return Err(cut_short(&name, &shape, &format!("{found} bytes of {needed}")));
        }
        Ok(Some(Self { file, name, begin, shape, element: PhantomData }))
    }

    /// Lengths of the axes; the first counts rows.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The rows of `range`: as many axes as the whole.
    pub fn read<D: Dimension>(&self, range: Range<usize>) -> Result<Array<T, D>> {
        let mut shape = self.shape.clone();
        shape[0] = range.len();
        let mut values = vec![T::zeroed(); shape.iter().product()];
        let per_row = self.shape[1..].iter().product::<usize>() * size_of::<T>();
        self.file
            .read_exact_at(bytemuck::cast_slice_mut(&mut values), self.begin + (range.start * per_row) as u64)
            .with_context(|| format!("cannot read rows {range:?} of {}", self.name))?;
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
    /// Opens a `.npy` file that must hold `T` with two axes.
    pub fn open(path: &Path) -> Result<Self> {
        match RowFile::open(path)? {
            Some(file)
                if file.shape.len() == 2
                    && file.shape.iter().product::<usize>() * size_of::<T>() > RESIDENT_BYTES =>
            {
                Ok(Self::File(file))
            }
            _ => Ok(Self::Memory(read(path)?)),
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

/// An array on its way to disk, some rows at a time.
pub struct RowWriter<T: Element> {
    out: BufWriter<File>,
    path: PathBuf,
    shape: Vec<usize>,
    /// numbers written
    written: usize,
    element: PhantomData<T>,
}

impl<T: Element> RowWriter<T> {
    /// Begins a file for an array of `shape`.
    pub fn create(path: &Path, shape: &[usize]) -> Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).with_context(cannot)?);
        let lengths = shape.iter().map(|&n| n as u64).collect::<Vec<_>>();
        // npyz writes the header; numbers it would write one by one: 7.0 s of user time for two million images, not 2.1.
        let mut header = vec![];
        npyz::WriteOptions::<T>::new().default_dtype().shape(&lengths).writer(&mut header).begin_nd()?;
        out.write_all(&header).with_context(cannot)?;
        Ok(Self { out, path: path.to_owned(), shape: shape.to_vec(), written: 0, element: PhantomData })
    }

    /// The next rows.
    pub fn append<S: Data<Elem = T>, D: Dimension>(&mut self, rows: &ArrayBase<S, D>) -> Result<()> {
        little_endian(&self.path.display().to_string())?;
        let rows = rows.as_standard_layout();
        self.written += rows.len();
        self.out
            .write_all(bytemuck::cast_slice(rows.as_slice().expect("standard layout")))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Ends the file; an error if it did not get as many numbers as its shape says.
    pub fn finish(mut self) -> Result<()> {
        let path = self.path.display();
        self.out.flush().with_context(|| format!("cannot write {path}"))?;
        let needed = self.shape.iter().product::<usize>();
        anyhow::ensure!(
            self.written == needed,
            "{path}: shape {:?}, but {} numbers",
            self.shape,
            self.written
        );
        Ok(())
    }
}

/// Writes named arrays into one `.npz` archive that `numpy.load` reads.
pub fn write_npz<T: Element>(path: &Path, arrays: &[(String, ArrayD<T>)]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    for (name, array) in arrays {
        // As numpy.savez does, without compression; and with a fixed date: the same weights give the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        archive.start_file(format!("{name}.npy"), options)?;
        let shape = array.shape().iter().map(|&n| n as u64).collect::<Vec<_>>();
        let writer = npyz::WriteOptions::<T>::new().default_dtype().shape(&shape).writer(&mut archive);
        let mut writer = writer.begin_nd()?;
        writer.extend(array.iter().copied())?;
        writer.finish()?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|e| {
        Failure::input(format!("{}: {e}", path.display()), "check the path, or run the stage that writes it")
    })?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

fn open_npz(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    ZipArchive::new(open(path)?).map_err(|e| {
        Failure::input(format!("{}: {e}", path.display()), "an .npz file written by numpy.savez is needed")
            .into()
    })
}

fn sorted_names(archive: &ZipArchive<BufReader<File>>) -> Result<Vec<String>> {
    let mut names = vec![];
    for name in archive.file_names() {
        names.extend(name?.strip_suffix(".npy").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn header(reader: &mut impl Read, name: &str) -> Result<NpyHeader> {
    NpyHeader::from_reader(reader).map_err(|e| {
        Failure::input(
            format!("{name}: not a .npy file ({e})"),
            "write it with numpy.save(path, array, allow_pickle=False)",
        )
        .into()
    })
}

fn type_of(header: &NpyHeader) -> String {
    header.dtype().descr().trim_matches('\'').to_owned()
}

fn shape_of(shape: &[u64]) -> Vec<usize> {
    shape.iter().map(|&n| usize::try_from(n).expect("64-bit machine")).collect()
}

fn read_any_from(reader: &mut impl Read, name: &str) -> Result<AnyArray> {
    let header = header(reader, name)?;
    let found = type_of(&header);
    Ok(match found.as_str() {
        "|u1" => AnyArray::U8(body(reader, &header, name)?),
        "<f4" => AnyArray::F32(body(reader, &header, name)?),
        "<f8" => AnyArray::F64(body(reader, &header, name)?),
        "<i8" => AnyArray::I64(body(reader, &header, name)?),
        "<i4" => AnyArray::I64(body::<i32>(reader, &header, name)?.mapv(i64::from)),
        "<i2" => AnyArray::I64(body::<i16>(reader, &header, name)?.mapv(i64::from)),
        "|i1" => AnyArray::I64(body::<i8>(reader, &header, name)?.mapv(i64::from)),
        "<u2" => AnyArray::I64(body::<u16>(reader, &header, name)?.mapv(i64::from)),
        "<u4" => AnyArray::I64(body::<u32>(reader, &header, name)?.mapv(i64::from)),
        _ => {
            return Err(Failure::input(
                format!(
                    "{name}: holds {found}; u8, integers up to 64 bits, f32 and f64 in little-endian are read"
                ),
                "convert it in NumPy: numpy.save(path, array.astype('<f4'))",
            )
            .into());
        }
    })
}

fn cut_short(name: &str, shape: &[usize], needs: &str) -> anyhow::Error {
    Failure::input(
        format!("{name}: cut short: shape {shape:?} needs {needs}"),
        "write or fetch the file again",
    )
    .into()
}

/// The numbers after the header, in C order whatever the order of the file.
fn body<T: bytemuck::Pod>(reader: &mut impl Read, header: &NpyHeader, name: &str) -> Result<ArrayD<T>> {
    let shape = shape_of(header.shape());
    let count = shape.iter().product::<usize>();
    let mut values = vec![T::zeroed(); count];
    reader.read_exact(bytemuck::cast_slice_mut(&mut values)).map_err(|e| {
        cut_short(name, &shape, &format!("{} bytes of numbers ({e})", count * size_of::<T>()))
    })?;
    little_endian(name)?;
    let reversed = shape.iter().rev().copied().collect::<Vec<_>>();
    Ok(match header.order() {
        Order::C => ArrayD::from_shape_vec(IxDyn(&shape), values).expect("count matches shape"),
        Order::Fortran => ArrayD::from_shape_vec(IxDyn(&reversed), values)
            .expect("count matches shape")
            .reversed_axes()
            .as_standard_layout()
            .into_owned(),
    })
}

/// Numbers go between memory and file as they lie.
fn little_endian(name: &str) -> Result<()> {
    if cfg!(target_endian = "big") {
        let found = format!("{name}: little-endian file on a big-endian machine");
        return Err(Failure::input(found, "use another machine").into());
    }
    Ok(())
}

fn into_dimension<T, D: Dimension>(array: ArrayD<T>, name: &str) -> Result<Array<T, D>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality::<D>().map_err(|_| {
        let needed = D::NDIM.map_or_else(|| "another number of".to_owned(), |n| n.to_string());
        Failure::input(
            format!("{name}: shape {shape:?} has {} axes, but {needed} are needed", shape.len()),
            "reshape it in NumPy before numpy.save",
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let message = |e: anyhow::Error| format!("{e:#}");
        assert!(message(read::<f64, Ix2>(&path).unwrap_err()).contains("holds <f4, but <f8 is needed"));
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
    fn rows_come_back_one_block_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let a = Array2::from_shape_fn((5, 3), |(i, j)| (10 * i + j) as f64);
        let mut writer = RowWriter::create(&path, &[5, 3]).unwrap();
        writer.append(&a.slice(ndarray::s![..2, ..])).unwrap();
        writer.append(&a.slice(ndarray::s![2.., ..])).unwrap();
        writer.finish().unwrap();
        assert_eq!(read::<f64, Ix2>(&path).unwrap(), a);
        let rows = RowFile::<f64>::open(&path).unwrap().unwrap();
        assert_eq!(rows.shape(), [5, 3]);
        assert_eq!(rows.read::<Ix2>(1..4).unwrap(), a.slice(ndarray::s![1..4, ..]));
        assert!(RowFile::<f32>::open(&path).unwrap_err().to_string().contains("holds <f8, but <f4"));
        let mut short = RowWriter::create(&path, &[5, 3]).unwrap();
        short.append(&a.row(0)).unwrap();
        assert!(short.finish().unwrap_err().to_string().ends_with("shape [5, 3], but 3 numbers"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(RowFile::<f64>::open(&path).unwrap_err().to_string().contains("cut short"));
    }

    #[test]
    fn an_archive_gives_its_arrays_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.npz");
        let w = array![[1.0_f32, 2.0]].into_dyn();
        write_npz(&path, &[("W1".into(), w.clone()), ("b1".into(), array![3.0_f32].into_dyn())]).unwrap();
        assert_eq!(npz_names(&path).unwrap(), ["W1", "b1"]);
        assert_eq!(read_npz(&path, "W1").unwrap().to_f64(), w.mapv(f64::from));
        let error = read_npz(&path, "W2").unwrap_err().to_string();
        assert!(error.contains("no array \"W2\"; it holds W1, b1"), "{error}");
    }
}
