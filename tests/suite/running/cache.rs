//! A cache that machines share: what comes from it has the bytes that are computed, and nothing that it does is an error.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use ndarray::{Array1, Array2};
use pipeline_tests::web::{Manner, Web};
use pipeline_tests::{FINISHED, Place, Ran, STAGES, binary, files, json, ran, set, small, yaml};
use serde_json::Value;
use store::{hash, rows};

/// A folder as a cache, and its address.
struct Shared(tempfile::TempDir);

impl Shared {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn address(&self) -> String {
        format!("file://{}", self.0.path().display())
    }

    /// The files below it, by the path there.
    fn files(&self) -> Vec<PathBuf> {
        let below = |dir: &str| std::fs::read_dir(self.0.path().join(dir)).into_iter().flatten();
        let mut files =
            ["ac", "cas"].into_iter().flat_map(below).map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        files
    }

    /// The entry of a stage.
    fn entry(&self, stage: &str) -> PathBuf {
        let is = |path: &PathBuf| {
            let entry = json(path);
            entry["manifest"]["stage"] == stage
        };
        let mut found = std::fs::read_dir(self.0.path().join("ac")).unwrap().map(|e| e.unwrap().path());
        found.find(is).unwrap()
    }

    /// A file of the stage `train`, as it is kept.
    fn blob(&self, place: &Place, file: &str) -> PathBuf {
        self.0.path().join("cas").join(hash::of_path(&place.artifact(file)).unwrap())
    }
}

/// Runs a stage of an experiment with a cache.
fn with(place: &Place, (address, mode): (&str, &str), stage: &str, experiment: &str) -> Ran {
    let mut command = place.command(stage, experiment);
    command.args(["--cache", address, "--cache-mode", mode]);
    ran(command.output())
}

/// Runs stages of `digits`, which must succeed; what they said.
#[track_caller]
pub(super) fn run(place: &Place, cache: (&str, &str), stages: &[&str]) -> String {
    let mut said = String::new();
    for stage in stages {
        let ran = with(place, cache, stage, "digits");
        assert_eq!(ran.code, 0, "{stage}: {}", ran.said);
        said += &ran.said;
    }
    said
}

pub(super) const BOTH: &str = "read-write";
pub(super) const FIRST: [&str; 2] = ["fetch-data", "train"];

/// The manifest of a stage without how its run went.
fn manifest(place: &Place, stage: &str) -> Value {
    let mut manifest = json(place.artifact(&format!("{stage}/manifest.json")));
    // The time and the threads of a run, and the hash that is also over them.
    let fields = manifest.as_object_mut().unwrap();
    fields.remove("run");
    fields.remove("sha256");
    manifest
}

#[track_caller]
pub(super) fn came_from_the_cache(said: &str, stages: &[&str]) {
    for stage in stages {
        assert!(said.contains(&format!("{stage}: digits: from the cache")), "{stage}: {said}");
    }
}

