//! Several processes that share a stage, with Open MPI: `make test-mpi`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pipeline_tests::{PATIENCE, Place, Ran, files, ran, root, set, small, wait_until, yaml};
use serde_yaml::Value;

/// The binary of a stage that `make RANKS=...` builds.
fn binary(stage: &str) -> PathBuf {
    let path = root().join("target/mpi/release").join(stage);
    assert!(path.exists(), "{} is missing: run the tests with `make test-mpi`", path.display());
    path
}

/// Open MPI's launcher, also as root, and with more processes than cores.
fn mpirun() -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--bind-to", "none"]);
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command
}

/// The arguments of a stage of `place`.
fn arguments(command: &mut Command, place: &Place, experiment: &str) {
    command.arg("--pipeline").arg(place.path("pipeline.yaml"));
    command.arg("--artifacts").arg(place.path("artifacts")).args(["--experiment", experiment]);
}

/// A stage of an experiment by so many processes.
fn command(place: &Place, (ranks, threads): (usize, usize), stage: &str, experiment: &str) -> Command {
    let mut command = mpirun();
    command.env("RAYON_NUM_THREADS", threads.to_string());
    command.args(["-n", &ranks.to_string()]).arg(binary(stage));
    arguments(&mut command, place, experiment);
    command.args(["--ranks", &ranks.to_string()]);
    command
}

fn stage(place: &Place, of: (usize, usize), stage: &str) -> Ran {
    ran(command(place, of, stage, "digits").output())
}

/// A pipeline in which every shared sum occurs: a polish, prefixes, draws in several rounds with pilots, a sweep, landscapes.
fn shared(pipeline: &mut Value) {
    small(pipeline);
    let polish = "{gradient_norm: 1.0e-6, curvature: 1.0e-6, max_products: 60, eigen_products: 20, primal_cache_mib: 512}";
    set(pipeline, "train.polish", yaml(polish));
    set(pipeline, "montecarlo.relative_error", 1e-9);
    set(pipeline, "montecarlo.draws", 256);
    set(pipeline, "montecarlo.pilot_sizes", yaml("[50, 700, 1000]"));
}

/// Stages that share their work.
const TOGETHER: [&str; 4] = ["train", "eigen", "montecarlo", "spectrum"];

type Files = BTreeMap<PathBuf, String>;

#[track_caller]
fn same(found: &Files, expected: &Files, what: &str) {
    let differ = expected.iter().filter(|(file, hash)| found.get(*file) != Some(*hash)).collect::<Vec<_>>();
    assert!(differ.is_empty() && found.len() == expected.len() && found.len() > 2, "{what}: {differ:?}");
}

#[test]
#[ignore = "make test-mpi"]
fn ranks_and_threads_change_no_byte() {
    let alone = Place::new(shared);
    alone.stages(&["fetch-data"]);
    alone.stages(&TOGETHER);
    let expected = TOGETHER.map(|stage| files(&alone.artifact(stage)));
    for (ranks, threads) in [1, 2, 3, 4].into_iter().flat_map(|ranks| [(ranks, 1), (ranks, 2)]) {
        let place = Place::new(shared);
        place.stages(&["fetch-data"]);
        for (name, expected) in TOGETHER.iter().zip(&expected) {
            let ran = stage(&place, (ranks, threads), name);
            assert_eq!(ran.code, 0, "{name}, {ranks} x {threads}: {}", ran.said);
            same(&files(&place.artifact(name)), expected, &format!("{name}, {ranks} x {threads}"));
        }
        // The one process finds the results of the many up to date: they have the identity of its own.
        for name in TOGETHER {
            let found = ran(place.command(name, "digits").arg("--check").output());
            assert_eq!(found.code, 0, "{name}: {}", found.said);
        }
        // And the many have nothing to do.
        stage(&place, (ranks, threads), "eigen").ended(0, &["up to date"]);
    }
}

/// A network of the size of the paper's, on the first images of MNIST.
#[test]
#[ignore = "make test-mpi"]
fn a_larger_network_has_the_same_bytes_too() {
    let edit = |pipeline: &mut Value| {
        let text = "
fetch-data: {dataset: mnist, n_samples: 2000, order: file}
train: {epochs: 1}
eigen: {step: 64, prefix_smallest: 64, prefix_count: 3, dim: 4, residual_tolerance: 1.0e-2, random_dim: 2}
montecarlo:
  step: 64
  draws: 128
  sweep: null
  settings: [{name: hessian-d10-s1, basis: hessian, dim: 4, sigma: 1.0}]
  grids: [{name: random, basis: random, points: 9, extent: 1.0, prefix_sizes: [64], prefix_count: 4}]
report: {title: MNIST}
";
        let experiments = pipeline["experiments"].as_mapping_mut().unwrap();
        experiments.insert("few-images".into(), serde_yaml::from_str(text).unwrap());
    };
    let stages = ["train", "eigen", "montecarlo"];
    // In the repository, where the images are kept once they are fetched.
    let run = |of: Option<(usize, usize)>| {
        let place = Place::new(edit);
        std::os::unix::fs::symlink(root().join("data"), place.path("data")).unwrap();
        for stage in ["fetch-data"].iter().chain(&stages) {
            let mut command = match of {
                Some(of) if *stage != "fetch-data" => command(&place, of, stage, "few-images"),
                _ => place.command(stage, "few-images"),
            };
            let ran = ran(command.output());
            assert_eq!(ran.code, 0, "{stage}, {of:?}: {}", ran.said);
        }
        stages.map(|stage| files(&place.path("artifacts/few-images").join(stage)))
    };
    let expected = run(None);
    for of in [(2, 1), (3, 2), (4, 1)] {
        for ((found, expected), stage) in run(Some(of)).iter().zip(&expected).zip(stages) {
            same(found, expected, &format!("{stage}, {of:?}"));
        }
    }
}

