//! Input that means harm, through the real binaries: names that a page, a terminal or a shell would obey, folders that are
//! left, files that are executed elsewhere, and packed files that would fill the memory.

use std::process::Command;

use pipeline_tests::{FINISHED, Place, Ran, STAGES, binary, make, ran, root, set, small, yaml};
use serde_yaml::Value;
use store::npy::AnyArray;
use store::npz;

/// A name that is a tag in a page, colours in a terminal, and a command in a shell.
const NAME: &str = "<img src=x onerror=alert(1)>\u{1b}[31m\u{7}$(touch x)`touch x`.npz";
const TITLE: &str = "</title></script><script>alert(1)</script>\u{1b}[31m";

#[track_caller]
fn is_harmless(said: &str) {
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
}

/// Pages of a hostile title and a hostile name of a file, with a warning that names it.
#[test]
fn names_and_titles_are_text_in_pages_logs_and_answers() {
    let place = Place::small(|p| {
        set(p, "train.weights", NAME);
        set(p, "report.title", TITLE);
    });
    // The weights of a finished run, beside an array that no layer takes: a warning names it.
    let trained = FINISHED.artifact("train/weights.npz");
    let read = |(name, ..): (String, Vec<usize>, String)| {
        let AnyArray::F32(array) = npz::read(&trained, &name).unwrap() else { panic!("{name}") };
        (name, array)
    };
    let mut arrays = npz::entries(&trained).unwrap().into_iter().map(read).collect::<Vec<_>>();
    arrays.push((NAME.replace(".npz", ""), ndarray::ArrayD::zeros(vec![1])));
    npz::write(&place.path(NAME), &arrays).unwrap();
    let made = place.make(&["digits"]);
    assert_eq!(made.code, 0, "{}", made.said);
    is_harmless(&made.said);
    for stage in STAGES {
        let Ran { said, .. } = place.stage(stage);
        is_harmless(&said);
    }
    assert!(made.said.contains("<img src=x onerror=alert(1)>"), "the file is named: {}", made.said);
    let text = |path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{e}: {}", made.said));
    is_harmless(&text(place.artifact("report/answer.txt")));
    for page in ["digits/report/index.html", "index.html", "compare.html"] {
        let page = text(place.path("artifacts").join(page));
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
        assert!(!page.contains('\u{1b}'), "{page}");
    }
    let markdown = text(place.artifact("report/summary.md"));
    is_harmless(&markdown);
    assert!(!markdown.contains("<script>") && !markdown.contains("<img"), "{markdown}");
    let mut status = Command::new(binary("status"));
    status.arg("--pipeline").arg(place.path("pipeline.yaml")).arg("--artifacts").arg(place.path("artifacts"));
    is_harmless(&ran(status.output()).said);
    assert!(!place.path("x").exists() && !root().join("x").exists(), "a name was executed");
}

/// Names that would lead out of the folder of results, in the file and on the command line.
#[test]
fn no_name_leaves_the_folder_of_results() {
    let place = Place::new(small);
    let up = place.path("up");
    std::fs::create_dir(&up).unwrap();
    std::fs::write(up.join("precious"), b"1").unwrap();
    for name in ["../up", "..", "/tmp/up", "digits/../../up", "up\u{1b}[31m"] {
        for stage in ["fetch-data", "report"] {
            let ran = ran(place.command(stage, name).output());
            assert_eq!(ran.code, 2, "{name}: {}", ran.said);
            is_harmless(&ran.said);
        }
    }
    for target in ["clean-../up", "clean-..", "clean-digits/../../up", "clean-/up"] {
        let ran = place.make(&[target]);
        assert_ne!(ran.code, 0, "{target}: {}", ran.said);
    }
    for (target, kept) in [("clean-*", "digits2"), ("clean-a b", "b"), ("clean-$(touch x);touch y;#", "a")] {
        let dir = place.path("artifacts").join(kept);
        std::fs::create_dir_all(&dir).unwrap();
        place.make(&[target]);
        assert!(dir.exists() && !root().join("x").exists() && !root().join("y").exists(), "{target}");
    }
    for folder in ["x;touch y", "a`touch y`", "a'b", "a%b", "a:b", "a\\b"] {
        let ran = ran(make().args([&format!("A={folder}"), "digits/fetch-data"]).output());
        assert!(
            ran.code != 0 && ran.said.contains("path contains other characters"),
            "{folder}: {}",
            ran.said
        );
        assert!(!root().join("y").exists(), "{folder}");
    }
    // An empty A is no folder of the machine.
    let dry = ran(make().args(["-n", "A=", "clean-home"]).output());
    assert!(dry.said.contains("rm -rf -- 'artifacts/home'"), "{}", dry.said);
    let above = place.make(&["clean-.."]);
    assert!(above.said.contains("no name of an experiment"), "{}", above.said);
    assert!(up.join("precious").exists());
    let edits: [(&str, &str); 4] = [
        ("experiments", "{../up: {}}"),
        ("family", "{variants: [{name: ../up, sections: {}}]}"),
        ("montecarlo", "{settings: [{name: ../up, basis: hessian, dim: 1, sigma: 1.0}]}"),
        (
            "montecarlo",
            "{grids: [{name: ../up, basis: hessian, points: 5, extent: 1.0, prefix_sizes: [100]}]}",
        ),
    ];
    for (key, yaml) in edits {
        let place = Place::new(small);
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        place.edit(|p| match key {
            "experiments" => p["experiments"] = value,
            _ => set(p, key, value),
        });
        place.params().ended(2, &["../up"]);
        assert!(!place.path("up").exists());
    }
}

