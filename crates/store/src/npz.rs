//! `.npz` archives: named arrays, as `numpy.savez` writes them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use ndarray::ArrayD;
use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::header::Header;
use crate::npy::{AnyArray, Element, check_packed, length_of, open, read_any_after};
use crate::packed;

/// `archive.npz[array]` as the archive and the name of an array in it; any other path as it is, without a name.
pub fn split(path: &Path) -> (&Path, Option<&str>) {
    let named = path.to_str().and_then(|text| {
        let (archive, array) = text.strip_suffix(']')?.rsplit_once(".npz[")?;
        Some((Path::new(&text[..archive.len() + ".npz".len()]), array))
    });
    named.map_or((path, None), |(archive, array)| (archive, Some(array)))
}

/// Reads one array of an `.npz` archive.
pub fn read(path: &Path, array: &str) -> Result<AnyArray> {
    let bytes = length_of(&open(path)?, path)?;
    let mut archive = open_npz(path)?;
    let found = sorted_names(path, &archive)?.join(", ");
    let file = archive.by_name(&format!("{array}.npy"));
    let mut file = file.map_err(|_| no_array(path, array, found))?;
    let name = format!("{}[{array}]", path.display());
    let compressed = file.compressed_size().min(bytes);
    let length = file.size().min(packed::reach(compressed));
    let header = Header::read(&mut file, &name)?;
    check_packed(&header, &name, length, compressed)?;
    let found = read_any_after(&header, &mut file, &name, length)?;
    packed::check_end(&mut file, &name)?;
    Ok(found)
}

/// Name, shape and type of each array of an `.npz` archive, in the order of the file, from their headers alone. One whose
/// header cannot be read has no axes and no type: it does no harm to those that are asked for.
pub fn entries(path: &Path) -> Result<Vec<(String, Vec<usize>, String)>> {
    let mut archive = open_npz(path)?;
    let mut entries = vec![];
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(|e| not_npz(path, &e))?;
        let name = file.name().map_err(|e| not_npz(path, &e))?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else { continue };
        let header = Header::read(&mut file, &name).ok();
        let (shape, dtype) = header.map_or_else(Default::default, |h| (h.shape, h.dtype));
        entries.push((name, shape, dtype));
    }
    Ok(entries)
}

/// Writes named arrays into one `.npz` archive that `numpy.load` reads.
pub fn write<T: Element>(path: &Path, arrays: &[(String, ArrayD<T>)]) -> Result<()> {
    let system = || Error::system("write", path);
    let file = File::create(path).map_err(system())?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    for (name, array) in arrays {
        // As numpy.savez does, without compression; and with a fixed date: the same weights give the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        archive.start_file(format!("{name}.npy"), options).map_err(|e| system()(e.into()))?;
        let shape = array.shape().iter().map(|&n| n as u64).collect::<Vec<_>>();
        let writer = npyz::WriteOptions::<T>::new().default_dtype().shape(&shape).writer(&mut archive);
        let mut writer = writer.begin_nd().map_err(system())?;
        writer.extend(array.iter().copied()).map_err(system())?;
        writer.finish().map_err(system())?;
    }
    archive.finish().map_err(|e| system()(e.into()))?.flush().map_err(system())
}

fn open_npz(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let mut archive = ZipArchive::new(open(path)?).map_err(|e| not_npz(path, &e))?;
    // A few bytes could otherwise be thousands of arrays.
    if archive.has_overlapping_files().map_err(|e| not_npz(path, &e))? {
        let reason = zip::result::ZipError::InvalidArchive("its members overlap".into());
        return Err(not_npz(path, &reason));
    }
    Ok(archive)
}

/// Names of the files in a zip archive, whatever they are.
pub fn members(path: &Path) -> Result<Vec<String>> {
    members_of(path, &open_npz(path)?)
}

fn members_of(path: &Path, archive: &ZipArchive<BufReader<File>>) -> Result<Vec<String>> {
    let name = |name: Result<_, _>| name.map_err(|e| not_npz(path, &e));
    archive.file_names().map(|n| Ok(name(n)?.into_owned())).collect()
}

fn sorted_names(path: &Path, archive: &ZipArchive<BufReader<File>>) -> Result<Vec<String>> {
    let members = members_of(path, archive)?;
    let mut names =
        members.iter().filter_map(|n| Some(n.strip_suffix(".npy")?.to_owned())).collect::<Vec<_>>();
    names.sort();
    Ok(names)
}

pub(crate) fn no_array(path: &Path, array: &str, found: String) -> Error {
    Error::NoArray { path: path.to_owned(), array: array.to_owned(), found }
}

