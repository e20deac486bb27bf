//! `summary.json`: the report in numbers.

use std::collections::BTreeMap;

use pipeline::log::plain;
use records::bound::{SettingTheory, SufficientRow};
use records::stream::Stops;
use records::{Architecture, BasisName, Loss, Report, name_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::figures::figure::Figure;
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::family::{Family, ReadLadder};
use crate::text::fact::Fact;
use crate::text::numbers::count;
use crate::text::own::Own;
use crate::text::verdicts::{answers, headline};

/// Version of this document; changes with its fields.
pub const FORMAT: u32 = 3;

/// The report in numbers: `summary.json`, whose JSON schema is `docs/summary.schema.json`. Losses in the unit of `loss`, sizes in samples.
#[derive(Deserialize, JsonSchema, Serialize)]
pub struct Summary {
    /// version of this document; a reader refuses another
    pub format: u32,
    /// name in `pipeline.yaml`
    pub experiment: String,
    /// heading of the page
    pub title: String,
    /// the answer in one sentence
    pub headline: String,
    /// the number at the top of the page; null where a family has no target
    #[serde(default)]
    pub own: Option<Own>,
    /// what the answer means and what to do next, a sentence or two each
    pub answer: Vec<String>,
    /// what may make the numbers wrong, a sentence each, from all stages
    pub warnings: Vec<String>,
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
    /// of the Hessian at w*, per squared parameter unit: the top Ritz values, or those given for the setting of the answer
    pub eigenvalues: Vec<f64>,
    /// the setting of the answer, of `montecarlo.settings`
    pub setting: String,
    /// every setting, in the order of `montecarlo.settings`; of a family the one that its numbers are of
    pub settings: Vec<SettingSummary>,
    /// s, samples between L_k and L_{k+s}
    pub step: usize,
    /// coverage of every interval
    pub confidence: f64,
    /// K per setting, tolerance and method
    pub sufficient: Vec<SufficientRow>,
    /// of a family: samples, and the mean test loss of the networks trained on so many; else empty
    #[serde(default)]
    pub learning_curve: Vec<(f64, f64)>,
    /// what each rule did over runs whose samples arrive; null without any
    #[serde(default)]
    pub stream: Option<Stops>,
    /// what each figure shows in numbers, by the name of its files
    #[serde(default)]
    pub facts: BTreeMap<String, Vec<Fact>>,
}

/// What was measured in one setting.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
pub struct SettingSummary {
    /// its folder
    pub name: String,
    /// whose directions; null for a family
    pub basis: Option<BasisName>,
    /// d
    pub dim: usize,
    /// σ, parameter units; 1 where `deviations` are there
    pub sigma: f64,
    /// (d,), standard deviations of θ in parameter units, where each direction has its own (`sigma: posterior`)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<f64>,
    /// T
    pub draws: usize,
    /// V, squared unit of the loss: Δ_k averaged over orders is V (1/k − 1/(k+s)); of a family the mean over replicas
    pub variance: f64,
    /// both ends of the interval of V; null for a family
    pub variance_interval: Option<[f64; 2]>,
    /// fitted x of Δ_k ~ k^x; null where there are too few prefix sizes
    pub exponent: Option<f64>,
}

impl SettingSummary {
    fn of(found: &SettingTheory) -> Self {
        Self {
            name: found.name.clone(),
            basis: Some(found.basis),
            dim: found.dim,
            sigma: found.sigma,
            deviations: found.deviations.clone(),
            draws: found.draws,
            variance: found.v.variance,
            variance_interval: Some([found.v.low, found.v.high]),
            exponent: found.exponent.as_ref().map(|e| e.value),
        }
    }
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
pub fn of(
    params: &Report,
    experiment: &Experiment,
    answer: &Setting,
    own: &SufficientRow,
    figures: &[Figure],
) -> Summary {
    let number = Own::of_row(own, experiment);
    let (data, model) = experiment.trained.as_ref().map(|t| (&t.data, &t.model.facts)).unzip();
    Summary {
        format: FORMAT,
        experiment: experiment.name.clone(),
        title: plain(&params.title),
        headline: headline(&number),
        own: Some(number),
        answer: answers(experiment, answer, own),
        warnings: experiment.warnings.clone(),
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
        eigenvalues: eigenvalues(experiment, &answer.found.name),
        setting: answer.found.name.clone(),
        settings: experiment.settings.iter().map(|s| SettingSummary::of(&s.found)).collect(),
        step: experiment.step,
        confidence: experiment.confidence,
        sufficient: experiment.rows.clone(),
        learning_curve: vec![],
        stream: experiment.stream.as_ref().map(|found| found.stops.clone()),
        facts: facts_of(figures),
    }
}

/// Of the network, or those given for the setting.
fn eigenvalues(experiment: &Experiment, setting: &str) -> Vec<f64> {
    let given = || experiment.given.iter().find(|g| g.name == setting).map(|g| g.eigenvalues.clone());
    let own = experiment.trained.as_ref().map(|t| t.eigenpairs.eigenvalues.to_vec());
    own.or_else(given).unwrap_or_default()
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
        title: plain(&params.title),
        headline: format!("A family of {}.", count(members.len(), "network")),
        own: family.forecasts.iter().find_map(|f| Own::of_target(f, last.k, &family.unit)),
        answer,
        warnings: family.warnings.clone(),
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
        settings: vec![SettingSummary {
            name: ladders[0].setting.clone(),
            basis: None,
            dim: shape.dim,
            sigma: shape.sigma,
            deviations: vec![],
            draws: shape.draws,
            variance: last.variance.mean,
            variance_interval: None,
            exponent: None,
        }],
        step: ladders[0].step,
        confidence: shape.confidence,
        sufficient: vec![],
        learning_curve: ladders[0].line(|r| Some(r.test_loss?.mean)),
        stream: None,
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
