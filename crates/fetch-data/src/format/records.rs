//! Records of bytes, as CIFAR has them: one or two labels, then the image, channel after channel.

use std::path::Path;

use catalogue::{Entry, File};
use ndarray::{Array1, Array2, s};
use records::fetch_data::Labels as Which;
use store::rows::Rows;
use store::{packed, regular};

use crate::error::FetchError;
use crate::split::{Images, Labels, Split, Splits};

/// Another size than its records have.
pub fn fault(file: &File, bytes: &[u8]) -> Option<String> {
    let size = file.shape.iter().product::<usize>();
    (bytes.len() != size)
        .then(|| format!("{} bytes, but its {} records have {size}", bytes.len(), file.shape[0]))
}

/// Both splits of files that have no [`fault`]; the last one is for testing.
pub fn read(entry: &Entry, files: &[Vec<u8>], which: Option<Which>) -> Result<Splits, FetchError> {
    let (test, train) = files.split_last().expect("a file of each split");
    let labels = entry.files[0].shape[1] - entry.features();
    let classes = if which == Some(Which::Coarse) { COARSE } else { entry.classes };
    let of = |bytes: Vec<u8>, file: &'static str| {
        let split = split(&bytes, entry.features(), labels, which);
        let Labels::Classes(found) = &split.labels else { unreachable!("records have classes") };
        match found.iter().position(|&class| usize::try_from(class).is_ok_and(|class| class >= classes)) {
            None => Ok(split),
            Some(row) => {
                let found = format!("row {row} is class {}, but {classes} classes are needed", found[row]);
                Err(FetchError::Unexpected { file, found })
            }
        }
    };
    Ok(Splits {
        train: of(train.concat(), entry.files[0].name)?,
        test: Some(of(test.clone(), entry.files[files.len() - 1].name)?),
    })
}

/// Coarse classes of CIFAR-100.
const COARSE: usize = 20;

/// Records of the user, of any number: images of so many values after one or two labels, plain or packed.
pub fn of_user(path: &Path, features: usize, which: Option<Which>) -> Result<Split, FetchError> {
    let name = path.display().to_string();
    let unreadable = |error| FetchError::Stored(store::Error::system("read", path)(error));
    let mut bytes = regular::read(path, u64::MAX).map_err(unreadable)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bytes = packed::gunzip(&bytes, packed::most(bytes.len() as u64)).map_err(unreadable)?;
    }
    let fits = |labels: usize| !bytes.is_empty() && bytes.len().is_multiple_of(features + labels);
    let labels = match (fits(1), fits(2), which) {
        (_, true, Some(_)) | (false, true, None) => 2,
        (true, false, None) => 1,
        _ => {
            let records = |labels: usize| format!("{} bytes with {labels} label(s)", features + labels);
            let both = fits(1) && fits(2);
            let hint = if both {
                "both sizes of a record fit: set fetch-data.labels: fine or coarse for two labels, or cut the file"
            } else {
                "records are labels and then channel after channel, of the shape fetch-data.image; with fetch-data.labels, of two labels"
            };
            let needed = format!("records of {} or of {}", records(1), records(2));
            return Err(FetchError::Records { file: name, found: bytes.len(), needed, hint });
        }
    };
    Ok(split(&bytes, features, labels, which))
}

/// Images and classes of whole records.
fn split(bytes: &[u8], features: usize, labels: usize, which: Option<Which>) -> Split {
    let records =
        ndarray::ArrayView2::from_shape((bytes.len() / (features + labels), features + labels), bytes);
    let records = records.expect("whole records");
    let at = if which == Some(Which::Coarse) { 0 } else { labels - 1 };
    let classes = records.column(at).iter().map(|&class| i64::from(class)).collect::<Array1<_>>();
    let images: Array2<u8> = records.slice(s![.., labels..]).to_owned();
    Split { images: Images::U8(Rows::Memory(images)), labels: Labels::Classes(classes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(split: &Split) -> Vec<i64> {
        let Labels::Classes(classes) = &split.labels else { panic!() };
        classes.to_vec()
    }

    #[test]
    fn records_of_one_and_two_labels_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        // Images of four values: 5 bytes a record with one label, 6 with two.
        std::fs::write(&path, [3, 10, 11, 12, 13, 0, 20, 21, 22, 23]).unwrap();
        let split = of_user(&path, 4, None).unwrap();
        assert_eq!((split.shape(), classes(&split)), ((2, 4), vec![3, 0]));
        let Images::U8(x) = &split.images else { panic!() };
        assert_eq!(x.with(1..2, |x| x.iter().copied().collect::<Vec<_>>()).unwrap(), [20, 21, 22, 23]);
        std::fs::write(&path, [1, 3, 10, 11, 12, 13, 0, 7, 20, 21, 22, 23]).unwrap();
        assert_eq!(classes(&of_user(&path, 4, None).unwrap()), [3, 7]);
        assert_eq!(classes(&of_user(&path, 4, Some(Which::Coarse)).unwrap()), [1, 0]);
        let said = |bytes: usize, which| {
            std::fs::write(&path, vec![0; bytes]).unwrap();
            of_user(&path, 4, which).map(|_| ()).unwrap_err().to_string()
        };
        assert!(
            said(11, None)
                .contains("a.bin: 11 bytes; records of 5 bytes with 1 label(s) or of 6 bytes with 2")
        );
        assert!(said(10, Some(Which::Fine)).contains("10 bytes"));
        assert!(said(30, None).contains("30 bytes"), "both sizes fit");
        assert!(said(0, None).contains("0 bytes"));
    }

    #[test]
    fn files_of_a_set_are_joined_and_checked() {
        let cifar = catalogue::ENTRIES.iter().find(|entry| entry.name == "cifar-10").unwrap();
        let file =
            |n: usize| File { name: "f", sha256: "", shape: if n == 2 { &[2, 3073] } else { &[1, 3073] } };
        let files = Box::leak(Box::new([file(2), file(1), file(1)]));
        let entry = Entry { files, normalisation: cifar.normalisation.clone(), ..*cifar };
        let record = |class: u8| [&[class][..], &[class; 3072]].concat();
        let files = [[record(1), record(2)].concat(), record(3), record(9)];
        for (file, bytes) in entry.files.iter().zip(&files) {
            assert_eq!(fault(file, bytes), None);
        }
        assert_eq!(fault(&entry.files[0], &files[1]).unwrap(), "3073 bytes, but its 2 records have 6146");
        let found = read(&entry, &files, None).unwrap();
        assert_eq!((classes(&found.train), classes(&found.test.unwrap())), (vec![1, 2, 3], vec![9]));
        let wrong = read(&entry, &[files[0].clone(), record(10), record(0)], None).map(|_| ()).unwrap_err();
        assert!(wrong.to_string().contains("row 2 is class 10, but 10 classes"), "{wrong}");
    }
}
