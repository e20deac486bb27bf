//! Stages that are stopped and go on: the bytes are those of a run without a stop.

use pipeline_tests::{FINISHED, Place, Ran, files, json, ran, set, shim, small, wait_until, yaml};
use serde_yaml::Value;
use store::rows;

/// Runs a stage of `digits` until its first point where it may stop.
fn stopped_at_once(place: &Place, stage: &str) -> Ran {
    ran(place.command(stage, "digits").args(["--stop-after", "0"]).output())
}

/// Runs a stage from point to point until it ends; how often it stopped.
#[track_caller]
fn in_pieces(place: &Place, stage: &str) -> usize {
    let kept = place.artifact(&format!(".{stage}.checkpoint"));
    for stops in 0..500 {
        let ran = stopped_at_once(place, stage);
        let goes_on = ran.said.contains("goes on where an earlier run stopped");
        assert_eq!(goes_on, stops > 0, "{}", ran.said);
        if ran.code == 0 {
            assert!(!kept.exists(), "it is removed at the end");
            return stops;
        }
        ran.ended(
            75,
            &[
                "after 0 s, as --stop-after says, at ",
                "hint: run the same command again: it goes on from there",
            ],
        );
        assert!(kept.is_dir() && !place.artifact(stage).exists());
        assert!(!place.artifact(&format!(".{stage}.partial")).exists());
    }
    panic!("{stage} does not end");
}

#[track_caller]
fn are_same(first: &Place, second: &Place, stage: &str) {
    let [first, second] = [first, second].map(|place| files(&place.artifact(stage)));
    let differ = first.iter().filter(|(file, hash)| second.get(*file) != Some(*hash)).collect::<Vec<_>>();
    assert!(differ.is_empty() && first.len() == second.len() && first.len() > 2, "{stage}: {differ:?}");
}

#[test]
fn a_stage_in_pieces_has_the_bytes_of_one_run() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    assert_eq!(in_pieces(&place, "train"), 15, "after each epoch");
    are_same(&place, &FINISHED, "train");
    // Each product of the solve, and each prefix.
    assert!(in_pieces(&place, "eigen") > 20);
    are_same(&place, &FINISHED, "eigen");
    // Five settings, three landscapes, and each row of the sweep.
    assert!(in_pieces(&place, "montecarlo") > 10);
    are_same(&place, &FINISHED, "montecarlo");
    assert!(in_pieces(&place, "stream") > 0);
    are_same(&place, &FINISHED, "stream");
}

/// Found with a file in the place of the folder: the solve stopped with 75, "what is done is kept", and had kept nothing, so that a job
/// that is queued again would have begun anew for ever.
#[test]
fn a_solve_that_cannot_keep_what_is_done_does_not_stop() {
    let place = Place::small(|p| set(p, "eigen.prefix_count", 0));
    place.stages(&["fetch-data", "train"]);
    std::fs::write(place.artifact(".eigen.checkpoint"), "no folder").unwrap();
    stopped_at_once(&place, "eigen").ended(0, &[".eigen.checkpoint: ", "the stage cannot stop and go on"]);
}

/// The state of the other optimizer and the other precision, weights that are kept on the way, and draws in several rounds.
#[test]
fn other_optimizers_and_samplings_go_on_too() {
    for sampling in ["sobol", "antithetic", "plain"] {
        let [whole, pieces] = [(); 2].map(|()| {
            Place::small(|p| {
                set(p, "train.epochs", 6);
                set(p, "train.precision", "f32");
                let optimizer = "{name: sgd, learning_rate: 0.05, momentum: 0.9}";
                set(p, "train.optimizer", yaml(optimizer));
                set(p, "train.checkpoint_epochs", yaml("[2, 5]"));
                set(p, "eigen.residual_tolerance", 1e-2);
                set(p, "montecarlo.sweep", Value::Null);
                set(p, "montecarlo.sampling", sampling);
                set(p, "montecarlo.draws", 512);
                // Never reached: 128 draws, then 256, then all.
                set(p, "montecarlo.relative_error", 1e-9);
            })
        });
        whole.stages(&["fetch-data", "train", "eigen", "montecarlo"]);
        pieces.stages(&["fetch-data"]);
        assert_eq!(in_pieces(&pieces, "train"), 6);
        are_same(&pieces, &whole, "train");
        assert!(in_pieces(&pieces, "eigen") > 10);
        are_same(&pieces, &whole, "eigen");
        // Three rounds of each setting, and a landscape each.
        assert_eq!(in_pieces(&pieces, "montecarlo"), 3 * 5 + 3, "{sampling}");
        are_same(&pieces, &whole, "montecarlo");
    }
}

