//! `summary.json`: the report in numbers.

use pipeline::params::Report;
use serde::{Deserialize, Serialize};

use crate::gather::{Experiment, Setting, SufficientRow};
use crate::sentences;

/// Version of this document; changes with its fields.
pub const FORMAT: u32 = 1;

/// The report in numbers.
#[derive(Deserialize, Serialize)]
pub struct Summary {
    pub format: u32,
    pub experiment: String,
    pub title: String,
    /// one sentence per tolerance
    pub answer: Vec<String>,
    pub n_samples: usize,
    pub layers: Vec<usize>,
    pub train_loss: f64,
    pub test_accuracy: Option<f64>,
    pub gradient_norm: f64,
    pub eigenvalues: Vec<f64>,
    /// the setting of the answer
    pub setting: String,
    /// V, nats²
    pub variance: f64,
    pub exponent: Option<f64>,
    /// K by every method
    pub sufficient: Vec<SufficientRow>,
}

/// The sentences of the answer, one per tolerance.
pub fn answers(experiment: &Experiment, answer: &Setting) -> Vec<String> {
    let average = experiment.rows_of(&answer.name, "order-average");
    let single = experiment.rows_of(&answer.name, "monte-carlo");
    let sentence = |(a, s): (&SufficientRow, &SufficientRow)| {
        let thin = sentences::thin_tail(s, &experiment.sizes).unwrap_or_default();
        sentences::answer(a, s, experiment.data.n_samples) + &thin
    };
    average.zip(single).map(sentence).collect()
}

/// The summary of one experiment.
pub fn of(params: &Report, experiment: &Experiment, answer: &Setting) -> Summary {
    Summary {
        format: FORMAT,
        experiment: experiment.name.clone(),
        title: params.title.clone(),
        answer: answers(experiment, answer),
        n_samples: experiment.data.n_samples,
        layers: experiment.model.layers.clone(),
        train_loss: experiment.model.train_loss,
        test_accuracy: experiment.model.test_accuracy,
        gradient_norm: experiment.model.gradient_norm,
        eigenvalues: experiment.spectrum.eigenvalues.to_vec(),
        setting: answer.name.clone(),
        variance: answer.variance,
        exponent: answer.exponent.as_ref().map(|e| e.value),
        sufficient: experiment.rows.iter().filter(|r| r.setting == answer.name).cloned().collect(),
    }
}
