use super::*;
use landscape::{Activation, Image, Layer, Loss};
use ndarray::ArrayD;
use store::{npz, rows, safetensors};

use crate::weights;

type Arrays = Vec<(String, ArrayD<f64>)>;

fn network(widths: &[usize]) -> Network {
    Network::new(widths, Activation::Relu, Loss::SoftmaxCrossEntropy)
}

/// The layers of a network of these widths under `names`, each number unlike, and w.
fn named(network: &Network, names: &[&str]) -> (Arrays, Array1<f64>) {
    let w = Array1::from_iter((0..network.n_params()).map(|i| i as f64 + 0.5));
    let rename = |(name, array): (String, ArrayD<f64>)| {
        let layer = names[name[1..].parse::<usize>().unwrap() - 1];
        (format!("{layer}.{}", if name.starts_with('W') { "weight" } else { "bias" }), array)
    };
    (weights::by_layer(network, &w).into_iter().map(rename).collect(), w)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn npz(&self, arrays: &Arrays) -> std::path::PathBuf {
        let path = self.0.path().join("w.npz");
        npz::write(&path, arrays).unwrap();
        path
    }

    fn safetensors(&self, arrays: &Arrays) -> std::path::PathBuf {
        let path = self.0.path().join("w.safetensors");
        safetensors::write(&path, arrays).unwrap();
        path
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[track_caller]
fn refused(path: &Path, network: &Network, parts: &[&str]) {
    let error = read::<f64>(path, network, None).unwrap_err();
    let said = format!("{error}\nhint: {}", error.hint().unwrap_or_default());
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn weights_come_back_from_each_kind_of_file() {
    let network = network(&[3, 4, 2]);
    let w = Array1::from_iter((0..network.n_params()).map(|i| i as f64 + 0.5));
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name);
    let own = weights::by_layer(&network, &w);
    npz::write(&at("own.npz"), &own).unwrap();
    rows::write(&at("w.npy"), &w).unwrap();
    std::fs::create_dir(at("layers")).unwrap();
    for (name, array) in &own {
        rows::write(&at("layers").join(format!("{name}.npy")), array).unwrap();
    }
    safetensors::write(&at("w.safetensors"), &weights::state_dict(&network, &w)).unwrap();
    npz::write(&at("state.npz"), &weights::state_dict(&network, &w)).unwrap();
    // A name says nothing: what the file contains does.
    std::fs::copy(at("state.npz"), at("state.weights")).unwrap();
    for path in ["own.npz", "w.npy", "layers", "w.safetensors", "state.npz", "state.weights"] {
        assert_eq!(read::<f64>(&at(path), &network, None).unwrap().w, w, "{path}");
    }
    let other = self::network(&[3, 5, 2]);
    let widths = ["follow one another as [3, 4, 2]: set train.hidden: [4]"];
    refused(
        &at("own.npz"),
        &other,
        &[&["W1 is [4, 3], but layer 1 of 3-5-2 needs [5, 3]"], &widths[..]].concat(),
    );
    refused(&at("w.safetensors"), &other, &[&["but 3-5-2 needs [5, 3], [2, 5]"], &widths[..]].concat());
    let deeper = self::network(&[3, 4, 4, 2]);
    refused(&at("state.npz"), &deeper, &["2 layers among 0.weight [4, 3], 0.bias [4]", "needs 3", widths[0]]);
    refused(&at("own.npz"), &deeper, &["2 layers among W1 [4, 3]", "needs 3", widths[0]]);
    refused(&at("w.npy"), &other, &["26 parameters, but the network 3-5-2 needs 32"]);
}

/// safetensors #357, keras #8134, chaiNNer #2272, pytorch #106942: three layers of one shape, whose names say no order.
#[test]
fn an_order_that_is_not_certain_is_kept_by_npz_and_asked_for_else() {
    let (network, folder) = (network(&[3, 3, 3, 3]), Folder::new());
    let (arrays, w) = named(&network, &["input", "hidden", "output"]);
    let found = read::<f64>(&folder.npz(&arrays), &network, None).unwrap();
    assert_eq!(
        (found.w, found.layers),
        (w.clone(), vec!["input".to_owned(), "hidden".into(), "output".into()])
    );
    let path = folder.safetensors(&arrays);
    refused(
        &path,
        &network,
        &[
            "6 orders of hidden, input, output fit",
            "train.weights_layers: [\"hidden\", \"input\", \"output\"]",
        ],
    );
    // What the hint says leads to success.
    let given = ["input", "hidden", "output"].map(str::to_owned);
    assert_eq!(read::<f64>(&path, &network, Some(&given)).unwrap().w, w);
    let said = |given: &[&str]| {
        let given = given.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        read::<f64>(&path, &network, Some(&given)).unwrap_err().to_string()
    };
    assert!(said(&["input", "middle", "output"]).contains("has no layer \"middle\""));
    assert!(said(&["input", "input", "output"]).contains("3 names, 2 of them unlike"));
    assert!(said(&["input", "output"]).contains("2 names, 2 of them unlike, but 3-3-3-3 needs 3"));
}

/// A first hour with `embed`, `middle`, `last_hidden` and `out`: loss 1.423 where 0.376 was true, without a word.
#[test]
fn shapes_decide_as_far_as_they_do() {
    let (network, folder) = (network(&[5, 4, 4, 4, 3]), Folder::new());
    let (arrays, w) = named(&network, &["embed", "middle", "last_hidden", "out"]);
    let path = folder.safetensors(&arrays);
    refused(
        &path,
        &network,
        &["layers 2, 3 have one shape, and last_hidden, middle and middle, last_hidden fit"],
    );
    let given = ["embed", "middle", "last_hidden", "out"].map(str::to_owned);
    assert_eq!(read::<f64>(&path, &network, Some(&given)).unwrap().w, w);
    // Unlike shapes: only one order fits, whatever the names are.
    let unlike = self::network(&[3, 5, 2]);
    let (arrays, w) = named(&unlike, &["features.0", "classifier"]);
    assert_eq!(read::<f64>(&folder.safetensors(&arrays), &unlike, None).unwrap().w, w);
    let autoencoder = self::network(&[6, 4, 2, 4, 6]);
    let (arrays, w) = named(&autoencoder, &["encoder.0", "encoder.1", "decoder.0", "decoder.1"]);
    assert_eq!(read::<f64>(&folder.safetensors(&arrays), &autoencoder, None).unwrap().w, w);
}

#[test]
fn numbers_in_names_are_numbers() {
    let (network, folder) = (network(&[2; 13]), Folder::new());
    let names = (0..12).map(|l| format!("net.{}", 2 * l)).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let (mut arrays, w) = named(&network, &names);
    assert_eq!(read::<f64>(&folder.safetensors(&arrays), &network, None).unwrap().w, w);
    arrays.sort_by(|a, b| a.0.cmp(&b.0)); // net.10 before net.2
    assert_eq!(read::<f64>(&folder.npz(&arrays), &network, None).unwrap().w, w);
    let square = self::network(&[3, 3, 3]);
    let (arrays, w) = named(&square, &["fc1", "fc2"]);
    assert_eq!(read::<f64>(&folder.safetensors(&arrays), &square, None).unwrap().w, w);
    // fc2 was written before fc1: that is no accident of the alphabet.
    let (arrays, _) = named(&square, &["fc2", "fc1"]);
    refused(&folder.npz(&arrays), &square, &["their numbers say fc1, fc2, the file fc2, fc1"]);
}

/// npy_array #6, bomoto #9, model2vec-rs #41: strings, integers and scalars beside the weights do no harm, and are named.
#[test]
fn other_arrays_do_no_harm_and_are_named() {
    use std::io::Write;
    let (network, folder) = (network(&[3, 4, 2]), Folder::new());
    let (arrays, w) = named(&network, &["0", "2"]);
    let path = folder.npz(&arrays);
    let mut zip =
        zip::ZipWriter::new_append(std::fs::File::options().read(true).write(true).open(&path).unwrap())
            .unwrap();
    let npy = |descr: &str, shape: &str, body: &[u8]| {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
    };
    for (name, bytes) in [
        ("activations.npy", npy("<U4", "(1,)", &[0; 16])),
        ("n_calls.npy", npy("<i8", "()", &[0; 8])),
        ("temperature.npy", npy("<f4", "()", &[0; 4])),
        ("damaged.npy", b"nothing".to_vec()),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    let found = read::<f64>(&path, &network, None).unwrap();
    assert_eq!(found.w, w);
    assert_eq!(found.unused, ["activations [1]", "n_calls []", "temperature []", "damaged []"]);

    let bytes = serialised(&[
        ("0.weight", "F64", &[4, 3]),
        ("0.bias", "F64", &[4]),
        ("2.weight", "F64", &[2, 4]),
        ("2.bias", "F64", &[2]),
        ("n_calls", "I64", &[]),
    ]);
    assert_eq!(
        read::<f64>(&folder.bytes("s.safetensors", &bytes), &network, None).unwrap().unused,
        ["n_calls []"]
    );
    let bytes = serialised(&[
        ("0.weight", "F16", &[4, 3]),
        ("0.bias", "F64", &[4]),
        ("2.weight", "F64", &[2, 4]),
        ("2.bias", "F64", &[2]),
    ]);
    refused(&folder.bytes("h.safetensors", &bytes), &network, &["0.weight: contains F16", "model.float()"]);
}

/// A `.safetensors` file of zeros.
fn serialised(arrays: &[(&str, &str, &[usize])]) -> Vec<u8> {
    let (mut entries, mut end) = (vec![], 0);
    for (name, dtype, shape) in arrays {
        let length = shape.iter().product::<usize>() * if *dtype == "F16" { 2 } else { 8 };
        entries.push(format!(
            "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{end},{}]}}",
            end + length
        ));
        end += length;
    }
    let header = format!("{{{}}}", entries.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; end]].concat()
}

/// CTranslate2 #297, ipex-llm #632, NIRTorch #42, eevbnn #1: what is no layer that a network can have is called by its name.
#[test]
fn other_layers_are_named() {
    let (network, folder) = (network(&[3, 4, 2]), Folder::new());
    let linear = |extra: &[(&'static str, &'static str, &'static [usize])]| {
        let layers: [(&str, &str, &[usize]); 4] = [
            ("0.weight", "F64", &[4, 3]),
            ("0.bias", "F64", &[4]),
            ("2.weight", "F64", &[2, 4]),
            ("2.bias", "F64", &[2]),
        ];
        folder.bytes("l.safetensors", &serialised(&[&layers[..], extra].concat()))
    };
    let said = |extra: &[(&'static str, &'static str, &'static [usize])], part: &str| {
        refused(&linear(extra), &network, &[part, "not supported"]);
    };
    said(
        &[("1.weight", "F64", &[4]), ("1.bias", "F64", &[4])],
        "a normalisation layer (BatchNorm, LayerNorm, ...) is not supported: 1.weight [4]",
    );
    said(
        &[("1.running_mean", "F64", &[4]), ("1.num_batches_tracked", "I64", &[])],
        "1.num_batches_tracked [], 1.running_mean [4]",
    );
    said(&[("conv.weight", "F64", &[4, 1, 3])], "a convolution of other data than images");
    refused(
        &linear(&[("conv.weight", "F64", &[4, 1, 3, 3])]),
        &network,
        &["conv.weight [4, 1, 3, 3]", "train.layers has no convolution", "{conv: 4, kernel: 3}"],
    );
    said(&[("fc.weight_g", "F64", &[4, 1]), ("fc.weight_v", "F64", &[4, 3])], "weight_norm");
    said(&[("rnn.weight_ih_l0", "F64", &[4, 3])], "a recurrent layer");
    let lacking = folder.bytes(
        "b.safetensors",
        &serialised(&[("0.weight", "F64", &[4, 3]), ("2.weight", "F64", &[2, 4]), ("2.bias", "F64", &[2])]),
    );
    refused(
        &lacking,
        &network,
        &[
            "no array \"0.bias\" beside \"0.weight\", but layer 1 has a bias",
            "train.layers: [{linear: 4, bias: false}]",
        ],
    );
    // A head on features that other layers give: named, it is all that is looked at.
    let head = self::network(&[4, 2]);
    assert!(read::<f64>(&linear(&[("1.weight", "F64", &[4])]), &head, Some(&["2".to_owned()])).is_ok());
}

/// A small convolutional network of PyTorch: Conv2d without bias, ReLU, MaxPool2d, Conv2d, Flatten, Linear.
#[test]
fn a_convolutional_network_comes_back_from_its_state_dict() {
    let conv = |filters, bias| Layer {
        kind: landscape::Kind::Conv { filters, kernel: 2, padding: 0, stride: 1 },
        activation: Activation::Relu,
        bias,
    };
    let pool =
        Layer { kind: landscape::Kind::MaxPool { size: 2 }, activation: Activation::Identity, bias: false };
    let of = |first_bias| {
        let layers = vec![conv(3, first_bias), pool, conv(2, true), Layer::linear(3, Activation::Identity)];
        let input = Image { channels: 2, height: 7, width: 7 };
        Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).unwrap()
    };
    let (network, folder) = (of(false), Folder::new());
    let w = Array1::from_iter((0..network.n_params()).map(|i| i as f64 + 0.5));
    let state = weights::state_dict(&network, &w);
    for path in [folder.safetensors(&state), folder.npz(&state), folder.npz(&weights::by_layer(&network, &w))]
    {
        assert_eq!(read::<f64>(&path, &network, None).unwrap().w, w);
    }
    refused(
        &folder.npz(&state),
        &of(true),
        &["no array \"0.bias\" beside \"0.weight\", but layer 1 has a bias", "`bias: false` in train.layers"],
    );
    // As Keras and JAX have them.
    let turned = |(name, a): (String, ArrayD<f64>)| {
        let a = if a.ndim() == 4 { a.permuted_axes(IxDyn(&[2, 3, 1, 0])) } else { a.reversed_axes() };
        (name, a.as_standard_layout().into_owned())
    };
    let turned = state.into_iter().map(turned).collect::<Vec<_>>();
    refused(&folder.npz(&turned), &network, &["W.transpose(3, 2, 0, 1)"]);
}

/// Pools count, so that the first array may be W3; it was refused, and with its own names too.
#[test]
fn a_network_that_begins_with_pools_comes_back_from_its_own_file() {
    let layer = |kind, bias| Layer { kind, activation: Activation::Identity, bias };
    let pool = layer(landscape::Kind::AveragePool { size: 2 }, false);
    let layers = vec![pool, pool, layer(landscape::Kind::Linear { units: 3 }, true)];
    let input = Image { channels: 2, height: 8, width: 8 };
    let network = Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).unwrap();
    let (w, folder) = (Array1::from_iter((0..network.n_params()).map(|i| i as f64)), Folder::new());
    let path = folder.npz(&weights::by_layer(&network, &w));
    for given in [None, Some(&["W3".to_owned()][..])] {
        assert_eq!(read::<f64>(&path, &network, given).unwrap().w, w);
    }
    let said = read::<f64>(&path, &network, Some(&["W1".to_owned()])).unwrap_err();
    assert_eq!(said.hint().unwrap(), "it has the layers: W3");
    let none = [("a".to_owned(), ArrayD::zeros(IxDyn(&[3, 8])))];
    let said = read::<f64>(&folder.npz(&none.to_vec()), &network, Some(&["a".to_owned()])).unwrap_err();
    assert!(said.hint().unwrap().contains("named as the weights of a layer"), "{said:?}");
}

#[test]
fn own_names_are_counted_and_transposes_are_seen() {
    let folder = Folder::new();
    let arrays = |shapes: &[(&str, &[usize])]| {
        shapes.iter().map(|(n, s)| ((*n).to_owned(), ArrayD::zeros(IxDyn(s)))).collect::<Arrays>()
    };
    let square = network(&[3, 3, 3]);
    let from_zero = arrays(&[("W0", &[3, 3]), ("b0", &[3]), ("W1", &[3, 3]), ("b1", &[3])]);
    refused(&folder.npz(&from_zero), &square, &["2 layers among W0", "named W1, W2, from the input on"]);
    let transposed = arrays(&[("W1", &[3, 4]), ("b1", &[4]), ("W2", &[4, 2]), ("b2", &[2])]);
    refused(
        &folder.npz(&transposed),
        &network(&[3, 4, 2]),
        &["W1 is [3, 4]", "save their transposes, array.T"],
    );
}

/// Ravelled or not, a bias is one vector; one of another length is no fault of the widths.
#[test]
fn a_bias_may_be_a_row_or_a_column() {
    let (network, folder) = (network(&[4, 5, 3]), Folder::new());
    let (mut arrays, w) = named(&network, &["0", "2"]);
    let bias = arrays[1].1.clone();
    for shape in [&[5, 1][..], &[1, 5], &[1, 5, 1]] {
        arrays[1].1 = bias.clone().into_shape_with_order(shape).unwrap();
        assert_eq!(read::<f64>(&folder.npz(&arrays), &network, None).unwrap().w, w, "{shape:?}");
    }
    for shape in [&[4][..], &[5, 5], &[]] {
        arrays[1].1 = ArrayD::zeros(shape);
        let parts = ["0.bias is ", "needs [5]", "hint: a bias has a number for each of the 5 outputs"];
        refused(&folder.npz(&arrays), &network, &parts);
    }
}

/// A binary network has one output, a network of more classes than the data has too many: `train.hidden` cures neither.
#[test]
fn other_outputs_are_named_with_what_makes_them_fit() {
    let folder = Folder::new();
    let (binary, two) = (network(&[4, 5, 1]), network(&[4, 5, 2]));
    let (mut arrays, w) = named(&binary, &["0", "2"]);
    let lines =
        "save W = 2.weight as numpy.concatenate([0 * W, W]), and b = 2.bias as numpy.concatenate([0 * b, b])";
    refused(&folder.npz(&arrays), &two, &["2.weight [1, 5], but 4-5-2 needs", lines]);
    refused(
        &folder.npz(&arrays),
        &network(&[4, 2]),
        &["set train.hidden: [5]; one output for two classes", lines],
    );
    // What the lines make of it is taken, and is the same function: scores 0 and z.
    for i in [2, 3] {
        let one = arrays[i].1.clone();
        arrays[i].1 = ndarray::concatenate(ndarray::Axis(0), &[(&one * 0.0).view(), one.view()]).unwrap();
    }
    let found = read::<f64>(&folder.npz(&arrays), &two, None).unwrap().w;
    // The flat array in the same way.
    let path = folder.0.path().join("w.npy");
    rows::write(&path, &w).unwrap();
    let line = "numpy.concatenate([w[:-6], 0 * w[-6:-1], w[-6:-1], 0 * w[-1:], w[-1:]])";
    refused(&path, &two, &["31 parameters, but the network 4-5-2 needs 37", line]);
    let (body, last, bias) = (w.slice(s![..-6]), w.slice(s![-6..-1]), w.slice(s![-1..]));
    let (no_last, no_bias) = (&last * 0.0, &bias * 0.0);
    let parts = [body, no_last.view(), last, no_bias.view(), bias];
    assert_eq!(found, ndarray::concatenate(ndarray::Axis(0), &parts).unwrap());

    let (arrays, w) = named(&network(&[4, 5, 10]), &["0", "2"]);
    let three = network(&[4, 5, 3]);
    let cure = "has 10 outputs, the data 3: set fetch-data.classes: 10";
    refused(&folder.npz(&arrays), &three, &[cure]);
    refused(&folder.npz(&arrays), &network(&[4, 3]), &["set train.hidden: [5]; ", cure]);
    rows::write(&path, &w).unwrap();
    refused(&path, &three, &["85 parameters", cure]);
    let of_one_more = [
        "has 10 outputs, the data 11: where no sample is of class 0",
        "save y - 1; else set fetch-data.classes: 10",
    ];
    refused(&folder.npz(&arrays), &network(&[4, 5, 11]), &of_one_more);
    let of_targets = Network::new(&[4, 5, 3], Activation::Relu, Loss::SquaredError);
    refused(&folder.npz(&arrays), &of_targets, &[cure, "save those that the network gives, y (N, 10)"]);
}

/// What is at the place of another layer is not a matter of the widths.
#[test]
fn layers_in_another_order_are_named_in_theirs() {
    let (network, folder) = (network(&[4, 5, 3]), Folder::new());
    let (arrays, w) = named(&network, &["0", "2"]);
    let own = ["W2", "b2", "W1", "b1"];
    let swapped = arrays.iter().zip(own).map(|((_, a), name)| (name.to_owned(), a.clone())).collect();
    let path = folder.npz(&swapped);
    let cure = "as [4, 5, 3]: name them in that order: train.weights_layers: [\"W2\", \"W1\"]";
    refused(&path, &network, &["W1 is [3, 5], but layer 1 of 4-5-3 needs [5, 4]", cure]);
    let given = ["W2", "W1"].map(str::to_owned);
    assert_eq!(read::<f64>(&path, &network, Some(&given)).unwrap().w, w);
}

/// bioimage-io #482, task_vectors #11, safetensors #146, Ckpt2Safetensors #3: a checkpoint is told from an array.
#[test]
fn checkpoints_are_refused_with_the_line_that_converts() {
    let (network, folder) = (network(&[3, 2]), Folder::new());
    let line = "safetensors.torch.save_file(model.state_dict(), \"w.safetensors\")";
    let checkpoint = |name: &str, member: &str| {
        let path = folder.0.path().join(name);
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap();
        path
    };
    // A header of 640 bytes: 0x80 0x02, as a pickle begins.
    let mut long = serialised(&[("0.weight", "F64", &[2, 3]), ("0.bias", "F64", &[2])]);
    long.splice(..8, 640_u64.to_le_bytes());
    let header = long.iter().rposition(|&b| b == b'}').unwrap() + 1;
    long.splice(header..header, vec![b' '; 648 - header]);
    let path = folder.bytes("long.weights", &long);
    assert!(long.starts_with(b"\x80\x02") && read::<f64>(&path, &network, None).is_ok());
    // By content: whatever its name is.
    for name in ["model.pt", "model.pth", "model.npz", "model"] {
        refused(
            &checkpoint(name, "archive/data.pkl"),
            &network,
            &["a PyTorch checkpoint, which is not read", line],
        );
    }
    refused(
        &folder.bytes("old.pt", b"\x80\x02\x8a\nl\xfc\x9c"),
        &network,
        &["a pickle", "never executed", line],
    );
    refused(&folder.bytes("m.h5", b"\x89HDF\r\n\x1a\n"), &network, &["an HDF5 file", "get_weights()[0].T"]);
    refused(&checkpoint("m.keras", "model.weights.h5"), &network, &["a Keras model", "get_weights()[0].T"]);
    refused(
        &folder.bytes("w.txt", b"1 2 3"),
        &network,
        &["neither a .safetensors nor an .npz nor a .npy file"],
    );
    refused(&folder.bytes("w.bin", b""), &network, &["neither"]);
    refused(
        &folder.0.path().join("none.npz"),
        &network,
        &["No such file", "check the path of train.weights"],
    );
    refused(
        &folder.bytes("lfs.safetensors", b"version https://git-lfs"),
        &network,
        &["not a safetensors file"],
    );
}
