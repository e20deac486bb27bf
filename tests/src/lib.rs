//! A place of its own for each test: a `pipeline.yaml`, a folder of artifacts, and the real binaries of this checkout.

pub mod browser;
pub mod fuzzed;
pub mod web;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use records::stages::ROWS;
use serde_yaml::{Mapping, Value};
use store::hash;

/// Top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The binary of a stage, as `make` builds it.
pub fn binary(stage: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let target =
        test.ancestors().find(|p| p.join("release").is_dir()).expect("run the tests with `make test`");
    let path = target.join("release").join(stage);
    assert!(path.exists(), "{} is missing: run the tests with `make test`", path.display());
    path
}

/// How long a test waits for what must come: far longer than a machine under load needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`; where that does not come, the test fails and says what it waited for.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "after {} s: not yet: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program that a test needs. Where it is missing the test fails; with `PLATEAU_ALLOW_SKIPS=1` it says so and goes on.
#[track_caller]
pub fn needed(program: Option<PathBuf>, name: &str, install: &str) -> Option<PathBuf> {
    if program.is_none() {
        let allowed = std::env::var_os("PLATEAU_ALLOW_SKIPS").is_some_and(|v| v == "1");
        assert!(allowed, "{name} is missing: {install}, or set PLATEAU_ALLOW_SKIPS=1 to skip what needs it");
        skipped(&format!("{name} is missing"));
    }
    program
}

