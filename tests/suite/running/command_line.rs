//! What a user meets at the terminal: states, dry runs, lines for programs, completions, and files of other tools.

use std::collections::BTreeSet;
use std::process::Command;

use pipeline_tests::{FINISHED, Place, STAGES, as_typed, binary, python, ran, root, set, small, yaml};
use serde_json::Value;

/// The one line of JSON on stdout, and the exit code.
#[track_caller]
fn json(command: &mut Command) -> (Value, i32) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}{}", String::from_utf8_lossy(&output.stderr));
    (serde_json::from_str(&text).unwrap(), output.status.code().unwrap())
}

#[test]
fn every_stage_ends_with_a_line_for_programs() {
    let place = Place::new(small);
    for stage in STAGES {
        let (line, code) = json(place.command(stage, "digits").arg("--json"));
        assert_eq!((code, &line["stage"], &line["status"]), (0, &stage.into(), &"done".into()), "{line}");
        assert!(line["seconds"].as_f64().unwrap() > 0.0 && line["facts"].is_object(), "{line}");
        let (line, code) = json(place.command(stage, "digits").arg("--json"));
        assert_eq!((code, &line["status"]), (0, &"up to date".into()), "{line}");
    }
    place.edit(|p| set(p, "train.epoch", 3));
    let (line, code) = json(place.command("train", "digits").args(["--json", "-q"]));
    assert_eq!((code, &line["status"], &line["exit_code"]), (2, &"error".into(), &2.into()), "{line}");
    assert!(line["hint"].as_str().unwrap().starts_with("did you mean `epochs`?"), "{line}");
}

/// A fault in a file for long runs would be met by a user first.
#[test]
fn every_pipeline_of_the_repository_is_valid() {
    for file in ["pipeline.yaml", "pipeline.full.yaml", "pipeline.scale.yaml"] {
        let artifacts = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary("params"));
        command.arg("--pipeline").arg(root().join(file)).arg("--artifacts").arg(artifacts.path());
        let ran = ran(command.output());
        assert_eq!(ran.code, 0, "{file}: {}", ran.said);
    }
}

#[test]
fn misspelt_names_get_a_suggestion_with_the_line() {
    let cases = [
        ("montecarlo.draw", "7", "did you mean `draws`?"),
        ("train.activation", "relue", "did you mean `relu`?"),
        ("montecarol", "{}", "did you mean `montecarlo`?"),
    ];
    for (key, value, question) in cases {
        let place = Place::new(|p| set(p, key, yaml(value)));
        let said = ["train", "montecarlo"].map(|s| place.stage(s).said).concat();
        assert!(said.contains(question) && said.contains("pipeline.yaml:"), "{key}: {said}");
    }
    let place = Place::new(small);
    let ran = ran(place.command("train", "digit").output());
    assert!(ran.said.contains("did you mean `digits`?"), "{}", ran.said);
}

#[test]
fn make_ends_after_the_error_of_a_misspelt_key() {
    let place = Place::new(|p| set(p, "train.epoch", 7));
    // Without artifacts, then with the list of members of the first run.
    for goals in [&["quick"][..], &["-j2", "digits/train"]] {
        let ran = place.make(goals);
        assert_ne!(ran.code, 0, "{}", ran.said);
        assert!(ran.said.contains("did you mean `epochs`?"), "{}", ran.said);
        let of_make = ran
            .said
            .lines()
            .filter(|l| l.starts_with("make") || l.starts_with("Makefile"))
            .collect::<Vec<_>>();
        assert!(matches!(of_make[..], [line] if line.contains("] Error ")), "{}", ran.said);
    }
}

