//! File systems and users that are not like those of a laptop: cases.md, parts B, C and E.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::verify::finished;
use pipeline_tests::{FINISHED, Place, Ran, binary, ran, set, shim, small, yaml};

/// cases.md B3: ENOSYS, ENOLCK, EOPNOTSUPP, and EBADF as NFS for an exclusive lock on a file opened for reading.
#[test]
fn a_file_system_without_locks_is_a_warning() {
    let place = Place::new(small);
    let shim = shim(&place);
    for (i, answer) in ["38", "37", "95", "9"].into_iter().enumerate() {
        place.edit(|p| set(p, "fetch-data.n_samples", 100 + i as u64));
        let mut command = place.command("fetch-data", "digits");
        let ran = ran(command.env("LD_PRELOAD", &shim).env("SHIM_FLOCK", answer).output());
        ran.ended(0, &[]);
        assert!(ran.said.contains("no locks here") && ran.said.contains("twice"), "{}", ran.said);
    }
    let mut command = place.command("fetch-data", "digits");
    let checked = ran(command.arg("--check").env("LD_PRELOAD", &shim).env("SHIM_FLOCK", "38").output());
    checked.ended(0, &["fresh"]);
}

/// cases.md B5: a folder of a lower layer cannot be moved.
#[test]
fn results_of_an_image_can_be_made_again() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let shim = shim(&place);
    place.edit(|p| set(p, "fetch-data.n_samples", 200));
    let mut command = place.command("fetch-data", "digits");
    command.env("LD_PRELOAD", &shim).env("SHIM_LOWER", place.artifact("fetch-data"));
    ran(command.output()).ended(0, &[]);
    assert!(place.stage("fetch-data").said.contains("up to date: 200 + "));
    nothing_is_left(&place);
}

fn nothing_is_left(place: &Place) {
    let left = std::fs::read_dir(place.artifact("")).unwrap().map(|e| e.unwrap().file_name());
    let left = left.filter(|name| !["fetch-data", ".fetch-data.lock"].contains(&&*name.to_string_lossy()));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The results of the place, and no flags.
const OWN: (&str, &[&str]) = ("artifacts", &[]);
const LOOK: (&str, &[&str]) = ("artifacts", &["--check"]);

/// A stage as somebody who may do less: another user where the tests run as root, else the same one.
fn as_another(place: &Place, stage: &str, (artifacts, flags): (&str, &[&str]), limits: &str) -> Ran {
    // A checkout may lie where others cannot go.
    let program = place.path(stage);
    std::fs::copy(binary(stage), &program).unwrap();
    set_mode(&place.path(""), 0o777);
    if is_root() {
        // The folder that `make test` gives its tests is its user's alone.
        let above = place.path("").parent().unwrap().to_owned();
        set_mode(&above, above.metadata().unwrap().mode() & 0o7777 | 0o111);
    }
    let user = if is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups" } else { "" };
    let script = format!("cd \"$0\" && exec {user} {limits} \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(place.path("")).arg(program).args(flags);
    command.args(["--pipeline", "pipeline.yaml", "--artifacts", artifacts, "--experiment", "digits"]);
    ran(command.env("RAYON_NUM_THREADS", "4").output())
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// cases.md B4: results of somebody else, or read-only ones, are results.
#[test]
fn results_that_may_not_be_written_are_up_to_date() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let folders = [place.artifact("fetch-data"), place.artifact("")];
    for folder in &folders {
        set_mode(folder, 0o555);
    }
    set_mode(&place.artifact("fetch-data/manifest.json"), 0o444);
    as_another(&place, "fetch-data", OWN, "").ended(0, &["is up to date"]);
    as_another(&place, "fetch-data", LOOK, "").ended(0, &[]);

    // They cannot be made anew there, and the advice works.
    place.edit(|p| set(p, "fetch-data.n_samples", 200));
    as_another(&place, "fetch-data", OWN, "").ended(2, &["cannot write in", "--artifacts DIR"]);
    as_another(&place, "fetch-data", ("own", &[]), "").ended(0, &[]);
    for folder in &folders {
        set_mode(folder, 0o755);
    }
}

/// cases.md B4, B7: every file of every stage is for whomever the umask allows. `weights.safetensors` was its owner's alone.
#[test]
fn results_have_the_permissions_of_the_umask() {
    let own = Place::new(small);
    let expected = own.path("pipeline.yaml").metadata().unwrap().mode() & 0o777;
    let stages = std::fs::read_dir(FINISHED.artifact("")).unwrap().map(|e| e.unwrap().path());
    let mut folders = stages.filter(|path| path.is_dir()).collect::<Vec<_>>();
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                n_files += 1;
                let mode = path.metadata().unwrap().mode() & 0o777;
                assert_eq!(mode, expected, "{}: {mode:o}, not {expected:o}", path.display());
            }
        }
    }
    assert!(n_files > 30, "{n_files}");
}