/// Says that the test goes on without a part, and why.
#[track_caller]
pub fn skipped(why: &str) {
    // Not `eprintln`, which the test harness keeps to itself.
    let caller = std::panic::Location::caller();
    let line = format!("SKIPPED: {why}: {}:{}\n", caller.file(), caller.line());
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The block of README that begins with this line, as it is printed.
///
/// # Panics
/// If there is none.
pub fn readme_block(first: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let begin =
        readme.find(&format!("\n{first}")).unwrap_or_else(|| panic!("README prints no {first:?}")) + 1;
    readme[begin..].split("```").next().expect("a block").to_owned()
}

/// Python with NumPy: the one of `PLATEAU_PYTHON`, else the one that `make test` installs.
#[track_caller]
pub fn python() -> Option<PathBuf> {
    let given = std::env::var_os("PLATEAU_PYTHON").map(PathBuf::from);
    let python = given.unwrap_or_else(|| root().join("target/test-venv/bin/python"));
    let install = "run `make test`, which installs it, or name one in PLATEAU_PYTHON";
    needed(Some(python).filter(|p| p.exists()), "Python with NumPy", install)
}

/// Compares the artifacts of an experiment, or the join of a family, with NumPy, which must report each of `parts`.
#[track_caller]
pub fn check_with_numpy(artifacts: &Path, parts: &[&str]) {
    let Some(python) = python() else { return };
    let script = root().join("tests/check_artifacts.py");
    let ran = ran(Command::new(python).arg(script).arg(artifacts).output());
    assert_eq!(ran.code, 0, "{}", ran.said);
    for part in parts.iter().chain(&["all checks passed"]) {
        assert!(ran.said.contains(part), "{part:?} is not in: {}", ran.said);
    }
}

/// A folder of its own with a pipeline file.
pub struct Place {
    dir: tempfile::TempDir,
    /// removes the folder of a static when this process has ended: kept, so that its stdin stays open
    #[allow(dead_code)]
    remover: Option<Child>,
}

/// A stage at work; it is killed where this is dropped.
pub struct AtWork(Child);

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl AtWork {
    /// Sends a signal and waits for the end.
    pub fn end_by(mut self, signal: &str) -> Ran {
        let kill = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        let mut status = None;
        wait_until("the stage ends after the signal", || {
            status = self.0.try_wait().expect("its state");
            status.is_some()
        });
        Ran { code: status.and_then(|s| s.code()).unwrap_or(-1), said: self.said() }
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        self.0.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
        said
    }
}

/// What a run printed and its exit code.
pub struct Ran {
    /// of the process; −1 where a signal ended it
    pub code: i32,
    /// stderr
    pub said: String,
}

impl Ran {
    /// Fails unless it ended with that code, and said each of the parts.
    #[track_caller]
    pub fn ended(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{parts:?}: {}", self.said);
        for part in parts {
            assert!(self.said.contains(part), "{part:?} is not in: {}", self.said);
        }
    }
}

impl Place {
    /// A folder with the repository's pipeline file, changed by `edit`.
    pub fn new(edit: impl FnOnce(&mut Value)) -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a temporary folder"), remover: None };
        let text = std::fs::read_to_string(root().join("pipeline.yaml")).expect("pipeline.yaml");
        let mut pipeline = serde_yaml::from_str(&text).expect("YAML");
        edit(&mut pipeline);
        place.write_pipeline(&pipeline);
        place
    }

    /// The same with small parameters, changed by `edit`.
    pub fn small(edit: impl FnOnce(&mut Value)) -> Self {
        Self::new(|p| {
            small(p);
            edit(p);
        })
    }

    /// A place for a static, which is never dropped: a shell removes it when its stdin, and so this process, has ended.
    pub fn shared(edit: impl FnOnce(&mut Value)) -> Self {
        let mut place = Self::new(edit);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP INT TERM; read -r _; rm -rf \"$1\"", "sh"]).arg(place.dir.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        place.remover = Some(shell.spawn().expect("a shell"));
        place
    }

    /// A path in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// An artifact of the experiment `digits`.
    pub fn artifact(&self, file: &str) -> PathBuf {
        self.path("artifacts/digits").join(file)
    }

    /// Changes the pipeline file again.
    pub fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let text = std::fs::read_to_string(self.path("pipeline.yaml")).expect("pipeline.yaml");
        let mut pipeline = serde_yaml::from_str(&text).expect("YAML");
        edit(&mut pipeline);
        self.write_pipeline(&pipeline);
    }

    fn write_pipeline(&self, pipeline: &Value) {
        let text = serde_yaml::to_string(pipeline).expect("YAML");
        // At once, as editors do: a stage may be reading it.
        std::fs::write(self.path("pipeline.new"), text).expect("a writable folder");
        std::fs::rename(self.path("pipeline.new"), self.path("pipeline.yaml")).expect("a writable folder");
    }

    /// The command of one stage for one experiment.
    pub fn command(&self, stage: &str, experiment: &str) -> Command {
        let mut command = Command::new(binary(stage));
        command.arg("--pipeline").arg(self.path("pipeline.yaml"));
        command.arg("--artifacts").arg(self.path("artifacts")).args(["--experiment", experiment]);
        command
    }

    /// Checks the pipeline file with `params`.
    pub fn params(&self) -> Ran {
        let mut command = Command::new(binary("params"));
        command.arg("--pipeline").arg(self.path("pipeline.yaml"));
        ran(command.arg("--artifacts").arg(self.path("artifacts")).output())
    }

    /// Runs one stage of `digits`.
    pub fn stage(&self, stage: &str) -> Ran {
        ran(self.command(stage, "digits").output())
    }

    /// Runs stages of `digits` that must succeed.
    pub fn stages(&self, stages: &[&str]) {
        for stage in stages {
            let ran = self.stage(stage);
            assert_eq!(ran.code, 0, "{stage}: {}", ran.said);
        }
    }

    /// Runs a stage of `digits`. `meanwhile` comes after it has read its section and hashed what it reads, and before it computes: it
    /// asks a cache then, which does not answer.
    pub fn stage_meanwhile(&self, stage: &str, meanwhile: impl FnOnce() + Send) -> Ran {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let local = server.local_addr().expect("its address");
        let address = format!("http://{local}/");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let asked = server.accept().expect("the stage asks");
                meanwhile();
                drop(asked);
            });
            let ran = ran(self.command(stage, "digits").args(["--cache", &address]).output());
            // One that failed before it asked leaves nobody waiting.
            let _ = TcpStream::connect(local);
            ran
        })
    }

    /// Starts a stage of `digits`, which prints nothing but errors, and waits until it is at work.
    pub fn begin(&self, stage: &str) -> AtWork {
        let mut command = self.command(stage, "digits");
        let mut begun = AtWork(command.arg("-q").stderr(Stdio::piped()).spawn().expect("the stage starts"));
        wait_until(&format!("{stage} is at work"), || {
            let ended = begun.0.try_wait().expect("its state");
            assert!(ended.is_none(), "{stage} ended before it was at work: {}", begun.said());
            self.artifact(&format!(".{stage}.partial")).exists()
        });
        begun
    }

    /// Runs `make` on this place's pipeline file.
    pub fn make(&self, arguments: &[&str]) -> Ran {
        self.make_with("pipeline.yaml", arguments)
    }

    /// Runs `make` on another pipeline file of this place.
    pub fn make_with(&self, file: &str, arguments: &[&str]) -> Ran {
        let mut command = make();
        command.args(arguments);
        command.arg(format!("PIPELINE={}", self.path(file).display()));
        command.arg(format!("A={}", self.path("artifacts").display()));
        ran(command.output())
    }
}

/// `make` in the repository.
pub fn make() -> Command {
    let mut command = Command::new("make");
    command.current_dir(root());
    as_typed(&mut command);
    command
}

