//! How sure V and K are: pilots, draws until V is known, and the control variate, through the real binaries.

use ndarray::{Array1, Array2, Ix1, Ix2, s};
use pipeline_tests::{FINISHED, Place, json, set, yaml};
use serde_json::Value;
use serde_yaml::Value as Yaml;
use store::npy;

fn vector(place: &Place, file: &str) -> Array1<f64> {
    npy::read::<f64, Ix1>(&place.path("artifacts").join(file)).unwrap()
}

fn matrix(place: &Place, file: &str) -> Array2<f64> {
    npy::read::<f64, Ix2>(&place.path("artifacts").join(file)).unwrap()
}

/// What `bound/theory.json` of the digits says of a setting.
fn theory(place: &Place, setting: &str) -> Value {
    let document = json(place.path("artifacts").join("digits/bound/theory.json"));
    document["settings"].as_array().unwrap().iter().find(|s| s["name"] == setting).unwrap().clone()
}

/// Standard error of the mean of independent values.
fn standard_error(values: &Array1<f64>) -> f64 {
    values.std(1.0) / (values.len() as f64).sqrt()
}

/// The digits and a pilot of them on the first 400 samples, with the same settings.
fn with_pilot() -> Place {
    Place::small(|p| {
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "montecarlo.sweep", Yaml::Null);
        set(p, "montecarlo.pilot_sizes", yaml("[400, 700]"));
        let mut pilot = p["experiments"]["digits"].clone();
        pilot["fetch-data"]["n_samples"] = 400.into();
        let experiments = p["experiments"].as_mapping_mut().unwrap();
        experiments.retain(|name, _| name == "digits");
        experiments.insert("digits-pilot-400".into(), pilot);
        set(p, "bound.pilots", yaml("[digits-pilot-400]"));
    })
}

#[test]
fn a_pilot_is_run_first_and_joined() {
    let place = with_pilot();
    place.make(&["digits/bound"]).ended(0, &[]);
    let document = json(place.path("artifacts").join("digits/bound/pilot.json"));
    let rows = document["pilots"].as_array().unwrap();
    let of = |setting: &str, minimiser: &str, n: u64| {
        let found =
            |r: &&Value| r["setting"] == setting && r["minimiser"] == minimiser && r["n_samples"] == n;
        rows.iter().find(found).unwrap_or_else(|| panic!("{setting} {minimiser} {n}: {document}"))
    };
    for setting in ["hessian-d10-s1", "random-b"] {
        let folder = format!("montecarlo/{setting}/loss_variance.npy");
        let v = vector(&place, &format!("digits-pilot-400/{folder}")).mean().unwrap();
        let full = vector(&place, &format!("digits/{folder}")).mean().unwrap();
        let row = of(setting, "digits-pilot-400", 400);
        let number = |key: &str| row[key].as_f64().unwrap();
        // Means of the same numbers, in groups of one.
        assert!((number("variance") / v - 1.0).abs() <= 1e-12, "{row}");
        assert!((number("full_variance") / full - 1.0).abs() <= 1e-12, "{row}");
        assert!(number("low") < v && v < number("high"));
        assert_eq!(row["holds"].as_bool().unwrap(), number("low") <= full && full <= number("high"));
        for size in row["sizes"].as_array().unwrap() {
            let (k, tolerance) = (size["k"].as_f64().unwrap(), size["tolerance"].as_f64().unwrap());
            // The first k with V / (k (k + 1)) below the tolerance.
            assert!(v / (k * (k + 1.0)) < tolerance && v / ((k - 1.0) * k) >= tolerance, "{size}");
        }
    }

    // The first 400 samples alone, with w*, basis and draws of all brought as files, are the pilot `all-samples`.
    let alone = Place::small(|p| {
        set(p, "fetch-data.n_samples", 400);
        set(p, "train.weights", "w.npy");
        set(p, "eigen.basis", "basis.npy");
        let setting = "{name: hessian-d10-s1, basis: hessian, dim: 3, sigma: 1.0, theta: theta.npy}";
        set(p, "montecarlo.settings", yaml(&format!("[{setting}]")));
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "montecarlo.sweep", Yaml::Null);
    });
    for (from, to) in [
        ("train/w_star.npy", "w.npy"),
        ("eigen/basis.npy", "basis.npy"),
        ("montecarlo/hessian-d10-s1/theta.npy", "theta.npy"),
    ] {
        std::fs::copy(place.artifact(from), alone.path(to)).unwrap();
    }
    alone.stages(&["fetch-data", "train", "eigen", "montecarlo"]);
    let expected = vector(&alone, "digits/montecarlo/hessian-d10-s1/loss_variance.npy");
    let found = matrix(&place, "digits/montecarlo/hessian-d10-s1/pilot_variance.npy");
    // The same losses in blocks of other lengths, in f64.
    for (found, expected) in found.row(0).iter().zip(&expected) {
        assert!((found / expected - 1.0).abs() <= 1e-10, "{found} {expected}");
    }
    let row = of("hessian-d10-s1", "all-samples", 400);
    assert!((row["variance"].as_f64().unwrap() / expected.mean().unwrap() - 1.0).abs() <= 1e-10, "{row}");
}