#[test]
fn another_machine_takes_every_stage_with_the_same_bytes() {
    let shared = Shared::new();
    let address = shared.address();
    let [first, second, third] = [(); 3].map(|()| Place::new(small));
    let said = run(&first, (&address, BOTH), &STAGES);
    assert!(!said.contains("cache") && !said.contains("warning: fetch-data"), "{said}");
    came_from_the_cache(&run(&second, (&address, BOTH), &STAGES), &STAGES);
    assert_eq!(files(&second.path("artifacts/digits")), files(&FINISHED.path("artifacts/digits")));
    for stage in STAGES {
        assert_eq!(manifest(&second, stage), manifest(&FINISHED, stage), "{stage}");
    }
    let index = std::fs::read_to_string(second.path("artifacts/index.html")).unwrap();
    assert_eq!(index, std::fs::read_to_string(FINISHED.path("artifacts/index.html")).unwrap());
    assert!(second.stage("report").said.contains("report: digits is up to date"));

    // The third machine looks before it works, and has a launcher that clears the environment.
    let made = format!("CACHE={address}");
    let status = third.make(&["status", &made]);
    assert!(status.said.contains("missing (in the cache)"), "{}", status.said);
    assert!(status.said.contains("missing: fetch-data has not finished"), "{}", status.said);
    let dry = third.make(&["dry-run", "EXPERIMENTS=digits", &made]);
    assert!(dry.said.contains("fetch-data: digits: would be taken from the cache (missing)"), "{}", dry.said);
    let quick = third.make(&["quick", "LAUNCH=env -i", &made]);
    assert_eq!(quick.code, 0, "{}", quick.said);
    came_from_the_cache(&quick.said, &STAGES);
    assert!(quick.said.contains("digits: Samples that are enough: "), "{}", quick.said);

    // With another parameter, what comes before it is taken, and the rest is computed.
    third.edit(|p| set(p, "montecarlo.draws", 48));
    let dry = with_dry_run(&third, &address, "montecarlo");
    assert_eq!((&dry["would_run"], &dry["cache"]), (&true.into(), &"miss".into()), "{dry}");
    let said = run(&third, (&address, BOTH), &["train", "montecarlo"]);
    assert!(said.contains("train: digits is up to date") && !said.contains("from the cache"), "{said}");
}

