//! The numbers of a whole run on `digits`, held against NumPy and against themselves.

use std::process::Command;

use landscape::{Activation, Loss};
use ndarray::{Ix1, Ix2};
use pipeline_tests::{
    FINISHED, Place, STAGES, check_with_numpy, json, python, ran, readme_block, root, set, small, yaml,
};
use serde_json::Value;
use store::{npy, npz, rows};
use strum::VariantArray;

#[test]
fn numpy_reads_every_artifact_and_finds_the_same_numbers() {
    let parts = [
        "quadratic: within",
        "120 rows and 10 pilots recomputed",
        "sweep plain at sigma",
        "sweep antithetic at sigma",
        ", exact ",
        "density: within",
        "V of the answer: within",
        "8 rules over 2 runs recomputed",
    ];
    check_with_numpy(&FINISHED.path("artifacts/digits"), &parts);
}

/// README's two lines for Python.
#[test]
fn the_lines_of_readme_load_an_array() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("artifacts")).unwrap();
    std::os::unix::fs::symlink(FINISHED.path("artifacts/digits"), folder.path().join("artifacts/mnist"))
        .unwrap();
    let lines = format!(
        "import numpy as np\n{}print(delta.shape == k.shape, len(k))",
        readme_block("delta = np.load(")
    );
    let said = ran(Command::new(python).args(["-c", &lines]).current_dir(folder.path()).output());
    let n = npy::read::<i64, Ix1>(&FINISHED.artifact("montecarlo/prefix_sizes.npy")).unwrap().len();
    assert_eq!((said.code, said.said.trim()), (0, &*format!("True {n}")));
}

/// Draws in pairs and in sixteen sequences, with the control variate.
#[test]
fn numpy_finds_the_same_with_other_sampling() {
    for sampling in ["antithetic", "sobol"] {
        let place = Place::small(|p| {
            set(p, "montecarlo.sampling", sampling);
            set(p, "montecarlo.draws", 64);
            set(p, "montecarlo.control_variate", true);
        });
        place.stages(&STAGES);
        check_with_numpy(&place.path("artifacts/digits"), &["hessian-d10-s1 control: within"]);
    }
}

/// Draws as wide as the posterior: their deviations, theories and the gap between test and training loss, recomputed; and an
/// eigenvalue below 0, along which there is no posterior, is named with what helps.
#[test]
fn draws_may_be_as_wide_as_the_posterior() {
    let place = Place::small(|p| {
        set(p, "montecarlo.control_variate", true);
        let text = "[{name: posterior, basis: hessian, dim: 3, sigma: posterior}, {name: newton, basis: hessian, dim: 2, sigma: posterior-gauss-newton}]";
        set(p, "montecarlo.settings", yaml(text));
    });
    place.stages(&STAGES);
    let parts = [
        "posterior control: within",
        "posterior quadratic: within",
        "posterior: gap by the posterior recomputed",
        "newton posterior-gauss-newton widths: within",
        "newton quadratic: within",
        "newton: gap by the posterior recomputed",
    ];
    check_with_numpy(&place.path("artifacts/digits"), &parts);
    let page = std::fs::read_to_string(place.artifact("report/index.html")).unwrap();
    assert!(page.contains("3 Hessian directions at the posterior&#39;s width"), "how wide its draws are");
    place.edit(|p| {
        set(p, "eigen.which", "smallest-algebraic");
        set(p, "eigen.max_products", 2000);
        set(p, "eigen.prefix_count", 0);
    });
    place.stages(&["eigen"]);
    place.stage("montecarlo").ended(4, &["sigma: posterior, but eigenvalue 1 is -"]);
}

