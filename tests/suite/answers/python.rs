//! The Python package, as far as it needs NumPy alone; `make test-python` tests the rest.

use std::process::Command;

use pipeline_tests::{binary, ran, root};

#[test]
fn the_python_package_passes_its_own_tests() {
    let Some(python) = pipeline_tests::python() else { return };
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.current_dir(root().join("python")).args(["-m", "pytest", "-m", "not torch and not jax"]);
    command.args(["--ignore", "tests/test_torch.py", "--ignore", "tests/test_jax.py", "--basetemp"]);
    command.arg(place.path().join("pytest")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("PLATEAU_BIN", binary("montecarlo").parent().unwrap());
    ran(command.output()).ended(0, &[" passed"]);
}
