//! Values for tests.

use ndarray::{Array1, Array2, Array3};
use records::bound::{
    AtSigma, Comparison, Holds, Pilot, Pilots, PredictedSize, SettingTheory, SizeInterval, Status,
    SufficientRow, SweepFindings, Theory, TheoryAtSigma, Uncertain,
};
use records::family::{
    Doubling, Fit, Flattening, Forecast, Ladder, LadderForecast, Member, MemberResult, Point, Row, Rung,
    Spread, TargetRow, TargetStatus,
};
use records::train::{PolishEnd, Polished};
use records::{
    Activation, Architecture, BasisName, Loss, Normalisation, Sampling, Which, fetch_data, spectrum, train,
};

use crate::read::bound::{Setting, TheoryCurve};
use crate::read::eigen::{Basis, Eigenpairs};
use crate::read::experiment::{Experiment, Trained};
use crate::read::family::Family;
use crate::read::montecarlo::Grid;
use crate::read::spectrum::Spectrum;
use crate::read::train::Model;
use crate::read::unit::Unit;

/// Fails where one of the parts is not in the text.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// V with this interval and a standard error of a tenth.
fn uncertain(variance: f64, low: f64, high: f64) -> Uncertain {
    Uncertain {
        variance,
        variance_standard_error: 0.1 * variance,
        draws_standard_error: 0.08 * variance,
        samples_standard_error: 0.06 * variance,
        low,
        high,
    }
}

/// V = 1, measured at ten prefix sizes, in one Hessian direction at σ = 1.
pub fn setting() -> Setting {
    let law = Array1::from_iter((1..=10).map(|k| 1.0 / f64::from(10 * k * (10 * k + 1))));
    Setting {
        found: SettingTheory {
            name: "hessian-d1-s1".into(),
            basis: BasisName::Hessian,
            dim: 1,
            sigma: 1.0,
            deviations: vec![],
            draws: 8,
            sampling: Sampling::Plain,
            control_variate: false,
            v: uncertain(1.0, 0.8, 1.2),
            mean_loss: 1.0,
            exponent: None,
            gap: None,
            theories: vec![],
        },
        basis: Basis::Eigenvectors(Which::LargestAlgebraic),
        standard_error: Array1::zeros(10),
        order_average: law.clone(),
        delta: law,
        curves: vec![],
    }
}

/// The same of directions of another basis.
pub fn random(dim: usize, sigma: f64) -> Setting {
    let mut setting = Setting { basis: Basis::Random, ..setting() };
    (setting.found.basis, setting.found.dim, setting.found.sigma) = (BasisName::Random, dim, sigma);
    setting
}

