//! Losses that another program computed: the same numbers as our own, in flat memory, and clear errors.

use ndarray::{Array1, Array2, Array3, Ix1, Ix2, s};
use pipeline_tests::{Place, STAGES, json, ran, set, small, yaml};
use serde_json::Value;
use store::{npy, npz, rows};

/// A softmax regression of its own on digits, whose losses are simple enough to be computed again here.
fn native() -> Place {
    let place = Place::small(|p| {
        set(p, "train.hidden", yaml("[]"));
        set(p, "train.precision", "f64");
        set(p, "montecarlo.precision", "f64");
        set(p, "montecarlo.settings", yaml("[{name: own, basis: hessian, dim: 3, sigma: 0.5}]"));
        set(p, "eigen.prefix_count", 0);
    });
    place.stages(&STAGES);
    place
}

/// An experiment that begins with losses, in a file of its own.
fn with_settings(place: &Place, settings: &str) -> String {
    let root = pipeline_tests::root().join("pipeline.yaml");
    let text = format!(
        "defaults_from: {}\nexperiments:\n  mine:\n    montecarlo: {{settings: {settings}}}\n",
        root.display()
    );
    std::fs::write(place.path("given.yaml"), text).unwrap();
    "given.yaml".to_owned()
}

/// ℓ_i at each draw, (T, N), with what the theories need, of the artifacts of `native`.
fn losses(place: &Place) -> Array2<f64> {
    let read = |file: &str| npy::read_any(&place.artifact(file)).unwrap().to_f64();
    let matrix = |file: &str| read(file).into_dimensionality::<Ix2>().unwrap();
    let (x, w) = (matrix("fetch-data/train_images.npy") / 16.0, read("train/w_star.npy"));
    let w = w.into_dimensionality::<Ix1>().unwrap();
    let y = read("fetch-data/train_labels.npy").into_dimensionality::<Ix1>().unwrap();
    let (basis, theta) = (matrix("eigen/basis.npy"), matrix("montecarlo/own/theta.npy"));
    let mut losses = Array2::zeros((theta.nrows(), x.nrows()));
    for (theta, mut row) in theta.outer_iter().zip(losses.outer_iter_mut()) {
        let w = &w + &theta.dot(&basis);
        let weights = w.slice(s![..640]).to_owned().into_shape_with_order((10, 64)).unwrap();
        let f = x.dot(&weights.t()) + w.slice(s![640..]);
        for ((f, y), loss) in f.outer_iter().zip(&y).zip(row.iter_mut()) {
            let top = f.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let own = f[*y as usize];
            *loss = f.iter().map(|v| (v - top).exp()).sum::<f64>().ln() + top - own;
        }
    }
    losses
}

/// A block of docs/bring-your-own.md that begins with this line.
fn printed(first: &str) -> String {
    let page = std::fs::read_to_string(pipeline_tests::root().join("docs/bring-your-own.md")).unwrap();
    let begin = page.find(&format!("{first}\n")).expect("the page has the block");
    page[begin..].split("```").next().unwrap().to_owned()
}

#[test]
fn the_page_on_any_model_works_as_it_is_printed() {
    let Some(python) = pipeline_tests::python() else { return };
    let place = Place::new(|_| ());
    std::fs::write(place.path("losses.py"), printed("# losses.py")).unwrap();
    let run = std::process::Command::new(python).arg("losses.py").current_dir(place.path("")).output();
    ran(run).ended(0, &[]);
    std::fs::write(place.path("my.yaml"), printed("# my.yaml")).unwrap();
    place.make_with("my.yaml", &["bumps"]).ended(0, &["bumps: Samples that are enough: "]);
    // V by its definition: the mean over the draws of the variance over the samples.
    let losses =
        npy::read_any(&place.path("losses.npy")).unwrap().to_f64().into_dimensionality::<Ix2>().unwrap();
    let v = losses.outer_iter().map(|row| row.var(1.0)).sum::<f64>() / losses.nrows() as f64;
    let summary = json(place.path("artifacts/bumps/report/summary.json"));
    assert!((summary["settings"][0]["variance"].as_f64().unwrap() / v - 1.0).abs() <= 1e-12, "{summary}");
}

fn copy(place: &Place, from: &str, to: &str) {
    std::fs::copy(place.artifact(from), place.path(to)).unwrap();
}

