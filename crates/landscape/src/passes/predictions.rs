//! What a network says of samples: losses and classes, and how far two networks agree.

use ndarray::ArrayView1;

use crate::network::architecture::Network;
use crate::network::loss::predicted_class;
use crate::numeric::real::Real;
use crate::numeric::samples::{Samples, Targets};
use crate::numeric::sums::blocks_of;
use crate::passes::primal::outputs;

/// Losses and predicted classes at one w.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// mean of the losses, loss
    pub loss: f64,
    /// (N,) the class of each sample; `None` for targets that are not classes
    pub classes: Option<Vec<usize>>,
}

impl Predictions {
    /// Of the network at `w` (p,) for all `samples`, of which there is at least one; one thread.
    pub fn new<R: Real>(network: &Network, w: &ArrayView1<R>, samples: &Samples) -> Self {
        let (mut sum, mut classes) = (0.0, vec![]);
        for range in blocks_of(0..samples.len(), network.block_rows()) {
            let batch = samples.block::<R>(range);
            let f = outputs(network, w, batch.x.view());
            sum += network.loss.values(f.view(), &batch.targets).iter().sum::<f64>();
            classes.extend((0..f.nrows()).map(|i| predicted_class(f.view(), i)));
        }
        let are_classes = matches!(samples.targets(), Targets::Classes(_));
        Self { loss: sum / samples.len() as f64, classes: are_classes.then_some(classes) }
    }
}

/// Cohen's kappa of two classifications of the same samples: `(a − e) / (1 − e)`, a the fraction that agree, e that expected
/// from how often each gives each class (Cohen 1960). 1 where both give one and the same class to all.
///
/// - `one`, `other`: (N,) classes
///
/// # Panics
/// If their lengths differ.
pub fn kappa(one: &[usize], other: &[usize]) -> f64 {
    assert_eq!(one.len(), other.len(), "classifications of the same samples");
    let n = one.len() as f64;
    let agreed = one.iter().zip(other).filter(|(a, b)| a == b).count() as f64 / n;
    let n_classes = one.iter().chain(other).max().map_or(0, |largest| largest + 1);
    let share = |of: &[usize], class: usize| of.iter().filter(|&&c| c == class).count() as f64 / n;
    let expected: f64 = (0..n_classes).map(|class| share(one, class) * share(other, class)).sum();
    if expected >= 1.0 { 1.0 } else { (agreed - expected) / (1.0 - expected) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::network::activation::Activation;
    use crate::network::loss::Loss;
    use crate::numeric::samples::Inputs;
    use ndarray::{Array1, Array2};

    #[test]
    fn kappa_of_a_table_worked_by_hand() {
        // 50 samples, two classes: 20 both 0, 15 both 1, 5 and 10 apart. a = 0.7, e = 0.5 · 0.6 + 0.5 · 0.4 = 0.5.
        let table = [(0, 0, 20), (0, 1, 5), (1, 0, 10), (1, 1, 15)];
        let side = |first: bool| {
            let class = |&(a, b, n): &(usize, usize, usize)| vec![if first { a } else { b }; n];
            table.iter().flat_map(class).collect::<Vec<_>>()
        };
        assert!((kappa(&side(true), &side(false)) - 0.4).abs() <= 1e-15);
        assert!((kappa(&[0, 1, 2], &[0, 1, 2]) - 1.0).abs() <= 1e-15);
        // Always apart where each class is as frequent: a = 0, e = 1/2.
        assert!((kappa(&[0, 1], &[1, 0]) + 1.0).abs() <= 1e-15);
        assert!((kappa(&[3, 3], &[3, 3]) - 1.0).abs() <= 1e-15);
    }

    #[test]
    fn blocks_do_not_change_what_is_predicted() {
        let network = Network::new(&[2, 3], Activation::Identity, Loss::SoftmaxCrossEntropy);
        let n = 2 * network.block_rows() + 5;
        let x = Array2::from_shape_fn((n, 2), |(i, j)| ((i * 7 + j * 3) as f64 * 0.61).sin());
        let classes = (0..3_u32).cycle().take(n).collect::<Vec<_>>();
        let w = Array1::from_shape_fn(9, |i| (i as f64 * 1.7).cos());
        let samples = Samples::new(
            Inputs::F64(Arc::new(x.clone())),
            Targets::Classes(classes.clone()),
            (1.0, 0.0, 1.0),
        );
        let found = Predictions::new(&network, &w.view(), &samples);
        // By hand: three rows of weights, then three biases.
        let mut sum = 0.0;
        for (i, x) in x.outer_iter().enumerate() {
            let f = [0, 1, 2].map(|c| w[2 * c] * x[0] + w[2 * c + 1] * x[1] + w[6 + c]);
            let best = if f[0] >= f[1] && f[0] >= f[2] { 0 } else { 1 + usize::from(f[2] > f[1]) };
            assert_eq!(found.classes.as_ref().unwrap()[i], best, "sample {i}");
            sum += f.iter().map(|f| f.exp()).sum::<f64>().ln() - f[classes[i] as usize];
        }
        // A thousand additions of one sign.
        assert!((found.loss / (sum / n as f64) - 1.0).abs() <= 1e-12);
    }
}
