//! IDX files, as MNIST and its relatives are given: a magic number, the lengths of the axes, and big-endian numbers.

use std::io::Read;

use crate::error::{Error, Result};
use crate::header::{Header, count};

/// Whether a file that begins so is one.
pub(crate) fn is_idx(first: &[u8]) -> bool {
    matches!(first, [0, 0, kind, axes, ..] if *axes > 0 && dtype(*kind).is_some())
}

/// The type of the numbers as NumPy writes it.
fn dtype(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x08 => "|u1",
        0x09 => "|i1",
        0x0b => ">i2",
        0x0c => ">i4",
        0x0d => ">f4",
        0x0e => ">f8",
        _ => return None,
    })
}

/// Reads up to the first number; `name` is for errors.
pub(crate) fn header(reader: &mut impl Read, name: &str) -> Result<Header> {
    parse(reader).map_err(|reason| Error::Format {
        name: name.to_owned(),
        format: "an IDX file",
        reason,
        hint: "write or fetch the file again",
    })
}

fn parse(reader: &mut impl Read) -> Result<Header, String> {
    let mut word = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map(|()| bytes).map_err(|e| e.to_string())
    };
    let [0, 0, kind, axes] = word()? else { return Err("another magic number".to_owned()) };
    let dtype = dtype(kind).ok_or_else(|| format!("its type is {kind:#04x}"))?.to_owned();
    let length = |_| word().map(|bytes| u32::from_be_bytes(bytes) as usize);
    let shape = (0..axes).map(length).collect::<Result<Vec<_>, _>>()?;
    count(&shape)?;
    Ok(Header { dtype, shape, is_fortran: false, length: 4 * (1 + usize::from(axes)) })
}
