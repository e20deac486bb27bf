//! A convolutional network from `pipeline.yaml` to the report, and what is said of layers that do not fit.

use pipeline_tests::{Place, STAGES, check_with_numpy, json, readme_block, set, small, yaml};

/// Convolutions with and without bias, both pools, a hidden linear layer, no bias at the output.
fn convolutional(pipeline: &mut serde_yaml::Value) {
    small(pipeline);
    let layers = "[{conv: 4, kernel: 3, padding: 1}, {max_pool: 2}, {conv: 4, kernel: 2, stride: 2, activation: none, bias: false}, \
                  {average_pool: 2}, {linear: 8, activation: tanh}]";
    set(pipeline, "train.layers", yaml(layers));
    set(pipeline, "train.output_bias", false);
    set(pipeline, "train.precision", "f64");
    set(pipeline, "train.epochs", 40);
}

#[test]
fn a_convolutional_network_goes_through_every_stage() {
    let place = Place::new(convolutional);
    place.stages(&STAGES);
    check_with_numpy(&place.path("artifacts/digits"), &["quadratic: within", "density: within"]);
    let facts = json(place.artifact("train/manifest.json"))["facts"].clone();
    // 4·(9 + 1) + 4·(4·2·2) + 8·(4 + 1) + 10·8
    assert_eq!(
        (&facts["n_params"], &facts["network"]["image"]),
        (&224.into(), &serde_json::json!([1, 8, 8]))
    );
    let names = facts["layout"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["W1", "b1", "W3", "W5", "b5", "W6"]);
    let html = std::fs::read_to_string(place.artifact("report/index.html")).unwrap();
    let network = "1x8x8, conv 4 (3x3, padding 1), max pool 2, conv 4 (2x2, stride 2) without bias, average pool 2, linear 8, \
                   linear 10 without bias";
    assert!(html.contains(network), "the page describes the network");
    // Small σ: Monte Carlo is the second-order model.
    let theory = json(place.artifact("bound/theory.json"));
    let small = theory["settings"].as_array().unwrap().iter().find(|s| s["name"] == "small-sigma").unwrap();
    let second = small["theories"].as_array().unwrap().iter().find(|t| t["name"] == "second-order").unwrap();
    assert!(second["within_three_standard_errors"].as_f64().unwrap() >= 0.97, "{second}");
    assert!((second["geometric_mean_ratio"].as_f64().unwrap() - 1.0).abs() <= 0.01, "{second}");

    // What left as a state_dict comes back with the same loss.
    std::fs::copy(place.artifact("train/weights.safetensors"), place.path("w.safetensors")).unwrap();
    place.edit(|p| set(p, "train.weights", "w.safetensors"));
    place.stages(&["train"]);
    let again = json(place.artifact("train/manifest.json"))["facts"].clone();
    assert_eq!(again["train_loss"], facts["train_loss"]);
    assert_eq!(again["brought_layers"], serde_json::json!(["0", "3", "6", "8"]));
}

/// README's network, layer by layer.
#[test]
fn the_layers_of_readme_are_trained() {
    let block = format!("train:\n{}", readme_block("      layers: ["));
    let place = Place::small(|p| {
        let printed = yaml(&block)["train"].clone();
        for key in ["layers", "output_bias"] {
            set(p, &format!("train.{key}"), printed[key].clone());
        }
    });
    place.stages(&["fetch-data", "train"]);
    // 6·(9 + 1) + 12·(54 + 1) + 32·(12·2·2) + 10·(32 + 1)
    assert_eq!(json(place.artifact("train/manifest.json"))["facts"]["n_params"], 2586);
}

