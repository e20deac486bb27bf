//! Parameters of `bound`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Section, Unfit, at_least, positive};

/// Parameters of `bound`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Tolerances for Δ_k, in nats².
    pub tolerances: Vec<f64>,
    /// Tolerances for √Δ_k as a fraction of the mean perturbed loss of the setting.
    pub relative_tolerances: Vec<f64>,
    /// Coverage of every interval.
    pub confidence: f64,
    /// Experiments on the first n samples alone, whose own w* and basis predict V and K.
    pub pilots: Vec<String>,
}

impl Section for Bound {
    const STAGE: &'static str = "bound";

    fn check(&self) -> Result<(), Unfit> {
        at_least("tolerances", self.tolerances.len(), 1)?;
        for &tolerance in &self.tolerances {
            positive("tolerances", tolerance)?;
        }
        for &tolerance in &self.relative_tolerances {
            positive("relative_tolerances", tolerance)?;
        }
        Unfit::unless(self.confidence > 0.0 && self.confidence < 1.0, "confidence", || {
            format!("{}; a number between 0 and 1 is needed, usually 0.95", self.confidence)
        })
    }

    fn experiments(&self) -> Vec<(String, &'static str)> {
        self.pilots.iter().map(|pilot| (pilot.clone(), "montecarlo")).collect()
    }

    fn check_experiments(&self, experiment: &str, known: &[String]) -> Result<(), Unfit> {
        for (i, pilot) in self.pilots.iter().enumerate() {
            let key = format!("pilots[{i}]");
            Unfit::unless(pilot != experiment, &key, || format!("{pilot:?}; another experiment is needed"))?;
            Unfit::unless(known.contains(pilot), &key, || {
                format!("{pilot:?}; the file has no such experiment")
            })?;
            Unfit::unless(!self.pilots[..i].contains(pilot), &key, || format!("{pilot:?} stands twice"))?;
        }
        Ok(())
    }
}
