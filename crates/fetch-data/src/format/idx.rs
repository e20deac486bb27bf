//! IDX files of bytes, checked before they are parsed.

use std::path::Path;

use catalogue::{Entry, File};
use mnist::{Mnist, MnistBuilder};
use ndarray::Array2;
use store::rows::Rows;

use crate::error::FetchError;
use crate::split::{Images, Labels, Split, Splits};

/// Bytes of the header of a file with so many axes: a magic number and a length for each.
fn header(axes: usize) -> usize {
    4 * (1 + axes)
}

/// What header, axes or size of the bytes of `file` say that should not be.
pub fn fault(file: &File, bytes: &[u8]) -> Option<String> {
    let word = |i: usize| {
        let four = bytes.get(4 * i..4 * i + 4)?;
        Some(u32::from_be_bytes(four.try_into().expect("four bytes")) as usize)
    };
    let axes = file.shape.len();
    let needed = 0x0800 + axes;
    let Some(found) = word(0) else {
        return Some(format!("{} bytes, too short for an IDX header", bytes.len()));
    };
    if found != needed {
        return Some(format!("magic number {found:#06x}, but {needed:#06x} is needed: not such an IDX file"));
    }
    for (axis, &length) in file.shape.iter().enumerate() {
        let found = word(axis + 1);
        if found != Some(length) {
            let found = found.map_or("missing".to_owned(), |n| n.to_string());
            return Some(format!("length of axis {axis} is {found}, but {length} is needed"));
        }
    }
    let size = header(axes) + file.shape.iter().product::<usize>();
    (bytes.len() != size).then(|| format!("{} bytes, but its header means {size}", bytes.len()))
}

/// Pixels and labels: of training, then of testing.
type Parts = [Vec<u8>; 4];

/// Both splits of four files that have no [`fault`].
///
/// The `mnist` crate parses files of MNIST's sizes from `folder`. Others, and those that are in no folder, are cut here.
pub fn read(entry: &Entry, files: &[Vec<u8>], folder: Option<&Path>) -> Result<Splits, FetchError> {
    let path = folder.and_then(Path::to_str).filter(|_| has_sizes_of_mnist(entry));
    let [train_x, train_y, test_x, test_y] = match path {
        Some(folder) => by_mnist_crate(entry, folder),
        None => std::array::from_fn(|i| files[i][header(entry.files[i].shape.len())..].to_vec()),
    };
    let labels = [entry.files[1].name, entry.files[3].name];
    Ok(Splits {
        train: split(entry, train_x, (train_y, labels[0]))?,
        test: Some(split(entry, test_x, (test_y, labels[1]))?),
    })
}

/// The `mnist` crate panics at any other sizes.
fn has_sizes_of_mnist(entry: &Entry) -> bool {
    let shapes = entry.files.iter().map(|file| file.shape);
    shapes.eq([&[60_000, 28, 28][..], &[60_000], &[10_000, 28, 28], &[10_000]])
}

/// That crate takes the test set from after the training images asked for, so all are.
fn by_mnist_crate(entry: &Entry, folder: &str) -> Parts {
    let number = |n: usize| u32::try_from(n).expect("sizes of MNIST");
    let Mnist { trn_img, trn_lbl, tst_img, tst_lbl, .. } = MnistBuilder::new()
        .base_path(folder)
        .training_images_filename(entry.files[0].name)
        .training_labels_filename(entry.files[1].name)
        .test_images_filename(entry.files[2].name)
        .test_labels_filename(entry.files[3].name)
        .label_format_digit()
        .training_set_length(number(entry.n_train))
        .validation_set_length(0)
        .test_set_length(number(entry.n_test))
        .finalize();
    [trn_img, trn_lbl, tst_img, tst_lbl]
}

fn split(
    entry: &Entry,
    pixels: Vec<u8>,
    (labels, file): (Vec<u8>, &'static str),
) -> Result<Split, FetchError> {
    if let Some(row) = labels.iter().position(|&y| usize::from(y) >= entry.classes) {
        let found = format!("row {row} is class {}, but {} classes are needed", labels[row], entry.classes);
        return Err(FetchError::Unexpected { file, found });
    }
    let images =
        Array2::from_shape_vec((labels.len(), entry.features()), pixels).expect("the shape was checked");
    let labels = labels.into_iter().map(i64::from).collect();
    Ok(Split { images: Images::U8(Rows::Memory(images)), labels: Labels::Classes(labels) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_passes_and_each_fault_is_named() {
        let labels = File { name: "labels", sha256: "", shape: &[3] };
        let message = |bytes: &[u8]| fault(&labels, bytes).unwrap();
        let good = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
        assert_eq!(fault(&labels, &good), None);
        assert!(message(&good[..2]).contains("2 bytes, too short"));
        assert!(message(&[&[0, 0, 8, 3], &good[4..]].concat()).contains("magic number 0x0803, but 0x0801"));
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 4, 7, 8, 9]).contains("axis 0 is 4, but 3"));
        assert!(message(&good[..6]).contains("axis 0 is missing"));
        assert!(message(&good[..10]).contains("10 bytes, but its header means 11"));
    }

    /// Other sizes than MNIST's, which the `mnist` crate cannot parse.
    #[test]
    fn files_of_any_size_are_read() {
        let mnist = catalogue::ENTRIES.iter().find(|entry| entry.name == "mnist").unwrap();
        let file = |shape| File { name: "small", sha256: "", shape };
        let files = [file(&[2, 1, 3]), file(&[2]), file(&[1, 1, 3]), file(&[1])];
        let small = Entry {
            n_train: 2,
            n_test: 1,
            image: [1, 1, 3],
            classes: 9,
            files: Box::leak(files.into()),
            normalisation: mnist.normalisation.clone(),
            ..*mnist
        };
        let bytes = |body: &[u8], axes: &[u8]| {
            let lengths = axes.iter().flat_map(|&n| [0, 0, 0, n]);
            [0, 0, 8, u8::try_from(axes.len()).unwrap()]
                .into_iter()
                .chain(lengths)
                .chain(body.to_vec())
                .collect()
        };
        let files: [Vec<u8>; 4] = [
            bytes(&[1, 2, 3, 4, 5, 6], &[2, 1, 3]),
            bytes(&[8, 0], &[2]),
            bytes(&[7, 8, 9], &[1, 1, 3]),
            bytes(&[9], &[1]),
        ];
        assert!(small.files.iter().zip(&files).all(|(file, bytes)| fault(file, bytes).is_none()));
        let message = read(&small, &files, None).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("small: row 0 is class 9, but 9 classes"), "{message}");
        let splits = read(&Entry { classes: 10, ..small }, &files, None).unwrap();
        let Images::U8(x) = &splits.train.images else { panic!("bytes") };
        assert_eq!(x.with(1..2, |row| row.iter().copied().collect::<Vec<_>>()).unwrap(), [4, 5, 6]);
        assert_eq!(splits.train.classes_of(&[0, 1]).collect::<Vec<_>>(), [8, 0]);
        assert_eq!(splits.test.unwrap().shape(), (1, 3));
    }
}
