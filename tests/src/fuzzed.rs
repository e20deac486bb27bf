//! What the fuzzers call, one function for each format: bytes of a stranger in, a result or an error out, never a panic. What
//! is read comes back from a file that is written of it. `tests/suite/faults/corpora.rs` calls the same for each file of `fuzz/corpus`.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cache::{Cache, Mode, Wanted};
use fetch_data::format::arrays as own;
use landscape::{Activation, Loss, Network};
use pipeline::config::{Pipeline, to_yaml};
use records::fetch_data::Labels;
use records::{OwnFiles, stages};
use store::artifact::fingerprint;
use store::checkpoint::Checkpoint;
use store::journal::Journal;
use store::manifest::Manifest;
use store::npy::{AnyArray, Element};
use store::rows::Rows;
use store::{arrays, hash, npy, npz, rows, safetensors};

/// A function that takes the bytes of a file.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: [(&str, Target); 11] = [
    ("npy", npy),
    ("npz", npz),
    ("safetensors", safetensors),
    ("idx", idx),
    ("cifar", cifar),
    ("weights", weights),
    ("yaml", yaml),
    ("manifest", manifest),
    ("checkpoint", checkpoint),
    ("journal", journal),
    ("entry", entry),
];

thread_local! {
    /// A folder of this thread.
    static DIR: LazyCell<tempfile::TempDir> = LazyCell::new(|| tempfile::tempdir().expect("a temporary folder"));
}

fn path(name: &str) -> PathBuf {
    DIR.with(|dir| dir.path().join(name))
}

/// A file of these bytes.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = path(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    path
}

/// What was read is written, and must be read again as it was.
fn comes_back(array: &AnyArray) {
    fn same<T: Element + PartialEq>(array: &ndarray::ArrayD<T>) {
        let path = path("again.npy");
        rows::write(&path, array).expect("a writable folder");
        let again = npy::read::<T, ndarray::IxDyn>(&path).expect("what was written");
        assert_eq!((again.shape(), raw(&again)), (array.shape(), raw(array)));
    }
    match array {
        AnyArray::U8(a) => same(a),
        AnyArray::I64(a) => same(a),
        AnyArray::F32(a) => same(a),
        AnyArray::F64(a) => same(a),
    }
}

/// The bytes of the numbers, so that NaN is equal to itself.
fn raw<T: Element>(array: &ndarray::ArrayD<T>) -> Vec<u8> {
    let flat = array.as_standard_layout().iter().copied().collect::<Vec<_>>();
    bytemuck::cast_slice(&flat).to_vec()
}

/// Some rows at a time.
fn rows_of<T: Element>(path: &Path) {
    if let Ok(rows) = Rows::<T>::open(path) {
        let (n, _) = rows.dim();
        rows.with(0..n.min(3), |_| ()).expect("rows that the header promises");
    }
}

/// An array of any file: `.npy`, packed or not, or what its first bytes say.
pub fn npy(bytes: &[u8]) {
    let path = file("x.npy", bytes);
    let peeked = arrays::peek(&path, "x");
    if let Ok(array) = arrays::read(&path, "x") {
        assert_eq!(peeked.expect("its header was read").0, array.shape());
        comes_back(&array);
    }
    let _ = (arrays::kind(&path), npy::read_any(&path));
    // Reading a header takes most of the time: a file of another type is tried once.
    match npy::peek(&path).map(|(_, dtype)| dtype).as_deref() {
        Ok("|u1") => rows_of::<u8>(&path),
        Ok("<f4") => rows_of::<f32>(&path),
        _ => rows_of::<f64>(&path),
    }
}

/// An archive: all arrays of it.
pub fn npz(bytes: &[u8]) {
    let path = file("x.npz", bytes);
    let _ = npz::members(&path);
    for (name, shape, _) in npz::entries(&path).unwrap_or_default().into_iter().take(8) {
        if let Ok(array) = npz::read(&path, &name) {
            assert_eq!(shape, array.shape(), "{name}");
            comes_back(&array);
        }
    }
}

