//! Every file of `fuzz/corpus`, without the fuzzer: what it found once stays found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pipeline_tests::fuzzed::TARGETS;
use pipeline_tests::root;

#[test]
fn no_file_of_a_corpus_makes_its_reader_panic() {
    let mut failed = vec![];
    for (name, target) in TARGETS {
        let dir = root().join("fuzz/corpus").join(name);
        let files = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let files = files.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        assert!(!files.is_empty(), "{} is empty", dir.display());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A target without a fuzzer, or a fuzzer without a target, would be one that nobody runs.
#[test]
fn each_target_has_a_fuzzer_and_each_fuzzer_a_target() {
    let fuzzers = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
    let mut fuzzers = fuzzers.map(|e| e.unwrap().path().file_stem().unwrap().to_owned()).collect::<Vec<_>>();
    fuzzers.sort();
    let mut targets = TARGETS.map(|(name, _)| name.into()).to_vec();
    targets.sort();
    assert_eq!(fuzzers, targets);
}
