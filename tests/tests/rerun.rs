//! What runs again, and what does not; the same bytes whatever the threads; launchers that lie.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline_tests::{FINISHED, Place, STAGES, ran, root, set, small};
use store::{hash, rows};

/// Hash of every file below a folder but the manifests, which tell times too.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.file_name().is_none_or(|name| name != "manifest.json") {
            found.insert(entry.display().to_string(), hash::of_path(&entry).unwrap());
        }
    }
    found
}

fn relative(found: BTreeMap<String, String>, base: &Path) -> BTreeMap<String, String> {
    let base = base.display().to_string();
    found.into_iter().map(|(path, hash)| (path.replace(&base, ""), hash)).collect()
}

/// The stages that a run of make reports to have run.
fn stages_run(said: &str) -> Vec<&str> {
    STAGES
        .into_iter()
        .filter(|s| {
            said.lines().any(|l| l.starts_with(&format!("{s}: digits: ")) && !l.contains("up to date"))
        })
        .collect()
}

#[test]
fn make_runs_what_changed_and_nothing_else() {
    let place = Place::new(small);
    let first = place.make(&["quick"]);
    assert_eq!((first.code, stages_run(&first.said)), (0, STAGES.to_vec()), "{}", first.said);

    let second = place.make(&["quick"]);
    assert_eq!(second.code, 0, "{}", second.said);
    assert!(stages_run(&second.said).is_empty(), "{}", second.said);
    assert!(second.said.contains("up to date"), "{}", second.said);

    let eigen = std::fs::read(place.artifact("eigen/manifest.json")).unwrap();
    place.edit(|p| set(p, "montecarlo.draws", 50));
    let third = place.make(&["quick"]);
    assert_eq!(stages_run(&third.said), ["montecarlo", "bound", "report"], "{}", third.said);
    assert_eq!(std::fs::read(place.artifact("eigen/manifest.json")).unwrap(), eigen);

    place.edit(|p| set(p, "report.title", "Another title"));
    let fourth = place.make(&["quick"]);
    assert_eq!(stages_run(&fourth.said), ["report"], "{}", fourth.said);

    // One stage alone, and what it needs.
    place.edit(|p| set(p, "train.epochs", 16));
    let fifth = place.make(&["digits/eigen"]);
    assert_eq!(stages_run(&fifth.said), ["train", "eigen"], "{}", fifth.said);

    // A lost artifact is made again.
    std::fs::remove_file(place.artifact("eigen/basis.npy")).unwrap();
    assert_eq!(place.stage("eigen").code, 0);
    assert!(place.artifact("eigen/basis.npy").exists());
}

#[test]
fn the_manifest_is_trusted_and_not_the_launcher() {
    let place = Place::new(small);
    let nothing_done = place.make(&["digits/fetch-data", "LAUNCH=true"]);
    assert_ne!(nothing_done.code, 0, "{}", nothing_done.said);
    assert!(
        nothing_done.said.contains("fetch-data of digits ended without a manifest"),
        "{}",
        nothing_done.said
    );
    // Runs the stage and reports failure all the same.
    let script = place.path("launch.sh");
    std::fs::write(&script, "\"$@\"\nexit 9\n").unwrap();
    let done = place.make(&["digits/fetch-data", &format!("LAUNCH=bash {}", script.display())]);
    assert_eq!(done.code, 0, "{}", done.said);
    assert!(place.artifact("fetch-data/manifest.json").exists());
}

#[test]
fn same_bytes_for_any_number_of_threads_and_again() {
    let all = |place: &Place| relative(files(&place.path("artifacts")), &place.path("artifacts"));
    let run = |precision: &str, threads: &str| {
        let place = Place::new(|p| {
            small(p);
            set(p, "eigen.precision", precision);
            set(p, "montecarlo.precision", precision);
            if precision == "f32" {
                set(p, "eigen.residual_tolerance", 1e-4);
            }
        });
        for stage in STAGES {
            let ran = ran(place.command(stage, "digits").env("RAYON_NUM_THREADS", threads).output());
            assert_eq!(ran.code, 0, "{}", ran.said);
        }
        all(&place)
    };
    for (first, precision, others) in
        [(all(&FINISHED), "f64", &["1", "3"][..]), (run("f32", "1"), "f32", &["2"])]
    {
        assert!(first.len() > 100, "{} files", first.len());
        assert!(first.keys().any(|file| file.ends_with("report/index.html")));
        for threads in others {
            let again = run(precision, threads);
            let differ =
                first.iter().filter(|(file, hash)| again.get(*file) != Some(*hash)).collect::<Vec<_>>();
            assert!(
                differ.is_empty() && first.len() == again.len(),
                "{precision}, {threads} threads: {differ:?}"
            );
        }
    }
}

