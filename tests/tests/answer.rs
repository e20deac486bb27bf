//! The stage `answer`: V and K as precise as asked for.

use pipeline_tests::{Place, set, small};
use serde_json::Value;

/// The stages before it, and it.
const STAGES: [&str; 4] = ["fetch-data", "train", "eigen", "answer"];

fn found(place: &Place) -> Value {
    serde_json::from_slice(&std::fs::read(place.artifact("answer/answer.json")).unwrap()).unwrap()
}

#[test]
fn an_answer_is_as_precise_as_asked_for_and_agrees_with_all_samples() {
    let place = Place::new(|p| {
        small(p);
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
    let theory: Value =
        serde_json::from_slice(&std::fs::read(place.artifact("bound/theory.json")).unwrap()).unwrap();
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
    let place = Place::new(|p| {
        small(p);
        set(p, "answer.half_width", 0.06);
        set(p, "answer.max_losses", 1.5e5);
    });
    place.stages(&STAGES[..3]);
    let ran = place.stage("answer");
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert!(ran.said.contains("not to 6.0 %: the next round would pass answer.max_losses"), "{}", ran.said);
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
    assert!(ran.said.contains("all 150 samples allow no better"), "{}", ran.said);
    assert_eq!(found(&place)["end"], "all-samples");
}

#[test]
fn an_experiment_that_wants_k_alone_ends_with_it() {
    let place = Place::new(|p| {
        small(p);
        set(p, "answer.alone", true);
    });
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
    let ran = place.stage("answer");
    assert!(ran.code == 0 && ran.said.contains("nothing asked"), "{}", ran.said);
    assert!(!place.artifact("answer/answer.json").exists());
}