fn not_npz(path: &Path, reason: &zip::result::ZipError) -> Error {
    Error::Format {
        name: path.display().to_string(),
        format: "an .npz file",
        reason: reason.to_string(),
        hint: "write it with numpy.savez(path, name=array)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// cases.md E11: `lecture_deep_learning` #45 and #46, tutorials #62.
    #[test]
    fn a_path_may_name_an_array_of_an_archive() {
        let of = |text: &'static str| {
            let (archive, array) = split(Path::new(text));
            (archive.to_str().unwrap(), array)
        };
        assert_eq!(of("my/mnist.npz[x_train]"), ("my/mnist.npz", Some("x_train")));
        assert_eq!(of("a.npz[0]/b.npz[group/x[0]]"), ("a.npz[0]/b.npz", Some("group/x[0]")));
        assert_eq!(of("my/mnist.npz"), ("my/mnist.npz", None));
        assert_eq!(of("my/x[1].npy"), ("my/x[1].npy", None));
        assert_eq!(of("x[1]"), ("x[1]", None));
        assert_eq!(of("my.npz[x"), ("my.npz[x", None));
    }

    #[test]
    fn an_archive_gives_its_arrays_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.npz");
        let w = array![[1.0_f32, 2.0]].into_dyn();
        let b = array![3.0_f32].into_dyn();
        write(&path, &[("b1".into(), b), ("W1".into(), w.clone())]).unwrap();
        let of_file = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec(), "<f4".to_owned());
        assert_eq!(entries(&path).unwrap(), [of_file("b1", &[1]), of_file("W1", &[1, 2])]);
        assert_eq!(read(&path, "W1").unwrap().to_f64(), w.mapv(f64::from));
        let error = read(&path, "W2").unwrap_err().to_string();
        assert!(error.contains("no array \"W2\"; it contains W1, b1"), "{error}");
        std::fs::write(&path, b"hello").unwrap();
        assert!(read(&path, "W1").unwrap_err().to_string().contains("not an .npz file"));
    }

    /// One bit of a number: the checksum of the archive is at the end of the member, where NumPy finds it too.
    #[test]
    fn a_damaged_member_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.npz");
        write(&path, &[("W1".into(), array![1.0_f32, 2.0, 3.0].into_dyn())]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let two = bytes.windows(4).position(|four| four == 2.0_f32.to_le_bytes()).unwrap();
        bytes[two + 1] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path, "W1").unwrap_err().to_string();
        assert!(error.contains("w.npz[W1]") && error.contains("damaged"), "{error}");
    }

    /// Fifield's bomb: every entry of the directory is the same member.
    #[test]
    fn an_archive_whose_members_overlap_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.npz");
        write(&path, &[("a".into(), array![1.0].into_dyn()), ("b".into(), array![2.0].into_dyn())]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let second = bytes.windows(4).rposition(|four| four == b"PK\x03\x04").unwrap();
        assert!(second > 0);
        // The place of its member is the last but none of the fixed fields of an entry of the directory.
        let entry = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
        let place = u32::from_le_bytes(bytes[entry + 42..entry + 46].try_into().unwrap());
        assert_eq!(place as usize, second);
        bytes[entry + 42..entry + 46].copy_from_slice(&0_u32.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        for said in [read(&path, "a").map(|_| ()), entries(&path).map(|_| ()), members(&path).map(|_| ())] {
            let said = said.unwrap_err().to_string();
            assert!(said.contains("not an .npz file"), "{said}");
        }
    }

    /// A member that does unpack to what its header says, and is refused before any memory is taken for it.
    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("y.npz");
        let gibibytes = 1_usize << 30;
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}\n", 4 * gibibytes);
        let header = [b"\x93NUMPY\x01\x00", &[u8::try_from(text.len()).unwrap(), 0][..], text.as_bytes()];
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("y.npy", options).unwrap();
        archive.write_all(&header.concat()).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..4096).for_each(|_| archive.write_all(&zeros).unwrap());
        archive.finish().unwrap();
        let packed = path.metadata().unwrap().len();
        assert!(packed < 20 << 20, "{packed}");
        let error = read(&path, "y").unwrap_err().to_string();
        assert!(error.contains("y.npz[y]: would unpack") && error.contains("4294967296"), "{error}");
    }

    /// cases.md C2: a header of a member that promises more than the archive can contain.
    #[test]
    fn a_shape_beyond_the_archive_costs_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("y.npz");
        let text = "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000000,), }\n";
        let header = [b"\x93NUMPY\x01\x00", &[u8::try_from(text.len()).unwrap(), 0][..], text.as_bytes()];
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let mut archive = ZipWriter::new(File::create(&path).unwrap());
            archive.start_file("y.npy", SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(&header.concat()).unwrap();
            archive.finish().unwrap();
            let error = read(&path, "y").unwrap_err().to_string();
            assert!(error.contains("y.npz[y]: cut short: shape [1000000000000000]"), "{error}");
        }
    }
}
