//! Reading `.npy` files: one array a file, as `numpy.save(allow_pickle=False)` writes them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, IxDyn};
use npyz::AutoSerialize;

use crate::error::{Error, Result};
use crate::header::Header;
use crate::{packed, regular};

/// Bytes that are read at once: a file that is shorter than it says costs no more memory.
const BYTES_AT_ONCE: usize = 4 << 20;

/// A number that an artifact can hold.
pub trait Element: AutoSerialize + bytemuck::Pod + Send + Sync {
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

    /// The first float that is wrong, in words: `row 3, column 0 is NaN`. Integers never are.
    pub fn first(&self, is_wrong: impl Fn(f64) -> bool) -> Option<String> {
        fn find<T: Copy + Into<f64>>(a: &ArrayD<T>, is_wrong: impl Fn(f64) -> bool) -> Option<String> {
            let at = a.iter().position(|&v| is_wrong(v.into()))?;
            let (place, &value) = a.indexed_iter().nth(at)?;
            let place = match place.slice() {
                [row] => format!("row {row}"),
                [row, column] => format!("row {row}, column {column}"),
                place => format!("index {place:?}"),
            };
            Some(format!("{place} is {}", value.into()))
        }
        match self {
            Self::U8(_) | Self::I64(_) => None,
            Self::F32(a) => find(a, is_wrong),
            Self::F64(a) => find(a, is_wrong),
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
    let header = Header::read(&mut open(path)?, &path.display().to_string())?;
    Ok((header.shape, header.dtype))
}

/// Reads a `.npy` file that must hold `T` with as many axes as `D`.
pub fn read<T: Element, D: Dimension>(path: &Path) -> Result<Array<T, D>> {
    let name = path.display().to_string();
    let mut reader = open(path)?;
    let length = length_of(&reader, path)?;
    let header = Header::read(&mut reader, &name)?;
    check_type::<T>(&header, &name)?;
    let array = body::<T>(&mut reader, &header, &name, length)?;
    into_dimension(array, &name)
}

pub(crate) fn check_type<T: Element>(header: &Header, name: &str) -> Result<()> {
    let (found, needed) = (header.dtype.clone(), T::DTYPE);
    if found == needed {
        return Ok(());
    }
    let hint = format!("convert it in NumPy: numpy.save(path, array.astype({needed:?}))");
    Err(Error::Type { name: name.to_owned(), found, needed, hint })
}

/// Reads a `.npy` file of any supported type.
pub fn read_any(path: &Path) -> Result<AnyArray> {
    let mut reader = open(path)?;
    let length = length_of(&reader, path)?;
    read_any_from(&mut reader, &path.display().to_string(), length)
}

pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    let hint = "check the path, or run the stage that writes it";
    let file =
        regular::open(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source, hint })?;
    let capacity = at_once(file.metadata().map_or(u64::MAX, |found| found.len()));
    Ok(BufReader::with_capacity(capacity, file))
}

/// How many of so many bytes are read or written at once.
pub(crate) fn at_once(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).clamp(1 << 9, 1 << 20)
}

/// Bytes of the file.
pub(crate) fn length_of(reader: &BufReader<File>, path: &Path) -> Result<u64> {
    Ok(reader.get_ref().metadata().map_err(Error::system("read", path))?.len())
}

/// An array of any supported type; `length` counts the bytes of header and numbers as far as they are known.
pub(crate) fn read_any_from(reader: &mut impl Read, name: &str, length: u64) -> Result<AnyArray> {
    read_any_after(&Header::read(reader, name)?, reader, name, length)
}

/// The same after its header.
pub(crate) fn read_any_after(
    header: &Header,
    reader: &mut impl Read,
    name: &str,
    length: u64,
) -> Result<AnyArray> {
    macro_rules! integers {
        ($type:ty) => {
            AnyArray::I64(body::<$type>(reader, header, name, length)?.mapv(i64::from))
        };
    }
    Ok(match header.dtype.strip_prefix(['<', '>', '|']).unwrap_or_default() {
        "u1" | "b1" => AnyArray::U8(body(reader, header, name, length)?),
        "f4" => AnyArray::F32(body(reader, header, name, length)?),
        "f8" => AnyArray::F64(body(reader, header, name, length)?),
        "i1" => integers!(i8),
        "i2" => integers!(i16),
        "i4" => integers!(i32),
        "i8" => AnyArray::I64(body(reader, header, name, length)?),
        "u2" => integers!(u16),
        "u4" => integers!(u32),
        "u8" => AnyArray::I64(signed(&body(reader, header, name, length)?, name)?),
        _ => {
            return Err(Error::Type {
                name: name.to_owned(),
                hint: conversion(&header.dtype, name),
                found: header.dtype.clone(),
                needed: "bool, an integer up to 64 bits, f32 or f64",
            });
        }
    })
}

