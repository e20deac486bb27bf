//! What runs again, and what does not; the same bytes whatever the threads; launchers that lie.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline_tests::{FINISHED, Place, Ran, STAGES, json, ran, root, set, small};
use serde_yaml::Value;
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

/// The stages that a run of make, which must succeed, reports to have run.
#[track_caller]
fn made(place: &Place, goal: &str) -> Vec<&'static str> {
    let Ran { code, said } = place.make(&[goal]);
    assert_eq!(code, 0, "{said}");
    let ran = |stage: &&str| {
        said.lines().any(|l| l.starts_with(&format!("{stage}: digits: ")) && !l.contains("up to date"))
    };
    STAGES.into_iter().filter(ran).collect()
}

/// Nothing runs.
const NONE: [&str; 0] = [];

#[test]
fn make_runs_what_changed_and_nothing_else() {
    let place = Place::new(small);
    assert_eq!(made(&place, "quick"), STAGES);
    assert_eq!(made(&place, "quick"), NONE);
    assert!(place.make(&["quick"]).said.contains("digits: Samples that are enough: "));

    let eigen = std::fs::read(place.artifact("eigen/manifest.json")).unwrap();
    place.edit(|p| set(p, "montecarlo.draws", 50));
    assert_eq!(made(&place, "quick"), ["montecarlo", "bound", "report"]);
    assert_eq!(std::fs::read(place.artifact("eigen/manifest.json")).unwrap(), eigen);

    place.edit(|p| set(p, "report.title", "Another title"));
    assert_eq!(made(&place, "quick"), ["report"]);

    // One stage alone, and what it needs.
    place.edit(|p| set(p, "train.epochs", 16));
    assert_eq!(made(&place, "digits/eigen"), ["train", "eigen"]);

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
    place.make(&["digits/fetch-data", &format!("LAUNCH=bash {}", script.display())]).ended(0, &[]);
    assert!(place.artifact("fetch-data/manifest.json").exists());
}

/// Runs stages on a number of threads: the hash of each file.
fn run_on(threads: &str, stages: &[&str], edit: impl FnOnce(&mut Value)) -> BTreeMap<String, String> {
    let place = Place::small(|p| {
        edit(p);
    });
    for stage in stages {
        ran(place.command(stage, "digits").env("RAYON_NUM_THREADS", threads).output()).ended(0, &[]);
    }
    all_files(&place)
}

fn all_files(place: &Place) -> BTreeMap<String, String> {
    relative(files(&place.path("artifacts")), &place.path("artifacts"))
}

#[track_caller]
fn are_same(first: &BTreeMap<String, String>, again: &BTreeMap<String, String>) {
    let differ = first.iter().filter(|(file, hash)| again.get(*file) != Some(*hash)).collect::<Vec<_>>();
    assert!(differ.is_empty() && first.len() == again.len(), "{differ:?}");
}

#[test]
fn same_bytes_for_any_number_of_threads_and_again() {
    let finished = all_files(&FINISHED);
    assert!(finished.len() > 100, "{} files", finished.len());
    assert!(finished.keys().any(|file| file.ends_with("report/index.html")));
    for threads in ["1", "3"] {
        are_same(&finished, &run_on(threads, &STAGES, |_| ()));
    }
    let single = |p: &mut Value| {
        set(p, "eigen.precision", "f32");
        set(p, "montecarlo.precision", "f32");
        set(p, "eigen.residual_tolerance", 1e-4);
    };
    are_same(&run_on("1", &STAGES, single), &run_on("2", &STAGES, single));
}

/// More parameters than one task updates or adds up.
#[test]
fn same_bytes_where_parameters_are_shared_among_threads() {
    const HIDDEN: usize = 512;
    const { assert!(64 * HIDDEN + HIDDEN + HIDDEN * 10 + 10 > landscape::numeric::sums::PARAMETERS_AT_ONCE) };
    let wide = |p: &mut Value| {
        set(p, "train.hidden", vec![HIDDEN as u64]);
        set(p, "train.epochs", 3);
        set(p, "eigen.residual_tolerance", 1e-2);
    };
    are_same(&run_on("1", &STAGES[..3], wide), &run_on("3", &STAGES[..3], wide));
}

#[test]
fn make_sees_that_a_file_of_the_user_changed() {
    let weights = |value: f64| ndarray::Array1::from_shape_fn(2410, |i| value * (i as f64 * 0.7).sin());
    let place = Place::small(|p| set(p, "train.weights", "w.npy"));
    let path = place.path("w.npy");
    rows::write(&path, &weights(0.1)).unwrap();
    assert_eq!(made(&place, "digits/train"), ["fetch-data", "train"]);
    assert_eq!(made(&place, "digits/train"), NONE);

    // Other weights, an hour older than the first, as from a copy that keeps times.
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    rows::write(&path, &weights(0.2)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(made(&place, "digits/train"), ["train"]);
    assert_eq!(made(&place, "digits/train"), NONE);

    // The same bytes at another time: the stage looks, and finds itself up to date.
    rows::write(&path, &weights(0.2)).unwrap();
    assert_eq!(made(&place, "digits/train"), NONE);

    std::fs::remove_file(&path).unwrap();
    let gone = place.make(&["digits/train"]);
    assert!(gone.code != 0 && gone.said.contains("w.npy: No such file"), "{}", gone.said);
}

#[test]
fn an_interrupted_stage_leaves_nothing_half_written() {
    let place = Place::small(|p| set(p, "train.epochs", 100_000));
    place.stages(&["fetch-data"]);
    // At ten moments each: what goes wrong in an exit below threads that work does so now and then.
    for moment in 0..10 {
        // By SIGTERM it ends with a checkpoint (75), or before there is anything to keep: two lines or one.
        for (signal, codes) in [("INT", [130, 130]), ("TERM", [143, 75])] {
            let at_work = place.begin("train");
            std::thread::sleep(std::time::Duration::from_millis(10 * moment));
            let ended = at_work.end_by(signal);
            assert!(codes.contains(&ended.code), "{}: {}", ended.code, ended.said);
            let lines = if ended.code == 75 { 2 } else { 1 };
            assert_eq!(ended.said.lines().count(), lines, "{}", ended.said);
            assert!(ended.said.contains("stopped by signal"), "{}", ended.said);
            let staging = place.artifact(".train.partial");
            assert!(!staging.exists() && !place.artifact("train").exists(), "SIG{signal}");
        }
    }
}

#[test]
fn two_processes_of_one_stage_do_not_meet() {
    let place = Place::small(|p| set(p, "train.epochs", 100_000));
    place.stages(&["fetch-data"]);
    let first = place.begin("train");
    let second = place.stage("train");
    drop(first);
    second.ended(2, &["another process is running train"]);
    // The first was killed without a chance to clean up: the next run is not in its way.
    place.edit(|p| set(p, "train.epochs", 2));
    place.stages(&["train"]);
}

/// The program that `make` built knows the sources that it is made of, whatever else was built with it.
#[test]
fn the_code_in_a_manifest_is_that_of_the_sources() {
    for stage in STAGES {
        let manifest = json(FINISHED.artifact(&format!("{stage}/manifest.json")));
        let mut found: identity::Parts = serde_json::from_value(manifest["code"]["parts"].clone()).unwrap();
        assert!(found.remove("compiler").is_some(), "{stage}");
        assert_eq!(found, identity::of_stage(root(), stage).0, "{stage}");
    }
}
