//! An array of the user, whatever file contains it: `.npy`, a member of an `.npz`, or IDX; `.npy` and IDX also packed as
//! `.gz`. The first bytes say what a file is, not its name: browsers unpack a `.gz` and keep its name.

use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::header::Header;
use crate::npy::{AnyArray, at_once, check_packed, length_of, open, read_any_after};
use crate::{idx, npz, packed};

/// Shape and type of an array, without its numbers. In an archive it is the one that the path names, as `data.npz[x_train]`;
/// otherwise the one called `array`.
pub fn peek(path: &Path, array: &str) -> Result<(Vec<usize>, String)> {
    let header = match find(path, array)? {
        Found::Member(archive, array) => {
            let entries = npz::entries(archive)?;
            let names = entries.iter().map(|entry| entry.0.clone()).collect::<Vec<_>>().join(", ");
            let entry = entries.into_iter().find(|entry| entry.0 == array);
            let (_, shape, dtype) = entry.ok_or_else(|| npz::no_array(archive, array, names))?;
            if dtype.is_empty() {
                npz::read(archive, array)?; // says why its header cannot be read
            }
            return Ok((shape, dtype));
        }
        Found::Bytes(mut bytes) => bytes.header(&path.display().to_string())?,
    };
    Ok((header.shape, header.dtype))
}

/// An array with its numbers; `array` as for [`peek`].
pub fn read(path: &Path, array: &str) -> Result<AnyArray> {
    let mut bytes = match find(path, array)? {
        Found::Member(archive, array) => return npz::read(archive, array),
        Found::Bytes(bytes) => bytes,
    };
    let name = path.display().to_string();
    let header = bytes.header(&name)?;
    if let Some(packed) = bytes.packed {
        check_packed(&header, &name, u64::MAX, packed)?;
    }
    let found = read_any_after(&header, &mut bytes.reader, &name, bytes.length)?;
    if bytes.is_idx || bytes.packed.is_some() {
        packed::check_end(&mut bytes.reader, &name)?;
    }
    Ok(found)
}

/// What contains an array.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// a `.npy` file, not packed: some of its rows can be read at a time
    Npy,
    /// an `.npz`
    Archive,
    /// an IDX file, packed or not
    Idx,
    /// a packed `.npy` file
    Packed,
}

/// What contains the array at `path`. A file that is none of these counts as [`Kind::Npy`], whose reader says what is wrong.
pub fn kind(path: &Path) -> Result<Kind> {
    Ok(match find(path, "")? {
        Found::Member(..) => Kind::Archive,
        Found::Bytes(bytes) if bytes.is_idx => Kind::Idx,
        Found::Bytes(bytes) if bytes.packed.is_some() => Kind::Packed,
        Found::Bytes(_) => Kind::Npy,
    })
}

/// Where the numbers are.
enum Found<'a> {
    /// in an archive, under that name
    Member(&'a Path, &'a str),
    /// after a header
    Bytes(Bytes),
}

/// Unpacked bytes of a file that is no archive.
struct Bytes {
    reader: Box<dyn BufRead>,
    /// how many; of a packed file the most that they can be
    length: u64,
    /// bytes in the file, where it is packed
    packed: Option<u64>,
    is_idx: bool,
}

impl Bytes {
    fn header(&mut self, name: &str) -> Result<Header> {
        if self.is_idx {
            return idx::header(&mut self.reader, name);
        }
        let first = self.reader.fill_buf().unwrap_or_default();
        if let Some((reason, hint)) = stranger(first) {
            let (name, reason) = (name.to_owned(), reason.to_owned());
            return Err(Error::Format { name, format: "a .npy, .npz or IDX file", reason, hint });
        }
        Header::read(&mut self.reader, name)
    }
}

/// What a file of another format looks like, and the line that converts it.
fn stranger(first: &[u8]) -> Option<(&'static str, &'static str)> {
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_text = line.iter().all(|&byte| byte >= b' ' || matches!(byte, b'\t' | b'\r'));
    match first {
        [0x89, b'H', b'D', b'F', ..] => {
            Some(("it is HDF5", "in Python: numpy.save(\"x.npy\", h5py.File(path)[\"name\"][:])"))
        }
        [0x80, 2..=5, ..] => Some((
            "it is a pickle, which is never executed",
            "in Python: numpy.save(\"x.npy\", numpy.asarray(the array that it contains))",
        )),
        [b'P', b'K', ..] => Some(("it is an archive inside another", "unpack it first")),
        _ if is_text && line.len() > 1 => Some((
            "it is text",
            "in Python: numpy.save(\"x.npy\", numpy.loadtxt(path, delimiter=\",\", skiprows=1)), without skiprows if it has no header",
        )),
        _ => None,
    }
}