/// A file of tensors: all of them.
pub fn safetensors(bytes: &[u8]) {
    let path = file("w.safetensors", bytes);
    for (name, tensor) in safetensors::read(&path).unwrap_or_default() {
        if let Ok(AnyArray::F64(values)) = tensor.values {
            let again = crate::fuzzed::path("again.safetensors");
            safetensors::write(&again, &[(name.clone(), values.clone())]).expect("a writable folder");
            let read = safetensors::read(&again).expect("what was written");
            let Ok(AnyArray::F64(found)) = &read[&name].values else { panic!("another type") };
            assert_eq!((found.shape(), raw(found)), (values.shape(), raw(&values)));
        }
    }
}

/// An IDX file, whose first two bytes are right.
pub fn idx(bytes: &[u8]) {
    npy(&[&[0, 0], bytes].concat());
}

/// Records of one or two labels and an image, whose shape and labels the first byte gives.
pub fn cifar(bytes: &[u8]) {
    let Some((&first, records)) = bytes.split_first() else { return };
    file("records", records);
    let image = [1 + usize::from(first & 3), 1 + usize::from(first >> 2 & 7), 2];
    let labels = [None, None, Some(Labels::Fine), Some(Labels::Coarse)][usize::from(first >> 5 & 3)];
    let files = OwnFiles { train_x: "records".into(), train_y: "records".into(), test_x: None, test_y: None };
    let base = DIR.with(|dir| dir.path().to_owned());
    if let Ok(splits) = own::read(&files, &base, (Some(image), labels)) {
        let (n, features) = splits.train.shape();
        assert_eq!((n, features), (splits.train.labels.len(), image.iter().product::<usize>()));
    }
}

/// Names of layers and their shapes, two bytes an array: which of them is which layer of a network of 2, 3 and 2 units.
pub fn weights(bytes: &[u8]) {
    const NAMES: [&str; 16] = [
        "W1",
        "b1",
        "W2",
        "b2",
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
        "fc.weight",
        "fc.bias",
        "out.weight",
        "out.bias",
        "0.running_mean",
        "weight",
        "bias",
        "W0",
    ];
    let (Some((&first, rest)), lengths) = (bytes.split_first(), [0, 1, 2, 3]) else { return };
    let mut named = BTreeMap::new();
    for pair in rest.chunks_exact(2).take(16) {
        let axes = usize::from(pair[1] >> 6);
        let shape = (0..axes).map(|axis| lengths[usize::from(pair[1] >> (2 * axis) & 3)]).collect::<Vec<_>>();
        let values = (0..shape.iter().product()).map(|i: usize| i as f64).collect();
        let array = ndarray::ArrayD::from_shape_vec(shape, values).expect("as many values");
        named.insert(NAMES[usize::from(pair[0] & 15)].to_owned(), array);
    }
    let arrays = named.into_iter().collect::<Vec<_>>();
    let network = Network::new(&[2, 3, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
    // Mostly the format that is read faster: the other has a fuzzer of its own.
    let is_npz = first.trailing_zeros() >= 3;
    let path = path(if is_npz { "w.npz" } else { "w.safetensors" });
    if is_npz {
        npz::write(&path, &arrays).expect("a writable folder");
    } else {
        safetensors::write(&path, &arrays).expect("a writable folder");
    }
    let given = ["fc".to_owned(), "out".to_owned()];
    for given in [None, Some(&given[..])] {
        if let Ok(read) = train::brought::read::<f64>(&path, &network, given) {
            assert_eq!(read.w.len(), network.n_params());
            assert!(read.layers.len() == 2, "{:?}", read.layers);
        }
    }
}

/// The defaults of the repository's pipeline.yaml without comments and experiments, which would be most of the time.
fn defaults() -> String {
    let text =
        std::fs::read_to_string(crate::root().join("pipeline.yaml")).expect("the repository's pipeline.yaml");
    let root: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    serde_yaml::to_string(&BTreeMap::from([("defaults", &root["defaults"])])).expect("plain YAML")
}

/// A pipeline file over the defaults of the repository's: every section of every experiment and member.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let shared = path("pipeline.yaml");
    if !shared.exists() {
        std::fs::write(&shared, defaults()).expect("a writable folder");
    }
    let path = file("my.yaml", text.as_bytes());
    let Ok(pipeline) = Pipeline::read(&path) else { return };
    if pipeline.check_sections(&stages::names()).is_err() {
        return;
    }
    let base = DIR.with(|dir| dir.path().to_owned());
    for experiment in pipeline.experiments().into_iter().take(3) {
        let members = pipeline.members(&experiment).unwrap_or_default();
        let members = members.iter().map(|member| format!("{experiment}/{}", member.name)).take(2);
        for name in std::iter::once(experiment.clone()).chain(members) {
            macro_rules! section {
                ($section:ty) => {
                    if let Ok(section) = pipeline.section::<$section>(&name) {
                        to_yaml(&section).expect("plain YAML");
                    }
                };
            }
            records::for_each_section!(section);
            let _ = (pipeline.kind(&name), pipeline.check_whole(&name, &base));
        }
    }
}

/// A manifest, which is written as it was read.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(manifest) = Manifest::parse(text) {
        let again = serde_json::to_string(&manifest).expect("plain JSON");
        let again = Manifest::parse(&again).expect("what was written");
        assert_eq!(
            (again.content_hash(), again.sealed().sha256),
            (manifest.content_hash(), manifest.sealed().sha256)
        );
    }
}

