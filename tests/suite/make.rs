//! What `make` does with what people give it: pipeline files however they are laid out, its variables, and pipes.

use std::process::{Command, Stdio};

use pipeline_tests::{Place, binary, make, ran, small};

/// cases.md A10, D10 and D12: names were read with `sed`, and "0 experiments are up to date" was the answer to four spaces.
#[test]
fn make_takes_every_yaml_that_the_parser_takes() {
    let place = Place::new(|_| ());
    let cases = [
        (
            "spaces.yaml",
            "experiments:\n    mine:\n        fetch-data:\n            dataset: digits\ndefaults_from: \"pipeline.yaml\"\n",
        ),
        (
            "flow.yaml",
            "{defaults_from: 'pipeline.yaml', experiments: {mine: {fetch-data: {dataset: digits}}}}\n",
        ),
        (
            "below.yaml",
            "experiments:\n  \"mine\": {fetch-data: {dataset: digits}}\ndefaults_from: pipeline.yaml\n\
                        defaults: {fetch-data: {n_samples: 200}}\n",
        ),
        (
            "anchors.yaml",
            "defaults_from: pipeline.yaml\nexperiments:\n  other: &other\n    fetch-data: &data {dataset: digits}\n  mine: *other\n",
        ),
    ];
    for (file, text) in cases {
        std::fs::write(place.path(file), text).unwrap();
        let made = place.make_with(file, &["mine/fetch-data"]);
        assert_eq!(made.code, 0, "{file}: {}", made.said);
        assert!(place.path("artifacts/mine/fetch-data/manifest.json").exists(), "{file}: {}", made.said);
        std::fs::remove_dir_all(place.path("artifacts")).unwrap();
    }
}

/// cases.md A12 (translate-shell #277, ipxe #115): `LAUNCH='srun -n1' make` ran on the login node without a word.
#[test]
fn make_heeds_its_variables_from_the_environment() {
    let place = Place::new(small);
    let launcher = place.path("launcher.sh");
    std::fs::write(&launcher, "echo launched >> \"$0.log\"\nexec \"$@\"\n").unwrap();
    let variables = [
        ("PIPELINE", place.path("pipeline.yaml").display().to_string()),
        ("A", place.path("artifacts").display().to_string()),
        ("LAUNCH", format!("sh {}", launcher.display())),
        ("Q", "-q".to_owned()),
    ];
    let made = ran(make().envs(variables).arg("digits/fetch-data").output());
    assert_eq!(made.code, 0, "{}", made.said);
    assert!(place.artifact("fetch-data/manifest.json").exists());
    assert_eq!(std::fs::read_to_string(place.path("launcher.sh.log")).unwrap(), "launched\n");
    assert!(!made.said.contains("samples of"), "-q: {}", made.said);
}

/// cases.md C5 (xan #759, fd #24): a panic with a backtrace, where `head` had read enough. And what cannot be written is said.
#[test]
fn a_closed_pipe_ends_a_program_quietly_and_a_full_disk_with_an_error() {
    let place = Place::new(small);
    let cases: [&[&str]; 5] = [
        &["fetch-data", "--experiment", "digits", "--dry-run"],
        &["fetch-data", "--experiment", "digits", "--check", "--json"],
        &["fetch-data", "--experiment", "digits", "--man"],
        &["fetch-data", "--experiment", "digits", "--completions", "bash"],
        &["status"],
    ];
    for case in cases {
        let run = |stdout: Stdio| {
            let mut command = Command::new(binary(case[0]));
            command.arg("--pipeline").arg(place.path("pipeline.yaml"));
            command.arg("--artifacts").arg(place.path("artifacts")).args(&case[1..]);
            ran(command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output())
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = run(writer.into());
        assert_eq!((closed.code, closed.said.as_str()), (141, ""), "{case:?}");
        let full = run(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
        assert!(
            full.said.starts_with("error: cannot write to stdout: No space left"),
            "{case:?}: {}",
            full.said
        );
        assert_eq!(full.code, 1, "{case:?}: {}", full.said);
    }
}

/// cases.md F10: `make status EXPERIMENTS=mine` showed all 300 rows; F12: a run that had nothing to do printed no K; F9: a bare
/// "No rule to make target".
#[test]
fn make_answers_what_was_asked() {
    let place = Place::new(|p| {
        small(p);
        p["experiments"]["theirs"] = p["experiments"]["digits"].clone();
    });
    for run in ["computed", "cached"] {
        let made = place.make(&["digits"]);
        assert_eq!(made.code, 0, "{}", made.said);
        // What make prints itself; the stages write to stderr.
        let own = made.said.lines().find(|line| line.starts_with("digits: ")).expect("an answer");
        assert!(own.contains("1e-4 nats") && own.contains("index.html"), "{run}: {own}");
    }
    let status = place.make(&["status", "EXPERIMENTS=digits"]).said;
    assert!(status.contains("digits") && !status.contains("theirs") && !status.contains("mnist"), "{status}");
}