#[test]
fn given_losses_give_what_our_own_do() {
    let place = native();
    let losses = losses(&place);
    rows::write(&place.path("losses.npy"), &losses).unwrap();
    rows::write(&place.path("losses-f32.npy"), &losses.mapv(<f32 as landscape::Real>::narrow)).unwrap();
    npz::write(&place.path("all.npz"), &[("at_draws".to_owned(), losses.clone().into_dyn())]).unwrap();
    for (from, to) in
        [("sample_loss", "values"), ("sample_slope", "slopes"), ("sample_curvature", "curvatures")]
    {
        copy(&place, &format!("eigen/{from}.npy"), &format!("{to}.npy"));
    }
    copy(&place, "montecarlo/own/theta.npy", "theta.npy");
    npz::write(&place.path("h.npz"), &[("mu".to_owned(), ndarray::array![3.5, 2.0, -0.25].into_dyn())])
        .unwrap();
    let file = with_settings(
        &place,
        "[{name: own, losses: losses.npy, dim: 3, sigma: 0.5, theta: theta.npy, values: values.npy, slopes: slopes.npy, curvatures: curvatures.npy, eigenvalues: 'h.npz[mu]'},
          {name: packed, losses: 'all.npz[at_draws]', dim: 3, sigma: 0.5}, {name: single, losses: losses-f32.npy, dim: 3, sigma: 0.5}]",
    );
    place.make_with(&file, &["mine"]).ended(0, &[]);
    let array = |file: &str| npy::read_any(&place.path(file)).unwrap().to_f64();
    for name in ["delta", "loss_variance", "mean_loss", "deviation", "sample_loss", "standard_error"] {
        let (own, given) = (
            array(&format!("artifacts/digits/montecarlo/own/{name}.npy")),
            array(&format!("artifacts/mine/montecarlo/own/{name}.npy")),
        );
        // The losses were computed again, in another order of sums; D_k² takes differences of means of them.
        let scale = own.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        assert!(own.iter().zip(&given).all(|(a, b)| (a - b).abs() <= 1e-11 * scale), "{name}");
        assert_eq!(given, array(&format!("artifacts/mine/montecarlo/packed/{name}.npy")), "{name}");
    }
    let k = |file: &str, setting: &str, method: &str| {
        let document = json(place.path(file));
        let rows = document["rows"].as_array().unwrap().clone();
        let rows = rows.iter().filter(|r| r["setting"] == setting && r["method"] == method);
        rows.map(|r| [r["k"].clone(), r["low"].clone(), r["high"].clone()]).collect::<Vec<_>>()
    };
    for method in ["order-average", "monte-carlo", "second-order", "quadratic-average"] {
        let own = k("artifacts/digits/bound/sufficient.json", "own", method);
        assert!(!own.is_empty());
        assert_eq!(own, k("artifacts/mine/bound/sufficient.json", "own", method), "{method}");
    }
    // What has nothing to do says so and writes nothing.
    let said = place.make_with(&file, &["mine/train", "mine/eigen"]).said;
    assert!(said.contains("train: mine: nothing to do: its losses are given"), "{said}");
    assert!(!place.path("artifacts/mine/train").exists());
    let again = place.make_with(&file, &["mine"]).said;
    assert!(
        again.contains("Samples that are enough") && !again.contains("montecarlo: mine: 3 settings"),
        "{again}"
    );
    let status = place.make_with(&file, &["status"]).said;
    assert_eq!(status.matches("fresh").count(), 3, "{status}");
    let html = std::fs::read_to_string(place.path("artifacts/mine/report/index.html")).unwrap();
    assert!(
        html.contains(
            "own: losses.npy; eigenvalues of the Hessian in its directions: 3.5, 2, −0.25 loss per"
        ) && html.contains("<li>single: losses-f32.npy</li>")
            && html.contains("another program"),
        "the page says what was given"
    );
    let summary = json(place.path("artifacts/mine/report/summary.json"));
    assert_eq!((&summary["network"], &summary["train_loss"]), (&Value::Null, &Value::Null));
    assert_eq!(summary["eigenvalues"], serde_json::json!([3.5, 2.0, -0.25]));
}

