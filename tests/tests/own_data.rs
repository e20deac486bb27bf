//! A person's first hour with plateau: README's section on own data as it is printed, and the wrong turns of those who tried.

use std::path::Path;
use std::process::Command;

use pipeline_tests::{Place, python, ran, root};

/// A tabular set of 2,400 samples with 20 features and three classes, and an MLP 20-32-32-3 that NumPy trains; prints its loss.
const ELSEWHERE: &str = r#"
import sys
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
np.savez(folder + "/train.npz", x=x, y=y)
np.savez(folder + "/weights.npz", **state(["0", "2", "4"]))
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
"#;

/// README's `my.yaml`.
fn printed() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let after = readme.split("```yaml\n# my.yaml\n").nth(1).expect("README prints my.yaml");
    after.split("```").next().unwrap().to_owned()
}

/// The samples and weights in a folder `my`, and the loss of the network by NumPy.
fn elsewhere(python: &Path, place: &Place) -> f64 {
    std::fs::create_dir(place.path("my")).unwrap();
    let ran = ran(Command::new(python).args(["-c", ELSEWHERE]).arg(place.path("my")).output());
    assert_eq!(ran.code, 0, "{}", ran.said);
    ran.said.trim().parse().unwrap()
}

fn train_loss(place: &Place) -> f64 {
    let text = std::fs::read(place.path("artifacts/mine/train/manifest.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["facts"]["train_loss"].as_f64().unwrap()
}

#[test]
fn the_section_of_readme_leads_from_arrays_to_k() {
    let Some(python) = python() else { return };
    let place = Place::new(|_| ());
    let loss = elsewhere(&python, &place);
    std::fs::write(place.path("my.yaml"), printed()).unwrap();
    let first = place.make_with("my.yaml", &["mine"]);
    assert_eq!(first.code, 0, "{}", first.said);
    assert!(
        first.said.contains("0 -> layer 1 (32 x 20), 2 -> layer 2 (32 x 32), 4 -> layer 3 (3 x 32)"),
        "{}",
        first.said
    );
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
        "where equal scores for all classes give ln 3 = 1.0986 nats",
        "fetch-data.normalisation",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
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
    let ran = place.make_with("my mlp's/p.yaml", &["mine/fetch-data"]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert!(place.path("artifacts/mine/fetch-data/manifest.json").exists());
}
