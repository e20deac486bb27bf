//! The sentences of the documentation about what makes results stale, each on a copy of the sources of this workspace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use identity::{Parts, of_stage};
use records::stages::names;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The sources of the workspace, in a folder of their own.
fn copy() -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "Cargo.lock"] {
        std::fs::copy(root().join(file), to.path().join(file)).unwrap();
    }
    copy_folder(&root().join("crates"), &to.path().join("crates"));
    // What is inside the program; the rest is the cache of downloads.
    std::fs::create_dir(to.path().join("data")).unwrap();
    for path in std::fs::read_dir(root().join("data")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.to_str().is_some_and(|path| path.ends_with(".csv.gz")) {
            std::fs::copy(&path, to.path().join("data").join(path.file_name().unwrap())).unwrap();
        }
    }
    to
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn all(root: &Path) -> Vec<Parts> {
    names().into_iter().map(|stage| of_stage(root, stage).0).collect()
}

/// Stages whose code is another after `edit`, each with the parts that differ.
fn changed(edit: impl FnOnce(&Path)) -> Vec<(&'static str, Vec<String>)> {
    static BEFORE: LazyLock<Vec<Parts>> = LazyLock::new(|| all(&root()));
    let before = &*BEFORE;
    let copy = copy();
    edit(copy.path());
    let after = all(copy.path());
    let parts = |(old, new): (&Parts, &Parts)| {
        let names = old.keys().chain(new.keys()).collect::<BTreeSet<_>>();
        names.into_iter().filter(|n| old.get(*n) != new.get(*n)).cloned().collect::<Vec<_>>()
    };
    let differ = before.iter().zip(&after).map(parts);
    names().into_iter().zip(differ).filter(|(_, parts)| !parts.is_empty()).collect()
}

/// Puts `text` at the end of a file.
fn append(path: &Path, text: &str) {
    let old = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, old + text).unwrap();
}

fn of(changed: &[(&'static str, Vec<String>)]) -> Vec<&'static str> {
    changed.iter().map(|(stage, _)| *stage).collect()
}

#[test]
fn another_folder_gives_the_same_identity() {
    assert_eq!(all(copy().path()), all(&root()));
}

#[test]
fn a_new_key_of_report_leaves_every_other_stage_fresh() {
    let key =
        |root: &Path| append(&root.join("crates/records/src/report.rs"), "pub struct NewKey(pub u8);\n");
    assert_eq!(changed(key), [("report", vec!["records".to_owned()])]);
}

#[test]
fn a_kernel_makes_the_stages_stale_that_link_it_and_is_named() {
    let kernel = |root: &Path| append(&root.join("crates/landscape/src/lib.rs"), "pub fn kernel() {}\n");
    let found = changed(kernel);
    assert!(of(&found).contains(&"eigen") && of(&found).contains(&"montecarlo"), "{found:?}");
    assert!(found.iter().all(|(_, parts)| *parts == ["landscape"]), "{found:?}");
    assert!(!of(&found).contains(&"fetch-data"), "{found:?}");
}

/// The digits are included by the catalogue; the Makefile only by a test, so the copies here do not need one.
#[test]
fn a_file_that_is_included_counts_unless_a_test_includes_it() {
    let found = changed(|root| std::fs::write(root.join("data/digits.csv.gz"), b"others").unwrap());
    assert_eq!(found, [("fetch-data", vec!["catalogue".to_owned()])]);
    assert_eq!(changed(|root| std::fs::write(root.join("Makefile"), b"other: rules").unwrap()), []);
}

#[test]
fn a_new_data_set_makes_fetch_data_stale_alone() {
    let entry = |root: &Path| append(&root.join("crates/catalogue/src/sets.rs"), "pub const NEW: u8 = 1;\n");
    assert_eq!(changed(entry), [("fetch-data", vec!["catalogue".to_owned()])]);
}

#[test]
fn an_edit_of_a_stage_changes_that_stage_alone() {
    let found = changed(|root| append(&root.join("crates/eigen/src/main.rs"), "fn more() {}\n"));
    assert_eq!(found, [("eigen", vec!["eigen".to_owned()])]);
}

#[test]
fn comments_documentation_and_tests_change_nothing() {
    let text = "// a comment\n/// documented\n#[cfg(test)]\nmod more_tests {}\n";
    assert_eq!(changed(|root| append(&root.join("crates/landscape/src/lib.rs"), text)), []);
    let file_of_tests = "crates/landscape/src/change/forecast/coverage.rs";
    assert_eq!(changed(|root| append(&root.join(file_of_tests), "pub fn more() {}\n")), []);
}

#[test]
fn a_record_is_part_of_the_stages_that_write_and_read_it() {
    let found =
        changed(|root| append(&root.join("crates/records/src/bound/documents.rs"), "pub struct Other;\n"));
    assert_eq!(of(&found), ["bound", "family", "report"]);
}

#[test]
fn a_dependency_of_another_version_counts_where_it_is_linked() {
    let upgrade = |root: &Path| {
        let path = root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).unwrap();
        let start = "name = \"askama\"\nversion = \"";
        let old = lock.split(start).nth(1).unwrap().split('"').next().unwrap();
        std::fs::write(&path, lock.replace(&format!("{start}{old}\""), &format!("{start}99.0.0\""))).unwrap();
    };
    assert_eq!(changed(upgrade), [("report", vec!["dependencies".to_owned()])]);
}

/// What it brings has the hash that its manifest says, whatever brought it.
#[test]
fn the_cache_and_its_http_client_change_no_stage() {
    let edit = |root: &Path| append(&root.join("crates/cache/src/lib.rs"), "pub fn more() {}\n");
    assert_eq!(changed(edit), []);
}