/// cases.md B4: where a group may write, it may run again what another has made, be the files as they are.
#[test]
fn another_user_makes_results_again() {
    if !is_root() {
        // Nobody else can be another user, and nobody has to be root for the tests; what needs no other user is tested above.
        return pipeline_tests::skipped("only root can be two users");
    }
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    set_mode(&place.path("artifacts"), 0o777);
    set_mode(&place.artifact(""), 0o777);
    // A run of the first user was killed, too.
    std::fs::create_dir(place.artifact(".fetch-data.partial")).unwrap();
    std::fs::write(place.artifact(".fetch-data.partial/x.npy"), "half").unwrap();
    for n in [200, 210] {
        place.edit(|p| set(p, "fetch-data.n_samples", n));
        as_another(&place, "fetch-data", OWN, "").ended(0, &[&format!("{n} + ")]);
    }
    // What the first user began, the other goes on with.
    ran(place.command("train", "digits").args(["--stop-after", "0"]).output()).ended(75, &[]);
    let more = as_another(&place, "train", ("artifacts", &["--stop-after", "0"]), "");
    more.ended(75, &["goes on where", "at epoch 2 of"]);
    as_another(&place, "train", OWN, "").ended(0, &[]);
    std::fs::remove_dir_all(place.artifact("train")).unwrap();
    place.stages(&["train"]);
    std::fs::remove_dir_all(place.artifact("train")).unwrap();
    std::fs::remove_file(place.artifact(".train.lock")).unwrap();
    // The first user, who may remove all, does so at the next run.
    place.edit(|p| set(p, "fetch-data.n_samples", 220));
    place.stages(&["fetch-data"]);
    nothing_is_left(&place);
}

/// cases.md C6, C7: few processes and little address space are an error in one line, or enough.
#[test]
fn limits_of_the_machine_are_named() {
    let place = Place::new(small);
    place.stages(&["fetch-data", "train"]);
    for limit in [1, 2, 3, 4] {
        let refused = as_another(&place, "eigen", OWN, &format!("prlimit --nproc={limit}"));
        let is_named = refused.code == 1 && refused.said.contains("cannot start a thread");
        assert!(is_named && refused.said.contains("ulimit -u"), "{limit}: {} {}", refused.code, refused.said);
        assert_eq!(refused.said.lines().count(), 2, "{}", refused.said);
    }
    // What only looks needs no threads.
    as_another(&place, "train", LOOK, "prlimit --nproc=1").ended(0, &["fresh"]);
    // OpenBLAS tries for ever to get its buffers: whoever has too little address space learns it before.
    for folder in ["", "train"] {
        set_mode(&place.artifact(folder), 0o777);
    }
    as_another(&place, "eigen", OWN, "prlimit --fsize=4096").ended(1, &["eigen.partial/", "File too large"]);
    for (i, kib) in [100_000_u64, 150_000, 400_000, 900_000, 1_000_000, 4_000_000].into_iter().enumerate() {
        place.edit(|p| set(p, "train.epochs", 20 + i as u64));
        let limits = format!("timeout 50 prlimit --as={}", 1024 * kib);
        let ended = as_another(&place, "train", OWN, &limits);
        // Four threads: 300 + 4 * 160 MiB.
        let is_enough = kib >= 940 * 1024;
        assert_eq!(ended.code, i32::from(!is_enough), "{kib} KiB: {}", ended.said);
        let words = "address space is limited to";
        assert!(
            is_enough || ended.said.contains(words) && ended.said.contains("ulimit -v"),
            "{}",
            ended.said
        );
    }
}

