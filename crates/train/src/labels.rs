//! What the labels are for the loss: too few classes to learn from, or so many that they look like numbers.

use std::collections::BTreeSet;

use landscape::numeric::samples::Targets;
use pipeline::Failure;
use records::{Loss, name_of};

/// What looks wrong with labels that the loss can be computed from; an error where it cannot, or where training has no end.
/// `is_brought`: the weights were trained elsewhere.
pub fn check(
    loss: Loss,
    is_brought: bool,
    n_outputs: usize,
    targets: &Targets,
) -> Result<Option<String>, Failure> {
    let Targets::Classes(classes) = targets else {
        if loss.needs_classes() {
            let found = format!("fetch-data/train_labels.npy: floats, but {} needs classes", name_of(loss));
            return Err(Failure::input(
                found,
                "set train.loss to squared-error, or bring labels that are integers",
            ));
        }
        return Ok(None);
    };
    let present = classes.iter().collect::<BTreeSet<_>>();
    match present.first() {
        Some(class) if present.len() == 1 => one_class(**class, loss, is_brought, n_outputs),
        _ if loss.needs_classes() => Ok(None),
        _ => Ok(like_numbers(present.len(), classes.len())),
    }
}

fn one_class(class: u32, loss: Loss, is_brought: bool, n_outputs: usize) -> Result<Option<String>, Failure> {
    let found = format!("fetch-data/train_labels.npy: every sample is of class {class}");
    let so = match (loss.needs_classes(), is_brought) {
        (true, _) if n_outputs == 1 => "the loss is 0 whatever the weights are",
        (true, false) => "the loss has no minimum: training only makes the weights larger",
        _ => return Ok(Some(format!("{found}, so the other classes have no part in the loss"))),
    };
    Err(Failure::input(
        format!("{found}, so {so}"),
        "bring labels of at least two classes, numbered from 0; fetch-data.classes keeps the lowest numbers only, \
         fetch-data.n_samples the first rows of the order",
    ))
}

/// More classes than the root of the number of samples: fewer samples a class than there are classes.
fn like_numbers(n_classes: usize, n: usize) -> Option<String> {
    (n_classes * n_classes > n).then(|| {
        format!(
            "fetch-data/train_labels.npy: {n_classes} different integers among {n} samples are classes, each an output of its own \
             with target 1 or 0; for regression on their values store the targets as floats: y.astype('<f8')"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTMAX: Loss = Loss::SoftmaxCrossEntropy;

    fn found(loss: Loss, is_brought: bool, classes: Vec<u32>) -> Result<Option<String>, String> {
        let n_outputs = *classes.iter().max().unwrap() as usize + 1;
        check(loss, is_brought, n_outputs, &Targets::Classes(classes)).map_err(|e| e.to_string())
    }

    /// cases.md A8: scikit-learn #9913, FocoosAI #126: the check looked at class 0 only.
    #[test]
    fn one_class_of_any_number_is_refused() {
        assert!(
            found(SOFTMAX, false, vec![0; 9])
                .unwrap_err()
                .contains("every sample is of class 0, so the loss is 0")
        );
        assert!(
            found(SOFTMAX, false, vec![3; 9])
                .unwrap_err()
                .contains("every sample is of class 3, so the loss has no")
        );
        // The samples of one class under a network that knows more are a fair question.
        assert!(found(SOFTMAX, true, vec![3; 9]).unwrap().unwrap().contains("every sample is of class 3"));
        assert!(
            found(Loss::SquaredError, false, vec![3; 9])
                .unwrap()
                .unwrap()
                .contains("every sample is of class 3")
        );
        assert_eq!(found(SOFTMAX, false, vec![1, 0]), Ok(None));
    }

    /// cases.md A7: scikit-learn #31752, skore #1080, pycaret #3319, AutoViz #69.
    #[test]
    fn integers_that_look_like_numbers_are_said_to_be_classes() {
        let said = found(Loss::SquaredError, false, (0..60).map(|i| i % 8).collect()).unwrap().unwrap();
        assert!(
            said.contains("8 different integers among 60 samples are classes")
                && said.contains("astype('<f8')")
        );
        assert_eq!(found(Loss::SquaredError, false, (0..60).map(|i| i % 7).collect()), Ok(None));
        assert_eq!(found(SOFTMAX, false, (0..60).map(|i| i % 8).collect()), Ok(None));
    }
}
