//! The network and the flat order of its parameters.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2};

use crate::network::activation::Activation;
use crate::network::loss::Loss;

/// `h_0 = x; z_l = W_l h_{l−1} + b_l; h_l = φ(z_l); f(x) = z_L`, with the loss of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    widths: Vec<usize>,
    /// φ, after every layer but the last
    pub activation: Activation,
    /// ℓ(f, y)
    pub loss: Loss,
}

/// Weights and bias of one layer, as views into a flat vector of parameters.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a, R> {
    /// `(out, in)`
    pub weights: ArrayView2<'a, R>,
    /// `(out,)`
    pub bias: ArrayView1<'a, R>,
}

impl Network {
    /// A multilayer perceptron of `widths`: features, hidden units, outputs.
    ///
    /// # Panics
    /// With fewer than two widths, or a width of 0.
    pub fn new(widths: &[usize], activation: Activation, loss: Loss) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|&n| n > 0), "widths {widths:?}");
        Self { widths: widths.to_vec(), activation, loss }
    }

    /// Widths: features, hidden units, outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// L, the number of layers with weights.
    pub fn depth(&self) -> usize {
        self.widths.len() - 1
    }

    /// C, the number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.widths[self.depth()]
    }

    /// p, the length of the flat vector of parameters.
    pub fn n_params(&self) -> usize {
        self.widths.windows(2).map(|n| n[1] * (n[0] + 1)).sum()
    }

    /// Where weights and bias of layer `l` (from 1 to L) lie in the flat vector: `W` (out, in) row-major, then `b`.
    pub fn offsets(&self, l: usize) -> (Range<usize>, Range<usize>) {
        let begin: usize = self.widths[..l].windows(2).map(|n| n[1] * (n[0] + 1)).sum();
        let (n_in, n_out) = (self.widths[l - 1], self.widths[l]);
        let middle = begin + n_out * n_in;
        (begin..middle, middle..middle + n_out)
    }

    /// Layer `l` (from 1 to L) of the parameters `w` (p,).
    ///
    /// # Panics
    /// If `w` is not contiguous or not (p,).
    pub fn layer<'a, R>(&self, w: &ArrayView1<'a, R>, l: usize) -> Layer<'a, R> {
        assert_eq!(w.len(), self.n_params(), "parameters");
        let w = w.to_slice().expect("contiguous parameters");
        let (weights, bias) = self.offsets(l);
        let shape = (self.widths[l], self.widths[l - 1]);
        Layer {
            weights: ArrayView2::from_shape(shape, &w[weights]).expect("length of the range"),
            bias: ArrayView1::from(&w[bias]),
        }
    }

    /// `(p_1, p_2)`: weights of layer 1 and of the rest, in which costs are counted.
    pub fn weight_counts(&self) -> (usize, usize) {
        let counts = self.widths.windows(2).map(|n| n[1] * n[0]).collect::<Vec<_>>();
        (counts[0], counts[1..].iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    #[test]
    fn layers_tile_the_flat_vector() {
        let network = Network::new(&[5, 4, 3], Activation::Relu, Loss::SoftmaxCrossEntropy);
        assert_eq!(network.n_params(), 39);
        assert_eq!(network.offsets(1), (0..20, 20..24));
        assert_eq!(network.offsets(2), (24..36, 36..39));
        let w = Array1::from_iter(0..39);
        let layer = network.layer(&w.view(), 2);
        assert_eq!(layer.weights[[2, 1]], 24 + 2 * 4 + 1);
        assert_eq!(layer.bias[0], 36);
        assert_eq!(network.weight_counts(), (20, 12));
    }
}