/// Removes what the test's own `make` and `cargo` would hand down.
pub fn as_typed(command: &mut Command) {
    // A make above this one would hand down its own flags.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
    // And cargo its variables, on which crates such as ring rebuild themselves.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_")) {
        if name != "CARGO_HOME" && name != "CARGO_TARGET_DIR" {
            command.env_remove(name);
        }
    }
}

/// Compiles the file system that fails, `shim.c`, into a place.
pub fn shim(place: &Place) -> PathBuf {
    let (source, library) = (root().join("tests/src/shim.c"), place.path("shim.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
    let compiled = ran(compiler.output());
    assert_eq!(compiled.code, 0, "{}", compiled.said);
    library
}

/// A value as `pipeline.yaml` would have it.
pub fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).expect("YAML")
}

/// A file of JSON.
pub fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// What came of a command.
pub fn ran(output: std::io::Result<Output>) -> Ran {
    let output = output.expect("the command starts");
    let said = [output.stdout, output.stderr].concat();
    Ran { code: output.status.code().unwrap_or(-1), said: String::from_utf8_lossy(&said).into_owned() }
}

/// Hash of every file below `dir` but the manifests, by its name there.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut open = vec![dir.to_owned()];
    let mut found = BTreeMap::new();
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match path.is_dir() {
                true => open.push(path),
                false if path.ends_with("manifest.json") => {}
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_owned();
                    found.insert(name, hash::of_path(&path).unwrap());
                }
            }
        }
    }
    found
}

/// Sets `section.key` (dots descend) of the experiment `digits`.
pub fn set(pipeline: &mut Value, key: &str, value: impl Into<Value>) {
    let path = ["experiments", "digits"].into_iter().chain(key.split('.'));
    let mut node = pipeline;
    for step in path {
        if !node.is_mapping() {
            *node = Value::Mapping(Mapping::new());
        }
        node = node.as_mapping_mut().expect("a mapping").entry(step.into()).or_insert(Value::Null);
    }
    *node = value.into();
}

/// A small pipeline, so that whole runs take a second.
pub fn small(pipeline: &mut Value) {
    set(pipeline, "train.epochs", 15);
    set(pipeline, "eigen.dim", 3);
    set(pipeline, "eigen.random_dim", 2);
    set(pipeline, "eigen.prefix_count", 3);
    set(pipeline, "montecarlo.draws", 40);
    set(pipeline, "answer.half_width", 0.3);
    set(pipeline, "answer.first_draws", 64);
    set(pipeline, "spectrum.probes", 2);
    set(pipeline, "spectrum.steps", 12);
    set(pipeline, "spectrum.prefix_count", 2);
    set(pipeline, "spectrum.class_counts", serde_yaml::from_str::<Value>("[3]").expect("YAML"));
    set(pipeline, "stream.seeds", 2);
    set(pipeline, "montecarlo.sweep.n_samples", 200);
    set(pipeline, "montecarlo.sweep.draws", 32);
    set(pipeline, "report.compare_with_paper", true);
    let text = "
- {name: hessian-d10-s1, basis: hessian, dim: 3, sigma: 1.0}
- {name: small-sigma, basis: hessian, dim: 2, sigma: 1.0e-3}
- {name: random-a, basis: random, dim: 2, sigma: 0.5}
- {name: random-b, basis: random, dim: 2, sigma: 2.0}
- {name: random-c, basis: random, dim: 1, sigma: 2.0}
";
    set(pipeline, "montecarlo.settings", serde_yaml::from_str::<Value>(text).expect("YAML"));
    let text = "
- {name: hessian, basis: hessian, points: 7, extent: 1.0, prefix_sizes: [100], prefix_count: 6}
- {name: random, basis: random, points: 6, extent: 0.5, prefix_sizes: [100]}
- {name: filter, basis: filter, points: 5, extent: 1.0, prefix_sizes: [10, 1000]}
";
    set(pipeline, "montecarlo.grids", serde_yaml::from_str::<Value>(text).expect("YAML"));
}

/// All stages but the join of families, in order.
pub const STAGES: [&str; ROWS.len() - 1] = {
    let mut names = [""; ROWS.len() - 1];
    let (mut row, mut n) = (0, 0);
    while row < ROWS.len() {
        if ROWS[row].reads.is_some() {
            names[n] = ROWS[row].name;
            n += 1;
        }
        row += 1;
    }
    names
};

/// One small pipeline that has run, shared by the tests that only look at it.
pub static FINISHED: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::shared(small);
    place.stages(&STAGES);
    place
});