#[test]
fn a_pilot_that_does_not_fit_is_refused() {
    let pilot = ["fetch-data", "train", "eigen", "montecarlo"];
    let refused = |edit: &dyn Fn(&mut Yaml), part: &str| {
        let place = with_pilot();
        place.edit(edit);
        // Before any work: the first stage says it already.
        place.stage("fetch-data").ended(2, &[part]);
    };
    let pilot_settings = |text: &'static str| {
        move |p: &mut Yaml| p["experiments"]["digits-pilot-400"]["montecarlo"]["settings"] = yaml(text)
    };
    refused(
        &pilot_settings("[{name: other, basis: hessian, dim: 3, sigma: 1.0}]"),
        "digits-pilot-400 has no setting \"hessian-d10-s1\"",
    );
    refused(
        &pilot_settings("[{name: hessian-d10-s1, basis: hessian, dim: 3, sigma: 0.9}]"),
        "digits-pilot-400 has other directions or another sigma in its setting",
    );
    let place = with_pilot();
    place.stages(&pilot);
    let ran = place.stage("bound");
    let part = "digits-pilot-400/montecarlo/manifest.json: missing";
    ran.ended(3, &[part]);
}

/// One setting of the digits in the directions of FINISHED, with other draws.
fn drawn(setting: &str, keys: &[(&str, Yaml)]) -> Place {
    let place = Place::small(|p| {
        set(p, "montecarlo.settings", yaml(&format!("[{setting}]")));
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "montecarlo.sweep", Yaml::Null);
        for (key, value) in keys {
            set(p, &format!("montecarlo.{key}"), value.clone());
        }
    });
    place.stages(&["fetch-data", "train", "eigen"]);
    place
}

const WIDE: &str = "{name: wide, basis: hessian, dim: 3, sigma: 1.0}";

#[test]
fn draws_end_when_v_is_known_or_at_the_cap() {
    let files = ["theta", "loss_variance", "delta", "standard_error", "deviation"];
    let read = |place: &Place, file: &str| {
        std::fs::read(place.artifact(&format!("montecarlo/wide/{file}.npy"))).unwrap()
    };
    let wanted = 0.05;
    let until = drawn(WIDE, &[("draws", 8192.into()), ("relative_error", wanted.into())]);
    let said = until.stage("montecarlo").said;
    let variance = vector(&until, "digits/montecarlo/wide/loss_variance.npy");
    let error = |values: &Array1<f64>| standard_error(values) / values.mean().unwrap();
    let t = variance.len();
    assert!(t < 8192 && !said.contains("was asked for"), "{t} draws: {said}");
    assert!(error(&variance) <= wanted, "{}", error(&variance));
    // Rounds double the draws, so half of them were one look earlier, and not enough.
    assert!(t > 128, "{t} draws: the first look was enough");
    assert!(error(&variance.slice(s![..t / 2]).to_owned()) > wanted);
    let fact =
        json(until.path("artifacts").join("digits/montecarlo/manifest.json"))["facts"]["settings"][0].clone();
    assert_eq!(fact["draws"], t);
    assert!((fact["relative_error"].as_f64().unwrap() / error(&variance) - 1.0).abs() <= 1e-9, "{fact}");
    // Looking on changes nothing: as many draws asked for at once give the same bytes.
    let at_once = drawn(WIDE, &[("draws", t.into())]);
    assert_eq!(at_once.stage("montecarlo").code, 0);
    for file in files {
        assert!(read(&until, file) == read(&at_once, file), "{file}");
    }

    let capped = drawn(WIDE, &[("draws", 200.into()), ("relative_error", 1e-6.into())]);
    let ran = capped.stage("montecarlo");
    ran.ended(0, &["wide: V has a standard error of", "after 200 draws", "raise montecarlo.draws"]);
    let variance = vector(&capped, "digits/montecarlo/wide/loss_variance.npy");
    assert!(variance.len() == 200 && error(&variance) > 1e-6);
}

