//! Reading `.npy` files: one array a file, as `numpy.save(allow_pickle=False)` writes them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, IxDyn};
use npyz::{AutoSerialize, Deserialize, NpyHeader, Order};

use crate::error::{Error, Result};

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

pub(crate) fn check_type<T: Element>(header: &NpyHeader, name: &str) -> Result<()> {
    let (found, needed) = (type_of(header), T::DTYPE);
    if found == needed {
        return Ok(());
    }
    let hint = format!("convert it in NumPy: numpy.save(path, array.astype({needed:?}))");
    Err(Error::Type { name: name.to_owned(), found, needed, hint })
}

/// Reads a `.npy` file of any supported type.
pub fn read_any(path: &Path) -> Result<AnyArray> {
    read_any_from(&mut open(path)?, &path.display().to_string())
}

pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    let hint = "check the path, or run the stage that writes it";
    let file =
        File::open(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source, hint })?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

pub(crate) fn header(reader: &mut impl Read, name: &str) -> Result<NpyHeader> {
    NpyHeader::from_reader(reader).map_err(|e| Error::Format {
        name: name.to_owned(),
        format: "a .npy file",
        reason: e.to_string(),
        hint: "write it with numpy.save(path, array, allow_pickle=False)",
    })
}

pub(crate) fn type_of(header: &NpyHeader) -> String {
    header.dtype().descr().trim_matches('\'').to_owned()
}

pub(crate) fn shape_of(shape: &[u64]) -> Vec<usize> {
    shape.iter().map(|&n| usize::try_from(n).expect("64-bit machine")).collect()
}

pub(crate) fn read_any_from(reader: &mut impl Read, name: &str) -> Result<AnyArray> {
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
            return Err(Error::Type {
                name: name.to_owned(),
                found,
                needed: "u8, an integer up to 64 bits, f32 or f64 in little-endian",
                hint: "convert it in NumPy: numpy.save(path, array.astype('<f4'))".to_owned(),
            });
        }
    })
}

pub(crate) fn cut_short(name: &str, shape: &[usize], needs: &str) -> Error {
    Error::CutShort { name: name.to_owned(), shape: shape.to_vec(), needs: needs.to_owned() }
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
pub(crate) fn little_endian(name: &str) -> Result<()> {
    if cfg!(target_endian = "big") {
        return Err(Error::Format {
            name: name.to_owned(),
            format: "big-endian",
            reason: "this machine is".to_owned(),
            hint: "use a little-endian machine",
        });
    }
    Ok(())
}

pub(crate) fn into_dimension<T, D: Dimension>(array: ArrayD<T>, name: &str) -> Result<Array<T, D>> {
    let shape = array.shape().to_vec();
    array.into_dimensionality::<D>().map_err(|_| {
        let needed = D::NDIM.map_or_else(|| "another number of".to_owned(), |n| n.to_string());
        Error::Axes { name: name.to_owned(), shape, needed }
    })
}