#[test]
fn losses_of_another_program_go_on_after_each_draw() {
    let losses = ndarray::Array2::from_shape_fn((6, 40), |(t, i)| ((7 * t + i * i) as f64 * 0.9).sin() + 1e3);
    let [whole, pieces] = [(); 2].map(|()| {
        let place = Place::small(|p| {
            let settings = "[{name: given, dim: 2, sigma: 1.0, losses: losses.npy}]";
            set(p, "montecarlo.settings", serde_yaml::from_str::<Value>(settings).unwrap());
            set(p, "montecarlo.grids", Value::Sequence(vec![]));
            set(p, "montecarlo.sweep", Value::Null);
        });
        rows::write(&place.path("losses.npy"), &losses).unwrap();
        place
    });
    whole.stages(&["montecarlo"]);
    assert_eq!(in_pieces(&pieces, "montecarlo"), 6);
    are_same(&pieces, &whole, "montecarlo");
}

/// The rules of `train.stop` look at what the checkpoint keeps: the looks of all epochs, and the best weights.
#[test]
fn training_to_a_stop_goes_on_too() {
    for stop in ["{validation: 0.1, patience: 2}", "{validation: 0.2, patience: 40, gradient_norm: 0.2}"] {
        let [whole, pieces] = [(); 2].map(|()| {
            Place::small(|p| {
                set(p, "train.epochs", 200);
                set(p, "train.optimizer.learning_rate", 0.01);
                set(p, "train.checkpoint_epochs", yaml("[2, 199]"));
                set(p, "train.stop", yaml(stop));
            })
        });
        whole.stages(&["fetch-data", "train"]);
        pieces.stages(&["fetch-data"]);
        let facts = json(whole.artifact("train/manifest.json"))["facts"].clone();
        let (epochs, by) = (facts["stop"]["epochs"].as_u64().unwrap(), &facts["stop"]["by"]);
        assert_eq!(by, if stop.contains("norm") { "gradient-norm" } else { "validation" }, "{facts}");
        assert!(
            2 < epochs && epochs < 199 && facts["checkpoint_epochs"] == serde_json::json!([2]),
            "{facts}"
        );
        assert_eq!(in_pieces(&pieces, "train") as u64, epochs, "after each epoch");
        are_same(&pieces, &whole, "train");
    }
}

/// The polish asks for values, gradients and products; power iteration for products.
#[test]
fn solvers_go_on_without_knowing_it() {
    let [whole, pieces] = [(); 2].map(|()| {
        Place::small(|p| {
            set(p, "train.hidden", vec![4_u64]);
            let polish = "{gradient_norm: 1.0e-9, curvature: 1.0e-6, max_products: 40, eigen_products: 12, primal_cache_mib: 1}";
            set(p, "train.polish", yaml(polish));
            set(p, "eigen.solver", "power");
            set(p, "eigen.which", "largest-magnitude");
            set(p, "eigen.dim", 1);
            let setting = "[{name: one, basis: hessian, dim: 1, sigma: 1.0}]";
            set(p, "montecarlo.settings", yaml(setting));
            set(p, "montecarlo.grids", Value::Sequence(vec![]));
            set(p, "montecarlo.sweep", Value::Null);
            set(p, "eigen.residual_tolerance", 1e-2);
            let spectrum = "{probes: 1, steps: 5, trace_sketch: 2, trace_probes: 3, largest: 2, smallest: 1, prefix_count: 1, class_counts: [4]}";
            set(p, "spectrum", yaml(spectrum));
        })
    });
    whole.stages(&["fetch-data", "train", "eigen", "spectrum"]);
    pieces.stages(&["fetch-data"]);
    assert!(in_pieces(&pieces, "train") > 15 + 40);
    are_same(&pieces, &whole, "train");

    // What is damaged, and what follows it, is asked for again.
    let journal = pieces.artifact(".eigen.checkpoint/solve.journal");
    (0..4).for_each(|_| assert_eq!(stopped_at_once(&pieces, "eigen").code, 75));
    let mut bytes = std::fs::read(&journal).unwrap();
    // In the third of four answers, which are of one size.
    let damaged = bytes.len() * 5 / 8;
    bytes[damaged] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    stopped_at_once(&pieces, "eigen").ended(75, &["evaluation 3 of solve"]);
    pieces.stages(&["eigen"]);
    are_same(&pieces, &whole, "eigen");
    assert!(in_pieces(&pieces, "spectrum") > 20);
    are_same(&pieces, &whole, "spectrum");
}

