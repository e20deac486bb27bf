//! Forward and backward pass of one block of samples, with all that derivatives in parameter space share.

use ndarray::{Array2, ArrayView1, ArrayView2, Zip};

use crate::network::activation::Activation;
use crate::network::architecture::Network;
use crate::numeric::real::Real;
use crate::numeric::samples::{Batch, Targets};
use crate::numeric::simd::vectorised;
use crate::passes::affine::{self, add_bias, add_bias_and_activate};
use crate::passes::pool::{self, Places};

/// Activations and adjoints at w for B samples. Index l − 1 of a vector belongs to layer l. Channels lie last.
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
    /// φ'(z_l) for l = 1..L−1; (0, 0) for ReLU, whose slope is told by h_l > 0, and for the identity
    slope: Vec<Array2<R>>,
    /// φ''(z_l)∘ε_l with ε_l = ∂ℓ/∂h_l; (0, 0) for piecewise linear activations
    pub bend: Vec<Array2<R>>,
    /// where the maxima of a pool are; (0, 0) for other layers
    pub places: Vec<Places>,
    /// [`crate::network::loss::Loss::hessian_factor`] of the outputs
    pub hessian_factor: Array2<R>,
    /// y
    pub targets: Targets,
}

impl<R: Real> Primal<R> {
    /// Both passes at the parameters `w` (p,), arranged as [`Network`] says, for a batch.
    #[inline(never)]
    pub(crate) fn new(network: &Network, w: &ArrayView1<R>, batch: Batch<R>) -> Self {
        let mut primal = Self {
            x: network.arranged_inputs(batch.x),
            hidden: vec![],
            outputs: Array2::zeros((0, 0)),
            adjoint: vec![],
            slope: vec![],
            bend: vec![],
            places: vec![],
            hessian_factor: Array2::zeros((0, 0)),
            targets: batch.targets,
        };
        primal.forward(network, w);
        primal.backward(network, w);
        primal.hessian_factor = network.loss.hessian_factor(primal.outputs.view(), &primal.targets);
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
    #[inline(never)]
    pub fn apply_slope(&self, network: &Network, l: usize, t: &mut Array2<R>) {
        let n = network.widths()[l];
        let (relu, gate) = match network.layer(l).activation {
            Activation::Identity => return,
            Activation::Relu => (true, &self.hidden[l - 1]),
            _ => (false, &self.slope[l - 1]),
        };
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
            let (mut z, places) = linear_part(network, w, l, &self.input_of(l));
            self.places.push(places);
            let bias = network.weights(w, l).bias;
            if l == network.depth() {
                add_bias(network, l, bias, z.view_mut());
                self.outputs = z;
                return;
            }
            let none = || Array2::zeros((0, 0));
            let (mut slope, mut bend) = (none(), none());
            match network.layer(l).activation {
                Activation::Relu | Activation::Identity => {
                    add_bias_and_activate(network, l, bias, z.view_mut());
                }
                activation => {
                    add_bias(network, l, bias, z.view_mut());
                    slope = Array2::zeros(z.raw_dim());
                    bend = Array2::zeros(z.raw_dim()); // times ε_l once the backward pass knows it
                    Zip::from(&mut z).and(&mut slope).and(&mut bend).for_each(|z, slope, bend| {
                        (*z, *slope, *bend) = activation.derivatives(*z);
                    });
                }
            }
            self.slope.push(slope);
            self.bend.push(bend);
            self.hidden.push(z);
        }
    }

    fn backward(&mut self, network: &Network, w: &ArrayView1<R>) {
        let mut adjoint = vec![network.loss.gradient(self.outputs.view(), &self.targets)];
        for l in (1..network.depth()).rev() {
            let mut epsilon = Array2::zeros((self.n_rows(), network.widths()[l]));
            let above = &adjoint[adjoint.len() - 1];
            if network.layer(l + 1).is_affine() {
                let weights = network.weights(w, l + 1).weights;
                let (above, mut epsilon) = (above.view(), epsilon.view_mut());
                affine::backward(network, l + 1, R::zero(), &above, &weights, &mut epsilon);
            } else {
                pool::backward(network, l + 1, &self.places[l], &above.view(), &mut epsilon.view_mut());
            }
            if !self.bend[l - 1].is_empty() {
                self.bend[l - 1] *= &epsilon;
            }
            self.apply_slope(network, l, &mut epsilon);
            adjoint.push(epsilon);
        }
        adjoint.reverse();
        self.adjoint = adjoint;
    }
}

/// `W_l G(h)` (B, n_l), or the pool of `h` with the places of its maxima.
fn linear_part<R: Real>(
    network: &Network,
    w: &ArrayView1<R>,
    l: usize,
    h: &ArrayView2<R>,
) -> (Array2<R>, Places) {
    let (mut z, mut places) = (Array2::zeros((h.nrows(), network.widths()[l])), Array2::zeros((0, 0)));
    if network.layer(l).is_affine() {
        affine::forward(network, l, R::zero(), h, &network.weights(w, l).weights, &mut z.view_mut());
    } else {
        pool::forward(network, l, h, &mut z.view_mut(), Some(&mut places));
    }
    (z, places)
}

/// The outputs f (B, C) of inputs `x` (B, D) at `w` (p,), without keeping anything else.
pub fn outputs<R: Real>(network: &Network, w: &ArrayView1<R>, x: ArrayView2<R>) -> Array2<R> {
    let w = network.arranged(*w);
    hidden(network, &w.view(), network.arranged_inputs(x.to_owned()), network.depth())
}

/// h_l (B, n_l) of arranged inputs `x` at arranged `w`; for l = L the outputs.
#[inline(never)]
pub(crate) fn hidden<R: Real>(network: &Network, w: &ArrayView1<R>, x: Array2<R>, last: usize) -> Array2<R> {
    (1..=last).fold(x, |h, l| {
        let (mut z, _) = linear_part(network, w, l, &h.view());
        add_bias_and_activate(network, l, network.weights(w, l).bias, z.view_mut());
        z
    })
}