/// S² of the second-order model at each draw, from the per-sample projections.
fn second_order(place: &Place, theta: &Array2<f64>) -> Array1<f64> {
    let d = theta.ncols();
    let c = vector(place, "digits/eigen/sample_loss.npy");
    let g = matrix(place, "digits/eigen/sample_slope.npy");
    let h = npy::read::<f64, ndarray::Ix3>(&place.artifact("eigen/sample_curvature.npy")).unwrap();
    let of_draw = |theta: ndarray::ArrayView1<f64>| {
        let squares = Array2::from_shape_fn((d, d), |(a, b)| theta[a] * theta[b]);
        let loss = |i: usize| {
            let (slope, curvature) = (&g.slice(s![i, ..d]) * &theta, &h.slice(s![i, ..d, ..d]) * &squares);
            c[i] + slope.sum() + 0.5 * curvature.sum()
        };
        (0..c.len()).map(loss).collect::<Array1<f64>>().var(1.0)
    };
    theta.outer_iter().map(of_draw).collect()
}

#[test]
fn a_control_variate_leaves_v_and_takes_its_error() {
    // At σ = 1 the model may say nothing: then the coefficient that is fitted costs √((T − 1)/(T − 2)), 0.4 %.
    for (sigma, at_least) in [(1e-2, 10.0), (1.0, 0.99)] {
        let setting = format!("{{name: s, basis: hessian, dim: 3, sigma: {sigma:e}}}");
        let place = drawn(&setting, &[("draws", 128.into()), ("control_variate", true.into())]);
        place.stages(&["montecarlo", "bound"]);
        let found = theory(&place, "s");
        let plain = vector(&place, "digits/montecarlo/s/loss_variance.npy");
        let theta = matrix(&place, "digits/montecarlo/s/theta.npy");

        // The regression anew, with the mean of the control from `bound`, which finds it another way.
        let control = second_order(&place, &theta);
        let second = found["theories"].as_array().unwrap().iter().find(|t| t["name"] == "second-order");
        let mean = second.unwrap()["order_average_variance"].as_f64().unwrap();
        let products =
            |x: &Array1<f64>, y: &Array1<f64>| ((x - x.mean().unwrap()) * (y - y.mean().unwrap())).sum();
        let beta = products(&plain, &control) / products(&control, &control);
        let adjusted = &plain - &((&control - mean) * beta);
        let (v, t) = (adjusted.mean().unwrap(), adjusted.len() as f64);
        // One coefficient was fitted: T − 2 degrees of freedom.
        let error = (products(&adjusted, &adjusted) / (t - 2.0) / t).sqrt();
        let number = |key: &str| found[key].as_f64().unwrap();
        assert_eq!(found["control_variate"], true);
        assert!((number("variance") / v - 1.0).abs() <= 1e-10, "{found} {v}");
        // A difference of nearly equal numbers at small σ: a few digits less.
        assert!((number("draws_standard_error") / error - 1.0).abs() <= 1e-6, "{found} {error}");

        // The same V as without within the larger error, and a smaller error.
        let without = standard_error(&plain);
        assert!((v - plain.mean().unwrap()).abs() <= 4.0 * without, "{v} {plain}");
        assert!(error * at_least < without, "σ = {sigma}: {error} against {without}");

        // And the same as from 32 times as many draws of another seed.
        let many = drawn(&setting, &[("draws", 4096.into()), ("seed", 99.into())]);
        many.stages(&["montecarlo"]);
        let many = vector(&many, "digits/montecarlo/s/loss_variance.npy");
        let both = error.hypot(standard_error(&many));
        assert!((v - many.mean().unwrap()).abs() <= 4.0 * both, "σ = {sigma}: {v} ± {error}, {both}");
    }
    // Without the key there is no control and none of its files.
    assert_eq!(theory(&FINISHED, "hessian-d10-s1")["control_variate"], false);
    assert!(!FINISHED.artifact("montecarlo/hessian-d10-s1/control.npy").exists());
}
