//! What to run where a file is not as it should be: commands for a shell.

use std::collections::BTreeSet;
use std::fmt::Write;

use records::verified::{Fault, FaultKind};

use crate::verify::Where;

/// The commands that bring lost results back: stages of experiments of the pipeline file are made again, others removed.
pub fn commands(faults: &[Fault], places: &Where) -> Vec<String> {
    let is_lost = |fault: &&Fault| matches!(fault.kind, FaultKind::Damaged | FaultKind::Missing);
    let lost = faults.iter().filter(is_lost).filter_map(|fault| fault.stage.as_deref());
    let lost = lost.collect::<BTreeSet<_>>();
    let top = |stage: &str| stage.split('/').next().unwrap_or_default().to_owned();
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        lost.into_iter().partition(|stage| places.experiments.contains(&top(stage)));
    let mut commands = vec![];
    if !known.is_empty() {
        let manifest =
            |stage: &&str| quoted(&format!("{}/{stage}/manifest.json", places.artifacts.display()));
        let manifests = known.iter().map(manifest).collect::<Vec<_>>().join(" ");
        commands.push(format!("rm -f {manifests} && make{} {}", options(places), known.join(" ")));
    }
    let unknown = unknown.into_iter().map(top).collect::<BTreeSet<_>>();
    let clean = unknown.iter().map(|experiment| format!("clean-{experiment}")).collect::<Vec<_>>();
    if !clean.is_empty() {
        commands.push(format!("make{} {}", options(places), quoted(&clean.join(" "))));
    }
    commands
}

/// The command that removes what does not belong there; `None` where there is nothing.
pub fn removal(faults: &[Fault]) -> Option<String> {
    let is_extra = |fault: &&Fault| matches!(fault.kind, FaultKind::Foreign | FaultKind::LeftOver);
    let paths = faults.iter().filter(is_extra).map(|fault| quoted(&fault.path)).collect::<Vec<_>>();
    (!paths.is_empty()).then(|| format!("rm -rf -- {}", paths.join(" ")))
}

/// What `make` has to be told.
fn options(places: &Where) -> String {
    let mut options = String::new();
    for (name, path, default) in
        [("PIPELINE", places.pipeline, "pipeline.yaml"), ("A", places.artifacts, "artifacts")]
    {
        if path.as_os_str() != default {
            write!(options, " {}", quoted(&format!("{name}={}", path.display())))
                .expect("writing to a string");
        }
    }
    options
}

/// A word as a shell reads it, whatever is in it: characters that a terminal obeys are written as bash names them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=+:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(char::is_control) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let escaped = word.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
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
        let experiments = ["digits".to_owned()];
        let places = Where {
            pipeline: Path::new("my.yaml"),
            artifacts: Path::new("artifacts"),
            experiments: &experiments,
        };
        let faults = [
            fault(FaultKind::Damaged, "artifacts/digits/eigen/basis.npy", Some("digits/eigen")),
            fault(FaultKind::Missing, "artifacts/digits/eigen/a.npy", Some("digits/eigen")),
            fault(FaultKind::Damaged, "artifacts/old/train/a.npy", Some("old/train")),
            fault(FaultKind::Foreign, "artifacts/digits/eigen/my notes", Some("digits/eigen")),
        ];
        let lost = "rm -f artifacts/digits/eigen/manifest.json && make PIPELINE=my.yaml digits/eigen";
        assert_eq!(commands(&faults, &places), [lost, "make PIPELINE=my.yaml clean-old"]);
        assert_eq!(removal(&faults).unwrap(), "rm -rf -- 'artifacts/digits/eigen/my notes'");
        assert_eq!((commands(&faults[3..], &places), removal(&faults[..3])), (vec![], None));
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
