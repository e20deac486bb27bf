//! Weights by layer, as they leave.

use landscape::{Network, Real};
use ndarray::{Array1, ArrayD, IxDyn};
use records::train::Placed;

/// `W1`, `b1`, `W2`, … with shape and offset.
pub fn layout(network: &Network) -> Vec<Placed> {
    let layer = |l: usize| {
        let (weights, bias) = network.offsets(l);
        let (n, below) = (network.widths()[l], network.widths()[l - 1]);
        [
            Placed { name: format!("W{l}"), shape: vec![n, below], offset: weights.start },
            Placed { name: format!("b{l}"), shape: vec![n], offset: bias.start },
        ]
    };
    (1..=network.depth()).flat_map(layer).collect()
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

/// The flat vector `w` (p,) under the names of a `torch.nn.Sequential` of Linear layers with an activation after each but
/// the last: `0.weight`, `0.bias`, `2.weight`, …
pub fn state_dict<R: Real>(network: &Network, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let rename = |(name, array): (String, ArrayD<R>)| {
        let layer = name[1..].parse::<usize>().expect("a letter and a number");
        let kind = if name.starts_with('W') { "weight" } else { "bias" };
        (format!("{}.{kind}", 2 * (layer - 1)), array)
    };
    by_layer(network, w).into_iter().map(rename).collect()
}
