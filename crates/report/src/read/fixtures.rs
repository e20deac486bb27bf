//! Values for tests.

use ndarray::{Array1, Array2, Array3};
use records::Which;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::read::bound::{Comparison, PilotDocument, Setting, SufficientRow, Sweep, TheoryCurve};
use crate::read::eigen::{Basis, Eigenpairs};
use crate::read::experiment::Experiment;
use crate::read::family::{Fit, Flattening, Ladder, Member, Rung, Spread};
use crate::read::fetch_data::Data;
use crate::read::montecarlo::Grid;
use crate::read::spectrum::Spectrum;
use crate::read::train::{Model, Polish};

/// V = 1, measured at ten prefix sizes, in one Hessian direction at σ = 1.
pub fn setting() -> Setting {
    let law = Array1::from_iter((1..=10).map(|k| 1.0 / f64::from(10 * k * (10 * k + 1))));
    Setting {
        name: "hessian-d1-s1".into(),
        basis: Basis::Eigenvectors(Which::LargestAlgebraic),
        dim: 1,
        sigma: 1.0,
        draws: 8,
        standard_error: Array1::zeros(10),
        order_average: law.clone(),
        delta: law,
        variance: 1.0,
        variance_standard_error: 0.1,
        exponent: None,
        theories: vec![],
    }
}

/// A landscape of 3 × 3 points at k = 10 and 90, both asked for.
pub fn grid(name: &str, basis: Basis) -> Grid {
    Grid {
        name: name.into(),
        basis,
        axis: ndarray::array![-1.0, 0.0, 1.0],
        sizes: vec![10, 50, 90],
        asked: vec![10],
        loss: Array3::from_shape_fn((3, 3, 3), |(_, a, b)| (a + b) as f64),
        change: Array3::from_elem((3, 3, 3), 0.25),
    }
}

/// A classifier of 100 samples with one setting, and nothing that is only there where it was asked for.
pub fn experiment() -> Experiment {
    Experiment {
        name: "e".into(),
        data: Data {
            n_samples: 100,
            n_test: 20,
            n_features: 4,
            n_classes: 2,
            source: "files".into(),
            attribution: "own".into(),
        },
        model: Model {
            layers: vec![4, 2],
            activation: "relu".into(),
            n_params: 10,
            train_loss: 0.5,
            train_accuracy: Some(0.9),
            test_loss: None,
            test_accuracy: None,
            gradient_norm: 0.01,
            origin: "trained".into(),
            history: Array2::zeros((1, 5)),
            polish: None,
        },
        eigenpairs: Eigenpairs {
            basis: Basis::Eigenvectors(Which::LargestAlgebraic),
            which: Which::LargestAlgebraic,
            eigenvalues: ndarray::array![2.0],
            residuals: ndarray::array![1e-6],
            n_products: 7,
            prefix_sizes: vec![],
            prefix_eigenvalues: Array2::zeros((0, 1)),
        },
        step: 1,
        sizes: (1..=10).map(|k| 10 * k).collect(),
        settings: vec![setting()],
        grids: vec![],
        spectrum: nothing_else(),
        stream: None,
        confidence: 0.95,
        rows: vec![],
        pilots: PilotDocument { confidence: 0.95, pilots: vec![] },
        sweep: None,
        manifests: vec![],
    }
}

/// Of a network with ten parameters, of which nothing but the share of the gradient was computed.
pub fn nothing_else() -> Spectrum {
    Spectrum {
        n_samples: 100,
        n_params: 10,
        density: None,
        trace: None,
        smallest: None,
        outliers: None,
        gradient_share: Array1::from_elem(1, 0.5),
        batch_share: Array2::zeros((0, 1)),
        batch_size: 8,
    }
}

/// As a stage writes it.
fn document<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("what the type reads")
}

/// As `train` writes them.
pub fn polished_facts(status: &str) -> Polish {
    document(json!({
        "status": status, "n_steps": 36, "n_products": 448, "n_escapes": 1, "negative_curvature_steps": 0,
        "distance": 23.7, "loss_before": 0.087, "loss_after": 1.2e-7, "gradient_norm_before": 0.052,
        "gradient_norm_after": 6.4e-7, "smallest_eigenvalue_before": -0.017, "smallest_eigenvalue_after": -6.6e-8,
    }))
}

/// A mean without a spread.
pub fn one(mean: f64) -> Spread {
    Spread { mean, deviation: None }
}

