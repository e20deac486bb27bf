//! The network and the flat order of its parameters.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix1, Ix2};

use crate::network::activation::Activation;
use crate::network::layers::{Image, Kind, Layer, Unfit};
use crate::network::loss::Loss;
use crate::numeric::real::Real;
use crate::numeric::sums::BLOCK_ROWS;

/// Values of the widest layer over a block of samples, in a network of images: a block of it stays in the cache.
const BLOCK_VALUES: usize = 1024 * BLOCK_ROWS;

/// `h_0 = x; z_l = A_l h_{l−1}; h_l = φ_l(z_l); f(x) = z_L`, with the loss of its outputs. A_l is a layer's affine map or its
/// pool.
///
/// Parameters come and go in PyTorch's order. Inside of a pass the channels of an image lie last, so that a layer's values
/// (B, H·W·C) are the same memory as (B·H·W, C) and one filter is one column of it: `arranged` puts parameters into
/// that order and `restored` back.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// shape of x
    input: Image,
    layers: Vec<Layer>,
    /// shape of z_l
    images: Vec<Image>,
    /// values of x and of each z_l
    widths: Vec<usize>,
    /// where each arranged parameter comes from; `None`: all stay where they are
    order: Option<Arc<[usize]>>,
    /// ℓ(f, y)
    pub loss: Loss,
}

/// Weights and bias of one layer, as views into a flat vector of parameters.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, R> {
    /// `(filters, values below each)`; (0, 0) for a pool
    pub weights: ArrayView2<'a, R>,
    /// `(filters,)`, or (0,) without a bias
    pub bias: ArrayView1<'a, R>,
}

