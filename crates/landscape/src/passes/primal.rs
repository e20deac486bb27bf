//! Forward and backward pass of one block of samples, with all that derivatives in parameter space share.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Zip};

use crate::network::activation::{Activation, activate};
use crate::network::layers::Network;
use crate::numeric::real::Real;
use crate::numeric::samples::{Batch, Targets};
use crate::numeric::simd::vectorised;

/// Activations and adjoints at w for B samples. Index l − 1 of a vector belongs to layer l.
#[derive(Clone, Debug)]
pub struct Primal<R> {
    /// h_0, the inputs (B, D)
    pub x: Array2<R>,
    /// h_l for l = 1..L−1, (B, n_l)
    pub hidden: Vec<Array2<R>>,
    /// f = z_L, (B, C)
    pub outputs: Array2<R>,
    /// δ_l = ∂ℓ/∂z_l for l = 1..L, (B, n_l)
    pub adjoint: Vec<Array2<R>>,
    /// φ'(z_l) for l = 1..L−1; empty for ReLU, whose slope is told by h_l > 0
    slope: Vec<Array2<R>>,
    /// φ''(z_l)∘ε_l with ε_l = W_{l+1}ᵀ δ_{l+1}; empty for piecewise linear activations
    pub bend: Vec<Array2<R>>,
    /// [`crate::network::loss::Loss::hessian_factor`] of the outputs
    pub hessian_factor: Array2<R>,
    /// y
    pub targets: Targets,
}

impl<R: Real> Primal<R> {
    /// Both passes at the parameters `w` (p,) for a batch.
    pub fn new(network: &Network, w: &ArrayView1<R>, batch: Batch<R>) -> Self {
        let mut primal = Self {
            x: batch.x,
            hidden: vec![],
            outputs: Array2::zeros((0, 0)),
            adjoint: vec![],
            slope: vec![],
            bend: vec![],
            hessian_factor: Array2::zeros((0, 0)),
            targets: batch.targets,
        };
        primal.forward(network, w);
        primal.backward(network, w);
        primal.hessian_factor = network.loss.hessian_factor(primal.outputs.view());
        primal
    }

    /// B
    pub fn n_rows(&self) -> usize {
        self.x.nrows()
    }

    /// h_{l−1}, the input of layer l (from 1 to L).
    pub fn input_of(&self, l: usize) -> ArrayView2<'_, R> {
        if l == 1 { self.x.view() } else { self.hidden[l - 2].view() }
    }

    /// Multiplies `t` (B, d·n_l), d tangents of layer l side by side, by φ'(z_l).
    pub fn apply_slope(&self, network: &Network, l: usize, t: &mut Array2<R>) {
        let n = network.widths()[l];
        let relu = self.slope.is_empty();
        let gate = if relu { &self.hidden[l - 1] } else { &self.slope[l - 1] };
        let width = t.ncols();
        let (t, gate) = (t.as_slice_mut().expect("C order"), gate.as_slice().expect("C order"));
        vectorised(
            #[inline(always)]
            || {
                for (t, gate) in t.chunks_exact_mut(width).zip(gate.chunks_exact(n)) {
                    for t in t.chunks_exact_mut(n) {
                        let pairs = t.iter_mut().zip(gate);
                        if relu {
                            for (t, &h) in pairs {
                                *t = if h > R::zero() { *t } else { R::zero() };
                            }
                        } else {
                            for (t, &slope) in pairs {
                                *t *= slope;
                            }
                        }
                    }
                }
            },
        );
    }

    fn forward(&mut self, network: &Network, w: &ArrayView1<R>) {
        for l in 1..=network.depth() {
            let layer = network.layer(w, l);
            let mut z = Array2::zeros((self.n_rows(), network.widths()[l]));
            general_mat_mul(R::one(), &self.input_of(l), &layer.weights.t(), R::zero(), &mut z);
            if l == network.depth() {
                z += &layer.bias;
                self.outputs = z;
                return;
            }
            match network.activation {
                Activation::Relu => add_bias_and_activate(network, l, layer.bias, z.view_mut()),
                activation => {
                    z += &layer.bias;
                    let mut slope = z.clone();
                    let mut bend = Array2::zeros(z.raw_dim());
                    Zip::from(&mut z).and(&mut slope).and(&mut bend).for_each(|z, slope, bend| {
                        (*z, *slope, *bend) = activation.derivatives(*z);
                    });
                    self.slope.push(slope);
                    if !activation.is_piecewise_linear() {
                        self.bend.push(bend); // times ε_l once the backward pass knows it
                    }
                }
            }
            self.hidden.push(z);
        }
    }

    fn backward(&mut self, network: &Network, w: &ArrayView1<R>) {
        let mut adjoint = vec![network.loss.gradient(self.outputs.view(), &self.targets)];
        for l in (1..network.depth()).rev() {
            let above = network.layer(w, l + 1);
            let mut epsilon = adjoint[adjoint.len() - 1].dot(&above.weights);
            if let Some(bend) = self.bend.get_mut(l - 1) {
                *bend *= &epsilon;
            }
            self.apply_slope(network, l, &mut epsilon);
            adjoint.push(epsilon);
        }
        adjoint.reverse();
        self.adjoint = adjoint;
    }
}

/// The outputs f (B, C) at `w`, without keeping anything else.
pub fn outputs<R: Real>(network: &Network, w: &ArrayView1<R>, x: ArrayView2<R>) -> Array2<R> {
    let mut h = x.to_owned();
    for l in 1..=network.depth() {
        let layer = network.layer(w, l);
        let mut z = Array2::zeros((h.nrows(), network.widths()[l]));
        general_mat_mul(R::one(), &h, &layer.weights.t(), R::zero(), &mut z);
        add_bias_and_activate(network, l, layer.bias, z.view_mut());
        h = z;
    }
    h
}

/// `φ(z + b)` in place, or `z + b` for the last layer.
pub(crate) fn add_bias_and_activate<R: Real>(
    network: &Network,
    l: usize,
    bias: ArrayView1<R>,
    mut z: ArrayViewMut2<R>,
) {
    let bias = bias.to_slice().expect("contiguous bias");
    let last = l == network.depth();
    vectorised(
        #[inline(always)]
        || {
            for mut row in z.rows_mut() {
                let row = row.as_slice_mut().expect("C order");
                for (z, &b) in row.iter_mut().zip(bias) {
                    *z += b;
                }
                if !last {
                    activate(network.activation, row);
                }
            }
        },
    );
}
