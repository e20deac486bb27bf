//! `verify`: every file beside its manifest, what it says of each that is not as it should be, and that its advice works.

use std::path::Path;
use std::process::Command;

use pipeline_tests::{FINISHED, Place, Ran, as_typed, binary, ran, root, small};
use records::verified::{FaultKind, Verification};

/// A place whose artifacts are those of a run that has finished.
pub(super) fn finished() -> Place {
    let place = Place::new(small);
    copy(&FINISHED.path("artifacts"), &place.path("artifacts"));
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("verify"));
    command.arg("--pipeline").arg(place.path("pipeline.yaml"));
    command.arg("--artifacts").arg(place.path("artifacts")).args(arguments);
    command
}

/// What it found, and its exit code.
fn verify(place: &Place, arguments: &[&str]) -> (Verification, i32) {
    let output = command(place, arguments).arg("--json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    (found, output.status.code().unwrap())
}

fn status(place: &Place) -> String {
    let mut command = Command::new(binary("status"));
    command.arg("--pipeline").arg(place.path("pipeline.yaml"));
    command.arg("--artifacts").arg(place.path("artifacts")).arg("digits");
    ran(command.output()).said
}

/// The kind of the fault of a file below the folder of the experiment, and why.
#[track_caller]
fn fault(found: &Verification, place: &Place, file: &str) -> (FaultKind, String) {
    let path = place.artifact(file).display().to_string();
    let fault = found.faults.iter().find(|fault| fault.path == path);
    let fault = fault.unwrap_or_else(|| panic!("{path} is not in {:?}", found.faults));
    (fault.kind, fault.reason.clone())
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let last = bytes.last_mut().unwrap();
    *last ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn results_that_nobody_touched_are_good_and_status_says_when_that_was_seen() {
    let place = finished();
    assert!(status(&place).contains("never verified"), "{}", status(&place));
    let (found, code) = verify(&place, &[]);
    assert_eq!(
        (code, found.good, found.faults.len(), found.repair.len(), &found.remove),
        (0, true, 0, 0, &None)
    );
    assert_eq!(found.stages.len(), pipeline_tests::STAGES.len());
    // As many bytes as the files have.
    let bytes = found.stages["digits/eigen"].bytes;
    let files = std::fs::read_dir(place.artifact("eigen")).unwrap().map(|e| e.unwrap());
    let files = files.filter(|e| e.file_name() != "manifest.json");
    assert_eq!(bytes, files.map(|e| e.metadata().unwrap().len()).sum::<u64>());
    let said = status(&place);
    assert_eq!(said.matches("verified").count(), pipeline_tests::STAGES.len(), "{said}");
    assert!(said.contains(" s ago"), "{said}");
    // Its own record is not taken for a stranger, and other results are not those that were verified.
    assert!(verify(&place, &["digits"]).0.good && verify(&place, &[]).0.good);
    place.edit(|p| pipeline_tests::set(p, "eigen.seed", 77));
    place.stages(&["eigen"]);
    let line = status(&place).lines().find(|l| l.contains("eigen")).unwrap().to_owned();
    assert!(line.contains("fresh") && line.contains("not verified"), "{line}");
}

#[test]
fn each_fault_is_named_and_the_advice_brings_everything_back() {
    let place = finished();
    flip(&place.artifact("eigen/residuals.npy"));
    std::fs::remove_file(place.artifact("train/loss_history.npy")).unwrap();
    std::fs::remove_file(place.artifact("spectrum/manifest.json")).unwrap();
    let hostile = "report/it's \u{1b}[31m$(touch x).txt";
    std::fs::write(place.artifact(hostile), b"").unwrap();
    std::fs::create_dir(place.artifact(".bound.partial")).unwrap();
    std::fs::create_dir(place.path("artifacts/notes")).unwrap();
    std::fs::rename(place.artifact("bound/sufficient.json"), place.path("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere.json"), place.artifact("bound/sufficient.json"))
        .unwrap();
    // A number of the manifest itself, which no file of the folder has.
    let manifest = place.artifact("fetch-data/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"n_samples\": 1437", "\"n_samples\": 1436")).unwrap();
    let before = std::fs::read(FINISHED.artifact("eigen/residuals.npy")).unwrap();

    let (found, code) = verify(&place, &[]);
    assert_eq!((code, found.good), (3, false));
    let kinds = [
        ("eigen/residuals.npy", FaultKind::Damaged, "SHA-256"),
        ("train/loss_history.npy", FaultKind::Missing, "no such file"),
        ("spectrum/manifest.json", FaultKind::Missing, "without it"),
        (hostile, FaultKind::Foreign, "not among the files"),
        (".bound.partial", FaultKind::LeftOver, "killed"),
        ("../notes", FaultKind::Foreign, "no stage writes it"),
        ("bound/sufficient.json", FaultKind::Damaged, "a link"),
        ("fetch-data/manifest.json", FaultKind::Damaged, "changed after it was written"),
    ];
    for (file, kind, reason) in kinds {
        let file = if file == "../notes" {
            place.path("artifacts/notes").display().to_string()
        } else {
            place.artifact(file).display().to_string()
        };
        let fault = found.faults.iter().find(|f| f.path == file);
        let fault = fault.unwrap_or_else(|| panic!("{file} is not in {:?}", found.faults));
        assert!(fault.kind == kind && fault.reason.contains(reason), "{fault:?}");
    }
    assert_eq!(found.faults.len(), kinds.len(), "{:?}", found.faults);
    assert_eq!(fault(&found, &place, "eigen/residuals.npy").0, FaultKind::Damaged);
    // What a terminal shows is harmless, and so is what a shell is told to run.
    let said = ran(command(&place, &[]).output()).said;
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let remove = found.remove.unwrap();
    for command in std::iter::once(&remove).chain(&found.repair) {
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).current_dir(root()).env("LC_ALL", "C.UTF-8");
        as_typed(&mut shell);
        let Ran { code, said } = ran(shell.output());
        assert_eq!(code, 0, "{command}: {said}");
    }
    assert!(!root().join("x").exists());
    let (found, code) = verify(&place, &[]);
    assert_eq!((code, &found.faults), (0, &vec![]));
    assert_eq!(
        std::fs::read(place.artifact("eigen/residuals.npy")).unwrap(),
        before,
        "the bytes of the first run"
    );
}