#[test]
fn a_signal_stops_a_stage_where_it_can_go_on() {
    let place = Place::small(|p| set(p, "train.epochs", 100_000));
    place.stages(&["fetch-data"]);
    let epoch = |said: &str| {
        let after = said.split("at epoch ").nth(1).unwrap_or_else(|| panic!("{said}"));
        after.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let mut before = 0;
    for (signal, number) in [("USR1", 10), ("TERM", 15), ("USR1", 10)] {
        let at_work = place.begin("train");
        // From then on it can stop; the first time it is made, later it is there from before, and either way the signal waits
        // for the end of an epoch or comes before there was one.
        wait_until("train can stop", || place.artifact(".train.checkpoint").exists());
        let ended = at_work.end_by(signal);
        if before == 0 {
            assert_eq!(ended.code, 75, "{}", ended.said);
        }
        if ended.code == 75 {
            assert!(ended.said.contains(&format!("stopped by signal {number}, at epoch ")), "{}", ended.said);
            assert!(epoch(&ended.said) > before, "{}", ended.said);
            before = epoch(&ended.said);
        } else {
            assert_eq!(ended.code, 128 + number, "{}", ended.said);
        }
        assert!(!place.artifact(".train.partial").exists() && !place.artifact("train").exists());
    }
    let next = stopped_at_once(&place, "train");
    assert_eq!((next.code, epoch(&next.said)), (75, before + 1), "{}", next.said);
}

/// Rounding differs between kernels of OpenBLAS: results that two have made say so.
#[test]
fn another_kernel_goes_on_and_is_named() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let with = |kernel: &str, flags: &[&str]| {
        let mut command = place.command("train", "digits");
        ran(command.args(flags).env("OPENBLAS_CORETYPE", kernel).output())
    };
    let blas = || {
        let manifest = json(place.artifact("train/manifest.json"));
        manifest["run"]["blas"].as_str().unwrap().to_owned()
    };
    let kernels =
        if cfg!(target_arch = "aarch64") { ["ARMV8", "CORTEXA53"] } else { ["NEHALEM", "PRESCOTT"] };
    let first = |said: &str| said.contains("goes on where") && said.contains("of neither alone");
    assert_eq!(with(kernels[0], &["--stop-after", "0"]).code, 75);
    let second = with(kernels[1], &["--stop-after", "0"]);
    assert!(second.code == 75 && first(&second.said), "{}", second.said);
    let last = with(kernels[1], &[]);
    assert!(last.code == 0 && last.said.contains("goes on where") && !first(&last.said), "{}", last.said);
    let (found, words) = (blas(), |kernel: &str| kernel.to_lowercase());
    let names = found.to_lowercase();
    let (one, other) = names.split_once(", then ").unwrap_or_else(|| panic!("{found}"));
    assert!(one.contains(&words(kernels[0])) && other.contains(&words(kernels[1])), "{found}");
}

/// OpenBLAS #4267: a processor that it does not know is taken for one without AVX2, whose kernel takes five times as long.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[test]
fn an_old_kernel_on_a_new_processor_is_replaced_unless_it_was_asked_for() {
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let shim = shim(&place);
    let kernel = |taken_for: &str, told: Option<&str>| {
        let _ = std::fs::remove_dir_all(place.artifact("train"));
        let mut command = place.command("train", "digits");
        command.env_remove("OPENBLAS_CORETYPE").env("LD_PRELOAD", &shim).env("SHIM_KERNEL", taken_for);
        command.envs(told.map(|told| ("OPENBLAS_CORETYPE", told)));
        ran(command.output()).ended(0, &[]);
        let manifest = json(place.artifact("train/manifest.json"));
        manifest["run"]["blas"].as_str().unwrap().rsplit(", ").next().unwrap().to_owned()
    };
    let better = if is_x86_feature_detected!("avx512vl") {
        "SkylakeX kernel"
    } else if is_x86_feature_detected!("avx2") {
        "Haswell kernel"
    } else {
        "Prescott kernel"
    };
    assert_eq!(kernel("Prescott", None), better);
    assert_eq!(kernel("Prescott", Some("Nehalem")), "Nehalem kernel");
    assert_eq!(kernel("Zen", None), "Zen kernel");
}

#[test]
fn a_foreign_or_damaged_checkpoint_is_ignored_with_a_warning() {
    let seed = |p: &mut Value| {
        small(p);
        set(p, "train.seed", 77);
    };
    let place = Place::new(small);
    place.stages(&["fetch-data"]);
    let checkpoint = place.artifact(".train.checkpoint/fit.safetensors");
    let stop = || assert_eq!(stopped_at_once(&place, "train").code, 75);

    stop();
    let mut bytes = std::fs::read(&checkpoint).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&checkpoint, bytes).unwrap();
    place.stage("train").ended(0, &["it is damaged (", "is ignored"]);
    are_same(&place, &FINISHED, "train");

    std::fs::remove_dir_all(place.artifact("train")).unwrap();
    stop();
    place.edit(seed);
    place.stage("train").ended(0, &["it is of other parameters, inputs or code; it is ignored"]);
    assert!(!checkpoint.exists());
    let other = Place::new(seed);
    other.stages(&["fetch-data", "train"]);
    are_same(&place, &other, "train");
}
