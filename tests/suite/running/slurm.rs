//! A private Slurm of two virtual nodes on this machine: `make test-slurm`, as root.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use ndarray::Array2;
use pipeline_tests::{Place, Ran, files, ran, root, set, small, wait_until, yaml};
use store::rows;

/// Daemons in a folder of their own; they end where this is dropped.
struct Slurm {
    dir: tempfile::TempDir,
}

/// How long a job may take: far longer than a machine under load needs.
const FOR_A_JOB: Duration = Duration::from_secs(300);

#[track_caller]
fn wait_long(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < FOR_A_JOB, "after {} s: not yet: {what}", FOR_A_JOB.as_secs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

const NODES: [&str; 2] = ["n1", "n2"];

impl Slurm {
    fn start() -> Self {
        let slurm = Self { dir: tempfile::tempdir().unwrap() };
        let dir = slurm.dir.path().display().to_string();
        let host = ran(Command::new("hostname").arg("-s").output()).said.trim().to_owned();
        // Ports that no Slurm of the system uses, and others for each test process.
        let port = 20_000 + 4 * (std::process::id() % 5000);
        let nodes = NODES.join(",");
        let conf = format!(
            "ClusterName=plateau\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={port}\nSlurmUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={dir}/munge.socket\nCredType=cred/munge\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool/%n\nTmpFS={dir}/tmp/%n\n\
             SlurmctldLogFile={dir}/slurmctld.log\nSlurmdLogFile={dir}/%n.log\n\
             SlurmctldPidFile={dir}/slurmctld.pid\nSlurmdPidFile={dir}/%n.pid\nMailProg=/bin/true\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU_Memory\nSlurmdParameters=config_overrides\nReturnToService=2\n\
             SlurmdTimeout=5\nKillWait=2\nMinJobAge=300\nSchedulerParameters=sched_interval=2,bf_interval=2\n\
             NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={},{} CPUs=2 RealMemory=4000\n\
             PartitionName=all Nodes=ALL Default=YES State=UP\n",
            port + 1,
            port + 2
        );
        for folder in ["state", "spool/n1", "spool/n2", "tmp/n1", "tmp/n2"] {
            std::fs::create_dir_all(slurm.path(folder)).unwrap();
        }
        std::fs::write(slurm.path("slurm.conf"), conf).unwrap();
        let key = (0..128_u8).map(|i| i.wrapping_mul(89) ^ 0x5a).collect::<Vec<_>>();
        std::fs::write(slurm.path("munge.key"), key).unwrap();
        let mode = |file: &str, mode: &str| {
            assert!(Command::new("chmod").arg(mode).arg(slurm.path(file)).status().unwrap().success());
        };
        mode("munge.key", "600");
        mode("", "755");
        let file = |option: &str, name: &str| format!("--{option}={}", slurm.path(name).display());
        let mut munged = Command::new("munged");
        munged.args([
            file("key-file", "munge.key"),
            file("socket", "munge.socket"),
            file("pid-file", "munged.pid"),
        ]);
        munged.args([file("log-file", "munged.log"), file("seed-file", "munged.seed")]).arg("--force");
        assert!(munged.status().expect("munged starts").success());
        assert!(slurm.command("slurmctld").status().expect("slurmctld starts").success());
        for node in NODES {
            slurm.start_node(node);
        }
        wait_until("both nodes are idle", || {
            slurm
                .run("sinfo", &["-h", "-N", "-o", "%T"])
                .said
                .split_whitespace()
                .filter(|s| *s == "idle")
                .count()
                == 2
        });
        slurm
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn start_node(&self, node: &str) {
        assert!(self.command("slurmd").args(["-N", node]).status().expect("slurmd starts").success());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        pipeline_tests::as_typed(&mut command);
        command.current_dir(root()).env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        ran(self.command(program).args(arguments).output())
    }

    /// Hands a job of `examples/slurm.sh` in; its number.
    fn submit(&self, place: &Place, options: &[&str], arguments: &[&str]) -> String {
        let mut command = self.command("sbatch");
        command.env("PIPELINE", place.path("pipeline.yaml")).env("A", place.path("artifacts"));
        let output = format!("--output={}", place.path("job-%j.log").display());
        command.args(["--parsable", "--mem=500", &output]).args(options);
        let handed = ran(command.arg(root().join("examples/slurm.sh")).args(arguments).output());
        assert_eq!(handed.code, 0, "{}", handed.said);
        handed.said.trim().to_owned()
    }

    /// The states of a job, or of the jobs of an array.
    fn states(&self, job: &str) -> Vec<String> {
        let shown = self.run("scontrol", &["show", "job", job]).said;
        let states = shown.split_whitespace().filter_map(|word| word.strip_prefix("JobState="));
        states.map(str::to_owned).collect()
    }

    /// How often a job was queued again.
    fn restarts(&self, job: &str) -> usize {
        let shown = self.run("scontrol", &["show", "job", job]).said;
        let word = shown.split_whitespace().find_map(|word| word.strip_prefix("Restarts="));
        word.and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    #[track_caller]
    fn wait_for(&self, place: &Place, job: &str) {
        wait_long(&format!("job {job} is done"), || {
            let states = self.states(job);
            let failed =
                states.iter().any(|s| ["FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT"].contains(&&s[..]));
            assert!(!failed, "{states:?}: {}", Self::log(place));
            !states.is_empty() && states.iter().all(|s| s == "COMPLETED")
        });
    }

    fn log(place: &Place) -> String {
        let logs = std::fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|e| e == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// What works in the folder of this Slurm yet: the step of a node that died waits for ever.
    fn left_over(&self) -> Vec<String> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|e| e.path());
        let here = |process: &PathBuf| {
            std::fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(self.dir.path()))
        };
        processes.filter(here).map(|process| process.file_name().unwrap().display().to_string()).collect()
    }

    /// Ends a daemon by its file.
    fn end(&self, daemon: &str, signal: &str) {
        if let Ok(id) = std::fs::read_to_string(self.path(&format!("{daemon}.pid"))) {
            let _ = Command::new("kill").args(["-s", signal, id.trim()]).status();
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = self.run("scancel", &["--full", "--user=root"]);
        std::thread::sleep(Duration::from_secs(1));
        for daemon in ["n1", "n2", "slurmctld", "munged"] {
            self.end(daemon, "TERM");
        }
        std::thread::sleep(Duration::from_secs(1));
        for step in self.left_over() {
            let _ = Command::new("kill").args(["-9", &step]).status();
        }
    }
}

#[track_caller]
fn same(place: &Place, alone: &Place, stages: &[&str]) {
    for stage in stages {
        let [found, expected] = [place, alone].map(|place| files(&place.artifact(stage)));
        let differ =
            expected.iter().filter(|(file, hash)| found.get(*file) != Some(*hash)).collect::<Vec<_>>();
        assert!(differ.is_empty() && found.len() == expected.len() && found.len() > 2, "{stage}: {differ:?}");
    }
}

/// `srun` that starts the program here, as one process.
const SRUN: &str = "#!/bin/bash
while [ \"${1#-}\" != \"$1\" ]; do case $1 in -[Nnc]) shift 2;; *) shift;; esac; done
exec \"$@\"
";

/// The script for an experiment of each kind, of which one needs another before. Found by trying docs/cluster.md: the job of `mnist`,
/// which has pilots, failed after all its draws.
#[test]
fn the_script_runs_what_each_kind_of_experiment_needs() {
    let place = Place::small(|p| {
        set(p, "train.epochs", 3);
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "montecarlo.sweep", yaml("null"));
        set(p, "montecarlo.pilot_sizes", yaml("[200, 700]"));
        let few = yaml("{fetch-data: {dataset: digits, n_samples: 200}}");
        let alone = yaml("{fetch-data: {dataset: digits, n_samples: 150}, answer: {alone: true}}");
        let given = yaml("{montecarlo: {settings: [{name: own, losses: losses.npy, dim: 2, sigma: 0.5}]}}");
        let experiments = p["experiments"].as_mapping_mut().unwrap();
        experiments.retain(|name, _| name == "digits");
        let digits = experiments["digits"].clone();
        for (name, changes) in [("few", few), ("alone", alone)] {
            let mut experiment = digits.clone();
            for (section, keys) in changes.as_mapping().unwrap() {
                for (key, value) in keys.as_mapping().unwrap() {
                    experiment[section][key] = value.clone();
                }
            }
            experiments.insert(name.into(), experiment);
        }
        experiments.insert("given".into(), given);
        p["experiments"]["digits"]["bound"]["pilots"] = yaml("[few]");
    });
    let losses = Array2::from_shape_fn((8, 40), |(t, i)| 0.1 * (t as f64 + 1.0) + (i % 7) as f64);
    rows::write(&place.path("losses.npy"), &losses).unwrap();
    std::fs::write(place.path("srun"), SRUN).unwrap();
    ran(Command::new("chmod").arg("755").arg(place.path("srun")).output()).ended(0, &[]);
    let script = |experiment: &str| {
        let mut command = Command::new("bash");
        pipeline_tests::as_typed(&mut command);
        let mut path = place.path("").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        command.arg(root().join("examples/slurm.sh")).arg(experiment).current_dir(root());
        command.env("PIPELINE", place.path("pipeline.yaml")).env("A", place.path("artifacts"));
        ran(command.env("PATH", path).env("SLURM_JOB_ID", "1").output())
    };
    for (experiment, last) in [("digits", "report"), ("alone", "answer"), ("given", "report")] {
        let ended = script(experiment);
        let manifest = place.path("artifacts").join(experiment).join(last).join("manifest.json");
        assert!(ended.code == 0 && manifest.exists(), "{experiment}: {} {}", ended.code, ended.said);
        let made = place.make(&[experiment]).said;
        assert!(made.lines().count() == 1 && made.starts_with(experiment), "nothing was left to do: {made}");
    }
}

/// The page and the script name as many jobs as `digits-ladder` has members: with fewer, the job of its page fails.
#[test]
fn the_array_of_the_page_has_a_job_for_each_member() {
    let place = Place::new(|_| ());
    place.make(&["status", "EXPERIMENTS=digits"]).ended(0, &[]);
    let listed = std::fs::read_to_string(place.path("artifacts/experiments.mk")).unwrap();
    let members = listed.lines().find_map(|line| line.strip_prefix("MEMBERS_OF_digits-ladder := ")).unwrap();
    let array = format!("--array=0-{} examples/slurm.sh digits-ladder", members.split(' ').count() - 1);
    for file in ["docs/cluster.md", "examples/slurm.sh"] {
        assert!(std::fs::read_to_string(root().join(file)).unwrap().contains(&array), "{file}: {array}");
    }
}

/// One Slurm for all, as it takes seconds to start.
#[test]
#[ignore = "make test-slurm"]
fn slurm_as_users_have_it() {
    let slurm = Slurm::start();
    a_family_is_an_array_of_jobs(&slurm);
    one_experiment_runs_over_both_nodes(&slurm);
    lines_of_the_documentation_work_inside_an_allocation(&slurm);
    a_job_at_its_limit_goes_on(&slurm);
    a_node_that_dies_ends_the_step_and_the_job_is_queued_again(&slurm);
}

fn a_family_is_an_array_of_jobs(slurm: &Slurm) {
    let place = Place::new(|p| {
        let text = "
family: {ladder: [100, 200], replicas: 2, draws: 32, target: {accuracy: 0.9}}
fetch-data: {dataset: digits}
train: {hidden: [8], epochs: 4}
eigen: {dim: 2, prefix_count: 0, random_dim: 0, residual_tolerance: 1.0e-2}
montecarlo: {draws: 32, sweep: null, grids: [], settings: [{name: hessian-d10-s1, basis: hessian, dim: 2, sigma: 1.0}]}
report: {title: Ladder}
";
        let experiments = p["experiments"].as_mapping_mut().unwrap();
        experiments.insert("ladder".into(), serde_yaml::from_str(text).unwrap());
    });
    let array = slurm.submit(&place, &["--array=0-3"], &["ladder"]);
    // The page waits for all members.
    let page = slurm.submit(&place, &[&format!("--dependency=afterok:{array}")], &["ladder"]);
    slurm.wait_for(&place, &array);
    slurm.wait_for(&place, &page);
    assert!(place.path("artifacts/ladder/report/index.html").exists(), "{}", Slurm::log(&place));
}

fn one_experiment_runs_over_both_nodes(slurm: &Slurm) {
    let (place, alone) = (Place::new(small), Place::new(small));
    let stages = ["fetch-data", "train", "eigen", "montecarlo"];
    let job =
        slurm.submit(&place, &["--nodes=2", "--cpus-per-task=1"], &[&["digits"][..], &stages[..]].concat());
    let rest = slurm.submit(&place, &[&format!("--dependency=afterok:{job}")], &["digits", "bound"]);
    alone.stages(&stages);
    slurm.wait_for(&place, &job);
    slurm.wait_for(&place, &rest);
    same(&place, &alone, &stages);
}

/// `make` with srun, inside of an allocation, as docs/cluster.md has it; and srun without a way for MPI.
fn lines_of_the_documentation_work_inside_an_allocation(slurm: &Slurm) {
    let make = |launch: &str, place: &Place, rest: &[&str]| {
        let mut command = slurm.command("salloc");
        command.args([
            "-Q",
            "--nodes=2",
            "--ntasks-per-node=1",
            "--cpus-per-task=1",
            "make",
            &format!("LAUNCH={launch}"),
        ]);
        command.arg(format!("PIPELINE={}", place.path("pipeline.yaml").display()));
        command.arg(format!("A={}", place.path("artifacts").display())).args(rest);
        ran(command.output())
    };
    let place = Place::new(small);
    let one = make("srun -Q -N1 -n1 -c1 --exact --mem=100", &place, &["-j2", "digits/train"]);
    assert_eq!(one.code, 0, "{}", one.said);
    let two = make("srun -Q -K -N2 -n2 -c1 --exact --mem=0 --mpi=pmix", &place, &["RANKS=2", "digits/eigen"]);
    assert_eq!(two.code, 0, "{}", two.said);
    let place = Place::new(small);
    let refused = make("srun -Q -N2 -n2 -c1", &place, &["digits/fetch-data"]);
    assert!(
        refused.code != 0
            && refused
                .said
                .contains("started as 2 processes (SLURM_STEP_NUM_TASKS=2), but this build works in one"),
        "{}",
        refused.said
    );
    let strangers = make("srun -Q -K -N2 -n2 -c1 --mpi=none", &place, &["RANKS=2", "digits/fetch-data"]);
    assert!(strangers.code != 0 && strangers.said.contains("but MPI joins 1"), "{}", strangers.said);
}

/// The signal before the limit: what is done is kept, and the job goes on from there.
fn a_job_at_its_limit_goes_on(slurm: &Slurm) {
    let place = Place::small(|p| set(p, "train.epochs", 100_000));
    place.stages(&["fetch-data"]);
    let job = slurm.submit(&place, &["--nodes=2", "--cpus-per-task=1"], &["digits", "train"]);
    wait_until("it can stop", || place.artifact(".train.checkpoint").exists());
    // What Slurm does by --signal=B:USR1@60.
    slurm.run("scancel", &["--batch", "--signal=USR1", &job]).ended(0, &[]);
    wait_until("the job is queued again", || slurm.restarts(&job) == 1);
    let log = Slurm::log(&place);
    assert!(log.contains("stopped by signal 10") && log.contains("the job is queued again"), "{log}");
    // Now, and not after the two minutes that Slurm lets pass: in these a node ends what is left of the first run, beside which
    // it would start no task of the second.
    wait_until("the first run is gone from both nodes", || !is_on_a_node(&job));
    slurm.run("scontrol", &["update", &format!("JobId={job}"), "StartTime=now"]);
    let goes_on = || Slurm::log(&place).contains("goes on where an earlier run stopped");
    wait_long("the job goes on", goes_on);
    slurm.run("scancel", &[&job]);
}

fn a_node_that_dies_ends_the_step_and_the_job_is_queued_again(slurm: &Slurm) {
    let place = Place::small(|p| set(p, "montecarlo.draws", 2_000_000));
    place.stages(&["fetch-data", "train", "eigen"]);
    let job = slurm.submit(&place, &["--nodes=2", "--cpus-per-task=1"], &["digits", "montecarlo"]);
    wait_until("it is at work", || place.artifact(".montecarlo.partial").exists());
    // The second node: its daemon and all that works for it.
    let mut works = vec![];
    wait_until("both nodes are at work", || {
        works = processes_of("n2");
        !works.is_empty()
    });
    slurm.end("n2", "KILL");
    for id in works {
        let parent = ran(Command::new("ps").args(["-o", "ppid=", "-p", &id]).output()).said;
        let _ = Command::new("kill").args(["-9", parent.trim(), &id]).status();
    }
    wait_long("the job is queued again", || slurm.restarts(&job) == 1);
    assert!(!place.artifact("montecarlo").exists());
    slurm.run("scancel", &[&job]);
    slurm.start_node("n2");
}

/// Whether a node has a daemon of a job yet, which calls itself `slurmstepd: [job.step]`.
fn is_on_a_node(job: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().map(|e| e.unwrap().path().join("cmdline"));
    let name = format!("slurmstepd: [{job}.");
    processes.into_iter().any(|file| std::fs::read(file).is_ok_and(|line| line.starts_with(name.as_bytes())))
}

/// Programs of this repository that a node runs; srun, which waits for them, is none.
fn processes_of(node: &str) -> Vec<String> {
    let node = format!("SLURMD_NODENAME={node}\0");
    let processes = std::fs::read_dir("/proc").unwrap().map(|e| e.unwrap().path());
    let works = processes.filter(|process| {
        let program = std::fs::read_link(process.join("exe"));
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        program.is_ok_and(|program| program.starts_with(root().join("target/mpi")))
            && String::from_utf8_lossy(&environment).contains(&node)
    });
    works.map(|process| process.file_name().unwrap().display().to_string()).collect()
}
