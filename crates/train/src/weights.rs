//! Weights by layer, as they leave.

use landscape::{Activation, Kind, Network, Real};
use ndarray::{Array1, ArrayD, IxDyn};
use records::train::Placed;

/// `W1`, `b1`, `W2`, … with shape and offset; the number is the place of the layer, pools counted.
pub fn layout(network: &Network) -> Vec<Placed> {
    let layer = |l: usize| {
        let (weights, bias) = network.offsets(l);
        let bias = network.layer(l).bias.then(|| Placed {
            name: format!("b{l}"),
            shape: vec![bias.len()],
            offset: bias.start,
        });
        let weights = Placed { name: format!("W{l}"), shape: network.weight_axes(l), offset: weights.start };
        std::iter::once(weights).chain(bias)
    };
    network.affine_layers().flat_map(layer).collect()
}

/// The flat vector `w` (p,) as named arrays.
pub fn by_layer<R: Real>(network: &Network, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let named = |p: Placed| {
        let n = p.shape.iter().product::<usize>();
        let values = w.slice(ndarray::s![p.offset..p.offset + n]).to_vec();
        (p.name, ArrayD::from_shape_vec(IxDyn(&p.shape), values).expect("n values"))
    };
    layout(network).into_iter().map(named).collect()
}

/// The flat vector `w` (p,) under the names of a `torch.nn.Sequential`: `0.weight`, `0.bias`, `2.weight`, … Its modules are the
/// layers, each followed by its activation, and a Flatten between them and the first linear one.
pub fn state_dict<R: Real>(network: &Network, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let modules = modules(network);
    let rename = |(name, array): (String, ArrayD<R>)| {
        let layer = name[1..].parse::<usize>().expect("a letter and a number");
        let kind = if name.starts_with('W') { "weight" } else { "bias" };
        (format!("{}.{kind}", modules[layer - 1]), array)
    };
    by_layer(network, w).into_iter().map(rename).collect()
}

/// The place of each layer among the modules of a `torch.nn.Sequential`.
fn modules(network: &Network) -> Vec<usize> {
    let mut next = 0;
    let place = |l: usize| {
        let layer = network.layer(l);
        let is_linear = |l: usize| matches!(network.layer(l).kind, Kind::Linear { .. });
        if l > 1 && is_linear(l) && !is_linear(l - 1) {
            next += 1;
        }
        let own = next;
        next += if layer.activation == Activation::Identity { 1 } else { 2 };
        own
    };
    (1..=network.depth()).map(place).collect()
}

/// Why `state_dict` is that of no `torch.nn.Sequential`: one needs a module between a linear layer and a layer of images.
pub fn no_sequential(network: &Network) -> Option<String> {
    let is_linear = |l: usize| matches!(network.layer(l).kind, Kind::Linear { .. });
    let l = (2..=network.depth()).find(|&l| is_linear(l - 1) && !is_linear(l))?;
    Some(format!(
        "layer {l} takes images after a linear layer, which gives each feature as an image of 1 x 1: weights.safetensors fits a \
         torch.nn.Sequential only if an Unflatten stands there, with the places of the layers from it on one higher"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::{Image, Layer, Loss};

    /// Conv, ReLU, MaxPool, Conv, Flatten, Linear without bias, Tanh, Linear.
    #[test]
    fn names_are_those_of_a_sequential() {
        let conv = |filters, activation| Layer {
            kind: Kind::Conv { filters, kernel: 2, padding: 0, stride: 1 },
            activation,
            bias: true,
        };
        let pool = Layer { kind: Kind::MaxPool { size: 2 }, activation: Activation::Identity, bias: false };
        let hidden = Layer { bias: false, ..Layer::linear(4, Activation::Tanh) };
        let layers = vec![
            conv(3, Activation::Relu),
            pool,
            conv(2, Activation::Identity),
            hidden,
            Layer::linear(3, Activation::Identity),
        ];
        let input = Image { channels: 2, height: 7, width: 7 };
        let network = Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).unwrap();
        let w = Array1::from_iter((0..network.n_params()).map(|i| i as f64));
        let shown = |arrays: Vec<(String, ArrayD<f64>)>| {
            arrays.iter().map(|(name, a)| format!("{name} {:?}", a.shape())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            shown(state_dict(&network, &w)),
            "0.weight [3, 2, 2, 2] 0.bias [3] 3.weight [2, 3, 2, 2] 3.bias [2] 5.weight [4, 8] 7.weight [3, 4] 7.bias [3]"
        );
        assert_eq!(
            shown(by_layer(&network, &w)),
            "W1 [3, 2, 2, 2] b1 [3] W3 [2, 3, 2, 2] b3 [2] W4 [4, 8] W5 [3, 4] b5 [3]"
        );
    }

    /// A state_dict of Sequential(Linear, Conv2d, ...) was written, which no Sequential runs.
    #[test]
    fn a_layer_of_images_after_a_linear_one_has_no_sequential() {
        let conv = |kernel| Layer {
            kind: Kind::Conv { filters: 2, kernel, padding: 0, stride: 1 },
            activation: Activation::Relu,
            bias: true,
        };
        let said = |layers: Vec<Layer>| {
            let input = Image { channels: 1, height: 3, width: 3 };
            no_sequential(&Network::of_layers(input, layers, Loss::SoftmaxCrossEntropy).unwrap())
        };
        let linear = |units| Layer::linear(units, Activation::Identity);
        assert_eq!(said(vec![conv(2), linear(4), linear(3)]), None);
        assert!(said(vec![linear(4), conv(1), linear(3)]).unwrap().starts_with("layer 2 takes images"));
    }
}
