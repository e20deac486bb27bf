//! The identity of a stage's code, from the sources that it is made of: never from the bytes of a binary, which differ from
//! build to build. A rebuild, another folder and another machine with the same compiler give the same identity.
//!
//! The build script of a stage is one call of [`emit`]. Counted are, each as a part with a hash of its own:
//!
//! - every crate of this workspace that the stage links, with the files that it includes. Comments, documentation and tests do
//!   not count: they change no result. Of `records` only the files of the stage and of the stages that it reads count, so
//!   that a new key of `report` leaves every other stage as it is. `catalogue` does not count where only `records` needs it,
//!   so that a new data set leaves every stage but `fetch-data` as it is. `cache` does not count either, nor what only it links:
//!   it brings files of which the hash is checked;
//! - `dependencies`: the entries of `Cargo.lock` that it links, and the features that the workspace asks of them;
//! - `compiler`: version, target and target features.

mod rust;
mod sources;
// The list of stages uses nothing but the standard library, so a build script can have it without building `records`.
#[allow(dead_code)]
#[path = "../../records/src/stages.rs"]
mod stages;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stages::Kind;

/// Hash of each part, by its name.
pub type Parts = BTreeMap<String, String>;

/// For the build script of a stage: gives the parts to the compiler as the environment variable `CODE`, in JSON.
///
/// # Panics
/// If the sources cannot be read: then there is nothing to build either.
#[allow(clippy::print_stdout)] // how a build script speaks
pub fn emit() {
    let var = |name: &str| std::env::var(name).unwrap_or_else(|e| panic!("{name}: {e}; cargo sets it"));
    let dir = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let root = dir.ancestors().nth(2).expect("a stage lies in crates/ of the workspace");
    let (mut parts, files) = of_stage(root, &var("CARGO_PKG_NAME"));
    let rustc = std::process::Command::new(var("RUSTC")).arg("-vV").output().expect("the compiler runs");
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let compiler = format!("{}{}{features}", String::from_utf8_lossy(&rustc.stdout), var("TARGET"));
    parts.insert("compiler".to_owned(), rust::hash(compiler.as_bytes()));
    println!("cargo::rustc-env=CODE={}", serde_json::to_string(&parts).expect("plain strings"));
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
    }
}

/// The parts of `stage` that lie in the workspace at `root`, and the files and folders that decide them.
///
/// # Panics
/// If a source cannot be read.
pub fn of_stage(root: &Path, stage: &str) -> (Parts, Vec<PathBuf>) {
    let workspace = sources::Workspace::read(root);
    let crates = workspace.linked(stage);
    let mut parts = Parts::new();
    let mut watched = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for name in &crates {
        let dir = root.join("crates").join(name);
        let files = if name == "records" { record_files(&dir, stage) } else { sources::files_of(&dir) };
        watched.push(dir.join("src"));
        watched.extend(files.iter().cloned());
        parts.insert(name.clone(), sources::hash_files(&dir, &files));
    }
    // A folder is watched for files that come and go; that of the records only by its files.
    watched.retain(|path| *path != root.join("crates/records/src"));
    parts.insert("dependencies".to_owned(), workspace.hash_dependencies(&crates));
    (parts, watched)
}

/// The files of `records` that hold what `stage` reads and writes.
fn record_files(dir: &Path, stage: &str) -> Vec<PathBuf> {
    let row = stages::row_of(stage);
    let read = [row.reads(Kind::Samples), row.reads(Kind::Members), row.reads_of_members].concat();
    let mut names = read.iter().map(|name| name.replace('-', "_")).collect::<Vec<_>>();
    names.push(stage.replace('-', "_"));
    names.extend(["section", "units"].map(str::to_owned));
    let is_one = |file: &PathBuf| {
        let below = file.strip_prefix(dir.join("src")).ok().and_then(|f| f.iter().next());
        let name = below.map(|first| Path::new(first).with_extension("").display().to_string());
        name.is_some_and(|name| names.contains(&name))
    };
    sources::files_of(dir).into_iter().filter(is_one).collect()
}