/// Records as CIFAR has them, of another number and shape, with mean and deviation of each channel.
#[test]
fn own_records_with_channels_go_through() {
    let place = Place::small(|p| {
        let files = "{train_x: a.bin, train_y: a.bin, test_x: b.bin, test_y: b.bin}";
        set(p, "fetch-data.dataset", "files");
        set(p, "fetch-data.files", yaml(files));
        set(p, "fetch-data.image", yaml("[3, 6, 5]"));
        let normalisation = "{scale: 255, mean: [0.5, 0.4, 0.3], std: [0.25, 0.2, 0.1]}";
        set(p, "fetch-data.normalisation", yaml(normalisation));
        set(p, "train.layers", yaml("[{conv: 4, kernel: 3, padding: 1}, {max_pool: 2}]"));
        set(p, "train.precision", "f64");
        set(p, "montecarlo.grids", yaml("[]"));
        set(p, "spectrum.class_counts", yaml("[]"));
    });
    // Bright, middle and dark images of a class, with some noise.
    let record = |i: usize| {
        let byte = |n: usize| u8::try_from(n).expect("below 256");
        let pixels = (0..90).map(|j| byte((i % 3) * 80 + (i * 37 + j * 101) % 60));
        std::iter::once(byte(i % 3)).chain(pixels).collect::<Vec<_>>()
    };
    let bytes = |range: std::ops::Range<usize>| range.flat_map(record).collect::<Vec<_>>();
    std::fs::write(place.path("a.bin"), bytes(0..240)).unwrap();
    std::fs::write(place.path("b.bin"), bytes(240..300)).unwrap();
    place.stages(&STAGES);
    check_with_numpy(&place.path("artifacts/digits"), &["quadratic: within"]);
    let facts = json(place.artifact("fetch-data/manifest.json"))["facts"].clone();
    assert_eq!((&facts["image"], &facts["n_classes"]), (&serde_json::json!([3, 6, 5]), &3.into()));
    assert_eq!((&facts["n_samples"], &facts["n_test"]), (&240.into(), &60.into()));
    for (key, value, part) in [
        ("fetch-data.normalisation.mean", "[0.5, 0.4]", "2 means and 3 deviations"),
        (
            "fetch-data.normalisation.std",
            "[0.25, 0.0, 0.1]",
            "normalisation.std: 0; a number above 0 is needed",
        ),
        ("fetch-data.image", "[2, 9, 5]", "normalisation: 3 channels, but a sample has 2"),
        ("fetch-data.image", "[3, 6, 6]", "a.bin: 21840 bytes; records of 109 bytes with 1 label(s)"),
    ] {
        let before = std::fs::read(place.path("pipeline.yaml")).unwrap();
        place.edit(|p| set(p, key, yaml(value)));
        let ran = place.stage("fetch-data");
        assert!(ran.code != 0 && ran.said.contains(part), "{part:?} is not in: {}", ran.said);
        std::fs::write(place.path("pipeline.yaml"), before).unwrap();
    }
}

#[test]
fn layers_that_do_not_fit_are_refused_before_any_work() {
    let said = |layers: &str, stage: &str, edit: &dyn Fn(&mut serde_yaml::Value)| {
        let place = Place::small(|p| {
            set(p, "train.layers", yaml(layers));
            edit(p);
        });
        let ran = place.stage(stage);
        assert_eq!(ran.code, 2, "{}", ran.said);
        assert!(!place.path("artifacts/digits/fetch-data").exists());
        ran.said
    };
    for (layers, part) in [
        ("[{conv: 4, kernel: 9}]", "train.layers: layer 1: a kernel of 9 does not fit an image of 8 x 8"),
        (
            "[{max_pool: 3}, {max_pool: 3}]",
            "train.layers: layer 2: a pool of 3 does not fit an image of 2 x 2",
        ),
        (
            "[{linear: 5}, {conv: 4, kernel: 3}]",
            "train.layers: layer 2: a kernel of 3 does not fit an image of 1 x 1",
        ),
    ] {
        let said = said(layers, "fetch-data", &|_| ());
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    // What is wrong in itself is a matter of the stage.
    for (layers, part) in [
        ("[{conv: 4}]", "train.layers[0]: a convolution needs a `kernel`"),
        ("[{conv: 0, kernel: 3}]", "train.layers[0].conv: 0; at least 1 is needed"),
        ("[{conv: 4, kernel: 3, dilation: 2}]", "unknown field `dilation`"),
    ] {
        let said = said(layers, "train", &|_| ());
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    let wrong =
        said("[{conv: 4, kernel: 3}]", "fetch-data", &|p| set(p, "fetch-data.image", yaml("[3, 8, 8]")));
    assert!(wrong.contains("fetch-data.image: [3, 8, 8] has 192 values, but a sample has 64"), "{wrong}");
}
