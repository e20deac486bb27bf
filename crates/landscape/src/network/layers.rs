//! What a layer is, and which shape it makes of which.

use thiserror::Error;

use crate::network::activation::Activation;

/// Shape of what passes between layers: an image, or a vector as an image of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// C
    pub channels: usize,
    /// H
    pub height: usize,
    /// W
    pub width: usize,
}

impl Image {
    /// A vector of n values.
    pub fn vector(n: usize) -> Self {
        Self { channels: n, height: 1, width: 1 }
    }

    /// Values of a sample.
    pub fn len(&self) -> usize {
        self.channels * self.positions()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// H·W
    pub fn positions(&self) -> usize {
        self.height * self.width
    }
}

/// What a layer does before its activation. Semantics are those of PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `z = W h + b`; an image is flattened in the order (C, H, W)
    Linear {
        /// outputs
        units: usize,
    },
    /// cross-correlation with square filters and a border of zeros
    Conv {
        /// output channels
        filters: usize,
        /// side of a filter
        kernel: usize,
        /// rows and columns of zeros on each side
        padding: usize,
        /// from one position to the next
        stride: usize,
    },
    /// the maximum of each square, the first of equal ones; what is left at the lower and the right border is dropped
    MaxPool {
        /// side of a square, and from one to the next
        size: usize,
    },
    /// the mean of each square; what is left at the lower and the right border is dropped
    AveragePool {
        /// side of a square, and from one to the next
        size: usize,
    },
}

/// One layer: `h_l = φ_l(z_l)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// how z_l comes from h_{l−1}
    pub kind: Kind,
    /// φ_l
    pub activation: Activation,
    /// whether it has a bias; no pool has one
    pub bias: bool,
}

/// Why a layer does not fit the image below it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "layer {layer}: {what} of {size} does not fit an image of {} x {} with {padding} rows and columns of zeros on each side",
    image.height, image.width
)]
pub struct Unfit {
    /// its place, from 1
    pub layer: usize,
    /// a kernel, or a pool
    pub what: &'static str,
    /// side
    pub size: usize,
    /// of the layer
    pub padding: usize,
    /// below it
    pub image: Image,
}

impl Layer {
    /// A linear layer with a bias.
    pub fn linear(units: usize, activation: Activation) -> Self {
        Self { kind: Kind::Linear { units }, activation, bias: true }
    }

    /// Whether it has weights.
    pub fn is_affine(&self) -> bool {
        match self.kind {
            Kind::Linear { .. } | Kind::Conv { .. } => true,
            Kind::MaxPool { .. } | Kind::AveragePool { .. } => false,
        }
    }

    /// Shape of its weights as a matrix (filters, values below each) over an image; (0, 0) for a pool.
    pub fn weight_shape(&self, below: Image) -> (usize, usize) {
        match self.kind {
            Kind::Linear { units } => (units, below.len()),
            Kind::Conv { filters, kernel, .. } => (filters, kernel * kernel * below.channels),
            Kind::MaxPool { .. } | Kind::AveragePool { .. } => (0, 0),
        }
    }

    /// What layer `l` makes of an image.
    ///
    /// # Errors
    /// If its kernel or its pool is larger than the image.
    pub fn image(&self, l: usize, below: Image) -> Result<Image, Unfit> {
        let unfit = |what, size, padding| Unfit { layer: l, what, size, padding, image: below };
        match self.kind {
            Kind::Linear { units } => Ok(Image::vector(units)),
            Kind::Conv { filters, kernel, padding, stride } => {
                let side = |n: usize| (n + 2 * padding).checked_sub(kernel).map(|rest| rest / stride + 1);
                match (side(below.height), side(below.width)) {
                    (Some(height), Some(width)) => Ok(Image { channels: filters, height, width }),
                    _ => Err(unfit("a kernel", kernel, padding)),
                }
            }
            Kind::MaxPool { size } | Kind::AveragePool { size } => {
                let image = Image {
                    channels: below.channels,
                    height: below.height / size,
                    width: below.width / size,
                };
                if image.is_empty() { Err(unfit("a pool", size, 0)) } else { Ok(image) }
            }
        }
    }
}
