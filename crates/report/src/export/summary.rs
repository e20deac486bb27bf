//! `summary.json`: the report in numbers.

use std::collections::BTreeMap;

use records::bound::SufficientRow;
use records::{Architecture, Loss, Report, name_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::figures::figure::Figure;
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::family::{Family, ReadLadder};
use crate::text::fact::Fact;
use crate::text::numbers::count;
use crate::text::verdicts::{answers, headline};

/// Version of this document; changes with its fields.
pub const FORMAT: u32 = 2;

/// The report in numbers: `summary.json`, whose JSON schema is `docs/summary.schema.json`. Losses in the unit of `loss`, sizes in samples.
#[derive(Deserialize, JsonSchema, Serialize)]
pub struct Summary {
    /// version of this document; a reader refuses another
    pub format: u32,
    /// name in `pipeline.yaml`
    pub experiment: String,
    /// heading of the page
    pub title: String,
    /// K at every tolerance, in one sentence
    pub headline: String,
    /// one sentence per tolerance
    pub answer: Vec<String>,
    /// N, training samples
    pub n_samples: usize,
    /// D, inputs of the network; null, as all of data and network, where the losses are given
    pub n_features: Option<usize>,
    /// C; 0 for regression
    pub n_classes: Option<usize>,
    /// where the samples came from
    pub source: Option<String>,
    /// layers, and the shape of the samples
    pub network: Option<Architecture>,
    /// of each sample; losses, V and tolerances are in its unit
    pub loss: Option<Loss>,
    /// after every layer but the last
    pub activation: Option<String>,
    /// p
    pub n_params: Option<usize>,
    /// L_N(w*)
    pub train_loss: Option<f64>,
    /// fraction classified right; null for regression
    pub train_accuracy: Option<f64>,
    /// fraction classified right; null for regression or without a test split
    pub test_accuracy: Option<f64>,
    /// ‖∇L_N(w*)‖, per parameter unit
    pub gradient_norm: Option<f64>,
    /// top Ritz values of the Hessian at w*, per squared parameter unit
    pub eigenvalues: Vec<f64>,
    /// the setting of the answer, of `montecarlo.settings`
    pub setting: String,
    /// d of that setting
    pub dim: usize,
    /// σ of that setting, parameter units
    pub sigma: f64,
    /// T of that setting
    pub draws: usize,
    /// s, samples between L_k and L_{k+s}
    pub step: usize,
    /// coverage of every interval
    pub confidence: f64,
    /// V, squared unit of the loss: Δ_k averaged over orders is V (1/k − 1/(k+s))
    pub variance: f64,
    /// fitted x of Δ_k ~ k^x; null where there are too few prefix sizes
    pub exponent: Option<f64>,
    /// K of that setting by every method, per tolerance
    pub sufficient: Vec<SufficientRow>,
    /// what each figure shows in numbers, by the name of its files
    #[serde(default)]
    pub facts: BTreeMap<String, Vec<Fact>>,
}

impl Document for Summary {
    const STAGE: &'static str = "report";
    const FILE: &'static str = "summary.json";
    const MEANING: &'static str = "the report in numbers";
}

/// The facts of all figures that have some.
fn facts_of(figures: &[Figure]) -> BTreeMap<String, Vec<Fact>> {
    let some = figures.iter().filter(|f| !f.facts.is_empty());
    some.map(|f| (f.name.clone(), f.facts.clone())).collect()
}

/// The summary of one experiment.
pub fn of(params: &Report, experiment: &Experiment, answer: &Setting, figures: &[Figure]) -> Summary {
    let found = &answer.found;
    let (data, model) = experiment.trained.as_ref().map(|t| (&t.data, &t.model.facts)).unzip();
    Summary {
        format: FORMAT,
        experiment: experiment.name.clone(),
        title: params.title.clone(),
        headline: headline(experiment, answer),
        answer: answers(experiment, answer),
        n_samples: experiment.n_samples,
        n_features: data.map(|d| d.n_features),
        n_classes: data.map(|d| d.n_classes),
        source: data.map(|d| d.source.clone()),
        network: model.map(|m| m.network.clone()),
        loss: model.map(|m| m.loss),
        activation: model.map(|m| name_of(m.activation)),
        n_params: model.map(|m| m.n_params),
        train_loss: model.map(|m| m.train_loss),
        train_accuracy: model.and_then(|m| m.train_accuracy),
        test_accuracy: model.and_then(|m| m.test_accuracy),
        gradient_norm: model.map(|m| m.gradient_norm),
        eigenvalues: experiment.trained.as_ref().map_or(vec![], |t| t.eigenpairs.eigenvalues.to_vec()),
        setting: found.name.clone(),
        dim: found.dim,
        sigma: found.sigma,
        draws: found.draws,
        step: experiment.step,
        confidence: experiment.confidence,
        variance: found.v.variance,
        exponent: found.exponent.as_ref().map(|e| e.value),
        sufficient: experiment.rows.iter().filter(|r| r.setting == found.name).cloned().collect(),
        facts: facts_of(figures),
    }
}

/// The summary of a family, by its largest size.
pub fn of_family(
    params: &Report,
    experiment: &str,
    answer: Vec<String>,
    family: &Family,
    figures: &[Figure],
) -> Summary {
    let Family { ladders, members, .. } = family;
    let last = ladders[0].last();
    let shape = members.iter().find(|m| m.n_samples == last.k).unwrap_or(&members[0]);
    let accuracies = members.iter().filter(|m| m.n_samples == last.k).map(|m| m.train_accuracy);
    let accuracies = accuracies.collect::<Option<Vec<_>>>();
    Summary {
        format: FORMAT,
        experiment: experiment.to_owned(),
        title: params.title.clone(),
        headline: format!("A family of {}.", count(members.len(), "network")),
        answer,
        n_samples: last.k,
        n_features: Some(shape.network.n_features()),
        n_classes: Some(shape.n_classes),
        source: Some(shape.source.clone()),
        network: Some(shape.network.clone()),
        loss: Some(shape.loss),
        activation: Some(name_of(shape.activation)),
        n_params: Some(shape.n_params),
        train_loss: Some(last.train_loss.mean),
        train_accuracy: accuracies.map(|a| a.iter().sum::<f64>() / a.len() as f64),
        test_accuracy: last.test_accuracy.map(|s| s.mean),
        gradient_norm: Some(last.gradient_norm.mean),
        eigenvalues: last.eigenvalues.iter().map(|s| s.mean).collect(),
        setting: ladders[0].setting.clone(),
        dim: shape.dim,
        sigma: shape.sigma,
        draws: shape.draws,
        step: ladders[0].step,
        confidence: shape.confidence,
        variance: last.variance.mean,
        exponent: None,
        sufficient: vec![],
        facts: facts_of(figures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/summary.schema.json");
        let settings = schemars::generate::SchemaSettings::draft07();
        let schema = settings.into_generator().into_root_schema_for::<Summary>().to_value();
        records::schema::check_committed(path, &schema);
    }
}