/// Processes at work on a stage that takes long.
struct AtWork {
    launcher: Child,
    /// those that work, in no order
    processes: Vec<String>,
}

fn begin(place: &Place, ranks: usize, stage: &str) -> AtWork {
    let mut command = command(place, (ranks, 1), stage, "digits");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // What a run that was killed has left.
    let _ = std::fs::remove_dir_all(place.artifact(&format!(".{stage}.partial")));
    let launcher = command.spawn().expect("mpirun starts");
    wait_until(&format!("{stage} is at work"), || place.artifact(&format!(".{stage}.partial")).exists());
    // Those whose command line names this place.
    let name = place.path("pipeline.yaml").display().to_string();
    let mut processes = vec![];
    wait_until("all processes are there", || {
        let found = ran(Command::new("pgrep")
            .args(["-f", &format!("^{}.*{name}", binary(stage).display())])
            .output());
        processes = found.said.lines().map(str::to_owned).collect();
        processes.len() == ranks
    });
    AtWork { launcher, processes }
}

impl AtWork {
    /// Waits for the end of all: an error with another exit code than 0.
    #[track_caller]
    fn all_end_with_an_error(mut self) -> String {
        let mut status = None;
        wait_until("mpirun ends", || {
            status = self.launcher.try_wait().expect("its state");
            status.is_some()
        });
        let mut said = String::new();
        self.launcher.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
        assert!(!status.expect("ended").success(), "{said}");
        let left =
            || self.processes.iter().filter(|id| PathBuf::from(format!("/proc/{id}")).exists()).count();
        wait_until("no process is left", || left() == 0);
        said
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// Training and draws for minutes.
fn long(pipeline: &mut Value) {
    small(pipeline);
    set(pipeline, "train.epochs", 100_000);
    set(pipeline, "montecarlo.draws", 2_000_000);
    set(pipeline, "montecarlo.relative_error", Value::Null);
}

/// The same, up to the draws.
fn before_long_draws() -> Place {
    let place = Place::new(long);
    place.edit(|p| set(p, "train.epochs", 5));
    place.stages(&["fetch-data", "train", "eigen"]);
    place
}

/// A process that is killed, whichever it is, ends them all: none waits for ever.
#[test]
#[ignore = "make test-mpi"]
fn where_one_is_killed_all_end_with_an_error() {
    let place = before_long_draws();
    for victim in 0..3 {
        let at_work = begin(&place, 3, "montecarlo");
        let kill = Command::new("kill").args(["-9", &at_work.processes[victim]]).status();
        assert!(kill.expect("kill starts").success());
        at_work.all_end_with_an_error();
        assert!(!place.artifact("montecarlo").exists());
    }
}

/// A panic: the samples of the others are gone, which none of them expects.
#[test]
#[ignore = "make test-mpi"]
fn a_panic_in_one_ends_all() {
    let place = before_long_draws();
    let at_work = begin(&place, 2, "montecarlo");
    std::fs::File::options()
        .write(true)
        .open(place.artifact("fetch-data/train_images.npy"))
        .unwrap()
        .set_len(200)
        .unwrap();
    let said = at_work.all_end_with_an_error();
    assert!(said.contains("panicked") && said.contains("a file that was readable"), "{said}");
}

/// An error of the first is said once, with its own exit code.
#[test]
#[ignore = "make test-mpi"]
fn an_error_of_the_first_ends_all_with_its_code() {
    let place = Place::small(|p| {
        set(p, "eigen.residual_tolerance", 1e-14);
        set(p, "eigen.max_products", 12);
    });
    place.stages(&["fetch-data", "train"]);
    let ran = stage(&place, (3, 1), "eigen");
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert_eq!(ran.said.matches("Ritz pairs converged").count(), 1, "{}", ran.said);
}

/// A launcher of another MPI, or none: each process would believe that it is alone.
#[test]
#[ignore = "make test-mpi"]
fn the_wrong_launcher_is_refused_before_any_work() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let start = |edit: &dyn Fn(&mut Command)| {
        let mut command = Command::new(binary("train"));
        arguments(&mut command, &place, "digits");
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        edit(&mut command);
        let ran = ran(command.output());
        ran.ended(2, &["hint: ", "mpirun -n"]);
        assert!(!place.artifact("train").exists() && !place.artifact(".train.partial").exists());
        ran.said
    };
    let said = start(&|command| {
        command.env("SLURM_STEP_NUM_TASKS", "4");
    });
    assert!(said.contains("started as 4 processes (SLURM_STEP_NUM_TASKS=4), but MPI joins 1"), "{said}");
    let said = start(&|command| {
        command.args(["--ranks", "3"]);
    });
    assert!(said.contains("3 processes were asked for (--ranks 3), but this one works with 1"), "{said}");
}

/// Machines with other instructions would give other bytes.
#[test]
#[ignore = "make test-mpi"]
fn another_kernel_of_openblas_is_refused() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let mut command = mpirun();
    for (i, kernel) in ["Haswell", "Sandybridge"].into_iter().enumerate() {
        if i > 0 {
            command.arg(":");
        }
        command.args(["-n", "1", "env", &format!("OPENBLAS_CORETYPE={kernel}")]).arg(binary("train"));
        arguments(&mut command, &place, "digits");
    }
    let ran = ran(command.output());
    assert_eq!(ran.code, 2, "{}", ran.said);
    for part in
        ["process 1 computes with OpenBLAS", "SandyBridge kernel", "Haswell kernel", "OPENBLAS_CORETYPE"]
    {
        assert!(ran.said.to_lowercase().contains(&part.to_lowercase()), "{part}: {}", ran.said);
    }
    assert!(!place.artifact("train").exists());
}