#[test]
fn make_sees_that_a_file_of_the_user_changed() {
    let weights = |value: f64| ndarray::Array1::from_shape_fn(2410, |i| value * (i as f64 * 0.7).sin());
    let place = Place::new(|p| {
        small(p);
        set(p, "train.weights", "w.npy");
    });
    let path = place.path("w.npy");
    rows::write(&path, &weights(0.1)).unwrap();
    let first = place.make(&["digits/train"]);
    assert_eq!(stages_run(&first.said), ["fetch-data", "train"], "{}", first.said);
    assert!(stages_run(&place.make(&["digits/train"]).said).is_empty());

    // Other weights, an hour older than the first, as from a copy that keeps times.
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    rows::write(&path, &weights(0.2)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let changed = place.make(&["digits/train"]);
    assert_eq!(stages_run(&changed.said), ["train"], "{}", changed.said);
    assert!(stages_run(&place.make(&["digits/train"]).said).is_empty());

    // The same bytes at another time: the stage looks, and finds itself up to date.
    rows::write(&path, &weights(0.2)).unwrap();
    let same = place.make(&["digits/train"]);
    assert!(same.code == 0 && stages_run(&same.said).is_empty(), "{}", same.said);

    // The embedded digits are an input as any other: bytes that do not fit are noticed.
    std::fs::write(place.path("data/digits.csv.gz"), b"no gzip").unwrap();
    let damaged = place.make(&["digits/train"]);
    assert!(damaged.code != 0 && damaged.said.contains("digits.csv.gz"), "{}", damaged.said);
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(pipeline_tests::root().join("data/digits.csv.gz"), place.path("data/digits.csv.gz"))
        .unwrap();
    let gone = place.make(&["digits/train"]);
    assert!(gone.code != 0 && gone.said.contains("w.npy: No such file"), "{}", gone.said);
}

#[test]
fn an_interrupted_stage_leaves_nothing_half_written() {
    let place = Place::new(|p| {
        small(p);
        set(p, "train.epochs", 100_000);
    });
    place.stages(&["fetch-data"]);
    // Ten times each, while the threads work: what goes wrong in an exit below them does so now and then.
    for (signal, code) in [("INT", 130), ("TERM", 143)].repeat(10) {
        let stderr = std::process::Stdio::piped();
        let child = place.command("train", "digits").stderr(stderr).spawn().unwrap();
        let staging = place.artifact(".train.partial");
        while !staging.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        let kill = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("stopped by signal"), "{said}");
        assert!(!staging.exists() && !place.artifact("train").exists(), "SIG{signal}");
    }
}

#[test]
fn two_processes_of_one_stage_do_not_meet() {
    let place = Place::new(|p| {
        small(p);
        set(p, "train.epochs", 100_000);
    });
    place.stages(&["fetch-data"]);
    let mut first = place.command("train", "digits").stderr(std::process::Stdio::null()).spawn().unwrap();
    while !place.artifact(".train.partial").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = place.stage("train");
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.code, 2, "{}", second.said);
    assert!(second.said.contains("another process is running train"), "{}", second.said);
    // The first was killed without a chance to clean up: the next run is not in its way.
    place.edit(|p| set(p, "train.epochs", 2));
    place.stages(&["train"]);
}

/// The program that `make` built knows the sources that it is made of, whatever else was built with it.
#[test]
fn the_code_in_a_manifest_is_that_of_the_sources() {
    for stage in STAGES {
        let text = std::fs::read(FINISHED.artifact(&format!("{stage}/manifest.json"))).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let mut found: identity::Parts = serde_json::from_value(manifest["code"]["parts"].clone()).unwrap();
        assert!(found.remove("compiler").is_some(), "{stage}");
        assert_eq!(found, identity::of_stage(root(), stage).0, "{stage}");
    }
}
