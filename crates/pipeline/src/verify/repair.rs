//! What to run where a file is not as it should be: commands for a shell.

use std::collections::BTreeSet;

use records::verified::{Fault, FaultKind};

use crate::shell::command::{make_options, quoted};
use crate::verify::Where;

/// The commands that bring lost results back: what the pipeline file has is made again, results of what it no longer has are removed.
pub fn commands(faults: &[Fault], places: &Where) -> Vec<String> {
    let is_lost = |fault: &&Fault| matches!(fault.kind, FaultKind::Damaged | FaultKind::Missing);
    let lost = faults.iter().filter(is_lost).filter_map(|fault| fault.stage.as_deref());
    let lost = lost.collect::<BTreeSet<_>>();
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        lost.into_iter().partition(|stage| places.stages.iter().any(|known| known == stage));
    let mut commands = vec![];
    if !known.is_empty() {
        let manifest =
            |stage: &&str| quoted(&format!("{}/{stage}/manifest.json", places.artifacts.display()));
        let manifests = known.iter().map(manifest).collect::<Vec<_>>().join(" ");
        commands.push(format!(
            "rm -f {manifests} && make{} {}",
            make_options(places.pipeline, places.artifacts),
            known.join(" ")
        ));
    }
    let unknown = unknown.into_iter().map(|stage| without_known(stage, places)).collect::<BTreeSet<_>>();
    if !unknown.is_empty() {
        commands.push(rm(unknown.iter().map(|dir| format!("{}/{dir}", places.artifacts.display()))));
    }
    commands
}

/// The largest folder with the results of a stage that the pipeline file does not have, and of none that it has.
fn without_known<'a>(stage: &'a str, places: &Where) -> &'a str {
    let ends = stage.match_indices('/').map(|(end, _)| &stage[..end]);
    let is_known =
        |dir: &&str| places.stages.iter().any(|s| s.strip_prefix(dir).is_some_and(|s| s.starts_with('/')));
    ends.chain([stage]).find(|dir| !is_known(dir)).unwrap_or(stage)
}

/// The command that removes these.
fn rm(paths: impl Iterator<Item = String>) -> String {
    format!("rm -rf -- {}", paths.map(|path| quoted(&path)).collect::<Vec<_>>().join(" "))
}

/// The command that removes what does not belong there; `None` where there is nothing.
pub fn removal(faults: &[Fault]) -> Option<String> {
    let is_extra = |fault: &&Fault| matches!(fault.kind, FaultKind::Foreign | FaultKind::LeftOver);
    let mut paths = faults.iter().filter(is_extra).map(|fault| fault.path.clone()).peekable();
    paths.peek().is_some().then(|| rm(paths))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fault(kind: FaultKind, path: &str, stage: Option<&str>) -> Fault {
        Fault { kind, path: path.to_owned(), stage: stage.map(str::to_owned), reason: String::new() }
    }

    #[test]
    fn commands_name_each_stage_once_and_what_make_must_be_told() {
        let stages = ["digits/eigen", "fam/k300/train", "fam/family"].map(str::to_owned);
        let places =
            Where { pipeline: Path::new("my.yaml"), artifacts: Path::new("artifacts"), stages: &stages };
        let faults = [
            fault(FaultKind::Damaged, "artifacts/digits/eigen/basis.npy", Some("digits/eigen")),
            fault(FaultKind::Missing, "artifacts/digits/eigen/a.npy", Some("digits/eigen")),
            fault(FaultKind::Damaged, "artifacts/old/train/a.npy", Some("old/train")),
            fault(FaultKind::Missing, "artifacts/my notes/k1/train/a.npy", Some("my notes/k1/train")),
            fault(FaultKind::Damaged, "artifacts/fam/k200/train/a.npy", Some("fam/k200/train")),
            fault(FaultKind::Damaged, "artifacts/digits/family/a.json", Some("digits/family")),
            fault(FaultKind::Foreign, "artifacts/digits/eigen/my notes", Some("digits/eigen")),
        ];
        let lost = "rm -f artifacts/digits/eigen/manifest.json && make PIPELINE=my.yaml digits/eigen";
        let removed =
            "rm -rf -- artifacts/digits/family artifacts/fam/k200 'artifacts/my notes' artifacts/old";
        assert_eq!(commands(&faults, &places), [lost, removed]);
        assert_eq!(removal(&faults).unwrap(), "rm -rf -- 'artifacts/digits/eigen/my notes'");
        assert_eq!((commands(&faults[6..], &places), removal(&faults[..6])), (vec![], None));
    }

    /// A name that a shell or a terminal would obey comes back from bash as it is.
    #[test]
    fn hostile_names_are_one_word_for_the_shell() {
        for name in ["a b", "$(touch x)", "it's", "\u{1b}[31mred\u{7}", "a\nb", "-rf", "x;y`z`", "\\'\u{9b}"]
        {
            let script = format!("printf %s {}", quoted(name));
            let output =
                std::process::Command::new("bash").args(["-c", &script]).env("LC_ALL", "C.UTF-8").output();
            let said = output.unwrap().stdout;
            let expected = if name == "-rf" { "" } else { name }; // an option of printf; commands have `--` before names
            assert!(
                name == "-rf" || said == expected.as_bytes(),
                "{script}: {}",
                String::from_utf8_lossy(&said)
            );
            assert!(!quoted(name).chars().any(char::is_control), "{name:?}");
        }
    }
}