impl Network {
    /// A multilayer perceptron of `widths`: features, hidden units, outputs.
    ///
    /// # Panics
    /// With fewer than two widths, or a width of 0.
    pub fn new(widths: &[usize], activation: Activation, loss: Loss) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|&n| n > 0), "widths {widths:?}");
        let last = widths.len() - 1;
        let activation = |l| if l < last { activation } else { Activation::Identity };
        let layers = (1..=last).map(|l| Layer::linear(widths[l], activation(l))).collect();
        Self::of_layers(Image::vector(widths[0]), layers, loss).expect("a vector fits any linear layer")
    }

    /// `layers` over inputs of a shape; the last is linear, without an activation, and its units are the outputs.
    ///
    /// # Errors
    /// If a kernel or a pool is larger than the image below it.
    ///
    /// # Panics
    /// If the last layer is none that gives outputs.
    pub fn of_layers(input: Image, layers: Vec<Layer>, loss: Loss) -> Result<Self, Unfit> {
        let last = layers.last().expect("a layer");
        let is_output = matches!(last.kind, Kind::Linear { .. }) && last.activation == Activation::Identity;
        assert!(is_output, "the last layer {last:?} gives the outputs");
        let mut images: Vec<Image> = vec![];
        for (i, layer) in layers.iter().enumerate() {
            images.push(layer.image(i + 1, images.last().copied().unwrap_or(input))?);
        }
        let widths = std::iter::once(&input).chain(&images).map(Image::len).collect();
        let mut network = Self { input, layers, images, widths, order: None, loss };
        network.order = network.find_order();
        Ok(network)
    }

    /// Widths: features, values of each layer's output.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// L, the number of layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// C, the number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.widths[self.depth()]
    }

    /// p, the length of the flat vector of parameters.
    pub fn n_params(&self) -> usize {
        (1..=self.depth()).map(|l| self.size(l)).sum()
    }

    /// The layers in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Layer `l` (from 1 to L).
    pub fn layer(&self, l: usize) -> &Layer {
        &self.layers[l - 1]
    }

    /// Shape of h_l: of the inputs for l = 0.
    pub fn image(&self, l: usize) -> Image {
        if l == 0 { self.input } else { self.images[l - 1] }
    }

    /// Shape of the weights of layer `l` as a matrix: a row is a filter, or the weights of one unit.
    pub fn weight_shape(&self, l: usize) -> (usize, usize) {
        self.layer(l).weight_shape(self.image(l - 1))
    }

    /// Axes of the weights of layer `l`, as PyTorch has them: (out, in), or of a convolution (out, in, kh, kw); none for a pool.
    pub fn weight_axes(&self, l: usize) -> Vec<usize> {
        let (filters, below) = self.weight_shape(l);
        match self.layer(l).kind {
            Kind::Linear { .. } => vec![filters, below],
            Kind::Conv { kernel, .. } => vec![filters, self.image(l - 1).channels, kernel, kernel],
            Kind::MaxPool { .. } | Kind::AveragePool { .. } => vec![],
        }
    }

    /// The layers with weights, from 1.
    pub fn affine_layers(&self) -> impl DoubleEndedIterator<Item = usize> {
        (1..=self.depth()).filter(|&l| self.layer(l).is_affine())
    }

    /// Numbers of a bias of layer `l`.
    pub fn bias_len(&self, l: usize) -> usize {
        if self.layer(l).bias { self.weight_shape(l).0 } else { 0 }
    }

    /// The first layer with weights: before it there are only pools.
    pub fn first_affine(&self) -> usize {
        1 + self.layers.iter().position(Layer::is_affine).expect("the output layer has weights")
    }

    /// Parameters of layer `l`.
    fn size(&self, l: usize) -> usize {
        let (filters, below) = self.weight_shape(l);
        filters * below + self.bias_len(l)
    }

    /// Where weights and bias of layer `l` (from 1 to L) lie in the flat vector: `W` (filters, below) row-major, of a
    /// convolution (out, in, kh, kw), then `b`.
    pub fn offsets(&self, l: usize) -> (Range<usize>, Range<usize>) {
        let begin: usize = (1..l).map(|l| self.size(l)).sum();
        let (filters, below) = self.weight_shape(l);
        let middle = begin + filters * below;
        (begin..middle, middle..begin + self.size(l))
    }

    /// Weights and bias of layer `l` (from 1 to L) in the parameters `w` (p,), in whichever order these are.
    ///
    /// # Panics
    /// If `w` is not contiguous or not (p,).
    pub fn weights<'a, R>(&self, w: &ArrayView1<'a, R>, l: usize) -> Weights<'a, R> {
        assert_eq!(w.len(), self.n_params(), "parameters");
        let w = w.to_slice().expect("contiguous parameters");
        let (weights, bias) = self.offsets(l);
        Weights {
            weights: ArrayView2::from_shape(self.weight_shape(l), &w[weights]).expect("length of the range"),
            bias: ArrayView1::from(&w[bias]),
        }
    }

    /// Multiply-adds of the outputs of one sample: those of the first layer with weights, which need no derivative in their
    /// inputs, and of the rest. In these costs are counted; those of linear layers are their weights.
    pub fn multiply_adds(&self) -> (usize, usize) {
        let of = |l: usize| {
            let (filters, below) = self.weight_shape(l);
            filters * below * self.image(l).positions()
        };
        let first = self.first_affine();
        (of(first), (first + 1..=self.depth()).map(of).sum())
    }

    /// Samples of a block: fewer where layers are as wide as those of images.
    pub fn block_rows(&self) -> usize {
        if self.layers.iter().all(|layer| matches!(layer.kind, Kind::Linear { .. })) {
            return BLOCK_ROWS;
        }
        let widest = self.widths.iter().max().expect("a layer");
        (BLOCK_VALUES / widest).clamp(1, BLOCK_ROWS)
    }

    /// Inputs (B, C·H·W) with their channels last, if the first layer takes an image.
    pub(crate) fn arranged_inputs<R: Real>(&self, x: Array2<R>) -> Array2<R> {
        if !self.is_image_below(1) {
            return x;
        }
        let (channels, positions) = (self.input.channels, self.input.positions());
        let by_channel = x.view().into_shape_with_order((x.nrows(), channels, positions)).expect("C order");
        let by_position = by_channel.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        by_position.into_shape_with_order((x.nrows(), channels * positions)).expect("C order")
    }

    /// Whether layer `l` takes values with channels last that PyTorch has first.
    fn is_image_below(&self, l: usize) -> bool {
        let below = self.image(l - 1);
        let has_two_orders = below.channels > 1 && below.positions() > 1;
        // A linear layer over the inputs takes them as they come.
        has_two_orders && (l > 1 || !matches!(self.layer(1).kind, Kind::Linear { .. }))
    }

    /// Whether the order of the passes is PyTorch's.
    pub(crate) fn is_arranged(&self) -> bool {
        self.order.is_none()
    }

    /// Parameters `w` (p,) in the order of the passes.
    pub(crate) fn arranged<'a, R: Real>(&self, w: ArrayView1<'a, R>) -> CowArray<'a, R, Ix1> {
        match &self.order {
            None => w.into(),
            Some(order) => order.iter().map(|&i| w[i]).collect::<Array1<R>>().into(),
        }
    }

    /// Rows of `v` (d, p) in the order of the passes.
    pub(crate) fn arranged_rows<'a, R: Real>(&self, v: ArrayView2<'a, R>) -> CowArray<'a, R, Ix2> {
        match &self.order {
            None => v.into(),
            Some(order) => {
                let mut arranged = Array2::zeros(v.dim());
                for (mut to, from) in arranged.outer_iter_mut().zip(v.outer_iter()) {
                    to.iter_mut().zip(order.iter()).for_each(|(to, &i)| *to = from[i]);
                }
                arranged.into()
            }
        }
    }

    /// The rows of `v` (d, p) of a pass in PyTorch's order.
    pub(crate) fn restored_rows<R: Real>(&self, v: Array2<R>) -> Array2<R> {
        let Some(order) = &self.order else { return v };
        let mut restored = Array2::zeros(v.dim());
        for (mut to, from) in restored.outer_iter_mut().zip(v.outer_iter()) {
            order.iter().zip(from).for_each(|(&i, &from)| to[i] = from);
        }
        restored
    }

    /// The parameters `w` (p,) of a pass in PyTorch's order.
    pub(crate) fn restored<R: Real>(&self, w: Array1<R>) -> Array1<R> {
        if self.order.is_none() {
            return w;
        }
        self.restored_rows(w.insert_axis(Axis(0))).remove_axis(Axis(0))
    }

    /// Of a convolution (out, in, kh, kw) to (out, kh, kw, in); of a linear layer over an image (out, C·H·W) to (out, H·W·C).
    fn find_order(&self) -> Option<Arc<[usize]>> {
        let has_images = (1..=self.depth()).any(|l| self.is_image_below(l));
        if !has_images {
            return None; // and no memory is taken
        }
        let mut order = (0..self.n_params()).collect::<Vec<_>>();
        for l in 1..=self.depth() {
            let (weights, _) = self.offsets(l);
            let inner = match self.layer(l).kind {
                Kind::Conv { kernel, .. } => kernel * kernel,
                Kind::Linear { .. } if self.is_image_below(l) => self.image(l - 1).positions(),
                _ => continue,
            };
            let (filters, below) = self.weight_shape(l);
            let channels = below / inner;
            for o in 0..filters {
                for at in 0..below {
                    let (position, channel) = (at / channels, at % channels);
                    order[weights.start + o * below + at] =
                        weights.start + o * below + channel * inner + position;
                }
            }
        }
        let moves = order.iter().enumerate().any(|(to, &from)| to != from);
        moves.then(|| order.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn layers_tile_the_flat_vector() {
        let network = Network::new(&[5, 4, 3], Activation::Relu, Loss::SoftmaxCrossEntropy);
        assert_eq!(network.n_params(), 39);
        assert_eq!(network.offsets(1), (0..20, 20..24));
        assert_eq!(network.offsets(2), (24..36, 36..39));
        let w = Array1::from_iter(0..39);
        let layer = network.weights(&w.view(), 2);
        assert_eq!(layer.weights[[2, 1]], 24 + 2 * 4 + 1);
        assert_eq!(layer.bias[0], 36);
        assert_eq!(network.multiply_adds(), (20, 12));
        assert!(network.order.is_none(), "a perceptron's parameters stay where they are");
    }

    /// 2 × 3 × 3 → conv 2 of 2 × 2 → (2, 2, 2) → linear 1.
    #[test]
    fn channels_go_last_and_come_back() {
        let conv = Layer {
            kind: Kind::Conv { filters: 2, kernel: 2, padding: 0, stride: 1 },
            activation: Activation::Relu,
            bias: false,
        };
        let layers = vec![conv, Layer::linear(1, Activation::Identity)];
        let input = Image { channels: 2, height: 3, width: 3 };
        let network = Network::of_layers(input, layers, Loss::SquaredError).unwrap();
        assert_eq!((network.n_params(), network.multiply_adds()), (16 + 9, (16 * 4, 8)));
        let w = Array1::from_iter((0..25).map(f64::from));
        let arranged = network.arranged(w.view());
        // Filter 1: (in, kh, kw) 8 + [[0, 1], [2, 3]], 8 + [[4, 5], [6, 7]] by position.
        assert_eq!(arranged.slice(ndarray::s![8..16]), array![8., 12., 9., 13., 10., 14., 11., 15.]);
        assert_eq!(arranged.slice(ndarray::s![16..]), array![16., 20., 17., 21., 18., 22., 19., 23., 24.]);
        assert_eq!(network.restored(arranged.into_owned()), w);
        let x = Array2::from_shape_fn((1, 18), |(_, j)| j as f64);
        assert_eq!(network.arranged_inputs(x).slice(ndarray::s![0, ..4]), array![0., 9., 1., 10.]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        let pool = Layer { kind: Kind::MaxPool { size: 3 }, activation: Activation::Identity, bias: false };
        let layers = vec![pool, pool, Layer::linear(1, Activation::Identity)];
        let input = Image { channels: 1, height: 8, width: 9 };
        let unfit = Network::of_layers(input, layers, Loss::SquaredError).unwrap_err();
        assert!(
            unfit.to_string().starts_with("layer 2: a pool of 3 does not fit an image of 2 x 3"),
            "{unfit}"
        );
    }
}
