//! Parameters of `bound`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::{fraction, positive};
use crate::section::{Section, Unfit};
use crate::units::SquaredLoss;

/// Parameters of `bound`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Tolerances for Δ_k, in the squared unit of the loss: nats² for softmax-cross-entropy.
    #[schemars(length(min = 1), transform = positive)]
    pub tolerances: Vec<SquaredLoss>,
    /// Tolerances for √Δ_k as a fraction of the mean perturbed loss of the setting.
    #[schemars(transform = positive)]
    pub relative_tolerances: Vec<f64>,
    /// Coverage of every interval.
    #[schemars(transform = fraction)]
    pub confidence: f64,
    /// Experiments on the first n samples alone, whose own w* and basis predict V and K.
    pub pilots: Vec<String>,
}

impl Section for Bound {
    const STAGE: &'static str = "bound";

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
            Unfit::unless(!self.pilots[..i].contains(pilot), &key, || format!("{pilot:?} occurs twice"))?;
        }
        Ok(())
    }
}