/// The line of a dry run for programs.
fn with_dry_run(place: &Place, address: &str, stage: &str) -> Value {
    let mut command = place.command(stage, "digits");
    let output = command.args(["--cache", address, "--dry-run", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The name of an experiment is in its report alone. An experiment of another name computes nothing else.
#[test]
fn experiments_with_the_same_parameters_share_all_but_the_report() {
    let shared = Shared::new();
    let place = Place::small(|p| {
        p["experiments"]["other"] = p["experiments"]["digits"].clone();
    });
    run(&place, (&shared.address(), BOTH), &STAGES);
    for stage in STAGES {
        let ran = with(&place, (&shared.address(), BOTH), stage, "other");
        assert_eq!(ran.code, 0, "{}", ran.said);
        assert_eq!(ran.said.contains("from the cache"), stage != "report", "{stage}: {}", ran.said);
    }
    let manifest = std::fs::read_to_string(place.path("artifacts/other/train/manifest.json")).unwrap();
    assert!(manifest.contains("\"experiment\": \"other\""), "{manifest}");
    // Without a cache they are the same too.
    let alone = Place::small(|p| {
        p["experiments"]["other"] = p["experiments"]["digits"].clone();
    });
    for stage in STAGES {
        assert_eq!(ran(alone.command(stage, "other").output()).code, 0, "{stage}");
        let folder = |place: &Place| files(&place.path("artifacts/other").join(stage));
        assert_eq!(folder(&alone), folder(&place), "{stage}");
    }
}

#[test]
fn a_damaged_file_is_computed_and_put_there_anew() {
    let shared = Shared::new();
    let first = Place::new(small);
    run(&first, (&shared.address(), BOTH), &FIRST);
    let blob = shared.blob(&first, "train/w_star.npy");
    let whole = std::fs::read(&blob).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], b"x"].concat();
    let cases = [
        (Some(&flipped[..]), "its SHA-256 is "),
        (Some(&whole[..100]), "100 bytes, but "),
        (Some(&longer[..]), "more than "),
        (None, "is not there"),
    ];
    for (bytes, complaint) in cases {
        match bytes {
            Some(bytes) => std::fs::write(&blob, bytes).unwrap(),
            None => std::fs::remove_file(&blob).unwrap(),
        }
        let place = Place::new(small);
        let said = run(&place, (&shared.address(), BOTH), &FIRST);
        came_from_the_cache(&said, &["fetch-data"]);
        let warning = said.lines().find(|line| line.starts_with("warning: train: cache: ")).expect(&said);
        assert!(warning.contains(complaint) && warning.ends_with("; the stage is computed"), "{warning}");
        assert!(!said.contains("train: digits: from the cache"), "{said}");
        assert_eq!(files(&place.path("artifacts/digits")), files(&first.path("artifacts/digits")));
        assert_eq!(std::fs::read(&blob).unwrap(), whole, "{complaint}: it is mended");
        came_from_the_cache(&run(&Place::new(small), (&shared.address(), BOTH), &FIRST), &FIRST);
    }
}

/// What is wrong with a lying entry whose checksum fits is tested beside the type.
#[test]
fn a_lying_entry_is_refused() {
    let shared = Shared::new();
    let first = Place::new(small);
    run(&first, (&shared.address(), BOTH), &FIRST);
    let entry = shared.entry("train");
    let good = std::fs::read_to_string(&entry).unwrap();
    let of_another = std::fs::read_to_string(shared.entry("fetch-data")).unwrap();
    let cases = [
        (of_another, "is the entry of "),
        (good.replace("w_star.npy", "../../../escaped.npy"), "its SHA-256 is not that of its contents"),
        ("<html>Welcome to the network of this hotel</html>".to_owned(), "not an entry of a cache"),
        (String::new(), "not an entry of a cache"),
    ];
    for (text, complaint) in cases {
        std::fs::write(&entry, text).unwrap();
        let place = Place::new(small);
        let dry = with_dry_run(&place, &shared.address(), "fetch-data");
        assert_eq!(dry["cache"], "hit", "{dry}");
        let said = run(&place, (&shared.address(), BOTH), &FIRST);
        assert!(said.contains(complaint) && !said.contains("train: digits: from the cache"), "{said}");
        assert_eq!(files(&place.path("artifacts/digits")), files(&first.path("artifacts/digits")));
        assert!(!place.path("escaped.npy").exists());
        let mended = json(&entry);
        assert_eq!(mended["manifest"]["stage"], "train");
    }
}

/// Each says so once, ends well, and has its results.
#[test]
fn a_cache_that_is_away_or_full_is_a_warning() {
    let broken = Web::new(Manner::Broken);
    let refusing = [301, 400, 403, 405, 413, 507].map(|status| Web::new(Manner::Refuses(status)));
    let [moved, protobuf, forbidden, unknown, large, full] = &refusing;
    let in_the_way = Shared::new();
    std::fs::write(in_the_way.0.path().join("cas"), b"no folder").unwrap();
    let cases = [
        ("file:///nonexistent/cache".to_owned(), "make the folder once, mkdir -p /nonexistent/cache"),
        // The discard port refuses at once, without a network.
        ("http://127.0.0.1:9/cache".to_owned(), "; the stage is computed"),
        (broken.url(), "the server answered 500"),
        (moved.url(), "the server answered 301 Moved Permanently; the results are here"),
        (protobuf.url(), "the server answered 400 Bad Request"),
        (forbidden.url(), "403 Forbidden: CACHE_MODE=read asks for results"),
        (unknown.url(), "405 Method Not Allowed: CACHE_MODE=read asks for results"),
        (large.url(), "413 Payload Too Large: the file is larger than it takes"),
        (full.url(), "the cache is full; the results are here, and not there"),
        (in_the_way.address(), "cannot write cas/"),
    ];
    for (address, complaint) in cases {
        let place = Place::new(small);
        let said = run(&place, (&address, BOTH), &["fetch-data"]);
        let warnings = said.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>();
        assert!(matches!(warnings[..], [one] if one.contains(complaint)), "{address}: {said}");
        let text = std::fs::read_to_string(place.artifact("fetch-data/manifest.json")).unwrap();
        assert!(!text.contains("cache: "), "it is no warning about the results: {text}");
    }
    let status = Place::new(small).make(&["status", &format!("CACHE={}", broken.url())]);
    assert_eq!(status.code, 0, "{}", status.said);
    assert_eq!(status.said.matches("the cache does not answer").count(), 1, "{}", status.said);
}

#[test]
fn read_never_writes_and_write_never_reads() {
    let web = Web::new(Manner::Plain);
    let run = |mode: &str| run(&Place::new(small), (&web.url(), mode), &["fetch-data"]);
    let asked = |web: &Web| {
        let mut methods = web.asked();
        methods.sort();
        methods.dedup();
        methods
    };
    run("read");
    assert_eq!((asked(&web), web.files().len()), (vec!["GET".to_owned()], 0));
    run("write");
    assert_eq!(asked(&web), ["HEAD", "PUT"]);
    let there = web.files();
    // Another machine that only writes computes again, and finds every file there.
    let said = run("write");
    assert!(!said.contains("cache"), "{said}");
    assert_eq!((asked(&web), web.files()), (vec!["HEAD".to_owned(), "PUT".to_owned()], there));
    came_from_the_cache(&run("read"), &["fetch-data"]);
    assert_eq!(asked(&web), ["GET"]);

    let shared = Shared::new();
    let place = Place::new(small);
    self::run(&place, (&shared.address(), "read"), &["fetch-data"]);
    assert_eq!(shared.files(), Vec::<PathBuf>::new());
}

/// A pipe never answers: what lies in a cache is anybody's.
#[test]
fn a_pipe_in_a_cache_is_no_entry() {
    let shared = Shared::new();
    let [first, second] = [(); 2].map(|()| Place::new(small));
    run(&first, (&shared.address(), BOTH), &["fetch-data"]);
    let entry = shared.entry("fetch-data");
    std::fs::remove_file(&entry).unwrap();
    assert!(Command::new("mkfifo").arg(&entry).status().unwrap().success());
    let said = run(&second, (&shared.address(), "read"), &["fetch-data"]);
    assert!(said.contains("a file is needed") && said.contains("the stage is computed"), "{said}");
}

#[test]
fn a_use_is_noted_without_putting_anything_there_and_a_lost_file_is_no_hit() {
    let shared = Shared::new();
    let [first, second, third] = [(); 3].map(|()| Place::new(small));
    run(&first, (&shared.address(), BOTH), &FIRST);
    let entry = std::fs::File::options().write(true).open(shared.entry("fetch-data")).unwrap();
    entry.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    came_from_the_cache(&run(&second, (&shared.address(), "read"), &["fetch-data"]), &["fetch-data"]);
    assert!(entry.metadata().unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
    let status = || third.make(&["status", &format!("CACHE={}", shared.address())]).said;
    assert!(status().contains("(in the cache)"), "{}", status());
    std::fs::remove_file(shared.blob(&first, "fetch-data/train_images.npy")).unwrap();
    assert!(!status().contains("(in the cache)"), "{}", status());
}

/// The file has another content when it is read than when its hash decided what the results are: the cache would give them to others.
#[test]
fn a_file_that_changes_while_a_stage_is_at_work_gives_no_results() {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy}"));
        set(p, "fetch-data.normalisation", yaml("{scale: 1, mean: 0, std: 1}"));
    });
    let x = |scale: f64| Array2::from_shape_fn((900, 3), |(i, j)| scale * ((i * (j + 2)) as f64).sin());
    let path = place.path("x.npy");
    rows::write(&path, &x(1.0)).unwrap();
    rows::write(&place.path("y.npy"), &(0..900).map(|i| i % 3).collect::<Array1<i64>>()).unwrap();
    let changed = place.stage_meanwhile("fetch-data", || rows::write(&path, &x(2.0)).unwrap());
    changed.ended(3, &["x.npy: the file changed while fetch-data was at work", "run it again"]);
    assert!(!place.artifact("fetch-data").exists());
    place.stage("fetch-data").ended(0, &["+ "]);
}

