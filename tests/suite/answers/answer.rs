//! The stage `answer`: V and K as precise as asked for.

use ndarray::{Array1, Array2, Ix1, s};
use pipeline_tests::{Place, json, set, yaml};
use serde_json::Value;
use store::{npy, rows};

/// The stages before it, and it.
const STAGES: [&str; 4] = ["fetch-data", "train", "eigen", "answer"];

fn found(place: &Place) -> Value {
    json(place.artifact("answer/answer.json"))
}

#[test]
fn an_answer_is_as_precise_as_asked_for_and_agrees_with_all_samples() {
    let place = Place::small(|p| {
        set(p, "answer.half_width", 0.1);
        set(p, "montecarlo.draws", 2000);
        set(p, "montecarlo.grids", serde_yaml::Value::Sequence(vec![]));
        set(p, "montecarlo.sweep", serde_yaml::Value::Null);
    });
    place.stages(&STAGES);
    place.stages(&["montecarlo", "bound"]);
    let quick = found(&place);
    assert_eq!(quick["end"], "precise");
    let half_width = quick["half_width"].as_f64().unwrap();
    assert!(half_width <= 0.1, "{quick}");
    let theory = json(place.artifact("bound/theory.json"));
    let all = &theory["settings"][0];
    let [v, whole, error, of_whole] = [
        &quick["variance"],
        &all["variance"],
        &quick["variance_standard_error"],
        &all["variance_standard_error"],
    ]
    .map(|v| v.as_f64().unwrap());
    // Other draws, and some of the samples: four standard errors of the difference.
    assert!((v - whole).abs() <= 4.0 * error.hypot(of_whole), "{v} {whole} {error} {of_whole}");
    let losses = quick["losses"].as_u64().unwrap();
    assert!(losses < 1437 * 2000 / 2, "fewer losses than all samples at 2,000 draws: {losses}");
}

#[test]
fn a_precision_that_cannot_be_reached_is_said() {
    let place = Place::small(|p| {
        set(p, "answer.half_width", 0.06);
        set(p, "answer.max_losses", 1.5e5);
    });
    place.stages(&STAGES[..3]);
    place.stage("answer").ended(0, &["not to 6 %: the next round would pass answer.max_losses"]);
    let few = found(&place);
    assert_eq!(few["end"], "losses");
    assert!(few["losses"].as_f64().unwrap() <= 1.03 * 1.5e5, "{few}");
    // 150 samples cannot tell V to 5 %, whatever the draws are.
    place.edit(|p| {
        set(p, "fetch-data.n_samples", 150);
        set(p, "answer.half_width", 0.03);
    });
    place.stages(&STAGES[..3]);
    let ran = place.stage("answer");
    // No warning: there is nothing that a key could do about it.
    assert!(ran.said.contains("%, as precise as all samples allow, from 150 of 150 samples"), "{}", ran.said);
    assert_eq!(found(&place)["end"], "all-samples");
}

#[test]
fn an_experiment_that_wants_k_alone_ends_with_it() {
    let place = Place::small(|p| set(p, "answer.alone", true));
    let made = place.make(&["digits"]);
    assert_eq!(made.code, 0, "{}", made.said);
    let line = std::fs::read_to_string(place.artifact("answer/answer.txt")).unwrap();
    assert!(
        line.starts_with("K(1e-4) = ") && made.said.contains(&format!("digits: {line}")),
        "{}",
        made.said
    );
    assert!(!place.artifact("montecarlo").exists() && !place.artifact("report").exists());
    // Nothing is left of it where it is not asked.
    place.edit(|p| {
        set(p, "answer.alone", false);
        set(p, "answer.half_width", serde_yaml::Value::Null);
    });
    place.stage("answer").ended(0, &["nothing asked"]);
    assert!(!place.artifact("answer/answer.json").exists());
}

/// Where all samples take part, those with all draws are still a random choice: of a file sorted by class, as image folders are,
/// the first ones are of one class (few_draws_deviation of them was 2.6e-5 of that of all).
#[test]
fn a_sorted_file_is_shuffled() {
    let place = Place::small(|p| {
        let files = "{dataset: files, order: file, normalisation: {scale: 1, mean: 0, std: 1}}";
        set(p, "fetch-data", yaml(files));
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy, test_x: x.npy, test_y: y.npy}"));
        set(p, "answer.half_width", 0.1);
    });
    let size = |i: usize| if i < 500 { 0.01 } else { 3.0 };
    let x = Array2::from_shape_fn((1000, 4), |(i, j)| size(i) * ((i * (7 * j + 3)) as f64 * 0.37).sin());
    rows::write(&place.path("x.npy"), &x).unwrap();
    rows::write(&place.path("y.npy"), &Array1::from_shape_fn(1000, |i| i64::from(i >= 500))).unwrap();
    place.stages(&STAGES);
    let found = found(&place);
    let plan = &found["rounds"].as_array().unwrap().last().unwrap();
    assert_eq!(plan["many_samples"], 1000, "{plan}: the case is about some samples of all");
    let n = npy::read::<f64, Ix1>(&place.artifact("answer/sample_loss.npy")).unwrap().len();
    assert!(n < 700, "{plan}: the case is about some samples of all");
    let few = npy::read::<f64, Ix1>(&place.artifact("answer/few_draws_deviation.npy")).unwrap();
    let ratio = few.slice(s![..n - 1]).mean().unwrap() / few.mean().unwrap();
    assert!((ratio - 1.0).abs() < 0.3, "{ratio}");
}

#[test]
fn alone_is_refused_where_the_answer_could_not_be_alone() {
    let said = |key: &str, value: &str| {
        let place = Place::small(|p| {
            set(p, "answer.alone", true);
            set(p, key, yaml(value));
        });
        place.params()
    };
    let family = said("family", "{ladder: [100, 200]}");
    family.ended(2, &["answer.alone: true, but a family compares the curves"]);
    let given = said("montecarlo.settings", "[{name: theirs, losses: losses.npy, dim: 3, sigma: 1.0}]");
    given.ended(2, &["answer.alone: true, but losses of another program"]);
}