/// How far a loop came, of parameters whose identity is `id`.
pub fn checkpoint(bytes: &[u8]) {
    let path = file("fit.safetensors", bytes);
    if let Ok(Some(found)) = Checkpoint::read(&path, "id") {
        found.write(&path, "id").expect("a writable folder");
        let again = Checkpoint::read(&path, "id").expect("what was written").expect("a file");
        // NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{found:?}"));
    }
}

/// What a computation found, of the same identity, whose questions are all `question`.
pub fn journal(bytes: &[u8]) {
    let path = file("solve.journal", bytes);
    let question = hash::of_bytes(b"question");
    let mut journal = Journal::open(&path, "id");
    let known = std::iter::from_fn(|| journal.next(&question)).count();
    journal.push(&question, &[1.0, 2.0]);
    journal.write().expect("a writable folder");
    let mut again = Journal::open(&path, "id");
    assert_eq!(std::iter::from_fn(|| again.next(&question)).count(), known + 1);
}

/// What a cache keeps of a stage: as it was sent, and with the hashes that its makers would give it.
pub fn entry(bytes: &[u8]) {
    let dir = path("cache");
    std::fs::create_dir_all(dir.join("ac")).expect("a writable folder");
    let cache = Cache::at(&format!("file://{}", dir.display()), Mode::Read).expect("an address");
    let find = |text: &[u8], fingerprint: &str| {
        std::fs::write(dir.join("ac/id"), text).expect("a writable folder");
        let wanted = Wanted { identity: "id", fingerprint };
        if let Ok(Some(entry)) = cache.find(&wanted) {
            // No file of it is there.
            let _ = cache.take(&entry, &wanted, &path("taken"));
        }
    };
    find(bytes, "fingerprint");
    let Ok(sent) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let Ok(mut manifest) = serde_json::from_value::<Manifest>(sent["manifest"].clone()) else { return };
    let Ok(sizes) = serde_json::from_value::<BTreeMap<String, u64>>(sent["bytes"].clone()) else { return };
    let own = fingerprint(&manifest.stage, &manifest.params, &manifest.code.parts, &manifest.inputs);
    manifest.fingerprint.clone_from(&own);
    let sha256 = hash::of_bytes(&serde_json::to_vec(&(1, "id", &sizes, &manifest)).expect("plain JSON"));
    let sealed = serde_json::json!({"format": 1, "identity": "id", "bytes": sizes, "manifest": manifest, "sha256": sha256});
    find(sealed.to_string().as_bytes(), &own);
    assert!(!path("taken").exists(), "a file that is not there");
}
