//! Every document and every set of facts: read and written again it is the same text, so its keys and their order stay.

use records::{answer, bound, eigen, family, fetch_data, montecarlo, spectrum, stream, train};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::artifact::Document;
use store::manifest::Facts;

/// Reads the text as `T` and writes it again.
#[track_caller]
fn check<T: DeserializeOwned + Serialize>(text: &str) {
    let read: T = serde_json::from_str(text).unwrap();
    let given: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), given.to_string());
}

#[track_caller]
fn document<D: Document>(file: &str, text: &str) {
    assert_eq!(format!("{}/{}", D::STAGE, D::FILE), file);
    check::<D>(text);
}

#[track_caller]
fn facts<F: Facts>(stage: &str, text: &str) {
    assert_eq!(F::STAGE, stage);
    check::<F>(text);
}

#[test]
fn documents_of_bound() {
    document::<bound::TheoryDocument>(
        "bound/theory.json",
        r#"
        {"confidence": 0.95, "settings": [{"name": "hessian-d10-s1", "basis": "hessian", "dim": 3, "sigma": 1.0,
        "draws": 40, "sampling": "plain", "control_variate": false, "variance": 106.0,
        "variance_standard_error": 24.3, "draws_standard_error": 23.9, "samples_standard_error": 4.56, "low":
        66.9, "high": 187.0, "mean_loss": 3.23, "exponent": {"value": -1.93, "low": -2.03, "high": -1.83,
        "n_bins": 20}, "theories": [{"name": "diagonal", "order_average_variance": 0.000216, "n_compared": 1436,
        "fraction_above": 0.0, "smallest_ratio": 4.02e-29, "geometric_mean_ratio": 2.43e-10,
        "within_three_standard_errors": 0.757}]}]}"#,
    );
    document::<bound::Sufficient>(
        "bound/sufficient.json",
        r#"
        {"n_samples": 1437, "step": 1, "rows": [{"setting": "hessian-d10-s1", "method": "monte-carlo",
        "tolerance": 0.0001, "relative": null, "status": "reached", "k": 1433, "low": null, "high": null}]}"#,
    );
    document::<bound::Pilots>(
        "bound/pilot.json",
        r#"
        {"confidence": 0.95, "pilots": [{"setting": "hessian-d10-s1", "n_samples": 400, "minimiser":
        "all-samples", "variance": 108.0, "variance_standard_error": 24.9, "draws_standard_error": 22.9,
        "samples_standard_error": 9.58, "low": 66.7, "high": 175.0, "full_variance": 106.0, "holds": true,
        "sizes": [{"tolerance": 0.0001, "k": 1041, "low": 817, "high": 1321, "full_k": 1028}]}]}"#,
    );
    document::<bound::SweepFindings>(
        "bound/sweep.json",
        r#"
        {"n_samples": 200, "dim": 3, "draws": 32, "confidence": 0.95, "sigmas": [{"sigma": 0.001, "variance":
        2.33e-13, "relative_error": 1.04e-6, "reference": "antithetic+control", "methods": [{"method": "plain",
        "variance": 2.32e-13, "relative_error": 0.0053, "groups": 32, "efficiency": 1.0, "draws_for_k": 0.345}],
        "theories": [{"name": "diagonal", "ratio": 1.41e-6, "n_compared": 199, "fraction_above": 0.0,
        "smallest_ratio": 1.58e-9, "geometric_mean_ratio": 7.66e-7, "within_three_standard_errors": 0.0}]}],
        "theories": [{"name": "diagonal", "within": [], "above": [], "above_everywhere": []}]}"#,
    );
}