/// With all weights 0 only the ten biases of the outputs curve the loss, in nine directions: a Gauss-Newton quotient of 1e-18 in the
/// tenth gave draws 1e8 wide.
#[test]
fn quotients_that_are_rounding_have_no_posterior() {
    let place = Place::small(|p| {
        set(p, "train.weights", "w.npy");
        set(p, "eigen.dim", 10);
        set(p, "eigen.prefix_count", 0);
        set(
            p,
            "montecarlo.settings",
            yaml("[{name: gn, basis: hessian, dim: 10, sigma: posterior-gauss-newton}]"),
        );
        set(p, "report.answer", "gn");
    });
    rows::write(&place.path("w.npy"), &ndarray::Array1::<f64>::zeros(2410)).unwrap();
    place.stages(&["fetch-data", "train", "eigen"]);
    let said = "gn: sigma: posterior-gauss-newton, but Gauss-Newton quotient 10 is ";
    place.stage("montecarlo").ended(4, &[said, "lower dim of that setting to 9"]);
    place.edit(|p| {
        set(
            p,
            "montecarlo.settings",
            yaml("[{name: gn, basis: hessian, dim: 9, sigma: posterior-gauss-newton}]"),
        );
    });
    place.stages(&["montecarlo"]);
}

/// Without hidden layers and with squared error the largest eigenvalue is there ten times, once for each class.
#[test]
fn eigenvalues_that_may_be_missing_are_said() {
    let place = Place::small(|p| {
        set(p, "train.hidden", yaml("[]"));
        set(p, "train.loss", "squared-error");
        set(p, "eigen.prefix_count", 0);
        for (key, value) in [("largest", 15), ("smallest", 0), ("prefix_count", 0), ("max_products", 20)] {
            set(p, &format!("spectrum.{key}"), value);
        }
        set(p, "spectrum.class_counts", yaml("[]"));
    });
    place.stages(&["fetch-data", "train", "eigen", "spectrum"]);
    let warnings = |place: &Place| json(place.artifact("spectrum/manifest.json"))["warnings"].to_string();
    let said = warnings(&place);
    assert!(said.contains("spectrum: largest: ") && said.contains("raise spectrum.max_products"), "{said}");
    place.edit(|p| set(p, "spectrum.max_products", 300));
    place.stages(&["spectrum"]);
    assert!(!warnings(&place).contains("max_products"));
    let found = json(place.artifact("spectrum/outliers.json"));
    assert_eq!(found["by_prefix"][0]["outliers"], 10, "{found}");
}

/// A network that is sure of every sample (3-4-3, tanh, a loss of 5e-8; tests/assets/sure): f32 knows 1 - p to a few digits, and took
/// the largest eigenvalue of another such network for 20 % less than it is.
#[test]
fn rounding_near_a_loss_of_zero_is_said() {
    let assets = root().join("tests/assets/sure");
    let place = Place::small(|p| {
        let data = assets.join("data.npz").display().to_string();
        p["experiments"]["digits"]["fetch-data"] = yaml(&format!(
            "{{dataset: files, files: {{train_x: {data}, train_y: {data}}}, normalisation: {{scale: 1, mean: 0, std: 1}}}}"
        ));
        set(p, "train.hidden", yaml("[4]"));
        set(p, "train.activation", "tanh");
        set(p, "train.weights", assets.join("weights.npz").display().to_string().as_str());
        for (key, value) in [("dim", "3"), ("prefix_count", "0"), ("precision", "f64")] {
            set(p, &format!("eigen.{key}"), yaml(value));
        }
        for (key, value) in
            [("largest", "4"), ("smallest", "0"), ("prefix_count", "0"), ("residual_tolerance", "1.0e-2")]
        {
            set(p, &format!("spectrum.{key}"), yaml(value));
        }
        set(p, "spectrum.class_counts", yaml("[]"));
        set(p, "spectrum.precision", "f32");
    });
    place.stages(&["fetch-data", "train", "eigen", "spectrum"]);
    let warnings = |place: &Place| json(place.artifact("spectrum/manifest.json"))["warnings"].to_string();
    let share =
        |place: &Place| npy::read::<f64, Ix1>(&place.artifact("spectrum/gradient_share.npy")).unwrap();
    let (said, of_f32) = (warnings(&place), share(&place));
    assert!(said.contains("of a Hessian-vector product is rounding in f32"), "{said}");
    place.edit(|p| set(p, "spectrum.precision", "f64"));
    place.stages(&["spectrum"]);
    assert!(!warnings(&place).contains("rounding"), "{}", warnings(&place));
    // The gradient is in f64 whatever the precision of the products.
    assert_eq!(share(&place), of_f32);
    // Of a network that is known only with its data, the estimate panicked.
    place.edit(|p| set(p, "eigen.dim", 32));
    let dry = ran(place.command("eigen", "digits").arg("--dry-run").output());
    dry.ended(2, &["32 pairs, but the network has 31 parameters"]);
}