/// The setting with one theory.
pub fn with_theory(name: &str, fraction_above: f64) -> Setting {
    let mut setting = setting();
    setting.found.theories = vec![theory(name, fraction_above)];
    setting.curves = vec![TheoryCurve { sizes: vec![10, 100], values: ndarray::array![1e-2, 1e-4] }];
    setting
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

/// The unit of cross-entropy.
pub fn nats() -> Unit {
    Unit::of(Some(Loss::SoftmaxCrossEntropy))
}

/// A classifier of 100 samples.
fn trained() -> Trained {
    Trained {
        data: fetch_data::Facts {
            n_samples: 100,
            n_test: 20,
            n_features: 4,
            image: None,
            n_classes: 2,
            n_targets: 1,
            normalisation: Normalisation::all(1.0, 0.0, 1.0),
            source: "files".into(),
            attribution: "own".into(),
        },
        model: Model {
            facts: train::Facts {
                history_columns: vec![],
                checkpoint_epochs: vec![],
                stop: None,
                polish: None,
                network: Architecture::of_widths(&[4, 2], Activation::Relu),
                activation: Activation::Relu,
                loss: Loss::SoftmaxCrossEntropy,
                n_params: 10,
                layout: vec![],
                train_loss: 0.5,
                train_accuracy: Some(0.9),
                test_loss: None,
                test_accuracy: None,
                fit: None,
                gradient_norm: 0.01,
                brought_layers: vec![],
                origin: "trained".into(),
            },
            history: Array2::zeros((1, 5)),
            polish_path: None,
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
        spectrum: nothing_else(),
    }
}

/// It with one setting, and nothing that is only there where it was asked for.
pub fn experiment() -> Experiment {
    Experiment {
        name: "e".into(),
        n_samples: 100,
        trained: Some(trained()),
        given: vec![],
        unit: nats(),
        step: 1,
        sizes: (1..=10).map(|k| 10 * k).collect(),
        settings: vec![setting()],
        grids: vec![],
        stream: None,
        quick: None,
        confidence: 0.95,
        rows: vec![],
        pilots: Pilots { confidence: 0.95, pilots: vec![] },
        sweep: None,
        manifests: vec![],
        warnings: vec![],
    }
}

/// Of a network with ten parameters, of which nothing but the share of the gradient was computed.
pub fn nothing_else() -> Spectrum {
    Spectrum {
        facts: spectrum::Facts {
            n_samples: 100,
            n_params: 10,
            density: None,
            trace: None,
            gradient_batch_size: 8,
        },
        density: None,
        smallest: None,
        outliers: None,
        gradient_share: Array1::from_elem(1, 0.5),
        batch_share: Array2::zeros((0, 1)),
    }
}

/// What a polish changed.
pub fn polished(status: PolishEnd) -> Polished {
    Polished {
        status,
        path_columns: vec![],
        gradient_norm_wanted: 1e-6,
        n_steps: 36,
        n_products: 448,
        n_escapes: 1,
        negative_curvature_steps: 0,
        distance: 23.7,
        loss_before: 0.087,
        loss_after: 1.2e-7,
        gradient_norm_before: 0.052,
        gradient_norm_after: 6.4e-7,
        smallest_eigenvalue_before: -0.017,
        smallest_eigenvalue_before_residual: 1e-4,
        smallest_eigenvalue_after: -6.6e-8,
        smallest_eigenvalue_after_residual: 1e-9,
    }
}

/// A mean without a spread.
pub fn one(mean: f64) -> Spread {
    Spread { mean, deviation: None }
}

/// The networks of one size.
pub fn rung(k: usize) -> Rung {
    Rung {
        k,
        replicas: 1,
        train_loss: one(0.1),
        test_loss: None,
        test_accuracy: None,
        gradient_norm: one(0.1),
        variance: one(1.0),
        delta_seen: one(1e-5),
        delta_fresh: None,
        overlap: None,
        eigenvalues: vec![one(2.0)],
        cosines: vec![],
        sufficient: vec![(1e-4, one(3870.0))],
    }
}

/// A ladder of one size.
pub fn unfitted() -> Ladder {
    Ladder {
        variant: None,
        setting: "s".into(),
        step: 1,
        flat_gain: 0.05,
        rungs: vec![rung(8000)],
        fit: None,
        theory_variances: vec![],
    }
}

/// A ladder of two sizes with a power law.
pub fn curve(flattening: Flattening, flat_k: Option<f64>) -> Ladder {
    let fit = Fit {
        floor: 0.0,
        scale: 5.036,
        exponent: 0.373,
        exponent_deviation: Some(0.0013),
        relative_residual: 0.0318,
        flattening,
        flat_k,
        delta_at_flat: flat_k.map(|_| 1.9e-7),
    };
    Ladder { fit: Some(fit), rungs: vec![rung(500), rung(8000)], ..unfitted() }
}

/// One network.
pub fn member(name: &str, polish: Option<Polished>) -> MemberResult {
    MemberResult {
        member: Member { name: name.into(), k: None, replica: 1, variant: None },
        n_samples: 8000,
        n_classes: 10,
        outliers: None,
        train_loss: 0.1,
        train_accuracy: None,
        test_loss: None,
        test_accuracy: None,
        gradient_norm: 0.1,
        stop: None,
        polish,
        overlap: None,
        setting: "s".into(),
        dim: 2,
        sigma: 1.0,
        draws: 8,
        step: 1,
        network: Architecture::of_widths(&[4, 2], Activation::Relu),
        loss: Loss::SoftmaxCrossEntropy,
        activation: Activation::Relu,
        n_params: 10,
        source: "s".into(),
        confidence: 0.95,
        variance: 1.0,
        variance_standard_error: 0.1,
        theory_variances: vec![],
        delta_seen: 1e-5,
        delta_fresh: None,
        sufficient: vec![],
        warnings: vec![],
    }
}

/// A variant of which nothing is forecast.
pub fn unforecast(variant: Option<String>) -> LadderForecast {
    LadderForecast {
        variant,
        n_test: None,
        same_test_samples: false,
        target: None,
        loss: None,
        error: None,
        beside: vec![],
        tolerance_of_gain: None,
        warnings: vec![],
    }
}

/// A mean of 0.1 that falls by a fifth from 1,000 samples to 2,000.
pub fn forecast(targets: Vec<TargetRow>) -> Forecast {
    let row = |n: usize, mean: f64| Row {
        n,
        mean,
        mean_low: 0.9 * mean,
        mean_high: 1.1 * mean,
        run_low: 0.8 * mean,
        run_high: 1.2 * mean,
    };
    let doubling = Doubling {
        from: 1000,
        to: 2000,
        change: -0.02,
        change_low: -0.03,
        change_high: -0.01,
        relative: -0.2,
        relative_low: -0.3,
        relative_high: -0.1,
    };
    Forecast {
        points: vec![Point { n: 1000, values: vec![0.09, 0.11], mean: 0.1, test_error: 0.05 }],
        spread: 0.1,
        late_spread: 0.12,
        freedom: 5.0,
        replicated: true,
        misfit: 0.0,
        forms: vec![],
        rows: vec![row(1000, 0.1), row(2000, 0.08), row(4000, 0.064), row(10_000, 0.048)],
        curve: vec![row(500, 0.125), row(1000, 0.1), row(10_000, 0.048)],
        doubling,
        targets,
        beside: vec![],
        little_gain: None,
        audit: vec![],
        widening: 1.0,
        ceiling: Some(0.12),
        faults: vec![],
    }
}

/// What a target needs, on average and with 80 % and 95 %.
pub fn targets(rows: [(TargetStatus, Option<usize>); 3]) -> Vec<TargetRow> {
    let assurances = [None, Some(0.8), Some(0.95)];
    let row = |(assurance, (status, n)): (Option<f64>, (TargetStatus, Option<usize>))| TargetRow {
        assurance,
        status,
        n,
        low: None,
        high: None,
    };
    assurances.into_iter().zip(rows).map(row).collect()
}

/// A family whose members have no changes at w*.
pub fn family(ladders: Vec<Ladder>, members: Vec<MemberResult>) -> Family {
    let changes = Array3::zeros((members.len(), 0, 2));
    let forecasts = ladders.iter().map(|l| unforecast(l.variant.clone())).collect();
    Family { ladders, members, forecasts, confidence: 0.95, unit: nats(), warnings: vec![], changes }
}

/// K at 1e-4 loss² by the closed form.
pub fn row(status: Status, k: Option<usize>, interval: Option<(usize, usize)>) -> SufficientRow {
    let (low, high) = interval.unzip();
    let (setting, method) = ("s".into(), "order-average".into());
    SufficientRow { setting, method, tolerance: 1e-4, relative: None, status, k, low, high }
}

/// A theory that is above Monte Carlo at this fraction of 59,999 prefix sizes.
pub fn theory(name: &str, fraction_above: f64) -> Theory {
    let comparison = compared(fraction_above);
    Theory { name: name.into(), order_average_variance: None, comparison }
}

fn compared(fraction_above: f64) -> Comparison {
    Comparison {
        n_compared: 59_999,
        fraction_above,
        smallest_ratio: 0.5,
        geometric_mean_ratio: 2.0,
        within_three_standard_errors: 0.125,
    }
}

/// Two pilots with w* of all samples whose intervals contain V, and one trained alone whose interval does not.
pub fn pilots() -> Pilots {
    let pilot = |n_samples: usize, minimiser: &str, full_variance: f64| Pilot {
        setting: "s".into(),
        n_samples,
        minimiser: minimiser.into(),
        v: uncertain(90.0, 80.0, 110.0),
        full_variance,
        holds: full_variance < 110.0,
        sizes: vec![PredictedSize {
            tolerance: 1e-4,
            k: 950,
            interval: SizeInterval { low: 900, high: 1050 },
            full_k: 1000,
        }],
    };
    let pilots = vec![
        pilot(500, "all-samples", 100.0),
        pilot(1000, "all-samples", 100.0),
        pilot(500, "m-pilot-500", 120.0),
    ];
    Pilots { confidence: 0.95, pilots }
}

/// A sweep of these theories at σ = 1.
pub fn sweep(theories: &[&str]) -> SweepFindings {
    let holds =
        |name: &&str| Holds { name: (*name).into(), within: vec![], above: vec![], above_everywhere: vec![] };
    let at = |name: &&str| TheoryAtSigma { name: (*name).into(), ratio: 1.0, comparison: compared(0.002) };
    SweepFindings {
        n_samples: 1000,
        dim: 1,
        draws: 8,
        confidence: 0.95,
        sigmas: vec![at_sigma(1.0, theories.iter().map(at).collect())],
        theories: theories.iter().map(holds).collect(),
    }
}

/// V = 1 at one σ, by no method yet.
pub fn at_sigma(sigma: f64, theories: Vec<TheoryAtSigma>) -> AtSigma {
    let reference = "plain".into();
    AtSigma { sigma, variance: 1.0, relative_error: 0.1, reference, methods: vec![], theories }
}