/// How an array of a type that is not read becomes one that is. Of an archive the other arrays are kept.
fn conversion(dtype: &str, name: &str) -> String {
    let member = name.strip_suffix(']').and_then(|name| name.split_once('['));
    let array = member.map_or("array".to_owned(), |(_, member)| format!("a[{member:?}]"));
    let kind = dtype.trim_start_matches(['<', '>', '|']).as_bytes().first();
    let (what, converted) = match kind {
        Some(b'S' | b'U' | b'O') => ("numbers", format!("{array}.astype('<f8')")),
        Some(b'[') => (
            "save the columns as one array; from numpy.lib.recfunctions import structured_to_unstructured",
            format!("structured_to_unstructured({array}).astype('<f8')"),
        ),
        Some(b'V') => {
            return "numbers of a type that NumPy does not know, such as bfloat16: save array.astype('<f4') where it has its type".into();
        }
        Some(b'c') => ("save the real part, or the modulus", format!("{array}.real")),
        _ => ("convert it in NumPy", format!("{array}.astype('<f8')")),
    };
    let saved = match member {
        None => format!("numpy.save(path, {converted})"),
        Some((archive, _)) => {
            let pickled = if kind == Some(&b'O') { ", allow_pickle=True" } else { "" };
            format!(
                "a = dict(numpy.load({archive:?}{pickled})); {array} = {converted}; numpy.savez({archive:?}, **a)"
            )
        }
    };
    let text = if what == "numbers" {
        format!("; text as classes: numpy.unique({array}, return_inverse=True)[1]")
    } else {
        String::new()
    };
    format!("{what}: {saved}{text}")
}

/// Unsigned integers of which none is beyond a signed one.
fn signed(values: &ArrayD<u64>, name: &str) -> Result<ArrayD<i64>> {
    match values.iter().find(|&&value| i64::try_from(value).is_err()) {
        None => Ok(values.mapv(|value| i64::try_from(value).expect("none is beyond"))),
        Some(&value) => Err(Error::TooLarge { name: name.to_owned(), value }),
    }
}

pub(crate) fn cut_short(name: &str, shape: &[usize], needs: &str) -> Error {
    Error::CutShort { name: name.to_owned(), shape: shape.to_vec(), needs: needs.to_owned() }
}

/// An error if the array is more than `packed` bytes may unpack to, as far as `length` lets it be read at all.
pub(crate) fn check_packed(header: &Header, name: &str, length: u64, packed: u64) -> Result<()> {
    let digits = header.dtype.trim_start_matches(|c: char| !c.is_ascii_digit());
    // Text counts characters, whose arrays are refused; a type without a number has a byte.
    let size = digits.parse::<u64>().unwrap_or(1).max(1);
    packed::check(name, (header.count() as u64).saturating_mul(size).min(length), packed)
}

/// The numbers after the header, in C order whatever the order of the file.
fn body<T: bytemuck::Pod>(
    reader: &mut impl Read,
    header: &Header,
    name: &str,
    length: u64,
) -> Result<ArrayD<T>> {
    let values = numbers::<T>(reader, header, name, length)?;
    let reversed = header.shape.iter().rev().copied().collect::<Vec<_>>();
    Ok(if header.is_fortran {
        ArrayD::from_shape_vec(IxDyn(&reversed), values)
            .expect("count matches shape")
            .reversed_axes()
            .as_standard_layout()
            .into_owned()
    } else {
        ArrayD::from_shape_vec(IxDyn(&header.shape), values).expect("count matches shape")
    })
}