#[test]
fn a_server_that_wants_folders_gets_them() {
    let web = Web::new(Manner::WebDav);
    let (first, second) = (Place::new(small), Place::new(small));
    let said = run(&first, (&web.url(), BOTH), &FIRST);
    assert!(!said.contains("cache"), "{said}");
    came_from_the_cache(&run(&second, (&web.url(), BOTH), &FIRST), &FIRST);
    assert_eq!(files(&first.path("artifacts/digits")), files(&second.path("artifacts/digits")));
}

#[test]
fn what_is_no_address_is_said_before_any_work() {
    let place = Place::new(small);
    for (address, advice) in [
        ("/shared/cache", "write file:///shared/cache"),
        ("file://shared", "three slashes"),
        ("s3://bucket", "--cache such an address"),
    ] {
        with(&place, (address, BOTH), "fetch-data", "digits").ended(2, &["is no cache", advice]);
    }
    let ran = with(&place, ("file:///shared", "append"), "fetch-data", "digits");
    ran.ended(2, &["[possible values: read-write, read, write]"]);
    assert!(!place.path("artifacts").exists());
}

/// cases.md B4, B7: what one user puts there, a group can use and replace if the umask says so.
#[test]
fn files_of_the_cache_have_the_permissions_of_the_umask() {
    for umask in ["002", "077"] {
        let shared = Shared::new();
        let place = Place::new(small);
        let stage = place.command("fetch-data", "digits");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(stage.get_program());
        ran(command.args(stage.get_args()).env("CACHE", shared.address()).output()).ended(0, &[]);
        let denied = u32::from_str_radix(umask, 8).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert!(shared.files().len() > 3);
        for file in shared.files() {
            assert_eq!(mode(&file), 0o666 & !denied, "{}", file.display());
            assert_eq!(mode(file.parent().unwrap()), 0o777 & !denied, "{}", file.display());
        }
    }
}

