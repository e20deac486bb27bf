//! The weights before training, so that the variance of z_l stays near that of z_{l−1}.

use ndarray::{Array1, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::network::architecture::Network;
use crate::network::layers::Kind;
use crate::numeric::gaussian::gaussian_rows;
use crate::numeric::real::Real;

/// Distribution of the weights before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Initialisation {
    /// W and b uniform in ±1/√fan-in, as `torch.nn.Linear` does.
    FanInUniform,
    /// W ~ N(0, 2/fan-in), b = 0 (He et al. 2015).
    He,
    /// W uniform in ±√(6/(fan-in + fan-out)), b = 0 (Glorot & Bengio 2010).
    Glorot,
}

/// Parameters (p,) drawn from `seed`: ChaCha20 with stream l for layer l.
pub fn first_weights<R: Real>(network: &Network, initialisation: Initialisation, seed: u64) -> Array1<R> {
    let mut w = Array1::zeros(network.n_params());
    for l in network.affine_layers() {
        let (weights, bias) = network.offsets(l);
        let (filters, below) = network.weight_shape(l);
        // Of a convolution: k² inputs of a filter, and k² outputs of a value.
        let area = below / network.image(l - 1).channels;
        let is_conv = matches!(network.layer(l).kind, Kind::Conv { .. });
        let (fan_in, fan_out) = (below as f64, (filters * if is_conv { area } else { 1 }) as f64);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        rng.set_stream(l as u64);
        let mut uniform = |bound: f64| R::narrow(rng.random_range(-bound..bound));
        let mut weights = w.slice_mut(s![weights]);
        match initialisation {
            Initialisation::FanInUniform => {
                let bound = 1.0 / fan_in.sqrt();
                weights.mapv_inplace(|_| uniform(bound));
                w.slice_mut(s![bias]).mapv_inplace(|_| uniform(bound));
            }
            Initialisation::Glorot => weights.mapv_inplace(|_| uniform((6.0 / (fan_in + fan_out)).sqrt())),
            Initialisation::He => {
                let normal = gaussian_rows(seed ^ l as u64, 1, weights.len());
                let deviation = (2.0 / fan_in).sqrt();
                weights.zip_mut_with(&normal.row(0), |w, z| *w = R::narrow(z * deviation));
            }
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::activation::Activation;
    use crate::network::loss::Loss;

    #[test]
    fn variances_are_those_of_the_definitions() {
        let network = Network::new(&[100, 300, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let cases = [
            (Initialisation::FanInUniform, 1.0 / 300.0), // (2/√100)²/12
            (Initialisation::He, 2.0 / 100.0),
            (Initialisation::Glorot, 6.0 / 400.0 / 3.0),
        ];
        for (initialisation, variance) in cases {
            let w = first_weights::<f64>(&network, initialisation, 7);
            let first = w.slice(s![network.offsets(1).0]);
            let found = first.dot(&first) / first.len() as f64;
            // 30,000 values: the variance of the estimate is at most 2/30000 of its square; five standard deviations
            assert!(
                (found / variance - 1.0).abs() <= 5.0 * (2.0 / 30_000.0_f64).sqrt(),
                "{initialisation:?} {found}"
            );
        }
    }
}