/// As many numbers as the header says, in the byte order of the machine.
fn numbers<T: bytemuck::Pod>(
    reader: &mut impl Read,
    header: &Header,
    name: &str,
    length: u64,
) -> Result<Vec<T>> {
    little_endian(name)?;
    let count = header.count();
    let needs = |found: String| {
        cut_short(name, &header.shape, &format!("{} bytes of numbers ({found})", count * size_of::<T>()))
    };
    let found = length.saturating_sub(header.length as u64);
    if found < (count * size_of::<T>()) as u64 {
        return Err(needs(format!("it has {found}")));
    }
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|e| needs(e.to_string()))?;
    while values.len() < count {
        let begin = values.len();
        values.resize(count.min(begin + BYTES_AT_ONCE / size_of::<T>()), T::zeroed());
        let bytes = bytemuck::cast_slice_mut::<T, u8>(&mut values[begin..]);
        reader.read_exact(bytes).map_err(|e| needs(e.to_string()))?;
        if header.dtype.starts_with('>') {
            bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
        }
    }
    Ok(values)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), numbers].concat()
    }

    fn parse(bytes: &[u8]) -> Result<AnyArray, String> {
        read_any_from(&mut &*bytes, "y.npy", bytes.len() as u64).map_err(|e| e.to_string())
    }

    /// cases.md D1 and D2: ndarray-npy #80, seqdataloader #12, DUP-ocropy #43; Julia, pandas and C++ write such labels.
    #[test]
    fn integers_of_any_width_and_byte_order_are_read() {
        for (descr, bytes) in [
            ("|b1", &[1, 0][..]),
            ("<u1", &[1, 0]),
            (">i1", &[1, 0]),
            ("<i2", &[1, 0, 0, 0]),
            (">u2", &[0, 1, 0, 0]),
            (">i4", &[0, 0, 0, 1, 0, 0, 0, 0]),
            ("<u8", &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (">u8", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            (">i8", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let found = parse(&file(descr, "False", "(2,)", bytes)).unwrap();
            assert_eq!(found.to_f64().into_raw_vec_and_offset().0, [1.0, 0.0], "{descr}");
            assert!(matches!(found, AnyArray::U8(_) | AnyArray::I64(_)), "{descr}");
        }
        let message = parse(&file("<u8", "False", "(1,)", &[255; 8])).unwrap_err();
        assert!(message.contains("y.npy: contains 18446744073709551615"), "{message}");
    }

    #[test]
    fn floats_of_the_other_byte_order_and_fortran_order_are_read() {
        let bytes = [1.5_f32, 2.0, 3.0, 4.0].map(f32::to_be_bytes).concat();
        let AnyArray::F32(found) = parse(&file(">f4", "True", "(2, 2)", &bytes)).unwrap() else { panic!() };
        assert_eq!(found, ndarray::array![[1.5, 3.0], [2.0, 4.0]].into_dyn());
    }

    /// cases.md F5: the hint `astype('<f4')` cannot be followed for text.
    #[test]
    fn the_hint_of_a_type_that_is_not_read_can_be_followed() {
        assert!(
            conversion("[('a', '<f8')]", "y.npy")
                .contains("import structured_to_unstructured: numpy.save(path, ")
        );
        assert!(conversion("|V2", "y.npz[a]").contains("bfloat16"));
        for (descr, part) in [
            ("<U4", "numpy.unique"),
            ("|S3", "numpy.unique"),
            ("|O", "numpy.unique"),
            ("<f2", "astype('<f8')"),
            ("<M8[s]", "astype('<f8')"),
            ("<c16", "array.real"),
            ("<f16", "astype('<f8')"),
        ] {
            let bytes = file(descr, "False", "(0,)", &[]);
            let error = read_any_from(&mut &bytes[..], "y.npy", 0).unwrap_err();
            assert!(error.to_string().contains(&format!("contains {descr}, but bool")), "{error}");
            assert!(error.hint().unwrap().contains(part), "{descr}: {error}");
            // numpy.save(path, ...) would write over all arrays of an archive.
            let error = read_any_from(&mut &bytes[..], "d/w.npz[a[0]]", 0).unwrap_err();
            let hint = error.hint().unwrap();
            assert!(
                hint.contains("a[\"a[0]\"] = ") && hint.contains("numpy.savez(\"d/w.npz\", **a)"),
                "{hint}"
            );
            assert!(!hint.contains("numpy.save("), "{hint}");
        }
    }

    /// cases.md C2: libnpy #44 and #45, mlx #3365, cnpy #106 and #107, stablehlo #2963.
    #[test]
    fn a_shape_beyond_the_file_costs_no_memory() {
        for (descr, shape) in [
            ("<i8", "(1000000000000000,)"),
            ("<f8", "(4294967296, 65536)"),
            ("|u1", "(144115188075855871,)"),
            ("<f4", "(2, 3)"),
        ] {
            let bytes = file(descr, "False", shape, &[0; 20]);
            let message = parse(&bytes).unwrap_err();
            assert!(message.contains("cut short: shape ["), "{message}");
            // The same where the length is not known beforehand.
            let message = read_any_from(&mut &bytes[..], "y.npy", u64::MAX).unwrap_err().to_string();
            assert!(message.contains("cut short: shape ["), "{message}");
        }
        assert_eq!(parse(&file("<f4", "False", "(0, 7)", &[])).unwrap().shape(), [0, 7]);
    }
}