fn find<'a>(path: &'a Path, array: &'a str) -> Result<Found<'a>> {
    if let (archive, Some(array)) = npz::split(path) {
        return Ok(Found::Member(archive, array));
    }
    let mut file = open(path)?;
    let length = length_of(&file, path)?;
    let first = first_bytes(&mut file, path)?;
    if first.starts_with(b"PK") {
        return Ok(Found::Member(path, array));
    }
    let packed = first.starts_with(&[0x1f, 0x8b]).then_some(length);
    let (reader, length): (Box<dyn BufRead>, _) = if packed.is_some() {
        let most = packed::reach(length);
        (Box::new(BufReader::with_capacity(at_once(most), MultiGzDecoder::new(file))), most)
    } else {
        (Box::new(file), length)
    };
    let mut bytes = Bytes { reader, length, packed, is_idx: false };
    bytes.is_idx = idx::is_idx(&first_bytes(&mut bytes.reader, path)?);
    Ok(Found::Bytes(bytes))
}

/// The first four bytes, which are read again afterwards; fewer of a shorter file.
fn first_bytes(reader: &mut impl BufRead, path: &Path) -> Result<Vec<u8>> {
    let buffered = reader.fill_buf().map_err(|source| Error::Format {
        name: path.display().to_string(),
        format: "a readable file",
        reason: source.to_string(),
        hint: "write or fetch the file again",
    })?;
    Ok(buffered[..buffered.len().min(4)].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ndarray::array;
    use std::io::Write;
    use std::path::PathBuf;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut gz = GzEncoder::new(vec![], Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    }

    fn idx(kind: u8, shape: &[u32], numbers: &[u8]) -> Vec<u8> {
        let lengths = shape.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
        [&[0, 0, kind, u8::try_from(shape.len()).unwrap()], &lengths[..], numbers].concat()
    }

    fn put(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The checksum of a `.gz` is at its end: one bit, a lost end, and what follows the array.
    #[test]
    fn a_damaged_packed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = put(&dir, "x.npy", b"");
        crate::rows::write(&path, &ndarray::array![1.0_f64, 2.0, 3.0]).unwrap();
        let npy = std::fs::read(&path).unwrap();
        let stored = |bytes: &[u8]| {
            let mut gz = GzEncoder::new(vec![], Compression::none());
            gz.write_all(bytes).unwrap();
            gz.finish().unwrap()
        };
        let good = stored(&npy);
        assert!(read(&put(&dir, "x.npy.gz", &good), "x").is_ok());
        let two = good.windows(8).position(|eight| eight == 2.0_f64.to_le_bytes()).unwrap();
        let mut flipped = good.clone();
        flipped[two + 3] ^= 1;
        for (bytes, said) in [
            (flipped, "damaged"),
            (good[..good.len() - 6].to_vec(), "damaged"),
            (stored(&[&npy[..], &[0; 8]].concat()), "goes on after"),
        ] {
            let error = read(&put(&dir, "x.npy.gz", &bytes), "x").unwrap_err().to_string();
            assert!(error.contains("x.npy.gz") && error.contains(said), "{error}");
        }
    }

    /// cases.md E1: python-mnist #11, tiny-dnn #24, `mnist_png` #3; the types of the format, QMNIST's among them.
    #[test]
    fn idx_files_of_every_type_are_read_plain_and_packed_under_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let two = |bytes: Vec<Vec<u8>>| bytes.concat();
        for (kind, dtype, numbers) in [
            (0x08, "|u1", vec![3, 250]),
            (0x09, "|i1", vec![3, 250]),
            (0x0b, ">i2", two([3_i16, -6].map(|v| v.to_be_bytes().to_vec()).to_vec())),
            (0x0c, ">i4", two([3_i32, -6].map(|v| v.to_be_bytes().to_vec()).to_vec())),
            (0x0d, ">f4", two([3.0_f32, -6.0].map(|v| v.to_be_bytes().to_vec()).to_vec())),
            (0x0e, ">f8", two([3.0_f64, -6.0].map(|v| v.to_be_bytes().to_vec()).to_vec())),
        ] {
            let bytes = idx(kind, &[2, 1], &numbers);
            for (name, bytes) in
                [("a-idx2-ubyte", bytes.clone()), ("b.npz", bytes.clone()), ("c.gz", packed(&bytes))]
            {
                let path = put(&dir, name, &bytes);
                assert_eq!(peek(&path, "x").unwrap(), (vec![2, 1], dtype.to_owned()));
                let last = if kind == 0x08 { 250.0 } else { -6.0 };
                assert_eq!(read(&path, "x").unwrap().to_f64(), array![[3.0], [last]].into_dyn(), "{dtype}");
                assert_eq!(super::kind(&path).unwrap(), Kind::Idx);
            }
        }
    }

    /// cases.md C2, for IDX; and files cut short or too long, packed and plain.
    #[test]
    fn a_malformed_idx_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for (bytes, found) in [
            (idx(8, &[u32::MAX, u32::MAX, u32::MAX], &[1]), "beyond any memory"),
            (idx(8, &[u32::MAX], &[1]), "cut short"),
            (idx(8, &[2], &[1]), "cut short"),
            (idx(8, &[2], &[1, 2, 3]), "goes on after"),
            (vec![0, 0, 8, 2, 0, 0, 0, 1], "failed to fill whole buffer"),
            (vec![0, 0, 7, 1, 0, 0, 0, 1], "not a .npy file"),
            (vec![], "not a .npy file"),
        ] {
            for bytes in [bytes.clone(), packed(&bytes)] {
                let message = read(&put(&dir, "x", &bytes), "x").unwrap_err().to_string();
                // Of what is packed, a length that nothing of its size could fill is refused first.
                let beyond = bytes.starts_with(&[0x1f, 0x8b]) && message.contains("would unpack");
                assert!(message.contains(found) || beyond, "{message}");
            }
        }
        let whole = packed(&idx(8, &[200], &(0..200).collect::<Vec<_>>()));
        assert!(read(&put(&dir, "x", &whole[..60]), "x").is_err());
    }

    /// A shape that zeros of a few bytes could fill: refused before they are unpacked.
    #[test]
    fn a_packed_bomb_is_refused_by_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = put(&dir, "x.gz", &packed(&idx(8, &[u32::MAX], &[0; 1000])));
        let error = read(&path, "x").unwrap_err();
        assert!(
            error.to_string().contains("x.gz: would unpack") && error.to_string().contains("4294967295"),
            "{error}"
        );
        let path = put(&dir, "y.gz", &packed(&idx(0x0e, &[1 << 27, 2], &[0; 1000])));
        assert!(read(&path, "x").unwrap_err().to_string().contains("to 2147483648"));
    }

    #[test]
    fn another_format_is_named_with_the_line_that_converts_it() {
        let dir = tempfile::tempdir().unwrap();
        for (bytes, found, hint) in [
            (&b"a,b\n1,2\n"[..], "it is text", "loadtxt"),
            (b"\x89HDF\r\n\x1a\n", "it is HDF5", "h5py"),
            (b"\x80\x04\x95", "it is a pickle", "numpy.asarray"),
        ] {
            let error = read(&put(&dir, "x.npy", bytes), "x").unwrap_err();
            assert!(error.to_string().contains(found) && error.hint().unwrap().contains(hint), "{error}");
        }
    }

    /// cases.md E11: Keras' mnist.npz, and positional `arr_0`.
    #[test]
    fn an_array_of_an_archive_is_the_one_that_the_path_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.npz");
        let arrays =
            [("x".to_owned(), array![1.0].into_dyn()), ("arr_0".to_owned(), array![2.0, 3.0].into_dyn())];
        npz::write(&path, &arrays).unwrap();
        let named = dir.path().join("set.npz[arr_0]");
        assert_eq!(
            (read(&path, "x").unwrap().shape(), read(&named, "x").unwrap().shape()),
            (&[1][..], &[2][..])
        );
        assert_eq!((peek(&path, "x").unwrap().0, peek(&named, "x").unwrap().0), (vec![1], vec![2]));
        for found in [peek(&path, "y").unwrap_err(), read(&path, "y").unwrap_err()] {
            assert!(found.to_string().contains("no array \"y\""), "{found}");
            assert!(found.hint().unwrap().contains(".npz["));
        }
    }

    #[test]
    fn a_packed_npy_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        rows::write(&path, &array![1_i64, 2]).unwrap();
        assert_eq!(kind(&path).unwrap(), Kind::Npy);
        let path = put(&dir, "x.npy.gz", &packed(&std::fs::read(&path).unwrap()));
        assert_eq!(read(&path, "x").unwrap().to_f64(), array![1.0, 2.0].into_dyn());
        assert_eq!(kind(&path).unwrap(), Kind::Packed);
    }
}
