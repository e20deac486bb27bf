//! `.npz` archives: named arrays, as `numpy.savez` writes them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use ndarray::ArrayD;
use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::npy::{AnyArray, Element, open, read_any_from};

/// Reads one array of an `.npz` archive.
pub fn read(path: &Path, array: &str) -> Result<AnyArray> {
    let mut archive = open_npz(path)?;
    let found = sorted_names(path, &archive)?.join(", ");
    let file = archive.by_name(&format!("{array}.npy"));
    let mut file =
        file.map_err(|_| Error::NoArray { path: path.to_owned(), array: array.to_owned(), found })?;
    read_any_from(&mut file, &format!("{}[{array}]", path.display()))
}

/// Names of the arrays in an `.npz` archive.
pub fn names(path: &Path) -> Result<Vec<String>> {
    sorted_names(path, &open_npz(path)?)
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
    ZipArchive::new(open(path)?).map_err(|e| not_npz(path, &e))
}

fn sorted_names(path: &Path, archive: &ZipArchive<BufReader<File>>) -> Result<Vec<String>> {
    let mut names = vec![];
    for name in archive.file_names() {
        let name = name.map_err(|e| not_npz(path, &e))?;
        names.extend(name.strip_suffix(".npy").map(str::to_owned));
    }
    names.sort();
    Ok(names)
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

    #[test]
    fn an_archive_gives_its_arrays_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.npz");
        let w = array![[1.0_f32, 2.0]].into_dyn();
        write(&path, &[("W1".into(), w.clone()), ("b1".into(), array![3.0_f32].into_dyn())]).unwrap();
        assert_eq!(names(&path).unwrap(), ["W1", "b1"]);
        assert_eq!(read(&path, "W1").unwrap().to_f64(), w.mapv(f64::from));
        let error = read(&path, "W2").unwrap_err().to_string();
        assert!(error.contains("no array \"W2\"; it holds W1, b1"), "{error}");
    }
}