/// cases.md E9: whoever only looks does not keep a stage from its start.
#[test]
fn looking_never_stops_a_start() {
    let place = Place::new(small);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    let seen = ran(place.command("fetch-data", "digits").args(["--check", "-q"]).output());
                    assert!([0, 1].contains(&seen.code), "{}", seen.said);
                }
            });
        }
        for i in 0..20 {
            place.edit(|p| set(p, "fetch-data.n_samples", 100 + i));
            let made = place.stage("fetch-data");
            if made.code != 0 {
                is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            made.ended(0, &[]);
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// A launcher that does what `script` says.
fn launcher(place: &Place, script: &str) -> String {
    let path = place.path("launcher.sh");
    std::fs::write(&path, script).unwrap();
    format!("LAUNCH=bash {}", path.display())
}

/// cases.md B1: parameters that change while a stage runs make its results stale, and not lost.
#[test]
fn results_whose_parameters_changed_meanwhile_are_kept() {
    let place = Place::small(|p| set(p, "train.epochs", 200));
    let pipeline = place.path("pipeline.yaml");
    let params = format!(
        "{} --pipeline {} --artifacts {}",
        binary("params").display(),
        pipeline.display(),
        place.path("artifacts").display()
    );
    let edit =
        |from: u32, to: u32| format!("sed -i 's/epochs: {from}$/epochs: {to}/' {}", pipeline.display());
    // Another `make` sees the edit while the stage is at work; or the edit comes after its end.
    let partial = place.artifact(".train.partial").display().to_string();
    let until = format!("until [ -e {partial} ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done");
    let during = format!("\"$@\" & pid=$!; {until}; {}; {params}; wait $pid\n", edit(200, 210));
    let after = format!("\"$@\"; {}\n", edit(215, 220));
    place.make(&["digits/fetch-data"]).ended(0, &[]);
    for (script, from, to) in [(during, 200_u64, 210_u64), (after, 215, 220)] {
        place.edit(|p| set(p, "train.epochs", from));
        let made = place.make(&["digits/train", "LATENCY=0", &launcher(&place, &script)]);
        assert_ne!(made.code, 0, "{script}: {}", made.said);
        assert!(made.said.contains("the results are kept, as stale; run make again"), "{}", made.said);
        assert!(made.said.contains(&format!("stale: epochs {from} -> {to}")), "{}", made.said);
        assert!(
            !made.said.contains("Deleting") && !made.said.contains("without a manifest"),
            "{}",
            made.said
        );
        let manifest = std::fs::read_to_string(place.artifact("train/manifest.json")).unwrap();
        assert!(manifest.contains(&format!("\"epochs\": {from}")), "{manifest}");
        // The advice.
        place.make(&["digits/train"]).ended(0, &["train: digits: loss"]);
        assert!(place.stage("train").said.contains("up to date"));
    }
}

/// The same of a stage that no `make` has started: the next one asks it again.
#[test]
fn an_edit_while_a_stage_runs_by_hand_is_seen_by_make() {
    let place = Place::new(small);
    place.make(&["digits/fetch-data"]).ended(0, &[]);
    let edit = || {
        place.edit(|p| set(p, "train.epochs", 16));
        place.params().ended(0, &[]);
    };
    place.stage_meanwhile("train", edit).ended(0, &["train: digits: loss"]);
    place.make(&["digits/train"]).ended(0, &["train: digits: loss"]);
    assert!(place.stage("train").said.contains("up to date"));
}

/// `make` compares times, and one that has not come yet would be later than each edit.
#[test]
fn a_clock_that_was_ahead_hides_no_edit() {
    let place = Place::new(small);
    place.make(&["digits/train"]).ended(0, &[]);
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    for (epochs, meanwhile) in [(16, false), (17, true)] {
        for stage in ["fetch-data", "train"] {
            let manifest =
                std::fs::File::options().write(true).open(place.artifact(&format!("{stage}/manifest.json")));
            manifest.unwrap().set_modified(ahead).unwrap();
        }
        place.edit(|p| set(p, "train.epochs", epochs));
        if meanwhile {
            place.params().ended(0, &[]);
        }
        place.make(&["digits/train"]).ended(0, &["train: digits: loss"]);
        assert!(place.stage("train").said.contains("up to date"));
    }
}

/// `make` looks at times alone: what is lost or damaged below a manifest of the right time, and the manifest itself. The advice of the
/// stage that meets it leads on.
#[test]
fn lost_files_and_manifests_are_made_again() {
    let place = Place::new(small);
    place.make(&["digits/train"]).ended(0, &[]);
    let w_star = std::fs::read(place.artifact("train/w_star.npy")).unwrap();
    for file in ["train/w_star.npy", "train/manifest.json"] {
        std::fs::write(place.artifact(file), "").unwrap();
        if file.ends_with("npy") {
            std::fs::remove_file(place.artifact(file)).unwrap();
        }
        place.make(&["digits/train"]).ended(0, &["train: digits: loss"]);
        assert!(std::fs::read(place.artifact("train/w_star.npy")).unwrap() == w_star, "{file}");
    }
}

/// A process that was killed between two renames has moved the results aside, and put none in their place.
#[test]
fn results_that_were_moved_aside_are_put_back() {
    let place = finished();
    std::fs::rename(place.artifact("bound"), place.artifact(".bound.old")).unwrap();
    place.stage("bound").ended(0, &["bound: digits is up to date"]);
    assert!(place.artifact("bound/manifest.json").exists() && !place.artifact(".bound.old").exists());
}

/// Two pipeline files on one folder: numbers of the other one came under the identity of this one, and into the cache.
#[test]
fn results_that_are_replaced_while_they_are_read_are_met() {
    let place = finished();
    let inputs =
        store::artifact::Inputs::open(&place.path("artifacts/digits"), &["fetch-data", "train"]).unwrap();
    inputs.check_unchanged().unwrap();
    place.edit(|p| set(p, "train.epochs", 16));
    place.stages(&["train"]);
    let changed = inputs.check_unchanged().unwrap_err().to_string();
    assert!(changed.contains("train/manifest.json: the results of train changed while"), "{changed}");
}

/// Files of one size and one time, as archives with a fixed time give them, and stores that set all to 1970.
#[test]
fn another_file_of_the_same_size_and_time_is_seen_by_make() {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy}"));
        set(p, "fetch-data.normalisation", yaml("{scale: 1, mean: 0, std: 1}"));
    });
    let x =
        |scale: f64| ndarray::Array2::from_shape_fn((900, 3), |(i, j)| scale * ((i * (j + 2)) as f64).sin());
    let path = place.path("x.npy");
    store::rows::write(&place.path("y.npy"), &(0..900).map(|i| i % 3).collect::<ndarray::Array1<i64>>())
        .unwrap();
    for scale in [1.0, 2.0] {
        store::rows::write(&path, &x(scale)).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        place.make(&["digits/fetch-data"]).ended(0, &["fetch-data: digits: 900 + "]);
    }
}