#[test]
fn what_is_wrong_with_given_losses_is_named() {
    let place = Place::new(small);
    let write = |name: &str, array: &Array2<f64>| rows::write(&place.path(name), array).unwrap();
    let good = Array2::from_shape_fn((6, 50), |(t, i)| ((t + 3 * i) as f64).sin().abs());
    write("good.npy", &good);
    let mut bad = good.clone();
    bad[[2, 17]] = f64::NAN;
    write("nan.npy", &bad);
    bad[[2, 17]] = f64::NEG_INFINITY;
    write("inf.npy", &bad);
    write("large.npy", &(&good * 1e150));
    write("one.npy", &good.slice(s![..1, ..]).to_owned());
    write("short.npy", &good.slice(s![.., ..40]).to_owned());
    rows::write(&place.path("flat.npy"), &Array1::<f64>::zeros(50)).unwrap();
    rows::write(&place.path("whole.npy"), &Array2::<i64>::zeros((6, 50))).unwrap();
    write("theta.npy", &Array2::zeros((5, 2)));
    rows::write(&place.path("v.npy"), &Array1::<f64>::zeros(50)).unwrap();
    write("s.npy", &Array2::zeros((50, 2)));
    let mut skewed = Array3::<f64>::zeros((50, 2, 2));
    skewed[[7, 0, 1]] = 1.0;
    rows::write(&place.path("h.npy"), &skewed).unwrap();
    let said = |settings: &str| {
        let file = with_settings(&place, settings);
        let mut command = std::process::Command::new(pipeline_tests::binary("montecarlo"));
        command.arg("--pipeline").arg(place.path(&file)).args(["--experiment", "mine"]);
        let ran = ran(command.arg("--artifacts").arg(place.path("artifacts")).output());
        assert_ne!(ran.code, 0, "{}", ran.said);
        assert!(!place.path("artifacts/mine/montecarlo").exists());
        ran.said
    };
    let of = |file: &str| format!("[{{name: a, losses: {file}, dim: 2, sigma: 1.0}}]");
    let with = |keys: &str| format!("[{{name: a, losses: good.npy, dim: 2, sigma: 1.0, {keys}}}]");
    for (settings, part) in [
        (of("nan.npy"), "nan.npy: row 2, column 17 is NaN"),
        (of("inf.npy"), "inf.npy: row 2, column 17 is -inf"),
        (of("large.npy"), "a: losses or powers of their variance are not finite at sigma 1"),
        (of("large.npy"), "hint: divide the losses by their largest"),
        (of("one.npy"), "one.npy: shape [1, 50]: 1 draws"),
        (of("flat.npy"), "flat.npy: shape [50]; (T, N) is needed"),
        (of("whole.npy"), "whole.npy: <i8; f32 or f64 is needed"),
        (of("none.npy"), "none.npy"),
        (
            "[{name: a, losses: good.npy, dim: 2, sigma: 1.0}, {name: b, losses: short.npy, dim: 2, sigma: 1.0}]"
                .to_owned(),
            "short.npy: 40 samples, but",
        ),
        (
            "[{name: a, losses: good.npy, dim: 2, sigma: 1.0}, {name: b, basis: hessian, dim: 2, sigma: 1.0}]"
                .to_owned(),
            "settings[1]: has no `losses`",
        ),
        (
            "[{name: a, dim: 2, sigma: 1.0}]".to_owned(),
            "settings[0]: `basis` (hessian, random or filter) is needed",
        ),
        (with("basis: hessian"), "settings[0]: `losses` come with the directions"),
        (with("theta: theta.npy"), "good.npy: 6 draws, but theta of \"a\" has 5"),
        (with("eigenvalues: v.npy"), "v.npy: shape [50]; [2] is needed"),
        (with("values: v.npy"), "`values`, `slopes` and `curvatures` go together"),
        (with("values: v.npy, slopes: s.npy, curvatures: h.npy"), "h.npy: row 7 is not symmetric"),
        (with("values: v.npy, slopes: v.npy, curvatures: h.npy"), "v.npy: shape [50]; [50, 2] is needed"),
    ] {
        let said = said(&settings);
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

/// Draws of 0.1 beside `sigma: 1`: K of a theory was 30 times what it should be, without a word.
#[test]
fn draws_that_are_not_as_wide_as_sigma_are_a_warning() {
    let place = Place::new(small);
    let theta = Array2::from_shape_fn((200, 2), |(t, j)| if (t + j) % 2 == 0 { 0.1 } else { -0.1 });
    rows::write(&place.path("theta.npy"), &theta).unwrap();
    let losses = Array2::from_shape_fn((200, 50), |(t, i)| ((t + 3 * i) as f64).sin().abs());
    rows::write(&place.path("losses.npy"), &losses).unwrap();
    for (sigma, is_told) in [(1.0, true), (0.1, false)] {
        let settings = format!("[{{name: a, losses: losses.npy, theta: theta.npy, dim: 2, sigma: {sigma}}}]");
        let file = with_settings(&place, &settings);
        let mut command = std::process::Command::new(pipeline_tests::binary("montecarlo"));
        command.arg("--pipeline").arg(place.path(&file)).args(["--experiment", "mine"]);
        let ran = ran(command.arg("--artifacts").arg(place.path("artifacts")).output());
        ran.ended(0, &[]);
        let told = "the draws have a standard deviation of 1.000e-1, but sigma is 1: ";
        assert_eq!(ran.said.contains(told), is_told, "{}", ran.said);
    }
}