#[test]
fn cleaning_removes_the_old_and_then_the_oldest() {
    let shared = Shared::new();
    let place = Place::new(small);
    run(&place, (&shared.address(), BOTH), &["fetch-data", "train", "eigen"]);
    let clean = |days: &str, gib: &str| {
        let mut command = Command::new(binary("cache-clean"));
        command.args(["--cache", &shared.address(), "--days", days, "--gib", gib]);
        let ran = ran(command.output());
        assert_eq!(ran.code, 0, "{}", ran.said);
        ran.said
    };
    let used = |path: &Path, days: u64| {
        let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    assert!(clean("30", "100").contains(": 0 stages removed, 0.0 MB; 3 stages left, "));
    // The stage goes with its files; what another one needs stays, however old.
    let (data, w_star) =
        (shared.blob(&place, "fetch-data/train_images.npy"), shared.blob(&place, "train/w_star.npy"));
    used(&shared.entry("train"), 31);
    used(&data, 400);
    assert!(clean("30", "100").contains(": 1 stage removed, "));
    assert!(!w_star.exists() && data.exists());
    // A hit counts as use.
    used(&shared.entry("fetch-data"), 29);
    used(&shared.entry("eigen"), 3);
    run(&Place::new(small), (&shared.address(), BOTH), &["fetch-data"]);
    let bytes: u64 = shared.files().iter().map(|file| file.metadata().unwrap().len()).sum();
    let below = format!("{}", (bytes - 1) as f64 / f64::from(1 << 30));
    assert!(clean("30", &below).contains(": 1 stage removed, "), "{below}");
    assert!(data.exists());
    came_from_the_cache(
        &run(&Place::new(small), (&shared.address(), BOTH), &["fetch-data"]),
        &["fetch-data"],
    );
    // What a stage has put there before its entry stays for a day; what is left of one that was killed goes then.
    let [new, old] = ["new", "old"].map(|name| shared.0.path().join("cas").join(name));
    for path in [&new, &old] {
        std::fs::write(path, b"x").unwrap();
    }
    used(&old, 2);
    assert!(clean("30", "0").contains(": 1 stage removed, "));
    assert_eq!(shared.files(), [new]);
}