/// The squared error of a linear network has no second-order part but the Gauss-Newton matrix, so both posteriors are one.
#[test]
fn both_posteriors_of_a_linear_network_are_the_same() {
    let place = Place::small(|p| {
        set(p, "train.hidden", yaml("[]"));
        set(p, "train.loss", "squared-error");
        set(p, "train.precision", "f64");
        let text = "[{name: a, basis: hessian, dim: 3, sigma: posterior}, {name: b, basis: hessian, dim: 3, sigma: posterior-gauss-newton}]";
        set(p, "montecarlo.settings", yaml(text));
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "montecarlo.sweep", serde_yaml::Value::Null);
    });
    place.stages(&["fetch-data", "train", "eigen", "montecarlo"]);
    let facts = json(place.artifact("montecarlo/manifest.json"))["facts"].clone();
    let widths = |i: usize| {
        let all = facts["settings"][i]["deviations"].as_array().unwrap();
        all.iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let delta =
        |name: &str| npy::read::<f64, Ix1>(&place.artifact(&format!("montecarlo/{name}/delta.npy"))).unwrap();
    for (a, b) in widths(0).into_iter().zip(widths(1)) {
        // Two sums over 1,437 samples of the same numbers.
        assert!((a / b - 1.0).abs() <= 1e-11, "{facts}");
    }
    let (a, b) = (delta("a"), delta("b"));
    // Δ_k is a square of the width squared.
    assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() <= 1e-9), "{a} {b}");
}

/// Training ends at the first rule that is met, and a limit that comes first is a warning.
#[test]
fn training_ends_by_its_stop() {
    for (stop, epochs, by) in [
        ("{gradient_norm: 0.1}", 300, "gradient-norm"),
        ("{validation: 0.15, patience: 3}", 300, "validation"),
        ("{validation: 0.15, patience: 3, gradient_norm: 1.0e-6}", 4, "limit"),
    ] {
        let place = Place::small(|p| {
            set(p, "train.epochs", epochs);
            set(p, "train.optimizer.learning_rate", 0.01);
            set(p, "train.stop", yaml(stop));
        });
        place.stages(&["fetch-data"]);
        let ran = place.stage("train");
        ran.ended(0, &[&format!("ended by {by} after epoch ")]);
        let warned = ran.said.contains("train: all 4 epochs passed before the stop: the gradient norm is ");
        assert_eq!(warned, by == "limit", "{}", ran.said);
        place.stages(&STAGES[2..]);
        check_with_numpy(&place.path("artifacts/digits"), &[&format!("train: stop by {by} after epoch ")]);
        let page = std::fs::read_to_string(place.artifact("report/index.html")).unwrap();
        assert!(page.contains("epochs, ended by the "), "{by}");
    }
}

#[test]
fn at_small_sigma_monte_carlo_is_the_second_order_model() {
    let theory = json(FINISHED.artifact("bound/theory.json"));
    let small = theory["settings"].as_array().unwrap().iter().find(|s| s["name"] == "small-sigma").unwrap();
    let second = small["theories"].as_array().unwrap().iter().find(|t| t["name"] == "second-order").unwrap();
    // Three standard errors hold 99.7 % of independent normal values; all k share the draws, so allow a few per cent.
    assert!(second["within_three_standard_errors"].as_f64().unwrap() >= 0.97, "{second}");
    assert!((second["geometric_mean_ratio"].as_f64().unwrap() - 1.0).abs() <= 0.01, "{second}");
}