/// The networks of one size.
pub fn rung(k: usize) -> Rung {
    let one = |mean: f64| json!({"mean": mean, "deviation": null});
    document(json!({
        "k": k, "replicas": 1, "train_loss": one(0.1), "gradient_norm": one(0.1), "variance": one(1.0),
        "delta_seen": one(1e-5), "eigenvalues": [one(2.0)], "cosines": [], "sufficient": [[1e-4, one(3870.0)]],
    }))
}

/// A ladder of one size.
pub fn unfitted() -> Ladder {
    let json = json!({"setting": "s", "step": 1, "flat_gain": 0.05, "rungs": [], "theory_variances": []});
    Ladder { rungs: vec![rung(8000)], ..document(json) }
}

/// A ladder of two sizes with a power law.
pub fn curve(flattening: Flattening, flat_k: Option<f64>) -> Ladder {
    let fit = json!({
        "floor": 0.0, "scale": 5.036, "exponent": 0.373, "exponent_deviation": 0.0013, "relative_residual": 0.0318,
        "flattening": "at", "flat_k": flat_k, "delta_at_flat": flat_k.map(|_| 1.9e-7),
    });
    let fit = Fit { flattening, ..document(fit) };
    Ladder { fit: Some(fit), rungs: vec![rung(500), rung(8000)], ..unfitted() }
}

/// One network.
pub fn member(name: &str, polish: Option<Polish>) -> Member {
    let json = json!({
        "name": name, "n_samples": 8000, "n_classes": 10, "dim": 2, "sigma": 1.0, "draws": 8, "layers": [4, 2],
        "activation": "relu", "n_params": 10, "source": "s", "confidence": 0.95, "train_loss": 0.1,
        "gradient_norm": 0.1, "variance": 1.0, "theory_variances": [],
    });
    Member { polish, ..document(json) }
}

/// K at 1e-4 nats² by the closed form.
pub fn row(status: &str, k: Option<usize>, interval: Option<(usize, usize)>) -> SufficientRow {
    let (low, high) = interval.unzip();
    document(json!({
        "setting": "s", "method": "order-average", "tolerance": 1e-4, "status": status, "k": k, "low": low, "high": high,
    }))
}

/// Where a theory was above Monte Carlo at this fraction of 59,999 prefix sizes.
pub fn comparison(name: &str, fraction_above: f64) -> Comparison {
    document(json!({
        "name": name, "n_compared": 59_999, "fraction_above": fraction_above, "smallest_ratio": 0.5,
        "geometric_mean_ratio": 2.0, "within_three_standard_errors": 0.125,
    }))
}

/// The curve of such a theory.
pub fn theory(name: &str, fraction_above: f64) -> TheoryCurve {
    let values = ndarray::array![1e-2, 1e-4];
    let comparison = comparison(name, fraction_above);
    TheoryCurve { name: name.into(), sizes: vec![10, 100], values, comparison }
}

/// Two pilots with w* of all samples whose intervals contain V, and one trained alone whose interval does not.
pub fn pilots() -> PilotDocument {
    let pilot = |n_samples: usize, minimiser: &str, full_variance: f64| {
        json!({
            "setting": "s", "n_samples": n_samples, "minimiser": minimiser, "variance": 90.0, "low": 80.0, "high": 110.0,
            "full_variance": full_variance, "holds": full_variance < 110.0,
            "sizes": [{"tolerance": 1e-4, "k": 950, "low": 900, "high": 1050, "full_k": 1000}],
        })
    };
    let pilots = [
        pilot(500, "all-samples", 100.0),
        pilot(1000, "all-samples", 100.0),
        pilot(500, "m-pilot-500", 120.0),
    ];
    document(json!({"confidence": 0.95, "pilots": pilots}))
}

/// A sweep of these theories at σ = 1.
pub fn sweep(theories: &[&str]) -> Sweep {
    let holds = |name: &&str| json!({"name": name, "within": [], "above": [], "above_everywhere": []});
    let at = theories.iter().map(|_| json!({"ratio": 1.0, "fraction_above": 0.002})).collect::<Vec<_>>();
    document(json!({
        "n_samples": 1000, "dim": 1, "draws": 8, "theories": theories.iter().map(holds).collect::<Vec<_>>(),
        "sigmas": [{"sigma": 1.0, "variance": 1.0, "methods": [], "theories": at}],
    }))
}
