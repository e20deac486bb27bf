//! A person's first hour with plateau: README's section on own data as it is printed, and the wrong turns of those who tried.

use std::path::Path;
use std::process::Command;

use ndarray::Ix1;
use pipeline_tests::{Place, STAGES, check_with_numpy, json, python, ran, readme_block, root, set, yaml};
use store::npy;

/// A tabular set of 2,400 samples with 20 features and three classes, and an MLP 20-32-32-3 that NumPy trains; prints its loss.
const ELSEWHERE: &str = r#"
import os, sys
import numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(7)
y = np.arange(2400) % 3
x = (rng.normal(size=(3, 20))[y] + 2 * rng.normal(size=(2400, 20))).astype("float32")
widths = [20, 32, 32, 3]
layers = [[rng.normal(size=(b, a)) * np.sqrt(2 / a), np.zeros(b)] for a, b in zip(widths, widths[1:])]
def forward(x, layers):
    hs = [x]
    for i, (w, b) in enumerate(layers):
        z = hs[-1] @ w.T + b
        hs.append(z if i == 2 else np.maximum(z, 0))
    return hs
for step in range(400):
    rows = rng.integers(0, 2400, 128)
    hs = forward(x[rows].astype(float), layers)
    p = np.exp(hs[-1] - hs[-1].max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
    p[np.arange(128), y[rows]] -= 1
    for i in (2, 1, 0):
        w, b = layers[i]
        gradient = p.T @ hs[i], p.sum(0)
        p = (p @ w) * (hs[i] > 0)
        layers[i] = [w - 0.1 / 128 * gradient[0], b - 0.1 / 128 * gradient[1]]
layers = [[w.astype("float32"), b.astype("float32")] for w, b in layers]
f = forward(x.astype(float), [[w.astype(float), b.astype(float)] for w, b in layers])[-1]
state = lambda names: {f"{n}.{k}": a for n, l in zip(names, layers) for k, a in zip(("weight", "bias"), l)}
np.savez(folder + "/numbers-apart.npz", **state(["embed", "middle", "last_hidden"]), temperature=np.float32(1))
np.savez(folder + "/alphabet.npz", **dict(sorted(state(["2", "10", "20"]).items())))
np.savez(folder + "/short.npz", x=x[:500], y=y[:500])
np.savez(folder + "/named.npz", **dict(reversed(state(["embed", "middle", "out"]).items())))
np.save(folder + "/order.npy", np.arange(2400)[::-1])
np.save(folder + "/basis.npy", np.eye(5, sum(w.size + b.size for w, b in layers)))
np.save(folder + "/theta.npy", 0.1 * rng.normal(size=(64, 5)))
np.save(folder + "/x.npy", x[:300])
np.save(folder + "/y.npy", y[:300].astype("u1"))
print(np.mean(np.logaddexp.reduce(f, axis=1) - f[np.arange(2400), y]))
os.chdir(os.path.dirname(folder))
class Tensor(np.ndarray):  # what README asks of one of PyTorch
    def detach(self):
        return self
    def numpy(self):
        return np.asarray(self)
class model:
    def state_dict():
        return {name: array.view(Tensor) for name, array in state(["0", "2", "4"]).items()}
"#;

/// README's `my.yaml`.
fn printed() -> String {
    readme_block("# my.yaml")
}

/// The samples and weights in a folder `my`, and the loss of the network by NumPy.
fn elsewhere(python: &Path, place: &Place) -> f64 {
    std::fs::create_dir(place.path("my")).unwrap();
    let script = ELSEWHERE.to_owned() + &readme_block("np.savez(");
    let ran = ran(Command::new(python).args(["-c", &script]).arg(place.path("my")).output());
    assert_eq!(ran.code, 0, "{}", ran.said);
    ran.said.trim().parse().unwrap()
}

fn train_loss(place: &Place) -> f64 {
    json(place.path("artifacts/mine/train/manifest.json"))["facts"]["train_loss"].as_f64().unwrap()
}

#[test]
fn the_section_of_readme_leads_from_arrays_to_k() {
    let Some(python) = python() else { return };
    let place = Place::new(|_| ());
    let loss = elsewhere(&python, &place);
    std::fs::write(place.path("my.yaml"), printed()).unwrap();
    let first = place.make_with("my.yaml", &["mine"]);
    first.ended(0, &["0 -> layer 1 (32 x 20), 2 -> layer 2 (32 x 32), 4 -> layer 3 (3 x 32)"]);
    assert!(!first.said.contains("warning"), "{}", first.said);
    assert!((train_loss(&place) - loss).abs() < 1e-6, "{loss} {}", train_loss(&place));
    // Cached or not, the last line answers the question: K with its interval, per tolerance.
    // (stdout, of which this is the only line, comes before stderr in `said`.)
    let last = |said: &str| said.lines().find(|l| l.starts_with("mine: ")).unwrap_or_default().to_owned();
    let answer = last(&first.said);
    for part in
        ["mine: Samples that are enough: ", "[", "] for a change below 1e-4 nats²", "report/index.html"]
    {
        assert!(answer.contains(part), "{part:?} is not in: {answer}");
    }
    let again = place.make_with("my.yaml", &["mine"]);
    assert_eq!((again.code, last(&again.said)), (0, answer));
}

/// The keys in README's table of what can be brought, all at once, and a test split in files of its own.
#[test]
fn all_that_readme_says_can_be_brought() {
    let Some(python) = python() else { return };
    let place = Place::new(|_| ());
    let loss = elsewhere(&python, &place);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split("| to bring | set |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut pipeline: serde_yaml::Value = serde_yaml::from_str(&printed()).unwrap();
    let (mut section, mut n_keys) = (String::new(), 0);
    for (key, value) in table.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(": ")) {
        let (of, key) = key.split_once('.').unwrap_or((&section, key));
        let (of, key) = (of.to_owned(), key.to_owned());
        pipeline["experiments"]["mine"][&*of][&*key] = serde_yaml::from_str(value).unwrap();
        (section, n_keys) = (of, n_keys + 1);
    }
    assert_eq!(n_keys, 5, "weights_layers, order, order_file, basis and settings: {table}");
    let text = serde_yaml::to_string(&pipeline).unwrap().replace("weights.npz", "named.npz");
    let text = text.replace("train_y:", "test_x: my/x.npy\n        test_y: my/y.npy\n        train_y:");
    std::fs::write(place.path("my.yaml"), text).unwrap();
    for stage in pipeline_tests::STAGES {
        let mut command = Command::new(pipeline_tests::binary(stage));
        command.arg("--pipeline").arg(place.path("my.yaml")).args(["--experiment", "mine"]);
        let ran = ran(command.arg("--artifacts").arg(place.path("artifacts")).output());
        assert_eq!(ran.code, 0, "{stage}: {}", ran.said);
    }
    assert!((train_loss(&place) - loss).abs() < 1e-6);
    assert!(place.path("artifacts/mine/montecarlo/mine/delta.npy").exists());
}

#[test]
fn wrong_turns_are_told_and_their_hints_lead_on() {
    let Some(python) = python() else { return };
    let place = Place::new(|_| ());
    let loss = elsewhere(&python, &place);
    let run = |from: &str, to: &str, stages: &[&str]| {
        let text = printed();
        assert!(text.contains(from), "{from:?} is not in README");
        std::fs::write(place.path("pipeline2.yaml"), text.replace(from, to)).unwrap();
        let mut said = String::new();
        for stage in stages {
            let mut command = Command::new(pipeline_tests::binary(stage));
            command.arg("--pipeline").arg(place.path("pipeline2.yaml")).args(["--experiment", "mine"]);
            let ran = ran(command.arg("--artifacts").arg(place.path("artifacts")).output());
            said += &ran.said;
            if ran.code != 0 {
                break;
            }
        }
        said
    };
    let two = ["fetch-data", "train"];
    // F1: a normalisation that is not that of the training.
    let said = run("{scale: 1, mean: 0, std: 1}", "{scale: 255, mean: 0.1307, std: 0.3081}", &two);
    for part in [
        "warning: train: my/weights.npz: ",
        "where equal scores for all classes give 1.0986 nats",
        "fetch-data.normalisation",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    // The warning stays with the numbers: in the last line, cached or not, on the page and in both summaries.
    let warning = said.lines().find_map(|l| l.split_once("warning: ")).unwrap().1.to_owned();
    for _ in ["made", "cached"] {
        let made = place.make_with("pipeline2.yaml", &["mine"]);
        let last = made.said.lines().find(|l| l.starts_with("mine: ")).unwrap_or_default().to_owned();
        assert!(last.contains(&format!(" Warning: {warning}. ")), "{last}");
    }
    let report =
        |file: &str| std::fs::read_to_string(place.path("artifacts/mine/report").join(file)).unwrap();
    assert!(report("index.html").contains(&format!("<li>{warning}</li>")), "{warning}");
    assert!(report("summary.md").contains(&format!("> Warning: {warning}\n")), "{warning}");
    let summary: serde_json::Value = serde_json::from_str(&report("summary.json")).unwrap();
    assert_eq!(summary["warnings"], serde_json::json!([warning]));
    let normalisation = printed().lines().find(|l| l.contains("normalisation:")).unwrap().to_owned();
    assert!(
        run(&normalisation, "", &two)
            .contains("fetch-data.normalisation: null, but nothing is known of your own files")
    );
    // F2: names without numbers keep the order of the file; F4: what is not used is named.
    let said = run("my/weights.npz", "my/numbers-apart.npz", &two);
    assert!(
        said.contains("embed -> layer 1 (32 x 20), middle -> layer 2 (32 x 32), last_hidden -> layer 3"),
        "{said}"
    );
    assert!(said.contains("not used: temperature []"), "{said}");
    assert!((train_loss(&place) - loss).abs() < 1e-6);
    run("my/weights.npz", "my/alphabet.npz", &two);
    assert!((train_loss(&place) - loss).abs() < 1e-6);
    // Widths that are not those of the file: the hint is what README prints.
    assert!(run("hidden: [32, 32]", "hidden: [64]", &two).contains("set train.hidden: [32, 32]"));
    // F7: fewer samples than the default landscape wants.
    let said = run(
        "my/train.npz, train_y: my/train.npz",
        "my/short.npz, train_y: my/short.npz",
        &["fetch-data", "train", "eigen", "montecarlo"],
    );
    assert!(said.contains("[1000] are left out, as there are 500 samples"), "{said}");
    assert!(said.contains("1 setting and 1 landscape over 499 prefix sizes"), "{said}");
}

/// GIMX #597, scratch-link #66, Sming #993: a path with spaces is a path.
#[test]
fn a_pipeline_file_may_lie_in_a_folder_with_spaces() {
    let place = Place::new(|_| ());
    let folder = place.path("my mlp's");
    std::fs::create_dir(&folder).unwrap();
    let text = "defaults_from: ../pipeline.yaml\nexperiments:\n  mine:\n    fetch-data: {dataset: digits}\n";
    std::fs::write(folder.join("p.yaml"), text).unwrap();
    place.make_with("my mlp's/p.yaml", &["mine/fetch-data"]).ended(0, &[]);
    assert!(place.path("artifacts/mine/fetch-data/manifest.json").exists());
}

/// A linear regression with two targets: weights near its solution, and what NumPy knows of them in f64.
const TWO_TARGETS: &str = r#"
import json, sys
import numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(3)
x = rng.normal(size=(300, 3)) * [1, 2, 0.5] + [0.3, -1, 2]
y = x @ rng.normal(size=(3, 2)) + [5, -7] + rng.normal(size=(300, 2)) * [0.1, 3]
one = np.hstack([x, np.ones((300, 1))])
w = np.linalg.lstsq(one, y, rcond=None)[0] + 0.1 * rng.normal(size=(4, 2))
error = one @ w - y
np.savez(folder + "/set.npz", inputs=x, targets=y)
np.savez(folder + "/w.npz", W1=w[:3].T, b1=w[3])
np.save(folder + "/column.npy", y[:, :1])
print(json.dumps({
    "gradient_norm": np.linalg.norm(one.T @ error / 300),
    "loss": 0.5 * (error**2).sum() / 300,
    "r_squared": 1 - (error**2).sum() / ((y - y.mean(0)) ** 2).sum(),
    "eigenvalues": np.repeat(np.linalg.eigvalsh(one.T @ one / 300)[::-1], 2).tolist(),
    "sample_loss": (0.5 * (error**2).sum(1)).tolist(),
}))
"#;

/// Two float targets go through every stage (cases.md D3, F6; laplax #49: several outputs, silently wrong). The loss is
/// quadratic, so NumPy knows it: H = XᵀX/N ⊗ I₂ with a column of ones in X, each eigenvalue twice.
#[test]
fn several_targets_go_through_as_numpy_computes_them() {
    let Some(python) = python() else { return };
    let place = Place::small(|p| {
        let fetch_data = "{dataset: files, order: file, normalisation: {scale: 1, mean: 0, std: 1}}";
        set(p, "fetch-data", yaml(fetch_data));
        let files = "{train_x: 'set.npz[inputs]', train_y: 'set.npz[targets]', test_x: 'set.npz[inputs]', test_y: 'set.npz[targets]'}";
        set(p, "fetch-data.files", yaml(files));
        set(p, "train", yaml("{hidden: [], loss: squared-error, precision: f64, weights: w.npz}"));
        let eigen = "{dim: 8, random_dim: 2, prefix_count: 3, precision: f64, residual_tolerance: 1.0e-9}";
        set(p, "eigen", yaml(eigen));
        set(p, "montecarlo", yaml("{draws: 40, precision: f64, sweep: {n_samples: 200, draws: 32}}"));
        set(p, "montecarlo.settings", yaml("[{name: all, basis: hessian, dim: 8, sigma: 0.3}]"));
        let grids = "[{name: hessian, basis: hessian, points: 5, extent: 1.0, prefix_sizes: [100]}]";
        set(p, "montecarlo.grids", yaml(grids));
        set(p, "report.answer", "all");
        set(p, "stream.dim", 4);
    });
    let ran = ran(Command::new(python).args(["-c", TWO_TARGETS]).arg(place.path("")).output());
    let expected: serde_json::Value =
        serde_json::from_str(ran.said.trim()).unwrap_or_else(|e| panic!("{e}: {}", ran.said));
    place.stages(&STAGES);
    check_with_numpy(&place.path("artifacts/digits"), &["all quadratic: within"]);

    let json = |file: &str| json(place.artifact(file));
    let close = |found: f64, expected: &serde_json::Value, relative: f64| {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() <= relative * expected.abs(), "{found}, {expected}");
    };
    let train = &json("train/manifest.json")["facts"];
    let network = &train["network"];
    assert_eq!((&network["image"][0], &network["layers"][0]["linear"]), (&3.into(), &2.into()));
    assert_eq!(train["train_accuracy"], serde_json::Value::Null);
    close(train["train_loss"].as_f64().unwrap(), &expected["loss"], 1e-12);
    close(train["fit"]["train_r_squared"].as_f64().unwrap(), &expected["r_squared"], 1e-12);
    close(train["gradient_norm"].as_f64().unwrap(), &expected["gradient_norm"], 1e-10);
    let values = npy::read::<f64, Ix1>(&place.artifact("eigen/eigenvalues.npy")).unwrap();
    for (found, expected) in values.iter().zip(expected["eigenvalues"].as_array().unwrap()) {
        close(*found, expected, 1e-7);
    }
    let losses = npy::read::<f64, Ix1>(&place.artifact("eigen/sample_loss.npy")).unwrap();
    for (found, expected) in losses.iter().zip(expected["sample_loss"].as_array().unwrap()) {
        close(*found, expected, 1e-10);
    }
    assert_eq!(json("report/summary.json")["n_classes"], 0);

    // A column is one target; and a test split needs as many as the other.
    place.edit(|p| set(p, "fetch-data.files.train_y", "column.npy"));
    let said = "set.npz[targets]: 2 targets a sample, but the training split has 1";
    place.stage("fetch-data").ended(3, &[said]);
}

/// cases.md A5 to A8 and E1 through the binaries: what is said, where, and with which exit code.
#[test]
fn labels_that_look_wrong_are_said_or_refused() {
    let place = Place::small(|p| {
        set(p, "fetch-data", yaml("{dataset: files, normalisation: {scale: 255, mean: 0, std: 1}}"));
        set(p, "fetch-data.files", yaml("{train_x: kmnist.idx3-ubyte, train_y: y}"));
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "stream.seeds", 0);
    });
    let images = (0..360).map(|i| u8::try_from(i * 37 % 251).unwrap()).collect::<Vec<_>>();
    let header = [0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 3];
    std::fs::write(place.path("kmnist.idx3-ubyte"), [&header[..], &images].concat()).unwrap();
    let train = |y: &dyn Fn(u8) -> u8| {
        let classes = (0..60).map(y).collect::<Vec<_>>();
        std::fs::write(place.path("y"), [&[0, 0, 8, 1, 0, 0, 0, 60][..], &classes].concat()).unwrap();
        let first = place.stage("fetch-data");
        if first.code != 0 {
            return first;
        }
        let then = place.stage("train");
        pipeline_tests::Ran { code: then.code, said: first.said + &then.said }
    };
    train(&|i| i % 3).ended(0, &["shape [60, 2, 3] is read as [60, 6]", "3 classes"]);
    let from_one = "warning: fetch-data: 1 of 4 classes has no sample: 0. Do the labels count from 1?";
    train(&|i| 1 + i % 3).ended(0, &[from_one]);
    train(&|_| 3).ended(3, &["every sample is of class 3", "hint: bring labels of at least two classes"]);
    place.edit(|p| set(p, "fetch-data.classes", 2));
    train(&|i| 1 + i % 3).ended(3, &["every sample is of class 1"]);
    place.edit(|p| {
        set(p, "fetch-data.classes", serde_yaml::Value::Null);
        set(p, "train.loss", "squared-error");
    });
    train(&|i| i % 30).ended(0, &["30 different integers among 60 samples are classes", "y.astype('<f8')"]);
    let facts = std::fs::read_to_string(place.artifact("train/manifest.json")).unwrap();
    assert!(facts.contains("30 different integers"), "{facts}");
}