#[test]
fn the_report_is_whole() {
    let report = FINISHED.artifact("report");
    let html = std::fs::read_to_string(report.join("index.html")).unwrap();
    let index = std::fs::read_to_string(FINISHED.path("artifacts/index.html")).unwrap();
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
    for request in ["src=\"http", "href=\"http", "url(http", "<script src", "@import"] {
        assert!(!html.contains(request) && !index.contains(request), "{request}");
    }
    let summary = json(report.join("summary.json"));
    for sentence in summary["answer"].as_array().unwrap() {
        let sentence = sentence.as_str().unwrap();
        assert!(html.contains(sentence), "{sentence}");
    }
    // The number at the top is that of the first tolerance, on the page and in its row of the index.
    let own = &summary["own"];
    let row = summary["sufficient"].as_array().unwrap().iter().find(|r| {
        r["setting"] == summary["setting"] && r["method"] == "order-average" && r["tolerance"] == 1e-4
    });
    assert_eq!(
        ["k", "low", "high", "status"].map(|key| &own[key]),
        ["k", "low", "high", "status"].map(|key| &row.unwrap()[key])
    );
    let digits = own["k"].to_string();
    let number = match digits.len() {
        0..=3 => digits,
        n => format!("{},{}", &digits[..n - 3], &digits[n - 3..]),
    };
    assert!(html.contains(&format!("<p class=\"value\"><strong>{number}</strong> samples")), "{number}");
    assert!(
        index.contains(&format!("<td><strong>{number}</strong>")) && index.contains("<svg class=\"spark\""),
        "{number}"
    );
    let others = "sufficient training prefix-eigenvalues landscape-filter-10 landscape-filter-1000 landscape-filter-1436";
    for figure in (1..=9).map(|i| format!("figure-{i}")).chain(others.split(' ').map(str::to_owned)) {
        let file = |kind: &str| {
            std::fs::read(report.join(format!("figures/{figure}.{kind}")))
                .unwrap_or_else(|e| panic!("{figure}.{kind}: {e}"))
        };
        assert!(file("png").starts_with(b"\x89PNG") && file("png").len() > 5000, "{figure}");
        assert!(file("svg").starts_with(b"<svg") && file("csv").len() > 30, "{figure}");
        assert!(html.contains(&format!("id=\"{figure}\"")), "{figure}");
        if figure.starts_with("figure-") {
            let text = html.split(&format!("id=\"{figure}\"")).nth(1).unwrap();
            let text = text.split("</figure>").next().unwrap();
            assert!(text.contains("paper"), "{figure} is not set beside the paper");
        }
    }
    let band = std::fs::read_to_string(report.join("figures/figure-9.csv")).unwrap();
    assert!(band.contains(",lower edge of the band,") && band.contains(",upper edge of the band,"));
}

/// Data, order, weights, basis and draws from files give the bytes of the run that wrote those files.
#[test]
fn everything_can_be_brought() {
    let array = |file: &str| FINISHED.artifact(file);
    let place = Place::small(|p| {
        let files = "{train_x: x.npy, train_y: y.npy, test_x: test.npz, test_y: test.npz}";
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml(files));
        let of_digits = "{scale: 16, mean: 0, std: 1}";
        set(p, "fetch-data.normalisation", yaml(of_digits));
        set(p, "fetch-data.order", "given");
        set(p, "fetch-data.order_file", "order.npy");
        set(p, "train.weights", "weights.npz");
        set(p, "eigen.basis", "basis.npy");
        let settings = "[{name: hessian-d10-s1, basis: hessian, dim: 3, sigma: 1.0, theta: theta.npy}]";
        set(p, "montecarlo.settings", yaml(settings));
    });
    // The source in an order of its own: sample i of the run is row n − 1 − i of the file.
    let x = npy::read::<u8, Ix2>(&array("fetch-data/train_images.npy")).unwrap();
    let y = npy::read::<i64, Ix1>(&array("fetch-data/train_labels.npy")).unwrap();
    let n = i64::try_from(y.len()).unwrap();
    rows::write(&place.path("x.npy"), &x.slice(ndarray::s![..;-1, ..])).unwrap();
    rows::write(&place.path("y.npy"), &y.slice(ndarray::s![..;-1])).unwrap();
    rows::write(&place.path("order.npy"), &(0..n).rev().collect::<ndarray::Array1<i64>>()).unwrap();
    let test_x = npy::read::<u8, Ix2>(&array("fetch-data/test_images.npy")).unwrap().mapv(f64::from);
    let test_y = npy::read::<i64, Ix1>(&array("fetch-data/test_labels.npy")).unwrap();
    // One archive with both; classes as floats would be regression targets, so they stay in a file of their own.
    npz::write(&place.path("test.npz"), &[("x".into(), test_x.into_dyn())]).unwrap();
    rows::write(&place.path("test_y.npy"), &test_y).unwrap();
    place.edit(|p| set(p, "fetch-data.files.test_y", "test_y.npy"));
    for (from, to) in [
        ("train/weights.npz", "weights.npz"),
        ("eigen/basis.npy", "basis.npy"),
        ("montecarlo/hessian-d10-s1/theta.npy", "theta.npy"),
    ] {
        std::fs::copy(array(from), place.path(to)).unwrap();
    }
    place.stages(&STAGES);
    for file in [
        "fetch-data/train_images.npy",
        "fetch-data/train_labels.npy",
        "train/w_star.npy",
        "eigen/basis.npy",
        "eigen/sample_curvature.npy",
        "montecarlo/hessian-d10-s1/delta.npy",
        "bound/hessian-d10-s1/quadratic.npy",
    ] {
        assert!(
            std::fs::read(place.artifact(file)).unwrap() == std::fs::read(array(file)).unwrap(),
            "{file} differs"
        );
    }
    // The report names the directions as the user's, not as eigenvectors.
    let page = std::fs::read_to_string(place.artifact("report/index.html")).unwrap();
    for told in [
        "The directions are those of eigen.basis.",
        "3 given directions at σ = 1",
        "<h3>Over the first two given directions</h3>",
    ] {
        assert!(page.contains(told), "{told}");
    }
    assert!(place.artifact("report/figures/rayleigh-quotients.svg").exists());
}