#[test]
fn documents_of_the_other_stages() {
    document::<answer::Found>(
        "answer/answer.json",
        r#"
        {"n_samples": 1437, "basis": "hessian", "dim": 10, "sigma": 1.0, "step": 1, "confidence": 0.95, "asked": 0.05,
        "half_width": 0.041, "end": "precise", "losses": 440000, "variance": 87.7, "variance_standard_error": 1.7,
        "draws_standard_error": 1.2, "samples_standard_error": 1.2, "low": 84.2, "high": 91.3, "mean_loss": 11.2,
        "sampling": "sobol", "scale": 1.1, "components": {"draws": 500.0, "samples": 700.0, "interaction": 90.0}, "rounds": [{"many_samples": 900,
        "few_draws": 64, "samples": 500, "draws": 256, "losses": 128000, "half_width": 0.06}], "rows": [{"setting": "answer", "method":
        "order-average", "tolerance": 0.0001, "relative": null, "status": "reached", "k": 937, "low": 917, "high":
        955}]}"#,
    );
    document::<spectrum::Outliers>(
        "spectrum/outliers.json",
        r#"
        {"dim": 3, "by_prefix": [{"n_samples": 128, "n_classes": 10, "outliers": 2, "gap_ratio": 1.88,
        "largest": 0.000112, "largest_relative_residual": 0.00855, "n_products": 16, "overlap": 0.525}],
        "by_class": [{"n_samples": 432, "n_classes": 3, "outliers": 1, "gap_ratio": 5.89, "largest": 0.000467,
        "largest_relative_residual": 0.00177, "n_products": 16, "overlap": null}]}"#,
    );
    document::<stream::Stops>(
        "stream/stops.json",
        r#"
        {"seeds": 3, "tolerance": 0.002, "confidence": 0.95, "batch": 32, "rules": [{"rule": "first-crossing",
        "stopped": 3, "false_stops": 3, "false_stop_rate": 1.0, "low": 0.439, "high": 1.0, "median_k": 224.0,
        "median_truth": 0.00274, "largest_truth": 0.00306, "loss_lost": {"mean": 0.41, "standard_error": 0.02}},
        {"rule": "betting", "stopped": 0, "false_stops": 0, "false_stop_rate": null, "low": null, "high": null,
        "median_k": null, "median_truth": null, "largest_truth": null, "loss_lost": null}]}"#,
    );
    document::<family::Members>(
        "family/members.json",
        r#"
        {"members": [{"name": "a-k150-r1", "k": 150, "replica": 1, "variant": "a", "n_samples": 150,
        "n_classes": 10, "outliers": [1, 1.21], "train_loss": 2.05, "train_accuracy": 0.32, "test_loss": 2.07,
        "test_accuracy": 0.308, "gradient_norm": 0.299, "polish": null, "overlap": 0.396, "setting":
        "hessian-d10-s1", "dim": 3, "sigma": 1.0, "draws": 40, "step": 1, "network": {"image": [64, 1, 1], "layers": [{"linear": 32, "activation": "identity", "bias": true}]}, "loss":
        "softmax-cross-entropy", "activation":
        "relu", "n_params": 2410, "source": "digits.csv.gz", "confidence": 0.95, "variance": 2.93,
        "variance_standard_error": 0.602, "theory_variances": [["diagonal", 0.546], ["quadratic", 0.636]],
        "delta_seen": 0.000129, "delta_fresh": 5.85e-5, "sufficient": [{"tolerance": 0.0001, "k": 171, "status":
        "extrapolated"}]}]}"#,
    );
    document::<family::Curves>(
        "family/curves.json",
        r#"
        {"curves": [{"variant": "a", "setting": "hessian-d10-s1", "step": 1, "flat_gain": 0.05, "rungs": [{"k":
        150, "replicas": 2, "train_loss": {"mean": 2.05, "deviation": 0.00546}, "test_loss": {"mean": 2.09,
        "deviation": 0.0348}, "test_accuracy": {"mean": 0.269, "deviation": 0.055}, "gradient_norm": {"mean":
        0.299, "deviation": 0.000728}, "variance": {"mean": 3.42, "deviation": 0.694}, "delta_seen": {"mean":
        0.000151, "deviation": 3.07e-5}, "delta_fresh": {"mean": 3.97e-5, "deviation": 2.66e-5}, "overlap":
        {"mean": 0.395, "deviation": 0.000871}, "eigenvalues": [{"mean": 0.982, "deviation": 0.0286}],
        "cosines": [0.794, 0.724], "sufficient": [[0.0001, {"mean": 184.0, "deviation": 19.1}], [1e-7, {"mean":
        5830.0, "deviation": 596.0}]]}], "fit": {"floor": 0.0, "scale": 21.9, "exponent": 0.459,
        "exponent_deviation": 0.0439, "relative_residual": 0.0787, "flattening": "never", "flat_k": null,
        "delta_at_flat": null}, "theory_variances": [["diagonal", 5.89], ["quadratic", 8.28]]}]}"#,
    );
}