/// Files that take their defaults from each other.
#[test]
fn a_circle_of_pipeline_files_is_an_error() {
    let place = Place::new(small);
    let write = |file: &str, from: &str| {
        std::fs::write(place.path(file), format!("defaults_from: {from}\nexperiments: {{digits: {{}}}}\n"))
            .unwrap();
    };
    write("pipeline.yaml", "a.yaml");
    write("a.yaml", "./pipeline.yaml");
    place.stage("fetch-data").ended(2, &["a.yaml:1: defaults_from: "]);
    write("pipeline.yaml", "pipeline.yaml");
    assert_eq!(place.stage("fetch-data").code, 2);
}

/// An array of objects is a pickle: nothing of it is executed, and it says how to convert it.
#[test]
fn a_pickle_in_an_array_is_refused() {
    let place = Place::new(small);
    let text = "{'descr': '|O', 'fortran_order': False, 'shape': (200, 2), }\n";
    let header =
        [b"\x93NUMPY\x01\x00", &[u8::try_from(text.len()).unwrap(), 0][..], text.as_bytes()].concat();
    let pickle = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x07touch x\x85R.";
    std::fs::write(place.path("o.npy"), [&header[..], pickle].concat()).unwrap();
    place.edit(|p| {
        let files = "{dataset: files, files: {train_x: o.npy, train_y: o.npy}, normalisation: {scale: 1, mean: 0, std: 1}}";
        set(p, "fetch-data", yaml(files));
    });
    place.stage("fetch-data").ended(3, &["|O", "hint: "]);
    assert!(!place.path("x").exists());
}

/// A packed array of four gigabytes of zeros, in a process that may not take more than a fraction of that.
#[test]
fn a_bomb_takes_no_memory() {
    let place = Place::new(small);
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 4), }}\n", 1_u64 << 28);
    let header =
        [b"\x93NUMPY\x01\x00", &[u8::try_from(text.len()).unwrap(), 0][..], text.as_bytes()].concat();
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &header).unwrap();
    std::io::Write::write_all(&mut gz, &vec![0; 64 << 20]).unwrap();
    std::fs::write(place.path("x.npy.gz"), gz.finish().unwrap()).unwrap();
    place.edit(|p| {
        let files = "{dataset: files, files: {train_x: x.npy.gz, train_y: x.npy.gz}, normalisation: {scale: 1, mean: 0, std: 1}}";
        set(p, "fetch-data", yaml(files));
    });
    let mut limited = Command::new("bash");
    limited.args(["-c", "ulimit -v 1500000; exec \"$@\"", "bash"]).arg(binary("fetch-data"));
    limited
        .arg("--pipeline")
        .arg(place.path("pipeline.yaml"))
        .arg("--artifacts")
        .arg(place.path("artifacts"));
    let ran = ran(limited.args(["--experiment", "digits"]).env("RAYON_NUM_THREADS", "1").output());
    ran.ended(3, &["would unpack"]);
}
