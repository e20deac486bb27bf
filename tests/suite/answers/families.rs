//! Families through make: members that are experiments of their own, one join, and what runs again.

use pipeline_tests::{Place, json, yaml};
use serde_yaml::Value as Yaml;

/// A place with the family `fam`: three sizes, two seeds.
fn place() -> Place {
    Place::small(|p| {
        let mut sections = p["experiments"]["digits"].clone();
        sections["montecarlo"]["grids"] = Yaml::Sequence(vec![]);
        sections["family"] = yaml("{ladder: [150, 300, 600], replicas: 2, draws: 8}");
        let map = p["experiments"].as_mapping_mut().unwrap();
        map.clear();
        map.insert("fam".into(), sections);
    })
}

/// Members that a run of make reports a stage to have run for.
fn trained(said: &str) -> Vec<&str> {
    let lines = said.lines().filter_map(|l| l.strip_prefix("train: fam/"));
    lines.filter(|l| !l.contains("up to date")).filter_map(|l| l.split(':').next()).collect()
}

#[test]
fn members_are_run_joined_and_kept() {
    let place = place();
    let first = place.make(&["-j2", "fam"]);
    assert_eq!(first.code, 0, "{}", first.said);
    assert_eq!(trained(&first.said).len(), 6, "{}", first.said);
    assert!(place.path("artifacts/fam/report/index.html").exists());

    // The join against the members' own manifests.
    let curves = json(place.path("artifacts/fam/family/curves.json"));
    let rungs = curves["curves"][0]["rungs"].as_array().unwrap();
    assert_eq!(rungs.len(), 3);
    for (rung, k) in rungs.iter().zip([150, 300, 600]) {
        let loss = |r: usize| {
            let manifest = json(place.path(&format!("artifacts/fam/k{k}-r{r}/train/manifest.json")));
            assert_eq!(manifest["facts"]["network"]["layers"][0]["linear"], 32);
            manifest["facts"]["test_loss"].as_f64().unwrap()
        };
        let (a, b) = (loss(1), loss(2));
        let deviation = (a - b).abs() / 2.0_f64.sqrt();
        // Three additions.
        assert!((rung["test_loss"]["mean"].as_f64().unwrap() - f64::midpoint(a, b)).abs() <= 1e-15);
        assert!((rung["test_loss"]["deviation"].as_f64().unwrap() - deviation).abs() <= 1e-14);
        assert_eq!(rung["k"], k);
        // The seeds moved: the replicas are different networks on different samples.
        assert!(deviation > 0.0);
    }

    pipeline_tests::check_with_numpy(
        &place.path("artifacts/fam"),
        &["k300-r2: change by fresh samples recomputed"],
    );

    let second = place.make(&["fam"]);
    assert!(second.code == 0 && trained(&second.said).is_empty(), "{}", second.said);
    assert!(!second.said.contains("family: fam"), "{}", second.said);

    // One member lost: that one alone runs again, and the join finds what it knew.
    std::fs::remove_dir_all(place.path("artifacts/fam/k300-r2")).unwrap();
    let third = place.make(&["fam"]);
    assert_eq!((third.code, trained(&third.said)), (0, vec!["k300-r2"]), "{}", third.said);

    // A member is an experiment: its own page can be asked for.
    place.make(&["fam/k150-r1"]).ended(0, &[]);
    assert!(place.path("artifacts/fam/k150-r1/report/index.html").exists());
    let index = std::fs::read_to_string(place.path("artifacts/index.html")).unwrap();
    assert!(index.contains("fam/report") && !index.contains("k150"), "the index lists the family alone");
}