#[test]
fn the_forecast_of_a_family() {
    document::<family::Forecasts>(
        "family/forecast.json",
        r#"
        {"confidence": 0.95, "limit": 100.0, "draws": 1000, "method": "Four forms.", "forecasts": [{"variant": null,
        "n_test": 360, "same_test_samples": false, "target": {"accuracy": 0.98}, "loss": null, "error": {"points":
        [{"n": 90, "values": [0.35, 0.37], "mean": 0.36, "test_error": 0.07}], "spread": 0.09, "late_spread": 0.1,
        "freedom": 20.0, "replicated": true, "misfit": 0.02, "forms": [{"name": "power-with-floor", "weight": 0.3,
        "floor": 0.01, "shift": 0.0, "scale": 21.9, "exponent": 0.9, "chi_squared": 2.4}, {"name":
        "exponential-with-floor", "weight": 0.1, "floor": 0.02, "shift": 200.0, "scale": 0.4, "exponent": 0.0,
        "chi_squared": 3.1}], "rows": [{"n": 1437, "mean": 0.04, "mean_low": 0.03, "mean_high": 0.05, "run_low": 0.02,
        "run_high": 0.06}], "curve": [], "doubling": {"from": 1437, "to": 2874, "change": -0.01, "change_low": -0.02,
        "change_high": -0.001, "relative": -0.25, "relative_low": -0.4, "relative_high": -0.05}, "targets":
        [{"assurance": null, "status": "extrapolated", "n": 4000, "low": 2500, "high": null}, {"assurance": 0.8,
        "status": "unreachable-floor", "n": null, "low": null, "high": null}], "beside": [], "little_gain": null, "audit":
        [{"fitted_to": 360, "n": 718,
        "predicted": 0.06, "low": 0.04, "high": 0.1, "found": 0.062, "covered": true, "relative_error": -0.03}],
        "widening": 1.0, "ceiling": 0.05, "faults": [{"name": "concave", "from": 90, "to": 360}]}, "beside": [],
        "tolerance_of_gain": null, "warnings": ["a"]}]}"#,
    );
}