#[test]
fn status_says_what_is_stale_and_why() {
    let place = Place::new(small);
    let status = |place: &Place| {
        let ran = place.make(&["status"]);
        assert_eq!(ran.code, 0, "{}", ran.said);
        let of_digits = ran.said.lines().filter_map(|l| l.strip_prefix("digits "));
        of_digits.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let lines = status(&place);
    assert_eq!(lines[0], "fetch-data missing");
    assert_eq!(lines[1], "train missing: fetch-data has not finished");
    place.stages(&STAGES);
    assert_eq!(status(&place), STAGES.map(|stage| format!("{stage} fresh")));
    place.edit(|p| set(p, "eigen.dim", 4));
    let lines = status(&place);
    assert_eq!(lines[1..4], ["train fresh", "eigen stale: dim 3 -> 4", "montecarlo stale: follows eigen"]);
    std::fs::remove_file(place.artifact("train/w_star.npy")).unwrap();
    assert_eq!(status(&place)[1], "train stale: w_star.npy is missing");
    // A stage at work.
    place.edit(|p| set(p, "train.epochs", 100_000));
    let at_work = place.begin("train");
    assert_eq!(status(&place)[1], "train running");
    drop(at_work);
    // And gone with its experiment.
    assert_eq!(place.make(&["clean-digits"]).code, 0);
    assert!(!place.path("artifacts/digits").exists());
    assert!(!place.path("artifacts/index.html").exists(), "it would link to nothing");
    assert!(!place.path("artifacts/compare.html").exists());
}

#[test]
fn a_removed_experiment_is_on_no_page() {
    let place = Place::small(|p| {
        p["experiments"]["other"] = p["experiments"]["digits"].clone();
    });
    for experiment in ["digits", "other"] {
        for stage in STAGES {
            let ran = ran(place.command(stage, experiment).output());
            assert_eq!(ran.code, 0, "{stage}: {}", ran.said);
        }
    }
    let pages = || {
        ["index.html", "compare.html"]
            .map(|p| std::fs::read_to_string(place.path("artifacts").join(p)).unwrap())
    };
    assert!(
        pages()[0].contains("href=\"digits/report/index.html\"") && pages()[1].contains("<td>digits</td>")
    );
    place.make(&["clean-digits"]).ended(0, &[]);
    let [index, compare] = pages();
    assert!(
        !index.contains("digits/report") && index.contains("href=\"other/report/index.html\""),
        "{index}"
    );
    assert!(!compare.contains("<td>digits</td>") && compare.contains("<td>other</td>"));
}

#[test]
fn a_dry_run_tells_the_cost_and_runs_nothing() {
    let place = Place::new(small);
    for stage in STAGES {
        let (line, code) = json(place.command(stage, "digits").args(["--dry-run", "--json"]));
        assert_eq!((code, &line["would_run"]), (0, &true.into()), "{line}");
        if ["train", "eigen", "montecarlo", "answer", "spectrum", "stream"].contains(&stage) {
            assert!(
                line["flops"].as_f64().unwrap() > 1e6 && line["seconds"].as_f64().unwrap() > 0.0,
                "{line}"
            );
            assert!(line["memory_bytes"].as_f64().unwrap() > 1e6, "{line}");
        } else {
            assert!(line["memory_bytes"].is_null(), "{line}");
            assert_eq!(line["flops"].to_string(), "0.0");
        }
    }
    assert!(!place.path("artifacts").exists(), "nothing ran");
    // Softmax of 64-32-10 over 1,437 samples for 15 epochs: 4 flops per weight of the first layer, 6 per other.
    let (line, _) = json(place.command("train", "digits").args(["--dry-run", "--json"]));
    let flops = 15.0 * 1437.0 * (4.0 * 64.0 * 32.0 + 6.0 * 32.0 * 10.0);
    assert_eq!(line["parts"][0]["flops"].as_f64(), Some(flops), "{line}");
    // 2 probes of 12 steps over all samples, 4 flops per weight of the first layer and 12 per other.
    let (line, _) = json(place.command("spectrum", "digits").args(["--dry-run", "--json"]));
    let product = 1437.0 * (4.0 * 64.0 * 32.0 + 12.0 * 32.0 * 10.0);
    assert_eq!(line["parts"][0]["flops"].as_f64(), Some(2.0 * 12.0 * product), "{line}");
    assert_eq!(line["parts"][1]["flops"].as_f64(), Some((2.0 * 12.0 + 20.0) * product), "{line}");
    // What is not asked for is not listed.
    place.edit(|p| set(p, "eigen.prefix_count", 0));
    let (line, _) = json(place.command("eigen", "digits").args(["--dry-run", "--json"]));
    let (parts, text) = (line["parts"].as_array().unwrap(), line.to_string());
    assert!(parts.len() == 2 && !text.contains("prefixes") && !text.contains("-0"), "{text}");
    // 2 runs: 10 passes over 64 samples, then one over 96, 128, … as far as whole batches of 32 come.
    let (line, _) = json(place.command("stream", "digits").args(["--dry-run", "--json"]));
    let arrivals = (96..=1437).step_by(32).sum::<u32>();
    let flops = 2.0 * f64::from(640 + arrivals) * (4.0 * 64.0 * 32.0 + 6.0 * 32.0 * 10.0);
    assert_eq!(line["parts"][0]["flops"].as_f64(), Some(flops), "{line}");
    // Two members of 100 and 300 samples: 8 draws of the smaller one over 300, 3 directions beside the first layer's sums.
    place.edit(|p| {
        let family = yaml("{ladder: [100, 300], draws: 8}");
        set(p, "family", family);
    });
    let (line, code) = json(place.command("family", "digits").args(["--dry-run", "--json"]));
    let flops = 8.0 * 300.0 * (2.0 * 4.0 * 32.0 + 2.0 * 320.0);
    assert_eq!((code, line["parts"][0]["flops"].as_f64()), (0, Some(flops)), "{line}");
    assert!(
        line["seconds"].as_f64().unwrap() > 0.0 && line["memory_bytes"].as_f64().unwrap() > 1e6,
        "{line}"
    );

    let ran_dry = |stage| ran(FINISHED.command(stage, "digits").arg("--dry-run").output()).said;
    let eigen = ran_dry("eigen");
    for part in [
        "would not run (fresh)",
        "Hessian-vector products",
        "as the last run took",
        "memory  about ",
        "time    about ",
    ] {
        assert!(eigen.contains(part), "{part:?} in {eigen}");
    }
    let bound = ran_dry("bound");
    assert!(
        bound.contains("  memory  not estimated\n") && bound.contains("it was not calibrated"),
        "{bound}"
    );
}

#[test]
fn help_completions_and_man_pages_come_from_one_definition() {
    for stage in STAGES {
        let of = |flags: &[&str]| ran(Command::new(binary(stage)).args(flags).output());
        let help = of(&["--help"]);
        for part in
            ["Example:", "Exit codes:", "nats", "artifacts/digits/", "--dry-run", "--json", "NO_COLOR"]
        {
            assert!(help.said.contains(part), "{stage} --help lacks {part:?}");
        }
        for shell in ["bash", "zsh", "fish"] {
            of(&["--completions", shell]).ended(0, &["dry-run"]);
        }
        let man = of(&["--man"]);
        man.ended(0, &[".SH NAME", "experiment"]);
    }
    assert_eq!(Place::new(small).make(&["man"]).code, 0);
    let pages = std::fs::read_dir(root().join("target/share/man/man1")).unwrap();
    let pages = pages.map(|p| p.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>();
    assert!(STAGES.iter().all(|s| pages.contains(&format!("{s}.1"))), "{pages:?}");
}

#[test]
fn messages_have_no_colour_codes_where_there_is_no_terminal() {
    let place = Place::new(|p| set(p, "train.epochs", "ten"));
    let said = ran(place.command("train", "digits").output()).said;
    assert!(said.starts_with("error: ") && !said.contains('\x1b'), "{said:?}");
}

/// Weights that `train` wrote as safetensors, brought back, are the same network.
#[test]
fn safetensors_go_out_and_come_back() {
    let place = Place::small(|p| set(p, "train.weights", "w.safetensors"));
    std::fs::copy(FINISHED.artifact("train/weights.safetensors"), place.path("w.safetensors")).unwrap();
    place.stages(&["fetch-data", "train"]);
    let w = |p: &Place| std::fs::read(p.artifact("train/w_star.npy")).unwrap();
    assert!(w(&place) == w(&FINISHED));
}

/// The example, with PyTorch where there is one; else the same state_dict from NumPy.
#[test]
fn the_example_goes_from_a_trained_mlp_to_k() {
    let Some(python) = python() else { return };
    let torch = Command::new(&python).args(["-c", "import torch"]).output().unwrap().status.success();
    if !torch {
        eprintln!(
            "no PyTorch here: the example trains the same MLP in NumPy and writes the layout of its state_dict"
        );
    }
    let dir = Place::new(small);
    let mut command = Command::new(python);
    command.arg(root().join("examples/pytorch_to_k.py")).arg("--folder").arg(dir.path("my"));
    if !torch {
        command.arg("--without-torch");
    }
    as_typed(&mut command);
    let ran = ran(command.output());
    ran.ended(0, &["Samples that are enough: "]);
    let results = dir.path("my/artifacts/my-mlp");
    let summary = pipeline_tests::json(results.join("report/summary.json"));
    // NumPy's own forward pass over the same f32 weights, printed with eight decimals.
    let line = ran.said.lines().find_map(|l| l.strip_prefix("loss of the network: ")).unwrap();
    let losses = line.split(' ').filter_map(|word| word.parse::<f64>().ok()).collect::<Vec<_>>();
    assert!(losses.len() == 2 && losses[0] > 0.0 && (losses[0] - losses[1]).abs() < 1e-6, "{line}");
    // Wrong weights would classify one in ten.
    assert!(summary["train_accuracy"].as_f64().unwrap() > 0.9, "{summary}");
}

/// What other tools read of the report: the summary by its schema, landscapes as VTK.
#[test]
fn other_tools_read_the_report() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("docs/summary.schema.json")).unwrap())
            .unwrap();
    let report = |file: &str| std::fs::read_to_string(FINISHED.artifact(&format!("report/{file}"))).unwrap();
    let summary: Value = serde_json::from_str(&report("summary.json")).unwrap();
    let known = schema["properties"].as_object().unwrap().keys().collect::<BTreeSet<_>>();
    assert_eq!(summary.as_object().unwrap().keys().collect::<BTreeSet<_>>(), known);
    let markdown = report("summary.md");
    assert!(
        markdown.contains(summary["headline"].as_str().unwrap()) && markdown.contains("| order-average |")
    );
    // F14: every setting, not the answer's alone.
    let (page, settings) = (report("index.html"), summary["settings"].as_array().unwrap());
    assert!(settings.len() > 1, "{summary}");
    for setting in settings {
        let name = setting["name"].as_str().unwrap();
        assert!(markdown.contains(&format!("| {name}")) && page.contains(&format!("<td>{name}")), "{name}");
        assert!(summary["sufficient"].as_array().unwrap().iter().any(|r| r["setting"] == name), "{name}");
    }
    let Some(python) = python() else { return };
    let script = "
