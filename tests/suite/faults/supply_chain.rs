//! What the programs are made of. `make deny` checks licences and bans too; this needs no tool.

use std::path::{Path, PathBuf};

use pipeline_tests::root;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_in_one_file() {
    let mut files = vec![];
    for dir in ["crates", "tests", "fuzz"] {
        sources(&root().join(dir), &mut files);
    }
    // Put together, so that this file has no such line.
    let marks = [["allow(", "unsafe_code)"].concat(), ["unsafe", " {"].concat(), ["unsafe", " fn"].concat()];
    files.retain(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        marks.iter().any(|mark| text.contains(mark))
    });
    assert_eq!(files, [root().join("crates/landscape/src/numeric/blas.rs")]);
}

/// No package comes from a repository or a folder of its own choice, and each has the hash of its bytes.
#[test]
fn every_package_is_of_the_registry_and_has_a_hash() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let own = std::fs::read_dir(root().join("crates")).unwrap().count() + 1; // and the tests
    let packages = lock.split("[[package]]").skip(1).collect::<Vec<_>>();
    let (of_registry, others): (Vec<&str>, Vec<&str>) = packages
        .into_iter()
        .partition(|p| p.contains("\nsource = \"registry+") && p.contains("\nchecksum = \""));
    assert_eq!(others.len(), own, "{others:?}");
    assert!(others.iter().all(|p| !p.contains("\nsource = ")), "{others:?}");
    assert!(of_registry.len() > 100);
}

/// An exception without a reason stays for ever.
#[test]
fn each_exception_has_a_reason_and_a_date() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let dated = |line: &str| {
        let comment = line.split_once("# ").map_or("", |(_, comment)| comment);
        comment.len() > 20 && comment.starts_with("20") && comment[10..].starts_with(": ")
    };
    let lines = text.lines().collect::<Vec<_>>();
    let mut exceptions = 0;
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("{ ")) {
        exceptions += 1;
        let above = lines[..i].iter().rev().find(|line| !line.trim_start().starts_with("{ "));
        assert!(above.is_some_and(|line| dated(line)), "{line}: no reason and date above it");
    }
    assert!(exceptions > 0);
}
