//! For tests: data sets whose bytes are simple, and programs that stand in for those of the system.

use std::path::Path;
use std::process::Command;

use catalogue::{Debian, Entry, File, Npm, Origins};
use store::hash;

/// A set of the real sizes of MNIST: image i is full of i % 251, its label is i % 10.
pub fn large() -> (Entry, Vec<Vec<u8>>) {
    of_sizes(60_000, 10_000, 28)
}

/// The same of a few images.
pub fn tiny() -> (Entry, Vec<Vec<u8>>) {
    of_sizes(2, 2, 3)
}

fn of_sizes(n_train: usize, n_test: usize, side: usize) -> (Entry, Vec<Vec<u8>>) {
    let mnist = catalogue::ENTRIES.iter().find(|entry| entry.name == "mnist").unwrap();
    let shapes = [vec![n_train, side, side], vec![n_train], vec![n_test, side, side], vec![n_test]];
    let bytes = shapes.iter().map(|shape| idx(shape)).collect::<Vec<_>>();
    let file = |((known, shape), bytes): ((&File, &Vec<usize>), &Vec<u8>)| File {
        name: known.name,
        sha256: hash::of_bytes(bytes).leak(),
        shape: shape.clone().leak(),
    };
    let files = mnist.files.iter().zip(&shapes).zip(&bytes).map(file).collect::<Vec<_>>();
    let origins = Origins {
        npm: Some(Npm { package: "stub@1", folder: "package/data", length: 1000 }),
        debian: Some(Debian { package: "stub", folder: "usr/share/no-such-data-set" }),
        ..mnist.origins
    };
    let entry = Entry {
        name: "stub",
        n_train,
        n_test,
        image: [1, side, side],
        files: files.leak(),
        origins,
        normalisation: mnist.normalisation.clone(),
        ..*mnist
    };
    (entry, bytes)
}

fn idx(shape: &[usize]) -> Vec<u8> {
    let words = [&[0x0800 + shape.len()], shape].concat();
    let header = words.into_iter().flat_map(|n| u32::try_from(n).unwrap().to_be_bytes());
    let per_sample = shape[1..].iter().product::<usize>();
    let modulus = if shape.len() == 1 { 10 } else { 251 };
    let body = (0..shape[0]).flat_map(|i| vec![u8::try_from(i % modulus).unwrap(); per_sample]);
    header.chain(body).collect()
}

/// The bytes as gzip packs them.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, bytes).unwrap();
    gz.finish().unwrap()
}

/// Puts all files into `dir` as .gz.
pub fn write_packed(entry: &Entry, bytes: &[Vec<u8>], dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    for (file, bytes) in entry.files.iter().zip(bytes) {
        std::fs::write(dir.join(format!("{}.gz", file.name)), packed(bytes)).unwrap();
    }
}

/// A program of the test's own, in place of `npm` or `apt-get`.
pub fn script(dir: &Path, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("program");
    // Written by a shell: a file that this process has open for writing cannot be started.
    let write = format!("cat > '{}' <<'END'\n#!/bin/sh\n{text}\nEND", path.display());
    assert!(Command::new("sh").args(["-c", &write]).status().unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}
