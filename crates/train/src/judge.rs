//! What looks wrong with weights trained elsewhere: they may be right, so it is said and not refused.

use landscape::{Network, Samples};
use pipeline::log::number;
use records::Loss;
use records::train::Fit;

/// Arrays of the file that no layer took.
pub fn unused(name: &str, arrays: &[String]) -> Option<String> {
    let all = arrays.join(", ");
    let them = if arrays.len() == 1 { "it is" } else { "they are" };
    (!arrays.is_empty()).then(|| {
        format!("{name}: not used: {all}; if your network computes with what {them}, this is another network")
    })
}

/// Usual causes of a brought network that is no better than chance.
pub const OF_BROUGHT: &str = "a normalisation other than in training (fetch-data.normalisation), layers in another order \
                              (train.weights_layers), another activation (train.activation) and labels that are one off";
/// The same for one that was trained here.
pub const OF_TRAINED: &str = "features of very different size (fetch-data.normalisation), targets in a large unit, \
                              (y - y.mean()) / y.std(), a learning rate that does not suit, and too few epochs";

/// Outputs that are no better than the same answer for every sample, given mean loss and accuracy over `samples`, and what usually
/// causes it.
pub fn chance(
    (name, causes): (&str, &str),
    network: &Network,
    (loss, accuracy): (f64, Option<f64>),
    samples: &Samples,
) -> Option<String> {
    let n_outputs = network.n_outputs();
    let baseline = network.loss.of_constant(n_outputs, samples.targets());
    let lost = (loss > baseline).then(|| {
        let unit = network.loss.unit().to(1);
        let which = if network.loss.needs_classes() {
            "equal scores for all classes give"
        } else {
            "the mean of the targets as every answer gives"
        };
        let [loss, baseline] = [loss, baseline].map(|loss| number(loss, 4));
        format!("the loss is {loss} {unit}, where {which} {baseline} {unit}")
    });
    // Two standard errors of a guess among so many classes.
    let guess = 1.0 / n_outputs as f64;
    let limit = guess + 2.0 * (guess * (1.0 - guess) / samples.len() as f64).sqrt();
    let missed = accuracy
        .filter(|&a| a <= limit)
        .map(|a| format!("the accuracy is {:.2} %, where guessing gives {:.2} %", 100.0 * a, 100.0 * guess));
    let found = [lost, missed].into_iter().flatten().collect::<Vec<_>>();
    (!found.is_empty()).then(|| {
        format!(
            "{name}: {}: K says little of such a network; usual causes are {causes}",
            found.join(", and ")
        )
    })
}

/// RMSE and R² of a network with squared error, whose losses these are; `None` for another loss.
pub fn fit(network: &Network, train: (f64, &Samples), test: Option<(f64, &Samples)>) -> Option<Fit> {
    if network.loss != Loss::SquaredError {
        return None;
    }
    let rmse = |loss: f64| (2.0 * loss / network.n_outputs() as f64).sqrt();
    let r_squared = |(loss, samples): (f64, &Samples)| {
        let constant = network.loss.of_constant(network.n_outputs(), samples.targets());
        (constant > 0.0).then(|| 1.0 - loss / constant)
    };
    Some(Fit {
        train_rmse: rmse(train.0),
        train_r_squared: r_squared(train),
        test_rmse: test.map(|t| rmse(t.0)),
        test_r_squared: test.and_then(r_squared),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::numeric::samples::Targets;
    use landscape::{Activation, Inputs};
    use ndarray::{Array1, Array2, Axis};
    use std::sync::Arc;

    fn samples(targets: Targets) -> Samples {
        let x = Array2::<f64>::zeros((targets.len(), 2));
        Samples::new(Inputs::F64(Arc::new(x)), targets, (1.0, 0.0, 1.0))
    }

    /// From a first hour with a tabular set of three classes: loss 1.776 and 33.79 % were taken without a word.
    #[test]
    fn chance_is_named_with_its_usual_causes_and_a_trained_network_is_not() {
        let network = Network::new(&[2, 3], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let classes = samples(Targets::Classes((0..2400).map(|i| i % 3).collect()));
        let said = chance(("w", OF_BROUGHT), &network, (1.776, Some(0.3379)), &classes).unwrap();
        for part in
            ["1.7760 nats", "give 1.0986 nats", "33.79 %", "33.33 %", "normalisation", "order", "activation"]
        {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        assert_eq!(chance(("w", OF_BROUGHT), &network, (0.384, Some(0.83)), &classes), None);
        assert!(
            chance(("w", OF_BROUGHT), &network, (1.05, Some(0.34)), &classes).unwrap().contains("accuracy")
        );
        assert!(
            !chance(("w", OF_BROUGHT), &network, (1.2, Some(0.6)), &classes).unwrap().contains("accuracy")
        );
    }

    #[test]
    fn a_regression_is_compared_with_the_mean_of_its_targets() {
        let network = Network::new(&[2, 1], Activation::Relu, Loss::SquaredError);
        // Variance 4 about a mean of 10, so ½ · 4.
        let y = Array1::from(vec![8.0, 12.0, 8.0, 12.0]).insert_axis(Axis(1));
        let targets = samples(Targets::Values(y));
        assert!(
            chance(("w", OF_BROUGHT), &network, (2.01, None), &targets)
                .unwrap()
                .contains("gives 2.0000 target^2")
        );
        assert_eq!(chance(("w", OF_BROUGHT), &network, (1.99, None), &targets), None);
        // ½ · 0.5² off each target on average: R² = 1 − 0.25/4.
        let found = fit(&network, (0.125, &targets), None).unwrap();
        assert_eq!((found.train_rmse, found.train_r_squared, found.test_rmse), (0.5, Some(0.9375), None));
    }
}