/// Every activation and every loss goes through every stage, with other widths than the usual ones.
#[test]
fn other_networks_go_through() {
    let (activations, losses) = (Activation::VARIANTS, Loss::VARIANTS);
    for i in 0..activations.len().max(losses.len()) {
        let (activation, loss) = (activations[i % activations.len()], losses[i % losses.len()]);
        let (hidden, precision) = match (activation, i % 2) {
            (Activation::Identity, _) => ("[]", "f64"),
            (_, 0) => ("[9]", "f32"),
            _ => ("[7, 5]", "f64"),
        };
        let place = Place::small(|p| {
            set(p, "train.activation", name_of(activation));
            set(p, "train.loss", name_of(loss));
            set(p, "train.hidden", yaml(hidden));
            set(p, "train.optimizer", yaml("{name: sgd, learning_rate: 0.05, momentum: 0.9}"));
            set(p, "train.precision", precision);
            set(p, "train.checkpoint_epochs", yaml("[1, 15]"));
            set(p, "montecarlo.step", 7);
            set(p, "eigen.step", 7);
            set(p, "montecarlo.grids", serde_yaml::Value::Sequence(vec![]));
        });
        place.stages(&STAGES);
        check_with_numpy(&place.path("artifacts/digits"), &["hessian-d10-s1 quadratic: within"]);
    }
}

#[test]
fn the_comments_name_every_activation_and_loss() {
    let names = Activation::VARIANTS.iter().map(name_of).chain(Loss::VARIANTS.iter().map(name_of));
    for (name, file) in names.flat_map(|name| ["pipeline.yaml", "README.md"].map(|file| (name.clone(), file)))
    {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(&name), "{file} does not name {name}");
    }
}

/// The name in `pipeline.yaml`.
fn name_of(choice: impl serde::Serialize) -> String {
    serde_yaml::to_value(choice).unwrap().as_str().expect("a name").to_owned()
}

#[test]
fn so_many_steps_are_the_epochs_that_they_take() {
    let n_rows = |place: &Place| rows_of(&place.artifact("train/loss_history.npy"));
    let place = Place::new(small);
    place.stages(&["fetch-data", "train"]);
    let w = std::fs::read(place.artifact("train/w_star.npy")).unwrap();
    // 1,437 samples in batches of 64 are 23 steps, the last one with 29 samples.
    place.edit(|p| set(p, "train.steps", 15 * 23));
    place.stages(&["train"]);
    assert_eq!(std::fs::read(place.artifact("train/w_star.npy")).unwrap(), w);
    assert_eq!(n_rows(&place), 16);
    // One epoch, and two steps of the next.
    place.edit(|p| set(p, "train.steps", 25));
    place.stages(&["train"]);
    assert_eq!(n_rows(&place), 3);
    assert_ne!(std::fs::read(place.artifact("train/w_star.npy")).unwrap(), w);
}

