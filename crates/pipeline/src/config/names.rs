//! What an experiment may be called: its name is a folder, a target of `make` and a word in its lists.

use records::stages;
use serde_yaml::Value;

/// Targets of the Makefile that are no experiments, and files beside the folders of the experiments.
const TAKEN: [&str; 40] = [
    "GNUmakefile",
    "Makefile",
    "makefile",
    "all",
    "audit",
    "bench",
    "binaries",
    "browser",
    "cache-clean",
    "check",
    "clean",
    "deny",
    "doc",
    "compare.html",
    "dry-run",
    "experiments.mk",
    "full",
    "fuzz",
    "help",
    "index.html",
    "lint",
    "man",
    "params",
    "params.checked",
    "quick",
    "sbom",
    "scale",
    "schema",
    "setup",
    "setup-mpi",
    "soak",
    "status",
    "test",
    "test-mpi",
    "test-python",
    "test-slurm",
    "test-webdav",
    "verified.json",
    "verify",
    "FORCE",
];

/// Bytes of a name: file systems allow 255, with what is written beside the folder.
const LONGEST: usize = 200;

/// What is wrong with a key below `experiments`, and what to do about it; `None`: nothing is.
pub fn fault(key: &Value) -> Option<(String, String)> {
    let Some(name) = key.as_str() else {
        let text = serde_yaml::to_string(key).unwrap_or_default().trim().to_owned();
        let kind = if key.is_number() { "number" } else { "value that is no text" };
        return Some((format!("{text} is a {kind}, not a name"), format!("quote it: \"{text}\":")));
    };
    let allowed = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(allowed) {
        let hint =
            "letters, digits, `-`, `_` and `.` are allowed, a letter or digit first: it names a folder";
        return Some((format!("{name:?} cannot be the name of an experiment"), hint.to_owned()));
    }
    if name.len() > LONGEST {
        let what = format!("its name has {} bytes", name.len());
        return Some((what, format!("at most {LONGEST} are allowed: it names a folder")));
    }
    let taken = TAKEN.contains(&name) || name.starts_with("clean-") || stages::names().contains(&name);
    taken.then(|| {
        let hint = "give the experiment another name; `make` would not know which of the two is meant";
        (format!("{name:?} is a stage, a target of make or a file of its own"), hint.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_make_cannot_take_are_refused() {
        // Integer keys are lost silently elsewhere: typst #1945, pecl-yaml #69.
        let found = |yaml: &str| fault(&serde_yaml::from_str(yaml).unwrap()).map(|(what, _)| what);
        assert_eq!(found("2024").unwrap(), "2024 is a number, not a name");
        assert!(found("true").unwrap().starts_with("true is a value"));
        for bad in ["my mlp", "../up", "a/b", "\"\"", ".hidden", "-x", "a:b", "50%", "a$b", "a#b", "x=1"] {
            assert!(found(&format!("{bad:?}").replace("\"\\\"\\\"\"", "\"\"")).is_some(), "{bad}");
        }
        for taken in ["test", "all", "eigen", "family", "clean-mine", "Makefile", "index.html", "bench"] {
            assert!(found(taken).unwrap().contains("is a stage, a target of make"), "{taken}");
        }
        for good in ["mine", "\"2024\"", "größe", "a.b-c_d", "2024-05"] {
            assert_eq!(found(good), None, "{good}");
        }
    }

    #[test]
    fn every_target_of_the_makefile_is_known() {
        let makefile = include_str!("../../../../Makefile");
        let phony = makefile.lines().find_map(|l| l.strip_prefix(".PHONY: all ")).expect("a list of targets");
        for target in phony.split_whitespace().filter(|t| !t.starts_with('$')) {
            assert!(TAKEN.contains(&target), "{target} is not in TAKEN");
        }
    }
}