#[test]
fn a_stage_at_work_is_left_out() {
    let place = finished();
    std::fs::create_dir(place.artifact(".eigen.partial")).unwrap();
    std::fs::remove_file(place.artifact("eigen/basis.npy")).unwrap();
    let lock = std::fs::File::create(place.artifact(".eigen.lock")).unwrap();
    lock.lock().unwrap();
    let (found, code) = verify(&place, &[]);
    assert_eq!((code, found.running, found.faults), (0, vec!["digits/eigen".to_owned()], vec![]));
    // Nor are its folders removed below it.
    place.make(&["clean-digits"]).ended(2, &["a stage is at work", ".eigen.lock"]);
    assert!(place.artifact("train").exists());
    lock.unlock().unwrap();
    let (found, code) = verify(&place, &[]);
    assert_eq!((code, found.running.len(), found.faults.len()), (3, 0, 2), "{:?}", found.faults);
}

#[test]
fn members_of_families_and_results_of_other_files_are_found() {
    let place = finished();
    std::fs::rename(place.path("artifacts/digits"), place.path("artifacts/digits2")).unwrap();
    std::fs::create_dir_all(place.path("artifacts/fam")).unwrap();
    copy(&place.path("artifacts/digits2/train"), &place.path("artifacts/fam/k10-r1/train"));
    std::fs::write(place.path("artifacts/fam/k10-r1/train/w_star.npy"), "").unwrap();
    // Renamed, the page alone is that of another experiment: it has the name.
    let (found, _) = verify(&place, &[]);
    let is_other = |f: &&records::verified::Fault| f.reason == "of another stage or experiment";
    let others = found.faults.iter().filter(is_other).map(|f| f.stage.as_deref()).collect::<Vec<_>>();
    assert_eq!(others, [Some("digits2/report")], "{:?}", found.faults);
    assert!(found.stages.contains_key("fam/k10-r1/train"));
    // Neither is an experiment of the pipeline file: `make` cannot make them again.
    let both = ["digits2", "fam"].map(|name| place.path("artifacts").join(name).display().to_string());
    assert_eq!(found.repair, [format!("rm -rf -- {}", both.join(" "))]);
    // A link leads to results that are kept elsewhere: it alone is removed.
    std::os::unix::fs::symlink("..", place.path("artifacts/digits2/up")).unwrap();
    let (found, _) = verify(&place, &[]);
    let link = place.path("artifacts/digits2/up");
    assert_eq!(found.remove, Some(format!("rm -rf -- {}", link.display())));
    // A folder with results of another pipeline file is another run.
    std::fs::write(place.path("artifacts/experiments.mk"), "").unwrap();
    std::fs::rename(place.path("artifacts"), place.path("full")).unwrap();
    std::fs::create_dir(place.path("artifacts")).unwrap();
    std::fs::rename(place.path("full"), place.path("artifacts/full")).unwrap();
    ran(command(&place, &[]).output()).ended(0, &["results of another pipeline file"]);
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::new(small);
    ran(command(&place, &[]).output()).ended(3, &["artifacts: no such folder"]);
    std::fs::create_dir(place.path("artifacts")).unwrap();
    ran(command(&place, &["digits"]).output()).ended(3, &["no results of digits"]);
    ran(command(&place, &["../up"]).output()).ended(3, &[]);
}