/// Rows of an array, by its header.
fn rows_of(path: &std::path::Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    let rows = header.split("'shape': (").nth(1).expect("a shape").split(',').next().unwrap();
    rows.parse().unwrap()
}

#[test]
fn regression_goes_through() {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy}"));
        set(p, "fetch-data.normalisation", yaml("{scale: 1, mean: 0, std: 1}"));
        set(p, "train.loss", "squared-error");
        set(p, "train.activation", "tanh");
    });
    let x = ndarray::Array2::from_shape_fn((1200, 3), |(i, j)| ((i * (j + 2)) as f64 * 0.37).sin());
    let y = x.outer_iter().map(|x| x[0] * x[1] - x[2]).collect::<ndarray::Array1<f64>>();
    rows::write(&place.path("x.npy"), &x).unwrap();
    rows::write(&place.path("y.npy"), &y).unwrap();
    place.stages(&STAGES);
    let manifest = json(place.artifact("train/manifest.json"));
    assert_eq!(manifest["facts"]["train_accuracy"], Value::Null);
    let network = &manifest["facts"]["network"];
    assert_eq!(network["image"], serde_json::json!([3, 1, 1]));
    assert_eq!([&network["layers"][0]["linear"], &network["layers"][1]["linear"]], [32, 1]);
    // The variance of y is about 0.7: a network that learned is far below half of it.
    assert!(manifest["facts"]["train_loss"].as_f64().unwrap() < 0.1, "{}", manifest["facts"]);
}

/// Samples that are all the same: V is 0, every K is the first prefix measured, and no theory can be compared.
#[test]
fn a_loss_that_never_changes_goes_through() {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy}"));
        set(p, "fetch-data.normalisation", yaml("{scale: 1, mean: 0, std: 1}"));
        set(p, "train.loss", "squared-error");
        let grids = "[{name: random, basis: random, points: 5, extent: 1.0, prefix_sizes: [10]}]";
        set(p, "montecarlo.grids", yaml(grids));
    });
    rows::write(&place.path("x.npy"), &ndarray::Array2::from_elem((600, 3), 0.5)).unwrap();
    rows::write(&place.path("y.npy"), &ndarray::Array1::from_elem(600, 0.25)).unwrap();
    place.stages(&STAGES);
    let json = |file: &str| json(place.artifact(file));
    let theory = json("bound/theory.json");
    for setting in theory["settings"].as_array().unwrap() {
        assert_eq!(setting["variance"], 0.0, "{setting}");
        assert!(setting["theories"].as_array().unwrap().is_empty(), "{setting}");
    }
    let summary = json("report/summary.json");
    let own = &summary["settings"][0];
    assert!(own["variance"] == 0.0 && own["exponent"].is_null(), "{summary}");
    for row in summary["sufficient"].as_array().unwrap() {
        let first = if row["method"] == "eigenvalue" { 100 } else { 1 };
        assert_eq!((&row["status"], &row["k"]), (&"reached".into(), &first.into()), "{row}");
    }
    let html = std::fs::read_to_string(place.artifact("report/index.html")).unwrap();
    let figures = html.split("<figcaption>").skip(1).map(|f| f.split("</figcaption>").next().unwrap());
    let unknown = figures.filter(|f| f.contains("NaN") || f.contains("inf ")).collect::<Vec<_>>();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// In f32 on real data, eigenvalues within 1e-4 of those in f64.
#[test]
fn eigenvalues_in_single_precision_are_those_in_double() {
    let place = Place::small(|p| {
        set(p, "eigen.precision", "f32");
        // An eigenvalue is off by about the square of its residual, so this stops well below 1e-4.
        set(p, "eigen.residual_tolerance", 1e-4);
    });
    place.stages(&STAGES[..3]);
    let read = |place: &Place, file: &str| {
        npy::read::<f64, ndarray::IxDyn>(&place.artifact(&format!("eigen/{file}"))).unwrap()
    };
    for file in ["eigenvalues.npy", "prefix_eigenvalues.npy"] {
        let (single, double) = (read(&place, file), read(&FINISHED, file));
        assert_eq!(single.shape(), double.shape());
        for (a, b) in single.iter().zip(&double) {
            assert!((a - b).abs() <= 1e-4 * b.abs(), "{file}: {a} in f32, {b} in f64");
        }
        assert!(single != double, "{file}: the precision acts");
    }
}

