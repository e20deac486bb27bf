//! Whole runs under faults at random: kills, signals, full and read-only disks, clocks that jump, a cache that comes and goes, two
//! `make` at once. What comes out has the bytes of a run that nobody disturbed.
//!
//! `make test` does it for half a minute, `make soak` for two hours, half of them with two processes of MPI for each stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pipeline_tests::{Place, Ran, STAGES, binary, files, json, make, ran, root, set, shim, small, yaml};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_yaml::Value;

/// A small experiment, and a family of four networks.
fn pipeline(p: &mut Value) {
    small(p);
    let digits = p["experiments"]["digits"].clone();
    let mut family = digits.clone();
    family["family"] = yaml("{ladder: [100, 200], replicas: 2, draws: 8}");
    for (key, value) in [("montecarlo.sweep", Value::Null), ("eigen.prefix_count", 0.into())] {
        let (section, field) = key.split_once('.').unwrap();
        family[section][field] = value;
    }
    let names = [("digits", digits), ("fam", family)];
    p["experiments"] = Value::Mapping(names.into_iter().map(|(name, it)| (name.into(), it)).collect());
    let polish = "{gradient_norm: 1.0e-6, curvature: 1.0e-6, max_products: 60, eigen_products: 12, primal_cache_mib: 1}";
    set(p, "train.polish", yaml(polish));
}

/// What may go wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// to one of the stages at work
    Signal(&'static str),
    /// to one, for a while
    Pause,
    /// a file of the shim that is there for a while
    Disk(&'static str),
    /// the folder of the cache is away for a while
    Cache,
}

const FAULTS: [Fault; 8] = [
    Fault::Signal("KILL"),
    Fault::Signal("KILL"),
    Fault::Signal("TERM"),
    Fault::Pause,
    Fault::Disk("full"),
    Fault::Disk("readonly"),
    Fault::Disk("clock"),
    Fault::Cache,
];

/// Whether a process is a stage at work on a place.
fn is_stage(pid: &str, place: &Path) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let of_mpi = root().join("target/mpi/release");
    let mut stages = STAGES.iter().chain(&["family"]);
    let is_program = stages.any(|stage| program == binary(stage) || program == of_mpi.join(stage));
    is_program && String::from_utf8_lossy(&arguments).contains(&*place.to_string_lossy())
}

/// Stages at work on a place.
fn at_work(place: &Path) -> Vec<String> {
    let of = |pid: &String| is_stage(pid, place);
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    all.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).filter(of).collect()
}

fn signal(name: &str, pid: &str, place: &Path) {
    // It may have ended meanwhile.
    if !is_stage(pid, place) {
        return;
    }
    let _ = Command::new("kill").args(["-s", name, pid]).stderr(Stdio::null()).status();
}

/// One fault, and its end; the name of what happened, if anything did.
fn befall(place: &Place, fault: Fault, random: &mut ChaCha20Rng) -> bool {
    let a_while = Duration::from_millis(random.random_range(20..400));
    let artifacts = place.path("artifacts");
    let stages = at_work(&artifacts);
    let victim = stages.choose(random);
    match fault {
        Fault::Signal(name) => victim.map(|pid| signal(name, pid, &artifacts)).is_some(),
        Fault::Pause => victim
            .map(|pid| {
                signal("STOP", pid, &artifacts);
                std::thread::sleep(a_while);
                signal("CONT", pid, &artifacts);
            })
            .is_some(),
        Fault::Disk(name) => {
            std::fs::write(place.path("shim").join(name), "").unwrap();
            std::thread::sleep(a_while);
            std::fs::remove_file(place.path("shim").join(name)).unwrap();
            !stages.is_empty()
        }
        Fault::Cache => {
            std::fs::rename(place.path("cache"), place.path("away")).unwrap();
            std::thread::sleep(a_while);
            std::fs::rename(place.path("away"), place.path("cache")).is_ok()
        }
    }
}

/// How each stage is started.
struct Start {
    /// the shim, below each
    library: PathBuf,
    /// processes of MPI
    ranks: Option<usize>,
}

/// `make` with a shim below each stage.
fn command(place: &Place, start: &Start, cache: bool, stop_after: Option<u32>) -> Command {
    let mut command = make();
    let of = |name: &str| place.path(name).display().to_string();
    command.args(["-j2", "-k", "digits", "fam", "LATENCY=0"]);
    command.args([format!("PIPELINE={}", of("pipeline.yaml")), format!("A={}", of("artifacts"))]);
    let mpi = start
        .ranks
        .map(|ranks| format!("mpirun --oversubscribe --bind-to none -n {ranks} "))
        .unwrap_or_default();
    command.arg(format!("LAUNCH={mpi}env LD_PRELOAD={} SHIM={}", start.library.display(), of("shim")));
    command.args(start.ranks.map(|ranks| format!("RANKS={ranks}")));
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.args(cache.then(|| format!("CACHE=file://{}", of("cache"))));
    command.args(stop_after.map(|seconds| format!("STOP_AFTER={seconds}")));
    command
}