#[test]
fn facts_of_every_stage() {
    facts::<fetch_data::Facts>(
        "fetch-data",
        r#"
        {"n_samples": 1437, "n_test": 360, "n_features": 64, "n_classes": 10, "normalisation": {"scale": 16.0,
        "mean": 0.0, "std": 1.0}, "source": "digits.csv.gz", "attribution": "UCI"}"#,
    );
    facts::<train::Facts>(
        "train",
        r#"
        {"history_columns": ["epoch", "train_loss"], "checkpoint_epochs": [3, 15], "polish": {"status":
        "reached", "path_columns": ["n_products", "loss"], "gradient_norm_wanted": 1e-5, "n_steps": 40,
        "n_products": 458, "n_escapes": 0, "negative_curvature_steps": 0, "distance": 28.7, "loss_before":
        0.363, "loss_after": 3.58e-7, "gradient_norm_before": 0.144, "gradient_norm_after": 8.8e-6,
        "smallest_eigenvalue_before": -0.0382, "smallest_eigenvalue_before_residual": 3.24e-5,
        "smallest_eigenvalue_after": -1.08e-6, "smallest_eigenvalue_after_residual": 9.36e-10}, "network": {"image": [64, 1, 1], "layers": [{"linear": 32, "activation": "identity", "bias": true}]}, "activation": "relu", "loss": "softmax-cross-entropy", "n_params": 2410, "layout": [{"name": "W1",
        "shape": [32, 64], "offset": 0}], "train_loss": 3.58e-7, "train_accuracy": 1.0, "test_loss": 0.144,
        "test_accuracy": 0.975, "gradient_norm": 8.8e-6, "origin": "trained"}"#,
    );
    facts::<eigen::Facts>(
        "eigen",
        r#"
        {"dim": 3, "step": 1, "n_products": 10, "n_check_products": 1, "miss_probability": 0.001,
        "largest_relative_residual": 7.15e-5,
        "basis_origin": "lanczos", "bases": {"filter": 2, "hessian": 3, "random": 2}, "n_prefix_products": 16.8}"#,
    );
    facts::<montecarlo::Facts>(
        "montecarlo",
        r#"
        {"sweep": {"dim": 3, "sigmas": [0.001, 0.002], "n_samples": 200, "draws": 32, "methods": ["plain",
        "antithetic"]}, "step": 1, "pilot_sizes": [400, 700], "n_samples": 1437, "settings": [{"name":
        "hessian-d10-s1", "basis": "hessian", "dim": 3, "sigma": 1.0, "draws": 40, "sampling": "plain",
        "relative_error": 0.226, "control_mean": null}], "grids": [{"name": "hessian", "basis": "hessian",
        "points": 7, "extent": 1.0}]}"#,
    );
    facts::<spectrum::Facts>(
        "spectrum",
        r#"
        {"n_samples": 1437, "n_params": 2410, "density": {"probes": 2, "steps": 12, "kernel_deviation": 2.35e-6,
        "mean": 8.36e-7, "mean_standard_error": 2.31e-7, "fraction_below_minus_kernel": 0.0,
        "fraction_standard_error": 0.0}, "trace": {"value": 0.000985, "standard_error": 5.69e-6, "n_products":
        44}, "gradient_batch_size": 64}"#,
    );
    facts::<stream::Facts>(
        "stream",
        r#"
        {"seeds": 3, "trajectory_columns": ["k", "delta_once"]}"#,
    );
}

#[test]
fn facts_of_what_was_not_done_are_left_out() {
    facts::<train::Facts>(
        "train",
        r#"
        {"history_columns": ["epoch", "train_loss"], "checkpoint_epochs": [3, 15], "network": {"image": [64, 1, 1], "layers": [{"linear": 32, "activation": "identity", "bias": true}]},
        "activation": "relu", "loss": "softmax-cross-entropy", "n_params": 2410, "layout": [{"name": "W1",
        "shape": [32, 64], "offset": 0}], "train_loss": 3.58e-7, "train_accuracy": null, "test_loss": null,
        "test_accuracy": null, "gradient_norm": 8.8e-6, "origin": "trained"}"#,
    );
    facts::<montecarlo::Facts>(
        "montecarlo",
        r#"
        {"step": 1, "pilot_sizes": [400, 700], "n_samples": 1437, "settings": [{"name": "hessian-d10-s1",
        "basis": "hessian", "dim": 3, "sigma": 1.0, "draws": 40, "sampling": "plain", "relative_error": 0.226,
        "control_mean": null}], "grids": [{"name": "hessian", "basis": "hessian", "points": 7, "extent": 1.0}]}"#,
    );
    facts::<spectrum::Facts>(
        "spectrum",
        r#"
        {"n_samples": 1437, "n_params": 2410, "gradient_batch_size": 64}"#,
    );
    facts::<spectrum::Facts>(
        "spectrum",
        r#"
        {"n_samples": 1437, "n_params": 2410, "density": {"probes": 2, "steps": 12, "kernel_deviation": 2.35e-6,
        "mean": 8.36e-7, "mean_standard_error": null, "fraction_below_minus_kernel": 0.0,
        "fraction_standard_error": null}, "trace": {"value": 0.000985, "standard_error": 5.69e-6, "n_products":
        44}, "gradient_batch_size": 64}"#,
    );
    facts::<stream::Facts>(
        "stream",
        r#"
        {"seeds": 0}"#,
    );
}
