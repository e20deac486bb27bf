//! When training ends: a small gradient, or a held-out loss that no longer falls (early stopping; Prechelt 1998).

/// The rules that end training; the first that is met does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StopRules {
    /// ‖∇L‖ over the samples that are trained on, below which training ends, loss per parameter unit
    pub gradient_norm: Option<f64>,
    /// epochs in a row after which training ends, if none of them had a smaller held-out loss than all before
    pub patience: Option<usize>,
}

/// What the rules look at after an epoch; NaN where no rule asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// mean over the held-out samples, loss
    pub validation_loss: f64,
    /// ‖∇L‖ over the samples that are trained on, loss per parameter unit
    pub gradient_norm: f64,
}

/// What ended training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum StopEnd {
    /// the gradient is as small as asked
    GradientNorm,
    /// the held-out loss has not improved for `patience` epochs
    Validation,
    /// neither, within all epochs
    Limit,
}

impl StopRules {
    /// The rule that is met after these looks, the first of them before training; `None`: training goes on.
    pub fn met(&self, looks: &[Look]) -> Option<StopEnd> {
        let last = looks.last()?;
        if self.gradient_norm.is_some_and(|goal| last.gradient_norm < goal) {
            return Some(StopEnd::GradientNorm);
        }
        let waited = looks.len() - 1 - best(looks);
        self.patience.is_some_and(|patience| waited >= patience).then_some(StopEnd::Validation)
    }
}

/// The first epoch with the smallest held-out loss; 0 where none has one.
pub fn best(looks: &[Look]) -> usize {
    (0..looks.len()).fold(0, |best, i| {
        let is_better = looks[i].validation_loss < looks[best].validation_loss;
        if is_better { i } else { best }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(values: &[(f64, f64)]) -> Vec<Look> {
        values
            .iter()
            .map(|&(validation_loss, gradient_norm)| Look { validation_loss, gradient_norm })
            .collect()
    }

    #[test]
    fn patience_counts_epochs_since_the_best() {
        let rules = StopRules { gradient_norm: None, patience: Some(2) };
        let all = looks(&[3.0, 2.0, 2.5, 1.0, 1.0, 1.5].map(|loss| (loss, f64::NAN)));
        let met = (1..=all.len()).map(|n| rules.met(&all[..n])).collect::<Vec<_>>();
        assert_eq!(met, [None, None, None, None, None, Some(StopEnd::Validation)]);
        // As small as the best is no improvement.
        assert_eq!(best(&all), 3);
        let infinite = looks(&[3.0, f64::NAN, f64::INFINITY].map(|loss| (loss, f64::NAN)));
        assert_eq!((rules.met(&infinite), best(&infinite)), (Some(StopEnd::Validation), 0));
    }

    #[test]
    fn the_first_rule_that_is_met_ends_training() {
        let both = StopRules { gradient_norm: Some(0.1), patience: Some(1) };
        assert_eq!(both.met(&looks(&[(1.0, 0.5), (0.9, 0.1)])), None);
        assert_eq!(both.met(&looks(&[(1.0, 0.5), (1.1, 0.5)])), Some(StopEnd::Validation));
        assert_eq!(both.met(&looks(&[(1.0, 0.5), (1.1, 0.09)])), Some(StopEnd::GradientNorm));
        // Without a held-out loss nothing is waited for.
        let gradient = StopRules { patience: None, ..both };
        assert_eq!(gradient.met(&looks(&[(f64::NAN, 0.5); 9])), None);
        assert_eq!(StopRules::default().met(&looks(&[(1.0, 0.0); 9])), None);
    }
}
