//! Every file of `fuzz/corpus`, without the fuzzer: what it found once stays found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use pipeline_tests::fuzzed::{TARGETS, Target};
use pipeline_tests::root;

/// The files of a corpus.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = root().join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files = files.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn panics(target: Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err()
}

#[test]
fn no_file_of_a_corpus_makes_its_reader_panic() {
    for (name, target) in TARGETS {
        for (path, bytes) in corpus(name) {
            assert!(!panics(target, &bytes), "{}", path.display());
        }
    }
}

/// Each file with some bytes changed, cut off, doubled or taken from another: the same ones in every run.
#[test]
fn no_changed_file_of_a_corpus_makes_its_reader_panic() {
    for (name, target) in TARGETS {
        // A pipeline file is checked against the schemas of all sections, which takes milliseconds.
        let each = if name == "yaml" { 20 } else { 100 };
        let files = corpus(name);
        let mut random = Random(1);
        for (path, bytes) in &files {
            for _ in 0..each {
                let other = random.below(files.len());
                let changed = random.changed(bytes, &files[other].1);
                if panics(target, &changed) {
                    let kept = std::env::temp_dir().join(format!("plateau-{name}-finding"));
                    std::fs::write(&kept, &changed).unwrap();
                    panic!("{}, changed as in {}", path.display(), kept.display());
                }
            }
        }
    }
}

/// Numbers by xorshift (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }

    fn changed(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            let end = (at + 1 + self.below(8)).min(bytes.len());
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => {
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'9', b'(', b'\n'][self.below(8)];
                }
                2 => bytes.truncate(at),
                3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                _ => {
                    let from = self.below(other.len() + 1);
                    let piece = other[from..(from + 8).min(other.len())].to_vec();
                    drop(bytes.splice(at..end.max(at), piece));
                }
            }
        }
        bytes
    }
}

/// A target without a fuzzer, or a fuzzer without a target, would be one that nobody runs.
#[test]
fn each_target_has_a_fuzzer_and_each_fuzzer_a_target() {
    let fuzzers = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
    let mut fuzzers = fuzzers.map(|e| e.unwrap().path().file_stem().unwrap().to_owned()).collect::<Vec<_>>();
    fuzzers.sort();
    let mut targets = TARGETS.map(|(name, _)| std::ffi::OsString::from(name)).to_vec();
    targets.sort();
    assert_eq!(fuzzers, targets);
}