/// Stopped at every point where that can be, and going on, alone and together.
#[test]
#[ignore = "make test-mpi"]
fn what_was_stopped_goes_on_with_any_number_of_processes() {
    let edit = |p: &mut Value| {
        shared(p);
        set(p, "train.epochs", 3);
        set(p, "montecarlo.sweep", Value::Null);
        let polish = "{gradient_norm: 1.0e-9, curvature: 1.0e-6, max_products: 8, eigen_products: 4, primal_cache_mib: 1}";
        set(p, "train.polish", yaml(polish));
        let spectrum = "{probes: 1, steps: 3, trace_sketch: 2, trace_probes: 2, largest: 2, smallest: 1, prefix_count: 1, class_counts: [4]}";
        set(p, "spectrum", yaml(spectrum));
    };
    let (whole, pieces) = (Place::new(edit), Place::new(edit));
    whole.stages(&["fetch-data", "train", "eigen", "montecarlo", "spectrum"]);
    pieces.stages(&["fetch-data"]);
    for name in ["train", "eigen", "montecarlo", "spectrum"] {
        let mut stops = 0;
        loop {
            let mut command = match stops % 3 {
                0 => command(&pieces, (2, 1), name, "digits"),
                1 => pieces.command(name, "digits"),
                _ => command(&pieces, (3, 1), name, "digits"),
            };
            let ran = ran(command.args(["--stop-after", "0"]).output());
            if ran.code == 0 {
                break;
            }
            assert!(ran.code == 75 && stops < 200, "{name}: {}", ran.said);
            stops += 1;
        }
        assert!(stops > 2, "{name}: {stops}");
        same(&files(&pieces.artifact(name)), &files(&whole.artifact(name)), name);
    }
}

/// A signal goes to the first; the others wait for what it decides.
#[test]
#[ignore = "make test-mpi"]
fn a_signal_to_all_keeps_what_is_done() {
    let place = Place::new(long);
    place.stages(&["fetch-data"]);
    let mut at_work = begin(&place, 2, "train");
    // Once a loop can stop, its folder is there.
    wait_until("it can stop", || place.artifact(".train.checkpoint").exists());
    std::thread::sleep(Duration::from_secs(1));
    for id in &at_work.processes {
        assert!(Command::new("kill").args(["-s", "USR1", id]).status().unwrap().success());
    }
    let mut code = None;
    wait_until("they stop", || {
        code = at_work.launcher.try_wait().unwrap().map(|s| s.code());
        code.is_some()
    });
    assert_eq!(code, Some(Some(75)), "within {PATIENCE:?}");
    assert!(std::fs::read_dir(place.artifact(".train.checkpoint")).unwrap().count() > 0);
}

/// `make` builds with MPI, starts the processes, and knows which stages they share.
#[test]
#[ignore = "make test-mpi"]
fn make_runs_an_experiment_with_ranks() {
    let (alone, together) = (Place::new(small), Place::new(small));
    alone.stages(&["fetch-data", "train", "eigen"]);
    let mut make = pipeline_tests::make();
    make.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    make.env("OMPI_MCA_rmaps_base_oversubscribe", "1").args(["RANKS=2", "digits/eigen"]);
    make.arg(format!("PIPELINE={}", together.path("pipeline.yaml").display()));
    make.arg(format!("A={}", together.path("artifacts").display()));
    ran(make.output()).ended(0, &[]);
    for stage in ["train", "eigen"] {
        same(&files(&together.artifact(stage)), &files(&alone.artifact(stage)), stage);
    }
    let without = ran(pipeline_tests::make().args(["RANKS=two", "help"]).output());
    assert!(
        without.code != 0 && without.said.contains("RANKS=two: a number of processes"),
        "{}",
        without.said
    );
}
