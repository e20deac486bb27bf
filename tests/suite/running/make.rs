//! What `make` does with what people give it: pipeline files however they are laid out, its variables, and pipes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use pipeline_tests::{Place, binary, make, ran, root, small};
use records::stages::{self, Kind};

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

/// The edges of the Makefile are what the stages read, of each kind of experiment.
#[test]
fn edges_of_the_makefile_are_what_the_stages_read() {
    type Edges = BTreeMap<String, BTreeSet<String>>;
    /// All that a stage needs, and what that needs.
    fn reached(edges: &Edges, stage: &str, found: &mut BTreeSet<String>) {
        for next in edges.get(stage).into_iter().flatten() {
            if found.insert(next.clone()) {
                reached(edges, next, found);
            }
        }
    }
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let list = makefile.lines().find_map(|line| line.strip_prefix("STAGES      := ")).unwrap();
    assert_eq!(list.split(' ').collect::<Vec<_>>(), stages::of_experiment());
    for (name, kind) in [("done", Kind::Samples), ("given", Kind::Losses), ("joined", Kind::Members)] {
        let start = format!("$(call {name},");
        let mut drawn = Edges::new();
        for line in makefile.lines().filter_map(|line| line.strip_prefix(&start)) {
            let (stage, line) = line.split_once("):").unwrap();
            let from = line.split_once(':').unwrap().1.split_whitespace();
            let from = from.map(|file| file.split('/').nth(2).unwrap().to_owned());
            drawn.insert(stage.to_owned(), from.collect());
        }
        let own = |row: &&stages::Row| row.reads_of(kind).is_some();
        let read = |row: &stages::Row| row.reads(kind).iter().map(|&stage| stage.to_owned()).collect();
        let read =
            stages::ROWS.iter().filter(own).map(|row| (row.name.to_owned(), read(row))).collect::<Edges>();
        for stage in read.keys() {
            let (mut by_make, mut by_stage) = (BTreeSet::new(), BTreeSet::new());
            reached(&drawn, stage, &mut by_make);
            reached(&read, stage, &mut by_stage);
            assert_eq!(by_make, by_stage, "{name} {stage}");
        }
        assert!(drawn.keys().all(|stage| read.contains_key(stage)), "{drawn:?}");
    }
}

/// cases.md E5 (bash-git-prompt #345), E6 (teleport #54288), F9, F11: what a checkout and an old make do, and names with a slip.
#[test]
fn make_says_what_it_cannot_work_with() {
    ran(make().args([".FEATURES=", "help"]).output()).ended(2, &["GNU make 4.3 or newer is needed"]);
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    assert!(read(".gitattributes").lines().any(|line| line == "* text=auto eol=lf"));
    assert!(
        ["/my.yaml", "/my/", "/my-mlp/"]
            .iter()
            .all(|own| read(".gitignore").lines().any(|line| line == *own))
    );
    let place = Place::new(small);
    for (typed, meant) in [("digit", "digits"), ("digits/trian", "train")] {
        place.make(&[typed]).ended(2, &[&format!("did you mean `{meant}`")]);
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
    let place = Place::small(|p| {
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