/// The last line of `make digits` comes from a file with the hash of its manifest, or there is none.
#[test]
fn the_answer_that_make_prints_is_verified() {
    let place = finished();
    let answer = place.artifact("report/answer.txt");
    let text = std::fs::read_to_string(&answer).unwrap();
    assert!(place.make(&["digits"]).said.contains(text.trim_end()));
    std::fs::write(&answer, "Samples that are enough: 7.\n").unwrap();
    let made = place.make(&["digits"]);
    made.ended(2, &["report/answer.txt: changed after report wrote it"]);
    std::fs::remove_file(&answer).unwrap();
    assert!(place.make(&["digits"]).said.contains(text.trim_end()));
}

/// cases.md B2: results that this machine sees a second after they are written.
#[test]
fn results_that_appear_late_are_seen() {
    let place = Place::new(small);
    let stage = |name: &str| place.artifact(name).display().to_string();
    for name in ["fetch-data", "train"] {
        let hide = format!(
            "\"$@\"; code=$?; mv {0} {0}.hidden; (sleep 1; mv {0}.hidden {0}) >/dev/null 2>&1 & exit $code\n",
            stage(name)
        );
        let made = place.make(&[&format!("digits/{name}"), "LATENCY=50", &launcher(&place, &hide)]);
        made.ended(0, &[]);
    }
    // Inputs, for a stage that starts elsewhere.
    let hide = format!(
        "mv {0} {0}.hidden; (sleep 1; mv {0}.hidden {0}) >/dev/null 2>&1 & exec \"$@\"\n",
        stage("train")
    );
    place.make(&["digits/eigen", "LATENCY=50", &launcher(&place, &hide)]).ended(0, &[]);
    // An array that is seen later than the manifest beside it: found by trying a neighbour of B2.
    let array = place.artifact("train/w_star.npy").display().to_string();
    std::fs::remove_dir_all(place.artifact("eigen")).unwrap();
    let hide = format!(
        "mv {array} {array}.hidden; (sleep 1; mv {array}.hidden {array}) >/dev/null 2>&1 & exec \"$@\"\n"
    );
    place.make(&["digits/eigen", "LATENCY=50", &launcher(&place, &hide)]).ended(0, &[]);
    let never =
        format!("mv {array} {array}.hidden; \"$@\"; code=$?; mv {array}.hidden {array}; exit $code\n");
    std::fs::remove_dir_all(place.artifact("eigen")).unwrap();
    let made = place.make(&["digits/eigen", "LATENCY=1", &launcher(&place, &never)]);
    made.ended(2, &["w_star.npy: is missing, but train wrote it", "digits/train` again"]);
    place.make(&["digits/eigen"]).ended(0, &[]);
    // What never comes is said, after a while.
    let made = place.make(&["digits/montecarlo", "LATENCY=1", "LAUNCH=true"]);
    assert!(made.code != 0 && made.said.contains("ended without a manifest"), "{}", made.said);
}