/// Ends the disturbance, also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// All results are those of the undisturbed run, and nothing else is there.
fn is_as_undisturbed(place: &Place, expected: &BTreeMap<PathBuf, String>) {
    let found = files(&place.path("artifacts"));
    let differ = expected.iter().filter(|(file, hash)| found.get(*file) != Some(*hash)).collect::<Vec<_>>();
    assert!(differ.is_empty(), "other bytes: {differ:?}");
    let more = found.keys().filter(|file| !expected.contains_key(*file));
    let more = more.filter(|file| !file.to_string_lossy().ends_with(".lock")).collect::<Vec<_>>();
    assert!(more.is_empty(), "left over: {more:?}");
    let folders =
        [place.artifact(""), place.path("artifacts/fam")].map(|dir| std::fs::read_dir(dir).unwrap());
    let folders =
        folders.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let at_work = folders.filter(|name| name.starts_with('.') && !name.contains(".lock")).collect::<Vec<_>>();
    assert!(at_work.is_empty(), "left over: {at_work:?}");
    let mut verify = Command::new(binary("verify"));
    verify.arg("--pipeline").arg(place.path("pipeline.yaml"));
    let verified = ran(verify.arg("--artifacts").arg(place.path("artifacts")).output());
    assert_eq!(verified.code, 0, "{}", verified.said);
    std::fs::remove_file(place.path("artifacts/verified.json")).unwrap();
}

/// The largest memory of each stage, bytes.
fn memory(place: &Place) -> BTreeMap<String, u64> {
    let of = |stage: &str| {
        json(place.artifact(&format!("{stage}/manifest.json")))["run"]["peak_memory_bytes"].as_u64().unwrap()
    };
    ["train", "eigen", "montecarlo"].into_iter().map(|stage| (stage.to_owned(), of(stage))).collect()
}

#[test]
fn faults_at_random_change_no_byte() {
    soak(None);
}

#[test]
#[ignore = "make soak"]
fn faults_at_random_change_no_byte_of_several_processes() {
    soak(Some(2));
}

fn soak(ranks: Option<usize>) {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
    };
    let (seconds, seed) = (number("SOAK_SECONDS", 25), number("SOAK_SEED", 1));
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let quiet = Place::new(pipeline);
    let start = Start { library: shim(&quiet), ranks };
    std::fs::create_dir(quiet.path("shim")).unwrap();
    ran(command(&quiet, &start, false, None).output()).ended(0, &[]);
    let expected = files(&quiet.path("artifacts"));
    let expected = expected.into_iter().filter(|(file, _)| !file.to_string_lossy().ends_with(".lock"));
    let expected = expected.collect::<BTreeMap<_, _>>();
    let undisturbed = memory(&quiet);

    let (begun, mut rounds, mut makes, mut faults) = (Instant::now(), 0, 0, 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let place = Place::new(pipeline);
        for folder in ["shim", "cache"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        let is_over = AtomicBool::new(false);
        let mut chaos = ChaCha20Rng::seed_from_u64(random.random());
        std::thread::scope(|scope| {
            let place = &place;
            let is_over = &is_over;
            let befallen = scope.spawn(move || {
                let mut n = 0;
                while !is_over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(chaos.random_range(0..250)));
                    n += usize::from(befall(place, *FAULTS.choose(&mut chaos).unwrap(), &mut chaos));
                }
                n
            });
            let over = Over(is_over);
            // Two at once, again and again. Then nobody disturbs.
            for _ in 0..random.random_range(3..8) {
                let stop_after = random.random_bool(0.3).then(|| random.random_range(0..2));
                let both = [random.random_bool(0.5), random.random_bool(0.5)];
                let both = both.map(|cache| {
                    let mut one = command(place, &start, cache, stop_after);
                    one.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
                });
                for one in both {
                    let Ran { code, said } = ran(one.wait_with_output());
                    makes += 1;
                    assert!([0, 2].contains(&code), "{code}: {said}");
                    assert!(!said.contains("panicked"), "{said}");
                }
            }
            drop(over);
            faults += befallen.join().unwrap_or_else(|e| std::panic::resume_unwind(e));
        });
        ran(command(&place, &start, true, None).output()).ended(0, &[]);
        is_as_undisturbed(&place, &expected);
        for (stage, bytes) in memory(&place) {
            // Threads and buffers come at other times; a leak would be more.
            assert!(bytes < undisturbed[&stage] * 3 / 2, "{stage}: {bytes} {undisturbed:?}");
        }
        rounds += 1;
    }
    let line = format!(
        "soak: {rounds} rounds, {makes} runs of make, {faults} faults, {} processes for each stage, seed {seed}, {} s",
        ranks.unwrap_or(1),
        begun.elapsed().as_secs()
    );
    // Where the harness does not keep it.
    let name = if ranks.is_some() { "soak-mpi.txt" } else { "soak.txt" };
    let _ = std::fs::write(root().join("target").join(name), format!("{line}\n"));
    assert!(faults > 3, "{line}");
}