import sys, numpy as np, xml.etree.ElementTree as tree
root = sys.argv[1]
grid = tree.parse(root + '/report/surfaces/hessian.vts').getroot()[0]
g = int(grid.get('WholeExtent').split()[1]) + 1
arrays = {a.get('Name'): np.array(a.text.split(), float) for a in grid.iter('DataArray')}
axis, sizes = np.load(root + '/montecarlo/grid_hessian/axis.npy'), np.load(root + '/montecarlo/grid_hessian/prefix_sizes.npy')
loss, change = (np.load(f'{root}/montecarlo/grid_hessian/{n}.npy') for n in ['loss', 'change'])
points = arrays['theta'].reshape(-1, 3)
assert g == len(axis) and len(arrays) == 1 + 2 * len(sizes)
for m, k in enumerate(sizes):
    for name, values in [('loss', loss), ('squared_change', change)]:
        found = arrays[f'{name}_k{k:08d}']
        a, b = (np.searchsorted(axis, points[:, i]) for i in [0, 1])
        assert (found == values[m][a, b]).all(), name
";
    let ran = ran(Command::new(python).args(["-c", script]).arg(FINISHED.path("artifacts/digits")).output());
    assert_eq!(ran.code, 0, "{}", ran.said);
}

/// Four processes that do the same work write over each other: an `srun -n4` before a program that knows nothing of others.
#[test]
fn several_processes_of_a_build_without_mpi_are_refused_before_any_work() {
    let place = Place::new(small);
    let run = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = place.command("fetch-data", "digits");
        ran(command.envs(variables.iter().copied()).args(flags).output())
    };
    for variable in ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
        let refused = run(&[(variable, "4")], &[]);
        assert_eq!(refused.code, 2, "{}", refused.said);
        let expected =
            format!("error: fetch-data: started as 4 processes ({variable}=4), but this build works in one");
        assert!(
            refused.said.contains(&expected) && refused.said.contains("make RANKS=4"),
            "{}",
            refused.said
        );
    }
    run(&[], &["--ranks", "2"]).ended(2, &["2 processes were asked for"]);
    assert!(!place.path("artifacts").exists(), "nothing was written");
    // What only looks is one process, and a step of one task, in a batch script for four, is one.
    assert_eq!(run(&[("SLURM_STEP_NUM_TASKS", "4")], &["--check"]).code, 1);
    let one = [("SLURM_NTASKS", "4"), ("SLURM_STEP_NUM_TASKS", "1")];
    assert_eq!(run(&one, &["--ranks", "1"]).code, 0);
}

/// cases.md D15 (ray #28586, future #412): as many threads as a launcher grants.
#[test]
fn threads_are_those_of_the_environment() {
    let place = Place::new(small);
    for (variables, threads) in [
        (vec![("OMP_NUM_THREADS", "3")], 3),
        (vec![("SLURM_CPUS_PER_TASK", "5")], 5),
        (vec![("RAYON_NUM_THREADS", "2"), ("OMP_NUM_THREADS", "3")], 2),
    ] {
        let mut command = place.command("fetch-data", "digits");
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"] {
            command.env_remove(name);
        }
        let ran = ran(command.envs(variables).args(["--dry-run", "--json"]).output());
        assert!(ran.said.contains(&format!("\"threads\":{threads},")), "{threads}: {}", ran.said);
    }
}