/// More data: a forecast on the page, in the documents and in the last line, and a target that is out of reach.
#[test]
fn more_data_are_forecast_and_a_target_may_be_out_of_reach() {
    let place = Place::small(|p| {
        let mut sections = p["experiments"]["digits"].clone();
        sections["montecarlo"]["grids"] = Yaml::Sequence(vec![]);
        let family = "{ladder: [150, 300, 600], replicas: 2, draws: 8, target: {accuracy: 0.999999}}";
        // Which no member reaches.
        sections["train"]["stop"] = yaml("{gradient_norm: 1.0e-9}");
        sections["family"] = serde_yaml::from_str(family).unwrap();
        let map = p["experiments"].as_mapping_mut().unwrap();
        map.clear();
        map.insert("fam".into(), sections);
    });
    let ran = place.make(&["-j2", "fam"]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    let document = json(place.path("artifacts/fam/family/forecast.json"));
    let forecast = &document["forecasts"][0];
    let sizes = |key: &str| {
        forecast[key]["rows"].as_array().unwrap().iter().map(|r| r["n"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (sizes("loss"), sizes("error")),
        (vec![600.into(), 1200.into(), 2400.into(), 6000.into()], sizes("loss"))
    );
    let targets = forecast["error"]["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 3);
    for target in targets {
        assert!(
            target["status"].as_str().unwrap().starts_with("unreachable") && target["n"].is_null(),
            "{target}"
        );
    }
    let read = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
    let answer = read("artifacts/fam/report/answer.txt");
    let faulty = ["loss", "error"].iter().any(|key| !forecast[key]["faults"].as_array().unwrap().is_empty());
    assert_eq!(answer.starts_with("A family of 6 networks. Do not trust the forecast"), faulty, "{answer}");
    assert!(answer.contains("Twice the 600 samples would bring the test loss from"), "{answer}");
    assert!(answer.contains("is out of reach") || answer.contains("is not reached on average"), "{answer}");
    let page = read("artifacts/fam/report/index.html");
    assert!(page.contains("<h2>More data</h2>") && page.contains("figures/more-data.svg"));
    let summary = json(place.path("artifacts/fam/report/summary.json"));
    assert!(!summary["facts"]["more-data"].as_array().unwrap().is_empty());
    pipeline_tests::check_with_numpy(
        &place.path("artifacts/fam"),
        &[
            "forecast of the test loss: forms",
            "forecast of the test error: forms",
            "K beside the learning curve recomputed",
        ],
    );
    let unstopped =
        "6 of 6 members were not trained to the stop, since all epochs passed before it: k150-r1, k150-r2";
    assert!(ran.said.contains(unstopped) && page.contains(unstopped), "{}", ran.said);
    assert!(page.contains("<h3>K on the learning curve</h3>") && page.contains("limit, epoch 15"));
    let facts = summary["facts"]["k-and-learning-curve"].as_array().unwrap();
    assert!(
        facts.iter().any(|f| f["label"].as_str().unwrap().starts_with("tolerance whose K is where twice"))
    );
}

#[test]
fn a_family_is_not_run_as_one() {
    let place = place();
    for (stage, experiment, part) in [
        ("train", "fam", "fam is a family of 6: train runs for each member"),
        ("train", "fam/k7", "fam has no member \"k7\""),
        ("family", "fam/k150-r1", "is no family"),
    ] {
        pipeline_tests::ran(place.command(stage, experiment).output()).ended(2, &[part]);
    }
}

/// A polish reaches its target, keeps where training stopped, and later stages stand at the minimiser.
#[test]
fn a_polished_network_goes_through() {
    let place = Place::small(|p| {
        let polish = "{gradient_norm: 1.0e-5, curvature: 1.0e-5, max_products: 3000, eigen_products: 80, primal_cache_mib: 64}";
        pipeline_tests::set(p, "train.polish", yaml(polish));
        pipeline_tests::set(p, "stream.seeds", 2);
    });
    place.stages(&pipeline_tests::STAGES);
    let facts = json(place.path("artifacts/digits/train/manifest.json"))["facts"].clone();
    let polish = &facts["polish"];
    assert_eq!(polish["status"], "reached", "{polish}");
    assert!(facts["gradient_norm"].as_f64().unwrap() <= 1e-5);
    assert!(polish["gradient_norm_before"].as_f64().unwrap() > 1e-3);
    assert!(polish["smallest_eigenvalue_after"].as_f64().unwrap() >= -1e-5);
    assert!(place.artifact("train/w_trained.npy").exists());
    for figure in ["polish", "spectral-density", "outliers", "gradient-share", "stream", "stream-stops"] {
        let svg = std::fs::read(place.artifact(&format!("report/figures/{figure}.svg"))).unwrap();
        assert!(svg.starts_with(b"<svg"), "{figure}");
    }
    let stops = json(place.path("artifacts/digits/stream/stops.json"));
    assert_eq!(stops["rules"].as_array().unwrap().len(), 8);
}