/// spectra #144, KrylovKit.jl #38 and #125: H is a matrix of the inputs times I₁₀, so that every eigenvalue is there ten
/// times; of three samples most are 0.
#[test]
fn every_copy_of_a_repeated_eigenvalue_is_found() {
    let solve = |n: Option<usize>, which: &str| {
        let place = Place::new(|p| {
            set(p, "train", yaml("{hidden: [], loss: squared-error, epochs: 3}"));
            set(p, "eigen", yaml("{dim: 10, random_dim: 0, prefix_count: 0}"));
            set(p, "eigen.which", which);
            set(p, "montecarlo.settings", yaml("[{name: top, basis: hessian, dim: 10, sigma: 1}]"));
            set(p, "montecarlo.grids", yaml("[]"));
            if let Some(n) = n {
                set(p, "fetch-data.n_samples", n);
            }
        });
        place.stages(&["fetch-data", "train", "eigen"]);
        npy::read::<f64, ndarray::Ix1>(&place.path("artifacts/digits/eigen/eigenvalues.npy")).unwrap()
    };
    let top = solve(None, "largest-algebraic");
    assert!(top.iter().all(|v| (v - 11.408).abs() <= 1e-3), "{top}");
    let least = solve(Some(3), "smallest-algebraic");
    assert!(least.iter().all(|v| v.abs() <= 1e-5), "{least}");
}

/// The same on 60 samples of one's own, by both solvers: p = 15, and each eigenvalue is there three times (KrylovKit.jl #38).
/// There cannot be 20 orthonormal directions (TensorNetwork #771, hessian-eigenthings #18): 15 are written, and it is said.
#[test]
fn both_solvers_find_the_copies_of_a_small_network_and_random_directions_fit_into_it() {
    let place = Place::new(|p| {
        let files = "{dataset: files, files: {train_x: x.npy, train_y: y.npy}, n_test: 0, normalisation: {scale: 1, mean: 0, std: 1}}";
        set(p, "fetch-data", yaml(files));
        set(p, "train", yaml("{hidden: [], loss: squared-error, epochs: 3}"));
        let eigen = "{dim: 4, which: largest-magnitude, precision: f64, residual_tolerance: 1.0e-8, random_dim: 20, prefix_count: 0}";
        set(p, "eigen", yaml(eigen));
        set(p, "montecarlo.settings", yaml("[{name: top, basis: hessian, dim: 4, sigma: 1}]"));
        set(p, "montecarlo.grids", yaml("[]"));
    });
    let x = ndarray::Array2::from_shape_fn((60, 4), |(i, j)| {
        ((i * 7 + j * 13 + 1) as f64 * 0.7).sin() + j as f64
    });
    rows::write(&place.path("x.npy"), &x).unwrap();
    rows::write(&place.path("y.npy"), &ndarray::Array1::from_shape_fn(60, |i| [0_u8, 1, 2][i % 3])).unwrap();
    place.stages(&["fetch-data", "train"]);
    let solve = |solver: &str| {
        place.edit(|p| set(p, "eigen.solver", solver));
        let said = "eigen.random_dim: 20 directions, but the network has 15 parameters: 15 are written";
        place.stage("eigen").ended(0, &[said]);
        npy::read::<f64, Ix1>(&place.artifact("eigen/eigenvalues.npy")).unwrap()
    };
    let (lanczos, power) = (solve("lanczos"), solve("power"));
    let scale = power[0];
    assert!(
        power[3] < 0.9 * scale && power.iter().take(3).all(|v| (v - scale).abs() <= 1e-7 * scale),
        "{power}"
    );
    assert!((&lanczos - &power).iter().all(|e| e.abs() <= 1e-7 * scale), "{lanczos} {power}");

    let random = npy::read::<f64, Ix2>(&place.artifact("eigen/basis_random.npy")).unwrap();
    let error = random.dot(&random.t()) - ndarray::Array2::<f64>::eye(15);
    assert!(error.iter().all(|e| e.abs() <= 1e-13), "{error}");
}
